"""The frames of the speed benchmark are what they say, and its ratios are ratios."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import speed
from benchmarks.speed import LINES, SIZES, compare, frame, table, turns, word_quads
from edge_ocr.geometry import quad_iou_matrix
from tests.tiny import make_models


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("lines", LINES)
def test_frames_hold_as_many_words_as_they_say(lines: int, size: tuple[int, int]) -> None:
    image, quads = frame(lines, size), word_quads(lines, size)
    assert image.shape == (*size, 3) and image.dtype == np.uint8
    assert (image == frame(lines, size)).all()
    assert quads.shape == (3 * lines, 4, 2)
    if not lines:
        assert image.min() > 120
        return
    assert quads.min() >= 0 and (quads.max((0, 1)) <= (size[1], size[0])).all()
    for (x0, y0), _, (x1, y1), _ in quads.astype(int):
        patch = image[y0:y1, x0:x1]
        assert y1 - y0 >= 12 and patch.min() < 90 < 150 < patch.max()
    overlap = quad_iou_matrix(quads, quads)
    assert (overlap - np.eye(len(quads))).max() < 1e-6


def test_turns_tell_which_costs_more() -> None:
    def work(n: int) -> None:
        sum(i * i for i in range(n))

    row = turns(lambda: work(20_000), lambda: work(80_000), 9)
    assert 2 < row["ratio"] < 8
    assert row["a_cpu_ms"] < row["b_cpu_ms"]


def test_two_sets_are_compared_frame_by_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "SIZES", ((64, 96),))
    monkeypatch.setattr(speed, "LINES", (0,))
    monkeypatch.setattr(speed, "frame", lambda lines, size: np.full((*size, 3), 255, np.uint8))
    monkeypatch.setattr(
        speed, "word_quads", lambda lines, size: np.array([[(16, 20), (80, 20), (80, 44), (16, 44)]] * 3)
    )
    a, b = make_models(tmp_path / "a"), make_models(tmp_path / "b")
    report = compare(a, b, languages=("ko", "en"), threads=1, repeat=3)
    assert set(report["networks"]) == {f"detector {96}x{64}", "ko 30 words", "ko 1 word", "en 30 words", "en 1 word"}
    assert set(report["readings"]) == {"96x64 0 lines"}
    assert report["bytes"][str(a)] == sum(x.stat().st_size for x in a.glob("*/model.onnx"))
    assert "ko 30 words" in table(report)
