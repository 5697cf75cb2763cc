"""How well a model does, and how far one version of it is from another: for gates, sweeps and comparisons.

Everything goes through the runtime's own Recognizer and Detector; only the engine differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy import edit_distance
from edge_ocr import manifest as m
from edge_ocr.detect import Detector
from edge_ocr.engine import Engine
from edge_ocr.geometry import quad_iou_matrix
from edge_ocr.recognize import Recognizer

if TYPE_CHECKING:
    from training.synth.line import Sample
    from training.synth.scene import Scene

__all__ = ["drift", "find_scenes", "maps_drift", "read_lines", "read_texts", "text_drift"]

Arrays = Mapping[str, NDArray[Any]]


def read_lines(manifest: m.RecognizeManifest, engine: Engine, lines: Sequence[Sample]) -> dict[str, float]:
    """``cer`` and ``exact`` on drawn lines, as they are written."""
    return read_texts(manifest, engine, [s.image for s in lines], [s.text for s in lines])


def read_texts(
    manifest: m.RecognizeManifest,
    engine: Engine,
    crops: Sequence[NDArray[np.uint8]],
    texts: Sequence[str],
    *,
    fold: bool = False,
) -> dict[str, float]:
    """Character error rate and the share of crops read whole; ``fold``: letters and digits only, without case."""

    def norm(s: str) -> str:
        return "".join(c for c in s.casefold() if c.isalnum()) if fold else s

    words = Recognizer(manifest, engine).recognize(crops)
    errors = length = exact = 0
    for word, text in zip(words, texts, strict=True):
        want, got = norm(text), norm(word.text)
        errors += edit_distance(want, got)
        length += len(want)
        exact += want == got
    return {"cer": errors / max(length, 1), "exact": exact / max(len(texts), 1)}


def find_scenes(
    manifest: m.DetectManifest, engine: Engine, scenes: Sequence[Scene], *, iou: float = 0.5
) -> dict[str, float]:
    """Precision, recall and F, one to one, best score first; what lies on ignored text counts for nothing."""
    detector = Detector(manifest, engine)
    hits = found = wanted = 0
    for scene in scenes:
        regions = detector.detect(scene.image)
        wanted += int((~scene.ignore).sum())
        if not regions:
            continue
        overlap = quad_iou_matrix(np.array([r.quad for r in regions]), scene.quads.astype(np.float64))
        free = ~scene.ignore
        for row in overlap:
            best = int(np.argmax(np.where(free, row, -1.0))) if len(row) else -1
            if best >= 0 and free[best] and row[best] >= iou:
                free[best] = False
                hits += 1
                found += 1
            elif not (row[scene.ignore] > 0.2).any():
                found += 1
    p, r = hits / max(found, 1), hits / max(wanted, 1)
    return {"precision": p, "recall": r, "f": 2 * p * r / max(p + r, 1e-9)}


def drift(manifest: m.Manifest, a: Arrays, b: Arrays) -> float:
    """How far the outputs ``b`` of one batch are from ``a``; 0 for equal ones.

    Recognizer: the mean Kullback-Leibler divergence of a column, where the parts of a syllable count by how likely it
    is that there is one. Detector: the mean difference of the scores over cells that may be text, plus the mean
    difference of the logarithms of the distances over cells that are.
    """
    if isinstance(manifest, m.RecognizeManifest):
        out = manifest.output
        return text_drift(a, b, out.symbols, [x for x in (out.initial, out.medial, out.final) if x is not None])
    assert isinstance(manifest, m.DetectManifest)
    return maps_drift(a, b, manifest.output.score, manifest.output.geometry, threshold=manifest.decode.score_threshold)


def text_drift(a: Arrays, b: Arrays, symbols: str = "symbols", parts: Sequence[str] = ()) -> float:
    """``drift`` of a recognizer's log-probabilities; ``parts`` of a factorised head: initial, medial, final."""
    total = _divergence(a[symbols], b[symbols])
    hangul = np.exp(a[symbols][..., -1])
    for name in parts:
        total = total + hangul * _divergence(a[name], b[name])
    return float(total.mean())


def maps_drift(
    a: Arrays, b: Arrays, score: str = "score", geometry: str = "geometry", *, threshold: float = 0.7
) -> float:
    """``drift`` of a detector's maps; cells over ``threshold`` are text."""
    maybe = np.maximum(a[score], b[score]) > 0.1
    text = a[score] > threshold
    first = np.abs(a[score] - b[score])[maybe].mean() if maybe.any() else 0.0
    second = np.abs(np.log(a[geometry][..., :4] / b[geometry][..., :4]))[text].mean() if text.any() else 0.0
    return float(first + second)


def _divergence(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    return np.asarray((np.exp(a) * (a - b)).sum(-1))
