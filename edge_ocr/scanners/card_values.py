"""What the fields of Korean identity papers say: text as read -> one normalised value, or None where it is none.

Pure functions of text. What must hold is checked (a date that exists, a century digit, a number's shape); what only
should hold, such as the check digit of a registration number, is told and left to the caller.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from dataclasses import dataclass

from edge_ocr.scanners.korea import CONDITIONS, LICENCE_REGIONS, LICENCE_TYPES, SURNAMES
from edge_ocr.scanners.strings import distance

__all__ = [
    "Number", "address", "alike", "conditions", "dates", "distance", "fold", "hangul", "latin_name", "licence_number",
    "licence_types", "number_shape", "passport_number", "period", "person", "registration_number", "rrn_check_digit",
    "serial", "sino", "strokes", "undated",
]  # fmt: skip

# What recognizers take digits for, where only a digit can stand.
_DIGITS = str.maketrans("OoDQIl|!ZzSsBbGqg", "00001111225586699")
_DASHES = "-–—―−~_=·.:,' "
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DATE = re.compile(
    r"(?<![0-9])(19|20)\s?(\d)\s?(\d)\s*[.,·년/-]{0,2}\s*(1\s?[0-2]|0?\s?[1-9])\s*[.,·월/-]{1,2}"
    r"\s*(3\s?[01]|[12]\s?[0-9]|0?\s?[1-9])(?![0-9])"
)
_PLAIN_DATE = re.compile(
    r"(?<![0-9])((?:19|20)\d\d)\s?[.,·]?\s?(1[0-2]|0[1-9])\s?[.,·]?\s?(3[01]|[12][0-9]|0[1-9])(?![0-9])"
)
# With the dot after the month lost: spaces tell the parts.
_SPACED_DATE = re.compile(
    r"(?<![0-9])((?:19|20)\d\d)\s?[.,·]\s?(1[0-2]|0?[1-9])\s+(3[01]|[12][0-9]|0?[1-9])(?![0-9])"
)
_PASSPORT_DATE = re.compile(
    r"(?<![0-9])(3[01]|[12][0-9]|0?[1-9])\s*(?:(1[0-2]|[1-9])\s?월\s*[/|lI]?\s*\S{2,4}|[/|]?\s*([A-Z]{3}))"
    r"\s*((?:19|20)\d\d)(?![0-9])"
)
# What has the form of a date, whether there is such a day or not; on a line of its own, a part of one.
_YEAR = r"(?<![0-9])(?:19|20)\s?\d\s?\d"
_DATE_FORM = re.compile(
    rf"~?\s*{_YEAR}\s?(?:[.,·]?\s*\d{{1,2}}\s?[.·]\s*\d{{1,2}}|-\s?\d{{1,2}}\s?-\s?\d{{1,2}}|/\s?\d{{1,2}}\s?/\s?\d{{1,2}}"
    r"|년\s*\d{1,2}\s?월\s*\d{1,2})(?![0-9])\s?[.일]?(?:\s*~)?"
    rf"|^\s*(?:~\s*{_YEAR}[\s\d.]*|{_YEAR}\s?\.\s*\d{{0,2}}\s?[.~]|(?:19|20)\d{{6}})\s*$"
)
_NUMBER_FORM = re.compile(r"(?<![0-9])[0-9]{6}\s?[-–—―−~_·.:]{1,2}\s?[0-9][0-9*]{6}(?![0-9*])")
_CAPITALS = ("DRIVER", "KOREA", "OFFICE", "POLICE", "REPUBL", "LICENS")  # words that are no serial
_UNITS = "동호층길로번가리통반실관차"
_BRACKET = re.compile(r"[(\[{<（【〔〈《「『]")


def fold(text: str) -> str:
    """Letters and digits alone, without case: what comparisons are made of."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def hangul(text: str) -> str:
    """The syllables of a text."""
    return "".join(c for c in text if "가" <= c <= "힣")


def alike(a: str, b: str) -> bool:
    """Whether two characters are the same, but for case, or but for what digits are taken for."""
    return a.casefold() == b.casefold() or a.translate(_DIGITS) == b.translate(_DIGITS)


def sino(syllable: str) -> bool:
    """Whether a syllable has a shape that readings of Chinese characters have, as those of nearly all names do: no
    doubled initial but in 쌍 and 씨, no ㅋ but in 쾌, and of finals only ㄱ ㄴ ㄹ ㅁ ㅂ ㅇ or none."""
    initial, rest = divmod(ord(syllable) - 0xAC00, 588)
    return syllable in "쌍씨쾌" or (initial not in (1, 4, 8, 10, 13, 15) and rest % 28 in (0, 1, 4, 8, 16, 17, 21))


def strokes(a: str, b: str) -> int:
    """Edit distance in letters, of which a syllable has two or three: 출 and 츨 differ in one, 포 and 부 in two."""
    return distance(unicodedata.normalize("NFD", a), unicodedata.normalize("NFD", b))


# -- numbers -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Number:
    """A registration number ``YYMMDD-SXXXXXX``: as it stands there, its ``value``, the day of ``birth``, whether it is
    a foreigner's, and whether its check digit holds; None where digits are starred out. Numbers given since October
    2020 end in six random digits, so a check digit that fails says little."""

    raw: str
    value: str
    birth: datetime.date
    foreign: bool
    checked: bool | None


def rrn_check_digit(digits: str) -> str:
    """The check digit that numbers given before October 2020 have: of the first twelve digits."""
    total = sum(int(c) * (2 + i % 8) for i, c in enumerate(digits[:12]))
    return str((11 - total % 11) % 10)


def registration_number(text: str, *, today: datetime.date | None = None) -> Number | None:
    """The registration number in a text, of a resident or a foreigner. Date and century digit must be right."""
    day = today or datetime.date.today()
    for run in re.finditer(rf"[0-9OoDQIl|!ZzSsBbGqg*●•{re.escape(_DASHES)}]{{13,}}", text):
        if dates(run.group()) or undated(run.group()) != run.group():
            continue  # a period, "2025.01.01 ~ 2025.12.31"
        digits = re.sub(r"[^0-9*]", "", re.sub("[●•]", "*", run.group().translate(_DIGITS)))
        for start in range(len(digits) - 12):
            number = _registration(run.group().strip(_DASHES), digits[start : start + 13], day)
            if number is not None:
                return number
    return None


def _registration(raw: str, digits: str, today: datetime.date) -> Number | None:
    if re.fullmatch(r"[0-9]{7}(?:[0-9]{6}|[0-9]{0,3}\*{3,6})", digits) is None:
        return None
    century = {"9": 1800, "0": 1800, "3": 2000, "4": 2000, "7": 2000, "8": 2000}.get(digits[6], 1900)
    try:
        birth = datetime.date(century + int(digits[:2]), int(digits[2:4]), int(digits[4:6]))
    except ValueError:
        return None
    if birth > today:
        return None
    checked = None if "*" in digits else rrn_check_digit(digits) == digits[12]
    return Number(raw, f"{digits[:6]}-{digits[6:]}", birth, digits[6] in "5678", checked)


def number_shape(text: str) -> str | None:
    """What has the shape of a registration number, six digits and seven, whatever day they name; as it stands there."""
    found = _NUMBER_FORM.search(re.sub("[●•]", "*", text.translate(_DIGITS)))
    return text[found.start() : found.end()] if found is not None else None


def licence_number(text: str) -> str | None:
    """``RR-YY-NNNNNN-CC``, RR two digits or, on older cards, a region; CC is not checked, nobody says how to."""
    regions = "|".join(LICENCE_REGIONS)
    head = re.match(r"\s*([가-힣]{2})(?=[\s:.\-–—~_]*[0-9])", text)
    if head is not None and head[1] not in LICENCE_REGIONS:  # a letter may be off
        near = [r for r in LICENCE_REGIONS if strokes(head[1], r) == 1]
        text = near[0] + text[head.end() :] if len(near) == 1 else text
    parts = re.search(rf"({regions})[\s:.\-–—~_]*([0-9OoDQIl|ZSBGqg]{{2}}[0-9OoDQIl|ZSBGqg\s:.\-–—~_]+)$", text.strip())
    if parts is not None:
        digits = re.sub(r"[^0-9]", "", parts.group(2).translate(_DIGITS))
        return f"{parts.group(1)}-{digits[:2]}-{digits[2:8]}-{digits[8:]}" if len(digits) == 10 else None
    for run in re.finditer(rf"[0-9OoDQIl|!ZzSsBbGqg{re.escape(_DASHES)}]{{12,}}", text):
        given = run.group().translate(_DIGITS)
        digits = re.sub(r"[^0-9]", "", given)
        if len(digits) == 12 and 11 <= int(digits[:2]) <= 28 and not dates(given) and undated(given) == given:
            return f"{digits[:2]}-{digits[2:4]}-{digits[4:10]}-{digits[10:]}"
    return None


def passport_number(text: str) -> str | None:
    """``M12345678`` or, since the end of 2021, ``M123A4567``."""
    for token in re.split(r"[\s:/]+", unicodedata.normalize("NFKC", text).upper()):
        token = re.sub(r"[^A-Z0-9]", "", token)
        if len(token) != 9 or not token[0].isalpha():
            continue
        rest = token[1:]
        if sum(c.isdecimal() for c in rest) < 5:
            continue
        if rest[3].isalpha() and rest[3] not in "OIQ":
            ends = rest[:3].translate(_DIGITS) + rest[3] + rest[4:].translate(_DIGITS)
        else:
            ends = rest.translate(_DIGITS)
        if re.fullmatch(r"[0-9]{3}[A-Z0-9][0-9]{4}", ends) is not None:
            return token[0] + ends
    return None


def serial(text: str) -> str | None:
    """The five or six letters and digits under the small portrait of a licence, some of them digits. Where there is no
    digit, what looks like a nought or a one is one."""
    token = re.sub(r"\s+", "", text)
    if re.fullmatch(r"[0-9A-Z]{5,6}", token) is None:
        return None
    if not any(c.isdecimal() for c in token) and token not in _CAPITALS:
        token = token.translate(str.maketrans("OI", "01"))
    return token if any(c.isdecimal() for c in token) else None


# -- dates ---------------------------------------------------------------------------------------------------------


def dates(text: str) -> list[tuple[datetime.date, str]]:
    """The dates in a text, in its order: the day, and how it stands there. ``2022. 3. 15.``, ``2022-03-15``,
    ``2022년 3월 15일``, ``20220315``, and as passports print them, ``15 3월/MAR 2022``."""
    found: list[tuple[int, datetime.date, str]] = []
    for m in _DATE.finditer(text):
        _add(found, m, int(m[1] + m[2] + m[3]), int(m[4].replace(" ", "")), int(m[5].replace(" ", "")))
    for pattern in (_PLAIN_DATE, _SPACED_DATE):
        for m in pattern.finditer(text):
            if not any(start <= m.start() < start + len(raw) for start, _, raw in found):
                _add(found, m, int(m[1]), int(m[2]), int(m[3]))
    for m in _PASSPORT_DATE.finditer(text.upper()):
        month = int(m[2]) if m[2] else _month(m[3])
        if month:
            _add(found, m, int(m[4]), month, int(m[1]))
    return [(day, raw) for _, day, raw in sorted(found)]


def _add(found: list[tuple[int, datetime.date, str]], m: re.Match[str], year: int, month: int, day: int) -> None:
    try:
        date = datetime.date(year, month, day)
    except ValueError:
        return
    end = m.end() + (m.string[m.end() : m.end() + 1] in (".", "일"))
    found.append((m.start(), date, m.string[m.start() : end].strip()))


def _month(name: str) -> int:
    """1 to 12; 0 for what is no month. A name may be off by a letter where no other month is as near."""
    if name in _MONTHS:
        return _MONTHS.index(name) + 1
    near = [k + 1 for k, month in enumerate(_MONTHS) if sum(a != b for a, b in zip(month, name, strict=True)) == 1]
    return near[0] if len(near) == 1 else 0


def period(text: str) -> tuple[str, str] | None:
    """Two dates, the later one second: as ISO 8601 writes an interval, and as it stands there. One date alone is the
    day that it ends on."""
    found = dates(text)
    if len(found) >= 2 and found[0][0] <= found[1][0]:
        return f"{found[0][0].isoformat()}/{found[1][0].isoformat()}", f"{found[0][1]} ~ {found[1][1]}"
    if len(found) == 1 and "~" in text.split(found[0][1])[0]:
        return f"../{found[0][0].isoformat()}", f"~ {found[0][1]}"
    return None


def undated(text: str) -> str:
    """A text without what has the form of dates and periods in it, days that do not exist too."""
    return re.sub(r"\s+", " ", _DATE_FORM.sub(" ", text)).strip() if _DATE_FORM.search(text) else text


# -- words ---------------------------------------------------------------------------------------------------------


def person(text: str) -> tuple[str, bool] | None:
    """A Korean name, without what stands in brackets after it, which is hanja; and whether that was clear: where the
    bracket was not seen but there is more than Hangul, what follows three syllables (four, with a surname of two) is
    left out."""
    # A spot on the left of it may have been read as a letter.
    head = re.sub(r"^[^가-힣(\[{<]{1,2}\s+(?=[가-힣])", "", _BRACKET.split(text)[0].strip())
    head = re.split(r"[^가-힣\s]", head.strip())[0]
    name = hangul(head)
    clear = True
    usual = 4 if name[:2] in SURNAMES else 3
    if _BRACKET.search(text) is None and len(name) > usual and len(text.strip()) > len(head.strip()):
        name, clear = name[:usual], False
    elif len(name) > 5:
        first = head.split()
        name, clear = (first[0], False) if 2 <= len(first[0]) <= 5 else (name, False)
    if not 2 <= len(name) <= 12:
        return None
    return name, clear


def address(text: str) -> str:
    """An address as it is written: what is neither letter nor digit alone is left out, and commas stand where the
    official form has them (between a building and what is in it, and between the two names in brackets at the end)."""
    words = [w for w in re.split(r"\s+", text.strip()) if re.search(r"[^\W_]", w) or w in ("(", ")", ",")]
    text = " ".join(words).strip(" .,:;~|")
    text = re.sub(r"\s+([,)])", r"\1", re.sub(r"\(\s+", "(", text))
    text = re.sub(r"(?<=\d)([가-힣])(?=[\s,)]|$)", _unit, text)
    text = re.sub(r"(?<=\d)통(?= \d+호)|통(?=\)|, )", "동", text)
    text = re.sub(r"(?<=\d)\.(?=\s\d+(?:동|호|층))", ",", text)  # a comma whose tail was lost
    text = re.sub(r",(?=[^\s,])", ", ", text)
    text = re.sub(r"(?<=[가-힣]{2}) (?=[동로길](?:\s|$))", "", text)  # no such word stands alone
    text = re.sub(r"(?<=\d) (?=[호층동](?:[\s,)]|$))", "", text)
    text = re.sub(r"(?<=[시군구읍면]) [0-9A-Za-z] (?=[가-힣0-9]+(?:로|길|동)(?:\s|$))", " ", text)  # a speck
    text = re.sub(r"(\([가-힣0-9]+[동리가])[. ]\s?(?=[가-힣A-Z0-9]+\)$)", r"\1, ", text)
    return re.sub(r"((?:로|길)\s?\d+(?:-\d+)?) (?=\d+(?:동|호|층)(?:\s|$))", r"\1, ", text)


def _unit(found: re.Match[str]) -> str:
    """What follows a number in an address, with the one letter put right that it may be off."""
    if found[1] in _UNITS:
        return found[1]
    near = [unit for unit in _UNITS if strokes(found[1], unit) == 1]
    return near[0] if len(near) == 1 else found[1]


def latin_name(text: str) -> str | None:
    """A name in Latin capitals, words with single spaces."""
    name = re.sub(r"\s+", " ", re.sub(r"[^A-Z'\- ,.]", " ", text.upper())).strip(" ,.-'")
    return name if sum(c.isalpha() for c in name) >= 2 else None


def licence_types(text: str) -> tuple[str, ...]:
    """The types in a text: ``1종보통``, ``2종소형`` …, in its order."""
    found: list[str] = []
    for number, name in re.findall(r"([12Il|])종([가-힣]+?)(?=[12Il|]종|[^가-힣]|$)", re.sub(r"\s+", "", text)):
        number = number.translate(_DIGITS)
        near = min((strokes(name, t[2:]), t) for t in LICENCE_TYPES if t[0] == number)
        within = max((t for t in LICENCE_TYPES if t[0] == number and name.startswith(t[2:])), key=len, default="")
        if near[0] <= 1 or within:  # a letter may be off
            found.append(near[1] if near[0] <= 1 else within)
    return tuple(dict.fromkeys(found))


def conditions(text: str) -> str | None:
    """The letters of a licence's conditions, ``A, B``; None where there is anything else."""
    letters = re.sub(r"[\s,./·]+", "", text)
    if not letters or len(letters) > len(CONDITIONS) or any(c not in CONDITIONS for c in letters):
        return None
    return ", ".join(dict.fromkeys(letters))
