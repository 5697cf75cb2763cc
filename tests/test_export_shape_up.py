"""Quicker shapes of the same network: turned maps, grouped pixels, and rows without padding say exactly the same."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from calibration.ranges import activations, collect, ranges_of
from edge_ocr.engine import OnnxEngine
from export.quantize import fused, prepare, quantise
from export.rewrite import Graph, attributes, rewrite
from export.shape_up import shape_up
from export.turn import width_first
from tests.test_export_quantize import crops, detector, pictures, recognizer  # noqa: F401

pytestmark = pytest.mark.filterwarnings("ignore")


def said(model: onnx.ModelProto, x: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return OnnxEngine(model.SerializeToString()).run(x)


def quantised(data: bytes, inputs: list[dict[str, np.ndarray]], **how: bool) -> onnx.ModelProto:
    model = prepare(data)
    return quantise(model, ranges_of(collect(model, inputs, activations(model)), "minmax"), **how)


def kernels(model: onnx.ModelProto) -> list[tuple[int, ...]]:
    return sorted(tuple(attributes(n)["kernel_shape"]) for n in model.graph.node if n.op_type == "Conv")


def test_maps_with_the_width_first_say_the_same(recognizer: bytes) -> None:  # noqa: F811
    before, after = prepare(recognizer, turned=False), prepare(recognizer)
    perms = [attributes(n)["perm"] for n in after.graph.node if n.op_type == "Transpose"]
    assert [0, 2, 1] in perms and [0, 2, 3, 1] in perms and [0, 3, 1, 2] in perms
    for x in (crops(32), crops(160, 3)):
        a, b = said(before, x), said(after, x)
        for name in a:
            np.testing.assert_allclose(a[name], b[name], atol=2e-4)
    # It looks at something: with weights that are not turned along, the answers are others.
    for t in after.graph.initializer:
        if t.name == "net.stem.0.weight":
            weight = onnx.numpy_helper.to_array(t).transpose(0, 1, 3, 2)
            t.CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(weight), t.name))
    assert max(np.abs(said(after, x)[k] - a[k]).max() for k in a) > 0.01


def test_a_graph_without_columns_is_not_turned(detector: bytes) -> None:  # noqa: F811
    model = rewrite(onnx.load_from_string(detector))
    before = model.SerializeToString()
    assert not width_first(Graph(model))
    assert model.SerializeToString() == before


def test_a_recognizers_shapes_change_no_number(recognizer: bytes) -> None:  # noqa: F811
    plain = quantised(recognizer, [crops(160, 4, seed) for seed in range(2)], shaped=False)
    shaped = shape_up(plain, least=1)
    assert kernels(plain).count((3, 3)) == 7
    # The stem sees groups; two layers of eight rows and two of four are made in three parts; one of two rows in one.
    assert kernels(shaped).count((3, 2)) == 1 + 4 * 2 + 1
    assert kernels(shaped).count((3, 3)) == 1 + 4
    for x in (crops(32, 1), crops(160, 3, 7), crops(512, 2, 8)):
        a, b = said(plain, x), said(shaped, x)
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])
    data = shaped.SerializeToString()
    assert fused(data)[1] == 0  # every part runs in integers
    weights = [sum(np.prod(t.dims) for t in p.graph.initializer if t.data_type == 3) for p in (plain, shaped)]
    assert weights[1] < weights[0] + 2000  # the stem's few apart, no weight is there twice


def test_small_layers_stay_whole(recognizer: bytes) -> None:  # noqa: F811
    shaped = quantised(recognizer, [crops(160, 4)])
    assert kernels(shaped).count((3, 2)) == 2 and kernels(shaped).count((3, 3)) == 5


def test_a_detectors_first_layer_sees_four_pixels_at_once(detector: bytes) -> None:  # noqa: F811
    inputs = [pictures(96, 128, 2)]
    plain, shaped = quantised(detector, inputs, shaped=False), quantised(detector, inputs)
    assert kernels(shaped).count((3, 2)) == 1 and kernels(plain).count((3, 2)) == 0
    for x in (pictures(96, 128, 1, 9), pictures(64, 32, 2, 8)):
        a, b = said(plain, x), said(shaped, x)
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])
    assert fused(shaped.SerializeToString())[1] == fused(plain.SerializeToString())[1]
