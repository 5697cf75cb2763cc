"""NNCF as the quantiser: said what to install where it is missing, and as near as our own where it is there."""

from __future__ import annotations

import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_ocr.engine import OnnxEngine
from export.quantize import Plan, plan_of
from export.quantizer_nncf import quantise_nncf


def convolution() -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    weights = numpy_helper.from_array(rng.normal(0, 0.2, (16, 3, 3, 3)).astype(np.float32), "w")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["y"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["y"], ["z"]),
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, c, 16, 16]) for n, c in (("x", 3), ("z", 16))]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], [weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def test_where_it_is_missing_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(ImportError, match="pip install nncf"):
        quantise_nncf(convolution(), [{"x": np.zeros((1, 3, 16, 16), np.float32)}])


def test_the_option_goes_over_the_plan() -> None:
    assert plan_of("no such model", None).quantizer == "own"
    assert plan_of("no such model", None, "nncf") == Plan(quantizer="nncf")


def test_it_quantises_with_half_the_range_of_weights() -> None:
    pytest.importorskip("nncf", reason="NNCF is not among the tests' packages: pip install nncf==3.4.0")
    rng = np.random.default_rng(1)
    given = [{"x": rng.normal(0, 1, (1, 3, 16, 16)).astype(np.float32)} for _ in range(4)]
    model = convolution()
    int8 = quantise_nncf(model, given)
    assert "QuantizeLinear" in {n.op_type for n in int8.graph.node}
    weights = [
        numpy_helper.to_array(t) for t in int8.graph.initializer if t.data_type == TensorProto.INT8 and len(t.dims) == 4
    ]
    assert len(weights) == 1 and np.abs(weights[0].astype(int)).max() <= 64
    want = OnnxEngine(model.SerializeToString()).run(given[0])["z"]
    got = OnnxEngine(int8.SerializeToString()).run(given[0])["z"]
    assert np.abs(want - got).max() < 0.1 * want.max()
