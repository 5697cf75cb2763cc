"""Drawn identity papers, and the invented people on them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import numpy as np
import pytest

pytest.importorskip("PIL")
from PIL import ImageFont

from edge_ocr import geometry as g
from edge_ocr.scanners import card_values as v
from edge_ocr.scanners import korea, mrz
from edge_ocr.scanners.card_parse import parse
from training.synth import people
from training.synth.cards import KINDS, CardSynth, Photo, flat, lines
from training.synth.layouts import Backgrounds, Kit, Words


@dataclass(frozen=True)
class PlainFace:
    """Pillow's own face; Hangul comes out as boxes, which is enough to see where things stand."""

    name: str = "default"
    path: str = "default"
    script: str = "hangul"

    def can_write(self, text: str) -> bool:
        return True

    def font(self, size: int) -> ImageFont.FreeTypeFont:
        font = ImageFont.load_default(size)
        assert isinstance(font, ImageFont.FreeTypeFont)
        return font


class PlainFaces:
    hangul = latin = all = (PlainFace(),)


@pytest.fixture(scope="module")
def synth() -> CardSynth:
    return CardSynth(PlainFaces(), PlainFace(), Backgrounds(None))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_people_have_numbers_that_are_right(kind: str) -> None:
    rng = np.random.default_rng(0)
    failing = 0
    for _ in range(60):
        person = getattr(people, kind)(rng)
        fields = person.fields
        if kind == "passport":
            zone = mrz.parse([fields["line1"], fields["line2"]])
            assert zone is not None and zone.accepted
            assert zone.values["number"] == v.passport_number(fields["passport_number"]) == fields["passport_number"]
            assert zone.values["names"] == fields["name"] and zone.values["expiry"] == fields["expiry"]
            continue
        number = v.registration_number(fields["alien_number" if kind == "alien" else "rrn"])
        assert number is not None and number.foreign == (kind == "alien")
        failing += number.checked is False
        assert datetime.date.fromisoformat(fields["issue_date"]) > number.birth
        assert v.dates(person.printed["issue_date"])[0][0].isoformat() == fields["issue_date"]
        assert fields["issuer"] in korea.issuers(kind)
        if kind == "driver":
            assert v.licence_number(fields["licence_number"]) == fields["licence_number"]
            assert v.serial(fields["serial"]) == fields["serial"]
            assert v.period(person.printed["renewal_period"]) is not None
    assert failing < 20  # the random ones of recent years


@pytest.mark.parametrize("kind", KINDS)
def test_a_scanner_would_understand_what_is_printed(synth: CardSynth, kind: str) -> None:
    """The lines of a card as they are drawn, read without an error, give back its fields."""
    rng = np.random.default_rng(5)
    wrong = []
    for _ in range(3):
        sheet, person, texts = synth.flat(rng, kind)
        spans = _spans(sheet.quads, texts)
        card = parse(spans)
        assert card is not None and card.kind == kind
        for name, value in person.fields.items():
            if name not in ("line1", "line2") and (name not in card.fields or card.fields[name].value != value):
                wrong.append((name, value, card.fields.get(name)))
    assert not wrong


def test_words_lie_where_they_are_drawn(synth: CardSynth) -> None:
    rng = np.random.default_rng(1)
    for kind in KINDS:
        sheet, _, texts = synth.flat(rng, kind)
        assert len(sheet.quads) == len(texts)
        assert (sheet.ignored >= np.array([not t for t in texts])).all()
        boxes = g.bounding_boxes(sheet.quads)
        assert (boxes[:, :2] >= -1).all() and (boxes[:, 2] <= sheet.width + 1).all()
        assert (boxes[:, 3] <= sheet.height + 1).all()
        meet = g.quad_iou_matrix(sheet.quads, sheet.quads) - np.eye(len(sheet.quads))
        assert meet.max() < 0.15, [texts[k] for k in np.unravel_index(meet.argmax(), meet.shape)]


def test_photographs_hold_the_card_and_repeat(synth: CardSynth) -> None:
    for k in range(3):
        photo = synth.sample(np.random.default_rng([7, k]))
        again = synth.sample(np.random.default_rng([7, k]))
        assert isinstance(photo, Photo) and (photo.image == again.image).all() and photo.fields == again.fields
        h, w = photo.image.shape[:2]
        assert photo.image.dtype == np.uint8 and photo.kind in KINDS
        assert (photo.quad >= -0.02 * w).all() and (photo.quad <= [1.02 * w, 1.02 * h]).all()
        centres = photo.words.mean(1)
        inside = np.array([[c + [-1, -1], c + [1, -1], c + [1, 1], c + [-1, 1]] for c in centres])
        covered = g.intersection_area(inside, np.repeat(photo.quad[None], len(inside), axis=0))
        assert (covered > 1).all()


def test_lines_to_learn_from(synth: CardSynth) -> None:
    rng = np.random.default_rng(3)
    photo = synth.sample(rng, "driver")
    samples = lines(rng, photo)
    assert len(samples) >= 8
    assert all(s.image.shape[0] == 32 and 8 <= s.image.shape[1] <= 448 and s.image.ndim == 2 for s in samples)
    words = {w for t in photo.texts for w in t.split(" ")}
    assert all(w in words for s in samples for w in s.text.split(" "))
    assert any(" " in s.text for s in samples)


def test_a_sheet_for_the_detector(synth: CardSynth) -> None:
    kit = Kit(PlainFaces(), Words(["가"], ["a"], []), Backgrounds(None))
    sheet = flat(np.random.default_rng(4), kit)
    assert len(sheet.quads) > 10 and sheet.image.dtype == np.uint8


def _spans(quads: np.ndarray, texts: tuple[str, ...]) -> list:
    """Words that stand beside one another, joined to the pieces that a reader would hand over."""
    from edge_ocr.scanners.card_parse import Span

    out: list[list] = []
    for quad, text in zip(quads, texts, strict=True):
        if not text:
            continue
        (x0, y0), (x1, y1) = quad.min(0), quad.max(0)
        last = out[-1] if out else None
        near = last is not None and abs((y0 + y1) / 2 - last[2]) < 0.5 * (y1 - y0) and -5 < x0 - last[1] < 1.2 * last[4]
        if near:
            last[0].append(text)
            last[1], last[5] = x1, max(last[5], y1)
        else:
            out.append([[text], x1, (y0 + y1) / 2, x0, max(y1 - y0, 8), y1, y0])
    return [Span(" ".join(w), 1.0, (x0, y0, x1, y1)) for w, x1, _, x0, _, y1, y0 in out]
