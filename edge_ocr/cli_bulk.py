"""``edge-ocr bulk``: many pictures into Parquet or JSON lines, stopped and resumed at any moment."""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator

__all__ = ["DESCRIPTION", "EXAMPLES", "add_arguments", "bulk"]

DESCRIPTION = (
    "Reads many pictures: folders, archives, lists, videos. A picture that cannot be read is a row with its error; one "
    "that crashes a decoder or takes for ever costs no more than that row. It may be stopped at any moment, by Ctrl-C, "
    "kill -9 or a power cut: with --resume it goes on, and every picture is in the results exactly once."
)
EXAMPLES = """\
examples:
  edge-ocr bulk scans/ --out results.parquet                   as many processes as processors
  edge-ocr bulk scans/ --out results.parquet --resume          goes on, or adds what is new in scans/
  edge-ocr bulk a.zip b.tar.gz 'c/**/*.jpg' --out r.jsonl      JSON lines: as edge-ocr read --json, and an id
  edge-ocr bulk list.txt --out r.parquet --out r.jsonl         a path a line; both kinds of results
  edge-ocr bulk walk.mp4 --every 60 --out walk.jsonl           every 60th frame
  edge-ocr bulk /data --out /shared/results/ --engine ray --ray-address auto
  edge-ocr bulk /data --out part3/ --shard 3/64                the third of 64 runs that share the work

results: one row a picture: id, image (path, archive!member or video#frame), width, height, text, words and lines with
  confidences and quads, rotation and mirrored (what sets it upright), ms, and error, null where it was read. An --out
  that ends in .parquet or .jsonl is one file, there when all is done; while it runs, and when it was stopped, its parts
  are in <out>.parts/. Any other --out is a folder of Parquet parts, which pyarrow, DuckDB and Spark read as one table.

archives: .zip .cbz .tar .tar.gz .tgz .tar.bz2 .tar.xz, nothing is unpacked to disk; archives inside archives are not
  opened. A member of more than 256 MiB, and an archive that unpacks to more than 1 GiB and 200 times its size, are
  errors.

exit status: 0 all read, 1 some could not be read, 2 nothing could be started, 130 or 143 stopped
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``bulk`` alone has."""
    parser.add_argument("sources", nargs="+", metavar="SOURCE",
                        help="picture, folder, glob, archive, video, or list: a .txt file with a path a line")
    parser.add_argument("--out", action="append", required=True, metavar="PATH",
                        help="results: a .parquet file (needs the extra [bulk]), a .jsonl file, or a folder of "
                             "Parquet; may be given more than once")
    parser.add_argument("--resume", action="store_true", help="go on with an --out that is there already")
    parser.add_argument("--engine", choices=("local", "ray"), default="local",
                        help="local: processes on this machine (default); ray: a Ray cluster (needs the extra [ray])")
    parser.add_argument("--runtime", choices=("onnx", "tflite"), default="onnx",
                        help="what runs the models; tflite needs pip install 'edge-ocr[tflite]' (default: onnx)")
    parser.add_argument("--workers", type=_count, default=None, metavar="N",
                        help="processes, each with its own models (default: as many as there are processors)")
    parser.add_argument("--ray-address", metavar="ADDRESS", default=None,
                        help="with ray: the cluster, auto or HOST:6379 (default: one for this run, on this machine)")
    parser.add_argument("--every", type=_count, default=30, metavar="N",
                        help="of videos, every Nth frame (default: 30)")
    parser.add_argument("--timeout", type=_seconds, default=120.0, metavar="S",
                        help="seconds after which a picture is given up (default: 120)")
    parser.add_argument("--save-every", type=_seconds, default=30.0, metavar="S",
                        help="seconds of work that a crash may cost: they are done again (default: 30)")
    parser.add_argument("--shard", type=_shard, default=(1, 1), metavar="I/N",
                        help="do the Ith of N shares of the pictures, for runs that share the work (default: 1/1)")
    parser.add_argument("--threads", type=_count, default=1, metavar="N", help="threads of each process (default: 1)")


def bulk(options: argparse.Namespace) -> int:
    """Runs it and gives the exit status."""
    from edge_ocr.bulk import run

    with _progress() as progress:
        summary = run(
            options.sources, options.out, resume=options.resume, engine=options.engine, languages=options.lang,
            min_confidence=options.min_confidence, models_dir=options.models, runtime=options.runtime,
            mask=options.mask, workers=options.workers, threads=options.threads, every=options.every,
            timeout=options.timeout, shard=options.shard, save_seconds=options.save_every,
            ray_address=options.ray_address, progress=progress,
        )
    told = f"{summary.rows} read, {summary.errors} of them with errors"
    if summary.before:
        told += f", {summary.before} done before"
    if summary.signal:
        _say(f"stopped: {told}; --resume goes on from there")
        return 128 + summary.signal
    _say(f"{told}; {summary.total} rows in {' and '.join(options.out)}")
    return 1 if summary.errors else 0


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, int, bool, int], None]]:
    """A bar on a terminal, elsewhere a line every half minute."""
    if not sys.stderr.isatty():
        start = told = time.monotonic()

        def line(done: int, found: int, all_found: bool, errors: int) -> None:
            nonlocal told
            now = time.monotonic()
            if now - told >= 30:
                told = now
                left = f", about {_minutes((now - start) / done * (found - done))} left" if all_found else ""
                _say(f"{done} of {found}{'' if all_found else ' or more'}, {errors} errors{left}")

        yield line
        return
    from edge_ocr.bulk.job import progress_bar

    with progress_bar() as bar:

        def update(done: int, found: int, all_found: bool, errors: int) -> None:
            # while more is being found, there is no end to estimate
            bar.total = found if all_found else None
            if errors:
                bar.set_postfix(errors=errors, refresh=False)
            bar.update(done - bar.n)

        yield update


def _minutes(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _say(message: str) -> None:
    print(f"edge-ocr: {message}", file=sys.stderr, flush=True)


def _count(text: str) -> int:
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, found {text!r}")


def _seconds(text: str) -> float:
    with contextlib.suppress(ValueError):
        if math.isfinite(float(text)) and float(text) > 0:
            return float(text)
    raise argparse.ArgumentTypeError(f"expected a number of seconds above 0, found {text!r}")


def _shard(text: str) -> tuple[int, int]:
    number, slash, of = text.partition("/")
    if slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of):
        return int(number), int(of)
    raise argparse.ArgumentTypeError(f"expected a share such as 3/64, found {text!r}")
