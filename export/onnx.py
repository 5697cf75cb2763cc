"""Networks to ONNX graphs that take uint8 and hold all of their pre- and post-processing that a graph can hold."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from training.recognizer.model import ExportRecognizer, Recognizer

__all__ = ["export_recognizer", "fold_batch_norm"]

OPSET = 18


def fold_batch_norm(net: nn.Module) -> nn.Module:
    """Merge each batch norm into the convolution before it, in place; the network must be in eval mode.

    Found by registration order: a convolution whose next sibling is a batch norm of as many channels.
    """
    for parent in net.modules():
        names = list(parent._modules)
        for a, b in zip(names, names[1:], strict=False):
            conv, norm = parent._modules[a], parent._modules[b]
            if (
                isinstance(conv, nn.Conv2d)
                and isinstance(norm, nn.BatchNorm2d)
                and conv.out_channels == norm.num_features
            ):
                parent._modules[a] = fuse_conv_bn_eval(conv, norm)
                parent._modules[b] = nn.Identity()
    return net


def export_recognizer(net: Recognizer, path: Path) -> tuple[str, ...]:
    """Write ``path``; returns the names of the outputs. Batch and width are dynamic."""
    names = ["symbols"]
    if net.config.head == "hangul-factorised":
        names += ["initial", "medial", "final"]
    wrapped = ExportRecognizer(net).eval()
    example = torch.full((2, net.config.height, 96), 127, dtype=torch.uint8)
    lstm = net.config.sequence == "lstm"  # the newer exporter bakes the width into an LSTM
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if lstm:
            axes = {"crops": {0: "n", 2: "w"}} | {k: {0: "n", 1: "t"} for k in names}
            torch.onnx.export(
                wrapped,
                (example,),
                str(path),
                input_names=["crops"],
                output_names=names,
                opset_version=OPSET,
                dynamo=False,
                dynamic_axes=axes,
            )
        else:
            # The stem and the pooling each halve the width: only multiples of 4 give whole columns.
            width = 4 * torch.export.Dim("columns", min=2, max=4096)
            shapes = {"crops": {0: torch.export.Dim("n", min=1, max=256), 2: width}}
            torch.onnx.export(
                wrapped,
                (example,),
                str(path),
                input_names=["crops"],
                output_names=names,
                opset_version=OPSET,
                dynamo=True,
                dynamic_shapes=shapes,
                external_data=False,
                verbose=False,
            )
    return tuple(names)
