"""Till receipts."""

from __future__ import annotations

import cv2
import numpy as np

from training.synth.layouts.ground import ground, log_uniform, make_texture, pick_printer, tint_of
from training.synth.layouts.kit import ITEMS_EN, ITEMS_KO, Kit
from training.synth.layouts.things import bars, draw_dust, scribble
from training.synth.sheet import Pen, Sheet

__all__ = ["receipt"]

Rng = np.random.Generator


def _separator(rng: Rng, sheet: Sheet, pen: Pen, x0: float, x1: float, y: float) -> None:
    kind = rng.random()
    if kind < 0.7:
        sign = str(rng.choice(["-", "-", "=", "*", ".", "_", "~", "- ", "* "]))
        if not pen.face.can_write(sign):
            sign = "-"
        step = max(2.0, pen.width(sign))
        text = (sign * max(1, int((x1 - x0) / step))).rstrip()
        sheet.write(x0, y, text.replace(" ", "-") if sign == "- " else text, pen, (0, 0, 0), label=False)
        return
    mark = np.full((1 + int(rng.random() < 0.3), max(1, int(x1 - x0))), 255, np.uint8)
    if kind < 0.9:
        step = int(rng.integers(3, 10))
        mark[:, np.arange(mark.shape[1]) % step < max(1, step // 3)] = 0
    sheet._blend(mark, int(x0), int(y + pen.top / 2), (0, 0, 0))


def receipt(rng: Rng, kit: Kit) -> Sheet:
    """A till receipt or a slip: header, rules, columns of items and prices, totals, foot; condensed, wide and
    double-height type as printers have them, letters apart, faint or broken print."""
    lang = "ko" if rng.random() < 0.55 else "en"
    face = kit.face(rng, lang, mono=0.6)
    size = log_uniform(rng, 9.5, 28) if rng.random() < 0.9 else log_uniform(rng, 26, 48)
    wide = float(rng.choice([1.0, 1.0, 1.0, 0.7, 0.8, 0.6, 1.2]))
    plain = Pen(face, size, wide=wide, spacing=float(rng.choice([0, 0, 0.08, 0.15])) * size)
    big = Pen(face, size, wide=wide * float(rng.choice([1.0, 1.6, 2.0])), tall=float(rng.choice([1.3, 1.7, 2.0])))
    bold = Pen(
        kit.face(rng, lang) if rng.random() < 0.3 else face,
        size * rng.uniform(1.0, 1.3),
        wide=wide,
        bolder=1 if size > 12 else 0,
    )
    small = Pen(face, max(7.0, size * 0.8), wide=wide)
    em = plain.width("00" if lang == "en" else kit.fit(face, "가나")) / 2
    width = int(np.clip(em * rng.uniform(18, 34), 260, 1000))
    height = int(np.clip(width * rng.uniform(0.7, 1.8), 300, 1100))
    paper = tint_of(rng, 205, 255, 8) if rng.random() < 0.85 else tint_of(rng, 120, 220, 25)
    image = ground(rng, height, width, paper)
    sheet = Sheet(image)
    sheet.collect_ink()
    left, right = width * rng.uniform(0.01, 0.12), width * rng.uniform(0.88, 0.99)
    leading = rng.uniform(1.12, 1.9)
    y = size * rng.uniform(1.2, 4)
    column = width * rng.uniform(0.45, 0.62)
    gap = plain.space * float(rng.choice([1.0, 1.0, 1.5, 0.8, 2.0]))
    ink = (int(rng.integers(0, 90)),) * 3 if rng.random() < 0.85 else tint_of(rng, 30, 110, 60)

    def word(count: int) -> str:
        if rng.random() < 0.35:
            return kit.fit(face, str(rng.choice(ITEMS_KO if lang == "ko" else ITEMS_EN)))
        return kit.line(rng, face, lang, count)

    def number() -> str:
        return kit.fit(face, kit.words.number(rng))

    while y < height - size:
        kind = rng.random()
        pen = plain if kind < 0.72 else bold if kind < 0.82 else big if kind < 0.9 else small
        y += pen.height * leading - plain.height * 0.1
        if y > height - 4:
            break
        row = rng.random()
        if row < 0.12:
            _separator(rng, sheet, plain, left, right, y)
        elif row < 0.28:
            text = word(int(rng.integers(1, 5)))
            x = (left + right - pen.width(text, gap)) / 2
            sheet.write(max(left, x), y, text, pen, ink, gap=gap)
        elif row < 0.52:
            text = word(int(rng.integers(1, 4)))
            if rng.random() < 0.2:
                text += " :" if rng.random() < 0.5 else ":"
            sheet.write(left, y, text, pen, ink, gap=gap)
            value = number()
            start = right - pen.width(value)
            if start > left + pen.width(text, gap) + gap:
                sheet.write(start, y, value, pen, ink)
            else:
                y += pen.height * leading
                sheet.write(right - pen.width(value), y, value, pen, ink)
        elif row < 0.75:
            text = word(int(rng.integers(1, 3)))
            end = sheet.write(left, y, text, pen, ink, gap=gap)
            stops = np.linspace(column, right, int(rng.integers(2, 4)))
            for stop in stops:
                value = number() if rng.random() < 0.85 else word(1)
                start = stop - pen.width(value)
                if start > end + gap:
                    end = sheet.write(start, y, value, pen, ink)
        elif row < 0.83:
            # 합    계, T O T A L: letters far apart are regions of their own, near ones are one word.
            text = word(1).replace(" ", "")[: int(rng.integers(2, 6))]
            space = rng.uniform(0.15, 2.5) * pen.height
            if space > 0.55 * pen.height:
                end = sheet.write(left, y, " ".join(text), pen, ink, gap=space)
            else:
                spaced = Pen(pen.face, pen.size, pen.wide, pen.tall, space)
                end = sheet.write(left, y, text, spaced, ink)
            value = number()
            if right - pen.width(value) > end + gap:
                sheet.write(right - pen.width(value), y, value, pen, ink)
        elif row < 0.96:
            sheet.write(
                left + (plain.height if rng.random() < 0.3 else 0),
                y,
                kit.line(rng, pen.face, lang, int(rng.integers(2, 7))),
                pen,
                ink,
                gap=gap,
            )
        elif row < 0.98:
            bars(rng, image, int(left), int(y), int((right - left) * 0.8), int(size * 3))
            y += size * 3
        else:
            y += size * rng.uniform(1, 3)
    sheet.print_ink(ink, pick_printer(rng))
    if rng.random() < 0.3:
        draw_dust(rng, sheet.image)
    if rng.random() < 0.15:
        scribble(rng, sheet.image, int(rng.integers(1, 3)))
    if rng.random() < 0.35:
        folds = make_texture(rng, height, width, rng.uniform(0.55, 0.9))
        sheet.image = cv2.multiply(sheet.image, cv2.merge([folds] * 3), scale=1 / 255)
    return sheet
