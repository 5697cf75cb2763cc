"""The import rule of ARCHITECTURE.md, and that ``import edge_ocr`` stays light."""

from __future__ import annotations

import ast
import pathlib
import subprocess
import sys

import pytest

import edge_ocr

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Left never imports right, and modules of one level do not import one another.
LEVELS = [
    {"errors", "types"},
    {"strict"},
    {"schema"},
    {"geometry", "ctc", "manifest", "engine", "pattern"},
    {"ending", "image", "preprocess", "east", "engine_tflite", "models", "views", "arcs", "blocks", "constrain"},
    {"again", "words"},
    {"detect", "devices", "crop", "engines", "recognize", "layout", "isolated", "lean", "orient", "stacks", "whole"},
    {"facade", "choose", "sensitive", "torn"},
    {"reader"},
    {"capture", "quality", "track", "vote", "extent", "scanners", "redact", "draw", "formats"},
    {"events"},
    {"followed", "redact_live"},
    {"stream"},
    {"bulk", "serve"},
    {"cli_bulk", "cli_formats", "cli_live", "cli_redact", "cli_scan", "cli_serve"},
    {"cli"},
]
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}

# What the runtime may import from outside, and which files alone may.
OUTSIDE = {
    "numpy": set(LEVEL),
    "cv2": set(LEVEL) - {"errors", "types", "strict", "schema", "manifest", "models", "ctc", "pattern", "constrain"},
    "onnxruntime": {"engine"},
    "ai_edge_litert": {"engine_tflite"},
    "tqdm": {"cli", "bulk"},
    "pypdf": {"formats"},
    "pyarrow": {"bulk"},
    "ray": {"bulk"},
    "fastapi": {"serve"},
    "pydantic": {"serve"},
    "python_multipart": {"serve"},
    "starlette": {"serve"},
    "uvicorn": {"serve"},
}


def imported(path: pathlib.Path) -> set[str]:
    """The absolute names of the modules that a file imports, wherever in it the import stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            assert node.module is not None
            # "from edge_ocr import x" imports the module x; "from edge_ocr.x import y" the module edge_ocr.x
            names |= {f"edge_ocr.{a.name}" for a in node.names} if node.module == "edge_ocr" else {node.module}
    return names


def module_of(path: pathlib.Path) -> str:
    """Its name below edge_ocr: "crop" for crop.py, "scanners" for everything in scanners/."""
    return path.relative_to(ROOT / "edge_ocr").parts[0].removesuffix(".py")


RUNTIME = sorted(p for p in (ROOT / "edge_ocr").rglob("*.py") if p.name != "__init__.py" or p.parent.name != "edge_ocr")


@pytest.mark.parametrize("path", RUNTIME, ids=lambda p: str(p.relative_to(ROOT)))
def test_runtime_modules_import_only_to_the_left(path: pathlib.Path) -> None:
    module = module_of(path)
    assert module in LEVEL, f"{module} has no place in the import rule: give it one, here and in ARCHITECTURE.md"
    for name in imported(path):
        top = name.split(".")[0]
        if top == "edge_ocr":
            other = name.split(".")[1]
            if other in ("__version__", module):
                continue
            assert LEVEL[other] < LEVEL[module], f"{module} must not import {other}"
        elif top not in sys.stdlib_module_names:
            assert module in OUTSIDE.get(top, set()), f"{module} must not import {top}"


def test_the_runtime_knows_nothing_of_its_makers() -> None:
    for path in (ROOT / "edge_ocr").rglob("*.py"):
        for name in imported(path):
            assert name.split(".")[0] not in {"torch", "training", "export", "calibration", "benchmarks", "PIL", "onnx"}


def test_the_rule_can_fail(tmp_path: pathlib.Path) -> None:
    source = tmp_path / "x.py"
    source.write_text(
        "import torch.nn\nfrom edge_ocr import reader\n"
        "def f():\n    from edge_ocr.cli import main\n    import cv2 as c\n"
    )
    assert imported(source) == {"torch.nn", "edge_ocr.reader", "edge_ocr.cli", "cv2"}


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    return done.stdout


def test_import_loads_no_engine() -> None:
    loaded = set(run("import sys, edge_ocr; print(*sys.modules)").split())
    assert "edge_ocr" in loaded
    assert not {m for m in loaded if m.startswith("edge_ocr.")}
    assert not loaded & {"numpy", "cv2", "onnxruntime", "torch", "tqdm", "typing_extensions"}


def test_errors_and_types_need_nothing_but_python() -> None:
    loaded = set(run("import sys; from edge_ocr import EdgeOcrError, Reading; print(*sys.modules)").split())
    assert not loaded & {"numpy", "cv2", "onnxruntime", "torch"}


def test_manifests_and_models_need_no_engine() -> None:
    loaded = set(run("import sys; from edge_ocr import list_models, load_manifest; print(*sys.modules)").split())
    assert not loaded & {"numpy", "cv2", "onnxruntime", "torch"}


def test_the_facade_loads_no_torch() -> None:
    loaded = set(run("import sys; from edge_ocr import OCR; print(*sys.modules)").split())
    assert not loaded & {"torch", "PIL", "onnx", "training"}


@pytest.mark.parametrize(("missing", "remedy"), [("cv2", "opencv-python-headless"), ("onnxruntime", "onnxruntime")])
def test_what_is_missing_is_said(missing: str, remedy: str) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "import edge_ocr\n"
        "try:\n    edge_ocr.OCR; from edge_ocr.engine import OnnxEngine; OnnxEngine(b'')\n"
        "except edge_ocr.EngineError as error: print(error)"
    )
    assert f"pip install {remedy}" in run(code)


def test_public_names() -> None:
    assert edge_ocr.__all__ == sorted(edge_ocr.__all__)
    assert len(set(edge_ocr.__all__)) == len(edge_ocr.__all__)
    for name in edge_ocr.__all__:
        assert getattr(edge_ocr, name) is not None
        assert name in dir(edge_ocr)
    with pytest.raises(AttributeError, match="Ocr"):
        _ = edge_ocr.Ocr


def test_every_module_says_what_is_public() -> None:
    for path in RUNTIME:
        statements = ast.parse(path.read_text(encoding="utf-8")).body
        lists = [s for s in statements if isinstance(s, ast.Assign) and ast.unparse(s.targets[0]) == "__all__"]
        assert len(lists) == 1, f"{path.name} needs one __all__"
        names = ast.literal_eval(lists[0].value)
        assert len(set(names)) == len(names), path.name


def test_the_version_is_one() -> None:
    assert edge_ocr.__version__.count(".") == 2
    assert f"## {edge_ocr.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
