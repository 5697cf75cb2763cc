"""What of a text must not be shown: numbers of identity papers, found by what they look like.

In doubt more is found than need be.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from edge_ocr.errors import InputError

__all__ = ["DEFAULT", "Policy", "Span", "find", "has_licence", "marked", "mask_text"]


@dataclass(frozen=True)
class Policy:
    """What is masked. ``resident``: of resident registration numbers, and of aliens', the last so many of 13 digits;
    ``licence``: the six digits in the middle of driver licence numbers; ``serial``: their serial; ``passport``: the
    last so many characters of passport numbers, in machine-readable zones too; ``personal``: the personal number
    (optional data) of these zones; ``fingerprint``: its area on the back of a resident card; ``plates``: number plates.

    ``mark`` stands in texts for each masked character, ``colour`` (RGB, 0..255) in pictures; masks reach ``margin``
    line heights beyond the characters. Raises InputError for what cannot be.
    """

    resident: int = 6
    licence: bool = True
    serial: bool = True
    passport: int = 4
    personal: bool = True
    fingerprint: bool = True
    plates: bool = False
    mark: str = "●"
    colour: tuple[int, int, int] = (0, 0, 0)
    margin: float = 0.15

    def __post_init__(self) -> None:
        if not 0 <= self.resident <= 13 or not 0 <= self.passport <= 9:
            raise InputError(f"policy: resident is 0..13 and passport 0..9, found {self.resident} and {self.passport}")
        if len(self.mark) != 1 or self.mark.isalnum() or self.mark.isspace():
            raise InputError(f"policy: mark is one character, no letter, digit or space, found {self.mark!r}")
        if len(self.colour) != 3 or not all(isinstance(c, int) and 0 <= c <= 255 for c in self.colour):
            raise InputError(f"policy: colour is three whole numbers in 0..255, found {self.colour!r}")
        if not 0 <= self.margin <= 2:
            raise InputError(f"policy: margin is a number in 0..2, found {self.margin!r}")


DEFAULT = Policy()


@dataclass(frozen=True)
class Span:
    """Places ``start`` to ``end`` of a text; ``short``: of so many characters that belong there, none was read."""

    what: str
    start: int
    end: int
    short: int = 0


# What recognizers take digits for.
_DIGIT_LIKE = str.maketrans("OoQDIl|iZSsBbgq", "000011112558699")
_DASHES = "-‐‑‒–—―−－ㅡ~"
_D = "[0-9OoQDIl|iZSsBbgq]"
_S = r"[^\S\n]?"  # a recognizer may part digits that stand apart
_MARK = r"[.:·•∙,]"
_RESIDENT = (
    # with the dash: six digits and seven, should one be lost before it, or some behind it lost or doubled
    re.compile(rf"(?<![0-9])({_D}(?:{_S}{_D}){{5}})\s{{0,2}}-\s{{0,2}}({_D}(?:{_S}{_D}){{4,7}})(?![0-9])"),
    re.compile(rf"(?<![0-9])({_D}(?:{_S}{_D}){{4}})\s{{0,2}}-\s{{0,2}}({_D}(?:{_S}{_D}){{6}})(?![0-9])"),
    # without, or with a dot for it: thirteen digits that begin with a date, on one line or on two
    re.compile(rf"(?<![0-9])({_D}{{6}})\s{{0,2}}{_MARK}?\s{{0,2}}({_D}{{7}})(?![0-9])"),
)
_LICENCE = re.compile(
    rf"(?<![0-9])(?:[가-힣]{{2}}|{_D}{{2}})[\s.·-]{{0,3}}{_D}{{2}}[\s.·-]{{1,3}}({_D}(?:{_S}{_D}){{4,6}})[\s.·-]{{1,3}}{_D}{{2}}(?![0-9])"
)
_SERIAL = re.compile(r"(?<![0-9A-Za-z-])(?=[A-Z0-9]*[A-Z])(?=[A-Z0-9]*[0-9])[A-Z0-9]{5,6}(?![0-9A-Za-z-])")
_PASSPORT = re.compile(
    rf"(?<![0-9A-Za-z<])[MSRGDOT](?:(?:{_S}[0-9]){{8}}|(?:{_S}[0-9]){{3}}{_S}[A-Z](?:{_S}[0-9]){{4}})(?![0-9A-Za-z<])"
)
_SPLIT = 2  # spaces that a detector may have put into one number
_ZONE = re.compile(r"[A-Z0-9<]{28,60}")
_CORE = re.compile(rf"(?:{_D}|<){{6}}{_D}[MFX<](?:{_D}|<){{6}}{_D}")  # birth, sex and expiry of a zone's line
_TD1 = re.compile(r"[ACI][A-Z<][A-Z<]{3}[A-Z0-9<]{10}([A-Z0-9<]{15})")
_TD1_DATES = re.compile(rf"(?:{_D}|<){{6}}{_D}[MFX<](?:{_D}|<){{6}}{_D}[A-Z<]{{3}}([A-Z0-9<]{{11}})[0-9]")


def _plain(text: str) -> str:
    """The same text, place by place, with plain digits and dashes."""
    out = []
    for c in text:
        digit = unicodedata.digit(c, None)
        wide = unicodedata.normalize("NFKC", c)
        out.append(str(digit) if digit is not None else "-" if c in _DASHES else wide if len(wide) == 1 else c)
    return "".join(out)


def _is_date(digits: str) -> bool:
    return 1 <= int(digits[2:4]) <= 12 and 1 <= int(digits[4:6]) <= 31


def find(text: str, policy: Policy) -> list[Span]:
    """What of a text is to be masked; lines are parted by newlines, words by spaces."""
    plain = _plain(text)
    out: list[Span] = []
    if policy.resident:
        out += _resident_spans(plain, policy)
    licences = [found for found in _LICENCE.finditer(plain) if _is_licence(found.group())]
    if policy.licence:
        out += [Span("licence", *found.span(1)) for found in licences]
    if policy.serial and licences:
        out += [Span("serial", *found.span()) for found in _SERIAL.finditer(plain)]
    if policy.passport:
        for found in _PASSPORT.finditer(plain):
            places = [k for k in range(*found.span()) if not plain[k].isspace()]
            if found.end() - found.start() - len(places) <= _SPLIT:
                out.append(Span("passport", places[-policy.passport], found.end()))
    out += _zone_spans(plain, policy)
    return out


def _resident_spans(plain: str, policy: Policy) -> Iterator[Span]:
    """What of resident registration numbers is to be masked: counted from the dash, where a digit may be missing."""
    for number, pattern in enumerate(_RESIDENT):
        for found in pattern.finditer(plain):
            birth, rest = ([k for k in range(*found.span(n)) if not plain[k].isspace()] for n in (1, 2))
            digits = "".join(plain[k] for k in birth).translate(_DIGIT_LIKE)
            places = birth + rest
            real = sum(plain[k].isdecimal() for k in places)
            if real < len(places) - 3 or (number == 2 and not _is_date(digits)):
                continue
            kept = max(len(birth) + 7 - policy.resident, 0)
            if len(places) > kept:
                yield Span("resident", places[kept], found.end(), max(7 - len(rest), 0))


def _is_licence(text: str) -> bool:
    """Whether what has the form of a licence number is one: its parts joined by dashes or dots, or digits alone, all of
    them, with a space for each."""
    digits = [c for c in text if c.isalnum()]
    real = sum(c.isdecimal() or "가" <= c <= "힣" for c in digits)
    if sum(c in "-.·" for c in text) >= 2:
        return real >= len(digits) - 2
    return real == len(digits) == 12


def has_licence(text: str) -> bool:
    """Whether a driver licence number stands in it, written as such numbers are."""
    return any(_is_licence(found.group()) for found in _LICENCE.finditer(_plain(text)))


def _zone_spans(plain: str, policy: Policy) -> Iterator[Span]:
    """What of the lines of a machine-readable zone is to be masked."""
    start = 0
    for line in plain.split("\n"):
        places = [start + k for k, c in enumerate(line) if not c.isspace()]
        solid = "".join(plain[k] for k in places).upper()
        start += len(line) + 1
        for zone in _ZONE.finditer(solid):
            text = zone.group()
            for what, a, b in _zone_fields(text, policy):
                if text[a:b].strip("<"):
                    yield Span(what, places[zone.start() + a], places[zone.start() + b - 1] + 1)


def _zone_fields(text: str, policy: Policy) -> Iterator[tuple[str, int, int]]:
    """Of one line of a machine-readable zone, without spaces: what is to be masked, from where to where."""
    for pattern in (_TD1, _TD1_DATES):
        found = pattern.fullmatch(text)
        if found is not None:
            if policy.personal:
                yield ("personal", *found.span(1))
            return
    core = _CORE.search(text, 8)
    if core is None or text.startswith(("P<", "V<")):
        return
    if policy.passport and len(text) >= 40:
        yield "passport", max(core.start() - 4 - policy.passport, 0), core.start() - 4
    # the check digits at its end say something of what stands before them
    if policy.personal and text[core.end() : -2].strip("<"):
        yield "personal", core.end(), len(text)


def mask_text(text: str, policy: Policy = DEFAULT) -> str:
    """The text with a mark for each character that the policy hides; lines may be parted by newlines."""
    return marked(text, find(text, policy), policy)


def marked(text: str, spans: Iterable[Span], policy: Policy) -> str:
    """The text with a mark for each letter, digit and filler of the spans."""
    out = list(text)
    for span in spans:
        for k in range(span.start, span.end):
            if out[k].isalnum() or out[k] in "<|":
                out[k] = policy.mark
    return "".join(out)
