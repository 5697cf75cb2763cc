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
        self.asked = [int(crop[0, 0, 0]) for crop in crops]
        return [self.words[k] for k in self.asked]


def chosen(ko: list[tuple[str, float]], en: list[tuple[str, float]]) -> list[str]:
    crops = [np.full_like(CROP, k) for k in range(len(ko))]
    readers = [Reads(ko, "abc019,.%₩℃"), Reads(en, "abcW019,.%'")]
    return [w.text for w in choose(readers, [True, False], [crops, crops])]


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
