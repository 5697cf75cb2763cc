"""The stages from a training run to a registered model, each of which can be run alone and goes on from what the ones
before it left in the work folder.

A stage leaves ``<stage>.json``: the key of everything that it depends on (files by their sha256, options by value) and
its figures. It is skipped while its key is the same, so that a build that was cut off goes on where it stopped, and one
whose gate was moved does not quantise again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import edge_ocr
from calibration.samples import Mix, Samples, calibration_samples
from edge_ocr import manifest as m
from edge_ocr.engine import OnnxEngine
from export import cost
from export.checkpoint import find, keep_weights, load_trained
from export.gates import GateError, HeldOut, Limits, losses, measure
from export.half import halve
from export.manifests import beside, describe, existing
from export.onnx import export_network
from export.parity import check_parity
from export.quantize import Plan, described, fused, quantise_model

__all__ = ["STAGES", "Build", "Job"]

STAGES = ("prune", "tune", "export", "quantise", "manifest", "parity", "register", "tflite")
# Changes when what a stage does changes in a way that its files do not show.
_VERSION = 2


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be built: the model ``name`` out of ``run``, in ``precision``, into ``out/name``; ``work`` holds what
    the stages leave. ``prune``: the share of multiply-adds that stays, in ``rounds`` steps with ``tune_minutes`` of
    training each; None for none. ``tflite``: the Python of an environment that has what export.tflite needs; None for
    no such twin. ``same``: the share of surely read crops that the twin must read alike. ``draw`` and ``samples`` stand
    in for drawn pictures."""

    run: Path
    name: str
    out: Path
    work: Path
    ingredients: str = "ingredients"
    precision: Literal["fp32", "half", "int8"] = "int8"
    prune: float | None = None
    rounds: int = 2
    tune_minutes: float = 15.0
    plan: Plan = field(default_factory=Plan)
    merged: bool = False
    mix: Mix = field(default_factory=Mix)
    limits: Limits = field(default_factory=Limits)
    lines: int = 600
    scenes: int = 200
    labelled: tuple[Path, ...] = ()
    decode: Mapping[str, float] = field(default_factory=dict)
    temperature: float = 1.0
    like: Path | None = None
    measures: Mapping[str, float] = field(default_factory=dict)
    keep: Path | None = None
    tflite: Path | None = None
    same: float = 0.99
    draw: Callable[[m.Manifest], HeldOut] | None = None
    samples: Callable[[m.Manifest, bytes], Samples] | None = None


class Build:
    """Runs the stages of a job. ``say`` is given a line for each."""

    def __init__(self, job: Job, say: Callable[[str], None] = print) -> None:
        self.job, self.say = job, say
        job.work.mkdir(parents=True, exist_ok=True)

    # -- records -------------------------------------------------------------------------------------------------------

    def record(self, stage: str) -> dict[str, Any]:
        """What a stage left: its figures, or nothing where it has not been run."""
        path = self.job.work / f"{stage}.json"
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return found

    def _note(self, stage: str, key: str, figures: dict[str, Any]) -> None:
        path = self.job.work / f"{stage}.json"
        temp = path.with_suffix(".tmp")
        text = json.dumps({"key": key, **figures}, indent=1, ensure_ascii=False)
        temp.write_text(text + "\n", encoding="utf-8")
        temp.replace(path)

    def run(self, *, only: tuple[str, ...] = (), again: tuple[str, ...] = ()) -> None:
        """All stages, or ``only`` some, whose forerunners must have been run; ``again``: though nothing changed. Raises
        GateError (see ``parity``), ValueError and FileNotFoundError for what does not fit together."""
        for stage in STAGES:
            if not only or stage in only:
                self.stage(stage, again=stage in again or stage in only)

    def stage(self, stage: str, *, again: bool = False) -> None:
        key = self._key(stage)
        if not again and self.record(stage).get("key") == key and self._there(stage):
            self.say(f"{stage}: as before")
            return
        (self.job.work / f"{stage}.json").unlink(missing_ok=True)  # what it said holds no more
        figures: dict[str, Any] = getattr(self, stage)()
        self._note(stage, key, figures)
        told = {k: v for k, v in figures.items() if isinstance(v, (int, float, str)) and k != "sha256"}
        self.say(f"{stage}: " + (", ".join(f"{k} {v}" for k, v in told.items()) or "done"))

    def _key(self, stage: str) -> str:
        job = self.job
        upto = STAGES[: STAGES.index(stage)]
        before = {s: self.record(s).get("key") for s in upto}
        own: dict[str, Any] = {
            "prune": lambda: {"run": _digest(find(job.run)), "share": job.prune, "rounds": job.rounds},
            "tune": lambda: {"minutes": job.tune_minutes if job.prune else 0, "ingredients": job.ingredients},
            "export": lambda: {"like": str(job.like), "decode": dict(job.decode), "temperature": job.temperature},
            "quantise": lambda: {
                "precision": job.precision,
                "plan": dataclasses.asdict(job.plan) | {"measured": {}},
                "merged": job.merged,
                "mix": dataclasses.asdict(job.mix),
            },
            "manifest": lambda: {"measures": dict(job.measures)},
            "parity": lambda: {
                "limits": dataclasses.asdict(job.limits),
                "held out": [job.lines, job.scenes, [str(x) for x in job.labelled]],
            },
            "register": lambda: {"out": str(job.out.resolve()), "keep": str(job.keep)},
            "tflite": lambda: {"python": str(job.tflite), "same": job.same},
        }[stage]()
        text = json.dumps([_VERSION, stage, before, own], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def _there(self, stage: str) -> bool:
        """Whether the files that a stage left are still those that it wrote."""
        wanted: dict[str, str] = self.record(stage).get("files", {})
        return all(Path(path).is_file() and _digest(Path(path)) == digest for path, digest in wanted.items())

    def _files(self, *paths: Path) -> dict[str, str]:
        return {str(p): _digest(p) for p in paths}

    def _needs(self, path: Path, stage: str) -> Path:
        if not path.exists():
            raise FileNotFoundError(f"{path}: is not there; run the stage {stage!r} first")
        return path

    # -- the stages ----------------------------------------------------------------------------------------------------

    def prune(self) -> dict[str, Any]:
        """All rounds but the last with the training in between: ``tune`` is what follows the last one."""
        job = self.job
        if job.prune is None:
            return {"skipped": "nothing is pruned"}
        from export.prune import drawn_inputs, prune_trained

        source, rows = find(job.run), []
        for turn in range(1, job.rounds + 1):
            target = job.work / f"pruned-{turn}"
            share = job.prune ** (turn / job.rounds)
            if _of(target, {"source": _digest(source), "share": share}):
                trained, base = load_trained(source), load_trained(find(job.run))
                inputs = drawn_inputs(trained, job.name, job.ingredients)
                left = share * cost.macs(base) / cost.macs(trained)
                prune_trained(trained, left, target, name=job.name, inputs=inputs)
            rows.append(json.loads((target / "report.json").read_text(encoding="utf-8")))
            self.say(f"prune: round {turn} of {job.rounds}: {rows[-1]['macs'] / 1e6:.0f} million multiply-adds")
            if turn < job.rounds:
                source = self._train(target, job.work / f"tuned-{turn}")
        return {"rounds": rows, "files": self._files(job.work / f"pruned-{job.rounds}" / "last.pt")}

    def tune(self) -> dict[str, Any]:
        job = self.job
        if job.prune is None or job.tune_minutes <= 0:
            return {"skipped": "nothing to tune"}
        source = self._needs(job.work / f"pruned-{job.rounds}", "prune")
        return {"minutes": job.tune_minutes, "files": self._files(self._train(source, job.work / "tuned"))}

    def _train(self, pruned: Path, out: Path) -> Path:
        """The trainer of either task, from the pruned weights and with their widths; goes on where it was cut off."""
        job = self.job
        config = json.loads((pruned / "config.json").read_text(encoding="utf-8"))
        task = "detector" if "model" in config else "recognizer"
        command = [sys.executable, "-m", f"training.{task}.train"]
        command += ["--config"] if task == "detector" else []
        command += [str(pruned / "config.json"), "--ingredients", job.ingredients, "--out", str(out)]
        command += ["--init", str(pruned / "last.pt"), "--minutes", str(job.tune_minutes), "--resume"]
        _of(out, {"init": _digest(pruned / "last.pt")})
        self.say("tune: " + " ".join(command[1:]))
        subprocess.run(command, check=True)
        return out / "last.pt"

    def source(self) -> Path:
        """The checkpoint that is exported: that of the run, or what became of it by pruning and training."""
        job = self.job
        if job.prune is None:
            return find(job.run)
        if job.tune_minutes <= 0:
            return self._needs(job.work / f"pruned-{job.rounds}" / "last.pt", "prune")
        return self._needs(job.work / "tuned" / "last.pt", "tune")

    def export(self) -> dict[str, Any]:
        """The float model as a folder of its own, and where it was pruned also that of the run."""
        job = self.job
        found: dict[str, Any] = {"files": {}}
        kinds = {"fp32": load_trained(self.source())} | (
            {"base": load_trained(job.run)} if job.prune is not None else {}
        )
        here = [job.like] if job.like else [job.out / job.name, Path(edge_ocr.__file__).parent / "weights" / job.name]
        for kind, trained in kinds.items():
            if (trained.task == "detect") != (job.name == "detector"):
                raise ValueError(f"{job.run}: its network is made to {trained.task}; that is no {job.name!r}")
            folder = job.work / kind / job.name
            folder.mkdir(parents=True, exist_ok=True)
            export_network(trained, folder / "model.onnx")
            describe(
                trained,
                folder,
                name=job.name,
                like=existing(*here),
                decode=job.decode,
                temperature=job.temperature,
            )
            found["files"] |= self._files(folder / "model.onnx", folder / m.FILE_NAME)
            found[kind] = {
                "bytes": (folder / "model.onnx").stat().st_size,
                "macs": cost.macs(trained),
                "parameters": sum(p.numel() for p in trained.net.parameters()),
            }
        return found

    def quantise(self) -> dict[str, Any]:
        job = self.job
        source = self._needs(job.work / "fp32" / job.name, "export")
        manifest = m.load_manifest(source)
        data = m.read_model_file(source, manifest)
        notes: dict[str, Any] = {}
        if job.precision == "int8":
            samples = (job.samples or self._samples)(manifest, data)
            data = quantise_model(manifest, data, samples, plan=job.plan, merged=job.merged)
            integer, floating = fused(data)
            digest = samples.record(job.mix)["sha256"]
            how = dataclasses.asdict(described(job.plan, digest))
            notes = {"integer": integer, "float": floating, "described": how}
        elif job.precision == "half":
            data = halve(data)
        target = job.work / "ship" / job.name
        target.mkdir(parents=True, exist_ok=True)
        (target / "model.onnx").write_bytes(data)
        return {"bytes": len(data), **notes, "files": self._files(target / "model.onnx")}

    def _samples(self, manifest: m.Manifest, data: bytes) -> Samples:
        return calibration_samples(manifest, data, self.job.ingredients, self.job.mix)

    def manifest(self) -> dict[str, Any]:
        job = self.job
        drawn = self._needs(job.work / "fp32" / job.name, "export")
        source = m.load_manifest(drawn)
        target = self._needs(job.work / "ship" / job.name / "model.onnx", "quantise").parent
        quantisation = None
        if how := self.record("quantise").get("described"):
            quantisation = m.Quantisation(**how | {"keep_float": tuple(how["keep_float"])})
        options = f" --prune {job.prune:g}" if job.prune is not None else ""
        options += {"int8": " --int8", "half": " --half", "fp32": ""}[job.precision]
        made = dataclasses.replace(
            source.made, command=f"{source.made.command}; python -m export.build RUN --name {job.name}{options}"
        )
        m.write_manifest(
            target,
            dataclasses.replace(
                source,
                files={"onnx": m.describe_file(target / "model.onnx"), **beside(source, drawn, target)},
                made=made,
                measures=dict(job.measures),
                quantisation=quantisation,
            ),
        )
        return {"files": self._files(target / m.FILE_NAME, target / "model.onnx")}

    def parity(self) -> dict[str, Any]:
        """Network against float graph on pixels, and what ships against the float model of the run on drawn samples,
        CPU time and bytes. What missed its limit stands in the record; ``register`` refuses then."""
        job = self.job
        ship, base = (self._needs(job.work / k / job.name, s) for k, s in (("ship", "manifest"), ("fp32", "export")))
        trained = load_trained(self.source())
        probes = [(trained.given, x[trained.given]) for x in cost.inputs(trained)]
        small = [(1, 64, 96), (2, 160, 128)] if trained.task == "detect" else [(1, 48), (3, 512)]
        probes += [(trained.given, trained.probe(*s, seed=k)) for k, s in enumerate(small)]
        difference = check_parity(trained.deployed, base / "model.onnx", probes, tolerance=float("inf"))
        folders = {"fp32": base, "ship": ship}
        if (job.work / "base" / job.name).is_dir() and job.prune is not None:
            folders = {"base": job.work / "base" / job.name, **folders}
        data = {k: m.read_model_file(f, m.load_manifest(f)) for k, f in folders.items()}
        engines = {k: OnnxEngine(v) for k, v in data.items()}
        first = next(iter(engines))
        ratio = {k: cost.cpu_ratio(engines[first], e, cost.inputs(trained)) for k, e in engines.items() if k != first}
        against = cost.cpu_ratio(engines["fp32"], engines["ship"], cost.inputs(trained))
        errors = self._errors({k: (m.load_manifest(f), data[k], engines[k]) for k, f in folders.items()})
        sizes = {k: len(v) for k, v in data.items()}
        figures = {"difference": difference, "bytes": sizes["ship"], "cpu": against}
        missed = [*job.limits.missed(figures), *losses(errors[first], errors["ship"], job.limits.loss)]
        return {
            "difference": float(f"{difference:.3g}"),
            "cpu": round(against, 3),
            "cpu_by_stage": {first: 1.0, **{k: round(v, 3) for k, v in ratio.items()}},
            "sizes": sizes,
            "errors": errors,
            "loss": {k: round(errors["ship"][k] - v, 4) for k, v in errors[first].items()},
            "limits": dataclasses.asdict(job.limits),
            "missed": missed,
        }

    def _errors(self, models: Mapping[str, tuple[m.Manifest, bytes, OnnxEngine]]) -> dict[str, dict[str, float]]:
        """Errors of each model on the held-out samples, which are drawn if a model was not measured on them yet."""
        job = self.job
        what = [job.ingredients, job.lines, job.scenes, [str(x) for x in job.labelled], job.draw is None]
        path = job.work / "errors.json"
        known: dict[str, dict[str, float]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        held_out: HeldOut | None = None
        found = {}
        for kind, (manifest, data, engine) in models.items():
            how = {k: v for k, v in manifest.to_dict().items() if k in ("input", "output", "decode", "charset")}
            text = json.dumps([_VERSION, what, how, hashlib.sha256(data).hexdigest()], sort_keys=True)
            key = hashlib.sha256(text.encode()).hexdigest()
            if key not in known:
                if held_out is None:
                    self.say("parity: drawing held-out samples")
                    held_out = job.draw(manifest) if job.draw else self._held_out(manifest)
                known[key] = {k: round(v, 5) for k, v in measure(manifest, engine, held_out).items()}
                self.say(f"parity: {kind}: " + ", ".join(f"{k} {v:.4f}" for k, v in known[key].items()))
                path.write_text(json.dumps(known, indent=1), encoding="utf-8")
            found[kind] = known[key]
        return found

    def _held_out(self, manifest: m.Manifest) -> HeldOut:
        job = self.job
        return HeldOut.draw(manifest, job.ingredients, lines=job.lines, scenes=job.scenes, labelled=job.labelled)

    def register(self) -> dict[str, Any]:
        """Puts the model into ``out/name``, in one step, with its figures in model.json. Raises GateError where a
        figure missed its limit."""
        job = self.job
        found = self.record("parity")
        if not found:
            raise FileNotFoundError(f"{job.work}: nothing is registered unmeasured: run the stage 'parity' first")
        if found["missed"]:
            lines = "\n  ".join(found["missed"])
            raise GateError(f"{job.name} is not registered: {len(found['missed'])} figures missed:\n  {lines}")
        ship = job.work / "ship" / job.name
        manifest = m.load_manifest(ship)
        errors = found["errors"]
        figures = {f"fp32 {k}": round(v, 4) for k, v in next(iter(errors.values())).items()}
        figures |= {f"{job.precision} {k}": round(v, 4) for k, v in errors["ship"].items()}
        figures[f"{job.precision} cpu"] = found["cpu_by_stage"]["ship"]
        target = job.out / job.name
        job.out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=job.out, prefix=f".{job.name}-") as temp:
            new, old = Path(temp) / "new", Path(temp) / "old"
            new.mkdir()
            shutil.copyfile(ship / "model.onnx", new / "model.onnx")
            beside(manifest, ship, new)
            m.write_manifest(new, dataclasses.replace(manifest, measures={**figures, **job.measures}))
            m.load_manifest(new)
            if target.exists():
                target.rename(old)
            new.chmod(0o755)
            new.rename(target)
        if job.keep:
            keep_weights(load_trained(self.source()), job.keep / f"{job.name}.safetensors")
        # Not model.json: a temperature or a twin that is entered there later is no reason to begin again.
        return {"folder": str(target), "files": self._files(target / "model.onnx")}

    def tflite(self) -> dict[str, Any]:
        """The TFLite twin, in an environment of its own; it enters itself in the registered model.json."""
        job = self.job
        if job.tflite is None:
            return {"skipped": "not asked for"}
        folder = self._needs(job.out / job.name / m.FILE_NAME, "register").parent
        command = [str(job.tflite), "-m", "export.tflite", str(self.source()), str(folder)]
        command += ["--ingredients", job.ingredients, "--same", str(job.same)]
        self.say("tflite: " + " ".join(command[1:]))
        subprocess.run(command, check=True)
        twin = folder / "model.tflite"
        return {"bytes": twin.stat().st_size, "files": self._files(twin)}


def _of(folder: Path, origin: dict[str, Any]) -> bool:
    """Whether ``folder`` has to be filled: it is emptied first where what lies there was made from something else."""
    note = folder / "origin.json"
    if note.is_file() and json.loads(note.read_text(encoding="utf-8")) == origin:
        return not (folder / "last.pt").is_file()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    note.write_text(json.dumps(origin), encoding="utf-8")
    return True


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
