"""Which of several recognizers' readings of a word counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_ocr.recognize import Recognizer
from edge_ocr.types import TextWord

__all__ = ["choose"]

Image = NDArray[np.uint8]

_SURE, _FEW = 0.8, 5  # a picture's language is told from so many words, read as surely as this
# Its own recognizer may then be less sure by so much, against Latin and against Hangul; by the last in other pictures,
# where the reader of Hangul found none. Set on drawn lines in reserved typefaces. (To prefer the longer reading of two
# where the shorter one lacks letters of it gains nothing there.)
_FOREIGN_LEAD, _AGAINST_HANGUL, _LATIN_LEAD = 0.2, 0.1, 0.1
# What it cannot write at all, such as ₩ and ℃, it reads as something else: then it has to be surer by so much.
_CANNOT = 0.2


def choose(
    recognizers: Sequence[Recognizer], hangul: Sequence[bool], crops: Sequence[Sequence[Image]]
) -> list[TextWord]:
    """Reads crops, given once for each recognizer (they differ in margin at most), and chooses among the readings.
    ``hangul``: whether each recognizer knows Hangul. The first that does leads, else the first of all; what it reads
    without any Hangul goes to the others too, and so does everything where the picture is in another language."""
    korean = True in hangul
    lead = list(hangul).index(True) if korean else 0
    words = recognizers[lead].recognize(crops[lead])
    if len(recognizers) == 1:
        return words
    first, foreign = list(words), _is_foreign(words)
    open_ = [i for i, word in enumerate(words) if foreign or not _has_hangul(word.text)]
    for k, recognizer in enumerate(recognizers):
        if k == lead or not open_:
            continue
        writable = frozenset(recognizer.manifest.charset) | {" "}
        for i, word in zip(open_, recognizer.recognize([crops[k][i] for i in open_]), strict=True):
            less = 0.0
            if korean and words[i] is first[i]:
                latin = not _has_hangul(first[i].text)
                less = (_FOREIGN_LEAD if latin else _AGAINST_HANGUL) if foreign else _LATIN_LEAD
                if latin and not writable.issuperset(first[i].text):
                    less = -_CANNOT
            better = word.confidence > words[i].confidence - less
            equal = word.confidence == words[i].confidence and k < lead
            if word.text and (better or equal or not words[i].text):
                words[i] = word
    return words


def _is_foreign(words: Sequence[TextWord]) -> bool:
    """Whether a picture's words are hardly ever Hangul where the reader of Hangul is sure of them. Words without any
    letter are of no language."""
    sure = [_has_hangul(w.text) for w in words if w.confidence >= _SURE and any(map(str.isalpha, w.text))]
    return len(sure) >= _FEW and sum(sure) < 0.1 * len(sure)


def _has_hangul(text: str) -> bool:
    return any("가" <= c <= "힣" or "ㄱ" <= c <= "ㆎ" for c in text)
