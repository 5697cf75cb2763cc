"""Sockets, processes and signals: uvicorn with limits of its own, one process or several.

With several workers, each has its own models and queues and listens on one socket that all share; a parent starts them,
starts them again when they die, and passes on the order to stop.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import signal
import socket
import sys
import time
from collections.abc import MutableSequence
from dataclasses import replace
from multiprocessing.context import SpawnProcess
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from edge_ocr.errors import InputError
from edge_ocr.image import opencv
from edge_ocr.serve.app import build
from edge_ocr.serve.metrics import Metrics
from edge_ocr.serve.settings import Settings

__all__ = ["config", "listen", "run"]

log = logging.getLogger("edge_ocr.serve")
_HEADER_BYTES = 16 * 1024
_IDLE = 15  # seconds that a connection without requests stays open


class _Protocol(H11Protocol):
    """Cuts a connection whose request's headers have not come in time, or whose answer is not taken, where uvicorn
    alone waits for ever."""

    limit, patience = 10.0, 10.0
    _timer: asyncio.TimerHandle | None = None
    _stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.access_log = False  # a handler anywhere above it would turn it on, and it tells queries
        self._wait()

    def data_received(self, data: bytes) -> None:
        if self._between():
            self._wait()
        super().data_received(data)
        if not self._between():
            self._rest()

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest()
        self._flows()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._flows()
        self._stuck = self.loop.call_later(self.patience, self.transport.abort)

    def resume_writing(self) -> None:
        self._flows()
        super().resume_writing()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._stuck is None and self.transport.get_write_buffer_size():
            self._stuck = self.loop.call_later(self.patience, self._give_up)

    def _flows(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None

    def _give_up(self) -> None:
        self._stuck = None
        if self.transport.get_write_buffer_size():
            self.transport.abort()

    def _between(self) -> bool:
        """Whether no request is being answered or sent."""
        return self.cycle is None or self.cycle.response_complete

    def _wait(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.limit, self._cut)

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cut(self) -> None:
        self._timer = None
        if self._between() and not self.transport.is_closing():
            self.transport.abort()


def config(settings: Settings, app: Any) -> uvicorn.Config:
    """uvicorn's, for this application: no access log of its own, no header that says what it is."""
    protocol = type("Protocol", (_Protocol,), {"limit": settings.receive_limit, "patience": settings.send_limit})
    return uvicorn.Config(
        app, http=protocol, ws="none", loop="auto", lifespan="on", access_log=False, server_header=False,
        log_config=None, timeout_keep_alive=_IDLE, limit_concurrency=settings.connections,
        h11_max_incomplete_event_size=_HEADER_BYTES, backlog=256,
        timeout_graceful_shutdown=int(settings.time_limit + settings.receive_limit + 5),
    )  # fmt: skip


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises InputError where it cannot be had."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
    except OSError as error:
        raise InputError(f"cannot listen on {host} port {port}: {error.strerror or error}") from error
    sock.set_inheritable(True)
    return sock


def run(settings: Settings) -> int:
    """Serves until SIGINT or SIGTERM; the exit status."""
    _log_to_stderr()
    sock = listen(settings.host, settings.port)
    host, port = sock.getsockname()[:2]
    settings = replace(settings, port=port)
    shown = f"[{host}]" if ":" in host else host
    keyed = "with" if settings.api_key is not None else "without"
    log.info("http://%s:%d, %d × %d threads, %s a key", shown, port, settings.workers, settings.computing, keyed)
    if settings.workers == 1:
        return _serve(settings, sock, None, 0)
    return _Parent(settings, sock).run()


def _serve(settings: Settings, sock: socket.socket, array: MutableSequence[float] | None, row: int) -> int:
    app = build(settings, Metrics(array, row=row, rows=settings.workers))
    server = uvicorn.Server(config(settings, app))
    server.run(sockets=[sock])
    return 0 if server.started else 2


def _worker(settings: Settings, sock: socket.socket, array: Any, row: int) -> None:
    _log_to_stderr()
    sys.exit(_serve(settings, sock, array, row))


class _Parent:
    """Keeps workers alive."""

    def __init__(self, settings: Settings, sock: socket.socket) -> None:
        self._settings, self._sock = settings, sock
        self._context = multiprocessing.get_context("spawn")
        self._counters = self._context.RawArray("d", settings.workers * Metrics.size())
        self._stop = False

    def run(self) -> int:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._told)
        workers = [self._start(row) for row in range(self._settings.workers)]
        born = [time.monotonic()] * len(workers)
        status = 0
        while not self._stop:
            time.sleep(0.2)
            for row, worker in enumerate(workers):
                if worker.is_alive():
                    continue
                if time.monotonic() - born[row] < 5:  # it cannot even start: so would the next
                    log.error("worker %d ended at once with status %s", row, worker.exitcode)
                    self._stop, status = True, 2
                elif not self._stop:
                    log.warning("worker %d ended with status %s; starting another", row, worker.exitcode)
                    workers[row], born[row] = self._start(row), time.monotonic()
        for worker in workers:
            if worker.is_alive():
                worker.terminate()
        for worker in workers:
            worker.join()
        return status

    def _start(self, row: int) -> SpawnProcess:
        arguments = self._settings, self._sock, self._counters, row
        worker = self._context.Process(target=_worker, args=arguments, name=f"worker-{row}", daemon=True)
        worker.start()
        return worker

    def _told(self, number: int, frame: Any) -> None:
        self._stop = True


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger("edge_ocr.serve")
    if not root.handlers:
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        root.propagate = False
        # these tell of requests and pictures, some of them as many lines as a caller likes
        for name in ("uvicorn", "uvicorn.error", "python_multipart"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        cv2 = opencv()
        silence = cv2.setLogLevel if hasattr(cv2, "setLogLevel") else cv2.utils.logging.setLogLevel
        silence(0)
