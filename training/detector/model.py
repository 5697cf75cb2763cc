"""The detector's network: an EAST-like fully convolutional network of dense 3×3 convolutions.

"EAST: An Efficient and Accurate Scene Text Detector", Zhou et al., CVPR 2017, https://arxiv.org/abs/1704.03155, on a
small residual trunk (He et al., https://arxiv.org/abs/1512.03385). Only Conv, BatchNorm, ReLU, Add and nearest
upsampling, channel counts in multiples of 16: that is what INT8 engines run fast. The last block at stride 32 is
dilated, so that the ends of a word of several hundred pixels are seen from its middle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Deployed", "Detector", "ModelConfig"]


@dataclass(frozen=True)
class ModelConfig:
    """Channels at strides 2, 4, 8, 16, 32 (``widths``), blocks at strides 8, 16, 32 (``depths``), and channels of the
    way back up at strides 16, 8, 4 (``neck``). ``reach`` is the greatest distance in pixels that the geometry head
    can say. A pruned network is narrower inside: ``inner`` has the channels between the two convolutions of each block
    in turn, ``mixed`` those that leave the neck at strides 16, 8, 4; None for as many as go in."""

    widths: tuple[int, int, int, int, int] = (16, 32, 48, 96, 112)
    depths: tuple[int, int, int] = (1, 1, 2)
    neck: tuple[int, int, int] = (64, 48, 32)
    reach: float = 640.0
    inner: tuple[int, ...] | None = None
    mixed: tuple[int, int, int] | None = None


def _conv(inside: int, outside: int, size: int = 3, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, size, stride, dilation * (size // 2), dilation=dilation, bias=False),
        nn.BatchNorm2d(outside),
    )


class Block(nn.Module):
    """Two 3×3 convolutions, ``inner`` channels between them, and a way around; channels [N, C, h, w] stay."""

    def __init__(self, channels: int, inner: int, dilation: int = 1) -> None:
        super().__init__()
        self.first = _conv(channels, inner)
        self.second = _conv(inner, channels, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(F.relu(self.first(x))))


class Detector(nn.Module):
    """Image float [N, 3, H, W] (normalised; H, W multiples of 32) -> score logits [N, 1, H/4, W/4] and geometry
    [N, 5, H/4, W/4]: distances to top, right, bottom, left in input pixels, and the angle in radians."""

    def __init__(self, config: ModelConfig | None = None) -> None:
        super().__init__()
        c = self.config = config or ModelConfig()
        w, d, n, m = c.widths, c.depths, c.neck, c.mixed or c.neck
        inner = iter(c.inner or [w[2]] * d[0] + [w[3]] * d[1] + [w[4]] * d[2])
        self.stem = _conv(3, w[0], stride=2)
        self.to4 = _conv(w[0], w[1], stride=2)
        self.to8 = _conv(w[1], w[2], stride=2)
        self.at8 = nn.Sequential(*[Block(w[2], next(inner)) for _ in range(d[0])])
        self.to16 = _conv(w[2], w[3], stride=2)
        self.at16 = nn.Sequential(*[Block(w[3], next(inner)) for _ in range(d[1])])
        self.to32 = _conv(w[3], w[4], stride=2)
        last = d[2] - 1
        self.at32 = nn.Sequential(*[Block(w[4], next(inner), 2 if i == last else 1) for i in range(d[2])])
        self.down16, self.skip16, self.mix16 = _conv(w[4], n[0], 1), _conv(w[3], n[0], 1), _conv(n[0], m[0])
        self.down8, self.skip8, self.mix8 = _conv(m[0], n[1], 1), _conv(w[2], n[1], 1), _conv(n[1], m[1])
        self.down4, self.skip4, self.mix4 = _conv(m[1], n[2], 1), _conv(w[1], n[2], 1), _conv(n[2], m[2])
        self.head = nn.Conv2d(m[2], 6, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if isinstance(module, Block):
                nn.init.zeros_(module.second[1].weight)
        nn.init.normal_(self.head.weight, std=0.01)
        with torch.no_grad():
            # Start at "hardly any text" and at boxes of some twenty pixels.
            self.head.bias.copy_(torch.tensor([-2.5, 2.3, 3.0, 2.3, 3.0, 0.0]))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        p4 = F.relu(self.to4(F.relu(self.stem(x))))
        p8 = self.at8(F.relu(self.to8(p4)))
        p16 = self.at16(F.relu(self.to16(p8)))
        p32 = self.at32(F.relu(self.to32(p16)))
        y = F.interpolate(self.down16(p32), scale_factor=2.0, mode="nearest")
        y = F.relu(self.mix16(F.relu(y + self.skip16(p16))))
        y = F.interpolate(self.down8(y), scale_factor=2.0, mode="nearest")
        y = F.relu(self.mix8(F.relu(y + self.skip8(p8))))
        y = F.interpolate(self.down4(y), scale_factor=2.0, mode="nearest")
        y = F.relu(self.mix4(F.relu(y + self.skip4(p4))))
        out = self.head(y)
        # exp: an equal step of the logit is an equal ratio of the distance, for 8 px words and for 400 px words.
        distances = torch.exp(torch.clamp(out[:, 1:5], -4.0, math.log(self.config.reach)))
        angle = (torch.sigmoid(out[:, 5:6]) - 0.5) * (math.pi / 2)
        return out[:, :1], torch.cat([distances, angle], 1)


class Deployed(nn.Module):
    """The network as it is shipped: uint8 [N, H, W, 3] RGB in; score [N, H/4, W/4] in 0..1 and geometry
    [N, H/4, W/4, 5] out. Normalisation and sigmoid are inside, so that no caller has to repeat them."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        x = image.permute(0, 3, 1, 2).to(torch.float32) * (1 / 64) - 2.0
        score, geometry = self.detector(x)
        return torch.sigmoid(score[:, 0]), geometry.permute(0, 2, 3, 1)
