"""``edge-ocr live``: what it prints, and how it ends."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import cv2
import numpy as np
import pytest
import tiny

from edge_ocr.cli import main


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.make_models(tmp_path_factory.mktemp("models")))


@pytest.fixture
def frames(tmp_path: pathlib.Path) -> str:
    """12 frames with the word, as a folder of pictures."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for k in range(12):
        cv2.imwrite(str(folder / f"{k}.png"), tiny.picture())
    return str(folder)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(("live", *arguments))
    out, err = capsys.readouterr()
    return status, out, err


def test_json_schema(models: str, frames: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, frames, "--json", "--models", models, "--threads", "1", "--fps", "10")
    assert status == 0
    assert err == "edge-ocr: 12 frames of 1.1 s, 0 dropped\n"
    rows = [json.loads(line) for line in out.splitlines()]
    assert [r["event"] for r in rows] == ["appeared", "stable", "lost"]
    for row in rows:
        assert list(row) == ["event", "track", "frame", "ms", "text", "confidence", "quad", "hints"]
        assert isinstance(row["track"], int)
        assert isinstance(row["frame"], int)
        assert isinstance(row["ms"], float)
        assert row["text"] in tiny.TEXTS.values()
        assert 0 <= row["confidence"] <= 1
        assert np.array(row["quad"]).shape == (4, 2)
        for hint in row["hints"]:
            assert list(hint) == ["kind", "value", "sentence"]
    assert rows[0]["frame"] == 0
    assert rows[0]["ms"] == 0.0
    assert rows[-1]["ms"] == pytest.approx(1100)
    again = run(capsys, frames, "--json", "--models", models, "--threads", "1", "--fps", "10")
    assert again[1] == out


def test_plain_lines_and_hints(models: str, frames: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, frames, "--models", models, "--lang", "ko", "--hints", "ko")
    assert status == 0
    assert out.splitlines()[0].startswith("    0.00  appeared  #1    한글 A  (")


def test_options_reach_the_stream(models: str, frames: str, capsys: pytest.CaptureFixture[str]) -> None:
    for options, lines in (
        (("--roi", "0,0,5,5"), 0), (("--min-height", "90"), 0), (("--min-confidence", "1"), 0),
        (("--max-frames", "1"), 2), (("--rotate", "180", "--mirror"), 3),
    ):
        status, out, _ = run(capsys, frames, "--models", models, *options)
        assert status == 0
        assert len(out.splitlines()) == lines, options


def test_a_file_at_its_own_pace(models: str, frames: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, frames, "--models", models, "--realtime", "--fps", "200")
    assert status == 0
    assert out.splitlines()[-1].split()[1] == "lost"
    assert "dropped" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("missing.mp4",), "no such file"),
        (("x", "--rotate", "45"), "invalid choice"),
        (("x", "--roi", "1,2,3"), "four numbers"),
        (("x", "--roi", "5,5,5,9"), "no such file"),
        (("x", "--size", "640"), "1280x720"),
        (("x", "--fps", "0"), "fps"),
    ],
)
def test_what_is_wrong_is_said(
    models: str, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    try:
        status = main(("live", *arguments, "--models", models))
    except SystemExit as ended:
        status = int(str(ended.code))
    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert words in err


def test_a_wrong_region(models: str, frames: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, frames, "--models", models, "--roi", "5,5,5,9")
    assert (status, out) == (2, "")
    assert "roi" in err


def test_help_needs_no_opencv() -> None:
    code = "import sys; sys.modules['cv2'] = None; from edge_ocr.cli import main; main(['live', '--help'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0
    assert "jetson-csi" in done.stdout
