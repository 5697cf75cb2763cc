"""A region to an upright crop, ready to be read.

A quad in frame pixels is grown by a margin, straightened by a perspective warp, and comes out at a size that the
recognizer's line height needs: small text is enlarged in the same step that straightens it (one interpolation instead
of two), large text keeps up to twice the line height, so that the last shrink can be one by means; what is larger still
is shrunk by means before the warp, which alone would skip pixels.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_ocr import geometry as g
from edge_ocr.preprocess import resize
from edge_ocr.types import Crop, Quad

__all__ = ["crop_quad", "is_tall"]

_MAX_ASPECT = 100  # a crop's width in heights: beyond, a quad is absurd, and squeezed
_MAX_SIDE = 32000  # OpenCV's warp addresses pixels by 16 bits
_STRAIGHT = 0.04  # parts of the height by which a quad's corners may miss its upright box and still be cut straight


def is_tall(quad: ArrayLike, *, factor: float = 2.0) -> bool:
    """Whether a quad ``[4, 2]`` is higher than ``factor`` times its width, as words that run upwards or downwards are,
    and letters one below the other; and single narrow letters, so this only says where a second look is worth it."""
    q = np.asarray(quad, np.float64)[None]
    return bool(g.heights(q)[0] > factor * g.widths(q)[0])


def crop_quad(image: NDArray[np.uint8], quad: ArrayLike, *, height: int, margin: float, turn: int = 0) -> Crop:
    """The upright crop of ``quad`` ``[4, 2]`` (clockwise from the reading-order top left) from a picture uint8
    ``[H, W, 3]`` RGB.

    ``height``: the line height that the crop will be brought to; the crop is at least that high and at most twice.
    ``margin``: how far it reaches beyond the quad on every side, in parts of the quad's height. ``turn``: quarter turns
    clockwise by which the text stands turned in the quad, undone in the crop. Beyond the picture its border is
    repeated.
    """
    points = g.clean(np.asarray(quad, np.float64)[None])
    if turn % 4:
        points = np.roll(points, -(turn % 4), axis=1)
    natural = max(float(g.heights(points)[0]), 1.0)
    reach = np.array([image.shape[1], image.shape[0]]) / 2  # farther outside, a quad is absurd and only costs memory
    grown = np.clip(g.grow(points, margin * natural)[0], -reach, 3 * reach)
    high, wide = max(float(g.heights(grown[None])[0]), 1.0), max(float(g.widths(grown[None])[0]), 1.0)
    out_h = int(np.clip(high + 0.5, height, 2 * height))
    out_w = int(np.clip(wide * out_h / high + 0.5, 1, _MAX_ASPECT * out_h))
    box = g.bounding_boxes(grown[None])[0]
    skew = np.abs(grown - g.box_quads(box)[0]).max()
    part, corner = _cut(image, box)
    if skew <= _STRAIGHT * high:
        straight = _pad(image, part, corner, box)
        # Only shrinking waits for the recognizer's own resize; the rest it does better in one step from the original.
        if straight.shape[0] > 2 * height or straight.shape[1] > _MAX_ASPECT * straight.shape[0]:
            straight = resize(straight, (out_h, out_w))
        return Crop(straight, _quad(quad))
    steps = max(high / out_h, part.shape[0] / _MAX_SIDE, part.shape[1] / _MAX_SIDE)
    scale = np.ones(2)
    if steps >= 2:  # a warp that shrinks by less than two meets every pixel
        size = (max(round(part.shape[0] / int(steps)), 1), max(round(part.shape[1] / int(steps)), 1))
        scale = np.array([size[1] / part.shape[1], size[0] / part.shape[0]])
        part = resize(part, size)
    source = ((grown - corner) * scale - 0.5).astype(np.float32)
    target = np.array([[0, 0], [out_w, 0], [out_w, out_h], [0, out_h]], np.float32) - np.float32(0.5)
    matrix: Any = cv2.getPerspectiveTransform(source, target)
    warped = cv2.warpPerspective(
        part, matrix, (out_w, out_h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return Crop(np.asarray(warped, np.uint8), _quad(quad))


def _cut(image: NDArray[np.uint8], box: g.Array) -> tuple[NDArray[np.uint8], g.Array]:
    """The part of the picture under ``box``, at least one pixel, and its top left (x, y)."""
    h, w = image.shape[:2]
    x0, y0 = (int(np.clip(np.floor(v - 1), 0, side - 1)) for v, side in zip(box[:2], (w, h), strict=True))
    x1 = int(np.clip(np.ceil(box[2] + 1), x0 + 1, w))
    y1 = int(np.clip(np.ceil(box[3] + 1), y0 + 1, h))
    return image[y0:y1, x0:x1], np.array([x0, y0], np.float64)


def _pad(image: NDArray[np.uint8], part: NDArray[np.uint8], corner: g.Array, box: g.Array) -> NDArray[np.uint8]:
    """The pixels of ``box``, rounded, with the picture's border repeated where it reaches beyond."""
    h, w = image.shape[:2]
    x0, y0, x1, y1 = (int(np.floor(v + 0.5)) for v in box)
    x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
    inner = image[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
    if inner.shape[:2] == (y1 - y0, x1 - x0):
        return inner
    if not inner.size:  # wholly outside
        return part[:1, :1]
    above, below, left, right = max(-y0, 0), max(y1 - h, 0), max(-x0, 0), max(x1 - w, 0)
    out: Any = cv2.copyMakeBorder(inner, above, below, left, right, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(out, np.uint8)


def _quad(points: ArrayLike) -> Quad:
    a, b, c, d = ((float(x), float(y)) for x, y in np.asarray(points, np.float64))
    return (a, b, c, d)
