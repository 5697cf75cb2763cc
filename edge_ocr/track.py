"""Following texts from frame to frame, between two detections, and telling which found text is which followed one.

Sparse optical flow (Lucas and Kanade 1981, in the pyramids of Bouguet 2000) of corners rather than association alone:
it costs a few milliseconds where a detection costs many times that, works on the very edges that letters are made of,
and also says how the whole view moves, which carries texts that are hidden for a moment and decides when to detect
again. What drifts is put right by the next detection, which is associated by overlap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_ocr import geometry as g
from edge_ocr.preprocess import grey, resize

__all__ = ["Change", "Flow", "Match", "Motion", "Scene", "fit_similarity", "match", "small_grey"]

Image = NDArray[np.uint8]

_LONGEST = 400  # flow is computed on frames shrunk to this
_VIEW = 40  # corners by which the view's motion is known
_TEXT = 14  # and more for each text
_MOST = 160  # and for all of them
_WINDOW = 15
_BACK = 1.0  # pixels by which a corner may miss itself when followed back
_FEW = 4  # corners that a motion needs
_THUMB = 64  # a thumbnail's longer side
_BLOCK = 4  # thumbnail pixels of a block whose change is judged


def small_grey(image: Image) -> tuple[Image, float]:
    """A frame uint8 ``[H, W, 3]`` as the flow sees it, grey and shrunk by a whole number, and pixels of it per frame
    pixel."""
    step = max(round(max(image.shape[:2]) / _LONGEST), 1)
    plain = grey(image)
    h, w = max(plain.shape[0] // step, 1), max(plain.shape[1] // step, 1)
    # The last rows and columns that do not fill a pixel are left out: the scale is exactly 1 / step.
    inside = plain[: h * step, : w * step]
    return (inside if step == 1 else resize(inside, (h, w))), 1.0 / step


@dataclass(frozen=True, eq=False)
class Motion:
    """How corners moved from one frame to the next: ``start`` and ``end`` ``[K, 2]``, frame pixels; ``view`` ``[2,
    3]`` the similarity that most of them agree on, None where they are too few or agree on nothing."""

    start: g.Array
    end: g.Array
    view: g.Array | None

    def shift(self) -> float:
        """By how many pixels the view moved in the middle of its corners."""
        return float(np.hypot(*np.median(self.end - self.start, axis=0))) if len(self.start) else 0.0

    def follow(self, quads: ArrayLike) -> tuple[g.Array, NDArray[np.bool_]]:
        """Where quads ``[N, 4, 2]`` went, and which of them moved by corners of their own (bool ``[N]``); the rest
        went with the view, or stayed where they were."""
        q = np.asarray(quads, np.float64).reshape(-1, 4, 2).copy()
        own = np.zeros(len(q), bool)
        for i, box in enumerate(g.bounding_boxes(q)):
            inside = ((self.start >= box[:2]) & (self.start <= box[2:])).all(1)
            fit = self._fit(self.start[inside], self.end[inside])
            own[i] = fit is not None
            matrix = fit if fit is not None else self.view
            if matrix is not None:
                q[i] = q[i] @ matrix[:, :2].T + matrix[:, 2]
        return q, own


    def _fit(self, start: g.Array, end: g.Array) -> g.Array | None:
        """The motion of one text, by its own corners ``[K, 2]``; few of them only say how it is shifted, and the rest
        is the view's."""
        fit = fit_similarity(start, end)
        if fit is None or len(start) >= 2 * _FEW or self.view is None:
            return fit
        turn = self.view[:, :2]
        return np.column_stack([turn, np.median(end - start @ turn.T, axis=0)])


def fit_similarity(start: g.Array, end: g.Array) -> g.Array | None:
    """The turn, scale and shift ``[2, 3]`` that takes most of ``start`` ``[K, 2]`` to ``end``: least squares, weighted
    anew five times so that what does not fit counts little (Cauchy's weights). None where less than half fit, or where
    the motion is no camera's: over 30° or by a factor over 1.4 between two frames."""
    if len(start) < _FEW:
        return None
    x, y, u, v = start[:, 0], start[:, 1], end[:, 0], end[:, 1]
    off = np.hypot(u - x - _middle(u - x), v - y - _middle(v - y))
    a, b, tx, ty = 1.0, 0.0, 0.0, 0.0
    for _ in range(5):
        weight = 1 / (1 + (off / max(_middle(off), 0.25)) ** 2)
        share = weight / weight.sum()
        x0, y0, u0, v0 = (float(share @ k) for k in (x, y, u, v))
        px, py = x - x0, y - y0
        size = float(share @ (px * px + py * py))
        if size > 1e-6:
            a = float(share @ (px * (u - u0) + py * (v - v0))) / size
            b = float(share @ (px * (v - v0) - py * (u - u0))) / size
        tx, ty = u0 - a * x0 + b * y0, v0 - b * x0 - a * y0
        off = np.hypot(a * x - b * y + tx - u, b * x + a * y + ty - v)
    factor, angle = math.hypot(a, b), abs(math.atan2(b, a))
    if (off < 1.5).mean() < 0.5 or not 1 / 1.4 < factor < 1.4 or angle > np.pi / 6:
        return None
    return np.array([[a, -b, tx], [b, a, ty]])


def _middle(values: g.Array) -> float:
    """The (upper) median; numpy's own takes several times as long for a few dozen numbers."""
    n = len(values) // 2
    return float(np.partition(values, n)[n])


class Flow:
    """Motion from each frame to the next."""

    def __init__(self) -> None:
        self._before: Image | None = None

    def step(self, small: Image, scale: float, quads: ArrayLike = ()) -> Motion:
        """The motion since the last call. ``small`` and ``scale`` are what ``small_grey`` gives; ``quads`` ``[N, 4,
        2]`` where texts were in the last frame. A frame of another size starts anew, with no motion."""
        before, self._before = self._before, small
        none = Motion(np.zeros((0, 2)), np.zeros((0, 2)), None)
        if before is None or before.shape != small.shape or min(small.shape) < 2 * _WINDOW:
            return none
        corners = _corners(before, np.asarray(quads, np.float64).reshape(-1, 4, 2) * scale)
        if not len(corners):
            return none  # an even surface: nothing to hold on to
        tune: dict[str, Any] = {"winSize": (_WINDOW, _WINDOW), "maxLevel": 3}
        there, found, _ = cv2.calcOpticalFlowPyrLK(before, small, corners, None, **tune)
        back, again, _ = cv2.calcOpticalFlowPyrLK(small, before, there, None, **tune)
        start, end = corners.reshape(-1, 2).astype(np.float64), there.reshape(-1, 2).astype(np.float64)
        miss = np.hypot(*(back.reshape(-1, 2) - start).T)
        inside = ((end >= 0) & (end <= np.array(small.shape[::-1]) - 1)).all(1)
        good = (found.reshape(-1) == 1) & (again.reshape(-1) == 1) & (miss < _BACK) & inside
        # OpenCV counts from the middle of the first pixel
        start, end = (start[good] + 0.5) / scale, (end[good] + 0.5) / scale
        return Motion(start, end, fit_similarity(start, end))


def _corners(small: Image, quads: g.Array) -> NDArray[np.float32]:
    """Corners worth following ``[K, 1, 2]``, those of texts first."""
    found: list[Any] = []
    if len(quads):
        mask = np.zeros(small.shape, np.uint8)
        for x0, y0, x1, y1 in np.clip(np.rint(g.bounding_boxes(quads)), -1, 1e6).astype(int):
            mask[max(y0, 0) : max(y1 + 1, 0), max(x0, 0) : max(x1 + 1, 0)] = 1
        if mask.any():
            most = min(_TEXT * len(quads), _MOST)
            found.append(cv2.goodFeaturesToTrack(small, most, 0.02, 3, mask=mask, blockSize=3))
    found.append(cv2.goodFeaturesToTrack(small, _VIEW, 0.02, 8, blockSize=5))
    some = [corners for corners in found if corners is not None]
    return np.concatenate(some).astype(np.float32) if some else np.zeros((0, 1, 2), np.float32)


@dataclass(frozen=True)
class Change:
    """What is new since the last detection: ``uncovered``, the share of the frame that came into view; ``altered``, by
    how much the most altered spot differs, in parts of the range of grey; ``overall``, by how much all do, in standard
    deviations (another scene: about 1); ``sharper``, by which factor neighbouring pixels differ more than they did."""

    uncovered: float
    altered: float
    overall: float
    sharper: float


class Scene:
    """What the frame looked like at the last detection, to compare later frames with."""

    def __init__(self, small: Image, scale: float) -> None:
        self._thumb = _thumbnail(small)
        self._sharp = _detail(small)
        self._unit = self._thumb.shape[1] / small.shape[1] * scale  # thumbnail pixels per frame pixel
        self._moved = np.eye(3)

    def move(self, motion: Motion) -> None:
        """The view moved on."""
        if motion.view is not None:
            self._moved = np.vstack([motion.view, [0, 0, 1]]) @ self._moved

    def change(self, small: Image) -> Change:
        """How a later frame differs from it, apart from the view's motion and the light."""
        now = _thumbnail(small)
        if now.shape != self._thumb.shape:
            return Change(1.0, 1.0, 1.0, 1.0)
        h, w = now.shape
        unit = np.diag([self._unit, self._unit, 1.0])
        half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
        matrix = np.linalg.inv(half) @ unit @ self._moved @ np.linalg.inv(unit) @ half
        warp: Any = cv2.warpAffine
        old = warp(self._thumb, matrix[:2], (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        mask = warp(np.ones((h, w), np.float32), matrix[:2], (w, h), flags=cv2.INTER_LINEAR)
        seen = mask > 0.99
        if seen.mean() < 0.2:
            return Change(float(1 - seen.mean()), 1.0, 1.0, 1.0)
        one, other = now[seen], old[seen]
        spread = float(one.std()), float(other.std())
        gain = np.clip(spread[0] / spread[1], 0.5, 2.0) if min(spread) > 2 else 1.0
        gap = np.where(seen, np.abs(now - one.mean() - gain * (old - other.mean())), 0.0)
        blocks = cv2.blur(gap.astype(np.float32), (_BLOCK, _BLOCK))
        return Change(
            uncovered=float(1 - seen.mean()),
            altered=float(np.asarray(blocks).max()) / 255,
            overall=float(gap[seen].mean()) / max(spread[0], spread[1], 4.0),
            sharper=_detail(small) / max(self._sharp, 1e-6),
        )


def _detail(small: Image) -> float:
    """How much a grey frame's neighbouring pixels differ, root mean square, in parts of its contrast. (The plain mean
    would not do: a blurred edge rises less steeply, but by as much in all.)"""
    if small.shape[1] < 2:
        return 0.0
    steps = float(cv2.norm(small[:, 1:], small[:, :-1], cv2.NORM_L2))
    spread: Any = cv2.meanStdDev(small)[1]
    return steps / max(float(spread[0][0]), 4.0) / float(np.sqrt(small.size))


def _thumbnail(small: Image) -> NDArray[np.float32]:
    h, w = small.shape
    factor = _THUMB / max(h, w)
    thumb = resize(small, (max(round(h * factor), 1), max(round(w * factor), 1)))
    return np.asarray(cv2.GaussianBlur(thumb.astype(np.float32), (3, 3), 0))


@dataclass(frozen=True)
class Match:
    """Which found quads are which known ones. ``pairs`` (known, found); ``fragments`` (known, found): a piece of it, or
    something that holds it and others; ``new``: found ones that are none of these."""

    pairs: tuple[tuple[int, int], ...]
    fragments: tuple[tuple[int, int], ...]
    new: tuple[int, ...]


def match(known: ArrayLike, found: ArrayLike, *, iou: float = 0.3, held: float = 0.6) -> Match:
    """Associates quads ``known`` ``[N, 4, 2]`` with ``found`` ``[M, 4, 2]`` of the same frame, best overlap first."""
    a = g.clean(np.asarray(known, np.float64).reshape(-1, 4, 2))
    b = g.clean(np.asarray(found, np.float64).reshape(-1, 4, 2))
    overlap = g.quad_iou_matrix(a, b)
    pairs: list[tuple[int, int]] = []
    free_a, free_b = set(range(len(a))), set(range(len(b)))
    rows, columns = np.nonzero(overlap >= iou)
    for k in np.argsort(-overlap[rows, columns], kind="stable"):
        i, j = int(rows[k]), int(columns[k])
        if i in free_a and j in free_b:
            pairs.append((i, j))
            free_a.remove(i)
            free_b.remove(j)
    fragments: list[tuple[int, int]] = []
    sizes_a, sizes_b = np.maximum(g.area(a), 1e-9), np.maximum(g.area(b), 1e-9)
    rows, columns = np.nonzero(overlap > 0)
    shared = g.intersection_area(a[rows], b[columns])
    pieces: set[int] = set()
    for i, j, part in zip(rows.tolist(), columns.tolist(), shared.tolist(), strict=True):
        if j in free_b and (part >= held * sizes_b[j] or (i in free_a and part >= held * sizes_a[i])):
            fragments.append((i, j))
            pieces.add(j)
    return Match(tuple(pairs), tuple(fragments), tuple(sorted(free_b - pieces)))
