"""Ranges, temperature, drift and the record of samples, on numbers made by hand."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from calibration.measure import drift, find_scenes, read_texts
from calibration.operating import (
    Found,
    Remembering,
    choose_threshold,
    detector_points,
    least_mistakes,
    minimum_points,
    read_scenes,
)
from calibration.ranges import BINS, ESTIMATORS, Histogram, Range, activations, collect, estimate
from calibration.samples import Mix, Recorder, Samples
from calibration.temperature import apply, expected_calibration_error, fit, outcomes, reliability, rights
from edge_ocr import manifest as m
from edge_ocr.detect import Detector, encode
from edge_ocr.models import find_detector, find_recognizer
from tests.tiny import WORD, make_models, picture


def histogram(values: np.ndarray) -> Histogram:
    counts, edges = np.histogram(values, BINS)
    return Histogram(float(edges[0]), float(edges[-1]), counts)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_ranges_hold_zero_and_what_matters(estimator: str) -> None:
    rng = np.random.default_rng(0)
    found = estimate(histogram(rng.normal(0, 1, 200_000)), estimator)
    assert -6 < found.low < -1.5 and 1.5 < found.high < 6
    after_relu = estimate(histogram(np.maximum(rng.normal(0, 1, 200_000), 0)), estimator)
    assert after_relu.low == 0 and after_relu.high > 1.5
    above = estimate(histogram(rng.uniform(3, 4, 10_000)), estimator)
    assert above.low == 0 and above.high == pytest.approx(4, abs=0.15)
    assert estimate(Histogram(0.0, 0.0, np.ones(BINS, np.int64)), estimator).high > 0


def test_outliers_widen_only_the_extremes() -> None:
    values = np.concatenate([np.random.default_rng(0).uniform(0, 1, 1_000_000), [2.5]])
    h = histogram(values)
    assert estimate(h, "minmax") == Range(0.0, pytest.approx(2.5))
    for estimator in ("percentile", "entropy", "mse"):
        assert estimate(h, estimator).high < 1.3, estimator


def test_least_squares_beats_the_others_at_squares() -> None:
    values = np.random.default_rng(0).laplace(0, 1, 100_000)

    def error(r: Range) -> float:
        step = (r.high - r.low) / 255
        return float(((np.clip(np.round((values - r.low) / step), 0, 255) * step + r.low - values) ** 2).mean())

    errors = {e: error(estimate(histogram(values), e)) for e in ESTIMATORS}
    assert min(errors, key=lambda e: errors[e]) == "mse"


def test_an_unknown_estimator_is_refused() -> None:
    with pytest.raises(ValueError, match="minmax"):
        estimate(histogram(np.arange(9.0)), "guess")


def test_histograms_see_all_inputs() -> None:
    scale = numpy_helper.from_array(np.array(2, np.float32), "two")
    nodes = [helper.make_node("Mul", ["x", "two"], ["y"]), helper.make_node("Relu", ["y"], ["z"])]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [None]) for n in ("x", "z")]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], [scale])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    assert activations(model) == ["y", "z"]
    inputs = [{"x": np.array([-3, 1], np.float32)}, {"x": np.array([0, 5, 5], np.float32)}]
    found = collect(model, inputs, ["y", "z"])
    assert (found["y"].low, found["y"].high, found["z"].low) == (-6, 10, 0)
    assert found["y"].counts.sum() == 5 and found["y"].counts[-1] == 2
    with pytest.raises(ValueError, match="no inputs"):
        collect(model, [], ["y"])


def test_the_temperature_that_made_the_confidences_is_found() -> None:
    rng = np.random.default_rng(0)
    true = rng.uniform(0.05, 1, 20_000)
    right = rng.random(20_000) < true
    shown = apply(true, 1 / 0.4)  # true ** 0.4: a network too sure of itself
    t = fit(shown, right)
    assert t == pytest.approx(0.4, rel=0.05)
    before, after = expected_calibration_error(shown, right), expected_calibration_error(apply(shown, t), right)
    assert after < 0.02 < 0.1 < before
    assert fit(true, right) == pytest.approx(1, rel=0.05)
    with pytest.raises(ValueError, match="right and wrong"):
        fit([0.5, 0.7], [True, True])


def test_calibration_error_by_hand() -> None:
    assert expected_calibration_error([0.9, 0.9, 0.9, 0.9], [1, 1, 0, 0], bins=1) == pytest.approx(0.4)
    assert expected_calibration_error([0.2, 0.8], [0, 1], bins=2) == pytest.approx(0.2)
    assert expected_calibration_error([1.0, 0.0], [1, 0], bins=2) == 0
    assert reliability([0.8, 0.2, 0.4], [1, 0, 1], bins=3) == [(0.2, 0.0, 1), (0.4, 1.0, 1), (0.8, 1.0, 1)]
    with pytest.raises(ValueError, match="outcomes"):
        reliability([0.5], [1, 0])


def test_drift_is_zero_for_equal_outputs_and_grows(tmp_path: Path) -> None:
    models = make_models(tmp_path / "models")
    detector, recognizer = find_detector(models).manifest, find_recognizer("en", models).manifest
    target = encode(np.array([WORD]), [False], (64, 96))
    maps = {detector.output.score: target.score[None], detector.output.geometry: target.geometry[None] + 1}
    assert drift(detector, maps, maps) == 0
    lower = maps | {detector.output.score: maps[detector.output.score] * 0.9}
    assert drift(detector, maps, lower) == pytest.approx(0.1, rel=1e-3)
    wider = maps | {detector.output.geometry: maps[detector.output.geometry] * 1.1}
    assert drift(detector, maps, wider) == pytest.approx(np.log(1.1), rel=1e-3)
    k = len(recognizer.charset) + 1 + (recognizer.output.head != "flat")
    even = np.full((1, 3, k), -np.log(k), np.float32)
    sure = np.log(np.full((1, 3, k), 0.1 / (k - 1), np.float32))
    sure[..., 1] = np.log(0.9)
    outputs = {recognizer.output.symbols: even}
    names = (recognizer.output.initial, recognizer.output.medial, recognizer.output.final)
    others = dict.fromkeys((n for n in names if n), even)
    assert drift(recognizer, outputs | others, outputs | others) == 0
    want = np.log(1 / k) - (np.log(0.9) + (k - 1) * np.log(0.1 / (k - 1))) / k
    assert drift(recognizer, outputs | others, {recognizer.output.symbols: sure} | others) == pytest.approx(
        want, rel=1e-3
    )


def test_reading_and_finding_are_scored(tmp_path: Path) -> None:
    from edge_ocr.engine import OnnxEngine
    from training.synth.scene import Scene

    models = make_models(tmp_path / "models")
    en, detector = find_recognizer("en", models), find_detector(models)
    crop = np.zeros((32, 64, 3), np.uint8)
    found = read_texts(en.manifest, OnnxEngine(en.read()), [crop, crop], ["AB", "A"])  # it reads AB, whatever it sees
    assert found == {"cer": pytest.approx(1 / 3), "exact": 0.5}
    engine = OnnxEngine(detector.read())
    quads = np.array([WORD, [(0, 0), (9, 0), (9, 9), (0, 9)]], np.float32)
    scene = Scene(picture(), quads, np.array([False, False]), "any")
    assert find_scenes(detector.manifest, engine, [scene]) == pytest.approx({"precision": 1, "recall": 0.5, "f": 2 / 3})
    ignored = dataclasses.replace(scene, ignore=np.array([True, False]))
    assert find_scenes(detector.manifest, engine, [ignored])["recall"] == 0
    assert find_scenes(detector.manifest, engine, [ignored])["precision"] == 0  # nothing that counts was found


def test_what_the_engine_was_given_is_what_is_recorded(tmp_path: Path) -> None:
    from edge_ocr.engine import OnnxEngine

    detector = find_detector(make_models(tmp_path / "models"))
    recorder = Recorder(OnnxEngine(detector.read()))
    Detector(detector.manifest, recorder).detect(picture())
    (given,) = recorder.inputs
    assert given[detector.manifest.input.name].shape == (1, 64, 96, 3)
    assert (given[detector.manifest.input.name][0] == picture()).all()
    record = Samples(recorder.inputs, [{"kind": "scene"}]).record(Mix(seed=7))
    assert record["mix"]["seed"] == 7 and record["batches"] == [[1, 64, 96, 3]]
    changed = [{k: v ^ 1 for k, v in given.items()}]
    assert Samples(changed, [{"kind": "scene"}]).record(Mix(seed=7))["sha256"] != record["sha256"]
    assert isinstance(detector.manifest, m.DetectManifest)
    assert onnx.load_from_string(detector.read()).graph.output


@pytest.mark.parametrize(
    ("read", "truth", "right"),
    [
        ("AB", "AB", [1, 1]),
        ("AXB", "AB", [1, 0, 1]),
        ("AB", "AXB", [1, 1]),
        ("XB", "AB", [0, 1]),
        ("BA", "AB", [0, 0]),
        ("", "AB", []),
        ("AB", "", [0, 0]),
        ("커피두진을", "커피두잔을", [1, 1, 1, 0, 1]),
    ],
)
def test_which_characters_are_right(read: str, truth: str, right: list[int]) -> None:
    found = rights(read, truth)
    if (read, truth) == ("BA", "AB"):
        assert sum(found) <= 1  # two alignments are equally near
    else:
        assert found == [bool(x) for x in right]


def test_confidences_of_characters_words_and_whole_words(tmp_path: Path) -> None:
    from edge_ocr.engine import OnnxEngine

    en = find_recognizer("en", make_models(tmp_path / "models"))
    crop = np.zeros((32, 64, 3), np.uint8)
    hot = dataclasses.replace(en.manifest, confidence=dataclasses.replace(en.manifest.confidence, temperature=5.0))
    found = outcomes(hot, OnnxEngine(en.read()), [crop, crop, crop], ["AB", "AX", " a b "])  # it reads AB, always
    assert found.right["characters"].tolist() == [1, 1, 1, 0, 0, 0]
    assert found.right["words"].tolist() == [1, 0.5, 0] and found.right["whole words"].tolist() == [1, 0, 0]
    sure = found.confidence["characters"][:2]  # at temperature 1, whatever the manifest says
    assert found.confidence["words"][0] == pytest.approx(np.sqrt(sure.prod()))
    assert found.confidence["whole words"][0] == pytest.approx(sure.prod())
    folded = outcomes(en.manifest, OnnxEngine(en.read()), [crop], ["a-b"], fold=True)
    assert folded.right["whole words"].tolist() == [1]
    assert folded.confidence["words"][0] == pytest.approx(found.confidence["words"][0])
    assert set(found.errors(1.0)) == {"characters", "words", "whole words"}


def test_the_minimum_costs_the_fewest_characters() -> None:
    def found(text: list[float], none: list[float], length: int = 2) -> Found:
        c = np.array(text + none)
        return Found(c, np.arange(len(c)) < len(text), np.where(np.arange(len(c)) < len(text), length, 2))

    text, none = [0.5, 0.7, 0.9, 0.95], [0.1, 0.2, 0.3]
    assert 0.3 < least_mistakes(found(text, none)) <= 0.5
    assert least_mistakes(found(text, [])) == 0  # nothing is made up, and half of it is right
    assert 0.5 < least_mistakes(found(text, []), wrong=1.5) <= 0.7
    assert least_mistakes(found([], none)) > 0.3
    poor = found([0.15, *text], none)
    assert least_mistakes(poor) > 0.3 and least_mistakes(poor, wrong=0.01) <= 0.15
    longer = found([0.15, *text], [0.1, 0.2], length=40)
    assert 0.2 < least_mistakes(longer) <= 0.5 and 0.1 < least_mistakes(longer, wrong=0.1) <= 0.15
    assert minimum_points(longer)[2] == {
        "minimum": 0.2,
        "right stay": pytest.approx(0.953, abs=1e-3),
        "made up stay": 0.5,
    }


def test_scenes_are_read_and_thresholds_tried(tmp_path: Path) -> None:
    from edge_ocr import OCR
    from edge_ocr.engine import OnnxEngine
    from training.synth.scene import Scene

    models = make_models(tmp_path / "models")
    elsewhere = [(0, 0), (9, 0), (9, 9), (0, 9)]
    ocr = OCR(("en",), models_dir=models, threads=1, min_confidence=0)

    def scene(*quads: object, ignore: bool = False) -> Scene:
        return Scene(picture(), np.array(quads, np.float32), np.full(len(quads), ignore), "any")

    found = read_scenes(ocr, [scene(WORD), scene(elsewhere)])
    assert found.text.tolist() == [True, False] and (found.confidence > 0).all() and found.length.tolist() == [2, 2]
    assert not len(read_scenes(ocr, [scene(WORD, ignore=True)]).text)
    detector = find_detector(models)
    once = Remembering(OnnxEngine(detector.read()))
    points = detector_points(detector.manifest, once, [scene(WORD)])
    assert len(once._known) == 1 and points[0]["f"] == 1
    worse = [{"score_threshold": 0.5, "f": 0.8}, {"score_threshold": 0.7, "f": 0.803}]
    assert choose_threshold(worse, 0.5) == 0.5
    worse[1]["f"] = 0.9
    assert choose_threshold(worse, 0.5) == 0.7


def test_what_is_found_is_written_into_model_json(tmp_path: Path) -> None:
    from calibration import operating, temperature
    from calibration.__main__ import markdown

    models = make_models(tmp_path / "models")
    errors = {"characters": 0.01, "words": 0.02, "whole words": 0.03}
    drawn = {"words": 9, "characters right": 0.9, "before": errors | {"characters": 0.04}, "after": errors}
    found = {"temperature": 1.25, "fitted": 1.25, "expected calibration error": {"drawn": drawn}}
    for _ in range(2):  # again, with what is there already
        temperature.write(models / "en", found)
    en = find_recognizer("en", models).manifest
    assert en.confidence.temperature == 1.25
    assert en.measures["calibration error before"] == 0.04 and en.measures["calibration error, whole words"] == 0.03
    points = {"minimum": 0.17, "score_threshold": 0.85}
    operating.write(models, points, languages=["en"], detector=False)
    assert find_recognizer("en", models).manifest.confidence.minimum == 0.17
    assert find_recognizer("ko", models).manifest.confidence.minimum != 0.17
    assert find_detector(models).manifest.decode.score_threshold != 0.85
    operating.write(models, points, languages=[], detector=True)
    assert find_detector(models).manifest.decode.score_threshold == 0.85
    assert "| en | 1.25 | 0.900 | 0.040 → 0.010 |" in markdown({"temperatures": {"en": found}})
    assert {x.name for x in temperature.recognizers(models)} == {"ko", "en"}
