"""From what a user names to tasks: each picture once, and what cannot be found is said."""

from __future__ import annotations

import os
import pathlib

import pytest

from edge_ocr.bulk.job import _of_shard
from edge_ocr.bulk.sources import find_tasks
from edge_ocr.bulk.tasks import Task


@pytest.fixture
def tree(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    (tmp_path / "in" / "b" / "deep").mkdir(parents=True)
    for name in ("c.png", "A.JPG", "notes.md", "b/x.tif", "b/deep/y.webp", "b/clip.mp4", ".hidden.png"):
        (tmp_path / "in" / name).write_bytes(b"")
    os.symlink("..", tmp_path / "in" / "b" / "round")  # a circle
    os.symlink("c.png", tmp_path / "in" / "link.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*sources: str, **options: object) -> list[str]:
    return [task.name for task in find_tasks(sources, **options)]  # type: ignore[arg-type]


def test_folders_are_walked_without_going_in_circles(tree: pathlib.Path) -> None:
    assert names("in") == ["in/.hidden.png", "in/A.JPG", "in/c.png", "in/link.png", "in/b/clip.mp4#0", "in/b/x.tif",
                           "in/b/deep/y.webp"]


def test_globs_lists_and_files_without_repeating(tree: pathlib.Path) -> None:
    (tree / "list.txt").write_text("# of ours\n\nin/c.png\r\nin/b/deep\nin/gone.png\nin/c.png")
    assert names("in/*.png", "list.txt", "in/b/x.tif", "in") == [
        "in/c.png", "in/link.png", "in/b/deep/y.webp", "in/gone.png", "in/b/x.tif", "in/.hidden.png", "in/A.JPG",
        "in/b/clip.mp4#0"]


def test_what_is_done_is_left_out_and_videos_go_on(tree: pathlib.Path) -> None:
    done = frozenset(t.id for t in [Task("picture", "in/c.png"), *(Task("video", "in/b/clip.mp4", where=n)
                                                                   for n in (0, 10, 20, 40))])
    left = list(find_tasks(["in"], done=done, every=10))
    assert "in/c.png" not in [t.name for t in left]
    assert [t.where for t in left if t.kind == "video"] == [30]


def test_what_cannot_be_found_is_said(tree: pathlib.Path) -> None:
    (tree / "empty").mkdir()
    (tree / "binary.txt").write_bytes(bytes(1 << 20))
    (tree / "bad.zip").write_bytes(b"PK")
    errors = [t.error for t in find_tasks(["empty", "no*such", "binary.txt", "no.txt", "bad.zip"])]
    expected = ["no picture", "no file fits", "is this a list", "No such file", "not a zip"]
    for error, words in zip(errors, expected, strict=True):
        assert words in error


def test_names_that_are_no_utf8_have_rows_too(tree: pathlib.Path) -> None:
    raw = os.fsencode("in/") + b"\xff\xfe.png"
    try:
        pathlib.Path(os.fsdecode(raw)).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes no such names")
    (task,) = [t for t in find_tasks(["in"]) if "�" in t.name]
    task.failed("x")["image"].encode()
    assert task.id != task._replace(path="in/��.png").id


def test_shards_share_the_work(tree: pathlib.Path) -> None:
    for n in range(100):
        (tree / "in" / f"{n}.png").write_bytes(b"")
    whole = {t.id for t in find_tasks(["in"])}
    shards = [{t.id for t in _of_shard(find_tasks(["in"]), i, 4)} for i in (1, 2, 3, 4)]
    assert set().union(*shards) == whole
    assert sum(map(len, shards)) == len(whole)
    assert all(10 < len(shard) < 45 for shard in shards)
