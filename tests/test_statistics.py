"""benchmarks/statistics.py measures what was put into the pictures."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import cv2
import numpy as np
import pytest

from benchmarks import statistics
from benchmarks.statistics import compare, crop_figures, distance, edge_width, gather, labelled, noise, stroke, told

ROOT = pathlib.Path(__file__).resolve().parents[1]


def strokes(width: int, *, ink: int = 30, ground: int = 220, h: int = 60, w: int = 240) -> np.ndarray:
    image = np.full((h, w), ground, np.uint8)
    for x in range(20, w - 20 - width, 30):
        image[8 : h - 8, x : x + width] = ink
    return image


@pytest.mark.parametrize("width", [3, 5, 9])
@pytest.mark.parametrize("swap", [False, True])
def test_stroke_width(width, swap):
    image = strokes(width, ink=220, ground=30) if swap else strokes(width)
    assert stroke(image) == pytest.approx(width, rel=0.3)


def test_contrast_and_weight():
    figures = crop_figures(np.repeat(strokes(6)[..., None], 3, 2))
    assert figures["contrast"] == pytest.approx(190, abs=5)
    assert figures["weight"] == pytest.approx(6 / 50, rel=0.35)
    assert set(crop_figures(np.full((30, 60, 3), 99, np.uint8))) == {"contrast", "noise"}
    assert crop_figures(np.zeros((3, 60, 3), np.uint8)) == {}


def test_blur_grows_with_the_blur():
    sharp = strokes(9)
    widths = [edge_width(cv2.GaussianBlur(sharp, (0, 0), s)) for s in (0.6, 1.2, 2.0, 3.0)]
    assert edge_width(sharp) < 1.2
    assert widths == sorted(widths)
    assert widths[2] == pytest.approx(4.0, rel=0.35)


def test_noise_is_what_was_added():
    rng = np.random.default_rng(3)
    flat = np.full((80, 200), 128.0)
    found = [noise(np.clip(flat + rng.normal(0, s, flat.shape), 0, 255).astype(np.uint8)) for s in (2, 6, 12)]
    assert found == sorted(found)
    assert found[1] == pytest.approx(6, rel=0.3)
    assert noise(flat.astype(np.uint8)) == 0


def test_distance_of_distributions():
    rng = np.random.default_rng(0)
    a = rng.normal(0, 1, 4000)
    assert distance(a, a) == 0
    assert distance([1, 2, 3], [7, 8]) == 1
    assert distance(a, rng.normal(0, 1, 4000)) < 0.06
    assert distance(a, rng.normal(1, 1, 4000)) == pytest.approx(0.383, abs=0.04)


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "images").mkdir()
    picture = np.full((200, 400, 3), 255, np.uint8)
    picture[40:80, 50:250] = np.repeat(strokes(5, h=40, w=200, ground=255)[..., None], 3, 2)
    cv2.imwrite(str(tmp_path / "images/a.png"), picture)
    cv2.imwrite(str(tmp_path / "images/b.png"), picture[40:80, 50:250])
    box = [[50, 40], [250, 40], [250, 80], [50, 80]]
    labels = [
        {"image": "images/a.png", "polygons": [box, box], "texts": ["ab cd", "x"], "ignore": [False, True]},
        {"image": "images/b.png", "polygons": None, "texts": ["word"]},
        {"image": "images/b.png", "polygons": None, "texts": ["unplaced", "texts"]},
    ]
    (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, labels)))
    return tmp_path


def test_a_labelled_folder(folder):
    figures = gather(labelled(folder))
    assert figures["height"] == [40, 40]
    assert figures["length"] == [4, 4]
    assert figures["count"] == [1, 1]
    assert figures["density"] == pytest.approx([0.1, 1.0])
    assert figures["angle"] == [0, 0]
    assert len(figures["stroke"]) == 2


def test_report(folder):
    real = gather(labelled(folder))
    report = compare({"real": real, "drawn": {"height": [10.0, 20.0], "contrast": [3.0]}})
    assert report["real"]["height"] == {"n": 2, "quartiles": [40.0, 40.0, 40.0], "distance": 1.0}
    assert "distance" not in report["drawn"]["height"]
    text = told(report)
    assert "D 1.00" in text and "height" in text


def test_command(folder, tmp_path):
    pytest.importorskip("matplotlib")
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.statistics", str(folder), "--out", str(out)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "contrast" in done.stdout
    assert json.loads((out / "statistics.json").read_text())[folder.name]["height"]["n"] == 2
    assert cv2.imread(str(out / "statistics.png")) is not None
    assert set(statistics.MEASURES) >= {"stroke", "blur", "noise", "angle", "density"}
