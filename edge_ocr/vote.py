"""Several readings of one text, taken from several frames, to the one that they agree on.

Readings are aligned character by character into columns, as ROVER does for speech (Fiscus, "A post-processing system to
yield reduced word error rates: Recognizer Output Voting Error Reduction", 1997); in each column the characters are
voted on, weighted by how good the frame was and by how sure the recognizer was of that character. So a text can come
out right that no single frame showed whole.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from edge_ocr.types import TextCharacter, TextWord

__all__ = ["Consensus", "Vote", "Votes", "consensus"]

_KEPT = 12  # readings that vote: a text seen for hours costs no more than one seen for a second
_TURN = 3  # so many equal readings in a row, as good as those before, and the text itself has changed
_AS_GOOD = 0.8


@dataclass(frozen=True)
class Vote:
    """A reading and its weight: how good the frame was for it, above 0."""

    word: TextWord
    weight: float

    @property
    def strength(self) -> float:
        return self.weight * self.word.confidence


@dataclass(frozen=True)
class Consensus:
    """What the readings agree on. A character's confidence is its share of all votes, of those that a reading did not
    cast because it was unsure, too; ``confidence`` is the geometric mean of them. ``agreeing`` readings have just this
    text, of ``readings`` in all."""

    text: str
    confidence: float
    characters: tuple[TextCharacter, ...]
    language: str
    agreeing: int
    readings: int

    @property
    def weakest(self) -> float:
        """The least of the characters' confidences; 0 without characters."""
        return min((c.confidence for c in self.characters), default=0.0)


def consensus(votes: Sequence[Vote]) -> Consensus:
    """The text that ``votes`` agree on; an empty one for none, or where most of them read nothing.

    A reading casts ``weight`` times a character's confidence for that character. Where others have a character and it
    has none, it votes for "none there" with its word's confidence. Nothing depends on the order of the readings,
    except that of equally strong ones.
    """
    ranked = sorted(votes, key=lambda v: -v.strength)
    # Readings of the same text cast their votes together, so that each text is aligned but once.
    groups: dict[str, _Group] = {}
    for vote in ranked:
        characters = vote.word.characters or tuple(TextCharacter(c, vote.word.confidence) for c in vote.word.text)
        group = groups.setdefault(vote.word.text, _Group([c.text for c in characters], [0.0] * len(characters)))
        group.silent += vote.strength
        for k, character in enumerate(characters):
            group.cast[k] += vote.weight * character.confidence
    columns: list[dict[str, float]] = []
    silent = 0.0  # what all readings so far vote for "none there" in a column that none of them has
    for group in sorted(groups.values(), key=lambda x: -x.silent):
        columns = _join(columns, group, silent)
        silent += group.silent
    total = sum(v.weight for v in ranked)
    chosen: list[TextCharacter] = []
    for column in columns:
        best = max(column, key=lambda c: column[c])  # of equals, the one that the strongest reading brought
        if best:
            chosen.append(TextCharacter(best, min(column[best] / total, 1.0)))
    text = "".join(c.text for c in chosen)
    equal = [v for v in ranked if v.word.text == text]
    logs = [math.log(max(c.confidence, 1e-9)) for c in chosen]
    return Consensus(
        text=text,
        confidence=math.exp(sum(logs) / len(logs)) if logs else 0.0,
        characters=tuple(chosen),
        language=(equal or ranked)[0].word.language if ranked else "",
        agreeing=len(equal),
        readings=len(ranked),
    )


@dataclass
class _Group:
    """Readings of one text: its characters, the votes that each of them gets, and the votes that all of them together
    cast for "none there" in a column of others."""

    symbols: list[str]
    cast: list[float]
    silent: float = 0.0


def _join(columns: list[dict[str, float]], group: _Group, silent: float) -> list[dict[str, float]]:
    """The columns with one more text aligned to them: least cost, where a character costs what share of its column's
    votes is against it, and so does leaving a column out; a new column costs 1."""
    n, m = len(columns), len(group.symbols)
    cost = [[float(i) for i in range(m + 1)]]  # of aligning the first j columns with the first i characters
    step = [["new"] * (m + 1)]
    for j, column in enumerate(columns):
        total = sum(column.values()) or 1.0
        leave = 1.0 - column.get("", 0.0) / total
        above, row, ways = cost[j], [cost[j][0] + leave], ["column"]
        for i, symbol in enumerate(group.symbols):
            best, way = above[i] + 1.0 - column.get(symbol, 0.0) / total, "both"
            if above[i + 1] + leave < best - 1e-9:
                best, way = above[i + 1] + leave, "column"
            if row[i] + 1.0 < best - 1e-9:
                best, way = row[i] + 1.0, "new"
            row.append(best)
            ways.append(way)
        cost.append(row)
        step.append(ways)
    out: list[dict[str, float]] = []
    j, i = n, m
    while j or i:
        way = step[j][i]
        if way == "new":
            i -= 1
            fresh = {"": silent} if silent else {}
            fresh[group.symbols[i]] = group.cast[i]
            out.append(fresh)
            continue
        j -= 1
        i -= way == "both"
        symbol, votes = (group.symbols[i], group.cast[i]) if way == "both" else ("", group.silent)
        out.append(columns[j] | {symbol: columns[j].get(symbol, 0.0) + votes})
    return out[::-1]


class Votes:
    """The readings of one track: the strongest few vote. When the text itself changes, as a counter does, the newest
    readings, once they agree, start the vote anew."""

    def __init__(self) -> None:
        self._kept: list[Vote] = []
        self._recent: deque[Vote] = deque(maxlen=_TURN)
        self.result = consensus(())

    def add(self, word: TextWord, weight: float) -> Consensus:
        """One more reading, with the weight of its frame (above 0); what all agree on now."""
        vote = Vote(word, max(weight, 1e-3))
        self._kept.append(vote)
        self._recent.append(vote)
        if self._changed():
            self._kept = list(self._recent)
        elif len(self._kept) > _KEPT:
            self._kept.remove(min(self._kept, key=lambda v: v.strength))
        self.result = consensus(self._kept)
        return self.result

    def _changed(self) -> bool:
        texts = {v.word.text for v in self._recent}
        if len(self._recent) < _TURN or len(texts) > 1 or texts == {self.result.text}:
            return False
        before = [v for v in self._kept if not any(v is r for r in self._recent)]
        if not before:
            return False
        strength = sum(v.strength for v in before) / len(before)
        return min(v.strength for v in self._recent) >= _AS_GOOD * strength
