"""Doubtful words that stand alone, which are mostly windows, leaves and stains.

Text comes in company: beside or below a word there is another of about its size. A word in the company of one that is
surely read is text, too, however faint; one that stands alone has to be read more surely, and a single letter much more
so, for every corner and gap looks like some letter.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_ocr import geometry as g
from edge_ocr.types import TextWord

__all__ = ["believable"]

# Set on drawn signs and scattered words, and on wallpapers without text: nothing that was read right is lost, and of 19
# words where none is, 18 go.
_ALONE, _ALONE_LETTER = 0.5, 0.8  # what a word alone, and a single character alone, must be read with
_COMPANY = 0.7  # a word read so surely is company
_NEAR = 2.0  # within so many heights of the larger one
_ALIKE = 2.5  # and of a height that differs by no more than this factor


def believable(words: Sequence[TextWord]) -> list[TextWord]:
    """The words without those that are doubtful and stand alone; those without a quad stay."""
    doubtful = [
        k for k, w in enumerate(words)
        if w.quad is not None and w.confidence < (_ALONE if len(w.text) > 1 else _ALONE_LETTER)
    ]  # fmt: skip
    if not doubtful:
        return list(words)
    sure = [k for k, w in enumerate(words) if w.quad is not None and w.confidence >= _COMPANY]
    ask, have = _boxes(words, doubtful), _boxes(words, sure)
    low, large = np.minimum(ask[1][:, None], have[1]), np.maximum(ask[1][:, None], have[1])
    gap_x = np.maximum(ask[0][:, None, 0] - have[0][:, 2], have[0][:, 0] - ask[0][:, None, 2])
    gap_y = np.maximum(ask[0][:, None, 1] - have[0][:, 3], have[0][:, 1] - ask[0][:, None, 3])
    near = (np.maximum(gap_x, gap_y) <= _NEAR * large) & (large <= _ALIKE * low)
    near &= np.array(doubtful)[:, None] != np.array(sure, int)[None]
    company = np.any(near, axis=1).tolist()
    alone = {k for k, has in zip(doubtful, company, strict=True) if not has}
    return [w for k, w in enumerate(words) if k not in alone]


def _boxes(words: Sequence[TextWord], some: Sequence[int]) -> tuple[g.Array, NDArray[np.float64]]:
    """Upright boxes ``[N, 4]`` around words, and their text heights ``[N]``: the shorter sides."""
    quads = np.array([words[k].quad for k in some], np.float64).reshape(-1, 4, 2)
    return g.bounding_boxes(quads), np.maximum(np.minimum(g.heights(quads), g.widths(quads)), 1e-9)
