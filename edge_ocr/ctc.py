"""Connectionist temporal classification: greedy, beam and factorised decoding.

Symbols are written per column of the network's output as one softmax over {blank, charset} (head ``flat``), or, for
Korean, as one softmax over {blank, charset, HANGUL} and three more over the 19 initials, 21 medials and 28 finals of a
syllable (head ``hangul-factorised``), whose log-probabilities add up::

    log p(syllable) = log p(HANGUL) + log p(initial) + log p(medial) + log p(final)

Repeats of a whole symbol collapse unless a blank stands between them. All inputs are natural log-probabilities.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_ocr.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "BLANK",
    "FINALS",
    "INITIALS",
    "MEDIALS",
    "Decoded",
    "LogProbs",
    "Switches",
    "beam",
    "compose",
    "decompose",
    "greedy",
    "greedy_all",
]

BLANK = 0
INITIALS, MEDIALS, FINALS = 19, 21, 28
_FIRST_SYLLABLE = 0xAC00


def compose(initial: int, medial: int, final: int) -> str:
    """The syllable of an initial 0..18, a medial 0..20 and a final 0..27 (0: none)."""
    return chr(_FIRST_SYLLABLE + (initial * MEDIALS + medial) * FINALS + final)


def decompose(syllable: str) -> tuple[int, int, int]:
    """Initial, medial and final of a precomposed syllable; InputError for anything else."""
    code = ord(syllable) - _FIRST_SYLLABLE
    if not 0 <= code < INITIALS * MEDIALS * FINALS:
        raise InputError(f"{syllable!r} is no precomposed Hangul syllable")
    return code // (MEDIALS * FINALS), code // FINALS % MEDIALS, code % FINALS


@dataclass(frozen=True, eq=False)
class LogProbs:
    """What the network says of one crop, over T columns: ``symbols`` f32 ``[T, K]`` with the blank at 0, then the
    characters of ``charset``, then, if the head is factorised, HANGUL with ``initial`` ``[T, 19]``, ``medial`` ``[T,
    21]``, ``final`` ``[T, 28]``."""

    symbols: NDArray[np.float32]
    charset: str
    initial: NDArray[np.float32] | None = None
    medial: NDArray[np.float32] | None = None
    final: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        want = 1 + len(self.charset) + int(self.factorised)
        if self.symbols.ndim != 2 or self.symbols.shape[1] != want:
            raise InputError(f"symbols are {self.symbols.shape}, but blank and charset ask for [T, {want}]")

    @classmethod
    def from_outputs(cls, outputs: Mapping[str, NDArray[np.float32]], row: int, steps: int, charset: str) -> LogProbs:
        """Row ``row`` of a batch of outputs, cut to the ``steps`` columns that the crop fills."""

        def part(key: str) -> NDArray[np.float32] | None:
            return outputs[key][row, :steps] if key in outputs else None

        return cls(outputs["symbols"][row, :steps], charset, part("initial"), part("medial"), part("final"))

    @property
    def factorised(self) -> bool:
        return self.initial is not None

    def of(self, symbol: str) -> NDArray[np.float32]:
        """Log-probability f32 ``[T]`` of one symbol at every column."""
        place = self.charset.find(symbol)
        if place >= 0:
            return self.symbols[:, place + 1]
        if self.initial is None or self.medial is None or self.final is None:
            raise InputError(f"{symbol!r} is not in the charset of {len(self.charset)} characters")
        i, m, f = decompose(symbol)
        out: NDArray[np.float32] = self.symbols[:, -1] + self.initial[:, i] + self.medial[:, m] + self.final[:, f]
        return out


@dataclass(frozen=True)
class Decoded:
    """A reading: ``text``; ``confidences`` 0..1 and ``columns`` (first, last) for each of its characters;
    ``log_prob`` of the text as the decoder scores it."""

    text: str
    confidences: tuple[float, ...]
    columns: tuple[tuple[int, int], ...]
    log_prob: float


@dataclass(frozen=True, kw_only=True)
class Switches:
    """How unlikely it is that a word changes its kind of character from one to the next, each the natural logarithm
    by which that lowers a reading: between ``digit`` and Latin letter, between upper and lower ``case`` (not after a
    word's first letter), between Hangul and Latin ``script``. O and 0, l and 1, s and S look alike, and their
    neighbours tell which it is."""

    digit: float
    case: float
    script: float


_PARTS = ("initial", "medial", "final")
_RIVALS, _RIVAL_FLOOR = 4, -5.0  # of a character: so many, none less likely than this


def greedy(lp: LogProbs, *, space: float = 1.0, switches: Switches | None = None) -> Decoded:
    """Best path: the arg-max of each column, repeats collapsed, blanks dropped.

    Where HANGUL wins, the syllable is composed of the arg-max of each part. The confidence of a character is the
    highest probability of its whole symbol among the columns that it covers. A space has no ink of its own and loses
    many a column to the blank: between two characters it is written where its probability reaches ``space`` in any
    column; at 1 only where it wins. With ``switches`` letters and digits give way to others that their columns hold
    nearly as likely, where that suits their neighbours better.
    """
    return greedy_all([lp], space=space, switches=switches)[0]


def greedy_all(lps: Sequence[LogProbs], *, space: float = 1.0, switches: Switches | None = None) -> list[Decoded]:
    """``greedy`` of each of several crops of one network, their columns taken together: many short crops cost little
    more than one."""
    steps = [lp.symbols.shape[0] for lp in lps]
    if not any(steps):
        return [Decoded("", (), (), 0.0) for _ in lps]
    first = lps[0]
    symbols = _together([lp.symbols for lp in lps])
    best = symbols.argmax(1)
    score = symbols[np.arange(len(best)), best].astype(np.float64)
    code = best.astype(np.int64)
    if first.factorised:
        # Each head's own arg-max: a column that is surely a syllable stays one though its parts are unsure.
        hangul = np.flatnonzero(best == symbols.shape[1] - 1)
        every = np.arange(len(hangul))
        parts = [_together([x for lp in lps if (x := getattr(lp, name)) is not None])[hangul] for name in _PARTS]
        i, m, f = (x.argmax(1) for x in parts)
        code[hangul] = symbols.shape[1] + (i * MEDIALS + m) * FINALS + f
        score[hangul] += parts[0][every, i] + parts[1][every, m] + parts[2][every, f]
    offsets = np.cumsum([0, *steps])
    turns = np.empty(len(code), bool)
    np.not_equal(code[1:], code[:-1], out=turns[1:])
    turns[offsets[:-1][np.array(steps) > 0]] = True
    starts = np.flatnonzero(turns)
    sure = np.exp(np.maximum.reduceat(score, starts))
    ends = np.append(starts[1:], len(code))
    shown = code[starts] != BLANK
    starts, ends, sure = starts[shown], ends[shown], sure[shown]
    characters = [_character(first, k) for k in code[starts].tolist()]
    bounds = np.searchsorted(starts, offsets).tolist()
    spaced = space < 1 and " " in first.charset
    blanks = np.exp(symbols[:, first.charset.find(" ") + 1]) if spaced else score
    out = []
    for k, (a, b) in enumerate(itertools.pairwise(offsets.tolist())):
        mine = slice(bounds[k], bounds[k + 1])
        text, confidences = characters[mine], sure[mine].tolist()
        columns = list(zip((starts[mine] - a).tolist(), (ends[mine] - (a + 1)).tolist(), strict=True))
        if spaced and len(text) > 1:
            _write_spaces(blanks[a:b], space, text, confidences, columns)
        total = float(score[a:b].sum())
        if switches is not None and text:
            total += _settle(lps[k], switches, text, confidences, columns)
        out.append(Decoded("".join(text), tuple(confidences), tuple(columns), total))
    return out


def _together(arrays: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _write_spaces(
    probability: NDArray[np.float32],
    least: float,
    text: list[str],
    confidences: list[float],
    columns: list[tuple[int, int]],
) -> None:
    """Adds, in place, the spaces that lost to the blank by less than it takes: ``probability`` ``[T]`` of one."""
    if not probability.max() >= least:
        return
    for i in range(len(text) - 1, 0, -1):
        first, last = columns[i - 1][1] + 1, columns[i][0]
        if last <= first or " " in (text[i - 1], text[i]):
            continue
        best = first + int(probability[first:last].argmax())
        if probability[best] >= least:
            text.insert(i, " ")
            confidences.insert(i, float(probability[best]))
            columns.insert(i, (best, best))


def _settle(
    lp: LogProbs, switches: Switches, text: list[str], confidences: list[float], columns: list[tuple[int, int]]
) -> float:
    """Exchanges characters, in place, for what makes a text likeliest together with its switches (Viterbi) -> what
    that adds to the text's log-probability."""
    kinds = [_kind(c) for c in text]
    opens = [i == 0 or not kinds[i - 1] for i in range(len(text))]
    if not any(_switch(switches, a, b, first) for a, b, first in zip(kinds, kinds[1:], opens, strict=False)):
        return 0.0  # the likeliest of each, and no switch: nothing can be better
    before = np.log(np.maximum(confidences, 1e-9))
    tracks: list[list[tuple[float, list[tuple[str, float]]]]] = []  # by option: score, and the characters up to it
    for i, c in enumerate(text):
        options = [(c, float(before[i]))]
        if kinds[i] in ("digit", "lower", "upper"):
            options += _rivals(lp, c, columns[i])
        found = []
        for option, value in options:
            kind = _kind(option)
            ways = [
                (score - _switch(switches, _kind(past[-1][0]), kind, opens[i - 1]), past)
                for score, past in (tracks[-1] if tracks else [])
            ]
            score, past = max(ways, key=lambda way: way[0]) if ways else (0.0, [])
            found.append((score + value, [*past, (option, value)]))
        tracks.append(found)
    _, chosen = max(tracks[-1], key=lambda way: way[0])
    text[:] = [c for c, _ in chosen]
    confidences[:] = [float(np.exp(value)) for _, value in chosen]
    return float(sum(value for _, value in chosen) - before.sum())


def _rivals(lp: LogProbs, character: str, columns: tuple[int, int]) -> list[tuple[str, float]]:
    """The likeliest other letters and digits of the columns (first, last) of a character, with log-probabilities."""
    row = lp.symbols[columns[0] : columns[1] + 1, 1 : len(lp.charset) + 1].max(0)
    some = np.flatnonzero(row > _RIVAL_FLOOR)
    near = sorted(zip((-row[some]).tolist(), some.tolist(), strict=True))[:_RIVALS]
    return [(c, -value) for value, k in near if (c := lp.charset[k]) != character and _kind(c)]


@functools.cache
def _kind(character: str) -> str:
    if "가" <= character <= "힣" or "ㄱ" <= character <= "ㆎ":
        return "hangul"
    if "0" <= character <= "9":
        return "digit"
    return "upper" if character.isupper() else "lower" if character.islower() else ""


def _switch(switches: Switches, a: str, b: str, first: bool) -> float:
    """What it costs that a character of kind ``b`` follows one of kind ``a``, which is a word's ``first`` or not."""
    if a == b or not a or not b:
        return 0.0
    if "digit" in (a, b):
        return 0.0 if "hangul" in (a, b) else switches.digit
    if "hangul" in (a, b):
        return switches.script
    return 0.0 if first and a == "upper" else switches.case


def _character(lp: LogProbs, code: int) -> str:
    k = lp.symbols.shape[1]
    return chr(_FIRST_SYLLABLE + code - k) if code >= k else lp.charset[code - 1]


def _candidates(lp: LogProbs, top: int, floor: float) -> list[list[tuple[str, float]]]:
    """Per column the likeliest symbols besides the blank with their log-probabilities, best first; those under
    ``floor`` left out.

    Of a factorised head only the best few of each part are multiplied out, which holds every one of the ``top`` best
    syllables, since the parts are independent given HANGUL.
    """
    out: list[list[tuple[str, float]]] = []
    plain_end = len(lp.charset) + 1
    for t in range(lp.symbols.shape[0]):
        row = lp.symbols[t, 1:plain_end]
        keep = np.argsort(-row, kind="stable")[:top]
        found = [(lp.charset[int(i)], float(row[i])) for i in keep if row[i] >= floor]
        if lp.initial is not None and lp.medial is not None and lp.final is not None and lp.symbols[t, -1] >= floor:
            ii, mm, ff = (np.argsort(-x[t], kind="stable")[:top] for x in (lp.initial, lp.medial, lp.final))
            total = (
                lp.symbols[t, -1]
                + lp.initial[t, ii][:, None, None]
                + lp.medial[t, mm][None, :, None]
                + lp.final[t, ff][None, None, :]
            )
            flat = total.ravel()
            for k in np.argsort(-flat, kind="stable")[:top]:
                if flat[k] < floor:
                    break
                a, b, c = np.unravel_index(int(k), total.shape)
                found.append((compose(int(ii[a]), int(mm[b]), int(ff[c])), float(flat[k])))
        found.sort(key=lambda x: -x[1])
        out.append(found[:top])
    return out


def beam(lp: LogProbs, *, width: int, top: int = 8, floor: float = -12.0) -> list[tuple[str, float]]:
    """Prefix beam search (Graves 2006; Hannun 2014): the ``width`` likeliest texts, each with the natural logarithm
    of the sum over the alignments visited, best first. ``top`` symbols are tried per column, none below the
    log-probability ``floor``.

    With ``width`` and ``top`` large enough and ``floor`` at minus infinity the sums are exact.
    """
    if width < 1:
        raise InputError(f"a beam of width {width}: give 1 or more")
    # prefix -> (log p ending in blank, log p ending in its last symbol)
    beams: dict[str, tuple[float, float]] = {"": (0.0, -np.inf)}
    candidates = _candidates(lp, top, floor)
    for t, found in enumerate(candidates):
        blank = float(lp.symbols[t, BLANK])
        grown: dict[str, tuple[float, float]] = {}

        def add(prefix: str, in_blank: float, in_symbol: float, grown: dict[str, tuple[float, float]] = grown) -> None:
            b, s = grown.get(prefix, (-np.inf, -np.inf))
            grown[prefix] = (float(np.logaddexp(b, in_blank)), float(np.logaddexp(s, in_symbol)))

        scores = dict(found)
        for prefix, (b, s) in beams.items():
            total = float(np.logaddexp(b, s))
            add(prefix, total + blank, -np.inf)
            if prefix:
                last = prefix[-1]
                same = scores.get(last)
                if same is None:
                    same = float(lp.of(last)[t])
                add(prefix, -np.inf, s + same)
            for symbol, p in found:
                start = b if prefix and symbol == prefix[-1] else total
                if start > -np.inf:
                    add(prefix + symbol, -np.inf, start + p)
        ranked = sorted(grown.items(), key=lambda x: -float(np.logaddexp(*x[1])))
        beams = dict(ranked[:width])
    return [(p, float(np.logaddexp(b, s))) for p, (b, s) in beams.items()]
