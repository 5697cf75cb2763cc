"""CTC decoding against sums over every alignment, and the factorised head against its expanded product."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from edge_ocr.ctc import FINALS, INITIALS, MEDIALS, LogProbs, Switches, beam, compose, decompose, greedy, greedy_all
from edge_ocr.errors import InputError


def log_softmax(x: np.ndarray) -> np.ndarray:
    x = x - x.max(-1, keepdims=True)
    return (x - np.log(np.exp(x).sum(-1, keepdims=True))).astype(np.float32)


def flat(rng: np.random.Generator, columns: int, charset: str) -> LogProbs:
    return LogProbs(log_softmax(rng.normal(0, 1.5, (columns, len(charset) + 1))), charset)


def factorised(rng: np.random.Generator, columns: int, charset: str) -> LogProbs:
    def head(n: int, sharp: float) -> np.ndarray:
        return log_softmax(rng.normal(0, sharp, (columns, n)))

    return LogProbs(head(len(charset) + 2, 1.0), charset, head(INITIALS, 4), head(MEDIALS, 4), head(FINALS, 4))


def collapse(path: tuple[str, ...]) -> str:
    return "".join(c for c, before in zip(path, ("", *path), strict=False) if c and c != before)


def every_alignment(lp: LogProbs) -> dict[str, float]:
    """Text -> probability, by walking each of the (K + 1)^T paths."""
    total: dict[str, float] = {}
    symbols = ["", *lp.charset]
    columns = np.stack([lp.symbols[:, 0]] + [lp.of(c) for c in lp.charset], 1)
    for path in itertools.product(range(len(symbols)), repeat=columns.shape[0]):
        p = float(np.exp(sum(columns[t, k] for t, k in enumerate(path))))
        text = collapse(tuple(symbols[k] for k in path))
        total[text] = total.get(text, 0.0) + p
    return total


@pytest.mark.parametrize("seed", range(6))
def test_beam_sums_what_brute_force_sums(seed: int) -> None:
    lp = flat(np.random.default_rng(seed), 5, "ab ")
    truth = every_alignment(lp)
    assert sum(truth.values()) == pytest.approx(1, abs=1e-5)
    found = beam(lp, width=10_000, top=3, floor=-np.inf)
    assert {t for t, _ in found} == set(truth)
    for text, log_p in found:
        assert np.exp(log_p) == pytest.approx(truth[text], rel=1e-4)
    assert found[0][0] == max(truth, key=lambda t: truth[t])


def test_beam_finds_what_greedy_misses() -> None:
    # Two columns, blank 0.4, a 0.35, b 0.25: the best path is blank-blank, yet "a" has more alignments.
    p = np.log(np.array([[0.4, 0.35, 0.25]] * 2, np.float32))
    lp = LogProbs(p, "ab")
    assert greedy(lp).text == ""
    text, log_p = beam(lp, width=8)[0]
    assert text == "a"
    assert np.exp(log_p) == pytest.approx(0.35**2 + 2 * 0.35 * 0.4, rel=1e-5)


def test_greedy_by_hand() -> None:
    def column(best: int, p: float) -> list[float]:
        rest = (1 - p) / 3
        return [p if k == best else rest for k in range(4)]

    rows = [column(1, 0.9), column(1, 0.7), column(0, 0.8), column(1, 0.6), column(3, 0.95), column(2, 0.5)]
    read = greedy(LogProbs(np.log(np.array(rows, np.float32)), "xyz"))
    assert read.text == "xxzy"
    assert read.confidences == pytest.approx((0.9, 0.6, 0.95, 0.5), rel=1e-5)
    assert read.columns == ((0, 1), (3, 3), (4, 4), (5, 5))


def test_a_space_that_loses_to_the_blank_is_written_from_its_threshold_on() -> None:
    # a, blank with 0.2 of a space, b, blank with 0.3 of a space at the end.
    p = np.array([[0.1, 0.85, 0.04, 0.01], [0.78, 0.01, 0.01, 0.2], [0.1, 0.04, 0.85, 0.01], [0.68, 0.01, 0.01, 0.3]])
    lp = LogProbs(np.log(p).astype(np.float32), "ab ")
    assert greedy(lp).text == "ab"
    assert greedy(lp, space=0.21).text == "ab"
    read = greedy(lp, space=0.19)
    assert read.text == "a b"  # none at the end: nothing follows
    assert read.confidences == pytest.approx((0.85, 0.2, 0.85), rel=1e-4)
    assert read.columns == ((0, 0), (1, 1), (2, 2))
    # Characters that touch leave no column for a space, and one that is there is not doubled.
    assert greedy(LogProbs(np.log(p[[0, 2]]).astype(np.float32), "ab "), space=0.005).text == "ab"
    sure = np.array([p[0], [0.2, 0.01, 0.01, 0.78], p[1], p[2]])
    assert greedy(LogProbs(np.log(sure).astype(np.float32), "ab "), space=0.1).text == "a b"


def test_no_columns_read_nothing() -> None:
    assert greedy(LogProbs(np.zeros((0, 3), np.float32), "ab")).text == ""
    assert beam(LogProbs(np.zeros((0, 3), np.float32), "ab"), width=3) == [("", 0.0)]


@pytest.mark.parametrize("make", [flat, factorised])
def test_crops_in_company_read_as_they_do_alone(make: Callable[[np.random.Generator, int, str], LogProbs]) -> None:
    rng = np.random.default_rng(5)
    lps = [make(rng, columns, "aA0 ") for columns in (0, 7, 1, 0, 30, 12, 0)]
    found = greedy_all(lps, space=0.15, switches=SWITCHES)
    assert found == [greedy(lp, space=0.15, switches=SWITCHES) for lp in lps]
    assert sum(len(read.text) for read in found) > 20
    # what one crop ends with and the next begins with are two letters
    same = LogProbs(np.log(np.array([[0.1, 0.8, 0.1]] * 2, np.float32)), "ab")
    assert [(read.text, read.columns) for read in greedy_all([same, same])] == [("a", ((0, 1),))] * 2
    assert greedy_all([]) == []


def test_every_syllable_goes_there_and_back() -> None:
    for code in range(0xAC00, 0xD7A4):
        assert compose(*decompose(chr(code))) == chr(code)
    assert decompose("가") == (0, 0, 0)
    assert decompose("힣") == (18, 20, 27)
    assert decompose("밟") == (7, 0, 11)
    for c in ("A", "ㄱ", "\ud7a4", "꯿"):
        with pytest.raises(InputError):
            decompose(c)


def test_factorised_is_its_expanded_product() -> None:
    rng = np.random.default_rng(3)
    lp = factorised(rng, 4, "a.")
    assert lp.initial is not None and lp.medial is not None and lp.final is not None
    expanded = (
        lp.symbols[:, -1, None, None, None]
        + lp.initial[:, :, None, None]
        + lp.medial[:, None, :, None]
        + lp.final[:, None, None, :]
    ).reshape(4, -1)
    for k in rng.integers(0, expanded.shape[1], 200):
        assert lp.of(chr(0xAC00 + int(k))) == pytest.approx(expanded[:, k], abs=1e-5)
    # Plain symbols and all syllables together have probability one in every column.
    total = np.exp(lp.symbols[:, :-1]).sum(1) + np.exp(expanded).sum(1)
    assert total == pytest.approx(np.ones(4), abs=1e-4)


def test_factorised_beam_is_the_flat_beam_over_the_expansion() -> None:
    rng = np.random.default_rng(5)
    lp = factorised(rng, 4, "a.")
    assert lp.initial is not None and lp.medial is not None and lp.final is not None
    expanded = (
        lp.symbols[:, -1, None, None, None]
        + lp.initial[:, :, None, None]
        + lp.medial[:, None, :, None]
        + lp.final[:, None, None, :]
    ).reshape(4, -1)
    charset = "a." + "".join(chr(c) for c in range(0xAC00, 0xD7A4))
    whole = LogProbs(np.concatenate([lp.symbols[:, :-1], expanded], 1), charset)
    a = beam(lp, width=6, top=5)
    b = beam(whole, width=6, top=5)
    assert [t for t, _ in a] == [t for t, _ in b]
    assert [p for _, p in a] == pytest.approx([p for _, p in b], abs=1e-4)


def test_greedy_composes_the_best_parts() -> None:
    columns = 3
    symbols = np.full((columns, 3), -10, np.float32)
    symbols[0, 2] = symbols[2, 2] = symbols[1, 0] = 0  # HANGUL, blank, HANGUL
    parts = [np.full((columns, n), -9, np.float32) for n in (INITIALS, MEDIALS, FINALS)]
    for t, syllable in ((0, "윤"), (2, "곽")):
        for head, k in zip(parts, decompose(syllable), strict=True):
            head[t, k] = -0.01
    read = greedy(LogProbs(symbols, "a", *parts))
    assert read.text == "윤곽"
    assert read.confidences == pytest.approx((np.exp(-0.03),) * 2, rel=1e-4)


@pytest.mark.parametrize("columns", [2, 4])
def test_a_charset_that_does_not_fit_is_refused(columns: int) -> None:
    with pytest.raises(InputError, match="charset"):
        LogProbs(np.zeros((5, columns), np.float32), "ab")


def test_unknown_symbol_and_bad_beam() -> None:
    lp = flat(np.random.default_rng(0), 3, "ab")
    with pytest.raises(InputError, match="'z'"):
        lp.of("z")
    with pytest.raises(InputError):
        beam(lp, width=0)


def spelled(rows: list[dict[str, float]], charset: str) -> LogProbs:
    """A column for each character, as likely as given, the rest of the probability blank, with a blank after each."""
    p = np.full((2 * len(rows), len(charset) + 1), 1e-6)
    p[1::2, 0] = 1
    for t, row in enumerate(rows):
        p[2 * t, 0] = 1 - sum(row.values())
        for c, value in row.items():
            p[2 * t, 1 + charset.index(c)] = value
    return LogProbs(np.log(p / p.sum(1, keepdims=True)).astype(np.float32), charset)


SWITCHES = Switches(digit=1.5, case=1.0, script=1.0)


@pytest.mark.parametrize(
    ("rows", "plain", "settled"),
    [
        ([{"T": 0.9}, {"0": 0.5, "O": 0.4}, {"T": 0.9}], "T0T", "TOT"),  # a digit amid letters
        ([{"1": 0.9}, {"O": 0.5, "0": 0.4}, {"0": 0.9}], "1O0", "100"),  # a letter amid digits
        ([{"T": 0.9}, {"0": 0.9, "O": 0.02}, {"T": 0.9}], "T0T", "T0T"),  # where it is sure, it stays
        ([{"T": 0.9}, {"0": 0.5, "O": 0.4}, {"-": 0.9}, {"0": 0.9}], "T0-0", "TO-0"),  # a mark parts two words
        ([{"S": 0.5, "s": 0.4}, {"o": 0.9}, {"S": 0.5, "s": 0.4}], "SoS", "Sos"),  # but a capital may lead
        ([{"s": 0.5, "S": 0.4}, {"T": 0.9}, {"O": 0.9}], "sTO", "STO"),
    ],
)
def test_neighbours_tell_look_alikes_apart(rows: list[dict[str, float]], plain: str, settled: str) -> None:
    lp = spelled(rows, "TOo0s1S-")
    assert greedy(lp).text == plain
    assert greedy(lp, switches=Switches(digit=0, case=0, script=0)).text == plain
    read = greedy(lp, switches=SWITCHES)
    assert read.text == settled
    assert read.columns == greedy(lp).columns
    assert read.confidences == pytest.approx([row[c] for row, c in zip(rows, settled, strict=True)], rel=1e-3)
    lost = sum(np.log(row[a] / row[b]) for row, a, b in zip(rows, plain, settled, strict=True))
    assert read.log_prob == pytest.approx(greedy(lp).log_prob - lost, abs=1e-3)


@pytest.mark.parametrize("seed", range(8))
def test_settled_text_is_the_best_of_all_exchanges(seed: int) -> None:
    rng = np.random.default_rng(seed)
    charset = "aA0"
    rows = [dict(zip(charset, rng.dirichlet([1, 1, 1]) * 0.95, strict=True)) for _ in range(5)]

    def price(text: str) -> float:
        kinds = ["digit" if c == "0" else "upper" if c == "A" else "lower" for c in text]
        cost = sum(np.log(max(row[c], 1e-9)) for row, c in zip(rows, text, strict=True))
        for i, (a, b) in enumerate(itertools.pairwise(kinds)):
            if a != b:
                free = i == 0 and (a, b) == ("upper", "lower")
                cost -= SWITCHES.digit if "digit" in (a, b) else 0.0 if free else SWITCHES.case
        return float(cost)

    every = ["".join(t) for t in itertools.product(charset, repeat=len(rows))]
    assert greedy(spelled(rows, charset), switches=SWITCHES).text == max(every, key=price)


def test_hangul_beside_a_letter_that_may_be_a_digit() -> None:
    # "1시" with a digit that looks like a lower-case l: a digit goes with Hangul, a Latin letter hardly.
    charset = "1l"
    symbols = np.log(np.array([[0.05, 0.4, 0.5, 0.05], [0.9, 0.03, 0.03, 0.04], [0.02, 0.02, 0.02, 0.94]], np.float32))
    parts = {}
    for name, size, best in zip(("initial", "medial", "final"), (19, 21, 28), decompose("시"), strict=True):
        parts[name] = np.full((3, size), -9, np.float32)
        parts[name][:, best] = -0.01
    lp = LogProbs(symbols, charset, **parts)
    assert greedy(lp).text == "l시"
    assert greedy(lp, switches=SWITCHES).text == "1시"
