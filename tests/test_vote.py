"""Voting: cases worked out by hand, and what must hold for all of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edge_ocr.types import TextCharacter, TextWord
from edge_ocr.vote import Consensus, Vote, Votes, consensus


def word(text: str, confidence: float | list[float] = 0.9, language: str = "ko") -> TextWord:
    each = confidence if isinstance(confidence, list) else [confidence] * len(text)
    assert len(each) == len(text)
    mean = float(np.exp(np.mean(np.log(each)))) if each else 0.0
    characters = tuple(TextCharacter(c, p) for c, p in zip(text, each, strict=True))
    return TextWord(text, mean, characters, language=language)


def vote(*votes: tuple[TextWord, float]) -> Consensus:
    return consensus([Vote(w, weight) for w, weight in votes])


def confidences(found: Consensus) -> list[float]:
    return [c.confidence for c in found.characters]


def test_one_reading_is_its_own_consensus() -> None:
    found = vote((word("12가3456", [0.9, 0.8, 0.7, 0.99, 0.5, 0.6, 0.95]), 0.3))
    assert found.text == "12가3456"
    assert confidences(found) == pytest.approx([0.9, 0.8, 0.7, 0.99, 0.5, 0.6, 0.95])
    assert found.confidence == pytest.approx(np.exp(np.mean(np.log([0.9, 0.8, 0.7, 0.99, 0.5, 0.6, 0.95]))))
    assert (found.agreeing, found.readings, found.language) == (1, 1, "ko")
    assert found.weakest == pytest.approx(0.5)


def test_nothing_read() -> None:
    assert consensus(()) == Consensus("", 0.0, (), "", 0, 0)
    assert vote((word(""), 1.0)).text == ""
    assert vote((word(""), 1.0)).weakest == 0


def test_majority_of_equal_frames() -> None:
    # the last column: 6 has 0.9 + 0.9, 8 has 0.95; shares of a weight of 3
    found = vote((word("3456"), 1), (word("3458", [0.9, 0.9, 0.9, 0.95]), 1), (word("3456"), 1))
    assert found.text == "3456"
    assert confidences(found) == pytest.approx([0.9, 0.9, 0.9, 1.8 / 3])
    assert (found.agreeing, found.readings) == (2, 3)


def test_a_sharp_frame_outvotes_two_blurred_ones() -> None:
    # 6: 2.5 x 0.9 = 2.25; 8: 2 x 1 x 0.9 = 1.8; of a weight of 4.5
    found = vote((word("8", 0.9), 1), (word("8", 0.9), 1), (word("6", 0.9), 2.5))
    assert found.text == "6"
    assert found.confidence == pytest.approx(2.25 / 4.5)
    assert vote((word("8", 0.9), 1), (word("8", 0.9), 1), (word("6", 0.9), 1.9)).text == "8"


def test_a_sure_character_outvotes_two_unsure_ones() -> None:
    assert vote((word("0", 0.3), 1), (word("0", 0.35), 1), (word("O", 0.8), 1)).text == "O"


def test_a_missing_letter_is_brought_back() -> None:
    # L: 0.9 + 0.9; none there: the word's 0.9
    found = vote((word("HELO"), 1), (word("HELLO"), 1), (word("HELLO"), 1))
    assert found.text == "HELLO"
    assert sorted(confidences(found)) == pytest.approx([0.6, 0.9, 0.9, 0.9, 0.9])


def test_a_letter_too_many_is_dropped() -> None:
    # x: 0.4; none there: 0.9 + 0.9
    found = vote((word("ABC"), 1), (word("AxBC", [0.9, 0.4, 0.9, 0.9]), 1), (word("ABC"), 1))
    assert (found.text, found.agreeing) == ("ABC", 2)


def test_a_letter_that_only_the_strongest_reading_has_can_lose() -> None:
    # 1: 1.2 x 0.95 = 1.14; none there: 0.8 + 0.8
    found = vote((word("1AB", 0.95), 1.2), (word("AB", 0.8), 1), (word("AB", 0.8), 1))
    assert found.text == "AB"


def test_lost_spaces() -> None:
    assert vote((word("서울시청"), 1), (word("서울 시청"), 1), (word("서울 시청"), 1)).text == "서울 시청"


def test_right_though_no_reading_is() -> None:
    found = vote((word("1934"), 1), (word("1284"), 1), (word("7234"), 1), (word("1237"), 1))
    assert found.text == "1234"
    assert (found.agreeing, found.readings) == (0, 4)


def test_pieces_of_a_word_that_the_frame_cut() -> None:
    votes = (word("SEOUL STA", 0.9), 1.0), (word("UL STATION", 0.9), 1.0), (word("SEOUL STATION", 0.9), 1.0)
    assert vote(*votes).text == "SEOUL STATION"


def test_empty_readings_count_as_doubt() -> None:
    # a reading of nothing has no confidence: it casts no vote, but its weight makes the others less sure
    found = vote((word("A", 0.9), 1), (word(""), 1))
    assert found.text == "A"
    assert found.confidence == pytest.approx(0.45)


def test_the_order_of_readings_does_not_matter() -> None:
    rng = np.random.default_rng(5)
    texts = ["37더1234", "37다1234", "7더123", "37더12394", "31더1234"]
    votes = [Vote(word(t, rng.uniform(0.4, 0.99, len(t)).tolist()), float(rng.uniform(0.2, 1))) for t in texts]
    results = {consensus(order) for order in itertools.permutations(votes)}
    assert len(results) == 1
    assert results.pop().text == "37더1234"


def test_random_mistakes_are_outvoted() -> None:
    """Readings with a tenth of their characters wrong, left out or added, unsurely: most single ones are wrong, nearly
    every vote of nine is right."""
    rng = np.random.default_rng(0)
    alphabet = "가나다라마바사아자차0123456789"
    single = voted = 0
    for _ in range(60):
        truth = "".join(rng.choice(list(alphabet), 7))
        votes = []
        for _ in range(9):
            pairs: list[tuple[str, float]] = []
            for c in truth:
                sure = float(rng.uniform(0.7, 1.0))
                kind = rng.random()
                if kind < 0.06:
                    pairs.append((str(rng.choice(list(alphabet))), float(rng.uniform(0.3, 0.8))))
                elif kind < 0.08:
                    continue
                elif kind < 0.10:
                    pairs += [(c, sure), (str(rng.choice(list(alphabet))), float(rng.uniform(0.3, 0.8)))]
                else:
                    pairs.append((c, sure))
            read = word("".join(c for c, _ in pairs), [p for _, p in pairs])
            votes.append(Vote(read, float(rng.uniform(0.3, 1.0))))
            single += read.text == truth
        voted += consensus(votes).text == truth
    assert single < 0.62 * 540
    assert voted >= 59


def test_votes_keep_the_strongest_and_stay_bounded() -> None:
    votes = Votes()
    for _ in range(12):
        votes.add(word("RIGHT"), 1.0)
    for k in range(100):
        votes.add(word(f"WRONG{k}", 0.5), 0.1)
    assert votes.result.text == "RIGHT"
    assert votes.result.readings == 12
    assert votes.result.confidence == pytest.approx(0.9)


def test_a_text_that_changes_starts_anew() -> None:
    votes = Votes()
    for _ in range(8):
        votes.add(word("12:59"), 1.0)
    assert votes.add(word("13:00"), 1.0).text == "12:59"
    assert votes.add(word("13:00"), 1.0).text == "12:59"
    assert votes.add(word("13:00"), 1.0).text == "13:00"
    assert votes.result.readings == 3


def test_blurred_misreadings_are_no_change() -> None:
    votes = Votes()
    for _ in range(4):
        votes.add(word("OPEN"), 1.0)
    for _ in range(3):
        votes.add(word("0PEM", 0.8), 0.3)
    assert votes.result.text == "OPEN"
    assert votes.result.readings == 7
