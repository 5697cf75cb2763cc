"""Patterns against Python's own, searches against every text and every alignment there is."""

from __future__ import annotations

import itertools
import pathlib
import re
import time

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_ocr import constrain
from edge_ocr.constrain import best_path, search, text_log_prob
from edge_ocr.ctc import FINALS, INITIALS, MEDIALS, LogProbs, compose
from edge_ocr.errors import InputError
from edge_ocr.pattern import Pattern


def flat(seed: int, columns: int, charset: str, *, sharp: float = 1.5) -> LogProbs:
    return LogProbs(softmax(np.random.default_rng(seed).normal(0, sharp, (columns, 1 + len(charset)))), charset)


def factorised(seed: int, columns: int, charset: str = "01") -> LogProbs:
    rng = np.random.default_rng(seed)
    sizes = (2 + len(charset), INITIALS, MEDIALS, FINALS)
    symbols, *parts = (softmax(rng.normal(0, 2.5, (columns, n))) for n in sizes)
    return LogProbs(symbols, charset, *parts)


def softmax(x: NDArray[np.float64]) -> NDArray[np.float32]:
    x = x - x.max(1, keepdims=True)
    out: NDArray[np.float32] = (x - np.log(np.exp(x).sum(1, keepdims=True))).astype(np.float32)
    return out


def every_text(lp: LogProbs, alphabet: str) -> tuple[dict[str, float], dict[str, float]]:
    """By walking every path: each text's exact probability, and that of its likeliest path."""
    total: dict[str, float] = {}
    single: dict[str, float] = {}
    rows = {c: lp.of(c).astype(np.float64) for c in alphabet}
    rows[""] = lp.symbols[:, 0].astype(np.float64)
    for path in itertools.product(["", *alphabet], repeat=lp.symbols.shape[0]):
        text = "".join(c for c, _ in itertools.groupby(path))
        score = sum(float(rows[c][t]) for t, c in enumerate(path))
        total[text] = float(np.logaddexp(total.get(text, -np.inf), score))
        single[text] = max(single.get(text, -np.inf), score)
    return total, single


PATTERNS = [
    "a",
    "ab",
    "a?",
    "",
    "a*",
    "(ab)+",
    "a{2}",
    "a{2,3}",
    "a{0,2}b",
    "[ab]{2}",
    "[^a]+",
    ".{3}",
    "a|bc|",
    "(a|b)*c",
    "aa",
    "aba?",
    "(?:a|b){2}",
    "a+b+",
    "(a*b)*",
    "(|a)b",
    "a{2,}",
    "[a-c]*",
    "(ab|a)(bc|c)?",
    "((a)b?){1,2}",
    "[abc][abc]?",
    "c(aa|bb)",
    "a{0}b",
]


@pytest.mark.parametrize("expression", PATTERNS)
def test_a_pattern_means_what_it_means_to_python(expression: str) -> None:
    own, other = Pattern(expression), re.compile(expression)
    for n in range(5):
        for letters in itertools.product("abc", repeat=n):
            text = "".join(letters)
            assert own.matches(text) == (other.fullmatch(text) is not None), text


@pytest.mark.parametrize("expression", PATTERNS)
@pytest.mark.parametrize("seed", [0, 1])
def test_both_searches_find_the_best_there_is(expression: str, seed: int) -> None:
    lp = flat(seed, 5, "abc")
    total, single = every_text(lp, "abc")
    own = Pattern(expression)
    allowed = [t for t in total if own.matches(t)]
    found = search(lp, own, width=5000, top=3)
    path = best_path(lp, own)
    if not allowed:
        assert found == [] and path is None
        return
    assert {t for t, _ in found} == set(allowed)
    for text, score in found:
        assert score == pytest.approx(total[text], abs=1e-5)
    assert found[0][0] == max(allowed, key=lambda t: total[t])
    assert path is not None
    assert path[1] == pytest.approx(max(single[t] for t in allowed), abs=1e-5)
    assert single[path[0]] == pytest.approx(path[1], abs=1e-5)


def test_the_sums_are_those_of_all_paths() -> None:
    lp = flat(7, 5, "abc")
    total, _ = every_text(lp, "abc")
    for text, score in total.items():
        assert text_log_prob(lp, text) == pytest.approx(score, abs=1e-5)
    assert text_log_prob(lp, "aaa") == pytest.approx(total["aaa"], abs=1e-5)
    assert text_log_prob(lp, "aaaa") == -np.inf  # needs a blank between any two


@pytest.mark.parametrize("seed", range(12))
def test_a_narrow_beam_never_returns_what_is_not_allowed(seed: int) -> None:
    lp = flat(seed, 9, "0123456789ab")
    for expression in (r"\d{2}[ab]\d", "[ab]+", r"\d{4}", "(01|10){1,2}"):
        found = search(lp, Pattern(expression), width=2, top=2)
        assert found
        assert all(re.fullmatch(expression, t) for t, _ in found)
        best = best_path(lp, Pattern(expression))
        assert best is not None
        assert found[0][1] >= best[1] - 1e-6  # a sum is at least its greatest term


@pytest.mark.parametrize("seed", range(4))
def test_the_factorised_head_is_searched_as_if_written_out(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constrain, "_FAINT", 1e9)  # nothing is too unlikely to be counted
    lp = factorised(seed, 4)
    alphabet = "01" + "가각나하"
    total, single = every_text(lp, alphabet)
    for expression in ("[가각나하]", "[가각나하][01]", "0?[가각]1?", "[가각나하]{2}"):
        own = Pattern(expression)
        allowed = [t for t in total if own.matches(t)]
        found = search(lp, own, width=5000, top=10)
        assert {t for t, _ in found} == set(allowed)
        assert found[0][1] == pytest.approx(max(total[t] for t in allowed), abs=1e-4)
        path = best_path(lp, own)
        assert path is not None
        assert path[1] == pytest.approx(max(single[t] for t in allowed), abs=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_all_syllables_without_writing_them_out(seed: int) -> None:
    lp = factorised(seed, 3)
    assert lp.initial is not None and lp.medial is not None and lp.final is not None
    # One syllable over three columns: each begins and ends somewhere, and between stands itself.
    every = (
        lp.symbols[:, -1][:, None, None, None]
        + lp.initial[:, :, None, None]
        + lp.medial[:, None, :, None]
        + lp.final[:, None, None, :]
    ).reshape(3, -1)
    blank = lp.symbols[:, 0][:, None]
    spans = [(a, b) for a in range(3) for b in range(a, 3)]
    paths = [sum(every[t] if a <= t <= b else blank[t] for t in range(3)) for a, b in spans]
    best = np.max(np.stack(paths), axis=0)
    k = int(best.argmax())
    text = compose(k // (MEDIALS * FINALS), k // FINALS % MEDIALS, k % FINALS)
    path = best_path(lp, Pattern("[가-힣]"))
    assert path is not None
    assert path[0] == text
    assert path[1] == pytest.approx(float(best[k]), abs=1e-4)
    # A wide class that leaves the best one out takes the next.
    without = Pattern(f"[가-{chr(ord(text) - 1)}{chr(ord(text) + 1)}-힣]")
    other = best_path(lp, without)
    assert other is not None and other[0] != text
    assert other[1] == pytest.approx(float(np.sort(best)[-2]), abs=1e-4)


def test_words_and_only_words() -> None:
    lp = flat(3, 6, "abc")
    total, _ = every_text(lp, "abc")
    words = ["ab", "abc", "cab", "a", "bb"]
    own = Pattern.words(words)
    assert sorted(t for t in total if own.matches(t)) == sorted(words)
    assert {t for t, _ in search(lp, own, width=50)} == set(words)
    assert search(lp, own, width=50)[0][0] == max(words, key=lambda t: total[t])
    assert Pattern.words(["", "a"]).matches("") and not own.matches("")
    assert search(lp, Pattern.words([])) == []


def test_the_plate_pattern_corrects_what_the_eye_mistook() -> None:
    charset = "0123456789가나"
    want = "12가3456"
    scores = np.full((16, 1 + len(charset)), -8.0)
    for i, c in enumerate(want):
        scores[2 * i, 1 + charset.index(c)] = 3
        scores[2 * i + 1, 0] = 3
    scores[14:, 0] = 3
    scores[0, 1 + charset.index("나")] = 4  # the first figure looks more like a letter
    lp = LogProbs(softmax(scores), charset)
    (text, _), *_ = search(lp, Pattern(r"\d{2,3}[가-힣]\d{4}"))
    assert text == want


def test_the_reader_reads_what_is_allowed_and_says_what_it_saw(tmp_path: pathlib.Path) -> None:
    pytest.importorskip("onnxruntime")
    from tiny import make_models

    from edge_ocr import OCR, TextWord

    ocr = OCR(threads=1, models_dir=make_models(tmp_path))
    crop = np.zeros((32, 64, 3), np.uint8)
    (word,) = ocr.recognize([crop], pattern="[가-힣]{2}")
    assert (word.text, word.plain, word.language) == ("한글", "한글 A", "ko")
    assert [c.text for c in word.characters] == ["한", "글"]
    assert TextWord.from_dict(word.to_dict()).plain == word.plain
    (word,) = ocr.recognize([crop], pattern="A[B1]")
    assert (word.text, word.plain, word.language) == ("AB", "AB", "en")  # the surer of both recognizers
    (word,) = ocr.recognize([crop], pattern=Pattern.words(["글", "1"]))
    assert (word.text, word.plain) == ("글", "한글 A")
    (word,) = ocr.recognize([crop], pattern="[AB]{99}")
    assert (word.text, word.confidence) == ("", 0.0)
    (word,) = ocr.recognize([crop])
    assert word.plain is None and "plain" not in word.to_dict()
    with pytest.raises(InputError, match="not closed"):
        ocr.recognize([crop], pattern="(")


def test_nothing_to_read() -> None:
    empty = LogProbs(np.zeros((0, 4), np.float32), "abc")
    assert search(empty, Pattern("a*")) == [("", 0.0)]
    assert search(empty, Pattern("a")) == [] and best_path(empty, Pattern("a")) is None
    lp = flat(0, 4, "abc")
    assert search(lp, Pattern("x")) == [] and best_path(lp, Pattern("x+")) is None  # the charset has no x
    assert search(lp, Pattern("a{9}")) == []  # four columns cannot hold nine characters


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("(a", "not closed"),
        ("a)", "closes nothing"),
        ("[a", "not closed"),
        ("*a", "nothing to repeat"),
        ("a**", "repetition of a repetition"),
        ("a{3,2}", "from 3 to 2"),
        ("a{", "begins no repetition"),
        ("[z-a]", "backwards"),
        (r"\b", "not understood"),
        (r"(a)\1", "not understood"),
        ("(?=a)", "no look-around"),
        ("(?i)a", "no look-around"),
        ("a\\", "at the end"),
        ("a$b", "end of the pattern"),
        ("a{9999999}", "six figures"),
        ("[\\d-z]", "range of classes"),
    ],
)
def test_what_is_not_understood_is_said(expression: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Pattern(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "(((((a{99}){99}){99}){99}){99})",
        "(a?){3000}",
        "(a|b|c|d|e){20000}",
        "(" * 200 + "a" + ")" * 200,
        "a" * 30_000,
        "((((((((|){99}){99}){99}){99}){99}){99}){99})",
        "(a*)*" * 3000,
        "[가-힣]{20000}" * 3,
        "(.?.?.?.?){900}",
    ],
)
def test_hostile_patterns_are_refused_soon(expression: str) -> None:
    start = time.process_time()
    with pytest.raises(InputError):
        Pattern(expression)
    assert time.process_time() - start < 5


def test_patterns_that_would_grow_as_an_automaton_do_not() -> None:
    """Its deterministic automaton has a million states; only those that are met are made."""
    lp = flat(5, 40, "ab")
    own = Pattern("(a|b)*a(a|b){19}")
    start = time.process_time()
    found = search(lp, own)
    assert found and all(own.matches(t) for t, _ in found)
    assert time.process_time() - start < 5


def test_too_much_for_one_crop_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constrain, "MAX_WORK", 1000)
    with pytest.raises(InputError, match="more work"):
        search(flat(0, 50, "0123456789"), Pattern(r"\d{4}"))


def test_errors_of_use() -> None:
    with pytest.raises(InputError, match="regular expression"):
        Pattern(5)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="found one string"):
        Pattern.words("abc")
    with pytest.raises(InputError, match="1 or more"):
        search(flat(0, 3, "abc"), Pattern("a"), width=0)
