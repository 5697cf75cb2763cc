"""The same function in fewer and quicker nodes, before it is quantised.

Exported graphs spell out what engines have a node for. Six rewrites, each of which leaves the outputs as they are but
for rounding:

- ``x · a + b`` after the cast of the uint8 input becomes one DequantizeLinear, so that the pixels *are* the first
  quantised tensor. Where b is not a whole number of levels, the rest (under half a level) goes into the bias of the
  convolution that follows.
- the layer norm over height and channel becomes LayerNormalization between two transpositions, which cost little on
  uint8 and make its elements neighbours; a pooling over height that follows is done before the second of them;
- a convolution over the whole height becomes a matrix product, and so does a pointwise one whose channels are then
  parted: its outputs stay float where those of a quantised convolution could not;
- a matrix product with weights and its bias become Gemm, whose quantised kernel adds the bias for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

__all__ = ["Graph", "attributes", "infer", "rewrite"]


class Graph:
    """A model with its nodes by what they give and take. ``model`` is changed in place."""

    def __init__(self, model: ModelProto) -> None:
        self.model = model
        self.index()

    def index(self) -> None:
        self.constants = {t.name: t for t in self.model.graph.initializer}
        self.maker = {o: n for n in self.model.graph.node for o in n.output}
        self.users: dict[str, list[NodeProto]] = {}
        for n in self.model.graph.node:
            for i in n.input:
                self.users.setdefault(i, []).append(n)
        self.outputs = {o.name for o in self.model.graph.output}

    def array(self, name: str) -> NDArray[Any] | None:
        """The value of a constant, None for anything else."""
        return numpy_helper.to_array(self.constants[name]) if name in self.constants else None

    def constant(self, name: str, value: NDArray[Any]) -> str:
        if name in self.constants:
            self.constants[name].CopyFrom(numpy_helper.from_array(value, name))
        else:
            self.model.graph.initializer.append(numpy_helper.from_array(value, name))
            self.constants[name] = self.model.graph.initializer[-1]
        return name

    def user(self, name: str, kind: str) -> NodeProto | None:
        """The only node that takes ``name``, if it is of that kind."""
        users = self.users.get(name, [])
        return users[0] if len(users) == 1 and users[0].op_type == kind and name not in self.outputs else None

    def replace(self, old: Iterable[NodeProto], new: list[NodeProto]) -> None:
        """``new`` where the first of ``old`` stood; they may take what that one took, and constants."""
        gone = list(old)
        nodes = list(self.model.graph.node)
        first = min(k for k, n in enumerate(nodes) if any(n is o for o in gone))
        kept: list[NodeProto] = []
        for k, n in enumerate(nodes):
            if k == first:
                kept.extend(new)
            elif not any(n is o for o in gone):
                kept.append(n)
        copies = [NodeProto.FromString(n.SerializeToString()) for n in kept]
        del self.model.graph.node[:]
        self.model.graph.node.extend(copies)
        self.index()

    def sort(self) -> None:
        """Each node after those whose outputs it takes, as the format asks; otherwise in the order that they have."""
        known = {*self.constants, *(i.name for i in self.model.graph.input), ""}
        waiting = [NodeProto.FromString(n.SerializeToString()) for n in self.model.graph.node]
        placed: list[NodeProto] = []
        while waiting:
            left = []
            for n in waiting:
                if all(i in known for i in n.input):
                    placed.append(n)
                    known.update(n.output)
                else:
                    left.append(n)
            if len(left) == len(waiting):
                raise ValueError(f"{left[0].name}: takes what nothing gives: {list(left[0].input)}")
            waiting = left
        del self.model.graph.node[:]
        self.model.graph.node.extend(placed)
        self.index()

    def sweep(self) -> None:
        """Drop nodes and constants that nothing uses."""
        while True:
            unused = [
                n for n in self.model.graph.node if not any(self.users.get(o) or o in self.outputs for o in n.output)
            ]
            if not unused:
                break
            for n in unused:
                self.model.graph.node.remove(n)
            self.index()
        for t in [t for t in self.model.graph.initializer if t.name not in self.users and t.name not in self.outputs]:
            self.model.graph.initializer.remove(t)
        self.index()

    def shape(self, name: str) -> list[int | None]:
        for v in [*self.model.graph.value_info, *self.model.graph.input, *self.model.graph.output]:
            if v.name == name:
                return [d.dim_value if d.HasField("dim_value") else None for d in v.type.tensor_type.shape.dim]
        return []


def rewrite(model: ModelProto) -> ModelProto:
    """A copy of ``model`` after all rewrites that fit, with its shapes inferred."""
    copy = ModelProto()
    copy.CopyFrom(model)
    for change in (_input_levels, _layer_norms, _pool_columns, _full_height, _pointwise_head, _linear):
        graph = Graph(infer(copy))
        while change(graph):
            pass
        graph.sweep()
        copy = graph.model
    return infer(copy)


def infer(model: ModelProto) -> ModelProto:
    """The model with the shapes of its tensors worked out anew."""
    del model.graph.value_info[:]
    return onnx.shape_inference.infer_shapes(model)


def attributes(node: NodeProto) -> dict[str, Any]:
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def _scalar(graph: Graph, node: NodeProto, other: str) -> float | None:
    """The one-element constant that a two-input node combines with ``other``."""
    rest = [i for i in node.input if i != other]
    value = graph.array(rest[0]) if len(rest) == 1 else None
    return float(value.reshape(-1)[0]) if value is not None and value.size == 1 else None


def _input_levels(graph: Graph) -> bool:
    for cast in [n for n in graph.model.graph.node if n.op_type == "Cast"]:
        source = cast.input[0]
        while source in graph.maker and graph.maker[source].op_type in ("Transpose", "Unsqueeze"):
            source = graph.maker[source].input[0]
        inputs = {i.name: i.type.tensor_type.elem_type for i in graph.model.graph.input}
        if inputs.get(source) != TensorProto.UINT8:
            continue
        scale, shift, chain, name = 1.0, 0.0, [cast], cast.output[0]
        while True:
            node = next((u for kind in ("Mul", "Sub", "Add", "Div") if (u := graph.user(name, kind)) is not None), None)
            value = _scalar(graph, node, name) if node is not None else None
            if node is None or value is None or (node.op_type in ("Sub", "Div") and node.input[0] != name):
                break
            if node.op_type == "Mul":
                scale, shift = scale * value, shift * value
            elif node.op_type == "Div":
                scale, shift = scale / value, shift / value
            else:
                shift += value if node.op_type == "Add" else -value
            chain.append(node)
            name = node.output[0]
        conv = graph.user(name, "Conv")
        if len(chain) == 1 or conv is None or scale <= 0 or not 0 <= round(-shift / scale) <= 255:
            continue
        zero = round(-shift / scale)
        rest = shift + scale * zero  # what pixel - zero misses of the true value
        weight, bias = graph.array(conv.input[1]), graph.array((*conv.input, "")[2])
        if weight is None or bias is None:
            continue
        graph.constant(conv.input[2], (bias + rest * weight.sum((1, 2, 3))).astype(np.float32))
        graph.constant("input_scale", np.array(scale, np.float32))
        graph.constant("input_zero", np.array(zero, np.uint8))
        graph.replace(
            chain,
            [
                helper.make_node(
                    "DequantizeLinear", [cast.input[0], "input_scale", "input_zero"], [name], "input_levels"
                )
            ],
        )
        return True
    return False


def _layer_norms(graph: Graph) -> bool:
    """mean, subtract, square, mean, + eps, sqrt, 1/x, two products and a sum, over the axes (1, 2) of [N, C, H, W]."""
    for mean in [n for n in graph.model.graph.node if n.op_type == "ReduceMean"]:
        x = mean.input[0]
        axes = graph.array(mean.input[1]) if len(mean.input) > 1 else None
        if axes is None or sorted(axes.tolist()) != [1, 2]:
            continue
        centre = graph.user(mean.output[0], "Sub")
        if centre is None or list(centre.input) != [x, mean.output[0]]:
            continue
        c = centre.output[0]
        square = next((u for u in graph.users[c] if u.op_type == "Mul" and list(u.input) == [c, c]), None)
        chain = [mean, centre, square]
        for kind in ("ReduceMean", "Add", "Sqrt", "Reciprocal", "Mul", "Mul", "Add"):
            node = graph.user(chain[-1].output[0], kind) if chain[-1] is not None else None
            chain.append(node)
        if any(n is None for n in chain):
            continue
        eps = _scalar(graph, chain[4], chain[3].output[0])
        if eps is None or c not in chain[7].input:
            continue
        gain = graph.array(next((i for i in chain[8].input if i in graph.constants), ""))
        bias = graph.array(next((i for i in chain[9].input if i in graph.constants), ""))
        if gain is None or bias is None or gain.ndim != 4 or gain.shape[0] != 1 or gain.shape[3] != 1:
            continue
        out, name = chain[9].output[0], chain[9].name or chain[9].output[0]
        # [1, C, H, 1] -> [H, C], the order of the elements in [N, W, H, C]
        g = graph.constant(out + "_gain", np.ascontiguousarray(gain[0, :, :, 0].T))
        b = graph.constant(out + "_bias", np.ascontiguousarray(np.broadcast_to(bias, gain.shape)[0, :, :, 0].T))
        graph.replace(
            chain,
            [
                helper.make_node("Transpose", [x], [out + "_columns"], name + "_columns", perm=[0, 3, 2, 1]),
                helper.make_node(
                    "LayerNormalization",
                    [out + "_columns", g, b],
                    [out + "_normed"],
                    name + "_norm",
                    axis=2,
                    epsilon=eps,
                ),
                helper.make_node("Transpose", [out + "_normed"], [out], name + "_back", perm=[0, 3, 2, 1]),
            ],
        )
        return True
    return False


def _pool_columns(graph: Graph) -> bool:
    """Normed columns [N, W, H, C], turned back and pooled by [k, 1]: pooled, then turned back."""
    for pool in [n for n in graph.model.graph.node if n.op_type == "MaxPool"]:
        turn = graph.maker.get(pool.input[0])
        norm = graph.maker.get(turn.input[0]) if turn is not None and turn.op_type == "Transpose" else None
        how, shape = attributes(pool), graph.shape(pool.input[0])
        if (
            turn is None
            or norm is None
            or norm.op_type != "LayerNormalization"
            or attributes(turn).get("perm") != [0, 3, 2, 1]
        ):
            continue
        k, wide = how["kernel_shape"]
        high, channels = (shape[2], shape[1]) if len(shape) == 4 else (None, None)
        plain = (
            wide == 1
            and list(how.get("strides", [])) == [k, 1]
            and not any(how.get("pads", []))
            and not how.get("ceil_mode", 0)
        )
        if not plain or high is None or channels is None or high % k or graph.user(turn.output[0], "MaxPool") is None:
            continue
        y, name = pool.output[0], pool.name or pool.output[0]
        split = graph.constant(y + "_split", np.array([0, 0, high // k, k, channels], np.int64))
        axis = graph.constant(y + "_axis", np.array([3], np.int64))
        graph.replace(
            [turn, pool],
            [
                helper.make_node("Reshape", [norm.output[0], split], [y + "_pairs"], name + "_pairs"),
                helper.make_node("ReduceMax", [y + "_pairs", axis], [y + "_pooled"], name + "_max", keepdims=0),
                helper.make_node("Transpose", [y + "_pooled"], [y], name + "_back", perm=[0, 3, 2, 1]),
            ],
        )
        return True
    return False


def _full_height(graph: Graph) -> bool:
    """A convolution [h, 1] over all of a height of h, then Squeeze, to a matrix product over [N, W, h · C]."""
    for conv in [n for n in graph.model.graph.node if n.op_type == "Conv"]:
        weight, shape, how = graph.array(conv.input[1]), graph.shape(conv.input[0]), attributes(conv)
        squeeze = next((u for u in graph.users.get(conv.output[0], []) if u.op_type == "Squeeze"), None)
        if (
            weight is None
            or weight.ndim != 4
            or squeeze is None
            or len(shape) != 4
            or shape[2] != weight.shape[2]
            or weight.shape[3] != 1
        ):
            continue
        plain = not any(how.get("pads", [])) and set(how.get("strides", [1])) == {1} and how.get("group", 1) == 1
        axes = graph.array(squeeze.input[1]) if len(squeeze.input) > 1 else None
        if not plain or weight.shape[2] < 2 or axes is None or axes.tolist() != [2]:
            continue
        o, c, h, _ = weight.shape
        y, name = squeeze.output[0], conv.name or conv.output[0]
        bias = graph.array(conv.input[2]) if len(conv.input) > 2 else np.zeros(o, np.float32)
        if bias is None:
            continue
        stem = conv.input[1].removesuffix(".weight")
        w = graph.constant(
            conv.input[1] + "_matrix", np.ascontiguousarray(weight[..., 0].transpose(2, 1, 0).reshape(h * c, o))
        )
        b = graph.constant(stem + ".bias", bias)
        flat = graph.constant(y + "_flat_shape", np.array([0, 0, h * c], np.int64))
        three = graph.constant(y + "_axis", np.array([2], np.int64))
        new = [
            helper.make_node("Transpose", [conv.input[0]], [y + "_columns"], name + "_columns", perm=[0, 3, 2, 1]),
            helper.make_node("Reshape", [y + "_columns", flat], [y + "_flat"], name + "_flat"),
            helper.make_node("MatMul", [y + "_flat", w], [y + "_product"], name + "_product"),
            helper.make_node("Add", [y + "_product", b], [y + "_rows"], name + "_biased"),
            helper.make_node("Transpose", [y + "_rows"], [y], name + "_back", perm=[0, 2, 1]),
        ]
        if len(graph.users[conv.output[0]]) > 1 or conv.output[0] in graph.outputs:  # its shape may be asked for
            new.append(helper.make_node("Unsqueeze", [y, three], [conv.output[0]], name + "_high"))
        graph.replace([conv, squeeze], new)
        return True
    return False


def _pointwise_head(graph: Graph) -> bool:
    """A convolution [1, 1] of which every user takes a slice of the channels, to Gemm over rows of channels."""
    for conv in [n for n in graph.model.graph.node if n.op_type == "Conv"]:
        weight, bias, how = graph.array(conv.input[1]), graph.array((*conv.input, "")[2]), attributes(conv)
        users = graph.users.get(conv.output[0], [])
        plain = not any(how.get("pads", [])) and set(how.get("strides", [1])) == {1} and how.get("group", 1) == 1
        if weight is None or bias is None or weight.shape[2:] != (1, 1) or not plain or not users:
            continue
        if any(u.op_type not in ("Slice", "Split") for u in users):
            continue
        o, c = weight.shape[:2]
        y, name = conv.output[0], conv.name or conv.output[0]
        w = graph.constant(conv.input[1] + "_matrix", np.ascontiguousarray(weight[:, :, 0, 0].T))
        flat = graph.constant(y + "_flat", np.array([-1, c], np.int64))
        rows = graph.constant(y + "_rows", np.array([-1, o], np.int64))
        channels = graph.constant(y + "_channels", np.array([o], np.int64))
        x = conv.input[0]
        # Between two reshapes the last transposition stays where it is: what follows is quicker on whole maps.
        new = [
            helper.make_node("Transpose", [x], [y + "_last"], name + "_last", perm=[0, 2, 3, 1]),
            helper.make_node("Reshape", [y + "_last", flat], [y + "_in"], name + "_in"),
            helper.make_node("Gemm", [y + "_in", w, conv.input[2]], [y + "_out"], name),
            helper.make_node("Shape", [x], [y + "_n"], name + "_n", start=0, end=1),
            helper.make_node("Shape", [x], [y + "_hw"], name + "_hw", start=2, end=4),
            helper.make_node("Concat", [y + "_n", rows], [y + "_by_rows"], name + "_by_rows", axis=0),
            helper.make_node("Concat", [y + "_n", channels, y + "_hw"], [y + "_by_maps"], name + "_by_maps", axis=0),
            helper.make_node("Reshape", [y + "_out", y + "_by_rows"], [y + "_split"], name + "_split"),
            helper.make_node("Transpose", [y + "_split"], [y + "_turned"], name + "_turned", perm=[0, 2, 1]),
            helper.make_node("Reshape", [y + "_turned", y + "_by_maps"], [y], name + "_maps"),
        ]
        graph.replace([conv], new)
        return True
    return False


def _linear(graph: Graph) -> bool:
    """MatMul with weights [I, O] on [N, T, I] and the Add of a bias [O] to Gemm between two reshapes."""
    for product in [n for n in graph.model.graph.node if n.op_type == "MatMul"]:
        weight, add = graph.array(product.input[1]), graph.user(product.output[0], "Add")
        if weight is None or weight.ndim != 2 or add is None:
            continue
        bias_name = next((i for i in add.input if i in graph.constants), "")
        bias, shape = graph.array(bias_name), graph.shape(product.input[0])
        if bias is None or bias.shape != (weight.shape[1],) or len(shape) != 3:
            continue
        y, name = add.output[0], product.name or product.output[0]
        flat = graph.constant("rows_" + str(weight.shape[0]), np.array([-1, weight.shape[0]], np.int64))
        # What Gemm gives gets its batch and time back from the tensor that went in.
        new = [
            helper.make_node("Reshape", [product.input[0], flat], [y + "_in"], name + "_rows"),
            helper.make_node("Gemm", [y + "_in", product.input[1], bias_name], [y + "_out"], name),
            helper.make_node("Shape", [product.input[0]], [y + "_shape"], name + "_shape", start=0, end=2),
            helper.make_node(
                "Concat",
                [y + "_shape", graph.constant("all", np.array([-1], np.int64))],
                [y + "_sizes"],
                name + "_sizes",
                axis=0,
            ),
            helper.make_node("Reshape", [y + "_out", y + "_sizes"], [y], name + "_back"),
        ]
        graph.replace([product, add], new)
        return True
    return False
