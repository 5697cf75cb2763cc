"""What the detector is punished for: score (dice and balanced cross entropy), boxes (IoU), angle.

After "EAST", Zhou et al., https://arxiv.org/abs/1704.03155; the dice term after V-Net,
https://arxiv.org/abs/1606.04797, hard negatives after https://arxiv.org/abs/1604.03540. Cells of a word share its
weight, so that a title does not outweigh a paragraph. ``distillation`` punishes a small network for what it says
otherwise than a larger one does (Hinton et al., "Distilling the Knowledge in a Neural Network",
https://arxiv.org/abs/1503.02531)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["LossConfig", "Losses", "detector_loss", "distillation"]


@dataclass(frozen=True)
class LossConfig:
    """Weights of the terms; ``hard`` is how many of the hardest negative cells count per positive one, ``floor`` how
    many at least per picture."""

    dice: float = 1.0
    bce: float = 1.0
    box: float = 1.0
    edge: float = 1.0
    angle: float = 4.0
    hard: float = 3.0
    floor: int = 200


@dataclass(frozen=True, eq=False)
class Losses:
    """Scalars: ``total`` and its terms."""

    total: Tensor
    dice: Tensor
    bce: Tensor
    box: Tensor
    edge: Tensor
    angle: Tensor


def detector_loss(
    logits: Tensor, geometry: Tensor, score: Tensor, truth: Tensor, mask: Tensor, config: LossConfig
) -> Losses:
    """``logits`` [N, 1, h, w] and ``geometry`` [N, 5, h, w] of the network against ``score`` [N, h, w] (0 or 1),
    ``truth`` [N, 5, h, w] and ``mask`` [N, h, w] (0 where no loss is taken), all float."""
    logit = logits[:, 0].float()
    geometry = geometry.float()
    positive = score * mask
    negative = (1 - score) * mask
    weight, count = _by_word(positive, truth)
    raw = F.binary_cross_entropy_with_logits(logit, score, reduction="none")
    # Positive cells by their word's weight; of the negative ones only the hardest.
    most = int(min(float(negative.sum()), max(config.hard * float(count), config.floor * len(score))))
    hardest = (raw * negative).flatten().topk(most).values.sum() if most else raw.sum() * 0
    bce = ((raw * weight).sum() + hardest) / (count + most).clamp(min=1.0)
    chance = torch.sigmoid(logit)
    area = weight + negative
    dice = 1 - (2 * (chance * score * area).sum() + 1) / ((chance * area).sum() + (score * area).sum() + 1)
    box, edge, angle = _shape(geometry, truth, weight)
    whole = config.dice * dice + config.bce * bce + config.box * box + config.edge * edge + config.angle * angle
    return Losses(whole, dice.detach(), bce.detach(), box.detach(), edge.detach(), angle.detach())


def distillation(
    logits: Tensor, geometry: Tensor, taught_logits: Tensor, taught: Tensor, config: LossConfig
) -> Losses:
    """``logits`` [N, 1, h, w] and ``geometry`` [N, 5, h, w] of a network against ``taught_logits`` and ``taught`` of
    its teacher, of the same shapes.

    In every cell the divergence from the teacher's probability, also where truth says nothing; in the cells that the
    teacher takes for text its distances and its angle. 0 where both say the same; ``dice`` is always 0.
    """
    logit, wanted = logits[:, 0].float(), taught_logits[:, 0].float()
    geometry, taught = geometry.float(), taught.float()
    chance = torch.sigmoid(wanted)
    # Cross entropy less the teacher's own: 0 at best, so that sure ground, which is most of a picture, costs nothing.
    bits = F.binary_cross_entropy_with_logits(logit, chance, reduction="none")
    bits = bits - F.binary_cross_entropy_with_logits(wanted, chance, reduction="none")
    text = chance * (chance > 0.1)
    weight, count = _by_word(text, taught)
    bce = (bits * (1 - text + weight)).sum() / (count + config.floor * len(logit))
    box, edge, angle = _shape(geometry, taught, weight)
    whole = config.bce * bce + config.box * box + config.edge * edge + config.angle * angle
    return Losses(whole, torch.zeros_like(bce), bce.detach(), box.detach(), edge.detach(), angle.detach())


def _by_word(text: Tensor, geometry: Tensor) -> tuple[Tensor, Tensor]:
    """``text`` [N, h, w] shared out so that the cells of a word of ``geometry`` have one weight together, rather a
    weight by its size, and the sum, which stays."""
    with torch.no_grad():
        size = (geometry[:, 0] + geometry[:, 2]) * (geometry[:, 1] + geometry[:, 3]) / 16
        weight = text * size.clamp(4.0, 2000.0).rsqrt()
        count = text.sum()
        return weight * (count / weight.sum().clamp(min=1e-6)), count


def _shape(geometry: Tensor, truth: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes, their ends and their angle [N, 5, h, w] against ``truth``, in cells of ``weight`` [N, h, w]."""
    # Boxes are compared as if they lay at the same angle, as in the paper.
    top, right, bottom, left = geometry[:, :4].unbind(1)
    t, r, b, el = truth[:, :4].unbind(1)
    inner = (torch.minimum(top, t) + torch.minimum(bottom, b)) * (torch.minimum(right, r) + torch.minimum(left, el))
    outer = (top + bottom) * (right + left) + (t + b) * (r + el) - inner
    total = weight.sum().clamp(min=1.0)
    box = (-torch.log((inner + 1) / (outer + 1)) * weight).sum() / total
    # IoU hardly minds half a letter that is cut off a long word; a reader does. So the cells near an end, which
    # decoding listens to, also pay for their error there in parts of the letter height.
    high = (t + b).clamp(min=4.0)
    error = F.smooth_l1_loss(geometry[:, :4] / high[:, None], truth[:, :4] / high[:, None], reduction="none", beta=0.1)
    near = torch.exp(-truth[:, :4] / high[:, None])
    edge = ((error * near).sum(1) * weight).sum() / total
    # The paper's 1 - cos hardly pulls on angles of a few degrees; a straight line down to about 1° does.
    turn = torch.sin(geometry[:, 4] - truth[:, 4])
    angle = (F.smooth_l1_loss(turn, torch.zeros_like(turn), reduction="none", beta=0.02) * weight).sum() / total
    return box, edge, angle
