"""Things side by side on a picture: two boards, two cards, two receipts. Each is read on its own, not row by row across
both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_ocr import geometry as g

__all__ = ["ALIKE", "LEVEL", "Box", "Index", "blocks"]

# All lengths are in parts of the height of the text concerned.
LEVEL = 0.5  # two words stand on a level when they share this part of the lower one's height
ALIKE = 1.6  # and their heights differ by no more than this factor
_SIDE = 3  # so many rows are needed on both sides of a gutter
_GUTTER = 2.0  # and a gutter is at least as wide as this
_UNLIKE = 2  # with so many times the rows of the other, one side holds the other's headings or labels
_MATES = 0.15  # rows on two sides are level when their middles are no farther apart
_SHIFT = 0.4  # after a shift, the same for all, of at most so much
_TABLE = 0.65  # of a table, so many rows of the side with fewer ones are level with one on the other
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


def blocks(box: Box, texts: Sequence[str]) -> list[Index]:
    """Runs of words ``[N]`` with their texts, in blocks, and these in reading order: the indices of each.

    Two things that stand side by side, such as two boards, are two blocks: a gutter parts them, and their rows are not
    level, as those of a table are. What is above or below such a pair is a block of its own, so pages are cut between
    rows, too, to find it (the cuts of Nagy and Seth, "Hierarchical Representation of Optically Scanned Documents", ICPR
    1984). A page without such a pair is one block.
    """
    return _cut(box, np.arange(len(box.high)), texts, 0)


def _cut(box: Box, some: Index, texts: Sequence[str], depth: int) -> list[Index]:
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
        if not any(_is_figures(p, texts) for p in (a, b)) and not _is_table(a_rows, b_rows):
            return [block for part in parts for block in _cut(box, part, texts, depth + 1)]
        table = True
    cuts = [] if table else _gaps(box.y0[some], box.y1[some], _SPLIT * float(np.median(box.high[some])))
    if not cuts:
        return [some]
    upper = _cut(box, some[box.middle[some] < cuts[0]], texts, depth + 1)
    lower = _cut(box, some[box.middle[some] >= cuts[0]], texts, depth + 1)
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


def _is_table(one: Sequence[tuple[float, float]], other: Sequence[tuple[float, float]]) -> bool:
    """Whether rows (middle, height) on both sides of a gutter belong together: most of the fewer ones are level with
    one on the other side, or are so few that they are the other's headings."""
    fewer, more = sorted((np.array(one), np.array(other)), key=len)
    if len(more) > _UNLIKE * len(fewer):
        return True
    low = np.minimum(fewer[:, None, 1], more[None, :, 1])
    alike = np.maximum(fewer[:, None, 1], more[None, :, 1]) <= ALIKE * low
    apart = np.where(alike, (more[None, :, 0] - fewer[:, None, 0]) / low, np.inf)
    # On curled paper all rows of one side may lie a little higher than those of the other.
    shifts = [0.0, *apart[np.abs(apart) <= _SHIFT]]
    level = max(float((np.abs(apart - s) <= _MATES).any(1).mean()) for s in shifts)
    return level > _TABLE


def _is_figures(some: Index, texts: Sequence[str]) -> bool:
    """Whether the runs ``some`` are mostly numbers, as the columns of a bill are."""
    text = "".join(texts[k] for k in some)
    return sum(c.isalpha() for c in text) <= 0.5 * len(text)
