#!/usr/bin/env python3
"""Reads every common Korean syllable, surname and mark in typefaces that training never saw.

    python -m benchmarks.faces --ingredients ingredients
    python -m benchmarks.faces --ingredients ingredients --share 0.1          # a tenth of the words, for a first look
    python -m benchmarks.faces --ingredients ingredients --lang ko --degrade  # also photographed badly

The words hold each of the 2,350 syllables of KS X 1001 at least once, inside a word that people write where the
ingredients' lists have one (else between two of the commonest syllables), a name with each of the 100 commonest
surnames, and the marks ``. , ( ) - / :`` inside numbers, prices, dates and names. They are drawn in black on white with
one file of each reserved family (``training.synth.fonts.RESERVED``; ``--all`` for every weight of it), the font at
``--size`` pixels, and cropped as tightly as a detector would, with the margin that the recognizer's model.json asks
for. Words go through ``OCR.recognize``, the choice between recognizers included.

It prints, face by face, the share of characters wrong (edit distance over length, case and spaces included), the share
of words read whole, and the share of the syllables asked for that were read; then the commonest confusions and
the syllables that are missed in most faces. ``--out`` gets all of it as JSON.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import pathlib
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.misses import align
from edge_ocr import OCR
from training.synth import degrade
from training.synth.fonts import RESERVED, Face, Faces
from training.synth.line import draw_text

# By the census of 2015, the commonest first.
SURNAMES = (  # noqa: SIM905 - a list of so many strings would be a page long
    "김 이 박 최 정 강 조 윤 장 임 한 오 서 신 권 황 안 송 전 홍 유 고 문 양 손 배 백 허 남 심 노 하 곽 성 "
    "차 주 우 구 민 류 나 진 지 엄 채 원 천 방 공 현 함 변 염 여 추 도 소 석 선 설 마 길 연 위 표 명 기 반 "
    "라 왕 금 옥 육 인 맹 제 모 남궁 탁 국 어 은 편 용 예 경 봉 사 부 황보 가 복 태 목 형 피 두 감 제갈 동"
).split()
MARKED = (  # noqa: SIM905 - a list of so many strings would be a page long
    "1,000 12,900 3.14 0.5% 010-1234-5678 02)777-5113 (주)한빛 서울(본점) 12:30 09:00-18:00 2024.01.05 "
    "2023/12/31 A/S 1/2 24-7 가-나 합계:17,600 TEL:02-555-1234 (031)960-7788 1.5L 500ml/개 김·이 3,500원 "
    "(10%) 1-2층 제3-15호 10.5kg 8:05 강남구(역삼동) 456-78-90123 홍길동(남) 월/수/금 5,000,000 "
    "www.abc.co.kr 7/24 (A) B-1 제2조. 있다. 네, 다음: 및/또는"
).split()
_GIVEN = (  # noqa: SIM905 - a list of so many strings would be a page long
    "민준 서연 도윤 지우 하은 시우 예준 수아 주원 지호 은서 채원 현우 유진 승민 가영 태희 동현 미경 영수"
).split()
_COMMON = "이다는고의을에가지하한기사자도로리스어해"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ingredients", type=pathlib.Path, required=True, metavar="DIR")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("out/faces.json"), metavar="FILE")
    parser.add_argument("--lang", default="ko,en", metavar="L,L")
    parser.add_argument("--models", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--size", type=int, default=32, metavar="PIXELS", help="of the font (32)")
    parser.add_argument("--share", type=float, default=1.0, metavar="S", help="of the words, drawn by lot (1)")
    parser.add_argument("--all", action="store_true", help="every reserved file, not one of each family")
    parser.add_argument("--degrade", action="store_true", help="light, blur, noise and JPEG as in training")
    parser.add_argument("--most", type=int, default=30, metavar="N", help="confusions shown")
    options = parser.parse_args()

    rng = np.random.default_rng(20)
    words = wanted(options.ingredients, rng)
    if options.share < 1:
        words = [w for w in words if rng.random() < options.share]
    faces = reserved(options.ingredients, every=options.all)
    ocr = OCR(tuple(options.lang.split(",")), threads=options.threads, models_dir=options.models)
    margin = max(m.manifest.input.margin for m in ocr._recognizer_models)
    results = []
    with tqdm(total=len(faces) * len(words), unit="word", disable=None) as bar:
        for face in faces:
            result = Result(face.name)
            for block in range(0, len(words), 64):
                drawn = [(w, crop(w.text, face, options.size, margin)) for w in words[block : block + 64]]
                able = [(w, image) for w, image in drawn if image is not None]
                if options.degrade:
                    able = [(w, degrade.camera(rng, image, strength=float(rng.uniform(0, 1)))) for w, image in able]
                for (word, _), read in zip(able, ocr.recognize([image for _, image in able]), strict=True):
                    result.add(word, read.text)
                bar.update(len(drawn))
            results.append(result)
            bar.write(result.line(), file=sys.stdout)
    report = summary(results, options.most)
    print(told(report))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return 0


@dataclass(frozen=True)
class Asked:
    """A word to be drawn, and the part of it (a syllable, a surname, the marks) for whose sake it is there."""

    text: str
    part: str
    kind: str


def wanted(folder: pathlib.Path, rng: np.random.Generator) -> list[Asked]:
    """The words of the test, the same for equal lists and seeds."""
    lists = [folder / "text" / name for name in ("words_ko.tsv", "subtitles_ko.tsv", "names_ko.txt")]
    texts = [path.read_text(encoding="utf-8") for path in lists if path.is_file()]
    known = inside(line.split("\t")[0] for text in texts for line in text.splitlines())
    out = []
    for syllable in ksx1001():
        choice = known.get(syllable) or [f"{_pick(rng, _COMMON)}{syllable}{_pick(rng, _COMMON)}"]
        out.append(Asked(_pick(rng, choice), syllable, "syllable"))
    out += [Asked(name + _pick(rng, _GIVEN), name, "surname") for name in SURNAMES]
    out += [Asked(text, "".join(c for c in text if c in ".,()-/:"), "marks") for text in MARKED]
    return out


def _pick(rng: np.random.Generator, items: Sequence[str]) -> str:
    return items[int(rng.integers(len(items)))]


def ksx1001() -> list[str]:
    """The 2,350 syllables of KS X 1001, in code order."""
    return [bytes([a, b]).decode("euc-kr") for a in range(0xB0, 0xC9) for b in range(0xA1, 0xFF)]


def inside(lines: Iterable[str], *, least: int = 2, most: int = 6, enough: int = 3) -> dict[str, list[str]]:
    """For each syllable the first few words (the lists begin with the commonest) of ``least`` to ``most`` syllables
    that hold it, those that are nothing but Hangul."""
    out: dict[str, list[str]] = defaultdict(list)
    common = frozenset(ksx1001())
    for line in lines:
        for word in line.split():
            if least <= len(word) <= most and common.issuperset(word):
                for c in set(word):
                    if len(out[c]) < enough:
                        out[c].append(word)
    return out


def reserved(folder: pathlib.Path, *, every: bool) -> list[Face]:
    """The reserved Hangul faces: all files, or of each family the one whose name is shortest, then first."""
    faces = Faces.load(folder, reserved=True).hangul
    if every:
        return faces
    families = [[f for f in faces if fnmatch.fnmatch(f.name, pattern)] for pattern in RESERVED]
    plain = ("400", "Rg", "Regular", "Medium", "RoundR")
    return [min(f, key=lambda x: (not any(p in x.name for p in plain), x.name)) for f in families if f]


def crop(text: str, face: Face, size: int, margin: float) -> NDArray[np.uint8] | None:
    """``text`` in black on white uint8 [h, w, 3], cut ``margin`` of the ink's height around its ink; None where the
    face lacks a letter."""
    if not face.can_write(text):
        return None
    ink = draw_text(text, face, size)
    if ink is None:
        return None
    edge = round(margin * ink.mask.shape[0])
    page = 255 - np.rint(cv2.copyMakeBorder(ink.mask, edge, edge, edge, edge, cv2.BORDER_CONSTANT) * 255)
    return np.repeat(page.astype(np.uint8)[..., None], 3, axis=2)


# -- counting ------------------------------------------------------------------------------------------------------


@dataclass
class Result:
    """What was read in one face."""

    face: str
    words: int = 0
    whole: int = 0
    characters: int = 0
    errors: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    confusions: Counter[tuple[str, str]] = field(default_factory=Counter)
    missed: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, word: Asked, read: str) -> None:
        steps = align(word.text, read)
        self.words += 1
        self.whole += word.text == read
        self.characters += len(word.text)
        self.errors += sum(s.kind != "same" for s in steps)
        self.asked[word.kind] += 1
        same = {s.i for s in steps if s.kind == "same"}
        held = all(k in same for k, c in enumerate(word.text) if c in word.part)
        self.right[word.kind] += held
        if not held:
            self.missed.append((word.kind, word.part, read))
        for s in steps:
            if s.kind != "same":
                pair = (word.text[s.i] if s.i >= 0 else "", read[s.j] if s.j >= 0 else "")
                self.confusions[pair] += 1

    def line(self) -> str:
        kinds = "  ".join(f"{k} {self.right[k]}/{self.asked[k]}" for k in ("syllable", "surname", "marks"))
        cer, whole = self.errors / max(self.characters, 1), self.whole / max(self.words, 1)
        return f"{self.face:32s} wrong {100 * cer:5.2f} %  words whole {100 * whole:5.1f} %  read: {kinds}"


def summary(results: Sequence[Result], most: int) -> dict[str, Any]:
    """All faces together, and each; the commonest confusions (asked, read: "" is nothing), and the syllables missed in
    most faces."""
    confusions: Counter[tuple[str, str]] = sum((r.confusions for r in results), Counter())
    missed: dict[str, list[str]] = defaultdict(list)
    for result in results:
        for kind, part, read in result.missed:
            if kind == "syllable":
                missed[part].append(read)
    worst = sorted(missed.items(), key=lambda x: -len(x[1]))[: 4 * most]
    characters, errors = sum(r.characters for r in results), sum(r.errors for r in results)
    return {
        "characters": characters,
        "wrong": errors / max(characters, 1),
        "right": 1 - errors / max(characters, 1),
        "kinds": {
            k: sum(r.right[k] for r in results) / max(sum(r.asked[k] for r in results), 1)
            for k in ("syllable", "surname", "marks")
        },
        "faces": {
            r.face: {"wrong": r.errors / max(r.characters, 1), "whole": r.whole / max(r.words, 1)} for r in results
        },
        "confusions": [[a, b, n] for (a, b), n in confusions.most_common(4 * most)],
        "shown": most,
        "missed": [[part, len(reads), sorted(set(reads))] for part, reads in worst],
    }


def told(report: dict[str, Any]) -> str:
    most = report["shown"]
    pairs = "  ".join(f"{a or '∅'}→{b or '∅'} {n}" for a, b, n in report["confusions"][:most])
    missed = "  ".join(f"{part} {n}" for part, n, _ in report["missed"][:most])
    kinds = ", ".join(f"{k} {100 * v:.2f} %" for k, v in report["kinds"].items())
    return (
        f"all faces: {100 * report['right']:.2f} % of {report['characters']} characters right; {kinds}\n"
        f"confusions: {pairs}\nmissed in so many faces: {missed}"
    )


if __name__ == "__main__":
    sys.exit(main())
