"""Lines that were read on a Korean identity paper -> which paper it is, and its fields.

Pure: text and where it stands in, fields out. Every kind has its title, its numbers and its labels, and where those are
missing the order in which such cards are printed: a name stands above the registration number and an address below it.
No layout is measured out; cards of several generations are in use, and cameras tilt them.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edge_ocr.scanners import card_values as v
from edge_ocr.scanners import korea

__all__ = ["KINDS", "CardText", "FieldText", "Span", "parse"]

Box = tuple[float, float, float, float]
KINDS = ("resident", "driver", "alien", "passport")
# What a card must have to be believed, and what the services that tell whether a card is authentic ask for.
_REQUIRED = {
    "resident": ("name", "rrn"),
    "driver": ("name", "rrn", "licence_number"),
    "alien": ("name", "alien_number"),
    "passport": ("name", "passport_number"),
}
_COMPLETE = {
    "resident": ("name", "rrn", "issue_date"),
    "driver": ("name", "rrn", "licence_number", "serial"),
    "alien": ("alien_number", "issue_date"),
    "passport": ("name", "passport_number", "birth", "expiry"),
}
_TITLES = {
    "resident": ("주민등록증",),
    "driver": ("운전면허증", "자동차운전면허증"),
    "alien": ("외국인등록증", "국내거소신고증", "영주증", "residencecard"),
    "passport": ("대한민국passport", "passport"),
}
_LABELS = {
    "name": ("성명", "성함", "name", "이름"),
    "rrn": ("주민등록번호", "주민번호"),
    "alien_number": ("외국인등록번호", "등록번호", "국내거소신고번호", "registrationno", "registrationnumber"),
    "sex": ("성별", "sex", "성별sex"),
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


@dataclass(frozen=True)
class Span:
    """A piece of a line that was read: its text, how sure that is, its box x0, y0, x1, y1 with the card upright, in any
    unit, and how sure each character is (empty: all as sure as the whole)."""

    text: str
    confidence: float = 1.0
    box: Box = (0.0, 0.0, 0.0, 0.0)
    sure: tuple[float, ...] = ()

    @property
    def height(self) -> float:
        return self.box[3] - self.box[1]

    @property
    def level(self) -> float:
        return (self.box[1] + self.box[3]) / 2

    def sure_of(self, part: str) -> float:
        """How sure a part of the text is, on geometric average."""
        at = self.text.find(part) if part else -1
        if at < 0 or len(self.sure) != len(self.text):
            return self.confidence
        own = [max(c, 1e-6) for c, x in zip(self.sure[at:], part, strict=False) if x != " "]
        return float(np.exp(np.mean(np.log(own)))) if own else self.confidence


@dataclass(frozen=True)
class FieldText:
    """A field: as it was ``read``, its ``value`` in one normal form, how sure, and which spans it was taken from."""

    raw: str
    value: str
    confidence: float
    spans: tuple[int, ...] = ()


@dataclass(frozen=True)
class CardText:
    """What the spans say: ``kind`` is one of ``KINDS``, ``title`` tells whether its title was among them."""

    kind: str
    fields: dict[str, FieldText]
    title: bool

    @property
    def accepted(self) -> bool:
        """Whether all that such a card must have was found in the form that it must have."""
        return all(name in self.fields for name in _REQUIRED[self.kind])

    @property
    def complete(self) -> bool:
        """Whether all that authenticity services ask for was found: of a resident card name, number and day of issue,
        of a licence name, number of birth, licence number and serial; nothing starred out."""
        found = [self.fields.get(name) for name in _COMPLETE[self.kind]]
        return all(f is not None and "*" not in f.value[: 8 if self.kind == "driver" else None] for f in found)


def parse(lines: Sequence[str | Span], *, today: datetime.date | None = None) -> CardText | None:
    """The card that the lines are of; None where they are of none.

    Plain strings stand below one another. ``today`` (default: the day) is what no date of birth or issue may be after.
    """
    spans = [
        Span(x, 1.0, (0.0, float(k), 0.6 * len(x), k + 0.7)) if isinstance(x, str) else x for k, x in enumerate(lines)
    ]
    day = today or datetime.date.today()
    page = _Page(spans, day)
    kind = page.kind()
    if kind is None:
        return None
    finders: dict[str, Callable[[], None]] = {
        "resident": page.resident, "driver": page.driver, "alien": page.alien, "passport": page.passport,
    }  # fmt: skip
    finders[kind]()
    fields = {name: f for name, f in page.fields.items() if f.value}
    return CardText(kind, fields, kind in page.titles) if len(fields) >= 2 else None


@dataclass
class _Page:
    """The spans of a card, and the fields as they are found: a span that is used up is in ``used``."""

    spans: list[Span]
    today: datetime.date
    fields: dict[str, FieldText] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)
    titles: dict[str, int] = field(default_factory=dict)
    numbers: dict[int, v.Number] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.order = sorted(range(len(self.spans)), key=lambda k: (self.spans[k].level, self.spans[k].box[0]))
        # Which label a span begins with, if any, and what is left of it.
        self.labels: dict[int, tuple[str, str]] = {}
        for k in self.order:
            text = self.spans[k].text
            for kind, titles in _TITLES.items():
                if kind not in self.titles and any(_is_title(text, t) for t in titles):
                    self.titles[kind] = k
            name, rest = _label(text)
            if name:
                self.labels[k] = (name, rest)
            number = v.registration_number(rest if name else text, today=self.today)
            if number is not None:
                self.numbers[k] = number

    # -- which card ------------------------------------------------------------------------------------------------

    def kind(self) -> str | None:
        """By titles and numbers; both, or enough that goes with the numbers."""
        licence = any(v.licence_number(self.value_of(k)) for k in self.order)
        foreign = [n.foreign for n in self.numbers.values()]
        own = {name for name, _ in self.labels.values()}
        if "passport" in self.titles and (
            {"passport_number", "surname", "birth", "expiry"} & own
            or any(v.passport_number(self.spans[k].text) for k in self.order)
        ):
            return "passport"
        if licence and ("driver" in self.titles or foreign or any(v.licence_types(s.text) for s in self.spans)):
            return "driver"
        if "driver" in self.titles and foreign:
            return "driver"
        if any(foreign) and ("alien" in self.titles or own & {"status", "nationality", "alien_number"}):
            return "alien"
        if "alien" in self.titles and own & {"status", "nationality", "alien_number"}:
            return "alien"
        if "resident" in self.titles and (foreign or self.issued() is not None):
            return "resident"
        if foreign and not any(foreign) and self.issued() is not None and "driver" not in self.titles:
            k = next(iter(self.numbers))
            if any(self.spans[i].level > self.spans[k].level and v.dates(self.spans[i].text) for i in self.order):
                return "resident"
        return None

    def issued(self) -> int | None:
        """The span that names who issued the card."""
        ends = [k for k in self.order if _issuer(self.spans[k].text) and self.free(k)]
        return ends[-1] if ends else None

    # -- the kinds -------------------------------------------------------------------------------------------------

    def resident(self) -> None:
        number = self.take_number("rrn")
        title = self.titles.get("resident")
        self.take_issuer("resident")
        self.take_dates()
        top = self.spans[title].level if title is not None else -np.inf
        self.take_person(top, self.top_of(number), near=number)
        self.take_address(self.bottom_of(number, title), self.top_of(self.span_of("issue_date", "issuer")), number)

    def driver(self) -> None:
        for k in self.order:
            found = v.licence_number(self.value_of(k))
            if found and self.free(k):
                self.put("licence_number", self.value_of(k), found, (k,))
                break
        kinds = [(k, v.licence_types(self.spans[k].text)) for k in self.order if self.free(k)]
        if any(t for _, t in kinds):
            ids = tuple(k for k, t in kinds if t)
            types = dict.fromkeys(t for _, several in kinds for t in several)
            self.put("licence_types", " ".join(self.spans[k].text for k in ids), ", ".join(types), ids)
        number = self.take_number("rrn")
        self.take_period()
        self.take_condition()
        self.take_issuer("driver")
        self.take_dates()
        above = self.span_of("licence_number")
        if above is None:
            above = self.titles.get("driver")
        top = self.spans[above].level if above is not None else -np.inf
        self.take_person(top, self.top_of(number), near=number)
        ends = [self.span_of(x) for x in ("renewal_period", "condition", "issue_date", "issuer")]
        bottom = min((self.spans[k].box[1] for k in ends if k is not None), default=np.inf)
        self.take_address(self.bottom_of(number, above), bottom, number)
        ranked = []
        for k in self.order:
            found = v.serial(self.spans[k].text)
            if found and self.free(k) and k not in self.titles.values():
                ranked.append((self.spans[k].confidence, k, found))
        if ranked:
            _, k, found = max(ranked)
            self.put("serial", self.spans[k].text, found, (k,))

    def alien(self) -> None:
        number = self.take_number("alien_number")
        self.take_labelled("sex", _sex)
        for k in self.order:  # often beside the number, and read with it
            text = self.spans[k].text
            inside = re.search(r"(?:성\s?별|\bsex)\W*([MF남여])\b", text, re.IGNORECASE)
            if k == number:
                inside = inside or re.search(r"[0-9*]\s+성?\S{0,2}\s*([MF])$", text.strip())
            if "sex" not in self.fields and inside is not None:
                self.put("sex", inside[1], _sex(inside[1]) or "", (k,))
        self.take_labelled("nationality", _words)
        self.take_labelled("status", _status)
        self.take_labelled("name", v.latin_name)
        self.take_issuer("alien")
        self.take_dates()
        if "status" not in self.fields:
            for k in self.order:
                if self.free(k) and re.search(r"\(?[A-H]\s?-\s?\d{1,2}\)?\s*$", self.spans[k].text):
                    self.put("status", self.spans[k].text, _status(self.spans[k].text) or "", (k,))
                    break
        if "name" not in self.fields and number is not None:
            for k in self.order:
                found = v.latin_name(self.spans[k].text)
                low = self.spans[k].level > self.spans[number].level
                if low and self.free(k) and found and k not in self.labels and " " in found and found.isascii():
                    self.put("name", self.spans[k].text, found, (k,))
                    break

    def passport(self) -> None:
        for k in self.order:
            found = v.passport_number(self.value_of(k))
            if found and self.free(k):
                self.put("passport_number", self.value_of(k), found, (k,))
                break
        self.take_labelled("surname", v.latin_name)
        self.take_labelled("given_names", v.latin_name)
        self.take_labelled("sex", _sex)
        self.take_known("nationality", ("REPUBLIC OF KOREA",))
        self.take_known("issuer", ("MINISTRY OF FOREIGN AFFAIRS", "MINISTRY OF FOREIGN AFFAIRS AND TRADE"))
        self.take_labelled("nationality", _words)
        self.take_labelled("issuer", _words)
        days = sorted((day, k, raw) for k in self.order if self.free(k) for day, raw in v.dates(self.spans[k].text))
        names: tuple[str, ...] = ("birth", "issue_date", "expiry") if len(days) >= 3 else ()
        if len(days) == 2:
            names = ("birth", "expiry") if days[1][0] > self.today else ("birth", "issue_date")
        for name, (day, k, raw) in zip(names, [*days[:2], days[-1]] if len(days) >= 3 else days, strict=False):
            if name == "expiry" or day <= self.today:
                self.put(name, raw, day.isoformat(), (k,))
        self.take_korean_name()
        both = [self.fields.get(x) for x in ("surname", "given_names")]
        if both[0] is not None and both[1] is not None:
            a, b = both[0], both[1]
            sure = min(a.confidence, b.confidence)
            self.fields["name"] = FieldText(f"{a.raw} {b.raw}", f"{a.value} {b.value}", sure, a.spans + b.spans)

    def take_known(self, name: str, texts: Sequence[str]) -> None:
        """The lowest line that is nearly one of some texts."""
        for k in reversed(self.order):
            own = v.fold(self.value_of(k))
            off, best = min((v.distance(own, v.fold(text)), text) for text in texts)
            if self.free(k) and off <= len(own) // 4:
                self.put(name, self.value_of(k), best, (k,))
                return

    def take_korean_name(self) -> None:
        """The name in Hangul that Korean passports bear: the surest of short words that are no label."""
        others = ("대한민국", "여권", "한글성명", "성명", "국적", "성별")
        ranked = []
        for k in self.order:
            text = self.spans[k].text.replace(" ", "")
            short = v.hangul(text) == text and 2 <= len(text) <= 5
            label = k in self.labels or any(v.distance(text, x) <= len(x) // 3 for x in others)
            if self.free(k) and short and not label and k not in self.titles.values():
                ranked.append((self.spans[k].confidence, k, text))
        if ranked:
            _, k, text = max(ranked)
            self.put("name_ko", self.spans[k].text, text, (k,))

    # -- fields ----------------------------------------------------------------------------------------------------

    def take_number(self, name: str) -> int | None:
        if not self.numbers:
            return None
        k = max(self.numbers, key=lambda i: (self.numbers[i].checked or False, self.spans[i].confidence))
        number = self.numbers[k]
        self.put(name, number.raw, number.value, (k,))
        f = self.fields[name]
        # Numbers of the random kind pass one time in ten, so a wrong check digit says little, a century nearly all.
        doubt = (0.9 if number.checked is False else 1.0) * (0.5 if self.today.year - number.birth.year > 120 else 1.0)
        self.fields[name] = replace(f, confidence=f.confidence * doubt)
        return k

    def take_dates(self) -> None:
        """The lowest date that is free is the day of issue, unless one is labelled so."""
        found = [(k, day, raw) for k in self.order if self.free(k) for day, raw in v.dates(self.value_of(k))]
        found = [x for x in found if x[1] <= self.today]
        labelled = [x for x in found if self.label_of(x[0]) == "issue_date" or self.follows(x[0], "issue_date")]
        if labelled or found:
            k, day, raw = (labelled or found)[-1]
            self.put("issue_date", raw, day.isoformat(), (k,))

    def take_issuer(self, kind: str) -> None:
        k = self.issued()
        if k is None:
            self.take_known_issuer(kind)
            return
        ids, text = [k], _issuer(self.spans[k].text)
        # Its province may stand on the line above.
        above = [i for i in self.order if self.free(i) and self.is_above(i, k) and _is_province(self.spans[i].text)]
        beside = [i for i in self.order if self.free(i) and self.is_left(i, k) and v.hangul(self.spans[i].text)]
        ids = [*above[-1:], *beside[:1], *ids]
        text = " ".join([*(self.spans[i].text for i in ids[:-1]), text])
        days = v.dates(text)
        if days:
            text = text.split(days[-1][1])[-1].strip(" .")
            self.put("issuer", text, _spaced(text), tuple(ids))
            self.used.discard(k)
            self.put("issue_date", days[-1][1], days[-1][0].isoformat(), (k,))
            return
        self.put("issuer", text, _spaced(text), tuple(ids))

    def take_known_issuer(self, kind: str) -> None:
        """A line below the dates that is nearly one of those who issue such cards: a seal covers its end."""
        days = [k for k in self.order if v.dates(self.spans[k].text)]
        top = self.spans[days[-1]].level if days else self.spans[self.order[-3]].level
        for k in reversed(self.order):
            text = self.spans[k].text
            own = v.hangul(text)
            if not self.free(k) or self.spans[k].level < top or k in self.titles.values() or len(own) < 5:
                continue
            near = []
            for name in korea.issuers(kind):
                bare = v.hangul(name)
                if len(bare) >= 5 and -1 <= len(own) - len(bare) <= 2 and v.distance(own, bare) <= len(bare) // 2:
                    near.append((v.strokes(own[: len(bare)], bare) - 0.01 * len(bare), len(bare), name))
            off, length, name = min(near, default=(99.0, 1, ""))
            if off <= 0.55 * length:
                self.put("issuer", text, name, (k,))
                f = self.fields["issuer"]
                self.fields["issuer"] = replace(f, confidence=0.8 * f.confidence)
                return

    def take_person(self, top: float, bottom: float, *, near: int | None) -> None:
        """The lowest line between a title, or a number, and the registration number that is a name."""
        for k in reversed(self.order):
            s = self.spans[k]
            if not top < s.level < bottom or not self.free(k) or k in self.titles.values():
                continue
            if near is not None and not self.beside(k, near):
                continue
            ids, text = self.joined(k)
            name, rest = _label(text)
            own = rest if name == "name" else text
            found = v.person(self.without_guesses(k, own) if ids == (k,) else own)
            if found is None or (name and name != "name"):
                continue
            value, clear = found
            raw = (rest if name == "name" else text).strip()
            cut = re.split(r"[^가-힣\s]", raw)[0].strip() if clear else raw
            self.put("name", cut or raw, value, ids)
            if not clear or len(value) > 4:
                f = self.fields["name"]
                self.fields["name"] = replace(f, confidence=0.6 * f.confidence)
            return

    def without_guesses(self, k: int, text: str) -> str:
        """A name without what follows its third syllable if that is a guess: hanja are read so, by a reader that knows
        none, where their bracket is missed."""
        s = self.spans[k]
        start = s.text.find(text)
        if start < 0 or len(s.sure) != len(s.text):
            return text
        count = 0
        for i, c in enumerate(text):
            count += "가" <= c <= "힣"
            if count > 3 and c != " " and s.sure[start + i] < 0.6:
                return text[:i]
        return text

    def take_address(self, top: float, bottom: float, near: int | None) -> None:
        """Every free line between the registration number and what is printed below an address."""
        ids = []
        for k in self.order:
            s = self.spans[k]
            if not top < s.level < bottom or not self.free(k) or (near is not None and not self.beside(k, near)):
                continue
            name = self.label_of(k)
            if name not in ("", "address") or k in self.titles.values() or not v.fold(s.text):
                continue
            if name == "address" and not self.value_of(k).strip():
                continue
            ids.append(k)
        # An address begins with a place: what stands above that is something else.
        while ids and len(v.hangul(self.value_of(ids[0]))) < 2:
            ids.pop(0)
        if ids:
            text = " ".join(self.value_of(k).strip() for k in ids)
            self.put("address", text, _spaced(text), tuple(ids))

    def take_period(self) -> None:
        for k in self.order:
            if not self.free(k):
                continue
            text, ids = self.spans[k].text, [k]
            label = self.label_of(k) == "renewal_period"
            if not label and "~" not in text:
                continue
            for i in self.after(k):
                found = v.period(" ".join(self.spans[j].text for j in ids))
                if found is not None and not found[0].startswith(".."):
                    break
                near = self.spans[i].level - self.spans[ids[-1]].level < 2.2 * self.spans[k].height
                if not (near and self.free(i) and re.search(r"\d{4}|~", self.spans[i].text)):
                    continue
                if v.dates(self.spans[i].text) or "~" in self.spans[i].text:
                    ids.append(i)
            text = " ".join(self.spans[j].text for j in ids)
            found = v.period(text)
            if found is None and label and len(days := v.dates(text)) == 1:
                found = (f"../{days[0][0].isoformat()}", days[0][1])
            if found is not None:
                if found[0].startswith("..") and len(ids) > 1:
                    ids = [j for j in ids if v.dates(self.spans[j].text) or j == k][:2]
                self.put("renewal_period", found[1], found[0], tuple(ids))
                return

    def take_condition(self) -> None:
        for k in self.order:
            name, rest = self.labels.get(k, ("", ""))
            blurred = re.fullmatch(r"\s*(?:조\s?[가-힣]|[가-힣]\s?건)\s*[:.]\s*([A-J][A-J,. ]*)", self.spans[k].text)
            if blurred is not None and not name:
                name, rest = "condition", blurred[1]
            if name != "condition" or not self.free(k):
                continue
            ids = [k]
            if not rest.strip(" :"):
                ids += self.right_of(k)[:1]
                rest = " ".join(self.spans[i].text for i in ids[1:])
            found = v.conditions(rest.replace(":", " "))
            if found:
                self.put("condition", rest.strip(" :"), found, tuple(ids))
            return

    def take_labelled(self, name: str, normal: Callable[[str], str | None]) -> None:
        """What stands after a label, to the right of it or below it."""
        for k in self.order:
            if self.label_of(k) != name:
                continue
            rest = self.labels[k][1].strip(" :/")
            near: list[tuple[str, tuple[int, ...]]] = [(rest, (k,))] if rest else []
            near += [(self.spans[i].text, (i,)) for i in self.right_of(k)[:1] + self.below(k)[:1]]
            for text, ids in near:
                value = normal(text) if name not in self.fields else None
                if value and all(self.free(i) for i in ids) and (ids == (k,) or ids[0] not in self.labels):
                    self.put(name, text, value, ids)
                    return

    # -- where things stand ----------------------------------------------------------------------------------------

    def put(self, name: str, raw: str, value: str, ids: tuple[int, ...]) -> None:
        sure = self.spans[ids[0]].sure_of(raw.strip()) if len(ids) == 1 else 1.0
        if len(ids) > 1:
            sure = float(np.exp(np.mean([np.log(max(self.spans[k].confidence, 1e-6)) for k in ids])))
        self.fields[name] = FieldText(raw.strip(), value, sure, ids)
        self.used.update(ids)

    def label_of(self, k: int) -> str:
        return self.labels.get(k, ("", ""))[0]

    def free(self, k: int) -> bool:
        return k not in self.used

    def value_of(self, k: int) -> str:
        return self.labels[k][1] if k in self.labels else self.spans[k].text

    def span_of(self, *names: str) -> int | None:
        found = [k for name in names if name in self.fields for k in self.fields[name].spans]
        return min(found, key=lambda k: self.spans[k].level) if found else None

    def top_of(self, k: int | None) -> float:
        return self.spans[k].level - 0.3 * self.spans[k].height if k is not None else np.inf

    def bottom_of(self, *ids: int | None) -> float:
        k = next((k for k in ids if k is not None), None)
        return self.spans[k].level + 0.3 * self.spans[k].height if k is not None else -np.inf

    def beside(self, k: int, other: int) -> bool:
        """Whether two spans share a column, more or less: what is printed on a portrait's side does not."""
        a, b = self.spans[k].box, self.spans[other].box
        return min(a[2], b[2]) - max(a[0], b[0]) > -1.5 * self.spans[other].height

    def level_with(self, i: int, k: int) -> bool:
        a, b = self.spans[i], self.spans[k]
        return min(a.box[3], b.box[3]) - max(a.box[1], b.box[1]) > 0.5 * min(a.height, b.height)

    def right_of(self, k: int) -> list[int]:
        end = self.spans[k].box[2] - 0.5 * self.spans[k].height
        found = [i for i in self.order if i != k and self.level_with(i, k) and self.spans[i].box[0] >= end]
        return sorted(found, key=lambda i: self.spans[i].box[0])

    def is_left(self, i: int, k: int) -> bool:
        gap = self.spans[k].box[0] - self.spans[i].box[2]
        return i != k and self.level_with(i, k) and -0.5 * self.spans[k].height < gap < 2.5 * self.spans[k].height

    def is_above(self, i: int, k: int) -> bool:
        gap = self.spans[k].level - self.spans[i].level
        return 0.6 * self.spans[k].height < gap < 2.5 * self.spans[k].height and self.beside(i, k)

    def below(self, k: int) -> list[int]:
        s = self.spans[k]
        found = [
            i for i in self.order
            if 0.5 * s.height < self.spans[i].level - s.level < 3.5 * s.height
            and self.spans[i].box[0] < s.box[2] and self.spans[i].box[2] > s.box[0]
        ]  # fmt: skip
        return sorted(found, key=lambda i: self.spans[i].level)

    def after(self, k: int) -> list[int]:
        at = self.order.index(k)
        return self.order[at + 1 :]

    def follows(self, k: int, name: str) -> bool:
        """Whether the span on the left of this one, or above it, is the label ``name`` alone."""
        for i, (label, rest) in self.labels.items():
            if label == name and not v.fold(rest) and (k in self.right_of(i)[:1] or k in self.below(i)[:1]):
                return True
        return False

    def joined(self, k: int) -> tuple[tuple[int, ...], str]:
        """A span and what stands close beside it on its level, from left to right; no guesses."""
        ids = [k]
        for _ in range(4):
            open_ = [i for i in self.order if i not in ids and self.free(i) and self.spans[i].confidence >= 0.6]
            more = [i for i in open_ if self.is_left(i, ids[0]) and i not in self.labels]
            right = [i for i in self.right_of(ids[-1])[:1] if i in open_ and self.is_left(ids[-1], i)]
            if not more and not right:
                break
            ids = [*more[:1], *ids, *right]
        return tuple(ids), " ".join(self.spans[i].text for i in ids)


# -- text ----------------------------------------------------------------------------------------------------------


def _is_title(text: str, title: str) -> bool:
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


def _label(text: str) -> tuple[str, str]:
    """The label that a text begins with, and what is left; ("", text) where there is none."""
    tokens = [m.span() for m in re.finditer(r"[^\s:/·.,]+", text)]
    for count in range(min(len(tokens), 6), 0, -1):
        end = tokens[count - 1][1]
        head = v.fold(text[: end])
        for label, name in _WORDS:
            off = v.distance(head, label) if abs(len(head) - len(label)) <= 2 else 9
            if off <= (0 if len(label) < 4 else 1 if len(label) < 8 else 2):
                rest = text[end:].lstrip(" :/.,·")
                again, more = _label(rest) if rest else ("", "")
                return name, more if again == name or again in ("name", "type") else rest
    for label, name in _WORDS:
        if not label.isascii() and len(label) >= 2 and v.hangul(label) == label:
            joined = re.match(r"\s*".join(label) + r"\s*[:.]?\s*", text)
            # Hangul that goes on without a space might be a word of its own.
            if joined is not None and (len(label) > 2 or not v.hangul(text[joined.end() : joined.end() + 1])):
                return name, text[joined.end() :]
    return "", text


def _issuer(text: str) -> str:
    """A text up to the title of whoever issues cards; "" where there is none."""
    text = re.split(r"\s+CHIEF", text.strip())[0]
    found = list(_ISSUED.finditer(text))
    return text[: found[-1].end()] if found and len(v.hangul(text)) >= 4 else ""


def _words(text: str) -> str | None:
    value = re.sub(r"\s+", " ", text).strip(" :/")
    return value.upper() if len(v.fold(value)) >= 2 else None


def _sex(text: str) -> str | None:
    return {"m": "M", "f": "F", "남": "M", "여": "F"}.get(v.fold(text)[:1])


def _status(text: str) -> str | None:
    """``재외동포(F-4)``: the name and, in brackets, the code."""
    m = re.search(r"([A-H])\s*[-–~.]?\s*(\d{1,2})", text)
    name = v.hangul(text[: m.start()] if m else text)
    if m is None:
        return name or None
    return f"{name}({m[1]}-{m[2]})"


def _spaced(text: str) -> str:
    text = re.sub(r"\s+", " ", text).strip(" .,:;~|")
    return re.sub(r"\s+([,)])", r"\1", re.sub(r"\(\s+", "(", text))


def _is_province(text: str) -> bool:
    return re.search(r"(?:시|도)$", text.strip()) is not None and len(v.hangul(text)) <= 8
