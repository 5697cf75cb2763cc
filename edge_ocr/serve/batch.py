"""Crops of several requests through a recognizer's network at once.

A recognizer brings its crops to one of few widths, so arrays of one shape but for their number come from all requests;
they are stacked as they come. A run starts when a processor is free and it is well filled, nobody is about to add to
it, or its first crop has waited long enough: while all processors compute, crops gather by themselves. What a run costs
beside its rows is spread over few rows already, so runs end where more rows would only keep others waiting, and
processors that have nothing to do share what waits.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_ocr.engine import Engine
from edge_ocr.serve.pool import Gone, Processors, Ticket, current

__all__ = ["Batcher", "SharedEngine"]

Arrays = Mapping[str, NDArray[Any]]
_Key = tuple[int, tuple[tuple[str, tuple[int, ...]], ...]]
# A run of so many values (lines of 32 pixels, together 1,280 wide) costs a row as little as a larger one does.
_FULL = 32 * 1280
_APART = 4  # rows that stay together where threads share a stack


class _Asked:
    """What one caller waits for: so many pieces, or the first of them that fails."""

    def __init__(self, ticket: Ticket | None, pieces: int) -> None:
        self.ticket = ticket
        self.error: BaseException | None = None
        self._left = pieces
        self._lock, self._ended = threading.Lock(), threading.Event()

    def one_done(self) -> None:
        with self._lock:
            self._left -= 1
            last = self._left == 0
        if last:
            self._ended.set()

    def fail(self, error: BaseException) -> None:
        if self.error is None:
            self.error = error
        self._ended.set()

    def wait(self) -> None:
        """Raises what a piece failed with."""
        self._ended.wait()
        if self.error is not None:
            raise self.error

    @property
    def gone(self) -> bool:
        return self.error is not None or (self.ticket is not None and self.ticket.gone)


@dataclass(eq=False)
class _Piece:
    """Rows that go through the network together, and who waits for them."""

    inputs: Arrays
    rows: int
    since: float
    asked: _Asked
    outputs: dict[str, NDArray[Any]] | None = None


class Batcher:
    """``threads`` threads that run stacks of up to ``most`` rows on ``processors``; where one is free, a row waits at
    most ``wait`` seconds for company. ``coming()`` tells how many others may be about to bring rows; ``told(rows)`` is
    called for each run."""

    def __init__(
        self,
        *,
        threads: int,
        processors: Processors,
        most: int,
        wait: float,
        coming: Callable[[], int],
        told: Callable[[int], None],
    ) -> None:
        self.most = most
        self._processors, self._wait, self._coming, self._told = processors, wait, coming, told
        self._engines: list[Engine] = []
        self._queues: dict[_Key, deque[_Piece]] = {}
        self._change = threading.Condition()
        self._closed = False
        self._blocked = 0  # callers
        self._threads = [threading.Thread(target=self._work, name=f"batch-{k}", daemon=True) for k in range(threads)]
        for thread in self._threads:
            thread.start()

    def share(self, engine: Engine) -> SharedEngine:
        """The engine as one whose runs are shared among all who use it."""
        self._engines.append(engine)
        return SharedEngine(self, len(self._engines) - 1)

    def run(self, engine: int, inputs: Sequence[Arrays]) -> list[dict[str, NDArray[Any]]]:
        """The outputs of each of ``inputs``, whose arrays are stacks. Raises what the engine raises, and Gone."""
        ticket = current.get()
        if ticket is not None:
            ticket.check()
        if not inputs:
            return []
        now = time.monotonic()
        parts = [(key, list(self._parts(key, stack))) for stack in inputs for key in (_key(engine, stack),)]
        asked = _Asked(ticket, sum(len(mine) for _, mine in parts))
        pieces = [(key, [_Piece(part, _rows(part), now, asked) for part in mine]) for key, mine in parts]
        with self._change:
            for key, mine in pieces:
                self._queues.setdefault(key, deque()).extend(mine)
            self._blocked += 1
            self._change.notify_all()
        try:
            asked.wait()
        finally:
            with self._change:
                self._blocked -= 1
        return [_joined([piece.outputs for piece in mine if piece.outputs is not None]) for _, mine in pieces]

    def close(self) -> None:
        """Runs what waits, then ends the threads."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        for thread in self._threads:
            thread.join()

    def _full(self, key: _Key) -> int:
        """Rows of a run that is full."""
        return min(self.most, max(1, _FULL // sum(math.prod(shape) for _, shape in key[1])))

    def _parts(self, key: _Key, stack: Arrays) -> Iterator[Arrays]:
        """A stack in pieces that runs are made of."""
        rows, most = _rows(stack), min(self._full(key), _APART)
        if rows <= most:
            yield stack
            return
        for k in range(0, rows, most):
            yield {name: array[k : k + most] for name, array in stack.items()}

    def _work(self) -> None:
        while True:
            with self._change:
                if not self._wait_for_rows():
                    return
            with self._processors:
                with self._change:  # what came while no processor was free goes along
                    key = self._ready() if self._queues else None
                    pieces = self._take(key) if key is not None else []
                if pieces and key is not None:
                    self._run(self._engines[key[0]], pieces)
            del pieces

    def _wait_for_rows(self) -> bool:
        """Waits until something should run now; False: nothing ever will."""
        while True:
            if self._queues and self._ready() is not None:
                return True
            if not self._queues and self._closed:
                return False
            self._change.wait(self._left(self._oldest()) if self._queues else None)

    def _oldest(self) -> _Key:
        return min(self._queues, key=lambda key: self._queues[key][0].since)

    def _left(self, key: _Key) -> float:
        """Seconds that the first row of a stack may still wait."""
        return self._queues[key][0].since + self._wait - time.monotonic()

    def _ready(self) -> _Key | None:
        """The stack that should run now: the one whose first row came first, or one for which there is little to gain
        by waiting."""
        oldest = self._oldest()
        if self._closed or self._coming() <= self._blocked or self._left(oldest) <= 0:
            return oldest
        return next((key for key in self._queues if 2 * self._waiting(key) >= self._full(key)), None)

    def _waiting(self, key: _Key) -> int:
        return sum(piece.rows for piece in self._queues[key])

    def _take(self, key: _Key) -> list[_Piece]:
        queue, left, most = self._queues[key], self._waiting(key), self._full(key)
        free = self._processors.free
        if free and len(self._queues) == 1:
            most = min(most, max(-(-left // (free + 1)), _APART))
        elif left <= most + most // 4:
            most = min(left, self.most)  # a run of its own for one or two would cost more
        taken: list[_Piece] = []
        rows = 0
        while queue and (not taken or rows + queue[0].rows <= most):
            piece = queue.popleft()
            if piece.asked.gone:
                piece.asked.fail(Gone("nobody waits for this crop"))
                continue
            taken.append(piece)
            rows += piece.rows
        if not queue:
            del self._queues[key]
        return taken

    def _run(self, engine: Engine, pieces: list[_Piece]) -> None:
        names = list(pieces[0].inputs)
        try:
            if len(pieces) == 1:
                outputs = engine.run(pieces[0].inputs)
            else:
                outputs = engine.run({name: np.concatenate([p.inputs[name] for p in pieces]) for name in names})
        except BaseException as error:
            for piece in pieces:
                piece.asked.fail(error)
            return
        self._told(sum(piece.rows for piece in pieces))
        at = 0
        for piece in pieces:
            piece.outputs = {name: value[at : at + piece.rows] for name, value in outputs.items()}
            at += piece.rows
            piece.asked.one_done()


class SharedEngine:
    """An engine whose runs are shared; made by ``Batcher.share``."""

    def __init__(self, batcher: Batcher, number: int) -> None:
        self._batcher, self._number = batcher, number

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        return self.run_many([inputs])[0]

    def run_many(self, inputs: Sequence[Arrays]) -> list[dict[str, NDArray[Any]]]:
        return self._batcher.run(self._number, inputs)


def _rows(stack: Arrays) -> int:
    return len(next(iter(stack.values())))


def _key(engine: int, stack: Arrays) -> _Key:
    return engine, tuple((name, array.shape[1:]) for name, array in stack.items())


def _joined(outputs: list[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    if len(outputs) == 1:
        return outputs[0]
    return {name: np.concatenate([part[name] for part in outputs]) for name in outputs[0]}
