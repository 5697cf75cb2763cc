"""Scanners: what is on number plates and machine-readable documents, not just its text.

Each module has a pure ``parse`` and a thin ``Scanner`` around a reader: ``plate`` and ``mrz``.
"""

from __future__ import annotations

__all__: list[str] = []
