"""Where machine-readable zones stand: two or three long lines of one extent, one below the other, put together from
the words that the detector found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_ocr.geometry import heights, reading_angles, widths
from edge_ocr.types import Region

__all__ = ["zones"]

_SMALLEST = 5.0  # pixels: lower text is not tried
_GAP = 5.0  # heights that may lie between two found words of a line
_FILLERS = 24.0  # and between such as stand exactly level: a run of fillers is easily missed
_LONG = 9.0  # heights that a found row is wide at least; the longest of a zone half as much again
_ZONES = 30  # places in a picture that are read, the likeliest


@dataclass(frozen=True, eq=False)
class _Row:
    """Words on one level, in a frame turned by the page's angle: their extent, and the line through their middles."""

    left: float
    right: float
    slope: float
    level: float
    height: float

    def at(self, u: float) -> float:
        return self.level + self.slope * u


def zones(regions: Sequence[Region]) -> list[tuple[frozenset[int], NDArray[np.float64]]]:
    """Two or three long lines below one another: the indices of their rows, and the quads f64 ``[2 or 3, 4, 2]`` of the
    lines, all of one width, since fillers make them so."""
    regions = [r for r in regions if float(heights(np.array([r.quad]))[0]) >= _SMALLEST]
    if not regions:
        return []
    quads = np.array([r.quad for r in regions], np.float64)
    wide, high = widths(quads), heights(quads)
    level = wide > 2.5 * high
    if not level.any():
        return []
    angle = _median(reading_angles(quads)[level], wide[level])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned = quads @ turn.T
    rows = sorted(_rows(turned, high), key=lambda r: r.at((r.left + r.right) / 2))
    ranked: list[tuple[float, frozenset[int], NDArray[np.float64]]] = []
    for count in (3, 2):
        for chosen in _stacks(rows, count):
            group = [rows[k] for k in chosen]
            height = float(np.median([r.height for r in group]))
            middle = (group[0].left + group[0].right) / 2
            # Boxes of large print may be much too high; lines that stand one below the other cannot be.
            height = min(height, 0.75 * (group[-1].at(middle) - group[0].at(middle)) / (count - 1))
            if max((r.right - r.left) / height for r in group) < 1.5 * _LONG:
                continue
            left, ends = min(r.left for r in group) - 0.25 * height, [r.right for r in group]
            # What stands beside a zone may have been taken for a part of a line, seldom of all of them.
            for end in {max(ends), min(ends)} if max(ends) - min(ends) > 1.5 * height else {max(ends)}:
                right, half, lines = end + 0.25 * height, height / 2, []
                for r in group:
                    a, b = r.at(left), r.at(right)
                    lines.append([[left, a - half], [right, b - half], [right, b + half], [left, a + half]])
                # Those come first that are long for their height, and whose words fill them.
                filled = float(np.mean([(min(r.right, end) - r.left) / max(end - left, 1.0) for r in group]))
                ranked.append((filled * (right - left) / height, frozenset(chosen), np.array(lines) @ turn))
    ranked.sort(key=lambda x: -x[0])
    return [(chosen, lines) for _, chosen, lines in ranked[:_ZONES]]


def _rows(turned: NDArray[np.float64], high: NDArray[np.float64]) -> list[_Row]:
    """Words that stand beside one another on a level, as rows that are long enough for a zone."""
    x0, x1 = turned[..., 0].min(1), turned[..., 0].max(1)
    wide = np.maximum(x1 - x0, 1.0)
    middle = turned[..., 1].mean(1)
    order = np.argsort(x0)
    chains: list[list[int]] = []
    for k in order.tolist():
        best, least = None, np.inf
        for chain in chains:
            end = max(chain, key=lambda i: x1[i])
            # Fillers are found as low words of their own: the wide words say how high the line is.
            size = max(_median(high[chain], wide[chain]), high[k] if wide[k] > 2 * high[k] else 0.0)
            gap, off = x0[k] - x1[end], abs(middle[k] - _level_at(turned, chain, (x0[k] + x1[k]) / 2))
            alike = 0.3 * size < high[k] < 1.8 * size
            near = -1.0 * size < gap < (_GAP if off > 0.3 * size else _FILLERS) * size and off < 0.5 * size
            if alike and near and gap + 2 * off < least:
                best, least = chain, gap + 2 * off
        if best is None:
            chains.append([k])
        else:
            best.append(k)
    rows = []
    for chain in chains:
        height = _median(high[chain], wide[chain])
        left, right = float(x0[chain].min()), float(x1[chain].max())
        if right - left < _LONG * height:
            continue
        slope, level = _fit(turned, chain)
        rows.append(_Row(left, right, slope, level, height))
    return rows


def _fit(turned: NDArray[np.float64], chain: Sequence[int]) -> tuple[float, float]:
    """Slope and level of the line through the middles of the words' ends, the wide words counting most."""
    ends = (turned[chain][:, [0, 1]] + turned[chain][:, [3, 2]]) / 2
    u, v = ends[..., 0].ravel(), ends[..., 1].ravel()
    weight = np.repeat(np.sqrt(np.maximum(turned[chain, 1, 0] - turned[chain, 0, 0], 1.0)), 2)
    slope, level = np.polyfit(u, v, 1, w=weight)
    return float(slope), float(level)


def _level_at(turned: NDArray[np.float64], chain: Sequence[int], u: float) -> float:
    """Where a chain's line will be at ``u``: from the level of its last words on, along the slope of the whole chain if
    that is long enough to have one."""
    last = turned[chain[-3:]]
    slope = 0.0
    if turned[chain, 1, 0].max() - turned[chain, 0, 0].min() > _LONG * (last[-1, 3, 1] - last[-1, 0, 1]):
        slope = float(np.clip(_fit(turned, chain)[0], -0.1, 0.1))
    weight = np.maximum(last[:, 1, 0] - last[:, 0, 0], 1.0)
    centre = np.average(last.mean(1), axis=0, weights=weight)
    return float(centre[1] + slope * (u - centre[0]))


def _stacks(rows: Sequence[_Row], count: int) -> list[tuple[int, ...]]:
    """Runs of ``count`` rows of about one height and extent, each a line's distance below the one before."""
    out: list[tuple[int, ...]] = [(k,) for k in range(len(rows))]
    for _ in range(count - 1):
        longer = []
        for chosen in out:
            upper = rows[chosen[-1]]
            for k in range(chosen[-1] + 1, len(rows)):
                lower = rows[k]
                size = max(upper.height, lower.height)
                u = (max(upper.left, lower.left) + min(upper.right, lower.right)) / 2
                apart = lower.at(u) - upper.at(u)
                shared = min(upper.right, lower.right) - max(upper.left, lower.left)
                alike = size < 1.7 * min(upper.height, lower.height)
                # The beginning of one may have been missed, as the fillers at its end often are.
                aside = min(abs(upper.left - lower.left), abs(upper.right - lower.right))
                near = 0.8 * size < apart < 3.5 * size and aside < 4 * size
                if alike and near and shared > 0.25 * max(upper.right - upper.left, lower.right - lower.left):
                    longer.append((*chosen, k))
        out = longer
    return out[:200]


def _median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])
