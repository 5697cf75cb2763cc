"""Machine-readable zones of travel documents (ICAO 9303): TD1, TD2, TD3, MRV-A and MRV-B."""

from __future__ import annotations

__all__ = ["ALPHABET", "check_digit"]

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ<"
_VALUE = {c: min(i, 36) % 36 for i, c in enumerate(ALPHABET)}


def check_digit(field: str) -> str:
    """The digit that ICAO 9303 part 3 puts after a field: weights 7 3 1, letters 10 to 35, filler 0, modulo 10."""
    return str(sum(_VALUE[c] * (7, 3, 1)[i % 3] for i, c in enumerate(field)) % 10)
