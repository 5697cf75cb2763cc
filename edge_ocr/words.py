"""A list of words, which settles doubts of one letter: "Anount" becomes "Amount" where the network nearly read that.

What is read is left as it is where the list has it, and where none of the list's words is one letter away (or one pair
that print makes look alike, such as rn and m). Else the network decides: over the columns that the word takes up, the
likeliest of these words may be less likely than what was read by so much and no more. So a name that was clearly read
stays, however much it looks like a word.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edge_ocr.constrain import text_log_prob
from edge_ocr.ctc import LogProbs
from edge_ocr.errors import ModelError
from edge_ocr.models import RecognizerModel

__all__ = ["WordList", "candidates", "mended", "pack", "unpack", "word_list"]

_MOST_BYTES = 4 << 20  # of an unpacked list
_LONGEST = 20  # characters of a token that is looked up
_MOST_SCORED = 48  # readings that the network is asked about for one crop
_ABC = "abcdefghijklmnopqrstuvwxyz"
_ALIKE = (
    ("rn", "m"), ("m", "rn"), ("nn", "m"), ("m", "nn"), ("in", "m"), ("m", "in"), ("ni", "m"), ("m", "ni"),
    ("vv", "w"), ("w", "vv"), ("cl", "d"), ("d", "cl"), ("li", "h"), ("ii", "u"),
)  # fmt: skip
_TOKEN = re.compile(r"[A-Za-z0-9\]\[|!$&@]+")

Aligner = Callable[[LogProbs, str], "tuple[tuple[int, int], ...]"]


def pack(words: set[str]) -> bytes:
    """A list of words of small Latin letters as the file that model.json names: one a line, sorted, without plurals in
    -s whose singular is there, deflated."""
    kept = sorted(w for w in words if not (_plural(w) and w[:-1] in words))
    return zlib.compress("\n".join(kept).encode("ascii"), 9)


def unpack(content: bytes) -> frozenset[str]:
    """The words of such a file. Raises ModelError where it is none."""
    try:
        engine = zlib.decompressobj()
        text = engine.decompress(content, _MOST_BYTES)
        if engine.unconsumed_tail or not engine.eof:
            raise ModelError("the list of words is cut off, or unpacks to more than 4 MiB: export the model again")
        words = frozenset(text.decode("ascii").split("\n"))
    except (zlib.error, UnicodeDecodeError) as error:
        raise ModelError(f"the list of words cannot be unpacked ({error}): export the model again") from error
    return words


@dataclass(frozen=True, eq=False)
class WordList:
    """``words`` of small letters, singular where -s makes the plural. Letters that a token must have at ``least`` to be
    looked up, and ``odds``: natural logarithms by which a word of the list may be less likely than what was read."""

    words: frozenset[str]
    least: int
    odds: float

    def __contains__(self, token: str) -> bool:
        return token in self.words or (_plural(token) and token[:-1] in self.words)


def word_list(model: RecognizerModel) -> WordList | None:
    """A recognizer's list of words, if it has one. Raises IntegrityError, ModelError for one that is not whole."""
    how = model.manifest.decode.words
    return None if how is None else WordList(unpack(model.read("words")), how.least, how.odds)


def mended(lp: LogProbs, text: str, words: WordList, columns: Aligner) -> str:
    """``text``, read from ``lp``, with the words of the list that the network nearly read. ``columns(lp, text)`` gives
    the first and the last column of each character."""
    found = [(m.start(), m.group(), options) for m in _TOKEN.finditer(text) if (options := candidates(m[0], words))]
    if not found:
        return text
    places, read, shift, left = columns(lp, text), text, 0, _MOST_SCORED
    for start, token, options in found:
        end = start + len(token)
        first = places[start - 1][1] + 1 if start else 0
        last = places[end][0] if end < len(read) else len(lp.symbols)
        part = _columns(lp, first, last)
        left -= len(options)
        if left < 0:
            break
        own = text_log_prob(part, token)
        score, best = max((text_log_prob(part, option), option) for option in options)
        if score > own - words.odds:
            text = text[: start + shift] + best + text[end + shift :]
            shift += len(best) - len(token)
    return text


def candidates(token: str, words: WordList) -> list[str]:
    """What ``token`` may have been, in its own case: words of the list one letter away; none where it is one itself,
    or is no word at all. A sign or a digit among letters is taken for a letter."""
    small = token.lower()
    signs = [i for i, c in enumerate(small) if c not in _ABC]
    if not words.least <= len(token) <= _LONGEST or len(signs) > 1 or small in words:
        return []
    return sorted({_like(token, a, b, new) for a, b, new in _edits(small, signs, words)})


def _edits(small: str, signs: list[int], words: WordList) -> Iterator[tuple[int, int, str]]:
    """(a, b, new): with ``new`` in place of ``small[a:b]`` it is a word."""
    for i in signs or range(len(small)):
        yield from ((i, i + 1, c) for c in _ABC if c != small[i] and small[:i] + c + small[i + 1 :] in words)
    if signs:
        return
    for i in range(len(small) + 1):
        yield from ((i, i, c) for c in _ABC if small[:i] + c + small[i:] in words)
    for i in range(len(small)):
        if len(small) > words.least and small[:i] + small[i + 1 :] in words:
            yield i, i + 1, ""
    for old, new in _ALIKE:
        at = small.find(old)
        while at >= 0:
            if small[:at] + new + small[at + len(old) :] in words:
                yield at, at + len(old), new
            at = small.find(old, at + 1)


def _like(token: str, a: int, b: int, new: str) -> str:
    """``new`` in place of ``token[a:b]``, in capitals where the rest is."""
    rest = token[:a] + token[b:]
    capitals = sum(c.isupper() for c in rest)
    if capitals > 1 and capitals > sum(c.islower() for c in rest):
        new = new.upper()
    elif a == 0 and token[0].isupper():
        new = new[:1].upper() + new[1:]
    return token[:a] + new + token[b:]


def _plural(word: str) -> bool:
    return word.endswith("s") and not word.endswith("ss")


def _columns(lp: LogProbs, first: int, last: int) -> LogProbs:
    def cut(key: str) -> object:
        value = getattr(lp, key)
        return None if value is None else value[first:last]

    return LogProbs(cut("symbols"), lp.charset, cut("initial"), cut("medial"), cut("final"))  # type: ignore[arg-type]
