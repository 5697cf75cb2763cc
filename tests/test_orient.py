from __future__ import annotations

import numpy as np
import pytest

from edge_ocr import geometry as g
from edge_ocr.orient import Pose, largest, mirrors, overturns, sureness, turn_picture
from edge_ocr.types import TextWord


def rectangle(x: float, y: float, w: float, h: float) -> np.ndarray:
    return g.box_quads([[x, y, x + w, y + h]])[0]


def words(*given: tuple[str, float]) -> list[TextWord]:
    return [TextWord(text, confidence) for text, confidence in given]


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_quads_find_back_to_the_picture_as_it_was(degrees, mirrored):
    picture = np.zeros((60, 100, 3), np.uint8)
    picture[10:20, 20:70] = 255
    pose = Pose(degrees, mirrored)
    upright = pose.set_upright(picture)
    assert upright.shape[:2] == ((60, 100) if degrees % 180 == 0 else (100, 60))
    assert bool(pose) == (degrees != 0 or mirrored)
    y, x = np.nonzero(upright[..., 0])
    box = rectangle(x.min(), y.min(), x.max() + 1 - x.min(), y.max() + 1 - y.min())
    back = np.array(pose.back(tuple(map(tuple, box.tolist())), (60, 100)))
    assert sorted(map(tuple, back.tolist())) == [(20, 10), (20, 20), (70, 10), (70, 20)]
    # Text that runs to the right on the turned picture ran against the turn on the picture, to the left if mirrored.
    along = 180 + degrees if mirrored else -degrees
    assert np.degrees(np.arctan2(*(back[1] - back[0])[::-1])) % 360 == pytest.approx(along % 360)


def test_a_picture_is_mirrored_before_it_is_turned():
    picture = np.zeros((2, 3, 3), np.uint8)
    picture[0, 0] = 9  # mirrored it stands at the top right, turned at the bottom right
    assert Pose(90, True).set_upright(picture)[-1, -1, 0] == 9


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


@pytest.mark.parametrize(
    ("mirrored", "best", "so"),
    [
        ([("주민등록증", 0.95)], [("증롤등민주", 0.4)], True),
        ([("주민등록증", 0.65)], [("증롤등민주", 0.3)], False),  # enough for a turn, not for a mirror
        ([("AUTOMAT", 0.8)], [("TAMOTUA", 0.65)], False),  # letters that are alike on both sides
    ],
)
def test_what_shows_that_a_picture_is_mirrored(mirrored, best, so):
    assert mirrors(words(*mirrored), words(*best)) is so
