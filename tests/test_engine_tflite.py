"""LiteRT behind the engine protocol, and one graph for many shapes."""

from __future__ import annotations

import difflib
import pathlib
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
from tiny import make_models, picture

from edge_ocr import OCR, InputError
from edge_ocr.engine import Engine, OnnxEngine, checkpoint
from edge_ocr.engine_tflite import TfliteEngine
from edge_ocr.errors import EngineError, ManifestError
from edge_ocr.models import DetectorModel, Model, list_models
from export.golden import files

schema = pytest.importorskip("ai_edge_litert.schema_py_generated", reason="pip install 'edge-ocr[tflite]'")
graph = pytest.importorskip("export.tflite_graph")

GOLDEN = pathlib.Path(__file__).parent / "golden" / "models"
BUILTIN_CAST, BUILTIN_MUL, BUILTIN_RESHAPE = 53, 18, 22


def converted(sides: tuple[int, ...], *, constant: str = "shape") -> bytes:
    """A file as a converter writes it: a subgraph for each input ``[1, 4, side]`` uint8, which gives ``out = weights ·
    image``, reshaped to ``[1, 2, 2 · side]``. ``constant="weights"``: the weights depend on the size, as they must
    not."""
    model = schema.ModelT()
    model.version, model.buffers, model.subgraphs, model.operatorCodes = 3, [schema.BufferT()], [], []
    for code in (BUILTIN_CAST, BUILTIN_MUL, BUILTIN_RESHAPE):
        item = schema.OperatorCodeT()
        item.builtinCode = item.deprecatedBuiltinCode = code
        item.version = 1
        model.operatorCodes.append(item)
    for side in sides:
        model.subgraphs.append(subgraph(model, side, constant))
    model.signatureDefs = []
    return graph.write(model)


def subgraph(model: Any, side: int, constant: str) -> Any:
    def tensor(name: str, shape: list[int], kind: int, data: np.ndarray | None = None) -> Any:
        item = schema.TensorT()
        item.name, item.shape, item.type = name.encode(), np.array(shape, np.int32), kind
        buffer = schema.BufferT()
        if data is not None:
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
        model.buffers.append(buffer)
        item.buffer = len(model.buffers) - 1
        return item

    def operator(code: int, inputs: list[int], outputs: list[int], kind: int, options: Any) -> Any:
        item = schema.OperatorT()
        item.opcodeIndex = code
        item.inputs, item.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        item.builtinOptionsType, item.builtinOptions = kind, options
        return item

    float32, int32, uint8 = 0, 2, 3
    weights = np.arange(1, 5, dtype=np.float32).reshape(1, 4, 1) + (side if constant == "weights" else 0)
    out = schema.SubGraphT()
    out.name = b"converted"
    out.tensors = [
        tensor("image", [1, 4, side], uint8),
        tensor("values", [1, 4, side], float32),
        tensor("weights", [1, 4, 1], float32, weights),
        tensor("product", [1, 4, side], float32),
        tensor("target", [3], int32, np.array([1, 2, 2 * side], np.int32)),
        tensor("out", [1, 2, 2 * side], float32),
    ]
    kinds = schema.BuiltinOptions
    out.inputs, out.outputs = np.array([0], np.int32), np.array([5], np.int32)
    out.operators = [
        operator(0, [0], [1], kinds.CastOptions, schema.CastOptionsT()),
        operator(1, [1, 2], [3], kinds.MulOptions, schema.MulOptionsT()),
        operator(2, [3, 4], [5], kinds.ReshapeOptions, schema.ReshapeOptionsT()),
    ]
    return out


def grown(*wanted: int) -> bytes:
    sizes = [(w,) for w in wanted]
    return bytes(graph.grow(converted((7, 11)), [(7,), (11,)], sizes, given="image", outputs=["out"]))


def expected(image: np.ndarray) -> np.ndarray:
    product = image * np.arange(1, 5, dtype=np.float32).reshape(1, 4, 1)
    return product.reshape(len(image), 2, -1)


def image_of(n: int, side: int) -> np.ndarray:
    return np.random.default_rng(side).integers(0, 256, (n, 4, side), np.uint8)


@pytest.mark.parametrize("side", [3, 7, 20, 500])
def test_sizes_that_were_never_converted(side: int) -> None:
    engine: Engine = TfliteEngine(grown(3, 7, 20, 500))
    image = image_of(3, side)
    outputs = engine.run({"image": image})
    assert list(outputs) == ["out"]
    np.testing.assert_array_equal(outputs["out"], expected(image))


def test_a_signature_more_costs_no_copy_of_the_weights() -> None:
    weighty = graph.read(grown(3))
    assert len(grown(3, 4, 5, 6)) - len(grown(3)) < 2000
    many = graph.read(grown(3, 4, 5, 6))
    weights = {g.tensors[2].buffer for g in many.subgraphs}
    assert len(weights) == 1 and len(many.subgraphs) == 4
    assert len(weighty.signatureDefs) == 1 and many.signatureDefs[3].signatureKey == b"4x6"


def test_graphs_that_differ_in_more_than_numbers_are_refused() -> None:
    data = converted((7, 11), constant="weights")
    with pytest.raises(graph.GraphError, match="weights"):
        graph.grow(data, [(7,), (11,)], [(3,)], given="image", outputs=["out"])
    with pytest.raises(graph.GraphError, match="outputs"):
        graph.grow(converted((7, 11)), [(7,), (11,)], [(3,)], given="image", outputs=["out", "more"])
    with pytest.raises(graph.GraphError, match="graphs"):
        graph.grow(converted((7,)), [(7,), (11,)], [(3,)], given="image", outputs=["out"])


def test_from_bytes_and_from_a_path(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "모델.tflite"
    path.write_bytes(grown(5))
    image = image_of(1, 5)
    for source in (path, str(path), path.read_bytes()):
        engine = TfliteEngine(source, threads=2)
        assert (engine.input_names, engine.output_names, engine.shapes) == (("image",), ("out",), ("4x5",))
        np.testing.assert_array_equal(engine.run({"image": image})["out"], expected(image))


@pytest.mark.parametrize("threads", [0, -1, 1.0, True, "2", None])
def test_threads_are_a_whole_number(threads: object) -> None:
    with pytest.raises(InputError, match="threads"):
        TfliteEngine(grown(5), threads=threads)  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b"", b"hello\n" * 20, b"\x00" * 400])
def test_what_is_no_model_is_refused(content: bytes, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(EngineError, match=f"{len(content)} bytes"):
        TfliteEngine(content)
    with pytest.raises(EngineError, match=r"model\.tflite"):
        TfliteEngine(path)
    with pytest.raises(EngineError, match=r"missing\.tflite"):
        TfliteEngine(tmp_path / "missing.tflite")
    with pytest.raises(EngineError, match=r"export\.tflite"):
        TfliteEngine(converted((7,)))  # a model, but without signatures


def test_wrong_inputs_are_named() -> None:
    engine = TfliteEngine(grown(5, 8))
    with pytest.raises(EngineError, match="expects the inputs image"):
        engine.run({"picture": image_of(1, 5)})
    with pytest.raises(EngineError, match="4x5, 4x8"):
        engine.run({"image": image_of(1, 6)})
    with pytest.raises(EngineError, match="batches of one or more"):
        engine.run({"image": image_of(1, 5)[:0]})
    with pytest.raises(EngineError, match=r"image float32\[1, 4, 5\]"):
        engine.run({"image": image_of(1, 5).astype(np.float32)})


def test_one_engine_serves_many_threads() -> None:
    engine = TfliteEngine(grown(5, 8))
    wrong: list[int] = []

    def work(side: int) -> None:
        image = image_of(2, side)
        if any((engine.run({"image": image})["out"] != expected(image)).any() for _ in range(50)):
            wrong.append(side)

    workers = [threading.Thread(target=work, args=(5 + 3 * (i % 2),)) for i in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []


def test_a_run_asks_whether_it_is_still_wanted() -> None:
    class Unwanted(Exception):
        pass

    def ask() -> None:
        raise Unwanted

    engine = TfliteEngine(grown(5))
    token = checkpoint.set(ask)
    try:
        with pytest.raises(Unwanted):
            engine.run({"image": image_of(1, 5)})
    finally:
        checkpoint.reset(token)


def test_a_model_without_such_a_file_says_so(tmp_path: pathlib.Path) -> None:
    ocr = OCR(models_dir=make_models(tmp_path), engine="tflite")
    with pytest.raises(ManifestError, match="no 'tflite' file"):
        ocr.read(picture())


def test_engines_have_names() -> None:
    for name in ("tensorflow", "", 3, None):
        with pytest.raises(InputError, match="'onnx' or 'tflite'"):
            OCR(engine=name)  # type: ignore[arg-type]


def test_without_litert_the_remedy_is_named() -> None:
    code = (
        "import sys; sys.modules['ai_edge_litert'] = None\n"
        "from edge_ocr.engine_tflite import TfliteEngine\n"
        "from edge_ocr.errors import EngineError\n"
        "try:\n    TfliteEngine(b'')\nexcept EngineError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'edge-ocr[tflite]'" in done.stdout


def test_no_engine_is_loaded_unasked() -> None:
    code = "import sys, edge_ocr; edge_ocr.OCR; print('ai_edge_litert' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize("model", list_models(), ids=lambda m: m.manifest.name)
def test_a_shipped_twin_says_what_its_onnx_file_says(model: Model) -> None:
    assert "tflite" in model.manifest.files, "every model ships with a twin: python -m export.tflite makes one"
    cases = {c["name"]: c["given"] for c in files.load(GOLDEN / f"{model.manifest.name}.json")["cases"]}
    given = {model.manifest.input.name: cases["network"]["input"][None]}  # type: ignore[attr-defined]
    onnx = OnnxEngine(model.read()).run(given)
    tflite = TfliteEngine(model.read("tflite")).run(given)
    assert set(tflite) == set(onnx)
    if isinstance(model, DetectorModel):
        assert np.abs(tflite["score"] - onnx["score"]).mean() < 0.01
        text = onnx["score"] > 0.8
        np.testing.assert_allclose(tflite["geometry"][text], onnx["geometry"][text], rtol=0.1, atol=3)
    else:
        alike = tflite["symbols"].argmax(-1) == onnx["symbols"].argmax(-1)
        assert alike.mean() > 0.9


def test_a_picture_is_read_by_name_of_the_engine() -> None:
    (frame,) = (c["given"] for c in files.load(GOLDEN / "ko.json")["cases"] if c["name"] == "frame")
    text = OCR(("ko",), engine="tflite", threads=1).read(frame["frame"]).text
    assert difflib.SequenceMatcher(None, text, frame["written"], autojunk=False).ratio() > 0.9
