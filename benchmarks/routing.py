#!/usr/bin/env python3
"""What choosing a recognizer word by word costs, and what a better choice could win.

    python -m benchmarks.routing data/receipt_ko data/words_en --out out/routing

Each word that ``OCR.read`` finds is read by every recognizer alone; then the text of each picture is put together again
in the same order under several rules, and compared with the labels (cer_free, as ``benchmarks.accuracy`` has it):

- each language alone
- shipped: as ``OCR.read`` chose
- surest: of all readings the one with the most confidence
- doubtful T: as shipped, but words of the first recognizer with Hangul are given to the others, too, where its
  confidence is under T
- lead D: of all readings the surest, where another language must be surer by D than the first
- oracle: of all readings the one that comes nearest to a place in the labels: no rule can do better

It also tells what share of the CPU time of a picture the recognizers after the first one take. ``--out`` gets
``routing.json``; the table goes to standard output.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.accuracy import cared, rows
from benchmarks.errors import Readers
from benchmarks.misses import distance, fold_text
from edge_ocr.image import load_image

Reading = tuple[str, float]  # text, confidence
Choice = Callable[[dict[str, Any]], str]
DOUBTS = (0.3, 0.5, 0.7, 0.9)
LEADS = (-0.2, -0.1, 0.1, 0.2)
HANGUL = re.compile("[가-힣ㄱ-ㆎ]")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("out/routing"), metavar="DIR")
    parser.add_argument("--lang", default="ko,en", metavar="L,L", help="the recognizers, the first one leads")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--models-dir", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N images of a folder")
    options = parser.parse_args()

    languages = options.lang.split(",")
    if len(languages) < 2:
        parser.error("--lang: give at least two languages; with one there is nothing to choose")
    readers = Readers(languages, options.models_dir, options.threads)
    report: dict[str, Any] = {}
    for folder in options.folders:
        truth = rows(folder / "labels.jsonl")[: options.limit]
        predictions, cpu = read_all(readers, folder, truth)
        rules = all_rules(languages)
        table = {name: measure(truth, predictions, rule) for name, rule in rules.items()}
        table["oracle"] = measure(truth, predictions, None)
        report[folder.name] = {"cer_free": table, "cpu": cpu, "words": count(predictions, languages)}
        print(told(folder.name, report[folder.name]), flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "routing.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


def read_all(
    readers: Readers, folder: pathlib.Path, truth: Sequence[dict[str, Any]]
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Predictions with the readings of each recognizer, and CPU seconds a picture: in all, and of the recognizers
    after the first on the words that they were asked for."""
    readers.ocr.warm_up()
    first = next(iter(readers.single))
    found, total, second = [], 0.0, 0.0
    for row in truth:
        picture = load_image(folder / row["image"])
        start = time.process_time()
        prediction = readers.ocr.read(picture).to_dict()
        total += time.process_time() - start
        quads = [w["quad"] for w in prediction["words"]]
        for word, other in zip(prediction["words"], readers.each(quads, picture), strict=True):
            word["readings"] = other
        asked = [w["quad"] for w in prediction["words"] if not HANGUL.search(w["readings"][first][0])]
        second += readers.seconds(asked, picture, skip=first)
        found.append({"image": row["image"], **prediction})
    n = max(len(truth), 1)
    share = second / total if total else 0.0
    return found, {"total_s": round(total / n, 3), "second_s": round(second / n, 3), "share": round(share, 3)}


def all_rules(languages: Sequence[str]) -> dict[str, Choice]:
    """The rules by name; each takes a word with its readings and gives a text."""
    lead = languages[0]

    def surest(readings: dict[str, Reading], ahead: float = 0.0) -> str:
        best, sure = readings[lead][0], readings[lead][1] + ahead
        for language, (text, confidence) in readings.items():
            if language != lead and text and (confidence > sure or not best):
                best, sure = text, confidence
        return best

    def doubtful(word: dict[str, Any], under: float) -> str:
        text, confidence = word["readings"][lead]
        keep = HANGUL.search(text) and confidence >= under
        return str(text) if keep else surest(word["readings"])

    rules: dict[str, Choice] = {x: lambda w, x=x: w["readings"][x][0] for x in languages}
    rules["shipped"] = lambda w: w["text"]
    rules["surest"] = lambda w: surest(w["readings"])
    rules |= {f"doubtful {t}": lambda w, t=t: doubtful(w, t) for t in DOUBTS}
    rules |= {f"lead {d:+}": lambda w, d=d: surest(w["readings"], d) for d in LEADS}
    return rules


def measure(
    truth: Sequence[dict[str, Any]], predictions: Sequence[dict[str, Any]], rule: Choice | None
) -> float:
    """cer_free under a rule; None: the choice that comes nearest to the labels."""
    errors = length = 0
    for row, prediction in zip(truth, predictions, strict=True):
        labels = [fold_text(t).chars for t in cared(row)]
        everything = "\n".join(labels)
        words = prediction["words"]
        texts = [nearest(w, everything) if rule is None else rule(w) for w in words]
        order = [k for line in prediction["lines"] for k in line["words"]]
        got = "".join(fold_text(texts[k]).chars for k in order)
        errors += sum(min(len(t), distance(t, got, anywhere=True)) for t in labels)
        length += sum(map(len, labels))
    return round(errors / max(length, 1), 4)


def nearest(word: dict[str, Any], everything: str) -> str:
    """The reading with most letters that stand in the labels, less those that do not; the chosen one among equals."""

    def worth(text: str) -> int:
        folded = fold_text(text).chars
        return len(folded) - 2 * distance(folded, everything, anywhere=True)

    texts = [word["text"], *(text for text, _ in word["readings"].values())]
    return str(max(texts, key=worth))


def count(predictions: Sequence[dict[str, Any]], languages: Sequence[str]) -> dict[str, Any]:
    """How many words there are, how many each language was chosen for, and how many the first reads without Hangul."""
    words = [w for p in predictions for w in p["words"]]
    chosen = {x: sum(w["language"] == x for w in words) for x in languages}
    open_ = sum(not HANGUL.search(w["readings"][languages[0]][0]) for w in words)
    mean = {x: round(float(np.mean([w["readings"][x][1] for w in words] or [0])), 3) for x in languages}
    return {"all": len(words), "chosen": chosen, "asked_again": open_, "mean_confidence": mean}


def told(name: str, entry: dict[str, Any]) -> str:
    rules = "  ".join(f"{k} {v:.3f}" for k, v in entry["cer_free"].items())
    cpu, words = entry["cpu"], entry["words"]
    return (
        f"{name:12s} {rules}\n    {words['all']} words, {words['asked_again']} asked again; CPU {cpu['total_s']} s a "
        f"picture, {cpu['second_s']} s ({100 * cpu['share']:.0f} %) for the second recognizer"
    )


if __name__ == "__main__":
    sys.exit(main())
