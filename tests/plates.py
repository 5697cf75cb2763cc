"""A little world to film, and a reader for it that is no network: plates whose digits are shades of grey.

A plate is a white frame around cells, each filled with the grey of its digit. Finding and reading them is arithmetic on
real pixels, so blur, darkness and occlusion do to it what they do to a recognizer: misreadings, and less confidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr.manifest import QualityLimits
from edge_ocr.types import Frame, Region, TextCharacter, TextWord

Image = NDArray[np.uint8]
HEIGHT = 32
LIMITS = QualityLimits(height=24, blur=0.6, motion=0.9, dark=0.75, over_exposed=0.6, glare=0.25, too_far=0.5,
                       tilted=0.4, cut=0.9)
_BORDER, _CELL, _GAP = 4, 16, 4


def ground(size: tuple[int, int] = (480, 640), seed: int = 0) -> Image:
    """Something to film, uint8 [H, W, 3], darker than any plate's frame."""
    rng = np.random.default_rng(seed)
    image = np.full(size, 90, np.uint8)
    for _ in range(size[0] * size[1] // 2000):
        x, y = int(rng.integers(0, size[1])), int(rng.integers(0, size[0]))
        w, h = (int(v) for v in rng.integers(6, 40, 2))
        cv2.rectangle(image, (x, y), (x + w, y + h), int(rng.integers(20, 150)), -1)
    return np.repeat(np.asarray(cv2.GaussianBlur(image, (0, 0), 1.0))[..., None], 3, axis=2)


def plate(text: str) -> Image:
    width = 2 * _BORDER + len(text) * (_CELL + _GAP) - _GAP
    out = np.full((HEIGHT, width, 3), 255, np.uint8)
    for k, digit in enumerate(text):
        x = _BORDER + k * (_CELL + _GAP)
        out[_BORDER : HEIGHT - _BORDER, x : x + _CELL] = _level(digit)
    return out


def put(image: Image, text: str, x: int, y: int) -> Image:
    """A copy with a plate at (x, y), as far as it lies inside."""
    out, sign = image.copy(), plate(text)
    x0, y0 = max(x, 0), max(y, 0)
    part = sign[y0 - y : max(out.shape[0] - y, 0), x0 - x : max(out.shape[1] - x, 0)]
    out[y0 : y0 + part.shape[0], x0 : x0 + part.shape[1]] = part
    return out


def film(images: Sequence[Image], *, fps: float = 30.0) -> list[Frame]:
    return [Frame(image, k / fps) for k, image in enumerate(images)]


def _level(digit: str) -> int:
    return 20 + 16 * int(digit)


class PlateReader:
    """Finds and reads plates in frames; counts what it was asked."""

    def __init__(self, *, limits: QualityLimits | None = LIMITS) -> None:
        self.quality = limits
        self.min_confidence = 0.3
        self.detections = 0
        self.readings = 0

    def detect(self, image: Any) -> tuple[Region, ...]:
        self.detections += 1
        bright = (image[..., 0] > 185).astype(np.uint8)
        n, _, stats, _ = cv2.connectedComponentsWithStats(bright, connectivity=8)
        found = []
        for x, y, w, h, _ in stats[1:n].tolist():
            if h >= 20 and w >= 24:
                found.append(Region(((x, y), (x + w, y), (x + w, y + h), (x, y + h)), 0.9))
        return tuple(found)

    def read_regions(self, image: Any, regions: Sequence[Region]) -> tuple[TextWord, ...]:
        self.readings += len(regions)
        return tuple(self._read(image, region) for region in regions)

    def _read(self, image: Any, region: Region) -> TextWord:
        points = np.array(region.quad)
        (x0, y0), (x1, y1) = points.min(0), points.max(0)
        unit = (y1 - y0) / HEIGHT
        count = max(round(((x1 - x0) / unit - 2 * _BORDER + _GAP) / (_CELL + _GAP)), 0)
        found = []
        for k in range(count):
            x = x0 + (_BORDER + k * (_CELL + _GAP) + _CELL / 2) * unit
            y = (y0 + y1) / 2
            part = image[int(max(y - 4, 0)) : int(y + 4), int(max(x - 3, 0)) : int(x + 3), 0]
            level = (float(part.mean()) - 20) / 16 if part.size else 0.0
            digit = int(np.clip(round(level), 0, 9))
            found.append(TextCharacter(str(digit), float(np.clip(1 - abs(level - digit), 0.05, 0.99))))
        mean = float(np.exp(np.mean([np.log(c.confidence) for c in found]))) if found else 0.0
        return TextWord("".join(c.text for c in found), mean, tuple(found), region.quad, "digits")
