"""Doubtful words that stand alone, which are mostly windows, leaves and stains.

Text comes in company: beside or below a word there is another of about its size. A word in the company of one that is
surely read is text, too, however faint, unless it is a single letter; one that stands alone has to be read more surely,
a single letter much more so, for every corner and gap looks like some letter, and a row of one letter most of all, for
so do bricks and stitches.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_ocr import geometry as g
from edge_ocr.types import TextWord

__all__ = ["believable"]

# Set on drawn signs and scattered words, and on wallpapers without text.
_ALONE, _ALONE_LETTER = 0.6, 0.85  # what a word alone, and a single character alone, must be read with,
_ALONE_ROW, _ROW = 0.9, 4  # and one character again and again, so often at least
_LETTER = 0.5  # a single character in company
_COMPANY = 0.7  # a word read so surely is company
_NEAR = 2.0  # within so many heights of the larger one
_ALIKE = 2.5  # and of a height that differs by no more than this factor


def believable(words: Sequence[TextWord], *, small: bool = False) -> list[TextWord]:
    """The words without those that are doubtful and stand alone; those without a quad stay. ``small``: the picture may
    be the crop of one word, which stands alone of course; so all stay where none is surely read."""
    doubtful = [
        k for k, w in enumerate(words)
        if w.quad is not None and w.confidence < _least(w.text)
    ]  # fmt: skip
    if not doubtful:
        return list(words)
    sure = [k for k, w in enumerate(words) if w.quad is not None and w.confidence >= _COMPANY]
    if small and not sure:
        return list(words)
    ask, have = _boxes(words, doubtful), _boxes(words, sure)
    low, large = np.minimum(ask[1][:, None], have[1]), np.maximum(ask[1][:, None], have[1])
    gap_x = np.maximum(ask[0][:, None, 0] - have[0][:, 2], have[0][:, 0] - ask[0][:, None, 2])
    gap_y = np.maximum(ask[0][:, None, 1] - have[0][:, 3], have[0][:, 1] - ask[0][:, None, 3])
    near = (np.maximum(gap_x, gap_y) <= _NEAR * large) & (large <= _ALIKE * low)
    near &= np.array(doubtful)[:, None] != np.array(sure, int)[None]
    company = np.any(near, axis=1).tolist()
    alone = {
        k for k, has in zip(doubtful, company, strict=True)
        if not has or (len(words[k].text) == 1 and words[k].confidence < _LETTER)
    }  # fmt: skip
    return [w for k, w in enumerate(words) if k not in alone]


def _least(text: str) -> float:
    """What a word alone must be read with."""
    if len(text) >= _ROW and len(set(text)) == 1:
        return _ALONE_ROW
    return _ALONE if len(text) > 1 else _ALONE_LETTER


def _boxes(words: Sequence[TextWord], some: Sequence[int]) -> tuple[g.Array, NDArray[np.float64]]:
    """Upright boxes ``[N, 4]`` around words, and their text heights ``[N]``: the shorter sides."""
    quads = np.array([words[k].quad for k in some], np.float64).reshape(-1, 4, 2)
    return g.bounding_boxes(quads), np.maximum(np.minimum(g.heights(quads), g.widths(quads)), 1e-9)
