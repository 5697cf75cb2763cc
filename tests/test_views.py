from __future__ import annotations

import itertools

import numpy as np
import pytest

from edge_ocr.manifest import Tiling
from edge_ocr.views import View, plan

BUCKETS = ((320, 320), (480, 640), (640, 480), (736, 1280), (1280, 736))
TILING = Tiling(overlap=96, max_shrink=1.3, max_tiles=48, large=200, coarse_shrink=4, grow_to=64, border=16)


@pytest.mark.parametrize(
    ("size", "bucket", "scale"),
    [
        ((480, 640), (480, 640), 1.0),
        ((720, 1280), (736, 1280), 1.0),
        ((1280, 720), (1280, 736), 1.0),
        ((300, 200), (320, 320), 1.0),  # not enlarged: its short side is long enough
        ((400, 600), (480, 640), 1.0),
        ((950, 1280), (736, 1280), 736 / 950),  # shrunk a little rather than tiled
    ],
)
def test_the_usual_picture_is_one_view(size, bucket, scale):
    (view,) = plan(size, BUCKETS, TILING)
    assert view == View((0, 0, size[1], size[0]), bucket, pytest.approx(scale), 0, 0)


@pytest.mark.parametrize("size", [(25, 16), (89, 30), (30, 89), (16, 25), (63, 200), (1, 1), (10, 300)])
def test_tiny_pictures_are_enlarged_and_get_a_margin(size):
    (view,) = plan(size, BUCKETS, TILING)
    h, w = (side * view.scale for side in size)
    assert view.border == 16
    assert 1 < view.scale <= 64 / min(size)
    assert h <= view.bucket[0] - 32 + 1e-6
    assert w <= view.bucket[1] - 32 + 1e-6


@pytest.mark.parametrize(
    "size",
    [(2000, 1414), (1414, 2000), (3000, 4000), (10, 20000), (20000, 10), (1, 5000), (195, 2000), (9000, 700)],
)
def test_tiles_cover_the_picture_and_overlap(size):
    views = plan(size, BUCKETS, TILING)
    assert 1 < len(views) <= TILING.max_tiles
    assert len({(v.bucket, v.scale) for v in views}) == 1
    scale = views[0].scale
    assert 1 / TILING.max_shrink - 1e-9 <= scale <= 1
    boxes = np.array([v.box for v in views])
    assert boxes[:, :2].min() == 0
    assert boxes[:, 2].max() == size[1]
    assert boxes[:, 3].max() == size[0]
    for view in views:
        assert (view.box[3] - view.box[1]) * scale <= view.bucket[0] + 1e-6
        assert (view.box[2] - view.box[0]) * scale <= view.bucket[1] + 1e-6
    for low, high in ((0, 2), (1, 3)):
        spans = sorted({(b[low], b[high]) for b in boxes.tolist()})
        for (_, end), (start, _) in itertools.pairwise(spans):
            assert (end - start) * scale >= TILING.overlap - 2


def test_a_huge_picture_is_shrunk_rather_than_read_for_ever():
    views = plan((14000, 14000), BUCKETS, TILING)
    assert len(views) <= TILING.max_tiles
    assert views[0].scale < 1


def test_levels_reach_down_to_text_as_large_as_the_picture():
    size, level, shorts = (6000, 8000), 0, []
    while views := plan(size, BUCKETS, TILING, level=level):
        assert all(v.level == level for v in views)
        shorts.append(min(size) * views[0].scale)
        level += 1
    assert shorts[-1] <= TILING.large < shorts[-2]
    # Text that is too large for one level is not too small for the next.
    assert TILING.large / TILING.coarse_shrink >= 16


def test_no_second_level_where_no_large_text_fits():
    assert plan((195, 2000), BUCKETS, TILING, level=1) == []
    assert plan((10, 20000), BUCKETS, TILING, level=1) == []
    assert plan((25, 16), BUCKETS, TILING, level=1) == []
    assert len(plan((720, 1280), BUCKETS, TILING, level=1)) == 1
