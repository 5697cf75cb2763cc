"""The same run on a Ray cluster (Ray Data): chunks of tasks go to actors, each with its own worker process and models.

An actor writes its chunk's part itself, under a name that the driver chose, before it says that it is done. A chunk
that Ray gives out again, because an actor or its machine died, is recognised by the part that is there already; so
every picture ends up in exactly one part, and rows never pass through the driver.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from edge_ocr.bulk.pool import Pool
from edge_ocr.bulk.store import Store
from edge_ocr.bulk.tasks import Task
from edge_ocr.errors import EngineError, InputError

__all__ = ["run"]

_CHUNK = 256  # tasks at most: what is done again when a worker is lost
_WAVE = 1024  # chunks that are planned at once; the driver's memory knows no more than these
_SHARES = 8  # chunks for each worker, at least, so that none is left with the last long one


def run(
    tasks: Iterator[Task],
    store: Store,
    settings: dict[str, Any],
    *,
    workers: int | None,
    timeout: float,
    address: str | None,
    progress: Callable[[int, int, bool, int], None],
    stop: Any,
) -> tuple[int, int]:
    """Does ``tasks`` and leaves their parts in the store's folder, which all machines must see, like the sources.
    Gives (rows, errors). Raises InputError and EngineError."""
    ray = _ray()
    started = not ray.is_initialized()
    try:
        if started:
            ray.init(address=address, log_to_driver=False, logging_level="WARNING")
        ray.data.DataContext.get_current().enable_progress_bars = False
        size = workers or max(1, int(ray.cluster_resources().get("CPU", 1)) // settings["threads"])
        rows = errors = found = 0
        numbers = itertools.count()
        while not stop.number:
            planned = list(itertools.islice(tasks, _WAVE * _CHUNK))
            if not planned:
                break
            found += len(planned)
            step = min(_CHUNK, max(1, len(planned) // (size * _SHARES)))
            chunks = [
                {"tasks": json.dumps(planned[i : i + step]), "part": str(store.part(next(numbers)).resolve())}
                for i in range(0, len(planned), step)
            ]
            for made in _wave(ray, chunks, settings, size, timeout):
                rows, errors = rows + made[0], errors + made[1]
                progress(rows, max(rows, found), len(planned) < _WAVE * _CHUNK, errors)
                if stop.number:
                    break
            lost = [chunk["part"] for chunk in chunks if not stop.number and not os.path.exists(chunk["part"])]
            if lost:
                raise EngineError(f"{lost[0]} was written on another machine and is not to be seen here: --out must be "
                                  "in a folder that all machines share")
        return rows, errors
    except ray.exceptions.RayError as error:
        raise EngineError(f"Ray: {error}") from error
    except ConnectionError as error:
        raise EngineError(f"Ray: no cluster at {address or 'this machine'}: {error}") from error
    finally:
        if started:
            ray.shutdown()


def _wave(
    ray: Any, chunks: list[dict[str, str]], settings: dict[str, Any], workers: int, timeout: float
) -> Iterator[tuple[int, int]]:
    # a block a chunk: Ray hands blocks out, and what it hands out again is then no more than one
    data = ray.data.from_items(chunks, override_num_blocks=len(chunks))
    read = data.map_batches(
        _Reader,
        fn_constructor_kwargs={"settings": settings, "timeout": timeout, "folder": os.getcwd()},
        batch_size=1,
        batch_format="numpy",
        num_cpus=settings["threads"],
        compute=ray.data.ActorPoolStrategy(size=min(workers, len(chunks))),
    )
    for batch in read.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=0):
        yield int(batch["rows"].sum()), int(batch["errors"].sum())


class _Reader:
    """What lives in an actor: one worker process, which keeps its models between chunks."""

    def __init__(self, settings: dict[str, Any], timeout: float, folder: str) -> None:
        os.chdir(folder)  # names are as the user gave them
        self._pool = Pool(settings, workers=1, timeout=timeout)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        import numpy as np

        pairs = zip(batch["tasks"], batch["part"], strict=True)
        counts = [self._chunk(str(tasks), Path(str(part))) for tasks, part in pairs]
        rows, errors = zip(*counts, strict=True)
        return {"rows": np.array(rows), "errors": np.array(errors)}

    def _chunk(self, tasks: str, part: Path) -> tuple[int, int]:
        if part.exists():  # done before, by an actor that did not live to say so
            return len(list(Store.ids_of(part))), 0
        waiting = (Task(*task) for task in json.loads(tasks))
        rows = [value for kind, value in self._pool.run(waiting) if kind == "row"]
        Store.write_part(part, rows)
        return len(rows), sum("error" in row for row in rows)


def _ray() -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise InputError("--engine ray needs Ray, which is not installed: pip install 'edge-ocr[ray]'") from error
    return ray
