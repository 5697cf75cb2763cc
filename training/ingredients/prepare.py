"""From what packages hold to what ``training.synth`` reads: faces, word lists, pictures."""

from __future__ import annotations

import gzip
import logging
import re
import shutil
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

__all__ = [
    "PreparationError",
    "common_syllables",
    "dictionary_names",
    "face",
    "picture",
    "picture_name",
    "unpack_msgpack",
    "wordfreq_counts",
]

PICTURE_SIDE = 1280
NAMES = 60000
# A face that lacks more than a few of KS X 1001's 2,350 syllables would be picked for too few words.
LEAST_SYLLABLES = 2300
# Layout, vertical metrics and hints: nothing that drawing a line of text needs, and slices often disagree in them.
_UNUSED_TABLES = [
    *("GSUB", "GPOS", "GDEF", "BASE", "JSTF", "MATH", "STAT", "DSIG", "VORG", "vhea", "vmtx", "meta", "kern"),
    *("cvt ", "fpgm", "prep", "gasp", "hdmx", "VDMX", "LTSH"),
]


class PreparationError(ValueError):
    """A file from a package that is not what the table of sources takes it for."""


# -- faces ------------------------------------------------------------------------------------------------------
def common_syllables() -> set[int]:
    """The code points of KS X 1001's 2,350 syllables: those that the legacy encoding can write."""

    def known(c: int) -> bool:
        try:
            return len(chr(c).encode("euc-kr")) == 2
        except UnicodeEncodeError:
            return False

    return {c for c in range(0xAC00, 0xD7A4) if known(c)}


def face(slices: Sequence[Path], out: Path, place: str, keep: Iterable[int] = ()) -> Path:
    """Write one face, joined from ``slices`` (a single file stays as it is), to ``out`` plus the suffix of its format:
    the path. In ``fonts/hangul`` only KS X 1001's syllables and the characters of ``keep`` stay, because the whole
    of 130 faces would take gigabytes. PreparationError when a Hangul face lacks Hangul."""
    from fontTools.merge import Merger
    from fontTools.merge import Options as MergeOptions
    from fontTools.subset import Options, Subsetter
    from fontTools.ttLib import TTFont, TTLibError

    from training.synth.unpack import drawable

    logging.getLogger("fontTools").setLevel(logging.ERROR)  # odd tables of old fonts are of no interest here
    try:
        if len(slices) > 1:
            font = Merger(options=MergeOptions(drop_tables=_UNUSED_TABLES)).merge([str(s) for s in slices])
        else:
            font = TTFont(slices[0], fontNumber=0 if slices[0].suffix == ".ttc" else -1)
        points = set(drawable(font))
    except (TTLibError, OSError, AssertionError, KeyError, struct.error) as e:
        raise PreparationError(f"{slices[0].name}: not a font that can be used ({e})") from e
    if place == "fonts/hangul":
        syllables = len(points & common_syllables())
        if syllables < LEAST_SYLLABLES:
            raise PreparationError(f"{slices[0].name}: draws only {syllables} of the 2,350 common syllables")
        points &= common_syllables() | set(keep)
        options = Options(hinting=False, layout_features=[], notdef_outline=True, name_IDs=[1, 2])
        options.drop_tables = [*options.drop_tables, *_UNUSED_TABLES]
        subsetter = Subsetter(options)
        subsetter.populate(unicodes=[*points, 0x20])
        subsetter.subset(font)
    elif place == "fonts/hangul_full" and sum(0xAC00 <= c <= 0xD7A3 for c in points) < 11172:
        raise PreparationError(f"{slices[0].name}: does not draw all 11,172 syllables")
    elif not points:
        raise PreparationError(f"{slices[0].name}: draws nothing")
    if place != "fonts/hangul" and len(slices) == 1 and slices[0].suffix != ".ttc":
        target = Path(f"{out}{slices[0].suffix}")
        temp = Path(f"{target}.part")
        shutil.copyfile(slices[0], temp)
    else:
        # Plain, not WOFF2: the drawing code would unpack it again, and packing takes longer than all the rest.
        font.flavor = None
        target = Path(f"{out}{'.otf' if font.sfntVersion == 'OTTO' else '.ttf'}")
        temp = Path(f"{target}.part")
        font.save(temp)
    temp.replace(target)
    return target


# -- word lists -------------------------------------------------------------------------------------------------
def unpack_msgpack(data: bytes) -> Any:
    """What MessagePack data hold: as much of the format as word lists use (maps, arrays, strings, integers)."""
    value, end = _msgpack(data, 0)
    if end != len(data):
        raise PreparationError("MessagePack data with something behind it")
    return value


def _msgpack(data: bytes, at: int) -> tuple[Any, int]:
    kind, at = data[at], at + 1
    sized = {0xC4: ("bin", 1), 0xC5: ("bin", 2), 0xC6: ("bin", 4), 0xD9: ("str", 1), 0xDA: ("str", 2), 0xDB: ("str", 4)}
    sized |= {0xDC: ("array", 2), 0xDD: ("array", 4), 0xDE: ("map", 2), 0xDF: ("map", 4)}
    numbers = {0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
    numbers |= {0xCA: ">f", 0xCB: ">d"}
    if kind <= 0x7F:
        return kind, at
    if kind >= 0xE0:
        return kind - 0x100, at
    if kind in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[kind], at
    if kind in numbers:
        size = struct.calcsize(numbers[kind])
        return struct.unpack(numbers[kind], data[at : at + size])[0], at + size
    if kind in sized:
        what, width = sized[kind]
        count, at = int.from_bytes(data[at : at + width], "big"), at + width
    elif 0x80 <= kind <= 0x8F:
        what, count = "map", kind & 15
    elif 0x90 <= kind <= 0x9F:
        what, count = "array", kind & 15
    elif 0xA0 <= kind <= 0xBF:
        what, count = "str", kind & 31
    else:
        raise PreparationError(f"MessagePack type {kind:#x} is not known here")
    if what in ("str", "bin"):
        piece = data[at : at + count]
        return (piece.decode("utf-8") if what == "str" else piece), at + count
    items = []
    for _ in range(count * (2 if what == "map" else 1)):
        item, at = _msgpack(data, at)
        items.append(item)
    return (dict(zip(items[::2], items[1::2], strict=True)) if what == "map" else items), at


def wordfreq_counts(data: bytes) -> str:
    """wordfreq's list (gzipped MessagePack, format cB: the words of each centibel of rarity) as ``word TAB
    frequency`` lines, the most frequent first."""
    try:
        head, *steps = unpack_msgpack(gzip.decompress(data))
    except (OSError, EOFError, IndexError, UnicodeDecodeError, TypeError) as e:
        raise PreparationError(f"not wordfreq's data ({e})") from e
    if not isinstance(head, dict) or head.get("format") != "cB" or head.get("version") != 1:
        raise PreparationError("wordfreq's data have another format than cB 1")
    rows = [
        f"{word}\t{10 ** (-rarity / 100):.3g}\n"
        for rarity, words in enumerate(steps)
        for word in words
        if word and not any(c.isspace() for c in word)
    ]
    return "".join(rows)


def dictionary_names(text: str, most: int = NAMES) -> str:
    """Names and titles with spaces out of Kiwi's dictionary of compounds (form TAB tag TAB score), as lines: those
    with Hangul, at most ``most``, spread evenly over the alphabet."""
    forms = set()
    for line in text.splitlines():
        form = line.split("\t")[0].replace("++", "+").strip()
        if not line.startswith("#") and re.search("[가-힣]", form):
            forms.add(form)
    names = sorted(forms)
    step = max(1.0, len(names) / most)
    return "".join(names[int(i * step)] + "\n" for i in range(min(most, len(names))))


# -- pictures ---------------------------------------------------------------------------------------------------
def picture(source: Path, out: Path) -> Path:
    """Write a picture to ``out`` plus ``.webp``, its long side at most ``PICTURE_SIDE`` pixels: the path."""
    from PIL import Image

    try:
        with Image.open(source) as opened:
            opened.draft("RGB", (PICTURE_SIDE, PICTURE_SIDE))
            image = opened.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as e:
        raise PreparationError(f"{source.name}: cannot be decoded ({e})") from e
    image.thumbnail((PICTURE_SIDE, PICTURE_SIDE), Image.Resampling.LANCZOS)
    target = Path(f"{out}.webp")
    temp = Path(f"{target}.part")
    image.save(temp, "WEBP", quality=85)
    temp.replace(target)
    return target


def picture_name(package: str, path: str) -> str | None:
    """Under which name a wallpaper is kept; None for what is no picture of its own (previews, dark doubles). Where
    the file is only named by its size, its folder gives the name."""
    parts = PurePosixPath(path).parts
    stem = PurePosixPath(path).stem
    if stem in ("screenshot", "preview") or "images_dark" in parts:
        return None
    if re.fullmatch(r"\d+x\d+", stem):
        stem = next((p for p in reversed(parts[:-1]) if p not in ("images", "contents")), stem)
    return f"{package}__{re.sub(r'[^0-9A-Za-z가-힣._-]+', '_', stem)}"
