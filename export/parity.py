"""What ships must say what the trained network says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edge_ocr.engine import OnnxEngine

__all__ = ["ParityError", "check_parity", "difference"]


class ParityError(RuntimeError):
    """The exported graph differs from the network by more than is allowed."""


def difference(wanted: Sequence[NDArray[Any]], found: Mapping[str, NDArray[Any]]) -> float:
    """The largest difference of any output: relative for values over one, absolute below. NaN counts as infinite."""
    worst = 0.0
    for a, b in zip(wanted, found.values(), strict=True):
        if a.shape != b.shape:
            raise ParityError(f"an output of shape {b.shape} where the network gives {a.shape}")
        worst = max(worst, float(np.nan_to_num(np.abs(a - b) / np.maximum(1.0, np.abs(a)), nan=np.inf).max()))
    return worst


def check_parity(net: nn.Module, path: Path, inputs: list[tuple[str, np.ndarray]], *, tolerance: float) -> float:
    """Run network and file on every input; the largest ``difference``. ParityError above ``tolerance``."""
    engine = OnnxEngine(path)
    worst = 0.0
    for name, array in inputs:
        with torch.no_grad():
            want = net(torch.from_numpy(array))
        wanted = [t.numpy() for t in (want if isinstance(want, tuple) else (want,))]
        worst = max(worst, difference(wanted, engine.run({name: array})))
    if not worst <= tolerance:
        raise ParityError(f"{path}: differs from the network by {worst:.2e}, allowed are {tolerance:.0e}")
    return worst
