"""Signs and words in the street, words thrown on a picture, and single words cut tightly."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from training.synth.layouts.ground import any_colour, draw_panel, ground, log_uniform, make_texture, mean_colour
from training.synth.layouts.kit import Kit
from training.synth.layouts.things import draw_grid, scribble
from training.synth.sheet import Colour, Pen, Sheet, Typeface, contrasting

__all__ = ["scattered", "sign", "single"]

Rng = np.random.Generator


def sign(rng: Rng, kit: Kit) -> Sheet:
    """Panels and letters on photographs: shop signs, street signs, shirts, neon; outlines, shadows, turned words."""
    side = int(rng.integers(420, 640))
    street = rng.random() < 0.3
    if street:
        image, found = kit.backgrounds.road(rng)
        sheet = Sheet(image)
        for quad, ignored in found:
            sheet.add(quad, ignored)
    else:
        sheet = Sheet(kit.backgrounds.photo(rng, side, side))
        if rng.random() < 0.3:
            draw_grid(rng, sheet.image)
        if rng.random() < 0.4:
            scribble(rng, sheet.image, int(rng.integers(1, 8)))
        if rng.random() < 0.35:
            # Night: signs shine on dark ground.
            sheet.image = cv2.convertScaleAbs(sheet.image, alpha=rng.uniform(0.25, 0.7))
    taken: list[tuple[float, float, float, float]] = []
    taken += [(*quad.min(axis=0), *quad.max(axis=0)) for quad in sheet.quads]
    for _ in range(int(rng.integers(2, 13))):
        lang = "ko" if rng.random() < 0.55 else "en"
        w = log_uniform(rng, 26 if street else 60, sheet.width * 0.95)
        h = min(w * rng.uniform(0.12, 0.8), sheet.height * 0.8)
        if rng.random() < 0.08:
            w, h = sorted((w * 0.5, min(w * rng.uniform(0.8, 2.5), sheet.height * 0.9)))
        x, y = rng.uniform(0, sheet.width - w), rng.uniform(0, max(1, sheet.height - h))
        if any(x < b[2] + 6 and x + w > b[0] - 6 and y < b[3] + 6 and y + h > b[1] - 6 for b in taken):
            continue
        taken.append((x, y, x + w, y + h))
        _signboard(rng, kit, sheet, lang, x, y, w, h)
    if rng.random() < 0.2:
        # Bright letters bleed into what is around them.
        glow = cv2.GaussianBlur(sheet.image, (0, 0), rng.uniform(3, 12))
        sheet.image = cv2.addWeighted(sheet.image, 1.0, glow, rng.uniform(0.2, 0.7), 0)
    return sheet


def _stack(
    rng: Rng, kit: Kit, sheet: Sheet, face: Typeface, lang: str, x: float, y: float, w: float, h: float, colour: Colour
) -> None:
    """Letters one below the other, each in a box of its own."""
    text = kit.line(rng, face, lang, 1).split(" ")[0]
    pen = Pen(face, w * rng.uniform(0.5, 0.85))
    step = pen.height * rng.uniform(1.1, 1.5)
    for i, letter in enumerate(text[: int(h / step)]):
        middle = y + step * (i + 0.5) - (pen.top + pen.bottom) / 2
        sheet.write(x + (w - pen.width(letter)) / 2, middle, letter, pen, colour)


def _signboard(rng: Rng, kit: Kit, sheet: Sheet, lang: str, x: float, y: float, w: float, h: float) -> None:
    boarded = rng.random() < 0.65
    fill = any_colour(rng)
    if boarded:
        draw_panel(rng, sheet.image, int(x), int(y), int(x + w), int(y + h), fill)
        if rng.random() < 0.25:
            part = sheet.image[int(y) : int(y + h), int(x) : int(x + w)]
            if part.size:
                part[:] = cv2.multiply(part, cv2.merge([make_texture(rng, *part.shape[:2], 0.5)] * 3), scale=1 / 255)
    here = np.asarray(fill, float) if boarded else mean_colour(sheet, x, y, x + w, y + h)
    lines = int(rng.choice([1, 1, 1, 2, 2, 3]))
    face = kit.face(rng, lang)
    if h > 1.2 * w and rng.random() < 0.7:
        _stack(rng, kit, sheet, face, lang, x, y, w, h, contrasting(rng, here, 75))
        return
    top = y + h * 0.06
    for i in range(lines):
        room = (y + h * 0.94 - top) / (lines - i)
        letters = room * rng.uniform(0.55, 0.9)
        if letters < 7:
            return
        colour = contrasting(rng, here, 75 if rng.random() < 0.8 else 45)
        count = int(rng.choice([1, 1, 2, 2, 3]))
        text = kit.line(rng, face, lang, count)
        pen = Pen(
            face,
            letters,
            bolder=int(rng.random() < 0.15),
            wide=rng.uniform(0.75, 1.2),
            slant=float(rng.choice([0, 0, 0, 0.2, -0.15])),
            spacing=letters * float(rng.choice([0, 0, 0, 0.1, 0.3, 0.6])),
        )
        for _ in range(3):
            width = pen.width(text)
            if width <= w * 0.96:
                break
            if " " in text:
                text = text.rsplit(" ", 1)[0]
            else:
                pen = Pen(face, max(6.0, pen.size * w * 0.92 / width), wide=pen.wide, spacing=0.0)
        if pen.size < 7 or pen.width(text) > w:
            continue
        how: dict[str, Any] = {}
        thick = max(1, int(pen.size * rng.uniform(0.02, 0.12)))
        if rng.random() < (0.2 if boarded else 0.45):
            how["outline"] = (contrasting(rng, colour, 70), min(thick, 8))
        if rng.random() < (0.15 if boarded else 0.45):
            how["shadow"] = (contrasting(rng, colour, 60), thick, int(rng.integers(0, 5)))
        sheet.write(
            x + (w - pen.width(text)) * rng.choice([0.5, 0.5, 0.1, 0.9]),
            top + room / 2 - (pen.top + pen.bottom) / 2,
            text,
            pen,
            colour,
            strength=1.0 if rng.random() < 0.8 else rng.uniform(0.6, 0.95),
            **how,
        )
        top += room


def scattered(rng: Rng, kit: Kit) -> Sheet:
    """Words of all sizes and turns thrown on a photograph, a pattern or a plain ground."""
    side = 480
    image = kit.backgrounds.photo(rng, side, side) if rng.random() < 0.7 else ground(rng, side, side)
    if rng.random() < 0.3:
        scribble(rng, image, int(rng.integers(1, 10)))
    sheet = Sheet(image)
    taken = np.zeros((side, side), np.uint8)
    for _ in range(int(rng.integers(6, 40))):
        lang = "ko" if rng.random() < 0.55 else "en"
        face = kit.face(rng, lang)
        pen = Pen(face, log_uniform(rng, 9, 130) if rng.random() < 0.9 else log_uniform(rng, 100, 240))
        text = kit.line(rng, face, lang, 1).split(" ")[0]
        mark = pen.mark(text)
        h, w = mark.mask.shape
        if w > side * 1.1:
            continue
        angle = rng.normal(0, 12) if rng.random() < 0.65 else rng.uniform(-35, 35)
        x, y = rng.uniform(0, side), rng.uniform(0, side)
        m = cv2.getRotationMatrix2D((0, 0), angle, 1.0)
        m[:, 2] = (x, y) - m[:, :2] @ (w / 2, h / 2)
        box = np.array(mark.box).reshape(2, 2) - (mark.dx, mark.dy)
        corners = np.array([box[0], (box[1, 0], box[0, 1]), box[1], (box[0, 0], box[1, 1])])
        quad = corners @ m[:, :2].T + m[:, 2]
        if (quad < 0).any() or (quad > side).any():
            continue
        wide = (quad - quad.mean(0)) * 1.06 + quad.mean(0)
        probe = cv2.fillConvexPoly(np.zeros_like(taken), np.round(wide).astype(np.int32), 255)
        if cv2.countNonZero(cv2.bitwise_and(probe, taken)) or not probe.any():
            continue
        taken |= probe
        lo = np.maximum(np.floor(quad.min(0)).astype(int) - 2, 0)
        hi = np.minimum(np.ceil(quad.max(0)).astype(int) + 3, side)
        if (hi <= lo).any():
            continue
        local = m.copy()
        local[:, 2] -= lo
        ink = cv2.warpAffine(mark.mask, local, (int(hi[0] - lo[0]), int(hi[1] - lo[1])))
        colour = contrasting(rng, mean_colour(sheet, lo[0], lo[1], hi[0], hi[1]), 75 if rng.random() < 0.8 else 45)
        if rng.random() < 0.3:
            fat = cv2.dilate(ink, np.ones((3, 3), np.uint8), iterations=int(rng.integers(1, 4)))
            sheet._blend(fat, int(lo[0]), int(lo[1]), contrasting(rng, colour, 80))
        sheet._blend(ink, int(lo[0]), int(lo[1]), colour)
        sheet.add(quad)
    return sheet


def single(rng: Rng, kit: Kit) -> Sheet:
    """One word cut tightly, tiny and enlarged or large: what callers hand in as a crop."""
    lang = "ko" if rng.random() < 0.4 else "en"
    face = kit.face(rng, lang)
    size = log_uniform(rng, 12, 90)
    pen = Pen(face, size, bolder=int(rng.random() < 0.2), spacing=size * float(rng.choice([0, 0, 0.1])))
    text = kit.line(rng, face, lang, 1).split(" ")[0][:12]
    mark = pen.mark(text)
    x0, y0, x1, y1 = mark.box
    margin = rng.uniform(-0.03, 0.45, 4) * pen.height
    w, h = int(x1 - x0 + margin[0] + margin[1]) + 1, int(y1 - y0 + margin[2] + margin[3]) + 1
    w, h = max(w, 8), max(h, 8)
    image = kit.backgrounds.photo(rng, h, w) if rng.random() < 0.35 else ground(rng, h, w)
    sheet = Sheet(image)
    colour = contrasting(rng, mean_colour(sheet, 0, 0, w, h), 70 if rng.random() < 0.8 else 40)
    how: dict[str, Any] = {}
    if rng.random() < 0.25:
        how["outline"] = (contrasting(rng, colour, 70), max(1, int(size * 0.05)))
    if rng.random() < 0.25:
        how["shadow"] = (contrasting(rng, colour, 50), max(1, int(size * 0.06)), 1)
    sheet.write(margin[0] - x0, margin[2] - y0, text, pen, colour, **how)
    return sheet
