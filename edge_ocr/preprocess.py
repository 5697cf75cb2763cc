"""Pictures to what networks eat. Inference, training, calibration and parity checks all come through here.

No number is decided here: sizes, buckets and padding values are arguments, and come from the models' model.json. Points
are continuous: pixel i covers i..i+1, its centre is i + 0.5. So a picture scaled by s takes x to s · x.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Letterbox", "crop_to_line", "grey", "letterbox", "resize"]

Image = NDArray[np.uint8]


class Letterbox(NamedTuple):
    """A picture laid into a canvas: ``image`` uint8 ``[h, w, 3]``; ``scale`` (x, y) canvas pixels per picture pixel;
    ``offset`` (x, y) where the picture's top left lies on the canvas."""

    image: Image
    scale: tuple[float, float]
    offset: tuple[float, float]

    def to_image(self, points: ArrayLike) -> NDArray[np.float64]:
        """Points ``[..., 2]`` on the canvas -> the same in the picture."""
        p = np.asarray(points, np.float64)
        return np.asarray((p - self.offset) / self.scale)

    def to_canvas(self, points: ArrayLike) -> NDArray[np.float64]:
        """Points ``[..., 2]`` in the picture -> the same on the canvas."""
        p = np.asarray(points, np.float64)
        return np.asarray(p * self.scale + self.offset)


def resize(image: Image, size: tuple[int, int]) -> Image:
    """``image`` ``[h, w]`` or ``[h, w, 3]`` to ``size`` (height, width), the rule that model.json calls
    "area-down-linear-up": along an axis that shrinks each pixel is the mean of what it covers, along one that grows it
    is interpolated."""
    h, w = image.shape[:2]
    high, wide = int(size[0]), int(size[1])
    if (high, wide) == (h, w):
        return image
    smaller = (min(h, high), min(w, wide))
    if smaller != (h, w):
        image = np.asarray(cv2.resize(image, (smaller[1], smaller[0]), interpolation=cv2.INTER_AREA))
    if smaller != (high, wide):
        image = np.asarray(cv2.resize(image, (wide, high), interpolation=cv2.INTER_LINEAR))
    return image


def grey(image: Image) -> Image:
    """RGB ``[h, w, 3]`` to luma ``[h, w]`` (Rec. 601); grey pictures are returned as they are."""
    if image.ndim == 2:
        return image
    if image.shape[2] == 1:
        return image[..., 0]
    out: Any = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(out, np.uint8)


def letterbox(
    image: Image, size: tuple[int, int], padding: int, *, border: int = 0, max_scale: float = float("inf")
) -> Letterbox:
    """``image`` uint8 ``[h, w, 3]`` laid into a canvas of ``size`` (height, width) as large as fits, keeping its
    aspect, in the middle; the rest is ``padding``.

    ``border``: at least so many canvas pixels stay free on every side. ``max_scale``: it is not enlarged beyond that.
    """
    h, w = image.shape[:2]
    room_h, room_w = size[0] - 2 * border, size[1] - 2 * border
    if h < 1 or w < 1 or room_h < 1 or room_w < 1:
        raise ValueError(f"a picture of {h} × {w} does not go into {size[0]} × {size[1]} with a border of {border}")
    scale = min(room_h / h, room_w / w, max_scale)
    # A side so short that it would vanish keeps one pixel.
    high, wide = (min(max(int(side * scale + 0.5), 1), room) for side, room in ((h, room_h), (w, room_w)))
    top, left = (size[0] - high) // 2, (size[1] - wide) // 2
    if (high, wide) == (h, w) == tuple(size):
        canvas = image
    else:
        canvas = np.full((size[0], size[1], 3), padding, np.uint8)
        canvas[top : top + high, left : left + wide] = resize(image, (high, wide))
    return Letterbox(canvas, (wide / w, high / h), (float(left), float(top)))


def crop_to_line(crop: Image, *, height: int, max_width: int | None = None, min_width: int | None = None) -> Image:
    """An upright crop, RGB ``[h, w, 3]`` or grey ``[h, w]``, to a recognizer's grey line ``[height, w']``.

    The aspect is kept; a line wider than ``max_width`` is squeezed to it, and one narrower than ``min_width`` is
    stretched to that. ``w'`` is at least 1.
    """
    h, w = crop.shape[:2]
    if h < 1 or w < 1:
        raise ValueError(f"a crop of {h} × {w} pixels holds nothing to read")
    wide = max(int(w * height / h + 0.5), min_width or 1, 1)
    if max_width is not None:
        wide = min(wide, max_width)
    return resize(grey(crop), (height, wide))
