from __future__ import annotations

import json
import pathlib
import re
from collections import Counter

import cv2
import numpy as np
import pytest

from benchmarks import errors, routing
from benchmarks.accuracy import score_text
from benchmarks.misses import CAUSES, SPACES, Misses, Word, align, classify, distance, explain_page, fold_text
from tests import tiny


def costs(misses: Misses) -> dict[str, int]:
    """The costs by cause, after a look at the sums."""
    out = Counter()
    for f in misses.faults:
        assert f.cause in CAUSES
        out[f.cause] += f.cost
    assert sum(out.values()) == misses.errors + misses.spaces
    assert sum(f.cost for f in misses.faults if f.cause in SPACES and f.detail != "twice") == misses.spaces
    return dict(out)


def row(text: str, x: float = 0.0, letter: float = 10.0, **more) -> list[Word]:
    """Words of a text whose letters are all ``letter`` wide."""
    words = []
    for part in text.split(" "):
        words.append(Word(part, x, x + letter * len(part), 10.0, number=len(words), **more))
        x += letter * (len(part) + 1)
    return words


@pytest.mark.parametrize(
    ("text", "chars", "gap", "source"),
    [
        ("A b", "ab", (False, True), (0, 2)),
        ("4,500 원", "4500원", (False,) * 4 + (True,), (0, 2, 3, 4, 6)),
        (" - x", "x", (False,), (3,)),
        ("x - y", "xy", (False, True), (0, 4)),
        ("㎏", "kg", (False, False), (0, 0)),
        ("한글", "한글", (False, False), (0, 1)),
        ("", "", (), ()),
    ],
)
def test_fold_text(text, chars, gap, source):
    folded = fold_text(text)
    assert (folded.chars, folded.gap, folded.source) == (chars, gap, source)


def test_fold_exactly():
    assert fold_text("A-b c", fold=False).chars == "A-bc"


@pytest.mark.parametrize("anywhere", [False, True])
def test_align_costs_the_distance(anywhere):
    rng = np.random.default_rng(1)
    for _ in range(60):
        a, b = ("".join(rng.choice(list("abc"), rng.integers(0, 9))) for _ in range(2))
        steps = align(a, b, anywhere=anywhere)
        assert sum(s.kind != "same" for s in steps) == distance(a, b, anywhere=anywhere)
        assert [s.i for s in steps if s.i >= 0] == list(range(len(a)))
        places = [s.j for s in steps if s.j >= 0]
        assert places == list(range(places[0], places[-1] + 1)) if places else True
        assert all((a[s.i] == b[s.j]) == (s.kind == "same") for s in steps if s.kind in ("same", "swap"))


# -- one cause each ------------------------------------------------------------------------------------------------

LINE = [(0.0, 110.0)]  # "hello world" in letters of 10 pixels


@pytest.mark.parametrize(
    ("read", "want"),
    [
        (row("hello world"), {}),
        (row("hello werld"), {"wrong_character": 1}),
        (row("helo world", letter=10), {"wrong_character": 1}),
        ([Word("helxlo", 0, 50, 10), Word("world", 60, 110, 10)], {"wrong_character": 1}),
        (row("hello"), {"not_detected": 5}),
        ([], {"not_detected": 10}),
        ([Word("llo", 20, 50, 10), Word("world", 60, 110, 10)], {"cut": 2}),
        ([Word("hello", 0, 50, 10), Word("wor", 60, 90, 10)], {"cut": 2}),
        ([Word("hello", 0, 50, 10), Word("wor", 60, 90, 10), Word("ld", 90, 110, 10)], {"split": 1}),
        ([Word("hello", 0, 50, 10), Word("wor", 60, 90, 10), Word("ld", 90, 110, 10, False)], {}),
        ([Word("hello", 0, 50, 10), Word("world", 60, 110, 10), Word("rld", 80, 110, 10)], {"split": 3}),
        ([Word("helloworld", 0, 110, 10)], {"lost_space": 1}),
        ([Word("hello", 0, 55, 10), Word("world", 55, 110, 10, False)], {"lost_space": 1}),
        ([Word("hello wor ld", 0, 110, 10)], {"added_space": 1}),
        ([Word("hello", 0, 50, 10), Word("xx", 50, 60, 10), Word("world", 60, 110, 10)], {"false_positive": 2}),
        ([Word("허로", 0, 50, 10, other=("hello",)), Word("world", 60, 110, 10)], {"wrong_language": 5}),
        ([Word("허로", 0, 50, 10, other=("hell0",)), Word("world", 60, 110, 10)],
         {"wrong_language": 4, "wrong_character": 1}),
    ],
)  # fmt: skip
def test_causes_of_a_line(read, want):
    misses = classify(["hello world"], read, spans=LINE)
    assert costs(misses) == want
    assert misses.length == 10


def test_a_whole_letter_inside_its_box_was_dropped():
    misses = classify(["hello"], [Word("hell", 0, 50, 10)], spans=[(0, 50)])
    assert [(f.cause, f.want, f.detail) for f in misses.faults] == [("wrong_character", "o", "dropped")]


def test_a_box_in_which_nothing_was_read():
    misses = classify(["hello world"], row("hello"), spans=LINE, boxes=[(60, 108)])
    assert costs(misses) == {"unread": 5}
    assert costs(classify(["hello world"], [], spans=LINE, boxes=[(0, 110)])) == {"unread": 10}


def test_two_labels_in_one_box():
    spans = [(0.0, 50.0), (50.0, 100.0)]
    assert costs(classify(["hello", "world"], [Word("helloworld", 0, 100, 10)], spans=spans)) == {"merged": 1}
    assert costs(classify(["hello", "world"], [Word("hello world", 0, 100, 10)], spans=spans)) == {}


def test_the_order_of_reading_tears_a_label():
    read = row("hello world")
    assert costs(classify(["hello world"], read, spans=LINE, anywhere=4)) == {"order": 4}
    # What is wrong anyhow is no fault of the order.
    assert costs(classify(["hello world"], row("hellx world"), spans=LINE, anywhere=1)) == {"wrong_character": 1}


def test_places_and_words_of_faults():
    misses = classify(["ab cd"], [Word("ab", 0, 20, 10, number=7), Word("cx", 30, 50, 10, number=9)], spans=[(0, 50)])
    (fault,) = misses.faults
    assert (fault.at, fault.word, fault.spot, fault.want, fault.got) == (3, 9, 1, "d", "x")
    assert misses.used == (7, 9)


def test_sums_hold_whatever_is_read():
    rng = np.random.default_rng(2)
    letters = list("ab c가-")
    for _ in range(300):
        label = "".join(rng.choice(letters, rng.integers(1, 12)))
        spans = [(0.0, 10.0 * len(label))]
        words = []
        for n in range(rng.integers(0, 5)):
            text = "".join(rng.choice(letters, rng.integers(0, 6)))
            x0, wide = rng.uniform(0, 80), rng.uniform(5, 50)
            other = ("".join(rng.choice(letters, 4)),) if rng.random() < 0.3 else ()
            words.append(Word(text, x0, x0 + wide, 10.0, bool(rng.random() < 0.7), other, n))
        words.sort(key=lambda w: w.x0 + w.x1)
        for place in (spans, None):
            misses = classify([label], words, spans=place, anywhere=int(rng.integers(0, 9)))
            costs(misses)
            if misses.length:
                read = "".join(fold_text(w.text).chars for w in words)
                assert misses.errors >= distance(fold_text(label).chars, read)


# -- labels of unknown place ---------------------------------------------------------------------------------------


def test_page_labels_are_found_anywhere():
    words = row("the quick fox jumps over it")
    (a, b), false = explain_page(["jumps over", "the quick"], words)
    assert (costs(a), costs(b)) == ({}, {})
    assert false == {2, 5}
    assert (a.used, b.used) == ((3, 4), (0, 1))


@pytest.mark.parametrize(
    ("label", "read", "want"),
    [
        ("one two three", "one two thrxe", {"wrong_character": 1}),
        ("one twenty three", "one three", {"not_detected": 6}),
        ("onetwo three", "one two three", {"split": 1}),
        ("nothing of this", "quark lamp berry", {"not_detected": 13}),
        ("wonderful people in the old town", "in the old town xyz wonderful people", {"order": 12}),
    ],
)
def test_causes_on_a_page(label, read, want):
    (misses,), _ = explain_page([label], row(read))
    assert costs(misses) == want
    whole = distance(fold_text(label).chars, fold_text(read).chars, anywhere=True)
    assert misses.errors == min(misses.length, whole)


def test_a_word_cut_on_a_page():
    narrow, wide = Word("thre", 0, 22, 10, number=0), Word("thre", 0, 60, 10, number=0)
    (misses,), _ = explain_page(["three"], [narrow])
    assert costs(misses) == {"cut": 1}
    (misses,), _ = explain_page(["three"], [wide])
    assert costs(misses) == {"wrong_character": 1}


def test_what_lies_in_another_label_was_not_read():
    labels = ["first line ends herely", "other words follow now"]
    (a, b), _ = explain_page(labels, row("first line other words follow now"))
    assert costs(b) == {}
    assert costs(a) == {"not_detected": 7}  # three letters are there by chance


def test_the_other_language_on_a_page():
    words = [Word("the", number=0), Word("우드", other=("wood",), number=1), Word("road", number=2)]
    (misses,), _ = explain_page(["the wood road"], words)
    assert costs(misses) == {"wrong_language": 4}


def test_page_sums_hold_whatever_is_read():
    rng = np.random.default_rng(3)
    parts = ["alpha", "beta", "gamma", "delta", "가나다", "라마", "12", "x"]
    for _ in range(150):
        labels = [" ".join(rng.choice(parts, rng.integers(1, 7))) for _ in range(3)]
        read = row(" ".join(rng.choice(parts, rng.integers(1, 16))))
        found, _ = explain_page(labels, read)
        text = fold_text(" ".join(w.text for w in read)).chars
        for label, misses in zip(labels, found, strict=True):
            costs(misses)
            chars = fold_text(label).chars
            assert misses.errors == min(len(chars), distance(chars, text, anywhere=True))


# -- the report ----------------------------------------------------------------------------------------------------


def quad(x0: float, y0: float, x1: float, y1: float) -> list[list[float]]:
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]


def prediction(words: list[tuple[str, list[list[float]]]], lines: list[list[int]]) -> dict:
    return {
        "words": [{"text": t, "quad": q, "confidence": 0.8, "language": "en"} for t, q in words],
        "lines": [
            {"text": " ".join(words[k][0] for k in line), "words": line, "confidence": 0.8, "quad": words[line[0]][1]}
            for line in lines
        ],
    }


def test_match_groups_labels_and_words():
    labels = np.array([quad(0, 0, 100, 20), quad(120, 0, 200, 20), quad(0, 50, 100, 70), quad(0, 90, 50, 110)], float)
    ignore = np.array([False, False, False, True])
    boxes = np.array(
        [quad(0, 0, 50, 20), quad(55, 0, 195, 20), quad(2, 92, 48, 108), quad(300, 300, 350, 320),
         quad(0, 60, 100, 85)], float,
    )  # fmt: skip
    groups, false = errors.match(labels, ignore, boxes)
    assert groups == [([0, 1], [0, 1]), ([2], [4])]
    assert false == {3}


def test_spaces_before():
    p = prediction([("a", quad(0, 0, 9, 9)), ("b", quad(9, 0, 18, 9)), ("c", quad(20, 0, 29, 9))], [[0, 1, 2]])
    p["lines"][0]["text"] = "ab c"
    assert errors.spaces_before(p) == [True, False, True]


def test_longest_rising():
    assert errors.longest_rising([(0, 5, 0), (9, 2, 0), (3, 4, 0), (4, 1, 0)]) == {0, 2, 3}
    assert errors.longest_rising([]) == set()


@pytest.mark.parametrize(("value", "name"), [(5, "0–10"), (10, "10–14"), (63.9, "32–64"), (400, "64+")])
def test_bins(value, name):
    assert errors.bin_name(errors.HEIGHTS, value) == name


def test_report_of_lines_adds_up():
    labels = {
        "image": "a.jpg",
        "polygons": [quad(0, 0, 110, 20), quad(0, 40, 110, 60), quad(0, 80, 110, 100)],
        "texts": ["hello world", "lower line", "###"],
        "ignore": [False, False, True],
    }
    found = prediction(
        [("hello", quad(0, 0, 50, 20)), ("werld", quad(60, 0, 110, 20)), ("<junk>", quad(200, 150, 240, 170)),
         ("spared", quad(0, 80, 100, 100))],
        [[0, 1], [3], [2]],
    )  # fmt: skip
    report = errors.Report("lines")
    errors.examine(report, labels, found, np.full((200, 300, 3), 255, np.uint8))
    s = report.summary()
    assert s["errors"] == 10 and s["spaces"] == 0
    assert s["false_positive"] == {"words": 1, "characters": 4}
    assert {c: v["cost"] for c, v in s["causes"].items()} == {
        "not_detected": 9, "false_positive": 4, "wrong_character": 1,
    }  # fmt: skip
    assert s["total"] == sum(v["cost"] for v in s["causes"].values())
    assert s["confusions"] == [["o", "e", 1]]
    for kind in s["by"].values():
        assert sum(v["characters"] for v in kind.values()) == s["characters"] == 19
        assert sum(v["lost"] for v in kind.values()) == s["errors"]
    assert s["boxes"]["lines missing"] == 1
    text = errors.page([report], 10)
    assert "<junk>" not in text and text.count("data:image/jpeg;base64,") == 3
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S).group(1))
    assert data[-1]["t"] == "hello w<b>o</b>rld"


def test_what_is_read_in_another_order_is_shown_and_costs_nothing():
    labels = {
        "image": "a.jpg",
        "polygons": [quad(0, 0, 110, 20), quad(0, 40, 110, 60), quad(0, 80, 110, 100)],
        "texts": ["first", "second", "third"],
    }
    words = [("third", quad(0, 80, 110, 100)), ("first", quad(0, 0, 110, 20)), ("second", quad(0, 40, 110, 60))]
    report = errors.Report("lines")
    picture = np.full((200, 300, 3), 255, np.uint8)
    errors.examine(report, labels, prediction(words, [[0], [1], [2]]), picture)
    s = report.summary()
    assert (s["total"], s["causes"]) == (0, {})
    assert s["moved"] == {
        "labels": 1, "characters": 5, "by": {"height": {"20–32": 5}, "contrast": {"0–0.2": 5}, "blur": {"0–300": 5}},
    }  # fmt: skip
    text = errors.page([report], 10)
    (entry,) = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S).group(1))
    assert (entry["t"], entry["c"]) == ("third", {"moved": 5}) and entry["x"].startswith("data:image/jpeg")
    assert 'data-v="moved"' in text


def test_report_of_a_page_counts_as_accuracy_does():
    labels = {"image": "a.jpg", "polygons": None, "texts": ["hello wide world", "lower line"], "ignore": [False, False]}
    read = ["hxllo", "wide", "lower", "junk1"]
    found = prediction([(t, quad(60 * k, 0, 60 * k + 50, 20)) for k, t in enumerate(read)], [[0, 1, 2, 3]])
    report = errors.Report("page")
    errors.examine(report, labels, found, np.full((60, 300, 3), 255, np.uint8))
    s = report.summary()
    assert s["total"] == sum(v["cost"] for v in s["causes"].values())
    assert s["errors"] / s["characters"] == pytest.approx(score_text([(labels, found)], "words", True)["cer_free"])


def test_fields_have_no_false_positives():
    labels = {"image": "a.jpg", "polygons": [quad(0, 0, 50, 20)], "texts": ["hello"], "ignore": [False]}
    labels["fields"] = ["x"]
    found = prediction([("hello", quad(0, 0, 50, 20)), ("other", quad(0, 40, 50, 60))], [[0], [1]])
    report = errors.Report("card")
    errors.examine(report, labels, found, np.full((100, 100, 3), 255, np.uint8))
    assert report.summary()["total"] == 0


def test_one_short_text_fills_its_picture():
    labels = {"image": "a.jpg", "polygons": None, "texts": ["hello"], "ignore": [False]}
    report = errors.Report("words")
    found = prediction([("hell", quad(5, 5, 60, 15)), ("junk", quad(70, 5, 95, 15))], [[0, 1]])
    errors.examine(report, labels, found, np.full((20, 100, 3), 255, np.uint8))
    assert report.summary()["errors"] == 4


@pytest.fixture(scope="module")
def labelled(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("labelled")
    (folder / "images").mkdir()
    cv2.imwrite(str(folder / "images/a.png"), tiny.picture())
    line = {"image": "images/a.png", "polygons": [tiny.WORD], "texts": ["한글 B"], "ignore": [False]}
    (folder / "labels.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    return folder


def test_errors_command(labelled, tmp_path, monkeypatch, capsys):
    models = tiny.make_models(tmp_path / "models")
    out = tmp_path / "out"
    arguments = ["errors", str(labelled), "--out", str(out), "--models-dir", str(models)]
    monkeypatch.setattr("sys.argv", arguments)
    assert errors.main() == 0
    summary = json.loads((out / "errors.json").read_text(encoding="utf-8"))[labelled.name]
    assert summary["total"] == summary["causes"]["wrong_character"]["cost"] == 1
    assert summary["confusions"] == [["b", "a", 1]]
    assert "data:image/jpeg" in (out / "errors.html").read_text(encoding="utf-8")
    kept = out / f"{labelled.name}.jsonl"
    monkeypatch.setattr("sys.argv", [*arguments[:2], "--out", str(tmp_path / "again"), "--predictions", str(kept)])
    assert errors.main() == 0
    assert json.loads((tmp_path / "again/errors.json").read_text(encoding="utf-8"))[labelled.name] == summary
    assert "wrong_character 1" in capsys.readouterr().out


def test_a_picture_that_cannot_be_read_is_left_out(labelled, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "some"
    (folder / "images").mkdir(parents=True)
    (folder / "images/a.png").write_bytes((labelled / "images/a.png").read_bytes())
    (folder / "images/b.png").write_bytes(b"no picture")
    line = json.loads((labelled / "labels.jsonl").read_text(encoding="utf-8"))
    lines = [line, {**line, "image": "images/b.png"}]
    (folder / "labels.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines), encoding="utf-8")
    models = tiny.make_models(tmp_path / "models")
    monkeypatch.setattr("sys.argv", ["errors", str(folder), "--out", str(tmp_path / "o"), "--models-dir", str(models)])
    assert errors.main() == 0
    assert json.loads((tmp_path / "o/errors.json").read_text(encoding="utf-8"))["some"]["images"] == 1
    assert "b.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "problem"), [("missing.jsonl", "no file missing.jsonl"), ("other=x", "no folder is called 'other'")]
)
def test_predictions_that_cannot_be_are_refused(labelled, monkeypatch, capsys, value, problem):
    monkeypatch.setattr("sys.argv", ["errors", str(labelled), "--predictions", value])
    with pytest.raises(SystemExit):
        errors.main()
    assert problem in capsys.readouterr().err


def test_routing_command(labelled, tmp_path, monkeypatch):
    models = tiny.make_models(tmp_path / "models")
    monkeypatch.setattr("sys.argv", ["routing", str(labelled), "--out", str(tmp_path), "--models-dir", str(models)])
    assert routing.main() == 0
    entry = json.loads((tmp_path / "routing.json").read_text(encoding="utf-8"))[labelled.name]
    cer = entry["cer_free"]
    assert cer["ko"] == cer["shipped"] == cer["oracle"] == pytest.approx(1 / 3, abs=1e-3)
    assert cer["en"] == pytest.approx(2 / 3, abs=1e-3)
    assert entry["words"] | {"mean_confidence": 0} == {
        "all": 1, "chosen": {"ko": 1, "en": 0}, "asked_again": 0, "mean_confidence": 0,
    }  # fmt: skip


def test_rules_of_routing():
    word = {"text": "한", "readings": {"ko": ("한", 0.4), "en": ("AB", 0.5)}}
    rules = routing.all_rules(["ko", "en"])
    assert {name: rule(word) for name, rule in rules.items()} == {
        "ko": "한", "en": "AB", "shipped": "한", "surest": "AB", "doubtful 0.3": "한", "doubtful 0.5": "AB",
        "doubtful 0.7": "AB", "doubtful 0.9": "AB", "lead -0.2": "AB", "lead -0.1": "AB", "lead +0.1": "한",
        "lead +0.2": "한",
    }  # fmt: skip
    assert routing.nearest(word, "xabx") == "AB"
