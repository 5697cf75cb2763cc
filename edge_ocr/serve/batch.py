"""Crops of several requests through a recognizer's network at once.

A recognizer brings its crops to one of few widths, so arrays of one shape but for their number come from all requests;
they are stacked as they come. A run starts when it is full, when nobody is about to add to it, or when its first crop
has waited long enough: while all threads compute, crops gather by themselves.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_ocr.engine import Engine
from edge_ocr.serve.pool import Gone, Ticket, current

__all__ = ["Batcher", "SharedEngine"]

Arrays = Mapping[str, NDArray[Any]]
_Key = tuple[int, tuple[tuple[str, tuple[int, ...]], ...]]


@dataclass(eq=False)
class _Piece:
    """Rows that go through the network together, and where their outputs are awaited."""

    inputs: Arrays
    rows: int
    ticket: Ticket | None
    since: float
    outputs: Future[dict[str, NDArray[Any]]]


class Batcher:
    """``threads`` threads that run stacks of up to ``most`` rows; a row waits at most ``wait`` seconds for company.
    ``coming()`` tells how many others may be about to bring rows; ``told(rows)`` is called for each run."""

    def __init__(
        self, *, threads: int, most: int, wait: float, coming: Callable[[], int], told: Callable[[int], None]
    ) -> None:
        self.most = most
        self._wait, self._coming, self._told = wait, coming, told
        self._engines: list[Engine] = []
        self._queues: dict[_Key, list[_Piece]] = {}
        self._change = threading.Condition()
        self._closed = False
        self._blocked = 0
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
        now = time.monotonic()
        pieces = [[self._piece(part, ticket, now) for part in _parts(stack, self.most)] for stack in inputs]
        with self._change:
            for part in (part for stack in pieces for part in stack):
                key = engine, tuple((name, array.shape[1:]) for name, array in part.inputs.items())
                self._queues.setdefault(key, []).append(part)
            self._blocked += 1
            self._change.notify_all()
        try:
            return [_joined([part.outputs.result() for part in stack]) for stack in pieces]
        finally:
            with self._change:
                self._blocked -= 1

    def close(self) -> None:
        """Runs what waits, then ends the threads."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        for thread in self._threads:
            thread.join()

    @staticmethod
    def _piece(inputs: Arrays, ticket: Ticket | None, now: float) -> _Piece:
        return _Piece(inputs, len(next(iter(inputs.values()))), ticket, now, Future())

    def _work(self) -> None:
        while True:
            with self._change:
                key = self._next()
                if key is None:
                    return
                pieces = self._take(key)
            if pieces:
                self._run(self._engines[key[0]], pieces)
            del pieces

    def _next(self) -> _Key | None:
        """Waits for a stack that should run now: the one whose first piece came first. None: there will be none."""
        while True:
            if not self._queues:
                if self._closed:
                    return None
                self._change.wait()
                continue
            oldest = min(self._queues, key=lambda k: self._queues[k][0].since)
            left = self._queues[oldest][0].since + self._wait - time.monotonic()
            if left <= 0 or self._closed or self._coming() <= self._blocked:
                return oldest
            for key, queue in self._queues.items():
                if sum(piece.rows for piece in queue) >= self.most:
                    return key  # full: nothing is gained by waiting
            self._change.wait(left)

    def _take(self, key: _Key) -> list[_Piece]:
        queue = self._queues[key]
        taken: list[_Piece] = []
        rows = 0
        while queue and rows + queue[0].rows <= self.most:
            piece = queue.pop(0)
            if piece.ticket is not None and piece.ticket.gone:
                piece.outputs.set_exception(Gone("nobody waits for this crop"))
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
                piece.outputs.set_exception(error)
            return
        self._told(sum(piece.rows for piece in pieces))
        at = 0
        for piece in pieces:
            piece.outputs.set_result({name: value[at : at + piece.rows] for name, value in outputs.items()})
            at += piece.rows


class SharedEngine:
    """An engine whose runs are shared; made by ``Batcher.share``."""

    def __init__(self, batcher: Batcher, number: int) -> None:
        self._batcher, self._number = batcher, number

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        return self.run_many([inputs])[0]

    def run_many(self, inputs: Sequence[Arrays]) -> list[dict[str, NDArray[Any]]]:
        return self._batcher.run(self._number, inputs)


def _parts(stack: Arrays, most: int) -> list[Arrays]:
    rows = len(next(iter(stack.values())))
    if rows <= most:
        return [stack]
    return [{name: array[k : k + most] for name, array in stack.items()} for k in range(0, rows, most)]


def _joined(outputs: list[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    if len(outputs) == 1:
        return outputs[0]
    return {name: np.concatenate([part[name] for part in outputs]) for name in outputs[0]}
