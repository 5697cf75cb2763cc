"""Words that a detector found, joined to lines by where they stand, for scanners that know what a line may say."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_ocr import geometry as g
from edge_ocr.detect import Detector
from edge_ocr.engines import engine_named
from edge_ocr.errors import ModelNotFound
from edge_ocr.models import RecognizerModel, find_detector, find_recognizer, list_models
from edge_ocr.recognize import Recognizer
from edge_ocr.types import Quad, Region

__all__ = ["Line", "chains", "find_first", "line_of", "make_detector", "make_recognizer", "to_quad", "widen"]


@dataclass(frozen=True, eq=False)
class Line:
    """Regions (by index) that stand beside one another, and the quad f64 ``[4, 2]`` around them."""

    words: tuple[int, ...]
    quad: NDArray[np.float64]

    @property
    def height(self) -> float:
        return float(g.heights(self.quad[None])[0])

    @property
    def width(self) -> float:
        return float(g.widths(self.quad[None])[0])


def find_first(names: Sequence[str], models_dir: str | os.PathLike[str] | None) -> RecognizerModel:
    """The recognizer of the first of ``names`` that the folder of models has. Raises ModelNotFound if none."""
    there = {code for model in list_models(models_dir) for code in model.manifest.languages}
    for name in names:
        if name in there:
            return find_recognizer(name, models_dir)
    raise ModelNotFound(f"none of the recognizers {', '.join(names)} is there, only {', '.join(sorted(there))}")


def make_detector(
    models_dir: str | os.PathLike[str] | None, *, threads: int, engine: str = "onnx"
) -> Detector:
    """The detector of the folder of models, ready to run. Raises ModelNotFound, InputError for an unknown engine."""
    model = find_detector(models_dir)
    return Detector(model.manifest, engine_named(engine, threads=threads)(model))


def make_recognizer(
    names: Sequence[str], models_dir: str | os.PathLike[str] | None, *, threads: int, engine: str = "onnx"
) -> Recognizer:
    """The recognizer that ``find_first`` finds, ready to run. Raises as ``make_detector`` does."""
    model = find_first(names, models_dir)
    return Recognizer(model.manifest, engine_named(engine, threads=threads)(model))


def chains(
    regions: Sequence[Region], *, gap: float, alike: float, level: float = 0.35, most: int = 4
) -> list[tuple[int, ...]]:
    """Every run of up to ``most`` neighbouring words, single ones too, from left to right.

    Two words are neighbours when nothing stands between them, they are at most ``gap`` apart and off the level by at
    most ``level``, in heights of the higher one, and their heights differ by at most the factor ``alike``.
    """
    n = len(regions)
    if not n:
        return []
    quads = np.array([r.quad for r in regions], np.float64)
    angles, high = g.reading_angles(quads), np.maximum(g.heights(quads), 1.0)
    left, right = (quads[:, 0] + quads[:, 3]) / 2, (quads[:, 1] + quads[:, 2]) / 2
    following: list[list[int]] = [[] for _ in range(n)]
    for i in range(n):
        along = np.array([np.cos(angles[i]), np.sin(angles[i])])
        down = np.array([-along[1], along[0]])
        size = np.maximum(high, high[i])
        apart = (left - right[i]) @ along
        off = np.abs((left - right[i]) @ down)
        turned = np.abs(g.wrap_angle(angles - angles[i]))
        near = (apart > -0.4 * size) & (apart < gap * size) & (off < level * size) & (turned < 0.3)
        near &= (high < alike * high[i]) & (high[i] < alike * high) & (np.arange(n) != i)
        # Words beyond the nearest one are its neighbours, not ours; one that reaches as far is an alternative.
        found = np.flatnonzero(near)
        if len(found):
            ends = (right[found] - right[i]) @ along
            nearest = float(ends.min())
            following[i] = [int(j) for j in found if apart[j] < max(nearest, 0.3 * high[i])]
    out: list[tuple[int, ...]] = []
    for i in range(n):
        wave: list[tuple[int, ...]] = [(i,)]
        while wave:
            out.extend(wave)
            wave = [(*c, j) for c in wave if len(c) < most for j in following[c[-1]] if j not in c]
    return out


def line_of(regions: Sequence[Region], words: tuple[int, ...]) -> Line:
    """The line of some words: its upper and lower edge are fitted to theirs, so that perspective stays."""
    quads = np.array([regions[k].quad for k in words], np.float64)
    if len(words) == 1:
        return Line(words, quads[0])
    start, end = quads[0, [0, 3]].mean(0), quads[-1, [1, 2]].mean(0)
    along = (end - start) / max(float(np.hypot(*(end - start))), 1e-6)
    down = np.array([-along[1], along[0]])
    weight = np.repeat(g.widths(quads), 2)
    edges = []
    for corners in ((0, 1), (3, 2)):
        points = quads[:, corners].reshape(-1, 2) - start
        u, v = points @ along, points @ down
        slope, level = np.polyfit(u, v, 1, w=np.sqrt(weight))
        a, b = (quads[0, corners[0]] - start) @ along, (quads[-1, corners[1]] - start) @ along
        edges.append([start + along * x + down * (level + slope * x) for x in (a, b)])
    (a, b), (d, c) = edges
    return Line(words, g.clean(np.array([[a, b, c, d]]))[0])


def widen(line: Line, *, start: float = 0.0, end: float = 0.0, across: float = 0.0) -> NDArray[np.float64]:
    """Its quad with both ends moved outwards by so many heights, and the long sides by ``across``."""
    q, h = line.quad, line.height
    top, bottom = q[1] - q[0], q[2] - q[3]
    top, bottom = top / max(float(np.hypot(*top)), 1e-6), bottom / max(float(np.hypot(*bottom)), 1e-6)
    out = np.array([q[0] - top * h * start, q[1] + top * h * end, q[2] + bottom * h * end, q[3] - bottom * h * start])
    return g.grow(out[None], across * h, 0.0)[0] if across else out


def to_quad(points: NDArray[np.float64]) -> Quad:
    """``[4, 2]`` as plain floats."""
    a, b, c, d = np.asarray(points, np.float64).tolist()
    return ((a[0], a[1]), (b[0], b[1]), (c[0], c[1]), (d[0], d[1]))
