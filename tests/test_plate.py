"""Number plates: what their text says, and finding and reading them in drawn pictures."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_ocr.errors import ImageError, InputError, ModelNotFound
from edge_ocr.scanners.lines import Line
from edge_ocr.scanners.plate import (
    DISTRICTS,
    DISTRICTS_OF,
    REGIONS,
    Plate,
    Scanner,
    _crowded,
    _goes_on,
    as_row,
    grammar,
    parse,
)
from edge_ocr.scanners.plate_find import Candidate, runs_on, with_upper
from edge_ocr.types import Region

coded = pytest.importorskip("coded")
pytest.importorskip("onnxruntime")

CHARSET = "0123456789가나서울바아허인천A-"
SIZE = (192, 448)


# -- parse ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("12가3456", ("private", "", "12", "가", "3456", "car")),
        ("384가8107", ("private", "", "384", "가", "8107", "car")),
        ("70무0001", ("private", "", "70", "무", "0001", "van")),
        ("80소1234", ("private", "", "80", "소", "1234", "lorry")),
        ("97소1234", ("private", "", "97", "소", "1234", "lorry")),
        ("98소1234", ("private", "", "98", "소", "1234", "special")),
        ("799우1234", ("private", "", "799", "우", "1234", "van")),
        ("979우1234", ("private", "", "979", "우", "1234", "lorry")),
        ("997우1234", ("private", "", "997", "우", "1234", "special")),
        ("998우1234", ("private", "", "998", "우", "1234", "emergency")),
        ("56하5037", ("rental", "", "56", "하", "5037", "car")),
        ("123호4567", ("rental", "", "123", "호", "4567", "car")),
        ("12육3456", ("military", "", "12", "육", "3456", "car")),
        ("서울31아7471", ("commercial", "서울", "31", "아", "7471", "car")),
        ("세종 80 배 1234", ("parcel", "세종", "80", "배", "1234", "lorry")),
        ("서울36러4994", ("private", "서울", "36", "러", "4994", "car")),
        ("경기5가1234", ("private", "경기", "5", "가", "1234", "")),
        ("02누5770", ("private", "", "02", "누", "5770", "car")),
    ],
)
def test_what_a_plate_says(text: str, want: tuple[str, ...]) -> None:
    found = parse(text)
    assert found is not None
    assert (found.kind, found.region, found.number, found.letter, found.serial, found.vehicle) == want
    assert found.text == text.replace(" ", "")
    assert json.loads(json.dumps(found.to_dict()))["kind"] == want[0]


def test_motorcycles_and_diplomats() -> None:
    found = parse("서울 강남 가 1234")
    assert found is not None
    said = (found.kind, found.region, found.district, found.letter, found.serial)
    assert said == ("motorcycle", "서울", "강남", "가", "1234")
    # A region that is a district's name too: 광주 is a city of Gyeonggi, and a region.
    twice = parse("경기광주나0001")
    assert twice is not None and (twice.region, twice.district) == ("경기", "광주")
    for text in ("외교012-034", "외교012034"):
        found = parse(text)
        assert found is not None
        assert (found.kind, found.region, found.text) == ("diplomatic", "외교", "외교012-034")


@pytest.mark.parametrize(
    "text",
    [
        "", "1234", "00가1234", "012가1234", "12가345", "12가34567", "12각3456", "12바3456", "서울12345",
        "뉴욕12가1234", "12A3456", "1가1234", "1234가5678", "외교12-345", "서울강가1234", "가1234", "12가3456호", "OCR",
    ],
)  # fmt: skip
def test_what_is_no_plate(text: str) -> None:
    assert parse(text) is None
    assert not grammar().matches(text)


def test_every_region_and_district() -> None:
    assert len(set(REGIONS)) == 17
    assert len(set(DISTRICTS)) == len(DISTRICTS)
    for region in REGIONS:
        assert parse(f"{region}12바3456") is not None and grammar().matches(f"{region}12바3456")
    for region, names in DISTRICTS_OF.items():
        for district in names:
            found = parse(f"{region}{district}가1234")
            assert found is not None and found.district == district
    assert {d for names in DISTRICTS_OF.values() for d in names} == set(DISTRICTS)
    assert parse("서울수원가1234") is None  # a city of another province


def test_lines_side_by_side() -> None:
    upper, lower = np.full((16, 40, 3), 10, np.uint8), np.full((64, 128, 3), 200, np.uint8)
    upper[:, :20], lower[:, :64] = 250, 30
    row = as_row([upper, lower], height=32)
    assert row.shape == (32, 80 + 64)
    assert [row[0, k] for k in (20, 60, 90, 130)] == [250, 10, 30, 200]
    squeezed = as_row([upper, lower], height=32, max_width=72)
    assert squeezed.shape == (32, 72)


def test_dark_lines_are_stretched() -> None:
    dark = np.full((32, 64), 20, np.uint8)
    dark[:, 16:48] = 60
    row = as_row([dark], height=32)
    assert row[:, :16].max() == 0 and row[:, 20:44].min() == 255
    flat = np.full((32, 64), 20, np.uint8)
    flat[0, 0] = 22
    assert np.ptp(as_row([flat], height=32)) <= 16  # noise is no text
    clear = np.full((32, 64), 100, np.uint8)
    clear[:, 16:48] = 250
    np.testing.assert_array_equal(as_row([clear], height=32), clear)


# -- scan ----------------------------------------------------------------------------------------------------------
def picture() -> NDArray[np.uint8]:
    return np.full((*SIZE, 3), coded.WHITE, np.uint8)


def scan(tmp_path: pathlib.Path, image: NDArray[np.uint8], words: list[coded.Quad], **options: float) -> list[str]:
    folder = coded.make_models(tmp_path, name="plate-kr", charset=CHARSET, size=SIZE, words=words)
    return [p.text for p in Scanner(models_dir=folder, **options).scan(image)]


def test_two_words_of_a_line_are_one_plate(tmp_path: pathlib.Path) -> None:
    image = picture()
    words = [coded.put(image, 40, 60, "12가", CHARSET), coded.put(image, 120, 60, "3456", CHARSET)]
    folder = coded.make_models(tmp_path, name="plate-kr", charset=CHARSET, size=SIZE, words=words)
    (plate,) = Scanner(models_dir=folder).scan(image)
    assert (plate.text, plate.kind, plate.plain) == ("12가3456", "private", "12가3456")
    assert "".join(c.text for c in plate.characters) == plate.text
    assert plate.confidence > 0.9 and all(c.confidence > 0.9 for c in plate.characters)
    assert np.abs(np.array(plate.quad) - [words[0][0], words[1][1], words[1][2], words[0][3]]).max() < 6
    data = json.loads(json.dumps(plate.to_dict()))
    assert {"text", "kind", "quad", "confidence", "characters", "plain", "region"} <= set(data)


def test_two_lines_are_one_plate(tmp_path: pathlib.Path) -> None:
    image = picture()
    words = [coded.put(image, 80, 40, "서울12", CHARSET), coded.put(image, 70, 84, "바3456", CHARSET)]
    assert scan(tmp_path, image, words) == ["서울12바3456"]


def test_words_beside_a_plate_stay_out_of_it(tmp_path: pathlib.Path) -> None:
    image = picture()
    words = [
        coded.put(image, 40, 20, "AAAA", CHARSET), coded.put(image, 40, 90, "123가", CHARSET),
        coded.put(image, 140, 90, "4567", CHARSET), coded.put(image, 330, 90, "AAA", CHARSET),
    ]  # fmt: skip
    assert scan(tmp_path, image, words) == ["123가4567"]


def test_two_cars_two_plates_the_surest_first(tmp_path: pathlib.Path) -> None:
    image = picture()
    words = [coded.put(image, 20, 20, "12가3456", CHARSET), coded.put(image, 220, 130, "98나7654", CHARSET)]
    image[20:52, 20:32] += 5  # the first figure's shade is off
    folder = coded.make_models(tmp_path, name="plate-kr", charset=CHARSET, size=SIZE, words=words)
    plates = Scanner(models_dir=folder).scan(image)
    assert [p.text for p in plates] == ["98나7654", "12가3456"]
    assert plates[0].confidence > plates[1].confidence


def test_what_is_no_plate_gives_none(tmp_path: pathlib.Path) -> None:
    image = picture()
    words = [coded.put(image, 40, 60, "0212345", CHARSET), coded.put(image, 40, 120, "AAAA", CHARSET)]
    assert scan(tmp_path, image, words) == []


def test_the_grammar_chooses_and_the_plain_reading_stays(tmp_path: pathlib.Path) -> None:
    image = picture()
    words = [coded.put(image, 40, 60, "1A가3456", CHARSET)]
    # The second figure is clearly an A: a figure in its place would be a guess.
    assert scan(tmp_path, image, words, min_confidence=0.6) == []


def test_a_picture_that_is_all_plate_is_read_without_finding(tmp_path: pathlib.Path) -> None:
    image = np.full((coded.HEIGHT, 200, 3), coded.WHITE, np.uint8)
    coded.put(image, 10, 0, "12가3456", CHARSET)
    elsewhere = [coded.box(0, 0, "0")]
    folder = coded.make_models(tmp_path, name="plate-kr", charset=CHARSET, size=SIZE, words=elsewhere)
    assert [p.text for p in Scanner(models_dir=folder).scan(image)] == ["12가3456"]


def test_the_recognizer_of_korean_stands_in(tmp_path: pathlib.Path) -> None:
    image = picture()
    words = [coded.put(image, 40, 60, "12가3456", CHARSET)]
    scanner = Scanner(models_dir=coded.make_models(tmp_path, name="ko", charset=CHARSET, size=SIZE, words=words))
    assert scanner.recognizer == "ko"
    assert [p.text for p in scanner.scan(image)] == ["12가3456"]


def test_errors(tmp_path: pathlib.Path) -> None:
    folder = coded.make_models(tmp_path, name="mrz", charset="0", size=SIZE, words=[coded.box(8, 8, "000")])
    with pytest.raises(ModelNotFound, match="plate-kr, ko"):
        Scanner(models_dir=folder)
    with pytest.raises(InputError, match="min_confidence"):
        Scanner(models_dir=folder, min_confidence=2)
    other = coded.make_models(tmp_path / "x", name="plate-kr", charset="0", size=SIZE, words=[coded.box(8, 8, "000")])
    with pytest.raises(ImageError):
        Scanner(models_dir=other).scan(np.zeros((0, 0, 3), np.uint8))


def test_an_upper_line_that_was_not_found_is_looked_for_above() -> None:
    # As on a yellow plate of 440 by 220 mm: the lower line at 84..200, the upper one at 11..72.
    lower = np.array([[20, 84], [420, 84], [420, 200], [20, 200]], np.float64)
    turn = np.array([[0.98, 0.199], [-0.199, 0.98]])
    candidate = with_upper(Candidate((Line((3,), lower @ turn),), frozenset({3})))
    upper, same = candidate.lines
    assert candidate.words == {3} and (same.quad == lower @ turn).all()
    back = upper.quad @ np.linalg.inv(turn)
    assert back[:, 0] == pytest.approx([20, 420, 420, 20])
    assert back[:2, 1] == pytest.approx([11, 11], abs=3) and back[2:, 1] == pytest.approx([72, 72], abs=4)


def test_what_stands_apart_is_no_first_figure(tmp_path: pathlib.Path) -> None:
    image = picture()
    words = [coded.put(image, 60, 60, "23가4567", CHARSET)]
    coded.put(image, 24, 60, "1", CHARSET)  # nearly twice as far from the 2 as the 3 is
    grown = ((24, 60), *words[0][1:3], (24, 92))
    assert "123가4567" not in scan(tmp_path / "apart", image, [grown])
    image = picture()
    words = [coded.put(image, 60, 60, "123가4567", CHARSET)]
    assert scan(tmp_path / "even", image, words) == ["123가4567"]


def test_a_known_place_is_read_again(tmp_path: pathlib.Path) -> None:
    image = picture()
    words = [coded.put(image, 80, 40, "서울12", CHARSET), coded.put(image, 70, 84, "바3456", CHARSET)]
    folder = coded.make_models(tmp_path, name="plate-kr", charset=CHARSET, size=SIZE, words=words)
    scanner = Scanner(models_dir=folder)
    (plate,) = scanner.scan(image)
    again, nothing = scanner.read(image, [plate.quad, ((300, 20), (380, 20), (380, 50), (300, 50))])
    assert nothing is None
    assert again is None or again.text == plate.text  # where two lines part is a guess


def test_print_is_crowded_and_a_street_is_not() -> None:
    def word(x: float, y: float, w: float = 90, h: float = 20) -> Region:
        return Region(((x, y), (x + w, y), (x + w, y + h), (x, y + h)), 0.9)

    page = [word(10 + 100 * i, 10 + 30 * k) for k in range(6) for i in range(3)]
    candidate = Candidate((Line((4,), np.array(page[4].quad)),), frozenset({4}))
    assert _crowded(candidate, page)
    assert not _crowded(candidate, page[4:5])
    signs = [page[4], word(300, 400), word(20, 300, 300, 90), word(115, 75, 40, 6), word(400, 40)]
    assert not _crowded(Candidate((Line((0,), np.array(page[4].quad)),), frozenset({0})), signs)


@pytest.mark.parametrize(
    ("x", "y", "text", "expected"),
    [
        (200, 60, "AAA", []),  # 12가 3456 and more: a sentence
        (256, 60, "AAA", ["12가3456"]),  # two heights away: a sticker
        (200, 108, "AAA", ["12가3456"]),  # on another level
        (200, 60, "98나7654", ["12가3456", "98나7654"]),  # the next car
    ],
)
def test_a_line_that_goes_on_is_no_plate(
    tmp_path: pathlib.Path, x: int, y: int, text: str, expected: list[str]
) -> None:
    image = picture()
    words = [coded.put(image, 40, 60, "12가3456", CHARSET), coded.put(image, x, y, text, CHARSET)]
    assert sorted(scan(tmp_path, image, words)) == expected


@pytest.mark.parametrize(("x", "expected"), [(12, ["12가3456"]), (188, [])])
def test_the_band_in_front_of_a_plate_is_no_text(tmp_path: pathlib.Path, x: int, expected: list[str]) -> None:
    image = picture()
    words = [coded.put(image, 40, 60, "12가3456", CHARSET), ((x, 60), (x + 16, 60), (x + 16, 92), (x, 92))]
    assert scan(tmp_path, image, words) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("12가3456나", []), ("허12가3456", []), ("12가3456", ["12가3456"])]
)
def test_letters_that_touch_a_plate(tmp_path: pathlib.Path, text: str, expected: list[str]) -> None:
    image = picture()
    assert scan(tmp_path, image, [coded.put(image, 40, 60, text, CHARSET)]) == expected


@pytest.mark.parametrize(
    ("plain", "expected"),
    [("12가3456", False), ("12가34561", False), ("112가3456", False), ("울12가3456", False), ("12가3456동", True),
     ("제12가 3456", True), ("12나3456", False)],
)
def test_figures_and_regions_beside_a_plate_are_no_text(plain: str, expected: bool) -> None:
    assert _goes_on(Plate("12가3456", "private", ((0, 0), (9, 0), (9, 2), (0, 2)), 1.0, (), plain)) is expected


def test_what_a_line_runs_into() -> None:
    def word(x: float, y: float = 100, w: float = 90, h: float = 20) -> Region:
        return Region(((x, y), (x + w, y), (x + w, y + h), (x, y + h)), 0.9)

    paper = np.full((200, 500, 3), 240, np.uint8)

    def goes_on(*more: Region, others: frozenset[int] = frozenset(), picture: np.ndarray = paper) -> bool:
        regions = [word(200), *more]
        candidate = Candidate((Line((0,), np.array(regions[0].quad)),), frozenset({0}))
        return runs_on(candidate, regions, picture, others)

    assert not goes_on()
    assert goes_on(word(300)) and goes_on(word(100))
    assert not goes_on(word(300), others=frozenset({1}))
    assert not goes_on(word(320)) and not goes_on(word(80))  # far
    assert not goes_on(word(300, 115)) and not goes_on(word(200, 125))  # below
    assert not goes_on(word(295, 104, 20, 10)) and not goes_on(word(295, 90, 90, 40))  # much smaller, much larger
    assert not goes_on(word(280))  # the same ink, found twice
    car = paper.copy()
    car[:, :195] = car[:, 295:] = (90, 20, 20)  # a white plate on a red car: what is beside it is no text of its own
    assert not goes_on(word(300), picture=car)
    two = Candidate((Line((0,), np.array(word(200).quad)), Line((), np.array(word(200, 125).quad))), frozenset({0}))
    assert not runs_on(two, [word(200), word(300)], paper)
