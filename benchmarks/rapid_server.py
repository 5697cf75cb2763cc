"""A server of the same shape around RapidOCR, for benchmarks/load.py; runs in a Python of its own that has the peer.

    python -m venv peer && peer/bin/pip install rapidocr==3.10.0 onnxruntime fastapi uvicorn python-multipart
    peer/bin/python benchmarks/rapid_server.py --port 8001 --threads 2

One reader a thread, as its documentation has it, each with one computing thread: so its process computes with as many
threads as ours. Its models are those that its package brings. Nothing of edge_ocr is imported.
"""

from __future__ import annotations

import argparse
import asyncio
import queue
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from rapidocr import RapidOCR


def reader() -> Any:
    return RapidOCR(params={
        "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        "Global.log_level": "critical",
    })  # fmt: skip


def build(threads: int) -> FastAPI:
    app = FastAPI()
    pool = ThreadPoolExecutor(threads)
    readers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for _ in range(threads):
        readers.put(reader())

    def work(content: bytes) -> list[dict[str, Any]]:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        mine = readers.get()
        try:
            found = mine(image)
        finally:
            readers.put(mine)
        if found.boxes is None:
            return []
        return [
            {"quad": np.asarray(box).tolist(), "text": text, "confidence": float(score)}
            for box, text, score in zip(found.boxes, found.txts, found.scores, strict=True)
        ]

    @app.post("/v1/read")
    async def read(request: Request) -> JSONResponse:
        form = await request.form()
        content = await form["image"].read()  # type: ignore[union-attr]
        words = await asyncio.get_running_loop().run_in_executor(pool, work, content)
        return JSONResponse({"words": words})

    @app.get("/readyz")
    async def ready() -> JSONResponse:
        return JSONResponse({"status": "ready"})

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, default=2)
    a = parser.parse_args()
    cv2.setNumThreads(1)
    uvicorn.run(build(a.threads), host="127.0.0.1", port=a.port, log_level="error", access_log=False)


if __name__ == "__main__":
    main()
