"""What scenes are of: receipts, shop pages, documents, cards, signs, single words, and things without text.

Every layout takes a seeded generator and a ``Kit`` and returns a ``Sheet``; ``LAYOUTS`` lists them with how often
each is drawn. Pure separators (``-----``, ``=====``, dotted rules, bar codes) are not text: they are drawn without a
box, so that a detector learns to leave them alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.synth.sheet import Colour, Pen, Sheet, Typeface, contrasting, luma

__all__ = ["LAYOUTS", "Backgrounds", "Kit", "Words"]

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
_ITEMS_EN = [
    "TOTAL", "SUBTOTAL", "CASH", "CHANGE", "TAX", "GST", "AMOUNT", "QTY", "ITEM", "PRICE", "INVOICE", "RECEIPT",
    "TEL", "DATE", "TIME", "ROUNDING", "TABLE", "NO.", "SR", "RM", "VISA",
]
_ITEMS_KO = [
    "합계", "금액", "수량", "단가", "메뉴명", "상품명", "주문번호", "테이블", "부가세", "과세물품가액", "받을금액",
    "받은금액", "거스름돈", "결제금액", "신용카드", "승인번호", "대표", "전화", "주소", "사업자번호", "영수증",
    "배달비", "할인",
]
_FIELDS_KO = [
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
                word = str(rng.choice(_ITEMS_KO))
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


_FOUND = Path(__file__).with_name("background_text.json")


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


def _tint(rng: Rng, low: int, high: int, spread: int = 12) -> Colour:
    base = int(rng.integers(low, high + 1))
    r, g, b = (int(np.clip(base + d, 0, 255)) for d in rng.integers(-spread, spread + 1, 3))
    return r, g, b


def _any(rng: Rng) -> Colour:
    r, g, b = (int(c) for c in rng.integers(0, 256, 3))
    return r, g, b


def ground(rng: Rng, height: int, width: int, colour: Colour | None = None) -> NDArray[np.uint8]:
    """A plain or graded ground, uint8 [height, width, 3]."""
    first = colour if colour is not None else _any(rng)
    if rng.random() < 0.6:
        return np.full((height, width, 3), first, np.uint8)
    second = contrasting(rng, first, 0) if colour is None else _tint(rng, int(luma(first)), int(luma(first)), 30)
    corners = np.array([[first, second], [first if rng.random() < 0.5 else second, second]], np.uint8)
    if rng.random() < 0.5:
        corners = corners.transpose(1, 0, 2)
    return cv2.resize(np.ascontiguousarray(corners), (width, height), interpolation=cv2.INTER_LINEAR)


def _texture(rng: Rng, height: int, width: int, low: float) -> NDArray[np.uint8]:
    """A smooth random map uint8 [height, width] between ``low`` × 255 and 255: fading, folds, uneven light."""
    coarse = rng.uniform(low, 1.0, (int(rng.integers(2, 9)), int(rng.integers(2, 9)))).astype(np.float32)
    return cv2.resize((coarse * 255).astype(np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)


def _printer(rng: Rng) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    """How a printer spoils ink: fading, dropped dots and rows, thick toner, dot matrix."""
    kind = rng.random()

    def spoil(ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
        h, w = ink.shape
        if kind < 0.35:
            return ink
        if kind < 0.6:
            return cv2.multiply(ink, _texture(rng, h, w, rng.uniform(0.3, 0.8)), scale=1 / 255)
        if kind < 0.75:
            grain = (rng.random((h // 2 + 1, w // 2 + 1)) > rng.uniform(0.05, 0.35)).astype(np.uint8) * 255
            return cv2.multiply(ink, cv2.resize(grain, (w, h), interpolation=cv2.INTER_LINEAR), scale=1 / 255)
        if kind < 0.85:
            step = int(rng.integers(2, 4))
            grid = np.full((h, w), 255, np.uint8)
            grid[::step] = int(rng.integers(60, 200))
            grid[:, ::step] = np.minimum(grid[:, ::step], int(rng.integers(60, 200)))
            return cv2.multiply(ink, grid, scale=1 / 255)
        if kind < 0.93:
            return cv2.dilate(ink, np.ones((1 if rng.random() < 0.5 else 2, 2), np.uint8))
        return cv2.multiply(ink, np.full_like(ink, 255), scale=rng.uniform(0.35, 0.7) / 255)

    return spoil


def _size(rng: Rng, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


# ---------------------------------------------------------------- things that are not text


def _scribble(rng: Rng, image: NDArray[np.uint8], count: int) -> None:
    """Lines, circles, boxes, polygons, arrows, stamps, bar codes, checks: drawn into ``image``."""
    h, w = image.shape[:2]
    for _ in range(count):
        colour = _any(rng) if rng.random() < 0.5 else _tint(rng, 0, 255, 4)
        x, y = int(rng.integers(w)), int(rng.integers(h))
        s = int(_size(rng, 6, 0.5 * min(h, w) + 8))
        thick = int(rng.integers(1, 5))
        kind = int(rng.integers(10))
        if kind == 0:
            cv2.line(image, (x, y), (int(rng.integers(w)), int(rng.integers(h))), colour, thick, cv2.LINE_AA)
        elif kind == 1:
            cv2.circle(image, (x, y), s // 2, colour, -1 if rng.random() < 0.4 else thick, cv2.LINE_AA)
        elif kind == 2:
            cv2.rectangle(
                image, (x, y), (x + s, y + int(s * rng.uniform(0.3, 1.5))), colour, -1 if rng.random() < 0.3 else thick
            )
        elif kind == 3:
            points = (np.array([x, y]) + rng.normal(0, s / 2, (int(rng.integers(3, 7)), 2))).astype(np.int32)
            if rng.random() < 0.5:
                cv2.fillPoly(image, [points], colour, cv2.LINE_AA)
            else:
                cv2.polylines(image, [points], bool(rng.random() < 0.5), colour, thick, cv2.LINE_AA)
        elif kind == 4:
            cv2.arrowedLine(
                image, (x, y), (x + int(rng.normal(0, s)), y + int(rng.normal(0, s))), colour, thick, cv2.LINE_AA
            )
        elif kind == 5:
            bars(rng, image, x, y, s * 2, s)
        elif kind == 6:
            cells = rng.integers(0, 2, (int(rng.integers(9, 26)),) * 2, np.uint8) * 255
            code = cv2.resize(cells, (s, s), interpolation=cv2.INTER_NEAREST)
            part = image[y : y + s, x : x + s]
            part[:] = code[: part.shape[0], : part.shape[1], None]
        elif kind == 7:
            t = np.linspace(0, 1, 24)
            wave = np.stack([x + s * 2 * t, y + s * 0.3 * np.cumsum(rng.normal(0, 0.5, 24))], 1).astype(np.int32)
            cv2.polylines(image, [wave], False, colour, thick, cv2.LINE_AA)
        elif kind == 8:
            cv2.ellipse(
                image,
                (x, y),
                (s, max(2, int(s * rng.uniform(0.2, 1)))),
                rng.uniform(0, 180),
                0,
                rng.uniform(90, 360),
                colour,
                thick,
                cv2.LINE_AA,
            )
        else:
            # A row of the same sign: rules of dots, dashes, stars, windows, bricks.
            step, tall = max(3, s // 5), int(rng.integers(1, max(2, s // 4) + 1))
            for k in range(int(rng.integers(3, 30))):
                cv2.rectangle(image, (x + k * step, y), (x + k * step + step // 2, y + tall), colour, -1)


def bars(rng: Rng, image: NDArray[np.uint8], x: int, y: int, width: int, height: int) -> None:
    """A bar code."""
    part = image[max(0, y) : y + height, max(0, x) : x + width]
    if part.size:
        run = np.repeat(rng.integers(0, 2, part.shape[1]), rng.integers(1, 5, part.shape[1]))[: part.shape[1]]
        part[:, run == 1] = (20, 20, 20)


def _dust(rng: Rng, image: NDArray[np.uint8]) -> None:
    """What a scanner adds: specks, hairs, punched holes, black or torn edges."""
    h, w = image.shape[:2]
    dark = (int(rng.integers(0, 120)),) * 3
    for _ in range(int(rng.integers(3, 60))):
        at = (int(rng.integers(w)), int(rng.integers(h)))
        if rng.random() < 0.85:
            cv2.circle(image, at, int(rng.integers(0, 3)), dark, -1)
        else:
            s = int(rng.integers(2, 9))
            cv2.line(image, at, (at[0] + int(rng.integers(-s, s)), at[1] + int(rng.integers(-s, s))), dark, 1)
    if rng.random() < 0.2:
        cv2.circle(image, (int(rng.integers(w)), int(rng.integers(h))), int(rng.integers(6, 26)), dark, -1)
    if rng.random() < 0.3:
        x = np.linspace(0, w, 60)
        depth = rng.uniform(2, 20) + rng.normal(0, rng.uniform(0.3, 4), 60) + rng.uniform(-20, 20) * x / w
        edge = np.concatenate([np.stack([x, depth], 1), [[w, -9], [0, -9]]]).astype(np.int32)
        turn = int(rng.integers(4))
        if turn == 1:
            edge[:, 1] = h - edge[:, 1]
        elif turn == 2:
            edge = edge[:, ::-1]
        elif turn == 3:
            edge = np.stack([w - edge[:, 1], edge[:, 0]], 1)
        cv2.fillPoly(image, [np.ascontiguousarray(edge)], dark)


def _goods(rng: Rng, image: NDArray[np.uint8], kit: Kit, count: int) -> None:
    """Things for sale: smooth shapes filled with photograph, stripes or checks, such as clothes, bottles and boxes."""
    h, w = image.shape[:2]
    rows = rng.random() < 0.12  # side by side, as letters of a word would be
    for k in range(count):
        s = int(_size(rng, 24, 0.4 * min(h, w) + 30))
        turns = np.linspace(0, 6.28, 14, endpoint=False)
        radius = s * np.clip(rng.normal(0.5, 0.12, 14), 0.15, 0.9)
        at = np.array([rng.uniform(0, w), rng.uniform(0, h)])
        if rows:
            at = np.array([(k + 0.5) * w / count, h / 2]) + rng.normal(0, 2, 2)
            s = int(min(w / count, h) * 0.9)
            radius = radius * s / max(1.0, radius.max() * 2)
        shape = at + np.stack([np.cos(turns) * radius * rng.uniform(0.4, 1.0), np.sin(turns) * radius], 1)
        x0, y0 = np.maximum(shape.min(0), 0).astype(int)
        x1, y1 = np.minimum(shape.max(0) + 1, (w, h)).astype(int)
        if x1 - x0 < 8 or y1 - y0 < 8:
            continue
        fill = kit.backgrounds.photo(rng, y1 - y0, x1 - x0) if rng.random() < 0.6 else ground(rng, y1 - y0, x1 - x0)
        if rng.random() < 0.4:
            step, tint = int(rng.integers(3, 16)), _any(rng)
            thick = max(1, int(step * rng.uniform(0.2, 0.7)))
            for y in range(0, y1 - y0, step):
                fill[y : y + thick] = tint
            if rng.random() < 0.5:
                for x in range(0, x1 - x0, step):
                    fill[:, x : x + thick] = fill[:, x : x + thick] // 2 + np.array(tint, np.uint8) // 2
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        cv2.fillPoly(mask, [(shape - (x0, y0)).astype(np.int32)], 255)
        cv2.copyTo(fill, cv2.blur(mask, (5, 5)) & 0x80, image[y0:y1, x0:x1])


def _grid(rng: Rng, image: NDArray[np.uint8]) -> None:
    """A regular pattern: windows, tiles, fences, blinds, keyboards, bricks."""
    h, w = image.shape[:2]
    px, py = int(_size(rng, 5, 80)), int(_size(rng, 5, 80))
    fx, fy = rng.uniform(0.1, 0.9, 2)
    colour, kind = _any(rng), rng.random()
    slope = rng.normal(0, 0.1)
    for row, y in enumerate(range(-py, h + py, py)):
        offset = (px // 2) * (row % 2) if kind < 0.3 else 0
        for x in range(-px, w + px, px):
            if kind > 0.8 and rng.random() < 0.4:
                continue
            top = int(y + slope * x)
            cv2.rectangle(
                image,
                (x + offset, top),
                (x + offset + max(1, int(px * fx)), top + max(1, int(py * fy))),
                colour,
                -1 if kind < 0.85 else 1,
            )


def blank(rng: Rng, kit: Kit) -> Sheet:
    """No text: photographs, patterns, drawings, road frames."""
    kind = rng.random()
    if kind < 0.45:
        image, found = kit.backgrounds.road(rng)
        sheet = Sheet(image)
        for quad, ignored in found:
            sheet.add(quad, ignored)
        return sheet
    image = kit.backgrounds.photo(rng, 480, 480) if kind < 0.8 else ground(rng, 480, 480)
    if rng.random() < 0.5:
        _grid(rng, image)
    _scribble(rng, image, int(rng.integers(0, 25)))
    if rng.random() < 0.4:
        _goods(rng, image, kit, int(rng.integers(2, 9)))
    if rng.random() < 0.3:
        _dust(rng, image)
    return Sheet(image)


# ---------------------------------------------------------------- receipts


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
    size = _size(rng, 9.5, 28) if rng.random() < 0.9 else _size(rng, 26, 48)
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
    paper = _tint(rng, 205, 255, 8) if rng.random() < 0.85 else _tint(rng, 120, 220, 25)
    image = ground(rng, height, width, paper)
    sheet = Sheet(image)
    sheet.collect_ink()
    left, right = width * rng.uniform(0.01, 0.12), width * rng.uniform(0.88, 0.99)
    leading = rng.uniform(1.12, 1.9)
    y = size * rng.uniform(1.2, 4)
    column = width * rng.uniform(0.45, 0.62)
    gap = plain.space * float(rng.choice([1.0, 1.0, 1.5, 0.8, 2.0]))
    ink = (int(rng.integers(0, 90)),) * 3 if rng.random() < 0.85 else _tint(rng, 30, 110, 60)

    def word(count: int) -> str:
        if rng.random() < 0.35:
            return kit.fit(face, str(rng.choice(_ITEMS_KO if lang == "ko" else _ITEMS_EN)))
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
    sheet.print_ink(ink, _printer(rng))
    if rng.random() < 0.3:
        _dust(rng, sheet.image)
    if rng.random() < 0.15:
        _scribble(rng, sheet.image, int(rng.integers(1, 3)))
    if rng.random() < 0.35:
        folds = _texture(rng, height, width, rng.uniform(0.55, 0.9))
        sheet.image = cv2.multiply(sheet.image, cv2.merge([folds] * 3), scale=1 / 255)
    return sheet


# ---------------------------------------------------------------- shop pages, documents, screens


def _paragraph(
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


def _mean(sheet: Sheet, x0: float, y0: float, x1: float, y1: float) -> NDArray[np.float64]:
    part = sheet.image[max(0, int(y0)) : max(1, int(y1)), max(0, int(x0)) : max(1, int(x1))]
    return part[::4, ::4].reshape(-1, 3).mean(axis=0) if part.size else np.full(3, 255.0)


def _panel(rng: Rng, image: NDArray[np.uint8], x0: int, y0: int, x1: int, y1: int, colour: Colour) -> None:
    """A filled box, often with round corners or a frame."""
    r = int(rng.choice([0, 0, 6, 12, (y1 - y0) // 2]))
    r = min(r, (x1 - x0) // 2, (y1 - y0) // 2)
    if r:
        cv2.rectangle(image, (x0 + r, y0), (x1 - r, y1), colour, -1)
        cv2.rectangle(image, (x0, y0 + r), (x1, y1 - r), colour, -1)
        for cx in (x0 + r, x1 - r):
            for cy in (y0 + r, y1 - r):
                cv2.circle(image, (cx, cy), r, colour, -1, cv2.LINE_AA)
    else:
        cv2.rectangle(image, (x0, y0), (x1, y1), colour, -1)
        if rng.random() < 0.4:
            cv2.rectangle(image, (x0, y0), (x1, y1), contrasting(rng, colour, 20), int(rng.integers(1, 4)))


def page(rng: Rng, kit: Kit) -> Sheet:
    """A shop page or a poster: big titles, paragraphs, buttons, tables and pictures on plain, graded or photographic
    ground, dark on light or light on dark."""
    lang = "ko" if rng.random() < 0.75 else "en"
    width, height = int(rng.integers(400, 820)), int(rng.integers(400, 820))
    kind = rng.random()
    if kind < 0.5:
        image = ground(rng, height, width, _tint(rng, 225, 255, 14))
    elif kind < 0.72:
        image = ground(rng, height, width, _tint(rng, 0, 70, 30) if rng.random() < 0.6 else None)
    else:
        image = kit.backgrounds.photo(rng, height, width)
        veil = ground(rng, height, width, _tint(rng, 0, 60) if rng.random() < 0.6 else _tint(rng, 200, 255))
        image = cv2.addWeighted(image, a := rng.uniform(0.15, 0.9), veil, 1 - a, 0)
    sheet = Sheet(image)
    body = kit.face(rng, lang)
    head = kit.face(rng, lang) if rng.random() < 0.5 else body
    size = _size(rng, 9, 30)
    left, right = width * rng.uniform(0.02, 0.12), width * rng.uniform(0.88, 0.98)
    align = float(rng.choice([0, 0.5, 0.5, 0]))
    leading = rng.uniform(1.25, 2.3)
    y = size * rng.uniform(0.3, 2)
    while y < height - size:
        block = rng.random()
        ground_here = _mean(sheet, left, y, right, y + size * 4)
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
                size * _size(rng, 1.3, 4.5),
                bolder=int(rng.random() < 0.15),
                wide=rng.uniform(0.85, 1.1),
                spacing=float(rng.choice([0, 0, -0.5, 1, 4])),
                slant=float(rng.choice([0, 0, 0, 0.2])),
            )
            y = _paragraph(
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
            y = _paragraph(
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
                _panel(
                    rng, sheet.image, int(x - pad), int(top - pad), int(x + w + pad), int(top + pen.height + pad), fill
                )
                sheet.write(x, top - pen.top, text, pen, contrasting(rng, fill, 80))
                y = top + pen.height + 2 * pad
        elif block < 0.8:
            y = _table(rng, kit, sheet, Pen(body, size * rng.uniform(0.75, 1.0)), lang, left, right, y + size, colour)
        elif block < 0.91:
            h = int(min(height - y, size * rng.uniform(3, 12)))
            if h > 8:
                x0, x1 = sorted(int(v) for v in rng.uniform(left, right, 2))
                if x1 - x0 > 30:
                    picture = kit.backgrounds.photo(rng, h, x1 - x0)
                    if rng.random() < 0.3:
                        _scribble(rng, picture, int(rng.integers(2, 9)))
                    sheet.image[int(y + 4) : int(y + 4) + h, x0:x1] = picture[: max(0, height - int(y + 4))]
                    if rng.random() < 0.4:
                        _on_picture(rng, kit, sheet, lang, x0, int(y + 4), x1, int(y + 4) + h)
                y += h + 6
        elif block < 0.96:
            part = sheet.image[int(y) : int(y + size * 5)]
            if part.shape[0] > 10 and rng.random() < 0.4:
                _scribble(rng, part, int(rng.integers(1, 6)))
            elif part.shape[0] > 10:
                _goods(rng, part, kit, int(rng.integers(1, 7)))
            y += size * 5
        else:
            y += size * 2
        y += size * rng.uniform(0.2, 2.0)
    return sheet


def _on_picture(rng: Rng, kit: Kit, sheet: Sheet, lang: str, x0: int, y0: int, x1: int, y1: int) -> None:
    pen = Pen(kit.face(rng, lang), _size(rng, 9, 40))
    text = kit.line(rng, pen.face, lang, 1).split(" ")[0]
    w = pen.width(text)
    if w < x1 - x0 - 6 and pen.height * 1.6 < y1 - y0:
        x = rng.uniform(x0 + 2, x1 - w - 2)
        y = rng.uniform(y0 + pen.height * 1.2, y1 - pen.height * 0.4)
        sheet.write(x, y, text, pen, contrasting(rng, _mean(sheet, x, y + pen.top, x + w, y), 90))


def _table(
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


def document(rng: Rng, kit: Kit) -> Sheet:
    """A printed document or a screen: dense paragraphs in one to three columns, lists, tables, dialogs, code."""
    lang = "ko" if rng.random() < 0.6 else "en"
    width, height = int(rng.integers(420, 760)), int(rng.integers(420, 760))
    dark = rng.random() < 0.25
    image = ground(rng, height, width, _tint(rng, 5, 60, 8) if dark else _tint(rng, 215, 255, 8))
    sheet = Sheet(image)
    face = kit.face(rng, lang, mono=0.15)
    size = _size(rng, 8.5, 20)
    leading = rng.uniform(1.2, 1.9)
    colour = contrasting(rng, image[0, 0], 110)
    columns = int(rng.choice([1, 1, 1, 2, 2, 3]))
    edges = np.linspace(width * 0.04, width * 0.96, columns + 1)
    top = size
    if rng.random() < 0.5:
        top = _paragraph(
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
                y = _paragraph(rng, kit, sheet, pen, lang, x0, x1, y, int(rng.integers(1, 9)), leading, 0, colour)
            elif kind < 0.82:
                y = _table(rng, kit, sheet, pen, lang, x0, x1, y + size, colour)
            elif kind < 0.9:
                h = int(size * rng.uniform(2, 6))
                fill = contrasting(rng, image[0, 0], 20)
                if y + h < height - 6 and x1 - x0 > 60:
                    _panel(rng, sheet.image, int(x0), int(y + 4), int(x1), int(y + 4 + h), fill)
                    _paragraph(
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
                    _scribble(rng, part, int(rng.integers(1, 5)))
                y += size * 4
            y += size * rng.uniform(0.2, 1.5)
    if rng.random() < 0.12:
        # The moiré of a photographed screen.
        step = int(rng.integers(2, 5))
        sheet.image[::step] = (sheet.image[::step] * rng.uniform(0.6, 0.95)).astype(np.uint8)
    return sheet


# ---------------------------------------------------------------- cards


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
    image = ground(rng, height, width, _tint(rng, 170, 250, 25) if rng.random() < 0.85 else None)
    if rng.random() < 0.75:
        _guilloche(rng, image)
    if rng.random() < 0.3:
        photo = kit.backgrounds.photo(rng, height, width)
        image = cv2.addWeighted(image, 0.75, photo, 0.25, 0)
    sheet = Sheet(image)
    face = kit.face(rng, lang)
    colour = contrasting(rng, _mean(sheet, 0, 0, width, height), 110)
    size = height * rng.uniform(0.03, 0.065)
    x0, x1 = width * rng.uniform(0.04, 0.12), width * rng.uniform(0.5, 0.66)
    portrait = rng.random() < 0.8
    if portrait:
        pw, ph = int(width * rng.uniform(0.2, 0.3)), int(height * rng.uniform(0.4, 0.58))
        px, py = (int(x1 + width * 0.03), int(height * rng.uniform(0.06, 0.25)))
        pw = min(pw, width - px - 4)
        face_picture = kit.backgrounds.photo(rng, ph, pw)
        cv2.ellipse(face_picture, (pw // 2, ph // 2), (pw // 4, ph // 4), 0, 0, 360, _tint(rng, 90, 220, 30), -1)
        sheet.image[py : py + ph, px : px + pw] = face_picture
    y = height * rng.uniform(0.04, 0.12)
    title = Pen(
        kit.face(rng, lang),
        size * rng.uniform(1.3, 2.2),
        spacing=float(rng.choice([0, 2, 6, 12])),
        bolder=int(rng.random() < 0.3),
    )
    text = str(rng.choice(_FIELDS_KO)) if lang == "ko" else kit.words.word(rng, "en").upper()
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


# ---------------------------------------------------------------- signs and words in the street


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
            _grid(rng, sheet.image)
        if rng.random() < 0.4:
            _scribble(rng, sheet.image, int(rng.integers(1, 8)))
        if rng.random() < 0.35:
            # Night: signs shine on dark ground.
            sheet.image = cv2.convertScaleAbs(sheet.image, alpha=rng.uniform(0.25, 0.7))
    taken: list[tuple[float, float, float, float]] = []
    taken += [(*quad.min(axis=0), *quad.max(axis=0)) for quad in sheet.quads]
    for _ in range(int(rng.integers(2, 13))):
        lang = "ko" if rng.random() < 0.55 else "en"
        w = _size(rng, 26 if street else 60, sheet.width * 0.95)
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
    fill = _any(rng)
    if boarded:
        _panel(rng, sheet.image, int(x), int(y), int(x + w), int(y + h), fill)
        if rng.random() < 0.25:
            part = sheet.image[int(y) : int(y + h), int(x) : int(x + w)]
            if part.size:
                part[:] = cv2.multiply(part, cv2.merge([_texture(rng, *part.shape[:2], 0.5)] * 3), scale=1 / 255)
    here = np.asarray(fill, float) if boarded else _mean(sheet, x, y, x + w, y + h)
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
        _scribble(rng, image, int(rng.integers(1, 10)))
    sheet = Sheet(image)
    taken = np.zeros((side, side), np.uint8)
    for _ in range(int(rng.integers(6, 40))):
        lang = "ko" if rng.random() < 0.55 else "en"
        face = kit.face(rng, lang)
        pen = Pen(face, _size(rng, 9, 130) if rng.random() < 0.9 else _size(rng, 100, 240))
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
        colour = contrasting(rng, _mean(sheet, lo[0], lo[1], hi[0], hi[1]), 75 if rng.random() < 0.8 else 45)
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
    size = _size(rng, 12, 90)
    pen = Pen(face, size, bolder=int(rng.random() < 0.2), spacing=size * float(rng.choice([0, 0, 0.1])))
    text = kit.line(rng, face, lang, 1).split(" ")[0][:12]
    mark = pen.mark(text)
    x0, y0, x1, y1 = mark.box
    margin = rng.uniform(-0.03, 0.45, 4) * pen.height
    w, h = int(x1 - x0 + margin[0] + margin[1]) + 1, int(y1 - y0 + margin[2] + margin[3]) + 1
    w, h = max(w, 8), max(h, 8)
    image = kit.backgrounds.photo(rng, h, w) if rng.random() < 0.35 else ground(rng, h, w)
    sheet = Sheet(image)
    colour = contrasting(rng, _mean(sheet, 0, 0, w, h), 70 if rng.random() < 0.8 else 40)
    how: dict[str, Any] = {}
    if rng.random() < 0.25:
        how["outline"] = (contrasting(rng, colour, 70), max(1, int(size * 0.05)))
    if rng.random() < 0.25:
        how["shadow"] = (contrasting(rng, colour, 50), max(1, int(size * 0.06)), 1)
    sheet.write(margin[0] - x0, margin[2] - y0, text, pen, colour, **how)
    return sheet


LAYOUTS: dict[str, tuple[Callable[[Rng, Kit], Sheet], float]] = {
    "receipt": (receipt, 0.18),
    "page": (page, 0.23),
    "document": (document, 0.09),
    "card": (card, 0.09),
    "sign": (sign, 0.24),
    "scattered": (scattered, 0.08),
    "single": (single, 0.06),
    "blank": (blank, 0.08),
}
