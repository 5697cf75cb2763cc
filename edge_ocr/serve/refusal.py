"""Why a request is not answered: status, a code for programs, a sentence for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_ocr.errors import EdgeOcrError

__all__ = ["Refusal", "busy"]


class Refusal(EdgeOcrError):
    """An answer other than 200. ``code`` is one word or a few, with underscores; the message says what to do."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, dict(headers or {})

    def to_dict(self) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": str(self)}}


def busy(seconds: float, why: str) -> Refusal:
    """503 with Retry-After, whole seconds."""
    wait = max(1, min(60, round(seconds)))
    return Refusal(503, "busy", f"{why}; try again in {wait} s", {"Retry-After": str(wait)})
