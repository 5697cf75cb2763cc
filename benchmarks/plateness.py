"""What is no plate, and is read as one.

    python -m benchmarks.plateness choose [--ingredients DIR] [--count N]
    python -m benchmarks.plateness measure FOLDER... [--every N] [--out FILE]

``choose`` draws plates of every kind, and other text and bits of road, with faces and frames that no training has seen;
reads each under the grammar of plates; and finds the limits (least confidence, least sure character, least sure Hangul,
characters in which the plain reading may differ) that keep the most plates while no more than ``--allowed`` of what is
none gets through. They stand in ``edge_ocr/scanners/plate.py``; run it again for other weights.

``measure`` scans the pictures of folders that hold no Korean plates, and prints how many readings there are in a
hundred pictures, by confidence, and what they are. A ``plates.jsonl`` in a folder (a line a picture: ``{"image",
"plates": [quad]}``) lists plates of other countries: readings that lie on these are counted apart.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from edge_ocr.constrain import search
from edge_ocr.ctc import greedy
from edge_ocr.errors import ImageError
from edge_ocr.geometry import clean, quad_iou_matrix
from edge_ocr.image import load_image
from edge_ocr.recognize import Recognizer
from edge_ocr.scanners import plate
from edge_ocr.scanners.lines import make_recognizer
from training.synth.plate import KINDS, SILENT, PlateSynth

__all__ = ["choose", "features", "main", "measure"]

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
GRID = {
    "weakest": (0.0, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5), "letter": (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7),
    "changes": (0, 1, 2, 3), "confidence": tuple(np.round(np.arange(0.5, 0.96, 0.05), 2).tolist()),
}  # fmt: skip


@dataclass(frozen=True)
class Read:
    """One crop's reading: what was drawn, what was read, and what the limits are about."""

    truth: str
    text: str
    confidence: float
    weakest: float
    letter: float
    changes: int


def features(recognizer: Recognizer, images: list[Any], truths: list[str]) -> list[Read]:
    """What the scanner weighs, of lines that are already cut out."""
    out = []
    for lp, truth in zip(recognizer.log_probs(images), truths, strict=True):
        plain = greedy(lp).text
        found = []
        if sum(c.isdecimal() for c in plain) >= 3 and 5 <= len(plain) <= 13:
            found = search(lp, plate.grammar(), width=4)
        if not found:
            out.append(Read(truth, "", 0.0, 0.0, 0.0, 99))
            continue
        details = plate.parse(found[0][0])
        word = recognizer.word_of(lp, found[0][0])
        told = plate.Plate(
            details.text if details else "", "", ((0, 0),) * 4, word.confidence, word.characters, plain
        )  # fmt: skip
        sure = [c.confidence for c in word.characters]
        letters = [c.confidence for c in word.characters if not c.text.isascii()]
        out.append(Read(truth, told.text, word.confidence, min(sure), min(letters), plate.changes(told)))
    return out


def choose(recognizer: Recognizer, synth: PlateSynth, *, count: int, allowed: float, seed: int) -> dict[str, Any]:
    """The limits, and what they keep of plates and let through of other things; ``count`` plates of each kind, and
    six times as many of each of the other things."""
    kinds = [k for k in KINDS if k not in SILENT]
    plates: list[Read] = []
    others: list[Read] = []
    with tqdm(total=count * (len(kinds) + 6 * len(SILENT)), unit="crop", disable=None) as bar:
        for number, kind in enumerate((*kinds, *SILENT)):
            rng = np.random.default_rng([seed, number])
            for start in range(0, count * (6 if kind in SILENT else 1), 32):
                n = min(32, count * (6 if kind in SILENT else 1) - start)
                samples = [synth.sample(rng, kind) for _ in range(n)]
                read = features(recognizer, [s.image for s in samples], [s.text for s in samples])
                (others if kind in SILENT else plates).extend(read)
                bar.update(n)
    table = {name: np.array([[getattr(r, name) for r in rows] for rows in (plates,)])[0] for name in GRID}
    right = np.array([r.text == r.truth for r in plates])
    against = {name: np.array([getattr(r, name) for r in others]) for name in GRID}
    best: dict[str, Any] = {}
    for weakest, letter, changes, least in itertools.product(*GRID.values()):

        def passing(
            of: dict[str, Any], w: float = weakest, x: float = letter, n: int = changes, c: float = least
        ) -> Any:
            return (of["weakest"] >= w) & (of["letter"] >= x) & (of["changes"] <= n) & (of["confidence"] >= c)

        kept = passing(table)
        through = float(passing(against).mean())
        if through > allowed:
            continue
        found = {
            "weakest": weakest, "letter": letter, "changes": changes, "confidence": least,
            "right_kept": round(float((kept & right).mean()), 4), "wrong_kept": round(float((kept & ~right).mean()), 4),
            "others_through": round(through, 5),
        }  # fmt: skip
        if not best or found["right_kept"] - found["wrong_kept"] > best["right_kept"] - best["wrong_kept"]:
            best = found
    now = {"weakest": plate.WEAKEST, "letter": plate.LETTER, "changes": plate.CHANGES, "confidence": plate.CONFIDENCE}

    def ok(of: dict[str, Any]) -> Any:
        out = of["changes"] <= now["changes"]
        for name in ("weakest", "letter", "confidence"):
            out = out & (of[name] >= now[name])
        return out

    now |= {
        "right_kept": round(float((ok(table) & right).mean()), 4),
        "wrong_kept": round(float((ok(table) & ~right).mean()), 4),
        "others_through": round(float(ok(against).mean()), 5),
    }
    counts = {"plates": len(plates), "others": len(others), "right": round(float(right.mean()), 4)}
    return {**counts, "limits": best, "limits_now": now}


def measure(scanner: plate.Scanner, files: list[Path]) -> dict[str, Any]:
    """Readings in pictures without Korean plates, by confidence, a hundred pictures."""
    known: dict[str, list[Any]] = {}
    for folder in {f.parent for f in files}:
        path = folder / "plates.jsonl"
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
            row = json.loads(line)
            known[str(folder / row["image"])] = row["plates"]
    readings: list[dict[str, Any]] = []
    count = 0
    for path in tqdm(files, unit="picture", disable=None):
        try:
            image = load_image(path)
        except ImageError as error:
            print(error, file=sys.stderr)
            continue
        count += 1
        for found in scanner.scan(image):
            quads = known.get(str(path), [])
            own = bool(quads) and bool((quad_iou_matrix(clean([found.quad]), clean(quads)) > 0.1).any())
            readings.append({
                "image": path.name, "text": found.text, "plain": found.plain, "confidence": round(found.confidence, 3),
                "foreign_plate": own,
            })  # fmt: skip
    def per_hundred(least: float, own: bool) -> float:
        hits = sum(r["confidence"] >= least and r["foreign_plate"] == own for r in readings)
        return round(100 * hits / max(count, 1), 2)

    levels = [x for x in (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95) if x >= scanner.min_confidence]
    return {
        "pictures": count,
        "in_100_pictures": {str(x): per_hundred(x, False) for x in levels},
        "in_100_pictures_on_foreign_plates": {str(x): per_hundred(x, True) for x in levels},
        "readings": readings,
    }


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=("choose", "measure"))
    p.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    p.add_argument("--ingredients", default="ingredients")
    p.add_argument("--models", help="folder of models instead of the package's")
    p.add_argument("--count", type=int, default=60, help="choose: plates of each kind")
    p.add_argument("--allowed", type=float, default=0.0005, help="choose: share of other things that may get through")
    p.add_argument("--every", type=int, default=1, help="measure: only every N-th picture")
    p.add_argument("--least", type=float, default=0.5, help="measure: least confidence that is listed")
    p.add_argument("--seed", type=int, default=4711)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--out", type=Path)
    a = p.parse_args()
    cv2.setNumThreads(1)
    if a.what == "choose":
        recognizer = make_recognizer(plate.MODELS, a.models, threads=a.threads)
        synth = PlateSynth.load(a.ingredients, reserved=True)
        result = choose(recognizer, synth, count=a.count, allowed=a.allowed, seed=a.seed)
    else:
        files = [f for folder in a.folders for f in sorted(folder.rglob("*")) if f.suffix.lower() in SUFFIXES]
        if not files:
            p.error("there are no pictures to measure on; name folders that hold some")
        scanner = plate.Scanner(threads=a.threads, models_dir=a.models, min_confidence=a.least)
        result = measure(scanner, files[:: a.every])
    text = json.dumps(result, ensure_ascii=False, indent=1)
    print(text)
    if a.out:
        a.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
