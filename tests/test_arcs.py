from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from edge_ocr import OCR
from edge_ocr.arcs import Arc, arcs_of_marks, arcs_of_outline, set_straight


def bend(flat: np.ndarray, radius: float, arch: bool) -> np.ndarray:
    """A picture of one straight line, bent around a circle; its foot has the ``radius`` in an arch, else its head."""
    h, w = flat.shape[:2]
    half = w / radius / 2
    outer = radius + h
    width = int(2 * outer * math.sin(min(half, math.pi / 2))) + 1
    height = int(outer - radius * math.cos(half)) + 1
    x, y = np.meshgrid(np.arange(width) - (width - 1) / 2, outer - np.arange(height))
    r, angle = np.hypot(x, y), np.arctan2(x, y)
    source = flat if arch else flat[::-1]
    maps = (w / 2 + radius * angle).astype(np.float32), (outer - r).astype(np.float32)
    out = cv2.remap(source, *maps, cv2.INTER_LINEAR, borderValue=(255, 255, 255))
    return np.ascontiguousarray(out if arch else out[::-1])


def word(text: str, ink: tuple[int, int, int] = (20, 20, 90)) -> np.ndarray:
    (w, h), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, 1.6, 4)
    image = np.full((h + 8, w + 8, 3), 255, np.uint8)
    return cv2.putText(image, text, (4, h + 3), cv2.FONT_HERSHEY_DUPLEX, 1.6, ink, 4, cv2.LINE_AA)


def blocks(centre: tuple[float, float], radius: float, high: float, angles: list[float], arch: bool) -> np.ndarray:
    """Dark upright bars around a circle, as letters would stand: feet to the centre in an arch."""
    image = np.full((200, 320), 240, np.uint8)
    for a in angles:
        out = np.array([math.sin(a), -math.cos(a) if arch else math.cos(a)])
        along = np.array([-out[1], out[0]])
        middle = np.array(centre) + radius * out
        corners = [middle + i * high / 2 * out + j * 8 * along for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        cv2.fillPoly(image, [np.round(corners).astype(np.int32)], 30)
    return image


@pytest.mark.parametrize(("centre", "arch"), [((160.0, 190.0), True), ((160.0, 10.0), False)])
def test_marks_tell_their_circle(centre, arch):
    angles = [-0.8, -0.5, -0.2, 0.1, 0.4, 0.7]
    image = blocks(centre, 140, 30, angles, arch)
    cv2.rectangle(image, (4, 90), (14, 99), 30, -1)  # what is no letter
    dark = arcs_of_marks(image)[0]
    assert dark.arch == arch
    assert (dark.x, dark.y) == pytest.approx(centre, abs=3)
    assert (dark.inner, dark.outer) == pytest.approx((125, 155), abs=4)
    assert (dark.start, dark.end) == pytest.approx((-0.86, 0.76), abs=0.04)
    assert dark.bow == pytest.approx(140 * (1 - math.cos(0.8)) / 30, rel=0.2)


def test_no_marks_no_arcs():
    assert arcs_of_marks(np.full((40, 90), 200, np.uint8)) == []
    noise = np.random.default_rng(1).integers(0, 256, (64, 200)).astype(np.uint8)
    assert all(np.isfinite([a.x, a.y, a.inner, a.outer, a.start, a.end]).all() for a in arcs_of_marks(noise))


@pytest.mark.parametrize("arch", [True, False])
def test_an_outline_leaves_the_arc_it_was_cut_around(arch):
    flat = np.zeros((40, 240, 3), np.uint8)
    image = bend(flat, 240 / math.radians(95), arch)
    span = math.radians(95)
    here = [a for a in arcs_of_outline(*image.shape[:2]) if a.arch == arch and abs(a.end - a.start - span) < 0.01]
    level = [a for a in here if abs(a.start + a.end) < 0.01]
    assert len(level) == 1
    assert level[0].outer - level[0].inner == pytest.approx(40, abs=3)
    straight = set_straight(image, level[0])
    assert (straight[8:-8, 8:-8] < 128).mean() > 0.97


@pytest.mark.parametrize("arch", [True, False])
def test_a_word_set_straight_is_the_word(arch):
    flat = word("EDGE")
    h, w = flat.shape[:2]
    image = bend(flat, 130, arch)
    centre = (image.shape[1] - 1) / 2
    arc = Arc(centre, 130 + h if arch else image.shape[0] - 1 - 130 - h, 130, 130 + h, -w / 260, w / 260, arch)
    back = set_straight(image, arc)
    m = round(0.08 / 1.16 * back.shape[0])
    back = cv2.resize(back[m:-m, m:-m], (w, h))
    assert np.corrcoef(back[..., 0].ravel(), flat[..., 0].ravel())[0, 1] > 0.7


@pytest.mark.parametrize(("text", "arch"), [("RONALDO", True), ("UNIVERSITY", True), ("HARVEST", False)])
def test_words_on_arcs_are_read(text, arch):
    ocr = OCR(threads=1)
    read = [ocr.read(bend(word(text), radius, arch)).text for radius in (150, 160, 170, 180)]
    assert read.count(text) >= 3  # of drawn ones, nine in ten are, with any weights
