"""Train a recognizer: ``python -m training.recognizer.train ko --ingredients DIR --out runs/ko --minutes 120``.

The schedule is a function of the time used, so a run ends when it was told to, with its learning rate at zero. It
can be cut off at any moment: the same command with ``--resume`` goes on from the last checkpoint. The same command
runs on the CPU and, with ``--device cuda``, on one GPU.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from edge_ocr.ctc import LogProbs, greedy
from edge_ocr.preprocess import crop_to_line
from edge_ocr.scanners.strings import distance
from training.recognizer.data import LineBatches, bucket_of, collate, held_out, labelled_crops
from training.recognizer.hard import Hard
from training.recognizer.loss import objective, per_character
from training.recognizer.model import Recognizer, RecognizerConfig
from training.synth.fonts import prepare_faces
from training.synth.line import Sample

__all__ = ["build", "evaluate", "load_checkpoint", "main"]

MODEL_KEYS = ("head", "sequence", "widths", "dim", "heads", "layers", "feed_forward", "lstm_hidden", "dropout")


def build(config: dict[str, Any]) -> Recognizer:
    charset = Path(config["charset"]).read_text(encoding="utf-8").rstrip("\n")
    return Recognizer(RecognizerConfig.from_dict({"charset": charset, **{k: config[k] for k in MODEL_KEYS}}))


def load_checkpoint(path: str | Path) -> Recognizer:
    """The network of a checkpoint with its EMA weights, ready to evaluate."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    net = Recognizer(RecognizerConfig.from_dict(state["model_config"]))
    net.load_state_dict(state["ema"])
    return net.eval()


def initialise(net: Recognizer, path: str | Path) -> int:
    """Copy every tensor of a checkpoint (``.pt``) or a weights file (``.safetensors``) whose name and shape fit;
    returns how many."""
    if str(path).endswith(".safetensors"):
        from safetensors.torch import load_file

        source = load_file(path)
    else:
        source = torch.load(path, map_location="cpu", weights_only=True)["ema"]
    own = net.state_dict()
    fit = {k: v.to(own[k].dtype) for k, v in source.items() if k in own and own[k].shape == v.shape}
    net.load_state_dict(fit, strict=False)
    return len(fit)


def readings(outputs: dict[str, torch.Tensor], steps: torch.Tensor, charset: str) -> list[str]:
    """What a batch's best paths say."""
    scores = {n: torch.log_softmax(v.detach().float(), -1).cpu().numpy() for n, v in outputs.items()}
    rows = range(len(steps))
    return [greedy(LogProbs.from_outputs(scores, row, int(steps[row]), charset)).text for row in rows]


@torch.no_grad()
def read(net: Recognizer, samples: list[Sample], *, device: str = "cpu", batch: int = 32) -> list[str]:
    """Greedy readings of ``samples``, in their order."""
    order = sorted(range(len(samples)), key=lambda i: samples[i].image.shape[1])
    texts = [""] * len(samples)
    charset = net.config.charset
    for k in range(0, len(order), batch):
        group = order[k : k + batch]
        data = collate([samples[i] for i in group], bucket_of(max(samples[i].image.shape[1] for i in group)))
        scores = net(data.images.to(device))
        for i, text in zip(group, readings(scores, data.steps, charset), strict=True):
            texts[i] = text
    return texts


def evaluate(net: Recognizer, samples: list[Sample], *, device: str = "cpu", fold: bool = False) -> dict[str, float]:
    """Character error rate, and the share of samples read whole. ``fold``: letters and digits only, without case."""

    def norm(s: str) -> str:
        return "".join(c for c in s.casefold() if c.isalnum()) if fold else s

    training = net.training
    net.eval()
    errors = characters = exact = 0
    for sample, text in zip(samples, read(net, samples, device=device), strict=True):
        want, got = norm(sample.text), norm(text)
        errors += distance(want, got)
        characters += len(want)
        exact += want == got
    net.train(training)
    return {"cer": errors / max(characters, 1), "exact": exact / max(len(samples), 1)}


def plot(log: Path, out: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = [json.loads(x) for x in log.read_text().splitlines()]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4))
    left.plot([r["minutes"] for r in rows if "loss" in r], [r["loss"] for r in rows if "loss" in r])
    left.set(xlabel="minutes", ylabel="loss", yscale="log")
    keys = sorted({k for r in rows for k in r if k.endswith("cer")})
    for key in keys:
        right.plot([r["minutes"] for r in rows if key in r], [r[key] for r in rows if key in r], marker=".", label=key)
    right.set(xlabel="minutes", ylabel="character error rate", ylim=(0, 1))
    right.legend()
    figure.tight_layout()
    figure.savefig(out)


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("config", help="a language with a file in training/recognizer/configs, or the path of a JSON config")
    p.add_argument(
        "--ingredients",
        default="ingredients",
        help="folder of fonts, texts and backgrounds (training.ingredients makes one)",
    )
    p.add_argument("--out", type=Path, required=True, help="folder for checkpoints, log and curves")
    p.add_argument("--minutes", type=float, default=120, help="length of the whole run; the schedule follows it")
    p.add_argument("--resume", action="store_true", help="go on from OUT/last.pt if it is there")
    p.add_argument("--init", help="start from the weights of a checkpoint or .safetensors file where shapes fit")
    p.add_argument("--device", default="cpu")
    p.add_argument("--threads", type=int, default=1, help="CPU threads of the trainer")
    p.add_argument("--workers", type=int, default=1, help="processes that draw")
    p.add_argument("--amp", action="store_true", help="bfloat16 autocast (pays on a GPU and on CPUs with AVX512-BF16)")
    p.add_argument("--scale-batch", type=float, default=1.0, help="multiplies the batch, for GPUs")
    p.add_argument("--learning-rate", type=float, help="instead of the config's")
    p.add_argument(
        "--hard",
        type=float,
        metavar="SHARE",
        help="share of the samples, at most, that draw anew what was misread (instead of the config's; 0: none)",
    )
    p.add_argument(
        "--entropy",
        type=float,
        metavar="WEIGHT",
        help="weight of the regulariser against certainty that is not earned (instead of the config's; 0: none)",
    )
    p.add_argument("--sequence", choices=("attention", "lstm"), help="instead of the config's")
    p.add_argument(
        "--labelled",
        nargs="*",
        default=[],
        help="folders with labels.jsonl, measured at each validation, never trained on",
    )
    p.add_argument("--validate-every", type=float, default=6.0, metavar="MINUTES")
    p.add_argument("--seed", type=int, default=1)
    return p.parse_args()


def main() -> None:
    a = arguments()
    path = Path(a.config) if a.config.endswith(".json") else Path(__file__).parent / "configs" / f"{a.config}.json"
    config = json.loads(path.read_text())
    if a.sequence:
        config["sequence"] = a.sequence
    torch.set_num_threads(a.threads)
    cv2.setNumThreads(0)  # OpenCV's thread pool does not survive the fork of the drawing processes
    torch.manual_seed(a.seed)
    a.out.mkdir(parents=True, exist_ok=True)
    prepare_faces(a.ingredients)  # minutes on a machine that draws for the first time
    net = build(config).to(a.device)
    if a.init:
        tqdm.write(f"initialised {initialise(net, a.init)} tensors from {a.init}")
    ema = {k: v.detach().clone() for k, v in net.state_dict().items()}
    decay, plain = [], []
    for p in net.parameters():
        (decay if p.ndim > 1 and p.shape[0] > 1 else plain).append(p)
    peak = a.learning_rate or config["learning_rate"]
    optimiser = torch.optim.AdamW(
        [{"params": decay, "weight_decay": config["weight_decay"]}, {"params": plain, "weight_decay": 0.0}],
        lr=peak,
        betas=(0.9, 0.98),
    )
    step, samples_seen, used = 0, 0, 0.0
    last = a.out / "last.pt"
    if a.resume and last.exists():
        state = torch.load(last, map_location=a.device, weights_only=True)
        net.load_state_dict(state["model"])
        ema = state["ema"]
        optimiser.load_state_dict(state["optimiser"])
        step, samples_seen, used = state["step"], state["samples"], state["seconds"]
        tqdm.write(f"resumed at step {step}, {used / 60:.1f} minutes")
    charset = net.config.charset
    again = Hard(config.get("hard", 0.0) if a.hard is None else a.hard)
    doubt = config.get("entropy", 0.0) if a.entropy is None else a.entropy
    data = LineBatches(
        ingredients=a.ingredients,
        lang=config["lang"],
        charset=charset,
        columns=int(config["batch_columns"] * a.scale_batch),
        max_width=config["max_width"],
        seed=a.seed * 1_000_003 + step,
        synth=config.get("synth", "line"),
        again=again,
    )
    loader = DataLoader(data, batch_size=None, num_workers=a.workers, prefetch_factor=6 if a.workers else None)
    synthetic = held_out(
        a.ingredients,
        lang=config["lang"],
        charset=charset,
        count=config.get("held_out", 600),
        max_width=config["max_width"],
        synth=config.get("synth", "line"),
    )
    real = {}
    for folder in a.labelled:
        crops = labelled_crops(folder)
        lines = [Sample(crop_to_line(c, height=net.config.height), t) for c, t in crops]
        real[Path(folder).name] = [x for x in lines if x.image.shape[1] <= 1024]
    log = (a.out / "log.jsonl").open("a")
    total = a.minutes * 60
    started, saved, validated = time.monotonic() - used, time.monotonic(), time.monotonic()
    running, count = 0.0, 0
    bar = tqdm(
        total=a.minutes,
        unit="min",
        bar_format="{l_bar}{bar}| {n:.1f}/{total:.0f} min {postfix}",
        mininterval=10,
    )

    def snapshot() -> dict[str, Any]:
        return {
            "model_config": net.config.to_dict(),
            "config": config,
            "model": net.state_dict(),
            "ema": ema,
            "optimiser": optimiser.state_dict(),
            "step": step,
            "samples": samples_seen,
            "seconds": time.monotonic() - started,
            "args": {k: str(v) for k, v in vars(a).items()},
        }

    def save(name: str) -> None:
        temp = a.out / (name + ".tmp")
        torch.save(snapshot(), temp)
        temp.replace(a.out / name)

    def validate() -> dict[str, Any]:
        current = {k: v.clone() for k, v in net.state_dict().items()}
        net.load_state_dict(ema)
        row: dict[str, Any] = {
            f"synthetic_{k}": round(v, 4) for k, v in evaluate(net, synthetic, device=a.device).items()
        }
        for name, lines in real.items():
            row |= {f"{name}_{k}": round(v, 4) for k, v in evaluate(net, lines, device=a.device, fold=True).items()}
        net.load_state_dict(current)
        return row

    net.train()
    for batch in loader:
        now = time.monotonic()
        progress = (now - started) / total
        if progress >= 1:
            break
        data.progress.value = progress
        warm = min(1.0, (step + 1) / 300)
        rate = peak * warm * (0.5 * (1 + math.cos(math.pi * progress)) * 0.995 + 0.005)
        for group in optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast(torch.device(a.device).type, torch.bfloat16, enabled=a.amp):
            outputs = net(batch.images.to(a.device, non_blocking=True))
        loss, losses = objective(outputs, batch.texts, batch.steps, charset, doubt)
        if again.share:
            again.tell(batch.recipes, batch.texts, readings(outputs, batch.steps, charset), losses.tolist())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        step += 1
        samples_seen += len(batch.texts)
        k = min(config["ema"], (1 + step) / (20 + step))
        with torch.no_grad():
            for name, value in net.state_dict().items():
                if value.dtype.is_floating_point:
                    ema[name].lerp_(value, 1 - k)
                else:
                    ema[name].copy_(value)
        running += per_character(losses, batch.texts).item()
        count += 1
        if step % 20 == 0:
            bar.n = min((now - started) / 60, a.minutes)
            bar.set_postfix_str(
                f"step {step} loss {running / count:.3f} lr {rate:.1e} {samples_seen / (now - started):.0f} lines/s"
            )
        if now - validated > a.validate_every * 60:
            row = {
                "minutes": round((now - started) / 60, 2),
                "step": step,
                "samples": samples_seen,
                "loss": round(running / count, 4),
                "drawn_again": again.told,
                **validate(),
            }
            log.write(json.dumps(row) + "\n")
            log.flush()
            tqdm.write(json.dumps(row))
            running, count, validated = 0.0, 0, time.monotonic()
        if now - saved > 180:
            save("last.pt")
            saved = time.monotonic()
    save("last.pt")
    row = {"minutes": round((time.monotonic() - started) / 60, 2), "step": step, "samples": samples_seen, **validate()}
    if count:
        row["loss"] = round(running / count, 4)
    log.write(json.dumps(row) + "\n")
    log.close()
    bar.close()
    tqdm.write(json.dumps(row))
    plot(a.out / "log.jsonl", a.out / "curves.png")


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    main()
