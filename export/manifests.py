"""The model.json of an exported network.

What depends on the network comes from its checkpoint. What was found by measuring (thresholds, buckets, margins, the
limits of hints) comes from the model.json of the same model that is there already, and only for a model that is new
from the values below. A temperature belongs to one set of weights, so it starts at 1 again.
"""

from __future__ import annotations

import datetime
import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_ocr import manifest as m
from edge_ocr.errors import EdgeOcrError
from export.checkpoint import Trained
from training.synth.plate import ROW_WIDTH

__all__ = ["describe", "existing"]

VERSION = "0.1.0"
LICENSE = "Apache-2.0"
SOURCE = "pictures drawn by training.synth from what training/INGREDIENTS.md lists"
SOURCE_DETECT = SOURCE + "; some of their grounds are road photographs, with the words that PP-OCRv6 found in them"

DETECT: dict[str, Any] = {
    "input": m.DetectInput(
        name="image",
        dtype="uint8",
        layout="NHWC",
        colour="RGB",
        stride=32,
        buckets=((320, 320), (480, 640), (640, 480), (736, 1280), (1280, 736), (800, 800)),
        fit="letterbox",
        resize="area-down-linear-up",
        padding=114,
    ),
    "output": m.DetectOutput(score="score", geometry="geometry", stride=4),
    "decode": m.DetectDecode(
        score_threshold=0.7,
        merge_iou=0.4,
        edge_reach=0.6,
        nms_iou=0.2,
        contained=0.6,
        min_height=4.0,
        max_regions=2000,
    ),
    "tiling": m.Tiling(overlap=128, max_shrink=1.25, max_tiles=64, large=96, coarse_shrink=2, grow_to=64, border=32),
    "quality": m.QualityLimits(
        height=24,
        blur=0.6,
        motion=0.5,
        dark=0.75,
        over_exposed=0.6,
        glare=0.25,
        too_far=0.5,
        tilted=0.4,
        cut=0.9,
    ),
}
RECOGNIZE: dict[str, Any] = {
    "input": m.RecognizeInput(
        name="crops",
        dtype="uint8",
        layout="NHW",
        colour="grey",
        height=32,
        buckets=(48, 64, 80, 96, 112, 128, 160, 192, 256, 384, 512),
        max_batch=8,
        fit="height-pad-right",
        resize="area-down-linear-up",
        padding=127,
        margin=0.15,  # a quad's ends come out a little short, and the drawn crops have room
    ),
    # Of the gaps in drawn lines (unseen typefaces) where a space has a probability of 0.15 to 0.2, 43 % are spaces; of
    # 0.2 to 0.3, 62 %. F is as good from 0.15 to 0.3; words in which no space stands get fewer from 0.25 on.
    # The switches were chosen on drawn English and Korean lines in unseen typefaces.
    "decode": m.RecognizeDecode(
        default="greedy", beam_width=8, space=0.25, digit_switch=1.5, case_switch=1.0, script_switch=1.0
    ),
    "confidence": m.Confidence(
        definition="geometric mean of the characters' peak probabilities, spaces left out",
        temperature=1.0,
        minimum=0.35,  # below this, most of what is read was no text
    ),
}


# Chosen on drawn lines in unseen typefaces, set as wide as faces are and 0.78 as wide.
_NARROW = {
    name: m.Narrow(pitch=pitch, least=1.1, most=2.0, below=0.9) for name, pitch in (("ko", 0.7), ("en", 0.6))
}
# Chosen on drawn plates of unseen faces: three of ten wrong ones come right, and one in eleven is looked at again.
_VIEWS = {"plate-kr": m.Views(below=0.97, shears=(0.2, -0.2), trim=0.08, sharpen=1.0, sigma=1.5, stretch=1.12)}
# What the drawing of training lines stretches them to, by model.
_MIN_WIDTHS = {"plate-kr": ROW_WIDTH}


# Chosen on drawn English lines in unseen typefaces, where 36 of 800 become better and one worse.
_MENDS = m.Words(least=4, odds=3.0)
_LISTS = Path(__file__).resolve().parents[1] / "training" / "words"


def beside(manifest: m.Manifest, source: Path, target: Path) -> dict[str, m.FileEntry]:
    """Copies what belongs to a model besides its networks from one folder to another; its entries for model.json."""
    kept = {kind: entry for kind, entry in manifest.files.items() if kind not in ("onnx", "tflite")}
    if source.resolve() != target.resolve():
        for entry in kept.values():
            shutil.copyfile(source / entry.path, target / entry.path)
    return kept


def existing(*folders: Path) -> m.Manifest | None:
    """The manifest of the first folder that has one."""
    for folder in folders:
        if (folder / m.FILE_NAME).is_file():
            try:
                return m.load_manifest(folder, verify=False)
            except EdgeOcrError as error:
                raise ValueError(f"{folder}: nothing can be taken over from its model.json: {error}") from error
    return None


def describe(
    trained: Trained,
    folder: Path,
    *,
    name: str,
    like: m.Manifest | None,
    decode: Mapping[str, float],
    temperature: float = 1.0,
) -> m.Manifest:
    """Writes the manifest of ``folder/model.onnx`` and returns it. ``like``: what measured values come from;
    ``decode``: thresholds that override them. Raises ManifestError for a value that makes no sense, TypeError for a
    threshold that there is not."""
    common: dict[str, Any] = {
        "format": m.FORMAT,
        "name": name,
        "task": trained.task,
        "version": VERSION,
        "license": LICENSE,
        "languages": () if trained.task == "detect" else (name,),
        "files": {"onnx": m.describe_file(folder / "model.onnx")},
        "made": _made(trained, name),
        "measures": {},
    }
    values = dict(DETECT if trained.task == "detect" else RECOGNIZE)
    if like is not None and like.task == trained.task:
        values |= {k: getattr(like, k) for k in values}
        common["languages"] = like.languages
    whole = {k: int(v) if k in ("max_regions", "beam_width") else v for k, v in decode.items()}
    values["decode"] = replace(values["decode"], **whole)
    manifest: m.Manifest
    if trained.task == "detect":
        manifest = m.DetectManifest(**common, **values)
    else:
        config = trained.net.config
        parts = dict(zip(("symbols", "initial", "medial", "final"), trained.outputs, strict=False))
        values["input"] = replace(values["input"], height=config.height, min_width=_MIN_WIDTHS.get(name))
        values["decode"] = replace(
            values["decode"], narrow=_NARROW.get(name), views=_VIEWS.get(name), words=_list_words(name, folder)
        )
        if values["decode"].words is not None:
            common["files"]["words"] = m.describe_file(folder / "words.z")
        values["confidence"] = replace(values["confidence"], temperature=temperature)
        output = m.RecognizeOutput(head=config.head, stride=4, **parts)  # type: ignore[arg-type]
        manifest = m.RecognizeManifest(**common, **values, output=output, charset=config.charset, blank=0)
    m.write_manifest(folder, manifest)
    return m.load_manifest(folder)


def _list_words(name: str, folder: Path) -> m.Words | None:
    """How a list of words is used, which is copied into the folder; None where there is none of that name."""
    file = _LISTS / f"{name}.z"
    if not file.is_file():
        return None
    shutil.copyfile(file, folder / "words.z")
    return _MENDS


def _made(trained: Trained, name: str) -> m.Made:
    minutes = trained.seconds / 60
    trainer = "detector.train" if trained.task == "detect" else f"recognizer.train {name}"
    return m.Made(
        command=f"python -m training.{trainer} --minutes {minutes:.0f}",
        date=datetime.date.today().isoformat(),
        machine=f"{platform.machine()}, CPU, {os.cpu_count()} cores",
        minutes=round(minutes, 1),
        samples=trained.samples,
        source=SOURCE_DETECT if trained.task == "detect" else SOURCE,
    )
