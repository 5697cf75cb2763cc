"""Lines of identity papers to fields: every kind, in several orders, with what recognizers do to them."""

from __future__ import annotations

import datetime

import pytest

from edge_ocr.scanners.card_parse import Span, parse

TODAY = datetime.date(2026, 11, 22)
RESIDENT = [
    "주민등록증", "김민수(金敏洙)", "870123-1234567", "서울특별시 강남구 삼성동", "123-45", "2022. 3. 15.",
    "서울특별시 강남구청장",
]  # fmt: skip
DRIVER = [
    "자동차운전면허증(Driver's License)", "1종보통", "11-22-123456-01", "홍길동", "010203-3123456",
    "서울특별시 종로구 세종대로 209", "(세종로)", "적성검사 기간 : 2030.01.01", "~ 2030.12.31", "조건 : A", "AB12CD",
    "2015.03.05.", "서울특별시경찰청장",
]  # fmt: skip
ALIEN = [
    "외국인등록증 RESIDENCE CARD", "외국인등록번호 880101-5123456", "성별 F", "성 명 HONG SAMPLE",
    "국가/지역 UNITED STATES", "체류자격 재외동포(F-4)",
    "발급일자 2020.01.01", "서울출입국·외국인청장", "CHIEF, SEOUL IMMIGRATION OFFICE",
]  # fmt: skip
PASSPORT = [
    "여권 PASSPORT", "대한민국 REPUBLIC OF KOREA", "여권번호/Passport No.", "M123A4567", "성/Surname", "LEE",
    "이름/Given names", "SU YEON", "국적/Nationality", "REPUBLIC OF KOREA", "생년월일/Date of birth",
    "15 12월/DEC 1993", "성별/Sex", "F", "발급일/Date of issue", "21 12월/DEC 2021",
    "기간만료일/Date of expiry", "21 12월/DEC 2031",
    "한글성명", "이수연",
]  # fmt: skip


def values(lines: list[str]) -> dict[str, str]:
    card = parse(lines, today=TODAY)
    assert card is not None
    return {name: f.value for name, f in card.fields.items()}


def test_resident_card() -> None:
    card = parse(RESIDENT, today=TODAY)
    assert card is not None and (card.kind, card.title, card.accepted, card.complete) == ("resident", True, True, True)
    assert {name: f.value for name, f in card.fields.items()} == {
        "name": "김민수", "rrn": "870123-1234567", "address": "서울특별시 강남구 삼성동 123-45",
        "issue_date": "2022-03-15", "issuer": "서울특별시 강남구청장",
    }  # fmt: skip
    assert card.fields["issue_date"].raw == "2022. 3. 15." and card.fields["name"].raw == "김민수"


def test_drivers_licence() -> None:
    card = parse(DRIVER, today=TODAY)
    assert card is not None and (card.kind, card.accepted, card.complete) == ("driver", True, True)
    assert {name: f.value for name, f in card.fields.items()} == {
        "licence_number": "11-22-123456-01", "licence_types": "1종보통", "name": "홍길동", "rrn": "010203-3123456",
        "address": "서울특별시 종로구 세종대로 209 (세종로)", "renewal_period": "2030-01-01/2030-12-31",
        "condition": "A", "serial": "AB12CD", "issue_date": "2015-03-05", "issuer": "서울특별시경찰청장",
    }  # fmt: skip


def test_foreigners_card() -> None:
    card = parse(ALIEN, today=TODAY)
    assert card is not None and (card.kind, card.accepted, card.complete) == ("alien", True, True)
    assert {name: f.value for name, f in card.fields.items()} == {
        "alien_number": "880101-5123456", "sex": "F", "name": "HONG SAMPLE", "nationality": "UNITED STATES",
        "status": "재외동포(F-4)", "issue_date": "2020-01-01", "issuer": "서울출입국·외국인청장",
    }  # fmt: skip


def test_passport_without_its_zone() -> None:
    found = values(PASSPORT)
    assert found == {
        "passport_number": "M123A4567", "surname": "LEE", "given_names": "SU YEON", "name": "LEE SU YEON",
        "nationality": "REPUBLIC OF KOREA", "birth": "1993-12-15", "sex": "F", "issue_date": "2021-12-21",
        "expiry": "2031-12-21", "name_ko": "이수연",
    }  # fmt: skip


def test_labels_with_their_values_beside_them() -> None:
    """Two columns, labels in two languages one below the other, and the value on the middle between them."""
    rows = [("성명", "Name", "BATBAYAR OYUN"), ("국가/지역", "Country/Region", "MONGOLIA")]
    rows.append(("체류자격", "Status", "유학(D-2)"))
    spans = [Span("외국인등록증", 1.0, (0, 0, 30, 6)), Span("010101-8123456 성별 F", 1.0, (40, 10, 90, 14))]
    for k, (korean, english, value) in enumerate(rows):
        y = 20.0 + 10 * k
        spans += [Span(korean, 1.0, (0, y, 12, y + 3)), Span(english, 1.0, (0, y + 3.5, 10, y + 6))]
        spans.append(Span(value, 1.0, (40, y + 0.5, 70, y + 4.5)))
    card = parse(spans, today=TODAY)
    assert card is not None and {name: f.value for name, f in card.fields.items()} == {
        "alien_number": "010101-8123456", "sex": "F", "name": "BATBAYAR OYUN", "nationality": "MONGOLIA",
        "status": "유학(D-2)",
    }  # fmt: skip


def test_a_portrait_side_says_nothing() -> None:
    """What is read on a portrait, or beside the card, is no name and no address."""
    spans = [Span(text, 1.0, (0, 10.0 * k, 60, 10.0 * k + 5)) for k, text in enumerate(RESIDENT)]
    spans += [Span("가나다", 0.6, (90, 14, 110, 18)), Span("호텔 로비", 0.9, (90, 31, 120, 35))]
    card = parse(spans, today=TODAY)
    assert card is not None and card.fields["name"].value == "김민수"
    assert card.fields["address"].value == "서울특별시 강남구 삼성동 123-45"


@pytest.mark.parametrize(
    ("old", "new", "name", "value"),
    [
        ("주민등록증", "주 민 등 록 증", "name", "김민수"),
        ("주민등록증", "주민동록증", "name", "김민수"),  # a letter misread
        ("김민수(金敏洙)", "김민수 (;(솦핪혔)", "name", "김민수"),
        ("서울특별시 강남구청장", "서울특별시 강남구청장r", "issuer", "서울특별시 강남구청장"),  # the seal's edge
        ("서울특별시 강남구청장", "서울특별시 강남구청쉬", "issuer", "서울특별시 강남구청장"),  # the seal's middle
        ("2022. 3. 15.", "2022 3.15.", "issue_date", "2022-03-15"),
        ("870123-1234567", "87O123-1234567", "rrn", "870123-1234567"),
    ],
)
def test_readings_that_are_off(old: str, new: str, name: str, value: str) -> None:
    assert values([new if x == old else x for x in RESIDENT])[name] == value


def test_labels_are_no_values() -> None:
    """A column of labels in which one follows the other: what stands beside them counts."""
    spans = [Span("외국인등록증", 1.0, (0, 0, 30, 6)), Span("010101-8123456 성벌 M", 1.0, (40, 10, 90, 14))]
    for k, (name, value) in enumerate([("체류자격", "유학(D-2)"), ("국가/지역", "FIJI"), ("성명", "SOK DARA")]):
        spans.append(Span(name, 1.0, (0, 20.0 + 10 * k, 12, 24.0 + 10 * k)))
        spans.append(Span(value, 1.0, (40, 20.0 + 10 * k, 70, 24.0 + 10 * k)))
    card = parse(spans[:3] + spans[4:], today=TODAY)  # the status itself was not found
    assert card is not None and "status" not in card.fields and card.fields["nationality"].value == "FIJI"
    assert card.fields["sex"].value == "M"


def test_a_title_is_not_needed_where_all_else_is_there() -> None:
    assert values(RESIDENT[1:])["name"] == "김민수"


def test_several_types_and_older_numbers() -> None:
    lines = [x.replace("11-22-123456-01", "서울 98-123456-01").replace("1종보통", "1종보통 2종소형") for x in DRIVER]
    found = values(lines)
    assert found["licence_number"] == "서울-98-123456-01" and found["licence_types"] == "1종보통, 2종소형"


def test_a_guess_after_a_name_is_left_out() -> None:
    """Hanja whose bracket was missed, read as a syllable that nobody is sure of."""
    spans = [Span(text, 0.9, (0, 10.0 * k, 60, 10.0 * k + 5)) for k, text in enumerate(RESIDENT)]
    spans[1] = Span("김민수넌", 0.9, spans[1].box, (1.0, 1.0, 1.0, 0.3))
    card = parse(spans, today=TODAY)
    assert card is not None and card.fields["name"].value == "김민수"
    spans[1] = Span("황보민수", 0.9, spans[1].box, (1.0, 1.0, 1.0, 0.9))
    card = parse(spans, today=TODAY)
    assert card is not None and card.fields["name"].value == "황보민수"


def test_a_guess_beside_a_name_is_left_out() -> None:
    spans = [Span(text, 0.9, (10, 10.0 * k, 60, 10.0 * k + 5)) for k, text in enumerate(RESIDENT)]
    spans[1] = Span("민수", 0.9, (16, 10, 40, 15))
    beside = Span("김", 0.9, (10, 10, 14, 15))
    card = parse([*spans, beside], today=TODAY)
    assert card is not None and card.fields["name"].value == "김민수"
    card = parse([*spans, Span("쓰", 0.3, beside.box)], today=TODAY)
    assert card is not None and card.fields["name"].value == "민수"


def test_an_address_is_no_issuer() -> None:
    lines = [x for x in RESIDENT if not x.endswith("청장")]
    lines[3] = "서울특별시 강남구"
    found = values(lines)
    assert "issuer" not in found and found["address"] == "서울특별시 강남구 123-45"


def test_what_is_missing_makes_a_card_incomplete() -> None:
    without = parse([x for x in DRIVER if x != "AB12CD"], today=TODAY)
    assert without is not None and without.accepted and not without.complete
    starred = parse([x.replace("1234567", "1******") for x in RESIDENT], today=TODAY)
    assert starred is not None and starred.accepted and not starred.complete
    assert starred.fields["rrn"].value == "870123-1******"
    # Seven digits are enough for a licence.
    seven = parse([x.replace("3123456", "3******") for x in DRIVER], today=TODAY)
    assert seven is not None and seven.complete
    nameless = parse([x for x in RESIDENT if not x.startswith("김")], today=TODAY)
    assert nameless is not None and not nameless.accepted


def test_a_wrong_check_digit_only_lowers_confidence() -> None:
    right, wrong = parse(RESIDENT, today=TODAY), parse([x.replace("4567", "4568") for x in RESIDENT], today=TODAY)
    assert right is not None and wrong is not None and wrong.accepted
    assert wrong.fields["rrn"].value == "870123-1234568"
    assert 0.5 < wrong.fields["rrn"].confidence < right.fields["rrn"].confidence


def test_an_impossible_number_is_no_number() -> None:
    """It has no value, but name and address still stand above and below it."""
    for birth, century in (("871323", "1"), ("870132", "1"), ("300101", "3")):  # the last is to come
        number = f"{birth}-{century}234567"
        card = parse([x.replace("870123-1234567", number) for x in RESIDENT], today=TODAY)
        assert card is not None and not card.accepted and not card.complete
        assert {name: (f.raw, f.value) for name, f in card.fields.items() if name != "issuer"} == {
            "rrn": (number, ""), "name": ("김민수", "김민수"), "issue_date": ("2022. 3. 15.", "2022-03-15"),
            "address": ("서울특별시 강남구 삼성동 123-45", "서울특별시 강남구 삼성동 123-45"),
        }  # fmt: skip
    licence = parse([x.replace("010203", "011303") for x in DRIVER], today=TODAY)
    assert licence is not None and not licence.accepted
    assert licence.fields["name"].value == "홍길동"
    assert licence.fields["address"].value == "서울특별시 종로구 세종대로 209 (세종로)"


@pytest.mark.parametrize("line", ["서울특별시 종로구 세종대로 1", "종로구 세종대로 1", "수원시 팔달구"])
def test_no_name_is_cut_out_of_an_address(line: str) -> None:
    """A registration number that stands below an address, where no card has it."""
    card = parse(["주민등록증", line, "870123-1234567", "2022. 3. 15.", "서울특별시 강남구청장"], today=TODAY)
    assert card is not None and "name" not in card.fields and not card.accepted


def test_a_card_is_not_older_than_its_holder() -> None:
    card = parse([x.replace("2022. 3. 15.", "1986. 3. 15.") for x in RESIDENT], today=TODAY)
    assert card is not None and not card.consistent and not card.accepted and not card.complete
    assert card.fields["issue_date"].value == "1986-03-15" and card.fields["rrn"].value == "870123-1234567"
    licence = parse([x.replace("2015.03.05.", "1999.03.05.") for x in DRIVER], today=TODAY)
    assert licence is not None and not licence.accepted and not licence.complete
    same = parse([x.replace("2022. 3. 15.", "1987. 1. 23.") for x in RESIDENT], today=TODAY)
    assert same is not None and same.accepted


@pytest.mark.parametrize(
    "day", ["2029. 1. 1.", "2029.1.1", "2020.13.1.", "2020. 2. 31.", "2020년 13월 1일", "20290101"]
)
def test_a_day_that_cannot_be_is_no_part_of_an_address(day: str) -> None:
    found = values([x.replace("2022. 3. 15.", day) for x in RESIDENT])
    assert "issue_date" not in found and found["address"] == "서울특별시 강남구 삼성동 123-45"
    assert found["issuer"] == "서울특별시 강남구청장"
    joined = [x.replace("123-45", f"123-45 {day}") for x in RESIDENT if x != "2022. 3. 15."]
    if day != "20290101":
        assert values(joined)["address"] == "서울특별시 강남구 삼성동 123-45"


@pytest.mark.parametrize(
    "period",
    [
        ["적성검사기간", "2025.01.01. ~ 2024.12.31."],
        ["적성검사 2025.01.01. ~ 2024.12.31."],
        ["적성검사 기간 : 2025.01.01.", "~ 2024.12.31."],
        ["적성검사 기간 : 2025.01.01. ~", "2024.12.31."],
    ],
)
def test_the_end_of_a_period_is_no_day_of_issue(period: list[str]) -> None:
    at = DRIVER.index("적성검사 기간 : 2030.01.01")
    lines = [*DRIVER[:at], *period, *DRIVER[at + 2 :]]
    found = values(lines)
    assert found["issue_date"] == "2015-03-05" and found["address"] == "서울특별시 종로구 세종대로 209 (세종로)"
    one = [*lines[: lines.index("2015.03.05.")], "2015.03.05. 서울특별시경찰청장"]
    assert values(one)["issue_date"] == "2015-03-05" and values(one)["issuer"] == "서울특별시경찰청장"
    assert "issue_date" not in values([x for x in lines if x != "2015.03.05."])


@pytest.mark.parametrize("line", ["서울특별시 강남구", "서울특별시 강남구 역삼동", "수원시 팔달구"])
def test_an_address_below_all_else_is_no_issuer(line: str) -> None:
    """An office is completed by its last syllable, which a seal covers; none is made out of a place."""
    found = values(["주민등록증", "김민수", "870123-1234567", line])
    assert "issuer" not in found and found["address"] == line


def test_confidence_is_that_of_the_characters_that_are_used() -> None:
    spans = [Span(text, 0.9, (0, 10.0 * k, 60, 10.0 * k + 5)) for k, text in enumerate(RESIDENT)]
    text = "김민수(솦핪횺)"
    spans[1] = Span(text, 0.3, spans[1].box, (1.0, 1.0, 1.0, 0.5, 0.05, 0.05, 0.05, 0.5))
    card = parse(spans, today=TODAY)
    assert card is not None and card.fields["name"].confidence == pytest.approx(1.0)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["합계 12,000원", "카드 1234-5678-9012-3456", "2022. 3. 15."],
        ["주민등록증 사본을 제출해 주시기 바랍니다", "2022. 3. 15."],
        ["주민등록증", "운전면허증", "여권"],
        ["홍길동", "010-1234-5678", "서울특별시 강남구", "2022. 3. 15."],
        ["870123-1234567"],
        ["PASSPORT", "boarding gate 12"],
        ["서울특별시 강남구청장", "2022. 3. 15.", "공고"],
        ["x" * 5000] * 50,
    ],
)
def test_nothing_that_is_no_card(lines: list[str]) -> None:
    assert parse(lines, today=TODAY) is None
