"""What stands before and behind every request: the key, security headers, counting, the log, and a last net.

The log has a line a request: method, route, status, milliseconds, bytes. No query, no file name, nothing of a picture
or of its text; of an exception, its type and where it happened, not what it says.
"""

from __future__ import annotations

import hmac
import json
import logging
import time
import traceback
from typing import TYPE_CHECKING

from edge_ocr.serve.metrics import ROUTES, Metrics
from edge_ocr.serve.refusal import Refusal

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Guard", "OPEN"]

log = logging.getLogger("edge_ocr.serve")
# What anyone may see, key or not.
OPEN = ("/", "/healthz", "/readyz", "/openapi.json")
_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cache-control": b"no-store",
    b"cross-origin-resource-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"permissions-policy": b"camera=(self), microphone=(), geolocation=()",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
}


class Guard:
    """ASGI middleware around ``app``. ``api_key``: None lets everyone in."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, api_key: str | None) -> None:
        self.app, self.metrics = app, metrics
        self._key = api_key.encode() if api_key is not None else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.monotonic()
        status = 0
        sent = 0

        async def answer(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                there = {name.lower() for name, _ in message["headers"]}
                extra = [(name, value) for name, value in _HEADERS.items() if name not in there]
                message = {**message, "headers": [*message["headers"], *extra]}
            elif message["type"] == "http.response.body":
                sent += len(message.get("body", b""))
            await send(message)

        try:
            if self._key is not None and scope["path"] not in OPEN and not self._knows(scope):
                await _refuse(answer, scope["path"], Refusal(401, "no_key", "the API key is missing or wrong", _ASK))
            else:
                await self.app(scope, receive, answer)
        except Exception as error:
            log.error("%s at %s", type(error).__name__, _where(error))
            if status:
                raise _Cut from None  # half an answer cannot be mended
            await _refuse(answer, scope["path"], Refusal(500, "internal", "something went wrong in the server"))
        finally:
            seconds = time.monotonic() - start
            route = _route(scope["path"])
            self.metrics.request(route, status or 499, seconds)
            method = scope["method"] if scope["method"].isalpha() else "?"
            log.info("%s %s %d %.0f ms %d bytes", method[:8], route, status or 499, 1000 * seconds, sent)

    def _knows(self, scope: Scope) -> bool:
        """Whether the request has the key: in X-API-Key, as a bearer token, or where the compatible shapes have it."""
        assert self._key is not None
        found = False
        for name, value in scope["headers"]:
            if name == b"authorization":
                value = value.partition(b" ")[2].strip()
            elif name not in (b"x-api-key", b"x-ocr-secret"):
                continue
            found |= hmac.compare_digest(value, self._key)
        return found


class _Cut(Exception):
    """Ends a connection; says nothing."""


_ASK = {"WWW-Authenticate": "Bearer"}


async def _refuse(send: Send, path: str, refusal: Refusal) -> None:
    from edge_ocr.serve.compat import shaped

    body = json.dumps(shaped(path, refusal), ensure_ascii=False).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), **refusal.headers}
    pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


def _route(path: str) -> str:
    """The route for the log and the counters: a fixed set, whatever is asked for."""
    name = path.removeprefix("/v1/").strip("/").removesuffix("/general")
    return name if name in ROUTES else "other"


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames[-6:]))
