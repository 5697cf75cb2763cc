"""The command line: what it prints, what it leaves, and how it ends."""

from __future__ import annotations

import io
import json
import os
import pathlib
import signal
import subprocess
import sys
from typing import Any

import numpy as np
import PIL.Image
import pytest
import tiny

from edge_ocr import Reading, Region, __version__
from edge_ocr.cli import main


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.make_models(tmp_path_factory.mktemp("models")))


@pytest.fixture
def pictures(tmp_path: pathlib.Path) -> pathlib.Path:
    """a.png and b.jpg with a word, blank.png without, and below/가.png; a text file beside them."""
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    word, blank = PIL.Image.fromarray(tiny.picture()), PIL.Image.fromarray(tiny.picture(blank=True))
    word.save(folder / "a.png")
    word.save(folder / "b.jpg", quality=95)
    blank.save(folder / "blank.png")
    word.save(folder / "below" / "가.png")
    (folder / "notes.txt").write_text("not for us")
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """(status, standard output, standard error) of one run in this process."""
    status = main(arguments)
    out, err = capsys.readouterr()
    return status, out, err


def start(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "edge_ocr.cli", *arguments], **options)


def check_schema(row: dict[str, Any]) -> None:
    """The JSON of ``read``, key by key; neither more nor less."""
    assert list(row) == ["image", "width", "height", "words", "lines", "ms"]
    assert isinstance(row["image"], str)
    assert isinstance(row["width"], int)
    assert isinstance(row["height"], int)
    for word in row["words"]:
        assert list(word) == ["quad", "text", "confidence", "language", "characters"]
        check_quad(word["quad"])
        assert isinstance(word["text"], str)
        assert word["text"]
        assert 0 <= word["confidence"] <= 1
        assert "".join(c["text"] for c in word["characters"]) == word["text"]
        for character in word["characters"]:
            assert list(character) == ["text", "confidence"]
            assert len(character["text"]) == 1
            assert 0 <= character["confidence"] <= 1
    mentioned = []
    for line in row["lines"]:
        assert list(line) == ["quad", "text", "confidence", "words"]
        check_quad(line["quad"])
        assert isinstance(line["text"], str)
        assert 0 <= line["confidence"] <= 1
        mentioned += line["words"]
    assert sorted(mentioned) == list(range(len(row["words"])))
    assert set(row["ms"]) == {"detect", "crop", "recognize", "total"}
    assert all(isinstance(ms, (int, float)) and ms >= 0 for ms in row["ms"].values())


def check_quad(quad: Any) -> None:
    assert len(quad) == 4
    assert all(len(point) == 2 and all(isinstance(v, (int, float)) for v in point) for point in quad)


def test_read_json(models: str, pictures: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "read", str(pictures), "--json", "--models", models, "--threads", "1")
    assert (status, err) == (0, "")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [r["image"] for r in rows] == [str(pictures / n) for n in ("a.png", "b.jpg", "below/가.png", "blank.png")]
    for row in rows:
        check_schema(row)
        assert (row["width"], row["height"]) == ((450, 300) if "blank" in row["image"] else (96, 64))
        assert Reading.from_dict(row).to_dict() == {k: v for k, v in row.items() if k != "image"}
    assert [len(r["words"]) for r in rows] == [1, 1, 1, 0]
    word = rows[0]["words"][0]
    assert word["text"] in tiny.TEXTS.values()
    assert np.abs(np.array(word["quad"]) - tiny.WORD).max() < 1
    assert rows[0]["lines"][0]["words"] == [0]


def test_read_text(models: str, pictures: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "read", str(pictures / "a.png"), "--lang", "ko", "--models", models)
    assert (status, out, err) == (0, "한글 A\n", "")
    status, out, err = run(capsys, "read", str(pictures / "*.png"), "--lang", "en", "--models", models)
    assert (status, out, err) == (0, f"== {pictures / 'a.png'}\nAB\n== {pictures / 'blank.png'}\n\n", "")


def test_min_confidence(models: str, pictures: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    for least, words in (("0", 1), ("1", 0)):
        options = ("--json", "--models", models, "--min-confidence", least)
        _, out, _ = run(capsys, "read", str(pictures / "a.png"), *options)
        assert len(json.loads(out)["words"]) == words


def test_bad_pictures_do_not_stop_the_others(
    models: str, pictures: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "broken.png").write_text("text, whatever the name says")
    (pictures / "cut.jpg").write_bytes((pictures / "b.jpg").read_bytes()[:900])
    missing, nothing = str(pictures / "missing.png"), str(pictures / "*.gif")
    status, out, err = run(capsys, "read", missing, str(pictures), nothing, "--json", "--models", models)
    assert status == 1
    rows = {os.path.basename(r["image"]): r for r in map(json.loads, out.splitlines())}
    assert list(rows) == ["missing.png", "a.png", "b.jpg", "가.png", "blank.png", "broken.png", "cut.jpg", "*.gif"]
    for name in ("missing.png", "broken.png", "cut.jpg", "*.gif"):
        assert list(rows[name]) == ["image", "error"]
        assert name in rows[name]["error"]
        assert f"edge-ocr: {rows[name]['error']}" in err.splitlines()
    assert len(err.splitlines()) == 4
    for name in ("a.png", "b.jpg", "가.png", "blank.png"):
        check_schema(rows[name])


def test_an_empty_folder_is_an_error(models: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "read", str(tmp_path), "--models", models)
    assert (status, out) == (1, "")
    assert "holds no picture" in err


def test_names_with_brackets_are_files_first(
    models: str, pictures: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "a.png").rename(pictures / "a[1].png")
    assert run(capsys, "read", str(pictures / "a[1].png"), "--models", models)[0] == 0


def test_draw(models: str, pictures: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "drawings"
    PIL.Image.open(pictures / "a.png").save(pictures / "below" / "a.png")
    status, _, err = run(capsys, "read", str(pictures), "--models", models, "--draw", str(out))
    assert (status, err) == (0, "")
    assert sorted(p.name for p in out.iterdir()) == ["a.2.png", "a.png", "b.png", "blank.png", "가.png"]
    with PIL.Image.open(out / "a.png") as drawn:
        assert drawn.width == 2 * drawn.height * 96 / 64
    taken = tmp_path / "taken"
    taken.write_text("a file")
    status, _, err = run(capsys, "read", str(pictures), "--models", models, "--draw", str(taken))
    assert status == 2
    assert str(taken) in err


def test_detect(
    models: str, pictures: pathlib.Path, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = str(pictures / "a.png")
    status, out, err = run(capsys, "detect", picture, "--json", "--models", models, "--draw", str(tmp_path))
    assert (status, err) == (0, "")
    row = json.loads(out)
    assert list(row) == ["image", "width", "height", "regions", "ms"]
    (region,) = row["regions"]
    assert list(region) == ["quad", "score"]
    check_quad(region["quad"])
    assert Region.from_dict(region).to_dict() == region
    assert set(row["ms"]) == {"detect", "total"}
    assert (tmp_path / "a.png").stat().st_size > 100
    status, out, _ = run(capsys, "detect", picture, "--models", models)
    assert (status, out) == (0, "16.0,20.0 80.0,20.0 80.0,44.0 16.0,44.0 1.000\n")


def test_models(models: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "models", "--models", models)
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()[1:] if line.startswith("  ") and line[2] != " "] == [
        "detector", "en", "ko",
    ]
    status, out, _ = run(capsys, "models", "--json", "--models", models)
    assert [json.loads(line)["name"] for line in out.splitlines()] == ["detector", "en", "ko"]
    assert run(capsys, "models", "--models", str(tmp_path / "none"))[0] == 2


def test_altered_weights_are_named(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tiny.make_models(tmp_path / "models")
    model = folder / "ko" / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"!")
    PIL.Image.fromarray(tiny.picture()).save(tmp_path / "x.png")
    for arguments in (["models"], ["read", str(tmp_path / "x.png")]):
        status, out, err = run(capsys, *arguments, "--models", str(folder))
        assert (status, out) == (2, "")
        assert str(model) in err
        assert "Reinstall" in err


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["translate"], ["read"], ["read", "a.png", "--threads", "0"], ["read", "a.png", "--threads", "two"],
        ["read", "a.png", "--orientation", "sideways"],
        ["read", "a.png", "--min-confidence", "1.5"], ["read", "a.png", "--min-confidence", "nan"],
        ["read", "a.png", "--lang", "ko,"], ["read", "a.png", "--lang", "ko,ko"], ["detect", "a.png", "--lang", "ko"],
    ],
)  # fmt: skip
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: edge-ocr" in capsys.readouterr().err


def test_an_unknown_language_names_the_known_ones(
    models: str, pictures: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, "read", str(pictures / "a.png"), "--lang", "ko,fr", "--models", models)
    assert (status, out) == (2, "")
    assert "'fr'" in err
    assert "en, ko" in err


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, expected in ((["--version"], __version__), (["--help"], "COMMAND"), (["read", "--help"], '"quad"')):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
        assert expected in capsys.readouterr().out


def test_help_starts_quickly() -> None:
    code = "import sys\nfrom edge_ocr.cli import main\ntry: main(['--help'])\nexcept SystemExit: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert not set(done.stdout.split()) & {"numpy", "cv2", "onnxruntime", "tqdm"}


def test_standard_input(models: str) -> None:
    stream = io.BytesIO()
    PIL.Image.fromarray(tiny.picture()).save(stream, "PNG")
    process = start("read", "-", "--json", "--models", models, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    out, _ = process.communicate(stream.getvalue(), timeout=60)
    assert process.returncode == 0
    assert json.loads(out)["image"] == "-"
    assert len(json.loads(out)["words"]) == 1


def test_any_locale_can_print_hangul(models: str, pictures: pathlib.Path) -> None:
    environment = os.environ | {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    process = start("read", str(pictures / "a.png"), "--lang", "ko", "--models", models,
                    stdout=subprocess.PIPE, env=environment)
    out, _ = process.communicate(timeout=60)
    assert out.decode("utf-8") == "한글 A\n"


def test_a_reader_that_leaves_early_is_no_error(models: str, pictures: pathlib.Path) -> None:
    process = start("read", *[str(pictures / "a.png")] * 200, "--json", "--models", models,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=60) != 0


def test_interrupt_ends_without_a_traceback(models: str, pictures: pathlib.Path) -> None:
    # A shell's background jobs ignore SIGINT, and so would their children: here it means what it does at a terminal.
    process = start("read", *[str(pictures / "a.png")] * 5000, "--models", models,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == b"edge-ocr: interrupted\n"


if sys.platform == "linux":
    import fcntl
    import pty
    import select
    import struct
    import termios

    def test_progress_is_for_terminals_only(models: str, pictures: pathlib.Path) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 80, 0, 0))
        process = start("read", *[str(pictures / "a.png")] * 4, "--json", "--models", models,
                        stdout=subprocess.PIPE, stderr=theirs)
        out, _ = process.communicate(timeout=60)
        assert select.select([ours], [], [], 10)[0]
        shown = os.read(ours, 1 << 16).decode("utf-8", "replace")
        os.close(ours)
        os.close(theirs)
        assert "/4" in shown
        assert "picture" in shown
        assert [json.loads(line)["width"] for line in out.splitlines()] == [96] * 4


# --- bad and odd inputs, end to end ----------------------------------------------------------------------------------

ODD: dict[str, np.ndarray] = {
    "1x1": np.zeros((1, 1, 3), np.uint8),
    "1x5000": np.zeros((1, 5000), np.uint8),
    "5000x1": np.zeros((5000, 1), np.uint8),
    "grey": tiny.picture()[:, :, 0],
    "16 bit": tiny.picture()[:, :, 0].astype(np.uint16) * 257,
    "RGBA": np.dstack([tiny.picture(), np.full(tiny.SIZE, 200, np.uint8)]),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_pictures_are_read(
    name: str, models: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    PIL.Image.fromarray(ODD[name]).save(tmp_path / "odd.png")
    status, out, err = run(capsys, "read", str(tmp_path / "odd.png"), "--json", "--models", models)
    assert (status, err) == (0, "")
    check_schema(json.loads(out))


def test_a_huge_page_is_read_in_bounded_memory(models: str, tmp_path: pathlib.Path) -> None:
    """20,000 x 10,000 pixels: the picture alone is 600 MB decoded."""
    path = tmp_path / "huge.png"
    PIL.Image.new("L", (20_000, 10_000), 255).save(path)
    code = (
        "import resource, sys\nfrom edge_ocr.cli import main\nstatus = main(sys.argv[1:])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)\nsys.exit(status)"
    )
    command = [sys.executable, "-c", code, "read", str(path), "--json", "--models", models]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    check_schema(json.loads(done.stdout))
    assert int(done.stderr.split()[-1]) < 1_400_000  # KiB
