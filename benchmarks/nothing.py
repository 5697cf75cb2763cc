"""Scanners over ordinary pictures, which show nothing that they look for: what do they find all the same?

    python -m benchmarks.nothing [idcard] [mrz] [plate] [--ingredients DIR] [--scenes N] [--photos N] [--seed N]

Two kinds of pictures: scenes full of text, drawn anew (receipts, shop pages, documents, signs), and the photographs
that lie behind the drawn text of training. One JSON object on standard output: for each scanner the pictures, how many
finds there were, how many of them were accepted, the CPU time a picture, and what was found. A plate is as good as
accepted.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edge_ocr.image import load_image
from edge_ocr.scanners import idcard, mrz, plate

__all__ = ["main", "measure", "pictures"]

Picture = NDArray[np.uint8]
SCANNERS = {"idcard": idcard.Scanner, "mrz": mrz.Scanner, "plate": plate.Scanner}
KINDS = ("receipt", "page", "document", "sign", "scattered", "blank")


def pictures(folder: Path, *, scenes: int, photos: int, seed: int) -> Iterator[tuple[str, Picture]]:
    """Drawn scenes in faces that no training has seen, then every so many of the photographs."""
    from training.synth.scene import Scenes

    drawn = iter(Scenes.load(folder, seed=seed, size=640, reserved=True, pool=6, shots=2, kinds=KINDS))
    for k in range(scenes):
        scene = next(drawn)
        yield f"{scene.kind} {k}", scene.image
    files = sorted(p for p in (folder / "backgrounds").iterdir() if p.suffix in (".webp", ".jpg", ".png"))
    for path in files[:: max(1, len(files) // max(photos, 1))][:photos]:
        yield path.name, load_image(path)


def measure(
    scanners: dict[str, Any], given: Iterator[tuple[str, Picture]], total: int | None = None, out: Path | None = None
) -> dict[str, Any]:
    """Every scanner over every picture. ``out``: a file that is written anew after every ten, so that a slow machine
    shows what it has."""
    rows: dict[str, Any] = {name: {"pictures": 0, "finds": 0, "accepted": 0, "found": []} for name in scanners}
    spent = dict.fromkeys(scanners, 0.0)
    for k, (picture, image) in enumerate(tqdm(given, total=total, unit="picture", disable=None)):
        for name, scanner in scanners.items():
            row, start = rows[name], time.process_time()
            found = scanner.scan(image)
            spent[name] += time.process_time() - start
            row["pictures"] += 1
            row["finds"] += len(found)
            row["accepted"] += sum(bool(getattr(f, "accepted", True)) for f in found)
            row["found"] += [{"picture": picture, **f.to_dict()} for f in found]
            row["cpu_seconds_a_picture"] = round(spent[name] / row["pictures"], 3)
        if out is not None and k % 10 == 9:
            out.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return rows


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("scanners", nargs="*", metavar="SCANNER", help=f"{', '.join(SCANNERS)} (default: all)")
    p.add_argument("--ingredients", type=Path, default=Path("ingredients"))
    p.add_argument("--models", help="folder of models instead of the package's")
    p.add_argument("--scenes", type=int, default=60)
    p.add_argument("--photos", type=int, default=60)
    p.add_argument("--seed", type=int, default=2027)
    p.add_argument("--out", type=Path, metavar="FILE", help="also write the result here, anew after every ten pictures")
    a = p.parse_args()
    unknown = set(a.scanners) - set(SCANNERS)
    if unknown:
        p.error(f"unknown scanner {', '.join(sorted(unknown))}: there are {', '.join(SCANNERS)}")
    cv2.setNumThreads(1)
    chosen = {name: SCANNERS[name](models_dir=a.models) for name in a.scanners or SCANNERS}
    given = pictures(a.ingredients, scenes=a.scenes, photos=a.photos, seed=a.seed)
    text = json.dumps(measure(chosen, given, a.scenes + a.photos, a.out), ensure_ascii=False, indent=1)
    if a.out is not None:
        a.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
