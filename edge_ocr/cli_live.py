"""``edge-ocr live``: the events of a camera, a video or a folder of frames, one a line."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_ocr.reader import OCR
    from edge_ocr.scanners.live import ScanReader
    from edge_ocr.stream import Event

__all__ = ["DESCRIPTION", "EXAMPLES", "add_arguments", "live"]

DESCRIPTION = "Reads text from moving pictures and tells each text once, when it appears, and when it is stable."
EXAMPLES = """\
examples:
  edge-ocr live 0                                  the first camera, until Ctrl-C
  edge-ocr live clip.mp4 --json                    every frame of a video, a JSON object an event
  edge-ocr live 'frames/*.jpg' --fps 10
  edge-ocr live rtsp://camera.local/stream --rotate 90 --roi 0,200,1280,720
  edge-ocr live 'gst:v4l2src device=/dev/video0 ! jpegdec'
  edge-ocr live jetson-csi --min-height 12 --max-frames 600
  edge-ocr live dashcam.mp4 --scan plate --json    number plates alone, voted on under their grammar
  edge-ocr live 0 --scan mrz --mask                a passport held into the camera, told when its check digits hold

JSON: {"event", "track", "frame", "ms", "text", "confidence", "quad": [[x, y] x 4], "hints": [{"kind", "value",
  "sentence"}]}. "event" is appeared, updated, stable or lost; "track" numbers texts, "frame" the frames that were
  looked at; "ms" is the frame's time since the first one. With --scan mrz or idcard the text has several lines.
  With --mask, what was masked and need not have been is told again, as updated.
  Cameras and streams drop frames rather than fall behind; files are read whole unless --realtime, those at an
  http:// address too. To standard error go: how many frames there were, what keeps the camera from reading while
  nothing is read ("It is too dark."), pictures that cannot be read, and videos that end before their time.

exit status: 0 the source ended, 1 some pictures or frames of it could not be read, 2 it could not be opened or was
  lost, 130 interrupted
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``live`` that concern the source and the stream."""
    parser.add_argument("source", metavar="SOURCE", help="camera number, video, picture, folder, glob, rtsp:// or "
                        "http:// address, gst:PIPELINE, jetson-csi[:N]")
    parser.add_argument("--json", action="store_true", help="print a JSON object a line, one for each event")
    parser.add_argument("--scan", choices=("text", "plate", "idcard", "mrz"), default="text",
                        help="what to read: any text (default), number plates, identity papers, machine-readable zones")
    parser.add_argument("--mask", action="store_true", help="mask identity numbers in what is printed, as "
                        "edge-ocr redact does; digits that may be a piece of one, until they have settled")
    parser.add_argument("--rotate", type=int, choices=(0, 90, 180, 270), default=0, metavar="DEGREES",
                        help="turn frames clockwise by 90, 180 or 270")
    parser.add_argument("--mirror", action="store_true", help="swap left and right")
    parser.add_argument("--size", type=_size, metavar="WxH", help="frame size to ask a camera for, such as 1280x720")
    parser.add_argument("--fps", type=float, metavar="N", help="frames a second, of cameras and of folders")
    parser.add_argument("--realtime", action="store_true", help="play a file at its own pace, dropping frames")
    parser.add_argument("--roi", type=_box, metavar="X0,Y0,X1,Y1", help="leave text outside this box alone, in pixels")
    parser.add_argument("--min-height", type=float, default=0.0, metavar="PIXELS", help="leave lower text alone")
    parser.add_argument("--max-frames", type=_count, metavar="N", help="stop after so many frames")
    parser.add_argument("--hints", choices=("en", "ko"), default="en", help="language of the hints (default: en)")


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if width.isdecimal() and height.isdecimal() and int(width) and int(height):
        return int(width), int(height)
    raise argparse.ArgumentTypeError(f"expected width and height such as 1280x720, found {text!r}")


def _count(text: str) -> int:
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, found {text!r}")


def _box(text: str) -> tuple[float, ...]:
    try:
        x0, y0, x1, y1 = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected four numbers such as 0,200,640,480, found {text!r}") from None
    return x0, y0, x1, y1


def live(ocr: OCR | ScanReader, options: argparse.Namespace) -> int:
    """Prints the events of a source, and returns the exit status."""
    from edge_ocr.capture import Capture
    from edge_ocr.errors import ImageError
    from edge_ocr.redact_live import LiveMask
    from edge_ocr.stream import Stream

    unread: list[str] = []

    def say_unread(message: str) -> None:
        unread.append(message)
        _say(message)

    source = Capture(
        options.source, rotation=options.rotate, mirror=options.mirror, size=options.size, fps=options.fps,
        live=True if options.realtime else None, tell=say_unread,
    )
    least = ocr.min_confidence if options.min_confidence is None else options.min_confidence
    frames, seconds, told, advised = 0, 0.0, False, False
    with source:
        stream = Stream(
            ocr, source, roi=options.roi, min_height=options.min_height, min_confidence=least,
            language=options.hints,
        )
        mask = LiveMask(roi=options.roi, pieces=options.scan == "text") if options.mask else None
        try:
            for seen in stream.frames():
                frames, seconds = seen.frame + 1, seen.seconds
                for event in seen.events if mask is None else mask.events(seen):
                    told = True
                    _tell(event, options)
                if seen.advice:
                    advised = True
                    _say(f"{seconds:.2f} s: {seen.advice}")
                if options.max_frames is not None and frames >= options.max_frames:
                    break
        except ImageError as error:  # as with pictures that are read one by one
            say_unread(str(error))
        for event in stream.close() if mask is None else mask.close(stream.close()):
            _tell(event, options)
    if stream.hints and not told and not advised:  # over too soon for advice, such as a single picture
        _say(f"{seconds:.2f} s: {stream.hints[0].sentence}")
    left_out = f", {source.skipped} could not be read" if source.skipped else ""
    again = f", found again {source.reconnects} times" if source.reconnects else ""
    _say(f"{frames} frames of {seconds:.1f} s, {source.dropped} dropped{left_out}{again}")
    return 1 if unread else 0


def _say(message: str) -> None:
    print(f"edge-ocr: {message}", file=sys.stderr, flush=True)


def _tell(event: Event, options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps(event.to_dict(), ensure_ascii=False), flush=True)
        return
    hint = f"  [{event.hints[0].sentence}]" if event.hints else ""
    text = event.text.replace("\n", "\n" + " " * 27)
    print(f"{event.ms / 1000:8.2f}  {event.event:8}  #{event.track:<4} {text}  ({event.confidence:.2f}){hint}",
          flush=True)
