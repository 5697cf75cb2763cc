"""What a pruned network lost, won back as far as least squares can: no training, a minute of one core.

Layer after layer, in the order of the computation, a convolution's weights are changed so that from what the pruned
network gives it, it makes what the whole network made there, on the channels that are left (He, Zhang and Sun, "Channel
Pruning for Accelerating Very Deep Neural Networks", ICCV 2017, https://arxiv.org/abs/1707.06168; here sequentially, so
that each layer also corrects what the ones before it still miss). The change is held small by a ridge, which decides
where there are few rows for many weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from export.checkpoint import Trained

__all__ = ["mend"]

RIDGE = 0.01  # of the mean square of the inputs
SEED = 44


class _Stop(Exception):
    pass


def mend(
    pruned: Trained, whole: Trained, inputs: Sequence[NDArray[np.uint8]], *, rows: int = 24000
) -> dict[str, float]:
    """Changes the convolutions and batch norms of ``pruned`` in place; ``whole`` is what it was pruned from, by leaving
    out channels alone. ``inputs``: batches uint8 as the network takes them, ``rows``: places that each layer looks at.

    Returns the share of each layer's target, in squares, that was missed before and is still missed. Raises ValueError
    where the channels that are left are not told by their batch norms.
    """
    order = _order(whole, inputs[0])
    teacher, student = dict(whole.net.named_modules()), dict(pruned.net.named_modules())
    norm_of = dict(order)
    kept = {c: _kept(teacher[n], student[n]) if n else slice(None) for c, n in order}
    found: dict[str, float] = {}
    wanted = {c: [] for c, _ in order}
    where: list[Tensor | None] = []
    for x in inputs:
        outputs = _outputs(whole, [c for c, _ in order], x)
        where.append(_text(whole, x))
        for c, y in outputs.items():
            wanted[c].append(y[:, kept[c]].half())
    for name, _ in order:
        conv = student[name]
        norm = student[norm_of[name]] if norm_of[name] else None
        rng = np.random.default_rng(SEED)
        square: Any = 0.0
        cross: Any = 0.0
        missed = total = 0.0
        for x, target, text in zip(inputs, wanted[name], where, strict=True):
            a, now = _input_and_output(pruned, conv, x)
            goal = target.float()
            at = _places(goal, text, max(1, rows // len(inputs)), rng)
            patches = F.unfold(a, conv.kernel_size, conv.dilation, conv.padding, conv.stride)
            patches = torch.cat([patches, torch.ones_like(patches[:, :1])], 1)
            p = patches.permute(0, 2, 1).flatten(0, 1)[at]
            rest = (goal - now).flatten(2).permute(0, 2, 1).flatten(0, 1)[at]
            goals = goal.flatten(2).permute(0, 2, 1).flatten(0, 1)[at]
            square, cross = square + (p.T @ p).double(), cross + (p.T @ rest).double()
            missed, total = missed + float(rest.square().sum()), total + float((goals - goals.mean(0)).square().sum())
        ridge = RIDGE * square.diagonal()[:-1].mean() + 1e-9
        lift = torch.full((len(square),), float(ridge), dtype=torch.float64)
        lift[-1] = 1e-6
        change = torch.linalg.solve(square + torch.diag(lift), cross)
        # What is missed afterwards, by the normal equations: |r|² - 2 c·d + d·S·d.
        after = missed - 2 * float((change * cross).sum()) + float((change * (square @ change)).sum())
        with torch.no_grad():
            conv.weight += change[:-1].T.reshape(conv.weight.shape).float()
            if conv.bias is not None:
                conv.bias += change[-1].float()
            elif norm is not None:
                norm.running_mean -= change[-1].float()
        found[f"{name} before"] = round(missed / max(total, 1e-12), 5)
        found[f"{name} after"] = round(max(after, 0.0) / max(total, 1e-12), 5)
    return found


def _order(trained: Trained, x: NDArray[np.uint8]) -> list[tuple[str, str]]:
    """The two-dimensional convolutions in the order in which they are run, each with the batch norm that takes its
    output, or ""."""
    made: dict[int, str] = {}
    order: dict[str, str] = {}
    alive = []  # so that no address is used twice
    hooks = []
    for name, module in trained.net.named_modules():
        if isinstance(module, nn.Conv2d):

            def after(_: Any, __: Any, out: Tensor, name: str = name) -> None:
                order[name] = ""
                made[id(out)] = name
                alive.append(out)

            hooks.append(module.register_forward_hook(after))
        elif isinstance(module, nn.BatchNorm2d):

            def before(_: Any, given: tuple[Tensor], name: str = name) -> None:
                if id(given[0]) in made:
                    order[made[id(given[0])]] = name

            hooks.append(module.register_forward_pre_hook(before))
    try:
        _run(trained, x)
    finally:
        for h in hooks:
            h.remove()
    return list(order.items())


def _kept(whole: nn.BatchNorm2d, pruned: nn.BatchNorm2d) -> list[int]:
    """Which channels of ``whole`` are those of ``pruned``."""

    def table(n: nn.BatchNorm2d) -> list[tuple[float, ...]]:
        assert n.running_mean is not None and n.running_var is not None
        return list(
            zip(n.weight.tolist(), n.bias.tolist(), n.running_mean.tolist(), n.running_var.tolist(), strict=True)
        )

    left = table(pruned)
    found = []
    at = 0
    for k, row in enumerate(table(whole)):
        if at < len(left) and row == left[at]:
            found.append(k)
            at += 1
    if at < len(left):
        raise ValueError(
            "the channels that are left are not those of the whole network; was it trained or recalibrated?"
        )
    return found


def _run(trained: Trained, x: NDArray[np.uint8]) -> Any:
    from training.detector.train import normalise

    image = torch.from_numpy(x)
    with torch.no_grad():
        return trained.net(normalise(image) if trained.task == "detect" else image)


def _outputs(trained: Trained, names: Sequence[str], x: NDArray[np.uint8]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    modules = dict(trained.net.named_modules())
    hooks = [
        modules[n].register_forward_hook(lambda _, __, out, n=n: found.__setitem__(n, out.detach())) for n in names
    ]
    try:
        _run(trained, x)
    finally:
        for h in hooks:
            h.remove()
    return found


def _input_and_output(trained: Trained, conv: nn.Module, x: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    held: list[Tensor] = []

    def stop(_: Any, given: tuple[Tensor], out: Tensor) -> None:
        held.extend((given[0].detach().contiguous(), out.detach().contiguous()))
        raise _Stop

    hook = conv.register_forward_hook(stop)
    try:
        _run(trained, x)
    except _Stop:
        pass
    finally:
        hook.remove()
    return held[0], held[1]


def _text(trained: Trained, x: NDArray[np.uint8]) -> Tensor | None:
    """Where a detector sees text, [N, 1, h, w] in 0..1; None for other networks."""
    return torch.sigmoid(_run(trained, x)[0]) if trained.task == "detect" else None


def _places(goal: Tensor, text: Tensor | None, count: int, rng: np.random.Generator) -> Tensor:
    """Rows of [N · h · w]: at random, where text is seen as many as everywhere."""
    n, _, h, w = goal.shape
    size = n * h * w
    odds = np.ones(size)
    if text is not None:
        seen = F.adaptive_max_pool2d(text, (h, w)).flatten().double().numpy()
        if seen.sum() > 0:
            odds += seen * (size / seen.sum())
    return torch.from_numpy(rng.choice(size, min(count, size), replace=False, p=odds / odds.sum()))
