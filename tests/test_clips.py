"""The clip maker: what its truth says is where things are in its frames."""

from __future__ import annotations

import json
import pathlib

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.clips import KINDS, Camera, Shot, film, main, make, random_shot, seen_at, truth

Image = NDArray[np.uint8]


def marked() -> tuple[Image, NDArray[np.float64]]:
    """A grey picture with four bright boxes on it, and their quads."""
    image = np.full((600, 800, 3), 60, np.uint8)
    quads = []
    for x, y in ((250, 180), (450, 180), (250, 360), (450, 360)):
        image[y : y + 40, x : x + 90] = 250
        quads.append([[x, y], [x + 90, y], [x + 90, y + 40], [x, y + 40]])
    return image, np.array(quads, float)


def centres(frame: Image) -> NDArray[np.float64]:
    """The middles of bright boxes, in continuous coordinates, sorted by row and column."""
    bright = (frame[..., 0] > 150).astype(np.uint8)
    n, _, stats, middles = cv2.connectedComponentsWithStats(bright)
    found = [middles[k] + 0.5 for k in range(1, n) if stats[k, cv2.CC_STAT_AREA] > 400]
    return np.array(sorted(found, key=lambda p: (round(p[1] / 60), p[0])))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_truth_is_where_things_are(kind: str) -> None:
    image, quads = marked()
    settings = {k: v for k, v in KINDS[kind].items() if k not in ("light", "defocus")}
    shot = Shot(size=(480, 360), seconds=1.0, zoom=(0.6, 0.7), end=(0.55, 0.5), **settings)  # type: ignore[arg-type]
    for k, (frame, camera, t) in enumerate(film(image, shot, seed=3)):
        rows = truth(camera, t, k, quads, list("abcd"), [False] * 4)
        assert rows["texts"] == list("abcd")
        assert not any(rows["ignore"])
        expected = np.array(rows["polygons"]).mean(1)
        # rows of a tall box show other times than its middle: a pixel or two in a jolt
        assert np.abs(centres(frame) - expected).max() < 2.0
    assert k == 29


def test_the_same_seed_gives_the_same_frames() -> None:
    image, _ = marked()
    shot = random_shot("hand", image, (160, 120), 0.2, 30, seed=5)
    one, same, other = ([f for f, _, _ in film(image, shot, seed)] for seed in (5, 5, 6))
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_rolling_shutter_shears_what_moves() -> None:
    _, quads = marked()
    lean = []
    for rolling in (0.0, 1.0):
        shot = Shot(size=(480, 360), seconds=0.2, start=(0.3, 0.5), end=(0.7, 0.5), rolling=rolling, noise=0)
        camera = Camera(shot, (600, 800), 1)
        upper, lower = (seen_at(camera, 0.1, quads[k]).mean(0)[0] for k in (0, 2))
        lean.append(abs(upper - lower))
    assert lean[0] == pytest.approx(0, abs=0.01)
    assert lean[1] > 3


def test_focus_exposure_and_motion_show() -> None:
    image, _ = marked()

    def detail(**settings: float) -> float:
        shot = Shot(size=(480, 360), seconds=0.1, noise=0, end=(0.4, 0.5), **settings)  # type: ignore[arg-type]
        frame = next(f for f, _, _ in film(image, shot, seed=2))
        return float(np.abs(np.diff(frame[..., 0].astype(int), axis=1)).max())

    assert detail(defocus=4.0) < 0.6 * detail()
    fast = Shot(size=(480, 360), seconds=0.4, start=(0.2, 0.5), end=(0.8, 0.5), exposure=1.0, noise=0)
    frames = [f for f, _, _ in film(image, fast, seed=2)]
    middle = frames[len(frames) // 2]
    assert np.abs(np.diff(middle[..., 0].astype(int), axis=1)).max() < 0.6 * detail()
    lit = [float(f.mean()) for f, _, _ in film(image, Shot(size=(80, 60), seconds=3.0, light=1.0, noise=0), seed=2)]
    assert max(lit) > 1.2 * min(lit)


def test_what_is_cut_or_small_is_ignored() -> None:
    _, quads = marked()
    camera = Camera(Shot(size=(480, 360), start=(0.35, 0.4), end=(0.35, 0.4)), (600, 800), 1)
    rows = truth(camera, 0.0, 0, quads, list("abcd"), [False, False, True, False])
    assert rows["ids"] == [0, 1, 2, 3]
    assert rows["ignore"] == [False, True, True, True]
    far = Camera(Shot(size=(480, 360), zoom=(0.1, 0.1)), (600, 800), 1)
    assert all(truth(far, 0.0, 0, quads, list("abcd"), [False] * 4)["ignore"])
    away = Camera(Shot(size=(480, 360), start=(3.0, 0.5), end=(3.0, 0.5)), (600, 800), 1)
    assert truth(away, 0.0, 0, quads, list("abcd"), [False] * 4)["polygons"] == []


def test_a_clip_and_its_truth_on_disk(tmp_path: pathlib.Path) -> None:
    image, quads = marked()
    labels = {"polygons": quads.tolist(), "texts": ["가", "b", "c", "d"]}
    shot = Shot(size=(320, 240), seconds=0.5, fps=20, zoom=(0.4, 0.4))
    path = make(image, labels, shot, tmp_path / "a", seed=1, codec="mjpg", source="boxes")
    assert path.name == "a.avi"
    head, *rows = (json.loads(x) for x in (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines())
    assert head["source"] == "boxes"
    assert head["shot"]["fps"] == 20
    assert [r["frame"] for r in rows] == list(range(10))
    assert rows[1]["ms"] == 50
    assert rows[0]["texts"][0] == "가"
    reader = cv2.VideoCapture(str(path))
    for row in rows:
        good, frame = reader.read()
        assert good
        assert np.abs(centres(np.asarray(frame, np.uint8)) - np.array(row["polygons"]).mean(1)).max() < 2.0


def test_labels_without_places_are_said_and_the_others_filmed(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    image, quads = marked()
    folder, out = tmp_path / "set", tmp_path / "out"
    folder.mkdir()
    truth = {"polygons": quads.tolist(), "texts": list("abcd")}
    good = {"image": "good.png", **truth}
    rows = [
        {"image": "null.png", "polygons": None, "texts": ["a"]}, {"image": "none.png", "polygons": [], "texts": []},
        {"image": "few.png", **truth, "texts": ["a"]}, {"image": "missing.png", **truth},
        {"image": "flat.png", "polygons": [[1, 2, 3, 4]], "texts": ["a"]}, {"image": "text.png", **truth},
        {"picture": "x"}, good,
    ]
    for row in rows:
        if row.get("image") not in (None, "missing.png"):
            cv2.imwrite(str(folder / row["image"]), image)
    (folder / "text.png").write_text("no picture")
    (folder / "labels.jsonl").write_text("\n".join([*(json.dumps(row) for row in rows), "{"]), encoding="utf-8")
    use = ["clips", str(folder), "--out", str(out), "--seconds", "0.1", "--size", "160x120", "--codec", "mjpg"]
    monkeypatch.setattr("sys.argv", use)
    assert main() == 0
    assert sorted(path.name for path in out.iterdir()) == ["set-good-hand.avi", "set-good-hand.jsonl"]
    said = capsys.readouterr().err.splitlines()
    for name, words in (
        ("null.png", "polygons is null"), ("none.png", "polygons is null, empty"), ("few.png", "as many texts"),
        ("missing.png", ""), ("flat.png", "four points"), ("text.png", ""), ("line 7", "image"), ("line 9", "no JSON"),
    ):
        assert sum(name in line and words in line for line in said) == 1, (name, said)
    assert len(said) == 8

    (folder / "labels.jsonl").write_text(json.dumps(rows[0]), encoding="utf-8")
    for arguments, words in ((use, "null.png"), (["clips", str(tmp_path / "away"), "--out", str(out)], "away"), (
        ["clips", str(folder / "text.png"), "--out", str(out)], "text.png",
    )):
        monkeypatch.setattr("sys.argv", arguments)
        assert main() == 1
        said = capsys.readouterr().err.splitlines()
        assert words in said[0] and "no clip was made" in said[-1]
