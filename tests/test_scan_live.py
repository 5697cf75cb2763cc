"""Plates and documents in moving pictures: scanners as readers of a stream."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_ocr import scan_reader
from edge_ocr.cli import main
from edge_ocr.errors import InputError, ModelNotFound
from edge_ocr.scanners.mrz import ALPHABET
from edge_ocr.stream import Stream
from edge_ocr.types import Frame, Region

coded = pytest.importorskip("coded")
pytest.importorskip("onnxruntime")

CHARSET = "0123456789가나서울바"
SIZE = (192, 448)
TD2 = ("I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6")


def plates(folder: pathlib.Path) -> tuple[NDArray[np.uint8], Any]:
    image = np.full((*SIZE, 3), coded.WHITE, np.uint8)
    words = [coded.put(image, 40, 60, "12가", CHARSET), coded.put(image, 120, 60, "3456", CHARSET)]
    return image, coded.make_models(folder, name="plate-kr", charset=CHARSET, size=SIZE, words=words)


def zone(folder: pathlib.Path, lines: tuple[str, ...] = TD2) -> tuple[NDArray[np.uint8], Any]:
    size = (192, 800)
    image = np.full((*size, 3), coded.WHITE, np.uint8)
    words = [coded.put(image, 24, 20 + 70 * k, line, ALPHABET) for k, line in enumerate(lines)]
    return image, coded.make_models(folder, name="mrz", charset=ALPHABET, size=size, words=words)


def film(image: NDArray[np.uint8], count: int) -> list[Frame]:
    return [Frame(image.copy(), k / 10) for k in range(count)]


def test_a_plate_is_told_once(tmp_path: pathlib.Path) -> None:
    image, models = plates(tmp_path)
    reader = scan_reader("plate", models_dir=models)
    reader.warm_up()
    events = list(Stream(reader, film(image, 12)))
    assert [e.event for e in events] == ["appeared", "stable", "lost"]
    assert {e.text for e in events} == {"12가3456"}
    assert all(e.confidence > 0.9 for e in events)


def test_a_plate_that_went_is_not_read_in_its_place(tmp_path: pathlib.Path) -> None:
    image, models = plates(tmp_path)
    reader = scan_reader("plate", models_dir=models)
    (region,) = reader.detect(image)
    (word,) = reader.read_regions(image, [region])
    assert (word.text, word.quad) == ("12가3456", region.quad) and len(word.characters) == 7
    (gone,) = reader.read_regions(np.full_like(image, coded.WHITE), [region])
    assert gone.text == "" and gone.confidence == 0
    assert reader.accepts("12가3456") and not reader.accepts("12가345")


def test_a_zone_is_told_when_its_digits_hold(tmp_path: pathlib.Path) -> None:
    image, models = zone(tmp_path / "right")
    events = list(Stream(scan_reader("mrz", models_dir=models), film(image, 12)))
    assert [e.event for e in events] == ["appeared", "stable", "lost"]
    assert events[1].text.split("\n") == list(TD2)
    wrong = (TD2[0], TD2[1].replace("7408122", "7408123"))
    image, models = zone(tmp_path / "wrong", wrong)
    assert list(Stream(scan_reader("mrz", models_dir=models), film(image, 12))) == []
    reader = scan_reader("mrz", models_dir=models)
    assert reader.accepts("\n".join(TD2)) and not reader.accepts("\n".join(wrong))


def test_a_document_is_read_where_it_stands(tmp_path: pathlib.Path) -> None:
    image, models = zone(tmp_path)
    reader = scan_reader("mrz", models_dir=models)
    (region,) = reader.detect(image)
    (again,) = reader.read_regions(image, [region])
    assert again.text == "\n".join(TD2) and len(again.characters) == len(again.text)
    far = Region(((0, 170), (60, 170), (60, 190), (0, 190)), 1.0)
    outside = Region(((-90, -90), (-60, -90), (-60, -70), (-90, -70)), 1.0)
    assert [w.text for w in reader.read_regions(image, [far, outside])] == ["", ""]


def test_the_command(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    image, models = plates(tmp_path / "models")
    (tmp_path / "frames").mkdir()
    for k in range(8):
        cv2.imwrite(str(tmp_path / "frames" / f"{k}.png"), image)
    use = ["live", str(tmp_path / "frames"), "--fps", "10", "--models", str(models)]
    assert main([*use, "--scan", "plate", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(r["event"], r["text"]) for r in rows][:2] == [("appeared", "12가3456"), ("stable", "12가3456")]
    assert list(rows[0]) == ["event", "track", "frame", "ms", "text", "confidence", "quad", "hints"]

    image, models = zone(tmp_path / "zones", ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
                                              "L898902C36UTO7408122F1204159ZE184226B<<<<<10"))  # fmt: skip
    del image
    assert main(["live", str(tmp_path / "frames"), "--models", str(models), "--scan", "mrz", "--mask"]) == 0


def test_wrong_use_is_said(tmp_path: pathlib.Path) -> None:
    _, models = plates(tmp_path)
    with pytest.raises(InputError, match="plate, idcard, mrz"):
        scan_reader("face", models_dir=models)
    with pytest.raises(ModelNotFound):
        scan_reader("mrz", models_dir=models)
