"""Quantised convolutions in shapes that integer kernels are quicker with; the numbers that come out are the same.

Engines copy the patches that a convolution looks at into rows and multiply these by the weights. Two kinds of work in
that are for nothing, and go here:

- the first convolution sees one or three channels: many tiny copies, and products of too few columns. Four neighbouring
  pixels become one with four times the channels, and two neighbouring outputs are made at once, from weights of which
  some are zero (``group_pixels``).
- at the border of a map of two, four or eight rows a large share of the products is with padding. The first row, the
  last and those between are made each from the taps that meet the map (``skip_padding``); with two rows, both at once,
  as twice the channels. The parts of the weights are cut out when the model is loaded, so the file does not grow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, shape_inference

from export.rewrite import Graph, attributes

__all__ = ["group_pixels", "shape_up", "skip_padding"]

HIGHEST = 8  # rows of a map up to which its border is worth parts of its own
LEAST = 3000  # products of a tap from which that is so: fewer take less time than the nodes that it needs


def shape_up(model: ModelProto, *, least: int = LEAST) -> ModelProto:
    """A copy of a quantised graph with both rewrites wherever they fit and pay (``least``: products of a tap)."""
    copy = ModelProto()
    copy.CopyFrom(model)
    graph = Graph(copy)
    group_pixels(graph)
    copy = shape_inference.infer_shapes(graph.model)
    graph = Graph(copy)
    skip_padding(graph, least=least)
    graph.sweep()
    graph.sort()
    del graph.model.graph.value_info[:]
    return graph.model


@dataclass(frozen=True, eq=False)
class _Quantised:
    """A convolution on uint8 with all that belongs to it, from the DequantizeLinear of what it is ``given``, which
    others may take too, to the QuantizeLinear of what it makes."""

    given: NodeProto
    weight: NodeProto
    bias: NodeProto
    conv: NodeProto
    relu: NodeProto | None
    out: NodeProto

    @property
    def nodes(self) -> list[NodeProto]:
        return [x for x in (self.weight, self.bias, self.conv, self.relu, self.out) if x is not None]


def _quantised(graph: Graph, conv: NodeProto) -> _Quantised | None:
    if conv.op_type != "Conv" or len(conv.input) != 3 or any(i not in graph.maker for i in conv.input):
        return None
    given, weight, bias = (graph.maker[i] for i in conv.input)
    if any(n.op_type != "DequantizeLinear" for n in (given, weight, bias)):
        return None
    if any(len(graph.users[n.output[0]]) != 1 for n in (weight, bias)):
        return None
    if any(graph.array(i) is None for n in (weight, bias) for i in n.input):
        return None
    relu = graph.user(conv.output[0], "Relu")
    out = graph.user((relu or conv).output[0], "QuantizeLinear")
    if out is None or attributes(conv).get("group", 1) != 1:
        return None
    return _Quantised(given, weight, bias, conv, relu, out)


def _layer(
    graph: Graph,
    like: _Quantised,
    given: str,
    name: str,
    weight: list[str],
    bias: list[str],
    *,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
) -> list[NodeProto]:
    """The nodes of ``like`` on the uint8 tensor ``given`` with other weights (their names, scales, zero points), and
    ``name`` as what they make."""
    parts = [
        helper.make_node("DequantizeLinear", [given, *like.given.input[1:]], [name + "_x"], name + "_x"),
        helper.make_node("DequantizeLinear", weight, [name + "_w"], name + "_w", axis=0),
        helper.make_node("DequantizeLinear", bias, [name + "_b"], name + "_b", axis=0),
        helper.make_node(
            "Conv",
            [name + "_x", name + "_w", name + "_b"],
            [name + "_y"],
            name,
            kernel_shape=kernel,
            strides=strides,
            pads=pads,
        ),
    ]
    last = name + "_y"
    if like.relu is not None:
        parts.append(helper.make_node("Relu", [last], [name + "_r"], name + "_r"))
        last = name + "_r"
    parts.append(helper.make_node("QuantizeLinear", [last, *like.out.input[1:]], [name], name + "_q"))
    return parts


def _each(graph: Graph, name: str, count: int) -> NDArray[np.generic]:
    """A constant as one value for each of ``count`` channels."""
    value = graph.array(name)
    assert value is not None
    return np.broadcast_to(value.reshape(-1), (count,)) if value.size in (1, count) else value


def group_pixels(graph: Graph) -> bool:
    """The convolution 3×3 with stride 2 on the input's own levels, on four pixels at a time; whether there was one."""
    inputs = {i.name: i.type.tensor_type for i in graph.model.graph.input}
    for conv in graph.model.graph.node:
        like = _quantised(graph, conv)
        how = attributes(conv)
        if like is None or how.get("kernel_shape") != [3, 3] or how.get("strides") != [2, 2]:
            continue
        if how.get("pads") != [1, 1, 1, 1] or set(how.get("dilations", [1])) != {1}:
            continue
        # Either [N, H, W, C] -> Transpose -> [N, C, H, W], or [N, W, H] -> Unsqueeze -> [N, 1, W, H].
        before = graph.maker.get(like.given.input[0])
        if before is None or not _grows(graph, before, inputs):
            continue
        weight, bias = graph.array(like.weight.input[0]), graph.array(like.bias.input[0])
        if weight is None or bias is None:
            continue
        o, c = weight.shape[:2]
        wide = np.zeros((2, o, 4, c, 3, 2), weight.dtype)  # two outputs, of four pixels each, from two such groups
        for right in range(2):
            for k in range(3):
                at = 2 * right - 1 + k
                wide[right, :, at % 4, :, :, at // 4 + 1] = weight[..., k]
        y, name = like.out.output[0], like.conv.name
        twice = {
            key: graph.constant(f"{name}_{key}", np.tile(_each(graph, source, o), 2))
            for key, source in (
                ("w_scale", like.weight.input[1]),
                ("w_zero", like.weight.input[2]),
                ("b_scale", like.bias.input[1]),
                ("b_zero", like.bias.input[2]),
            )
        }
        b = graph.constant(like.bias.input[0] + "_twice", np.tile(bias, 2))
        w = graph.constant(like.weight.input[0] + "_grouped", wide.reshape(2 * o, 4 * c, 3, 2))
        fours = graph.constant(name + "_fours", np.array([0, 0, -1, 4 * c], np.int64))
        outputs = graph.constant(name + "_outputs", np.array([0, 0, -1, o], np.int64))
        new = [
            helper.make_node("Reshape", [before.input[0], fours], [y + "_fours"], name + "_fours"),
            helper.make_node("Transpose", [y + "_fours"], [y + "_given"], name + "_given", perm=[0, 3, 1, 2]),
            *_layer(
                graph,
                like,
                y + "_given",
                y + "_pairs",
                [w, twice["w_scale"], twice["w_zero"]],
                [b, twice["b_scale"], twice["b_zero"]],
                kernel=(3, 2),
                strides=(2, 1),
                pads=(1, 1, 1, 0),
            ),
            helper.make_node("Transpose", [y + "_pairs"], [y + "_last"], name + "_last", perm=[0, 2, 3, 1]),
            helper.make_node("Reshape", [y + "_last", outputs], [y + "_rows"], name + "_rows"),
        ]
        _put(graph, like, new, y + "_rows")
        return True
    return False


def _grows(graph: Graph, node: NodeProto, inputs: dict[str, object]) -> bool:
    """Whether this makes maps of pixels that lie with the channels last."""
    if node.op_type == "Transpose":
        return node.input[0] in inputs and attributes(node)["perm"] == [0, 3, 1, 2]
    axes = graph.array(node.input[1]) if node.op_type == "Unsqueeze" else None
    if axes is None or axes.tolist() != [1]:
        return False
    source = graph.maker.get(node.input[0])
    return source is not None and source.op_type == "Transpose" and source.input[0] in inputs


def _put(graph: Graph, like: _Quantised, new: list[NodeProto], rows: str) -> None:
    """``new``, which makes ``rows`` uint8 [N, a, b, C], in place of ``like``, which makes [N, C, a, b]. Where that is
    dequantised only to be laid with its channels last, neither is done."""
    y = like.out.output[0]
    users = graph.users.get(y, [])
    turn = graph.user(users[0].output[0], "Transpose") if len(users) == 1 else None
    if turn is not None and users[0].op_type == "DequantizeLinear" and attributes(turn)["perm"] == [0, 2, 3, 1]:
        level = helper.make_node("DequantizeLinear", [rows, *users[0].input[1:]], list(turn.output), turn.name)
        graph.replace([*like.nodes, users[0], turn], [*new, level])
    else:
        back = helper.make_node("Transpose", [rows], [y], like.conv.name + "_back", perm=[0, 3, 1, 2])
        graph.replace(like.nodes, [*new, back])


def skip_padding(graph: Graph, *, highest: int = HIGHEST, least: int = LEAST) -> int:
    """Convolutions 3×3 on maps [N, C, w, h] of a fixed h up to ``highest``, without the products that meet padding in
    h; how many there were. Those of more than two rows need more nodes, and ``least`` products of a tap to pay."""
    count = 0
    done: set[str] = set()
    while True:
        for conv in graph.model.graph.node:
            if conv.name in done:
                continue
            done.add(conv.name)
            like, how = _quantised(graph, conv), attributes(conv)
            shape = graph.shape(like.given.input[0]) or graph.shape(conv.input[0]) if like else []
            if like is None or len(shape) != 4 or how.get("kernel_shape") != [3, 3] or how.get("pads") != [1, 1, 1, 1]:
                continue
            if {*how.get("strides", [1]), *how.get("dilations", [1])} != {1}:
                continue
            high = shape[3]
            if high is None or not 2 <= high <= highest:
                continue
            weight = graph.array(like.weight.input[0])
            if high > 2 and (weight is None or weight.shape[0] * weight.shape[1] < least):
                continue
            (_both_rows if high == 2 else _by_rows)(graph, like, high)
            count += 1
            break
        else:
            return count


def _cut(graph: Graph, like: _Quantised, name: str, taps: tuple[int, int]) -> tuple[list[NodeProto], str]:
    """Part of the weights: the taps of the last axis from one to another."""
    first, last, axis = (
        graph.constant(f"taps_{key}", np.array([value], np.int64))
        for key, value in ((f"from_{taps[0]}", taps[0]), (f"to_{taps[1]}", taps[1]), ("axis", 3))
    )
    return [helper.make_node("Slice", [like.weight.input[0], first, last, axis], [name], name)], name


def _both_rows(graph: Graph, like: _Quantised, high: int) -> None:
    """Two rows as one of twice the channels: all taps meet the map."""
    y, name = like.out.output[0], like.conv.name
    weight = graph.array(like.weight.input[0])
    assert weight is not None and high == 2
    o = weight.shape[0]
    upper, w_upper = _cut(graph, like, y + "_upper", (1, 3))
    lower, w_lower = _cut(graph, like, y + "_lower", (0, 2))
    new = [*upper, *lower, helper.make_node("Concat", [w_upper, w_lower], [y + "_both"], name + "_both", axis=0)]
    weights, biases = [y + "_both"], []
    for key, source in (("w_scale", like.weight.input[1]), ("w_zero", like.weight.input[2])):
        weights.append(graph.constant(f"{name}_{key}", np.tile(_each(graph, source, o), 2)))
    for k, source in enumerate(like.bias.input):
        biases.append(graph.constant(f"{name}_bias_{k}", np.tile(_each(graph, source, o), 2)))
    rows = graph.constant(name + "_rows_shape", np.array([0, 0, 2, o], np.int64))
    new += _layer(
        graph, like, like.given.input[0], y + "_pair", weights, biases, kernel=(3, 2), strides=(1, 1), pads=(1, 0, 1, 0)
    )
    new += [
        helper.make_node("Transpose", [y + "_pair"], [y + "_last"], name + "_last", perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", [y + "_last", rows], [y + "_rows"], name + "_rows"),
    ]
    _put(graph, like, new, y + "_rows")


def _by_rows(graph: Graph, like: _Quantised, high: int) -> None:
    """The first row, the last, and those between."""
    y, name, x = like.out.output[0], like.conv.name, like.given.input[0]
    upper, w_upper = _cut(graph, like, y + "_upper", (1, 3))
    lower, w_lower = _cut(graph, like, y + "_lower", (0, 2))
    end, far, axis = (
        graph.constant(f"rows_{key}", np.array([value], np.int64))
        for key, value in (("end", -2), ("far", np.iinfo(np.int64).max), ("axis", 3))
    )
    scales, biases = list(like.weight.input[1:]), list(like.bias.input)
    new = [
        *upper,
        *lower,
        helper.make_node("Slice", [x, end, far, axis], [y + "_end"], name + "_end"),
        *_layer(
            graph,
            like,
            x,
            y + "_first",
            [w_upper, *scales],
            biases,
            kernel=(3, 2),
            strides=(1, high),
            pads=(1, 0, 1, 0),
        ),
        *_layer(
            graph,
            like,
            x,
            y + "_middle",
            [like.weight.input[0], *scales],
            biases,
            kernel=(3, 3),
            strides=(1, 1),
            pads=(1, 0, 1, 0),
        ),
        *_layer(
            graph,
            like,
            y + "_end",
            y + "_last",
            [w_lower, *scales],
            biases,
            kernel=(3, 2),
            strides=(1, 1),
            pads=(1, 0, 1, 0),
        ),
        helper.make_node("Concat", [y + "_first", y + "_middle", y + "_last"], [y], name + "_all", axis=3),
    ]
    graph.replace(like.nodes, new)
