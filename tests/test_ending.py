"""Videos that end before their time, and those whose containers merely count wrongly."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import cv2
import films
import pytest

from edge_ocr.capture import Capture
from edge_ocr.ending import ends_early, lacks_frames, plausible

pytestmark = pytest.mark.skipif(
    "FFMPEG:                      YES" not in cv2.getBuildInformation(), reason="needs an OpenCV with FFMPEG"
)


def seen(path: pathlib.Path) -> tuple[int, list[str]]:
    """How many frames come of a video, and what is told of it."""
    told: list[str] = []
    with Capture(path, tell=told.append) as source:
        return len(list(source)), told


@pytest.mark.parametrize("kind", sorted(films.KINDS))
@pytest.mark.parametrize("count", [1, 5, 60])
def test_whole_videos_end_in_time(tmp_path: pathlib.Path, kind: str, count: int) -> None:
    assert seen(films.write(tmp_path / f"whole.{kind}", count)) == (count, [])


@pytest.mark.parametrize("kind", sorted(films.KINDS))
@pytest.mark.parametrize("how", ["cut off", "never filled"])
def test_a_video_that_breaks_off_is_told(tmp_path: pathlib.Path, kind: str, how: str) -> None:
    path = films.write(tmp_path / f"part.{kind}")
    if kind == "mp4":
        films.moov_first(path)  # others of which the end is missing cannot be opened at all
        assert seen(path) == (60, [])
    films.cut(path, 0.6) if how == "cut off" else films.damage(path, 0.6, 1.0)
    count, told = seen(path)
    assert 20 < count < 45
    (message,) = told
    assert message.startswith(f"{path}: ends after {count} of the 60 frames")


@pytest.mark.parametrize(
    ("kind", "change", "announced"),
    [
        ("avi", lambda path: films.count_more(path, 600), 600),
        ("mkv", lambda path: films.last_longer(path, 3.0), 180),
        ("mp4", lambda path: films.trim(path, 0.5), 60),
    ],
)
def test_a_wrong_count_alone_is_no_early_end(
    tmp_path: pathlib.Path, kind: str, change: Callable[[pathlib.Path], pathlib.Path], announced: int
) -> None:
    path = change(films.write(tmp_path / f"wrong.{kind}"))
    reader = cv2.VideoCapture(str(path))
    said = reader.get(cv2.CAP_PROP_FRAME_COUNT)
    reader.release()
    count, told = seen(path)
    if said != announced:
        pytest.skip(f"this OpenCV sees through it: {said} frames")
    assert count < said
    assert told == []


def xvid(path: pathlib.Path) -> pathlib.Path:
    """An AVI of pictures that build on one another."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"XVID"), films.FPS, (160, 120))
    if not writer.isOpened():
        pytest.skip("this OpenCV does not write XVID")
    for k in range(60):
        writer.write(films.scenery(k))
    writer.release()
    return path


def test_what_the_index_of_an_avi_names_is_missed(tmp_path: pathlib.Path) -> None:
    path = str(xvid(tmp_path / "whole.avi"))
    known = {"count": 60.0, "fps": 10.0, "rate": 0.0}
    assert ends_early(path, frames=14, seconds=1.3, **known)  # the other 46 are in the file
    known["count"] = 600.0
    assert not ends_early(path, frames=60, seconds=5.9, **known)  # it merely counts wrongly


def test_a_hole_in_a_matroska_file_is_told(tmp_path: pathlib.Path) -> None:
    whole = films.write(tmp_path / "whole.mkv")
    assert not lacks_frames(str(whole), frames=40, count=60, fps=10)  # pictures far apart
    part = films.damage(films.write(tmp_path / "part.mkv"), 0.3, 0.5)
    assert lacks_frames(str(part), frames=40, count=60, fps=10)
    assert not lacks_frames(str(part), frames=58, count=60, fps=10)
    assert not lacks_frames(str(tmp_path / "none.mkv"), frames=40, count=60, fps=10)
    _, told = seen(part)
    assert told and str(part) in told[0]


def test_a_handful_of_frames_may_be_missing(tmp_path: pathlib.Path) -> None:
    path = str(films.cut(films.write(tmp_path / "part.avi"), 0.6))
    known = {"count": 60.0, "fps": 10.0, "rate": 0.0}
    assert not ends_early(path, frames=55, seconds=5.4, **known)
    assert ends_early(path, frames=54, seconds=5.3, **known)
    assert not ends_early(path, frames=54, seconds=5.9, **known)  # they were missing in between
    known["count"] = 10000.0  # of many, a few percent
    assert not ends_early(path, frames=9600, seconds=959.9, **known)


def test_what_is_no_file_is_judged_by_its_count() -> None:
    known = {"frames": 36, "seconds": 3.5, "count": 60.0, "fps": 10.0, "rate": 0.0}
    assert ends_early("http://127.0.0.1/clip.avi?key=1", **known)
    assert not ends_early("http://127.0.0.1/clip.webm", **known)
    assert not ends_early("filesrc location=clip.avi ! decodebin ! appsink", **known)


@pytest.mark.parametrize(
    ("count", "fps", "expected"),
    [(60, 10, True), (0, 10, False), (-9.2e18, 25, False), (60, 0, False), (60, 90000, False),
     (float("nan"), 10, False), (float("inf"), 10, False)],
)
def test_plausible(count: float, fps: float, expected: bool) -> None:
    assert plausible(count, fps) is expected


@pytest.mark.parametrize(
    "content",
    [b"", b"RIFF", b"RIFF\x00\x00\x00\x00AVI ", b"\x1a\x45\xdf\xa3", b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\xff",
     b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff", b"\x1a\x45\xdf\xa3\x00" + b"x" * 9],
    ids=["empty", "short", "no length", "no header", "live", "live, long", "wrong length"],
)
def test_headers_that_say_nothing(tmp_path: pathlib.Path, content: bytes) -> None:
    path = tmp_path / "odd.bin"
    path.write_bytes(content)
    assert not ends_early(str(path), frames=1, seconds=0.0, count=600.0, fps=10.0, rate=0.0)
