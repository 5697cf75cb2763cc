"""Lines of machine-readable zones as cameras and scanners see them: OCR-B on patterned paper, 37 characters.

Documents of the five layouts of ICAO 9303 (TD1, TD2, TD3, MRV-A, MRV-B) are invented with right check digits, so that
every position shows what stands there in real ones, and half of their names are plain noise, so that the network learns
shapes rather than names. A sample is a piece of a line: whole lines are read in overlapping windows anyway.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr.preprocess import crop_to_line
from edge_ocr.scanners.mrz import ALPHABET, check_digit
from training.synth import degrade
from training.synth.fonts import Face, Faces
from training.synth.legible import legible
from training.synth.line import Recipe, Sample

__all__ = ["FORMATS", "MrzSynth", "document"]

Rng = np.random.Generator
FORMATS = ("TD1", "TD2", "TD3", "MRVA", "MRVB")
EM = 46  # font size in pixels at which glyphs are drawn
_SIZES = {"TD1": 30, "TD2": 36, "TD3": 44, "MRVA": 44, "MRVB": 36}
_STATE_WORDS = (
    "KOR USA JPN CHN TWN GBR DEU FRA ITA ESP POL CZE AUT CHE NLD BEL SWE NOR FIN DNK ISL IRL PRT GRC TUR RUS UKR "
    "KAZ UZB VNM THA IDN PHL MYS SGP IND PAK BGD LKA NPL AUS NZL CAN MEX BRA ARG CHL PER COL ZAF EGY NGA KEN ETH "
    "MAR SAU ARE IRN ISR JOR AZE GEO D<< UTO XXA EUE "
)
_STATES = tuple(_STATE_WORDS.split())
_SYLLABLE_WORDS = (
    "AN NA MA RI KO WA LS KA KIM LEE PARK CHOI JUNG MIN SEO YEON HYUN JI EUN SU JIN HO YOUNG SMITH SON BER GER ST "
    "EIN MUEL LER OV EV IC SKI LO PEZ GAR CIA DE LA CRUZ O NE IL SA TO SUZU TANA CHEN WANG LIU ZHANG NGU YEN THI "
    "VAN AL ABD MO HAM MED "
)
_SYLLABLES = tuple(_SYLLABLE_WORDS.split())


def _pick(rng: Rng, items: tuple[str, ...] | list[str] | str) -> str:
    return items[int(rng.integers(len(items)))]


def _noise(rng: Rng, n: int, letters: str) -> str:
    return "".join(letters[i] for i in rng.integers(len(letters), size=n))


def _name(rng: Rng, width: int) -> str:
    def part() -> str:
        if rng.random() < 0.5:
            return _noise(rng, int(rng.integers(2, 11)), ALPHABET[10:36])
        return "".join(_pick(rng, _SYLLABLES) for _ in range(int(rng.integers(1, 4))))

    surname = "<".join(part() for _ in range(1 if rng.random() < 0.8 else 2))
    given = "<".join(part() for _ in range(int(rng.integers(1, 4))))
    return f"{surname}<<{given}"[:width].ljust(width, "<")


def _date(rng: Rng) -> str:
    return f"{int(rng.integers(100)):02d}{int(rng.integers(1, 13)):02d}{int(rng.integers(1, 29)):02d}"


def document(rng: Rng, layout: str) -> tuple[str, ...]:
    """The lines of an invented document, each check digit right."""
    width = _SIZES[layout]
    state = _pick(rng, _STATES)
    nation = state if rng.random() < 0.7 else _pick(rng, _STATES)
    number = _noise(rng, int(rng.integers(7, 10)), ALPHABET[:10] if rng.random() < 0.5 else ALPHABET[:36])
    if rng.random() < 0.4:  # letters first, as most states number
        number = _noise(rng, 2, ALPHABET[10:36]) + _noise(rng, 7, ALPHABET[:10])
    number = number.ljust(9, "<")
    birth, expiry, sex = _date(rng), _date(rng), _pick(rng, "MF<")
    core = f"{birth}{check_digit(birth)}{sex}{expiry}{check_digit(expiry)}"
    if layout == "TD1":
        kind = _pick(rng, ("I<", "ID", "AC", "C<", "IP", "IR"))
        optional = "" if rng.random() < 0.5 else _noise(rng, int(rng.integers(3, 15)), ALPHABET[:36])
        first = f"{kind}{state}{number}{check_digit(number)}{optional}".ljust(30, "<")
        more = "" if rng.random() < 0.7 else _noise(rng, int(rng.integers(2, 11)), ALPHABET[:36])
        second = f"{core}{nation}{more}".ljust(29, "<")
        second += check_digit(first[5:30] + second[0:7] + second[8:15] + second[18:29])
        return first, second, _name(rng, 30)
    kind = (
        _pick(rng, ("V<", "VC", "VB"))
        if layout.startswith("MRV")
        else _pick(rng, ("P<", "P<", "P<", "PM", "PC", "PO", "PD") if layout == "TD3" else ("I<", "ID", "AC", "P<"))
    )
    first = f"{kind}{state}{_name(rng, width - 5)}"
    second = f"{number}{check_digit(number)}{nation}{core}"
    if layout == "TD3":
        personal = (
            ""
            if rng.random() < 0.5
            else _noise(rng, int(rng.integers(4, 15)), ALPHABET[:10] if rng.random() < 0.6 else ALPHABET[:36])
        )
        personal = personal.ljust(14, "<")
        digit = "<" if personal.strip("<") == "" and rng.random() < 0.5 else check_digit(personal)
        second += personal + digit
        return first, second + check_digit(second[0:10] + second[13:20] + second[21:43])
    optional = "" if rng.random() < 0.5 else _noise(rng, int(rng.integers(2, 8)), ALPHABET[:36])
    if layout == "TD2":
        second = (second + optional).ljust(35, "<")
        return first, second + check_digit(second[0:10] + second[13:20] + second[21:35])
    return first, (second + optional).ljust(width, "<")


class MrzSynth:
    """Draws pieces of lines. ``difficulty`` in 0..1 scales what the camera does; ``max_width`` bounds a sample's
    pixels; ``phrases`` is there because every synthesiser has it, and means nothing here."""

    def __init__(
        self, faces: list[Face], alike: list[Face], backgrounds: list[NDArray[np.uint8]], *, max_width: int = 448
    ) -> None:
        self.faces, self.alike, self.backgrounds = faces, alike, backgrounds
        self.difficulty, self.max_width, self.phrases = 1.0, max_width, 0.0
        self._glyphs: dict[tuple[str, str], tuple[NDArray[np.uint8], int, int]] = {}

    @classmethod
    def load(cls, folder: str | Path, *, reserved: bool = False, max_width: int = 448) -> MrzSynth:
        """Everything from an ingredients folder; ``reserved`` takes look-alike faces that are kept out of training."""
        root = Path(folder)
        every = Faces.load(root, reserved=False)
        # OCRBX is cut out of black boxes, and OCRBL leans: only the upright one is what documents bear.
        faces = [f for f in every.latin if f.name in ("OCRB.otf", "OCRB.ttf")]
        alike_ocr = [f for f in every.latin if f.name.startswith("OCRBL")]
        if not faces:
            raise FileNotFoundError(
                f"{root / 'fonts' / 'machine'}: no OCR-B face there; training.ingredients gathers it"
            )
        pool = Faces.load(root, reserved=True).all if reserved else every.all
        alike = [
            f
            for f in pool
            if any(k in f.name.lower() for k in ("mono", "courier", "coding", "code-", "typewriter"))
            and f.can_write(ALPHABET)
        ]
        alike = [f for f in alike if not any(k in f.name.lower() for k in ("major", "nova", "jamo"))] + alike_ocr
        backgrounds = []
        for path in sorted((root / "backgrounds").glob("*.webp"))[::3]:
            grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            if grey is not None:
                backgrounds.append(cv2.resize(grey, (480, 320), interpolation=cv2.INTER_AREA))
        return cls(faces, alike, backgrounds, max_width=max_width)

    def sample(self, rng: Rng) -> Sample:
        while True:
            lines = document(rng, FORMATS[int(rng.integers(len(FORMATS)))])
            row = int(rng.integers(len(lines)))
            n = int(rng.integers(4, 17))
            start = int(rng.integers(0, max(1, len(lines[row]) - n + 1)))
            u = rng.random()
            if u < 0.2:
                start = 0
            elif u < 0.35:
                start = max(0, len(lines[row]) - n)
            text = lines[row][start : start + n]
            if text.count("<") > 0.6 * len(text) and rng.random() < 0.75:  # fillers are learned soon
                continue
            others = [lines[k][start : start + n] if 0 <= k < len(lines) else "" for k in (row - 1, row + 1)]
            image = self.line(rng, text, others)
            if image is not None and image.shape[1] <= self.max_width:
                return Sample(image, text, Recipe((text, *others), ""))

    def again(self, rng: Rng, recipe: Recipe) -> Sample | None:
        """The same piece between the same neighbours, drawn anew; None where it came out too wide or illegible."""
        image = self.line(rng, recipe.lines[0], list(recipe.lines[1:]))
        if image is None or image.shape[1] > self.max_width:
            return None
        return Sample(image, recipe.lines[0], recipe)

    # -- drawing ---------------------------------------------------------------------------------------------------

    def _glyph(self, face: Face, character: str) -> tuple[NDArray[np.uint8], int, int]:
        """Its mask, and how far that lies right of the pen and above (negative) the base line."""
        key = (face.path, character)
        if key not in self._glyphs:
            mask, (ox, oy) = face.font(EM).getmask2(character, mode="L", anchor="ls")
            w, h = mask.size
            self._glyphs[key] = (np.asarray(mask, dtype=np.uint8).reshape(h, w), ox, oy)
        return self._glyphs[key]

    def _line(self, face: Face, text: str, pitch: float, canvas: NDArray[np.uint8], x: float, base: int) -> None:
        for i, c in enumerate(text):
            mask, ox, oy = self._glyph(face, c)
            px, py = round(x + i * pitch) + ox, base + oy
            y0, y1 = max(py, 0), min(py + mask.shape[0], canvas.shape[0])
            x0, x1 = max(px, 0), min(px + mask.shape[1], canvas.shape[1])
            if y1 > y0 and x1 > x0:
                view = canvas[y0:y1, x0:x1]
                np.maximum(view, mask[y0 - py : y1 - py, x0 - px : x1 - px], out=view)

    def line(self, rng: Rng, text: str, others: list[str]) -> NDArray[np.uint8] | None:
        """A crop uint8 ``[32, w]`` of a line, with ``others`` above and below it; None where it came out too wide, or
        where nobody could read it."""
        hard = self.difficulty
        face = self.faces[int(rng.integers(len(self.faces)))]
        if self.alike and rng.random() < 0.15:
            face = self.alike[int(rng.integers(len(self.alike)))]
        advance = face.font(EM).getlength("0")
        pitch = advance * float(np.clip(rng.normal(1.0, 0.05), 0.9, 1.15))
        pad, caps = 40, round(0.7 * EM)
        w, h = round(pitch * len(text)) + 2 * pad, caps + 2 * pad
        ink = np.zeros((h, w), np.uint8)
        base = pad + caps
        self._line(face, text, pitch, ink, pad, base)
        own = ink.copy()
        rows, columns = np.flatnonzero(ink.max(1) > 60), np.flatnonzero(ink.max(0) > 60)
        box = (int(columns[0]), base - caps, int(columns[-1]) + 1, base)
        if len(rows):
            box = (box[0], min(box[1], int(rows[0])), box[2], max(box[3], int(rows[-1]) + 1))
        leading = caps * float(rng.uniform(1.5, 2.1))
        for k, other in zip((-1, 1), others, strict=True):
            if other:
                self._line(face, other, pitch, ink, pad + float(rng.normal(0, 1)), round(base + k * leading))
        weight = rng.random()
        if weight < 0.10:
            ink = cv2.erode(ink, np.ones((2, 2), np.uint8))
        elif weight < 0.25:
            ink = cv2.dilate(ink, np.ones((2, 2), np.uint8))
        native = float(np.clip(np.exp(rng.normal(np.log(15), 0.5)), 7.5 if hard > 0.5 else 12, 44))
        scale = native / (box[3] - box[1])
        stretch = float(np.clip(rng.normal(1.0, 0.09), 0.72, 1.3))
        source = np.array([[box[0], box[1]], [box[2], box[1]], [box[2], box[3]], [box[0], box[3]]], np.float32)
        x, y = (source[:, 0] - box[0]) * scale * stretch, (source[:, 1] - box[1]) * scale
        tilt = float(np.clip(rng.normal(0, 0.012), -0.03, 0.03))
        target = np.stack([x + rng.normal(0, 0.05) * y, y + tilt * x], 1) + rng.normal(0, 0.02, (4, 2)) * native
        loose = 0.1 if rng.random() < 0.8 else 0.25
        m = np.clip(rng.normal(loose, 0.08, 4), -0.05, 0.55) * native
        m[[0, 2]] += 0.05 * native
        left, top = float(target[:, 0].min() - m[0]), float(target[:, 1].min() - m[1])
        right, bottom = float(target[:, 0].max() + m[2]), float(target[:, 1].max() + m[3])
        size = (max(6, round(right - left)), max(6, round(bottom - top)))
        if size[0] / size[1] * 32 > self.max_width:
            return None
        target -= (left, top)
        image = self._print(rng, ink)
        clean = source
        shrink = scale * 1.3
        if shrink < 0.8:
            image = cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
            source = source * shrink
        matrix = cv2.getPerspectiveTransform(source.astype(np.float32), target.astype(np.float32))
        image = cv2.warpPerspective(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        seen = cv2.warpPerspective(own, cv2.getPerspectiveTransform(clean, target.astype(np.float32)), size)
        if rng.random() < 0.12 * hard:
            image = degrade.motion(rng, image, float(rng.uniform(0.06, 0.25)) * native)
        if rng.random() < 0.15 * hard:
            image = degrade.blur(image, float(rng.uniform(0.03, 0.09)) * native)
        if rng.random() < 0.1 * hard:
            self._streak(rng, image)
        strength = hard * float(rng.uniform(0.05, 1.0)) * min(1.0, native / 20 + 0.1)
        image = degrade.camera(rng, image, strength=strength)
        if not legible(image, seen, len(text.rstrip("<")) or 1, least=0.2, mean=0.45):
            return None
        return crop_to_line(image, height=32)

    def _print(self, rng: Rng, ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Ink on the paper of a document: plain, waves of fine lines, or a picture in pale print."""
        h, w = ink.shape
        level = float(rng.uniform(165, 255)) if rng.random() < 0.85 else float(rng.uniform(110, 180))
        u = rng.random()
        if u < 0.4:
            ground = np.full((h, w), level, np.float32)
        elif u < 0.7:
            y, x = np.arange(h, dtype=np.float32)[:, None], np.arange(w, dtype=np.float32)[None]
            f, a = float(rng.uniform(0.08, 0.7)), float(rng.uniform(0, np.pi))
            phase = (np.cos(a) * x + np.sin(a) * y) * f
            if rng.random() < 0.7:
                phase = phase + float(rng.uniform(0.5, 4)) * np.sin(
                    x * float(rng.uniform(0.01, 0.08)) + y * float(rng.uniform(0, 0.05))
                )
            ground = np.clip(level + np.sin(phase) * float(rng.uniform(3, 35)), 0, 255)
        else:
            ground = np.full((h, w), level, np.float32)
            if self.backgrounds:
                picture = self.backgrounds[int(rng.integers(len(self.backgrounds)))]
                ph, pw = picture.shape
                ch, cw = min(ph, h), min(pw, w // 2)
                y0, x0 = int(rng.integers(ph - ch + 1)), int(rng.integers(pw - cw + 1))
                patch = cv2.resize(picture[y0 : y0 + ch, x0 : x0 + cw], (w, h)).astype(np.float32)
                ground += (patch - patch.mean()) * float(rng.uniform(0.1, 0.45))
        shade = float(rng.uniform(0, 60)) if rng.random() < 0.8 else float(rng.uniform(40, max(45, level - 75)))
        mask = ink.astype(np.float32) * np.float32(1 / 255)
        if rng.random() < 0.2:
            mask = degrade.thermal(rng, mask)
        ground += (shade - ground) * mask
        return np.clip(ground, 0, 255).astype(np.uint8)

    def _streak(self, rng: Rng, image: NDArray[np.uint8]) -> None:
        """Laminate and holograms throw a band of light."""
        h, w = image.shape
        x = np.arange(w, dtype=np.float32)[None] + np.arange(h, dtype=np.float32)[:, None] * float(rng.normal(0, 1))
        band = np.exp(-((x - float(rng.uniform(0, w))) ** 2) / (2 * float(rng.uniform(0.2, 1.5) * h) ** 2))
        np.clip(image + band * float(rng.uniform(20, 130)), 0, 255, out=band)
        image[:] = band.astype(np.uint8)
