"""A request's body: read within limits, held in memory only, and the pictures in it.

Multipart bodies are taken apart here: the usual parsers put larger parts into files on disk.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from edge_ocr.serve.refusal import Refusal, busy

__all__ = ["Budget", "Form", "Share", "parse_form", "parse_json", "pictures", "read_body"]

_MAX_PARTS = 256
_MAX_PART_HEADER = 8192
_MAX_HEADERS = 16  # of a part
_MAX_MARKS = 2000
_DATA = "data:"
_MOST_DRAINED = 1 << 26  # bytes of a refused body


class Budget:
    """How many bytes may be held at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self.held = 0

    def share(self) -> Share:
        """What one request takes of it, nothing as yet."""
        return Share(self)

    def take(self, count: int, *, already: int) -> None:
        """Raises Refusal (503) where there is no room now, and (413) where there never is, for one that has taken
        ``already``."""
        with self._lock:
            if already + count > self._most:
                raise Refusal(413, "too_large", "this is more than the server may hold; send a smaller picture")
            if self.held + count > self._most:
                raise busy(1, "too many large pictures at a time")
            self.held += count

    def give_back(self, count: int) -> None:
        with self._lock:
            self.held -= count


class Share:
    """Bytes that one request holds of a budget, until ``give_back``."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.held = 0

    def take(self, count: int) -> None:
        """Raises Refusal (503, 413)."""
        self._budget.take(count, already=self.held)
        self.held += count

    def give_back(self) -> None:
        self._budget.give_back(self.held)
        self.held = 0


@dataclass
class Form:
    """A multipart body: the contents of its parts by their names, in their order."""

    parts: dict[str, list[bytes]] = field(default_factory=dict)


async def read_body(request: Request, *, most: int, seconds: float, share: Share) -> bytes:
    """The whole body, whose bytes ``share`` then holds, also where this raises: Refusal for a body above ``most`` bytes
    (413), one that has not come after ``seconds`` (408) or a caller that left (499)."""
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > most:
        await _drain(request, seconds)
        raise _too_large(most)
    body = bytearray()

    async def read() -> None:
        async for chunk in request.stream():
            if len(body) + len(chunk) > most:
                raise _too_large(most)
            share.take(2 * len(chunk))  # once as it grows, once as a whole
            body.extend(chunk)

    try:
        await asyncio.wait_for(read(), seconds)
    except asyncio.TimeoutError:
        raise Refusal(408, "too_slow", f"the body did not arrive within {seconds:g} s", _CLOSE) from None
    except ClientDisconnect:
        raise Refusal(499, "left", "the caller left") from None
    return bytes(body)


async def _drain(request: Request, seconds: float) -> None:
    """Takes some of a body and throws it away: most callers send all before they listen, and would not hear why they
    are refused. Those that send without end are cut."""

    async def take() -> None:
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > _MOST_DRAINED:
                return

    with suppress(asyncio.TimeoutError, ClientDisconnect):
        await asyncio.wait_for(take(), seconds)


_CLOSE = {"Connection": "close"}


def _too_large(most: int) -> Refusal:
    limit = f"{most / (1 << 20):g} MiB" if most >= 1 << 20 else f"{most} bytes"
    return Refusal(413, "too_large", f"the body may have {limit}; send a smaller picture", _CLOSE)


def parse_form(content_type: str, body: bytes) -> Form:
    """A multipart/form-data body. Raises Refusal (400)."""
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise Refusal(400, "bad_form", "Content-Type: multipart/form-data lacks its boundary")
    usual = _usual_form(boundary, body)
    if usual is not None:
        return usual
    form = Form()
    headers: dict[bytes, bytes] = {}
    name, value = bytearray(), bytearray()
    content: list[bytes] = []
    count = 0
    ended = False

    def begin() -> None:
        nonlocal count
        count += 1
        if count > _MAX_PARTS:
            raise Refusal(400, "bad_form", f"the form has more than {_MAX_PARTS} parts")
        headers.clear()
        content.clear()

    def extend(target: bytearray, data: bytes, start: int, end: int) -> None:
        target += data[start:end]
        if len(target) > _MAX_PART_HEADER:
            raise Refusal(400, "bad_form", "a part of the form has an absurdly long header")

    def header() -> None:
        if len(headers) >= _MAX_HEADERS:
            raise Refusal(400, "bad_form", "a part of the form has too many headers")
        headers[bytes(name).lower()] = bytes(value)
        name.clear()
        value.clear()

    def end_part() -> None:
        _, given = parse_options_header(headers.get(b"content-disposition", b""))
        key = given.get(b"name", b"").decode("utf-8", "replace")
        form.parts.setdefault(key, []).append(b"".join(content))
        content.clear()

    def end_form() -> None:
        nonlocal ended
        ended = True

    try:
        parser = MultipartParser(boundary, {
            "on_part_begin": begin,
            "on_part_data": lambda data, start, end: content.append(data[start:end]),
            "on_part_end": end_part,
            "on_header_field": lambda data, start, end: extend(name, data, start, end),
            "on_header_value": lambda data, start, end: extend(value, data, start, end),
            "on_header_end": header,
            "on_end": end_form,
        })  # fmt: skip
        parser.write(body)
        parser.finalize()
    except (MultipartParseError, ValueError) as error:
        raise Refusal(400, "bad_form", "the body is not a multipart form, or not with this boundary") from error
    if not ended:
        raise Refusal(400, "bad_form", "the multipart form is cut off")
    return form


_DISPOSITION = re.compile(
    rb'[^:]*: form-data; name="([A-Za-z0-9_.-]*)"(?:; filename="[^"\\\r\n]*")?'
)
_PLAIN_HEADER = re.compile(rb"[A-Za-z0-9-]+: [^\x00-\x1f\x7f]*")


def _usual_form(boundary: bytes, body: bytes) -> Form | None:
    """A body as nearly all clients write it, taken apart in a fraction of the time; None: let the parser judge it."""
    mark = b"\r\n--" + boundary
    if not body.startswith(mark[2:] + b"\r\n"):
        return None
    form = Form()
    at = len(mark)
    for _ in range(_MAX_PARTS):
        start = body.find(b"\r\n\r\n", at, at + _MAX_PART_HEADER)
        end = body.find(mark, start + 4) if start >= 0 else -1
        if end < 0:
            return None
        lines = body[at:start].split(b"\r\n")
        naming = [line for line in lines if line[:20].lower() == b"content-disposition:"]
        named = _DISPOSITION.fullmatch(naming[0]) if len(naming) == 1 else None
        if named is None or len(lines) > _MAX_HEADERS or not all(map(_PLAIN_HEADER.fullmatch, lines)):
            return None
        form.parts.setdefault(named[1].decode(), []).append(body[start + 4 : end])
        at = end + len(mark) + 2
        if body[at - 2 : at] == b"--":
            return form if body[at:] in (b"", b"\r\n") else None
        if body[at - 2 : at] != b"\r\n":
            return None
    return None


def parse_json(body: bytes, keys: Sequence[str]) -> dict[str, Any]:
    """A JSON object that has no other keys than ``keys``. Raises Refusal (400, 422)."""
    # base64 has none of these: what has many would only become a heap of objects
    if sum(body.count(mark) for mark in (b"{", b"[", b",")) > _MAX_MARKS:
        raise Refusal(400, "bad_json", "the body has too many parts")
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "bad_json", "the body is not JSON") from error
    if not isinstance(data, dict):
        raise Refusal(422, "bad_field", f"expected a JSON object with {', '.join(keys)}")
    for key in data:
        if key not in keys:
            raise Refusal(422, "bad_field", f"there is a field that is not known; known are {', '.join(keys)}")
    return data


def pictures(body: bytes, content_type: str, *, key: str, most: int) -> list[bytes]:
    """The pictures of a request: the parts ``key`` of a form, or base64 in JSON under ``key``; where more than one may
    come, a list of these under ``key + "s"`` as well. Raises Refusal."""
    kind = content_type.partition(";")[0].strip().lower()
    several = f"{key}s"
    if kind == "multipart/form-data":
        form = parse_form(content_type, body)
        unknown = [name for name in form.parts if name != key]
        if unknown:
            raise Refusal(422, "bad_field", f"the form has a field that is not known; known is {key}")
        found = form.parts.get(key, [])
    elif kind == "application/json":
        data = parse_json(body, (key,) if most == 1 else (key, several))
        texts = data.get(several, []) if most > 1 else []
        if key in data:
            texts = [data[key]] if several not in data else None
        if not isinstance(texts, list):
            raise Refusal(422, "bad_field", f"expected either {key} or a list of {several}")
        found = [from_base64(text, key) for text in texts[: most + 1]]
    else:
        raise Refusal(415, "bad_type", "send multipart/form-data, or application/json with base64")
    if not found:
        raise Refusal(422, "bad_field", f"the field {key} is missing")
    if len(found) > most:
        raise Refusal(422, "bad_field", f"at most {most} of the field {key} are taken")
    return found


def from_base64(text: object, key: str) -> bytes:
    """The bytes of base64, with or without ``data:image/...;base64,`` before it. Raises Refusal (422)."""
    if not isinstance(text, str):
        raise Refusal(422, "bad_field", f"{key}: expected base64 in a string")
    if text.startswith(_DATA):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal(422, "bad_field", f"{key}: this is not base64") from error


def text_field(form: Mapping[str, list[bytes]], key: str) -> str:
    """A part of a form as text. Raises Refusal (422)."""
    values = form.get(key, [])
    if len(values) != 1:
        raise Refusal(422, "bad_field", f"expected the field {key} once")
    try:
        return values[0].decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal(422, "bad_field", f"{key}: this is not UTF-8") from error
