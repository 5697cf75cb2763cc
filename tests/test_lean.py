from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from edge_ocr import OCR
from edge_ocr.crop import crop_quad
from edge_ocr.lean import upright_sides
from edge_ocr.orient import SURE
from edge_ocr.types import Region


def facade(degrees: float, wide: float = 200.0, high: float = 50.0) -> np.ndarray:
    """A parallelogram of upright sides whose ends climb (negative) or fall by ``degrees``."""
    rise = wide * math.tan(math.radians(degrees))
    return np.array([[0, 0], [wide, rise], [wide, rise + high], [0, high]]) + (60, 260 if degrees < 0 else 60)


def around(quad: np.ndarray) -> tuple[tuple[float, float], ...]:
    """The tight rectangle along the upper side of a quad, as a detector gives it."""
    u = (quad[1] - quad[0]) / np.linalg.norm(quad[1] - quad[0])
    v = np.array([-u[1], u[0]])
    a, b = quad @ u, quad @ v
    ends = ((a.min(), b.min()), (a.max(), b.min()), (a.max(), b.max()), (a.min(), b.max()))
    return tuple(tuple(u * x + v * y) for x, y in ends)


@pytest.mark.parametrize("degrees", [-40, -12, 7, 30])
def test_the_rectangle_around_a_facade_line_gives_its_outline_back(degrees):
    quad = facade(degrees)
    some, outlines = upright_sides([around(facade(0)), around(quad)])
    assert some == [1]
    assert np.allclose(outlines[0], quad, atol=1e-6)


def test_level_steep_and_short_boxes_are_left_alone():
    square = around(facade(30, wide=20, high=60))
    assert upright_sides([around(facade(3)), around(facade(60)), square]) == ([], [])
    assert upright_sides(np.zeros((0, 4, 2))) == ([], [])


@pytest.mark.parametrize("degrees", [-42, 42])
def test_a_blurred_word_on_a_facade_is_read_in_its_outline(degrees):
    """Drawn upright, then sheared: in the detector's rectangle the letters lean by most of their height, which a
    recognizer forgives while they are sharp."""
    flat = np.full((50, 260, 3), 200, np.uint8)
    cv2.putText(flat, "MUSEUM 48", (6, 40), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (90, 90, 90), 3, cv2.LINE_AA)
    quad = facade(degrees, 260.0, 50.0)
    corners = np.array([[0, 0], [260, 0], [260, 50], [0, 50]], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, quad.astype(np.float32))
    scene = np.full((540, 400, 3), 200, np.uint8)
    cv2.warpPerspective(flat, matrix, (400, 540), dst=scene, borderMode=cv2.BORDER_TRANSPARENT)
    scene = cv2.GaussianBlur(scene, (0, 0), 2.7)
    ocr = OCR(languages=("en",), threads=1)
    box = around(quad)
    (leaning,) = ocr.recognize([crop_quad(scene, box, height=32, margin=0.15)])
    assert leaning.confidence < SURE
    (word,) = ocr.read_regions(scene, [Region(box, 0.9)])
    assert word.text.replace(" ", "") == "MUSEUM48"
    assert word.confidence > leaning.confidence
    assert word.quad is not None
    assert np.allclose(word.quad, quad, atol=1e-6)
