"""The fixed words of Korean identity papers: titles, labels, offices; which of them a line is.

Pure functions of text, forgiving of a letter or two that a recognizer misread.
"""

from __future__ import annotations

import re

from edge_ocr.scanners import card_values as v
from edge_ocr.scanners.korea import PROVINCES

__all__ = ["TITLES", "is_address", "is_province", "is_title", "issuer", "label_of", "sex", "spaced", "status", "words"]

TITLES = {
    "resident": ("주민등록증",),
    "driver": ("운전면허증", "자동차운전면허증"),
    "alien": ("외국인등록증", "국내거소신고증", "영주증", "residencecard"),
    "passport": ("대한민국passport", "passport"),
}
_LABELS = {
    "name": ("성명", "성함", "name", "이름"),
    "rrn": ("주민등록번호", "주민번호"),
    "alien_number": ("외국인등록번호", "등록번호", "국내거소신고번호", "registrationno", "registrationnumber"),
    "sex": ("성별", "성벌", "sex", "성별sex"),
    "nationality": ("국가지역", "국적", "countryregion", "nationality", "국적nationality", "국가지역countryregion"),
    "status": ("체류자격", "status", "statusofsojourn", "체류자격status"),
    "issue_date": ("발급일자", "발급일", "issuedate", "dateofissue", "발급일dateofissue", "발급일자issuedate"),
    "address": ("주소", "address"),
    "licence_number": ("면허번호", "licenseno"),
    "renewal_period": ("갱신기간", "적성검사기간", "적성검사갱신기간", "적성검사", "갱신"),
    "condition": ("조건",),
    "passport_number": ("여권번호", "passportno", "여권번호passportno"),
    "surname": ("성surname", "surname"),
    "given_names": ("이름givennames", "givennames"),
    "birth": ("생년월일", "dateofbirth", "생년월일dateofbirth"),
    "expiry": ("기간만료일", "dateofexpiry", "기간만료일dateofexpiry"),
    "issuer": ("발행관청", "authority", "발행관청authority"),
    "name_ko": ("한글성명",),
    "type": ("종류", "type", "종류type"),
    "state": ("발행국", "countrycode", "issuingcountry", "발행국issuingcountry", "발행국countrycode"),
    "personal_number": ("personalno",),
}
_WORDS = sorted(((text, name) for name, texts in _LABELS.items() for text in texts), key=lambda x: -len(x[0]))
# Who issues cards is the head of something; a seal beside the name may have left a letter or two.
_ISSUED = re.compile(r"(?:(?:청|시|구|소)\s*장|군\s*수|도\s*지\s*사)(?!\s*[가-힣]{2})(?=.{0,4}$)")


def is_title(text: str, title: str) -> bool:
    """Whether a line is a title: nearly its letters, and not much more of its script."""
    own = v.fold(text)
    if title.isascii():
        own = "".join(c for c in own if c.isascii())
        return v.distance(own, title) <= len(title) // 6
    own = v.hangul(own)
    if not title.isalpha() or any(c.isascii() for c in title):
        return False
    if title == "운전면허증" and own.endswith(title):
        return len(own) <= 10
    return len(own) >= len(title) - 1 and v.distance(own, title) <= (1 if len(title) < 6 else 2)


def label_of(text: str) -> tuple[str, str]:
    """The label that a text begins with, and what is left; ("", text) where there is none."""
    tokens = [m.span() for m in re.finditer(r"[^\s:/·.,]+", text)]
    for count in range(min(len(tokens), 6), 0, -1):
        end = tokens[count - 1][1]
        head = v.fold(text[: end])
        for label, name in _WORDS:
            off = v.distance(head, label) if abs(len(head) - len(label)) <= 2 else 9
            if off <= (0 if len(label) < 4 else 1 if len(label) < 8 else 2):
                rest = text[end:].lstrip(" :/.,·")
                again, more = label_of(rest) if rest else ("", "")
                return name, more if again == name or again in ("name", "type") else rest
    for label, name in _WORDS:
        if not label.isascii() and len(label) >= 2 and v.hangul(label) == label:
            joined = re.match(r"\s*".join(label) + r"\s*[:.]?\s*", text)
            # Hangul that goes on without a space might be a word of its own.
            if joined is not None and (len(label) > 2 or not v.hangul(text[joined.end() : joined.end() + 1])):
                return name, text[joined.end() :]
    return "", text


def issuer(text: str) -> str:
    """A text up to the title of whoever issues cards; "" where there is none."""
    text = re.split(r"\s+CHIEF", text.strip())[0]
    found = list(_ISSUED.finditer(text))
    return text[: found[-1].end()] if found and len(v.hangul(text)) >= 4 else ""


def words(text: str) -> str | None:
    value = re.sub(r"\s+", " ", text).strip(" :/")
    return value.upper() if len(v.fold(value)) >= 2 else None


def sex(text: str) -> str | None:
    return {"m": "M", "f": "F", "남": "M", "여": "F"}.get(v.fold(text)[:1])


def status(text: str) -> str | None:
    """``재외동포(F-4)``: the name and, in brackets, the code."""
    m = re.search(r"([A-H])\s*[-–~.]?\s*(\d{1,2})", text)
    name = v.hangul(text[: m.start()] if m else text)
    if m is None:
        return name or None
    return f"{name}({m[1]}-{m[2]})"


def spaced(text: str) -> str:
    text = re.sub(r"\s+", " ", text).strip(" .,:;~|")
    return re.sub(r"\s+([,)])", r"\1", re.sub(r"\(\s+", "(", text))


def is_address(text: str) -> bool:
    """Whether a line is an address, or the beginning of one: it begins with a province, has a number after the name of
    a road or a quarter, or several words that places end like."""
    own = v.fold(text)
    for names in PROVINCES.values():
        for name in names:
            off = v.distance(own[: len(name)], name) if len(name) >= 3 else 9
            if off <= (len(name) >= 5):
                return True
    if re.search(r"[가-힣]{2}(?:로|길|동|리|가|읍|면)\s?\d", text):
        return True
    return len(re.findall(r"[가-힣0-9]{2,}(?:시|도|군|구|읍|면|동|로|길)(?=[\s,]|$)", text)) >= 2


def is_province(text: str) -> bool:
    return re.search(r"(?:시|도)$", text.strip()) is not None and len(v.hangul(text)) <= 8
