"""The façade, with stand-ins for the models' networks: the detector sees dark bars, recognizers read a bar's shade."""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
import threading

import numpy as np
import pytest
from test_detect import Oracle, bars
from test_detect import manifest as detector_manifest

from edge_ocr import OCR, Crop, Frame
from edge_ocr.engines import ENGINES
from edge_ocr.errors import ImageError, InputError, IntegrityError, ModelNotFound
from edge_ocr.manifest import (
    Confidence,
    Made,
    RecognizeDecode,
    RecognizeInput,
    RecognizeManifest,
    RecognizeOutput,
    describe_file,
    write_manifest,
)

CHARSET = "가나다abcdefgh0123456789 "
# What each recognizer reads from a shade, and how surely.
SHADES = {
    "ko": {
        10: ("가나", 0.9),
        20: ("abc", 0.6),
        30: ("123", 0.8),
        40: ("ab", 0.35),
        45: ("a8", 0.95),
        48: ("ac", 0.9),
        50: ("", 1.0),
        55: ("나", 0.5),
        58: ("다", 0.5),
    },
    "en": {
        10: ("ef", 0.99),
        20: ("abd", 0.9),
        30: ("128", 0.65),
        40: ("gh", 0.4),
        45: ("ab", 0.8),
        48: ("ad", 0.85),
        50: ("h", 0.9),
        55: ("d", 0.45),
        58: ("e", 0.35),
    },
}


class Shades:
    """A recognizer's network: flat log-probabilities that spell what its language reads from the middle pixel."""

    def __init__(self, language: str) -> None:
        self.shades = SHADES[language]
        self.seen = 0

    def run(self, inputs):
        (images,) = inputs.values()
        n, h, w = images.shape
        assert h == 32
        self.seen += n
        out = np.full((n, w // 4, 1 + len(CHARSET)), -20.0, np.float32)
        out[:, :, 0] = 0
        for k, image in enumerate(images):
            shade = int(image[16, 8])
            text, sure = self.shades.get(min(self.shades, key=lambda s: abs(s - shade)), ("", 1.0))
            if shade > 70:
                text = ""
            for t, c in enumerate(text):
                out[k, 2 * t + 1, 0] = -20
                out[k, 2 * t + 1, 1 + CHARSET.index(c)] = math.log(sure)
        return {"symbols": out}


@pytest.fixture
def models(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """A folder of models, and the engines that were made, by name."""
    engines: dict[str, object] = {}

    def engine(content: bytes, *, threads: int) -> object:
        name = content.decode()
        engines[name] = Oracle() if name == "oracle" else Shades(name)
        engines.setdefault("threads", set()).add(threads)
        return engines[name]

    monkeypatch.setitem(ENGINES, "onnx", engine)
    for name in ("oracle", "ko", "en"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "model.onnx").write_bytes(name.encode())
        files = {"onnx": describe_file(folder / "model.onnx")}
        if name == "oracle":
            write_manifest(folder, dataclasses.replace(detector_manifest(), files=files))
            continue
        write_manifest(
            folder,
            RecognizeManifest(
                format=1,
                name=name,
                task="recognize",
                version="1",
                license="Apache-2.0",
                languages=(name,),
                files=files,
                made=Made(command="-", date="2026-01-01", machine="-", minutes=0, samples=0, source="-"),
                measures={},
                input=RecognizeInput(
                    name="crops",
                    dtype="uint8",
                    layout="NHW",
                    colour="grey",
                    height=32,
                    buckets=(64, 128, 320),
                    max_batch=8,
                    fit="height-pad-right",
                    resize="area-down-linear-up",
                    padding=0,
                    margin=0.0,
                ),
                output=RecognizeOutput(head="flat", symbols="symbols", stride=4),
                charset=CHARSET,
                blank=0,
                decode=RecognizeDecode(**decode_options()),
                confidence=Confidence(definition="test", temperature=1.0, minimum=0.3),
            ),
        )
    engines["folder"] = tmp_path
    return engines


def decode_options() -> dict[str, object]:
    values: dict[str, object] = {"default": "greedy", "beam_width": 4}
    for field in (f for f in dataclasses.fields(RecognizeDecode) if f.default is dataclasses.MISSING):
        values.setdefault(field.name, 1)
    return values


def page(*words: tuple[int, int, int]) -> np.ndarray:
    """Bars of 80 × 24 px at (x, y) in a shade, on a picture of 640 × 480."""
    image = bars((480, 640), [(x, y, 80, 24) for x, y, _ in words])
    for x, y, shade in words:
        image[y : y + 24, x : x + 80] = shade
    return image


def ocr(models, *languages: str, **options) -> OCR:
    return OCR(languages or ("ko", "en"), models_dir=models["folder"], **options)


def test_read(models):
    reading = ocr(models).read(page((200, 100, 20), (50, 100, 10), (50, 200, 30)))
    assert [w.text for w in reading.words] == ["가나", "abd", "123"]
    assert [w.language for w in reading.words] == ["ko", "en", "ko"]
    assert [line.text for line in reading.lines] == ["가나 abd", "123"]
    assert [line.words for line in reading.lines] == [(0, 1), (2,)]
    assert reading.text == "가나 abd\n123"
    assert (reading.width, reading.height) == (640, 480)
    assert np.abs(np.array(reading.words[0].quad) - [(50, 100), (130, 100), (130, 124), (50, 124)]).max() < 2
    assert set(reading.ms) == {"detect", "crop", "recognize", "total"}
    assert reading.ms["total"] >= reading.ms["detect"] + reading.ms["crop"] + reading.ms["recognize"] > 0
    json.dumps(reading.to_dict())


@pytest.mark.parametrize(
    ("languages", "texts"),
    [
        (("ko",), ["가나", "abc", "123", "ab"]),
        (("en",), ["ef", "abd", "128", "gh", "h"]),
        (("ko", "en"), ["가나", "abd", "123", "gh", "h"]),
        (("en", "ko"), ["가나", "abd", "123", "gh", "h"]),
    ],
)
def test_languages(models, languages, texts):
    image = page(*[(50, 50 + 60 * k, shade) for k, shade in enumerate((10, 20, 30, 40, 50))])
    assert [w.text for w in ocr(models, *languages).read(image).words] == texts


def test_only_words_without_hangul_are_read_twice(models):
    ocr(models).read(page((50, 100, 10), (50, 200, 10), (50, 300, 20)))
    assert models["ko"].seen == 3
    assert models["en"].seen == 1


def test_a_reader_of_hangul_must_lead_on_latin(models):
    # "123" leads by 0.15, "ac" by 0.05.
    image = page((50, 100, 10), (50, 200, 30), (50, 300, 48))
    assert [w.text for w in ocr(models).read(image).words] == ["가나", "123", "ad"]


def test_the_language_of_a_picture_counts(models):
    reader_ = ocr(models, min_confidence=0.3)
    # Five words read surely, none of them Hangul: English may be less sure, and doubtful Hangul goes there too.
    latin = [(50, 40 + 60 * k, 45) for k in range(5)]
    doubtful = (50, 400, 55)
    assert [w.text for w in reader_.read(page(*latin, doubtful)).words] == ["ab"] * 5 + ["d"]
    # But not by as much as against other Latin.
    assert [w.text for w in reader_.read(page(*latin, (50, 400, 58))).words] == ["ab"] * 5 + ["다"]
    # One of six is Hangul: each word for itself.
    mixed = page(*latin, (300, 40, 10), doubtful)
    assert [w.text for w in reader_.read(mixed).words] == ["a8", "가나", "a8", "a8", "a8", "a8", "나"]
    # Numbers are in no language.
    numbers = [(50, 40 + 60 * k, 30) for k in range(5)]
    assert [w.text for w in reader_.read(page(*numbers, doubtful)).words] == ["123"] * 5 + ["나"]
    # Too few to tell.
    assert [w.text for w in reader_.read(page(*latin[:4], doubtful)).words] == ["a8"] * 4 + ["나"]


def test_min_confidence(models):
    image = page((50, 100, 10), (50, 200, 40))
    assert [w.text for w in ocr(models, min_confidence=0.5).read(image).words] == ["가나"]


def test_nothing_to_read(models):
    reading = ocr(models).read(np.full((480, 640, 3), 200, np.uint8))
    assert (reading.words, reading.lines, reading.text) == ((), (), "")


def test_a_word_that_fills_a_small_picture(models):
    # Nothing but ink, 400 px wide: no bar for the detector, which sees only those up to 250 px in a larger ground.
    class Blind:
        def run(self, inputs):
            h, w = inputs["image"].shape[1:3]
            return {"score": np.zeros((1, h // 4, w // 4)), "geometry": np.zeros((1, h // 4, w // 4, 5))}

    reader_ = ocr(models)
    reader_._get_detector().engine = Blind()
    (word,) = reader_.read(np.full((40, 90, 3), 10, np.uint8)).words
    assert word.text == "가나"
    assert word.quad == ((0, 0), (90, 0), (90, 40), (0, 40))
    assert reader_.read(np.full((40, 90, 3), 40, np.uint8)).words[0].text == "gh"
    assert reader_.read(np.full((600, 600, 3), 10, np.uint8)).words == ()
    assert ocr(models, "ko").read(np.full((2, 90, 3), 10, np.uint8)).words == ()


def test_detect_and_recognize(models):
    reader_ = ocr(models)
    image = page((50, 100, 10), (50, 200, 20))
    regions = reader_.detect(image)
    assert len(regions) == 2
    crop = Crop(image[100:124, 50:130], regions[0].quad)
    words = reader_.recognize([crop, image[200:224, 50:130], np.full((20, 40), 255, np.uint8)])
    assert [w.text for w in words] == ["가나", "abd", ""]
    assert words[0].quad == regions[0].quad
    assert words[1].quad is None
    assert reader_.recognize([]) == ()
    with pytest.raises(InputError, match="list"):
        reader_.recognize("crop.png")
    with pytest.raises(ImageError, match="crop 0"):
        reader_.recognize([Crop(np.zeros((0, 4, 3), np.uint8), regions[0].quad)])


def test_frames_are_turned_upright(models):
    image = page((50, 100, 10))
    reading = ocr(models).read(Frame(np.ascontiguousarray(np.rot90(image)), rotation=90))
    assert (reading.width, reading.height) == (640, 480)
    assert [w.text for w in reading.words] == ["가나"]


def test_models_load_late_and_once(models):
    reader_ = ocr(models, threads=3)
    assert set(models) == {"folder"}
    reader_.warm_up()
    assert {"oracle", "ko", "en"} <= set(models)
    assert models["threads"] == {3}
    before = [models[k] for k in ("oracle", "ko", "en")]
    many = [threading.Thread(target=reader_.read, args=(page((50, 100, 10)),)) for _ in range(4)]
    for t in many:
        t.start()
    for t in many:
        t.join()
    assert before == [models[k] for k in ("oracle", "ko", "en")]


def test_an_altered_model_is_refused(models):
    reader_ = ocr(models)
    (models["folder"] / "ko" / "model.onnx").write_bytes(b"KO")
    with pytest.raises(IntegrityError, match=r"ko.model\.onnx"):
        reader_.warm_up()


def test_an_unknown_language_names_what_there_is(models):
    with pytest.raises(ModelNotFound, match=r"'jp'; there are en, ko"):
        ocr(models, "ko", "jp")


@pytest.mark.parametrize(
    "options",
    [
        {"languages": "ko"},
        {"languages": ()},
        {"languages": ("ko", "ko")},
        {"languages": (1,)},
        {"threads": 0},
        {"threads": True},
        {"threads": 1.5},
        {"min_confidence": 1.5},
        {"min_confidence": float("nan")},
    ],
)
def test_arguments_that_cannot_be(models, options):
    with pytest.raises(InputError, match=next(iter(options))):
        OCR(models_dir=models["folder"], **options)


@pytest.mark.parametrize(
    "bad", [np.zeros((0, 0, 3), np.uint8), np.full((4, 4), np.nan), "no-such-file.png", b"junk", 7]
)
def test_pictures_that_cannot_be_read(models, bad):
    with pytest.raises(ImageError):
        ocr(models).read(bad)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (10, 20000), (20000, 10)])
def test_pictures_of_absurd_size_are_read_without_fuss(models, size):
    assert ocr(models).read(np.full((*size, 3), 255, np.uint8)).words == ()


def test_a_tall_word_is_read_sideways_when_that_is_surer(models):
    image = np.full((480, 640, 3), 235, np.uint8)
    image[100:130, 50:80] = 10
    image[130:200, 50:80] = 40
    (word,) = ocr(models, "ko").read(image).words
    assert word.text == "가나"
    turned = np.ascontiguousarray(image[::-1])
    (word,) = ocr(models, "ko").read(turned).words
    assert word.text == "가나"
    quad = np.array(word.quad)
    assert quad[0, 1] > quad[1, 1]  # the text runs upwards


def sided(boxes: list[tuple[int, int]], left: int, right: int) -> np.ndarray:
    """Bars of 80 × 24 px, each of one shade on its left and of another on its right, on a picture of 640 × 480. A
    recognizer of these tests reads the shade on the left."""
    image = bars((480, 640), [(x, y, 80, 24) for x, y in boxes])
    for x, y in boxes:
        image[y : y + 24, x : x + 40] = left
        image[y : y + 24, x + 40 : x + 80] = right
    return image


BOXES = [(60, 60), (170, 60), (60, 160), (170, 160)]
ROWS = ["가나 가나", "가나 가나"]


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_turned_pages_are_read(models, degrees):
    upright = sided(BOXES, 10, 55)  # "가나", surely; from the other end "나", with doubts
    image = np.ascontiguousarray(np.rot90(upright, -degrees // 90))
    reading = ocr(models, "ko").read(image)
    assert reading.rotation == -degrees % 360
    assert [line.text for line in reading.lines] == ROWS
    assert (reading.height, reading.width) == image.shape[:2]
    # Quads lie in the picture as it was given, and their first point is where the reading begins.
    quad = np.array(reading.words[0].quad)
    at = quad.mean(0).astype(int)
    assert image[at[1], at[0]].max() < 60
    begin = (quad[[0, 3]].mean(0) * 0.8 + quad[[1, 2]].mean(0) * 0.2).astype(int)
    assert image[begin[1], begin[0], 0] == 10
    assert np.degrees(np.arctan2(*(quad[1] - quad[0])[::-1])) % 360 == pytest.approx(degrees, abs=2)
    assert np.allclose(np.degrees(np.arctan2(*np.subtract(reading.lines[0].quad[1], reading.lines[0].quad[0])[::-1]))
                       % 360, degrees, atol=2)  # fmt: skip


def test_upright_is_taken_at_its_word(models):
    image = sided(BOXES, 55, 10)
    assert ocr(models, "ko").read(image).rotation == 180
    reading = ocr(models, "ko", orientation="upright", min_confidence=0.3).read(image)
    assert reading.rotation == 0
    assert [w.text for w in reading.words] == ["나"] * 4


def test_sure_pages_cost_nothing_more(models):
    ocr(models, "ko").read(sided(BOXES, 10, 55))
    assert models["ko"].seen == 4
    assert len(models["oracle"].shapes) == 1


def test_a_line_upside_down_on_an_upright_page(models):
    image = sided([*BOXES, (60, 300)], 10, 10)
    image[300:324, 60:100], image[300:324, 100:140] = 55, 30  # "나" with doubts; from the other end "123", surely
    large = sided([], 0, 0)
    large[:] = image
    large[300:324, 60:140] = np.where(np.arange(80) < 40, 55, 10)[None, :, None]
    # Without doubts about the page as a whole nobody asks.
    assert [w.text for w in ocr(models, "ko", min_confidence=0.3).read(large).words] == ["가나"] * 4 + ["나"]
    doubtful = large.copy()
    doubtful[60:184][doubtful[60:184] == 10] = 20  # "abc", half surely
    reading = ocr(models, "ko").read(doubtful)
    assert reading.rotation == 0
    assert [w.text for w in reading.words if w.text != "abc"] == ["가나"]
    (word,) = (w for w in reading.words if w.text == "가나")
    assert word.quad[0][0] > word.quad[1][0]  # it runs to the left


def test_orientation_that_cannot_be(models):
    with pytest.raises(InputError, match="orientation"):
        ocr(models, orientation="sideways")


def test_only_turned_readings_tell_their_rotation(models):
    reader_ = ocr(models, "ko")
    assert "rotation" not in reader_.read(sided(BOXES, 10, 55)).to_dict()
    reading = reader_.read(sided(BOXES, 55, 10))
    assert reading.to_dict()["rotation"] == 180
    assert type(reading).from_dict(reading.to_dict()).rotation == 180


def test_a_doubtful_word_alone_is_left_out(models):
    alone, beside = page((50, 100, 10), (50, 400, 40)), page((50, 100, 10), (50, 140, 40))
    assert [w.text for w in ocr(models).read(beside).words] == ["가나", "gh"]
    assert [w.text for w in ocr(models).read(alone).words] == ["가나"]
    assert [w.text for w in ocr(models, min_confidence=0.3).read(alone).words] == ["가나", "gh"]


def test_a_small_picture_is_rather_one_word_where_that_is_surer(models):
    # A bar that the detector finds, read with doubts from its left; the picture as a whole reads surely.
    image = np.full((60, 200, 3), 100, np.uint8)
    image[:, :40] = 10
    image[20:40, 60:140] = 55
    image[20:40, 100:140] = 10
    reading = ocr(models, "ko").read(image)
    assert [w.text for w in reading.words] == ["가나"]
    assert reading.words[0].quad == ((0, 0), (200, 0), (200, 60), (0, 60))


def test_of_two_ways_to_lie_the_surer_one_is_taken(models):
    # Read from either end, both are surer than standing on end; "abc", 0.6, from the one, "가나", 0.9, from the other.
    for left, right, degrees in ((20, 10, 90), (10, 20, 90), (20, 10, 270), (10, 20, 270)):
        image = np.ascontiguousarray(np.rot90(sided(BOXES, left, right), -degrees // 90))
        reading = ocr(models, "ko").read(image)
        assert [line.text for line in reading.lines] == ROWS
        assert reading.rotation == (-degrees % 360 if left == 10 else (180 - degrees) % 360)


@pytest.mark.parametrize("pattern", [["서울", "부산"], 3])
def test_patterns_that_cannot_be(models, pattern):
    with pytest.raises(InputError, match=r"Pattern\.words"):
        ocr(models).recognize([page((50, 100, 10))], pattern=pattern)


@pytest.mark.parametrize(("pattern", "missing"), [("漢", "漢"), ("abc\n", r"\n")])
def test_what_no_recognizer_can_write_is_refused(models, pattern, missing):
    with pytest.raises(InputError) as told:
        ocr(models).recognize([page((50, 100, 10))], pattern=pattern)
    assert missing in str(told.value)
