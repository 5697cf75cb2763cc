"""Train the word detector on drawn scenes.

    python -m training.detector.train --ingredients DIR --out runs/detector --minutes 90 [--resume] [--labelled FOLDER]

The schedule follows the clock: ``--minutes`` of training in all, with the learning rate at zero when they are over,
so that the end is known beforehand on any machine. A run that is stopped (also by a signal) goes on with
``--resume``; minutes already spent count. Besides checkpoints the folder gets ``log.jsonl`` (a line every few steps
and every validation), ``curves.png`` at the end where matplotlib is installed, and ``final.pt`` with the averaged
weights.

``--teacher WEIGHTS`` has the network learn from a larger one, too: for one that ``export.prune`` made smaller, the one
that it was pruned from. ``taught`` in the config is the share of the loss that is what the teacher says."""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge_ocr import geometry
from edge_ocr.detect import DecodeOptions, decode, encode
from training.detector.loss import LossConfig, Losses, detector_loss, distillation
from training.detector.model import Deployed, Detector, ModelConfig
from training.synth.fonts import prepare_faces
from training.synth.scene import Scene, Scenes

# ---------------------------------------------------------------- configuration


@dataclass(frozen=True)
class Config:
    """All that defines a run; ``--config FILE.json`` overrides any of it."""

    size: int = 384  # side of the training crops, pixels
    batch: int = 6
    rate: float = 1.5e-3  # peak learning rate of AdamW
    decay: float = 0.02
    warm: float = 0.03  # share of the time in which the rate rises
    clip: float = 5.0  # greatest norm of the gradient
    average: float = 0.999  # decay of the averaged weights
    seed: int = 1
    shrink: float = 0.25  # how far the positive core lies inside a word's box, in parts of its shorter side
    band: float = 0.5  # share of the strip around the core that is left out of the loss
    pool: int = 48  # sheets in the drawing pool
    shots: int = 8  # crops of each
    validation: int = 48  # held-out scenes (unseen faces, other seed)
    taught: float = 0.5  # share of the loss that is what a teacher says, where there is one
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Config:
        known = {f.name for f in fields(cls)}
        if unknown := set(data) - known:
            raise ValueError(f"unknown settings {sorted(unknown)}; known are {sorted(known)}")
        rest = dict(data)
        if "model" in rest:
            rest["model"] = ModelConfig(**{k: tuple(v) if isinstance(v, list) else v for k, v in rest["model"].items()})
        if "loss" in rest:
            rest["loss"] = LossConfig(**rest["loss"])
        return cls(**rest)


# Used for the measures below; what is shipped stands in the model's manifest.
DECODE = DecodeOptions(
    score_threshold=0.8,
    merge_iou=0.6,
    nms_iou=0.3,
    min_height=5.0,
    max_regions=1000,
    edge_reach=1.0,
    contained=0.7,
    stride=4,
)


# ---------------------------------------------------------------- data


class Stream(torch.utils.data.IterableDataset[tuple[Tensor, Tensor, Tensor, Tensor]]):
    """Scenes and their targets: image uint8 [S, S, 3], score [s, s], geometry [5, s, s], mask [s, s]."""

    def __init__(self, ingredients: str, config: Config, seed: int) -> None:
        self.ingredients, self.config, self.seed = ingredients, config, seed

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        worker = torch.utils.data.get_worker_info()
        cv2.setNumThreads(1)
        seed = self.seed * 1000 + (worker.id if worker else 0)
        c = self.config
        for scene in Scenes.load(self.ingredients, seed=seed, size=c.size, pool=c.pool, shots=c.shots):
            yield targets(scene, c)


def targets(scene: Scene, config: Config) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    t = encode(scene.quads, scene.ignore, scene.image.shape[:2], shrink=config.shrink, band=config.band)
    return (
        torch.from_numpy(scene.image),
        torch.from_numpy(t.score),
        torch.from_numpy(np.ascontiguousarray(t.geometry.transpose(2, 0, 1))),
        torch.from_numpy(t.mask),
    )


def normalise(image: Tensor) -> Tensor:
    """uint8 [N, H, W, 3] -> float [N, 3, H, W] in channels-last memory, the same arithmetic as ``model.Deployed``."""
    return image.permute(0, 3, 1, 2).float() * (1 / 64) - 2.0


# ---------------------------------------------------------------- measuring


def match(
    found: NDArray[np.generic], truth: NDArray[np.generic], ignore: NDArray[np.bool_], iou: float = 0.5
) -> tuple[int, int, int]:
    """Greedy matching in the order of ``found`` [M, 4, 2] to ``truth`` [N, 4, 2] -> hits, found that count, truth that
    counts; what lies on an ignored truth does not count."""
    count = int((~ignore).sum())
    if not len(found) or not len(truth):
        return 0, len(found), count
    overlap = np.asarray(geometry.quad_iou_matrix(found, truth))
    free = ~ignore
    hits = extra = 0
    for row in overlap:
        best = int(np.argmax(np.where(free, row, -1)))
        if free[best] and row[best] >= iou:
            free[best] = False
            hits += 1
        elif not (row[ignore] > 0.2).any():
            extra += 1
    return hits, hits + extra, count


def f_measure(hits: int, found: int, truth: int) -> dict[str, float]:
    p, r = hits / max(1, found), hits / max(1, truth)
    return {k: round(float(v), 4) for k, v in (("precision", p), ("recall", r), ("f", 2 * p * r / max(1e-9, p + r)))}


@torch.no_grad()
def validate(model: Detector, scenes: list[Scene], device: torch.device) -> dict[str, float]:
    """Precision, recall and F at IoU 0.5 on scenes, and F by kind of layout."""
    net = Deployed(model).eval()
    total = np.zeros(3, int)
    kinds: dict[str, NDArray[np.int_]] = {}
    for scene in scenes:
        score, maps = net(torch.from_numpy(scene.image)[None].to(device))
        quads, _ = decode(score[0].cpu().numpy(), maps[0].cpu().numpy(), DECODE)
        got = np.array(match(quads, scene.quads, scene.ignore))
        total += got
        kinds[scene.kind] = kinds.get(scene.kind, np.zeros(3, int)) + got
    return f_measure(*total) | {f"f_{k}": f_measure(*v)["f"] for k, v in sorted(kinds.items())}


@torch.no_grad()
def find(
    model: Detector, image: NDArray[np.uint8], device: torch.device, longest: int = 1280
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Quads [M, 4, 2] in the pixels of an image uint8 [H, W, 3] of any size, and their scores [M]."""
    h, w = image.shape[:2]
    scale = min(1.0, longest / max(h, w))
    small = (
        cv2.resize(image, (max(1, round(w * scale)), max(1, round(h * scale))), interpolation=cv2.INTER_AREA)
        if scale < 1
        else image
    )
    h, w = small.shape[:2]
    canvas = np.full((-(-h // 32) * 32, -(-w // 32) * 32, 3), 114, np.uint8)
    canvas[:h, :w] = small
    score, maps = Deployed(model).eval()(torch.from_numpy(canvas)[None].to(device))
    quads, scores = decode(score[0].cpu().numpy(), maps[0].cpu().numpy(), DECODE)
    return quads / scale, scores


def validate_folder(model: Detector, folder: Path, device: torch.device) -> dict[str, float]:
    """F at IoU 0.5 on a labelled folder: ``labels.jsonl`` with ``image``, ``polygons``, ``ignore`` beside
    ``images``."""
    total = np.zeros(3, int)
    for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if not row.get("polygons"):
            continue
        path = folder / "images" / row["image"]
        image = cv2.imread(str(path if path.exists() else folder / row["image"]))
        if image is None:
            raise ValueError(f"{path}: cannot be read")
        ignore = np.array(row.get("ignore") or [False] * len(row["polygons"]), bool)
        truth = geometry.order_points(np.array(row["polygons"], float))
        total += match(find(model, image[:, :, ::-1], device)[0], truth, ignore)
    return {f"labelled_{k}": v for k, v in f_measure(*total).items()}


# ---------------------------------------------------------------- the loop


def rate_at(progress: float, config: Config) -> float:
    """One cycle: a linear rise, then half a cosine down to zero."""
    if progress < config.warm:
        return config.rate * max(0.02, progress / config.warm)
    return config.rate * 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - config.warm) / (1 - config.warm))))


def average_into(kept: Detector, model: Detector, decay: float) -> None:
    with torch.no_grad():
        for a, b in zip(kept.state_dict().values(), model.state_dict().values(), strict=True):
            if a.is_floating_point():
                a.lerp_(b, 1 - decay)
            else:
                a.copy_(b)


def save(path: Path, **parts: Any) -> None:
    temp = path.with_suffix(".tmp")
    torch.save(parts, temp)
    os.replace(temp, path)


def load_model(path: str | Path) -> tuple[Detector, dict[str, Any]]:
    """The averaged weights of a checkpoint, ready to use, and the checkpoint."""
    data = torch.load(path, map_location="cpu", weights_only=True)
    model = Detector(Config.from_dict(data["config"]).model)
    model.load_state_dict(data["average"])
    return model.eval(), data


def initialise(model: Detector, path: Path) -> int:
    """Copy every tensor of a checkpoint or a .safetensors file whose name and shape fit; returns how many."""
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        source = load_file(path)
    else:
        source = torch.load(path, map_location="cpu", weights_only=True)["average"]
    own = model.state_dict()
    fit = {k: v.to(own[k].dtype) for k, v in source.items() if k in own and own[k].shape == v.shape}
    model.load_state_dict(fit, strict=False)
    return len(fit)


def load_teacher(path: Path) -> Detector:
    """A network to learn from, in eval mode: of a trainer's ``.pt`` file, or of weights kept as ``.safetensors``."""
    if path.suffix != ".safetensors":
        return load_model(path)[0]
    from safetensors import safe_open

    with safe_open(path, "pt") as header:
        notes = header.metadata() or {}
    if "model_config" not in notes:
        raise ValueError(f"{path}: its header has no model_config; keep weights with export.build --keep")
    teacher = Detector(Config.from_dict(json.loads(notes["model_config"])).model)
    if initialise(teacher, path) != len(teacher.state_dict()):
        raise ValueError(f"{path}: its weights are not of the shapes that its header tells")
    return teacher.eval()


def learn_from(
    teacher: Detector, pixels: Tensor, logits: Tensor, maps: Tensor, losses: Losses, config: Config
) -> Losses:
    """``losses`` on truth mixed with what ``teacher`` says otherwise than ``logits`` and ``maps`` on the same
    normalised ``pixels`` [N, 3, H, W]."""
    with torch.no_grad():
        wanted = teacher(pixels)
    other = distillation(logits, maps, *wanted, config.loss)
    own = 1 - config.taught
    return Losses(
        **{f.name: own * getattr(losses, f.name) + config.taught * getattr(other, f.name) for f in fields(Losses)}
    )


def train(
    ingredients: str,
    out: Path,
    minutes: float,
    config: Config,
    *,
    resume: bool = False,
    device: str = "cpu",
    threads: int = 1,
    workers: int = 0,
    labelled: Path | None = None,
    init: Path | None = None,
    teacher: Path | None = None,
    every: float = 180.0,
    seconds_between_validations: float = 600.0,
) -> dict[str, float]:
    """Train for ``minutes`` in all; returns the last validation's measures."""
    torch.set_num_threads(threads)
    cv2.setNumThreads(1)
    torch.manual_seed(config.seed)
    out.mkdir(parents=True, exist_ok=True)
    prepare_faces(ingredients)  # minutes on a machine that draws for the first time
    place = torch.device(device)
    model = Detector(config.model).to(place, memory_format=torch.channels_last)
    if init is not None:
        initialise(model, init)
    guide = None if teacher is None else load_teacher(teacher).to(place, memory_format=torch.channels_last)
    kept = Detector(config.model).to(place)
    kept.load_state_dict(model.state_dict())
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": config.decay}, {"params": vectors, "weight_decay": 0.0}], lr=config.rate
    )
    step, spent = 0, 0.0
    last = out / "last.pt"
    if resume and last.exists():
        data = torch.load(last, map_location=place, weights_only=True)
        model.load_state_dict(data["model"])
        kept.load_state_dict(data["average"])
        optimiser.load_state_dict(data["optimiser"])
        step, spent = data["step"], data["seconds"]
    stream = Stream(ingredients, config, config.seed + step)
    loader = iter(
        torch.utils.data.DataLoader(stream, batch_size=config.batch, num_workers=workers, pin_memory=device != "cpu")
    )
    held = Scenes.load(ingredients, seed=977, size=config.size, reserved=True, shots=2)
    held_out = [next(held) for _ in range(config.validation)]
    del held
    log = (out / "log.jsonl").open("a", encoding="utf-8")

    def note(**row: Any) -> None:
        log.write(json.dumps(row) + "\n")
        log.flush()

    stop = False

    def ask_to_stop(*_: Any) -> None:
        nonlocal stop
        stop = True

    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, ask_to_stop)
    from tqdm import tqdm

    bar = tqdm(total=round(minutes * 60), initial=round(spent), unit="s", mininterval=10, dynamic_ncols=True)
    sums = dict.fromkeys(("total", "dice", "bce", "box", "edge", "angle", "draw"), 0.0)
    since, result = 0, {}
    checked = saved = spent
    begun = time.monotonic() - spent
    note(
        event="start",
        step=step,
        seconds=round(spent),
        minutes=minutes,
        config=asdict(config),
        parameters=sum(p.numel() for p in model.parameters()),
    )

    def keep(path: Path) -> None:
        save(
            path,
            model=model.state_dict(),
            average=kept.state_dict(),
            optimiser=optimiser.state_dict(),
            step=step,
            seconds=spent,
            samples=step * config.batch,
            config=json.loads(json.dumps(asdict(config))),
        )

    model.train()
    while not stop and spent < minutes * 60:
        drawing = time.monotonic()
        image, score, truth, mask = (t.to(place, non_blocking=True) for t in next(loader))
        sums["draw"] += time.monotonic() - drawing
        for group in optimiser.param_groups:
            group["lr"] = rate_at(spent / (minutes * 60), config)
        pixels = normalise(image).contiguous(memory_format=torch.channels_last)
        logits, maps = model(pixels)
        losses = detector_loss(logits, maps, score, truth, mask, config.loss)
        if guide is not None:
            losses = learn_from(guide, pixels, logits, maps, losses, config)
        optimiser.zero_grad(set_to_none=True)
        losses.total.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        if torch.isfinite(norm):
            optimiser.step()
        step += 1
        average_into(kept, model, min(config.average, 1 - 10 / (step + 10)))
        since += 1
        for name in ("total", "dice", "bce", "box", "edge", "angle"):
            sums[name] += float(getattr(losses, name).detach())
        spent = time.monotonic() - begun
        bar.n = round(spent)
        if since == 50:
            row = {k: round(v / since, 4) for k, v in sums.items() if k != "draw"}
            note(
                event="step",
                step=step,
                samples=step * config.batch,
                seconds=round(spent),
                rate=round(optimiser.param_groups[0]["lr"], 6),
                draw_ms=round(1000 * sums["draw"] / since / config.batch, 1),
                **row,
            )
            bar.set_postfix_str(f"step {step} loss {row['total']:.3f} box {row['box']:.3f}")
            sums = dict.fromkeys(sums, 0.0)
            since = 0
        if spent - saved > every:
            keep(last)
            saved = spent
        if spent - checked > seconds_between_validations:
            result = validate(kept, held_out, place)
            if labelled is not None:
                result |= validate_folder(kept, labelled, place)
            spent = time.monotonic() - begun
            note(event="validation", step=step, samples=step * config.batch, seconds=round(spent), **result)
            checked = spent
    keep(last)
    bar.close()
    if not stop:
        result = validate(kept, held_out, place)
        if labelled is not None:
            result |= validate_folder(kept, labelled, place)
        note(event="end", step=step, samples=step * config.batch, seconds=round(spent), **result)
        save(
            out / "final.pt",
            average=kept.state_dict(),
            step=step,
            seconds=spent,
            samples=step * config.batch,
            config=json.loads(json.dumps(asdict(config))),
            measures=result,
        )
        curves(out / "log.jsonl", out / "curves.png")
    log.close()
    return result


def curves(log: Path, out: Path) -> None:
    """Loss and F over minutes as a PNG; nothing where matplotlib is missing."""
    try:
        import matplotlib
    except ImportError:
        print("matplotlib is not installed: no curves.png; the figures are in log.jsonl")
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
    steps = [r for r in rows if r["event"] == "step"]
    for name in ("dice", "bce", "box", "edge", "angle"):
        left.plot([r["seconds"] / 60 for r in steps], [r.get(name) for r in steps], label=name)
    left.set(xlabel="minutes", ylabel="loss", yscale="log")
    left.legend()
    checks = [r for r in rows if r["event"] in ("validation", "end") and "f" in r]
    for name in sorted({k for r in checks for k in r if k == "f" or k.startswith(("f_", "labelled_f"))}):
        right.plot([r["seconds"] / 60 for r in checks if name in r], [r[name] for r in checks if name in r], label=name)
    right.set(xlabel="minutes", ylabel="F at IoU 0.5, unseen faces")
    right.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(out, dpi=110)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ingredients", default="ingredients", help="folder with fonts, text, backgrounds")
    parser.add_argument("--out", type=Path, default=Path("runs/detector"))
    parser.add_argument("--config", type=Path, help="JSON file that overrides the defaults of Config")
    parser.add_argument("--minutes", type=float, default=90.0, help="training time in all, resumed parts included")
    parser.add_argument("--resume", action="store_true", help="go on from OUT/last.pt if it is there")
    parser.add_argument("--init", type=Path, help="start from the weights of a checkpoint or .safetensors file")
    parser.add_argument("--teacher", type=Path, help="a larger network to learn from: checkpoint or .safetensors file")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0, help="processes that draw; 0 draws in the trainer itself")
    parser.add_argument("--labelled", type=Path, help="folder with labels.jsonl and images, for validation")
    parser.add_argument("--validate-every", type=float, default=10.0, help="minutes between validations")
    parser.add_argument("--seed", type=int)
    a = parser.parse_args()
    config = Config.from_dict(json.loads(a.config.read_text(encoding="utf-8"))) if a.config else Config()
    if a.seed is not None:
        config = replace(config, seed=a.seed)
    print(
        json.dumps(
            train(
                a.ingredients,
                a.out,
                a.minutes,
                config,
                resume=a.resume,
                device=a.device,
                threads=a.threads,
                workers=a.workers,
                labelled=a.labelled,
                init=a.init,
                teacher=a.teacher,
                seconds_between_validations=60 * a.validate_every,
            )
        )
    )


if __name__ == "__main__":
    main()
