"""A reading as other programs want it: hOCR, ALTO XML, searchable PDF.

    from edge_ocr import OCR
    from edge_ocr.formats import Page, to_alto

    xml = to_alto(Page("scan.png", OCR().read("scan.png")))

``to_hocr`` and ``to_alto`` are pure functions over readings; ``PdfDocument`` also takes the pictures.
"""

from __future__ import annotations

from edge_ocr.formats.alto import to_alto
from edge_ocr.formats.hocr import HocrWriter, to_hocr
from edge_ocr.formats.page import Page
from edge_ocr.formats.pdf import PdfDocument

__all__ = ["HocrWriter", "Page", "PdfDocument", "to_alto", "to_hocr"]
