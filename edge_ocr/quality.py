"""What keeps a camera from reading: figures in 0..1, and a sentence for whoever holds it.

Every figure is 0 where nothing is wrong and grows with the trouble; from which value on somebody is told stands in the
section ``quality`` of the detector's model.json. The figures of one text cost some hundred microseconds: the text is
brought to ``PATCH`` pixels of height first, so a figure says what the trouble is to a reader, not how many pixels wide
it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_ocr import geometry as g
from edge_ocr.crop import crop_quads
from edge_ocr.errors import InputError
from edge_ocr.manifest import QualityLimits
from edge_ocr.preprocess import crop_to_line, grey, resize
from edge_ocr.types import Quad

__all__ = [
    "PATCH", "SENTENCES", "Adviser", "Hint", "Quality", "assess", "assess_frame", "assess_patch", "has_shapes", "hints",
    "patches",
]  # fmt: skip

Image = NDArray[np.uint8]

PATCH = 32
_WIDEST = 8 * PATCH  # of a longer text only the middle is looked at
_FRAME = 480  # a frame's longer side when it is looked at as a whole
_STEEP = 0.98  # so many of the differences between neighbours are smaller than those that tell of sharpness
_STEEP_FRAME = 0.995  # the same in a whole frame, most of which is even
_CRISP = 0.33  # a crisp edge, smoothed as here, rises by this share of the contrast from pixel to pixel
_FLAT = 24.0  # grey levels: with less contrast nothing can be said about sharpness
_SATURATED = 250
_BURNT = 0.25  # where this share of a text is saturated, its brightness is no longer known

# What there must be in a frame for its sharpness to be judged.
_COARSE, _EVEN = 3.0, 12.0  # pixels of a frame: what is finer is noise, what is coarser is the light
_SHAPES = 2.0  # grey levels, standard deviation of what is in between
_DIRECTIONS = 0.02  # its changes across the direction that has fewer, by those along the other: less is all stripes

# When to advise the user while nothing is read: seconds.
_HOLD = 0.5  # so long the trouble must last, which a quick pan and a camera that wakes up do not
_ADVISE = 3.0  # and so long ago the last advice must be
_MOVING = 0.005  # of the frame's longer side, from one frame to the next: slower motion does not smear
_OTHER = 0.05  # standard deviations by which a frame without corners to follow differs from the last, when it moves
_THUMB = 64  # pixels of the longer side that are compared for that

SENTENCES: dict[str, dict[str, str]] = {
    "en": {
        "blur": "The picture is out of focus. Hold the camera still, a little farther away.",
        "motion": "The camera or the text moves too fast. Hold still.",
        "dark": "It is too dark. Turn on a light.",
        "over_exposed": "The picture is too bright. Avoid direct light.",
        "glare": "A reflection covers the text. Tilt the camera or the page a little.",
        "too_far": "The text is too small. Come closer.",
        "tilted": "The text is seen from the side. Look at it straight.",
        "cut": "The text reaches beyond the picture. Bring all of it into view.",
    },
    "ko": {
        "blur": "초점이 맞지 않습니다. 카메라를 조금 떼고 움직이지 마세요.",
        "motion": "너무 빨리 움직입니다. 카메라를 움직이지 마세요.",
        "dark": "너무 어둡습니다. 불을 켜 주세요.",
        "over_exposed": "너무 밝습니다. 직사광선을 피해 주세요.",
        "glare": "글자 위에 빛이 반사됩니다. 각도를 조금 바꿔 주세요.",
        "too_far": "글자가 너무 작습니다. 더 가까이 가 주세요.",
        "tilted": "글자가 기울어져 있습니다. 정면에서 비춰 주세요.",
        "cut": "글자가 화면 밖으로 나갔습니다. 전체가 보이게 해 주세요.",
    },
}


@dataclass(frozen=True)
class Quality:
    """The figures of one text, or of a frame, each in 0..1.

    ``blur``: how little sharpness there is in the sharpest direction. ``motion``: by how much sharpness differs between
    directions. ``dark``: how far even the brightest parts are from white. ``over_exposed``: how far even the darkest
    parts are from black, where others are saturated. ``glare``: the share of the text under saturated spots that are
    too large for strokes. ``too_far``: how much of the height that is near enough is lacking. ``tilted``: the angle, or
    the distortion by perspective, in right angles. ``cut``: how close the text comes to the frame's edge: 1 at it, 0 a
    quarter of its height away.
    """

    blur: float = 0.0
    motion: float = 0.0
    dark: float = 0.0
    over_exposed: float = 0.0
    glare: float = 0.0
    too_far: float = 0.0
    tilted: float = 0.0
    cut: float = 0.0

    @property
    def fitness(self) -> float:
        """One figure to compare frames of the same text by: 1 is perfect, above 0."""
        sharp = (1 - self.blur) * (1 - 0.8 * max(self.motion - 0.3, 0))  # letters alone have nearly 0.3
        lit = (1 - self.glare) * (1 - max(self.dark - 0.5, 0)) * (1 - max(self.over_exposed - 0.5, 0))
        seen = (1 - self.too_far) * (1 - 0.5 * self.tilted) * (1 - 0.5 * self.cut)
        return max(sharp * lit * seen, 1e-3)

    def to_dict(self) -> dict[str, float]:
        return {name: round(float(value), 3) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Hint:
    """A trouble that the user can do something about: which figure, its value, and what to say."""

    kind: str
    value: float
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "value": round(self.value, 3), "sentence": self.sentence}


def hints(quality: Quality, limits: QualityLimits | None, *, language: str = "en") -> tuple[Hint, ...]:
    """The figures that reach their limits, the one that is farthest beyond its own first; none where the model.json has
    no limits. Raises InputError for a language without sentences."""
    if language not in SENTENCES:
        raise InputError(f"hints: there are sentences in {', '.join(sorted(SENTENCES))}, not in {language!r}")
    if limits is None:
        return ()
    found = []
    for kind, sentence in SENTENCES[language].items():
        value, limit = float(getattr(quality, kind)), float(getattr(limits, kind))
        if value >= limit > 0:
            found.append(((value - limit) / max(1 - limit, 1e-6), Hint(kind, value, sentence)))
    return tuple(hint for _, hint in sorted(found, key=lambda x: -x[0]))


def assess(image: Image, quads: ArrayLike | Sequence[Quad], *, height: float) -> list[Quality]:
    """The figures of texts ``quads`` ``[N, 4, 2]`` in a picture uint8 ``[H, W, 3]`` RGB or ``[H, W]`` grey; text of
    ``height`` picture pixels is near enough."""
    points = np.asarray(quads, np.float64).reshape(-1, 4, 2)
    size = (image.shape[0], image.shape[1])
    found = patches(image, points)
    return [assess_patch(patch, quad, size, height=height) for patch, quad in zip(found, points, strict=True)]


def patches(image: Image, quads: ArrayLike) -> list[Image]:
    """The middles of upright texts, grey uint8 ``[PATCH, w]``, without a margin."""
    out = []
    for crop in crop_quads(image, quads, height=PATCH, margin=0.0):
        line = crop_to_line(crop.image, height=PATCH)
        start = max(line.shape[1] - _WIDEST, 0) // 2
        out.append(line[:, start : start + _WIDEST])
    return out


def assess_patch(patch: Image, quad: ArrayLike, size: tuple[int, int], *, height: float) -> Quality:
    """The figures of a text, given its patch (``patches``), its quad ``[4, 2]`` and the frame's ``size`` (height,
    width)."""
    blur, motion = _sharpness(patch, steep=_STEEP, diagonals=True)
    dark, over = _exposure(patch)
    q = np.asarray(quad, np.float64).reshape(1, 4, 2)
    high = float(g.heights(q)[0])
    x0, y0, x1, y1 = g.bounding_boxes(q)[0]
    room = min(x0, y0, size[1] - x1, size[0] - y1)
    return Quality(
        blur=blur,
        motion=motion,
        dark=dark,
        over_exposed=over,
        glare=_glare(patch),
        too_far=float(np.clip(1 - high / height, 0, 1)),
        tilted=_tilt(q[0]),
        cut=float(np.clip(1 - room / max(0.25 * high, 1e-6), 0, 1)),
    )


def assess_frame(image: Image) -> Quality:
    """The figures of a whole frame uint8 ``[H, W, 3]`` RGB or ``[H, W]`` grey: blur, motion, dark and over_exposed; the
    others need a text. For frames in which no text was found."""
    h, w = image.shape[:2]
    scale = min(_FRAME / max(h, w), 1.0)
    small = resize(grey(image), (max(round(h * scale), 1), max(round(w * scale), 1)))
    blur, motion = _sharpness(small, steep=_STEEP_FRAME, diagonals=False)
    dark, over = _exposure(small)
    return Quality(blur=blur, motion=motion, dark=dark, over_exposed=over)


def has_shapes(image: Image) -> bool:
    """Whether a frame uint8 ``[H, W]`` grey has enough in it to tell sharpness by: the sky, a wall in the light of a
    lamp, a horizon and blinds look smeared or out of focus, but have no edges in several directions."""
    h, w = image.shape
    scale = min(_FRAME / max(h, w), 1.0)
    small = resize(image, (max(round(h * scale), 1), max(round(w * scale), 1)))
    coarse = np.asarray(cv2.GaussianBlur(small.astype(np.float32), (0, 0), _COARSE))
    shapes = coarse - np.asarray(cv2.GaussianBlur(coarse, (0, 0), _EVEN))
    if float(shapes.std()) < _SHAPES:
        return False
    down, along = np.gradient(shapes) if min(shapes.shape) > 1 else (shapes, shapes)
    xx, yy, xy = float((along * along).sum()), float((down * down).sum()), float((along * down).sum())
    less, more = np.linalg.eigvalsh(np.array([[xx, xy], [xy, yy]]))
    return bool(less >= _DIRECTIONS * more)


def _sharpness(patch: Image, *, steep: float, diagonals: bool) -> tuple[float, float]:
    """(blur, motion) of a grey picture: how steep its steepest edges are along each direction, in parts of the
    contrast. A lens out of focus makes them flat in all directions, motion in its own. ``steep``: the share of
    differences that are smaller than those that tell."""
    low, high = _quantiles(patch, 0.02, 0.98)
    contrast = high - low
    if contrast < _FLAT or min(patch.shape) < 5:
        return 0.0, 0.0
    p = np.asarray(cv2.GaussianBlur(patch, (3, 3), 0))  # noise has steep edges, too
    pairs = [(p[1:-1, 2:], p[1:-1, :-2], 2.0), (p[2:, 1:-1], p[:-2, 1:-1], 2.0)]
    if diagonals:
        pairs += [(p[2:, 2:], p[:-2, :-2], 8**0.5), (p[2:, :-2], p[:-2, 2:], 8**0.5)]
    slopes = []
    for one, other, distance in pairs:
        difference = np.asarray(cv2.absdiff(one, other))
        slopes.append(_quantiles(difference, steep)[0] / distance / contrast)
    steepest, flattest = max(slopes), min(slopes)
    if steepest <= 0:
        return 1.0, 0.0
    return float(np.clip(1 - steepest / _CRISP, 0, 1)), 1 - flattest / steepest


def _quantiles(values: Image, *shares: float) -> list[float]:
    """The values uint8 under which the given shares lie; a histogram is much cheaper than sorting."""
    below = np.cumsum(np.bincount(values.reshape(-1), minlength=256))
    return [float(np.searchsorted(below, share * below[-1])) for share in shares]


def _exposure(patch: Image) -> tuple[float, float]:
    """(dark, over_exposed)."""
    low, high = _quantiles(patch, 0.02, 0.98)
    burnt = min(float((patch >= _SATURATED).mean()) / _BURNT, 1.0)
    return 1 - high / 255, low / 255 * burnt


def _glare(patch: Image) -> float:
    """Share of the patch under saturated spots larger than strokes and than the gaps between letters."""
    bright = (patch >= _SATURATED).astype(np.uint8)
    n = PATCH * 9 // 16
    spots: Any = cv2.morphologyEx(bright, cv2.MORPH_OPEN, np.ones((n, n), np.uint8), borderValue=0)
    return float(np.asarray(spots).mean())


def _tilt(quad: NDArray[np.float64]) -> float:
    """The worst of: the reading angle, how far the corners are from right angles, how much opposite edges differ."""
    edge = np.roll(quad, -1, axis=0) - quad
    length = np.maximum(np.hypot(edge[:, 0], edge[:, 1]), 1e-9)
    angle = abs(float(g.reading_angles(quad[None])[0]))
    before = np.roll(edge, 1, axis=0)
    cosine = -(edge * before).sum(1) / (length * np.roll(length, 1))
    skew = float(np.abs(np.arccos(np.clip(cosine, -1, 1)) - np.pi / 2).max())
    shorter = min(min(length[0], length[2]) / max(length[0], length[2]), min(length[1], length[3]) / max(length[1:4:2]))
    return float(np.clip(max(angle / (np.pi / 2), skew / (np.pi / 2), 1 - shorter), 0, 1))


class Adviser:
    """What to tell a user of whom nothing is read, and when: a trouble that lasts, once. Motion is only a trouble while
    successive frames differ, whatever the figure says: stripes have sharp edges in one direction, too."""

    def __init__(self) -> None:
        self._trouble, self._since = "", 0.0  # what keeps the camera from reading, and since when
        self._advised, self._advised_at = "", -1e9  # what the user was told of that, and when
        self._before: NDArray[np.float32] | None = None
        self._moved = -1e9

    def look(self, now: float, small: Image, shift: float | None) -> None:
        """Takes the next frame, grey: ``shift``, by how much of its longer side the view moved since the last one; None
        where nothing could be followed."""
        scale = _THUMB / max(small.shape)
        thumb = resize(small, (max(round(small.shape[0] * scale), 1), max(round(small.shape[1] * scale), 1)))
        before, self._before = self._before, thumb.astype(np.float32)
        if shift is not None:
            moves = shift > _MOVING
        elif before is None or before.shape != thumb.shape:
            moves = False
        else:
            change = self._before - before
            moves = float(np.abs(change - change.mean()).mean()) > _OTHER * max(float(before.std()), 8.0)
        if moves:
            self._moved = now

    def sift(self, found: Sequence[Hint], now: float) -> tuple[Hint, ...]:
        """The hints that may be told: that of motion only if there was any a moment ago."""
        return tuple(hint for hint in found if hint.kind != "motion" or now - self._moved <= _HOLD)

    def step(self, now: float, found: Sequence[Hint], *, reads: bool) -> str:
        """The sentence to tell now, mostly none; ``found``: the newest frame's hints, ``reads``: whether any text of it
        is read."""
        told = () if reads else self.sift(found, now)
        trouble = told[0].kind if told else ""
        if trouble != self._trouble:
            self._trouble, self._since = trouble, now
        lasted = now - self._since
        if reads or (not trouble and lasted >= _ADVISE):
            self._advised = ""  # it was of use; when the trouble comes again, it is told again
        if not trouble or trouble == self._advised or lasted < _HOLD or now - self._advised_at < _ADVISE:
            return ""
        self._advised, self._advised_at = trouble, now
        return told[0].sentence
