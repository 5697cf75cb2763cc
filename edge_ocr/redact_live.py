"""Masking of what a stream tells, event by event, before all of a number may be known.

A number is found in pieces: in two boxes, half of it at the frame's edge, or half of it by the first detection. So a
text is not looked at alone. What stands around it in the same frame is read with it; what was masked once is masked
wherever it stands again; and digits that may be a piece of a number are held back until they have settled, away from
the edge and from anything that is not read yet. What was held back for no reason is told then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edge_ocr import geometry as g
from edge_ocr.events import Event, Seen, Track
from edge_ocr.extent import longer
from edge_ocr.sensitive import DEFAULT, Policy, Span, find, marked, mask_text, plain_digits

__all__ = ["LiveMask"]

_KEPT = 2.0  # seconds for which a text that is out of view is still read together with its neighbours
_SECRETS, _SECRET = 64, 6  # so many masked numbers are remembered, of at least so many characters,
_AGAIN = 4  # and pieces of them of at least so many digits are masked again
_SAME = 0.3  # intersection over union of a text out of view and one that took its place
_BESIDE, _LEVEL, _ALIKE = 1.5, 0.5, 1.6  # heights between neighbours, and off the line; factor between their heights
_EDGE, _TOUCH = 0.8, 2.0  # heights before a text's ends in which the frame may cut off a character; pixels beside it

_UNREAD = "\0"
_FORMS = ((6, 7), (2, 2, 6, 2))  # digits between dashes: of resident, alien and licence numbers
_MOST = 13
_ALONE, _LEAST = 4, 5  # digits of a piece: where nothing else stands beside it, or the frame cuts it, and elsewhere
_NUMBER = re.compile(r"-?[0-9](?:[ -]{0,3}[0-9]|[OoQDIl|iZSsBbgq](?=[ -]{0,3}[0-9]))*(?: ?-(?![A-Za-z0-9]))?")
_DATE = re.compile(r"(?:19|20)?[0-9]{2}-(?:0?[1-9]|1[0-2])-(?:0?[1-9]|[12][0-9]|3[01])")
_MONTH = re.compile(r"(?:19|20)[0-9]{2}-(?:0[1-9]|1[0-2])")
_YEAR = re.compile(r"(?:19|20)[0-9]{2} ?[.년]")
_ROUND = re.compile(r"[1-9][0-9]{1,2}00|[1-9][0-9]{2}000")  # as prices are
_LETTER = re.compile("[A-Za-z](?<![OoQDIliZSsBbgq])")  # and none that digits are taken for
_UNITS = re.compile(r" ?(?:[원호층번년월일시분초개명동점%℃℉₩]|(?:won|km|cm|mm|kg|ml|m|g|l|ea)(?![a-z]))", re.IGNORECASE)
_CODE = re.compile(
    r"(?<![A-Za-z0-9<])(?:[MSRGDOT][-IlO|]?[0-9]{5,8}|(?=(?:[A-Z<]*[0-9]){5})(?=[0-9<]*[A-Z])[A-Z0-9<]{9,})"
)
# a date of birth and what may be the begin of the other half, whatever its dash was read as
_BEGUN = re.compile(
    r"(?<![0-9])[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
    r"(?: ?(?:[^\w\s.,:₩$€£¥]|_) ?(?:[^\w\s]|_)?|[A-Za-z]) ?[0-9](?: ?[0-9]){0,7}(?![0-9]|[.,][0-9])"
)


@dataclass(eq=False)
class _Text:
    """A text as it was seen last, and what was told of it."""

    quad: g.Array
    text: str
    stable: bool
    seen: float
    track: Track | None = None
    told: str | None = None  # masked
    of: str = ""  # the text that this was
    waits: bool = False  # more of it is masked than its neighbours and what was told before ask for
    lost: bool = False


@dataclass(eq=False)
class _Row:
    """Texts that stand beside one another: all that they say, and of each character its text and its place there."""

    text: str = ""
    places: list[tuple[int, int] | None] = field(default_factory=list)

    def add(self, k: int, text: str, end: str) -> None:
        self.text += text + end
        self.places += [(k, i) for i in range(len(text))] + [None] * len(end)


class LiveMask:
    """Masks the events of a stream: ``events(seen)`` for each frame, ``close(events)`` at the end.

    ``roi`` is the stream's, outside which text is cut as by the frame's edge. ``pieces``: whether digits that may be a
    piece of a number are held back; scanners tell whole documents, so theirs need not be. A stable text that was held
    back is told again, as "updated", when it may be read.
    """

    def __init__(self, policy: Policy = DEFAULT, *, roi: Sequence[float] | None = None, pieces: bool = True) -> None:
        self.policy, self.roi, self.pieces = policy, roi, pieces
        self._texts: dict[int, _Text] = {}
        self._secrets: dict[str, None] = {}  # the newest last

    def events(self, seen: Seen) -> tuple[Event, ...]:
        """The events of a frame with their texts masked, and those of texts that need not be masked any longer."""
        self._follow(seen)
        if not seen.events and not any(t.waits and t.stable and t.track is not None for t in self._texts.values()):
            return ()
        hidden = self._hidden(seen)
        out = [self._masked(event, hidden) for event in seen.events]
        for number, text in self._texts.items():
            said = self._said(number, hidden)
            if text.track is None or not text.stable or text.told is None or text.of != text.text:
                continue
            if said.count(self.policy.mark) < text.told.count(self.policy.mark):
                out.append(_again(seen, text.track, said))
                text.told = said
        return tuple(out)

    def close(self, events: Iterable[Event]) -> tuple[Event, ...]:
        """The last events of a stream, all of them "lost", masked as their texts were told."""
        return tuple(self._masked(event, {}) for event in events)

    # -- what is known ---------------------------------------------------------------------------------------------

    def _follow(self, seen: Seen) -> None:
        """Brings the texts in line with a frame; those out of view move as the others do."""
        there = {track.track: track for track in seen.tracks}
        moved = [
            (np.array(track.quad) - self._texts[number].quad).mean(0)
            for number, track in there.items() if number in self._texts and self._texts[number].track is not None
        ]  # fmt: skip
        shift = np.median(moved, axis=0) if moved else np.zeros(2)
        for number, text in self._texts.items():
            text.track = None
            if number not in there:
                text.quad = text.quad + shift
        for number, track in there.items():
            text = self._texts.setdefault(number, _Text(np.array(track.quad), "", False, 0.0))
            text.quad, text.text, text.track = np.array(track.quad, np.float64), track.text, track
            text.stable, text.seen = track.stable, seen.seconds
        for event in seen.events:  # of what was read and lost from view in the same frame
            if event.event != "lost" and event.track not in there:
                text = self._texts.setdefault(event.track, _Text(np.array(event.quad), "", False, 0.0))
                text.quad, text.text, text.seen = np.array(event.quad, np.float64), event.text, seen.seconds
        old = {n for n, t in self._texts.items() if t.track is None and seen.seconds - t.seen > _KEPT}
        for number in old:
            self._texts[number].quad = np.full((4, 2), np.nan)
        self._texts = {n: t for n, t in self._texts.items() if n not in old or (t.told is not None and not t.lost)}

    def _masked(self, event: Event, hidden: dict[int, set[int]]) -> Event:
        text = self._texts.get(event.track)
        if text is None:  # of a time before this began to mask
            return replace(event, text=mask_text(event.text, self.policy))
        if event.event == "lost":
            text.lost = True
        if text.told is None or event.event != "lost":
            text.told, text.of = self._said(event.track, hidden), event.text
        return replace(event, text=text.told)

    def _said(self, number: int, hidden: dict[int, set[int]]) -> str:
        text = self._texts[number].text
        return marked(text, [Span("", k, k + 1) for k in hidden.get(number, ())], self.policy)

    # -- what is hidden --------------------------------------------------------------------------------------------

    def _hidden(self, seen: Seen) -> dict[int, set[int]]:
        """The places to hide in each text."""
        texts = self._present({event.track for event in seen.events if event.event != "lost"})
        hidden: dict[int, set[int]] = {number: set() for number in texts}
        rows = [row for row in _beside(texts) if any(c.isdecimal() or c == "<" for c in row.text)]
        for row in [*rows, *_broken(texts, rows)]:
            for span in find(row.text, self.policy):
                secret = "".join(c for c in row.text[span.start : span.end].upper() if c.isalnum())
                if len(secret) >= _SECRET:
                    self._secrets.pop(secret, None)
                    self._secrets[secret] = None
                _hide(hidden, row, span)
        while len(self._secrets) > _SECRETS:
            del self._secrets[next(iter(self._secrets))]
        for number, text in texts.items():
            hidden[number].update(_told_before(text.text, self._secrets))
        sure = {number: len(places) for number, places in hidden.items()}
        if self.pieces and (self.policy.resident or self.policy.licence or self.policy.passport):
            window = self._window(seen)
            for row in rows:
                cut = {n for n in {p[0] for p in row.places if p is not None} if _cut(texts[n].quad, window)}
                unsettled = {p[0] for p in row.places if p is not None and not texts[p[0]].stable}
                for span in _row_pieces(row, unsettled, cut):
                    _hide(hidden, row, span)
        for number, text in texts.items():
            text.waits = len(hidden[number]) > sure[number]
        return hidden

    def _present(self, told: set[int]) -> dict[int, _Text]:
        """The texts in view or just told, and those that left the view a moment ago and whose place is not taken."""
        inside = {n: t for n, t in self._texts.items() if t.track is not None or n in told}
        away = {n: t for n, t in self._texts.items() if n not in inside and np.isfinite(t.quad).all() and t.text}
        if inside and away:
            taken = g.quad_iou_matrix(
                g.clean(np.array([t.quad for t in away.values()])), g.clean(np.array([t.quad for t in inside.values()]))
            ).max(1)
            away = {n: t for (n, t), iou in zip(away.items(), taken, strict=True) if iou < _SAME}
        return inside | away

    def _window(self, seen: Seen) -> tuple[float, float, float, float]:
        h, w = seen.image.shape[:2]
        x0, y0, x1, y1 = self.roi if self.roi is not None else (0, 0, w, h)
        return max(x0, 0.0), max(y0, 0.0), min(x1, float(w)), min(y1, float(h))


def _again(seen: Seen, track: Track, said: str) -> Event:
    ms = 1000 * seen.seconds
    return Event("updated", track.track, seen.frame, ms, said, track.confidence, track.quad, track.hints)


def _hide(hidden: dict[int, set[int]], row: _Row, span: Span) -> None:
    for place in row.places[span.start : span.end]:
        if place is not None:
            hidden[place[0]].add(place[1])


def _told_before(text: str, secrets: Iterable[str]) -> Iterator[int]:
    """The places of a text that say again what was masked before, or a piece of it."""
    places = [k for k, c in enumerate(text) if c.isalnum()]
    solid = "".join(text[k] for k in places).upper()
    runs = [x for x in re.finditer(r"[0-9]+", solid) if x.end() - x.start() >= _AGAIN]
    for secret in secrets:
        at = solid.find(secret)
        if at >= 0:
            yield from places[at : at + len(secret)]
        for run in runs:
            if run.group() in secret:
                yield from places[run.start() : run.end()]


def _broken(texts: dict[int, _Text], rows: Sequence[_Row]) -> list[_Row]:
    """Each row with each that stands under it, as one text of two lines."""
    boxes = []
    for row in rows:
        quads = np.array([texts[n].quad for n in {place[0] for place in row.places if place is not None}])
        box = g.bounding_boxes(quads)
        boxes.append((*box[:, :2].min(0), *box[:, 2:].max(0), float(g.heights(quads).max())))
    out = []
    for upper, (x0, y0, x1, y1, high) in zip(rows, boxes, strict=True):
        for lower, (left, top, right, bottom, size) in zip(rows, boxes, strict=True):
            by = max(high, size)
            under = top + bottom > y0 + y1 and -0.5 * by < top - y1 < _BESIDE * by
            if lower is not upper and under and left < x1 + by and right > x0 - by:
                out.append(_Row(upper.text + "\n" + lower.text, [*upper.places, None, *lower.places]))
    return out


def _beside(texts: dict[int, _Text]) -> list[_Row]:
    """Texts that stand in one line next to each other, from left to right; what is not read yet as a mark."""
    numbers = list(texts)
    if not numbers:
        return []
    quads = np.array([texts[n].quad for n in numbers])
    angles, high = g.reading_angles(quads), np.maximum(g.heights(quads), 1.0)
    left, right = (quads[:, 0] + quads[:, 3]) / 2, (quads[:, 1] + quads[:, 2]) / 2
    after: dict[int, int] = {}
    for i in range(len(numbers)):
        along = np.array([np.cos(angles[i]), np.sin(angles[i])])
        size = np.maximum(high, high[i])
        apart = (left - right[i]) @ along
        off = np.abs((left - right[i]) @ np.array([-along[1], along[0]]))
        near = (apart > -0.5 * size) & (apart < _BESIDE * size) & (off < _LEVEL * size)
        near &= (high < _ALIKE * high[i]) & (high[i] < _ALIKE * high) & (np.arange(len(numbers)) != i)
        near &= (right - right[i]) @ along > 0
        if near.any():
            after[i] = int(np.where(near, apart, np.inf).argmin())
    rows: list[_Row] = []
    told: set[int] = set()
    for i in sorted(range(len(numbers)), key=lambda k: k in after.values()):
        if i in told:
            continue  # rows begin where no text stands before
        row, k, done = _Row(), i, set()
        while k not in done:
            done.add(k)
            told.add(k)
            row.add(numbers[k], texts[numbers[k]].text or _UNREAD, " " if after.get(k, k) not in done else "")
            k = after.get(k, k)
        rows.append(row)
    return rows


def _cut(quad: g.Array, window: tuple[float, float, float, float]) -> bool:
    """Whether the edge of what is looked at may hide a character before a text's ends, or half of them."""
    x0, y0, x1, y1 = window
    by = _EDGE * float(g.heights(quad[None])[0])
    points = longer(quad, by, by)
    outside = (points[:, 0] <= x0) | (points[:, 0] >= x1) | (points[:, 1] <= y0) | (points[:, 1] >= y1)
    left, top, right, bottom = g.bounding_boxes(quad[None])[0]
    near = left <= x0 + _TOUCH or top <= y0 + _TOUCH or right >= x1 - _TOUCH or bottom >= y1 - _TOUCH
    return bool(outside.any() or near)


# -- pieces of numbers ---------------------------------------------------------------------------------------------


def _row_pieces(row: _Row, unsettled: set[int], cut: set[int]) -> Iterator[Span]:
    """What of a row may be a piece of an identity, licence or passport number, where some texts have not settled, and
    the edge may have cut some."""
    plain = plain_digits(row.text)
    for pattern in (_CODE, _BEGUN):
        for code in pattern.finditer(plain):
            if _open(row, code.start(), code.end(), unsettled | cut):
                yield Span("piece", code.start(), code.end())
    for number in _NUMBER.finditer(plain):
        parts = [(number.start() + x.start(), number.start() + x.end()) for x in re.finditer("[^ ]+", number.group())]
        for i in range(len(parts)):
            for j in range(i, len(parts)):
                a, b = parts[i][0], parts[j][1]
                if not _open(row, a, b, unsettled | cut):
                    continue
                at_edge = _open(row, a, b, cut, beside=False)
                alone = not plain[:a].strip() and not plain[b:].strip()
                if _may_be_piece(plain, parts[i : j + 1], _ALONE if at_edge or alone else _LEAST, at_edge):
                    yield Span("piece", a, b)


def _open(row: _Row, a: int, b: int, texts: set[int], *, beside: bool = True) -> bool:
    """Whether any of these texts has a part in some characters, or what is not read yet stands beside them."""
    if beside and _UNREAD in (row.text[:a].rstrip()[-1:], row.text[b:].lstrip()[:1]):
        return True
    return any(place is not None and place[0] in texts for place in row.places[a:b])


def _may_be_piece(plain: str, parts: Sequence[tuple[int, int]], least: int, cut: bool) -> bool:
    """Whether these parts, between spaces, may be a piece of one number that has a form of ``_FORMS``, or none."""
    a, b = parts[0][0], parts[-1][1]
    words = [plain[x:y] for x, y in parts]
    text = "".join(words)
    digits = sum(c.isdecimal() for c in text)
    if digits < least or 5 * digits < 4 * sum(c.isalnum() for c in text):
        return False
    # amounts, dates, times and shares go on before or behind
    if re.search(r"(?:[0-9][,.:/]|[₩$€£¥])$", plain[:a]) or re.match(r"[,.:/][0-9]", plain[b:]):
        return False
    if "-" in text and digits < _LEAST and not cut:
        return False
    if "-" not in text:
        if _YEAR.match(plain, a) and len(text) == 4:
            return False
        # half a digit at the edge may read as any letter
        if not cut and (_LETTER.fullmatch(plain[a - 1 : a]) or _LETTER.fullmatch(plain[b : b + 1])):
            return False
        if not cut and (_UNITS.match(plain, b) or all(_ROUND.fullmatch(w) for w in words)):
            return False
        return len(words) == 1 or (len(text) <= _MOST and any(len(w) >= _LEAST for w in words))
    if (_DATE.fullmatch(text) and not (cut and len(text) < 10)) or (_MONTH.fullmatch(text) and not cut):
        return False
    groups = [len(x) for x in text.split("-")]
    return any(_fits(groups, form[k : k + len(groups)]) for form in _FORMS for k in range(len(form) - len(groups) + 1))


def _fits(groups: Sequence[int], form: Sequence[int]) -> bool:
    inner = zip(groups[1:-1], form[1:-1], strict=True)
    return groups[0] <= form[0] and groups[-1] <= form[-1] and all(x == y for x, y in inner)
