"""A training run to a model that ships: ``python -m export.build RUN --name NAME --int8 --ingredients DIR``.

RUN is the folder or checkpoint of a detector or recognizer run, or weights that were kept in half precision. NAME is
``detector`` or the language of a recognizer. The stages, each left out where it has nothing to do:

  prune     channels that matter least go, so that --prune of the multiply-adds are left (export.prune)
  tune      the trainer of the task goes on from there
  export    the float network as ONNX, and its model.json
  quantise  INT8 with --int8, weights stored in half precision with --half (export.quantize)
  manifest  the model.json of what ships
  parity    network against graph; float against what ships on drawn samples: error, CPU time, bytes
  register  into OUT/NAME, unless a figure missed its limit (export/budgets.json): then the message says which
  tflite    the twin for TFLite, with --target onnx,tflite (export.tflite)

What a stage leaves lies in WORK, and a stage whose inputs are the same is not run again: a build that was cut off goes
on where it stopped. ``--stage`` runs one stage alone. Figures of all stages: WORK/report.json and WORK/report.html.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path
from subprocess import CalledProcessError

from edge_ocr.errors import EdgeOcrError
from export import quantize
from export.gates import GateError, Limits
from export.parity import ParityError
from export.report import write_report
from export.stages import STAGES, Build, Job

__all__ = ["main"]

# What has a message for whoever gave the command; anything else is a fault of ours and keeps its traceback.
_TOLD = (GateError, ParityError, EdgeOcrError, ValueError, TypeError, FileNotFoundError, CalledProcessError)


def pairs(values: list[str]) -> dict[str, float]:
    """NAME=VALUE options as a dictionary; ValueError for what is none."""
    found = {}
    for x in values:
        name, _, value = x.partition("=")
        if not name or not value:
            raise ValueError(f"{x!r}: expected NAME=VALUE")
        found[name] = float(value)
    return found


def arguments() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("run", type=Path, help="folder of a run, a checkpoint, or kept weights (.safetensors)")
    p.add_argument("--name", required=True, help="detector, or the language of a recognizer")
    p.add_argument("--out", type=Path, default=Path("edge_ocr/weights"), help="models folder that it is registered in")
    p.add_argument("--target", default="onnx", choices=("onnx", "onnx,tflite"), help="files to make")
    p.add_argument(
        "--tflite-python", type=Path, default=Path(sys.executable), help="of an environment that export.tflite runs in"
    )
    p.add_argument("--same", type=float, default=0.99, help="share of surely read crops that the twin must read alike")
    kind = p.add_mutually_exclusive_group()
    kind.add_argument("--int8", dest="precision", action="store_const", const="int8", help="quantise")
    kind.add_argument("--half", dest="precision", action="store_const", const="half", help="store in 16 bits")
    kind.add_argument("--fp32", dest="precision", action="store_const", const="fp32", help="as trained (default)")
    p.add_argument("--work", type=Path, help="where the stages leave their files; default: build/models/NAME")
    p.add_argument("--stage", action="append", default=[], choices=STAGES, help="only this one; may be repeated")
    p.add_argument("--again", action="append", default=[], choices=STAGES, help="run though nothing changed")
    p.add_argument("--keep", type=Path, help="folder for the trained weights in half precision, for a later --init")
    p.add_argument("--like", type=Path, help="model whose thresholds are taken over; default: the one there already")
    p.add_argument("--measure", action="append", default=[], metavar="NAME=VALUE", help="a figure for model.json")
    p.add_argument("--decode", action="append", default=[], metavar="NAME=VALUE", help="a threshold, over --like's")
    p.add_argument("--temperature", type=float, default=1.0, help="a recognizer's confidence temperature")
    q = p.add_argument_group("gate")
    for f in dataclasses.fields(Limits):
        help_ = {"loss": "how much an error may grow", "difference": "between network and float graph"}
        text = help_.get(f.name, {"bytes": "of the file", "cpu": "CPU time to the float model's"}.get(f.name))
        q.add_argument(f"--limit-{f.name}", type=int if f.name == "bytes" else float, help=text)
    q = p.add_argument_group("pruning")
    q.add_argument("--prune", type=float, metavar="R", help="share of the multiply-adds that stays, such as 0.6")
    q.add_argument("--rounds", type=int, default=2, help="in so many rounds, with training after each")
    q.add_argument("--tune-minutes", type=float, default=15.0, help="length of each training")
    quantize.options(p.add_argument_group("quantising and measuring"))
    return p


def job_of(a: argparse.Namespace) -> Job:
    """The job that the options ask for. Raises ValueError for options that make no sense."""
    if a.prune is not None and not 0 < a.prune < 1:
        raise ValueError(f"--prune {a.prune}: expected a share between 0 and 1")
    if a.rounds < 1:
        raise ValueError(f"--rounds {a.rounds}: expected at least 1")
    precision = a.precision or "fp32"
    limits = Limits.of(a.name) if precision == "int8" else Limits()
    given = {f.name: getattr(a, f"limit_{f.name}") for f in dataclasses.fields(Limits)}
    return Job(
        run=a.run,
        name=a.name,
        out=a.out,
        work=a.work or Path("build/models") / a.name,
        ingredients=a.ingredients,
        precision=precision,
        prune=a.prune,
        rounds=a.rounds,
        tune_minutes=a.tune_minutes,
        plan=quantize.plan_of(a.name, a.plan, a.quantizer),
        merged=a.merged,
        limits=dataclasses.replace(limits, **{k: v for k, v in given.items() if v is not None}),
        lines=a.lines,
        scenes=a.scenes,
        labelled=tuple(a.labelled),
        decode=pairs(a.decode),
        temperature=a.temperature,
        like=a.like,
        measures=pairs(a.measure),
        keep=a.keep,
        tflite=a.tflite_python if "tflite" in a.target else None,
        same=a.same,
    )


def main(argv: list[str] | None = None) -> int:
    a = arguments().parse_args(argv)
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - started:5.0f} s] {line}", flush=True)

    try:
        build = Build(job_of(a), say)
        try:
            build.run(only=tuple(a.stage), again=tuple(a.again))
        finally:
            say(f"report: {write_report(build)}")
    except _TOLD as error:
        print(f"{a.name}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
