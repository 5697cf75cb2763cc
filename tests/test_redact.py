"""Masking: what is found in texts, where it stands, and that nothing of it is left in what is saved."""

from __future__ import annotations

import io
import pathlib
import struct
import time

import numpy as np
import pytest

from edge_ocr.errors import InputError
from edge_ocr.redact import Mask, Policy, mask_document, mask_reading, mask_text, plan, redact, save
from edge_ocr.types import Reading, TextCharacter, TextLine, TextWord

Box = tuple[float, float, float, float]


def quad(x0: float, y0: float, x1: float, y1: float) -> tuple:
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def reading(*rows: list[tuple[str, Box]]) -> Reading:
    """Lines of words with their boxes."""
    words, lines = [], []
    for row in rows:
        first = len(words)
        for text, box in row:
            characters = tuple(TextCharacter(c, 0.9) for c in text)
            words.append(TextWord(text, 0.9, characters, quad(*box), "ko", plain=text + "x"))
        text = " ".join(t for t, _ in row)
        lines.append(TextLine(text, 0.9, quad(0, 0, 1, 1), tuple(range(first, len(words)))))
    return Reading(640, 480, tuple(words), tuple(lines))


# -- text ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("900101-1234567", "900101-1●●●●●●"),
        ("주민번호 900101-1234567 홍길동", "주민번호 900101-1●●●●●● 홍길동"),
        ("9001011234567", "9001011●●●●●●"),
        ("900101 1234567", "900101 1●●●●●●"),
        ("900101-\n1234567", "900101-\n1●●●●●●"),
        ("900101\n1234567", "900101\n1●●●●●●"),
        ("900101 - 1 2 3 4 5 6 7", "900101 - 1 ● ● ● ● ● ●"),
        ("９００１０１－１２３４５６７", "９００１０１－１●●●●●●"),
        ("9O0101-12345B7", "9O0101-1●●●●●●"),  # what a recognizer takes digits for
        ("901301-1234567", "901301-1●●●●●●"),  # a month that is none may be a misread one
        ("900101-123456", "900101-1●●●●●"),  # one was lost
        ("850505-5123456", "850505-5●●●●●●"),
        ("11-12-123456-78", "11-12-●●●●●●-78"),
        ("서울-12-123456-78", "서울-12-●●●●●●-78"),
        ("11-12-123456-78 A1B2C3", "11-12-●●●●●●-78 ●●●●●●"),
        ("13-04-71 6625-18", "13-04-●● ●●●●-18"),  # in two boxes
        ("11.22.123456.01", "11.22.●●●●●●.01"),
        ("11 22 123456 01", "11 22 ●●●●●● 01"),
        ("11-22-1234S6-01", "11-22-●●●●●●-01"),
        ("11-22-12345-01", "11-22-●●●●●-01"),  # one was lost
        ("900101.5123456", "900101.5●●●●●●"),
        ("900101·5123456", "900101·5●●●●●●"),
        ("87123-1234567", "87123-1●●●●●●"),  # one was lost before the dash
        ("M332 X7875", "M332 X●●●●"),
        ("M123 45678", "M123 4●●●●"),
        ("M12345678", "M1234●●●●"),
        ("M123A4567", "M123A●●●●"),
        (
            "P<KORHONG<<GILDONG<<<<<<<<<<<<<<<<<<<<<<<<<<\nM123456784KOR9001014M30010181234567V12345682",
            "P<KORHONG<<GILDONG<<<<<<<<<<<<<<<<<<<<<<<<<<\nM1234●●●●4KOR9001014M3001018●●●●●●●●●●●●●●●●",
        ),
        ("I<UTOD231458907123456789<<<<<<", "I<UTOD231458907●●●●●●●●●●●●●●●"),
        ("7408122F1204159UTO12345<<<<<<8", "7408122F1204159UTO●●●●●●●●●●●8"),
        ("870123-1\n234567", "870123-1\n●●●●●●"),  # broken where a column ends
        ("870123-12345\n67 Main", "870123-1●●●●\n●● Main"),
        ("8701\n23-1234567", "8701\n23-1●●●●●●"),
        ("870123123\n4567", "8701231●●\n●●●●"),
        ("112212345601", "1122●●●●●●01"),  # without dashes
        ("면허번호 282212345601 A1B2C3", "면허번호 2822●●●●●●01 A1B2C3"),
        ("11-22-1234\n56-01", "11-22-●●●●\n●●-01"),
        ("L898902C36UTO<<7408", "●" * 19),  # pieces of a zone
        ("M12345678<4KOR900101", "●" * 20),
        ("PASSPORT: 8122F1204159<<0", "PASSPORT: " + "●" * 15),
        ("8122F12041 59<<<<<<0", "●" * 10 + " " + "●" * 9),
        ("L898902C36UTO74O8l22F12O4159ZE1842268<<<<<1O", "●" * 44),  # its core could not be read
        ("M123456784KOR9001014M3001018123", "M1234●●●●4KOR9001014M3001018●●●"),  # cut off
        # what stands before a number, or is one itself, hides none of it
        ("850505-2345678\n900101 1234567", "850505-2●●●●●●\n900101 1●●●●●●"),
        ("접수번호 2345678\n900101 1234567", "접수번호 2345678\n900101 1●●●●●●"),
        ("1234567\n900101.1234567", "1234567\n900101.1●●●●●●"),
        ("240101 9001011 234567", "240101 9●●●●●● ●●●●●●"),
        # parted within, or by another sign than one dash
        ("900101 1 234567", "900101 1 ●●●●●●"),
        ("9001011 234567", "9001011 ●●●●●●"),
        ("90 0101 1234567", "90 0101 1●●●●●●"),
        ("8 801043 234561", "8 801043 ●●●●●●"),  # no figures of a bar code: another check digit
        ("900101--1234567", "900101--1●●●●●●"),
        ("900101 - - 1234567", "900101 - - 1●●●●●●"),
        ("900101/1234567", "900101/1●●●●●●"),
        ("900101_1234567", "900101_1●●●●●●"),
        ("900101ー1234567", "900101ー1●●●●●●"),
        ("900101一1234567", "900101一1●●●●●●"),
        ("(900101)1234567", "(900101)1●●●●●●"),
        ("850505X2345678", "850505X2●●●●●●"),
        ("850505I2345678", "850505I2●●●●●●"),
        ("850505■2345678", "850505■2●●●●●●"),
        ("85050582345678", "8505058●●●●●●●"),  # a digit for the dash: any of them may be the one too many
        ("850505 82345678", "850505 8●●●●●●●"),
        ("850505/234567", "850505/2●●●●●"),  # and one lost
        ("850505 234567", "850505 2●●●●●"),
        ("112212 345601", "1122●● ●●●●01"),
        ("1122 1234 5601", "1122 ●●●● ●●01"),
        ("M12345\n678", "M1234●\n●●●"),
        ("MI2345678", "MI234●●●●"),
        ("M12345678KOR", "M1234●●●●KOR"),
        ("M123456784KOR", "M1234●●●●4KOR"),
        ("M-12345678", "M-1234●●●●"),
    ],
)
def test_what_is_masked_in_text(text: str, want: str) -> None:
    assert mask_text(text) == want


@pytest.mark.parametrize(
    "text",
    [
        "", "010-1234-5678", "2026-11-22", "123-456-789012", "합계 12,345원", "9913011234567", "12가3456", "A12345678",
        "1234567890", "12345678901234", "XM123456789", "D231458907UTO7408122F1204159<<<<<<<6", "A1B2C3", "12345-678901",
        "142-88-00355", "02-584-0011", "1234 5678 9012 3456", "M 1 2 3 4 5 6 7 8", "2024.01.05 12:30",
        "292212345601", "272212345601", "1122123456011", "A112212345601", "112212345601.50", "1122123456010-1",
        "010-1234-5678\n010-2345-6789", "2026-01-05\n2026-01-06", "900101-1\n2 Main",
        "ROOM 101 << EXIT", "출구 << 3", "std::cout<<first<<second<<std::endl", "<<<<<<<<<<<<<<", "INTERNATIONALBOSSES",
        "ERIKSSON<<ANNA<MARIA<<<<<<<<<<", "10.00\n10.00\n1033\n1\n3.00", "99.90\n99.90\n100.00", "20\n2\n0\n18\n12.96",
        "2,345,678원", "2024.01.01 12:34", "02-555-0142", "No. 123456 7890", "12,000\n5,000\n120,510\n1,500,200",
        "120510 1 500200원", "120510 ₩1500200", "120510 150000", "150000 300000", "20240105 1230", "240105 123045",
        "2024 0105 1230", "2018 2019 2020", "240105/123045", "240105/20240105", "8 801043 234566", "010 1234 5678 12",
        "12 05 10 1500 200", "2345 6789 1122 3456", "TO 1234567", "T100\n15000", "GB1234567", "1120\n1340\n2500\n1234",
        "850505", "1 234567", "900101/12", "주문일 240105 번호 1234567", "991301/1234567", "RR123456789KR",
    ],
)  # fmt: skip
def test_what_is_not(text: str) -> None:
    assert mask_text(text) == text


def test_long_texts_take_time_by_their_length() -> None:
    for hostile in ("1" * 60_000, "1 " * 30_000, "900101 " * 9_000, "900101/" * 9_000, "1-" * 30_000, "M1\n" * 20_000,
                    "1122 " * 12_000, "I" * 60_000, "900101\n" * 9_000, "1" + " " * 60_000):  # fmt: skip
        start = time.process_time()
        mask_text(hostile)
        assert time.process_time() - start < 10, hostile[:8]


def test_a_policy_decides() -> None:
    text = "900101-1234567 M12345678"
    assert mask_text(text, Policy(resident=0, passport=0)) == text
    assert mask_text(text, Policy(resident=7, passport=9, mark="*")) == "900101-******* *********"
    assert mask_text(text, Policy(resident=13)).startswith("●●●●●●-●●●●●●●")
    assert mask_text("850505 234567 850505/2345678", Policy(resident=1)) == "850505 234567 850505/234567●"
    assert mask_text("850505/2345678", Policy(resident=13)) == "●●●●●●/●●●●●●●"
    assert mask_text("112212345601", Policy(licence=False)) == "112212345601"
    piece = "L898902C36UTO<<7408"
    assert mask_text(piece, Policy(passport=0, personal=False)) == piece
    assert mask_text(piece, Policy(passport=0)) == mask_text(piece, Policy(personal=False)) == "●" * 19
    for wrong in ({"resident": 14}, {"mark": "xx"}, {"mark": "x"}, {"colour": (0, 0)}, {"margin": -1.0}):
        with pytest.raises(InputError, match="policy"):
            Policy(**wrong)


# -- readings ------------------------------------------------------------------------------------------------------
def test_a_number_in_pieces_is_masked_in_all_of_them() -> None:
    found = reading(
        [("홍길동", (0, 0, 90, 30)), ("900101-", (100, 0, 200, 30))],
        [("1234", (0, 50, 60, 80)), ("567", (70, 50, 115, 80)), ("서울", (130, 50, 190, 80))],
    )
    masked = mask_reading(found)
    assert [w.text for w in masked.words] == ["홍길동", "900101-", "1●●●", "●●●", "서울"]
    assert masked.text == "홍길동 900101-\n1●●● ●●● 서울"
    assert "".join(c.text for c in masked.words[2].characters) == "1●●●"
    assert masked.words[2].plain == "1●●●" and masked.words[0].plain == "홍길동x"
    for secret in ("234", "567"):
        assert secret not in str(masked.to_dict())
    masks = plan(found)
    assert [m.what for m in masks] == ["resident", "resident"]
    (ax0, _), (ax1, _) = masks[0].quad[0], masks[0].quad[1]
    assert 0 < ax0 < 15 and ax1 >= 60  # "234" of "1234": from before the 2 to beyond the end
    assert masks[1].quad[0][0] <= 70 and masks[1].quad[1][0] >= 115
    assert mask_reading(reading([("서울", (0, 0, 60, 30))])) == reading([("서울", (0, 0, 60, 30))])


def test_a_lost_digit_is_masked_where_it_must_stand() -> None:
    whole = plan(reading([("900101-1234567", (0, 0, 140, 20))]))[0].quad
    short = plan(reading([("900101-12345", (0, 0, 120, 20))]))[0].quad
    assert whole[1][0] < 145 and short[1][0] > 138
    assert 65 < whole[0][0] < 84  # seven of fourteen characters stay, of which one is narrow


def test_a_slanted_quad_has_slanted_masks() -> None:
    turned = TextWord("900101-1234567", 0.9, (), ((0, 0), (140, 70), (132, 86), (-8, 16)))
    (mask,) = plan(Reading(640, 480, (turned,), ()))
    points = np.array(mask.quad)
    along = points[1] - points[0]
    assert np.allclose(along / np.hypot(*along), np.array([2, 1]) / 5**0.5, atol=1e-6)
    assert points[:, 0].max() > 132


# -- documents -----------------------------------------------------------------------------------------------------
def field(raw: str, *quads: tuple, value: str | None = None) -> dict:
    return {"raw": raw, "value": value or raw, "confidence": 0.9, "quads": list(quads)}


def test_documents() -> None:
    licence = {
        "kind": "driver_licence",
        "fields": {
            "number": field("11-12-123456-78", quad(0, 0, 150, 20)),
            "rrn": field("900101-1234567", quad(0, 30, 60, 50), quad(70, 30, 140, 50), value="9001011234567"),
            "serial": field("A1B2C3", quad(0, 60, 60, 80)),
            "name": field("홍길동", quad(0, 90, 60, 110)),
        },
        "plain": ["홍길동 900101-1234567"],
    }
    masked = mask_document(licence)
    assert {k: f["raw"] for k, f in masked["fields"].items()} == {
        "number": "11-12-●●●●●●-78", "rrn": "900101-1●●●●●●", "serial": "●●●●●●", "name": "홍길동",
    }  # fmt: skip
    assert masked["fields"]["rrn"]["value"] == "9001011●●●●●●" and masked["plain"] == ["홍길동 900101-1●●●●●●"]
    masks = plan([licence])
    assert sorted({m.what for m in masks}) == ["licence", "resident", "serial"]
    named = {"kind": "mrz", "layout": "TD3", "fields": {"surname": field("ERIKSSON<<ANNA<MARIA", value="ERIKSSON")}}
    assert mask_document(named)["fields"]["surname"]["raw"] == "ERIKSSON<<ANNA<MARIA" and plan(named) == ()
    right = [m for m in masks if m.what == "resident"][-1].quad
    assert right[1][0] >= 140

    passport = {"kind": "passport", "fields": {"number": field("M12345678", quad(0, 0, 90, 20))}}
    assert mask_document(passport)["fields"]["number"]["raw"] == "M1234●●●●"
    zone = {"kind": "mrz", "layout": "TD3", "fields": {"optional": field("1234567V123456", quad(0, 0, 90, 20))}}
    assert mask_document(zone)["fields"]["optional"]["raw"] == "●" * 14
    assert [m.what for m in plan([passport, zone])] == ["passport", "personal"]

    for raw, want in (
        ("11-12-123456-78", "11-12-●●●●●●-78"), ("11-12-12345-78", "11-12-●●●●●-78"), ("12-34", "●●-●●"), ("", ""),
    ):  # by the scanner's name of the field, a digit lost or most of them
        driver = {"kind": "driver", "fields": {"licence_number": field(raw)}}
        assert mask_document(driver)["fields"]["licence_number"]["raw"] == want

    garbled = {"kind": "resident", "fields": {"rrn": field("900101.?234567X")}}
    assert "234567" not in mask_document(garbled)["fields"]["rrn"]["raw"] and plan(garbled) == ()
    back = {"kind": "resident_back", "fields": {}, "quad": quad(0, 0, 100, 60)}
    (print_,) = plan(back)
    assert print_.what == "fingerprint" and print_.quad[1][0] > 95
    assert plan(back, Policy(fingerprint=False)) == ()
    plate = {"text": "12가3456", "quad": quad(0, 0, 50, 10), "characters": [], "plain": "12가3456"}
    assert plan(plate) == () and [m.what for m in plan(plate, Policy(plates=True))] == ["plate"]
    assert mask_document(plate, Policy(plates=True))["text"] == "●" * 7
    for wrong in ("text", 3):
        with pytest.raises(InputError, match="Reading"):
            plan(wrong)
    with pytest.raises(InputError, match="four points"):
        plan({"kind": "x", "fields": {"rrn": {"raw": "900101-1234567", "quads": [[[0, 0]]]}}})


def test_what_a_document_tells_is_masked_wherever_it_stands_again() -> None:
    zone = {"kind": "mrz", "layout": "TD3", "fields": {"number": field("PA0940409"), "optional": field("A234567893")}}
    found = reading([("DOCUMENT", (0, 0, 90, 20)), ("No.PA09", (100, 0, 170, 20)), ("40409", (180, 0, 230, 20))],
                    [("A234567893", (0, 50, 100, 70)), ("A2345", (0, 90, 50, 110))])  # fmt: skip
    assert plan(found) == ()
    masks = plan([found, zone])
    assert [(m.what, m.quad[0][1] < 40) for m in masks] == [("passport", True), ("personal", False)]
    assert 178 < masks[0].quad[0][0] < 195 and masks[0].quad[1][0] >= 230  # "0409" of "40409"
    assert masks[1].quad[0][0] <= 0 and masks[1].quad[1][0] >= 100
    assert plan([found, zone], Policy(passport=0, personal=False)) == ()


# -- pictures ------------------------------------------------------------------------------------------------------
MASKS = (
    Mask("resident", ((50.3, 20.7), (120.2, 33.1), (117.0, 51.9), (47.1, 39.5))),
    Mask("serial", quad(-40, 100, 30, 130)),
    Mask("serial", quad(1000, 1000, 1e9, 2e9)),
)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_nothing_under_a_mask_reaches_the_file(tmp_path: pathlib.Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    one = rng.integers(0, 256, (160, 200, 3), dtype=np.uint8)
    other = one.copy()
    ys, xs = np.mgrid[0:160, 0:200]
    # every pixel of which a corner, or the middle, is under a mask
    for mask in MASKS:
        points = np.array(mask.quad)
        for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1), (0.5, 0.5)):
            inside = np.ones(xs.shape, bool)
            for a, b in zip(points, np.roll(points, -1, 0), strict=True):
                inside &= (b[0] - a[0]) * (ys + dy - a[1]) - (b[1] - a[1]) * (xs + dx - a[0]) >= 0
            other[inside] = 255 - other[inside]
    assert (one != other).any()
    save(tmp_path / f"one{suffix}", redact(one, MASKS))
    save(tmp_path / f"other{suffix}", redact(other, MASKS))
    assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"other{suffix}").read_bytes()
    out = redact(one, MASKS, Policy(colour=(1, 2, 3)))
    assert (out[36, 84] == (1, 2, 3)).all() and (out[115, 0] == (1, 2, 3)).all()
    assert (out[:15] == one[:15]).all() and (out[:, 130:] == one[:, 130:]).all()
    assert (one == np.random.default_rng(0).integers(0, 256, one.shape, dtype=np.uint8)).all()  # not changed in place


def test_no_metadata_is_saved(tmp_path: pathlib.Path) -> None:
    pillow = pytest.importorskip("PIL.Image")
    from edge_ocr.image import load_image

    picture = pillow.fromarray(np.full((64, 96, 3), 200, np.uint8))
    exif = picture.getexif()
    exif[0x010E] = "SECRET-NUMBER"
    content = io.BytesIO()
    picture.save(content, "JPEG", exif=exif, comment=b"SECRET-COMMENT")
    assert b"SECRET" in content.getvalue()
    image = redact(load_image(content.getvalue()), ())
    save(tmp_path / "a.jpg", image)
    save(tmp_path / "a.png", image)
    jpeg, png = (tmp_path / "a.jpg").read_bytes(), (tmp_path / "a.png").read_bytes()
    assert b"SECRET" not in jpeg + png and b"Exif" not in jpeg
    at, markers = 2, []
    while jpeg[at + 1] != 0xDA:
        markers.append(jpeg[at + 1])
        at += 2 + struct.unpack(">H", jpeg[at + 2 : at + 4])[0]
    assert not set(markers) & ({0xFE} | set(range(0xE1, 0xF0)))  # no application's data but JFIF's, no comment
    at, chunks = 8, set()
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        chunks.add(png[at + 4 : at + 8])
        at += 12 + length
    assert chunks <= {b"IHDR", b"IDAT", b"IEND"}


def test_wrong_use_is_said(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputError, match="uint8"):
        redact(np.zeros((4, 4)), ())  # type: ignore[arg-type]
    image = np.zeros((8, 8, 3), np.uint8)
    for name in ("a.gif", "a", "none/a.png"):
        with pytest.raises(InputError, match="can"):
            save(tmp_path / name, image)
