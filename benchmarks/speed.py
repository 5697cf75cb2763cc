#!/usr/bin/env python3
"""What a reading costs: per stage, CPU, threads, memory, start; and two sets of models against each other.

    python -m benchmarks.speed [--models DIR] [--threads N] [--out speed.json]
    python -m benchmarks.speed --compare fp32/ int8/ [--threads N]

The frames are drawn, always alike: 0, 1, 10 and 30 lines of three words and fifteen characters, half of them Hangul, at
640×480 and 1280×720. Times are p50 and p95 in milliseconds, per stage by the clock and as a whole in CPU time, which
other work on the machine disturbs less. Memory, threads and start (import to the first reading) are taken in processes
of their own. ``--markdown`` prints the README's tables.

``--compare`` runs both sets in one process, in turns, frame by frame, and prints the ratio of their CPU times: of whole
readings, and of the detector and each recognizer alone on the inputs that these frames give.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy import command
from calibration.samples import Recorder
from edge_ocr import OCR
from edge_ocr.crop import crop_quads
from edge_ocr.detect import Detector
from edge_ocr.draw import _lettering  # the one lettering that is there without a font
from edge_ocr.engine import OnnxEngine
from edge_ocr.models import DetectorModel, RecognizerModel, list_models
from edge_ocr.recognize import Recognizer

__all__ = ["LINES", "SIZES", "compare", "frame", "main", "measure", "word_quads"]

SIZES = ((480, 640), (720, 1280))
LINES = (0, 1, 10, 30)
STAGES = ("detect", "crop", "recognize", "total")
_WORDS = (
    "오늘의추천", "커피두잔을", "TOTAL", "12500", "서울특별시", "Paris", "전화주세요", "10:30", "무료배송중", "Cream",
    "합계금액은", "R2D2X", "바닷가마을", "House", "45,00", "여름휴가철", "WATER",
)  # fmt: skip
# A fresh process: import, read one frame; its own times, memory and threads.
_FRESH = """
import json, sys, time
wall, cpu = time.perf_counter(), time.process_time()
import numpy as np
from edge_ocr import OCR
image = np.load(sys.argv[1])
ocr = OCR(sys.argv[4].split(","), models_dir=sys.argv[2] or None, threads=int(sys.argv[3]))
reading = ocr.read(image)
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
for _ in range(2):
    ocr.read(image)
found = {"cold_start_ms": 1000 * wall, "cold_start_cpu_ms": 1000 * cpu}
if sys.platform == "linux":  # getrusage may tell the peak of the process that started this one
    status = open("/proc/self/status").read().split()
    found["process_threads"] = int(status[status.index("Threads:") + 1])
    found["peak_rss_mib"] = int(status[status.index("VmHWM:") + 1]) / 1024
print(json.dumps(found))
"""

Image = NDArray[np.uint8]


def _layout(lines: int, size: tuple[int, int]) -> list[tuple[str, int, int, int]]:
    """(word, letter height, left, top) of each word of a frame."""
    high, wide = size
    if not lines:
        return []
    per_column = lines if lines * 24 <= high else -(-lines // 2)
    pitch = min(high // (per_column + 1), 60)
    letters = min(int(pitch * 0.72), 36)
    columns = -(-lines // per_column)
    out = []
    for n in range(lines):
        column, row = divmod(n, per_column)
        left = int((column + 0.04) * wide / columns)
        for k in range(3):
            text = _WORDS[(3 * n + k) % len(_WORDS)]
            out.append((text, letters, left, int(pitch * (row + 0.5))))
            left += _lettering(text, letters).shape[1] + letters // 2
    return out


def frame(lines: int, size: tuple[int, int]) -> Image:
    """uint8 ``[h, w, 3]``: dark text on a light, slightly uneven ground with a little noise; always the same."""
    high, wide = size
    rng = np.random.default_rng(lines)
    y, x = np.mgrid[0:high, 0:wide]
    ground = 205 + 25 * np.sin(x / wide * 2 + y / high) + rng.normal(0, 2, (high, wide))
    image = np.clip(ground, 0, 255).astype(np.uint8)
    for text, letters, left, top in _layout(lines, size):
        ink = _lettering(text, letters)
        part = image[top : top + letters, left : left + ink.shape[1]]
        ink = ink[: part.shape[0], : part.shape[1]]
        part[:] = part - (part * (ink / 255.0) * 0.85).astype(np.uint8)
    return np.ascontiguousarray(np.repeat(image[:, :, None], 3, axis=2))


def word_quads(lines: int, size: tuple[int, int]) -> NDArray[np.float64]:
    """Where the words of a frame stand ``[N, 4, 2]``."""
    boxes = [(x, y, x + _lettering(t, h).shape[1], y + h) for t, h, x, y in _layout(lines, size)]
    return np.array([[(a, b), (c, b), (c, d), (a, d)] for a, b, c, d in boxes], np.float64).reshape(-1, 4, 2)


def measure(models: Path | None, *, languages: Sequence[str], threads: int, repeat: int) -> dict[str, Any]:
    """All figures of one set of models."""
    ocr = OCR(tuple(languages), threads=threads, models_dir=models)
    ocr.warm_up()
    rows = []
    for size in SIZES:
        for lines in LINES:
            image = frame(lines, size)
            reading = ocr.read(image)
            spent: dict[str, list[float]] = {k: [] for k in (*STAGES, "cpu")}
            for _ in range(repeat):
                cpu = time.process_time()
                reading = ocr.read(image)
                spent["cpu"].append(1000 * (time.process_time() - cpu))
                for stage in STAGES:
                    spent[stage].append(reading.ms[stage])
            p50 = {k: round(statistics.median(v), 2) for k, v in spent.items()}
            p95 = {k: round(float(np.percentile(v, 95)), 2) for k, v in spent.items()}
            rows.append(
                {
                    "width": size[1],
                    "height": size[0],
                    "lines": lines,
                    "words_read": len(reading.words),
                    "p50": p50,
                    "p95": p95,
                }
            )
    return {"frames": rows, "start": fresh(models, languages=languages, threads=threads), "bytes": sizes(models)}


def fresh(models: Path | None, *, languages: Sequence[str], threads: int, repeat: int = 3) -> dict[str, dict[str, Any]]:
    """Start, memory and threads of new processes that read the frame of ten lines; medians."""
    found = {}
    work = Path(os.environ.get("TMPDIR", "/tmp")) / f"edge-ocr-speed-{os.getpid()}.npy"
    try:
        for size in SIZES:
            np.save(work, frame(10, size))
            command = [sys.executable, "-c", _FRESH, str(work), str(models.resolve()) if models else "", str(threads)]
            command.append(",".join(languages))
            runs = [
                json.loads(subprocess.run(command, capture_output=True, text=True, check=True, cwd=_root()).stdout)
                for _ in range(repeat)
            ]
            found[f"{size[1]}x{size[0]}"] = {
                k: round(statistics.median(r[k] for r in runs), 1) for k in runs[0] if runs[0][k] is not None
            }
    finally:
        work.unlink(missing_ok=True)
    return found


def _load() -> str:
    return f"{os.getloadavg()[0]:.0f}" if hasattr(os, "getloadavg") else "unknown"


def _root() -> Path:
    return Path(__file__).resolve().parent.parent


def sizes(models: Path | None) -> dict[str, int]:
    return {x.manifest.name: sum(f.bytes for f in x.manifest.files.values()) for x in list_models(models)}


def network_runs(models: Path, *, threads: int) -> dict[str, Callable[[], None]]:
    """A call for each network that runs it alone: the detector on an empty frame of each size, recognizers on the words
    of the frame of ten lines, cut out where they stand."""
    out: dict[str, Callable[[], None]] = {}
    for model in list_models(models):
        engine = OnnxEngine(model.read(), threads=threads)
        if isinstance(model, DetectorModel):
            for size in SIZES:
                recorder = Recorder(engine)
                Detector(model.manifest, recorder).detect(frame(10, size))
                out[f"{model.manifest.name} {size[1]}x{size[0]}"] = _again(engine, recorder.inputs[:1])
        elif isinstance(model, RecognizerModel):
            given = model.manifest.input
            crops = crop_quads(frame(10, SIZES[0]), word_quads(10, SIZES[0]), height=given.height, margin=given.margin)
            for name, images in (
                (f"{model.manifest.name} 30 words", [c.image for c in crops]),
                (f"{model.manifest.name} 1 word", [crops[0].image]),
            ):
                recorder = Recorder(engine)
                Recognizer(model.manifest, recorder).log_probs(images)
                out[name] = _again(engine, recorder.inputs)
    return out


def _again(engine: OnnxEngine, inputs: Sequence[Mapping[str, NDArray[Any]]]) -> Callable[[], None]:
    def call() -> None:
        for x in inputs:
            engine.run(x)

    return call


def turns(a: Callable[[], Any], b: Callable[[], Any], repeat: int) -> dict[str, float]:
    """CPU milliseconds of two calls made in turns: medians, and the median and quartiles of the ratio b / a."""
    a()
    b()
    pairs = []
    for k in range(repeat):
        spent = {}
        for which in ("ab", "ba")[k % 2]:
            start = time.process_time()
            (a if which == "a" else b)()
            spent[which] = 1000 * (time.process_time() - start)
        pairs.append((spent["a"], spent["b"]))
    ratios = [y / x for x, y in pairs]
    low, middle, high = (float(np.percentile(ratios, q)) for q in (25, 50, 75))
    return {
        "a_cpu_ms": round(statistics.median(x for x, _ in pairs), 2),
        "b_cpu_ms": round(statistics.median(y for _, y in pairs), 2),
        "ratio": round(middle, 3), "ratio_quartiles": [round(low, 3), round(high, 3)],  # type: ignore[dict-item]
    }  # fmt: skip


def compare(a: Path, b: Path, *, languages: Sequence[str], threads: int, repeat: int) -> dict[str, Any]:
    """Ratios of CPU time of models ``b`` to models ``a``: of each network alone, and of whole readings."""
    first, second = network_runs(a, threads=threads), network_runs(b, threads=threads)
    networks = {name: turns(first[name], second[name], repeat) for name in first if name in second}
    readers = [OCR(tuple(languages), threads=threads, models_dir=x) for x in (a, b)]
    for ocr in readers:
        ocr.warm_up()
    readings = {}
    for size in SIZES:
        for lines in LINES:
            image = frame(lines, size)
            one, two = (partial(ocr.read, image) for ocr in readers)
            readings[f"{size[1]}x{size[0]} {lines} lines"] = turns(one, two, max(3, repeat // 2))
    sums = {str(x): sum(sizes(x).values()) for x in (a, b)}
    return {"a": str(a), "b": str(b), "networks": networks, "readings": readings, "bytes": sums}


def table(report: Mapping[str, Any]) -> str:
    out = []
    if "frames" in report:
        out.append(f"{'frame':18s}{'words':>6s}" + "".join(f"{k + ' p50/p95':>20s}" for k in (*STAGES, "cpu")))
        for row in report["frames"]:
            name = f"{row['width']}×{row['height']} {row['lines']} lines"
            out.append(
                f"{name:18s}{row['words_read']:6d}"
                + "".join(f"{row['p50'][k]:11.1f} /{row['p95'][k]:7.1f}" for k in (*STAGES, "cpu"))
            )
        for name, row in report["start"].items():
            out.append(f"fresh process, {name}: " + ", ".join(f"{k} {v:g}" for k, v in row.items()))
        out.append(
            "bytes: "
            + ", ".join(f"{k} {v:,}" for k, v in report["bytes"].items())
            + f", together {sum(report['bytes'].values()):,}"
        )
    for part in ("networks", "readings"):
        for name, row in report.get(part, {}).items():
            low, high = row["ratio_quartiles"]
            out.append(
                f"{name:24s}{row['a_cpu_ms']:9.2f}{row['b_cpu_ms']:9.2f} ms CPU   × {row['ratio']:.3f}"
                f" ({low:.3f} – {high:.3f})"
            )
    if "networks" in report:
        out.append("bytes: " + ", ".join(f"{k} {v:,}" for k, v in report["bytes"].items()))
    return "\n".join(out)


def markdown(report: Mapping[str, Any]) -> str:
    """The README's tables, with the day, the machine and the command."""
    told = f"{report['date']}, {report['machine']}, threads: {report['threads']}; `{report['command']}`."
    out = [told]
    if "frames" in report:
        stages = [k for k in STAGES if k != "total"]
        head = ["frame", "words read", *(f"{k}, p50 / p95 ms" for k in (*stages, "total")), "CPU, p50 / p95 ms"]
        body = [
            [f"{r['width']}×{r['height']}, {r['lines']} lines", str(r["words_read"])]
            + [f"{r['p50'][k]:.0f} / {r['p95'][k]:.0f}" for k in (*stages, "total", "cpu")]
            for r in report["frames"]
        ]
        out.append(_rows(head, body))
        head = ["new process, ten lines", "start, ms", "start, CPU ms", "peak memory, MiB", "threads"]
        keys = ("cold_start_ms", "cold_start_cpu_ms", "peak_rss_mib", "process_threads")
        body = [
            [k.replace("x", "×"), *(f"{r[x]:.0f}" if x in r else "–" for x in keys)] for k, r in report["start"].items()
        ]
        out.append(_rows(head, body))
        sizes_ = report["bytes"]
        body = [[k, f"{v:,}"] for k, v in (sizes_ | {"together": sum(sizes_.values())}).items()]
        out.append(_rows(["model", "bytes"], body))
    if "networks" in report:
        head = ["", f"{report['a']}, CPU ms", f"{report['b']}, CPU ms", "ratio (quartiles)"]
        body = [
            [name, f"{r['a_cpu_ms']:.1f}", f"{r['b_cpu_ms']:.1f}", f"{r['ratio']:.2f} ({low:.2f} – {high:.2f})"]
            for part in ("networks", "readings")
            for name, r in report[part].items()
            for low, high in [r["ratio_quartiles"]]
        ]
        body.append(["bytes, together", *(f"{report['bytes'][report[x]]:,}" for x in "ab"), ""])
        out.append(_rows(head, body))
    return "\n\n".join(out)


def _rows(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(x) + " |" for x in (head, ["---"] * len(head), *body))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, help="models folder; default: as the runtime finds it")
    parser.add_argument(
        "--compare", type=Path, nargs=2, metavar=("A", "B"), help="two models folders, for example FP32 and INT8"
    )
    parser.add_argument("--lang", default="ko,en", metavar="L,L")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=20)
    parser.add_argument("--markdown", action="store_true", help="print the README's tables")
    parser.add_argument("--out", type=Path, help="JSON file")
    a = parser.parse_args()
    cv2.setNumThreads(a.threads)
    languages = a.lang.split(",")
    report: dict[str, Any] = {
        "made_by": "benchmarks/speed.py",
        "date": datetime.date.today().isoformat(),
        "command": command("benchmarks.speed"),
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}, "
        f"load {_load()}",
        "threads": a.threads,
    }  # fmt: skip
    if a.compare:
        report |= compare(*a.compare, languages=languages, threads=a.threads, repeat=a.repeat)
    else:
        report |= measure(a.models, languages=languages, threads=a.threads, repeat=a.repeat)
    print(markdown(report) if a.markdown else table(report))
    if a.out:
        a.out.parent.mkdir(parents=True, exist_ok=True)
        a.out.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
