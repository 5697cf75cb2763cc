"""How fast training pictures are drawn: lines and scenes per second of CPU time. Prints JSON.

    python benchmarks/synth_speed.py [--ingredients FOLDER] [--seconds N] [--lang ko,en] [--size N] [--out FILE]

One process and one thread. CPU time is counted, not wall time, so other work on the machine shows little; each figure
is the median over stretches of about a second. Loading and the first samples, which fill the caches of fonts, are not
counted; what loading costs is given apart.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
STRETCH = 1.0  # seconds of CPU time


def rate(draw: Callable[[], int], seconds: float, *, warm_up: float) -> dict[str, float]:
    """``draw`` makes one picture and returns its pixels: pictures and megapixels per CPU second."""
    end = time.process_time() + warm_up
    while time.process_time() < end:
        draw()
    pictures, megapixels = [], []
    begin = time.process_time()
    while time.process_time() - begin < seconds:
        start, count, pixels = time.process_time(), 0, 0
        while time.process_time() - start < STRETCH:
            pixels += draw()
            count += 1
        took = time.process_time() - start
        pictures.append(count / took)
        megapixels.append(pixels / took / 1e6)
    return {
        "per_cpu_s": round(statistics.median(pictures), 1),
        "slowest": round(min(pictures), 1),
        "fastest": round(max(pictures), 1),
        "megapixels_per_cpu_s": round(statistics.median(megapixels), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Lines and scenes drawn per CPU second, as JSON.")
    parser.add_argument("--ingredients", type=Path, default=ROOT / "ingredients", help="see training/INGREDIENTS.md")
    parser.add_argument("--seconds", type=float, default=10, help="of CPU time for each figure [%(default)s]")
    parser.add_argument("--lang", default="ko,en", help="languages of the lines [%(default)s]")
    parser.add_argument("--size", type=int, default=384, help="side of a scene in pixels [%(default)s]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the JSON there too")
    options = parser.parse_args()
    if not (options.ingredients / "fonts").is_dir():
        parser.error(f"{options.ingredients}: no fonts there; run training.ingredients, or give --ingredients")
    sys.path.insert(0, str(ROOT))
    import cv2
    import numpy as np

    from training.synth.line import LineSynth
    from training.synth.scene import Scenes

    cv2.setNumThreads(0)
    result: dict[str, Any] = {
        "made_by": "benchmarks/synth_speed.py",
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "lines": {},
    }
    warm_up = min(3.0, options.seconds)
    for lang in options.lang.split(","):
        charset = (ROOT / "training" / "charsets" / f"{lang}.txt").read_text(encoding="utf-8").rstrip("\n")
        rng, start = np.random.default_rng(options.seed), time.process_time()
        lines = LineSynth.load(options.ingredients, lang=lang, charset=charset)
        load = round(time.process_time() - start, 2)

        def line(lines: LineSynth = lines, rng: np.random.Generator = rng) -> int:
            return int(lines.sample(rng).image.size)

        result["lines"][lang] = {"load_cpu_s": load, **rate(line, options.seconds, warm_up=warm_up)}
    start = time.process_time()
    scenes = Scenes.load(options.ingredients, seed=options.seed, size=options.size)
    load = round(time.process_time() - start, 2)

    def scene() -> int:
        height, width = next(scenes).image.shape[:2]
        return int(height * width)

    result["scenes"] = {"size": options.size, "load_cpu_s": load, **rate(scene, options.seconds, warm_up=warm_up)}
    text = json.dumps(result, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
