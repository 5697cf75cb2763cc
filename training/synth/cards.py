"""Identity papers to train on and to measure with: resident card, driver's licence, foreigner's card, passport page.

Specimen-like only: the people are invented, the layouts are our own and vary from card to card, and nothing that would
make a real card look real is imitated (no emblem, no seal, a placeholder where the portrait would be). What is kept is
what makes such cards hard to read: fine wave patterns, hologram sheen over the print, pale or grey ink, names with
hanja in brackets (drawn as dense strokes), labels in two languages, and what a hand and a lens add.

``flat`` draws a card as a ``Sheet``, as the layouts that the detector learns from do; ``CardSynth.sample`` photographs
one, with the value of every field and the quad and text of every word; ``lines`` cuts such a photograph into samples
for a recognizer. Seeded, so a test set is a seed and a count:

    python -m training.synth.cards --ingredients DIR --out FOLDER --count 300 --reserved
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr.crop import crop_quads
from edge_ocr.preprocess import crop_to_line
from training.synth import degrade, people
from training.synth.fonts import Faces
from training.synth.layouts import Backgrounds, ground
from training.synth.legible import legible
from training.synth.line import Sample
from training.synth.people import Person
from training.synth.sheet import Colour, Pen, Sheet, Typeface

__all__ = ["KINDS", "CardSynth", "Photo", "flat", "lines", "main"]

Rng = np.random.Generator
Picture = NDArray[np.uint8]
KINDS = ("resident", "driver", "alien", "passport")
_WIDTH, _HEIGHT = 1012, 638  # ID-1 at 300 dots to the inch
_FRAMES = ((1280, 960), (1280, 720), (1440, 1080), (960, 1280), (1080, 1440))
_PAGE = (1240, 873)  # a passport's page, 125 by 88 mm
# Handwriting and display type, which no card is printed in.
_NO_CARD = ("poor-story", "brush", "pen", "dokdo", "himnae", "cute", "gaegu", "melody", "single-day", "flower", "jua",
            "hanna", "jiro", "kirang", "yeonsung", "yeon-sung", "galmuri", "neodgm", "bagel", "gasoek", "grandiflora",
            "black-and", "eunjin", "bandal", "bangwool", "unjamo", "vada", "taza", "dongle", "stylish", "sunflower",
            "monoton", "barcode", "passion", "sigmar", "bebas", "pilgi", "yetgul", "dinaru", "gugi", "ocr")  # fmt: skip


@dataclass(frozen=True, eq=False)
class Photo:
    """A photographed card: ``image`` uint8 ``[H, W, 3]`` RGB, the card's corners ``quad`` f64 ``[4, 2]`` (reading
    order), the values of its ``fields``, and its ``words``: quads f32 ``[N, 4, 2]`` and their texts ("" for what only
    looks like writing)."""

    image: Picture
    kind: str
    fields: dict[str, str]
    quad: NDArray[np.float64]
    words: NDArray[np.float32]
    texts: tuple[str, ...]


@dataclass
class _Card:
    """A card while it is drawn. Lengths are parts of its height."""

    rng: Rng
    sheet: Sheet
    main: Typeface
    latin: Typeface
    ink: Colour
    faint: Colour
    texts: list[str] = field(default_factory=list)

    def pen(self, size: float, *, latin: bool = False, bolder: int = 0, spacing: float = 0.0) -> Pen:
        high = size * self.sheet.height
        return Pen(self.latin if latin else self.main, high, bolder=bolder, spacing=spacing * high)

    def write(
        self, x: float, y: float, text: str, pen: Pen, colour: Colour | None = None, *, most: float = 0.98,
        gap: float | None = None, strength: float = 1.0,
    ) -> float:  # fmt: skip
        """Writes a line whose letters' middle is at ``y``, shrunk where it would reach beyond ``most``; returns where
        it ends, in heights. Its words' texts are kept beside their boxes."""
        h = self.sheet.height
        room = most * self.sheet.width - x * h
        while pen.width(text, gap) > room and pen.size > 8:
            pen = Pen(pen.face, pen.size * 0.95, bolder=pen.bolder, spacing=pen.spacing * 0.9)
        base = y * h + pen.height / 2 - pen.bottom
        before = len(self.sheet.quads)
        end = self.sheet.write(x * h, base, text, pen, colour or self.ink, gap=gap, strength=strength)
        words = [w for w in text.split(" ") if w]
        assert len(self.sheet.quads) - before == len(words), f"{text!r} did not fit"
        self.texts += words
        return end / h

    def hanja(self, x: float, y: float, pen: Pen, count: int, space: bool) -> None:
        """(▨▨▨): brackets around strokes as dense as those of Chinese characters."""
        h, size, rng = self.sheet.height, pen.size, self.rng
        x0 = x * h + (size * 0.35 if space else 2.0)
        left, end = x0, x0
        base = y * h + pen.height / 2 - pen.bottom
        mark = pen.mark("(")
        self.sheet._blend(mark.mask, round(x0) + mark.dx, round(base) + mark.dy, self.ink)
        end += mark.advance
        for _ in range(count):
            mask = np.zeros((round(size), round(size)), np.uint8)
            s, thick = mask.shape[0] - 1, max(1, round(size / 14))
            for _ in range(int(rng.integers(6, 13))):
                a, b = rng.integers(0, s + 1, 2), int(rng.integers(0, s + 1))
                u = rng.random()
                if u < 0.5:
                    start, stop = (int(a.min()), b), (int(max(a.max(), a.min() + s // 3)), b)
                elif u < 0.8:
                    start, stop = (b, int(a.min())), (b, int(max(a.max(), a.min() + s // 3)))
                else:
                    start, stop = (int(a[0]), b), (int(np.clip(a[0] + rng.integers(-s // 2, s // 2), 0, s)), s)
                cv2.line(mask, start, stop, 255, thick, cv2.LINE_AA)
            self.sheet._blend(mask, round(end), round(y * h - size / 2), self.ink)
            end += size * 1.02
        mark = pen.mark(")")
        self.sheet._blend(mark.mask, round(end) + mark.dx, round(base) + mark.dy, self.ink)
        end += mark.advance
        self.sheet.box(left, y * h - size / 2, end, y * h + size / 2, ignored=True)
        self.texts.append("")


# -- grounds and marks ---------------------------------------------------------------------------------------------


def _ground(rng: Rng, width: int, height: int) -> Picture:
    """Pale graded colours under families of fine waves."""
    corners = rng.integers(205, 253, (2, 2, 3)) + rng.integers(-14, 10, (1, 1, 3))
    image = cv2.resize(np.clip(corners, 150, 255).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    y, x = np.mgrid[0:height:2, 0:width:2].astype(np.float32)  # half the resolution does for waves
    for _ in range(int(rng.integers(1, 4))):
        a, f = float(rng.uniform(0, np.pi)), float(rng.uniform(0.12, 0.6))
        u, w, start, high = (float(k) for k in rng.uniform([0.004, 0.0, 0.0, 4.0], [0.02, 0.012, 6.0, 40.0]))
        bend = high * np.sin(x * u + y * w + start)
        if rng.random() < 0.4:
            cx, cy = float(rng.uniform(0, width)), float(rng.uniform(0, height))
            along = np.hypot(x - cx, (y - cy) * float(rng.uniform(0.6, 1.4))) + 0.5 * bend
        else:
            along = float(np.cos(a)) * x + float(np.sin(a)) * y + bend
        lines = np.clip(np.sin(along * f) * float(rng.uniform(1.0, 2.5)) - 0.3, 0, 1)
        if rng.random() < 0.6:
            u, w = (float(k) for k in rng.uniform(0.002, 0.01, 2))
            lines *= 0.5 + 0.5 * np.sin(x * u + y * w)
        lines = cv2.resize(lines, (width, height), interpolation=cv2.INTER_LINEAR)
        image -= lines[..., None] * (rng.uniform(4, 34) * rng.uniform(0.3, 1.0, 3)).astype(np.float32)
    return np.clip(image, 0, 255).astype(np.uint8)


def _portrait(rng: Rng, image: Picture, box: tuple[float, float, float, float], *, pale: bool = False) -> None:
    """A placeholder: a head and shoulders in two flat shades."""
    x0, y0, x1, y1 = (round(v * image.shape[0]) for v in box)
    part = image[y0:y1, x0:x1].copy()
    back = tuple(int(c) for c in rng.integers(150, 240, 3))
    skin = tuple(int(c) for c in np.array([215, 180, 150]) + rng.integers(-50, 30))
    coat = tuple(int(c) for c in rng.integers(20, 130, 3))
    h, w = part.shape[:2]
    drawn = np.full_like(part, back)
    cv2.ellipse(drawn, (w // 2, h), (int(w * 0.45), int(h * 0.38)), 0, 180, 360, coat, -1, cv2.LINE_AA)
    cv2.ellipse(drawn, (w // 2, int(h * 0.36)), (int(w * 0.3), int(h * 0.28)), 0, 0, 360, (40, 30, 30), -1, cv2.LINE_AA)
    cv2.ellipse(drawn, (w // 2, int(h * 0.42)), (int(w * 0.23), int(h * 0.25)), 0, 0, 360, skin, -1, cv2.LINE_AA)
    image[y0:y1, x0:x1] = cv2.addWeighted(part, 0.75, drawn, 0.25, 0) if pale else drawn


def _sheen(rng: Rng, image: Picture) -> None:
    """Marks that shimmer over card and print: rings, stars of lines, a rainbow's edge."""
    h, w = image.shape[:2]
    for _ in range(int(rng.integers(0, 4))):
        layer = np.zeros((h, w, 3), np.float32)
        cx, cy, r = int(rng.integers(w)), int(rng.integers(h)), int(rng.uniform(0.06, 0.28) * h)
        tint = tuple(float(v) for v in rng.uniform(-1, 1, 3))
        if rng.random() < 0.5:
            for k in range(3, r, max(4, r // 9)):
                cv2.circle(layer, (cx, cy), k, tint, 2, cv2.LINE_AA)
        else:
            cv2.circle(layer, (cx, cy), r, tint, -1, cv2.LINE_AA)
            layer = cv2.GaussianBlur(layer, (0, 0), r / 5)
        np.copyto(image, np.clip(image + layer * float(rng.uniform(8, 42)), 0, 255).astype(np.uint8))


def _stamp(rng: Rng, image: Picture, x: float, y: float, size: float) -> None:
    """Where an office sets its seal: a red frame with strokes that say nothing, so that no seal is imitated."""
    h = image.shape[0]
    x0, y0, s = round(x * h), round(y * h), round(size * h)
    red = (int(rng.integers(170, 220)), int(rng.integers(50, 110)), int(rng.integers(50, 110)))
    x0, y0 = min(x0, image.shape[1] - s - 2), min(y0, h - s - 2)
    cv2.rectangle(image, (x0, y0), (x0 + s, y0 + s), red, max(2, s // 16))
    for k in range(1, 4):
        cv2.line(image, (x0 + s // 6, y0 + k * s // 4), (x0 + s * 5 // 6, y0 + k * s // 4), red, max(1, s // 20))


# -- layouts -------------------------------------------------------------------------------------------------------


def _resident(card: _Card, person: Person) -> None:
    rng, printed = card.rng, person.printed
    right = rng.random() < 0.7  # where the portrait is
    x = rng.uniform(0.07, 0.16) if right else rng.uniform(0.52, 0.6)
    size = rng.uniform(0.048, 0.058)
    box = (1.08, 0.12, 1.5, 0.68) if right else (0.07, 0.16, 0.46, 0.72)
    _portrait(rng, card.sheet.image, box)
    most = 0.66 if right else 0.97
    y = rng.uniform(0.11, 0.15)
    title = card.pen(size * 1.55, bolder=1, spacing=rng.uniform(0, 0.35))
    card.write(x + rng.uniform(0, 0.2), y, "주민등록증", title, most=most)
    y += rng.uniform(0.15, 0.19)
    name = person.fields["name"]
    pen = card.pen(size * rng.uniform(1.1, 1.3), bolder=int(rng.random() < 0.3), spacing=rng.choice([0, 0.1, 0.25]))
    end = card.write(x, y, name, pen, most=most)
    if rng.random() < 0.6:
        card.hanja(end, y, card.pen(size), len(name), bool(rng.random() < 0.4))
    y += rng.uniform(0.11, 0.13)
    pen = card.pen(size * rng.uniform(1.0, 1.2), spacing=rng.choice([0, 0.06]))
    card.write(x, y, person.fields["rrn"], pen, most=most)
    y += rng.uniform(0.1, 0.12)
    pen = card.pen(size * rng.uniform(0.78, 0.95))
    for line in printed["address"].split("\n"):
        card.write(x, y, line, pen, most=most)
        y += pen.height / card.sheet.height * rng.uniform(1.45, 1.6)
    y = max(y + 0.03, rng.uniform(0.74, 0.77))
    middle = rng.uniform(0.32, 0.5) if right else x + 0.15
    card.write(middle, y, printed["issue_date"], card.pen(size * 0.9), most=0.97)
    pen = card.pen(size * rng.uniform(1.0, 1.2), bolder=int(rng.random() < 0.5), spacing=rng.choice([0, 0.1]))
    end = card.write(middle - 0.08, min(y + rng.uniform(0.085, 0.1), 0.93), person.fields["issuer"], pen, most=0.9)
    if rng.random() < 0.7:
        _stamp(rng, card.sheet.image, end + 0.02, 0.82, 0.13)


def _driver(card: _Card, person: Person) -> None:
    rng, printed, fields = card.rng, person.printed, person.fields
    size = rng.uniform(0.044, 0.052)
    _portrait(rng, card.sheet.image, (0.06, 0.22, 0.46, 0.74))
    _portrait(rng, card.sheet.image, (1.3, 0.58, 1.48, 0.8), pale=True)
    title = str(rng.choice(["자동차운전면허증", "운전면허증"]))
    end = card.write(rng.uniform(0.3, 0.5), 0.09, title, card.pen(size * 1.4, bolder=1), most=0.75)
    if rng.random() < 0.7:
        card.write(end + 0.02, 0.095, "(Driver's License)", card.pen(size * 0.8, latin=True), most=0.98)
    x, y = rng.uniform(0.52, 0.58), 0.2
    if rng.random() < 0.5:
        card.write(0.08, y - 0.03, printed["licence_types"], card.pen(size), most=0.33)
    else:
        card.write(x, y, printed["licence_types"], card.pen(size, bolder=1), most=0.97)
    y += rng.uniform(0.07, 0.09)
    number = fields["licence_number"]
    if "가" <= number[0] <= "힣" and rng.random() < 0.7:
        number = number[:2] + " " + number[3:]
    card.write(x, y, number, card.pen(size * rng.uniform(1.1, 1.3), bolder=1), most=0.97)
    labels = rng.random() < 0.3
    y += rng.uniform(0.09, 0.1)
    pen = card.pen(size * rng.uniform(1.0, 1.2), spacing=rng.choice([0, 0, 0.3]))
    start = card.write(x, y, "성명", card.pen(size * 0.8), card.faint) + 0.04 if labels else x
    card.write(start, y, fields["name"], pen, most=0.97)
    y += rng.uniform(0.085, 0.1)
    start = card.write(x, y, "주민등록번호", card.pen(size * 0.8), card.faint) + 0.04 if labels else x
    card.write(start, y, fields["rrn"], card.pen(size * 1.05), most=0.97)
    y += rng.uniform(0.075, 0.085)
    pen = card.pen(size * rng.uniform(0.82, 0.95))
    two = rng.random() < 0.5
    rows = printed["address"].count("\n") + 2 + two + ("condition" in fields)
    step = min(pen.height / card.sheet.height * rng.uniform(1.4, 1.5), (0.84 - y) / rows)
    start = card.write(x, y, "주소", card.pen(size * 0.8), card.faint) + 0.04 if labels else x
    for line in printed["address"].split("\n"):
        card.write(start, y, line, pen, most=0.9)
        y += step
    y += 0.01
    label = str(rng.choice(["적성검사 기간", "갱신기간", "적성검사/갱신기간"]))
    start, end = printed["renewal_period"].split(" ~ ")
    if not two:
        card.write(x, y, f"{label} : {start} ~ {end}", pen, most=0.82)
    else:
        card.write(x, y, f"{label} : {start}", pen, most=0.82)
        y += step
        card.write(x + 0.12, y, f"~ {end}", pen, most=0.82)
    y += step
    if "condition" in fields:
        letters = fields["condition"].replace(", ", str(rng.choice([", ", ",", " "])))
        card.write(x, y, f"조건 : {letters}", pen, most=0.82)
        y += step
    card.write(1.3, 0.845, fields["serial"], card.pen(size * 0.8, latin=bool(rng.random() < 0.5)), most=0.99)
    y = float(np.clip(y + 0.01, 0.84, 0.875))
    card.write(rng.uniform(0.55, 0.75), y, printed["issue_date"], card.pen(size), most=0.8)
    pen = card.pen(size * 1.1, bolder=int(rng.random() < 0.5))
    end = card.write(x - 0.05, 0.945, fields["issuer"], pen, most=0.78)
    if rng.random() < 0.6:
        _stamp(rng, card.sheet.image, end + 0.01, 0.87, 0.11)


def _alien(card: _Card, person: Person) -> None:
    rng, fields = card.rng, person.fields
    size = rng.uniform(0.044, 0.05)
    _portrait(rng, card.sheet.image, (0.06, 0.28, 0.46, 0.82))
    end = card.write(0.06, 0.08, "외국인등록증", card.pen(size * 1.4, bolder=1), most=0.6)
    card.write(end + 0.03, 0.085, "RESIDENCE CARD", card.pen(size, latin=True, bolder=1), most=0.98)
    both = rng.random() < 0.6
    x, y, step = rng.uniform(0.52, 0.56), 0.22, rng.uniform(0.098, 0.108)
    label, pen = card.pen(size * 0.72), card.pen(size * 1.05)
    wide = rng.uniform(0.35, 0.4)
    rows = [
        ("외국인등록번호", "" if both else "Registration No.", fields["alien_number"], False),
        ("성 명", "Name", fields["name"], True),
        ("국가/지역", "Country/Region", fields["nationality"], True),
        ("체류자격", "Status", fields["status"], False),
        ("발급일자", "Issue Date", person.printed["issue_date"], False),
    ]
    small = card.pen(size * 0.5, latin=True)
    for k, (korean, english, value, latin) in enumerate(rows):
        above = both and english
        card.write(x, y - (0.018 if above else 0), korean, label, card.faint, most=0.5)
        if above:
            card.write(x, y + 0.022, english, small, card.faint, most=0.6)
        how = card.pen(size, latin=True) if latin else pen
        end = card.write(x + wide, y, value, how, most=0.86 if k == 0 else 0.98)
        if k == 0:
            end = card.write(max(end + 0.03, 1.36), y, "성별", label, card.faint, most=0.93)
            card.write(end + 0.02, y, fields["sex"], pen, most=0.99)
        y += step
    y = max(y + 0.02, 0.82)
    card.write(x, y, fields["issuer"], card.pen(size * 1.15, bolder=1), most=0.97)
    if rng.random() < 0.7:
        card.write(x, y + 0.075, "CHIEF, IMMIGRATION OFFICE", card.pen(size * 0.7, latin=True), most=0.97)


def _passport(card: _Card, person: Person, machine: Typeface) -> None:
    rng, fields, printed = card.rng, person.fields, person.printed
    size = rng.uniform(0.032, 0.037)
    _portrait(rng, card.sheet.image, (0.05, 0.2, 0.42, 0.68))
    card.write(0.06, 0.06, "여권", card.pen(size * 1.3, bolder=1), most=0.2)
    card.write(0.06, 0.115, "PASSPORT", card.pen(size * 0.9, latin=True, bolder=1), most=0.3)
    card.write(0.46, 0.06, "대한민국", card.pen(size * 1.1, bolder=1), most=0.6)
    card.write(0.72, 0.06, "REPUBLIC OF KOREA", card.pen(size, latin=True, bolder=1), most=0.97)
    label, pen = card.pen(size * 0.62), card.pen(size, latin=True, bolder=int(rng.random() < 0.3))

    def entry(x: float, y: float, name: str, value: str, how: Pen = pen, most: float = 0.98) -> None:
        card.write(x, y, name, label, card.faint, most=most)
        card.write(x, y + 0.043, value, how, most=most)

    x, y, step = 0.46, 0.14, rng.uniform(0.098, 0.104)
    entry(x, y, "종류/Type", "PM", most=0.45)
    entry(x + 0.24, y, "발행국/Country code", "KOR", most=0.68)
    entry(x + 0.58, y, "여권번호/Passport No.", fields["passport_number"])
    entry(x, y + step, "성/Surname", fields["surname"])
    entry(x, y + 2 * step, "이름/Given names", fields["given_names"], most=0.7)
    entry(x + 0.58, y + 2 * step, "한글성명", fields["name_ko"], card.pen(size))
    entry(x, y + 3 * step, "국적/Nationality", fields["nationality"], most=0.7)
    entry(x + 0.58, y + 3 * step, "성별/Sex", fields["sex"])
    entry(x, y + 4 * step, "생년월일/Date of birth", printed["birth"], card.pen(size), most=0.7)
    entry(x + 0.46, y + 4 * step, "발행관청/Authority", fields["issuer"])
    entry(x, y + 5 * step, "발급일/Date of issue", printed["issue_date"], card.pen(size), most=0.7)
    entry(x + 0.46, y + 5 * step, "기간만료일/Date of expiry", printed["expiry"], card.pen(size))
    h, w = card.sheet.height, card.sheet.width
    high = 0.03 * h
    for k in (1, 2):
        text = fields[f"line{k}"]
        mrz = Pen(machine, high)
        for _ in range(4):
            mrz = Pen(machine, mrz.size * 0.94 * w / max(mrz.width(text), 1.0))
        mrz = Pen(machine, min(mrz.size, 0.04 * h))
        card.write(0.03 * w / h, 0.84 + 0.075 * (k - 1), text, mrz, (25, 25, 30), most=0.995)


_LAYOUTS = {"resident": _resident, "driver": _driver, "alien": _alien}


class CardSynth:
    """Draws cards and photographs them. ``difficulty`` in 0..1 scales what hand, light and lens do."""

    def __init__(self, faces: Faces, machine: Typeface, backgrounds: Backgrounds, *, difficulty: float = 0.5) -> None:
        self.backgrounds, self.machine, self.difficulty = backgrounds, machine, difficulty
        self.hangul = [f for f in faces.hangul if not any(x in f.name.lower() for x in _NO_CARD)]
        self.latin = [f for f in faces.latin if not any(x in f.name.lower() for x in _NO_CARD)] or self.hangul
        if not self.hangul:
            raise FileNotFoundError("no Hangul face that a card could be printed in")

    @classmethod
    def load(cls, folder: str | Path, *, reserved: bool = False, difficulty: float = 0.5) -> CardSynth:
        """Everything from an ingredients folder; ``reserved`` takes the faces that training never sees (OCR-B, which
        is what machine-readable zones are printed in, has no other)."""
        machine = next((f for f in Faces.load(folder).latin if f.name in ("OCRB.otf", "OCRB.ttf")), None)
        faces = Faces.load(folder, reserved=reserved)
        return cls(faces, machine or faces.latin[0], Backgrounds(folder), difficulty=difficulty)

    def flat(self, rng: Rng, kind: str | None = None) -> tuple[Sheet, Person, tuple[str, ...]]:
        """A card seen from straight above, whom it is of, and the texts of the sheet's words."""
        kind = kind or str(rng.choice(KINDS))
        person: Person = getattr(people, kind)(rng)
        width, height = _PAGE if kind == "passport" else (_WIDTH, _HEIGHT)
        sheet = Sheet(_ground(rng, width, height))
        level = int(rng.integers(10, 75) if rng.random() < 0.8 else rng.integers(75, 110))
        ink = (level, level, min(level + int(rng.integers(0, 15)), 255))
        faint = tuple(min(c + int(rng.integers(0, 55)), 140) for c in ink)
        wanted = "".join(person.fields.values()) + "".join(person.printed.values()) + "주민등록증외국인발급일자체류자격"
        able = [f for f in self.hangul if f.can_write(wanted.replace("\n", ""))] or self.hangul
        main = able[int(rng.integers(len(able)))]
        latin = self.latin[int(rng.integers(len(self.latin)))] if rng.random() < 0.5 else main
        if not latin.can_write("ABCXYZabcxyz0189()'/., -"):
            latin = main
        card = _Card(rng, sheet, main, latin, ink, (faint[0], faint[1], faint[2]))
        if kind == "passport":
            _passport(card, person, self.machine)
        else:
            _LAYOUTS[kind](card, person)
        _sheen(rng, sheet.image)
        return sheet, person, tuple(card.texts)

    def sample(self, rng: Rng, kind: str | None = None) -> Photo:
        """A photograph of a card, every word of which can be made out: what glare or blur took away is taken again, as
        an app would ask for; of the last of eight that is not looked into any more."""
        sheet, person, texts = self.flat(rng, kind)
        for _ in range(8):
            image, m = self._shoot(rng, sheet)
            if _legible(sheet, texts, image, m):
                break
        corners = np.array([[0, 0], [sheet.width, 0], [sheet.width, sheet.height], [0, sheet.height]], np.float64)
        words = cv2.perspectiveTransform(sheet.quads.reshape(1, -1, 2).astype(np.float64), m).reshape(-1, 4, 2)
        quad = cv2.perspectiveTransform(corners[None], m)[0]
        return Photo(image, person.kind, person.fields, quad, words.astype(np.float32), texts)

    def _shoot(self, rng: Rng, sheet: Sheet) -> tuple[Picture, NDArray[np.float64]]:
        """What a phone takes, and the matrix from the sheet's pixels to the picture's."""
        hard = self.difficulty
        w, h = _FRAMES[int(rng.integers(len(_FRAMES)))]
        whole = rng.random() < 0.2  # cut out by an app, or scanned
        if whole:
            w = int(rng.integers(700, 1400))
            h = round(w * sheet.height / sheet.width)
        share = 1.0 if whole else float(rng.uniform(0.92 - 0.5 * hard, 0.95))
        scale = min(share * w / sheet.width, 0.95 * h / sheet.height) if not whole else w / sheet.width
        scale = max(scale, 640 / sheet.width)
        angle = 0.0 if whole else float(np.clip(rng.normal(0, 6 * hard), -25, 25))
        u = 1.0 if whole else rng.random()
        if u < 0.12 * hard:
            angle += float(rng.choice([90, 180, -90]))
        size = np.array([sheet.width, sheet.height]) * scale
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * size / 2
        if not whole:
            corners = corners * (1 + rng.normal(0, 0.05 * hard, (4, 1)))  # what a tilt does to each corner
        a = np.deg2rad(angle)
        corners = corners @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])
        reach = np.ptp(corners, axis=0)
        if (reach > np.array([w, h]) * 0.99).any() and not whole:
            corners *= float((np.array([w, h]) * 0.99 / reach).min())
            reach = np.ptp(corners, axis=0)
        room = np.maximum(np.array([w, h]) - reach, 0) / 2
        middle = np.array([w, h]) / 2 + rng.uniform(-0.8, 0.8, 2) * room
        target = corners - (corners.min(0) + corners.max(0)) / 2 + middle
        flat = np.array([[0, 0], [sheet.width, 0], [sheet.width, sheet.height], [0, sheet.height]], np.float32)
        m = cv2.getPerspectiveTransform(flat, target.astype(np.float32))
        source = sheet.image
        shrink = np.sqrt(abs(np.linalg.det(m[:2, :2])))
        if shrink < 0.7:
            source = cv2.GaussianBlur(source, (0, 0), 0.35 / shrink)
        card = cv2.warpPerspective(source, m, (w, h), flags=cv2.INTER_LINEAR)
        mask = np.zeros(sheet.image.shape[:2], np.uint8)
        r = 0 if whole else round(0.05 * sheet.height)
        _rounded(mask, r)
        mask = cv2.warpPerspective(mask, m, (w, h), flags=cv2.INTER_LINEAR)
        around = self.backgrounds.photo(rng, h, w) if rng.random() < 0.7 else ground(rng, h, w)
        if rng.random() < 0.6 and not whole:  # the card's shadow
            shade = cv2.GaussianBlur(mask, (0, 0), 9).astype(np.float32) / 255
            around = (around * (1 - 0.45 * np.roll(shade, (7, 5), (0, 1)))[..., None]).astype(np.uint8)
        alpha = (mask.astype(np.float32) / 255)[..., None]
        image = (card * alpha + around * (1 - alpha)).astype(np.uint8)
        letters = 0.045 * float(np.hypot(*(target[3] - target[0])))
        return _lens(rng, image, hard, letters, quad=target), m


def _legible(sheet: Sheet, texts: tuple[str, ...], image: Picture, m: NDArray[np.float64]) -> bool:
    """Whether each word of the sheet looks in the photograph, letter by letter, as it was printed."""
    chosen = [k for k, text in enumerate(texts) if text and not sheet.ignored[k]]
    flat = sheet.quads[chosen].astype(np.float64)
    there = cv2.perspectiveTransform(flat.reshape(1, -1, 2), m).reshape(-1, 4, 2)
    printed = crop_quads(sheet.image, flat, height=32, margin=0.0)
    seen = crop_quads(image, there, height=32, margin=0.0)
    for k, a, b in zip(chosen, printed, seen, strict=True):
        grey = cv2.cvtColor(a.image, cv2.COLOR_RGB2GRAY).astype(np.float32)
        high = float(np.percentile(grey, 90))
        ink = np.clip((high - grey) * (255 / max(high - float(grey.min()), 1.0)), 0, 255).astype(np.uint8)
        size = (max(8, 32 * ink.shape[1] // ink.shape[0]), 32)
        ink = cv2.resize(ink, size, interpolation=cv2.INTER_AREA)
        own = cv2.resize(cv2.cvtColor(b.image, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
        if not legible(own, ink, len(texts[k]), least=0.25, mean=0.5):
            return False
    return True


def _rounded(mask: Picture, r: int) -> None:
    h, w = mask.shape
    cv2.rectangle(mask, (r, 0), (w - 1 - r, h - 1), 255, -1)
    cv2.rectangle(mask, (0, r), (w - 1, h - 1 - r), 255, -1)
    for cx in (r, w - 1 - r):
        for cy in (r, h - 1 - r):
            cv2.circle(mask, (cx, cy), r, 255, -1)


def _lens(rng: Rng, image: Picture, hard: float, letters: float, quad: NDArray[np.float64]) -> Picture:
    """Light, glare, blur, noise and compression; ``letters`` is how high small print is, in pixels."""
    h, w = image.shape[:2]
    if rng.random() < 0.7:
        image = degrade.illuminate(rng, image, 0.9 * hard)
    if rng.random() < 0.35 * hard:  # a lamp on the laminate
        small = np.zeros((h // 8, w // 8), np.float32)
        at = quad.mean(0) + rng.normal(0, 0.25, 2) * np.ptp(quad, axis=0)
        axes = (max(2, int(rng.uniform(0.01, 0.05) * w / 8)), max(2, int(rng.uniform(0.01, 0.03) * w / 8)))
        cv2.ellipse(small, (int(at[0] / 8), int(at[1] / 8)), axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
        small = cv2.GaussianBlur(small, (0, 0), float(rng.uniform(1.5, 5)))
        spot = cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR) * float(rng.uniform(40, 200))
        image = np.clip(image + spot[..., None], 0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        image = degrade.blur(image, abs(float(rng.normal(0, 0.07 * hard))) * letters)
    if rng.random() < 0.15 * hard:
        image = degrade.motion(rng, image, float(rng.uniform(0.05, 0.25)) * letters)
    if rng.random() < 0.6:
        image = degrade.noise(rng, image, abs(float(rng.normal(0, 10 * hard))))
    if rng.random() < 0.8:
        image = degrade.jpeg(image, int(np.clip(rng.normal(82, 12), 40, 97)))
    return np.ascontiguousarray(image)


def lines(rng: Rng, photo: Photo, *, max_width: int = 448) -> list[Sample]:
    """The words of a photographed card, and runs of up to three that stand beside one another, as samples for a
    recognizer: crops uint8 ``[32, w]`` with what a detector's boxes leave around words or cut off."""
    order = [k for k, text in enumerate(photo.texts) if text]
    out: list[Sample] = []
    at = 0
    while at < len(order):
        run = [order[at]]
        for k in order[at + 1 : at + int(rng.integers(1, 4))]:
            before, after = photo.words[run[-1]], photo.words[k]
            high = float(np.hypot(*(before[3] - before[0])))
            gap = after[[0, 3]].mean(0) - before[[1, 2]].mean(0)
            along = (before[1] - before[0]) / max(float(np.hypot(*(before[1] - before[0]))), 1e-6)
            forth, aside = float(gap @ along), abs(float(gap @ np.array([-along[1], along[0]])))
            if not (0 < forth < 1.2 * high and aside < 0.3 * high):
                break
            run.append(k)
        at += len(run)
        first, last = photo.words[run[0]], photo.words[run[-1]]
        quad = np.array([first[0], last[1], last[2], first[3]], np.float64)
        high = max(float(np.hypot(*(quad[3] - quad[0]))), 1.0)
        quad += rng.normal(0, 0.04, (4, 2)) * high
        crop = crop_quads(photo.image, quad[None], height=32, margin=float(rng.uniform(0.05, 0.25)))[0].image
        image = crop_to_line(crop, height=32)
        if 8 <= image.shape[1] <= max_width:
            out.append(Sample(image, " ".join(photo.texts[k] for k in run)))
    return out


def flat(rng: Rng, kit: Any) -> Sheet:
    """A card as ``training.synth.layouts.LAYOUTS`` takes them: drawn with the kit's faces and backgrounds."""
    synth = CardSynth(kit.faces, kit.faces.latin[0], kit.backgrounds)
    return synth.flat(rng)[0]


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--ingredients", default="ingredients", help="folder that training.ingredients gathered")
    p.add_argument("--out", required=True, help="folder for images/ and labels.jsonl")
    p.add_argument("--count", type=int, default=20, help="of all kinds together")
    p.add_argument("--kind", choices=KINDS, help="only this kind")
    p.add_argument("--difficulty", type=float, default=0.5, help="0..1 (default: %(default)s)")
    p.add_argument("--reserved", action="store_true", help="in faces that training never sees")
    p.add_argument("--seed", type=int, default=2026)
    a = p.parse_args()
    synth = CardSynth.load(a.ingredients, reserved=a.reserved, difficulty=a.difficulty)
    out = Path(a.out)
    (out / "images").mkdir(parents=True, exist_ok=True)
    with open(out / "labels.jsonl", "w", encoding="utf-8") as f:
        for k in range(a.count):
            photo = synth.sample(np.random.default_rng([a.seed, k]), a.kind or KINDS[k % len(KINDS)])
            name = f"images/{k:04d}.jpg"
            cv2.imwrite(str(out / name), photo.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
            row = {
                "image": name, "kind": photo.kind, "fields": photo.fields, "quad": photo.quad.round(1).tolist(),
                "polygons": photo.words.round(1).tolist(), "texts": list(photo.texts),
                "ignore": [not t for t in photo.texts],
            }
            f.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
