from __future__ import annotations

import time

import numpy as np
import pytest

from edge_ocr import geometry as g
from edge_ocr.detect import (
    DecodeOptions,
    Detector,
    Sighting,
    components,
    decode,
    encode,
    merge_sightings,
    suppress,
)
from edge_ocr.errors import ModelError
from edge_ocr.manifest import DetectDecode, DetectInput, DetectManifest, DetectOutput, Made, Tiling

OPTIONS = DecodeOptions(
    score_threshold=0.5,
    merge_iou=0.5,
    edge_reach=1.0,
    nms_iou=0.3,
    contained=0.7,
    min_height=4,
    max_regions=1000,
    stride=4,
)


def rectangle(x: float, y: float, w: float, h: float, angle: float = 0.0) -> np.ndarray:
    return g.rectangle_quads([[x, y]], [[w, h]], [angle])[0]


def best_iou(want: np.ndarray, got: np.ndarray) -> np.ndarray:
    return g.quad_iou_matrix(want, got).max(1, initial=0)


# -- encode --------------------------------------------------------------------------------------------------------


def test_encode_by_hand():
    # A word of 40 × 20 px at (8, 8): core inset by 6 px, so 14..42 × 14..22; centres of cells lie at 2, 6, 10 …
    t = encode([rectangle(28, 18, 40, 20)], [False], (32, 64))
    assert t.score.shape == t.mask.shape == (8, 16)
    assert t.geometry.shape == (8, 16, 5)
    assert {(int(r), int(c)) for r, c in np.argwhere(t.score)} == {(r, c) for r in (3, 4, 5) for c in range(3, 11)}
    # The cell (4, 5) has its centre at (22, 18): 10 px below the top, 26 from the right, 10 and 14 from the others.
    assert t.geometry[4, 5].tolist() == [10, 26, 10, 14, 0]
    # The strip between core and box is left out, the ground beyond is in.
    assert t.mask[2, 5] == 0
    assert t.mask[4, 2] == 0
    assert t.mask[1, 5] == 1
    assert t.mask[4, 1] == 1
    assert t.mask[4, 5] == 1


def test_encode_band():
    box = [rectangle(50, 50, 80, 60)]
    none, half, whole = (encode(box, [False], (100, 100), band=b) for b in (0.0, 0.5, 1.0))
    assert none.mask.all()
    assert (none.score == whole.score).all()
    assert none.mask.sum() > half.mask.sum() > whole.mask.sum()
    assert ((whole.geometry[..., 0] > 0) >= (whole.score > 0)).all()


@pytest.mark.parametrize("h", [4.0, 5.0, 6.0, 8.0, 11.0])
@pytest.mark.parametrize("offset", [0.0, 1.0, 2.0, 3.3])
def test_small_words_keep_a_row_of_cells(h, offset):
    t = encode([rectangle(60, 30 + offset, 50, h)], [False], (64, 128))
    assert t.score.any(1).sum() >= 1


def test_too_small_words_are_ignored():
    t = encode([rectangle(60, 30, 50, 3)], [False], (64, 128))
    assert not t.score.any()
    assert not t.mask.all()


def test_ignored_text_is_neither_text_nor_ground():
    t = encode([rectangle(60, 30, 80, 20)], [True], (64, 128))
    assert not t.score.any()
    assert t.mask[7, 15] == 0
    assert t.mask[0, 0] == 1


def test_the_smaller_word_wins():
    big, small = rectangle(100, 100, 180, 160), rectangle(100, 100, 60, 24)
    for order in ([big, small], [small, big]):
        t = encode(order, [False, False], (200, 200))
        assert t.score[25, 25] == 1
        assert t.geometry[25, 25, 0] < 24
        assert t.score[20, 25] == 1
        assert t.geometry[20, 25, 0] > 40
        assert t.mask[22, 25] == 0  # the small word's strip
    t = encode([big, small], [False, True], (200, 200))
    assert t.score[25, 25] == 0
    assert t.mask[25, 25] == 0
    assert t.score[20, 25] == 1
    t = encode([big, small], [True, False], (200, 200))
    assert t.score[25, 25] == 1
    assert t.mask[25, 25] == 1
    assert t.mask[20, 25] == 0


def test_words_outside_the_picture():
    t = encode([rectangle(-100, 50, 40, 20), rectangle(0, 50, 40, 20)], [False, False], (100, 100))
    assert t.score[12, 0] == 1
    assert t.geometry[12, 0, 3] == pytest.approx(22)


@pytest.mark.parametrize(
    ("degrees", "angle", "tall"),
    [(0, 0, False), (44, 44, False), (-44, -44, False), (90, 0, True), (180, 0, False), (-80, 10, True)]
)
def test_angles_stay_within_an_eighth_turn(degrees, angle, tall):
    t = encode([rectangle(64, 64, 80, 20, np.radians(degrees))], [False], (128, 128))
    box = t.geometry[16, 16]
    assert np.degrees(box[4]) == pytest.approx(angle, abs=1e-3)
    assert (box[0] + box[2] > box[1] + box[3]) == tall


def test_encode_nothing_and_nonsense():
    t = encode(np.zeros((0, 4, 2)), [], (30, 50))
    assert t.score.shape == (8, 13)
    assert t.mask.all()
    with pytest.raises(ValueError, match="flags"):
        encode([rectangle(5, 5, 5, 5)], [], (32, 32))
    with pytest.raises(ValueError, match="finite"):
        encode([rectangle(np.nan, 5, 5, 5)], [False], (32, 32))


# -- decode --------------------------------------------------------------------------------------------------------


def test_decode_by_hand():
    score, geometry = np.zeros((8, 16), np.float32), np.zeros((8, 16, 5), np.float32)
    score[3, 4:6] = 0.9, 0.6
    geometry[3, 4] = 6, 12, 6, 8, 0  # centre (18, 14): 10..30 × 8..20
    geometry[3, 5] = 6, 8, 6, 12, 0  # centre (22, 14): the same box
    quads, scores = decode(score, geometry, OPTIONS)
    assert np.allclose(quads, [[[10, 8], [30, 8], [30, 20], [10, 20]]])
    assert scores == pytest.approx([(0.81 + 0.36) / 1.5])


def test_neighbours_that_disagree_are_two_words():
    score, geometry = np.zeros((8, 16), np.float32), np.zeros((8, 16, 5), np.float32)
    score[3, 4:8] = 1
    geometry[3, 4:6] = [[6, 6, 6, 6, 0], [6, 2, 6, 10, 0]]  # 12..24
    geometry[3, 6:8] = [[6, 10, 6, 2, 0], [6, 6, 6, 6, 0]]  # 24..36
    quads, _ = decode(score, geometry, OPTIONS)
    assert sorted(g.bounding_boxes(quads)[:, 0].tolist()) == [12, 24]


def words_on_a_page(rng: np.random.Generator, size: tuple[int, int], angle: float) -> np.ndarray:
    """Rows of words that do not touch, turned by ``angle``."""
    quads, y = [], 30.0
    while y < size[0] - 30:
        h, x = rng.uniform(10, 40), 30.0
        while True:
            w = h * rng.uniform(0.6, 9)
            if x + w > size[1] - 30:
                break
            quads.append(rectangle(x + w / 2, y + h / 2, w, h))
            x += w + max(0.4 * h, 6)
        y += h * 1.4 + 4
    turned = g.rotate(np.array(quads), angle, (size[1] / 2, size[0] / 2))
    box = g.bounding_boxes(turned)
    return turned[(box[:, :2] > 0).all(1) & (box[:, 2] < size[1]) & (box[:, 3] < size[0])]


@pytest.mark.parametrize("degrees", [0, 3, -10, 30, -44])
def test_round_trip(degrees):
    rng = np.random.default_rng(abs(degrees))
    words = words_on_a_page(rng, (480, 640), np.radians(degrees))
    t = encode(words, np.zeros(len(words), bool), (480, 640))
    quads, scores = decode(t.score, t.geometry, OPTIONS)
    assert len(quads) == len(words) > 20
    assert best_iou(words, quads).min() > 0.99
    assert np.allclose(scores, 1)


def test_round_trip_with_noise():
    rng = np.random.default_rng(5)
    words = words_on_a_page(rng, (720, 1280), 0.05)
    t = encode(words, np.zeros(len(words), bool), (720, 1280))
    score = np.clip(t.score * rng.normal(0.8, 0.1, t.score.shape) + rng.normal(0.05, 0.05, t.score.shape), 0, 1)
    geometry = t.geometry * rng.normal(1, 0.1, t.geometry.shape)
    quads, _ = decode(score, geometry, OPTIONS)
    assert abs(len(quads) - len(words)) <= 0.02 * len(words)
    assert (best_iou(words, quads) > 0.75).mean() > 0.98


def test_a_long_word_is_found_whole_by_cells_that_see_only_part_of_it():
    # Cells see 60 px to each side: nearer ends are told right, farther ones are guessed at a fixed distance.
    word = rectangle(300, 40, 520, 24)
    t = encode([word], [False], (80, 600))
    geometry = t.geometry.copy()
    geometry[..., 1] = np.minimum(geometry[..., 1], 60)
    geometry[..., 3] = np.minimum(geometry[..., 3], 60)
    quads, _ = decode(t.score, geometry, OPTIONS)
    assert len(quads) == 1
    assert best_iou(word[None], quads)[0] > 0.93
    # The paper's plain mean would have lost most of the word.
    plain, _ = decode(t.score, geometry, DecodeOptions(**{**vars(OPTIONS), "edge_reach": 1e6}))
    assert best_iou(word[None], plain)[0] < 0.5


def test_the_slope_of_a_long_word_comes_from_its_cells_rather_than_from_their_angle():
    word = rectangle(150, 100, 240, 24, 0.25)
    t = encode([word], [False], (200, 300))
    geometry = t.geometry.copy()
    geometry[..., 4] *= 0.4  # a network that has seen little tilted text
    quads, _ = decode(t.score, geometry, OPTIONS)
    assert best_iou(word[None], quads)[0] > 0.8
    assert g.reading_angles(quads)[0] == pytest.approx(0.25, abs=0.03)


def test_a_gap_in_the_score_does_not_split_a_word():
    word = rectangle(100, 30, 160, 20, 0.1)
    t = encode([word], [False], (64, 200))
    score = t.score.copy()
    score[:, 20:22] = 0
    quads, _ = decode(score, t.geometry, OPTIONS)
    assert len(quads) == 1
    assert best_iou(word[None], quads)[0] > 0.97


@pytest.mark.parametrize(("shift", "count"), [(36, 1), (48, 2), (60, 2)])
def test_pieces_that_share_a_letter_are_joined(shift, count):
    # Two rows of cells that see 60 px wide boxes, of which the second begins ``shift`` px after the first.
    score, geometry = np.zeros((8, 40), np.float32), np.zeros((8, 40, 5), np.float32)
    for column, left in ((5, 10), (5 + shift // 4, 10 + shift)):
        x = (column + 0.5) * 4
        score[3, column] = 1
        geometry[3, column] = 10, left + 60 - x, 10, x - left, 0
    quads, scores = decode(score, geometry, OPTIONS)
    assert len(quads) == len(scores) == count
    assert g.bounding_boxes(quads)[:, 0].min() == pytest.approx(10, abs=1e-4)
    assert g.bounding_boxes(quads)[:, 2].max() == pytest.approx(70 + shift, abs=1e-4)


def test_decode_of_nothing_and_nonsense():
    score, geometry = np.zeros((8, 16), np.float32), np.zeros((8, 16, 5), np.float32)
    assert decode(score, geometry, OPTIONS)[0].shape == (0, 4, 2)
    score[:] = 1
    assert decode(score, geometry, OPTIONS)[0].shape == (0, 4, 2)  # boxes without size
    geometry[:] = np.nan
    assert decode(score, geometry, OPTIONS)[0].shape == (0, 4, 2)
    geometry[:] = -5
    assert decode(score, geometry, OPTIONS)[0].shape == (0, 4, 2)
    with pytest.raises(ValueError, match="do not fit"):
        decode(score, geometry[..., :4], OPTIONS)


def test_decode_of_a_network_gone_wild_stays_bounded():
    rng = np.random.default_rng(0)
    score = rng.random((184, 320)).astype(np.float32)
    geometry = rng.uniform(0, 80, (184, 320, 5)).astype(np.float32)
    geometry[..., 4] = rng.uniform(-0.7, 0.7, (184, 320))
    start = time.process_time()
    quads, _ = decode(score, geometry, OPTIONS)
    assert len(quads) <= OPTIONS.max_regions
    assert np.isfinite(quads).all()
    assert time.process_time() - start < 10


def test_max_regions_keeps_the_best_supported():
    words = np.array([rectangle(60, 30 + 40 * i, 40 + 20 * i, 20) for i in range(4)])
    t = encode(words, np.zeros(4, bool), (200, 200))
    quads, _ = decode(t.score, t.geometry, DecodeOptions(**{**vars(OPTIONS), "max_regions": 2}))
    assert np.allclose(sorted(g.widths(quads)), [80, 100])


def test_components_against_a_plain_walk():
    rng = np.random.default_rng(3)
    for n, m in [(1, 0), (5, 0), (30, 20), (200, 150), (500, 900)]:
        a, b = rng.integers(0, n, m), rng.integers(0, n, m)
        want = np.arange(n)
        for _ in range(n):
            for i, j in zip(a, b, strict=True):
                want[i] = want[j] = min(want[i], want[j])
        _, want = np.unique(want, return_inverse=True)
        assert np.array_equal(components(n, a, b), want)
    chain = np.arange(20000)
    assert components(20000, chain[:-1], chain[1:]).max() == 0
    assert components(20000, chain[1:][::-1], chain[:-1][::-1]).max() == 0


# -- suppression ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quads", "support", "kept"),
    [
        ([], [], []),
        ([rectangle(50, 50, 40, 20)], [1], [0]),
        ([rectangle(50, 50, 40, 20), rectangle(52, 50, 40, 20)], [1, 2], [1]),  # the same word twice
        ([rectangle(50, 50, 40, 20), rectangle(95, 50, 40, 20)], [1, 2], [1, 0]),  # neighbours
        ([rectangle(50, 50, 200, 20), rectangle(20, 50, 40, 18)], [9, 2], [0]),  # a fragment of a long word
        ([rectangle(50, 50, 200, 100), rectangle(20, 50, 60, 20)], [9, 2], [0, 1]),  # small print on a big letter
        ([rectangle(50, 50, 40, 20), rectangle(60, 50, 40, 20), rectangle(70, 50, 40, 20)], [3, 2, 1], [0, 2]),
    ],
)
def test_suppress(quads, support, kept):
    assert suppress(np.array(quads).reshape(-1, 4, 2), support, iou=0.4, contained=0.7).tolist() == kept


# -- seams ---------------------------------------------------------------------------------------------------------


def sighting(*rows: tuple[np.ndarray, float, bool]) -> Sighting:
    quads = np.array([r[0] for r in rows]).reshape(-1, 4, 2)
    scores = np.array([r[1] for r in rows], float)
    return Sighting(quads, scores, scores, np.array([r[2] for r in rows], bool))


WHOLE, CUT = False, True
MERGE = {"iou": 0.3, "contained": 0.7}


@pytest.mark.parametrize("angle", [0.0, 0.2, -0.6])
def test_a_word_that_a_seam_cut_is_joined(angle):
    def at(x, w, h=20.0):
        return g.rotate(rectangle(x + w / 2, 0, w, h), angle)

    left, right = sighting((at(0, 100), 0.8, CUT)), sighting((at(70, 130, 18), 0.9, CUT))
    quads, scores = merge_sightings([left, right], **MERGE)
    assert len(quads) == 1
    assert g.quad_iou(quads, at(0, 200)[None])[0] > 0.97
    assert scores.tolist() == [0.9]


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        # the other tile shows it whole: the fragment goes, though it is surer
        ((rectangle(50, 10, 40, 20), 0.9, CUT), (rectangle(70, 10, 80, 20), 0.6, WHOLE), [1]),
        # the upper half of it, cut by a seam below
        ((rectangle(70, 5, 80, 8), 0.9, CUT), (rectangle(70, 10, 80, 20), 0.6, WHOLE), [1]),
        # both tiles show it whole
        ((rectangle(70, 10, 80, 20), 0.9, WHOLE), (rectangle(71, 10, 80, 20), 0.6, WHOLE), [0]),
        # two cut words of different lines
        ((rectangle(50, 10, 80, 20), 0.9, CUT), (rectangle(70, 32, 80, 20), 0.8, CUT), [0, 1]),
        # two cut words of one line that do not overlap: a real gap
        ((rectangle(50, 10, 80, 20), 0.9, CUT), (rectangle(140, 10, 80, 20), 0.8, CUT), [0, 1]),
        # a big letter and small print across it
        ((rectangle(50, 50, 80, 100), 0.9, CUT), (rectangle(70, 32, 60, 15), 0.8, CUT), [0, 1]),
    ],
)
def test_seams(first, second, kept):
    quads, _ = merge_sightings([sighting(first), sighting(second)], **MERGE)
    want = np.array([(first, second)[i][0] for i in kept])
    assert len(quads) == len(want)
    assert g.quad_iou_matrix(want, quads).max(1).min() > 0.999


def test_three_tiles_join_one_long_word():
    parts = [rectangle(x, 10, 100, 20) for x in (50, 120, 190)]
    quads, _ = merge_sightings([sighting((p, 0.9, CUT)) for p in parts], **MERGE)
    assert np.allclose(quads, [rectangle(120, 10, 240, 20)])


def test_words_run_together_by_a_coarse_look_give_way_to_the_fine_ones():
    fine = sighting((rectangle(50, 10, 90, 20), 0.9, WHOLE), (rectangle(150, 10, 90, 20), 0.9, WHOLE))
    coarse = Sighting(rectangle(100, 10, 190, 20)[None], np.array([0.95]), np.array([0.3]), np.array([False]))
    assert len(merge_sightings([fine, coarse], iou=0.5, contained=0.7)[0]) == 2
    trusted = Sighting(coarse.quads, coarse.scores, np.array([0.95]), coarse.cut)
    assert len(merge_sightings([fine, trusted], iou=0.5, contained=0.7)[0]) == 1


def test_a_paragraph_that_looks_like_one_huge_word_from_afar():
    fine = sighting(*[(rectangle(x, y, 80, 20), 0.8, WHOLE) for y in (30, 60, 90) for x in (60, 150, 240)])
    block = rectangle(150, 60, 300, 110)
    quads, _ = merge_sightings([fine, Sighting(block[None], np.ones(1), np.ones(1), np.zeros(1, bool), 1)], **MERGE)
    assert len(quads) == 9
    # A huge letter with a speck on it stays.
    speck = sighting((rectangle(150, 60, 30, 10), 0.8, WHOLE))
    quads, _ = merge_sightings([speck, Sighting(block[None], np.ones(1), np.ones(1), np.zeros(1, bool), 1)], **MERGE)
    assert len(quads) == 2


def test_merge_of_nothing():
    assert merge_sightings([], **MERGE)[0].shape == (0, 4, 2)
    assert merge_sightings([sighting(), sighting()], **MERGE)[0].shape == (0, 4, 2)


# -- the detector, with an engine that sees dark bars on light ground as a network would see words -------------------

BUCKETS = ((192, 320), (320, 320), (480, 640), (640, 480), (736, 1280), (1280, 736))


class Oracle:
    """Says, by ``encode``, what a perfect network would say about dark upright bars 6 to 250 px high."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def run(self, inputs):
        import cv2

        (canvas,) = inputs["image"]
        assert canvas.dtype == np.uint8
        assert (canvas.shape[0], canvas.shape[1]) in BUCKETS
        self.shapes.append(canvas.shape[:2])
        _, _, stats, _ = cv2.connectedComponentsWithStats((canvas.mean(2) < 60).astype(np.uint8))
        bars = [s[:4] for s in stats[1:] if 6 <= s[3] <= 250]
        quads = [rectangle(x + w / 2, y + h / 2, w, h) for x, y, w, h in bars]
        t = encode(np.array(quads).reshape(-1, 4, 2), np.zeros(len(quads), bool), canvas.shape[:2])
        return {"score": t.score[None] * np.float32(0.9), "geometry": t.geometry[None]}


def manifest() -> DetectManifest:
    return DetectManifest(
        format=1,
        name="oracle",
        task="detect",
        version="1",
        license="Apache-2.0",
        languages=(),
        files={},
        made=Made(command="-", date="2026-01-01", machine="-", minutes=0, samples=0, source="-"),
        measures={},
        input=DetectInput(
            name="image",
            dtype="uint8",
            layout="NHWC",
            colour="RGB",
            stride=32,
            buckets=BUCKETS,
            fit="letterbox",
            resize="area-down-linear-up",
            padding=114,
        ),
        output=DetectOutput(score="score", geometry="geometry", stride=4),
        decode=DetectDecode(
            score_threshold=0.5,
            merge_iou=0.5,
            edge_reach=1.0,
            nms_iou=0.3,
            contained=0.7,
            min_height=4,
            max_regions=1000,
        ),
        tiling=Tiling(overlap=96, max_shrink=1.3, max_tiles=48, large=200, coarse_shrink=4, grow_to=64, border=16),
    )


def bars(size: tuple[int, int], boxes: list[tuple[int, int, int, int]]) -> np.ndarray:
    image = np.full((*size, 3), 235, np.uint8)
    for x, y, w, h in boxes:
        image[y : y + h, x : x + w] = 10
    return image


def found(image: np.ndarray) -> tuple[np.ndarray, Oracle]:
    engine = Oracle()
    regions = Detector(manifest(), engine).detect(image)
    assert all(0 <= r.score <= 1 for r in regions)
    return np.array([r.quad for r in regions]).reshape(-1, 4, 2), engine


def check(size, boxes, least=0.85):
    quads, engine = found(bars(size, boxes))
    want = np.array([rectangle(x + w / 2, y + h / 2, w, h) for x, y, w, h in boxes]).reshape(-1, 4, 2)
    assert len(quads) == len(want)
    if len(want):
        assert best_iou(want, quads).min() > least
    return engine


def test_a_camera_frame_is_one_run():
    assert check((720, 1280), [(100, 100, 200, 30), (400, 300, 90, 20), (0, 690, 100, 30)]).shapes == [(736, 1280)]
    assert check((480, 640), [(100, 100, 200, 30)]).shapes == [(480, 640)]


def test_words_across_seams_come_out_whole():
    # Bars all over a page, many of them on seams, one longer than the tiles' overlap.
    boxes = [(x, y, 180, 22) for y in range(40, 1950, 90) for x in range(30, 1200, 260)]
    boxes[12] = (30, boxes[12][1], 1300, 24)
    boxes = [b for i, b in enumerate(boxes) if i == 12 or b[1] != boxes[12][1]]
    engine = check((2000, 1414), boxes)
    assert len(engine.shapes) > 4


def test_a_letter_larger_than_the_network_sees_is_found_by_a_coarser_look():
    engine = check((720, 1280), [(300, 60, 500, 600)])
    assert engine.shapes == [(736, 1280), (192, 320)]


def test_large_and_small_text_in_one_large_picture():
    check((2400, 3200), [(200, 200, 900, 700), (1500, 300, 300, 24), (2000, 2000, 400, 120), (100, 2300, 200, 16)])


@pytest.mark.parametrize(
    ("size", "box"), [((30, 89), (8, 5, 70, 20)), ((16, 25), (3, 3, 19, 10)), ((25, 16), (2, 8, 12, 10))]
)
def test_tiny_pictures(size, box):
    check(size, [box], least=0.6)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (3, 900), (5000, 2)])
def test_pictures_too_thin_for_text_cost_nothing(size):
    assert check(size, []).shapes == []


def test_a_long_strip():
    engine = check((10, 20000), [(50, 1, 60, 8), (9000, 1, 60, 8), (19000, 1, 990, 8)], least=0.5)
    assert 1 <= len(engine.shapes) <= 48


def test_blank_tiles_are_not_looked_at():
    assert len(check((4000, 700), [(100, 100, 200, 30)]).shapes) == 2  # the tile with the word, the coarse look


def test_warm_up_runs_every_bucket():
    engine = Oracle()
    Detector(manifest(), engine).warm_up()
    assert engine.shapes == list(BUCKETS)


def test_a_foreign_network_is_named():
    class Foreign:
        def run(self, inputs):
            return {"y": np.zeros((1, 8, 8))}

    with pytest.raises(ModelError, match=r"oracle.*y.*score"):
        Detector(manifest(), Foreign()).warm_up()
