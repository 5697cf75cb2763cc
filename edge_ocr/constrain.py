"""Reading what a pattern allows: an automaton over the columns of a CTC network's output.

A pattern is a regular expression (a subset, see ``Pattern``) or a list of words. It becomes a Glushkov automaton
(Glushkov 1961), in which every state stands for one place in the pattern and is entered by the characters of that
place alone, so that its product with the CTC lattice stays small: a state is a place and the character written there.
Over that product ``best_path`` is an exact Viterbi search. ``search`` adds a prefix beam search (Graves 2006, Hannun
2014) whose prefixes carry the set of places that they may have reached, and ranks what both find by the exact sum over
all alignments.

Characters of a factorised head are not enumerated: of a class that holds more syllables than ``WIDE`` only those enter
that are among the best few of some column, which are found head by head.

Patterns come from callers' users too, so everything about them is bounded: length, depth, places, transitions, and the
size of the product with a picture's columns. What is over a bound is an InputError that says so; nothing is cut short
silently.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from edge_ocr.ctc import BLANK, FINALS, MEDIALS, LogProbs
from edge_ocr.errors import InputError

__all__ = ["Pattern", "best_path", "search", "text_log_prob"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_Ranges = tuple[tuple[int, int], ...]  # code points, both ends included; sorted and disjoint

MAX_LENGTH = 20_000  # characters of a pattern
MAX_DEPTH = 60  # groups inside one another
MAX_PLACES = 20_000  # places after repetitions are written out
MAX_FOLLOW = 400_000  # pairs of places that may stand one after the other
MAX_WORK = 40_000_000  # states times columns
WIDE = 400  # more syllables than these in a class are not enumerated
_FAINT = 14.0  # natural logarithms below its column's likeliest: the beam tries no such character
_TOP = 8  # syllables that a column may bring in for such a class
_LAST = 0x10FFFF
_HANGUL = (0xAC00, 0xD7A3)


# -- classes of characters -----------------------------------------------------------------------------------------


def _ranges(pairs: Iterable[tuple[int, int]]) -> _Ranges:
    out: list[tuple[int, int]] = []
    for a, b in sorted(pairs):
        if out and a <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], b))
        else:
            out.append((a, b))
    return tuple(out)


def _complement(ranges: _Ranges) -> _Ranges:
    out, at = [], 0
    for a, b in ranges:
        if a > at:
            out.append((at, a - 1))
        at = b + 1
    if at <= _LAST:
        out.append((at, _LAST))
    return tuple(out)


def _holds(ranges: _Ranges, code: int) -> bool:
    k = bisect.bisect_right(ranges, (code, _LAST)) - 1
    return k >= 0 and ranges[k][0] <= code <= ranges[k][1]


def _syllables(ranges: _Ranges) -> Ints:
    """The code points of the Hangul syllables in a class, relative to the first one."""
    parts = [
        np.arange(max(a, _HANGUL[0]), min(b, _HANGUL[1]) + 1) - _HANGUL[0]
        for a, b in ranges
        if a <= _HANGUL[1] and b >= _HANGUL[0]
    ]
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)


_DIGITS: _Ranges = ((48, 57),)
_WORD: _Ranges = _ranges([(48, 57), (65, 90), (95, 95), (97, 122), _HANGUL])
_SPACE: _Ranges = _ranges([(9, 13), (32, 32)])
_ESCAPES = {
    "d": _DIGITS, "D": _complement(_DIGITS), "w": _WORD, "W": _complement(_WORD), "s": _SPACE, "S": _complement(_SPACE),
}  # fmt: skip
_CONTROLS = {"t": 9, "n": 10, "r": 13, "f": 12, "v": 11}


# -- the pattern ---------------------------------------------------------------------------------------------------


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
        self._classes: list[_Ranges] = []
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
            places = np.array([p for p in places if _holds(self.classes[p], ord(c))], np.int64)
        return any(self.final[p] for p in places)

    # -- building --------------------------------------------------------------------------------------------------

    def _place(self, ranges: _Ranges) -> int:
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
        self.classes: list[_Ranges] = self._classes
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
        self._distinct: dict[_Ranges, int] = {}
        self.kind: Ints = np.array([self._distinct.setdefault(c, len(self._distinct)) for c in self.classes], np.int64)
        sources = [np.full(len(a), p, np.int64) for p, a in enumerate(self.follow)]
        self._from: Ints = np.concatenate(sources) if sources else np.zeros(0, np.int64)
        self._to: Ints = np.array([q for a in self.follow for q in a], np.int64)


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

    def _escape(self) -> _Ranges:
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

    def _class(self) -> _Ranges:
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

    def _single(self) -> _Ranges:
        c = self._peek()
        self.at += 1
        return ((ord(c), ord(c)),)


# -- the product with a lattice ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Product:
    """A pattern laid over one crop's columns. ``symbols``: the characters that can be written; ``emit`` f64 ``[T, A]``
    their log-probabilities and ``blank`` ``[T]`` the blank's; ``place`` and ``symbol`` ``[S]`` of each state, sorted by
    place, ``begins`` ``[S]`` whether it may stand first; ``ways_from``, ``ways_to``: pairs of a place and a state that
    may follow it, sorted by the state; ``allowed``: for each class of the pattern its characters."""

    pattern: Pattern
    symbols: str
    emit: Floats
    blank: Floats
    place: Ints
    symbol: Ints
    begins: NDArray[np.bool_]
    ways_from: Ints
    ways_to: Ints
    allowed: list[Ints]


def _bind(lp: LogProbs, pattern: Pattern) -> _Product:
    columns = lp.symbols.shape[0]
    symbols: dict[str, int] = {}
    members: list[Ints] = []
    for ranges in pattern._distinct:
        found = [c for c in lp.charset if _holds(ranges, ord(c))]
        if lp.factorised:
            known = set(found)
            found += [c for c in _hangul_candidates(lp, ranges) if c not in known]
        members.append(np.array([symbols.setdefault(c, len(symbols)) for c in found], np.int64))
    emit = np.empty((columns, len(symbols)), np.float64)
    for c, k in symbols.items():
        emit[:, k] = lp.of(c)
    n = len(pattern.classes)
    counts = np.array([len(members[k]) for k in pattern.kind], np.int64) if n else np.zeros(0, np.int64)
    states = int(counts.sum())
    if states * max(columns, 1) > MAX_WORK:
        raise InputError(
            f"pattern: {states} states over {columns} columns are more work than is done for one crop; "
            "narrow its classes, or give a shorter crop"
        )
    place = np.repeat(np.arange(n), counts)
    symbol = np.concatenate([members[k] for k in pattern.kind]) if n else np.zeros(0, np.int64)
    offset = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    begins = np.zeros(n, bool)
    begins[pattern.first] = True
    # Every pair of places becomes one way for each character of the second.
    each = counts[pattern._to]
    if int(each.sum()) > 4 * MAX_FOLLOW:
        raise InputError("pattern: its classes and repetitions multiply to too many ways; narrow its classes")
    ways_from = np.repeat(pattern._from, each)
    base = np.repeat(offset[pattern._to], each)
    within = np.arange(len(base)) - np.repeat(np.concatenate([[0], np.cumsum(each)[:-1]]), each) if len(each) else base
    ways_to = (base + within).astype(np.int64)
    order = np.argsort(ways_to, kind="stable")
    blank = lp.symbols[:, BLANK].astype(np.float64)
    return _Product(
        pattern, "".join(symbols), emit, blank, place, symbol, begins[place], ways_from[order], ways_to[order], members
    )


def _hangul_candidates(lp: LogProbs, ranges: _Ranges) -> list[str]:
    """The syllables of a class that may be written: all of a small class, each column's best of a wide one."""
    codes = _syllables(ranges)
    if not len(codes):
        return []
    if len(codes) <= WIDE:
        return [chr(_HANGUL[0] + int(k)) for k in codes]
    assert lp.initial is not None and lp.medial is not None and lp.final is not None
    heads = (lp.initial, lp.medial, lp.final)
    values = (codes // (MEDIALS * FINALS), codes // FINALS % MEDIALS, codes % FINALS)
    inside = np.zeros(_HANGUL[1] - _HANGUL[0] + 1, bool)
    inside[codes] = True
    chosen: set[int] = set()
    for t in range(lp.symbols.shape[0]):
        best = []
        for head, own in zip(heads, values, strict=True):
            there = np.unique(own)
            best.append(there[np.argsort(-head[t, there], kind="stable")[:_TOP]])
        i, m, f = best
        total = heads[0][t, i][:, None, None] + heads[1][t, m][None, :, None] + heads[2][t, f][None, None, :]
        product = (i[:, None, None] * MEDIALS + m[None, :, None]) * FINALS + f[None, None, :]
        flat, scores = product.ravel(), total.ravel()
        held = inside[flat]
        flat, scores = flat[held], scores[held]
        if len(flat) < _TOP:  # a class of odd shape: the best of each part do not meet in it
            flat = codes
            scores = heads[0][t, values[0]] + heads[1][t, values[1]] + heads[2][t, values[2]]
        chosen.update(int(k) for k in flat[np.argsort(-scores, kind="stable")[:_TOP]])
    return [chr(_HANGUL[0] + k) for k in sorted(chosen)]


def best_path(lp: LogProbs, pattern: Pattern) -> tuple[str, float] | None:
    """The text of the likeliest single alignment that the pattern allows, with its log-probability; None where the
    columns are too few, or the charset cannot write it. Exact over the characters considered (see the module)."""
    return _viterbi(_bind(lp, pattern))


def _viterbi(product: _Product) -> tuple[str, float] | None:
    pattern, columns = product.pattern, product.emit.shape[0]
    states, places = len(product.place), len(pattern.classes)
    silent = float(product.blank.sum())
    if not states or not columns:
        return ("", silent) if pattern.empty else None
    written = np.full((columns, states), -np.inf)  # ends in the state's own character
    rested = np.full((columns, places), -np.inf)  # ends in a blank after the place
    firsts = np.flatnonzero(np.concatenate([[True], product.place[1:] != product.place[:-1]]))
    used = product.place[firsts]  # places that have any character
    ways = _starts(product.ways_to)
    entered_states = product.ways_to[ways]
    index = np.arange(states)
    lead = 0.0
    for t in range(columns):
        emit = product.emit[t, product.symbol]
        enter = np.where(product.begins, lead, -np.inf)
        if t:
            was, rest = written[t - 1], rested[t - 1]
            top, second, holder = np.full(places, -np.inf), np.full(places, -np.inf), np.full(places, -1)
            top[used] = np.maximum.reduceat(was, firsts)
            at = np.where(was == top[product.place], index, states)
            holder[used] = np.minimum.reduceat(at, firsts)
            others = was.copy()
            others[holder[used]] = -np.inf
            second[used] = np.maximum.reduceat(others, firsts)
            free, blocked = np.maximum(rest, top), np.maximum(rest, second)
            # The character that must not follow at once, because CTC would take both for one.
            same = np.where(top > rest, product.symbol[holder], -1)
            value = np.where(
                same[product.ways_from] == product.symbol[product.ways_to],
                blocked[product.ways_from], free[product.ways_from],
            )  # fmt: skip
            if len(ways):
                enter[entered_states] = np.maximum(enter[entered_states], np.maximum.reduceat(value, ways))
            written[t] = np.maximum(was, enter) + emit
            rested[t] = free + product.blank[t]
        else:
            written[0] = enter + emit
        lead += float(product.blank[t])
    return _trace(product, written, rested)


def _starts(keys: Ints) -> Ints:
    return np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.zeros(0, np.int64)


def _trace(product: _Product, written: Floats, rested: Floats) -> tuple[str, float] | None:
    pattern, columns = product.pattern, written.shape[0]
    ends = np.where(pattern.final[product.place], written[-1], -np.inf)
    pauses = np.where(pattern.final, rested[-1], -np.inf)
    state, pause = int(ends.argmax()), int(pauses.argmax())
    best = max(float(ends[state]), float(pauses[pause]))
    silent = float(product.blank.sum()) if pattern.empty else -np.inf
    if silent >= best:
        return ("", silent) if silent > -np.inf else None
    lead = np.concatenate([[0.0], np.cumsum(product.blank)])
    resting = float(pauses[pause]) > float(ends[state])
    place = pause if resting else int(product.place[state])
    text: list[str] = []
    t = columns - 1
    while True:
        if resting:  # where did the blank's run begin?
            own = np.flatnonzero(product.place == place)
            t -= 1
            k = int(written[t, own].argmax())
            if written[t, own[k]] >= rested[t, place]:
                state, resting = int(own[k]), False
            continue
        symbol = product.symbol[state]
        came = _before(product, written, rested, lead, t, state) if t else None
        stayed = float(written[t - 1, state]) if t else -np.inf
        if came is not None and came[0] > stayed:
            text.append(product.symbols[symbol])
            _, kind, which = came
            if kind == "start":
                break
            resting = kind == "rest"
            place = which if resting else place
            state = state if resting else which
            t -= 1
        elif t:
            t -= 1
        else:
            text.append(product.symbols[symbol])
            break
    return "".join(reversed(text)), best


def _before(
    product: _Product, written: Floats, rested: Floats, lead: Floats, t: int, state: int
) -> tuple[float, str, int]:
    """The best that stands before ``state`` begins at column ``t``: its score, whether it is the start, a blank or a
    character, and which."""
    found = (float(lead[t]) if product.begins[state] else -np.inf, "start", -1)
    a, b = np.searchsorted(product.ways_to, [state, state + 1])
    for place in product.ways_from[a:b]:
        if rested[t - 1, place] > found[0]:
            found = (float(rested[t - 1, place]), "rest", int(place))
        first, last = np.searchsorted(product.place, [place, place + 1])
        scores = np.where(product.symbol[first:last] == product.symbol[state], -np.inf, written[t - 1, first:last])
        if len(scores) and scores.max() > found[0]:
            found = (float(scores.max()), "symbol", int(first + scores.argmax()))
    return found


# -- sums over alignments ------------------------------------------------------------------------------------------


def text_log_prob(lp: LogProbs, text: str) -> float:
    """The natural logarithm of a text's probability: the exact sum over its alignments (Graves 2006); minus infinity
    where the columns are too few. Raises InputError for a character that the network cannot write."""
    return _forward(lp.symbols[:, BLANK].astype(np.float64), [lp.of(c).astype(np.float64) for c in text], text)


def _forward(blank: Floats, emits: Sequence[Floats], text: str) -> float:
    columns = len(blank)
    if not text:
        return float(blank.sum())
    if not columns:
        return -np.inf
    emit = np.empty((columns, 2 * len(text) + 1))
    emit[:, 0::2] = blank[:, None]
    for i, one in enumerate(emits):
        emit[:, 2 * i + 1] = one
    skip = np.zeros(emit.shape[1], bool)
    skip[3::2] = [a != b for a, b in zip(text, text[1:], strict=False)]
    score = np.full(emit.shape[1], -np.inf)
    score[:2] = emit[0, :2]
    for t in range(1, columns):
        one = np.concatenate([[-np.inf], score[:-1]])
        two = np.where(skip, np.concatenate([[-np.inf, -np.inf], score[:-2]]), -np.inf)
        score = np.logaddexp(np.logaddexp(score, one), two) + emit[t]
    return float(np.logaddexp(score[-1], score[-2]))


def search(lp: LogProbs, pattern: Pattern, *, width: int = 8, top: int = 8) -> list[tuple[str, float]]:
    """The likeliest texts that the pattern allows, each with the natural logarithm of its exact probability (not
    divided by what the pattern allows in all), best first; at most ``width``, none where none fits the columns.

    A prefix beam search of that ``width``, with ``top`` characters tried per prefix and column (none that is out of
    the question there), and the best single
    alignment, so that what is allowed and possible is never missed altogether.
    """
    if width < 1 or top < 1:
        raise InputError(f"search: width {width} and top {top}; both need to be 1 or more")
    product = _bind(lp, pattern)
    texts = set(_beam(product, width, top))
    path = _viterbi(product)
    if path is not None and path[1] > -np.inf:
        texts.add(path[0])
    place = {c: k for k, c in enumerate(product.symbols)}
    scored = [(x, _forward(product.blank, [product.emit[:, place[c]] for c in x], x)) for x in texts]
    return sorted((s for s in scored if s[1] > -np.inf), key=lambda s: (-s[1], s[0]))[:width]


class _Reached:
    """Where in the pattern a prefix may be: the states of its deterministic automaton, made when first reached."""

    def __init__(self, product: _Product) -> None:
        self.product = product
        self._next: dict[tuple[tuple[int, ...], int], tuple[int, ...]] = {}
        self._open: dict[tuple[int, ...], tuple[tuple[int, ...], Ints]] = {}
        self._need: dict[tuple[int, ...], int] = {}

    def options(self, places: tuple[int, ...]) -> Ints:
        """Indices of the characters that may come next; of the empty tuple, at the start."""
        if places not in self._open:
            pattern = self.product.pattern
            after = sorted({q for p in places for q in pattern.follow[p]}) if places else pattern.first.tolist()
            parts = [self.product.allowed[pattern.kind[q]] for q in after]
            self._open[places] = (tuple(after), np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.int64))
        return self._open[places][1]

    def step(self, places: tuple[int, ...], symbol: int) -> tuple[int, ...]:
        key = (places, symbol)
        if key not in self._next:
            self.options(places)
            pattern, code = self.product.pattern, ord(self.product.symbols[symbol])
            self._next[key] = tuple(q for q in self._open[places][0] if _holds(pattern.classes[q], code))
        return self._next[key]

    def accepts(self, places: tuple[int, ...]) -> bool:
        pattern = self.product.pattern
        return any(pattern.final[p] for p in places) if places else pattern.empty

    def need(self, places: tuple[int, ...]) -> int:
        if places not in self._need:
            pattern = self.product.pattern
            own = min((int(pattern.need[p]) for p in places), default=0 if pattern.empty else 1)
            self._need[places] = own
        return self._need[places]


def _beam(product: _Product, width: int, top: int) -> list[str]:
    reached = _Reached(product)
    columns = product.emit.shape[0]
    # prefix of symbols -> (places, log p ending in blank, log p ending in its last symbol)
    beams: dict[tuple[int, ...], tuple[tuple[int, ...], float, float]] = {(): ((), 0.0, -math.inf)}
    for t in range(columns):
        blank, emit = float(product.blank[t]), product.emit[t]
        row: list[float] = emit.tolist()
        floor = max(blank, *row) - _FAINT if row else 0.0
        loud = emit >= floor
        grown: dict[tuple[int, ...], list[float]] = {}
        where: dict[tuple[int, ...], tuple[int, ...]] = {}
        for prefix, (places, in_blank, in_symbol) in beams.items():
            total = _add(in_blank, in_symbol)
            where[prefix] = places
            own = grown.setdefault(prefix, [-math.inf, -math.inf])
            own[0] = _add(own[0], total + blank)
            last = prefix[-1] if prefix else -1
            if prefix:
                own[1] = _add(own[1], in_symbol + row[last])
            options = reached.options(places)
            options = options[loud[options]]
            if len(options) > top:
                options = options[np.argpartition(-emit[options], top)[:top]]
            for symbol in options.tolist():
                score = (in_blank if symbol == last else total) + row[symbol]
                if score == -math.inf:
                    continue
                longer = (*prefix, symbol)
                place = reached.step(places, symbol)
                if reached.need(place) > columns - t - 1:
                    continue
                where[longer] = place
                other = grown.setdefault(longer, [-math.inf, -math.inf])
                other[1] = _add(other[1], score)
        ranked = sorted(grown, key=lambda x: -_add(grown[x][0], grown[x][1]))
        beams = {x: (where[x], grown[x][0], grown[x][1]) for x in ranked[:width]}
    return ["".join(product.symbols[k] for k in x) for x, (places, _, _) in beams.items() if reached.accepts(places)]


def _add(a: float, b: float) -> float:
    """log(exp(a) + exp(b)), as numpy's logaddexp, but quicker for two numbers."""
    if a < b:
        a, b = b, a
    return a if b == -math.inf else a + math.log1p(math.exp(b - a))
