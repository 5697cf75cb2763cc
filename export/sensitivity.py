"""Which layers stay float: ``python -m export.sensitivity FOLDER --ingredients DIR`` writes export/plans/<name>.json.

Measured, not guessed. With each range estimator everything is quantised, and the one that drifts least from the float
outputs is taken. Then for each layer: how far the outputs drift when it alone is quantised (``alone``), by how much
less when it alone stays float (``gain``), and what that costs in CPU time (``slower``, a share of the whole).

A layer stays float when that is no slower, and brings the outputs nearer; and, as long as all together drift by more
than ``--aim`` or the error on drawn samples grows by more than ``--limit``, the layer that gains most for its time.

The drift of a recognizer is a Kullback-Leibler divergence a column, that of a detector the mean error of scores and
logarithms of distances (calibration.measure).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from calibration.measure import drift
from calibration.ranges import ESTIMATORS, Range, activations, collect, ranges_of
from calibration.samples import Mix, calibration_samples
from edge_ocr import manifest as m
from edge_ocr.engine import Engine, OnnxEngine
from export.cost import cpu_times
from export.gates import HeldOut, Limits, measure
from export.quantize import PLANS, Plan, fused, layers_of, prepare, quantise

__all__ = ["Sweep", "choose", "main", "sweep"]

AIM = {"detect": 0.05, "recognize": 0.002}
WORTH = 0.05  # share of the drift that a layer must bring to stay float for nothing
NO_SLOWER = 0.01  # share of the CPU time that measuring cannot tell from nothing

Inputs = Sequence[Mapping[str, NDArray[Any]]]


class Sweep:
    """Quantises a prepared graph again and again, and compares with the float model on fixed inputs."""

    def __init__(
        self, manifest: m.Manifest, data: bytes, model: ModelProto, inputs: Inputs, *, repeat: int = 15
    ) -> None:
        self.manifest, self.model, self.inputs, self.repeat = manifest, model, inputs, repeat
        self.float = OnnxEngine(data)
        self.wanted = [self.float.run(x) for x in inputs]
        self.names = [x.name for x in layers_of(model)]

    def engine(self, ranges: Mapping[str, Range], keep: Sequence[str]) -> OnnxEngine:
        return OnnxEngine(quantise(self.model, ranges, keep_float=keep).SerializeToString())

    def drift(self, engine: Engine) -> float:
        found = [drift(self.manifest, a, engine.run(x)) for a, x in zip(self.wanted, self.inputs, strict=True)]
        return float(np.mean(found))

    def times(self, engines: Sequence[Engine]) -> list[float]:
        """CPU seconds of each on the same input."""
        return cpu_times(engines, self.inputs[len(self.inputs) // 2], repeat=self.repeat)


def sweep(s: Sweep, ranges: Mapping[str, Range]) -> dict[str, dict[str, float]]:
    """``alone``, ``gain`` and ``slower`` of each layer."""
    every = s.engine(ranges, ())
    base = s.drift(every)
    found = {}
    for name in s.names:
        alone = s.drift(s.engine(ranges, [n for n in s.names if n != name]))
        without = s.engine(ranges, [name])
        before, after = s.times([every, without])
        row = {"alone": alone, "gain": base - s.drift(without), "slower": after / before - 1}
        found[name] = {k: float(f"{v:.3g}") for k, v in row.items()}
        print(f"  {name:44s}" + "".join(f"  {k} {v:+.5f}" for k, v in found[name].items()), flush=True)
    return found


def choose(
    costs: Mapping[str, Mapping[str, float]], drift: float, *, enough: Callable[[list[str]], bool]
) -> dict[str, str]:
    """The layers that stay float, with the reason of each. ``drift``: with nothing float; ``enough(names)`` says
    whether these suffice."""
    keep = {
        name: f"no slower in float ({c['slower']:+.1%}), and nearer by {c['gain']:.2g} of {drift:.2g}"
        for name, c in costs.items()
        if c["slower"] <= NO_SLOWER and c["gain"] > WORTH * drift
    }
    rest = sorted(
        (n for n in costs if n not in keep), key=lambda n: -costs[n]["gain"] / max(costs[n]["slower"], NO_SLOWER)
    )
    while rest and not enough(list(keep)):
        name = rest.pop(0)
        if costs[name]["gain"] <= 0:
            break
        keep[name] = f"gains {costs[name]['gain']:.2g} of drift for {costs[name]['slower']:+.1%} CPU time"
    return keep


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", type=Path, help="folder of an FP32 model")
    p.add_argument("--ingredients", default="ingredients", help="folder of fonts, texts and backgrounds")
    p.add_argument("--out", type=Path, help="the plan; default: export/plans/<name>.json")
    p.add_argument("--aim", type=float, help=f"drift that is small enough; default: {AIM}")
    p.add_argument("--limit", type=float, default=Limits.loss, help="how much the error on drawn samples may grow")
    p.add_argument("--lines", type=int, default=300, help="drawn lines to measure a recognizer on")
    p.add_argument("--scenes", type=int, default=60, help="drawn scenes to measure a detector on")
    p.add_argument(
        "--inputs", type=int, default=12, help="batches of the calibration samples that drift is measured on"
    )
    a = p.parse_args()
    manifest = m.load_manifest(a.folder)
    data = m.read_model_file(a.folder, manifest)
    aim = a.aim if a.aim is not None else AIM[manifest.task]
    mix = Mix()
    samples = calibration_samples(manifest, data, a.ingredients, mix)
    model = prepare(data)
    histograms = collect(model, samples.inputs, activations(model))
    step = max(1, len(samples.inputs) // a.inputs)
    s = Sweep(manifest, data, model, samples.inputs[::step])
    held_out = HeldOut.draw(manifest, a.ingredients, lines=a.lines, scenes=a.scenes)
    before = measure(manifest, s.float, held_out)
    estimators: dict[str, Any] = {}
    for name in ESTIMATORS:
        engine = s.engine(ranges_of(histograms, name), ())
        estimators[name] = {
            "drift": float(f"{s.drift(engine):.3g}"),
            **{k: round(v, 4) for k, v in measure(manifest, engine, held_out).items()},
        }
        print(f"{name:12s} {estimators[name]}  (float: { {k: round(v, 4) for k, v in before.items()} })", flush=True)
    best = min(estimators, key=lambda k: estimators[k]["drift"])
    ranges = ranges_of(histograms, best)
    costs = sweep(s, ranges)
    last: dict[str, Any] = {}

    def enough(keep: list[str]) -> bool:
        engine = s.engine(ranges, keep)
        was, now = s.times([s.float, engine])
        figures = measure(manifest, engine, held_out)
        last.update(drift=s.drift(engine), cpu_to_fp32=now / was, **figures)
        print(f"{len(keep)} layers float: { ({k: round(v, 4) for k, v in last.items()}) }", flush=True)
        return last["drift"] <= aim and all(figures[k] - before[k] <= a.limit for k in before)

    keep = choose(costs, estimators[best]["drift"], enough=enough)
    enough(list(keep))
    integer, floating = fused(quantise(model, ranges, keep_float=list(keep)).SerializeToString())
    record = samples.record(mix)
    plan = Plan(
        estimator=best,
        keep_float=keep,
        measured={
            "model": {
                "sha256": manifest.files["onnx"].sha256,
                "made": manifest.made.date,
                "samples": manifest.made.samples,
            },
            "calibration": {k: record[k] for k in ("mix", "sha256")},
            "float": {k: round(v, 4) for k, v in before.items()},
            "estimators": estimators,
            "layers": costs,
            "chosen": {k: round(v, 5) for k, v in last.items()},
            "fused": {"integer": integer, "float": floating},
        },
    )
    out = a.out or PLANS / f"{manifest.name}.json"
    plan.save(out)
    print(f"{out}: {json.dumps(plan.keep_float, indent=1)}")


if __name__ == "__main__":
    main()
