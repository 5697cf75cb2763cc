"""Gather fonts, word lists and wallpapers into one folder: see ``python -m training.ingredients --help``."""

from __future__ import annotations

import argparse
import fnmatch
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from training.ingredients.fetch import FetchError, Package, fetch, lacking, open_package
from training.ingredients.folder import Manifest, adopt, check, report, write_licences
from training.ingredients.prepare import (
    PreparationError,
    dictionary_names,
    face,
    picture,
    picture_name,
    wordfreq_counts,
)
from training.ingredients.sources import KINDS, Source, choose, load_sources

CHARSET = Path(__file__).resolve().parents[1] / "charsets" / "ko.txt"


def gather(sources: Sequence[Source], out: Path) -> list[str]:
    """Fetch every package of ``sources`` that ``out`` does not yet have, and put its files in their places. Returns
    what was left out, and why."""
    left: list[str] = []
    groups: dict[tuple[str, str], list[Source]] = {}
    for s in sources:
        if s.registry != "public":
            groups.setdefault((s.registry, s.package), []).append(s)
    for registry in sorted({r for r, _ in groups}):
        why = lacking(registry)
        if why:
            without = [key for key in groups if key[0] == registry]
            names = [package for _, package in without]
            more = f" and {len(names) - 12} more" if len(names) > 12 else ""
            left.append(f"{registry}: {why}; without it: {', '.join(names[:12])}{more}")
            for key in without:
                del groups[key]
    out.mkdir(parents=True, exist_ok=True)
    manifest = Manifest.load(out)
    work = out / ".unpacked"
    bar = tqdm(groups.items(), unit="package", disable=None)
    try:
        for (registry, package), rows in bar:
            if manifest.has(rows):
                continue
            bar.set_postfix_str(package)
            try:
                found = open_package(fetch(registry, package, work / "archive"), work / "files")
                made, spoilt = _place(found, rows, out)
            except (FetchError, OSError) as e:
                left.append(f"{registry} {package}: {e}")
                continue
            left += [f"{registry} {package}: {x}" for x in spoilt]
            about = {"version": found.version, "licence": found.licence, "sha256": found.sha256}
            manifest.add(rows, about, made, spoilt)
            text = out / "licences" / f"{registry}-{package.replace('/', '-').lstrip('@')}.txt"
            text.parent.mkdir(exist_ok=True)
            text.write_text(f"{package} {found.version}: {found.licence}\n\n{found.licence_text}\n", encoding="utf-8")
    finally:
        bar.close()
        shutil.rmtree(work, ignore_errors=True)
    write_licences(manifest, load_sources())
    return left


def _place(found: Package, rows: Sequence[Source], out: Path) -> tuple[list[Path], list[str]]:
    """(files that were made, what could not be)"""
    made: list[Path] = []
    spoilt: list[str] = []
    for source in rows:
        before = len(made)
        for name, patterns in source.patterns():
            chosen = [choose(found.files, p) for p in patterns]
            if not all(chosen):
                # Packages rename and drop files now and then: worth a word, not worth stopping for.
                lost = patterns[[bool(c) for c in chosen].index(False)]
                if "*" not in lost:
                    spoilt.append(f"version {found.version} has no {lost}")
                continue
            jobs = [[c for part in chosen for c in part]] if len(patterns) > 1 else [[c] for c in chosen[0]]
            for files in jobs:
                try:
                    path = _make(source, name, files, found, out, made)
                except PreparationError as e:
                    spoilt.append(str(e))
                    continue
                if path is not None:
                    made.append(path)
        if len(made) == before:
            spoilt.append(f"version {found.version} gave nothing for {source.to} ({source.files})")
    return made, spoilt


def _make(
    source: Source, name: str | None, files: Sequence[str], found: Package, out: Path, made: Sequence[Path]
) -> Path | None:
    paths = [found.folder / f for f in files]
    place = out / source.to
    (place if place.suffix == "" else place.parent).mkdir(parents=True, exist_ok=True)
    if source.treatment == "face":
        keep = {ord(c) for c in CHARSET.read_text(encoding="utf-8").rstrip("\n")}
        keep |= {ord(c) for c in (CHARSET.parent / "en.txt").read_text(encoding="utf-8").rstrip("\n")}
        return face(paths, place / (name or paths[0].stem), source.to, keep)
    if source.treatment == "picture":
        name = picture_name(source.package, files[0])
        if name is None or place / f"{name}.webp" in made:
            return None
        return picture(paths[0], place / name)
    if source.treatment == "wordfreq":
        text = wordfreq_counts(paths[0].read_bytes())
    elif source.treatment == "dictionary":
        text = dictionary_names(paths[0].read_text(encoding="utf-8"))
    else:
        raise PreparationError(f"{source.to}: nothing is known that makes it out of a package")
    temp = place.with_name(place.name + ".part")
    temp.write_text(text, encoding="utf-8")
    temp.replace(place)
    return place


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.ingredients",
        description="Gathers what training.synth draws with from package registries, through npm, pip and apt-get.",
        epilog="Goes on where it was stopped. Exit status 1 when the folder cannot be trained from.",
    )
    parser.add_argument("--out", type=Path, default=Path("ingredients"), help="the folder to fill [%(default)s]")
    parser.add_argument("--only", help=f"some of {','.join(KINDS)}, separated by commas")
    parser.add_argument("--packages", metavar="PATTERN", help="only packages whose name matches, as '@fontsource/g*'")
    parser.add_argument("--from", dest="folder", type=Path, metavar="FOLDER", help="link such a folder instead")
    parser.add_argument("--copy", action="store_true", help="with --from: copy instead of linking")
    parser.add_argument("--list", action="store_true", help="print the sources and fetch nothing")
    a = parser.parse_args(argv)
    kinds = a.only.split(",") if a.only else list(KINDS)
    if not set(kinds) <= set(KINDS):
        parser.error(f"--only: of {','.join(KINDS)}, separated by commas")
    table = load_sources()
    wanted = [s for s in table if s.kind in kinds and fnmatch.fnmatch(s.package, a.packages or "*")]
    if a.list:
        for s in wanted:
            print(s.registry, s.package, s.to, s.licence, sep="\t")
        return 0
    left: list[str] = []
    if a.folder is not None:
        try:
            print(f"{adopt(a.folder, a.out, copy=a.copy, kinds=kinds)} files from {a.folder}")
        except NotADirectoryError as e:
            parser.error(str(e))
    else:
        left = gather(wanted, a.out)
    findings = check(a.out)
    print(f"\n{a.out}:")
    print(report(findings, table))
    if left:
        print("\nLeft out:", *left, sep="\n  ")
    lacks = [f for f in findings if f.needed and f.missing]
    if lacks:
        print(f"\nNot enough to train from: {', '.join(f.place for f in lacks)}", file=sys.stderr)
    return 1 if lacks else 0


if __name__ == "__main__":
    sys.exit(main())
