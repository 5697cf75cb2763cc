"""A trained network as an INT8 TFLite file beside its ONNX twin: ``python -m export.tflite RUN FOLDER``.

RUN is the checkpoint, or the kept weights, that the model in FOLDER was made from; FOLDER holds its model.json and
model.onnx. The file is written as FOLDER/model.tflite and named in model.json, if it reads or finds as the ONNX file
does (``--limit``, ``--same``); otherwise nothing changes and the exit status is 1. Whatever writes model.onnx again
drops the entry, so this comes last.

litert-torch converts the network at two sizes (a detector at three), ai-edge-quantizer quantises them, and
``export.tflite_graph`` makes a signature for each bucket from them: all share their weights. Convolutions, the sums,
paddings and poolings between them, and nearest upsampling are static INT8 (calibrated on what the runtime gives the
ONNX model of drawn pictures); fully connected layers have INT8 weights and quantise their inputs as they come; the rest
is float, the detector's last layer too.

Needs packages that have no place beside the others:

    python -m venv .venv-tflite
    .venv-tflite/bin/pip install torch==2.13.0 torchvision==0.28.0 litert-torch==0.10.0 ai-edge-quantizer==0.10.0 \\
        -e '.[train,export,tflite]'
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import dataclasses
import io
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.measure import find_scenes
from calibration.samples import Mix, calibration_samples, held_out_lines, held_out_scenes
from edge_ocr import manifest as m
from edge_ocr.engine import Engine, OnnxEngine
from edge_ocr.engine_tflite import TfliteEngine
from export.tflite_graph import grow, in_order, read

__all__ = ["convert", "main", "quantise"]

Size = tuple[int, ...]
# Column counts that are prime, 37 and 41, so that no two numbers of the graph are equal by chance.
LINE_SIZES: tuple[Size, ...] = ((148,), (164,))
# At a 32nd 9 × 11, 13 × 11 and 9 × 17.
SCENE_SIZES: tuple[Size, ...] = ((288, 352), (416, 352), (288, 544))
_GIVEN = "args_0"


def convert(run: Path, sizes: Sequence[Size]) -> tuple[bytes, tuple[str, ...]]:
    """The float TFLite model of a run, a subgraph for each of ``sizes``; and the names of its outputs."""
    import litert_torch
    import torch

    from export.checkpoint import load_trained
    from export.onnx import fold_batch_norm

    trained = load_trained(run)
    net = copy.deepcopy(trained.deployed)
    fold_batch_norm(net)
    converter: Any = litert_torch
    for k, size in enumerate(sizes):
        example = torch.from_numpy(trained.probe(1, *size))
        converter = converter.signature(f"s{k}", net, (example,))
    with tempfile.TemporaryDirectory() as work, contextlib.redirect_stdout(io.StringIO()):
        path = Path(work) / "float.tflite"
        converter.convert().export(str(path))
        return path.read_bytes(), trained.outputs


def quantise(model: bytes, samples: Sequence[NDArray[np.uint8]], *, task: str) -> bytes:
    """The float model with INT8 weights. ``samples``: inputs of the size of its second subgraph for a recognizer, of
    its first for a detector; the ranges that they show hold for all sizes."""
    from ai_edge_quantizer import calibrator, qtyping, quantizer, recipe_manager
    from ai_edge_quantizer.algorithm_manager import AlgorithmName
    from ai_edge_quantizer.utils import qsv_utils

    op = qtyping.TFLOperationName
    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "float.tflite"
        path.write_bytes(model)
        q = quantizer.Quantizer(str(path))
        q.add_static_config(".*", op.CONV_2D, 8, 8)
        if task == "detect":
            q.add_static_config(".*", op.ADD, 8, 8)
            q.add_static_config(".*", op.PAD, 8, 8)  # of strides; in float it would part what is around it
            q.add_static_config(".*", op.RESIZE_NEAREST_NEIGHBOR, 8, 8)
            q.update_quantization_recipe(".*_head.*", op.CONV_2D, algorithm_key=AlgorithmName.NO_QUANTIZE)
        else:
            q.add_static_config(".*", op.MAX_POOL_2D, 8, 8)
            q.add_static_config(".*Residual.*", op.ADD, 8, 8)
            q.add_dynamic_config(".*", op.FULLY_CONNECTED, 8)
        graphs = in_order(read(model))
        names = [[t.name.decode() for t in g.tensors] for g in graphs]
        shapes = [tuple(int(v) for v in g.tensors[g.inputs[0]].shape) for g in graphs]
        at = shapes.index(tuple(samples[0][None].shape))
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            data = {f"s{at}": [{_GIVEN: s[None]} for s in samples]}
            ranges: Any
            if task == "detect":
                # Over all samples, where the default follows their mean: on 60 drawn scenes F 0.6715 against 0.6689
                # (ONNX Runtime 0.6756).
                recipe = recipe_manager.RecipeManager()
                recipe.load_quantization_recipe(q.get_quantization_recipe())
                watch = calibrator.Calibrator(model, num_threads=1, qsv_update_func=qsv_utils.min_max_update)
                watch.calibrate(data, recipe)
                ranges = watch.get_model_qsvs()
            else:
                ranges = q.calibrate(data, num_threads=1)
            # The same ranges at every size: the quantised graphs then differ in shapes alone.
            for k, own in enumerate(names):
                if k != at:
                    ranges |= {a: ranges[b] for a, b in zip(own, names[at], strict=True) if b in ranges}
            done = q.quantize(ranges, enable_progress_bar=False, enable_progress_report=False)
    return bytes(done.quantized_model)


def cut(inputs: Sequence[NDArray[np.uint8]], size: Size, padding: int, count: int) -> list[NDArray[np.uint8]]:
    """``count`` inputs of ``size`` (width, or height and width): larger ones cut at random, up to four times each,
    smaller ones padded."""
    rng = np.random.default_rng(0)
    rows = [row for batch in inputs for row in batch]
    found = []
    for i in np.resize(rng.permutation(len(rows)), min(count, 4 * len(rows))):
        row = rows[int(i)]
        for axis, want in zip((1,) if len(size) == 1 else (0, 1), size, strict=True):
            if row.shape[axis] > want:
                start = int(rng.integers(0, row.shape[axis] - want + 1))
                row = np.take(row, range(start, start + want), axis)
            elif row.shape[axis] < want:
                pad = [(0, want - row.shape[axis]) if k == axis else (0, 0) for k in range(row.ndim)]
                row = np.pad(row, pad, constant_values=padding)
        found.append(np.ascontiguousarray(row))
    return found


def compare(manifest: m.Manifest, onnx: Engine, tflite: Engine, ingredients: Path, count: int) -> dict[str, float]:
    """Both engines on drawn samples of faces that training has not seen: a recognizer's character error rates, and the
    share of crops that ONNX reads with a confidence of 0.9 or more and TFLite reads alike; a detector's F."""
    if isinstance(manifest, m.DetectManifest):
        scenes = held_out_scenes(ingredients, count)
        return {f"f {k}": find_scenes(manifest, e, scenes)["f"] for k, e in (("onnx", onnx), ("tflite", tflite))}
    from benchmarks.accuracy import edit_distance
    from edge_ocr.recognize import Recognizer

    assert isinstance(manifest, m.RecognizeManifest)
    lines = held_out_lines(manifest, ingredients, count)
    reads = [Recognizer(manifest, e).recognize([s.image for s in lines]) for e in (onnx, tflite)]
    length = max(sum(len(s.text) for s in lines), 1)
    cer = [sum(edit_distance(s.text, w.text) for s, w in zip(lines, words, strict=True)) / length for words in reads]
    sure = [(a.text, b.text) for a, b in zip(*reads, strict=True) if a.confidence >= 0.9]
    return {
        "cer onnx": cer[0],
        "cer tflite": cer[1],
        "sure": float(len(sure)),
        "same text": sum(a == b for a, b in sure) / max(len(sure), 1),
    }


def missed(found: dict[str, float], limit: float, same: float) -> list[str]:
    """Which figures of ``compare`` are not good enough, a sentence each."""
    bad = []
    if "f onnx" in found and not found["f tflite"] >= found["f onnx"] - limit:
        bad.append(f"F {found['f tflite']:.4f} where ONNX has {found['f onnx']:.4f}; {limit:g} less is allowed")
    if "cer onnx" in found and not found["cer tflite"] <= found["cer onnx"] + limit:
        bad.append(f"CER {found['cer tflite']:.4f} where ONNX has {found['cer onnx']:.4f}; {limit:g} more is allowed")
    if "same text" in found and not found["same text"] >= same:
        bad.append(f"reads {found['same text']:.1%} of {found['sure']:.0f} sure crops alike; {same:.0%} is asked")
    return bad


def buckets(manifest: m.Manifest) -> list[Size]:
    assert isinstance(manifest, (m.DetectManifest, m.RecognizeManifest))
    return [tuple(b) if isinstance(b, tuple) else (b,) for b in manifest.input.buckets]


def output_names(manifest: m.Manifest) -> tuple[str, ...]:
    """What model.json calls the outputs, in the order in which the trained networks give them."""
    if isinstance(manifest, m.DetectManifest):
        return (manifest.output.score, manifest.output.geometry)
    assert isinstance(manifest, m.RecognizeManifest)
    out = manifest.output
    return tuple(x for x in (out.symbols, out.initial, out.medial, out.final) if x)


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("run", type=Path, help="the checkpoint or kept weights that FOLDER was made from")
    p.add_argument("folder", type=Path, help="a model's folder, such as edge_ocr/weights/ko")
    p.add_argument("--ingredients", type=Path, default=Path("ingredients"), help="what samples are drawn from")
    p.add_argument("--samples", type=int, default=96, help="drawn inputs to calibrate on (default: %(default)s)")
    p.add_argument("--compare", type=int, help="drawn samples to compare on (default: 200 lines, 20 scenes; 0: none)")
    p.add_argument("--limit", type=float, default=0.005, help="how much worse CER or F may be (default: %(default)s)")
    p.add_argument("--same", type=float, default=0.99, help="share of sure crops to read alike (default: %(default)s)")
    p.add_argument("--keep-float", type=Path, metavar="FILE", help="keep the converted file; take it if it is there")
    a = p.parse_args()
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - started:5.0f} s] {text}", flush=True)

    manifest = m.load_manifest(a.folder)
    assert isinstance(manifest, (m.DetectManifest, m.RecognizeManifest))
    detects = isinstance(manifest, m.DetectManifest)
    sizes = SCENE_SIZES if detects else LINE_SIZES
    data = m.read_model_file(a.folder, manifest)
    parts = output_names(manifest)
    if a.keep_float and a.keep_float.is_file():
        model = a.keep_float.read_bytes()
    else:
        model, named = convert(a.run, sizes)
        if named != parts:
            print(f"{a.run}: gives {named}, but model.json names {parts}: is it another network?", file=sys.stderr)
            return 1
        if a.keep_float:
            a.keep_float.write_bytes(model)
    say(f"converted: {len(model):,} bytes in float")
    mix = Mix(lines=a.samples, words=0, scenes=max(a.samples // 8, 4))
    inputs = [x[manifest.input.name] for x in calibration_samples(manifest, data, a.ingredients, mix).inputs]
    used = cut(inputs, sizes[0] if detects else sizes[1], manifest.input.padding, a.samples)
    say(f"{len(used)} inputs drawn")
    int8 = quantise(model, used, task=manifest.task)
    shipped = grow(int8, sizes, buckets(manifest), given=manifest.input.name, outputs=parts)
    say(f"quantised: {len(shipped):,} bytes, {len(shipped) / len(data):.2f} of the ONNX file's")
    count = a.compare if a.compare is not None else 20 if detects else 200
    if count:
        found = compare(manifest, OnnxEngine(data), TfliteEngine(shipped), a.ingredients, count)
        say(json.dumps({k: round(v, 4) for k, v in found.items()}))
        if bad := missed(found, a.limit, a.same):
            print(f"{a.folder}: not registered: " + "; ".join(bad), file=sys.stderr)
            return 1
    target = a.folder / "model.tflite"
    temp = a.folder / ".model.tflite"
    temp.write_bytes(shipped)
    temp.replace(target)
    files = {**manifest.files, "tflite": m.describe_file(target)}
    m.write_manifest(a.folder, dataclasses.replace(manifest, files=files))
    m.load_manifest(a.folder)
    say(f"{target}: {len(shipped) / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
