"""Networks to ONNX graphs that take uint8 and hold all of their pre- and post-processing that a graph can hold."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

if TYPE_CHECKING:
    from export.checkpoint import Trained

__all__ = ["export_network", "fold_batch_norm"]

OPSET = 18
_MOST = 4096  # of anything that is dynamic, counted in the steps that it comes in


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


def export_network(trained: Trained, path: Path) -> None:
    """Write ``path`` with batch norms folded. Batch and size are dynamic: a detector's height and width in multiples of
    32, a recognizer's width in multiples of 4."""
    folded = copy.deepcopy(trained.deployed)
    fold_batch_norm(folded)
    batch = torch.export.Dim("batch", min=1, max=_MOST)
    rows, columns = (torch.export.Dim(n, min=2, max=_MOST) for n in ("rows", "columns"))
    how: dict[str, Any]
    if trained.task == "detect":
        example = trained.probe(2, 96, 160)
        how = {"dynamo": True, "dynamic_shapes": ({0: batch, 1: 32 * rows, 2: 32 * columns},)}
    else:
        example = trained.probe(2, 96)
        # The stem and the pooling each halve the width: only multiples of 4 give whole columns.
        how = {"dynamo": True, "dynamic_shapes": ({0: batch, 2: 4 * columns},)}
        if trained.net.config.sequence == "lstm":  # the newer exporter bakes the width into an LSTM
            axes = {trained.given: {0: "n", 2: "w"}} | {k: {0: "n", 1: "t"} for k in trained.outputs}
            how = {"dynamo": False, "dynamic_axes": axes}
    if how["dynamo"]:
        how |= {"external_data": False, "verbose": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            folded,
            (torch.from_numpy(example),),
            str(path),
            input_names=[trained.given],
            output_names=list(trained.outputs),
            opset_version=OPSET,
            **how,
        )
