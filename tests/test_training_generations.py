"""The two generations are alike but for their sequence layers, and what is compared is what it says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import architecture
from benchmarks.generations import CLAIMS, change, claims, learning, markdown, sequence_model, sooner, turns, versions
from calibration.samples import Samples
from edge_ocr.engine import OnnxEngine
from export.checkpoint import Trained
from training.recognizer.model import Recognizer, RecognizerConfig
from training.recognizer.train import build

CONFIGS = Path(__file__).parent.parent / "training" / "recognizer" / "configs"
SMALL = RecognizerConfig(charset="ABC", head="flat", widths=(16, 16, 16, 16, 16), dim=16, heads=2, feed_forward=32,
                         lstm_hidden=8)  # fmt: skip


def trained(sequence: str) -> Trained:
    torch.manual_seed(0)
    net = Recognizer(replace(SMALL, sequence=sequence)).eval()
    return Trained("recognize", net, net.config.to_dict(), 0, 0.0, "")


def test_the_declared_runs_differ_in_the_sequence_alone() -> None:
    a, b = (json.loads((CONFIGS / f"gen-{x}.json").read_text()) for x in ("attention", "lstm"))
    assert {k for k in a if a[k] != b[k]} == {"name", "sequence"}
    counts = [sum(p.numel() for p in build(x).sequence.parameters()) for x in (a, b)]
    assert counts == [414_720, 420_864]  # as the benchmark declares


@pytest.mark.parametrize("sequence", ["attention", "lstm"])
def test_the_sequence_alone_says_what_it_says_within(sequence: str, tmp_path: Path) -> None:
    t = trained(sequence)
    sequence_model(t, tmp_path / "s.onnx")
    model = (tmp_path / "s.onnx").read_bytes()
    rng = np.random.default_rng(0)
    given = [{"columns": rng.standard_normal((n, 16, k)).astype(np.float32)} for n, k in ((1, 9), (3, 40))]
    found = versions(model, Samples(given, []))
    assert set(found) == {"FP32", "INT8"} | ({"INT8, dynamic LSTM"} if sequence == "lstm" else set())
    for x in given:
        with torch.no_grad():
            want = t.net.sequence(torch.from_numpy(x["columns"])).numpy()
        for version, graph in found.items():
            got = OnnxEngine(graph).run(x)["out"]
            assert got.shape == want.shape
            assert np.abs(got - want).max() < (1e-5 if version == "FP32" else 0.25), version
    if sequence == "lstm":
        assert len(found["INT8, dynamic LSTM"]) < len(found["FP32"])


def test_turns_tell_which_costs_more() -> None:
    def work(n: int) -> Any:
        return lambda: sum(i * i for i in range(n))

    found = turns({"a": work(20_000), "b": work(80_000)}, 9)
    assert found["a"]["cpu"] * 2 < found["b"]["cpu"] and found["a"]["clock"] * 2 < found["b"]["clock"]


def report() -> dict[str, Any]:
    def version(cer: float, ms: float, rate: float) -> dict[str, Any]:
        times = [{"cpu": ms, "clock": 2 * ms}] * 3
        rates = [{"per second": rate, "per CPU second": rate}] * 3
        return {"bytes": 10, "cer": {"drawn": cer}, "whole": times, "sequence": times, "throughput": rates}

    def generation(cer: float, ms: float, rate: float) -> dict[str, Any]:
        training = {"step, CPU ms": ms, "samples per CPU second": rate, "sequence layers, CPU ms": ms}
        both = {k: version(cer, ms, rate) for k in ("FP32", "INT8")}
        run = {"minutes": 2, "samples": 80, "samples per second": rate}
        way = [{"minutes": k, "samples": 40 * k, "cer": 2 * cer / k} for k in (1, 2, 3)]
        told = {"run": run, "learning": way, "versions": both, "training": training}
        return {"parameters": 1, "sequence parameters": 1, **told}

    generations = {"attention": generation(0.15, 1.0, 30.0), "lstm": generation(0.2, 2.0, 10.0)}
    return {"generations": generations, "date": "today", "machine": "here", "command": "this"}


def test_claims_stand_beside_what_was_measured() -> None:
    rows = {what: (claimed, fp32) for what, claimed, fp32, _ in claims(report())}
    assert rows["character error rate, drawn"] == (CLAIMS["character error rate"], "−25 %")
    assert rows["crops a second, one caller"] == ("+27 %", "+200 %")
    assert rows["CPU, whole recognizer, 32 columns"] == ("−50 %", "−50 %")
    assert rows["training samples a CPU second"] == ("×4", "×3.00")
    assert rows["fewer lines seen for the LSTM's last error rate"] == ("×4", "×1.0 or more")
    assert change(1, 0) == "–"
    assert "| 2 min | 0.150 after 80 lines | 0.200 after 80 lines |" in markdown(report())
    assert "| attention, INT8 | 10 | 0.1500 |" in markdown(report())


def test_how_much_sooner_one_learns(tmp_path: Path) -> None:
    rows = [{"minutes": k, "samples": 100 * k, "synthetic_cer": 1 / k, "loss": 1.0} for k in (1, 2, 4)]
    log = "\n".join(json.dumps(r) for r in [*rows, {"minutes": 5, "loss": 0.5}])
    (tmp_path / "log.jsonl").write_text(log + "\n", encoding="utf-8")
    slow = learning(tmp_path)
    assert [r["samples"] for r in slow] == [100, 200, 400] and slow[-1]["cer"] == 0.25
    assert sooner([{"samples": 100, "cer": 0.3}, {"samples": 160, "cer": 0.2}], slow) == 2.5
    assert sooner([{"samples": 900, "cer": 0.3}], slow) is None and sooner(slow, []) is None
    assert learning(tmp_path / "nowhere") == []


def test_trunks_have_the_same_multiply_adds() -> None:
    target = architecture.multiply_adds(architecture.Trunk("dense, ReLU", architecture.DENSE))
    widths = architecture.widths_for("depthwise, HardSwish", target)
    assert widths[1] > architecture.DENSE[1]
    assert architecture.multiply_adds(architecture.Trunk("depthwise, HardSwish", widths)) == pytest.approx(
        target, rel=0.1
    )
    conv = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, 2, 1))
    assert architecture.multiply_adds(conv, (8, 8)) == 4 * 4 * 8 * 27


def test_blocks_are_quantised_and_timed() -> None:
    found = architecture.measure(repeat=1, size=(64, 64), blocks=("dense, ReLU",))
    row = found["dense, ReLU"]
    assert row["integer layers"] == 9 and row["float layers"] == 0
    assert row["FP32"] > 0 and row["INT8"] > 0
    assert architecture.table(found)[1][0][0] == "dense, ReLU"
