"""When a text counts as stable: readings that agree, that disagree, and that never get sure, on one drawn plate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plates import PlateReader, film, ground, put

from edge_ocr.stream import Event, Stream
from edge_ocr.types import Region, TextCharacter, TextWord


class Scripted(PlateReader):
    """Finds plates as they are, and reads the given texts one after the other, the last one for ever. ``sure``: how
    sure it is of a first character, all others are clear."""

    def __init__(self, texts: Sequence[str], sure: float) -> None:
        super().__init__()
        self.texts, self.sure = list(texts), sure

    def read_regions(self, image: Any, regions: Sequence[Region]) -> tuple[TextWord, ...]:
        text = self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]
        self.readings += 1
        characters = tuple(TextCharacter(c, self.sure if k == 0 else 0.99) for k, c in enumerate(text))
        # What a reading that looks beyond the ends says is the same.
        return tuple(TextWord(text, 0.9, characters, r.quad) for r in regions)


def events(texts: Sequence[str], sure: float, frames: int = 90) -> list[tuple[str, str, int]]:
    found: list[Event] = list(Stream(Scripted(texts, sure), film([put(ground(), "314159", 200, 150)] * frames)))
    return [(e.event, e.text, e.frame) for e in found]


def test_readings_that_agree_settle_a_doubtful_character() -> None:
    """One that no frame shows better will not get surer: eight readings that say the same are enough."""
    found = events(["X31415"], 0.4)
    assert [kind for kind, _, _ in found] == ["appeared", "stable", "lost"]
    assert {text for _, text, _ in found} == {"X31415"}
    assert found[1][2] > 20  # later than a clear one
    assert events(["131415"], 0.99)[1][2] <= 10


def test_the_newest_reading_has_to_agree() -> None:
    """A text is not stable in the very frame that says otherwise."""
    found = events(["X31415"] * 3 + ["Y31415"] + ["X31415"], 0.7)
    at = next(frame for kind, _, frame in found if kind == "stable")
    alone = next(frame for kind, _, frame in events(["X31415"], 0.7) if kind == "stable")
    assert at > alone


def test_what_is_stable_changes_only_for_something_surer() -> None:
    """A doubtful character that tips over later is no news; a clear change is."""
    doubtful = events(["X31415"] * 9 + ["Y31415"] * 30, 0.45, 200)
    assert "updated" not in [kind for kind, _, _ in doubtful]
    assert [text for kind, text, _ in doubtful if kind == "stable"] == ["X31415"]
