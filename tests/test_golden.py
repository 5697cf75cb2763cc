"""The golden files hold on this machine; and the comparison finds what does not."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

from edge_ocr.models import list_models
from export.golden import cases, files, run
from export.golden.__main__ import FOLDER, check

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / FOLDER
STAGES = sorted(GOLDEN.glob("*.json"))
MODELS = sorted(GOLDEN.glob("models/*.json"))


@pytest.mark.parametrize("path", [*STAGES, *MODELS], ids=lambda p: p.stem)
def test_golden(path: pathlib.Path) -> None:
    assert check(path, None) == []


def test_every_stage_and_every_shipped_model_has_one() -> None:
    assert {p.stem for p in STAGES} == set(run.KINDS) == set(cases.WHAT)
    assert {p.stem for p in MODELS} == {m.manifest.name for m in list_models()}
    for path in [*STAGES, *MODELS]:
        data = files.load(path)
        assert data["cases"] and len(data["what"]) > 40
        assert all(set(c) == {"name", "given", "want"} for c in data["cases"])


def test_no_file_is_left_over() -> None:
    for folder in (GOLDEN, GOLDEN / "models"):
        said = " ".join(p.read_text(encoding="utf-8") for p in folder.glob("*.json"))
        for path in folder.glob("*-*.*"):
            assert path.suffix == ".json" or f'"{path.name}"' in said, path.name


def altered(tmp_path: pathlib.Path, stem: str, change) -> list[str]:
    """What ``check`` says of a copy of a golden file after ``change`` of its JSON."""
    for part in (GOLDEN / stem).parent.glob(f"{pathlib.Path(stem).name}*"):
        shutil.copy(part, tmp_path)
    path = tmp_path / f"{pathlib.Path(stem).name}.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return check(path, None)


def set_at(data, *way):
    *steps, last, value = way
    for step in steps:
        data = data[step]
    data[last] = value


@pytest.mark.parametrize(
    ("stem", "way", "says"),
    [
        ("layout", ("cases", 0, "want", "lines", 0, "text", "오늘"), "'오늘' wanted"),
        ("layout", ("cases", 1, "want", "lines", 0, "words", [0]), "values wanted"),
        ("ctc-greedy", ("cases", 0, "want", "confidences", 0, 0.9), "0.9 wanted"),
        ("ctc-beam", ("cases", 0, "want", "beams", 0, "log_prob", -1.0), "allowed are 0.001"),
        ("nms", ("cases", 0, "want", "kept", 0, 1), "1 wanted, found 0"),
        ("decode", ("cases", 0, "want", "quads", 0, 0, [9.0, 12.0]), "wanted"),
        ("decode", ("cases", 2, "want", "scores", [0.5]), "1 values wanted, found 0"),
        ("letterbox", ("cases", 0, "want", "offset", 0, 7.0), "7.0 wanted"),
        ("letterbox", ("cases", 0, "given", "padding", 113), "off by 1"),
        ("line", ("cases", 0, "given", "height", 30), "shape"),
        ("crop", ("cases", 0, "given", "margin", 0.3), "shape"),
        ("models/ko", ("model", "sha256", "0" * 64), "export.golden --only models"),
        ("models/en", ("cases", 1, "want", "words", 0, "confidence", 0.5), "0.5 wanted"),
    ],
)
def test_what_differs_is_said(stem: str, way: tuple, says: str, tmp_path: pathlib.Path) -> None:
    found = altered(tmp_path, stem, lambda data: set_at(data, *way))
    if stem == "letterbox" and way[3] == "padding":
        assert found == []  # one grey level is within the tolerance
        found = altered(tmp_path, stem, lambda data: set_at(data, *way[:-1], 110))
        says = "off by 4"
    assert any(says in line for line in found), found


def test_values_survive_the_files(tmp_path: pathlib.Path) -> None:
    rng = np.random.default_rng(0)
    given = {
        "rgb": rng.integers(0, 256, (5, 7, 3), np.uint8),
        "grey": rng.integers(0, 256, (4, 6), np.uint8),
        "maps": rng.normal(0, 1, (3, 6, 5)).astype(np.float32),
        "list": [1, 2.5, None, "한글"],
    }
    written = files.save(tmp_path, "x", {"what": "", "tolerance": {}, "cases": [
        {"name": "a", "given": given, "want": {}}, {"name": "b", "given": {"again": given["rgb"]}, "want": {}}]})
    assert written == {p.name for p in tmp_path.iterdir()}
    assert len(written) == 4, "the same picture is kept once"
    first, second = (c["given"] for c in files.load(tmp_path / "x.json")["cases"])
    for key in ("rgb", "grey", "maps"):
        np.testing.assert_array_equal(first[key], given[key])
        assert first[key].dtype == given[key].dtype
    np.testing.assert_array_equal(second["again"], given["rgb"])
    assert first["list"] == given["list"]


def test_the_command_checks_and_fails(tmp_path: pathlib.Path) -> None:
    command = [sys.executable, "-m", "export.golden", "--check", "--only", "stages", "--folder", str(tmp_path)]
    none = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert none.returncode == 2 and "no golden files" in none.stderr
    shutil.copy(GOLDEN / "nms.json", tmp_path)
    good = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert good.returncode == 0 and good.stdout.endswith("1 passed, 0 failed\n")
    text = (tmp_path / "nms.json").read_text(encoding="utf-8")
    (tmp_path / "nms.json").write_text(text.replace("[30.0, 12.0", "[1.0, 12.0"), encoding="utf-8")
    bad = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert bad.returncode == 1 and "differs" in bad.stdout and "usual.kept" in bad.stdout
