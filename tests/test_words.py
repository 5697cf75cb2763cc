"""Lists of words, and the doubts of one letter that they settle."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from edge_ocr import OCR
from edge_ocr.ctc import LogProbs
from edge_ocr.errors import ModelError
from edge_ocr.models import find_recognizer
from edge_ocr.recognize import align
from edge_ocr.words import WordList, candidates, mended, pack, unpack, word_list
from export.words import gather

LETTERS = "abcdefghijklmnopqrstuvwxyz"
CHARSET = LETTERS + LETTERS.upper() + " .1!"
WORDS = WordList(frozenset({"amount", "summary", "total", "modern", "email"}), least=4, odds=3.0)


def lattice(text: str, doubts: dict[int, tuple[str, float]] | None = None, charset: str = CHARSET) -> LogProbs:
    """Two columns a character, the second one blank; at places of ``doubts`` another character, by so many logarithms
    less likely than what is read."""
    probs = np.full((2 * len(text), len(charset) + 1), 1e-7)
    for i, c in enumerate(text):
        probs[2 * i, charset.index(c) + 1] = 1.0
        probs[2 * i + 1, 0] = 1.0
        other, less = (doubts or {}).get(i, ("", 0.0))
        if less:
            probs[2 * i, charset.index(other) + 1 if other else 0] = np.exp(-less)
    return LogProbs(np.log(probs / probs.sum(1, keepdims=True)).astype(np.float32), charset)


def mend(text: str, doubts: dict[int, tuple[str, float]] | None = None) -> str:
    return mended(lattice(text, doubts), text, WORDS, lambda lp, read: align(lp, read).columns)


def test_a_doubtful_letter_becomes_that_of_the_word() -> None:
    assert mend("Anount", {1: ("m", 2.0)}) == "Amount"
    assert mend("the AN0UNT".replace("0", "O"), {5: ("M", 2.0)}) == "the AMOUNT"
    assert mend("emai!", {4: ("l", 1.0)}) == "email"
    assert mend("Total. totul", {10: ("a", 2.0)}) == "Total. total"


def test_what_was_clearly_read_stays() -> None:
    assert mend("Anount", {1: ("m", 4.0)}) == "Anount"
    assert mend("Anount") == "Anount"


def test_letters_too_many_and_too_few() -> None:
    assert mend("Summmary", {3: ("", 1.0)}) == "Summary"
    faint = lattice("Amont.", {3: ("u", 0.0)})
    assert mended(faint, "Amont.", WORDS, lambda lp, read: align(lp, read).columns) == "Amont."
    room = lattice("Amo nt").symbols.copy()  # where the blank is nearly a u
    room[6] = np.log(1e-7)
    room[6, 0], room[6, CHARSET.index("u") + 1] = np.log(0.7), np.log(0.3)
    lp = LogProbs(room, CHARSET)
    assert mended(lp, "Amont", WORDS, lambda lp, read: align(lp, read).columns) == "Amount"


def test_words_of_other_lengths_leave_those_behind_them_in_their_places() -> None:
    assert mend("Summmary totul", {3: ("", 1.0), 12: ("a", 2.0)}) == "Summary total"
    rn = lattice("Modem totul", {9: ("a", 2.0)})
    rn.symbols[8, CHARSET.index("r") + 1] = rn.symbols[8, CHARSET.index("m") + 1] - 0.1
    rn.symbols[9, CHARSET.index("n") + 1] = rn.symbols[9, 0] - 0.1
    assert mended(rn, "Modem totul", WORDS, lambda lp, read: align(lp, read).columns) == "Modern total"


def test_candidates_are_words_one_letter_away_in_the_tokens_case() -> None:
    assert candidates("TOTA1", WORDS) == ["TOTAL"]
    assert candidates("Modem", WORDS) == ["Modern"]  # rn looks like m
    assert candidates("Toto", WORDS) == []
    for known in ("total", "TOTALS", "Emails"):  # as they are, and in the plural
        assert candidates(known, WORDS) == []
    for other in ("tot", "2018", "t0ta1", "amounting"):
        assert candidates(other, WORDS) == []


def test_work_is_bounded_for_any_text() -> None:
    """Thousands of tokens that all look like words: only the first are asked about."""
    words = WordList(frozenset(c + "otal" for c in LETTERS), least=4, odds=3.0)
    text = " ".join(["1otal"] * 40)
    lp = lattice(text, {6 * k: ("t", 1.0) for k in range(40)})
    out = mended(lp, text, words, lambda lp, read: align(lp, read).columns)
    assert out.split(" ")[0] == "total" and out.split(" ")[-1] == "1otal" and len(out) == len(text)


def test_packed_lists_come_back_and_bad_ones_are_refused() -> None:
    assert unpack(pack({"glass", "glasses", "cat", "cats"})) == {"glass", "glasses", "cat"}
    assert "cats" in WordList(unpack(pack({"cat", "cats"})), 4, 3)
    content = pack({"glass", "cat"})
    for bad in (b"", b"no list", content[:-3], zlib.compress("été".encode()), zlib.compress(b"a" * (5 << 20))):
        with pytest.raises(ModelError, match="export the model again"):
            unpack(bad)


def test_lists_are_gathered_by_spelling_and_size(tmp_path: Path) -> None:
    for spelling in ("english", "american", "british"):
        for size in (10, 20, 35):
            words = ["total", "Paris", "it's", "cat", spelling] if size == 10 else []
            (tmp_path / f"{spelling}-words-{size}.json").write_text(json.dumps(words))
    assert gather(tmp_path) == {"total", "english", "american", "british"}
    (tmp_path / "british-words-35.json").unlink()
    with pytest.raises(FileNotFoundError, match="british-words-35"):
        gather(tmp_path)


def test_the_english_recognizer_ships_a_list_that_it_uses_unless_told_otherwise() -> None:
    words = word_list(find_recognizer("en"))
    assert words is not None
    assert all(w in words for w in ("amount", "receipts", "summary")) and "anount" not in words
    assert candidates("Anount", words) == ["Amount", "Anoint"]
    assert word_list(find_recognizer("ko")) is None
    for ocr, expected in ((OCR(["en"], threads=1), True), (OCR(["en"], threads=1, words=False), False)):
        (recognizer,) = ocr._get_recognizers()
        assert (recognizer.words is not None) == expected
