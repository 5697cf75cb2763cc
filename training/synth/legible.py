"""Whether what was drawn can still be made out in what the camera made of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["legible"]


def legible(
    image: NDArray[np.uint8], ink: NDArray[np.uint8], count: int, *, least: float = 0.35, mean: float = 0.55
) -> bool:
    """Whether ``count`` characters side by side can be made out in a picture uint8 ``[h, w]``: each part of it looks
    like the ink ``[h, w]`` that was drawn there (their correlation is over ``least``, and over ``mean`` on average),
    and all of them in the same way, dark on light or the reverse."""
    columns = np.flatnonzero(ink.max(0) > 60)
    if len(columns) < 2 * count:
        return False
    edges = np.linspace(columns[0], columns[-1] + 1, count + 1).round().astype(int)
    alike = []
    for a, b in zip(edges[:-1], edges[1:], strict=True):
        one, other = image[:, a:b].astype(np.float32), ink[:, a:b].astype(np.float32)
        one, other = one - one.mean(), other - other.mean()
        size = float(np.sqrt((one * one).sum() * (other * other).sum()))
        alike.append(float((one * other).sum()) / size if size > 1e-3 else 0.0)
    sign = 1 if sum(alike) > 0 else -1
    return sign * float(np.mean(alike)) > mean and min(sign * x for x in alike) > least
