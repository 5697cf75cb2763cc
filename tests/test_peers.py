"""The comparison with other readers: its processes answer, its figures are of what was read."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import peers
from benchmarks.accuracy import rows
from benchmarks.peers import Worker, folder_option, ratios, read_folder, score, speed
from tests.tiny import WORD, make_models, picture


def labelled(folder: Path, *texts: str) -> Path:
    (folder / "images").mkdir(parents=True)
    with open(folder / "labels.jsonl", "w", encoding="utf-8") as stream:
        for k, text in enumerate(texts):
            cv2.imwrite(str(folder / f"images/{k}.png"), picture())
            quad = [[float(v) for v in p] for p in WORD]
            row = {"image": f"images/{k}.png", "polygons": [quad], "texts": [text], "ignore": [False]}
            stream.write(json.dumps(row) + "\n")
    return folder


def test_a_worker_reads_and_tells(tmp_path: Path) -> None:
    models = make_models(tmp_path / "models")
    np.save(tmp_path / "p.npy", picture())
    given = {"engine": "edge_ocr", "lang": "en", "models": str(models)}
    with Worker(sys.executable, given, {"do": "read", "image": str(tmp_path / "p.npy")}) as worker:
        first = worker.first()
        assert [w["text"] for w in first["words"]] == ["AB"]
        assert first["cold_wall_ms"] > 0 and first["cold_cpu_ms"] >= first["cpu_ms"] > 0
        again = worker.ask(do="read", image=str(tmp_path / "p.npy"))
        assert "cold_wall_ms" not in again and again["words"] == first["words"]
        told = worker.ask(do="tell")
        assert told["bytes"] == sum((models / x / "model.onnx").stat().st_size for x in ("detector", "en"))
        assert told["files"][0].endswith("detector/model.onnx") and told["peak_mib"] > 10


@pytest.mark.skipif(importlib.util.find_spec("rapidocr") is not None, reason="RapidOCR is installed here")
def test_what_is_not_installed_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ImportError, match="rapidocr"):
        Worker(sys.executable, {"engine": "rapidocr"})
    assert peers.start_all(sys.executable, {"RapidOCR": {"engine": "rapidocr"}}) == {}
    assert "RapidOCR: left out" in capsys.readouterr().err


def test_a_worker_that_fails_says_why(tmp_path: Path) -> None:
    models = make_models(tmp_path / "models")
    given = {"engine": "edge_ocr", "lang": "en", "models": str(models)}
    with Worker(sys.executable, given) as worker, pytest.raises(RuntimeError, match="nowhere"):
        worker.ask(do="read", image=str(tmp_path / "nowhere.png"))


def test_folders_are_read_once_and_scored(tmp_path: Path) -> None:
    models = make_models(tmp_path / "models")
    folder = labelled(tmp_path / "set", "AB", "AX")
    target = peers.kept(tmp_path / "out", "edge_ocr", folder)
    with Worker(sys.executable, {"engine": "edge_ocr", "lang": "en", "models": str(models)}) as worker:
        read_folder(worker, folder, target, again=False)
        before = target.read_text(encoding="utf-8")
        read_folder(worker, folder, target, again=False)
    assert target.read_text(encoding="utf-8") == before and peers.whole(folder, target)
    assert [r["image"] for r in rows(target)] == ["images/0.png", "images/1.png"]
    found = score(["edge_ocr", "other"], [folder_option(f"{folder}=text,word")], tmp_path / "out", None, False)
    assert found["set, text"]["edge_ocr"]["cer"] == pytest.approx(0.25)
    assert found["set, word"]["edge_ocr"]["e2e_f"] == pytest.approx(0.5)
    report = {"accuracy": found, "date": "today", "machine": "here", "command": "this"}
    assert "| set, text | cer_free | 0.250 |" in peers.markdown(report)
    assert "other" not in peers.plain(report)


def test_options_and_ratios() -> None:
    assert folder_option("data/sign_ko=word:lines,space") == (
        Path("data/sign_ko"),
        [("word", "lines"), ("space", "words")],
    )
    assert folder_option("a=b") == (Path("a"), [("b", "words")])
    assert folder_option("a") == (Path("a"), [("text", "words")])
    assert ratios([1, 2, 9], [2, 4, 3]) == 0.5


def test_speed_of_two_sets_of_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "SIZES", ((64, 96),))
    monkeypatch.setattr(peers, "LINES", (0, 1))
    monkeypatch.setattr(peers, "frame", lambda lines, size: picture())
    engines = {x: {"engine": "edge_ocr", "models": str(make_models(tmp_path / x))} for x in ("ours", "theirs")}
    monkeypatch.setattr(peers, "networks_of", lambda workers, engines: [], raising=True)
    found = speed(sys.executable, engines, repeat=2, starts=1)
    assert found["ours"]["frames"][0]["ratio"] == 1 and 0.1 < found["theirs"]["frames"][1]["ratio"] < 10
    assert found["theirs"]["lines"] == {0: 1, 1: 1}
    assert found["ours"]["start"]["96x64"]["peak_mib"] > 10
    report = {"speed": found, "date": "today", "machine": "here", "command": "this"}
    assert "| theirs |" in peers.markdown(report)
