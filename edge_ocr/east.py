"""Score map and geometry map to regions, and back: EAST's way of finding words.

"EAST: An Efficient and Accurate Scene Text Detector", Zhou et al., CVPR 2017, https://arxiv.org/abs/1704.03155.

Every cell of the maps stands for a square of ``stride`` × ``stride`` pixels of the network's input; cell (row, column)
has its centre at x = (column + 0.5) · stride, y = (row + 0.5) · stride. The geometry of a cell is (top, right,
bottom, left, angle): the distances in input pixels from the cell's centre to the four edges of its word's box, measured
along the box's own axes, and the angle of the reading direction in radians, clockwise positive on the screen, in
-pi/4..pi/4.

``encode`` (what the network is trained to say) stands beside ``decode`` (what is made of it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_ocr import geometry as g

__all__ = [
    "DecodeOptions",
    "Targets",
    "components",
    "continued",
    "decode",
    "encode",
    "join",
    "join_pieces",
    "suppress",
    "upright_rectangles",
]

QUARTER = np.pi / 2
Floats = NDArray[np.floating[Any]]

# -- encode --------------------------------------------------------------------------------------------------------


class Targets(NamedTuple):
    """What the network should say about one image: ``score`` f32 ``[h, w]`` 0 or 1, ``geometry`` f32 ``[h, w, 5]``
    (filled wherever a word's box lies, zero elsewhere), ``mask`` f32 ``[h, w]``: 0 where no loss may be taken."""

    score: NDArray[np.float32]
    geometry: NDArray[np.float32]
    mask: NDArray[np.float32]


def upright_rectangles(quads: ArrayLike) -> tuple[g.Array, g.Array, g.Array]:
    """The rectangles that a geometry map can say, for quads ``[N, 4, 2]``: centres ``[N, 2]``, sizes ``[N, 2]``, angles
    ``[N]`` in -pi/4..pi/4.

    Each is fitted along the word's reading direction. A word that is read steeper than 45° gets the same rectangle,
    seen from the side that makes its angle small: its box is then taller than wide, and which way it reads is for later
    stages.
    """
    centre, size, angle = g.oriented_rectangles(quads)
    turned = np.abs(np.round(angle / QUARTER)) == 1
    size = np.where(turned[..., None], size[..., ::-1], size)
    return centre, size, np.asarray(g.wrap_angle(angle, QUARTER))


def encode(
    quads: ArrayLike,
    ignore: ArrayLike,
    size: tuple[int, int],
    *,
    shrink: float = 0.3,
    stride: int = 4,
    band: float = 1.0,
    min_side: float = 4.0,
) -> Targets:
    """Targets for one image of ``size`` (height, width) in input pixels, with words ``quads`` ``[N, 4, 2]`` in reading
    order (top left first) and ``ignore`` bool ``[N]`` for text that exists but must neither help nor hurt.

    Positive are the cells whose centre lies in the box moved inwards on all sides by ``shrink`` times its shorter side
    (the paper's 0.3); a box too low for that keeps at least one row and one column of cells. ``band`` is the share of
    the strip between that core and the box's edge that is left out of the loss, from the core outwards: at 1 the strip
    is neither text nor ground, at 0 it is all ground. Boxes with a side under ``min_side`` pixels are ignored. Where
    boxes overlap the smaller one wins, whether it is read or ignored.

    Returns ``Targets`` of height ``ceil(H / stride)`` and width ``ceil(W / stride)``.
    """
    q = np.asarray(quads, np.float64).reshape(-1, 4, 2)
    skip = np.asarray(ignore, bool).reshape(-1)
    if len(skip) != len(q):
        raise ValueError(f"{len(q)} quads but {len(skip)} ignore flags")
    rows, columns = -(-size[0] // stride), -(-size[1] // stride)
    score = np.zeros((rows, columns), np.float32)
    geometry = np.zeros((rows, columns, 5), np.float32)
    mask = np.ones((rows, columns), np.float32)
    centre, extent, angle = upright_rectangles(q)
    skip = skip | (extent.min(-1, initial=np.inf) < min_side)
    boxes = g.bounding_boxes(g.rectangle_quads(centre, np.maximum(extent, stride), angle))
    for i in np.argsort(-extent.prod(-1), kind="stable"):
        if not np.isfinite(boxes[i]).all():
            raise ValueError(f"quad {int(i)} is not finite: {q[i].tolist()}")
        x0, y0 = (max(int(v), 0) for v in np.floor(boxes[i, :2] / stride))
        x1 = min(int(np.ceil(boxes[i, 2] / stride)), columns)
        y1 = min(int(np.ceil(boxes[i, 3] / stride)), rows)
        if x0 >= x1 or y0 >= y1:
            continue
        dx = (np.arange(x0, x1) + 0.5) * stride - centre[i, 0]
        dy = ((np.arange(y0, y1) + 0.5) * stride - centre[i, 1])[:, None]
        c, s = np.cos(angle[i]), np.sin(angle[i])
        u, v = dx * c + dy * s, dy * c - dx * s
        w2, h2 = extent[i] / 2
        inset = shrink * extent[i].min()
        core_w, core_h = max(w2 - inset, stride / 2), max(h2 - inset, stride / 2)
        au, av = np.abs(u), np.abs(v)
        core = (au <= core_w) & (av <= core_h)
        within = core | ((au <= w2) & (av <= h2))
        if skip[i]:
            score[y0:y1, x0:x1][within] = 0
            mask[y0:y1, x0:x1][within] = 0
            continue
        loose = within & (au <= core_w + band * max(w2 - core_w, 0)) & (av <= core_h + band * max(h2 - core_h, 0))
        score[y0:y1, x0:x1][within] = core[within]
        mask[y0:y1, x0:x1][within] = (core | ~loose)[within]
        box = np.stack([h2 + v, w2 - u, h2 - v, w2 + u, np.full_like(u, angle[i])], axis=-1)
        geometry[y0:y1, x0:x1][within] = box[within]
    return Targets(score, geometry, mask)


# -- decode --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class DecodeOptions:
    """How maps become regions; the numbers stand in the detector's model.json.

    ``score_threshold``: cells below it are ground. ``merge_iou``: neighbouring cells belong to one word when their
    boxes overlap by it. ``edge_reach``, in parts of the word's height: how fast a cell's say over an end of the word
    fades with the distance from that end. ``nms_iou``: of two words that overlap by it the one with less support goes.
    ``contained``: a word goes, too, when this share of it lies in another of about its height. ``min_height``: lower
    boxes are dropped, in input pixels. ``max_regions``: at most so many are kept, those with most support.
    ``stride``: input pixels per cell.
    """

    score_threshold: float
    merge_iou: float
    nms_iou: float
    min_height: float
    max_regions: int
    edge_reach: float
    contained: float
    stride: int


# Where a cell looks for others of its word, as (rows, columns): at the next ones, and, where those are ground, round
# the corner and over a gap of one or two cells, for the score may dip between two letters. The boxes must agree anyway.
_NEXT = ((0, 1), (1, 0))
_BEYOND = ((1, 1), (1, -1), (0, 2), (0, 3), (2, 0))


def decode(score: ArrayLike, geometry: ArrayLike, options: DecodeOptions) -> tuple[g.Array, g.Array]:
    """Regions from a score map f32 ``[h, w]`` (0..1) and a geometry map f32 ``[h, w, 5]`` -> quads ``[M, 4, 2]`` in
    input pixels, clockwise from the top left, and scores ``[M]`` in 0..1, in no order that matters.

    The paper merges cell by cell along the rows, then suppresses. Here the same is done for all cells at once: cells
    over the threshold are linked to near cells when the boxes that they predict agree, linked cells are one word, and
    its box is the mean of their predictions.

    That mean is not a plain one. A long word is wider than what a cell sees, so cells at its left end guess where it
    ends on the right, and the mean of all is short at both ends (the paper names this weakness). So each edge is
    averaged with weights score · exp(-d / (edge_reach · height)), where d is how far the cell lies, within the
    word's cells, from that end: the cells at an end say where the end is.
    """
    s = np.asarray(score, np.float32)
    geo = np.asarray(geometry, np.float32)
    if s.ndim != 2 or geo.shape != (*s.shape, 5):
        raise ValueError(f"score map [h, w] and geometry map [h, w, 5] do not fit: {s.shape}, {geo.shape}")
    row, column = np.nonzero(s > options.score_threshold)
    cell = geo[row, column]
    value = s[row, column]
    usable = np.isfinite(cell).all(1) & (cell[:, 0] + cell[:, 2] > 0) & (cell[:, 1] + cell[:, 3] > 0)
    if not usable.all():
        row, column, cell, value = row[usable], column[usable], cell[usable], value[usable]
    if not len(row):
        return np.zeros((0, 4, 2)), np.zeros(0)
    x = ((column + 0.5) * options.stride).astype(np.float32)
    y = ((row + 0.5) * options.stride).astype(np.float32)
    word = _group(row, column, x, y, cell, s.shape, options.merge_iou)
    quads, mean, support = _merge(word, x, y, cell, value, options.edge_reach)
    high = (g.heights(quads) >= options.min_height) & (g.widths(quads) >= options.min_height / 2)
    # A network gone wild can leave tens of thousands of scraps, and suppression looks at pairs.
    best = np.argsort(-np.where(high, support, 0), kind="stable")[: min(int(high.sum()), 2 * options.max_regions)]
    quads, mean, support = quads[best], mean[best], support[best]
    kept = suppress(quads, support, iou=options.nms_iou, contained=options.contained)[: options.max_regions]
    return join_pieces(quads[kept], mean[kept])


def _group(
    row: NDArray[np.intp],
    column: NDArray[np.intp],
    x: Floats,
    y: Floats,
    cell: Floats,
    shape: tuple[int, ...],
    merge_iou: float,
) -> NDArray[np.intp]:
    """The word 0..K-1 of each of n cells: linked cells share one."""
    n = len(row)
    top, right, bottom, left, angle = cell.T
    cos, sin = np.cos(angle), np.sin(angle)
    ahead, below = (right - left) / 2, (bottom - top) / 2
    centre_x, centre_y = x + cos * ahead - sin * below, y + sin * ahead + cos * below
    width, height = left + right, top + bottom
    pad = max(max(abs(r), abs(c)) for r, c in _BEYOND)
    index = np.full((shape[0] + pad, shape[1] + 2 * pad), -1, np.intp)
    index[row, column + pad] = np.arange(n)
    first: list[NDArray[np.intp]] = []
    second: list[NDArray[np.intp]] = []
    right_of, below_of = (index[row + dr, column + pad + dc] for dr, dc in _NEXT)
    every, ends, bottoms = np.arange(n), np.nonzero(right_of < 0)[0], np.nonzero(below_of < 0)[0]
    looks = [(every, right_of), (every, below_of)]
    for dr, dc in _BEYOND:
        some = bottoms if dr else ends
        looks.append((some, index[row[some] + dr, column[some] + pad + dc]))
    for a, b in looks:
        a, b = a[b >= 0], b[b >= 0]
        # The boxes of neighbours are nearly parallel: in the frame of the first one, IoU is that of two upright boxes.
        dx, dy = centre_x[b] - centre_x[a], centre_y[b] - centre_y[a]
        du, dv = np.abs(dx * cos[a] + dy * sin[a]), np.abs(dy * cos[a] - dx * sin[a])
        wa, wb, ha, hb = width[a], width[b], height[a], height[b]
        over_u = np.minimum(np.minimum(wa, wb), (wa + wb) / 2 - du)
        over_v = np.minimum(np.minimum(ha, hb), (ha + hb) / 2 - dv)
        shared = np.maximum(over_u, 0) * np.maximum(over_v, 0)
        link = shared >= merge_iou * (wa * ha + wb * hb - shared)
        link &= np.abs(angle[a] - angle[b]) < 0.4  # 23°: not one word, however much the boxes share
        first.append(a[link])
        second.append(b[link])
    return components(n, np.concatenate(first), np.concatenate(second))


def components(n: int, a: NDArray[np.intp], b: NDArray[np.intp]) -> NDArray[np.intp]:
    """Connected components of n nodes under the links (a[i], b[i]) -> the number 0..K-1 of each node's component, in
    the order of their first nodes. Union-find, all links at once: hang the greater root under the lesser, flatten,
    repeat until no link joins two roots."""
    root = np.arange(n)
    while len(a):
        ra, rb = root[a], root[b]
        apart = ra != rb
        if not apart.any():
            break
        a, b, ra, rb = a[apart], b[apart], ra[apart], rb[apart]
        root[np.maximum(ra, rb)] = np.minimum(ra, rb)
        while True:
            flat = root[root]
            if np.array_equal(flat, root):
                break
            root = flat
    _, label = np.unique(root, return_inverse=True)
    return np.asarray(label, np.intp).reshape(-1)


_PIECES = 0.8  # regions of one line that overlap by more heights are joined
_STIFF = 0.2  # how much spread, in squared heights, a word's cells need before they outweigh the predicted angle
_MOST = 0.3  # and how far they may turn it, in radians


def _merge(
    word: NDArray[np.intp], x: Floats, y: Floats, cell: Floats, value: Floats, reach: float
) -> tuple[g.Array, g.Array, g.Array]:
    """One box for each of the K words that n cells belong to -> quads ``[K, 4, 2]``, mean scores ``[K]``, and support,
    the sum of scores ``[K]``."""
    k = int(word.max()) + 1
    order = np.argsort(word, kind="stable")
    word, x, y, cell, value = word[order], x[order], y[order], cell[order], value[order]
    start = np.searchsorted(word, np.arange(k))

    def total(values: Floats) -> g.Array:
        return np.bincount(word, values, k).astype(np.float64, copy=False)

    support = total(value)
    top, right, bottom, left, angle = cell.T
    # Angles lie in a quarter turn, whose ends mean the same box seen from two sides: cells are brought next to one that
    # leads. Cells that saw the box from another side would have other edges; they do not link, so none is here.
    lead = angle[start][word]
    mean_angle = angle[start] + total(value * (angle - lead)) / support
    height = total(value * (top + bottom)) / support
    x0, y0 = x[start], y[start]

    def turn(angles: g.Array) -> tuple[g.Array, g.Array, g.Array]:
        """Each cell's place along and across its word, origin at the word's first cell, and the cosine between both."""
        c, s = np.cos(angles)[word], np.sin(angles)[word]
        dx, dy = x - x0[word], y - y0[word]
        return dx * c + dy * s, dy * c - dx * s, np.cos(angle - angles[word])

    # Where the middle line runs tells the slope of a long word better than the angle that its cells agree on.
    u, v, co = turn(mean_angle)
    line = v + (bottom - top) / 2 * co
    du = u - (total(value * u) / support)[word]
    dv = line - (total(value * line) / support)[word]
    spread = total(value * du * du) + _STIFF * support * height**2
    mean_angle = mean_angle + np.clip(np.arctan(total(value * du * dv) / spread), -_MOST, _MOST)
    # Where each cell sees the four edges: at the feet of its perpendiculars, which its own angle may tilt a little.
    u, v, co = turn(mean_angle)
    fade = np.maximum(reach * height, 1e-6)[word]

    def edge(position: Floats, sign: int, along: Floats) -> g.Array:
        far = np.maximum.reduceat(sign * along, start)[word] - sign * along  # how far behind the outermost cell
        weight = value * np.exp(-far / fade)
        return total(weight * position) / total(weight)

    u1, u0 = edge(u + right * co, 1, u), edge(u - left * co, -1, u)
    v1, v0 = edge(v + bottom * co, 1, v), edge(v - top * co, -1, v)
    size = np.maximum(np.stack([u1 - u0, v1 - v0], -1), 0)
    mu, mv = (u0 + u1) / 2, (v0 + v1) / 2
    mc, ms = np.cos(mean_angle), np.sin(mean_angle)
    centre = np.stack([x0 + mu * mc - mv * ms, y0 + mu * ms + mv * mc], -1)
    mean = total(value * value) / support
    return g.rectangle_quads(centre, size, mean_angle), mean, support


def suppress(
    quads: ArrayLike, support: ArrayLike, *, iou: float, contained: float, partial: ArrayLike | None = None
) -> NDArray[np.intp]:
    """Non-maximum suppression: the indices of the quads ``[N, 4, 2]`` that stay, most ``support`` ``[N]`` first.

    A quad goes when one that stays overlaps it by ``iou``, or when those that stay and are of about its height (within
    a factor of two) hold the share ``contained`` of it: then it is a fragment of a word, or several words taken for
    one, while small print on a big letter is text of its own. ``partial`` bool ``[N]``: quads that are known to be cut
    off, whose height says nothing.
    """
    q = np.asarray(quads, np.float64).reshape(-1, 4, 2)
    order = np.argsort(-np.asarray(support, np.float64).reshape(-1), kind="stable")
    q = q[order]
    first, second = g.meeting_pairs(g.bounding_boxes(q))
    shared = g.intersection_area(q[first], q[second])
    size, high = np.maximum(g.area(q), 1e-9), np.maximum(g.heights(q), 1e-9)
    clash = shared >= np.maximum(iou * (size[first] + size[second] - shared), 1e-9)
    ratio = high[second] / high[first]
    alike = (ratio > 0.5) & (ratio < 2.0)
    if partial is not None:
        cut = np.asarray(partial, bool).reshape(-1)[order]
        alike |= cut[second] & ~cut[first]
    share = np.where(alike, shared / size[second], 0.0)
    alive = [True] * len(q)
    room = [contained] * len(q)
    pairs = zip(first.tolist(), second.tolist(), clash.tolist(), share.tolist(), strict=True)
    for a, b, hit, part in pairs:  # by a, whose fate is settled by now
        if alive[a]:
            room[b] -= part
            if hit or (part > 0 and room[b] <= 0):
                alive[b] = False
    return np.asarray(order[np.array(alive, bool)], np.intp)


def continued(quads: g.Array, first: NDArray[np.intp], second: NDArray[np.intp]) -> g.Array:
    """By how much each pair of quads overlaps along one line, in heights; 0 where they do not stand on one line."""
    centre, size, angle = g.oriented_rectangles(quads)
    dx, dy = (centre[second] - centre[first]).T
    c, s = np.cos(angle[first]), np.sin(angle[first])
    along, across = np.abs(dx * c + dy * s), np.abs(dy * c - dx * s)
    low = np.maximum(np.minimum(size[first, 1], size[second, 1]), 1e-9)
    high = np.maximum(size[first, 1], size[second, 1])
    in_line = (low > 0.7 * high) & (across < 0.35 * low)
    in_line &= np.abs(g.wrap_angle(angle[second] - angle[first])) < 0.2
    return np.where(in_line, ((size[first, 0] + size[second, 0]) / 2 - along) / low, 0.0)


def join(
    quads: g.Array, first: NDArray[np.intp], second: NDArray[np.intp]
) -> tuple[NDArray[np.bool_], list[NDArray[np.intp]], g.Array]:
    """Joins quads that are linked -> which of them ``[N]`` are in no link, the members of each group, and the quads
    around the groups ``[K, 4, 2]``, along the longest member."""
    group = components(len(quads), first, second)
    alone = np.bincount(group)[group] == 1
    joined = [np.nonzero(group == k)[0] for k in np.unique(group[~alone])]
    wide, angle = g.widths(quads), g.reading_angles(quads)
    whole = [g.bounding_rectangle(quads[p], float(angle[p[np.argmax(wide[p])]])) for p in joined]
    return alone, joined, np.array(whole).reshape(-1, 4, 2)


def join_pieces(quads: g.Array, scores: g.Array) -> tuple[g.Array, g.Array]:
    """Regions of one line that share about a letter are pieces of one word, or of two that cannot be told apart: read
    on their own they would give that letter twice."""
    first, second = g.meeting_pairs(g.bounding_boxes(quads))
    fits = continued(quads, first, second) > _PIECES
    if not fits.any():
        return quads, scores
    alone, joined, whole = join(quads, first[fits], second[fits])
    quads = np.concatenate([quads[alone], whole])
    return quads, np.concatenate([scores[alone], [scores[p].max() for p in joined]])
