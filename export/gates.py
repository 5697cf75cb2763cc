"""What a model must hold before it is registered: figures on drawn samples, limits, and which figure missed its limit.

Accuracy is gated on drawn samples in faces that neither training nor calibration has seen. Labelled folders can be
measured beside them, for the record; nothing is decided by them.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.measure import find_scenes, read_lines, read_texts
from calibration.samples import held_out_lines, held_out_scenes
from edge_ocr import manifest as m
from edge_ocr.engine import Engine

__all__ = ["GateError", "HeldOut", "Limits", "labelled_scenes", "losses", "measure"]

BUDGETS = Path(__file__).parent / "budgets.json"


class GateError(RuntimeError):
    """A model does not hold what is asked of it; the message names each figure that missed, and its limit."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """``loss``: how much an error on drawn samples may grow; ``difference``: between network and float graph;
    ``bytes``: of the file, None for any; ``cpu``: CPU time against the float model, None for any."""

    loss: float = 0.005
    difference: float = 2e-3
    bytes: int | None = None
    cpu: float | None = None

    @classmethod
    def of(cls, name: str, *, path: Path = BUDGETS) -> Limits:
        """What budgets.json asks of an INT8 model of that name: its own entry over that of "default"."""
        data = json.loads(path.read_text(encoding="utf-8"))
        return cls(**(data["default"] | data.get(name, {})))

    def missed(self, figures: Mapping[str, float]) -> list[str]:
        """A sentence for each of ``difference``, ``bytes`` and ``cpu`` that is over its limit, missing or no number."""
        found = []
        for f in dataclasses.fields(self):
            limit, value = getattr(self, f.name), figures.get(f.name, float("nan"))
            if f.name != "loss" and limit is not None and not value <= limit:
                found.append(f"{f.name}: {value:g} where at most {limit:g} is allowed")
        return found


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What a model is measured on before and after: drawn samples, and the contents of labelled folders by name."""

    lines: list[Any] = field(default_factory=list)
    scenes: list[Any] = field(default_factory=list)
    labelled: dict[str, tuple[list[NDArray[np.uint8]], list[str]]] = field(default_factory=dict)
    labelled_scenes: dict[str, list[Any]] = field(default_factory=dict)

    @classmethod
    def draw(
        cls, manifest: m.Manifest, ingredients: str | Path, *, lines: int, scenes: int, labelled: Sequence[Path] = ()
    ) -> HeldOut:
        if isinstance(manifest, m.RecognizeManifest):
            from training.recognizer.data import labelled_crops

            folders = {f.name: labelled_crops(f) for f in labelled}
            pairs = {k: ([c for c, _ in v], [t for _, t in v]) for k, v in folders.items()}
            return cls(lines=held_out_lines(manifest, ingredients, lines), labelled=pairs)
        return cls(
            scenes=held_out_scenes(ingredients, scenes), labelled_scenes={f.name: labelled_scenes(f) for f in labelled}
        )


def labelled_scenes(folder: Path) -> list[Any]:
    """The pictures of a labelled folder that have word quads."""
    from edge_ocr.geometry import clean
    from edge_ocr.image import load_image
    from training.synth.scene import Scene

    found = []
    for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["polygons"]:
            ignore = np.array(row.get("ignore") or [False] * len(row["polygons"]), bool)
            quads = clean(np.array(row["polygons"], np.float64)).astype(np.float32)  # drawn in any order
            found.append(Scene(load_image(folder / row["image"]), quads, ignore, folder.name))
    return found


def measure(manifest: m.Manifest, engine: Engine, held_out: HeldOut) -> dict[str, float]:
    """Errors, smaller is better: those named ``… drawn`` are what the gate looks at."""
    found: dict[str, float] = {}
    if isinstance(manifest, m.RecognizeManifest):
        found["cer drawn"] = read_lines(manifest, engine, held_out.lines)["cer"]
        for name, (crops, texts) in held_out.labelled.items():
            found[f"cer {name}"] = read_texts(manifest, engine, crops, texts, fold=True)["cer"]
    elif isinstance(manifest, m.DetectManifest):
        found["1-f drawn"] = 1 - find_scenes(manifest, engine, held_out.scenes)["f"]
        for name, scenes in held_out.labelled_scenes.items():
            found[f"1-f {name}"] = 1 - find_scenes(manifest, engine, scenes)["f"]
    return found


def losses(before: Mapping[str, float], after: Mapping[str, float], limit: float) -> list[str]:
    """A sentence for each error on drawn samples that grew by more than ``limit``, or is missing or no number; and one
    where there is none at all, since a gate that looks at nothing is none."""
    drawn = {k: v for k, v in before.items() if k.endswith(" drawn")}
    found = [] if drawn else [f"nothing was measured on drawn samples: {sorted(before)}"]
    for name, was in drawn.items():
        now = after.get(name, float("nan"))
        if not now - was <= limit:
            found.append(f"{name}: {was:.4f} before, {now:.4f} after, {now - was:+.4f} where {limit:+.4f} is allowed")
    return found
