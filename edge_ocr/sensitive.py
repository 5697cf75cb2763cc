"""What of a text must not be shown: numbers of identity papers, found by what they look like.

In doubt more is found than need be.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from edge_ocr.errors import InputError

__all__ = ["DEFAULT", "Policy", "Span", "find", "has_licence", "marked", "mask_text", "plain_digits"]


@dataclass(frozen=True)
class Policy:
    """What is masked. ``resident``: of resident registration numbers, and of aliens', the last so many of 13 digits;
    ``licence``: the six digits in the middle of driver licence numbers, also of twelve digits alone, or parted by a
    space or two, that begin with the code of a region (11 to 26, 28); ``serial``: their serial, beside a number that
    has its dashes; ``passport``: the last so many characters of passport numbers, in machine-readable zones too;
    ``personal``: the personal number (optional data) of these zones; with either of these two, pieces of a zone whole,
    since nobody can say what of it they are; ``fingerprint``: its area on the back of a resident card; ``plates``:
    number plates.

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
_DASHES = "-‐‑‒–—―−－ㅡ~ーｰ一─━⁻﹣"
_D = "[0-9OoQDIl|iZSsBbgq]"
_S = r"[^\S\n]?"  # a recognizer may part digits that stand apart
_MARK = r"[.:·•∙,]"
_N = r"\s{0,2}"  # and the end of a line may part any
_RESIDENT = (
    # with the dash: six digits and seven, and the end of a line among them
    re.compile(rf"(?<![0-9])({_D}(?:{_N}{_D}){{5}})\s{{0,2}}-\s{{0,2}}({_D}(?:{_N}{_D}){{6}})(?![0-9])"),
    # should one be lost before it, or some behind it lost or doubled
    re.compile(rf"(?<![0-9])({_D}(?:{_S}{_D}){{5}})\s{{0,2}}-\s{{0,2}}({_D}(?:{_S}{_D}){{4,7}})(?![0-9])"),
    re.compile(rf"(?<![0-9])({_D}(?:{_S}{_D}){{4}})\s{{0,2}}-\s{{0,2}}({_D}(?:{_S}{_D}){{6}})(?![0-9])"),
    # without, or with a dot for it: thirteen digits that begin with a date, on one line or on two
    re.compile(rf"(?<![0-9])({_D}(?:\n?{_D}){{5}})\s{{0,2}}{_MARK}?\s{{0,2}}({_D}(?:\n?{_D}){{6}})(?![0-9])"),
)
_BROKEN, _ALONE = 0, 3
# With something else between the halves, or spaces within them: six digits that are a date, and seven; where one was
# lost behind a sign or a space, six. An amount is none of them.
_H = r"[^\S\n]"
_SIGN = r"(?:[^\w\s<₩$€£¥]|_)"
_LETTER = r"[^\W\d_가-힣]"
_NO_AMOUNT = rf"(?![0-9]|[.,][0-9]|{_H}?[원%₩])"
_BIRTH = rf"(?<![0-9])({_D}(?:{_S}{_D}){{5}})"
_SIGNED = re.compile(
    rf"{_BIRTH}({_H}{{0,2}}{_SIGN}{_H}?(?:{_SIGN}{_H}?)?\n?{_H}{{0,2}})({_D}(?:{_S}{_D}){{5,7}}){_NO_AMOUNT}"
)
_LETTERED = re.compile(rf"{_BIRTH}({_H}?{_LETTER}{_H}?)({_D}(?:{_S}{_D}){{6}}){_NO_AMOUNT}")
_SPACED = re.compile(rf"{_BIRTH}({_H}{{0,2}})({_D}(?:{_S}{_D}){{6}}){_NO_AMOUNT}")
_SHORT = re.compile(rf"(?<![0-9])(?<![0-9][-.,:/])({_D}{{6}})({_H}{{1,2}})([1-8]{_D}{{5}})(?![-:/]){_NO_AMOUNT}")
# the dash was read as a digit
_DIGIT = re.compile(rf"(?<![0-9])({_D}{{6}})({_H}?[0-9]{_H}?)({_D}{{7}}){_NO_AMOUNT}")
_GAPS, _MISREAD = 2, 2  # spaces within the halves, and letters taken for digits, of these
_TIME = re.compile(r"(?:[01][0-9]|2[0-3])[0-5][0-9](?:[0-5][0-9])?")
_DAY = re.compile(r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")
_LICENCE = re.compile(
    rf"(?<![0-9])(?:[가-힣]{{2}}|{_D}{{2}})[\s.·-]{{0,3}}{_D}{{2}}[\s.·-]{{1,3}}({_D}(?:{_S}{_D}){{4,6}})[\s.·-]{{1,3}}{_D}{{2}}(?![0-9])"
)
# broken within by the end of a line: with dashes alone, or any column of prices would do
_LICENCE_BROKEN = re.compile(r"(?<![0-9])[0-9]{2}-[0-9]{2}-(?=[0-9\s]*\n)([0-9](?:\s{0,2}[0-9]){5})-[0-9]{2}(?![0-9])")
# Twelve digits alone: region, year, number, check digits. Nothing that goes on as an amount or another number does.
_BARE = re.compile(
    r"(?<![0-9A-Za-z])(?<![0-9A-Za-z][-.,:/])(?:1[1-9]|2[0-68])[0-9]{2}([0-9]{6})[0-9]{2}(?![-.,:/]?[0-9A-Za-z])"
)
# The same with spaces for some of its dashes: six and six, or four, four and four, or one of these two spaces alone.
_PARTED = re.compile(
    rf"(?<![0-9A-Za-z])(?<![0-9A-Za-z][-.,:/])(?:1[1-9]|2[0-68])[0-9]{{2}}({_H}{{0,2}})"
    rf"([0-9]{{2}}({_H}{{0,2}})[0-9]{{2}}({_H}{{0,2}})[0-9]{{2}})[0-9]{{2}}(?![-.,:/]?[0-9A-Za-z]){_NO_AMOUNT}"
)
_PARTS = {(6, 6), (4, 4, 4), (4, 8), (8, 4)}
_YEARS = re.compile(r"(?:(?:19|20)[0-9]{2}){3}")
_SERIAL = re.compile(r"(?<![0-9A-Za-z-])(?=[A-Z0-9]*[A-Z])(?=[A-Z0-9]*[0-9])[A-Z0-9]{5,6}(?![0-9A-Za-z-])")
# One of its digits may be misread, a dash stand behind the letter, the line end in it; a state's code may stand by it.
_PASSPORT = re.compile(
    rf"(?:(?<![0-9A-Za-z<])|(?<=KOR))[MSRGDOT]({_S}-)?"
    rf"({_S}[0-9OoQIil|](?:\s?{_D}){{7}}|{_S}[0-9](?:\s?[0-9]){{2}}{_S}[A-Z](?:\s?[0-9]){{4}})"
    r"(?=(?:[0-9]?[A-Z][A-Z0][A-Z])?(?![0-9A-Za-z<]))"
)
_SPLIT = 2  # spaces that a detector may have put into one number
_ZONE = re.compile(r"[A-Z0-9<]{28,60}")
_LEAST_ZONE, _TD2 = 28, 36  # characters of a line, from which on it is looked at by its fields; in a line of TD2
_FEW, _MANY = 2, 4  # fillers by which a piece of a line is known, of one word and of several
_DIGITS = 5  # and the digits of one without them
_PIECE = re.compile(r"[A-Za-z0-9<]{12,}")
_HEAD = re.compile(rf"[A-Z0-9<]{{9}}{_D}[A-Z<]{{3}}{_D}{{4}}")  # number, check digit, state and a birth date's begin
_CORE = re.compile(rf"(?:{_D}|<){{6}}{_D}[MFX<](?:{_D}|<){{6}}{_D}")  # birth, sex and expiry of a zone's line
_TD1 = re.compile(r"[ACI][A-Z<][A-Z<]{3}[A-Z0-9<]{10}([A-Z0-9<]{15})")
_TD1_DATES = re.compile(rf"(?:{_D}|<){{6}}{_D}[MFX<](?:{_D}|<){{6}}{_D}[A-Z<]{{3}}([A-Z0-9<]{{11}})[0-9]")


def plain_digits(text: str) -> str:
    """The same text, place by place, with plain digits and dashes."""
    out = []
    for c in text:
        digit = unicodedata.digit(c, None)
        wide = unicodedata.normalize("NFKC", c)
        out.append(str(digit) if digit is not None else "-" if c in _DASHES else wide if len(wide) == 1 else c)
    return "".join(out)


def _is_date(digits: str) -> bool:
    return 1 <= int(digits[2:4]) <= 12 and 1 <= int(digits[4:6]) <= 31


def _each(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """The match at each place where one begins, though they overlap: one that turns out to be none, or to be another
    number, must hide nothing of those that begin in it."""
    at = 0
    while (found := pattern.search(text, at)) is not None:
        yield found
        at = found.start() + 1


def find(text: str, policy: Policy) -> list[Span]:
    """What of a text is to be masked; lines are parted by newlines, words by spaces."""
    plain = plain_digits(text)
    out: list[Span] = []
    if policy.resident:
        out += _resident_spans(plain, policy)
        begins = {span.end: span.start for span in out}
        for span in _odd_spans(plain, policy):
            if begins.get(span.end, len(plain)) > span.start:  # else it is found already
                begins[span.end] = span.start
                out.append(span)
    licences = [found for found in _each(_LICENCE, plain) if _is_licence(found.group())]
    if policy.licence:
        out += [Span("licence", *found.span(1)) for x in (_BARE, _LICENCE_BROKEN) for found in _each(x, plain)]
        out += [Span("licence", *found.span(2)) for found in _each(_PARTED, plain) if _is_parted(plain, found)]
        out += [Span("licence", *found.span(1)) for found in licences]
    if policy.serial and licences:
        out += [Span("serial", *found.span()) for found in _SERIAL.finditer(plain)]
    if policy.passport:
        for found in _each(_PASSPORT, plain):
            places = [k for k in range(*found.span()) if plain[k] not in "-" and not plain[k].isspace()]
            if _is_passport(found):
                out.append(Span("passport", places[-policy.passport], found.end()))
    out += _zone_spans(plain, policy)
    return out


def _resident_spans(plain: str, policy: Policy) -> Iterator[Span]:
    """What of resident registration numbers is to be masked: counted from the dash, where a digit may be missing."""
    for number, pattern in enumerate(_RESIDENT):
        for found in _each(pattern, plain):
            birth, rest = ([k for k in range(*found.span(n)) if not plain[k].isspace()] for n in (1, 2))
            digits = "".join(plain[k] for k in birth).translate(_DIGIT_LIKE)
            places = birth + rest
            real = sum(plain[k].isdecimal() for k in places)
            if real < len(places) - 3 or (number == _ALONE and not _is_date(digits)):
                continue
            broken = sum(found.group(n).count("\n") for n in (1, 2))
            if broken != (number == _BROKEN) and not (number == _ALONE and broken == found.group().count("\n") == 1):
                continue
            kept = max(len(birth) + 7 - policy.resident, 0)
            if len(places) > kept:
                yield Span("resident", places[kept], found.end(), max(7 - len(rest), 0))


def _odd_spans(plain: str, policy: Policy) -> Iterator[Span]:
    """The same of numbers with another sign than a dash between their halves, or with spaces within these."""
    for pattern in (_SIGNED, _LETTERED, _SPACED, _SHORT, _DIGIT):
        for found in _each(pattern, plain):
            birth, rest = ([k for k in range(*found.span(n)) if not plain[k].isspace()] for n in (1, 3))
            places = birth + rest
            digits = "".join(plain[k] for k in places).translate(_DIGIT_LIKE)
            if not _is_date(digits) or sum(not plain[k].isdecimal() for k in places) > _MISREAD:
                continue
            if not _is_odd(pattern, found, digits[len(birth) :]):
                continue
            # any of the digits may be the one too many
            places = birth + [k for k in range(birth[-1] + 1, rest[0]) if pattern is _DIGIT and plain[k] != " "] + rest
            kept = max(len(birth) + 7 - policy.resident, 0)
            if len(places) > kept:
                yield Span("resident", places[kept], found.end(), max(7 - len(rest), 0))


def _is_odd(pattern: re.Pattern[str], found: re.Match[str], rest: str) -> bool:
    """Whether what has one of the forms of ``_odd_spans`` may be a number, and is not something else with that form."""
    gaps = [sum(c.isspace() for c in found.group(n)) for n in (1, 3)]
    words = found.group().split()
    if any(len(word) > 1 and not any(c.isdecimal() for c in word) for word in words if word.isalnum()):
        return False
    if sum(gaps) > _GAPS and not (gaps[0] in (0, 5) and gaps[1] in (0, len(rest) - 1)):
        return False
    between: str = found.group(2).strip()
    if pattern is _SIGNED:
        if len(rest) == 6:
            return not any(c in ".,:" for c in between) and not _TIME.fullmatch(rest)
        return not (len(rest) == 8 and _DAY.fullmatch(rest))
    if pattern is _SPACED:
        # a telephone number before something else; the figures under a bar code
        phone = re.match(r"01[0-9]\s", found.group(1)) is not None
        return not phone and not ([len(x) for x in words] == [1, 6, 6] and _is_article("".join(words)))
    if pattern is _SHORT:
        return not _TIME.fullmatch(rest) and not rest.endswith("00")
    if pattern is _DIGIT:
        return not found.group(2)[1:] or rest[0] in "12345678"
    return True


def _is_article(digits: str) -> bool:
    """Whether thirteen digits end in the check digit of an article number (EAN-13)."""
    return digits.isdecimal() and sum(int(c) * (1, 3)[k % 2] for k, c in enumerate(digits)) % 10 == 0


def _is_parted(plain: str, found: re.Match[str]) -> bool:
    """Whether twelve digits with spaces may be a licence number: no dates, times, years, round amounts or cards."""
    words = found.group().split()
    sizes = tuple(len(word) for word in words)
    if sizes not in _PARTS or all(word.endswith("00") for word in words) or _YEARS.fullmatch("".join(words)):
        return False
    if sizes == (6, 6):
        return not (_is_date(words[0]) and _TIME.fullmatch(words[1]))
    before, behind = plain[max(found.start() - 2, 0) : found.start()], plain[found.end() : found.end() + 2]
    if re.search(r"[0-9][^\S\n]$", before) or re.match(r"[^\S\n][0-9]", behind):
        return False
    solid = "".join(words)
    return not ((_DAY.match(solid) and _TIME.fullmatch(solid[8:])) or _DAY.fullmatch(words[-1]))


def _is_passport(found: re.Match[str]) -> bool:
    """Whether what has the form of a passport number is one: few spaces, one misread digit, no price on a new line."""
    text: str = found.group(2)
    solid = "".join(text.split())
    misread = len(solid) - sum(c.isdecimal() for c in solid) - (solid[3].isalpha() and solid[3].isupper())
    gaps = sum(c.isspace() for c in text.strip())
    if misread > 1 or (misread and any(c.isspace() for c in found.group())):
        return False
    if "\n" in text:
        first, _, second = text.partition("\n")
        price = len(first.strip()) <= 4 and second.endswith("00")
        return gaps == 1 and not price
    if found.group(1) is not None:
        return gaps == 0
    return sum(c.isspace() for c in found.group()) <= _SPLIT


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
    plain = plain_digits(text)
    return (
        _BARE.search(plain) is not None
        or any(_is_licence(x.group()) for x in _each(_LICENCE, plain))
        or any(_is_parted(plain, x) for x in _each(_PARTED, plain))
    )


def _zone_spans(plain: str, policy: Policy) -> Iterator[Span]:
    """What of the lines of a machine-readable zone, and of pieces of them, is to be masked."""
    start = 0
    for line in plain.split("\n"):
        places = [k for k, c in enumerate(line) if not c.isspace()]
        solid = "".join(line[k] for k in places)
        taken: list[tuple[int, int]] = []
        for zone in _ZONE.finditer(solid.upper()):
            fields = _zone_fields(zone.group(), policy)
            if fields is not None:
                taken.append((places[zone.start()], places[zone.end() - 1] + 1))
            for what, a, b in fields or ():
                if zone.group()[a:b].strip("<"):
                    yield Span(what, start + places[zone.start() + a], start + places[zone.start() + b - 1] + 1)
        if policy.passport or policy.personal:
            pieces = [x.span() for x in _PIECE.finditer(line) if _is_piece(x.group(), _FEW)]
            joined = [x for x in _PIECE.finditer(solid) if _is_piece(x.group(), _MANY)]
            pieces += [(places[x.start()], places[x.end() - 1] + 1) for x in joined]
            for a, b in dict.fromkeys(pieces):
                if not any(first <= a and b <= end for first, end in taken):
                    yield Span("passport" if policy.passport else "personal", start + a, start + b)
        start += len(line) + 1


def _is_piece(text: str, fillers: int) -> bool:
    """Whether letters and digits with so many fillers may be a piece of a zone's line, or one that was misread."""
    if 4 * sum(c.islower() for c in text) > sum(c.isalpha() for c in text):
        return False
    digits = sum(c.isdecimal() for c in text)
    if not text.strip("<") or (len(text) >= _LEAST_ZONE and digits < _DIGITS):
        return False  # an ornament, or a line of names
    begins = fillers == _FEW and digits >= _DIGITS and _HEAD.search(text.upper()) is not None
    return text.count("<") >= fillers or begins


def _zone_fields(text: str, policy: Policy) -> list[tuple[str, int, int]] | None:
    """Of one line of a machine-readable zone, without spaces: what is to be masked, from where to where; None where it
    has no known form."""
    for pattern in (_TD1, _TD1_DATES):
        found = pattern.fullmatch(text)
        if found is not None:
            return [("personal", *found.span(1))] if policy.personal else []
    if text.startswith(("P<", "V<")):
        return []
    core = _CORE.search(text, 8)
    if core is None:
        return None
    fields = []
    if policy.passport and not _TD2 - 1 <= len(text) <= _TD2 + 1:
        fields.append(("passport", max(core.start() - 4 - policy.passport, 0), core.start() - 4))
    # the check digits at its end say something of what stands before them
    if policy.personal and text[core.end() : -2].strip("<"):
        fields.append(("personal", core.end(), len(text)))
    return fields


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
