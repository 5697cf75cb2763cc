"""Typefaces are unpacked once, by several processes, and nobody takes a half-written one."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("fontTools")
fcntl = pytest.importorskip("fcntl")
pytest.importorskip("PIL")
pytest.importorskip("tqdm")

from tests.faces import make_face  # noqa: E402
from training.synth.fonts import Faces, prepare_faces  # noqa: E402
from training.synth.unpack import cache_dir, fonts_of, prepare, unpacked  # noqa: E402

LETTERS = list(range(0x41, 0x5B))


@pytest.fixture
def fonts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGE_OCR_CACHE", str(tmp_path / "cache"))
    for k in range(12):
        make_face(tmp_path / "fonts" / "latin" / f"face{k:02d}.ttf", LETTERS[: 5 + k], empty=LETTERS[4 + k])
    return tmp_path


def test_many_faces_are_unpacked_by_processes_and_then_never_again(
    fonts: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    paths = fonts_of(fonts / "fonts" / "latin")
    assert prepare(paths, processes=2) == 12
    assert "unpacking typefaces" in capfd.readouterr().err
    ready = [unpacked(p) for p in paths]
    assert [points for _, points in ready] == [frozenset(LETTERS[: 4 + k]) for k in range(12)]
    times = [out.stat().st_mtime_ns for out, _ in ready]
    assert prepare(paths) == 0
    assert "unpacking" not in capfd.readouterr().err
    assert [unpacked(p)[0].stat().st_mtime_ns for p in paths] == times
    left = {p.suffix for p in (cache_dir() / "faces").iterdir()}
    assert left == {".font", ".json", ""}  # and the lock


def test_a_trainer_prepares_what_training_and_validation_need(fonts: Path) -> None:
    prepare_faces(fonts)
    before = {p.name: p.stat().st_mtime_ns for p in (cache_dir() / "faces").iterdir()}
    assert len(Faces.load(fonts).all) == 11
    assert len(Faces.load(fonts, reserved=True).all) == 1
    assert {p.name: p.stat().st_mtime_ns for p in (cache_dir() / "faces").iterdir()} == before


def test_what_another_process_unpacks_is_waited_for_and_not_done_twice(fonts: Path) -> None:
    paths = fonts_of(fonts / "fonts" / "latin")
    faces = cache_dir() / "faces"
    faces.mkdir(parents=True)
    with (faces / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = threading.Thread(target=prepare, args=(paths,))
        second.start()
        time.sleep(0.3)
        assert not list(faces.glob("*.font"))  # it waits
        times = {p: unpacked(p)[0].stat().st_mtime_ns for p in paths}
        assert second.is_alive()
    second.join(60)
    assert not second.is_alive()
    assert {p: unpacked(p)[0].stat().st_mtime_ns for p in paths} == times


def test_a_face_that_was_broken_off_is_unpacked_again(fonts: Path) -> None:
    path = fonts_of(fonts / "fonts" / "latin")[0]
    out, points = unpacked(path)
    out.with_suffix(".json").unlink()
    out.write_bytes(b"half of it")
    assert unpacked(path) == (out, points)
    assert out.stat().st_size > 100
    assert frozenset(json.loads(out.with_suffix(".json").read_text())) == points


@pytest.mark.parametrize("count", [1, 12])
def test_what_is_no_font_is_named(fonts: Path, count: int) -> None:
    paths = fonts_of(fonts / "fonts" / "latin")[:count]
    paths[-1].write_bytes(b"no font at all")
    with pytest.raises(ValueError, match=rf"{paths[-1].name}.*is it a font"):
        prepare(paths, processes=2)
