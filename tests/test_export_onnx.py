"""Exported graphs say what their networks say, at widths and batches that the export never saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edge_ocr import manifest as m
from edge_ocr.engine import OnnxEngine
from edge_ocr.recognize import Recognizer as Runtime
from export.build import build_recognizer, keep_weights
from export.half import store_half
from export.onnx import export_recognizer, fold_batch_norm
from export.parity import ParityError, check_parity
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
    names = export_recognizer(net, path)
    assert names == (("symbols", "initial", "medial", "final") if head != "flat" else ("symbols",))
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
    export_recognizer(net, tmp_path / "m.onnx")
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
    state = {"model_config": net.config.to_dict(), "ema": net.state_dict(), "samples": 7, "seconds": 60.0}
    torch.save(state, tmp_path / "last.pt")
    folder = build_recognizer(tmp_path / "last.pt", "ko", tmp_path / "out", measures={"cer": 0.5}, temperature=1.0)
    manifest = m.load_manifest(folder)
    assert isinstance(manifest, m.RecognizeManifest)
    assert (manifest.made.samples, manifest.measures) == (7, {"cer": 0.5})
    rng = np.random.default_rng(2)
    crops = [rng.integers(0, 256, (32, w), dtype=np.uint8) for w in (96, 48, 256)]  # buckets of both sides: no padding
    words = Runtime(manifest, OnnxEngine(folder / "model.onnx")).recognize(crops)
    want = read(net, [Sample(crop, "") for crop in crops], batch=1)
    assert any(want)
    assert [w.text for w in words] == [" ".join(t.split()) for t in want]
    keep_weights(tmp_path / "last.pt", tmp_path / "w" / "ko.safetensors")
    fresh = network(head="hangul-factorised")
    with torch.no_grad():
        fresh.collapse.weight.zero_()
    assert initialise(fresh, tmp_path / "w" / "ko.safetensors") == len(net.state_dict())
    torch.testing.assert_close(fresh.collapse.weight, net.collapse.weight, atol=1e-3, rtol=1e-3)
