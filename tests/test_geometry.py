from __future__ import annotations

import numpy as np
import pytest

from edge_ocr import geometry as g

UNIT = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])


def random_quads(rng: np.random.Generator, n: int) -> np.ndarray:
    """Convex quads: rectangles, turned, with their corners moved a little."""
    q = g.rectangle_quads(rng.uniform(0, 100, (n, 2)), rng.uniform(5, 60, (n, 2)), rng.uniform(-3, 3, n))
    q = q + rng.uniform(-1.0, 1.0, q.shape)
    return q[g.is_convex(q)]


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(0, 0), (4, 0), (4, 2), (0, 2)], [(0, 0), (4, 0), (4, 2), (0, 2)]),
        ([(4, 2), (0, 0), (0, 2), (4, 0)], [(0, 0), (4, 0), (4, 2), (0, 2)]),
        ([(0, 2), (4, 2), (4, 0), (0, 0)], [(0, 0), (4, 0), (4, 2), (0, 2)]),  # counter-clockwise, from the bottom
        ([(0, 0), (1, 0), (1, 9), (0, 9)], [(0, 0), (1, 0), (1, 9), (0, 9)]),  # tall stays tall
        ([(10, 4), (9, 6), (0, 2), (1, 0)], [(1, 0), (10, 4), (9, 6), (0, 2)]),  # tilted down
        ([(9, 2), (10, 4), (1, 8), (0, 6)], [(0, 6), (9, 2), (10, 4), (1, 8)]),  # tilted up
    ],
)
def test_order_points(points, expected):
    assert np.array_equal(g.order_points([points])[0], np.array(expected, float))


def test_order_points_any_permutation():
    import itertools

    quad = np.array([[1.0, 0], [10, 4], [9, 6], [0, 2]])
    for p in itertools.permutations(range(4)):
        assert np.array_equal(g.order_points(quad[list(p)][None])[0], quad)
    assert g.order_points(np.zeros((0, 4, 2))).shape == (0, 4, 2)


def test_area_is_exact_far_from_the_origin():
    assert g.area(UNIT[None]) == [1.0]
    assert g.signed_area(UNIT[None, ::-1]) == [-1.0]
    assert g.area(UNIT[None] * 0.5 + 2.0**26) == [0.25]


@pytest.mark.parametrize(
    ("quad", "expected"),
    [
        (UNIT, True),
        (UNIT[::-1], False),
        (UNIT[[0, 2, 1, 3]], False),  # crossed
        ([(0, 0), (4, 0), (1, 1), (0, 4)], False),  # dented
        ([(0, 0), (1, 0), (2, 0), (0, 1)], False),  # three on a line
        ([(0, 0), (0, 0), (0, 0), (0, 0)], False),
        ([(0, 0), (1, 0), (1, np.nan), (0, 1)], False),
        ([(0, 0), (np.inf, 0), (1, 1), (0, 1)], False),
    ],
)
def test_is_convex(quad, expected):
    assert g.is_convex(np.array([quad], float)).tolist() == [expected]
    cleaned = g.clean(np.array([quad], float))
    assert np.isfinite(cleaned).all()
    if expected:
        assert np.array_equal(cleaned[0], quad)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (UNIT, 1.0),
        (g.translate(UNIT, (0.5, 0)), 1 / 3),
        (g.translate(UNIT, (1, 0)), 0.0),  # touching
        (g.translate(UNIT, (5, 5)), 0.0),
        (UNIT * 2, 0.25),  # inside, two shared edges
        (UNIT * 0.5 + 0.25, 0.25),  # strictly inside
        (g.rotate(UNIT, np.pi / 4, (0.5, 0.5)), 1 / np.sqrt(2)),  # octagon: 8 corners
        (np.array([[0.0, 0], [1, 0], [0.5, 1e-9], [0, 0]]), 0.0),
        (np.zeros((4, 2)), 0.0),
    ],
)
def test_iou_by_hand(other, expected):
    assert g.quad_iou(UNIT[None], other[None])[0] == pytest.approx(expected, abs=1e-6)
    assert g.quad_iou(other[None], UNIT[None])[0] == pytest.approx(expected, abs=1e-6)


def test_iou_against_shapely():
    geometry = pytest.importorskip("shapely.geometry")
    rng = np.random.default_rng(1)
    a, b = random_quads(rng, 60), random_quads(rng, 50)
    got = g.quad_iou_matrix(a, b)
    pa, pb = [geometry.Polygon(q) for q in a], [geometry.Polygon(q) for q in b]
    want = np.array([[x.intersection(y).area / x.union(y).area for y in pb] for x in pa])
    assert np.abs(got - want).max() < 1e-9
    assert (want > 0).sum() > 300


def test_iou_of_nothing():
    empty = np.zeros((0, 4, 2))
    assert g.quad_iou(empty, empty).shape == (0,)
    assert g.quad_iou_matrix(empty, UNIT[None]).shape == (0, 1)


def test_rectangles_round_trip():
    rng = np.random.default_rng(2)
    centres, sizes = rng.uniform(-50, 50, (40, 2)), rng.uniform(1, 30, (40, 2))
    angles = rng.uniform(-np.pi, np.pi, 40)
    c, s, a = g.oriented_rectangles(g.rectangle_quads(centres, sizes, angles))
    assert np.allclose(c, centres)
    assert np.allclose(s, sizes)
    assert np.allclose(a, angles)


def test_oriented_rectangle_of_a_trapezium_keeps_its_area():
    quad = np.array([[[0.0, 0], [10, 1], [10, 3], [0, 4]]])
    centre, size, angle = g.oriented_rectangles(quad)
    assert np.allclose(centre, [[5, 2]])
    assert np.allclose(size, [[10, 3]])
    assert np.allclose(angle, 0)
    assert g.area(quad) == pytest.approx(30.0)


def test_bounding_rectangle():
    points = g.rotate([[0.0, 0], [8, 0], [8, 2], [0, 2], [4, 1]], 0.3, (1, 1))
    quad = g.bounding_rectangle(points, 0.3)
    assert np.allclose(quad, points[:4])
    assert np.allclose(g.bounding_rectangle([[3.0, 4.0]], 0.7), [[3, 4]] * 4)


def test_grow_moves_every_edge():
    quad = g.rotate([[0.0, 0], [8, 0], [8, 2], [0, 2]], 0.4)
    want = g.rotate([[-2.0, -1], [10, -1], [10, 3], [-2, 3]], 0.4)
    assert np.allclose(g.grow(quad[None], 1.0, 2.0)[0], want)
    assert np.allclose(g.grow(g.grow(quad[None], 0.5), -0.5)[0], quad)
    assert np.isfinite(g.grow(np.zeros((1, 4, 2)), 1.0)).all()


def test_measures_and_moves():
    quad = np.array([[[0.0, 0], [8, 0], [8, 2], [0, 2]]])
    assert g.widths(quad) == [8]
    assert g.heights(quad) == [2]
    assert g.bounding_boxes(g.translate(g.scale(quad, (2, 1)), (1, -1))).tolist() == [[1, -1, 17, 1]]
    assert np.allclose(g.reading_angles(g.rotate(quad, 0.5)), 0.5)
    q = np.pi / 4
    assert np.allclose(g.wrap_angle([3.5, -q, q, 1.0], 2 * q), [3.5 - 4 * q, -q, -q, 1 - 2 * q])


def test_warp_matrix():
    rng = np.random.default_rng(3)
    a, b = random_quads(rng, 2)[:2]
    m = g.warp_matrix(a, b)
    assert np.allclose(g.apply_matrix(m, a), b)
    assert np.allclose(g.apply_matrix(np.linalg.inv(m), b), a)
    with pytest.raises(ValueError, match="one line"):
        g.warp_matrix(np.zeros((4, 2)), b)


@pytest.mark.parametrize("n", [0, 1, 2, 50, 3000])
def test_meeting_pairs_are_those_that_meet(n):
    rng = np.random.default_rng(n)
    corner = rng.uniform(0, 1000, (n, 2)).round()
    boxes = np.concatenate([corner, corner + rng.uniform(0, 60, (n, 2)).round()], 1)
    want = np.triu(g.boxes_meet(boxes, boxes), 1).nonzero()
    got = g.meeting_pairs(boxes)
    assert np.array_equal(got[0], want[0])
    assert np.array_equal(got[1], want[1])
