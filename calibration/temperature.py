"""How sure a recognizer may say it is: one temperature, so that of the characters read with confidence p a share p is
right.

``python -m calibration.temperature [FOLDER …] --ingredients DIR [--write] [--plots DIR] [--labelled DIR …]``

A network that was trained until it is right is too sure of itself, or, with CTC, too unsure (Guo et al., "On
calibration of modern neural networks", ICML 2017, https://arxiv.org/abs/1706.04599). The temperature is the one under
which the characters of drawn held-out lines, in faces that training never saw, are most likely to be right or wrong as
they are; which of them are is told by the alignment of least edit distance. What it brings is the expected calibration
error before and after, on other held-out lines than those it was fitted on. With ``--write`` it goes into model.json.

Three things can be read from it, and each gets its calibration error:

- a character's confidence: how likely this character is right;
- a word's confidence, the geometric mean of its characters': which share of its characters one may expect to be right;
- the product of its characters' confidences: how likely the word is right as a whole.

A temperature fitted to whole words against their geometric mean comes out near one over their length (0.18 to 0.25 for
``ko``): that mends the comparison of two different things, and makes every character look unsure. It does not change
what is read, nor which of a model's readings is surer.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from calibration.samples import HELD_OUT_SEED, held_out_lines
from edge_ocr import manifest as m
from edge_ocr.engine import Engine, OnnxEngine
from edge_ocr.models import RecognizerModel, list_models
from edge_ocr.recognize import Recognizer

__all__ = [
    "Outcomes",
    "apply",
    "calibrate",
    "expected_calibration_error",
    "fit",
    "main",
    "outcomes",
    "reliability",
    "rights",
]

Floats = NDArray[np.float64]
_EDGE = 1e-6
_WORTH = 0.9  # what is left of the calibration error under a temperature that is worth to be set
KINDS = ("characters", "words", "whole words")


@dataclass(frozen=True, eq=False)
class Outcomes:
    """By KINDS: confidences f64 ``[N]`` at temperature 1, and how right each was, f64 ``[N]`` in 0..1 (of words: the
    share of their characters)."""

    confidence: dict[str, Floats]
    right: dict[str, Floats]

    def errors(self, temperature: float) -> dict[str, float]:
        """Expected calibration error of each kind at a temperature."""
        return {
            k: round(expected_calibration_error(apply(self.confidence[k], temperature), self.right[k]), 4)
            for k in KINDS
        }


def apply(confidence: ArrayLike, temperature: float) -> Floats:
    """What confidences taken at temperature 1 become: log-probabilities are divided by it. Products and geometric means
    of characters go along."""
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
    if r.all() or not r.any():
        raise ValueError("right and wrong readings are needed to fit a temperature")

    def cost(log_t: float) -> float:
        p = np.clip(apply(c, float(np.exp(log_t))), _EDGE, 1 - _EDGE)
        return float(-np.where(r, np.log(p), np.log1p(-p)).mean())

    low, high, ratio = np.log(0.05), np.log(20.0), (5**0.5 - 1) / 2
    while high - low > 1e-3:
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, b) if cost(a) < cost(b) else (a, high)
    return round(float(np.exp((low + high) / 2)), 3)


def rights(read: str, truth: str) -> list[bool]:
    """Which characters of ``read`` are right: those that stay as they are in an alignment of least edit distance."""
    rows = [list(range(len(truth) + 1))]
    for i, c in enumerate(read, 1):
        last, row = rows[-1], [i]
        for j, d in enumerate(truth, 1):
            row.append(min(last[j - 1] + (c != d), last[j] + 1, row[-1] + 1))
        rows.append(row)
    found = [False] * len(read)
    i, j = len(read), len(truth)
    while i and j:
        same = read[i - 1] == truth[j - 1]
        if rows[i][j] == rows[i - 1][j - 1] + (not same):
            i, j = i - 1, j - 1
            found[i] = same
        elif rows[i][j] == rows[i - 1][j] + 1:
            i -= 1
        else:
            j -= 1
    return found


def outcomes(
    manifest: m.RecognizeManifest,
    engine: Engine,
    crops: Sequence[NDArray[np.uint8]],
    texts: Sequence[str],
    *,
    fold: bool = False,
) -> Outcomes:
    """How sure the model is at temperature 1, and how right, on crops that something was read from. Spaces are left
    out; with ``fold`` so is all but letters and digits, and case."""
    plain = dataclasses.replace(manifest, confidence=dataclasses.replace(manifest.confidence, temperature=1.0))

    def norm(c: str) -> str:
        return "" if c.isspace() or (fold and not c.isalnum()) else c.casefold()[:1] if fold else c

    confidence: dict[str, list[float]] = {k: [] for k in KINDS}
    right: dict[str, list[float]] = {k: [] for k in KINDS}
    for word, text in zip(Recognizer(plain, engine).recognize(crops), texts, strict=True):
        pairs = [(norm(c.text), c.confidence) for c in word.characters if norm(c.text)]
        if not pairs:
            continue
        read, want = "".join(c for c, _ in pairs), "".join(norm(c) for c in text)
        sure, ok = [p for _, p in pairs], rights(read, want)
        mean = float(np.exp(np.mean(np.log(np.maximum(sure, 1e-9)))))
        confidence["characters"] += sure
        right["characters"] += [float(x) for x in ok]
        confidence["words"].append(mean)
        right["words"].append(sum(ok) / len(ok))
        confidence["whole words"].append(mean ** len(sure))
        right["whole words"].append(float(read == want))
    return Outcomes({k: np.array(v) for k, v in confidence.items()}, {k: np.array(v) for k, v in right.items()})


def calibrate(
    folder: Path, ingredients: str | Path, *, lines: int, labelled: Sequence[Path] = (), plot_to: Path | None = None
) -> dict[str, Any]:
    """The temperature of the recognizer in ``folder``, from half of so many drawn lines, and the calibration errors
    before and after on the other half and on labelled folders. What does not take a tenth off the other half's error is
    chance, and not worth that all confidences change: then the temperature stays 1."""
    manifest = m.load_manifest(folder)
    if not isinstance(manifest, m.RecognizeManifest):
        raise ValueError(f"{folder}: is no recognizer")
    engine = OnnxEngine(m.read_model_file(folder, manifest))
    drawn = held_out_lines(manifest, ingredients, lines, seed=HELD_OUT_SEED + 1)
    half = len(drawn) // 2
    parts = {"fitted on": drawn[:half], "drawn": drawn[half:]}
    found = {k: outcomes(manifest, engine, [x.image for x in v], [x.text for x in v]) for k, v in parts.items()}
    for path in labelled:
        from training.recognizer.data import labelled_crops

        crops = labelled_crops(path)
        found[path.name] = outcomes(manifest, engine, [c for c, _ in crops], [t for _, t in crops], fold=True)
    fitted = fit(found["fitted on"].confidence["characters"], found["fitted on"].right["characters"])
    before, after = (found["drawn"].errors(t)["characters"] for t in (1.0, fitted))
    temperature = fitted if after < _WORTH * before else 1.0
    if plot_to is not None:
        plot(plot_to, manifest.name, found["drawn"], temperature)
    return {
        "temperature": temperature,
        "fitted": fitted,
        "expected calibration error": {
            name: {
                "words": len(x.right["words"]),
                "characters right": round(float(x.right["characters"].mean()), 4),
                "before": x.errors(1.0),
                "after": x.errors(temperature),
            }
            for name, x in found.items()
        },
    }


def write(folder: Path, report: Mapping[str, Any]) -> None:
    """Puts what ``calibrate`` found into model.json: the temperature, and the calibration errors on drawn lines."""
    manifest = m.load_manifest(folder)
    assert isinstance(manifest, m.RecognizeManifest)
    errors = report["expected calibration error"]["drawn"]
    measures = {k: v for k, v in manifest.measures.items() if not k.startswith("calibration error")}
    measures |= {"calibration error before": errors["before"]["characters"]}
    measures |= {f"calibration error, {k}": v for k, v in errors["after"].items()}
    confidence = dataclasses.replace(manifest.confidence, temperature=report["temperature"])
    m.write_manifest(folder, dataclasses.replace(manifest, confidence=confidence, measures=measures))


def plot(path: Path, name: str, found: Outcomes, temperature: float) -> None:
    """A reliability diagram of each kind, before and after."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    labels = {"characters": "right", "words": "share of its characters right", "whole words": "right as a whole"}
    figure, axes = pyplot.subplots(1, len(KINDS), figsize=(12, 4.2), sharey=True)
    for axis, kind in zip(axes, KINDS, strict=True):
        axis.plot([0, 1], [0, 1], color="0.7", linestyle="--")
        for t in (1.0, temperature):
            points = reliability(apply(found.confidence[kind], t), found.right[kind])
            error = expected_calibration_error(apply(found.confidence[kind], t), found.right[kind])
            axis.plot(
                [c for c, _, _ in points],
                [r for _, r, _ in points],
                marker="o",
                markersize=3,
                label=f"temperature {t:g}: error {error:.3f}",
            )
        axis.set(xlabel="confidence", ylabel=labels[kind], xlim=(0, 1), ylim=(0, 1), title=f"{name}: {kind}")
        axis.legend(loc="upper left", fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def recognizers(models: Path | None) -> list[Path]:
    """The folders of all recognizers of a models folder."""
    return [x.folder for x in list_models(models) if isinstance(x, RecognizerModel)]


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="folders of recognizers; default: all")
    p.add_argument("--models", type=Path, help="models folder to take all from; default: as the runtime finds it")
    p.add_argument("--ingredients", default="ingredients", help="folder of fonts, texts and backgrounds")
    p.add_argument("--lines", type=int, default=1000, help="drawn lines: half to fit on, half to measure on")
    p.add_argument("--labelled", nargs="*", type=Path, default=[], help="folders with labels.jsonl, measured as well")
    p.add_argument("--plots", type=Path, help="folder for a reliability diagram of each model")
    p.add_argument("--write", action="store_true", help="put the temperatures into model.json")
    a = p.parse_args()
    for folder in a.folders or recognizers(a.models):
        target = a.plots / f"reliability-{folder.name}.png" if a.plots else None
        report = calibrate(folder, a.ingredients, lines=a.lines, labelled=a.labelled, plot_to=target)
        print(json.dumps({"name": folder.name} | report, indent=1, ensure_ascii=False), flush=True)
        if a.write:
            write(folder, report)


if __name__ == "__main__":
    main()
