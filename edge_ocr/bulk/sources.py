"""From what a user names to tasks: pictures, folders, globs, archives, lists, videos, found while others are read."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence

from edge_ocr.bulk.archives import TarReader, ZipReader, is_archive
from edge_ocr.bulk.tasks import Task
from edge_ocr.errors import ImageError

__all__ = ["PICTURES", "VIDEOS", "find_tasks"]

# of the formats that image.py reads
PICTURES = (".bmp", ".dib", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp")
VIDEOS = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm")
_LIST = ".txt"
_LONGEST_LINE = 1 << 15


def find_tasks(sources: Sequence[str], *, done: frozenset[bytes] = frozenset(), every: int = 30) -> Iterator[Task]:
    """The tasks of ``sources`` that are not ``done`` (ids), in order, none twice. What cannot be found or opened is a
    task of kind "error". Of a video, every ``every``-th frame counts."""
    # In one folder or archive nothing can come up twice, and remembering millions of names would cost memory.
    single = len(sources) == 1 and (os.path.isdir(sources[0]) or is_archive(sources[0]))
    seen: set[bytes] = set()
    for source in sources:
        for task in _of_source(source):
            if task.kind == "video":
                if task.id in seen:
                    continue
                start = task
                while start.id in done:
                    start = start._replace(where=start.where + every)
                seen.add(task.id)
                yield start
                continue
            key = task.id
            if key in done or key in seen:
                continue
            if not single:
                seen.add(key)
            yield task


def _of_source(source: str) -> Iterator[Task]:
    if os.path.isdir(source):
        yield from _or_none(source, _of_folder(source), "the folder holds no picture, archive or video")
    elif not os.path.exists(source) and glob.has_magic(source):
        names = sorted(name for name in glob.iglob(source, recursive=True) if os.path.isfile(name))
        tasks = (task for name in names for task in _of_file(name))
        yield from _or_none(source, tasks, "no file fits this pattern")
    elif source.lower().endswith(_LIST):
        yield from _of_list(source)
    else:
        yield from _of_file(source)


def _of_folder(folder: str) -> Iterator[Task]:
    """Depth first, by name. Links to folders are not followed: they may lead round in circles."""
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(here) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            yield Task("error", here, error=f"{here}: cannot be listed: {error.strerror}")
            continue
        below = []
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                below.append(entry.path)
            elif _is_wanted(entry.name) and entry.is_file():
                yield from _of_file(entry.path)
        waiting.extend(reversed(below))


def _of_list(path: str) -> Iterator[Task]:
    """A text file of paths, one a line; blank lines and those that begin with # are passed over."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            number = 0
            while line := stream.readline(_LONGEST_LINE):
                number += 1
                name = line.rstrip("\r\n")
                if len(line) == _LONGEST_LINE or "\0" in name:
                    yield Task("error", path, where=number, error=f"{path}: line {number} is no path; is this a list?")
                    return
                if name.strip() and not name.startswith("#"):
                    yield from _of_folder(name) if os.path.isdir(name) else _of_file(name)
    except OSError as error:
        yield Task("error", path, error=f"{path}: cannot be read: {error.strerror}")


def _of_file(path: str) -> Iterator[Task]:
    lower = path.lower()
    if is_archive(lower):
        yield from _of_archive(path)
    elif lower.endswith(VIDEOS):
        yield Task("video", path)
    else:
        yield Task("picture", path)  # reading it tells what is wrong with it


def _of_archive(path: str) -> Iterator[Task]:
    kind = "zip" if path.lower().endswith((".zip", ".cbz")) else "tar"
    try:
        archive = ZipReader(path) if kind == "zip" else TarReader(path)
    except ImageError as error:
        yield Task("error", path, error=str(error))
        return
    try:
        any_ = False
        for member in archive.members():
            if member.error:
                any_ = True
                # its place is part of its name: errors further on, after more was added, are others
                yield Task("error", path, where=member.where, error=f"{path}: {member.error}")
            elif member.name.lower().endswith(PICTURES):
                any_ = True
                yield Task(kind, path, member.name, member.where, member.size)
        if not any_:
            yield Task("error", path, error=f"{path}: the archive holds no picture")
    finally:
        archive.close()


def _is_wanted(name: str) -> bool:
    return is_archive(name) or name.lower().endswith(PICTURES + VIDEOS)


def _or_none(source: str, tasks: Iterator[Task], message: str) -> Iterator[Task]:
    first = next(tasks, None)
    if first is None:
        yield Task("error", source, error=f"{source}: {message}")
        return
    yield first
    yield from tasks
