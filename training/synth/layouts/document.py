"""Documents and forms."""

from __future__ import annotations

import numpy as np

from training.synth.layouts.ground import draw_panel, ground, log_uniform, tint_of
from training.synth.layouts.kit import Kit
from training.synth.layouts.page import draw_paragraph, draw_table
from training.synth.layouts.things import scribble
from training.synth.sheet import Pen, Sheet, contrasting

__all__ = ["document"]

Rng = np.random.Generator


def document(rng: Rng, kit: Kit) -> Sheet:
    """A printed document or a screen: dense paragraphs in one to three columns, lists, tables, dialogs, code."""
    lang = "ko" if rng.random() < 0.6 else "en"
    width, height = int(rng.integers(420, 760)), int(rng.integers(420, 760))
    dark = rng.random() < 0.25
    image = ground(rng, height, width, tint_of(rng, 5, 60, 8) if dark else tint_of(rng, 215, 255, 8))
    sheet = Sheet(image)
    face = kit.face(rng, lang, mono=0.15)
    size = log_uniform(rng, 8.5, 20)
    leading = rng.uniform(1.2, 1.9)
    colour = contrasting(rng, image[0, 0], 110)
    columns = int(rng.choice([1, 1, 1, 2, 2, 3]))
    edges = np.linspace(width * 0.04, width * 0.96, columns + 1)
    top = size
    if rng.random() < 0.5:
        top = draw_paragraph(
            rng,
            kit,
            sheet,
            Pen(face, size * rng.uniform(1.3, 2.5), bolder=1),
            lang,
            edges[0],
            edges[-1],
            top,
            1,
            1.3,
            0.5 if rng.random() < 0.5 else 0,
            colour,
        )
    for k in range(columns):
        y = top + size
        x0, x1 = edges[k] + 5, edges[k + 1] - 5
        while y < height - size * 2:
            kind = rng.random()
            pen = Pen(face, size, bolder=int(rng.random() < 0.1 and size > 11))
            if kind < 0.7:
                y = draw_paragraph(rng, kit, sheet, pen, lang, x0, x1, y, int(rng.integers(1, 9)), leading, 0, colour)
            elif kind < 0.82:
                y = draw_table(rng, kit, sheet, pen, lang, x0, x1, y + size, colour)
            elif kind < 0.9:
                h = int(size * rng.uniform(2, 6))
                fill = contrasting(rng, image[0, 0], 20)
                if y + h < height - 6 and x1 - x0 > 60:
                    draw_panel(rng, sheet.image, int(x0), int(y + 4), int(x1), int(y + 4 + h), fill)
                    draw_paragraph(
                        rng,
                        kit,
                        sheet,
                        pen,
                        lang,
                        x0 + 6,
                        x1 - 6,
                        y + 4,
                        max(1, int(h / (pen.height * 1.5)) - 1),
                        1.4,
                        0,
                        contrasting(rng, fill, 90),
                    )
                y += h + 8
            else:
                part = sheet.image[int(y) : int(y + size * 4), int(x0) : int(x1)]
                if part.shape[0] > 10 and part.shape[1] > 10:
                    scribble(rng, part, int(rng.integers(1, 5)))
                y += size * 4
            y += size * rng.uniform(0.2, 1.5)
    if rng.random() < 0.12:
        # The moiré of a photographed screen.
        step = int(rng.integers(2, 5))
        sheet.image[::step] = (sheet.image[::step] * rng.uniform(0.6, 0.95)).astype(np.uint8)
    return sheet
