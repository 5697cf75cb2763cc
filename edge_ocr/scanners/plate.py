"""Korean number plates: what their text says, and finding them in pictures.

``parse`` is pure: text to kind, region, class and number (``plate_text``); ``plate_find`` says where a plate may stand.
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
from edge_ocr.geometry import bounding_rectangle, heights, quad_iou_matrix, reading_angles, widths
from edge_ocr.image import load_image
from edge_ocr.preprocess import crop_to_line
from edge_ocr.recognize import Recognizer, align
from edge_ocr.scanners.lines import Line, chains, line_of, make_detector, make_recognizer, to_quad, widen
from edge_ocr.scanners.plate_find import Candidate, candidates_of, cuts_in_place, cuts_of_whole, runs_on, with_upper
from edge_ocr.scanners.plate_text import DISTRICTS, DISTRICTS_OF, OFFICIAL, REGIONS, PlateText, grammar, parse
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
_TRUSTED = 0.9  # a reading this sure is not tried again with other margins
# Start, end and across, in heights beyond the found line: as a rule, tight (without the bolts beside it), and wide.
_RULE, _TIGHT, _WIDE = (0.12, 0.12, 0.0), (0.0, 0.0, 0.0), (0.35, 0.35, 0.08)
_STACKED = 1.1  # heights to the left of the class number in which a region may be stacked
_LOWER = re.compile("[가-힣]?[0-9]{4}")  # what the lower of two lines says
_HANGUL = re.compile("[가-힣]")
_REGION_ENDS = frozenset(name[-1] for name in REGIONS)
_BAND = 0.75  # width by height, of a band and no letter
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
        found = self._read(picture, candidates_of(regions), self.min_confidence)
        found = [(c, p) for c, p in found if p.confidence >= _PRINTED or not _crowded(c, regions)]
        alone = _alone(found, regions, picture)
        if not found and picture.shape[1] <= _CROP_SIZE[0] and picture.shape[0] <= _CROP_SIZE[1]:
            alone = self._read(picture, cuts_of_whole(picture), self.min_confidence)
        plates = _best_of_each_place(alone)
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
        candidates = [c for k, quad in enumerate(quads) for c in cuts_in_place(np.array(quad, np.float64), k)]
        best: list[Plate | None] = [None] * len(quads)
        for candidate, plate in self._read(picture, candidates, least):
            (k,) = candidate.words
            before = best[k]
            if before is None or plate.confidence > before.confidence:
                best[k] = plate
        return tuple(best)

    # -- reading ---------------------------------------------------------------------------------------------------

    def _read(
        self, picture: Image, candidates: Sequence[Candidate], least: float
    ) -> list[tuple[Candidate, Plate]]:
        """What the candidates read under the grammar, where that is sure enough. Each is cut out in two or more ways:
        bolts and rims beside a plate look like figures in one crop, seldom in all."""
        plausible: list[tuple[Candidate, LogProbs]] = []
        rule = self._recognizer.log_probs([self._crop(picture, c, _RULE) for c in candidates])
        lowers = []
        for candidate, lp in zip(candidates, rule, strict=True):
            plain = re.sub(r"\s+", "", greedy(lp).text)
            if len(candidate.lines) == 1 and _LOWER.fullmatch(plain):
                lowers.append(with_upper(candidate))
            if sum(c.isdecimal() for c in plain) >= 3 and 5 <= len(plain) <= 13:
                plausible.append((candidate, lp))
        if lowers:  # the lower line of two: the upper one, in small letters, is easily missed
            above = self._recognizer.log_probs([self._crop(picture, c, _RULE) for c in lowers])
            plausible += list(zip(lowers, above, strict=True))
        tight = self._recognizer.log_probs([self._crop(picture, c, _TIGHT) for c, _ in plausible])
        readings: list[list[Plate]] = []
        more: list[tuple[int, Candidate, tuple[float, float, float]]] = []
        for k, ((candidate, lp), other) in enumerate(zip(plausible, tight, strict=True)):
            readings.append([p for p in (self._plate(candidate, x) for x in (lp, other)) if p is not None])
            sure = any(p.confidence >= _TRUSTED for p in readings[k])
            same = len(_texts(readings[k])) == 1 and not any(changes(p) for p in readings[k])
            if sure and same:
                continue
            more.append((k, candidate, _WIDE))
            if len(candidate.lines) == 1:  # a region that is stacked before the class may not have been found
                line = candidate.lines[0]
                reach = Line(line.words, widen(line, start=_STACKED))
                more.append((k, Candidate((reach,), candidate.words), _RULE))
        again = self._recognizer.log_probs([self._crop(picture, c, margin) for _, c, margin in more])
        for (k, candidate, _), lp in zip(more, again, strict=True):
            plate = self._plate(candidate, lp)
            readings[k] += [plate] if plate is not None else []
        # Only where it may be a plate: other views of other text would give it more chances to look like one.
        doubtful = [k for k in sorted({k for k, _, _ in more}) if _agreed(readings[k], least) is not None]
        rows = [self._crop(picture, plausible[k][0], _RULE) for k in doubtful]
        for k, views in zip(doubtful, self._recognizer.views(rows), strict=True):
            plates = [self._plate(plausible[k][0], lp) for lp in views]
            readings[k] += [plate for plate in plates if plate is not None]
        chosen = ((c, _agreed(plates, least)) for (c, _), plates in zip(plausible, readings, strict=True))
        return [(candidate, plate) for candidate, plate in chosen if plate is not None]

    def _crop(self, picture: Image, candidate: Candidate, margin: tuple[float, float, float]) -> Image:
        given = self._recognizer.manifest.input
        start, end, across = margin
        quads = [widen(line, start=start, end=end, across=across) for line in candidate.lines]
        crops = [c.image for c in crop_quads(picture, np.array(quads), height=given.height, margin=given.margin)]
        return as_row(crops, height=given.height)

    def _plate(self, candidate: Candidate, lp: LogProbs) -> Plate | None:
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
                candidate = Candidate((line,), frozenset(line.words))
                plate = Plate(word.text, "foreign", quad, word.confidence, word.characters, word.plain or "")
                found.append((candidate, plate))
        return _best_of_each_place(found)


@lru_cache(maxsize=1)
def _latin_plates() -> Pattern:
    """Four to nine capitals and digits, some of each."""
    return Pattern("[A-Z0-9]{0,4}[A-Z][0-9][A-Z0-9]{2,4}|[A-Z0-9]{0,4}[0-9][A-Z][A-Z0-9]{2,4}")


def _crowded(candidate: Candidate, regions: Sequence[Region]) -> bool:
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


def _alone(
    found: Sequence[tuple[Candidate, Plate]], regions: Sequence[Region], picture: Image
) -> list[tuple[Candidate, Plate]]:
    """Those that no text runs into, which would be a part of a sentence (34나 5678동 101호). Another plate beside one
    is no such text, nor is a narrow patch in front of one that reads the same with it: the blue band of newer plates. A
    candidate that took a word of the sentence in without reading it goes with those without."""
    dropped: list[tuple[Candidate, Plate]] = []
    for candidate, plate in found:
        apart = [c.words for c, _ in found if not c.words & candidate.words]
        longer = [c.words - candidate.words for c, p in found if p.text == plate.text and c.words > candidate.words]
        bands = [words for words in longer if all(_is_band(regions[k].quad, candidate) for k in words)]
        if runs_on(candidate, regions, picture, frozenset().union(*apart, *bands)):
            dropped.append((candidate, plate))
    return [
        (candidate, plate) for candidate, plate in found
        if not any(plate.text == p.text and candidate.words & c.words for c, p in dropped)
    ]


def _is_band(quad: Quad, candidate: Candidate) -> bool:
    """Whether a region is as narrow as the band of a plate, narrower than Hangul, and in front of a candidate."""
    q, line = np.array([quad], np.float64), candidate.lines[-1].quad
    before = float((q[0].mean(0) - line[[0, 3]].mean(0)) @ (line[1] - line[0])) < 0
    return before and bool(widths(q)[0] < _BAND * heights(q)[0])


def _best_of_each_place(found: Sequence[tuple[Candidate, Plate]]) -> list[Plate]:
    """Of readings that share a word or lie on one another, the surest, and of about equally sure ones the longest, and
    that which the grammar changed least."""

    def worth(plate: Plate) -> float:
        # A foreign plate is capitals and figures that no grammar was laid on.
        return plate.confidence + 0.03 * len(plate.text) - (0.06 * changes(plate) if plate.details is not None else 0.0)

    ranked = sorted(found, key=lambda x: -worth(x[1]))
    kept: list[tuple[Candidate, Plate]] = []
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
    if any(_goes_on(p) for p in same):
        return None
    best = max(same, key=lambda p: p.confidence)
    return best if best.confidence >= least - _AGREED * (len(same) > 1) and believable(best) else None


def believable(plate: Plate) -> bool:
    """Whether a reading is one of a plate, whatever its confidence in all: no character of it a guess, and Hangul least
    of all, which is the grammar's doing where other text was read."""
    sure = [c.confidence for c in plate.characters]
    letters = [c.confidence for c in plate.characters if not c.text.isascii()]
    return min(sure) >= WEAKEST and min(letters) >= LETTER and changes(plate) <= CHANGES


def _goes_on(plate: Plate) -> bool:
    """Whether Hangul was read right before or behind the text, as in 제34조5678 and 34나5678동. Bolts and rims look
    like figures, not like that; what may be the end of a region that was cut off is none of it."""
    before, _, behind = re.sub(r"\s+", "", plate.plain).partition(plate.text)
    return bool(_HANGUL.search(behind)) or bool(_HANGUL.match(before[-1:]) and before[-1] not in _REGION_ENDS)


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
