"""The only file that knows an inference engine: ONNX Runtime on the CPU.

An engine takes and gives dictionaries of arrays by name. It uses as many threads as its caller says, and none of
them spins while it waits: an idle reader costs no CPU time, at the price of some microseconds a call.
"""

from __future__ import annotations

import functools
import os
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from edge_ocr.errors import EngineError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["Engine", "OnnxEngine", "checkpoint", "run_many"]

# What each run asks first, in the context that it runs in: it may raise, to end work that nobody waits for any more.
checkpoint: ContextVar[Callable[[], None] | None] = ContextVar("checkpoint", default=None)


class Engine(Protocol):
    """Runs a model: ``inputs`` by name in, all outputs by name back. Safe to call from several threads."""

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]: ...


def run_many(engine: Engine, inputs: Sequence[Mapping[str, NDArray[Any]]]) -> list[dict[str, NDArray[Any]]]:
    """Runs that do not wait for one another, their outputs in order. An engine that has a ``run_many`` of its own, such
    as one that shares its runs among several callers, gets them all at once."""
    together = getattr(engine, "run_many", None)
    return list(together(inputs)) if together is not None else [engine.run(x) for x in inputs]


class OnnxEngine:
    """A model in ONNX Runtime, given as its bytes or as the path of its .onnx file.

    ``threads`` is how many threads one run may use, the caller's own among them. Raises InputError for fewer than
    one, EngineError where ONNX Runtime is missing or refuses the model.
    """

    def __init__(self, model: bytes | str | os.PathLike[str], *, threads: int = 1) -> None:
        if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
            raise InputError(f"threads: expected a whole number of at least 1, found {threads!r}")
        runtime = _onnxruntime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        # With buckets and batches of many sizes, planning one block for each costs memory and gains no time: 208 MiB
        # against 171 at the peak of a 1280x720 photograph, same milliseconds.
        options.enable_mem_pattern = False
        if _one_arena(runtime):
            options.add_session_config_entry("session.use_env_allocators", "1")
        options.log_severity_level = 3  # errors come back as exceptions; warnings are for whoever exports
        source = model if isinstance(model, bytes) else os.fspath(model)
        self._what = f"a model of {len(model)} bytes" if isinstance(model, bytes) else str(source)
        try:
            self._session = runtime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions share no base class but Exception
            raise EngineError(
                f"{self._what}: ONNX Runtime {runtime.__version__} refused it: {_first_line(error)} "
                "If the file is whole, a newer onnxruntime may read it (pip install --upgrade onnxruntime)."
            ) from error
        self.input_names: tuple[str, ...] = tuple(node.name for node in self._session.get_inputs())
        self.output_names: tuple[str, ...] = tuple(node.name for node in self._session.get_outputs())

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """All outputs by name. Raises EngineError where the names, shapes or types are not the model's."""
        if set(inputs) != set(self.input_names):
            raise EngineError(
                f"{self._what}: expects the inputs {', '.join(self.input_names)}; given were {', '.join(inputs)}."
            )
        ask = checkpoint.get()
        if ask is not None:
            ask()
        try:
            values = self._session.run(list(self.output_names), dict(inputs))
        except Exception as error:
            given = ", ".join(f"{name} {a.dtype}{list(a.shape)}" for name, a in inputs.items())
            raise EngineError(f"{self._what}: the run failed with {given}: {_first_line(error)}") from error
        return dict(zip(self.output_names, values, strict=True))


@functools.cache
def _one_arena(runtime: Any) -> bool:
    """Whether all models of the process take the memory of their activations from one arena. Detector and recognizers
    run in turns, so what one has given back serves the next: 149 MiB against 161 at the peak of a photograph, same
    milliseconds. False where this ONNX Runtime cannot, or somebody else in the process has set up an arena first."""
    try:
        kinds = runtime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, runtime.OrtMemType.DEFAULT
        memory = runtime.OrtMemoryInfo("Cpu", kinds[0], 0, kinds[1])
        runtime.create_and_register_allocator(memory, None)
    except Exception:  # an option less, and nothing that the caller could do about it
        return False
    return True


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise EngineError(
            f"ONNX Runtime cannot be imported ({error}). Install it (pip install onnxruntime); on a Jetson, a build "
            "for your JetPack does as well."
        ) from error
    return onnxruntime


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
