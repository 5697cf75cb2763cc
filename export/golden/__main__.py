"""Golden files of every stage: ``python -m export.golden`` makes them again, ``--check`` compares with them.

Those of the models (tests/golden/models) belong to the very weights in the models folder. After new weights:

    python -m export.golden --only models        # some seconds

The pictures in them are kept; only ``--draw INGREDIENTS`` draws them anew. What a model reads is recorded, right or
wrong, so that a port can be held against it; what differs from what is written in the picture is said.

``--check`` needs only what the runtime needs, so it also runs on other machines and in emulators (make emulate).
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from edge_ocr.errors import EdgeOcrError
from export.golden import cases, files, frames, run

FOLDER = Path("tests/golden")

_TELLS = (
    "What a model makes of a picture. network: its input as it is, and for each column the best symbol and its natural "
    "log-probability (null: the lead is too small to compare, or, of initial, medial and final, there is no syllable); "
    "of a detector the score map times 255, rounded. frame: a whole picture, end to end; written is what stands in it. "
    "Words are in reading order, regions from top to bottom. Quads are four points (x, y) in pixels, clockwise from "
    "the top left of the text as it is read."
)
# What another processor, or an older OpenCV, may change: see tests/emulate.
_TOLERANCE = {"score_levels": 12, "log_probs": 0.1, "confidence": 0.03, "score": 0.03, "quad": 1.0}
_LEAD = 1.5


def make(out: Path, only: str, models_dir: Path | None, draw: Path | None, inputs: Path) -> None:
    """Writes the golden files into ``out``; pictures of models are drawn from ``draw`` or taken from ``inputs``."""
    if only in ("all", "stages"):
        for kind, (what, tolerance) in cases.WHAT.items():
            found = [{"name": n, "given": given, "want": run.KINDS[kind](given)} for n, given in cases.cases(kind)]
            _write(out, kind, {"what": what, "tolerance": tolerance, "cases": found})
    if only in ("all", "models"):
        for name in frames.NAMES:
            _make_model(out / "models", name, models_dir, draw, inputs / "models")


def _make_model(out: Path, name: str, models_dir: Path | None, draw: Path | None, inputs: Path) -> None:
    model = run.model_of(name, models_dir)
    if draw is not None:
        frame, written = frames.draw(name, draw)
        given = [
            ("network", {"input": frames.network_input(name, frame, model.manifest)}),
            ("frame", {"frame": frame, "written": written}),
        ]
    else:
        given = [(c["name"], c["given"]) for c in files.load(inputs / f"{name}.json")["cases"]]
    found = [{"name": n, "given": g, "want": run.run_model(name, g, models_dir, lead=_LEAD)} for n, g in given]
    _write(
        out,
        name,
        {
            "what": _TELLS,
            "model": {"name": model.manifest.name, "sha256": model.manifest.files["onnx"].sha256},
            "tolerance": _TOLERANCE,
            "cases": found,
        },
    )
    for case in found:
        _compare_with_written(name, case)


def _compare_with_written(name: str, case: dict[str, Any]) -> None:
    if name == "detector" or "written" not in case["given"]:
        return
    want = case["want"]
    read = want["text"] if "text" in want else "\n".join(x["text"] for x in want.get("plates") or want.get("zones", []))
    if read != case["given"]["written"]:
        print(f"note: {name} reads {read!r} where {case['given']['written']!r} is written", file=sys.stderr)


def _write(folder: Path, stem: str, golden: files.GoldenFile) -> None:
    written = files.save(folder, stem, golden)
    size = sum((folder / n).stat().st_size for n in written)
    for old in folder.glob(f"{stem}-*"):
        if old.name not in written and not any(old.name.startswith(f"{k}-") for k in cases.WHAT if k != stem):
            old.unlink()
    print(f"{folder / stem}.json: {len(golden['cases'])} cases, {size / 1000:.0f} kB")


def check(path: Path, models_dir: Path | None) -> list[str]:
    """What edge_ocr does now that the golden file does not say, a sentence each."""
    golden = files.load(path)
    stem, found = path.stem, []
    if "model" in golden:
        model = run.model_of(stem, models_dir).manifest
        if model.files["onnx"].sha256 != golden["model"]["sha256"]:
            return [f"{path}: made with other weights of {stem!r}: python -m export.golden --only models"]
    for case in golden["cases"]:
        got = run.run_model(stem, case["given"], models_dir) if "model" in golden else run.KINDS[stem](case["given"])
        found += [f"{path}: {d}" for d in files.differences(case["want"], got, golden["tolerance"], case["name"])]
    return found


def main() -> int:
    p = argparse.ArgumentParser(
        prog="python -m export.golden", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--check", action="store_true", help="compare instead of writing; status 1 if anything differs")
    p.add_argument("--folder", type=Path, default=FOLDER, help="of the golden files (default: %(default)s)")
    p.add_argument("--only", choices=("all", "stages", "models"), default="all", help="stages need no model")
    p.add_argument("--models", type=Path, metavar="DIR", help="models folder (default: the package's own)")
    p.add_argument("--draw", type=Path, metavar="INGREDIENTS", help="draw the models' pictures anew (needs Pillow)")
    a = p.parse_args()
    try:
        if not a.check:
            make(a.folder, a.only, a.models, a.draw, a.folder if (a.folder / "models").is_dir() else FOLDER)
            return 0
        paths = sorted(a.folder.glob("*.json")) if a.only != "models" else []
        paths += sorted(a.folder.glob("models/*.json")) if a.only != "stages" else []
        if not paths:
            print(f"{a.folder}: no golden files there", file=sys.stderr)
            return 2
        wrong = 0
        for path in paths:
            start = time.perf_counter()
            found = check(path, a.models)
            wrong += bool(found)
            print(f"{'differs' if found else 'ok':8}{path}  {time.perf_counter() - start:.1f} s", flush=True)
            print("".join(f"        {d}\n" for d in found), end="", flush=True)
        print(f"{len(paths) - wrong} passed, {wrong} failed")
        return 1 if wrong else 0
    except EdgeOcrError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
