"""Batches of drawn lines, grouped by width so that little is padding."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from training.recognizer.hard import Hard
from training.recognizer.loss import steps_needed
from training.synth.line import LineSynth, Recipe, Sample
from training.synth.mrz import MrzSynth
from training.synth.plate import PlateSynth

__all__ = ["BUCKETS", "Batch", "LineBatches", "collate", "held_out", "labelled_crops", "load_synth"]

# Widths in pixels at 32 px height; the runtime's own buckets stand in the manifest and need not be these.
BUCKETS = (48, 64, 96, 128, 160, 192, 256, 320, 384, 448, 512)
PADDING = 127


@dataclass(frozen=True, eq=False)
class Batch:
    """``images`` uint8 ``[N, 32, W]``, ``steps`` int64 ``[N]``: columns of the output that each fills, the ``texts``,
    and what each was drawn from, where it can be drawn again."""

    images: torch.Tensor
    steps: torch.Tensor
    texts: list[str]
    recipes: list[Recipe | None]


def collate(samples: list[Sample], width: int) -> Batch:
    """Pad on the right to ``width``."""
    images = np.full((len(samples), samples[0].image.shape[0], width), PADDING, np.uint8)
    for row, sample in zip(images, samples, strict=True):
        row[:, : sample.image.shape[1]] = sample.image
    steps = torch.tensor([-(-s.image.shape[1] // 4) for s in samples])
    return Batch(torch.from_numpy(images), steps, [s.text for s in samples], [s.recipe for s in samples])


def bucket_of(width: int) -> int:
    return next((b for b in BUCKETS if b >= width), -(-width // 64) * 64)


def load_synth(
    name: str, folder: str, *, lang: str, charset: str, max_width: int, reserved: bool = False
) -> LineSynth | PlateSynth | MrzSynth:
    """The synthesiser that a config names as its ``synth``: ``line``, ``plate`` or ``mrz``."""
    if name == "line":
        return LineSynth.load(folder, lang=lang, charset=charset, max_width=max_width, reserved=reserved)
    if name == "plate":
        return PlateSynth.load(folder, reserved=reserved)
    if name == "mrz":
        return MrzSynth.load(folder, max_width=max_width, reserved=reserved)
    raise ValueError(f"synth: {name!r} is none of line, plate, mrz")


class LineBatches(IterableDataset[Batch]):
    """An endless, seeded stream of batches of about ``columns`` pixel columns each. ``progress`` (0..1, shared
    between processes) drives the curriculum: short words first, long lines and phrases from the middle of the run
    on, and degradations that reach full strength at a quarter of it. ``again`` holds what is to be drawn once more."""

    def __init__(
        self,
        *,
        ingredients: str,
        lang: str,
        charset: str,
        columns: int,
        max_width: int,
        seed: int,
        synth: str = "line",
        again: Hard | None = None,
    ) -> None:
        self.ingredients, self.lang, self.charset, self.synth = ingredients, lang, charset, synth
        self.columns, self.max_width, self.seed = columns, max_width, seed
        self.again = again or Hard(0.0)
        self.progress = multiprocessing.get_context("fork").Value("d", 0.0)

    def __iter__(self) -> Iterator[Batch]:
        info = get_worker_info()
        cv2.setNumThreads(0)
        rng = np.random.default_rng([self.seed, info.id if info else 0])
        synth = load_synth(
            self.synth, self.ingredients, lang=self.lang, charset=self.charset, max_width=self.max_width
        )
        waiting: dict[int, list[Sample]] = {}
        while True:
            progress = self.progress.value
            synth.difficulty = float(np.clip(0.3 + progress / 0.25 * 0.7, 0.3, 1.0))
            grown = float(np.clip((progress - 0.1) / 0.4, 0.0, 1.0))
            synth.max_width = int(min(176, self.max_width) * (1 - grown) + self.max_width * grown)
            synth.phrases = 0.04 + 0.16 * grown
            recipe = self.again.take(rng)
            sample = synth.sample(rng) if recipe is None else synth.again(rng, recipe)
            if sample is None or steps_needed(sample.text) > -(-sample.image.shape[1] // 4):
                continue
            bucket = bucket_of(sample.image.shape[1])
            group = waiting.setdefault(bucket, [])
            group.append(sample)
            if len(group) * bucket >= self.columns:
                yield collate(group, bucket)
                waiting[bucket] = []


def held_out(
    ingredients: str, *, lang: str, charset: str, count: int, max_width: int, seed: int = 977, synth: str = "line"
) -> list[Sample]:
    """Samples in the reserved faces, the same for every run with the same ingredients."""
    source = load_synth(synth, ingredients, lang=lang, charset=charset, reserved=True, max_width=max_width)
    rng = np.random.default_rng(seed)
    return [source.sample(rng) for _ in range(count)]


def labelled_crops(folder: str | Path) -> list[tuple[NDArray[np.uint8], str]]:
    """(RGB crop, text) for each labelled quad of a folder with ``labels.jsonl``; pictures with one text and no quads
    whole."""
    from edge_ocr.geometry import order_points
    from edge_ocr.image import load_image

    root = Path(folder)
    out: list[tuple[NDArray[np.uint8], str]] = []
    for line in (root / "labels.jsonl").read_text(encoding="utf-8").splitlines():
        row: dict[str, Any] = json.loads(line)
        image = load_image(root / row["image"])
        ignore = row.get("ignore") or [False] * len(row["texts"])
        if row["polygons"] is None:
            if len(row["texts"]) == 1:
                out.append((image, row["texts"][0]))
            continue
        for quad, text, skip in zip(row["polygons"], row["texts"], ignore, strict=True):
            if skip or len(quad) != 4:
                continue
            q = np.asarray(order_points(np.asarray(quad, np.float64)[None])[0], np.float32)
            w = int(np.linalg.norm(q[1] - q[0])) + 1
            h = int(np.linalg.norm(q[3] - q[0])) + 1
            target = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
            out.append((cv2.warpPerspective(image, cv2.getPerspectiveTransform(q, target), (w, h)), text))
    return out
