#!/usr/bin/env python3
"""The server under load, over loopback: throughput, latency, CPU and memory; and side by side with others.

    python -m benchmarks.load                                    4 callers, then Poisson arrivals at 70 % of that
    python -m benchmarks.load --batching                         crops of all requests together, against one a call
    python -m benchmarks.load --models A --models B              two sets of models, such as two generations; beside
                                                                 what attention was said to gain over an LSTM
    python -m benchmarks.load --what recognize ...               ten crops a request instead of a frame
    python -m benchmarks.load --peer-python PEER/bin/python      beside a server of the same shape around RapidOCR
    python -m benchmarks.load --soak 10                          minutes of good, bad and hostile requests, mixed

Servers run in processes of their own. Those that are compared all run throughout, and are asked in turns of some
seconds, so that whatever else the machine does meets them alike; CPU time, which other work disturbs least, is read
from /proc.
Frames are drawn, always alike: 640×480, ten words. Nothing but loopback is used, and every run has an end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import random
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.speed import frame, word_quads

__all__ = ["Server", "Tally", "callers", "main", "poisson", "soak"]

_ROOT = Path(__file__).resolve().parent.parent
_TICK = os.sysconf("SC_CLK_TCK")
# What attention gained over the LSTM behind the API, as the system was described: share by which a figure changes.
_CLAIMS = {"requests_per_s": "+27 %", "p50_ms": "−21 %", "cpu_ms_per_request": "−50 %"}
_KEPT = 4.0  # seconds that an idle connection is used again: servers close them, uvicorn after 5 as it comes
_TIMEOUT = 600.0  # of an answer: on a busy machine, so that no request is given up that others would wait for


# -- requests and answers ----------------------------------------------------------------------------------------------


def form(content: bytes, *, path: str = "/v1/read?characters=false", field_name: str = "image") -> bytes:
    """A whole request with one picture."""
    body = f'--x\r\nContent-Disposition: form-data; name="{field_name}"; filename="a"\r\n\r\n'.encode() + content
    return post(body + b"\r\n--x--\r\n", "multipart/form-data; boundary=x", path=path)


def post(body: bytes, kind: str, *, path: str = "/v1/read") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: load\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def ten_words(seed: int = 0, *, spread: bool = False) -> bytes:
    """The frame as JPEG, 640×480: three lines of three words and one of one, or, ``spread``, ten words apart."""
    if spread:
        lines = frame(10, (480, 640))
        image = frame(0, (480, 640)).copy()
        for k, quad in enumerate(word_quads(10, (480, 640))[::3].astype(int)):
            # the first word of each line, in two columns
            (left, top), (right, bottom) = quad[0] - 3, quad[2] + 3
            y, x = 30 + 88 * (k // 2), 40 + 310 * (k % 2)
            image[y : y + bottom - top, x : x + right - left] = lines[top:bottom, left:right]
    else:
        image = frame(3, (480, 640)).copy()
        more = frame(1, (480, 640))
        image[400:470, :200] = more[20:90, :200]
    noise = np.random.default_rng(seed).normal(0, 1.5, image.shape)
    image = np.clip(image + noise, 0, 255).astype(np.uint8)
    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())


def ten_crops() -> bytes:
    """A whole request of /v1/recognize with the words of the spread frame, upright crops as PNG."""
    lines = frame(10, (480, 640))
    body = b""
    for quad in word_quads(10, (480, 640))[::3].astype(int):
        (left, top), (right, bottom) = quad[0] - 2, quad[2] + 2
        content = cv2.imencode(".png", lines[max(top, 0) : bottom, max(left, 0) : right])[1].tobytes()
        body += b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + content + b"\r\n"
    return post(body + b"--x--\r\n", "multipart/form-data; boundary=x", path="/v1/recognize?characters=false")


class Connection:
    """HTTP/1.1 with as little work of its own as will do: it shares the machine with what it measures."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used = 0.0

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body. Raises OSError, asyncio.IncompleteReadError where the server hangs up."""
        if time.monotonic() - self._used > _KEPT:
            self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        try:
            writer.write(request)
            await writer.drain()
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _TIMEOUT)
            low = head.lower()
            at = low.index(b"content-length:") + 15
            body = await reader.readexactly(int(low[at : low.index(b"\r\n", at)]))
        except BaseException:
            self.close()
            raise
        self._used = time.monotonic()
        if b"connection: close" in low:
            self.close()
        return int(head[9:12]), body

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


# -- servers -----------------------------------------------------------------------------------------------------------


class Server:
    """A server process on a port of its own."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.name = name
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(_ROOT)}
        self._process = subprocess.Popen(
            [*command, "--port", str(self.port)], stderr=subprocess.PIPE, text=True, env=environment, cwd=_ROOT
        )

    @classmethod
    def ours(cls, name: str, *options: str) -> Server:
        usual = ["--queue", "64", "--time-limit", "600"]
        return cls(name, [sys.executable, "-m", "edge_ocr.cli", "serve", *usual, *options])

    @classmethod
    def rapid(cls, python: str, threads: int) -> Server:
        return cls("rapidocr", [python, str(_ROOT / "benchmarks" / "rapid_server.py"), "--threads", str(threads)])

    async def ready(self, seconds: float = 300) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._process.poll() is not None:
                told = self._process.stderr.read() if self._process.stderr else ""
                raise RuntimeError(f"{self.name} ended: {told[-2000:]}")
            try:
                status, _ = await Connection(self.port).ask(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
                if status == 200:
                    # what it says from here on is not read: let it never block
                    asyncio.get_running_loop().run_in_executor(None, self._listen)
                    return
            except (OSError, asyncio.IncompleteReadError):
                pass
            await asyncio.sleep(0.2)
        raise RuntimeError(f"{self.name} was not ready within {seconds:g} s")

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for _ in self._process.stderr:
            pass

    def cpu(self) -> float:
        """Seconds of CPU time so far, its worker processes' included."""
        ticks = 0
        for process in self._processes():
            with contextlib.suppress(OSError):  # it has ended meanwhile
                fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return ticks / _TICK

    def memory(self) -> float:
        """MiB that it holds, its worker processes included."""
        pages = 0
        for process in self._processes():
            with contextlib.suppress(OSError):
                pages += int(Path(f"/proc/{process}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)

    def _processes(self) -> list[int]:
        """The process, and those that it and its children have started."""
        found = [self._process.pid]
        for process in found:  # grows on the way
            for listed in Path(f"/proc/{process}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    found += map(int, listed.read_text().split())
        return found

    async def rows(self) -> tuple[float, float]:
        """Crops so far, and the runs that they came in; of ours."""
        _, body = await Connection(self.port).ask(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        told = dict(line.rsplit(" ", 1) for line in body.decode().splitlines() if not line.startswith("#"))
        return float(told.get("edge_ocr_batch_rows_sum", 0)), float(told.get("edge_ocr_batch_rows_count", 0))

    def stop(self) -> int:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=120)


# -- load --------------------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What was measured of one server, in several turns."""

    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0
    cpu: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    words: int = 0
    peak: float = 0.0
    turns: list[tuple[int, float, float]] = field(default_factory=list)

    def report(self) -> dict[str, Any]:
        done = len(self.latencies)
        out: dict[str, Any] = {
            "requests": done, "statuses": {str(k): v for k, v in sorted(self.statuses.items())},
            "requests_per_s": round(done / max(self.seconds, 1e-9), 2),
            "cpu_ms_per_request": round(1000 * self.cpu / max(done, 1), 1),
            "words_per_request": round(self.words / max(done, 1), 1), "memory_mib": round(self.peak, 1),
        }  # fmt: skip
        for share in (50, 95, 99):
            out[f"p{share}_ms"] = round(1000 * float(np.percentile(self.latencies, share)), 1) if done else None
        return out


async def _one(connection: Connection, request: bytes, tally: Tally, start: float) -> None:
    try:
        status, body = await connection.ask(request)
    except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
        tally.statuses[0] += 1
        return
    tally.statuses[status] += 1
    if status == 200:
        tally.latencies.append(time.perf_counter() - start)
        tally.words += len(json.loads(body)["words"])


async def callers(server: Server, requests: Sequence[bytes], tally: Tally, *, count: int, seconds: float) -> None:
    """``count`` callers who ask again as soon as they are answered, for so many seconds."""
    end = time.perf_counter() + seconds
    before, start, cpu = len(tally.latencies), time.perf_counter(), server.cpu()

    async def call(k: int) -> None:
        connection = Connection(server.port)
        while time.perf_counter() < end:
            await _one(connection, requests[k % len(requests)], tally, time.perf_counter())
            k += count
        connection.close()

    await asyncio.gather(*(call(k) for k in range(count)))
    _close_turn(server, tally, before, start, cpu)


async def poisson(server: Server, requests: Sequence[bytes], tally: Tally, *, rate: float, seconds: float) -> None:
    """Requests that come by chance, ``rate`` a second, whatever became of those before: as many as that makes, for by
    chance a short run might get a third more, at times evenly spread, which is what a Poisson process is, given its
    number."""
    chance = random.Random(7)
    before, start, cpu = len(tally.latencies), time.perf_counter(), server.cpu()
    idle: list[Connection] = []
    tasks: list[asyncio.Task[None]] = []

    async def call(due: float, request: bytes) -> None:
        connection = idle.pop() if idle else Connection(server.port)
        await _one(connection, request, tally, due)
        idle.append(connection)

    for k, at in enumerate(sorted(chance.uniform(0, seconds) for _ in range(max(1, round(rate * seconds))))):
        due = start + at
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(call(due, requests[k % len(requests)])))
    await asyncio.gather(*tasks)
    for connection in idle:
        connection.close()
    _close_turn(server, tally, before, start, cpu)


def _close_turn(server: Server, tally: Tally, before: int, start: float, cpu: float) -> None:
    spent, done = time.perf_counter() - start, len(tally.latencies) - before
    used = server.cpu() - cpu
    tally.seconds += spent
    tally.cpu += used
    tally.peak = max(tally.peak, server.memory())
    tally.turns.append((done, spent, used))


async def side_by_side(
    servers: Sequence[Server], requests: Sequence[bytes], *, count: int, seconds: float, turns: int
) -> dict[str, Tally]:
    """All servers in turns of ``seconds`` each."""
    tallies = {server.name: Tally() for server in servers}
    for server in servers:  # warm
        await callers(server, requests, Tally(), count=count, seconds=min(seconds, 4))
    for turn in range(turns):
        order = servers if turn % 2 == 0 else list(reversed(servers))
        for server in order:
            await callers(server, requests, tallies[server.name], count=count, seconds=seconds)
    return tallies


async def unloaded(server: Server, requests: Sequence[bytes], *, seconds: float) -> Tally:
    """One caller."""
    tally = Tally()
    await callers(server, requests, tally, count=1, seconds=seconds)
    return tally


# -- soak --------------------------------------------------------------------------------------------------------------


def _bomb() -> bytes:
    """A PNG of 60 kB that promises 50,000×50,000 pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    packed = zlib.compress(bytes(60_000_000), 9)[:60_000]
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def hostile() -> list[tuple[bytes, tuple[int, ...]]]:
    """Requests, and the statuses that are right for them."""
    good = ten_words()
    return [
        (form(_bomb()), (413,)),
        (form(good[: len(good) // 2]), (422,)),
        (form(b"GIF89a" + bytes(500)), (422,)),
        (form(bytes(20 << 20)), (413,)),
        (post(b"[" * 200_000, "application/json"), (400,)),
        (post(b'{"image": "' + b"A" * 100_001 + b'"}', "application/json"), (422,)),
        (post(b"--x\r\n" * 5000, "multipart/form-data; boundary=x"), (400,)),
        (post(b"", "text/plain"), (415,)),
        (form(b"P6 60000 60000 255\n" + bytes(1000)), (413, 422)),
    ]  # fmt: skip


async def soak(server: Server, *, minutes: float, count: int = 4, share: float = 0.05) -> dict[str, Any]:
    """``count`` callers with good requests, ``share`` of them hostile, and one who leaves early, is slow, or says
    nothing. Every answer is checked: good ones against what was read first."""
    good = [ten_words(seed) for seed in range(4)]
    connection = Connection(server.port)
    want: list[list[str]] = []
    for content in good:
        status, body = await connection.ask(form(content))
        assert status == 200
        want.append([word["text"] for word in json.loads(body)["words"]])
    bad = hostile()
    end = time.monotonic() + 60 * minutes
    counts: Counter[str] = Counter()
    memory: list[tuple[float, float]] = []

    async def call(seed: int) -> None:
        chance, mine = random.Random(seed), Connection(server.port)
        while time.monotonic() < end:
            if chance.random() < share:
                request, right = chance.choice(bad)
                try:
                    status, _ = await mine.ask(request)
                    counts["hostile, refused" if status in right else f"hostile, wrong: {status}"] += 1
                except (OSError, asyncio.IncompleteReadError):
                    counts["hostile, cut"] += 1
                continue
            k = chance.randrange(len(good))
            try:
                status, body = await mine.ask(form(good[k]))
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
                counts["good, lost"] += 1
                continue
            if status == 200:
                same = [word["text"] for word in json.loads(body)["words"]] == want[k]
                counts["good, right" if same else "good, wrong"] += 1
            else:
                counts["good, told to come again" if status == 503 else f"good, lost: {status}"] += 1
        mine.close()

    async def nuisance() -> None:
        chance = random.Random(99)
        while time.monotonic() < end:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(chance.choice([b"", b"POST /v1/read HTTP/1.1\r\nHos", form(good[0])[:3000], form(good[0])]))
            await asyncio.sleep(chance.random() * 2)
            writer.close()
            counts["left early"] += 1

    async def watch() -> None:
        start = time.monotonic()
        while time.monotonic() < end:
            memory.append((time.monotonic() - start, server.memory()))
            await asyncio.sleep(2)

    await asyncio.gather(*(call(k) for k in range(count)), nuisance(), watch())
    status, body = await connection.ask(form(good[0]))
    connection.close()
    alive = status == 200 and [w["text"] for w in json.loads(body)["words"]] == want[0]
    # warm-up: the first third
    later = [mib for at, mib in memory if at > 20 * minutes]
    return {
        "minutes": minutes, "counts": dict(sorted(counts.items())), "alive_afterwards": alive,
        "memory_mib": {
            "after_warm_up": round(later[0], 1), "least": round(min(later), 1), "most": round(max(later), 1),
            "at_the_end": round(later[-1], 1),
        },
        "memory_course_mib": [round(mib, 1) for _, mib in memory[:: max(1, len(memory) // 20)]],
    }  # fmt: skip


# -- the command -------------------------------------------------------------------------------------------------------


async def measure(a: argparse.Namespace) -> dict[str, Any]:
    if a.what == "read":
        requests = [form(ten_words(seed, spread=a.spread)) for seed in range(4)]
    else:
        requests = [ten_crops()]
    threads = ("--threads", str(a.threads), *a.serve)
    report: dict[str, Any] = {}
    servers: list[Server] = []
    try:
        if a.soak:
            servers.append(Server.ours("edge_ocr", *threads))
            await servers[0].ready()
            return {"soak": await soak(servers[0], minutes=a.soak)}
        if a.batching:
            together = Server.ours("together", *threads)
            alone = Server.ours("one a call", *threads, "--batch", "1", "--batch-wait", "0")
            servers += [together, alone]
            count = a.callers or 8
        else:
            sets = a.models or [None]
            for folder in sets:
                name = "edge_ocr" if folder is None else Path(folder).name
                options = () if folder is None else ("--models", str(Path(folder).resolve()))
                servers.append(Server.ours(name, *threads, *options))
            if a.peer_python:
                servers.append(Server.rapid(a.peer_python, a.threads))
            count = a.callers or 4
        for server in servers:
            await server.ready()
        ours = [server for server in servers if server.name != "rapidocr"]
        before = [await server.rows() for server in ours]
        tallies = await side_by_side(servers, requests, count=count, seconds=a.seconds, turns=a.turns)
        report["callers"] = count
        report["loaded"] = {name: tally.report() for name, tally in tallies.items()}
        report["ratios"] = ratios(tallies)
        for server, (crops, runs) in zip(ours, before, strict=True):
            now = await server.rows()
            report["loaded"][server.name]["crops_per_run"] = round((now[0] - crops) / max(now[1] - runs, 1), 2)
        if len(a.models or ()) == 2:
            report["against_the_second"] = against(*(report["loaded"][server.name] for server in ours))
        if not a.batching and a.poisson:
            server, tally = servers[0], tallies[servers[0].name]
            quiet = await unloaded(server, requests, seconds=a.seconds)
            rate = 0.7 * len(tally.latencies) / tally.seconds
            arrivals = Tally()
            await poisson(server, requests, arrivals, rate=rate, seconds=a.poisson)
            p50, p99 = quiet.report()["p50_ms"], arrivals.report()["p99_ms"]
            report["unloaded"] = quiet.report()
            report["poisson"] = {
                "rate_per_s": round(rate, 2), **arrivals.report(), "p99_over_unloaded_p50": round(p99 / p50, 2),
            }  # fmt: skip
    finally:
        for server in servers:
            server.stop()
    return report


def ratios(tallies: dict[str, Tally]) -> dict[str, Any]:
    """The first server against each other one: throughput and CPU time a request, medians over turns side by side."""
    (first, mine), *others = tallies.items()
    out = {}
    for name, other in others:
        rate, cpu = [], []
        for (n, s, c), (m, t, d) in zip(mine.turns, other.turns, strict=True):
            if n and m and c and d:
                rate.append((n / s) / (m / t))
                cpu.append((d / m) / (c / n))
        if rate:
            low, high = np.percentile(rate, (25, 75))
            out[f"{first} / {name}"] = {
                "throughput": round(float(np.median(rate)), 3), "quartiles": [round(low, 3), round(high, 3)],
                "cpu_per_request": round(float(np.median(cpu)), 3),
            }  # fmt: skip
    return out


def against(first: dict[str, Any], second: dict[str, Any]) -> dict[str, dict[str, str]]:
    """By how much the figures of the first set differ from the second's, beside what attention was said to gain."""
    return {
        name: {"measured": f"{100 * (first[name] / second[name] - 1):+.0f} %".replace("-", "−"), "claimed": claim}
        for name, claim in _CLAIMS.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="computing threads of each server (default: 2)")
    parser.add_argument("--callers", type=int, help="callers at a time (default: 4, and 8 with --batching)")
    parser.add_argument("--seconds", type=float, default=8, help="of a turn (default: 8)")
    parser.add_argument("--turns", type=int, default=4, help="for each server (default: 4)")
    parser.add_argument("--poisson", type=float, default=30, help="seconds of Poisson arrivals, 0: none (default: 30)")
    parser.add_argument("--what", choices=("read", "recognize"), default="read", help="frames, or ten crops a request")
    parser.add_argument("--serve", action="append", default=[], metavar="OPTION",
                        help="for edge-ocr serve, such as --serve=--lang=ko")
    parser.add_argument("--spread", action="store_true", help="ten words apart, instead of four lines of words")
    parser.add_argument("--batching", action="store_true", help="compare batches across requests with one crop a call")
    parser.add_argument("--models", action="append", metavar="DIR", help="a folder of models; twice compares two")
    parser.add_argument("--peer-python", metavar="FILE", help="a Python that has rapidocr, fastapi and uvicorn")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="mixed good, bad and hostile requests")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the report as JSON")
    a = parser.parse_args()
    report = {
        "made_by": "benchmarks/load.py", "threads": a.threads,
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
        **asyncio.run(measure(a)),
    }  # fmt: skip
    text = json.dumps(report, indent=1, ensure_ascii=False)
    print(text)
    if a.out:
        a.out.parent.mkdir(parents=True, exist_ok=True)
        a.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
