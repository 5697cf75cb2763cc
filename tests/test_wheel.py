"""The wheel holds edge_ocr and its weights, nothing else, and asks for little."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = out.iterdir()
    return path


@pytest.fixture(scope="module")
def metadata(wheel: pathlib.Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith("/METADATA")]
        return Parser().parsestr(archive.read(name).decode("utf-8"))


def test_the_wheel_is_the_package_and_its_weights(wheel: pathlib.Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {n for n in archive.namelist() if ".dist-info/" not in n}
    package = ROOT / "edge_ocr"
    want = {str(p.relative_to(ROOT)) for p in package.rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    assert names == want
    assert "edge_ocr/py.typed" in names
    suffixes = {pathlib.PurePath(n).suffix for n in names if n != "edge_ocr/py.typed"}
    assert suffixes <= {".py", ".json", ".html", ".onnx", ".tflite", ".z", ".txt"}
    for model in package.glob("weights/*"):
        assert {f"edge_ocr/weights/{model.name}/model.json", f"edge_ocr/weights/{model.name}/model.onnx"} <= names


def test_the_wheel_is_small(wheel: pathlib.Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    assert wheel.stat().st_size <= 15_000_000


def test_the_runtime_asks_for_four_things(metadata: Message) -> None:
    asked = [r for r in metadata.get_all("Requires-Dist", []) if "extra ==" not in r]
    names = sorted(r.split(">=")[0].split(";")[0].strip() for r in asked)
    assert names == ["numpy", "onnxruntime", "opencv-python-headless", "tqdm"]
    extras = metadata.get_all("Provides-Extra", [])
    assert set(extras) >= {"scan", "serve", "ray", "train", "export", "tflite", "bench", "dev"}
    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata["License-Expression"] == "Apache-2.0"


def test_the_oldest_versions_are_the_ones_tested(metadata: Message) -> None:
    lines = (ROOT / "tests" / "lowest.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    for requirement in metadata.get_all("Requires-Dist", []):
        if "extra ==" in requirement:
            continue
        name, bound = requirement.split(";")[0].strip().split(">=")
        assert f"{pinned[name]}.".startswith(f"{bound}."), f"{name}: {pinned[name]} is tested, {bound} promised"


def test_an_opencv_of_the_system_is_left_alone_on_jetpack(metadata: Message) -> None:
    from packaging.requirements import Requirement

    requirements = [Requirement(r) for r in metadata.get_all("Requires-Dist", [])]
    (opencv,) = [r for r in requirements if r.name == "opencv-python-headless"]
    assert opencv.marker is not None
    for release, wanted in (
        ("5.10.104-tegra", False),
        ("5.15.148-tegra", False),
        ("6.1.0-18-amd64", True),
        ("6.6.31+rpt-rpi-v8", True),
        ("23.4.0", True),
    ):
        assert opencv.marker.evaluate({"platform_release": release}) is wanted
