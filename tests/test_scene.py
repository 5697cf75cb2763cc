"""Scenes: boxes lie on the ink, follow it through the camera, and are clipped at the border."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

pytest.importorskip("PIL")
cv2 = pytest.importorskip("cv2")
from PIL import ImageFont  # noqa: E402

from training.synth import scene as scene_module  # noqa: E402
from training.synth.layouts import LAYOUTS, Backgrounds, Kit, Words  # noqa: E402
from training.synth.scene import Scenes, clip_quads, shoot  # noqa: E402
from training.synth.sheet import Pen, Sheet, contrasting, luma  # noqa: E402

WORDS = ["river", "Table", "sum", "Glass", "no", "quick", "TOTAL"]


@dataclass(frozen=True)
class PlainFace:
    """Pillow's own face: all that a bare checkout has."""

    name: str = "default"
    script: str = "latin"

    def can_write(self, text: str) -> bool:
        return text.isascii()

    def font(self, size: int) -> ImageFont.FreeTypeFont:
        font = ImageFont.load_default(size)
        assert isinstance(font, ImageFont.FreeTypeFont)
        return font


class PlainFaces:
    hangul: tuple[PlainFace, ...] = ()
    latin = (PlainFace(),)

    def pick(self, rng: np.random.Generator, text: str, *, script: str | None = None) -> PlainFace:
        return PlainFace()


@pytest.fixture
def kit() -> Kit:
    return Kit(PlainFaces(), Words(WORDS, WORDS, ["two words"]), Backgrounds(None))


def white(height: int = 120, width: int = 400) -> Sheet:
    return Sheet(np.full((height, width, 3), 255, np.uint8))


def ink(image: np.ndarray) -> np.ndarray:
    return np.asarray(image.min(axis=2) < 128)


@pytest.mark.parametrize(
    "pen",
    [
        Pen(PlainFace(), 30),
        Pen(PlainFace(), 30, wide=1.6, tall=0.7),
        Pen(PlainFace(), 24, spacing=9),
        Pen(PlainFace(), 30, bolder=1),
        Pen(PlainFace(), 30, slant=0.25),
    ],
)
def test_a_box_is_tight_to_the_ink(pen: Pen) -> None:
    sheet = white()
    sheet.write(40, 80, "Hamburg", pen, (0, 0, 0))
    y, x = np.nonzero(ink(sheet.image))
    found = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1])
    assert np.abs(sheet.quads[0][[0, 2]].ravel() - found).max() <= 1.0


def test_every_word_of_a_line_has_its_box_and_low_marks_are_as_high_as_letters() -> None:
    sheet, pen = white(), Pen(PlainFace(), 30)
    sheet.write(10, 80, "up - down", pen, (0, 0, 0))
    assert len(sheet.quads) == 3
    dash = sheet.quads[1]
    assert dash[2, 1] - dash[0, 1] == pytest.approx(pen.height, abs=2)
    assert sheet.quads[0][1, 0] < dash[0, 0]
    assert dash[1, 0] < sheet.quads[2][0, 0]


def test_words_that_would_cross_the_edge_and_unlabelled_rules_leave_no_box() -> None:
    sheet, pen = white(), Pen(PlainFace(), 30)
    sheet.write(250, 80, "fits farbeyondtheedge", pen, (0, 0, 0))
    assert len(sheet.quads) == 1
    sheet.write(0, 110, "------", pen, (0, 0, 0), label=False)
    assert len(sheet.quads) == 1


def test_contrasting_colours_contrast() -> None:
    rng = np.random.default_rng(0)
    for ground in ((0, 0, 0), (255, 255, 255), (120, 130, 110)):
        for _ in range(50):
            assert abs(luma(contrasting(rng, ground, 60)) - luma(ground)) >= 60


@pytest.mark.parametrize("kind", LAYOUTS)
def test_every_layout_draws_words_on_its_sheet(kind: str, kit: Kit) -> None:
    rng = np.random.default_rng(5)
    count = 0
    for _ in range(3):
        sheet = LAYOUTS[kind][0](rng, kit)
        assert sheet.image.dtype == np.uint8
        assert sheet.image.ndim == 3
        assert sheet.ink is None, "print_ink was forgotten"
        quads = sheet.quads
        assert np.isfinite(quads).all()
        centres = quads.mean(axis=1)
        assert (centres >= 0).all()
        assert (centres <= (sheet.width, sheet.height)).all()
        count += len(quads)
    assert (count == 0) == (kind == "blank")


@pytest.mark.parametrize("kind", ["receipt", "card", "sign"])
def test_boxes_follow_the_ink_through_the_camera(kind: str, kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dark words on white: nearly all dark pixels must lie in a box, and every box must hold some."""
    monkeypatch.setattr(scene_module, "camera", lambda rng, image, letters, plain: image)
    monkeypatch.setattr(
        scene_module,
        "_surround",
        lambda rng, kit, image, alpha, kind: np.where(alpha[:, :, None] > 250, image, 255).astype(np.uint8),
    )
    rng = np.random.default_rng(11)
    sheet = white(500, 500)
    for y in range(60, 480, 50):
        sheet.write(30, y, "Hamburg Mango Zebra", Pen(PlainFace(), 26, bolder=1), (0, 0, 0))
    whole = 0
    for _ in range(12):
        scene = shoot(rng, sheet, kit, 256, kind)
        dark = ink(scene.image)
        boxes = np.zeros(dark.shape, np.uint8)
        for quad in scene.quads:
            box = cv2.fillConvexPoly(np.zeros(dark.shape, np.uint8), np.round(quad).astype(np.int32), 1)
            inside = dark & (box > 0)
            if (quad > 2).all() and (quad < 254).all():
                whole += 1
                assert inside.sum() > 0.1 * box.sum()
            boxes |= cv2.dilate(box, np.ones((3, 3), np.uint8))
        if dark.sum() > 100:
            assert (dark & (boxes > 0)).sum() > 0.96 * dark.sum()
    assert whole > 10


def test_words_are_clipped_along_their_own_axes() -> None:
    def box(x0: float, y0: float, x1: float, y1: float) -> list[tuple[float, float]]:
        return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]

    quads = np.array(
        [
            box(10, 10, 50, 20),
            box(-40, 30, 60, 50),
            box(-100, 30, -1, 50),
            box(20, -15, 80, 5),
            box(-60, 60, 3, 90),
        ],
        np.float32,
    )
    out, seen, poor = clip_quads(quads, 100)
    assert seen.tolist() == [True, True, False, True, True]
    assert poor[[0, 1, 3, 4]].tolist() == [False, False, True, True]
    np.testing.assert_allclose(out[0], quads[0])
    np.testing.assert_allclose(out[1], box(0, 30, 60, 50), atol=1e-3)


def test_faint_and_tiny_words_are_ignored(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene_module, "_homography", lambda rng, sheet, size, kind: (np.eye(3), True))
    monkeypatch.setattr(scene_module, "camera", lambda rng, image, letters, plain: image)
    sheet = white(256, 256)
    sheet.write(10, 60, "seen", Pen(PlainFace(), 24), (0, 0, 0))
    sheet.write(10, 120, "faint", Pen(PlainFace(), 24), (252, 252, 252))
    sheet.box(10, 200, 40, 203)
    scene = shoot(np.random.default_rng(0), sheet, kit, 256, "page")
    assert scene.ignore.tolist() == [False, True, True]


def test_the_stream_is_seeded_and_of_one_size(kit: Kit) -> None:
    def take(seed: int) -> list[scene_module.Scene]:
        stream = Scenes(kit, seed=seed, size=128, pool=3, shots=2)
        return [next(stream) for _ in range(6)]

    first, again, other = take(1), take(1), take(2)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.quads, b.quads)
        assert a.image.shape == (128, 128, 3)
        assert a.image.dtype == np.uint8
        assert len(a.quads) == len(a.ignore)
    assert any(not np.array_equal(a.image, b.image) for a, b in zip(first, other, strict=True))


def test_numbers_and_phrases_come_from_the_lists(kit: Kit) -> None:
    rng = np.random.default_rng(0)
    make: Callable[[], str] = lambda: kit.words.word(rng, "en")  # noqa: E731
    assert all(make() for _ in range(200))
    assert all(any(c.isdigit() for c in kit.words.number(rng)) for _ in range(50))
