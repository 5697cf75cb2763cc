"""Crops through buckets, batches and windows, with a network that writes down the grey level of each column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_ocr import manifest as m
from edge_ocr.ctc import decompose
from edge_ocr.errors import ModelError
from edge_ocr.recognize import Recognizer

CHARSET = "0123456789 "


class LevelReader:
    """A network by rule: a column whose mean level is 20·k is symbol k for sure, the padding (250) and the like are
    blank.

    It looks at four columns of the picture at a time, as a stride of four does, and keeps the shapes it was given.
    """

    def __init__(self, *, hangul: bool = False) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.hangul = hangul

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        images = inputs["crops"]
        assert images.dtype == np.uint8
        self.shapes.append(images.shape)
        n, h, w = images.shape
        level = images.reshape(n, h, w // 4, 4).mean((1, 3))
        k = np.round(level / 20).astype(int)
        k[(k > len(CHARSET)) | (np.abs(level - 20 * k) > 4)] = 0
        classes = len(CHARSET) + 1 + int(self.hangul)
        symbols = np.full((n, w // 4, classes), np.log(0.1 / (classes - 1)), np.float32)
        if self.hangul:
            k[k == 11] = classes - 1  # level 220 is a syllable
        np.put_along_axis(symbols, k[..., None], np.float32(np.log(0.9)), 2)
        out = {"symbols": symbols}
        if self.hangul:
            for name, size, best in zip(("initial", "medial", "final"), (19, 21, 28), decompose("윤"), strict=True):
                part = np.full((n, w // 4, size), -9, np.float32)
                part[..., best] = -0.05
                out[name] = part
        return out


def manifest(
    *,
    hangul: bool = False,
    decoder: str = "greedy",
    temperature: float = 1.0,
    batch: int = 3,
    space: float = 1.0,
    digit_switch: float = 0.0,
    narrow: m.Narrow | None = None,
) -> m.RecognizeManifest:
    parts = {"initial": "initial", "medial": "medial", "final": "final"} if hangul else {}
    return m.RecognizeManifest(
        format=1,
        name="t",
        task="recognize",
        version="1",
        license="Apache-2.0",
        languages=("xx",),
        files={"onnx": m.FileEntry(path="model.onnx", bytes=1, sha256="0" * 64)},
        made=m.Made(command="test", date="2026-01-01", machine="test", minutes=0, samples=0, source="test"),
        measures={},
        input=m.RecognizeInput(
            name="crops",
            dtype="uint8",
            layout="NHW",
            colour="grey",
            height=32,
            buckets=(64, 128, 256),
            max_batch=batch,
            fit="height-pad-right",
            resize="area-down-linear-up",
            padding=250,
            margin=0.1,
        ),
        output=m.RecognizeOutput(head="hangul-factorised" if hangul else "flat", symbols="symbols", stride=4, **parts),
        charset=CHARSET,
        blank=0,
        decode=m.RecognizeDecode(
            default=decoder,  # type: ignore[arg-type]
            beam_width=4,
            space=space,
            digit_switch=digit_switch,
            case_switch=0,
            script_switch=0,
            narrow=narrow,
        ),
        confidence=m.Confidence(definition="test", temperature=temperature, minimum=0.3),
    )


def strip(text: str, *, height: int = 32, bar: int = 8) -> NDArray[np.uint8]:
    """A picture that LevelReader reads as ``text``: a bar of ``bar`` columns of its level for each character, then
    ground."""
    columns: list[int] = []
    for c in text:
        columns += [20 * (CHARSET.index(c) + 1)] * bar + [250] * bar
    return np.repeat(np.array(columns, np.uint8)[None], height, 0)


def test_words_come_back_in_the_order_of_the_crops() -> None:
    engine = LevelReader()
    texts = ["7", "0123456", "42", "987654321098", "1", "31415"]
    read = Recognizer(manifest(), engine).recognize([strip(t) for t in texts])
    assert [w.text for w in read] == texts
    assert [len(w.characters) for w in read] == [len(t) for t in texts]
    assert all(w.language == "xx" and w.quad is None for w in read)
    assert all(c.confidence == pytest.approx(0.9, abs=1e-5) for w in read for c in w.characters)
    assert all(w.confidence == pytest.approx(0.9, abs=1e-5) for w in read)


def test_only_shapes_of_the_manifest_reach_the_network() -> None:
    engine = LevelReader()
    rng = np.random.default_rng(0)
    texts = ["".join(CHARSET[i] for i in rng.integers(0, 10, n)) for n in rng.integers(1, 40, 60)]
    assert [w.text for w in Recognizer(manifest(), engine).recognize([strip(t) for t in texts])] == texts
    assert {s[2] for s in engine.shapes} <= {64, 128, 256}
    assert max(s[0] for s in engine.shapes) <= 3
    assert {s[1] for s in engine.shapes} == {32}


@pytest.mark.parametrize("length", [15, 16, 17, 23, 31, 33, 64, 97, 120])
@pytest.mark.parametrize("bar", [8, 12])
def test_a_long_line_is_read_through_windows(length: int, bar: int) -> None:
    rng = np.random.default_rng(length)
    text = "".join(CHARSET[i] for i in rng.integers(0, 10, length))
    (word,) = Recognizer(manifest(), LevelReader()).recognize([strip(text, bar=bar)])
    assert word.text == text


def test_an_endless_line_is_bounded() -> None:
    engine = LevelReader()
    Recognizer(manifest(), engine).recognize([np.zeros((32, 200_000), np.uint8)])
    assert sum(s[0] for s in engine.shapes) <= 40


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (5, 5, 3), (32, 1, 3)])
def test_odd_crops_give_an_empty_or_short_word(shape: tuple[int, ...]) -> None:
    (word,) = Recognizer(manifest(), LevelReader()).recognize([np.full(shape, 250, np.uint8)])
    assert word.text == ""
    assert word.confidence == 0


def test_spaces_at_the_ends_go_and_double_ones_become_one() -> None:
    (word,) = Recognizer(manifest(), LevelReader()).recognize([strip(" 12  3 ")])
    assert word.text == "12 3"


@pytest.mark.parametrize("decoder", ["greedy", "beam"])
def test_factorised_head(decoder: str) -> None:
    crop = strip("1 2")
    read = Recognizer(manifest(hangul=True, decoder=decoder), LevelReader(hangul=True)).recognize([crop])
    assert read[0].text == "1윤2"
    assert read[0].characters[1].confidence == pytest.approx(0.9 * np.exp(-0.15), rel=1e-3)


def test_temperature_softens_the_confidence() -> None:
    (word,) = Recognizer(manifest(temperature=2.0), LevelReader()).recognize([strip("5")])
    assert word.confidence == pytest.approx(0.9**0.5, rel=1e-4)


class PureReader(LevelReader):
    """Less sure of columns of several levels."""

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        out = super().run(inputs)
        n, h, w = inputs["crops"].shape
        mixed = np.ptp(inputs["crops"].reshape(n, h, w // 4, 4).astype(int), axis=(1, 3)) > 8
        out["symbols"][mixed] = np.log(np.exp(out["symbols"][mixed]) * 0.5 + 0.5 / out["symbols"].shape[-1])
        return out


def test_narrow_letters_are_read_again_stretched() -> None:
    crop = strip("4071", bar=8)[:, ::2][:, 1:]
    narrow = m.Narrow(pitch=0.5, least=1.1, most=2, below=0.8)
    engine = PureReader()
    (once,) = Recognizer(manifest(), engine).recognize([crop])
    assert len(engine.shapes) == 1
    assert once.confidence < 0.8
    (twice,) = Recognizer(manifest(narrow=narrow), engine).recognize([crop])
    assert len(engine.shapes) == 3
    assert (twice.text, once.text == "4071") == ("4071", False)
    assert twice.confidence > once.confidence + 0.1


def test_only_doubtful_words_of_narrow_letters_are_read_again() -> None:
    engine, crop = PureReader(), strip("4071", bar=8)[:, ::2][:, 1:]
    for pitch, below in ((0.5, 0.1), (0.2, 0.8)):
        narrow = m.Narrow(pitch=pitch, least=1.1, most=2, below=below)
        Recognizer(manifest(narrow=narrow), engine).recognize([crop, strip("33", bar=16)])
    assert [shape[0] for shape in engine.shapes] == [2, 2]


def test_a_stretch_is_bounded() -> None:
    engine = PureReader()
    narrow = m.Narrow(pitch=4, least=1.1, most=2, below=1)
    Recognizer(manifest(narrow=narrow), engine).recognize([strip("12345678", bar=4)])
    assert [shape[2] for shape in engine.shapes] == [64, 128]  # 64 columns, then twice as many


def test_no_crops_no_words() -> None:
    assert Recognizer(manifest(), LevelReader()).recognize([]) == []


def test_a_graph_that_lacks_an_output_is_named() -> None:
    with pytest.raises(ModelError, match="initial"):
        Recognizer(manifest(hangul=True), LevelReader()).recognize([strip("1")])
