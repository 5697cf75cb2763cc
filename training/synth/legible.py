"""Whether what was drawn can still be made out in what the camera made of it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["legible"]


def legible(
    image: NDArray[np.uint8],
    ink: NDArray[np.uint8],
    count: int,
    *,
    least: float = 0.35,
    mean: float = 0.55,
    fine: float | None = None,
) -> bool:
    """Whether ``count`` characters side by side can be made out in a picture uint8 ``[h, w]``: each part of it looks
    like the ink ``[h, w]`` that was drawn there (their correlation is over ``least``, and over ``mean`` on average),
    and all of them in the same way, dark on light or the reverse. With ``fine``, as much must be left of its strokes:
    of what remains of both when the blur of a fourteenth of the ink's height, which tells shapes but not letters, is
    taken from them."""
    columns = np.flatnonzero(ink.max(0) > 60)
    if len(columns) < 2 * count:
        return False
    edges = np.linspace(columns[0], columns[-1] + 1, count + 1).round().astype(int)
    one, other = image.astype(np.float32), ink.astype(np.float32)
    alike = _correlations(one, other, edges)
    sign = 1 if sum(alike) > 0 else -1
    if sign * float(np.mean(alike)) <= mean or min(sign * x for x in alike) <= least:
        return False
    if fine is None:
        return True
    rows = np.flatnonzero(ink.max(1) > 60)
    sigma = max(0.6, (rows[-1] + 1 - rows[0]) / 14)
    strokes = [x - cv2.GaussianBlur(x, (0, 0), sigma) for x in (one, other)]
    return min(sign * x for x in _correlations(strokes[0], strokes[1], edges)) > fine


def _correlations(one: NDArray[np.float32], other: NDArray[np.float32], edges: NDArray[np.int_]) -> list[float]:
    """Of two pictures, between each two neighbours of ``edges`` (columns)."""
    out = []
    for a, b in zip(edges[:-1], edges[1:], strict=True):
        x, y = one[:, a:b] - one[:, a:b].mean(), other[:, a:b] - other[:, a:b].mean()
        size = float(np.sqrt((x * x).sum() * (y * y).sum()))
        out.append(float((x * y).sum()) / size if size > 1e-3 else 0.0)
    return out
