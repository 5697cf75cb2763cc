"""Text lines as a recognizer sees them: ink on a ground, tilted, worn, photographed, cut out a little wrong.

``draw_text`` gives the ink of one line with the place of each character; ``LineSynth`` makes degraded grey crops with
their text. Everything is seeded through the generator that is passed in.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edge_ocr.preprocess import crop_to_line
from training.synth import degrade
from training.synth.fonts import Face, Faces
from training.synth.texts import Texts

__all__ = ["Ink", "LineSynth", "Recipe", "Sample", "draw_text"]

Rng = np.random.Generator


@dataclass(frozen=True, eq=False)
class Ink:
    """``mask`` f32 ``[h, w]`` in 0..1, tight to the ink in x and y; ``spans`` f32 ``[n, 2]`` gives where each character
    of the text (spaces too) begins and ends in x; ``em`` is the font size in pixels."""

    mask: NDArray[np.float32]
    spans: NDArray[np.float32]
    em: int


@dataclass(frozen=True)
class Recipe:
    """What a sample was drawn from, apart from chance: its text in ``lines``, the ``style`` (a typeface's path, a kind
    of plate) and the ``manner`` of drawing; ``tries`` counts how often it was drawn again."""

    lines: tuple[str, ...]
    style: str
    manner: str = ""
    tries: int = 0


@dataclass(frozen=True, eq=False)
class Sample:
    """``image`` uint8 ``[32, w]`` and what stands on it; drawn from ``recipe``, where the same can be drawn anew."""

    image: NDArray[np.uint8]
    text: str
    recipe: Recipe | None = None


def _pixels(mask: Any) -> NDArray[np.uint8]:
    """Pillow's core image as an array ``[h, w]``; numpy alone would ask it for one pixel after the other."""
    w, h = mask.size
    return np.frombuffer(Image.Image()._new(mask).tobytes(), np.uint8).reshape(h, w)


@functools.lru_cache(maxsize=65536)
def _advance(face: Face, size: int, c: str) -> float:
    return float(face.font(size).getlength(c))


def draw_text(text: str, face: Face, size: int, *, spacing: float = 0.0, space: float = 1.0) -> Ink | None:
    """Draw ``text`` in one line. ``spacing`` is added after each character and ``space`` scales the width of a space,
    both as fractions of the font size. None when nothing visible comes out."""
    font = face.font(size)
    if spacing == 0.0 and space == 1.0:
        mask, (ox, oy) = font.getmask2(text, mode="L", anchor="ls")
        w, h = mask.size
        if w < 1 or h < 1:
            return None
        ink = _pixels(mask)
        ends = np.array([0.0, *np.cumsum([_advance(face, size, c) for c in text])], np.float32)
        if ends[-1] != font.getlength(text):  # a face with kerning
            ends = np.array([font.getlength(text[:i]) for i in range(len(text) + 1)], np.float32)
        ends -= ox
        spans = np.stack([ends[:-1], ends[1:]], 1)
    else:
        x, parts, places = 0.0, [], []
        top, bottom = 10**6, -(10**6)
        for c in text:
            advance = _advance(face, size, c) * (space if c == " " else 1.0)
            if c != " ":
                mask, (ox, oy) = font.getmask2(c, mode="L", anchor="ls")
                w, h = mask.size
                if w and h:
                    parts.append((round(x) + ox, oy, _pixels(mask)))
                    top, bottom = min(top, oy), max(bottom, oy + h)
            places.append((x, x + advance))
            x += advance + spacing * size
        if not parts:
            return None
        left = min(p[0] for p in parts)
        width = max(p[0] + p[2].shape[1] for p in parts) - left
        ink = np.zeros((bottom - top, width), np.uint8)
        for px, py, patch in parts:
            view = ink[py - top : py - top + patch.shape[0], px - left : px - left + patch.shape[1]]
            np.maximum(view, patch, out=view)
        spans = np.asarray(places, np.float32) - left
    columns = np.flatnonzero(ink.max(0) > 40)
    rows = np.flatnonzero(ink.max(1) > 40)
    if len(columns) == 0 or len(rows) == 0:
        return None
    x0, x1, y0, y1 = columns[0], columns[-1] + 1, rows[0], rows[-1] + 1
    return Ink((ink[y0:y1, x0:x1] / np.float32(255)).astype(np.float32), spans - x0, size)


class LineSynth:
    """Draws samples for one language. ``backgrounds`` are grey pictures to lay text on.

    ``max_width`` bounds the width of a sample in pixels at 32 px height; longer texts are drawn again shorter.
    ``difficulty`` in 0..1 scales the degradations (a curriculum raises it over the run).
    """

    def __init__(
        self,
        faces: Faces,
        texts: Texts,
        backgrounds: list[NDArray[np.uint8]],
        *,
        lang: str,
        charset: str,
        height: int = 32,
        max_width: int = 480,
        difficulty: float = 1.0,
    ) -> None:
        self.faces, self.texts, self.backgrounds = faces, texts, backgrounds
        self.lang, self.charset, self.height, self.max_width = lang, charset, height, max_width
        self.difficulty = difficulty
        # Share of dot-matrix print, and of black-and-white scans: till receipts and faxes.
        self.printed = 0.07 if lang == "ko" else 0.12
        # Share of words as photographs of streets and shops have them: curved, leaning, faint, out of focus.
        self.wild = 0.15 if lang == "ko" else 0.22
        self.till = 0.04 if lang == "ko" else 0.12  # share of lines in the narrow bitmaps of tills and label printers
        self.phrases = 0.2  # share of samples with several words
        self.hand = 0.18 if lang == "ko" else 0.04  # share of lines with strokes that waver, as a hand draws them
        self.cards = 0.08 if lang == "ko" else 0.0  # share of lines of identity papers, most over fine waves
        self._allowed = frozenset(charset)
        self._hangul = lang == "ko"

    @classmethod
    def load(
        cls, folder: str | Path, *, lang: str, charset: str, reserved: bool = False, max_width: int = 480
    ) -> LineSynth:
        """Everything from an ingredients folder."""
        root = Path(folder)
        backgrounds = []
        for sub in ("backgrounds", "backgrounds_road"):
            paths = sorted((root / sub).glob("*.webp")) + sorted((root / sub).glob("*.jpg"))
            for path in paths[:: (4 if sub == "backgrounds_road" else 1)]:
                grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
                if grey is not None:
                    scale = 640 / max(grey.shape)
                    backgrounds.append(cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
        faces, texts = Faces.load(root, reserved=reserved), Texts.load(root)
        return cls(faces, texts, backgrounds, lang=lang, charset=charset, max_width=max_width)

    def writable(self, text: str) -> bool:
        return all(c in self._allowed or (self._hangul and "가" <= c <= "힣") for c in text)

    def text(self, rng: Rng) -> str:
        for _ in range(50):
            n = 1 if rng.random() >= self.phrases else int(rng.integers(2, 5))
            if n == 1:
                text = self.texts.word(rng, self.lang, self.charset)
            else:
                text = self.texts.phrase(rng, self.lang, n, self.charset)
            if n == 1 and len(text) > 2 and rng.random() < 0.02:
                text = " ".join(text)  # spaced-out letters, as in "합 계"
            if text.strip() and self.writable(text):
                return text.strip()
        return "0"

    def sample(self, rng: Rng) -> Sample:
        while True:
            card = rng.random() < self.cards
            text = self.texts.card(rng) if card else self.text(rng)
            if card and not self.writable(text):
                continue
            # Hangul faces hold Latin letters too, and Korean pages use them; English ones seldom do.
            script = "latin" if not self._hangul and rng.random() < 0.7 else None
            till = not card and rng.random() < self.till
            if till and text.isascii():
                script = "mono"
                text = text.upper() if rng.random() < 0.5 else text
            face = self.faces.pick(rng, text, script=script)
            if face is None or not self.writable(text):
                continue
            waves = card and bool(rng.random() < 0.7)
            image = self._draw(rng, text, face, waves=waves, till=till)
            if image is not None and image.shape[1] <= self.max_width:
                manner = "till" if till else "waves" if waves else ""
                return Sample(image, text, Recipe((text,), face.path, manner))

    def again(self, rng: Rng, recipe: Recipe) -> Sample | None:
        """The text of ``recipe`` in its typeface, with other wear, light and crop; None where a few tries give nothing
        that fits."""
        face = self.faces.named.get(recipe.style)
        if face is None:
            return None
        for _ in range(4):
            image = self._draw(
                rng, recipe.lines[0], face, waves=recipe.manner == "waves", till=recipe.manner == "till"
            )
            if image is not None and image.shape[1] <= self.max_width:
                return Sample(image, recipe.lines[0], recipe)
        return None

    # -- drawing ------------------------------------------------------------------------------------------------
    def _draw(
        self, rng: Rng, text: str, face: Face, *, waves: bool = False, till: bool = False
    ) -> NDArray[np.uint8] | None:
        hard = self.difficulty
        wild = not till and len(text) < 16 and rng.random() < self.wild * hard
        size = 48 if till else int((22, 30, 38, 48)[int(rng.integers(4))])
        spacing, space = 0.0, 1.0
        if rng.random() < 0.28:
            spacing = float(rng.uniform(-0.07, 0.12)) if rng.random() < 0.85 else float(rng.uniform(0.12, 0.5))
            space = float(rng.uniform(0.7, 1.8)) if spacing < 0.12 else 2.0
        elif self._hangul and " " in text and rng.random() < 0.4:
            space = float(rng.uniform(0.45, 0.9))  # as narrow as Korean pages set them
        before, after = self._neighbours(rng, face) if rng.random() < 0.3 else ("", "")
        ink = draw_text(before + text + after, face, size, spacing=spacing, space=space)
        if ink is None:
            return None
        mask = ink.mask
        # The word's own box within the line: its columns, and the rows that its ink takes there.
        x0 = max(0, int(ink.spans[len(before), 0])) if before else 0
        x1 = min(mask.shape[1], int(np.ceil(ink.spans[len(before) + len(text) - 1, 1]))) if after else mask.shape[1]
        own = mask[:, x0:x1] > 0.15
        rows, columns = np.flatnonzero(own.any(1)), np.flatnonzero(own.any(0))
        if len(rows) == 0:
            return None
        x0, x1 = x0 + int(columns[0]), x0 + int(columns[-1]) + 1
        y0, y1 = int(rows[0]), int(rows[-1]) + 1
        # Vertical extent: the detector's boxes are tight to the ink, but a dash or a comma alone keeps a body.
        em = float(size)
        least = 0.55 * em if rng.random() < 0.7 else 0.8 * em
        extra = max(0.0, least - (y1 - y0))
        stretch = 1.0
        if rng.random() < 0.35:
            stretch = float(np.exp(rng.normal(0, 0.28)))
        elif rng.random() < 0.06:
            stretch = float(rng.choice([0.5, 2.0]))
        if till:
            stretch = float(rng.uniform(0.5, 1.05))
            mask = degrade.bitmap(rng, mask, size, stretch)
            if rng.random() < 0.4:
                mask = degrade.thermal(rng, mask)
        # Room around the ink for the transforms; the crop is placed later.
        pad = int(em * 0.9) + 4
        low = rng.uniform(0, 1)
        mask = cv2.copyMakeBorder(mask, pad, pad, pad, pad, cv2.BORDER_CONSTANT)
        weight = rng.random()
        if weight < 0.10 and size >= 30:
            mask = cv2.erode(mask, np.ones((2, 2), np.uint8))
        elif weight < 0.18:
            mask = cv2.dilate(mask, np.ones((2, 2) if size < 40 else (3, 3), np.uint8))
        if not till and rng.random() < self.hand:
            mask = degrade.hand(rng, mask, em)
        left, right, upper, lower = pad + x0, pad + x1, pad + y0 - extra * low, pad + y1 + extra * (1 - low)
        box = np.array([[left, upper], [right, upper], [right, lower], [left, lower]], np.float32)
        layers = [mask] if till else self._layers(rng, mask, size)
        inner_h, inner_w = lower - upper, right - left
        # Target height in pixels of the camera's picture: mostly 12..40, now and then tiny.
        native = float(np.clip(np.exp(rng.normal(np.log(24), 0.42)), 9 if hard > 0.5 else 14, 56))
        if rng.random() < 0.09 * hard:
            native = float(rng.uniform(7.5, 11))
        scale = native / inner_h
        # The true quad, disturbed by slant, tilt, perspective and a detector's errors.
        target = box.copy()
        target[:, 0] = (box[:, 0]) * scale * stretch
        target[:, 1] = (box[:, 1]) * scale
        tw, th = inner_w * scale * stretch, native
        if rng.random() < (0.8 if wild else 0.35):
            shear = rng.normal(0, 0.22 if wild else 0.12) * th
            if wild and rng.random() < 0.4:
                # A facade seen from the side: the line climbs, its letters stay upright; in its box they lean.
                shear = float(rng.uniform(0.2, 0.7) * rng.choice([-1.0, 1.0])) * th
            target[:2, 0] += shear
            steep = 0.035 if rng.random() < (0.4 if wild else 0.8) else 0.09
            tilt = rng.normal(0, steep) * tw * min(1.0, 2.5 * th / max(tw, 1.0))
            tilt = float(np.clip(tilt, -0.7 * th, 0.7 * th))
            target[1:3, 1] += tilt
            target += rng.normal(0, (0.07 if wild else 0.03) * th, target.shape)
        matrix = cv2.getPerspectiveTransform(box, target.astype(np.float32))
        # Crop: tight to the ink, give or take a detector's error.
        loose = rng.random() < 0.25
        m = np.clip(rng.normal(0.07 if not loose else 0.16, 0.07 if not loose else 0.1, 4), -0.06, 0.5)
        left, top = target[:, 0].min() - (m[0] + 0.04) * th, target[:, 1].min() - m[1] * th
        right, bottom = target[:, 0].max() + (m[2] + 0.04) * th, target[:, 1].max() + m[3] * th
        # Words on arcs, as on badges, shirts and caps: the crop holds the whole bow.
        bow, arch = 0.0, True
        if wild and len(text) > 3 and rng.random() < 0.3:
            arch = bool(rng.random() < 0.7)
            bow = min(float(rng.uniform(0.15, 1.2)) * th, 0.22 * tw)
            top, bottom = (top, bottom + bow) if arch else (top - bow, bottom)
        out_w, out_h = max(3, round(right - left)), max(5, round(bottom - top))
        if out_w > 1600 or out_w / out_h * self.height > self.max_width:
            return None
        shift = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]], np.float64)
        # Twice the size first, then area-resize: warping straight down would alias.
        over = 2.0 if scale < 0.9 else 1.0
        zoom = np.diag([over, over, 1.0])
        full = zoom @ shift @ matrix
        ow, oh = int(out_w * over), int(out_h * over)
        warped = [cv2.warpPerspective(x, full, (ow, oh), flags=cv2.INTER_LINEAR) for x in layers]
        if bow:
            warped = [_arc(x, bow=bow * over, width=tw * over, arch=arch) for x in warped]
            ow = warped[0].shape[1]
            out_w = max(3, round(ow / over))
        elif rng.random() < (0.45 if wild else 0.10):
            bend = int(rng.integers(2**31))
            warped = [_wave(bend, x, 0.15 if wild else 0.08) for x in warped]
        image = self._compose(rng, warped, (oh, ow), wild, waves)
        if rng.random() < 0.14:
            self._intrude(rng, image)
        if over != 1.0:
            image = cv2.resize(image, (out_w, out_h), interpolation=cv2.INTER_AREA)
        # Screens, scans and steady hands are as common as bad light: many samples stay nearly clean.
        strength = hard * float(rng.uniform(0.05, 1.0)) * min(1.0, native / 20 + 0.15)
        if rng.random() < 0.2:
            strength *= 0.3
        if rng.random() < self.printed and native > 11:
            image = degrade.bitonal(rng, image)
            strength *= 0.3
        if wild:
            strength = hard * float(rng.uniform(0.4, 1.5)) * min(1.0, native / 20 + 0.15)
        image = degrade.camera(rng, image, strength=strength)
        return crop_to_line(image, height=self.height)

    def _neighbours(self, rng: Rng, face: Face) -> tuple[str, str]:
        """What stands left and right of a word in its line: slivers of it get into the crop, and must not be read."""
        sides = []
        for _ in range(2):
            word = self.texts.word(rng, self.lang, self.charset)[:4] if rng.random() < 0.7 else ""
            sides.append(word if word and face.can_write(word) else "")
        return (sides[0] + " " if sides[0] else "", " " + sides[1] if sides[1] else "")

    def _layers(self, rng: Rng, mask: NDArray[np.float32], size: int) -> list[NDArray[np.float32]]:
        """The text's ink and, sometimes, an outline or shadow below it."""
        if rng.random() < 0.12:
            mask = degrade.thermal(rng, mask)
        elif rng.random() < self.printed:
            mask = degrade.dots(rng, mask, size)
        layers = [mask]
        u = rng.random()
        if u < 0.07:
            k = 3 if size < 32 else 5
            layers.append(cv2.dilate(mask, np.ones((k, k), np.uint8)))
        elif u < 0.14:
            d = max(1, int(size * rng.uniform(0.03, 0.1)))
            shadow = np.roll(mask, (d, int(rng.choice([-d, d]))), (0, 1))
            layers.append(cv2.GaussianBlur(shadow, (0, 0), max(0.5, d * rng.uniform(0.2, 1.0))))
        return layers

    def _ground(self, rng: Rng, shape: tuple[int, int], waves: bool = False) -> NDArray[np.float32]:
        h, w = shape
        u = 0.7 if waves else rng.random()
        level = float(rng.uniform(0, 255)) if rng.random() < 0.45 else float(rng.uniform(185, 255))
        if u < 0.5 or not self.backgrounds:
            return np.full((h, w), level, np.float32)
        if u < 0.62:
            end = float(np.clip(level + rng.normal(0, 60), 0, 255))
            ramp = np.linspace(level, end, w if rng.random() < 0.5 else h, dtype=np.float32)
            across = len(ramp) == w and w != h
            return np.broadcast_to(ramp[None, :] if across else ramp[:, None], (h, w)).copy()
        if u < 0.72:
            # Stripes, grids and guilloche, as on cards and forms.
            y, x = np.mgrid[0:h, 0:w].astype(np.float32)
            f, a = rng.uniform(0.15, 1.2), rng.uniform(0, np.pi)
            wave = np.sin((np.cos(a) * x + np.sin(a) * y) * f + 2 * np.sin(x * rng.uniform(0.02, 0.2)))
            return np.clip(level + wave * rng.uniform(3, 28), 0, 255).astype(np.float32)
        picture = self.backgrounds[int(rng.integers(len(self.backgrounds)))]
        ph, pw = picture.shape
        zoom = float(np.exp(rng.uniform(np.log(0.5), np.log(2.5))))
        ch, cw = min(ph, max(4, int(h / zoom))), min(pw, max(4, int(w / zoom)))
        y0, x0 = int(rng.integers(ph - ch + 1)), int(rng.integers(pw - cw + 1))
        patch = cv2.resize(picture[y0 : y0 + ch, x0 : x0 + cw], (w, h), interpolation=cv2.INTER_LINEAR)
        patch = patch.astype(np.float32)
        strength = float(rng.uniform(0.15, 1.0))
        return np.clip(level * (1 - strength) + patch * strength if rng.random() < 0.6 else patch, 0, 255)

    def _compose(
        self, rng: Rng, layers: list[NDArray[np.float32]], shape: tuple[int, int], wild: bool = False,
        waves: bool = False,
    ) -> NDArray[np.uint8]:  # fmt: skip
        ground = self._ground(rng, shape, waves)
        mean = float(ground.mean())
        # Contrast: mostly plain to see, at times faint.
        least = 30.0 if rng.random() < (0.4 if wild else 0.12) else 65.0
        if wild and rng.random() < 0.15:
            least = 18.0
        choices = []
        if mean - least > 0:
            choices.append((0.0, mean - least))
        if mean + least < 255:
            choices.append((mean + least, 255.0))
        dark_first = mean > 128 or len(choices) == 1
        a, b = choices[0] if (dark_first and rng.random() < 0.8) or len(choices) == 1 else choices[1]
        ink = float(rng.uniform(a, b))
        if least < 20.0:  # hardly told from its ground: carved, embossed, faded
            ink = mean + float(rng.choice([-1, 1])) * rng.uniform(18, 45)
            ink = float(np.clip(ink, 0, 255)) if 0 <= ink <= 255 else float(2 * mean - ink)
        elif rng.random() < 0.6:  # printed text goes to the end of the scale
            ink = a + (b - a) * rng.uniform(0, 0.25) if a == 0.0 else b - (b - a) * rng.uniform(0, 0.25)
        out = ground
        if len(layers) > 1:
            if rng.random() < 0.7:
                under = float(np.clip(mean + (mean - ink) * rng.uniform(0.1, 0.8), 0, 255))
            else:
                under = float(rng.uniform(0, 255))
            if abs(under - ink) < 50:
                under = 255.0 if ink < 128 else 0.0
            out = out + (under - out) * np.clip(layers[1], 0, 1)
        out = out + (ink - out) * np.clip(layers[0], 0, 1)
        return np.clip(out, 0, 255).astype(np.uint8)

    def _intrude(self, rng: Rng, image: NDArray[np.uint8]) -> None:
        """What else a crop may hold: a rule under or over the text, a table's border, bits of a neighbouring line."""
        h, w = image.shape
        shade = int(rng.integers(256))
        u = rng.random()
        if u < 0.45:
            y = int(h * (rng.uniform(0.9, 1.0) if rng.random() < 0.7 else rng.uniform(0, 0.08)))
            cv2.line(image, (0, y), (w, y + int(rng.integers(-1, 2))), shade, max(1, h // 24))
        elif u < 0.6:
            x = int(rng.choice([0, w - 1]))
            cv2.line(image, (x, 0), (x, h), shade, max(1, h // 20))
        else:
            top = rng.random() < 0.5
            depth = max(1, int(h * rng.uniform(0.03, 0.12)))
            face = self.faces.pick(rng, "가나" if self._hangul else "Hg")
            ink = draw_text(self.texts.word(rng, self.lang, self.charset)[:12], face, max(12, h)) if face else None
            if ink is None:
                return
            strip = ink.mask[-depth:] if top else ink.mask[:depth]
            strip = strip[:, :w]
            x = int(rng.integers(0, max(1, w - strip.shape[1] + 1)))
            rows = slice(strip.shape[0]) if top else slice(h - strip.shape[0], h)
            view = image[rows, x : x + strip.shape[1]]
            view[:] = np.clip(view + (shade - view.astype(np.float32)) * strip, 0, 255).astype(np.uint8)


def _arc(layer: NDArray[np.float32], *, bow: float, width: float, arch: bool) -> NDArray[np.float32]:
    """Bend a layer ``[h, w]`` around a circle, letters turning with it, and cut off at the sides what falls free.

    ``bow``: how far the ends of a text of ``width`` pixels fall below its middle (``arch``: they lie in the lowest
    ``bow`` rows of the layer, which are free of ink) or rise above it (they lie in the highest)."""
    if not arch:
        return np.ascontiguousarray(_arc(layer[::-1], bow=bow, width=width, arch=True)[::-1])
    h, w = layer.shape
    # The height of an arc over its chord is close to length^2 / (8 radius); bows are under a quarter of the width.
    radius = width * width / (8 * bow)
    base = h - bow  # the foot of the text in its middle
    chord = 2 * radius * np.sin(width / (2 * radius))
    cut = int(max(0.0, (width - chord) / 2))
    x, y = np.meshgrid(np.arange(cut, w - cut, dtype=np.float32), np.arange(h, dtype=np.float32))
    dx, dy = x - np.float32((w - 1) / 2), np.float32(base + radius) - y
    turn = np.arctan2(dx, dy)
    map_x = np.float32((w - 1) / 2) + np.float32(radius) * turn
    map_y = np.float32(base + radius) - np.hypot(dx, dy)
    return cv2.remap(layer, map_x.astype(np.float32), map_y.astype(np.float32), cv2.INTER_LINEAR)


def _wave(seed: int, layer: NDArray[np.float32], strength: float = 0.08) -> NDArray[np.float32]:
    """Bend a layer along an arc or a sine, as paper and curved signs do; equal for equal seeds. ``strength`` is one
    sigma of the bow in parts of the height."""
    rng = np.random.default_rng(seed)
    h, w = layer.shape
    x = np.arange(w, dtype=np.float32)
    bow = rng.normal(0, strength) * h
    if rng.random() < 0.5:
        dy = bow * (4 * ((x / max(w - 1, 1)) - 0.5) ** 2 - 0.33) * min(2.0, max(0.5, w / h / 3))
    else:
        dy = bow * np.sin(x / max(w, 1) * 2 * np.pi * rng.uniform(0.5, 1.5) + rng.uniform(0, 6))
    map_x, map_y = np.meshgrid(x, np.arange(h, dtype=np.float32))
    map_y = (map_y + dy[None, :]).astype(np.float32)
    return cv2.remap(layer, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
