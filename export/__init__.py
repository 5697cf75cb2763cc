"""From a training run to what ships: ONNX, manifest, parity, registry."""
