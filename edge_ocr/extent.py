"""How far a followed text reaches: a detector rather cuts its ends off than makes them up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge_ocr import geometry as g
from edge_ocr.types import TextCharacter, TextWord

__all__ = ["Beyond", "letters_beyond", "longer", "shared"]

_PLAIN = 0.8  # confidence of each letter that is found beyond an end
_JOINING, _JOINED = "./:@&%+=()-,", 0.95  # marks that go on a text, and how sure they must be; others may be specks
_OUTWARD = 0.5  # how far an end follows the detector's outwards
_HALF = 0.6  # letters that a text grows by where its last one was seen by half


def longer(quad: g.Array, start: float, end: float) -> g.Array:
    """A quad ``[4, 2]`` with its ends moved outwards by so many pixels."""
    along = quad[[1, 2]] - quad[[0, 3]]
    top, bottom = along / np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-6)[:, None]
    return np.array([quad[0] - start * top, quad[1] + end * top, quad[2] + end * bottom, quad[3] - start * bottom])


def shared(quad: g.Array, found: g.Array, *, inward: float) -> g.Array:
    """A followed quad ``[4, 2]`` brought nearer to the one that was found: half way, but its ends inwards only by the
    share ``inward``."""
    middle = (quad[[1, 2]] - quad[[0, 3]]).sum(0)
    along = middle / max(float(np.hypot(*middle)), 1e-6)
    gap = found - quad
    ahead = gap @ along
    outward = ahead * np.array([-1, 1, 1, -1]) > 0
    pull = ahead * np.where(outward, _OUTWARD, inward)
    across = gap - ahead[:, None] * along
    return np.asarray(quad + 0.5 * across + pull[:, None] * along)


@dataclass(frozen=True)
class Beyond:
    """What a reading that looks beyond a text's ends adds: letters ``before`` and ``after`` (0.6 for one that was seen
    by half), and the ``word`` with them, without what is unsure farther out."""

    before: float
    after: float
    word: TextWord


def letters_beyond(text: str, more: TextWord) -> Beyond | None:
    """Compares a text with a reading that looks farther; None where that adds no letters that are sure and adjoin it.
    The first or the last letter of ``text`` may have been cut, and so misread."""
    n = len(text)
    if not text or len(more.characters) != len(more.text):
        return None
    for a, b in ((0, 0), (0, 1), (1, 0), (1, 1)):
        core = text[a : n - b]
        if core not in more.text or (core != text and len(core) < 2):
            continue
        start = more.text.index(core)
        end = start + len(core)
        left, right = _sure_run(more.characters[:start][::-1]), _sure_run(more.characters[end:])
        before = _net(left, text[:a], more.text[start - 1 : start])
        after = _net(right, text[n - b :], more.text[end : end + 1])
        if before + after > 0:
            chosen = more.characters[start - left : end + right]
            logs = [math.log(max(c.confidence, 1e-9)) for c in chosen]
            sure = math.exp(sum(logs) / len(logs))
            word = replace(more, text="".join(c.text for c in chosen), characters=chosen, confidence=sure)
            return Beyond(before, after, word)
    return None


def _net(run: int, cut: str, instead: str) -> float:
    """Letters gained at an end, where ``run`` are found and ``cut`` (one or none) was given up for ``instead``."""
    if not cut or not run:
        return float(run)
    return max(run - 1.0, _HALF if instead != cut else 0.0)


def _sure_run(outward: Sequence[TextCharacter]) -> int:
    """How many characters, from a text's end outwards, are sure and adjoin it; the last is no mark that may be a speck,
    or the edge of what stands beyond."""
    count = 0
    for k, c in enumerate(outward, 1):
        if c.confidence < _PLAIN or c.text == " ":
            break
        if c.text.isalnum() or (c.text in _JOINING and c.confidence >= _JOINED):
            count = k
    return count
