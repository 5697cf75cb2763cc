"""Drawings: boxes where the words are, and letters that can be told apart."""

from __future__ import annotations

import pathlib

import cv2
import numpy as np
import pytest

from edge_ocr.draw import _glyph, _strokes, draw, overlay, save_png
from edge_ocr.errors import InputError
from edge_ocr.types import Quad, Region, TextWord


def box(x: float, y: float, w: float, h: float) -> Quad:
    return ((x, y), (x + w, y), (x + w, y + h), (x, y + h))


def test_every_syllable_has_strokes_of_its_own() -> None:
    syllables = [chr(c) for c in range(0xAC00, 0xD7A4)]
    drawn = {s: _strokes(s) for s in syllables}
    assert all(drawn.values())
    assert len(set(drawn.values())) == 11172
    points = np.array([p for s in drawn.values() for stroke in s for p in stroke])
    assert points.min() >= 0
    assert points.max() <= 1


def test_letters_can_be_told_apart() -> None:
    glyphs = {c: _glyph(c, 40, 2) for c in "한글을가나다각낙닥abcABC0O1lㅋㅠ €"}
    for a, glyph in glyphs.items():
        assert glyph.shape[0] == 40
        assert (glyph.max() > 0) == (a != " ")
        for b, other in glyphs.items():
            same = glyph.shape == other.shape and bool((glyph == other).all())
            assert same == (a == b), (a, b)


def test_words_stand_beside_the_picture_in_their_places() -> None:
    image = np.full((400, 500, 3), 100, np.uint8)
    before = image.copy()
    drawn = draw(image, [TextWord("한글", 0.9, (), box(50, 60, 120, 50)), TextWord("no quad", 0.9)])
    np.testing.assert_array_equal(image, before)
    assert drawn.dtype == np.uint8
    assert drawn.shape == (400, 1000, 3)
    left, right = drawn[:, :500], drawn[:, 500:]
    assert (left[80, 40:60] != 100).any()  # the box's left edge
    assert (left[65:105, 55:165] == 100).all()  # nothing is written over the picture
    assert (right[65:105, 55:165] < 60).sum() > 300  # ink
    outside = right.copy()
    outside[55:115, 45:175] = 255
    assert (outside == 255).all()


def test_a_wide_picture_has_its_page_below() -> None:
    assert draw(np.zeros((100, 2400, 3), np.uint8), [TextWord("a", 1, (), box(5, 5, 40, 40))]).shape == (200, 2400, 3)


def test_regions_alone_need_no_page() -> None:
    image = np.zeros((300, 400, 3), np.uint8)
    assert draw(image, [Region(box(10, 10, 100, 30), 0.9)]).shape == image.shape
    assert draw(image, []).shape == image.shape


def test_small_text_is_enlarged_within_bounds() -> None:
    image = np.zeros((300, 400, 3), np.uint8)
    drawn = draw(image, [Region(box(10, 10, 50, 11), 0.9)])
    assert drawn.shape == (600, 800, 3)
    assert max(draw(image, [Region(box(10, 10, 5, 1), 0.9)]).shape) <= 2400


def test_good_and_bad_have_different_colours() -> None:
    image = np.zeros((200, 200, 3), np.uint8)
    good, bad = (draw(image, [Region(box(20, 20, 100, 50), s)])[20, 60].astype(int) for s in (1.0, 0.2))
    assert good[1] > good[0] + 100
    assert bad[0] > bad[1] + 100


@pytest.mark.parametrize(
    "quad",
    [
        box(-500, -500, 100, 40),
        box(190, 190, 1e6, 1e6),
        box(10, 10, 0, 0),
        box(10, 10, 0.2, 30),
        ((150, 20), (150, 120), (110, 120), (110, 20)),
        ((-1e5, 3), (1e5, 3), (1e5, 60), (-1e5, 60)),
    ],
)
def test_wild_quads_do_no_harm(quad: Quad) -> None:
    texts = ("글 x\ud83d\n\U0001f600é", "", "W" * 100_000)
    drawn = draw(np.zeros((200, 200, 3), np.uint8), [TextWord(text, 0.5, (), quad) for text in texts])
    assert drawn.shape[0] >= 200


def test_png_comes_back_as_it_went(tmp_path: pathlib.Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    save_png(tmp_path / "그림.png", image)
    back = cv2.imdecode(np.frombuffer((tmp_path / "그림.png").read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(back[:, :, ::-1], image)
    with pytest.raises(InputError, match="cannot be written"):
        save_png(tmp_path / "missing" / "a.png", image)


def test_overlay_keeps_the_frame_and_its_size() -> None:
    frame = np.full((240, 320, 3), 200, np.uint8)
    quad = ((50.0, 60.0), (150.0, 60.0), (150.0, 90.0), (50.0, 90.0))
    far = ((-5000.0, 60.0), (5000.0, 60.0), (5000.0, 90.0), (-5000.0, 90.0))
    drawn = overlay(frame, [(quad, "한글 Aé", 1.0), (far, "x" * 500, 0.1)], ["one", "둘"])
    assert drawn.shape == frame.shape
    assert (frame == 200).all()
    changed = (drawn != frame).any(axis=2)
    assert changed[46:60, 50:80].mean() > 0.5  # the label, above its box
    assert changed[66:84, 60:140].mean() == 0  # nothing inside it
    assert changed[216:, :10].mean() > 0.5  # both lines
    assert changed[100:200].mean() < 0.02


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (12, 5)])
def test_overlay_on_tiny_frames(size: tuple[int, int]) -> None:
    quad = ((0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0))
    frame = np.zeros((*size, 3), np.uint8)
    assert overlay(frame, [(quad, "글", 0.5)], ["a long line of text"]).shape == frame.shape
