"""Faces to draw with: what each can write, and fonts ready at a size.

WOFF2 files are unpacked to plain TTF once into a cache folder (``training.synth.unpack``). Text is only drawn in
faces whose cmap has all of its characters, so that no glyph turns into a box or into nothing.
"""

from __future__ import annotations

import fnmatch
import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ImageFont

from training.synth.unpack import fonts_of, prepare, unpacked

__all__ = ["EVERYDAY", "MONO", "RESERVED", "Face", "Faces", "prepare_faces"]

# Whole families kept out of training, so that unseen type can be measured.
RESERVED = (
    "NanumSquareRound*", "LINESeedKR-*", "RIDIBatang*", "gowun-batang-*", "KoPubDotum-*", "ibm-plex-sans-kr-*",
    "sunflower-*", "WantedSans-*", "hahmlet-*", "poor-story-*",
)
# Faces that screens, receipts and cards use day by day; drawn more often than the decorative ones.
EVERYDAY = (
    "NotoSansKR*", "Nanum*Gothic*", "nanum-gothic*", "NanumSquare?.*", "NanumSquare_ac*", "Pretendard*", "SUIT*",
    "Spoqa*", "gulim*", "dotum*", "batang*", "D2Coding*", "UnDotum*", "UnBatang*", "gothic-a1*", "NanumMyeongjo*",
    "nanum-myeongjo*", "gowun-dodum*", "NEXON*", "asta-sans*", "KoPubBatang*",
)
# Faces drawn by hand that are still meant to be read: on menus, notes and shop windows. Unevenly drawn letters are the
# hardest of the print that people do read.
BY_HAND = (
    "gaegu*", "gamja-flower*", "hi-melody*", "single-day*", "NanumBarunpen*", "nanum-pen-script*", "UnPen.*",
    "cute-font*", "himnaelaneun*", "stylish*", "yeon-sung*", "BMYEONSUNG*", "BMJUA*", "jua*", "Eunjin.*", "dongle*",
    "kirang*",
)
# Bold cuts: half of all files, but a small part of what is printed.
HEAVY = ("*-[6-9]00*", "*bold*", "*-bd.*", "*black*", "*heavy*")
# Latin faces whose characters are equally wide, as tills, terminals and labels print them.
MONO = (
    "*mono-latin*", "share-tech-mono*", "source-code-pro*", "courier-prime*", "vt323*", "dotgothic16*", "OCR[AB]*",
)
NOT_MONO = ("monoton*", "major-mono*", "*barcode*")


@dataclass(frozen=True)
class Face:
    """A typeface: ``path`` of an unpacked font file, the code points it can draw, its ``script`` (``hangul`` or
    ``latin``) and the ``weight`` with which it is picked."""

    name: str
    path: str
    cmap: frozenset[int]
    script: str
    weight: float = 1.0

    def can_write(self, text: str) -> bool:
        return all(ord(c) in self.cmap or c == " " for c in text)

    def font(self, size: int) -> ImageFont.FreeTypeFont:
        return _font(self.path, size)


@functools.lru_cache(maxsize=1600)
def _font(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


class Faces:
    """All faces of an ingredients folder. ``reserved`` picks the held-out families instead of the training ones."""

    def __init__(self, faces: list[Face]) -> None:
        self.all = faces
        self.named = {f.path: f for f in faces}
        self.hangul = [f for f in faces if f.script == "hangul"]
        self.latin = [f for f in faces if f.script == "latin"]
        self.mono = [f for f in self.latin if _is_mono(f.name)]
        self._weights = {
            "hangul": _cumulative(self.hangul), "latin": _cumulative(self.latin), "all": _cumulative(faces),
            "mono": _cumulative(self.mono),
        }

    @classmethod
    def load(cls, folder: str | Path, *, reserved: bool = False) -> Faces:
        """Faces below ``folder/fonts``: ``hangul``, ``hangul_full`` and ``latin``; of the latin ones every tenth is
        reserved, of the Hangul ones the families of ``RESERVED``."""
        root = Path(folder) / "fonts"
        chosen = _chosen(root, reserved)
        prepare([path for path, _, _ in chosen])
        faces = [Face(path.name, *_ready(path), script, weight) for path, script, weight in chosen]
        if not faces:
            raise FileNotFoundError(
                f"{root}: no fonts there; run training.ingredients, or point --ingredients at a folder of its shape"
            )
        return cls(faces)

    def pick(self, rng: np.random.Generator, text: str, *, script: str | None = None) -> Face | None:
        """A face that can write all of ``text``, by weight; None when a few dozen draws find none. ``script``:
        "hangul", "latin", or "mono" for Latin faces of one width."""
        hangul = any("가" <= c <= "힣" or "ㄱ" <= c <= "ㅣ" for c in text)
        if script is None:
            script = "hangul" if hangul or rng.random() < 0.4 else "latin"
        pool = {"hangul": self.hangul, "latin": self.latin, "mono": self.mono}[script]
        weights = self._weights[script]
        if not pool:
            pool, weights = self.all, self._weights["all"]
        for _ in range(40):
            face = pool[int(np.searchsorted(weights, rng.random() * weights[-1], side="right"))]
            if face.can_write(text):
                return face
        able = [f for f in self.all if f.can_write(text)]
        return able[int(rng.integers(len(able)))] if able else None


def _is_mono(name: str) -> bool:
    return any(fnmatch.fnmatch(name, p) for p in MONO) and not any(fnmatch.fnmatch(name, p) for p in NOT_MONO)


def _weight(name: str) -> float:
    known = 3.0 if any(fnmatch.fnmatch(name, p) for p in EVERYDAY) else 1.0
    if any(fnmatch.fnmatch(name, p) for p in BY_HAND):
        known = max(known, 2.5)
    return known * (0.5 if any(fnmatch.fnmatch(name.lower(), p) for p in HEAVY) else 1.0)


def _ready(path: Path) -> tuple[str, frozenset[int]]:
    out, points = unpacked(path)
    return str(out), points


def _chosen(root: Path, reserved: bool) -> list[tuple[Path, str, float]]:
    """The font files of ``Faces.load``, each with its script and its weight."""
    found: list[tuple[Path, str, float]] = []
    for sub in ("hangul", "hangul_full"):
        faces = [p for p in fonts_of(root / sub) if any(fnmatch.fnmatch(p.name, r) for r in RESERVED) == reserved]
        found += [(path, "hangul", _weight(path.name)) for path in faces]
    latin = fonts_of(root / "latin")
    found += [(path, "latin", _weight(path.name)) for i, path in enumerate(latin) if (i % 10 == 9) == reserved]
    if not reserved and (root / "machine").is_dir():
        # OCRBX draws white on black boxes: no letters that a word could be made of.
        machine = [p for p in sorted((root / "machine").glob("OCR*")) if p.stem != "OCRBX"]
        found += [(path, "latin", 2.0) for path in machine]
    return found


def prepare_faces(folder: str | Path) -> None:
    """Unpacks all faces of an ingredients folder that ``Faces.load`` may ask for, reserved ones too: a trainer does it
    before its clock starts."""
    root = Path(folder) / "fonts"
    prepare([path for reserved in (False, True) for path, _, _ in _chosen(root, reserved)])


def _cumulative(faces: list[Face]) -> np.ndarray:
    return np.cumsum([f.weight for f in faces]) if faces else np.zeros(0)
