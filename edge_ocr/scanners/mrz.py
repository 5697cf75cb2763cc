"""Machine-readable zones of travel documents (ICAO 9303 parts 4 to 7): TD1, TD2, TD3, MRV-A and MRV-B.

``parse`` is pure: lines to fields, with every check digit verified. It is written here rather than taken from a
library: of those on PyPI the complete one is GPL and has stood still since 2020, and the layouts are five short tables.

Check digits choose among what the recognizer holds possible, they never invent: a line is only ever replaced by another
one of the same search, and ``accepted`` says that all check digits hold, and that no other reading that is nearly as
likely passes them too.
"""

from __future__ import annotations

import datetime
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edge_ocr.constrain import Pattern, search
from edge_ocr.crop import crop_quads
from edge_ocr.ctc import Decoded, LogProbs, greedy
from edge_ocr.detect import Detector
from edge_ocr.errors import InputError
from edge_ocr.geometry import bounding_rectangle, heights, reading_angles, widths
from edge_ocr.image import load_image
from edge_ocr.recognize import align
from edge_ocr.scanners.lines import Line, make_detector, make_recognizer, to_quad, widen
from edge_ocr.scanners.strings import distance
from edge_ocr.scanners.zone_fit import fit_lines
from edge_ocr.types import Quad, Region, TextWord

if TYPE_CHECKING:
    from edge_ocr.image import ImageSource

__all__ = [
    "ALPHABET", "LAYOUTS", "Field", "Layout", "Mrz", "MrzText", "Scanner", "believable", "check_digit", "choose",
    "parse",
]  # fmt: skip

Image = NDArray[np.uint8]
# The recognizer made for this, else those that know the characters at least.
MODELS = ("mrz", "en", "ko")
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ<"
_VALUE = {c: min(i, 36) % 36 for i, c in enumerate(ALPHABET)}


def check_digit(field: str) -> str:
    """The digit that ICAO 9303 part 3 puts after a field: weights 7 3 1, letters 10 to 35, filler 0, modulo 10."""
    return str(sum(_VALUE[c] * (7, 3, 1)[i % 3] for i, c in enumerate(field)) % 10)


@dataclass(frozen=True)
class Layout:
    """Where the fields of a layout stand: (line, first, end); ``checks``: a field and the place of its check digit;
    ``composite``: the pieces under the last check digit, and its place; ``lines``: a pattern for each line."""

    name: str
    width: int
    fields: dict[str, tuple[int, int, int]]
    checks: dict[str, tuple[int, int]]
    composite: tuple[tuple[tuple[int, int, int], ...], tuple[int, int]] | None
    lines: tuple[str, ...]


_ANY, _LETTER, _DIGIT = "[A-Z0-9<]", "[A-Z<]", "[0-9<]"
_CORE = f"{_DIGIT}{{6}}[0-9][MFX<]{_DIGIT}{{6}}[0-9]"
_NUMBER = f"{_ANY}{{9}}{_DIGIT}{_LETTER}{{3}}"


def _two_lines(name: str, width: int, kinds: str, rest: str, optional: tuple[int, int]) -> Layout:
    fields = {
        "type": (0, 0, 2), "state": (0, 2, 5), "names": (0, 5, width), "number": (1, 0, 9), "nationality": (1, 10, 13),
        "birth": (1, 13, 19), "sex": (1, 20, 21), "expiry": (1, 21, 27), "optional": (1, *optional),
    }  # fmt: skip
    checks = {"number": (1, 9), "birth": (1, 19), "expiry": (1, 27)}
    composite: tuple[tuple[tuple[int, int, int], ...], tuple[int, int]] | None = None
    if not name.startswith("MRV"):
        composite = (((1, 0, 10), (1, 13, 20), (1, 21, width - 1)), (1, width - 1))
    if name == "TD3":
        checks["optional"] = (1, 42)
    lines = (f"[{kinds}]{_LETTER}{_LETTER}{{{width - 2}}}", f"{_NUMBER}{_CORE}{rest}")
    return Layout(name, width, fields, checks, composite, lines)


LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout(
            "TD1", 30,
            {
                "type": (0, 0, 2), "state": (0, 2, 5), "number": (0, 5, 14), "optional": (0, 15, 30),
                "birth": (1, 0, 6), "sex": (1, 7, 8), "expiry": (1, 8, 14), "nationality": (1, 15, 18),
                "optional2": (1, 18, 29),
                "names": (2, 0, 30),
            },
            {"number": (0, 14), "birth": (1, 6), "expiry": (1, 14)},
            (((0, 5, 30), (1, 0, 7), (1, 8, 15), (1, 18, 29)), (1, 29)),
            (
                f"[ACI]{_ANY}{_LETTER}{{3}}{_ANY}{{9}}{_DIGIT}{_ANY}{{15}}", f"{_CORE}{_LETTER}{{3}}{_ANY}{{11}}[0-9]",
                f"{_LETTER}{{30}}",
            ),
        ),
        _two_lines("TD2", 36, "ACIP", f"{_ANY}{{7}}[0-9]", (28, 35)),
        _two_lines("TD3", 44, "P", f"{_ANY}{{14}}{_DIGIT}[0-9]", (28, 42)),
        _two_lines("MRVA", 44, "V", f"{_ANY}{{16}}", (28, 44)),
        _two_lines("MRVB", 36, "V", f"{_ANY}{{8}}", (28, 36)),
    )
}  # fmt: skip


@dataclass(frozen=True)
class MrzText:
    """What the lines of a zone say: ``fields`` as they stand there without fillers at the end, ``values``
    normalised (names split, dates as ISO 8601), ``checks`` whether each check digit holds."""

    layout: str
    lines: tuple[str, ...]
    fields: dict[str, str]
    values: dict[str, str]
    checks: dict[str, bool]

    @property
    def accepted(self) -> bool:
        """Whether all check digits hold."""
        return all(self.checks.values())


def parse(lines: Sequence[str], *, today: datetime.date | None = None) -> MrzText | None:
    """The fields of a zone's lines, check digits right or wrong; None where the lines have no layout's form.

    ``today`` (default: the day) decides the century of two-digit years: nobody is born in the future, and nothing that
    expires is older than fifty years.
    """
    rows = tuple(re.sub(r"\s+", "", line).upper() for line in lines)
    layout = next((x for x in LAYOUTS.values() if _fits(x, rows)), None)
    if layout is None:
        return None
    fields = {name: rows[k][a:b] for name, (k, a, b) in layout.fields.items()}
    checks = {}
    for name, (k, at) in layout.checks.items():
        digit = rows[k][at]
        field = fields[name]
        if name == "number" and digit == "<" and layout.name in ("TD1", "TD2"):
            # A number of more than nine characters goes on in the optional data, and its check digit after it.
            longer = fields["optional"].split("<")[0]
            if longer:
                fields["number"] = field + longer[:-1]
                fields["optional"] = fields["optional"][len(longer) :]
                checks[name] = check_digit(field + longer[:-1]) == longer[-1]
                continue
        empty = not field.strip("<")
        checks[name] = check_digit(field) == digit or (name == "optional" and empty and digit == "<")
    if layout.composite is not None:
        pieces, (k, at) = layout.composite
        checks["composite"] = check_digit("".join(rows[i][a:b] for i, a, b in pieces)) == rows[k][at]
    raw = {name: text.rstrip("<") if name != "sex" else text for name, text in fields.items()}
    return MrzText(layout.name, rows, raw, _values(raw, today or datetime.date.today()), checks)


def _fits(layout: Layout, rows: tuple[str, ...]) -> bool:
    return len(rows) == len(layout.lines) and all(
        re.fullmatch(pattern, row) is not None for pattern, row in zip(layout.lines, rows, strict=True)
    )


def _values(raw: dict[str, str], today: datetime.date) -> dict[str, str]:
    values = {k: v.replace("<", " ").strip() for k, v in raw.items()}
    surname, _, given = raw["names"].partition("<<")
    values["surname"] = surname.replace("<", " ").strip()
    values["given_names"] = re.sub(r"<+", " ", given).strip()
    values["names"] = f"{values['surname']} {values['given_names']}".strip()
    values["sex"] = raw["sex"].replace("<", "X")
    values["birth"] = _date(raw["birth"], today.year)
    values["expiry"] = _date(raw["expiry"], today.year + 50)
    return values


def _date(text: str, latest: int) -> str:
    """``YYMMDD`` as ``YYYY-MM-DD``, the latest such year up to ``latest``; what is unknown in it stays away; empty
    for what is no date."""
    digits = text.ljust(6, "<")
    if not digits[:2].isdecimal():
        return ""
    year = latest - (latest - int(digits[:2])) % 100
    month, day = digits[2:4], digits[4:6]
    if not month.isdecimal():
        return f"{year:04d}"
    if not 1 <= int(month) <= 12:
        return ""
    if not day.isdecimal():
        return f"{year:04d}-{month}"
    try:
        return datetime.date(year, int(month), int(day)).isoformat()
    except ValueError:
        return ""


# -- in pictures ---------------------------------------------------------------------------------------------------

_SMALLEST = 5.0  # pixels: lower text is not tried
_GAP = 5.0  # heights that may lie between two found words of a line
_FILLERS = 24.0  # and between such as stand exactly level: a run of fillers is easily missed
_LONG = 9.0  # heights that a found row is wide at least; the longest of a zone half as much again
_BEAM, _TOP = 8, 4
_ZONES = 30  # places in a picture that are read, the likeliest
_FITTED = 8  # of them, those that are not accepted at once, the likeliest are cut out anew along their ink
_BONUS = 0.2  # what accepted check digits count for, as log-probability a character and as confidence
_MOST = 120  # readings of a line that are tried for their check digits
_LUCK = 0.02  # the share of wrong readings that may pass by chance
_FAR = 10.0  # natural logarithms by which a line may be less likely than the likeliest, and be chosen for its digits
_CLEAR = 3.0  # and by which another line that passes must be less likely, or neither is believed
_LENGTH = 0.1  # share of a layout's width by which a plain reading may be longer or shorter
_READ = 0.6  # share of a layout's width that was read where the rest is looked for
_KIND = 0.3  # confidence of a zone's first letter
_SURE = 0.8  # and of every character under a check digit: one wrong reading in ten passes its own by chance,
_SWAPPED = 0.05  # but for a single one that the check digit put right
_OFF = 0.2  # share of a line's characters in which layout and plain reading may differ


@dataclass(frozen=True)
class Field:
    """A field: as it stands in the zone, normalised, how sure the reading of its characters is, and where all of its
    places are, empty ones too."""

    raw: str
    value: str
    confidence: float
    quad: Quad | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "raw": self.raw,
            "value": self.value,
            "confidence": round(self.confidence, 4),
            "quad": None if self.quad is None else [[round(x, 2), round(y, 2)] for x, y in self.quad],
        }


@dataclass(frozen=True)
class Mrz:
    """A zone that was read: its ``layout``, ``fields`` (the lines too, as ``line1`` …), whether it is ``accepted``
    (all check digits hold, and nothing nearly as likely passes too), which of them hold, where it is, and what was read
    ``plain``, without layout and check digits."""

    layout: str
    fields: dict[str, Field]
    accepted: bool
    checks: dict[str, bool]
    confidence: float
    quad: Quad
    plain: tuple[str, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(f.raw for name, f in self.fields.items() if name.startswith("line"))

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": "mrz",
            "layout": self.layout,
            "fields": {name: f.to_dict() for name, f in self.fields.items()},
            "accepted": self.accepted,
            "checks": dict(self.checks),
            "confidence": round(self.confidence, 4),
            "quad": [[round(x, 2), round(y, 2)] for x, y in self.quad],
            "plain": list(self.plain),
        }


@dataclass(frozen=True, eq=False)
class _Row:
    """Words on one level, in a frame turned by the page's angle: their extent, and the line through their middles."""

    left: float
    right: float
    slope: float
    level: float
    height: float

    def at(self, u: float) -> float:
        return self.level + self.slope * u


class Scanner:
    """Finds and reads machine-readable zones in pictures.

    ``threads``, ``models_dir`` and ``engine`` (by name) as for ``OCR``. ``min_confidence``: zones that are read less
    surely are left out.
    ``detector``: one that is there already, for those who look for more than zones.

    The recognizer is ``mrz`` where the folder of models has it, else the one of English, or of Korean, which know the
    characters but not what OCR-B looks like; ``recognizer`` says which. Raises ModelNotFound where there is none of
    them, or no detector.
    """

    def __init__(
        self,
        *,
        threads: int = 1,
        models_dir: str | os.PathLike[str] | None = None,
        min_confidence: float = 0.5,
        detector: Detector | None = None,
        engine: str = "onnx",
    ) -> None:
        if not 0 <= min_confidence <= 1:
            raise InputError(f"min_confidence: expected a number in 0..1, found {min_confidence!r}")
        self.min_confidence = float(min_confidence)
        self._detector = detector if detector is not None else make_detector(models_dir, threads=threads, engine=engine)
        self._recognizer = make_recognizer(MODELS, models_dir, threads=threads, engine=engine)
        self.recognizer = self._recognizer.manifest.name

    def scan(self, image: ImageSource) -> tuple[Mrz, ...]:
        """The zones in a picture (path, bytes, array, PIL image or Frame), accepted ones first, then the surest. Raises
        ImageError."""
        picture = load_image(image)
        return self.scan_regions(picture, self._detector.detect(picture))

    def scan_regions(self, picture: Image, regions: Sequence[Region]) -> tuple[Mrz, ...]:
        """The zones among given regions of a picture uint8 ``[H, W, 3]`` RGB: for those who have detected already."""
        found: list[tuple[frozenset[int], Mrz]] = []
        looked: list[frozenset[int]] = []
        done: list[frozenset[int]] = []
        for rows, quads in _zones(regions):
            if any(rows & other for other in done):
                continue  # these lines have said what they say
            zone, plain = self._read(picture, quads)
            if (zone is None or not zone.accepted) and len(looked) < _FITTED:
                looked.append(rows)
                for better in _better(picture, quads, plain):
                    again, _ = self._read(picture, better)
                    zone = max((z for z in (zone, again) if z is not None), key=_worth, default=None)
                    if zone is not None and zone.accepted:
                        break
            if zone is not None and zone.confidence >= self.min_confidence:
                found.append((rows, zone))
                done += [rows] if zone.accepted else []
        found.sort(key=lambda x: -_worth(x[1]))
        kept: list[tuple[frozenset[int], Mrz]] = []
        for rows, zone in found:
            if not any(rows & other for other, _ in kept):
                kept.append((rows, zone))
        return tuple(zone for _, zone in kept)

    def _read(self, picture: Image, quads: NDArray[np.float64]) -> tuple[Mrz | None, tuple[str, ...]]:
        """The zone in these lines, if there is one, and what was read there plainly."""
        given = self._recognizer.manifest.input
        crops = [c.image for c in crop_quads(picture, quads, height=given.height, margin=given.margin)]
        lps = self._recognizer.log_probs(crops)
        plain = tuple(greedy(lp).text for lp in lps)
        best: tuple[float, bool, Layout, tuple[str, ...], MrzText] | None = None
        for layout in LAYOUTS.values():
            if len(layout.lines) != len(lps):
                continue
            if any(abs(len(p) - layout.width) > _LENGTH * layout.width for p in plain):
                continue
            choice = choose(layout, lps)
            if choice is None:
                continue
            score, lines, clear = choice
            text = parse(lines)
            if text is None or any(distance(p, x) > _OFF * len(x) for p, x in zip(plain, lines, strict=True)):
                continue
            # The first letter decides the layout, and few check digits of a wrong one hold by chance.
            words = [self._recognizer.word_of(lp, line) for lp, line in zip(lps, lines, strict=True)]
            kind = words[0].characters[0].confidence
            accepted = text.accepted and clear and kind >= _KIND and believable(layout, words, plain)
            # Check digits of a wrong layout may hold by chance, but then the lines fit badly.
            rank = score + (_BONUS if accepted else 0.0)
            if best is None or rank > best[0]:
                best = (rank, accepted, layout, lines, text)
        if best is None:
            return None, plain
        _, accepted, layout, lines, text = best
        words = [self._recognizer.word_of(lp, line) for lp, line in zip(lps, lines, strict=True)]
        angle = float(reading_angles(quads[:1])[0])
        quad = to_quad(bounding_rectangle(quads.reshape(-1, 2), angle))
        confidence = float(np.exp(np.mean([np.log(max(w.confidence, 1e-9)) for w in words])))
        margin = given.margin
        edges = [
            _edges(align(lp, line), len(lp.symbols), q, margin) for lp, line, q in zip(lps, lines, quads, strict=True)
        ]
        fields = _fields(layout, text, words, edges)
        return Mrz(layout.name, fields, accepted, text.checks, confidence, quad, plain), plain


def _better(picture: Image, quads: NDArray[np.float64], plain: Sequence[str]) -> Iterator[NDArray[np.float64]]:
    """Other places that the lines of a zone may have, f64 ``[n, 4, 2]``: fitted to their ink, and longer, where too few
    characters stand in them, since a run of fillers at the end is easily missed. Characters stand evenly, so how far
    the missing ones reach is known."""
    fitted = fit_lines(picture, quads)
    if fitted is not None:
        yield fitted
    count = max(len(text) for text in plain)
    # The longest first: a shorter layout fits a longer one without its end.
    for width in sorted({x.width for x in LAYOUTS.values() if len(x.lines) == len(quads)}, reverse=True):
        if _READ * width <= count < width:
            more = (width - count + 0.5) / count
            longer = np.array([
                widen(line, end=more * line.width / max(line.height, 1.0)) for line in (Line((), q) for q in quads)
            ])  # fmt: skip
            yield longer
            fitted = fit_lines(picture, longer)
            if fitted is not None:
                yield fitted


def believable(layout: Layout, words: Sequence[TextWord], plain: Sequence[str]) -> bool:
    """Whether the characters that check digits are over, and these digits, are sure enough for their agreement to mean
    something: all of them, or all but one that was not read so (``plain``) and was chosen for its check digit. Two
    mistakes cancel each other in a check digit every tenth time. ``words``: the lines."""
    places = [layout.fields[name] for name in layout.checks] + [(k, a, a + 1) for k, a in layout.checks.values()]
    if layout.composite is not None:
        pieces, (k, a) = layout.composite
        places += [*pieces, (k, a, a + 1)]
    under = {(k, i) for k, a, b in places for i in range(a, b)}
    unsure = [c for c in (words[k].characters[i].confidence for k, i in under) if c < _SURE]
    if not unsure:
        return True
    changed = sum(distance(plain[k], words[k].text) for k in {k for k, _ in under})
    return changed == 1 and len(unsure) == 1 and unsure[0] >= _SWAPPED


def _worth(zone: Mrz) -> float:
    return zone.confidence + (_BONUS if zone.accepted else 0.0)


def _edges(read: Decoded, columns: int, quad: NDArray[np.float64], margin: float) -> NDArray[np.float64]:
    """Where the characters of a line begin and end, f64 ``[n + 1, 2, 2]``: on its quad's upper edge, and on its lower
    one. They stand evenly, so the first and the last column that say anything are enough."""
    n = len(read.text)
    first, last = (sum(read.columns[k]) + 1 for k in (0, -1))
    pitch = (last - first) / max(n - 1, 1)
    share = (first + pitch * (np.arange(n + 1) - 0.5)) / (2 * columns)
    # The crop reached beyond the quad by the margin.
    more = margin * float(heights(quad[None])[0]) / max(float(widths(quad[None])[0]), 1.0)
    share = (share * (1 + 2 * more) - more)[:, None]
    upper, lower = quad[0] + share * (quad[1] - quad[0]), quad[3] + share * (quad[2] - quad[3])
    return np.stack([upper, lower], axis=1)


def _fields(
    layout: Layout, text: MrzText, words: Sequence[TextWord], edges: Sequence[NDArray[np.float64]]
) -> dict[str, Field]:
    def place(k: int, a: int, b: int) -> Quad:
        return to_quad(np.array([edges[k][a, 0], edges[k][b, 0], edges[k][b, 1], edges[k][a, 1]]))

    def sure(k: int, a: int, b: int) -> float:
        logs = [np.log(max(c.confidence, 1e-9)) for c in words[k].characters[a:b]]
        return float(np.exp(np.mean(logs))) if logs else 0.0

    places = dict(layout.fields) | {"surname": layout.fields["names"], "given_names": layout.fields["names"]}
    out = {}
    for name, value in text.values.items():
        k, a, b = places[name]
        raw = text.fields.get(name, text.fields["names"])
        out[name] = Field(raw, value, sure(k, a, b), place(k, a, b))
    for k, line in enumerate(text.lines):
        out[f"line{k + 1}"] = Field(line, line, sure(k, 0, layout.width), place(k, 0, layout.width))
    return out


@lru_cache(maxsize=len(LAYOUTS) * 3)
def _pattern(expression: str) -> Pattern:
    return Pattern(expression)


def choose(layout: Layout, lps: Sequence[LogProbs]) -> tuple[float, tuple[str, ...], bool] | None:
    """The likeliest lines of a layout all of whose check digits hold, else the likeliest of all; with the
    log-probability per character of the latter, and whether the choice was clear. None where the layout cannot be read
    from these columns.

    Two mistakes can cancel each other in a check digit, O and 0 twice above all, so a choice is clear only if no other
    one that passes as well is nearly as likely. And whoever tries long enough finds something that passes: a layout
    with n check digits has a chance of 10^-n a try, so no more are tried than that leaves little to chance.
    """
    options: list[list[tuple[str, float]]] = []
    checked = sorted({k for k, _ in layout.checks.values()} | {1})
    for k, (lp, expression) in enumerate(zip(lps, layout.lines, strict=True)):
        found = search(lp, _pattern(expression), width=_BEAM, top=_TOP)
        if not found:
            return None
        options.append(_look_alikes(lp, _pattern(expression), found) if k in checked else found[:1])
    size = sum(len(x[0][0]) for x in options)
    first = tuple(x[0][0] for x in options)
    likeliest = sum(x[0][1] for x in options) / size
    # Lines without check digits stay as they are read; the others are tried together, the likeliest combination first.
    tries = sorted(itertools.product(*(options[k] for k in checked)), key=lambda x: -sum(score for _, score in x))
    passed: list[tuple[float, tuple[str, ...]]] = []
    digits = len(layout.checks) + (layout.composite is not None) - ("optional" in layout.checks)
    for combination in tries[: max(1, int(_LUCK * 10**digits))]:
        score = sum(x for _, x in combination)
        if passed and score < passed[0][0] - _CLEAR:
            break
        lines = list(first)
        for k, (line, _) in zip(checked, combination, strict=True):
            lines[k] = line
        text = parse(lines)
        if text is not None and text.accepted and _real_dates(text):
            passed.append((score, tuple(lines)))
            if len(passed) == 2:
                break
    return likeliest, passed[0][1] if passed else first, len(passed) == 1


def _look_alikes(lp: LogProbs, pattern: Pattern, found: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """The texts found, and what becomes of the likeliest when some of its characters are taken for what looks alike:
    nothing that is less likely by more than ``_FAR``, at most ``_MOST``, the likeliest first.

    A beam keeps few of these, because every character brings its own. Here each place is weighed on its own over the
    columns that it takes up, where the network's columns are independent.
    """
    best, score = found[0]
    read = align(lp, best)
    swaps: list[tuple[float, int, str]] = []
    for i, (c, (a, b)) in enumerate(zip(best, read.columns, strict=True)):
        own = float(lp.of(c)[a : b + 1].sum())
        near = [(float(lp.of(x)[a : b + 1].sum()) - own, i, x) for x in ALPHABET if x != c]
        swaps += [x for x in sorted(near, reverse=True)[:3] if x[0] > -_FAR]
    swaps.sort(reverse=True)
    texts = {text: s for text, s in found if s > score - _FAR}
    wave = [(0.0, best, 0)]
    while wave and len(texts) < _MOST:
        wave.sort(reverse=True)
        loss, text, at = wave.pop(0)
        taken = {k for k, (x, y) in enumerate(zip(text, best, strict=True)) if x != y}
        for k in range(at, len(swaps)):
            cost, i, x = swaps[k]
            if loss + cost < -_FAR:
                break
            other = text[:i] + x + text[i + 1 :]
            if i in taken or not pattern.matches(other):
                continue
            texts.setdefault(other, score + loss + cost)
            wave.append((loss + cost, other, k + 1))
            if len(texts) >= _MOST:
                break
    return sorted(texts.items(), key=lambda x: -x[1])


def _real_dates(text: MrzText) -> bool:
    """Whether the dates are dates: a check that costs nothing before a less likely line is preferred."""
    return all(text.values[k] or not text.fields[k].strip("<") for k in ("birth", "expiry"))


def _zones(regions: Sequence[Region]) -> list[tuple[frozenset[int], NDArray[np.float64]]]:
    """Two or three long lines below one another: the indices of their rows, and the quads f64 ``[2 or 3, 4, 2]`` of the
    lines, all of one width, since fillers make them so."""
    regions = [r for r in regions if float(heights(np.array([r.quad]))[0]) >= _SMALLEST]
    if not regions:
        return []
    quads = np.array([r.quad for r in regions], np.float64)
    wide, high = widths(quads), heights(quads)
    level = wide > 2.5 * high
    if not level.any():
        return []
    angle = _median(reading_angles(quads)[level], wide[level])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned = quads @ turn.T
    rows = sorted(_rows(turned, high), key=lambda r: r.at((r.left + r.right) / 2))
    ranked: list[tuple[float, frozenset[int], NDArray[np.float64]]] = []
    for count in (3, 2):
        for chosen in _stacks(rows, count):
            group = [rows[k] for k in chosen]
            height = float(np.median([r.height for r in group]))
            middle = (group[0].left + group[0].right) / 2
            # Boxes of large print may be much too high; lines that stand one below the other cannot be.
            height = min(height, 0.75 * (group[-1].at(middle) - group[0].at(middle)) / (count - 1))
            if max((r.right - r.left) / height for r in group) < 1.5 * _LONG:
                continue
            left, ends = min(r.left for r in group) - 0.25 * height, [r.right for r in group]
            # What stands beside a zone may have been taken for a part of a line, seldom of all of them.
            for end in {max(ends), min(ends)} if max(ends) - min(ends) > 1.5 * height else {max(ends)}:
                right, half, lines = end + 0.25 * height, height / 2, []
                for r in group:
                    a, b = r.at(left), r.at(right)
                    lines.append([[left, a - half], [right, b - half], [right, b + half], [left, a + half]])
                # Those come first that are long for their height, and whose words fill them.
                filled = float(np.mean([(min(r.right, end) - r.left) / max(end - left, 1.0) for r in group]))
                ranked.append((filled * (right - left) / height, frozenset(chosen), np.array(lines) @ turn))
    ranked.sort(key=lambda x: -x[0])
    return [(chosen, lines) for _, chosen, lines in ranked[:_ZONES]]


def _rows(turned: NDArray[np.float64], high: NDArray[np.float64]) -> list[_Row]:
    """Words that stand beside one another on a level, as rows that are long enough for a zone."""
    x0, x1 = turned[..., 0].min(1), turned[..., 0].max(1)
    wide = np.maximum(x1 - x0, 1.0)
    middle = turned[..., 1].mean(1)
    order = np.argsort(x0)
    chains: list[list[int]] = []
    for k in order.tolist():
        best, least = None, np.inf
        for chain in chains:
            end = max(chain, key=lambda i: x1[i])
            # Fillers are found as low words of their own: the wide words say how high the line is.
            size = max(_median(high[chain], wide[chain]), high[k] if wide[k] > 2 * high[k] else 0.0)
            gap, off = x0[k] - x1[end], abs(middle[k] - _level_at(turned, chain, (x0[k] + x1[k]) / 2))
            alike = 0.3 * size < high[k] < 1.8 * size
            near = -1.0 * size < gap < (_GAP if off > 0.3 * size else _FILLERS) * size and off < 0.5 * size
            if alike and near and gap + 2 * off < least:
                best, least = chain, gap + 2 * off
        if best is None:
            chains.append([k])
        else:
            best.append(k)
    rows = []
    for chain in chains:
        height = _median(high[chain], wide[chain])
        left, right = float(x0[chain].min()), float(x1[chain].max())
        if right - left < _LONG * height:
            continue
        slope, level = _fit(turned, chain)
        rows.append(_Row(left, right, slope, level, height))
    return rows


def _fit(turned: NDArray[np.float64], chain: Sequence[int]) -> tuple[float, float]:
    """Slope and level of the line through the middles of the words' ends, the wide words counting most."""
    ends = (turned[chain][:, [0, 1]] + turned[chain][:, [3, 2]]) / 2
    u, v = ends[..., 0].ravel(), ends[..., 1].ravel()
    weight = np.repeat(np.sqrt(np.maximum(turned[chain, 1, 0] - turned[chain, 0, 0], 1.0)), 2)
    slope, level = np.polyfit(u, v, 1, w=weight)
    return float(slope), float(level)


def _level_at(turned: NDArray[np.float64], chain: Sequence[int], u: float) -> float:
    """Where a chain's line will be at ``u``: from the level of its last words on, along the slope of the whole chain if
    that is long enough to have one."""
    last = turned[chain[-3:]]
    slope = 0.0
    if turned[chain, 1, 0].max() - turned[chain, 0, 0].min() > _LONG * (last[-1, 3, 1] - last[-1, 0, 1]):
        slope = float(np.clip(_fit(turned, chain)[0], -0.1, 0.1))
    weight = np.maximum(last[:, 1, 0] - last[:, 0, 0], 1.0)
    centre = np.average(last.mean(1), axis=0, weights=weight)
    return float(centre[1] + slope * (u - centre[0]))


def _stacks(rows: Sequence[_Row], count: int) -> list[tuple[int, ...]]:
    """Runs of ``count`` rows of about one height and extent, each a line's distance below the one before."""
    out: list[tuple[int, ...]] = [(k,) for k in range(len(rows))]
    for _ in range(count - 1):
        longer = []
        for chosen in out:
            upper = rows[chosen[-1]]
            for k in range(chosen[-1] + 1, len(rows)):
                lower = rows[k]
                size = max(upper.height, lower.height)
                u = (max(upper.left, lower.left) + min(upper.right, lower.right)) / 2
                apart = lower.at(u) - upper.at(u)
                shared = min(upper.right, lower.right) - max(upper.left, lower.left)
                alike = size < 1.7 * min(upper.height, lower.height)
                # The beginning of one may have been missed, as the fillers at its end often are.
                aside = min(abs(upper.left - lower.left), abs(upper.right - lower.right))
                near = 0.8 * size < apart < 3.5 * size and aside < 4 * size
                if alike and near and shared > 0.25 * max(upper.right - upper.left, lower.right - lower.left):
                    longer.append((*chosen, k))
        out = longer
    return out[:200]


def _median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])
