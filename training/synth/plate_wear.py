"""What years on the road do to a number plate, on its drawing: f32 ``[h, w]`` grey, changed in place."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["dirt", "rim", "seal", "shadow"]

Rng = np.random.Generator
Canvas = NDArray[np.float32]
Box = tuple[float, float, float, float]  # x, y, width, height


def dirt(rng: Rng, canvas: Canvas) -> None:
    """A film of dust, splashes, or scratches."""
    h, w = canvas.shape
    u = rng.random()
    if u < 0.6:  # a film of dust, in patches
        patches = rng.uniform(0, 1, (int(rng.integers(3, 9)), int(rng.integers(5, 24)))).astype(np.float32)
        film = cv2.resize(patches, (w, h), interpolation=cv2.INTER_CUBIC)
        film = np.clip(film - rng.uniform(0.3, 0.7), 0, 1) * rng.uniform(0.4, 1.3)
        canvas += (float(rng.uniform(40, 190)) - canvas) * np.clip(film, 0, 0.75)
    elif u < 0.85:  # splashes, snow
        shade = float(rng.uniform(20, 255))
        for _ in range(int(rng.integers(2, 14))):
            centre = (int(rng.integers(w)), int(rng.integers(h)))
            cv2.circle(canvas, centre, int(rng.integers(1, 6)), shade, -1, cv2.LINE_AA)
    else:
        for _ in range(int(rng.integers(1, 6))):
            a = (int(rng.integers(w)), int(rng.integers(h)))
            b = (a[0] + int(rng.normal(0, 60)), a[1] + int(rng.normal(0, 25)))
            cv2.line(canvas, a, b, float(rng.uniform(0, 255)), 1, cv2.LINE_AA)


def rim(rng: Rng, plate: Canvas, ink: Sequence[Box]) -> None:
    """A frame that lies over the plate's edge, seldom over its letters, and its glint or shadow inside."""
    h, w = plate.shape
    room = min(min(b[0], b[1], w - b[0] - b[2], h - b[1] - b[3]) for b in ink)
    thick = max(1, round(float(rng.uniform(0.3, 1.05)) * min(room, 0.09 * h)))
    shade = float(rng.uniform(0, 70)) if rng.random() < 0.65 else float(rng.uniform(130, 255))
    border = np.ones((h, w), np.uint8)
    inner = border[thick : h - thick, thick : w - thick]
    inner[:] = 0
    corner = int(rng.integers(0, max(2, h // 8)))
    if corner > 2:  # rounded inside
        full = np.ones_like(inner)
        ih, iw = inner.shape
        cv2.rectangle(full, (corner, 0), (iw - corner - 1, ih - 1), 0, -1)
        cv2.rectangle(full, (0, corner), (iw - 1, ih - corner - 1), 0, -1)
        for x in (corner, iw - corner - 1):
            for y in (corner, ih - corner - 1):
                cv2.circle(full, (x, y), corner, 0, -1)
        inner[:] = full
    plate[border > 0] = shade
    if rng.random() < 0.5:  # the shadow of its upper edge
        depth = min(h - thick, thick + max(1, round(0.05 * h)))
        plate[thick:depth, thick : w - thick] *= float(rng.uniform(0.55, 0.9))


def seal(rng: Rng, plate: Canvas, centre: tuple[float, float], radius: float) -> None:
    """The seal over one bolt of a rear plate: a disc of metal, larger than the bolt, with a flower stamped in."""
    at, r = (round(centre[0]), round(centre[1])), max(3, round(radius))
    shade = float(rng.uniform(70, 230))
    cv2.circle(plate, at, r, shade, -1, cv2.LINE_AA)
    cv2.circle(plate, at, r, float(np.clip(shade + rng.normal(0, 60), 0, 255)), 1, cv2.LINE_AA)
    for k in range(5):
        angle = 2 * np.pi * (k / 5 + rng.random() / 5)
        petal = (round(at[0] + 0.5 * r * np.cos(angle)), round(at[1] + 0.5 * r * np.sin(angle)))
        cv2.circle(plate, petal, max(1, r // 3), float(np.clip(shade + rng.normal(0, 35), 0, 255)), -1, cv2.LINE_AA)


def shadow(rng: Rng, canvas: Canvas) -> None:
    """The hard edge of a bumper's or a boot lid's shadow, or of the sun, across the plate."""
    h, w = canvas.shape
    y0, y1 = rng.uniform(0.1, 0.9, 2) * h if rng.random() < 0.6 else [rng.uniform(0.15, 0.6) * h] * 2
    mask = np.zeros((h, w), np.float32)
    cv2.fillPoly(mask, [np.array([[0, 0], [w, 0], [w, round(y1)], [0, round(y0)]], np.int32)], 1.0)
    if rng.random() < 0.3:
        mask = 1 - mask
    soft = float(rng.uniform(0.3, 4))
    canvas *= 1 - cv2.GaussianBlur(mask, (0, 0), soft) * float(rng.uniform(0.25, 0.7))
