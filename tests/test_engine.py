"""The engine: names and shapes, its threads, and errors that say what to do."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import threading

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge_ocr.engine import Engine, OnnxEngine
from edge_ocr.errors import EngineError, InputError


def network(size: int = 4, layers: int = 1) -> bytes:
    """``y = image · 2^layers`` as that many matrix products; ``z = -image``. Drawn with old operators, so that the
    oldest supported ONNX Runtime reads it."""
    weight = numpy_helper.from_array(2 * np.eye(size, dtype=np.float32), "weight")
    names = ["image", *(f"hidden{i}" for i in range(1, layers)), "y"]
    nodes = [helper.make_node("MatMul", [names[i], "weight"], [names[i + 1]]) for i in range(layers)]
    nodes.append(helper.make_node("Neg", ["image"], ["z"]))
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["rows", size]) for n in ("image", "y", "z")]
    graph = helper.make_graph(nodes, "tiny", infos[:1], infos[1:], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def test_runs_from_bytes_and_from_a_path(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "모델.onnx"
    path.write_bytes(network())
    image = np.arange(8, dtype=np.float32).reshape(2, 4)
    for model in (network(), path, str(path)):
        engine = OnnxEngine(model, threads=1)
        assert engine.input_names == ("image",)
        assert engine.output_names == ("y", "z")
        outputs = engine.run({"image": image})
        assert list(outputs) == ["y", "z"]
        np.testing.assert_array_equal(outputs["y"], 2 * image)
        np.testing.assert_array_equal(outputs["z"], -image)
        protocol: Engine = engine
        assert protocol.run({"image": image[:0]})["y"].shape == (0, 4)


@pytest.mark.parametrize("threads", [0, -1, 1.0, True, "2", None])
def test_threads_are_a_whole_number(threads: object) -> None:
    with pytest.raises(InputError, match="threads"):
        OnnxEngine(network(), threads=threads)  # type: ignore[arg-type]


@pytest.mark.parametrize("damage", ["half", "empty", "text"])
def test_a_model_that_cannot_be_read_is_refused(damage: str, tmp_path: pathlib.Path) -> None:
    content = {"half": network()[:60], "empty": b"", "text": b"hello\n" * 20}[damage]
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(EngineError, match=f"{len(content)} bytes"):
        OnnxEngine(content)
    with pytest.raises(EngineError, match=r"model\.onnx"):
        OnnxEngine(path)
    with pytest.raises(EngineError, match=r"missing\.onnx"):
        OnnxEngine(tmp_path / "missing.onnx")


def test_wrong_inputs_are_named() -> None:
    engine = OnnxEngine(network())
    with pytest.raises(EngineError, match="expects the inputs image"):
        engine.run({"picture": np.zeros((1, 4), np.float32)})
    with pytest.raises(EngineError, match="expects the inputs image"):
        engine.run({})
    with pytest.raises(EngineError, match=r"image float32\[1, 5\]"):
        engine.run({"image": np.zeros((1, 5), np.float32)})
    with pytest.raises(EngineError, match=r"image uint8\[1, 4\]"):
        engine.run({"image": np.zeros((1, 4), np.uint8)})


def test_one_engine_serves_many_threads() -> None:
    engine = OnnxEngine(network(), threads=2)
    wrong: list[int] = []

    def work(number: int) -> None:
        image = np.full((3, 4), number, np.float32)
        if any((engine.run({"image": image})["y"] != 2 * number).any() for _ in range(50)):
            wrong.append(number)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


COUNT = """
import os, sys, time
import numpy
from edge_ocr.engine import OnnxEngine

def count():
    return len(os.listdir("/proc/self/task"))

OnnxEngine(sys.argv[1], threads=1)  # whatever the runtime starts once, whichever model it loads
before = count()
engine = OnnxEngine(sys.argv[1], threads=int(sys.argv[2]))
image = numpy.ones((64, 256), numpy.float32)
engine.run({"image": image})
started = count() - before
cpu = time.process_time()
time.sleep(0.5)
print(started, time.process_time() - cpu)
"""


if sys.platform == "linux":  # threads are counted in /proc

    @pytest.mark.parametrize("threads", [1, 2, 4])
    def test_threads_are_what_the_caller_says_and_do_not_spin(threads: int, tmp_path: pathlib.Path) -> None:
        path = tmp_path / "model.onnx"
        path.write_bytes(network(256, 8))
        command = [sys.executable, "-c", COUNT, str(path), str(threads)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        started, idle = done.stdout.split()
        assert int(started) == threads - 1  # the caller's own thread is the last one
        assert float(idle) < 0.1


MEMORY = """
import resource, sys
import numpy
from edge_ocr.engine import OnnxEngine

image = numpy.ones((4194304, 4), numpy.float32)  # 64 MiB a tensor
peaks = []
for engine in [OnnxEngine(sys.argv[1]) for _ in range(3)]:
    engine.run({"image": image})
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)
print(peaks[2] - peaks[0])
"""


if sys.platform == "linux":

    def test_models_take_their_memory_from_one_place(tmp_path: pathlib.Path) -> None:
        path = tmp_path / "model.onnx"
        path.write_bytes(network())
        command = [sys.executable, "-c", MEMORY, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        assert int(done.stdout) < 64  # MiB; with an arena for each model it is 265


def test_a_missing_runtime_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['onnxruntime'] = None\n"
        "from edge_ocr.engine import OnnxEngine\n"
        "from edge_ocr.errors import EngineError\n"
        "try:\n    OnnxEngine(b'')\nexcept EngineError as e:\n    print(e)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "pip install onnxruntime" in done.stdout
