"""Structured pruning: whole channels go, so that what is left is an ordinary, narrower network.

    python -m export.prune RUN --name detector --ingredients DIR --out build/prune/detector --share 0.6

Which channels hang together (through residual sums, batch norms, layer norms) is found by torch-pruning's dependency
graph (Fang et al., "DepGraph: Towards Any Structural Pruning", CVPR 2023, https://arxiv.org/abs/2301.12900). In each
step the group goes sixteen channels down that costs least for what it saves: the drift of the network's outputs on
drawn samples when its weakest channels (by the norm of all their weights) go, for the multiply-adds that go with them.
Counts stay multiples of 16, which is what engines are quick with. At the end the weights that are left are fitted to
what the whole network made (export.mend), which wins back most of what was lost before any training.

OUT gets ``last.pt`` and ``config.json``, from which either trainer goes on:

    python -m training.detector.train --config OUT/config.json --init OUT/last.pt
    python -m training.recognizer.train OUT/config.json --init OUT/last.pt

and ``report.json`` with the sensitivity of every group and the path that was taken, both drawn in ``prune.svg``. The
knee of the path is where it lies furthest below the straight line between its ends.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from calibration.measure import maps_drift, text_drift
from export.checkpoint import Trained, load_trained, save_trained
from export.cost import macs
from export.mend import mend
from training.detector.model import Detector, ModelConfig
from training.recognizer.model import LayerNormHC, Recognizer, RecognizerConfig

__all__ = ["STEP", "drawn_inputs", "knee", "main", "prunable", "prune_trained", "without"]

STEP = 16
SEED = 43  # neither that of training nor those of calibration and gate
# What is left as it is: what leads into the sequence layers, whose width is cut into heads, and the heads.
_KEPT = {"detect": ("head",), "recognize": ("collapse", "sequence", "symbols", "initial", "medial", "final")}

Pixels = Sequence[NDArray[np.uint8]]


def _graph(trained: Trained) -> Any:
    try:
        import torch_pruning
    except ImportError as error:
        raise ValueError(f"pruning needs torch-pruning ({error}): pip install 'edge-ocr[export]'") from error
    net = trained.net
    example = torch.zeros(1, 3, 64, 64) if trained.task == "detect" else torch.full((1, net.config.height, 64), 127.0)
    norms = [n for n in net.modules() if isinstance(n, LayerNormHC)]
    for p in net.parameters():
        p.requires_grad_(True)  # the graph is found by following gradients
    parameters = [(p, 1) for n in norms for p in (n.gain, n.bias)]
    return torch_pruning.DependencyGraph().build_dependency(
        net, example_inputs=example, unwrapped_parameters=parameters or None
    )


def _groups(trained: Trained, graph: Any) -> dict[str, Any]:
    """Prunable groups by the name of the first convolution that makes their channels."""
    names = {module: name for name, module in trained.net.named_modules()}
    order = list(names.values())
    kept = [x for n, x in trained.net.named_modules() if n.split(".")[0] in _KEPT[trained.task]]
    found = {}
    for group in graph.get_all_groups(ignored_layers=kept, root_module_types=[nn.Conv2d]):
        makers = [x.dep.target.module for x in group if graph.is_out_channel_pruning_fn(x.dep.handler)]
        found[min((names[x] for x in makers if isinstance(x, nn.Conv2d)), key=order.index)] = group
    return dict(sorted(found.items(), key=lambda x: order.index(x[0])))


def prunable(trained: Trained) -> dict[str, int]:
    """How many channels each group has, by the name of the convolution that makes them."""
    modules = dict(trained.net.named_modules())
    return {name: modules[name].out_channels for name in _groups(trained, _graph(trained))}


def without(trained: Trained, name: str, *, step: int = STEP) -> Trained | None:
    """A copy in which the group ``name`` has lost its weakest channels, down to the next multiple of ``step``; None
    where nothing would be left."""
    import torch_pruning

    smaller = dataclasses.replace(trained, net=copy.deepcopy(trained.net))
    graph = _graph(smaller)
    group = _groups(smaller, graph)[name]
    channels = dict(smaller.net.named_modules())[name].out_channels
    left = (channels - 1) // step * step
    if left < step:
        return None
    importance = torch_pruning.importance.GroupMagnitudeImportance(p=2)(group)
    weakest = torch.argsort(importance)[: channels - left].tolist()
    graph.get_pruning_group(group[0].dep.target.module, group[0].dep.handler, weakest).prune()
    return _as_config(smaller)


def _as_config(trained: Trained) -> Trained:
    """The pruned modules as a network of its own, made from a config that says their widths: that it takes all their
    weights is the proof that the config tells the whole shape."""
    pruned, weights = trained.net, trained.net.state_dict()

    def out(name: str) -> int:
        return int(weights[f"{name}.weight"].shape[0])

    fresh: Any
    if trained.task == "detect":
        c: ModelConfig = pruned.config
        blocks = [f"at{s}.{k}.first.0" for s, d in zip((8, 16, 32), c.depths, strict=True) for k in range(d)]
        model = dataclasses.replace(
            c,
            widths=tuple(out(f"{n}.0") for n in ("stem", "to4", "to8", "to16", "to32")),  # type: ignore[arg-type]
            neck=tuple(out(f"down{s}.0") for s in (16, 8, 4)),  # type: ignore[arg-type]
            inner=tuple(out(n) for n in blocks),
            mixed=tuple(out(f"mix{s}.0") for s in (16, 8, 4)),  # type: ignore[arg-type]
        )
        fresh = Detector(model)
        config = {**trained.config, "model": json.loads(json.dumps(dataclasses.asdict(model)))}
    else:
        r: RecognizerConfig = pruned.config
        names = ("stem.0", "stage1.0", "stage2.0.0", "stage3.0.0", "stage4.0")
        narrow = dataclasses.replace(r, widths=tuple(out(n) for n in names))
        fresh = Recognizer(narrow)
        config = narrow.to_dict()
    fresh.load_state_dict(weights)
    return dataclasses.replace(trained, net=fresh.eval(), config=config)


def _outputs(trained: Trained, inputs: Pixels) -> list[dict[str, NDArray[Any]]]:
    net = trained.deployed
    with torch.no_grad():
        found = [net(torch.from_numpy(x)) for x in inputs]
    return [{k: v.numpy() for k, v in zip(trained.outputs, values, strict=True)} for values in found]


def _drift(trained: Trained, wanted: Sequence[dict[str, NDArray[Any]]], inputs: Pixels) -> float:
    found = _outputs(trained, inputs)
    if trained.task == "detect":
        return float(np.mean([maps_drift(a, b) for a, b in zip(wanted, found, strict=True)]))
    parts = trained.outputs[1:]
    return float(np.mean([text_drift(a, b, parts=parts) for a, b in zip(wanted, found, strict=True)]))


def prune_trained(
    trained: Trained,
    share: float,
    target: Path,
    *,
    name: str,
    inputs: Pixels,
    sweep: bool = False,
    keep: Sequence[float] = (),
    least: float = 0.5,
) -> dict[str, Any]:
    """Prunes until ``share`` of the multiply-adds is left and fills ``target`` (see above); returns the report.

    ``inputs``: batches uint8 as the network takes them. ``sweep``: the sensitivity of every group at every width, not
    only where the path needs it. ``keep``: shares on the way of which each gets a folder ``at-SHARE`` in ``target``
    that a trainer goes on from as well. ``least``: of its channels each group keeps. Without such a floor the deep
    layers are emptied first, as they cost little drift for what they save, and no training brings back what they knew.
    Raises ValueError where so little cannot be reached.
    """
    waiting = sorted((k for k in keep if k > share), reverse=True)
    floor = {group: least * channels for group, channels in prunable(trained).items()}
    small = (1, 96, 160) if trained.task == "detect" else (1, 96)  # quicker, and in proportion

    def work(x: Trained) -> int:
        return macs(x, small)

    wanted = _outputs(trained, inputs)
    first, at = work(trained), trained
    left = first
    cost: dict[str, tuple[float, int]] = {}
    path: list[dict[str, Any]] = [{"group": None, "share": 1.0, "drift": 0.0}]
    sensitivity: dict[str, dict[str, float]] = {}
    candidates: dict[str, Trained] = {}
    base = 0.0
    while left > share * first:
        for group in prunable(at):
            if group in cost:
                continue
            tried = without(at, group)
            if tried is None or prunable(tried)[group] < floor[group]:
                cost[group] = (float("inf"), 0)
                continue
            cost[group] = (max(_drift(tried, wanted, inputs) - base, 0.0), left - work(tried))
            candidates[group] = tried
            row = sensitivity.setdefault(group, {})
            row[str(prunable(tried)[group])] = float(f"{cost[group][0]:.4g}")
        group = min(cost, key=lambda g: cost[g][0] / max(cost[g][1], 1))
        if not np.isfinite(cost[group][0]):
            raise ValueError(f"{left / first:.0%} of the multiply-adds are left; no group has {STEP} channels to lose")
        smaller = candidates[group] if len(path) == 1 else without(at, group)
        assert smaller is not None
        at, left = smaller, work(smaller)
        base = _drift(at, wanted, inputs)
        del cost[group]
        path.append({"group": group, "share": round(left / first, 4), "drift": float(f"{base:.4g}")})
        print(f"  {group} to {prunable(at)[group]}: {left / first:.1%} of the work, drift {base:.4f}", flush=True)
        while waiting and left <= waiting[0] * first:
            stop = dataclasses.replace(at, net=copy.deepcopy(at.net))
            mend(stop, trained, inputs)
            _keep(stop, target / f"at-{waiting.pop(0):g}", name)
    if sweep:
        for group in prunable(trained):
            now: Trained | None = trained
            while now is not None and (now := without(now, group)) is not None:
                row = sensitivity.setdefault(group, {})
                row[str(prunable(now)[group])] = float(f"{_drift(now, wanted, inputs):.4g}")
    at = dataclasses.replace(at, net=copy.deepcopy(at.net))
    mended = mend(at, trained, inputs)
    report = {
        "share": share,
        "macs": macs(at),
        "macs_before": macs(trained),
        "channels": prunable(at),
        "channels_before": prunable(trained),
        "drift": base,
        "drift_mended": _drift(at, wanted, inputs),
        "missed": mended,
        "knee": knee([p["share"] for p in path], [p["drift"] for p in path]),
        "path": path,
        "sensitivity": sensitivity,
    }
    _keep(at, target, name)
    (target / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    plot(report, target / "prune.svg", name)
    return report


def _keep(trained: Trained, target: Path, name: str) -> None:
    target.mkdir(parents=True, exist_ok=True)
    save_trained(trained, target / "last.pt")
    (target / "config.json").write_text(json.dumps(_config(trained, name, target), indent=1) + "\n", encoding="utf-8")


def _config(trained: Trained, name: str, folder: Path) -> dict[str, Any]:
    """What the trainer reads: its config for this model, with the widths of the network."""
    if trained.task == "detect":
        return trained.config
    known = Path(__file__).parent.parent / "training" / "recognizer" / "configs" / f"{name}.json"
    if not known.is_file():
        raise ValueError(f"{known}: there is no such config; --name is the name that the model was trained by")
    charset = folder / "charset.txt"
    charset.write_text(trained.net.config.charset + "\n", encoding="utf-8")
    model = {k: v for k, v in trained.config.items() if k not in ("charset", "height")}
    return {**json.loads(known.read_text(encoding="utf-8")), **model, "charset": str(charset)}


def knee(shares: Sequence[float], drifts: Sequence[float]) -> float:
    """The share at which the path lies furthest below the straight line between its ends: what goes before it is cheap,
    what goes after it dear."""
    x, y = np.array(shares, float), np.array(drifts, float)
    if len(x) < 3 or y.max() <= y.min() or x[0] == x[-1]:
        return float(x[-1])
    line = y[0] + (x - x[0]) * (y[-1] - y[0]) / (x[-1] - x[0])  # between the ends, which need not be the extremes
    return float(shares[int(np.argmax(line - y))])


def drawn_inputs(trained: Trained, name: str, ingredients: str | Path, *, count: int = 12) -> list[NDArray[np.uint8]]:
    """``count`` scenes of 320 pixels, or batches of sixteen lines, drawn as for training with a seed of their own."""
    if trained.task == "detect":
        from training.synth.scene import Scenes

        scenes = Scenes.load(ingredients, seed=SEED, size=320, pool=8, shots=2)
        return [np.stack([next(scenes).image]) for _ in range(count)]
    from training.recognizer.data import LineBatches

    config = trained.net.config
    known = Path(__file__).parent.parent / "training" / "recognizer" / "configs" / f"{name}.json"
    data = json.loads(known.read_text(encoding="utf-8"))
    batches = LineBatches(
        ingredients=str(ingredients),
        lang=data["lang"],
        charset=config.charset,
        columns=2048,
        max_width=data["max_width"],
        seed=SEED,
        synth=data.get("synth", "line"),
    )
    batches.progress.value = 1.0
    stream = iter(batches)
    return [next(stream).images.numpy() for _ in range(count)]


def plot(report: dict[str, Any], path: Path, name: str) -> None:
    """The sensitivity of each group, and drift against multiply-adds along the path with its knee."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4))
    for group, row in report["sensitivity"].items():
        widths = sorted((int(w) for w in row), reverse=True)
        before = report["channels_before"][group]
        left.plot([1.0, *(w / before for w in widths)], [0.0, *(row[str(w)] for w in widths)], marker=".", label=group)
    left.set(xlabel="share of the group's channels that is left", ylabel="drift it adds", title=f"{name}: sensitivity")
    left.invert_xaxis()
    left.legend(fontsize=6)
    right.plot([p["share"] for p in report["path"]], [p["drift"] for p in report["path"]], marker=".")
    right.axvline(report["knee"], color="0.7", linestyle="--", label=f"knee, {report['knee']:.0%}")
    right.set(xlabel="share of the multiply-adds", ylabel="drift before training", title="path")
    right.invert_xaxis()
    right.legend()
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("run", type=Path, help="folder of a run, a checkpoint, or kept weights")
    p.add_argument("--name", required=True, help="detector, or the name of a recognizer's training config")
    p.add_argument("--ingredients", default="ingredients", help="folder of fonts, texts and backgrounds")
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--share", type=float, default=0.6, help="of the multiply-adds that is left")
    p.add_argument("--least", type=float, default=0.5, help="share of its channels that each group keeps")
    p.add_argument("--keep", type=float, nargs="*", default=[], help="shares on the way that are kept too, in OUT/at-*")
    p.add_argument("--samples", type=int, default=12, help="drawn scenes, or batches of drawn lines")
    p.add_argument("--sweep", action="store_true", help="measure the sensitivity at every width, for the plot")
    a = p.parse_args()
    if not 0 < a.share < 1:
        p.error(f"--share {a.share}: expected a number between 0 and 1")
    trained = load_trained(a.run)
    inputs = drawn_inputs(trained, a.name, a.ingredients, count=a.samples)
    report = prune_trained(
        trained, a.share, a.out, name=a.name, inputs=inputs, sweep=a.sweep, keep=a.keep, least=a.least
    )
    told = ("macs_before", "macs", "channels", "drift", "drift_mended", "knee")
    print(json.dumps({k: report[k] for k in told}, indent=1))


if __name__ == "__main__":
    main()
