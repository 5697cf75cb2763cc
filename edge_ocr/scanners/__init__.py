"""Scanners: what is on number plates, identity papers and in machine-readable zones, not just its text.

Each module has a pure ``parse`` and a thin ``Scanner`` around a reader.
"""

from __future__ import annotations

__all__ = ["idcard", "mrz", "plate"]
