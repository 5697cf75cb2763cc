from __future__ import annotations

import numpy as np
import pytest

from edge_ocr import OCR
from edge_ocr.draw import _lettering  # letters without a font
from edge_ocr.stacks import join_stacks
from edge_ocr.types import TextCharacter, TextWord


def word(text: str, x: float, y: float, w: float = 20, h: float = 20, confidence: float = 0.9) -> TextWord:
    quad = ((x, y), (x + w, y), (x + w, y + h), (x, y + h))
    return TextWord(text, confidence, tuple(TextCharacter(c, confidence) for c in text), quad, "ko")


def stack(text: str, x: float = 100, y: float = 50, step: float = 26, jitter: float = 0) -> list[TextWord]:
    return [word(c, x + (jitter if k % 2 else 0), y + step * k) for k, c in enumerate(text)]


def texts(words: list[TextWord]) -> list[str]:
    return [w.text for w in words]


@pytest.mark.parametrize("text", ["한빛약국", "HOTEL", "노래방"])
@pytest.mark.parametrize("how", [{}, {"step": 18}, {"step": 34}, {"jitter": 4}])
def test_stacked_letters_are_a_word(text, how):
    letters = stack(text, **how)
    mixed = [letters[k] for k in np.random.default_rng(1).permutation(len(letters))]
    (joined,) = join_stacks(mixed)
    assert joined.text == text
    assert [c.text for c in joined.characters] == list(text)
    assert joined.confidence == pytest.approx(0.9)
    box = np.array([w.quad for w in letters]).reshape(-1, 2)
    assert joined.quad[0] == tuple(box.min(0)) and joined.quad[2] == tuple(box.max(0))


@pytest.mark.parametrize(
    ("read", "text"), [("24시편의점", "24시편의점"), ("0PEN", "OPEN"), ("PARK1NG", "PARKING"), ("R2SHOP", "R2SHOP")]
)
def test_digits_may_stand_among_stacked_letters(read, text):
    (joined,) = join_stacks(stack(read))
    assert joined.text == text == "".join(c.text for c in joined.characters)


def test_other_words_stay_in_their_order():
    words = [word("앞", 300, 10), *stack("노래방"), word("longer", 300, 200, 90), word("7", 400, 300)]
    assert texts(join_stacks(words)) == ["앞", "노래방", "longer", "7"]


def test_two_stacks_side_by_side():
    words = stack("노래방", x=100) + stack("주차장", x=180)
    assert sorted(texts(join_stacks(words))) == ["노래방", "주차장"]


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(stack("노래"), id="two letters"),
        pytest.param(stack("123"), id="digits"),
        pytest.param(stack("가나다1234"), id="more digits than half as many as letters"),
        pytest.param(stack("24시"), id="a letter and digits"),
        pytest.param(stack("원원원"), id="one letter again and again"),
        pytest.param(stack("가나다", step=50), id="far apart"),
        pytest.param(stack("가나다", jitter=15), id="not in a line"),
        pytest.param([word("가", 0, 0), word("나", 0, 24, 60, 60), word("다", 0, 90)], id="of different sizes"),
        pytest.param(
            [w for k, c in enumerate("가나다") for w in (word(c, 100, 26 * k), word("과일", 130, 26 * k, 40))],
            id="heads of rows",
        ),
        pytest.param([], id="nothing"),
    ],
)
def test_what_is_no_stack_stays_as_it_is(words):
    assert join_stacks(words) == words


def test_a_word_without_a_quad_stays():
    words = [*stack("NSW"), TextWord("x", 0.5)]
    assert texts(join_stacks(words)) == ["NSW", "x"]


@pytest.mark.parametrize("text", ["부동산", "노래방"])
def test_a_sign_of_stacked_letters_is_not_turned(text):
    sign = np.full((90 * len(text) + 40, 110, 3), (30, 60, 120), np.uint8)
    for k, letter in enumerate(text):
        ink = _lettering(letter, 72)
        left = 55 - ink.shape[1] // 2
        sign[30 + 90 * k : 102 + 90 * k, left : left + ink.shape[1]][ink > 128] = 255
    reading = OCR(threads=1).read(sign)
    assert (reading.rotation, reading.text) == (0, text)
