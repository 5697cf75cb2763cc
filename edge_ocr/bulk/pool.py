"""Worker processes, each with its models loaded once: tasks in, rows out, and what to do when one dies or hangs."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from edge_ocr.bulk.tasks import Row, Task
from edge_ocr.errors import EngineError

__all__ = ["Pool"]

_START_SECONDS = 600.0
_STARTS = 3  # of a worker that dies before it says anything
_WATCH_SECONDS = 0.2
_AHEAD = 256  # rows that may wait to be taken

_CODE = "import sys; sys.path[0:1] = [{root!r}]; from edge_ocr.bulk.worker import main; main()"


class Pool:
    """``workers`` processes that read with ``settings`` (see Worker). A picture that takes longer than ``timeout``
    seconds costs its worker, which is replaced; so does one that crashes it, which is tried once more. Use as a context
    manager: at its end the processes end, whatever they were doing."""

    def __init__(self, settings: dict[str, Any], *, workers: int, timeout: float) -> None:
        self._settings, self._workers, self._timeout = settings, workers, timeout
        self._idle: list[_Process] = []
        self._all: set[_Process] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def run(self, tasks: Iterable[Task]) -> Iterator[tuple[str, Any]]:
        """("row", Row) for every picture of ``tasks``, in the order in which they are done; ("expect", n) when a task
        turns out to have n rows; ("end", task) after each task. Raises what ``tasks`` raises, and EngineError where no
        worker can work."""
        outcomes: queue.Queue[tuple[str, Any]] = queue.Queue(_AHEAD)
        source, lock = iter(tasks), threading.Lock()
        work = (source, lock, outcomes)
        threads = [threading.Thread(target=self._serve, args=work, daemon=True) for _ in range(self._workers)]
        watch = threading.Thread(target=self._watch, args=(threads,), daemon=True)
        for thread in [*threads, watch]:
            thread.start()
        left = len(threads)
        while left and not self._stopped.is_set():
            try:
                kind, value = outcomes.get(timeout=_WATCH_SECONDS)
            except queue.Empty:
                continue
            if kind == "gone":
                left -= 1
            elif kind == "failed":
                self.stop()
                raise value
            else:
                yield kind, value

    def stop(self) -> None:
        """Ends all processes now. What they were reading gives no row."""
        self._stopped.set()
        with self._lock:
            for process in self._all:
                process.kill("stopped")
            for process in self._idle:
                process.close()
            self._idle.clear()

    # -- threads ---------------------------------------------------------------------------------------------------

    def _serve(self, source: Iterator[Task], lock: threading.Lock, outcomes: queue.Queue[tuple[str, Any]]) -> None:
        process: _Process | None = None
        try:
            while not self._stopped.is_set():
                with lock:
                    task = next(source, None)
                if task is None:
                    break
                process = self._do(task, process, outcomes)
                if not self._stopped.is_set():
                    outcomes.put(("end", task))
        except BaseException as error:
            if not self._stopped.is_set():
                outcomes.put(("failed", error))
        finally:
            if process is not None:
                with self._lock:
                    self._idle.append(process)
            outcomes.put(("gone", None))

    def _do(self, task: Task, process: _Process | None, outcomes: queue.Queue[tuple[str, Any]]) -> _Process | None:
        """Has a task done, by another process where one fails; gives the process that is to do the next."""
        deaths = 0
        while not self._stopped.is_set():
            if process is None:
                process = self._start()
            where, told = task.where, False
            for kind, value in process.do(task):
                outcomes.put((kind, value))
                if kind == "row" and task.kind == "video":
                    where = _frame_after(value, where)
                told = told or (kind == "row" and task.kind != "video")
            if not process.death:
                return process
            died, process = process, None
            self._forget(died)
            if self._stopped.is_set() or told:  # one that died with its row already here has done its task
                break
            deaths = deaths + 1 if where == task.where else 1
            task = task._replace(where=where)
            if deaths > 1 or died.death.startswith("took"):
                outcomes.put(("row", task.failed(f"{task.name}: {died.death}")))
                return None
        return process

    def _start(self) -> _Process:
        """A process that is ready. One that is killed as it starts, by whoever needs its memory, costs a new one."""
        for _ in range(_STARTS):
            with self._lock:
                if self._idle:
                    return self._idle.pop()
                process = _Process(self._settings, self._timeout)
                self._all.add(process)
            try:
                ready = process.wait_until_ready()
            except EngineError:
                self._forget(process)
                process.close()
                raise
            if self._stopped.is_set():
                process.kill("stopped")
            if ready or self._stopped.is_set():
                return process
            self._forget(process)
        raise EngineError(f"workers of the bulk run die as they start: {process.status()}")

    def _forget(self, process: _Process) -> None:
        process.kill("replaced")
        with self._lock:
            self._all.discard(process)

    def _watch(self, threads: list[threading.Thread]) -> None:
        while any(thread.is_alive() for thread in threads):
            now = time.monotonic()
            with self._lock:
                late = [process for process in self._all if process.deadline < now]
            for process in late:
                process.kill(f"took longer than {self._timeout:g} seconds")
            time.sleep(_WATCH_SECONDS)


class _Process:
    """One worker process, as its parent sees it. ``death`` says why it is no more, empty while it lives."""

    def __init__(self, settings: dict[str, Any], timeout: float) -> None:
        self._timeout = timeout
        self.death = ""
        self.deadline = time.monotonic() + _START_SECONDS
        root = str(Path(__file__).resolve().parents[2])
        # not -m: that would look for modules in the current folder first, which may hold anything
        command = [sys.executable, "-c", _CODE.format(root=root)]
        # a playlist that calls itself a video must not make FFmpeg open connections
        quiet = {"OPENCV_LOG_LEVEL": "SILENT", "OPENCV_FFMPEG_LOGLEVEL": "-8",
                 "OPENCV_FFMPEG_CAPTURE_OPTIONS": "protocol_whitelist;file"}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={**os.environ, **quiet},
        )
        self._send(settings)

    def wait_until_ready(self) -> bool:
        """Returns when the models are loaded; or, False, when the process has died. Raises EngineError where they
        cannot be loaded, with the worker's reason."""
        message = self._receive()
        self.deadline = float("inf")
        if message is not None and "fatal" in message:
            raise EngineError(f"a worker of the bulk run cannot start: {message['fatal']}")
        return message is not None

    def status(self) -> str:
        """How it ended."""
        return _status(self._process.wait())

    def do(self, task: Task) -> Iterator[tuple[str, Any]]:
        """What the worker sends for a task, until it is done or the worker is dead."""
        self.deadline = time.monotonic() + self._timeout
        self._send(task)
        while (message := self._receive()) is not None and "end" not in message:
            self.deadline = time.monotonic() + self._timeout
            for kind in ("row", "expect"):
                if kind in message:
                    # whoever takes the rows may be slow; that is not the worker's fault
                    self.deadline = float("inf")
                    yield kind, message[kind]
                    self.deadline = time.monotonic() + self._timeout
        self.deadline = float("inf")
        if message is None and not self.death:
            self.death = f"the process that read it died ({self.status()})"

    def kill(self, reason: str) -> None:
        if not self.death:
            self.death = reason
        self.deadline = float("inf")
        with contextlib.suppress(OSError):
            self._process.kill()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)

    def close(self) -> None:
        """Gives the last pipe back; for whoever reads from it, or when nobody does."""
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _send(self, value: Any) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, ValueError):  # a dead one is seen when nothing comes back
            self._process.stdin.write(json.dumps(value).encode() + b"\n")
            self._process.stdin.flush()

    def _receive(self) -> dict[str, Any] | None:
        assert self._process.stdout is not None
        try:
            line = self._process.stdout.readline()
            message: dict[str, Any] | None = json.loads(line) if line.endswith(b"\n") else None
        except (OSError, ValueError):
            message = None
        if message is None:
            with contextlib.suppress(OSError):
                self._process.kill()
            self.close()
        return message


def _frame_after(row: Row, where: int) -> int:
    """The first frame that is still to be read after a row of a video."""
    number = row["image"].rpartition("#")[2]
    return max(where, int(number) + 1) if number.isdecimal() else where


def _status(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"status {code}"
