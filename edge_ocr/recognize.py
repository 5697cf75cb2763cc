"""Crops to words: lines of one height, batches of one width bucket, CTC, a confidence for each character.

Convolutions, a sequence layer and CTC (Graves et al. 2006) as in Shi et al. 2015, with self-attention (Vaswani et al.
2017) in place of the recurrent layer. A crop wider than the widest bucket goes through the network in overlapping
windows whose columns are joined before they are decoded, so that a long line is neither squeezed nor cut through a
letter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_ocr.again import agreed, other_views
from edge_ocr.constrain import search
from edge_ocr.ctc import Decoded, LogProbs, Switches, beam, greedy_all
from edge_ocr.engine import Engine, run_many
from edge_ocr.errors import ModelError
from edge_ocr.manifest import RecognizeManifest
from edge_ocr.pattern import Pattern
from edge_ocr.preprocess import crop_to_line, grey, resize
from edge_ocr.types import TextCharacter, TextWord
from edge_ocr.words import WordList, mended

__all__ = ["Recognizer", "align"]

Image = NDArray[np.uint8]
# Windows of a long line share so many line heights: what stands nearer to a window's end than half of it is taken from
# the neighbour, which sees it whole.
_OVERLAP = 3
# A line this many times wider than the widest bucket is squeezed: a bound on time and memory.
_MOST_WINDOWS = 12
_TOGETHER = 16  # batches that an engine is given at a time: a bound on memory


@dataclass(frozen=True, eq=False)
class _Window:
    """A piece of crop number ``crop``: ``image`` uint8 ``[height, w]``, of which the columns ``keep`` count."""

    crop: int
    image: Image
    keep: tuple[int, int]


class Recognizer:
    """Reads crops in one language. ``manifest`` is the recognizer's model.json, ``engine`` runs its network, ``words``
    is the list that settles doubts of one letter, if any (``edge_ocr.words``)."""

    def __init__(self, manifest: RecognizeManifest, engine: Engine, words: WordList | None = None) -> None:
        self.manifest = manifest
        self.engine = engine
        self.words = words
        self._buckets = sorted(manifest.input.buckets)

    def warm_up(self) -> None:
        """Runs the network once in each width, so that no later crop pays for it."""
        given = self.manifest.input
        for width in self._buckets:
            self._run(np.full((1, given.height, width), given.padding, np.uint8))

    def recognize(self, crops: Sequence[Image], *, pattern: Pattern | None = None) -> list[TextWord]:
        """Upright crops uint8 ``[h, w, 3]`` RGB or ``[h, w]`` grey, of any size -> a word each, in their order.

        A word may be empty, and holds spaces where the crop showed several words. Its quad is None. With a ``pattern``
        only what that allows is read, and ``plain`` tells what would have been read without; the word is empty where
        nothing that is allowed fits. Raises InputError where pattern and crop together are too much work.
        """
        if pattern is None:
            lps = self.log_probs(crops)
            words = self.read_all(lps)
            some, stretched = self._narrow(crops, words)
            wide = self.log_probs(stretched)
            for i, lp, again in zip(some, wide, self.read_all(wide), strict=True):
                if again.text and again.confidence > words[i].confidence:
                    words[i], lps[i] = again, lp
            words = [self._mended(lp, word) for lp, word in zip(lps, words, strict=True)]
        else:
            words = [self._fitted(lp, pattern) for lp in self.log_probs(crops)]
        how = self.manifest.decode.views
        doubtful = [] if how is None else [i for i, word in enumerate(words) if word.confidence < how.below]
        for i, others in zip(doubtful, self.views([crops[i] for i in doubtful]), strict=True):
            more = self.read_all(others) if pattern is None else [self._fitted(lp, pattern) for lp in others]
            words[i] = replace(agreed([words[i], *more]), plain=words[i].plain)
        return words

    def _mended(self, lp: LogProbs, word: TextWord) -> TextWord:
        """The word with doubts of one letter settled by the list of words, as sure as before."""
        if self.words is None or not word.text:
            return word
        text = mended(lp, word.text, self.words, lambda lp, text: align(lp, text).columns)
        return word if text == word.text else replace(self.word_of(lp, text), confidence=word.confidence)

    def _fitted(self, lp: LogProbs, pattern: Pattern) -> TextWord:
        found = search(lp, pattern, width=self.manifest.decode.beam_width)
        return replace(self.word_of(lp, found[0][0] if found else ""), plain=self.read(lp).text)

    def views(self, crops: Sequence[Image]) -> list[list[LogProbs]]:
        """What the network says of each crop in the other ways of looking that the manifest names, if it does."""
        how, given = self.manifest.decode.views, self.manifest.input
        if how is None or not crops:
            return [[] for _ in crops]
        most = self._buckets[-1] * _MOST_WINDOWS
        lines = [crop_to_line(c, height=given.height, max_width=most, min_width=given.min_width) for c in crops]
        looks = [other_views(line, how) for line in lines]
        found = iter(self.log_probs([look for mine in looks for look in mine]))
        return [[next(found) for _ in mine] for mine in looks]

    def _narrow(self, crops: Sequence[Image], words: Sequence[TextWord]) -> tuple[list[int], list[Image]]:
        """Which words have narrow letters and are doubtful, and their crops stretched."""
        narrow, height = self.manifest.decode.narrow, self.manifest.input.height
        some: list[int] = []
        stretched: list[Image] = []
        if narrow is None:
            return some, stretched
        for i, word in enumerate(words):
            high, wide = crops[i].shape[:2]
            if not word.text or word.confidence >= narrow.below:
                continue
            stretch = min(narrow.pitch * len(word.text) * high / wide, narrow.most)
            if stretch >= narrow.least:
                some.append(i)
                stretched.append(resize(grey(crops[i]), (height, max(int(wide * height / high * stretch + 0.5), 1))))
        return some, stretched

    def word_of(self, lp: LogProbs, text: str) -> TextWord:
        """The word that ``text`` makes of what the network said, each character as sure as the network is of it."""
        return self._finish(align(lp, text))

    def log_probs(self, crops: Sequence[Image]) -> list[LogProbs]:
        """What the network says of each crop, before any decoding."""
        windows = [w for i, crop in enumerate(crops) for w in self._windows(i, crop)]
        # By width: neighbours in this order share a batch, and little of it is padding.
        order = sorted(range(len(windows)), key=lambda k: windows[k].image.shape[1])
        groups: list[tuple[int, list[int]]] = []
        at = 0
        while at < len(order):
            bucket = self._bucket(windows[order[at]].image.shape[1])
            group = [order[at]]
            while (
                len(group) < self.manifest.input.max_batch
                and at + len(group) < len(order)
                and windows[order[at + len(group)]].image.shape[1] <= bucket
            ):
                group.append(order[at + len(group)])
            at += len(group)
            groups.append((bucket, group))
        parts: dict[int, LogProbs] = {}
        for first in range(0, len(groups), _TOGETHER):
            some = groups[first : first + _TOGETHER]
            found = self._runs([self._stack([windows[k] for k in group], bucket) for bucket, group in some])
            for (_, group), outputs in zip(some, found, strict=True):
                parts |= {k: self._cut(outputs, i, windows[k].keep) for i, k in enumerate(group)}
        out: list[LogProbs] = []
        at = 0
        for i in range(len(crops)):
            mine = []
            while at < len(windows) and windows[at].crop == i:
                mine.append(parts[at])
                at += 1
            out.append(mine[0] if len(mine) == 1 else _join(mine))
        return out

    def _windows(self, index: int, crop: Image) -> list[_Window]:
        given, stride = self.manifest.input, self.manifest.output.stride
        widest = self._buckets[-1]
        line = crop_to_line(crop, height=given.height, max_width=widest * _MOST_WINDOWS, min_width=given.min_width)
        width = line.shape[1]
        if width <= widest:
            return [_Window(index, line, (0, -(-width // stride)))]
        half = min(_OVERLAP * given.height // 2, widest // 4) // stride * stride
        step = widest - 2 * half
        starts = list(range(0, width - widest, step)) + [-(-(width - widest) // stride) * stride]
        out = []
        for n, start in enumerate(starts):
            piece = line[:, start : start + widest]
            # The seam with a neighbour lies in the middle of what both see.
            left = 0 if n == 0 else (starts[n - 1] + widest - start) // (2 * stride)
            end = -(-piece.shape[1] // stride)
            if n + 1 < len(starts):
                end = (starts[n + 1] - start) // stride + (widest - (starts[n + 1] - start)) // (2 * stride)
            out.append(_Window(index, piece, (left, end)))
        return out

    def _bucket(self, width: int) -> int:
        return next((b for b in self._buckets if b >= width), self._buckets[-1])

    def _stack(self, windows: list[_Window], bucket: int) -> Image:
        given = self.manifest.input
        images = np.full((len(windows), given.height, bucket), given.padding, np.uint8)
        for row, window in zip(images, windows, strict=True):
            row[:, : window.image.shape[1]] = window.image
        return images

    def _cut(self, outputs: dict[str, Any], row: int, keep: tuple[int, int]) -> LogProbs:
        mine = {key: value[row, keep[0] : keep[1]] for key, value in outputs.items()}
        return LogProbs(charset=self.manifest.charset, **mine)

    def _run(self, images: Image) -> dict[str, Any]:
        return self._runs([images])[0]

    def _runs(self, batches: Sequence[Image]) -> list[dict[str, Any]]:
        """Outputs of each batch under their own names (``symbols``, ``initial`` …) whatever the graph calls them."""
        every = run_many(self.engine, [{self.manifest.input.name: images} for images in batches])
        return [self._named(raw) for raw in every]

    def _named(self, raw: dict[str, Any]) -> dict[str, Any]:
        out = self.manifest.output
        names = {"symbols": out.symbols}
        if out.head == "hangul-factorised":
            names |= {"initial": str(out.initial), "medial": str(out.medial), "final": str(out.final)}
        missing = [v for v in names.values() if v not in raw]
        if missing:
            lacking = ", ".join(missing)
            raise ModelError(
                f"the recognizer {self.manifest.name!r} does not give {lacking}, which its model.json names: "
                "export it again"
            )
        return {key: raw[name] for key, name in names.items()}

    def read(self, lp: LogProbs) -> TextWord:
        """The word that the network's output says, decoded as the manifest asks for."""
        return self.read_all([lp])[0]

    def read_all(self, lps: Sequence[LogProbs]) -> list[TextWord]:
        """``read`` of each of several crops, decoded together."""
        how = self.manifest.decode
        switches = Switches(digit=how.digit_switch, case=how.case_switch, script=how.script_switch)
        found = greedy_all(lps, space=how.space, switches=switches)
        if how.default == "beam":
            for k, lp in enumerate(lps):
                text = beam(lp, width=how.beam_width)[0][0]
                if text != found[k].text:
                    found[k] = align(lp, text)
        return [self._finish(read) for read in found]

    def _finish(self, read: Decoded) -> TextWord:
        power = 1 / self.manifest.confidence.temperature
        pairs = list(zip(read.text, read.confidences, strict=True))
        if power != 1:
            pairs = [(c, p**power) for c, p in pairs]
        if " " in read.text:
            while pairs and pairs[0][0] == " ":
                pairs.pop(0)
            while pairs and pairs[-1][0] == " ":
                pairs.pop()
            pairs = [x for i, x in enumerate(pairs) if x[0] != " " or pairs[i - 1][0] != " "]
        sure = [p for c, p in pairs if c != " "]
        return TextWord(
            text="".join([c for c, _ in pairs]),
            # The geometric mean: one doubtful character in a long word shows, and length alone costs nothing.
            confidence=float(np.exp(np.log(np.maximum(sure, 1e-9)).sum() / len(sure))) if sure else 0.0,
            characters=tuple([TextCharacter(c, p) for c, p in pairs]),
            language=self.manifest.languages[0],
        )


def _join(parts: list[LogProbs]) -> LogProbs:
    def cat(key: str) -> Any:
        values = [getattr(p, key) for p in parts]
        return None if values[0] is None else np.concatenate(values)

    return LogProbs(cat("symbols"), parts[0].charset, cat("initial"), cat("medial"), cat("final"))


def align(lp: LogProbs, text: str) -> Decoded:
    """The best alignment of a given text (Viterbi over the CTC lattice): place and confidence of its characters."""
    columns = lp.symbols.shape[0]
    states = 2 * len(text) + 1
    if not text or columns == 0:
        return Decoded("", (), (), float(lp.symbols[:, 0].sum()))
    emit = np.empty((states, columns))
    emit[0::2] = lp.symbols[:, 0]
    for i, c in enumerate(text):
        emit[2 * i + 1] = lp.of(c)
    score = np.full(states, -np.inf)
    score[:2] = emit[:2, 0]
    came = np.zeros((columns, states), np.int8)
    # A symbol may follow the one before it without a blank, unless both are the same.
    skip = np.zeros(states, bool)
    skip[3::2] = [a != b for a, b in zip(text, text[1:], strict=False)]
    for t in range(1, columns):
        one = np.concatenate([[-np.inf], score[:-1]])
        two = np.where(skip, np.concatenate([[-np.inf, -np.inf], score[:-2]]), -np.inf)
        choice = np.stack([score, one, two])
        came[t] = choice.argmax(0)
        score = choice.max(0) + emit[:, t]
    state = states - 1 if score[-1] >= score[-2] else states - 2
    log_prob = float(score[state])
    spans: dict[int, list[int]] = {}
    for t in range(columns - 1, -1, -1):
        if state % 2:
            spans.setdefault(state // 2, []).append(t)
        state -= int(came[t, state])
    confidences, places = [], []
    for i, c in enumerate(text):
        where = spans.get(i, [0])
        confidences.append(float(np.exp(lp.of(c)[where].max())))
        places.append((min(where), max(where)))
    return Decoded(text, tuple(confidences), tuple(places), log_prob)
