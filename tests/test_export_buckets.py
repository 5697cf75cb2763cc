"""Other widths for a recognizer: model.json and the TFLite twin together, and the twin says what it said."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert")

from edge_ocr import manifest as m
from edge_ocr.engine_tflite import TfliteEngine
from edge_ocr.errors import ManifestError
from edge_ocr.models import find_detector, find_recognizer
from export.buckets import set_buckets
from export.tflite_graph import GraphError, regrow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(find_recognizer("mrz").folder, tmp_path / "mrz")
    return tmp_path / "mrz"


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_the_twin_gets_the_new_widths_and_says_the_same(folder: Path) -> None:
    before = contents(folder)
    old = TfliteEngine(before["model.tflite"])
    set_buckets(folder, (64, 96, 208))
    manifest = m.load_manifest(folder)
    assert isinstance(manifest, m.RecognizeManifest)
    assert manifest.input.buckets == (64, 96, 208)
    assert (folder / "model.onnx").read_bytes() == before["model.onnx"]
    new = TfliteEngine(m.read_model_file(folder, manifest, kind="tflite"))
    assert new.shapes == ("32x64", "32x96", "32x208")
    given, (named,) = new.input_names[0], new.output_names
    crops = np.random.default_rng(1).integers(0, 256, (2, 32, 96), dtype=np.uint8)
    np.testing.assert_array_equal(new.run({given: crops})[named], old.run({given: crops})[named])
    wide = new.run({given: crops.repeat(3, 2)[:, :, :208]})[named]
    assert wide.shape == (2, 52, old.run({given: crops})[named].shape[2])
    np.testing.assert_allclose(np.exp(wide).sum(-1), 1, atol=1e-4)


def test_the_way_back_leads_to_the_same_bytes(folder: Path) -> None:
    before, manifest = contents(folder), m.load_manifest(folder)
    assert isinstance(manifest, m.RecognizeManifest)
    set_buckets(folder, (64, 96, 208))
    assert contents(folder)["model.tflite"] != before["model.tflite"]
    set_buckets(folder, manifest.input.buckets)
    assert contents(folder)["model.tflite"] == before["model.tflite"]


def test_what_cannot_be_changes_nothing(folder: Path) -> None:
    before = contents(folder)
    for widths in ((64, 66), (96, 64), ()):
        with pytest.raises(ManifestError, match="buckets"):
            set_buckets(folder, widths)
    assert contents(folder) == before
    with pytest.raises(ValueError, match="no recognizer"):
        set_buckets(find_detector().folder, (64, 96))
    detector = (find_detector().folder / "model.tflite").read_bytes()
    with pytest.raises(GraphError, match="two widths"):
        regrow(detector, [(64,), (96,)])
