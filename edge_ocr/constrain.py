"""Reading what a pattern allows: an automaton over the columns of a CTC network's output.

A ``Pattern``'s automaton is entered in each of its states by the characters of one place alone, so that its product
with the CTC lattice stays small: a state is a place and the character written there.
Over that product ``best_path`` is an exact Viterbi search. ``search`` adds a prefix beam search (Graves 2006, Hannun
2014) whose prefixes carry the set of places that they may have reached, and ranks what both find by the exact sum over
all alignments.

Characters of a factorised head are not enumerated: of a class that holds more syllables than ``WIDE`` only those enter
that are among the best few of some column, which are found head by head.

The size of the product with a picture's columns is bounded, as the pattern itself is: what is over a bound is an
InputError that says so; nothing is cut short silently.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_ocr.ctc import BLANK, FINALS, MEDIALS, LogProbs
from edge_ocr.errors import InputError
from edge_ocr.pattern import HANGUL, MAX_FOLLOW, Pattern, Ranges, holds, syllables

__all__ = ["Pattern", "best_path", "search", "text_log_prob"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_WORK = 40_000_000  # states times columns
WIDE = 400  # more syllables than these in a class are not enumerated
_FAINT = 14.0  # natural logarithms below its column's likeliest: the beam tries no such character
_TOP = 8  # syllables that a column may bring in for such a class


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
    for ranges in pattern.distinct:
        found = [c for c in lp.charset if holds(ranges, ord(c))]
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
    each = counts[pattern.ways_to]
    if int(each.sum()) > 4 * MAX_FOLLOW:
        raise InputError("pattern: its classes and repetitions multiply to too many ways; narrow its classes")
    ways_from = np.repeat(pattern.ways_from, each)
    base = np.repeat(offset[pattern.ways_to], each)
    within = np.arange(len(base)) - np.repeat(np.concatenate([[0], np.cumsum(each)[:-1]]), each) if len(each) else base
    ways_to = (base + within).astype(np.int64)
    order = np.argsort(ways_to, kind="stable")
    blank = lp.symbols[:, BLANK].astype(np.float64)
    return _Product(
        pattern, "".join(symbols), emit, blank, place, symbol, begins[place], ways_from[order], ways_to[order], members
    )


def _hangul_candidates(lp: LogProbs, ranges: Ranges) -> list[str]:
    """The syllables of a class that may be written: all of a small class, each column's best of a wide one."""
    codes = syllables(ranges)
    if not len(codes):
        return []
    if len(codes) <= WIDE:
        return [chr(HANGUL[0] + int(k)) for k in codes]
    assert lp.initial is not None and lp.medial is not None and lp.final is not None
    heads = (lp.initial, lp.medial, lp.final)
    values = (codes // (MEDIALS * FINALS), codes // FINALS % MEDIALS, codes % FINALS)
    inside = np.zeros(HANGUL[1] - HANGUL[0] + 1, bool)
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
    return [chr(HANGUL[0] + k) for k in sorted(chosen)]


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
            self._next[key] = tuple(q for q in self._open[places][0] if holds(pattern.classes[q], code))
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
