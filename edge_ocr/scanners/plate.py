"""Korean number plates: what their text says, and finding them in pictures.

``parse`` is pure: text to kind, region, class and number. The forms are those of the Korean Ministry of Land,
Infrastructure and Transport's notices on plates: private ``NN가NNNN`` and ``NNN가NNNN``, commercial and older ones
with a region before the class number, diplomatic, and motorcycles with region and district.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edge_ocr.constrain import Pattern, search
from edge_ocr.crop import crop_quads
from edge_ocr.ctc import LogProbs, greedy
from edge_ocr.errors import InputError
from edge_ocr.geometry import bounding_rectangle, heights, quad_iou_matrix, reading_angles
from edge_ocr.image import load_image
from edge_ocr.preprocess import crop_to_line
from edge_ocr.recognize import Recognizer, align
from edge_ocr.scanners import korea
from edge_ocr.scanners.lines import Line, chains, line_of, make_detector, make_recognizer, to_quad, widen
from edge_ocr.scanners.strings import distance
from edge_ocr.types import Quad, Region, TextCharacter

if TYPE_CHECKING:
    from edge_ocr.image import ImageSource

__all__ = [
    "DISTRICTS", "DISTRICTS_OF", "OFFICIAL", "REGIONS", "Plate", "PlateText", "Scanner", "as_row", "grammar", "parse",
]  # fmt: skip

Image = NDArray[np.uint8]
# The recognizer made for this, else those that know the characters at least.
MODELS = ("plate-kr", "ko")

_REGION_WORDS = "서울 부산 대구 인천 광주 대전 울산 세종 경기 강원 충북 충남 전북 전남 경북 경남 제주"
REGIONS = tuple(_REGION_WORDS.split())
OFFICIAL = ("외교", "영사", "준외", "준영", "국기", "협정", "대표")
# What stands beside the region on motorcycles: cities, counties and city districts by their short names.
_DISTRICT_WORDS = (
    "가평 강남 강동 강릉 강북 강서 강진 강화 거제 거창 경산 경주 계룡 계양 고령 고성 "
    "고양 고창 고흥 곡성 공주 과천 관악 광명 광산 광양 광주 광진 괴산 구례 구로 구리 "
    "구미 군산 군위 군포 금산 금정 금천 기장 김제 김천 김포 김해 나주 남구 남동 남양주 "
    "남원 남해 노원 논산 단양 달서 달성 담양 당진 대덕 도봉 동구 동대문 동두천 동래 동작 "
    "동해 마포 목포 무안 무주 문경 미추홀 밀양 보령 보성 보은 봉화 부산진 부안 부여 부천 "
    "부평 북구 사상 사천 사하 산청 삼척 상주 서구 서귀포 서대문 서산 서천 서초 성남 성동 "
    "성북 성주 속초 송파 수성 수영 수원 순창 순천 시흥 신안 아산 안동 안산 안성 안양 "
    "양구 양산 양양 양주 양천 양평 여수 여주 연수 연제 연천 영광 영덕 영도 영동 영등포 "
    "영암 영양 영월 영주 영천 예산 예천 오산 옥천 옹진 완도 완주 용산 용인 울릉 울주 "
    "울진 원주 유성 은평 음성 의령 의성 의왕 의정부 이천 익산 인제 임실 장성 장수 장흥 "
    "전주 정선 정읍 제주 제천 종로 중구 중랑 증평 진도 진안 진주 진천 창녕 창원 천안 "
    "철원 청도 청송 청양 청주 춘천 충주 칠곡 태백 태안 통영 파주 평창 평택 포천 포항 "
    "하남 하동 함안 함양 함평 합천 해남 해운대 홍성 홍천 화성 화순 화천 횡성 "
)
DISTRICTS = tuple(_DISTRICT_WORDS.split())


def _districts_of(region: str) -> tuple[str, ...]:
    """Those of a region, by their short names: two syllables are never shortened (중구), longer ones lose the last."""
    name = next(name for name, names in korea.PROVINCES.items() if region in names)
    short = (d if len(d) == 2 else d[:-1] for d in korea.DISTRICTS[name] if " " not in d)
    return tuple(dict.fromkeys(d for d in short if d in DISTRICTS))


DISTRICTS_OF = {region: _districts_of(region) for region in REGIONS}
_PRIVATE = "가나다라마거너더러머버서어저고노도로모보소오조구누두루무부수우주"
_COMMERCIAL, _PARCEL, _RENTAL, _MILITARY = "바사아자", "배", "하허호", "육해공국합"
_MOTORCYCLE = "가나다라마바사아자차카타파하"

_REGION = "|".join(REGIONS)
_REGION_AND_DISTRICT = "|".join(f"{r}(?:{'|'.join(names)})?" if names else r for r, names in DISTRICTS_OF.items())
# Class numbers: 01..99, or 100..999; 00 and what begins with 0 of three digits are never given.
_TWO, _THREE, _ONE = "(?:0[1-9]|[1-9][0-9])", "[1-9][0-9][0-9]", "[1-9]"
_FORMS = {
    "national": f"(?:{_TWO}|{_THREE})[{_PRIVATE}{_RENTAL}{_MILITARY}{_PARCEL}][0-9]{{4}}",
    "regional": f"(?:{_REGION})(?:{_TWO}|{_ONE})[{_PRIVATE}{_RENTAL}{_COMMERCIAL}{_PARCEL}][0-9]{{4}}",
    "official": f"(?:{'|'.join(OFFICIAL)})[0-9]{{3}}-?[0-9]{{3}}",
    "motorcycle": f"(?:{_REGION_AND_DISTRICT})[{_MOTORCYCLE}][0-9]{{4}}",
}
_PARTS = re.compile(
    rf"(?:(?P<region>{_REGION})(?P<district>{'|'.join(DISTRICTS)})?)?(?P<number>[0-9]{{1,3}})?(?P<letter>[가-힣])(?P<serial>[0-9]{{4}})"
)
_OFFICIAL = re.compile(rf"(?P<office>{'|'.join(OFFICIAL)})(?P<first>[0-9]{{3}})-?(?P<second>[0-9]{{3}})")
_KNOWN = {name: re.compile(form) for name, form in _FORMS.items()}


@dataclass(frozen=True)
class PlateText:
    """What the text of a plate says.

    ``kind``: private, rental, commercial, parcel, military, diplomatic or motorcycle. ``vehicle``: what the class
    ``number`` stands for (car, van, lorry, special, emergency; empty where there is none). ``region``, ``district``
    and ``letter`` are empty where a plate has none.
    """

    text: str
    kind: str
    region: str = ""
    district: str = ""
    number: str = ""
    letter: str = ""
    serial: str = ""
    vehicle: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "kind": self.kind,
            "region": self.region,
            "district": self.district,
            "number": self.number,
            "letter": self.letter,
            "serial": self.serial,
            "vehicle": self.vehicle,
        }


def parse(text: str) -> PlateText | None:
    """What a plate's text says, spaces aside; None where it is no Korean plate's."""
    text = re.sub(r"\s+", "", text)
    form = next((name for name, pattern in _KNOWN.items() if pattern.fullmatch(text)), None)
    if form is None:
        return None
    if form == "official":
        found = _OFFICIAL.fullmatch(text)
        assert found is not None
        return PlateText(
            f"{found['office']}{found['first']}-{found['second']}",
            "diplomatic",
            region=found["office"],
            serial=f"{found['first']}-{found['second']}",
        )
    parts = _PARTS.fullmatch(text)
    assert parts is not None
    region, district, number = (parts[k] or "" for k in ("region", "district", "number"))
    letter = parts["letter"]
    if form == "motorcycle":
        kind = "motorcycle"
    elif letter in _PARCEL:
        kind = "parcel"
    elif letter in _COMMERCIAL:
        kind = "commercial"
    elif letter in _RENTAL:
        kind = "rental"
    elif letter in _MILITARY:
        kind = "military"
    else:
        kind = "private"
    return PlateText(text, kind, region, district, number, letter, parts["serial"], _vehicle(number))


def _vehicle(number: str) -> str:
    """What a class number of two or three digits stands for; of one digit it is not known."""
    n = int(number or 0)
    if len(number) == 2:
        return "car" if n <= 69 else "van" if n <= 79 else "lorry" if n <= 97 else "special"
    if len(number) == 3:
        limits = ((699, "car"), (799, "van"), (979, "lorry"), (997, "special"), (999, "emergency"))
        return next(name for last, name in limits if n <= last)
    return ""


def as_row(
    lines: Sequence[NDArray[np.uint8]], *, height: int, max_width: int | None = None
) -> NDArray[np.uint8]:
    """The lines of a plate, upper one first, as one row uint8 ``[height, w]``: each crop (``[h, w, 3]`` RGB or ``[h,
    w]`` grey) is scaled to ``height`` and its contrast stretched, and nothing lies between them. Wider than
    ``max_width``, all are squeezed by the same factor."""
    scaled = [crop_to_line(line, height=height) for line in lines]
    total = sum(line.shape[1] for line in scaled)
    if max_width is not None and total > max_width:
        scaled = [crop_to_line(x, height=height, max_width=max(1, x.shape[1] * max_width // total)) for x in scaled]
    return np.concatenate([_stretched(line) for line in scaled], axis=1)


def _stretched(line: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A line that takes up less than half of the range of grey, between its darkest and its brightest hundredths,
    stretched to all of it, at the most eightfold: night and haze leave a small network little to see."""
    counts = np.bincount(line.ravel(), minlength=256).cumsum()
    low, high = (int(np.searchsorted(counts, share * counts[-1])) for share in (0.02, 0.98))
    if high - low >= 128:
        return line
    levels = np.clip((np.arange(256) - low) * (255 / max(high - low, 32)), 0, 255).astype(np.uint8)
    stretched: NDArray[np.uint8] = levels[line]
    return stretched


_SMALLEST = 7.0  # pixels: lower lines are not tried
_GAP = 1.6  # heights between the letter and the serial number, at the most
_TRUSTED = 0.9  # a reading this sure is not tried again with other margins
# Start, end and across, in heights beyond the found line: as a rule, tight (without the bolts beside it), and wide.
_RULE, _TIGHT, _WIDE = (0.12, 0.12, 0.0), (0.0, 0.0, 0.0), (0.35, 0.35, 0.08)
_STACKED = 1.1  # heights to the left of the class number in which a region may be stacked
_SHARES = (0.36, 0.42)  # of a two-line plate's height, its upper line's
_INK_SHARES = (0.31, 0.38)  # and of the height of its two lines alone
_BANDS = ((0.0, 1.0), (0.08, 0.92))  # where the line of a plate that fills its picture stands
_TALL_BANDS = ((0.18, 0.90), (0.0, 1.0))  # and of one that is less than three times as wide as high
_TALL = 3.2
_LOWER = re.compile("[가-힣]?[0-9]{4}")  # what the lower of two lines says
_ABOVE = (0.08, 0.62)  # where the upper one lies above it, in heights of the lower one
_CROP_SIZE = (720, 300)  # a picture no larger, width and height, may be a plate that was cut out
# What is told is believed: `python -m benchmarks.plateness` chooses these on drawn plates and what is drawn as none.
CONFIDENCE = 0.65  # of a plate in all, unless another is asked for
CHANGES = 1  # characters in which grammar and plain reading may differ
WEAKEST = 0.15  # confidence of the least sure character,
LETTER = 0.30  # and of Hangul, which is what other text lacks
_NEW = 0.75  # confidence of each character by which one crop's text is longer than the others'
_PRINTED = 0.97  # confidence of a plate in the midst of print: a receipt is full of figures
_NEIGHBOURS, _NEAR = 4, 5.0  # so many other words of about its height, at most so many heights away, are print
_UNEVEN = 0.25  # of the distance between two figures: by how much that to a third one may differ
_AGREED = 0.06  # by so much a text may be less sure that two crops agree on


@dataclass(frozen=True)
class Plate:
    """A plate that was read: ``text``, what it says (``details``; None for a foreign one), where it is, how sure the
    reading is in all and character by character, and what was read ``plain``, without the grammar of plates."""

    text: str
    kind: str
    quad: Quad
    confidence: float
    characters: tuple[TextCharacter, ...]
    plain: str
    details: PlateText | None = None

    def to_dict(self) -> dict[str, Any]:
        data: dict[str, Any] = {
            "text": self.text,
            "kind": self.kind,
            "quad": [[round(x, 2), round(y, 2)] for x, y in self.quad],
            "confidence": round(self.confidence, 4),
            "characters": [c.to_dict() for c in self.characters],
            "plain": self.plain,
        }
        if self.details is not None:
            more = self.details.to_dict()
            data |= {k: more[k] for k in ("region", "district", "number", "letter", "serial", "vehicle")}
        return data


@dataclass(frozen=True, eq=False)
class _Candidate:
    """Where a plate may be: one line, or the upper and the lower one; ``words``: the regions that it takes up."""

    lines: tuple[Line, ...]
    words: frozenset[int]


@lru_cache(maxsize=1)
def grammar() -> Pattern:
    """Everything that a Korean plate may say, as a pattern."""
    return Pattern("|".join(_FORMS.values()))


class Scanner:
    """Finds and reads number plates in pictures.

    ``threads``, ``models_dir`` and ``engine`` (by name) as for ``OCR``. ``min_confidence``: less sure readings are left
    out. ``foreign``:
    give what looks like another country's plate too, as Latin letters and digits; any other short word of capitals and
    digits looks like one as well, so this is off unless asked for.

    The recognizer is ``plate-kr`` where the folder of models has it, else the one of Korean, which knows the characters
    but not plates; ``recognizer`` says which. Raises ModelNotFound where there is neither, or no detector.
    """

    def __init__(
        self,
        *,
        threads: int = 1,
        models_dir: str | os.PathLike[str] | None = None,
        min_confidence: float = CONFIDENCE,
        foreign: bool = False,
        engine: str = "onnx",
    ) -> None:
        if not 0 <= min_confidence <= 1:
            raise InputError(f"min_confidence: expected a number in 0..1, found {min_confidence!r}")
        self.min_confidence = float(min_confidence)
        self._detector = make_detector(models_dir, threads=threads, engine=engine)
        self._recognizer = make_recognizer(MODELS, models_dir, threads=threads, engine=engine)
        self.recognizer = self._recognizer.manifest.name
        self._latin: Recognizer | None = None
        if foreign:
            self._latin = make_recognizer(("en",), models_dir, threads=threads, engine=engine)

    def warm_up(self) -> None:
        """Runs the networks once in each of their shapes, so that no picture pays for that later."""
        self._detector.warm_up()
        self._recognizer.warm_up()

    def scan(self, image: ImageSource) -> tuple[Plate, ...]:
        """The plates in a picture (path, bytes, array, PIL image or Frame), the surest first. Raises ImageError."""
        picture = load_image(image)
        regions = [r for r in self._detector.detect(picture) if float(heights(np.array([r.quad]))[0]) >= _SMALLEST]
        found = self._read(picture, _candidates(regions), self.min_confidence)
        found = [(c, p) for c, p in found if p.confidence >= _PRINTED or not _crowded(c, regions)]
        if not found and picture.shape[1] <= _CROP_SIZE[0] and picture.shape[0] <= _CROP_SIZE[1]:
            found = self._read(picture, _whole(picture), self.min_confidence)
        plates = _best_of_each_place(found)
        if self._latin is not None:
            plates += self._foreign(picture, regions, plates)
        return tuple(sorted(plates, key=lambda p: -p.confidence))

    def read(
        self, image: ImageSource, quads: Sequence[Quad], *, min_confidence: float | None = None
    ) -> tuple[Plate | None, ...]:
        """The plates whose places in a picture are known, as of one that is followed: ``quads`` as ``scan`` gives them,
        around one line or both. None where there is none (or none so sure, ``min_confidence``). Raises ImageError."""
        picture = load_image(image)
        least = self.min_confidence if min_confidence is None else min_confidence
        candidates = [c for k, quad in enumerate(quads) for c in _in_place(np.array(quad, np.float64), k)]
        best: list[Plate | None] = [None] * len(quads)
        for candidate, plate in self._read(picture, candidates, least):
            (k,) = candidate.words
            before = best[k]
            if before is None or plate.confidence > before.confidence:
                best[k] = plate
        return tuple(best)

    # -- reading ---------------------------------------------------------------------------------------------------

    def _read(
        self, picture: Image, candidates: Sequence[_Candidate], least: float
    ) -> list[tuple[_Candidate, Plate]]:
        """What the candidates read under the grammar, where that is sure enough. Each is cut out in two or more ways:
        bolts and rims beside a plate look like figures in one crop, seldom in all."""
        plausible: list[tuple[_Candidate, LogProbs]] = []
        rule = self._recognizer.log_probs([self._crop(picture, c, _RULE) for c in candidates])
        lowers = []
        for candidate, lp in zip(candidates, rule, strict=True):
            plain = re.sub(r"\s+", "", greedy(lp).text)
            if len(candidate.lines) == 1 and _LOWER.fullmatch(plain):
                lowers.append(_with_upper(candidate))
            if sum(c.isdecimal() for c in plain) >= 3 and 5 <= len(plain) <= 13:
                plausible.append((candidate, lp))
        if lowers:  # the lower line of two: the upper one, in small letters, is easily missed
            above = self._recognizer.log_probs([self._crop(picture, c, _RULE) for c in lowers])
            plausible += list(zip(lowers, above, strict=True))
        tight = self._recognizer.log_probs([self._crop(picture, c, _TIGHT) for c, _ in plausible])
        readings: list[list[Plate]] = []
        more: list[tuple[int, _Candidate, tuple[float, float, float]]] = []
        for k, ((candidate, lp), other) in enumerate(zip(plausible, tight, strict=True)):
            readings.append([p for p in (self._plate(candidate, x) for x in (lp, other)) if p is not None])
            sure = any(p.confidence >= _TRUSTED and not changes(p) for p in readings[k])
            if sure and len(_texts(readings[k])) == 1:
                continue
            more.append((k, candidate, _WIDE))
            if len(candidate.lines) == 1:  # a region that is stacked before the class may not have been found
                line = candidate.lines[0]
                reach = Line(line.words, widen(line, start=_STACKED))
                more.append((k, _Candidate((reach,), candidate.words), _RULE))
        again = self._recognizer.log_probs([self._crop(picture, c, margin) for _, c, margin in more])
        for (k, candidate, _), lp in zip(more, again, strict=True):
            plate = self._plate(candidate, lp)
            readings[k] += [plate] if plate is not None else []
        chosen = ((c, _agreed(plates, least)) for (c, _), plates in zip(plausible, readings, strict=True))
        return [(candidate, plate) for candidate, plate in chosen if plate is not None]

    def _crop(self, picture: Image, candidate: _Candidate, margin: tuple[float, float, float]) -> Image:
        given = self._recognizer.manifest.input
        start, end, across = margin
        quads = [widen(line, start=start, end=end, across=across) for line in candidate.lines]
        crops = [c.image for c in crop_quads(picture, np.array(quads), height=given.height, margin=given.margin)]
        return as_row(crops, height=given.height)

    def _plate(self, candidate: _Candidate, lp: LogProbs) -> Plate | None:
        """What the grammar makes of it; None where that is too far from what is seen."""
        plain = greedy(lp).text
        text = re.sub(r"\s+", "", plain)
        if parse(text) is None:
            options = search(lp, grammar(), width=4)
            if not options:
                return None
            text = options[0][0]
        details = parse(text)
        if details is None or (len(details.number) == 3 and not _even(lp, text)):
            return None
        word = self._recognizer.word_of(lp, text)
        quad = to_quad(_around(candidate.lines))
        return Plate(details.text, details.kind, quad, word.confidence, word.characters, plain, details)

    def _foreign(self, picture: Image, regions: Sequence[Region], plates: Sequence[Plate]) -> list[Plate]:
        """Single lines of capitals and digits, both or the latter, that are no Korean plate."""
        assert self._latin is not None
        taken = np.array([p.quad for p in plates], np.float64).reshape(-1, 4, 2)
        lines = []
        for words in chains(regions, gap=1.0, alike=1.4, most=3):
            line = line_of(regions, words)
            inside = bool(len(taken)) and bool((quad_iou_matrix(line.quad[None], taken) > 0.1).any())
            if 2.0 <= line.width / max(line.height, 1.0) <= 8 and not inside:
                lines.append(line)
        given = self._latin.manifest.input
        quads = np.array([widen(line, start=0.1, end=0.1) for line in lines]).reshape(-1, 4, 2)
        crops = [c.image for c in crop_quads(picture, quads, height=given.height, margin=given.margin)]
        found = []
        for line, word in zip(lines, self._latin.recognize(crops, pattern=_latin_plates()), strict=True):
            seen = re.sub(r"[^0-9A-Z]", "", (word.plain or "").upper())
            if word.confidence >= max(self.min_confidence, 0.8) and distance(seen, word.text) <= 1:
                quad = to_quad(line.quad)
                candidate = _Candidate((line,), frozenset(line.words))
                plate = Plate(word.text, "foreign", quad, word.confidence, word.characters, word.plain or "")
                found.append((candidate, plate))
        return _best_of_each_place(found)


@lru_cache(maxsize=1)
def _latin_plates() -> Pattern:
    """Four to nine capitals and digits, some of each."""
    return Pattern("[A-Z0-9]{0,4}[A-Z][0-9][A-Z0-9]{2,4}|[A-Z0-9]{0,4}[0-9][A-Z][A-Z0-9]{2,4}")


def _candidates(regions: Sequence[Region]) -> list[_Candidate]:
    """Single lines, and pairs of lines one below the other, of the shape that plates' lines have."""
    lines = [line_of(regions, words) for words in chains(regions, gap=_GAP, alike=1.9)]
    shape = [line.width / max(line.height, 1.0) for line in lines]
    out = [
        _Candidate((line,), frozenset(line.words))
        for line, aspect in zip(lines, shape, strict=True)
        if 2.0 <= aspect <= 9.0
    ]
    uppers = [k for k, aspect in enumerate(shape) if 0.9 <= aspect <= 7.5]
    for low, aspect in enumerate(shape):
        if not 1.3 <= aspect <= 5.5:
            continue
        lower = lines[low]
        along = (lower.quad[1] - lower.quad[0]) / max(lower.width, 1.0)
        down = np.array([-along[1], along[0]])
        middle = lower.quad.mean(0)
        for up in uppers:
            upper = lines[up]
            if set(upper.words) & set(lower.words) or not 0.25 * lower.height <= upper.height <= 1.1 * lower.height:
                continue
            offset = upper.quad.mean(0) - middle
            gap = -float(offset @ down) - (upper.height + lower.height) / 2
            aside = abs(float(offset @ along))
            near = -0.3 * lower.height < gap < 0.6 * lower.height
            if near and aside < 0.3 * lower.width and upper.width < 1.15 * lower.width:
                out.append(_Candidate((upper, lower), frozenset(upper.words + lower.words)))
    return out


def _whole(picture: Image) -> list[_Candidate]:
    """A picture that is all plate: as one line, and cut into two where the kinds' drawings part them."""
    h, w = picture.shape[:2]
    return _cuts(np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float64), frozenset(), _SHARES)


def _in_place(quad: NDArray[np.float64], k: int) -> list[_Candidate]:
    """The quad of plate number ``k``, which stands for its words: one line, or two of ink alone."""
    out = [_Candidate((Line((), quad),), frozenset({k}))]
    return out + [c for c in _cuts(quad, frozenset({k}), _INK_SHARES) if len(c.lines) == 2]


def _crowded(candidate: _Candidate, regions: Sequence[Region]) -> bool:
    """Whether a candidate stands in the midst of other text of about its size."""
    quads = np.array([r.quad for k, r in enumerate(regions) if k not in candidate.words], np.float64).reshape(-1, 4, 2)
    line = candidate.lines[-1]
    own = np.concatenate([x.quad for x in candidate.lines])
    (x0, y0), (x1, y1) = own.min(0), own.max(0)
    middles, high = quads.mean(1), heights(quads)
    away = np.hypot(
        np.maximum(np.maximum(x0 - middles[:, 0], middles[:, 0] - x1), 0),
        np.maximum(np.maximum(y0 - middles[:, 1], middles[:, 1] - y1), 0),
    )
    alike = (high > 0.5 * line.height) & (high < 2 * line.height)
    return int((alike & (away > 0) & (away < _NEAR * line.height)).sum()) >= _NEIGHBOURS


def _with_upper(candidate: _Candidate) -> _Candidate:
    """The lower line of a plate, and where the upper one must be."""
    lower = candidate.lines[0]
    q, h = lower.quad, lower.height
    up = [(q[k] - q[3 - k]) / max(float(np.hypot(*(q[k] - q[3 - k]))), 1e-6) * h for k in (0, 1)]
    near, far = _ABOVE
    upper = np.array([q[0] + far * up[0], q[1] + far * up[1], q[1] + near * up[1], q[0] + near * up[0]])
    return _Candidate((Line((), upper), lower), candidate.words)


def _cuts(quad: NDArray[np.float64], words: frozenset[int], shares: Sequence[float]) -> list[_Candidate]:
    def rows(top: float, bottom: float) -> Line:
        left, right = quad[3] - quad[0], quad[2] - quad[1]
        return Line((), np.array([quad[0] + top * left, quad[1] + top * right, quad[1] + bottom * right,
                                  quad[0] + bottom * left]))  # fmt: skip

    whole = Line((), quad)
    tall = whole.width < _TALL * whole.height
    out = [_Candidate((rows(*band),), words) for band in (_TALL_BANDS if tall else _BANDS)]
    if tall:
        out += [_Candidate((rows(0, share), rows(share, 1)), words) for share in shares]
    return out


def _best_of_each_place(found: Sequence[tuple[_Candidate, Plate]]) -> list[Plate]:
    """Of readings that share a word or lie on one another, the surest, and of about equally sure ones the longest, and
    that which the grammar changed least."""

    def worth(plate: Plate) -> float:
        # A foreign plate is capitals and figures that no grammar was laid on.
        return plate.confidence + 0.03 * len(plate.text) - (0.06 * changes(plate) if plate.details is not None else 0.0)

    ranked = sorted(found, key=lambda x: -worth(x[1]))
    kept: list[tuple[_Candidate, Plate]] = []
    for candidate, plate in ranked:
        quad = np.array([plate.quad], np.float64)
        others = np.array([p.quad for _, p in kept], np.float64).reshape(-1, 4, 2)
        if any(candidate.words & c.words for c, _ in kept):
            continue
        if len(others) and bool((quad_iou_matrix(quad, others) > 0.2).any()):
            continue
        kept.append((candidate, plate))
    return [plate for _, plate in kept]


def _even(lp: LogProbs, text: str) -> bool:
    """Whether the first three figures stand as far apart as each other. A rim, a bolt or the edge of the blue band that
    is taken for a first one seldom does; cells of plates have one pitch, narrow figures or not."""
    a, b, c = (sum(columns) / 2 for columns in align(lp, text).columns[:3])
    return abs((b - a) - (c - b)) <= max(_UNEVEN * (c - b), 1.0)


def _texts(plates: Sequence[Plate]) -> set[str]:
    return {p.text for p in plates}


def _agreed(plates: Sequence[Plate], least: float) -> Plate | None:
    """Of several readings of one candidate the surest of the text that they stand for most; None where that is not to
    be believed."""
    support: dict[str, float] = {}
    for p in plates:
        # The square: one sure reading weighs as much as two doubtful ones. What the grammar had to mend weighs less.
        support[p.text] = support.get(p.text, 0.0) + p.confidence**2 * 0.5 ** changes(p)
    if not support:
        return None
    text = max(support, key=lambda t: support[t])
    # What has no region may have one: a crop that shows more knows better. Of figures it makes too many.
    for p in plates:
        new = p.characters[: len(p.text) - len(text)]
        region = bool(new) and all(not c.text.isdecimal() and c.confidence >= _NEW for c in new)
        if region and p.text.endswith(text) and p.confidence >= least and believable(p):
            text = p.text
    same = [p for p in plates if p.text == text]
    best = max(same, key=lambda p: p.confidence)
    return best if best.confidence >= least - _AGREED * (len(same) > 1) and believable(best) else None


def believable(plate: Plate) -> bool:
    """Whether a reading is one of a plate, whatever its confidence in all: no character of it a guess, and Hangul least
    of all, which is the grammar's doing where other text was read."""
    sure = [c.confidence for c in plate.characters]
    letters = [c.confidence for c in plate.characters if not c.text.isascii()]
    return min(sure) >= WEAKEST and min(letters) >= LETTER and changes(plate) <= CHANGES


def changes(plate: Plate) -> int:
    """Characters in which a plate's text differs from what was read without the grammar."""
    seen = re.sub(r"\s+", "", plate.plain)
    return min(distance(seen, plate.text), distance(seen, plate.text.replace("-", "")))


def _around(lines: Sequence[Line]) -> NDArray[np.float64]:
    if len(lines) == 1:
        return lines[0].quad
    lower = lines[-1].quad
    angle = float(reading_angles(lower[None])[0])
    return bounding_rectangle(np.concatenate([line.quad for line in lines]), angle)
