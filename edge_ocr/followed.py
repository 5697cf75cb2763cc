"""A text that a stream follows: when it is worth a reading, and when what was read is settled."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr import geometry as g
from edge_ocr.events import Best
from edge_ocr.preprocess import resize
from edge_ocr.quality import Quality
from edge_ocr.types import TextWord
from edge_ocr.vote import Consensus, Votes

__all__ = ["SIGHTINGS", "Followed", "shape_of"]

Image = NDArray[np.uint8]

# When to read.
_AGAIN = 0.3  # seconds between readings of one that is settled but unsure, or that cannot be read
_SHARPER = 1.15  # a text is read again when it is better to see by this factor than it ever was
_WORTH = 0.6  # a frame is worth a reading from this share of the best fitness
_PATIENCE = 12  # unsure readings, from then on only every _AGAIN seconds,
_MUCH_SHARPER = 1.5  # until the text is better to see by this factor than it ever was: all before were of no use
_CHANGED = 0.9  # a spot that differs by so many standard deviations from the patch read last may be other text

# When a text is told.
_VOTES = 3  # readings that a stable text needs
SIGHTINGS = 2  # detections that found it alike,
_SPAN = 0.3  # and seconds between the first and the last
_SETTLED = 0.65  # and the share of the votes that its weakest character has,
_MANY, _SETTLED_MANY = 8, 0.5  # or this share of so many readings,
_ALIKE = 0.6  # or just this text this share of them: what no frame shows better will not get surer
_CLEAR = 0.3  # and the fitness of its best frame, unless it was read often: blur gives the same mistakes again
_SURE = 0.85  # a confidence with which it need not be read again


@dataclass(eq=False)
class Followed:
    """A followed text: where it is, how often it was found and missed, what was read, and what was told of it."""

    track: int
    quad: g.Array
    shape: float  # width by height, of what the votes are about
    since: float  # when it was found first
    cut: bool  # it reached the edge when it was found last, or since then
    missed: float = 0.0  # since when, if it is missing
    misses: int = 0
    left: float = np.inf  # since when it is outside the view
    pieces: int = 0
    longer: int = 0  # detections that found more
    shorter: int = 0  # detections in a row that found less
    seen: int = 1  # detections that found it like this
    probes: int = 0  # readings beyond its ends that found nothing
    grown: int = 0  # and that found more letters
    votes: Votes = field(default_factory=Votes)
    told: str = ""
    stable: bool = False
    quality: Quality | None = None
    fittest: float = 0.0  # best fitness of any reading
    looked: float = -1e9
    begun: float = 0.0  # when its first vote was cast
    read: float = -1e9
    reads: int = 0
    tried: int = 0  # of them, since it was much better to see than before
    last: str = ""  # what the last reading was
    look: NDArray[np.float32] | None = None  # the patch that was read last, normalised
    best: Best | None = None

    def wants_reading(self, patch: Image, now: float) -> bool:
        """Whether a text that was looked at is worth a reading at ``now``, seconds, as its ``patch`` shows it."""
        if self.reads == 0:
            return True
        if self.told and self.cut:
            return False  # it is on its way out
        assert self.quality is not None  # it was looked at
        fitness, since = self.quality.fitness, now - self.read
        if fitness >= _SHARPER * self.fittest:
            return True
        if fitness < _WORTH * self.fittest:
            return False
        empty = self.reads >= _VOTES and not self.votes.result.text
        if self.stable or empty or self.tried >= _PATIENCE:
            if since < _AGAIN - 1e-6:
                return False
            unsure = not self.stable or self.votes.result.confidence < _SURE or self.last != self.told
            return (unsure and self.tried < 4 * _PATIENCE) or _difference(self.look, patch) > _CHANGED
        return True

    def add(self, word: TextWord, patch: Image, now: float) -> Consensus:
        """Counts one more reading, of ``patch``; what all of them say."""
        assert self.quality is not None
        fitness = self.quality.fitness
        self.reads += 1
        self.tried = 1 if fitness >= _MUCH_SHARPER * self.fittest else self.tried + 1
        self.read = now
        self.last = word.text
        self.look = _normal(patch)
        self.fittest = max(self.fittest, fitness)
        if not self.votes.result.readings:
            self.begun = now
        # Squared: frames that are hard to read are wrong together, not each in its own way.
        return self.votes.add(word, fitness**2)

    def settled(self, said: Consensus, newest: str, now: float) -> tuple[bool, bool]:
        """Whether what the readings say, of which the ``newest`` is a text, will stay; and whether every character of
        it is firm."""
        clear = self.fittest >= _CLEAR or self.reads >= _PATIENCE
        enough = said.readings >= _VOTES and said.agreeing >= 2 and now - self.begun >= _SPAN - 1e-6
        enough = enough and self.seen >= SIGHTINGS
        firm = said.weakest >= _SETTLED
        many = said.readings >= _MANY
        many = many and (said.weakest >= _SETTLED_MANY or said.agreeing >= _ALIKE * said.readings)
        # A newest reading that disagrees may be the first of many.
        return clear and enough and not self.cut and (firm or many) and newest == said.text, firm


def shape_of(quad: g.Array) -> float:
    """Width by height."""
    return max(float(g.widths(quad[None])[0]), 1.0) / max(float(g.heights(quad[None])[0]), 1.0)


def _normal(patch: Image) -> NDArray[np.float32]:
    """What a patch looks like from afar: f32 ``[8, 32]`` of mean 0 and standard deviation 1."""
    small = resize(patch, (8, 32)).astype(np.float32)
    return np.asarray((small - small.mean()) / max(float(small.std()), 1.0), np.float32)


def _difference(look: NDArray[np.float32] | None, patch: Image) -> float:
    """By how much the most different spot of a patch, half its height wide, differs from an earlier look."""
    if look is None:
        return float("inf")
    return float(np.asarray(cv2.blur(np.abs(look - _normal(patch)), (4, 4))).max())
