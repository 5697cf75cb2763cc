"""Models that read: pictures whose characters are cells in shades of grey, a detector that knows where words are, and a
recognizer that tells each column's shade. Both are networks written by hand, so that scanners are tested whole."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import tiny
from numpy.typing import NDArray
from onnx import TensorProto, helper

from edge_ocr.detect import encode
from edge_ocr.types import Quad

HEIGHT, CELL, GAP = 32, 12, 8
WHITE, DARKEST = 255, 5.0


def width(text: str) -> int:
    return len(text) * (CELL + GAP) - GAP


def box(x: int, y: int, text: str) -> Quad:
    """Where ``put`` draws a word: its cells and nothing else."""
    w = width(text)
    return ((x, y), (x + w, y), (x + w, y + HEIGHT), (x, y + HEIGHT))


def put(image: NDArray[np.uint8], x: int, y: int, text: str, charset: str) -> Quad:
    for k, c in enumerate(text):
        left = x + k * (CELL + GAP)
        image[y : y + HEIGHT, left : left + CELL] = round(level(charset, c))
    return box(x, y, text)


def level(charset: str, character: str) -> float:
    """Shades from dark to light, the lightest still far from white."""
    return DARKEST + charset.index(character) * min(40.0, 220.0 / len(charset))


def make_models(
    folder: pathlib.Path, *, name: str, charset: str, size: tuple[int, int], words: Sequence[Quad]
) -> pathlib.Path:
    """A detector that finds ``words`` in any picture of ``size`` that is not blank, and the recognizer ``name``."""
    data = tiny._detector_data()
    data["input"]["buckets"] = [list(size)]
    tiny._save(folder, data, _detector(size, words))
    data = tiny._recognizer_data(name)
    data["input"] |= {"margin": 0.0, "buckets": [320, 640, 1280], "padding": WHITE}
    data["charset"] = charset
    data["decode"]["beam_width"] = 8
    tiny._save(folder, data, _recognizer(charset))
    return folder


def _detector(size: tuple[int, int], words: Sequence[Quad]) -> onnx.ModelProto:
    height, wide = size
    targets = encode(np.array(words), np.zeros(len(words), bool), size)
    nodes = [
        helper.make_node("Cast", ["image"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMin", ["values"], ["darkest"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Less", ["darkest", "grey"], ["is_dark"]),
        helper.make_node("Cast", ["is_dark"], ["factor"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["factor", "column"], ["factor3"]),
        helper.make_node("Mul", ["factor3", "score_map"], ["score"]),
        helper.make_node("Reshape", ["factor", "column4"], ["factor4"]),
        helper.make_node("Mul", ["factor4", "geometry_map"], ["geometry"]),
    ]
    return tiny._model(
        nodes,
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", height, wide, 3])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n", height // 4, wide // 4]),
         helper.make_tensor_value_info("geometry", TensorProto.FLOAT, ["n", height // 4, wide // 4, 5])],
        [_c("grey", np.float32(230)), _c("column", np.array([-1, 1, 1])), _c("column4", np.array([-1, 1, 1, 1])),
         _c("score_map", np.asarray(targets.score, np.float32)[None]),
         _c("geometry_map", np.asarray(targets.geometry, np.float32)[None])],
    )


def _recognizer(charset: str) -> onnx.ModelProto:
    """A column reads as the character whose shade is nearest to its lightest pixel, so that edges are blank."""
    levels = np.array([WHITE, *(round(level(charset, c)) for c in charset)], np.float32)[None, None]
    nodes = [
        helper.make_node("Cast", ["crops"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["values", "one"], ["planes"]),
        helper.make_node("MaxPool", ["planes"], ["columns"], kernel_shape=[HEIGHT, 4], strides=[HEIGHT, 4]),
        helper.make_node("Squeeze", ["columns", "both"], ["shades"]),
        helper.make_node("Unsqueeze", ["shades", "two"], ["shades3"]),
        helper.make_node("Sub", ["shades3", "levels"], ["off"]),
        helper.make_node("Mul", ["off", "off"], ["square"]),
        helper.make_node("Mul", ["square", "scale"], ["logits"]),
        helper.make_node("LogSoftmax", ["logits"], ["symbols"], axis=-1),
    ]
    return tiny._model(
        nodes,
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, ["n", HEIGHT, "w"])],
        [helper.make_tensor_value_info("symbols", TensorProto.FLOAT, ["n", "t", 1 + len(charset)])],
        [_c("one", np.array([1])), _c("two", np.array([2])), _c("both", np.array([1, 2])), _c("levels", levels),
         _c("scale", np.float32(-0.2))],
    )


def _c(name: str, value: Any) -> onnx.TensorProto:
    return tiny._const(name, value)
