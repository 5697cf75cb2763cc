"""In which range each activation of a network lies: what 256 levels are laid over.

Two passes over the calibration inputs: the extremes of each tensor, then a histogram between them. From the histogram
four estimators cut the range, since a rare outlier would otherwise make all levels coarse:

- ``minmax``: not at all;
- ``percentile``: 0.001 % of the values at each end;
- ``entropy``: where the quantised distribution is nearest to the true one by Kullback-Leibler divergence (Migacz,
  "8-bit inference with TensorRT", GTC 2017);
- ``mse``: where the mean squared error of quantising, rounding and clipping together, is least.

A range always holds zero, which padding and ReLU need to be exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

__all__ = ["ESTIMATORS", "Histogram", "Range", "activations", "collect", "estimate", "ranges_of"]

BINS = 2048
LEVELS = 256
_CUT = 1e-5  # share of the values that "percentile" gives up at each end
_TRIALS = np.linspace(0.3, 1.0, 71)  # parts of the full range that "mse" and "entropy" try for each end

Floats = NDArray[np.floating[Any]]


class Range(NamedTuple):
    """What the lowest and the highest level stand for."""

    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Histogram:
    """How often values fell into ``counts`` [BINS] equal bins from ``low`` to ``high``, the extremes."""

    low: float
    high: float
    counts: NDArray[np.int64]

    @property
    def centres(self) -> Floats:
        edges = np.linspace(self.low, self.high, len(self.counts) + 1)
        return np.asarray((edges[1:] + edges[:-1]) / 2)


def activations(
    model: onnx.ModelProto, kinds: Sequence[str] = ("Conv", "Gemm", "Add", "Relu", "Resize", "MaxPool")
) -> list[str]:
    """The float tensors that nodes of these kinds take and give, constants left out."""
    constants = {t.name for t in model.graph.initializer}
    names: dict[str, None] = {}
    for node in model.graph.node:
        if node.op_type in kinds:
            first = node.input[:1] if node.op_type != "Add" else node.input
            names |= dict.fromkeys(x for x in (*first, *node.output) if x and x not in constants)
    return list(names)


def collect(
    model: onnx.ModelProto, inputs: Iterable[Mapping[str, NDArray[Any]]], names: Sequence[str]
) -> dict[str, Histogram]:
    """Histograms of the tensors ``names`` of a float model over all ``inputs``. ``inputs`` is gone through twice."""
    import onnxruntime

    given = list(inputs)
    if not given:
        raise ValueError("no inputs to calibrate on")
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    probe.graph.output.extend(onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in names)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])
    ends = dict.fromkeys(names, (np.inf, -np.inf))
    for x in given:
        for n, v in zip(names, session.run(list(names), dict(x)), strict=True):
            ends[n] = (min(ends[n][0], float(v.min())), max(ends[n][1], float(v.max())))
    counts = {n: np.zeros(BINS, np.int64) for n in names}
    for x in given:
        for n, v in zip(names, session.run(list(names), dict(x)), strict=True):
            low, high = ends[n]
            # By hand: np.histogram takes several times as long for equal bins.
            place = ((v.ravel() - np.float32(low)) * np.float32(BINS / max(high - low, 1e-12))).astype(np.int32)
            counts[n] += np.bincount(np.clip(place, 0, BINS - 1), minlength=BINS)
    return {n: Histogram(*ends[n], counts[n]) for n in names}


def estimate(histogram: Histogram, estimator: str) -> Range:
    """The range by one of ESTIMATORS; ValueError for another name."""
    if estimator not in ESTIMATORS:
        raise ValueError(f"no estimator {estimator!r}; there are {', '.join(ESTIMATORS)}")
    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
    if high - low < 1e-12:
        return Range(0.0, 1e-6)
    if estimator == "minmax":
        return Range(low, high)
    if estimator == "percentile":
        share = np.cumsum(histogram.counts) / histogram.counts.sum()
        edges = np.linspace(histogram.low, histogram.high, len(share) + 1)
        first = int(np.searchsorted(share, _CUT, side="right"))
        last = int(np.searchsorted(share, 1 - _CUT))
        return Range(min(float(edges[first]), 0.0), max(float(edges[last + 1]), 0.0))
    cost = _squared_error if estimator == "mse" else _divergence
    # Each end in turn, from the whole range inwards: twice round is enough.
    for _ in range(2):
        if high > 0:
            top = max(histogram.high, 0.0)
            high = float(min((cost(histogram, low, t * top), -t, t * top) for t in _TRIALS)[2]) if top > 0 else 0.0
        if low < 0:
            bottom = min(histogram.low, 0.0)
            low = float(min((cost(histogram, t * bottom, high), -t, t * bottom) for t in _TRIALS)[2])
    return Range(low, high)


def _squared_error(histogram: Histogram, low: float, high: float) -> float:
    x = histogram.centres
    step = (high - low) / (LEVELS - 1)
    y = np.clip(np.round((x - low) / step), 0, LEVELS - 1) * step + low
    return float((histogram.counts * (x - y) ** 2).sum())


def _divergence(histogram: Histogram, low: float, high: float) -> float:
    """KL divergence of the quantised from the clipped distribution, over the bins that hold anything."""
    x = histogram.centres
    p = histogram.counts.astype(np.float64)
    inside = (x >= low) & (x <= high)
    if not inside.any():
        return np.inf
    clipped = p[inside].copy()
    clipped[0] += p[x < low].sum()
    clipped[-1] += p[x > high].sum()
    # What one level stands for is spread evenly over those of its bins that are not empty.
    level = np.clip(np.round((x[inside] - low) / (high - low) * (LEVELS - 1)), 0, LEVELS - 1).astype(np.int64)
    held = (p[inside] > 0).astype(np.float64)
    mass = np.bincount(level, p[inside], minlength=LEVELS)
    filled = np.bincount(level, held, minlength=LEVELS)
    q = held * (mass / np.maximum(filled, 1))[level]
    total_p, total_q = clipped.sum(), q.sum()
    if total_q == 0:
        return np.inf
    both = clipped > 0
    a, b = clipped[both] / total_p, np.maximum(q[both] / total_q, 1e-12)
    return float((a * np.log(a / b)).sum())


ESTIMATORS = ("minmax", "percentile", "entropy", "mse")


def ranges_of(histograms: Mapping[str, Histogram], estimator: str) -> dict[str, Range]:
    """``estimate`` for every tensor."""
    return {name: estimate(h, estimator) for name, h in histograms.items()}
