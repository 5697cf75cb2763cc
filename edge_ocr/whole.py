"""A small picture that is one word, as callers hand in: looks at it that a detector does not offer.

Words on shirts and signs run along arcs, rise, and differ from their ground in colour alone. Each look undoes one of
these, and the surest reading tells which it was.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["looks", "spread_colours"]

Image = NDArray[np.uint8]

_INSET = 0.08  # what is cut off on every side, in parts of the height
# How far the word falls, or climbs where negative, in parts of its width.
_RISES = (-0.7, -0.45, -0.25, -0.12, 0.12, 0.25, 0.45, 0.7)
_BOWS = (-0.45, -0.25, 0.25, 0.45)  # how far its middle lies above its ends (negative) or below, in parts of the height
_LEAST = 0.3  # the band that is left must be so high, in parts of the picture's height
_HEIGHT = 64  # taller pictures are shrunk first: recognizers need no more


def looks(picture: Image) -> tuple[list[Image], list[Image]]:
    """Ways to look at a picture uint8 ``[h, w, 3]`` as a crop of one word: as it is, tighter, with the colours that
    differ most spread from black to white; and, apart, straightened from a rise or from an arc."""
    h, w = picture.shape[:2]
    if h > _HEIGHT:
        size = (max(1, round(w * _HEIGHT / h)), _HEIGHT)
        resized: Any = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        picture = np.asarray(resized, np.uint8)
        h, w = picture.shape[:2]
    k = round(_INSET * h)
    plain = [picture, picture[k : h - k, k : w - k] if w > 2 * k else picture, spread_colours(picture)]
    along = np.linspace(-0.5, 0.5, w)
    other: list[Image] = []
    for rise in _RISES:
        other += _straightened(picture, rise * w * along, abs(rise) * w)
    for bow in _BOWS:
        other += _straightened(picture, bow * h * (0.5 - 4 * along**2), abs(bow) * h)
    return plain, other


def _straightened(picture: Image, shift: NDArray[np.floating[Any]], spent: float) -> list[Image]:
    """The band along a curve ``shift`` [w] (pixels below the middle) that fits into the picture; none where it would
    be too thin. ``spent`` is the height that the curve takes up."""
    h, w = picture.shape[:2]
    band = h - spent
    if band < _LEAST * h or band < 4:
        return []
    rows = round(band * 1.15)
    y = (np.arange(rows)[:, None] - (rows - 1) / 2 + (h - 1) / 2 + shift[None]).astype(np.float32)
    x = np.broadcast_to(np.arange(w, dtype=np.float32), y.shape)
    out: Any = cv2.remap(picture, np.ascontiguousarray(x), y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return [np.asarray(out, np.uint8)]


def spread_colours(picture: Image) -> Image:
    """Grey along the axis on which the picture's colours differ most, from black to white: ``[h, w, 3]`` -> same. A
    picture of one colour stays as it is."""
    pixels = picture.reshape(-1, 3).astype(np.float64)
    pixels = pixels - pixels.mean(0)
    _, axes = np.linalg.eigh(pixels.T @ pixels)
    grey = pixels @ axes[:, -1]
    low, high = np.percentile(grey, (2, 98))
    if high - low < 2:
        return picture
    flat = np.clip((grey - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    return np.repeat(flat.reshape(*picture.shape[:2], 1), 3, axis=2)
