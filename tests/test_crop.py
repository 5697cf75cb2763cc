from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge_ocr import geometry as g
from edge_ocr.crop import crop_quad, cut_overlaps, is_tall


def rectangle(x: float, y: float, w: float, h: float, angle: float = 0.0) -> np.ndarray:
    return g.rectangle_quads([[x, y]], [[w, h]], [angle])[0]


def quarters() -> np.ndarray:
    """Four fields of different colour: red, green / blue, white."""
    image = np.zeros((40, 160, 3), np.uint8)
    image[:20, :80] = 255, 0, 0
    image[:20, 80:] = 0, 255, 0
    image[20:, :80] = 0, 0, 255
    image[20:, 80:] = 255, 255, 255
    return image


def fields(crop: np.ndarray) -> list[tuple[int, ...]]:
    h, w = crop.shape[:2]
    spots = [(h // 4, w // 4), (h // 4, 3 * w // 4), (3 * h // 4, w // 4), (3 * h // 4, 3 * w // 4)]
    return [tuple(int(v) for v in crop[y, x]) for y, x in spots]


WANT = fields(quarters())


def placed(angle: float, size: tuple[int, int] = (400, 400)) -> tuple[np.ndarray, np.ndarray]:
    """The picture above laid into a grey one, turned about its middle, and its quad."""
    quad = rectangle(size[1] / 2, size[0] / 2, 160, 40, angle)
    m = g.warp_matrix([[0, 0], [160, 0], [160, 40], [0, 40]], quad)
    shift = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    m = shift @ m @ np.linalg.inv(shift)
    return cv2.warpPerspective(quarters(), m, size[::-1], borderValue=(90, 90, 90)), quad


@pytest.mark.parametrize("degrees", [0, 0.2, 5, -30, 90, 180, 135])
def test_crops_stand_upright(degrees):
    image, quad = placed(np.radians(degrees))
    crop = crop_quad(image, quad, height=32, margin=0)
    assert crop.image.shape[:2] == (40, 160)
    assert np.abs(np.array(fields(crop.image)) - np.array(WANT)).max() <= 2
    assert np.allclose(crop.quad, quad)


def test_a_straight_crop_is_cut_not_resampled():
    image = np.random.default_rng(0).integers(0, 256, (100, 200, 3), dtype=np.uint8)
    crop = crop_quad(image, rectangle(100, 50, 60, 20), height=32, margin=0)
    assert np.array_equal(crop.image, image[40:60, 70:130])
    crop = crop_quad(image, rectangle(100, 50, 60, 20), height=32, margin=0.1)
    assert np.array_equal(crop.image, image[38:62, 68:132])


def test_small_turned_text_is_enlarged_in_one_step():
    image, quad = placed(0.3)
    small = cv2.resize(image, (80, 80), interpolation=cv2.INTER_AREA)
    crop = crop_quad(small, quad / 5, height=32, margin=0)
    assert crop.image.shape[:2] == (32, 128)
    assert np.abs(np.array(fields(crop.image), int) - np.array(WANT)).max() < 40


@pytest.mark.parametrize("angle", [0.0, 0.4])
def test_large_text_is_shrunk_by_means(angle):
    image = np.zeros((1000, 1000, 3), np.uint8)
    image[::2] = 200  # stripes that a warp without means would turn into patterns
    crop = crop_quad(image, rectangle(500, 500, 700, 300, angle), height=32, margin=0).image
    assert crop.shape[:2] == (64, 149)
    assert np.abs(crop.astype(int) - 100).max() <= 25


def test_the_margin_is_parts_of_the_height():
    image, quad = placed(0.5)
    crop = crop_quad(image, quad, height=32, margin=0.1)
    assert crop.image.shape[:2] == (48, 168)


def test_a_turned_word_in_a_tall_quad():
    image, quad = placed(np.pi / 2)
    seen = np.roll(quad, -3, axis=0)  # as a detector names its corners: top left first, taller than wide
    assert is_tall(seen)
    assert not is_tall(quad)
    crop = crop_quad(image, seen, height=32, margin=0, turn=1).image
    assert np.abs(np.array(fields(crop)) - np.array(WANT)).max() <= 2
    crop = crop_quad(image, seen, height=32, margin=0, turn=3).image
    assert np.abs(np.array(fields(crop)) - np.array(WANT[::-1])).max() <= 2


def test_perspective():
    quad = np.array([[50.0, 60], [350, 20], [380, 300], [40, 200]])
    m = g.warp_matrix([[0, 0], [160, 0], [160, 40], [0, 40]], quad)
    shift = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    image = cv2.warpPerspective(quarters(), shift @ m @ np.linalg.inv(shift), (400, 400))
    crop = crop_quad(image, quad, height=32, margin=0).image
    assert crop.shape[0] == 64
    assert np.abs(np.array(fields(crop), int) - np.array(WANT)).max() <= 4


@pytest.mark.parametrize(
    "quad",
    [
        rectangle(0, 0, 60, 20),  # half outside
        rectangle(-500, -500, 60, 20),  # wholly outside
        rectangle(-500, 50, 60, 20, 0.5),
        rectangle(50, 50, 1e6, 20),  # absurdly wide
        rectangle(50, 50, 1e6, 20, 0.3),
        rectangle(50, 50, 3, 1e5),
        rectangle(50, 50, 1e5, 1e5, 0.2),
        np.zeros((4, 2)),
        np.full((4, 2), np.nan),
        rectangle(50, 50, 20, 10)[::-1],  # mirrored
        rectangle(50, 50, 20, 10)[[0, 2, 1, 3]],  # crossed
    ],
)
@pytest.mark.parametrize("margin", [0.0, 0.15])
def test_absurd_quads_give_bounded_crops(quad, margin):
    image = np.full((100, 120, 3), 77, np.uint8)
    crop = crop_quad(image, quad, height=32, margin=margin).image
    assert crop.dtype == np.uint8
    assert crop.ndim == 3
    assert crop.shape[0] >= 1
    assert crop.shape[1] >= 1
    assert crop.size <= 64 * 6400 * 3
    assert (crop == 77).all()


def test_overlapping_words_of_a_line_end_at_the_middle_of_what_they_share():
    a, b, c = rectangle(50, 20, 100, 20), rectangle(140, 21, 100, 22), rectangle(300, 20, 60, 20)
    cut = cut_overlaps([b, a, c])
    assert np.allclose(cut[1][:, 0], [0, 95, 95, 0])
    assert np.allclose(cut[0][:, 0], [95, 190, 190, 95])
    assert np.allclose(cut[0][:, 1], b[:, 1])
    assert np.allclose(cut[2], c)


@pytest.mark.parametrize("degrees", [25, -60, 180])
def test_overlaps_are_cut_along_the_line(degrees):
    pair = [rectangle(50, 20, 100, 20), rectangle(140, 20, 100, 20)]
    want = cut_overlaps(pair)
    turn = np.radians(degrees)
    assert np.allclose(cut_overlaps(g.rotate(pair, turn)), g.rotate(want, turn))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(rectangle(60, 20, 30, 12), id="inside"),
        pytest.param(rectangle(60, 20, 100, 20), id="mostly the same"),
        pytest.param(rectangle(100, 36, 100, 20), id="the next line"),
        pytest.param(rectangle(110, 20, 100, 60), id="much larger"),
        pytest.param(rectangle(110, 20, 100, 20, 0.4), id="turned"),
    ],
)
def test_what_is_no_overlap_in_a_line_stays(other):
    pair = np.stack([rectangle(50, 20, 100, 20), other])
    assert np.allclose(cut_overlaps(pair), pair)


def test_no_overlaps_without_quads():
    assert cut_overlaps(np.zeros((0, 4, 2))).shape == (0, 4, 2)
