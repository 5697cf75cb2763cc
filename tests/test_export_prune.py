"""Pruned networks are ordinary ones: narrower, told by their config, and ready for either trainer."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from export.checkpoint import Trained, load_trained
from export.prune import knee, prunable, prune_trained, without
from training.detector.model import Detector, ModelConfig
from training.detector.train import Config
from training.detector.train import initialise as initialise_detector
from training.recognizer.model import Recognizer, RecognizerConfig
from training.recognizer.train import build
from training.recognizer.train import initialise as initialise_recognizer

pytest.importorskip("torch_pruning")
pytestmark = pytest.mark.filterwarnings("ignore")


def detector() -> Trained:
    torch.manual_seed(0)
    net = Detector(ModelConfig(widths=(16, 32, 32, 32, 32), depths=(1, 1, 1), neck=(32, 32, 32)))
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.0)
    with torch.no_grad():
        net.head.bias[0] = 0.5  # text everywhere: a drift that is not zero
        net.head.weight *= 30
    return Trained("detect", net.eval(), {"model": dataclasses.asdict(net.config)}, 1, 1.0, "")


def recognizer(name_charset: str = "ab1 ") -> Trained:
    torch.manual_seed(0)
    config = RecognizerConfig(
        charset=name_charset,
        head="flat",
        widths=(32, 24, 48, 40, 32),
        dim=16,
        heads=2,
        layers=1,
        feed_forward=32,
        lstm_hidden=8,
    )
    return Trained("recognize", Recognizer(config).eval(), config.to_dict(), 1, 1.0, "")


def outputs(trained: Trained, x: np.ndarray) -> list[np.ndarray]:
    with torch.no_grad():
        return [t.numpy() for t in trained.deployed(torch.from_numpy(x))]


def test_channels_that_say_nothing_go_first_and_change_nothing() -> None:
    run = detector()
    silent = slice(3, 19)
    for conv, norm in (run.net.at8[0].first, run.net.mix8):
        with torch.no_grad():
            for tensor in (conv.weight, norm.weight, norm.bias):
                tensor[silent] = 0
    x = run.probe(1, 64, 96)
    for name in ("at8.0.first.0", "mix8.0"):
        smaller = without(run, name)
        assert smaller is not None and prunable(smaller)[name] == 16
        for a, b in zip(outputs(run, x), outputs(smaller, x), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    # Others do change something: the comparison above looks at something.
    other = without(run, "to4.0")
    assert other is not None
    assert max(np.abs(a - b).max() for a, b in zip(outputs(run, x), outputs(other, x), strict=True)) > 1e-2


def test_a_pruned_detector_goes_on_in_its_trainer(tmp_path: Path) -> None:
    run = detector()
    inputs = [run.probe(1, 64, 96, seed=k) for k in range(2)]
    report = prune_trained(run, 0.7, tmp_path, name="detector", inputs=inputs)
    assert report["macs"] <= 0.71 * report["macs_before"]
    assert all(c % 16 == 0 for c in report["channels"].values())
    shares = [p["share"] for p in report["path"]]
    assert shares == sorted(shares, reverse=True) and report["knee"] in shares
    assert report["path"][-1]["drift"] > 0 and report["sensitivity"]
    assert (tmp_path / "prune.svg").stat().st_size > 1000
    config = Config.from_dict(json.loads((tmp_path / "config.json").read_text()))
    fresh = Detector(config.model)
    assert initialise_detector(fresh, tmp_path / "last.pt") == len(fresh.state_dict())
    again = load_trained(tmp_path)
    x = run.probe(1, 32, 64)
    for a, b in zip(outputs(again, x), outputs(dataclasses.replace(again, net=fresh.eval()), x), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_pruned_recognizer_goes_on_in_its_trainer(tmp_path: Path) -> None:
    run = recognizer()
    assert set(prunable(run)) == {"stem.0", "stage1.0", "stage2.0.0", "stage3.0.0", "stage4.0"}
    first = without(run, "stage3.0.0")  # a layer norm over height and channel goes with it
    assert first is not None and first.net.config.widths == (32, 24, 48, 32, 32)
    report = prune_trained(run, 0.5, tmp_path, name="ko", inputs=[run.probe(2, 96)])
    assert report["macs"] <= 0.51 * report["macs_before"]
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["lang"] == "ko" and "learning_rate" in config
    fresh = build(config)
    assert fresh.config == load_trained(tmp_path).net.config
    assert fresh.config.charset == "ab1 " and max(fresh.config.widths) < 48
    assert initialise_recognizer(fresh, tmp_path / "last.pt") == len(fresh.state_dict())


def test_what_cannot_be_reached_is_told(tmp_path: Path) -> None:
    run = recognizer()
    with pytest.raises(ValueError, match="no group has 16 channels to lose"):
        prune_trained(run, 0.01, tmp_path, name="ko", inputs=[run.probe(1, 48)])
    assert not (tmp_path / "last.pt").exists()


def test_the_knee_is_where_a_path_turns() -> None:
    shares = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5]
    assert knee(shares, [0.0, 0.01, 0.02, 0.03, 0.5, 1.0]) == 0.7
    assert knee([1.0, 0.5], [0.0, 1.0]) == 0.5
    # A stop that happens to be worse than what follows is no end of the line.
    assert knee([1.0, 0.83, 0.68, 0.53, 0.47], [0.182, 0.194, 0.223, 0.459, 0.333]) == 0.68
