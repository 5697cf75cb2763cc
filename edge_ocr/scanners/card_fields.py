"""Fields of a card, read again with what is known of their form.

A field that was not read surely is looked at again, cut out wider and closer, and every recognizer that was asked says
how likely it finds each text that may stand there: numbers under a pattern, names as two to five syllables, offices and
places from lists. The text that all looks together find likeliest is taken. A list or a habit never refuses a reading:
it says by how much a text must be likelier. What was read surely at first is not changed: characters in doubt are
settled. ``raw`` stays what was read at first, ``value`` is what it was settled to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge_ocr.constrain import Pattern, search, text_log_prob
from edge_ocr.scanners import card_values as v
from edge_ocr.scanners import korea
from edge_ocr.scanners.card_page import FieldText
from edge_ocr.scanners.card_read import Piece, Reader, Said
from edge_ocr.scanners.strings import distance
from edge_ocr.types import TextWord

__all__ = ["numbers", "refined"]

Image = NDArray[np.uint8]
_SURE = 0.98  # a field read as surely as this is not read again
_FAR = 6.0  # natural logarithms by which what a list or a pattern says may be less likely than what was read
_LEAST = -25.0  # a look says no less of a text
_FIRM = 0.9  # a character read as surely as this is not read otherwise
_MENDED = 2  # characters that a pattern may put right in what was read as no number of its kind
_WIDTH, _TOP = 8, 6  # of the beam, and candidates of each look
_PATTERNS = {
    "rrn": r"[0-9]{6}-[0-9]{7}", "alien_number": r"[0-9]{6}-[0-9]{7}",
    "licence_number": r"[0-9]{2}-[0-9]{2}-[0-9]{6}-[0-9]{2}",
    "passport_number": r"[A-Z][0-9]{8}|[A-Z][0-9]{3}[A-Z][0-9]{4}",
    "name": r"[가-힣]{2,5}", "name_ko": r"[가-힣]{2,5}", "serial": r"[0-9A-Z]{5,6}",
}  # fmt: skip
# Natural logarithms that a text loses, or wins, by what is known of such texts.
_CHECKED = 1.5  # numbers of the random kind pass one time in ten
_NO_SURNAME = 4.0  # one person in a thousand
_NOT_SINO = 1.5  # a given name's syllable that no character used in names is read as
_UNUSUAL = {2: 1.0, 3: 0.0, 4: 3.0, 5: 6.0}  # syllables of a name, but for surnames of two


def refined(reader: Reader, image: Image, kind: str, name: str, f: FieldText, pieces: Sequence[Piece]) -> FieldText:
    """The field ``name`` of a card of some ``kind``; ``pieces`` are the field's own, on ``image``."""
    if name == "address":
        return _placed(f, pieces)
    if len(pieces) != 1:
        return f
    piece = pieces[0]
    if name == "issuer":
        return _from_list(f, piece, korea.issuers(kind))
    if name == "status":
        return _from_list(f, piece, korea.STATUSES)
    if name == "nationality" and kind == "alien":
        return _from_list(f, piece, korea.COUNTRIES)
    if name in _PATTERNS and f.confidence < _SURE and _alone(name, f, piece):
        found = _likeliest(reader.looks(image, piece), name, piece.word)
        if found is not None:
            text, sure = found
            return replace(f, value=_value(name, text) or f.value, confidence=max(sure, 0.9 * f.confidence))
    return f


def numbers(piece: Piece, name: str) -> tuple[str, float] | None:
    """What a piece says if it is a number of this kind, and how sure that is; None where it cannot be one, or would
    have to be made up in part: of a number whose beginning lies outside the crop, the pattern finds one somewhere."""
    found = _likeliest(piece.said, name, piece.word)
    if found is None or distance(v.fold(found[0]), v.fold(piece.word.text)) > _MENDED:
        return None
    return found


def _alone(name: str, f: FieldText, piece: Piece) -> bool:
    """Whether a piece holds the field and nothing else that its pattern would have to explain."""
    own, text = v.fold(f.value), v.fold(piece.word.text)
    if name in ("name", "name_ko"):
        return own == text and v.hangul(piece.word.text.replace(" ", "")) == piece.word.text.replace(" ", "")
    return re.match("[가-힣]", f.value) is None and "*" not in f.value and len(text) <= len(own)


def _likeliest(said: Said, name: str, word: TextWord) -> tuple[str, float] | None:
    """The text of a kind that all looks together find likeliest, and how sure the surest of them is of it; of those
    that change nothing in ``word`` that was surely read."""
    seen = word.text
    candidates: set[str] = set()
    for _, lp in said:
        least = text_log_prob(lp, seen) if _writable(lp.charset, lp.factorised, seen) else -np.inf
        for text, score in search(lp, _pattern(name), width=_WIDTH)[:_TOP]:
            if score >= least - 3 * _FAR and _value(name, text) is not None and _keeps(word, text):
                candidates.add(text)
    best: tuple[float, str] | None = None
    for text in sorted(candidates):
        # One look that went wrong has no veto.
        each = [max(text_log_prob(lp, text), _LEAST) for _, lp in said if _writable(lp.charset, lp.factorised, text)]
        rating = float(np.mean(each)) - _odd(name, text)
        if best is None or rating > best[0]:
            best = (rating, text)
    if best is None:
        return None
    able = [(r, lp) for r, lp in said if _writable(lp.charset, lp.factorised, best[1])]
    return best[1], max(recognizer.word_of(lp, best[1]).confidence for recognizer, lp in able)


def _keeps(word: TextWord, text: str, *, listed: bool = False) -> bool:
    """Whether a text has all letters and digits of a word that were read surely, in their order; a digit may stand for
    a letter that looks like it, and in what is on a list a syllable for one that differs in a letter (츨 and 출)."""
    rest = iter(text)
    return all(
        any(v.alike(c.text, x) or (listed and v.strokes(c.text, x) <= 1 and v.hangul(x) != "") for x in rest)
        for c in word.characters
        if v.fold(c.text) and c.confidence >= _FIRM
    )


def _writable(charset: str, factorised: bool, text: str) -> bool:
    return all(c in charset or (factorised and "가" <= c <= "힣") for c in text)


@lru_cache(maxsize=8)
def _pattern(name: str) -> Pattern:
    return Pattern(_PATTERNS[name])


def _value(name: str, text: str) -> str | None:
    """The normal form of what was read under its pattern; None where it cannot be right."""
    if name in ("rrn", "alien_number"):
        number = v.registration_number(text)
        return number.value if number is not None and number.foreign == (name == "alien_number") else None
    normal: dict[str, Callable[[str], str | None]] = {
        "licence_number": v.licence_number, "passport_number": v.passport_number, "serial": v.serial,
    }  # fmt: skip
    return normal[name](text) if name in normal else text


def _odd(name: str, text: str) -> float:
    """By how many natural logarithms a text is less likely than others of its kind, whatever the picture shows."""
    if name in ("rrn", "alien_number"):
        number = v.registration_number(text)
        return 0.0 if number is not None and number.checked else _CHECKED
    if name not in ("name", "name_ko"):
        return 0.0
    double = text[:2] in korea.SURNAMES and len(text) > 2
    given = text[2:] if double else text[1:]
    lost = 0.0 if double or text[0] in korea.SURNAMES else _NO_SURNAME
    return lost + _UNUSUAL[len(text) - double] + _NOT_SINO * sum(not v.sino(c) for c in given)


def _from_list(f: FieldText, piece: Piece, allowed: Sequence[str]) -> FieldText:
    """The entry of a list that is nearest to what was read, if the network finds it nearly as likely."""
    own = v.fold(f.raw)
    near = [(v.fold(x), x) for x in allowed]
    ranked = sorted((v.distance(own, bare), bare, x) for bare, x in near if abs(len(own) - len(bare)) <= 3)
    ranked = [r for r in ranked if r[0] <= max(2, (len(own) + 1) // 2)][:6]
    if not ranked:
        return f
    if ranked[0][0] == 0:
        return replace(f, value=ranked[0][2])
    recognizer, lp = piece.said[0] if v.hangul(f.raw) else piece.said[-1]
    read = piece.word.text
    # What the line says before and after it has to be explained, too.
    at = max(read.find(f.raw.split(" ")[0]), 0)
    head, tail = read[:at], read[at + len(f.raw) :] if read[at:].startswith(f.raw) else ""
    base = text_log_prob(lp, read)
    best: tuple[float, str] | None = None
    for _, bare, entry in ranked:
        off = v.strokes(own, bare)
        for text in {entry, entry.replace(" ", "")}:
            if not _keeps(piece.word, head + text + tail, listed=True):
                continue
            score = text_log_prob(lp, head + text + tail)
            if score >= base - _FAR * off and (best is None or score - _FAR * off > best[0]):
                best = (score - _FAR * off, entry)
    if best is None:
        return f
    sure = recognizer.word_of(lp, head + best[1] + tail).confidence
    return replace(f, value=best[1], confidence=max(sure, 0.6 * f.confidence))


def _placed(f: FieldText, pieces: Sequence[Piece]) -> FieldText:
    """An address whose province and district are spelt as they are."""
    own = v.fold(f.value)
    ranked: list[tuple[int, int, str, int]] = []
    for place in korea.places():
        name = v.fold(place)
        if len(name) < 4 or not set(name[:3]) & set(own[:4]):
            continue
        for n in (len(name) - 1, len(name), len(name) + 1):
            off = v.distance(own[:n], name)
            if off <= len(name) // 2:
                ranked.append((off - len(name), off, place, n))
    # A longer place that is as near explains more of what was read.
    ranked.sort()
    if not ranked or not pieces:
        return f
    _, lp = pieces[0].said[0]
    read = pieces[0].word.text
    base: float | None = None
    for _, off, place, end in ranked[:4]:
        # Where the place ends in the text as it is spelt.
        rest = f.value[_end_of(f.value, end) :]
        value = place + ("" if rest[:1] in (" ", ",", "") else " ") + rest
        if off == 0:
            return replace(f, value=value)
        spelt = place + read[_end_of(read, end) :]
        if not v.fold(read).startswith(own[:end]) or not _keeps(pieces[0].word, spelt, listed=True):
            continue
        if base is None:
            base = text_log_prob(lp, read)
        least = base - _FAR * v.strokes(own[:end], v.fold(place))
        if text_log_prob(lp, spelt) >= least:
            return replace(f, value=value, confidence=0.8 * f.confidence)
    return f


def _end_of(text: str, count: int) -> int:
    """Where in a text its first ``count`` letters and digits end."""
    for k, c in enumerate(text):
        count -= len(v.fold(c))
        if count <= 0:
            return k + 1
    return len(text)
