"""Words to lines, with spaces, in the order in which people read them.

Everything is decided from the words' quads (and, for one question, from whether a text is a number); no picture is
needed. In steps:

1. ``straighten``: the page's tilt, and how it changes across the page under perspective, is fitted to the words' own
   angles and taken out, so that rows lie level.
2. Words that stand next to one another on a level become runs.
3. Where two things stand side by side, as their grounds tell, each is read on its own (``blocks``).
4. Runs that stack up, fill their width, and are not numbers are body text, and make columns.
5. Runs on one level become a row, however far apart: an item and its price, a field and its value. Only two different
   columns of body text are never joined to a row.
6. Rows are read from top to bottom, columns of body text one after the other.
7. A row is one line where its gaps are small, or repeat in the rows around it as in a table; else it is several.

The order of columns follows the rules of Breuel, "High Performance Document Layout Analysis", SDIUT 2003.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_ocr import geometry as g
from edge_ocr.blocks import ALIKE, LEVEL, Box, Index, blocks, grounds
from edge_ocr.types import Quad, TextLine, TextWord

__all__ = ["arrange"]

# All lengths are in parts of the height of the words concerned.
# Two words are one only where they overlap by more than this. The detector parts words at spaces and seldom elsewhere,
# but its edges are not sharp enough to measure a space: asking for a gap of 0.1 lost a third of them on Korean pages.
_JOIN = -0.35
_MARK = 0.3  # and a mark on its own clings to the word before it, or after it, within this gap
_CLOSING, _OPENING = frozenset(".,:;!?)]}%'\"…·。、」』"), frozenset("([{#「『")
_WITHIN = frozenset(".,:/-")  # what stands inside numbers, dates and times, at which a detector may tear them
_NEXT = 1.3  # the widest gap within a run
_APART = 3.0  # a wider gap parts a row into lines, unless rows nearby have it too
_NEAR_ROWS = 3.0  # how near such rows are
_STACKED = 1.2  # the widest gap between two lines of body text
_BODY_WIDTH = 6.0  # narrower text is no body text
_BODY_FILL = 0.65  # lines of body text fill this part of their column on average

_BAND = 0.3  # rows whose middles are no farther apart are read from left to right

_ENOUGH = 8  # so many words are rows enough to measure a page's slope by
_WORTH = 1.05  # rows must get sharper by this factor for the slope to be changed

def arrange(words: Sequence[TextWord], picture: NDArray[np.uint8] | None = None) -> tuple[TextLine, ...]:
    """Lines in reading order, for which ``picture``, uint8 ``[H, W, 3]``, tells things apart that stand side by side.
    ``TextLine.words`` are indices into ``words``, in reading order; words without a quad, or without text, are in no
    line. A line's confidence is the mean over its characters, its quad the smallest rectangle along it."""
    index = [i for i, w in enumerate(words) if w.quad is not None and w.text]
    if not index:
        return ()
    quads = np.array([words[i].quad for i in index], np.float64)
    # Text that runs another way (sideways, upside down) is a page of its own; the way most of it runs comes first.
    angles = g.reading_angles(quads)
    count, edges = np.histogram(angles, 36, (-np.pi, np.pi), weights=g.area(quads))
    most = np.argmax(count)
    way = np.round((angles - (edges[most] + edges[most + 1]) / 2) / (np.pi / 2)).astype(int) % 4
    amount = np.bincount(way, g.area(quads), 4)
    lines: list[TextLine] = []
    for k in np.argsort(-amount, kind="stable"):
        some = np.nonzero(way == k)[0]
        if len(some):
            turned = g.rotate(quads[some], -int(k) * np.pi / 2)
            texts = [words[index[i]].text for i in some]
            colours = None if picture is None else grounds(picture, quads[some])
            for members, box_angle in _lines(turned, texts, colours):
                ids = [index[some[m]] for m in members]
                lines.append(_text_line(words, ids, quads[some[members]], box_angle + int(k) * np.pi / 2))
    return tuple(lines)


def straighten(quads: g.Array) -> tuple[Box, g.Array]:
    """Level boxes for words ``[N, 4, 2]`` that run roughly to the right, and the page's angle at each word ``[N]``.

    The angle is fitted as a + b·x + c·y to the angles of the words that are long enough to have one, each weighted by
    how well it does; outliers are left out. Then heights are measured from the curves that follow this angle.
    """
    centre, size, angle = g.oriented_rectangles(quads)
    middle = np.median(centre, axis=0)
    unit = max(float(np.ptp(centre, axis=0).max()), 1.0)
    x, y = ((centre - middle) / unit).T
    aspect = size[:, 0] / np.maximum(size[:, 1], 1e-9)
    weight = np.clip(aspect - 1, 0, 8) ** 2
    if weight.sum() <= 0:
        weight = np.ones(len(weight))
    rank = np.argsort(angle)
    tilt = float(angle[rank][np.searchsorted(np.cumsum(weight[rank]), weight.sum() / 2)])
    near = (np.abs(angle - tilt) < 0.2) & (weight > 0)
    bend = np.zeros(3)
    if near.sum() >= 8:
        # A little pull towards no bend at all: few words, or words in one place, cannot tell.
        a = np.stack([np.ones_like(x), x, y], 1)[near]
        w = weight[near]
        pull = np.diag([0.0, 0.02, 0.02]) * w.sum()
        bend = np.linalg.solve(a.T @ (a * w[:, None]) + pull, a.T @ (w * (angle[near] - tilt)))
    else:
        bend[0] = np.average(angle[near] - tilt, weights=weight[near]) if near.any() else 0.0
    level = tilt + float(bend[0])
    plane = (centre - middle) / unit
    bu, bv = (float(k) for k in g.rotate(bend[1:], -level))  # b and c as seen on the turned page
    if len(quads) >= _ENOUGH:
        more, bend_more = _sharpen(plane, level, bu, bv, size / unit)
        level, bv = level + more, bv + bend_more
    u, v = _level_out(plane, level, bu, bv)
    w2, h2 = size.T / 2
    u, flat = u * unit, v * unit
    return Box(u - w2, flat - h2, u + w2, flat + h2, size[:, 1]), level + bu * u / unit + bv * v


def _level_out(plane: g.Array, level: float, bu: float, bv: float) -> tuple[g.Array, g.Array]:
    """Where points ``[N, 2]`` of a page come to lie when it is turned back by ``level`` and its bend taken out."""
    u, v = g.rotate(plane, -level).T
    return u, v - (bu * u * u / 2 + bv * u * v)


def _sharpen(plane: g.Array, level: float, bu: float, bv: float, size: g.Array) -> tuple[float, float]:
    """What to add to ``level`` and ``bv`` so that the words fall into the sharpest rows.

    A word's own angle is rough, above all on tilted pages, and half a degree across a receipt is half a line. Rows tell
    better: seen along them, the words' middles gather in few places, which the sum of squares of a histogram measures.
    Far from the fitted slope such gatherings are a matter of chance (an item beside the price of the next line), so a
    change has to be worth its size.
    """
    step = 0.35 * float(np.median(size[:, 1]))
    weight = np.minimum(size[:, 0], 6 * float(np.median(size[:, 1])))

    def sharpness(more: float, bends: g.Array) -> g.Array:
        u, v = g.rotate(plane, -(level + more)).T
        flat = v - (bu * u * u / 2 + (bv + bends)[:, None] * u * v)  # a row for each bend
        cells = (flat - flat.min(1, keepdims=True)) / max(step, 1e-5)
        wide = int(cells.max()) + 2
        start = wide * np.arange(len(bends))[:, None]
        found = np.zeros(len(bends))
        for off in (0.0, 0.5):
            place = ((cells + off).astype(np.intp) + start).ravel()
            counts = np.bincount(place, np.tile(weight, len(bends)), minlength=wide * len(bends))
            found += (counts.reshape(len(bends), wide) ** 2).sum(1)
        return np.asarray(found * np.exp(-((more / 0.25) ** 2 + (bends / 0.5) ** 2) / 2))

    def sharpest(changes: list[float], bends: list[float]) -> tuple[float, float, float]:
        tried = np.array(bends)
        return max(found for m in changes for found in zip(sharpness(m, tried), [m] * len(bends), bends, strict=True))

    least = _WORTH * float(sharpness(0.0, np.zeros(1))[0])
    _, m0, b0 = sharpest([k * 0.02 for k in range(-10, 11)], [k * 0.1 for k in range(-4, 5)])
    best, more, bend = sharpest([m0 + k * 0.005 for k in range(-2, 3)], [b0 + k * 0.05 for k in range(-1, 2)])
    return (float(more), float(bend)) if best > least else (0.0, 0.0)


def _lines(quads: g.Array, texts: Sequence[str], colours: g.Array | None) -> list[tuple[list[int], float]]:
    """Lines in reading order: the words of each in reading order, and its angle. ``colours`` of the words' grounds."""
    box, angle = straighten(quads)
    runs = _runs(box)
    around = _around(box, runs)
    out = []
    under = None if colours is None else np.array([np.median(colours[run], axis=0) for run in runs])
    for block in blocks(around, ["".join(texts[w] for w in run) for run in runs], under):
        lines = _block_lines(Box(*(side[block] for side in around)), [runs[k] for k in block], texts)
        out += [(line, _line_angle(quads, line, angle)) for line in lines]
    return out


def _block_lines(run_box: Box, runs: Sequence[list[int]], texts: Sequence[str]) -> list[list[int]]:
    """The lines of a block of runs, in reading order."""
    column = _columns(run_box, runs, texts)
    first, second = _across(run_box, column)
    rows = _chain(len(runs), first, second)
    row_box = _around(run_box, rows)
    row_column = np.array([column[r[0]] if len(r) == 1 else -1 for r in rows])
    together = _table_gaps(run_box, first, second)
    out = []
    for row in (rows[i] for i in _order(row_box, row_column)):
        line = list(runs[row[0]])
        for a, b in itertools.pairwise(row):
            gap = run_box.x0[b] - run_box.x1[a]
            if (a, b) not in together and gap > _APART * min(run_box.high[a], run_box.high[b]):
                out.append(line)
                line = []
            line.extend(runs[b])
        out.append(line)
    return out


def _runs(box: Box) -> list[list[int]]:
    """Words that follow one another closely on a level, each run from left to right."""
    reach = box.stack()
    reach[:, 2] += _NEXT * box.high
    i, j = _both_ways(*g.meeting_pairs(reach))
    gap = box.x0[j] - box.x1[i]
    low, high = np.minimum(box.high[i], box.high[j]), np.maximum(box.high[i], box.high[j])
    beside = _level(box, i, j) & _follows(box, i, j)
    fits = beside & (high <= ALIKE * low) & (gap <= _NEXT * (low + high) / 2)
    runs = _chain(len(box.high), *_nearest(i[fits], j[fits], gap[fits]))
    # A dot or a dash found on its own is low and small, stands close to a word, and has no neighbour of its own size.
    lower = np.where(box.high[i] < box.high[j], i, j)
    single = np.zeros(len(box.high), bool)
    single[[r[0] for r in runs if len(r) == 1]] = True
    mark = beside & (high > ALIKE * low) & (gap < 0.6 * high) & (box.x1[lower] - box.x0[lower] < 0.8 * high)
    home = {k: n for n, run in enumerate(runs) for k in run}
    for k in np.nonzero(mark & single[lower])[0][np.argsort(gap[mark & single[lower]], kind="stable")]:
        small, word = int(lower[k]), int(i[k] + j[k] - lower[k])
        if runs[home[small]] == [small]:
            runs[home[small]] = []
            home[small] = home[word]
            runs[home[word]].append(small)
    return [sorted(run, key=lambda k: box.x0[k] + box.x1[k]) for run in runs if run]


def _level(box: Box, i: Index, j: Index) -> NDArray[np.bool_]:
    shared = np.minimum(box.y1[i], box.y1[j]) - np.maximum(box.y0[i], box.y0[j])
    return np.asarray(shared >= LEVEL * np.minimum(box.high[i], box.high[j]))


def _follows(box: Box, i: Index, j: Index) -> NDArray[np.bool_]:
    """Whether j lies to the right of i: further right, and they share less than half of the narrower one, or little."""
    shared = box.x1[i] - box.x0[j]
    narrow = np.minimum(box.x1[i] - box.x0[i], box.x1[j] - box.x0[j])
    low = np.minimum(box.high[i], box.high[j])
    further = box.x0[j] + box.x1[j] > box.x0[i] + box.x1[i]
    return np.asarray(further & (shared < np.maximum(0.8 * low, 0.5 * narrow)))


def _both_ways(i: Index, j: Index) -> tuple[Index, Index]:
    return np.concatenate([i, j]), np.concatenate([j, i])


def _nearest(i: Index, j: Index, distance: g.Array) -> tuple[Index, Index]:
    """Of the pairs those where each is the other's nearest, so that every i has one j and every j one i."""
    if not len(i):
        return i, j
    rank = np.argsort(distance, kind="stable")
    best_j: dict[int, int] = {}
    best_i: dict[int, int] = {}
    for a, b in zip(i[rank].tolist(), j[rank].tolist(), strict=True):
        if a not in best_j and b not in best_i:
            best_j[a], best_i[b] = b, a
    return np.array(list(best_j), np.intp), np.array(list(best_j.values()), np.intp)


def _chain(n: int, first: Index, second: Index) -> list[list[int]]:
    """Chains of the nodes 0..n-1 under links that give each at most one next and one before; the order of the chains is
    that of their heads. The links must not close a ring, which ones to the right cannot."""
    following = dict(zip(first.tolist(), second.tolist(), strict=True))
    heads = sorted(set(range(n)) - set(following.values()))
    chains = []
    for k in heads:
        chain = [k]
        while chain[-1] in following:
            chain.append(following[chain[-1]])
        chains.append(chain)
    return chains


def _around(box: Box, groups: Sequence[Sequence[int]]) -> Box:
    """The boxes around groups of boxes; a group's text height is its members' mean, weighted by width."""
    out = np.zeros((len(groups), 5))
    for k, members in enumerate(groups):
        m = list(members)
        wide = np.maximum(box.x1[m] - box.x0[m], 1e-9)
        high = float((box.high[m] * wide).sum() / wide.sum())
        # Around the middles, not the extremes: one tall word must not make a line touch its neighbours.
        mid = float((box.middle[m] * wide).sum() / wide.sum())
        out[k] = box.x0[m].min(), mid - high / 2, box.x1[m].max(), mid + high / 2, high
    return Box(*out.T)


def _columns(box: Box, runs: Sequence[Sequence[int]], texts: Sequence[str]) -> Index:
    """The column of body text that each run belongs to, -1 for those that are none."""
    n = len(runs)
    reach = box.stack()
    reach[:, 3] += _STACKED * box.high
    i, j = _both_ways(*g.meeting_pairs(reach))
    shared = np.minimum(box.x1[i], box.x1[j]) - np.maximum(box.x0[i], box.x0[j])
    wide = box.x1 - box.x0
    gap = box.y0[j] - box.y1[i]
    low, high = np.minimum(box.high[i], box.high[j]), np.maximum(box.high[i], box.high[j])
    fits = (shared >= 0.5 * np.minimum(wide[i], wide[j])) & (high <= 1.5 * low)
    fits &= (gap > -0.4 * low) & (gap <= _STACKED * low) & (box.middle[j] > box.middle[i])
    # The nearest by how far the left edges are apart first: lines of one column begin or centre together.
    aside = np.minimum(np.abs(box.x0[i] - box.x0[j]), np.abs(box.x0[i] + box.x1[i] - box.x0[j] - box.x1[j]) / 2)
    first, second = _nearest(i[fits], j[fits], (np.maximum(gap, 0) + aside)[fits])
    column = np.full(n, -1, np.intp)
    regions: list[list[float]] = []
    for stack in _chain(n, first, second):
        s = np.array(stack)
        width = float(np.quantile(wide[s], 0.8))
        text = "".join(texts[w] for r in stack for w in runs[r])
        letters = sum(c.isalpha() for c in text)
        per_line = sum(len(runs[r]) for r in stack) / len(stack)
        body = len(s) >= (3 if per_line < 2 else 2) and width >= _BODY_WIDTH * float(box.high[s].mean())
        body = body and float(np.minimum(wide[s] / width, 1).mean()) >= _BODY_FILL and letters > 0.6 * len(text)
        if body:
            x0, x1 = float(np.quantile(box.x0[s], 0.2)), float(np.quantile(box.x1[s], 0.8))
            pad = 2 * float(box.high[s].mean())
            regions.append([x0, float(box.y0[s].min()) - pad, x1, float(box.y1[s].max()) + pad])
    columns = _merge_regions(regions)
    # Short lines, headings and last lines belong to the column in which they stand.
    for k, (x0, y0, x1, y1) in enumerate(columns):
        inside = np.minimum(box.x1, x1) - np.maximum(box.x0, x0) >= 0.8 * wide
        column[inside & (box.middle > y0) & (box.middle < y1) & (column < 0)] = k
    return column


def _merge_regions(regions: list[list[float]]) -> list[list[float]]:
    """Body texts one above the other with about the same sides are one column."""
    columns: list[list[float]] = []
    for x0, y0, x1, y1 in sorted(regions, key=lambda r: r[1]):
        for c in columns:
            shared = min(c[2], x1) - max(c[0], x0)
            if shared >= 0.8 * max(c[2] - c[0], x1 - x0) and not _between(columns, c, (x0, y0, x1, y1)):
                c[:] = min(c[0], x0), min(c[1], y0), max(c[2], x1), max(c[3], y1)
                break
        else:
            columns.append([x0, y0, x1, y1])
    return columns


def _between(columns: list[list[float]], upper: list[float], lower: tuple[float, float, float, float]) -> bool:
    """Whether another, wider column lies between the two: then they are columns of different parts of the page."""
    return any(
        c is not upper and c[1] > upper[1] and c[3] < lower[3] and c[2] - c[0] > 1.3 * (upper[2] - upper[0])
        and min(c[2], upper[2]) > max(c[0], upper[0])
        for c in columns
    )


def _across(box: Box, column: Index) -> tuple[Index, Index]:
    """Pairs (i, j) of runs: j is the next one to the right of i in the same row."""
    reach = box.stack()
    reach[:, 2] = box.x1.max(initial=0) + 1
    i, j = _both_ways(*g.meeting_pairs(reach))
    gap = box.x0[j] - box.x1[i]
    low, high = np.minimum(box.high[i], box.high[j]), np.maximum(box.high[i], box.high[j])
    fits = _level(box, i, j) & (high <= ALIKE * low) & _follows(box, i, j)
    fits &= (column[i] < 0) | (column[j] < 0) | (column[i] == column[j])
    return _nearest(i[fits], j[fits], gap[fits])


def _table_gaps(box: Box, first: Index, second: Index) -> set[tuple[int, int]]:
    """The links of rows whose gap stands above or below the gap of another row nearby."""
    left, right = box.x1[first], box.x0[second]
    mid = (box.middle[first] + box.middle[second]) / 2
    high = (box.high[first] + box.high[second]) / 2
    found = set()
    for k in range(len(first)):
        near = (np.abs(mid - mid[k]) < _NEAR_ROWS * high[k]) & (np.minimum(right, right[k]) > np.maximum(left, left[k]))
        near &= right - left > _APART * high
        near[k] = False
        if near.any():
            found.add((int(first[k]), int(second[k])))
    return found


def _order(box: Box, column: Index) -> list[int]:
    """Rows in reading order: from top to bottom, but a column of body text before the one to its right, unless
    something between them spans both."""
    n = len(column)
    by_height = _top_down(box)
    prose = np.nonzero(column >= 0)[0]
    # What stands to the right of something much higher is read after it.
    i, j = _both_ways(*g.meeting_pairs(np.stack([np.full(n, 0.0), box.y0, np.full(n, 1.0), box.y1], -1)))
    after = (box.x1[i] <= box.x0[j]) & (box.high[i] > ALIKE * box.high[j])
    after &= (box.middle[j] > box.y0[i]) & (box.middle[j] < box.y1[i])
    if len(np.unique(column[prose])) < 2 and not after.any():
        return by_height
    overlap = (box.x0[:, None] < box.x1[None]) & (box.x0[None] < box.x1[:, None])
    before: list[list[int]] = [[] for _ in range(n)]
    for a, b in zip(i[after].tolist(), j[after].tolist(), strict=True):
        before[b].append(a)
    for b in prose:
        others = prose[(column[prose] != column[b]) & (box.x1[prose] <= box.x0[b] + box.high[b])]
        for a in others:
            lo, hi = sorted((box.middle[a], box.middle[b]))
            spans = overlap[a] & overlap[b] & (box.middle > lo) & (box.middle < hi)
            if not spans.any():
                before[b].append(int(a))
    above = overlap & (box.middle[:, None] < box.middle[None])
    for b in range(n):
        before[b].extend(np.nonzero(above[:, b])[0].tolist())
    rank = {k: i for i, k in enumerate(by_height)}
    done: list[int] = []
    state = [0] * n
    for start in rank:
        stack = [start]
        while stack:
            k = stack[-1]
            if state[k] == 0:
                state[k] = 1
                stack.extend(sorted((a for a in before[k] if state[a] == 0), key=rank.__getitem__, reverse=True))
            else:
                stack.pop()
                if state[k] == 1:
                    state[k] = 2
                    done.append(k)
    return done


def _top_down(box: Box) -> list[int]:
    """Rows from top to bottom; of those whose middles hardly differ, as of two words on an arc, the left one first."""
    bands: list[list[int]] = []
    for k in np.argsort(box.middle, kind="stable").tolist():
        first = bands[-1][0] if bands else k
        if bands and box.middle[k] - box.middle[first] <= _BAND * min(box.high[k], box.high[first]):
            bands[-1].append(k)
        else:
            bands.append([k])
    return [k for band in bands for k in sorted(band, key=lambda k: float(box.x0[k]))]


def _line_angle(quads: g.Array, line: Sequence[int], angle: g.Array) -> float:
    """A line's own angle: through the middles of its first and last word's outer edges when it is long, else the
    page's there."""
    first, last = quads[line[0]], quads[line[-1]]
    a, b = (first[0] + first[3]) / 2, (last[1] + last[2]) / 2
    length = float(np.hypot(*(b - a)))
    if length < 3 * float(g.heights(quads[list(line)]).mean()):
        return float(g.reading_angles(quads[line[0]])) if len(line) == 1 else float(angle[list(line)].mean())
    return float(np.arctan2(b[1] - a[1], b[0] - a[0]))


def _text_line(words: Sequence[TextWord], ids: list[int], quads: g.Array, angle: float) -> TextLine:
    box = g.bounding_rectangle(quads.reshape(-1, 2), angle)
    along = np.array([np.cos(angle), np.sin(angle)])
    start, end = quads[:, [0, 3]].mean(1) @ along, quads[:, [1, 2]].mean(1) @ along
    high = g.heights(quads)
    text = words[ids[0]].text
    for k in range(1, len(ids)):
        gap = (start[k] - end[k - 1]) / max(high[k], high[k - 1], 1e-9)
        before, after = words[ids[k - 1]].text, words[ids[k]].text
        clings = gap < _MARK and (
            _CLOSING.issuperset(after) or _OPENING.issuperset(before) or _is_torn_number(before, after)
        )
        text += ("" if gap < _JOIN or clings else " ") + after
    weight = np.array([max(len(words[i].text), 1) for i in ids], float)
    confidence = float(np.average([words[i].confidence for i in ids], weights=weight))
    a, b, c, d = ((float(x), float(y)) for x, y in box)
    quad: Quad = (a, b, c, d)
    return TextLine(text, confidence, quad, tuple(ids))


def _is_torn_number(before: str, after: str) -> bool:
    """Whether two words are the halves of one number: "20," and "300", "4" and ".5"."""
    if not before or not after:
        return False
    if before[-1] in _WITHIN:
        return before[-2:-1].isdigit() and after[0].isdigit()
    return after[0] in _WITHIN and after[1:2].isdigit() and before[-1].isdigit()
