"""Reading a card that stands upright: regions to pieces of lines, each with what the recognizers say of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_ocr import geometry as g
from edge_ocr.crop import crop_quads
from edge_ocr.ctc import LogProbs
from edge_ocr.layout import arrange
from edge_ocr.recognize import Recognizer
from edge_ocr.scanners import card_values as v
from edge_ocr.scanners.card_page import Span
from edge_ocr.scanners.lines import Line, line_of, widen
from edge_ocr.types import Region, TextWord

__all__ = ["Piece", "Reader", "spans_of"]

Image = NDArray[np.uint8]
Array = NDArray[np.float64]
Said = tuple[tuple[Recognizer, LogProbs], ...]
_TRIED = 8  # regions that are read to see which way is up
_LATIN_LEAD = 0.1  # by so much the recognizer of Latin text may be less sure of it, and is believed
_NOISE = 0.15  # what is read less surely than this is a pattern, not text
_GAP = 1.6  # heights between two words of a line from which they are two pieces
_LOOKS = (0.0, 0.25)  # heights around a piece that further looks at it take in
_SHORT_DATE = re.compile(r"(?:19|20)\d\d\s?\.\s*\d{0,2}\s?\.?|~?\s?(?:19|20)\d\d")
_SHORT_NUMBER = re.compile(
    r"[0-9]{0,5}-?[0-9]{7}|[0-9]{6}-?[0-9]{0,6}|[0-9]?-?[0-9]{0,2}-[0-9]{6}-[0-9]{2}|[0-9]{2}-[0-9]{2}-[0-9]{1,6}-?[0-9]?"
)
_SHORT_OFFICE = re.compile(r"(?:특별|광역|자치)|(?:시|도)\s|(?:지방)?경찰청장|출입국")
# A bracket on one side alone: the detector cut the other off, or glued it to a letter.
_HALF = re.compile(r"[^()]*(?:동|가|로|리|트)\)|.*\([가-힣0-9]+[동리가로](?:, ?[^()]*)?")


@dataclass(frozen=True, eq=False)
class Piece:
    """A piece of a line on a view: what was read there, its quad ``[4, 2]`` on the view, and what the recognizers said
    of it: of Korean first, of English where it was asked."""

    word: TextWord
    quad: Array
    said: tuple[tuple[Recognizer, LogProbs], ...]


class Reader:
    """Reads with a recognizer of Korean and, where there is no Hangul, with one of Latin text."""

    def __init__(self, korean: Recognizer, latin: Recognizer) -> None:
        self._korean, self._latin = korean, latin

    def legible(self, image: Image, regions: Sequence[Region]) -> float:
        """How surely the widest regions are read, on average over their characters."""
        wide = sorted(regions, key=lambda r: -float(g.widths(np.array([r.quad]))[0]))[:_TRIED]
        words = self._korean.recognize(self._crops(image, np.array([r.quad for r in wide])))
        total = sum(len(w.text) for w in words)
        return sum(w.confidence * len(w.text) for w in words) / total if total else 0.0

    def _crops(self, image: Image, quads: Array, margin: float | None = None) -> list[Image]:
        given = self._korean.manifest.input
        reach = given.margin if margin is None else margin
        return [c.image for c in crop_quads(image, quads, height=given.height, margin=reach)]

    def pieces(self, image: Image, regions: Sequence[Region]) -> list[Piece]:
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

    def _widened(self, image: Image, pieces: list[Piece]) -> list[Piece]:
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
            elif _HALF.fullmatch(text):
                quads.append(widen(line, start=0.8, end=0.8))
            elif _SHORT_NUMBER.fullmatch(text.replace(" ", "")):
                quads.append(widen(line, start=3.0, end=3.0))
            else:
                continue
            ask.append(k)
        out = list(pieces)
        for k, piece in zip(ask, self._read(image, np.array(quads).reshape(-1, 4, 2)), strict=True):
            before, after = v.fold(out[k].word.text), v.fold(piece.word.text)
            longer = len(after) - len(before)
            whole = _HALF.fullmatch(out[k].word.text.strip()) and not _HALF.fullmatch(piece.word.text.strip())
            if (longer > 0 or (longer == 0 and whole)) and v.distance(before, after) <= longer + 1:
                out[k] = piece
        return out

    def _read(self, image: Image, quads: Array) -> list[Piece]:
        if not len(quads):
            return []
        crops = self._crops(image, quads)
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
        return [Piece(w, q, tuple(s)) for w, q, s in zip(words, quads, said, strict=True)]

    def looks(self, image: Image, piece: Piece) -> Said:
        """What the recognizers say of a piece, of the crop that was read and of others that are cut out wider and
        closer: mistakes of one are seldom those of the next."""
        asked = [recognizer for recognizer, _ in piece.said]
        crops = [self._crops(image, piece.quad[None], margin)[0] for margin in _LOOKS]
        more = [(recognizer, lp) for recognizer in asked for lp in recognizer.log_probs(crops)]
        return (*piece.said, *more)


def _unsure(piece: Piece, ids: Sequence[int]) -> bool:
    """Whether a line of several words is to be read word by word too."""
    return len(ids) > 1 and piece.word.confidence < 0.97


def spans_of(pieces: Sequence[Piece]) -> list[Span]:
    """The pieces as ``parse`` takes them, on the level."""
    if not pieces:
        return []
    quads = np.array([p.quad for p in pieces])
    wide = g.widths(quads) > 3 * g.heights(quads)
    angle = float(np.median(g.reading_angles(quads)[wide])) if wide.any() else 0.0
    turned_back = g.rotate(quads, -angle)
    return [_span(replace(p, quad=q)) for p, q in zip(pieces, turned_back, strict=True)]


def _span(piece: Piece) -> Span:
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
