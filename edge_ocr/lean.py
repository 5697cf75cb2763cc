"""Words on a facade that is seen from the side: the line climbs or falls, the letters stay upright.

The detector's boxes are rectangles. A rectangle that is turned with such a line shows its letters leaning, as far as
the line climbs; the parallelogram between the same ends whose sides stand upright in the picture shows them straight.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from edge_ocr import geometry as g
from edge_ocr.types import Quad

__all__ = ["upright_sides"]

_FROM, _TO = math.radians(5), math.radians(45)  # below, nothing leans; above, sides and ends are the same thing
_LEAST = 0.5  # what is left of the width, in parts of the height


def upright_sides(quads: ArrayLike) -> tuple[list[int], list[Quad]]:
    """Which of ``quads`` ``[N, 4, 2]`` climb or fall so far that their letters may lean, and for these, in the same
    order, the parallelograms of upright sides that have them as their tight rectangles."""
    q = np.asarray(quads, np.float64).reshape(-1, 4, 2)
    along = q[:, 1] - q[:, 0] + q[:, 2] - q[:, 3]
    angle = np.arctan2(along[:, 1], along[:, 0])
    wide, high = g.widths(q), g.heights(q)
    steep = np.abs(angle)
    high = high / np.maximum(np.cos(angle), 0.1)  # of the upright sides
    wide = wide - high * np.abs(np.sin(angle))  # of the ends, along the line
    some = np.flatnonzero((steep >= _FROM) & (steep <= _TO) & (wide >= _LEAST * high))
    u = np.stack([np.cos(angle), np.sin(angle)], -1)[some] * wide[some, None] / 2
    v = np.stack([np.zeros(len(some)), high[some] / 2], -1)
    centre = q[some].mean(1)
    corners = np.stack([centre - u - v, centre + u - v, centre + u + v, centre - u + v], 1).tolist()
    return some.tolist(), [((a[0], a[1]), (b[0], b[1]), (c[0], c[1]), (d[0], d[1])) for a, b, c, d in corners]
