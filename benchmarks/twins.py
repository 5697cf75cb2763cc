#!/usr/bin/env python3
"""Whether a model's TFLite file reads what its ONNX file reads, on the crops of real pictures.

    python -m benchmarks.twins data/receipt_en data/words_en --lang en
    python -m benchmarks.twins data/page_ko data/receipt_ko --lang ko --out out/twins.json
    python -m benchmarks.twins data/plate_kr_crop --lang plate-kr

The words that the detector finds in the pictures of each folder (those below ``images/`` where it has such a folder)
are cut out once, and read by both files of one recognizer. It prints for each folder how many crops there are, how
many of them ONNX reads with a confidence of ``--sure`` or more, the share of these that TFLite reads to the letter
alike, the edit distance between both over the length of what ONNX reads (all crops), and TFLite's CPU time in ONNX's.
Where the detector finds nothing, the whole picture is the crop. ``--misses`` lists the sure crops that differ.
"""

from __future__ import annotations

import argparse
import datetime
import json
import pathlib
import platform
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm

from benchmarks.accuracy import edit_distance
from edge_ocr import OCR
from edge_ocr.crop import crop_quads
from edge_ocr.errors import EdgeOcrError
from edge_ocr.image import load_image
from edge_ocr.models import find_recognizer

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


@dataclass
class Count:
    """Crops, those read surely, those of them read alike, edits between both, letters, CPU seconds of each."""

    crops: int = 0
    sure: int = 0
    alike: int = 0
    edits: int = 0
    letters: int = 0
    seconds: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def shares(self) -> dict[str, float]:
        return {
            "crops": self.crops,
            "sure": self.sure,
            "same_text": self.alike / max(self.sure, 1),
            "cer_between": self.edits / max(self.letters, 1),
            "cpu_ratio": self.seconds[1] / max(self.seconds[0], 1e-9),
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--lang", default="en", metavar="LANG", help="the recognizer: ko, en, plate-kr, mrz")
    parser.add_argument("--models", type=pathlib.Path, metavar="DIR", help="instead of those in the package")
    parser.add_argument("--sure", type=float, default=0.9, metavar="P", help="(default: %(default)s)")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N pictures of a folder")
    parser.add_argument("--misses", action="store_true", help="list the sure crops that are read otherwise")
    parser.add_argument("--out", type=pathlib.Path, metavar="FILE", help="all of it as JSON")
    options = parser.parse_args()
    try:
        report = measure(options)
    except EdgeOcrError as e:
        print(f"twins: {e}", file=sys.stderr)
        return 1
    for name, row in report["folders"].items():
        print(
            f"{name:16} {row['crops']:6.0f} crops {row['sure']:6.0f} sure  same text {row['same_text']:7.2%}  "
            f"CER between {row['cer_between']:7.3%}  CPU {row['cpu_ratio']:.2f}x"
        )
    if options.misses:
        for onnx, tflite in report["misses"]:
            print(f"  {onnx!r} -> {tflite!r}")
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return 0


def measure(options: argparse.Namespace) -> dict[str, Any]:
    twins = [
        OCR((options.lang,), threads=1, models_dir=options.models, engine=engine, words=False)
        for engine in ("onnx", "tflite")
    ]
    for ocr in twins:
        ocr.warm_up()
    given = find_recognizer(options.lang, options.models).manifest.input
    total, found = Count(), {}
    misses: list[tuple[str, str]] = []
    for folder in options.folders:
        count = Count()
        pictures = pictures_of(folder)[: options.limit]
        if not pictures:
            raise SystemExit(f"twins: {folder}: no pictures; give folders with pictures, or with images/")
        for path in tqdm(pictures, desc=folder.name, unit="picture", disable=None, leave=False):
            picture = load_image(path)
            quads = [region.quad for region in twins[0].detect(picture)]
            crops: list[Any] = list(crop_quads(picture, quads, height=given.height, margin=given.margin))
            misses += compare(twins, crops or [picture], options.sure, count, total)
        found[folder.name] = count.shares()
    if len(found) > 1:
        found["all"] = total.shares()
    return {
        "made_by": "benchmarks/twins.py",
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, {platform.system()}",
        "lang": options.lang,
        "folders": found,
        "misses": misses,
    }


def pictures_of(folder: pathlib.Path) -> list[pathlib.Path]:
    inner = folder / "images"
    return sorted(p for p in (inner if inner.is_dir() else folder).glob("*") if p.suffix.lower() in SUFFIXES)


def compare(twins: list[OCR], crops: list[Any], sure: float, *counts: Count) -> list[tuple[str, str]]:
    """Reads crops with both, adds to the counts, and returns the sure ones that differ."""
    reads, spent = [], []
    for ocr in twins:
        start = time.process_time()
        reads.append(ocr.recognize(crops))
        spent.append(time.process_time() - start)
    differ = [(a.text, b.text) for a, b in zip(*reads, strict=True) if a.confidence >= sure and a.text != b.text]
    certain = sum(a.confidence >= sure for a in reads[0])
    for count in counts:
        count.crops += len(crops)
        count.sure += certain
        count.alike += certain - len(differ)
        count.edits += sum(edit_distance(a.text, b.text) for a, b in zip(*reads, strict=True))
        count.letters += sum(len(a.text) for a in reads[0])
        count.seconds = [s + t for s, t in zip(count.seconds, spent, strict=True)]
    return differ


if __name__ == "__main__":
    sys.exit(main())
