"""Quality figures on pictures that get worse step by step, and hints from them."""

from __future__ import annotations

import dataclasses
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_ocr.errors import InputError
from edge_ocr.manifest import QualityLimits
from edge_ocr.quality import SENTENCES, Quality, assess, assess_frame, hints

Image = NDArray[np.uint8]
Quad = NDArray[np.float64]
LIMITS = QualityLimits(height=24, blur=0.6, motion=0.5, dark=0.75, over_exposed=0.6, glare=0.25, too_far=0.5,
                       tilted=0.4, cut=0.9)
TEXTS = ("OPEN 09:00", "Parking", "SEOUL 37", "12345678")


def lettered(text: str, height: int = 32, *, ink: int = 30, ground: int = 220) -> tuple[Image, Quad]:
    """A frame 480 x 640 with a line of text in its middle, and the text's quad."""
    scale = height / 22
    thick = max(1, round(height / 12))
    (w, h), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    frame = np.full((480, 640, 3), ground, np.uint8)
    x, y = 320 - w // 2, 240 + h // 2
    cv2.putText(frame, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, (ink,) * 3, thick, cv2.LINE_AA)
    return frame, np.array([[x, y - h], [x + w, y - h], [x + w, y], [x, y]], float) + [0, 1]


def figure(name: str, frames: list[tuple[Image, Quad]]) -> float:
    """The mean of a figure over frames of one text each."""
    return float(np.mean([getattr(assess(frame, [quad], height=24)[0], name) for frame, quad in frames]))


def frames(**options: Any) -> list[tuple[Image, Quad]]:
    return [lettered(text, **options) for text in TEXTS]


def smear(frame: Image, length: int, angle: float) -> Image:
    kernel = np.zeros((length, length), np.float32)
    c, d = length // 2, length // 2 * np.array([np.cos(angle), np.sin(angle)])
    cv2.line(kernel, tuple(np.rint(c - d).astype(int).tolist()), tuple(np.rint(c + d).astype(int).tolist()), 1.0)
    return np.asarray(cv2.filter2D(frame, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE))


def light(frame: Image, gain: float, offset: float = 0) -> Image:
    return np.clip(frame.astype(float) * gain + offset, 0, 255).astype(np.uint8)


def rising(values: list[float], *, by: float) -> bool:
    return all(b >= a - 1e-9 for a, b in zip(values, values[1:], strict=False)) and values[-1] - values[0] >= by


@pytest.mark.parametrize("height", [16, 32, 64])
def test_a_good_picture_gives_no_hint(height: int) -> None:
    for frame, quad in frames(height=height):
        assert hints(assess(frame, [quad], height=24)[0], LIMITS) == ()


@pytest.mark.parametrize("height", [24, 32, 64])
def test_blur_grows_with_defocus(height: int) -> None:
    steps = [0.0, 0.03, 0.06, 0.1, 0.15]
    blurred = [
        [(np.asarray(cv2.GaussianBlur(f, (0, 0), s * height)) if s else f, q) for f, q in frames(height=height)]
        for s in steps
    ]
    values = [figure("blur", some) for some in blurred]
    assert rising(values, by=0.5)
    assert values[0] < 0.3
    assert values[-1] > LIMITS.blur
    fitness = [figure("fitness", some) for some in blurred]
    assert rising([-v for v in fitness], by=0.3)


def test_blur_is_relative_to_the_text() -> None:
    small = figure("blur", [(np.asarray(cv2.GaussianBlur(f, (0, 0), 3)), q) for f, q in frames(height=24)])
    large = figure("blur", [(np.asarray(cv2.GaussianBlur(f, (0, 0), 3)), q) for f, q in frames(height=72)])
    assert small > large + 0.3


@pytest.mark.parametrize("angle", [0, np.pi / 4, np.pi / 2, 3 * np.pi / 4])
def test_motion_grows_with_the_smear(angle: float) -> None:
    values = [figure("motion", [(smear(f, n, angle), q) for f, q in frames()]) for n in (1, 7, 13, 21)]
    assert values[0] < 0.3
    assert values[-1] > values[0] + 0.15
    assert rising(values, by=0.15)


def test_motion_is_told_from_defocus() -> None:
    smeared = [(smear(f, 13, 0), q) for f, q in frames()]
    defocused = [(np.asarray(cv2.GaussianBlur(f, (0, 0), 3.2)), q) for f, q in frames()]
    assert figure("motion", smeared) > figure("motion", defocused) + 0.25
    assert figure("blur", defocused) > figure("blur", smeared) + 0.2


def test_noise_does_not_pass_for_sharpness() -> None:
    rng = np.random.default_rng(3)
    blurred = [(np.asarray(cv2.GaussianBlur(f, (0, 0), 4)), q) for f, q in frames()]
    noisy = [(light(f + rng.normal(0, 10, f.shape), 1), q) for f, q in blurred]
    assert figure("blur", noisy) > 0.6


def test_dark_grows_as_the_light_goes() -> None:
    values = [figure("dark", [(light(f, gain), q) for f, q in frames()]) for gain in (1, 0.7, 0.4, 0.2, 0.1)]
    assert rising(values, by=0.7)
    assert values[0] < 0.2
    assert values[-1] > LIMITS.dark


def test_white_letters_on_black_are_not_dark() -> None:
    assert figure("dark", frames(ink=235, ground=15)) < 0.2


def test_over_exposed_grows_with_the_light() -> None:
    values = [figure("over_exposed", [(light(f, 1, add), q) for f, q in frames()]) for add in (0, 60, 120, 180, 220)]
    assert rising(values, by=0.8)
    assert values[0] == 0
    assert values[-1] > LIMITS.over_exposed


def test_white_paper_is_neither_over_exposed_nor_glare() -> None:
    paper = frames(ink=20, ground=255)
    assert figure("over_exposed", paper) < 0.2
    assert figure("glare", paper) < 0.1


def test_glare_grows_with_the_spot() -> None:
    def spotted(frame: Image, quad: Quad, radius: int) -> Image:
        spot = np.zeros(frame.shape[:2], np.float32)
        cv2.circle(spot, tuple(np.rint(quad.mean(0)).astype(int).tolist()), radius, 1.0, -1)
        spot = np.asarray(cv2.GaussianBlur(spot, (0, 0), 2))[..., None] * 255 if radius else spot[..., None]
        return np.maximum(frame, spot.astype(np.uint8))

    values = [figure("glare", [(spotted(f, q, r), q) for f, q in frames()]) for r in (0, 16, 32, 64)]
    assert values[0] == 0
    assert rising(values, by=0.4)


def test_too_far_is_what_lacks_of_the_height() -> None:
    for height, expected in ((48, 0.0), (24, 0.0), (12, 0.5), (6, 0.75)):
        quad = np.array([[100, 100], [180, 100], [180, 100 + height], [100, 100 + height]], float)
        found = assess(np.full((300, 400, 3), 128, np.uint8), [quad], height=24)[0]
        assert found.too_far == pytest.approx(expected)


def test_tilted_by_angle_skew_and_perspective() -> None:
    frame = np.full((300, 400, 3), 128, np.uint8)
    box = np.array([[100, 100], [220, 100], [220, 140], [100, 140]], float)

    def tilt(quad: Quad) -> float:
        return assess(frame, [quad], height=24)[0].tilted

    assert tilt(box) == pytest.approx(0)
    for degrees in (9, 45, 80):
        a = np.deg2rad(degrees)
        turned = (box - 150) @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) + 150
        assert tilt(turned) == pytest.approx(degrees / 90)
    sheared = box + [[40, 0], [40, 0], [0, 0], [0, 0]]  # 40 along, 40 across: half a right angle
    assert tilt(sheared) == pytest.approx(0.5)
    narrowing = np.array([[100, 100], [220, 110], [220, 130], [100, 140]], float)  # right edge half of the left one
    assert tilt(narrowing) == pytest.approx(0.5)


@pytest.mark.parametrize(("x", "expected"), [(100, 0.0), (10, 0.0), (5, 0.5), (0, 1.0), (-20, 1.0)])
def test_cut_near_the_edge(x: int, expected: float) -> None:
    quad = np.array([[x, 100], [x + 120, 100], [x + 120, 140], [x, 140]], float)
    assert assess(np.full((300, 400, 3), 128, np.uint8), [quad], height=24)[0].cut == pytest.approx(expected)


def test_whole_frames() -> None:
    frame, _ = lettered("SEOUL 37", height=64)
    good = assess_frame(frame)
    assert hints(good, LIMITS) == ()
    assert assess_frame(np.asarray(cv2.GaussianBlur(frame, (0, 0), 8))).blur > good.blur + 0.3
    assert [h.kind for h in hints(assess_frame(light(frame, 0.05)), LIMITS)] == ["dark"]
    assert [h.kind for h in hints(assess_frame(light(frame, 1, 230)), LIMITS)] == ["over_exposed"]
    assert assess_frame(np.full((480, 640), 100, np.uint8)).blur == 0  # nothing there to be sharp


@pytest.mark.parametrize("size", [(1, 1), (2, 50), (40, 3)])
def test_tiny_pictures(size: tuple[int, int]) -> None:
    frame = np.arange(size[0] * size[1] * 3, dtype=np.uint32).astype(np.uint8).reshape(*size, 3)
    whole = np.array([[0, 0], [size[1], 0], [size[1], size[0]], [0, size[0]]], float)
    for found in (assess_frame(frame), *assess(frame, [whole, whole - 50], height=24)):
        assert all(0 <= v <= 1 for v in dataclasses.asdict(found).values())
        assert 0 < found.fitness <= 1


def test_no_quads() -> None:
    assert assess(np.zeros((10, 10, 3), np.uint8), [], height=24) == []


def test_hints_are_ordered_and_worded() -> None:
    found = hints(Quality(blur=0.7, dark=0.99, cut=0.89), LIMITS)
    assert [h.kind for h in found] == ["dark", "blur"]
    assert found[0].to_dict() == {"kind": "dark", "value": 0.99, "sentence": SENTENCES["en"]["dark"]}
    assert hints(Quality(dark=0.99), LIMITS, language="ko")[0].sentence == SENTENCES["ko"]["dark"]
    assert hints(Quality(dark=0.99), None) == ()
    assert hints(Quality(dark=0.99), dataclasses.replace(LIMITS, dark=0.0)) == ()
    with pytest.raises(InputError, match="en, ko"):
        hints(Quality(), LIMITS, language="fr")


def test_every_figure_has_a_limit_and_sentences() -> None:
    kinds = [f.name for f in dataclasses.fields(Quality)]
    assert {*kinds, "height"} == {f.name for f in dataclasses.fields(QualityLimits)}
    for sentences in SENTENCES.values():
        assert list(sentences) == kinds
