"""``edge-ocr scan``: number plates and machine-readable zones in pictures."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["DESCRIPTION", "EXAMPLES", "add_arguments", "make_work"]

DESCRIPTION = "Finds number plates, or machine-readable zones of passports, visas and cards, and says what they mean."
EXAMPLES = """\
examples:
  edge-ocr scan plate car.jpg                      the plates of a picture, the surest first
  edge-ocr scan plate photos/ --json > plates.jsonl
  edge-ocr scan plate car.jpg --foreign            other countries' too, or what looks like them
  edge-ocr scan mrz passport.jpg --json

JSON: {"image", "width", "height", "plates": [{"text", "kind", "quad", "confidence", "characters": [{"text",
  "confidence"}], "plain", "region", "district", "number", "letter", "serial", "vehicle"}]}, or "documents":
  [{"kind", "layout", "fields": {name: {"raw", "value", "confidence"}}, "accepted", "checks", "confidence", "quad",
  "plain"}], the surest first; for a picture that cannot be read, {"image", "error"}. "plain" is what was read without
  knowing what plates or zones may say; a document is "accepted" when all of its check digits hold.

exit status: 0 all read, 1 some could not be read, 2 nothing could be started
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to scan for, and the options that only scanning has."""
    parser.add_argument("what", choices=("plate", "mrz"),
                        help="plate: Korean number plates; mrz: machine-readable zones of passports, visas, cards")
    parser.add_argument("--foreign", action="store_true", help="with plate: other countries' plates too")
    parser.add_argument("--min-confidence", type=_share, metavar="X",
                        help="leave out what is less sure than this, 0..1 (default: 0.75 for plates, 0.5 for zones)")


def _share(text: str) -> float:
    try:
        if 0 <= float(text) <= 1:
            return float(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"expected a number in 0..1, found {text!r}")


def make_work(options: argparse.Namespace) -> Callable[[NDArray[np.uint8]], tuple[dict[str, Any], str, Any]]:
    """What to do with one picture: its result as JSON, as text, and what to draw."""
    from edge_ocr.scanners import mrz, plate
    from edge_ocr.types import TextWord

    sure = {} if options.min_confidence is None else {"min_confidence": options.min_confidence}
    if options.what == "plate":
        plates = plate.Scanner(threads=options.threads, models_dir=options.models, foreign=options.foreign, **sure)

        def read_plates(image: NDArray[np.uint8]) -> tuple[dict[str, Any], str, Any]:
            found = plates.scan(image)
            words = [TextWord(p.text, p.confidence, p.characters, p.quad) for p in found]
            result = {"width": image.shape[1], "height": image.shape[0], "plates": [p.to_dict() for p in found]}
            return result, "\n".join(f"{p.text}  {p.kind}  {p.confidence:.2f}" for p in found), words

        return read_plates
    zones = mrz.Scanner(threads=options.threads, models_dir=options.models, **sure)

    def read_zones(image: NDArray[np.uint8]) -> tuple[dict[str, Any], str, Any]:
        found = zones.scan(image)
        words = [TextWord(" ".join(z.lines), z.confidence, (), z.quad) for z in found]
        result = {"width": image.shape[1], "height": image.shape[0], "documents": [z.to_dict() for z in found]}
        return result, "\n".join(_tell(z) for z in found), words

    return read_zones


def _tell(zone: Any) -> str:
    head = f"{zone.layout}, {'all check digits hold' if zone.accepted else 'not accepted'}"
    names = [n for n in zone.fields if not n.startswith("line") and zone.fields[n].value]
    return "\n".join([head, *zone.lines, *(f"  {n}: {zone.fields[n].value}" for n in names)])
