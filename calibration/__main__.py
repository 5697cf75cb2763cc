"""Everything that model.json says of confidence, measured anew: run it after new weights.

    python -m calibration --models edge_ocr/weights --ingredients DIR --out out/calibration [--write]

1. the temperature of each recognizer (``calibration.temperature``), with calibration errors and reliability diagrams;
2. the operating points of reader and detector on drawn scenes (``calibration.operating``).

``--out`` gets calibration.json and the diagrams. With ``--write`` temperatures, calibration errors and the minimum go
into the model.json files of the recognizers of ``--lang``: the thresholds of the scanners for plates and for
machine-readable zones were chosen at temperature 1, so theirs are measured, and written only where ``--only`` names
them. Without ``--write`` nothing changes. ``--markdown`` prints the README's table.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calibration import operating, temperature
from edge_ocr.manifest import load_manifest


def markdown(report: Mapping[str, Any]) -> str:
    """The calibration errors of each model, before and after."""
    kinds = temperature.KINDS
    head = ["model", "temperature", "characters right", *(f"error, {k}" for k in kinds)]
    rows = [head, ["---"] * len(head)]
    for name, found in report["temperatures"].items():
        drawn = found["expected calibration error"]["drawn"]
        errors = [f"{drawn['before'][k]:.3f} → {drawn['after'][k]:.3f}" for k in kinds]
        rows.append([name, f"{found['temperature']:g}", f"{drawn['characters right']:.3f}", *errors])
    return "\n".join("| " + " | ".join(x) + " |" for x in rows)


def main() -> None:
    p = argparse.ArgumentParser(
        prog="python -m calibration", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--models", type=Path, help="models folder; default: as the runtime finds it")
    p.add_argument("--ingredients", default="ingredients", help="folder of fonts, texts and backgrounds")
    p.add_argument("--out", type=Path, default=Path("out/calibration"), help="folder for figures and diagrams")
    p.add_argument(
        "--lines", type=int, default=1000, help="drawn lines a recognizer: half to fit on, half to measure on"
    )
    p.add_argument(
        "--scenes", type=int, default=60, help="drawn scenes for the operating points; 0: leave them as they are"
    )
    p.add_argument("--lang", default="ko,en", help="recognizers that read scenes together")
    p.add_argument("--only", metavar="NAME,NAME", help="the temperatures of these recognizers alone")
    p.add_argument("--markdown", action="store_true", help="print the README's table")
    p.add_argument("--write", action="store_true", help="put what is found into model.json")
    a = p.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    languages = a.lang.split(",")
    report: dict[str, Any] = {"temperatures": {}}
    for folder in temperature.recognizers(a.models):
        if a.only is not None and folder.name not in a.only.split(","):
            continue
        target = a.out / f"reliability-{folder.name}.png"
        found = temperature.calibrate(folder, a.ingredients, lines=a.lines, plot_to=target)
        report["temperatures"][folder.name] = found
        if a.write and (a.only is not None or set(load_manifest(folder).languages) & set(languages)):
            temperature.write(folder, found)
        print(f"{folder.name}: {json.dumps(found)}", flush=True)
    if a.scenes:
        points = operating.run(a.models, a.ingredients, scenes=a.scenes, languages=languages, wrong=operating.WRONG)
        report["operating points"] = points
        operating.plot(a.out / "operating.png", points)
        if a.write:
            operating.write(a.models, points, languages=languages, detector=False)
        print(f"minimum {points['minimum']:g}, score threshold {points['score_threshold']:g}")
    (a.out / "calibration.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if a.markdown:
        print(markdown(report))


if __name__ == "__main__":
    main()
