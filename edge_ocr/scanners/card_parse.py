"""Lines that were read on a Korean identity paper -> which paper it is, and its fields.

Pure: text and where it stands in, fields out. Every kind has its title, its numbers and its labels, and where those are
missing the order in which such cards are printed: a name stands above the registration number and an address below it.
No layout is measured out; cards of several generations are in use, and cameras tilt them.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge_ocr.scanners import card_values as v
from edge_ocr.scanners import korea
from edge_ocr.scanners.card_page import FieldText, Page, Span
from edge_ocr.scanners.card_words import is_address, is_province, issuer, label_of, sex, spaced, status, words

__all__ = ["KINDS", "CardText", "FieldText", "Span", "parse"]

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


@dataclass(frozen=True)
class CardText:
    """What the spans say: ``kind`` is one of ``KINDS``, ``title`` tells whether its title was among them. A
    registration number that cannot be right is a field without a value."""

    kind: str
    fields: dict[str, FieldText]
    title: bool

    @property
    def accepted(self) -> bool:
        """Whether all that such a card must have was found in the form that it must have, and no day that is on it
        contradicts another."""
        return all(name in self.fields and self.fields[name].value for name in _REQUIRED[self.kind]) and self.consistent

    @property
    def consistent(self) -> bool:
        """Whether the days follow each other: none is issued before its holder is born, or after it ends."""
        days = [self.fields[name].value for name in ("birth", "issue_date", "expiry") if name in self.fields]
        for name in ("rrn", "alien_number"):
            f = self.fields.get(name)
            number = v.registration_number(f.value, today=datetime.date.max) if f is not None else None
            days = [number.birth.isoformat(), *days] if number is not None else days
        return days == sorted(days)

    @property
    def complete(self) -> bool:
        """Whether all that authenticity services ask for was found: of a resident card name, number and day of issue,
        of a licence name, number of birth, licence number and serial; nothing starred out."""
        found = [self.fields.get(name) for name in _COMPLETE[self.kind]]
        shown = 8 if self.kind == "driver" else None
        return self.consistent and all(f is not None and f.value and "*" not in f.value[:shown] for f in found)


def parse(lines: Sequence[str | Span], *, today: datetime.date | None = None) -> CardText | None:
    """The card that the lines are of; None where they are of none.

    Plain strings stand below one another. ``today`` (default: the day) is what no date of birth or issue may be after.
    """
    spans = [
        Span(x, 1.0, (0.0, float(k), 0.6 * len(x), k + 0.7)) if isinstance(x, str) else x for k, x in enumerate(lines)
    ]
    day = today or datetime.date.today()
    page = _Card(spans, day)
    kind = page.kind()
    if kind is None:
        return None
    finders: dict[str, Callable[[], None]] = {
        "resident": page.resident, "driver": page.driver, "alien": page.alien, "passport": page.passport,
    }  # fmt: skip
    finders[kind]()
    fields = {name: f for name, f in page.fields.items() if f.value or name in ("rrn", "alien_number")}
    return CardText(kind, fields, kind in page.titles) if sum(bool(f.value) for f in fields.values()) >= 2 else None


class _Card(Page):
    """The fields of each kind of card."""

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
        if "driver" in self.titles and (foreign or self.shapes):
            return "driver"
        if any(foreign) and ("alien" in self.titles or own & {"status", "nationality", "alien_number"}):
            return "alien"
        if "alien" in self.titles and own & {"status", "nationality", "alien_number"}:
            return "alien"
        if "resident" in self.titles and (foreign or self.shapes or self.issued() is not None):
            return "resident"
        if foreign and not any(foreign) and self.issued() is not None and "driver" not in self.titles:
            k = next(iter(self.numbers))
            if any(self.spans[i].level > self.spans[k].level and v.dates(self.spans[i].text) for i in self.order):
                return "resident"
        return None

    def issued(self) -> int | None:
        """The span that names who issued the card."""
        ends = [k for k in self.order if issuer(self.spans[k].text) and self.free(k)]
        return ends[-1] if ends else None

    # -- the kinds -------------------------------------------------------------------------------------------------

    def resident(self) -> None:
        number = self.take_number("rrn")
        title = self.titles.get("resident")
        self.takeissuer("resident")
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
        self.takeissuer("driver")
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
        self.take_labelled("sex", sex)
        for k in self.order:  # often beside the number, and read with it
            text = self.spans[k].text
            inside = re.search(r"(?:성\s?[별벌]|\bsex)\W*([MF남여])\b", text, re.IGNORECASE)
            if k == number:
                inside = inside or re.search(r"[0-9*]\s+성?\S{0,2}\s*([MF])$", text.strip())
            if "sex" not in self.fields and inside is not None:
                self.put("sex", inside[1], sex(inside[1]) or "", (k,))
        self.take_labelled("nationality", words)
        self.take_labelled("status", status)
        self.take_labelled("name", v.latin_name)
        self.takeissuer("alien")
        self.take_dates()
        if "status" not in self.fields:
            for k in self.order:
                if self.free(k) and re.search(r"\(?[A-H]\s?-\s?\d{1,2}\)?\s*$", self.spans[k].text):
                    self.put("status", self.spans[k].text, status(self.spans[k].text) or "", (k,))
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
        self.take_labelled("sex", sex)
        self.take_known("nationality", ("REPUBLIC OF KOREA",))
        self.take_known("issuer", ("MINISTRY OF FOREIGN AFFAIRS", "MINISTRY OF FOREIGN AFFAIRS AND TRADE"))
        self.take_labelled("nationality", words)
        self.take_labelled("issuer", words)
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
            # It cannot be right, but stands where it stands: what is above it and below it goes by that.
            k = next((k for k in self.order if k in self.shapes and self.free(k)), None)
            if k is not None:
                self.put(name, self.shapes[k], "", (k,))
            return k
        k = max(self.numbers, key=lambda i: (self.numbers[i].checked or False, self.spans[i].confidence))
        number = self.numbers[k]
        self.put(name, number.raw, number.value, (k,))
        f = self.fields[name]
        # Numbers of the random kind pass one time in ten, so a wrong check digit says little, a century nearly all.
        doubt = (0.9 if number.checked is False else 1.0) * (0.5 if self.today.year - number.birth.year > 120 else 1.0)
        self.fields[name] = replace(f, confidence=f.confidence * doubt)
        return k

    def take_dates(self) -> None:
        """The lowest date that is free, and of no period, is the day of issue, unless one is labelled so."""
        free = [k for k in self.order if self.free(k) and not self.of_period(k)]
        found = [(k, day, raw) for k in free for day, raw in v.dates(self.value_of(k))]
        found = [x for x in found if x[1] <= self.today]
        labelled = [x for x in found if self.label_of(x[0]) == "issue_date" or self.follows(x[0], "issue_date")]
        if labelled or found:
            k, day, raw = (labelled or found)[-1]
            self.put("issue_date", raw, day.isoformat(), (k,))

    def of_period(self, k: int) -> bool:
        """Whether a span tells a period, or a part of one, be it one that cannot be."""
        text, before = self.spans[k].text, self.order[: self.order.index(k)]
        if "~" in text or self.label_of(k) == "renewal_period":
            return True
        return bool(before) and self.spans[before[-1]].text.rstrip().endswith("~")

    def takeissuer(self, kind: str) -> None:
        k = self.issued()
        if k is None:
            self.take_knownissuer(kind)
            return
        ids, text = [k], issuer(self.spans[k].text)
        # Its province may stand on the line above.
        above = [i for i in self.order if self.free(i) and self.is_above(i, k) and is_province(self.spans[i].text)]
        beside = [i for i in self.order if self.free(i) and self.is_left(i, k) and v.hangul(self.spans[i].text)]
        ids = [*above[-1:], *beside[:1], *ids]
        text = " ".join([*(self.spans[i].text for i in ids[:-1]), text])
        days = v.dates(text)
        if days:
            end = self.of_period(k)
            text = text.split(days[-1][1])[-1].strip(" .")
            self.put("issuer", text, spaced(text), tuple(ids))
            if not end and days[-1][0] <= self.today:
                self.put("issue_date", days[-1][1], days[-1][0].isoformat(), (k,))
            return
        text = v.undated(text)
        self.put("issuer", text, spaced(text), tuple(ids))

    def take_knownissuer(self, kind: str) -> None:
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
                if len(bare) < 5 or not -1 <= len(own) - len(bare) <= 2 or not _bears(own, bare):
                    continue
                if v.distance(own, bare) <= len(bare) // 2:
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
            name, rest = label_of(text)
            own = rest if name == "name" else text
            found = v.person(self.without_guesses(k, own) if ids == (k,) else own)
            if found is None or (name and name != "name") or is_address(own):
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
            if not v.fold(v.undated(self.value_of(k))):
                continue  # a label alone, or a day
            ids.append(k)
        # An address begins with a place: what stands above that is something else.
        while ids and len(v.hangul(self.value_of(ids[0]))) < 2:
            ids.pop(0)
        if ids:
            text = " ".join(v.undated(self.value_of(k).strip()) for k in ids)
            self.put("address", text, v.address(text), tuple(ids))

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
                value = normal(text) if name not in self.fields and not label_of(text)[0] else None
                if value and all(self.free(i) for i in ids) and (ids == (k,) or ids[0] not in self.labels):
                    self.put(name, text, value, ids)
                    return


def _bears(own: str, bare: str) -> bool:
    """Whether syllables that were read bear an office out, up to its last one, which a seal may cover: the one before
    it is nearly the same, and what follows its end is there only where that was read."""
    last = len(bare) - 1
    near = v.strokes(own[last - 1 : last], bare[last - 1 : last]) <= 1
    return near and (len(own) <= len(bare) or own[last] == bare[last])
