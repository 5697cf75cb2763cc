"""``edge-ocr redact``, and ``--mask`` of ``read`` and ``scan``: identity numbers masked in pictures and text."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from edge_ocr.reader import OCR
    from edge_ocr.types import Reading, TextWord

    Work = Callable[[NDArray[np.uint8]], tuple[dict[str, Any], str, Any]]

__all__ = ["DESCRIPTION", "EXAMPLES", "Redacted", "add_arguments", "add_mask", "make_work", "mask_read", "mask_scan"]

DESCRIPTION = (
    "Masks identity numbers in pictures: the last digits of resident registration, alien and passport numbers, the "
    "middle of driver licence numbers, and personal numbers in machine-readable zones. Masks are solid; the copies "
    "hold pixels alone, no metadata and no thumbnail. What cannot be read cannot be found: look at the copies."
)
EXAMPLES = """\
examples:
  edge-ocr redact card.jpg --out masked/           masked/card.png, and how many masks it got
  edge-ocr redact scans/ --out masked/ --json > masks.jsonl
  edge-ocr redact dashcam/*.jpg --out masked/ --plates

JSON: {"image", "width", "height", "masks": [{"what", "quad": [[x, y] x 4]}]}; "what" is resident, licence, serial,
  passport, personal, fingerprint or plate. For a picture that cannot be read, {"image", "error"}; it is not copied.

exit status: 0 all done, 1 some could not be read, 2 nothing could be started
"""


class Redacted(NamedTuple):
    """A picture with its masks burnt in, and what may be drawn on it: words, or None for nothing at all."""

    image: NDArray[np.uint8]
    found: list[TextWord] | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``redact`` alone."""
    parser.add_argument("--out", dest="draw", metavar="DIR", required=True, help="folder for copies, DIR/<name>.png")
    parser.add_argument("--json", action="store_true", help="print a JSON object a line, one for each picture")
    parser.add_argument("--plates", action="store_true", help="mask number plates too")
    parser.add_argument("--no-zones", action="store_true",
                        help="look for no machine-readable zones (faster, for pictures that have none)")
    parser.add_argument("--no-cards", action="store_true",
                        help="look for no identity cards (faster; what looks like their numbers is masked anyway)")


def add_mask(parser: argparse.ArgumentParser) -> None:
    """``--mask``, of the commands that print what they read."""
    parser.add_argument("--mask", action="store_true",
                        help="mask identity numbers in what is printed and drawn, as edge-ocr redact does")


def mask_read(image: NDArray[np.uint8], reading: Reading) -> tuple[dict[str, Any], str, Any]:
    """A reading as ``read --mask`` gives it: JSON, text, and what to draw."""
    from edge_ocr.redact import mask_reading, plan, redact

    masked = mask_reading(reading)
    return masked.to_dict(), masked.text, Redacted(redact(image, plan(reading)), list(masked.words))


def mask_scan(work: Work) -> Work:
    """The work of ``scan``, masked."""

    def masked(image: NDArray[np.uint8]) -> tuple[dict[str, Any], str, Any]:
        from dataclasses import replace

        from edge_ocr.redact import mask_document, mask_text, plan, redact

        result, text, words = work(image)
        documents = result.get("documents", [])
        hidden = [mask_document(document) for document in documents]
        if documents:
            result = {**result, "documents": hidden}
            text = _swap(mask_text(text), documents, hidden)
        words = [replace(w, text=_swap(mask_text(w.text), documents, hidden), characters=()) for w in words]
        return result, text, Redacted(redact(image, plan(documents)), words)

    return masked


def _swap(text: str, documents: list[dict[str, Any]], hidden: list[dict[str, Any]]) -> str:
    """The text with each field of the documents as it stands in the masked ones."""
    pairs = {
        before[key]: after[key]
        for old, new in zip(documents, hidden, strict=True)
        for before, after in zip(old["fields"].values(), new["fields"].values(), strict=True)
        for key in ("raw", "value")
        if isinstance(before.get(key), str) and before[key] != after[key]
    }
    for secret in sorted(pairs, key=len, reverse=True):
        text = text.replace(secret, pairs[secret])
    return text


def make_work(options: argparse.Namespace, ocr: OCR) -> Work:
    """What ``redact`` does with one picture."""
    from edge_ocr.redact import Policy, plan, redact
    from edge_ocr.scanners import idcard, mrz, plate

    policy = Policy(plates=options.plates)
    scanners: list[Any] = []
    if not options.no_zones:
        scanners.append(mrz.Scanner(threads=options.threads, models_dir=options.models))
    if not options.no_cards:
        scanners.append(idcard.Scanner(threads=options.threads, models_dir=options.models))
    if options.plates:
        scanners.append(plate.Scanner(threads=options.threads, models_dir=options.models))

    def work(image: NDArray[np.uint8]) -> tuple[dict[str, Any], str, Any]:
        found: list[Any] = [ocr.read(image)]
        for scanner in scanners:
            found += scanner.scan(image)
        masks = plan(found, policy)
        result = {"width": image.shape[1], "height": image.shape[0], "masks": [mask.to_dict() for mask in masks]}
        counts = Counter(mask.what for mask in masks)
        text = ", ".join(f"{n} × {what}" for what, n in sorted(counts.items())) or "nothing was found to mask"
        return result, text, Redacted(redact(image, masks, policy), None)

    return work
