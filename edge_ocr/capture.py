"""Cameras, videos, folders of pictures, network streams and GStreamer pipelines to upright RGB frames.

A live source is read by a thread of its own that keeps only the newest frame: whoever is slow misses frames, which are
counted, but never falls behind. A file gives every frame, in order, with its own time. BGR ends here.

What cannot work is said before anything is opened that might hang: a camera that is not there, an OpenCV without
GStreamer, a GStreamer element that is not installed.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr.errors import CaptureError, EdgeOcrError, InputError
from edge_ocr.image import load_image
from edge_ocr.types import Frame

__all__ = ["Capture", "Device", "Newest", "OpenCVDevice", "Pictures", "gst_elements", "window_problem"]

Image = NDArray[np.uint8]

_PICTURES = (".bmp", ".dib", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp")
_BACK_OFF = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # seconds before each attempt to open a lost camera again; the last repeats
_OPENING = 15.0  # seconds in which a live source must open
_SILENT = 10.0  # seconds that a network stream may take for a frame before it counts as lost
_LATE = 0.5  # of a frame's time, by which one of a file that is played as if live may come late,
_ALL_LATE = 5  # but for every so many in a row: then the file is played slower
_HANGS = 30.0  # seconds in one read after which a driver is taken to hang, which nobody can end
_JETSON = (
    "nvarguscamerasrc sensor-id={sensor} ! video/x-raw(memory:NVMM),width={width},height={height},framerate={fps}/1 "
    "! nvvidconv ! video/x-raw,format=BGRx"
)
_SINK = "videoconvert ! video/x-raw,format=BGR ! appsink max-buffers=1 drop={drop} sync={sync}"


class Device(Protocol):
    """Something that gives pictures. ``open`` raises CaptureError. ``read`` gives uint8 ``[H, W, 3]`` RGB and its time
    in seconds, None for the time where the device has no clock, or None altogether at the end or when it is lost."""

    def open(self) -> None: ...
    def read(self) -> tuple[Image, float | None] | None: ...
    def close(self) -> None: ...


class Newest:
    """A place for one frame between a thread that brings them and one that takes them: a new one takes the place of one
    that nobody took, which is counted as ``dropped``."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._error: BaseException | None = None
        self._ended = False
        self.dropped = 0

    def put(self, frame: Frame) -> None:
        with self._changed:
            if self._frame is not None:
                self.dropped += 1
            self._frame = frame
            self._changed.notify_all()

    def miss(self) -> None:
        """A frame came that is not worth putting: it counts as dropped."""
        with self._changed:
            self.dropped += 1

    def end(self, error: BaseException | None = None) -> None:
        """No more frames will come; whoever waits is told, after the last frame was taken."""
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def get(self, timeout: float | None = None) -> Frame | None:
        """The newest frame, waited for; None at the end. Raises what the other side ended with, and TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._frame is not None or self._ended, timeout):
                raise TimeoutError("no frame came")
            frame, self._frame = self._frame, None
            if frame is None and self._error is not None:
                raise self._error
            return frame


class _Pace:
    """A file's frames at its own pace."""

    def __init__(self) -> None:
        self._shift: float | None = None  # from the file's times to the clock's
        self._before, self._missed = 0.0, 0

    def due(self, moment: float, now: float) -> tuple[float, float | None]:
        """When a frame of the file's time ``moment`` is due, and for how long to wait until then; None for one that is
        late, by half a frame's time or more. After some of these in a row all that follow are due later."""
        if self._shift is None:
            self._shift, self._before = now - moment, moment
        step, self._before = moment - self._before, moment
        late = now - (moment + self._shift)
        if late <= _LATE * step or step <= 0:
            self._missed = 0
            return moment + self._shift, max(-late, 0.0)
        self._missed += 1
        if self._missed < _ALL_LATE:
            return moment + self._shift, None
        self._shift, self._missed = self._shift + late, 0
        return moment + self._shift, 0.0


class Capture:
    """Frames from a source, upright, RGB, with rising timestamps: ``with Capture(0) as camera: for frame in camera``.

    ``source``: a camera's number (0, "0"), a video or picture file, a folder or glob of pictures, ``rtsp://`` and
    ``http(s)://`` addresses, ``gst:`` and a GStreamer pipeline (an appsink is added where there is none),
    ``jetson-csi`` or ``jetson-csi:N`` for a Jetson's camera; or a ``Device``.

    ``rotation``: clockwise degrees (0, 90, 180, 270) that turn the pictures upright. ``mirror``: swap left and right
    after that, for cameras that face the user. ``size``: (width, height) to ask a camera for. ``fps``: frames a second
    to ask a camera for, and the pace of pictures that have no time of their own. ``live``: whether frames may be
    dropped; None means yes for cameras and streams, and no for files. A file with ``live=True`` is played at its own
    pace. ``reconnect``: seconds for which a live source that vanished is tried again, with growing pauses; 0 means
    not at all, and the frames end with an error.

    ``dropped`` counts frames that came and were replaced by newer ones; ``reconnects`` how often a lost source was
    found again. Raises InputError for options that cannot be, CaptureError for a source that cannot be opened.
    """

    def __init__(
        self,
        source: str | int | os.PathLike[str] | Device,
        *,
        rotation: int = 0,
        mirror: bool = False,
        size: tuple[int, int] | None = None,
        fps: float | None = None,
        live: bool | None = None,
        reconnect: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if rotation not in (0, 90, 180, 270):
            raise InputError(f"rotation: expected 0, 90, 180 or 270 clockwise degrees, found {rotation!r}")
        if fps is not None and not 0 < fps <= 1000:
            raise InputError(f"fps: expected a number in 0..1000, found {fps!r}")
        if size is not None and (len(size) != 2 or not all(isinstance(v, int) and v > 0 for v in size)):
            raise InputError(f"size: expected (width, height) in pixels, found {size!r}")
        if not 0 <= reconnect <= 1e9:
            raise InputError(f"reconnect: expected a number of seconds, found {reconnect!r}")
        self.rotation = rotation
        self.mirror = mirror
        self.reconnect = float(reconnect)
        self.reconnects = 0
        self._clock = clock
        self._last = -np.inf
        self._device, endless = _device(source, size, fps)
        self.live = endless if live is None else bool(live)
        self._endless = endless
        self._newest = Newest()
        self._asked: float | None = None  # since when the device is being read
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._device.open()
        if self.live:
            self._thread = threading.Thread(target=self._bring, name="edge_ocr capture", daemon=True)
            self._thread.start()

    @property
    def dropped(self) -> int:
        return self._newest.dropped

    def __enter__(self) -> Capture:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets the source go. May be called twice, and from another thread: the frames end."""
        self._stop.set()
        self._newest.end()
        if self._thread is None:
            self._device.close()
        elif self._thread is not threading.current_thread():
            # The thread closes the device itself; one that hangs in a driver is left behind.
            self._thread.join(timeout=2.0)

    def __iter__(self) -> Iterator[Frame]:
        """Raises CaptureError when a live source is lost and stays away, or hangs."""
        while (frame := self.read()) is not None:
            yield frame

    def read(self) -> Frame | None:
        """The next frame: of a live source the newest, waited for; None at the end."""
        while self.live:
            with contextlib.suppress(TimeoutError):
                return self._newest.get(min(_HANGS, 1.0))
            asked = self._asked
            if asked is not None and time.monotonic() - asked > _HANGS:
                raise CaptureError(
                    f"the source has not given a frame for {_HANGS:.0f} seconds, and does not answer; connect it "
                    "again, or restart the program"
                )
        if self._stop.is_set():
            return None
        got = self._device.read()
        return None if got is None else self._frame(*got)

    # -- the other thread ------------------------------------------------------------------------------------------

    def _bring(self) -> None:
        error: BaseException | None = None
        pace = _Pace()
        late: Frame | None = None  # a file's frame that came too late, which only counts if it is the last
        lost, attempt = -1.0, 0  # since when there was no frame, and attempts to change that
        try:
            while not self._stop.is_set():
                self._asked = time.monotonic()
                got = self._device.read()
                self._asked = None
                if got is None:
                    if not self._endless:
                        break
                    lost = lost if attempt else self._clock()
                    self._again(lost, attempt)
                    attempt += 1
                    continue
                self.reconnects += attempt > 0
                attempt = 0
                image, moment = got
                if late is not None:
                    self._newest.miss()
                    late = None
                if self._endless:
                    moment = None  # when it arrived counts: a camera's own clock may be any
                elif moment is not None:
                    moment, wait = pace.due(moment, self._clock())
                    if wait is None:  # decoding fell behind; a camera would be at a newer frame by now
                        late = self._frame(image, moment)
                        continue
                    self._stop.wait(wait)
                self._newest.put(self._frame(image, moment))
            if late is not None:
                self._newest.put(late)
        except EdgeOcrError as caught:
            error = caught
        finally:
            self._device.close()
            self._newest.end(None if self._stop.is_set() else error)

    def _again(self, lost: float, attempt: int) -> None:
        """Opens a source that is lost since then again, after a pause. Raises CaptureError when it stays away for more
        than ``reconnect`` seconds."""
        self._device.close()
        pause = _BACK_OFF[min(attempt, len(_BACK_OFF) - 1)]
        if self._clock() - lost + pause > self.reconnect:
            tried = f", also not after {attempt} attempts to open it" if attempt else ""
            raise CaptureError(f"the source gives no more frames{tried}; is it still connected?")
        if not self._stop.wait(pause):
            with contextlib.suppress(CaptureError):  # then it gives no frame, which is the next attempt's reason
                self._device.open()

    def _frame(self, image: Image, moment: float | None) -> Frame:
        turned: Image = np.rot90(image, -(self.rotation // 90)) if self.rotation else image
        if self.mirror:
            turned = turned[:, ::-1]
        if moment is None:
            moment = self._clock()
        if moment <= self._last:  # some files repeat a time, and clocks are coarse
            moment = float(np.nextafter(self._last, np.inf)) if self.live else self._last + 1e-3
        self._last = moment
        return Frame(np.ascontiguousarray(turned), moment)


# -- devices -------------------------------------------------------------------------------------------------------


def _device(
    source: str | int | os.PathLike[str] | Device, size: tuple[int, int] | None, fps: float | None
) -> tuple[Device, bool]:
    """What gives the pictures, and whether it has no end."""
    if isinstance(source, bool) or source is None:
        raise InputError(f"source: expected a camera's number, a path or an address, found {source!r}")
    if isinstance(source, int):
        return _camera(source, size, fps), True
    if not isinstance(source, (str, os.PathLike)):
        if all(hasattr(source, name) for name in ("open", "read", "close")):
            return source, bool(getattr(source, "endless", True))
        raise InputError(f"source: expected a camera's number, a path or an address, found {type(source).__name__}")
    name = os.fspath(source)
    if not isinstance(name, str) or not name:
        raise InputError(f"source: expected a camera's number, a path or an address, found {name!r}")
    if name.isdecimal():
        return _camera(int(name), size, fps), True
    if name.startswith("gst:"):
        return _pipeline(name[4:].strip(), name), not _has_end(name)
    if name == "jetson-csi" or name.startswith("jetson-csi:"):
        return _jetson(name, size, fps), True
    if re.match(r"(rtsp|rtsps|rtmp|http|https|udp|tcp)://", name):
        return OpenCVDevice(name, name, backend=cv2.CAP_FFMPEG), True
    return _from_disk(name, fps), False


def _camera(number: int, size: tuple[int, int] | None, fps: float | None) -> Device:
    if number < 0:
        raise InputError(f"source: cameras are numbered from 0 on, found {number}")
    properties: dict[int, float] = {}
    if size is not None:
        properties |= {cv2.CAP_PROP_FRAME_WIDTH: size[0], cv2.CAP_PROP_FRAME_HEIGHT: size[1]}
    if fps is not None:
        properties[cv2.CAP_PROP_FPS] = fps
    return OpenCVDevice(
        number, f"camera {number}", check=lambda: _check_camera(number), properties=properties
    )


def _check_camera(number: int) -> None:
    """Raises CaptureError where Linux shows that there is no such camera, or does not let us use it."""
    if os.name != "posix" or not os.path.isdir("/dev"):
        return
    path = f"/dev/video{number}"
    if os.uname().sysname != "Linux":
        return
    if not os.path.exists(path):
        there = sorted(glob.glob("/dev/video[0-9]*"), key=lambda p: (len(p), p))
        known = f"there are {', '.join(there)}" if there else "this machine shows no camera at all"
        raise CaptureError(
            f"camera {number}: no {path}; {known}. Connect one, or give a video file or a folder of pictures instead."
        )
    if not os.access(path, os.R_OK | os.W_OK):
        raise CaptureError(
            f"camera {number}: {path} may not be used by this user. Add the user to its group (on most systems: "
            "sudo usermod -aG video $USER, then log in again)."
        )


def _jetson(name: str, size: tuple[int, int] | None, fps: float | None) -> Device:
    sensor = name.partition(":")[2] or "0"
    if not sensor.isdecimal():
        raise InputError(f"source: expected jetson-csi or jetson-csi:N, found {name!r}")
    width, height = size or (1280, 720)
    pipeline = _JETSON.format(sensor=sensor, width=width, height=height, fps=round(fps or 30))
    return _pipeline(pipeline, name)


def _has_end(pipeline: str) -> bool:
    return bool(re.search(r"\b(filesrc|multifilesrc|num-buffers=)", pipeline))


def _pipeline(pipeline: str, what: str) -> Device:
    if not pipeline:
        raise InputError("source: gst: needs a pipeline, such as gst:v4l2src device=/dev/video0")
    if not re.search(r"\bappsink\b", pipeline):
        ends = _has_end(pipeline)
        sink = _SINK.format(drop="false" if ends else "true", sync="false")
        pipeline = f"{pipeline.rstrip(' !')} ! {sink}"
    return OpenCVDevice(
        pipeline, what, backend=cv2.CAP_GSTREAMER, check=lambda: _check_pipeline(pipeline, what),
        video=_has_end(pipeline),
    )


def _check_pipeline(pipeline: str, what: str) -> None:
    """Raises CaptureError for what would make OpenCV hang or fail without a word."""
    if not _has_gstreamer():
        raise CaptureError(
            f"{what}: this OpenCV ({cv2.__version__}) was built without GStreamer, as those from pip are. Use the "
            "system's (JetPack's own, or Debian's python3-opencv) and install edge-ocr beside it with --no-deps."
        )
    asked = shutil.which("gst-inspect-1.0")
    if asked is None:
        raise CaptureError(
            f"{what}: gst-inspect-1.0 is missing, so the pipeline cannot be checked, and one with a missing element "
            "can hang. Install it (on Debian and JetPack: sudo apt-get install gstreamer1.0-tools)."
        )
    missing = [name for name in gst_elements(pipeline) if not _exists(asked, name)]
    if missing:
        nvidia = any(name.startswith("nv") for name in missing)
        remedy = (
            "These come with a Jetson's JetPack; on other machines use a camera's number" if nvidia else
            "Install the plugins that have them (on Debian: gstreamer1.0-plugins-base, -good, -bad, -ugly, -libav)"
        )
        raise CaptureError(f"{what}: GStreamer has no {', '.join(missing)} here. {remedy}.")


def gst_elements(pipeline: str) -> list[str]:
    """The names of the elements of a GStreamer pipeline, each once. Caps, properties, references to pads
    ("name."), and bins' brackets are left out."""
    names: list[str] = []
    quoted = re.sub(r'"(\\.|[^"\\])*"', '""', pipeline)
    quoted = re.sub(r"\([\w:]+\)", "", quoted)  # "(memory:NVMM)" and "(string)" belong to caps
    for part in re.split(r"[!()]|\s(?=\w[\w-]*\.\s)", quoted):
        words = part.split()
        # "name." and "name.pad" go on from an element that is named elsewhere
        while words and re.fullmatch(r"[\w-]+\.[\w%]*", words[0]):
            words.pop(0)
        if words and "/" not in words[0] and "=" not in words[0] and words[0] not in names:
            names.append(words[0])
    return names


def _exists(inspect: str, element: str) -> bool:
    try:
        done = subprocess.run(
            [inspect, "--exists", element], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30,
            check=False, env={**os.environ, "GST_DEBUG": "0"},
        )
    except subprocess.TimeoutExpired as error:
        raise CaptureError(f"gst-inspect-1.0 {element} does not answer; is GStreamer's registry whole?") from error
    return done.returncode == 0


def _has_gstreamer() -> bool:
    return bool(re.search(r"GStreamer:\s*YES", cv2.getBuildInformation()))


def window_problem() -> str:
    """Why no window can be shown here, "" if one can. OpenCV ends the whole process where there is no display."""
    found = re.search(r"^\s*GUI:\s*(\S+)", cv2.getBuildInformation(), re.MULTILINE)
    if found is None or found.group(1).upper() == "NONE":
        return "this OpenCV is the headless one, which has no windows"
    linux = os.name == "posix" and os.uname().sysname == "Linux"
    if linux and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "there is no display ($DISPLAY is not set)"
    return ""


def _from_disk(name: str, fps: float | None) -> Device:
    path = Path(name)
    if path.is_dir():
        found = sorted((p for p in path.iterdir() if p.suffix.lower() in _PICTURES and p.is_file()), key=_natural)
        if not found:
            raise CaptureError(f"{name}: the folder holds no picture ({' '.join(_PICTURES)})")
        return Pictures(found, fps=fps)
    if path.is_file():
        return Pictures([path], fps=fps) if path.suffix.lower() in _PICTURES else OpenCVDevice(name, name, video=True)
    if glob.has_magic(name):
        found = sorted((Path(p) for p in glob.glob(name, recursive=True) if Path(p).is_file()), key=_natural)
        if not found:
            raise CaptureError(f"{name}: no file fits this pattern")
        return Pictures(found, fps=fps)
    raise CaptureError(f"{name}: there is no such file or folder")


def _natural(path: Path) -> list[tuple[int, str]]:
    """frame2 before frame10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", str(path)) if part]


class Pictures:
    """Picture files as a device: each in its turn, ``fps`` (30) of them a second. Raises ImageError for one that cannot
    be read."""

    endless = False

    def __init__(self, paths: Sequence[Path], *, fps: float | None = None) -> None:
        self.paths = list(paths)
        self._pace = 1.0 / (fps or 30.0)
        self._at = 0

    def open(self) -> None:
        self._at = 0

    def read(self) -> tuple[Image, float | None] | None:
        if self._at >= len(self.paths):
            return None
        at, self._at = self._at, self._at + 1
        return load_image(self.paths[at]), at * self._pace

    def close(self) -> None:
        self._at = len(self.paths)


class OpenCVDevice:
    """``cv2.VideoCapture`` as a device. ``what`` names it in messages. ``check`` raises CaptureError for what is known
    to fail; ``video``: a file, whose frames have times. Opening happens in a thread, because drivers and network
    streams may hang: after some seconds it is given up."""

    def __init__(
        self,
        source: str | int,
        what: str,
        *,
        backend: int = 0,
        check: Callable[[], None] | None = None,
        properties: dict[int, float] | None = None,
        video: bool = False,
    ) -> None:
        self._source = source
        self._what = what
        self._backend = backend
        self._check = check
        self._properties = properties or {}
        self._video = video
        self._count = 0
        self._capture: Any = None

    def open(self) -> None:
        if self._check is not None:
            self._check()
        self._count = 0
        self._capture = _within(_OPENING, self._what, self._open)

    def _open(self) -> Any:
        capture = cv2.VideoCapture()
        if hasattr(capture, "setExceptionMode"):
            capture.setExceptionMode(False)
        if self._backend == cv2.CAP_FFMPEG and hasattr(cv2, "CAP_PROP_OPEN_TIMEOUT_MSEC"):
            waits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, int(1000 * _OPENING)]
            waits += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, int(1000 * _SILENT)]
            opened = capture.open(self._source, self._backend, waits)
        elif self._backend:
            opened = capture.open(self._source, self._backend)
        else:
            opened = capture.open(self._source)
        if not opened or not capture.isOpened():
            capture.release()
            kind = "is not a video that this OpenCV can decode" if self._video else "cannot be opened"
            more = "" if self._video else " (is it connected, and not in use by another program?)"
            raise CaptureError(f"{self._what}: {kind}{more}")
        for key, value in self._properties.items():
            capture.set(key, value)
        return capture

    def read(self) -> tuple[Image, float | None] | None:
        if self._capture is None:
            return None
        good, picture = self._capture.read()
        if not good or picture is None:
            if self._video and self._count == 0:
                raise CaptureError(f"{self._what}: the video has no frame that this OpenCV can decode")
            return None
        moment = None
        if self._video:
            pace = float(self._capture.get(cv2.CAP_PROP_FPS))
            pace = pace if 0 < pace < 1000 else 30.0
            moment = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
            # Some files, and some readers of OpenCV, have no times: then frames are counted.
            if not np.isfinite(moment) or (moment <= 0 and self._count > 0):
                moment = self._count / pace
        self._count += 1
        code = cv2.COLOR_GRAY2RGB if picture.ndim == 2 or picture.shape[2] == 1 else cv2.COLOR_BGR2RGB
        image: Any = cv2.cvtColor(picture, code)
        return np.asarray(image, np.uint8), moment

    def close(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None


def _within(seconds: float, what: str, work: Callable[[], Any]) -> Any:
    """What ``work`` gives, or raises, in a thread; CaptureError if that takes longer."""
    done: list[Any] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, name=f"edge_ocr opens {what}", daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not done:
        raise CaptureError(f"{what}: did not open within {seconds:.0f} seconds; is it connected, and does it answer?")
    return done[0]
