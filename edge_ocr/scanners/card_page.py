"""What was read on a card and where it stands: spans, their labels, which stands beside or below which.

Places are relative to the spans' own heights: cards of several generations are in use, and cameras tilt them.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field

import numpy as np

from edge_ocr.scanners import card_values as v
from edge_ocr.scanners.card_words import TITLES, is_title, label_of

__all__ = ["Box", "FieldText", "Page", "Span"]

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Span:
    """A piece of a line that was read: its text, how sure that is, its box x0, y0, x1, y1 with the card upright, in any
    unit, and how sure each character is (empty: all as sure as the whole)."""

    text: str
    confidence: float = 1.0
    box: Box = (0.0, 0.0, 0.0, 0.0)
    sure: tuple[float, ...] = ()

    @property
    def height(self) -> float:
        return self.box[3] - self.box[1]

    @property
    def level(self) -> float:
        return (self.box[1] + self.box[3]) / 2

    def sure_of(self, part: str) -> float:
        """How sure a part of the text is, on geometric average."""
        at = self.text.find(part) if part else -1
        if at < 0 or len(self.sure) != len(self.text):
            return self.confidence
        own = [max(c, 1e-6) for c, x in zip(self.sure[at:], part, strict=False) if x != " "]
        return float(np.exp(np.mean(np.log(own)))) if own else self.confidence


@dataclass(frozen=True)
class FieldText:
    """A field: as it was ``read``, its ``value`` in one normal form, how sure, and which spans it was taken from."""

    raw: str
    value: str
    confidence: float
    spans: tuple[int, ...] = ()


@dataclass
class Page:
    """The spans of a card, and the fields as they are found: a span that is used up is in ``used``."""

    spans: list[Span]
    today: datetime.date
    fields: dict[str, FieldText] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)
    titles: dict[str, int] = field(default_factory=dict)
    numbers: dict[int, v.Number] = field(default_factory=dict)
    shapes: dict[int, str] = field(default_factory=dict)  # of registration numbers that cannot be right

    def __post_init__(self) -> None:
        self.order = sorted(range(len(self.spans)), key=lambda k: (self.spans[k].level, self.spans[k].box[0]))
        # Which label a span begins with, if any, and what is left of it.
        self.labels: dict[int, tuple[str, str]] = {}
        for k in self.order:
            text = self.spans[k].text
            for kind, titles in TITLES.items():
                if kind not in self.titles and any(is_title(text, t) for t in titles):
                    self.titles[kind] = k
            name, rest = label_of(text)
            if name:
                self.labels[k] = (name, rest)
            number = v.registration_number(rest if name else text, today=self.today)
            if number is not None:
                self.numbers[k] = number
            elif shape := v.number_shape(rest if name else text):
                self.shapes[k] = shape

    # -- where things stand ----------------------------------------------------------------------------------------

    def put(self, name: str, raw: str, value: str, ids: tuple[int, ...]) -> None:
        sure = self.spans[ids[0]].sure_of(raw.strip()) if len(ids) == 1 else 1.0
        if len(ids) > 1:
            sure = float(np.exp(np.mean([np.log(max(self.spans[k].confidence, 1e-6)) for k in ids])))
        self.fields[name] = FieldText(raw.strip(), value, sure, ids)
        self.used.update(ids)

    def label_of(self, k: int) -> str:
        return self.labels.get(k, ("", ""))[0]

    def free(self, k: int) -> bool:
        return k not in self.used

    def value_of(self, k: int) -> str:
        return self.labels[k][1] if k in self.labels else self.spans[k].text

    def span_of(self, *names: str) -> int | None:
        found = [k for name in names if name in self.fields for k in self.fields[name].spans]
        return min(found, key=lambda k: self.spans[k].level) if found else None

    def top_of(self, k: int | None) -> float:
        return self.spans[k].level - 0.3 * self.spans[k].height if k is not None else np.inf

    def bottom_of(self, *ids: int | None) -> float:
        k = next((k for k in ids if k is not None), None)
        return self.spans[k].level + 0.3 * self.spans[k].height if k is not None else -np.inf

    def beside(self, k: int, other: int) -> bool:
        """Whether two spans share a column, more or less: what is printed on a portrait's side does not."""
        a, b = self.spans[k].box, self.spans[other].box
        return min(a[2], b[2]) - max(a[0], b[0]) > -1.5 * self.spans[other].height

    def level_with(self, i: int, k: int) -> bool:
        a, b = self.spans[i], self.spans[k]
        return min(a.box[3], b.box[3]) - max(a.box[1], b.box[1]) > 0.5 * min(a.height, b.height)

    def right_of(self, k: int) -> list[int]:
        end = self.spans[k].box[2] - 0.5 * self.spans[k].height
        found = [i for i in self.order if i != k and self.level_with(i, k) and self.spans[i].box[0] >= end]
        return sorted(found, key=lambda i: self.spans[i].box[0])

    def is_left(self, i: int, k: int) -> bool:
        gap = self.spans[k].box[0] - self.spans[i].box[2]
        return i != k and self.level_with(i, k) and -0.5 * self.spans[k].height < gap < 2.5 * self.spans[k].height

    def is_above(self, i: int, k: int) -> bool:
        gap = self.spans[k].level - self.spans[i].level
        return 0.6 * self.spans[k].height < gap < 2.5 * self.spans[k].height and self.beside(i, k)

    def below(self, k: int) -> list[int]:
        s = self.spans[k]
        found = [
            i for i in self.order
            if 0.5 * s.height < self.spans[i].level - s.level < 3.5 * s.height
            and self.spans[i].box[0] < s.box[2] and self.spans[i].box[2] > s.box[0]
        ]  # fmt: skip
        return sorted(found, key=lambda i: self.spans[i].level)

    def after(self, k: int) -> list[int]:
        at = self.order.index(k)
        return self.order[at + 1 :]

    def follows(self, k: int, name: str) -> bool:
        """Whether the span on the left of this one, or above it, is the label ``name`` alone."""
        for i, (label, rest) in self.labels.items():
            if label == name and not v.fold(rest) and (k in self.right_of(i)[:1] or k in self.below(i)[:1]):
                return True
        return False

    def joined(self, k: int) -> tuple[tuple[int, ...], str]:
        """A span and what stands close beside it on its level, from left to right; no guesses."""
        ids = [k]
        for _ in range(4):
            open_ = [i for i in self.order if i not in ids and self.free(i) and self.spans[i].confidence >= 0.6]
            more = [i for i in open_ if self.is_left(i, ids[0]) and i not in self.labels]
            right = [i for i in self.right_of(ids[-1])[:1] if i in open_ and self.is_left(ids[-1], i)]
            if not more and not right:
                break
            ids = [*more[:1], *ids, *right]
        return tuple(ids), " ".join(self.spans[i].text for i in ids)
