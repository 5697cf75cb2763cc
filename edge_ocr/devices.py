"""What frames come from: cameras, videos, folders of pictures, network streams and GStreamer pipelines.

What cannot work is said before anything is opened that might hang: a camera that is not there, an OpenCV without
GStreamer, a GStreamer element that is not installed. BGR ends here.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr.ending import ends_early, lacks_frames, plausible
from edge_ocr.errors import CaptureError, ImageError, InputError
from edge_ocr.image import load_image

__all__ = ["Device", "OpenCVDevice", "Pictures", "device_of", "gst_elements", "window_problem"]

Image = NDArray[np.uint8]

_PICTURES = (".bmp", ".dib", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp")
_OPENING = 15.0  # seconds in which a live source must open
_SILENT = 10.0  # seconds that a network stream may take for a frame before it counts as lost
_TRIES = 300  # frames in a row of a file that cannot be decoded, and
_PATIENCE = 10.0  # seconds for them, until it is given up
_FASTEST = 240.0  # frames a second; more is what network streams say that count time in ticks
_PLAYLISTS = (".m3u", ".m3u8", ".mpd")  # go on for ever, or cannot be told from those that do
_VIDEOS = (".3gp", ".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ogv", ".ts", ".webm", ".wmv")
_SURELY = 2.0  # seconds: shorter "lengths" are worked out from the few bytes of a playlist, unless the name says video
_JETSON = (
    "nvarguscamerasrc sensor-id={sensor} ! video/x-raw(memory:NVMM),width={width},height={height},framerate={fps}/1 "
    "! nvvidconv ! video/x-raw,format=BGRx"
)
_SINK = "videoconvert ! video/x-raw,format=BGR ! appsink max-buffers=1 drop={drop} sync={sync}"


class Device(Protocol):
    """Something that gives pictures. ``open`` raises CaptureError. ``read`` gives uint8 ``[H, W, 3]`` RGB and its time
    in seconds, None for the time where the device has no clock, or None altogether at the end or when it is lost.

    It may have more, which is looked at after ``open``: ``endless``, False for one that has an end (otherwise it counts
    as live, and is opened again when it is lost); ``fps``, frames a second; ``skipped``, how many pictures it had to
    leave out so far; and ``problems``, a list of sentences for the user, from which they are taken."""

    def open(self) -> None: ...
    def read(self) -> tuple[Image, float | None] | None: ...
    def close(self) -> None: ...


def device_of(
    source: str | int | os.PathLike[str] | Device, size: tuple[int, int] | None, fps: float | None
) -> Device:
    """What gives the pictures."""
    if isinstance(source, bool) or source is None:
        raise InputError(f"source: expected a camera's number, a path or an address, found {source!r}")
    if isinstance(source, int):
        return _camera(source, size, fps)
    if not isinstance(source, (str, os.PathLike)):
        if all(hasattr(source, name) for name in ("open", "read", "close")):
            return source
        raise InputError(f"source: expected a camera's number, a path or an address, found {type(source).__name__}")
    name = os.fspath(source)
    if not isinstance(name, str) or not name:
        raise InputError(f"source: expected a camera's number, a path or an address, found {name!r}")
    if name.isdecimal():
        return _camera(int(name), size, fps)
    if name.startswith("gst:"):
        return _pipeline(name[4:].strip(), name)
    if name == "jetson-csi" or name.startswith("jetson-csi:"):
        return _jetson(name, size, fps)
    if re.match(r"(rtsp|rtsps|rtmp|udp|tcp)://", name):
        return OpenCVDevice(name, name, backend=cv2.CAP_FFMPEG)
    if re.match(r"https?://", name):
        return OpenCVDevice(name, name, backend=cv2.CAP_FFMPEG, video=None)
    return _from_disk(name, fps)


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
    # What is quoted is a property's value, or caps; a plain word is itself.
    quoted = re.sub(r'''"((?:\\.|[^"\\])*)"|'((?:\\.|[^'\\])*)\'''', _unquoted, pipeline)
    quoted = re.sub(r"\([\w:]+\)", "", quoted)  # "(memory:NVMM)" and "(string)" belong to caps
    for part in re.split(r"[!()]|\s(?=\w[\w-]*\.\s)", quoted):
        words = part.split()
        # "name." and "name.pad" go on from an element that is named elsewhere
        while words and re.fullmatch(r"[\w-]+\.[\w%]*", words[0]):
            words.pop(0)
        if words and not re.search(r"[/=\"]", words[0]) and words[0] not in names:
            names.append(words[0])
    return names


def _unquoted(quoted: re.Match[str]) -> str:
    inside = quoted[1] or quoted[2] or ""
    return inside if re.fullmatch(r"[\w-]+", inside) else '""'


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
    """Picture files as a device: each in its turn, ``fps`` (30) of them a second. One of several that cannot be read is
    left out, with a sentence in ``problems``; its place in time stays empty. Raises ImageError where none can be
    read."""

    endless = False

    def __init__(self, paths: Sequence[Path], *, fps: float | None = None) -> None:
        self.paths = list(paths)
        self.fps = fps or 30.0
        self.skipped = 0
        self.problems: list[str] = []
        self._at = 0

    def open(self) -> None:
        self._at = self.skipped = 0

    def read(self) -> tuple[Image, float | None] | None:
        while self._at < len(self.paths):
            at, self._at = self._at, self._at + 1
            try:
                return load_image(self.paths[at]), at / self.fps
            except (ImageError, MemoryError) as error:
                if len(self.paths) == 1:
                    raise
                self.skipped += 1
                self.problems.append(str(error) or f"{self.paths[at]}: not enough memory")
        if self.paths and self.skipped == len(self.paths):
            raise ImageError(f"none of the {len(self.paths)} pictures can be read")
        return None

    def close(self) -> None:
        self._at = len(self.paths)


class OpenCVDevice:
    """``cv2.VideoCapture`` as a device. ``what`` names it in messages. ``check`` raises CaptureError for what is known
    to fail; ``video``: a file, whose frames have times and an end, None: told by what it says when it is opened first.
    Opening happens in a thread, because drivers and network streams may hang: after some seconds it is given up.

    Of a file, frames that cannot be decoded are left out and counted, a run of them as long as it is short enough to be
    damage; ``problems`` says so, and whether the video ended before its time."""

    def __init__(
        self,
        source: str | int,
        what: str,
        *,
        backend: int = 0,
        check: Callable[[], None] | None = None,
        properties: dict[int, float] | None = None,
        video: bool | None = False,
    ) -> None:
        self._source = source
        self._what = what
        self._backend = backend
        self._check = check
        self._properties = properties or {}
        self._video = video
        self._count = 0
        self._last = 0.0  # seconds of the newest frame
        self._announced = 0.0  # frames, as the container says
        self._ended = False
        self._capture: Any = None
        self.fps: float | None = None
        self.skipped = 0
        self.problems: list[str] = []

    @property
    def endless(self) -> bool:
        return not self._video

    def open(self) -> None:
        if self._check is not None:
            self._check()
        self._count = self.skipped = 0
        self._ended = False
        self._capture = _within(_OPENING, self._what, self._open)
        fps = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.fps = fps if 0 < fps <= _FASTEST else None
        self._announced = float(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        if self._video is None:
            self._video = _has_length(str(self._source), self._announced, fps)

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
        if self._capture is None or self._ended:
            return None
        picture = self._decoded()
        if picture is None:
            if self._video and self._count == 0:
                raise CaptureError(f"{self._what}: the video has no frame that this OpenCV can decode")
            if self._video:
                self._end()
            return None
        moment = None
        if self._video:
            pace = float(self._capture.get(cv2.CAP_PROP_FPS))
            pace = pace if 0 < pace < 1000 else 30.0
            moment = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
            # Some files, and some readers of OpenCV, have no times: then frames are counted.
            if not np.isfinite(moment) or (moment <= 0 and self._count > 0):
                moment = (self._count + self.skipped) / pace
            self._last = moment
        self._count += 1
        code = cv2.COLOR_GRAY2RGB if picture.ndim == 2 or picture.shape[2] == 1 else cv2.COLOR_BGR2RGB
        image: Any = cv2.cvtColor(picture, code)
        return np.asarray(image, np.uint8), moment

    def _decoded(self) -> Any:
        """The next picture; of a file, the next one that can be decoded. None at the end."""
        start, tries = time.monotonic(), 0
        while True:
            good, picture = self._capture.read()
            if good and picture is not None:
                break
            tries += 1
            whole = 0 < self._announced <= self._count + self.skipped
            if not self._video or whole or tries >= _TRIES or time.monotonic() - start > _PATIENCE:
                return None
        if tries and not self.skipped:
            self.problems.append(
                f"{self._what}: after {self._count} frames it cannot be decoded; frames like this are left out"
            )
        self.skipped += tries
        return picture

    def _end(self) -> None:
        """Says so where the video should have gone on."""
        self._ended = True
        frames, rate = self._count + self.skipped, float(self._capture.get(cv2.CAP_PROP_BITRATE))
        fps = float(self._capture.get(cv2.CAP_PROP_FPS))
        if ends_early(
            str(self._source), frames=frames, seconds=self._last, count=self._announced, fps=fps, rate=rate
        ):
            self.problems.append(
                f"{self._what}: ends after {frames} of the {self._announced:.0f} frames that it is said to have; it "
                "may be cut off or damaged"
            )
        elif not self.skipped and lacks_frames(str(self._source), frames=frames, count=self._announced, fps=fps):
            self.problems.append(
                f"{self._what}: gives {frames} of the {self._announced:.0f} frames that it is said to have; "
                "it is damaged"
            )

    def close(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None


def _has_length(address: str, count: float, fps: float) -> bool:
    """Whether what is at an address is a video with an end rather than a live stream, given what it says of itself.
    Streams of single pictures (MJPEG) know no length, and HLS may go on whatever it says."""
    suffix = os.path.splitext(urlsplit(address).path)[1].lower()
    if suffix in _PLAYLISTS or not plausible(count, fps):
        return False
    return suffix in _VIDEOS or count / fps >= _SURELY


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
