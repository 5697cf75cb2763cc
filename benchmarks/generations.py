#!/usr/bin/env python3
"""The two generations of the recognizer, self-attention against LSTM, side by side.

    python -m training.recognizer.train gen-attention --out runs/gen-attention --minutes 15
    python -m training.recognizer.train gen-lstm --out runs/gen-lstm --minutes 15
    python -m benchmarks.generations runs/gen-attention runs/gen-lstm --ingredients DIR [--labelled DIR …] [--markdown]

Declared before either was trained: convolution trunk, data, budget, charset, schedule and seed are the same; the
sequence layers have equal parameters, 414,720 (two attention layers of width 160 with 320 inside) and 420,864 (two
bidirectional LSTM layers of 96 each way). The LSTM's output is 192 wide, so its heads have a fifth more.

Both are exported, and quantised by our own quantiser with the same calibration samples. Measured in FP32 and INT8: the
character error rate on drawn lines in faces that training never saw, and on labelled folders; CPU time of the whole
recognizer and of its sequence layers alone for one crop of 8, 32 and 128 columns; crops a second with 1, 2 and 4
callers; CPU time of a training step; bytes. Engines have one thread and take turns, order changed every round; a time
is the median of CPU times, which other programs disturb less than the clock. The claims that the system
was described with stand beside.

ONNX Runtime's static quantisation leaves an LSTM in float: "INT8" of the LSTM generation has integer convolutions and
heads. Its dynamic quantisation of LSTMs is measured as a third version, "INT8, dynamic LSTM".
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
import threading
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.accuracy import command
from calibration.measure import read_lines, read_texts
from calibration.ranges import activations, collect, ranges_of
from calibration.samples import Mix, Samples, held_out_lines, line_samples
from edge_ocr import manifest as m
from edge_ocr.engine import OnnxEngine
from export.checkpoint import Trained, load_trained
from export.half import halve
from export.manifests import describe
from export.onnx import export_network
from export.quantize import Plan, layers_of, prepare, quantise

__all__ = ["CLAIMS", "STEPS", "learning", "main", "markdown", "sequence_model", "sooner", "turns"]

STEPS = (8, 32, 128)  # columns: a short word, a long word, the widest crop
CALLERS = (1, 2, 4)
GENERATIONS = ("attention", "lstm")
# What attention gained over the LSTM, as the system was described: share by which the figure changes.
CLAIMS = {
    "character error rate": "−25 %", "throughput": "+27 %", "latency": "−21 %", "CPU": "−50 %", "training": "×4",
}  # fmt: skip
Run = Callable[[], Any]


def turns(calls: Mapping[str, Run], repeat: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each call, made in turns: the median of ``cpu``, and the least by the ``clock``, which other work
    on the machine only ever lengthens."""
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    names = list(calls)
    for call in calls.values():
        call()
    for k in range(repeat):
        for name in names[k % len(names) :] + names[: k % len(names)]:
            clock, cpu = time.perf_counter(), time.process_time()
            calls[name]()
            spent[name].append((1000 * (time.process_time() - cpu), 1000 * (time.perf_counter() - clock)))
    return {
        name: {
            "cpu": round(statistics.median(c for c, _ in pairs), 3),
            "clock": round(min(w for _, w in pairs), 3),
        }
        for name, pairs in spent.items()
    }


def throughput(engine: OnnxEngine, given: Mapping[str, NDArray[Any]], callers: int, seconds: float) -> dict[str, float]:
    """Crops a second by the clock and by CPU time, of so many threads that share one engine."""
    stop, done = time.perf_counter() + seconds, [0] * callers

    def work(k: int) -> None:
        while time.perf_counter() < stop:
            engine.run(given)
            done[k] += 1

    threads = [threading.Thread(target=work, args=(k,)) for k in range(callers)]
    clock, cpu = time.perf_counter(), time.process_time()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    return {"per second": round(sum(done) / clock, 1), "per CPU second": round(sum(done) / max(cpu, 1e-9), 1)}


# -- the models ----------------------------------------------------------------------------------------------------


def sequence_model(trained: Trained, path: Path) -> None:
    """The sequence layers alone as ONNX: f32 ``columns`` ``[N, dim, T]`` -> ``[N, T, width]``, batch and T dynamic."""
    layer = trained.net.sequence.eval()
    example = (torch.zeros(2, trained.net.config.dim, 24),)
    how: dict[str, Any] = {"dynamo": True, "external_data": False, "verbose": False}
    how["dynamic_shapes"] = ({0: torch.export.Dim("n", min=1, max=256), 2: torch.export.Dim("t", min=2, max=1024)},)
    if trained.net.config.sequence == "lstm":  # the newer exporter bakes the length into an LSTM
        how = {"dynamo": False, "dynamic_axes": {"columns": {0: "n", 2: "t"}, "out": {0: "n", 1: "t"}}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            layer, example, str(path), input_names=["columns"], output_names=["out"], opset_version=18, **how
        )


def columns_of(trained: Trained, inputs: Sequence[Mapping[str, NDArray[Any]]]) -> list[dict[str, NDArray[Any]]]:
    """What the trunk hands to the sequence layers for each batch of crops."""
    seen: list[dict[str, NDArray[Any]]] = []
    hook = trained.net.sequence.register_forward_pre_hook(
        lambda _module, given: seen.append({"columns": given[0].numpy().copy()})
    )
    with torch.no_grad():
        for x in inputs:
            trained.net(torch.from_numpy(x["crops"]))
    hook.remove()
    return seen


def dynamic_lstm(model: bytes) -> bytes:
    """The same graph with ONNX Runtime's dynamically quantised LSTM."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as work:
        a, b = Path(work) / "a.onnx", Path(work) / "b.onnx"
        a.write_bytes(model)
        quantize_dynamic(a, b, op_types_to_quantize=["LSTM"], weight_type=QuantType.QInt8, per_channel=False)
        return b.read_bytes()


def versions(data: bytes, samples: Samples) -> dict[str, bytes]:
    """The graph in FP32 and INT8, and, where it has an LSTM, with a dynamic one. What has nothing to quantise is the
    same in both."""

    model = prepare(data)
    int8 = data
    if layers_of(model):
        ranges = ranges_of(collect(model, samples.inputs, activations(model)), Plan().estimator)
        int8 = quantise(model, ranges).SerializeToString()
    out = {"FP32": data, "INT8": halve(int8)}
    if any(n.op_type == "LSTM" for n in model.graph.node):
        out["INT8, dynamic LSTM"] = halve(dynamic_lstm(int8))
    return out


# -- training ------------------------------------------------------------------------------------------------------


def training_steps(runs: Mapping[str, Trained], lines: Sequence[Any], repeat: int) -> dict[str, dict[str, float]]:
    """CPU milliseconds of a step (forward, loss, backward, no drawing) on the same batch of drawn lines, and crops a
    CPU second; of the sequence layers alone, forward and backward on as many columns."""
    from training.recognizer.data import bucket_of, collate
    from training.recognizer.loss import ctc_loss

    chosen = sorted(lines, key=lambda s: s.image.shape[1])[len(lines) // 2 :][:24]
    batch = collate(list(chosen), bucket_of(max(s.image.shape[1] for s in chosen)))
    calls: dict[str, Run] = {}
    for name, trained in runs.items():
        net = trained.net
        columns = torch.randn(len(chosen), net.config.dim, batch.images.shape[2] // 4)

        def whole(net: Any = net) -> None:
            net.zero_grad(set_to_none=True)
            ctc_loss(net(batch.images), batch.texts, batch.steps, net.config.charset).backward()  # type: ignore[no-untyped-call]

        def alone(net: Any = net, columns: torch.Tensor = columns) -> None:
            net.zero_grad(set_to_none=True)
            net.sequence(columns).sum().backward()

        calls[f"{name} whole"], calls[f"{name} sequence"] = whole, alone
    for trained in runs.values():
        trained.net.train()
    found = turns(calls, repeat)
    for trained in runs.values():
        trained.net.eval()
    return {
        name: {
            "step, CPU ms": found[f"{name} whole"]["cpu"],
            "samples per CPU second": round(1000 * len(chosen) / found[f"{name} whole"]["cpu"], 1),
            "sequence layers, CPU ms": found[f"{name} sequence"]["cpu"],
        }
        for name in runs
    }


def logged(run: Path) -> dict[str, float]:
    """Minutes, samples and samples a second of the run itself, by the clock, drawing and validation included."""
    log = run / "log.jsonl"
    if not log.is_file():
        return {}
    last = json.loads(log.read_text(encoding="utf-8").splitlines()[-1])
    seconds = max(60 * float(last["minutes"]), 1e-9)
    return {k: last[k] for k in ("minutes", "samples")} | {"samples per second": round(last["samples"] / seconds, 1)}


def learning(run: Path) -> list[dict[str, float]]:
    """The run's own checks on drawn lines on its way: ``minutes``, ``samples`` seen, character error rate ``cer``."""
    log = run / "log.jsonl"
    if not log.is_file():
        return []
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return [
        {"minutes": r["minutes"], "samples": r["samples"], "cer": r["synthetic_cer"]}
        for r in rows
        if "synthetic_cer" in r
    ]


def sooner(fast: Sequence[Mapping[str, float]], slow: Sequence[Mapping[str, float]]) -> float | None:
    """How many times fewer lines ``fast`` had seen when it was first found to be no worse than ``slow`` at its end: at
    least that, as it may have been so before the check. None where it never was."""
    reached = [r["samples"] for r in fast if slow and r["cer"] <= slow[-1]["cer"]]
    return slow[-1]["samples"] / reached[0] if reached else None


# -- all of it -----------------------------------------------------------------------------------------------------


def compare(
    runs: Mapping[str, Path],
    ingredients: str,
    *,
    labelled: Sequence[Path],
    lines: int,
    repeat: int,
    seconds: float,
    mix: Mix,
) -> dict[str, Any]:
    """Every figure, by generation and version."""
    from training.recognizer.data import labelled_crops

    trained = {name: load_trained(path) for name, path in runs.items()}
    configs = {name: t.net.config.to_dict() for name, t in trained.items()}
    shape = ("charset", "head", "widths", "dim", "layers", "height")
    if differing := [k for k in shape if configs["attention"][k] != configs["lstm"][k]]:
        raise SystemExit(f"the runs differ in {', '.join(differing)}: only the sequence layers may")
    crops = {x.name: labelled_crops(x) for x in labelled}
    if bare := [name for name, pairs in crops.items() if not pairs]:
        raise SystemExit(f"{', '.join(bare)}: no word has both a quad and a text there; nothing can be read")
    report: dict[str, Any] = {"generations": {}}
    graphs: dict[str, bytes] = {}
    parts: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as work:
        for name, t in trained.items():
            folder = Path(work) / name
            folder.mkdir()
            export_network(t, folder / "model.onnx")
            described = describe(t, folder, name="ko", like=None, decode={})
            assert isinstance(described, m.RecognizeManifest)
            manifest, data = described, (folder / "model.onnx").read_bytes()
            samples = line_samples(manifest, OnnxEngine(data), ingredients, mix)
            held_out = held_out_lines(manifest, ingredients, lines)
            entry: dict[str, Any] = {
                "parameters": sum(p.numel() for p in t.net.parameters()),
                "sequence parameters": sum(p.numel() for p in t.net.sequence.parameters()),
                "run": logged(runs[name]),
                "learning": learning(runs[name]),
                "versions": {},
            }
            for version, graph in versions(data, samples).items():
                engine = OnnxEngine(graph)
                row: dict[str, Any] = {"bytes": len(graph), "cer": {}}
                row["cer"]["drawn"] = round(read_lines(manifest, engine, held_out)["cer"], 4)
                for where, pairs in crops.items():
                    images, texts = [c for c, _ in pairs], [x for _, x in pairs]
                    row["cer"][where] = round(read_texts(manifest, engine, images, texts, fold=True)["cer"], 4)
                entry["versions"][version] = row
                graphs[f"{name}/{version}"] = graph
                tqdm.write(f"{name}, {version}: {row}")
            sequence_model(t, folder / "sequence.onnx")
            part = (folder / "sequence.onnx").read_bytes()
            seen = Samples(columns_of(t, samples.inputs[:6]), [])
            parts |= {f"{name}/{k}": v for k, v in versions(part, seen).items()}
            report["generations"][name] = entry
        steps = training_steps(trained, held_out, max(3, repeat // 8))
    for name, row in steps.items():
        report["generations"][name]["training"] = row
    time_all(report, graphs, parts, trained["attention"].net.config.dim, repeat=repeat, seconds=seconds)
    return report


def time_all(
    report: dict[str, Any],
    graphs: Mapping[str, bytes],
    parts: Mapping[str, bytes],
    dim: int,
    *,
    repeat: int,
    seconds: float,
) -> None:
    rng = np.random.default_rng(0)
    engines = {k: OnnxEngine(v) for k, v in graphs.items()}
    sequences = {k: OnnxEngine(v) for k, v in parts.items()}

    def put(key: str, kind: str, value: Any) -> None:
        name, version = key.split("/")
        report["generations"][name]["versions"][version].setdefault(kind, []).append(value)

    for columns in tqdm(STEPS, desc="columns", disable=None):
        crop = {"crops": rng.integers(0, 256, (1, 32, 4 * columns), np.uint8)}
        given = {"columns": rng.standard_normal((1, dim, columns), np.float32)}
        found = turns({k: _call(e, crop) for k, e in engines.items()}, repeat)
        alone = turns({k: _call(e, given) for k, e in sequences.items()}, 2 * repeat)
        for k in graphs:
            put(k, "whole", found[k])
            put(k, "sequence", alone[k])
    crop = {"crops": rng.integers(0, 256, (1, 32, 128), np.uint8)}
    for callers in tqdm(CALLERS, desc="callers", disable=None):
        rounds: dict[str, list[dict[str, float]]] = {k: [] for k in engines}
        for _ in range(3):
            for k, engine in engines.items():
                rounds[k].append(throughput(engine, crop, callers, seconds))
        for k, rows in rounds.items():
            put(k, "throughput", {x: round(statistics.median(r[x] for r in rows), 1) for x in rows[0]})


def _call(engine: OnnxEngine, given: Mapping[str, NDArray[Any]]) -> Run:
    return lambda: engine.run(given)


# -- output --------------------------------------------------------------------------------------------------------


def change(ours: float, than: float) -> str:
    return f"{100 * (ours / than - 1):+.0f} %".replace("-", "−") if than else "–"


def claims(report: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """(figure, claimed, FP32, INT8) of attention against the LSTM; CPU and latency at 32 columns."""
    a, b = (report["generations"][x] for x in GENERATIONS)

    def both(pick: Callable[[dict[str, Any]], float]) -> tuple[str, str]:
        x, y = (change(pick(a["versions"][v]), pick(b["versions"][v])) for v in ("FP32", "INT8"))
        return x, y

    middle = STEPS.index(32)
    rows = [
        ("character error rate", f"character error rate, {where}", _cer(where))
        for where in a["versions"]["FP32"]["cer"]
    ]
    rows += [
        ("throughput", "crops a second, one caller", lambda v: v["throughput"][0]["per second"]),
        ("throughput", "crops a CPU second, one caller", lambda v: v["throughput"][0]["per CPU second"]),
        ("latency", "latency, 32 columns, least by the clock", lambda v: v["whole"][middle]["clock"]),
        ("CPU", "CPU, whole recognizer, 32 columns", lambda v: v["whole"][middle]["cpu"]),
        ("CPU", "CPU, sequence layers alone, 32 columns", lambda v: v["sequence"][middle]["cpu"]),
    ]
    out = [(what, CLAIMS[claim], *both(pick)) for claim, what, pick in rows]
    x, y = (g["training"]["samples per CPU second"] for g in (a, b))
    out.append(("training samples a CPU second", CLAIMS["training"], f"×{x / y:.2f}", "–"))
    if a["run"] and b["run"]:
        x, y = (g["run"]["samples per second"] for g in (a, b))
        out.append(("training samples a second, the runs", CLAIMS["training"], f"×{x / y:.2f}", "–"))
    times = sooner(a["learning"], b["learning"])
    told = f"×{times:.1f} or more" if times else "never reached"
    out.append(("fewer lines seen for the LSTM's last error rate", CLAIMS["training"], told, "–"))
    return out


def _cer(where: str) -> Callable[[dict[str, Any]], float]:
    return lambda v: float(v["cer"][where])


def tables(report: Mapping[str, Any]) -> list[tuple[list[str], list[list[str]]]]:
    every = [
        (f"{name}, {version}", g, v)
        for name, g in report["generations"].items()
        for version, v in g["versions"].items()
    ]
    sets = list(every[0][2]["cer"])
    head = ["", "bytes", *(f"CER {s}" for s in sets)]
    head += [f"CPU ms, {n} columns" for n in STEPS] + [f"sequence alone, {n}" for n in STEPS]
    head += [f"crops a second (a CPU second), {n} callers" for n in CALLERS]
    body = []
    for title, _, v in every:
        cells = [f"{v['bytes']:,}", *(f"{v['cer'][s]:.4f}" for s in sets)]
        cells += [f"{x['cpu']:.2f}" for x in v["whole"]] + [f"{x['cpu']:.2f}" for x in v["sequence"]]
        cells += [f"{x['per second']:.0f} ({x['per CPU second']:.0f})" for x in v["throughput"]]
        body.append([title, *cells])
    out = [(head, body)]
    head = [
        "training",
        "parameters",
        "of the sequence",
        "step, CPU ms",
        "samples a CPU second",
        "sequence, CPU ms",
        "run",
    ]
    body = []
    for name, g in report["generations"].items():
        t, run = g["training"], g["run"]
        told = (
            f"{run['minutes']:g} min, {run['samples']:,} samples, {run['samples per second']:g} a second"
            if run
            else "–"
        )
        figures = [t["step, CPU ms"], t["samples per CPU second"], t["sequence layers, CPU ms"]]
        body.append(
            [name, f"{g['parameters']:,}", f"{g['sequence parameters']:,}", *(f"{x:.0f}" for x in figures), told]
        )
    out.append((head, body))
    checks = zip(*(report["generations"][x]["learning"] for x in GENERATIONS), strict=False)
    body = [
        [f"{x['minutes']:.0f} min", *(f"{r['cer']:.3f} after {r['samples']:,.0f} lines" for r in (x, y))]
        for x, y in checks
    ]
    if body:
        out.append((["drawn lines, character error rate on the way", *GENERATIONS], body))
    out.append((["attention against LSTM", "claimed", "FP32", "INT8"], [list(row) for row in claims(report)]))
    return out


def markdown(report: Mapping[str, Any]) -> str:
    """The tables as Markdown, with day, machine and command."""
    parts = [f"{report['date']}, {report['machine']}; `{report['command']}`."]
    for head, body in tables(report):
        parts.append("\n".join("| " + " | ".join(x) + " |" for x in (head, ["---"] * len(head), *body)))
    return "\n\n".join(parts)


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("runs", nargs=2, type=Path, metavar="RUN", help="the two runs, in any order")
    p.add_argument("--ingredients", default="ingredients", help="folder of fonts, texts and backgrounds")
    p.add_argument(
        "--labelled", nargs="*", type=Path, default=[], help="folders with labels.jsonl, read by their quads"
    )
    p.add_argument("--lines", type=int, default=400, help="drawn lines to read")
    p.add_argument("--calibrate", type=int, default=Mix.lines, help="drawn lines to calibrate on")
    p.add_argument("--repeat", type=int, default=40, help="rounds of each time")
    p.add_argument("--seconds", type=float, default=2.0, help="length of each measurement of throughput")
    p.add_argument("--markdown", action="store_true", help="print the README's tables")
    p.add_argument("--out", type=Path, default=Path("out/generations"), help="folder for generations.json")
    a = p.parse_args()
    torch.set_num_threads(1)
    runs = {load_trained(x).net.config.sequence: x for x in a.runs}
    if set(runs) != set(GENERATIONS):
        p.error(f"one run of each sequence, attention and lstm; found {', '.join(runs)}")
    report: dict[str, Any] = {
        "made_by": "benchmarks/generations.py", "date": datetime.date.today().isoformat(), "claims": CLAIMS,
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.0f}",
        "command": command("benchmarks.generations"),
    }  # fmt: skip
    report |= compare(
        {k: runs[k] for k in GENERATIONS}, a.ingredients, labelled=a.labelled, lines=a.lines, repeat=a.repeat,
        seconds=a.seconds, mix=Mix(lines=a.calibrate, words=a.calibrate // 3),
    )  # fmt: skip
    a.out.mkdir(parents=True, exist_ok=True)
    (a.out / "generations.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if a.markdown:
        print(markdown(report))
    else:
        for head, body in tables(report):
            for row in zip(head, *body, strict=True):
                print("  ".join([row[0].ljust(44), *(x.rjust(24) for x in row[1:])]))
            print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
