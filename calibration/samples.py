"""What a model is calibrated and gated on: drawn lines and scenes that went through the runtime's own pre-processing.

The inputs are not made a second time: a recognizer or detector of the runtime works on drawn pictures, and what it
hands to its engine is recorded. So sizes, buckets, padding, crops and batches are those of inference by construction.

Mix for a recognizer: three quarters are drawn lines, one quarter words cut out of drawn scenes by their quads; one that
is trained on plates or machine-readable zones gets these instead of both. For a detector: drawn scenes at the sizes of
its smaller buckets, one in five of them smaller than its bucket. The same seed gives the same samples;
``python -m calibration.samples FOLDER --ingredients DIR --out LIST.json`` writes down which.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edge_ocr import manifest as m
from edge_ocr.engine import Engine, OnnxEngine

if TYPE_CHECKING:
    from training.synth.line import Sample
    from training.synth.scene import Scene

__all__ = [
    "Mix",
    "Recorder",
    "Samples",
    "calibration_samples",
    "held_out_lines",
    "held_out_scenes",
    "line_samples",
    "scene_samples",
    "synth_of",
]

CALIBRATION_SEED = 41  # neither the training's nor the held-out samples'
HELD_OUT_SEED = 9041
CONFIGS = Path(__file__).parent.parent / "training" / "recognizer" / "configs"

Image = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Mix:
    """How many of what: ``lines`` drawn lines and ``words`` cut from scenes for a recognizer, ``scenes`` for a
    detector."""

    seed: int = CALIBRATION_SEED
    lines: int = 192
    words: int = 64
    scenes: int = 32


@dataclass(frozen=True, eq=False)
class Samples:
    """``inputs``: what the network is given, batch by batch. ``listed``: a row for each picture, for the record."""

    inputs: list[dict[str, NDArray[Any]]]
    listed: list[dict[str, Any]]

    def record(self, mix: Mix) -> dict[str, Any]:
        """Everything needed to tell whether two calibrations saw the same."""
        digest = hashlib.sha256()
        for x in self.inputs:
            for key, value in sorted(x.items()):
                digest.update(f"{key} {value.shape}".encode() + value.tobytes())
        shapes = [list(v.shape) for x in self.inputs for v in x.values()]
        return {"mix": dataclasses.asdict(mix), "sha256": digest.hexdigest(), "batches": shapes, "samples": self.listed}


class Recorder:
    """An engine that keeps what it is given, and lets another one answer."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.inputs: list[dict[str, NDArray[Any]]] = []

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        self.inputs.append({k: v.copy() for k, v in inputs.items()})
        return self.engine.run(inputs)


def calibration_samples(manifest: m.Manifest, model: bytes, ingredients: str | Path, mix: Mix) -> Samples:
    """The samples for a model of either task; ``model`` is its float ONNX file."""
    if isinstance(manifest, m.RecognizeManifest):
        return line_samples(manifest, OnnxEngine(model), ingredients, mix)
    if isinstance(manifest, m.DetectManifest):
        return scene_samples(manifest, OnnxEngine(model), ingredients, mix)
    raise TypeError(f"a manifest of task {manifest.task!r}")


def synth_of(manifest: m.RecognizeManifest) -> str:
    """What draws the samples that a recognizer learns from, as its training config says: line, plate or mrz. A model of
    which there is no config reads lines."""
    config = CONFIGS / f"{manifest.languages[0]}.json"
    return str(json.loads(config.read_text(encoding="utf-8")).get("synth", "line")) if config.is_file() else "line"


def _synth(manifest: m.RecognizeManifest, ingredients: str | Path, *, reserved: bool) -> Any:
    from training.recognizer.data import load_synth

    return load_synth(
        synth_of(manifest),
        str(ingredients),
        lang=manifest.languages[0],
        charset=manifest.charset,
        max_width=manifest.input.buckets[-1],
        reserved=reserved,
    )


def line_samples(manifest: m.RecognizeManifest, engine: Engine, ingredients: str | Path, mix: Mix) -> Samples:
    from edge_ocr.crop import crop_quads
    from edge_ocr.recognize import Recognizer
    from training.synth.scene import Scenes

    given = manifest.input
    rng = np.random.default_rng([mix.seed, 1])
    kind = synth_of(manifest)
    synth = _synth(manifest, ingredients, reserved=False)
    drawn = [synth.sample(rng) for _ in range(mix.lines if kind == "line" else mix.lines + mix.words)]
    crops: list[Image] = [s.image for s in drawn]
    listed: list[dict[str, Any]] = [{"kind": kind, "text": s.text, "width": s.image.shape[1]} for s in drawn]
    words = kind == "line" and mix.words > 0
    scenes = Scenes.load(ingredients, seed=mix.seed, size=480, pool=8, shots=2) if words else None
    while scenes is not None and len(crops) < mix.lines + mix.words:
        scene = next(scenes)
        quads = scene.quads[~scene.ignore]
        chosen = rng.permutation(len(quads))[:6]
        for crop in crop_quads(scene.image, quads[chosen], height=given.height, margin=given.margin):
            if len(crops) < mix.lines + mix.words:
                crops.append(crop.image)
                listed.append(
                    {"kind": "word", "layout": scene.kind, "quad": [[round(v, 1) for v in p] for p in crop.quad or ()]}
                )
    recorder = Recorder(engine)
    Recognizer(manifest, recorder).log_probs(crops)
    return Samples(recorder.inputs, listed)


def scene_samples(manifest: m.DetectManifest, engine: Engine, ingredients: str | Path, mix: Mix) -> Samples:
    from edge_ocr.detect import Detector
    from training.synth.scene import Scenes

    small = sorted(manifest.input.buckets, key=lambda b: b[0] * b[1])[:2]
    rng = np.random.default_rng([mix.seed, 2])
    scenes = Scenes.load(ingredients, seed=mix.seed, size=max(max(b) for b in small), pool=8, shots=2)
    recorder = Recorder(engine)
    detector = Detector(manifest, recorder)
    listed = []
    for n in range(mix.scenes):
        scene = next(scenes)
        high, wide = small[n % len(small)]
        if n % 5 == 4:  # a picture that does not fill its bucket
            high, wide = (int(side * rng.uniform(0.5, 0.9)) for side in (high, wide))
        y, x = (int(rng.integers(side - part + 1)) for side, part in zip(scene.image.shape, (high, wide), strict=False))
        detector.detect(np.ascontiguousarray(scene.image[y : y + high, x : x + wide]))
        listed.append({"kind": "scene", "layout": scene.kind, "height": high, "width": wide, "top": y, "left": x})
    return Samples(recorder.inputs, listed)


def held_out_lines(
    manifest: m.RecognizeManifest, ingredients: str | Path, count: int, *, seed: int = HELD_OUT_SEED
) -> list[Sample]:
    """Lines in the reserved faces, which neither training nor calibration has seen."""
    synth = _synth(manifest, ingredients, reserved=True)
    rng = np.random.default_rng(seed)
    return [synth.sample(rng) for _ in range(count)]


def held_out_scenes(ingredients: str | Path, count: int, *, size: int = 480, seed: int = HELD_OUT_SEED) -> list[Scene]:
    """Scenes in the reserved faces."""
    from training.synth.scene import Scenes

    scenes = Scenes.load(ingredients, seed=seed, size=size, reserved=True, pool=24, shots=2)
    return [next(scenes) for _ in range(count)]


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", type=Path, help="a model's folder")
    p.add_argument("--ingredients", default="ingredients", help="folder of fonts, texts and backgrounds")
    p.add_argument("--out", type=Path, help="where the list goes; standard output if left out")
    for f in dataclasses.fields(Mix):
        p.add_argument(f"--{f.name}", type=int, default=f.default)
    a = p.parse_args()
    mix = Mix(**{f.name: getattr(a, f.name) for f in dataclasses.fields(Mix)})
    manifest = m.load_manifest(a.folder)
    record = calibration_samples(manifest, m.read_model_file(a.folder, manifest), a.ingredients, mix).record(mix)
    text = json.dumps(record, ensure_ascii=False, indent=1) + "\n"
    if a.out:
        a.out.write_text(text, encoding="utf-8")
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
