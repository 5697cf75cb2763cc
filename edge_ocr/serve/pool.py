"""Threads with a queue that can be left again, and tickets that say whether anyone still waits.

``concurrent.futures`` keeps what was cancelled in its queue, picture and all, until a thread comes to it; here it goes
at once.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import ContextVar
from typing import Any, TypeVar

from edge_ocr.engine import checkpoint
from edge_ocr.errors import EdgeOcrError

__all__ = ["Gone", "Pool", "Processors", "Ticket", "current"]

T = TypeVar("T")


class Gone(EdgeOcrError):
    """Nobody waits for this work any more: it was cancelled, or took too long."""


class Ticket:
    """One request's: whether it is still wanted, and until when. ``deadline`` in seconds of time.monotonic. One piece
    of its work is done at a time."""

    def __init__(self, deadline: float = float("inf")) -> None:
        self.deadline = deadline
        self._cancelled = False
        self._latest: Future[Any] | None = None

    def cancel(self) -> None:
        self._cancelled = True

    def when_idle(self, act: Callable[[], None]) -> None:
        """Calls ``act`` when no thread works for this request: now, or in the thread that does, when it has done."""
        if self._latest is None:
            act()
        else:
            self._latest.add_done_callback(lambda _: act())

    def works(self, future: Future[Any]) -> None:
        """``future`` is now what is done for this request."""
        self._latest = future

    @property
    def gone(self) -> bool:
        return self._cancelled or time.monotonic() > self.deadline

    def check(self) -> None:
        """Raises Gone where nobody waits."""
        if self.gone:
            raise Gone("cancelled" if self._cancelled else "took too long")


# The ticket of the work that this thread does.
current: ContextVar[Ticket | None] = ContextVar("ticket", default=None)


class Processors:
    """``count`` processors that networks run on, in the order in which they were asked for::

        with processors:
            ...

    Each pool may use them all; together they use no more, so that what runs is soon done, and crops gather meanwhile.
    """

    def __init__(self, count: int) -> None:
        self.free = count
        self._waiting: deque[threading.Lock] = deque()
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            if self.free:
                self.free -= 1
                return
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        mine.acquire()  # whoever gives one back opens it

    def __exit__(self, *what: object) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self.free += 1


class Pool:
    """``threads`` threads that do what is submitted, in its order."""

    def __init__(self, name: str, threads: int) -> None:
        self._queue: deque[tuple[Future[Any], Callable[[], Any], Ticket]] = deque()
        self._change = threading.Condition()
        self._closed = False
        self.running = 0
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{k}", daemon=True) for k in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def submit(self, work: Callable[[], T], ticket: Ticket) -> Future[T]:
        """``work``, to be done under ``ticket``: its engines' runs raise Gone when nobody waits any more. Cancelling
        the future takes it out of the queue; what has begun goes on to its next run."""
        future: Future[T] = Future()
        with self._change:
            if self._closed:
                raise RuntimeError("this pool is closed")
            self._queue.append((future, work, ticket))
            ticket.works(future)
            self._change.notify()
        future.add_done_callback(self._leave)
        return future

    def close(self) -> None:
        """Finishes what was submitted, then ends the threads."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        for thread in self._threads:
            thread.join()

    def _leave(self, future: Future[Any]) -> None:
        if not future.cancelled():
            return
        with self._change:
            for k, (other, _, _) in enumerate(self._queue):
                if other is future:
                    del self._queue[k]
                    return

    def _work(self) -> None:
        while True:
            with self._change:
                while not self._queue:
                    if self._closed:
                        return
                    self._change.wait()
                future, work, ticket = self._queue.popleft()
                if not future.set_running_or_notify_cancel():
                    continue
                self.running += 1
            self._do(future, work, ticket)
            del future, work, ticket  # a thread that waits holds no picture

    def _do(self, future: Future[Any], work: Callable[[], Any], ticket: Ticket) -> None:
        held = current.set(ticket), checkpoint.set(ticket.check)
        try:
            ticket.check()
            result = work()
        except BaseException as error:
            self._finish()
            future.set_exception(error)
        else:
            self._finish()
            future.set_result(result)
        finally:
            current.reset(held[0])
            checkpoint.reset(held[1])

    def _finish(self) -> None:
        with self._change:
            self.running -= 1
