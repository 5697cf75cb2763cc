from __future__ import annotations

import pytest

from edge_ocr.torn import healed, pieces, whole_quad
from edge_ocr.types import TextWord


def row(*parts: tuple[str, float], high: float = 20, y: float = 40, sure: float = 0.95) -> list[TextWord]:
    """Words from the left to the right, each with the gap before it in heights; a letter is half a height wide."""
    out, x = [], 100.0
    for text, gap in parts:
        x += gap * high
        wide = len(text) * high / 2
        out.append(TextWord(text, sure, quad=((x, y), (x + wide, y), (x + wide, y + high), (x, y + high))))
        x += wide
    return out


@pytest.mark.parametrize(
    "parts",
    [
        (("1,956,", 0), (",427원", -0.3)),
        (("779-94-1", 0), ("4325", 0.1)),
        (("2061-08-", 0), ("26", 0.4)),
        (("192.", 0), (".168.0.1", 0)),
        (("hong@naver.", 0), ("com", 0.5)),
        (("https:/", 0), ("/www.example.com", 0.6), ("/shop", 0.1)),
    ],
)
def test_pieces_of_numbers_and_addresses_are_found_from_the_left(parts):
    words = row(*parts)
    assert pieces(words) == [list(range(len(words)))]
    assert pieces(words[::-1]) == [list(range(len(words)))[::-1]]


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(row(("12,300", 0), ("2", 0.6)), id="two numbers"),
        pytest.param(row(("4296", 0), ("8869", 0.3)), id="groups of digits"),
        pytest.param(row(("GST", 0), ("@", 0.3), ("6%", 0.3)), id="at"),
        pytest.param(row(("2층", 0), ("301호", 0.1)), id="a letter at the seam"),
        pytest.param(row(("end.", 0), ("Next", 0.3)), id="sentences"),
        pytest.param(row(("mail:", 0), ("hong@naver.com", 1.2)), id="an address and what is before it"),
        pytest.param(row(("12", 0)) + row(("34", 1.2), y=52), id="not on one line"),
        pytest.param(row(("12", 0)) + row(("34", 1.0), high=40, y=30), id="of different heights"),
        pytest.param([TextWord("12", 0.9), TextWord("34", 0.9)], id="no place"),
        pytest.param(row(("12", 0)), id="one"),
        pytest.param([], id="none"),
    ],
)
def test_what_is_whole_stays_alone(words):
    assert pieces(words) == []


def test_the_whole_takes_the_place_of_its_pieces_where_it_is_believed():
    words = [*row(("합계", 0)), *row(("1,956,", 4), (",427원", -0.3)), *row(("끝", 20))]
    (group,) = pieces(words)
    assert group == [1, 2]
    quad = whole_quad(words, group)
    assert quad[0] == words[1].quad[0] and quad[2] == words[2].quad[2]
    whole = TextWord("1,956,427원", 0.9, quad=quad)
    assert [w.text for w in healed(words, [group], [whole])] == ["합계", "1,956,427원", "끝"]
    for bad in (
        TextWord("1,956, 427원", 0.99, quad=quad),  # a space: two words after all
        TextWord("1,956,427원", 0.8, quad=quad),  # less sure
        TextWord("1,956", 0.99, quad=quad),  # some of it lost
        TextWord("1,956,42!", 0.99, quad=quad),  # a digit, too
    ):
        assert healed(words, [group], [bad]) == words


def test_a_page_of_numbers_is_no_unbounded_work():
    words = [w for k in range(200) for w in row(("1,000,", 0), ("000", 0.1), y=30.0 * k)]
    assert len(pieces(words)) == 64
    assert pieces(row(*[("1234567890", 0.1)] * 7)) == []  # so long is a line of many numbers
