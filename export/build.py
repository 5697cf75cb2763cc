"""A training run to a model that ships: ``python -m export.build RUN --out edge_ocr/weights``.

RUN is the folder or checkpoint of a detector or recognizer run. The network is folded, written as ONNX, compared
with the trained network, and registered with its manifest; a model that fails the comparison is not registered. The
weights are also kept in half precision (``--keep training/weights``), so that a later run can go on from them with
``--init``.

With ``--int8`` what is registered is the quantised network, if it loses no more than ``--limit`` on drawn samples and
labelled folders (export.quantize).
"""

from __future__ import annotations

import argparse
import copy
import datetime
import json
import platform
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge_ocr import manifest as m
from export import quantize
from export.half import store_half
from export.onnx import export_recognizer, fold_batch_norm
from export.parity import check_parity
from training.recognizer.model import ExportRecognizer, Recognizer, RecognizerConfig

__all__ = ["build_detector", "build_recognizer", "main"]

VERSION = "0.1.0"
LICENSE = "Apache-2.0"
SOURCE = "pictures drawn by training.synth from what training/INGREDIENTS.md lists; no real picture"
TOLERANCE = 2e-3
MARGIN = 0.15  # of a quad's height around it: its ends come out a little short, and the drawn crops have room
SPACE = 0.15  # on drawn phrases a recall of 0.988 at a precision of 0.958; without it 0.959 and 0.997
MINIMUM = 0.3  # below this, most of what is read was no text
RECOGNIZER_BUCKETS = (48, 96, 160, 256, 384, 512)


def _made(state: dict[str, Any], module: str, name: str) -> m.Made:
    minutes = float(state.get("seconds", 0)) / 60
    cores = torch.get_num_threads()
    return m.Made(
        command=f"python -m training.{module}.train"
        + (f" {name}" if module == "recognizer" else "")
        + f" --minutes {minutes:.0f}",
        date=datetime.date.today().isoformat(),
        machine=f"{platform.machine()}, CPU, {cores} of 2 cores",
        minutes=round(minutes, 1),
        samples=int(state["samples"]),
        source=SOURCE,
    )


def build_recognizer(checkpoint: Path, name: str, out: Path, *, measures: dict[str, float], temperature: float) -> Path:
    """The recognizer of ``checkpoint`` as ``out/name``; returns that folder."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    config = RecognizerConfig.from_dict(state["model_config"])
    net = Recognizer(config)
    net.load_state_dict(state["ema"])
    net.eval()
    folded = copy.deepcopy(net)
    fold_batch_norm(folded)
    target = out / name
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as work:
        path = Path(work) / "model.onnx"
        outputs = export_recognizer(folded, path)
        rng = np.random.default_rng(0)
        probes = [
            ("crops", rng.integers(0, 256, (n, config.height, w), dtype=np.uint8))
            for n, w in ((1, 48), (3, 160), (2, 512))
        ]
        worst = check_parity(ExportRecognizer(net).eval(), path, probes, tolerance=TOLERANCE)
        path.replace(target / "model.onnx")
    parts = dict(zip(("symbols", "initial", "medial", "final"), outputs, strict=False))
    manifest = m.RecognizeManifest(
        format=m.FORMAT,
        name=name,
        task="recognize",
        version=VERSION,
        license=LICENSE,
        languages=(name,),
        files={"onnx": m.describe_file(target / "model.onnx")},
        made=_made(state, "recognizer", name),
        measures=measures,
        input=m.RecognizeInput(
            name="crops",
            dtype="uint8",
            layout="NHW",
            colour="grey",
            height=config.height,
            buckets=RECOGNIZER_BUCKETS,
            max_batch=8,
            fit="height-pad-right",
            resize="area-down-linear-up",
            padding=127,
            margin=MARGIN,
        ),
        output=m.RecognizeOutput(head=config.head, stride=4, **parts),  # type: ignore[arg-type]
        charset=config.charset,
        blank=0,
        decode=m.RecognizeDecode(default="greedy", beam_width=8, space=SPACE),
        confidence=m.Confidence(
            definition="geometric mean of the characters' peak probabilities, spaces left out",
            temperature=temperature,
            minimum=MINIMUM,
        ),
    )
    m.write_manifest(target, manifest)
    m.load_manifest(target)
    print(f"{target}: {manifest.files['onnx'].bytes / 1e6:.2f} MB, differs from the network by {worst:.1e}")
    return target


def build_detector(
    checkpoint: Path, name: str, out: Path, *, measures: dict[str, float], decode: dict[str, float]
) -> Path:
    """The detector of ``checkpoint`` as ``out/name``; returns that folder. ``decode`` overrides thresholds."""
    from training.detector.export import export_onnx

    state = torch.load(checkpoint, map_location="cpu", weights_only=False)
    target = out / name
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as work:
        path = Path(work) / "model.onnx"
        export_onnx(checkpoint, path)  # compares itself with the network
        path.replace(target / "model.onnx")
    thresholds: dict[str, Any] = {
        "score_threshold": 0.7,
        "merge_iou": 0.4,
        "edge_reach": 0.6,
        "nms_iou": 0.2,
        "contained": 0.6,
        "min_height": 4.0,
        "max_regions": 2000,
    }
    manifest = m.DetectManifest(
        format=m.FORMAT,
        name=name,
        task="detect",
        version=VERSION,
        license=LICENSE,
        languages=(),
        files={"onnx": m.describe_file(target / "model.onnx")},
        made=_made(state, "detector", name),
        measures=measures,
        input=m.DetectInput(
            name="image",
            dtype="uint8",
            layout="NHWC",
            colour="RGB",
            stride=32,
            buckets=((320, 320), (480, 640), (640, 480), (736, 1280), (1280, 736), (800, 800)),
            fit="letterbox",
            resize="area-down-linear-up",
            padding=114,
        ),
        output=m.DetectOutput(score="score", geometry="geometry", stride=4),
        decode=m.DetectDecode(**(thresholds | decode)),
        tiling=m.Tiling(overlap=128, max_shrink=1.25, max_tiles=64, large=96, coarse_shrink=4, grow_to=64, border=32),
        quality=m.QualityLimits(
            height=24,
            blur=0.6,
            motion=0.5,
            dark=0.75,
            over_exposed=0.6,
            glare=0.25,
            too_far=0.5,
            tilted=0.4,
            cut=0.9,
        ),
    )
    m.write_manifest(target, manifest)
    m.load_manifest(target)
    print(f"{target}: {manifest.files['onnx'].bytes / 1e6:.2f} MB")
    return target


def halve(folder: Path) -> None:
    """Store the weights of a registered model in half precision, and sign it again."""
    manifest = m.load_manifest(folder)
    path = folder / "model.onnx"
    change = store_half(path)
    m.write_manifest(folder, replace(manifest, files={"onnx": m.describe_file(path)}))
    m.load_manifest(folder)
    print(f"{folder}: {path.stat().st_size / 1e6:.2f} MB in half precision, weights changed by at most {change:.1e}")


def keep_weights(checkpoint: Path, path: Path) -> None:
    """The averaged weights of either trainer in half precision, with the network's config in the header."""
    from safetensors.torch import save_file

    state = torch.load(checkpoint, map_location="cpu", weights_only=False)
    config = json.dumps(state.get("model_config") or state["config"], ensure_ascii=True)
    averaged = state["ema"] if "ema" in state else state["average"]
    tensors = {k: (v.half() if v.dtype == torch.float32 else v).contiguous() for k, v in averaged.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata={"model_config": config, "samples": str(state["samples"])})


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("run", type=Path, help="folder of a run (its last.pt is taken) or a checkpoint")
    p.add_argument("--name", required=True, help="detector, or the language of a recognizer")
    p.add_argument("--out", type=Path, default=Path("edge_ocr/weights"))
    p.add_argument("--keep", type=Path, help="folder for the weights in half precision")
    p.add_argument(
        "--measure",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a figure for the manifest, may be repeated",
    )
    p.add_argument(
        "--decode", action="append", default=[], metavar="NAME=VALUE", help="a detector's threshold, may be repeated"
    )
    p.add_argument("--temperature", type=float, default=1.0, help="a recognizer's confidence temperature")
    p.add_argument("--half", action="store_true", help="store the weights in half precision (float32 arithmetic)")
    p.add_argument("--int8", action="store_true", help="quantise; registered only if it passes the gate")
    quantize.options(p.add_argument_group("with --int8"))
    a = p.parse_args()
    checkpoint = a.run / "last.pt" if a.run.is_dir() else a.run
    a.out.mkdir(parents=True, exist_ok=True)
    measures = {k: float(v) for k, v in (x.split("=", 1) for x in a.measure)}
    with tempfile.TemporaryDirectory() as work:
        out = Path(work) if a.int8 else a.out
        if a.name == "detector":
            decode = {k: float(v) for k, v in (x.split("=", 1) for x in a.decode)}
            build_detector(checkpoint, a.name, out, measures=measures, decode=decode)
        else:
            build_recognizer(checkpoint, a.name, out, measures=measures, temperature=a.temperature)
        if a.half:
            halve(out / a.name)
        if a.int8:
            try:
                print(json.dumps(quantize.run(out / a.name, a.out / a.name, a), indent=1, ensure_ascii=False))
            except quantize.GateError as error:
                print(f"{a.out / a.name}: {error}", file=sys.stderr)
                return 1
    if a.keep:
        keep_weights(checkpoint, a.keep / f"{a.name}.safetensors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
