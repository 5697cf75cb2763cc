"""Answers in the shapes that clients of two public services already read, from these services' documentation.

Kakao's vision OCR (developers.kakao.com, Vision, OCR): ``{"result": [{"boxes": [[x, y] x 4], "recognition_words":
[text]}]}``. NAVER Cloud's CLOVA OCR, General OCR API V2 (api.ncloud-docs.com): ``images[].fields[]``.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_ocr.serve.body import from_base64, parse_form, parse_json, text_field
from edge_ocr.serve.refusal import Refusal
from edge_ocr.types import Reading

__all__ = ["ClovaRequest", "clova", "clova_request", "kakao", "shaped"]

_MAX_TEXT = 500  # characters of what a request calls itself, and of what it calls its picture


@dataclass(frozen=True)
class ClovaRequest:
    """What a General OCR request says: its id, the picture's name and its bytes."""

    request_id: str
    name: str
    content: bytes


def kakao(reading: Reading) -> dict[str, Any]:
    """A reading as Kakao's OCR tells it, a word an entry, whole pixels."""
    return {
        "result": [
            {"boxes": [[round(x), round(y)] for x, y in word.quad or ()], "recognition_words": [word.text]}
            for word in reading.words
        ]
    }


def clova_request(body: bytes, content_type: str) -> ClovaRequest:
    """A General OCR V2 request: JSON with the picture in base64, or a form with ``message`` and ``file``. Raises
    Refusal. Addresses are not fetched: a server that reads secrets asks nothing of the network."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        form = parse_form(content_type, body)
        message: Mapping[str, Any] = parse_json(text_field(form.parts, "message").encode(), _KEYS)
        files = form.parts.get("file", [])
        if len(files) != 1:
            raise Refusal(422, "bad_field", "expected the field file once")
        content: bytes | None = files[0]
    elif kind == "application/json":
        message, content = parse_json(body, _KEYS), None
    else:
        raise Refusal(415, "bad_type", "send application/json, or multipart/form-data with message and file")
    if message.get("version") != "V2":
        raise Refusal(400, "bad_version", 'version: only "V2" is spoken')
    for key, (wanted, words) in _NOT_HEEDED.items():
        value = message.get(key, wanted())
        # to JSON 1.0 is a whole number
        if type(value) is not wanted and not (wanted is int and isinstance(value, float) and value.is_integer()):
            raise Refusal(422, "bad_field", f"{key}: expected {words}")
    images = message.get("images")
    if not isinstance(images, list) or len(images) != 1 or not isinstance(images[0], dict):
        raise Refusal(422, "bad_field", "images: expected a list of one object")
    image = images[0]
    if not isinstance(image.get("format", ""), str):
        raise Refusal(422, "bad_field", "images[0].format: expected text")
    if content is None:
        if "data" not in image:
            raise Refusal(422, "bad_field", "images[0].data: expected the picture in base64; no url is fetched")
        content = from_base64(image["data"], "images[0].data")
    request_id, name = message.get("requestId", ""), image.get("name", "")
    if not all(isinstance(text, str) and len(text) <= _MAX_TEXT for text in (request_id, name)):
        raise Refusal(422, "bad_field", f"requestId and name: expected text, {_MAX_TEXT} characters at most")
    return ClovaRequest(request_id, name, content)


# What is not used is checked all the same, as the document says what it is.
_NOT_HEEDED: dict[str, tuple[type, str]] = {
    "timestamp": (int, "a whole number"), "lang": (str, "text"), "resultType": (str, "text"),
    "enableTableDetection": (bool, "true or false"),
}  # fmt: skip
_KEYS = ("version", "requestId", "images", *_NOT_HEEDED)


def clova(request: ClovaRequest, reading: Reading) -> dict[str, Any]:
    """A reading as CLOVA OCR's General API V2 tells it."""
    last = {line.words[-1] for line in reading.lines if line.words}
    fields = [
        {
            "valueType": "ALL",
            "boundingPoly": {"vertices": [{"x": round(x, 2), "y": round(y, 2)} for x, y in word.quad or ()]},
            "inferText": word.text,
            "inferConfidence": round(word.confidence, 4),
            "type": "NORMAL",
            "lineBreak": k in last,
        }
        for k, word in enumerate(reading.words)
    ]
    image = {
        "uid": uuid.uuid4().hex,
        "name": request.name,
        "inferResult": "SUCCESS",
        "message": "SUCCESS",
        "validationResult": {"result": "NO_REQUESTED"},
        "convertedImageInfo": {
            "width": reading.width, "height": reading.height, "pageIndex": 0, "longImage": False,
        },
        "fields": fields,
    }  # fmt: skip
    return {"version": "V2", "requestId": request.request_id, "timestamp": _now(), "images": [image]}


def shaped(path: str, refusal: Refusal) -> dict[str, Any]:
    """A refusal as the caller of ``path`` expects one."""
    if path.startswith("/compat/clova"):
        code, message = _CLOVA.get(refusal.status, ("0500", "Unknown service error."))
        if refusal.code == "bad_version":
            code, message = "0021", "Protocol version not support."
        return {
            "code": code, "message": f"{message} {refusal}", "path": "/compat/clova", "traceId": uuid.uuid4().hex,
            "timestamp": _now(),
        }  # fmt: skip
    if path.startswith("/compat/kakao"):
        return {"code": _KAKAO.get(refusal.status, -1), "msg": str(refusal)}
    return refusal.to_dict()


# Codes as both services document them; statuses stay what they are everywhere in this server.
_CLOVA: dict[int, tuple[str, str]] = {
    400: ("0011", "Request body invalid."), 401: ("0002", "Secret key validate failed."),
    404: ("0001", "URL is invalid."), 405: ("0001", "URL is invalid."), 408: ("0011", "Request body invalid."),
    413: ("0011", "Request body invalid."), 415: ("0011", "Request body invalid."),
    422: ("0011", "Request body invalid."), 503: ("0025", "Calls to this api have exceeded the rate limit."),
}  # fmt: skip
_KAKAO: dict[int, int] = {400: -2, 401: -401, 413: -2, 415: -2, 422: -2, 503: -10}


def _now() -> int:
    return int(time.time() * 1000)
