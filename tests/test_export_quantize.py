"""INT8 says nearly what FP32 says, in integers, with what was planned left in float; and the gate can fail."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from calibration.ranges import activations, collect, ranges_of
from calibration.samples import Samples
from edge_ocr import manifest as m
from edge_ocr.engine import OnnxEngine
from edge_ocr.geometry import quad_iou_matrix
from export import quantize
from export.checkpoint import Trained
from export.gates import GateError, HeldOut, Limits, labelled_scenes, losses
from export.manifests import describe
from export.onnx import export_network
from export.quantize import Plan, fused, layers_of, prepare, quantise
from export.rewrite import rewrite
from export.sensitivity import choose
from tests.test_export_onnx import network, trained
from training.detector.model import Detector, ModelConfig
from training.synth.line import Sample

OFTEN = ("ab", "1", "b a", "a1b")

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def recognizer(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("r") / "m.onnx"
    net = network()
    for name, value in net.named_parameters():  # gains and biases of the norms that are not those of a fresh network
        if "norm" in name:
            torch.nn.init.normal_(value, 1.0 if "gain" in name or "weight" in name else 0.1, 0.2)
    export_network(trained(net), path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("d") / "m.onnx"
    torch.manual_seed(1)
    net = Detector(ModelConfig(widths=(16, 16, 16, 32, 32), depths=(1, 1, 2), neck=(16, 16, 16)))
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.0)
            torch.nn.init.normal_(module.bias, 0, 0.3)
    torch.nn.init.normal_(net.head.weight, std=0.2)
    export_network(Trained("detect", net.eval(), {}, 0, 0.0, ""), path)
    return path.read_bytes()


def crops(width: int, n: int = 2, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    # Smooth, as pictures are: noise would make every activation an average.
    rough = rng.integers(0, 256, (n, 8, width // 4), dtype=np.uint8)
    return {"crops": np.kron(rough, np.ones((1, 4, 4), np.uint8)).astype(np.uint8)}


def pictures(high: int, wide: int, n: int = 1, seed: int = 0) -> dict[str, np.ndarray]:
    rough = np.random.default_rng(seed).integers(0, 256, (n, high // 8, wide // 8, 3), dtype=np.uint8)
    return {"image": rough.repeat(8, 1).repeat(8, 2)}


def calibrated(model: onnx.ModelProto, inputs: list[dict[str, np.ndarray]]) -> dict[str, object]:
    return ranges_of(collect(model, inputs, activations(model)), "minmax")


def worst(a: bytes, b: bytes, x: dict[str, np.ndarray]) -> float:
    want, got = OnnxEngine(a).run(x), OnnxEngine(b).run(x)
    return max(float(np.abs(want[k] - got[k]).max()) for k in want)


def test_rewriting_keeps_a_recognizers_function(recognizer: bytes) -> None:
    model = prepare(recognizer)
    kinds = [n.op_type for n in model.graph.node]
    assert kinds.count("LayerNormalization") == 3 + 3  # height and channel; two in the layer and one after it
    assert "ReduceMean" not in kinds and "Cast" not in kinds
    assert kinds.count("MatMul") == 2  # those of attention have no weights
    for x in (crops(32), crops(160, 3), crops(512, 1)):
        # Half a grey level at the picture's border is all that may differ, and rounding.
        assert worst(recognizer, model.SerializeToString(), x) < 0.05


def test_rewriting_keeps_a_detectors_function(detector: bytes) -> None:
    model = prepare(detector).SerializeToString()
    for x in (pictures(64, 96), pictures(96, 32, 2)):
        assert worst(detector, model, x) < 1e-3


def test_a_model_without_anything_to_rewrite_stays() -> None:
    node = helper.make_node("Relu", ["x"], ["y"])
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 2]) for n in "xy"]
    model = helper.make_model(helper.make_graph([node], "g", ends[:1], ends[1:]), ir_version=8)
    assert [n.op_type for n in rewrite(model).graph.node] == ["Relu"]


def test_a_recognizer_runs_in_integers_and_says_nearly_the_same(recognizer: bytes) -> None:
    model = prepare(recognizer)
    layers = layers_of(model)
    assert {"net.stem.0", "net.collapse", "net.sequence.layers.0.qkv", "net.symbols"} <= {x.name for x in layers}
    ranges = calibrated(model, [crops(160, 4, seed) for seed in range(3)])
    int8 = quantise(model, ranges).SerializeToString()
    assert fused(int8) == (len(layers), 0)
    for x in (crops(160, 2, 9), crops(64, 3, 8)):
        want, got = OnnxEngine(recognizer).run(x), OnnxEngine(int8).run(x)
        for name in want:
            near = np.abs(np.exp(want[name]) - np.exp(got[name]))
            assert near.max() < 0.15 and near.mean() < 0.02, name
    merged = quantize.fuse(int8)
    assert worst(int8, merged, crops(160, 2, 9)) == 0 and merged != int8
    # Other ranges give other answers: the test above looks at something.
    wrong = {k: type(r)(r.low * 0.1, r.high * 0.1) for k, r in ranges.items()}
    x = crops(160, 2, 9)
    assert worst(recognizer, quantise(model, wrong).SerializeToString(), x) > 3 * worst(recognizer, int8, x)


def test_a_detector_runs_in_integers_from_the_pixels_on(detector: bytes) -> None:
    model = prepare(detector)
    layers = layers_of(model)
    assert layers[0].name == "detector.stem.0" and layers[-1].name == "detector.head"
    ranges = calibrated(model, [pictures(96, 128, 2, seed) for seed in range(3)])
    proto = quantise(model, ranges)
    int8 = proto.SerializeToString()
    assert fused(int8) == (len(layers), 0)
    kinds = [n.op_type for n in proto.graph.node]
    assert "Resize" not in kinds and "Cast" not in kinds  # copied up in uint8; the pixels are the first levels
    constants = {t.name: t for t in proto.graph.initializer}
    scale, zero = (numpy_helper.to_array(constants[name]) for name in ("input_scale", "input_zero"))
    assert (float(scale), int(zero)) == (1 / 64, 128)
    for x in (pictures(96, 128, 1, 9), pictures(64, 32, 2, 8)):
        want, got = OnnxEngine(detector).run(x), OnnxEngine(int8).run(x)
        assert np.abs(want["score"] - got["score"]).mean() < 0.03
        assert np.abs(np.log(want["geometry"][..., :4] / got["geometry"][..., :4])).mean() < 0.1


def test_weights_have_seven_bits(detector: bytes) -> None:
    model = prepare(detector)
    proto = quantise(model, calibrated(model, [pictures(64, 64)]))
    weights = [numpy_helper.to_array(t) for t in proto.graph.initializer if t.data_type == TensorProto.INT8]
    large = [w for w in weights if w.size > 64]
    assert len(large) == len(layers_of(model))
    assert all(np.abs(w.astype(int)).max() <= 64 for w in large)
    assert max(int(np.abs(w.astype(int)).max()) for w in large) >= 63


def test_planned_layers_stay_float_in_the_engine_too(detector: bytes) -> None:
    model = prepare(detector)
    ranges = calibrated(model, [pictures(96, 128, 2)])
    keep = ["detector.stem.0", "detector.to16.0", "detector.down8.0", "detector.head"]
    int8 = quantise(model, ranges, keep_float=keep).SerializeToString()
    assert fused(int8) == (len(layers_of(model)) - len(keep), len(keep))
    every = quantise(model, ranges).SerializeToString()
    x = pictures(96, 128, 1, 5)
    assert worst(detector, int8, x) != worst(detector, every, x)
    with pytest.raises(KeyError, match="no layers"):
        quantise(model, ranges, keep_float=["detector.nose"])


@pytest.mark.parametrize(
    ("after", "told"),
    [
        ({"cer drawn": 0.106}, "cer drawn: 0.1000 before, 0.1060 after"),
        ({"cer drawn": float("nan")}, "nan"),
        ({}, "nan"),
    ],
)
def test_a_loss_is_told(after: dict[str, float], told: str) -> None:
    before = {"cer drawn": 0.1, "cer shop": 0.2}
    assert losses(before, {"cer drawn": 0.1049, "cer shop": 0.9}, 0.005) == []  # labelled folders decide nothing
    assert losses(before, {"cer drawn": 0.02}, 0.005) == []
    (sentence,) = losses(before, after, 0.005)
    assert told in sentence
    assert "nothing was measured" in losses({"cer shop": 0.2}, {"cer shop": 0.2}, 0.005)[0]


def test_limits_are_looked_up_by_name_and_missed_by_figure(tmp_path: Path) -> None:
    path = tmp_path / "budgets.json"
    path.write_text('{"default": {"cpu": 0.7, "bytes": 10}, "ko": {"bytes": 20}}')
    limits = Limits.of("ko", path=path)
    assert (limits.bytes, limits.cpu, Limits.of("xx", path=path).bytes) == (20, 0.7, 10)
    assert limits.missed({"bytes": 20, "cpu": 0.7, "difference": 1e-3}) == []
    (told,) = limits.missed({"bytes": 21, "cpu": 0.7, "difference": 1e-3})
    assert told == "bytes: 21 where at most 20 is allowed"
    assert len(limits.missed({"bytes": 1, "cpu": float("nan")})) == 2


def test_a_folder_is_replaced_only_past_the_gate(tmp_path: Path) -> None:
    source, target = tmp_path / "fp32", tmp_path / "int8"
    source.mkdir()
    run = trained(network())
    export_network(run, source / "model.onnx")
    manifest = describe(run, source, name="ko", like=None, decode={})
    data = m.read_model_file(source, manifest)
    lines = [Sample(x, t) for x, t in zip(crops(160, 4)["crops"], OFTEN, strict=True)]
    samples = Samples([crops(160, 4)], [])

    def build(limit: float, words: list[Sample] = lines) -> dict[str, object]:
        return quantize.quantise_folder(
            source,
            target,
            samples=samples,
            plan=Plan(estimator="minmax", keep_float={"net.stem.0": "because"}),
            mix=quantize.Mix(),
            held_out=HeldOut(lines=words),
            limit=limit,
            command="again",
        )

    with pytest.raises(GateError, match="cer drawn"):
        build(-10.0)  # even no loss at all is too much
    assert not target.exists()
    report = build(10.0)
    made = m.load_manifest(target)
    assert made.files["onnx"].bytes == report["bytes"]["int8"] < 0.6 * len(data)
    assert set(made.measures) == {"fp32 cer drawn", "int8 cer drawn"}
    assert made.made.command.endswith("; again")
    assert made.quantisation is not None
    assert (made.quantisation.weight_bits, made.quantisation.keep_float) == (7, ("net.stem.0",))
    with pytest.raises(ValueError, match="quantised already"):
        quantize.quantise_model(made, (target / "model.onnx").read_bytes(), samples, plan=Plan())


def test_layers_are_chosen_by_what_they_gain_for_their_time() -> None:
    costs = {
        "free": {"alone": 0.1, "gain": 0.2, "slower": -0.01},
        "idle": {"alone": 0.1, "gain": 0.001, "slower": -0.01},  # nothing to gain: stays quantised
        "good": {"alone": 0.3, "gain": 0.3, "slower": 0.1},
        "dear": {"alone": 0.4, "gain": 0.4, "slower": 0.5},
        "harm": {"alone": 0.0, "gain": -0.1, "slower": 0.1},
    }
    assert set(choose(costs, 1.0, enough=lambda keep: True)) == {"free"}
    assert set(choose(costs, 1.0, enough=lambda keep: "good" in keep)) == {"free", "good"}
    assert set(choose(costs, 1.0, enough=lambda keep: False)) == {"free", "good", "dear", "idle"}


def test_a_plan_is_read_as_it_was_written_and_no_further(tmp_path: Path) -> None:
    plan = Plan(estimator="mse", keep_float={"x": "why"}, measured={"a": 1})
    plan.save(tmp_path / "p.json")
    assert Plan.load(tmp_path / "p.json") == plan
    (tmp_path / "p.json").write_text('{"estimater": "mse"}')
    with pytest.raises(ValueError, match="estimater"):
        Plan.load(tmp_path / "p.json")


def test_labelled_quads_count_in_any_order(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((20, 30, 3), np.uint8))
    row = {"image": "a.png", "polygons": [[[2, 9], [8, 9], [8, 1], [2, 1]]], "texts": ["x"], "ignore": [False]}
    (tmp_path / "labels.jsonl").write_text(json.dumps(row) + "\n")
    (scene,) = labelled_scenes(tmp_path)
    assert scene.image.shape == (20, 30, 3)
    assert quad_iou_matrix(scene.quads, [[(2, 1), (8, 1), (8, 9), (2, 9)]])[0, 0] == pytest.approx(1)
