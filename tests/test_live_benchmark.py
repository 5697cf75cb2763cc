"""What the live benchmark makes of events, worked out by hand."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np
import pytest
import tiny

from benchmarks import clips, live
from edge_ocr import Event
from edge_ocr.types import Quad


def box(x: float) -> Quad:
    return ((x, 10.0), (x + 80, 10.0), (x + 80, 40.0), (x, 40.0))


def rows(count: int = 60) -> list[dict[str, Any]]:
    """30 frames a second: "Seoul" is readable from the start, "부산" from frame 20 on, "x" for a moment."""
    out = []
    for k in range(count):
        polygons = [[list(p) for p in box(x)] for x in (0, 100, 300)]
        out.append({"frame": k, "ms": 100 * k / 3, "polygons": polygons, "texts": ["Seoul", "부산", "x"],
                    "ids": [0, 1, 2], "ignore": [False, k < 20, k != 5]})
    return out


def event(kind: str, track: int, frame: int, text: str, x: float) -> Event:
    return Event(kind, track, frame, 100 * frame / 3, text, 0.9, box(x))


def judge(*events: Event) -> dict[str, Any]:
    found = live.judge(rows(), list(events), 1.0, False)
    assert found["texts"] == 2  # "x" could not be read for a second
    return found


def test_right_at_once() -> None:
    found = judge(event("appeared", 1, 0, "Seoul", 3), event("stable", 1, 9, "Seoul", 3),
                  event("appeared", 2, 26, "부산", 98), event("stable", 2, 35, "부산", 98),
                  event("lost", 1, 59, "Seoul", 3))
    assert (found["right"], found["wrong"], found["spurious"], found["flicker"]) == (2, 0, 0, 0)
    assert found["first"] == pytest.approx([0, 200])
    assert (found["tracks"], found["tracked"], found["stable"]) == (2, 2, 2)


def test_wrong_at_first_and_flicker() -> None:
    found = judge(event("appeared", 1, 0, "Soul", 3), event("stable", 1, 9, "Soul", 3),
                  event("updated", 1, 30, "Seoul", 3))
    assert (found["right"], found["wrong"], found["flicker"]) == (1, 1, 1)
    assert found["first"] == pytest.approx([1000])
    before = judge(event("appeared", 1, 0, "Soul", 3), event("updated", 1, 6, "Seoul", 3))
    assert (before["right"], before["flicker"]) == (0, 0)  # never stable


def test_spurious_and_broken_tracks() -> None:
    nowhere = event("stable", 1, 9, "!!", 500)
    found = judge(nowhere, event("stable", 2, 9, "Seoul", 0), event("stable", 3, 40, "Seoul", 0))
    assert (found["right"], found["spurious"], found["wrong"]) == (1, 1, 0)
    assert (found["tracks"], found["tracked"]) == (2, 1)


def test_fold() -> None:
    only = [event("stable", 1, 9, "SEOUL!", 0)]
    assert live.judge(rows(), only, 1.0, False)["right"] == 0
    assert live.judge(rows(), only, 1.0, True)["right"] == 1


def test_what_was_ever_read() -> None:
    notes = [(3, box(2), "Soul"), (6, box(1), "Seoul"), (9, box(2), "Soul"), (9, box(101), "부 산")]
    notes += [(9, box(500), "부산")]
    assert live.ever(rows(), notes, 1.0, False) == 1
    assert live.ever(rows(), notes, 1.0, True) == 2
    assert live.ever(rows(), [(5, box(300), "x")], 1.0, False) == 0  # it could not be read for a second


def test_from_clip_to_report(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    labels = {"polygons": [[list(p) for p in tiny.WORD]], "texts": [tiny.TEXTS["en"]]}
    shot = clips.Shot(size=(96, 64), seconds=1.5, start=(0.5, 0.5), end=(0.5, 0.5), noise=0)
    clips.make(tiny.picture(), labels, shot, tmp_path / "a", seed=1)
    models = tiny.make_models(tmp_path / "models", languages=("en",))
    out = tmp_path / "live.json"
    monkeypatch.setattr("sys.argv", [
        "live", str(tmp_path), "--models", str(models), "--lang", "en", "--threads", "1", "--out", str(out),
        "--realtime", "--oracle", "--memory", "40",
    ])
    assert live.main() == 0
    report = json.loads(out.read_text(encoding="utf-8"))
    assert json.loads(capsys.readouterr().out) == report
    assert report["all"]["frames"] == 45
    assert (report["all"]["right"], report["all"]["flicker"], report["all"]["tracks"]) == (1.0, 0.0, 1.0)
    assert (report["all"]["read"], report["all"]["legible"]) == (1.0, 1.0)
    assert report["realtime"]["frames"] == 45
    assert report["memory"]["frames"] == 40
    assert np.isfinite(report["memory"]["grown_mib"])
    monkeypatch.setattr("sys.argv", ["live", str(tmp_path / "models")])
    assert live.main() == 2
