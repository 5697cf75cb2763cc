"""Drawn identity papers, found and read with the shipped models: how many fields come out exactly right.

    python -m benchmarks.cards [KIND...] [--ingredients DIR] [--count N] [--seed N] > cards.json

Cards of invented people are drawn anew in faces that no training has seen, photographed as a hand and a lens do it, and
scanned as ``edge-ocr scan idcard`` does. A field is right when its value is, letter by letter (``exact``), or but for
spaces, punctuation and case (``fold``). One JSON object on standard output: shares by kind and field, and over all;
``accepted`` of cards, and ``wrong_of_accepted``: accepted cards with a wrong name or number.
"""

from __future__ import annotations

import argparse
import collections
import json
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge_ocr.scanners import idcard
from edge_ocr.scanners.card_values import fold
from training.synth.cards import KINDS, CardSynth, Photo

__all__ = ["main", "measure"]

_IDENTITY = ("name", "rrn", "alien_number", "licence_number", "passport_number")


def measure(
    scanner: idcard.Scanner, photos: Iterable[Photo], *, tell: bool = False, out: str | None = None
) -> dict[str, Any]:
    """Scans photographs and compares every field with the truth. ``out``: a file that is written anew after every ten,
    so that a slow machine shows what it has."""
    fields: dict[str, dict[str, list[int]]] = {kind: {} for kind in KINDS}
    cards: dict[str, collections.Counter[str]] = {kind: collections.Counter() for kind in KINDS}
    spent = 0.0
    for k, photo in enumerate(photos):
        start = time.process_time()
        found = next((c for c in scanner.scan(photo.image) if c.kind == photo.kind), None)
        spent += time.process_time() - start
        count = cards[photo.kind]
        count["cards"] += 1
        count["found"] += found is not None
        wrong = {}
        for name, truth in photo.fields.items():
            row = fields[photo.kind].setdefault(name, [0, 0, 0])
            read = found.fields[name].value if found is not None and name in found.fields else ""
            row[0] += 1
            row[1] += read == truth
            row[2] += fold(read) == fold(truth)
            if fold(read) != fold(truth):
                wrong[name] = (truth, read)
        if found is not None and found.accepted:
            count["accepted"] += 1
            count["wrong_of_accepted"] += any(name in wrong for name in _IDENTITY)
        if tell and wrong:
            print(f"{k} {photo.kind}: {wrong}", file=sys.stderr, flush=True)
        if out is not None and k % 10 == 9:
            _write(out, _report(fields, cards, spent))
    return _report(fields, cards, spent)


def _write(path: str, report: dict[str, Any]) -> None:
    Path(path).write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _report(
    fields: dict[str, dict[str, list[int]]], cards: dict[str, collections.Counter[str]], spent: float
) -> dict[str, Any]:
    def shares(rows: list[list[int]]) -> dict[str, Any]:
        total, exact, folded = (sum(r[i] for r in rows) for i in range(3))
        return {"fields": total, "exact": round(exact / max(total, 1), 4), "fold": round(folded / max(total, 1), 4)}

    people = sum(c["cards"] for c in cards.values())
    out: dict[str, Any] = {"people": people, "cpu_seconds_a_card": round(spent / max(people, 1), 3)}
    out |= shares([row for own in fields.values() for row in own.values()])
    for kind in KINDS:
        if cards[kind]["cards"]:
            each = {name: shares([row])["fold"] for name, row in fields[kind].items()}
            out[kind] = {**dict(cards[kind]), **shares(list(fields[kind].values())), "each_fold": each}
    return out


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("kinds", nargs="*", metavar="KIND", help=f"{', '.join(KINDS)} (default: all)")
    p.add_argument("--ingredients", default="ingredients")
    p.add_argument("--models", help="folder of models instead of the package's")
    p.add_argument("--count", type=int, default=300, help="people of all kinds together (default: %(default)s)")
    p.add_argument("--seed", type=int, default=2026)
    p.add_argument("--difficulty", type=float, default=0.5, help="what hand, light and lens do, 0..1")
    p.add_argument("--trained", action="store_true", help="in the faces of training: to develop with")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--out", metavar="FILE", help="also write the result here, anew after every ten people")
    p.add_argument("--tell", action="store_true", help="what was read wrong, to standard error")
    a = p.parse_args()
    unknown = set(a.kinds) - set(KINDS)
    if unknown:
        p.error(f"unknown kind {', '.join(sorted(unknown))}: there are {', '.join(KINDS)}")
    cv2.setNumThreads(a.threads)
    kinds = a.kinds or list(KINDS)
    synth = CardSynth.load(a.ingredients, reserved=not a.trained, difficulty=a.difficulty)

    def photos() -> Iterator[Photo]:
        for k in range(a.count):
            yield synth.sample(np.random.default_rng([a.seed, k]), kinds[k % len(kinds)])

    scanner = idcard.Scanner(threads=a.threads, models_dir=a.models)
    report = measure(scanner, photos(), tell=a.tell, out=a.out)
    if a.out is not None:
        _write(a.out, report)
    print(json.dumps(report, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
