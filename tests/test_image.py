"""Whatever a caller calls a picture becomes upright uint8 RGB, or an error that says what to do."""

from __future__ import annotations

import io
import pathlib
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest

import edge_ocr.image
from edge_ocr.errors import EdgeOcrError, ImageError
from edge_ocr.image import image_size, load_image
from edge_ocr.types import Frame


def corners() -> np.ndarray:
    """uint8 [40, 60, 3]: a different colour in each corner, so that every turn and mirror shows."""
    image = np.full((40, 60, 3), 128, np.uint8)
    image[:20, :30] = (255, 0, 0)
    image[:20, 30:] = (0, 255, 0)
    image[20:, :30] = (0, 0, 255)
    image[20:, 30:] = (255, 255, 0)
    return image


def encode(image: np.ndarray, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    PIL.Image.fromarray(image).save(stream, kind, **options)
    return stream.getvalue()


def exif(orientation: int) -> bytes:
    tags = PIL.Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


LOSSLESS: dict[str, dict[str, Any]] = {"PNG": {}, "BMP": {}, "TIFF": {}, "PPM": {}, "WEBP": {"lossless": True}}


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_files_come_back_as_they_went(kind: str, tmp_path: pathlib.Path) -> None:
    content = encode(corners(), kind, **LOSSLESS[kind])
    path = tmp_path / f"그림 {kind}.bin"  # a name is only a name: the content decides
    path.write_bytes(content)
    for source in (content, bytearray(content), memoryview(content), path, str(path)):
        image = load_image(source)
        assert image.dtype == np.uint8
        assert image.flags.c_contiguous
        np.testing.assert_array_equal(image, corners())


# what each orientation's picture looks like as stored; load_image must undo it
STORED: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    stored = np.ascontiguousarray(STORED[orientation](corners()))
    options: dict[str, Any] = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    content = encode(stored, kind, exif=exif(orientation), **options)
    image = load_image(content)
    assert image.shape == (40, 60, 3)
    # the middles of the corners, away from the JPEG's edges
    got = image[[10, 10, 30, 30], [15, 45, 15, 45]].astype(int)
    want = corners()[[10, 10, 30, 30], [15, 45, 15, 45]].astype(int)
    assert np.abs(got - want).max() <= 4
    opened = load_image(PIL.Image.open(io.BytesIO(content)))
    assert np.abs(opened[[10, 10, 30, 30], [15, 45, 15, 45]].astype(int) - want).max() <= 4


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_frame_is_turned_clockwise(rotation: int) -> None:
    turned = load_image(Frame(corners(), rotation=rotation))
    np.testing.assert_array_equal(turned, np.rot90(corners(), -rotation // 90))


def test_frame_refuses_a_slanted_rotation() -> None:
    with pytest.raises(ImageError, match="rotation"):
        load_image(Frame(corners(), rotation=45))


def test_array_kinds() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    rgb = np.repeat(grey[:, :, None], 3, axis=2)
    np.testing.assert_array_equal(load_image(grey), rgb)
    np.testing.assert_array_equal(load_image(grey[:, :, None]), rgb)
    assert load_image(rgb) is rgb
    np.testing.assert_array_equal(load_image(rgb[::-1]), rgb[::-1])
    np.testing.assert_array_equal(load_image(grey.astype(np.uint16) * 257), rgb)
    np.testing.assert_array_equal(load_image(grey.astype(np.float64) / 255), rgb)
    np.testing.assert_array_equal(load_image(grey.astype(np.float32) / 255), rgb)
    np.testing.assert_array_equal(load_image(grey > 100), np.where(rgb > 100, 255, 0))


def test_alpha_is_laid_on_white() -> None:
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 0] = 200
    rgba[0, :, 3] = (0, 128, 255)
    want = [[[255, 255, 255], [227, 127, 127], [200, 0, 0]]]
    np.testing.assert_array_equal(load_image(rgba), want)
    np.testing.assert_array_equal(load_image(encode(rgba, "PNG")), want)
    np.testing.assert_array_equal(load_image(PIL.Image.fromarray(rgba)), want)


def test_sixteen_bit_and_grey_files() -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    want = np.repeat(np.rint(ramp / 257).astype(np.uint8)[:, :, None], 3, axis=2)
    for source in (encode(ramp, "PNG"), encode(ramp, "TIFF"), PIL.Image.fromarray(ramp)):
        np.testing.assert_array_equal(load_image(source), want)
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    np.testing.assert_array_equal(load_image(encode(grey, "PNG")), np.repeat(grey[:, :, None], 3, axis=2))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "I;16", "F"])
def test_pillow_modes(mode: str) -> None:
    white = PIL.Image.new("RGB", (9, 5), "white")
    if mode == "I;16":
        picture = PIL.Image.fromarray(np.full((5, 9), 65535, np.uint16))
    elif mode == "I":
        picture = PIL.Image.fromarray(np.full((5, 9), 65535, np.int32))
    elif mode == "F":
        picture = PIL.Image.fromarray(np.ones((5, 9), np.float32))
    elif mode == "PA":
        picture = white.convert("P").convert("PA")
    else:
        picture = white.convert(mode)
    assert picture.mode == mode
    image = load_image(picture)
    assert image.shape == (5, 9, 3)
    assert image.min() >= 254


def test_transparent_palette_png_is_laid_on_white() -> None:
    picture = PIL.Image.new("P", (4, 4), 0)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    stream = io.BytesIO()
    picture.save(stream, "PNG", transparency=0)
    assert load_image(stream.getvalue()).min() == 255
    assert load_image(PIL.Image.open(io.BytesIO(stream.getvalue()))).min() == 255


NOISE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header claims that size; a few bytes long."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    body = b"".join(struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


BAD: dict[str, tuple[Any, str]] = {
    "0x0": (np.zeros((0, 0, 3), np.uint8), "no pixels"),
    "0x5": (np.zeros((0, 5), np.uint8), "no pixels"),
    "NaN": (np.full((4, 4), np.nan), "NaN"),
    "infinite": (np.full((4, 4, 3), np.inf, np.float32), "infinite"),
    "floats in 0..255": (np.full((4, 4, 3), 200.0), "0..1"),
    "negative floats": (np.full((4, 4, 3), -0.5), "0..1"),
    "int64": (np.zeros((4, 4, 3), np.int64), "int64"),
    "complex": (np.zeros((4, 4, 3), np.complex64), "complex64"),
    "objects": (np.zeros((4, 4, 3), object), "object"),
    "strings": (np.full((4, 4, 3), "a"), "expected uint8"),
    "channels first": (np.zeros((3, 40, 60), np.uint8), "channels last"),
    "two channels": (np.zeros((4, 4, 2), np.uint8), "shape"),
    "1-D": (np.zeros(16, np.uint8), "shape"),
    "4-D": (np.zeros((1, 4, 4, 3), np.uint8), "shape"),
    "a list": ([[0, 1], [2, 3]], "list"),
    "nothing": (None, "NoneType"),
    "empty bytes": (b"", "empty"),
    "text": (b"This is a text file, whatever its name says.\n" * 50, "not a picture"),
    "HTML": (b"<!DOCTYPE html><html></html>", "not a picture"),
    "PDF": (b"%PDF-1.7\n", "not a picture"),
    "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
    "a PNG of 0x0": (png_of_size(0, 0), "no pixels"),
    "a huge PNG": (png_of_size(100_000, 100_000), "200 million"),
    "a PNG without its pixels": (png_of_size(10, 10), "PNG"),
    "JPEG, half": (encode(NOISE, "JPEG")[:2500], "cut off"),
    "JPEG, end missing": (encode(NOISE, "JPEG")[:-2], "cut off"),
    "JPEG, header only": (encode(NOISE, "JPEG")[:40], "cut off"),
    "progressive JPEG, half": (encode(NOISE, "JPEG", progressive=True)[:2500], "cut off"),
    "JPEG, mark only": (b"\xff\xd8\xff", "cut off"),
    "PNG, half": (encode(NOISE, "PNG")[:6000], "cut off"),
    "PNG, mark only": (b"\x89PNG\r\n\x1a\n", "cut off"),
    "WebP, half": (encode(NOISE, "WEBP")[:1000], "cut off"),
    "TIFF, header only": (encode(NOISE, "TIFF")[:20], "cut off"),
    "BMP, header only": (encode(NOISE, "BMP")[:20], "cut off"),
    "BMP, half": (encode(NOISE, "BMP")[:5000], "BMP"),
    "PNM, header only": (b"P6 100", "cut off"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_pictures_are_refused(name: str) -> None:
    source, message = BAD[name]
    with pytest.raises(ImageError, match=message):
        load_image(source)


def test_a_thumbnail_does_not_hide_a_cut_off_jpeg() -> None:
    thumbnail = encode(NOISE[:16, :16], "JPEG")
    segment = b"\xff\xe2" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    whole = encode(NOISE, "JPEG")
    whole = whole[:2] + segment + whole[2:]
    assert load_image(whole).shape == (64, 64, 3)
    assert load_image(whole + b"notes after the end").shape == (64, 64, 3)
    with pytest.raises(ImageError, match="cut off"):
        load_image(whole[:-100])


def lying_jpeg(between: bytes) -> bytes:
    """A JPEG that shows 64×64 to who takes two bytes after ``between`` for a length, and 512×512 to decoders."""
    large, small = encode(np.tile(NOISE, (8, 8, 1)), "JPEG"), encode(NOISE, "JPEG")
    start, end = (large.index(mark) for mark in (b"\xff\xc0", b"\xff\xc4"))
    real, fake = large[start:end], small[small.index(b"\xff\xc0") :][:17]
    hidden = b"\xff\xe0" + struct.pack(">H", 2 + len(fake)) + fake
    return large[:start] + between + struct.pack(">H", 2 + len(real) + 4) + real + hidden + large[end:]


def lying_tiff(tag: int, kind: int) -> bytes:
    """A TIFF whose directory has ``tag`` once more, with another value."""
    plain = encode(NOISE, "TIFF")
    (at,) = struct.unpack_from("<I", plain, 4)
    (count,) = struct.unpack_from("<H", plain, at)
    entries = plain[at + 2 : at + 2 + 12 * count] + struct.pack("<HHII", tag, kind, 1, 9)
    return plain[:4] + struct.pack("<I", len(plain)) + plain[8:] + struct.pack("<H", count + 1) + entries + bytes(4)


LYING = {
    "JPEG, TEM": lying_jpeg(b"\xff\x01"),
    "JPEG, RST": lying_jpeg(b"\xff\xd3"),
    "JPEG, FF 00": lying_jpeg(b"\xff\0"),
    "PNM, comment to a CR": b"P5\n#\r90 60 255\n#\n9 9 255\n" + bytes(90 * 60),
    "PNM, comment after a number": b"P5\n90#60 255 \n9 255\n" + bytes(90 * 60),
    "TIFF, two widths": lying_tiff(256, 3),
    "TIFF, a width in bytes": lying_tiff(256, 1),
    "TIFF, two heights": lying_tiff(257, 4),
}


@pytest.mark.parametrize("name", LYING)
def test_no_file_shows_one_size_and_decodes_to_another(name: str) -> None:
    # what is limited is the size that the header tells
    try:
        told = image_size(LYING[name])
    except ImageError:
        return
    image = cv2.imdecode(np.frombuffer(LYING[name], np.uint8), cv2.IMREAD_UNCHANGED)
    assert image is None or image.shape[:2] == told


def test_huge_tiles_of_a_small_tiff_are_refused() -> None:
    plain = encode(NOISE, "TIFF")
    (at,) = struct.unpack_from("<I", plain, 4)
    entries = struct.pack("<HHII", 256, 3, 1, 64) + struct.pack("<HHII", 257, 3, 1, 64)
    entries += struct.pack("<HHII", 322, 4, 1, 30_000) + struct.pack("<HHII", 323, 4, 1, 30_000)
    with pytest.raises(ImageError, match="header"):
        image_size(plain[:at] + struct.pack("<H", 4) + entries + bytes(4))


def test_jpegs_made_to_take_for_ever_do_not() -> None:
    content = encode(NOISE, "JPEG", progressive=True)
    last = content[content.rindex(b"\xff\xda") : -2]
    assert load_image(content[:-2] + 5 * last + content[-2:]).shape == (64, 64, 3)
    with pytest.raises(ImageError, match="scans"):
        load_image(content[:-2] + 200 * last + content[-2:])
    # by the square of their number, these would take days
    with pytest.raises(ImageError, match="cut off"):
        load_image(content[:-2] + b"\xff" * 3_000_000 + bytes(2))
    with pytest.raises(ImageError, match="header"):
        image_size(content[:2] + b"\xff\xe0\0\2" * 20_000 + content[2:])
    frame = content.index(b"\xff\xc2")
    assert image_size(content[:frame] + bytes(3_000_000) + b"\xff" * 1_000_000 + content[frame:]) == (64, 64)


def test_a_broken_exif_block_is_no_reason_to_refuse() -> None:
    content = encode(corners(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    assert load_image(content).shape == (40, 60, 3)


def test_errors_name_the_file(tmp_path: pathlib.Path) -> None:
    text = tmp_path / "notes.png"
    text.write_text("not a picture")
    for path, message in ((text, "not a picture"), (tmp_path / "none.jpg", "No such file"), (tmp_path, "directory")):
        with pytest.raises(ImageError, match=message) as caught:
            load_image(path)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 5000), (5000, 1, 4), (10_000, 20_000)])
def test_odd_shapes_are_fine(shape: tuple[int, ...]) -> None:
    image = load_image(np.zeros(shape, np.uint8))
    assert image.shape == (*shape[:2], 3)


def test_conversion_needs_little_beside_the_result() -> None:
    source = np.zeros((4000, 4000, 4), np.float32)  # 16 Mpx, 256 MB
    tracemalloc.start()
    load_image(source)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 48_000_000 + 100_000_000


def test_too_many_pixels_are_refused_before_they_are_touched() -> None:
    source = np.broadcast_to(np.uint8(0), (20_000, 20_000))
    with pytest.raises(ImageError, match="200 million"):
        load_image(source)
    assert edge_ocr.image.MAX_PIXELS == 200_000_000


def test_random_damage_never_escapes_as_anything_else() -> None:
    rng = np.random.default_rng(7)
    originals = [encode(NOISE, kind) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM")]
    for _ in range(300):
        content = bytearray(originals[rng.integers(len(originals))])
        for _ in range(rng.integers(1, 12)):
            content[rng.integers(len(content) if rng.random() < 0.3 else 64)] = rng.integers(256)
        try:
            image = load_image(bytes(content))
        except EdgeOcrError:
            continue
        assert image.dtype == np.uint8
        assert image.ndim == 3


def test_the_size_is_told_without_decoding() -> None:
    stream = io.BytesIO()
    PIL.Image.new("RGB", (11, 7)).save(stream, "PNG")
    content = stream.getvalue()
    assert image_size(content) == (7, 11)
    assert image_size(content[:40]) == (7, 11)  # the header is all that is read
    with pytest.raises(ImageError, match="not a picture"):
        image_size(b"text")
