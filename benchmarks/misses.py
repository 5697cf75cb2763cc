"""What went wrong with a labelled text, character by character: pure functions behind ``benchmarks.errors``.

A label and the words that were read there are aligned; every edit of the alignment gets one cause, so the costs of all
causes add up to the edit distance. Edits are counted between characters without spaces (folded: letters and digits
only, without case); each space lost or added between two characters that were found costs one more.

Lengths along a label are in pixels from the left edge of its first letter.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

__all__ = [
    "CAUSES",
    "Fault",
    "Folded",
    "Misses",
    "Step",
    "Word",
    "align",
    "classify",
    "distance",
    "explain_page",
    "fold_text",
    "sort_faults",
]

CAUSES = {
    "not_detected": "no box where the text is",
    "unread": "a box, but nothing read in it",
    "cut": "the box lost part of the word",
    "split": "one word in several boxes: a space too many, or a piece read twice",
    "merged": "several labelled words in one box, the space between them lost",
    "wrong_character": "read as another character, dropped, or one too many",
    "lost_space": "a space that was not read",
    "added_space": "a space that is not there",
    "wrong_language": "the other recognizer had read it better",
    "order": "read, but torn apart by the reading order",
    "false_positive": "text where there is none (or none is labelled)",
}
SPACES = frozenset({"split", "merged", "lost_space", "added_space"})


@dataclass(frozen=True)
class Folded:
    """A text as it is compared: ``chars`` without spaces; ``gap[k]``: a space stands before character k;
    ``source[k]``: its place in the text as given."""

    chars: str
    gap: tuple[bool, ...]
    source: tuple[int, ...]


@dataclass(frozen=True)
class Word:
    """A word that was read: its ``text``, its extent ``x0``..``x1`` along the label, ``high`` its height, ``spaced``:
    the layout put a space before it; ``other``: what the recognizers of other languages read there; ``number``: which
    of the picture's words it is."""

    text: str
    x0: float = 0.0
    x1: float = 0.0
    high: float = 0.0
    spaced: bool = True
    other: tuple[str, ...] = ()
    number: int = -1


@dataclass(frozen=True)
class Step:
    """One step of an alignment: ``kind`` is same, swap, lost or added; ``i`` the place in the truth, ``j`` in what was
    read (-1 where there is none)."""

    kind: str
    i: int
    j: int


@dataclass(frozen=True)
class Fault:
    """One edit, or one space: its ``cause``, what it costs, the character ``want`` that should be there and the one
    that was ``got``, ``at`` its place in the folded truth, ``word`` the word concerned (-1: none), ``spot`` the
    character of that word (-1: none)."""

    cause: str
    cost: int
    want: str = ""
    got: str = ""
    at: int = -1
    word: int = -1
    spot: int = -1
    detail: str = ""


@dataclass(frozen=True)
class Misses:
    """All faults of one label. ``errors``: edits of characters; ``spaces``: those lost and added; the costs of the
    faults add up to both together. ``length``: folded characters; ``used``: the words they came from."""

    length: int
    errors: int
    spaces: int
    faults: tuple[Fault, ...]
    used: tuple[int, ...] = ()

    @property
    def garbled(self) -> bool:
        """Whether most of the label is wrong: such alignments say nothing about which letter is taken for which."""
        wrong = sum(f.cost for f in self.faults if f.cause == "wrong_character")
        return wrong > 0.6 * max(self.length, 1) and self.length > 2


def fold_text(text: str, *, fold: bool = True) -> Folded:
    """A text without spaces, with ``fold`` also without case and everything that is no letter and no digit."""
    chars, gap, source = [], [], []
    space = False
    for place, given in enumerate(unicodedata.normalize("NFC", text)):
        for c in unicodedata.normalize("NFKC", given):
            if c.isspace():
                space = bool(chars)
                continue
            for d in c.casefold() if fold else c:
                if fold and not d.isalnum():
                    continue
                chars.append(d)
                gap.append(space)
                source.append(place)
                space = False
    return Folded("".join(chars), tuple(gap), tuple(source))


def _table(a: str, b: str, anywhere: bool) -> np.ndarray:
    code = np.array([ord(c) for c in b], np.int64)
    step = np.arange(len(b) + 1)
    table = np.empty((len(a) + 1, len(b) + 1), np.int64)
    table[0] = 0 if anywhere else step
    for i, c in enumerate(a, 1):
        new = np.empty(len(b) + 1, np.int64)
        new[0] = i
        new[1:] = np.minimum(table[i - 1, 1:] + 1, table[i - 1, :-1] + (code != ord(c)))
        table[i] = np.minimum.accumulate(new - step) + step
    return table


def distance(a: str, b: str, *, anywhere: bool = False) -> int:
    """Edit distance of a to b, or (``anywhere``) to the part of b that is nearest."""
    row = _table(a, b, anywhere)[-1]
    return int(row.min() if anywhere else row[-1])


_EDIT = 100  # an edit in the cost of an alignment: what breaks ties is smaller, in sum, too


def align(a: str, b: str, *, anywhere: bool = False, breaks: Sequence[bool] | None = None) -> list[Step]:
    """The steps of a cheapest alignment of a to b, or to the nearest part of b.

    Among those that cost the same, one in which letters are lost and added in few runs, best at the ends of a or where
    a word begins (``breaks``: a space stands before character k of a), for that is how boxes lose them: "hello world"
    read as "hello" lost a word, not here a letter and there one.
    """
    code = np.array([ord(c) for c in b], np.int64)
    step = np.arange(len(b) + 1) * _EDIT
    far = np.iinfo(np.int32).max
    # Gotoh's three tables: the last step was a pair, a loss, an addition.
    pair, lost, added = (np.full((len(a) + 1, len(b) + 1), far, np.int64) for _ in range(3))
    pair[0] = 0 if anywhere else far
    pair[0, 0] = 0
    if not anywhere:
        added[0, 1:] = step[1:]
    for i, c in enumerate(a, 1):
        opening = 0 if i == 1 else 1 if breaks is not None and breaks[i - 1] else 2
        before = np.minimum(pair[i - 1], added[i - 1])
        lost[i] = np.minimum(before + opening, lost[i - 1]) + _EDIT
        any_ = np.minimum(before, lost[i - 1])
        pair[i, 1:] = any_[:-1] + _EDIT * (code != ord(c))
        # The cheapest place to begin adding, for all columns at once.
        start = np.minimum(pair[i], lost[i]) + (0 if i == len(a) else 2) - step
        added[i, 1:] = np.minimum.accumulate(start)[:-1] + step[1:]
    i, j = len(a), len(b)
    last = np.minimum(np.minimum(pair[i], added[i]), lost[i] - (1 if i > 1 else 0))
    if anywhere:
        j = int(last.argmin())
    tables = {"pair": pair, "lost": lost, "added": added}
    state = min(tables, key=lambda k: tables[k][i, j] - (k == "lost" and i > 1))
    steps: list[Step] = []
    while i > 0 or (j > 0 and not anywhere):
        if state == "pair":
            i, j = i - 1, j - 1
            steps.append(Step("same" if a[i] == b[j] else "swap", i, j))
            here = int(pair[i + 1, j + 1]) - _EDIT * (a[i] != b[j])
            state = next(k for k in ("pair", "lost", "added") if tables[k][i, j] == here)
        elif state == "lost":
            i -= 1
            steps.append(Step("lost", i, -1))
            state = "lost" if lost[i, j] + _EDIT == lost[i + 1, j] else _least(pair, added, i, j)
        else:
            j -= 1
            steps.append(Step("added", -1, j))
            goes_on = added[i, j] + _EDIT == added[i, j + 1]
            state = "added" if goes_on else "pair" if pair[i, j] <= lost[i, j] else "lost"
    return steps[::-1]


def _least(pair: np.ndarray, added: np.ndarray, i: int, j: int) -> str:
    return "pair" if pair[i, j] <= added[i, j] else "added"


# -- a label and the words in its place ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Read:
    """The words of one place as one folded string; per character the word (index into the list), the place in it, and
    whether a space stands before it."""

    chars: str
    word: tuple[int, ...]
    spot: tuple[int, ...]
    gap: tuple[bool, ...]


def _join(words: Sequence[Word], fold: bool) -> _Read:
    chars, owner, spot, gap = [], [], [], []
    space = False
    for n, word in enumerate(words):
        folded = fold_text(word.text, fold=fold)
        space = space or word.spaced
        for k, c in enumerate(folded.chars):
            chars.append(c)
            owner.append(n)
            spot.append(folded.source[k])
            gap.append((space or folded.gap[k]) and len(chars) > 1)
            space = False
    return _Read("".join(chars), tuple(owner), tuple(spot), tuple(gap))


def classify(
    labels: Sequence[str],
    words: Sequence[Word],
    *,
    spans: Sequence[tuple[float, float]] | None = None,
    boxes: Sequence[tuple[float, float]] = (),
    fold: bool = True,
    anywhere: int | None = None,
) -> Misses:
    """Sorts the misses of a label: ``labels`` is one text, or the texts of several labels that share a box, in reading
    order; ``words`` is what was read there, from left to right.

    ``spans``: where along the place each label lies (None: unknown). ``boxes``: extents of detected boxes in which
    nothing was read. ``anywhere``: the edit distance of the labels to their best place in all that was read from the
    picture: what it exceeds the distance here by, the order of reading has done.
    """
    truth = fold_text(" ".join(labels), fold=fold)
    ends = np.cumsum([len(fold_text(t, fold=fold).chars) for t in labels]).tolist()
    if not truth.chars:
        return Misses(0, 0, 0, ())
    plain = distance(truth.chars, _join(words, fold).chars)
    words, plain_best = _best_language(truth.chars, list(words), plain, fold)
    faults: list[Fault] = []
    if plain > plain_best:
        faults.append(Fault("wrong_language", plain - plain_best))
    words, twice = _without_twice(truth.chars, words, plain_best, fold)
    read = _join(words, fold)
    steps = align(truth.chars, read.chars, breaks=truth.gap)
    faults += sort_faults(truth, read, steps, words, spans=spans, boxes=boxes, ends=ends)
    faults += _space_faults(truth, read, steps, ends)
    if anywhere is not None and words:
        torn = max(0, min(len(truth.chars), anywhere) - plain)
        if torn:
            faults.append(Fault("order", torn, want=truth.chars))
            plain += torn
    spaces = sum(f.cost for f in faults if f.cause in SPACES and f.detail != "twice")
    used = sorted({words[read.word[s.j]].number for s in steps if s.kind in ("same", "swap")})
    return Misses(len(truth.chars), plain, spaces, (*twice, *_numbered(faults, words)), tuple(used))


def _numbered(faults: Sequence[Fault], words: Sequence[Word]) -> tuple[Fault, ...]:
    return tuple(replace(f, word=words[f.word].number if f.word >= 0 else -1) for f in faults)


def _best_language(truth: str, words: list[Word], now: int, fold: bool) -> tuple[list[Word], int]:
    """The words with those readings of the other recognizers that bring them nearer to the truth, and how near."""
    for k, word in enumerate(words):
        for text in word.other:
            changed = [*words[:k], replace(word, text=text), *words[k + 1 :]]
            then = distance(truth, _join(changed, fold).chars)
            if then < now:
                words, now = changed, then
    return words, now


def _without_twice(truth: str, words: list[Word], now: int, fold: bool) -> tuple[list[Word], list[Fault]]:
    """The words without those that read again what another box has read, and what these cost."""
    faults: list[Fault] = []
    gone: set[int] = set()
    for k in sorted(range(len(words)), key=lambda k: words[k].x1 - words[k].x0):
        if not _stands_on_another([w for n, w in enumerate(words) if n not in gone], words[k]):
            continue
        then = distance(truth, _join([w for n, w in enumerate(words) if n not in gone | {k}], fold).chars)
        if then < now:
            faults.append(Fault("split", now - then, "", words[k].text, word=k, detail="twice"))
            gone.add(k)
            now = then
    numbers = {k: words[k].number for k in gone}
    faults = [replace(f, word=numbers[f.word]) for f in faults]
    return [w for n, w in enumerate(words) if n not in gone], faults


def sort_faults(
    truth: Folded,
    read: _Read,
    steps: Sequence[Step],
    words: Sequence[Word],
    *,
    spans: Sequence[tuple[float, float]] | None,
    boxes: Sequence[tuple[float, float]],
    ends: Sequence[int],
) -> list[Fault]:
    """A cause for every edit of an alignment; their costs add up to its edit distance."""
    faults: list[Fault] = []
    met = {read.word[s.j] for s in steps if s.kind in ("same", "swap")}
    for kind, run in groupby(enumerate(steps), key=lambda x: x[1].kind):
        part = list(run)
        if kind == "swap":
            for _, s in part:
                w = read.word[s.j]
                faults.append(
                    Fault("wrong_character", 1, truth.chars[s.i], read.chars[s.j], s.i, w, read.spot[s.j])
                )
        elif kind == "added":
            for _, s in part:
                w = read.word[s.j]
                cause, detail = "wrong_character", "added"
                if w not in met:
                    twice = _stands_on_another(words, words[w])
                    cause, detail = ("split", "twice") if twice else ("false_positive", "inside")
                faults.append(Fault(cause, 1, "", read.chars[s.j], -1, w, read.spot[s.j], detail))
        elif kind == "lost":
            first, last = part[0][0], part[-1][0]
            before = next((read.word[s.j] for s in steps[first::-1] if s.kind in ("same", "swap")), -1)
            after = next((read.word[s.j] for s in steps[last:] if s.kind in ("same", "swap")), -1)
            i0, i1 = part[0][1].i, part[-1][1].i + 1
            faults += _lost_run(truth, i0, i1, words, before, after, spans, boxes, ends)
    return faults


def _stands_on_another(words: Sequence[Word], w: Word) -> bool:
    wide = max(w.x1 - w.x0, 1e-9)
    return any(min(w.x1, o.x1) - max(w.x0, o.x0) > 0.5 * wide for o in words if o is not w)


_WIDE = {True: 1.0, False: 0.55}  # of a full-width letter


def _widths(text: str) -> float:
    return sum(_WIDE[unicodedata.east_asian_width(c) in "WF"] for c in text)


def _lost_run(
    truth: Folded,
    i0: int,
    i1: int,
    words: Sequence[Word],
    before: int,
    after: int,
    spans: Sequence[tuple[float, float]] | None,
    boxes: Sequence[tuple[float, float]],
    ends: Sequence[int],
) -> list[Fault]:
    """The characters i0..i1 were not read: was there a box?"""
    if before == after and before >= 0:
        return [Fault("wrong_character", 1, truth.chars[i], "", i, before, -1, "dropped") for i in range(i0, i1)]
    if not words and spans is None:
        return [Fault("not_detected", 1, truth.chars[i], "", i) for i in range(i0, i1)]
    if spans is not None:
        label0 = next(k for k, e in enumerate(ends) if i0 < e)
        label1 = next(k for k, e in enumerate(ends) if i1 <= e)
        x0 = words[before].x1 if before >= 0 else spans[label0][0]
        x1 = words[after].x0 if after >= 0 else spans[label1][1]
        need = _widths(truth.chars[i0:i1]) * _pitch(truth, spans, ends, label0)
        free = max(x1 - x0, 0.0) - _covered([(w.x0, w.x1) for w in words], x0, x1)
        boxed = _covered(boxes, x0, x1) if x1 > x0 else 0.0
        bare = free >= 0.5 * need
        unread = bare and boxed >= 0.5 * need
    else:
        # No outline of the text is known: is the box of the word before (or after) wide enough for more letters?
        unread = False
        bare = not any(_has_room(words[k], truth.chars[i0:i1]) for k in (before, after) if k >= 0)
    faults = []
    for a, b in _tokens(truth, i0, i1, ends):
        whole = (a in ends or a == 0 or truth.gap[a]) and (b in ends or b == len(truth.chars) or truth.gap[b])
        if unread:
            cause, detail = "unread", ""
        elif whole and (bare or spans is None):
            cause, detail = "not_detected", ""
        elif bare:
            cause, detail = "cut", "start" if b < len(truth.chars) and not truth.gap[b] else "end"
        else:
            cause, detail = "wrong_character", "dropped"
        faults += [Fault(cause, 1, truth.chars[i], "", i, -1, -1, detail) for i in range(a, b)]
    return faults


def _pitch(truth: Folded, spans: Sequence[tuple[float, float]], ends: Sequence[int], label: int) -> float:
    """Pixels per full-width letter of a label."""
    first = ends[label - 1] if label else 0
    chars, gaps = truth.chars[first : ends[label]], sum(truth.gap[first + 1 : ends[label]])
    return (spans[label][1] - spans[label][0]) / max(_widths(chars) + 0.4 * gaps, 0.5)


def _covered(extents: Sequence[tuple[float, float]], x0: float, x1: float) -> float:
    """How much of x0..x1 the extents cover together."""
    total, reached = 0.0, x0
    for a, b in sorted(extents):
        a, b = max(a, reached), min(b, x1)
        if b > a:
            total += b - a
            reached = b
    return total


def _has_room(word: Word, more: str) -> bool:
    """Whether a box is as wide as its letters and some more would be."""
    if word.high <= 0:
        return False
    return (word.x1 - word.x0) / word.high > 0.85 * _widths(fold_text(word.text, fold=False).chars + more[:1])


def _tokens(truth: Folded, i0: int, i1: int, ends: Sequence[int]) -> list[tuple[int, int]]:
    cuts = [i0] + [i for i in range(i0 + 1, i1) if truth.gap[i] or i in ends] + [i1]
    return list(zip(cuts, cuts[1:], strict=False))


def _space_faults(truth: Folded, read: _Read, steps: Sequence[Step], ends: Sequence[int]) -> list[Fault]:
    faults = []
    for s, t in zip(steps, steps[1:], strict=False):
        if s.i < 0 or s.j < 0 or t.i < 0 or t.j < 0:
            continue
        want, got = truth.gap[t.i], read.gap[t.j]
        inside = read.word[s.j] == read.word[t.j]
        where = "inside a box" if inside else "between boxes"
        spot = (t.i, read.word[t.j], read.spot[t.j])
        if want and not got:
            cause = "merged" if inside and t.i in ends else "lost_space"
            faults.append(Fault(cause, 1, " ", "", *spot, where))
        elif got and not want:
            cause = "added_space" if inside else "split"
            faults.append(Fault(cause, 1, "", " ", *spot, where))
    return faults


# -- labels whose place is not known -------------------------------------------------------------------------------


def explain_page(labels: Sequence[str], words: Sequence[Word], *, fold: bool = True) -> tuple[list[Misses], set[int]]:
    """Sorts the misses of labels of unknown place against all ``words`` of a picture, in reading order.

    Each label costs what it differs from its best place in what was read (so no reading order can hurt), at most its
    length. Returns the misses of each label, and the numbers (``Word.number``) of the words where no label was found.
    """
    read = _join(words, fold)
    truths = [fold_text(t, fold=fold) for t in labels]
    found = [_pieces(t.chars, read.chars, t.gap) for t in truths]
    # To which label a word belongs: the one that shares most of its letters.
    share = np.zeros((len(labels), len(words)), int)
    for n, (_, pieces) in enumerate(found):
        for _, _, steps in pieces:
            for s in steps:
                if s.kind == "same":
                    share[n, read.word[s.j]] += 1
    size = np.bincount(np.array(read.word, int), minlength=len(words)) if words else np.zeros(0, int)
    taken = 2 * share.max(0, initial=0) >= np.maximum(size, 1)
    owner = np.where(taken, share.argmax(0) if len(labels) else -1, -1)
    out = []
    for n, (truth, (whole, pieces)) in enumerate(zip(truths, found, strict=True)):
        out.append(_page_label(truth, read, words, whole, pieces, owner, n, fold))
    return out, {words[k].number for k in range(len(words)) if not taken[k] and size[k]}


_PIECE = 6  # characters: a shorter piece is found anywhere by chance
_SAVES = 3


def _pieces(truth: str, read: str, gap: Sequence[bool]) -> tuple[int, list[tuple[int, int, list[Step]]]]:
    """The distance of a text to its best place, and the pieces into which it is cut where that finds it better."""
    table = _table(truth, read, True)
    total = min(len(truth), int(table[-1].min()))
    forward = table.min(1)
    backward = _table(truth[::-1], read[::-1], True).min(1)[::-1]
    both = forward + backward
    cut = int(both.argmin())
    far = _PIECE <= cut <= len(truth) - _PIECE and int(both[cut]) + _SAVES <= total
    clear = far and forward[cut] <= 0.34 * cut and backward[cut] <= 0.34 * (len(truth) - cut)
    if not clear:
        return total, [(0, len(truth), align(truth, read, anywhere=True, breaks=gap))]
    first, second = _pieces(truth[:cut], read, gap[:cut]), _pieces(truth[cut:], read, gap[cut:])
    return total, first[1] + [
        (a + cut, b + cut, [replace(s, i=s.i + cut) if s.i >= 0 else s for s in steps]) for a, b, steps in second[1]
    ]


def _page_label(
    truth: Folded,
    read: _Read,
    words: Sequence[Word],
    whole: int,
    pieces: Sequence[tuple[int, int, list[Step]]],
    owner: np.ndarray,
    n: int,
    fold: bool,
) -> Misses:
    faults: list[Fault] = []
    used: set[int] = set()
    spent = 0
    for a, b, steps in pieces:
        cost = sum(s.kind != "same" for s in steps)
        if cost >= 0.6 * (b - a):
            faults += [Fault("not_detected", 1, truth.chars[i], "", i, detail="no trace") for i in range(a, b)]
            spent += b - a
            continue
        spent += cost
        # What lies in words of other labels was not read: the letters there are alike by chance.
        own = [s.j >= 0 and owner[read.word[s.j]] in (n, -1) for s in steps]
        kept: list[Step] = []
        chance: set[int] = set()
        for s, mine in zip(steps, own, strict=True):
            if s.kind == "added" and not mine:
                faults.append(Fault("order", 1, "", read.chars[s.j], -1, read.word[s.j], read.spot[s.j], "between"))
            elif s.kind in ("same", "swap") and not mine:
                kept.append(Step("lost", s.i, -1))
                if s.kind == "same":
                    chance.add(s.i)
            else:
                kept.append(s)
        some = sort_faults(truth, read, kept, words, spans=None, boxes=(), ends=[len(truth.chars)])
        faults += [f for f in some if f.at < 0 or f.at not in chance]
        faults += _space_faults(truth, read, kept, [len(truth.chars)])
        used |= {read.word[s.j] for s in kept if s.kind in ("same", "swap")}
        faults = _page_language(truth.chars, words, read, kept, faults, fold)
    if spent < whole:
        faults.append(Fault("order", whole - spent, want=truth.chars, detail="torn apart"))
    while spent > whole:  # pieces without a trace can cost more than the whole: a few chance letters
        k = next(k for k in range(len(faults) - 1, -1, -1) if faults[k].cause not in SPACES)
        spent -= faults.pop(k).cost
    spaces = sum(f.cost for f in faults if f.cause in SPACES and f.detail != "twice")
    numbers = tuple(sorted(words[k].number for k in used))
    return Misses(len(truth.chars), whole, spaces, _numbered(faults, words), numbers)


def _page_language(
    truth: str, words: Sequence[Word], read: _Read, steps: Sequence[Step], faults: list[Fault], fold: bool
) -> list[Fault]:
    """The same faults, those that another recognizer had not made under that name."""
    for k in sorted({read.word[s.j] for s in steps if s.j >= 0 and s.kind != "same"}):
        mine = [n for n, s in enumerate(steps) if s.j >= 0 and read.word[s.j] == k]
        if not words[k].other:
            continue
        first, last = mine[0], mine[-1] + 1
        while first and steps[first - 1].kind == "lost":
            first -= 1
        while last < len(steps) and steps[last].kind == "lost":
            last += 1
        part = steps[first:last]
        want = "".join(truth[s.i] for s in part if s.i >= 0)
        places = {s.i for s in part if s.kind == "lost"}
        best = min(distance(want, fold_text(t, fold=fold).chars) for t in words[k].other)
        saved = sum(s.kind != "same" for s in part) - best
        for n, f in enumerate(faults):
            here = f.word == k and f.cause in ("wrong_character", "false_positive")
            if saved > 0 and f.cost == 1 and f.cause not in SPACES and (here or (f.at in places and f.word < 0)):
                faults[n] = replace(f, cause="wrong_language")
                saved -= 1
    return faults
