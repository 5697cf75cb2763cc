"""Korean identity papers: resident card, driver's licence, foreigner's card, and the data page of passports.

``parse`` (in ``card_parse``) is pure: lines to fields. The ``Scanner`` finds the card, sets it upright, reads it, and
reads again what such a field may only say in one form: numbers and dates under a pattern, offices and places against
lists of what there is. A list never refuses a reading: it is taken where the network finds it nearly as likely.
"""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edge_ocr import geometry as g
from edge_ocr.constrain import Pattern, search, text_log_prob
from edge_ocr.crop import crop_quads
from edge_ocr.ctc import LogProbs
from edge_ocr.errors import InputError
from edge_ocr.image import load_image
from edge_ocr.layout import arrange
from edge_ocr.preprocess import resize
from edge_ocr.recognize import Recognizer
from edge_ocr.scanners import card_values as v
from edge_ocr.scanners import korea, mrz
from edge_ocr.scanners.card_find import View, find_quads, rectify, turned
from edge_ocr.scanners.card_parse import CardText, FieldText, Span, parse
from edge_ocr.scanners.lines import Line, line_of, make_detector, make_recognizer, to_quad, widen
from edge_ocr.scanners.mrz import Field
from edge_ocr.types import Quad, Region, TextWord

if TYPE_CHECKING:
    from edge_ocr.image import ImageSource

__all__ = ["CardText", "IdCard", "Scanner", "Span", "parse"]

Image = NDArray[np.uint8]
Array = NDArray[np.float64]
_SMALLEST = 6.0  # pixels: lower text is not read
_DETECT = 800  # pixels: the longer side of the picture of a card that is searched for text
_HIGHEST, _SQUARE = 3.0, 2.5  # median heights over which what is not so many times wider than high is no text
_MOST = 80  # regions of a card that are read, the largest: cards have at most forty
_UPRIGHT = 0.72  # text that is read as surely as this, on average, stands upright
_READABLE = 0.4  # and what is read less surely than this, on average, is no text
_TRIED = 8  # regions that are read to see which way is up
_LATIN_LEAD = 0.1  # by so much the recognizer of Latin text may be less sure of it, and is believed
_NOISE = 0.15  # what is read less surely than this is a pattern, not text
_USUAL = {"resident": 5, "driver": 9, "alien": 7, "passport": 10}  # fields: of fewer, some were probably cut off
_GAP = 1.6  # heights between two words of a line from which they are two pieces
_SURE = 0.98  # a field read as surely as this is not read again
_FAR = 6.0  # natural logarithms by which what a list or a pattern says may be less likely than what was read
_SHORT_DATE = re.compile(r"(?:19|20)\d\d\s?\.\s*\d{0,2}\s?\.?|~?\s?(?:19|20)\d\d")
_SHORT_NUMBER = re.compile(
    r"[0-9]{0,5}-?[0-9]{7}|[0-9]{6}-?[0-9]{0,6}|[0-9]?-?[0-9]{0,2}-[0-9]{6}-[0-9]{2}|[0-9]{2}-[0-9]{2}-[0-9]{1,6}-?[0-9]?"
)
_SHORT_OFFICE = re.compile(r"(?:특별|광역|자치)|(?:시|도)\s|(?:지방)?경찰청장|출입국")
_NUMBERS = {
    "rrn": r"[0-9]{6}-[0-9]{7}", "alien_number": r"[0-9]{6}-[0-9]{7}",
    "licence_number": r"[0-9]{2}-[0-9]{2}-[0-9]{6}-[0-9]{2}",
    "passport_number": r"[A-Z][0-9]{8}|[A-Z][0-9]{3}[A-Z][0-9]{4}",
}  # fmt: skip


@dataclass(frozen=True)
class IdCard:
    """A card that was read: its ``kind`` (resident, driver, alien, passport), ``fields``, whether it is ``accepted``
    (all that such a card must have is there, in the form that it must have, and read as surely as asked for), whether
    it is ``complete`` (all that authenticity services ask for), its corners ``quad`` in picture pixels, and whether the
    picture shows it ``mirrored``."""

    kind: str
    fields: dict[str, Field]
    accepted: bool
    complete: bool
    confidence: float
    quad: Quad
    mirrored: bool = False

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "fields": {name: f.to_dict() for name, f in self.fields.items()},
            "accepted": self.accepted,
            "complete": self.complete,
            "confidence": round(self.confidence, 4),
            "quad": [[round(x, 2), round(y, 2)] for x, y in self.quad],
            "mirrored": self.mirrored,
        }


@dataclass(frozen=True, eq=False)
class _Piece:
    """A piece of a line on a view: what was read there, its quad ``[4, 2]`` on the view, and what the recognizers said
    of it: of Korean first, of English where it was asked."""

    word: TextWord
    quad: Array
    said: tuple[tuple[Recognizer, LogProbs], ...]


class Scanner:
    """Finds and reads identity papers in pictures.

    ``threads`` and ``models_dir`` as for ``OCR``. ``min_confidence``: fields that are read less surely are left out,
    and no card is accepted that misses one of those that it must have. Passports need the recognizer ``mrz``, or what
    ``scanners.mrz`` falls back to. Raises ModelNotFound where there is no detector or no recognizer of Korean.
    """

    def __init__(
        self,
        *,
        threads: int = 1,
        models_dir: str | os.PathLike[str] | None = None,
        min_confidence: float = 0.4,
        engine: str = "onnx",
    ) -> None:
        if not 0 <= min_confidence <= 1:
            raise InputError(f"min_confidence: expected a number in 0..1, found {min_confidence!r}")
        self.min_confidence = float(min_confidence)
        self._detector = make_detector(models_dir, threads=threads, engine=engine)
        self._korean = make_recognizer(("ko",), models_dir, threads=threads, engine=engine)
        self._latin = make_recognizer(("en", "ko"), models_dir, threads=threads, engine=engine)
        self._zones = mrz.Scanner(threads=threads, models_dir=models_dir, detector=self._detector, engine=engine)

    def scan(self, image: ImageSource, *, today: datetime.date | None = None) -> tuple[IdCard, ...]:
        """The cards in a picture (path, bytes, array, PIL image or Frame), the surest first; one at a place. Raises
        ImageError."""
        picture = load_image(image)
        found: list[IdCard] = []
        for quad in find_quads(picture):
            if any(_same_place(quad, card) for card in found):
                continue
            card = self._upright(picture, turned(quad), today)
            if card is not None:
                found.append(card)
        if not any(card.accepted and len(card.fields) >= _USUAL[card.kind] for card in found):
            card = self._whole(picture, today)
            # It may well hold what was found in a part of it.
            if card is not None and not any(_better(c, card) for c in found):
                found = [card]
        return tuple(sorted(found, key=lambda c: (-c.accepted, -c.confidence)))

    # -- ways to look at it ----------------------------------------------------------------------------------------

    def _upright(self, picture: Image, ways: Sequence[Array], today: datetime.date | None) -> IdCard | None:
        """The card in a quad whose corners may begin anywhere, and go round either way: the likeliest order that reads
        well, else the one that reads best."""
        best: tuple[float, int, View, list[Region]] | None = None
        for k, quad in enumerate(ways):
            view = rectify(picture, quad)
            regions = self._regions(view.image)
            if k == 0 and not regions:
                return None
            if len(regions) < 3 or not self._level(regions):
                continue
            if k == 0:  # as cards are mostly shown: read without asking which way is up
                card = self._card(picture, view, regions, today)
                if card is not None and card.accepted:
                    return card
            sure = self._legible(view.image, regions)
            if best is None or sure > best[0]:
                best = (sure, k, view, regions)
            if sure >= _UPRIGHT:
                break
        if best is None or best[0] < _READABLE:
            return None
        return self._card(picture, best[2], best[3], today, mirrored=best[1] >= 4)

    def _whole(self, picture: Image, today: datetime.date | None) -> IdCard | None:
        """A card that fills the picture, or whose edges do not show."""
        regions = self._large(self._detector.detect(picture))
        view = View(picture, np.eye(3))
        if len(regions) < 3:
            return None
        card = self._card(picture, view, regions, today) if self._level(regions) else None
        if card is not None and card.accepted:
            return card
        if self._level(regions) and self._legible(picture, regions) >= _UPRIGHT:
            return card
        h, w = picture.shape[:2]
        frame = g.box_quads(np.array([[0.0, 0.0, w, h]]))[0]
        return self._upright(picture, turned(frame), today) or card

    def _large(self, regions: Sequence[Region]) -> list[Region]:
        if not regions:
            return []
        quads = np.array([r.quad for r in regions])
        high, wide = g.heights(quads), g.widths(quads)
        # A portrait may pass for one large character, on the level of whatever is printed beside it.
        most = np.where(wide < _SQUARE * high, _HIGHEST * np.median(high), np.inf)
        kept = [r for r, h, m in zip(regions, high, most, strict=True) if _SMALLEST <= h <= m]
        return sorted(kept, key=lambda r: -float(g.area(np.array([r.quad]))[0]))[:_MOST]

    def _regions(self, image: Image) -> list[Region]:
        """Text on a card, found on a small copy."""
        h, w = image.shape[:2]
        scale = min(1.0, _DETECT / max(h, w))
        small = resize(image, (round(h * scale), round(w * scale))) if scale < 1 else image
        back = w / small.shape[1]
        found = self._detector.detect(small)
        return self._large([Region(to_quad(np.array(r.quad) * back), r.score) for r in found])

    def _level(self, regions: Sequence[Region]) -> bool:
        """Whether most of the widest regions run from left to right."""
        quads = np.array([r.quad for r in regions])
        wide = np.argsort(-g.widths(quads))[:_TRIED]
        return bool(np.median(np.abs(g.reading_angles(quads[wide]))) < 0.5)

    def _legible(self, image: Image, regions: Sequence[Region]) -> float:
        """How surely the widest regions are read, on average over their characters."""
        wide = sorted(regions, key=lambda r: -float(g.widths(np.array([r.quad]))[0]))[:_TRIED]
        words = self._korean.recognize(self._crops(image, np.array([r.quad for r in wide]), self._korean))
        total = sum(len(w.text) for w in words)
        return sum(w.confidence * len(w.text) for w in words) / total if total else 0.0

    # -- reading ---------------------------------------------------------------------------------------------------

    def _crops(self, image: Image, quads: Array, recognizer: Recognizer) -> list[Image]:
        given = recognizer.manifest.input
        return [c.image for c in crop_quads(image, quads, height=given.height, margin=given.margin)]

    def _card(
        self,
        picture: Image,
        view: View,
        regions: Sequence[Region],
        today: datetime.date | None,
        *,
        mirrored: bool = False,
    ) -> IdCard | None:
        pieces = self._pieces(view.image, regions)
        text = parse(_spans(pieces), today=today)
        zone = self._zone(picture, view, regions, pieces)
        if zone is not None and (text is None or text.kind in ("passport", "alien")):
            return self._with_zone(view, text, pieces, zone, mirrored)
        if text is None:
            again = self._again(pieces)
            text = parse(_spans(again), today=today) if again is not None else None
            if text is None or again is None:
                return None
            pieces = again
        fields = {name: self._refined(view.image, text.kind, name, f, pieces) for name, f in text.fields.items()}
        return self._made(view, text, fields, pieces, mirrored)

    def _pieces(self, image: Image, regions: Sequence[Region]) -> list[_Piece]:
        """The lines of a view, cut where gaps are wide, each read as a whole and by its words."""
        if not regions:
            return []
        quads = np.array([r.quad for r in regions], np.float64)
        # Where lines are is a matter of boxes alone; the text is not read yet.
        lines = arrange([TextWord("가", 1.0, (), r.quad) for r in regions])
        groups: list[tuple[int, ...]] = []
        for line in lines:
            group: list[int] = []
            for k in line.words:
                if group and _apart(quads[group[-1]], quads[k]):
                    groups.append(tuple(group))
                    group = []
                group.append(k)
            groups.append(tuple(group))
        whole = [line_of(regions, ids).quad for ids in groups]
        read = self._read(image, np.array(whole))
        several = [k for ids, p in zip(groups, read, strict=True) if _unsure(p, ids) for k in ids]
        single = dict(zip(several, self._read(image, quads[several]), strict=True))
        out = []
        for ids, piece in zip(groups, read, strict=True):
            if _unsure(piece, ids):
                parts = [single[k] for k in ids]
                joined = _joined([p.word for p in parts])
                if joined.confidence > piece.word.confidence + 0.03:
                    piece = replace(piece, word=joined)
            if v.fold(piece.word.text) and piece.word.confidence >= _NOISE:
                out.append(piece)
        return self._widened(image, out)

    def _widened(self, image: Image, pieces: list[_Piece]) -> list[_Piece]:
        """Pieces that stop short, read again farther: a date without its day, an office without its province. The
        detector may miss a faint end, and a gap that is wider than others."""
        ask: list[int] = []
        quads = []
        for k, p in enumerate(pieces):
            line, text = Line((), p.quad), p.word.text.strip()
            if _SHORT_DATE.fullmatch(text):
                quads.append(widen(line, end=4.0))
            elif _SHORT_OFFICE.match(text):
                quads.append(widen(line, start=4.0))
            elif _SHORT_NUMBER.fullmatch(text.replace(" ", "")):
                quads.append(widen(line, start=3.0, end=3.0))
            else:
                continue
            ask.append(k)
        out = list(pieces)
        for k, piece in zip(ask, self._read(image, np.array(quads).reshape(-1, 4, 2)), strict=True):
            before, after = v.fold(out[k].word.text), v.fold(piece.word.text)
            if len(after) > len(before) and v.distance(before, after) <= len(after) - len(before) + 1:
                out[k] = piece
        return out

    def _read(self, image: Image, quads: Array) -> list[_Piece]:
        if not len(quads):
            return []
        crops = self._crops(image, quads, self._korean)
        korean = self._korean.log_probs(crops)
        words = [self._korean.read(lp) for lp in korean]
        plain = [k for k, w in enumerate(words) if not v.hangul(w.text)]
        said: list[list[tuple[Recognizer, LogProbs]]] = [[(self._korean, lp)] for lp in korean]
        if self._latin is not self._korean and plain:
            for k, lp in zip(plain, self._latin.log_probs([crops[k] for k in plain]), strict=True):
                said[k].append((self._latin, lp))
                other = self._latin.read(lp)
                # A reader of Hangul is sure of itself where it skips a narrow I.
                lead = _LATIN_LEAD if sum(c.isalpha() for c in other.text) > 0.5 * len(other.text) else 0.0
                if other.confidence > words[k].confidence - lead:
                    words[k] = other
        return [_Piece(w, q, tuple(s)) for w, q, s in zip(words, quads, said, strict=True)]

    def _again(self, pieces: Sequence[_Piece]) -> list[_Piece] | None:
        """The pieces with every one that is mostly digits read as a registration number, where it can be one."""
        out, changed = [], False
        for p in pieces:
            digits = sum(c.isdecimal() for c in p.word.text)
            if 9 <= digits <= 15 and digits > 0.6 * len(v.fold(p.word.text)):
                found = self._number(p, "rrn", p.word.text)
                if found is not None and found[0] != p.word.text:
                    p, changed = replace(p, word=replace(p.word, text=found[0], confidence=found[1])), True
            out.append(p)
        return out if changed else None

    # -- fields ----------------------------------------------------------------------------------------------------

    def _refined(self, image: Image, kind: str, name: str, f: FieldText, pieces: Sequence[_Piece]) -> FieldText:
        """A field, read again with what is known of its form."""
        mine = [pieces[k] for k in f.spans]
        if name in _NUMBERS and len(mine) == 1 and not re.match("[가-힣]", f.value) and "*" not in f.value:
            if f.confidence < _SURE:
                found = self._number(mine[0], name, f.value)
                if found is not None:
                    text, sure = found
                    return replace(f, raw=text, value=_value(name, text) or f.value, confidence=sure)
            return f
        if name == "issuer" and len(mine) == 1:
            return _from_list(f, mine[0], korea.issuers(kind))
        if name == "status" and len(mine) == 1:
            return _from_list(f, mine[0], korea.STATUSES)
        if name == "nationality" and len(mine) == 1 and kind == "alien":
            return _from_list(f, mine[0], korea.COUNTRIES)
        if name == "address":
            return _placed(f, mine)
        return f

    def _number(self, piece: _Piece, name: str, seen: str) -> tuple[str, float] | None:
        """What a piece says when only a number of this kind may stand there: the likeliest that is one at all."""
        best: tuple[float, str, float] | None = None
        for recognizer, lp in piece.said:
            least = text_log_prob(lp, piece.word.text)
            for rank, (text, score) in enumerate(search(lp, _pattern(name), width=8, top=6)):
                value = _value(name, text)
                if value is None or score < least - 3 * _FAR:
                    continue
                # Of readings that are nearly as likely, one whose check digit holds is the likelier one.
                bonus = 1.0 if name in ("rrn", "alien_number") and _checked(text) else 0.0
                sure = recognizer.word_of(lp, text).confidence
                rating = sure + 0.02 * bonus - 0.01 * rank
                if best is None or rating > best[0]:
                    best = (rating, text, sure)
        return None if best is None else (best[1], best[2])

    # -- passports -------------------------------------------------------------------------------------------------

    def _zone(
        self, picture: Image, view: View, regions: Sequence[Region], pieces: Sequence[_Piece]
    ) -> mrz.Mrz | None:
        """The machine-readable zone of a data page, in picture pixels, if there is something like one."""
        long = [p for p in pieces if len(p.word.text) >= 15 and ("<" in p.word.text or "«" in p.word.text)]
        titled = any(re.search("passport|여권", p.word.text.casefold()) for p in pieces)
        if not long and not titled:
            return None
        half = 0.5 * view.image.shape[0]  # of a data page the zone takes up the lowest quarter
        low = [r for r in regions if sum(y for _, y in r.quad) / 4 > half]
        zones = [_moved(z, view) for z in self._zones.scan_regions(view.image, low)]
        if titled and not any(z.accepted for z in zones):  # its lines are the first to be lost on a small copy
            zones += self._zones.scan(picture)
        zones = [z for z in zones if z.layout == "TD3"]
        return max(zones, key=lambda z: (z.accepted, z.confidence), default=None)

    def _with_zone(
        self, view: View, text: CardText | None, pieces: Sequence[_Piece], zone: mrz.Mrz, mirrored: bool
    ) -> IdCard | None:
        """A passport: its zone says nearly everything, and what is printed above it the rest."""
        if not zone.accepted and text is None:
            return None
        fields: dict[str, Field] = {}
        if text is not None:
            fields = {name: self._placed_field(view, f, pieces) for name, f in text.fields.items()}
        names = {
            "names": "name", "surname": "surname", "given_names": "given_names", "number": "passport_number",
            "nationality": "nationality", "birth": "birth", "sex": "sex", "expiry": "expiry", "line1": "line1",
            "line2": "line2",
        }  # fmt: skip
        for old, new in names.items():
            own, printed = zone.fields[old], fields.get(new)
            if new == "nationality" and printed is not None:
                continue
            if own.value and (zone.accepted or printed is None or printed.confidence < own.confidence):
                fields[new] = own
        known = {fields[name].value for name in ("birth", "expiry") if name in fields}
        if zone.accepted and "expiry" in fields and fields.get("issue_date", Field("", "", 0.0)).value in {"", *known}:
            # Of the days on the page the one that the zone does not tell.
            other = [
                FieldText(raw, day.isoformat(), p.word.confidence, (k,))
                for k, p in enumerate(pieces)
                for day, raw in v.dates(p.word.text)
                if day.isoformat() not in known
            ]
            if len(other) == 1:
                fields["issue_date"] = self._placed_field(view, other[0], pieces)
        fields = {name: f for name, f in fields.items() if f.confidence >= self.min_confidence}
        complete = zone.accepted
        return self._finished(view, "passport", fields, zone.accepted, complete, mirrored)

    # -- results ---------------------------------------------------------------------------------------------------

    def _made(
        self, view: View, text: CardText, fields: dict[str, FieldText], pieces: Sequence[_Piece], mirrored: bool
    ) -> IdCard | None:
        kept = {name: f for name, f in fields.items() if f.confidence >= self.min_confidence}
        card = replace(text, fields=kept)
        out = {name: self._placed_field(view, f, pieces) for name, f in kept.items()}
        return self._finished(view, text.kind, out, card.accepted, card.accepted and card.complete, mirrored)

    def _placed_field(self, view: View, f: FieldText, pieces: Sequence[_Piece]) -> Field:
        points = np.concatenate([pieces[k].quad for k in f.spans])
        around = pieces[f.spans[0]].quad if len(f.spans) == 1 else g.bounding_rectangle(points, _angle(pieces, f.spans))
        return Field(f.raw, f.value, f.confidence, to_quad(view.to_picture(around[None])[0]))

    def _finished(
        self, view: View, kind: str, fields: dict[str, Field], accepted: bool, complete: bool, mirrored: bool
    ) -> IdCard | None:
        if not fields:
            return None
        h, w = view.image.shape[:2]
        quad = view.to_picture(g.box_quads(np.array([[0.0, 0.0, w, h]])))[0]
        sure = float(np.exp(np.mean([np.log(max(f.confidence, 1e-6)) for f in fields.values()])))
        return IdCard(kind, fields, accepted, complete, sure, to_quad(quad), mirrored)


# -- reading again -------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def _pattern(name: str) -> Pattern:
    return Pattern(_NUMBERS[name])


def _value(name: str, text: str) -> str | None:
    """The normal form of a number that was read under its pattern; None where it cannot be right."""
    if name in ("rrn", "alien_number"):
        number = v.registration_number(text)
        return number.value if number is not None and number.foreign == (name == "alien_number") else None
    return v.licence_number(text) if name == "licence_number" else v.passport_number(text)


def _checked(text: str) -> bool:
    number = v.registration_number(text)
    return number is not None and bool(number.checked)


def _from_list(f: FieldText, piece: _Piece, allowed: Sequence[str]) -> FieldText:
    """The entry of a list that is nearest to what was read, if the network finds it nearly as likely."""
    own = v.fold(f.raw)
    near = [(v.fold(x), x) for x in allowed]
    ranked = sorted((v.distance(own, bare), bare, x) for bare, x in near if abs(len(own) - len(bare)) <= 3)
    ranked = [r for r in ranked if r[0] <= max(2, (len(own) + 1) // 2)][:6]
    if not ranked:
        return f
    if ranked[0][0] == 0:
        return replace(f, value=ranked[0][2])
    recognizer, lp = piece.said[0] if v.hangul(f.raw) else piece.said[-1]
    read = piece.word.text
    head = read[: max(read.find(f.raw.split(" ")[0]), 0)]
    base = text_log_prob(lp, read)
    best: tuple[float, str] | None = None
    for _, bare, entry in ranked:
        off = v.strokes(own, bare)
        for text in {entry, entry.replace(" ", "")}:
            score = text_log_prob(lp, head + text)
            if score >= base - _FAR * off and (best is None or score - _FAR * off > best[0]):
                best = (score - _FAR * off, entry)
    if best is None:
        return f
    sure = recognizer.word_of(lp, head + best[1]).confidence
    return replace(f, value=best[1], confidence=max(sure, 0.6 * f.confidence))


def _placed(f: FieldText, pieces: Sequence[_Piece]) -> FieldText:
    """An address whose province and district are spelt as they are."""
    own = v.fold(f.value)
    ranked: list[tuple[int, int, str, int]] = []
    for place in korea.places():
        name = v.fold(place)
        if len(name) < 4 or not set(name[:3]) & set(own[:4]):
            continue
        for n in (len(name) - 1, len(name), len(name) + 1):
            off = v.distance(own[:n], name)
            if off <= len(name) // 2:
                ranked.append((off - len(name), off, place, n))
    # A longer place that is as near explains more of what was read.
    ranked.sort()
    if not ranked or not pieces:
        return f
    _, lp = pieces[0].said[0]
    read = pieces[0].word.text
    base: float | None = None
    for _, off, place, end in ranked[:4]:
        # Where the place ends in the text as it is spelt.
        rest = f.value[_end_of(f.value, end) :]
        value = place + ("" if rest[:1] in (" ", ",", "") else " ") + rest
        if off == 0:
            return replace(f, value=value)
        if not v.fold(read).startswith(own[:end]):
            continue
        if base is None:
            base = text_log_prob(lp, read)
        least = base - _FAR * v.strokes(own[:end], v.fold(place))
        if text_log_prob(lp, place + read[_end_of(read, end) :]) >= least:
            return replace(f, value=value, confidence=0.8 * f.confidence)
    return f


def _end_of(text: str, count: int) -> int:
    """Where in a text its first ``count`` letters and digits end."""
    for k, c in enumerate(text):
        count -= len(v.fold(c))
        if count <= 0:
            return k + 1
    return len(text)


# -- where things are ----------------------------------------------------------------------------------------------


def _moved(zone: mrz.Mrz, view: View) -> mrz.Mrz:
    """A zone of a view, in picture pixels."""

    def quad(points: Quad) -> Quad:
        return to_quad(view.to_picture(np.array([points]))[0])

    fields = {name: replace(f, quad=None if f.quad is None else quad(f.quad)) for name, f in zone.fields.items()}
    return replace(zone, fields=fields, quad=quad(zone.quad))


def _unsure(piece: _Piece, ids: Sequence[int]) -> bool:
    """Whether a line of several words is to be read word by word too."""
    return len(ids) > 1 and piece.word.confidence < 0.97


def _spans(pieces: Sequence[_Piece]) -> list[Span]:
    """The pieces as ``parse`` takes them, on the level."""
    if not pieces:
        return []
    quads = np.array([p.quad for p in pieces])
    wide = g.widths(quads) > 3 * g.heights(quads)
    angle = float(np.median(g.reading_angles(quads)[wide])) if wide.any() else 0.0
    turned_back = g.rotate(quads, -angle)
    return [_span(replace(p, quad=q)) for p, q in zip(pieces, turned_back, strict=True)]


def _span(piece: _Piece) -> Span:
    x0, x1 = piece.quad[:, 0].min(), piece.quad[:, 0].max()
    # A tilted line's box is higher than its text.
    high = float(g.heights(piece.quad[None])[0])
    middle = float(piece.quad[:, 1].mean())
    box = (float(x0), middle - high / 2, float(x1), middle + high / 2)
    return Span(piece.word.text, piece.word.confidence, box, _sure(piece.word))


def _sure(word: TextWord) -> tuple[float, ...]:
    """How sure each character is, spaces between words as sure as can be."""
    own = iter([c for c in word.characters if c.text != " "])
    sure = tuple(1.0 if c == " " else next(own, None) for c in word.text)
    return tuple(1.0 if x is None else x if isinstance(x, float) else x.confidence for x in sure)


def _apart(a: Array, b: Array) -> bool:
    high = max(float(g.heights(a[None])[0]), float(g.heights(b[None])[0]), 1.0)
    gap = (b[[0, 3]].mean(0) - a[[1, 2]].mean(0)) @ ((a[1] - a[0]) / max(float(np.hypot(*(a[1] - a[0]))), 1e-6))
    return float(gap) > _GAP * high


def _joined(words: Sequence[TextWord]) -> TextWord:
    logs = [np.log(max(c.confidence, 1e-9)) for w in words for c in w.characters if c.text != " "]
    text = " ".join(w.text for w in words if w.text)
    characters = tuple(c for w in words for c in w.characters)
    return TextWord(text, float(np.exp(np.mean(logs))) if logs else 0.0, characters, None, words[0].language)


def _angle(pieces: Sequence[_Piece], ids: Sequence[int]) -> float:
    return float(g.reading_angles(np.array([pieces[ids[0]].quad]))[0])


def _same_place(quad: Array, card: IdCard) -> bool:
    other = np.array([card.quad])
    if card.mirrored:  # goes round the other way
        other = other[:, ::-1]
    inter = float(g.intersection_area(quad[None], other)[0])
    return inter > 0.3 * min(float(g.area(quad[None])[0]), float(g.area(other)[0]))


def _better(a: IdCard, b: IdCard) -> bool:
    return (a.accepted, len(a.fields), a.confidence) >= (b.accepted, len(b.fields), b.confidence)
