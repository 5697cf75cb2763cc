"""What is to be read: one picture, wherever it lies, or one video. Small, so that many can wait in memory."""

from __future__ import annotations

import hashlib
import os
from typing import Any, NamedTuple

__all__ = ["Row", "Task", "printable"]

Row = dict[str, Any]
"""``{"id", "image", **Reading.to_dict()}``, or ``{"id", "image", "error"}``."""


class Task(NamedTuple):
    """``kind`` is picture, zip, tar, video or error. ``member`` is a name inside an archive: a label, never a place to
    write to. ``where`` is the entry's number in a zip, the offset of the content in a tar (unpacked), the first frame
    wanted of a video. ``size`` is the content's in a tar."""

    kind: str
    path: str
    member: str = ""
    where: int = 0
    size: int = 0
    error: str = ""

    @property
    def id(self) -> bytes:
        """16 bytes that stand for this picture, in this run and in any other: of its path as given, member, place."""
        return identify(self.path, self.member, self.where)

    @property
    def name(self) -> str:
        """How people are told of it."""
        if self.kind == "video":
            return printable(f"{self.path}#{self.where}")
        return printable(f"{self.path}!{self.member}" if self.member else self.path)

    def failed(self, error: str) -> Row:
        """The row of a picture that could not be read."""
        return {"id": self.id.hex(), "image": self.name, "error": printable(error)}


def identify(path: str, member: str, where: int) -> bytes:
    key = b"\0".join((os.fsencode(path), member.encode("utf-8", "surrogatepass"), str(where).encode()))
    return hashlib.blake2b(key, digest_size=16).digest()


def printable(text: str) -> str:
    """Text that UTF-8 can hold: file names need not be any."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\0", "�")
