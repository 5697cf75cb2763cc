"""The engines by name, and the one that a name means for a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_ocr.engine import OnnxEngine
from edge_ocr.engine_tflite import TfliteEngine
from edge_ocr.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_ocr.engine import Engine
    from edge_ocr.models import Model

__all__ = ["ENGINES", "engine_named"]

# A name is also that of the model's file: "onnx" runs model.onnx, "tflite" model.tflite.
ENGINES: dict[str, type[OnnxEngine] | type[TfliteEngine]] = {"onnx": OnnxEngine, "tflite": TfliteEngine}


def engine_named(name: str, *, threads: int) -> Callable[[Model], Engine]:
    """What makes an engine of that kind for a model. Raises InputError for a name that there is not, and when called
    EngineError or ManifestError where the engine or the model's file for it is missing."""
    if not isinstance(name, str) or name not in ENGINES:
        raise InputError(f"engine: expected {' or '.join(map(repr, ENGINES))}, or a function, found {name!r}")
    return lambda model: ENGINES[name](model.read(name), threads=threads)
