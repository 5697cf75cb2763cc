"""Whatever a caller calls a picture -> uint8 ``[H, W, 3]`` RGB, upright.

Files and bytes (JPEG, PNG, WebP, BMP, TIFF, PNM), arrays, PIL images and frames; grey, RGBA (laid on white), 16 bit,
bool and float. The header is read before anything is decoded, so that a picture that is too large, cut off, or no
picture at all is refused at once. Orientation (EXIF) is applied here rather than by OpenCV, whose releases differ in
which formats they turn.
"""

from __future__ import annotations

import os
import re
import struct
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from edge_ocr.errors import EngineError, ImageError
from edge_ocr.types import Frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    class PillowImage(Protocol):
        """What is used of PIL.Image.Image; Pillow itself is never imported."""

        @property
        def mode(self) -> str: ...
        @property
        def size(self) -> tuple[int, int]: ...
        def convert(self, mode: str) -> Any: ...
        def getexif(self) -> Any: ...

    ImageSource = str | os.PathLike[str] | bytes | bytearray | memoryview | NDArray[Any] | Frame | PillowImage

__all__ = ["MAX_PIXELS", "image_size", "load_image", "opencv"]

MAX_PIXELS = 200_000_000
_MAX_FILE_BYTES = 1 << 30
_MAX_SEGMENTS = 10_000  # of a file that are looked through for its size and orientation; cameras write dozens
_MAX_SCANS = 100
_TILE_PIXELS = 1 << 22
_TIFF_SIZES = (256, 257, 322, 323)  # tags: width and height of the picture, and of its tiles
_STRIP_PIXELS = 1 << 20  # conversions go strip by strip, so that their temporaries stay small
_EXIF_ORIENTATION = 0x0112
_FORMATS = "JPEG, PNG, WebP, BMP, TIFF and PNM are read; convert other formats, HEIC among them, to one of these"


def load_image(source: ImageSource) -> NDArray[np.uint8]:
    """The picture as C-contiguous uint8 ``[H, W, 3]`` RGB, turned upright.

    ``source`` is a path, the bytes of a picture file, an array, a PIL image or a Frame. Arrays are ``[H, W]`` or
    ``[H, W, 1]`` grey, ``[H, W, 3]`` RGB or ``[H, W, 4]`` RGBA; uint8, uint16 (0..65535), bool, or floats in 0..1. An
    array that already is what is asked for is returned as it is, not copied.

    Raises ImageError: unreadable, cut off, no picture, no pixels, more than MAX_PIXELS, NaN, wrong shape or type.
    """
    if isinstance(source, Frame):
        if source.rotation not in (0, 90, 180, 270):
            raise ImageError(f"frame: rotation is 0, 90, 180 or 270 clockwise degrees, found {source.rotation!r}")
        return _turn(_from_array(source.image, "frame"), -(source.rotation // 90))
    if isinstance(source, np.ndarray):
        return _from_array(source, "array")
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _decode(bytes(source), f"picture of {len(source)} bytes")
    if isinstance(source, (str, os.PathLike)):
        return _decode(_read(source), os.fspath(source))
    if all(hasattr(source, name) for name in ("mode", "size", "convert", "getexif")):
        return _from_pillow(source)
    raise ImageError(
        f"expected a path, bytes, a numpy array, a PIL image or a Frame, found {type(source).__name__}; "
        "turn it into one of these first"
    )


def image_size(content: bytes) -> tuple[int, int]:
    """Height and width that the header of a picture file tells, before any turning; nothing is decoded. Raises
    ImageError: no picture that can be read."""
    _, width, height, _ = _read_header(content, f"picture of {len(content)} bytes")
    return height, width


def _read(path: str | os.PathLike[str]) -> bytes:
    try:
        with open(path, "rb") as stream:
            content = stream.read(_MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"{os.fspath(path)}: cannot be read: {reason}") from error
    if len(content) > _MAX_FILE_BYTES:
        raise ImageError(f"{os.fspath(path)}: larger than {_MAX_FILE_BYTES >> 20} MiB; give a smaller picture")
    return content


def _read_header(content: bytes, what: str) -> tuple[str, int, int, int]:
    """Format, width, height and orientation."""
    if not content:
        raise ImageError(f"{what}: empty")
    try:
        found = _header(content)
    except (struct.error, IndexError, ValueError) as error:
        raise ImageError(f"{what}: its header is cut off or damaged; copy or export the picture again") from error
    if not found[0]:
        raise ImageError(f"{what}: not a picture that can be read ({_FORMATS})")
    return found


def _decode(content: bytes, what: str) -> NDArray[np.uint8]:
    kind, width, height, orientation = _read_header(content, what)
    _check_size(height, width, what)
    _check_whole(content, kind, what)
    cv2 = opencv()
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except (cv2.error, MemoryError) as error:
        raise ImageError(f"{what}: the {kind} file cannot be decoded: {error}") from error
    if image is None:
        raise ImageError(f"{what}: the {kind} file is damaged, or of a kind that this OpenCV cannot decode")
    if image.ndim == 3 and image.shape[2] in (3, 4):
        code = cv2.COLOR_BGR2RGB if image.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
        rows = max(1, _STRIP_PIXELS // image.shape[1])
        for top in range(0, image.shape[0], rows):  # in place, so that a large picture is not held twice
            image[top : top + rows] = cv2.cvtColor(image[top : top + rows], code)
    return _orient(_from_array(image, what), orientation)


def _from_pillow(source: PillowImage) -> NDArray[np.uint8]:
    what = f"PIL image of mode {source.mode}"
    width, height = source.size
    _check_size(height, width, what)
    mode, plain = source.mode, ""
    if mode not in ("1", "L", "RGB", "RGBA", "I;16", "I;16L", "I;16B", "I;16N", "F"):
        if mode == "I":  # 32-bit integers: what 16-bit greys become in Pillow
            return _from_pillow_integers(source, what)
        transparent = mode in ("LA", "La", "PA", "RGBa") or "transparency" in (getattr(source, "info", None) or {})
        plain = "RGBA" if transparent else "RGB"
    try:
        array = np.asarray(source.convert(plain) if plain else source)
    except OSError as error:  # Pillow decodes lazily
        raise ImageError(f"{what}: Pillow cannot decode it: {error}") from error
    try:
        # asked only now: Pillow turns a TIFF when it decodes it, and then forgets the tag
        orientation = int(source.getexif().get(_EXIF_ORIENTATION, 1))
    except (TypeError, ValueError):
        orientation = 1
    return _orient(_from_array(array, what), orientation)


def _from_pillow_integers(source: PillowImage, what: str) -> NDArray[np.uint8]:
    array: NDArray[Any] = np.asarray(source)
    if array.size and (int(array.min()) < 0 or int(array.max()) > 65535):
        raise ImageError(f"{what}: values outside 0..65535; scale them into 0..255 and convert to mode L")
    return _from_array(array.astype(np.uint16), what)


def _from_array(array: NDArray[Any], what: str) -> NDArray[np.uint8]:
    """Checks and converts ``[H, W]``, ``[H, W, 1|3|4]``."""
    if not isinstance(array, np.ndarray):
        raise ImageError(f"{what}: expected a numpy array, found {type(array).__name__}")
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        hint = "; move the channels last" if array.ndim == 3 and array.shape[0] in (1, 3, 4) else ""
        raise ImageError(
            f"{what}: expected shape [H, W], [H, W, 1], [H, W, 3] or [H, W, 4], found {list(array.shape)}{hint}"
        )
    height, width, channels = array.shape
    _check_size(height, width, what)
    kind = array.dtype.kind
    if not (kind in "bf" or array.dtype in (np.uint8, np.uint16)):
        raise ImageError(
            f"{what}: expected uint8, uint16, bool or float in 0..1, found {array.dtype}; "
            "convert it, for example with .astype(numpy.uint8)"
        )
    if array.dtype == np.uint8 and channels == 3:
        return cast("NDArray[np.uint8]", np.ascontiguousarray(array))
    result = np.empty((height, width, 3), np.uint8)
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        strip = _to_uint8(array[top : top + rows], what)
        if channels == 4:
            colour, alpha = strip[:, :, :3].astype(np.uint16), strip[:, :, 3:].astype(np.uint16)
            # on white, rounded: (colour * alpha + 255 * (255 - alpha)) / 255
            strip = ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
        result[top : top + rows] = strip
    return result


def _to_uint8(strip: NDArray[Any], what: str) -> NDArray[np.uint8]:
    result: NDArray[np.uint8]
    if strip.dtype == np.uint8:
        return cast("NDArray[np.uint8]", strip)
    if strip.dtype == np.bool_:
        result = np.where(strip, np.uint8(255), np.uint8(0))
        return result
    if strip.dtype == np.uint16:
        result = ((strip.astype(np.uint32) + 128) // 257).astype(np.uint8)
        return result
    if not np.isfinite(strip).all():
        raise ImageError(f"{what}: holds NaN or infinite values; replace them first")
    values = strip.astype(np.float32)
    low, high = float(values.min()), float(values.max())
    if low < -1e-3 or high > 1 + 1e-3:  # interpolation may leave 0..1 by a rounding error
        raise ImageError(f"{what}: floats are taken as 0..1, found {low:g}..{high:g}; scale them, or convert to uint8")
    return np.clip(np.rint(values * 255), 0, 255).astype(np.uint8)


def _check_size(height: int, width: int, what: str) -> None:
    if height < 1 or width < 1:
        raise ImageError(f"{what}: has no pixels ({width}×{height})")
    if height * width > MAX_PIXELS:
        raise ImageError(
            f"{what}: {width}×{height} is more than {MAX_PIXELS // 1_000_000} million pixels; shrink or cut it first"
        )


def _turn(image: NDArray[np.uint8], quarters: int) -> NDArray[np.uint8]:
    """Turned counter-clockwise by that many quarters."""
    return np.ascontiguousarray(np.rot90(image, quarters)) if quarters % 4 else image


def _orient(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undoes an EXIF orientation (1..8; anything else is taken as 1, upright)."""
    if orientation in (2, 4, 5, 7):  # the mirrored ones
        image = np.ascontiguousarray(image[:, ::-1])
    return _turn(image, {3: 2, 4: 2, 5: 1, 6: -1, 7: -1, 8: 1}.get(orientation, 0))


def opencv() -> Any:
    """The module cv2. Raises EngineError, which says what to install, where it is missing or broken."""
    try:
        import cv2
    except Exception as error:  # a cv2 built for another numpy fails with more than ImportError
        raise EngineError(
            f"OpenCV (cv2) cannot be imported: {error}. Install it (pip install opencv-python-headless). If it is the "
            "system's own OpenCV, it may have been built for numpy 1: then pip install 'numpy<2'."
        ) from error
    return cv2


# --- headers -------------------------------------------------------------------------------------------------------


def _header(content: bytes) -> tuple[str, int, int, int]:
    """(format, width, height, EXIF orientation) of a picture file; format "" for what is not known.

    Raises struct.error, IndexError or ValueError where the header is cut off."""
    if content[:3] == b"\xff\xd8\xff":
        return _jpeg_header(content)
    if content[:8] == b"\x89PNG\r\n\x1a\n":
        width, height = struct.unpack_from(">II", content, 16)
        exif = content.find(b"eXIf", 33, 1 << 20)
        return "PNG", width, height, _tiff_orientation(content[exif + 4 :][:65536]) if exif > 0 else 1
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return _webp_header(content)
    if content[:2] == b"BM":
        if struct.unpack_from("<I", content, 14)[0] == 12:
            width, height = struct.unpack_from("<HH", content, 18)
        else:
            width, height = struct.unpack_from("<ii", content, 18)
        return "BMP", abs(width), abs(height), 1  # a negative height means top-down rows
    if content[:4] in (b"II*\0", b"MM\0*"):
        tags = _tiff_tags(content)
        if tags[322] * tags[323] > max(tags[256] * tags[257], _TILE_PIXELS):
            raise ValueError("tiles that are larger than the picture")  # whole ones are decoded
        return "TIFF", tags[256], tags[257], 1  # OpenCV's TIFF decoder turns it itself
    if re.match(rb"P[1-6]\s", content):
        # whitespace and comments may stand between the numbers, as OpenCV takes them
        match = re.match(rb"P[1-6](?:\s|#[^\n\r]*[\n\r])+(\d+)\s(?:\s|#[^\n\r]*[\n\r])*(\d+)\s", content[:4096])
        if match is None:
            raise ValueError("PNM header")
        return "PNM", int(match[1]), int(match[2]), 1
    return "", 0, 0, 1


def _jpeg_header(content: bytes) -> tuple[str, int, int, int]:
    """Goes the decoder's way from marker to marker: a file must not show one size here and another one there."""
    position, orientation = 2, None
    # some cameras write padding between segments; FF 00 is no marker
    mark = re.compile(rb"\xff[^\x00\xff]", re.DOTALL)
    for _ in range(_MAX_SEGMENTS):
        match = mark.search(content, position)
        if match is None:
            break
        position = match.start() + 1
        marker = content[position]
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:  # these stand alone
            continue
        (length,) = struct.unpack_from(">H", content, position + 1)
        body = position + 3
        if orientation is None and marker == 0xE1 and content[body : body + 6] == b"Exif\0\0":
            orientation = _tiff_orientation(content[body + 6 : position + 1 + length])
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # start of frame
            height, width = struct.unpack_from(">HH", content, body + 1)
            return "JPEG", width, height, orientation or 1
        if marker in (0xD8, 0xD9, 0xDA):
            break
        position += 1 + length
    raise ValueError("JPEG without a frame")


def _webp_header(content: bytes) -> tuple[str, int, int, int]:
    chunk = content[12:16]
    if chunk == b"VP8X":
        width = 1 + int.from_bytes(content[24:27], "little")
        height = 1 + int.from_bytes(content[27:30], "little")
        position, orientation = 12, None
        for _ in range(_MAX_SEGMENTS):
            if position + 8 > len(content):
                break
            name, (size,) = content[position : position + 4], struct.unpack_from("<I", content, position + 4)
            if name == b"EXIF" and orientation is None:
                body = content[position + 8 : position + 8 + size]
                orientation = _tiff_orientation(body[6:] if body[:6] == b"Exif\0\0" else body)
            position += 8 + size + size % 2
        return "WebP", width, height, orientation or 1
    if chunk == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 21)
        return "WebP", 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), 1
    if chunk == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 26)
        return "WebP", width & 0x3FFF, height & 0x3FFF, 1
    raise ValueError("WebP without a picture")


def _tiff_tags(data: bytes) -> dict[int, int]:
    """Tag -> first value, of the short and long ones in the first directory."""
    order = {b"II": "<", b"MM": ">"}[data[:2]] if data[:2] in (b"II", b"MM") else ""
    if not order:
        raise ValueError("byte order")
    (offset,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, offset)
    tags = dict.fromkeys(_TIFF_SIZES, 0)
    for i in range(count):
        entry = offset + 2 + 12 * i
        tag, kind = struct.unpack_from(f"{order}HH", data, entry)
        if tag in _TIFF_SIZES and (kind not in (3, 4) or tags[tag]):
            raise ValueError("a size that decoders may read in two ways")
        if kind in (3, 4):
            (tags[tag],) = struct.unpack_from(f"{order}{'H' if kind == 3 else 'I'}", data, entry + 8)
    return tags


def _tiff_orientation(data: bytes) -> int:
    """The orientation in an EXIF block; 1 where there is none, or where the block is damaged: a picture with broken
    notes is still a picture."""
    try:
        return _tiff_tags(data).get(_EXIF_ORIENTATION, 1)
    except (struct.error, ValueError):
        return 1


def _check_whole(content: bytes, kind: str, what: str) -> None:
    """Raises ImageError where the end of the file is missing: OpenCV fills in grey where a JPEG breaks off, and says
    nothing. And for a JPEG whose scans, 64 bytes each, would keep the decoder busy for hours."""
    whole = True
    if kind == "JPEG":
        whole, scans = _jpeg_scans(content)
        if scans > _MAX_SCANS:
            raise ImageError(f"{what}: a JPEG of {scans} scans; export it again as an ordinary one")
    elif kind == "PNG":
        whole = content.rfind(b"IEND") >= 0
    elif kind == "WebP":
        whole = len(content) >= 8 + int(struct.unpack_from("<I", content, 4)[0])
    if not whole:
        raise ImageError(f"{what}: the {kind} file is cut off; copy or export it again")


def _jpeg_scans(content: bytes) -> tuple[bool, int]:
    """Whether a JPEG's own end mark is there (those of embedded previews, inside segments, do not count), and how many
    scans come before it, of which a progressive one has a dozen."""
    position, scans = 2, 0
    # Within entropy-coded data, FF 00 is a plain FF and FF D0..D7 are restart marks. Of several FF the last one counts;
    # a pattern that takes them all takes time by their square.
    mark = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])", re.DOTALL)
    while match := mark.search(content, position):
        if match[1] == b"\xd9":
            return True, scans
        if match.end() + 2 > len(content):
            break
        scans += match[1] == b"\xda"
        position = match.end() + int.from_bytes(content[match.end() : match.end() + 2], "big")
    return False, scans
