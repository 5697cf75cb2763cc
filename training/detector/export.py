"""Detector checkpoint -> ONNX: BatchNorm folded, uint8 in, sigmoid inside, any batch and any size in multiples of 32.

python -m training.detector.export runs/detector/final.pt detector.onnx
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from training.detector.model import Deployed, Detector
from training.detector.train import load_model

__all__ = ["export_onnx", "fold", "parity", "write_onnx"]


def fold(model: Detector) -> Detector:
    """A copy in which every BatchNorm is part of the convolution before it; the same function of the image."""
    folded = copy.deepcopy(model).eval()
    for module in list(folded.modules()):
        if isinstance(module, nn.Sequential) and len(module) == 2 and isinstance(module[1], nn.BatchNorm2d):
            module[0] = fuse_conv_bn_eval(module[0], module[1])
            module[1] = nn.Identity()
    return folded


def write_onnx(model: Detector, out_path: str | Path) -> None:
    """Write ``model`` as ONNX, opset 18: ``image`` uint8 [N, H, W, 3] -> ``score`` f32 [N, H/4, W/4], ``geometry`` f32
    [N, H/4, W/4, 5]."""
    net = Deployed(fold(model)).eval()
    example = torch.randint(0, 255, (2, 96, 160, 3), dtype=torch.uint8)
    batch, rows, columns = (torch.export.Dim(name, min=1, max=4096) for name in ("batch", "rows", "columns"))
    torch.onnx.export(
        net,
        (example,),
        str(out_path),
        input_names=["image"],
        output_names=["score", "geometry"],
        opset_version=18,
        dynamo=True,
        external_data=False,
        dynamic_shapes=({0: batch, 1: 32 * rows, 2: 32 * columns},),
        verbose=False,
    )


def parity(
    model: Detector,
    path: str | Path,
    *,
    sizes: tuple[tuple[int, int, int], ...] = ((1, 64, 96), (2, 160, 128), (1, 480, 640)),
) -> float:
    """The greatest relative difference between torch (unfolded) and ONNX Runtime over random pictures of several sizes;
    an absolute one for values under one."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    net = Deployed(model).eval()
    rng = np.random.default_rng(0)
    worst = 0.0
    for n, h, w in sizes:
        image = rng.integers(0, 256, (n, h, w, 3), np.uint8)
        with torch.no_grad():
            wanted = [t.numpy() for t in net(torch.from_numpy(image))]
        for a, b in zip(wanted, session.run(["score", "geometry"], {"image": image}), strict=True):
            if a.shape != b.shape:
                raise AssertionError(f"{path}: shape {b.shape} where torch has {a.shape}")
            worst = max(worst, float((np.abs(a - b) / np.maximum(1.0, np.abs(a))).max()))
    return worst


def export_onnx(checkpoint: str | Path, out_path: str | Path, *, tolerance: float = 2e-3) -> float:
    """Export the averaged weights of a checkpoint and compare with torch; returns the difference found.

    Raises AssertionError when ONNX Runtime and torch differ by more than ``tolerance``."""
    model, _ = load_model(checkpoint)
    write_onnx(model, out_path)
    difference = parity(model, out_path)
    if not difference <= tolerance:
        raise AssertionError(
            f"{out_path}: ONNX Runtime and torch differ by {difference:.2g} (allowed {tolerance:.2g}); do not ship it"
        )
    return difference


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    a = parser.parse_args()
    difference = export_onnx(a.checkpoint, a.out)
    print(f"{a.out}: {a.out.stat().st_size:,} bytes, differs from torch by {difference:.2g}")


if __name__ == "__main__":
    main()
