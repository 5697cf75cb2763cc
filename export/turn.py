"""Recognizers' prepared graphs with the width before the height.

The layer norms take the columns of a map as rows of channels and heights, [N, W, H, C]. Engines that run INT8 keep
their maps with the channels last; if the width is their first axis, that is the same order, and no map has to be turned
for a norm, or for the matrix product over the whole height. So the crops are turned once, as pixels, and every
convolution and pooling with them: the function stays what it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import NodeProto, helper

from export.rewrite import Graph, attributes

__all__ = ["width_first"]

_AS_THEY_ARE = ("Relu", "Clip", "Add", "DequantizeLinear", "QuantizeLinear", "Max")


def width_first(graph: Graph) -> bool:
    """Turns the maps of a graph that has columns (``[0, 3, 2, 1]``) made of them; whether there were any."""
    start = next((n for n in graph.model.graph.node if n.op_type == "Unsqueeze" and _first(graph, n)), None)
    columns = [n for n in graph.model.graph.node if n.op_type == "Transpose" and attributes(n)["perm"] == [0, 3, 2, 1]]
    if start is None or not columns:
        return False
    crops = start.input[0]
    turned = {start.output[0]: start.output[0]}
    new: list[NodeProto] = []
    for old in graph.model.graph.node:
        node = NodeProto.FromString(old.SerializeToString())
        if old is start:
            node.input[0] = crops + "_turned"
            new += [helper.make_node("Transpose", [crops], [crops + "_turned"], crops + "_turn", perm=[0, 2, 1]), node]
            continue
        given = [i for i in node.input if i in turned]
        if not given:
            if _comes_back(graph, node):
                a, b, c, d = attributes(node)["perm"]
                _set(node, perm=[a, b, d, c])
                turned[node.output[0]] = node.output[0]
        elif node.op_type in ("Conv", "MaxPool"):
            _swap(graph, node)
            turned[node.output[0]] = node.output[0]
        elif node.op_type == "Transpose":
            _set(node, perm=[(0, 1, 3, 2)[k] for k in attributes(node)["perm"]])
        elif node.op_type in _AS_THEY_ARE and all(i in turned or _level(graph, i) for i in node.input):
            turned[node.output[0]] = node.output[0]
        else:
            for k, name in enumerate(node.input):
                if name in turned:
                    back = f"{name}_as_before_{len(new)}"
                    new.append(helper.make_node("Transpose", [name], [back], back, perm=[0, 1, 3, 2]))
                    node.input[k] = back
        new.append(node)
    del graph.model.graph.node[:]
    graph.model.graph.node.extend(new)
    if wrong := graph.outputs & set(turned):
        raise ValueError(f"{sorted(wrong)}: maps that are outputs cannot be turned")
    graph.index()
    return True


def _first(graph: Graph, node: NodeProto) -> bool:
    """Whether this makes one channel of the crops, [N, H, W]."""
    axes = graph.array(node.input[1]) if len(node.input) > 1 else None
    inputs = {i.name for i in graph.model.graph.input}
    return node.input[0] in inputs and axes is not None and axes.tolist() == [1]


def _comes_back(graph: Graph, node: NodeProto) -> bool:
    """Whether columns become a map again here, for convolutions and poolings alone."""
    if node.op_type != "Transpose" or attributes(node)["perm"] != [0, 3, 2, 1] or node.output[0] in graph.outputs:
        return False
    return all(u.op_type in ("Conv", "MaxPool") for u in graph.users.get(node.output[0], []))


def _level(graph: Graph, name: str) -> bool:
    """Whether a second input is one number, the same for every element."""
    value = graph.array(name)
    return value is not None and value.size == 1


def _set(node: NodeProto, **values: Any) -> None:
    kept = [a for a in node.attribute if a.name not in values]
    del node.attribute[:]
    node.attribute.extend([*kept, *(helper.make_attribute(k, v) for k, v in values.items())])


def _swap(graph: Graph, node: NodeProto) -> None:
    """A convolution or pooling with its two axes exchanged, and its weights with them."""
    how = attributes(node)
    for name in ("kernel_shape", "strides", "dilations"):
        if name in how:
            _set(node, **{name: list(how[name])[::-1]})
    if "pads" in how:
        top, left, bottom, right = how["pads"]
        _set(node, pads=[left, top, right, bottom])
    if node.op_type == "Conv":
        weight = graph.array(node.input[1])
        if weight is None or len(graph.users[node.input[1]]) != 1:
            raise ValueError(f"{node.name}: its weights are no constant of its own")
        graph.constant(node.input[1], np.ascontiguousarray(weight.transpose(0, 1, 3, 2)))
