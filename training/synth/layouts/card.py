"""Cards: fields, patterns, machine-readable zones."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.synth.layouts.ground import ground, mean_colour, tint_of
from training.synth.layouts.kit import FIELDS_KO, Kit
from training.synth.sheet import Pen, Sheet, contrasting

__all__ = ["card"]

Rng = np.random.Generator


def _guilloche(rng: Rng, image: NDArray[np.uint8]) -> None:
    """The fine wave patterns of identity papers."""
    h, w = image.shape[:2]
    for _ in range(int(rng.integers(1, 4))):
        colour = tuple(int(c) for c in np.clip(image[h // 2, w // 2].astype(int) + rng.integers(-70, 40, 3), 0, 255))
        count, amp, freq = int(rng.integers(8, 40)), rng.uniform(4, 60), rng.uniform(0.5, 5)
        x = np.linspace(0, w, 48)
        if rng.random() < 0.6:
            spread, slope = rng.uniform(3, h / count * 1.5 + 3), rng.normal(0, 0.3)
            base = rng.uniform(-0.2, 0.8) * h
            for k in range(count):
                wave = base + k * spread + slope * x + amp * np.sin(freq * x / w * 6.28 + k * rng.uniform(0, 0.1))
                cv2.polylines(image, [np.stack([x, wave], 1).astype(np.int32)], False, colour, 1, cv2.LINE_AA)
        else:
            cx, cy = int(rng.integers(w)), int(rng.integers(h))
            for k in range(count):
                cv2.ellipse(
                    image,
                    (cx, cy),
                    (int(k * rng.uniform(2, 6)) + 3, k * 4 + 3),
                    k * rng.uniform(0, 10),
                    0,
                    360,
                    colour,
                    1,
                    cv2.LINE_AA,
                )


def card(rng: Rng, kit: Kit) -> Sheet:
    """An identity card, a name card, a ticket or a passport page: fields over fine patterns, a portrait, a seal, now
    and then the lines that machines read."""
    lang = "ko" if rng.random() < 0.75 else "en"
    width = int(rng.integers(400, 720))
    height = int(width * rng.uniform(0.55, 0.75))
    image = ground(rng, height, width, tint_of(rng, 170, 250, 25) if rng.random() < 0.85 else None)
    if rng.random() < 0.75:
        _guilloche(rng, image)
    if rng.random() < 0.3:
        photo = kit.backgrounds.photo(rng, height, width)
        image = cv2.addWeighted(image, 0.75, photo, 0.25, 0)
    sheet = Sheet(image)
    face = kit.face(rng, lang)
    colour = contrasting(rng, mean_colour(sheet, 0, 0, width, height), 110)
    size = height * rng.uniform(0.03, 0.065)
    x0, x1 = width * rng.uniform(0.04, 0.12), width * rng.uniform(0.5, 0.66)
    portrait = rng.random() < 0.8
    if portrait:
        pw, ph = int(width * rng.uniform(0.2, 0.3)), int(height * rng.uniform(0.4, 0.58))
        px, py = (int(x1 + width * 0.03), int(height * rng.uniform(0.06, 0.25)))
        pw = min(pw, width - px - 4)
        face_picture = kit.backgrounds.photo(rng, ph, pw)
        cv2.ellipse(face_picture, (pw // 2, ph // 2), (pw // 4, ph // 4), 0, 0, 360, tint_of(rng, 90, 220, 30), -1)
        sheet.image[py : py + ph, px : px + pw] = face_picture
    y = height * rng.uniform(0.04, 0.12)
    title = Pen(
        kit.face(rng, lang),
        size * rng.uniform(1.3, 2.2),
        spacing=float(rng.choice([0, 2, 6, 12])),
        bolder=int(rng.random() < 0.3),
    )
    text = str(rng.choice(FIELDS_KO)) if lang == "ko" else kit.words.word(rng, "en").upper()
    text = kit.fit(title.face, text)
    y += title.height
    sheet.write(x0 + rng.uniform(0, 0.2) * width * (title.width(text) < (x1 - x0) * 0.8), y, text, title, colour)
    if rng.random() < 0.3 and lang == "ko":
        sub = Pen(face, size * 0.7)
        y += sub.height * 1.6
        sheet.write(x0, y, kit.line(rng, face, "en", 2), sub, colour)
    machine = rng.random() < 0.2
    floor = height * (0.78 if machine else 0.97)
    while y < floor - size * 1.8:
        pen = Pen(
            face,
            size * rng.uniform(0.75, 1.35),
            spacing=float(rng.choice([0, 0, 1, 2])),
            bolder=int(rng.random() < 0.2),
        )
        kind = rng.random()
        if kind < 0.25:
            text = f"{rng.integers(100000, 999999)}-{rng.integers(1000000, 9999999)}"
        elif kind < 0.4:
            text = f"{rng.integers(1990, 2030)}. {rng.integers(1, 13)}. {rng.integers(1, 29)}."
        elif kind < 0.5:
            text = (
                f"{rng.integers(11, 29)}-{rng.integers(10, 99)}-{rng.integers(100000, 999999)}-{rng.integers(10, 99)}"
            )
        elif kind < 0.6:
            text = kit.words.word(rng, "ko" if lang == "ko" else "en") + " : " + kit.words.word(rng, lang)
        else:
            text = kit.words.phrase(rng, lang, int(rng.integers(1, 5)))
        text = kit.fit(face, text)
        limit = (width * 0.97 if y > height * 0.72 else x1) - x0
        while pen.width(text) > limit and " " in text:
            text = text.rsplit(" ", 1)[0]
        y += pen.height * rng.uniform(1.25, 2.2)
        if y > floor:
            break
        if pen.width(text) <= limit:
            shift = (limit - pen.width(text)) * float(rng.choice([0, 0, 0, 0.5, rng.random()]))
            sheet.write(x0 + shift, y, text, pen, colour)
    if rng.random() < 0.5:
        s = int(height * rng.uniform(0.1, 0.2))
        sx, sy = int(rng.integers(width // 2, width - s)), int(rng.integers(int(height * 0.6), height - s))
        seal = (int(rng.integers(140, 230)), int(rng.integers(20, 90)), int(rng.integers(20, 90)))
        cv2.rectangle(sheet.image, (sx, sy), (sx + s, sy + s), seal, max(1, s // 14))
        for _ in range(5):
            a, b = rng.integers(0, s, 2)
            cv2.line(
                sheet.image, (sx + int(a), sy + int(b)), (sx + int(rng.integers(s)), sy + int(b)), seal, max(1, s // 12)
            )
    if machine:
        signs = list("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789<<<<<<<<<<<<<<<<")
        face = kit.face(rng, "en", mono=1.0)
        pen = Pen(face, 10)
        for _ in range(3):
            pen = Pen(face, pen.size * width * 0.92 / max(1.0, pen.width(kit.fit(face, "0" * 40))))
        y = height * 0.8
        for _ in range(2):
            text = kit.fit(face, "".join(rng.choice(signs, 40)))
            y += pen.height * rng.uniform(1.4, 1.9)
            if y < height - 2:
                sheet.write(width * 0.04, y, text, pen, (20, 20, 20))
    return sheet
