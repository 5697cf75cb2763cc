"""What export.tflite does around the converter and the quantiser, which live in an environment of their own."""

from __future__ import annotations

import numpy as np
import pytest

from edge_ocr.models import find_detector, find_recognizer
from export.tflite import LINE_SIZES, SCENE_SIZES, buckets, compare, cut, missed, output_names


def test_inputs_are_cut_and_padded_to_size() -> None:
    rng = np.random.default_rng(0)
    wide = rng.integers(1, 127, (3, 32, 256), np.uint8)
    narrow = rng.integers(1, 127, (2, 32, 96), np.uint8)
    found = cut([wide, narrow], (164,), 200, 20)
    assert len(found) == 20, "each as often as four times"
    assert {row.shape for row in found} == {(32, 164)}
    padded = [row for row in found if (row[:, 96:] == 200).all()]
    assert len(padded) == 8 and all((row[:, :96] == narrow).all((1, 2)).any() for row in padded)
    whole = [row for row in found if not (row == 200).any()]
    assert len(whole) == 12
    windows = np.lib.stride_tricks.sliding_window_view(wide, 164, axis=2)  # [3, 32, 93, 164]
    for row in whole:
        assert (windows == row[None, :, None]).all((1, 3)).any(), "not a part of what was given"


def test_pictures_are_cut_on_both_sides() -> None:
    canvas = np.arange(480 * 640 * 3, dtype=np.uint32).astype(np.uint8).reshape(1, 480, 640, 3)
    (found,) = cut([canvas], (288, 352), 114, 1)
    assert found.shape == (288, 352, 3)
    (small,) = cut([canvas[:, :200]], (288, 352), 114, 1)
    assert small.shape == (288, 352, 3) and (small[200:] == 114).all() and not (small[:200] == 114).all()


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ({"cer onnx": 0.10, "cer tflite": 0.104, "sure": 100.0, "same text": 0.99}, []),
        ({"cer onnx": 0.10, "cer tflite": 0.02, "sure": 100.0, "same text": 1.0}, []),
        ({"cer onnx": 0.10, "cer tflite": 0.106, "sure": 100.0, "same text": 0.995}, ["CER 0.1060"]),
        ({"cer onnx": 0.10, "cer tflite": 0.2, "sure": 50.0, "same text": 0.98}, ["CER", "98.0% of 50"]),
        ({"cer onnx": 0.10, "cer tflite": float("nan"), "sure": 50.0, "same text": 1.0}, ["CER nan"]),
        ({"f onnx": 0.80, "f tflite": 0.796}, []),
        ({"f onnx": 0.80, "f tflite": 0.79}, ["F 0.7900"]),
    ],
)
def test_what_is_not_good_enough_is_said(found: dict[str, float], says: list[str]) -> None:
    said = missed(found, 0.005, 0.99)
    assert len(said) == len(says)
    assert all(word in line for word, line in zip(says, said, strict=True))


def test_every_bucket_of_the_shipped_models_follows_from_the_sizes_that_are_converted() -> None:
    detector = find_detector().manifest
    assert output_names(detector) == ("score", "geometry")
    assert all(h % detector.input.stride == 0 and w % detector.input.stride == 0 for h, w in SCENE_SIZES)
    assert set(buckets(detector)) == set(detector.input.buckets)
    ko, en = (find_recognizer(x).manifest for x in ("ko", "en"))
    assert output_names(ko) == ("symbols", "initial", "medial", "final")
    assert output_names(en) == ("symbols",)
    for manifest in (ko, en):
        columns = [w // manifest.output.stride for (w,) in LINE_SIZES]
        assert columns == [37, 41], "prime, so that no two numbers of the graph are equal by chance"
        assert [b for (b,) in buckets(manifest)] == list(manifest.input.buckets)


def test_the_comparison_is_of_both_engines() -> None:
    """Lines and scenes are drawn from ingredients, which the repository has not; what is missing is named."""
    manifest = find_recognizer("en").manifest
    with pytest.raises(FileNotFoundError):
        compare(manifest, None, None, "no/such/folder", 1)  # type: ignore[arg-type]
