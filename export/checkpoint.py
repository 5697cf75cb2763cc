"""What a training run left behind, whichever trainer made it: the network, its config, and what it was trained on.

A checkpoint is a trainer's ``.pt`` file, the folder of a run (its ``last.pt`` or, where that is missing, ``final.pt``),
or weights that were kept in half precision as ``.safetensors``, whose header holds the config.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from training.detector.model import Deployed, Detector
from training.detector.train import Config
from training.recognizer.model import ExportRecognizer, Recognizer, RecognizerConfig

__all__ = ["Trained", "keep_weights", "load_trained", "save_trained"]


@dataclass(frozen=True, eq=False)
class Trained:
    """``net`` in eval mode with the averaged weights; ``config`` as the trainer's file holds it; ``digest`` of the
    file."""

    task: Literal["detect", "recognize"]
    net: Any
    config: dict[str, Any]
    samples: int
    seconds: float
    digest: str

    @property
    def deployed(self) -> nn.Module:
        """The network with what its graph holds before and after it: uint8 in."""
        return (Deployed(self.net) if self.task == "detect" else ExportRecognizer(self.net)).eval()

    @property
    def given(self) -> str:
        """The name of the graph's input."""
        return "image" if self.task == "detect" else "crops"

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the graph's outputs, in their order."""
        if self.task == "detect":
            return ("score", "geometry")
        parts = ("initial", "medial", "final") if self.net.config.head == "hangul-factorised" else ()
        return ("symbols", *parts)

    def probe(self, *shape: int, seed: int = 0) -> NDArray[np.uint8]:
        """Pixels to try the network on: detector ``shape`` N, H, W; recognizer N, W. Patches rather than noise, since
        noise makes an average of every activation."""
        rng = np.random.default_rng(seed)
        n, *size = shape if self.task == "detect" else (shape[0], self.net.config.height, shape[1])
        rough = rng.integers(0, 256, (n, -(-size[0] // 8), -(-size[1] // 8), 3), dtype=np.uint8)
        image = rough.repeat(8, 1).repeat(8, 2)[:, : size[0], : size[1]]
        return np.ascontiguousarray(image if self.task == "detect" else image[..., 0])


def find(run: Path) -> Path:
    """The file of a run. Raises FileNotFoundError, which says what was looked for."""
    if not run.is_dir():
        if not run.is_file():
            raise FileNotFoundError(f"{run}: there is no such run or checkpoint")
        return run
    for name in ("last.pt", "final.pt"):
        if (run / name).is_file():
            return run / name
    raise FileNotFoundError(f"{run}: neither last.pt nor final.pt is there; has the run been started?")


def load_trained(run: Path) -> Trained:
    """The averaged network of a run. Raises FileNotFoundError, and ValueError for a file that neither trainer wrote."""
    path = find(run)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if path.suffix == ".safetensors":
        from safetensors import safe_open
        from safetensors.torch import load_file

        with safe_open(path, "pt") as header:
            notes = header.metadata() or {}
        if "model_config" not in notes:
            raise ValueError(f"{path}: its header has no model_config; keep weights with export.build --keep")
        config, samples = json.loads(notes["model_config"]), int(notes.get("samples", 0))
        seconds = float(notes.get("seconds", 0))
        weights = {k: v.float() if v.dtype == torch.float16 else v for k, v in load_file(path).items()}
    else:
        state = torch.load(path, map_location="cpu", weights_only=True)
        config = state.get("model_config") or state.get("config")
        weights = state.get("ema") or state.get("average")
        if config is None or weights is None:
            raise ValueError(f"{path}: holds {sorted(state)}, no config or no averaged weights; is it a run's file?")
        samples, seconds = int(state.get("samples", 0)), float(state.get("seconds", 0))
    net: Any
    if "charset" in config:
        net = Recognizer(RecognizerConfig.from_dict(config))
    else:
        net = Detector(Config.from_dict(config).model)
    net.load_state_dict(weights)
    task: Literal["detect", "recognize"] = "recognize" if "charset" in config else "detect"
    return Trained(task, net.eval(), config, samples, seconds, digest)


def save_trained(trained: Trained, path: Path) -> None:
    """A ``.pt`` file that ``load_trained`` reads and either trainer takes as ``--init``."""
    recognizes = trained.task == "recognize"
    state = {
        "model_config" if recognizes else "config": trained.config,
        "ema" if recognizes else "average": trained.net.state_dict(),
        "samples": trained.samples,
        "seconds": trained.seconds,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temp = path.with_suffix(".tmp")
    torch.save(state, temp)
    temp.replace(path)


def keep_weights(trained: Trained, path: Path) -> None:
    """The averaged weights in half precision, with the config in the header, so that a later run can go on from them
    with ``--init``."""
    from safetensors.torch import save_file

    tensors = {
        k: (v.half() if v.dtype == torch.float32 else v).contiguous() for k, v in trained.net.state_dict().items()
    }
    notes = {
        "model_config": json.dumps(trained.config, ensure_ascii=True),
        "samples": str(trained.samples),
        "seconds": f"{trained.seconds:.0f}",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, metadata=notes)
    path.chmod(0o644)
