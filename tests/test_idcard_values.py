"""What the fields of Korean identity papers say: numbers, dates, names."""

from __future__ import annotations

import datetime

import numpy as np
import pytest

from edge_ocr.scanners import card_values as v
from edge_ocr.scanners import card_words, korea

TODAY = datetime.date(2026, 11, 22)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("870123-1234567", "870123-1234567"),
        ("870123-1: 234567", "870123-1234567"),  # a word box too many
        ("87O123-l234567", "870123-1234567"),
        ("주민등록번호 010229-3123456", None),  # 2001 was no leap year
        ("000229-3123456", "000229-3123456"),  # 2000 was
        ("871301-1234567", None),
        ("991231-3123456", None),  # born in the year 2099
        ("991231-1123456", "991231-1123456"),
        ("950101-9019902", "950101-9019902"),
        ("880101-5123456", "880101-5123456"),
        ("870123-1******", "870123-1******"),
        ("870123-●234567", None),
        ("870123-123456", None),
        ("010-1234-5678", None),
        ("2022. 3. 15.", None),
    ],
)
def test_registration_numbers(text: str, value: str | None) -> None:
    number = v.registration_number(text, today=TODAY)
    assert (number.value if number is not None else None) == value


def test_a_failing_check_digit_is_told_and_never_refused() -> None:
    good, random = v.registration_number("870123-1234567"), v.registration_number("870123-1234568")
    assert good is not None and good.checked is True and not good.foreign
    assert random is not None and random.checked is False and random.value == "870123-1234568"
    starred, foreign = v.registration_number("870123-1******"), v.registration_number("880101-7123456", today=TODAY)
    assert starred is not None and starred.checked is None
    assert foreign is None  # 7 is of the two thousands: 2088 is to come
    foreign = v.registration_number("080101-7123456", today=TODAY)
    assert foreign is not None and foreign.foreign and foreign.birth == datetime.date(2008, 1, 1)


def test_check_digits_are_those_of_stdnum() -> None:
    rrn = pytest.importorskip("stdnum.kr.rrn")
    rng = np.random.default_rng(0)
    for _ in range(200):
        digits = "".join(str(x) for x in rng.integers(10, size=12))
        assert v.rrn_check_digit(digits) == rrn.calc_check_digit(digits)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("11-22-123456-01", "11-22-123456-01"),
        ("11 - 22 - 123456 - 01", "11-22-123456-01"),
        ("l1-22-I23456-01", "11-22-123456-01"),
        ("서울 11-123456-01", "서울-11-123456-01"),
        ("경남-99-000001-70", "경남-99-000001-70"),
        ("29-22-123456-01", None),  # there is no such region
        ("870123-1234567", None),
        ("2020.01.01~2020.12.31", None),
        ("02-1234-567890", None),
    ],
)
def test_licence_numbers(text: str, value: str | None) -> None:
    assert v.licence_number(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("M12345678", "M12345678"), ("Passport No. M123A4567", "M123A4567"), ("MI23A4S67", "M123A4567"),
     ("M1234567", None), ("REPUBLIC", None), ("123456789", None)],
)  # fmt: skip
def test_passport_numbers(text: str, value: str | None) -> None:
    assert v.passport_number(text) == value


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("2022. 3. 15.", ["2022-03-15"]),
        ("2022 3.15.", ["2022-03-15"]),
        ("2022.03.15", ["2022-03-15"]),
        ("2022년 3월 15일", ["2022-03-15"]),
        ("20220315", ["2022-03-15"]),
        ("2031.1231", ["2031-12-31"]),
        ("2031.12.,31", ["2031-12-31"]),
        ("2031.1 2.31", ["2031-12-31"]),
        ("2020.01.01 ~ 2020.12.31", ["2020-01-01", "2020-12-31"]),
        ("15 3월/MAR 2022", ["2022-03-15"]),
        ("15 7월/)UL 2022", ["2022-07-15"]),  # the number of the month is enough
        ("15 MAY 2022", ["2022-05-15"]),
        ("15 NAY 2022", ["2022-05-15"]),
        ("15 JUX 2022", []),  # June or July
        ("2022. 2. 30.", []),
        ("2022. 13. 1.", []),
        ("870123-1234567", []),
        ("12,000원", []),
    ],
)
def test_dates(text: str, days: list[str]) -> None:
    found = v.dates(text)
    assert [day.isoformat() for day, _ in found] == days
    assert all(raw in text.upper() for _, raw in found)


def test_periods() -> None:
    assert v.period("적성검사 기간 : 2020.01.01 ~ 2020.12.31") == ("2020-01-01/2020-12-31", "2020.01.01 ~ 2020.12.31")
    assert v.period("~ 2020.12.31") == ("../2020-12-31", "~ 2020.12.31")
    assert v.period("2020.12.31 ~ 2020.01.01") is None
    assert v.period("2020.12.31") is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("김민수", "김민수"),
        ("김 민 수", "김민수"),
        ("김민수 (金敏洙)", "김민수"),
        ("김민수 (;(솦핪혔)", "김민수"),  # what a reader without hanja makes of them
        ("김민수【쇼홦 #)", "김민수"),
        ("김민수! (숖핪뼜)", "김민수"),
        ("김민수 숖핪뼜)", "김민수"),  # the opening bracket was not seen
        ("남궁민수(솦핪횺)", "남궁민수"),
        ("성하란 넌 E", "성하란"),  # neither bracket was
        ("허 준", "허준"),
        ("(金敏洙)", None),
        ("김", None),
        ("870123", None),
    ],
)
def test_hanja_is_never_read_into_a_name(text: str, name: str | None) -> None:
    found = v.person(text)
    assert (found[0] if found else None) == name


def test_what_was_guessed_about_a_name_is_told() -> None:
    assert v.person("김민수 (金敏洙)") == ("김민수", True)
    assert v.person("김민수 숖핪뼜)") == ("김민수", False)


def test_types_conditions_serials() -> None:
    assert v.licence_types("1종보통 2종 소형") == ("1종보통", "2종소형")
    assert v.licence_types("l종대형") == ("1종대형",)
    assert v.licence_types("2종보봉") == ("2종보통",) and v.licence_types("2종보험") == ()
    assert v.licence_types("3종보통 자동차") == ()
    assert v.conditions("A, B") == "A, B" and v.conditions("AB") == "A, B"
    assert v.conditions("없음") is None and v.conditions("") is None
    assert v.serial("AB12CD") == "AB12CD" and v.serial("A1B2C") == "A1B2C"
    assert v.serial("ABCDEF") is None and v.serial("AB-12") is None and v.serial("AB12CDE") is None


def test_lists_hold_what_they_should() -> None:
    assert len(korea.PROVINCES) == 17 and korea.DISTRICTS["세종특별자치시"] == ()
    assert "수원시 장안구" in korea.DISTRICTS["경기도"] and "서울 강남구" in korea.places()
    assert [korea.head_of(x) for x in ("강남구", "수원시", "가평군")] == ["강남구청장", "수원시장", "가평군수"]
    assert "서울특별시 강남구청장" in korea.issuers("resident") and "서울특별시경찰청장" in korea.issuers("driver")
    assert "서울출입국·외국인청장" in korea.issuers("alien")


@pytest.mark.parametrize(
    ("read", "value"),
    [
        ("울주군 신월동 935-87 (청담동 무궁화아파트)", "울주군 신월동 935-87 (청담동, 무궁화아파트)"),
        ("길음동 1286-44, 111동 202호 /~ (화곡동)", "길음동 1286-44, 111동 202호 (화곡동)"),
        ("대치동 278-61. 102동 1804호", "대치동 278-61, 102동 1804호"),
        ("아라로58번길 58-1,103동 1101호", "아라로58번길 58-1, 103동 1101호"),
        ("테헤란로 12-3 101동 202호 ( 역삼동 )", "테헤란로 12-3, 101동 202호 (역삼동)"),
        ("서구 길음 동 936-1", "서구 길음동 936-1"),
        ("광산구 새마을로 109, 123동 2601 호 (북가좌동)", "광산구 새마을로 109, 123동 2601호 (북가좌동)"),
        ("경산시 4 국화로 160", "경산시 국화로 160"),
        ("다솜로 128-34, 116통 1306효 (면목통, 동아아파트)", "다솜로 128-34, 116동 1306호 (면목동, 동아아파트)"),
        ("솔밭로 367, 3증 (반포동)", "솔밭로 367, 3층 (반포동)"),
        ("종로구 세종로 3통 2반", "종로구 세종로 3통 2반"),
        ("강남구 삼성동 123-45", "강남구 삼성동 123-45"),
    ],
)
def test_addresses_are_written_as_they_are(read: str, value: str) -> None:
    assert v.address(read) == value
    assert v.address(value) == value


def test_what_recognizers_do_to_dates_and_codes() -> None:
    day = datetime.date
    assert [d for d, _ in v.dates("2024. 9 3")] == [day(2024, 9, 3)]
    assert [d for d, _ in v.dates("2018,01,01 * 2018,.12,31")] == [day(2018, 1, 1), day(2018, 12, 31)]
    assert v.registration_number("2025.01.01 ~ 2025.12.31") is None  # a period, though its digits would do
    assert v.licence_number("총북 06-831195-57") == "충북-06-831195-57"
    assert v.licence_number("가나 06-831195-57") is None
    assert v.serial("YCPKOJ") == "YCPK0J" and v.serial("KOREA") is None and v.serial("SAMPLE") is None


def test_a_spot_on_the_left_of_a_name() -> None:
    assert v.person("0 김민수") == ("김민수", True)
    assert v.person("Q 이영(李英)") == ("이영", True)


def test_shapes_of_names() -> None:
    assert all(v.sino(c) for c in "김민수영철쌍씨") and not any(v.sino(c) for c in "컴팎맛뜻")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("2020.13.1.", ""), ("2025.01.01. ~ 2024.12.31.", ""), ("~ 2030.12.31", ""), ("2020. 13.", ""),
        ("2022-03-15", ""), ("2022년 3월 15일", ""), ("세종대로 1 2029.1.1", "세종대로 1"),
        ("역삼동 1990-2, 3층", "역삼동 1990-2, 3층"), ("2010-12", "2010-12"), ("123-45", "123-45"),
        ("2단지 2010동 1203호", "2단지 2010동 1203호"),
    ],
)  # fmt: skip
def test_text_without_its_dates(text: str, left: str) -> None:
    assert v.undated(text) == left


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("901301-1234567", "901301-1234567"), ("9O1301-l234567", "9O1301-l234567"),
        ("901301-1●●●●●●", "901301-1●●●●●●"),
        ("12-22-123456-01", None), ("010-1234-5678", None), ("901301-123456", None), ("1234-5678-9012-3456", None),
    ],
)  # fmt: skip
def test_shapes_of_numbers(text: str, shape: str | None) -> None:
    assert v.number_shape(text) == shape


def test_a_date_that_cannot_be_is_no_licence_number() -> None:
    assert v.licence_number("123-45 2020.13.1.") is None and v.licence_number("12-34-567890-12") == "12-34-567890-12"


@pytest.mark.parametrize(
    ("text", "whether"),
    [
        ("서울특별시 종로구", True), ("서울특벌시 종로구 세종대로 1", True), ("종로구 세종대로 1", True),
        ("수원시 팔달구", True), ("김민수", False), ("홍길동(洪吉童)", False), ("김 길동", False), ("황보 민구", False),
    ],
)  # fmt: skip
def test_addresses_are_told_from_names(text: str, whether: bool) -> None:
    assert card_words.is_address(text) == whether
