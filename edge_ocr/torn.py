"""Numbers, addresses of mail and of the web that were found in pieces, to be read whole.

They are written without spaces, and their dots, commas and dashes leave gaps as wide as those between words. Where a
detector tears them there, the letter at the seam is lost, or is in the crops of both pieces and read twice. What ends
and begins like the two pieces of one is looked at as a whole; that counts where it reads as one word, about as surely.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_ocr import geometry as g
from edge_ocr.east import components
from edge_ocr.types import Quad, TextWord

__all__ = ["healed", "pieces", "whole_quad"]

_DIGIT_ENDS, _DIGIT_BEGINS = re.compile(r"[0-9][.,:/-]?$"), re.compile(r"[.,:/-]?[0-9]")
_WEB = re.compile(r"[0-9A-Za-z._-]@|@[A-Za-z]|www|https?:|\.co\b|\.com|\.net|\.org|\.kr", re.IGNORECASE)
# Gaps, in heights, up to which two are pieces of a number, or of an address; they may overlap, too.
_BARE, _NUMBER, _ADDRESS, _OVERLAP = 0.2, 0.45, 0.9, -1.0  # the first where no mark stands at the seam
_ALIKE = 1.4, 2.0  # heights of pieces differ by no more than this factor, of letters without ascenders by the second,
_ASIDE = 0.35  # their middles by so many heights across the line,
_TILT = 0.15  # radians: and their angles
_LESS = 0.1  # the whole may be less sure than the least sure piece by so much,
_MORE = 0.02  # but must be surer by this where it lacks letters that the seams need not have doubled
_LONGEST = 60  # characters: more are a line of many numbers
_MOST = 64  # groups of pieces in a picture


def pieces(words: Sequence[TextWord]) -> list[list[int]]:
    """The places of words that may be pieces of one, in groups of two or more from the left to the right."""
    some = [k for k, w in enumerate(words) if w.quad is not None and w.text]
    if len(some) < 2:
        return []
    quads = np.array([words[k].quad for k in some], np.float64)
    angle, wide, high = g.reading_angles(quads), g.widths(quads), g.heights(quads)
    middle = quads.mean(1)
    reach = _ADDRESS * np.maximum(high, 1.0)[:, None] * np.array([-1, -1, 1, 1])
    i, j = g.meeting_pairs(g.bounding_boxes(quads) + reach)
    i, j = np.concatenate([i, j]), np.concatenate([j, i])  # i before j, whichever it is
    dx, dy = (middle[j] - middle[i]).T
    c, s = np.cos(angle[i]), np.sin(angle[i])
    along, across = dx * c + dy * s, np.abs(dy * c - dx * s)
    low, large = np.minimum(high[i], high[j]), np.maximum(high[i], high[j])
    gap = (along - (wide[i] + wide[j]) / 2) / np.maximum(large, 1e-9)
    fits = (along > 0) & (large <= _ALIKE[1] * low) & (across <= _ASIDE * large) & (gap >= _OVERLAP)
    fits &= np.abs(g.wrap_angle(angle[j] - angle[i])) <= _TILT
    first, second = [], []
    unlike = large > _ALIKE[0] * low
    found = zip(i[fits].tolist(), j[fits].tolist(), gap[fits].tolist(), unlike[fits].tolist(), strict=True)
    for a, b, between, differ in found:
        if between <= _limit(words[some[a]].text, words[some[b]].text, differ):
            first.append(a)
            second.append(b)
    group = components(len(some), np.array(first, np.intp), np.array(second, np.intp))
    out = []
    for k in sorted(set(group[first].tolist())) if first else ():
        members = np.flatnonzero(group == k)
        c0, s0 = np.cos(angle[members[0]]), np.sin(angle[members[0]])
        order = members[np.argsort(middle[members] @ np.array([c0, s0]), kind="stable")]
        if sum(len(words[some[n]].text) for n in order) <= _LONGEST:
            out.append([some[int(n)] for n in order])
    return out[:_MOST]


def _limit(before: str, after: str, unlike: bool) -> float:
    """The gap, in heights, up to which two texts, of ``unlike`` heights or not, may be pieces of one; below all of them
    for two that cannot be."""
    limit = -np.inf
    if not unlike and _DIGIT_ENDS.search(before) and _DIGIT_BEGINS.match(after):
        limit = _BARE if before[-1].isdigit() and after[0].isdigit() else _NUMBER
    if before.isascii() and after.isascii() and (_WEB.search(before) or _WEB.search(after)):
        limit = _ADDRESS
    return float(limit)


def whole_quad(words: Sequence[TextWord], group: Sequence[int]) -> Quad:
    """The quad around all pieces of a group, along the widest."""
    quads: NDArray[np.float64] = np.array([words[k].quad for k in group], np.float64)
    widest = int(np.argmax(g.widths(quads)))
    a, b, c, d = g.bounding_rectangle(quads, float(g.reading_angles(quads)[widest])).tolist()
    return ((a[0], a[1]), (b[0], b[1]), (c[0], c[1]), (d[0], d[1]))


def _letters(text: str) -> str:
    return re.sub(r"\W", "", text)


def healed(words: Sequence[TextWord], groups: Sequence[Sequence[int]], wholes: Sequence[TextWord]) -> list[TextWord]:
    """The words, with what the groups read as ``wholes`` in the places of their first pieces where that is to be
    believed: one word, all of their length but what the seams doubled, and about as sure."""
    out: list[TextWord | None] = list(words)
    for group, whole in zip(groups, wholes, strict=True):
        texts = [words[k].text for k in group]
        whole_letters, letters = len(_letters(whole.text)), [_letters(t) for t in texts]
        lost = sum(map(len, letters)) - whole_letters
        twice = sum(x[-1:] == y[:1] != "" for x, y in itertools.pairwise(letters))
        least = min(words[k].confidence for k in group) - _LESS
        if lost > twice:  # only in an address, whose seams may hide more, and if it is surer
            least = min(words[k].confidence for k in group) + (_MORE if any(map(_WEB.search, texts)) else 1.0)
        if " " in whole.text or lost > len(texts) - 1 or whole.confidence < least:
            continue
        for k in group[1:]:
            out[k] = None
        out[group[0]] = whole
    return [w for w in out if w is not None]
