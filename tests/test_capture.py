"""Frames from files, folders, devices that fail, and GStreamer where this OpenCV has it."""

from __future__ import annotations

import contextlib
import http.server
import os
import pathlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import films
import numpy as np
import plates
import pytest
from numpy.typing import NDArray

import edge_ocr.capture as capture
import edge_ocr.devices as devices
from edge_ocr.capture import Capture, Newest, _Pace, gst_elements, window_problem
from edge_ocr.errors import CaptureError, CaptureWarning, ImageError, InputError
from edge_ocr.stream import Stream
from edge_ocr.types import Frame

Image = NDArray[np.uint8]
HAS_GSTREAMER = "GStreamer:                   YES" in cv2.getBuildInformation()
needs_ffmpeg = pytest.mark.skipif(
    "FFMPEG:                      YES" not in cv2.getBuildInformation(), reason="needs an OpenCV with FFMPEG"
)
WAIT = 20.0  # seconds after which a test that hangs fails


def shade(k: int) -> Image:
    """A frame whose red says its number; taller than wide, left darker than right in blue."""
    image = np.zeros((60, 40, 3), np.uint8)
    image[..., 0] = 10 * k
    image[:, 20:, 2] = 200
    return image


def number(frame: Frame) -> int:
    return round(float(frame.image[..., 0].mean()) / 10)


@pytest.fixture
def video(tmp_path: pathlib.Path) -> str:
    """20 frames at 10 a second."""
    path = str(tmp_path / "video.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"MJPG"), 10, (40, 60))
    assert writer.isOpened()
    for k in range(20):
        writer.write(cv2.cvtColor(shade(k), cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def save(path: pathlib.Path, k: int) -> None:
    cv2.imwrite(str(path), cv2.cvtColor(shade(k), cv2.COLOR_RGB2BGR))


class Scripted:
    """A live device that does what its script says: an image, None (lost), or something to call. ``opens`` are the
    answers to being opened."""

    endless = True

    def __init__(self, script: list[Any], opens: list[bool] | None = None) -> None:
        self._script: Iterator[Any] = iter(script)
        self._opens = iter(opens or [])
        self.opened = self.closed = 0
        self.drained = threading.Event()

    def open(self) -> None:
        self.opened += 1
        if not next(self._opens, True):
            raise CaptureError("scripted: not there")

    def read(self) -> tuple[Image, float | None] | None:
        for step in self._script:
            if callable(step):
                step()
                continue
            return None if step is None else (step, None)
        self.drained.set()
        return None

    def close(self) -> None:
        self.closed += 1


def ticks() -> Callable[[], float]:
    """A clock that goes on by a second whenever it is asked."""
    now = iter(range(1_000_000))
    return lambda: float(next(now))


# -- files ---------------------------------------------------------------------------------------------------------


def test_a_video_gives_every_frame_in_order_with_its_time(video: str) -> None:
    with Capture(video) as source:
        assert not source.live
        frames = list(source)
    assert [number(f) for f in frames] == list(range(20))
    assert np.diff([f.timestamp for f in frames]) == pytest.approx(np.full(19, 0.1), abs=0.005)
    assert source.dropped == 0
    assert frames[3].image.shape == (60, 40, 3)
    assert frames[3].image.flags.c_contiguous
    assert frames[3].image[30, 30, 2] > 150 > 50 > frames[3].image[30, 8, 2]  # blue stays blue
    again = list(Capture(pathlib.Path(video)))
    assert [f.timestamp for f in again] == [f.timestamp for f in frames]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(again, frames, strict=True))


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("mirror", [False, True])
def test_rotation_and_mirror(tmp_path: pathlib.Path, rotation: int, mirror: bool) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (6, 4, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), image[..., ::-1])
    (frame,) = Capture(tmp_path / "a.png", rotation=rotation, mirror=mirror)
    expected = np.rot90(image, {0: 0, 90: 3, 180: 2, 270: 1}[rotation])
    assert np.array_equal(frame.image, expected[:, ::-1] if mirror else expected)
    assert frame.rotation == 0


def test_folders_and_globs_in_natural_order(tmp_path: pathlib.Path) -> None:
    for k in (10, 9, 2, 1):
        save(tmp_path / f"frame{k}.png", k)
    (tmp_path / "notes.txt").write_text("not a picture")
    frames = list(Capture(tmp_path, fps=5))
    assert [number(f) for f in frames] == [1, 2, 9, 10]
    assert [f.timestamp for f in frames] == pytest.approx([0, 0.2, 0.4, 0.6])
    assert [number(f) for f in Capture(str(tmp_path / "frame1*.png"))] == [1, 10]
    assert [number(f) for f in Capture(tmp_path / "frame9.png")] == [9]


def test_what_is_not_there_is_said(tmp_path: pathlib.Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    for source, words in (
        (tmp_path / "missing.mp4", "no such file"), (tmp_path, "holds no picture"),
        (f"{tmp_path}/*.png", "no file fits"), (tmp_path / "text.mp4", "not a video"),
        ("", "path or an address"), (None, "camera's number"), (True, "camera's number"), (-1, "from 0"),
        (1.5, "float"),
        ("gst:", "needs a pipeline"), ("jetson-csi:front", "jetson-csi:N"),
    ):
        with pytest.raises(InputError, match=words):
            Capture(source)  # type: ignore[arg-type]
    (tmp_path / "bad.png").write_text("no picture")
    with pytest.raises(ImageError, match=r"bad\.png"):
        list(Capture(tmp_path))


@pytest.mark.skipif(not os.path.isdir("/dev") or os.path.exists("/dev/video97"), reason="needs Linux's /dev")
def test_a_missing_camera_is_said_at_once() -> None:
    for source in (97, "97"):
        with pytest.raises(CaptureError, match="/dev/video97"):
            Capture(source)


def test_a_stream_that_does_not_answer_is_said() -> None:
    with pytest.raises(CaptureError, match="rtsp://127"):
        Capture("rtsp://127.0.0.1:9/nothing")


@pytest.mark.parametrize(
    "options", [{"rotation": 45}, {"fps": 0}, {"fps": -3}, {"size": (640, 0)}, {"size": (1, 2, 3)}, {"reconnect": -1},
                {"size": 5}, {"size": "ab"}, {"fps": "x"}, {"fps": True}, {"reconnect": None}, {"reconnect": "1"}]
)
def test_wrong_options(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        Capture(Scripted([]), **options)


def test_a_closed_file_ends(video: str) -> None:
    source = Capture(video)
    assert source.read() is not None
    source.close()
    source.close()
    assert source.read() is None


# -- files with faults -----------------------------------------------------------------------------------------------


@needs_ffmpeg
@pytest.mark.parametrize("live", [None, True])
def test_a_video_goes_on_after_frames_that_cannot_be_decoded(tmp_path: pathlib.Path, live: bool | None) -> None:
    path = films.damage(films.write(tmp_path / "damaged.mp4", fps=60), 0.5, 0.6)
    told: list[str] = []
    with Capture(path, live=live, tell=told.append) as source:
        frames = list(source)
    times = np.array([f.timestamp for f in frames]) - frames[0].timestamp
    assert times[-1] == pytest.approx(59 / 60, abs=0.1 if live else 0.005)
    assert np.diff(times).min() > 0
    assert 0 < source.skipped < 30
    assert len(frames) + source.dropped + source.skipped == 60
    (message,) = told
    assert message.startswith(f"{path}: after ") and "cannot be decoded" in message


@needs_ffmpeg
def test_a_user_who_gives_no_place_for_it_is_warned(tmp_path: pathlib.Path) -> None:
    path = films.cut(films.write(tmp_path / "cut.avi"), 0.6)
    with pytest.warns(CaptureWarning, match=r"cut\.avi: ends after 3. of the 60 frames"):
        frames = list(Capture(path))
    assert 30 <= len(frames) < 40
    damaged = films.damage(films.write(tmp_path / "damaged.mp4"), 0.5, 0.6)
    with pytest.warns(CaptureWarning, match=r"damaged\.mp4: after 2. frames it cannot be decoded"):
        seen = list(Stream(plates.PlateReader(), str(damaged)).frames())
    assert seen[0].skipped == 0 < seen[-1].skipped
    assert seen[-1].seconds == pytest.approx(5.9, abs=0.01)


@needs_ffmpeg
def test_nothing_but_frames_that_cannot_be_decoded_is_an_error(tmp_path: pathlib.Path) -> None:
    path = films.write(tmp_path / "none.avi")
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"movi") + 4])
    with pytest.raises(CaptureError, match=r"none\.avi.*(no frame|not a video)"):
        list(Capture(path))


@needs_ffmpeg
def test_a_video_with_too_many_of_them_is_given_up(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = films.damage(films.write(tmp_path / "damaged.mp4"), 0.5, 0.6)
    monkeypatch.setattr(devices, "_TRIES", 3)
    told: list[str] = []
    with Capture(path, tell=told.append) as source:
        count = len(list(source))
    assert 20 < count < 35 and source.skipped == 0
    assert [message.split(": ")[1][:30] for message in told] == [f"ends after {count} of the 60 frames"[:30]]


@pytest.mark.parametrize("live", [None, True])
def test_a_picture_that_cannot_be_read_is_left_out(tmp_path: pathlib.Path, live: bool | None) -> None:
    for k in range(6):
        save(tmp_path / f"{k}.png", k)
    (tmp_path / "1.png").write_text("no picture")
    (tmp_path / "4.png").write_bytes((tmp_path / "3.png").read_bytes()[:-20])
    told: list[str] = []
    with Capture(tmp_path, fps=50, live=live, tell=told.append) as source:
        frames = list(source)
    assert set(map(number, frames)) <= {0, 2, 3, 5} and number(frames[-1]) == 5
    assert len(frames) + source.dropped == 4
    assert frames[-1].timestamp - frames[0].timestamp <= 0.1 + 0.05  # those left out keep their time
    assert source.skipped == 2
    assert [pathlib.Path(message.split(": ")[0]).name for message in told] == ["1.png", "4.png"]
    with pytest.warns(CaptureWarning, match=r"1\.png"):
        assert len(list(Capture(str(tmp_path / "[01].png")))) == 1


def test_where_no_picture_can_be_read_it_is_an_error(tmp_path: pathlib.Path) -> None:
    for k in range(3):
        (tmp_path / f"{k}.png").write_text("no picture")
    told: list[str] = []
    with pytest.raises(ImageError, match="none of the 3 pictures"):
        list(Capture(tmp_path, tell=told.append))
    assert len(told) == 3
    with pytest.raises(ImageError, match=r"0\.png"):
        list(Capture(tmp_path / "0.png", tell=told.append))
    assert len(told) == 3


def test_the_pace_of_a_source(video: str, tmp_path: pathlib.Path) -> None:
    save(tmp_path / "1.png", 1)
    assert Capture(video).fps == pytest.approx(10)
    assert Capture(tmp_path / "1.png", fps=5).fps == 5
    with Capture(Scripted([shade(1)])) as source:
        assert source.fps is None


# -- over HTTP -----------------------------------------------------------------------------------------------------


class Web(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, and ``/camera``: JPEG pictures one after the other, without an end."""

    asked: list[str]

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path != "/camera":
            with contextlib.suppress(OSError):  # whoever asked has seen enough
                super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
        self.end_headers()
        picture = cv2.imencode(".jpg", films.scenery(0))[1].tobytes()
        head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n".encode()
        with contextlib.suppress(OSError):
            for _ in range(1000):
                self.wfile.write(head + picture + b"\r\n")
                time.sleep(0.02)


@pytest.fixture
def web(tmp_path: pathlib.Path) -> Iterator[tuple[pathlib.Path, str, list[str]]]:
    """A folder, the address where it is served, and what was asked for."""
    asked: list[str] = []

    class Here(Web):
        def __init__(self, *given: Any, **named: Any) -> None:
            self.asked = asked
            super().__init__(*given, directory=str(tmp_path), **named)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Here) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield tmp_path, f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


@needs_ffmpeg
@pytest.mark.parametrize("address", ["clip.avi", "clip.mkv?key=1", "clip"])
def test_a_video_over_http_is_read_once_to_its_end(web: tuple[pathlib.Path, str, list[str]], address: str) -> None:
    folder, root, asked = web
    for kind in ("avi", "mkv"):
        films.write(folder / f"clip.{kind}")
    (folder / "clip").write_bytes((folder / "clip.mkv").read_bytes())
    with Capture(f"{root}/{address}") as source:
        assert not source.live
        assert source.fps == pytest.approx(10)
        frames = list(source)
    assert len(frames) == 60
    assert frames[-1].timestamp == pytest.approx(5.9, abs=0.01)
    assert source.reconnects == source.dropped == 0
    asked.clear()
    with Capture(f"{root}/{address}", live=True) as source:  # at its own pace, and not again either
        assert source.live
        assert source.read() is not None
    assert len(asked) <= 2


@needs_ffmpeg
def test_a_lost_connection_is_told(web: tuple[pathlib.Path, str, list[str]]) -> None:
    folder, root, _ = web
    films.cut(films.write(folder / "clip.avi"), 0.6)
    told: list[str] = []
    frames = list(Capture(f"{root}/clip.avi", tell=told.append))
    assert 30 <= len(frames) < 40
    (message,) = told
    assert message.startswith(f"{root}/clip.avi: ends after {len(frames)} of the 60 frames")


@needs_ffmpeg
def test_a_stream_of_pictures_over_http_is_live(web: tuple[pathlib.Path, str, list[str]]) -> None:
    with Capture(f"{web[1]}/camera") as source:
        assert source.live
        assert all(source.read() is not None for _ in range(5))


@pytest.mark.parametrize(
    ("address", "count", "fps", "expected"),
    [
        ("http://a/clip.mp4", 300, 30, True),
        ("http://a/clip.MP4?x=1.m3u8", 3, 30, True),
        ("https://a/video?id=7", 300, 30, True),
        ("https://a/video?id=7", 2, 30, False),  # a playlist's own bytes, taken for a video's
        ("http://a/live.m3u8", 300, 30, False),
        ("http://a/live.flv", 0, 25, False),
        ("http://a/camera.mjpg", -9.2e18, 25, False),
        ("http://a/live.mp4", float("nan"), 25, False),
    ],
)
def test_what_has_a_length(address: str, count: float, fps: float, expected: bool) -> None:
    assert devices._has_length(address, count, fps) is expected


# -- devices that fail ---------------------------------------------------------------------------------------------


class Broken:
    """A device of somebody else's that gives a frame and then fails, in one way or another."""

    def __init__(self, where: str, error: BaseException, *, endless: bool = True) -> None:
        self.endless, self._where, self._error = endless, where, error
        self._count = 0

    def open(self) -> None:
        self._fail("open")
        if self._count:
            self._fail("open again")

    def read(self) -> tuple[Image, float | None] | None:
        self._count += 1
        if self._count == 1:
            return shade(1), 0.0
        self._fail("read")
        return shade(2) if self._where == "no time" else None  # type: ignore[return-value]

    def close(self) -> None:
        self._fail("close")

    def _fail(self, where: str) -> None:
        if where == self._where:
            raise self._error


@pytest.mark.parametrize("endless", [True, False])
@pytest.mark.parametrize("error", [RuntimeError("no power"), OSError(19, "no power"), ZeroDivisionError("no power")])
def test_whatever_a_device_raises_reaches_the_caller(endless: bool, error: BaseException) -> None:
    before = threading.active_count()
    with Capture(Broken("read", error, endless=endless)) as source:
        assert source.live is endless
        with pytest.raises(CaptureError, match=rf"Broken: the device failed: {type(error).__name__}: .*power$") as told:
            list(Stream(plates.PlateReader(), source))
    assert told.value.__cause__ is error
    assert threading.active_count() == before
    with pytest.raises(CaptureError, match=r"Broken: the device failed") as caught:
        Capture(Broken("open", error, endless=endless))
    assert caught.value.__cause__ is error


def test_a_device_that_fails_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "_BACK_OFF", (0.0,))
    before = threading.active_count()
    for where, error in (("open again", ValueError("bad")), ("no time", ValueError()), ("read", SystemExit(3))):
        with pytest.raises(CaptureError, match="Broken: the device failed"), Capture(Broken(where, error)) as source:
            list(source)
    for where, kept in (("close", CaptureError("the source gives no more")), ("read", ImageError("torn"))):
        with pytest.raises(type(kept), match=str(kept)), Capture(Broken(where, kept), reconnect=0) as source:
            list(source)  # errors of ours stay what they are, and what happens later hides nothing
    assert threading.active_count() == before


# -- live ----------------------------------------------------------------------------------------------------------


def frame(k: int) -> Frame:
    return Frame(shade(k), float(k))


def test_newest_wins() -> None:
    newest = Newest()
    for k in range(5):
        newest.put(frame(k))
    got = newest.get(0)
    assert got is not None
    assert number(got) == 4
    assert newest.dropped == 4
    with pytest.raises(TimeoutError):
        newest.get(0)
    newest.put(frame(5))
    newest.end()
    last = newest.get(0)
    assert last is not None
    assert number(last) == 5
    assert newest.get(0) is None
    assert newest.get(0) is None
    assert newest.dropped == 4


def test_newest_waits_and_hands_errors_on() -> None:
    newest = Newest()
    thread = threading.Thread(target=lambda: (time.sleep(0.05), newest.put(frame(3))))
    thread.start()
    got = newest.get(WAIT)
    thread.join()
    assert got is not None
    assert number(got) == 3
    newest.end(CaptureError("gone"))
    with pytest.raises(CaptureError, match="gone"):
        newest.get(WAIT)


def test_whoever_is_slow_gets_the_newest_frame_and_the_rest_is_counted() -> None:
    come, go = threading.Event(), threading.Event()
    script = [*map(shade, range(10)), come.set, lambda: go.wait(WAIT), shade(10)]
    with Capture(Scripted(script), reconnect=0, clock=ticks()) as source:
        assert source.live
        assert come.wait(WAIT)  # ten frames came before the first one is asked for
        first = source.read()
        assert first is not None
        assert (number(first), source.dropped) == (9, 9)
        go.set()
        second = source.read()
        assert second is not None
        assert (number(second), source.dropped) == (10, 9)
        assert second.timestamp > first.timestamp


def test_timestamps_rise_even_where_the_clock_stands() -> None:
    gates = [threading.Event() for _ in range(4)]
    script = [step for k, gate in enumerate(gates) for step in (lambda gate=gate: gate.wait(WAIT), shade(k))]
    with Capture(Scripted(script), reconnect=0, clock=lambda: 7.0) as source:
        times = []
        for gate in gates:
            gate.set()
            got = source.read()
            assert got is not None
            times.append(got.timestamp)
    assert times == sorted(set(times))
    assert times[0] == 7.0


def test_a_lost_camera_is_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "_BACK_OFF", (0.0,))
    took = [threading.Event(), threading.Event()]
    device = Scripted(
        [shade(1), lambda: took[0].wait(WAIT), None, None, shade(2), lambda: took[1].wait(WAIT)],
        opens=[True, False, False, True, True],
    )
    with Capture(device, reconnect=100) as source:
        for k, gate in ((1, took[0]), (2, took[1])):
            got = source.read()
            assert got is not None
            assert number(got) == k
            if k == 2:
                # lost twice before a frame came: one reconnection
                assert source.reconnects == 1
            gate.set()
    assert device.opened >= 3
    assert device.closed >= 2


def test_a_camera_that_stays_away_is_an_error_after_the_last_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    with Capture(Scripted([shade(1)]), reconnect=0) as source:
        assert source.read() is not None
        with pytest.raises(CaptureError, match="no more frames"):
            source.read()
    monkeypatch.setattr(capture, "_BACK_OFF", (0.0,))
    device = Scripted([shade(1)], opens=[True] + [False] * 1000)
    with Capture(device, reconnect=20, clock=ticks()) as source:
        assert source.read() is not None
        with pytest.raises(CaptureError, match=r"after [0-9]+ attempts"):
            source.read()
    assert 5 < device.opened < 30


def test_back_off_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    wait = threading.Event.wait

    def waited(self: threading.Event, timeout: float | None = None) -> bool:
        if timeout in capture._BACK_OFF:
            pauses.append(float(timeout))
            return False
        return wait(self, timeout)

    monkeypatch.setattr(threading.Event, "wait", waited)
    with Capture(Scripted([]), reconnect=60, clock=ticks()) as source, pytest.raises(CaptureError):
        source.read()
    assert tuple(pauses[:6]) == capture._BACK_OFF
    assert set(pauses[6:]) <= {8.0}


def test_a_driver_that_hangs_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "_HANGS", 0.05)
    gate = threading.Event()
    source = Capture(Scripted([shade(1), lambda: gate.wait(WAIT)]))
    assert source.read() is not None
    with pytest.raises(CaptureError, match="does not answer"):
        source.read()
    gate.set()
    source.close()


def test_closing_wakes_whoever_waits() -> None:
    gate = threading.Event()
    source = Capture(Scripted([lambda: gate.wait(WAIT)]))
    thread = threading.Thread(target=source.close)
    thread.start()
    assert source.read() is None
    gate.set()
    thread.join(WAIT)
    assert not thread.is_alive()


def test_a_file_can_be_played_as_if_live(video: str) -> None:
    with Capture(video, live=True) as source:
        frames = list(source)
    numbers = [number(f) for f in frames]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 19  # the last one is never dropped
    assert len(frames) + source.dropped == 20


def test_a_file_that_is_decoded_late_catches_up_as_a_camera_would() -> None:
    pace = _Pace()
    assert pace.due(10.0, 100.0) == (100.0, 0.0)  # the first one is due when it comes
    at, wait = pace.due(10.04, 100.01)
    assert at == pytest.approx(100.04) and wait == pytest.approx(0.03)
    at, wait = pace.due(10.08, 100.09)  # a quarter of a frame late: taken, and as old as it is
    assert at == pytest.approx(100.08) and wait == 0
    assert pace.due(10.12, 100.15)[1] is None  # three quarters late: the next one
    assert pace.due(10.16, 100.17)[1] == 0


def test_a_file_that_cannot_be_decoded_in_time_is_played_slower() -> None:
    pace = _Pace()
    waits = [pace.due(k / 25, 100 + k / 10)[1] for k in range(21)]
    assert waits.count(None) == 16, "one in five at least has to be shown"
    assert pace.due(21 / 25, 102.01)[1] == pytest.approx(0.03)  # and goes on from there


def test_late_frames_count_as_dropped_but_the_last_one_comes() -> None:
    class Late:
        """A file whose frames are there a frame's time after they are due."""

        endless = False

        def __init__(self) -> None:
            self.count = 0

        def open(self) -> None: ...
        def close(self) -> None: ...

        def read(self) -> tuple[np.ndarray, float | None] | None:
            self.count += 1
            return (shade(self.count - 1), (self.count - 1) / 10) if self.count <= 4 else None

    times = iter(np.arange(0, 100, 0.2))
    with Capture(Late(), live=True, clock=lambda: float(next(times))) as source:
        frames = list(source)
    assert number(frames[-1]) == 3
    assert len(frames) + source.dropped == 4 and source.dropped >= 2


# -- GStreamer -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pipeline", "names"),
    [
        ("videotestsrc ! appsink", ["videotestsrc", "appsink"]),
        ("v4l2src device=/dev/video0 ! image/jpeg,width=1280 ! jpegdec ! videoconvert ! videoconvert ! appsink drop=1",
         ["v4l2src", "jpegdec", "videoconvert", "appsink"]),
        ("nvarguscamerasrc sensor-id=0 ! video/x-raw(memory:NVMM),width=1280 ! nvvidconv ! appsink",
         ["nvarguscamerasrc", "nvvidconv", "appsink"]),
        ('filesrc location="a ! b.mp4" ! decodebin name=d d. ! queue ! appsink',
         ["filesrc", "decodebin", "queue", "appsink"]),
        ("videotestsrc ! tee name=t t.src_0 ! queue ! fakesink t. ! appsink",
         ["videotestsrc", "tee", "queue", "fakesink", "appsink"]),
        ('v4l2src ! "video/x-raw,width=640" ! videoconvert ! "video/x-raw, format=BGR, width=640" ! appsink',
         ["v4l2src", "videoconvert", "appsink"]),
        ('nvarguscamerasrc ! "video/x-raw(memory:NVMM), width=(int)1280" ! nvvidconv ! appsink',
         ["nvarguscamerasrc", "nvvidconv", "appsink"]),
        ("filesrc location='a ! b.mp4' ! decodebin ! 'video/x-raw,width=640' ! \"videoconvert\" ! appsink",
         ["filesrc", "decodebin", "videoconvert", "appsink"]),
        ('videotestsrc ! capsfilter caps="video/x-raw,width=640" ! appsink', ["videotestsrc", "capsfilter", "appsink"]),
        ("", []),
    ],
)
def test_gst_elements(pipeline: str, names: list[str]) -> None:
    assert gst_elements(pipeline) == names


@pytest.mark.skipif(HAS_GSTREAMER, reason="this OpenCV has GStreamer")
@pytest.mark.parametrize("source", ["gst:videotestsrc num-buffers=3", "jetson-csi"])
def test_gstreamer_missing_in_opencv_is_said(source: str) -> None:
    with pytest.raises(CaptureError, match=r"built without GStreamer.*--no-deps"):
        Capture(source)


needs_gstreamer = pytest.mark.skipif(
    not HAS_GSTREAMER or shutil.which("gst-inspect-1.0") is None, reason="needs an OpenCV with GStreamer, and its tools"
)


@needs_gstreamer
def test_a_gstreamer_pipeline() -> None:
    pipeline = "gst:videotestsrc num-buffers=7 pattern=red ! video/x-raw,width=64,height=48,framerate=10/1"
    with Capture(pipeline) as source:
        assert not source.live
        frames = list(source)
    assert len(frames) == 7
    assert frames[0].image.shape == (48, 64, 3)
    red, green, blue = frames[0].image.reshape(-1, 3).mean(0)
    assert red > 200 > 60 > max(green, blue)
    assert np.diff([f.timestamp for f in frames]).min() > 0


@needs_gstreamer
def test_a_live_gstreamer_pipeline() -> None:
    with Capture("gst:videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=30/1") as source:
        assert source.live
        frames = [source.read() for _ in range(3)]
    times = [f.timestamp for f in frames if f is not None]
    assert len(times) == 3
    assert times == sorted(set(times))


@needs_gstreamer
def test_missing_elements_are_named_before_anything_hangs() -> None:
    with pytest.raises(CaptureError, match=r"no nosuchsrc, nosuchfilter here.*plugins"):
        Capture("gst:nosuchsrc ! videoconvert ! nosuchfilter ! appsink")


@pytest.mark.skipif(os.path.exists("/etc/nv_tegra_release"), reason="this is a Jetson")
def test_the_jetson_camera_elsewhere() -> None:
    with pytest.raises(CaptureError, match="GStreamer"):
        Capture("jetson-csi:1", size=(640, 480), fps=15)


# -- windows -------------------------------------------------------------------------------------------------------


def test_window_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    if os.name == "posix" and os.uname().sysname == "Linux":
        assert window_problem()
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:                           QT5\n")
    monkeypatch.setenv("DISPLAY", ":0")
    assert window_problem() == ""
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:                           NONE\n")
    assert "headless" in window_problem()
