"""Signs on a facade that is seen from the side, set level and looked at once more.

There the lines climb or fall while the letters stay upright. A box that can only turn ends short on such a line, and
where a low line stands beside a high one it takes parts of both. In the part of the picture that holds the signs,
sheared until the lines lie level, boxes fit: ``Facade.picture`` is that part, ``Facade.back`` takes what is found there
to where it is in the whole picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_ocr import geometry as g
from edge_ocr.crop import crop_quad
from edge_ocr.east import components
from edge_ocr.types import Quad, TextWord

__all__ = ["Facade", "better", "facades"]

# Set on drawn signs.
_FROM, _TO = math.radians(5), math.radians(45)  # lines that climb less lie level, more are taken for upright ones
_LEAST_HEIGHT, _LEAST_WIDTH = 16.0, 1.2  # pixels; heights: smaller text says little about its slope
_DOUBT = 0.96  # a facade is looked at where a word is read less surely,
_MOST_WORDS = 16  # and if it has no more: what has is a page that lies askew
_MOST = 3  # so many facades in a picture
_NEAR = 1.0  # words of one facade are no farther apart, in heights of the higher one,
_SLOPES = math.radians(12)  # and climb alike
_AROUND = 1.0  # how much of the picture around them is looked at, in heights of the highest
_HEIGHT = 40.0  # pixels that a word of middling height gets, if it has more
_MOST_SIDE = 1600  # pixels of the part looked at
_EVEN = 0.5  # letters read with this confidence are worth nothing
_CLEAR = 0.9  # so surely a word is read that was overlooked before
_SAME = 0.5  # two words show the same when they share so much of the smaller one
_LEAD = 0.5  # sure letters that a look must gain


@dataclass(frozen=True, eq=False)
class Facade:
    """``words``: those on it; ``outline`` f64 ``[4, 2]``: the part of the picture, upright sides; ``scale``: how far
    it is shrunk, at most 1."""

    words: tuple[TextWord, ...]
    outline: g.Array
    scale: float

    def picture(self, whole: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], g.Array]:
        """The part of a picture uint8 ``[H, W, 3]`` with its lines level, and the mapping ``[3, 3]`` back."""
        high = float(g.heights(self.outline[None])[0])
        level = crop_quad(whole, self.outline, height=max(math.ceil(high * self.scale / 2), 4), margin=0.0).image
        h, w = level.shape[:2]
        return level, g.warp_matrix([[0, 0], [w, 0], [w, h], [0, h]], self.outline)

    @staticmethod
    def back(quad: Quad, mapping: g.Array) -> Quad:
        """A quad of the level part in the pixels of the whole picture."""
        a, b, c, d = g.apply_matrix(mapping, quad).tolist()
        return ((a[0], a[1]), (b[0], b[1]), (c[0], c[1]), (d[0], d[1]))


def facades(words: Sequence[TextWord]) -> list[Facade]:
    """The facades on which ``words`` may stand, those with doubtful words only, the largest first."""
    some = [k for k, w in enumerate(words) if w.quad is not None]
    quads = np.array([words[k].quad for k in some], np.float64).reshape(-1, 4, 2)
    angle, wide, high = g.reading_angles(quads), g.widths(quads), g.heights(quads)
    steep = (np.abs(angle) >= _FROM) & (np.abs(angle) <= _TO)
    member = np.flatnonzero(steep & (high >= _LEAST_HEIGHT) & (wide >= _LEAST_WIDTH * high))
    quads, angle, wide, high = quads[member], angle[member], wide[member], high[member]
    first, second = g.meeting_pairs(g.bounding_boxes(quads) + _NEAR / 2 * high[:, None] * np.array([-1, -1, 1, 1]))
    alike = np.abs(angle[first] - angle[second]) <= _SLOPES
    group = components(len(member), first[alike], second[alike])
    found: list[tuple[float, Facade]] = []
    for k in range(int(group.max(initial=-1)) + 1):
        of = np.flatnonzero(group == k)
        its = tuple(words[some[int(n)]] for n in member[of])
        if len(of) <= _MOST_WORDS and any(w.confidence < _DOUBT for w in its):
            slope = float(np.average(angle[of], weights=wide[of]))
            outline = _outline(quads[of], slope, _AROUND * float(high[of].max()))
            middling = float(np.median(high[of] / np.cos(angle[of])))
            side = max(float(np.hypot(*(outline[1] - outline[0]))), float(outline[3, 1] - outline[0, 1]))
            scale = min(1.0, _HEIGHT / middling, _MOST_SIDE / side)
            found.append((float(g.area(quads[of]).sum()), Facade(its, outline, scale)))
    found.sort(key=lambda each: -each[0])
    return [facade for _, facade in found[:_MOST]]


def _outline(quads: g.Array, slope: float, around: float) -> g.Array:
    """The parallelogram ``[4, 2]`` of upright sides, and ends along ``slope``, around quads ``[N, 4, 2]``, and so many
    pixels more on every side."""
    x, y = quads.reshape(-1, 2).T
    climb = math.tan(slope)
    x0, x1 = float(x.min()) - around, float(x.max()) + around
    level = y - climb * (x - x0)
    y0, y1 = float(level.min()) - around, float(level.max()) + around
    far = climb * (x1 - x0)
    return np.array([[x0, y0], [x1, y0 + far], [x1, y1 + far], [x0, y1]])


def better(words: Sequence[TextWord], facade: Facade, seen: Sequence[TextWord]) -> list[TextWord] | None:
    """The ``words`` with those that were ``seen`` on the level facade in the places of what they show; None unless that
    gains sure letters."""
    new = [w for w in seen if w.quad is not None and w.text]
    have = [k for k, w in enumerate(words) if w.quad is not None]
    if not new or not have:
        return None
    quads = np.array([words[k].quad for k in have] + [w.quad for w in new], np.float64)
    i, j = g.meeting_pairs(g.bounding_boxes(quads))
    i, j = np.minimum(i, j), np.maximum(i, j) - len(have)
    cross = (i < len(have)) & (j >= 0)
    i, j = i[cross], j[cross]
    size = np.maximum(g.area(quads), 1e-9)
    least = np.minimum(size[i], size[j + len(have)])
    fits = g.intersection_area(quads[i], quads[j + len(have)]) >= _SAME * least
    same = np.zeros((len(have), len(new)), bool)
    same[i[fits], j[fits]] = True
    # What shows none of the facade's words lies at the edge of the part, and is known, or was overlooked.
    its = np.array([any(words[k] is w for w in facade.words) for k in have])
    overlooked = ~same.any(0) & (np.array([w.confidence for w in new]) >= _CLEAR)
    keep = same[its].any(0) | overlooked
    gone = {have[k] for k in np.flatnonzero(same[:, keep].any(1))}
    kept = [w for w, k in zip(new, keep, strict=True) if k]
    if _sure(kept) < _sure([words[k] for k in gone]) + _LEAD:
        return None
    return [w for k, w in enumerate(words) if k not in gone] + kept


def _sure(words: Sequence[TextWord]) -> float:
    """How many letters are sure, each counted by how sure it is."""
    return float(sum(len(w.text) * max(w.confidence - _EVEN, 0.0) / (1 - _EVEN) for w in words))
