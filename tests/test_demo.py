"""The golden picture, end to end: the shipped weights read demo/sample.jpg, in type that training never saw."""

from __future__ import annotations

import pathlib

import pytest

from edge_ocr import OCR, Reading

DEMO = pathlib.Path(__file__).resolve().parent.parent / "demo"
WANTED = (DEMO / "sample.txt").read_text(encoding="utf-8").splitlines()

# The share of characters that may be wrong. What the weights reach is in the README; this is the floor under it.
MOST_WRONG = 0.12


@pytest.fixture(scope="module")
def reading() -> Reading:
    return OCR(threads=1).read(DEMO / "sample.jpg")


def wrong(wanted: str, text: str) -> int:
    """Levenshtein distance of ``wanted`` to the piece of ``text`` that is nearest to it."""
    row = [0] * (len(text) + 1)
    for i, a in enumerate(wanted, 1):
        new = [i]
        for j, b in enumerate(text, 1):
            new.append(min(row[j] + 1, new[j - 1] + 1, row[j - 1] + (a != b)))
        row = new
    return min(row)


def plain(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


def test_distance() -> None:
    assert wrong("abc", "xxabcxx") == 0
    assert wrong("abc", "xxacxx") == 1
    assert wrong("abc", "") == 3


def test_the_sample_is_read(reading: Reading) -> None:
    text = plain(reading.text)
    errors = {line: wrong(plain(line), text) for line in WANTED}
    characters = sum(len(plain(line)) for line in WANTED)
    assert sum(errors.values()) <= MOST_WRONG * characters, errors


@pytest.mark.parametrize("word", ["푸른호수", "전망대", "해발", "09:00", "주차장", "안내", "02-555-0142"])
def test_plain_words_are_read_whole(word: str, reading: Reading) -> None:
    assert word in reading.text, reading.text


def test_words_stand_where_they_are_read(reading: Reading) -> None:
    word = next(w for w in reading.words if "0142" in w.text)
    assert word.quad is not None
    x = sum(p[0] for p in word.quad) / 4
    y = sum(p[1] for p in word.quad) / 4
    assert abs(x - 993) < 25
    assert abs(y - 497) < 12
    assert word.confidence > 0.5
    assert all(c.confidence > 0.2 for c in word.characters)
    assert reading.to_dict() == Reading.from_dict(reading.to_dict()).to_dict()


def test_the_sample_comes_with_its_licence() -> None:
    readme = (DEMO / "README.md").read_text(encoding="utf-8")
    assert "sample.jpg" in readme
    assert "CC0" in readme
    assert (DEMO / "sample.jpg").stat().st_size < 300_000
