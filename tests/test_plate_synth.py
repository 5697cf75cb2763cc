"""Drawn plates: what stands on them is what their text says, and where their lines are said to be."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("PIL")
from PIL import ImageFont

from edge_ocr.scanners.plate import REGIONS, grammar, parse
from training.synth.legible import legible
from training.synth.plate import KINDS, PAD, SCALE, SILENT, PlateSynth, _Art
from training.synth.plate_other import OtherText

CHARSETS = Path(__file__).parents[1] / "training" / "charsets"
CHARSET = (CHARSETS / "plate-kr.txt").read_text(encoding="utf-8").rstrip("\n")
TYPES = {  # the kinds of plate that templates come for: size in millimetres, cells in rows of (count, y, height)
    "P1-1": ((520, 110), [(7, 14, 83)]),
    "P1-3": ((520, 110), [(8, 14, 83)]),
    "P1-4": ((520, 110), [(8, 13, 85)]),
    "P2": ((440, 200), [(7, 60, 105)]),
    "P3": ((440, 220), [(3, 11, 61), (5, 84, 116)]),
    "P4": ((520, 110), [(8, 14, 83)]),
    "P5": ((335, 170), [(3, 14, 38), (5, 60, 90)]),
    "P6": ((335, 170), [(3, 13, 37), (4, 64, 92)]),
}


@dataclass(frozen=True)
class PlainFace:
    """Pillow's own face; it has no Hangul, and draws a box for it."""

    name: str = "default"

    def font(self, size: int) -> ImageFont.FreeTypeFont:
        font = ImageFont.load_default(size)
        assert isinstance(font, ImageFont.FreeTypeFont)
        return font


@pytest.fixture(scope="module")
def synth(tmp_path_factory: pytest.TempPathFactory) -> PlateSynth:
    root = tmp_path_factory.mktemp("plate_kr")
    art = {}
    for name, ((wide, high), rows) in TYPES.items():
        cells = [[8 + k * (wide - 16) / n, y, (wide - 16) / n, h] for n, y, h in rows for k in range(n)]
        art[name] = _type(root / name, (wide, high), cells)
    art["P1-2"] = art["P1-1"]
    return PlateSynth(art, [PlainFace()], [])  # type: ignore[list-item]


def _type(folder: Path, size: tuple[int, int], cells: list[list[float]]) -> _Art:
    """A type of plate whose figures are solid blocks: enough to see where they are put."""
    folder.mkdir()
    ground = 74 if folder.name in ("P5", "P6") else 255  # green ones bear white figures
    template = np.full((round(size[1] * 1.6), round(size[0] * 1.6), 4), 255, np.uint8)
    template[..., :3] = ground
    cv2.imwrite(str(folder / "template.png"), template)
    _, _, w, h = cells[-1]
    block = np.zeros((round(h * 1.6), round(w * 1.6), 4), np.uint8)
    block[12:-12, 12:-12, 3] = 255
    names = [*"0123456789"]
    for c in names:
        cv2.imwrite(str(folder / f"{c}.png"), block)
    return _Art(folder, {"plate_mm": size, "cells_mm_xywh": cells, "glyphs": ["template", *names]})


@pytest.mark.parametrize("kind", ["white7", "green6"])
def test_a_plate_can_be_photographed_again(synth: PlateSynth, kind: str) -> None:
    rng = np.random.default_rng(5)
    first = synth.sample(rng, kind)
    assert first.recipe is not None and first.recipe.style == kind and "".join(first.recipe.lines) == first.text
    again = [x for x in (synth.again(rng, first.recipe) for _ in range(4)) if x is not None]
    assert again and all(x.text == first.text and x.recipe == first.recipe for x in again)
    assert any(x.image.shape != first.image.shape or (x.image != first.image).any() for x in again)


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in SILENT])
def test_the_text_is_one_that_plates_have(synth: PlateSynth, kind: str) -> None:
    rng = np.random.default_rng(3)
    for _ in range(300):
        lines = synth.text(rng, kind)
        text = "".join(lines)
        assert set(text) <= set(CHARSET), text
        assert parse(text) is not None, text
        assert grammar().matches(text), text


def test_every_region_and_letter_is_drawn(synth: PlateSynth) -> None:
    rng = np.random.default_rng(4)
    texts = ["".join(synth.text(rng, k)) for k in KINDS if k not in SILENT for _ in range(400)]
    texts += ["".join(synth.text(rng, "motorcycle")) for _ in range(3000)]
    seen = set("".join(texts))
    assert seen == set(CHARSET), "the charset and what is drawn differ"
    assert {t[:2] for t in texts} >= set(REGIONS)


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in SILENT])
def test_the_lines_are_where_they_are_said_to_be(synth: PlateSynth, kind: str) -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        lines = synth.text(rng, kind)
        image, boxes, ink = synth.draw(rng, kind, lines)
        assert ink.shape == image.shape
        assert image.dtype == np.uint8 and image.ndim == 2
        assert len(boxes) == len(lines)
        pad = PAD * SCALE - 1
        for x, y, w, h in boxes:
            assert x >= pad and y >= pad and x + w <= image.shape[1] - pad and y + h <= image.shape[0] - pad
            assert w > 2 * h
            patch = image[round(y) : round(y + h), round(x) : round(x + w)]
            assert np.ptp(patch) > 20, "no ink in the box"
        if len(boxes) == 2:
            assert boxes[0][1] + boxes[0][3] <= boxes[1][1] + 1, "the upper line ends above the lower one"


@pytest.mark.parametrize("kind", list(KINDS))
def test_samples_are_lines_of_the_recognizer(synth: PlateSynth, kind: str) -> None:
    rng = np.random.default_rng(5)
    samples = [synth.sample(rng, kind) for _ in range(30)]
    for sample in samples:
        assert sample.image.dtype == np.uint8
        assert sample.image.shape[0] == 32
        assert 8 <= sample.image.shape[1] <= 320
        assert (sample.text == "") == (kind in SILENT)
    wide_enough = [len(s.text) * 2 <= -(-s.image.shape[1] // 4) for s in samples]
    assert np.mean(wide_enough) > 0.75


def test_letters_must_look_like_themselves() -> None:
    ink = np.zeros((24, 80), np.uint8)
    for k in range(4):
        ink[4:20, 20 * k + 4 : 20 * k + 8] = 255
    noise = np.random.default_rng(0).normal(0, 12, ink.shape)
    image = np.clip(200 - ink * 0.5 + noise, 0, 255).astype(np.uint8)
    assert legible(image, ink, 4) and legible(255 - image, ink, 4)
    washed = image.copy()
    washed[:, 58:] = 200  # one letter is gone
    assert not legible(washed, ink, 4)
    mixed = image.copy()
    mixed[:, :40] = 255 - mixed[:, :40]
    assert not legible(mixed, ink, 4)
    assert not legible(image, np.zeros_like(ink), 4)


def test_other_text_says_nothing() -> None:
    class Everything:
        def pick(self, rng: np.random.Generator, text: str) -> PlainFace:
            return PlainFace()

    others = OtherText(Everything(), [])  # type: ignore[arg-type]
    rng = np.random.default_rng(1)
    texts = [others.text(rng) for _ in range(300)]
    assert all(parse(t) is None for t in texts) and len(set(texts)) > 200
    assert sum(sum(c.isdigit() for c in t) >= 4 for t in texts) > 60
    for _ in range(20):
        image = others.sample(rng)
        assert image.dtype == np.uint8 and image.ndim == 2 and np.ptp(image) > 40


def test_a_picture_holds_the_plate_where_it_says(synth: PlateSynth) -> None:
    rng = np.random.default_rng(6)
    for kind in ("white7", "commercial2", "motorcycle"):
        image, quads, text = synth.picture(rng, kind)
        assert image.dtype == np.uint8 and image.ndim == 2 and grammar().matches(text)
        for quad in quads:
            assert quad.shape == (4, 2) and (quad >= 0).all() and (quad <= image.shape[::-1]).all()
            (x0, y0), (x1, y1) = quad.min(0), quad.max(0)
            assert np.ptp(image[round(y0) : round(y1), round(x0) : round(x1)]) > 20


def test_equal_seeds_draw_equal_plates(synth: PlateSynth) -> None:
    a, b = ([synth.sample(np.random.default_rng(seed)) for seed in range(20)] for _ in range(2))
    for x, y in zip(a, b, strict=True):
        assert x.text == y.text
        np.testing.assert_array_equal(x.image, y.image)
    assert len({s.text for s in a}) > 15


def test_difficulty_is_what_the_camera_does(synth: PlateSynth) -> None:
    def contrast(difficulty: float) -> float:
        synth.difficulty = difficulty
        rng = np.random.default_rng(9)
        return float(np.median([synth.sample(rng, "white7").image.std() for _ in range(60)]))

    try:
        assert contrast(0.0) > 1.04 * contrast(1.0)
    finally:
        synth.difficulty = 1.0


def test_a_layout_without_its_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="names it"):
        _Art(tmp_path, json.loads('{"plate_mm": [1, 1], "cells_mm_xywh": [], "glyphs": ["template"]}'))


def test_strokes_that_a_blur_took_away_make_a_plate_illegible() -> None:
    ink = np.zeros((40, 160), np.uint8)
    for k in range(4):  # two bars a character, seven pixels apart
        ink[6:34, 40 * k + 12 : 40 * k + 15] = 255
        ink[6:34, 40 * k + 20 : 40 * k + 23] = 255
    near, far = (cv2.GaussianBlur(ink, (0, 0), sigma) for sigma in (0.8, 3.5))
    assert legible(near, ink, 4, fine=0.5)
    assert legible(far, ink, 4) and not legible(far, ink, 4, fine=0.5)
