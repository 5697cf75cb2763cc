"""``edge-ocr serve``: the HTTP server."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from edge_ocr.errors import InputError
from edge_ocr.serve import Settings, run

__all__ = ["DESCRIPTION", "EXAMPLES", "add_arguments", "serve"]

KEY = "EDGE_OCR_API_KEY"

DESCRIPTION = (
    "Serves detection, recognition and scanning over HTTP, to pictures that programs send and on a page to try it. "
    "Nothing is written to disk; the log holds nothing of pictures or of their text."
)
EXAMPLES = """\
examples:
  edge-ocr serve                                   http://127.0.0.1:8000, for this machine alone
  edge-ocr serve --host 0.0.0.0 --api-key-file key for others, who show the key
  curl -F image=@receipt.jpg http://127.0.0.1:8000/v1/read
  curl -F image=@car.jpg http://127.0.0.1:8000/v1/scan/plate

routes: POST /v1/read, /v1/detect, /v1/recognize, /v1/scan/{plate,idcard,mrz}; /compat/kakao and /compat/clova answer as
  these services do; GET / (a page), /openapi.json, /v1/models, /metrics (Prometheus), /healthz, /readyz. The key, if
  there is one: X-API-Key, or Authorization: Bearer.

One worker uses all processors, and batches the crops of all requests; more workers only pay where a single Python
process is the limit. Put a proxy that speaks TLS before it where the network is not yours.

exit status: 0 told to stop, 2 could not start
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of serve, but for languages, models and confidence."""
    usual = Settings()
    parser.add_argument("--host", default=usual.host, help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_whole, default=usual.port, metavar="N",
                        help="port to listen on, 0 for any (default: %(default)s)")
    parser.add_argument("--workers", type=_count, default=usual.workers, metavar="N",
                        help="processes, each with its own models (default: %(default)s)")
    parser.add_argument("--threads", type=_count, metavar="N",
                        help="threads that each worker computes with (default: the processors available, at most 4, "
                        "shared among the workers)")
    parser.add_argument("--queue", type=_count, default=usual.queue, metavar="N",
                        help="requests that a worker takes at a time; others are told to come again "
                        "(default: %(default)s)")
    parser.add_argument("--max-body", type=_count, default=usual.max_body >> 20, metavar="MIB",
                        help="largest request (default: %(default)s MiB)")
    parser.add_argument("--max-pixels", type=_count, default=usual.max_pixels // 1_000_000, metavar="MILLION",
                        help="largest picture (default: %(default)s million pixels)")
    parser.add_argument("--memory", type=_count, default=usual.memory >> 20, metavar="MIB",
                        help="for bodies and pictures at a time, in each worker (default: %(default)s MiB)")
    parser.add_argument("--time-limit", type=_seconds, default=usual.time_limit, metavar="S",
                        help="seconds for the work on a request (default: %(default)g)")
    parser.add_argument("--batch", type=_count, default=usual.batch, metavar="N",
                        help="crops, of all requests, in one run of a recognizer (default: %(default)s)")
    parser.add_argument("--batch-wait", type=float, default=usual.batch_wait * 1000, metavar="MS",
                        help="milliseconds that a crop may wait for others (default: %(default)g)")
    parser.add_argument("--api-key-file", metavar="FILE",
                        help=f"a file with the key that callers must show, 16 characters or more (default: ${KEY}, "
                        "or no key)")


def _whole(text: str) -> int:
    if text.isdecimal():
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a whole number, found {text!r}")


def _count(text: str) -> int:
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, found {text!r}")


def _seconds(text: str) -> float:
    try:
        if 0 < float(text) < float("inf"):
            return float(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"expected seconds above 0, found {text!r}")


def serve(options: argparse.Namespace) -> int:
    """Serves until it is told to stop; the exit status."""
    return run(Settings(
        host=options.host, port=options.port, languages=tuple(options.lang), models_dir=options.models,
        engine=options.engine, min_confidence=options.min_confidence, orientation=options.orientation,
        workers=options.workers, threads=options.threads, queue=options.queue,
        max_body=options.max_body << 20, max_pixels=options.max_pixels * 1_000_000, memory=options.memory << 20,
        time_limit=options.time_limit, batch=options.batch, batch_wait=options.batch_wait / 1000,
        api_key=_key(options.api_key_file),
    ))  # fmt: skip


def _key(path: str | None) -> str | None:
    if path is None:
        return os.environ.get(KEY) or None
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--api-key-file {path}: cannot be read: {error}") from error
