"""What least squares win back of a pruned network, and what the curve of pruning tells."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from calibration.samples import Samples
from export.checkpoint import Trained, save_trained
from export.curve import curve, markdown, plot
from export.gates import HeldOut
from export.mend import mend
from export.prune import prunable, prune_trained, without
from export.quantize import Plan
from tests.test_export_prune import detector, outputs, recognizer
from training.synth.scene import Scene

pytest.importorskip("torch_pruning")
pytestmark = pytest.mark.filterwarnings("ignore")


def far(run: Trained, pruned: Trained, inputs: list[np.ndarray]) -> float:
    """The mean difference of the outputs, in parts of their own spread."""
    pairs = [p for x in inputs for p in zip(outputs(run, x), outputs(pruned, x), strict=True)]
    return float(np.mean([np.abs(a - b).mean() / max(np.abs(a - a.mean()).mean(), 1e-9) for a, b in pairs]))


def test_what_is_left_learns_to_say_what_the_whole_said() -> None:
    for run, names, shape in (
        (detector(), ("at8.0.first.0", "to4.0", "mix8.0"), (1, 96, 128)),
        (recognizer(), ("stage3.0.0", "stage1.0"), (4, 128)),
    ):
        pruned = run
        for name in names:
            smaller = without(pruned, name)
            assert smaller is not None
            pruned = smaller
        seen = [run.probe(*shape, seed=k) for k in range(8)]
        other = [run.probe(*shape, seed=k) for k in range(8, 11)]

        before = far(run, pruned, other)
        missed = mend(pruned, run, seen)
        after = far(run, pruned, other)
        assert before > 0.05 and after < 0.7 * before, (run.task, before, after)
        assert all(missed[k] >= missed[k.replace("before", "after")] for k in missed if k.endswith("before"))


def test_what_was_trained_since_cannot_be_mended() -> None:
    run = detector()
    pruned = without(run, "to4.0")
    assert pruned is not None
    pruned.net.to4[1].running_mean += 0.1
    with pytest.raises(ValueError, match="not those of the whole network"):
        mend(pruned, run, [run.probe(1, 64, 64)])


def test_no_group_is_emptied_and_stops_on_the_way_are_kept(tmp_path: Path) -> None:
    run = detector()
    inputs = [run.probe(1, 64, 96, seed=k) for k in range(2)]
    report = prune_trained(run, 0.7, tmp_path, name="detector", inputs=inputs, keep=(0.9, 0.8, 0.2), least=0.5)
    whole = prunable(run)
    assert all(count >= 0.5 * whole[name] for name, count in report["channels"].items())
    assert {x.name for x in tmp_path.glob("at-*")} == {"at-0.9", "at-0.8"}
    assert report["drift_mended"] < report["drift"]
    # With a floor that nothing may go under, nothing goes.
    with pytest.raises(ValueError, match="no group"):
        prune_trained(run, 0.7, tmp_path / "b", name="detector", inputs=inputs, least=1.0)


def test_the_curve_has_a_row_for_each_network(tmp_path: Path) -> None:
    run = detector()
    for module in run.net.modules():  # as in a trained network: no convolution without a bias once they are folded
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.bias, 0, 0.3)
    save_trained(run, tmp_path / "run" / "last.pt")
    pruned = without(run, "mix4.0")
    assert pruned is not None
    save_trained(dataclasses.replace(pruned), tmp_path / "pruned" / "last.pt")
    quad = np.array([[[8, 8], [88, 8], [88, 40], [8, 40]]], np.float32)
    held_out = HeldOut(scenes=[Scene(run.probe(1, 64, 96)[0], quad, np.array([False]), "any")])
    rows = curve(
        {"whole": tmp_path / "run", "pruned": tmp_path / "pruned", "later": tmp_path / "pruned"},
        "detector",
        plan=Plan(estimator="minmax"),
        samples=Samples([{"image": run.probe(1, 64, 96)}], []),
        held_out=held_out,
        repeat=1,
    )
    assert [r["network"] for r in rows] == ["whole", "pruned", "later"]
    assert rows[0]["share"] == 1 and rows[1]["share"] < 1 and rows[1]["macs"] < rows[0]["macs"]
    assert rows[0]["ratio"]["fp32"] == 1 and set(rows[1]["errors"]) == {"fp32", "int8"} and json.dumps(rows)
    table = markdown(rows).splitlines()
    assert len(table) == 5 and len({line.count("|") for line in table}) == 1
    plot(rows, ["later"], tmp_path / "curve.svg", "detector")
    assert (tmp_path / "curve.svg").stat().st_size > 1000
