"""What a network costs: multiplications, and CPU time against another one."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edge_ocr.engine import Engine
from export.checkpoint import Trained

__all__ = ["SHAPES", "cpu_ratio", "cpu_times", "inputs", "macs"]

# What CPU time is taken on: a camera's frame; words and a line of the widths that frames give, in batches and alone.
SHAPES: dict[str, tuple[tuple[int, ...], ...]] = {
    "detect": ((1, 480, 640),),
    "recognize": ((8, 96), (8, 160), (4, 256), (1, 160)),
}


def macs(trained: Trained, shape: tuple[int, ...] | None = None) -> int:
    """Multiply-adds of one run on pixels of ``shape``, or the first of SHAPES."""
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        trained.deployed(torch.from_numpy(trained.probe(*(shape or SHAPES[trained.task][0]))))
    return int(counter.get_total_flops() // 2)


def inputs(trained: Trained) -> list[dict[str, NDArray[np.uint8]]]:
    """A batch of each of SHAPES."""
    return [{trained.given: trained.probe(*shape)} for shape in SHAPES[trained.task]]


def cpu_times(engines: Sequence[Engine], given: Mapping[str, NDArray[Any]], *, repeat: int = 15) -> list[float]:
    """CPU seconds of each engine on the same input, in turns; the least of several runs, which other work on the
    machine disturbs least."""
    best = [np.inf] * len(engines)
    for _ in range(repeat):
        for k, engine in enumerate(engines):
            start = time.process_time()
            engine.run(given)
            best[k] = min(best[k], time.process_time() - start)
    return best


def cpu_ratio(before: Engine, after: Engine, given: Sequence[Mapping[str, NDArray[Any]]], *, repeat: int = 15) -> float:
    """CPU time of ``after`` for that of ``before``, over all inputs."""
    pairs = np.array([cpu_times([before, after], x, repeat=repeat) for x in given]).sum(0)
    return float(pairs[1] / pairs[0])
