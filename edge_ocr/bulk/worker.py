"""The process that reads: settings and tasks come in as JSON lines, rows go out as JSON lines.

It is a process of its own so that a picture that crashes a decoder, or takes for ever, costs one row and not the run.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, BinaryIO

from edge_ocr.bulk.archives import TarReader, ZipReader
from edge_ocr.bulk.tasks import Row, Task
from edge_ocr.errors import EdgeOcrError, ImageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Worker", "main"]

_HEARTBEAT = 64  # frames passed over between signs of life


def main() -> None:
    """Serves until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent says when to stop
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else prints must not come between the rows

    def send(message: dict[str, Any]) -> None:
        pipe.write(json.dumps(message).encode() + b"\n")
        pipe.flush()

    try:
        _serve(sys.stdin.buffer, send)
    except BrokenPipeError:  # the parent has gone
        os._exit(1)


def _serve(lines: BinaryIO, send: Any) -> None:
    try:
        worker = Worker(json.loads(lines.readline()), send)
    except (EdgeOcrError, ImportError) as error:
        send({"fatal": str(error)})
        return
    send({"ready": True})
    for line in lines:
        worker.do(Task(*json.loads(line)))
        send({"end": True})


class Worker:
    """Reads tasks and hands rows to ``send``. ``settings``: languages, threads, models, runtime, min_confidence,
    every, mask."""

    def __init__(self, settings: dict[str, Any], send: Any) -> None:
        import numpy as np

        from edge_ocr.image import opencv

        opencv()
        from edge_ocr.reader import OCR

        self._send, self._every, self._mask = send, int(settings["every"]), bool(settings["mask"])
        self._ocr = OCR(languages=tuple(settings["languages"]), threads=settings["threads"],
                        min_confidence=settings["min_confidence"], models_dir=settings["models"],
                        engine=settings["runtime"])
        # loads the models, so that what is wrong with them is said now; warm_up() would run every shape they know
        self._ocr.read(np.full((64, 64, 3), 255, np.uint8))
        self._ocr.recognize([np.full((32, 32, 3), 255, np.uint8)])
        self._archive: tuple[str, Any] = ("", None)

    def do(self, task: Task) -> None:
        """Sends one row; of a video, one for every frame that counts."""
        if task.kind == "video":
            self._video(task)
            return
        try:
            self._send({"row": self._row(task, self._source(task))})
        except EdgeOcrError as error:
            self._send({"row": task.failed(_about(task, error))})
        except MemoryError:
            self._send({"row": task.failed(f"{task.name}: not enough memory")})
        except Exception as error:  # a row may be lost to a fault of ours; the run must not be
            self._send({"row": task.failed(f"{task.name}: {type(error).__name__}: {error}")})

    def _row(self, task: Task, source: str | bytes | NDArray[np.uint8]) -> Row:
        reading = self._ocr.read(source)
        if self._mask:
            from edge_ocr.redact import mask_reading

            reading = mask_reading(reading)
        return {"id": task.id.hex(), "image": task.name, **reading.to_dict()}

    def _source(self, task: Task) -> str | bytes:
        if task.kind == "picture":
            return task.path
        if task.kind == "error":
            raise ImageError(task.error)
        if self._archive[0] != task.path:
            self._close()
            opened: Any = ZipReader(task.path) if task.kind == "zip" else TarReader(task.path, alive=self._alive)
            self._archive = (task.path, opened)
        archive = self._archive[1]
        content: bytes = archive.read(task.where) if task.kind == "zip" else archive.read(task.where, task.size)
        return content

    def _close(self) -> None:
        if self._archive[1] is not None:
            self._archive[1].close()
        self._archive = ("", None)

    def _video(self, task: Task) -> None:
        import cv2

        if not os.path.isfile(task.path):  # OpenCV would also take addresses, and open connections to them
            self._send({"row": task.failed(f"{task.path}: no such file")})
            return
        capture = cv2.VideoCapture(task.path)
        try:
            if not capture.isOpened():
                error = "cannot be opened: no video, or of a kind that this OpenCV cannot decode"
                self._send({"row": task.failed(f"{task.path}: {error}")})
                return
            frames = capture.get(cv2.CAP_PROP_FRAME_COUNT)
            if 0 < frames < 1e9:
                self._send({"expect": max(1, int(frames - task.where - 1) // self._every + 1)})
            number = 0
            while capture.grab():
                if number >= task.where and number % self._every == 0:
                    self._frame(task._replace(where=number), capture)
                elif number % _HEARTBEAT == 0:
                    self._alive()
                number += 1
            if number == 0:
                self._send({"row": task.failed(f"{task.path}: holds no frame that can be decoded")})
        finally:
            capture.release()

    def _frame(self, task: Task, capture: Any) -> None:
        from edge_ocr.image import MAX_PIXELS

        try:
            got, frame = capture.retrieve()
            if not got or frame is None or frame.ndim != 3:
                raise ImageError(f"{task.name}: the frame cannot be decoded")
            if frame.shape[0] * frame.shape[1] > MAX_PIXELS:
                raise ImageError(f"{task.name}: too many pixels")
            self._send({"row": self._row(task, frame[:, :, ::-1])})
        except EdgeOcrError as error:
            self._send({"row": task.failed(_about(task, error))})

    def _alive(self) -> None:
        self._send({"alive": True})


def _about(task: Task, error: EdgeOcrError) -> str:
    """An error's text, which names the file where it can; what came as bytes has no name there."""
    text = str(error)
    return text if task.path in text else f"{task.name}: {text}"
