"""hOCR 1.2: a web page whose elements say where each word stood (http://kba.github.io/hocr-spec/1.2/)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from edge_ocr.formats.page import Page, Piece, angle_of, box_of, pieces_of, xml_text
from edge_ocr.types import Quad, Reading

__all__ = ["HocrWriter", "to_hocr"]

_HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml">
<head>
<title>edge_ocr</title>
<meta http-equiv="Content-Type" content="text/html; charset=utf-8"/>
<meta name="ocr-system" content="edge_ocr {version}"/>
<meta name="ocr-capabilities" content="ocr_page ocr_carea ocr_par ocr_line ocrx_word ocrp_lang ocrp_wconf"/>
</head>
<body>
"""
_TAIL = "</body>\n</html>\n"
_LEVEL = 45.0  # hOCR's baseline is a height over x: it means something for lines that run more across than down


class HocrWriter:
    """A document of any number of pages, handed to ``write`` page by page, so that it need not be held."""

    def __init__(self, write: Callable[[str], Any]) -> None:
        from edge_ocr import __version__

        self._write, self._pages = write, 0
        self._head = _HEAD.format(version=xml_text(__version__))

    def add(self, page: Page) -> None:
        self._write((self._head if not self._pages else "") + _page(page, self._pages))
        self._pages += 1

    def end(self) -> None:
        self._write(_TAIL if self._pages else self._head + _TAIL)


def to_hocr(page: Page) -> str:
    """One picture as a whole hOCR document."""
    parts: list[str] = []
    document = HocrWriter(parts.append)
    document.add(page)
    document.end()
    return "".join(parts)


def _page(page: Page, number: int) -> str:
    reading, mark = page.reading, number + 1
    size = (reading.width, reading.height)
    rows = []
    counter = 0
    for index, line in enumerate(reading.lines, 1):
        pieces = list(pieces_of(reading, line))
        if not pieces:
            continue
        words = []
        for piece in pieces:
            counter += 1
            words.append(_word(piece, f"word_{mark}_{counter}", size))
        title = f"bbox {_numbers(box_of(line.quad, *size))}{_slope(line.quad, size)}"
        rows.append(f'<span class="ocr_line" id="line_{mark}_{index}" title="{title}">' + " ".join(words) + "</span>\n")
    title = f"image {_quoted(page.name)}; bbox 0 0 {reading.width} {reading.height}; ppageno {number}"
    body = ""
    if rows:
        around = f"bbox {_numbers(_around(reading))}"
        body = (f'<div class="ocr_carea" id="block_{mark}_1" title="{around}">\n'
                f'<p class="ocr_par" id="par_{mark}_1" title="{around}">\n{"".join(rows)}</p>\n</div>\n')
    return f'<div class="ocr_page" id="page_{mark}" title="{xml_text(title)}">\n{body}</div>\n'


def _word(piece: Piece, name: str, size: tuple[int, int]) -> str:
    title = f"bbox {_numbers(box_of(piece.quad, *size))}; x_wconf {round(piece.confidence * 100)}"
    language = f' lang="{xml_text(piece.language)}"' if piece.language else ""
    return f'<span class="ocrx_word" id="{name}" title="{title}"{language}>{xml_text(piece.text)}</span>'


def _slope(quad: Quad, size: tuple[int, int]) -> str:
    """How a line lies: its baseline, from the lower left corner of its box; or its angle, where it is steep."""
    angle = angle_of(quad)
    if not math.isfinite(angle):
        return ""
    if abs(angle) > _LEVEL:
        return f"; textangle {angle:.1f}"
    (_, _, (cx, cy), (dx, dy)) = quad
    left, _, _, bottom = box_of(quad, *size)
    slope = (cy - dy) / (cx - dx) if abs(cx - dx) > 1e-6 else 0.0
    return f"; baseline {slope:.4f} {dy + slope * (left - dx) - bottom:.1f}"


def _around(reading: Reading) -> tuple[int, int, int, int]:
    boxes = [box_of(line.quad, reading.width, reading.height) for line in reading.lines]
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _quoted(name: str) -> str:
    """A file name between double quotes, as hOCR's properties want it."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _numbers(values: tuple[int, ...]) -> str:
    return " ".join(map(str, values))
