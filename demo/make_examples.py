"""Writes edge_ocr/serve/examples.json: requests to the server, and what it answered.

    python demo/make_examples.py

The pictures are parts of demo/sample.jpg and a plate that is drawn here, small enough to stand in a document as base64.
Run it again when models or answers change; needs the extra [serve].
"""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge_ocr.draw import _lettering  # the one lettering that is there without a font
from edge_ocr.serve import Settings, compat
from edge_ocr.serve.metrics import Metrics
from edge_ocr.serve.service import Service

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "edge_ocr" / "serve" / "examples.json"


def packed(image: Any, quality: int = 60) -> bytes:
    return bytes(cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes())


def car() -> Any:
    """A plate on grey, uint8 ``[h, w, 3]``."""
    ink = _lettering("38나7012", 56)
    image = np.full((200, 400), 110, np.uint8)
    image[60:140, 50 : 90 + ink.shape[1]] = 240
    part = image[72:128, 70 : 70 + ink.shape[1]]
    part[:] = part - (part * (ink / 255 * 0.9)).astype(np.uint8)
    return np.repeat(image[:, :, None], 3, axis=2)


async def make() -> dict[str, Any]:
    service = Service(Settings(time_limit=600), Metrics())
    scene = cv2.imread(str(HERE / "sample.jpg"), cv2.IMREAD_COLOR)
    board = packed(cv2.resize(scene[455:600, 215:570], None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA))
    word = packed(scene[474:528, 240:362])
    plate = packed(car())
    contents = {"board": board, "word": word, "plate": plate}
    text = {name: base64.b64encode(content).decode() for name, content in contents.items()}
    reading, _ = await service.read(board)
    (height, width), regions, ms = await service.detect(board)
    words = await service.recognize([word])
    plates = await service.scan("plate", plate)
    request = {
        "version": "V2", "requestId": "3f2c1d", "timestamp": 1767225600000, "lang": "ko",
        "images": [{"format": "webp", "name": "board", "data": text["board"]}],
    }  # fmt: skip
    clova = compat.clova(compat.ClovaRequest("3f2c1d", "board", board), reading)
    clova["timestamp"] = 1767225600321
    clova["images"][0]["uid"] = "8d0f3c7e5a9b4c1e8f2a6b7d9e0c1f23"
    one = {"image": text["board"]}
    detected = {
        "width": width, "height": height, "regions": [r.to_dict() for r in regions],
        "ms": {stage: round(spent, 2) for stage, spent in ms.items()},
    }  # fmt: skip
    scanned = {"width": plates.width, "height": plates.height, "plates": plates.found}
    service.close()
    return {
        "read": {"request": one, "answer": reading.to_dict()},
        "detect": {"request": one, "answer": detected},
        "recognize": {"request": {"images": [text["word"]]}, "answer": {"words": [w.to_dict() for w in words]}},
        "scan/plate": {"request": {"image": text["plate"]}, "answer": scanned},
        "compat/kakao": {"request": one, "answer": compat.kakao(reading)},
        "compat/clova": {"request": request, "answer": clova},
    }


def main() -> None:
    found = asyncio.run(make())
    OUT.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{OUT}: {OUT.stat().st_size:,} bytes; the board reads")
    print("\n".join(line["text"] for line in found["read"]["answer"]["lines"]))



if __name__ == "__main__":
    main()
