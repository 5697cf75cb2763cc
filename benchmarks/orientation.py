#!/usr/bin/env python3
"""Whether pages turned by quarters, and lines, are read the right way round.

    python -m benchmarks.orientation --ingredients ingredients
    python -m benchmarks.orientation --ingredients ingredients --pages 60 --lines 100     # for a first look

Pages: receipts, shop pages, documents and cards drawn by ``training.synth`` in typefaces that training never saw, each
as a steady hand or a scanner would take it (a tilt of some degrees, a little blur, noise and JPEG; letters of 14 pixels
and more), turned by 90, 180 and 270°, and as it is. ``--hard`` photographs them as the detector's training does,
strong blur, perspective and bad light included, so that some cannot be read either way. A page is oriented right when
``Reading.rotation`` is the turn that sets it upright.

Lines: Korean words and phrases, cropped as a detector would, alone in their picture, upright (they must stay so) and
upside down. ``OCR.read`` decides there, too.

It prints the share oriented right for each, what went wrong, and what the decision costs: the time of ``read`` with
orientation "auto" over "upright", on upright pages and lines. ``--out`` gets it as JSON.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
import time
from collections import Counter
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edge_ocr import OCR
from training.synth import degrade
from training.synth.fonts import Faces
from training.synth.layouts import LAYOUTS, Backgrounds, Kit, Words
from training.synth.line import LineSynth
from training.synth.scene import shoot

KINDS = ("receipt", "page", "document", "card")
LEAST_WORDS, LEAST_HEIGHT = 6, 14  # what makes a picture a page: so many words, so high in pixels

Rng = np.random.Generator
Image = NDArray[np.uint8]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ingredients", type=pathlib.Path, required=True, metavar="DIR")
    parser.add_argument("--pages", type=int, default=300, metavar="N", help="turned pages, a third by each turn (300)")
    parser.add_argument("--lines", type=int, default=1000, metavar="N", help="upright lines, and a tenth upside down")
    parser.add_argument("--size", type=int, default=640, metavar="PIXELS", help="of the pages' sides (640)")
    parser.add_argument("--hard", action="store_true", help="pages photographed badly")
    parser.add_argument("--lang", default="ko,en", metavar="L,L")
    parser.add_argument("--models", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--seed", type=int, default=90, metavar="N")
    parser.add_argument("--keep", type=pathlib.Path, metavar="DIR", help="what was turned wrongly is written here")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("out/orientation.json"), metavar="FILE")
    options = parser.parse_args()

    ocr = OCR(tuple(options.lang.split(",")), threads=options.threads, models_dir=options.models)
    plain = OCR(
        tuple(options.lang.split(",")), threads=options.threads, models_dir=options.models, orientation="upright"
    )
    ocr.warm_up()
    plain.warm_up()
    rng = np.random.default_rng(options.seed)
    sums: dict[str, Count] = {}
    faces = Faces.load(options.ingredients, reserved=True)
    kit = Kit(faces, Words.load(options.ingredients), Backgrounds(options.ingredients))
    for n in tqdm(range(-(-options.pages // 3)), unit="page", disable=None):
        kind = KINDS[int(rng.integers(len(KINDS)))]
        image = (hard_page if options.hard else page)(rng, kit, kind, options.size)
        for turn in (0, 90, 180, 270):
            name = f"page turned {turn}" if turn else "page upright"
            check(sums, name, ocr, plain, turned(image, turn), -turn % 360, options.keep, f"{n:03d}-{kind}")
    synth = lines(options.ingredients)
    for n in tqdm(range(options.lines), unit="line", disable=None):
        image = np.repeat(synth.sample(rng).image[..., None], 3, axis=2)
        check(sums, "line upright", ocr, plain, image, 0, options.keep, f"{n:03d}")
        if n % 10 == 0:
            check(sums, "line upside down", ocr, plain, turned(image, 180), 180, options.keep, f"{n:03d}")
    report = {name: count.summary() for name, count in sums.items()}
    pages = [c for name, c in sums.items() if name.startswith("page turned")]
    report["pages turned"] = {"right": sum(c.right for c in pages) / max(sum(c.pictures for c in pages), 1)}
    for name, entry in report.items():
        print(f"{name:18s}", "  ".join(f"{k} {v}" for k, v in entry.items()))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


class Count:
    """How many pictures of a kind were told right, and how long they took."""

    def __init__(self) -> None:
        self.pictures = self.right = 0
        self.wrong: Counter[int] = Counter()
        self.ms: list[float] = []
        self.plain_ms: list[float] = []

    def summary(self) -> dict[str, Any]:
        out: dict[str, Any] = {"pictures": self.pictures, "right": round(self.right / max(self.pictures, 1), 4)}
        if self.wrong:
            out["told"] = dict(self.wrong)
        if self.plain_ms:
            out |= {"ms_upright": round(float(np.mean(self.plain_ms)), 1), "ms_auto": round(float(np.mean(self.ms)), 1)}
        return out


def check(
    sums: dict[str, Count],
    name: str,
    ocr: OCR,
    plain: OCR,
    image: Image,
    want: int,
    keep: pathlib.Path | None,
    tag: str,
) -> None:
    count = sums.setdefault(name, Count())
    start = time.process_time()
    told = ocr.read(image).rotation
    count.ms.append(1000 * (time.process_time() - start))
    if name.endswith("upright"):
        start = time.process_time()
        plain.read(image)
        count.plain_ms.append(1000 * (time.process_time() - start))
    count.pictures += 1
    count.right += told == want
    if told != want:
        count.wrong[told] += 1
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            file = keep / f"{name.replace(' ', '-')}-{tag}-told-{told}.png"
            cv2.imwrite(str(file), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


def page(rng: Rng, kit: Kit, kind: str, size: int) -> Image:
    """A page, or the part of it that fills ``size`` pixels, with some words that are large enough, tilted a little."""
    while True:
        sheet = LAYOUTS[kind][0](rng, kit)
        high = np.linalg.norm(sheet.quads[:, 3] - sheet.quads[:, 0], axis=1)
        if not len(high):
            continue
        scale = max(size / max(sheet.width, sheet.height), LEAST_HEIGHT / float(np.median(high)))
        angle = np.radians(rng.normal(0, 2))
        c, s = scale * np.cos(angle), scale * np.sin(angle)
        least = size / 2 / scale
        middle = [
            float(np.clip(rng.uniform(0, side), min(least, side / 2), max(side - least, side / 2)))
            for side in (sheet.width, sheet.height)
        ]
        m = np.array([[c, -s, 0.0], [s, c, 0.0]])
        m[:, 2] = size / 2 - m[:, :2] @ middle
        quads = sheet.quads @ m[:, :2].T + m[:, 2]
        inside = ((quads > 0) & (quads < size)).all((1, 2)) & (scale * high >= LEAST_HEIGHT) & ~sheet.ignored
        if inside.sum() < LEAST_WORDS:
            continue
        shade = tuple(int(v) for v in rng.integers(60, 256, 3))
        around = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": shade}
        image = cv2.warpAffine(sheet.image, m, (size, size), flags=cv2.INTER_AREA, **around)
        image = degrade.blur(image, float(rng.uniform(0.0, 0.7)))
        image = degrade.noise(rng, image, float(rng.uniform(0, 6)))
        return np.ascontiguousarray(degrade.jpeg(image, int(rng.integers(60, 96))))


def hard_page(rng: Rng, kit: Kit, kind: str, size: int) -> Image:
    """A page as the detector's training photographs it."""
    while True:
        scene = shoot(rng, LAYOUTS[kind][0](rng, kit), kit, size, kind)
        high = np.linalg.norm(scene.quads[:, 3] - scene.quads[:, 0], axis=1)
        if (~scene.ignore & (high >= LEAST_HEIGHT)).sum() >= LEAST_WORDS:
            return scene.image


def lines(folder: pathlib.Path) -> LineSynth:
    """Korean lines in typefaces that training never saw."""
    charset = (pathlib.Path(__file__).parents[1] / "training/charsets/ko.txt").read_text(encoding="utf-8").rstrip("\n")
    return LineSynth.load(folder, lang="ko", charset=charset, reserved=True)


def turned(image: Image, degrees: int) -> Image:
    """The picture turned clockwise by quarters."""
    return np.ascontiguousarray(np.rot90(image, -degrees // 90))


if __name__ == "__main__":
    sys.exit(main())
