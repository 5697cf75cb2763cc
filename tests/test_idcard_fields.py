"""Fields read again: several looks at one piece, and what is known of names, numbers and codes, on made-up outputs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_ocr.ctc import LogProbs
from edge_ocr.recognize import Recognizer, align
from edge_ocr.scanners import card_fields
from edge_ocr.scanners.card_page import FieldText
from edge_ocr.scanners.card_read import Piece, Said
from edge_ocr.types import TextCharacter, TextWord

coded = pytest.importorskip("coded")
pytest.importorskip("onnxruntime")

CHARSET = "0123456789-DIOSXkm"


@pytest.fixture(scope="module")
def recognizer(tmp_path_factory: pytest.TempPathFactory) -> Recognizer:
    """Any recognizer will do: what it says is made up here, it only turns that into words."""
    from edge_ocr.scanners.lines import make_recognizer

    folder: Path = coded.make_models(
        tmp_path_factory.mktemp("models"), name="ko", charset=CHARSET, size=(64, 64), words=[]
    )
    return make_recognizer(("ko",), folder, threads=1)


def says(*columns: dict[str, float]) -> LogProbs:
    """One character a column, a blank after each, with these probabilities."""
    rows = []
    for column in columns:
        row = np.full(1 + len(CHARSET), 1e-6)
        for c, p in column.items():
            row[1 + CHARSET.index(c)] = p
        blank = np.full(1 + len(CHARSET), 1e-6)
        blank[0] = 1.0
        rows += [row / row.sum(), blank / blank.sum()]
    return LogProbs(np.log(np.array(rows)).astype(np.float32), CHARSET)


def number(text: str) -> list[dict[str, float]]:
    return [{c: 1.0} for c in text]


def piece(recognizer: Recognizer, text: str, *looks: LogProbs) -> Piece:
    return Piece(TextWord(text, 0.5, ()), np.zeros((4, 2)), tuple((recognizer, lp) for lp in looks))


def test_the_looks_decide_together(recognizer: Recognizer) -> None:
    """One look slightly prefers D, the other clearly 0."""
    first = says({"D": 0.55, "0": 0.45}, *number("1X5S"))
    second = says({"D": 0.1, "0": 0.9}, *number("1X5S"))
    found = card_fields.numbers(piece(recognizer, "D1X5S", first, second), "serial")
    assert found is not None and found[0] == "01X5S"
    alone = card_fields.numbers(piece(recognizer, "D1X5S", first), "serial")
    assert alone is not None and alone[0] == "D1X5S"


def test_a_check_digit_breaks_a_tie_and_no_more(recognizer: Recognizer) -> None:
    right = "870123-1234563"
    from edge_ocr.scanners.card_values import registration_number

    number_ = registration_number(right)
    assert number_ is not None
    for last in "0123456789":
        candidate = registration_number(right[:-1] + last)
        if candidate is not None and candidate.checked:
            right = right[:-1] + last
    wrong = right[:-1] + str((int(right[-1]) + 1) % 10)
    tie = says(*number(right[:-1]), {right[-1]: 0.45, wrong[-1]: 0.55})
    found = card_fields.numbers(piece(recognizer, wrong, tie), "rrn")
    assert found is not None and found[0] == right
    clear = says(*number(right[:-1]), {right[-1]: 0.05, wrong[-1]: 0.95})
    found = card_fields.numbers(piece(recognizer, wrong, clear), "rrn")
    assert found is not None and found[0] == wrong


def test_what_cannot_be_a_number_is_none(recognizer: Recognizer) -> None:
    assert card_fields.numbers(piece(recognizer, "km", says(*number("km"))), "rrn") is None


def test_a_number_whose_beginning_is_not_there_is_not_made_up(recognizer: Recognizer) -> None:
    """Some other column may always be taken for the figures that are missing; one or two are mended."""
    gone = says(*({"-": 0.9, "1": 0.1} for _ in range(3)), *number("225-1607061"))
    assert card_fields.numbers(piece(recognizer, "-225-1607061", gone), "rrn") is None
    torn = says(*number("15"), {"O": 0.7, "1": 0.3}, *number("225-1607061"))
    found = card_fields.numbers(piece(recognizer, "15O225-1607061", torn), "rrn")
    assert found is not None and found[0] == "151225-1607061"


def test_names_by_their_shapes() -> None:
    odd = card_fields._odd
    assert odd("name", "김민수") == 0 < odd("name", "뷁민수")
    assert odd("name", "김민수") < odd("name", "김민쌔") and odd("name", "남궁민수") == 0 < odd("name", "김민수영")


def test_a_sure_field_is_left_alone(recognizer: Recognizer) -> None:
    lp = says(*number("01X5S"))
    f = FieldText("O1X5S", "O1X5S", 0.99, (0,))
    assert card_fields.refined(None, np.zeros((8, 8, 3), np.uint8), "driver", "serial", f,  # type: ignore[arg-type]
                               [piece(recognizer, "O1X5S", lp)]) == f  # fmt: skip
    assert align(lp, "01X5S").text == "01X5S"


def test_what_was_read_surely_is_not_changed(recognizer: Recognizer) -> None:
    """The month 13 was read without a doubt: no other month is made of it. A doubtful one is settled."""
    for sure, value in ((0.99, None), (0.6, "901201-1234567")):
        lp = says(*number("901"), {"3": sure, "2": 1 - sure}, *number("01-1234567"))
        plain = recognizer.word_of(lp, "901301-1234567")
        found = card_fields.numbers(replace(piece(recognizer, "", lp), word=plain), "rrn")
        assert (found[0] if found is not None else None) == value


def test_raw_is_what_was_read(recognizer: Recognizer) -> None:
    """What all looks together say is the value; the first reading stays beside it."""

    class Looks:
        def looks(self, image: object, piece: Piece) -> Said:
            return (*piece.said, (recognizer, says(*number("01X5S"))))

    lp = says({"O": 0.55, "0": 0.45}, *number("1X5S"))
    one = replace(piece(recognizer, "", lp), word=recognizer.word_of(lp, "O1X5S"))
    f = FieldText("O1X5S", "O1X5S", 0.8, (0,))
    found = card_fields.refined(Looks(), np.zeros((8, 8, 3), np.uint8), "driver", "serial", f, [one])  # type: ignore[arg-type]
    assert (found.raw, found.value) == ("O1X5S", "01X5S")


def test_an_office_is_none_of_less_than_what_was_read() -> None:
    """A letter of a syllable may be mended to what is on a list, none that was read surely is left out."""
    sure = [TextCharacter(c, 0.99) for c in "서을특별시종로구"]
    word = TextWord("서을특별시 종로구", 0.99, tuple(sure))
    assert card_fields._keeps(word, "서울특별시 종로구청장", listed=True)
    assert not card_fields._keeps(word, "서울특별시장", listed=True)
    assert not card_fields._keeps(word, "서울특별시 종로구청장")
