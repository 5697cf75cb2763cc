"""At which figures the reader takes what it finds for text: measured on drawn scenes, written into model.json.

``python -m calibration.operating --models DIR --ingredients DIR [--write] [--plots DIR]``

Two thresholds, both from scenes in faces that training never saw:

- a recognizer's ``confidence.minimum``: each region that the detector finds in a scene is read, whatever its
  confidence; what lies on no word of the scene is made up. A calibrated confidence tells which share of a word's
  characters is right, so leaving a word out loses confidence times length right characters, and telling it adds the
  rest as wrong ones, of what is made up all. The minimum is where both together are least, a wrong character that is
  told weighing ``--wrong`` of a right one that is lost;
- the detector's ``decode.score_threshold``: that of the greatest F at IoU 0.5; the present one stays unless another is
  better by half a point. It is written only with ``--write-detector``.

Run it after ``calibration.temperature``, whose temperature confidences depend on.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calibration.measure import find_scenes
from calibration.samples import HELD_OUT_SEED, held_out_scenes
from calibration.temperature import recognizers
from edge_ocr import OCR
from edge_ocr import manifest as m
from edge_ocr.engine import Engine, OnnxEngine
from edge_ocr.geometry import quad_iou_matrix
from edge_ocr.models import find_detector

if TYPE_CHECKING:
    from training.synth.scene import Scene

__all__ = ["Found", "Remembering", "detector_points", "least_mistakes", "main", "minimum_points", "read_scenes"]

THRESHOLDS = tuple(round(0.4 + 0.05 * k, 2) for k in range(12))
WRONG = 0.4  # what a wrong character that is told weighs against a right one that is lost
_ON_TEXT = 0.1  # IoU with a word of the scene from which a region is on text
_GAIN = 0.005


class Remembering:
    """An engine that runs each input once, for decoding the same outputs in several ways."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._known: dict[bytes, dict[str, NDArray[Any]]] = {}

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        digest = hashlib.sha256()
        for key, value in sorted(inputs.items()):
            digest.update(f"{key} {value.shape}".encode() + value.tobytes())
        if digest.digest() not in self._known:
            self._known[digest.digest()] = self.engine.run(inputs)
        return self._known[digest.digest()]


@dataclass(frozen=True, eq=False)
class Found:
    """Everything that was read: ``confidence`` f64 ``[N]``, whether it lies on ``text``, bool ``[N]``, and its
    ``length`` in characters, int ``[N]``."""

    confidence: NDArray[np.float64]
    text: NDArray[np.bool_]
    length: NDArray[np.int64]


def read_scenes(ocr: OCR, scenes: Sequence[Scene]) -> Found:
    """What is read in the scenes; ``ocr`` should leave nothing out. What lies on words that nobody has to read does not
    count."""
    confidence: list[float] = []
    text: list[bool] = []
    length: list[int] = []
    for scene in scenes:
        words = [w for w in ocr.read(scene.image).words if w.quad is not None]
        if not words:
            continue
        overlap = quad_iou_matrix(np.array([w.quad for w in words]), scene.quads.astype(np.float64))
        for word, row in zip(words, overlap, strict=True):
            on = row >= _ON_TEXT
            if on.any() and scene.ignore[on].all():
                continue
            confidence.append(word.confidence)
            text.append(bool(on.any()))
            length.append(len(word.text))
    return Found(np.array(confidence, np.float64), np.array(text, bool), np.array(length, np.int64))


def least_mistakes(found: Found, *, wrong: float = WRONG) -> float:
    """The confidence, in steps of 0.01, below which leaving readings out costs the fewest characters; of equally good
    ones the least."""
    c, t, n = found.confidence, found.text, found.length
    steps = np.arange(0, 100) / 100
    right = np.where(t, c * n, 0.0)
    costs = [right[c < s].sum() + wrong * (n - right)[c >= s].sum() for s in steps]
    return float(steps[int(np.argmin(costs))])


def minimum_points(found: Found) -> list[dict[str, float]]:
    """At each tenth: shares of the characters that stay, of those that are right by their confidence and of those made
    up."""
    c, t, n = found.confidence, found.text, found.length
    rows = []
    for step in np.arange(0, 10) / 10:
        kept = c >= step
        shares = [float(x[kept].sum() / max(x.sum(), 1e-9)) for x in (c * n * t, n * ~t)]
        rows.append({"minimum": float(step), "right stay": round(shares[0], 4), "made up stay": round(shares[1], 4)})
    return rows


def detector_points(manifest: m.DetectManifest, engine: Engine, scenes: Sequence[Scene]) -> list[dict[str, float]]:
    """Precision, recall and F of each of THRESHOLDS; the network runs once."""
    once = Remembering(engine)
    found = []
    for threshold in THRESHOLDS:
        decode = dataclasses.replace(manifest.decode, score_threshold=threshold)
        figures = find_scenes(dataclasses.replace(manifest, decode=decode), once, scenes)
        found.append({"score_threshold": threshold} | {k: round(v, 4) for k, v in figures.items()})
    return found


def choose_threshold(points: Sequence[Mapping[str, float]], present: float) -> float:
    """The best one, or the present one where that is as good but for half a point."""
    best = max(points, key=lambda x: x["f"])
    now = min(points, key=lambda x: abs(x["score_threshold"] - present))
    return present if best["f"] < now["f"] + _GAIN else best["score_threshold"]


def run(
    models: Path | None, ingredients: str | Path, *, scenes: int, languages: Sequence[str], wrong: float
) -> dict[str, Any]:
    """The operating points, with what they rest on."""
    drawn = held_out_scenes(ingredients, scenes, seed=HELD_OUT_SEED + 2)
    read = read_scenes(OCR(tuple(languages), threads=1, models_dir=models, min_confidence=0), drawn)
    detector = find_detector(models)
    points = detector_points(detector.manifest, OnnxEngine(detector.read()), drawn)
    return {
        "scenes": len(drawn),
        "read": {"text": int(read.text.sum()), "no text": int((~read.text).sum())},
        "minimum": least_mistakes(read, wrong=wrong),
        "minimum points": minimum_points(read),
        "score_threshold": choose_threshold(points, detector.manifest.decode.score_threshold),
        "score_threshold points": points,
    }


def plot(path: Path, report: Mapping[str, Any]) -> None:
    """What stays at each minimum, and precision, recall and F of the detector at each threshold."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4))
    rows = report["minimum points"]
    for key in ("right stay", "made up stay"):
        left.plot([r["minimum"] for r in rows], [r[key] for r in rows], marker=".", label=key)
    left.axvline(report["minimum"], color="0.6", linestyle="--")
    left.set(xlabel="least confidence", ylabel="share of characters", ylim=(0, 1), title="readings in drawn scenes")
    rows = report["score_threshold points"]
    for key in ("precision", "recall", "f"):
        right.plot([r["score_threshold"] for r in rows], [r[key] for r in rows], marker=".", label=key)
    right.axvline(report["score_threshold"], color="0.6", linestyle="--")
    right.set(xlabel="score threshold", title="detector, drawn scenes")
    for axis in (left, right):
        axis.legend()
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def write(models: Path | None, report: Mapping[str, Any], *, languages: Sequence[str], detector: bool) -> None:
    """Puts the minimum into the model.json of the recognizers of ``languages``, and the detector's threshold into its
    own if ``detector``."""
    for folder in recognizers(models):
        manifest = m.load_manifest(folder)
        if isinstance(manifest, m.RecognizeManifest) and set(manifest.languages) & set(languages):
            confidence = dataclasses.replace(manifest.confidence, minimum=report["minimum"])
            m.write_manifest(folder, dataclasses.replace(manifest, confidence=confidence))
    if detector:
        found = find_detector(models)
        decode = dataclasses.replace(found.manifest.decode, score_threshold=report["score_threshold"])
        m.write_manifest(found.folder, dataclasses.replace(found.manifest, decode=decode))


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--models", type=Path, help="models folder; default: as the runtime finds it")
    p.add_argument("--ingredients", default="ingredients", help="folder of fonts, texts and backgrounds")
    p.add_argument("--lang", default="ko,en", help="recognizers that read scenes together")
    p.add_argument("--scenes", type=int, default=60, help="drawn scenes")
    p.add_argument("--wrong", type=float, default=WRONG, help="what a wrong character weighs against one lost")
    p.add_argument("--plots", type=Path, help="folder for operating.png")
    p.add_argument("--write", action="store_true", help="put the minimum into the recognizers' model.json")
    p.add_argument("--write-detector", action="store_true", help="put the score threshold into the detector's")
    a = p.parse_args()
    languages = a.lang.split(",")
    report = run(a.models, a.ingredients, scenes=a.scenes, languages=languages, wrong=a.wrong)
    print(json.dumps(report, indent=1))
    if a.plots:
        plot(a.plots / "operating.png", report)
    if a.write or a.write_detector:
        write(a.models, report, languages=languages if a.write else (), detector=a.write_detector)


if __name__ == "__main__":
    main()
