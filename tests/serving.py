"""A server of its own for a test: real sockets, uvicorn in a thread, and a client of the standard library."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import pathlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
import uvicorn
from numpy.typing import NDArray

from edge_ocr.serve import Settings
from edge_ocr.serve.app import build
from edge_ocr.serve.run import config, listen

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json()["error"]["code"])


class Client:
    """Talks to the server; ``service`` is what is behind it."""

    def __init__(self, port: int, service: Any, server: uvicorn.Server) -> None:
        self.port, self.service, self.server = port, service, server

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            return Answer(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())
        finally:
            connection.close()

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        return self.ask("GET", path, None, headers)

    def post(self, path: str, *contents: bytes, headers: dict[str, str] | None = None, key: str = "image") -> Answer:
        """As a form."""
        body, kind = form([(key, content) for content in contents])
        return self.ask("POST", path, body, {"Content-Type": kind, **(headers or {})})

    def post_json(self, path: str, data: Any, headers: dict[str, str] | None = None) -> Answer:
        kind = {"Content-Type": "application/json"}
        return self.ask("POST", path, json.dumps(data).encode(), {**kind, **(headers or {})})

    def connect(self) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.port))
        sock.settimeout(120)
        return sock

    def metric(self, name: str) -> float:
        for line in self.get("/metrics").body.decode().splitlines():
            if line.rpartition(" ")[0] == name:
                return float(line.rpartition(" ")[2])
        return 0.0


@contextlib.contextmanager
def serving(settings: Settings) -> Iterator[Client]:
    """A server with these settings, on a port of its own, until the end of the block."""
    app = build(settings)
    sock = listen("127.0.0.1", 0)
    server = uvicorn.Server(config(settings, app))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive())
        assert server.started
        yield Client(sock.getsockname()[1], app.state.service, server)
    finally:
        server.should_exit = True
        thread.join()
        sock.close()


def until(condition: Callable[[], Any], *, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "this did not happen in time"
        time.sleep(0.01)


def form(parts: list[tuple[str, bytes]]) -> tuple[bytes, str]:
    """A multipart body and its Content-Type."""
    out = b""
    for name, content in parts:
        out += f'--xyz\r\nContent-Disposition: form-data; name="{name}"; filename="a"\r\n'.encode()
        out += b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n"
    return out + b"--xyz--\r\n", "multipart/form-data; boundary=xyz"


def png(image: NDArray[np.uint8]) -> bytes:
    return bytes(cv2.imencode(".png", image[..., ::-1] if image.ndim == 3 else image)[1].tobytes())


def text64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def sample() -> NDArray[np.uint8]:
    """A small part of the sample picture, a board of five words, uint8 ``[h, w, 3]`` RGB."""
    image = cv2.imread(str(ROOT / "demo" / "sample.jpg"), cv2.IMREAD_COLOR)
    return np.ascontiguousarray(image[450:605, 210:575, ::-1])


def heavy() -> bytes:
    """A picture that tiny models need long for: noise, so that no part of it is blank."""
    noise = np.random.default_rng(1).integers(0, 255, (1500, 1500), np.uint8)
    return bytes(cv2.imencode(".png", noise, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes())
