"""Many pictures: folders, archives, lists and videos into Parquet or JSON lines, stopped and resumed at any moment.

    from edge_ocr.bulk import run

    run(["scans/", "more.zip"], ["results.parquet"], resume=True)

Tasks are found lazily (``sources``), read in processes of their own (``pool``, ``worker``) and kept in parts that
appear whole or not at all (``store``). The parts are the only record of what is done; nothing can disagree with them.
"""

from __future__ import annotations

from edge_ocr.bulk.job import Summary, run

__all__ = ["Summary", "run"]
