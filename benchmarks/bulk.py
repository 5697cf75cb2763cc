"""What a bulk run costs, part by part: reading, writing, finding, remembering. docs/billion.md is worked out from this.

    python -m benchmarks.bulk [PICTURE...] [--pictures N] [--workers N] [--names N]

CPU seconds rather than wall time where both are there: they mean the same on a busy machine. JSON on standard output.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pathlib
import platform
import random
import resource
import shutil
import sys
import tempfile
import time
import tracemalloc
from typing import Any

from edge_ocr.bulk import run
from edge_ocr.bulk.sources import find_tasks
from edge_ocr.bulk.store import Store
from edge_ocr.bulk.tasks import Row

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="*", default=[str(ROOT / "demo" / "sample.jpg")],
                        help="pictures to read, over and over (default: demo/sample.jpg)")
    parser.add_argument("--pictures", type=int, default=40, metavar="N", help="how many are read (default: 40)")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes (default: 2)")
    parser.add_argument("--names", type=int, default=50_000, metavar="N", help="file names to find (default: 50000)")
    options = parser.parse_args()
    before = pathlib.Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            rows, reading = measure_reading(options.picture, options.pictures, options.workers)
            result = {"reading": reading, "writing": measure_writing(rows), "finding": measure_finding(options.names),
                      "remembering": measure_remembering(rows[0])}
        finally:
            os.chdir(before)
    machine = f"{platform.machine()}, {os.cpu_count()} processors"
    print(json.dumps({"date": str(datetime.date.today()), "machine": machine, **result}, indent=1))


def measure_reading(pictures: list[str], count: int, workers: int) -> tuple[list[Row], dict[str, Any]]:
    """A local run over ``count`` copies; and one over a single picture, which is what starting costs."""
    sources = [pathlib.Path(p).resolve() for p in pictures]
    spent = []
    for name, number in (("one", workers), ("many", count)):
        os.mkdir(name)
        for n in range(number):
            source = sources[n % len(sources)]
            shutil.copy(source, f"{name}/{n:06}{source.suffix}")
        cpu, wall = _cpu(), time.perf_counter()
        summary = run([name], [f"{name}.jsonl"], workers=workers)
        spent.append((_cpu() - cpu, time.perf_counter() - wall, summary.rows))
        print(f"read {summary.rows} in {spent[-1][1]:.1f} s", file=sys.stderr)
    with open("many.jsonl", encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream]
    words = sum(len(row.get("words", ())) for row in rows) / len(rows)
    each = (spent[1][0] - spent[0][0]) / (spent[1][2] - spent[0][2])
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return rows, {
        "pictures": len(rows), "words_a_picture": round(words, 1), "workers": workers,
        "cpu_seconds_a_picture": round(each, 4),
        "cpu_seconds_to_start_a_worker": round(spent[0][0] / workers - each, 3),
        "wall_seconds": round(spent[1][1], 1), "worker_peak_mib": round(peak / 1024),
        "picture_bytes": round(sum(p.stat().st_size for p in sources) / len(sources)),
    }


def measure_writing(rows: list[Row]) -> dict[str, Any]:
    """Bytes and CPU of a part of 2,000 rows, as if of different pictures: the same words in other orders, at other
    places, with other confidences. Real text repeats itself more."""
    draw = random.Random(1)
    part = [{**_varied(rows[n % len(rows)], draw), "image": f"scans/{n // 1000:06}/{n:09}.jpg"} for n in range(2000)]
    result: dict[str, Any] = {}
    for ending in ("parquet", "jsonl"):
        path = pathlib.Path(f"part.{ending}")
        start = time.process_time()
        Store.write_part(path, part)
        result[f"{ending}_cpu_us_a_row"] = round((time.process_time() - start) / len(part) * 1e6, 1)
        result[f"{ending}_bytes_a_row"] = round(path.stat().st_size / len(part))
    return result


def _varied(row: Row, draw: random.Random) -> Row:
    def shift(quad: list[list[float]]) -> list[list[float]]:
        return [[round(v + draw.uniform(-50, 50), 2) for v in point] for point in quad]

    if "error" in row:
        return {**row, "id": draw.randbytes(16).hex()}
    words = [
        {**w, "quad": shift(w["quad"]), "confidence": round(draw.random(), 4),
         "characters": [{**c, "confidence": round(draw.random(), 4)} for c in w["characters"]]}
        for w in draw.sample(row["words"], len(row["words"]))
    ]
    lines = [{**x, "quad": shift(x["quad"]), "confidence": round(draw.random(), 4),
              "text": " ".join(words[i]["text"] for i in x["words"])} for x in row["lines"]]
    return {**row, "id": draw.randbytes(16).hex(), "words": words, "lines": lines}


def measure_finding(count: int) -> dict[str, Any]:
    """CPU to list file names, a thousand in a folder, and make tasks of them."""
    for n in range(count):
        if n % 1000 == 0:
            os.makedirs(f"names/{n // 1000:05}")
        with open(f"names/{n // 1000:05}/{n:09}.jpg", "wb"):
            pass
    start = time.process_time()
    found = sum(len(task.id) == 16 for task in find_tasks(["names"]))
    return {"names": found, "cpu_us_a_name": round((time.process_time() - start) / found * 1e6, 2)}


def measure_remembering(row: Row) -> dict[str, Any]:
    """Memory and CPU of the ids that a resumed run holds."""
    count = 100_000
    rows = [{"id": os.urandom(16).hex(), "image": "x", "error": "x"} for _ in range(count)]
    Store.write_part(pathlib.Path("ids.parquet"), rows)
    del rows
    start = time.process_time()
    tracemalloc.start()
    kept = frozenset(Store.ids_of(pathlib.Path("ids.parquet")))
    memory = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    traced = time.process_time() - start
    start = time.process_time()
    again = frozenset(Store.ids_of(pathlib.Path("ids.parquet")))
    spent = min(traced, time.process_time() - start)
    assert len(kept) == len(again) == count
    return {"ids": count, "bytes_an_id": round(memory / count), "cpu_us_an_id": round(spent / count * 1e6, 2)}


def _cpu() -> float:
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in usage)


if __name__ == "__main__":
    main()
