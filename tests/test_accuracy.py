"""The measures by hand, and sets of models side by side."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest

from benchmarks import accuracy
from benchmarks.accuracy import losses, markdown, measure, named
from tests.tiny import WORD, make_models, picture


def pair(text: str, read: str, **more: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    return [{"image": "a.png", "texts": [text]} | more], [{"image": "x/a.png", "lines": [{"text": read}], "words": []}]


def test_spaces() -> None:
    found = measure(*pair("커피 두 잔을", "커피 두잔 을"), "space", "words", True)
    assert (found["spaces"], found["precision"], found["recall"], found["coverage"]) == (2, 0.5, 0.5, 1)
    none = measure(*pair("ab", "xy z"), "space", "words", False)
    assert none["coverage"] == 0 and none["f"] == 0


def test_plates() -> None:
    truth, read = pair("12가3456", "12가 3456")
    assert measure(truth, read, "plate", "words", False)["accuracy"] == 1
    told = [read[0] | {"plates": [{"text": "12가3456", "confidence": 0.4}, {"text": "other", "confidence": 0.6}]}]
    assert measure(truth, told, "plate", "words", False)["accuracy"] == 0
    parted = [{"image": "a.png", "lines": [{"text": "서울12"}, {"text": "가3456"}], "words": []}]
    assert measure([{"image": "a.png", "texts": ["서울12가3456"]}], parted, "plate", "words", False)["right"] == 1


def test_languages_are_told_apart() -> None:
    truth = [{"image": "a.png", "texts": ["합계", "TOTAL"]}]
    found = measure(truth, [{"image": "a.png", "lines": [{"text": "합게 TOTAL"}]}], "text", "words", True)
    assert found["cer_free_ko"] == 0.5 and found["cer_free_en"] == 0
    assert found["cer_free"] == pytest.approx(1 / 7)


def test_what_lies_mostly_in_ignored_text_counts_for_nothing() -> None:
    # The second word is a part of the ignored box: its IoU with it is 0.41, but all of it lies within.
    polygons = [WORD, [(0, 0), (14, 0), (14, 14), (0, 14)]]
    truth = [{"image": "a.png", "polygons": polygons, "texts": ["AB", "###"], "ignore": [False, True]}]
    words = [{"quad": q, "text": t} for q, t in ((WORD, "AB"), ([(0, 0), (9, 0), (9, 9), (0, 9)], "x"))]
    found = measure(truth, [{"image": "a.png", "words": words, "lines": []}], "word", "words", False)
    assert (found["det_precision"], found["e2e_f"], found["recall_en"]) == (1, 1, 1)


def test_commands_are_told_without_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sys, "argv", ["x", "/a/b/data/set", "--models", "int8=../out/int8", "--folder", "/d/s=word:lines"]
    )
    assert accuracy.command("m") == "python -m m set --models int8=int8 --folder s=word:lines"


def test_names_of_sets() -> None:
    assert named([]) == {"": None}
    assert named(["a/b"]) == {"": Path("a/b")}
    assert named(["fp32=a", "b/int8"]) == {"fp32": Path("a"), "int8": Path("b/int8")}
    with pytest.raises(SystemExit, match="same name"):
        named(["x=a", "x=b"])


def report() -> dict[str, Any]:
    def entry(cer: float, f: float) -> dict[str, Any]:
        return {
            "s, text": {"level": "text", "images": 2, "cer_free": cer, "cer": cer, "exact": 0.5},
            "t, word": {"level": "word", "images": 1, "det_f": f, "e2e_f": f},
        }

    sets = {"fp32": entry(0.10, 0.70), "int8": entry(0.106, 0.68)}
    return {"sets": sets, "date": "today", "machine": "here", "command": "this"}


def test_losses_are_named_beyond_the_limit() -> None:
    assert losses(report(), 0.03) == []
    told = losses(report(), 0.005)
    assert len(told) == 3 and told[0].startswith("int8: s, text, cer_free 0.1000 -> 0.1060")
    assert all("cer 0" not in x for x in told)
    assert "| s, text (2) | cer_free | 0.100 | 0.106 | +0.006 |" in markdown(report())
    assert "| t, word (1) | det_f | 0.700 | 0.680 | −0.020 |" in markdown(report())


def test_two_sets_are_read_and_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = make_models(tmp_path / "a"), make_models(tmp_path / "b")
    folder = tmp_path / "set"
    (folder / "images").mkdir(parents=True)
    cv2.imwrite(str(folder / "images/0.png"), picture())
    row = {"image": "images/0.png", "polygons": [[list(map(float, p)) for p in WORD]], "texts": ["AB"]}
    (folder / "labels.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    arguments = ["accuracy", str(folder), "--level", "text,word", "--models", f"x={a}", "--models", f"y={b}"]
    arguments += ["--lang", "en", "--markdown", "--limit-loss", "0.005", "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", arguments)
    assert accuracy.main() == 0
    printed = capsys.readouterr().out
    assert "| set, text (1) | cer_free | 0.000 | 0.000 | +0.000 |" in printed
    assert "| set, word (1) | e2e_f | 1.000 | 1.000 | +0.000 |" in printed
    assert json.loads((tmp_path / "out/accuracy.json").read_text())["sets"]["y"]["set, text"]["cer"] == 0
    assert (tmp_path / "out/x/set.jsonl").is_file()
