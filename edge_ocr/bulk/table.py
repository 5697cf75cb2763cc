"""Rows as Parquet and back: the columns, and nothing that knows of parts or runs."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from edge_ocr.bulk.tasks import Row
from edge_ocr.errors import InputError

__all__ = ["arrow", "batches", "ids", "job_of", "merge", "rows", "schema", "table", "write"]

_STAGES = ("detect", "crop", "recognize", "total")
_JOB = b"edge_ocr.job"
_BATCH = 4096


def arrow() -> Any:
    """pyarrow. Raises InputError, which names the extra, where it is missing."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InputError("Parquet needs pyarrow, which is not installed: pip install 'edge-ocr[bulk]'; or write JSON "
                         "lines: --out results.jsonl") from error
    return pyarrow


@functools.cache
def schema() -> Any:
    """One row a picture. ``text`` is what was read, line by line; ``error`` is null where it was read at all. Quads are
    eight numbers, x y of four corners, in pixels of the picture; ``rotation`` and ``mirrored`` as in a Reading."""
    pa = arrow()
    quad, share, text = pa.list_(pa.float32(), 8), pa.float32(), pa.string()
    character = pa.struct([("text", text), ("confidence", share)])
    word = pa.struct([("text", text), ("confidence", share), ("language", text), ("quad", quad),
                      ("characters", pa.list_(character))])
    line = pa.struct([("text", text), ("confidence", share), ("quad", quad), ("words", pa.list_(pa.int32()))])
    return pa.schema([
        ("id", pa.binary(16)), ("image", text), ("width", pa.int32()), ("height", pa.int32()), ("text", text),
        ("words", pa.list_(word)), ("lines", pa.list_(line)),
        ("rotation", pa.int16()), ("mirrored", pa.bool_()),
        ("ms", pa.struct([(stage, pa.float32()) for stage in _STAGES])), ("error", text),
    ])


def table(rows: Sequence[Row]) -> Any:
    """Rows as an Arrow table."""
    return arrow().Table.from_pylist([_flat(row) for row in rows], schema=schema())


def write(path: Path, rows: Sequence[Row]) -> None:
    arrow().parquet.write_table(table(rows), path, compression="zstd")


def ids(path: Path) -> Iterator[bytes]:
    for batch in _open(path).iter_batches(1 << 16, columns=["id"]):
        yield from batch.column(0).to_pylist()


def rows(path: Path) -> Iterator[Row]:
    """The rows of a Parquet file, as they were before."""
    for batch in _open(path).iter_batches(_BATCH):
        yield from map(_row, batch.to_pylist())


def batches(path: Path) -> Iterator[Any]:
    pa = arrow()
    for batch in _open(path).iter_batches(_BATCH):
        yield pa.Table.from_batches([batch]).cast(schema())


def merge(path: Path, tables: Iterable[Any], job: str) -> int:
    """Writes one file of many tables, no id twice; gives its number of rows."""
    pa = arrow()
    seen: set[bytes] = set()
    waiting: list[Any] = []
    with pa.parquet.ParquetWriter(path, schema().with_metadata({_JOB: job.encode()}), compression="zstd") as writer:
        def out() -> None:
            if waiting:
                writer.write_table(pa.concat_tables(waiting))
            waiting.clear()

        for part in tables:
            keep = []
            for number, value in enumerate(part.column("id").to_pylist()):
                if value not in seen:
                    seen.add(value)
                    keep.append(number)
            waiting.append(part if len(keep) == part.num_rows else part.take(pa.array(keep, pa.int64())))
            if sum(t.num_rows for t in waiting) >= _BATCH:
                out()
        out()
    return len(seen)


def job_of(path: Path) -> str | None:
    """What ``merge`` was told of the job; None where the file says nothing of it."""
    metadata = _open(path).schema_arrow.metadata or {}
    value = metadata.get(_JOB)
    return value.decode() if value is not None else None


def _open(path: Path) -> Any:
    pa = arrow()
    try:
        return pa.parquet.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: not a Parquet file of ours: {error}") from error


def _flat(row: Row) -> dict[str, Any]:
    flat = {"id": bytes.fromhex(row["id"]), "image": row["image"], "error": row.get("error")}
    if "error" in row:
        return flat
    words = [{**word, "quad": [v for point in word["quad"] for v in point]} for word in row["words"]]
    lines = [{**line, "quad": [v for point in line["quad"] for v in point]} for line in row["lines"]]
    return {**flat, "width": row["width"], "height": row["height"], "words": words, "lines": lines, "ms": row["ms"],
            "rotation": row.get("rotation", 0), "mirrored": row.get("mirrored", False),
            "text": "\n".join(line["text"] for line in lines)}


def _row(flat: dict[str, Any]) -> Row:
    head = {"id": flat["id"].hex(), "image": flat["image"]}
    if flat["error"] is not None:
        return {**head, "error": flat["error"]}
    words = [
        {"quad": _quad(w["quad"]), "text": w["text"], "confidence": round(w["confidence"], 4),
         "language": w["language"],
         "characters": [{"text": c["text"], "confidence": round(c["confidence"], 4)} for c in w["characters"]]}
        for w in flat["words"]
    ]
    lines = [{"quad": _quad(x["quad"]), "text": x["text"], "confidence": round(x["confidence"], 4), "words": x["words"]}
             for x in flat["lines"]]
    row = {**head, "width": flat["width"], "height": flat["height"], "words": words, "lines": lines,
           "ms": {stage: round(value, 2) for stage, value in flat["ms"].items()}}
    # as a Reading tells them: only where there is something to tell
    return {**row, **{key: flat[key] for key in ("rotation", "mirrored") if flat[key]}}


def _quad(values: list[float]) -> list[list[float]]:
    return [[round(values[i], 2), round(values[i + 1], 2)] for i in range(0, 8, 2)]
