#!/usr/bin/env python3
"""Sorts every miss on labelled folders by its cause, and shows each with its crop on one HTML page.

    python -m benchmarks.errors data/receipt_ko data/page_ko --out out/errors
    python -m benchmarks.errors data/receipt_ko --predictions out/accuracy/receipt_ko.jsonl

A folder holds ``images/`` and ``labels.jsonl`` (see ``benchmarks.accuracy``). Labels may be words, lines or fields with
polygons, or texts of unknown place; where a picture has one short text and no polygon, the picture is its place.

``--predictions`` takes what ``edge-ocr read --json`` printed, or a file that an earlier run kept, instead of reading
again; from the former, boxes in which nothing was read and choices of the wrong language cannot be told.

``--out`` gets ``errors.html`` (self-contained), ``errors.json``, and the predictions of each folder as
``<folder>.jsonl``.

How it counts. A label costs the edit distance between it and what was read in its place, without spaces, and, unless
``--exact``, without case and without what is no letter or digit; each space lost or added between two characters that
were found costs one more. Every edit has one cause, and the causes add up to the total (benchmarks/misses.py).
``cer_free`` is given beside it: each label against its best place in all that was read (lower by most letters that
were added). ``moved`` counts the labels that were read in another order than the folder's, and their characters, by
height, contrast and blur as well; each is on the page, under that name, but is no part of the total: two who order a
page differently may both be right.

Words away from all labels are false positives, counted apart: where a set does not label all that can be read, they
may be right.
"""

from __future__ import annotations

import argparse
import base64
import html
import json
import pathlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np

from benchmarks.accuracy import rows, score_text
from benchmarks.misses import CAUSES, SPACES, Fault, Misses, Word, classify, distance, explain_page, fold_text
from edge_ocr import OCR, EdgeOcrError
from edge_ocr import geometry as g
from edge_ocr.crop import crop_quads
from edge_ocr.image import load_image
from edge_ocr.models import find_recognizer
from edge_ocr.preprocess import crop_to_line
from edge_ocr.types import Crop

MOVED = "moved"  # of what was read whole, in another order
HEIGHTS = (0, 10, 14, 20, 32, 64)  # pixels
CONTRASTS = (0.0, 0.2, 0.4, 0.6, 0.8)  # 95th less 5th percentile of grey, of 255
BLURS = (0, 300, 1000, 3000, 10000)  # variance of the Laplacian of the line, brought to 32 pixels
ONE_WORD = 40  # characters: so short a text alone without a polygon fills its picture
ADDED = ("wrong_character: added", "false_positive: inside", "split: twice")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("out/errors"), metavar="DIR")
    parser.add_argument("--predictions", action="append", default=[], metavar="[FOLDER=]FILE")
    parser.add_argument("--lang", default="ko,en", metavar="L,L")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    parser.add_argument("--models-dir", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--exact", action="store_true", help="case and punctuation count, too")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N images of a folder")
    parser.add_argument("--most", type=int, default=1500, metavar="N", help="misses shown of a folder, the dearest")
    options = parser.parse_args()

    options.out.mkdir(parents=True, exist_ok=True)
    given = predictions_of(parser, options.predictions, [folder.name for folder in options.folders])
    readers: Readers | None = None
    reports: list[Report] = []
    for folder in options.folders:
        if not (folder / "labels.jsonl").is_file():
            print(f"{folder}: has no labels.jsonl, left out", file=sys.stderr)
            continue
        truth = rows(folder / "labels.jsonl")[: options.limit]
        source = given.get(folder.name) or (given.get("") if len(options.folders) == 1 else None)
        if source is None:
            readers = readers or Readers(options.lang.split(","), options.models_dir, options.threads)
            source = options.out / f"{folder.name}.jsonl"
            with open(source, "w", encoding="utf-8") as stream:
                for row in truth:
                    found = {"image": row["image"], **readers.read(folder / row["image"])}
                    stream.write(json.dumps(found, ensure_ascii=False) + "\n")
        predictions = {pathlib.Path(p["image"]).name: p for p in rows(pathlib.Path(source))}
        report = Report(folder.name, fold=not options.exact)
        for row in truth:
            prediction = predictions.get(pathlib.Path(row["image"]).name, {})
            try:
                picture = load_image(folder / row["image"])
            except EdgeOcrError as error:
                print(f"{error}; left out", file=sys.stderr)
                continue
            examine(report, row, prediction, picture)
        reports.append(report)
        print(told(report), flush=True)
    summary = {r.name: r.summary() for r in reports}
    text = json.dumps(summary, ensure_ascii=False, indent=1) + "\n"
    (options.out / "errors.json").write_text(text, encoding="utf-8")
    (options.out / "errors.html").write_text(page(reports, options.most), encoding="utf-8")
    return 0 if reports else 1


def predictions_of(parser: argparse.ArgumentParser, values: Sequence[str], folders: Sequence[str]) -> dict[str, str]:
    """The file of each folder's predictions, by the folder's name; "" where there is but one folder and it has none."""
    given: dict[str, str] = {}
    for value in values:
        name, _, path = value.rpartition("=")
        if not name and len(folders) > 1:
            parser.error(f"--predictions {value}: of several folders, say which: FOLDER={value}")
        if name and name not in folders:
            parser.error(f"--predictions {value}: no folder is called {name!r}; there are {', '.join(folders)}")
        if not pathlib.Path(path).is_file():
            parser.error(f"--predictions {value}: there is no file {path}")
        given[name] = path
    return given


class Readers:
    """Reads pictures as shipped, and tells also what each recognizer alone reads in every word."""

    def __init__(self, languages: Sequence[str], models_dir: pathlib.Path | None, threads: int) -> None:
        self.ocr = OCR(tuple(languages), threads=threads, models_dir=models_dir)
        several = languages if len(languages) > 1 else ()
        self.single = {x: OCR((x,), threads=threads, models_dir=models_dir) for x in several}
        self.given = {x: find_recognizer(x, models_dir).manifest.input for x in several}

    def read(self, path: pathlib.Path) -> dict[str, Any]:
        try:
            picture = load_image(path)
            reading = self.ocr.read(picture)
            regions = self.ocr.detect(picture)
        except EdgeOcrError as error:
            print(f"{path}: {error}", file=sys.stderr)
            return {"error": str(error)}
        found = reading.to_dict()
        for word, other in zip(found["words"], self.each([w["quad"] for w in found["words"]], picture), strict=True):
            word["readings"] = other
        found["regions"] = [np.round(r.quad, 1).tolist() for r in regions]
        return found

    def each(self, quads: Sequence[Any], picture: np.ndarray) -> list[dict[str, tuple[str, float]]]:
        """What each recognizer alone reads in quads: {language: (text, confidence)}."""
        out: list[dict[str, tuple[str, float]]] = [{} for _ in quads]
        for language, ocr in self.single.items() if len(quads) else ():
            crops = self.crops(quads, picture, language)
            for place, word in zip(out, ocr.recognize(crops), strict=True):
                place[language] = (word.text, round(word.confidence, 4))
        return out

    def seconds(self, quads: Sequence[Any], picture: np.ndarray, *, skip: str) -> float:
        """CPU seconds that all recognizers but ``skip`` take to read quads."""
        spent = 0.0
        for language, ocr in self.single.items() if len(quads) else ():
            if language != skip:
                crops = self.crops(quads, picture, language)
                start = time.process_time()
                ocr.recognize(crops)
                spent += time.process_time() - start
        return spent

    def crops(self, quads: Sequence[Any], picture: np.ndarray, language: str) -> list[Crop]:
        given = self.given[language]
        return crop_quads(picture, np.array(quads, float), height=given.height, margin=given.margin)


# -- collecting ----------------------------------------------------------------------------------------------------


@dataclass
class Entry:
    """One line of the HTML page."""

    image: str
    costs: dict[str, int]
    want: str
    got: str
    crop: str
    high: float = 0.0
    contrast: float = -1.0
    blur: float = -1.0
    confidence: float = -1.0

    @property
    def cost(self) -> int:
        return sum(self.costs.values())


@dataclass
class Report:
    """What is known of a folder."""

    name: str
    fold: bool = True
    images: int = 0
    labels: int = 0
    wrong_labels: int = 0
    characters: int = 0
    errors: int = 0
    spaces: int = 0
    false_characters: int = 0
    false_words: int = 0
    garbled: int = 0
    moved: int = 0
    moved_characters: int = 0
    moved_by: dict[str, Counter[str]] = field(default_factory=dict)
    costs: Counter[str] = field(default_factory=Counter)
    details: Counter[str] = field(default_factory=Counter)
    hit: Counter[str] = field(default_factory=Counter)
    confusions: Counter[tuple[str, str]] = field(default_factory=Counter)
    boxes: Counter[str] = field(default_factory=Counter)
    bins: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    trust: Counter[tuple[int, str]] = field(default_factory=Counter)
    pairs: list[tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    def add(self, misses: Misses, seen: tuple[float, float, float] | None, labels: int = 1) -> None:
        """Counts a label, which stands where ``seen`` (height, contrast, blur) tells."""
        self.labels += labels
        self.characters += misses.length
        self.errors += misses.errors
        self.spaces += misses.spaces
        self.wrong_labels += labels if misses.faults else 0
        self.garbled += misses.errors if misses.garbled else 0
        for f in misses.faults:
            self.costs[f.cause] += f.cost
            if f.detail:
                self.details[f"{f.cause}: {f.detail}"] += f.cost
            if f.cause == "wrong_character" and not misses.garbled:
                self.confusions[f.want, f.got] += f.cost
        self.hit.update({f.cause for f in misses.faults})
        kinds = zip(("height", "contrast", "blur"), (HEIGHTS, CONTRASTS, BLURS), seen or (), strict=False)
        places = [(kind, bin_name(edges, value)) for kind, edges, value in kinds]
        for kind, place in places or [(kind, "unknown") for kind in ("height", "contrast", "blur")]:
            box = self.bins.setdefault(kind, {}).setdefault(place, [0, 0])
            box[0] += misses.length
            box[1] += misses.errors

    def move(self, entry: Entry, seen: tuple[float, float, float], length: int) -> None:
        """Counts a label of so many characters that was read in another order."""
        self.moved += 1
        self.moved_characters += length
        for kind, edges, value in zip(("height", "contrast", "blur"), (HEIGHTS, CONTRASTS, BLURS), seen, strict=True):
            self.moved_by.setdefault(kind, Counter())[bin_name(edges, value)] += length
        self.entries.append(replace(entry, costs={MOVED: length}))

    def trusted(
        self, words: Sequence[dict[str, Any]], faults: Sequence[Fault], false: set[int], known: set[int]
    ) -> None:
        """Counts, by confidence, what words added and what they got wrong."""
        wrong = Counter(f.word for f in faults if f.cause in ("wrong_character", "false_positive", "wrong_language"))
        for k, word in enumerate(words):
            place = min(int(word["confidence"] * 10), 9)
            length = len(fold_text(word["text"], fold=self.fold).chars)
            if k in false:
                self.trust[place, "false"] += length
            elif k in known:
                self.trust[place, "right"] += max(length - wrong[k], 0)
                self.trust[place, "wrong"] += min(wrong[k], length)

    def summary(self) -> dict[str, Any]:
        n = max(self.characters, 1)
        bins = {}
        for kind, edges in (("height", HEIGHTS), ("contrast", CONTRASTS), ("blur", BLURS)):
            names = [bin_name(edges, e) for e in edges] + ["unknown"]
            have = self.bins.get(kind, {})
            bins[kind] = {
                x: {"characters": have[x][0], "lost": have[x][1], "share": round(have[x][1] / max(have[x][0], 1), 4)}
                for x in names
                if x in have
            }
        causes = {
            c: {"cost": self.costs[c], "share": round(self.costs[c] / n, 4), "labels": self.hit[c]}
            for c in sorted(CAUSES, key=lambda c: -self.costs[c])
            if self.costs[c]
        }
        trust = {
            f"{k / 10:.1f}": {kind: self.trust[k, kind] for kind in ("right", "wrong", "false")} for k in range(10)
        }
        return {
            "images": self.images,
            "labels": self.labels,
            "labels_with_misses": self.wrong_labels,
            "characters": self.characters,
            "total": self.errors + self.spaces + self.false_characters,
            "errors": self.errors,
            "errors_share": round(self.errors / n, 4),
            "cer_free": round(score_text(self.pairs, "words", True)["cer_free"], 4),
            # Letters too many, most of which cer_free does not count.
            "added": sum(self.details[k] for k in ADDED),
            "spaces": self.spaces,
            "false_positive": {"words": self.false_words, "characters": self.false_characters},
            "garbled": self.garbled,
            "moved": {
                "labels": self.moved,
                "characters": self.moved_characters,
                "by": {kind: dict(counts.most_common()) for kind, counts in self.moved_by.items()},
            },
            "causes": causes,
            "details": dict(self.details.most_common()),
            "boxes": dict(self.boxes),
            "by": bins,
            "confidence": trust,
            "confusions": [[a, b, c] for (a, b), c in self.confusions.most_common(80)],
        }


def bin_name(edges: Sequence[float], value: float) -> str:
    k = max(int(np.searchsorted(edges, value, side="right")) - 1, 0)
    return f"{edges[k]:g}–{edges[k + 1]:g}" if k + 1 < len(edges) else f"{edges[k]:g}+"


def told(report: Report) -> str:
    s = report.summary()
    causes = "  ".join(f"{c} {v['cost']}" for c, v in s["causes"].items())
    return (
        f"{report.name:12s} {s['characters']} characters, errors {s['errors']} ({s['errors_share']:.3f}; cer_free "
        f"{s['cer_free']:.3f}), spaces {s['spaces']}, false {s['false_positive']['characters']}\n    {causes}"
    )


# -- one picture ---------------------------------------------------------------------------------------------------


def examine(report: Report, row: dict[str, Any], prediction: dict[str, Any], picture: np.ndarray) -> None:
    """Sorts the misses of one picture into a report."""
    report.images += 1
    report.pairs.append((row, prediction))
    ignore = list(row.get("ignore") or [False] * len(row["texts"]))
    texts = list(row["texts"])
    polygons = row.get("polygons")
    if polygons is None and len(texts) == 1 and len(texts[0]) <= ONE_WORD:
        h, w = picture.shape[:2]
        polygons = [[[0, 0], [w, 0], [w, h], [0, h]]]
    words = prediction.get("words", [])
    if polygons is None:
        texts = [t for t, skip in zip(texts, ignore, strict=True) if not skip]
        of_unknown_place(report, row["image"], texts, words, prediction, picture)
        return
    whole = row.get("polygons") is None
    quads = g.clean(np.array(polygons, float).reshape(-1, 4, 2))
    boxes = g.clean(np.array([w["quad"] for w in words], float).reshape(-1, 4, 2))
    groups, false = match(quads, np.array(ignore, bool), boxes, whole=whole)
    count_boxes(report, quads, np.array(ignore, bool), boxes, prediction)
    everything = fold_text(" ".join(x["text"] for x in prediction.get("lines", [])), fold=report.fold).chars
    empty = [q for q in prediction.get("regions", []) if not _known(q, boxes)]
    spaced = spaces_before(prediction)
    faults: list[Fault] = []
    known: set[int] = set()
    order: list[tuple[int, int, int]] = []
    read: list[tuple[Callable[[], Entry], tuple[float, float, float]]] = []
    for labels, some in groups:
        known.update(some)
        names = [texts[k] for k in labels]
        parts = [fold_text(t, fold=report.fold).chars for t in names]
        anywhere = sum(min(len(p), distance(p, everything, anywhere=True)) for p in parts)
        place, spans, extents = lay_out(quads[labels], boxes[some], np.array(empty, float).reshape(-1, 4, 2))
        line = [
            Word(words[k]["text"], *place[n], float(g.heights(boxes[k : k + 1])[0]), spaced[k], others(words[k]), k)
            for n, k in enumerate(some)
        ]
        line.sort(key=lambda w: w.x0 + w.x1)
        line = [w if n else Word(w.text, w.x0, w.x1, w.high, True, w.other, w.number) for n, w in enumerate(line)]
        misses = classify(names, line, spans=spans, boxes=extents, fold=report.fold, anywhere=anywhere)
        seen = look(picture, quads[labels[0]])
        report.add(misses, seen, len(labels))
        faults += misses.faults

        def entry(
            names: list[str] = names, labels: list[int] = labels, some: list[int] = some, line: list[Word] = line,
            misses: Misses = misses, seen: tuple[float, float, float] = seen,
        ) -> Entry:  # fmt: skip
            want = marked(" ".join(names), [f.at for f in misses.faults if f.at >= 0], report.fold)
            corners = np.concatenate([quads[labels], boxes[some]]).reshape(-1, 2)
            crop = shown(picture, corners, quads[labels], boxes[some], seen[0])
            sure = float(np.mean([words[k]["confidence"] for k in some])) if some else -1.0
            costs = Counter({f.cause: 0 for f in misses.faults})
            for f in misses.faults:
                costs[f.cause] += f.cost
            return Entry(row["image"], dict(costs), want, marked_words(line, misses.faults), crop, *seen, sure)

        if misses.faults:
            report.entries.append(entry())
        if misses.used:
            order.append((min(misses.used), misses.length, len(order)))
            read.append((entry, seen))
    # In fields of a card the other texts are not labelled, so what is read there is no mistake.
    false = set() if "fields" in row else false
    count_false(report, row["image"], words, boxes, false, picture)
    report.trusted(words, faults, false, known)
    kept = longest_rising(order)
    for n, (_, length, _) in enumerate(order):
        if n not in kept:
            make, seen = read[n]
            report.move(make(), seen, length)


def others(word: dict[str, Any]) -> tuple[str, ...]:
    return tuple(text for text, _ in word.get("readings", {}).values() if text != word["text"])


def spaces_before(prediction: dict[str, Any]) -> list[bool]:
    """Whether the layout put a space (or the start of a line) before each word."""
    spaced = [True] * len(prediction.get("words", []))
    for line in prediction.get("lines", []):
        at = 0
        for n, k in enumerate(line.get("words", [])):
            text = prediction["words"][k]["text"]
            start = line["text"].find(text, at)
            if start < 0:
                break
            spaced[k] = n == 0 or line["text"][at:start].isspace()
            at = start + len(text)
    return spaced


def _known(quad: Any, boxes: np.ndarray) -> bool:
    q = g.clean(np.array(quad, float)[None])
    return bool(len(boxes)) and float(g.quad_iou_matrix(q, boxes).max(initial=0)) > 0.7


def match(
    quads: np.ndarray, ignore: np.ndarray, boxes: np.ndarray, *, whole: bool = False
) -> tuple[list[tuple[list[int], list[int]]], set[int]]:
    """Which words ``boxes`` ``[M, 4, 2]`` lie in which labels ``quads`` ``[N, 4, 2]``: groups of (labels, words), where
    labels that a box covers together share a group; and the words in no label. ``whole``: all words are in the one
    label."""
    if whole:
        return [([0], list(range(len(boxes))))], set()
    n, m = len(quads), len(boxes)
    shared = np.zeros((n, m))
    meet_i, meet_j = np.nonzero(g.boxes_meet(g.bounding_boxes(quads), g.bounding_boxes(boxes)))
    if len(meet_i):
        shared[meet_i, meet_j] = g.intersection_area(quads[meet_i], boxes[meet_j])
    of_box = shared / np.maximum(g.area(boxes), 1e-9)[None]
    of_label = shared / np.maximum(g.area(quads), 1e-9)[:, None]
    alike = g.heights(boxes)[None] < 2.5 * g.heights(quads)[:, None]
    related = (of_box >= 0.5) | ((of_label >= 0.35) & alike)
    best = shared.argmax(0) if n else np.zeros(m, int)
    # A box that lies in what nobody has to read is neither right nor wrong.
    spared = np.array([bool(n) and ignore[best[k]] and related[best[k], k] for k in range(m)], bool)
    related[ignore] = False
    related[:, spared] = False
    parent = list(range(n))

    def root(k: int) -> int:
        while parent[k] != k:
            k = parent[k]
        return k

    for k in range(m):
        # Beside the label that holds most of it, a box joins only labels that it covers, too.
        mine = [i for i in range(n) if related[i, k]]
        for i in mine[1:]:
            parent[root(i)] = root(mine[0])
    groups: dict[int, tuple[list[int], list[int]]] = {}
    for i in range(n):
        if not ignore[i]:
            groups.setdefault(root(i), ([], []))[0].append(i)
    false = set()
    for k in range(m):
        mine = np.nonzero(related[:, k])[0]
        if len(mine):
            groups[root(int(mine[0]))][1].append(k)
        elif not spared[k]:
            # Half on a label and half beside it is no reading of nothing.
            if of_box[:, k].max(initial=0) < 0.25:
                false.add(k)
            elif not ignore[best[k]]:
                groups[root(int(best[k]))][1].append(k)
    return list(groups.values()), false


Extent = tuple[float, float]


def lay_out(
    labels: np.ndarray, boxes: np.ndarray, empty: np.ndarray
) -> tuple[list[Extent], list[Extent], list[Extent]]:
    """Extents along labels that are laid one behind the other: of each box, each label, and of the empty boxes."""
    _, size, angle = g.oriented_rectangles(labels)
    spans: list[Extent] = []
    at = 0.0
    for wide in size[:, 0]:
        spans.append((at, at + float(wide)))
        at += float(wide)

    def along(quads: np.ndarray, k: int) -> np.ndarray:
        direction = np.array([np.cos(angle[k]), np.sin(angle[k])])
        return (quads - (labels[k][0] + labels[k][3]) / 2) @ direction

    def extent(quad: np.ndarray) -> Extent | None:
        pairs = g.intersection_area(np.repeat(quad[None], len(labels), 0), labels)
        hit = np.nonzero(pairs >= max(0.25 * float(pairs.max()), 1e-9))[0]
        if not len(hit):
            return None
        ends = []
        for k in (hit[0], hit[-1]):
            x = along(quad, int(k))
            ends.append((spans[k][0] + float((x[0] + x[3]) / 2), spans[k][0] + float((x[1] + x[2]) / 2)))
        first, last = ends
        return (first[0], last[1]) if last[1] > first[0] else first

    found = [extent(q) or (0.0, 0.0) for q in boxes]
    bare = [e for q in empty if (e := extent(q)) is not None]
    return found, spans, bare


def count_boxes(
    report: Report, quads: np.ndarray, ignore: np.ndarray, boxes: np.ndarray, prediction: dict[str, Any]
) -> None:
    """How labels and boxes fit, as detection is scored: at IoU 0.5, by words and by lines."""
    lines = g.clean(np.array([x["quad"] for x in prediction.get("lines", [])], float).reshape(-1, 4, 2))
    for unit, some in (("words", boxes), ("lines", lines)):
        iou = g.quad_iou_matrix(quads, some)
        for i in range(len(quads)):
            if ignore[i]:
                continue
            near = iou[i].max(initial=0)
            share = sum(g.intersection_area(np.repeat(quads[i][None], len(some), 0), some)) if len(some) else 0.0
            covered = share / max(float(g.area(quads[i][None])[0]), 1e-9)
            kind = "right" if near >= 0.5 else "poor" if covered >= 0.3 else "missing"
            report.boxes[f"{unit} {kind}"] += 1
        report.boxes[f"{unit} found"] += len(some)


def count_false(
    report: Report, image: str, words: Sequence[dict[str, Any]], boxes: np.ndarray, false: set[int], picture: np.ndarray
) -> None:
    for k in sorted(false):
        length = len(fold_text(words[k]["text"], fold=report.fold).chars)
        report.false_words += 1
        report.false_characters += length
        report.costs["false_positive"] += length
        report.hit["false_positive"] += 1
        high, contrast, blur = look(picture, boxes[k])
        crop = shown(picture, boxes[k], np.zeros((0, 4, 2)), boxes[k : k + 1], high)
        got = f"<b>{html.escape(words[k]['text'])}</b>"
        sure = float(words[k]["confidence"])
        report.entries.append(Entry(image, {"false_positive": length}, "", got, crop, high, contrast, blur, sure))


def longest_rising(order: Sequence[tuple[int, int, int]]) -> set[int]:
    """Of (place, weight, …) the indices of the heaviest run whose places rise."""
    best: list[tuple[int, int]] = []  # (weight, the one before)
    for n, (place, weight, *_) in enumerate(order):
        before = max((k for k in range(n) if order[k][0] < place), key=lambda k: best[k][0], default=-1)
        best.append((weight + (best[before][0] if before >= 0 else 0), before))
    k = max(range(len(best)), key=lambda k: best[k][0], default=-1)
    kept = set()
    while k >= 0:
        kept.add(k)
        k = best[k][1]
    return kept


def of_unknown_place(
    report: Report,
    image: str,
    texts: Sequence[str],
    words: Sequence[dict[str, Any]],
    prediction: dict[str, Any],
    picture: np.ndarray,
) -> None:
    """Labels without polygons: found by their text, shown word by word."""
    spaced = spaces_before(prediction)
    boxes = g.clean(np.array([w["quad"] for w in words], float).reshape(-1, 4, 2))
    high, wide = g.heights(boxes), g.widths(boxes)
    read = [
        Word(w["text"], 0.0, float(wide[k]), float(high[k]), spaced[k], others(w), k) for k, w in enumerate(words)
    ]
    found, false = explain_page(texts, read, fold=report.fold)
    faults: list[Fault] = []
    known: set[int] = set()
    for text, misses in zip(texts, found, strict=True):
        if not misses.length:
            continue
        seen = None
        if misses.used:
            looks = np.array([look(picture, boxes[k]) for k in misses.used[:6]])
            a, b, c = np.median(looks, axis=0).tolist()
            seen = (a, b, c)
        report.add(misses, seen)
        faults += misses.faults
        known.update(misses.used)
        for some in _clusters(text, misses, report.fold):
            costs = Counter({f.cause: 0 for f in some})
            for f in some:
                costs[f.cause] += f.cost
            near = sorted({f.word for f in some if f.word >= 0}) or _near(some, misses)
            near = near[:6]
            want = marked(text, [f.at for f in some if f.at >= 0], report.fold, window=14)
            got = " ".join(marked_words([read[k] for k in near], some).split())
            crop, size = "", 0.0
            if near:
                size = float(np.median(high[near]))
                crop = shown(picture, boxes[near].reshape(-1, 2), np.zeros((0, 4, 2)), boxes[near], size, beside=1.5)
            sure = float(np.mean([words[k]["confidence"] for k in near])) if near else -1.0
            look_ = look(picture, boxes[near[0]]) if near else (0.0, -1.0, -1.0)
            report.entries.append(Entry(image, dict(costs), want, got, crop, size, look_[1], look_[2], sure))
    count_false(report, image, words, boxes, false, picture)
    report.trusted(words, faults, false, known)


def _clusters(text: str, misses: Misses, fold: bool) -> Iterator[list[Fault]]:
    """The faults of a label, those of one word of the truth, or of one word read, together."""
    folded = fold_text(text, fold=fold)
    token = np.cumsum(folded.gap)
    groups: dict[Any, list[Fault]] = {}
    for f in misses.faults:
        if f.detail == "no trace":
            key: Any = "no trace"
        else:
            key = ("t", int(token[f.at])) if f.at >= 0 else ("w", f.word)
        groups.setdefault(key, []).append(f)
    yield from groups.values()


def _near(faults: Sequence[Fault], misses: Misses) -> list[int]:
    """Words that were used before and after something that was not read."""
    if not misses.used or faults[0].detail == "no trace":
        return []
    at = np.mean([f.at for f in faults if f.at >= 0] or [0]) / max(misses.length, 1)
    k = min(int(at * len(misses.used)), len(misses.used) - 1)
    return list(misses.used[max(k - 1, 0) : k + 2])


def look(picture: np.ndarray, quad: np.ndarray) -> tuple[float, float, float]:
    """Height in pixels, contrast, and variance of the Laplacian (small: blurred) of a quad."""
    crop = crop_quads(picture, np.asarray(quad)[None], height=32, margin=0.0)[0].image
    line = crop_to_line(crop, height=32, max_width=2048)
    low, high = np.percentile(line, (5, 95))
    blur = float(cv2.Laplacian(line, cv2.CV_64F).var())
    return float(g.heights(np.asarray(quad)[None])[0]), float(high - low) / 255, blur


# -- the page ------------------------------------------------------------------------------------------------------


def marked(text: str, places: Sequence[int], fold: bool, window: int | None = None) -> str:
    """HTML of a text in which the folded characters at ``places`` stand out; with a window only what is near them."""
    source = fold_text(text, fold=fold).source
    bold = {source[p] for p in places if p < len(source)}
    first, last = 0, len(text)
    if window is not None and bold:
        first, last = max(0, min(bold) - window), min(len(text), max(bold) + window + 1)
    out = "".join(f"<b>{html.escape(c)}</b>" if k in bold else html.escape(c) for k, c in enumerate(text))
    if (first, last) != (0, len(text)):
        cut = "".join(
            f"<b>{html.escape(c)}</b>" if k in bold else html.escape(c)
            for k, c in enumerate(text)
            if first <= k < last
        )
        out = ("…" if first else "") + cut + ("…" if last < len(text) else "")
    return out


def marked_words(words: Sequence[Word], faults: Sequence[Fault]) -> str:
    out = []
    for word in words:
        bold = {f.spot for f in faults if f.word == word.number}
        whole = any(f.word == word.number and f.spot < 0 and f.detail == "twice" for f in faults)
        text = "".join(
            f"<b>{html.escape(c)}</b>" if k in bold or whole else html.escape(c) for k, c in enumerate(word.text)
        )
        out.append((" " if word.spaced else "") + f'<span class="w">{text}</span>')
    return "".join(out).strip()


def shown(
    picture: np.ndarray, corners: np.ndarray, labels: np.ndarray, boxes: np.ndarray, high: float, beside: float = 0.5
) -> str:
    """A data URI of the picture around corners, labels drawn in red and boxes in green."""
    h, w = picture.shape[:2]
    high = max(high, 4.0)
    x0, y0 = np.floor(corners.min(0) - (beside * high, 0.5 * high)).astype(int)
    x1, y1 = np.ceil(corners.max(0) + (beside * high, 0.5 * high)).astype(int)
    x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, w), min(y1, h)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return ""
    scale = min(40 / high, 620 / (x1 - x0), 260 / (y1 - y0), 6.0)
    size = max(int((x1 - x0) * scale), 1), max(int((y1 - y0) * scale), 1)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    patch = cv2.resize(np.ascontiguousarray(picture[y0:y1, x0:x1, ::-1]), size, interpolation=how)
    for quads, colour in ((labels, (60, 60, 230)), (boxes, (60, 170, 40))):
        for q in quads:
            points = np.round((q - (x0, y0)) * scale).astype(np.int32)
            cv2.polylines(patch, [points], True, colour, 1, cv2.LINE_AA)
    _, data = cv2.imencode(".jpg", patch, [cv2.IMWRITE_JPEG_QUALITY, 72])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


STYLE = """
body{font:14px/1.4 system-ui,sans-serif;margin:16px;color:#222}h1{font-size:20px}h2{font-size:16px;margin:18px 0 6px}
table{border-collapse:collapse}td,th{padding:2px 8px;text-align:right;border-bottom:1px solid #eee}
th:first-child,td:first-child{text-align:left}
.row{display:grid;grid-template-columns:640px 1fr;gap:12px;border-top:1px solid #ddd;padding:6px 0;align-items:center}
.row img{max-width:640px}.t,.r{font-size:18px}.r{color:#444}b{background:#ffd0d0;color:#b00000;font-weight:600}
.w{border-bottom:1px solid #9c9}.m{font-size:12px;color:#777}.c{background:#eef;border-radius:4px;padding:0 5px}
.bar{position:sticky;top:0;background:#fff;padding:8px 0;border-bottom:1px solid #ccc;z-index:2}
button{margin:2px;padding:2px 8px;border:1px solid #bbb;background:#f6f6f6;border-radius:4px;cursor:pointer}
button.on{background:#335;color:#fff}.side{display:flex;gap:32px;flex-wrap:wrap}details{margin:8px 0}
"""

SCRIPT = """
const rows=JSON.parse(document.getElementById('data').textContent),list=document.getElementById('list');
let cause='',set='',sort='cost',shown=200;
function draw(){
 let some=rows.filter(r=>(!cause||cause in r.c)&&(!set||r.s===set));
 const key={cost:r=>-(cause?r.c[cause]:r.k),high:r=>r.h,contrast:r=>r.o,blur:r=>r.b,confidence:r=>r.p,image:r=>0}[sort];
 some=some.map((r,i)=>[key(r),i,r]).sort((a,b)=>a[0]-b[0]||a[1]-b[1]).map(x=>x[2]);
 document.getElementById('count').textContent=some.length+' misses';
 list.innerHTML=some.slice(0,shown).map(r=>{
  const chips=Object.entries(r.c).map(([k,v])=>`<span class="c">${k} ${v}</span>`).join('');
  const sure=r.p<0?'–':r.p.toFixed(2),crop=r.x?`<img loading="lazy" src="${r.x}">`:'<i>no place known</i>';
  const told=`${r.h.toFixed(0)} px · contrast ${r.o.toFixed(2)} · blur ${r.b.toFixed(0)} · confidence ${sure}`;
  return `<div class="row"><div>${crop}</div><div><div class="t">${r.t}</div><div class="r">${r.r||'–'}</div>`+
   `<div class="m">${chips}${r.s}/${r.i} · ${told}</div></div></div>`}).join('')+
   (some.length>shown?'<button id="more">more</button>':'');
 const more=document.getElementById('more');if(more)more.onclick=()=>{shown+=400;draw()};
 document.querySelectorAll('button[data-k]').forEach(b=>b.classList.toggle('on',
  ({cause,set,sort})[b.dataset.k]===b.dataset.v));
}
document.querySelectorAll('button[data-k]').forEach(b=>b.onclick=()=>{const v=b.dataset.v;shown=200;
 if(b.dataset.k==='cause')cause=cause===v?'':v;if(b.dataset.k==='set')set=set===v?'':v;if(b.dataset.k==='sort')sort=v;draw()});
draw();
"""


def page(reports: Sequence[Report], most: int) -> str:
    """The HTML page of all reports."""
    data = []
    for report in reports:
        misses = [e for e in report.entries if MOVED not in e.costs]
        moved_ = [e for e in report.entries if MOVED in e.costs]
        for e in [x for some in (misses, moved_) for x in sorted(some, key=lambda e: -e.cost)[:most]]:
            numbers = {"h": e.high, "o": e.contrast, "b": e.blur, "p": e.confidence}
            data.append(
                {"s": report.name, "i": pathlib.Path(e.image).name, "c": e.costs, "k": e.cost, "t": e.want, "r": e.got}
                | {key: round(v, 3) for key, v in numbers.items()}
                | {"x": e.crop}
            )
    total: Counter[str] = Counter()
    for report in reports:
        total.update(report.costs)
    parts = ['<!doctype html><html lang="en"><meta charset="utf-8"><title>Misses by cause</title>']
    parts += [f"<style>{STYLE}</style><h1>Misses by cause</h1>", overview(reports)]
    for report in reports:
        parts.append(f"<details><summary>{html.escape(report.name)}: by height, contrast, blur; confusions</summary>")
        parts += [tables(report.summary()), "</details>"]
    parts.append('<div class="bar">')
    for cause in sorted((c for c in CAUSES if total[c]), key=lambda c: -total[c]):
        tip = html.escape(CAUSES[cause])
        parts.append(f'<button data-k="cause" data-v="{cause}" title="{tip}">{cause} {total[cause]}</button>')
    if moved := sum(r.moved_characters for r in reports):
        tip = "read whole, but in another order than the labels; no part of the errors"
        parts.append(f'<button data-k="cause" data-v="{MOVED}" title="{tip}">{MOVED} {moved}</button>')
    parts.append("<br>")
    parts += [f'<button data-k="set" data-v="{html.escape(r.name)}">{html.escape(r.name)}</button>' for r in reports]
    parts.append(" sort: ")
    parts += [
        f'<button data-k="sort" data-v="{k}">{k}</button>'
        for k in ("cost", "high", "contrast", "blur", "confidence", "image")
    ]
    parts.append(' <span id="count"></span> · label red, boxes green</div><div id="list"></div>')
    stored = json.dumps(data, ensure_ascii=False).replace("</", "<\\/")
    parts.append(f'<script type="application/json" id="data">{stored}</script><script>{SCRIPT}</script></html>')
    return "\n".join(parts)


def overview(reports: Sequence[Report]) -> str:
    names = [c for c in CAUSES if any(r.costs[c] for r in reports)]
    head = "".join(f"<th>{c}{' ␣' if c in SPACES else ''}</th>" for c in names)
    lines = [f"<table><tr><th>set</th><th>characters</th><th>errors</th><th>cer_free</th><th>moved</th>{head}</tr>"]
    for r in reports:
        s = r.summary()
        cells = "".join(f"<td>{r.costs[c] or ''}</td>" for c in names)
        lines.append(
            f"<tr><td>{html.escape(r.name)}</td><td>{r.characters}</td><td>{r.errors} ({s['errors_share']:.3f})</td>"
            f"<td>{s['cer_free']:.3f}</td><td>{r.moved_characters}</td>{cells}</tr>"
        )
    return "".join(lines) + "</table>"


def tables(s: dict[str, Any]) -> str:
    parts = ['<div class="side">']
    for kind, bins in s["by"].items():
        body = "".join(
            f"<tr><td>{k}</td><td>{v['characters']}</td><td>{v['lost']}</td><td>{v['share']:.3f}</td></tr>"
            for k, v in bins.items()
        )
        parts.append(f"<table><tr><th>{kind}</th><th>characters</th><th>lost</th><th>share</th></tr>{body}</table>")
    body = "".join(
        f"<tr><td>{k}</td><td>{v['right']}</td><td>{v['wrong']}</td><td>{v['false']}</td></tr>"
        for k, v in s["confidence"].items()
    )
    parts.append(f"<table><tr><th>confidence</th><th>right</th><th>wrong</th><th>false</th></tr>{body}</table>")
    body = "".join(
        f"<tr><td>{html.escape(a) or '∅'} → {html.escape(b) or '∅'}</td><td>{n}</td></tr>"
        for a, b, n in s["confusions"][:40]
    )
    parts.append(f"<table><tr><th>truth → read</th><th></th></tr>{body}</table>")
    body = "".join(f"<tr><td>{html.escape(k)}</td><td>{v}</td></tr>" for k, v in {**s["details"], **s["boxes"]}.items())
    parts.append(f"<table><tr><th>details</th><th></th></tr>{body}</table></div>")
    return "".join(parts)


if __name__ == "__main__":
    sys.exit(main())
