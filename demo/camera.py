"""Reads text from a camera, a video or the bundled clip, and shows what it reads.

    python demo/camera.py --source demo              the clip that comes along
    python demo/camera.py                            the first camera
    python demo/camera.py --source rtsp://… --headless --max-frames 300
    python demo/camera.py --source jetson-csi --record out.mp4
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import cv2

from edge_ocr import OCR, Capture, CaptureError, EdgeOcrError, Seen, Stream, overlay, scan_reader, window_problem

CLIP = Path(__file__).resolve().parent / "clip.mp4"
TITLE = "edge_ocr (q quits)"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="0", help="camera number, file, address, gst:…, jetson-csi, or demo")
    parser.add_argument("--scan", choices=("text", "plate", "idcard", "mrz"), default="text", help="what to read")
    parser.add_argument("--lang", default="ko,en", metavar="L,L")
    parser.add_argument("--threads", type=int, default=2, metavar="N")
    parser.add_argument("--models", metavar="DIR", help="folder of models instead of those that come along")
    parser.add_argument("--rotate", type=int, choices=(0, 90, 180, 270), default=0, metavar="DEGREES")
    parser.add_argument("--mirror", action="store_true", help="swap left and right")
    parser.add_argument("--min-height", type=float, default=0.0, metavar="PIXELS", help="leave lower text alone")
    parser.add_argument("--headless", action="store_true", help="no window; texts go to standard output")
    parser.add_argument("--record", metavar="FILE", help="write what the window shows to a video")
    parser.add_argument("--max-frames", type=int, metavar="N", help="stop after so many frames")
    options = parser.parse_args()
    if options.max_frames is not None and options.max_frames < 1:
        parser.error(f"--max-frames: expected a whole number of at least 1, found {options.max_frames}")
    try:
        return run(options)
    except CaptureError as error:
        print(error, file=sys.stderr)
        print("Without a camera, try the clip that comes along: python demo/camera.py --source demo", file=sys.stderr)
    except EdgeOcrError as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    return 2


def run(options: argparse.Namespace) -> int:
    if not options.headless and (problem := window_problem()):
        print(f"No window: {problem}. Going on with --headless.", file=sys.stderr)
        options.headless = True
    source = str(CLIP) if options.source == "demo" else options.source
    # A window shows a file at its own pace; without one every frame is read.
    with Capture(source, rotation=options.rotate, mirror=options.mirror, live=not options.headless or None) as camera:
        use = {"threads": options.threads, "models_dir": options.models}
        ocr = OCR(tuple(options.lang.split(",")), **use) if options.scan == "text" else scan_reader(options.scan, **use)
        ocr.warm_up()
        view, frames, fps = View(options, camera.fps or 15), 0, 0.0
        last, cpu = time.perf_counter(), time.process_time()
        for frames, seen in enumerate(Stream(ocr, camera, min_height=options.min_height).frames(), 1):
            now, new = time.perf_counter(), 0.1 if frames > 1 else 1.0
            fps, last = (1 - new) * fps + new / max(now - last, 1e-6), now
            for event in seen.events:
                print(f"{event.ms / 1000:7.2f} s  #{event.track} {event.event}: {event.text}", flush=True)
            if seen.advice:
                print(f"{seen.seconds:7.2f} s  {seen.advice}", file=sys.stderr, flush=True)
            if not view.show(seen, fps) or frames == options.max_frames:
                break
        view.close()
        cpu = 1000 * (time.process_time() - cpu) / max(frames, 1)
        print(f"{frames} frames, {camera.dropped} dropped, {cpu:.0f} ms of CPU a frame", file=sys.stderr)
    return 0


class View:
    """A window, a video file, both or neither."""

    def __init__(self, options: argparse.Namespace, pace: float) -> None:
        self.window, self.record = not options.headless, options.record
        self.pace, self.written = pace, 0  # of the recording: frames a second, and frames
        self.writer: Any = None

    def show(self, seen: Seen, fps: float) -> bool:
        """Shows a frame; False when the user wants to stop."""
        if not self.window and not self.record:
            return True
        labels = [(t.quad, t.text if t.stable else t.text and f"{t.text}?", t.confidence) for t in seen.tracks]
        times = "  ".join(f"{stage} {ms:.0f}" for stage, ms in seen.ms.items())
        lines = [hint.sentence for hint in seen.hints[:2]] + [f"{fps:.0f} fps  {times} ms  dropped {seen.dropped}"]
        picture = cv2.cvtColor(overlay(seen.image, labels, lines), cv2.COLOR_RGB2BGR)
        if self.record:
            if self.writer is None:
                self.size = (picture.shape[1], picture.shape[0])
                self.writer = cv2.VideoWriter(self.record, cv2.VideoWriter.fourcc(*"mp4v"), self.pace, self.size)
                if not self.writer.isOpened():
                    raise EdgeOcrError(f"--record {self.record}: cannot be written; is it an .mp4 in a folder?")
            # A file has one size and one pace, whatever frames come: a frame stands for those that were dropped, too.
            while self.written <= round(seen.seconds * self.pace):
                self.writer.write(cv2.resize(picture, self.size))
                self.written += 1
        if not self.window:
            return True
        cv2.imshow(TITLE, picture)
        return cv2.waitKey(1) & 0xFF not in (ord("q"), 27)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.release()
        if self.window:
            cv2.destroyAllWindows()


if __name__ == "__main__":
    sys.exit(main())
