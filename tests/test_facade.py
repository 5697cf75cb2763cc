from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from edge_ocr import OCR, facade, reader
from edge_ocr import geometry as g
from edge_ocr.facade import better, facades
from edge_ocr.types import TextWord


def word(text: str, sure: float, x: float, y: float, wide: float = 120, high: float = 30, degrees: float = 20):
    """A word whose rectangle starts at (x, y) and falls by ``degrees``."""
    level = np.array([[x, y], [x + wide, y], [x + wide, y + high], [x, y + high]])
    quad = g.rotate(level, math.radians(degrees), (x, y))
    return TextWord(text, sure, quad=tuple((float(a), float(b)) for a, b in quad))


def test_words_that_climb_alike_and_stand_near_are_one_facade():
    one, two = word("OPEN", 0.6, 100, 100), word("DAILY", 0.99, 225, 146)
    found = facades([one, two, word("LEVEL", 0.5, 100, 300, degrees=2), word("OTHER", 0.5, 600, 500, degrees=-20)])
    assert [f.words for f in found] == [(one, two), found[1].words]
    assert [w.text for w in found[1].words] == ["OTHER"]


@pytest.mark.parametrize("degrees", [2, 50, -2, -60])
def test_level_and_steep_words_are_on_no_facade(degrees):
    assert facades([word("OPEN", 0.5, 300, 300, degrees=degrees)]) == []


def test_sure_words_and_whole_pages_and_small_print_are_not_looked_at_again():
    assert facades([word("OPEN", 0.97, 100, 100)]) == []
    assert facades([word("open", 0.5, 100, 100, wide=40, high=10)]) == []
    page = [word("word", 0.5, 100, 100 + 40 * k) for k in range(17)]
    assert facades(page) == []
    assert len(facades(page[:16])) == 1
    assert facades([]) == facades([TextWord("whole", 0.4)]) == []


def test_the_part_is_level_and_what_is_found_there_goes_back():
    high, wide = 60, 300
    climb = wide * math.tan(math.radians(-20))
    outline = np.array([[50, 250], [50 + wide, 250 + climb], [50 + wide, 250 + high + climb], [50, 250 + high]])
    picture = np.zeros((400, 400, 3), np.uint8)
    cv2.fillPoly(picture, [outline.astype(np.int32)], (255, 255, 255))
    (found,) = facades([TextWord("OPEN", 0.5, quad=tuple(map(tuple, outline.tolist())))])
    level, mapping = found.picture(picture)
    rows, columns = np.nonzero(level[..., 0] > 128)
    x0, x1, y0, y1 = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
    assert (level[y0 + 2 : y1 - 2, x0 + 2 : x1 - 2] > 128).all()  # an upright box: nothing leans or climbs
    back = found.back(((x0, y0), (x1, y0), (x1, y1), (x0, y1)), mapping)
    assert np.abs(np.array(back) - outline).max() < 4


def test_hostile_quads_make_no_large_pictures():
    far = TextWord("OPEN", 0.5, quad=((-1e5, 0.0), (1e5, 4e4), (1e5, 4.1e4), (-1e5, 1e3)))
    picture = np.zeros((480, 640, 3), np.uint8)
    for found in facades([far]):
        assert max(found.picture(picture)[0].shape) <= 2000


def test_surer_words_take_the_place_of_what_they_show():
    cut, piece, beside = word("PEN", 0.6, 100, 100), word("1N", 0.4, 210, 140, wide=30), word("EXIT", 0.99, 100, 300)
    (found,) = facades([cut, piece, beside])[:1]
    whole, again = word("OPEN", 0.97, 90, 97, wide=160), word("EXlT", 0.98, 101, 301)
    assert {w.text for w in better([cut, piece, beside], found, [whole]) or []} == {"OPEN", "EXIT"}
    assert {w.text for w in better([cut, piece, beside], found, [whole, again]) or []} == {"OPEN", "EXIT"}
    overlooked, guess = word("DAILY", 0.95, 300, 180), word("~", 0.5, 300, 180)
    assert {w.text for w in better([cut, beside], found, [whole, overlooked]) or []} == {"OPEN", "DAILY", "EXIT"}
    assert {w.text for w in better([cut, beside], found, [whole, guess]) or []} == {"OPEN", "EXIT"}


def test_what_gains_no_letters_changes_nothing():
    cut = word("PEN", 0.6, 100, 100)
    (found,) = facades([cut])
    assert better([cut], found, []) is None
    assert better([cut], found, [word("PEN", 0.62, 100, 100)]) is None
    assert better([cut], found, [TextWord("OPEN", 0.99)]) is None


def facade_scene() -> np.ndarray:
    """A board with a high word, and two rows beside it, as it looks from the side."""
    board = np.full((150, 640, 3), (30, 40, 120), np.uint8)
    cv2.putText(board, "MUSEUM", (20, 118), cv2.FONT_HERSHEY_DUPLEX, 3.0, (240, 240, 240), 7, cv2.LINE_AA)
    cv2.putText(board, "OPEN DAILY", (410, 62), cv2.FONT_HERSHEY_DUPLEX, 1.15, (240, 240, 240), 3, cv2.LINE_AA)
    cv2.putText(board, "TICKETS 48", (410, 122), cv2.FONT_HERSHEY_DUPLEX, 1.15, (240, 240, 240), 3, cv2.LINE_AA)
    corners = np.array([[0, 0], [640, 0], [640, 150], [0, 150]], np.float32)
    seen = np.array([[60, 420], [520, 120], [520, 250], [60, 590]], np.float32)
    scene = np.full((640, 600, 3), 90, np.uint8)
    cv2.warpPerspective(
        board, cv2.getPerspectiveTransform(corners, seen), (600, 640), dst=scene, borderMode=cv2.BORDER_TRANSPARENT
    )
    return cv2.GaussianBlur(scene, (0, 0), 1.2)


def test_a_facade_is_read_level(monkeypatch):
    scene = facade_scene()
    ocr = OCR(languages=("en",), threads=1)
    monkeypatch.setattr(facade, "_DOUBT", 1.0)  # however sure the models of the day are
    assert shown(ocr, scene) >= {"MUSEUM", "OPEN", "DAILY", "TICKETS", "48"}
    monkeypatch.setattr(reader, "facades", lambda words: [])
    assert not shown(ocr, scene) & {"TICKETS", "48"}


def shown(ocr: OCR, scene: np.ndarray) -> set[str]:
    return {part for w in ocr.read(scene).words for part in w.text.split()}
