"""model.json is strict in both directions, and every model byte is verified."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import pathlib
from typing import Any

import pytest

from edge_ocr.errors import IntegrityError, ManifestError, ModelError, ModelNotFound
from edge_ocr.manifest import (
    DetectManifest,
    RecognizeManifest,
    describe_file,
    load_manifest,
    parse_manifest,
    read_model_file,
    write_manifest,
)
from edge_ocr.models import DetectorModel, find_detector, find_recognizer, list_models, models_folder

CONTENT = b"not a real network, but 36 bytes ok."


def common(name: str, task: str, languages: list[str]) -> dict[str, Any]:
    return {
        "format": 1,
        "name": name,
        "task": task,
        "version": "0.1",
        "license": "Apache-2.0",
        "languages": languages,
        "files": {"onnx": {"path": "model.onnx", "bytes": len(CONTENT), "sha256": "0" * 64}},
        "made": {
            "command": "python -m training",
            "date": "2026-01-31",
            "machine": "2 cores",
            "minutes": 12.5,
            "samples": 1000,
            "source": "drawn",
        },
        "measures": {"exact": 0.5},
    }


def detect_data() -> dict[str, Any]:
    return common("detector", "detect", []) | {
        "input": {
            "name": "image", "dtype": "uint8", "layout": "NHWC", "colour": "RGB", "stride": 32,
            "buckets": [[480, 640], [640, 480]], "fit": "letterbox", "resize": "area-down-linear-up", "padding": 127,
        },
        "output": {"score": "score", "geometry": "geometry", "stride": 4},
        "decode": _example("DetectDecode"),
        "tiling": _example("Tiling"),
    }


def recognize_data(name: str = "ko", languages: tuple[str, ...] = ("ko",)) -> dict[str, Any]:
    return common(name, "recognize", list(languages)) | {
        "input": {
            "name": "crops", "dtype": "uint8", "layout": "NHW", "colour": "grey", "height": 32,
            "buckets": [64, 128], "max_batch": 8, "fit": "height-pad-right", "resize": "area-down-linear-up",
            "padding": 0, "margin": 0.1,
        },
        "output": {
            "head": "hangul-factorised", "symbols": "symbols", "initial": "initial", "medial": "medial",
            "final": "final", "stride": 4,
        },
        "charset": "abc019-'€",
        "blank": 0,
        "decode": _example("RecognizeDecode"),
        "confidence": {"definition": "the smallest of its characters", "temperature": 1.0, "minimum": 0.3},
    }


def _example(name: str) -> dict[str, Any]:
    """A valid object for one of the parts whose keys grow with the decoders: any number within its limits."""
    import typing

    import edge_ocr.manifest as module

    part = getattr(module, name)
    hints = typing.get_type_hints(part)
    values: dict[str, Any] = {}
    for field in dataclasses.fields(part):
        low = field.metadata.get("low")
        if field.default is not dataclasses.MISSING:
            continue
        if typing.get_origin(hints[field.name]) is typing.Literal:
            values[field.name] = typing.get_args(hints[field.name])[0]
        else:
            values[field.name] = hints[field.name](1 if low is None else low)
    return values


def save(folder: pathlib.Path, data: dict[str, Any], *, sign: bool = True) -> pathlib.Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(CONTENT)
    if sign:
        data["files"]["onnx"]["sha256"] = describe_file(folder / "model.onnx").sha256
    (folder / "model.json").write_text(json.dumps(data), encoding="utf-8")
    return folder


@pytest.mark.parametrize("data", [detect_data(), recognize_data()], ids=["detect", "recognize"])
def test_round_trip(data: dict[str, Any], tmp_path: pathlib.Path) -> None:
    folder = save(tmp_path / "a", data)
    manifest = load_manifest(folder)
    assert manifest.to_dict() == data
    assert isinstance(manifest, DetectManifest if data["task"] == "detect" else RecognizeManifest)
    before = (folder / "model.json").read_text()
    path = write_manifest(folder, manifest)
    assert path == folder / "model.json"
    assert json.loads(path.read_text()) == json.loads(before)
    assert load_manifest(folder) == manifest
    assert sorted(os.listdir(folder)) == ["model.json", "model.onnx"]
    assert read_model_file(folder, manifest) == CONTENT


def test_quality_may_be_missing_but_is_strict(tmp_path: pathlib.Path) -> None:
    assert load_manifest(save(tmp_path / "without", detect_data())).quality is None  # type: ignore[attr-defined]
    data = detect_data() | {"quality": _example("QualityLimits")}
    folder = save(tmp_path / "with", data)
    manifest = load_manifest(folder)
    assert manifest.to_dict() == data
    write_manifest(folder, manifest)
    assert load_manifest(folder) == manifest
    for key in data["quality"]:
        for damage in ({}, {key: "much"}, {key: -0.5}, {key: None}):
            changed = copy.deepcopy(data)
            del changed["quality"][key]
            changed["quality"] |= damage
            with pytest.raises(ManifestError, match=f"quality.{key}"):
                load_manifest(save(tmp_path / "changed", changed))
    with pytest.raises(ManifestError, match=r"quality.blurr'.*unknown"):
        load_manifest(save(tmp_path / "unknown", data | {"quality": data["quality"] | {"blurr": 1}}))
    with pytest.raises(ManifestError, match="quality"):
        load_manifest(save(tmp_path / "null", data | {"quality": None}))


def places(data: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every key of every object."""
    found: list[tuple[Any, ...]] = []
    if isinstance(data, dict):
        for key, value in data.items():
            found += [(*prefix, key), *places(value, (*prefix, key))]
    return found


def at(data: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        data = data[key]
    return data


EVERY_KEY = [(d, p) for d in (detect_data(), recognize_data()) for p in places(d) if p[0] != "measures" or len(p) == 1]


@pytest.mark.parametrize(("data", "path"), EVERY_KEY, ids=lambda v: ".".join(v) if isinstance(v, tuple) else v["task"])
def test_every_key_is_required_and_typed(data: dict[str, Any], path: tuple[str, ...], tmp_path: pathlib.Path) -> None:
    for damage in ("missing", "null", "list of null", "object"):
        changed = copy.deepcopy(data)
        holder = at(changed, path[:-1])
        if damage == "missing":
            del holder[path[-1]]
        else:
            holder[path[-1]] = {"null": None, "list of null": [None], "object": {"surprise": {}}}[damage]
        folder = save(tmp_path / damage.replace(" ", "-"), changed, sign=False)
        with pytest.raises(ManifestError) as caught:
            load_manifest(folder, verify=False)
        assert str(folder / "model.json") in str(caught.value)
        assert path[-1] in str(caught.value)


@pytest.mark.parametrize("data", [detect_data(), recognize_data()], ids=["detect", "recognize"])
def test_unknown_keys_are_refused_everywhere(data: dict[str, Any]) -> None:
    objects = [()] + [p for p in places(data) if isinstance(at(data, p), dict) and p != ("measures",)]
    for path in objects:
        changed = copy.deepcopy(data)
        at(changed, path)["thresold"] = 1
        with pytest.raises(ManifestError, match="thresold"):
            parse_manifest(changed)


WRONG: list[tuple[str, tuple[Any, ...], Any, str]] = [
    ("detect", ("format",), 2, "format 1"),
    ("detect", ("format",), True, "format"),
    ("detect", ("task",), "translate", "task"),
    ("detect", ("name",), "", "not empty"),
    ("detect", ("made", "date"), "yesterday", "date"),
    ("detect", ("made", "samples"), 1.5, "whole number"),
    ("detect", ("made", "minutes"), -1, "at least 0"),
    ("detect", ("measures", "f"), "0.5", "number"),
    ("detect", ("measures", "f"), True, "number"),
    ("detect", ("files", "onnx", "path"), "../model.onnx", "plain file name"),
    ("detect", ("files", "onnx", "path"), "/etc/passwd", "plain file name"),
    ("detect", ("files", "onnx", "path"), "..", "plain file name"),
    ("detect", ("files", "onnx", "path"), "model.json", "plain file name"),
    ("detect", ("files", "onnx", "path"), "c:\\model.onnx", "plain file name"),
    ("detect", ("files", "onnx", "sha256"), "A" * 64, "hex"),
    ("detect", ("files", "onnx", "sha256"), "a" * 63, "hex"),
    ("detect", ("files", "onnx", "bytes"), 0, "at least 1"),
    ("detect", ("files", "zip"), {"path": "a", "bytes": 1, "sha256": "a" * 64}, "unknown"),
    ("detect", ("files", "tflite"), {"path": "model.onnx", "bytes": 1, "sha256": "a" * 64}, "twice"),
    ("detect", ("input", "buckets"), [], "buckets"),
    ("detect", ("input", "buckets"), [[480, 650]], "multiple of the stride"),
    ("detect", ("input", "buckets"), [[480]], "list of 2"),
    ("detect", ("input", "buckets"), [[480, 640], [480, 640]], "twice"),
    ("detect", ("input", "buckets"), [[0, 640]], "at least 1"),
    ("detect", ("input", "padding"), 256, "0..255"),
    ("detect", ("input", "colour"), "BGR", "'RGB'"),
    ("detect", ("output", "stride"), 5, "divide"),
    ("detect", ("decode", "nms_iou"), 1.5, "0..1"),
    ("detect", ("decode", "score_threshold"), float("nan"), "finite|in 0..1"),
    ("detect", ("tiling", "overlap"), 480, "shortest side"),
    ("recognize", ("languages",), [], "at least one language"),
    ("recognize", ("languages",), ["ko", "ko"], "twice"),
    ("recognize", ("languages",), "ko", "a list"),
    ("recognize", ("input", "buckets"), [128, 64], "growing"),
    ("recognize", ("input", "buckets"), [64, 130], "multiple"),
    ("recognize", ("charset",), "aba", "twice"),
    ("recognize", ("charset",), "a\ud800", "surrogate"),
    ("recognize", ("charset",), "ab각", "Hangul"),
    ("recognize", ("blank",), 1, "index 0"),
    ("recognize", ("output", "head"), "flat", "flat head"),
    ("recognize", ("output", "final"), "medial", "same name"),
    ("recognize", ("confidence", "temperature"), 0, "0.001"),
]


@pytest.mark.parametrize(("task", "path", "value", "message"), WRONG)
def test_wrong_values_are_refused(task: str, path: tuple[str, ...], value: Any, message: str) -> None:
    data = detect_data() if task == "detect" else recognize_data()
    at(data, path[:-1])[path[-1]] = value
    with pytest.raises(ManifestError, match=message):
        parse_manifest(data)


def test_a_flat_head_has_no_parts() -> None:
    data = recognize_data()
    data["output"] = {"head": "flat", "symbols": "symbols", "stride": 4}
    data["charset"] = "ab각"
    manifest = parse_manifest(data)
    assert manifest.to_dict() == data


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"[]", "expected an object"),
        (b"null", "expected an object"),
        (b'{"task": "detect", "task": "detect"}', "stands twice"),
        (b'{"task": NaN}', "NaN"),
        (b"\xff\xfe{\0}\0", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b" " * (5 << 20), "larger than"),
        (b"\x08\x07\x12\x07pytorch", "not valid JSON"),
    ],
)
def test_foreign_files_are_refused(content: bytes, message: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "model.json").write_bytes(content)
    with pytest.raises(ManifestError, match=message) as caught:
        load_manifest(tmp_path)
    assert str(tmp_path / "model.json") in str(caught.value)


def test_a_missing_manifest_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ManifestError, match=r"model\.json"):
        load_manifest(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"", "cut off"),
        (CONTENT[:-1], "cut off"),
        (CONTENT + b"!", "foreign or altered"),
        (CONTENT[:-1] + b"!", "sha256"),
    ],
)
def test_model_files_are_verified(content: bytes | None, message: str, tmp_path: pathlib.Path) -> None:
    folder = save(tmp_path / "detector", detect_data())
    manifest = load_manifest(folder)
    model = folder / "model.onnx"
    model.unlink()
    if content is not None:
        model.write_bytes(content)
    for act in (lambda: load_manifest(folder), lambda: read_model_file(folder, manifest)):
        with pytest.raises(IntegrityError, match=message) as caught:
            act()
        assert str(model) in str(caught.value)
        assert "einstall" in str(caught.value)
    with pytest.raises(IntegrityError):
        write_manifest(folder, manifest)
    assert load_manifest(folder, verify=False) == manifest


def test_nothing_is_written_that_could_not_be_read(tmp_path: pathlib.Path) -> None:
    folder = save(tmp_path / "detector", detect_data())
    manifest = load_manifest(folder)
    before = (folder / "model.json").read_bytes()
    bad: list[dict[str, Any]] = [
        {"name": ""}, {"license": None}, {"measures": {"f": float("inf")}}, {"languages": ["ko"]},
        {"files": {}}, {"measures": {"f": "good"}},
    ]
    for change in bad:
        with pytest.raises((ManifestError, ValueError)):
            write_manifest(folder, dataclasses.replace(manifest, **change))
    assert (folder / "model.json").read_bytes() == before
    assert sorted(os.listdir(folder)) == ["model.json", "model.onnx"]


def test_read_model_file_knows_its_kinds(tmp_path: pathlib.Path) -> None:
    folder = save(tmp_path / "detector", detect_data())
    with pytest.raises(ManifestError, match="tflite"):
        read_model_file(folder, load_manifest(folder), "tflite")


# --- models.py -----------------------------------------------------------------------------------------------------


def test_models_are_found_by_task_and_language(tmp_path: pathlib.Path) -> None:
    save(tmp_path / "detector", detect_data())
    save(tmp_path / "ko", recognize_data())
    save(tmp_path / "en", recognize_data("en", ("en", "de")))
    assert [m.manifest.name for m in list_models(tmp_path, verify=True)] == ["detector", "en", "ko"]
    detector = find_detector(tmp_path)
    assert isinstance(detector, DetectorModel)
    assert detector.read() == CONTENT
    assert find_recognizer("ko", tmp_path).manifest.name == "ko"
    assert find_recognizer("de", tmp_path).manifest.name == "en"
    with pytest.raises(ModelNotFound, match=r"'fr'.*de, en, ko"):
        find_recognizer("fr", tmp_path)


def test_models_folder_comes_from_argument_then_environment(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, named = tmp_path / "given", tmp_path / "named"
    save(given / "detector", detect_data())
    save(named / "detector", detect_data())
    monkeypatch.setenv("EDGE_OCR_MODELS", str(named))
    assert find_detector().folder == named / "detector"
    assert find_detector(given).folder == given / "detector"
    monkeypatch.setenv("EDGE_OCR_MODELS", "")
    monkeypatch.setattr("edge_ocr.models.__file__", str(tmp_path / "models.py"))
    (tmp_path / "weights").mkdir()
    assert models_folder() == tmp_path / "weights"


def test_missing_and_competing_models_are_errors(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ModelNotFound, match="no such models folder"):
        find_detector(tmp_path / "nowhere")
    with pytest.raises(ModelNotFound, match="no detector"):
        find_detector(tmp_path)
    with pytest.raises(ModelNotFound, match="'ko'"):
        find_recognizer("ko", tmp_path)
    save(tmp_path / "ko", recognize_data())
    save(tmp_path / "ko2", recognize_data("ko2"))
    with pytest.raises(ModelError, match="ko, ko2"):
        find_recognizer("ko", tmp_path)
    save(tmp_path / "other", recognize_data("ko"))
    with pytest.raises(ManifestError, match="other"):
        list_models(tmp_path)
