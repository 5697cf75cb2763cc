"""What the server does with pictures: admission, the pools, the reader, the scanners, masking.

Detection and recognition have pools of their own, so that neither keeps the other waiting; what comes out of detection
goes to recognition at once. Threads of the recognition pool cut out and decode; the networks run in ``batch``.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from edge_ocr.engine import Engine
from edge_ocr.engines import engine_named
from edge_ocr.errors import EdgeOcrError, ImageError, InputError
from edge_ocr.image import image_size, load_image
from edge_ocr.models import Model, list_models
from edge_ocr.pattern import Pattern
from edge_ocr.reader import OCR
from edge_ocr.serve.batch import Batcher
from edge_ocr.serve.body import Budget
from edge_ocr.serve.metrics import Metrics
from edge_ocr.serve.pool import Gone, Pool, Processors, Ticket
from edge_ocr.serve.refusal import Refusal, busy
from edge_ocr.serve.settings import Settings
from edge_ocr.types import Reading, Region, TextWord

__all__ = ["SCANNERS", "Scanned", "Service", "scanners"]

T = TypeVar("T")
Image = NDArray[np.uint8]
SCANNERS = ("plate", "idcard", "mrz")
_READERS = 4  # threads that cut out and decode, for each that computes: most of them wait for networks
_USUAL = 0.1  # seconds that a picture is thought to take before any did


def scanners() -> tuple[str, ...]:
    """Those of SCANNERS that this installation has."""
    return tuple(name for name in SCANNERS if importlib.util.find_spec(f"edge_ocr.scanners.{name}") is not None)


class Scanned(NamedTuple):
    """What a scanner found in a picture of so many pixels, as dictionaries, and the places that were masked."""

    width: int
    height: int
    found: list[dict[str, Any]]
    masks: list[dict[str, Any]]


class Service:
    """One worker's models, threads and queues. Raises ModelError where models are missing or not whole."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings, self.metrics = settings, metrics
        self.budget = Budget(settings.memory)
        threads = settings.computing
        self._processors = Processors(threads)
        self._detection = Pool("detect", threads)
        self._recognition = Pool("recognize", _READERS * threads)
        self._batcher = Batcher(
            threads=threads, processors=self._processors, most=settings.batch, wait=settings.batch_wait,
            coming=lambda: self._recognition.running, told=lambda rows: metrics.observe("batch_rows", value=rows),
        )  # fmt: skip
        self._make = engine_named(settings.engine, threads=1)
        self.ocr = OCR(
            settings.languages, threads=1, min_confidence=settings.min_confidence, models_dir=settings.models_dir,
            engine=self._engine, orientation=settings.orientation,
        )  # fmt: skip
        self._scanners: dict[str, Any] = {}
        self._scanner_lock = threading.Lock()
        self._in_flight = 0
        self._mean = _USUAL
        self.ready = False
        self.stopping = False
        metrics.gauge("in_flight", lambda: self._in_flight)
        metrics.gauge("waiting_detect", lambda: self._detection.waiting)
        metrics.gauge("waiting_recognize", lambda: self._recognition.waiting)
        metrics.gauge("bytes_held", lambda: self.budget.held)

    def _engine(self, model: Model) -> Engine:
        engine = self._make(model)
        if model.manifest.task == "recognize":
            return self._batcher.share(engine)
        return _InTurn(engine, self._processors)

    def warm_up(self) -> None:
        """Loads the models and runs each in each of its shapes; ``ready`` from then on."""
        self.ocr.warm_up()
        self.ready = True

    def close(self) -> None:
        """Finishes what was taken, and ends all threads."""
        self.stopping = True
        self._detection.close()
        self._recognition.close()
        self._batcher.close()

    def models(self) -> list[dict[str, Any]]:
        """What /v1/models tells."""
        found = []
        for model in list_models(self.settings.models_dir):
            m = model.manifest
            found.append({
                "name": m.name, "task": m.task, "version": m.version, "license": m.license,
                "languages": list(m.languages), "bytes": sum(f.bytes for f in m.files.values()), "made": m.made.date,
                "measures": dict(m.measures),
            })  # fmt: skip
        return found

    # -- requests --------------------------------------------------------------------------------------------------

    async def read(self, content: bytes, *, mask: bool = False) -> tuple[Reading, list[dict[str, Any]]]:
        """A picture file's words and lines; with ``mask``, identity numbers are masked in them, and the masks' places
        are told. Raises Refusal."""
        async with self._admitted([content]) as ticket:
            picture, regions, spent = await self._do(self._detection, "detect", partial(self._find, content), ticket)
            work = partial(self._read, picture, regions, mask)
            reading, masks = await self._do(self._recognition, "recognize", work, ticket)
            ms = {**reading.ms, **{stage: reading.ms[stage] + spent["detect"] for stage in ("detect", "total")}}
            return replace(reading, ms=ms), masks

    async def detect(self, content: bytes) -> tuple[tuple[int, int], tuple[Region, ...], dict[str, float]]:
        """Height and width, regions, milliseconds. Raises Refusal."""
        async with self._admitted([content]) as ticket:
            picture, regions, spent = await self._do(self._detection, "detect", partial(self._find, content), ticket)
            return (picture.shape[0], picture.shape[1]), regions, {**spent, "total": spent["detect"]}

    async def recognize(
        self, contents: Sequence[bytes], *, pattern: str | None = None, mask: bool = False
    ) -> tuple[TextWord, ...]:
        """What upright crops read. Raises Refusal."""
        async with self._admitted(contents) as ticket:
            work = partial(self._recognize, contents, pattern, mask)
            return await self._do(self._recognition, "recognize", work, ticket)

    async def scan(self, kind: str, content: bytes, *, mask: bool = False) -> Scanned:
        """What a scanner found. Raises Refusal."""
        async with self._admitted([content]) as ticket:
            return await self._do(self._detection, "detect", partial(self._scan, kind, content, mask), ticket)

    # -- in threads ------------------------------------------------------------------------------------------------

    def _find(self, content: bytes) -> tuple[Image, tuple[Region, ...], dict[str, float]]:
        picture = load_image(content)
        start = time.perf_counter()
        regions = self.ocr.detect(picture)
        return picture, regions, {"detect": 1000 * (time.perf_counter() - start)}

    def _read(self, picture: Image, regions: Sequence[Region], mask: bool) -> tuple[Reading, list[dict[str, Any]]]:
        reading = self.ocr.read(picture, regions=regions)
        if not mask:
            return reading, []
        redact = _redact()
        return redact.mask_reading(reading), [found.to_dict() for found in redact.plan(reading)]

    def _recognize(self, contents: Sequence[bytes], pattern: str | None, mask: bool) -> tuple[TextWord, ...]:
        if pattern is None:
            words = self.ocr.recognize(contents)
        else:
            allowed = Pattern(pattern)
            # one by one: the search under a pattern has no runs in between at which it could be ended
            words = tuple(word for content in contents for word in self.ocr.recognize([content], pattern=allowed))
        masked: Reading = _redact().mask_reading(Reading(0, 0, words)) if mask else Reading(0, 0, words)
        return masked.words

    def _scan(self, kind: str, content: bytes, mask: bool) -> Scanned:
        with self._scanner_lock:
            if kind not in self._scanners:
                module = importlib.import_module(f"edge_ocr.scanners.{kind}")
                self._scanners[kind] = module.Scanner(
                    threads=1, models_dir=self.settings.models_dir, engine=self.settings.engine
                )
            scanner = self._scanners[kind]
        picture = load_image(content)
        scanned = scanner.scan(picture)
        every = scanned if isinstance(scanned, (tuple, list)) else [scanned] if scanned is not None else []
        found = [thing.to_dict() for thing in every]
        masks: list[dict[str, Any]] = []
        if mask:
            redact = _redact()
            masks = [place.to_dict() for place in redact.plan(found)]
            found = [redact.mask_document(thing) for thing in found]
        return Scanned(picture.shape[1], picture.shape[0], found, masks)

    # -- admission -------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _admitted(self, contents: Sequence[bytes]) -> AsyncIterator[Ticket]:
        """A ticket for a request with these pictures, once there is room for them. Turns what goes wrong inside into
        Refusals; when the request is cancelled, its work leaves the queues."""
        if self.stopping:
            raise busy(5, "the server is shutting down")
        if self._in_flight >= self.settings.queue:
            raise busy(self._mean, "the queue is full")
        share = self.budget.share()
        share.take(self._room(contents))
        self._in_flight += 1
        start = time.monotonic()
        ticket = Ticket(start + self.settings.time_limit)
        try:
            yield ticket
            self._mean += 0.1 * (time.monotonic() - start - self._mean)
        except Refusal:
            raise
        except (Gone, asyncio.TimeoutError):
            late = f"not done within {self.settings.time_limit:g} s"
            raise Refusal(503, "too_slow", f"{late}; send a smaller picture, or try again later", _RETRY) from None
        except ImageError as error:
            raise Refusal(422, "bad_picture", str(error)) from error
        except InputError as error:
            raise Refusal(422, "bad_parameter", str(error)) from error
        except EdgeOcrError as error:
            raise Refusal(500, "broken", "the server cannot do this: its models or its engine fail") from error
        except MemoryError as error:
            raise busy(5, "out of memory") from error
        finally:
            ticket.cancel()
            self._in_flight -= 1
            # a thread that decodes a picture for a caller who left holds it until it has done
            ticket.when_idle(share.give_back)

    def _room(self, contents: Sequence[bytes]) -> int:
        """Bytes that pictures will take once they are decoded. Raises Refusal for those that may not be."""
        pixels = 0
        for content in contents:
            try:
                height, width = image_size(content)
            except ImageError as error:
                raise Refusal(422, "bad_picture", str(error)) from error
            if height * width > self.settings.max_pixels:
                limit = f"{self.settings.max_pixels / 1e6:g} million pixels"
                raise Refusal(413, "too_many_pixels", f"{width}×{height}: a picture may have {limit}; shrink or cut it")
            pixels += height * width
        return 4 * pixels

    async def _do(self, pool: Pool, stage: str, work: Callable[[], T], ticket: Ticket) -> T:
        start = time.monotonic()
        future = pool.submit(work, ticket)
        left = max(ticket.deadline - start, 0.0)
        result = await asyncio.wait_for(asyncio.wrap_future(future), left)
        self.metrics.observe("stage_seconds", stage, value=time.monotonic() - start)
        return result


class _InTurn:
    """An engine whose runs wait for a processor."""

    def __init__(self, engine: Engine, processors: Processors) -> None:
        self._engine, self._processors = engine, processors

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        with self._processors:
            return self._engine.run(inputs)


_RETRY = {"Retry-After": "5"}


def _redact() -> Any:
    try:
        return importlib.import_module("edge_ocr.redact")
    except ImportError as error:
        raise Refusal(501, "no_masking", "this installation cannot mask") from error
