#!/usr/bin/env python3
"""Reads labelled folders with edge_ocr, keeps what was read, and measures it.

    python -m benchmarks.accuracy data/receipt_ko data/page_ko --out out/accuracy
    python -m benchmarks.accuracy data/* --level word --level receipt_ko=text --score score.py --fold

A folder holds ``images/`` and ``labels.jsonl``, a JSON object a line: ``{"image", "polygons": [[[x, y] × 4] …] | null,
"texts": […], "ignore": […]}``. The level says what is measured:

- word: detection and end-to-end precision, recall and F at IoU 0.5, one to one
- text: cer (texts in the order given), cer_free (each text at its best place in what was read), exact (images read
whole) - find: the share of labelled texts that stand, whole, in what was read

It is the option's for that folder, else the option's for all, else text. With
``--score`` a script is asked instead, as ``score.py LABELS PREDICTIONS --level L [--unit U] [--fold]``, which prints a
JSON object.

``--out`` gets ``<folder>.jsonl`` (as ``edge-ocr read --json`` prints) and ``accuracy.json``; the table goes to standard
output.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import re
import subprocess
import sys
import time
import unicodedata
from typing import Any

import numpy as np

from edge_ocr import OCR, EdgeOcrError
from edge_ocr.geometry import clean, quad_iou_matrix

LEVELS = ("word", "text", "find")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("out/accuracy"), metavar="DIR")
    parser.add_argument("--level", action="append", default=[], metavar="[FOLDER=]LEVEL", help="word, text, find, …")
    parser.add_argument("--unit", action="append", default=[], metavar="[FOLDER=]UNIT", help="words or lines")
    parser.add_argument("--score", type=pathlib.Path, metavar="SCRIPT", help="ask this script for the measures")
    parser.add_argument("--fold", action="store_true", help="compare letters and digits only, without case")
    parser.add_argument("--lang", default="ko,en", metavar="L,L")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--models", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N images of a folder")
    parser.add_argument("--again", action="store_true", help="read only where no predictions are kept")
    options = parser.parse_args()

    options.out.mkdir(parents=True, exist_ok=True)
    levels, units = by_folder(options.level), by_folder(options.unit)
    ocr: OCR | None = None
    report: dict[str, Any] = {}
    for folder in options.folders:
        labels = folder / "labels.jsonl"
        if not labels.is_file():
            print(f"{folder}: has no labels.jsonl, left out", file=sys.stderr)
            continue
        truth = rows(labels)[: options.limit]
        predictions = options.out / f"{folder.name}.jsonl"
        entry: dict[str, Any] = {}
        if not (options.again and predictions.is_file()):
            if ocr is None:
                ocr = OCR(tuple(options.lang.split(",")), threads=options.threads, models_dir=options.models)
                ocr.warm_up()
            entry |= read_all(ocr, folder, truth, predictions)
        level = levels.get(folder.name) or levels.get("") or "text"
        unit = units.get(folder.name) or units.get("") or "words"
        if options.score:
            measures = ask(options.score, labels, predictions, level, unit, options.fold)
        elif level in LEVELS:
            measures = measure(truth, rows(predictions), level, unit, options.fold)
        else:
            print(f"{folder}: level {level!r} needs --score", file=sys.stderr)
            measures = {}
        report[folder.name] = {"level": level, **measures, **entry}
        print(line(folder.name, report[folder.name]), flush=True)
    (options.out / "accuracy.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0 if report else 1


def by_folder(values: list[str]) -> dict[str, str]:
    """``["a=x", "y"]`` -> ``{"a": "x", "": "y"}``."""
    pairs = (v.split("=", 1) if "=" in v else ["", v] for v in values)
    return {name: value for name, value in pairs}  # noqa: C416 - a list of lists, not of pairs


def rows(path: pathlib.Path) -> list[dict[str, Any]]:
    with open(path, encoding="utf-8") as stream:
        return [json.loads(text) for text in stream if text.strip()]


def read_all(ocr: OCR, folder: pathlib.Path, truth: list[dict[str, Any]], target: pathlib.Path) -> dict[str, Any]:
    """Writes a prediction a line, and gives the times: p50 and p95 a stage, and CPU seconds an image."""
    spent: dict[str, list[float]] = {}
    cpu = time.process_time()
    with open(target, "w", encoding="utf-8") as stream:
        for row in truth:
            try:
                reading = ocr.read(folder / row["image"])
            except EdgeOcrError as error:
                print(f"{folder.name}/{row['image']}: {error}", file=sys.stderr)
                stream.write(json.dumps({"image": row["image"], "error": str(error)}, ensure_ascii=False) + "\n")
                continue
            for stage, ms in reading.ms.items():
                spent.setdefault(stage, []).append(ms)
            stream.write(json.dumps({"image": row["image"], **reading.to_dict()}, ensure_ascii=False) + "\n")
    cpu = (time.process_time() - cpu) / max(len(truth), 1)
    p50 = {stage: round(float(np.percentile(v, 50)), 1) for stage, v in spent.items()}
    p95 = {stage: round(float(np.percentile(v, 95)), 1) for stage, v in spent.items()}
    return {"ms_p50": p50, "ms_p95": p95, "cpu_s": round(cpu, 3)}


def ask(
    script: pathlib.Path, labels: pathlib.Path, predictions: pathlib.Path, level: str, unit: str, fold: bool
) -> dict[str, Any]:
    command = [sys.executable, str(script), str(labels), str(predictions), "--level", level]
    command += ["--unit", unit] if level == "word" else []
    command += ["--fold"] if fold and level != "space" else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{script} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def line(name: str, entry: dict[str, Any]) -> str:
    shown = {k: v for k, v in entry.items() if isinstance(v, (int, float)) and k not in ("images", "cpu_s")}
    told = "  ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in shown.items())
    ms = entry.get("ms_p50", {}).get("total")
    return f"{name:16s} {entry['level']:6s} {told}" + (f"  {ms:.0f} ms" if ms is not None else "")


# -- the measures --------------------------------------------------------------------------------------------------


def measure(
    truth: list[dict[str, Any]], predictions: list[dict[str, Any]], level: str, unit: str, fold: bool
) -> dict[str, float]:
    found = {pathlib.Path(p["image"]).name: p for p in predictions}
    pairs = [(row, found.get(pathlib.Path(row["image"]).name, {})) for row in truth]
    return {"word": score_word, "text": score_text, "find": score_find}[level](pairs, unit, fold)


def norm(text: str, fold: bool) -> str:
    text = unicodedata.normalize("NFKC", text)
    if fold:
        text = "".join(c for c in text.casefold() if c.isalnum())
    return re.sub(r"\s+", " ", text).strip()


def cared(row: dict[str, Any]) -> list[str]:
    ignore = row.get("ignore") or [False] * len(row["texts"])
    return [t for t, skip in zip(row["texts"], ignore, strict=True) if not skip]


def all_text(prediction: dict[str, Any]) -> str:
    return " ".join(x["text"] for x in prediction.get("lines", ()))


def edit_distance(a: str, b: str, *, anywhere: bool = False) -> int:
    """Levenshtein distance of a to b, or to the part of b that is nearest."""
    code = np.array([ord(c) for c in b], np.int64)
    step = np.arange(len(b) + 1)
    row = np.zeros_like(step) if anywhere else step.copy()
    for i, c in enumerate(a, 1):
        new = np.empty_like(row)
        new[0] = i
        new[1:] = np.minimum(row[1:] + 1, row[:-1] + (code != ord(c)))
        row = np.minimum.accumulate(new - step) + step
    return int(row.min() if anywhere else row[-1])


def ratio(a: float, b: float) -> float:
    return a / b if b else 0.0


def f_score(p: float, r: float) -> float:
    return ratio(2 * p * r, p + r)


def score_word(pairs: list[tuple[dict[str, Any], dict[str, Any]]], unit: str, fold: bool) -> dict[str, float]:
    wanted = given = matched = right = 0
    for row, prediction in pairs:
        ignore = np.array(row.get("ignore") or [False] * len(row["texts"]), bool)
        truth = clean(np.array(row["polygons"], float).reshape(-1, 4, 2))
        items = prediction.get(unit, [])
        quads = clean(np.array([x["quad"] for x in items], float).reshape(-1, 4, 2))
        iou = quad_iou_matrix(truth, quads)
        # What lies mostly in text that nobody has to read is neither right nor wrong.
        spare = iou[ignore].max(0, initial=0) > 0.5 if len(quads) else np.zeros(0, bool)
        iou[ignore] = 0
        iou[:, spare] = 0
        order = np.argsort(-iou, axis=None, kind="stable")
        left, free = set(range(len(truth))), set(range(len(quads)))
        for k in order:
            i, j = divmod(int(k), max(len(quads), 1))
            if iou.size == 0 or iou[i, j] < 0.5:
                break
            if i in left and j in free:
                left.remove(i)
                free.remove(j)
                matched += 1
                right += norm(row["texts"][i], fold) == norm(items[j]["text"], fold)
        wanted += int((~ignore).sum())
        given += len(quads) - int(spare.sum())
    p, r = ratio(matched, given), ratio(matched, wanted)
    ep, er = ratio(right, given), ratio(right, wanted)
    return {
        "images": len(pairs), "det_precision": p, "det_recall": r, "det_f": f_score(p, r), "e2e_f": f_score(ep, er),
    }  # fmt: skip


def score_text(pairs: list[tuple[dict[str, Any], dict[str, Any]]], unit: str, fold: bool) -> dict[str, float]:
    errors = free = length = exact = 0
    for row, prediction in pairs:
        texts = [norm(t, fold) for t in cared(row)]
        want, got = norm(" ".join(cared(row)), fold), norm(all_text(prediction), fold)
        errors += edit_distance(want, got)
        free += sum(min(len(t), edit_distance(t, got, anywhere=True)) for t in texts)
        length += len(want)
        exact += want == got
    n = len(pairs)
    return {"images": n, "cer": ratio(errors, length), "cer_free": ratio(free, length), "exact": ratio(exact, n)}


def score_find(pairs: list[tuple[dict[str, Any], dict[str, Any]]], unit: str, fold: bool) -> dict[str, float]:
    wanted = found = 0
    for row, prediction in pairs:
        read = norm(all_text(prediction), fold)
        wanted += len(cared(row))
        found += sum(norm(t, fold) in read for t in cared(row))
    return {"images": len(pairs), "strings": wanted, "found": found, "share": ratio(found, wanted)}


if __name__ == "__main__":
    sys.exit(main())
