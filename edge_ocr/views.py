"""How a picture of any size is shown to a network of a few fixed shapes: whole, or in overlapping tiles, at one scale
or at several. Pure arithmetic on sizes; every number comes from the detector's model.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_ocr.manifest import Tiling

__all__ = ["View", "plan"]


@dataclass(frozen=True)
class View:
    """One look at a picture: ``box`` (x0, y0, x1, y1) picture pixels, shown at ``scale`` (network pixels per picture
    pixel) in a ``bucket`` (height, width) with at least ``border`` pixels of padding. ``level`` counts how often the
    picture was shrunk to look for larger text."""

    box: tuple[int, int, int, int]
    bucket: tuple[int, int]
    scale: float
    border: int
    level: int


def plan(size: tuple[int, int], buckets: Sequence[tuple[int, int]], tiling: Tiling, *, level: int = 0) -> list[View]:
    """The views of a picture of ``size`` (height, width) at one level: one wherever a bucket holds the picture, else
    tiles that overlap. Empty where the level could find nothing that the one before does not, because no text larger
    than ``tiling.large`` there fits into the picture.
    """
    short = min(size)
    if level == 0:
        grown = tiling.grow_to / short
        fits = max(_fit(size, b, tiling.border) for b in buckets)
        if grown > 1 and fits > 1:
            return _tile(size, min(grown, fits), buckets, tiling, tiling.border, 0)
    scale = _base_scale(size, buckets, tiling)
    for _ in range(level):
        if short * scale <= tiling.large:
            return []
        scale /= tiling.coarse_shrink
    return _tile(size, scale, buckets, tiling, 0, level)


def _fit(size: tuple[int, int], bucket: tuple[int, int], border: int) -> float:
    return min((room - 2 * border) / side for room, side in zip(bucket, size, strict=True))


def _base_scale(size: tuple[int, int], buckets: Sequence[tuple[int, int]], tiling: Tiling) -> float:
    """The scale of level 0: 1 where that fits; as little below as makes it fit, down to 1 / max_shrink; else whatever
    between these two makes the tiles cheapest, and less only when there would be more than max_tiles."""
    fits = max(_fit(size, b, 0) for b in buckets)
    if fits >= 1:
        return 1.0
    if fits * tiling.max_shrink >= 1:
        return fits
    # A scale is worth what it costs divided by itself: shrinking has to save more tiles than it loses sharpness.
    scales = np.linspace(1.0, 1 / tiling.max_shrink, 9)
    scale = min(scales, key=lambda s: _cheapest(size, s, buckets, tiling, 0)[0] / s)
    while (n := _cheapest(size, scale, buckets, tiling, 0)[1]) > tiling.max_tiles:
        scale *= min(0.98, max(0.5, (tiling.max_tiles / n) ** 0.5))
    return float(scale)


def _counts(size: tuple[int, int], scale: float, bucket: tuple[int, int], tiling: Tiling, border: int) -> tuple[int,
int]:
    """How many tiles down and across."""
    n = []
    for side, room in zip(size, bucket, strict=True):
        room, need = room - 2 * border, side * scale
        n.append(1 if need <= room + 1e-6 else int(np.ceil((need - tiling.overlap) / (room - tiling.overlap) - 1e-9)))
    return n[0], n[1]


def _cheapest(
    size: tuple[int, int], scale: float, buckets: Sequence[tuple[int, int]], tiling: Tiling, border: int
) -> tuple[int, int, tuple[int, int]]:
    """(pixels through the network, tiles, bucket) of the bucket that costs least: of those that hold the picture
    whole if there are any, else of those three times as long as the tiles' overlap (smaller ones are mostly seams) that
    need at most max_tiles, else of all."""
    choices = []
    for b in buckets:
        down, across = _counts(size, scale, b, tiling, border)
        n = down * across
        rank = 0 if n == 1 else 1 if n <= tiling.max_tiles and min(b) >= 3 * tiling.overlap else 2
        choices.append((rank, n * b[0] * b[1], n, b))
    _, cost, n, bucket = min(choices)
    return cost, n, bucket


def _tile(
    size: tuple[int, int], scale: float, buckets: Sequence[tuple[int, int]], tiling: Tiling, border: int, level: int
) -> list[View]:
    _, _, bucket = _cheapest(size, scale, buckets, tiling, border)
    spans: list[list[tuple[int, int]]] = []
    for side, room, n in zip(size, bucket, _counts(size, scale, bucket, tiling, border), strict=True):
        length = side if n == 1 else min(int((room - 2 * border) / scale), side)
        starts = np.linspace(0, side - length, n).astype(int)  # evenly: the last tile ends with the picture
        spans.append([(int(s), int(s) + length) for s in starts])
    return [View((x0, y0, x1, y1), bucket, scale, border, level) for y0, y1 in spans[0] for x0, x1 in spans[1]]
