"""A flat drawing with words on it: what a layout writes and what ``scene.shoot`` photographs.

A ``Pen`` draws words as masks in one face and size, a ``Sheet`` blends them into an image and remembers where each
word's ink lies. The unit is the word (Korean: 어절): a line is split at its spaces. Boxes are tight to the ink; a word
that is nothing but low punctuation (``-``, ``:``, ``...``) gets the height of a letter, because that is what a crop
of it has to show.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFont

__all__ = ["Colour", "Pen", "Sheet", "Typeface", "contrasting", "luma"]

Colour = tuple[int, int, int]
_EMPTY = Image.Image()
_UNITS: dict[tuple[str, str], tuple[float, float]] = {}


class Typeface(Protocol):
    """What a pen needs of a face (``training.synth.fonts.Face`` has it)."""

    @property
    def name(self) -> str: ...
    @property
    def script(self) -> str: ...
    def can_write(self, text: str) -> bool: ...
    def font(self, size: int) -> ImageFont.FreeTypeFont: ...


def luma(colour: Colour | NDArray[np.generic]) -> float:
    r, g, b = (float(c) for c in colour[:3])
    return 0.299 * r + 0.587 * g + 0.114 * b


def contrasting(rng: np.random.Generator, ground: Colour | NDArray[np.generic], least: float = 60.0) -> Colour:
    """A random colour whose brightness differs from ``ground`` by at least ``least`` levels; mostly greys and darks,
    as print is."""
    base = luma(ground)
    for _ in range(12):
        kind = rng.random()
        if kind < 0.45:
            value = int(rng.integers(0, 70)) if base > 128 else int(rng.integers(190, 256))
            colour = (value, value, value)
        else:
            r, g, b = (int(c) for c in rng.integers(0, 256, 3))
            colour = (r, g, b)
        if abs(luma(colour) - base) >= least:
            return colour
    return (0, 0, 0) if base > 128 else (255, 255, 255)


def _mask(font: ImageFont.FreeTypeFont, text: str) -> tuple[NDArray[np.uint8], int, int]:
    """Ink of ``text`` uint8 [h, w], and the place of its top left against the pen's origin on the base line."""
    core, (dx, dy) = font.getmask2(text, "L", anchor="ls")
    if core.size[0] == 0 or core.size[1] == 0:
        return np.zeros((1, 1), np.uint8), 0, 0
    return np.asarray(_EMPTY._new(core)), int(dx), int(dy)


def _unit(face: Typeface) -> tuple[float, float]:
    """Top and bottom of a full letter (가 or H) against the base line, in ems; negative is above."""
    letter = "가" if face.script == "hangul" and face.can_write("가") else "H"
    key = (face.name, letter)
    if key not in _UNITS:
        mask, _, dy = _mask(face.font(64), letter)
        rows = np.flatnonzero(mask.max(axis=1) > 64)
        top, bottom = (dy + rows[0], dy + rows[-1] + 1) if len(rows) else (-45, 0)
        _UNITS[key] = (top / 64.0, max(bottom, top + 8) / 64.0)
    return _UNITS[key]


@dataclass(frozen=True)
class Mark:
    """A drawn word: ``mask`` uint8, its top left (``dx``, ``dy``) against the origin on the base line, the ``advance``
    to the next origin, and the box of its ink (x0, y0, x1, y1) against the origin."""

    mask: NDArray[np.uint8]
    dx: int
    dy: int
    advance: float
    box: tuple[float, float, float, float]


@dataclass
class Pen:
    """Draws words of a ``face`` whose full letter is ``size`` pixels high, stretched by ``wide`` and ``tall``, with
    ``spacing`` extra pixels between letters, ``bolder`` pixels of added weight and a ``slant``."""

    face: Typeface
    size: float
    wide: float = 1.0
    tall: float = 1.0
    spacing: float = 0.0
    bolder: int = 0
    slant: float = 0.0
    _kept: dict[str, Mark] = field(default_factory=dict)

    def __post_init__(self) -> None:
        top, bottom = _unit(self.face)
        em = max(5, round(self.size / (bottom - top)))
        self.font = self.face.font(em)
        self.top = top * em * self.tall
        self.bottom = bottom * em * self.tall
        self.height = self.bottom - self.top
        self.space = max(self.font.getlength(" "), 0.2 * em) * self.wide + self.spacing

    def mark(self, text: str) -> Mark:
        """The word ``text`` (no spaces) drawn; kept for the next time."""
        if text in self._kept:
            return self._kept[text]
        if self.spacing and len(text) > 1:
            parts = []
            x = 0.0
            step = self.spacing / self.wide
            for letter in text:
                mask, dx, dy = _mask(self.font, letter)
                parts.append((mask, round(x) + dx, dy))
                x += self.font.getlength(letter) + step
            advance = x - step
            dx, dy = min(p[1] for p in parts), min(p[2] for p in parts)
            w = max(p[1] + p[0].shape[1] for p in parts) - dx
            h = max(p[2] + p[0].shape[0] for p in parts) - dy
            mask = np.zeros((h, w), np.uint8)
            for m, px, py in parts:
                target = mask[py - dy : py - dy + m.shape[0], px - dx : px - dx + m.shape[1]]
                np.maximum(target, m, out=target)
        else:
            mask, dx, dy = _mask(self.font, text)
            advance = self.font.getlength(text)
        fx, fy = float(dx), float(dy)
        if self.wide != 1.0 or self.tall != 1.0:
            size = (max(1, round(mask.shape[1] * self.wide)), max(1, round(mask.shape[0] * self.tall)))
            shrink = self.wide * self.tall < 0.8
            mask = cv2.resize(mask, size, interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR)
            fx, fy, advance = fx * self.wide, fy * self.tall, advance * self.wide
        if self.slant:
            h, w = mask.shape
            lean = abs(self.slant) * h
            shift = np.array([[1, -self.slant, max(0.0, self.slant) * h], [0, 1, 0]], np.float32)
            mask = cv2.warpAffine(mask, shift, (int(w + lean) + 1, h))
            fx -= lean * 0.3
        if self.bolder:
            mask = cv2.dilate(cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT), _disc(self.bolder))
            fx, fy = fx - 1, fy - 1
        ix, iy = int(np.floor(fx)), int(np.floor(fy))
        x0, y0, w, h = cv2.boundingRect((mask > 70).view(np.uint8))
        if w == 0:
            x0, y0, h, w = 0, 0, *mask.shape
        box = (ix + x0, iy + y0, ix + x0 + w, iy + y0 + h)
        if h < 0.45 * self.height:
            wider = max(0.0, 0.3 * self.height - w) / 2
            box = (box[0] - wider, min(box[1], self.top), box[2] + wider, max(box[3], min(self.bottom, 0.0)))
        mark = Mark(np.ascontiguousarray(mask), ix, iy, advance, box)
        self._kept[text] = mark
        return mark

    def width(self, text: str, gap: float | None = None) -> float:
        """How far ``write`` would go for a line."""
        words = text.split(" ")
        gap = self.space if gap is None else gap
        return sum(self.mark(w).advance for w in words if w) + gap * (len(words) - 1)


def _disc(radius: int) -> NDArray[np.uint8]:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)).astype(np.uint8)


class Sheet:
    """An image uint8 [h, w, 3] RGB and the words on it: ``quads`` [N, 4, 2] float32 in its pixels, ``ignored`` [N]."""

    def __init__(self, image: NDArray[np.uint8]) -> None:
        self.image = image
        self._quads: list[list[tuple[float, float]]] = []
        self._ignored: list[bool] = []
        self.ink: NDArray[np.uint8] | None = None

    @property
    def height(self) -> int:
        return int(self.image.shape[0])

    @property
    def width(self) -> int:
        return int(self.image.shape[1])

    @property
    def quads(self) -> NDArray[np.float32]:
        return np.asarray(self._quads, np.float32).reshape(-1, 4, 2)

    @property
    def ignored(self) -> NDArray[np.bool_]:
        return np.asarray(self._ignored, bool)

    def add(self, quad: NDArray[np.generic] | list[tuple[float, float]], ignored: bool = False) -> None:
        self._quads.append([(float(x), float(y)) for x, y in quad])
        self._ignored.append(ignored)

    def box(self, x0: float, y0: float, x1: float, y1: float, ignored: bool = False) -> None:
        self.add([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], ignored)

    def collect_ink(self) -> None:
        """From now on words gather in one layer, which ``print_ink`` blends at once with the texture of a printer."""
        self.ink = np.zeros(self.image.shape[:2], np.uint8)

    def print_ink(
        self, colour: Colour, texture: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None = None
    ) -> None:
        if self.ink is not None:
            ink, self.ink = self.ink, None
            self._blend(texture(ink) if texture else ink, 0, 0, colour)

    def _blend(self, mask: NDArray[np.uint8], x: int, y: int, colour: Colour, strength: float = 1.0) -> None:
        x0, y0 = max(0, x), max(0, y)
        x1, y1 = min(self.width, x + mask.shape[1]), min(self.height, y + mask.shape[0])
        if x1 <= x0 or y1 <= y0:
            return
        part = mask[y0 - y : y1 - y, x0 - x : x1 - x]
        if self.ink is not None:
            target = self.ink[y0:y1, x0:x1]
            np.maximum(target, part, out=target)
            return
        weight = part.astype(np.int32)[:, :, None]
        if strength != 1.0:
            weight = (weight * strength).astype(np.int32)
        under = self.image[y0:y1, x0:x1]
        over = np.asarray(colour, np.int32) - under
        over *= weight
        over >>= 8
        over += under
        self.image[y0:y1, x0:x1] = over

    def write(
        self,
        x: float,
        y: float,
        text: str,
        pen: Pen,
        colour: Colour,
        *,
        gap: float | None = None,
        outline: tuple[Colour, int] | None = None,
        shadow: tuple[Colour, int, int] | None = None,
        strength: float = 1.0,
        pitch: float | None = None,
        label: bool = True,
    ) -> float:
        """Write a line with its base line's start at (x, y): every word gets a box. ``gap`` is the space between
        words in pixels; ``pitch`` puts words on a printer's columns; ``outline`` is (colour, radius); ``shadow``
        (colour, offset, blur radius). Returns where the pen stops."""
        gap = pen.space if gap is None else gap
        for i, word in enumerate(text.split(" ")):
            if i:
                x += gap
            if not word:
                continue
            mark = pen.mark(word)
            x0, y0, x1, y1 = mark.box
            if x + x0 < -1 or x + x1 > self.width + 1 or y + y0 < -1 or y + y1 > self.height + 1:
                break  # a word that the sheet's edge would cut is not printed
            px, py = round(x) + mark.dx, round(y) + mark.dy
            if shadow is not None:
                tint, offset, soft = shadow
                r = 2 * soft + 1
                blurred = cv2.copyMakeBorder(mark.mask, r, r, r, r, cv2.BORDER_CONSTANT)
                self._blend(cv2.blur(blurred, (r, r)), px - r + offset, py - r + offset, tint, 0.8)
            if outline is not None:
                tint, r = outline
                fat = cv2.dilate(cv2.copyMakeBorder(mark.mask, r, r, r, r, cv2.BORDER_CONSTANT), _disc(r))
                self._blend(fat, px - r, py - r, tint)
            self._blend(mark.mask, px, py, colour, strength)
            if label:
                ox, oy = round(x), round(y)
                # A lone dash or star is text to a reader and a scrap of a rule to a detector: leave it open.
                self.box(ox + x0, oy + y0, ox + x1, oy + y1, not word.strip("-_=*~.·|+→※•"))
            x += mark.advance
            if pitch is not None:
                x = np.ceil(x / pitch) * pitch
        return float(x)
