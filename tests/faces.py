"""Fonts made for tests: every character is the same block."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest


def make_face(path: Path, points: Sequence[int], *, empty: int = 0x20) -> None:
    """A font whose ``points`` are drawn as one block, but for the code point ``empty``, which has no outline."""
    builder = pytest.importorskip("fontTools.fontBuilder")
    pen_module = pytest.importorskip("fontTools.pens.ttGlyphPen")
    pen = pen_module.TTGlyphPen(None)
    pen.moveTo((80, 0))
    for corner in ((80, 700), (820, 700), (820, 0)):
        pen.lineTo(corner)
    pen.closePath()
    block = pen.glyph()
    fb = builder.FontBuilder(1000, isTTF=True)
    fb.setupGlyphOrder([".notdef", "empty", "block"])
    fb.setupCharacterMap({**dict.fromkeys(points, "block"), empty: "empty"})
    fb.setupGlyf({".notdef": block, "empty": pen_module.TTGlyphPen(None).glyph(), "block": block})
    fb.setupHorizontalMetrics({".notdef": (900, 80), "empty": (400, 0), "block": (900, 80)})
    fb.setupHorizontalHeader(ascent=800, descent=-200)
    fb.setupNameTable({"familyName": path.stem, "styleName": "Regular"})
    fb.setupOS2()
    fb.setupPost()
    path.parent.mkdir(parents=True, exist_ok=True)
    fb.save(path)
