"""``edge-ocr scan``: number plates, identity papers and machine-readable zones in pictures."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["DESCRIPTION", "EXAMPLES", "add_arguments", "make_work"]

DESCRIPTION = (
    "Finds number plates, Korean identity papers, or machine-readable zones of passports, visas and cards, and says "
    "what they mean."
)
EXAMPLES = """\
examples:
  edge-ocr scan plate car.jpg                      the plates of a picture, the surest first
  edge-ocr scan plate photos/ --json > plates.jsonl
  edge-ocr scan plate car.jpg --foreign            other countries' too, or what looks like them
  edge-ocr scan mrz passport.jpg --json
  edge-ocr scan idcard card.jpg --json             resident card, driver's licence, foreigner's card, passport page

JSON: {"image", "width", "height", "plates": [{"text", "kind", "quad", "confidence", "characters": [{"text",
  "confidence"}], "plain", "region", "district", "number", "letter", "serial", "vehicle"}]}, or "documents":
  [{"kind", "fields": {name: {"raw", "value", "confidence", "quad"}}, "accepted", "confidence", "quad"}], of zones also
  "layout", "checks" and "plain", of cards "complete" and "mirrored"; the surest first. For a picture that cannot be
  read, {"image", "error"}. "plain" is what was read without knowing what plates or zones may say. A zone is "accepted"
  when all of its check digits hold, a card when all that such a card must have is there in the form that it must have;
  it is "complete" when it has all that services ask for which tell whether cards are authentic. Values are in one
  form (dates as ISO 8601); "raw" is what was read. Nothing is kept: what is printed is all that there is.

exit status: 0 all read, 1 some could not be read, 2 nothing could be started
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to scan for, and the options that only scanning has."""
    parser.add_argument("what", choices=("plate", "idcard", "mrz"),
                        help="plate: Korean number plates; idcard: Korean identity cards, licences and passports; "
                             "mrz: machine-readable zones of passports, visas, cards")
    parser.add_argument("--foreign", action="store_true", help="with plate: other countries' plates too")
    parser.add_argument("--min-confidence", type=_share, metavar="X",
                        help="leave out what is less sure than this, 0..1 (default: 0.65 for plates, 0.5 for zones, "
                             "0.4 for fields of cards)")


def _share(text: str) -> float:
    try:
        if 0 <= float(text) <= 1:
            return float(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"expected a number in 0..1, found {text!r}")


def make_work(options: argparse.Namespace) -> Callable[[NDArray[np.uint8]], tuple[dict[str, Any], str, Any]]:
    """What to do with one picture: its result as JSON, as text, and what to draw."""
    from edge_ocr.scanners import idcard, mrz, plate
    from edge_ocr.types import TextWord

    given: dict[str, Any] = {"threads": options.threads, "models_dir": options.models, "engine": options.engine}
    if options.min_confidence is not None:
        given["min_confidence"] = options.min_confidence
    if options.what == "plate":
        plates = plate.Scanner(foreign=options.foreign, **given)

        def read_plates(image: NDArray[np.uint8]) -> tuple[dict[str, Any], str, Any]:
            found = plates.scan(image)
            words = [TextWord(p.text, p.confidence, p.characters, p.quad) for p in found]
            result = {"width": image.shape[1], "height": image.shape[0], "plates": [p.to_dict() for p in found]}
            return result, "\n".join(f"{p.text}  {p.kind}  {p.confidence:.2f}" for p in found), words

        return read_plates
    if options.what == "idcard":
        cards = idcard.Scanner(**given)

        def read_cards(image: NDArray[np.uint8]) -> tuple[dict[str, Any], str, Any]:
            found = cards.scan(image)
            words = [
                TextWord(f"{name}: {f.value}", f.confidence, (), f.quad)
                for card in found
                for name, f in card.fields.items()
                if f.quad is not None
            ]
            result = {"width": image.shape[1], "height": image.shape[0], "documents": [c.to_dict() for c in found]}
            return result, "\n".join(_tell_card(c) for c in found), words

        return read_cards
    zones = mrz.Scanner(**given)

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


def _tell_card(card: Any) -> str:
    head = f"{card.kind}, {'accepted' if card.accepted else 'not accepted'}{', complete' if card.complete else ''}"
    return "\n".join([head, *(f"  {name}: {f.value}" for name, f in card.fields.items() if f.value)])
