"""Invented people and what papers say of them: names, numbers, addresses, dates, offices. Nobody is meant.

Everything is put together at random from closed lists and syllables, with the numbers' dates and check digits right. Of
registration numbers one in twelve has a check digit at random, as those given since October 2020 have.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import numpy as np

from edge_ocr.scanners import korea
from edge_ocr.scanners.card_values import rrn_check_digit
from edge_ocr.scanners.mrz import check_digit

__all__ = ["Person", "alien", "driver", "passport", "resident"]

Rng = np.random.Generator


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_GIVEN = _words(
    "민 서 지 현 수 영 준 우 진 성 경 은 정 호 재 희 윤 연 혜 미 아 주 하 원 동 상 태 승 유 나 도 시 예 선 "
    "규 철 환 훈 석 용 광 건 찬 빈 율 온 별 솔 람 결 봄 슬 기 욱 혁 섭 렬 범 웅 헌 택 권 균 근 길 남 대 덕 "
    "란 련 림 만 명 모 문 배 병 보 복 봉 빛 산 새 샘 숙 순 식 신 안 애 양 엽 오 옥 완 외 운 웅 월 의 이 익 "
    "인 일 임 자 장 전 제 조 종 창 천 춘 충 치 탁 필 한 해 향 형 홍 화 효 후 휘"
)
_ROAD = _words(
    "중앙 시청 역전 세종 충무 을지 퇴계 테헤란 봉은사 논현 학동 도산 언주 강변 한강 은행나무 소나무 벚꽃 "
    "매화 국화 솔밭 대나무 문화 예술 과학 평화 통일 희망 사랑 행복 새마을 상록 청운 백운 용마 북악 남산 동산 "
    "서산 월드컵 올림픽 엑스포 산업 공단 항만 등대 바다 해안 갯벌 금빛 은빛 달빛 햇살 무지개 구름 바람 온천 "
    "약수 돌샘 옹기 장터 우체국 향교 서원 능안 궁동 가람 나래 다솜 라온 마루 보람 아라 자람 차울 큰솔 터미널 "
    "푸른 하늘"
)
_DONG = _words(
    "신사 역삼 논현 청담 삼성 대치 도곡 개포 수서 잠원 반포 방배 상도 노량진 봉천 흑석 가리봉 고척 신월 화곡 "
    "염창 망원 연남 합정 공덕 아현 북가좌 응암 갈현 불광 쌍문 창 월계 하계 장위 정릉 길음 안암 전농 면목 "
    "중화 자양 구의 성수 왕십리 금호 옥수"
)
_HOUSE = _words(
    "현대 한빛 우성 삼호 대림 미도 은하 푸른숲 한신 벽산 동아 신동아 청구 무궁화 진달래 목련"
)
_ROMAN = _words(
    "MIN SEO JI HYUN SU YOUNG JUN WOO JIN SUNG KYUNG EUN JUNG HO JAE HEE YOON YEON HYE MI A JOO HA WON DONG "
    "SANG TAE SEUNG YU NA DO SI YE SUN KYU CHUL HWAN HOON"
)
_ROMAN_SURNAMES = _words(
    "KIM LEE PARK CHOI JUNG KANG CHO YOON JANG LIM HAN OH SEO SHIN KWON HWANG AHN SONG HONG NAMGUNG"
)
_FAMILY = _words(
    "SMITH JOHNSON NGUYEN TRAN PHAM WANG ZHANG LIU CHEN TANAKA SUZUKI SATO IVANOVA PETROV MULLER SCHMIDT "
    "DUBOIS ROSSI GARCIA LOPEZ SILVA SANTOS KHAN ALI SINGH SHARMA RAHMAN HOSSAIN TURSUNOV KARIMOV BATBAYAR "
    "SOK CHEA PERERA THAPA GURUNG OKAFOR DELACRUZ REYES BROWN WILSON TAYLOR ANDERSON"
)
_FIRST = _words(
    "ANNA MARIA JOHN DAVID MICHAEL SARAH EMILY THI VAN MINH LINH HOA QUANG LI WEI JING YAN HIROSHI YUKI "
    "AKIKO OLGA SERGEI IVAN ELENA HANS PETRA LUC SOPHIE MARCO GIULIA CARLOS LUCIA PEDRO ANA AHMED FATIMA RAJ "
    "PRIYA MOHAMMAD AMINA AZIZ DILNOZA BAT OYUN SOKHA DARA NUWAN SUNITA CHIDI GRACE JOSE"
)
_POLICE = (
    "서울특별시경찰청장", "서울지방경찰청장", "부산광역시경찰청장", "부산지방경찰청장", "대구광역시경찰청장",
    "인천광역시경찰청장", "광주광역시경찰청장", "대전광역시경찰청장", "울산광역시경찰청장", "세종특별자치시경찰청장",
    "경기도남부경찰청장", "경기도북부경찰청장", "경기남부지방경찰청장", "강원특별자치도경찰청장", "강원지방경찰청장",
    "충청북도경찰청장", "충청남도경찰청장", "전북특별자치도경찰청장", "전라남도경찰청장", "경상북도경찰청장",
    "경상남도경찰청장",
    "제주특별자치도경찰청장", "충북지방경찰청장", "경남지방경찰청장",
)  # fmt: skip
_SERIAL = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


@dataclass(frozen=True)
class Person:
    """What a card of ``kind`` says: ``fields`` as a scanner should give their values, and of some how they are
    ``printed``, where that is not the same."""

    kind: str
    fields: dict[str, str]
    printed: dict[str, str]


def _one(rng: Rng, items: tuple[str, ...] | list[str] | str) -> str:
    return items[int(rng.integers(len(items)))]


def _day(rng: Rng, first: int, last: int) -> datetime.date:
    start = datetime.date(first, 1, 1)
    return start + datetime.timedelta(days=int(rng.integers((datetime.date(last, 12, 28) - start).days)))


def _name(rng: Rng) -> str:
    common = korea.SURNAMES[8:60]
    surname = common[int(len(common) * rng.random() ** 2)] if rng.random() < 0.9 else _one(rng, korea.SURNAMES)
    count = 1 if rng.random() < 0.07 else 2
    return surname + "".join(_one(rng, _GIVEN) for _ in range(count))


def _rrn(rng: Rng, birth: datetime.date, *, foreign: bool = False) -> str:
    century = (7 if birth.year >= 2000 else 5) if foreign else (3 if birth.year >= 2000 else 1)
    digits = f"{birth:%y%m%d}{century + int(rng.integers(2))}" + "".join(str(x) for x in rng.integers(10, size=5))
    last = str(rng.integers(10)) if rng.random() < 1 / 12 else rrn_check_digit(digits)
    return f"{digits[:6]}-{digits[6:]}{last}"


def _address(rng: Rng) -> tuple[str, str, list[str]]:
    """Province, district, and the lines of an address in them."""
    province = _one(rng, list(korea.PROVINCES))
    district = _one(rng, korea.DISTRICTS[province]) if korea.DISTRICTS[province] else ""
    place = f"{province} {district}".strip()
    if rng.random() < 0.75:
        road = _one(rng, _ROAD) + _one(rng, ["로", "로", "길", "대로"])
        if rng.random() < 0.35:
            road += f"{int(rng.integers(1, 99))}번길"
        street = f"{road} {int(rng.integers(1, 400))}"
        if rng.random() < 0.3:
            street += f"-{int(rng.integers(1, 40))}"
    else:
        street = f"{_one(rng, _DONG)}동 {int(rng.integers(1, 1300))}-{int(rng.integers(1, 90))}"
    rest = ""
    u = rng.random()
    if u < 0.5:
        rest = f"{int(rng.integers(101, 130))}동 {int(rng.integers(1, 30))}{int(rng.integers(1, 7)):02d}호"
    elif u < 0.65:
        rest = f"{int(rng.integers(1, 9))}층"
    tail = ""
    if rng.random() < 0.6:
        tail = f"({_one(rng, _DONG)}동"
        tail += f", {_one(rng, _HOUSE)}아파트)" if rng.random() < 0.5 else ")"
    if rng.random() < 0.5:
        lines = [place, f"{street}, {rest}" if rest else street, tail]
    else:
        lines = [f"{place} {street}" + ("," if rest else ""), f"{rest} {tail}".strip()]
    return province, district, [x for x in lines if x]


def _dotted(rng: Rng, day: datetime.date, *, tight: bool) -> str:
    if tight:
        return f"{day:%Y.%m.%d}" + ("." if rng.random() < 0.6 else "")
    return f"{day.year}. {day.month}. {day.day}." if rng.random() < 0.8 else f"{day.year}.{day.month}.{day.day}."


def resident(rng: Rng) -> Person:
    """A resident card."""
    birth = _day(rng, 1940, 2006)
    issue = _day(rng, max(1999, birth.year + 17), 2025)
    province, district, lines = _address(rng)
    issuer = f"{province} {korea.head_of(district.split(' ')[0])}" if district else f"{province}장"
    name = _name(rng)
    fields = {
        "name": name, "rrn": _rrn(rng, birth), "address": " ".join(lines), "issue_date": issue.isoformat(),
        "issuer": issuer,
    }  # fmt: skip
    return Person("resident", fields, {"issue_date": _dotted(rng, issue, tight=False), "address": "\n".join(lines)})


def driver(rng: Rng) -> Person:
    """A driver's licence."""
    birth = _day(rng, 1945, 2005)
    issue = _day(rng, max(2010, birth.year + 18), 2025)
    lines = _address(rng)[2]
    types = ["1종보통", "2종보통", "1종대형", "2종소형", "1종특수", "1종소형", "2종원동기"]
    chosen = [types[k] for k in sorted(rng.choice(7, 1 if rng.random() < 0.75 else 2, replace=False, p=_TYPE_ODDS))]
    head = f"{int(rng.integers(11, 29))}" if rng.random() < 0.8 else _one(rng, korea.LICENCE_REGIONS)
    year = int(rng.integers(birth.year + 18, issue.year + 1)) % 100
    number = f"{head}-{year:02d}-{int(rng.integers(1e6)):06d}-{int(rng.integers(100)):02d}"
    start = datetime.date(issue.year + int(rng.integers(1, 11)), 1, 1)
    end = datetime.date(start.year, 12, 31)
    fields = {
        "name": _name(rng), "rrn": _rrn(rng, birth), "address": " ".join(lines), "licence_number": number,
        "licence_types": ", ".join(chosen), "renewal_period": f"{start.isoformat()}/{end.isoformat()}",
        "serial": "".join(_one(rng, _SERIAL) for _ in range(int(rng.integers(5, 7)))),
        "issue_date": issue.isoformat(), "issuer": _one(rng, _POLICE),
    }  # fmt: skip
    if not any(c.isdecimal() for c in fields["serial"]):
        fields["serial"] = fields["serial"][:-1] + str(rng.integers(10))
    if rng.random() < 0.4:
        fields["condition"] = ", ".join(sorted({_one(rng, "AAAABCDEF") for _ in range(int(rng.integers(1, 3)))}))
    printed = {
        "issue_date": _dotted(rng, issue, tight=rng.random() < 0.7), "address": "\n".join(lines),
        "renewal_period": f"{start:%Y.%m.%d} ~ {end:%Y.%m.%d}", "licence_types": " ".join(chosen),
    }
    return Person("driver", fields, printed)


_TYPE_ODDS = np.array([0.45, 0.35, 0.08, 0.05, 0.03, 0.02, 0.02])


def alien(rng: Rng) -> Person:
    """A foreigner's registration card."""
    birth = _day(rng, 1950, 2004)
    issue = _day(rng, 2012, 2025)
    number = _rrn(rng, birth, foreign=True)
    name = " ".join([_one(rng, _FAMILY), *(_one(rng, _FIRST) for _ in range(int(rng.integers(1, 3))))])
    office = korea.issuers("alien")
    fields = {
        "name": name, "alien_number": number, "sex": "MF"[1 - int(number[7]) % 2], "nationality": _country(rng),
        "status": _one(rng, korea.STATUSES), "issue_date": issue.isoformat(), "issuer": _one(rng, office),
    }  # fmt: skip
    return Person("alien", fields, {"issue_date": _dotted(rng, issue, tight=True)})


def _country(rng: Rng) -> str:
    names = [c for c in korea.COUNTRIES if "." not in c]
    return _one(rng, names)


def passport(rng: Rng) -> Person:
    """The data page of a Korean passport, with its two lines for machines."""
    birth, issue = _day(rng, 1945, 2015), _day(rng, 2014, 2025)
    expiry = issue.replace(year=issue.year + 10)
    surname, given = _one(rng, _ROMAN_SURNAMES), "".join(_one(rng, _ROMAN) for _ in range(2))
    if rng.random() < 0.4:
        given = f"{_one(rng, _ROMAN)} {_one(rng, _ROMAN)}"
    digits = "".join(str(x) for x in rng.integers(10, size=8))
    number = f"M{digits}"
    if issue >= datetime.date(2021, 12, 21):
        number = f"M{digits[:3]}{_one(rng, 'ABCDEFGHJKLMNPRSTUVWXYZ')}{digits[4:]}"
    sex = _one(rng, "MF")
    first = f"PMKOR{surname}<<{given.replace(' ', '<')}".ljust(44, "<")
    second = f"{number}{check_digit(number)}KOR{birth:%y%m%d}{check_digit(f'{birth:%y%m%d}')}{sex}"
    second += f"{expiry:%y%m%d}{check_digit(f'{expiry:%y%m%d}')}"
    optional = "<" * 14
    if issue.year < 2021:  # the second half of the registration number stood here
        half = "".join(str(x) for x in rng.integers(10, size=6))
        optional = f"{3 if birth.year >= 2000 else 1}{half}".ljust(14, "<")
    second += optional + (check_digit(optional) if optional.strip("<") else "<")
    second += check_digit(second[0:10] + second[13:20] + second[21:43])
    fields = {
        "name": f"{surname} {given}", "surname": surname, "given_names": given, "passport_number": number,
        "nationality": "REPUBLIC OF KOREA", "birth": birth.isoformat(), "sex": sex, "issue_date": issue.isoformat(),
        "expiry": expiry.isoformat(), "name_ko": _name(rng), "issuer": "MINISTRY OF FOREIGN AFFAIRS",
        "line1": first, "line2": second,
    }  # fmt: skip
    printed = {k: f"{d:%d} {d.month}월/{MONTHS[d.month - 1]} {d.year}" for k, d in
               (("birth", birth), ("issue_date", issue), ("expiry", expiry))}
    return Person("passport", fields, printed)
