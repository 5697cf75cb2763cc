"""Doubtful lines looked at again in other ways."""

from __future__ import annotations

import dataclasses
import tracemalloc

import numpy as np
import pytest

from edge_ocr import manifest as m
from edge_ocr.again import agreed, other_views
from edge_ocr.recognize import Recognizer
from edge_ocr.types import TextWord
from tests.test_recognize import PureReader, manifest, strip

VIEWS = m.Views(below=0.8, shears=(0.5, -0.5), trim=0.25, sharpen=1.0, sigma=1.5, stretch=1.5)


def word(text: str, confidence: float) -> TextWord:
    return TextWord(text=text, confidence=confidence, characters=(), language="xx")


def test_views_lean_trim_sharpen_and_stretch() -> None:
    line = np.full((32, 80), 100, np.uint8)
    line[:, 40:44] = 200  # an upright stroke
    line[:8] = 0
    right, left, trimmed, sharp, wide = other_views(line, VIEWS)
    middle = [float(np.flatnonzero(row > 150).mean()) for row in (right[9], right[30], left[9], left[30])]
    assert middle[1] - middle[0] == pytest.approx(10.5, abs=1) and middle[3] - middle[2] == pytest.approx(-10.5, abs=1)
    assert trimmed.shape == (16, 80) and (trimmed[:, 0] == 100).all()
    assert int(sharp[20, 42]) > 200 and int(sharp[20, 38]) < 100  # overshoots on both sides of an edge
    assert wide.shape == (32, 120) and float(np.flatnonzero(wide[20] > 150).mean()) == pytest.approx(62.5, abs=1)


def test_readings_that_agree_outweigh_a_surer_one() -> None:
    assert agreed([word("a", 0.7), word("b", 0.5), word("b", 0.4)]) == word("b", 0.5)
    assert agreed([word("a", 0.9), word("b", 0.4), word("b", 0.4)]).text == "a"
    assert agreed([word("", 0.0), word("b", 0.1)]).text == "b"


def with_views(views: m.Views | None) -> m.RecognizeManifest:
    plain = manifest(batch=8)
    return dataclasses.replace(plain, decode=dataclasses.replace(plain.decode, views=views))


def test_only_doubtful_lines_are_looked_at_again() -> None:
    engine = PureReader()
    squeezed = strip("4071", bar=8)[:, ::2][:, 1:]  # its bars lie across two steps of the network
    Recognizer(with_views(None), engine).recognize([squeezed, strip("33")])
    assert sum(shape[0] for shape in engine.shapes) == 2
    engine.shapes.clear()
    sure = Recognizer(with_views(VIEWS), engine).recognize([strip("33")])
    assert sum(shape[0] for shape in engine.shapes) == 1 and sure[0].text == "33"
    engine.shapes.clear()
    Recognizer(with_views(VIEWS), engine).recognize([squeezed, strip("33")])
    assert sum(shape[0] for shape in engine.shapes) == 2 + 5


def test_views_of_an_endless_line_are_bounded() -> None:
    sliver = np.full((1, 100_000), 120, np.uint8)  # would be 3.2 million columns of 32 pixels
    tracemalloc.start()
    try:
        Recognizer(with_views(VIEWS), PureReader()).views([sliver])
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()
