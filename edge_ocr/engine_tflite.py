"""The only file that knows TensorFlow Lite: LiteRT on the CPU, an engine beside ONNX Runtime.

A .tflite graph has fixed shapes, so a model's file holds a signature for each of its buckets, all with the same
weights; which one runs is told by the shape of the input. Batches are run row by row.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_ocr.engine import checkpoint
from edge_ocr.errors import EngineError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["TfliteEngine"]


class TfliteEngine:
    """A model in LiteRT, given as its bytes or as the path of its .tflite file, as ``export.tflite`` writes them: one
    input, and signatures called by its shape without the batch, such as ``32x160``.

    ``threads`` is how many threads one run may use. One run at a time: others wait. Raises InputError for fewer threads
    than one, EngineError where LiteRT is missing or refuses the model.
    """

    def __init__(self, model: bytes | str | os.PathLike[str], *, threads: int = 1) -> None:
        if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
            raise InputError(f"threads: expected a whole number of at least 1, found {threads!r}")
        interpreter = _interpreter()
        self._what = f"a model of {len(model)} bytes" if isinstance(model, bytes) else os.fspath(model)
        try:
            if not isinstance(model, bytes):
                with open(model, "rb") as stream:
                    model = stream.read()
            # LiteRT reads where it is told to without looking: what is no model ends the process there.
            if model[4:8] != b"TFL3":
                raise ValueError("it is no TFLite model")
            self._interpreter = interpreter(model_content=model, num_threads=threads)
            signatures = self._interpreter.get_signature_list()
        except Exception as error:
            raise EngineError(f"{self._what}: LiteRT refused it: {_first_line(error)}") from error
        if not signatures or any(len(s["inputs"]) != 1 for s in signatures.values()):
            raise EngineError(
                f"{self._what}: has no signatures with one input each; make it with python -m export.tflite"
            )
        self.shapes: tuple[str, ...] = tuple(signatures)
        first = next(iter(signatures.values()))
        self.input_names: tuple[str, ...] = tuple(first["inputs"])
        self.output_names: tuple[str, ...] = tuple(first["outputs"])
        self._runners: dict[str, Any] = {}
        self._lock = threading.Lock()

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """All outputs by name. Raises EngineError where the names, shapes or types are not the model's."""
        if tuple(inputs) != self.input_names:
            raise EngineError(
                f"{self._what}: expects the inputs {', '.join(self.input_names)}; given were {', '.join(inputs)}."
            )
        name = self.input_names[0]
        batch = inputs[name]
        shape = "x".join(map(str, batch.shape[1:]))
        if shape not in self.shapes or not len(batch):
            raise EngineError(
                f"{self._what}: has no graph for {name} {batch.dtype}{list(batch.shape)}, only for "
                f"{', '.join(self.shapes)} in batches of one or more. The model's buckets are what it can run."
            )
        ask = checkpoint.get()
        if ask is not None:
            ask()
        rows = []
        with self._lock:
            try:
                if shape not in self._runners:
                    self._runners[shape] = self._interpreter.get_signature_runner(shape)
                for row in batch:
                    out = self._runners[shape](**{name: np.ascontiguousarray(row[None])})
                    rows.append([out[key] for key in self.output_names])
            except Exception as error:
                given = f"{name} {batch.dtype}{list(batch.shape)}"
                raise EngineError(f"{self._what}: the run failed with {given}: {_first_line(error)}") from error
        return {key: np.concatenate([row[k] for row in rows]) for k, key in enumerate(self.output_names)}


def _interpreter() -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise EngineError(
            f"LiteRT cannot be imported ({error}). Install it: pip install 'edge-ocr[tflite]'"
        ) from error
    return Interpreter


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
