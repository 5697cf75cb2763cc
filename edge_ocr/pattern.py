"""What may be read, as a regular expression or a list of words: a Glushkov automaton.

Every state of the automaton (Glushkov 1961) stands for one place in the pattern and is entered by the characters of
that place alone. Patterns come from callers' users too, so everything about them is bounded: length, depth, places and
transitions. What is over a bound is an InputError that says so; nothing is cut short silently.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from edge_ocr.errors import InputError

__all__ = ["HANGUL", "MAX_FOLLOW", "Pattern", "Ranges", "check_writable", "holds", "syllables"]

Ints = NDArray[np.int64]
Ranges = tuple[tuple[int, int], ...]  # code points, both ends included; sorted and disjoint

MAX_LENGTH = 20_000  # characters of a pattern
MAX_DEPTH = 60  # groups inside one another
MAX_PLACES = 20_000  # places after repetitions are written out
MAX_FOLLOW = 400_000  # pairs of places that may stand one after the other
_SHOWN = 5  # ranges of characters that a message names
_LAST = 0x10FFFF
HANGUL = (0xAC00, 0xD7A3)


# -- classes of characters -----------------------------------------------------------------------------------------


def _ranges(pairs: Iterable[tuple[int, int]]) -> Ranges:
    out: list[tuple[int, int]] = []
    for a, b in sorted(pairs):
        if out and a <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], b))
        else:
            out.append((a, b))
    return tuple(out)


def _complement(ranges: Ranges) -> Ranges:
    out, at = [], 0
    for a, b in ranges:
        if a > at:
            out.append((at, a - 1))
        at = b + 1
    if at <= _LAST:
        out.append((at, _LAST))
    return tuple(out)


def holds(ranges: Ranges, code: int) -> bool:
    k = bisect.bisect_right(ranges, (code, _LAST)) - 1
    return k >= 0 and ranges[k][0] <= code <= ranges[k][1]


def _meets(ranges: Ranges, codes: list[int], hangul: bool) -> bool:
    """Whether a class holds any of the sorted code points, or a Hangul syllable where these count."""
    if hangul and any(a <= HANGUL[1] and b >= HANGUL[0] for a, b in ranges):
        return True
    places = ((bisect.bisect_left(codes, a), b) for a, b in ranges)
    return any(k < len(codes) and codes[k] <= b for k, b in places)


def syllables(ranges: Ranges) -> Ints:
    """The code points of the Hangul syllables in a class, relative to the first one."""
    parts = [
        np.arange(max(a, HANGUL[0]), min(b, HANGUL[1]) + 1) - HANGUL[0]
        for a, b in ranges
        if a <= HANGUL[1] and b >= HANGUL[0]
    ]
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)


_DIGITS: Ranges = ((48, 57),)
_WORD: Ranges = _ranges([(48, 57), (65, 90), (95, 95), (97, 122), HANGUL])
_SPACE: Ranges = _ranges([(9, 13), (32, 32)])
_ESCAPES = {
    "d": _DIGITS, "D": _complement(_DIGITS), "w": _WORD, "W": _complement(_WORD), "s": _SPACE, "S": _complement(_SPACE),
}  # fmt: skip
_NAMED = {
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
}  # fmt: skip
_CONTROLS = {"t": 9, "n": 10, "r": 13, "f": 12, "v": 11}


# -- the pattern ---------------------------------------------------------------------------------------------------


def check_writable(pattern: Pattern, charsets: Sequence[tuple[str, bool]]) -> None:
    """Raises InputError, naming the characters that are missing, where with none of these charsets (their characters,
    and whether all Hangul syllables are among them) a text can be written that the pattern allows."""
    if not charsets:
        return
    found = [pattern.hindered_by(charset, hangul=hangul) for charset, hangul in charsets]
    if any(missing is None for missing in found):
        return
    # what no charset holds says more than what one of them lacks
    both = pattern.hindered_by("".join(c for c, _ in charsets), hangul=any(h for _, h in charsets))
    missing = both or found[0]
    if not missing:
        raise InputError(f"pattern {pattern.expression[:80]!r}: allows no text at all")
    shown = ", ".join(repr(chr(a)) if a == b else f"{chr(a)!r} to {chr(b)!r}" for a, b in missing[:_SHOWN])
    more = " and others" if len(missing) > _SHOWN else ""
    raise InputError(f"pattern {pattern.expression[:80]!r}: no model that was chosen can write {shown}{more}")


@dataclass
class _Part:
    """A piece of the pattern: whether it may be empty, the places it may begin and end with."""

    empty: bool
    first: list[int]
    last: list[int]


class Pattern:
    """What may be read, as a regular expression that the whole text has to match.

    Understood are characters, ``.``, classes such as ``[가-힣0-9]`` and ``[^0-9]``, ``\\d \\w \\s`` and their opposites
    (``\\w``: ASCII letters, digits, underscore and Hangul syllables), groups, ``|``, and the repetitions ``? * + {2}
    {2,} {2,4}``; ``^`` and ``$`` may stand at the ends and say nothing. Look-around, back references and flags are not.

    ``Pattern.words`` makes one of a list of words. Raises InputError for what is not understood, saying where, and for
    what is too large.
    """

    def __init__(self, expression: str) -> None:
        if not isinstance(expression, str):
            raise InputError(f"pattern: expected a regular expression, found {type(expression).__name__}")
        if len(expression) > MAX_LENGTH:
            raise InputError(f"pattern: {len(expression)} characters; at most {MAX_LENGTH} are read")
        self.expression = expression
        self._classes: list[Ranges] = []
        self._follow: list[set[int]] = []
        self._pairs = 0
        part = _Parser(expression, self).parse()
        self._finish(part)

    @classmethod
    def words(cls, words: Iterable[str]) -> Pattern:
        """A pattern that allows exactly these words."""
        if isinstance(words, str):
            raise InputError("words: expected a list of words, found one string")
        own = cls("")
        own.expression = "words"
        children: list[dict[str, int]] = [{}]  # of the root, then of each place
        part = _Part(False, [], [])
        last: set[int] = set()
        for word in words:
            if not isinstance(word, str):
                raise InputError(f"words: expected strings, found {type(word).__name__}")
            at = -1
            for c in word:
                step = children[at + 1].get(c)
                if step is None:
                    step = own._place(((ord(c), ord(c)),))
                    children.append({})
                    children[at + 1][c] = step
                    if at >= 0:
                        own._link([at], [step])
                at = step
            if at < 0:
                part.empty = True
            else:
                last.add(at)
        part.first, part.last = list(children[0].values()), sorted(last)
        own._finish(part)
        return own

    def __repr__(self) -> str:
        return f"Pattern({self.expression!r})"

    def matches(self, text: str) -> bool:
        """Whether the pattern allows the whole of ``text``."""
        places = self.first
        if not text:
            return self.empty
        for i, c in enumerate(text):
            if i:
                places = np.array(sorted({q for p in places for q in self.follow[p]}), np.int64)
            places = np.array([p for p in places if holds(self.classes[p], ord(c))], np.int64)
        return any(self.final[p] for p in places)

    def hindered_by(self, charset: str, *, hangul: bool = False) -> Ranges | None:
        """What of the pattern these characters cannot write, ``hangul``: and all Hangul syllables, if they can write no
        text that it allows; None if they can write one."""
        codes = sorted({ord(c) for c in charset})
        can = [_meets(ranges, codes, hangul) for ranges in self.distinct]
        if self.empty:
            return None
        kinds = self.kind.tolist()
        seen, wave = set(self.first.tolist()), self.first.tolist()
        missing: list[tuple[int, int]] = []
        while wave:
            p = wave.pop()
            if not can[kinds[p]]:
                missing.extend(self.classes[p])
                continue
            if self.final[p]:
                return None
            new = [q for q in self.follow[p] if q not in seen]
            seen.update(new)
            wave.extend(new)
        return _ranges(missing)

    # -- building --------------------------------------------------------------------------------------------------

    def _place(self, ranges: Ranges) -> int:
        if len(self._classes) >= MAX_PLACES:
            raise InputError(
                f"pattern: more than {MAX_PLACES} places once its repetitions are written out; "
                f"shorten {self.expression[:60]!r}"
            )
        self._classes.append(ranges)
        self._follow.append(set())
        return len(self._classes) - 1

    def _link(self, before: list[int], after: list[int]) -> None:
        if len(before) * len(after) > MAX_FOLLOW:
            self._too_dense()
        for p in before:
            own = self._follow[p]
            size = len(own)
            own.update(after)
            self._pairs += len(own) - size
        if self._pairs > MAX_FOLLOW:
            self._too_dense()

    def _too_dense(self) -> NoReturn:
        raise InputError(
            f"pattern: more than {MAX_FOLLOW} ways from one of its places to the next; "
            f"{self.expression[:60]!r} repeats too much that may be left out"
        )

    def _finish(self, part: _Part) -> None:
        n = len(self._classes)
        self.classes: list[Ranges] = self._classes
        self.follow: list[list[int]] = [sorted(x) for x in self._follow]
        self.empty = part.empty
        self.first: Ints = np.array(sorted(set(part.first)), np.int64)
        self.final: NDArray[np.bool_] = np.zeros(n, bool)
        self.final[part.last] = True
        # How many characters must still come after a place, at the least.
        need = np.where(self.final, 0, n + 1)
        before: list[list[int]] = [[] for _ in range(n)]
        for p, after in enumerate(self.follow):
            for q in after:
                before[q].append(p)
        wave = [int(p) for p in np.flatnonzero(self.final)]
        while wave:
            reached = {p for q in wave for p in before[q] if need[p] > need[q] + 1}
            step = int(need[wave[0]]) + 1
            need[list(reached)] = step
            wave = list(reached)
        self.need: Ints = need.astype(np.int64)
        self.distinct: dict[Ranges, int] = {}
        self.kind: Ints = np.array([self.distinct.setdefault(c, len(self.distinct)) for c in self.classes], np.int64)
        sources = [np.full(len(a), p, np.int64) for p, a in enumerate(self.follow)]
        self.ways_from: Ints = np.concatenate(sources) if sources else np.zeros(0, np.int64)
        self.ways_to: Ints = np.array([q for a in self.follow for q in a], np.int64)


class _Parser:
    """Recursive descent; builds the automaton of ``owner`` as it goes. A repetition reads its part of the
    expression again for every copy, so that each has places of its own."""

    def __init__(self, text: str, owner: Pattern) -> None:
        self.text, self.owner, self.at, self.depth = text, owner, 0, 0
        self.steps = 0

    def parse(self) -> _Part:
        part = self._either()
        if self.at < len(self.text):
            self._fail(f"{self.text[self.at]!r} closes nothing")
        return part

    def _fail(self, why: str) -> NoReturn:
        raise InputError(f"pattern {self.text[:80]!r}: at character {self.at + 1}: {why}")

    def _peek(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    def _either(self) -> _Part:
        part = self._sequence()
        while self._peek() == "|":
            self.at += 1
            other = self._sequence()
            part = _Part(part.empty or other.empty, part.first + other.first, part.last + other.last)
        return part

    def _sequence(self) -> _Part:
        part = _Part(True, [], [])
        while self._peek() not in ("", "|", ")"):
            part = self._then(part, self._repeated())
        return part

    def _then(self, a: _Part, b: _Part) -> _Part:
        self.owner._link(a.last, b.first)
        return _Part(
            a.empty and b.empty, a.first + b.first if a.empty else a.first, a.last + b.last if b.empty else b.last
        )

    def _repeated(self) -> _Part:
        start = self.at
        part = self._atom()
        after = self.at
        least, most = self._times()
        if (least, most) == (1, 1):
            return part
        end = self.at
        if self._peek() in ("*", "+", "?") or (self._peek() == "{" and self._count_ahead()):
            self._fail("a repetition of a repetition; put a group around the first")
        if most == 0:
            # The places read are unreachable, and harmless.
            return _Part(True, [], [])
        parts = [part]
        for _ in range((most or max(least, 1)) - 1):
            self.at = start
            parts.append(self._atom())
            if self.at != after:
                raise AssertionError("a copy was read differently")
        self.at = end
        if most is None:  # the last copy may come again
            self.owner._link(parts[-1].last, parts[-1].first)
        whole = _Part(True, [], [])
        # From the back, so that every copy beyond the least may be the last.
        for k, one in enumerate(parts):
            optional = k >= least
            piece = _Part(one.empty or optional, one.first, one.last)
            whole = self._then(whole, piece)
        return whole

    def _count_ahead(self) -> bool:
        end = self.text.find("}", self.at)
        inside = self.text[self.at + 1 : end] if end > 0 else ""
        return bool(inside) and all(p.isdecimal() or not p for p in inside.split(",")) and inside != ","

    def _times(self) -> tuple[int, int | None]:
        c = self._peek()
        if c == "?":
            self.at += 1
            return 0, 1
        if c == "*":
            self.at += 1
            return 0, None
        if c == "+":
            self.at += 1
            return 1, None
        if c != "{":
            return 1, 1
        if not self._count_ahead():
            self._fail("'{' begins no repetition such as {2} or {2,4}; for the character itself write \\{")
        end = self.text.index("}", self.at)
        low, comma, high = self.text[self.at + 1 : end].partition(",")
        if len(low) > 6 or len(high) > 6:
            self._fail("a repetition of more than six figures")
        least = int(low or 0)
        most = int(high) if high else None if comma else least
        if most is not None and most < least:
            self._fail(f"a repetition from {least} to {most}")
        if least > MAX_PLACES or (most or 0) > MAX_PLACES:
            self._fail(f"a repetition of more than {MAX_PLACES} times")
        self.at = end + 1
        return least, most

    def _atom(self) -> _Part:
        self.steps += 1
        if self.steps > 4 * MAX_PLACES:
            self._fail("repetitions inside repetitions grow too large")
        c = self._peek()
        if c == "(":
            return self._group()
        if c in ("*", "+", "?", "{"):
            self._fail(f"{c!r} has nothing to repeat")
        if (c == "^" and self.at == 0) or (c == "$" and self.at == len(self.text) - 1):
            self.at += 1
            return _Part(True, [], [])
        if c in ("^", "$"):
            self._fail(f"{c!r} is an end of the text, at an end of the pattern only; for the character write \\{c}")
        if c == "[":
            ranges = self._class()
        elif c == "\\":
            ranges = self._escape()
        else:
            self.at += 1
            ranges = ((0, _LAST),) if c == "." else ((ord(c), ord(c)),)
        place = self.owner._place(ranges)
        return _Part(False, [place], [place])

    def _group(self) -> _Part:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self._fail(f"groups more than {MAX_DEPTH} deep")
        opened = self.at
        self.at += 1
        if self._peek() == "?":
            if self.text[self.at : self.at + 2] != "?:":
                self._fail("of the groups that begin with (? only (?: is understood: no look-around, names or flags")
            self.at += 2
        part = self._either()
        if self._peek() != ")":
            self.at = opened
            self._fail("'(' is not closed")
        self.at += 1
        self.depth -= 1
        return part

    def _escape(self) -> Ranges:
        self.at += 1
        c = self._peek()
        if c == "":
            self._fail("'\\' at the end")
        self.at += 1
        if c in _ESCAPES:
            return _ESCAPES[c]
        if c in _CONTROLS:
            return ((_CONTROLS[c], _CONTROLS[c]),)
        if c.isascii() and c.isalnum():
            self.at -= 1
            self._fail(f"'\\{c}' is not understood; of the escapes only \\d \\D \\w \\W \\s \\S \\t \\n and signs are")
        return ((ord(c), ord(c)),)

    def _class(self) -> Ranges:
        opened = self.at
        self.at += 1
        negated = self._peek() == "^"
        self.at += negated
        pairs: list[tuple[int, int]] = []
        begun = False
        while True:
            c = self._peek()
            if c == "":
                self.at = opened
                self._fail("'[' is not closed")
            if c == "]" and begun:
                self.at += 1
                break
            self._no_name(self.at if begun or c == "[" else opened)
            begun = True
            one = self._escape() if c == "\\" else self._single()
            if self._peek() == "-" and self.text[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                other = self._escape() if self._peek() == "\\" else self._single()
                if len(one) != 1 or one[0][0] != one[0][1] or len(other) != 1 or other[0][0] != other[0][1]:
                    self._fail("a range of classes")
                if other[0][0] < one[0][0]:
                    self._fail(f"a range that runs backwards: {chr(one[0][0])}-{chr(other[0][0])}")
                pairs.append((one[0][0], other[0][0]))
            else:
                pairs.extend(one)
        ranges = _ranges(pairs)
        return _complement(ranges) if negated else ranges

    def _single(self) -> Ranges:
        c = self._peek()
        self.at += 1
        return ((ord(c), ord(c)),)

    def _no_name(self, start: int) -> None:
        """Refuses ``[:alpha:]`` and its like, which would otherwise be a colon and some letters."""
        end = self.text.find(":]", start + 2, start + 12) if self.text.startswith("[:", start) else -1
        if end > 0 and self.text[start + 2 : end].removeprefix("^") in _NAMED:
            self.at = start
            self._fail(f"{self.text[start : end + 2]!r} is not understood; write the characters, such as [a-z]")
