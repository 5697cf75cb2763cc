"""ALTO 4: the XML of libraries and archives (https://www.loc.gov/standards/alto/). One file is one page."""

from __future__ import annotations

from collections.abc import Iterator

from edge_ocr.formats.page import Page, Piece, box_of, pieces_of, xml_text
from edge_ocr.types import Quad, TextLine

__all__ = ["to_alto"]

_HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:schemaLocation="http://www.loc.gov/standards/alto/ns-v4# http://www.loc.gov/standards/alto/v4/alto-4-3.xsd" \
SCHEMAVERSION="4.3">
<Description>
<MeasurementUnit>pixel</MeasurementUnit>
<sourceImageInformation><fileName>{name}</fileName></sourceImageInformation>
<Processing ID="OCR"><processingCategory>contentGeneration</processingCategory>\
<processingSoftware><softwareName>edge_ocr</softwareName><softwareVersion>{version}</softwareVersion>\
</processingSoftware></Processing>
</Description>
<Layout>
<Page ID="page" PHYSICAL_IMG_NR="1" WIDTH="{width}" HEIGHT="{height}" PROCESSINGREFS="OCR">
"""
_TAIL = "</Page>\n</Layout>\n</alto>\n"


def to_alto(page: Page) -> str:
    """One picture as an ALTO 4.3 document: a String a word, with its confidence (WC) and outline, a Glyph a character
    with its own (GC)."""
    from edge_ocr import __version__

    reading = page.reading
    head = _HEAD.format(name=xml_text(page.name), version=xml_text(__version__), width=reading.width,
                        height=reading.height)
    lines = [(line, pieces) for line in reading.lines if (pieces := list(pieces_of(reading, line)))]
    if not lines:
        return head + "<PrintSpace/>\n" + _TAIL
    size = (reading.width, reading.height)
    boxes = [box_of(line.quad, *size) for line, _ in lines]
    around = (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))
    parts = [head, f"<PrintSpace {_place(around)}>\n", f'<TextBlock ID="block" {_place(around)}>\n']
    for number, (line, pieces) in enumerate(lines, 1):
        parts.extend(_line(line, pieces, number, size))
    return "".join(parts) + "</TextBlock>\n</PrintSpace>\n" + _TAIL


def _line(line: TextLine, pieces: list[Piece], number: int, size: tuple[int, int]) -> Iterator[str]:
    (_, _, (cx, cy), (dx, dy)) = line.quad
    baseline = f"{dx:.1f},{dy:.1f} {cx:.1f},{cy:.1f}"
    yield (f'<TextLine ID="line{number}" {_place(box_of(line.quad, *size))} BASELINE="{baseline}">'
           f"{_shape(line.quad)}\n")
    last = None
    for count, piece in enumerate(pieces, 1):
        box = box_of(piece.quad, *size)
        if last is not None:
            left, right = last[2], box[0]  # of words side by side; others have no gap that a box could tell
            yield f'<SP HPOS="{left}" VPOS="{box[1]}" WIDTH="{max(0, right - left)}"/>\n'
        language = f' LANG="{xml_text(piece.language)}"' if piece.language else ""
        glyphs = "".join(
            f'<Glyph CONTENT="{xml_text(c.text)}" GC="{min(max(c.confidence, 0.0), 1.0):.4f}"/>'
            for c in piece.characters if len(c.text) == 1
        )
        yield (f'<String ID="line{number}word{count}" {_place(box)} CONTENT="{xml_text(piece.text)}" '
               f'WC="{piece.confidence:.4f}"{language}>{_shape(piece.quad)}{glyphs}</String>\n')
        last = box
    yield "</TextLine>\n"


def _place(box: tuple[int, int, int, int]) -> str:
    left, top, right, bottom = box
    return f'HPOS="{left}" VPOS="{top}" WIDTH="{right - left}" HEIGHT="{bottom - top}"'


def _shape(quad: Quad) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in quad)
    return f'<Shape><Polygon POINTS="{points}"/></Shape>'
