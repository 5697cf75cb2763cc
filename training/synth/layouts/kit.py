"""What layouts draw with: words to write, faces to write them in, pictures to write them on."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.synth.layouts.ground import ground
from training.synth.sheet import Typeface

__all__ = ["Backgrounds", "FIELDS_KO", "ITEMS_EN", "ITEMS_KO", "Kit", "Words"]

Rng = np.random.Generator


_MONO = (
    "mono",
    "cour",
    "cousine",
    "inconsolata",
    "coding",
    "vt323",
    "d2",
    "galmuri",
    "neodgm",
    "cutive",
    "ocr",
    "press-start",
    "dotgothic",
    "special-elite",
    "gulim",
    "dotum",
    "share-tech",
)
# fmt: off
ITEMS_EN = [
    "TOTAL", "SUBTOTAL", "CASH", "CHANGE", "TAX", "GST", "AMOUNT", "QTY", "ITEM", "PRICE", "INVOICE", "RECEIPT",
    "TEL", "DATE", "TIME", "ROUNDING", "TABLE", "NO.", "SR", "RM", "VISA",
]
ITEMS_KO = [
    "합계", "금액", "수량", "단가", "메뉴명", "상품명", "주문번호", "테이블", "부가세", "과세물품가액", "받을금액",
    "받은금액", "거스름돈", "결제금액", "신용카드", "승인번호", "대표", "전화", "주소", "사업자번호", "영수증",
    "배달비", "할인",
]
FIELDS_KO = [
    "주민등록증", "운전면허증", "외국인등록증", "성명", "주소", "발급일", "국적", "면허번호", "갱신기간", "조건",
    "체류자격", "생년월일", "서울특별시장", "경찰청장", "구청장", "여권",
]
# fmt: on


class Words:
    """Words to write. ``ko``, ``en``: word lists; ``phrases``: Korean names and addresses with spaces."""

    def __init__(self, ko: list[str], en: list[str], phrases: list[str]) -> None:
        self.ko, self.en, self.phrases = ko, en, phrases or ko

    @classmethod
    def load(cls, folder: str | Path) -> Words:
        """From ``folder/text``: ``words_*.tsv``, ``subtitles_ko.tsv``, ``names_ko.txt``, ``addresses_ko.txt``."""
        root = Path(folder) / "text"

        def first(name: str, most: int) -> list[str]:
            path = root / name
            if not path.exists():
                return []
            lines = path.read_text(encoding="utf-8").splitlines()
            words = [line.split("\t")[0].strip() for line in lines]
            return [w for w in words if w][:most]

        ko = first("subtitles_ko.tsv", 30000) + first("words_ko.tsv", 15000)
        en = [w for w in first("words_en.tsv", 20000) if w.isascii()]
        if not ko and not en:
            raise FileNotFoundError(
                f"{root}: no word lists; run training.ingredients, or point --ingredients at a folder of its shape"
            )
        return cls(ko or en, en or ko, first("names_ko.txt", 60000) + first("addresses_ko.txt", 20000))

    def word(self, rng: Rng, lang: str) -> str:
        """One word without spaces, now and then a number or a mark."""
        kind = rng.random()
        if kind < 0.13:
            return self.number(rng)
        if lang == "ko" and kind > 0.08:
            word = self.ko[int(len(self.ko) * rng.random() ** 1.5)]
            if kind > 0.88:
                phrase = self.phrases[int(rng.integers(len(self.phrases)))].split(" ")
                word = phrase[int(rng.integers(len(phrase)))] or word
            if kind > 0.98:
                word = str(rng.choice(ITEMS_KO))
        else:
            word = self.en[int(len(self.en) * rng.random() ** 2)]
            style = rng.random()
            word = word.upper() if style < 0.3 else word.capitalize() if style < 0.6 else word
        tail = rng.random()
        if tail < 0.08:
            word += str(rng.choice([".", ",", "!", "?", ":", "...", "~"]))
        elif tail < 0.12:
            a, b = [("(", ")"), ("[", "]"), ('"', '"'), ("<", ">"), ("'", "'")][int(rng.integers(5))]
            word = a + word + b
        elif tail < 0.14:
            word = str(rng.choice(["*", "-", "#", "·", "※"])) + word
        return word

    def number(self, rng: Rng) -> str:
        """A number as print has them: prices, dates, times, phones, codes, amounts with units."""
        n = int(10 ** rng.uniform(0, 6.5))
        kinds = (
            f"{n:,}",
            f"{n:,}원",
            f"{n % 100000 / 100:.2f}",
            f"${n % 10000 / 100:.2f}",
            f"{n % 100}",
            f"{n % 10}",
            f"20{n % 30:02d}-{n % 12 + 1:02d}-{n % 28 + 1:02d}",
            f"{n % 28 + 1:02d}/{n % 12 + 1:02d}/20{n % 30:02d}",
            f"{n % 24:02d}:{n % 60:02d}",
            f"{n % 24:02d}:{n % 60:02d}:{n % 59:02d}",
            f"02-{n % 9000 + 1000}-{n % 8999 + 1000}",
            f"010-{n % 9000 + 1000}-{n % 8999 + 1000}",
            f"{n % 100}%",
            f"{n % 1000}g",
            f"{n % 100}개",
            f"No.{n % 10000}",
            f"{n % 999:03d}-{n % 99:02d}-{n % 99999:05d}",
            f"#{n}",
            f"{n:09d}",
            f"({n % 1000})",
            f"-{n:,}",
        )
        return kinds[int(rng.integers(len(kinds)))]

    def phrase(self, rng: Rng, lang: str, count: int) -> str:
        """``count`` words with spaces."""
        if lang == "ko" and rng.random() < 0.15:
            return self.phrases[int(rng.integers(len(self.phrases)))]
        return " ".join(self.word(rng, "en" if lang == "ko" and rng.random() < 0.06 else lang) for _ in range(count))


class Backgrounds:
    """Photographs and wallpapers, decoded once, at most ``side`` pixels long; road frames carry the quads of number
    plates and of the text that an open model found in them (``background_text.json``, made by ``training.pseudo``).
    With no folder, plain generated grounds."""

    def __init__(self, folder: str | Path | None, side: int = 800) -> None:
        self.side = side
        self._paths: list[Path] = []
        self._roads: list[tuple[Path, list[Any]]] = []
        self._text: dict[str, list[dict[str, Any]]] = {}
        self._kept: dict[Path, tuple[NDArray[np.uint8], float]] = {}
        if folder is not None:
            root = Path(folder)
            if _FOUND.exists():
                self._text = json.loads(_FOUND.read_text(encoding="utf-8"))
            # A wallpaper with a release number in it.
            self._paths = [p for p in sorted((root / "backgrounds").glob("*.*")) if "focal-ubuntu" not in p.name]
            plates = root / "backgrounds_road" / "plates.jsonl"
            if plates.exists():
                for line in plates.read_text(encoding="utf-8").splitlines():
                    row = json.loads(line)
                    self._roads.append((plates.parent / row["image"], row["plates"]))

    def _load(self, path: Path) -> tuple[NDArray[np.uint8], float]:
        if path not in self._kept:
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if image is None:
                raise ValueError(f"{path}: cannot be decoded; remove it from the ingredients")
            scale = min(1.0, self.side / max(image.shape[:2]))
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            self._kept[path] = (np.ascontiguousarray(image[:, :, ::-1]), scale)
        return self._kept[path]

    def photo(self, rng: Rng, height: int, width: int) -> NDArray[np.uint8]:
        """A piece of a random photograph, uint8 [height, width, 3]."""
        if not self._paths:
            return ground(rng, height, width)
        for _ in range(8):
            path = self._paths[int(rng.integers(len(self._paths)))]
            image, _ = self._load(path)
            h, w = image.shape[:2]
            scale = rng.uniform(0.35, 1.0) * min(h / height, w / width)
            ch, cw = max(2, int(height * scale)), max(2, int(width * scale))
            y, x = int(rng.integers(h - ch + 1)), int(rng.integers(w - cw + 1))
            boxes = [np.asarray(t["quad"]) * (w, h) for t in self._text.get(path.name, ())]
            if not any((b.max(0) > (x, y)).all() and (b.min(0) < (x + cw, y + ch)).all() for b in boxes):
                break
        piece = cv2.resize(image[y : y + ch, x : x + cw], (width, height), interpolation=cv2.INTER_LINEAR)
        return piece[:, ::-1].copy() if rng.random() < 0.5 else piece

    def road(self, rng: Rng) -> tuple[NDArray[np.uint8], list[tuple[NDArray[np.float64], bool]]]:
        """A road frame, and the quads [4, 2] in it, each with whether it is to be ignored: plates and doubtful text
        are, words that were read surely are not."""
        if not self._roads:
            return self.photo(rng, 480, 640), []
        path, plates = self._roads[int(rng.integers(len(self._roads)))]
        image, scale = self._load(path)
        h, w = image.shape[:2]
        found = [(_tight(np.asarray(t["quad"]) * (w, h)), not t["word"]) for t in self._text.get(path.name, ())]
        sure = [q.mean(axis=0) for q, doubtful in found if not doubtful]
        boxes = np.asarray(plates, float).reshape(-1, 4, 2) * scale
        bare = [b for b in boxes if not any((b.min(0) < c).all() and (c < b.max(0)).all() for c in sure)]
        return image.copy(), found + [(b, True) for b in bare]


_FOUND = Path(__file__).parent.with_name("background_text.json")


def _tight(quad: NDArray[np.float64]) -> NDArray[np.float64]:
    """A found line of text [4, 2] without the rim that its finder leaves around the letters."""
    across, along = quad[3] - quad[0], quad[1] - quad[0]
    rim = 0.07 * float(np.hypot(*across))
    up = across / max(1e-6, float(np.hypot(*across))) * rim
    on = along / max(1e-6, float(np.hypot(*along))) * rim
    return quad + np.array([up + on, up - on, -up - on, -up + on])


@dataclass
class Kit:
    """All a layout draws with. ``faces`` has ``pick(rng, text, script=None)`` and lists ``hangul``, ``latin``."""

    faces: Any
    words: Words
    backgrounds: Backgrounds
    _mono: dict[str, list[Typeface]] = field(default_factory=dict)

    def face(self, rng: Rng, lang: str, *, mono: float = 0.0) -> Typeface:
        """A face for ``lang``; with the chance ``mono`` one as tills print."""
        if rng.random() < mono:
            if lang not in self._mono:
                pool = self.faces.hangul if lang == "ko" else self.faces.hangul + self.faces.latin
                self._mono[lang] = [
                    f for f in pool if any(m in f.name.lower() for m in _MONO) and "barcode" not in f.name
                ]
            if self._mono[lang]:
                return self._mono[lang][int(rng.integers(len(self._mono[lang])))]
        for _ in range(20):
            face = self.faces.pick(rng, "가나다" if lang == "ko" else "Abc019.,:$")
            if face is not None and "barcode" not in face.name:
                return face
        return face

    def line(self, rng: Rng, face: Typeface, lang: str, count: int) -> str:
        """A phrase that ``face`` can write."""
        return self.fit(face, self.words.phrase(rng, lang, count))

    def fit(self, face: Typeface, text: str) -> str:
        if face.can_write(text):
            return text
        kept = "".join(c if c == " " or face.can_write(c) else "" for c in text)
        return " ".join(w for w in kept.split(" ") if w) or "0"
