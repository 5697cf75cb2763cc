"""What the server does when it is asked too much, badly, slowly, or by strangers; with tiny models."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import logging
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the extra [serve]")

import tiny
from serving import Client, form, heavy, png, serving, text64, until

from edge_ocr.errors import EngineError, InputError, ModelNotFound
from edge_ocr.serve import Settings, make_app, page
from edge_ocr.serve.pool import Ticket

KEY = "correct horse battery staple"
HEAVY = heavy()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.make_models(tmp_path_factory.mktemp("models")))


@pytest.fixture(scope="module")
def client(models: str) -> Iterator[Client]:
    with serving(Settings(models_dir=models, max_body=3_000_000, max_pixels=4_000_000)) as found:
        yield found


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises more pixels than its 60 kB could ever hold decently."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packed = zlib.compress(bytes(60_000_000), 9)[:60_000]
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def reads(client: Client) -> bool:
    answer = client.post("/v1/read", png(tiny.picture()))
    return answer.status == 200 and [w["text"] for w in answer.json()["words"]] == ["한글 A"]


# -- bad requests ------------------------------------------------------------------------------------------------------


def test_a_bomb_is_refused_before_it_is_decoded(client: Client) -> None:
    content = bomb(50_000, 50_000)
    assert 55_000 < len(content) < 65_000
    before = client.metric("process_resident_memory_bytes")
    answer = client.post("/v1/read", content)
    assert (answer.status, answer.code) == (413, "too_many_pixels")
    assert client.metric("process_resident_memory_bytes") - before < 30e6
    assert reads(client)


@pytest.mark.parametrize(("path", "body", "kind", "status"), [
    ("/v1/read", b"", "", 415),
    ("/v1/read", b"x", "text/plain", 415),
    ("/v1/read", b"{", "application/json", 400),
    ("/v1/read", b"[" * 100_000, "application/json", 400),
    ("/v1/read", b'{"image": ' + b"9" * 100_000 + b"}", "application/json", 400),
    ("/v1/read", b"\xff\xfe{}", "application/json", 400),
    ("/v1/read", b"[]", "application/json", 422),
    ("/v1/read", b"{}", "application/json", 422),
    ("/v1/read", b'{"image": 7}', "application/json", 422),
    ("/v1/read", b'{"image": "!!"}', "application/json", 422),
    ("/v1/read", b'{"image": "AAAA", "url": "http://127.0.0.1"}', "application/json", 422),
    ("/v1/recognize", b'{"images": [' + b"{}," * 100_000 + b"{}]}", "application/json", 400),
    ("/v1/recognize", b'{"images": []}', "application/json", 422),
    ("/v1/recognize", b'{"images": "AAAA"}', "application/json", 422),
    ("/v1/recognize", b'{"images": [null]}', "application/json", 422),
    ("/v1/read", b"", "multipart/form-data", 400),
    ("/v1/read", b"--a", "multipart/form-data; boundary=a", 400),
    ("/v1/read", b"--b--\r\n", "multipart/form-data; boundary=a", 400),
    ("/v1/read", b"--a\r\n" + b"X-Header: y\r\n" * 30 + b"\r\nz\r\n--a--\r\n", "multipart/form-data; boundary=a", 400),
    ("/v1/read", form([("other", b"x")])[0], "multipart/form-data; boundary=xyz", 422),
    ("/v1/read", form([("image", b"x")] * 300)[0], "multipart/form-data; boundary=xyz", 400),
    ("/v1/read", form([("image", b"x")] * 2)[0], "multipart/form-data; boundary=xyz", 422),
    ("/v1/read?mask=perhaps", form([("image", b"x")])[0], "multipart/form-data; boundary=xyz", 422),
    ("/v1/recognize?pattern=" + "a" * 2000, form([("image", b"x")])[0], "multipart/form-data; boundary=xyz", 422),
    ("/compat/clova", form([("file", b"x")])[0], "multipart/form-data; boundary=xyz", 422),
])  # fmt: skip
def test_bad_requests_are_told_what_is_wrong(client: Client, path: str, body: bytes, kind: str, status: int) -> None:
    answer = client.ask("POST", path, body, {"Content-Type": kind} if kind else {})
    assert answer.status == status, answer.body
    fault = answer.json()
    assert fault.get("error", fault).get("message")


@pytest.mark.parametrize("content", [
    b"", b"text", png(tiny.picture())[:-30], b"\xff\xd8\xff\xe0", b"GIF89a" + bytes(50), bytes(1000),
    b"RIFF\x00\x00\x00\x00WEBPVP8 " + bytes(20), b"P6 99999999 99999999 255\n",
])  # fmt: skip
def test_what_is_no_picture(client: Client, content: bytes) -> None:
    answer = client.post("/v1/read", content)
    assert answer.status in (413, 422) and answer.code in ("bad_picture", "too_many_pixels")


def test_large_bodies_are_refused(client: Client) -> None:
    answer = client.post("/v1/read", bytes(3_100_000))
    assert (answer.status, answer.code) == (413, "too_large")
    # without a length, too: as soon as it is too much
    before = client.metric('edge_ocr_requests_total{route="read",status="413"}')
    with client.connect() as sock:
        sock.sendall(b"POST /v1/read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(OSError):  # the server need not hear all of it
            for _ in range(200):
                sock.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")
        _end(sock)
    assert client.metric('edge_ocr_requests_total{route="read",status="413"}') == before + 1
    assert reads(client)


def test_too_many_crops(client: Client) -> None:
    crop = png(np.zeros((8, 8), np.uint8))
    assert client.post("/v1/recognize", *[crop] * 64).status == 200
    answer = client.post("/v1/recognize", *[crop] * 65)
    assert (answer.status, answer.code) == (422, "bad_field")


def test_memory_is_bounded(models: str) -> None:
    with serving(Settings(models_dir=models, memory=2_000_000)) as client:
        assert client.post("/v1/read", png(np.zeros((2000, 2000), np.uint8))).code == "too_large"
        assert client.post("/v1/read", bytes(1_500_000)).code == "too_large"
        assert reads(client)
        assert client.metric("edge_ocr_bytes_held") == 0


# -- slow, gone, too many ----------------------------------------------------------------------------------------------


def test_slow_clients_are_cut(models: str) -> None:
    with serving(Settings(models_dir=models, receive_limit=0.5)) as client:
        with client.connect() as sock:
            sock.sendall(b"POST /v1/read HTTP/1.1\r\nHost: x\r\n")
            assert _end(sock) == b""
        with client.connect() as sock:
            assert _end(sock) == b""  # says nothing at all
        with client.connect() as sock:
            sock.sendall(b"POST /v1/read HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nContent-Type: a/b\r\n\r\nx")
            assert b" 408 " in _end(sock).splitlines()[0]
        with client.connect() as sock:
            sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            until(lambda: sock.recv(4096).endswith(b"}"))
            sock.sendall(b"GET /hea")
            assert _end(sock) == b""
        assert reads(client)


def test_answers_that_nobody_takes_are_dropped(models: str) -> None:
    with serving(Settings(models_dir=models, send_limit=0.5)) as client, client.connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with contextlib.suppress(OSError):
            for _ in range(600):  # more than both sides' buffers hold
                sock.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: not client.server.server_state.connections)
        assert reads(client)


def _end(sock: socket.socket) -> bytes:
    """All that comes until the server closes."""
    out = b""
    try:
        while part := sock.recv(4096):
            out += part
    except ConnectionResetError:
        pass
    return out


def _begin(client: Client, content: bytes) -> socket.socket:
    """A request whose answer is not waited for."""
    body, kind = form([("image", content)])
    sock = client.connect()
    head = f"POST /v1/read HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nContent-Type: {kind}\r\n\r\n"
    sock.sendall(head.encode() + body)
    return sock


def test_a_full_queue_says_when_to_come_again(models: str) -> None:
    with serving(Settings(models_dir=models, queue=1, threads=1)) as client:
        hold = threading.Event()
        client.service._detection.submit(hold.wait, Ticket())
        with _begin(client, HEAVY):
            until(lambda: client.metric("edge_ocr_in_flight") == 1)
            answer = client.post("/v1/read", png(tiny.picture()))
            assert (answer.status, answer.code) == (503, "busy")
            assert 1 <= int(answer.headers["retry-after"]) <= 60
            assert client.get("/healthz").status == 200
            hold.set()
        until(lambda: client.metric("edge_ocr_in_flight") == 0)
        assert reads(client)


def test_callers_that_leave_take_their_work_along(models: str) -> None:
    with serving(Settings(models_dir=models, threads=1)) as client:
        socks = [_begin(client, HEAVY) for _ in range(5)]
        until(lambda: client.metric("edge_ocr_waiting_detect") == 4)
        start = time.monotonic()
        for sock in socks:
            sock.close()
        until(lambda: client.metric("edge_ocr_in_flight") == 0)
        assert client.metric("edge_ocr_waiting_detect") == 0
        assert reads(client)
        left = time.monotonic() - start
        start = time.monotonic()
        with _begin(client, HEAVY) as sock:
            assert b" 200 " in sock.recv(4096)
        assert left < 3 * (time.monotonic() - start)  # five would have taken five times as long as one
        until(lambda: client.metric('edge_ocr_requests_total{route="read",status="499"}') == 5)
        assert client.metric("edge_ocr_bytes_held") == 0


def test_work_that_takes_too_long_is_ended(models: str) -> None:
    with serving(Settings(models_dir=models, time_limit=0.03, threads=1)) as client:
        answer = client.post("/v1/read", HEAVY)
        assert (answer.status, answer.code) == (503, "too_slow")
        assert int(answer.headers["retry-after"]) >= 1
        # and the thread is free again, long before the picture would have been done
        until(lambda: client.service._detection.running == 0)
        assert client.metric("edge_ocr_in_flight") == 0


def test_a_shutdown_finishes_what_was_taken(models: str) -> None:
    with serving(Settings(models_dir=models, threads=1)) as client, contextlib.ExitStack() as open_:
        hold = threading.Event()
        client.service._detection.submit(hold.wait, Ticket())
        socks = [open_.enter_context(_begin(client, png(tiny.picture()))) for _ in range(4)]
        until(lambda: client.metric("edge_ocr_in_flight") == 4)
        idle = open_.enter_context(client.connect())
        client.server.should_exit = True
        until(lambda: not client.server.servers[0].is_serving())
        hold.set()
        for sock in socks:
            assert _end(sock).startswith(b"HTTP/1.1 200 ")
        assert _end(idle) == b""
        until(lambda: _refused(client))


def _refused(client: Client) -> bool:
    try:
        client.connect().close()
    except OSError:
        return True
    return False


# -- strangers ---------------------------------------------------------------------------------------------------------


def test_the_key(models: str) -> None:
    with serving(Settings(models_dir=models, api_key=KEY)) as client:
        content = png(tiny.picture())
        for headers in ({}, {"X-API-Key": KEY + "r"}, {"X-API-Key": ""}, {"Authorization": "Bearer"}):
            answer = client.post("/v1/read", content, headers=headers)
            assert (answer.status, answer.code) == (401, "no_key")
            assert answer.headers["www-authenticate"] == "Bearer"
        for headers in (
            {"X-API-Key": KEY}, {"Authorization": f"Bearer {KEY}"}, {"Authorization": f"KakaoAK {KEY}"},
            {"X-OCR-SECRET": KEY},
        ):  # fmt: skip
            assert client.post("/v1/read", content, headers=headers).status == 200
        assert client.post("/compat/clova", content).json()["code"] == "0002"
        for path in ("/", "/healthz", "/readyz", "/openapi.json"):
            assert client.get(path).status == 200
        for path in ("/metrics", "/v1/models", "/nothing", "/healthz/"):
            assert client.get(path).status == 401


@pytest.mark.parametrize("key", ["short", "", "열여섯글자보다는길지만아스키가아님"])
def test_keys_that_are_none(key: str) -> None:
    with pytest.raises(InputError, match="16 ASCII"):
        Settings(api_key=key)


def test_headers_and_the_page(client: Client) -> None:
    answer = client.get("/")
    assert answer.headers["content-security-policy"] == page.POLICY
    html = answer.body.decode()
    for tag in ("script", "style"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in page.POLICY
    assert not re.search(r"(src|href)=\"(?!data:)", html) and "http" not in html  # nothing from elsewhere
    for path in ("/", "/v1/models", "/nothing"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "server" not in headers
    assert "connect-src" not in client.get("/v1/models").headers["content-security-policy"]


class _Written(list[str]):
    """Files that were opened for writing while ``on``."""

    on = False

    def hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.on and event == "open" and isinstance(arguments[2], int):
            name = str(arguments[0])
            if arguments[2] & (os.O_WRONLY | os.O_RDWR) and not name.startswith("/dev/"):
                self.append(name)


def test_nothing_is_written_or_logged(client: Client, caplog: pytest.LogCaptureFixture, tmp_path: pathlib.Path) -> None:
    written = _Written()
    sys.addaudithook(written.hear)
    large = np.random.default_rng(0).integers(0, 255, (900, 900, 3), np.uint8)
    with caplog.at_level(logging.DEBUG):
        written.on = True
        assert reads(client)
        assert client.post("/v1/read", png(large)).status == 200  # larger than what parsers keep in memory
        assert client.post("/v1/read?characters=false&secret=1234567", b"secret content").status == 422
        assert client.post_json("/v1/read", {"image": text64(png(tiny.picture()))}).status == 200
        assert client.get("/secret/path").status == 404
        written.on = False
    assert written == []
    (tmp_path / "x").write_text("")
    written.on = True
    (tmp_path / "x").write_text("")
    written.on = False
    assert len(written) == 1  # the ear hears
    mine = [r.getMessage() for r in caplog.records if r.name.startswith(("edge_ocr", "uvicorn"))]
    assert any(re.fullmatch(r"POST read 200 \d+ ms \d+ bytes", line) for line in mine)
    told = " ".join(mine)
    for secret in ("한글", "secret", "1234567"):
        assert secret not in told


def test_faults_of_ours_say_nothing_of_the_picture(
    client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the text was: top secret")

    monkeypatch.setattr(client.service.ocr, "detect", fail)
    answer = client.post("/v1/detect", png(tiny.picture()))
    assert (answer.status, answer.code) == (500, "internal")
    assert b"secret" not in answer.body and "secret" not in caplog.text
    assert "RuntimeError at test_serve_limits.py" in caplog.text


# -- the command -------------------------------------------------------------------------------------------------------


def test_settings_that_cannot_be(models: str) -> None:
    for wrong in ({"workers": 0}, {"queue": 0}, {"port": 70000}, {"time_limit": 0.0}, {"batch_wait": 2.0}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            Settings(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ModelNotFound):
        make_app(Settings(models_dir=models, languages=("xx",)))


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastapi", None)
    with pytest.raises(EngineError, match=r"pip install 'edge-ocr\[serve\]'"):
        make_app(Settings())


def odd_tiff() -> bytes:
    """A TIFF with tags that decoders wonder about, aloud."""
    plain = bytes(cv2.imencode(".tiff", np.zeros((64, 64), np.uint8))[1].tobytes())
    (at,) = struct.unpack_from("<I", plain, 4)
    (count,) = struct.unpack_from("<H", plain, at)
    more = b"".join(struct.pack("<HHII", 40000 + k, 3, 1, 7) for k in range(9))
    entries = plain[at + 2 : at + 2 + 12 * count] + more
    return plain[:4] + struct.pack("<I", len(plain)) + plain[8:] + struct.pack("<H", count + 9) + entries + bytes(4)


def test_workers_share_their_counters_and_are_replaced(models: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "edge_ocr.cli", "serve", "--port", str(port), "--workers", "2", "--models", models]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    told: list[str] = []
    assert server.stderr is not None
    listener = threading.Thread(target=lambda: told.extend(server.stderr or ()))
    listener.start()
    try:
        until(lambda: sum(line.rstrip().endswith("ready") for line in told) == 2, seconds=300)
        body, kind = form([("image", png(tiny.picture()))])
        url = f"http://127.0.0.1:{port}"
        for _ in range(20):
            ask = urllib.request.Request(f"{url}/v1/read", body, {"Content-Type": kind})
            with urllib.request.urlopen(ask, timeout=120) as reply:
                assert json.load(reply)["words"][0]["text"] == "한글 A"
        for body, expected in ((form([("image", odd_tiff())])[0], 200), (b"--xyz\r\nA[: b\r\n\r\nc\r\n--xyz--", 400)):
            assert _status(urllib.request.Request(f"{url}/v1/detect", body, {"Content-Type": kind})) == expected
        with urllib.request.urlopen(f"{url}/metrics", timeout=120) as reply:
            text = reply.read().decode()
        assert 'edge_ocr_requests_total{route="read",status="200"} 20\n' in text
        assert "edge_ocr_workers 2\n" in text
        ask_for = ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(server.pid)]
        children = subprocess.run(ask_for, capture_output=True, text=True)
        workers = [int(line.split()[0]) for line in children.stdout.splitlines() if "spawn_main" in line]
        assert len(workers) == 2
        time.sleep(5)  # younger ones are thought to be unable to start
        os.kill(workers[0], signal.SIGKILL)
        until(lambda: any("starting another" in line for line in told))
        until(lambda: sum(line.rstrip().endswith("ready") for line in told) == 3, seconds=300)
    finally:
        server.terminate()
        status = server.wait(timeout=300)
        listener.join()
        server.stderr.close()
    assert status == 0
    assert sum(line.rstrip().endswith("stopped") for line in told) == 2
    # a line of ours each: neither OpenCV nor a parser says what it thinks of a picture
    assert [line for line in told if not re.match(r"\d{4}-\d\d-\d\d [0-9:,]+ (INFO|WARNING) ", line)] == []


def _status(request: urllib.request.Request) -> int:
    try:
        with urllib.request.urlopen(request, timeout=120) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_port_that_is_taken(models: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "edge_ocr.cli", "serve", "--port", str(taken.getsockname()[1])]
        done = subprocess.run([*command, "--models", models], capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert "cannot listen on 127.0.0.1" in done.stderr and "Traceback" not in done.stderr
