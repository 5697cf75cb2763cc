"""Where number plates may stand: single lines, and pairs of them one below the other, of the shape that they have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_ocr.blocks import grounds
from edge_ocr.geometry import heights
from edge_ocr.scanners.lines import Line, chains, line_of
from edge_ocr.types import Region

__all__ = ["Candidate", "candidates_of", "cuts_in_place", "cuts_of_whole", "runs_on", "with_upper"]

Image = NDArray[np.uint8]
_GAP = 1.6  # heights between the letter and the serial number, at the most
_SHARES = (0.36, 0.42)  # of a two-line plate's height, its upper line's
_INK_SHARES = (0.31, 0.38)  # and of the height of its two lines alone
_BANDS = ((0.0, 1.0), (0.08, 0.92))  # where the line of a plate that fills its picture stands
_TALL_BANDS = ((0.18, 0.90), (0.0, 1.0))  # and of one that is less than three times as wide as high
_TALL = 3.2
_BESIDE = (-0.1, 1.2)  # heights between a line and a word with which it goes on; less: both are the same ink
_SAME_GROUND = 30.0  # how far apart two colours of one ground may be, of 441
_ASIDE = 0.35  # heights by which that word may stand higher or lower,
_ALIKE = (0.6, 1.6)  # and its height in those of the line
_ABOVE = (0.08, 0.62)  # where the upper one lies above it, in heights of the lower one


@dataclass(frozen=True, eq=False)
class Candidate:
    """Where a plate may be: one line, or the upper and the lower one; ``words``: the regions that it takes up."""

    lines: tuple[Line, ...]
    words: frozenset[int]


def candidates_of(regions: Sequence[Region]) -> list[Candidate]:
    """Single lines, and pairs of lines one below the other, of the shape that plates' lines have."""
    lines = [line_of(regions, words) for words in chains(regions, gap=_GAP, alike=1.9)]
    shape = [line.width / max(line.height, 1.0) for line in lines]
    out = [
        Candidate((line,), frozenset(line.words))
        for line, aspect in zip(lines, shape, strict=True)
        if 2.0 <= aspect <= 9.0
    ]
    uppers = [k for k, aspect in enumerate(shape) if 0.9 <= aspect <= 7.5]
    for low, aspect in enumerate(shape):
        if not 1.3 <= aspect <= 5.5:
            continue
        lower = lines[low]
        along = (lower.quad[1] - lower.quad[0]) / max(lower.width, 1.0)
        down = np.array([-along[1], along[0]])
        middle = lower.quad.mean(0)
        for up in uppers:
            upper = lines[up]
            if set(upper.words) & set(lower.words) or not 0.25 * lower.height <= upper.height <= 1.1 * lower.height:
                continue
            offset = upper.quad.mean(0) - middle
            gap = -float(offset @ down) - (upper.height + lower.height) / 2
            aside = abs(float(offset @ along))
            near = -0.3 * lower.height < gap < 0.6 * lower.height
            if near and aside < 0.3 * lower.width and upper.width < 1.15 * lower.width:
                out.append(Candidate((upper, lower), frozenset(upper.words + lower.words)))
    return out


def runs_on(
    candidate: Candidate, regions: Sequence[Region], picture: Image, others: frozenset[int] = frozenset()
) -> bool:
    """Whether a candidate of one line goes on: a word stands close before or behind it, on its level, about as high,
    and on the same ground, as in a sentence. A plate has a margin and a rim, and a car's lamps or bolts beside it are
    on the car's ground. ``others``: regions that do not count, such as those of the next car's plate."""
    if len(candidate.lines) > 1:
        return False
    left_out = candidate.words | others
    quads = np.array([r.quad for k, r in enumerate(regions) if k not in left_out], np.float64).reshape(-1, 4, 2)
    high, starts, ends = heights(quads), (quads[:, 0] + quads[:, 3]) / 2, (quads[:, 1] + quads[:, 2]) / 2
    q, size = candidate.lines[0].quad, max(candidate.lines[0].height, 1.0)
    start, end = (q[0] + q[3]) / 2, (q[1] + q[2]) / 2
    along = (end - start) / max(float(np.hypot(*(end - start))), 1e-6)
    down = np.array([-along[1], along[0]])
    beside = np.zeros(len(quads), bool)
    for step in (starts - end, start - ends):
        gap, off = step @ along / size, np.abs(step @ down) / size
        beside |= (gap > _BESIDE[0]) & (gap < _BESIDE[1]) & (off < _ASIDE)
    beside &= (high > _ALIKE[0] * size) & (high < _ALIKE[1] * size)
    if not beside.any():  # as a rule
        return False
    own, *theirs = grounds(picture, np.concatenate([np.asarray(q, np.float64)[None], quads[beside]]))
    return bool((np.linalg.norm(theirs - own, axis=1) < _SAME_GROUND).any())


def cuts_of_whole(picture: Image) -> list[Candidate]:
    """A picture that is all plate: as one line, and cut into two where the kinds' drawings part them."""
    h, w = picture.shape[:2]
    return _cuts(np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float64), frozenset(), _SHARES)


def cuts_in_place(quad: NDArray[np.float64], k: int) -> list[Candidate]:
    """The quad of plate number ``k``, which stands for its words: one line, or two of ink alone."""
    out = [Candidate((Line((), quad),), frozenset({k}))]
    return out + [c for c in _cuts(quad, frozenset({k}), _INK_SHARES) if len(c.lines) == 2]


def with_upper(candidate: Candidate) -> Candidate:
    """The lower line of a plate, and where the upper one must be."""
    lower = candidate.lines[0]
    q, h = lower.quad, lower.height
    up = [(q[k] - q[3 - k]) / max(float(np.hypot(*(q[k] - q[3 - k]))), 1e-6) * h for k in (0, 1)]
    near, far = _ABOVE
    upper = np.array([q[0] + far * up[0], q[1] + far * up[1], q[1] + near * up[1], q[0] + near * up[0]])
    return Candidate((Line((), upper), lower), candidate.words)


def _cuts(quad: NDArray[np.float64], words: frozenset[int], shares: Sequence[float]) -> list[Candidate]:
    def rows(top: float, bottom: float) -> Line:
        left, right = quad[3] - quad[0], quad[2] - quad[1]
        return Line((), np.array([quad[0] + top * left, quad[1] + top * right, quad[1] + bottom * right,
                                  quad[0] + bottom * left]))  # fmt: skip

    whole = Line((), quad)
    tall = whole.width < _TALL * whole.height
    out = [Candidate((rows(*band),), words) for band in (_TALL_BANDS if tall else _BANDS)]
    if tall:
        out += [Candidate((rows(0, share), rows(share, 1)), words) for share in shares]
    return out
