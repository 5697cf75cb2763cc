"""Pictures of what was found: boxes on the picture, and the text beside it, each word where it stands.

OpenCV's own lettering has no Hangul, and no font may be assumed on a small machine, so syllables are drawn here
from the strokes of their letters. That makes drawings look alike with every OpenCV and on every machine.
"""

from __future__ import annotations

import functools
import os
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from edge_ocr.errors import InputError
from edge_ocr.types import Quad, Region, TextWord

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["draw", "overlay", "save_png"]

_LEGIBLE = 22  # pixels of height that half of the words shall have at least
_LARGEST = 2400  # the longest side to which a picture is enlarged for that

# Strokes of the basic letters on a grid of 0..9: points x y, strokes between commas. O is a circle in its box.
_LETTERS = {
    "ㄱ": "00 90 99", "ㄴ": "00 09 99", "ㄷ": "90 00 09 99", "ㄹ": "00 90 94 04 09 99", "ㅁ": "00 90 99 09 00",
    "ㅂ": "00 09 99 90,04 94", "ㅅ": "40 43 09,43 99", "ㅇ": "O", "ㅈ": "00 90,40 44 09,44 99",
    "ㅊ": "30 60,03 93,43 46 09,46 99", "ㅋ": "00 90 99,04 94", "ㅌ": "90 00 09 99,04 94",
    "ㅍ": "00 90,30 39,60 69,09 99", "ㅎ": "30 60,02 92,O",
    "ㅏ": "30 39,34 94", "ㅑ": "30 39,33 93,36 96", "ㅓ": "60 69,04 64", "ㅕ": "60 69,03 63,06 66",
    "ㅣ": "50 59", "ㅐ": "20 29,70 79,24 74", "ㅒ": "20 29,70 79,23 73,26 76", "ㅔ": "40 49,80 89,04 44",
    "ㅖ": "40 49,80 89,03 43,06 46", "ㅗ": "08 98,41 48", "ㅛ": "08 98,21 28,71 78", "ㅜ": "02 92,42 49",
    "ㅠ": "02 92,22 29,72 79", "ㅡ": "05 95",
}  # fmt: skip
_PAIRS = {
    "ㄲ": "ㄱㄱ", "ㄸ": "ㄷㄷ", "ㅃ": "ㅂㅂ", "ㅆ": "ㅅㅅ", "ㅉ": "ㅈㅈ", "ㄳ": "ㄱㅅ", "ㄵ": "ㄴㅈ", "ㄶ": "ㄴㅎ",
    "ㄺ": "ㄹㄱ", "ㄻ": "ㄹㅁ", "ㄼ": "ㄹㅂ", "ㄽ": "ㄹㅅ", "ㄾ": "ㄹㅌ", "ㄿ": "ㄹㅍ", "ㅀ": "ㄹㅎ", "ㅄ": "ㅂㅅ",
    "ㅘ": "ㅗㅏ", "ㅙ": "ㅗㅐ", "ㅚ": "ㅗㅣ", "ㅝ": "ㅜㅓ", "ㅞ": "ㅜㅔ", "ㅟ": "ㅜㅣ", "ㅢ": "ㅡㅣ",
}  # fmt: skip
_INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_MEDIALS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_FINALS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_FLAT_VOWELS = "ㅗㅛㅜㅠㅡ"

_Box = tuple[float, float, float, float]  # left, top, right, bottom, in parts of a character's cell
_Stroke = tuple[tuple[float, float], ...]


def draw(image: NDArray[np.uint8], found: Sequence[Region | TextWord]) -> NDArray[np.uint8]:
    """A new uint8 RGB picture of ``image`` (uint8 ``[H, W, 3]`` RGB) with the boxes of ``found`` drawn in: green where
    the score or confidence is high, red where it is low. With words, their text stands on white beside the picture,
    or below a wide one, each in the place of its box. Small text is enlarged. Words without a quad are left out.
    """
    height, width = image.shape[:2]
    items = [(item, item.quad) for item in found if item.quad is not None]
    zoom = _zoom([quad for _, quad in items], max(height, width))
    picture: NDArray[np.uint8] = image.copy()
    if zoom > 1:
        size = (round(width * zoom), round(height * zoom))
        picture = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    page = np.full_like(picture, 255)
    thickness = max(1, round(max(picture.shape[:2]) / 800))
    for item, quad in items:
        # centres of pixels are at half coordinates in a quad and at whole ones in OpenCV's drawing
        corners = np.array(quad, np.float32) * np.float32(zoom) - np.float32(0.5)
        colour = _colour(item.confidence if isinstance(item, TextWord) else item.score)
        for target in (picture, page):
            _outline(target, corners, colour, thickness)
        if isinstance(item, TextWord):
            _write(page, item.text, corners)
    if not any(isinstance(item, TextWord) for item in found):
        return picture
    beside: NDArray[np.uint8] = np.concatenate([picture, page], axis=0 if width > 1.6 * height else 1)
    return beside


def overlay(
    image: NDArray[np.uint8], labels: Sequence[tuple[Quad, str, float]], lines: Sequence[str] = ()
) -> NDArray[np.uint8]:
    """A new uint8 RGB frame of ``image`` (uint8 ``[H, W, 3]`` RGB) with each quad outlined, its text above it, coloured
    by a confidence in 0..1, and with ``lines`` of text at its foot. For live pictures: nothing is enlarged."""
    frame: NDArray[np.uint8] = image.copy()
    height, width = frame.shape[:2]
    size = int(np.clip(round(height / 26), 12, 40))
    for quad, _, confidence in labels:
        _outline(frame, np.array(quad, np.float32) - np.float32(0.5), _colour(confidence), max(1, size // 12))
    for quad, text, _ in labels:
        left, top = np.floor(np.array(quad).min(axis=0)).astype(int)
        if text and -width < left < width and -height < top < height:
            _strip(frame, text, int(left), int(top) - size - 1, size)
    for k, text in enumerate(reversed(lines)):
        _strip(frame, text, 0, height - (k + 1) * (size + 2), size)
    return frame


def _strip(frame: NDArray[np.uint8], text: str, left: int, top: int, size: int) -> None:
    """White text on a darkened strip, moved into the frame where it would reach beyond it."""
    ink = _lettering(text[:200], size)[:, : frame.shape[1]]
    left = min(max(left, 0), frame.shape[1] - ink.shape[1])
    top = min(max(top, 0), max(frame.shape[0] - size, 0))
    part = frame[top : top + size, left : left + ink.shape[1]]
    np.maximum(part // 3, ink[: part.shape[0], :, None], out=part)


def save_png(path: str | os.PathLike[str], image: NDArray[np.uint8]) -> None:
    """Writes uint8 ``[H, W, 3]`` RGB as a PNG. Raises InputError where the file cannot be written."""
    _, content = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    try:
        # not cv2.imwrite: it cannot write to every path, and does not say why
        with open(path, "wb") as stream:
            stream.write(content.tobytes())
    except OSError as error:
        raise InputError(f"{os.fspath(path)}: cannot be written: {error.strerror}") from error


def _zoom(quads: Sequence[Quad], longest: int) -> float:
    if not quads or longest >= _LARGEST:
        return 1.0
    median = float(np.median([_sides(np.array(quad))[1] for quad in quads]))
    return float(np.clip(_LEGIBLE / max(median, 1.0), 1.0, _LARGEST / longest))


def _sides(corners: NDArray[Any]) -> tuple[float, float]:
    """(width, height) of a quad: the longer of each two opposite sides."""
    a, b, c, d = corners
    return (float(max(np.linalg.norm(b - a), np.linalg.norm(c - d))),
            float(max(np.linalg.norm(d - a), np.linalg.norm(c - b))))


def _colour(confidence: float) -> tuple[int, int, int]:
    """RGB from red (0.5 and less) over amber to green (1)."""
    good = float(np.clip((confidence - 0.5) * 2, 0, 1))
    return (round(220 * min(1.0, 2 - 2 * good)), round(170 * min(1.0, 2 * good)), 40)


def _outline(image: NDArray[np.uint8], corners: NDArray[np.float32], colour: tuple[int, int, int], thick: int) -> None:
    # 4 fractional bits; clipped, since far corners of a wild quad would overflow them
    points = np.rint(np.clip(corners, -30_000, 30_000) * 16).astype(np.int32)
    cv2.polylines(image, [points.reshape(-1, 1, 2)], True, colour, thick, cv2.LINE_AA, 4)


def _write(page: NDArray[np.uint8], text: str, corners: NDArray[np.float32]) -> None:
    """Writes black text into a quad of ``page``, from its left side on, narrowed where it would not fit."""
    width, height = _sides(corners)
    left, top = np.floor(corners.min(axis=0)).astype(int) - 1
    right, bottom = np.ceil(corners.max(axis=0)).astype(int) + 2
    left, top = max(left, 0), max(top, 0)
    right, bottom = min(right, page.shape[1]), min(bottom, page.shape[0])
    if not text or left >= right or top >= bottom or height < 1 or width < 1:
        return
    text = text[:500]
    size = int(np.clip(round(height), 12, 160 if len(text) < 100 else 32))
    ink = _lettering(text, size)
    # OpenCV warps nothing beyond 32767 pixels
    room = max(ink.shape[1], min(round(size * width / height), 30_000))
    ink = np.pad(ink, ((0, 0), (0, room - ink.shape[1])))
    source = np.array([[0, 0], [room, 0], [room, size], [0, size]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, corners - np.array([left, top], np.float32))
    warped = cv2.warpPerspective(ink, matrix, (int(right - left), int(bottom - top)), flags=cv2.INTER_LINEAR)
    part = page[top:bottom, left:right]
    np.minimum(part, 255 - warped[:, :, None], out=part)


def _lettering(text: str, size: int) -> NDArray[np.uint8]:
    """uint8 ``[size, w]``, ink 255 on 0: the text in one row, letters a little lower than ``size``."""
    thickness = max(1, round(size / 20))
    cells = [_glyph(character, size, thickness) for character in text]
    return np.concatenate([np.zeros((size, 1), np.uint8), *cells], axis=1)


@functools.lru_cache(maxsize=4096)
def _glyph(character: str, size: int, thickness: int) -> NDArray[np.uint8]:
    """One character in a cell ``[size, w]``."""
    strokes = _strokes(character)
    if strokes:
        cell = np.zeros((size, round(size * 0.88)), np.uint8)
        for stroke in strokes:
            points = np.array(stroke) * (cell.shape[1] * 0.86, size * 0.76) + (cell.shape[1] * 0.06, size * 0.12)
            fixed = np.rint(points * 16).astype(np.int32).reshape(-1, 1, 2)
            cv2.polylines(cell, [fixed], False, 255, thickness, cv2.LINE_AA, 4)
        return cell
    if character.isspace():
        return np.zeros((size, round(size * 0.35)), np.uint8)
    plain = unicodedata.normalize("NFKD", character)[0]  # é as e: a drawing is no proof-reading
    if not 32 < ord(plain) < 127:
        cell = np.zeros((size, round(size * 0.6)), np.uint8)
        cv2.rectangle(cell, (thickness, size // 5), (cell.shape[1] - 2 * thickness, size * 4 // 5), 255, thickness)
        return cell
    scale = size / 34
    (width, _), _ = cv2.getTextSize(plain, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    cell = np.zeros((size, max(width, 1) + thickness), np.uint8)
    cv2.putText(cell, plain, (0, round(size * 0.8)), cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thickness, cv2.LINE_AA)
    return cell


@functools.lru_cache(maxsize=4096)
def _strokes(character: str) -> tuple[_Stroke, ...]:
    """The strokes of a Hangul syllable or letter in a cell of 0..1; none for anything else."""
    if character in _LETTERS or character in _PAIRS:
        return _letter(character, (0.1, 0.1, 0.9, 0.9))
    index = ord(character) - 0xAC00
    if not 0 <= index < 11172:
        return ()
    initial, medial, final = _INITIALS[index // 588], _MEDIALS[index // 28 % 21], _FINALS[index % 28]
    floor = 1.0 if final == " " else 0.6
    parts = _PAIRS.get(medial, medial)
    if len(parts) == 2:  # one vowel below, one to the right
        strokes = _letter(initial, (0.05, 0, 0.52, floor * 0.48))
        strokes += _letter(parts[0], (0, floor * 0.58, 0.62, floor * 0.98)) + _letter(parts[1], (0.68, 0, 1, floor))
    elif medial in _FLAT_VOWELS:
        strokes = _letter(initial, (0.15, 0, 0.85, floor * 0.52)) + _letter(medial, (0, floor * 0.6, 1, floor))
    else:
        strokes = _letter(initial, (0, floor * 0.08, 0.52, floor * 0.9)) + _letter(medial, (0.62, 0, 1, floor))
    if final != " ":
        strokes += _letter(final, (0.15, 0.72, 0.9, 1))
    return strokes


def _letter(letter: str, box: _Box) -> tuple[_Stroke, ...]:
    """The strokes of one letter, drawn into ``box``; of a double one, its two letters side by side."""
    left, top, right, bottom = box
    if letter in _PAIRS:
        pair = _PAIRS[letter]
        middle, gap = (left + right) / 2, (right - left) * 0.08
        one, other = (left, top, middle - gap, bottom), (middle + gap, top, right, bottom)
        return _letter(pair[0], one) + _letter(pair[1], other)
    strokes: list[_Stroke] = []
    for stroke in _LETTERS[letter].split(","):
        if stroke == "O":
            # ㅎ has its circle under two bars
            low = top if letter == "ㅇ" else top + (bottom - top) * 0.42
            turns = np.linspace(0, 2 * np.pi, 17)
            xs = (left + right) / 2 + (right - left) * 0.45 * np.sin(turns)
            ys = (low + bottom) / 2 - (bottom - low) / 2 * np.cos(turns)
            strokes.append(tuple(zip(xs.tolist(), ys.tolist(), strict=True)))
        else:
            strokes.append(tuple(
                (left + (right - left) * int(point[0]) / 9, top + (bottom - top) * int(point[1]) / 9)
                for point in stroke.split()
            ))
    return tuple(strokes)
