"""demo/camera.py: short, on public names alone, and it runs where there is no camera and no window."""

from __future__ import annotations

import ast
import os
import pathlib
import subprocess
import sys

import cv2
import films
import numpy as np
import pytest
import tiny

import edge_ocr

DEMO = pathlib.Path(__file__).resolve().parent.parent / "demo"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    command = [sys.executable, str(DEMO / "camera.py"), "--threads", "1", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=300, cwd=DEMO.parent,
        env=environment | {"PYTHONPATH": str(DEMO.parent)},
    )


def test_it_is_short_and_uses_public_names_only() -> None:
    source = (DEMO / "camera.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) < 120
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("edge_ocr"):
            assert node.module == "edge_ocr"
            assert {a.name for a in node.names} <= set(edge_ocr.__all__)
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_")


def test_the_bundled_clip_is_small_and_can_be_read() -> None:
    clip = DEMO / "clip.mp4"
    assert clip.stat().st_size < 1_000_000
    frames = list(edge_ocr.Capture(clip))
    assert len(frames) == 60
    assert frames[0].image.shape == (480, 640, 3)
    assert frames[-1].timestamp == pytest.approx(59 / 12, abs=0.05)


def test_it_runs_without_a_window(tmp_path: pathlib.Path) -> None:
    models, record = str(tiny.make_models(tmp_path / "models")), tmp_path / "out.mp4"
    done = run("--source", "demo", "--headless", "--max-frames", "8", "--models", models, "--record", str(record))
    assert done.returncode == 0, done.stderr
    assert "8 frames, 0 dropped" in done.stderr
    reader = cv2.VideoCapture(str(record))
    count = 0
    while reader.read()[0]:
        count += 1
    assert count == 8
    assert reader.get(cv2.CAP_PROP_FPS) == pytest.approx(12)  # the clip's


def test_a_recording_keeps_the_pace_of_its_source(tmp_path: pathlib.Path) -> None:
    models = str(tiny.make_models(tmp_path / "models"))
    films.write(tmp_path / "film.avi", 30, fps=25)
    record = str(tmp_path / "out.mp4")
    done = run("--source", str(tmp_path / "film.avi"), "--headless", "--models", models, "--record", record)
    assert done.returncode == 0, done.stderr
    reader = cv2.VideoCapture(record)
    assert reader.get(cv2.CAP_PROP_FPS) == pytest.approx(25)
    assert reader.get(cv2.CAP_PROP_FRAME_COUNT) == 30


def test_it_says_what_keeps_it_from_reading(tmp_path: pathlib.Path) -> None:
    models = str(tiny.make_models(tmp_path / "models"))
    (tmp_path / "night").mkdir()
    for k in range(30):
        cv2.imwrite(str(tmp_path / "night" / f"{k}.png"), np.zeros((300, 450, 3), np.uint8))
    done = run("--source", str(tmp_path / "night"), "--headless", "--models", models)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("It is too dark. Turn on a light.") == 1


def test_wrong_use_is_said(tmp_path: pathlib.Path) -> None:
    done = run("--source", "demo", "--headless", "--max-frames", "0")
    assert done.returncode == 2
    assert "--max-frames: expected a whole number of at least 1, found 0" in done.stderr


@pytest.mark.skipif(not os.path.isdir("/dev") or os.path.exists("/dev/video0"), reason="needs Linux without a camera")
def test_without_a_camera_it_says_what_to_do() -> None:
    done = run()
    assert done.returncode == 2
    assert "/dev/video0" in done.stderr
    assert "--source demo" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_recording_that_cannot_be_written_is_said(tmp_path: pathlib.Path) -> None:
    models, record = str(tiny.make_models(tmp_path / "models")), str(tmp_path / "none" / "out.mp4")
    done = run("--source", "demo", "--headless", "--max-frames", "3", "--models", models, "--record", record)
    assert done.returncode != 0 and f"--record {record}: cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
