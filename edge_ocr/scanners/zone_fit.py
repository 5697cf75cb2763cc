"""The lines of a machine-readable zone, brought to where their ink is.

A detector's boxes around lines of forty characters are a little off in angle and height, and a line is read badly that
is cut askew. The zone is straightened roughly; in each of several strips across it, the rows that change most from
pixel to pixel are those of text, and a comb of as many teeth as the zone has lines is laid over them; a line through
the strips' answers gives each line's place and slope.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr.geometry import apply_matrix, warp_matrix
from edge_ocr.preprocess import grey

__all__ = ["fit_lines"]

Array = NDArray[np.float64]
_PITCH = 20  # pixels from line to line in the straightened zone
_ROOM = 1.0  # lines that it reaches beyond the zone, above and below
_STRIPS = 8
_WIDE = 640  # pixels of its width
_TOOTH = 0.52  # of the pitch: how high a line's ink is
_SHIFTS = np.arange(-0.8, 0.81, 0.05)
_FACTORS = np.arange(0.76, 1.25, 0.04)


def fit_lines(image: NDArray[np.uint8], quads: Array) -> Array | None:
    """Better quads ``[n, 4, 2]`` for the lines of a zone, ``quads`` ``[n, 4, 2]`` from above to below, n at least 2, in
    a picture uint8 ``[H, W, 3]``; None where nothing there looks like so many lines."""
    n = len(quads)
    middles = np.stack([(quads[:, 0] + quads[:, 3]) / 2, (quads[:, 1] + quads[:, 2]) / 2], 1)  # [n, 2 ends, 2]
    step = (middles[-1] - middles[0]) / (n - 1)
    top, bottom = middles[0] - (0.5 + _ROOM) * step, middles[-1] + (0.5 + _ROOM) * step
    source = np.array([top[0], top[1], bottom[1], bottom[0]])
    height = round(_PITCH * (n + 2 * _ROOM))
    target = np.array([[0, 0], [_WIDE, 0], [_WIDE, height], [0, height]], np.float64)
    matrix = warp_matrix(source, target)
    flat = _straight(image, matrix, source, (_WIDE, height))
    change = np.abs(np.diff(flat.astype(np.float32), axis=1))
    places, answers = [], []
    for k in range(_STRIPS):
        a, b = k * _WIDE // _STRIPS, (k + 1) * _WIDE // _STRIPS
        rows = change[:, a : b - 1].mean(1)
        found = _comb(rows - rows.mean(), n, height)
        if found is not None:
            places.append((a + b) / 2)
            answers.append(found)
    if len(places) < _STRIPS // 2:
        return None
    x, values = np.array(places), np.array(answers)
    keep = np.ones(len(x), bool)
    for _ in range(2):  # once more without the strip that fits least
        fits = [np.polyfit(x[keep], values[keep, j], 1) for j in (0, 1)]
        off = np.abs(values[:, 0] - np.polyval(fits[0], x))
        keep = off <= max(float(np.sort(off[keep])[-2]), 0.06 * _PITCH)
        if keep.sum() < 3:
            return None
    ends = np.array([0.0, _WIDE])
    first, pitch = (np.polyval(fit, ends) for fit in fits)  # of the first line, at both ends
    if (pitch < 0.7 * _PITCH).any() or (pitch > 1.35 * _PITCH).any():
        return None
    back = np.linalg.inv(matrix)
    half = 0.5 * (_TOOTH + 0.06) * pitch
    left, right = _ends(change, first, pitch, n)
    lines = []
    for k in range(n):
        level = first + k * pitch
        (a, b), (c, d) = (np.interp([left, right], ends, level + side * half) for side in (-1, 1))
        lines.append(apply_matrix(back, np.array([[left, a], [right, b], [right, d], [left, c]])))
    return np.array(lines)


def _ends(change: NDArray[np.float32], first: Array, pitch: Array, n: int) -> tuple[float, float]:
    """Where the lines' ink begins and ends, pixels: all lines of a zone are as long, fillers make them so."""
    columns = np.arange(change.shape[1])
    share = columns / _WIDE
    ink = np.zeros(len(columns))
    for k in range(n):
        level, size = (np.interp(share, [0, 1], v) for v in (first + k * pitch, pitch))
        for t in np.linspace(-0.4, 0.4, 9):
            row = np.clip(np.rint(level + t * _TOOTH * size), 0, change.shape[0] - 1).astype(int)
            ink += change[row, columns]
    step = _PITCH // 2  # about a character
    ink = np.convolve(ink, np.ones(step) / step, mode="same")
    there = np.flatnonzero(ink > 0.3 * np.median(ink))
    if not len(there):
        return 0.0, float(_WIDE)
    return max(float(there[0]) - 0.1 * _PITCH, 0.0), min(float(there[-1]) + 0.1 * _PITCH, float(_WIDE))


def _straight(image: NDArray[np.uint8], matrix: Array, source: Array, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The zone straightened, grey, shrunk by means where it is much larger than that."""
    (x0, y0), (x1, y1) = np.floor(source.min(0)).astype(int), np.ceil(source.max(0)).astype(int)
    h, w = image.shape[:2]
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, w), min(y1, h)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return np.zeros(size[::-1], np.uint8)
    part = grey(np.ascontiguousarray(image[y0:y1, x0:x1]))
    shrink = min(1.0, 1.5 * size[0] / max(float(np.hypot(*(source[1] - source[0]))), 1.0))
    if shrink < 1:
        less: Any = cv2.resize(part, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        part = np.asarray(less, np.uint8)
    place = np.array([[1 / shrink, 0, x0], [0, 1 / shrink, y0], [0, 0, 1]], np.float64)
    out: Any = cv2.warpPerspective(part, matrix @ place, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(out, np.uint8)


def _comb(rows: NDArray[np.float32], n: int, height: int) -> tuple[float, float] | None:
    """Middle of the first of ``n`` lines and the pitch, in pixels, that fit a strip's rows best; None for an even
    strip."""
    total = np.concatenate([[0.0], np.cumsum(rows)])
    places = np.arange(len(total))
    usual = (0.5 + _ROOM) * _PITCH
    best, answer = 0.0, None
    for factor in _FACTORS:
        pitch = factor * _PITCH
        half = 0.5 * _TOOTH * pitch
        # The zone turns about its middle, so a wider comb begins earlier.
        first = usual - 0.5 * (n - 1) * (pitch - _PITCH) + _SHIFTS * _PITCH
        middles = first[:, None] + np.arange(n)[None] * pitch
        inside = (middles[:, 0] - half >= 0) & (middles[:, -1] + half <= height)
        sums = np.interp(middles + half, places, total) - np.interp(middles - half, places, total)
        score = np.where(inside, sums.min(1) * 0.5 + sums.mean(1) * 0.5, -np.inf) / half**0.5
        k = int(score.argmax())
        if score[k] > best:
            best, answer = float(score[k]), (float(first[k]), float(pitch))
    return answer
