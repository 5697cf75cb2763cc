from __future__ import annotations

import pytest

from edge_ocr.isolated import believable
from edge_ocr.types import TextWord


def word(text: str, confidence: float, x: float = 0, y: float = 0, h: float = 20) -> TextWord:
    w = 0.7 * h * len(text)
    return TextWord(text, confidence, quad=((x, y), (x + w, y), (x + w, y + h), (x, y + h)))


@pytest.mark.parametrize(
    ("given", "stays"),
    [
        (word("Tr", 0.55), False),
        (word("Tr", 0.65), True),
        (word("사", 0.65), False),
        (word("7", 0.8), False),
        (word("사", 0.9), True),
        (word("8888", 0.85), False),
        (word("0000", 0.95), True),
        (word("1000", 0.65), True),
        (TextWord("no quad", 0.1), True),
    ],
)
def test_words_alone_must_be_sure(given, stays):
    assert believable([given]) == ([given] if stays else [])


@pytest.mark.parametrize(
    ("other", "stays"),
    [
        pytest.param(word("아메리카노", 0.9, 60, 2), True, id="beside it"),
        pytest.param(word("합계", 0.9, 10, 50), True, id="below it"),
        pytest.param(word("합계", 0.65, 10, 50), False, id="no surer"),
        pytest.param(word("합계", 0.9, 10, 200), False, id="far away"),
        pytest.param(word("합계", 0.9, 60, 0, 100), False, id="much larger"),
    ],
)
def test_company_makes_believable(other, stays):
    doubtful = word("물5", 0.35)
    assert believable([doubtful, other]) == ([doubtful, other] if stays else [other])


def test_company_does_not_make_a_faint_letter_believable():
    sure = word("아메리카노", 0.9, 60, 2)
    assert believable([word("T", 0.45, 35), sure]) == [sure]
    assert len(believable([word("T", 0.55, 35), sure])) == 2


def test_two_doubtful_ones_are_no_company():
    assert believable([word("Tr", 0.45), word("Nd", 0.45, 40)]) == []


def test_crop_of_one_word():
    doubtful = word("Tr", 0.45, 100)
    assert believable([doubtful], small=True) == [doubtful]
    street = word("Street", 0.9, 0, 60, 100)  # much larger, and no company
    assert believable([doubtful, street], small=True) == [street]


def test_nothing():
    assert believable([]) == []
