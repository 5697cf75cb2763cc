"""``edge-ocr scan`` from the command line, on drawn pictures and models that read them."""

from __future__ import annotations

import json
import pathlib

import cv2
import numpy as np
import pytest

from edge_ocr.cli import main
from edge_ocr.scanners.mrz import ALPHABET

coded = pytest.importorskip("coded")
pytest.importorskip("onnxruntime")

CHARSET = "0123456789가나서울바"


def test_scan_plate(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = np.full((192, 448, 3), coded.WHITE, np.uint8)
    words = [coded.put(image, 40, 60, "12가", CHARSET), coded.put(image, 120, 60, "3456", CHARSET)]
    folder = coded.make_models(tmp_path / "models", name="plate-kr", charset=CHARSET, size=(192, 448), words=words)
    cv2.imwrite(str(tmp_path / "car.png"), image)
    cv2.imwrite(str(tmp_path / "empty.png"), np.full_like(image, 255))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    pictures = [str(tmp_path / n) for n in ("car.png", "empty.png", "broken.png")]
    assert main(["scan", "plate", *pictures, "--models", str(folder), "--json"]) == 1
    car, empty, broken = (json.loads(x) for x in capsys.readouterr().out.splitlines())
    assert set(car) == {"image", "width", "height", "plates"}
    (plate,) = car["plates"]
    assert (plate["text"], plate["kind"], plate["vehicle"]) == ("12가3456", "private", "car")
    assert [c["text"] for c in plate["characters"]] == list("12가3456")
    assert len(plate["quad"]) == 4 and 0 < plate["confidence"] <= 1
    assert empty["plates"] == [] and set(broken) == {"image", "error"}
    assert main(["scan", "plate", pictures[0], "--models", str(folder), "--draw", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.startswith("12가3456  private")
    assert (tmp_path / "out" / "car.png").is_file()


def test_scan_mrz(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ("I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6")
    size = (192, 800)
    image = np.full((*size, 3), coded.WHITE, np.uint8)
    words = [coded.put(image, 24, 20 + 70 * k, line, ALPHABET) for k, line in enumerate(lines)]
    folder = coded.make_models(tmp_path / "models", name="mrz", charset=ALPHABET, size=size, words=words)
    cv2.imwrite(str(tmp_path / "card.png"), image)
    assert main(["scan", "mrz", str(tmp_path / "card.png"), "--models", str(folder), "--json"]) == 0
    (document,) = json.loads(capsys.readouterr().out)["documents"]
    assert document["accepted"] is True and document["layout"] == "TD2"
    assert document["fields"]["number"]["value"] == "D23145890"
    assert set(document["fields"]["birth"]) == {"raw", "value", "confidence", "quad"}
    assert [document["fields"][f"line{k}"]["raw"] for k in (1, 2)] == list(lines)
    assert main(["scan", "mrz", str(tmp_path / "card.png"), "--models", str(folder)]) == 0
    assert "TD2, all check digits hold" in capsys.readouterr().out


def test_wrong_use_is_said(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["scan", "cat", "x.png"])
    assert stopped.value.code == 2
    with pytest.raises(SystemExit):
        main(["scan", "plate", "x.png", "--min-confidence", "2"])
    (tmp_path / "none").mkdir()
    assert main(["scan", "plate", "x.png", "--models", str(tmp_path / "none")]) == 2
    assert "no detector" in capsys.readouterr().err


def test_scanners_run_in_either_engine() -> None:
    pytest.importorskip("ai_edge_litert", reason="pip install 'edge-ocr[tflite]'")
    from edge_ocr.errors import InputError
    from edge_ocr.scanners import mrz, plate

    line = np.full((40, 300), 230, np.uint8)
    cv2.putText(line, "1234567890", (12, 31), cv2.FONT_HERSHEY_SIMPLEX, 1.1, 20, 2, cv2.LINE_AA)
    picture = cv2.cvtColor(cv2.copyMakeBorder(line, 60, 60, 60, 60, cv2.BORDER_REPLICATE), cv2.COLOR_GRAY2RGB)
    for scanner in (plate.Scanner, mrz.Scanner):
        one, other = scanner(), scanner(engine="tflite")
        a, b = (x._recognizer.log_probs([line])[0] for x in (one, other))
        assert (a.symbols.argmax(1) == b.symbols.argmax(1)).mean() > 0.95
        assert [r.quad for r in one._detector.detect(picture)] and other.scan(picture) == one.scan(picture)
        with pytest.raises(InputError, match="engine"):
            scanner(engine="caffe")
