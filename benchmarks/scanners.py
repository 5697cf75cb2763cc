"""Drawn plates and machine-readable zones, read with the shipped recognizers.

    python -m benchmarks.scanners [plate] [mrz] [--ingredients DIR] [--count N]

Every kind of plate, and every layout of zone, is drawn anew with faces and seeds that no training has seen, and worn as
cameras wear it; what is measured is reading, not finding. One JSON object on standard output: for plates the share read
right by kind; for zones the shares accepted, and wrong in a protected field although accepted, by layout.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import cv2
import numpy as np

from edge_ocr.engine import OnnxEngine
from edge_ocr.recognize import Recognizer
from edge_ocr.scanners import mrz, plate
from edge_ocr.scanners.lines import find_first
from training.synth.mrz import FORMATS, MrzSynth, document
from training.synth.plate import KINDS, SILENT, PlateSynth

__all__ = ["main", "measure_plates", "measure_zones"]

PROTECTED = ("number", "birth", "expiry")


def measure_plates(recognizer: Recognizer, synth: PlateSynth, *, count: int, seed: int) -> dict[str, Any]:
    """Share of ``count`` plates of each kind whose whole text is right, with the grammar and without."""
    out: dict[str, Any] = {}
    for number, kind in enumerate(k for k in KINDS if k not in SILENT):
        rng = np.random.default_rng([seed, number])
        right = plain = 0
        for start in range(0, count, 32):
            samples = [synth.sample(rng, kind) for _ in range(min(32, count - start))]
            words = recognizer.recognize([s.image for s in samples], pattern=plate.grammar())
            right += sum(w.text == s.text for w, s in zip(words, samples, strict=True))
            plain += sum(w.plain == s.text for w, s in zip(words, samples, strict=True))
        out[kind] = {"plates": count, "right": round(right / count, 4), "plain": round(plain / count, 4)}
    return out


def measure_zones(recognizer: Recognizer, synth: MrzSynth, *, count: int, seed: int) -> dict[str, Any]:
    """Of ``count`` zones of each layout: the share accepted, how many of these have a wrong protected field, and the
    share of lines that are right from end to end."""
    synth.max_width = 2400
    out: dict[str, Any] = {}
    for number, name in enumerate(FORMATS):
        rng = np.random.default_rng([seed, number])
        accepted = wrong = whole = 0
        for _ in range(count):
            lines = document(rng, name)
            crops = []
            for k, line in enumerate(lines):
                near = [lines[i] if 0 <= i < len(lines) else "" for i in (k - 1, k + 1)]
                image = None
                while image is None:
                    image = synth.line(rng, line, near)
                crops.append(image)
            read = mrz.choose(mrz.LAYOUTS[name], recognizer.log_probs(crops))
            if read is None:
                continue
            _, got, clear = read
            text, truth = mrz.parse(got), mrz.parse(lines)
            whole += sum(a == b for a, b in zip(got, lines, strict=True))
            if text is None or truth is None or not (text.accepted and clear):
                continue
            accepted += 1
            wrong += any(text.fields[k] != truth.fields[k] for k in PROTECTED)
        out[name] = {
            "zones": count, "accepted": round(accepted / count, 4), "wrong_of_accepted": wrong,
            "lines_right": round(whole / (count * len(mrz.LAYOUTS[name].lines)), 4),
        }
    return out


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", nargs="*", metavar="WHAT", help="plate, mrz, or both (default)")
    p.add_argument("--ingredients", default="ingredients")
    p.add_argument("--models", type=str, help="folder of models instead of the package's")
    p.add_argument("--count", type=int, default=200, help="of each kind or layout")
    p.add_argument("--seed", type=int, default=2026)
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    cv2.setNumThreads(1)

    def recognizer(names: tuple[str, ...]) -> Recognizer:
        model = find_first(names, a.models)
        return Recognizer(model.manifest, OnnxEngine(model.read(), threads=a.threads))

    result: dict[str, Any] = {}
    if not a.what or "plate" in a.what:
        synth = PlateSynth.load(a.ingredients, reserved=True)
        result["plate"] = measure_plates(recognizer(plate.MODELS), synth, count=a.count, seed=a.seed)
    if not a.what or "mrz" in a.what:
        zones = MrzSynth.load(a.ingredients, reserved=True)
        result["mrz"] = measure_zones(recognizer(mrz.MODELS), zones, count=a.count, seed=a.seed)
    print(json.dumps(result, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
