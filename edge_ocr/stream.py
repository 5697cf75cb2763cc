"""Frames to events: a text appears, is updated, is stable, is lost; each is told once, not once a frame.

Texts are detected when the view's motion or a change in it asks for that, followed in between (``track``), read when
nothing is known of them yet, when they are sharper than before, or when their reading is unsure, and what was read is
voted on (``vote``). Time is that of the frames, never the machine's, so the same file gives the same events.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edge_ocr import geometry as g
from edge_ocr.capture import Capture, is_number
from edge_ocr.crop import crop_quad
from edge_ocr.errors import InputError
from edge_ocr.events import Best, Event, Reader, Seen, Track
from edge_ocr.extent import letters_beyond, longer, shared
from edge_ocr.followed import SIGHTINGS, Followed, shape_of
from edge_ocr.image import load_image
from edge_ocr.quality import Adviser, Hint, Quality, assess_frame, assess_patch, has_shapes, hints, patches
from edge_ocr.track import Change, Flow, Match, Motion, Scene, match, small_grey
from edge_ocr.types import Frame, Quad, Region, TextWord
from edge_ocr.vote import Votes

__all__ = ["Best", "Event", "Reader", "Seen", "Stream", "Track"]

Image = NDArray[np.uint8]

# When to detect: seconds of the frames' time.
_SOONEST = 0.1  # not twice within this time, unless the scene was cut
_LATEST = 1.0  # and at least so often, for what comes up slowly
_SETTLING = 0.4  # so long a fast motion, whose blur nobody can read, may put it off
_UNCOVERED = 0.12  # this share of the frame came into view
_ALTERED = 0.10  # or a spot of it differs by this much of the range of grey
_CUT = 0.6  # all of it by so many standard deviations: another scene
_SHARPENED = 1.3  # or it got into focus
_FAST = 0.04  # of the frame's longer side, from one frame to the next

# When to read.
_READS = 8  # texts a frame at most, so that no frame takes much longer than others
_GAP = 0.1  # seconds between readings of one text: neighbouring frames make the same mistakes
_LOOK = 0.1  # seconds between looks at a text that is settled, in case it is sharper or has changed

# When a text is the same, longer, cut, gone.
_SECOND = 0.2  # of which the second is asked for after so many seconds
_DROPS = 2  # detections that must miss a text before it is lost
_EDGE = 2.0  # pixels from the edge, within which a text may go on beyond it
_RESHAPED = 1.2  # a text whose width by height changed by this factor is another piece of it
_LONGER = 2  # detections that find more of it, until that is believed
_SHORTER = 6  # and detections in a row that find less
_BEYOND = 0.9  # heights by which a reading looks beyond both ends of a text, for letters that the detector lost
_TOUCH = 0.05  # heights between two texts that may be one
_HELD = 0.6  # of a text's area, from which it is a piece of another
_PROBES = 3  # such readings that found nothing more, until they end,
_GROWN = 6  # or that did
_INWARD = 0.15  # how far an end follows the detector's inwards, who rather loses letters than makes them up
_NEAR = 3.0  # heights within which a text that went missing is looked for, if the same is read
_PIECES = 3  # detections in a row that find a text in pieces, or as part of a larger one, until that is believed


class Stream:
    """Reads text from moving pictures: ``for event in Stream(ocr, source)``.

    ``source``: whatever ``Capture`` takes (a camera's number, a file, an address), or any iterable of ``Frame``.
    ``roi``: (x0, y0, x1, y1) frame pixels; text whose middle lies outside is left alone. ``min_height``: lower text
    is left alone, frame pixels. ``min_confidence``: readings below it are not told
    (None: below the reader's). ``lost_after``: seconds after
    which a text that is not found again is lost; until then it keeps its number. ``language``: of the hints, "en" or
    "ko".

    ``frames()`` gives each frame with everything that is known of it instead; ``process`` takes frames one at a time.
    Live sources drop frames so that the delay does not grow (``Capture``); files are read whole. Where nothing can be
    read there are no events; what keeps the camera from reading is in ``hints`` all the time: the hints of the newest
    frame.

    Pictures and frames that cannot be decoded are left out, and a video that ends before its time ends the events:
    both give a CaptureWarning.

    Raises InputError for arguments that cannot be, a ``roi`` outside the first frame among them, and what ``Capture``
    raises: for a source that is lost or fails while it is read, too.
    """

    def __init__(
        self,
        ocr: Reader,
        source: str | int | os.PathLike[str] | Iterable[Frame] = (),
        *,
        roi: Sequence[float] | None = None,
        min_height: float = 0.0,
        min_confidence: float | None = None,
        lost_after: float = 1.0,
        language: str = "en",
    ) -> None:
        if min_confidence is None:
            min_confidence = ocr.min_confidence
        for name, value, high in (
            ("min_height", min_height, 1e6), ("min_confidence", min_confidence, 1), ("lost_after", lost_after, 1e6),
        ):
            if not (is_number(value) and 0 <= value <= high):
                raise InputError(f"{name}: expected a number in 0..{high:g}, found {value!r}")
        hints(Quality(), None, language=language)
        known = isinstance(source, (str, int, os.PathLike)) or hasattr(source, "__iter__")
        if not (known or hasattr(source, "__getitem__")):
            raise InputError(f"source: expected what Capture takes, or frames, found {type(source).__name__}")
        self.source = source
        self.roi = None if roi is None else _box(roi)
        self.hints: tuple[Hint, ...] = ()
        self.min_height = float(min_height)
        self.min_confidence = float(min_confidence)
        self.lost_after = float(lost_after)
        self.language = language
        self._ocr = ocr
        self._accepts: Callable[[str], bool] = getattr(ocr, "accepts", lambda _: True)
        self._words = not hasattr(ocr, "accepts")  # a plate is whole or none
        self._limits = ocr.quality
        self._flow = Flow()
        self._scene: Scene | None = None
        self._texts: list[Followed] = []
        self._next = 1
        self._frame = -1
        self._first = 0.0
        self._now = 0.0
        self._detected = -1e9
        self._size = (0, 0)
        self._frame_hints: tuple[Hint, ...] = ()
        self._adviser = Adviser()

    # -- sources ---------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Event]:
        """The events of the source's frames, and at its end "lost" for each text that was still there."""
        for seen in self.frames():
            yield from seen.events
        yield from self.close()

    def frames(self) -> Iterator[Seen]:
        """Each frame of the source with what came of it. The source is closed when it ends, or when the caller
        stops."""
        source = self.source
        if isinstance(source, (str, int, os.PathLike)):
            with Capture(source) as opened:
                yield from self._each(opened)
        else:
            yield from self._each(source)

    def _each(self, source: Iterable[Frame]) -> Iterator[Seen]:
        for frame in source:
            dropped, skipped = (int(getattr(source, name, 0)) for name in ("dropped", "skipped"))
            yield self.process(frame, dropped=dropped, skipped=skipped)

    def close(self) -> tuple[Event, ...]:
        """Ends all texts: "lost" for each that was told."""
        events = [self._event("lost", text) for text in self._texts if text.told]
        self._texts = []
        return tuple(events)

    # -- one frame -------------------------------------------------------------------------------------------------

    def process(self, frame: Frame, *, dropped: int = 0, skipped: int = 0) -> Seen:
        """Takes the next frame. Its timestamp counts if it is later than the last one's; else a millisecond after
        that does. Raises ImageError, and InputError for what is no frame, for a timestamp that is no finite number, and
        for a first frame that lies outside the region of interest."""
        start = time.perf_counter()
        moment = _moment(frame)
        image = load_image(frame)
        self._frame += 1
        if self._frame == 0:
            self._first = self._now = moment
        else:
            self._now = max(moment, self._now + 1e-3)
        spent: dict[str, float] = {}
        events: list[Event] = []
        if image.shape[:2] != self._size:
            events.extend(self.close())
            self._size = (image.shape[0], image.shape[1])
            self._flow, self._scene = Flow(), None
            self._check_window()

        small, scale = small_grey(image)
        motion = self._flow.step(small, scale, np.array([text.quad for text in self._texts]))
        followed = motion.shift() / max(self._size) if motion.view is not None else None
        self._adviser.look(self._now, small, followed)
        self._follow(motion)
        detect = self._wants_detection(small, motion)
        spent["track"] = _lap(start)

        lap = time.perf_counter()
        if detect:
            events.extend(self._detect(image, small, scale))
        events.extend(self._drop())
        spent["detect"] = _lap(lap)

        lap = time.perf_counter()
        looked = self._look(image)
        if detect:
            self._frame_hints = () if looked else self._hints_without_text(small)
        spent["quality"] = _lap(lap)

        lap = time.perf_counter()
        chosen = self._choose(looked)
        events.extend(self._read(image, chosen))
        spent["read"] = _lap(lap)
        spent["total"] = _lap(start)
        tracks = tuple(self._track(text) for text in self._texts if self._visible(text))
        told = {hint.kind: hint for track in tracks for hint in track.hints}
        self.hints = tuple(told.values()) if tracks else self._frame_hints
        return Seen(
            image=image,
            frame=self._frame,
            seconds=self._now - self._first,
            events=tuple(events),
            tracks=tracks,
            hints=self.hints,
            detected=detect,
            reads=len(chosen),
            ms=spent,
            dropped=dropped,
            skipped=skipped,
            advice=self._adviser.step(self._now, self.hints, reads=any(track.text for track in tracks)),
        )

    # -- where texts are -------------------------------------------------------------------------------------------

    def _follow(self, motion: Motion) -> None:
        if self._scene is not None:
            self._scene.move(motion)
        if self._texts:
            quads, _ = motion.follow(np.array([text.quad for text in self._texts]))
            for text, quad in zip(self._texts, quads, strict=True):
                text.quad = quad
                text.cut = text.cut or self._cut(quad)

    def _wants_detection(self, small: Image, motion: Motion) -> bool:
        since = self._now - self._detected
        if self._scene is None or since >= _LATEST:
            return True
        change = self._scene.change(small)
        if change.overall >= _CUT:
            return True
        if since < _SOONEST - 1e-6:
            return False
        if motion.shift() > _FAST * max(self._size) and since < _SETTLING:
            return False
        return self._asks(change)

    def _asks(self, change: Change) -> bool:
        # What reads like nothing is not worth a detection of its own.
        unsettled = any(
            (bool(text.told) and (text.misses or text.pieces)) or self._entered(text) or self._fresh(text)
            for text in self._texts
        )
        other = change.uncovered >= _UNCOVERED or change.altered >= _ALTERED
        return unsettled or other or change.sharper >= _SHARPENED

    def _entered(self, text: Followed) -> bool:
        """Whether a text that was cut by the edge has come in, so that more of it may be seen."""
        return text.cut and not self._cut(text.quad, 0.5 * float(g.heights(text.quad[None])[0]))

    def _fresh(self, text: Followed) -> bool:
        """Whether a text waits to be found a second time: a single detection may have seen half of it."""
        says = not text.reads or text.votes.result.confidence >= self.min_confidence
        waits = says and (text.seen < SIGHTINGS or text.longer > 0)
        return waits and not text.cut and self._now - self._detected >= _SECOND - 1e-6

    def _detect(self, image: Image, small: Image, scale: float) -> list[Event]:
        self._detected = self._now
        self._scene = Scene(small, scale)
        x0, y0, x1, y1 = self._window()
        if x1 <= x0 or y1 <= y0:
            return []
        regions = self._ocr.detect(np.ascontiguousarray(image[y0:y1, x0:x1]))
        found = np.array([r.quad for r in regions], np.float64).reshape(-1, 4, 2) + (x0, y0)
        found = found[g.heights(found) >= self.min_height]
        which = match(np.array([text.quad for text in self._texts]), found)
        return self._settle(which, found)

    def _window(self) -> tuple[int, int, int, int]:
        """What of the frame is looked at: the region of interest, in whole pixels inside the frame."""
        h, w = self._size
        if self.roi is None:
            return 0, 0, w, h
        x0, y0, x1, y1 = (round(v) for v in self.roi)
        return max(x0, 0), max(y0, 0), min(x1, w), min(y1, h)

    def _check_window(self) -> None:
        """Raises InputError where nothing could ever be found. Only at the first frame: a folder's pictures may differ
        in size."""
        x0, y0, x1, y1 = self._window()
        if self._frame == 0 and (x1 <= x0 or y1 <= y0):
            h, w = self._size
            raise InputError(f"roi: {self.roi} lies outside the frame, which is {w} pixels wide and {h} high")

    def _settle(self, which: Match, found: g.Array) -> list[Event]:
        """Brings the texts in line with what a detection found."""
        known = dict(which.pairs)
        pieces: dict[int, list[int]] = {}
        for i, j in which.fragments:
            pieces.setdefault(i, []).append(j)
        new = list(which.new)
        gone: list[Followed] = []
        for i, text in enumerate(self._texts):
            if i in known:
                self._found(text, found[known[i]])
            elif i in pieces:
                text.misses = 0
                text.pieces += 1
                if text.pieces >= _PIECES:
                    gone.append(text)
                    new += [j for j in pieces[i] if j not in new]
            else:
                text.missed = text.missed if text.misses else self._now
                text.misses += 1
        events = [self._event("lost", text) for text in gone if text.told]
        self._texts = [text for text in self._texts if text not in gone]
        for j in sorted(new):
            self._texts.append(Followed(self._next, found[j], shape_of(found[j]), self._now, self._cut(found[j])))
            self._next += 1
        return events

    def _found(self, text: Followed, quad: g.Array) -> None:
        """A detection found a followed text again."""
        text.misses, text.pieces = 0, 0
        came, text.cut = text.cut, self._cut(quad)
        ratio = shape_of(quad) / text.shape
        if 1 / _RESHAPED < ratio < _RESHAPED or (text.grown and ratio < 1):
            # The flow is steadier than the detector, which is right in the mean: they share. What was read beyond its
            # ends is not given up for its losing them again.
            text.quad = shared(text.quad, quad, inward=0.0 if text.grown else _INWARD)
            text.seen, text.shorter = text.seen + 1, 0
            return
        # A detector rather loses an end of a long word than makes one up: two sightings of more are believed at once,
        # fewer only when they go on.
        text.longer, text.shorter = text.longer + (ratio > 1), (text.shorter + 1 if ratio < 1 else 0)
        if text.cut or came or text.longer >= _LONGER or text.shorter >= _SHORTER:
            text.quad, text.shape = quad, shape_of(quad)
            text.longer, text.shorter, text.seen = 0, 0, 1
            text.probes = text.grown = 0
            if not text.cut or ratio > 1:  # on its way in, every sighting shows more; on its way out it is known
                text.votes, text.fittest = Votes(), 0.0  # what was read before was not this

    def _cut(self, quad: g.Array, edge: float = _EDGE) -> bool:
        """Whether a quad reaches the edge of what is looked at, so that there may be more of its text beyond."""
        x0, y0, x1, y1 = self._window()
        left, top, right, bottom = g.bounding_boxes(quad[None])[0]
        return bool(left <= x0 + edge or top <= y0 + edge or right >= x1 - edge or bottom >= y1 - edge)

    def _drop(self) -> list[Event]:
        """Ends texts that two detections missed, or that are outside the view, for long enough."""
        events = []
        for text in list(self._texts):
            text.left = min(text.left, self._now) if self._outside(text) else np.inf
            missed = text.misses >= _DROPS and self._now - text.missed >= self.lost_after - 1e-6
            if missed or self._now - text.left >= self.lost_after - 1e-6:
                self._texts.remove(text)
                if text.told:
                    events.append(self._event("lost", text))
        return events

    def _outside(self, text: Followed) -> bool:
        x, y = text.quad.mean(0)
        x0, y0, x1, y1 = self._window()
        return not (x0 <= x <= x1 and y0 <= y <= y1)

    def _visible(self, text: Followed) -> bool:
        return text.misses == 0 and not self._outside(text)

    # -- what they read --------------------------------------------------------------------------------------------

    def _look(self, image: Image) -> list[tuple[Followed, Image]]:
        """The texts that may be read in this frame, with their patches; their figures are renewed. Those read
        a moment ago are left alone."""
        looked = [
            text for text in self._texts
            if self._visible(text) and self._now - text.looked >= (_LOOK if text.stable else _GAP) - 1e-6
        ]
        found = patches(image, np.array([text.quad for text in looked]))
        for text, patch in zip(looked, found, strict=True):
            height = self._limits.height if self._limits is not None else 24
            text.quality = assess_patch(patch, text.quad, self._size, height=height)
            text.looked = self._now
            fitness = text.quality.fitness
            if text.best is None or fitness > text.best.fitness:
                crop = crop_quad(image, text.quad, height=64, margin=0.15)
                text.best = Best(self._frame, self._now - self._first, fitness, crop)
        return list(zip(looked, found, strict=True))

    def _choose(self, looked: list[tuple[Followed, Image]]) -> list[tuple[Followed, Image]]:
        """Those worth a reading now, the least known first, at most _READS."""
        worth = [(text, patch) for text, patch in looked if text.wants_reading(patch, self._now)]
        worth.sort(key=lambda pair: (pair[0].stable, pair[0].reads, pair[0].track))
        return worth[:_READS]

    def _read(self, image: Image, chosen: list[tuple[Followed, Image]]) -> list[Event]:
        if not chosen:
            return []
        wide = {k: self._beyond(text) for k, (text, _) in enumerate(chosen) if self._probed(text)}
        quads = [text.quad for text, _ in chosen] + list(wide.values())
        words = self._ocr.read_regions(image, [Region(_quad(quad), 1.0) for quad in quads])
        more = dict(zip(wide, words[len(chosen) :], strict=True))
        events: list[Event] = []
        for k, ((text, patch), word) in enumerate(zip(chosen, words, strict=False)):
            if text not in self._texts:
                continue  # it was a piece of one that has grown
            before = text.grown
            word = self._extend(text, word, more.get(k), wide.get(k))
            if text.grown > before:
                events.extend(self._swallow(text))
            events.extend(self._vote(text, word, patch, image))
        return events

    def _swallow(self, text: Followed) -> list[Event]:
        """Ends texts that turn out to be pieces of one that has grown."""
        others = [t for t in self._texts if t is not text]
        if not others:
            return []
        quads = np.array([t.quad for t in others])
        shared = g.intersection_area(quads, np.repeat(text.quad[None], len(quads), 0))
        gone = [t for t, part, size in zip(others, shared, g.area(quads), strict=True) if part > _HELD * size]
        self._texts = [t for t in self._texts if t not in gone]
        return [self._event("lost", t) for t in gone if t.told]

    def _probed(self, text: Followed) -> bool:
        """Whether a text's readings look beyond its ends."""
        return self._words and not text.cut and text.probes < _PROBES and text.grown < _GROWN

    def _beyond(self, text: Followed) -> g.Array:
        """A text's quad with its ends moved outwards, as far as no other text stands there; one that touches it may be
        the rest of the same word."""
        high = float(g.heights(text.quad[None])[0])
        others = np.array([t.quad for t in self._texts if t is not text], np.float64).reshape(-1, 4, 2)
        near = np.repeat(longer(text.quad, _TOUCH * high, _TOUCH * high)[None], len(others), 0)
        others = others[g.intersection_area(near, others) < 1]
        by = [0.0, 0.0]
        for end in (0, 1):
            reach = [0.0, 0.0]
            reach[end] = _BEYOND * high
            whole = longer(text.quad, *reach)
            # Only what is beyond counts: neighbours may overlap the text itself.
            part = whole.copy()
            part[[1, 2] if end == 0 else [0, 3]] = text.quad[[0, 3] if end == 0 else [1, 2]]
            if not len(others) or float(g.intersection_area(np.repeat(part[None], len(others), 0), others).max()) < 1:
                by[end] = reach[end]
        return longer(text.quad, *by)

    def _extend(self, text: Followed, word: TextWord, more: TextWord | None, wide: g.Array | None) -> TextWord:
        """The reading that counts, of a text and of what stands beyond its ends as well; a text that goes on there is
        made longer."""
        if more is None or wide is None:
            return word
        extra = letters_beyond(word.text, more)
        if extra is None:
            text.probes += 1
            return word
        each = 1.1 * float(g.widths(text.quad[None])[0]) / max(len(word.text), 1)
        room = (float(np.hypot(*(wide[k] - text.quad[k]))) for k in (0, 1))
        ends = zip((extra.before, extra.after), room, strict=True)
        text.quad = longer(text.quad, *(min(n * each, most) for n, most in ends))
        text.shape = shape_of(text.quad)
        text.probes, text.grown = 0, text.grown + 1
        text.votes, text.fittest, text.reads, text.tried = Votes(), 0.0, 0, 0  # what was read before was a piece
        return extra.word

    def _vote(self, text: Followed, word: TextWord, patch: Image, image: Image) -> list[Event]:
        """Counts one more reading; what is to be told of it."""
        said = text.add(word, patch, self._now)
        if not said.text or said.confidence < self.min_confidence or not self._accepts(said.text):
            return []
        if not text.told:
            if text.cut and self._now - text.since < self.lost_after:
                return []  # it is on its way in
            if self._rejoin(text):
                return []
        settled, firm = text.settled(said, word.text, self._now)
        events = []
        if not text.told:
            text.told = said.text
            events.append(self._event("appeared", text))
        elif said.text != text.told and (not text.stable or (settled and firm)):
            text.told = said.text
            events.append(self._event("updated", text))
        if settled and not text.stable:
            text.stable = True
            events.append(self._event("stable", text))
        return events

    def _rejoin(self, text: Followed) -> bool:
        """Whether a text just read is one that went missing near it: then that one goes on, under its own number."""
        said, size = text.votes.result.text, float(g.heights(text.quad[None])[0])
        for other in self._texts:
            if not other.misses or other.told != said:
                continue
            gap = float(np.hypot(*(other.quad.mean(0) - text.quad.mean(0))))
            if gap <= _NEAR * size:
                other.quad, other.shape, other.cut, other.misses, other.pieces = text.quad, text.shape, text.cut, 0, 0
                self._texts.remove(text)
                return True
        return False

    # -- telling ---------------------------------------------------------------------------------------------------

    def _hints(self, text: Followed) -> tuple[Hint, ...]:
        return hints(text.quality, self._limits, language=self.language) if text.quality is not None else ()

    def _hints_without_text(self, small: Image) -> tuple[Hint, ...]:
        """What a frame in which no text was found has to say: of its sharpness only what can be told without one."""
        found = hints(assess_frame(small), self._limits, language=self.language)
        if any(hint.kind == "blur" for hint in found) and not has_shapes(small):
            found = tuple(hint for hint in found if hint.kind != "blur")
        return self._adviser.sift(found, self._now)

    def _event(self, kind: str, text: Followed) -> Event:
        return Event(
            event=kind,
            track=text.track,
            frame=self._frame,
            ms=1000 * (self._now - self._first),
            text=text.told,
            confidence=text.votes.result.confidence,
            quad=_quad(text.quad),
            hints=self._hints(text) if kind != "lost" else (),
            best=text.best,
        )

    def _track(self, text: Followed) -> Track:
        confidence = text.votes.result.confidence
        return Track(
            text.track, _quad(text.quad), text.told, confidence, text.stable, text.quality, self._hints(text)
        )


def _box(roi: Sequence[float]) -> tuple[float, float, float, float]:
    """A region of interest, checked."""
    if not isinstance(roi, (str, bytes)):
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            x0, y0, x1, y1 = (float(v) for v in roi)
            if np.isfinite([x0, y0, x1, y1]).all() and x1 - x0 >= 1 and y1 - y0 >= 1:
                return x0, y0, x1, y1
    raise InputError(f"roi: expected four numbers (x0, y0, x1, y1) with x0 < x1 and y0 < y1, in pixels, found {roi!r}")


def _moment(frame: object) -> float:
    """A frame's timestamp. Raises InputError where it is none, or has none."""
    if not isinstance(frame, Frame):
        raise InputError(
            f"frame: expected a Frame, found {type(frame).__name__}; make one of a picture and its time: "
            "Frame(array, seconds)"
        )
    if not is_number(frame.timestamp) or not np.isfinite(frame.timestamp):
        raise InputError(f"frame: expected a timestamp in seconds, a finite number, found {frame.timestamp!r}")
    return float(frame.timestamp)


def _lap(start: float) -> float:
    return 1000 * (time.perf_counter() - start)


def _quad(points: g.Array) -> Quad:
    a, b, c, d = points.tolist()
    return ((a[0], a[1]), (b[0], b[1]), (c[0], c[1]), (d[0], d[1]))
