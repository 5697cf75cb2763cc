"""Where followed texts end."""

from __future__ import annotations

import numpy as np
import pytest

from edge_ocr.extent import letters_beyond, longer, shared
from edge_ocr.types import TextCharacter, TextWord

BOX = np.array([[10, 10], [50, 10], [50, 20], [10, 20]], np.float64)


def read(text: str, unsure: str = "") -> TextWord:
    return TextWord(text, 0.9, tuple(TextCharacter(c, 0.3 if c in unsure else 0.95) for c in text))


@pytest.mark.parametrize(
    ("text", "more", "unsure", "want"),
    [
        ("SHEERA", "SHEERAN", "", (0, 1, "SHEERAN")),
        ("2028.04", "2028.04.2:", ":", (0, 2, "2028.04.2")),  # what is farther out is cut itself
        ("pick", "g/pick", "", (2, 0, "g/pick")),
        ("on.org/", "n.on.org/pi", "", (2, 2, "n.on.org/pi")),
        ("SHEERAI", "SHEERAN", "", (0, 0.6, "SHEERAN")),  # the last letter was cut
        ("SHEERAN!", "SHEERAN보다", "", (0, 1, "SHEERAN보다")),
        ("word", "word next", "", None),
        ("word", "words", "s", None),
        ("word", "word!", "", None),
        ("2028.04", "2028.04.:", ":", (0, 1, "2028.04.")),
        ("pick", "/pick", "", (1, 0, "/pick")),
        ("word", "word.", ".", None),
        ("word", "|word", "", None),
        ("word", "word", "", None),
        ("word", "wodr", "", None),
        ("", "word", "", None),
        ("12", "34", "", None),
    ],
)
def test_letters_beyond(text: str, more: str, unsure: str, want: tuple[float, float, str] | None) -> None:
    found = letters_beyond(text, read(more, unsure))
    if want is None:
        assert found is None
        return
    assert found is not None
    assert (found.before, found.after) == pytest.approx(want[:2])
    assert found.word.text == want[2] == "".join(c.text for c in found.word.characters)
    assert found.word.confidence == pytest.approx(0.95)


def test_ends_move_along_the_text() -> None:
    np.testing.assert_allclose(longer(BOX, 5, 10), [[5, 10], [60, 10], [60, 20], [5, 20]])
    turn = np.array([[0.8, 0.6], [-0.6, 0.8]])
    np.testing.assert_allclose(longer(BOX @ turn, 5, 10), longer(BOX, 5, 10) @ turn)


def test_ends_follow_outwards_rather_than_inwards() -> None:
    wider, lower = longer(BOX, 8, 0), BOX + (0, 4)
    np.testing.assert_allclose(shared(BOX, wider, inward=0.1), longer(BOX, 4, 0))
    np.testing.assert_allclose(shared(wider, BOX, inward=0.1), longer(BOX, 7.2, 0))
    np.testing.assert_allclose(shared(BOX, lower, inward=0.1), BOX + (0, 2))
