"""Cards in pictures: found by their edges, set upright, read and named; on drawn pictures and models that read them."""

from __future__ import annotations

import datetime
import json
import pathlib

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_ocr import geometry as g
from edge_ocr.cli import main
from edge_ocr.errors import InputError, ModelNotFound
from edge_ocr.scanners import card_find, idcard
from edge_ocr.types import Region

coded = pytest.importorskip("coded")
pytest.importorskip("onnxruntime")

Image = NDArray[np.uint8]
TODAY = datetime.date(2026, 11, 22)
LINES = ["주민등록증", "김민수", "870123-1234567", "서울특별시", "2022.3.15.", "서울특별시장"]
CHARSET = "".join(sorted(set("".join(LINES)) - {" "}))
SIZE = (480, 640)


def drawn(lines: list[str]) -> tuple[Image, list[object]]:
    """A white picture with lines of coded characters, and where they are."""
    image = np.full((*SIZE, 3), coded.WHITE, np.uint8)
    return image, [coded.put(image, 40, 20 + 70 * k, line, CHARSET) for k, line in enumerate(lines)]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    _, words = drawn(LINES)
    folder = tmp_path_factory.mktemp("models")
    made: pathlib.Path = coded.make_models(folder, name="ko", charset=CHARSET, size=SIZE, words=words)
    return made


def card(size: tuple[int, int] = (400, 634)) -> Image:
    """A pale card with rounded corners cut away by black, a red mark at its top left and a blue one at the right."""
    h, w = size
    image = np.full((h, w, 3), (235, 230, 215), np.uint8)
    for k in range(0, h, 12):
        cv2.line(image, (0, k), (w, k + 40), (215, 220, 225), 1)
    cv2.circle(image, (60, 60), 25, (220, 30, 30), -1)
    cv2.circle(image, (w - 60, 60), 25, (30, 30, 220), -1)
    return image


def placed(image: Image, corners: NDArray[np.float32], size: tuple[int, int] = (600, 800)) -> Image:
    h, w = image.shape[:2]
    m = cv2.getPerspectiveTransform(np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32), corners)
    mask = np.zeros((h, w), np.uint8)
    cv2.rectangle(mask, (20, 0), (w - 21, h), 255, -1)
    cv2.rectangle(mask, (0, 20), (w, h - 21), 255, -1)
    for x in (20, w - 21):
        for y in (20, h - 21):
            cv2.circle(mask, (x, y), 20, 255, -1)
    rng = np.random.default_rng(1)
    around = cv2.GaussianBlur(rng.integers(40, 110, (*size[::-1][::-1], 3)).astype(np.uint8), (0, 0), 2)
    over = cv2.warpPerspective(image, m, (size[1], size[0]))
    alpha = cv2.warpPerspective(mask, m, (size[1], size[0]))[..., None] > 127
    return np.where(alpha, over, around).astype(np.uint8)


# -- finding -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "corners",
    [
        [[100, 100], [650, 100], [650, 447], [100, 447]],
        [[120, 160], [640, 60], [690, 400], [160, 500]],
        [[90, 120], [700, 180], [640, 520], [150, 440]],  # from the side
    ],
)
def test_a_card_is_found_and_set_upright(corners: list[list[int]]) -> None:
    truth = np.array(corners, np.float32)
    image = placed(card(), truth)
    (quad, *_) = card_find.find_quads(image)
    assert float(g.quad_iou(quad[None], truth[None].astype(np.float64))[0]) > 0.95
    view = card_find.rectify(image, card_find.turned(quad)[0])
    h, w = view.image.shape[:2]
    assert abs(w / h - 1.586) < 0.02
    red, blue = view.image[round(0.15 * h), round(0.095 * w)], view.image[round(0.15 * h), round(0.905 * w)]
    assert red[0] > 150 > red[2] and blue[2] > 150 > blue[0]
    back = view.to_picture(g.box_quads(np.array([[0.0, 0.0, w, h]])))[0]
    assert np.abs(back - card_find.turned(quad)[0]).max() < 0.01


def test_every_way_that_a_card_may_lie_is_tried() -> None:
    quad = np.array([[0, 0], [200, 0], [200, 100], [0, 100]], np.float64)
    ways = card_find.turned(quad)
    assert len(ways) == 8 and (ways[0] == quad).all() and (ways[1] == np.roll(quad, 2, axis=0)).all()
    assert len({way.tobytes() for way in ways}) == 8
    clockwise = [float(g.signed_area(way[None])[0]) > 0 for way in ways]
    assert clockwise[:4] == [clockwise[0]] * 4 and clockwise[4:] == [not clockwise[0]] * 4  # mirrored ones last
    tall = card_find.turned(np.array([[0, 0], [100, 0], [100, 200], [0, 200]], np.float64))
    first = card_find.rectify(np.zeros((220, 120, 3), np.uint8), tall[0])
    assert first.image.shape[1] > first.image.shape[0]


def test_a_mirrored_card_is_turned_back() -> None:
    truth = np.array([[100, 100], [650, 100], [650, 447], [100, 447]], np.float32)
    mirrored = np.ascontiguousarray(placed(card(), truth)[:, ::-1])
    (quad, *_) = card_find.find_quads(mirrored)
    view = card_find.rectify(mirrored, card_find.turned(quad)[4])
    h, w = view.image.shape[:2]
    marks = [view.image[round(0.15 * h), round(x * w)] for x in (0.095, 0.905)]
    assert marks[0][0] > 150 and marks[1][2] > 150


@pytest.mark.parametrize("shape", [(1, 1), (3, 900), (900, 3), (40, 40), (300, 400)])
def test_nothing_is_found_where_nothing_is(shape: tuple[int, int]) -> None:
    assert card_find.find_quads(np.full((*shape, 3), 128, np.uint8)) == []


def test_noise_takes_no_time_without_bound() -> None:
    image = np.random.default_rng(0).integers(0, 256, (700, 900, 3)).astype(np.uint8)
    assert len(card_find.find_quads(image)) <= 3


# -- reading -------------------------------------------------------------------------------------------------------


def test_a_card_that_fills_the_picture(models: pathlib.Path) -> None:
    image, words = drawn(LINES)
    (found,) = idcard.Scanner(models_dir=models).scan(image, today=TODAY)
    assert (found.kind, found.accepted, found.complete, found.mirrored) == ("resident", True, True, False)
    assert {name: f.value for name, f in found.fields.items()} == {
        "name": "김민수", "rrn": "870123-1234567", "address": "서울특별시", "issue_date": "2022-03-15",
        "issuer": "서울특별시장",
    }  # fmt: skip
    assert found.fields["issue_date"].raw == "2022.3.15."
    number = found.fields["rrn"].quad
    assert number is not None and np.abs(np.array(number) - np.array(words[2])).max() < 6
    assert all(0.5 < f.confidence <= 1 for f in found.fields.values())


def test_a_number_that_cannot_be_is_not_read_as_another(models: pathlib.Path) -> None:
    """Month 13, read without a doubt: no registration number is made of it, and nothing is accepted."""
    image, _ = drawn([*LINES[:2], "871323-1234567", *LINES[3:]])
    (found,) = idcard.Scanner(models_dir=models).scan(image, today=TODAY)
    assert (found.kind, found.accepted, found.complete) == ("resident", False, False)
    assert (found.fields["rrn"].raw, found.fields["rrn"].value) == ("871323-1234567", "")
    assert found.fields["name"].value == "김민수" and found.fields["address"].value == "서울특별시"


def test_nothing_that_is_no_card(models: pathlib.Path) -> None:
    scanner = idcard.Scanner(models_dir=models)
    assert scanner.scan(np.full((*SIZE, 3), 255, np.uint8)) == ()
    # The same places, other text: what stands there makes a card, not how it is laid out.
    image, _ = drawn(["서울특별시", "김민수", "870123-1234", "주민", "서울특별시", "2022.3.15."])
    assert scanner.scan(image, today=TODAY) == ()


def test_a_portrait_is_no_text(models: pathlib.Path) -> None:
    """What is much higher than the lines, and no wider than it is high, is left out; a wide title is not."""
    scanner = idcard.Scanner(models_dir=models)
    lines = [Region(((40.0, y), (240.0, y), (240.0, y + 20), (40.0, y + 20)), 0.9) for y in range(20, 300, 40)]
    portrait = Region(((300.0, 60.0), (420.0, 60.0), (420.0, 220.0), (300.0, 220.0)), 0.9)
    title = Region(((40.0, 320.0), (640.0, 320.0), (640.0, 390.0), (40.0, 390.0)), 0.9)
    kept = scanner._large([*lines, portrait, title])
    assert portrait not in kept and title in kept and len(kept) == len(lines) + 1


def test_unsure_fields_are_left_out(models: pathlib.Path) -> None:
    image, _ = drawn(LINES)
    none = idcard.Scanner(models_dir=models, min_confidence=1.0).scan(image, today=TODAY)
    assert not any(c.accepted for c in none)


def test_wrong_use_is_said(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputError, match="min_confidence"):
        idcard.Scanner(min_confidence=2.0)
    with pytest.raises(ModelNotFound):
        idcard.Scanner(models_dir=tmp_path)


def test_from_the_command_line(
    models: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, _ = drawn(LINES)
    cv2.imwrite(str(tmp_path / "card.png"), image)
    cv2.imwrite(str(tmp_path / "empty.png"), np.full_like(image, 255))
    pictures = [str(tmp_path / n) for n in ("card.png", "empty.png")]
    assert main(["scan", "idcard", *pictures, "--models", str(models), "--json"]) == 0
    full, empty = (json.loads(x) for x in capsys.readouterr().out.splitlines())
    (document,) = full["documents"]
    assert empty["documents"] == []
    assert document["kind"] == "resident" and document["accepted"] is True and document["complete"] is True
    assert document["fields"]["name"]["value"] == "김민수"
    assert {"raw", "value", "confidence"} <= set(document["fields"]["rrn"])
    assert main(["scan", "idcard", pictures[0], "--models", str(models), "--draw", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert told.startswith("resident, accepted, complete") and "rrn: 870123-1234567" in told
    assert (tmp_path / "out" / "card.png").is_file()
