"""What scenes are of: receipts, shop pages, documents, cards, signs, single words, and things without text.

Every layout takes a seeded generator and a ``Kit`` and returns a ``Sheet``; ``LAYOUTS`` lists them with how often
each is drawn. Pure separators (``-----``, ``=====``, dotted rules, bar codes) are not text: they are drawn without a
box, so that a detector learns to leave them alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.synth.layouts.card import card
from training.synth.layouts.document import document
from training.synth.layouts.ground import ground
from training.synth.layouts.kit import Backgrounds, Kit, Words
from training.synth.layouts.page import page
from training.synth.layouts.receipt import receipt
from training.synth.layouts.street import scattered, sign, single
from training.synth.layouts.things import blank
from training.synth.sheet import Sheet

__all__ = ["LAYOUTS", "Backgrounds", "Kit", "Words", "ground"]

Rng = np.random.Generator

LAYOUTS: dict[str, tuple[Callable[[Rng, Kit], Sheet], float]] = {
    "receipt": (receipt, 0.18),
    "page": (page, 0.23),
    "document": (document, 0.09),
    "card": (card, 0.09),
    "sign": (sign, 0.24),
    "scattered": (scattered, 0.08),
    "single": (single, 0.06),
    "blank": (blank, 0.08),
}
