from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge_ocr.whole import looks, spread_colours


def strip(h: int = 40, w: int = 200) -> np.ndarray:
    """A level bar, 10 px high, as a word's stand-in."""
    image = np.full((h, w, 3), 255, np.uint8)
    image[h // 2 - 5 : h // 2 + 5, 10 : w - 10] = 0
    return image


def moved(image: np.ndarray, shift: np.ndarray) -> np.ndarray:
    h, w = image.shape[:2]
    y = (np.arange(h)[:, None] - shift[None]).astype(np.float32)
    x = np.broadcast_to(np.arange(w, dtype=np.float32), y.shape)
    return cv2.remap(image, np.ascontiguousarray(x), y, cv2.INTER_LINEAR, borderValue=(255, 255, 255))


def levelness(image: np.ndarray) -> float:
    """How far the ink's middle strays from a level line, in parts of the height."""
    dark = (image[..., 0] < 128).astype(float)
    columns = np.flatnonzero(dark.sum(0) > 0)
    middle = (dark * np.arange(len(dark))[:, None]).sum(0)[columns] / dark.sum(0)[columns]
    return float(np.ptp(middle)) / len(image)


ALONG = np.linspace(-0.5, 0.5, 200)


@pytest.mark.parametrize(
    "shift",
    [
        pytest.param(ALONG * 0.12 * 200, id="falling"),
        pytest.param(-ALONG * 0.12 * 200, id="rising"),
        pytest.param(25 * (0.5 - 4 * ALONG**2), id="hanging"),
        pytest.param(-25 * (0.5 - 4 * ALONG**2), id="arched"),
    ],
)
def test_one_look_undoes_a_rise_or_an_arc(shift):
    image = moved(cv2.copyMakeBorder(strip(), 10, 10, 0, 0, cv2.BORDER_CONSTANT, value=(255, 255, 255)), shift)
    lots = list(looks(image))
    assert [straightened for _, straightened in lots] == [False, True, True]
    assert levelness(lots[0][0][0]) > 0.25
    assert min(levelness(x) for lot, _ in lots[1:] for x in lot if (x[..., 0] < 128).any()) < 0.15


def test_colours_that_are_equally_bright_are_told_apart():
    image = np.empty((20, 60, 3), np.uint8)
    image[:] = 200, 100, 90
    image[5:15, 10:50] = 60, 169, 100
    assert np.ptp(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)) < 5
    grey = spread_colours(image)
    assert grey.shape == image.shape
    assert abs(int(grey[10, 30, 0]) - int(grey[0, 0, 0])) == 255


@pytest.mark.parametrize("size", [(1, 1), (4, 400), (256, 3), (10, 10), (256, 6000)])
def test_pictures_of_any_size_have_looks(size):
    lots = [lot for lot, _ in looks(np.full((*size, 3), 7, np.uint8))]
    assert len(lots[0]) == 3
    assert all(x.size and x.dtype == np.uint8 and x.ndim == 3 for lot in lots for x in lot)
    assert all(x.shape[0] <= 80 for lot in lots for x in lot)
