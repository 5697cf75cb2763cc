from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from edge_ocr.choose import choose
from edge_ocr.types import TextWord

CROP = np.zeros((32, 64, 3), np.uint8)


class Reads:
    """Stands for a recognizer that reads given words, crop by crop, and tells which crops it was asked for."""

    def __init__(self, words: list[tuple[str, float]], charset: str) -> None:
        self.words = [TextWord(text, sure) for text, sure in words]
        self.manifest = SimpleNamespace(charset=charset)
        self.asked: list[int] = []

    def recognize(self, crops: list[np.ndarray]) -> list[TextWord]:
        asked = [int(crop[0, 0, 0]) for crop in crops]
        self.asked += asked
        return [self.words[k] for k in asked]


def readers_of(ko: list[tuple[str, float]], en: list[tuple[str, float]]) -> list[Reads]:
    return [Reads(ko, "abc019,.%₩℃"), Reads(en, "abcW019,.%'")]


def chosen_by(readers: list[Reads]) -> list[str]:
    crops = [np.full_like(CROP, k) for k in range(len(readers[0].words))]
    return [w.text for w in choose(readers, [True, False], [crops, crops])]


def chosen(ko: list[tuple[str, float]], en: list[tuple[str, float]]) -> list[str]:
    return chosen_by(readers_of(ko, en))


def test_hangul_stays_and_latin_goes_to_who_may_be_a_little_less_sure():
    assert chosen([("가a", 0.6), ("ab", 0.9)], [("aa", 0.9), ("abc", 0.85)]) == ["가a", "abc"]
    assert chosen([("ab", 0.9)], [("abc", 0.75)]) == ["ab"]


def test_what_the_other_cannot_write_is_not_given_to_it():
    assert chosen([("₩9,100", 0.9)], [("W9,100", 0.99)]) == ["₩9,100"]
    assert chosen([("9℃", 0.5)], [("9.0", 0.9)]) == ["9.0"]  # unless that is much surer


def test_a_page_of_numbers_is_in_no_language():
    numbers = [("1,000", 0.95)] * 20
    ko = [*numbers, ("9,100원", 0.9)]
    assert chosen(ko, [*numbers, ("9,1009!", 0.95)])[-1] == "9,100원"
    latin = [("abc", 0.95)] * 20  # in a Latin picture the same doubt goes the other way
    assert chosen([*latin, ("9,100원", 0.9)], [*latin, ("9,1009!", 0.95)])[-1] == "9,1009!"


def test_what_is_settled_is_not_read_twice():
    words = [("가", 0.9), ("019", 0.99), ("01, 9", 0.99), ("1", 0.9), ("abc", 1.0)]
    readers = readers_of(words, [("b", 0.95)] * 5)
    assert chosen_by(readers) == ["가", "019", "b", "b", "b"]
    assert readers[1].asked == [2, 3, 4]


def test_in_a_foreign_picture_the_reader_of_hangul_is_asked_for_no_more_than_can_count():
    ko = [("abc", 0.95)] * 100
    en = [("cab", 0.95)] * 100
    en[51] = ("", 0.0)
    en[53] = ("ab", 0.7)
    ko[53] = ("a가", 0.9)
    readers = readers_of(ko, en)
    got = chosen_by(readers)
    assert got[51] == "abc" and got[53] == "a가" and set(got[:51] + got[54:]) == {"cab"}
    assert len(readers[0].asked) < 24 and {51, 53} <= set(readers[0].asked)
    assert sorted(readers[1].asked) == list(range(100))


def test_one_word_of_hangul_in_the_sample_and_all_are_read():
    readers = readers_of([("abc", 0.95)] * 100, [("cab", 0.95)] * 100)
    chosen_by(readers)
    at = readers[0].asked[0]
    assert len(readers[0].asked) < 24
    ko = [("abc", 0.95)] * 100
    ko[at] = ("가나", 0.95)
    ko[at - 1] = ko[at - 2] = ("나", 0.95)
    readers = readers_of(ko, [("cab", 0.95)] * 100)
    chosen_by(readers)
    assert sorted(readers[0].asked) == list(range(100))
    ko[at] = ("₩9", 0.95)  # nor does a sign which only that reader can write leave the rest to the other
    readers = readers_of(ko, [("cab", 0.95)] * 100)
    assert chosen_by(readers)[at] == "₩9"
    assert sorted(readers[0].asked) == list(range(100))


def test_a_regular_order_hides_no_language():
    """Labels in English, values in Korean, in turns: neither kind may be missing from the sample."""
    for count in range(32, 200, 2):
        ko = [("abc", 0.95), ("가나", 0.95)] * (count // 2)
        en = [("cab", 0.95), ("ab", 0.97)] * (count // 2)
        assert set(chosen(ko, en)[1::2]) == {"가나"}


def test_the_same_is_chosen_whether_all_are_read_or_what_can_count(monkeypatch):
    rng = np.random.default_rng(0)
    texts = ["abc", "019", "a1", "cab", "99"]
    for _ in range(20):
        ko = [(texts[int(rng.integers(5))], float(rng.uniform(0.3, 1))) for _ in range(90)]
        en = [(texts[int(rng.integers(5))], float(rng.uniform(0.3, 1))) for _ in range(90)]
        monkeypatch.setattr("edge_ocr.choose._SAMPLE", 16)
        some = chosen(ko, en)
        monkeypatch.setattr("edge_ocr.choose._SAMPLE", 1000)
        assert some == chosen(ko, en)
