"""Korean number plates as a plate recognizer meets them.

Nine kinds are composed from the templates and glyphs of an ingredients folder (``plate_kr``: CVLab-license-plate,
Apache-2.0); what it lacks (parcel vans, Sejong, rental letters on two-line plates, short white, company cars,
diplomatic plates, motorcycles) is drawn after its sizes with Hangul faces. What nobody could read is drawn again:
each letter must still look like itself (``legible``).

**Two-line plates** become one row: the upper and the lower line are cut out, each scaled to the recognizer's height,
and stood beside each other (``edge_ocr.scanners.plate.as_row``). The alternatives were a network that reads two
dimensions, which would cost every one-line plate as much again, and one that turns them into one line, which is a
second network. Lines are what a text detector finds anyway, and where it only finds the plate, the kinds' drawings say
where the upper line ends, so that cutting at a fixed share of the height is a rule, not a model. Each line gets all of
the height, so the small upper letters are read at the best resolution there is.

The picture is drawn in grey at a third of the templates' size (lines of 44 pixels), once for the whole plate: bolts,
frame, dirt and light are the same for both of its lines.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr.preprocess import crop_to_line
from edge_ocr.scanners.plate import DISTRICTS, DISTRICTS_OF, OFFICIAL, REGIONS, as_row
from training.synth import degrade
from training.synth import plate_wear as wear
from training.synth.fonts import Face, Faces
from training.synth.legible import legible
from training.synth.line import Recipe, Sample, draw_text
from training.synth.plate_other import OtherText

__all__ = ["KINDS", "ROW_WIDTH", "SILENT", "PlateSynth"]

Rng = np.random.Generator
Mask = NDArray[np.uint8]
Box = tuple[float, float, float, float]  # x, y, width, height

PRIVATE = "가나다라마거너더러머버서어저고노도로모보소오조구누두루무부수우주"
COMMERCIAL = "바사아자배"
RENTAL = "하허호"
MILITARY = "육해공국합"
ALIKE = "마머어허하버저거두루주부"  # what is taken for one another most
MOTORCYCLE = "가나다라마바사아자차카타파하"
SCALE = 1.6 / 3  # canvas pixels a millimetre: a third of the templates' size
ROW_WIDTH = 160  # pixels: narrower rows are stretched to it, as model.json's ``min_width`` says
FINE = 0.5  # what must be left of the strokes of the least legible character (``legible``)
PAD = 26.0  # millimetres around the plate: its frame, and what it is mounted on


@dataclass(frozen=True)
class Kind:
    """``share`` of the samples; the ``art`` whose cells and glyphs it has (empty: drawn); ``ground`` and ``ink``
    are grey levels by day; ``size`` in millimetres where it is drawn."""

    share: float
    art: str
    ground: int
    ink: int
    size: tuple[float, float] = (520, 110)


KINDS = {
    "white7": Kind(0.13, "P1-1", 255, 8),
    "ev7": Kind(0.04, "P1-2", 222, 8),
    "white8": Kind(0.08, "P1-3", 255, 12),
    "film8": Kind(0.09, "P1-4", 255, 20),
    "ev8": Kind(0.03, "P1-4", 215, 20),
    "company8": Kind(0.03, "P1-4", 205, 20),
    "large7": Kind(0.08, "P2", 255, 8),
    "large8": Kind(0.12, "", 250, 10, (440, 200)),
    "short7": Kind(0.09, "", 250, 10, (335, 155)),
    "short8": Kind(0.06, "", 250, 10, (335, 155)),
    "commercial1": Kind(0.09, "P4", 183, 4),
    "commercial2": Kind(0.08, "P3", 183, 4),
    "green5": Kind(0.14, "P5", 74, 255),
    "green6": Kind(0.22, "P6", 74, 255),
    "diplomatic": Kind(0.05, "", 45, 240, (520, 110)),
    "motorcycle": Kind(0.18, "", 250, 50, (210, 115)),
    "lettered": Kind(0.06, "", 235, 20, (520, 110)),
    "nothing": Kind(0.04, "", 200, 20),
    "other": Kind(0.08, "", 200, 20),
}
SILENT = ("nothing", "other")  # kinds that say nothing
# Tall plates with one line: where it stands on them, as parts of their height.
_BAND = {"large7": (0.24, 0.90), "large8": (0.20, 0.86), "short7": (0.20, 0.86)}
_TWO_LINES = {"commercial2": 0.37, "green5": 0.34, "green6": 0.34, "short8": 0.42, "motorcycle": 0.42}


@dataclass(frozen=True, eq=False)
class _Glyph:
    """``mask`` uint8, tight to the ink, which lies ``left`` and ``top`` pixels inside its cell."""

    mask: Mask
    left: int
    top: int


def _tight(mask: Mask) -> _Glyph:
    rows, columns = np.flatnonzero(mask.max(1) > 60), np.flatnonzero(mask.max(0) > 60)
    if not len(rows):
        return _Glyph(mask, 0, 0)
    y0, y1, x0, x1 = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    return _Glyph(np.ascontiguousarray(mask[y0:y1, x0:x1]), x0, y0)


class _Art:
    """One type of the ingredients: ``template`` uint8 grey, ``cells`` in millimetres, ``glyphs``."""

    def __init__(self, folder: Path, layout: dict[str, Any]) -> None:
        self.size: tuple[float, float] = tuple(layout["plate_mm"])
        self.cells: list[Box] = [tuple(c) for c in layout["cells_mm_xywh"]]
        self.glyphs: dict[str, _Glyph] = {}
        self.template = np.zeros((1, 1), np.uint8)
        for name in layout["glyphs"]:
            picture = cv2.imread(str(folder / f"{name}.png"), cv2.IMREAD_UNCHANGED)
            if picture is None:
                raise FileNotFoundError(f"{folder / name}.png: layout.json names it, but it cannot be read")
            small = cv2.resize(picture, None, fx=1 / 3, fy=1 / 3, interpolation=cv2.INTER_AREA)
            if name == "template":
                self.template = cv2.cvtColor(small[..., :3], cv2.COLOR_BGR2GRAY)
                self.outside = small[..., 3] < 128
            else:
                self.glyphs[name] = _tight(small[..., 3])


@dataclass(frozen=True, eq=False)
class _Shot:
    """A photograph of a plate, uint8 ``[h, w]``; where its ink is ``seen``, likewise; and how the drawing, shrunk by
    ``shrink``, got there."""

    image: NDArray[np.uint8]
    seen: Mask
    matrix: NDArray[np.float64]
    shrink: float
    how: str

    def where(self, quad: NDArray[np.float32]) -> NDArray[np.float32]:
        """A quad ``[4, 2]`` of the drawing in the photograph."""
        return np.asarray(cv2.perspectiveTransform((quad * self.shrink)[None].astype(np.float32), self.matrix)[0])


class PlateSynth:
    """Draws samples of every kind in ``KINDS``. ``difficulty`` in 0..1 scales what the camera does; ``max_width`` and
    ``phrases`` are there because every synthesiser has them, and mean nothing here."""

    def __init__(
        self,
        art: dict[str, _Art],
        faces: list[Face],
        backgrounds: list[NDArray[np.uint8]],
        others: OtherText | None = None,
    ) -> None:
        self.art, self.faces, self.backgrounds, self.others = art, faces, backgrounds, others
        self.difficulty, self.max_width, self.phrases = 1.0, 320, 0.0
        self._names = list(KINDS)
        shares = np.array([KINDS[k].share for k in self._names])
        self._shares = np.cumsum(shares / shares.sum())
        self._drawn: dict[tuple[str, int, int, int], _Glyph] = {}

    @classmethod
    def load(cls, folder: str | Path, *, reserved: bool = False) -> PlateSynth:
        """Everything from an ingredients folder. ``reserved`` takes the faces that are kept out of training, and the
        road frames with an odd place among all."""
        root = Path(folder)
        layout = json.loads((root / "plate_kr" / "layout.json").read_text(encoding="utf-8"))["types"]
        art = {name: _Art(root / "plate_kr" / name, part) for name, part in layout.items()}
        loaded = Faces.load(root, reserved=reserved)
        backgrounds = []
        road = sorted(p for p in (root / "backgrounds_road").glob("*") if p.suffix in (".jpg", ".webp"))
        for path in road[int(reserved) :: 2]:
            grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            if grey is not None:
                backgrounds.append(cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
        return cls(art, _plain_faces(loaded), backgrounds, OtherText.load(root, loaded))

    # -- what stands on a plate ------------------------------------------------------------------------------------

    def text(self, rng: Rng, kind: str) -> tuple[str, ...]:
        """The lines of a plate of that kind: one or two, every class and region alike often, and letters, but for the
        look-alikes, which come more often."""

        def pick(letters: str) -> str:
            return letters[int(rng.integers(len(letters)))]

        serial = f"{int(rng.integers(0, 10000)):04d}"
        two, three = f"{int(rng.integers(1, 100)):02d}", f"{int(rng.integers(100, 1000))}"
        region = REGIONS[int(rng.integers(len(REGIONS)))]
        letters = PRIVATE
        u = rng.random()
        if u < 0.2:
            letters = RENTAL
        elif u > 0.85:
            letters = ALIKE
        elif u < 0.27 and kind in ("white7", "large7", "white8", "film8", "lettered"):
            letters = MILITARY
        if kind in ("white8", "film8", "ev8", "company8", "large8"):
            return (three + pick(letters) + serial,)
        if kind == "short8":
            return (three + pick(letters), serial)
        if kind == "commercial1":
            return (region + two + pick(COMMERCIAL if u < 0.85 else RENTAL + PRIVATE) + serial,)
        if kind == "commercial2":
            return (region + two, pick(COMMERCIAL if u < 0.8 else RENTAL + PRIVATE) + serial)
        if kind == "green5":
            return (region + (two if rng.random() < 0.75 else two.lstrip("0")[0]), pick(letters) + serial)
        if kind == "green6":
            return (two + pick(letters), serial)
        if kind == "diplomatic":
            return (f"{OFFICIAL[int(rng.integers(len(OFFICIAL)))]}{int(rng.integers(0, 1000)):03d}-{serial[:3]}",)
        if kind == "motorcycle":
            near = DISTRICTS_OF[region]
            district = near[int(rng.integers(len(near)))] if near and rng.random() < 0.85 else ""
            return (region + district, pick(MOTORCYCLE) + serial)
        if kind == "lettered" and u > 0.7:
            return (region + two + pick(COMMERCIAL + PRIVATE) + serial,)
        if kind == "lettered" and u > 0.5:
            return (three + pick(letters) + serial,)
        return (two + pick(letters) + serial,)

    # -- samples ---------------------------------------------------------------------------------------------------

    def sample(self, rng: Rng, kind: str | None = None) -> Sample:
        """A plate of ``kind``, or of any."""
        while True:
            name = kind or self._names[int(np.searchsorted(self._shares, rng.random(), side="right"))]
            if name in SILENT:
                return Sample(self._nothing(rng) if name == "nothing" else self._other(rng), "")
            lines = self.text(rng, name)
            canvas, boxes, ink = self.draw(rng, name, lines)
            image = self._photograph(rng, name, canvas, boxes, ink, lines)
            if image is not None:
                return Sample(image, "".join(lines), Recipe(lines, name))

    def again(self, rng: Rng, recipe: Recipe) -> Sample | None:
        """A plate of the same kind and text, photographed anew; None where a few tries show nothing legible."""
        for _ in range(4):
            canvas, boxes, ink = self.draw(rng, recipe.style, recipe.lines)
            image = self._photograph(rng, recipe.style, canvas, boxes, ink, recipe.lines)
            if image is not None:
                return Sample(image, "".join(recipe.lines), recipe)
        return None

    def draw(self, rng: Rng, name: str, lines: tuple[str, ...]) -> tuple[NDArray[np.uint8], list[Box], Mask]:
        """The plate as it hangs, straight and clean, but for bolts, frame and dirt: uint8 ``[h, w]`` with ``PAD``
        around, at ``SCALE`` pixels a millimetre; for each line the box of its ink in pixels; and where the ink is,
        uint8 ``[h, w]``."""
        kind = KINDS[name]
        art = self.art.get(kind.art)
        wide, high = art.size if art else kind.size
        pad = round(PAD * SCALE)
        h, w = round(high * SCALE), round(wide * SCALE)
        ground, ink = self._levels(rng, kind)
        if art is not None and name not in ("ev8", "company8"):
            plate = art.template.astype(np.float32)[:h, :w]
            scale = ground / max(kind.ground, 1)
            plate = (
                plate * scale
                if kind.ground > kind.ink
                else ground + (plate - kind.ground) * (ink - ground) / (255 - kind.ground)
            )
        else:
            plate = np.full((h, w), ground, np.float32)
            if rng.random() < 0.85:
                inset, thick = round(rng.uniform(1.5, 5) * SCALE) + 1, 1
                cv2.rectangle(plate, (inset, inset), (w - 1 - inset, h - 1 - inset), ink, thick, cv2.LINE_AA)
            if name in ("ev8", "company8") and rng.random() < 0.8:
                band = self.art["P1-4"].template[:h, : round(58 * SCALE)]
                plate[: band.shape[0], : band.shape[1]] = band * (ground / 255)
        alpha = np.zeros((h, w), np.uint8)
        boxes = self._letter(rng, name, art, lines, alpha)
        blend = cv2.multiply(ink - plate, alpha.astype(np.float32), scale=1 / 255)
        plate += blend
        if rng.random() < 0.35:  # pressed letters catch the light on one edge
            edge = cv2.subtract(alpha, np.roll(alpha, (1, 1), (0, 1)))
            plate += edge.astype(np.float32) * float(rng.uniform(-0.2, 0.2))
        self._bolts(rng, plate, name)
        if rng.random() < 0.25:
            wear.rim(rng, plate, boxes)
        canvas = self._mount(rng, plate, pad, getattr(art, "outside", None))
        if rng.random() < 0.3:
            wear.dirt(rng, canvas)
        if rng.random() < 0.12:
            wear.shadow(rng, canvas)
        out = np.clip(canvas, 0, 255).astype(np.uint8)
        ink_mask = cv2.copyMakeBorder(alpha, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=0)
        return out, [(x + pad, y + pad, bw, bh) for x, y, bw, bh in boxes], ink_mask

    def _levels(self, rng: Rng, kind: Kind) -> tuple[float, float]:
        """Grey of ground and ink: as by day, paint faded, or as an infrared camera sees the paint."""
        ground, ink = float(kind.ground), float(kind.ink)
        u = rng.random()
        if u < 0.2:
            if ground > ink:
                ground = rng.uniform(80, 255)
                ink = ground * rng.uniform(0.0, 0.55)
            else:
                ink = rng.uniform(100, 255)
                ground = ink * rng.uniform(0.0, 0.6)
        else:
            ground = float(np.clip(ground + rng.normal(0, 10), 15, 255))
            ink = float(
                np.clip(
                    ink + rng.normal(0, 14) + (rng.uniform(0, 70) if rng.random() < 0.15 and ground > ink else 0),
                    0,
                    255,
                )
            )
        return ground, ink

    # -- letters ---------------------------------------------------------------------------------------------------

    def _letter(self, rng: Rng, name: str, art: _Art | None, lines: tuple[str, ...], alpha: Mask) -> list[Box]:
        if art is None:
            return self._letter_drawn(rng, name, lines, alpha)
        face = int(rng.integers(len(self.faces)))
        two_line = name in _TWO_LINES
        inks: list[list[Box]] = [[] for _ in lines]
        cells = iter(art.cells)
        for row, line in enumerate(lines):
            text = line
            symbols: list[str] = []
            if name in ("commercial1", "commercial2", "green5") and row == 0:
                symbols, text = [text[:2]], text[2:]
            symbols += list(text)
            if name == "green5" and row == 0 and len(symbols) == 2:  # a one-digit class stands in the middle
                first, second, third = next(cells), next(cells), next(cells)
                middle = (second[0] + third[0]) / 2
                places: list[Box] = [first, (middle, second[1], second[2], second[3])]
            else:
                places = [next(cells) for _ in symbols]
            shift = float(rng.normal(0, 0.6))
            for symbol, (x, y, cw, ch) in zip(symbols, places, strict=True):
                small = two_line and row == 0
                glyph = self._glyph(
                    art, symbol, small, (round(cw * SCALE), round(ch * SCALE)), face, name == "commercial1"
                )
                inks[row].append(_stamp(alpha, glyph, round((x + shift) * SCALE), round(y * SCALE)))
        return [_union(boxes) for boxes in inks]

    def _glyph(self, art: _Art, symbol: str, small: bool, cell: tuple[int, int], face: int, stacked: bool) -> _Glyph:
        """The type's own glyph, else another type's squeezed into the cell, else a drawn one."""
        own = art.glyphs.get(symbol + "@region") if small else None
        own = own or (art.glyphs.get(symbol) if not (small and symbol.isdigit()) else None)
        if own is not None:
            return own
        w, h = cell
        key = (symbol + ("|" if stacked else ""), face, w, h)
        if key not in self._drawn:
            other = self.art["P1-1"].glyphs.get(symbol) if len(symbol) == 1 else None
            if other is not None:
                mask = cv2.resize(
                    other.mask, (max(3, round(w * 0.82)), max(3, round(h * 0.82))), interpolation=cv2.INTER_AREA
                )
                self._drawn[key] = _Glyph(mask, round(w * 0.09), round(h * 0.09))
            elif len(symbol) == 2 and stacked:
                both = np.zeros((h, w), np.uint8)
                half = (h - 4) // 2
                for k, c in enumerate(symbol):
                    _stamp(
                        both, self._face_glyph(c, face, round(w * 0.8), half - 2), round(w * 0.1), 2 + k * (half + 1)
                    )
                self._drawn[key] = _tight(both)
            elif len(symbol) == 2:
                both = np.zeros((h, w), np.uint8)
                for k, c in enumerate(symbol):
                    _stamp(
                        both,
                        self._face_glyph(c, face, round(w * 0.42), round(h * 0.82)),
                        round(w * (0.04 + 0.5 * k)),
                        round(h * 0.09),
                    )
                self._drawn[key] = _tight(both)
            else:
                glyph = self._face_glyph(symbol, face, round(w * 0.82), round(h * 0.82))
                self._drawn[key] = _Glyph(glyph.mask, round(w * 0.09), round(h * 0.09))
        return self._drawn[key]

    def _face_glyph(self, symbol: str, face: int, w: int, h: int) -> _Glyph:
        """A character of a face, its ink stretched to ``w`` × ``h`` pixels."""
        key = (symbol, face, w, h)
        if key not in self._drawn:
            ink = draw_text(symbol, self.faces[face], 64)
            mask = np.zeros((h, w), np.uint8)
            if ink is not None:
                mask = (cv2.resize(ink.mask, (max(w, 1), max(h, 1)), interpolation=cv2.INTER_AREA) * 255).astype(
                    np.uint8
                )
            self._drawn[key] = _Glyph(mask, 0, 0)
        return self._drawn[key]

    def _letter_drawn(self, rng: Rng, name: str, lines: tuple[str, ...], alpha: Mask) -> list[Box]:
        """Lines of letters of one height, each over most of the plate's width."""
        face = int(rng.integers(len(self.faces)))
        digits = ("P1-1", "P1-3", "P1-4", "P2", "")[int(rng.integers(5))] if name != "lettered" else ""
        h, w = alpha.shape
        if name == "diplomatic":
            rows = [(0.08 * w, 0.92 * w, 0.18 * h, 0.82 * h)]
        elif name in ("short7", "large8"):
            rows = [(0.04 * w, 0.96 * w, 0.27 * h, 0.80 * h)]
        elif len(lines) == 2:
            rows = [(0.16 * w, 0.84 * w, 0.09 * h, 0.36 * h), (0.06 * w, 0.94 * w, 0.43 * h, 0.91 * h)]
            if name == "short8":
                rows[0] = (0.2 * w, 0.8 * w, 0.07 * h, 0.40 * h)
        else:
            rows = [(0.07 * w, 0.93 * w, 0.13 * h, 0.87 * h)]
        boxes = []
        for (x0, x1, y0, y1), line in zip(rows, lines, strict=True):
            boxes.append(self._row(rng, alpha, line, (x0, y0, x1 - x0, y1 - y0), face, digits, name))
        return boxes

    def _row(self, rng: Rng, alpha: Mask, line: str, box: Box, face: int, digits: str, name: str) -> Box:
        x, y, w, h = box
        symbols: list[str] = list(line)
        stacked = not line[0].isdigit() and (name == "lettered" or (name == "diplomatic" and rng.random() < 0.5))
        if stacked:
            symbols = [line[:2], *line[2:]]
        gap = 1.45 if rng.random() < 0.6 else 1.15
        parts = [0.6 if s == "-" else 1.0 if s.isdigit() else gap for s in symbols]
        if name == "motorcycle" and not line[-1].isdigit() and len(symbols) > 2:
            parts[1] += 0.35  # the region and the district are two words
        unit = min(w / sum(parts), h * 0.72)
        left = x + (w - unit * sum(parts)) / 2
        inks = []
        for symbol, part in zip(symbols, parts, strict=True):
            cell = unit * part
            gh = round(h)
            if symbol.isdigit() and digits:
                gw = round(unit * 0.8)
                key = (symbol + digits, -1, gw, gh)
                if key not in self._drawn:
                    mask = cv2.resize(
                        self.art[digits].glyphs[symbol].mask, (max(gw, 2), max(gh, 2)), interpolation=cv2.INTER_AREA
                    )
                    self._drawn[key] = _Glyph(mask, 0, 0)
                glyph = self._drawn[key]
                if symbol == "1":
                    glyph = self._narrow(glyph, 0.55)
            elif symbol == "-":
                glyph = _Glyph(
                    np.full((max(2, round(h * 0.13)), max(2, round(cell * 0.6))), 255, np.uint8), 0, round(h * 0.44)
                )
            elif len(symbol) == 2:
                glyph = self._glyph(self.art["P4"], symbol, False, (round(cell), gh), face, True)
            elif symbol.isdigit():
                glyph = self._face_glyph(symbol, face, round(unit * (0.42 if symbol == "1" else 0.76)), gh)
            else:
                gh = round(h * float(0.84 if digits else 0.92))
                gw = round(min(cell, unit * 1.3) * 0.84)
                official = self.art[digits].glyphs.get(symbol) if digits and face % 4 else None
                if official is not None:  # as on most real ones: there is one design of letters for all kinds
                    cell_size = (max(gw, 2), max(gh, 2))
                    glyph = _Glyph(cv2.resize(official.mask, cell_size, interpolation=cv2.INTER_AREA), 0, 0)
                else:
                    glyph = self._face_glyph(symbol, face, gw, gh)
                glyph = _Glyph(glyph.mask, 0, round((h - gh) / 2))
            gx = round(left + (min(cell, unit * 1.45) - glyph.mask.shape[1]) / 2)
            inks.append(_stamp(alpha, glyph, gx, round(y)))
            left += cell
        return _union(inks)

    def _narrow(self, glyph: _Glyph, factor: float) -> _Glyph:
        w = max(2, round(glyph.mask.shape[1] * factor))
        return _Glyph(cv2.resize(glyph.mask, (w, glyph.mask.shape[0]), interpolation=cv2.INTER_AREA), 0, glyph.top)

    # -- what is on and around it ----------------------------------------------------------------------------------

    def _bolts(self, rng: Rng, plate: NDArray[np.float32], name: str) -> None:
        if rng.random() < 0.15:
            return
        h, w = plate.shape
        radius = max(2, round(rng.uniform(3.5, 8) * SCALE))
        two_line = w / h < 3.2
        x, y = (0.03 * w, 0.5 * h) if not two_line else (rng.uniform(0.12, 0.25) * w, rng.uniform(0.1, 0.2) * h)
        if two_line and name in _TWO_LINES:
            x = rng.uniform(0.05, 0.12) * w
        shade = float(rng.uniform(0, 255))
        if two_line and rng.random() < 0.4:
            wear.seal(rng, plate, (x, y), rng.uniform(11, 16) * SCALE)
        for px in (x, w - 1 - x):
            centre = (round(px + rng.normal(0, 1)), round(y + rng.normal(0, 1)))
            cv2.circle(plate, centre, radius, shade, -1, cv2.LINE_AA)
            if rng.random() < 0.7:
                cv2.circle(plate, centre, radius, float(rng.uniform(0, 120)), 1, cv2.LINE_AA)
            if rng.random() < 0.5:
                cv2.circle(
                    plate,
                    (centre[0] - 1, centre[1] - 1),
                    max(1, radius // 2),
                    float(np.clip(shade + rng.uniform(-90, 90), 0, 255)),
                    -1,
                )

    def _mount(
        self, rng: Rng, plate: NDArray[np.float32], pad: int, outside: NDArray[np.bool_] | None
    ) -> NDArray[np.float32]:
        """The plate in its frame on the car: ``pad`` pixels more on every side."""
        h, w = plate.shape
        big_h, big_w = h + 2 * pad, w + 2 * pad
        if self.backgrounds and rng.random() < 0.4:
            picture = self.backgrounds[int(rng.integers(len(self.backgrounds)))]
            ch, cw = min(picture.shape[0], big_h), min(picture.shape[1], big_w)
            y0, x0 = int(rng.integers(picture.shape[0] - ch + 1)), int(rng.integers(picture.shape[1] - cw + 1))
            canvas = cv2.resize(picture[y0 : y0 + ch, x0 : x0 + cw], (big_w, big_h)).astype(np.float32)
        else:
            shade = float(rng.uniform(5, 235)) if rng.random() < 0.5 else float(rng.uniform(5, 80))
            canvas = np.full((big_h, big_w), shade, np.float32)
            if rng.random() < 0.5:  # a bumper's edge
                y = int(rng.integers(big_h))
                canvas[y:] += float(rng.normal(0, 40))
        if rng.random() < 0.55:
            t, b, s = round(rng.uniform(1, 5)), round(rng.uniform(1, 8)), round(rng.uniform(1, 5))
            shade = float(rng.uniform(0, 60)) if rng.random() < 0.7 else float(rng.uniform(120, 240))
            canvas[pad - t : pad + h + b, pad - s : pad + w + s] = shade
            if rng.random() < 0.3 and b > 4:  # the dealer's name
                n = int(rng.integers(5, 18))
                x = pad + int(rng.uniform(0.2, 0.5) * w)
                for k in range(n):
                    canvas[pad + h + 1 : pad + h + b - 1, x + k * 4 : x + k * 4 + 2] = float(255 - shade)
        inner = canvas[pad : pad + h, pad : pad + w]
        if outside is not None:
            np.copyto(plate, inner, where=outside[:h, :w])
        inner[:] = plate
        return canvas

    # -- the camera ------------------------------------------------------------------------------------------------

    def _photograph(
        self, rng: Rng, name: str, canvas: NDArray[np.uint8], boxes: list[Box], ink: Mask, lines: tuple[str, ...]
    ) -> NDArray[np.uint8] | None:
        """The plate as a camera saw it, cut out as the scanner cuts it; None where nobody could read it."""
        shot = self._shoot(rng, name, canvas, boxes, ink, lines)
        if shot is None:
            return None
        if shot.how == "plate":
            pad = PAD * SCALE
            ch, cw = canvas.shape
            top, bottom = _BAND.get(name, (0.0, 1.0))
            high = ch - 2 * pad
            quads = [_rect((0.0 + pad, pad + top * high, cw - 2 * pad, (bottom - top) * high))]
            if len(boxes) == 2:
                quads = _halves(quads[0], _TWO_LINES[name] + float(rng.normal(0, 0.02)))
            margins = rng.normal(0.04, 0.06, (len(boxes), 4))
        else:
            quads = [_rect(b) for b in boxes]
            loose = 0.08 if rng.random() < 0.75 else 0.18
            margins = rng.normal(loose, 0.06 if loose < 0.1 else 0.1, (len(boxes), 4))
        cuts = []
        for quad, box, margin, line in zip(quads, boxes, margins, lines, strict=True):
            part = _bounds(shot.image, shot.where(quad), np.clip(margin, -0.06, 0.5))
            cuts.append(shot.image[part])
            if not _whole(shot.seen, shot.where(_rect(box)), part, len(line)):
                return None
            if not legible(cuts[-1], shot.seen[part], len(line), fine=FINE):
                return None
        return _row(cuts)

    def picture(self, rng: Rng, kind: str) -> tuple[NDArray[np.uint8], list[NDArray[np.float32]], str]:
        """A plate and what is around it, not cut out: uint8 ``[h, w]``, the quad of each line's ink, and the text."""
        while True:
            lines = self.text(rng, kind)
            canvas, boxes, ink = self.draw(rng, kind, lines)
            shot = self._shoot(rng, kind, canvas, boxes, ink, lines)
            if shot is None:
                continue
            quads = [shot.where(_rect(b)) for b in boxes]
            none = np.zeros(4)
            pairs = [(_cut(shot.image, q, none), _cut(shot.seen, q, none)) for q in quads]
            if all(legible(*pair, len(line), fine=FINE) for pair, line in zip(pairs, lines, strict=True)):
                return shot.image, quads, "".join(lines)

    def _shoot(
        self, rng: Rng, name: str, canvas: NDArray[np.uint8], boxes: list[Box], ink: Mask, lines: tuple[str, ...]
    ) -> _Shot | None:
        """The plate as a camera saw it; None where that comes out too large or too small."""
        hard = self.difficulty
        pad = PAD * SCALE
        ch, cw = canvas.shape
        plate = np.array([[pad, pad], [cw - pad, pad], [cw - pad, ch - pad], [pad, ch - pad]], np.float32)
        main = boxes[-1][3]
        # Pixels of the picture that the main line is high.
        usual = 28 if len(boxes) == 2 else 23
        native = float(np.clip(np.exp(rng.normal(np.log(usual), 0.45)), 10 if hard > 0.5 else 14, 56))
        if rng.random() < 0.08 * hard:
            native = float(rng.uniform(8.5, 12))
        scale = native / main
        # What the lens and the hand do spares small letters no more than large ones.
        smallest = native * (min(b[3] for b in boxes) / main if name != "commercial1" else 0.6)
        narrowest = min(b[2] / max(len(line), 1) for b, line in zip(boxes, lines, strict=True))
        squeeze = (
            float(np.clip(rng.normal(0.97, 0.07), 0.75, 1.2)) if rng.random() < 0.7 else float(rng.uniform(0.55, 1.25))
        )
        if narrowest * scale * squeeze < _NARROWEST or smallest < _LOWEST:
            return None
        # How the crop was found: along the lines' own quads, by a box around them, or by the plate's outline.
        u = rng.random()
        how = "lines" if u < 0.6 else "box" if u < 0.78 else "plate"
        tilt = rng.normal(0, {"lines": 0.03, "box": 0.08, "plate": 0.06}[how])
        # The uprights of a plate that hangs aslant, or is seen from a side, often stay upright when its line is
        # levelled.
        shear = rng.normal(0, {"lines": 0.10, "box": 0.13, "plate": 0.10}[how])
        x = (plate[:, 0] - cw / 2) * scale * squeeze
        y = (plate[:, 1] - ch / 2) * scale
        target = np.stack([x + shear * y, y + np.tan(tilt) * x], 1)
        target += (
            rng.normal(0, {"lines": 0.015, "box": 0.03, "plate": 0.03}[how], target.shape)
            * (plate[2, 1] - plate[0, 1])
            * scale
        )
        target -= target.min(0)
        reach = 0.30 * (plate[2, 1] - plate[0, 1]) * scale
        target += reach
        size = (int(target[:, 0].max() + reach), int(target[:, 1].max() + reach))
        if size[0] > 1000 or size[1] > 400:
            return None
        shrink = scale * 1.3
        if shrink < 0.8:  # by means first: a warp that shrinks skips pixels
            canvas = cv2.resize(canvas, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
            ink = cv2.resize(ink, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
            source = plate * shrink
        else:
            shrink, source = 1.0, plate
        matrix = cv2.getPerspectiveTransform(source.astype(np.float32), target.astype(np.float32))
        image = cv2.warpPerspective(canvas, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        image = self._camera(rng, image, smallest)
        seen = cv2.warpPerspective(ink, matrix, size, flags=cv2.INTER_LINEAR)
        return _Shot(image, seen, matrix, shrink, how)

    def _camera(self, rng: Rng, image: NDArray[np.uint8], native: float) -> NDArray[np.uint8]:
        hard = self.difficulty
        u = rng.random()
        if u < 0.18 * hard:  # dark, but for what the headlights or the infrared lamp give back
            gain = float(np.exp(rng.uniform(np.log(0.13), np.log(0.6))))
            image = cv2.convertScaleAbs(image, alpha=gain, beta=float(rng.uniform(0, 12)))
        elif u < 0.25 * hard:  # a film that shines too bright: its light eats the letters
            bright = cv2.convertScaleAbs(image, alpha=float(rng.uniform(1.2, 2.2)), beta=float(rng.uniform(0, 40)))
            image = cv2.addWeighted(bright, 0.7, cv2.GaussianBlur(bright, (0, 0), max(0.5, native * 0.06)), 0.45, 0)
        elif u < 0.29 * hard:  # a headlight beside the plate
            h, w = image.shape
            cx, cy, r = (
                float(rng.uniform(-0.2, 1.2)) * w,
                float(rng.uniform(-0.5, 1.5)) * h,
                float(rng.uniform(0.4, 1.5)) * h,
            )
            xs, ys = np.arange(w, dtype=np.float32) - cx, np.arange(h, dtype=np.float32) - cy
            glow = np.exp(-(xs * xs) / (2 * r * r))[None] * np.exp(-(ys * ys) / (2 * r * r))[:, None]
            image = np.clip(image + glow * float(rng.uniform(60, 260)), 0, 255).astype(np.uint8)
        if rng.random() < 0.18 * hard:
            image = degrade.motion(rng, image, float(rng.uniform(0.06, 0.3)) * native)
        if rng.random() < 0.26 * hard:  # out of focus
            image = degrade.blur(image, float(rng.uniform(0.03, 0.12)) * native)
        strength = hard * float(rng.uniform(0.05, 1.1)) * min(1.0, native / 20 + 0.15)
        return degrade.camera(rng, image, strength=strength)

    def _other(self, rng: Rng) -> NDArray[np.uint8]:
        """One or two lines of something else."""
        if self.others is None:
            return self._nothing(rng)
        lines = []
        for _ in range(2 if rng.random() < 0.25 else 1):
            line = self.others.sample(rng)
            native = float(np.clip(np.exp(rng.normal(np.log(23), 0.45)), 9, 40))
            small = (max(8, round(line.shape[1] * native / line.shape[0])), round(native))
            lines.append(self._camera(rng, cv2.resize(line, small, interpolation=cv2.INTER_AREA), native))
        return _row(lines)

    def _nothing(self, rng: Rng) -> NDArray[np.uint8]:
        """A crop without a plate: bits of the road, grilles, plain grounds."""
        w = int(rng.integers(64, 280))
        if self.backgrounds and rng.random() < 0.8:
            picture = self.backgrounds[int(rng.integers(len(self.backgrounds)))]
            h = int(rng.integers(10, 60))
            cw = min(picture.shape[1] - 1, h * w // 32)
            y0, x0 = int(rng.integers(picture.shape[0] - h)), int(rng.integers(picture.shape[1] - cw))
            patch = picture[y0 : y0 + h, x0 : x0 + cw]
        else:
            patch = np.full((32, w), int(rng.integers(256)), np.uint8)
            for _ in range(int(rng.integers(0, 9))):
                cv2.line(
                    patch,
                    (int(rng.integers(w)), int(rng.integers(32))),
                    (int(rng.integers(w)), int(rng.integers(32))),
                    int(rng.integers(256)),
                    int(rng.integers(1, 5)),
                )
        return _row([degrade.camera(rng, patch, strength=self.difficulty)])


_LOWEST = 9.0  # pixels that a line of it must be high, for its Hangul to be told apart by anybody
_LOST = 0.04  # of a character's ink may lie outside of the crop
_NARROWEST = 4.5  # pixels of the picture from one character to the next


def _row(lines: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Lines as the scanner and its recognizer lay them out."""
    return crop_to_line(as_row(lines, height=32, max_width=320), height=32, min_width=ROW_WIDTH)


def _plain_faces(faces: Faces) -> list[Face]:
    """Those with everything that a plate can say, and letters of an even, sober build."""
    want = (
        "0123456789"
        + "".join(REGIONS)
        + "".join(DISTRICTS)
        + "".join(OFFICIAL)
        + PRIVATE
        + COMMERCIAL
        + RENTAL
        + MILITARY
        + MOTORCYCLE
    )
    able = [f for f in faces.hangul if f.can_write(want)]
    sober = [
        f
        for f in able
        if any(
            k in f.name.lower()
            for k in ("gothic", "dotum", "square", "sans", "gulim", "suit", "pretendard", "lineseed")
        )
    ]
    bold = [f for f in sober if not any(k in f.name.lower() for k in ("light", "jamo", "squarel.", "acl."))]
    return (bold or able)[:28]


def _stamp(canvas: Mask, glyph: _Glyph, x: int, y: int) -> Box:
    """Lay a glyph into the cell at ``x``, ``y``; returns the box of its ink."""
    x, y = x + glyph.left, y + glyph.top
    h, w = glyph.mask.shape
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + w, canvas.shape[1]), min(y + h, canvas.shape[0])
    if x1 > x0 and y1 > y0:
        view = canvas[y0:y1, x0:x1]
        np.maximum(view, glyph.mask[y0 - y : y1 - y, x0 - x : x1 - x], out=view)
    return (x, y, w, h)


def _union(boxes: list[Box]) -> Box:
    x0, y0 = min(b[0] for b in boxes), min(b[1] for b in boxes)
    x1, y1 = max(b[0] + b[2] for b in boxes), max(b[1] + b[3] for b in boxes)
    return (x0, y0, x1 - x0, y1 - y0)


def _rect(box: Box) -> NDArray[np.float32]:
    x, y, w, h = box
    return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]], np.float32)


def _halves(quad: NDArray[np.float32], share: float) -> list[NDArray[np.float32]]:
    """A plate's quad cut into its upper ``share`` and the rest."""
    (x0, y0), (x1, y1) = quad[0], quad[2]
    y = y0 + (y1 - y0) * share
    return [_rect((x0, y0, x1 - x0, y - y0)), _rect((x0, y, x1 - x0, y1 - y))]


def _cut(image: NDArray[np.uint8], points: NDArray[np.float32], margin: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The upright box around ``points``, with ``margin`` (left, top, right, bottom) in parts of its height."""
    return image[_bounds(image, points, margin)]


def _bounds(
    image: NDArray[np.uint8], points: NDArray[np.float32], margin: NDArray[np.float64]
) -> tuple[slice, slice]:
    """The rows and columns of ``_cut``."""
    x0, y0 = points.min(0)
    x1, y1 = points.max(0)
    h = y1 - y0
    left, top = max(0, round(float(x0 - margin[0] * h))), max(0, round(float(y0 - margin[1] * h)))
    right, bottom = (
        min(image.shape[1], round(float(x1 + margin[2] * h))),
        min(image.shape[0], round(float(y1 + margin[3] * h))),
    )
    return slice(top, max(bottom, top + 4)), slice(left, max(right, left + 4))


def _whole(seen: Mask, quad: NDArray[np.float32], part: tuple[slice, slice], count: int) -> bool:
    """Whether each of the ``count`` characters that stand in ``quad`` has all but a little of its ink ``seen`` in
    ``part``: without its uppermost stroke one letter is another."""
    line = np.zeros_like(seen)
    cv2.fillConvexPoly(line, quad.round().astype(np.int32), 1)
    line *= seen
    every = line.sum(0, dtype=np.float64)
    columns = np.flatnonzero(every)
    if not len(columns):
        return False
    kept = np.zeros_like(every)
    kept[part[1]] = line[part].sum(0, dtype=np.float64)
    edges = np.linspace(columns[0], columns[-1] + 1, count + 1).round().astype(int)
    cells = zip(edges[:-1], edges[1:], strict=True)
    return all(kept[a:b].sum() >= (1 - _LOST) * every[a:b].sum() for a, b in cells)
