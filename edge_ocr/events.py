"""What a stream tells, and what it needs of a reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_ocr.manifest import QualityLimits
from edge_ocr.quality import Hint, Quality
from edge_ocr.types import Crop, Quad, Region, TextWord

__all__ = ["Best", "Event", "Reader", "Seen", "Track"]

Image = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Best:
    """The frame in which a text was best to see: its number, seconds, how fit it was (0..1), and the text's crop with
    a margin, uint8 ``[h, w, 3]``, with its quad there."""

    frame: int
    seconds: float
    fitness: float
    crop: Crop


@dataclass(frozen=True, eq=False)
class Event:
    """``event`` is "appeared" (a text is read for the first time), "updated" (its reading changed), "stable" (told
    once, when the readings agree) or "lost". ``track`` numbers texts from 1 on, ``frame`` the frames taken from the
    source from 0 on; ``ms`` is the frame's time since the first one. ``quad`` is in frame pixels."""

    event: str
    track: int
    frame: int
    ms: float
    text: str
    confidence: float
    quad: Quad
    hints: tuple[Hint, ...] = ()
    best: Best | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "event": self.event,
            "track": self.track,
            "frame": self.frame,
            "ms": round(self.ms, 1),
            "text": self.text,
            "confidence": round(self.confidence, 4),
            "quad": [[round(x, 2), round(y, 2)] for x, y in self.quad],
            "hints": [hint.to_dict() for hint in self.hints],
        }


@dataclass(frozen=True)
class Track:
    """A text as it stands in one frame. ``text`` is what was told of it last, empty before it appeared; ``stable``
    whether that is settled; ``quality`` the figures when it was looked at last."""

    track: int
    quad: Quad
    text: str
    confidence: float
    stable: bool
    quality: Quality | None
    hints: tuple[Hint, ...]


@dataclass(frozen=True, eq=False)
class Seen:
    """One frame and what came of it: the upright ``image``, its number among the frames taken, seconds since the
    first one, the events that it gave, all texts in it, hints for the user (of the frame where it shows no text),
    whether it was detected in, how many texts were read in it, milliseconds by stage, how many frames the source
    has dropped so far, and how many it left out because they cannot be decoded. ``advice`` is the sentence to tell the
    user now, while nothing is read: the worst hint's, once when it changes, and not all the time; else ""."""

    image: Image
    frame: int
    seconds: float
    events: tuple[Event, ...]
    tracks: tuple[Track, ...]
    hints: tuple[Hint, ...]
    detected: bool
    reads: int
    ms: dict[str, float]
    dropped: int
    skipped: int = 0
    advice: str = ""


class Reader(Protocol):
    """What a stream needs of an ``OCR``. One that has ``accepts(text) -> bool`` too, as scanners do, says which texts
    may be told."""

    @property
    def quality(self) -> QualityLimits | None: ...
    @property
    def min_confidence(self) -> float: ...
    def detect(self, image: Image, /) -> Sequence[Region]: ...
    def read_regions(self, image: Image, regions: Sequence[Region], /) -> Sequence[TextWord]: ...
