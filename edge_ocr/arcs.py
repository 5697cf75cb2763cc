"""Words that run along an arc, as on badges, shirts, caps and shop fronts: where it lies, and the word set straight.

Two sources of arcs. Where letters stand apart from their ground, a circle through their middles, and how far their
marks reach from its centre, tell the arc closely. Where they do not, the picture itself does, if it was cut close
around the word: for an angle that the word may span, its width and height leave one arc only. Whoever reads the words
set straight tells which arc it was, by how surely they are read.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Arc", "arcs_of_marks", "arcs_of_outline", "set_straight"]

Image = NDArray[np.uint8]
Points = NDArray[np.float64]

# A mark may be a letter if its area is so large, in parts of the picture's, its longer side so long, in parts of the
# picture's height, and its width at most such a part of the picture's.
_AREA, _SIDE, _WIDE = 0.0015, 0.1, 0.5
_FEWEST, _MOST = 3, 40  # fewer marks make no circle; so many are a texture
_OFF = 0.3  # a letter's middle lies so near to the circle, in letter sizes,
_SMALLER, _LARGER = 0.45, 2.2  # and its size so near to that of the three letters that the circle was laid through
_TIGHT, _FLAT = 0.8, 60.0  # radii, in letter sizes: letters touch at the centre; nobody sees the bow
_LEAST = 6.0  # letters lower than this many pixels are not read

_SPANS = tuple(math.radians(d) for d in (45, 70, 95, 120, 150, 180))  # angles that a word may span,
_ASIDE = (-0.3, 0.0, 0.3)  # turned to one side by such a part of it
_HIGH = (0.22, 0.95)  # the height of such letters, in parts of the picture's
_CENTRE = 0.15  # and the least inner radius, in parts of the outer one
# Where a word's ends lie level with the centre, the height tells nothing: the inner radius in parts of the outer one.
_HALF_CIRCLE = (0.6, 0.72)

_MARGIN = 0.08  # around the letters of a word set straight, in parts of their height
_ROWS = (16, 48)
_LONGEST = 1500


@dataclass(frozen=True)
class Arc:
    """A ring sector that holds a word, in pixels of its picture: the centre ``x``, ``y``, the ``inner`` and ``outer``
    radius, and the angles from ``start`` to ``end`` in reading order, radians from the vertical through the centre.
    ``arch``: the letters' feet point to the centre, which lies below them; else their heads do, and it lies above."""

    x: float
    y: float
    inner: float
    outer: float
    start: float
    end: float
    arch: bool

    @property
    def bow(self) -> float:
        """How far its middle stands out from its ends, in letter heights."""
        middle = (self.inner + self.outer) / 2
        return middle * (1 - math.cos((self.end - self.start) / 2)) / (self.outer - self.inner)


def set_straight(picture: Image, arc: Arc) -> Image:
    """The word of an ``arc`` in a picture uint8 ``[h, w, 3]`` on a straight line, with a small margin, 16 to 48 pixels
    high."""
    high = arc.outer - arc.inner
    inner, outer = arc.inner - _MARGIN * high, arc.outer + _MARGIN * high
    middle = (arc.inner + arc.outer) / 2
    aside = 1.25 * _MARGIN * high / middle
    rows = int(np.clip(round(outer - inner), *_ROWS))
    length = rows / (outer - inner) * middle * (arc.end - arc.start + 2 * aside)
    radius = np.linspace(outer, inner, rows)[:, None]
    angle = np.linspace(arc.start - aside, arc.end + aside, int(np.clip(length, 8, _LONGEST)))[None]
    x, y = arc.x + radius * np.sin(angle), radius * np.cos(angle)
    if arc.arch:
        y = arc.y - y
    else:
        x, y = x[::-1], arc.y + y[::-1]
    out: Any = cv2.remap(
        picture, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(out, np.uint8)


def arcs_of_marks(grey: NDArray[np.uint8]) -> list[Arc]:
    """The arcs of the dark and of the bright marks in a grey picture uint8 ``[h, w]`` whose letters stand apart from
    their ground; at most one of each."""
    height, width = grey.shape
    blurred = cv2.GaussianBlur(grey, (3, 3), 0)
    bright = cv2.threshold(blurred, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[1]
    arcs = []
    for marks in (1 - bright, bright):
        labels, boxes = cv2.connectedComponentsWithStats(marks.astype(np.uint8), connectivity=4)[1:3]
        size = boxes[:, 2:4]
        letters = (boxes[:, 4] >= _AREA * height * width) & (size.max(1) >= _SIDE * height)
        letters &= size[:, 0] <= _WIDE * width
        letters[0] = False  # what is no mark
        kept = np.flatnonzero(letters)
        if not _FEWEST <= len(kept) <= _MOST:
            continue
        middles = boxes[kept, :2] + size[kept] / 2
        found = _circle_of_most(middles, np.hypot(size[kept, 0], size[kept, 1]) / math.sqrt(2))
        if found is None:
            continue
        on, centre = found
        pixels = np.argwhere(np.isin(labels, kept[on]))[:, ::-1] - centre
        arch = bool(pixels[:, 1].mean() < 0)
        inner, outer = np.percentile(np.hypot(pixels[:, 0], pixels[:, 1]), (1, 99)).tolist()
        angles = np.arctan2(pixels[:, 0], -pixels[:, 1] if arch else pixels[:, 1])
        start, end = np.percentile(angles, (0.3, 99.7)).tolist()
        if outer - inner >= _LEAST:
            arcs.append(Arc(float(centre[0]), float(centre[1]), inner, outer, start, end, arch))
    return arcs


def _circle_of_most(middles: Points, sizes: Points) -> tuple[NDArray[np.intp], Points] | None:
    """Which of the marks, given by their ``middles`` ``[N, 2]`` and ``sizes`` ``[N]``, lie on one circle, among those
    through any three of them the one with the most; and its centre ``[2]``, by least squares."""
    n = len(middles)
    triples = np.array(list(itertools.combinations(range(n), 3)))
    a, b, c = (middles[triples[:, k]] for k in range(3))
    u, v = b - a, c - a
    cross = 2 * (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])
    u2, v2 = (u**2).sum(1), (v**2).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.stack([v[:, 1] * u2 - u[:, 1] * v2, u[:, 0] * v2 - v[:, 0] * u2], 1) / cross[:, None]
    radii = np.hypot(off[:, 0], off[:, 1])
    letter = np.median(sizes[triples], axis=1)
    good = np.isfinite(radii) & (radii >= _TIGHT * letter) & (radii <= _FLAT * letter)
    if not good.any():
        return None
    centres, radii, letter = (a + off)[good], radii[good], letter[good]
    away = np.abs(np.hypot(*(middles[None] - centres[:, None]).transpose(2, 0, 1)) - radii[:, None])
    on = (away < _OFF * letter[:, None]) & (sizes > _SMALLER * letter[:, None]) & (sizes < _LARGER * letter[:, None])
    best = int(np.argmax((on * (sizes - away)).sum(1)))
    chosen = np.flatnonzero(on[best])
    if len(chosen) < _FEWEST:
        return None
    some = middles[chosen]
    solution = np.linalg.lstsq(np.c_[2 * some, np.ones(len(some))], (some**2).sum(1), rcond=None)[0]
    radius = math.sqrt(max(float(solution[2] + solution[:2] @ solution[:2]), 0.0))
    letters = float(np.median(sizes[chosen]))
    return (chosen, solution[:2]) if _TIGHT * letters <= radius <= 1.4 * _FLAT * letters else None


def arcs_of_outline(height: int, width: int) -> list[Arc]:
    """The arcs that words may take that fill a picture of this size from side to side and from top to bottom."""
    return [arc for inner, outer, start, end in _sectors(height, width) for arc in (
        Arc(-outer * math.sin(max(start, -math.pi / 2)), outer, inner, outer, start, end, True),
        Arc(-outer * math.sin(max(start, -math.pi / 2)), height - outer, inner, outer, start, end, False),
    )]  # fmt: skip


def _sectors(height: int, width: int) -> Iterator[tuple[float, float, float, float]]:
    """Inner and outer radius, start and end of arches that fill a picture."""
    for span in _SPANS:
        for aside in _ASIDE:
            start, end = (aside - 0.5) * span, (aside + 0.5) * span
            outer = width / (math.sin(min(end, math.pi / 2)) - math.sin(max(start, -math.pi / 2)))
            low = min(math.cos(start), math.cos(end))  # how high the lower end stands
            if low > 0.05:
                inners = [(outer - height) / low]
            else:
                inners = [outer * part for part in _HALF_CIRCLE] if abs(height - outer) < 0.25 * outer else []
            for inner in inners:
                if _HIGH[0] * height <= outer - inner <= _HIGH[1] * height and inner > _CENTRE * outer:
                    yield inner, outer, start, end
