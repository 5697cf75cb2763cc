"""What ships must say what the trained network says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from edge_ocr.engine import OnnxEngine

__all__ = ["ParityError", "check_parity"]


class ParityError(RuntimeError):
    """The exported graph differs from the network by more than is allowed."""


def check_parity(net: nn.Module, path: Path, inputs: list[tuple[str, np.ndarray]], *, tolerance: float) -> float:
    """Run network and file on every input; the largest absolute difference of any output. ParityError above
    ``tolerance``."""
    engine = OnnxEngine(path)
    worst = 0.0
    for name, array in inputs:
        with torch.no_grad():
            want = net(torch.from_numpy(array))
        want = want if isinstance(want, tuple) else (want,)
        got = engine.run({name: array})
        for reference, value in zip(want, got.values(), strict=True):
            worst = max(worst, float(np.abs(reference.numpy() - value).max()))
    if not worst <= tolerance:
        raise ParityError(f"{path}: differs from the network by {worst:.2e}, allowed are {tolerance:.0e}")
    return worst
