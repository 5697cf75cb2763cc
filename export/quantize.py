"""FP32 to INT8: ``python -m export.quantize FOLDER --ingredients DIR --out OUT/<name>``.

Static quantisation as the edge engines run it fastest: activations in uint8 with a zero point, weights in int8 with a
scale for each output channel (Jacob et al., CVPR 2018, https://arxiv.org/abs/1712.05877), written as QuantizeLinear and
DequantizeLinear around float nodes, so that any engine can read the file and those that can fuse it. Weights have
seven bits: without VNNI, x86 adds pairs of products in 16 bits, which eight overflow, and the same file would say
something else there.

What is quantised: each convolution with the activation, sum, resizing and pooling that follow it, and each matrix
product with weights, whose outputs stay float. What stays float is said by the plan, a small JSON that
``export.sensitivity`` writes from measurements. The ranges of the activations come from ``calibration``.

A model that reads or finds worse than its FP32 original by more than the gate allows is not registered.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, helper

from calibration.ranges import Range, activations, collect, ranges_of
from calibration.samples import Mix, Samples, calibration_samples
from edge_ocr import manifest as m
from edge_ocr.engine import OnnxEngine
from export.gates import GateError, HeldOut, Limits, losses, measure
from export.half import halve
from export.manifests import beside
from export.rewrite import Graph, infer, rewrite
from export.shape_up import shape_up
from export.turn import width_first

__all__ = [
    "Layer",
    "Plan",
    "described",
    "fuse",
    "fused",
    "layers_of",
    "main",
    "plan_of",
    "prepare",
    "quantise",
    "quantise_folder",
    "quantise_model",
]

PLANS = Path(__file__).parent / "plans"
WEIGHT_BITS = 7
_FOLLOWERS = ("Relu", "Add", "Resize", "MaxPool", "Clip")


@dataclass(frozen=True)
class Layer:
    """A convolution or matrix product with weights: ``name`` (that of its weights in the trained network), ``node``,
    and the nodes that are quantised along with it."""

    name: str
    node: str
    kind: str
    along: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a model is quantised: ``estimator`` of the ranges, and ``keep_float``, the layers that stay float, with the
    reason of each; ``quantizer``: ``own``, or ``nncf``, which has an estimator of its own. ``measured`` is what the
    choice rests on."""

    quantizer: str = "own"
    estimator: str = "mse"
    keep_float: dict[str, str] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Plan:
        data = json.loads(path.read_text(encoding="utf-8"))
        known = {f.name for f in dataclasses.fields(cls)}
        if unknown := set(data) - known:
            raise ValueError(f"{path}: unknown keys {sorted(unknown)}; known are {sorted(known)}")
        return cls(**data)

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def prepare(model: ModelProto | bytes, *, turned: bool = True) -> ModelProto:
    """The float graph that is calibrated and quantised: constants folded by ONNX Runtime's basic level, then
    ``export.rewrite`` and, with ``turned``, ``export.turn``."""
    import onnxruntime

    data = model if isinstance(model, bytes) else model.SerializeToString()
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "folded.onnx"
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(path)
        options.log_severity_level = 3
        onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        folded = onnx.load(path)
    out = rewrite(folded)
    graph = Graph(out)
    if turned and width_first(graph):
        graph.sweep()
        out = infer(graph.model)
    # The optimiser lists its own operator sets whether they are used or not.
    used = {n.domain for n in out.graph.node}
    opsets = [o for o in out.opset_import if o.domain in used or o.domain == ""]
    del out.opset_import[:]
    out.opset_import.extend(opsets)
    return out


def layers_of(model: ModelProto) -> list[Layer]:
    """The layers of a prepared graph, in its order."""
    graph = Graph(model)
    found = []
    for node in model.graph.node:
        if node.op_type not in ("Conv", "Gemm") or node.input[1] not in graph.constants:
            continue
        name = next(
            (i.removesuffix(s) for i in node.input[1:] for s in (".weight", ".bias") if i.endswith(s)), node.name
        )
        along: list[str] = []
        if node.op_type == "Conv":
            at = node
            while True:
                users = graph.users.get(at.output[0], [])
                following = [u for u in users if u.op_type in _FOLLOWERS]
                if not following or (len(users) > 1 and at is not node and at.op_type != "Relu"):
                    break
                # A sum belongs to the later of its two sides; both say it, which does no harm.
                at = next((u for u in following if u.op_type != "MaxPool"), following[0])
                if at.name in along:
                    break
                along.append(at.name)
                if at.op_type in ("Relu", "MaxPool"):
                    pools = [u for u in graph.users.get(at.output[0], []) if u.op_type == "MaxPool"]
                    along.extend(p.name for p in pools)
                    break
        # A pooling between something float and this layer is quicker, and as exact, on uint8.
        before = graph.maker.get(node.input[0])
        if before is not None and before.op_type == "MaxPool":
            along.append(before.name)
        found.append(Layer(name, node.name, node.op_type, tuple(dict.fromkeys(along))))
    return found


def quantise(
    model: ModelProto, ranges: Mapping[str, Range], *, keep_float: Sequence[str] = (), shaped: bool = True
) -> ModelProto:
    """A prepared graph with QuantizeLinear and DequantizeLinear around all layers but ``keep_float``.

    ``ranges``: of every activation, as ``calibration.ranges`` gives them. ``shaped``: after ``export.shape_up``, which
    changes no number. Raises KeyError for a layer that is not there.
    """
    layers = layers_of(model)
    if unknown := set(keep_float) - {x.name for x in layers}:
        raise KeyError(f"no layers {sorted(unknown)}; there are {[x.name for x in layers]}")
    chosen: list[str] = []
    excluded = {x.node for x in layers if x.name in keep_float}
    for layer in layers:
        if layer.name not in keep_float:
            chosen += [layer.node, *layer.along]
    graph = Graph(model)
    by_name = {n.name: n for n in model.graph.node}
    # A sum of which one side is float stays float; so does a pooling that feeds nothing quantised.
    chosen = [c for c in dict.fromkeys(chosen) if c not in excluded and _worth(graph, by_name[c], excluded)]
    out = _insert(model, ranges, chosen, sorted(excluded))
    return shape_up(out) if shaped else out


def _worth(graph: Graph, node: NodeProto, excluded: set[str]) -> bool:
    if node.op_type != "Add":
        return True
    makers = [graph.maker.get(i) for i in node.input]
    return all(n is not None and n.name not in excluded for n in makers)


def _insert(model: ModelProto, ranges: Mapping[str, Range], chosen: list[str], excluded: list[str]) -> ModelProto:
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.calibrate import CalibrationMethod, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    copy = ModelProto()
    copy.CopyFrom(model)
    ranges = {**ranges, **_pixels(Graph(copy))}
    data = TensorsData(
        CalibrationMethod.MinMax, {k: (np.float32(r.low), np.float32(r.high)) for k, r in ranges.items()}
    )
    kinds = sorted({n.op_type for n in model.graph.node if n.name in chosen})
    if not kinds:
        return copy
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantiser = QDQQuantizer(
            copy,
            True,
            True,
            QuantType.QInt8,
            QuantType.QUInt8,
            data,
            chosen,
            excluded,
            kinds,
            {"OpTypesToExcludeOutputQuantization": ["Gemm"]},
        )
        quantiser.quantize_model()
    out: ModelProto = quantiser.model.model
    _pixels_as_they_are(Graph(out))
    _keep_apart(Graph(out))
    _copy_up(Graph(out))
    _shapes_of_levels(Graph(out))
    tidy = Graph(out)
    tidy.sweep()
    tidy.sort()
    out.producer_name = "edge_ocr"
    out.producer_version = ""
    return out


def _copy_up(graph: Graph) -> None:
    """Nearest upsampling of uint8 by 2 as concatenations with channels last, which copy whole rows of channels; ONNX
    Runtime's Resize takes several times as long there."""
    for resize in [n for n in graph.model.graph.node if n.op_type == "Resize"]:
        scales = graph.array(resize.input[2]) if len(resize.input) > 2 else None
        before, after = graph.maker.get(resize.input[0]), graph.user(resize.output[0], "QuantizeLinear")
        how = {a.name: helper.get_attribute_value(a) for a in resize.attribute}
        if scales is None or scales.tolist() != [1, 1, 2, 2] or how.get("mode", b"nearest") != b"nearest":
            continue
        if how.get("coordinate_transformation_mode") != b"asymmetric" or how.get("nearest_mode") != b"floor":
            continue
        if before is None or after is None or before.op_type != "DequantizeLinear":
            continue
        if graph.user(before.output[0], "Resize") is None:
            continue
        same = [graph.array(x) for x in (*before.input[1:3], *after.input[1:3])]
        if any(x is None for x in same) or same[0] != same[2] or same[1] != same[3]:
            continue
        y, name = after.output[0], resize.name
        twice = graph.constant("twice", np.array([1, 2, 2, 1], np.int64))
        new = [
            helper.make_node("Transpose", [before.input[0]], [y + "_last"], name + "_last", perm=[0, 2, 3, 1]),
            helper.make_node("Concat", [y + "_last", y + "_last"], [y + "_wide"], name + "_wide", axis=3),
            helper.make_node("Concat", [y + "_wide", y + "_wide"], [y + "_high"], name + "_high", axis=2),
            helper.make_node("Shape", [y + "_last"], [y + "_shape"], name + "_shape"),
            helper.make_node("Mul", [y + "_shape", twice], [y + "_sizes"], name + "_sizes"),
            helper.make_node("Reshape", [y + "_high", y + "_sizes"], [y + "_maps"], name + "_maps"),
            helper.make_node("Transpose", [y + "_maps"], [y], name + "_back", perm=[0, 3, 1, 2]),
        ]
        graph.replace([before, resize, after], new)
        _copy_up(graph)
        return


def _shapes_of_levels(graph: Graph) -> None:
    """Nothing is dequantised for its shape alone."""
    for node in graph.model.graph.node:
        before = graph.maker.get(node.input[0]) if node.op_type == "Shape" else None
        if before is not None and before.op_type == "DequantizeLinear":
            node.input[0] = before.input[0]


def _keep_apart(graph: Graph) -> None:
    """A float convolution between DequantizeLinear and QuantizeLinear is quantised by newer ONNX Runtimes on their own
    account, with one scale for all weights and eight bits. Max, in place of ReLU or beside it, keeps it float."""
    for conv in list(graph.model.graph.node):
        if conv.op_type != "Conv" or conv.input[1] not in graph.constants:
            continue
        relu = graph.user(conv.output[0], "Relu")
        end = relu if relu is not None else conv
        users = graph.users.get(end.output[0], [])
        if not any(u.op_type == "QuantizeLinear" for u in users):
            continue
        low = 0.0
        if relu is None:
            quantise_ = next(u for u in users if u.op_type == "QuantizeLinear")
            scale, zero = graph.array(quantise_.input[1]), graph.array(quantise_.input[2])
            low = -1.001 * float(scale) * int(zero) if scale is not None and zero is not None else 0.0
        floor = graph.constant(f"{conv.name}_floor", np.array(low, np.float32))
        if relu is not None:
            new = helper.make_node("Max", [conv.output[0], floor], list(relu.output), relu.name)
            graph.replace([relu], [new])
        else:
            out = conv.output[0]
            conv.output[0] = out + "_free"
            copy = NodeProto.FromString(conv.SerializeToString())
            graph.index()
            graph.replace([conv], [copy, helper.make_node("Max", [out + "_free", floor], [out], conv.name + "_max")])
        _keep_apart(graph)
        return


def fuse(model: bytes, *, portable: bool = True) -> bytes:
    """The graph after ONNX Runtime has merged its nodes: it loads in half the time, and only ONNX Runtime reads it.

    ``portable``: without what it does for the processor at hand alone.
    """
    import onnxruntime

    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "fused.onnx"
        options = onnxruntime.SessionOptions()
        if portable:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(path)
        options.log_severity_level = 4
        onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return path.read_bytes()


def fused(model: bytes) -> tuple[int, int]:
    """How many convolutions and matrix products with weights ONNX Runtime here runs in integers, and how many in
    float."""
    graph = Graph(onnx.load_from_string(fuse(model, portable=False)))
    products = ("MatMul", "FusedMatMul")
    kinds = [n.op_type for n in graph.model.graph.node if n.op_type not in products or n.input[1] in graph.constants]
    integer = ("QLinearConv", "QGemm", "QLinearMatMul", "MatMulIntegerToFloat", "DynamicQuantizeMatMul")
    floating = ("Conv", "FusedConv", "Gemm", "FusedGemm", *products)
    return sum(k in integer for k in kinds), sum(k in floating for k in kinds)


def _pixels(graph: Graph) -> dict[str, Range]:
    """The range of the input as pixels have it, so that their levels are the levels."""
    for node in graph.model.graph.node:
        if node.name == "input_levels":
            scale, zero = graph.array(node.input[1]), graph.array(node.input[2])
            if scale is not None and zero is not None:
                return {node.output[0]: Range(-int(zero) * float(scale), (255 - int(zero)) * float(scale))}
    return {}


def _pixels_as_they_are(graph: Graph) -> None:
    """uint8 -> DequantizeLinear -> QuantizeLinear with the same scale is uint8: the second pair goes."""
    for node in list(graph.model.graph.node):
        if node.name != "input_levels":
            continue
        again = graph.user(node.output[0], "QuantizeLinear")
        if again is None:
            return
        scale, zero = graph.array(again.input[1]), graph.array(again.input[2])
        own_scale, own_zero = graph.array(node.input[1]), graph.array(node.input[2])
        if scale is None or zero is None or own_scale is None or own_zero is None:
            return
        if abs(float(scale) / float(own_scale) - 1) > 1e-3 or int(zero) != int(own_zero):
            raise ValueError(
                f"the input is quantised by {float(scale)}, {int(zero)}, "
                f"its pixels by {float(own_scale)}, {int(own_zero)}"
            )
        for user in graph.users[again.output[0]]:
            for k, name in enumerate(user.input):
                if name == again.output[0]:
                    user.input[k] = node.input[0]
        graph.index()
        graph.sweep()
        return


def quantise_model(manifest: m.Manifest, data: bytes, samples: Samples, *, plan: Plan, merged: bool = False) -> bytes:
    """The float model ``data`` in INT8, calibrated on ``samples``. ``merged``: after ``fuse``. What stays float is
    stored in half precision. Raises ValueError for a model that is quantised already, KeyError for a plan of another
    network."""
    if any(n.op_type.startswith(("QuantizeLinear", "QLinear")) for n in onnx.load_from_string(data).graph.node):
        raise ValueError(f"{manifest.name}: is quantised already; start from the FP32 model")
    model = prepare(data)
    int8: bytes
    if plan.quantizer == "nncf":
        from export.quantizer_nncf import quantise_nncf

        nodes = [x.node for x in layers_of(model) if x.name in plan.keep_float]
        int8 = quantise_nncf(model, samples.inputs, keep_float=nodes).SerializeToString()
    else:
        ranges = ranges_of(collect(model, samples.inputs, activations(model)), plan.estimator)
        int8 = quantise(model, ranges, keep_float=list(plan.keep_float)).SerializeToString()
    if merged:
        int8 = fuse(int8)
    return halve(int8)


def quantise_folder(
    source: Path,
    target: Path,
    *,
    samples: Samples,
    plan: Plan,
    mix: Mix,
    held_out: HeldOut,
    limit: float = Limits.loss,
    merged: bool = False,
    command: str = "",
) -> dict[str, Any]:
    """The FP32 model in ``source`` as INT8 in ``target`` (which may be the same), if it passes the gate.

    Returns a report: bytes, figures before and after, the layers that stayed float, and what it was calibrated on.
    Raises GateError and leaves ``target`` as it was.
    """
    manifest = m.load_manifest(source)
    data = m.read_model_file(source, manifest)
    int8 = quantise_model(manifest, data, samples, plan=plan, merged=merged)
    before, after = (measure(manifest, OnnxEngine(x), held_out) for x in (data, int8))
    if missed := losses(before, after, limit):
        raise GateError("INT8 loses too much and is not registered:\n  " + "\n  ".join(missed))
    record = samples.record(mix)
    report = {
        "name": manifest.name,
        "bytes": {"fp32": len(data), "int8": len(int8)},
        "before": before,
        "after": after,
        "limit": limit,
        "estimator": plan.estimator,
        "keep_float": plan.keep_float,
        "calibration": {k: record[k] for k in ("mix", "sha256")},
    }
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target) as work:
        temp = Path(work) / "model.onnx"
        temp.write_bytes(int8)
        entry = m.describe_file(temp)
        temp.chmod(0o644)
        temp.replace(target / "model.onnx")
    made = dataclasses.replace(
        manifest.made,
        command=manifest.made.command + (f"; {command}" if command else ""),
        date=datetime.date.today().isoformat(),
    )
    kept = {k: v for k, v in manifest.measures.items() if not k.startswith(("fp32 ", "int8 "))}
    drawn = {
        f"{when} {k}": round(v, 4) for when, figures in (("fp32", before), ("int8", after)) for k, v in figures.items()
    }
    files = {"onnx": dataclasses.replace(entry, path="model.onnx"), **beside(manifest, source, target)}
    new = dataclasses.replace(
        manifest, files=files, made=made, measures=kept | drawn, quantisation=described(plan, record["sha256"])
    )
    m.write_manifest(target, new)
    m.load_manifest(target)
    return report


def described(plan: Plan, samples: str) -> m.Quantisation:
    """What the manifest says of how a model was quantised."""
    return m.Quantisation(
        activations="uint8",
        weights="int8",
        weight_bits=WEIGHT_BITS,
        estimator="nncf" if plan.quantizer == "nncf" else plan.estimator,
        keep_float=tuple(plan.keep_float),
        samples=samples,
    )


def options(p: argparse.ArgumentParser) -> None:
    """The options that every command which quantises has."""
    p.add_argument(
        "--ingredients",
        default="ingredients",
        help="folder of fonts, texts and backgrounds that samples are drawn from",
    )
    p.add_argument(
        "--plan",
        type=Path,
        help="what stays float, from export.sensitivity; default: export/plans/<name>.json, if there is one",
    )
    p.add_argument("--quantizer", choices=("own", "nncf"), help="instead of the plan's; nncf needs pip install nncf")
    p.add_argument(
        "--labelled",
        nargs="*",
        type=Path,
        default=[],
        metavar="DIR",
        help="folders with labels.jsonl, measured for the record; the gate looks at drawn samples alone",
    )
    p.add_argument("--lines", type=int, default=600, help="drawn lines that the gate measures a recognizer on")
    p.add_argument("--scenes", type=int, default=200, help="drawn scenes that the gate measures a detector on")
    p.add_argument("--merged", action="store_true", help="nodes merged for ONNX Runtime: loads quicker, and only there")


def plan_of(name: str, given: Path | None, quantizer: str | None = None) -> Plan:
    """The plan that the options ask for, with ``quantizer`` in place of its own. Raises FileNotFoundError for one that
    is given and not there."""
    path = given or PLANS / f"{name}.json"
    if given and not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such plan; python -m export.sensitivity makes one")
    plan = Plan.load(path) if path.is_file() else Plan()
    return plan if quantizer is None else dataclasses.replace(plan, quantizer=quantizer)


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", type=Path, help="folder of an FP32 model")
    p.add_argument("--out", type=Path, help="folder of the INT8 model; its own if left out")
    p.add_argument("--report", type=Path, help="JSON file for the report")
    p.add_argument("--limit", type=float, default=Limits.loss, help="how much an error on drawn samples may grow")
    options(p)
    a = p.parse_args()
    manifest = m.load_manifest(a.folder)
    mix = Mix()
    try:
        report = quantise_folder(
            a.folder,
            a.out or a.folder,
            samples=calibration_samples(manifest, m.read_model_file(a.folder, manifest), a.ingredients, mix),
            plan=plan_of(manifest.name, a.plan, a.quantizer),
            mix=mix,
            held_out=HeldOut.draw(manifest, a.ingredients, lines=a.lines, scenes=a.scenes, labelled=a.labelled),
            limit=a.limit,
            merged=a.merged,
            command="python -m export.quantize",
        )
    except GateError as error:
        print(f"{a.folder}: {error}", file=sys.stderr)
        return 1
    text = json.dumps(report, indent=1, ensure_ascii=False)
    if a.report:
        a.report.write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
