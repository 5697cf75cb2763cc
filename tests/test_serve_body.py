"""Forms: what the quick way and the parser make of the same body."""

from __future__ import annotations

import pytest

from edge_ocr.serve.body import Form, parse_form
from edge_ocr.serve.refusal import Refusal

KIND = "multipart/form-data; boundary=b"


def part(content: bytes, *headers: str) -> bytes:
    return "".join(f"{line}\r\n" for line in headers).encode() + b"\r\n" + content


def body(*parts: bytes, end: bytes = b"\r\n") -> bytes:
    return b"".join(b"--b\r\n" + each + b"\r\n" for each in parts) + b"--b--" + end


NAMED = 'Content-Disposition: form-data; name="image"'
FILE = f'{NAMED}; filename="영수증 1.jpg"'
TYPE = "Content-Type: image/jpeg"


@pytest.mark.parametrize(
    ("parts", "want"),
    [
        ([part(b"abc", NAMED)], {"image": [b"abc"]}),
        ([part(b"abc", FILE, TYPE)], {"image": [b"abc"]}),
        ([part(b"abc", TYPE, FILE.replace("C", "c"))], {"image": [b"abc"]}),
        ([part(b"", FILE)], {"image": [b""]}),
        ([part(b"\r\n", FILE)], {"image": [b"\r\n"]}),
        ([part(b"--b\r\n\r\n", FILE)], {"image": [b"--b\r\n\r\n"]}),
        ([part(b"x\r\n--", FILE), part(b"\n--b--", FILE)], {"image": [b"x\r\n--", b"\n--b--"]}),
        ([part(b"1", NAMED), part(b"2", NAMED.replace("image", "other"))], {"image": [b"1"], "other": [b"2"]}),
        ([part(bytes(range(256)) * 300, FILE, TYPE)], {"image": [bytes(range(256)) * 300]}),
        ([part(b"x", NAMED)] * 256, {"image": [b"x"] * 256}),
        # what the quick way leaves to the parser
        ([], {}),
        ([part(b"x\r\n--bb\r\ny", NAMED)], {"image": [b"x\r\n--bb\r\ny"]}),
        ([part(b"x", 'Content-Disposition: form-data; filename="a"; name="image"')], {"image": [b"x"]}),
        ([part(b"x", "Content-Disposition: form-data; name=image")], {"image": [b"x"]}),
        ([part(b"x", NAMED, NAMED.replace("image", "other"))], {"other": [b"x"]}),
        ([part(b"x", NAMED, 'Content-Disposition: form-data; name="a b"')], {"a b": [b"x"]}),
        ([part(b"x", "Content-Disposition:" + NAMED[20:].strip())], {"image": [b"x"]}),
        ([part(b"x", "Content-Type: a/b")], {"": [b"x"]}),
        ([part(b"y\r\n\r\nz")], {"": [b"y\r\n\r\nz"]}),
    ],
)
def test_a_form_is_taken_apart_alike_in_both_ways(parts: list[bytes], want: dict[str, list[bytes]]) -> None:
    # with more behind its end, a body is the parser's
    for end in (b"\r\n", b"", b"\r\nmore"):
        assert parse_form(KIND, body(*parts, end=end)) == Form(want)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"--b\r\n",
        body(part(b"x", NAMED))[:-4],
        body(part(b"x", NAMED)).replace(b"--b--", b"--c--"),
        body(*[part(b"x", NAMED)] * 257),
        body(part(b"x", NAMED, *["A: b"] * 16)),
        body(part(b"x", NAMED, "A: " + "b" * 9000)),
        body(part(b"x", NAMED, "A b: c")),
        body(part(b"x", "A[: b")),
    ],
)
def test_what_is_no_form_is_refused(content: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        parse_form(KIND, content)
    assert refused.value.status == 400
