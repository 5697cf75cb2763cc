"""Small real video files, written with OpenCV, and the ways in which files are damaged, cut off, trimmed or wrong."""

from __future__ import annotations

import pathlib
import struct

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
KINDS = {"avi": "MJPG", "mkv": "MJPG", "mp4": "mp4v"}
FPS = 10


def scenery(k: int) -> Image:
    """The k-th picture, BGR: something to compress, and a square that moves over it."""
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    image = np.asarray(cv2.GaussianBlur(noise, (0, 0), 2.0), np.uint8)
    image[20:60, 2 * k : 2 * k + 20] = (0, 0, 255)
    return image


def write(path: pathlib.Path, count: int = 60, fps: float = FPS) -> pathlib.Path:
    """A video of ``count`` frames; its suffix says of which kind."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*KINDS[path.suffix[1:]]), fps, (160, 120))
    assert writer.isOpened()
    for k in range(count):
        writer.write(scenery(k))
    writer.release()
    return path


def damage(path: pathlib.Path, start: float, end: float) -> pathlib.Path:
    """Zeros over a part of the file, from one share of its bytes to another."""
    content = bytearray(path.read_bytes())
    a, b = round(start * len(content)), round(end * len(content))
    content[a:b] = bytes(b - a)
    path.write_bytes(content)
    return path


def cut(path: pathlib.Path, share: float) -> pathlib.Path:
    """Only the first part of the file."""
    content = path.read_bytes()
    path.write_bytes(content[: round(share * len(content))])
    return path


def count_more(path: pathlib.Path, count: int) -> pathlib.Path:
    """An AVI whose header says that it has more frames than are there."""
    content = bytearray(path.read_bytes())
    for name, offset in ((b"avih", 24), (b"strh", 40)):
        at = content.index(name) + offset
        content[at : at + 4] = struct.pack("<I", count)
    path.write_bytes(content)
    return path


def last_longer(path: pathlib.Path, factor: float) -> pathlib.Path:
    """A Matroska file whose length is more than its pictures', as where the sound goes on."""
    content = bytearray(path.read_bytes())
    at = content.index(b"\x44\x89\x88") + 3
    content[at : at + 8] = struct.pack(">d", factor * struct.unpack(">d", content[at : at + 8])[0])
    path.write_bytes(content)
    return path


def trim(path: pathlib.Path, share: float) -> pathlib.Path:
    """An MP4 that shows only its first part, all of which it holds, by an edit list."""
    content = bytearray(path.read_bytes())
    for name, offset in ((b"mvhd", 20), (b"tkhd", 24), (b"elst", 12)):
        at = content.index(name) + offset
        assert content[content.index(name) + 4] == 0, "times of 32 bits"
        content[at : at + 4] = struct.pack(">I", round(share * struct.unpack(">I", content[at : at + 4])[0]))
    path.write_bytes(content)
    return path


def moov_first(path: pathlib.Path) -> pathlib.Path:
    """An MP4 as for the web, its tables at the front, so that it can be read up to where it is cut off."""
    content = path.read_bytes()
    boxes, at = {}, 0
    while at < len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        boxes[content[at + 4 : at + 8]] = content[at : at + size]
        at += size
    moov = bytearray(boxes.pop(b"moov"))
    table = moov.index(b"stco") + 8  # where chunks lie in the file
    for k in range(int.from_bytes(moov[table : table + 4], "big")):
        entry = table + 4 + 4 * k
        moov[entry : entry + 4] = struct.pack(">I", struct.unpack(">I", moov[entry : entry + 4])[0] + len(moov))
    path.write_bytes(boxes.pop(b"ftyp") + moov + b"".join(boxes.values()))
    return path
