"""Where results go: the formats of ``edge-ocr read``, to standard output, into one file, or a file for each picture."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from edge_ocr.errors import InputError
from edge_ocr.types import Reading

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["FORMATS", "add_arguments", "output"]

FORMATS = {"text": "txt", "json": "json", "jsonl": "jsonl", "hocr": "hocr", "alto": "xml", "pdf": "pdf"}
_LOSSY = (".jpe", ".jpeg", ".jpg", ".webp", "")  # pictures that may go into a PDF as JPEG: they have lost already

_Put = Callable[[str, dict[str, Any], str, Any], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``read`` may write, and where to."""
    parser.add_argument("--format", choices=tuple(FORMATS), default=None, metavar="F",
                        help="text (default); jsonl: what --json prints; json: the same as one array; hocr: hOCR 1.2; "
                             "alto: ALTO 4.3 XML; pdf: the pictures with text that can be searched and copied "
                             "(needs the extra [pdf])")
    parser.add_argument("--out", metavar="PATH", default=None,
                        help="write here rather than to standard output: one file with all pictures or, where PATH is "
                             "a folder or ends in /, a file for each, PATH/<name>.<ending>. What was there is replaced "
                             "when the new file is whole")
    parser.add_argument("--dpi", type=_dpi, default=300.0, metavar="N",
                        help="with pdf: how many pixels are an inch of paper (default: 300)")


@contextlib.contextmanager
def output(options: argparse.Namespace, count: int) -> Iterator[_Put]:
    """``put(name, result, text, image)`` for each of ``count`` pictures: ``result`` as ``--json`` prints it, with
    "error" where nothing could be read, ``image`` uint8 ``[H, W, 3]`` RGB or None. Files appear when they are whole.

    Raises InputError for a format that cannot go where it should."""
    form, out = _form(options), getattr(options, "out", None)
    dpi = getattr(options, "dpi", 300.0)
    if out is None:
        if form == "pdf" and sys.stdout.isatty():
            raise InputError("a PDF is nothing to show on a terminal: give --out FILE.pdf, or > FILE.pdf")
        _check_alto(form, count)
        with _sink(form, count, dpi, sys.stdout.write, _standard_output) as put:
            yield put
    elif out.endswith(("/", os.sep)) or os.path.isdir(out):
        _make_folder(out)
        counts: dict[str, int] = {}

        def put_file(name: str, result: dict[str, Any], text: str, image: Any) -> None:
            stem = "stdin" if name == "-" else Path(name).stem
            counts[stem] = counts.get(stem, 0) + 1  # pictures of one name in several folders get a number
            ending = FORMATS[form] if counts[stem] == 1 else f"{counts[stem]}.{FORMATS[form]}"
            if "error" not in result:
                with _file(Path(out) / f"{stem}.{ending}") as stream, _file_sink(form, 1, dpi, stream) as put:
                    put(name, result, text, image)

        yield put_file
    else:
        _check_alto(form, count)
        with _file(Path(out)) as stream, _file_sink(form, count, dpi, stream) as put:
            yield put


def _form(options: argparse.Namespace) -> str:
    form: str | None = getattr(options, "format", None)
    if options.json and form not in (None, "jsonl"):
        raise InputError(f"--json is --format jsonl, but --format {form} was asked for too: leave one out")
    return form or ("jsonl" if options.json else "text")


def _check_alto(form: str, count: int) -> None:
    if form == "alto" and count > 1:
        raise InputError("an ALTO file describes one page: give --out FOLDER/ for a file for each picture")


# --- sinks ---------------------------------------------------------------------------------------------------------


def _file_sink(form: str, count: int, dpi: float, stream: BinaryIO) -> contextlib.AbstractContextManager[_Put]:
    def write(text: str) -> None:
        stream.write(text.encode("utf-8", "backslashreplace"))

    return _sink(form, count, dpi, write, lambda: stream)


@contextlib.contextmanager
def _sink(
    form: str, count: int, dpi: float, write: Callable[[str], Any], binary: Callable[[], BinaryIO]
) -> Iterator[_Put]:
    """One document of all that is put."""
    if form == "pdf":
        from edge_ocr.formats import Page, PdfDocument

        document = PdfDocument(dpi=dpi)

        def put_pdf(name: str, result: dict[str, Any], text: str, image: NDArray[np.uint8] | None) -> None:
            if "error" not in result and image is not None:
                lossless = Path(name).suffix.lower() not in _LOSSY
                document.add(Page(_printable(name), Reading.from_dict(result)), image, lossless=lossless)

        yield put_pdf
        if document.pages:
            document.write(binary())
        return
    put, end = {"text": _text, "json": _json, "jsonl": _jsonl, "hocr": _hocr, "alto": _alto}[form](write, count)

    def put_flushed(name: str, result: dict[str, Any], text: str, image: Any) -> None:
        put(name, result, text, image)
        if write == sys.stdout.write:
            sys.stdout.flush()

    yield put_flushed
    end()


_Made = tuple[_Put, Callable[[], Any]]


def _text(write: Callable[[str], Any], count: int) -> _Made:
    def put(name: str, result: dict[str, Any], text: str, image: Any) -> None:
        if "error" not in result:
            write((f"== {name}\n" if count > 1 else "") + text + "\n")

    return put, lambda: None


def _jsonl(write: Callable[[str], Any], count: int) -> _Made:
    def put(name: str, result: dict[str, Any], text: str, image: Any) -> None:
        write(json.dumps({"image": _printable(name), **result}, ensure_ascii=False) + "\n")

    return put, lambda: None


def _json(write: Callable[[str], Any], count: int) -> _Made:
    first = True

    def put(name: str, result: dict[str, Any], text: str, image: Any) -> None:
        nonlocal first
        write(("[\n" if first else ",\n") + json.dumps({"image": _printable(name), **result}, ensure_ascii=False))
        first = False

    return put, lambda: write("[]\n" if first else "\n]\n")


def _hocr(write: Callable[[str], Any], count: int) -> _Made:
    from edge_ocr.formats.hocr import HocrWriter
    from edge_ocr.formats.page import Page

    document = HocrWriter(write)

    def put(name: str, result: dict[str, Any], text: str, image: Any) -> None:
        if "error" not in result:
            document.add(Page(_printable(name), Reading.from_dict(result)))

    return put, document.end


def _alto(write: Callable[[str], Any], count: int) -> _Made:
    from edge_ocr.formats import Page, to_alto

    def put(name: str, result: dict[str, Any], text: str, image: Any) -> None:
        if "error" not in result:
            write(to_alto(Page(_printable(name), Reading.from_dict(result))))

    return put, lambda: None


# --- places --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _file(path: Path) -> Iterator[BinaryIO]:
    """A file that takes its name only when it is whole, and not at all when nothing was written."""
    try:
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=f".{path.name[:100]}.", delete=False) as stream:
            made = Path(stream.name)
            try:
                yield cast("BinaryIO", stream)
                stream.flush()
                written = stream.tell() > 0
            except BaseException:
                made.unlink(missing_ok=True)
                raise
        if written:
            made.chmod(0o666 & ~_umask())
            made.replace(path)
        else:
            made.unlink()
    except OSError as error:
        raise InputError(f"--out {path}: cannot be written: {error.strerror or error}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _make_folder(folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {folder}: cannot make this folder: {error.strerror}") from error


def _standard_output() -> BinaryIO:
    return sys.stdout.buffer


def _printable(name: str) -> str:
    """A file name that is not UTF-8 would make the line something that is no JSON."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _dpi(text: str) -> float:
    with contextlib.suppress(ValueError):
        if math.isfinite(float(text)) and 1 <= float(text) <= 10_000:
            return float(text)
    raise argparse.ArgumentTypeError(f"expected a number in 1..10000, found {text!r}")
