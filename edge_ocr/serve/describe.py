"""The OpenAPI document: what routes take, what they answer, and examples that were really answered.

``examples.json`` is written by ``python demo/make_examples.py``.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from edge_ocr.serve.schemas import Problem

__all__ = ["DESCRIPTION", "SCANNERS", "about", "document", "examples", "route"]

DESCRIPTION = (
    "Reads Korean and English text from pictures. Pictures come as the field `image` of a form, or as base64 in JSON, "
    "and leave with the answer: nothing is stored. Coordinates are pixels of the upright picture; a `quad` is four "
    "points, clockwise from the top left of the text as it is read. A server that is full answers 503 with "
    "`Retry-After`."
)
SCANNERS = {
    "plate": "Finds Korean number plates, and says what they mean.",
    "idcard": "Finds Korean identity cards and driver licences, and reads their fields.",
    "mrz": "Finds machine-readable zones of passports, visas and cards, and verifies their check digits.",
}
_FAULTS = {
    400: "The body is not what its Content-Type says.",
    401: "The key is missing or wrong.",
    408: "The body came too slowly.",
    413: "The body, or a picture, is too large; it was not decoded.",
    415: "The Content-Type is not one of those above.",
    422: "A picture, a field or a parameter cannot be used.",
    500: "The server failed.",
    501: "This installation cannot mask.",
    503: "Too much at a time, or it took too long: try again after the seconds of Retry-After.",
}


@lru_cache(maxsize=1)
def examples() -> dict[str, Any]:
    """By route: ``request`` (JSON) and ``answer``."""
    path = Path(__file__).parent / "examples.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def _picture(example: str | None) -> dict[str, Any]:
    binary = {"type": "string", "format": "binary", "description": "JPEG, PNG, WebP, BMP, TIFF or PNM"}
    base64 = {"type": "string", "format": "byte", "description": "the picture file in base64"}
    if example is not None:
        base64["example"] = example
    return {"binary": binary, "base64": base64}


def _body(name: str) -> dict[str, Any]:
    """The request body of a route."""
    asked = examples().get(name, {}).get("request")
    kinds = _picture(None)
    form: dict[str, Any] = {"type": "object", "properties": {"image": kinds["binary"]}, "required": ["image"]}
    plain: dict[str, Any] = {"type": "object", "properties": {"image": kinds["base64"]}, "required": ["image"]}
    if name == "recognize":
        form["properties"] = {"image": {"type": "array", "items": kinds["binary"], "minItems": 1, "maxItems": 64}}
        plain = {
            "type": "object",
            "properties": {"images": {"type": "array", "items": kinds["base64"], "minItems": 1, "maxItems": 64}},
            "required": ["images"],
        }
    elif name == "compat/clova":
        picture = {
            "type": "object",
            "properties": {
                "format": {"type": "string"}, "name": {"type": "string", "maxLength": 500}, "data": kinds["base64"],
            },
            "required": ["data"],
        }
        plain = {
            "type": "object",
            "properties": {
                "version": {"type": "string", "enum": ["V2"]},
                "requestId": {"type": "string", "maxLength": 500},
                "timestamp": {"type": "integer"},
                "lang": {"type": "string", "description": "taken, not heeded: the server's languages are read"},
                "images": {"type": "array", "items": picture, "minItems": 1, "maxItems": 1},
                "resultType": {"type": "string", "description": "taken, not heeded"},
                "enableTableDetection": {"type": "boolean", "description": "taken, not heeded"},
            },
            "required": ["version", "images"],
        }
        message = {"type": "string", "description": "the JSON above without images[0].data"}
        form = {
            "type": "object", "properties": {"message": message, "file": kinds["binary"]},
            "required": ["message", "file"],
        }  # fmt: skip
    for schema in (form, plain):
        schema["additionalProperties"] = False
    json_body: dict[str, Any] = {"schema": plain}
    if asked is not None:
        json_body["example"] = asked
    return {"required": True, "content": {"multipart/form-data": {"schema": form}, "application/json": json_body}}


def route(name: str, answer: type[Any], fault: type[Any] = Problem) -> dict[str, Any]:
    """What FastAPI's decorators take to describe a route that takes pictures."""
    good: dict[str, Any] = {"model": answer, "description": "What was found."}
    told = examples().get(name, {}).get("answer")
    if told is not None:
        good["content"] = {"application/json": {"example": told}}
    responses: dict[int | str, dict[str, Any]] = {200: good}
    responses |= {status: {"model": fault, "description": text} for status, text in _FAULTS.items()}
    responses[503]["headers"] = _RETRY
    return {
        "responses": responses, "response_model": None, "openapi_extra": {"requestBody": _body(name)},
        "operation_id": name.replace("/", "_"), "tags": ["compatible" if name.startswith("compat") else "pictures"],
    }  # fmt: skip


def about(path: str, answer: type[Any] | None) -> dict[str, Any]:
    """The same for a route about the server itself."""
    good: dict[str, Any] = {"description": "As it is now."}
    if answer is None:
        good["content"] = {"text/plain": {"schema": {"type": "string"}}}
    else:
        good["model"] = answer
    responses: dict[int | str, dict[str, Any]] = {200: good}
    if path in ("/metrics", "/v1/models"):
        responses[401] = {"model": Problem, "description": _FAULTS[401]}
    if path == "/readyz":
        responses[503] = {"model": Problem, "description": "Not now.", "headers": _RETRY}
    how: dict[str, Any] = {"responses": responses, "response_model": None, "tags": ["server"]}
    if answer is None:
        from fastapi.responses import PlainTextResponse

        how["response_class"] = PlainTextResponse
    return how


_RETRY = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}


def document(app: FastAPI, *, secured: bool) -> dict[str, Any]:
    """The OpenAPI document, made once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes,
            license_info=app.license_info,
        )  # fmt: skip
        if secured:
            made.setdefault("components", {})["securitySchemes"] = {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            }
            for path, routes in made["paths"].items():
                if path not in ("/healthz", "/readyz"):
                    for operation in routes.values():
                        operation["security"] = [{"key": []}, {"bearer": []}]
        app.openapi_schema = made
    return app.openapi_schema
