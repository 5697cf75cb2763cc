"""The page at ``/``: one file, nothing from elsewhere, under a policy that allows just that."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

__all__ = ["HTML", "POLICY"]

HTML = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")


def _digest(tag: str) -> str:
    found = re.search(rf"<{tag}>(.*?)</{tag}>", HTML, re.DOTALL)
    assert found is not None
    return base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()


POLICY = (
    f"default-src 'none'; script-src 'sha256-{_digest('script')}'; style-src 'sha256-{_digest('style')}'; "
    "img-src blob: data:; media-src blob:; connect-src 'self'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
