"""Weights stored in half precision: half the bytes, the same float32 arithmetic.

The engine folds the casts away when it loads the model, so that nothing is slower afterwards.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["halve", "store_half"]

# Small tensors (biases, constants of normalisation) stay as they are: nothing to win.
_LEAST = 1024


def halve(data: bytes) -> bytes:
    """An ONNX model with its larger float weights in half precision."""
    return _halve(onnx.load_from_string(data))[0].SerializeToString()


def store_half(path: Path) -> float:
    """Rewrite the ONNX file in place; returns the largest relative change of a weight tensor (by its largest value)."""
    model, worst = _halve(onnx.load(path))
    onnx.save(model, path)
    return worst


def _halve(model: onnx.ModelProto) -> tuple[onnx.ModelProto, float]:
    graph, worst, casts = model.graph, 0.0, []
    for tensor in list(graph.initializer):
        if tensor.data_type != TensorProto.FLOAT:
            continue
        value = numpy_helper.to_array(tensor)
        largest = float(np.abs(value).max()) if value.size else 0.0
        if value.size < _LEAST or largest > 6e4:
            continue
        half = value.astype(np.float16)
        worst = max(worst, float(np.abs(half.astype(np.float32) - value).max()) / max(largest, 1e-12))
        name = tensor.name
        graph.initializer.remove(tensor)
        graph.initializer.append(numpy_helper.from_array(half, name + "_half"))
        casts.append(helper.make_node("Cast", [name + "_half"], [name], name + "_cast", to=TensorProto.FLOAT))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend(casts + nodes)
    onnx.checker.check_model(model)
    return model, worst
