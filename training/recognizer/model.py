"""The recognizer: dense convolutions, layer norm over height and channel, a sequence layer, CTC heads.

The two generations of the system differ in one switch, ``sequence``: ``lstm`` (bidirectional) or ``attention``
(multi-head self-attention, Vaswani et al. 2017). Pooling is 2×2 once and then only in height, so that a column of
the output stands for four pixels of the input. Convolutions are dense 3×3 with ReLU and batch norm, which folds away
at export, because INT8 pays for dense convolutions and not for depthwise ones.

The output is either one softmax over {blank, charset}, or, for Korean, factorised: one softmax over {blank, plain
characters, HANGUL} and one each over 19 initials, 21 medials and 28 finals, whose product gives each of the 11,172
syllables its probability.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["RecognizerConfig", "Recognizer", "LayerNormHC", "ExportRecognizer"]


@dataclass(frozen=True)
class RecognizerConfig:
    """Everything that shapes the network. ``widths``: channels of the stem and of the stages; ``dim``: of the
    sequence."""

    charset: str
    head: str = "hangul-factorised"
    sequence: str = "attention"
    widths: tuple[int, ...] = (32, 48, 80, 128, 160)
    dim: int = 160
    heads: int = 5
    layers: int = 2
    feed_forward: int = 320
    lstm_hidden: int = 128
    dropout: float = 0.0
    height: int = 32

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> RecognizerConfig:
        return cls(**{**data, "widths": tuple(data["widths"])})


class LayerNormHC(nn.Module):
    """Layer norm over height and channel, column by column: ``[N, C, H, W]`` with gain and bias ``[C, H]``."""

    def __init__(self, channels: int, height: int, eps: float = 1e-4) -> None:
        super().__init__()
        self.eps = eps
        self.gain = nn.Parameter(torch.ones(1, channels, height, 1))
        self.bias = nn.Parameter(torch.zeros(1, channels, height, 1))

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean((1, 2), keepdim=True)
        variance = (centred * centred).mean((1, 2), keepdim=True)
        return centred * torch.rsqrt(variance + self.eps) * self.gain + self.bias


class ConvBlock(nn.Sequential):
    def __init__(
        self, cin: int, cout: int, kernel: tuple[int, int] = (3, 3), stride: int = 1, pad: tuple[int, int] = (1, 1)
    ) -> None:
        super().__init__(
            nn.Conv2d(cin, cout, kernel, stride, pad, bias=False), nn.BatchNorm2d(cout), nn.ReLU(inplace=True)
        )


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.norm(self.conv(x)))


class SelfAttention(nn.Module):
    """Pre-norm transformer layer over ``[N, T, D]``."""

    def __init__(self, dim: int, heads: int, feed_forward: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.up, self.down = nn.Linear(dim, feed_forward), nn.Linear(feed_forward, dim)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        n, t, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(n, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        weights = torch.softmax(q @ k.transpose(-1, -2) * (d // self.heads) ** -0.5, -1)
        mixed = (weights @ v).transpose(1, 2).reshape(n, t, d)
        x = x + self.drop(self.out(mixed))
        return x + self.drop(self.down(F.relu(self.up(self.norm2(x)))))


class AttentionSequence(nn.Module):
    """Self-attention layers; where a column stands is told by a depthwise convolution over its neighbours, which,
    unlike a table of positions, holds for lines longer than those of training."""

    def __init__(self, config: RecognizerConfig) -> None:
        super().__init__()
        self.place = nn.Conv1d(config.dim, config.dim, 7, padding=3, groups=config.dim)
        self.layers = nn.ModuleList(
            SelfAttention(config.dim, config.heads, config.feed_forward, config.dropout) for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(config.dim)
        self.width = config.dim

    def forward(self, x: Tensor) -> Tensor:
        x = (x + F.relu(self.place(x))).transpose(1, 2)
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)


class LstmSequence(nn.Module):
    """Two bidirectional LSTM layers."""

    def __init__(self, config: RecognizerConfig) -> None:
        super().__init__()
        self.lstm = nn.LSTM(config.dim, config.lstm_hidden, config.layers, batch_first=True, bidirectional=True)
        self.width = 2 * config.lstm_hidden

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.lstm(x.transpose(1, 2))[0]
        return out


class Recognizer(nn.Module):
    """uint8 ``[N, 32, W]`` -> unnormalised scores: ``symbols`` f32 ``[N, T, K]`` with T = W / 4, and for the
    factorised head ``initial`` ``[N, T, 19]``, ``medial`` ``[N, T, 21]``, ``final`` ``[N, T, 28]``."""

    def __init__(self, config: RecognizerConfig) -> None:
        super().__init__()
        self.config = config
        a, b, c, d, e = config.widths
        h = config.height
        self.stem = ConvBlock(1, a, stride=2)
        self.norm1 = LayerNormHC(a, h // 2)
        self.stage1 = ConvBlock(a, b)
        self.stage2 = nn.Sequential(ConvBlock(b, c), Residual(c))
        self.stage3 = nn.Sequential(ConvBlock(c, d), Residual(d))
        self.norm2 = LayerNormHC(d, h // 8)
        self.stage4 = ConvBlock(d, e)
        self.norm3 = LayerNormHC(e, h // 16)
        self.collapse = nn.Conv2d(e, config.dim, (h // 16, 1))
        self.sequence = AttentionSequence(config) if config.sequence == "attention" else LstmSequence(config)
        width = self.sequence.width
        factorised = config.head == "hangul-factorised"
        self.symbols = nn.Linear(width, 1 + len(config.charset) + int(factorised))
        if factorised:
            self.initial, self.medial, self.final = nn.Linear(width, 19), nn.Linear(width, 21), nn.Linear(width, 28)

    def features(self, image: Tensor) -> Tensor:
        x = (image.unsqueeze(1).float() - 127.5) * (1 / 64.0)
        x = self.norm1(self.stem(x))
        x = F.max_pool2d(self.stage1(x), 2)
        x = F.max_pool2d(self.stage2(x), (2, 1))
        x = F.max_pool2d(self.norm2(self.stage3(x)), (2, 1))
        x = self.collapse(self.norm3(self.stage4(x)))
        out: Tensor = self.sequence(x.squeeze(2))
        return out

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        x = self.features(image)
        out = {"symbols": self.symbols(x)}
        if self.config.head == "hangul-factorised":
            out |= {"initial": self.initial(x), "medial": self.medial(x), "final": self.final(x)}
        return out


class ExportRecognizer(nn.Module):
    """The shipped graph: uint8 in, log-probabilities out, in a fixed order."""

    def __init__(self, net: Recognizer) -> None:
        super().__init__()
        self.net = net

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.log_softmax(v, -1) for v in self.net(crops).values())
