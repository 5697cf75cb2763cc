"""Quads as arrays: pure, vectorised functions of numpy alone.

A batch of quads is a float array ``[N, 4, 2]`` of (x, y), x to the right, y down; the four points run clockwise as seen
on the screen, from the reading-order top left: top left, top right, bottom right, bottom left. Angles are radians from
+x, clockwise positive (because y points down). Every function also takes integer arrays; results are float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "apply_matrix",
    "area",
    "bounding_boxes",
    "bounding_rectangle",
    "box_quads",
    "boxes_meet",
    "clean",
    "grow",
    "heights",
    "intersection_area",
    "is_convex",
    "meeting_pairs",
    "order_points",
    "oriented_rectangles",
    "quad_iou",
    "quad_iou_matrix",
    "reading_angles",
    "rectangle_quads",
    "rotate",
    "scale",
    "signed_area",
    "translate",
    "warp_matrix",
    "widths",
    "wrap_angle",
]

Array = NDArray[np.float64]


def _quads(quads: ArrayLike) -> Array:
    array = np.asarray(quads, np.float64)
    if array.size == 0:
        return np.zeros((0, 4, 2))
    if array.shape[-2:] != (4, 2):
        raise ValueError(f"quads are [..., 4, 2], not {list(array.shape)}")
    return array


# -- measures ------------------------------------------------------------------------------------------------------


def signed_area(quads: ArrayLike) -> Array:
    """Area of each quad ``[..., 4, 2]`` -> ``[...]``, positive when its points run clockwise on the screen."""
    q = _quads(quads)
    q = q - q[..., :1, :]  # near the origin, or far-away quads lose their last digits
    n = np.roll(q, -1, axis=-2)
    return np.asarray(0.5 * (q[..., 0] * n[..., 1] - q[..., 1] * n[..., 0]).sum(-1))


def area(quads: ArrayLike) -> Array:
    """Area of each simple quad ``[..., 4, 2]`` -> ``[...]``, never negative."""
    return np.abs(signed_area(quads))


def widths(quads: ArrayLike) -> Array:
    """Mean length of the top and the bottom edge, ``[..., 4, 2]`` -> ``[...]``."""
    q = _quads(quads)
    top, bottom = q[..., 1, :] - q[..., 0, :], q[..., 2, :] - q[..., 3, :]
    return np.asarray(0.5 * (np.hypot(top[..., 0], top[..., 1]) + np.hypot(bottom[..., 0], bottom[..., 1])))


def heights(quads: ArrayLike) -> Array:
    """Mean length of the left and the right edge, ``[..., 4, 2]`` -> ``[...]``."""
    q = _quads(quads)
    left, right = q[..., 3, :] - q[..., 0, :], q[..., 2, :] - q[..., 1, :]
    return np.asarray(0.5 * (np.hypot(left[..., 0], left[..., 1]) + np.hypot(right[..., 0], right[..., 1])))


def reading_angles(quads: ArrayLike) -> Array:
    """Direction from the middle of the left edge to the middle of the right one, ``[..., 4, 2]`` -> ``[...]``,
    in -pi..pi; 0 for a quad without width."""
    q = _quads(quads)
    d = q[..., 1, :] + q[..., 2, :] - q[..., 0, :] - q[..., 3, :]
    return np.asarray(np.arctan2(d[..., 1], d[..., 0]))


def wrap_angle(angle: ArrayLike, period: float = 2 * np.pi) -> Array:
    """The same angle in ``-period / 2 .. period / 2`` (the upper end excluded)."""
    a = np.asarray(angle, np.float64)
    return np.asarray((a + period / 2) % period - period / 2)


def bounding_boxes(quads: ArrayLike) -> Array:
    """Axis-aligned boxes (x0, y0, x1, y1) around quads, ``[N, 4, 2]`` -> ``[N, 4]``."""
    q = _quads(quads)
    return np.concatenate([q.min(-2), q.max(-2)], axis=-1)


def is_convex(quads: ArrayLike) -> NDArray[np.bool_]:
    """Which quads ``[N, 4, 2]`` are finite, strictly convex, and run clockwise on the screen -> bool ``[N]``."""
    q = _quads(quads)
    edge = np.roll(q, -1, axis=-2) - q
    after = np.roll(edge, -1, axis=-2)
    with np.errstate(invalid="ignore", over="ignore"):
        turn = edge[..., 0] * after[..., 1] - edge[..., 1] * after[..., 0]
        return np.asarray((turn > 0).all(-1) & np.isfinite(q).all((-1, -2)))


# -- order and form ------------------------------------------------------------------------------------------------


def order_points(quads: ArrayLike) -> Array:
    """Put the four corners of each quad, given in any order, clockwise from the top left: ``[N, 4, 2]`` -> same.

    Of the four possible starts the one is taken whose reading direction lies nearest to +x; between two equally near
    ones (a square on its corner), the one whose longer side is read along, then the one that reads downwards.
    """
    q = _quads(quads)
    if not len(q):
        return q
    d = q - q.mean(-2, keepdims=True)
    around = np.argsort(np.arctan2(d[..., 1], d[..., 0]), axis=-1, kind="stable")
    q = np.take_along_axis(q, around[..., None], axis=-2)
    turned = np.stack([np.roll(q, -k, axis=-2) for k in range(4)], axis=-3)  # [N, start, 4, 2]
    angle = reading_angles(turned)
    wide = widths(turned) >= heights(turned)
    off = np.round(np.abs(angle), 9) + np.where(wide, 0.0, 2e-9) + np.where(angle < 0, 1e-9, 0.0)
    best = np.argmin(off, axis=-1)
    return np.asarray(np.take_along_axis(turned, best[..., None, None, None], axis=-3)[..., 0, :, :])


def clean(quads: ArrayLike) -> Array:
    """Quads that every later stage can use, ``[N, 4, 2]`` -> same: convex ones are kept as they are, the rest
    (mirrored, crossed, dented) are replaced by the axis-aligned box around their finite points."""
    q: Array = _quads(quads).copy()
    bad = ~is_convex(q)
    if bad.any():
        q[bad] = box_quads(bounding_boxes(np.nan_to_num(q[bad], nan=0.0, posinf=0.0, neginf=0.0)))
    return q


def box_quads(boxes: ArrayLike) -> Array:
    """Axis-aligned boxes (x0, y0, x1, y1) as quads, ``[N, 4]`` -> ``[N, 4, 2]``."""
    b = np.asarray(boxes, np.float64).reshape(-1, 4)
    x0, y0, x1, y1 = b.T
    return np.stack([x0, y0, x1, y0, x1, y1, x0, y1], axis=-1).reshape(-1, 4, 2)


def rectangle_quads(centres: ArrayLike, sizes: ArrayLike, angles: ArrayLike) -> Array:
    """Rotated rectangles as quads: centres ``[N, 2]``, sizes (width, height) ``[N, 2]``, angles ``[N]``
    -> ``[N, 4, 2]``."""
    c = np.asarray(centres, np.float64).reshape(-1, 2)
    half = np.asarray(sizes, np.float64).reshape(-1, 2) / 2
    a = np.asarray(angles, np.float64).reshape(-1)
    along = np.stack([np.cos(a), np.sin(a)], -1) * half[:, :1]
    down = np.stack([-np.sin(a), np.cos(a)], -1) * half[:, 1:]
    return np.stack([c - along - down, c + along - down, c + along + down, c - along + down], axis=-2)


def oriented_rectangles(quads: ArrayLike) -> tuple[Array, Array, Array]:
    """The rectangle that fits each quad along its reading direction, ``[N, 4, 2]`` -> centres ``[N, 2]``, sizes
    (width, height) ``[N, 2]``, angles ``[N]``.

    Each side lies at the mean of the quad's two corners there, so that a quad that is a rectangle comes back as it is
    and a trapezium keeps its area.
    """
    q = _quads(quads)
    a = reading_angles(q)
    u = np.stack([np.cos(a), np.sin(a)], -1)
    v = np.stack([-np.sin(a), np.cos(a)], -1)
    mid = q.mean(-2)
    pu = ((q - mid[..., None, :]) * u[..., None, :]).sum(-1)
    pv = ((q - mid[..., None, :]) * v[..., None, :]).sum(-1)
    left, right = (pu[..., 0] + pu[..., 3]) / 2, (pu[..., 1] + pu[..., 2]) / 2
    top, bottom = (pv[..., 0] + pv[..., 1]) / 2, (pv[..., 2] + pv[..., 3]) / 2
    centre = mid + u * ((left + right) / 2)[..., None] + v * ((top + bottom) / 2)[..., None]
    return centre, np.abs(np.stack([right - left, bottom - top], -1)), a


def bounding_rectangle(points: ArrayLike, angle: float) -> Array:
    """The smallest rectangle at ``angle`` around points ``[K, 2]`` (K >= 1) -> quad ``[4, 2]``."""
    p = np.asarray(points, np.float64).reshape(-1, 2)
    c, s = np.cos(angle), np.sin(angle)
    turned = p @ np.array([[c, -s], [s, c]])
    (u0, v0), (u1, v1) = turned.min(0), turned.max(0)
    box = np.array([[u0, v0], [u1, v0], [u1, v1], [u0, v1]])
    return np.asarray(box @ np.array([[c, s], [-s, c]]))


def grow(quads: ArrayLike, across: ArrayLike, along: ArrayLike | None = None) -> Array:
    """Move every edge of each quad outwards: the top and the bottom corner pairs by ``across`` pixels along the side
    edges, the left and right pairs by ``along`` (default: as ``across``) along the top and bottom edges.

    ``[N, 4, 2]``, amounts scalar or ``[N]`` -> ``[N, 4, 2]``. A quad without width or height is only moved where it has
    a direction. Negative amounts shrink.
    """
    q = _quads(quads)
    v = np.broadcast_to(np.asarray(across, np.float64), q.shape[:-2])[..., None]
    h = v if along is None else np.broadcast_to(np.asarray(along, np.float64), q.shape[:-2])[..., None]

    def unit(d: Array) -> Array:
        n = np.hypot(d[..., 0], d[..., 1])[..., None]
        return np.asarray(np.divide(d, n, out=np.zeros_like(d), where=n > 0))

    top, right = unit(q[..., 1, :] - q[..., 0, :]), unit(q[..., 2, :] - q[..., 1, :])
    bottom, left = unit(q[..., 2, :] - q[..., 3, :]), unit(q[..., 3, :] - q[..., 0, :])
    return np.stack(
        [
            q[..., 0, :] - top * h - left * v,
            q[..., 1, :] + top * h - right * v,
            q[..., 2, :] + bottom * h + right * v,
            q[..., 3, :] - bottom * h + left * v,
        ],
        axis=-2,
    )


# -- overlap -------------------------------------------------------------------------------------------------------


def intersection_area(a: ArrayLike, b: ArrayLike) -> Array:
    """Area shared by convex quads, pair by pair: ``[N, 4, 2]``, ``[N, 4, 2]`` -> ``[N]``.

    Sutherland and Hodgman's clipping, a whole batch at once: ``a`` is cut by the four half-planes of ``b``; each cut of
    a convex polygon adds at most one corner, so 4 to 8 slots hold every case. Unused slots repeat a corner, which adds
    no area. Both must be convex and clockwise (``is_convex``); a quad of no area shares none.
    """
    poly, clip = _quads(a), _quads(b)
    if not len(poly):
        return np.zeros(0)
    origin = clip[:, :1]
    poly, clip = poly - origin, clip - origin
    count = np.full(len(poly), 4)
    for k in range(4):
        p, q = clip[:, k], clip[:, (k + 1) % 4]
        edge = (q - p)[:, None]
        # At least 0: inside.
        side = edge[..., 0] * (poly[..., 1] - p[:, None, 1]) - edge[..., 1] * (poly[..., 0] - p[:, None, 0])
        n = poly.shape[1]
        slot = np.arange(n)
        follow = np.where(slot[None] + 1 < count[:, None], slot[None] + 1, 0)
        side_next = np.take_along_axis(side, follow, axis=1)
        next_point = np.take_along_axis(poly, follow[..., None], axis=1)
        live = slot[None] < count[:, None]
        inside = side >= 0
        crossing = (inside != (side_next >= 0)) & live
        gap = side - side_next
        t = np.divide(side, gap, out=np.zeros_like(side), where=gap != 0)
        cut = poly + (next_point - poly) * t[..., None]
        # Each slot gives its own corner when inside, then the point where its edge crosses the line.
        out = np.stack([poly, cut], axis=2).reshape(len(poly), 2 * n, 2)
        keep = np.stack([inside & live, crossing], axis=2).reshape(len(poly), 2 * n)
        order = np.argsort(~keep, axis=1, kind="stable")[:, : n + 1]
        poly = np.take_along_axis(out, order[..., None], axis=1)
        count = np.minimum(keep.sum(1), n + 1)
        poly = np.where((np.arange(n + 1)[None] < count[:, None])[..., None], poly, poly[:, :1])
    follow_point = np.roll(poly, -1, axis=1)
    doubled = (poly[..., 0] * follow_point[..., 1] - poly[..., 1] * follow_point[..., 0]).sum(1)
    return np.where(count >= 3, np.abs(doubled) / 2, 0.0)


def quad_iou(a: ArrayLike, b: ArrayLike) -> Array:
    """Intersection over union of convex quads, pair by pair: ``[N, 4, 2]``, ``[N, 4, 2]`` -> ``[N]`` in 0..1."""
    qa, qb = _quads(a), _quads(b)
    shared = intersection_area(qa, qb)
    union = area(qa) + area(qb) - shared
    return np.clip(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0), 0.0, 1.0)


def quad_iou_matrix(a: ArrayLike, b: ArrayLike) -> Array:
    """IoU of every quad of ``a`` with every one of ``b``: ``[N, 4, 2]``, ``[M, 4, 2]`` -> ``[N, M]``. Only pairs whose
    axis-aligned boxes meet are clipped."""
    qa, qb = _quads(a), _quads(b)
    out = np.zeros((len(qa), len(qb)))
    i, j = np.nonzero(boxes_meet(bounding_boxes(qa), bounding_boxes(qb)))
    if len(i):
        out[i, j] = quad_iou(qa[i], qb[j])
    return out


def boxes_meet(a: Array, b: Array) -> NDArray[np.bool_]:
    """Which axis-aligned boxes ``[N, 4]`` and ``[M, 4]`` share some area -> bool ``[N, M]``."""
    return np.asarray(
        (a[:, None, 0] < b[None, :, 2])
        & (b[None, :, 0] < a[:, None, 2])
        & (a[:, None, 1] < b[None, :, 3])
        & (b[None, :, 1] < a[:, None, 3])
    )


def meeting_pairs(boxes: ArrayLike) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """All pairs i < j of axis-aligned boxes ``[N, 4]`` that share some area, in rising order of (i, j).

    The boxes are swept from top to bottom, a block of candidate pairs at a time, so that memory stays bounded for the
    tens of thousands of words of a very long page.
    """
    b = np.asarray(boxes, np.float64).reshape(-1, 4)
    order = np.argsort(b[:, 1], kind="stable")
    s = b[order]
    after = np.arange(1, len(s) + 1)
    count = np.maximum(np.searchsorted(s[:, 1], s[:, 3], side="left") - after, 0)  # begin before this one ends
    ends = np.cumsum(count)
    found: list[NDArray[np.intp]] = []
    start = 0
    while start < len(s):
        before = int(ends[start - 1]) if start else 0
        stop = max(int(np.searchsorted(ends, before + (1 << 20), side="right")), start + 1)
        n = count[start:stop]
        i = np.repeat(np.arange(start, stop), n)
        j = np.arange(len(i)) - np.repeat(np.cumsum(n) - n, n) + i + 1
        meet = (s[i, 0] < s[j, 2]) & (s[j, 0] < s[i, 2]) & (s[j, 1] < s[i, 3]) & (s[i, 1] < s[j, 3])
        found.append(np.sort(np.stack([order[i[meet]], order[j[meet]]]), axis=0))
        start = stop
    if not found:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    first, second = np.concatenate(found, axis=1)
    rank = np.lexsort((second, first))
    return first[rank], second[rank]


# -- moves ---------------------------------------------------------------------------------------------------------


def translate(points: ArrayLike, offset: ArrayLike) -> Array:
    """Points ``[..., 2]`` moved by (dx, dy)."""
    return np.asarray(np.asarray(points, np.float64) + np.asarray(offset, np.float64))


def scale(points: ArrayLike, factor: ArrayLike) -> Array:
    """Points ``[..., 2]`` times a factor, or times (fx, fy)."""
    return np.asarray(np.asarray(points, np.float64) * np.asarray(factor, np.float64))


def rotate(points: ArrayLike, angle: float, centre: ArrayLike = (0.0, 0.0)) -> Array:
    """Points ``[..., 2]`` turned clockwise on the screen by ``angle`` about ``centre``."""
    c, s = np.cos(angle), np.sin(angle)
    mid = np.asarray(centre, np.float64)
    return np.asarray((np.asarray(points, np.float64) - mid) @ np.array([[c, s], [-s, c]]) + mid)


def warp_matrix(source: ArrayLike, target: ArrayLike) -> Array:
    """The perspective mapping ``[3, 3]`` that takes the four points of ``source`` ``[4, 2]`` to those of ``target``
    ``[4, 2]``. Raises ``ValueError`` when three corners of either lie on one line."""
    s, t = np.asarray(source, np.float64).reshape(4, 2), np.asarray(target, np.float64).reshape(4, 2)
    rows: list[Any] = []
    for (x, y), (u, v) in zip(s, t, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    try:
        h = np.linalg.solve(np.array(rows), t.reshape(-1))
    except np.linalg.LinAlgError as e:
        raise ValueError("no perspective maps these quads: three corners lie on one line") from e
    matrix = np.append(h, 1.0).reshape(3, 3)
    if not np.isfinite(matrix).all():
        raise ValueError("no perspective maps these quads: three corners lie on one line")
    return np.asarray(matrix)


def apply_matrix(matrix: ArrayLike, points: ArrayLike) -> Array:
    """Points ``[..., 2]`` through a perspective mapping ``[3, 3]``."""
    m, p = np.asarray(matrix, np.float64), np.asarray(points, np.float64)
    out = p @ m[:, :2].T + m[:, 2]
    return np.asarray(out[..., :2] / out[..., 2:])
