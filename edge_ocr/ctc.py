"""Connectionist temporal classification: greedy, beam and factorised decoding.

Symbols are written per column of the network's output as one softmax over {blank, charset} (head ``flat``), or, for
Korean, as one softmax over {blank, charset, HANGUL} and three more over the 19 initials, 21 medials and 28 finals of a
syllable (head ``hangul-factorised``), whose log-probabilities add up::

    log p(syllable) = log p(HANGUL) + log p(initial) + log p(medial) + log p(final)

Repeats of a whole symbol collapse unless a blank stands between them. All inputs are natural log-probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_ocr.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BLANK", "FINALS", "INITIALS", "MEDIALS", "Decoded", "LogProbs", "beam", "compose", "decompose", "greedy"]

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


def greedy(lp: LogProbs, *, space: float = 1.0) -> Decoded:
    """Best path: the arg-max of each column, repeats collapsed, blanks dropped.

    Where HANGUL wins, the syllable is composed of the arg-max of each part. The confidence of a character is the
    highest probability of its whole symbol among the columns that it covers. A space has no ink of its own and loses
    many a column to the blank: between two characters it is written where its probability reaches ``space`` in any
    column; at 1 only where it wins.
    """
    t = lp.symbols.shape[0]
    if t == 0:
        return Decoded("", (), (), 0.0)
    best = lp.symbols.argmax(1)
    score = lp.symbols[np.arange(t), best].astype(np.float64)
    code = best.astype(np.int64)
    if lp.initial is not None and lp.medial is not None and lp.final is not None:
        # Each head's own arg-max: a column that is surely a syllable stays one though its parts are unsure.
        parts = [x.argmax(1) for x in (lp.initial, lp.medial, lp.final)]
        syllable = (parts[0] * MEDIALS + parts[1]) * FINALS + parts[2]
        hangul = best == lp.symbols.shape[1] - 1
        code = np.where(hangul, lp.symbols.shape[1] + syllable, best)
        score += np.where(hangul, lp.initial.max(1) + lp.medial.max(1) + lp.final.max(1), 0.0)
    starts = np.flatnonzero(np.concatenate([[True], code[1:] != code[:-1]]))
    ends = np.append(starts[1:], t)
    text, confidences, columns = [], [], []
    for a, b in zip(starts, ends, strict=True):
        k = int(code[a])
        if k == BLANK:
            continue
        text.append(_character(lp, k))
        confidences.append(float(np.exp(score[a:b].max())))
        columns.append((int(a), int(b) - 1))
    if space < 1 and " " in lp.charset:
        _write_spaces(lp, space, text, confidences, columns)
    return Decoded("".join(text), tuple(confidences), tuple(columns), float(score.sum()))


def _write_spaces(
    lp: LogProbs, least: float, text: list[str], confidences: list[float], columns: list[tuple[int, int]]
) -> None:
    """Adds, in place, the spaces that lost to the blank by less than it takes."""
    probability = np.exp(lp.of(" "))
    for i in range(len(text) - 1, 0, -1):
        first, last = columns[i - 1][1] + 1, columns[i][0]
        if last <= first or " " in (text[i - 1], text[i]):
            continue
        best = first + int(probability[first:last].argmax())
        if probability[best] >= least:
            text.insert(i, " ")
            confidences.insert(i, float(probability[best]))
            columns.insert(i, (best, best))


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
