"""Counters of all worker processes, as Prometheus reads them (text format 0.0.4).

The series are known from the start, so all of them are numbers in one array, which processes can share: each worker
adds to a row of its own, and whichever is asked sums the rows.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, MutableSequence, Sequence

__all__ = ["ROUTES", "STAGES", "STATUSES", "Metrics"]

ROUTES = (
    "read", "detect", "recognize", "scan/plate", "scan/idcard", "scan/mrz", "compat/kakao", "compat/clova", "other",
)  # fmt: skip
STATUSES = (200, 400, 401, 404, 405, 408, 413, 415, 422, 499, 500, 501, 503)
STAGES = ("detect", "recognize")
_SECONDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ROWS = (1, 2, 4, 8, 16, 32)
_GAUGES = ("in_flight", "waiting_detect", "waiting_recognize", "bytes_held")
_HELP = {
    "requests": ("counter", "Requests answered, by route and status (499: the caller left)."),
    "request_seconds": ("histogram", "From the request's headers to its answer, for pictures that were read."),
    "stage_seconds": ("histogram", "From taking up a stage, its queue included, to its end."),
    "batch_rows": ("histogram", "Crops in one run of a recognizer's network."),
    "in_flight": ("gauge", "Requests that are being worked on, those that wait included."),
    "waiting_detect": ("gauge", "Pictures that wait for detection."),
    "waiting_recognize": ("gauge", "Pictures that wait for recognition."),
    "bytes_held": ("gauge", "Bytes of bodies and pictures that are held."),
    "workers": ("gauge", "Worker processes."),
}


class Metrics:
    """The counters of worker ``row`` of ``rows``; ``array`` holds ``rows * Metrics.size()`` floats, None: one's own."""

    def __init__(self, array: MutableSequence[float] | None = None, *, row: int = 0, rows: int = 1) -> None:
        self._index = {series: k for k, series in enumerate(_series())}
        self._array: MutableSequence[float] = array if array is not None else [0.0] * (rows * len(self._index))
        self._rows, self._base = rows, row * len(self._index)
        self._lock = threading.Lock()
        self._gauges: dict[str, Callable[[], float]] = {}

    @staticmethod
    def size() -> int:
        """Floats a row."""
        return len(_series())

    def add(self, name: str, *labels: str, value: float = 1.0) -> None:
        """Adds to a counter."""
        with self._lock:
            self._array[self._place(name, *labels)] += value

    def observe(self, name: str, *labels: str, value: float) -> None:
        """Adds to a histogram."""
        limits = _ROWS if name == "batch_rows" else _SECONDS
        at = next((str(limit) for limit in limits if value <= limit), "+Inf")
        with self._lock:
            self._array[self._place(name, *labels, at)] += 1
            self._array[self._place(name, *labels, "sum")] += value

    def request(self, route: str, status: int, seconds: float) -> None:
        """Counts an answer."""
        self.add("requests", route, str(status if status in STATUSES else 500))
        if status == 200 and route != "other":
            self.observe("request_seconds", route, value=seconds)

    def gauge(self, name: str, value: Callable[[], float]) -> None:
        """Says where the value of a gauge of this worker comes from; it is asked once a second."""
        self._gauges[name] = value

    def sample(self) -> None:
        """Writes this worker's gauges down, for whichever is asked."""
        for name, value in self._gauges.items():
            self._array[self._place(name)] = value()
        self._array[self._place("resident_bytes")] = _resident()
        self._array[self._place("cpu_seconds")] = time.process_time()

    def total(self, name: str, *labels: str) -> float:
        """The sum over all workers."""
        first, width = self._place(name, *labels) - self._base, len(self._index)
        return sum(self._array[row * width + first] for row in range(self._rows))

    def _place(self, *series: str) -> int:
        return self._base + self._index[series]

    def render(self) -> str:
        """All of it in Prometheus's text format."""
        self.sample()
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield from _head("requests", "edge_ocr_requests_total")
        for route in ROUTES:
            for status in STATUSES:
                count = self.total("requests", route, str(status))
                if count:
                    yield f'edge_ocr_requests_total{{route="{route}",status="{status}"}} {count:g}'
        yield from self._histogram("request_seconds", "route", [r for r in ROUTES if r != "other"], _SECONDS)
        yield from self._histogram("stage_seconds", "stage", STAGES, _SECONDS)
        yield from self._histogram("batch_rows", "", ("",), _ROWS)
        for name in _GAUGES:
            yield from _head(name, f"edge_ocr_{name}")
            yield f"edge_ocr_{name} {self.total(name):g}"
        yield from _head("workers", "edge_ocr_workers")
        yield f"edge_ocr_workers {self._rows}"
        yield "# HELP process_resident_memory_bytes Memory of all workers."
        yield "# TYPE process_resident_memory_bytes gauge"
        yield f"process_resident_memory_bytes {self.total('resident_bytes'):.0f}"
        yield "# HELP process_cpu_seconds_total CPU time of all workers."
        yield "# TYPE process_cpu_seconds_total counter"
        yield f"process_cpu_seconds_total {self.total('cpu_seconds'):.3f}"

    def _histogram(self, name: str, label: str, values: Sequence[str], limits: Sequence[float]) -> Iterator[str]:
        yield from _head(name, f"edge_ocr_{name}")
        for value in values:
            labels = (value,) if label else ()
            tag = f'{label}="{value}"' if label else ""
            counts = [self.total(name, *labels, str(limit)) for limit in limits]
            every = sum(counts) + self.total(name, *labels, "+Inf")
            if not every:
                continue
            seen = 0.0
            for limit, count in zip((*limits, "+Inf"), (*counts, every - sum(counts)), strict=True):
                seen += count
                comma = "," if tag else ""
                yield f'edge_ocr_{name}_bucket{{{tag}{comma}le="{limit}"}} {seen:g}'
            braces = f"{{{tag}}}" if tag else ""
            yield f"edge_ocr_{name}_sum{braces} {self.total(name, *labels, 'sum'):.6g}"
            yield f"edge_ocr_{name}_count{braces} {every:g}"


def _head(name: str, full: str) -> tuple[str, str]:
    kind, text = _HELP[name]
    return f"# HELP {full} {text}", f"# TYPE {full} {kind}"


def _series() -> list[tuple[str, ...]]:
    out: list[tuple[str, ...]] = [("requests", route, str(status)) for route in ROUTES for status in STATUSES]
    for name, labels, limits in (
        ("request_seconds", ROUTES, _SECONDS), ("stage_seconds", STAGES, _SECONDS), ("batch_rows", (), _ROWS),
    ):  # fmt: skip
        every: list[tuple[str, ...]] = [(name, label) for label in labels] or [(name,)]
        for series in every:
            out += [(*series, str(limit)) for limit in limits] + [(*series, "+Inf"), (*series, "sum")]
    return out + [(name,) for name in (*_GAUGES, "resident_bytes", "cpu_seconds")]


def _resident() -> float:
    """Bytes of memory that this process has; 0 where the system does not say."""
    if not sys.platform.startswith("linux"):
        return 0.0
    with open("/proc/self/statm", encoding="ascii") as stream:
        return float(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
