"""The benchmarks that draw: what they count, without drawing much."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("PIL")

from benchmarks.faces import MARKED, SURNAMES, Asked, Result, inside, ksx1001, summary, told
from benchmarks.orientation import Count, turned


def test_the_syllables_of_the_standard():
    syllables = ksx1001()
    assert len(syllables) == len(set(syllables)) == 2350
    assert (syllables[0], syllables[-1]) == ("가", "힝")
    assert "뷁" not in syllables and "똠" not in syllables


def test_surnames_and_marks():
    assert len(SURNAMES) == len(set(SURNAMES)) == 100
    assert set(".,()-/:") <= set("".join(MARKED))


def test_words_that_hold_a_syllable():
    found = inside(["가나다", "나라", "나", "나비1", "나라꽃 나들이", "나무", "나물"])
    assert found["나"] == ["가나다", "나라", "나라꽃"]  # the first three, of two syllables and more, Hangul alone
    assert "비" not in found


def test_counting_of_a_face():
    result = Result("face")
    result.add(Asked("쥰스", "쥰", "syllable"), "준스")
    result.add(Asked("가격", "가", "syllable"), "가결")  # another letter is wrong, the one asked for is right
    result.add(Asked("제갈민", "제갈", "surname"), "제갈민")
    result.add(Asked("1,000", ",", "marks"), "1000")
    assert (result.words, result.whole, result.characters, result.errors) == (4, 1, 12, 3)
    assert dict(result.right) == {"syllable": 1, "surname": 1, "marks": 0}
    report = summary([result, result], 5)
    assert report["wrong"] == pytest.approx(3 / 12)
    assert report["kinds"] == {"syllable": 0.5, "surname": 1.0, "marks": 0.0}
    assert ["쥰", "준", 2] in report["confusions"] and [",", "", 2] in report["confusions"]
    assert report["missed"] == [["쥰", 2, ["준스"]]]
    assert "75.00 %" in told(report)


def test_pages_are_turned_clockwise():
    image = np.zeros((2, 3, 3), np.uint8)
    image[0, 0] = 1
    assert turned(image, 90).shape == (3, 2, 3) and turned(image, 90)[0, 1, 0] == 1
    assert (turned(turned(image, 90), 270) == image).all()


def test_summary_of_orientations():
    count = Count()
    count.pictures, count.right = 4, 3
    count.wrong[90] += 1
    assert count.summary() == {"pictures": 4, "right": 0.75, "told": {90: 1}}
