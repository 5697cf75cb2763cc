"""CTC over the symbols that a batch needs.

A factorised head stands for thousands of symbols, but CTC's sum only visits those of the targets. So the products
are gathered for the distinct symbols of the batch and ordinary CTC (Graves et al. 2006) runs over them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from edge_ocr.ctc import decompose

__all__ = [
    "batch_log_probs",
    "ctc_loss",
    "ctc_losses",
    "encode_targets",
    "entropy",
    "objective",
    "per_character",
    "steps_needed",
]


class _Ctc(torch.autograd.Function):
    """CTC whose gradient is exact for log-probabilities that do not sum to one.

    PyTorch's gradient has a term exp(log_prob) that only vanishes behind a softmax over all the classes given; over a
    subset of the classes it would push their sum down, so it is taken out again.
    """

    @staticmethod
    def forward(ctx, log_probs, targets, steps, lengths):  # type: ignore[no-untyped-def]
        with torch.enable_grad():
            lp = log_probs.detach().requires_grad_(True)
            losses = F.ctc_loss(lp, targets, steps, lengths, blank=0, reduction="none", zero_infinity=True)
            (grad,) = torch.autograd.grad(losses.sum(), lp)
        t = torch.arange(lp.shape[0], device=lp.device)[:, None]
        alive = ((t < steps.to(lp.device)[None, :]) & (losses.detach() > 0)[None, :]).unsqueeze(-1)
        ctx.save_for_backward((grad - lp.detach().exp()) * alive)
        return losses.detach()

    @staticmethod
    def backward(ctx, upstream):  # type: ignore[no-untyped-def]
        (grad,) = ctx.saved_tensors
        return grad * upstream[None, :, None], None, None, None


def steps_needed(text: str) -> int:
    """The fewest columns in which CTC can write ``text``: one a character and a blank between equal neighbours."""
    return len(text) + sum(a == b for a, b in zip(text, text[1:], strict=False))


def encode_targets(texts: list[str], charset: str) -> tuple[Tensor, Tensor, list[str]]:
    """``texts`` -> (targets int64 ``[sum of lengths]`` over 1.., lengths int64 ``[N]``, the distinct symbols in that
    order)."""
    symbols = sorted({c for t in texts for c in t})
    index = {c: i + 1 for i, c in enumerate(symbols)}
    targets = torch.tensor([index[c] for t in texts for c in t], dtype=torch.long)
    return targets, torch.tensor([len(t) for t in texts], dtype=torch.long), symbols


def batch_log_probs(outputs: dict[str, Tensor], symbols: list[str], charset: str) -> Tensor:
    """Scores of the heads -> log-probabilities f32 ``[T, N, 1 + len(symbols)]`` of blank and ``symbols``."""
    lp = F.log_softmax(outputs["symbols"].float(), -1)
    place = {c: i + 1 for i, c in enumerate(charset)}
    device = lp.device
    plain = [0] + [place.get(c, lp.shape[-1] - 1) for c in symbols]
    out = lp[..., torch.tensor(plain, device=device)]
    hangul = [i for i, c in enumerate(symbols) if c not in place]
    if hangul:
        parts = torch.tensor([decompose(symbols[i]) for i in hangul], device=device)
        product = sum(
            F.log_softmax(outputs[k].float(), -1)[..., parts[:, j]]
            for j, k in enumerate(("initial", "medial", "final"))
        )
        out = out.index_add(-1, torch.tensor(hangul, device=device) + 1, product)
    return out.transpose(0, 1)


def ctc_losses(outputs: dict[str, Tensor], texts: list[str], steps: Tensor, charset: str) -> Tensor:
    """The CTC loss of each sample in nats, f32 ``[N]``: less the logarithm of its text's probability, 0 where the text
    does not fit. ``steps`` int64 ``[N]``: columns that belong to each sample."""
    targets, lengths, symbols = encode_targets(texts, charset)
    lp = batch_log_probs(outputs, symbols, charset)
    losses: Tensor = _Ctc.apply(lp, targets.to(lp.device), steps.to(lp.device), lengths.to(lp.device))
    return losses


def per_character(sums: Tensor, texts: list[str]) -> Tensor:
    """The mean over the batch of sums ``[N]`` over a sample, half-way between per-sample and per-character weighting:
    long texts count more, but not in proportion."""
    lengths = torch.tensor([max(len(t), 1) for t in texts], dtype=torch.float32, device=sums.device)
    return (sums / lengths.sqrt()).mean() / 2


def ctc_loss(outputs: dict[str, Tensor], texts: list[str], steps: Tensor, charset: str) -> Tensor:
    """``per_character`` of ``ctc_losses``."""
    return per_character(ctc_losses(outputs, texts, steps, charset), texts)


def objective(
    outputs: dict[str, Tensor], texts: list[str], steps: Tensor, charset: str, doubt: float = 0.0
) -> tuple[Tensor, Tensor]:
    """What a trainer makes small, and the CTC losses ``[N]`` in it: their mean ``per_character``, less ``doubt`` times
    the entropy of the samples whose text fits."""
    losses = ctc_losses(outputs, texts, steps, charset)
    total = losses - doubt * entropy(outputs, steps) * (losses > 0) if doubt else losses
    return per_character(total, texts), losses.detach()


def entropy(outputs: dict[str, Tensor], steps: Tensor) -> Tensor:
    """How undecided the network is, in nats: the entropy of blank and all symbols, summed over the columns of each
    sample, f32 ``[N]``. A little of it, subtracted from the loss, keeps CTC from certainty that it has not earned
    (confidence penalty, Pereyra et al. 2017; CTC with maximum entropy, Liu et al. 2018), as label smoothing does where
    each column has a label.

    A factorised head's entropy is that of the class, and of the three parts as often as the class is Hangul.
    """
    lp = F.log_softmax(outputs["symbols"].float(), -1)
    total = -(lp.exp() * lp).sum(-1)
    if "initial" in outputs:
        hangul = lp[..., -1].exp()
        for name in ("initial", "medial", "final"):
            part = F.log_softmax(outputs[name].float(), -1)
            total = total - hangul * (part.exp() * part).sum(-1)
    t = torch.arange(lp.shape[1], device=lp.device)[None, :]
    return (total * (t < steps.to(lp.device)[:, None])).sum(1)
