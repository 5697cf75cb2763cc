#!/usr/bin/env python3
"""What drawn text looks like beside real text: figures of both, and their distributions on one page.

    python -m benchmarks.statistics data/receipt_ko --ingredients ingredients --kinds receipt
    python -m benchmarks.statistics data/scene_en data/sign_ko --ingredients ingredients --kinds sign,scattered
    python -m benchmarks.statistics data/words_en --ingredients ingredients --lines en      # against the recognizer's

A folder holds ``images/`` and ``labels.jsonl`` (see ``benchmarks.accuracy``); labels without polygons are left out,
unless a picture has one short text, which then fills it. Drawn are scenes of the layouts named (``--kinds``) with the
words' boxes, or crops as a recognizer is trained on them (``--lines``): then real ones are measured as it gets them,
too, 32 pixels high.

Of every word, line or field: its height and the width of its strokes in pixels, the stroke's width in parts of the
height, contrast (of 255 levels, 95th less 5th percentile of grey), blur (10 to 90 % width of the sharpest edges,
pixels), noise (standard deviation, robust, of what a small median takes away), characters, angle in degrees. Of every
picture: how many labels and which share of it they cover (``density``). Labelled lines hold several words where drawn
ones hold one: there length and density do not compare.

Printed are the quartiles of both, and how far apart they are: the Kolmogorov–Smirnov distance D of the two
distributions, 0 the same, 1 apart; from 0.25 on it is worth a look. ``--out`` gets ``statistics.json`` and
``statistics.png``.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import sys
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.accuracy import rows
from edge_ocr import geometry as g
from edge_ocr.crop import crop_quads
from edge_ocr.image import load_image
from edge_ocr.preprocess import crop_to_line

MEASURES = {
    "height": "height, pixels",
    "stroke": "stroke, pixels",
    "weight": "stroke, parts of the height",
    "contrast": "contrast, levels",
    "blur": "blur: edge width, pixels",
    "noise": "noise, levels",
    "length": "characters",
    "angle": "angle, degrees",
    "count": "labels in a picture",
    "density": "share of the picture that is text",
}
ONE_WORD = 40  # characters: so short a text alone without a polygon fills its picture
LARGEST = 192  # crops are shrunk to this height: their pixels tell nothing more
LINE = 32  # pixels: the height of what recognizers get
Image = NDArray[np.uint8]
Figures = dict[str, list[float]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--ingredients", type=pathlib.Path, metavar="DIR", help="what drawing needs; none: only real")
    parser.add_argument("--kinds", default="receipt,page,document,card,sign,scattered", metavar="K,K")
    parser.add_argument("--lines", metavar="LANG", help="ko or en: compare with the crops that recognizers learn from")
    parser.add_argument("--count", type=int, default=60, metavar="N", help="drawn scenes, or tens of lines (60)")
    parser.add_argument("--size", type=int, default=640, metavar="PIXELS", help="of the drawn scenes (640)")
    parser.add_argument("--seed", type=int, default=4, metavar="N")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("out/statistics"), metavar="DIR")
    options = parser.parse_args()

    sets: dict[str, Figures] = {}
    for folder in options.folders:
        sets[folder.name] = gather(labelled(folder), line=LINE if options.lines else 0)
    if options.ingredients is not None:
        rng = np.random.default_rng(options.seed)
        if options.lines:
            drawn = drawn_lines(rng, options.ingredients, options.lines, 10 * options.count)
            sets["drawn"] = gather(drawn, line=LINE, margin=0.0)
        else:
            kinds = tuple(options.kinds.split(","))
            sets["drawn"] = gather(drawn_scenes(rng, options.ingredients, kinds, options.count, options.size))
    report = compare(sets)
    print(told(report))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "statistics.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    plot(sets, options.out / "statistics.png")
    return 0


# -- where the text comes from ---------------------------------------------------------------------------------------

Labels = tuple[Image, g.Array, list[int]]  # a picture, quads [N, 4, 2], and the lengths of their texts


def labelled(folder: pathlib.Path) -> Iterator[Labels]:
    """The pictures of a labelled folder."""
    for row in rows(folder / "labels.jsonl"):
        ignore = row.get("ignore") or [False] * len(row["texts"])
        picture = load_image(folder / row["image"])
        polygons = row["polygons"]
        if polygons is None and len(row["texts"]) == 1 and len(row["texts"][0]) <= ONE_WORD:
            h, w = picture.shape[:2]
            polygons = [[[0, 0], [w, 0], [w, h], [0, h]]]
        some = [(q, t) for q, t, skip in zip(polygons or [], row["texts"], ignore, strict=False) if not skip]
        if some:
            quads = g.clean(np.array([q for q, _ in some], np.float64).reshape(-1, 4, 2))
            yield picture, quads, [len(t.replace(" ", "")) for _, t in some]


def drawn_scenes(
    rng: np.random.Generator, folder: pathlib.Path, kinds: tuple[str, ...], count: int, size: int
) -> Iterator[Labels]:
    """Scenes as detectors learn from; the lengths of their words are not known, and left out."""
    from training.synth.fonts import Faces
    from training.synth.layouts import LAYOUTS, Backgrounds, Kit, Words
    from training.synth.scene import shoot

    kit = Kit(Faces.load(folder), Words.load(folder), Backgrounds(folder))
    for n in range(count):
        kind = kinds[n % len(kinds)]
        scene = shoot(rng, LAYOUTS[kind][0](rng, kit), kit, size, kind)
        if (~scene.ignore).any():
            yield scene.image, scene.quads[~scene.ignore].astype(np.float64), []


def drawn_lines(rng: np.random.Generator, folder: pathlib.Path, lang: str, count: int) -> Iterator[Labels]:
    """Crops as recognizers learn from, at the height that they are drawn for."""
    from training.synth.line import LineSynth

    charset = pathlib.Path(__file__).parents[1] / f"training/charsets/{lang}.txt"
    synth = LineSynth.load(folder, lang=lang, charset=charset.read_text(encoding="utf-8").rstrip("\n"))
    for _ in range(count):
        sample = synth.sample(rng)
        h, w = sample.image.shape
        quad = np.array([[[0, 0], [w, 0], [w, h], [0, h]]], np.float64)
        yield np.repeat(sample.image[..., None], 3, 2), quad, [len(sample.text.replace(" ", ""))]


# -- measuring -----------------------------------------------------------------------------------------------------


def gather(source: Iterator[Labels], *, line: int = 0, margin: float = 0.1) -> Figures:
    """All figures of all pictures, by measure. ``line``: crops are brought to this height first, as a recognizer gets
    them; 0: they are measured in the picture's own pixels. ``margin`` of the crops, in parts of the height."""
    out: Figures = defaultdict(list)
    for picture, quads, lengths in source:
        area = picture.shape[0] * picture.shape[1]
        out["count"].append(len(quads))
        out["density"].append(min(1.0, float(g.area(quads).sum()) / area))
        out["angle"] += np.degrees(g.reading_angles(quads)).tolist()
        out["height"] += g.heights(quads).tolist()
        out["length"] += [float(n) for n in lengths]
        for crop in crop_quads(picture, quads, height=LARGEST // 2, margin=margin):
            image = crop.image
            if line:
                image = np.repeat(crop_to_line(image, height=line)[..., None], 3, 2)
            for name, value in crop_figures(image).items():
                out[name].append(value)
    return dict(out)


def crop_figures(crop: Image) -> dict[str, float]:
    """Stroke width, its part of the height, contrast, blur and noise of a crop uint8 ``[h, w, 3]``; those that it is
    too small or too even for are left out."""
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    if min(grey.shape) < 5:
        return {}
    low, high = np.percentile(grey, (5, 95))
    out = {"contrast": float(high - low), "noise": noise(grey)}
    if high - low >= 20:
        width = stroke(grey)
        if width > 0:
            out |= {"stroke": width, "weight": width / (grey.shape[0] / 1.2)}
        out["blur"] = edge_width(grey)
    return out


def stroke(grey: Image) -> float:
    """The usual width of the strokes in pixels: four times the mean distance of the ink from its edges (the mean over a
    stroke of width w is w / 4). Ink is what Otsu's threshold parts off and fills less of the crop; 0 without any."""
    big = cv2.resize(grey, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    _, mask = cv2.threshold(big, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    ink = mask > 0 if np.count_nonzero(mask) < mask.size / 2 else mask == 0
    if not ink.any():
        return 0.0
    depth = cv2.distanceTransform(ink.astype(np.uint8), cv2.DIST_L2, 3)[ink]
    return float(4 * (depth.mean() - 0.5) + 1) / 2


def edge_width(grey: Image) -> float:
    """Pixels in which the sharpest edges rise from 10 to 90 %: their height over their steepest slope. Of a step that a
    Gaussian blurred it is 2 sigma; of a perfect one about 1."""
    smooth = grey.astype(np.float32)
    slope = np.maximum(np.abs(np.diff(smooth, axis=1)).max(), np.abs(np.diff(smooth, axis=0)).max())
    low, high = np.percentile(smooth, (2, 98))
    return float(0.8 * (high - low) / max(slope, 1e-6))


def noise(grey: Image) -> float:
    """Standard deviation of the fine grain, from the median of what a median filter of 3 × 3 takes away."""
    fine = grey.astype(np.float32) - cv2.medianBlur(grey, 3)
    return float(np.median(np.abs(fine)) / 0.6745) if np.median(np.abs(fine)) else float(np.abs(fine).mean())


# -- telling ---------------------------------------------------------------------------------------------------------


def distance(a: ArrayLike, b: ArrayLike) -> float:
    """The Kolmogorov–Smirnov distance of two samples."""
    x, y = np.sort(np.asarray(a, float)), np.sort(np.asarray(b, float))
    at = np.concatenate([x, y])
    return float(np.abs(np.searchsorted(x, at, "right") / len(x) - np.searchsorted(y, at, "right") / len(y)).max())


def compare(sets: dict[str, Figures]) -> dict[str, Any]:
    """Quartiles of each measure in each set, and the distance of every set from the drawn one."""
    report: dict[str, Any] = {}
    for name, figures in sets.items():
        entry: dict[str, Any] = {}
        for measure in MEASURES:
            values = figures.get(measure)
            if not values:
                continue
            quartiles = [round(float(v), 3) for v in np.percentile(values, (25, 50, 75))]
            entry[measure] = {"n": len(values), "quartiles": quartiles}
            drawn = sets.get("drawn", {}).get(measure)
            if drawn and name != "drawn":
                entry[measure]["distance"] = round(distance(values, drawn), 3)
        report[name] = entry
    return report


def told(report: dict[str, Any]) -> str:
    lines = [f"{'':16s} " + "".join(f"{name[:26]:>30s}" for name in report)]
    for measure in MEASURES:
        cells = []
        for entry in report.values():
            if measure not in entry:
                cells.append("-")
                continue
            a, b, c = entry[measure]["quartiles"]
            far = entry[measure].get("distance")
            cells.append(f"{a:.3g} {b:.3g} {c:.3g}" + (f"  D {far:.2f}" if far is not None else ""))
        lines.append(f"{measure:16s} " + "".join(f"{cell:>30s}" for cell in cells))
    return "\n".join(lines)


def plot(sets: dict[str, Figures], path: pathlib.Path) -> None:
    """The cumulative distributions of all measures, a line a set."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 5, figsize=(19, 7.5))
    for axis, (measure, title) in zip(axes.flat, MEASURES.items(), strict=True):
        for name, figures in sets.items():
            values = np.sort(figures.get(measure, []))
            if len(values):
                axis.plot(values, (np.arange(len(values)) + 1) / len(values), label=f"{name} ({len(values)})")
        axis.set_title(title, fontsize=10)
        if measure in ("height", "stroke", "blur", "length", "count"):
            axis.set_xscale("symlog", linthresh=1)
        axis.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
