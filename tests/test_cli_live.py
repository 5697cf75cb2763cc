"""``edge-ocr live``: what it prints, and how it ends."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import cv2
import films
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


def test_a_bad_picture_is_named_and_left_out(
    models: str, frames: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = run(capsys, frames, "--json", "--models", models, "--fps", "10")
    folder = pathlib.Path(frames)
    (folder / "5.png").write_text("no picture")
    (folder / "7.png").write_bytes((folder / "8.png").read_bytes()[:-30])
    for source in (frames, f"{frames}/*.png"):
        status, out, err = run(capsys, source, "--json", "--models", models, "--fps", "10")
        assert status == 1
        lines = err.splitlines()
        assert len(lines) == 3
        assert all(line.startswith("edge-ocr: ") for line in lines)
        assert [name in line for name, line in zip(("5.png", "7.png"), lines, strict=False)] == [True, True]
        assert lines[2] == "edge-ocr: 10 frames of 1.1 s, 0 dropped, 2 could not be read"
        assert [json.loads(line)["event"] for line in out.splitlines()] == [
            json.loads(line)["event"] for line in whole[1].splitlines()
        ]
    status, out, err = run(capsys, frames, "--models", models, "--fps", "200", "--realtime")
    assert status == 1 and "5.png" in err and "7.png" in err


def test_where_no_picture_can_be_read_the_status_is_that_of_read(
    models: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_text("no picture")
    for source, names in ((str(tmp_path), ("a.png", "b.png")), (str(tmp_path / "a.png"), ("a.png",))):
        expected = main(("read", source, "--models", models))
        capsys.readouterr()
        status, out, err = run(capsys, source, "--models", models)
        assert (status, out) == (expected, "")
        assert all(err.count(name) == 1 for name in names)


def test_a_video_that_breaks_off_is_said(
    models: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = films.write(tmp_path / "clip.avi")
    assert run(capsys, str(path), "--models", models)[0] == 0
    films.cut(path, 0.6)
    status, _, err = run(capsys, str(path), "--models", models)
    assert status == 1
    assert "clip.avi: ends after 36 of the 60 frames" in err
    assert "36 frames of 3.5 s" in err.splitlines()[-1]


def test_what_keeps_the_camera_from_reading_is_said(
    models: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "night"
    folder.mkdir()
    for k in range(12):
        cv2.imwrite(str(folder / f"{k}.png"), tiny.picture(blank=True) // 16)
    use = ("--models", models, "--min-height", "999")  # the tiny detector finds a word in whatever is not white
    for options, words in (((), "It is too dark. Turn on a light."), (("--hints", "ko"), "너무 어둡습니다")):
        for form in ((), ("--json",)):
            status, out, err = run(capsys, str(folder), "--fps", "10", *use, *options, *form)
            assert (status, out) == (0, "")
            assert err.splitlines()[0].startswith("edge-ocr: 0.50 s: " + words)
            assert err.count(words) == 1
    status, out, err = run(capsys, str(folder / "3.png"), *use)  # over before anything lasts
    assert (status, out) == (0, "")
    assert err.splitlines()[0] == "edge-ocr: 0.00 s: It is too dark. Turn on a light."


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("x", "--max-frames", "0"), "--max-frames: expected a whole number of at least 1, found '0'"),
        (("x", "--max-frames", "-3"), "--max-frames"),
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
    for box, words in (("5,5,5,9", "x0 < x1"), ("0,0,nan,9", "four numbers"), ("500,0,600,50", "outside the frame")):
        status, out, err = run(capsys, frames, "--models", models, "--roi", box)
        assert (status, out) == (2, "")
        assert "roi: " in err and words in err


def test_help_needs_no_opencv() -> None:
    code = "import sys; sys.modules['cv2'] = None; from edge_ocr.cli import main; main(['live', '--help'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0
    assert "jetson-csi" in done.stdout
