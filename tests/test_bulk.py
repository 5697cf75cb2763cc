"""Bulk runs: every picture exactly once, whatever is broken, killed, stopped or repeated."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections import Counter
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pyarrow.dataset
import pyarrow.parquet
import pytest
import tiny

from edge_ocr import EngineError, InputError, ModelNotFound, Reading
from edge_ocr.bulk import run
from edge_ocr.bulk.pool import Pool
from edge_ocr.bulk.store import Store
from edge_ocr.bulk.tasks import Row, Task

ROOT = pathlib.Path(__file__).resolve().parent.parent
JOB = {"languages": ["ko"]}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.make_models(tmp_path_factory.mktemp("models")))


@pytest.fixture
def work(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A folder to be in, with pictures 0.png .. 5.png in ``in``."""
    (tmp_path / "in").mkdir()
    for n in range(6):
        PIL.Image.fromarray(tiny.picture(blank=n == 5)).save(tmp_path / "in" / f"{n}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(path: pathlib.Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def row(number: int) -> Row:
    return Task("picture", f"{number}.png").failed("x")


# --- a whole run ---------------------------------------------------------------------------------------------------


def test_everything_is_read_once_and_errors_are_rows(work: pathlib.Path, models: str) -> None:
    (work / "in" / "broken.png").write_bytes(b"no picture")
    with zipfile.ZipFile(work / "in" / "z.zip", "w") as archive:
        archive.write(work / "in" / "0.png", "../0.png")
        archive.writestr("bad.jpg", b"\xff\xd8\xff")
    with tarfile.open(work / "in" / "t.tar.gz", "w:gz") as archive:
        for n in range(3):
            archive.add(work / "in" / f"{n}.png", f"{n}.png")
    video = cv2.VideoWriter(str(work / "in" / "v.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (96, 64))
    for _ in range(25):
        video.write(tiny.picture())
    video.release()
    (work / "in" / "w.mp4").write_bytes(b"no video")
    address = "http://127.0.0.1:9/x.mp4"
    (work / "list.txt").write_text(f"in/0.png\nin/gone.png\n{address}\n")
    summary = run(["in", "list.txt", "in/*.png"], ["r.parquet", "r.jsonl"], models_dir=models, workers=2, every=10)
    rows = {r["image"]: r for r in lines(work / "r.jsonl")}
    pictures = [f"in/{n}.png" for n in range(6)] + [f"in/t.tar.gz!{n}.png" for n in range(3)]
    good = [*pictures, "in/z.zip!../0.png", "in/v.avi#0", "in/v.avi#10", "in/v.avi#20"]
    bad = {"in/broken.png": "not a picture", "in/z.zip!bad.jpg": "cut off", "in/w.mp4#0": "cannot be opened",
           "in/gone.png": "No such file", f"{address}#0": "no such file"}
    assert sorted(rows) == sorted([*good, *bad])
    assert (summary.rows, summary.errors, summary.total, summary.before) == (18, 5, 18, 0)
    for name, words in bad.items():
        assert words in rows[name]["error"]
        assert name.split("!")[0].split("#")[0] in rows[name]["error"]
    for name in good:
        reading = {k: v for k, v in rows[name].items() if k not in ("id", "image")}
        assert Reading.from_dict(reading).to_dict() == reading
        assert len(reading["words"]) == (name != "in/5.png")
    assert not (work / "r.parquet.parts").exists()
    # the two kinds of results say the same
    table = pyarrow.parquet.read_table(work / "r.parquet")
    flat = {r["image"]: r for r in table.to_pylist()}
    assert flat.keys() == rows.keys()
    assert len(set(table.column("id").to_pylist())) == 18
    for name, made in rows.items():
        assert flat[name]["id"].hex() == made["id"]
        assert flat[name]["error"] == made.get("error")
        if "error" not in made:
            assert flat[name]["text"] == "\n".join(line["text"] for line in made["lines"])
            assert flat[name]["width"] == made["width"]


def test_a_finished_run_takes_what_is_new_and_nothing_else(work: pathlib.Path, models: str) -> None:
    run(["in"], ["r.jsonl"], models_dir=models, workers=1)
    before = (work / "r.jsonl").read_text()
    with pytest.raises(InputError, match="--resume"):
        run(["in"], ["r.jsonl"], models_dir=models, workers=1)
    PIL.Image.fromarray(tiny.picture()).save(work / "in" / "new.png")
    summary = run(["in"], ["r.jsonl"], models_dir=models, workers=1, resume=True)
    assert (summary.rows, summary.before, summary.total) == (1, 6, 7)
    after = (work / "r.jsonl").read_text()
    assert after.startswith(before)
    assert after.count("\n") == 7
    again = run(["in"], ["r.jsonl"], models_dir=models, workers=1, resume=True)
    assert (again.rows, again.before, again.total) == (0, 7, 7)


def test_the_other_runtime(work: pathlib.Path, models: str) -> None:
    pytest.importorskip("ai_edge_litert", reason="pip install 'edge-ocr[tflite]'")
    with pytest.raises(EngineError, match="no 'tflite' file"):
        run(["in"], ["r.jsonl"], models_dir=models, runtime="tflite", workers=1)
    image = cv2.imread(str(ROOT / "demo" / "sample.jpg"))[450:605, 210:575]
    cv2.imwrite("sign.png", image)
    run(["sign.png"], ["s.parquet"], runtime="tflite", workers=1)
    assert "주차장" in pyarrow.parquet.read_table("s.parquet")["text"][0].as_py()
    with pytest.raises(InputError, match="runtime"):
        run(["sign.png"], ["s.parquet"], workers=1, resume=True)


def test_a_folder_of_parquet_is_one_table(work: pathlib.Path, models: str) -> None:
    run(["in"], ["out/"], models_dir=models, workers=1, save_rows=2, save_seconds=1e9)
    table = pyarrow.dataset.dataset(work / "out").to_table()
    assert sorted(table.column("image").to_pylist()) == [f"in/{n}.png" for n in range(6)]
    assert len(list((work / "out").glob("part-*.parquet"))) == 3
    summary = run(["in"], ["out/"], models_dir=models, workers=1, resume=True)
    assert (summary.rows, summary.total) == (0, 6)


def test_a_run_that_cannot_start_leaves_the_reason(work: pathlib.Path, models: str, tmp_path: pathlib.Path) -> None:
    with pytest.raises(ModelNotFound):
        run(["in"], ["r.jsonl"], models_dir=str(tmp_path / "none"), workers=1)
    for bad in ({"engine": "gpu"}, {"shard": (3, 2)}):
        with pytest.raises(InputError):
            run(["in"], ["r.jsonl"], models_dir=models, workers=1, **bad)  # type: ignore[arg-type]


# --- stopped, killed -----------------------------------------------------------------------------------------------


def command(work: pathlib.Path, models: str, *more: str) -> subprocess.Popen[bytes]:
    arguments = ["bulk", "many", "--out", "r.parquet", "--out", "r.jsonl", "--workers", "1", "--save-every", "0.01"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-m", "edge_ocr.cli", *arguments, "--models", models, *more], cwd=work,
                            stderr=subprocess.PIPE, env=environment)


def wait_for_parts(work: pathlib.Path, count: int, running: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 240
    while len(list(work.glob("r.parquet.parts/part-*"))) < count:
        assert running.poll() is None, running.stderr and running.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.fixture
def many(work: pathlib.Path) -> int:
    """More pictures than are read before somebody stops it."""
    (work / "many").mkdir()
    PIL.Image.fromarray(tiny.picture()).save(work / "p.png")
    content = (work / "p.png").read_bytes()
    for n in range(300):
        (work / "many" / f"{n:04}.png").write_bytes(content)
    return 300


def test_killed_and_stopped_again_and_again_it_loses_nothing_and_repeats_nothing(
    work: pathlib.Path, models: str, many: int
) -> None:
    seen = 0
    for number, status in ((signal.SIGKILL, -9), (signal.SIGTERM, 143), (signal.SIGINT, 130)):
        running = command(work, models, "--resume")
        wait_for_parts(work, seen + 3, running)
        running.send_signal(number)
        err = running.communicate(timeout=120)[1].decode()
        assert running.returncode == status, err
        assert ("--resume goes on" in err) == (number != signal.SIGKILL)
        assert not (work / "r.parquet").exists()
        safe = len(list(work.glob("r.parquet.parts/part-*")))
        assert safe > seen
        seen = safe
    # what a kill can leave half-made counts for nothing
    (work / "r.parquet.parts" / ".tmp-1-part-0001-00000000.parquet").write_bytes(b"half")
    running = command(work, models, "--resume", "--save-every", "5")
    err = running.communicate(timeout=500)[1].decode()
    assert running.returncode == 0, err
    expected = sorted(f"many/{n:04}.png" for n in range(many))
    assert sorted(r["image"] for r in lines(work / "r.jsonl")) == expected
    assert sorted(pyarrow.parquet.read_table(work / "r.parquet").column("image").to_pylist()) == expected
    assert sorted(os.listdir(work)) == ["in", "many", "p.png", "r.jsonl", "r.parquet"]


def test_no_worker_outlives_a_killed_run(work: pathlib.Path, models: str, many: int) -> None:
    running = command(work, models)
    wait_for_parts(work, 1, running)
    children = pathlib.Path(f"/proc/{running.pid}/task/{running.pid}/children")
    found = [int(p) for t in pathlib.Path(f"/proc/{running.pid}/task").iterdir()
             for p in (t / "children").read_text().split()] if children.exists() else []
    running.kill()
    running.communicate()
    end = time.monotonic() + 60
    while any(pathlib.Path(f"/proc/{pid}/cmdline").exists() and b"bulk" in
              pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() for pid in found):
        assert time.monotonic() < end
        time.sleep(0.05)


def settings(models: str) -> dict[str, Any]:
    return {"languages": ["ko"], "threads": 1, "min_confidence": None, "models": models, "runtime": "onnx",
            "mask": False, "every": 30}


def test_a_worker_that_dies_costs_no_picture(work: pathlib.Path, models: str) -> None:
    with Pool(settings(models), workers=2, timeout=60) as pool:
        def tasks():
            for n in range(40):
                if n == 10:
                    for process in list(pool._all):
                        os.kill(process._process.pid, signal.SIGKILL)
                yield Task("picture", f"in/{n % 6}.png", where=n)

        rows = [value for kind, value in pool.run(tasks()) if kind == "row"]
    expected = [Task("picture", f"in/{n % 6}.png", where=n).id.hex() for n in range(40)]
    assert Counter(r["id"] for r in rows) == Counter(expected)
    assert not [r for r in rows if "error" in r]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_workers_that_cannot_live_end_the_run(
    work: pathlib.Path, models: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_ocr.bulk.pool._CODE", "import os; os.abort()")
    with Pool(settings(models), workers=1, timeout=60) as pool, pytest.raises(EngineError, match="signal 6"):
        list(pool.run([Task("picture", "in/0.png")]))


def test_a_picture_that_hangs_or_kills_its_worker_is_a_row(work: pathlib.Path, models: str) -> None:
    os.mkfifo(work / "hangs.png")  # opening it waits for ever
    os.mkfifo(work / "kills.png")
    with Pool(settings(models), workers=1, timeout=20) as pool:
        done = threading.Event()

        def kill() -> None:  # whoever opens kills.png dies of it
            while not done.is_set():
                with contextlib.suppress(OSError):
                    writer = os.open(work / "kills.png", os.O_WRONLY | os.O_NONBLOCK)
                    for process in list(pool._all):
                        os.kill(process._process.pid, signal.SIGKILL)
                    time.sleep(0.1)  # while the pipe is open it cannot be read to its end
                    os.close(writer)
                time.sleep(0.01)

        thread = threading.Thread(target=kill)
        thread.start()
        try:
            names = ["in/0.png", "kills.png", "in/1.png"]
            rows = [value for kind, value in pool.run([Task("picture", n) for n in names]) if kind == "row"]
        finally:
            done.set()
            thread.join()
        assert [r["image"] for r in rows] == names
        assert [r.get("error") for r in rows] == [None, "kills.png: the process that read it died (signal 9)", None]
        pool._timeout = 3
        for process in pool._all:
            process._timeout = 3
        names = ["hangs.png", "in/2.png"]
        rows = [value for kind, value in pool.run([Task("picture", n) for n in names]) if kind == "row"]
        assert [r.get("error") for r in rows] == ["hangs.png: took longer than 3 seconds", None]


def test_modules_in_the_current_folder_are_not_run(work: pathlib.Path, models: str) -> None:
    for name in ("cv2", "json", "edge_ocr"):
        (work / f"{name}.py").write_text("open('ran', 'w')")
    run(["in"], ["r.jsonl"], models_dir=models, workers=1)
    assert not (work / "ran").exists()


# --- the store -----------------------------------------------------------------------------------------------------


def store(*outs: str, resume: bool = False, job: dict[str, Any] = JOB, rows: int = 2) -> Store:
    return Store(outs or ("r.parquet",), job, resume=resume, rows=rows, seconds=1e9)


def test_only_one_run_at_a_time(work: pathlib.Path) -> None:
    first = store()
    with pytest.raises(InputError, match="another run"):
        store(resume=True)
    first.close()
    store(resume=True).close()


def test_another_job_is_refused(work: pathlib.Path) -> None:
    first = store()
    first.add(row(1))
    first.close()
    with pytest.raises(InputError, match=r"languages \['ko'\] \(now \['en'\]\)"):
        store(resume=True, job={"languages": ["en"]})
    again = store(resume=True)
    again.finish()
    with pytest.raises(InputError, match="languages"):  # the finished file knows too
        store(resume=True, job={"languages": ["en"]})


@pytest.mark.parametrize("outs", [("r.parquet",), ("r.jsonl",), ("r.jsonl", "r.parquet")])
def test_stopped_between_any_two_steps_nothing_comes_twice(work: pathlib.Path, outs: tuple[str, ...]) -> None:
    first = store(*outs)
    for n in range(5):
        first.add(row(n))
    parts = first.folder
    first.save()
    kept = {p.name: p.read_bytes() for p in parts.iterdir()}
    first.finish()
    # as if killed after the result got its name, before the parts were taken away
    parts.mkdir()
    for name, content in kept.items():
        (parts / name).write_bytes(content)
    second = store(*outs, resume=True)
    assert second.done() == {bytes.fromhex(row(n)["id"]) for n in range(5)}
    second.add(row(5))
    assert second.finish() == 6
    third = store(*outs, resume=True)
    assert len(third.done()) == 6
    assert third.finish() == 6
    for out in outs:
        ids = [i.hex() for i in Store.ids_of(work / out)]
        assert Counter(ids) == Counter(row(n)["id"] for n in range(6))


def test_what_lies_in_the_folder_of_parts_and_is_not_ours_stays(work: pathlib.Path) -> None:
    (work / "r.parquet.parts").mkdir()
    (work / "r.parquet.parts" / "mine.txt").write_text("mine")
    made = store()
    made.add(row(1))
    assert made.finish() == 1
    assert [p.name for p in (work / "r.parquet.parts").iterdir()] == ["mine.txt"]


def test_outs_that_cannot_be_are_refused(work: pathlib.Path) -> None:
    for outs in (("a/", "b/"), ("a/", "b.parquet"), ("a.parquet", "a.parquet")):
        with pytest.raises(InputError, match="one folder"):
            store(*outs)
    (work / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        store("file/r.parquet")
    (work / "r.parquet").write_text("something else")
    with pytest.raises(InputError, match="not a Parquet file"):
        store(resume=True).done()
    (work / "s.jsonl").write_text("something else\n")
    with pytest.raises(InputError, match="not results"):
        store("s.jsonl", resume=True).done()


def test_without_pyarrow_the_extra_is_named(work: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"edge-ocr\[bulk\]"):
        store()
    store("r.jsonl").close()  # needs none


def test_parquet_keeps_all_that_a_reading_says(work: pathlib.Path) -> None:
    """With the models of the wheel: quads, characters, lines and times come back as they went in."""
    from edge_ocr import OCR
    from edge_ocr.bulk import table

    reading = OCR(threads=1).read(ROOT / "demo" / "sample.jpg").to_dict()
    assert reading["words"]
    made = {"id": "00" * 16, "image": "한글.jpg", **reading}
    turned = {**made, "id": "11" * 16, "rotation": 90, "mirrored": True}
    table.write(work / "x.parquet", [made, row(1), turned])
    back = list(table.rows(work / "x.parquet"))
    assert back[1] == row(1)
    assert json.dumps({**back[2], "ms": 0}) == json.dumps({**turned, "ms": 0})
    assert back[0].keys() == made.keys()
    assert json.dumps({**back[0], "ms": 0}) == json.dumps({**made, "ms": 0})
    np.testing.assert_allclose(list(back[0]["ms"].values()), list(made["ms"].values()), rtol=1e-4, atol=0.01)
