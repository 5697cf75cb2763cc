#!/usr/bin/env bash
# The golden files on processors that this machine is not, in user-mode emulation (make emulate). Correctness only, never
# timings: an emulated second is a minute.
#
#   tests/emulate/run.sh PYTHON [haswell|aarch64|all] [MODELS]
#
# PYTHON     one that has the runtime (numpy, OpenCV, onnxruntime)
# haswell    x86-64 with AVX2 and no AVX512 or VNNI, where eight-bit weights overflow and INT8 models go wrong
# aarch64    a 64-bit ARM with dot products; a small Debian and the wheels for it are put into .venv-aarch64 first
# MODELS     models folder to check too, INT8 ones for example: golden files of them are made here, then compared there
#
# Debian: apt-get install qemu-user-static mmdebstrap
set -euo pipefail
cd "$(dirname "$0")/../.."

python=${1:?which Python}
which=${2:-all}
models=${3:-}
work=build/emulate
root=$PWD/.venv-aarch64
export OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1

need() {
  command -v "$1" >/dev/null || { echo "Missing: $1. On Debian: apt-get install qemu-user-static mmdebstrap" >&2; exit 1; }
}

# compare LABEL COMMAND...: all golden files with the shipped models, and those of MODELS
compare() {
  local label=$1
  shift
  echo "== $label"
  "$@" -m export.golden --check
  if [ -n "$models" ]; then
    "$@" -m export.golden --check --only models --models "$models" --folder "$work/golden"
  fi
}

if [ -n "$models" ]; then
  rm -rf "$work/golden"
  "$python" -m export.golden --only models --models "$models" --folder "$work/golden"
fi

if [ "$which" = haswell ] || [ "$which" = all ]; then
  need qemu-x86_64-static
  # The emulator tells of every feature of a Haswell that it lacks (none of them arithmetic), once a thread.
  compare "x86-64, Haswell" qemu-x86_64-static -cpu Haswell "$python" 2> >(grep -v "TCG doesn't support" >&2)
fi

if [ "$which" = aarch64 ] || [ "$which" = all ]; then
  need qemu-aarch64-static
  if [ ! -e "$root/made" ]; then
    need mmdebstrap
    rm -rf "$root"
    mmdebstrap --quiet --variant=extract --architectures=arm64 \
      --include=python3-minimal,libpython3.11-stdlib,libstdc++6,libgomp1 bookworm "$root"
    mkdir -p "$root/opt/wheels" "$root/proc" "$root/download"
    "$python" -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.11 \
      --platform manylinux2014_aarch64 --platform manylinux_2_27_aarch64 --platform manylinux_2_28_aarch64 \
      --dest "$root/download" numpy opencv-python-headless onnxruntime
    for wheel in "$root"/download/*.whl; do "$python" -m zipfile -e "$wheel" "$root/opt/wheels"; done
    rm -rf "$root/download"
    # ONNX Runtime reads there which processor it runs on; this one is a Cortex-A76, as -cpu says below.
    printf '%s\n' 'processor	: 0' 'BogoMIPS	: 100.00' \
      'Features	: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp' \
      'CPU implementer	: 0x41' 'CPU architecture: 8' 'CPU variant	: 0x3' 'CPU part	: 0xd0b' 'CPU revision	: 1' '' \
      > "$root/proc/cpuinfo"
    touch "$root/made"
  fi
  export PYTHONPATH=/opt/wheels:$PWD
  compare "aarch64, Cortex-A76" qemu-aarch64-static -cpu cortex-a76 -L "$root" "$root/usr/bin/python3.11"
fi
