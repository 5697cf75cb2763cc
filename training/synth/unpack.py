"""Typefaces unpacked to plain TTF, once for a machine: FreeType would otherwise decompress a WOFF2 file for every size.

    python -m training.synth.unpack DIR

does it ahead for an ingredients folder. fontTools takes a second or two for a face of Hangul, ten minutes of one
processor for four hundred faces; so several processes do it, a bar tells how far they are, and whoever else needs the
same faces meanwhile waits for them rather than doing it again.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fontTools.ttLib import TTFont

__all__ = ["cache_dir", "drawable", "fonts_of", "prepare", "unpacked"]

FORMATS = (".woff2", ".ttf", ".otf")
FEW = 4  # fewer faces are unpacked at once, without other processes


def cache_dir() -> Path:
    """Where unpacked faces are kept: ``EDGE_OCR_CACHE``, or the user's cache folder."""
    if own := os.environ.get("EDGE_OCR_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge_ocr"


def drawable(font: TTFont) -> list[int]:
    """The code points that ``font`` maps to a glyph with an outline: a face may map a character to an empty one, and
    it would be drawn as nothing."""
    glyphs = font.getGlyphSet()
    cmap = font.getBestCmap() or {}
    if "glyf" in font:
        table = font["glyf"]
        return [c for c, g in cmap.items() if table[g].numberOfContours != 0]
    return [c for c, g in cmap.items() if g in glyphs]


def fonts_of(folder: Path) -> list[Path]:
    """The font files in a folder, in the order of their names."""
    return sorted(p for p in folder.glob("*") if p.suffix in FORMATS)


def unpacked(path: Path) -> tuple[Path, frozenset[int]]:
    """The plain file of a face, and the code points that it can draw; unpacked now where it was not yet."""
    out = _place(path)
    if not _is_ready(out):
        _unpack(path, out)
    return out, frozenset(json.loads(out.with_suffix(".json").read_text()))


def prepare(paths: Sequence[Path], *, processes: int | None = None) -> int:
    """Sees to it that each of ``paths`` is unpacked, with as many ``processes`` as there are processors, and a bar
    where there is much to do; returns how many were not. Several callers at a time, in any processes, do the work once.
    Raises ValueError, which names the file, for what is no font."""
    missing = [p for p in paths if not _is_ready(_place(p))]
    if len(missing) < FEW:
        for path in missing:
            unpacked(path)
        return len(missing)
    from tqdm import tqdm

    bar = tqdm(total=len(missing), desc="unpacking typefaces, once", unit="face", mininterval=1)
    with bar, _alone(bar, missing):
        left = [p for p in missing if not _is_ready(_place(p))]
        bar.n = len(missing) - len(left)
        bar.refresh()
        if left:
            _share_out(sorted(left, key=lambda p: -p.stat().st_size), processes or _processors(), bar)
    return len(missing)


def _place(path: Path) -> Path:
    key = hashlib.sha256(f"1:{path.name}:{path.stat().st_size}".encode()).hexdigest()[:16]
    return cache_dir() / "faces" / f"{path.stem}-{key}.font"


def _is_ready(out: Path) -> bool:
    return out.exists() and out.with_suffix(".json").exists()


def _unpack(path: Path, out: Path) -> None:
    from fontTools.ttLib import TTFont

    try:
        font = TTFont(path)
        points = drawable(font)
        font.flavor = None
        out.parent.mkdir(parents=True, exist_ok=True)
        temp = out.with_suffix(f".tmp{os.getpid()}")
        font.save(temp)
    except Exception as error:  # fontTools raises whatever a broken table leads to
        raise ValueError(f"{path}: cannot be unpacked ({type(error).__name__}: {error}); is it a font?") from error
    temp.replace(out)
    temp.write_text(json.dumps(points))
    temp.replace(out.with_suffix(".json"))  # last: it says that the face is there


def _processors() -> int:
    available = getattr(os, "sched_getaffinity", None)
    return len(available(0)) if available is not None else os.cpu_count() or 1


@contextlib.contextmanager
def _alone(bar: object, wanted: Sequence[Path]) -> Iterator[None]:
    """Until no other process unpacks; the bar shows meanwhile how many of ``wanted`` that has done. The system lets go
    of the lock of a process that was ended. Where there are no such locks, the work may be done twice."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    from tqdm import tqdm

    assert isinstance(bar, tqdm)
    folder = cache_dir() / "faces"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                bar.set_postfix_str("by another process")
                bar.n = sum(_is_ready(_place(p)) for p in wanted)
                bar.refresh()
                time.sleep(0.5)
        bar.set_postfix_str("")
        yield


def _share_out(paths: Sequence[Path], processes: int, bar: object) -> None:
    """Processes of their own, started as programs: a fork would be that of a trainer with its threads, and a drawing
    process of PyTorch's may have no children of multiprocessing's kind."""
    from tqdm import tqdm

    assert isinstance(bar, tqdm)
    waiting, lock, failed = list(reversed(paths)), threading.Lock(), []

    def work() -> None:
        command = [sys.executable, "-m", "training.synth.unpack", "--worker"]
        root = Path(__file__).resolve().parents[2]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", cwd=root
        ) as worker:
            assert worker.stdin and worker.stdout
            while True:
                with lock:
                    if not waiting or failed:
                        return
                    path = waiting.pop()
                worker.stdin.write(f"{path.resolve()}\n")
                worker.stdin.flush()
                answer = worker.stdout.readline()
                with lock:
                    if answer.strip() != "done":
                        failed.append(answer.strip() or f"{path}: the process that unpacked it ended")
                        return
                    bar.update()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(processes, len(paths)))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failed:
        raise ValueError(failed[0])


def _serve() -> None:
    for line in sys.stdin:
        print(_answer(Path(line.rstrip("\n"))), flush=True)


def _answer(path: Path) -> str:
    try:
        unpacked(path)
    except (ValueError, OSError) as error:
        return str(error).replace("\n", " ")
    return "done"


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", type=Path, nargs="?", default=Path("ingredients"), help="folder with fonts/")
    p.add_argument("--worker", action="store_true", help="paths on standard input; what the others start")
    a = p.parse_args()
    if a.worker:
        _serve()
        return
    folders = [f for f in sorted((a.folder / "fonts").glob("*")) if f.is_dir()]
    paths = [p for f in folders for p in fonts_of(f)]
    if not paths:
        p.error(f"{a.folder}: no fonts there")
    print(f"{len(paths)} faces, {prepare(paths)} of them unpacked now, in {cache_dir() / 'faces'}")


if __name__ == "__main__":
    main()
