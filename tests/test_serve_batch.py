"""Pools and batches, with small engines of numpy: what goes in, comes out, in whatever company."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from edge_ocr.engine import OnnxEngine, checkpoint, run_many
from edge_ocr.errors import EngineError
from edge_ocr.serve.batch import Batcher, SharedEngine
from edge_ocr.serve.body import Budget
from edge_ocr.serve.metrics import Metrics
from edge_ocr.serve.pool import Gone, Pool, Processors, Ticket, current
from edge_ocr.serve.refusal import Refusal


class Adder:
    """An engine whose output tells its input apart row by row, and which remembers how many rows came at a time."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.hold = threading.Event()
        self.hold.set()

    def run(self, inputs: Any) -> dict[str, Any]:
        assert self.hold.wait(60)
        (array,) = inputs.values()
        if array.shape[1] == 13:
            raise EngineError("thirteen")
        self.rows.append(len(array))
        return {"sum": array.sum(1), "twice": 2 * array}


class World:
    """A batcher around an Adder; ``coming`` is what it is told of others."""

    def __init__(self, *, most: int = 8, wait: float = 0.0, threads: int = 1) -> None:
        self.coming = 0
        self.processors = Processors(threads)
        self.told: list[int] = []
        self.adder = Adder()
        self.batcher = Batcher(
            threads=threads, processors=self.processors, most=most, wait=wait, coming=lambda: self.coming,
            told=self.told.append,
        )  # fmt: skip
        self.engine: SharedEngine = self.batcher.share(self.adder)


@pytest.fixture
def worlds() -> Iterator[list[World]]:
    made: list[World] = []
    yield made
    for world in made:
        world.adder.hold.set()
        world.batcher.close()


def rows(count: int, width: int = 4, start: int = 0) -> dict[str, Any]:
    return {"x": np.arange(start, start + count * width).reshape(count, width)}


def right(inputs: dict[str, Any], outputs: dict[str, Any]) -> bool:
    same = np.array_equal(outputs["sum"], inputs["x"].sum(1)) and np.array_equal(outputs["twice"], 2 * inputs["x"])
    return bool(same)


def test_everyone_gets_their_own(worlds: list[World]) -> None:
    worlds.append(world := World(threads=2))
    chance = np.random.default_rng(3)
    asked = [
        [rows(int(chance.integers(1, 20)), int(chance.integers(2, 5)), int(chance.integers(0, 99))) for _ in range(3)]
        for _ in range(60)
    ]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda inputs: run_many(world.engine, inputs), asked))
    for inputs, outputs in zip(asked, answers, strict=True):
        assert all(right(i, o) for i, o in zip(inputs, outputs, strict=True))
    assert max(world.adder.rows) <= 8
    assert sum(world.adder.rows) == sum(world.told) == sum(len(i["x"]) for inputs in asked for i in inputs)


def test_what_waits_goes_together(worlds: list[World]) -> None:
    worlds.append(world := World())
    world.adder.hold.clear()
    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(world.engine.run, rows(1, 9))
        until(lambda: not world.batcher._queues)
        others = [pool.submit(world.engine.run, rows(2, 4, k)) for k in range(4)]
        until(lambda: sum(len(q) for q in world.batcher._queues.values()) == 4)
        world.adder.hold.set()
        assert right(rows(1, 9), first.result())
        assert all(right(rows(2, 4, k), found.result()) for k, found in enumerate(others))
    assert world.adder.rows == [1, 8]


def test_wide_rows_fill_a_run_sooner(worlds: list[World]) -> None:
    worlds.append(world := World(most=16))
    world.adder.hold.clear()
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(world.engine.run, rows(1, 9))
        until(lambda: not world.batcher._queues)
        wide = [rows(2, 32 * 160, k) for k in range(8)]
        others = [pool.submit(world.engine.run, inputs) for inputs in wide]
        until(lambda: sum(len(q) for q in world.batcher._queues.values()) == 8)
        world.adder.hold.set()
        assert right(rows(1, 9), first.result())
        assert all(right(inputs, found.result()) for inputs, found in zip(wide, others, strict=True))
    assert world.adder.rows == [1, 8, 8]
    assert right(rows(2, 100_000), world.engine.run(rows(2, 100_000)))  # wider than a run: one by one


@pytest.mark.parametrize(("elsewhere", "runs"), [(0, [4, 4]), (1, [8])])
def test_processors_with_nothing_to_do_share_a_stack(worlds: list[World], elsewhere: int, runs: list[int]) -> None:
    worlds.append(world := World(most=16, threads=2))
    world.adder.hold.clear()
    with contextlib.ExitStack() as busy, ThreadPoolExecutor(1) as pool:
        for _ in range(elsewhere):
            busy.enter_context(world.processors)
        answer = pool.submit(world.engine.run, rows(8))
        until(lambda: not world.batcher._queues)
        world.adder.hold.set()
        assert right(rows(8), answer.result())
    assert world.adder.rows == runs


def test_rows_gather_while_no_processor_is_free(worlds: list[World]) -> None:
    worlds.append(world := World(most=16))
    given = [rows(3, 32 * 160, k) for k in range(3)]
    with ThreadPoolExecutor(3) as pool:
        with world.processors:
            answers = [pool.submit(world.engine.run, inputs) for inputs in given]
            until(lambda: sum(len(q) for q in world.batcher._queues.values()) == 3)
            assert not world.adder.rows
        assert all(right(inputs, found.result()) for inputs, found in zip(given, answers, strict=True))
    assert world.adder.rows == [9]  # one more than a full run, rather than a run of its own


def test_processors_are_given_in_order() -> None:
    processors = Processors(2)
    order: list[int] = []

    def use(k: int) -> None:
        with processors:
            order.append(k)

    with ThreadPoolExecutor(5) as pool, processors, processors:
        assert processors.free == 0
        for k in range(5):
            pool.submit(use, k)
            until(lambda k=k: len(processors._waiting) == k + 1)  # type: ignore[misc]
        assert not order
    assert sorted(order) == list(range(5)) and order[0] in (0, 1)
    assert processors.free == 2


def test_one_a_call(worlds: list[World]) -> None:
    worlds.append(world := World(most=1))
    assert right(rows(5), world.engine.run(rows(5)))
    assert world.adder.rows == [1] * 5


def test_company_that_comes_is_waited_for(worlds: list[World]) -> None:
    worlds.append(world := World(wait=0.6))
    world.coming = 2
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(world.engine.run, rows(1))
        until(lambda: len(world.batcher._queues) == 1)
        second = pool.submit(world.engine.run, rows(1, 4, 7))
        assert right(rows(1), first.result()) and right(rows(1, 4, 7), second.result())
    assert world.adder.rows == [2]
    world.coming = 9  # and they never come: the wait has an end
    assert right(rows(3), world.engine.run(rows(3)))


def test_a_failing_run_fails_its_own_alone(worlds: list[World]) -> None:
    worlds.append(world := World())
    with pytest.raises(EngineError, match="thirteen"):
        world.engine.run(rows(2, 13))
    assert right(rows(2), world.engine.run(rows(2)))


def test_what_nobody_waits_for_is_not_run(worlds: list[World]) -> None:
    worlds.append(world := World())
    world.adder.hold.clear()
    ticket = Ticket()

    def ask(inputs: dict[str, Any], mine: Ticket) -> Any:
        current.set(mine)
        return world.engine.run(inputs)

    with ThreadPoolExecutor(3) as pool:
        pool.submit(ask, rows(1, 9), Ticket())
        until(lambda: not world.batcher._queues)
        left = pool.submit(ask, rows(2), ticket)
        stays = pool.submit(ask, rows(3, 4, 5), Ticket())
        until(lambda: sum(len(q) for q in world.batcher._queues.values()) == 2)
        ticket.cancel()
        world.adder.hold.set()
        with pytest.raises(Gone):
            left.result()
        assert right(rows(3, 4, 5), stays.result())
    assert world.adder.rows == [1, 3]
    with pytest.raises(Gone):
        ask(rows(1), ticket)
    current.set(None)


def test_a_pool_does_things_in_order_and_finishes() -> None:
    pool = Pool("test", 1)
    done: list[int] = []
    futures = [pool.submit(lambda k=k: done.append(k) or k, Ticket()) for k in range(20)]  # type: ignore[misc]
    pool.close()
    assert done == list(range(20)) == [f.result() for f in futures]
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(int, Ticket())


def test_what_is_cancelled_leaves_the_queue_at_once() -> None:
    pool = Pool("test", 1)
    hold = threading.Event()
    began = pool.submit(hold.wait, Ticket())
    until(lambda: pool.running == 1)
    waiting = [pool.submit(lambda: 1, Ticket()) for _ in range(5)]
    assert waiting[2].cancel() and pool.waiting == 4
    assert not began.cancel()
    hold.set()
    pool.close()
    assert [f.result() for f in waiting if not f.cancelled()] == [1] * 4


def test_what_a_request_holds_is_given_back_when_nobody_works_for_it() -> None:
    budget = Budget(100)
    pool = Pool("test", 1)
    hold = threading.Event()
    tickets, shares = [Ticket() for _ in range(3)], [budget.share() for _ in range(3)]
    for share in shares:
        share.take(30)
    with pytest.raises(Refusal, match="at a time"):
        budget.share().take(30)
    with pytest.raises(Refusal, match="more than"):
        shares[0].take(80)
    pool.submit(hold.wait, tickets[0])
    until(lambda: pool.running == 1)
    waiting = pool.submit(hold.wait, tickets[1])
    for ticket, share in zip(tickets, shares, strict=True):
        ticket.cancel()
        ticket.when_idle(share.give_back)
    assert budget.held == 60  # the third had no work
    waiting.cancel()
    assert budget.held == 30  # the second left the queue; the first is still being worked on
    hold.set()
    until(lambda: budget.held == 0)
    pool.close()


def test_tickets_end_work_at_its_next_run() -> None:
    pool = Pool("test", 1)
    ticket = Ticket()
    steps: list[int] = []

    def work() -> None:
        while len(steps) < 1000:
            ask = checkpoint.get()
            assert ask is not None
            ask()
            steps.append(1)
            if len(steps) == 3:
                ticket.cancel()

    with pytest.raises(Gone, match="cancelled"):
        pool.submit(work, ticket).result()
    assert len(steps) == 3
    with pytest.raises(Gone, match="too long"):
        pool.submit(lambda: 1, Ticket(time.monotonic() - 1)).result()
    assert pool.submit(checkpoint.get, Ticket()).result() is not None
    pool.close()
    assert checkpoint.get() is None


def test_the_checkpoint_stands_before_real_runs() -> None:
    from edge_ocr.models import find_detector

    engine = OnnxEngine(find_detector().read())

    def stop() -> None:
        raise Gone("enough")

    token = checkpoint.set(stop)
    try:
        with pytest.raises(Gone, match="enough"):
            engine.run({name: np.zeros((1, 320, 320, 3), np.uint8) for name in engine.input_names})
    finally:
        checkpoint.reset(token)


def test_workers_counters_are_summed() -> None:
    array = [0.0] * (2 * Metrics.size())
    one, two = Metrics(array, row=0, rows=2), Metrics(array, row=1, rows=2)
    one.request("read", 200, 0.03)
    two.request("read", 200, 0.4)
    two.request("read", 418, 0.4)  # a status that is not foreseen counts as 500
    two.gauge("in_flight", lambda: 3.0)
    two.sample()
    assert one.total("requests", "read", "200") == 2 and one.total("requests", "read", "500") == 1
    text = one.render()
    assert "edge_ocr_in_flight 3\n" in text
    assert 'edge_ocr_request_seconds_bucket{route="read",le="0.05"} 1\n' in text
    assert 'edge_ocr_request_seconds_bucket{route="read",le="+Inf"} 2\n' in text
    assert 'edge_ocr_request_seconds_sum{route="read"} 0.43\n' in text


def until(condition: Any) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)
