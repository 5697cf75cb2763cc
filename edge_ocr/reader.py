"""detect -> crop -> recognize -> layout: the façade."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr.choose import choose
from edge_ocr.crop import crop_quads, cut_overlaps, is_tall
from edge_ocr.detect import Detector
from edge_ocr.engine import Engine
from edge_ocr.engines import engine_named
from edge_ocr.errors import ImageError, InputError
from edge_ocr.facade import better, facades
from edge_ocr.image import load_image
from edge_ocr.isolated import believable
from edge_ocr.layout import arrange
from edge_ocr.lean import upright_sides
from edge_ocr.manifest import QualityLimits
from edge_ocr.models import DetectorModel, Model, RecognizerModel, find_detector, find_recognizer
from edge_ocr.orient import DOUBT, SURE, Pose, largest, mirrors, overturns, sureness, turn_picture
from edge_ocr.pattern import Pattern, check_writable
from edge_ocr.preprocess import resize
from edge_ocr.recognize import Recognizer
from edge_ocr.stacks import join_stacks
from edge_ocr.torn import healed, pieces, whole_quad
from edge_ocr.types import Crop, Quad, Reading, Region, TextWord
from edge_ocr.whole import looks
from edge_ocr.words import word_list

if TYPE_CHECKING:
    from edge_ocr.image import ImageSource

__all__ = ["OCR"]

Image = NDArray[np.uint8]

_BLOCK = 256  # regions cropped and read at a time, so that memory does not grow with the number of words
_SMALL = 256  # a picture no higher than this may be one word that fills it
_FILLS = 0.3  # such a word is believed from this confidence where nothing was found,
_RATHER, _SO_LONG = 0.5, 0.6  # from this where something was, if it is surer, and so long against what was found
_FULL, _FULL_LEAD = 0.8, 0.1  # words over so much of the picture's width are doubted less, not at all if they are sure
_STRAIGHTENED = 0.05  # what was straightened first must be surer by this much
_IN_LINES = 0.8  # and words that stand in lines, if they are read as surely as this
_BENT = 0.25  # where what was found is sure and fills the picture, only bows of so many letter heights raise doubt
_LETTER, _LETTERS = 0.02, 10  # each letter more counts for so much among such readings, up to so many
_LEANING = 0.03  # a word on a climbing line is read as on a facade when that is surer by this much
_TURNED = 0.1  # a tall region is read sideways when that is surer by this much: most are upright letters
_ASKED = 8  # so many words are read in other directions to tell which way round a picture stands
_PAGE = 3  # pictures of fewer words are not looked at sideways; single tall words are
_LOOK = 1280  # and so many pixels are enough to do it
_OVER, _OVER_SURE, _OVER_MOST = 0.6, 0.8, 64  # lines upside down: read below the first, turned above the second


class OCR:
    """Reads text from pictures.

    ``languages``: the recognizers to use, such as ``("ko", "en")``; where readings are equally sure the earlier
    language wins. ``threads``: how many threads each engine may use, and OpenCV at most (None: the processors
    available, at most 4). ``min_confidence``: words below it are left out, which are mostly things that are
    no text (None: what the recognizers' model.json says, and more of a word that stands alone; 0: none are).
    ``models_dir``: a folder of models instead of those in the package. ``engine``: what runs the models: "onnx" (ONNX
    Runtime), "tflite" (LiteRT; models that have a .tflite file), or a function that makes an engine for a model.
    ``orientation``: "auto" also reads pages that were turned by quarters, and lines upside down; "upright" never asks,
    which saves some time on pictures that are hard to read. ``words``: doubts of one letter are settled by a
    recognizer's list of words, where it has one; False: what the network finds likeliest stands.

    Models are found when an OCR is made, and loaded when they are first used, or by ``warm_up``. An OCR may be used
    from several threads.

    Raises InputError for arguments that cannot be, ModelNotFound for a language without a recognizer (naming those that
    have one), ManifestError and IntegrityError for models that are not whole.

    Which recognizer a word goes to: all words go to one that knows Hangul, if there is one, else to the first; what
    it reads without any Hangul goes to the others too, which need not be quite as sure: it drops narrow letters.
    (Numbers of which it is sure stay.) Where hardly any of the words that it is sure of has Hangul, the picture is in
    another language: then all words go to the others too, which may be less sure by more (faint Latin print looks like
    doubtful Hangul to a reader of Hangul); where a sample shows that, it reads only what they are not sure of.
    """

    def __init__(
        self,
        languages: Sequence[str] = ("ko", "en"),
        *,
        threads: int | None = None,
        min_confidence: float | None = None,
        models_dir: str | os.PathLike[str] | None = None,
        engine: str | Callable[[Model], Engine] = "onnx",
        orientation: str = "auto",
        words: bool = True,
    ) -> None:
        if isinstance(languages, str) or not languages or not all(isinstance(code, str) for code in languages):
            raise InputError(f'languages: expected a sequence of codes such as ("ko", "en"), found {languages!r}')
        if len(set(languages)) != len(languages):
            raise InputError(f"languages: one stands twice in {languages!r}")
        if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
            raise InputError(f"threads: expected a whole number of at least 1, or None, found {threads!r}")
        if min_confidence is not None and not 0 <= min_confidence <= 1:
            raise InputError(f"min_confidence: expected a number in 0..1, or None, found {min_confidence!r}")
        if orientation not in ("auto", "upright"):
            raise InputError(f'orientation: expected "auto" or "upright", found {orientation!r}')
        self.languages = tuple(languages)
        self.orientation = orientation
        self._words = bool(words)
        self.threads = threads if threads is not None else _processors()
        self._detector_model: DetectorModel = find_detector(models_dir)
        found: dict[str, RecognizerModel] = {}
        for code in self.languages:
            model = find_recognizer(code, models_dir)
            found.setdefault(model.manifest.name, model)
        self._recognizer_models = tuple(found.values())
        self._doubting = min_confidence is None
        if min_confidence is None:
            min_confidence = min(m.manifest.confidence.minimum for m in self._recognizer_models)
        self.min_confidence = float(min_confidence)
        self._engine = engine if callable(engine) else engine_named(engine, threads=self.threads)
        self._lock = threading.Lock()
        self._detector: Detector | None = None
        self._recognizers: tuple[Recognizer, ...] | None = None

    # -- stages ----------------------------------------------------------------------------------------------------

    def read(self, image: ImageSource, *, regions: Sequence[Region] | None = None) -> Reading:
        """Everything that can be read in a picture (path, bytes, array, PIL image or Frame), words and lines in reading
        order. ``rotation`` and ``mirrored`` tell how the picture is set upright; quads are in pixels of the picture as
        it is. ``ms`` tells what detect, crop and recognize took, and the total, loading and layout included.
        ``regions``: what ``detect`` gave for this picture, to part both steps. Raises ImageError."""
        clock = _Clock()
        picture = load_image(image)
        height, width = picture.shape[:2]
        words = self._read_picture(picture, regions, clock)
        pose = Pose()
        if self.orientation == "auto" and words:
            pose = self._set_upright(picture, words, clock)
            if pose:
                picture = pose.set_upright(picture)
                words = self._read_picture(picture, None, clock)
        words = self._read_facades(picture, words, clock)
        words = self._read_torn(picture, words, clock)
        words = join_stacks([w for w in words if w.text and w.confidence >= self.min_confidence])
        if self._doubting:
            words = believable(words, small=height <= _SMALL)
        lines = arrange(words, picture)
        order = [i for line in lines for i in line.words]
        place = {old: new for new, old in enumerate(order)}

        def back(quad: Quad) -> Quad:
            return pose.back(quad, (height, width))

        return Reading(
            width=width,
            height=height,
            words=tuple(_moved(words[i], back) for i in order),
            lines=tuple(
                replace(line, quad=back(line.quad), words=tuple(place[i] for i in line.words)) for line in lines
            ),
            ms=clock.ms(),
            rotation=pose.rotation,
            mirrored=pose.mirrored,
        )

    def detect(self, image: ImageSource) -> tuple[Region, ...]:
        """Where words are in a picture, the surest first. Raises ImageError."""
        return tuple(self._get_detector().detect(load_image(image)))

    def recognize(
        self, crops: Sequence[ImageSource | Crop], *, pattern: str | Pattern | None = None
    ) -> tuple[TextWord, ...]:
        """What upright crops of words, or of lines, read: a word each, in their order, possibly empty. A ``Crop`` hands
        its quad on.

        ``pattern``: a regular expression such as ``"[0-9]{2,3}[가-힣][0-9]{4}"``, or a ``Pattern`` (of a list of words,
        for one), restricts what can be read; ``plain`` of a word then tells what would have been read without it. A
        crop that shows nothing of the kind is read all the same, with little confidence. Raises ImageError, and
        InputError for a pattern that cannot be used, or that no model can write.
        """
        if pattern is not None and not isinstance(pattern, (str, Pattern)):
            raise InputError(
                "pattern: expected a regular expression, or a Pattern (of a list of words: Pattern.words([...])), "
                f"found {type(pattern).__name__}"
            )
        allowed = Pattern(pattern) if isinstance(pattern, str) else pattern
        if isinstance(crops, (str, bytes)) or not hasattr(crops, "__iter__"):
            raise InputError("recognize takes a list of crops; for one crop, give a list of one")
        images = [c.image if isinstance(c, Crop) else load_image(c) for c in crops]
        for n, patch in enumerate(images):
            if patch.size == 0:
                raise ImageError(f"crop {n}: has no pixels")
        if allowed is None:
            words = self._choose([images] * len(self._recognizer_models))
        else:
            manifests = [model.manifest for model in self._recognizer_models]
            check_writable(allowed, [(m.charset, m.output.head == "hangul-factorised") for m in manifests])
            sets = [recognizer.recognize(images, pattern=allowed) for recognizer in self._get_recognizers()]
            words = [max(readings, key=lambda w: w.confidence) for readings in zip(*sets, strict=True)]
        quads = [c.quad if isinstance(c, Crop) else None for c in crops]
        return tuple(replace(w, quad=q) for w, q in zip(words, quads, strict=True))

    def read_regions(self, image: ImageSource, regions: Sequence[Region]) -> tuple[TextWord, ...]:
        """What given regions of a picture read: a word each, in their order, possibly empty. For those who detect
        less often than they read, or know where text is. Raises ImageError."""
        return tuple(self._read_regions(load_image(image), regions, _Clock()))

    @property
    def quality(self) -> QualityLimits | None:
        """From which figures on a camera's user should be told of them; None where the detector's model.json does not
        say."""
        return self._detector_model.manifest.quality

    def warm_up(self) -> None:
        """Loads the models and runs each once in every one of its shapes, so that no picture pays for that later."""
        self._get_detector().warm_up()
        for recognizer in self._get_recognizers():
            recognizer.warm_up()

    # -- from regions to words -------------------------------------------------------------------------------------

    def _read_picture(self, picture: Image, regions: Sequence[Region] | None, clock: _Clock) -> list[TextWord]:
        if regions is None:
            with clock.of("detect"):
                regions = self._get_detector().detect(picture)
        words = self._read_regions(picture, regions, clock) if regions else []
        whole = self._read_whole(picture, words, clock)
        return words if whole is None else [whole]

    def _read_facades(self, picture: Image, words: list[TextWord], clock: _Clock) -> list[TextWord]:
        """The words, with what is surer of those that climb or fall when their part of the picture is set level."""
        for facade in facades(words):
            with clock.of("detect"):
                level, mapping = facade.picture(picture)
                quads = [facade.back(region.quad, mapping) for region in self._get_detector().detect(level)]
            seen = self._read_quads(picture, quads, 0, clock)
            words = better(words, facade, seen) or words
        return words

    def _read_torn(self, picture: Image, words: list[TextWord], clock: _Clock) -> list[TextWord]:
        """The words, numbers and addresses that were found in pieces read whole."""
        groups = pieces(words)
        wholes = self._read_quads(picture, [whole_quad(words, group) for group in groups], 0, clock) if groups else []
        return healed(words, groups, wholes)

    def _set_upright(self, picture: Image, words: list[TextWord], clock: _Clock) -> Pose:
        """How a picture is set upright, told from its ``words`` as they were read. Where it stands upright, lines that
        do not are read anew in ``words``."""
        quads = [w.quad for w in words if w.quad is not None]
        few = [k for k in largest(quads, 2 * _ASKED) if _is_level(quads[k])][:_ASKED]
        upright = [words[k] for k in few]
        level = sum(_is_level(q) for q in quads) > 0.5 * len(quads)  # else most were tall, and read sideways at once
        square = [w for w in words if w.quad is not None and not is_tall(w.quad)]
        if level and not few and len(square) > 0.5 * len(quads):
            upright = square  # letters one below the other, say: no width of theirs tells, but they can be read
        if sureness(upright) >= SURE and level:
            return Pose()
        turned = self._read_quads(picture, [quads[k] for k in few], 2, clock) if few else []
        pose, best = (Pose(180), turned) if overturns(turned, upright) else (Pose(), upright)
        if len(words) >= _PAGE and (sureness(best) < SURE or not level):
            side, sides = self._find_sideways(picture, clock)
            both = (0, 2) if sides else ()
            tried = [(Pose(90 + 90 * k), self._read_straight(side, sides, k, clock)) for k in both]
            pose, best = _best([found for found in tried if overturns(found[1], best)], (pose, best))
            if sureness(best) < DOUBT:
                # Left and right are swapped before the turn here, after it in the crops: 90 and 270 change places.
                tried = [(Pose(270 - 90 * k, True), self._read_straight(side, sides, k, clock, True)) for k in both]
                here = [quads[k] for k in few]
                for k in (0, 2) if here else ():
                    tried.append((Pose(90 * k, True), self._read_straight(picture, here, k, clock, True)))
                pose, best = _best([found for found in tried if mirrors(found[1], best)], (pose, best))
        if turned and not pose and any(overturns([t], [u]) for t, u in zip(turned, upright, strict=True)):
            self._read_upside_down(picture, words, clock)
        return pose

    def _find_sideways(self, picture: Image, clock: _Clock) -> tuple[Image, list[Quad]]:
        """A picture turned by 90 degrees, large enough to tell its direction, and some words in it."""
        longest = max(picture.shape[:2])
        if longest > _LOOK:
            picture = resize(picture, tuple(max(1, side * _LOOK // longest) for side in picture.shape[:2]))
        side = turn_picture(picture, 90)
        with clock.of("detect"):
            found = [r.quad for r in self._get_detector().detect(side)]
        return side, [found[k] for k in largest(found, _ASKED)]

    def _read_upside_down(self, picture: Image, words: list[TextWord], clock: _Clock) -> None:
        """Reads long doubtful words the other way round, and keeps what is sure then."""
        doubtful = [k for k, w in enumerate(words) if w.quad is not None and w.confidence < _OVER]
        asked = [doubtful[n] for n in largest(_quads(words, doubtful), _OVER_MOST)]
        for k, word in zip(asked, self._read_quads(picture, _quads(words, asked), 2, clock), strict=True):
            if word.confidence >= _OVER_SURE and overturns([word], [words[k]]):
                words[k] = word

    def _read_regions(self, picture: Image, regions: Sequence[Region], clock: _Clock) -> list[TextWord]:
        words: list[TextWord] = []
        for start in range(0, len(regions), _BLOCK):
            quads = [r.quad for r in regions[start : start + _BLOCK]]
            block = self._read_straight(picture, quads, 0, clock)
            tall = [k for k, quad in enumerate(quads) if is_tall(quad)]
            for turn in (1, 3) if tall else ():
                other = self._read_quads(picture, [quads[k] for k in tall], turn, clock)
                for k, word in zip(tall, other, strict=True):
                    if len(word.text) > 1 and word.confidence > block[k].confidence + _TURNED:
                        block[k] = word
            words.extend(block)
        return words

    def _read_straight(
        self, picture: Image, quads: Sequence[Quad], turn: int, clock: _Clock, mirrored: bool = False
    ) -> list[TextWord]:
        """``_read_quads``, and doubtful words of lines that climb or fall once more as if they stood on a facade; what
        is surer then is kept, with its outline."""
        words = self._read_quads(picture, quads, turn, clock, mirrored)
        doubtful = [k for k, word in enumerate(words) if word.confidence < SURE]
        some, outlines = upright_sides([quads[k] for k in doubtful])
        again = self._read_quads(picture, outlines, turn, clock, mirrored) if some else []
        for k, word in zip((doubtful[n] for n in some), again, strict=True):
            if word.text and word.confidence > words[k].confidence + _LEANING:
                words[k] = word
        return words

    def _read_quads(
        self, picture: Image, quads: Sequence[Quad], turn: int, clock: _Clock, mirrored: bool = False
    ) -> list[TextWord]:
        with clock.of("crop"):
            # Recognizers may want different margins; as a rule they want the same.
            sets: dict[tuple[int, float], list[Image]] = {}
            wants = [(m.manifest.input.height, m.manifest.input.margin) for m in self._recognizer_models]
            for height, margin in wants:
                if (height, margin) not in sets:
                    found = crop_quads(picture, cut_overlaps(quads), height=height, margin=margin, turn=turn)
                    sets[height, margin] = [_flipped(crop.image) if mirrored else crop.image for crop in found]
        with clock.of("recognize"):
            words = self._choose([sets[want] for want in wants])
        return [replace(w, quad=_turned(q, turn)) for w, q in zip(words, quads, strict=True)]

    def _read_whole(self, picture: Image, words: Sequence[TextWord], clock: _Clock) -> TextWord | None:
        """A small picture read as if it were a crop of one word, where that is surer than the ``words`` found in it."""
        h, w = picture.shape[:2]
        if h > _SMALL or h < self._detector_model.manifest.decode.min_height:
            return None
        found = [word for word in words if word.text and word.confidence >= self.min_confidence]
        quads = np.array([word.quad for word in found], np.float64).reshape(-1, 4, 2)
        covered = float(np.ptp(quads[..., 0])) / w if len(quads) else 0.0
        now = sureness(found)
        # What is sure and fills the picture, or stands in lines, is doubted only where marks lie on an arc, and nothing
        # of it may get lost then.
        filled = (now >= SURE and covered >= _FULL) or (now >= _IN_LINES and len(arrange(found)) > 1)
        best = TextWord("", 0.0)
        lots = looks(picture, least_bow=_BENT if filled else None)
        while True:
            with clock.of("crop"):
                lot, straightened = next(lots, (None, False))
            if lot is None:
                break
            if not lot:
                continue
            with clock.of("recognize"):
                readings = self._choose([lot] * len(self._recognizer_models))
            if straightened:
                readings = [replace(r, confidence=max(r.confidence - _STRAIGHTENED, 0.0)) for r in readings]
            best = max([best, *readings], key=lambda r: r.confidence + _longer(r.text))
            if best.confidence >= SURE:
                break
        if covered >= _FULL:
            now += _FULL_LEAD
        read = "".join(word.text for word in found)
        if best.confidence < (_RATHER if found else _FILLS):
            return None
        if found and best.confidence + _longer(best.text) <= now + _longer(read):
            return None
        if len(best.text) < (1 if filled else _SO_LONG) * len(read):
            return None
        return replace(best, quad=((0.0, 0.0), (float(w), 0.0), (float(w), float(h)), (0.0, float(h))))

    def _choose(self, crops: Sequence[Sequence[Image]]) -> list[TextWord]:
        """Reads crops, given once for each recognizer (they differ in margin at most), and chooses among readings."""
        knows = ["ko" in m.manifest.languages for m in self._recognizer_models]
        return choose(self._get_recognizers(), knows, crops)

    # -- models ----------------------------------------------------------------------------------------------------

    def _get_detector(self) -> Detector:
        with self._lock:
            if self._detector is None:
                self._limit_opencv()
                model = self._detector_model
                self._detector = Detector(model.manifest, self._engine(model))
            return self._detector

    def _get_recognizers(self) -> tuple[Recognizer, ...]:
        with self._lock:
            if self._recognizers is None:
                self._limit_opencv()
                self._recognizers = tuple(
                    Recognizer(m.manifest, self._engine(m), word_list(m) if self._words else None)
                    for m in self._recognizer_models
                )
            return self._recognizers

    def _limit_opencv(self) -> None:
        # Its pool is one for the whole process, as wide as the machine; it is only ever made smaller.
        if cv2.getNumThreads() > self.threads:
            cv2.setNumThreads(self.threads)


class _Clock:
    """Milliseconds by stage."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._spent = {"detect": 0.0, "crop": 0.0, "recognize": 0.0}

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self._spent[stage] += time.perf_counter() - start

    def ms(self) -> dict[str, float]:
        spent = {**self._spent, "total": time.perf_counter() - self._start}
        return {stage: 1000 * seconds for stage, seconds in spent.items()}


def _processors() -> int:
    available: Any = getattr(os, "sched_getaffinity", None)
    count = len(available(0)) if available is not None else os.cpu_count() or 1
    return min(count, 4)


def _longer(text: str) -> float:
    """What a reading gains by its length: what is left out cannot be doubted."""
    return _LETTER * min(len(text), _LETTERS)


def _flipped(crop: Image) -> Image:
    return np.ascontiguousarray(crop[:, ::-1])


def _best(
    found: Sequence[tuple[Pose, list[TextWord]]], default: tuple[Pose, list[TextWord]]
) -> tuple[Pose, list[TextWord]]:
    """The pose whose words are read most surely."""
    return max(found, key=lambda each: sureness(each[1]), default=default)


def _quads(words: Sequence[TextWord], some: Sequence[int]) -> list[Quad]:
    return [quad for k in some if (quad := words[k].quad) is not None]


def _is_level(quad: Quad) -> bool:
    """Whether a quad is read more across than up or down."""
    return abs(quad[1][0] - quad[0][0]) >= abs(quad[1][1] - quad[0][1])


def _moved(word: TextWord, how: Callable[[Quad], Quad]) -> TextWord:
    return replace(word, quad=how(word.quad)) if word.quad is not None else word


def _turned(quad: Quad, turn: int) -> Quad:
    """The quad with its points in the reading order of text that stands turned in it."""
    k = turn % 4
    a, b, c, d = quad[k:] + quad[:k]
    return (a, b, c, d)
