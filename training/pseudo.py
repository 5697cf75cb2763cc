"""Find the text that background pictures already hold, with an open model, so that it is not taught as "no text".

    python -m training.pseudo --ingredients DIR [--out training/synth/background_text.json]

Needs ``pip install rapidocr onnxruntime`` (the PP-OCRv6 models in its wheel are Apache-2.0) in the Python that runs
it. Wallpapers and road frames are read once; what is found goes into one small file: for each picture its name, and for
each text the corners in parts of the picture's width and height and whether it is certainly one word (read surely, no
space in it). The drawing of scenes takes certain words as words and leaves everything else out of the loss. No text is
kept.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

__all__ = ["find", "main"]

FOLDERS = ("backgrounds", "backgrounds_road")
SURE = 0.92  # the reader's confidence from which a text without spaces is one word


def find(read: object, image: np.ndarray) -> list[dict[str, object]]:
    """``read`` is a ``rapidocr.RapidOCR``; image uint8 [H, W, 3] BGR -> ``quad`` (four [x, y] in 0..1) and ``word``."""
    h, w = image.shape[:2]
    result = read(image)  # type: ignore[operator]
    if result.boxes is None:
        return []
    found = []
    for quad, text, score in zip(result.boxes, result.txts, result.scores, strict=True):
        q = np.round(np.asarray(quad, float) / (w, h), 4)
        found.append({"quad": q.tolist(), "word": bool(score >= SURE and len(text) > 1 and " " not in text)})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ingredients", type=Path, required=True, help="folder with backgrounds and backgrounds_road")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "synth" / "background_text.json")
    a = parser.parse_args()
    try:
        from rapidocr import RapidOCR
        from tqdm import tqdm
    except ImportError as e:
        raise SystemExit(f"{e}: pip install rapidocr onnxruntime tqdm") from e
    read = RapidOCR(
        params={
            "Global.log_level": "error",
            "Global.text_score": 0.0,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        }
    )
    paths = sorted(p for folder in FOLDERS for p in (a.ingredients / folder).glob("*.*") if p.suffix != ".jsonl")
    out: dict[str, list[dict[str, object]]] = {}
    for path in tqdm(paths, unit="picture"):
        image = cv2.imread(str(path))
        if image is not None and (found := find(read, image)):
            out[path.name] = found
    a.out.write_text(json.dumps(out, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{a.out}: text in {len(out)} of {len(paths)} pictures")


if __name__ == "__main__":
    main()
