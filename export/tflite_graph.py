"""One TFLite graph for many shapes: signatures that share their weights, made from a few that were converted.

A TFLite graph has fixed shapes. Of a network that is the same at every size, two conversions at different sizes differ
in numbers only: shapes of tensors, and small integer constants such as the targets of reshapes. Those numbers are
linear in each side of the input, so the graph of any other size follows from them, and nothing but shapes is written
twice: all signatures point to the same buffers of weights.

The sizes that are converted must be such that no two numbers of the graph are equal by chance (columns that are prime,
for example), or the converter merges constants that are not the same at other sizes.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["GraphError", "grow", "in_order", "read", "regrow", "write"]

Size = tuple[int, ...]


class GraphError(RuntimeError):
    """The converted graphs are not the same network at different sizes."""


def read(data: bytes) -> Any:
    """The model's object tree (``ModelT`` of the TFLite schema)."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(bytearray(data), 0))
    for buffer in model.buffers:  # the quantiser lays them behind the tree
        if buffer.data is None and buffer.offset > 1:
            buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
        buffer.offset = buffer.size = 0
    return model


class _Once:
    """A table that is written once, however many others point to it."""

    def __init__(self, table: Any) -> None:
        self.table = table
        self._at: int | None = None

    def Pack(self, builder: Any) -> int:
        if self._at is None:
            self._at = int(self.table.Pack(builder))
        return self._at


def write(model: Any) -> bytes:
    """The model's bytes; tensors and operators that several graphs hold are written once."""
    import flatbuffers

    once: dict[int, _Once] = {}
    model = copy.copy(model)
    model.subgraphs = [copy.copy(g) for g in model.subgraphs]
    for graph in model.subgraphs:
        graph.tensors = [once.setdefault(id(t), _Once(t)) for t in graph.tensors]
        graph.operators = [once.setdefault(id(o), _Once(o)) for o in graph.operators]

    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def grow(
    data: bytes, converted: Sequence[Size], wanted: Sequence[Size], *, given: str, outputs: Sequence[str]
) -> bytes:
    """A model with a signature for every size in ``wanted``, from one whose subgraphs stand for ``converted``: a base,
    then for each side of the input one that differs from the base in that side only.

    A signature is called by its input's shape without the batch, such as ``32x160``; its input is ``given``, its
    outputs are ``outputs``. Names of tensors, which are longer than the graph, and descriptions are dropped. Raises
    GraphError where the graphs differ in more than numbers.
    """
    model = read(data)
    graphs = in_order(model)
    if len(graphs) != len(converted) or len(converted) != 1 + len(converted[0]):
        raise GraphError(f"{len(graphs)} graphs for the sizes {list(converted)}")
    base, others = graphs[0], graphs[1:]
    for other in others:
        _same_network(model, base, other)
    for tensor in base.tensors:
        tensor.name, tensor.shapeSignature = "", None
    for operator in base.operators:  # a reshape repeats its target, which is a tensor as well
        if hasattr(operator.builtinOptions, "newShape"):
            operator.builtinOptions, operator.builtinOptionsType = None, 0
    shapes = [tuple(int(v) for v in g.tensors[g.inputs[0]].shape) for g in graphs]
    model.subgraphs, model.signatureDefs = [], []
    for size in wanted:
        steps = []
        for axis, (a, b) in enumerate(zip(converted[0], [c[i] for i, c in enumerate(converted[1:])], strict=True)):
            steps.append((size[axis] - a, b - a))
        model.subgraphs.append(_at(model, base, others, steps))
        _sign(model, given, outputs)
    _drop_unused(model)
    model.metadata, model.metadataBuffer, model.description = [], [], "edge_ocr"
    if len({tuple(s) for s in shapes}) != len(shapes):
        raise GraphError(f"graphs of the same shape: {shapes}")
    return write(model)


def regrow(data: bytes, wanted: Sequence[Size]) -> bytes:
    """The same network with signatures for the sizes in ``wanted``, from a file that ``grow`` made of inputs whose
    width alone changes, a recognizer's: two of its signatures tell all others, so nothing is converted again. Raises
    GraphError where there are fewer, or inputs of two sides."""
    model = read(data)
    found = {bytes(s.signatureKey).decode(): s for s in model.signatureDefs or []}
    widths = sorted((int(key.split("x")[-1]), key) for key in found)
    if len(widths) < 2 or len({key.rsplit("x", 1)[0] for key in found}) != 1 or any(len(w) != 1 for w in wanted):
        raise GraphError(f"signatures {sorted(found)}: two widths of one height are needed")
    ends = [found[key] for _, key in (widths[0], widths[-1])]
    names = [(bytes(e.inputs[0].name).decode(), [bytes(o.name).decode() for o in e.outputs]) for e in ends]
    model.subgraphs = [model.subgraphs[e.subgraphIndex] for e in ends]
    for k, signature in enumerate(ends):
        signature.signatureKey, signature.subgraphIndex = f"s{k}".encode(), k
    model.signatureDefs = ends
    sizes = [(widths[0][0],), (widths[-1][0],)]
    return grow(write(model), sizes, wanted, given=names[0][0], outputs=names[0][1])


def in_order(model: Any) -> list[Any]:
    """The subgraphs of the signatures ``s0``, ``s1`` … in this order; as they come where there are no signatures."""
    signatures = {bytes(s.signatureKey).decode(): s.subgraphIndex for s in model.signatureDefs or []}
    if not signatures:
        return list(model.subgraphs)
    return [model.subgraphs[signatures[f"s{k}"]] for k in range(len(signatures))]


def _same_network(model: Any, a: Any, b: Any) -> None:
    if len(a.operators) != len(b.operators) or len(a.tensors) != len(b.tensors):
        raise GraphError(
            f"{len(a.operators)} and {len(b.operators)} operators, {len(a.tensors)} and {len(b.tensors)} tensors: "
            "two numbers were merged by chance; convert at other sizes"
        )
    for x, y in zip(a.operators, b.operators, strict=True):
        if x.opcodeIndex != y.opcodeIndex or list(x.inputs) != list(y.inputs) or list(x.outputs) != list(y.outputs):
            raise GraphError("the operators of two sizes are wired differently; convert at other sizes")
    if list(a.inputs) != list(b.inputs) or list(a.outputs) != list(b.outputs):
        raise GraphError("inputs or outputs of two sizes differ")


def _at(model: Any, base: Any, others: Sequence[Any], steps: Sequence[tuple[int, int]]) -> Any:
    """The base graph moved by ``steps``: for each other graph (how far to go, how far that one went)."""
    graph = copy.copy(base)
    graph.name = ""
    graph.tensors = []
    for i, tensor in enumerate(base.tensors):
        there = [o.tensors[i] for o in others]
        if all(_constant(model, tensor, t) for t in there):
            graph.tensors.append(tensor)
            continue
        new = copy.copy(tensor)
        if tensor.shape is not None:
            # exactly int32: the writer copies the bytes of an array as they are
            new.shape = _moved(np.asarray(tensor.shape), [np.asarray(t.shape) for t in there], steps).astype(np.int32)
        data = model.buffers[tensor.buffer].data
        values = [model.buffers[t.buffer].data for t in there]
        if any(t.buffer != tensor.buffer and not _equal(data, v) for t, v in zip(there, values, strict=True)):
            kind = _INTEGERS.get(int(tensor.type))
            if kind is None:
                raise GraphError(f"tensor {tensor.name!r}: weights that depend on the size")
            numbers = [np.frombuffer(np.asarray(v, np.uint8).tobytes(), kind) for v in (data, *values)]
            moved = _moved(numbers[0], numbers[1:], steps)
            buffer = copy.copy(model.buffers[tensor.buffer])
            buffer.data = np.frombuffer(moved.astype(kind).tobytes(), np.uint8)
            new.buffer = _buffer(model, buffer)
        graph.tensors.append(new)
    return graph


def _constant(model: Any, a: Any, b: Any) -> bool:
    """Whether two tensors are the same at both sizes, values included."""
    if not _equal(a.shape, b.shape) or a.type != b.type:
        return False
    return a.buffer == b.buffer or _equal(model.buffers[a.buffer].data, model.buffers[b.buffer].data)


_INTEGERS: dict[int, str] = {2: "<i4", 4: "<i8"}  # TensorType.INT32, INT64


def _moved(
    base: NDArray[Any], there: Sequence[NDArray[Any]], steps: Sequence[tuple[int, int]]
) -> NDArray[np.int64]:
    out = base.astype(np.int64)
    for other, (go, went) in zip(there, steps, strict=True):
        if other.shape != base.shape:
            raise GraphError(f"a shape of {len(base)} sides at one size has {len(other)} at another")
        change = (other.astype(np.int64) - base) * go
        if (change % went).any():
            raise GraphError("a number of the graph is not linear in the size of the input")
        out = out + change // went
    return out


def _equal(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    return np.array_equal(np.asarray(a), np.asarray(b))


def _buffer(model: Any, buffer: Any) -> int:
    """The number of a buffer of this content: one that is there, or a new one."""
    key = buffer.data.tobytes()
    for k, known in enumerate(model.buffers):
        if known.data is not None and len(known.data) == len(key) and np.asarray(known.data, np.uint8).tobytes() == key:
            return k
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def _sign(model: Any, given: str, outputs: Sequence[str]) -> None:
    """A signature for the subgraph that was added last."""
    from ai_edge_litert import schema_py_generated as schema

    def entry(name: str, tensor: int) -> Any:
        item = schema.TensorMapT()
        item.name, item.tensorIndex = name.encode(), int(tensor)
        return item

    graph = model.subgraphs[-1]
    if len(graph.inputs) != 1 or len(graph.outputs) != len(outputs):
        raise GraphError(f"{len(graph.inputs)} inputs and {len(graph.outputs)} outputs; expected 1 and {len(outputs)}")
    signature = schema.SignatureDefT()
    shape = graph.tensors[graph.inputs[0]].shape
    signature.signatureKey = "x".join(str(int(v)) for v in shape[1:]).encode()
    signature.inputs = [entry(given, graph.inputs[0])]
    signature.outputs = [entry(name, k) for name, k in zip(outputs, graph.outputs, strict=True)]
    signature.subgraphIndex = len(model.subgraphs) - 1
    model.signatureDefs.append(signature)


def _drop_unused(model: Any) -> None:
    """Buffers that no tensor points to go, and equal ones become one. Buffer 0 stays: it is the empty one."""
    place: dict[int, int] = {0: 0}
    contents: dict[bytes, int] = {}
    kept = [model.buffers[0]]
    for tensor in {id(t): t for graph in model.subgraphs for t in graph.tensors}.values():
        if tensor.buffer not in place:
            data = model.buffers[tensor.buffer].data
            key = b"" if data is None else np.asarray(data, np.uint8).tobytes()
            if key and key not in contents:
                contents[key] = len(kept)
                kept.append(model.buffers[tensor.buffer])
            place[tensor.buffer] = contents[key] if key else 0
        tensor.buffer = place[tensor.buffer]
    model.buffers = kept
