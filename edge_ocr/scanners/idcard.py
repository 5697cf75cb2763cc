"""Korean identity papers: resident card, driver's licence, foreigner's card, and the data page of passports.

``parse`` (in ``card_parse``) is pure: lines to fields. The ``Scanner`` finds the card, sets it upright and
(``card_read``) reads it line by line; ``card_fields`` looks again at what was not read surely.
"""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edge_ocr import geometry as g
from edge_ocr.errors import InputError
from edge_ocr.image import load_image
from edge_ocr.preprocess import resize
from edge_ocr.scanners import card_fields, mrz
from edge_ocr.scanners import card_values as v
from edge_ocr.scanners.card_find import View, find_quads, rectify, turned
from edge_ocr.scanners.card_parse import CardText, FieldText, Span, parse
from edge_ocr.scanners.card_read import Piece, Reader, spans_of
from edge_ocr.scanners.lines import make_detector, make_recognizer, to_quad
from edge_ocr.scanners.mrz import Field
from edge_ocr.types import Quad, Region

if TYPE_CHECKING:
    from edge_ocr.image import ImageSource

__all__ = ["CardText", "IdCard", "Scanner", "Span", "parse"]

Image = NDArray[np.uint8]
Array = NDArray[np.float64]
_SMALLEST = 6.0  # pixels: lower text is not read
_DETECT = 800  # pixels: the longer side of the picture of a card that is searched for text
_HIGHEST, _SQUARE = 3.0, 2.5  # median heights over which what is not so many times wider than high is no text
_FINE, _AGAIN = 1280, 1.2  # and if fields are missing, on so many, of a picture so much larger
_MOST = 80  # regions of a card that are read, the largest: cards have at most forty
_UPRIGHT = 0.72  # text that is read as surely as this, on average, stands upright
_READABLE = 0.4  # and what is read less surely than this, on average, is no text
_TRIED = 8  # of the widest regions, that tell whether lines are level
_INSIDE = 0.8  # of a zone lies on its page
_USUAL = {"resident": 5, "driver": 9, "alien": 7, "passport": 10}  # fields: of fewer, some were probably cut off


@dataclass(frozen=True)
class IdCard:
    """A card that was read: its ``kind`` (resident, driver, alien, passport), ``fields``, whether it is ``accepted``
    (all that such a card must have is there, in the form that it must have, and read as surely as asked for, and no day
    on it contradicts another), whether it is ``complete`` (all that authenticity services ask for), its corners
    ``quad`` in picture pixels, and whether the picture shows it ``mirrored``. A registration number that cannot be
    right, of a day that does not exist or is to come, is a field whose ``value`` is empty."""

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
        korean = make_recognizer(("ko",), models_dir, threads=threads, engine=engine)
        self._reader = Reader(korean, make_recognizer(("en", "ko"), models_dir, threads=threads, engine=engine))
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
            sure = self._reader.legible(view.image, regions)
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
        if self._level(regions) and self._reader.legible(picture, regions) >= _UPRIGHT:
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

    def _regions(self, image: Image, *, longest: int = _DETECT) -> list[Region]:
        """Text on a card, found on a small copy."""
        h, w = image.shape[:2]
        scale = min(1.0, longest / max(h, w))
        small = resize(image, (round(h * scale), round(w * scale))) if scale < 1 else image
        back = w / small.shape[1]
        found = self._detector.detect(small)
        return self._large([Region(to_quad(np.array(r.quad) * back), r.score) for r in found])

    def _level(self, regions: Sequence[Region]) -> bool:
        """Whether most of the widest regions run from left to right."""
        quads = np.array([r.quad for r in regions])
        wide = np.argsort(-g.widths(quads))[:_TRIED]
        return bool(np.median(np.abs(g.reading_angles(quads[wide]))) < 0.5)

    # -- reading ---------------------------------------------------------------------------------------------------

    def _card(
        self,
        picture: Image,
        view: View,
        regions: Sequence[Region],
        today: datetime.date | None,
        *,
        mirrored: bool = False,
    ) -> IdCard | None:
        pieces = self._reader.pieces(view.image, regions)
        text = parse(spans_of(pieces), today=today)
        zone = self._zone(picture, view, regions, pieces)
        if zone is not None and (text is None or text.kind in ("passport", "alien")):
            return self._with_zone(view, text, pieces, zone, mirrored)
        plain = pieces
        if text is None or any(not f.value for f in text.fields.values()):
            again = self._again(pieces)
            other = parse(spans_of(again), today=today) if again is not None else None
            if again is not None and other is not None:
                text, pieces = other, again
            if text is None:
                return None
        if len(text.fields) < _USUAL[text.kind] and max(view.image.shape) > _AGAIN * _DETECT:
            # Small print is the first to be missed on a small copy.
            fine = self._reader.pieces(view.image, self._regions(view.image, longest=_FINE))
            other = parse(spans_of(fine), today=today)
            if other is not None and other.kind == text.kind and _says_more(other, text):
                text, pieces = other, fine
                plain = fine
        fields = {
            name: card_fields.refined(self._reader, view.image, text.kind, name, f, [pieces[k] for k in f.spans])
            for name, f in text.fields.items()
        }
        for name, f in fields.items():
            own = [k for k in f.spans if pieces[k] is not plain[k]]
            if own:  # a number that was read again: raw is what was read first
                fields[name] = replace(f, raw=" ".join(plain[k].word.text for k in f.spans))
        return self._made(view, text, fields, pieces, mirrored)

    def _again(self, pieces: Sequence[Piece]) -> list[Piece] | None:
        """The pieces with every one that is mostly digits read as a registration number, where it can be one without
        changing what was read surely."""
        out, changed = [], False
        for p in pieces:
            digits = sum(c.isdecimal() for c in p.word.text)
            if 9 <= digits <= 15 and digits > 0.6 * len(v.fold(p.word.text)):
                found = card_fields.numbers(p, "rrn")
                if found is not None and found[0] != p.word.text:
                    p, changed = replace(p, word=replace(p.word, text=found[0], confidence=found[1])), True
            out.append(p)
        return out if changed else None

    # -- passports -------------------------------------------------------------------------------------------------

    def _zone(
        self, picture: Image, view: View, regions: Sequence[Region], pieces: Sequence[Piece]
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
            # One that lies outside shows that this is but a part of the page.
            zones += [z for z in self._zones.scan(picture) if _within(z.quad, view)]
        zones = [z for z in zones if z.layout == "TD3"]
        return max(zones, key=lambda z: (z.accepted, z.confidence), default=None)

    def _with_zone(
        self, view: View, text: CardText | None, pieces: Sequence[Piece], zone: mrz.Mrz, mirrored: bool
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
        self, view: View, text: CardText, fields: dict[str, FieldText], pieces: Sequence[Piece], mirrored: bool
    ) -> IdCard | None:
        kept = {name: f for name, f in fields.items() if f.confidence >= self.min_confidence}
        card = replace(text, fields=kept)
        out = {name: self._placed_field(view, f, pieces) for name, f in kept.items()}
        return self._finished(view, text.kind, out, card.accepted, card.accepted and card.complete, mirrored)

    def _placed_field(self, view: View, f: FieldText, pieces: Sequence[Piece]) -> Field:
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


# -- where things are ----------------------------------------------------------------------------------------------


def _moved(zone: mrz.Mrz, view: View) -> mrz.Mrz:
    """A zone of a view, in picture pixels."""

    def quad(points: Quad) -> Quad:
        return to_quad(view.to_picture(np.array([points]))[0])

    fields = {name: replace(f, quad=None if f.quad is None else quad(f.quad)) for name, f in zone.fields.items()}
    return replace(zone, fields=fields, quad=quad(zone.quad))


def _angle(pieces: Sequence[Piece], ids: Sequence[int]) -> float:
    return float(g.reading_angles(np.array([pieces[ids[0]].quad]))[0])


def _within(quad: Quad, view: View) -> bool:
    """Whether most of a quad of the picture lies on a view."""
    h, w = view.image.shape[:2]
    page = view.to_picture(g.box_quads(np.array([[0.0, 0.0, w, h]])))
    own = np.array([quad])
    # A mirrored view's corners go round the other way.
    shared = g.intersection_area(own, page if float(g.signed_area(page)[0]) > 0 else page[:, ::-1])
    return float(shared[0]) > _INSIDE * float(g.area(own)[0])


def _same_place(quad: Array, card: IdCard) -> bool:
    other = np.array([card.quad])
    if card.mirrored:  # goes round the other way
        other = other[:, ::-1]
    inter = float(g.intersection_area(quad[None], other)[0])
    return inter > 0.3 * min(float(g.area(quad[None])[0]), float(g.area(other)[0]))


def _says_more(a: CardText, b: CardText) -> bool:
    """Whether one parse of a card holds more fields than another, or the same more surely; what it must have first."""
    return _worth(a) > _worth(b)


def _worth(text: CardText) -> tuple[bool, int, float]:
    known = [f.confidence for f in text.fields.values() if f.value]
    return text.accepted, len(known), sum(known)


def _better(a: IdCard, b: IdCard) -> bool:
    return (a.accepted, len(a.fields), a.confidence) >= (b.accepted, len(b.fields), b.confidence)
