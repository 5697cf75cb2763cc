"""Cameras, videos, folders of pictures, network streams and GStreamer pipelines to upright RGB frames.

A live source is read by a thread of its own that keeps only the newest frame: whoever is slow misses frames, which are
counted, but never falls behind. A file gives every frame, in order, with its own time; what of it cannot be decoded is
left out, counted and told.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from edge_ocr.devices import Device, OpenCVDevice, Pictures, device_of, gst_elements, window_problem
from edge_ocr.errors import CaptureError, CaptureWarning, EdgeOcrError, InputError
from edge_ocr.types import Frame

__all__ = ["Capture", "Device", "Newest", "OpenCVDevice", "Pictures", "gst_elements", "window_problem"]

Image = NDArray[np.uint8]

_BACK_OFF = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # seconds before each attempt to open a lost camera again; the last repeats
_LATE = 0.5  # of a frame's time, by which one of a file that is played as if live may come late,
_ALL_LATE = 5  # but for every so many in a row: then the file is played slower
_HANGS = 30.0  # seconds in one read after which a driver is taken to hang, which nobody can end


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
    ``jetson-csi`` or ``jetson-csi:N`` for a Jetson's camera; or a ``Device``. What is at an ``http(s)://`` address and
    has a length is a file, and is read once; HLS and streams of JPEG pictures are live.

    ``rotation``: clockwise degrees (0, 90, 180, 270) that turn the pictures upright. ``mirror``: swap left and right
    after that, for cameras that face the user. ``size``: (width, height) to ask a camera for. ``fps``: frames a second
    to ask a camera for, and the pace of pictures that have no time of their own. ``live``: whether frames may be
    dropped; None means yes for cameras and streams, and no for files. A file with ``live=True`` is played at its own
    pace. ``reconnect``: seconds for which a live source that vanished is tried again, with growing pauses; 0 means
    not at all, and the frames end with an error. ``tell``: is given a sentence, in the thread that asks for frames, for
    each picture of several that cannot be read, for a video file with frames that cannot be decoded, and for one that
    ends before its time; None: they are CaptureWarnings.

    ``dropped`` counts frames that came and were replaced by newer ones; ``skipped`` pictures and frames of files that
    cannot be decoded, and were left out; ``reconnects`` how often a lost source was found again. ``fps`` is the pace
    that the source tells, frames a second, None where it does not. Raises InputError for options that cannot be,
    CaptureError for a source that cannot be opened, or a device that fails; reading raises ImageError where no picture
    can be read.
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
        tell: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if rotation not in (0, 90, 180, 270):
            raise InputError(f"rotation: expected 0, 90, 180 or 270 clockwise degrees, found {rotation!r}")
        if fps is not None and not (is_number(fps) and 0 < fps <= 1000):
            raise InputError(f"fps: expected a number in 0..1000, found {fps!r}")
        if size is not None and not _is_size(size):
            raise InputError(f"size: expected (width, height) in pixels, found {size!r}")
        if not (is_number(reconnect) and 0 <= reconnect <= 1e9):
            raise InputError(f"reconnect: expected a number of seconds, found {reconnect!r}")
        self.rotation = rotation
        self.mirror = mirror
        self.reconnect = float(reconnect)
        self.reconnects = 0
        self._clock = clock
        self._last = -np.inf
        self._tell = tell
        self._problems: deque[str] = deque()
        self._device = device_of(source, size, fps)
        self._name = str(source) if isinstance(source, (str, int, os.PathLike)) else type(source).__name__
        with self._failing():
            self._device.open()
            self._endless = bool(getattr(self._device, "endless", True))
            pace = getattr(self._device, "fps", None)
            self.fps: float | None = float(pace) if pace else None
        self.live = self._endless if live is None else bool(live)
        self._newest = Newest()
        self._asked: float | None = None  # since when the device is being read
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        if self.live:
            self._thread = threading.Thread(target=self._bring, name="edge_ocr capture", daemon=True)
            self._thread.start()

    @property
    def dropped(self) -> int:
        return self._newest.dropped

    @property
    def skipped(self) -> int:
        return int(getattr(self._device, "skipped", 0))

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
        """Raises CaptureError when a live source is lost and stays away, or hangs, and when a device fails."""
        while (frame := self.read()) is not None:
            yield frame

    def read(self) -> Frame | None:
        """The next frame: of a live source the newest, waited for; None at the end."""
        try:
            return self._next()
        finally:
            while self._problems:
                self._say(self._problems.popleft())

    def _say(self, problem: str) -> None:
        if self._tell is not None:
            self._tell(problem)
        else:
            warnings.warn(problem, CaptureWarning, stacklevel=3)

    def _next(self) -> Frame | None:
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
        with self._failing():
            got = self._ask()
            return None if got is None else self._frame(*got)

    def _ask(self) -> tuple[Image, float | None] | None:
        """What the device gives, and what it has to say."""
        try:
            return self._device.read()
        finally:
            problems = getattr(self._device, "problems", None)
            while problems:
                self._problems.append(str(problems.pop(0)))

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        """Whatever a device raises is an EdgeOcrError, and names it."""
        try:
            yield
        except EdgeOcrError:
            raise
        except Exception as error:
            raise self._failure(error) from error

    def _failure(self, error: BaseException) -> CaptureError:
        """What is told of it, and where it came from."""
        failure = CaptureError(f"{self._name}: the device failed: {type(error).__name__}: {error}")
        failure.__cause__ = error
        return failure

    # -- the other thread ------------------------------------------------------------------------------------------

    def _bring(self) -> None:
        error: BaseException | None = None
        try:
            self._pump()
        except EdgeOcrError as caught:
            error = caught
        except BaseException as caught:  # nobody but whoever waits for frames can be told
            error = self._failure(caught)
        finally:
            try:
                self._device.close()
            except Exception as caught:
                error = error or self._failure(caught)
            self._newest.end(None if self._stop.is_set() else error)

    def _pump(self) -> None:
        pace = _Pace()
        late: Frame | None = None  # a file's frame that came too late, which only counts if it is the last
        lost, attempt = -1.0, 0  # since when there was no frame, and attempts to change that
        while not self._stop.is_set():
            self._asked = time.monotonic()
            got = self._ask()
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


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a number, as True and False are not."""
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _is_size(size: object) -> bool:
    if not isinstance(size, (tuple, list)) or len(size) != 2:
        return False
    return all(isinstance(v, int) and not isinstance(v, bool) and v > 0 for v in size)
