"""Shop pages and screens."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from training.synth.layouts.ground import draw_panel, ground, log_uniform, mean_colour, tint_of
from training.synth.layouts.kit import Kit
from training.synth.layouts.things import draw_goods, scribble
from training.synth.sheet import Colour, Pen, Sheet, contrasting

__all__ = ["draw_paragraph", "draw_table", "page"]

Rng = np.random.Generator


def draw_paragraph(
    rng: Rng,
    kit: Kit,
    sheet: Sheet,
    pen: Pen,
    lang: str,
    x0: float,
    x1: float,
    y: float,
    lines: int,
    leading: float,
    align: float,
    colour: Colour,
    **how: Any,
) -> float:
    """Up to ``lines`` lines between x0 and x1 from y down; ``align`` 0 left, 0.5 centre, 1 right. Returns the next
    y."""
    gap = pen.space * rng.uniform(0.65, 1.25)
    mark = str(rng.choice(["", "", "", "- ", "* ", "· ", "※ ", "1. ", "→ "]))
    for i in range(lines):
        y += pen.height * leading
        if y + pen.bottom > sheet.height - 2:
            break
        words: list[str] = []
        used = 0.0
        room = (x1 - x0) * (rng.uniform(0.3, 1.0) if align or i == lines - 1 or rng.random() < 0.3 else 1.0)
        while len(words) < 24:
            word = kit.fit(pen.face, kit.words.word(rng, "en" if lang == "ko" and rng.random() < 0.05 else lang))
            if " " in word:
                word = word.split(" ")[0]
            if not words and mark and rng.random() < 0.4:
                word = kit.fit(pen.face, mark + word)
            step = pen.width(word) + (gap if words else 0)
            if used + step > room and words:
                break
            words.append(word)
            used += step
            if used > room:
                break
        if used <= (x1 - x0) * 1.02:
            sheet.write(x0 + (x1 - x0 - used) * align, y, " ".join(words), pen, colour, gap=gap, **how)
    return y


def _list(
    rng: Rng, kit: Kit, sheet: Sheet, pen: Pen, lang: str, x0: float, x1: float, y: float, lines: int, colour: Colour
) -> float:
    """Small print that runs on without spaces, line under tight line: ingredients, terms, notes. Returns the next y."""
    leading = rng.uniform(1.02, 1.4)
    glue = [",", ",", "·", "/", "", "", "-"]
    spaced = rng.random() * 0.35
    for i in range(lines):
        y += pen.height * leading
        if y + pen.bottom > sheet.height - 2:
            break
        text, room = "", (x1 - x0) * (rng.uniform(0.2, 0.9) if i == lines - 1 else 1.0)
        while True:
            word = kit.fit(pen.face, kit.words.word(rng, lang)).split(" ")[0]
            joint = " " if rng.random() < spaced else str(rng.choice(glue))
            longer = text + (joint if text else "") + word
            if pen.width(longer) > room or len(longer) > 120:
                break
            text = longer
        if text and pen.face.can_write(text):
            sheet.write(x0, y, text, pen, colour)
    return y


def page(rng: Rng, kit: Kit) -> Sheet:
    """A shop page or a poster: big titles, paragraphs, buttons, tables and pictures on plain, graded or photographic
    ground, dark on light or light on dark."""
    lang = "ko" if rng.random() < 0.75 else "en"
    width, height = int(rng.integers(400, 820)), int(rng.integers(400, 820))
    kind = rng.random()
    if kind < 0.5:
        image = ground(rng, height, width, tint_of(rng, 225, 255, 14))
    elif kind < 0.72:
        image = ground(rng, height, width, tint_of(rng, 0, 70, 30) if rng.random() < 0.6 else None)
    else:
        image = kit.backgrounds.photo(rng, height, width)
        veil = ground(rng, height, width, tint_of(rng, 0, 60) if rng.random() < 0.6 else tint_of(rng, 200, 255))
        image = cv2.addWeighted(image, a := rng.uniform(0.15, 0.9), veil, 1 - a, 0)
    sheet = Sheet(image)
    body = kit.face(rng, lang)
    head = kit.face(rng, lang) if rng.random() < 0.5 else body
    size = log_uniform(rng, 9, 30)
    left, right = width * rng.uniform(0.02, 0.12), width * rng.uniform(0.88, 0.98)
    align = float(rng.choice([0, 0.5, 0.5, 0]))
    leading = rng.uniform(1.25, 2.3)
    y = size * rng.uniform(0.3, 2)
    while y < height - size:
        block = rng.random()
        ground_here = mean_colour(sheet, left, y, right, y + size * 4)
        least = 70 if kind < 0.72 else 95
        colour = contrasting(rng, ground_here, least if rng.random() < 0.85 else 45)
        how: dict[str, Any] = {}
        if (kind >= 0.72 and rng.random() < 0.5) or rng.random() < 0.06:
            how["shadow"] = (contrasting(rng, colour, 90), int(rng.integers(0, 4)), int(rng.integers(0, 3)))
        if rng.random() < 0.08:
            how["outline"] = (contrasting(rng, colour, 80), int(rng.integers(1, 4)))
        if block < 0.26:
            pen = Pen(
                head,
                size * log_uniform(rng, 1.3, 4.5),
                bolder=int(rng.random() < 0.15),
                wide=rng.uniform(0.85, 1.1),
                spacing=float(rng.choice([0, 0, -0.5, 1, 4])),
                slant=float(rng.choice([0, 0, 0, 0.2])),
            )
            y = draw_paragraph(
                rng,
                kit,
                sheet,
                pen,
                lang,
                left,
                right,
                y,
                int(rng.integers(1, 3)),
                rng.uniform(1.15, 1.6),
                align,
                colour,
                **how,
            )
            y += pen.height * 0.3
        elif block < 0.38:
            pen = Pen(body, max(8.0, size * rng.uniform(0.55, 0.9)), spacing=float(rng.choice([0, 0, -0.5])))
            y = _list(rng, kit, sheet, pen, lang, left, right, y, int(rng.integers(3, 14)), colour)
        elif block < 0.62:
            pen = Pen(body, size * rng.uniform(0.8, 1.15), spacing=float(rng.choice([0, 0, 0, -0.4, 0.8])))
            y = draw_paragraph(
                rng, kit, sheet, pen, lang, left, right, y, int(rng.integers(1, 8)), leading, align, colour, **how
            )
        elif block < 0.72:
            pen = Pen(body, size * rng.uniform(0.8, 1.3))
            text = kit.line(rng, body, lang, int(rng.integers(1, 4)))
            w = pen.width(text)
            if w < right - left - size:
                fill = contrasting(rng, ground_here, 25)
                x = left + (right - left - w) * align
                pad = pen.height * rng.uniform(0.15, 0.9)
                top = y + size
                draw_panel(
                    rng, sheet.image, int(x - pad), int(top - pad), int(x + w + pad), int(top + pen.height + pad), fill
                )
                sheet.write(x, top - pen.top, text, pen, contrasting(rng, fill, 80))
                y = top + pen.height + 2 * pad
        elif block < 0.8:
            y = draw_table(
                rng, kit, sheet, Pen(body, size * rng.uniform(0.75, 1.0)), lang, left, right, y + size, colour
            )
        elif block < 0.91:
            h = int(min(height - y, size * rng.uniform(3, 12)))
            if h > 8:
                x0, x1 = sorted(int(v) for v in rng.uniform(left, right, 2))
                if x1 - x0 > 30:
                    picture = kit.backgrounds.photo(rng, h, x1 - x0)
                    if rng.random() < 0.3:
                        scribble(rng, picture, int(rng.integers(2, 9)))
                    sheet.image[int(y + 4) : int(y + 4) + h, x0:x1] = picture[: max(0, height - int(y + 4))]
                    if rng.random() < 0.4:
                        _on_picture(rng, kit, sheet, lang, x0, int(y + 4), x1, int(y + 4) + h)
                y += h + 6
        elif block < 0.96:
            part = sheet.image[int(y) : int(y + size * 5)]
            if part.shape[0] > 10 and rng.random() < 0.4:
                scribble(rng, part, int(rng.integers(1, 6)))
            elif part.shape[0] > 10:
                draw_goods(rng, part, kit, int(rng.integers(1, 7)))
            y += size * 5
        else:
            y += size * 2
        y += size * rng.uniform(0.2, 2.0)
    return sheet


def _on_picture(rng: Rng, kit: Kit, sheet: Sheet, lang: str, x0: int, y0: int, x1: int, y1: int) -> None:
    pen = Pen(kit.face(rng, lang), log_uniform(rng, 9, 40))
    text = kit.line(rng, pen.face, lang, 1).split(" ")[0]
    w = pen.width(text)
    if w < x1 - x0 - 6 and pen.height * 1.6 < y1 - y0:
        x = rng.uniform(x0 + 2, x1 - w - 2)
        y = rng.uniform(y0 + pen.height * 1.2, y1 - pen.height * 0.4)
        sheet.write(x, y, text, pen, contrasting(rng, mean_colour(sheet, x, y + pen.top, x + w, y), 90))


def draw_table(
    rng: Rng, kit: Kit, sheet: Sheet, pen: Pen, lang: str, x0: float, x1: float, y: float, colour: Colour
) -> float:
    """Rows and columns with or without rules; returns the next y."""
    columns, rows = int(rng.integers(2, 6)), int(rng.integers(2, 7))
    pitch = pen.height * rng.uniform(1.35, 2.6)
    stops = np.linspace(x0, x1, columns + 1)
    ruled = rng.random()
    for _ in range(rows):
        if y + pitch > sheet.height - 2:
            break
        if ruled < 0.6:
            cv2.line(sheet.image, (int(x0), int(y)), (int(x1), int(y)), colour, 1)
        if ruled < 0.35:
            for stop in stops:
                cv2.line(sheet.image, (int(stop), int(y)), (int(stop), int(y + pitch)), colour, 1)
        for k in range(columns):
            text = (
                kit.fit(pen.face, kit.words.number(rng))
                if k and rng.random() < 0.5
                else kit.line(rng, pen.face, lang, int(rng.integers(1, 3)))
            )
            room = stops[k + 1] - stops[k] - 6
            while pen.width(text) > room and " " in text:
                text = text.rsplit(" ", 1)[0]
            if pen.width(text) <= room:
                at = stops[k] + 3 + (room - pen.width(text)) * (0.5 if ruled < 0.3 else 0.0)
                sheet.write(at, y + pitch / 2 - (pen.top + pen.bottom) / 2, text, pen, colour)
        y += pitch
    if ruled < 0.6:
        cv2.line(sheet.image, (int(x0), int(y)), (int(x1), int(y)), colour, 1)
    return y
