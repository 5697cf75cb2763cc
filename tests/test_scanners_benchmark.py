"""The benchmark of the scanners: counts that survive an interruption, and pictures that hold what they say."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest

pytest.importorskip("PIL")
pytest.importorskip("tqdm")
from benchmarks.scanners import CHUNK, Tally, shares, table


def counting(asked: list[tuple[str, int, float]], stop_after: int | None = None):  # type: ignore[no-untyped-def]
    def part(rng: np.random.Generator, kind: str, n: int) -> tuple[dict[str, int], list[dict[str, str]]]:
        if stop_after is not None and len(asked) >= stop_after:
            raise KeyboardInterrupt
        asked.append((kind, n, float(rng.random())))
        return {"right": n - 1}, [{"truth": "x", "read": "y"}]

    return part


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: pathlib.Path) -> None:
    whole: list[tuple[str, int, float]] = []
    Tally({"seed": 1}, None).run("plate", ["a", "b"], CHUNK + 5, 1, counting(whole))
    assert [(k, n) for k, n, _ in whole] == [("a", CHUNK), ("a", 5), ("b", CHUNK), ("b", 5)]
    path, pieces = tmp_path / "out" / "x.json", []
    with pytest.raises(KeyboardInterrupt):
        Tally({"seed": 1}, path).run("plate", ["a", "b"], CHUNK + 5, 1, counting(pieces, 3))
    again = Tally({"seed": 1}, path)
    again.run("plate", ["a", "b"], CHUNK + 5, 1, counting(pieces))
    assert pieces == whole  # the same draws, each once
    assert json.loads(path.read_text())["parts"] == again.parts
    assert shares(again.parts)["plate"]["b"] == {"count": CHUNK + 5, "right": round((CHUNK + 3) / (CHUNK + 5), 4)}
    misses = tmp_path / "misses.jsonl"
    Tally({"seed": 1}, None, misses).run("plate", ["a"], CHUNK + 5, 1, counting([]))
    rows = misses.read_text().splitlines()
    assert [json.loads(row) for row in rows] == [{"kind": "a", "truth": "x", "read": "y"}] * 2
    other = Tally({"seed": 2}, path)
    assert other.parts == {}
    assert "| b | 25 | 0.92 |" in table(shares(again.parts))
