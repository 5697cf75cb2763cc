"""Following on drawn motion, and the association of found and followed quads."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_ocr.track import Flow, Match, Motion, Scene, fit_similarity, match, small_grey

Image = NDArray[np.uint8]
Array = NDArray[np.float64]


def world(seed: int = 0) -> Image:
    """A large textured picture, uint8 [900, 1200, 3], to look at through a moving window."""
    rng = np.random.default_rng(seed)
    image = np.full((900, 1200), 120, np.uint8)
    for _ in range(500):
        x, y = (int(v) for v in rng.integers(0, (1160, 870)))
        w, h = (int(v) for v in rng.integers(6, 40, 2))
        cv2.rectangle(image, (x, y), (x + w, y + h), int(rng.integers(0, 256)), -1)
    return np.repeat(np.asarray(cv2.GaussianBlur(image, (0, 0), 1.0))[..., None], 3, axis=2)


def camera(shift: tuple[float, float], angle: float = 0.0, scale: float = 1.0) -> Array:
    """World to frame: [2, 3]; turned about the world's middle."""
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    turn = np.array([[c, -s], [s, c]])
    middle = np.array([600.0, 450.0])
    return np.column_stack([turn, np.array([320.0, 240.0]) + shift - turn @ middle])


def look(image: Image, matrix: Array, size: tuple[int, int] = (640, 480)) -> Image:
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    full = np.linalg.inv(half) @ np.vstack([matrix, [0, 0, 1]]) @ half
    out: Any = cv2.warpAffine(image, full[:2], size, flags=cv2.INTER_AREA)
    return np.asarray(out, np.uint8)


def apply(matrix: Array, points: Any) -> Array:
    return np.asarray(np.asarray(points, float) @ matrix[:, :2].T + matrix[:, 2])


BOXES = np.array([[[x, y], [x + 120, y], [x + 120, y + 40], [x, y + 40]] for x in (420, 620) for y in (300, 420, 540)],
                 float)


def box(x: float, y: float, w: float = 100, h: float = 30) -> list[list[float]]:
    return [[x, y], [x + w, y], [x + w, y + h], [x, y + h]]


def test_small_grey_shrinks_by_whole_numbers() -> None:
    for size, expected in (((480, 640), (240, 320)), ((721, 1283), (240, 427)), ((100, 150), (100, 150))):
        frame = np.zeros((*size, 3), np.uint8)
        small, scale = small_grey(frame)
        assert small.shape == expected
        assert 1 / scale == round(1 / scale)


def test_fit_similarity_despite_outliers() -> None:
    rng = np.random.default_rng(1)
    start = rng.uniform(0, 600, (60, 2))
    true = np.column_stack([1.03 * np.array([[np.cos(0.05), -np.sin(0.05)], [np.sin(0.05), np.cos(0.05)]]), [12, -7]])
    end = apply(true, start)
    end[::4] += rng.uniform(-60, 60, (15, 2))
    found = fit_similarity(start, end)
    assert found is not None
    assert np.abs(apply(found, start) - apply(true, start)).max() < 0.5


def test_fit_similarity_refuses_what_is_no_motion() -> None:
    rng = np.random.default_rng(2)
    assert fit_similarity(rng.uniform(0, 600, (60, 2)), rng.uniform(0, 600, (60, 2))) is None
    assert fit_similarity(np.zeros((3, 2)), np.zeros((3, 2))) is None
    start = rng.uniform(0, 600, (60, 2))
    assert fit_similarity(start, 2 * start) is None
    assert fit_similarity(start, start[:, ::-1] * [-1, 1]) is None  # a quarter turn
    same = fit_similarity(np.full((9, 2), 5.0), np.full((9, 2), 8.0))  # all in one place: a shift
    assert same is not None
    assert apply(same, [[5.0, 5.0]]) == pytest.approx(np.array([[8.0, 8.0]]))


def test_quads_are_followed_through_shift_turn_and_scale() -> None:
    """60 frames of a wavering camera: quads stay near the truth without any detection."""
    scene, flow = world(), Flow()
    quads: Array | None = None
    for k in range(60):
        matrix = camera((3 * k * 0.5 + 4 * np.sin(k / 3), 5 * np.cos(k / 4)), 0.1 * np.sin(k / 9), 1 + 0.003 * k)
        motion = flow.step(*small_grey(look(scene, matrix)), () if quads is None else quads)
        truth = np.stack([apply(matrix, q) for q in BOXES])
        if quads is None:
            assert motion.view is None
            quads = truth
            continue
        quads, own = motion.follow(quads)
        assert own.mean() > 0.8
        assert np.abs(quads - truth).max() < 4.0
        assert np.abs(quads - truth).mean() < 1.0
    assert np.abs(truth - BOXES).max() > 100  # there was something to follow


def test_what_has_no_corners_moves_with_the_view() -> None:
    scene = world()
    scene[400:520, 560:720] = 120  # an even patch
    flow = Flow()
    flow.step(*small_grey(look(scene, camera((0, 0)))))
    motion = flow.step(*small_grey(look(scene, camera((9, -6)))))
    even = np.array([box(300, 230, 60, 20)], float)
    moved, own = motion.follow(even)
    assert not own[0]
    assert np.abs(moved - even - [9, -6]).max() < 0.5


def test_a_text_may_move_by_itself() -> None:
    scene = world()
    label = world(9)[:60, :160]
    frames = []
    for x in (300, 312):
        frame = look(scene, camera((0, 0)))
        frame[200:260, x : x + 160] = label
        frames.append(frame)
    flow = Flow()
    flow.step(*small_grey(frames[0]))
    quads = [box(300, 200, 160, 60), box(60, 60, 120, 40)]
    moved, own = flow.step(*small_grey(frames[1]), quads).follow(quads)
    assert own.all()
    assert np.abs(moved[0] - box(312, 200, 160, 60)).max() < 1
    assert np.abs(moved[1] - box(60, 60, 120, 40)).max() < 0.5


def test_nothing_to_follow() -> None:
    flow = Flow()
    even = np.full((240, 320), 90, np.uint8)
    tiny = np.full((5, 5), 3, np.uint8)
    for frame in (even, even, even[:100, :100], tiny, tiny[::-1] * 2):
        motion = flow.step(frame, 0.5, [box(10, 10), box(-900, 5)])
        assert motion.view is None
        assert motion.shift() == 0
    quads, own = motion.follow([box(1, 1)])
    assert quads.tolist() == [box(1, 1)]
    assert not own.any()
    assert motion.follow([])[0].shape == (0, 4, 2)


def shifted(x: float, y: float) -> Motion:
    return Motion(np.zeros((0, 2)), np.zeros((0, 2)), np.array([[1, 0, x], [0, 1, y]]))


def test_scene_sees_what_comes_into_view_and_what_changes() -> None:
    big = world()
    first, scale = small_grey(look(big, camera((0, 0))))
    scene = Scene(first, scale)
    still = scene.change(first)
    assert (still.uncovered, still.altered) == (0, pytest.approx(0, abs=0.01))

    scene.move(shifted(-64, 0))  # a tenth of the frame's width
    moved = scene.change(small_grey(look(big, camera((-64, 0))))[0])
    assert moved.uncovered == pytest.approx(0.1, abs=0.03)
    assert moved.altered < 0.08

    fresh = Scene(first, scale)
    frame = look(big, camera((0, 0)))
    assert fresh.change(small_grey((frame * 0.8).astype(np.uint8))[0]).altered < 0.05  # the light went
    frame[200:250, 300:450] = 250  # a sign is put up
    altered = fresh.change(small_grey(frame)[0])
    assert altered.altered > 0.15
    assert altered.uncovered == 0
    assert altered.overall < 0.3
    other = fresh.change(small_grey(look(world(7), camera((0, 0))))[0])  # another place
    assert other.altered > 0.3
    assert other.overall > 0.8
    soft = small_grey(np.asarray(cv2.GaussianBlur(look(big, camera((0, 0))), (0, 0), 4)))[0]
    assert fresh.change(soft).sharper < 0.7
    assert Scene(soft, scale).change(first).sharper > 1.4


def test_scene_of_another_shape_or_far_away() -> None:
    first, scale = small_grey(look(world(), camera((0, 0))))
    assert Scene(first, scale).change(first[:100]).altered == 1
    scene = Scene(first, scale)
    scene.move(shifted(-600, 0))
    assert scene.change(first).altered == 1


def test_match_prefers_the_best_overlap() -> None:
    known = [box(0, 0), box(40, 0)]
    assert match(known, [box(38, 0), box(2, 0)]) == Match(((0, 1), (1, 0)), (), ())
    assert match(known, [box(38, 0)]).pairs == ((1, 0),)


def test_match_new_and_missed() -> None:
    found = match([box(0, 0)], [box(300, 300), box(1, 1), box(0, 200)])
    assert found == Match(((0, 1),), (), (0, 2))
    assert match([], [box(0, 0)]) == Match((), (), (0,))
    assert match([box(0, 0)], []) == Match((), (), ())


def test_match_pieces() -> None:
    whole, left, right = box(0, 0, 100), box(0, 0, 24), box(76, 0, 24)
    assert match([whole], [left, right]) == Match((), ((0, 0), (0, 1)), ())
    assert match([left, right], [whole]) == Match((), ((0, 0), (1, 0)), ())
    # a piece of what was found whole as well is no new text
    assert match([whole], [whole, left]) == Match(((0, 0),), ((0, 1),), ())
    # a neighbour that only touches is
    assert match([whole], [whole, box(90, 0, 100)]) == Match(((0, 0),), (), (1,))


def test_match_takes_any_quads() -> None:
    crossed = [[0, 0], [100, 30], [100, 0], [0, 30]]
    assert match([crossed], [box(0, 0)]).pairs == ((0, 0),)
