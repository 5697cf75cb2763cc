"""A bulk run from its sources to its results: local processes, or a Ray cluster."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edge_ocr.bulk.pool import Pool
from edge_ocr.bulk.sources import find_tasks
from edge_ocr.bulk.store import Store
from edge_ocr.bulk.tasks import Task
from edge_ocr.errors import InputError

__all__ = ["Progress", "Summary", "progress_bar", "run"]

_AHEAD = 100_000  # tasks that are found before they are read; only so many are counted in advance

Progress = Callable[[int, int, bool, int], None]
"""Called with (pictures done, pictures found, whether all are found, errors)."""


@dataclass(frozen=True)
class Summary:
    """How a run went. ``rows`` and ``errors`` are of this run; ``before``, what was done already; ``total``, the rows
    of the finished result, 0 where it is not finished; ``signal``, what stopped it, 0 where nothing did."""

    rows: int
    errors: int
    before: int
    total: int
    signal: int = 0


def run(
    sources: Sequence[str],
    outs: Sequence[str],
    *,
    resume: bool = False,
    engine: str = "local",
    languages: Sequence[str] = ("ko", "en"),
    min_confidence: float | None = None,
    models_dir: str | None = None,
    runtime: str = "onnx",
    mask: bool = False,
    workers: int | None = None,
    threads: int = 1,
    every: int = 30,
    timeout: float = 120.0,
    shard: tuple[int, int] = (1, 1),
    save_rows: int = 2000,
    save_seconds: float = 30.0,
    ray_address: str | None = None,
    progress: Progress = lambda done, found, all_found, errors: None,
) -> Summary:
    """Reads every picture of ``sources`` once and writes ``outs``. See ``edge-ocr bulk --help`` for what each means;
    ``shard`` is (number from 1, of how many); ``runtime``, "onnx" or "tflite", what ``OCR`` calls its engine.

    SIGINT and SIGTERM, in the main thread, stop it after making safe what was read. Raises InputError, ModelError and
    EngineError."""
    from edge_ocr.models import find_detector, find_recognizer

    if engine not in ("local", "ray"):
        raise InputError(f"engine: expected local or ray, found {engine!r}")
    number, of = shard
    if not 1 <= number <= of:
        raise InputError(f"shard: expected a number in 1..{of}, found {number}")
    models = [find_detector(models_dir), *(find_recognizer(code, models_dir) for code in languages)]
    job = {
        "languages": list(languages), "min_confidence": min_confidence, "mask": mask, "every": every,
        "shard": [number, of], "runtime": runtime,
        "models": {m.manifest.name: sorted(f.sha256 for f in m.manifest.files.values()) for m in models},
    }
    settings = {
        "languages": list(languages), "threads": threads, "min_confidence": min_confidence, "models": models_dir,
        "runtime": runtime, "mask": mask, "every": every,
    }
    store = Store(outs, job, resume=resume, rows=save_rows, seconds=save_seconds)
    try:
        done = store.done()
        tasks = _of_shard(find_tasks(sources, done=done, every=every), number, of)
        with _Stop() as stop:
            if engine == "ray":
                from edge_ocr.bulk import ray_engine

                counts = ray_engine.run(tasks, store, settings, workers=workers, timeout=timeout, address=ray_address,
                                        progress=progress, stop=stop)
            else:
                counts = _local(tasks, store, settings, workers or _processors(), timeout, progress, stop)
            store.save()
            total = 0 if stop.number else store.finish()
        return Summary(rows=counts[0], errors=counts[1], before=len(done), total=total, signal=stop.number)
    finally:
        store.close()


def _local(
    tasks: Iterator[Task], store: Store, settings: dict[str, Any], workers: int, timeout: float, progress: Progress,
    stop: _Stop,
) -> tuple[int, int]:
    rows, errors, more = 0, 0, 0
    with Pool(settings, workers=workers, timeout=timeout) as pool, _Feeder(tasks) as feeder:
        stop.then(pool.stop)
        for kind, value in pool.run(feeder):
            if kind == "row":
                store.add(value)
                rows += 1
                errors += "error" in value
                progress(rows, max(rows, feeder.found + more), feeder.complete, errors)
            elif kind == "expect":
                more += value - 1
            if stop.number:
                break
        if feeder.failure is not None and not stop.number:
            raise feeder.failure
    return rows, errors


class _Feeder:
    """Finds tasks ahead of those who do them, so that progress can say how many there are."""

    def __init__(self, tasks: Iterator[Task]) -> None:
        self.found, self.complete = 0, False
        self._tasks = tasks
        self._waiting: queue.Queue[Task | None] = queue.Queue(_AHEAD)
        self._closed = threading.Event()
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._find, daemon=True)
        self._thread.start()

    def __enter__(self) -> _Feeder:
        return self

    def __exit__(self, *error: object) -> None:
        self._closed.set()

    def __iter__(self) -> Iterator[Task]:
        while (task := self._waiting.get()) is not None:
            yield task

    def _find(self) -> None:
        try:
            for task in self._tasks:
                self.found += 1
                if not self._put(task):
                    return
            self.complete = True
        except BaseException as error:
            self.failure = error
        self._put(None)

    def _put(self, task: Task | None) -> bool:
        while not self._closed.is_set():
            with contextlib.suppress(queue.Full):
                self._waiting.put(task, timeout=0.5)
                return True
        return False


class _Stop:
    """Turns the first SIGINT or SIGTERM into a wish; the second one is as it always was."""

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[int, Any] = {}
        self._act: Callable[[], None] = lambda: None

    def then(self, act: Callable[[], None]) -> None:
        """What to do as soon as it comes. Called in a thread of its own: a signal may come while locks are held."""
        self._act = act

    def __enter__(self) -> _Stop:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._came)
        return self

    def __exit__(self, *error: object) -> None:
        self._restore()

    def _came(self, number: int, frame: object) -> None:
        self.number = number
        self._restore()
        threading.Thread(target=self._act, daemon=True).start()

    def _restore(self) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before = {}


def progress_bar() -> Any:
    """A bar on standard error."""
    from tqdm import tqdm

    return tqdm(unit="picture", smoothing=0.05)


def _of_shard(tasks: Iterator[Task], number: int, of: int) -> Iterator[Task]:
    for task in tasks:
        # of a video, all frames belong to one shard, wherever its reading goes on
        key = task._replace(where=0).id if task.kind == "video" else task.id
        if int.from_bytes(key[:8], "big") % of == number - 1:
            yield task


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
