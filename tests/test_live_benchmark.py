"""What the live benchmark makes of events, worked out by hand."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import cv2
import numpy as np
import pytest
import tiny

from benchmarks import clips, live
from edge_ocr import Event
from edge_ocr.scanners.mrz import ALPHABET
from edge_ocr.types import Quad

coded = pytest.importorskip("coded")
pytest.importorskip("onnxruntime")


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


# -- plates and documents ------------------------------------------------------------------------------------------
TD2 = ("I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6")


def filmed(folder: pathlib.Path, name: str, charset: str, size: tuple[int, int], lines: Any, labels: Any) -> list[str]:
    """A clip without loss that stands still, of lines at their places, and the arguments to measure it with models that
    read it."""
    image = np.full((*size, 3), coded.WHITE, np.uint8)
    words = [coded.put(image, x, y, text, charset) for text, x, y in lines]
    writer = cv2.VideoWriter(str(folder / "a.avi"), cv2.VideoWriter.fourcc(*"FFV1"), 10.0, size[::-1])
    if not writer.isOpened():
        pytest.skip("this OpenCV cannot write FFV1")
    still = {**labels, "ids": list(range(len(labels["texts"]))), "ignore": [False] * len(labels["texts"])}
    rows = [{"made_by": "hand"}]
    for k in range(14):
        writer.write(image)
        rows.append({"frame": k, "ms": 100.0 * k, **still})
    writer.release()
    (folder / "a.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    models = coded.make_models(folder / "models", name=name, charset=charset, size=size, words=words)
    return ["live", str(folder), "--models", str(models), "--threads", "1"]


def measure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    monkeypatch.setattr("sys.argv", list(arguments))
    assert live.main() == 0
    return dict(json.loads(capsys.readouterr().out))


def test_plates(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [("12가", 40, 60), ("3456", 120, 60)]
    labels = {"polygons": [[[40, 60], [192, 60], [192, 92], [40, 92]]], "texts": ["12가3456"]}
    use = filmed(tmp_path, "plate-kr", "0123456789가나서울바", (192, 448), lines, labels)
    report = measure(monkeypatch, capsys, *use, "--scan", "plate", "--oracle")
    assert report["scan"] == "plate"
    found = report["all"]
    assert (found["texts"], found["right"], found["read"], found["legible"]) == (1, 1.0, 1.0, 1.0)
    assert (found["wrong"], found["spurious"], found["flicker"], found["tracks"]) == (0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize("wrong", [False, True])
def test_zones(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wrong: bool
) -> None:
    lines = [(line, 24, 20 + 70 * k) for k, line in enumerate(TD2)]
    places = [[list(p) for p in coded.box(x, y, text)] for text, x, y in lines]
    texts = [TD2[0], TD2[1].replace("D2314", "D2315") if wrong else TD2[1]]
    use = filmed(tmp_path, "mrz", ALPHABET, (192, 800), lines, {"polygons": places, "texts": texts})
    found = measure(monkeypatch, capsys, *use, "--scan", "mrz", "--oracle", "--realtime", "--memory", "12")["all"]
    share = 0.5 if wrong else 1.0  # each line by itself
    assert (found["texts"], found["right"], found["read"], found["legible"]) == (2, share, share, share)
    assert (found["wrong"], found["spurious"], found["tracks"]) == (1 - share, 0.0, 1.0)


def test_what_a_document_says() -> None:
    row = {"ids": [0, 1, 2], "texts": ["2022. 3. 15.", "870123-1234567", "x"],
           "polygons": [[list(p) for p in box(x)] for x in (0, 100, 700)]}
    card: Quad = ((0, 0), (300, 0), (300, 60), (0, 60))
    said = live.covered(card, "rrn: 870123-1234567\nissue_date: 2022-03-15", row)
    assert [(key, text) for key, _, text in said] == [(0, "2022. 3. 15."), (1, "870123-1234567")]
    assert live.covered(card, "rrn: 870123-1234568", row)[1][2] == "rrn: 870123-1234568"
    assert live.iso("2022년 3월 15일") == "2022-03-15일" and live.iso("1,2022-1-234") == "1,2022-1-234"
    nowhere = event("stable", 1, 9, "x", 5000)
    assert live.parts_of(nowhere, [row] * 10) == [nowhere]
    (one, two) = live.parts_of(Event("stable", 3, 0, 0.0, "2022-03-15", 0.9, card), [row])
    assert (one.track, one.text, two.track, two.text) == (3000, "2022. 3. 15.", 3001, "2022-03-15")
