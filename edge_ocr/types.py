"""What flows between the stages: frozen dataclasses, JSON-ready through ``to_dict``.

Coordinates are frame pixels (float), x to the right, y down. The four points of a quad run clockwise from
the reading-order top left: top left, top right, bottom right, bottom left of the text as it is read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Crop", "Frame", "Point", "Quad", "Reading", "Region", "TextCharacter", "TextLine", "TextWord"]

Point = tuple[float, float]
Quad = tuple[Point, Point, Point, Point]


def _quad_to_list(quad: Quad) -> list[list[float]]:
    return [[round(float(x), 2), round(float(y), 2)] for x, y in quad]


def _quad_from_list(points: Any) -> Quad:
    a, b, c, d = ((float(x), float(y)) for x, y in points)
    return (a, b, c, d)


@dataclass(frozen=True, eq=False)
class Frame:
    """A camera frame: ``image`` uint8 ``[H, W, 3]`` RGB, ``timestamp`` in seconds of a monotonic clock,
    ``rotation`` clockwise degrees (0, 90, 180, 270) that turn the image upright."""

    image: NDArray[np.uint8]
    timestamp: float = 0.0
    rotation: int = 0


@dataclass(frozen=True)
class Region:
    """A detected word: its quad and the detector's raw score in 0..1."""

    quad: Quad
    score: float

    def to_dict(self) -> dict[str, Any]:
        return {"quad": _quad_to_list(self.quad), "score": round(float(self.score), 4)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Region:
        return cls(_quad_from_list(data["quad"]), float(data["score"]))


@dataclass(frozen=True, eq=False)
class Crop:
    """An upright patch cut from a frame: ``image`` uint8 ``[h, w, 3]`` RGB, and the quad it came from."""

    image: NDArray[np.uint8]
    quad: Quad


@dataclass(frozen=True)
class TextCharacter:
    """One character of a word and its confidence in 0..1."""

    text: str
    confidence: float

    def to_dict(self) -> dict[str, Any]:
        return {"text": self.text, "confidence": round(float(self.confidence), 4)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TextCharacter:
        return cls(str(data["text"]), float(data["confidence"]))


@dataclass(frozen=True)
class TextWord:
    """What one region reads. ``text`` may hold spaces where a region held several words. ``confidence`` is
    0..1; ``language`` is the recognizer that read it. ``quad`` is None for a crop recognized on its own. ``plain`` is
    what was read without the pattern that ``text`` obeys, None where there was no pattern."""

    text: str
    confidence: float
    characters: tuple[TextCharacter, ...] = ()
    quad: Quad | None = None
    language: str = ""
    plain: str | None = None

    def to_dict(self, *, characters: bool = True) -> dict[str, Any]:
        """JSON-ready; ``characters``: with each character's confidence."""
        data: dict[str, Any] = {
            "quad": _quad_to_list(self.quad) if self.quad is not None else None,
            "text": self.text,
            "confidence": round(float(self.confidence), 4),
            "language": self.language,
        }
        if characters:
            data["characters"] = [c.to_dict() for c in self.characters]
        return data if self.plain is None else {**data, "plain": self.plain}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TextWord:
        quad = data.get("quad")
        return cls(
            text=str(data["text"]),
            confidence=float(data["confidence"]),
            characters=tuple(TextCharacter.from_dict(c) for c in data.get("characters", ())),
            quad=_quad_from_list(quad) if quad is not None else None,
            language=str(data.get("language", "")),
            plain=str(data["plain"]) if data.get("plain") is not None else None,
        )


@dataclass(frozen=True)
class TextLine:
    """Words in reading order with spaces between them; ``words`` indexes ``Reading.words``."""

    text: str
    confidence: float
    quad: Quad
    words: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "quad": _quad_to_list(self.quad),
            "text": self.text,
            "confidence": round(float(self.confidence), 4),
            "words": list(self.words),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TextLine:
        return cls(
            str(data["text"]), float(data["confidence"]), _quad_from_list(data["quad"]),
            tuple(int(i) for i in data["words"]),
        )


@dataclass(frozen=True)
class Reading:
    """Everything read from one image of ``width`` × ``height`` pixels: words, lines in reading order, the
    milliseconds spent in ``detect``, ``crop``, ``recognize`` and in ``total``, and what sets the image upright: the
    ``rotation`` in clockwise degrees (0, 90, 180, 270), after left and right were swapped where it is ``mirrored``."""

    width: int
    height: int
    words: tuple[TextWord, ...] = ()
    lines: tuple[TextLine, ...] = ()
    ms: dict[str, float] = field(default_factory=dict)
    rotation: int = 0
    mirrored: bool = False

    @property
    def text(self) -> str:
        """The lines, one below the other."""
        return "\n".join(line.text for line in self.lines)

    def to_dict(self, *, characters: bool = True) -> dict[str, Any]:
        """JSON-ready; ``characters``: with each character's confidence."""
        data: dict[str, Any] = {
            "width": self.width,
            "height": self.height,
            "words": [w.to_dict(characters=characters) for w in self.words],
            "lines": [x.to_dict() for x in self.lines],
            "ms": {k: round(float(v), 2) for k, v in self.ms.items()},
        }
        if self.rotation:
            data["rotation"] = self.rotation
        if self.mirrored:
            data["mirrored"] = True
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Reading:
        return cls(
            width=int(data["width"]),
            height=int(data["height"]),
            words=tuple(TextWord.from_dict(w) for w in data["words"]),
            lines=tuple(TextLine.from_dict(x) for x in data["lines"]),
            ms={str(k): float(v) for k, v in data.get("ms", {}).items()},
            rotation=int(data.get("rotation", 0)),
            mirrored=bool(data.get("mirrored", False)),
        )
