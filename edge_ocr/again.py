"""A doubtful line looked at again in other ways: what a reading owes to one way of cutting it out, the others lack."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr.manifest import Views
from edge_ocr.preprocess import resize
from edge_ocr.types import TextWord

__all__ = ["agreed", "other_views"]

Image = NDArray[np.uint8]


def other_views(line: Image, how: Views) -> list[Image]:
    """A grey line uint8 ``[h, w]`` leaning each way, without its upper and lower margin, sharpened, and stretched:
    uint8 ``[h', w']`` each, in this order."""
    h, w = line.shape
    out = []
    for shear in how.shears:
        matrix = np.array([[1, shear, -shear * (h - 1) / 2], [0, 1, 0]], np.float64)
        leaning = cv2.warpAffine(line, matrix, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        out.append(np.asarray(leaning, np.uint8))
    cut = int(how.trim * h)
    out.append(line[cut : h - cut])
    soft = cv2.GaussianBlur(line, (0, 0), how.sigma)
    out.append(np.asarray(cv2.addWeighted(line, 1 + how.sharpen, soft, -how.sharpen, 0), np.uint8))
    out.append(resize(line, (h, max(int(w * how.stretch + 0.5), 1))))
    return out


def agreed(words: Sequence[TextWord]) -> TextWord:
    """Of several readings of one line, at least one, the surest of the text that has most confidence behind it."""
    support: dict[str, float] = {}
    for word in words:
        support[word.text] = support.get(word.text, 0.0) + word.confidence
    return max(words, key=lambda word: (support[word.text], word.confidence))
