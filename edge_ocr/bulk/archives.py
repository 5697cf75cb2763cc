"""Pictures in zip and tar archives, read where they lie: nothing is ever unpacked to disk, so names cannot lead out.

Archives may be hostile. What a member says of its size is checked before it is unpacked, what a whole archive unpacks
to is bounded by its own size, and tar headers are read here, because Python's tarfile takes a header's word for how
much memory it needs.
"""

from __future__ import annotations

import bz2
import io
import lzma
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NamedTuple

from edge_ocr.errors import ImageError

__all__ = ["ENDINGS", "MAX_MEMBER", "Member", "TarReader", "ZipReader", "is_archive"]

ENDINGS = (".zip", ".cbz", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
MAX_MEMBER = 256 << 20  # bytes of one picture's file
_FREE = 1 << 30  # an archive may always unpack to this many bytes ...
_RATIO = 200  # ... and beyond that to so many times its own size
_MAX_DIRECTORY = 64 << 20  # bytes of a zip's list of entries: about 600,000
_MAX_NAME, _MAX_PAX = 1 << 16, 1 << 20
_STEP = 1 << 20
_MAGIC = {b"\x1f\x8b": "gz", b"BZh": "bz2", b"\xfd7zXZ\0": "xz"}
_XZ_MEMORY = 128 << 20

Alive = Callable[[], None]


class Member(NamedTuple):
    """A file in an archive; ``error`` says why it cannot be read, empty where nothing is known against it."""

    name: str
    where: int
    size: int
    error: str = ""


def is_archive(path: str) -> bool:
    return path.lower().endswith(ENDINGS)


def _bound(size: int) -> int:
    return max(_FREE, _RATIO * size)


# --- zip -----------------------------------------------------------------------------------------------------------


class ZipReader:
    """A zip, open. Raises ImageError where it is damaged or its list of entries is too long."""

    def __init__(self, path: str) -> None:
        try:
            self._bytes = os.path.getsize(path)
            _check_directory(path, self._bytes)
            self._zip = zipfile.ZipFile(path)
            self._entries = self._zip.infolist()
        except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError, struct.error, UnicodeError) as error:
            raise ImageError(f"{path}: not a zip archive that can be read: {error}") from error
        self._path = path

    def members(self) -> Iterator[Member]:
        """Its files, in order."""
        total, bound = 0, _bound(self._bytes)
        for number, entry in enumerate(self._entries):
            if entry.is_dir() or stat.S_ISLNK(entry.external_attr >> 16):
                continue
            total += entry.file_size
            if total > bound:
                yield Member("", number, 0, f"unpacks to more than {bound >> 20} MiB: a trap, or too large")
                return
            yield Member(entry.filename, number, entry.file_size)

    def read(self, where: int) -> bytes:
        """The bytes of entry number ``where``. Raises ImageError."""
        if not 0 <= where < len(self._entries):
            raise ImageError("no such entry: the archive has changed")
        entry = self._entries[where]
        if entry.file_size > MAX_MEMBER:
            raise ImageError(f"says it unpacks to {entry.file_size} bytes; {MAX_MEMBER >> 20} MiB are read")
        if entry.flag_bits & 1:
            raise ImageError("encrypted")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
            raise ImageError(f"compressed by method {entry.compress_type}, which is not read")
        try:
            with self._zip.open(entry) as stream:
                return stream.read(MAX_MEMBER)
        except (OSError, ValueError, zipfile.BadZipFile, EOFError, RuntimeError, zlib.error) as error:
            raise ImageError(f"damaged: {error}") from error

    def close(self) -> None:
        self._zip.close()


def _check_directory(path: str, size: int) -> None:
    """zipfile holds a list of all entries, hundreds of bytes for each, before it gives one."""
    with open(path, "rb") as stream:
        stream.seek(max(0, size - (1 << 16) - 100))
        tail = stream.read()
    end = tail.rfind(b"PK\5\6")
    if end < 0 or len(tail) - end < 22:
        raise ValueError("its end is missing")
    (length,) = struct.unpack_from("<I", tail, end + 12)
    if length == 0xFFFFFFFF:
        large = tail.rfind(b"PK\6\6", 0, end)
        if large < 0 or len(tail) - large < 56:
            raise ValueError("its list of entries cannot be found")
        (length,) = struct.unpack_from("<Q", tail, large + 40)
    if length > _MAX_DIRECTORY:
        raise ValueError(f"its list of entries has {length} bytes; {_MAX_DIRECTORY >> 20} MiB are read: split it")


# --- tar -----------------------------------------------------------------------------------------------------------


class TarReader:
    """A tar, plain or packed by gzip, bzip2 or xz, read from front to back. A packed one begins anew when something is
    wanted that has passed. Raises ImageError where it is damaged."""

    def __init__(self, path: str, *, alive: Alive = lambda: None) -> None:
        self._path, self._alive = path, alive
        try:
            self._file: BinaryIO = open(path, "rb")  # noqa: SIM115 - closed by close()
            self._size = os.path.getsize(path)
            head = self._file.read(8)
        except OSError as error:
            raise ImageError(f"{path}: cannot be read: {error.strerror}") from error
        self._kind = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "")
        self._rewind()

    def members(self) -> Iterator[Member]:
        """Its regular files, in order; the last one may be an error. Everything else is passed over."""
        self._rewind()
        try:
            yield from self._members()
        except (ImageError, ValueError) as error:
            yield Member("", self._position, 0, str(error))

    def read(self, where: int, size: int) -> bytes:
        """``size`` bytes at ``where``. Raises ImageError."""
        if size > MAX_MEMBER:
            raise ImageError(f"says it has {size} bytes; {MAX_MEMBER >> 20} MiB are read")
        if where < self._position:
            self._rewind()
        self._skip(where - self._position)
        content = self._take(size)
        if len(content) < size:
            raise ImageError("the archive is cut off")
        return content

    def close(self) -> None:
        self._file.close()

    def _members(self) -> Iterator[Member]:
        long_name, pax = "", {}
        while True:
            start = self._position
            header = self._take(512)
            if len(header) < 512 or not header.strip(b"\0"):
                if len(header) not in (0, 512) or start == 0:
                    raise ImageError("the archive is cut off, or none")
                return
            name, size, kind = _header(header)
            if kind in (b"L", b"x"):
                if size > (_MAX_NAME if kind == b"L" else _MAX_PAX):
                    raise ImageError("a header that is too long")
                content = self._take(size)
                self._skip(-size % 512)
                if kind == b"L":
                    long_name = content.rstrip(b"\0").decode("utf-8", "surrogateescape")
                else:
                    pax = _pax(content)
                continue
            if "size" in pax:
                size = pax["size"]
            if kind in (b"0", b"\0", b"7"):
                yield Member(pax.get("path") or long_name or name, self._position, size)
            if kind not in (b"1", b"2", b"3", b"4", b"5", b"6"):  # links, devices and folders have no content
                self._skip(size + -size % 512)
            long_name, pax = "", {}

    def _rewind(self) -> None:
        self._file.seek(0)
        self._position = 0
        self._unpacked = _Unpacked(self._file, self._kind, _bound(self._size)) if self._kind else None

    def _take(self, size: int) -> bytes:
        try:
            content = self._file.read(size) if self._unpacked is None else self._unpacked.read(size)
        except (OSError, zlib.error, lzma.LZMAError, EOFError) as error:
            raise ImageError(f"the archive is damaged: {error}") from error
        self._position += len(content)
        return content

    def _skip(self, size: int) -> None:
        if self._unpacked is None:
            if self._position + size > self._size:
                raise ImageError("the archive is cut off")
            self._file.seek(size, io.SEEK_CUR)
            self._position += size
            return
        while size > 0:
            part = len(self._take(min(size, _STEP)))
            if not part:
                raise ImageError("the archive is cut off")
            size -= part
            self._alive()


class _Unpacked:
    """What a packed stream holds, never more at once than was asked for, never more in all than ``bound``."""

    def __init__(self, stream: BinaryIO, kind: str, bound: int) -> None:
        self._stream, self._kind, self._bound = stream, kind, bound
        self._given, self._waiting = 0, b""
        self._machine: Any = self._new()

    def read(self, size: int) -> bytes:
        out = bytearray()
        while len(out) < size:
            if self._machine.eof and not self._again():
                break
            part = self._step(size - len(out))
            out += part
            self._given += len(part)
            if self._given > self._bound:
                raise ImageError(f"the archive unpacks to more than {self._bound >> 20} MiB: a trap, or too large")
            if not part and not self._machine.eof:
                self._waiting = self._stream.read(1 << 16)
                if not self._waiting:
                    break
        return bytes(out)

    def _step(self, size: int) -> bytes:
        part: bytes = self._machine.decompress(self._waiting, size)
        if self._machine.eof:
            self._waiting = self._machine.unused_data
        else:
            self._waiting = self._machine.unconsumed_tail if self._kind == "gz" else b""
        return part

    def _again(self) -> bool:
        """Whether another packed stream follows the one that has ended; gzip and xz allow that."""
        self._waiting = (self._waiting or self._stream.read(1 << 16)).lstrip(b"\0")
        if not any(self._waiting.startswith(magic) for magic, kind in _MAGIC.items() if kind == self._kind):
            return False
        self._machine = self._new()
        return True

    def _new(self) -> Any:
        if self._kind == "gz":
            return zlib.decompressobj(31)
        return bz2.BZ2Decompressor() if self._kind == "bz2" else lzma.LZMADecompressor(memlimit=_XZ_MEMORY)


def _header(block: bytes) -> tuple[str, int, bytes]:
    """(name, size, type) of a tar header."""
    told = _number(block[148:156])
    if told != sum(block) - sum(block[148:156]) + 8 * 32:
        raise ImageError("a header of the archive is damaged, or it is no tar")
    name, prefix = block[:100].split(b"\0")[0], block[345:500].split(b"\0")[0]
    if block[257:263] == b"ustar\0" and prefix:
        name = prefix + b"/" + name
    return name.decode("utf-8", "surrogateescape"), _number(block[124:136]), block[156:157]


def _number(field: bytes) -> int:
    if field[0] & 0x80:  # GNU: large numbers in binary
        value = int.from_bytes(field, "big") & ~(0x80 << 8 * (len(field) - 1))
        if field[0] & 0x40 or value > 1 << 60:
            raise ImageError("a header of the archive has an impossible number")
        return value
    text = field.split(b"\0")[0].strip()
    try:
        value = int(text or b"0", 8)
    except ValueError as error:
        raise ImageError("a header of the archive is damaged, or it is no tar") from error
    if value < 0:
        raise ImageError("a header of the archive has an impossible number")
    return value


def _pax(content: bytes) -> dict[str, Any]:
    """path and size of an extended header: records of "length key=value\\n"."""
    found: dict[str, Any] = {}
    position = 0
    while position < len(content):
        space = content.find(b" ", position, position + 20)
        digits = content[position:space]
        if space < 0 or not digits.isdigit() or int(digits) <= space - position + 1:
            break
        key, _, value = content[space + 1 : position + int(digits) - 1].partition(b"=")
        if key == b"path":
            found["path"] = value.decode("utf-8", "surrogateescape")
        elif key == b"size":
            if not value.isdigit() or len(value) > 18:
                raise ImageError("a header of the archive has an impossible number")
            found["size"] = int(value)
        position += int(digits)
    return found
