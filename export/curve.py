"""What pruning costs and what it gains: ``python -m export.curve RUN --pruned DIR --name detector --ingredients DIR``.

RUN is the network that was pruned, ``--pruned`` the folder that ``export.prune --keep SHARES`` filled, ``--tuned`` runs
that went on from there. Each is exported and quantised on the same calibration samples; then CPU time is taken of all
in turns, FP32 and INT8, and errors on the same drawn samples in faces that training never saw. Prints a table, and
leaves ``curve.json`` and ``curve.svg`` in OUT. The knee is where the error of the networks that were only pruned lies
furthest below the straight line between its ends.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import edge_ocr
from calibration.samples import Mix, Samples, calibration_samples
from edge_ocr.engine import OnnxEngine
from export import cost
from export.checkpoint import load_trained
from export.gates import HeldOut, measure
from export.manifests import describe, existing
from export.onnx import export_network
from export.prune import knee
from export.quantize import Plan, plan_of, quantise_model

__all__ = ["curve", "main", "markdown", "plot"]


def curve(
    points: Mapping[str, Path], name: str, *, plan: Plan, samples: Samples, held_out: HeldOut, repeat: int = 15
) -> list[dict[str, Any]]:
    """A row for each network, the first of which is the whole one: multiply-adds, bytes, CPU milliseconds, errors."""
    like = existing(Path(edge_ocr.__file__).parent / "weights" / name)
    rows: list[dict[str, Any]] = []
    engines: dict[str, OnnxEngine] = {}
    given: list[Any] = []
    with tempfile.TemporaryDirectory() as work:
        for label, run in points.items():
            trained = load_trained(run)
            folder = Path(work) / label.replace("/", "-")
            folder.mkdir()
            export_network(trained, folder / "model.onnx")
            manifest = describe(trained, folder, name=name, like=like, decode={})
            data = (folder / "model.onnx").read_bytes()
            files = {"fp32": data, "int8": quantise_model(manifest, data, samples, plan=plan)}
            given = given or cost.inputs(trained)
            work_of = cost.macs(trained)
            errors = {}
            for kind, file in files.items():
                engine = engines[f"{label} {kind}"] = OnnxEngine(file)
                errors[kind] = {k: round(v, 5) for k, v in measure(manifest, engine, held_out).items()}
            row = {
                "network": label,
                "macs": work_of,
                "share": round(work_of / rows[0]["macs"], 4) if rows else 1.0,
                "bytes": {k: len(v) for k, v in files.items()},
                "errors": errors,
            }
            rows.append(row)
            print(json.dumps(row), flush=True)
    total = dict.fromkeys(engines, 0.0)
    for x in given:
        for key, seconds in zip(engines, cost.cpu_times(list(engines.values()), x, repeat=repeat), strict=True):
            total[key] += 1000 * seconds
    first = next(iter(total.values()))
    for row in rows:
        row["cpu"] = {k: round(total[f"{row['network']} {k}"], 2) for k in row["bytes"]}
        row["ratio"] = {k: round(v / first, 3) for k, v in row["cpu"].items()}
    return rows


def _error(row: Mapping[str, Any]) -> float:
    return float(next(v for k, v in row["errors"]["int8"].items() if k.endswith(" drawn")))


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table as Markdown."""
    what = list(rows[0]["errors"]["fp32"])
    kinds = list(rows[0]["bytes"])
    head = ["network", "multiply-adds, million"]
    head += [f"{k.upper()}, {x}" for k in kinds for x in ("CPU ms", "to the whole FP32")]
    head += [f"{k.upper()}, {w}" for w in what for k in kinds] + ["bytes"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for r in rows:
        cells = [str(r["network"]), f"{r['macs'] / 1e6:.0f} ({r['share']:.0%})"]
        cells += [x for k in kinds for x in (f"{r['cpu'][k]:.1f}", f"{r['ratio'][k]:.2f}")]
        cells += [f"{r['errors'][k][w]:.3f}" for w in what for k in kinds] + [f"{r['bytes'][kinds[-1]]:,}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(rows: Sequence[Mapping[str, Any]], tuned: Sequence[str], path: Path, title: str) -> None:
    """Error against CPU time: the path of pruning with its knee, and what was trained after it."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    kind = list(rows[0]["bytes"])[-1]
    figure, axes = pyplot.subplots(figsize=(7, 4))
    bare = [r for r in rows if r["network"] not in tuned]
    axes.plot(
        [r["ratio"][kind] for r in bare], [_error(r) for r in bare], marker="o", label=f"{kind.upper()}, pruned only"
    )
    later = [r for r in rows if r["network"] in tuned]
    if later:
        axes.plot(
            [r["ratio"][kind] for r in later],
            [_error(r) for r in later],
            "s",
            label=f"{kind.upper()}, trained after it",
        )
    for r in rows:
        axes.annotate(f" {r['network']}", (r["ratio"][kind], _error(r)), fontsize=7)
    axes.plot(
        [rows[0]["ratio"]["fp32"]], [float(next(iter(rows[0]["errors"]["fp32"].values())))], "x", label="FP32, whole"
    )
    at = _knee(bare)
    axes.axvline(next(r["ratio"][kind] for r in bare if r["share"] == at), color="0.7", linestyle="--", label="knee")
    axes.set(xlabel="CPU time to the whole FP32 network", ylabel="error on drawn samples", title=title)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def _knee(bare: Sequence[Mapping[str, Any]]) -> float:
    return knee([float(r["share"]) for r in bare], [_error(r) for r in bare])


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("run", type=Path, help="the whole network: folder of a run, a checkpoint, or kept weights")
    p.add_argument("--name", required=True, help="detector, or the name of a recognizer")
    p.add_argument("--pruned", type=Path, required=True, help="what export.prune left, with its at-* folders")
    p.add_argument("--tuned", type=Path, nargs="*", default=[], help="runs that went on from it")
    p.add_argument("--ingredients", default="ingredients", help="folder of fonts, texts and backgrounds")
    p.add_argument("--labelled", nargs="*", type=Path, default=[], help="folders with labels.jsonl, for the record")
    p.add_argument("--lines", type=int, default=300, help="drawn lines to measure a recognizer on")
    p.add_argument("--scenes", type=int, default=100, help="drawn scenes to measure a detector on")
    p.add_argument("--calibrate", type=int, default=16, help="drawn scenes to calibrate a detector on")
    p.add_argument("--repeat", type=int, default=15, help="rounds of each time")
    p.add_argument("--out", type=Path, default=Path("out/curve"))
    a = p.parse_args()
    stops = sorted(a.pruned.glob("at-*"), key=lambda x: -float(x.name.removeprefix("at-")))
    points = {"whole": a.run, **{x.name.replace("at-", "pruned to "): x for x in stops}}
    points["pruned"] = a.pruned
    tuned = [x.name for x in a.tuned]
    points |= dict(zip(tuned, a.tuned, strict=True))
    manifest = existing(Path(edge_ocr.__file__).parent / "weights" / a.name)
    if manifest is None:
        p.error(f"--name {a.name}: there is no such model")
    with tempfile.TemporaryDirectory() as work:
        trained = load_trained(a.run)
        export_network(trained, Path(work) / "model.onnx")
        data = (Path(work) / "model.onnx").read_bytes()
        samples = calibration_samples(manifest, data, a.ingredients, Mix(scenes=a.calibrate))
    held_out = HeldOut.draw(manifest, a.ingredients, lines=a.lines, scenes=a.scenes, labelled=a.labelled)
    rows = curve(points, a.name, plan=plan_of(a.name, None), samples=samples, held_out=held_out, repeat=a.repeat)
    bare = [r for r in rows if r["network"] not in tuned]
    a.out.mkdir(parents=True, exist_ok=True)
    found = {
        "name": a.name,
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.0f}",
        "knee": _knee(bare),
        "rows": rows,
    }
    (a.out / "curve.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    plot(rows, tuned, a.out / "curve.svg", a.name)
    print(
        f"\n{found['date']}, {found['machine']}; knee at {found['knee']:.0%} of the multiply-adds\n\n{markdown(rows)}"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
