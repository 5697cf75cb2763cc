"""What a server is told: one frozen dataclass, sent as it is to worker processes."""

from __future__ import annotations

import os
from dataclasses import dataclass

from edge_ocr.errors import InputError

__all__ = ["Settings"]

_MIB = 1 << 20


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Settings:
    """``threads``: how many threads each worker process computes with, None: the processors available, at most 4,
    shared among the workers.

    Limits, each for one worker process: ``queue`` requests taken at a time; ``max_body`` bytes of a request,
    ``max_pixels`` of a picture, ``max_crops`` of /v1/recognize; ``memory`` bytes of bodies and pictures held at a time;
    seconds: ``time_limit`` for the work on a request, ``receive_limit`` until its headers, and then its body, have
    arrived, ``send_limit`` until an answer is taken; ``connections`` at a time.

    ``engine``, ``min_confidence`` and ``orientation`` are as for ``OCR``. Up to ``batch`` crops of any requests go
    through a recognizer's network at once; the first waits at most ``batch_wait`` seconds for others that are about to
    come. ``api_key``: None lets everyone in.

    Raises InputError for what cannot be.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    languages: tuple[str, ...] = ("ko", "en")
    models_dir: str | None = None
    engine: str = "onnx"
    min_confidence: float | None = None
    orientation: str = "auto"
    workers: int = 1
    threads: int | None = None
    queue: int = 64
    max_body: int = 16 * _MIB
    max_pixels: int = 50_000_000
    max_crops: int = 64
    memory: int = 512 * _MIB
    time_limit: float = 30.0
    receive_limit: float = 10.0
    send_limit: float = 10.0
    connections: int = 512
    batch: int = 16
    batch_wait: float = 0.003
    api_key: str | None = None

    def __post_init__(self) -> None:
        for name in ("workers", "queue", "max_body", "max_pixels", "max_crops", "memory", "connections", "batch"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: expected a whole number of at least 1, found {getattr(self, name)!r}")
        if self.threads is not None and self.threads < 1:
            raise InputError(f"threads: expected a whole number of at least 1, or None, found {self.threads!r}")
        if not 0 <= self.port <= 65535:
            raise InputError(f"port: expected 0..65535, found {self.port!r}")
        for name in ("time_limit", "receive_limit", "send_limit"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name}: expected seconds above 0, found {getattr(self, name)!r}")
        if not 0 <= self.batch_wait <= 1:
            raise InputError(f"batch_wait: expected seconds in 0..1, found {self.batch_wait!r}")
        if self.api_key is not None and (len(self.api_key) < 16 or not self.api_key.isascii()):
            raise InputError("api_key: expected at least 16 ASCII characters")

    @property
    def computing(self) -> int:
        """How many threads a worker computes with."""
        return self.threads if self.threads is not None else max(1, min(_processors(), 4) // self.workers)
