"""Masking of what identity documents say: a policy -> polygons, the picture with them burnt in, masked text.

Nothing is blurred or pixelated, which can be undone (Hill et al., "On the (In)effectiveness of Mosaicing and Blurring
as Tools for Document Redaction", 2016): masks are solid, cover whole pixels, and ``save`` writes pixels alone, no
metadata and no thumbnail. What is masked is found by what texts look like, so in doubt more is masked than need be.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr import geometry as g
from edge_ocr.errors import InputError
from edge_ocr.sensitive import DEFAULT, Policy, Span, find, has_licence, marked, mask_text
from edge_ocr.types import Quad, Reading, TextWord

__all__ = ["Mask", "Policy", "mask_document", "mask_reading", "mask_text", "plan", "redact", "save"]

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Mask:
    """``what`` (resident, licence, serial, passport, personal, fingerprint, plate) is hidden by ``quad``, in picture
    pixels."""

    what: str
    quad: Quad

    def to_dict(self) -> dict[str, Any]:
        return {"what": self.what, "quad": [[round(x, 2), round(y, 2)] for x, y in self.quad]}


# -- in readings ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Stream:
    """All that was read as one text; ``places``: of each character its word and its place there, None between words."""

    text: str
    places: tuple[tuple[int, int] | None, ...]


def _stream(reading: Reading) -> _Stream:
    rows = [line.words for line in reading.lines]
    told = {k for row in rows for k in row}
    rows += [(k,) for k in range(len(reading.words)) if k not in told]
    text: list[str] = []
    places: list[tuple[int, int] | None] = []
    for row in rows:
        for k in row:
            text += reading.words[k].text
            places += [(k, i) for i in range(len(reading.words[k].text))]
            text.append(" ")
            places.append(None)
        if row:
            text[-1] = "\n"
    return _Stream("".join(text), tuple(places))


def _hidden(
    reading: Reading, policy: Policy, told: Sequence[tuple[str, Span]] = ()
) -> Iterator[tuple[Span, dict[int, list[int]]]]:
    """Each span of a reading, with the places that it hides in each word."""
    stream = _stream(reading)
    found = find(stream.text, policy)
    have = {(span.start, span.end) for span in found}
    found += [span for span in dict.fromkeys(_again(stream.text, told)) if (span.start, span.end) not in have]
    for span in found:
        words: dict[int, list[int]] = {}
        for place in stream.places[span.start : span.end]:
            if place is not None:
                words.setdefault(place[0], []).append(place[1])
        yield span, words


def mask_reading(reading: Reading, policy: Policy = DEFAULT) -> Reading:
    """The reading with marks in its words, characters and lines; a number may be split over words and lines."""
    hidden: dict[int, set[int]] = {}
    for _, words in _hidden(reading, policy):
        for k, places in words.items():
            hidden.setdefault(k, set()).update(places)
    if not hidden:
        return reading
    masked = [_mask_word(w, hidden.get(k, set()), policy) for k, w in enumerate(reading.words)]
    lines = []
    for line in reading.lines:
        text, at = line.text, 0
        for k in line.words:
            at = max(text.find(reading.words[k].text, at), at)
            end = at + len(masked[k].text)
            text, at = text[:at] + masked[k].text + text[end:], end
        lines.append(replace(line, text=text))
    return replace(reading, words=tuple(masked), lines=tuple(lines))


def _mask_word(word: TextWord, places: set[int], policy: Policy) -> TextWord:
    if not places:
        return word
    text = marked(word.text, [Span("", k, k + 1) for k in places], policy)
    characters = word.characters
    if "".join(c.text for c in characters) == word.text:
        characters = tuple(replace(c, text=text[k]) for k, c in enumerate(characters))
    else:
        characters = ()
    # the plain reading may be of another length: nothing of it is safe to tell
    return replace(word, text=text, characters=characters, plain=None if word.plain is None else text)


# -- in documents --------------------------------------------------------------------------------------------------

# Names that fields may have, whatever their text looks like.
_RESIDENT_FIELDS = {"rrn", "resident_number", "registration_number", "alien_number"}
_LICENCE_FIELDS = {"licence_number", "license_number", "licence"}
_SERIAL_FIELDS = {"serial", "serial_number"}
_PASSPORT_FIELDS = {"number", "passport_number"}
_PERSONAL_FIELDS = {"optional", "optional2", "personal_number"}
_NAME_FIELDS = {"names", "surname", "given_names"}
_PASSPORTS = {"passport", "mrz"}
# Where the fingerprint stands on the back of a resident card: left, top, right and bottom, in parts of the card.
_FINGERPRINT = (0.60, 0.05, 0.99, 0.95)
_SECRET = 5  # what a document told is looked for in other text, too, from so many characters on


def _as_dict(document: Any) -> dict[str, Any]:
    data = document if isinstance(document, Mapping) else document.to_dict()
    return dict(data)


def _field_spans(kind: str, layout: str, name: str, text: str, policy: Policy) -> list[Span]:
    """What of a field is masked: by its name, else by what it looks like."""
    whole = len(text)
    kept = [k for k, c in enumerate(text) if c.isalnum()]
    if name in _RESIDENT_FIELDS and policy.resident:
        # whatever it looks like: from the first masked digit on, all of it
        first = 13 - policy.resident
        spans = [Span("resident", kept[first], whole, max(13 - len(kept), 0))] if len(kept) > first else []
    elif name in _LICENCE_FIELDS and policy.licence and not has_licence(text):
        digits = [k for k in kept if text[k].isdecimal()]
        spans = [Span("licence", digits[2], digits[-2])] if len(digits) > 4 else [Span("licence", 0, whole)]
    elif name in _SERIAL_FIELDS:
        spans = [Span("serial", 0, whole)] if policy.serial else []
    elif name in _PASSPORT_FIELDS and kind in _PASSPORTS and layout in ("", "TD3", "MRVA"):
        first = max(len(kept) - policy.passport, 0)
        spans = [Span("passport", kept[first], whole)] if len(kept) > first else []
    elif name in _PERSONAL_FIELDS:
        spans = [Span("personal", 0, whole)] if policy.personal else []
    elif name == "fingerprint":
        spans = []
    elif name in _NAME_FIELDS and kind in _PASSPORTS:
        spans = find(text.replace("<", " "), policy)  # with their fillers they look like a piece of a zone
    else:
        spans = find(text, policy)
    return [s for s in spans if s.end > s.start]


def mask_document(document: Any, policy: Policy = DEFAULT) -> dict[str, Any]:
    """What a scanner found (an object with ``to_dict``, or that dictionary) as a dictionary with its text masked."""
    data = _as_dict(document)
    kind, layout = str(data.get("kind", "")), str(data.get("layout", ""))
    if "fields" not in data:
        return _mask_plate(data, policy)
    fields = {}
    for name, found in data["fields"].items():
        field = dict(found)
        for key in ("raw", "value", "plain"):
            if isinstance(field.get(key), str):
                text = field[key]
                field[key] = marked(text, _field_spans(kind, layout, name, text, policy), policy)
        field.pop("characters", None)
        fields[name] = field
    out = {key: _mask_strings(value, policy) for key, value in data.items() if key != "fields"}
    return {**out, "fields": fields}


def _mask_plate(data: dict[str, Any], policy: Policy) -> dict[str, Any]:
    if not policy.plates:
        return data
    hidden = ("text", "plain", "number", "letter", "serial", "district", "region")
    marked = {k: re.sub(r"\w", policy.mark, data[k]) for k in hidden if isinstance(data.get(k), str)}
    return {**{k: v for k, v in data.items() if k != "characters"}, **marked}


def _mask_strings(value: Any, policy: Policy) -> Any:
    if isinstance(value, str):
        return mask_text(value, policy)
    if isinstance(value, (list, tuple)):
        return [_mask_strings(x, policy) for x in value]
    return value


# -- where they are ------------------------------------------------------------------------------------------------


def plan(found: Any, policy: Policy = DEFAULT) -> tuple[Mask, ...]:
    """The masks for what was found in a picture: a ``Reading``, a scanner's document or plate, its ``to_dict``, or
    several of these. Fields without a place (``quad`` or ``quads``) give none: plan with the reading beside them. What
    documents tell is masked in readings beside them wherever it stands again."""
    parts = list(_parts(found))
    told = [secret for part in parts if not isinstance(part, Reading) for secret in _secrets(part, policy)]
    masks: list[Mask] = []
    for part in parts:
        masks += _of_reading(part, policy, told) if isinstance(part, Reading) else _of_document(part, policy)
    return tuple(masks)


def _parts(found: Any) -> Iterator[Reading | dict[str, Any]]:
    """The readings and documents of what was found, one by one."""
    if isinstance(found, Reading):
        yield found
    elif isinstance(found, Mapping) or hasattr(found, "to_dict"):
        yield _as_dict(found)
    elif isinstance(found, Iterable) and not isinstance(found, (str, bytes)):
        for part in found:
            yield from _parts(part)
    else:
        raise InputError(f"expected a Reading or a scanner's documents, found {type(found).__name__}")


def _secrets(data: dict[str, Any], policy: Policy) -> Iterator[tuple[str, Span]]:
    """What a document's fields say that must not be shown, letters and digits alone, and which of them."""
    kind, layout = str(data.get("kind", "")), str(data.get("layout", ""))
    for name, field in data.get("fields", {}).items():
        for text in {str(field.get(key) or "") for key in ("raw", "value")}:
            solid, places = _solid(text)
            if len(solid) < _SECRET:
                continue
            for span in _field_spans(kind, layout, name, text, policy):
                inside = [n for n, k in enumerate(places) if span.start <= k < span.end]
                if inside:
                    yield solid, Span(span.what, inside[0], inside[-1] + 1)


def _solid(text: str) -> tuple[str, list[int]]:
    """The letters and digits of a text, and their places."""
    places = [k for k, c in enumerate(text) if c.isalnum()]
    return "".join(text[k] for k in places).upper(), places


def _again(text: str, told: Sequence[tuple[str, Span]]) -> Iterator[Span]:
    """Where a text says again what the fields of documents told."""
    solid, places = _solid(text)
    for secret, span in told:
        at = solid.find(secret)
        while at >= 0:
            yield Span(span.what, places[at + span.start], places[at + span.end - 1] + 1)
            at = solid.find(secret, at + 1)


def _of_reading(reading: Reading, policy: Policy, told: Sequence[tuple[str, Span]] = ()) -> Iterator[Mask]:
    for span, words in _hidden(reading, policy, told):
        last = next(reversed(words), -1)
        for k, places in words.items():
            word = reading.words[k]
            if word.quad is None:
                continue
            short = span.short if k == last else 0
            yield Mask(span.what, _piece([word.quad], word.text, places[0], places[-1] + 1, short, policy))


def _of_document(data: dict[str, Any], policy: Policy) -> Iterator[Mask]:
    kind, layout = str(data.get("kind", "")), str(data.get("layout", ""))
    if "fields" not in data:
        if policy.plates and data.get("quad") is not None:
            yield Mask("plate", _grown(_points(data["quad"]), policy.margin))
        return
    for name, field in data["fields"].items():
        quads = field.get("quads") or ([field["quad"]] if field.get("quad") is not None else [])
        if not quads:
            continue
        if name == "fingerprint":
            if policy.fingerprint:
                yield from (Mask("fingerprint", _grown(_points(q), policy.margin)) for q in quads)
            continue
        text = str(field.get("raw") or field.get("value") or "")
        for span in _field_spans(kind, layout, name, text, policy):
            for quad in _pieces(quads, text, span, policy):
                yield Mask(span.what, quad)
    if policy.fingerprint and kind.endswith("back") and "fingerprint" not in data["fields"] and data.get("quad"):
        a, top, b, bottom = _FINGERPRINT
        yield Mask("fingerprint", _part(_points(data["quad"]), a, b, top, bottom))


def _points(quad: Any) -> NDArray[np.float64]:
    points = np.asarray(quad, np.float64)
    if points.shape != (4, 2) or not np.isfinite(points).all():
        raise InputError(f"expected four points of two numbers, found an array of shape {points.shape}")
    return points


def _pieces(quads: Sequence[Any], text: str, span: Span, policy: Policy) -> Iterator[Quad]:
    """The parts of a field's quads, its words or lines one after the other, that a span of its text takes up."""
    points = [_points(q) for q in quads]
    if len(points) == 1:
        yield _piece(points, text, span.start, span.end, span.short, policy)
        return
    wide = np.array([float(g.widths(q[None])[0]) for q in points])
    high = max(float(g.heights(q[None])[0]) for q in points)
    edges = np.concatenate([[0.0], np.cumsum(wide)])
    a, b = _extent(text, span.start, span.end)
    # how the text is spread over its quads is a guess: a whole height more on either side
    low, top = a * edges[-1] - high, b * edges[-1] + high
    for k, q in enumerate(points):
        start, end = (low - edges[k]) / max(wide[k], 1.0), (top - edges[k]) / max(wide[k], 1.0)
        if end > 0 and start < 1:
            yield _grown(np.array(_part(q, max(start, 0.0), min(end, 1.0), 0.0, 1.0)), policy.margin)


def _piece(quads: Sequence[Any], text: str, start: int, end: int, short: int, policy: Policy) -> Quad:
    """The part of a quad that the characters ``start`` to ``end`` of its text take up, half a character more on either
    side, and as many as are ``short`` after the end."""
    q = _points(quads[0])
    a, b = _extent(text, start, end)
    one = 1 / max(len(text), 1)
    a = a - 0.5 * one if start else 0.0
    b = b + 0.5 * one if end < len(text) else 1.0
    return _grown(np.array(_part(q, max(a, 0.0), min(b, 1.0) + short * one, 0.0, 1.0)), policy.margin)


def _extent(text: str, start: int, end: int) -> tuple[float, float]:
    """Where characters stand in their line, 0..1, if each were as wide as its kind usually is."""
    wide = np.array([_advance(c) for c in text])
    edges = np.concatenate([[0.0], np.cumsum(wide)]) / max(float(wide.sum()), 1e-9)
    return float(edges[start]), float(edges[end])


def _advance(c: str) -> float:
    if unicodedata.east_asian_width(c) in "WF":
        return 1.0
    return 0.35 if c in " .,:;'|!-()[]ilI" else 0.65 if c.isupper() else 0.55


def _part(q: NDArray[np.float64], a: float, b: float, top: float, bottom: float) -> Quad:
    """The part of a quad between shares ``a`` and ``b`` of its width, ``top`` and ``bottom`` of its height."""

    def at(u: float, v: float) -> tuple[float, float]:
        x, y = (1 - v) * ((1 - u) * q[0] + u * q[1]) + v * ((1 - u) * q[3] + u * q[2])
        return float(x), float(y)

    return (at(a, top), at(b, top), at(b, bottom), at(a, bottom))


def _grown(q: NDArray[np.float64], margin: float) -> Quad:
    by = margin * float(g.heights(q[None])[0])
    a, b, c, d = g.grow(q[None], by, by)[0].tolist()
    return ((a[0], a[1]), (b[0], b[1]), (c[0], c[1]), (d[0], d[1]))


# -- in pictures ---------------------------------------------------------------------------------------------------

_SHIFT = 4  # binary digits behind the point that OpenCV's drawing takes


def redact(image: Image, masks: Iterable[Mask], policy: Policy = DEFAULT) -> Image:
    """A new picture uint8 ``[H, W, 3]`` RGB in which every pixel that a mask touches has the policy's colour: no pixel
    under a mask has any influence on it. Masks may reach beyond the picture."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InputError(f"expected a picture uint8 [H, W, 3], found {image.dtype} {list(image.shape)}")
    covered = np.zeros(image.shape[:2], np.uint8)
    for mask in masks:
        points = _points(mask.quad)
        # a frame of two pixels more than the picture is all that can be seen of what lies beyond it
        limit = 4.0 * max(image.shape[:2])
        corners = np.clip(points, -limit, limit) - 0.5
        whole = np.round(cv2.convexHull(corners.astype(np.float32)).reshape(-1, 2) * (1 << _SHIFT)).astype(np.int32)
        cv2.fillConvexPoly(covered, whole, 255, cv2.LINE_8, _SHIFT)
        # pixels that the outline only touches: drawn two pixels thick
        cv2.polylines(covered, [whole], True, 255, 2, cv2.LINE_8, _SHIFT)
    out: Image = image.copy()
    out[covered > 0] = policy.colour
    return out


def save(path: str | os.PathLike[str], image: Image, *, quality: int = 92) -> None:
    """Writes uint8 ``[H, W, 3]`` RGB as PNG or JPEG, by the path's suffix (``quality`` 1..100 of the latter): pixels
    alone, without metadata or thumbnail. Raises InputError for other suffixes, or where it cannot be written."""
    suffix = Path(path).suffix.lower()
    if suffix not in (".png", ".jpg", ".jpeg"):
        raise InputError(f"{os.fspath(path)}: .png, .jpg or .jpeg can be written, found {suffix or 'no suffix'}")
    options = [cv2.IMWRITE_JPEG_QUALITY, int(np.clip(quality, 1, 100))] if suffix != ".png" else []
    done, content = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise InputError(f"{os.fspath(path)}: this picture cannot be encoded as {suffix}")
    try:
        with open(path, "wb") as stream:
            stream.write(content.tobytes())
    except OSError as error:
        raise InputError(f"{os.fspath(path)}: cannot be written: {error.strerror}") from error
