#!/usr/bin/env python3
"""Reads labelled folders with edge_ocr, keeps what was read, and measures it; several sets of models side by side.

    python -m benchmarks.accuracy data/receipt_ko data/page_ko --out out/accuracy
    python -m benchmarks.accuracy data/* --level word --level receipt_ko=text,space --score score.py --fold
    python -m benchmarks.accuracy data/* --models fp32=out/fp32 --models int8=edge_ocr/weights --markdown

A folder holds ``images/`` and ``labels.jsonl``, a JSON object a line: ``{"image", "polygons": [[[x, y] × 4] …] | null,
"texts": […], "ignore": […]}``. The level says what is measured:

- word: detection and end-to-end precision, recall and F at IoU 0.5, one to one; recall_ko and recall_en: the share of
  words with and without Hangul that are found and read
- text: cer (texts in the order given), cer_free (each text at its best place in what was read), exact (images read
  whole); cer_free_ko and cer_free_en: cer_free of the texts with and without Hangul
- space: F of the spaces between characters that both texts have, and the share of characters that could be paired
- find: the share of labelled texts that stand, whole, in what was read
- plate: the share of images of which a word, a line or two joined lines are the plate

It is the option's for that folder, else the option's for all, else text; several with commas. With ``--score`` a script
is asked instead, as ``score.py LABELS PREDICTIONS --level L [--unit U] [--fold]``, which prints a JSON object.

With several ``--models NAME=DIR`` each folder is read with each, and what the second and later ones lose against the
first, FP32 against INT8 for instance, is printed beside; ``--limit-loss`` makes the command fail where a cer_free
grows, or an F or share falls, by more.

``--out`` gets ``<folder>.jsonl`` (as ``edge-ocr read --json`` prints; in a folder of its own for each named set of
models) and ``accuracy.json``; the table goes to standard output.
"""

from __future__ import annotations

import argparse
import datetime
import difflib
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import time
import unicodedata
from typing import Any

import numpy as np

from edge_ocr import OCR, EdgeOcrError
from edge_ocr.geometry import area, clean, quad_iou_matrix

LEVELS = ("word", "text", "space", "find", "plate")
# What tables show of each level, and whether more is better.
SHOWN = {
    "word": {"det_f": True, "e2e_f": True, "recall_ko": True, "recall_en": True},
    "text": {"cer_free": False, "cer": False, "exact": True, "cer_free_ko": False, "cer_free_en": False},
    "space": {"f": True, "coverage": True},
    "find": {"share": True},
    "plate": {"accuracy": True},
}
GATED = ("cer_free", "det_f", "e2e_f", "f", "share", "accuracy")  # of these --limit-loss tells


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
    parser.add_argument("--models", action="append", default=[], metavar="[NAME=]DIR", help="may be repeated")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N images of a folder")
    parser.add_argument("--limit-loss", type=float, metavar="X", help="fail where a later set of models loses more")
    parser.add_argument("--again", action="store_true", help="read only where no predictions are kept")
    parser.add_argument("--markdown", action="store_true", help="print the README's table")
    options = parser.parse_args()

    sets = named(options.models)
    report: dict[str, Any] = {
        "made_by": "benchmarks/accuracy.py", "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
        "command": command("benchmarks.accuracy"), "sets": {},
    }  # fmt: skip
    for name, models in sets.items():
        report["sets"][name] = read_set(options, options.out / name, models)
        if not options.markdown and len(sets) > 1:
            print(f"-- {name}")
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "accuracy.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if options.markdown or len(sets) > 1:
        print(markdown(report))
    lost = losses(report, options.limit_loss) if options.limit_loss is not None else []
    for sentence in lost:
        print(sentence, file=sys.stderr)
    return 1 if lost or not any(report["sets"].values()) else 0


def command(module: str) -> str:
    """How this program was called, for the record: of paths only the last part is told."""
    return " ".join([f"python -m {module}", *(re.sub(r"(?:[^\s=;]*/)(?=[^/])", "", x) for x in sys.argv[1:])])


def named(models: list[str]) -> dict[str, pathlib.Path | None]:
    """``["int8=dir"]`` -> ``{"int8": dir}``; a single folder without a name, or none, has the name ""."""
    if not models:
        return {"": None}
    pairs = (v.split("=", 1) if "=" in v else ["" if len(models) == 1 else pathlib.Path(v).name, v] for v in models)
    found = {name: pathlib.Path(folder) for name, folder in pairs}
    if len(found) != len(models):
        raise SystemExit(f"--models: two have the same name in {', '.join(models)}")
    return dict(found)


def read_set(options: argparse.Namespace, out: pathlib.Path, models: pathlib.Path | None) -> dict[str, Any]:
    """The measures of every folder, read with one set of models, by "folder, level"."""
    out.mkdir(parents=True, exist_ok=True)
    levels, units = by_folder(options.level), by_folder(options.unit)
    ocr: OCR | None = None
    found: dict[str, Any] = {}
    for folder in options.folders:
        labels = folder / "labels.jsonl"
        if not labels.is_file():
            print(f"{folder}: has no labels.jsonl, left out", file=sys.stderr)
            continue
        truth = rows(labels)[: options.limit]
        predictions = out / f"{folder.name}.jsonl"
        entry: dict[str, Any] = {}
        if not (options.again and predictions.is_file()):
            if ocr is None:
                ocr = OCR(tuple(options.lang.split(",")), threads=options.threads, models_dir=models)
                ocr.warm_up()
            entry |= read_all(ocr, folder, truth, predictions)
        unit = units.get(folder.name) or units.get("") or "words"
        for level in (levels.get(folder.name) or levels.get("") or "text").split(","):
            measures: dict[str, Any] = {}
            if level in LEVELS:
                measures = dict(measure(truth, rows(predictions), level, unit, options.fold))
            elif not options.score:
                print(f"{folder}: level {level!r} needs --score", file=sys.stderr)
            if options.score:  # its figures win; those by language are ours alone
                measures |= ask(options.score, labels, predictions, level, unit, options.fold)
            found[f"{folder.name}, {level}"] = {"level": level, **measures, **entry}
            if not options.markdown:
                print(line(folder.name, found[f"{folder.name}, {level}"]), flush=True)
    return found


def markdown(report: dict[str, Any]) -> str:
    """A row a folder and measure, a column a set of models, and what the later ones gain or lose."""
    sets = report["sets"]
    first = next(iter(sets))
    head = ["pictures", "measure", *(name or "edge_ocr" for name in sets), *(f"{x} − {first}" for x in list(sets)[1:])]
    out = [f"{report['date']}, {report['machine']}; `{report['command']}`.", ""]
    out += ["| " + " | ".join(x) + " |" for x in (head, ["---"] * len(head))]
    for what, entry in sets[first].items():
        for key in SHOWN.get(entry["level"], ()):
            values = [s.get(what, {}).get(key) for s in sets.values()]
            if any(v is None for v in values):
                continue
            cells = [f"{v:.3f}" for v in values] + [f"{v - values[0]:+.3f}".replace("-", "−") for v in values[1:]]
            out.append(f"| {what} ({entry['images']}) | {key} | " + " | ".join(cells) + " |")
    return "\n".join(out)


def losses(report: dict[str, Any], limit: float) -> list[str]:
    """A sentence for each figure by which a later set of models is worse than the first by more than ``limit``."""
    found = []
    (_, base), *others = report["sets"].items()
    for name, entries in others:
        for what, entry in entries.items():
            for key, more in SHOWN.get(entry["level"], {}).items():
                if key not in GATED or key not in entry or key not in base.get(what, {}):
                    continue
                loss = (base[what][key] - entry[key]) * (1 if more else -1)
                if not loss <= limit:
                    found.append(
                        f"{name}: {what}, {key} {base[what][key]:.4f} -> {entry[key]:.4f}, worse by {loss:.4f}"
                    )
    return found


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
    scorers = {
        "word": score_word, "text": score_text, "space": score_space, "find": score_find, "plate": score_plate,
    }  # fmt: skip
    return scorers[level](pairs, unit, fold)


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


def has_hangul(text: str) -> bool:
    return any("가" <= c <= "힣" or "ㄱ" <= c <= "ㆎ" for c in text)


def ratio(a: float, b: float) -> float:
    return a / b if b else 0.0


def f_score(p: float, r: float) -> float:
    return ratio(2 * p * r, p + r)


def score_word(pairs: list[tuple[dict[str, Any], dict[str, Any]]], unit: str, fold: bool) -> dict[str, float]:
    wanted = given = matched = right = 0
    by_language = {"ko": [0, 0], "en": [0, 0]}  # read, wanted
    for row, prediction in pairs:
        for text, skip in zip(row["texts"], row.get("ignore") or [False] * len(row["texts"]), strict=True):
            by_language["ko" if has_hangul(text) else "en"][1] += not skip
        ignore = np.array(row.get("ignore") or [False] * len(row["texts"]), bool)
        truth = clean(np.array(row["polygons"], float).reshape(-1, 4, 2))
        items = prediction.get(unit, [])
        quads = clean(np.array([x["quad"] for x in items], float).reshape(-1, 4, 2))
        iou = quad_iou_matrix(truth, quads)
        # What lies mostly in text that nobody has to read is neither right nor wrong.
        common = iou / (1 + iou) * (area(truth)[:, None] + area(quads)[None])
        inside = common[ignore] / np.maximum(area(quads), 1e-9)
        spare = inside.max(0, initial=0) > 0.5 if len(quads) else np.zeros(0, bool)
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
                same = norm(row["texts"][i], fold) == norm(items[j]["text"], fold)
                right += same
                by_language["ko" if has_hangul(row["texts"][i]) else "en"][0] += same
        wanted += int((~ignore).sum())
        given += len(quads) - int(spare.sum())
    p, r = ratio(matched, given), ratio(matched, wanted)
    ep, er = ratio(right, given), ratio(right, wanted)
    return {
        "images": len(pairs), "det_precision": p, "det_recall": r, "det_f": f_score(p, r), "e2e_f": f_score(ep, er),
    } | {f"recall_{k}": ratio(*v) for k, v in by_language.items() if v[1]}  # fmt: skip


def score_text(pairs: list[tuple[dict[str, Any], dict[str, Any]]], unit: str, fold: bool) -> dict[str, float]:
    errors = free = length = exact = 0
    by_language = {"ko": [0, 0], "en": [0, 0]}  # errors, characters
    for row, prediction in pairs:
        texts = [norm(t, fold) for t in cared(row)]
        want, got = norm(" ".join(cared(row)), fold), norm(all_text(prediction), fold)
        errors += edit_distance(want, got)
        for text in texts:
            wrong = min(len(text), edit_distance(text, got, anywhere=True))
            free += wrong
            mine = by_language["ko" if has_hangul(text) else "en"]
            mine[0], mine[1] = mine[0] + wrong, mine[1] + len(text)
        length += len(want)
        exact += want == got
    n = len(pairs)
    found = {"images": n, "cer": ratio(errors, length), "cer_free": ratio(free, length), "exact": ratio(exact, n)}
    return found | {f"cer_free_{k}": ratio(*v) for k, v in by_language.items() if v[1]}


def score_space(pairs: list[tuple[dict[str, Any], dict[str, Any]]], unit: str, fold: bool) -> dict[str, float]:
    """Never folded: folding leaves the spaces out."""

    def split(text: str) -> tuple[str, set[int]]:
        """The characters, and after which of them a space stands."""
        parts = norm(text, False).split(" ")
        ends = np.cumsum([len(x) for x in parts])
        return "".join(parts), {int(e) - 1 for e in ends[:-1]}

    wanted = given = both = length = paired = 0
    for row, prediction in pairs:
        (a, in_a), (b, in_b) = split(" ".join(cared(row))), split(all_text(prediction))
        length += len(a)
        for i, j, n in difflib.SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks():
            paired += n
            for k in range(n - 1):
                wanted += i + k in in_a
                given += j + k in in_b
                both += i + k in in_a and j + k in in_b
    p, r = ratio(both, given), ratio(both, wanted)
    figures = {"precision": p, "recall": r, "f": f_score(p, r), "coverage": ratio(paired, length)}
    return {"images": len(pairs), "spaces": wanted} | figures


def score_plate(pairs: list[tuple[dict[str, Any], dict[str, Any]]], unit: str, fold: bool) -> dict[str, float]:
    """What ``edge-ocr scan plate`` gives, the surest one, else any word, line or two lines; always folded."""
    right = 0
    for row, prediction in pairs:
        want = {norm(t, True) for t in row["texts"]}
        if "plates" in prediction:
            best = max(prediction["plates"], key=lambda x: x["confidence"], default={"text": ""})
            texts = [best["text"]]
        else:
            lines = [x["text"] for x in prediction.get("lines", ())]
            pairs_of_lines = [a + b for a, b in zip(lines, lines[1:], strict=False)]
            texts = lines + [x["text"] for x in prediction.get("words", ())] + pairs_of_lines
        right += bool(want & {norm(t, True) for t in texts})
    return {"images": len(pairs), "right": right, "accuracy": ratio(right, len(pairs))}


def score_find(pairs: list[tuple[dict[str, Any], dict[str, Any]]], unit: str, fold: bool) -> dict[str, float]:
    wanted = found = 0
    for row, prediction in pairs:
        read = norm(all_text(prediction), fold)
        wanted += len(cared(row))
        found += sum(norm(t, fold) in read for t in cared(row))
    return {"images": len(pairs), "strings": wanted, "found": found, "share": ratio(found, wanted)}


if __name__ == "__main__":
    sys.exit(main())
