"""Rows that are never lost and never twice: parts that appear whole or not at all, and one file of them at the end.

A part is written beside its place, flushed to the disk, and renamed. So a part that can be seen is whole, its ids are
done, and there is no other record that could disagree, whatever stops the run.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from edge_ocr.bulk import table
from edge_ocr.bulk.tasks import Row
from edge_ocr.errors import InputError

__all__ = ["Store"]

_JOB, _LOCK = "_job.json", "_lock"
_PART = re.compile(r"part-(\d+)-(\d+)\.(parquet|jsonl)")
_ID_AT = len('{"id": "')  # in a line of JSON: ids are read without reading the rest


class Store:
    """Where a run's rows go. ``outs``: files that end in .parquet or .jsonl, written at the end; or one folder, in
    which the parts stay. ``job``: what must be the same when the run is resumed.

    Raises InputError: outs that cannot be, a job that differs, something there already without ``resume``, another run
    at work on it."""

    def __init__(self, outs: Sequence[str], job: dict[str, Any], *, resume: bool, rows: int, seconds: float) -> None:
        self._files = [Path(out) for out in outs if out.lower().endswith((".parquet", ".jsonl"))]
        folders = [Path(out) for out in outs if not out.lower().endswith((".parquet", ".jsonl"))]
        if len(folders) > 1 or (folders and self._files) or len(set(self._files)) != len(self._files) or not outs:
            raise InputError("--out takes files that end in .parquet or .jsonl, or one folder")
        self.folder = folders[0] if folders else self._files[0].with_name(f"{self._files[0].name}.parts")
        self.kind = "jsonl" if self._files and all(f.suffix.lower() == ".jsonl" for f in self._files) else "parquet"
        if self.kind == "parquet":
            table.arrow()  # says what to install before anything is read
        there = [str(path) for path in [*(f for f in self._files if f.exists()), *self._parts()]]
        if there and not resume:
            raise InputError(f"{there[0]} is there already: --resume goes on with it; or give another --out")
        self._rows, self._seconds = rows, seconds
        self._waiting: list[Row] = []
        self._since = time.monotonic()
        self._lock: int | None = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(self.folder / _LOCK)
            self._check_job(job)
            self._tidy()
        except OSError as error:
            self.close()
            raise InputError(f"{self.folder}: cannot be written: {error.strerror}") from error
        except InputError:
            self.close()
            raise
        self._run = 1 + max((int(m[1]) for m in map(_PART.fullmatch, os.listdir(self.folder)) if m), default=0)
        self._number = 0

    def done(self) -> frozenset[bytes]:
        """The ids of all rows that are safe."""
        return frozenset(i for path in self._kept() for i in self.ids_of(path))

    def add(self, row: Row) -> None:
        """Takes a row; now and then, writes a part."""
        self._waiting.append(row)
        if len(self._waiting) >= self._rows or time.monotonic() - self._since >= self._seconds:
            self.save()

    def save(self) -> None:
        """Makes all rows that were added safe."""
        if self._waiting:
            self.write_part(self.part(self._number), self._waiting)
            self._number += 1
        self._waiting = []
        self._since = time.monotonic()

    def part(self, number: int) -> Path:
        """The place of this run's part of that number."""
        return self.folder / f"part-{self._run:04d}-{number:08d}.{self.kind}"

    @staticmethod
    def ids_of(path: Path) -> Iterator[bytes]:
        """The ids of a file of rows. Raises InputError where it is none."""
        if path.suffix.lower() == ".parquet":
            yield from table.ids(path)
            return
        with open(path, "rb") as stream:
            try:
                yield from (bytes.fromhex(line[_ID_AT : _ID_AT + 32].decode("ascii")) for line in stream)
            except ValueError as error:
                raise InputError(f"{path}: not results of edge-ocr bulk: {error}") from error

    @staticmethod
    def write_part(path: Path, rows: Sequence[Row]) -> None:
        """Writes a part, whole or not at all. Raises InputError where the disk is full, or the like."""
        made = path.with_name(f".tmp-{os.getpid()}-{path.name}")
        try:
            if path.suffix == ".jsonl":
                made.write_text("".join(map(_line, rows)), encoding="utf-8")
            else:
                table.write(made, rows)
            _rename(made, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                made.unlink(missing_ok=True)
            raise InputError(f"{path}: cannot be written: {error.strerror or error}; what was written so far is safe, "
                             "--resume goes on from there") from error

    def finish(self) -> int:
        """Puts all parts together in the files that were asked for, and takes the parts away; in a folder they stay.
        Gives the number of rows."""
        self.save()
        if not self._files:
            return sum(1 for path in self._kept() for _ in self.ids_of(path))
        count = 0
        kept = self._kept()
        job = (self.folder / _JOB).read_text(encoding="utf-8")
        made = []
        for file in self._files:
            temporary = file.with_name(f".{file.name}.tmp-{os.getpid()}")
            if file.suffix.lower() == ".jsonl":
                with open(temporary, "w", encoding="utf-8") as stream:
                    count = sum(stream.write(line) > 0 for line in map(_line, _rows(kept)))
            else:
                count = table.merge(temporary, _tables(kept), job)
            made.append(temporary)
        for temporary, file in zip(made, self._files, strict=True):
            _rename(temporary, file)
        for part in self._parts():
            part.unlink(missing_ok=True)
        self.close()
        for name in (_JOB, _LOCK):
            (self.folder / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # somebody put something of his own there
            self.folder.rmdir()
        return count

    def close(self) -> None:
        """Lets another run at it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _kept(self) -> list[Path]:
        """Every file that holds rows: one that is finished, then the parts."""
        return [f for f in self._files[:1] if f.exists()] + self._parts()

    def _parts(self) -> list[Path]:
        return sorted(p for p in self.folder.glob("part-*") if _PART.fullmatch(p.name))

    def _tidy(self) -> None:
        """Takes away what a kill left half-made."""
        for stale in self.folder.glob(".tmp-*"):
            stale.unlink(missing_ok=True)
        for file in self._files:
            for stale in file.parent.glob(f"{glob.escape(f'.{file.name}.tmp-')}*"):
                stale.unlink(missing_ok=True)

    def _check_job(self, job: dict[str, Any]) -> None:
        path = self.folder / _JOB
        before = None
        if path.exists():
            before = path.read_text(encoding="utf-8")
        else:
            finished = [f for f in self._files if f.suffix.lower() == ".parquet" and f.exists()]
            before = table.job_of(finished[0]) if finished else None
        try:
            told = json.loads(before) if before else job
        except ValueError as error:
            raise InputError(f"{path} is damaged: give another --out, or take it away") from error
        differs = [key for key in job if told.get(key) != job[key]]
        if differs:
            was = ", ".join(f"{key} {told.get(key)!r} (now {job[key]!r})" for key in differs)
            raise InputError(f"{self.folder} was begun with {was}: resume with the same, or give another --out")
        made = path.with_name(f".tmp-{os.getpid()}-job")
        made.write_text(json.dumps(job, ensure_ascii=False), encoding="utf-8")
        _rename(made, path)


def _line(row: Row) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _rows(paths: Iterable[Path]) -> Iterator[Row]:
    """The rows of all parts, none twice."""
    seen: set[str] = set()
    for path in paths:
        for row in table.rows(path) if path.suffix.lower() == ".parquet" else _read(path):
            if row["id"] not in seen:
                seen.add(row["id"])
                yield row


def _read(path: Path) -> Iterator[Row]:
    with open(path, encoding="utf-8") as stream:
        yield from map(json.loads, stream)


def _tables(paths: Iterable[Path]) -> Iterator[Any]:
    for path in paths:
        if path.suffix.lower() == ".parquet":
            yield from table.batches(path)
        else:
            yield table.table(list(_rows([path])))


def _rename(made: Path, path: Path) -> None:
    """The file, and its name, are on the disk when this returns."""
    with open(made, "rb+") as stream:
        os.fsync(stream.fileno())
    made.replace(path)
    if hasattr(os, "O_DIRECTORY"):
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        with contextlib.suppress(OSError):  # some network file systems cannot
            os.fsync(folder)
        os.close(folder)


def _locked(path: Path) -> int | None:
    """Held until the process ends, however it ends."""
    try:
        import fcntl
    except ImportError:  # Windows: two runs on one place are not kept apart
        return None
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise InputError(f"{path.parent}: another run is at work on it") from error
    return handle
