"""Machine-readable zones of travel documents (ICAO 9303 parts 4 to 7): TD1, TD2, TD3, MRV-A and MRV-B.

``parse`` is pure: lines to fields, with every check digit verified (``zone_text``). ``zone_find`` looks for the lines,
``zone_fit`` cuts them out better, ``zone_choose`` reads them.

Check digits choose among what the recognizer holds possible, they never invent: a line is only ever replaced by another
one of the same search, and ``accepted`` says that all check digits hold, that no other reading that is nearly as likely
passes them too, that both states are known ones, and that the names, over which there is no check digit, have their
form.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edge_ocr.crop import crop_quads
from edge_ocr.ctc import Decoded, greedy
from edge_ocr.detect import Detector
from edge_ocr.errors import InputError
from edge_ocr.geometry import bounding_rectangle, heights, reading_angles, widths
from edge_ocr.image import load_image
from edge_ocr.recognize import align
from edge_ocr.scanners.lines import Line, make_detector, make_recognizer, to_quad, widen
from edge_ocr.scanners.strings import distance
from edge_ocr.scanners.zone_choose import believable, choose, tidy
from edge_ocr.scanners.zone_find import zones
from edge_ocr.scanners.zone_fit import fit_lines
from edge_ocr.scanners.zone_text import ALPHABET, LAYOUTS, Layout, MrzText, check_digit, parse
from edge_ocr.types import Quad, Region, TextWord

if TYPE_CHECKING:
    from edge_ocr.image import ImageSource

__all__ = [
    "ALPHABET", "LAYOUTS", "Field", "Layout", "Mrz", "MrzText", "Scanner", "believable", "check_digit", "choose",
    "parse", "tidy",
]  # fmt: skip

Image = NDArray[np.uint8]
# The recognizer made for this, else those that know the characters at least.
MODELS = ("mrz", "en", "ko")

_FITTED = 8  # of the places that are not accepted at once, the likeliest are cut out anew along their ink
_TRIES = 8  # layouts that are laid on lines in one picture, the costly part; a zone that can be read needs up to four
_BONUS = 0.2  # what accepted check digits count for, as log-probability a character and as confidence
_LENGTH = 0.1  # share of a layout's width by which a plain reading may be longer or shorter
_READ = 0.6  # share of a layout's width that was read where the rest is looked for
_KIND = 0.3  # confidence of a zone's first letter
_OFF = 0.2  # share of a line's characters in which layout and plain reading may differ


@dataclass(frozen=True)
class Field:
    """A field: as it stands in the zone, normalised, how sure the reading of its characters is, and where all of its
    places are, empty ones too."""

    raw: str
    value: str
    confidence: float
    quad: Quad | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "raw": self.raw,
            "value": self.value,
            "confidence": round(self.confidence, 4),
            "quad": None if self.quad is None else [[round(x, 2), round(y, 2)] for x, y in self.quad],
        }


@dataclass(frozen=True)
class Mrz:
    """A zone that was read: its ``layout``, ``fields`` (the lines too, as ``line1`` …), whether it is ``accepted``
    (all check digits hold, nothing nearly as likely passes too, both states are known, and nothing stands behind the
    names), which check digits hold, where it is, and what was read ``plain``, without layout and check digits."""

    layout: str
    fields: dict[str, Field]
    accepted: bool
    checks: dict[str, bool]
    confidence: float
    quad: Quad
    plain: tuple[str, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(f.raw for name, f in self.fields.items() if name.startswith("line"))

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": "mrz",
            "layout": self.layout,
            "fields": {name: f.to_dict() for name, f in self.fields.items()},
            "accepted": self.accepted,
            "checks": dict(self.checks),
            "confidence": round(self.confidence, 4),
            "quad": [[round(x, 2), round(y, 2)] for x, y in self.quad],
            "plain": list(self.plain),
        }


class Scanner:
    """Finds and reads machine-readable zones in pictures.

    ``threads``, ``models_dir`` and ``engine`` (by name) as for ``OCR``. ``min_confidence``: zones that are read less
    surely are left out.
    ``detector``: one that is there already, for those who look for more than zones.

    The recognizer is ``mrz`` where the folder of models has it, else the one of English, or of Korean, which know the
    characters but not what OCR-B looks like; ``recognizer`` says which. Raises ModelNotFound where there is none of
    them, or no detector.
    """

    def __init__(
        self,
        *,
        threads: int = 1,
        models_dir: str | os.PathLike[str] | None = None,
        min_confidence: float = 0.5,
        detector: Detector | None = None,
        engine: str = "onnx",
    ) -> None:
        if not 0 <= min_confidence <= 1:
            raise InputError(f"min_confidence: expected a number in 0..1, found {min_confidence!r}")
        self.min_confidence = float(min_confidence)
        self._detector = detector if detector is not None else make_detector(models_dir, threads=threads, engine=engine)
        self._recognizer = make_recognizer(MODELS, models_dir, threads=threads, engine=engine)
        self.recognizer = self._recognizer.manifest.name

    def scan(self, image: ImageSource) -> tuple[Mrz, ...]:
        """The zones in a picture (path, bytes, array, PIL image or Frame), accepted ones first, then the surest. Raises
        ImageError."""
        picture = load_image(image)
        return self.scan_regions(picture, self._detector.detect(picture))

    def scan_regions(self, picture: Image, regions: Sequence[Region]) -> tuple[Mrz, ...]:
        """The zones among given regions of a picture uint8 ``[H, W, 3]`` RGB: for those who have detected already."""
        found: list[tuple[frozenset[int], Mrz]] = []
        looked: list[frozenset[int]] = []
        done: list[frozenset[int]] = []
        tries = iter(range(_TRIES))
        for rows, quads in zones(regions):
            if any(rows & other for other in done):
                continue  # these lines have said what they say
            zone, plain = self._read(picture, quads, tries)
            if (zone is None or not zone.accepted) and len(looked) < _FITTED:
                looked.append(rows)
                for better in _better(picture, quads, plain):
                    again, _ = self._read(picture, better, tries)
                    zone = max((z for z in (zone, again) if z is not None), key=_worth, default=None)
                    if zone is not None and zone.accepted:
                        break
            if zone is not None and zone.confidence >= self.min_confidence:
                found.append((rows, zone))
                done += [rows] if zone.accepted else []
        found.sort(key=lambda x: -_worth(x[1]))
        kept: list[tuple[frozenset[int], Mrz]] = []
        for rows, zone in found:
            if not any(rows & other for other, _ in kept):
                kept.append((rows, zone))
        return tuple(zone for _, zone in kept)

    def _read(
        self, picture: Image, quads: NDArray[np.float64], tries: Iterator[int]
    ) -> tuple[Mrz | None, tuple[str, ...]]:
        """The zone in these lines, if there is one, and what was read there plainly. Each layout laid on them takes one
        of ``tries``; without any left there is none."""
        given = self._recognizer.manifest.input
        crops = [c.image for c in crop_quads(picture, quads, height=given.height, margin=given.margin)]
        lps = self._recognizer.log_probs(crops)
        plain = tuple(greedy(lp).text for lp in lps)
        best: tuple[float, bool, Layout, tuple[str, ...], MrzText] | None = None
        for layout in LAYOUTS.values():
            if len(layout.lines) != len(lps):
                continue
            if any(abs(len(p) - layout.width) > _LENGTH * layout.width for p in plain):
                continue
            if next(tries, None) is None:
                break
            choice = choose(layout, lps)
            if choice is None:
                continue
            score, lines, clear = choice
            lines = tidy(layout, lps, lines)
            text = parse(lines)
            if text is None or any(distance(p, x) > _OFF * len(x) for p, x in zip(plain, lines, strict=True)):
                continue
            # The first letter decides the layout, and few check digits of a wrong one hold by chance.
            words = [self._recognizer.word_of(lp, line) for lp, line in zip(lps, lines, strict=True)]
            kind = words[0].characters[0].confidence
            sound = text.accepted and text.known and text.well_formed
            accepted = sound and clear and kind >= _KIND and believable(layout, words, plain)
            # Check digits of a wrong layout may hold by chance, but then the lines fit badly.
            rank = score + (_BONUS if accepted else 0.0)
            if best is None or rank > best[0]:
                best = (rank, accepted, layout, lines, text)
        if best is None:
            return None, plain
        _, accepted, layout, lines, text = best
        words = [self._recognizer.word_of(lp, line) for lp, line in zip(lps, lines, strict=True)]
        angle = float(reading_angles(quads[:1])[0])
        quad = to_quad(bounding_rectangle(quads.reshape(-1, 2), angle))
        confidence = float(np.exp(np.mean([np.log(max(w.confidence, 1e-9)) for w in words])))
        margin = given.margin
        edges = [
            _edges(align(lp, line), len(lp.symbols), q, margin) for lp, line, q in zip(lps, lines, quads, strict=True)
        ]
        fields = _fields(layout, text, words, edges)
        return Mrz(layout.name, fields, accepted, text.checks, confidence, quad, plain), plain


def _better(picture: Image, quads: NDArray[np.float64], plain: Sequence[str]) -> Iterator[NDArray[np.float64]]:
    """Other places that the lines of a zone may have, f64 ``[n, 4, 2]``: fitted to their ink, and longer, where too few
    characters stand in them, since a run of fillers at the end is easily missed. Characters stand evenly, so how far
    the missing ones reach is known."""
    fitted = fit_lines(picture, quads)
    if fitted is not None:
        yield fitted
    count = max(len(text) for text in plain)
    # The longest first: a shorter layout fits a longer one without its end.
    for width in sorted({x.width for x in LAYOUTS.values() if len(x.lines) == len(quads)}, reverse=True):
        if _READ * width <= count < width:
            more = (width - count + 0.5) / count
            longer = np.array([
                widen(line, end=more * line.width / max(line.height, 1.0)) for line in (Line((), q) for q in quads)
            ])  # fmt: skip
            yield longer
            fitted = fit_lines(picture, longer)
            if fitted is not None:
                yield fitted


def _worth(zone: Mrz) -> float:
    return zone.confidence + (_BONUS if zone.accepted else 0.0)


def _edges(read: Decoded, columns: int, quad: NDArray[np.float64], margin: float) -> NDArray[np.float64]:
    """Where the characters of a line begin and end, f64 ``[n + 1, 2, 2]``: on its quad's upper edge, and on its lower
    one. They stand evenly, so the first and the last column that say anything are enough."""
    n = len(read.text)
    first, last = (sum(read.columns[k]) + 1 for k in (0, -1))
    pitch = (last - first) / max(n - 1, 1)
    share = (first + pitch * (np.arange(n + 1) - 0.5)) / (2 * columns)
    # The crop reached beyond the quad by the margin.
    more = margin * float(heights(quad[None])[0]) / max(float(widths(quad[None])[0]), 1.0)
    share = (share * (1 + 2 * more) - more)[:, None]
    upper, lower = quad[0] + share * (quad[1] - quad[0]), quad[3] + share * (quad[2] - quad[3])
    return np.stack([upper, lower], axis=1)


def _fields(
    layout: Layout, text: MrzText, words: Sequence[TextWord], edges: Sequence[NDArray[np.float64]]
) -> dict[str, Field]:
    def place(k: int, a: int, b: int) -> Quad:
        return to_quad(np.array([edges[k][a, 0], edges[k][b, 0], edges[k][b, 1], edges[k][a, 1]]))

    def sure(k: int, a: int, b: int) -> float:
        logs = [np.log(max(c.confidence, 1e-9)) for c in words[k].characters[a:b]]
        return float(np.exp(np.mean(logs))) if logs else 0.0

    places = dict(layout.fields) | {"surname": layout.fields["names"], "given_names": layout.fields["names"]}
    out = {}
    for name, value in text.values.items():
        k, a, b = places[name]
        raw = text.fields.get(name, text.fields["names"])
        out[name] = Field(raw, value, sure(k, a, b), place(k, a, b))
    for k, line in enumerate(text.lines):
        out[f"line{k + 1}"] = Field(line, line, sure(k, 0, layout.width), place(k, 0, layout.width))
    return out
