"""Patterns that cannot be what was meant are refused: by their form, and by what the models can write."""

from __future__ import annotations

import pytest

from edge_ocr.errors import InputError
from edge_ocr.pattern import Pattern, check_writable


@pytest.mark.parametrize("expression", ["[[:alpha:]]", "[[:digit:]]+", "[a[:^space:]]", "[:alpha:]", "[^[:upper:]0-9]"])
def test_named_classes_are_refused(expression: str) -> None:
    with pytest.raises(InputError, match=r"is not understood; write the characters"):
        Pattern(expression)


def test_what_only_looks_like_a_named_class() -> None:
    for expression, text in (("[:a-z]+", "a:"), ("[[:]", "["), (r"[\[:alpha:]", "["), ("[[:x:]]", "x]")):
        assert Pattern(expression).matches(text), expression


@pytest.mark.parametrize(
    ("expression", "missing"),
    [("漢", "'漢'"), ("hello\n", r"'\n'"), ("hel漢o|漢{2}", "'漢'"), ("[漢-漿]+", "'漢' to '漿'"), ("a*漢", "'漢'"),
     ("(漢|字)a", "'字', '漢'"), ("[㐀㐂㐄㐆㐈㐊]", "'㐈' and others")],
)  # fmt: skip
def test_what_no_model_can_write_is_named(expression: str, missing: str) -> None:
    charsets = [("abcdefghijklmnopqrstuvwxyz", False), ("0123456789", True)]
    with pytest.raises(InputError, match="can write ") as told:
        check_writable(Pattern(expression), charsets)
    assert missing in str(told.value)


def test_what_one_model_can_write() -> None:
    charsets = [("abc", False), ("012", True)]
    for expression in ("", "漢?", "漢|a", "[漢a]", ".", "[^0]", "가0", "a+", "[가-힣]{2}[0-9]", "(a漢)*b", "a{0}"):
        check_writable(Pattern(expression), charsets)
    check_writable(Pattern("漢"), [])
    check_writable(Pattern.words(["漢", "abc"]), charsets)


def test_parts_of_several_models_make_no_text() -> None:
    with pytest.raises(InputError, match="can write '0'"):
        check_writable(Pattern("a0"), [("abc", False), ("012", True)])
    with pytest.raises(InputError, match="no text at all"):
        check_writable(Pattern.words([]), [("abc", False)])
