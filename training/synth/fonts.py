"""Faces to draw with: what each can write, and fonts ready at a size.

WOFF2 files are unpacked to plain TTF once into a cache folder, because FreeType would otherwise decompress the
whole file for every size. Text is only drawn in faces whose cmap has all of its characters, so that no glyph turns
into a box or into nothing.
"""

from __future__ import annotations

import fnmatch
import functools
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import ImageFont

if TYPE_CHECKING:
    from fontTools.ttLib import TTFont

__all__ = ["EVERYDAY", "RESERVED", "Face", "Faces", "cache_dir", "drawable"]

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


def cache_dir() -> Path:
    """Where unpacked faces are kept: ``EDGE_OCR_CACHE``, or the user's cache folder."""
    if own := os.environ.get("EDGE_OCR_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge_ocr"


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


def drawable(font: TTFont) -> list[int]:
    """The code points that ``font`` maps to a glyph with an outline: a face may map a character to an empty one, and
    it would be drawn as nothing."""
    glyphs = font.getGlyphSet()
    cmap = font.getBestCmap() or {}
    if "glyf" in font:
        table = font["glyf"]
        return [c for c, g in cmap.items() if table[g].numberOfContours != 0]
    return [c for c, g in cmap.items() if g in glyphs]


def _unpack(path: Path, out: Path) -> frozenset[int]:
    from fontTools.ttLib import TTFont

    font = TTFont(path)
    points = drawable(font)
    font.flavor = None
    temp = out.with_suffix(f".tmp{os.getpid()}")
    font.save(temp)
    temp.replace(out)
    out.with_suffix(".json").write_text(json.dumps(points))
    return frozenset(points)


def _load_face(path: Path, script: str, weight: float) -> Face:
    key = hashlib.sha256(f"1:{path.name}:{path.stat().st_size}".encode()).hexdigest()[:16]
    out = cache_dir() / "faces" / f"{path.stem}-{key}.font"
    if out.with_suffix(".json").exists() and out.exists():
        points = frozenset(json.loads(out.with_suffix(".json").read_text()))
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        points = _unpack(path, out)
    return Face(path.name, str(out), points, script, weight)


class Faces:
    """All faces of an ingredients folder. ``reserved`` picks the held-out families instead of the training ones."""

    def __init__(self, faces: list[Face]) -> None:
        self.all = faces
        self.hangul = [f for f in faces if f.script == "hangul"]
        self.latin = [f for f in faces if f.script == "latin"]
        self._weights = {
            "hangul": _cumulative(self.hangul), "latin": _cumulative(self.latin), "all": _cumulative(faces),
        }

    @classmethod
    def load(cls, folder: str | Path, *, reserved: bool = False) -> Faces:
        """Faces below ``folder/fonts``: ``hangul``, ``hangul_full`` and ``latin``; of the latin ones every tenth is
        reserved, of the Hangul ones the families of ``RESERVED``."""
        root = Path(folder) / "fonts"
        faces: list[Face] = []
        for sub in ("hangul", "hangul_full"):
            for path in sorted(p for p in (root / sub).glob("*") if p.suffix in (".woff2", ".ttf", ".otf")):
                held = any(fnmatch.fnmatch(path.name, p) for p in RESERVED)
                if held != reserved:
                    continue
                everyday = any(fnmatch.fnmatch(path.name, p) for p in EVERYDAY)
                faces.append(_load_face(path, "hangul", 4.0 if everyday else 1.0))
        latin = sorted(p for p in (root / "latin").glob("*") if p.suffix in (".woff2", ".ttf", ".otf"))
        for i, path in enumerate(latin):
            if (i % 10 == 9) == reserved:
                faces.append(_load_face(path, "latin", 1.0))
        if not reserved and (root / "machine").is_dir():
            # OCRBX draws white on black boxes: no letters that a word could be made of.
            machine = [p for p in sorted((root / "machine").glob("OCR*")) if p.stem != "OCRBX"]
            faces += [_load_face(p, "latin", 2.0) for p in machine]
        if not faces:
            raise FileNotFoundError(
                f"{root}: no fonts there; run training.ingredients, or point --ingredients at a folder of its shape"
            )
        return cls(faces)

    def pick(self, rng: np.random.Generator, text: str, *, script: str | None = None) -> Face | None:
        """A face that can write all of ``text``, by weight; None when a few dozen draws find none."""
        hangul = any("가" <= c <= "힣" or "ㄱ" <= c <= "ㅣ" for c in text)
        if script is None:
            script = "hangul" if hangul or rng.random() < 0.4 else "latin"
        pool = self.hangul if script == "hangul" else self.latin
        weights = self._weights[script]
        if not pool:
            pool, weights = self.all, self._weights["all"]
        for _ in range(40):
            face = pool[int(np.searchsorted(weights, rng.random() * weights[-1], side="right"))]
            if face.can_write(text):
                return face
        able = [f for f in self.all if f.can_write(text)]
        return able[int(rng.integers(len(able)))] if able else None


def _cumulative(faces: list[Face]) -> np.ndarray:
    return np.cumsum([f.weight for f in faces]) if faces else np.zeros(0)
