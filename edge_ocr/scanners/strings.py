"""How far two texts are apart; what all scanners compare readings with."""

from __future__ import annotations

__all__ = ["distance"]


def distance(a: str, b: str) -> int:
    """Edit distance (Levenshtein 1966): the fewest letters to insert, drop or replace."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]
