"""How sure a recognizer may say it is: one temperature, so that of the words read with confidence p a share p is right.

``python -m calibration.temperature FOLDER --ingredients DIR [--write] [--plot reliability.png] [--labelled DIR …]``

A network that was trained until it is right is too sure of itself, or, with CTC, too unsure (Guo et al., "On
calibration of modern neural networks", ICML 2017, https://arxiv.org/abs/1706.04599). The temperature is the one under
which drawn held-out lines, in faces that training never saw, are most likely to be read as right or wrong as they are;
what it brings is the expected calibration error before and after, on other held-out lines than those it was fitted on.
With ``--write`` it goes into the model's model.json. It does not change what is read, nor which reading is surer.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration.samples import HELD_OUT_SEED, held_out_lines
from edge_ocr import manifest as m
from edge_ocr.engine import Engine, OnnxEngine
from edge_ocr.recognize import Recognizer

__all__ = ["apply", "confidences", "expected_calibration_error", "fit", "main", "reliability"]

Floats = NDArray[np.float64]
_EDGE = 1e-6


def apply(confidence: ArrayLike, temperature: float) -> Floats:
    """What confidences taken at temperature 1 become: log-probabilities are divided by it, and a word's confidence is
    their geometric mean."""
    return np.asarray(np.asarray(confidence, np.float64) ** (1 / temperature))


def expected_calibration_error(confidence: ArrayLike, right: ArrayLike, *, bins: int = 15) -> float:
    """Mean distance between confidence and share of right ones over ``bins`` groups of equally many (so that no group
    is left to chance), weighted by their size."""
    return float(
        sum(abs(c - r) * n for c, r, n in reliability(confidence, right, bins=bins)) / max(np.size(confidence), 1)
    )


def reliability(confidence: ArrayLike, right: ArrayLike, *, bins: int = 15) -> list[tuple[float, float, int]]:
    """(mean confidence, share of right ones, how many) of each group, the least sure first."""
    c, r = np.asarray(confidence, np.float64), np.asarray(right, np.float64)
    if c.shape != r.shape:
        raise ValueError(f"{c.shape} confidences but {r.shape} outcomes")
    groups = np.array_split(np.argsort(c, kind="stable"), min(bins, max(len(c), 1)))
    return [(float(c[g].mean()), float(r[g].mean()), len(g)) for g in groups if len(g)]


def fit(confidence: ArrayLike, right: ArrayLike) -> float:
    """The temperature in 0.05..20 under which the outcomes are likeliest (golden section on its logarithm)."""
    c, r = np.asarray(confidence, np.float64), np.asarray(right, bool)
    if not len(c) or r.all() or not r.any():
        raise ValueError("right and wrong readings are needed to fit a temperature")

    def cost(log_t: float) -> float:
        p = np.clip(apply(c, float(np.exp(log_t))), _EDGE, 1 - _EDGE)
        return float(-np.where(r, np.log(p), np.log1p(-p)).mean())

    low, high, ratio = np.log(0.05), np.log(20.0), (5**0.5 - 1) / 2
    while high - low > 1e-3:
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, b) if cost(a) < cost(b) else (a, high)
    return round(float(np.exp((low + high) / 2)), 3)


def confidences(
    manifest: m.RecognizeManifest,
    engine: Engine,
    crops: Sequence[NDArray[np.uint8]],
    texts: Sequence[str],
    *,
    fold: bool = False,
) -> tuple[Floats, NDArray[np.bool_]]:
    """Confidence at temperature 1, and whether it was read right, of each crop that something was read from."""
    plain = dataclasses.replace(manifest, confidence=dataclasses.replace(manifest.confidence, temperature=1.0))
    words = Recognizer(plain, engine).recognize(crops)

    def norm(s: str) -> str:
        return "".join(c for c in s.casefold() if c.isalnum()) if fold else s

    pairs = [(w.confidence, norm(w.text) == norm(t)) for w, t in zip(words, texts, strict=True) if w.text]
    return np.array([c for c, _ in pairs], np.float64), np.array([r for _, r in pairs], bool)


def plot(path: Path, name: str, curves: dict[str, list[tuple[float, float, int]]]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 5))
    axes.plot([0, 1], [0, 1], color="0.7", linestyle="--")
    for label, points in curves.items():
        axes.plot([c for c, _, _ in points], [r for _, r, _ in points], marker="o", markersize=3, label=label)
    axes.set(
        xlabel="confidence", ylabel="share read right", xlim=(0, 1), ylim=(0, 1), title=f"{name}: words by confidence"
    )
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", type=Path, help="folder of a recognizer")
    p.add_argument("--ingredients", default="ingredients", help="folder of fonts, texts and backgrounds")
    p.add_argument("--lines", type=int, default=1200, help="drawn lines: half to fit on, half to measure on")
    p.add_argument("--labelled", nargs="*", type=Path, default=[], help="folders with labels.jsonl, measured as well")
    p.add_argument("--plot", type=Path, help="PNG of the reliability before and after")
    p.add_argument("--write", action="store_true", help="put the temperature into model.json")
    a = p.parse_args()
    manifest = m.load_manifest(a.folder)
    if not isinstance(manifest, m.RecognizeManifest):
        p.error(f"{a.folder}: is no recognizer")
    engine = OnnxEngine(m.read_model_file(a.folder, manifest))
    lines = held_out_lines(manifest, a.ingredients, a.lines, seed=HELD_OUT_SEED + 1)
    half = len(lines) // 2
    sets = {"fitted on": lines[:half], "drawn": lines[half:]}
    found = {k: confidences(manifest, engine, [x.image for x in v], [x.text for x in v]) for k, v in sets.items()}
    for folder in a.labelled:
        from training.recognizer.data import labelled_crops

        crops = labelled_crops(folder)
        found[folder.name] = confidences(manifest, engine, [c for c, _ in crops], [t for _, t in crops], fold=True)
    temperature = fit(*found["fitted on"])
    report: dict[str, Any] = {"name": manifest.name, "temperature": temperature, "expected calibration error": {}}
    for name, (c, right) in found.items():
        before, after = (expected_calibration_error(x, right) for x in (c, apply(c, temperature)))
        report["expected calibration error"][name] = {
            "words": len(c),
            "right": round(float(right.mean()), 4),
            "before": round(before, 4),
            "after": round(after, 4),
        }
    print(json.dumps(report, indent=1, ensure_ascii=False))
    if a.plot:
        c, right = found["drawn"]
        curves = {f"temperature {t:g}": reliability(apply(c, t), right) for t in (1.0, temperature)}
        plot(a.plot, manifest.name, curves)
    if a.write:
        after = report["expected calibration error"]["drawn"]["after"]
        confidence = dataclasses.replace(manifest.confidence, temperature=temperature)
        measures = manifest.measures | {"calibration error": after}
        m.write_manifest(a.folder, dataclasses.replace(manifest, confidence=confidence, measures=measures))


if __name__ == "__main__":
    main()
