"""Drawn lines of machine-readable zones, and the documents that they come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PIL")
from PIL import ImageFont

from edge_ocr.scanners.mrz import ALPHABET, check_digit
from training.synth.mrz import FORMATS, MrzSynth, document

SHAPES = {"TD1": (3, 30), "TD2": (2, 36), "TD3": (2, 44), "MRVA": (2, 44), "MRVB": (2, 36)}


@dataclass(frozen=True)
class PlainFace:
    name: str = "default"
    path: str = "default"

    def font(self, size: int) -> ImageFont.FreeTypeFont:
        font = ImageFont.load_default(size)
        assert isinstance(font, ImageFont.FreeTypeFont)
        return font


@pytest.fixture(scope="module")
def synth() -> MrzSynth:
    return MrzSynth([PlainFace()], [], [])  # type: ignore[list-item]


@pytest.mark.parametrize("layout", FORMATS)
def test_documents_have_the_shape_and_the_digits_of_icao_9303(layout: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        lines = document(rng, layout)
        count, width = SHAPES[layout]
        assert [len(x) for x in lines] == [width] * count
        assert set("".join(lines)) <= set(ALPHABET)
        second = lines[1]
        if layout == "TD1":
            assert check_digit(lines[0][5:14]) == lines[0][14]
            assert check_digit(second[0:6]) == second[6] and check_digit(second[8:14]) == second[14]
            assert check_digit(lines[0][5:] + second[0:7] + second[8:15] + second[18:29]) == second[29]
            continue
        assert check_digit(second[0:9]) == second[9]
        assert check_digit(second[13:19]) == second[19] and check_digit(second[21:27]) == second[27]
        if layout == "TD3":
            assert second[42] == check_digit(second[28:42]) or (second[42] == "<" and not second[28:42].strip("<"))
            assert check_digit(second[0:10] + second[13:20] + second[21:43]) == second[43]
        if layout == "TD2":
            assert check_digit(second[0:10] + second[13:20] + second[21:35]) == second[35]


def test_a_piece_can_be_drawn_again(synth: MrzSynth) -> None:
    rng = np.random.default_rng(3)
    first = synth.sample(rng)
    assert first.recipe is not None and first.recipe.lines[0] == first.text
    again = [x for x in (synth.again(rng, first.recipe) for _ in range(4)) if x is not None]
    assert again and all(x.text == first.text for x in again)
    assert any(x.image.shape != first.image.shape or (x.image != first.image).any() for x in again)


def test_samples_are_pieces_of_lines(synth: MrzSynth) -> None:
    rng = np.random.default_rng(2)
    samples = [synth.sample(rng) for _ in range(150)]
    for sample in samples:
        assert sample.image.shape[0] == 32 and sample.image.dtype == np.uint8
        assert sample.image.shape[1] <= synth.max_width
        assert 4 <= len(sample.text) <= 16
        assert set(sample.text) <= set(ALPHABET)
        assert np.ptp(sample.image) > 8
    text = "".join(s.text for s in samples)
    assert text.count("<") < 0.45 * len(text), "fillers must not crowd out the rest"
    assert set(text) == set(ALPHABET)


def test_equal_seeds_draw_equal_lines(synth: MrzSynth) -> None:
    a, b = (synth.sample(np.random.default_rng(7)) for _ in range(2))
    assert a.text == b.text
    np.testing.assert_array_equal(a.image, b.image)


def test_a_folder_without_the_face_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        MrzSynth.load(tmp_path)
