"""What the server answers, for its OpenAPI document. Answers are made by the dataclasses' ``to_dict``; tests hold both
together."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "ClovaAnswer", "ClovaError", "DetectAnswer", "DocumentsAnswer", "Health", "KakaoAnswer", "KakaoError",
    "ModelsAnswer", "PlatesAnswer", "Problem", "ReadAnswer", "RecognizeAnswer",
]  # fmt: skip

Point = Annotated[list[float], Field(min_length=2, max_length=2, description="x, y in pixels of the upright picture")]
Quad = Annotated[list[Point], Field(min_length=4, max_length=4, description="clockwise from the top left of the text")]
Share = Annotated[float, Field(ge=0, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Character(_Strict):
    text: str
    confidence: Share


class Word(_Strict):
    quad: Quad | None = None
    text: str
    confidence: Share
    language: str = Field(description="the recognizer that read it")
    characters: list[Character] = []
    plain: str | None = Field(None, description="what was read without the pattern")


class Line(_Strict):
    quad: Quad
    text: str
    confidence: Share
    words: list[int] = Field(description="indices into words")


class Mask(_Strict):
    what: str
    quad: Quad


class ReadAnswer(_Strict):
    width: int
    height: int
    words: list[Word] = Field(description="in reading order")
    lines: list[Line]
    rotation: int = Field(0, description="clockwise degrees that turn the picture upright; quads are of it as it is")
    mirrored: bool = Field(False, description="left and right have to be swapped before it is turned")
    ms: dict[str, float] = Field(description="milliseconds of detect, crop, recognize and total, queues left out")
    masks: list[Mask] | None = Field(None, description="with mask=true: what was masked, and where")


class Region(_Strict):
    quad: Quad
    score: Share


class DetectAnswer(_Strict):
    width: int
    height: int
    regions: list[Region] = Field(description="the surest first")
    ms: dict[str, float]


class RecognizeAnswer(_Strict):
    words: list[Word] = Field(description="one for each picture, in their order")


class Plate(_Strict):
    text: str
    kind: str
    quad: Quad
    confidence: Share
    characters: list[Character] | None = None
    plain: str
    region: str | None = None
    district: str | None = None
    number: str | None = None
    letter: str | None = None
    serial: str | None = None
    vehicle: str | None = None


class PlatesAnswer(_Strict):
    width: int
    height: int
    plates: list[Plate]
    masks: list[Mask] | None = None


class DocumentsAnswer(_Strict):
    width: int
    height: int
    documents: list[dict[str, Any]] = Field(description="kind, fields, confidence and more of each document")
    masks: list[Mask] | None = None


class Model(_Strict):
    name: str
    task: str
    version: str
    license: str
    languages: list[str]
    bytes: int
    made: str
    measures: dict[str, float]


class ModelsAnswer(_Strict):
    models: list[Model]
    scanners: list[str]
    languages: list[str] = Field(description="that /v1/read reads here")


class Health(_Strict):
    status: str


class Fault(_Strict):
    code: str
    message: str


class Problem(_Strict):
    error: Fault


class KakaoResult(_Strict):
    boxes: list[Annotated[list[int], Field(min_length=2, max_length=2)]]
    recognition_words: list[str]


class KakaoAnswer(_Strict):
    result: list[KakaoResult]


class KakaoError(_Strict):
    code: int
    msg: str


class ClovaVertex(_Strict):
    x: float
    y: float


class ClovaPoly(_Strict):
    vertices: list[ClovaVertex]


class ClovaField(_Strict):
    valueType: str
    boundingPoly: ClovaPoly
    inferText: str
    inferConfidence: Share
    type: str
    lineBreak: bool


class ClovaValidation(_Strict):
    result: str


class ClovaPage(_Strict):
    width: int
    height: int
    pageIndex: int
    longImage: bool


class ClovaImage(_Strict):
    uid: str
    name: str
    inferResult: str
    message: str
    validationResult: ClovaValidation
    convertedImageInfo: ClovaPage
    fields: list[ClovaField]


class ClovaAnswer(_Strict):
    version: str
    requestId: str
    timestamp: int
    images: list[ClovaImage]


class ClovaError(_Strict):
    code: str
    message: str
    path: str
    traceId: str
    timestamp: int
