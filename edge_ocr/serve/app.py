"""The routes."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException

from edge_ocr import __version__
from edge_ocr.serve import compat, describe, page, schemas
from edge_ocr.serve.body import pictures, read_body
from edge_ocr.serve.guard import Guard
from edge_ocr.serve.metrics import Metrics
from edge_ocr.serve.refusal import Refusal, busy
from edge_ocr.serve.service import Scanned, Service, scanners
from edge_ocr.serve.settings import Settings

__all__ = ["build"]

log = logging.getLogger("edge_ocr.serve")
T = TypeVar("T")
_LARGE = 1 << 19
Characters = Annotated[bool, Query(description="each character's confidence too")]
Masked = Annotated[bool, Query(description="mask identity numbers in what is answered")]
PatternText = Annotated[
    str | None, Query(max_length=1000, description="a regular expression: only what it allows is read")
]


class Answer(JSONResponse):
    """JSON that shows Hangul as it is; our numbers are all finite."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def build(settings: Settings, metrics: Metrics | None = None) -> FastAPI:
    """The application. Raises ModelError where the models cannot be used."""
    counted = metrics if metrics is not None else Metrics()
    service = Service(settings, counted)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(service.warm_up)
        app.openapi()  # it takes a while, once
        log.info("ready")
        sampling = asyncio.create_task(_sample(counted))
        yield
        sampling.cancel()
        await asyncio.to_thread(service.close)
        log.info("stopped")

    app = FastAPI(
        title="edge_ocr", version=__version__, description=describe.DESCRIPTION, lifespan=lifespan, docs_url=None,
        redoc_url=None, redirect_slashes=False, license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )  # fmt: skip
    app.state.service = service
    app.add_middleware(Guard, metrics=counted, api_key=settings.api_key)
    _refusals(app)
    _routes(app, service)
    _scanners(app, service)
    _compatible(app, service)
    _about(app, service)
    app.openapi = lambda: describe.document(app, secured=settings.api_key is not None)  # type: ignore[method-assign]
    return app


async def _sample(metrics: Metrics) -> None:
    while True:
        metrics.sample()
        await asyncio.sleep(1)


# -- what every route does ---------------------------------------------------------------------------------------------


async def _with_body(request: Request, service: Service, act: Callable[[bytes, str], Awaitable[T]]) -> T:
    """Reads the body, and does ``act`` on it and its content type for as long as the caller is there."""
    limits = service.settings
    share = service.budget.share()
    try:
        if service.stopping:
            raise busy(5, "the server is shutting down")
        body = await read_body(request, most=limits.max_body, seconds=limits.receive_limit, share=share)
        return await _while_there(request, act(body, request.headers.get("content-type", "")))
    finally:
        share.give_back()


async def _pictures(body: bytes, kind: str, *, most: int = 1) -> list[bytes]:
    """The pictures in a body; large ones are taken apart beside the loop, which others wait for."""
    if len(body) < _LARGE:
        return pictures(body, kind, key="image", most=most)
    return await asyncio.to_thread(pictures, body, kind, key="image", most=most)


async def _while_there(request: Request, work: Awaitable[T]) -> T:
    """The result of ``work``, which is cancelled when the caller leaves."""
    doing = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait((doing, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise Refusal(499, "left", "the caller left")
        return doing.result()
    finally:
        for task in (doing, leaving):
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _refusals(app: FastAPI) -> None:
    async def refuse(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            codes = {404: "not_found", 405: "not_allowed"}
            headers = dict(error.headers or {})
            error = Refusal(error.status_code, codes.get(error.status_code, "refused"), str(error.detail), headers)
        elif isinstance(error, RequestValidationError):
            names = sorted({str(problem["loc"][-1]) for problem in error.errors()})
            error = Refusal(422, "bad_parameter", f"not as described in /openapi.json: {', '.join(names)}")
        assert isinstance(error, Refusal)
        content = compat.shaped(request.url.path, error)
        return Answer(content, status_code=error.status, headers=error.headers)

    for kind in (Refusal, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, refuse)


# -- routes ------------------------------------------------------------------------------------------------------------


def _routes(app: FastAPI, service: Service) -> None:
    @app.post("/v1/read", **describe.route("read", schemas.ReadAnswer))
    async def read(request: Request, characters: Characters = True, mask: Masked = False) -> Response:
        """Finds and reads the text of a picture: words with places and confidences, lines in reading order."""

        async def act(body: bytes, kind: str) -> Response:
            (content,) = await _pictures(body, kind)
            reading, masks = await service.read(content, mask=mask)
            data = reading.to_dict(characters=characters)
            return Answer({**data, "masks": masks} if mask else data)

        return await _with_body(request, service, act)

    @app.post("/v1/detect", **describe.route("detect", schemas.DetectAnswer))
    async def detect(request: Request) -> Response:
        """Finds where words are, without reading them."""

        async def act(body: bytes, kind: str) -> Response:
            (content,) = await _pictures(body, kind)
            (height, width), regions, ms = await service.detect(content)
            rounded = {stage: round(spent, 2) for stage, spent in ms.items()}
            found = [region.to_dict() for region in regions]
            return Answer({"width": width, "height": height, "regions": found, "ms": rounded})

        return await _with_body(request, service, act)

    @app.post("/v1/recognize", **describe.route("recognize", schemas.RecognizeAnswer))
    async def recognize(
        request: Request, pattern: PatternText = None, characters: Characters = True, mask: Masked = False
    ) -> Response:
        """Reads upright pictures of single words or lines, several at a time."""

        async def act(body: bytes, kind: str) -> Response:
            contents = await _pictures(body, kind, most=service.settings.max_crops)
            words = await service.recognize(contents, pattern=pattern, mask=mask)
            return Answer({"words": [word.to_dict(characters=characters) for word in words]})

        return await _with_body(request, service, act)


def _scanners(app: FastAPI, service: Service) -> None:
    def add(kind: str) -> None:
        key, schema = ("plates", schemas.PlatesAnswer) if kind == "plate" else ("documents", schemas.DocumentsAnswer)

        async def scan(request: Request, mask: Masked = False) -> Response:
            async def act(body: bytes, content_type: str) -> Response:
                (content,) = await _pictures(body, content_type)
                scanned: Scanned = await service.scan(kind, content, mask=mask)
                data: dict[str, Any] = {"width": scanned.width, "height": scanned.height, key: scanned.found}
                return Answer({**data, "masks": scanned.masks} if mask else data)

            return await _with_body(request, service, act)

        scan.__doc__ = describe.SCANNERS[kind]
        app.post(f"/v1/scan/{kind}", **describe.route(f"scan/{kind}", schema))(scan)

    for kind in scanners():
        add(kind)


def _compatible(app: FastAPI, service: Service) -> None:
    @app.post("/compat/kakao", **describe.route("compat/kakao", schemas.KakaoAnswer, schemas.KakaoError))
    async def kakao(request: Request, mask: Masked = False) -> Response:
        """/v1/read for clients of Kakao's vision OCR. The key: ``Authorization: KakaoAK <key>``."""

        async def act(body: bytes, kind: str) -> Response:
            (content,) = await _pictures(body, kind)
            reading, _ = await service.read(content, mask=mask)
            return Answer(compat.kakao(reading))

        return await _with_body(request, service, act)

    async def clova(request: Request, mask: Masked = False) -> Response:
        """/v1/read for clients of CLOVA OCR's General API, V2. The key: ``X-OCR-SECRET: <key>``."""

        async def act(body: bytes, kind: str) -> Response:
            asked = await asyncio.to_thread(compat.clova_request, body, kind)
            reading, _ = await service.read(asked.content, mask=mask)
            return Answer(compat.clova(asked, reading))

        return await _with_body(request, service, act)

    how = describe.route("compat/clova", schemas.ClovaAnswer, schemas.ClovaError)
    app.post("/compat/clova", **how)(clova)
    app.post("/compat/clova/general", include_in_schema=False)(clova)


def _about(app: FastAPI, service: Service) -> None:
    Handler = Callable[[], Coroutine[Any, Any, Response]]

    def get(path: str, answer: type[Any] | None, handler: Handler) -> None:
        app.get(path, **describe.about(path, answer))(handler)
        app.head(path, include_in_schema=False)(handler)  # balancers ask so; the protocol leaves the body out

    async def healthz() -> Response:
        """The process lives."""
        return Answer({"status": "ok"})

    async def readyz() -> Response:
        """Models are loaded and requests are taken; 503 before that, and once it shuts down."""
        if service.ready and not service.stopping:
            return Answer({"status": "ready"})
        raise busy(1, "models are being loaded, or the server is shutting down")

    async def metrics() -> Response:
        """Counters and gauges of all worker processes, for Prometheus."""
        return PlainTextResponse(service.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def models() -> Response:
        """The models, scanners and languages of this server."""
        listed = await asyncio.to_thread(service.models)
        languages = list(service.settings.languages)
        return Answer({"models": listed, "scanners": list(scanners()), "languages": languages})

    async def start() -> Response:
        """A page to try it: drop a picture, or use the camera."""
        return HTMLResponse(page.HTML, headers={"Content-Security-Policy": page.POLICY})

    get("/healthz", schemas.Health, healthz)
    get("/readyz", schemas.Health, readyz)
    get("/metrics", None, metrics)
    get("/v1/models", schemas.ModelsAnswer, models)
    app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)(start)
