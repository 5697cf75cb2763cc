"""The load test's own parts: what it sends, what it expects, and its arithmetic."""

from __future__ import annotations

import asyncio
import json
import pathlib

import cv2
import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the extra [serve]")

import tiny
from serving import png, serving

from benchmarks.load import Connection, Tally, against, form, hostile, ratios, ten_crops, ten_words
from edge_ocr.serve import Settings


def test_frames_are_of_their_size_and_differ() -> None:
    frames = [ten_words(seed, spread=spread) for spread in (False, True) for seed in (0, 1)]
    assert len(set(frames)) == 4
    for content in frames:
        assert cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR).shape == (480, 640, 3)


def test_hostile_requests_are_answered_as_the_soak_expects(tmp_path: pathlib.Path) -> None:
    async def ask(port: int) -> None:
        connection = Connection(port)
        for request, right in hostile():
            status, _ = await connection.ask(request)
            assert status in right
        status, body = await connection.ask(form(png(tiny.picture())))
        assert status == 200 and "한글 A" in body.decode()
        status, body = await connection.ask(ten_crops())
        assert status == 200 and len(json.loads(body)["words"]) == 10
        connection.close()

    with serving(Settings(models_dir=str(tiny.make_models(tmp_path)), receive_limit=120)) as client:
        asyncio.run(ask(client.port))


def test_ratios_are_of_turns_side_by_side() -> None:
    one, two = Tally(), Tally()
    one.turns = [(40, 10.0, 4.0), (20, 10.0, 2.0)]
    two.turns = [(10, 10.0, 5.0), (5, 10.0, 2.5)]
    (found,) = ratios({"a": one, "b": two}).values()
    assert found["throughput"] == 4.0 and found["cpu_per_request"] == 5.0


def test_two_generations_stand_beside_the_claims() -> None:
    first = {"requests_per_s": 12.7, "p50_ms": 79.0, "cpu_ms_per_request": 90.0}
    second = {"requests_per_s": 10.0, "p50_ms": 100.0, "cpu_ms_per_request": 90.0}
    assert against(first, second) == {
        "requests_per_s": {"measured": "+27 %", "claimed": "+27 %"},
        "p50_ms": {"measured": "−21 %", "claimed": "−21 %"},
        "cpu_ms_per_request": {"measured": "+0 %", "claimed": "−50 %"},
    }


def test_a_report_counts_what_was_answered() -> None:
    tally = Tally(latencies=[0.1] * 99 + [1.0], seconds=10, cpu=5.0, words=1000)
    tally.statuses[200] = 100
    report = tally.report()
    assert (report["requests_per_s"], report["cpu_ms_per_request"], report["words_per_request"]) == (10, 50, 10)
    assert report["p50_ms"] == 100 and 100 < report["p99_ms"] < 1000
