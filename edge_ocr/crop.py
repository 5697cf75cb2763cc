"""A region to an upright crop, ready to be read.

A quad in frame pixels is grown by a margin, straightened by a perspective warp, and comes out at a size that the
recognizer's line height needs: small text is enlarged in the same step that straightens it (one interpolation instead
of two), large text keeps up to twice the line height, so that the last shrink can be one by means; what is larger still
is shrunk by means before the warp, which alone would skip pixels.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_ocr import geometry as g
from edge_ocr.preprocess import resize
from edge_ocr.types import Crop, Quad

__all__ = ["crop_quad", "crop_quads", "cut_overlaps", "is_tall"]

_MAX_ASPECT = 100  # a crop's width in heights: beyond, a quad is absurd, and squeezed
_MAX_SIDE = 32000  # OpenCV's warp addresses pixels by 16 bits
_STRAIGHT = 0.04  # parts of the height by which a quad's corners may miss its upright box and still be cut straight


def is_tall(quad: ArrayLike, *, factor: float = 2.0) -> bool:
    """Whether a quad ``[4, 2]`` is higher than ``factor`` times its width, as words that run upwards or downwards are,
    and letters one below the other; and single narrow letters, so this only says where a second look is worth it."""
    q = np.asarray(quad, np.float64)[None]
    return bool(g.heights(q)[0] > factor * g.widths(q)[0])


def cut_overlaps(quads: ArrayLike) -> g.Array:
    """Quads ``[N, 4, 2]`` of which those that follow one another in a line and overlap end at the middle of what they
    share: read as they are, both would give the letter that stands there. Nested quads, and those that share more than
    half of the shorter one, stay as they are."""
    q = np.array(quads, np.float64).reshape(-1, 4, 2)
    first, second = g.meeting_pairs(g.bounding_boxes(q))
    if not len(first):
        return q
    centre, size, angle = g.oriented_rectangles(q)
    along = np.stack([np.cos(angle), np.sin(angle)], -1)
    apart = ((centre[second] - centre[first]) * along[first]).sum(-1)
    first, second = np.where(apart < 0, second, first), np.where(apart < 0, first, second)
    step = centre[second] - centre[first]
    u = (step * along[first]).sum(-1)
    v = np.abs(step[:, 1] * along[first, 0] - step[:, 0] * along[first, 1])
    low = np.minimum(size[first, 1], size[second, 1])
    high = np.maximum(size[first, 1], size[second, 1])
    shared = (size[first, 0] + size[second, 0]) / 2 - u
    fits = (shared > 0) & (shared < 0.5 * np.minimum(size[first, 0], size[second, 0]))
    fits &= (high < 2 * low) & (v < 0.35 * low) & (np.abs(g.wrap_angle(angle[second] - angle[first])) < 0.2)
    right, left = np.zeros(len(q)), np.zeros(len(q))
    np.maximum.at(right, first[fits], shared[fits] / 2)
    np.maximum.at(left, second[fits], shared[fits] / 2)
    q[:, 1:3] -= (along * right[:, None])[:, None]
    q[:, [0, 3]] += (along * left[:, None])[:, None]
    return q


def crop_quad(image: NDArray[np.uint8], quad: ArrayLike, *, height: int, margin: float, turn: int = 0) -> Crop:
    """``crop_quads`` for one quad ``[4, 2]``."""
    return crop_quads(image, np.asarray(quad, np.float64)[None], height=height, margin=margin, turn=turn)[0]


def crop_quads(
    image: NDArray[np.uint8], quads: ArrayLike, *, height: int, margin: float, turn: int = 0
) -> list[Crop]:
    """The upright crops of ``quads`` ``[N, 4, 2]`` (clockwise from the reading-order top left) from a picture uint8
    ``[H, W, 3]`` RGB.

    ``height``: the line height that the crops will be brought to; turned ones come out at least that high, all at most
    twice. ``margin``: how far a crop reaches beyond its quad on every side, in parts of the quad's height. ``turn``:
    quarter turns clockwise by which the text stands turned in its quad, undone in the crop. Beyond the picture its
    border is repeated.
    """
    given = np.asarray(quads, np.float64).reshape(-1, 4, 2)
    points = np.roll(g.clean(given), -(turn % 4), axis=1)
    reach = np.array([image.shape[1], image.shape[0]]) / 2  # farther outside, a quad is absurd and only costs memory
    grown = np.clip(g.grow(points, margin * np.maximum(g.heights(points), 1.0)), -reach, 3 * reach)
    high, wide = np.maximum(g.heights(grown), 1.0), np.maximum(g.widths(grown), 1.0)
    boxes = g.bounding_boxes(grown)
    straight = np.abs(grown - g.box_quads(boxes)).max((1, 2), initial=0) <= _STRAIGHT * high
    out_h = np.clip(high + 0.5, height, 2 * height).astype(np.int64)
    out_w = np.clip(wide * out_h / high + 0.5, 1, _MAX_ASPECT * out_h).astype(np.int64)
    crops = []
    for i in range(len(given)):
        size = (int(out_h[i]), int(out_w[i]))
        box = boxes[i].tolist()
        if straight[i]:
            patch = _straight(image, box, size, height)
        else:
            patch = _warp(image, box, grown[i], size, float(high[i]))
        crops.append(Crop(patch, _quad(given[i])))
    return crops


def _straight(image: NDArray[np.uint8], box: list[float], size: tuple[int, int], height: int) -> NDArray[np.uint8]:
    """The pixels of ``box``, rounded, with the picture's border repeated where it reaches beyond."""
    h, w = image.shape[:2]
    x0, y0, x1, y1 = (math.floor(v + 0.5) for v in box)
    x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
    patch = image[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
    if not patch.size:  # wholly outside
        y, x = min(max(y0, 0), h - 1), min(max(x0, 0), w - 1)
        return image[y : y + 1, x : x + 1]
    if patch.shape[:2] != (y1 - y0, x1 - x0):
        around = max(-y0, 0), max(y1 - h, 0), max(-x0, 0), max(x1 - w, 0)
        out: Any = cv2.copyMakeBorder(patch, *around, borderType=cv2.BORDER_REPLICATE)
        patch = np.asarray(out, np.uint8)
    # Only shrinking far is done here; the rest the recognizer's own resize does better in one step from the original.
    if patch.shape[0] > 2 * height or patch.shape[1] > _MAX_ASPECT * patch.shape[0]:
        return resize(patch, size)
    return patch


def _warp(
    image: NDArray[np.uint8], box: list[float], quad: g.Array, size: tuple[int, int], high: float
) -> NDArray[np.uint8]:
    """The quad ``[4, 2]``, which lies in ``box`` and is ``high`` pixels high, straightened to ``size``."""
    h, w = image.shape[:2]
    x0, y0 = min(max(math.floor(box[0] - 1), 0), w - 1), min(max(math.floor(box[1] - 1), 0), h - 1)
    x1, y1 = max(min(math.ceil(box[2] + 1), w), x0 + 1), max(min(math.ceil(box[3] + 1), h), y0 + 1)
    part = image[y0:y1, x0:x1]
    scale = np.ones(2)
    steps = int(max(high / size[0], part.shape[0] / _MAX_SIDE, part.shape[1] / _MAX_SIDE))
    if steps >= 2:  # a warp that shrinks by less than two meets every pixel
        less = (max(part.shape[0] // steps, 1), max(part.shape[1] // steps, 1))
        scale = np.array([less[1] / part.shape[1], less[0] / part.shape[0]])
        part = resize(part, less)
    source = ((quad - (x0, y0)) * scale - 0.5).astype(np.float32)  # OpenCV counts from the middle of the first pixel
    target = np.array([[0, 0], [size[1], 0], [size[1], size[0]], [0, size[0]]], np.float32) - np.float32(0.5)
    matrix: Any = cv2.getPerspectiveTransform(source, target)
    out: Any = cv2.warpPerspective(
        part, matrix, (size[1], size[0]), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(out, np.uint8)


def _quad(points: g.Array) -> Quad:
    a, b, c, d = points.tolist()
    return ((a[0], a[1]), (b[0], b[1]), (c[0], c[1]), (d[0], d[1]))
