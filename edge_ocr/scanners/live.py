"""Scanners for moving pictures: what ``Stream`` needs of a reader, so that plates and documents are followed and voted
on like any text.

A plate is read again in its place in every frame that asks for it, under the grammar of plates, so what is voted on,
character by character, are readings that could all be plates. A document is looked at whole, and counts only where its
own checks hold.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_ocr import geometry as g
from edge_ocr.errors import InputError
from edge_ocr.manifest import QualityLimits
from edge_ocr.models import find_detector
from edge_ocr.scanners import mrz, plate
from edge_ocr.types import Quad, Region, TextCharacter, TextWord

if TYPE_CHECKING:
    from edge_ocr.image import ImageSource

__all__ = ["KINDS", "ScanReader", "scan_reader"]

Image = NDArray[np.uint8]
KINDS = ("plate", "idcard", "mrz")
_AROUND = 0.15  # of a document's size: a reading looks at so much more on every side
_LEAST_PLATE = 0.5  # a single reading may be less sure than a single picture must be: the vote decides


class ScanReader(Protocol):
    """A scanner as a stream's reader; ``accepts`` says whether a text may be told."""

    @property
    def quality(self) -> QualityLimits | None: ...
    @property
    def min_confidence(self) -> float: ...
    def detect(self, image: Image, /) -> Sequence[Region]: ...
    def read_regions(self, image: Image, regions: Sequence[Region], /) -> Sequence[TextWord]: ...
    def accepts(self, text: str, /) -> bool: ...
    def warm_up(self) -> None: ...


def scan_reader(
    what: str, *, threads: int = 1, models_dir: str | os.PathLike[str] | None = None, engine: str = "onnx"
) -> ScanReader:
    """What ``Stream`` takes in place of an ``OCR`` to read only plates ("plate"), zones of travel documents ("mrz") or
    identity papers ("idcard"). Raises InputError for anything else, ModelNotFound where a model is missing."""
    quality = find_detector(models_dir).manifest.quality
    if what == "plate":
        return _Plates(plate.Scanner(threads=threads, models_dir=models_dir, engine=engine), quality)
    if what == "mrz":
        return _Documents(mrz.Scanner(threads=threads, models_dir=models_dir, engine=engine), quality)
    if what == "idcard":
        from edge_ocr.scanners import idcard

        return _Documents(idcard.Scanner(threads=threads, models_dir=models_dir, engine=engine), quality)
    raise InputError(f"scan: expected one of {', '.join(KINDS)}, found {what!r}")


class _Plates:
    """Number plates: found by the scanner, then read where they are."""

    def __init__(self, scanner: plate.Scanner, quality: QualityLimits | None) -> None:
        self.scanner, self.quality, self.min_confidence = scanner, quality, _LEAST_PLATE

    def detect(self, image: Image) -> tuple[Region, ...]:
        return tuple(Region(p.quad, p.confidence) for p in self.scanner.scan(image))

    def read_regions(self, image: Image, regions: Sequence[Region]) -> tuple[TextWord, ...]:
        found = self.scanner.read(image, [r.quad for r in regions], min_confidence=_LEAST_PLATE)
        return tuple(
            TextWord("", 0.0, (), r.quad, "plate") if p is None
            else TextWord(p.text, p.confidence, p.characters, r.quad, "plate", p.plain)
            for p, r in zip(found, regions, strict=True)
        )  # fmt: skip

    def accepts(self, text: str) -> bool:
        return plate.parse(text) is not None

    def warm_up(self) -> None:
        self.scanner.warm_up()


class _Scanner(Protocol):
    def scan(self, image: ImageSource, /) -> Sequence[Any]: ...


class _Documents:
    """Documents: a reading scans the picture around the place of one, and says nothing unless that is accepted."""

    def __init__(self, scanner: _Scanner, quality: QualityLimits | None) -> None:
        self.scanner, self.quality, self.min_confidence = scanner, quality, 0.3
        self._last: tuple[NDArray[np.uint8], tuple[TextWord, ...]] = (np.zeros((0, 0, 3), np.uint8), ())

    def detect(self, image: Image) -> tuple[Region, ...]:
        found = self._scan(image)
        self._last = (_glimpse(image), found)
        return tuple(Region(_quad_of(word), word.confidence) for word in found)

    def read_regions(self, image: Image, regions: Sequence[Region]) -> tuple[TextWord, ...]:
        glimpse, found = self._last
        # What this very frame was searched for is not read twice.
        fresh = found if np.array_equal(glimpse, _glimpse(image)) else ()
        return tuple(self._nearest(region, fresh) or self._read(image, region) for region in regions)

    def _read(self, image: Image, region: Region) -> TextWord:
        left, top, right, bottom = g.bounding_boxes(np.array([region.quad]))[0]
        more = _AROUND * np.array([right - left, bottom - top])
        x0, y0 = (int(v) for v in np.maximum(np.floor([left, top] - more), 0))
        x1, y1 = (int(v) for v in np.maximum(np.ceil([right, bottom] + more), [x0 + 1, y0 + 1]))
        part = np.ascontiguousarray(image[y0:y1, x0:x1])
        nothing = TextWord("", 0.0, (), region.quad)
        if not part.size:
            return nothing
        moved = []
        for word in self._scan(part):
            a, b, c, d = ((x + x0, y + y0) for x, y in _quad_of(word))
            moved.append(TextWord(word.text, word.confidence, word.characters, (a, b, c, d), word.language))
        return self._nearest(region, moved) or nothing

    def _nearest(self, region: Region, words: Sequence[TextWord]) -> TextWord | None:
        """The word that stands where the region is."""
        if not words:
            return None
        overlap = g.quad_iou_matrix(g.clean([region.quad]), g.clean([_quad_of(w) for w in words]))[0]
        best = int(overlap.argmax())
        return words[best] if overlap[best] > 0.2 else None

    def _scan(self, image: Image) -> tuple[TextWord, ...]:
        return tuple(_as_word(d) for d in self.scanner.scan(image) if d.accepted)

    def accepts(self, text: str) -> bool:
        """What was accepted may still be mixed up by a vote: a zone's check digits and form must hold then too."""
        lines = text.split("\n")
        return all(len(line) < 30 or set(line) - set(mrz.ALPHABET) for line in lines) or _holds(lines)

    def warm_up(self) -> None:
        self.scanner.scan(np.full((480, 640, 3), 127, np.uint8))


def _holds(lines: Sequence[str]) -> bool:
    found = mrz.parse(lines)
    return found is not None and found.accepted and found.known and found.well_formed


def _as_word(document: Any) -> TextWord:
    """A document as one text: a zone's lines, else a line for each field."""
    rows: list[list[TextCharacter]] = []
    for name, field in document.fields.items():
        if isinstance(document, mrz.Mrz):
            if name.startswith("line"):
                rows.append([TextCharacter(c, field.confidence) for c in field.raw])
        elif field.value:
            rows.append([TextCharacter(c, field.confidence) for c in f"{name}: {field.value}"])
    characters = [c for row in rows for c in (*row, TextCharacter("\n", 1.0))][:-1]
    text = "".join(c.text for c in characters)
    return TextWord(text, float(document.confidence), tuple(characters), document.quad, document.to_dict()["kind"])


def _quad_of(word: TextWord) -> Quad:
    assert word.quad is not None  # documents have places
    return word.quad


def _glimpse(image: Image) -> NDArray[np.uint8]:
    small: NDArray[np.uint8] = image[::8, ::8].copy()
    return small
