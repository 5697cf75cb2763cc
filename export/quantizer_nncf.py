"""NNCF as the quantiser, beside our own: ``--quantizer nncf`` (``pip install nncf==3.4.0``).

NNCF (https://github.com/openvinotoolkit/nncf) inserts QuantizeLinear and DequantizeLinear into the same prepared float
graph from the same calibration samples, finds ranges of its own, and corrects the biases. Asked for are what our own
quantiser does: activations in uint8 with one asymmetric scale a tensor, weights in int8 with a scale a channel, of half
their range ("overflow fix"), since full-range weights are wrong on x86 without VNNI. What NNCF makes of a graph whose
activations have a scale a channel does not load in ONNX Runtime.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray
from onnx import ModelProto

__all__ = ["quantise_nncf"]


def quantise_nncf(
    model: ModelProto, inputs: Sequence[Mapping[str, NDArray[Any]]], *, keep_float: Sequence[str] = ()
) -> ModelProto:
    """The prepared float graph in INT8 by NNCF, calibrated on ``inputs``; ``keep_float`` are names of nodes. Raises
    ImportError, which says what to install, where NNCF is missing."""
    try:
        import nncf
        from nncf.common.quantization.structs import QuantizationScheme
        from nncf.quantization.advanced_parameters import (
            AdvancedQuantizationParameters,
            OverflowFix,
            QuantizationParameters,
        )
    except ImportError as error:
        raise ImportError(f"--quantizer nncf: NNCF cannot be imported ({error}); pip install nncf==3.4.0") from error
    nncf.set_log_level(logging.ERROR)
    advanced = AdvancedQuantizationParameters(
        overflow_fix=OverflowFix.ENABLE,
        activations_quantization_params=QuantizationParameters(per_channel=False, mode=QuantizationScheme.ASYMMETRIC),
        weights_quantization_params=QuantizationParameters(per_channel=True, mode=QuantizationScheme.SYMMETRIC),
    )
    out: ModelProto = nncf.quantize(
        model,
        nncf.Dataset([dict(x) for x in inputs]),
        subset_size=len(inputs),
        target_device=nncf.TargetDevice.CPU,
        ignored_scope=nncf.IgnoredScope(names=list(keep_float)) if keep_float else None,
        advanced_parameters=advanced,
    )
    return out
