"""model.json: what a model eats, gives, how to decode it, how it was made, and what it measures.

Reading, checking and writing it; ``schema.py`` says what it holds. The file is strict in both directions: an unknown
key is refused like a missing one, on reading and on writing alike. Each file that it names is checked by size and
sha256.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import tempfile
import typing
from pathlib import Path

from edge_ocr.errors import IntegrityError, ManifestError
from edge_ocr.schema import (
    Confidence,
    DetectDecode,
    DetectInput,
    DetectManifest,
    DetectOutput,
    FileEntry,
    Made,
    Manifest,
    Narrow,
    QualityLimits,
    Quantisation,
    RecognizeDecode,
    RecognizeInput,
    RecognizeManifest,
    RecognizeOutput,
    Tiling,
    Views,
    Words,
)
from edge_ocr.strict import REPAIR, fail, kind_of, no_constant, no_duplicates, parse

__all__ = [
    "Confidence",
    "DetectDecode",
    "DetectInput",
    "DetectManifest",
    "DetectOutput",
    "FileEntry",
    "Made",
    "Manifest",
    "Narrow",
    "QualityLimits",
    "Quantisation",
    "RecognizeDecode",
    "RecognizeInput",
    "RecognizeManifest",
    "RecognizeOutput",
    "Tiling",
    "Views",
    "Words",
    "describe_file",
    "load_manifest",
    "parse_manifest",
    "read_model_file",
    "write_manifest",
]

FORMAT = 1
FILE_NAME = "model.json"
_MAX_MANIFEST_BYTES = 4 << 20  # a real one is a few KiB; anything larger is a foreign file
_TASKS: dict[str, type[Manifest]] = {"detect": DetectManifest, "recognize": RecognizeManifest}
_FILE_KINDS = ("onnx", "tflite", "words")


def load_manifest(folder: str | os.PathLike[str], *, verify: bool = True) -> Manifest:
    """Reads ``folder/model.json``; with ``verify`` also checks the size and sha256 of each file that it names.

    Raises ManifestError (the file is missing, malformed, has unknown or missing keys, or values that contradict one
    another) or IntegrityError (a model file is missing, cut off or altered). Both name the file and what to do.
    """
    file = Path(folder) / FILE_NAME
    try:
        with open(file, "rb") as stream:
            raw = stream.read(_MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ManifestError(
            f"{file}: cannot be read ({reason}). A model is a folder that holds {FILE_NAME} and the files it names."
        ) from error
    if len(raw) > _MAX_MANIFEST_BYTES:
        raise ManifestError(f"{file}: larger than {_MAX_MANIFEST_BYTES >> 20} MiB, so not a manifest. {REPAIR}")
    try:
        data = json.loads(raw.decode("utf-8"), object_pairs_hook=no_duplicates, parse_constant=no_constant)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise ManifestError(f"{file}: not valid JSON: {error}. {REPAIR}") from error
    manifest = parse_manifest(data, where=str(file))
    if verify:
        for kind in manifest.files:
            _verify(Path(folder), manifest, kind)
    return manifest


def parse_manifest(data: object, *, where: str = FILE_NAME) -> Manifest:
    """The manifest that ``data``, the decoded JSON, describes; ManifestError names ``where`` and the key."""
    if not isinstance(data, dict):
        fail(where, "", f"expected an object, found {kind_of(data)}")
    if "format" in data and (data["format"] != FORMAT or isinstance(data["format"], bool)):
        raise ManifestError(
            f"{where}: key 'format': this edge_ocr reads format {FORMAT}, the file has {data['format']!r}. "
            "Install the edge-ocr release that the model was made for, or export the model again."
        )
    task = data.get("task")
    if not isinstance(task, str) or task not in _TASKS:
        found = "it is missing" if "task" not in data else f"found {task!r}"
        fail(where, "task", f"expected one of {', '.join(map(repr, _TASKS))}, {found}")
    manifest = typing.cast(Manifest, parse(_TASKS[task], data, where, ""))
    _check(manifest, where)
    return manifest


def write_manifest(folder: str | os.PathLike[str], manifest: Manifest) -> Path:
    """Writes ``folder/model.json`` in one step (temporary file, then rename) and returns its path.

    The content passes the same checks as on reading, those of the files beside it included, so nothing is written
    that ``load_manifest`` would refuse. Raises ManifestError and IntegrityError as it does.
    """
    target = Path(folder) / FILE_NAME
    data = manifest.to_dict()
    if parse_manifest(json.loads(json.dumps(data)), where=str(target)) != manifest:
        raise ManifestError(f"{target}: a value changes when written as JSON; use plain str, int, float and tuples.")
    for kind in manifest.files:
        _verify(Path(folder), manifest, kind)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".model-", suffix=".json")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False) + "\n")
        os.chmod(temporary, 0o644)  # mkstemp makes it private to its owner
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
    return target


def describe_file(path: str | os.PathLike[str]) -> FileEntry:
    """The entry for a file as it is now: its name, size and sha256."""
    digest = hashlib.sha256()
    size = 0
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
            size += len(block)
    return FileEntry(path=Path(path).name, bytes=size, sha256=digest.hexdigest())


def read_model_file(folder: str | os.PathLike[str], manifest: Manifest, kind: str = "onnx") -> bytes:
    """The bytes of the model's file of that kind, after the check of size and sha256: what is checked is what is
    returned, with no second look at the disk. Raises IntegrityError, and ManifestError for a kind it does not have."""
    path, entry = _locate(Path(folder), manifest, kind)
    try:
        with open(path, "rb") as stream:
            content = stream.read(entry.bytes + 1)
    except OSError as error:
        raise IntegrityError(f"{path}: cannot be read ({error.strerror}). {REPAIR}") from error
    _compare(path, entry, FileEntry(path=entry.path, bytes=len(content), sha256=hashlib.sha256(content).hexdigest()))
    return content


def _locate(folder: Path, manifest: Manifest, kind: str) -> tuple[Path, FileEntry]:
    if kind not in manifest.files:
        known = ", ".join(manifest.files)
        raise ManifestError(f"{folder / FILE_NAME}: model {manifest.name!r} has no {kind!r} file, only {known}.")
    entry = manifest.files[kind]
    return folder / entry.path, entry


def _verify(folder: Path, manifest: Manifest, kind: str) -> None:
    path, entry = _locate(folder, manifest, kind)
    try:
        size = path.stat().st_size
        # a wrong size tells enough, and spares reading a huge foreign file
        found = describe_file(path) if size == entry.bytes else FileEntry(path=entry.path, bytes=size, sha256="")
    except OSError as error:
        raise IntegrityError(f"{path}: cannot be read ({error.strerror}). {REPAIR}") from error
    _compare(path, entry, found)


def _compare(path: Path, entry: FileEntry, found: FileEntry) -> None:
    if found.bytes != entry.bytes:
        size = f"more than {entry.bytes}" if found.bytes > entry.bytes else str(found.bytes)
        cause = "foreign or altered" if found.bytes > entry.bytes else "cut off"
        raise IntegrityError(
            f"{path}: {size} bytes where {FILE_NAME} says {entry.bytes}; the file is {cause}. {REPAIR}"
        )
    if found.sha256 != entry.sha256:
        raise IntegrityError(
            f"{path}: sha256 is {found.sha256[:12]}… where {FILE_NAME} says {entry.sha256[:12]}…; "
            f"the file is altered, or belongs to another {FILE_NAME}. {REPAIR}"
        )


def _check(manifest: Manifest, where: str) -> None:
    """What types and limits cannot say: values that must agree with one another."""
    if "onnx" not in manifest.files:
        fail(where, "files.onnx", "missing")
    names: set[str] = set()
    for kind, entry in manifest.files.items():
        if kind not in _FILE_KINDS:
            fail(where, f"files.{kind}", f"unknown; known here are {', '.join(_FILE_KINDS)}")
        # a manifest from elsewhere must not reach beyond its own folder
        if entry.path in (".", "..", FILE_NAME) or any(c in entry.path for c in "/\\:\0"):
            fail(where, f"files.{kind}.path", f"expected a plain file name beside {FILE_NAME}, found {entry.path!r}")
        if entry.path in names:
            fail(where, f"files.{kind}.path", f"{entry.path!r} is named twice")
        names.add(entry.path)
        if len(entry.sha256) != 64 or set(entry.sha256) - set("0123456789abcdef"):
            fail(where, f"files.{kind}.sha256", f"expected 64 lower-case hex digits, found {entry.sha256!r}")
    try:
        datetime.date.fromisoformat(manifest.made.date)
    except ValueError:
        fail(where, "made.date", f"expected a date such as 2026-01-31, found {manifest.made.date!r}")
    if len(set(manifest.languages)) != len(manifest.languages):
        fail(where, "languages", "a language stands twice")
    if isinstance(manifest, DetectManifest):
        _check_detect(manifest, where)
    elif isinstance(manifest, RecognizeManifest):
        _check_recognize(manifest, where)


def _check_detect(manifest: DetectManifest, where: str) -> None:
    buckets, stride = manifest.input.buckets, manifest.input.stride
    if not buckets or len(set(buckets)) != len(buckets):
        fail(where, "input.buckets", "expected one [height, width] or more, none twice")
    for i, bucket in enumerate(buckets):
        if any(side % stride for side in bucket):
            fail(where, f"input.buckets[{i}]", f"{list(bucket)} is not a multiple of the stride, {stride}")
    if stride % manifest.output.stride:
        fail(where, "output.stride", f"{manifest.output.stride} does not divide the input's stride, {stride}")
    shortest = min(min(bucket) for bucket in buckets)
    if manifest.tiling.border * 2 >= shortest:
        fail(where, "tiling.border", f"{manifest.tiling.border} on both sides leaves nothing of a bucket's {shortest}")
    if manifest.tiling.overlap >= shortest:
        problem = f"{manifest.tiling.overlap} must be smaller than the buckets' shortest side, {shortest}"
        fail(where, "tiling.overlap", problem)


def _check_recognize(manifest: RecognizeManifest, where: str) -> None:
    buckets, charset, output = manifest.input.buckets, manifest.charset, manifest.output
    if not buckets or list(buckets) != sorted(set(buckets)):
        fail(where, "input.buckets", "expected one width or more, growing")
    for i, width in enumerate(buckets):
        if width % output.stride:
            fail(where, f"input.buckets[{i}]", f"{width} is not a multiple of the output's stride, {output.stride}")
    least = manifest.input.min_width
    if least is not None and not 1 <= least <= buckets[-1]:
        fail(where, "input.min_width", f"expected a width up to the largest bucket, {buckets[-1]}, found {least}")
    if (manifest.decode.words is None) != ("words" not in manifest.files):
        fail(where, "decode.words", "a list of words and the file 'words' go together; one of them is missing")
    if not manifest.languages:
        fail(where, "languages", "a recognizer names at least one language")
    if len(set(charset)) != len(charset):
        twice = next(c for c in charset if charset.count(c) > 1)
        fail(where, "charset", f"{twice!r} stands twice")
    if any(0xD800 <= ord(c) <= 0xDFFF for c in charset):
        fail(where, "charset", "holds half a surrogate pair")
    if manifest.blank != 0:
        fail(where, "blank", f"format {FORMAT} has the blank at index 0, found {manifest.blank!r}")
    parts = {name: getattr(output, name) for name in ("initial", "medial", "final")}
    factorised = output.head == "hangul-factorised"
    for name, value in parts.items():
        if factorised and value is None:
            fail(where, f"output.{name}", "missing: a factorised head has it")
        if not factorised and value is not None:
            fail(where, f"output.{name}", "a flat head has no such output")
    if factorised and (syllable := next((c for c in charset if 0xAC00 <= ord(c) <= 0xD7A3), None)) is not None:
        fail(where, "charset", f"{syllable!r} is a Hangul syllable: a factorised head writes it from its parts")
    outputs = [output.symbols, *(value for value in parts.values() if value is not None)]
    if len(set(outputs)) != len(outputs):
        fail(where, "output", "two outputs have the same name")
