"""The same run on a Ray cluster of several machines, one of which is lost on the way. Not part of `make test`: Ray is
large. `make test-ray` makes an environment for it."""

from __future__ import annotations

import os
import pathlib
import signal
import threading
import time
from collections import Counter
from typing import Any

import cv2
import pyarrow.dataset
import pytest

from edge_ocr import ModelNotFound
from edge_ocr.bulk import ray_engine, run

ray = pytest.importorskip("ray", reason="Ray is not installed: make test-ray")
cluster_utils = pytest.importorskip("ray.cluster_utils")
psutil = pytest.importorskip("psutil")

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray warns of itself

ROOT = pathlib.Path(__file__).resolve().parents[2]
PICTURES = 40


@pytest.fixture(scope="module")
def cluster():
    """Four machines as Ray sees them: one that drives, three that work. Each has processes of its own."""
    os.environ["PYTHONPATH"] = str(ROOT)
    # a busy machine starts four of them slowly, and starves what is nice, as Ray's workers are
    os.environ |= {"RAY_worker_register_timeout_seconds": "300", "RAY_agent_register_timeout_ms": "300000",
                   "RAY_enable_metrics_collection": "0", "RAY_worker_niceness": "0"}
    made = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    made.workers = [made.add_node(num_cpus=1) for _ in range(3)]
    made.wait_for_nodes()
    ray.init(address=made.address, log_to_driver=False)
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture
def work(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    (tmp_path / "in").mkdir()
    picture = cv2.imread(str(ROOT / "demo" / "sample.jpg"))[150:330, 150:470]  # its upper sign
    for n in range(PICTURES - 1):
        cv2.imwrite(str(tmp_path / "in" / f"{n:03}.jpg"), picture)
    (tmp_path / "in" / "broken.jpg").write_bytes(b"no picture")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def actors() -> list[Any]:
    """The processes that hold a reader."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if line.startswith("ray::") and ("MapWorker" in line or "_Reader" in line):
            found.append(process)
    return found


def check(folder: pathlib.Path) -> None:
    table = pyarrow.dataset.dataset(folder).to_table(columns=["id", "image", "text", "error"])
    counts = Counter(table.column("image").to_pylist())
    assert counts == Counter([*(f"in/{n:03}.jpg" for n in range(PICTURES - 1)), "in/broken.jpg"])
    texts = set(table.column("text").to_pylist()) - {None}
    assert len(texts) == 1  # the same picture reads the same everywhere
    assert "Blue Lake" in texts.pop()
    assert sum(e is not None for e in table.column("error").to_pylist()) == 1


@pytest.mark.parametrize("loss", ["process", "machine"])
def test_every_picture_once_though_a_worker_is_lost(
    cluster, work: pathlib.Path, monkeypatch: pytest.MonkeyPatch, loss: str
) -> None:
    monkeypatch.setattr(ray_engine, "_CHUNK", 2)
    lost: list[int] = []

    def lose() -> None:
        parts = work / "out"
        while len(list(parts.glob("part-*"))) < 3:
            time.sleep(0.02)
        if loss == "process":
            victim = actors()[0]
            lost.append(victim.pid)
            os.kill(victim.pid, signal.SIGKILL)
        else:
            lost.append(len(cluster.workers))
            cluster.remove_node(cluster.workers.pop(), allow_graceful=False)

    thread = threading.Thread(target=lose, daemon=True)
    thread.start()
    summary = run(["in"], ["out/"], engine="ray", workers=3, models_dir=None)
    thread.join(60)
    assert lost
    assert summary.total == PICTURES
    check(work / "out")
    again = run(["in"], ["out/"], engine="ray", workers=2, resume=True)
    assert (again.rows, again.before, again.total) == (0, PICTURES, PICTURES)


def test_one_file_and_going_on(cluster, work: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_engine, "_CHUNK", 2)
    monkeypatch.setattr(ray_engine, "_WAVE", 2)
    stopped: list[int] = []

    def progress(done: int, found: int, all_found: bool, errors: int) -> None:
        if done >= 4 and not stopped:
            stopped.append(done)
            os.kill(os.getpid(), signal.SIGTERM)

    first = run(["in/00*.jpg", "in/01*.jpg"], ["r.parquet"], engine="ray", workers=2, progress=progress)
    assert first.signal == signal.SIGTERM
    second = run(["in/00*.jpg", "in/01*.jpg"], ["r.parquet"], engine="ray", workers=2, resume=True)
    assert second.before >= 4
    assert second.rows + second.before == second.total == 20


def test_models_that_are_missing_are_said(cluster, work: pathlib.Path) -> None:
    with pytest.raises(ModelNotFound):
        run(["in"], ["r.jsonl"], engine="ray", models_dir="nowhere")
