"""Which way round a page stands: quarter turns of pictures and quads, and the choice between readings.

A page that is read the right way round is read surely, the wrong way round it is not; so a few of its largest words are
read in other directions, and only where the first reading leaves room for doubt. Upside down, Hangul mostly reads as
doubtful Hangul, or, to a reader of Latin letters, as surely wrong ones and digits ("나" as "t"): a turned reading
without Hangul therefore has to be much surer than the upright one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_ocr import geometry as g
from edge_ocr.types import Quad, TextWord

__all__ = ["DOUBT", "SURE", "Pose", "largest", "mirrors", "overturns", "sureness", "turn_picture"]

DOUBT = 0.75  # words read less surely, in every direction, may be mirrored
SURE = 0.85  # words read this surely, on average, stand upright
# Set on drawn lines and pages in reserved typefaces, see benchmarks/orientation.py.
_LEAD = 0.1  # what a turned reading must be surer by
_LEAST = 0.5  # and at least
_FOREIGN_LEAD, _FOREIGN_LEAST, _FOREIGN_LENGTH = 0.2, 0.7, 4  # the same where it holds no Hangul,
_MANY, _MANY_LEAST = 20, 0.35  # and of so many characters, which do not deceive by chance, less is asked


def turn_picture(picture: NDArray[np.uint8], degrees: int) -> NDArray[np.uint8]:
    """The picture ``[H, W, 3]`` turned clockwise by 0, 90, 180 or 270 degrees."""
    return np.ascontiguousarray(np.rot90(picture, -(degrees // 90) % 4)) if degrees % 360 else picture


@dataclass(frozen=True)
class Pose:
    """How a picture is set upright: ``mirrored``, left and right are swapped first; then it is turned clockwise by
    ``rotation``, 0, 90, 180 or 270 degrees."""

    rotation: int = 0
    mirrored: bool = False

    def __bool__(self) -> bool:
        return self != Pose()

    def set_upright(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture ``[H, W, 3]`` as it should stand."""
        return turn_picture(np.ascontiguousarray(picture[:, ::-1]) if self.mirrored else picture, self.rotation)

    def back(self, quad: Quad, size: tuple[int, int]) -> Quad:
        """A quad of the upright picture in the pixels of the picture of ``size`` (height, width) as it was; its points
        keep their order, and so tell the reading direction (mirrored ones run anticlockwise)."""
        height, width = size
        k = self.rotation // 90 % 4

        def point(x: float, y: float) -> tuple[float, float]:
            x, y = ((x, y), (y, height - x), (width - x, height - y), (width - y, x))[k]
            return (width - x, y) if self.mirrored else (x, y)

        a, b, c, d = (point(*p) for p in quad)
        return (a, b, c, d)


def largest(quads: ArrayLike, count: int) -> list[int]:
    """The places of the ``count`` quads ``[N, 4, 2]`` that tell most about the direction of reading: those that are
    wider than high, largest first, counting no more of their width than six times their height."""
    q = np.asarray(quads, np.float64).reshape(-1, 4, 2)
    wide, high = g.widths(q), g.heights(q)
    worth = high * np.minimum(wide, 6 * high) * (wide > 1.2 * high)
    return [int(k) for k in np.argsort(-worth, kind="stable")[:count] if worth[k] > 0]


def sureness(words: Sequence[TextWord]) -> float:
    """The mean confidence of words, weighted by their lengths; 0 without any text."""
    weight = [len(w.text) for w in words]
    return float(np.average([w.confidence for w in words], weights=weight)) if sum(weight) else 0.0


def overturns(turned: Sequence[TextWord], upright: Sequence[TextWord]) -> bool:
    """Whether what some words read turned shows that they stand that way, against what they read upright."""
    text = "".join(w.text for w in turned)
    hangul = sum("가" <= c <= "힣" for c in text)
    now, then = sureness(upright), sureness(turned)
    if len(text) >= _MANY:
        return then >= max(_MANY_LEAST, now + _LEAD)
    if hangul >= 2 and hangul >= 0.3 * len(text):
        return then >= max(_LEAST, now + _LEAD)
    return len(text) >= _FOREIGN_LENGTH and then >= max(_FOREIGN_LEAST, now + _FOREIGN_LEAD)


def mirrors(mirrored: Sequence[TextWord], best: Sequence[TextWord]) -> bool:
    """Whether what some words read mirrored shows that the picture is, against the best that they read otherwise. That
    is rare: a little more is asked than of a turn."""
    return overturns(mirrored, best) and sureness(mirrored) >= _FOREIGN_LEAST
