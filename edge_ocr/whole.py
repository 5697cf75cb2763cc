"""A small picture that is one word, as callers hand in: looks at it that a detector does not offer.

Words on shirts and signs run along arcs, rise, and differ from their ground in colour alone. Each look undoes one of
these, and the surest reading tells which it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr.arcs import arcs_of_marks, arcs_of_outline, set_straight

__all__ = ["looks", "spread_colours"]

Image = NDArray[np.uint8]

_INSET = 0.08  # what is cut off on every side, in parts of the height
# How far the word falls, or climbs where negative, in parts of its width.
_RISES = (-0.7, -0.45, -0.25, -0.12, 0.12, 0.25, 0.45, 0.7)
_LEAST = 0.3  # the band that is left must be so high, in parts of the picture's height
_HEIGHT = 64  # taller pictures are shrunk first: recognizers need no more
_BENT_HEIGHT = 96  # the same for words on arcs, whose letters are a part of the picture's height


def looks(picture: Image, *, least_bow: float | None = None) -> Iterator[tuple[list[Image], bool]]:
    """Ways to look at a picture uint8 ``[h, w, 3]`` as a crop of one word, in lots, the likeliest first, and of each
    whether it was straightened: as it is, tighter, with the colours that differ most spread from black to white;
    straightened from a rise, or from an arc on which its marks lie; from every arc that would fill the picture. With
    ``least_bow``: only from arcs on which its marks lie, with bows of at least so many letter heights."""
    if least_bow is not None:
        yield _looks_on_arcs(picture, least_bow), True
        return
    small = _lower(picture, _HEIGHT)
    h, w = small.shape[:2]
    k = round(_INSET * h)
    yield [small, small[k : h - k, k : w - k] if w > 2 * k else small, spread_colours(small)], False
    along = np.linspace(-0.5, 0.5, w)
    rises = [look for rise in _RISES for look in _straightened(small, rise * w * along, abs(rise) * w)]
    yield rises + _looks_on_arcs(picture, 0.0), True
    bent = _lower(picture, _BENT_HEIGHT)
    yield [set_straight(bent, arc) for arc in arcs_of_outline(*bent.shape[:2])], True


def _looks_on_arcs(picture: Image, least: float) -> list[Image]:
    """The words set straight that marks in a picture make on arcs, at most two, with bows of at least so many letter
    heights."""
    bent = _lower(picture, _BENT_HEIGHT)
    marks = arcs_of_marks(np.ascontiguousarray(spread_colours(bent)[..., 0]))
    return [set_straight(bent, arc) for arc in marks if arc.bow >= least]


def _lower(picture: Image, height: int) -> Image:
    """A picture shrunk to a height, unless it is lower."""
    h, w = picture.shape[:2]
    if h <= height:
        return picture
    resized: Any = cv2.resize(picture, (max(1, round(w * height / h)), height), interpolation=cv2.INTER_AREA)
    return np.asarray(resized, np.uint8)


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
