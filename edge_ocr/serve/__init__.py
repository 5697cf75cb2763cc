"""The HTTP server: ``edge-ocr serve``, or ``make_app`` for another ASGI server. Needs the extra ``[serve]``.

A request's way: ``guard`` (key, headers, log) -> ``app`` (routes) -> ``body`` (its pictures) -> ``service``, which
passes it through a pool of detection threads and one of recognition threads; the runs of the recognizers' networks are
shared among requests by ``batch``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_ocr.errors import EngineError
from edge_ocr.serve.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["Settings", "make_app", "run"]


def make_app(settings: Settings) -> FastAPI:
    """The ASGI application. Its models load when it starts up; where they cannot be used, this raises ModelError."""
    _need()
    from edge_ocr.serve.app import build

    return build(settings)


def run(settings: Settings) -> int:
    """Serves until it is told to stop (SIGINT, SIGTERM), then finishes what it took; the exit status."""
    _need()
    from edge_ocr.serve.run import run as run_server

    return run_server(settings)


def _need() -> None:
    try:
        import fastapi  # noqa: F401
        import python_multipart  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise EngineError(f"the server needs more packages ({error}): pip install 'edge-ocr[serve]'") from error
