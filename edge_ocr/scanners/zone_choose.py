"""What a machine-readable zone's lines are read as: of what the recognizer holds possible, that whose check digits
hold, if it is clear enough."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache

from edge_ocr.constrain import Pattern, search
from edge_ocr.ctc import LogProbs
from edge_ocr.recognize import align
from edge_ocr.scanners.strings import distance
from edge_ocr.scanners.zone_text import ALPHABET, LAYOUTS, Layout, MrzText, end_of_names, parse
from edge_ocr.types import TextWord

__all__ = ["believable", "choose", "tidy"]

_BEAM, _TOP = 8, 4
_MOST = 120  # readings of a line that are tried for their check digits
_LUCK = 0.02  # the share of wrong readings that may pass by chance
_FAR = 10.0  # natural logarithms by which a line may be less likely than the likeliest, and be chosen for its digits
_CLEAR = 3.0  # and by which another line that passes must be less likely, or neither is believed
_SURE = 0.8  # confidence of every character under a check digit: one wrong reading in ten passes its own by chance,
_SWAPPED = 0.05  # but for a single one that the check digit put right


@lru_cache(maxsize=len(LAYOUTS) * 3)
def _pattern(expression: str) -> Pattern:
    return Pattern(expression)


def choose(layout: Layout, lps: Sequence[LogProbs]) -> tuple[float, tuple[str, ...], bool] | None:
    """The likeliest lines of a layout all of whose check digits hold, else the likeliest of all; with the
    log-probability per character of the latter, and whether the choice was clear. None where the layout cannot be read
    from these columns.

    Two mistakes can cancel each other in a check digit, O and 0 twice above all, so a choice is clear only if no other
    one that passes as well is nearly as likely. And whoever tries long enough finds something that passes: a layout
    with n check digits has a chance of 10^-n a try, so no more are tried than that leaves little to chance.
    """
    options: list[list[tuple[str, float]]] = []
    checked = sorted({k for k, _ in layout.checks.values()} | {1})
    for k, (lp, expression) in enumerate(zip(lps, layout.lines, strict=True)):
        found = search(lp, _pattern(expression), width=_BEAM, top=_TOP)
        if not found:
            return None
        options.append(_look_alikes(lp, _pattern(expression), found) if k in checked else found[:1])
    size = sum(len(x[0][0]) for x in options)
    first = tuple(x[0][0] for x in options)
    likeliest = sum(x[0][1] for x in options) / size
    # Lines without check digits stay as they are read; the others are tried together, the likeliest combination first.
    tries = sorted(itertools.product(*(options[k] for k in checked)), key=lambda x: -sum(score for _, score in x))
    passed: list[tuple[float, tuple[str, ...]]] = []
    digits = len(layout.checks) + (layout.composite is not None) - ("optional" in layout.checks)
    for combination in tries[: max(1, int(_LUCK * 10**digits))]:
        score = sum(x for _, x in combination)
        if passed and score < passed[0][0] - _CLEAR:
            break
        lines = list(first)
        for k, (line, _) in zip(checked, combination, strict=True):
            lines[k] = line
        text = parse(lines)
        if text is not None and text.accepted and _real_dates(text):
            passed.append((score, tuple(lines)))
            if len(passed) == 2:
                break
    return likeliest, passed[0][1] if passed else first, len(passed) == 1


def _look_alikes(lp: LogProbs, pattern: Pattern, found: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """The texts found, and what becomes of the likeliest when some of its characters are taken for what looks alike:
    nothing that is less likely by more than ``_FAR``, at most ``_MOST``, the likeliest first.

    A beam keeps few of these, because every character brings its own. Here each place is weighed on its own over the
    columns that it takes up, where the network's columns are independent.
    """
    best, score = found[0]
    read = align(lp, best)
    swaps: list[tuple[float, int, str]] = []
    for i, (c, (a, b)) in enumerate(zip(best, read.columns, strict=True)):
        own = float(lp.of(c)[a : b + 1].sum())
        near = [(float(lp.of(x)[a : b + 1].sum()) - own, i, x) for x in ALPHABET if x != c]
        swaps += [x for x in sorted(near, reverse=True)[:3] if x[0] > -_FAR]
    swaps.sort(reverse=True)
    texts = {text: s for text, s in found if s > score - _FAR}
    wave = [(0.0, best, 0)]
    while wave and len(texts) < _MOST:
        wave.sort(reverse=True)
        loss, text, at = wave.pop(0)
        taken = {k for k, (x, y) in enumerate(zip(text, best, strict=True)) if x != y}
        for k in range(at, len(swaps)):
            cost, i, x = swaps[k]
            if loss + cost < -_FAR:
                break
            other = text[:i] + x + text[i + 1 :]
            if i in taken or not pattern.matches(other):
                continue
            texts.setdefault(other, score + loss + cost)
            wave.append((loss + cost, other, k + 1))
            if len(texts) >= _MOST:
                break
    return sorted(texts.items(), key=lambda x: -x[1])


def _real_dates(text: MrzText) -> bool:
    """Whether the dates are dates: a check that costs nothing before a less likely line is preferred."""
    return all(text.values[k] or not text.fields[k].strip("<") for k in ("birth", "expiry"))


def tidy(layout: Layout, lps: Sequence[LogProbs], lines: Sequence[str]) -> tuple[str, ...]:
    """The lines, with fillers for letters behind the names, where ICAO 9303 has only fillers: the pattern of a
    document's ground is read for letters there. As with check digits, form chooses but does not invent: letters of
    which the recognizer is sure stay, and then the zone is not ``well_formed``."""
    k, a, b = layout.fields["names"]
    line = lines[k]
    end = a + end_of_names(line[a:b])
    letters = len(line[end:b].replace("<", ""))
    if not letters:
        return tuple(lines)
    filled = line[:end] + "<" * (b - end) + line[b:]
    loss = align(lps[k], line).log_prob - align(lps[k], filled).log_prob
    rows = list(lines)
    rows[k] = filled if loss < min(_CLEAR * letters, _FAR) else line
    return tuple(rows)


def believable(layout: Layout, words: Sequence[TextWord], plain: Sequence[str]) -> bool:
    """Whether the characters that check digits are over, and these digits, are sure enough for their agreement to mean
    something: all of them, or all but one that was not read so (``plain``) and was chosen for its check digit. Two
    mistakes cancel each other in a check digit every tenth time. ``words``: the lines."""
    places = [layout.fields[name] for name in layout.checks] + [(k, a, a + 1) for k, a in layout.checks.values()]
    if layout.composite is not None:
        pieces, (k, a) = layout.composite
        places += [*pieces, (k, a, a + 1)]
    under = {(k, i) for k, a, b in places for i in range(a, b)}
    unsure = [c for c in (words[k].characters[i].confidence for k, i in under) if c < _SURE]
    if not unsure:
        return True
    changed = sum(distance(plain[k], words[k].text) for k in {k for k, _ in under})
    return changed == 1 and len(unsure) == 1 and unsure[0] >= _SWAPPED
