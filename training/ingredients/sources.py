"""The table of sources: what is taken out of which package, under which licence, and where it goes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["KINDS", "PLACES", "REGISTRIES", "TABLE", "Source", "choose", "expand", "load_sources"]

TABLE = Path(__file__).with_name("sources.tsv")
KINDS = ("fonts", "texts", "backgrounds")
REGISTRIES = ("npm", "pypi", "debian", "public")
# Where a source may go, and what is made of it on the way.
PLACES = {
    "fonts/hangul": ("fonts", "face"),
    "fonts/hangul_full": ("fonts", "face"),
    "fonts/latin": ("fonts", "face"),
    "fonts/machine": ("fonts", "face"),
    "text/words_ko.tsv": ("texts", "wordfreq"),
    "text/words_en.tsv": ("texts", "wordfreq"),
    "text/subtitles_ko.tsv": ("texts", "counts"),
    "text/names_ko.txt": ("texts", "dictionary"),
    "text/addresses_ko.txt": ("texts", "lines"),
    "backgrounds": ("backgrounds", "picture"),
    "backgrounds_road": ("backgrounds", "picture"),
    "plate_kr": ("backgrounds", "plates"),
}


@dataclass(frozen=True)
class Source:
    """One row. ``files`` are patterns of paths inside the package, separated by spaces: ``*`` stays within a folder,
    ``**/`` crosses folders, ``{a,b}`` means both, ``{a&b}`` both joined to one face, ``{name}`` is the package's name
    without its scope, and ``NAME=`` before a pattern names the result. ``registry`` ``public`` marks what no package
    registry has: it is named, never fetched."""

    registry: str
    package: str
    files: str
    to: str
    licence: str

    @property
    def kind(self) -> str:
        return PLACES[self.to][0]

    @property
    def treatment(self) -> str:
        return PLACES[self.to][1]

    def patterns(self) -> list[tuple[str | None, list[str]]]:
        """(name of the result or None, patterns whose files are joined to one) in the order in which they stand."""
        own = self.files.replace("{name}", self.package.rpartition("/")[2])
        out = []
        for part in (p for word in own.split() for p in expand(word)):
            name, _, pattern = part.rpartition("=")
            slices = expand(pattern, "&")
            if len(slices) > 1 and not name:
                plain = re.sub(r"-?\{[^{}]*\}", "", pattern.rpartition("/")[2])
                name = plain.rpartition(".")[0].removesuffix("-normal")
            out.append((name or None, slices))
        return out


def expand(text: str, sign: str = ",") -> list[str]:
    """``a{b,c}`` -> ``ab``, ``ac``; several braces multiply, those without ``sign`` stay.

    >>> expand("x-{a,b}-{1,2}-{p&q}")
    ['x-a-1-{p&q}', 'x-a-2-{p&q}', 'x-b-1-{p&q}', 'x-b-2-{p&q}']
    """
    found = re.search(r"\{([^{}" + sign + r"]*" + sign + r"[^{}]*)\}", text)
    if not found:
        return [text]
    return [
        whole
        for choice in found[1].split(sign)
        for whole in expand(text[: found.start()] + choice + text[found.end() :], sign)
    ]


def choose(names: Iterable[str], pattern: str) -> list[str]:
    """Those of ``names`` (paths with ``/``) that match ``pattern``, sorted with numbers as numbers."""
    regex = re.compile("".join(_translate(pattern)) + r"\Z")
    return sorted((n for n in names if regex.match(n)), key=_natural)


def _translate(pattern: str) -> Iterable[str]:
    for piece in re.split(r"(\*\*/|\*|\[[^\]]*\])", pattern):
        if piece == "**/":
            yield r"(?:[^/]+/)*"
        elif piece == "*":
            yield r"[^/]*"
        else:
            yield piece if piece.startswith("[") else re.escape(piece)


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(x), "") if x.isdigit() else (-1, x) for x in re.split(r"(\d+)", name)]


def load_sources(path: Path = TABLE) -> list[Source]:
    """All rows of the table; ValueError with the line's number where one is not valid."""
    sources = []
    head: list[str] | None = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [c.strip() for c in line.split("\t")]
        if head is None:
            head = cells
            if head != ["registry", "package", "files", "to", "licence"]:
                raise ValueError(f"{path}:{number}: the columns are registry, package, files, to, licence")
            continue
        if len(cells) != len(head) or not all(cells):
            raise ValueError(f"{path}:{number}: {len(head)} columns, separated by tabs, none empty")
        source = Source(*cells)
        if source.registry not in REGISTRIES:
            raise ValueError(f"{path}:{number}: {source.registry!r} is none of {', '.join(REGISTRIES)}")
        if source.to not in PLACES:
            raise ValueError(f"{path}:{number}: {source.to!r} is none of {', '.join(PLACES)}")
        if "://" in line:
            raise ValueError(f"{path}:{number}: packages are named, not addressed")
        sources.append(source)
    return sources
