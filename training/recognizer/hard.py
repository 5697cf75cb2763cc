"""Hard examples: what the network misreads in training is drawn anew until it is read.

A sample is misread when the best path says something else than its text. Its recipe (text and typeface, or text and
kind of plate) goes back to the process that draws, which draws it with other wear, light and crop, at most ``MOST``
times. So time goes where the network is wrong, as in online hard example mining (Shrivastava et al. 2016), but no
picture is seen twice: what nobody can read, a text drowned in noise, is not learned by heart. (To judge by the loss
does not do: whoever keeps the network from certainty raises the loss of what is read well, too.)
"""

from __future__ import annotations

import multiprocessing
import queue
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from training.synth.line import Recipe

__all__ = ["MOST", "Hard", "misread"]

MOST = 4  # times that a recipe is drawn anew
UNREADABLE = 3.0  # nats a character: from there on the picture, not the network, is at fault


class Hard:
    """The way of misread recipes from the trainer to the process that draws. ``share`` (0..1) bounds how many of the
    samples are drawn again; recipes that find no room in ``room`` are forgotten, those of a later error follow soon.
    """

    def __init__(self, share: float, *, room: int = 256) -> None:
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"share: {share} is not in 0..1")
        self.share = share
        self._waiting = multiprocessing.get_context("fork").Queue(room)
        self._waiting.cancel_join_thread()  # what waits at the end is nobody's loss
        self.told = 0

    def tell(
        self, recipes: Sequence[Recipe | None], texts: Sequence[str], readings: Sequence[str], losses: Sequence[float]
    ) -> int:
        """Of a batch: its samples' recipes and texts, what was read, and their CTC losses in nats. Returns how many
        will be drawn again."""
        taken = 0
        for recipe, text, reading, loss in zip(recipes, texts, readings, losses, strict=True):
            if recipe is None or recipe.tries >= MOST or not self.share or not misread(text, reading, loss):
                continue
            try:
                self._waiting.put_nowait(replace(recipe, tries=recipe.tries + 1))
            except queue.Full:
                break
            taken += 1
        self.told += taken
        return taken

    def take(self, rng: np.random.Generator) -> Recipe | None:
        """The next recipe to draw again, or None: something new is to be drawn."""
        if rng.random() >= self.share:
            return None
        try:
            return self._waiting.get_nowait()
        except queue.Empty:
            return None


def misread(text: str, reading: str, loss: float) -> bool:
    """Whether a text was misread, though it may be read. ``loss``: CTC's, in nats."""
    return reading != text and loss < UNREADABLE * max(len(text), 1)
