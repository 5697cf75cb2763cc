"""Letters that stand one below the other, as on the signs of narrow shops, joined to a word that is read from the top
down.

The detector finds such letters one by one, or whole as one tall region; only the former is dealt with here. What keeps
columns of a table from being taken for one: single letters, three at least, not all the same, and no more digits than
half as many; close together, of one size, in one line; and nothing else beside them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge_ocr import geometry as g
from edge_ocr.types import Quad, TextCharacter, TextWord

__all__ = ["join_stacks"]

# Lengths are in parts of the letters' size, the longer side of their boxes.
_LEAST = 3  # letters
_GAP = (-0.45, 0.8)  # between the boxes of two letters
_ASIDE = 0.3  # how far the middle of a letter may lie beside that of the one above it
_ALIKE = 1.7  # their sizes differ by no more than this factor
_BESIDE = 1.2  # a word this near, on a level with a letter, makes it part of a row
_ROWS = 0.25  # and so many of them may be


def join_stacks(words: Sequence[TextWord]) -> list[TextWord]:
    """The words, those that are stacked letters joined: one word with their text from the top down, their characters,
    the geometric mean of their confidences, and the upright rectangle around them for a quad. It takes the place of the
    topmost letter; the other words keep their order."""
    single = [k for k, w in enumerate(words) if w.quad is not None and len(w.text) == 1 and w.text.isalnum()]
    if sum(words[k].text.isalpha() for k in single) < _LEAST:
        return list(words)
    placed = [k for k, w in enumerate(words) if w.quad is not None and w.text]
    boxes = g.bounding_boxes(np.array([words[k].quad for k in placed], np.float64))
    where = {k: n for n, k in enumerate(placed)}
    out: list[TextWord | None] = list(words)
    for chain in _chains(boxes[[where[k] for k in single]]):
        members = [single[n] for n in chain]
        letters = [words[k].text for k in members if words[k].text.isalpha()]
        if len(letters) < max(_LEAST, 2 * (len(members) - len(letters))) or len(set(letters)) < 2:
            continue
        if _in_rows(boxes, [where[k] for k in members]):
            continue
        for k in members[1:]:
            out[k] = None
        out[members[0]] = _join([words[k] for k in members])
    return [w for w in out if w is not None]


def _chains(box: g.Array) -> list[list[int]]:
    """Stacks among upright boxes ``[N, 4]``: indices from the top down."""
    wide, high = box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]
    size = np.maximum(np.maximum(wide, high), 1e-9)
    middle = (box[:, :2] + box[:, 2:]) / 2
    i, j = np.nonzero(middle[:, None, 1] < middle[None, :, 1])  # i above j
    low, large = np.minimum(size[i], size[j]), np.maximum(size[i], size[j])
    gap = (box[j, 1] - box[i, 3]) / low
    fits = (large <= _ALIKE * low) & (gap >= _GAP[0]) & (gap <= _GAP[1])
    fits &= np.abs(middle[i, 0] - middle[j, 0]) <= _ASIDE * large
    i, j, gap = i[fits], j[fits], gap[fits]
    below: dict[int, int] = {}
    above: dict[int, int] = {}
    for k in np.argsort(gap, kind="stable").tolist():
        a, b = int(i[k]), int(j[k])
        if a not in below and b not in above:
            below[a], above[b] = b, a
    chains = []
    for head in below:
        if head not in above:
            chain = [head]
            while chain[-1] in below:
                chain.append(below[chain[-1]])
            if len(chain) >= _LEAST:
                chains.append(chain)
    return chains


def _in_rows(boxes: g.Array, members: Sequence[int]) -> bool:
    """Whether some of the letters have words beside them: then they are part of rows, not of a stack."""
    rest: NDArray[np.intp] = np.setdiff1d(np.arange(len(boxes)), members)
    other = boxes[rest]
    count = 0
    for k in members:
        x0, y0, x1, y1 = boxes[k]
        size = max(x1 - x0, y1 - y0)
        shared = np.minimum(other[:, 3], y1) - np.maximum(other[:, 1], y0)
        low = np.minimum(other[:, 3] - other[:, 1], y1 - y0)
        apart = np.maximum(other[:, 0] - x1, x0 - other[:, 2])
        count += bool(((shared > 0.5 * low) & (apart < _BESIDE * size)).any())
    return count > _ROWS * len(members)


def _told_apart(letters: Sequence[TextWord]) -> list[TextWord]:
    """The letters, 0 and 1 among Latin ones as O and I: one by one, these cannot be told apart."""
    if any(not w.text.isascii() or w.text in "23456789" for w in letters):
        return list(letters)
    out = []
    for w in letters:
        text = w.text.translate({48: "O", 49: "I"})
        out.append(replace(w, text=text, characters=tuple(replace(c, text=text) for c in w.characters)))
    return out


def _join(stack: Sequence[TextWord]) -> TextWord:
    letters = _told_apart(stack)
    points = np.array([w.quad for w in letters], np.float64).reshape(-1, 2)
    (x0, y0), (x1, y1) = points.min(0).tolist(), points.max(0).tolist()
    quad: Quad = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    each = [max(w.confidence, 1e-9) for w in letters]
    return TextWord(
        text="".join(w.text for w in letters),
        confidence=float(np.exp(np.mean(np.log(each)))),
        characters=tuple(c for w in letters for c in w.characters or (TextCharacter(w.text, w.confidence),)),
        quad=quad,
        language=Counter(w.language for w in letters).most_common(1)[0][0],
    )
