"""The command line: ``edge-ocr read | detect | scan | redact | live | serve | models``.

Results go to standard output, everything else to standard error. Exit status: 0 all pictures were read, 1 some could
not be, 2 nothing could be started (wrong usage, a missing model or engine), 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import glob
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from edge_ocr import __version__, cli_bulk, cli_formats, cli_live, cli_redact, cli_scan, cli_serve
from edge_ocr.errors import EdgeOcrError, ImageError, InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge_ocr.reader import OCR

__all__ = ["main"]

# of the formats that image.py reads
_SUFFIXES = (".bmp", ".dib", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp")

_DESCRIPTION = "Reads Korean and English text from pictures, on this machine, with the models that come along."
_IMAGES = "picture file, folder (every picture in it and below), glob such as 'scans/**/*.jpg', or - for standard input"
_READ_EXAMPLES = """\
examples:
  edge-ocr read receipt.jpg                        the text, line by line, in reading order
  edge-ocr read scans/ --json > scans.jsonl        a JSON object a picture, a picture a line
  edge-ocr read 'photos/*.jpg' --draw out/         also out/<name>.png: the boxes, and the text beside
  edge-ocr read card.png --lang ko --threads 2
  edge-ocr read scans/ --format pdf --out scans.pdf       a page a picture, its text can be searched and copied
  edge-ocr read scans/ --format alto --out alto/          alto/<name>.xml for each picture

JSON: {"image", "width", "height", "words": [{"quad": [[x, y] x 4], "text", "confidence", "language",
  "characters": [{"text", "confidence"}]}], "lines": [{"quad", "text", "confidence", "words": [index]}],
  "ms": {"detect", "crop", "recognize", "total"}}; for a picture that cannot be read, {"image", "error"}.
  Quads are pixels of the picture as its EXIF orientation shows it, clockwise from the top left of the text as it is
  read. "rotation" is there too where the text stands turned: 90, 180 or 270 degrees clockwise set it upright,
  after a swap of left and right where "mirrored" is there.

exit status: 0 all read, 1 some could not be read, 2 nothing could be started
"""
_DETECT_EXAMPLES = """\
examples:
  edge-ocr detect photo.jpg                        x,y of the four corners and the score, a word a line
  edge-ocr detect photos/ --json --draw out/

JSON: {"image", "width", "height", "regions": [{"quad": [[x, y] x 4], "score"}], "ms": {"detect", "total"}};
  for a picture that cannot be read, {"image", "error"}.
"""


class _Picture(NamedTuple):
    """One thing to read: what it is called in the output and, where it could not be found, why."""

    name: str
    error: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit status."""
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        # a terminal that is not UTF-8 must not end the run at the first syllable
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        status: int = options.act(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # the reader of our output has gone (| head): stop quietly, and keep the interpreter's last flush quiet too
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        _say("interrupted")
        return 130
    except EdgeOcrError as error:
        _say(str(error))
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="edge-ocr", description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"edge-ocr {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    read = commands.add_parser(
        "read", help="find and read the text of pictures", description="Finds and reads the text of pictures.",
        epilog=_READ_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_common(read)
    _add_recognition(read)
    _add_orientation(read)
    _add_runner(read)
    cli_redact.add_mask(read)
    cli_formats.add_arguments(read)
    read.set_defaults(act=_read)

    detect = commands.add_parser(
        "detect", help="find where text is, without reading it", description="Finds where text is, without reading it.",
        epilog=_DETECT_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_common(detect)
    _add_runner(detect)
    detect.set_defaults(act=_detect)

    scan = commands.add_parser(
        "scan", help="find number plates, identity papers or machine-readable zones",
        description=cli_scan.DESCRIPTION, epilog=cli_scan.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    cli_scan.add_arguments(scan)
    _add_common(scan)
    _add_runner(scan)
    cli_redact.add_mask(scan)
    scan.set_defaults(act=_scan)

    redact = commands.add_parser(
        "redact", help="mask identity numbers in pictures, irreversibly", description=cli_redact.DESCRIPTION,
        epilog=cli_redact.EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    redact.add_argument("images", nargs="+", metavar="IMAGE", help=_IMAGES)
    cli_redact.add_arguments(redact)
    _add_recognition(redact)
    _add_engine(redact)
    redact.set_defaults(act=_redact)

    bulk = commands.add_parser(
        "bulk", help="read many pictures, archives and videos into Parquet or JSON lines",
        description=cli_bulk.DESCRIPTION, epilog=cli_bulk.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    cli_bulk.add_arguments(bulk)
    _add_recognition(bulk)
    cli_redact.add_mask(bulk)
    _add_models(bulk)
    bulk.set_defaults(act=cli_bulk.bulk)

    live = commands.add_parser(
        "live", help="read the text of a camera, a video or a stream", description=cli_live.DESCRIPTION,
        epilog=cli_live.EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    cli_live.add_arguments(live)
    _add_recognition(live)
    _add_engine(live)
    _add_runner(live)
    live.set_defaults(act=_live)

    serve = commands.add_parser(
        "serve", help="serve all of this over HTTP", description=cli_serve.DESCRIPTION,
        epilog=cli_serve.EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    cli_serve.add_arguments(serve)
    _add_recognition(serve)
    _add_orientation(serve)
    _add_models(serve)
    _add_runner(serve)
    serve.set_defaults(act=_serve)

    models = commands.add_parser(
        "models", help="list the models that are installed, and verify their files",
        description="Lists the models that are installed, after checking size and sha256 of every file.",
    )
    models.add_argument("--json", action="store_true", help="print each model's manifest as a JSON object a line")
    _add_models(models)
    models.set_defaults(act=_models)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("images", nargs="+", metavar="IMAGE", help=_IMAGES)
    parser.add_argument("--json", action="store_true", help="print a JSON object a line, one for each picture")
    parser.add_argument("--draw", metavar="DIR", help="also write DIR/<name>.png with what was found drawn in")
    _add_engine(parser)


def _add_recognition(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lang", type=_languages, default=("ko", "en"), metavar="L,L",
                        help="languages to expect, the first ones first (default: ko,en)")
    parser.add_argument("--min-confidence", type=_share, default=None, metavar="X",
                        help="leave out words below this confidence, 0..1 (default: as the models say; 0: none)")


def _add_orientation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--orientation", choices=("auto", "upright"), default="auto",
                        help="auto: pages turned by quarters are read too; upright: never asks, saves some time on "
                        "hard pictures (default: auto)")


def _add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=_threads, default=_processors(), metavar="N",
                        help="threads to compute with (default: the processors available, at most 4; here %(default)s)")
    _add_models(parser)


def _add_runner(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", choices=("onnx", "tflite"), default="onnx",
                        help="what runs the models; tflite needs pip install 'edge-ocr[tflite]' (default: onnx)")


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", metavar="DIR",
                        help="folder of models to use (default: $EDGE_OCR_MODELS, or those that come along)")


def _processors() -> int:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(4, count)


def _languages(text: str) -> tuple[str, ...]:
    codes = tuple(part.strip() for part in text.split(","))
    if not all(codes) or len(set(codes)) != len(codes):
        raise argparse.ArgumentTypeError(f"expected languages with commas between them, such as ko,en; found {text!r}")
    return codes


def _share(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 <= float(text) <= 1:
            return float(text)
    raise argparse.ArgumentTypeError(f"expected a number in 0..1, found {text!r}")


def _threads(text: str) -> int:
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, found {text!r}")


def _read(options: argparse.Namespace) -> int:
    ocr = _make_ocr(
        options, languages=options.lang, min_confidence=options.min_confidence, orientation=options.orientation
    )

    def work(image: NDArray[np.uint8]) -> tuple[dict[str, Any], str, Any]:
        reading = ocr.read(image)
        if options.mask:
            return cli_redact.mask_read(image, reading)
        return reading.to_dict(), reading.text, reading.words

    return _each(options, work)


def _scan(options: argparse.Namespace) -> int:
    from edge_ocr.image import opencv

    opencv()  # says in full what is wrong with it, where importing the scanners would not
    work = cli_scan.make_work(options)
    return _each(options, cli_redact.mask_scan(work) if options.mask else work)


def _redact(options: argparse.Namespace) -> int:
    ocr = _make_ocr(options, languages=options.lang, min_confidence=options.min_confidence)
    return _each(options, cli_redact.make_work(options, ocr))


def _detect(options: argparse.Namespace) -> int:
    ocr = _make_ocr(options)

    def work(image: NDArray[np.uint8]) -> tuple[dict[str, Any], str, Any]:
        start = time.perf_counter()
        regions = ocr.detect(image)
        spent = round((time.perf_counter() - start) * 1000, 2)
        lines = (" ".join(f"{x:.1f},{y:.1f}" for x, y in r.quad) + f" {r.score:.3f}" for r in regions)
        height, width = image.shape[:2]
        result = {
            "width": width, "height": height, "regions": [r.to_dict() for r in regions],
            "ms": {"detect": spent, "total": spent},
        }
        return result, "\n".join(lines), regions

    return _each(options, work)


def _live(options: argparse.Namespace) -> int:
    if options.scan == "text":
        return cli_live.live(_make_ocr(options, languages=options.lang), options)
    from edge_ocr.image import opencv

    opencv()
    from edge_ocr.scanners.live import scan_reader

    given = {"threads": options.threads, "models_dir": options.models, "engine": options.engine}
    return cli_live.live(scan_reader(options.scan, **given), options)


def _serve(options: argparse.Namespace) -> int:
    from edge_ocr.image import opencv

    opencv()  # says in full what is wrong with it, where importing the server would not
    return cli_serve.serve(options)


def _make_ocr(options: argparse.Namespace, **settings: Any) -> OCR:
    from edge_ocr.image import opencv

    opencv()  # says in full what is wrong with it, where importing the reader would not
    from edge_ocr.reader import OCR

    engine = getattr(options, "engine", "onnx")
    return OCR(threads=options.threads, models_dir=options.models, engine=engine, **settings)


def _each(options: argparse.Namespace, work: Any) -> int:
    """Does ``work`` on every picture, prints what it gives, and returns the exit status."""
    from edge_ocr.image import load_image

    pictures = list(_pictures(options.images))
    names = _drawing_names(pictures)
    if options.draw is not None:
        _make_folder(options.draw)
        _spare(pictures, [Path(options.draw) / name for name in names])
    failures = 0
    with cli_formats.output(options, len(pictures)) as put, _progress(len(pictures)) as (advance, quiet):
        for picture, drawing in zip(pictures, names, strict=True):
            image = None
            try:
                if picture.error:
                    raise ImageError(picture.error)
                image = load_image(sys.stdin.buffer.read() if picture.name == "-" else picture.name)
                result, text, found = work(image)
                if options.draw is not None:
                    _draw(image, found, Path(options.draw) / drawing)
            except (ImageError, MemoryError) as error:
                failures += 1
                message = str(error) or "not enough memory"
                result, text, found = {"error": message}, "", None
                with quiet():
                    _say(message)
            with quiet():
                # what is masked must not be seen in a copy either
                put(picture.name, result, text, found.image if isinstance(found, cli_redact.Redacted) else image)
            advance()
    return 1 if failures else 0


def _pictures(arguments: Sequence[str]) -> Iterator[_Picture]:
    """What the arguments name, in their order; a folder's and a glob's pictures by name."""
    for argument in arguments:
        path = Path(argument)
        if argument == "-" or path.is_file():
            yield _Picture(argument)
        elif path.is_dir():
            found = [p for p in sorted(path.rglob("*")) if p.suffix.lower() in _SUFFIXES and p.is_file()]
            yield from map(_Picture, map(str, found))
            if not found:
                yield _Picture(argument, f"{argument}: the folder holds no picture ({' '.join(_SUFFIXES)})")
        elif glob.has_magic(argument):
            names = [name for name in sorted(glob.glob(argument, recursive=True)) if Path(name).is_file()]
            yield from map(_Picture, names)
            if not names:
                yield _Picture(argument, f"{argument}: no file fits this pattern")
        else:
            yield _Picture(argument)  # loading it tells what is wrong with it


def _drawing_names(pictures: Sequence[_Picture]) -> list[str]:
    """The name of each picture's drawing; pictures of one name in several folders get a number."""
    counts: dict[str, int] = {}
    names = []
    for picture in pictures:
        stem = "stdin" if picture.name == "-" else Path(picture.name).stem
        counts[stem] = counts.get(stem, 0) + 1
        names.append(f"{stem}.png" if counts[stem] == 1 else f"{stem}.{counts[stem]}.png")
    return names


def _spare(pictures: Sequence[_Picture], drawings: Sequence[Path]) -> None:
    """Raises InputError where a drawing would take the place of a picture."""
    given = {os.path.realpath(picture.name) for picture in pictures}
    for drawing in drawings:
        if os.path.realpath(drawing) in given:
            raise InputError(f"{drawing}: this picture would be overwritten; name another folder than its own")


def _make_folder(folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise InputError(f"--draw {folder}: cannot make this folder: {error.strerror}") from error


def _draw(image: NDArray[np.uint8], found: Any, path: Path) -> None:
    from edge_ocr.draw import draw, save_png

    if isinstance(found, cli_redact.Redacted):
        image, found = found  # what is masked must not be seen in a drawing either
    save_png(path, image if found is None else draw(image, found))


@contextlib.contextmanager
def _progress(count: int) -> Iterator[tuple[Any, Any]]:
    """(advance, quiet): ``advance()`` after each picture; what is printed inside ``with quiet()`` stays clear of the
    bar. The bar is there for several pictures, on a terminal only."""
    if count < 2 or not sys.stderr.isatty():
        yield (lambda: None), contextlib.nullcontext
        return
    from tqdm import tqdm

    with tqdm(total=count, unit="picture", leave=False) as bar:
        yield bar.update, lambda: tqdm.external_write_mode(sys.stderr)


def _models(options: argparse.Namespace) -> int:
    from edge_ocr.models import list_models, models_folder

    folder = models_folder(options.models)
    models = list_models(options.models, verify=True)
    if options.json:
        for model in models:
            print(json.dumps(model.manifest.to_dict(), ensure_ascii=False))
        return 0
    print(f"models in {folder}, files verified:")
    for model in models:
        manifest = model.manifest
        size = sum(entry.bytes for entry in manifest.files.values())
        languages = ",".join(manifest.languages) or "any"
        print(f"  {manifest.name:12} {manifest.task:10} {languages:8} {manifest.version:8} {size / 1e6:6.2f} MB"
              f"  {manifest.license}, made {manifest.made.date}")
        for name, value in manifest.measures.items():
            print(f"    {name}: {value:g}")
    if not models:
        print("  none")
        return 1
    return 0


def _say(message: str) -> None:
    print(f"edge-ocr: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
