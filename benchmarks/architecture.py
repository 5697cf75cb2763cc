#!/usr/bin/env python3
"""Why the networks are made of dense 3×3 convolutions with ReLU: what blocks cost before and after quantisation.

    python -m benchmarks.architecture [--markdown] [--repeat N]

Four small trunks of the detector's shape (480×640 pixels in, a stem of stride 2 and four stages that halve the size)
are made with the same number of multiply-adds: blocks of one dense 3×3 convolution, or of a depthwise 3×3 and a
pointwise one, each with ReLU or with HardSwish; the depthwise ones get as much wider as the multiply-adds allow. A
fifth is dense with squeeze-and-excitation. Their weights are random: what is measured is CPU time and how many layers
run in integers, not accuracy. All go through our own quantiser, calibrated on noise of two scales, and run on one
thread in turns; times are medians of CPU milliseconds.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from benchmarks.generations import turns
from calibration.ranges import activations, collect, ranges_of
from edge_ocr.engine import OnnxEngine
from export.quantize import fused, prepare, quantise

__all__ = ["BLOCKS", "Trunk", "main", "measure", "multiply_adds", "table", "widths_for"]

SIZE = (480, 640)
DENSE = (24, 32, 64, 96, 128)  # channels of the stem and the stages of the dense trunks
BLOCKS = ("dense, ReLU", "dense, HardSwish", "dense, ReLU, SE", "depthwise, ReLU", "depthwise, HardSwish")


class _Squeeze(nn.Module):
    """Squeeze-and-excitation (Hu et al., CVPR 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, channels // 4, 1), nn.Conv2d(channels // 4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.up(torch.relu(self.down(x.mean((2, 3), keepdim=True)))))


def _block(kind: str, cin: int, cout: int, stride: int) -> nn.Sequential:
    act = nn.Hardswish if "HardSwish" in kind else nn.ReLU
    if kind.startswith("dense"):
        layers: list[nn.Module] = [nn.Conv2d(cin, cout, 3, stride, 1), act()]
    else:
        layers = [nn.Conv2d(cin, cin, 3, stride, 1, groups=cin), act(), nn.Conv2d(cin, cout, 1), act()]
    return nn.Sequential(*layers, *([_Squeeze(cout)] if "SE" in kind else []))


class Trunk(nn.Module):
    """f32 ``[N, 3, H, W]`` -> ``[N, C, H / 32, W / 32]``; two blocks a stage."""

    def __init__(self, kind: str, widths: Sequence[int]) -> None:
        super().__init__()
        parts: list[nn.Module] = [_block("dense, " + kind.split(", ")[1], 3, widths[0], 2)]
        for cin, cout in zip(widths, widths[1:], strict=False):
            parts += [_block(kind, cin, cout, 2), _block(kind, cout, cout, 1)]
        self.parts = nn.Sequential(*parts)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.parts(x)
        return out


def multiply_adds(net: nn.Module, size: tuple[int, int] = SIZE) -> int:
    """Of the convolutions, for one picture."""
    total = 0

    def count(layer: Any, _given: Any, out: Tensor) -> None:
        nonlocal total
        total += out[0].numel() * layer.weight[0].numel()

    hooks = [x.register_forward_hook(count) for x in net.modules() if isinstance(x, nn.Conv2d)]
    with torch.no_grad():
        net(torch.zeros(1, 3, *size))
    for hook in hooks:
        hook.remove()
    return total


def widths_for(kind: str, target: int) -> tuple[int, ...]:
    """The widths, in the proportions of DENSE and multiples of 16 after the stem, that come nearest to ``target``
    multiply-adds."""
    if kind.startswith("dense"):
        return DENSE
    small = (SIZE[0] // 5, SIZE[1] // 5)  # 96×128: the multiply-adds are in proportion
    choices = {(DENSE[0], *(max(16, round(c * k / 16) * 16) for c in DENSE[1:])) for k in np.linspace(1, 4, 25)}
    return min(choices, key=lambda w: abs(25 * multiply_adds(Trunk(kind, w), small) - target))


def export(net: nn.Module, size: tuple[int, int]) -> bytes:
    with tempfile.TemporaryDirectory() as work, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(work) / "trunk.onnx"
        torch.onnx.export(
            net.eval(), (torch.zeros(1, 3, *size),), str(path), input_names=["image"], output_names=["maps"],
            opset_version=18, dynamo=True, external_data=False, verbose=False,
        )  # fmt: skip
        return path.read_bytes()


def quantised(model: bytes, size: tuple[int, int]) -> bytes:
    rng = np.random.default_rng(1)
    given = [{"image": (s * rng.standard_normal((1, 3, *size))).astype(np.float32)} for s in (0.3, 1.0)]
    graph: onnx.ModelProto = prepare(model)
    ranges = ranges_of(collect(graph, given, activations(graph)), "minmax")
    out: bytes = quantise(graph, ranges, shaped=False).SerializeToString()  # block for block as it was designed
    return out


def measure(*, repeat: int, size: tuple[int, int] = SIZE, blocks: Sequence[str] = BLOCKS) -> dict[str, dict[str, Any]]:
    """By block: widths, parameters, multiply-adds, layers in integers and in float, CPU milliseconds FP32 and INT8."""
    torch.manual_seed(0)
    target = multiply_adds(Trunk(BLOCKS[0], DENSE))
    found: dict[str, dict[str, Any]] = {}
    engines: dict[str, OnnxEngine] = {}
    for kind in blocks:
        net = Trunk(kind, widths := widths_for(kind, target))
        model = export(net, size)
        int8 = quantised(model, size)
        whole, floating = fused(int8)
        found[kind] = {
            "widths": widths,
            "parameters": sum(p.numel() for p in net.parameters()),
            "multiply-adds": multiply_adds(net, size),
            "integer layers": whole,
            "float layers": floating,
        }
        engines |= {f"{kind}/FP32": OnnxEngine(model), f"{kind}/INT8": OnnxEngine(int8)}
    image = {"image": np.random.default_rng(2).standard_normal((1, 3, *size)).astype(np.float32)}
    times = turns({k: (lambda e=e: e.run(image)) for k, e in engines.items()}, repeat)  # type: ignore[misc]
    for key, row in times.items():
        kind, version = key.split("/")
        found[kind][version] = row["cpu"]
    return found


def table(found: Mapping[str, Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    head = [
        "block",
        "channels",
        "parameters",
        "multiply-adds, M",
        "FP32, ms",
        "INT8, ms",
        "INT8 to FP32",
        "layers: INT8, float",
    ]
    body = []
    for kind, row in found.items():
        cells = ["/".join(map(str, row["widths"])), f"{row['parameters']:,}", f"{row['multiply-adds'] / 1e6:.0f}"]
        cells += [f"{row['FP32']:.1f}", f"{row['INT8']:.1f}", f"{row['INT8'] / row['FP32']:.2f}"]
        body.append([kind, *cells, f"{row['integer layers']}, {row['float layers']}"])
    return head, body


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--repeat", type=int, default=15, help="rounds of each time")
    p.add_argument("--markdown", action="store_true", help="print the README's table")
    p.add_argument("--out", type=Path, help="JSON file")
    a = p.parse_args()
    torch.set_num_threads(1)
    report = {
        "made_by": "benchmarks/architecture.py", "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.0f}",
        "blocks": measure(repeat=a.repeat),
    }  # fmt: skip
    head, body = table(report["blocks"])  # type: ignore[arg-type]
    if a.markdown:
        print(f"{report['date']}, {report['machine']}, one thread, in turns; `python -m benchmarks.architecture`.\n")
        print("\n".join("| " + " | ".join(x) + " |" for x in (head, ["---"] * len(head), *body)))
    else:
        wide = [max(len(r[k]) for r in (head, *body)) for k in range(len(head))]
        print("\n".join("  ".join(c.ljust(w) for c, w in zip(r, wide, strict=True)) for r in (head, *body)))
    ratios = {k: v["INT8"] / v["FP32"] for k, v in report["blocks"].items()}  # type: ignore[attr-defined]
    dense, deep = (statistics.mean(r for k, r in ratios.items() if k.startswith(x)) for x in ("dense", "depthwise"))
    print(f"\nINT8 to FP32, mean: dense {dense:.2f}, depthwise {deep:.2f}")
    if a.out:
        a.out.parent.mkdir(parents=True, exist_ok=True)
        a.out.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
