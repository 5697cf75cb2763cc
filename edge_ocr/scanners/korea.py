"""Closed lists that Korean papers draw on: provinces and districts, who issues cards, licence types, statuses of stay.

They are used to choose between readings that a recognizer holds possible, never to refuse one: districts are renamed,
and a card keeps the name that it was issued under. Provinces and districts are public facts, as of 2026, with the names
that were in use since 2000.
"""

from __future__ import annotations

from functools import lru_cache

__all__ = [
    "CONDITIONS", "COUNTRIES", "DISTRICTS", "LICENCE_REGIONS", "LICENCE_TYPES", "PROVINCES", "STATUSES", "SURNAMES",
    "head_of", "issuers", "places",
]  # fmt: skip

# Province: its other names, then its cities, counties and districts; what a city is divided into stands in brackets.
_TABLE = """
서울특별시 서울시 서울: 종로구 중구 용산구 성동구 광진구 동대문구 중랑구 성북구 강북구 도봉구 노원구 은평구 서대문구 마포구 양천구 강서구 구로구 금천구 영등포구 동작구 관악구 서초구 강남구 송파구 강동구
부산광역시 부산시 부산: 중구 서구 동구 영도구 부산진구 동래구 남구 북구 해운대구 사하구 금정구 강서구 연제구 수영구 사상구 기장군
대구광역시 대구시 대구: 중구 동구 서구 남구 북구 수성구 달서구 달성군 군위군
인천광역시 인천시 인천: 중구 동구 남구 미추홀구 연수구 남동구 부평구 계양구 서구 제물포구 영종구 검단구 강화군 옹진군
광주광역시 광주시 광주: 동구 서구 남구 북구 광산구
대전광역시 대전시 대전: 동구 중구 서구 유성구 대덕구
울산광역시 울산시 울산: 중구 남구 동구 북구 울주군
세종특별자치시 세종시 세종:
경기도 경기: 수원시(장안구 권선구 팔달구 영통구) 성남시(수정구 중원구 분당구) 의정부시 안양시(만안구 동안구) 부천시(원미구 소사구 오정구) 광명시 평택시 동두천시 안산시(상록구 단원구) 고양시(덕양구 일산구 일산동구 일산서구) 과천시 구리시 남양주시 오산시 시흥시 군포시 의왕시 하남시 용인시(처인구 기흥구 수지구) 파주시 이천시 안성시 김포시 화성시(만세구 효행구 병점구 동탄구) 광주시 양주시 포천시 여주시 여주군 연천군 가평군 양평군
강원특별자치도 강원도 강원: 춘천시 원주시 강릉시 동해시 태백시 속초시 삼척시 홍천군 횡성군 영월군 평창군 정선군 철원군 화천군 양구군 인제군 고성군 양양군
충청북도 충북: 청주시(상당구 서원구 흥덕구 청원구) 충주시 제천시 청원군 보은군 옥천군 영동군 증평군 진천군 괴산군 음성군 단양군
충청남도 충남: 천안시(동남구 서북구) 공주시 보령시 아산시 서산시 논산시 계룡시 당진시 당진군 금산군 연기군 부여군 서천군 청양군 홍성군 예산군 태안군
전북특별자치도 전라북도 전북: 전주시(완산구 덕진구) 군산시 익산시 정읍시 남원시 김제시 완주군 진안군 무주군 장수군 임실군 순창군 고창군 부안군
전라남도 전남: 목포시 여수시 순천시 나주시 광양시 담양군 곡성군 구례군 고흥군 보성군 화순군 장흥군 강진군 해남군 영암군 무안군 함평군 영광군 장성군 완도군 진도군 신안군
경상북도 경북: 포항시(남구 북구) 경주시 김천시 안동시 구미시 영주시 영천시 상주시 문경시 경산시 군위군 의성군 청송군 영양군 영덕군 청도군 고령군 성주군 칠곡군 예천군 봉화군 울진군 울릉군
경상남도 경남: 창원시(의창구 성산구 마산합포구 마산회원구 진해구) 마산시 진해시 진주시 통영시 사천시 김해시 밀양시 거제시 양산시 의령군 함안군 창녕군 고성군 남해군 하동군 산청군 함양군 거창군 합천군
제주특별자치도 제주도 제주: 제주시 서귀포시 북제주군 남제주군
"""  # noqa: E501


def _read() -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    provinces, districts = {}, {}
    for row in _TABLE.strip().splitlines():
        head, _, rest = row.partition(":")
        name, *others = head.split()
        provinces[name] = (name, *others)
        found, city = [], ""
        for token in rest.split():
            inner = token.rstrip(")")
            if "(" in token:
                city, inner = token.split("(")
                inner = inner.rstrip(")")
                found.append(city)
            found.append(f"{city} {inner}" if city else inner)
            if token.endswith(")"):
                city = ""
        districts[name] = tuple(found)
    return provinces, districts


# Provinces with all of their names, and what lies in each: "종로구", "수원시", "수원시 장안구".
PROVINCES, DISTRICTS = _read()

LICENCE_REGIONS = (
    "서울", "부산", "경기", "강원", "충북", "충남", "전북", "전남", "경북", "경남", "제주", "대구", "인천", "광주",
    "대전", "울산",
)  # fmt: skip
LICENCE_TYPES = (
    "1종대형", "1종보통", "1종소형", "1종특수", "1종대형견인차", "1종소형견인차", "1종구난차", "1종트레일러",
    "1종레커", "2종보통", "2종소형", "2종원동기", "2종원동기장치자전거", "1종보통연습", "2종보통연습",
)  # fmt: skip
CONDITIONS = "ABCDEFGHIJ"
STATUSES = (
    "협정(A-3)", "문화예술(D-1)", "유학(D-2)", "기술연수(D-3)", "일반연수(D-4)", "취재(D-5)", "종교(D-6)", "주재(D-7)",
    "기업투자(D-8)", "무역경영(D-9)", "구직(D-10)", "교수(E-1)", "회화지도(E-2)", "연구(E-3)", "기술지도(E-4)",
    "전문직업(E-5)", "예술흥행(E-6)", "특정활동(E-7)", "계절근로(E-8)", "비전문취업(E-9)", "선원취업(E-10)",
    "방문동거(F-1)", "거주(F-2)", "동반(F-3)", "재외동포(F-4)", "영주(F-5)", "결혼이민(F-6)", "기타(G-1)",
    "관광취업(H-1)", "방문취업(H-2)",
)  # fmt: skip
# As they stand on cards, in English capitals.
_COUNTRIES = (
    "AFGHANISTAN, ALBANIA, ALGERIA, ANGOLA, ARGENTINA, ARMENIA, AUSTRALIA, AUSTRIA, AZERBAIJAN, BAHRAIN, "
    "BANGLADESH, BELARUS, BELGIUM, BENIN, BHUTAN, BOLIVIA, BOTSWANA, BRAZIL, BRUNEI, BULGARIA, BURKINA FASO, "
    "BURUNDI, CAMBODIA, CAMEROON, CANADA, CHAD, CHILE, CHINA, CHINA P. R., COLOMBIA, CONGO, COSTA RICA, CROATIA, "
    "CUBA, CYPRUS, CZECH REPUBLIC, DENMARK, DOMINICAN REPUBLIC, ECUADOR, EGYPT, EL SALVADOR, ESTONIA, ETHIOPIA, "
    "FIJI, FINLAND, FRANCE, GABON, GEORGIA, GERMANY, GHANA, GREECE, GUATEMALA, GUINEA, HAITI, HONDURAS, "
    "HONG KONG, HUNGARY, ICELAND, INDIA, INDONESIA, IRAN, IRAQ, IRELAND, ISRAEL, ITALY, IVORY COAST, JAMAICA, "
    "JAPAN, JORDAN, KAZAKHSTAN, KENYA, KUWAIT, KYRGYZSTAN, LAOS, LATVIA, LEBANON, LIBERIA, LIBYA, LITHUANIA, "
    "LUXEMBOURG, MACAO, MADAGASCAR, MALAWI, MALAYSIA, MALI, MALTA, MEXICO, MOLDOVA, MONGOLIA, MOROCCO, "
    "MOZAMBIQUE, MYANMAR, NAMIBIA, NEPAL, NETHERLANDS, NEW ZEALAND, NICARAGUA, NIGER, NIGERIA, NORWAY, OMAN, "
    "PAKISTAN, PALESTINE, PANAMA, PARAGUAY, PERU, PHILIPPINES, POLAND, PORTUGAL, QATAR, ROMANIA, RUSSIA, "
    "RUSSIAN FEDERATION, RWANDA, SAUDI ARABIA, SENEGAL, SERBIA, SINGAPORE, SLOVAKIA, SLOVENIA, SOMALIA, "
    "SOUTH AFRICA, SPAIN, SRI LANKA, STATELESS, SUDAN, SWEDEN, SWITZERLAND, SYRIA, TAIWAN, TAJIKISTAN, TANZANIA, "
    "THAILAND, TIMOR-LESTE, TOGO, TUNISIA, TURKEY, TURKIYE, TURKMENISTAN, UGANDA, UKRAINE, UNITED ARAB EMIRATES, "
    "UNITED KINGDOM, UNITED STATES, UNITED STATES OF AMERICA, URUGUAY, UZBEKISTAN, VENEZUELA, VIETNAM, VIET NAM, "
    "YEMEN, ZAMBIA, ZIMBABWE"
)
COUNTRIES = tuple(x.strip() for x in _COUNTRIES.split(","))
# The surnames of all but about one in a thousand people; of two syllables first.
_SURNAMES = (
    "남궁 황보 제갈 선우 독고 사공 서문 동방 "
    "김 이 박 최 정 강 조 윤 장 임 한 오 서 신 권 황 안 송 전 홍 유 고 문 양 손 배 백 허 남 심 노 하 곽 성 차 주 우 구 "
    "나 민 류 진 지 엄 채 원 천 방 공 현 함 변 염 여 추 도 소 석 선 설 마 길 연 위 표 명 기 반 라 왕 금 "
    "옥 육 인 맹 제 모 탁 국 어 은 편 용 예 경 봉 사 부 가 복 태 목 형 계 피 두 감 음 빈 동 온 호 범 "
    "좌 팽 승 간 상 시 갈 단 견 당 리"
)
SURNAMES = tuple(_SURNAMES.split())
_OFFICES = (
    "서울", "서울남부", "인천", "수원", "부산", "대구", "광주", "대전", "창원", "전주", "청주", "춘천", "제주", "양주",
    "여수", "울산", "김해공항", "인천공항",
)  # fmt: skip


@lru_cache(maxsize=1)
def places() -> tuple[str, ...]:
    """What an address may begin with: a province under any of its names, with and without a district."""
    out = []
    for name, names in PROVINCES.items():
        for own in names:
            out.append(own)
            out += [f"{own} {district}" for district in DISTRICTS[name]]
    return tuple(out)


def head_of(district: str) -> str:
    """Who heads it: 강남구청장, 수원시장, 가평군수."""
    return {"구": f"{district}청장", "군": f"{district[:-1]}군수"}.get(district[-1], f"{district}장")


@lru_cache(maxsize=4)
def issuers(kind: str) -> tuple[str, ...]:
    """Who issues cards of a ``kind``: heads of districts and cities, of the police, of immigration offices."""
    out: list[str] = []
    if kind == "resident":
        for name, names in PROVINCES.items():
            out += [f"{own}장" for own in names if own.endswith("시")]
            for district in DISTRICTS[name]:
                head = head_of(district)
                out += [f"{own} {head}" for own in names] if " " not in district else [f"{names[0]} {head}"]
                out.append(head)
    elif kind == "driver":
        for names in PROVINCES.values():
            out += [f"{own}{head}" for own in names for head in ("경찰청장", "지방경찰청장")]
        out += [f"경기{side}{head}" for side in ("남부", "북부") for head in ("경찰청장", "지방경찰청장")]
        out += [f"경기도{side}{head}" for side in ("남부", "북부") for head in ("경찰청장", "지방경찰청장")]
    elif kind == "alien":
        for office in _OFFICES:
            out += [f"{office}출입국·외국인{x}" for x in ("청장", "사무소장")] + [f"{office}출입국관리사무소장"]
    return tuple(dict.fromkeys(out))
