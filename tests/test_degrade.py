"""What cameras do to pictures: little at strength 0, seeded, and of the same shape."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("cv2")
from training.synth import degrade

Image = NDArray[np.uint8]


def picture(*shape: int) -> Image:
    """A smooth slope with a dark bar."""
    h, w = shape[:2]
    grey = np.add.outer(np.linspace(90, 120, h), np.linspace(0, 60, w)).astype(np.uint8)
    grey[h // 3 : h // 2, w // 4 : w // 2] = 30
    return grey if len(shape) == 2 else np.repeat(grey[:, :, None], shape[2], axis=2)


STEPS: dict[str, Callable[[np.random.Generator, Image], Image]] = {
    "blur": lambda rng, image: degrade.blur(image, 1.3),
    "motion": lambda rng, image: degrade.motion(rng, image, 4.2),
    "noise": lambda rng, image: degrade.noise(rng, image, 12),
    "jpeg": lambda rng, image: degrade.jpeg(image, 30),
    "illuminate": lambda rng, image: degrade.illuminate(rng, image, 1.0),
    "camera": lambda rng, image: degrade.camera(rng, image, strength=1.0),
}


@pytest.mark.parametrize("shape", [(32, 90), (33, 91, 3), (6, 6), (5, 200)])
@pytest.mark.parametrize("step", STEPS)
def test_shape_and_type_stay_and_seeds_decide(step: str, shape: tuple[int, ...]) -> None:
    image = picture(*shape)
    before = image.copy()
    for seed in range(4):
        out = STEPS[step](np.random.default_rng(seed), image)
        assert out.shape == shape
        assert out.dtype == np.uint8
        np.testing.assert_array_equal(out, STEPS[step](np.random.default_rng(seed), image))
        np.testing.assert_array_equal(image, before)  # the picture that was given stays as it was


def test_strength_0_leaves_a_picture_almost_as_it_is() -> None:
    image = picture(48, 120)
    differences = []
    for seed in range(100):
        out = degrade.camera(np.random.default_rng(seed), image, strength=0.0)
        differences.append(np.abs(out.astype(int) - image).mean())
    assert np.median(differences) < 1
    assert max(differences) < 6  # compression and sharpening are not scaled


def test_more_strength_changes_more() -> None:
    image = picture(48, 120)

    def change(strength: float) -> float:
        outs = [degrade.camera(np.random.default_rng(s), image, strength=strength) for s in range(80)]
        return float(np.mean([np.abs(o.astype(int) - image).mean() for o in outs]))

    weak, middle, strong = change(0.0), change(0.4), change(1.0)
    assert weak < 0.5 * middle
    assert middle < 0.7 * strong


def test_motion_smears_along_one_line() -> None:
    image = np.zeros((41, 41), np.uint8)
    image[20, 20] = 255
    for seed in range(5):
        smeared = degrade.motion(np.random.default_rng(seed), image, 9)
        y, x = np.nonzero(smeared > 8)
        points = np.stack([x - 20, y - 20], 1)
        spread = np.linalg.svd(points - points.mean(0), compute_uv=False) / np.sqrt(len(points))
        assert 1.5 < spread[0] < 5
        assert spread[1] < 1
        assert abs(int(smeared.sum()) - 255) < 40  # light is moved, not made


def test_noise_has_the_asked_spread() -> None:
    image = np.full((200, 200), 128, np.uint8)
    spreads = [float(degrade.noise(np.random.default_rng(s), image, 10).std()) for s in range(12)]
    assert all(6 < s < 16 for s in spreads)


def test_worn_ink_stays_ink() -> None:
    mask = np.zeros((30, 200), np.float32)
    mask[8:22, 10:190] = 1
    faded = 0
    for seed in range(40):
        out = degrade.thermal(np.random.default_rng(seed), mask)
        assert out.dtype == np.float32
        assert out.shape == mask.shape
        assert out.min() >= 0
        assert out.max() <= 1
        assert not out[mask == 0].any()
        assert out[mask > 0].mean() > 0.2
        faded += bool(out.sum() < 0.97 * mask.sum())
    assert 10 < faded < 40


def test_till_type_has_few_square_pixels() -> None:
    """A slanted edge turns into stairs: a few columns take few values, and what is solid stays solid."""
    y, x = np.mgrid[0:96, 0:240]
    mask = (np.abs(x - 120 - 0.2 * (y - 48)) < 24).astype(np.float32)
    for seed in range(8):
        out = degrade.bitmap(np.random.default_rng(seed), mask, 48, 0.5)
        assert out.shape == mask.shape
        assert out.dtype == np.float32
        assert set(np.unique(out)) == {0.0, 1.0}
        runs = np.flatnonzero(np.any(out[1:] != out[:-1], axis=1))
        assert np.diff(runs).min() >= 1
        assert len(runs) <= 96 * 28 / 48  # no more steps than it has rows of pixels
        steps = np.diff(np.sort(np.flatnonzero(np.any(out[:, 1:] != out[:, :-1], axis=0))))
        assert steps.min() >= 2  # set half as wide, its pixels are twice as wide now
        assert abs(out.mean() - mask.mean()) < 0.25 * mask.mean()


def test_a_hand_bends_strokes_and_keeps_ink():
    mask = np.zeros((60, 200), np.float32)
    mask[10:50, 40:44] = mask[28:32, 20:180] = 1.0
    drawn = degrade.hand(np.random.default_rng(3), mask, 40.0)
    assert drawn.shape == mask.shape and drawn.dtype == np.float32
    assert abs(drawn.sum() / mask.sum() - 1) < 0.15
    middles = (drawn * np.arange(60)[:, None])[:, 100:180].sum(0) / drawn[:, 100:180].sum(0)
    assert 0.3 < np.abs(middles - 29.5).max() < 8  # the level stroke wavers
    assert (degrade.hand(np.random.default_rng(3), mask, 40.0) == drawn).all()
