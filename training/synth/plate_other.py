"""Lines of text that are no Korean plate, as a plate recognizer meets them: telephone numbers, prices, signs, shop
names, other countries' plates. Its answer to all of them is silence, which is what keeps a scanner from taking them for
plates: a grammar alone finds a plate in any seven figures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr.scanners.plate import parse
from training.synth.fonts import Faces
from training.synth.line import draw_text

__all__ = ["OtherText"]

Rng = np.random.Generator
Grey = NDArray[np.uint8]
_LATIN = "ABCDEFGHJKLMNPRSTUVWXYZ"
_FOREIGN = ("LL00 LLL", "L 0000 LL", "0LLL000", "LLL 0000", "LL-000-LL", "000 LLL", "LLL-00-00", "L00 0000", "00-LL-00")
_NUMBERS = (
    "02-000-0000", "010-0000-0000", "1588-0000", "031)000-0000", "0,000원", "00,000", "000,000원", "2000.00.00",
    "00월 00일", "00:00~00:00", "000", "0000", "00000", "0000000", "00-0000", "0.0t", "00km/h", "000호", "B0 주차장",
    "00시", "제00호", "00%", "No.0000", "00m 앞", "0층 000호", "000-00-00000", "00 0000 0000", "0000-0000", "000번",
)  # fmt: skip


class OtherText:
    """Draws such lines. ``words``: more things that stand on signs."""

    def __init__(self, faces: Faces, words: list[str]) -> None:
        self.faces, self.words = faces, words or ["주차금지", "EXIT", "어린이보호구역"]

    @classmethod
    def load(cls, folder: str | Path, faces: Faces) -> OtherText:
        """With the commonest words of an ingredients folder, if it has any."""
        words: list[str] = []
        for name in ("words_ko.tsv", "words_en.tsv"):
            path = Path(folder) / "text" / name
            if path.is_file():
                rows = path.read_text(encoding="utf-8").splitlines()[:4000]
                words += [w for w in (row.split("\t")[0] for row in rows) if 2 <= len(w) <= 9]
        return cls(faces, words)

    def text(self, rng: Rng) -> str:
        """One that says nothing a plate could say."""
        while True:
            u = rng.random()
            if u < 0.3:
                text = _fill(rng, _FOREIGN[int(rng.integers(len(_FOREIGN)))])
            elif u < 0.65:
                text = _fill(rng, _NUMBERS[int(rng.integers(len(_NUMBERS)))])
            else:
                text = self.words[int(rng.integers(len(self.words)))]
                if rng.random() < 0.5:
                    text += " " + self.words[int(rng.integers(len(self.words)))]
                elif rng.random() < 0.5:
                    text += _fill(rng, "0" * int(rng.integers(1, 5)))
                text = text.upper() if rng.random() < 0.5 else text
            if parse(text) is None:
                return text

    def sample(self, rng: Rng) -> Grey:
        """A picture uint8 ``[h, w]`` of a line, cut as loosely as a detector cuts, not yet worn by a camera."""
        ink = None
        while ink is None:
            text = self.text(rng)
            face = self.faces.pick(rng, text)
            ink = draw_text(text, face, 40) if face is not None else None
        mask = ink.mask.astype(np.float32)
        squeeze = float(rng.uniform(0.55, 1.2))
        height = int(rng.integers(24, 40))
        width = max(12, min(round(mask.shape[1] * squeeze * height / mask.shape[0]), 480))
        mask = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)
        ground = float(rng.uniform(0, 255))
        other = float(rng.uniform(0, 255))
        while abs(other - ground) < 60:
            other = float(rng.uniform(0, 255))
        left, right = (round(float(np.clip(rng.normal(0.15, 0.2), -0.05, 0.8)) * height) for _ in range(2))
        top, bottom = (round(float(np.clip(rng.normal(0.1, 0.1), -0.05, 0.5)) * height) for _ in range(2))
        size = (height + max(top, 0) + max(bottom, 0), width + max(left, 0) + max(right, 0))
        canvas = np.full(size, ground, np.float32)
        part = canvas[max(top, 0) : max(top, 0) + height, max(left, 0) : max(left, 0) + width]
        part += (other - part) * mask
        if rng.random() < 0.35:  # a sign's or a plate's frame
            h, w = canvas.shape
            cv2.rectangle(canvas, (1, 1), (w - 2, h - 2), float(rng.choice([other, 0, 255])), int(rng.integers(1, 4)))
        shear = float(rng.normal(0, 0.12))
        matrix = np.array([[1, shear, -shear * canvas.shape[0] / 2], [float(rng.normal(0, 0.02)), 1, 0]], np.float32)
        canvas = cv2.warpAffine(canvas, matrix, canvas.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
        return np.clip(canvas, 0, 255).astype(np.uint8)


def _fill(rng: Rng, form: str) -> str:
    out = []
    for c in form:
        if c == "0":
            out.append(str(int(rng.integers(10))))
        else:
            out.append(_LATIN[int(rng.integers(len(_LATIN)))] if c == "L" else c)
    return "".join(out)
