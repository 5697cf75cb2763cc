"""Searchable PDF: the picture, and over it, unseen, the text where it stands.

The unseen text is set in a font without shapes: one empty glyph, every character its own code, and a table that tells
readers what each code means (/ToUnicode). So any script can be copied and searched without a font being carried, which
for Hangul would be larger than the picture. The objects are put together with pypdf.
"""

from __future__ import annotations

import io
import math
import struct
import unicodedata
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO

from edge_ocr.errors import ImageError, InputError
from edge_ocr.formats.page import Page

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge_ocr.types import Quad, Reading, TextLine

__all__ = ["PdfDocument"]

_LONGEST = 14_400.0  # points: what PDF readers take as a side
_DESCENT = 0.2  # of the height of a word, below its baseline
_JPEG_SIDE = 65_500  # what OpenCV writes
_EMPTY = 1e-3
_LAST_GAP = 20.0  # thousandths of the size of a word


class PdfDocument:
    """Pages of pictures with their text; ``write`` at the end. Everything is held in memory until then: about the
    bytes of the encoded pictures.

    ``dpi``: how many pixels make an inch of paper; a picture too large for PDF gets as many more as it needs.

    Raises InputError where pypdf is missing (``pip install 'edge-ocr[pdf]'``).
    """

    def __init__(self, *, dpi: float = 300.0) -> None:
        if not (math.isfinite(dpi) and dpi > 0):
            raise InputError(f"dpi: expected a number above 0, found {dpi!r}")
        self._pdf = _pypdf()
        self._dpi = dpi
        self._writer = self._pdf.PdfWriter()
        self._codes: dict[str, int] = {}
        self._font = self._add(self._dictionary({"/Type": "/Font"}))  # filled in when all characters are known
        self.pages = 0

    def add(self, page: Page, image: NDArray[np.uint8], *, lossless: bool = False) -> None:
        """A page: ``image`` uint8 ``[H, W, 3]`` RGB, the picture that was read, as JPEG (quality 90) or lossless.
        Raises ImageError."""
        height, width = image.shape[:2]
        if (page.reading.width, page.reading.height) != (width, height):
            raise ImageError(f"{page.name}: the picture is {width}×{height}, its reading "
                             f"{page.reading.width}×{page.reading.height}")
        scale = min(72.0 / self._dpi, _LONGEST / max(width, height))
        leaf = self._writer.add_blank_page(width * scale, height * scale)
        picture = self._add(self._picture(image, page.name, lossless))
        text = f"q {width * scale:.4f} 0 0 {height * scale:.4f} 0 0 cm /Picture Do Q\n{self._text(page.reading, scale)}"
        contents = self._add(self._stream(text.encode("ascii"), compress=True))
        name = self._name
        leaf[name("/Contents")] = contents
        leaf[name("/Resources")] = self._dictionary({"/XObject": {"/Picture": picture}, "/Font": {"/F": self._font}})
        self.pages += 1

    def write(self, stream: BinaryIO) -> None:
        """The document, as bytes. Nothing can be added afterwards. Raises InputError where there is no page."""
        from edge_ocr import __version__

        if not self.pages:
            raise InputError("a PDF needs a page: none of the pictures could be read")
        self._finish_font()
        self._writer.add_metadata({"/Producer": f"edge_ocr {__version__}"})
        # a seekable copy: pypdf asks where it stands, which a pipe cannot say
        held = io.BytesIO()
        self._writer.write(held)
        stream.write(held.getbuffer())

    # -- text ------------------------------------------------------------------------------------------------------

    def _text(self, reading: Reading, scale: float) -> str:
        rows = ["BT 3 Tr"]  # 3: neither filled nor stroked
        for line in reading.lines:
            rows.extend(self._line(reading, line, scale))
        return "\n".join([*rows, "ET"])

    def _line(self, reading: Reading, line: TextLine, scale: float) -> list[str]:
        rows = []
        words = [reading.words[i] for i in line.words]
        placed = [(w.text, p) for w in words if w.text and w.quad and (p := _Place.of(w.quad, reading.height, scale))]
        for (text, place), after in zip(placed, [*[p for _, p in placed[1:]], None], strict=True):
            squeeze = place.length / (sum(map(_width, text)) / 1000 * place.size)
            # A space that ends where the next word begins: a copied line has the spaces that were read, however tight
            # it is set. It is in the word's own string, as PDFium drops a single letter that stands alone; for that
            # reason the last word has one too, which takes hardly any room (with none at all, it would stand where a
            # letter of its own width does, and that is a single letter to PDFium, too).
            gap = max(place.gap(after), 0.0) / (squeeze * place.size) * 1000 if after is not None else _LAST_GAP
            shown = f"[{self._hex(text)} {_width(' ') - gap:.1f} {self._hex(' ')}]"
            rows.append(f"/F {place.size:.4f} Tf {place.matrix} Tm {100 * squeeze:.4f} Tz {shown} TJ")
        return rows

    def _hex(self, text: str) -> str:
        codes = (self._codes.setdefault(c, min(len(self._codes) + 1, 0xFFFF)) for c in text)
        return "<" + "".join(f"{code:04X}" for code in codes) + ">"

    def _finish_font(self) -> None:
        """The font, once every character has its code."""
        program = self._stream(_empty_font(), compress=True)
        program[self._name("/Length1")] = self._number(len(_empty_font()))
        descriptor = self._add(self._dictionary({
            "/Type": "/FontDescriptor", "/FontName": "/EdgeOcrUnseen", "/Flags": 4, "/FontBBox": [0, -200, 1000, 800],
            "/ItalicAngle": 0, "/Ascent": 800, "/Descent": -200, "/CapHeight": 800, "/StemV": 80,
            "/FontFile2": self._add(program),
        }))
        widths = [v for c, code in self._codes.items() for v in (code, [_width(c)])]
        below = self._add(self._dictionary({
            "/Type": "/Font", "/Subtype": "/CIDFontType2", "/BaseFont": "/EdgeOcrUnseen", "/FontDescriptor": descriptor,
            "/CIDSystemInfo": {"/Registry": b"Adobe", "/Ordering": b"Identity", "/Supplement": 0},
            "/DW": 1000, "/W": widths,
            "/CIDToGIDMap": self._add(self._stream(bytes(2 * (len(self._codes) + 1)), compress=True)),
        }))
        unicode_map = self._add(self._stream(_to_unicode(self._codes), compress=True))
        self._font.get_object().update(self._dictionary({
            "/Subtype": "/Type0", "/BaseFont": "/EdgeOcrUnseen", "/Encoding": "/Identity-H",
            "/DescendantFonts": [below], "/ToUnicode": unicode_map,
        }))

    # -- pictures and objects --------------------------------------------------------------------------------------

    def _picture(self, image: NDArray[np.uint8], name: str, lossless: bool) -> Any:
        height, width = image.shape[:2]
        grey = _is_grey(image)
        lossless = lossless or max(width, height) > _JPEG_SIDE
        content = _encode(image[:, :, 0] if grey else image, name, ".png" if lossless else ".jpg")
        stream = self._stream(_png_data(content) if lossless else content, compress=False)
        colours = 1 if grey else 3
        stream.update(self._dictionary({
            "/Type": "/XObject", "/Subtype": "/Image", "/Width": width, "/Height": height, "/BitsPerComponent": 8,
            "/ColorSpace": "/DeviceGray" if grey else "/DeviceRGB",
            "/Filter": "/FlateDecode" if lossless else "/DCTDecode",
        }))
        if lossless:  # PNG's own rows, filtered as PNG filters them: what PDF calls predictor 15
            stream[self._name("/DecodeParms")] = self._dictionary(
                {"/Predictor": 15, "/Colors": colours, "/BitsPerComponent": 8, "/Columns": width})
        return stream

    def _add(self, value: Any) -> Any:
        return self._writer._add_object(value)

    def _name(self, text: str) -> Any:
        return self._pdf.generic.NameObject(text)

    def _number(self, value: float) -> Any:
        generic = self._pdf.generic
        return generic.NumberObject(value) if isinstance(value, int) else generic.FloatObject(value)

    def _stream(self, content: bytes, *, compress: bool) -> Any:
        stream = self._pdf.generic.DecodedStreamObject()
        stream.set_data(zlib.compress(content, 9) if compress else content)
        if compress:
            stream[self._name("/Filter")] = self._name("/FlateDecode")
        return stream

    def _dictionary(self, entries: dict[str, Any]) -> Any:
        made = self._pdf.generic.DictionaryObject()
        for key, value in entries.items():
            made[self._name(key)] = self._value(value)
        return made

    def _value(self, value: Any) -> Any:
        generic = self._pdf.generic
        if isinstance(value, generic.PdfObject):
            return value
        if isinstance(value, dict):
            return self._dictionary(value)
        if isinstance(value, list):
            return generic.ArrayObject(map(self._value, value))
        if isinstance(value, bytes):
            return generic.ByteStringObject(value)
        return self._name(value) if isinstance(value, str) else self._number(value)


class _Place:
    """Where a word goes on paper: y up, points."""

    def __init__(self, quad: Quad, height: int, scale: float) -> None:
        a, _, c, d = (((x * scale), (height - y) * scale) for x, y in quad)
        across, up = (c[0] - d[0], c[1] - d[1]), (a[0] - d[0], a[1] - d[1])
        self.length, self.size = math.hypot(*across), math.hypot(*up)
        if not (math.isfinite(self.length + self.size) and min(self.length, self.size) > _EMPTY):
            raise ValueError("empty")
        self._x, up = (across[0] / self.length, across[1] / self.length), (up[0] / self.size, up[1] / self.size)
        self._start, self._end = d, c
        rise = _DESCENT * self.size
        values = (*self._x, *up, d[0] + up[0] * rise, d[1] + up[1] * rise)
        self.matrix = " ".join(f"{v:.5f}" for v in values)

    @classmethod
    def of(cls, quad: Quad, height: int, scale: float) -> _Place | None:
        """None where the quad has no extent: there is nothing that text could be laid over."""
        try:
            return cls(quad, height, scale)
        except ValueError:
            return None

    def gap(self, after: _Place) -> float:
        """How far the next word begins from this one's end, along this one."""
        dx, dy = after._start[0] - self._end[0], after._start[1] - self._end[1]
        return dx * self._x[0] + dy * self._x[1]


def _width(character: str) -> int:
    """Of 1000: what is as wide as it is high, and what is half of it."""
    return 1000 if unicodedata.east_asian_width(character) in "WF" else 500


def _to_unicode(codes: dict[str, int]) -> bytes:
    """What each code means, as readers want it: a CMap in PostScript's words."""
    rows = [f"<{code:04X}> <{c.encode('utf-16-be', 'replace').hex().upper()}>" for c, code in codes.items()]
    blocks = (rows[i : i + 100] for i in range(0, len(rows), 100))  # as many as a block may have
    return "\n".join([
        "/CIDInit /ProcSet findresource begin", "12 dict begin", "begincmap",
        "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def",
        "/CMapName /Adobe-Identity-UCS def", "/CMapType 2 def",
        "1 begincodespacerange", "<0000> <FFFF>", "endcodespacerange",
        *(line for block in blocks for line in (f"{len(block)} beginbfchar", *block, "endbfchar")),
        "endcmap", "CMapName currentdict /CMap defineresource pop", "end", "end",
    ]).encode("ascii")


def _empty_font() -> bytes:
    """A TrueType font of one glyph without outline, the least that a PDF may carry."""
    tables = {
        b"glyf": bytes(4),
        b"head": struct.pack(">IIIIHHqqhhhhHHhhh", 0x10000, 0x10000, 0, 0x5F0F3CF5, 0, 1000, 0, 0, 0, -200, 1000, 800,
                             0, 8, 2, 0, 0),
        b"hhea": struct.pack(">IhhhHhhhhhhhhhhhH", 0x10000, 800, -200, 0, 1000, 0, 0, 1000, 1, 0, 0, 0, 0, 0, 0, 0, 1),
        b"hmtx": struct.pack(">Hh", 1000, 0),
        b"loca": struct.pack(">HH", 0, 0),
        b"maxp": struct.pack(">IHHHHHHHHHHHHHH", 0x10000, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0),
    }
    head = struct.pack(">IHHHH", 0x10000, len(tables), 64, 2, 16 * len(tables) - 64)
    offset, rows, body = 12 + 16 * len(tables), b"", b""
    for tag, table in tables.items():
        padded = table + bytes(-len(table) % 4)
        checksum = sum(struct.unpack(f">{len(padded) // 4}I", padded)) & 0xFFFFFFFF
        rows += tag + struct.pack(">III", checksum, offset + len(body), len(table))
        body += padded
    return head + rows + body


def _is_grey(image: NDArray[np.uint8]) -> bool:
    sample = image[:: max(1, image.shape[0] // 16)]  # most colour pictures show it in a few rows
    for part in (sample, image):
        if not ((part[:, :, 0] == part[:, :, 1]).all() and (part[:, :, 1] == part[:, :, 2]).all()):
            return False
    return True


def _encode(image: NDArray[np.uint8], name: str, suffix: str) -> bytes:
    import cv2

    try:
        plain = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        done, content = cv2.imencode(suffix, plain, [cv2.IMWRITE_JPEG_QUALITY, 90] if suffix == ".jpg" else [])
    except cv2.error as error:
        raise ImageError(f"{name}: cannot be encoded for a PDF: {error}") from error
    if not done:
        raise ImageError(f"{name}: cannot be encoded for a PDF")
    return bytes(content)


def _png_data(content: bytes) -> bytes:
    """The compressed rows of a PNG file: its IDAT chunks, one after the other."""
    position, parts = 8, []
    while position + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, position)
        if kind == b"IDAT":
            parts.append(content[position + 8 : position + 8 + length])
        position += 12 + length
    return b"".join(parts)


def _pypdf() -> Any:
    try:
        import pypdf
        import pypdf.generic
    except ImportError as error:
        raise InputError("PDF needs pypdf, which is not installed: pip install 'edge-ocr[pdf]'") from error
    return pypdf
