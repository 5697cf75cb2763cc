"""Where a card lies in a picture, by its edges, and the card seen from straight above.

Contours of a small copy of the picture, in lightness and colour, are reduced to four sides: the convex hull loses, one
by one, the side whose removal adds the least area, so that rounded corners, which cards have, do no harm. What has the
shape of a card under some perspective and sides that lie on edges all along is a candidate. There is no network in it,
and what cannot be told apart from the table is simply not found: the whole picture is read then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr import geometry as g
from edge_ocr.preprocess import resize

__all__ = ["View", "find_quads", "rectify", "turned"]

Image = NDArray[np.uint8]
Array = NDArray[np.float64]
_SIDE = 400  # pixels: the longer side of the copy that is looked at
_SMALLEST = 0.06  # of the picture's area
_ASPECTS = (1.586, 1.42)  # ID-1 (ISO/IEC 7810), and a passport's page
_SHAPES = (0.95, 2.6)  # ratios of sides that a card may seem to have
_FILLED = 0.9  # of its four-sided hull a contour's hull fills at least this
_SUPPORT = 0.55  # of every side lies on an edge, at least


@dataclass(frozen=True, eq=False)
class View:
    """A card, upright: ``image`` uint8 ``[h, w, 3]``, and ``matrix`` f64 ``[3, 3]`` from picture pixels to its own."""

    image: Image
    matrix: Array

    def to_picture(self, quads: Array) -> Array:
        """Quads ``[N, 4, 2]`` of the view, in picture pixels."""
        return g.apply_matrix(np.linalg.inv(self.matrix), np.asarray(quads, np.float64)).reshape(-1, 4, 2)


def find_quads(image: Image, *, most: int = 3) -> list[Array]:
    """What may be cards in a picture uint8 ``[H, W, 3]`` RGB, the likeliest first: quads f64 ``[4, 2]`` in its pixels,
    clockwise from the corner nearest to the top left."""
    h, w = image.shape[:2]
    scale = min(1.0, _SIDE / max(h, w))
    small = resize(image, (max(8, round(h * scale)), max(8, round(w * scale)))) if scale < 1 else image
    lab: Any = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)
    planes = [np.asarray(cv2.medianBlur(lab[..., k], 3), np.uint8) for k in range(3)]
    edges = np.zeros(small.shape[:2], np.uint8)
    strength = np.zeros(small.shape[:2], np.float32)
    for k, plane in enumerate(planes):
        dx: Any = cv2.Scharr(plane, cv2.CV_32F, 1, 0)
        dy: Any = cv2.Scharr(plane, cv2.CV_32F, 0, 1)
        size = np.hypot(dx, dy) / (16 if k == 0 else 8)
        strength = np.maximum(strength, size)
        high = max(float(np.percentile(size, 90)), 12.0)
        edges |= np.asarray(cv2.Canny(plane, high, 3 * high, L2gradient=True), np.uint8)
    masks = [np.asarray(cv2.dilate(edges, np.ones((3, 3), np.uint8)), np.uint8)]
    for plane in planes:
        _, mask = cv2.threshold(plane, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
        masks += [np.asarray(mask, np.uint8), np.asarray(255 - mask, np.uint8)]
    area = small.shape[0] * small.shape[1]
    level = max(float(np.percentile(strength, 70)), 6.0)
    near: Any = cv2.dilate((strength > level).astype(np.uint8), np.ones((5, 5), np.uint8))
    ranked: list[tuple[float, Array]] = []
    for mask in masks:
        framed: Any = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        contours, _ = cv2.findContours(framed, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        for contour in contours:
            if len(contour) < 4:
                continue
            hull = np.asarray(cv2.convexHull(contour), np.float64).reshape(-1, 2) - 1
            if _area(hull) < _SMALLEST * area:
                continue
            quad = _four_sides(hull)
            if quad is None or _area(hull) < _FILLED * _area(quad) or not _is_card(quad, small.shape[:2]):
                continue
            support = _support(quad, np.asarray(near, np.uint8))
            if support >= _SUPPORT:
                ranked.append((support * _area(quad) ** 0.25, quad))
    ranked.sort(key=lambda x: -x[0])
    kept: list[Array] = []
    # The picture's own frame is no find: who finds nothing looks at the whole picture anyway.
    frame = g.box_quads(np.array([[0.0, 0.0, small.shape[1], small.shape[0]]]))
    for _, quad in ranked:
        others = np.concatenate([frame, np.array(kept).reshape(-1, 4, 2)])
        overlap = g.quad_iou_matrix(quad[None], others)[0]
        if overlap[0] < 0.93 and (overlap[1:] < 0.8).all():
            kept.append(quad)
        if len(kept) == most:
            break
    return [_ordered((q + 0.5) / scale - 0.5 if scale < 1 else q) for q in kept]


def rectify(image: Image, quad: Array, *, longest: int = 1600, least: int = 640) -> View:
    """The card in ``quad`` (reading order; mirrored order undoes a mirror) as an upright picture half as large again as
    it is in the picture, its longer side ``least`` to ``longest`` pixels."""
    q = np.asarray(quad, np.float64)
    wide = float(np.hypot(*(q[1] - q[0])) + np.hypot(*(q[2] - q[3]))) / 2
    high = float(np.hypot(*(q[3] - q[0])) + np.hypot(*(q[2] - q[1]))) / 2
    shape = min(_ASPECTS, key=lambda a: abs(np.log(max(wide, 1.0) / max(high, 1.0) / a)))
    # Larger than it is there, so that straightening takes nothing away from thin letters.
    width = round(float(np.clip(1.5 * max(wide, high * shape), least, longest)))
    height = round(width / shape)
    shrink = 0.7 * max(wide / width, high / height)
    source, scale = image, np.eye(3)
    if shrink > 1.0:  # a warp alone would skip pixels
        size = (max(1, round(image.shape[0] / shrink)), max(1, round(image.shape[1] / shrink)))
        scale = np.diag([size[1] / image.shape[1], size[0] / image.shape[0], 1.0])
        source = resize(image, size)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    matrix = g.warp_matrix(q, corners)
    half = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1.0]])  # OpenCV counts from the middle of the first pixel
    inner = half @ matrix @ np.linalg.inv(scale) @ np.linalg.inv(half)
    out: Any = cv2.warpPerspective(
        source, inner, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return View(np.asarray(out, np.uint8), matrix)


def turned(quad: Array) -> list[Array]:
    """A quad in the eight orders that its corners can have, the likeliest first: with its longer side level, as it is
    and upside down; standing on end; and all of these mirrored, as front cameras show things."""
    q = np.asarray(quad, np.float64)
    wide = float(np.hypot(*(q[1] - q[0])) + np.hypot(*(q[2] - q[3])))
    high = float(np.hypot(*(q[3] - q[0])) + np.hypot(*(q[2] - q[1])))
    first = (0, 2, 1, 3) if wide >= high else (1, 3, 0, 2)
    ways = [np.roll(q, -k, axis=0) for k in first]
    return ways + [way[[1, 0, 3, 2]] for way in ways]


# -- shapes --------------------------------------------------------------------------------------------------------


def _area(points: Array) -> float:
    x, y = points[:, 0], points[:, 1]
    return 0.5 * abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))


def _four_sides(hull: Array) -> Array | None:
    """A convex polygon ``[K, 2]`` -> the quad around it, by taking away, again and again, the side that costs least."""
    points = hull[:: max(1, len(hull) // 60)]
    while len(points) > 4:
        best: tuple[float, int, Array] | None = None
        n = len(points)
        for k in range(n):
            a, b, c, d = points[k - 1], points[k], points[(k + 1) % n], points[(k + 2) % n]
            u, v = b - a, c - d
            cross = u[0] * v[1] - u[1] * v[0]
            if abs(cross) < 1e-9:
                continue
            t = ((c[0] - b[0]) * v[1] - (c[1] - b[1]) * v[0]) / cross
            s = ((c[0] - b[0]) * u[1] - (c[1] - b[1]) * u[0]) / cross
            if t < 0 or s < 0:
                continue
            meet = b + t * u
            cost = 0.5 * abs(float((c - b)[0] * (meet - b)[1] - (c - b)[1] * (meet - b)[0]))
            if best is None or cost < best[0]:
                best = (cost, k, meet)
        if best is None:
            return None
        _, k, meet = best
        points = points.copy()
        points[k] = meet
        points = np.delete(points, (k + 1) % n, axis=0)
    return points if len(points) == 4 else None


def _is_card(quad: Array, size: tuple[int, int]) -> bool:
    """Whether a card seen from some side may look like this, and lies in the picture but for a little."""
    sides = np.hypot(*(np.roll(quad, -1, axis=0) - quad).T)
    if sides.min() < 20:
        return False
    opposite = sides[:2] / sides[2:]
    if max(opposite.max(), 1 / opposite.min()) > 1.9:
        return False
    shape = (sides[0] + sides[2]) / (sides[1] + sides[3])
    if not _SHAPES[0] <= max(shape, 1 / shape) <= _SHAPES[1]:
        return False
    before, after = quad - np.roll(quad, 1, axis=0), np.roll(quad, -1, axis=0) - quad
    turn = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0])
    sine = turn / np.maximum(np.hypot(*before.T) * np.hypot(*after.T), 1e-9)
    slack = 0.06 * max(size)
    inside = (quad > -slack).all() and (quad[:, 0] < size[1] + slack).all() and (quad[:, 1] < size[0] + slack).all()
    return bool(sine.min() > 0.5 and inside)


def _support(quad: Array, near: Image) -> float:
    """The share of the least supported side that lies on an edge; the picture's border counts as one."""
    h, w = near.shape
    least = 1.0
    for k in range(4):
        a, b = quad[k], quad[(k + 1) % 4]
        t = np.linspace(0.08, 0.92, 48)[:, None]
        x, y = np.round(a + (b - a) * t).astype(int).T
        border = (x <= 1) | (y <= 1) | (x >= w - 2) | (y >= h - 2)
        on = near[np.clip(y, 0, h - 1), np.clip(x, 0, w - 1)] > 0
        least = min(least, float((on | border).mean()))
    return least


def _ordered(quad: Array) -> Array:
    """Clockwise, from the corner nearest to the top left."""
    x, y = quad[:, 0], quad[:, 1]
    if float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) < 0:
        quad = quad[::-1]
    return np.roll(quad, -int(np.argmin(quad.sum(1))), axis=0)
