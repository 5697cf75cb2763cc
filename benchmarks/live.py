"""Plays clips through the stream and measures what a user of a camera would notice.

    python -m benchmarks.live out/clips --threads 2 --out out/live.json
    python -m benchmarks.live out/clips --realtime
    python -m benchmarks.live out/plates --scan plate
    python -m benchmarks.live out/clips --memory 10000

Clips are videos with a truth beside them (``benchmarks/clips.py``). A text counts when it could be read (wholly in
view, not too small) for ``--least`` seconds; events are its own when their quad overlaps its true place in that frame.
Per clip and over all:

- right: share of these texts that became stable with the right text; right_fold: compared by letters and digits alone,
  without case, as all else is with ``--fold``
- read: share of them that any reading of the stream said right: what is missing to 1 no vote can mend, and what is
  missing from it to right is the stream's loss. With ``--oracle`` also legible: share that the recognizers read right
  in at least one of every third frames, cut out at the true place (read_fold, legible_fold: as right_fold)
- wrong, spurious: stable texts that say something else, or stand where no text is, a text
- first_ms: from when a text could first be read to the first event with its right text (median, 95th percentile)
- flicker: changes after a text was stable, a stable text; tracks: track numbers a text
- cpu_ms: CPU time a frame, mean and 95th percentile; detections and reads a frame; fps that this machine could do

``--scan plate|mrz|idcard`` reads as ``edge-ocr live --scan`` does, and only that. Plates are texts like any other. A
document is told as one text for all that stands in it: each of its labelled texts counts by itself, and is right where
the document says it somewhere, by letters and digits alone, dates as ISO 8601. Labels must be of plates, zones or cards
alone, since every labelled text counts.

``--realtime`` plays each clip at its own pace as a camera would bring it: frames dropped, and how old a frame was when
it was looked at (the last one of a clip is left out: none comes that could take its place). ``--memory N`` runs N
frames of changing size: resident memory after a tenth of them and at the end, and threads. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import sys
import time
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edge_ocr import OCR, Capture, Event, Frame, Stream, __version__, scan_reader
from edge_ocr.events import Reader
from edge_ocr.geometry import bounding_boxes, clean, quad_iou_matrix
from edge_ocr.manifest import QualityLimits
from edge_ocr.types import Quad, Region, TextWord


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP|FOLDER")
    parser.add_argument("--models", type=Path, metavar="DIR")
    parser.add_argument("--lang", default="ko,en", metavar="L,L")
    parser.add_argument("--scan", choices=("text", "plate", "idcard", "mrz"), default="text",
                        help="read only these, as edge-ocr live --scan does")
    parser.add_argument("--threads", type=int, default=2, metavar="N")
    parser.add_argument("--least", type=float, default=1.0, metavar="SECONDS")
    parser.add_argument("--fold", action="store_true", help="compare letters and digits only, without case")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N clips")
    parser.add_argument("--oracle", action="store_true", help="also what could be read at the true places")
    parser.add_argument("--realtime", action="store_true")
    parser.add_argument("--memory", type=int, default=0, metavar="N", help="frames of changing size")
    parser.add_argument("--out", type=Path, metavar="FILE")
    options = parser.parse_args()
    clips = [c for path in options.clips for c in (sorted(path.glob("*.jsonl")) if path.is_dir() else [path])]
    clips = [c.with_suffix(".jsonl") for c in clips][: options.limit]
    if not clips:
        print("there is no clip; make some: python -m benchmarks.clips --help", file=sys.stderr)
        return 2
    given: dict[str, Any] = {"threads": options.threads, "models_dir": options.models}
    ocr: Any = OCR(tuple(options.lang.split(",")), **given) if options.scan == "text" else scan_reader(
        options.scan, **given
    )
    ocr.warm_up()
    report: dict[str, Any] = {
        "made_by": "benchmarks/live.py", "edge_ocr": __version__, "threads": options.threads, "scan": options.scan,
        "machine": f"{platform.machine()}, Python {platform.python_version()}", "clips": {},
    }
    every: list[dict[str, Any]] = []
    for clip in clips:
        found = play(ocr, clip, options)
        every.append(found)
        report["clips"][clip.stem] = summary([found])
        print(clip.stem, json.dumps(report["clips"][clip.stem]), file=sys.stderr, flush=True)
    report["all"] = summary(every)
    if options.realtime:
        report["realtime"] = realtime(ocr, clips)
    if options.memory:
        report["memory"] = memory(ocr, clips[0], options.memory)
    text = json.dumps(report, indent=2, ensure_ascii=False)
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n", encoding="utf-8")
    return 0


def video_of(clip: Path) -> Path:
    return next(p for p in (clip.with_suffix(".mp4"), clip.with_suffix(".avi")) if p.exists())


def fold(text: str, hard: bool) -> str:
    text = unicodedata.normalize("NFKC", text)
    return "".join(c for c in text.casefold() if c.isalnum()) if hard else " ".join(text.split())


# -- right and wrong -----------------------------------------------------------------------------------------------


class Noting:
    """A reader as a stream uses it, which notes what it read: (frame, quad, text)."""

    def __init__(self, ocr: Reader) -> None:
        self._ocr, self.frame = ocr, 0
        self.notes: list[tuple[int, Quad, str]] = []

    @property
    def quality(self) -> QualityLimits | None:
        return self._ocr.quality

    @property
    def min_confidence(self) -> float:
        return self._ocr.min_confidence

    def detect(self, image: np.ndarray[Any, Any]) -> Sequence[Region]:
        return self._ocr.detect(image)

    def read_regions(self, image: np.ndarray[Any, Any], regions: Sequence[Region]) -> Sequence[TextWord]:
        words = self._ocr.read_regions(image, regions)
        self.notes += [(self.frame, r.quad, w.text) for r, w in zip(regions, words, strict=True)]
        return words


class NotingScans(Noting):
    """The same for a scanner, which says which texts may be told."""

    def accepts(self, text: str) -> bool:
        return bool(self._ocr.accepts(text))  # type: ignore[attr-defined]


def play(ocr: Reader, clip: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One clip, every frame of it."""
    rows = [json.loads(line) for line in clip.read_text(encoding="utf-8").splitlines()][1:]
    reader = Noting(ocr) if options.scan == "text" else NotingScans(ocr)
    stream = Stream(reader, ())
    events: list[Event] = []
    cpu, wall, detections, reads = [], [], 0, 0
    with Capture(video_of(clip)) as source:
        for frame in source:
            reader.frame = len(cpu)
            start = time.process_time(), time.perf_counter()
            seen = stream.process(frame)
            cpu.append(1000 * (time.process_time() - start[0]))
            wall.append(1000 * (time.perf_counter() - start[1]))
            detections += seen.detected
            reads += seen.reads
            events.extend(seen.events)
    notes = reader.notes
    if options.scan in DOCUMENTS:
        events = [part for event in events for part in parts_of(event, rows)]
        notes = [(n, q, said) for n, quad, text in notes for _, q, said in covered(quad, text, rows[n])]
    return {
        "cpu": cpu, "wall": wall, "detections": detections, "reads": reads,
        **judge(rows, events, options.least, options.fold),
        "right_fold": judge(rows, events, options.least, True)["right"],
        "read": ever(rows, notes, options.least, options.fold),
        "read_fold": ever(rows, notes, options.least, True),
        **(oracle(ocr, clip, rows, options) if options.oracle else {}),
    }  # fmt: skip


def oracle(ocr: Reader, clip: Path, rows: list[dict[str, Any]], options: argparse.Namespace) -> dict[str, int]:
    """How many texts could be read in some frame, if one knew where they are."""
    notes: list[tuple[int, Quad, str]] = []
    with Capture(video_of(clip)) as source:
        for frame, row in zip(source, rows, strict=False):
            places = [q for q, skip in zip(row["polygons"], row["ignore"], strict=True) if not skip]
            if row["frame"] % 3 or not places:
                continue
            quads: list[Quad] = [((a[0], a[1]), (b[0], b[1]), (c[0], c[1]), (d[0], d[1])) for a, b, c, d in places]
            if options.scan in DOCUMENTS:
                quads = [around(quads)]
            words = ocr.read_regions(frame.image, [Region(q, 1.0) for q in quads])
            notes += [(row["frame"], q, w.text) for q, w in zip(quads, words, strict=True)]
    if options.scan in DOCUMENTS:
        notes = [(n, q, said) for n, quad, text in notes for _, q, said in covered(quad, text, rows[n])]
    return {
        "legible": ever(rows, notes, options.least, options.fold),
        "legible_fold": ever(rows, notes, options.least, True),
    }


# -- documents -----------------------------------------------------------------------------------------------------

DOCUMENTS = ("idcard", "mrz")
DATE = re.compile(r"((?:19|20)\d\d)[\s.년/-]+(\d{1,2})[\s.월/-]+(\d{1,2})(?!\d)")
WITHIN = 0.1  # of its own size by which a document's quad may miss a text of it


def parts_of(event: Event, rows: list[dict[str, Any]]) -> list[Event]:
    """What a document's event says of each labelled text in it, as an event of that text; the event itself where there
    is none."""
    found = covered(event.quad, event.text, rows[event.frame])
    return [replace(event, track=1000 * event.track + key, text=said, quad=q) for key, q, said in found] or [event]


def covered(quad: Quad, text: str, row: dict[str, Any]) -> list[tuple[int, Quad, str]]:
    """(id, quad, what is said of it) of each labelled text whose middle lies in a document that reads as ``text``: the
    label itself where the document says it, else all that it says."""
    x0, y0, x1, y1 = bounding_boxes(np.array([quad], np.float64))[0]
    by_x, by_y = WITHIN * (x1 - x0), WITHIN * (y1 - y0)
    whole = fold(iso(text), True)
    out = []
    for key, label, polygon in zip(row["ids"], row["texts"], row["polygons"], strict=True):
        x, y = np.mean(polygon, axis=0)
        if x0 - by_x <= x <= x1 + by_x and y0 - by_y <= y <= y1 + by_y:
            a, b, c, d = polygon
            place: Quad = ((a[0], a[1]), (b[0], b[1]), (c[0], c[1]), (d[0], d[1]))
            out.append((key, place, label if fold(iso(label), True) in whole else text))
    return out


def iso(text: str) -> str:
    """Dates as a scanner tells them."""
    return DATE.sub(lambda m: f"{m[1]}-{int(m[2]):02d}-{int(m[3]):02d}", text)


def around(quads: Sequence[Quad]) -> Quad:
    """The level rectangle around some texts."""
    boxes = bounding_boxes(np.array(quads, np.float64))
    (x0, y0), (x1, y1) = boxes[:, :2].min(0).tolist(), boxes[:, 2:].max(0).tolist()
    return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))


# -- right and wrong, text by text ---------------------------------------------------------------------------------


def ever(rows: list[dict[str, Any]], notes: Sequence[tuple[int, Quad, str]], least: float, hard: bool) -> int:
    """How many of the texts that count were read right at least once, whatever came of it."""
    counted = {key: fold(text, hard) for key, text in readable(rows, least)[1].items()}
    right = set()
    for frame, quad, text in notes:
        key = at(quad, rows[frame])
        if key in counted and fold(text, hard) == counted[key]:
            right.add(key)
    return len(right)


def readable(rows: list[dict[str, Any]], least: float) -> tuple[dict[int, float], dict[int, str]]:
    """The texts that could be read for ``least`` seconds, by their ids: since when, in milliseconds, and the text."""
    pace = (rows[-1]["ms"] - rows[0]["ms"]) / max(len(rows) - 1, 1)
    times: dict[int, list[float]] = {}
    texts: dict[int, str] = {}
    for row in rows:
        for key, text, skip in zip(row["ids"], row["texts"], row["ignore"], strict=True):
            if not skip:
                times.setdefault(key, []).append(row["ms"])
                texts[key] = text
    counted = [key for key, when in times.items() if len(when) * pace >= 1000 * least - 1e-6]
    return {key: times[key][0] for key in counted}, {key: texts[key] for key in counted}


def judge(rows: list[dict[str, Any]], events: list[Event], least: float, hard: bool) -> dict[str, Any]:
    """What the events are worth, given the truth of each frame."""
    since, said_there = readable(rows, least)
    texts = {key: fold(text, hard) for key, text in said_there.items()}
    owner: dict[int, int] = {}  # the text that a track is, from its first event that overlaps one
    first: dict[int, float] = {}
    right: set[int] = set()
    wrong = spurious = flicker = stable = 0
    settled: set[int] = set()
    tracks: dict[int, set[int]] = {}
    for event in events:
        key = at(event.quad, rows[event.frame])
        if key is not None:
            owner.setdefault(event.track, key)
        key = owner.get(event.track)
        said = fold(event.text, hard)
        if event.event == "updated" and event.track in settled:
            flicker += 1
        if event.event == "stable":
            settled.add(event.track)
            stable += 1
        if event.event == "lost":
            continue
        if key is None:
            spurious += event.event == "stable"
        elif key in texts:
            if said == texts[key]:
                first.setdefault(key, event.ms - since[key])
                if event.track in settled:
                    right.add(key)
            wrong += event.event == "stable" and said != texts[key]
            if event.event == "stable":
                tracks.setdefault(key, set()).add(event.track)
    return {
        "texts": len(texts), "right": len(right), "wrong": wrong, "spurious": spurious, "stable": stable,
        "flicker": flicker, "first": [max(v, 0.0) for v in first.values()], "tracks": sum(map(len, tracks.values())),
        "tracked": len(tracks),
    }  # fmt: skip


def at(quad: Quad, row: dict[str, Any]) -> int | None:
    """The text that a quad overlaps most in its frame, if by a fifth of both."""
    if not row["polygons"]:
        return None
    iou = quad_iou_matrix(clean([quad]), clean(row["polygons"]))[0]
    best = int(iou.argmax())
    return int(row["ids"][best]) if iou[best] >= 0.2 else None


def summary(found: list[dict[str, Any]]) -> dict[str, Any]:
    def total(key: str) -> float:
        return float(sum(f[key] for f in found))

    def share(a: float, b: float) -> float:
        return round(a / b, 4) if b else 0.0

    cpu = np.concatenate([f["cpu"] for f in found])
    wall = np.concatenate([f["wall"] for f in found])
    first = np.concatenate([f["first"] for f in found])
    frames = len(cpu)
    return {
        "frames": frames,
        "texts": int(total("texts")),
        "right": share(total("right"), total("texts")),
        "right_fold": share(total("right_fold"), total("texts")),
        **{name: share(total(name), total("texts"))
           for name in ("read", "read_fold", "legible", "legible_fold") if name in found[0]},
        "wrong": share(total("wrong"), total("texts")),
        "spurious": share(total("spurious"), total("texts")),
        "flicker": share(total("flicker"), total("stable")),
        "tracks": share(total("tracks"), total("tracked")),
        "first_ms": {p: round(float(np.percentile(first, q)), 1) for p, q in (("p50", 50), ("p95", 95))}
        if len(first) else {},
        "cpu_ms": {"mean": round(float(cpu.mean()), 2), "p95": round(float(np.percentile(cpu, 95)), 2)},
        "fps": round(1000 / float(wall.mean()), 1),
        "detections": share(total("detections"), frames),
        "reads": share(total("reads"), frames),
    }


# -- time and memory -----------------------------------------------------------------------------------------------


def realtime(ocr: Reader, clips: list[Path]) -> dict[str, Any]:
    """The clips at their own pace: what is dropped, and how old frames are when they are taken."""
    ages: list[float] = []
    taken = dropped = 0
    for clip in clips:
        stream = Stream(ocr, ())
        with Capture(video_of(clip), live=True) as source:
            for frame in source:
                ages.append(1000 * (time.monotonic() - frame.timestamp))
                stream.process(frame, dropped=source.dropped)
                taken += 1
            dropped += source.dropped
        ages.pop()
    return {
        "frames": taken + dropped, "dropped": dropped,
        "age_ms": {n: round(float(np.percentile(ages, q)), 1) for n, q in (("p50", 50), ("p95", 95), ("max", 100))},
    }


def memory(ocr: Reader, clip: Path, count: int) -> dict[str, Any]:
    """Resident memory and threads over many frames of changing size."""
    stream = Stream(ocr, ())
    early: dict[str, float] = {}
    for k, frame in enumerate(sized(clip, count)):
        stream.process(frame)
        if k == count // 10:
            early = status()
    late = status()
    return {
        "frames": count, "rss_mib_early": early["rss"], "rss_mib_late": late["rss"],
        "grown_mib": round(late["rss"] - early["rss"], 2),
        "threads_early": int(early["threads"]), "threads_late": int(late["threads"]),
    }


def sized(clip: Path, count: int) -> Iterator[Frame]:
    """The frames of a clip over and over; every 25 of them are cut to another size."""
    with Capture(video_of(clip)) as source:
        images = [frame.image for frame in source][:100]
    h, w = images[0].shape[:2]
    sizes = [(h, w), (h * 3 // 4, w), (h, w * 3 // 4), (h * 2 // 3, w * 2 // 3)]
    for k in range(count):
        high, wide = sizes[k // 25 % len(sizes)]
        yield Frame(np.ascontiguousarray(images[k % len(images)][:high, :wide]), k / 30)


def status() -> dict[str, float]:
    """Resident memory in MiB and threads of this process (Linux)."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return {"rss": round(int(lines["VmRSS"].split()[0]) / 1024, 2), "threads": float(lines["Threads"])}


if __name__ == "__main__":
    sys.exit(main())
