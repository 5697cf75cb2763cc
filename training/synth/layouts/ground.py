"""Colours, textures and panels that text stands on, and how print wears."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from training.synth.sheet import Colour, Sheet, contrasting, luma

__all__ = [
    "any_colour",
    "draw_panel",
    "ground",
    "log_uniform",
    "make_texture",
    "mean_colour",
    "pick_printer",
    "tint_of",
]

Rng = np.random.Generator


def tint_of(rng: Rng, low: int, high: int, spread: int = 12) -> Colour:
    base = int(rng.integers(low, high + 1))
    r, g, b = (int(np.clip(base + d, 0, 255)) for d in rng.integers(-spread, spread + 1, 3))
    return r, g, b


def any_colour(rng: Rng) -> Colour:
    r, g, b = (int(c) for c in rng.integers(0, 256, 3))
    return r, g, b


def ground(rng: Rng, height: int, width: int, colour: Colour | None = None) -> NDArray[np.uint8]:
    """A plain or graded ground, uint8 [height, width, 3]."""
    first = colour if colour is not None else any_colour(rng)
    if rng.random() < 0.6:
        return np.full((height, width, 3), first, np.uint8)
    second = contrasting(rng, first, 0) if colour is None else tint_of(rng, int(luma(first)), int(luma(first)), 30)
    corners = np.array([[first, second], [first if rng.random() < 0.5 else second, second]], np.uint8)
    if rng.random() < 0.5:
        corners = corners.transpose(1, 0, 2)
    return cv2.resize(np.ascontiguousarray(corners), (width, height), interpolation=cv2.INTER_LINEAR)


def make_texture(rng: Rng, height: int, width: int, low: float) -> NDArray[np.uint8]:
    """A smooth random map uint8 [height, width] between ``low`` × 255 and 255: fading, folds, uneven light."""
    coarse = rng.uniform(low, 1.0, (int(rng.integers(2, 9)), int(rng.integers(2, 9)))).astype(np.float32)
    return cv2.resize((coarse * 255).astype(np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)


def pick_printer(rng: Rng) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    """How a printer spoils ink: fading, dropped dots and rows, thick toner, dot matrix."""
    kind = rng.random()

    def spoil(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
        h, w = ink.shape
        if kind < 0.35:
            return ink
        if kind < 0.6:
            return cv2.multiply(ink, make_texture(rng, h, w, rng.uniform(0.3, 0.8)), scale=1 / 255)
        if kind < 0.75:
            grain = (rng.random((h // 2 + 1, w // 2 + 1)) > rng.uniform(0.05, 0.35)).astype(np.uint8) * 255
            return cv2.multiply(ink, cv2.resize(grain, (w, h), interpolation=cv2.INTER_LINEAR), scale=1 / 255)
        if kind < 0.85:
            step = int(rng.integers(2, 4))
            grid = np.full((h, w), 255, np.uint8)
            grid[::step] = int(rng.integers(60, 200))
            grid[:, ::step] = np.minimum(grid[:, ::step], int(rng.integers(60, 200)))
            return cv2.multiply(ink, grid, scale=1 / 255)
        if kind < 0.93:
            return cv2.dilate(ink, np.ones((1 if rng.random() < 0.5 else 2, 2), np.uint8))
        return cv2.multiply(ink, np.full_like(ink, 255), scale=rng.uniform(0.35, 0.7) / 255)

    return spoil


def log_uniform(rng: Rng, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def mean_colour(sheet: Sheet, x0: float, y0: float, x1: float, y1: float) -> NDArray[np.float64]:
    part = sheet.image[max(0, int(y0)) : max(1, int(y1)), max(0, int(x0)) : max(1, int(x1))]
    return part[::4, ::4].reshape(-1, 3).mean(axis=0) if part.size else np.full(3, 255.0)


def draw_panel(rng: Rng, image: NDArray[np.uint8], x0: int, y0: int, x1: int, y1: int, colour: Colour) -> None:
    """A filled box, often with round corners or a frame."""
    r = int(rng.choice([0, 0, 6, 12, (y1 - y0) // 2]))
    r = min(r, (x1 - x0) // 2, (y1 - y0) // 2)
    if r:
        cv2.rectangle(image, (x0 + r, y0), (x1 - r, y1), colour, -1)
        cv2.rectangle(image, (x0, y0 + r), (x1, y1 - r), colour, -1)
        for cx in (x0 + r, x1 - r):
            for cy in (y0 + r, y1 - r):
                cv2.circle(image, (cx, cy), r, colour, -1, cv2.LINE_AA)
    else:
        cv2.rectangle(image, (x0, y0), (x1, y1), colour, -1)
        if rng.random() < 0.4:
            cv2.rectangle(image, (x0, y0), (x1, y1), contrasting(rng, colour, 20), int(rng.integers(1, 4)))
