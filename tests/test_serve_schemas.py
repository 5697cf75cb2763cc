"""The OpenAPI document and what it promises."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra [serve]")

from pydantic import ValidationError

from edge_ocr.serve import describe, schemas
from edge_ocr.serve.service import scanners

ANSWERS: dict[str, type[Any]] = {
    "/v1/read": schemas.ReadAnswer,
    "/v1/detect": schemas.DetectAnswer,
    "/v1/recognize": schemas.RecognizeAnswer,
    "/v1/scan/plate": schemas.PlatesAnswer,
    "/v1/scan/idcard": schemas.DocumentsAnswer,
    "/v1/scan/mrz": schemas.DocumentsAnswer,
    "/v1/models": schemas.ModelsAnswer,
    "/compat/kakao": schemas.KakaoAnswer,
    "/compat/clova": schemas.ClovaAnswer,
}


def agrees(path: str, data: Any, *, method: str = "post") -> None:
    """The answer is one that the document describes, key for key."""
    ANSWERS[path].model_validate(data, strict=False)
    assert path in document()["paths"] and method in document()["paths"][path]


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    from edge_ocr.serve import Settings, make_app

    found: dict[str, Any] = make_app(Settings()).openapi()
    return found


def test_every_route_is_described() -> None:
    paths = set(document()["paths"])
    want = {"/v1/read", "/v1/detect", "/v1/recognize", "/compat/kakao", "/compat/clova", "/healthz", "/readyz"}
    assert paths == want | {"/metrics", "/v1/models"} | {f"/v1/scan/{kind}" for kind in scanners()}
    assert {"plate", "mrz"} <= set(scanners())


def test_references_lead_somewhere() -> None:
    text = json.dumps(document())
    known = {f"#/components/schemas/{name}" for name in document()["components"]["schemas"]}
    used = {part.split('"')[0] for part in text.split('"$ref": "')[1:]}
    assert used and used <= known


def test_the_key_is_in_the_document_where_there_is_one() -> None:
    from edge_ocr.serve import Settings, make_app

    assert "security" not in document()["paths"]["/v1/read"]["post"]
    secured = make_app(Settings(api_key="0123456789abcdef")).openapi()
    assert secured["paths"]["/v1/read"]["post"]["security"]
    assert "security" not in secured["paths"]["/healthz"]["get"]
    assert "0123456789abcdef" not in json.dumps(secured)


@pytest.mark.parametrize("name", ["read", "detect", "recognize", "scan/plate", "compat/kakao", "compat/clova"])
def test_examples_agree_with_the_schemas(name: str) -> None:
    example = describe.examples()[name]
    path = f"/v1/{name}" if not name.startswith("compat") else f"/{name}"
    agrees(path, example["answer"])
    assert example["request"]


def test_schemas_are_strict() -> None:
    data = {"width": 1, "height": 1, "regions": [], "ms": {}}
    agrees("/v1/detect", data)
    with pytest.raises(ValidationError):
        agrees("/v1/detect", {**data, "more": 1})
    with pytest.raises(ValidationError):
        agrees("/v1/detect", {**data, "regions": [{"quad": [[0, 0]] * 3, "score": 0.5}]})
