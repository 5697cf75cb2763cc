"""From what a golden case gives to what edge_ocr makes of it: one function for each kind of file.

Every function takes the case's ``given``, as ``files.load`` reads it, and returns its ``want``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edge_ocr.crop import crop_quads
from edge_ocr.ctc import LogProbs, Switches, beam, greedy
from edge_ocr.detect import DecodeOptions, Detector, decode, suppress
from edge_ocr.engine import OnnxEngine
from edge_ocr.layout import arrange
from edge_ocr.models import DetectorModel, RecognizerModel, find_detector, find_recognizer
from edge_ocr.preprocess import crop_to_line, letterbox
from edge_ocr.reader import OCR
from edge_ocr.types import Quad, TextWord

__all__ = ["KINDS", "model_of", "run_model"]

Values = dict[str, Any]


def _letterbox(given: Values) -> Values:
    size = tuple(given["size"])
    scale = given["max_scale"] if given["max_scale"] is not None else float("inf")
    box = letterbox(given["image"], size, given["padding"], border=given["border"], max_scale=scale)
    return {"image": box.image, "scale": list(box.scale), "offset": list(box.offset)}


def _line(given: Values) -> Values:
    sizes = {key: given[key] for key in ("height", "max_width", "min_width")}
    return {"image": crop_to_line(given["image"], **sizes)}


def _decode(given: Values) -> Values:
    quads, scores = decode(given["score"], given["geometry"], DecodeOptions(**given["options"]))
    middle = quads.mean(1)
    order = sorted(range(len(scores)), key=lambda i: (middle[i, 1], middle[i, 0]))
    return {"quads": quads[order].tolist(), "scores": scores[order].tolist()}


def _nms(given: Values) -> Values:
    kept = suppress(
        given["quads"], given["support"], iou=given["iou"], contained=given["contained"], partial=given["partial"]
    )
    return {"kept": kept.tolist()}


def _crop(given: Values) -> Values:
    crops = crop_quads(
        given["image"], given["quads"], height=given["height"], margin=given["margin"], turn=given["turn"]
    )
    return {"crops": [{"image": c.image} for c in crops]}


def _log_probs(given: Values) -> LogProbs:
    parts = {k: np.asarray(given[k], np.float32) for k in ("initial", "medial", "final") if k in given}
    return LogProbs(np.asarray(given["symbols"], np.float32), given["charset"], **parts)


def _greedy(given: Values) -> Values:
    read = greedy(_log_probs(given), space=given["space"], switches=Switches(**given["switches"]))
    return {
        "text": read.text,
        "confidences": list(read.confidences),
        "columns": [list(c) for c in read.columns],
        "log_prob": read.log_prob,
    }


def _beam(given: Values) -> Values:
    found = beam(_log_probs(given), width=given["width"], top=given["top"], floor=given["floor"])
    return {"beams": [{"text": text, "log_prob": score} for text, score in found[: given["best"]]]}


def _layout(given: Values) -> Values:
    words = [TextWord(w["text"], w["confidence"], quad=_quad(w["quad"])) for w in given["words"]]
    return {
        "lines": [
            {"text": x.text, "words": list(x.words), "quad": [list(p) for p in x.quad], "confidence": x.confidence}
            for x in arrange(words)
        ]
    }


def _quad(points: Any) -> Quad:
    a, b, c, d = ((float(x), float(y)) for x, y in points)
    return (a, b, c, d)


KINDS: dict[str, Callable[[Values], Values]] = {
    "letterbox": _letterbox,
    "line": _line,
    "decode": _decode,
    "nms": _nms,
    "crop": _crop,
    "ctc-greedy": _greedy,
    "ctc-beam": _beam,
    "layout": _layout,
}


# -- with a model ------------------------------------------------------------------------------------------------------


def model_of(name: str, models_dir: Path | None) -> DetectorModel | RecognizerModel:
    """The model of that name: ``detector``, or the language of a recognizer."""
    return find_detector(models_dir) if name == "detector" else find_recognizer(name, models_dir)


def run_model(name: str, given: Values, models_dir: Path | None, *, lead: float = 0.0) -> Values:
    """The network alone on ``given["input"]``, or a whole frame, ``given["frame"]``, end to end.

    A column of the network whose best symbol leads by less than ``lead`` in log-probability is None."""
    if "frame" in given:
        return _frame(name, given, models_dir)
    model = model_of(name, models_dir)
    engine = OnnxEngine(model.read())
    if isinstance(model, DetectorModel):
        score, _ = Detector(model.manifest, engine).maps(given["input"])
        return {"score_levels": np.rint(score * 255).astype(np.uint8)}
    out = engine.run({model.manifest.input.name: given["input"][None]})
    names = model.manifest.output
    parts = {"symbols": names.symbols}
    if names.head == "hangul-factorised":
        parts |= {"initial": str(names.initial), "medial": str(names.medial), "final": str(names.final)}
    values = {part: out[key][0].astype(np.float64) for part, key in parts.items()}
    hangul = values["symbols"].argmax(-1) == values["symbols"].shape[-1] - 1
    want: Values = {}
    for part, value in values.items():
        best, two = value.argmax(-1), np.sort(value, -1)[:, -2:]
        told = two[:, 1] - two[:, 0] >= lead
        if part != "symbols":  # which syllable it is matters only where there is one
            told &= hangul
        want[part] = {
            "best": [int(b) if t else None for b, t in zip(best, told, strict=True)],
            "log_probs": [float(v) if t else None for v, t in zip(two[:, 1], told, strict=True)],
        }
    return want


def _frame(name: str, given: Values, models_dir: Path | None) -> Values:
    image = given["frame"]
    if name == "detector":
        regions = OCR(("ko",), threads=1, models_dir=models_dir).detect(image)
        found = [{"quad": [list(p) for p in r.quad], "score": r.score} for r in regions]
        found.sort(key=lambda r: (sum(p[1] for p in r["quad"]) // 80, sum(p[0] for p in r["quad"])))
        return {"regions": found}
    if name == "plate-kr":
        from edge_ocr.scanners.plate import Scanner as PlateScanner

        plates = PlateScanner(models_dir=models_dir).scan(image)
        return {"plates": [_told(p.text, p.confidence, p.quad) for p in plates]}
    if name == "mrz":
        from edge_ocr.scanners.mrz import Scanner as MrzScanner

        zones = MrzScanner(models_dir=models_dir).scan(image)
        return {
            "zones": [{"layout": z.layout, **_told("\n".join(z.lines), z.confidence, z.quad)} for z in zones]
        }
    reading = OCR((name,), threads=1, models_dir=models_dir).read(image)
    words = [_told(w.text, w.confidence, w.quad) for w in reading.words]
    return {"text": reading.text, "words": words}


def _told(text: str, confidence: float, quad: Quad | None) -> Values:
    return {"text": text, "confidence": confidence, "quad": [list(p) for p in quad or ()]}
