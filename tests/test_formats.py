"""Readings as hOCR, ALTO and PDF, each read back by something that is not ours: lxml, PDFium and pypdf."""

from __future__ import annotations

import io
import math
import pathlib
import re

import lxml.etree
import lxml.html
import numpy as np
import pypdf
import pypdfium2
import pytest
from numpy.typing import NDArray

from edge_ocr import ImageError, InputError, Quad, Reading, TextCharacter, TextLine, TextWord
from edge_ocr.formats import HocrWriter, Page, PdfDocument, to_alto, to_hocr
from edge_ocr.formats.page import box_of, pieces_of, xml_text

ALTO = "{http://www.loc.gov/standards/alto/ns-v4#}"


def quad(left: float, top: float, width: float, height: float, angle: float = 0) -> Quad:
    """A box turned clockwise about its top left corner."""
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    corners = ((0, 0), (width, 0), (width, height), (0, height))
    a, b, c, d = ((left + x * cos - y * sin, top + x * sin + y * cos) for x, y in corners)
    return (a, b, c, d)


def word(text: str, place: Quad, language: str = "ko") -> TextWord:
    return TextWord(text, 0.9, tuple(TextCharacter(c, 0.8) for c in text), place, language)


def reading(lines: list[list[TextWord]], width: int = 600, height: int = 400) -> Reading:
    words = tuple(w for line in lines for w in line)
    made, index = [], 0
    for line in lines:
        assert line[0].quad and line[-1].quad
        around = (line[0].quad[0], line[-1].quad[1], line[-1].quad[2], line[0].quad[3])
        made.append(TextLine(" ".join(w.text for w in line), 0.9, around, tuple(range(index, index + len(line)))))
        index += len(line)
    return Reading(width, height, words, tuple(made))


LINES = [
    [word("푸른", quad(20, 30, 90, 40)), word("호수", quad(112, 30, 88, 40)), word("꼭", quad(230, 30, 40, 40))],
    [word("Total:", quad(20, 120, 120, 30), "en"), word("12,300", quad(400, 120, 130, 30), "en"),
     word("원", quad(540, 120, 30, 30))],
    [word("<b>&\"", quad(20, 200, 100, 30), "en"), word("두 말", quad(150, 200, 150, 30))],
    [word("힣뷁", quad(60, 300, 80, 40, 12)), word("𝄞x", quad(160, 321, 80, 40, 12), "en")],
]
TEXTS = ["푸른 호수 꼭", "Total: 12,300 원", '<b>&" 두 말', "힣뷁 𝄞x"]


@pytest.fixture
def page() -> Page:
    return Page('a "b" <c>\x01.png', reading(LINES))


def picture(width: int = 600, height: int = 400) -> NDArray[np.uint8]:
    image = np.full((height, width, 3), 240, np.uint8)
    image[30:70, 20:110] = (200, 30, 60)
    return image


def pdf_of(*pages: tuple[Page, NDArray[np.uint8]], lossless: bool = False, dpi: float = 72) -> bytes:
    document = PdfDocument(dpi=dpi)
    for page, image in pages:
        document.add(page, image, lossless=lossless)
    stream = io.BytesIO()
    document.write(stream)
    return stream.getvalue()


# --- shared --------------------------------------------------------------------------------------------------------


def test_a_word_with_a_space_is_parted_where_it_stands() -> None:
    made = reading([[word("가나 다", quad(0, 0, 80, 20))]])
    pieces = list(pieces_of(made, made.lines[0]))
    assert [p.text for p in pieces] == ["가나", "다"]
    assert [c.text for p in pieces for c in p.characters] == ["가", "나", "다"]
    np.testing.assert_allclose(pieces[0].quad, quad(0, 0, 40, 20))
    np.testing.assert_allclose(pieces[1].quad, quad(60, 0, 20, 20))


def test_boxes_stay_inside_the_picture() -> None:
    assert box_of(quad(-5, -7.5, 1000, 20.2), 600, 400) == (0, 0, 600, 13)


@pytest.mark.parametrize("text", ["\x00", "\x1b[31m", "\ud800", "￾", "a\tb\n"])
def test_any_text_can_stand_in_xml(text: str) -> None:
    root = lxml.etree.fromstring(f'<a b="{xml_text(text)}"/>'.encode())
    assert len(root.get("b")) == len(text)
    assert ("�" in root.get("b")) == (text != "a\tb\n")


# --- hOCR ----------------------------------------------------------------------------------------------------------


def test_hocr_is_what_hocr_readers_look_for(page: Page) -> None:
    text = to_hocr(page)
    lxml.etree.fromstring(text.encode())  # XHTML: well-formed
    root = lxml.html.fromstring(text.encode())  # and what tools that parse it as HTML see
    capabilities = root.xpath("//meta[@name='ocr-capabilities']/@content")[0].split()
    classes = set(root.xpath("//body//@class"))
    assert classes <= set(capabilities)
    (sheet,) = root.xpath("//*[@class='ocr_page']")
    assert 'image "a \\"b\\" <c>' in sheet.get("title")
    assert "bbox 0 0 600 400" in sheet.get("title")
    lines = sheet.xpath(".//*[@class='ocr_line']")
    assert [" ".join(line.text_content().split()) for line in lines] == TEXTS
    assert [w.text for w in lines[2].xpath("./*[@class='ocrx_word']")] == ['<b>&"', "두", "말"]
    first = lines[0][0]
    assert re.search(r"bbox 20 30 110 70; x_wconf 90$", first.get("title"))
    assert first.get("lang") == "ko"
    ids = root.xpath("//@id")
    assert len(ids) == len(set(ids))


def test_hocr_boxes_lie_in_one_another(page: Page) -> None:
    def box(element: lxml.html.HtmlElement) -> list[int]:
        match = re.search(r"bbox (\d+) (\d+) (\d+) (\d+)", element.get("title"))
        assert match
        return [int(v) for v in match.groups()]

    root = lxml.html.fromstring(to_hocr(page).encode())
    for element in root.xpath("//*[@class='ocr_line' or @class='ocr_par' or @class='ocr_carea' or @class='ocrx_word']"):
        left, top, right, bottom = box(element)
        outer = box(element.getparent())
        assert outer[0] <= left < right <= outer[2]
        assert outer[1] <= top < bottom <= outer[3]


def test_hocr_tells_how_lines_lie() -> None:
    lines = [[word("가", quad(100, 100, 80, 20, 10))], [word("나", quad(300, 100, 80, 20, 80))]]
    root = lxml.html.fromstring(to_hocr(Page("x", reading(lines))).encode())
    tilted, steep = root.xpath("//*[@class='ocr_line']/@title")
    slope, offset = map(float, re.search(r"baseline (\S+) (\S+)", tilted).groups())  # type: ignore[union-attr]
    assert slope == pytest.approx(math.tan(math.radians(10)), abs=1e-3)
    left, _, _, bottom = box_of(lines[0][0].quad, 600, 400)  # type: ignore[arg-type]
    corner = lines[0][0].quad[3]  # type: ignore[index]
    assert bottom + offset + slope * (corner[0] - left) == pytest.approx(corner[1], abs=0.1)
    assert "textangle -80.0" in steep


def test_hocr_of_many_pages_and_of_none(page: Page) -> None:
    parts: list[str] = []
    document = HocrWriter(parts.append)
    document.add(page)
    document.add(Page("blank", Reading(10, 20)))
    document.end()
    root = lxml.etree.fromstring("".join(parts).encode())
    pages = root.findall(".//*[@class='ocr_page']")
    assert [re.search(r"ppageno (\d)", p.get("title"))[1] for p in pages] == ["0", "1"]  # type: ignore[index]
    assert len(pages[1]) == 0
    parts.clear()
    HocrWriter(parts.append).end()
    assert lxml.etree.fromstring("".join(parts).encode()) is not None


# --- ALTO ----------------------------------------------------------------------------------------------------------

# What ALTO 4 allows of the elements that are written here: parent, children in their order, attributes. The schema
# itself is not part of the project; `make check-formats` fetches it and validates against it.
SHAPES = {
    "alto": (["Description", "Layout"], {"SCHEMAVERSION"}),
    "Description": (["MeasurementUnit", "sourceImageInformation", "Processing"], set()),
    "sourceImageInformation": (["fileName"], set()),
    "Processing": (["processingCategory", "processingSoftware"], {"ID"}),
    "processingSoftware": (["softwareName", "softwareVersion"], set()),
    "Layout": (["Page"], set()),
    "Page": (["PrintSpace"], {"ID", "PHYSICAL_IMG_NR", "WIDTH", "HEIGHT", "PROCESSINGREFS"}),
    "PrintSpace": (["TextBlock"], {"HPOS", "VPOS", "WIDTH", "HEIGHT"}),
    "TextBlock": (["TextLine"], {"ID", "HPOS", "VPOS", "WIDTH", "HEIGHT"}),
    "TextLine": (["Shape", "String", "SP"], {"ID", "HPOS", "VPOS", "WIDTH", "HEIGHT", "BASELINE"}),
    "String": (["Shape", "Glyph"], {"ID", "HPOS", "VPOS", "WIDTH", "HEIGHT", "CONTENT", "WC", "LANG"}),
    "SP": ([], {"HPOS", "VPOS", "WIDTH"}),
    "Glyph": ([], {"CONTENT", "GC"}),
    "Shape": (["Polygon"], set()),
    "Polygon": ([], {"POINTS"}),
}


def check_alto(root: lxml.etree._Element) -> None:
    for element in root.iter():
        name = element.tag.removeprefix(ALTO)
        children, attributes = SHAPES.get(name, ([], set()))
        found = [c.tag.removeprefix(ALTO) for c in element]
        assert set(found) <= set(children), name
        if name != "TextLine":
            assert found == sorted(found, key=children.index)
        assert {a for a in element.attrib if "}" not in a} <= attributes, name
        for key in ("HPOS", "VPOS", "WIDTH", "HEIGHT"):
            assert float(element.get(key, "0")) >= 0


def test_alto_is_what_alto_readers_look_for(page: Page) -> None:
    root = lxml.etree.fromstring(to_alto(page).encode())
    check_alto(root)
    assert root.findtext(f".//{ALTO}fileName") == 'a "b" <c>�.png'
    lines = root.findall(f".//{ALTO}TextLine")
    assert [" ".join(s.get("CONTENT") for s in line.findall(f"{ALTO}String")) for line in lines] == TEXTS
    first = root.find(f".//{ALTO}String")
    assert first is not None
    assert [first.get(k) for k in ("HPOS", "VPOS", "WIDTH", "HEIGHT", "WC")] == ["20", "30", "90", "40", "0.9000"]
    assert [g.get("CONTENT") for g in first.findall(f"{ALTO}Glyph")] == ["푸", "른"]
    assert first.find(f"{ALTO}Shape/{ALTO}Polygon").get("POINTS").split()[2] == "110.0,70.0"
    for line in lines:  # words and spaces take turns
        kinds = [c.tag.removeprefix(ALTO) for c in line][1:]
        assert kinds == (["String", "SP"] * len(kinds))[: len(kinds)]
    ids = root.xpath("//@ID")
    assert len(ids) == len(set(ids))


def test_alto_of_a_blank_picture() -> None:
    root = lxml.etree.fromstring(to_alto(Page("blank", Reading(10, 20))).encode())
    check_alto(root)
    assert not root.findall(f".//{ALTO}String")


# --- PDF -----------------------------------------------------------------------------------------------------------


def test_pdf_text_can_be_copied(page: Page) -> None:
    content = pdf_of((page, picture()))
    chrome = pypdfium2.PdfDocument(content)[0].get_textpage().get_text_range()
    assert " ".join(chrome.split()) == " ".join(TEXTS)
    assert [" ".join(line.split()) for line in chrome.splitlines()][:3] == TEXTS[:3]  # it breaks tilted lines
    extracted = pypdf.PdfReader(io.BytesIO(content)).pages[0].extract_text()
    for text in TEXTS:
        assert text in " ".join(extracted.split())


def test_pdf_text_stands_where_it_was(page: Page) -> None:
    sheet = pypdfium2.PdfDocument(pdf_of((page, picture())))[0].get_textpage()
    text = sheet.get_text_range()
    for line in LINES[:3]:
        for want in line:
            assert want.quad
            start = text.index(want.text)
            boxes = [sheet.get_charbox(i, loose=True) for i in range(start, start + len(want.text))]
            left, right = min(b[0] for b in boxes), max(b[2] for b in boxes)
            bottom, top = min(b[1] for b in boxes), max(b[3] for b in boxes)
            expected = (want.quad[0][0], 400 - want.quad[2][1], want.quad[2][0], 400 - want.quad[0][1])
            np.testing.assert_allclose((left, bottom, right, top), expected, atol=1.5, err_msg=want.text)


def test_pdf_shows_the_picture_and_not_the_text(page: Page) -> None:
    image = picture()
    shown = pypdfium2.PdfDocument(pdf_of((page, image), lossless=True))[0].render(scale=1).to_numpy()
    assert shown.shape[:2] == (400, 600)
    assert np.abs(shown[:, :, 2::-1].astype(int) - image).max() <= 2


def test_pdf_pictures_are_jpeg_or_lossless_grey_or_colour(page: Page) -> None:
    grey = np.full((400, 600, 3), 77, np.uint8)
    for image, colour in ((picture(), "/DeviceRGB"), (grey, "/DeviceGray")):
        for lossless in (False, True):
            reader = pypdf.PdfReader(io.BytesIO(pdf_of((page, image), lossless=lossless)))
            stored = reader.pages[0]["/Resources"]["/XObject"]["/Picture"]  # type: ignore[index]
            assert stored["/ColorSpace"] == colour
            assert stored["/Filter"] == ("/FlateDecode" if lossless else "/DCTDecode")
            decoded = np.asarray(reader.pages[0].images[0].image.convert("RGB"), int)  # type: ignore[union-attr]
            assert np.abs(decoded - image).mean() < (0.01 if lossless else 3)


def test_pdf_pages_have_the_size_of_the_paper(page: Page) -> None:
    wide = Page("wide", reading([[word("가", quad(0, 0, 9, 9))]], 60_000, 10))
    blank = np.full((10, 60_000, 3), 255, np.uint8)
    reader = pypdf.PdfReader(io.BytesIO(pdf_of((page, picture()), (wide, blank), dpi=100)))
    assert [round(float(v)) for v in reader.pages[0].mediabox[2:]] == [432, 288]
    assert float(reader.pages[1].mediabox[2]) == pytest.approx(14_400)
    assert reader.pages[1].extract_text().strip() == "가"


def test_pdf_survives_quads_without_extent() -> None:
    flat: Quad = ((5, 5), (5, 5), (5, 5), (5, 5))
    made = reading([[word("없음", flat), word("있음", quad(20, 20, 60, 20))]])
    chrome = pypdfium2.PdfDocument(pdf_of((Page("x", made), picture())))[0].get_textpage().get_text_range()
    assert chrome.split() == ["있음"]


def test_pdf_says_what_cannot_be(page: Page) -> None:
    with pytest.raises(ImageError, match="300×400"):
        PdfDocument().add(page, picture(300))
    with pytest.raises(InputError, match="needs a page"):
        PdfDocument().write(io.BytesIO())
    with pytest.raises(InputError, match="dpi"):
        PdfDocument(dpi=0)


def test_pdf_without_pypdf_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pypdf", None)
    with pytest.raises(InputError, match=re.escape("edge-ocr[pdf]")):
        PdfDocument()


@pytest.mark.parametrize("letter", ["m", "T", "1", "강"])
@pytest.mark.parametrize("wide", [10, 24, 60])
def test_a_single_letter_at_the_end_of_a_line_is_text_too(letter: str, wide: float) -> None:
    made = reading([[word("300", quad(20, 20, 60, 30)), word(letter, quad(100, 20, wide, 30))]])
    chrome = pypdfium2.PdfDocument(pdf_of((Page("x", made), picture())))[0].get_textpage().get_text_range()
    assert chrome.split() == ["300", letter]


def test_the_sample_reads_the_same_in_every_format() -> None:
    """End to end with the models of the wheel."""
    from edge_ocr import OCR, load_image

    image = load_image(pathlib.Path(__file__).parent.parent / "demo" / "sample.jpg")
    made = Page("sample.jpg", OCR(threads=1).read(image))
    words = made.reading.text.split()
    assert len(words) > 10
    assert any("가" <= c <= "힣" for w in words for c in w)
    hocr = lxml.html.fromstring(to_hocr(made).encode())
    assert [w.text for w in hocr.xpath("//*[@class='ocrx_word']")] == words
    alto = lxml.etree.fromstring(to_alto(made).encode())
    check_alto(alto)
    assert [s.get("CONTENT") for s in alto.iter(f"{ALTO}String")] == words
    chrome = pypdfium2.PdfDocument(pdf_of((made, image), dpi=300))[0].get_textpage().get_text_range()
    assert sorted(chrome.split()) == sorted(words)
