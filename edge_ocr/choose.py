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
# Beside a reading as sure as this, none of the reader of Hangul can count in a foreign picture.
_COUNTS = 1 - _AGAINST_HANGUL
# Numbers of which the reader of Hangul is so sure, without a gap, stay. (Words with Latin letters do not: 14 of 480
# English ones it reads wrong, as sure as that.)
_SETTLED = 0.98
# Pictures of many words are judged by about so many of them, spread over all.
_SAMPLE = 16


def choose(
    recognizers: Sequence[Recognizer], hangul: Sequence[bool], crops: Sequence[Sequence[Image]]
) -> list[TextWord]:
    """Reads crops, given once for each recognizer (they differ in margin at most), and chooses among the readings.
    ``hangul``: whether each recognizer knows Hangul. The first that does leads, else the first of all; what it reads
    without any Hangul goes to the others too, unless it is settled, and so does everything where the picture is in
    another language. There, as a sample of the words tells, the leader is asked for no more than can count."""
    korean = True in hangul
    lead = list(hangul).index(True) if korean else 0
    if len(recognizers) == 1:
        return recognizers[lead].recognize(crops[lead])
    others = [k for k in range(len(recognizers)) if k != lead]
    count = len(crops[lead])
    few = korean and count >= 2 * _SAMPLE
    # A fixed shuffle: callers' orders have rhythms, such as label, value, label, value.
    sample = np.random.default_rng(count).permutation(count)[:_SAMPLE].tolist() if few else list(range(count))
    words = [TextWord("", 0.0)] * count
    _read(recognizers[lead], crops[lead], sample, words)
    read: dict[int, list[TextWord]] = {}
    rest = sorted(set(range(count)) - set(sample))
    if rest and _is_plainly_foreign([words[i] for i in sample], [recognizers[k] for k in others]):
        read = {k: recognizers[k].recognize(crops[k]) for k in others}
        doubtful = [i for i in rest if not any(r[i].text and r[i].confidence > _COUNTS for r in read.values())]
        _read(recognizers[lead], crops[lead], doubtful, words)
        known = [words[i] for i in (*sample, *doubtful)]
        rest = [] if _is_foreign(known) else sorted(set(rest) - set(doubtful))
    _read(recognizers[lead], crops[lead], rest, words)
    first, foreign = list(words), _is_foreign(words)
    open_ = [i for i, w in enumerate(words) if foreign or not (_has_hangul(w.text) or (korean and _is_settled(w)))]
    for k in others if open_ else ():
        recognizer = recognizers[k]
        writable = frozenset(recognizer.manifest.charset) | {" "}
        theirs = [read[k][i] for i in open_] if k in read else recognizer.recognize([crops[k][i] for i in open_])
        for i, word in zip(open_, theirs, strict=True):
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


def _read(recognizer: Recognizer, crops: Sequence[Image], some: Sequence[int], words: list[TextWord]) -> None:
    """Reads ``some`` of the crops into ``words``."""
    for i, word in zip(some, recognizer.recognize([crops[i] for i in some]) if some else (), strict=True):
        words[i] = word


def _is_settled(word: TextWord) -> bool:
    """Whether a reader of Hangul needs no second opinion: on numbers, of which it is sure. (Where it saw a gap, as in
    "3, 700", others know better.)"""
    return word.confidence >= _SETTLED and " " not in word.text and not any(map(str.isalpha, word.text))


def _is_plainly_foreign(sample: Sequence[TextWord], others: Sequence[Recognizer]) -> bool:
    """Whether no word of a sample is Hangul, nor of another sign that only the reader of Hangul can write."""
    writable = frozenset().union(*(r.manifest.charset for r in others)) | {" "}
    return _is_foreign(sample) and all(writable.issuperset(w.text) for w in sample if w.confidence >= _CANNOT)


def _is_foreign(words: Sequence[TextWord]) -> bool:
    """Whether a picture's words are hardly ever Hangul where the reader of Hangul is sure of them. Words without any
    letter are of no language."""
    sure = [_has_hangul(w.text) for w in words if w.confidence >= _SURE and any(map(str.isalpha, w.text))]
    return len(sure) >= _FEW and sum(sure) < 0.1 * len(sure)


def _has_hangul(text: str) -> bool:
    return any("가" <= c <= "힣" or "ㄱ" <= c <= "ㆎ" for c in text)
