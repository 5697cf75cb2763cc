"""edge_ocr reads Korean and English text from pictures, on the CPU, with models of its own.

    from edge_ocr import OCR

    reading = OCR().read("receipt.jpg")
    print(reading.text)

Names are loaded when they are first used: ``import edge_ocr`` itself loads neither OpenCV nor an inference engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_ocr.capture import Capture, window_problem
    from edge_ocr.errors import (
        CaptureError,
        CaptureWarning,
        EdgeOcrError,
        EngineError,
        ImageError,
        InputError,
        IntegrityError,
        ManifestError,
        ModelError,
        ModelNotFound,
    )
    from edge_ocr.image import load_image
    from edge_ocr.manifest import Manifest, load_manifest
    from edge_ocr.models import list_models
    from edge_ocr.pattern import Pattern
    from edge_ocr.quality import Hint, Quality
    from edge_ocr.reader import OCR
    from edge_ocr.scanners.live import scan_reader
    from edge_ocr.stream import Event, Seen, Stream, Track
    from edge_ocr.types import Crop, Frame, Point, Quad, Reading, Region, TextCharacter, TextLine, TextWord

__version__ = "0.1.0"

__all__ = [
    "Capture",
    "CaptureError",
    "CaptureWarning",
    "Crop",
    "EdgeOcrError",
    "EngineError",
    "Event",
    "Frame",
    "Hint",
    "ImageError",
    "InputError",
    "IntegrityError",
    "Manifest",
    "ManifestError",
    "ModelError",
    "ModelNotFound",
    "OCR",
    "Pattern",
    "Point",
    "Quad",
    "Quality",
    "Reading",
    "Region",
    "Seen",
    "Stream",
    "TextCharacter",
    "TextLine",
    "TextWord",
    "Track",
    "list_models",
    "load_image",
    "load_manifest",
    "overlay",
    "scan_reader",
    "window_problem",
]

# where each name of __all__ is defined, for what is not in errors or types
_HOME = {
    "Capture": "capture",
    "CaptureWarning": "errors",
    "Event": "stream",
    "Hint": "quality",
    "Manifest": "manifest",
    "OCR": "reader",
    "Quality": "quality",
    "Seen": "stream",
    "Stream": "stream",
    "Track": "stream",
    "Pattern": "pattern",
    "list_models": "models",
    "load_image": "image",
    "load_manifest": "manifest",
    "overlay": "draw",
    "scan_reader": "scanners.live",
    "window_problem": "capture",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    if _HOME.get(name) in ("capture", "draw", "quality", "reader", "scanners.live", "stream"):
        # their modules import cv2 as they load; a missing one is better told by this
        importlib.import_module(f"{__name__}.image").opencv()
    home = _HOME.get(name) or ("errors" if name.endswith("Error") or name == "ModelNotFound" else "types")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value  # the next look-up does not come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
