"""What the lines of a machine-readable zone say (ICAO 9303 parts 4 to 7): TD1, TD2, TD3, MRV-A and MRV-B.

Written here rather than taken from a library: of those on PyPI the complete one is GPL and has stood still since 2020,
and the layouts are five short tables.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass

from edge_ocr.scanners.states import known_state

__all__ = ["ALPHABET", "LAYOUTS", "Layout", "MrzText", "check_digit", "end_of_names", "parse"]

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


# The form of a name field (ICAO 9303 part 3, 4.6): the primary identifier, two fillers, the secondary one, each of
# words parted by one filler, and nothing but fillers after that. Some states leave the primary identifier empty.
_NAMES = re.compile("(?:[A-Z]+(?:<[A-Z]+)*)?(?:<<[A-Z]+(?:<[A-Z]+)*)?")
_NO_NAME = re.compile("<{3,}")  # what stands after so many fillers is no name in any state's usage


def end_of_names(field: str) -> int:
    """How many characters of a name field have the form that ICAO 9303 gives it; after them only fillers may stand."""
    found = _NAMES.match(field)
    return found.end() if found is not None else 0


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

    @property
    def known(self) -> bool:
        """Whether the codes of the state and of the nationality are ones that have been given: no check digit is over
        them, but where a line has lost a letter they seldom are."""
        return known_state(self.fields["state"]) and known_state(self.fields["nationality"])

    @property
    def well_formed(self) -> bool:
        """Whether the names have the form that ICAO 9303 gives them: no check digit is over them, either, but what is
        printed behind the fillers, or was read into them, breaks it."""
        return end_of_names(self.fields["names"]) == len(self.fields["names"])


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
    surname, _, given = _NO_NAME.split(raw["names"], maxsplit=1)[0].partition("<<")
    values["surname"] = surname.replace("<", " ").strip()
    values["given_names"] = re.sub(r"<+", " ", given).strip()
    values["names"] = f"{values['surname']} {values['given_names']}".strip()
    values["sex"] = raw["sex"].replace("<", "X")
    values["birth"] = _date(raw["birth"], today)
    values["expiry"] = _date(raw["expiry"], datetime.date(today.year + 50, 12, 31))
    return values


def _date(text: str, latest: datetime.date) -> str:
    """``YYMMDD`` as ``YYYY-MM-DD``, the latest such day up to ``latest``; what is unknown in it stays away; empty for
    what is no date."""
    digits = text.ljust(6, "<")
    if not digits[:2].isdecimal():
        return ""
    year = latest.year - (latest.year - int(digits[:2])) % 100
    said = _in_year(year, digits)
    return said if said <= latest.isoformat()[: len(said)] else _in_year(year - 100, digits)


def _in_year(year: int, digits: str) -> str:
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
