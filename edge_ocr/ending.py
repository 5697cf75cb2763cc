"""Whether a video ended before its time: cut off by a full disk, a lost connection, a recorder that lost its power.

A container says how many frames it holds, and is often wrong: trimmed videos count frames that are no longer shown,
recorders leave a guess, and where the count is missing it is worked out from a length that may be the sound's. So a
count alone proves nothing: the time must be missing as well, and the file itself must show that it is not whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import BinaryIO
from urllib.parse import urlsplit

__all__ = ["ends_early", "lacks_frames", "plausible"]

_SHARE, _HANDFUL = 0.05, 5.0  # what may be missing: this share, or so many frames where that is more
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp")  # what MP4 and MOV begin with
_TAIL = 4096  # zeros at the end of a file that was never filled, as left by broken downloads
_SEGMENT = {  # of Matroska: what a segment holds, and a cluster in it
    b"\x11\x4d\x9b\x74", b"\x15\x49\xa9\x66", b"\x16\x54\xae\x6b", b"\x1f\x43\xb6\x75", b"\x1c\x53\xbb\x6b",
    b"\x12\x54\xc3\x67", b"\x19\x41\xa4\x69", b"\x10\x43\xa7\x70", b"\xec", b"\xbf",
}  # fmt: skip
_CLUSTER = {b"\xe7", b"\xa7", b"\xab", b"\xa3", b"\xa0", b"\xaf", b"\x58\x54", b"\xec", b"\xbf"}
_COUNTED = (".avi", ".m4v", ".mov", ".mp4")


def plausible(count: float, fps: float) -> bool:
    """Whether ``count`` frames, ``fps`` of them a second, can be true of a file. OpenCV gives 0, negative numbers and
    worse for what it does not know."""
    return 0 < count < 1e9 and 0 < fps <= 1000


def ends_early(source: str, *, frames: int, seconds: float, count: float, fps: float, rate: float) -> bool:
    """Whether the video ``source``, a path or an address, should have gone on after ``frames`` frames, the last one of
    which began at ``seconds``. ``count``, ``fps`` and ``rate`` are what OpenCV says of it: frames, frames a second, and
    kilobits a second in whole numbers, rounded down, over its length; 0 for a rate that is not known.

    AVI, MP4, MOV, Matroska and WebM can be judged; of others nothing is said. Of what does not lie on a disk the count
    has to do, and only AVI's and MP4's are more than estimates."""
    if not plausible(count, fps):
        return False
    ended = seconds + 1 / fps

    def short(length: float) -> bool:
        return ended < length - max(_SHARE * length, _HANDFUL / fps)

    if not _fewer(frames, count) or not short(count / fps):
        return False
    if "://" in source:
        return os.path.splitext(urlsplit(source).path)[1].lower() in _COUNTED
    try:
        with open(source, "rb") as file:
            return _broken_off(file, short, rate, frames)
    except (OSError, ValueError):  # no file, such as a pipeline
        return False


def lacks_frames(source: str, *, frames: int, count: float, fps: float) -> bool:
    """Whether frames are missing in the midst of the video ``source``, of which ``frames`` were read, because it is
    damaged there. Only Matroska and WebM in files are judged, whose parts say where the next one begins; what cannot be
    decoded of others is known otherwise."""
    if "://" in source or not plausible(count, fps) or not _fewer(frames, count):
        return False
    try:
        with open(source, "rb") as file:
            end = _segment(file)
            return bool(end) and not _walk(file, end, _SEGMENT)
    except (OSError, ValueError):
        return False


def _fewer(frames: int, count: float) -> bool:
    return frames < count - max(_SHARE * count, _HANDFUL)


def _broken_off(file: BinaryIO, short: Callable[[float], bool], rate: float, frames: int) -> bool:
    """Whether a file shows that it is not whole; ``short`` says whether a length in seconds is more than was seen, and
    ``frames`` of it were."""
    head, size = file.read(12), os.fstat(file.fileno()).st_size
    file.seek(max(size - _TAIL, 0))
    empty = not any(file.read(_TAIL))
    if head[:4] == b"RIFF" and head[8:] == b"AVI ":
        return empty or _riff(file, size) > size or _fewer(frames, _indexed(file, size))
    if head[:4] == b"\x1a\x45\xdf\xa3":
        end = _segment(file)
        return empty or end > size or (bool(end) and not _walk(file, end, _SEGMENT))
    # A trimmed MP4 counts all frames that it holds; its length is that of those it shows.
    return head[4:8] in _BOXES and (rate <= 0 or short(8 * size / (1000 * (rate + 1))))


def _riff(file: BinaryIO, size: int) -> int:
    """Where the chunks of an AVI of ``size`` bytes end, one after the other in large ones, as they say."""
    end = 0
    while end < size:
        file.seek(end)
        head = file.read(8)
        if head[:4] != b"RIFF" or len(head) < 8:
            break
        end += 8 + int.from_bytes(head[4:], "little")
    return end


def _indexed(file: BinaryIO, size: int) -> int:
    """How many pictures the index of an AVI names, of its first stream that has any; 0 where there is no index."""
    at = 12
    while at + 8 <= size:
        file.seek(at)
        head = file.read(8)
        length = int.from_bytes(head[4:], "little")
        if head[:4] == b"idx1":
            index = file.read(length)
            entries = [index[k : k + 16] for k in range(0, len(index) - 15, 16)]
            names = [e[:4] for e in entries if e[2:4] in (b"dc", b"db") and any(e[12:])]
            return names.count(min(names)) if names else 0
        at += 8 + length + length % 2
    return 0


def _walk(file: BinaryIO, end: int, known: set[bytes]) -> bool:
    """Whether from here to ``end`` one known element of Matroska follows the other. Nothing is said against elements
    whose length is not known."""
    while file.tell() < end:
        first = file.read(1)
        more = 8 - first[0].bit_length() if first else 8
        name = first + file.read(min(more, 3))
        length = _length(file) if name in known else None
        if length is None:
            return name in known
        after = file.tell() + length
        if after > end or (known is _SEGMENT and name == b"\x1f\x43\xb6\x75" and not _walk(file, after, _CLUSTER)):
            return False
        file.seek(after)
    return True


def _segment(file: BinaryIO) -> int:
    """Where the segment of a Matroska file ends, which holds all of its frames, as it says; 0 if it does not. The file
    stands where it begins."""
    file.seek(0)
    if file.read(4) != b"\x1a\x45\xdf\xa3":
        return 0
    header = _length(file)
    if header is None or header > 1 << 16:
        return 0
    file.seek(header, os.SEEK_CUR)
    if file.read(4) != b"\x18\x53\x80\x67":
        return 0
    segment = _length(file)
    return 0 if segment is None else file.tell() + segment


def _length(file: BinaryIO) -> int | None:
    """The length of an element of EBML (RFC 8794, section 6); None for one that is not known, as live recordings have,
    and at the file's end."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    rest = file.read(more)
    value = int.from_bytes(bytes([first[0] & (0x7F >> more)]) + rest, "big")
    return None if len(rest) < more or value == (1 << 7 * (more + 1)) - 1 else value
