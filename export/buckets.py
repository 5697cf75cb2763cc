"""Other widths for a recognizer that is there: ``python -m export.buckets FOLDER 48 64 80 96``.

Crops are padded to the next width, and padding is read like text, so close widths save time; each costs a TFLite twin
some 12 kB. model.json gets the widths. model.onnx takes any; model.tflite, where there is one, gets a signature for
each, computed from those that it has (``export.tflite_graph.regrow``), and says the same as before.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from edge_ocr import manifest as m

__all__ = ["main", "set_buckets"]


def set_buckets(folder: Path, widths: Sequence[int]) -> m.RecognizeManifest:
    """Writes the new model.tflite and model.json; returns the manifest. Raises ValueError for a model that is no
    recognizer, ManifestError for widths that cannot be, before anything is written."""
    manifest = m.load_manifest(folder)
    if not isinstance(manifest, m.RecognizeManifest):
        raise ValueError(f"{folder}: is no recognizer; shapes of two sides are export.tflite's to convert")
    data = json.loads((folder / m.FILE_NAME).read_text(encoding="utf-8"))
    data["input"]["buckets"] = list(widths)
    changed = m.parse_manifest(data)
    assert isinstance(changed, m.RecognizeManifest)
    if "tflite" in manifest.files:
        from export.tflite_graph import regrow

        path = folder / manifest.files["tflite"].path
        twin = regrow(m.read_model_file(folder, manifest, kind="tflite"), [(w,) for w in widths])
        temp = path.with_name(f".{path.name}")
        temp.write_bytes(twin)
        temp.replace(path)
        changed = dataclasses.replace(changed, files={**manifest.files, "tflite": m.describe_file(path)})
    m.write_manifest(folder, changed)
    m.load_manifest(folder)
    return changed


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", type=Path, help="a recognizer's folder, such as edge_ocr/weights/ko")
    p.add_argument("widths", type=int, nargs="+", help="growing, multiples of the stride")
    a = p.parse_args()
    manifest = set_buckets(a.folder, a.widths)
    print(f"{a.folder}: {', '.join(map(str, manifest.input.buckets))}")
    for kind, file in manifest.files.items():
        print(f"  {kind}: {file.bytes:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
