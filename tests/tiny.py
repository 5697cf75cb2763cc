"""Real model folders with tiny networks, for tests that are about everything around the networks.

The detector finds one word, at WORD, in any picture of SIZE that has a dark pixel, and nothing in a blank one. The
recognizers read the same text whatever they are shown.
"""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_ocr.detect import encode
from edge_ocr.manifest import describe_file, parse_manifest, write_manifest

SIZE = (64, 96)  # height, width of the pictures, and of the detector's only bucket
WORD = ((16.0, 20.0), (80.0, 20.0), (80.0, 44.0), (16.0, 44.0))
TEXTS = {"ko": "한글 A", "en": "AB"}
WIDTHS = (64, 160)
CHARSET = "한글 AB1"


def make_models(folder: pathlib.Path, *, languages: tuple[str, ...] = ("ko", "en")) -> pathlib.Path:
    """Writes detector and recognizers into ``folder`` and returns it."""
    _save(folder, _detector_data(), _detector())
    for language in languages:
        _save(folder, _recognizer_data(language), _recognizer(TEXTS[language]))
    return folder


def picture(*, blank: bool = False) -> NDArray[np.uint8]:
    """uint8 ``[64, 96, 3]``: white, with a dark word in WORD; or, blank, plain white and larger, since a small picture
    without regions is read as one word."""
    if blank:
        return np.full((300, 450, 3), 255, np.uint8)
    image = np.full((*SIZE, 3), 255, np.uint8)
    image[20:44, 16:80:4] = 0
    return image


def _save(folder: pathlib.Path, data: dict[str, Any], model: onnx.ModelProto) -> None:
    own = folder / data["name"]
    own.mkdir(parents=True)
    onnx.checker.check_model(model)
    (own / "model.onnx").write_bytes(model.SerializeToString())
    entry = describe_file(own / "model.onnx")
    data["files"] = {"onnx": {"path": entry.path, "bytes": entry.bytes, "sha256": entry.sha256}}
    write_manifest(own, parse_manifest(data))


def _common(name: str, task: str, languages: list[str]) -> dict[str, Any]:
    made = {"command": "tests/tiny.py", "date": "2026-01-31", "machine": "any", "minutes": 0, "samples": 0}
    return {"format": 1, "name": name, "task": task, "version": "0", "license": "Apache-2.0", "languages": languages,
            "made": made | {"source": "written by hand"}, "measures": {"pictures": 1}}


def _detector_data() -> dict[str, Any]:
    return _common("detector", "detect", []) | {
        "input": {"name": "image", "dtype": "uint8", "layout": "NHWC", "colour": "RGB", "stride": 32,
                  "buckets": [list(SIZE)], "fit": "letterbox", "resize": "area-down-linear-up", "padding": 127},
        "output": {"score": "score", "geometry": "geometry", "stride": 4},
        "decode": {"score_threshold": 0.5, "merge_iou": 0.5, "edge_reach": 1.0, "nms_iou": 0.3, "contained": 0.7,
                   "min_height": 4, "max_regions": 50},
        "tiling": {"overlap": 16, "max_shrink": 2, "max_tiles": 64, "large": 1e6, "coarse_shrink": 2, "grow_to": 1,
                   "border": 0},
        "quality": {"height": 24, "blur": 0.6, "motion": 0.5, "dark": 0.75, "over_exposed": 0.6, "glare": 0.25,
                    "too_far": 0.5, "tilted": 0.4, "cut": 0.9},
    }


def _recognizer_data(language: str) -> dict[str, Any]:
    return _common(language, "recognize", [language]) | {
        "input": {"name": "crops", "dtype": "uint8", "layout": "NHW", "colour": "grey", "height": 32,
                  "buckets": list(WIDTHS), "max_batch": 4, "fit": "height-pad-right",
                  "resize": "area-down-linear-up", "padding": 0, "margin": 0.1},
        "output": {"head": "flat", "symbols": "symbols", "stride": 4},
        "charset": CHARSET,
        "blank": 0,
        "decode": {"default": "greedy", "beam_width": 4, "space": 1.0,
                   "digit_switch": 0, "case_switch": 0, "script_switch": 0},
        "confidence": {"definition": "mean of the characters'", "temperature": 1, "minimum": 0.3},
    }


def _const(name: str, value: Any) -> onnx.TensorProto:
    return numpy_helper.from_array(value, name)


def _model(nodes: list[Any], inputs: list[Any], outputs: list[Any], values: list[Any]) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, values)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def _detector() -> onnx.ModelProto:
    height, width = SIZE
    targets = encode(np.array([WORD]), np.zeros(1, bool), SIZE)
    score = np.asarray(targets.score, np.float32)[None]
    geometry = np.asarray(targets.geometry, np.float32)[None]
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
    return _model(
        nodes,
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", height, width, 3])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n", height // 4, width // 4]),
         helper.make_tensor_value_info("geometry", TensorProto.FLOAT, ["n", height // 4, width // 4, 5])],
        [_const("grey", np.float32(100)), _const("column", np.array([-1, 1, 1])),
         _const("column4", np.array([-1, 1, 1, 1])), _const("score_map", score), _const("geometry_map", geometry)],
    )


def _recognizer(text: str) -> onnx.ModelProto:
    """Log-probabilities of ``text``: each character on every second of the first columns, else blank."""
    classes, steps = 1 + len(CHARSET), max(WIDTHS) // 4
    logits = np.zeros((1, steps, classes), np.float32)
    logits[0, :, 0] = 6
    for i, character in enumerate(text):
        logits[0, 2 * i] = 0
        logits[0, 2 * i, 1 + CHARSET.index(character)] = 6
    log_probs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    nodes = [
        helper.make_node("Shape", ["crops"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["n"]),
        helper.make_node("Gather", ["shape", "two"], ["w"]),
        helper.make_node("Div", ["w", "four"], ["t"]),
        helper.make_node("Slice", ["table", "zero", "t", "one"], ["row"]),
        helper.make_node("Concat", ["n", "t", "k"], ["target"], axis=0),
        helper.make_node("Expand", ["row", "target"], ["symbols"]),
    ]
    ints = {"zero": 0, "one": 1, "two": 2, "four": 4, "k": classes}
    return _model(
        nodes,
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, ["n", 32, "w"])],
        [helper.make_tensor_value_info("symbols", TensorProto.FLOAT, ["n", "t", classes])],
        [_const("table", log_probs), *(_const(name, np.array([value])) for name, value in ints.items())],
    )
