"""Exported graphs say what their networks say, at widths and batches that the export never saw."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from edge_ocr import manifest as m
from edge_ocr.engine import OnnxEngine
from edge_ocr.recognize import Recognizer as Runtime
from export.checkpoint import Trained, keep_weights, load_trained, save_trained
from export.half import store_half
from export.manifests import describe
from export.onnx import export_network, fold_batch_norm
from export.parity import ParityError, check_parity
from training.detector.model import Detector, ModelConfig
from training.detector.train import initialise as initialise_detector
from training.recognizer.model import ExportRecognizer, Recognizer, RecognizerConfig
from training.recognizer.train import initialise, read
from training.synth.line import Sample


def network(sequence: str = "attention", head: str = "hangul-factorised") -> Recognizer:
    torch.manual_seed(0)
    net = Recognizer(
        RecognizerConfig(
            charset="ab1 ",
            head=head,
            sequence=sequence,
            widths=(8, 8, 16, 16, 16),
            dim=16,
            heads=2,
            layers=1,
            feed_forward=32,
            lstm_hidden=8,
        )
    )
    for module in net.modules():  # running statistics that are not those of a fresh network, as after training
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.3, 2)
    return net.eval()


def trained(net: Recognizer) -> Trained:
    return Trained("recognize", net, net.config.to_dict(), 7, 60.0, "")


def test_folding_keeps_the_function() -> None:
    net, image = network(), torch.randint(0, 256, (2, 32, 64), dtype=torch.uint8)
    with torch.no_grad():
        want = net(image)
        folded = fold_batch_norm(net)
        got = folded(image)
    assert not any(isinstance(x, torch.nn.BatchNorm2d) for x in folded.modules())
    for key in want:
        torch.testing.assert_close(got[key], want[key], atol=1e-4, rtol=1e-4)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("sequence", "head"), [("attention", "hangul-factorised"), ("lstm", "flat")])
def test_graph_and_network_agree(tmp_path: Path, sequence: str, head: str) -> None:
    net = network(sequence, head)
    path = tmp_path / "m.onnx"
    export_network(trained(net), path)
    assert OnnxEngine(path).output_names == (
        ("symbols", "initial", "medial", "final") if head != "flat" else ("symbols",)
    )
    rng = np.random.default_rng(0)
    probes = [("crops", rng.integers(0, 256, (n, 32, w), dtype=np.uint8)) for n, w in ((1, 32), (3, 160), (5, 512))]
    assert check_parity(ExportRecognizer(net), path, probes, tolerance=1e-3) < 1e-3
    other = network(sequence, head)
    with torch.no_grad():
        other.symbols.bias[1] += 0.5
    with pytest.raises(ParityError, match="differs"):
        check_parity(ExportRecognizer(other), path, probes, tolerance=1e-3)
    total = np.exp(OnnxEngine(path).run({"crops": probes[0][1]})["symbols"]).sum(-1)
    assert total == pytest.approx(np.ones_like(total), abs=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_half_precision_is_half_the_bytes_and_the_same_answers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = Recognizer(RecognizerConfig(charset="ab1 ", head="flat", layers=1)).eval()
    export_network(trained(net), tmp_path / "m.onnx")
    crops = np.random.default_rng(1).integers(0, 256, (2, 32, 96), dtype=np.uint8)
    before = OnnxEngine(tmp_path / "m.onnx").run({"crops": crops})["symbols"]
    size = (tmp_path / "m.onnx").stat().st_size
    assert 0 < store_half(tmp_path / "m.onnx") < 1e-3
    after = OnnxEngine(tmp_path / "m.onnx").run({"crops": crops})["symbols"]
    assert 0 < np.abs(after - before).max() < 0.05
    assert (tmp_path / "m.onnx").stat().st_size < 0.6 * size


@pytest.mark.filterwarnings("ignore")
def test_a_run_becomes_a_model_that_the_runtime_reads_alike(tmp_path: Path) -> None:
    net = network()
    save_trained(trained(net), tmp_path / "run" / "last.pt")
    run = load_trained(tmp_path / "run")
    assert (run.task, run.samples, run.outputs) == ("recognize", 7, ("symbols", "initial", "medial", "final"))
    export_network(run, tmp_path / "model.onnx")
    manifest = describe(run, tmp_path, name="ko", like=None, decode={"space": 0.5})
    assert isinstance(manifest, m.RecognizeManifest)
    assert (manifest.made.samples, manifest.decode.space, manifest.languages) == (7, 0.5, ("ko",))
    again = describe(run, tmp_path, name="ko", like=manifest, decode={})
    assert isinstance(again, m.RecognizeManifest) and again.decode == manifest.decode  # measured values are kept
    with pytest.raises(TypeError, match="spaec"):
        describe(run, tmp_path, name="ko", like=None, decode={"spaec": 0.5})
    rng = np.random.default_rng(2)
    crops = [rng.integers(0, 256, (32, w), dtype=np.uint8) for w in (96, 48, 256)]  # buckets of both sides: no padding
    plain = dataclasses.replace(manifest, decode=dataclasses.replace(manifest.decode, space=1.0, narrow=None))
    words = Runtime(plain, OnnxEngine(tmp_path / "model.onnx")).recognize(crops)
    want = read(net, [Sample(crop, "") for crop in crops], batch=1)
    assert any(want)
    assert [w.text for w in words] == [" ".join(t.split()) for t in want]


def test_kept_weights_are_a_start_and_a_checkpoint(tmp_path: Path) -> None:
    net = network()
    keep_weights(trained(net), tmp_path / "w" / "ko.safetensors")
    fresh = network()
    with torch.no_grad():
        fresh.collapse.weight.zero_()
    assert initialise(fresh, tmp_path / "w" / "ko.safetensors") == len(net.state_dict())
    torch.testing.assert_close(fresh.collapse.weight, net.collapse.weight, atol=1e-3, rtol=1e-3)
    kept = load_trained(tmp_path / "w" / "ko.safetensors")
    torch.testing.assert_close(kept.net.collapse.weight, net.collapse.weight, atol=1e-3, rtol=1e-3)
    assert (kept.samples, kept.seconds, kept.config) == (
        7,
        60.0,
        {**net.config.to_dict(), "widths": [8, 8, 16, 16, 16]},
    )


def test_a_detectors_checkpoint_starts_its_trainer(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = {"model": {"widths": [16, 16, 16, 16, 16], "depths": [1, 1, 1], "neck": [16, 16, 16], "reach": 640.0}}
    net = Detector(ModelConfig(widths=(16,) * 5, depths=(1, 1, 1), neck=(16,) * 3))
    save_trained(Trained("detect", net, config, 3, 1.0, ""), tmp_path / "last.pt")
    fresh = Detector(net.config)
    assert initialise_detector(fresh, tmp_path / "last.pt") == len(net.state_dict())
    torch.testing.assert_close(fresh.head.weight, net.head.weight)
    assert load_trained(tmp_path).outputs == ("score", "geometry")


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such run"):
        load_trained(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match=r"last\.pt"):
        load_trained(tmp_path)
    torch.save({"weights": {}}, tmp_path / "last.pt")
    with pytest.raises(ValueError, match="no config"):
        load_trained(tmp_path)
