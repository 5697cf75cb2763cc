from __future__ import annotations

import numpy as np
import pytest

from edge_ocr.preprocess import crop_to_line, grey, letterbox, resize


def picture(h: int, w: int) -> np.ndarray:
    return np.random.default_rng(h * 1000 + w).integers(0, 256, (h, w, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [(480, 640), (96, 96), (32, 1280)])
@pytest.mark.parametrize("shape", [(480, 640), (1, 1), (10, 2000), (2000, 10), (1, 5000), (25, 16), (999, 1001)])
@pytest.mark.parametrize("border", [0, 12])
def test_letterbox_fits_and_comes_back(shape, size, border):
    if 2 * border >= min(size):
        pytest.skip("no room")
    image = picture(*shape)
    box = letterbox(image, size, 114, border=border)
    assert box.image.shape == (*size, 3)
    assert box.image.dtype == np.uint8
    corners = np.array([[0, 0], [shape[1], 0], [shape[1], shape[0]], [0, shape[0]]], float)
    there = box.to_canvas(corners)
    assert there.min() >= border
    assert there[:, 0].max() <= size[1] - border
    assert there[:, 1].max() <= size[0] - border
    assert np.allclose(box.to_image(there), corners)
    # Touches the room's edges along one axis, within the rounding of a pixel.
    slack = np.array([size[1] - 2 * border, size[0] - 2 * border]) - (there[2] - there[0])
    assert slack.min() < 1


def test_letterbox_puts_the_picture_where_it_says():
    image = np.full((40, 80, 3), 200, np.uint8)
    box = letterbox(image, (160, 160), 7)
    assert box.scale == (2.0, 2.0)
    assert box.offset == (0.0, 40.0)
    assert (box.image[40:120] == 200).all()
    assert (box.image[:40] == 7).all()
    assert (box.image[120:] == 7).all()


def test_letterbox_stops_growing():
    box = letterbox(picture(10, 20), (160, 160), 0, max_scale=3.0)
    assert box.scale == (3.0, 3.0)
    assert box.offset == (50.0, 65.0)


def test_letterbox_of_the_right_size_is_the_picture_itself():
    image = picture(64, 96)
    assert letterbox(image, (64, 96), 0).image is image


def test_letterbox_refuses_nothing():
    with pytest.raises(ValueError, match="does not go"):
        letterbox(np.zeros((0, 5, 3), np.uint8), (32, 32), 0)


def test_resize_shrinks_by_means_and_grows_by_interpolation():
    stripes = np.zeros((8, 8), np.uint8)
    stripes[:, ::2] = 200
    assert (resize(stripes, (8, 4)) == 100).all()
    assert (resize(stripes, (16, 4)) == 100).all()  # one axis shrinks, the other grows
    ramp = np.array([[0, 100]], np.uint8)
    assert resize(ramp, (1, 4)).tolist() == [[0, 25, 75, 100]]
    assert resize(stripes, (8, 8)) is stripes


def test_grey():
    image = np.zeros((1, 3, 3), np.uint8)
    image[0, 0, 0] = image[0, 1, 1] = image[0, 2, 2] = 255
    assert grey(image).tolist() == [[76, 150, 29]]
    assert grey(image[..., 0]) is not None
    assert grey(image[..., :1]).shape == (1, 3)


@pytest.mark.parametrize(
    ("shape", "width"),
    [((32, 100), 100), ((64, 100), 50), ((16, 100), 200), ((500, 3), 1), ((1, 1), 32), ((10, 20000), 640)],
)
def test_crop_to_line(shape, width):
    line = crop_to_line(picture(*shape), height=32, max_width=640)
    assert line.shape == (32, width)
    assert line.dtype == np.uint8


def test_crop_to_line_refuses_nothing():
    with pytest.raises(ValueError, match="nothing"):
        crop_to_line(np.zeros((0, 5, 3), np.uint8), height=32)


def test_narrow_lines_are_stretched_to_the_least_width() -> None:
    narrow, wide = np.arange(32 * 50, dtype=np.uint32).reshape(32, 50).astype(np.uint8), np.zeros((32, 200), np.uint8)
    line = crop_to_line(narrow, height=32, min_width=160)
    assert line.shape == (32, 160)
    np.testing.assert_array_equal(crop_to_line(line, height=32, min_width=160), line)  # once is enough
    assert crop_to_line(wide, height=32, min_width=160).shape == (32, 200)
    assert crop_to_line(narrow, height=32).shape == (32, 50)
