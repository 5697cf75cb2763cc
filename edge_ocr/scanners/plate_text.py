"""What the text of a Korean number plate says.

The forms are those of the Korean Ministry of Land, Infrastructure and Transport's notices on plates: private
``NN가NNNN`` and ``NNN가NNNN``, commercial and older ones with a region before the class number, diplomatic, and
motorcycles with region and district.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from edge_ocr.constrain import Pattern
from edge_ocr.scanners import korea

__all__ = ["DISTRICTS", "DISTRICTS_OF", "OFFICIAL", "REGIONS", "PlateText", "grammar", "parse"]

_REGION_WORDS = "서울 부산 대구 인천 광주 대전 울산 세종 경기 강원 충북 충남 전북 전남 경북 경남 제주"
REGIONS = tuple(_REGION_WORDS.split())
OFFICIAL = ("외교", "영사", "준외", "준영", "국기", "협정", "대표")
# What stands beside the region on motorcycles: cities, counties and city districts by their short names.
_DISTRICT_WORDS = (
    "가평 강남 강동 강릉 강북 강서 강진 강화 거제 거창 경산 경주 계룡 계양 고령 고성 "
    "고양 고창 고흥 곡성 공주 과천 관악 광명 광산 광양 광주 광진 괴산 구례 구로 구리 "
    "구미 군산 군위 군포 금산 금정 금천 기장 김제 김천 김포 김해 나주 남구 남동 남양주 "
    "남원 남해 노원 논산 단양 달서 달성 담양 당진 대덕 도봉 동구 동대문 동두천 동래 동작 "
    "동해 마포 목포 무안 무주 문경 미추홀 밀양 보령 보성 보은 봉화 부산진 부안 부여 부천 "
    "부평 북구 사상 사천 사하 산청 삼척 상주 서구 서귀포 서대문 서산 서천 서초 성남 성동 "
    "성북 성주 속초 송파 수성 수영 수원 순창 순천 시흥 신안 아산 안동 안산 안성 안양 "
    "양구 양산 양양 양주 양천 양평 여수 여주 연수 연제 연천 영광 영덕 영도 영동 영등포 "
    "영암 영양 영월 영주 영천 예산 예천 오산 옥천 옹진 완도 완주 용산 용인 울릉 울주 "
    "울진 원주 유성 은평 음성 의령 의성 의왕 의정부 이천 익산 인제 임실 장성 장수 장흥 "
    "전주 정선 정읍 제주 제천 종로 중구 중랑 증평 진도 진안 진주 진천 창녕 창원 천안 "
    "철원 청도 청송 청양 청주 춘천 충주 칠곡 태백 태안 통영 파주 평창 평택 포천 포항 "
    "하남 하동 함안 함양 함평 합천 해남 해운대 홍성 홍천 화성 화순 화천 횡성 "
)
DISTRICTS = tuple(_DISTRICT_WORDS.split())


def _districts_of(region: str) -> tuple[str, ...]:
    """Those of a region, by their short names: two syllables are never shortened (중구), longer ones lose the last."""
    name = next(name for name, names in korea.PROVINCES.items() if region in names)
    short = (d if len(d) == 2 else d[:-1] for d in korea.DISTRICTS[name] if " " not in d)
    return tuple(dict.fromkeys(d for d in short if d in DISTRICTS))


DISTRICTS_OF = {region: _districts_of(region) for region in REGIONS}
_PRIVATE = "가나다라마거너더러머버서어저고노도로모보소오조구누두루무부수우주"
_COMMERCIAL, _PARCEL, _RENTAL, _MILITARY = "바사아자", "배", "하허호", "육해공국합"
_MOTORCYCLE = "가나다라마바사아자차카타파하"

_REGION = "|".join(REGIONS)
_REGION_AND_DISTRICT = "|".join(f"{r}(?:{'|'.join(names)})?" if names else r for r, names in DISTRICTS_OF.items())
# Class numbers: 01..99, or 100..999; 00 and what begins with 0 of three digits are never given.
_TWO, _THREE, _ONE = "(?:0[1-9]|[1-9][0-9])", "[1-9][0-9][0-9]", "[1-9]"
_FORMS = {
    "national": f"(?:{_TWO}|{_THREE})[{_PRIVATE}{_RENTAL}{_MILITARY}{_PARCEL}][0-9]{{4}}",
    "regional": f"(?:{_REGION})(?:{_TWO}|{_ONE})[{_PRIVATE}{_RENTAL}{_COMMERCIAL}{_PARCEL}][0-9]{{4}}",
    "official": f"(?:{'|'.join(OFFICIAL)})[0-9]{{3}}-?[0-9]{{3}}",
    "motorcycle": f"(?:{_REGION_AND_DISTRICT})[{_MOTORCYCLE}][0-9]{{4}}",
}
_PARTS = re.compile(
    rf"(?:(?P<region>{_REGION})(?P<district>{'|'.join(DISTRICTS)})?)?(?P<number>[0-9]{{1,3}})?(?P<letter>[가-힣])(?P<serial>[0-9]{{4}})"
)
_OFFICIAL = re.compile(rf"(?P<office>{'|'.join(OFFICIAL)})(?P<first>[0-9]{{3}})-?(?P<second>[0-9]{{3}})")
_KNOWN = {name: re.compile(form) for name, form in _FORMS.items()}


@dataclass(frozen=True)
class PlateText:
    """What the text of a plate says.

    ``kind``: private, rental, commercial, parcel, military, diplomatic or motorcycle. ``vehicle``: what the class
    ``number`` stands for (car, van, lorry, special, emergency; empty where there is none). ``region``, ``district``
    and ``letter`` are empty where a plate has none.
    """

    text: str
    kind: str
    region: str = ""
    district: str = ""
    number: str = ""
    letter: str = ""
    serial: str = ""
    vehicle: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "kind": self.kind,
            "region": self.region,
            "district": self.district,
            "number": self.number,
            "letter": self.letter,
            "serial": self.serial,
            "vehicle": self.vehicle,
        }


def parse(text: str) -> PlateText | None:
    """What a plate's text says, spaces aside; None where it is no Korean plate's."""
    text = re.sub(r"\s+", "", text)
    form = next((name for name, pattern in _KNOWN.items() if pattern.fullmatch(text)), None)
    if form is None:
        return None
    if form == "official":
        found = _OFFICIAL.fullmatch(text)
        assert found is not None
        return PlateText(
            f"{found['office']}{found['first']}-{found['second']}",
            "diplomatic",
            region=found["office"],
            serial=f"{found['first']}-{found['second']}",
        )
    parts = _PARTS.fullmatch(text)
    assert parts is not None
    region, district, number = (parts[k] or "" for k in ("region", "district", "number"))
    letter = parts["letter"]
    if form == "motorcycle":
        kind = "motorcycle"
    elif letter in _PARCEL:
        kind = "parcel"
    elif letter in _COMMERCIAL:
        kind = "commercial"
    elif letter in _RENTAL:
        kind = "rental"
    elif letter in _MILITARY:
        kind = "military"
    else:
        kind = "private"
    return PlateText(text, kind, region, district, number, letter, parts["serial"], _vehicle(number))


def _vehicle(number: str) -> str:
    """What a class number of two or three digits stands for; of one digit it is not known."""
    n = int(number or 0)
    if len(number) == 2:
        return "car" if n <= 69 else "van" if n <= 79 else "lorry" if n <= 97 else "special"
    if len(number) == 3:
        limits = ((699, "car"), (799, "van"), (979, "lorry"), (997, "special"), (999, "emergency"))
        return next(name for last, name in limits if n <= last)
    return ""


@lru_cache(maxsize=1)
def grammar() -> Pattern:
    """Everything that a Korean plate may say, as a pattern."""
    return Pattern("|".join(_FORMS.values()))
