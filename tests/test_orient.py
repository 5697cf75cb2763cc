from __future__ import annotations

import numpy as np
import pytest

from edge_ocr import geometry as g
from edge_ocr.orient import largest, overturns, sureness, turn_picture, turn_quad_back
from edge_ocr.types import TextWord


def rectangle(x: float, y: float, w: float, h: float) -> np.ndarray:
    return g.box_quads([[x, y, x + w, y + h]])[0]


def words(*given: tuple[str, float]) -> list[TextWord]:
    return [TextWord(text, confidence) for text, confidence in given]


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_quads_find_back_to_the_picture_that_was_turned(degrees):
    picture = np.zeros((60, 100, 3), np.uint8)
    picture[10:20, 30:70] = 255
    turned = turn_picture(picture, degrees)
    assert turned.shape[:2] == ((60, 100) if degrees % 180 == 0 else (100, 60))
    y, x = np.nonzero(turned[..., 0])
    box = rectangle(x.min(), y.min(), x.max() + 1 - x.min(), y.max() + 1 - y.min())
    back = np.array(turn_quad_back(tuple(map(tuple, box.tolist())), (60, 100), degrees))
    assert sorted(map(tuple, back.tolist())) == [(30, 10), (30, 20), (70, 10), (70, 20)]
    # Text that runs to the right on the turned picture ran against the turn on the picture.
    assert np.degrees(g.reading_angles(back)) % 360 == pytest.approx(-degrees % 360)


def test_a_clockwise_turn_is_clockwise():
    picture = np.zeros((2, 3, 3), np.uint8)
    picture[0, 0] = 9  # the top left comes to lie at the top right
    assert turn_picture(picture, 90)[0, -1, 0] == 9


def test_the_largest_words_tell_most():
    quads = [rectangle(0, 0, 30, 10), rectangle(0, 0, 20, 60), rectangle(0, 0, 90, 30), rectangle(0, 0, 900, 9)]
    assert largest(quads, 2) == [2, 3]
    assert largest(quads, 9) == [2, 3, 0]  # the tall one tells nothing
    assert largest([], 3) == []


def test_long_words_weigh_more():
    assert sureness(words(("abcdefgh", 1.0), ("a", 0.1))) == pytest.approx(0.9)
    assert sureness([]) == sureness(words(("", 0.9))) == 0


@pytest.mark.parametrize(
    ("turned", "upright", "over"),
    [
        ([("안녕하세요", 0.9)], [("O누마옹여", 0.5)], True),
        ([("안녕", 0.7), ("여러분", 0.65)], [("으모", 0.5)], True),
        ([("안녕", 0.55)], [("으모", 0.5)], False),  # hardly surer
        ([("안녕", 0.4)], [("으모", 0.1)], False),  # not sure
        ([("HOTEL", 0.95)], [("7310H", 0.6)], True),
        ([("TY0", 0.95)], [("770", 0.6)], False),  # short, and no Hangul
        ([("(aa) bb", 0.85)], [("〈라라)", 0.7)], False),
        ([("SALESMAN", 0.99), ("312812-24", 1.0), ("Friend", 0.97)], [("NVWSETVS", 0.87), ("Z-ZI8ZI", 0.8)], True),
        ([("HOTEL", 0.65)], [("7310H", 0.3)], False),  # not sure
        ([("신한려고롱군엉원", 0.4), ("000000249", 0.5), ("RELQXED", 0.4)], [("출살EHMT니OS", 0.3)], True),
        ([("신한려고롱군엉원", 0.3), ("000000249", 0.3), ("RELQXED", 0.3)], [("출살EHMT니OS", 0.1)], False),
        ([("o", 0.98)], [("에", 0.1)], False),
        ([], [("가", 0.1)], False),
        ([("", 0.9)], [], False),
    ],
)
def test_what_shows_that_a_picture_stands_the_other_way(turned, upright, over):
    assert overturns(words(*turned), words(*upright)) is over
