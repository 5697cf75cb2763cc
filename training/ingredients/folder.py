"""The folder of ingredients: what belongs into it, what is in it, where that came from."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.ingredients.sources import Source

__all__ = ["Finding", "Manifest", "adopt", "check", "report", "write_licences"]

# (place, what it is, how much of it training cannot do without)
_PARTS = (
    ("fonts/hangul", "Hangul faces", 1),
    ("fonts/hangul_full", "faces with all 11,172 syllables", 0),
    ("fonts/latin", "Latin faces", 1),
    ("fonts/machine", "faces of machine-readable print", 0),
    ("text/words_ko.tsv", "Korean words with their frequency", 1),
    ("text/words_en.tsv", "English words with their frequency", 1),
    ("text/subtitles_ko.tsv", "Korean words of speech with their count", 0),
    ("text/names_ko.txt", "names and titles", 0),
    ("text/addresses_ko.txt", "addresses", 0),
    ("backgrounds", "wallpapers", 0),
    ("backgrounds_road", "road pictures", 0),
    ("plate_kr", "glyphs of number plates", 0),
)
_FONT_STARTS = (b"wOF2", b"wOFF", b"\0\1\0\0", b"OTTO", b"true", b"ttcf")
_SUFFIXES = {
    "fonts": (".woff2", ".woff", ".ttf", ".otf"),
    "backgrounds": (".webp", ".jpg"),
    "plate_kr": (".png", ".json"),
}


@dataclass(frozen=True)
class Finding:
    """What a folder has for one place: ``count`` usable files (or lines of a list), and ``faults``: files that are
    not what they should be. ``needed``: training does not start without it."""

    place: str
    what: str
    count: int
    needed: bool
    faults: tuple[str, ...] = ()

    @property
    def missing(self) -> bool:
        return self.count == 0


def check(folder: Path) -> list[Finding]:
    """Look through a folder of ingredients, cheaply: the files' first bytes and the lists' lines."""
    out = []
    for place, what, least in _PARTS:
        path, count = folder / place, 0
        faults: list[str] = []
        if place.startswith("text/"):
            if path.exists():
                count, faults = _check_list(path)
        elif path.is_dir():
            for file in sorted(p for p in path.rglob("*") if p.is_file()):
                if file.suffix not in _SUFFIXES[place.split("/")[0].split("_road")[0]]:
                    continue
                fault = _fault(file)
                if fault:
                    faults.append(f"{place}/{file.name}: {fault}")
                else:
                    count += 1
        out.append(Finding(place, what, count, bool(least), tuple(faults)))
    return out


def _fault(file: Path) -> str | None:
    with file.open("rb") as f:
        start = f.read(12)
    if not start:
        return "empty"
    if file.suffix in _SUFFIXES["fonts"] and not start.startswith(_FONT_STARTS):
        return "not a font"
    if file.suffix == ".webp" and not (start.startswith(b"RIFF") and start.endswith(b"WEBP")):
        return "not a WebP picture"
    return None


def _check_list(path: Path) -> tuple[int, list[str]]:
    try:
        lines = [x for x in path.read_text(encoding="utf-8").splitlines() if x]
    except UnicodeDecodeError:
        return 0, [f"{path.name}: not UTF-8"]
    if path.suffix != ".tsv":
        return len(lines), []
    good = 0
    for line in lines:
        word, _, count = line.partition("\t")
        with contextlib.suppress(ValueError):
            good += bool(word) and float(count) > 0
    bad = len(lines) - good
    return good, [f"{path.name}: {bad} lines that are not WORD TAB COUNT"] if bad else []


def report(findings: Iterable[Finding], sources: Sequence[Source] = ()) -> str:
    """The findings for reading; for what is missing, where it can be had."""
    lines = []
    for f in findings:
        state = f"{f.count:7,d}" if f.count else " needed" if f.needed else "      –"
        lines.append(f"{state}  {f.place:<22} {f.what}")
        lines += [f"         ! {fault}" for fault in f.faults[:5]]
        if len(f.faults) > 5:
            lines.append(f"         ! and {len(f.faults) - 5} more")
        if f.missing:
            own = [s for s in sources if s.to == f.place]
            packages = sorted({f"{s.package} ({s.registry}, {s.licence})" for s in own if s.registry != "public"})
            public = [f"{s.package}, {s.files} ({s.licence})" for s in own if s.registry == "public"]
            if packages:
                more = f" and {len(packages) - 1} more packages" if len(packages) > 1 else ""
                lines.append(f"         from {packages[0]}{more}")
            lines += [f"         in no package registry; public source: {p}" for p in public]
    return "\n".join(lines)


def adopt(folder: Path, out: Path, *, copy: bool = False, kinds: Iterable[str] | None = None) -> int:
    """Bring the files of another folder of this shape into ``out``, as symbolic links or copies; what is already
    there stays. ``kinds`` restricts it to ``fonts``, ``texts``, ``backgrounds``. Returns how many files came."""
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder}: no such folder")
    if out.resolve() == folder.resolve():
        return 0
    tops = {"fonts": ("fonts",), "texts": ("text",), "backgrounds": ("backgrounds", "backgrounds_road", "plate_kr")}
    wanted = [top for kind in (kinds or tops) for top in tops[kind]]
    count = 0
    for top in wanted:
        for file in sorted((folder / top).rglob("*")):
            target = out / file.relative_to(folder)
            if not file.is_file() or target.exists():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_symlink():  # one that leads nowhere any more
                target.unlink()
            if copy:
                shutil.copyfile(file, target)
            else:
                target.symlink_to(os.path.relpath(file.resolve(), target.parent.resolve()))
            count += 1
    return count


@dataclass
class Manifest:
    """``manifest.json`` in the folder: what was gathered from which package, written after every package, so that a
    gathering that was stopped goes on where it was."""

    path: Path
    packages: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def load(cls, out: Path) -> Manifest:
        path = out / "manifest.json"
        if not path.exists():
            return cls(path)
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            return cls(path, dict(data["packages"]))
        except (ValueError, KeyError, TypeError) as e:
            raise ValueError(f"{path}: not a manifest of ingredients ({e}); move it away to gather anew") from e

    def has(self, sources: Sequence[Source]) -> bool:
        """Whether all rows of a package were gathered, as they stand now, and their files are still there."""
        entry = self.packages.get(f"{sources[0].registry}:{sources[0].package}")
        if entry is None or entry["rows"] != [[s.files, s.to] for s in sources]:
            return False
        root = self.path.parent
        return all((root / n).exists() and (root / n).stat().st_size == f["bytes"] for n, f in entry["files"].items())

    def add(self, sources: Sequence[Source], about: dict[str, str], files: Sequence[Path], left: Sequence[str]) -> None:
        root = self.path.parent
        self.packages[f"{sources[0].registry}:{sources[0].package}"] = {
            **about,
            "rows": [[s.files, s.to] for s in sources],
            "files": {
                p.relative_to(root).as_posix(): {
                    "bytes": p.stat().st_size,
                    "sha256": hashlib.sha256(p.read_bytes()).hexdigest(),
                }
                for p in files
            },
            "left_out": list(left),
        }
        temp = self.path.with_suffix(".part")
        text = json.dumps({"format": 1, "packages": dict(sorted(self.packages.items()))}, ensure_ascii=False, indent=1)
        temp.write_text(text + "\n", encoding="utf-8")
        temp.replace(self.path)


def write_licences(manifest: Manifest, sources: Sequence[Source]) -> Path:
    """``LICENCES.md`` in the folder: each package with what its own metadata declare and what the table of sources
    says; the texts lie in ``licences/``."""
    stated: dict[str, str] = {}
    for s in sources:
        stated.setdefault(f"{s.registry}:{s.package}", s.licence)
    rows = [
        "# Licences of the ingredients",
        "",
        "What these files are under lets them be used to draw training pictures; none of them is part of the project.",
        "Their texts, as far as the packages hold them, lie in `licences/`.",
        "",
        "| registry | package | version | declared there | as listed | files |",
        "|---|---|---|---|---|---|",
    ]
    for key, entry in sorted(manifest.packages.items()):
        registry, _, package = key.partition(":")
        said = entry["licence"].replace("|", "/").replace("\n", " ")
        count = len(entry["files"])
        rows.append(f"| {registry} | {package} | {entry['version']} | {said} | {stated.get(key, '?')} | {count} |")
    path = manifest.path.parent / "LICENCES.md"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path
