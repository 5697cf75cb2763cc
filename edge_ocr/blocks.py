"""Things side by side on a picture, such as two boards: each is read on its own, not row by row across both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_ocr import geometry as g

__all__ = ["ALIKE", "LEVEL", "Box", "Index", "blocks", "grounds"]

# All lengths are in parts of the height of the text concerned.
LEVEL = 0.5  # two words stand on a level when they share this part of the lower one's height
ALIKE = 1.6  # and their heights differ by no more than this factor
_BESIDE = 0.1  # how far outside a word's outline its ground is looked at
_GROUNDS = 60.0  # two grounds differ when their colours lie farther apart than this, of 441 at most
_OWN = 0.85  # so many runs have a ground that is not found on the other side
_SIDE = 3  # so many rows are needed on both sides of a gutter
_GUTTER = 2.0  # and a gutter is at least as wide as this
_UNLIKE = 2  # with so many times the rows of the other, one side holds the other's headings or labels
_SHARED = 0.6  # rows on two sides are level when they share this part of the lower one's height
_TABLE = 0.8  # of a table, more rows than this of the side with fewer ones are level with one on the other
_SPLIT = 0.8  # pages are cut between rows where a gap is at least as high
_CUTS = 12  # so deep
_TRIED = 8  # gutters, the widest first

Index = NDArray[np.intp]


class Box(NamedTuple):
    """Upright boxes on the straightened page, arrays ``[N]``; ``high`` is the height of the text in them."""

    x0: g.Array
    y0: g.Array
    x1: g.Array
    y1: g.Array
    high: g.Array

    @property
    def middle(self) -> g.Array:
        return (self.y0 + self.y1) / 2

    def stack(self) -> g.Array:
        return np.stack([self.x0, self.y0, self.x1, self.y1], axis=-1)


def grounds(picture: NDArray[np.uint8], quads: g.Array) -> g.Array:
    """The colour of what each of the words' quads ``[N, 4, 2]`` stands on in a picture uint8 ``[H, W, 3]``: f64
    ``[N, 3]``, the median of twelve points around it."""
    if not len(quads):
        return np.zeros((0, 3))
    centre = quads.mean(1, keepdims=True)
    reach = _BESIDE * g.heights(quads)[:, None, None]
    away = quads - centre
    outline = quads + reach * away / np.maximum(np.linalg.norm(away, axis=2, keepdims=True), 1e-9)
    ends = np.roll(outline, -1, axis=1)
    points = np.concatenate([outline + t * (ends - outline) for t in (0.0, 1 / 3, 2 / 3)], 1)
    h, w = picture.shape[:2]
    x = np.clip(np.rint(points[..., 0]), 0, w - 1).astype(np.intp)
    y = np.clip(np.rint(points[..., 1]), 0, h - 1).astype(np.intp)
    return np.asarray(np.median(picture[y, x].astype(np.float64), axis=1))


def blocks(box: Box, texts: Sequence[str], colours: g.Array | None) -> list[Index]:
    """Runs of words ``[N]`` with their texts and the colours of their grounds ``[N, 3]``, in blocks, and these in
    reading order: the indices of each.

    Two things that stand side by side, such as two boards, are two blocks: a gutter parts them, their grounds differ in
    colour, and not all of their rows are level, as those of a table are. What is above or below such a pair is a
    block of its own, so pages are cut between rows, too, to find it (the cuts of Nagy and Seth, "Hierarchical
    Representation of Optically Scanned Documents", ICPR 1984). A page without such a pair, or without ``colours``, is
    one block.
    """
    every = np.arange(len(box.high))
    return [every] if colours is None else _cut(box, every, texts, colours, 0)


def _cut(box: Box, some: Index, texts: Sequence[str], colours: g.Array, depth: int) -> list[Index]:
    if len(some) < 2 * _SIDE or depth >= _CUTS:
        return [some]
    table = False
    for gutter in _gaps(box.x0[some], box.x1[some], _GUTTER * float(np.median(box.high[some]))):
        parts = some[box.x0[some] < gutter], some[box.x0[some] >= gutter]
        top, foot = max(box.y0[p].min() for p in parts), min(box.y1[p].max() for p in parts)
        a, b = (p[(box.y1[p] > top) & (box.y0[p] < foot)] for p in parts)
        a_rows, b_rows = _levels(box, a), _levels(box, b)
        if min(len(a_rows), len(b_rows)) < _SIDE:
            continue
        figures = any(_is_figures(p, texts) for p in (a, b))
        if not figures and _differ(colours[a], colours[b]) and not _is_table(a_rows, b_rows):
            return [block for part in parts for block in _cut(box, part, texts, colours, depth + 1)]
        table = True
    cuts = [] if table else _gaps(box.y0[some], box.y1[some], _SPLIT * float(np.median(box.high[some])))
    if not cuts:
        return [some]
    upper = _cut(box, some[box.middle[some] < cuts[0]], texts, colours, depth + 1)
    lower = _cut(box, some[box.middle[some] >= cuts[0]], texts, colours, depth + 1)
    # Where nothing stands side by side, the page stays whole.
    return [some] if len(upper) == len(lower) == 1 else [*upper, *lower]


def _gaps(start: g.Array, end: g.Array, least: float) -> list[float]:
    """The middles of the gaps between intervals that are as wide as ``least``, the widest first."""
    rank = np.argsort(start, kind="stable")
    reach = np.maximum.accumulate(end[rank])[:-1]
    gaps = start[rank][1:] - reach
    order = np.argsort(-gaps, kind="stable")[:_TRIED]
    return [float(reach[k] + gaps[k] / 2) for k in order if gaps[k] >= least]


def _levels(box: Box, some: Index) -> list[tuple[float, float]]:
    """The rows that the runs ``some`` make, from top to bottom: middle and height of each one's first run."""
    rows: list[tuple[float, float]] = []
    for k in some[np.argsort(box.middle[some], kind="stable")]:
        middle, high = float(box.middle[k]), float(box.high[k])
        if not rows or middle - rows[-1][0] > LEVEL * min(high, rows[-1][1]):
            rows.append((middle, high))
    return rows


def _differ(one: g.Array, other: g.Array) -> bool:
    """Whether hardly any ground ``[N, 3]`` of one side is found on the other."""
    apart = np.linalg.norm(one[:, None] - other[None], axis=2)
    return all(float((apart.min(axis) >= _GROUNDS).mean()) >= _OWN for axis in (0, 1))


def _is_table(one: Sequence[tuple[float, float]], other: Sequence[tuple[float, float]]) -> bool:
    """Whether rows (middle, height) on both sides of a gutter belong together: nearly all of the fewer ones are level
    with one on the other side, or are so few that they are the other's headings."""
    fewer, more = sorted((np.array(one), np.array(other)), key=len)
    if len(more) > _UNLIKE * len(fewer):
        return True
    low = np.minimum(fewer[:, None, 1], more[None, :, 1])
    apart = np.abs(more[None, :, 0] - fewer[:, None, 0])
    shared = np.minimum((fewer[:, None, 1] + more[None, :, 1]) / 2 - apart, low)
    return float((shared >= _SHARED * low).any(1).mean()) > _TABLE


def _is_figures(some: Index, texts: Sequence[str]) -> bool:
    """Whether the runs ``some`` are mostly numbers, as the columns of a bill are."""
    text = "".join(texts[k] for k in some)
    return sum(c.isalpha() for c in text) <= 0.5 * len(text)
