"""The stream on drawn films: what is told, when, and how often the costly stages are asked."""

from __future__ import annotations

import json
import pathlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import plates
import pytest
import tiny
from numpy.typing import NDArray
from plates import LIMITS, PlateReader, film, ground, put

from edge_ocr.errors import InputError
from edge_ocr.reader import OCR
from edge_ocr.stream import Event, Seen, Stream
from edge_ocr.types import Frame, Region, TextCharacter, TextWord

Image = NDArray[np.uint8]


def events(frames: list[Frame], reader: PlateReader | None = None, **options: Any) -> list[Event]:
    return list(Stream(reader or PlateReader(), frames, **options))


def told(found: list[Event]) -> list[tuple[str, int, str]]:
    return [(e.event, e.track, e.text) for e in found]


def run(frames: list[Frame], reader: PlateReader | None = None, **options: Any) -> list[Seen]:
    return list(Stream(reader or PlateReader(), frames, **options).frames())


def blurred(image: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def pan(count: int, step: tuple[float, float], texts: dict[str, tuple[int, int]]) -> list[Image]:
    """A window of 480 x 640 that moves over a world with plates."""
    world = ground((800, 1600))
    for text, (x, y) in texts.items():
        world = put(world, text, x, y)
    return [
        world[round(100 + k * step[1]) :, round(100 + k * step[0]) :][:480, :640].copy() for k in range(count)
    ]


def test_a_text_is_told_once() -> None:
    reader = PlateReader()
    with_plate, without = put(ground(), "3141", 200, 150), ground()
    found = events(film([with_plate] * 60 + [without] * 60), reader)
    assert told(found) == [("appeared", 1, "3141"), ("stable", 1, "3141"), ("lost", 1, "3141")]
    assert found[0].frame == 0
    assert 0 < found[1].frame <= 10
    assert 60 + 25 <= found[2].frame <= 60 + 66  # a second, and the two detections that miss it
    assert found[2].ms == pytest.approx(found[2].frame / 30 * 1000)
    assert np.abs(np.array(found[1].quad).min(0) - [200, 150]).max() < 2
    assert found[1].confidence > 0.9


def test_a_still_view_costs_little() -> None:
    reader = PlateReader()
    run(film([put(ground(), "3141", 200, 150)] * 90), reader)
    assert reader.detections == 4  # one a second, and one more to see the text again
    assert reader.readings <= 7  # until it is stable, three of them beyond its ends, and never again


def test_every_text_of_a_moving_view_keeps_its_track() -> None:
    texts = {"12345": (260, 200), "678": (560, 330), "9012": (380, 470)}
    images = pan(80, (3.0, 0.8), texts)
    reader = PlateReader()
    seen = run(film(images), reader)
    found = [e for s in seen for e in s.events]
    stable = [e for e in found if e.event == "stable"]
    assert sorted(e.text for e in stable) == sorted(texts)
    assert not [e for e in found if e.event == "updated"]
    number = {e.text: e.track for e in stable}
    for s in seen:
        for text, (x, y) in texts.items():
            at = np.array([x - round(100 + s.frame * 3.0), y - round(100 + s.frame * 0.8)])
            wide = plates.plate(text).shape[1]
            if at[0] < 4 or at[0] + wide > 636 or at[1] < 4 or s.frame == 0:
                continue
            (track,) = [t for t in s.tracks if t.track == number[text]]
            assert np.abs(np.array(track.quad)[0] - at).max() < 4
    assert reader.detections < 30
    assert reader.readings < 25


def test_it_asks_for_a_detection_when_something_new_comes() -> None:
    scene = ground()
    images = [scene] * 20 + [put(scene, "2718", 300, 200)] * 20
    seen = run(film(images))
    assert [s.frame for s in seen if s.detected] == [0, 20, 26]  # and once more, to be sure of it
    assert [t.text for t in seen[20].tracks] == ["2718"]


def test_a_cut_is_noticed_at_once() -> None:
    # two frames after a detection, sooner than a detection is due
    images = [put(ground(seed=1), "111", 100, 100)] * 2 + [put(ground(seed=2), "222", 300, 300)] * 10
    seen = run(film(images))
    assert seen[2].detected
    assert "222" in [t.text for t in seen[2].tracks]


def test_a_fast_pan_waits_until_it_can_be_read() -> None:
    slow, fast = pan(24, (2, 0), {}), pan(12, (60, 0), {})
    assert sum(s.detected for s in run(film(slow))) <= 4
    seen = run(film(fast))
    assert [s.frame for s in seen if s.detected][:1] == [0]
    assert not any(s.detected for s in seen[1:6])  # at the fourth frame more than an eighth is new


def test_a_view_that_gets_into_focus_is_detected_in() -> None:
    sharp = put(ground(), "50505", 200, 150)
    seen = run(film([blurred(sharp, 5.0)] * 12 + [sharp] * 12))
    assert [s.frame for s in seen if s.detected] == [0, 12, 18]
    assert told([e for s in seen for e in s.events]) == [("appeared", 1, "50505"), ("stable", 1, "50505")]


def test_a_reading_is_corrected_by_later_frames() -> None:
    good = put(ground(), "50505", 200, 150)
    glint = good.copy()
    glint[154:178, 204:220] += 10  # the first 5 (100) is between 5 and 6 now, and read as 6, unsurely
    found = events(film([glint] * 4 + [good] * 20))
    assert told(found) == [
        ("appeared", 1, "60505"), ("updated", 1, "50505"), ("stable", 1, "50505"), ("lost", 1, "50505")
    ]


def test_the_best_frame_is_the_sharpest() -> None:
    sharp = put(ground(), "1234", 200, 150)
    images = [blurred(sharp, 2.5), blurred(sharp, 1.5), sharp, blurred(sharp, 1.5), blurred(sharp, 2.5)]
    best = events(film([image for image in images for _ in range(3)]))[-1].best
    assert best is not None
    assert 6 <= best.frame < 9
    assert best.seconds == pytest.approx(best.frame / 30)


def test_a_text_that_is_hidden_for_a_moment_keeps_its_number() -> None:
    image, hidden = put(ground(), "777", 200, 150), ground()
    found = events(film([image] * 30 + [hidden] * 15 + [image] * 30))
    assert told(found) == [("appeared", 1, "777"), ("stable", 1, "777"), ("lost", 1, "777")]
    assert found[-1].frame == 74  # only at the end


def test_a_counter_that_changes_is_updated() -> None:
    images = [put(ground(), "0590", 200, 150)] * 45 + [put(ground(), "0610", 200, 150)] * 75
    found = events(film(images))
    assert told(found)[:2] == [("appeared", 1, "0590"), ("stable", 1, "0590")]
    assert told(found)[-1] == ("lost", 1, "0610")
    assert ("updated", 1, "0610") in told(found)
    assert sum(e.event == "updated" for e in found) == 1


def test_the_same_film_gives_the_same_events() -> None:
    rng = np.random.default_rng(4)
    images = pan(50, (4, 1), {"12345": (260, 200), "678": (560, 330)})
    frames = film([np.clip(i + rng.normal(0, 6, i.shape), 0, 255).astype(np.uint8) for i in images])
    one, other = ([e.to_dict() for e in events(frames)] for _ in range(2))
    assert one == other
    assert one


def test_many_texts_are_read_a_few_at_a_time() -> None:
    image = ground()
    for k in range(20):
        image = put(image, str(1000 + k), 40 + 150 * (k % 4), 40 + 80 * (k // 4))
    seen = run(film([image] * 12))
    assert max(s.reads for s in seen) == 8
    appeared = [e.text for s in seen for e in s.events if e.event == "appeared"]
    assert sorted(appeared) == [str(1000 + k) for k in range(20)]


def test_region_of_interest_and_least_height() -> None:
    image = put(put(ground(), "111", 50, 50), "222", 400, 300)
    for roi, expected in (((0, 0, 320, 480), "111"), ((320.4, 200, 9999, 9999), "222")):
        found = events(film([image] * 10), roi=roi)
        assert {e.text for e in found} == {expected}
        (first,) = {np.array(e.quad).min(0).round().astype(int).tolist()[0] for e in found}
        assert abs(first - (50 if expected == "111" else 400)) <= 2
    assert events(film([image] * 5), min_height=40) == []
    assert len(events(film([image] * 5), min_height=30)) > 0


@pytest.mark.parametrize("roi", [(5000, 5000, 6000, 6000), (-90, 0, -10, 480), (640, 0, 700, 480)])
def test_a_region_outside_the_first_frame_is_said(roi: tuple[float, ...]) -> None:
    image = put(ground(), "111", 50, 50)
    with pytest.raises(InputError, match=r"roi: .* outside the frame, which is 640 pixels wide and 480 high"):
        events(film([image]), roi=roi)


def test_a_later_frame_may_be_smaller_than_the_region() -> None:
    image = put(ground(), "222", 400, 300)
    found = events(film([image] * 5 + [image[:100, :100].copy()] * 5 + [image] * 5), roi=(320, 200, 640, 480))
    assert [e.text for e in found if e.event == "appeared"] == ["222", "222"]


@pytest.mark.parametrize(
    "roi",
    ["1234", b"1234", 5, (1, 2, 3), (1, 2, 3, 4, 5), (1, 2, "x", 4), (1, 2, None, 4), [(1, 2), (3, 4)], {}, object(),
     (0, 0, float("nan"), 9), (0, 0, float("inf"), 9), (0, 0, 1e400, 9), (0, 0, 10**400, 9), (5, 0, 5, 9), (9, 9, 0, 0),
     (0, 0, 3j, 9)],
)  # fmt: skip
def test_what_is_no_region_is_said(roi: Any) -> None:
    with pytest.raises(InputError, match=r"^roi: expected four numbers \(x0, y0, x1, y1\)"):
        Stream(PlateReader(), roi=roi)
    assert Stream(PlateReader(), roi=np.array([1, 2, 30, 40])).roi == (1.0, 2.0, 30.0, 40.0)


def test_unsure_readings_are_not_told() -> None:
    image = put(ground(), "50505", 200, 150)
    assert events(film([blurred(image, 6.0)] * 10), min_confidence=0.99) == []


def test_frames_of_changing_size() -> None:
    images = [put(ground((480, 640)), "111", 50, 50)] * 5 + [put(ground((300, 400)), "222", 50, 50)] * 5
    found = events(film(images))
    assert [(e.event, e.text) for e in found if e.event in ("appeared", "lost")] == [
        ("appeared", "111"), ("lost", "111"), ("appeared", "222"), ("lost", "222")
    ]


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (40, 3), (31, 200)])
def test_tiny_frames(size: tuple[int, int]) -> None:
    assert events(film([np.zeros((*size, 3), np.uint8)] * 3)) == []


def test_time_always_rises() -> None:
    image = put(ground(), "111", 50, 50)
    seen = run([Frame(image, t) for t in (5.0, 5.0, 4.0, 5.5, 5.5)])
    times = [s.seconds for s in seen]
    assert times[0] == 0
    assert times[3] == pytest.approx(0.5)
    assert all(b > a for a, b in zip(times, times[1:], strict=False))


@pytest.mark.parametrize("moment", [float("inf"), float("-inf"), float("nan"), "x", None])
def test_a_time_that_is_none_is_said(moment: Any) -> None:
    stream = Stream(PlateReader())
    image = put(ground(), "111", 50, 50)
    stream.process(Frame(image, 0.0))
    with pytest.raises(InputError, match=r"^frame: expected a timestamp in seconds"):
        stream.process(Frame(image, moment))
    assert stream.process(Frame(image, np.float64(0.1))).seconds == pytest.approx(0.1)


def test_what_is_no_frame_is_said() -> None:
    for source in ([ground()], ground(), [None], b"x"):
        with pytest.raises(InputError, match=r"Frame\(array, seconds\)"):
            list(Stream(PlateReader(), source))  # type: ignore[arg-type]
    for nothing in (None, 1.5, object()):
        with pytest.raises(InputError, match=r"^source: "):
            Stream(PlateReader(), nothing)  # type: ignore[arg-type]


def test_frames_are_turned_upright() -> None:
    image = put(ground(), "314", 50, 50)
    found = events([Frame(np.ascontiguousarray(np.rot90(image)), k / 30, 90) for k in range(5)])
    assert {e.text for e in found} == {"314"}


def advice(frames: list[Frame], **options: Any) -> list[tuple[float, str]]:
    return [(round(s.seconds, 1), s.advice) for s in run(frames, **options) if s.advice]


def test_a_user_of_whom_nothing_is_read_is_advised() -> None:
    bright, night, fog = put(ground(), "3141", 200, 150), ground() // 8, blurred(ground(), 6)
    (at, first), *more = advice(film([night] * 300))
    assert (at, first, more) == (0.5, "It is too dark. Turn on a light.", [])
    assert advice(film([night] * 10 + [bright] * 60)) == []  # a camera that wakes up
    assert advice(film([bright] * 90)) == []
    assert [words for _, words in advice(film([night] * 60), language="ko")] == ["너무 어둡습니다. 불을 켜 주세요."]
    # another trouble is told, and the same one once it was gone, neither sooner than three seconds after the last
    changes = advice(film([night] * 45 + [fog] * 120 + [bright] * 60 + [night] * 150))
    assert [words.split(".")[0] for _, words in changes] == [
        "It is too dark", "The picture is out of focus", "It is too dark",
    ]
    assert np.diff([at for at, _ in changes]).min() >= 3


class Blind(PlateReader):
    """Finds nothing."""

    def detect(self, image: Image) -> tuple[Region, ...]:
        return ()


def test_nothing_to_read_is_no_trouble() -> None:
    y, x = np.mgrid[0:480, 0:640].astype(float)
    noise = np.random.default_rng(0).normal(0, 2, (480, 640))
    for grey in (
        120 + 0.2 * y, 90 + 0.17 * x + noise, 80 + 120 * np.exp(-((x - 320) ** 2 + (y - 240) ** 2) / 60000) + noise,
        np.where(y < 240, 200, 90) + noise, np.where(y // 20 % 2, 200, 90) + noise, 140 + 50 * np.sin(y / 9),
        140 + 50 * np.sin((x + 2 * y) / 20),
    ):
        image = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, 2)
        stream = Stream(Blind(limits=replace(LIMITS, motion=0.5)), film([image] * 60))
        assert [s.advice for s in stream.frames() if s.advice] == []
        assert stream.hints == ()


def test_a_camera_that_moves_too_fast_is_told() -> None:
    world = blurred(ground((480, 2600)), 2)
    smeared = np.asarray(cv2.blur(world, (41, 1)), np.uint8)
    swing = [smeared[:, 30 * abs(30 - k % 60) :][:, :640].copy() for k in range(90)]
    limits = replace(LIMITS, motion=0.5)
    assert "too fast" in advice(film(swing), reader=Blind(limits=limits))[0][1]
    still = advice(film(swing[:1] * 90), reader=Blind(limits=limits))
    assert not any("too fast" in words for _, words in still)


def test_the_hints_of_now_are_there_to_ask_for() -> None:
    stream = Stream(PlateReader(), film([ground() // 8] * 5 + [put(ground(), "3141", 200, 150)] * 5))
    assert stream.hints == ()
    for seen in stream.frames():
        assert stream.hints == seen.hints
        assert [h.kind for h in stream.hints] == (["dark"] if seen.frame < 5 else [])
    dark = Stream(PlateReader(), film([ground() // 8] * 5))
    assert list(dark) == []
    assert [h.kind for h in dark.hints] == ["dark"]


def test_hints_for_texts_and_for_frames_without() -> None:
    cut = put(ground(), "12345", 5, 150)
    assert {h.kind for e in events(film([cut] * 5), PlateReader(limits=replace(LIMITS, cut=0.3))) for h in e.hints} == {
        "cut"
    }
    dark = run(film([(ground() * 0.05).astype(np.uint8)] * 3), language="ko")
    assert [h.kind for h in dark[-1].hints] == ["dark"]
    assert "어둡" in dark[-1].hints[0].sentence
    quiet = events(film([cut] * 5), PlateReader(limits=None))
    assert quiet and not any(e.hints for e in quiet)


def test_json() -> None:
    limits = replace(LIMITS, cut=0.3)
    (first, *_) = events(film([put(ground(), "12345", 5, 150)] * 3), PlateReader(limits=limits))
    row = json.loads(json.dumps(first.to_dict()))
    assert list(row) == ["event", "track", "frame", "ms", "text", "confidence", "quad", "hints"]
    assert (row["event"], row["track"], row["frame"], row["ms"], row["text"]) == ("appeared", 1, 0, 0.0, "12345")
    assert np.array(row["quad"]).shape == (4, 2)
    assert list(row["hints"][0]) == ["kind", "value", "sentence"]


def test_a_text_is_told_when_it_is_wholly_in_view() -> None:
    images = [put(ground(), "123456", 640 - 6 * k, 150) for k in range(1, 60)]
    found = events(film(images))
    assert told(found) == [("appeared", 1, "123456"), ("stable", 1, "123456"), ("lost", 1, "123456")]
    assert found[0].frame >= 20  # it is 124 pixels wide


def test_a_text_that_leaves_is_not_read_as_less() -> None:
    images = [put(ground(), "123456", 120 - 6 * k, 150) for k in range(60)]
    found = events(film(images))
    assert told(found) == [("appeared", 1, "123456"), ("stable", 1, "123456"), ("lost", 1, "123456")]


def test_a_text_that_never_fits_is_told_at_last_but_never_stable() -> None:
    found = events(film([put(ground(), "1234", 565, 150)] * 60))
    assert [e.event for e in found] == ["appeared", "lost"]
    assert found[0].ms >= 1000


def test_a_text_that_comes_back_elsewhere_keeps_its_number() -> None:
    here, there = put(ground(), "31415", 200, 150), put(ground(), "31415", 200, 215)
    found = events(film([here] * 20 + [there] * 40))
    assert told(found) == [("appeared", 1, "31415"), ("stable", 1, "31415"), ("lost", 1, "31415")]
    other = put(ground(), "2718", 200, 215)
    assert {e.track for e in events(film([here] * 20 + [other] * 40))} == {1, 2}


def test_half_a_text_found_once_is_not_stable() -> None:
    """The first frame shows a glint that parts the plate: a detection sees two; later ones see one."""
    whole = put(ground(), "123456", 200, 150)
    parted = whole.copy()
    parted[150:182, 282:286] = 60
    found = events(film([parted] * 2 + [whole] * 60))
    assert [e.text for e in found if e.event == "stable"] == ["123456"]
    assert [e.event for e in found if e.track == 1][-1] == "lost"


def test_texts_that_are_found_in_pieces_are_believed_at_last() -> None:
    scene = ground()
    whole = put(scene, "12345678", 200, 150)
    split = scene
    for k, text in enumerate(("12", "34", "56", "78")):
        split = put(split, text, 200 + 42 * k, 150)
    split[150:182, [200 + 42 * k for k in range(1, 4)]] = 60  # now the plate is four
    found = events(film([whole] * 10 + [split] * 90))
    assert [e.text for e in found if e.event == "stable"] == ["12345678", "12", "34", "56", "78"]
    assert Counter(e.event for e in found)["lost"] == 5


def test_wrong_options() -> None:
    for options in ({"roi": (0, 0, 0, 9)}, {"roi": (1, 2, 3)}, {"roi": (0, 0, float("nan"), 9)}, {"min_height": -1},
                    {"min_confidence": 1.5}, {"lost_after": -1}, {"language": "xx"},
                    {"min_confidence": "x"}, {"min_height": None}, {"lost_after": True}):
        with pytest.raises(InputError):
            Stream(PlateReader(), [], **options)  # type: ignore[arg-type]


def test_the_readers_models(tmp_path: pathlib.Path) -> None:
    """With real models and a folder of pictures."""
    models = tiny.make_models(tmp_path / "models")
    folder = tmp_path / "frames"
    folder.mkdir()
    for k in range(12):
        cv2.imwrite(str(folder / f"{k}.png"), tiny.picture())
    found = list(Stream(OCR(threads=1, models_dir=models), folder))
    assert [e.event for e in found] == ["appeared", "stable", "lost"]
    assert found[0].text in tiny.TEXTS.values()
    assert np.abs(np.array(found[0].quad) - tiny.WORD).max() < 2


# -- texts that the detector cuts ----------------------------------------------------------------------------------
class Cutter(PlateReader):
    """Finds the first ``left`` digits of a plate alone, or the first and the rest as two; reads what is there."""

    def __init__(self, text: str, left: int, *, rest: bool = False) -> None:
        super().__init__()
        self.text, self.left, self.rest = text, left, rest

    def detect(self, image: Any) -> tuple[Region, ...]:
        out = []
        for region in super().detect(image):
            (x0, y0), (x1, y1) = region.quad[0], region.quad[2]
            x = x0 + (x1 - x0) * self.left / len(self.text)
            parts = [(x0, x), (x, x1)] if self.rest else [(x0, x)]
            out += [Region(((a, y0), (b, y0), (b, y1), (a, y1)), 0.9) for a, b in parts]
        return tuple(out)

    def read_regions(self, image: Any, regions: Sequence[Region]) -> tuple[TextWord, ...]:
        self.readings += len(regions)
        whole = PlateReader.detect(self, image)
        if not whole:
            return tuple(TextWord("", 0.0, (), r.quad) for r in regions)
        x0, x1 = whole[0].quad[0][0], whole[0].quad[1][0]
        each = (x1 - x0) / len(self.text)
        out = []
        for r in regions:
            a, b = r.quad[0][0], r.quad[1][0]
            seen = [c for k, c in enumerate(self.text) if a - 3 <= x0 + k * each and x0 + (k + 1) * each <= b + 3]
            out.append(TextWord("".join(seen), 0.95, tuple(TextCharacter(c, 0.95) for c in seen), r.quad))
        return tuple(out)


@pytest.mark.parametrize("rest", [False, True])
def test_letters_that_the_detector_lost_are_read(rest: bool) -> None:
    reader = Cutter("314159", 4, rest=rest)
    found = events(film([put(ground(), "314159", 200, 150)] * 45), reader)
    assert {e.text for e in found if e.event == "stable"} == {"314159"}
    last = [e for e in found if e.event == "lost"][-1]
    assert last.quad[1][0] - last.quad[0][0] > 110


def test_a_neighbour_is_left_alone() -> None:
    image = put(put(ground(), "3141", 200, 150), "592", 306, 150)
    assert {e.text for e in events(film([image] * 45)) if e.event == "stable"} == {"3141", "592"}
