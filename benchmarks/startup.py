"""What it costs to start: import, the first reading, memory, and the size of the wheel. Prints JSON.

    python benchmarks/startup.py [--image FILE] [--wheel FILE] [--repeat N] [--threads N]

Each figure is taken in fresh processes: CPU time (user and system, not wall time: other work on the machine would show)
as the median of ``--repeat`` runs, minus nothing. ``--image`` should be a 1280×720 photograph; the demo's is one.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

# Each prints one JSON number or object. The interpreter's own start is measured with the empty one.
CPU = "import resource as r; u = r.getrusage(r.RUSAGE_SELF); print(u.ru_utime + u.ru_stime)"
READ = """
import json, resource, sys, time
from edge_ocr import OCR
ocr = OCR(threads=int(sys.argv[2]))
made = time.process_time()
first = ocr.read(sys.argv[1])
second = ocr.read(sys.argv[1])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"cpu_s_until_ready": made, "peak_rss_mib": peak, "words": len(first.words),
                  "width": first.width, "height": first.height, "first_ms": first.ms, "second_ms": second.ms}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures import time, memory and wheel size; prints JSON.")
    parser.add_argument("--image", type=Path, default=ROOT / "demo" / "sample.jpg")
    parser.add_argument("--wheel", type=Path, help="default: the newest in dist/, if there is one")
    parser.add_argument("--repeat", type=int, default=11)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()

    result: dict[str, Any] = {
        "made_by": "benchmarks/startup.py",
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
        "import_cpu_s": imports(options.repeat),
        "read": json.loads(python(READ, str(options.image), str(options.threads))),
    }
    wheel = options.wheel or max((ROOT / "dist").glob("*.whl"), key=os.path.getmtime, default=None)
    if wheel is not None:
        result["wheel_mb"] = round(wheel.stat().st_size / 1e6, 3)
    print(json.dumps(result, indent=2))


def imports(repeat: int) -> dict[str, float]:
    """Median CPU seconds of a process that imports the module; the runs are interleaved, so that all meet the same
    machine."""
    modules = ("", "numpy", "edge_ocr", "edge_ocr.reader")
    runs: dict[str, list[float]] = {m: [] for m in modules}
    for _ in range(repeat):
        for module in modules:
            runs[module].append(float(python(f"import {module}\n{CPU}" if module else CPU)))
    medians = {m or "nothing": round(statistics.median(values), 4) for m, values in runs.items()}
    own = medians["nothing"]
    medians["edge_ocr_to_numpy"] = round((medians["edge_ocr"] - own) / max(medians["numpy"] - own, 1e-9), 3)
    return medians


def python(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout


if __name__ == "__main__":
    main()
