"""What the formats share: a page, its words without spaces in them, boxes, and text that XML can hold."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
from xml.sax.saxutils import escape

from edge_ocr.types import Point, Quad, Reading, TextCharacter, TextLine

__all__ = ["Page", "Piece", "angle_of", "box_of", "pieces_of", "xml_text"]

# what XML 1.0 cannot hold in any spelling: control characters, lone surrogates and two noncharacters
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Page:
    """A reading, and what its picture is called."""

    name: str
    reading: Reading


class Piece(NamedTuple):
    """A part of a line without spaces in it: hOCR and ALTO know no others. ``quad`` is in picture pixels."""

    text: str
    confidence: float
    characters: tuple[TextCharacter, ...]
    quad: Quad
    language: str


def pieces_of(reading: Reading, line: TextLine) -> Iterator[Piece]:
    """The words of a line; one that holds spaces is parted there, its quad by the share of the characters."""
    for index in line.words:
        word = reading.words[index]
        if word.quad is None or not all(math.isfinite(v) for point in word.quad for v in point):
            continue
        for match in re.finditer(r"\S+", word.text):
            start, end = match.span()
            whole = end - start == len(word.text)
            quad = word.quad if whole else _part(word.quad, start / len(word.text), end / len(word.text))
            # characters need not be there, nor be as many as the text has
            aligned = len(word.characters) == len(word.text)
            yield Piece(match[0], _share(word.confidence), word.characters[start:end] if aligned else (), quad,
                        word.language)


def box_of(quad: Quad, width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the upright box around a quad, whole pixels inside the picture."""
    xs = [min(max(x, 0.0), float(width)) for x, _ in quad]
    ys = [min(max(y, 0.0), float(height)) for _, y in quad]
    return math.floor(min(xs)), math.floor(min(ys)), math.ceil(max(xs)), math.ceil(max(ys))


def angle_of(quad: Quad) -> float:
    """The direction in which a quad reads, degrees in -180..180, counter-clockwise as seen."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = quad
    return -math.degrees(math.atan2((by - ay) + (cy - dy), (bx - ax) + (cx - dx)))


def xml_text(text: str) -> str:
    """Escaped for XML, in elements as in attributes between double quotes."""
    return escape(_ILLEGAL.sub("\ufffd", text), {'"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"})


def _share(confidence: float) -> float:
    return min(max(confidence, 0.0), 1.0) if math.isfinite(confidence) else 0.0


def _part(quad: Quad, start: float, end: float) -> Quad:
    a, b, c, d = quad
    return (_between(a, b, start), _between(a, b, end), _between(d, c, end), _between(d, c, start))


def _between(a: Point, b: Point, share: float) -> Point:
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share)
