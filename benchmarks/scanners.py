"""Drawn plates and machine-readable zones, read with the shipped recognizers.

    python -m benchmarks.scanners [plate] [mrz] [--ingredients DIR] [--count N] [--whole] [--out FILE] [--misses FILE]
        [--markdown]

Every kind of plate, and every layout of zone, is drawn anew with faces, road frames and seeds that no training has
seen, and worn as cameras wear it; what nobody could read is drawn again (``training/synth/legible.py``). As a rule the
lines are cut out already, so what is measured is reading. With ``--whole`` they stand in whole pictures, and the
scanner has to find them too. The default count of 120 plates of each of 17 kinds makes 2,040, 400 zones of each of 5
layouts 2,000.

For plates: the share whose whole text is right, and without the grammar of plates (of cut ones); with ``--whole`` also
how many readings there were beside the right ones. For zones: the share accepted, and of these the ones with a wrong
field that check digits protect (MRV-A and MRV-B have none over their optional data). ``--misses`` appends what was read
wrong, a JSON object a line. With ``--out`` the figures are kept as they come, and a later call with the same
settings and weights goes on where an earlier one stopped. One JSON object on standard output, or a table.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from edge_ocr.ctc import greedy
from edge_ocr.engine import OnnxEngine
from edge_ocr.models import RecognizerModel
from edge_ocr.recognize import Recognizer
from edge_ocr.scanners import mrz, plate
from edge_ocr.scanners.lines import find_first
from training.synth.mrz import FORMATS, MrzSynth, document
from training.synth.plate import KINDS, SILENT, PlateSynth
from training.synth.scan_scenes import document_picture, road_picture

__all__ = ["Tally", "main", "plate_part", "table", "zone_part"]

PROTECTED = ("number", "birth", "expiry", "optional", "optional2")
CHUNK = 20
Rng = np.random.Generator
Part = Callable[[Rng, str, int], tuple[dict[str, int], list[dict[str, Any]]]]


class Tally:
    """Counts by kind, taken in chunks with seeds of their own, and kept in a file if one is given."""

    def __init__(self, settings: dict[str, Any], path: Path | None, misses: Path | None = None) -> None:
        self.settings, self.path, self.misses = settings, path, misses
        self.parts: dict[str, dict[str, Any]] = {}
        if path is not None and path.is_file():
            before = json.loads(path.read_text(encoding="utf-8"))
            if before.get("settings") == settings:
                self.parts = before["parts"]
            else:
                print(f"{path}: other settings or weights, measured anew", file=sys.stderr)

    def run(self, what: str, kinds: list[str], count: int, seed: int, part: Part) -> None:
        with tqdm(total=len(kinds) * count, unit=what, desc=what, disable=None) as bar:
            for number, kind in enumerate(kinds):
                mine = self.parts.setdefault(f"{what}/{kind}", {"count": 0})
                bar.update(min(mine["count"], count))
                while mine["count"] < count:
                    n = min(CHUNK, count - mine["count"])
                    rng = np.random.default_rng([seed, number, mine["count"] // CHUNK])
                    counts, misses = part(rng, kind, n)
                    for key, value in counts.items():
                        mine[key] = mine.get(key, 0) + value
                    self._note(kind, misses)
                    mine["count"] += n
                    self._keep()
                    bar.update(n)

    def _note(self, kind: str, misses: list[dict[str, Any]]) -> None:
        if self.misses is None or not misses:
            return
        self.misses.parent.mkdir(parents=True, exist_ok=True)
        with self.misses.open("a", encoding="utf-8") as out:
            out.writelines(json.dumps({"kind": kind, **miss}, ensure_ascii=False) + "\n" for miss in misses)

    def _keep(self) -> None:
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".part")
        fresh.write_text(json.dumps({"settings": self.settings, "parts": self.parts}, indent=1), encoding="utf-8")
        fresh.replace(self.path)


def plate_part(recognizer: Recognizer, scanner: plate.Scanner | None, synth: PlateSynth) -> Part:
    """Reads plates of a kind: cut out with the recognizer, or with ``scanner`` in whole pictures."""

    def cut(rng: Rng, kind: str, n: int) -> tuple[dict[str, int], list[dict[str, Any]]]:
        samples = [synth.sample(rng, kind) for _ in range(n)]
        words = recognizer.recognize([s.image for s in samples], pattern=plate.grammar())
        pairs = list(zip(words, [s.text for s in samples], strict=True))
        misses = [
            {"truth": t, "read": w.text, "plain": w.plain, "confidence": round(w.confidence, 3)}
            for w, t in pairs
            if w.text != t
        ]
        return {"right": len(pairs) - len(misses), "plain": sum(w.plain == t for w, t in pairs)}, misses

    def whole(rng: Rng, kind: str, n: int) -> tuple[dict[str, int], list[dict[str, Any]]]:
        assert scanner is not None
        right = extra = 0
        misses = []
        for _ in range(n):
            picture, text = road_picture(synth, rng, kind)
            found = [p.text for p in scanner.scan(picture)]
            right += text in found
            extra += len(found) - (text in found)
            if found != [text]:
                misses.append({"truth": text, "read": found})
        return {"right": right, "extra": extra}, misses

    return cut if scanner is None else whole


def zone_part(recognizer: Recognizer, scanner: mrz.Scanner | None, synth: MrzSynth) -> Part:
    """Reads zones of a layout: lines cut out with the recognizer, or with ``scanner`` in whole pictures."""
    synth.max_width = 2400

    def judged(lines: tuple[str, ...], read: tuple[str, ...], accepted: bool) -> dict[str, int]:
        text, truth = mrz.parse(read), mrz.parse(lines)
        assert truth is not None
        guarded = [k for k in PROTECTED if k != "optional" or not truth.layout.startswith("MRV")]
        wrong = accepted and (text is None or any(text.fields.get(k) != truth.fields.get(k) for k in guarded))
        return {
            "accepted": int(accepted), "wrong": int(wrong), "lines": len(lines),
            "lines_right": sum(a == b for a, b in zip(read, lines, strict=False)),
        }

    def cut(rng: Rng, lines: tuple[str, ...], kind: str) -> tuple[dict[str, int], tuple[str, ...]]:
        crops = []
        for k, line in enumerate(lines):
            near = [lines[i] if 0 <= i < len(lines) else "" for i in (k - 1, k + 1)]
            image = None
            while image is None:
                image = synth.line(rng, line, near)
            crops.append(image)
        lps = recognizer.log_probs(crops)
        read = mrz.choose(mrz.LAYOUTS[kind], lps)
        if read is None:
            return {"lines": len(lines)}, ()
        _, got, clear = read
        got = mrz.tidy(mrz.LAYOUTS[kind], lps, got)
        text = mrz.parse(got)
        accepted = text is not None and text.accepted and text.known and text.well_formed and clear
        if accepted:
            words = [recognizer.word_of(lp, line) for lp, line in zip(lps, got, strict=True)]
            accepted = mrz.believable(mrz.LAYOUTS[kind], words, [greedy(lp).text for lp in lps])
        return judged(lines, got, accepted), got

    def whole(rng: Rng, lines: tuple[str, ...], kind: str) -> tuple[dict[str, int], tuple[str, ...]]:
        assert scanner is not None
        found = scanner.scan(document_picture(synth, rng, lines))
        if not found:
            return {"lines": len(lines), "missed": 1}, ()
        return judged(lines, found[0].lines, found[0].accepted), found[0].lines

    def part(rng: Rng, kind: str, n: int) -> tuple[dict[str, int], list[dict[str, Any]]]:
        out: dict[str, int] = {}
        misses = []
        for _ in range(n):
            lines = document(rng, kind)
            counts, read = (cut if scanner is None else whole)(rng, lines, kind)
            for key, value in counts.items():
                out[key] = out.get(key, 0) + value
            if counts.get("wrong") or not counts.get("accepted"):
                misses.append({"truth": lines, "read": read, "wrong": bool(counts.get("wrong"))})
        return out, misses

    return part


def shares(parts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Counts as shares: of plates or zones, lines of lines, wrong ones as a count."""
    out: dict[str, Any] = {}
    for name, part in parts.items():
        what, kind = name.split("/")
        row = {"count": part["count"]}
        for key, value in part.items():
            if key in ("right", "plain", "extra", "accepted", "missed"):
                row[key] = round(value / part["count"], 4)
            elif key == "lines_right":
                row[key] = round(value / part["lines"], 4)
            elif key == "wrong":
                row["wrong_of_accepted"] = value
        out.setdefault(what, {})[kind] = row
    return out


def table(result: dict[str, Any]) -> str:
    """The result as tables in Markdown."""
    rows = []
    for what, kinds in result.items():
        order = ("count", "right", "plain", "extra", "accepted", "wrong_of_accepted", "lines_right", "missed")
        keys = [k for k in order if any(k in row for row in kinds.values())]
        rows += [f"| {what} | " + " | ".join(keys) + " |", "|---" * (len(keys) + 1) + "|"]
        rows += [f"| {kind} | " + " | ".join(str(row.get(k, 0)) for k in keys) + " |" for kind, row in kinds.items()]
        rows.append("")
    return "\n".join(rows)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", nargs="*", metavar="WHAT", help="plate, mrz, or both (default)")
    p.add_argument("--ingredients", default="ingredients")
    p.add_argument("--models", type=str, help="folder of models instead of the package's")
    p.add_argument("--count", type=int, help="of each kind or layout (default: 120 plates, 400 zones)")
    p.add_argument("--kinds", help="only these, with commas between them")
    p.add_argument("--whole", action="store_true", help="in whole pictures, found by the scanner")
    p.add_argument("--out", type=Path, metavar="FILE", help="keep the figures here, and go on from there")
    p.add_argument("--misses", type=Path, metavar="FILE", help="append what was read wrong, or not accepted")
    p.add_argument("--markdown", action="store_true", help="print tables")
    p.add_argument("--seed", type=int, default=2026)
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()
    unknown = set(a.what) - {"plate", "mrz"}
    if unknown:
        p.error(f"expected plate or mrz, found {', '.join(sorted(unknown))}")
    cv2.setNumThreads(1)
    what = a.what or ["plate", "mrz"]
    models: dict[str, RecognizerModel] = {}
    if "plate" in what:
        models["plate"] = find_first(plate.MODELS, a.models)
    if "mrz" in what:
        models["mrz"] = find_first(mrz.MODELS, a.models)
    weights = {k: next(iter(m.manifest.files.values())).sha256 for k, m in models.items()}
    tally = Tally({"weights": weights, "whole": a.whole, "seed": a.seed}, a.out, a.misses)
    use = {"threads": a.threads, "models_dir": a.models}

    def recognizer(name: str) -> Recognizer:
        return Recognizer(models[name].manifest, OnnxEngine(models[name].read(), threads=a.threads))

    def chosen(kinds: list[str]) -> list[str]:
        return [k for k in kinds if not a.kinds or k in a.kinds.split(",")]

    if "plate" in what:
        plates = PlateSynth.load(a.ingredients, reserved=True)
        part = plate_part(recognizer("plate"), plate.Scanner(**use) if a.whole else None, plates)
        tally.run("plate", chosen([k for k in KINDS if k not in SILENT]), a.count or 120, a.seed, part)
    if "mrz" in what:
        zones = MrzSynth.load(a.ingredients, reserved=True)
        part = zone_part(recognizer("mrz"), mrz.Scanner(**use) if a.whole else None, zones)
        tally.run("mrz", chosen(list(FORMATS)), a.count or 400, a.seed, part)
    result = shares(tally.parts)
    print(table(result) if a.markdown else json.dumps(result, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
