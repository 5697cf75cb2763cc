"""The page at ``/`` in a real browser: headless Chromium through its own driver, over plain WebDriver.

Skipped where there is no Chromium (Debian: chromium, chromium-driver).
"""

from __future__ import annotations

import base64
import json
import pathlib
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the extra [serve]")

import tiny
from serving import Client, png, sample, serving

from edge_ocr import OCR
from edge_ocr.serve import Settings

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not CHROMIUM or not DRIVER, reason="needs chromium and chromium-driver")
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """A session; ``ask`` sends one WebDriver command."""

    def __init__(self, port: int, folder: pathlib.Path, camera: pathlib.Path) -> None:
        self._base = f"http://127.0.0.1:{port}/session"
        arguments = [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", f"--user-data-dir={folder}", "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={camera}",
        ]  # fmt: skip
        options = {"goog:chromeOptions": {"binary": CHROMIUM, "args": arguments},
                   "goog:loggingPrefs": {"browser": "ALL"}}  # fmt: skip
        made = self._send("POST", "", {"capabilities": {"alwaysMatch": options}})
        self._base += f"/{made['sessionId']}"

    def _send(self, method: str, path: str, data: Any = None) -> Any:
        body = None if data is None else json.dumps(data).encode()
        ask = urllib.request.Request(self._base + path, body, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(ask, timeout=300) as reply:
            return json.load(reply)["value"]

    def open(self, url: str) -> None:
        self._send("POST", "/url", {"url": url})

    def run(self, script: str) -> Any:
        return self._send("POST", "/execute/sync", {"script": script, "args": []})

    def find(self, selector: str) -> str:
        element: str = self._send("POST", "/element", {"using": "css selector", "value": selector})[_ELEMENT]
        return element

    def type(self, selector: str, text: str) -> None:
        self._send("POST", f"/element/{self.find(selector)}/value", {"text": text})

    def click(self, selector: str) -> None:
        self._send("POST", f"/element/{self.find(selector)}/click", {})

    def until(self, script: str, *, seconds: float = 120) -> Any:
        end = time.monotonic() + seconds
        while not (found := self.run(script)):
            state = self.run("return document.getElementById('status').textContent")
            assert time.monotonic() < end, f"{script}: {state}"
            time.sleep(0.2)
        return found

    def complaints(self) -> list[str]:
        told = self._send("POST", "/se/log", {"type": "browser"})
        return [entry["message"] for entry in told if entry["level"] == "SEVERE"]

    def close(self) -> None:
        self._send("DELETE", "")


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """What the browser's camera shows: the board on grey, as the motion JPEG that Chromium plays."""
    image = np.full((480, 640, 3), 120, np.uint8)
    board = sample()
    image[160 : 160 + board.shape[0], 130 : 130 + board.shape[1]] = board
    path = tmp_path_factory.mktemp("camera") / "camera.mjpeg"
    path.write_bytes(cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes() * 20)
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory, camera: pathlib.Path) -> Iterator[Browser]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert DRIVER is not None
    driver = subprocess.Popen([DRIVER, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert time.monotonic() < end
                time.sleep(0.1)
        found = Browser(port, tmp_path_factory.mktemp("profile"), camera)
        yield found
        found.close()
    finally:
        driver.terminate()
        driver.wait(timeout=60)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with serving(Settings(time_limit=280)) as found:
        yield found


def test_a_picture_that_is_chosen(browser: Browser, client: Client, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "board.png"
    path.write_bytes(png(sample()))
    want = OCR(threads=1).read(sample())
    browser.open(f"http://127.0.0.1:{client.port}/")
    browser.type("#file", str(path))
    count = browser.until("return document.getElementById('text').dataset.count")
    assert int(count) == len(want.words) >= 4
    assert browser.run("return document.getElementById('text').textContent") == want.text
    # the picture is there in its size, and boxes are drawn where words are
    size = browser.run("const c = document.getElementById('canvas'); return [c.width, c.height]")
    assert size == [sample().shape[1], sample().shape[0]]
    shown = browser.run("return document.getElementById('canvas').toDataURL()").partition(",")[2]
    drawn = cv2.imdecode(np.frombuffer(base64.b64decode(shown), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    changed = np.abs(drawn.astype(int) - sample()).max(-1) > 40
    for word in want.words:
        assert word.quad is not None
        middle = np.mean([word.quad[0], word.quad[3]], axis=0).astype(int)  # of its left edge
        assert changed[middle[1] - 2 : middle[1] + 3, max(middle[0] - 3, 0) : middle[0] + 4].any()
    assert changed.mean() < 0.3
    assert browser.complaints() == []  # nothing that the page's policy had to stop


def test_a_picture_that_is_dropped_and_what_is_none(browser: Browser, client: Client) -> None:
    browser.open(f"http://127.0.0.1:{client.port}/")
    content = base64.b64encode(png(tiny.picture(blank=True))).decode()
    drop = """
        const bytes = Uint8Array.from(atob("%s"), (c) => c.charCodeAt(0)), data = new DataTransfer();
        data.items.add(new File([bytes], "a.png", { type: "image/png" }));
        document.getElementById("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
    """
    browser.run(drop % content)
    assert browser.until("return document.getElementById('text').dataset.count") == "0"
    browser.run(drop % base64.b64encode(b"no picture").decode())
    browser.until("return document.getElementById('status').className === 'bad'")


def test_the_camera(browser: Browser, client: Client) -> None:
    browser.open(f"http://127.0.0.1:{client.port}/")
    browser.click("#camera")
    browser.until("return document.getElementById('text').textContent.includes('주차장')", seconds=240)
    assert browser.run("return document.getElementById('canvas').width") >= 320
    browser.click("#camera")
    assert browser.run("return document.getElementById('camera').textContent") == "Camera"


def test_the_scanners_are_offered(browser: Browser, client: Client) -> None:
    browser.open(f"http://127.0.0.1:{client.port}/")
    offered = "return [...document.getElementById('what').options].map((option) => option.value)"
    browser.until(f"{offered[:-1]}).length > 2")
    assert {"read", "scan/plate", "scan/mrz"} <= set(browser.run(offered))


def test_the_key_is_asked_for(browser: Browser, tmp_path: pathlib.Path) -> None:
    models = str(tiny.make_models(tmp_path / "models"))
    path = tmp_path / "a.png"
    path.write_bytes(png(tiny.picture()))
    with serving(Settings(models_dir=models, api_key="correct horse battery staple")) as client:
        browser.open(f"http://127.0.0.1:{client.port}/")
        browser.type("#file", str(path))
        assert "API key" in browser.until(
            "const s = document.getElementById('status'); return s.className === 'bad' && s.textContent"
        )
        browser.type("#key", "correct horse battery staple")
        browser.type("#file", str(path))
        browser.until("return document.getElementById('text').textContent === '한글 A'")
