"""``edge-ocr redact`` and ``--mask``, on drawn pictures and a model that reads them."""

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

CHARSET = "0123456789-가나"


def test_redact_and_read_masked(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = np.full((192, 448, 3), coded.WHITE, np.uint8)
    words = [coded.put(image, 20, 60, "900101-1234567", CHARSET), coded.put(image, 20, 120, "나가", CHARSET)]
    models = str(coded.make_models(tmp_path / "models", name="ko", charset=CHARSET, size=(192, 448), words=words))
    cv2.imwrite(str(tmp_path / "card.png"), image)
    card, out = str(tmp_path / "card.png"), tmp_path / "out"
    use = ["--models", models, "--lang", "ko"]
    assert main(["redact", card, "--out", str(out), "--json", "--no-zones", *use]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [m["what"] for m in told["masks"]] == ["resident"] and "123456" not in json.dumps(told)
    saved = cv2.imread(str(out / "card.png"))
    assert saved.shape == image.shape
    (x0, y0), (x1, y1) = words[0][0], words[0][2]
    middle = round((x0 + x1) / 2)
    assert (saved[round(y0) : round(y1), middle + 16 : round(x1)] == 0).all()
    assert (saved[:, : middle - 8] == image[:, : middle - 8]).all() and (saved[110:] == image[110:]).all()

    assert main(["read", card, "--mask", "--json", "--draw", str(out), *use]) == 0
    read = json.loads(capsys.readouterr().out)
    assert [w["text"] for w in read["words"]] == ["900101-1●●●●●●", "나가"]
    drawn = cv2.imread(str(out / "card.png"))[:192, :448]
    assert (drawn[round(y0) + 4 : round(y1) - 4, middle + 16 : round(x1) - 8] == 0).all()
    assert main(["redact", card, "--out", str(out), "--no-zones", *use]) == 0
    assert capsys.readouterr().out == "1 × resident\n"

    before = pathlib.Path(card).read_bytes()
    assert main(["redact", card, "--out", str(tmp_path), "--no-zones", *use]) == 2
    assert "would be overwritten" in capsys.readouterr().err and pathlib.Path(card).read_bytes() == before


def test_scan_masked(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10")
    size = (192, 928)
    image = np.full((*size, 3), coded.WHITE, np.uint8)
    words = [coded.put(image, 16, 20 + 70 * k, line, ALPHABET) for k, line in enumerate(lines)]
    folder = coded.make_models(tmp_path / "models", name="mrz", charset=ALPHABET, size=size, words=words)
    cv2.imwrite(str(tmp_path / "pass.png"), image)
    use = ["scan", "mrz", str(tmp_path / "pass.png"), "--models", str(folder)]
    assert main([*use, "--mask", "--json", "--draw", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    (document,) = json.loads(text)["documents"]
    assert document["fields"]["number"]["raw"] == "L8989●●●●" and document["accepted"] is True
    assert document["fields"]["surname"]["value"] == "ERIKSSON"
    assert main([*use, "--mask"]) == 0
    for secret in ("ZE184226B", "902C"):
        assert secret not in text + capsys.readouterr().out
    (x0, y0), (x1, y1) = words[1][0], words[1][2]
    drawn = cv2.imread(str(tmp_path / "out" / "pass.png"))[: size[0], : size[1]]
    a, b = x0 + (x1 - x0) * 30 / 44, x0 + (x1 - x0) * 40 / 44
    assert (drawn[round(y0) + 4 : round(y1) - 4, round(a) : round(b)] == 0).all()
