"""model.json: what a model eats, gives, how to decode it, how it was made, and what it measures.

A number on which training, this runtime and a phone must agree stands in the model's ``model.json`` and nowhere
else, so no field here has a default. The file is strict in both directions: an unknown key is refused like a
missing one, on reading and on writing alike. Each file that it names is checked by size and sha256.

The dataclasses below *are* the schema: a field's type, and its limits in ``metadata``, are what is enforced.
Lengths are pixels of the network's input and angles radians, unless the name of the field says otherwise.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import math
import os
import tempfile
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, Union

from edge_ocr.errors import IntegrityError, ManifestError

__all__ = [
    "Confidence",
    "DetectDecode",
    "DetectInput",
    "DetectManifest",
    "DetectOutput",
    "FileEntry",
    "Made",
    "Manifest",
    "QualityLimits",
    "Quantisation",
    "RecognizeDecode",
    "RecognizeInput",
    "RecognizeManifest",
    "RecognizeOutput",
    "Tiling",
    "describe_file",
    "load_manifest",
    "parse_manifest",
    "read_model_file",
    "write_manifest",
]

FORMAT = 1
FILE_NAME = "model.json"
_MAX_MANIFEST_BYTES = 4 << 20  # a real one is a few KiB; anything larger is a foreign file
_REPAIR = "Reinstall edge-ocr (pip install --force-reinstall edge-ocr), or export the model again."


def _limits(low: float | None = None, high: float | None = None) -> Any:
    """A required field whose number, or whose numbers, lie in ``low..high``."""
    return dataclasses.field(metadata={"low": low, "high": high})


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    """A file beside model.json: plain name, size, lower-case hex sha256."""

    path: str
    bytes: int = _limits(1)
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Made:
    """How the model came to be: the command that makes it again, when, on what, for how many minutes, from how many
    samples, and what the samples were drawn or taken from."""

    command: str
    date: str
    machine: str
    minutes: float = _limits(0)
    samples: int = _limits(0)
    source: str


@dataclass(frozen=True, kw_only=True)
class DetectInput:
    """The detector's input: uint8 ``[N, H, W, 3]`` RGB, letterboxed into one of ``buckets`` (height, width; each a
    multiple of ``stride``), the rest filled with ``padding``."""

    name: str
    dtype: Literal["uint8"]
    layout: Literal["NHWC"]
    colour: Literal["RGB"]
    stride: int = _limits(1)
    buckets: tuple[tuple[int, int], ...] = _limits(1)
    fit: Literal["letterbox"]
    resize: Literal["area-down-linear-up"]
    padding: int = _limits(0, 255)


@dataclass(frozen=True, kw_only=True)
class DetectOutput:
    """Names of the outputs: score f32 ``[N, H/stride, W/stride]`` in 0..1, and geometry f32 ``[N, H/stride,
    W/stride, 5]``: pixels to the top, right, bottom and left edge, and the angle."""

    score: str
    geometry: str
    stride: int = _limits(1)


@dataclass(frozen=True, kw_only=True)
class DetectDecode:
    """From maps to regions: cells over ``score_threshold``; neighbours whose quads overlap by ``merge_iou`` are
    averaged, where a cell's say over an edge fades with its distance from that end of the word, to 1/e in
    ``edge_reach`` heights; of regions that overlap by ``nms_iou`` the best stays, and one that lies by the share
    ``contained`` in better ones of about its height goes; lower ones than ``min_height`` input pixels are dropped;
    at most ``max_regions`` stay, the best."""

    score_threshold: float = _limits(0, 1)
    merge_iou: float = _limits(0, 1)
    edge_reach: float = _limits(0.01)
    nms_iou: float = _limits(0, 1)
    contained: float = _limits(0, 1)
    min_height: float = _limits(0)
    max_regions: int = _limits(1)


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """How pictures of any size meet the buckets; lengths are input pixels.

    A picture that would have to shrink by more than ``max_shrink`` to fit a bucket is read in tiles, which share
    ``overlap`` with their neighbours; at most ``max_tiles``, or it does shrink. Text higher than ``large`` is looked
    for in the whole picture shrunk by ``coarse_shrink``, again and again if need be. A picture whose shorter side is
    under ``grow_to`` is enlarged until it has that, and gets ``border`` of padding all around."""

    overlap: int = _limits(0)
    max_shrink: float = _limits(1)
    max_tiles: int = _limits(1)
    large: float = _limits(16)
    coarse_shrink: float = _limits(1.5)
    grow_to: int = _limits(1)
    border: int = _limits(0)


@dataclass(frozen=True, kw_only=True)
class QualityLimits:
    """From which value on a figure of ``quality.py`` (each in 0..1) is a hint to whoever holds the camera; 0 switches
    a hint off. Text of ``height`` picture pixels is near enough."""

    height: int = _limits(1)
    blur: float = _limits(0, 1)
    motion: float = _limits(0, 1)
    dark: float = _limits(0, 1)
    over_exposed: float = _limits(0, 1)
    glare: float = _limits(0, 1)
    too_far: float = _limits(0, 1)
    tilted: float = _limits(0, 1)
    cut: float = _limits(0, 1)


@dataclass(frozen=True, kw_only=True)
class RecognizeInput:
    """The recognizer's input: uint8 ``[N, height, W]`` grey, W one of ``buckets``; crops are scaled to ``height``,
    and filled with ``padding`` on the right. ``margin`` is how far a crop reaches beyond its quad, in parts of the
    quad's height. A batch holds at most ``max_batch`` crops. A line that comes out narrower than ``min_width``, where
    there is one, is stretched to it: short wide plates with narrow letters leave CTC too few steps."""

    name: str
    dtype: Literal["uint8"]
    layout: Literal["NHW"]
    colour: Literal["grey"]
    height: int = _limits(1)
    buckets: tuple[int, ...] = _limits(1)
    max_batch: int = _limits(1)
    fit: Literal["height-pad-right"]
    resize: Literal["area-down-linear-up"]
    padding: int = _limits(0, 255)
    margin: float = _limits(0, 1)
    min_width: int | None = None


@dataclass(frozen=True, kw_only=True)
class RecognizeOutput:
    """Names of the outputs, each f32 log-probabilities over T = W/stride steps.

    ``flat``: ``symbols [N, T, 1 + len(charset)]``. ``hangul-factorised``: ``symbols [N, T, 1 + len(charset) + 1]``,
    whose last column is "some Hangul syllable", and ``initial [N, T, 19]``, ``medial [N, T, 21]``,
    ``final [N, T, 28]``, which say which one. A flat head has no such keys.
    """

    head: Literal["flat", "hangul-factorised"]
    symbols: str
    initial: str | None = None
    medial: str | None = None
    final: str | None = None
    stride: int = _limits(1)


@dataclass(frozen=True, kw_only=True)
class Narrow:
    """Words of narrow letters, of which a network drops some: one that is read less surely than ``below``, and whose
    characters are on average narrower than ``pitch``, in parts of the crop's height, is read once more, stretched to
    that, at most to ``most`` times its width; not where that is less than ``least`` times. The surer reading counts,
    and the first where both are equally sure."""

    pitch: float = _limits(0.05, 4)
    least: float = _limits(1, 4)
    most: float = _limits(1, 4)
    below: float = _limits(0, 1)


@dataclass(frozen=True, kw_only=True)
class Views:
    """Other ways of looking at a line that is read less surely than ``below``: leaning by each of ``shears`` (columns a
    row), without ``trim`` of its height above and below, with ``sharpen`` times what a Gaussian blur of ``sigma``
    pixels takes from it added, and ``stretch`` times as wide. The text with most confidence behind it counts."""

    below: float = _limits(0, 1)
    shears: tuple[float, ...] = _limits(-1, 1)
    trim: float = _limits(0, 0.4)
    sharpen: float = _limits(0, 8)
    sigma: float = _limits(0.1, 16)
    stretch: float = _limits(0.25, 4)


@dataclass(frozen=True, kw_only=True)
class Words:
    """How the list of words in the file ``words`` settles doubts of one letter (``edge_ocr.words``): letters that a
    word must have at ``least``, and ``odds``, natural logarithms by which a word of the list may be less likely than
    what was read."""

    least: int = _limits(2, 20)
    odds: float = _limits(0, 20)


@dataclass(frozen=True, kw_only=True)
class RecognizeDecode:
    """How symbols become text: ``default`` names the decoder, ``beam_width`` the prefixes that a beam search keeps.
    ``space``: greedy decoding writes a space between two characters where its probability reaches this, though the
    blank wins there; at 1 that never happens. ``digit_switch``, ``case_switch``, ``script_switch``: what a change from
    digit to Latin letter, from upper to lower case, from Hangul to Latin within a word costs a reading, as natural
    logarithms; 0: nothing. ``narrow``: which words are read again, stretched; ``views``: which lines are looked at
    again in other ways; None: none. ``words``: how a list of words is used; None: there is none."""

    default: Literal["greedy", "beam"]
    beam_width: int = _limits(1)
    space: float = _limits(0, 1)
    digit_switch: float = _limits(0, 20)
    case_switch: float = _limits(0, 20)
    script_switch: float = _limits(0, 20)
    narrow: Narrow | None = None
    views: Views | None = None
    words: Words | None = None


@dataclass(frozen=True, kw_only=True)
class Confidence:
    """What a confidence says (``definition``, in words) and the ``temperature`` by which log-probabilities are
    divided before it is computed. Words below ``minimum`` are left out unless the caller asks for them: most are
    things that are no text."""

    definition: str
    temperature: float = _limits(1e-3, 1e3)
    minimum: float = _limits(0, 1)


@dataclass(frozen=True, kw_only=True)
class Quantisation:
    """How the weights and activations became integers: their types, the bits of a weight that are used (seven hold on
    processors that add products in 16 bits), the ``estimator`` of the activations' ranges, the layers that stayed
    float, and the sha256 of the samples that the ranges were taken on."""

    activations: Literal["uint8"]
    weights: Literal["int8"]
    weight_bits: int = _limits(2, 8)
    estimator: str
    keep_float: tuple[str, ...]
    samples: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What every model.json holds. ``languages`` is empty for a model that knows none, such as a detector.
    ``measures`` holds the figures by which the model is known, for example ``{"words_en exact": 0.41}``. A model of
    floats has no ``quantisation``."""

    format: int
    name: str
    task: str
    version: str
    license: str
    languages: tuple[str, ...]
    files: dict[str, FileEntry]
    made: Made
    measures: dict[str, float]
    quantisation: Quantisation | None = None

    def to_dict(self) -> dict[str, Any]:
        """The content of model.json, in the order of the fields."""
        data: dict[str, Any] = _plain(self)
        return data


@dataclass(frozen=True, kw_only=True)
class DetectManifest(Manifest):
    """A detector's model.json. ``quality`` may be missing: then a camera's user gets no hints."""

    input: DetectInput
    output: DetectOutput
    decode: DetectDecode
    tiling: Tiling
    quality: QualityLimits | None = None


@dataclass(frozen=True, kw_only=True)
class RecognizeManifest(Manifest):
    """A recognizer's model.json. ``charset`` is the ordered plain characters without the blank."""

    input: RecognizeInput
    output: RecognizeOutput
    charset: str
    blank: int
    decode: RecognizeDecode
    confidence: Confidence


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
        raise ManifestError(f"{file}: larger than {_MAX_MANIFEST_BYTES >> 20} MiB, so not a manifest. {_REPAIR}")
    try:
        data = json.loads(raw.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise ManifestError(f"{file}: not valid JSON: {error}. {_REPAIR}") from error
    manifest = parse_manifest(data, where=str(file))
    if verify:
        for kind in manifest.files:
            _verify(Path(folder), manifest, kind)
    return manifest


def parse_manifest(data: object, *, where: str = FILE_NAME) -> Manifest:
    """The manifest that ``data``, the decoded JSON, describes; ManifestError names ``where`` and the key."""
    if not isinstance(data, dict):
        _fail(where, "", f"expected an object, found {_kind(data)}")
    if "format" in data and (data["format"] != FORMAT or isinstance(data["format"], bool)):
        raise ManifestError(
            f"{where}: key 'format': this edge_ocr reads format {FORMAT}, the file has {data['format']!r}. "
            "Install the edge-ocr release that the model was made for, or export the model again."
        )
    task = data.get("task")
    if not isinstance(task, str) or task not in _TASKS:
        found = "it is missing" if "task" not in data else f"found {task!r}"
        _fail(where, "task", f"expected one of {', '.join(map(repr, _TASKS))}, {found}")
    manifest = typing.cast(Manifest, _parse(_TASKS[task], data, where, ""))
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
        raise IntegrityError(f"{path}: cannot be read ({error.strerror}). {_REPAIR}") from error
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
        raise IntegrityError(f"{path}: cannot be read ({error.strerror}). {_REPAIR}") from error
    _compare(path, entry, found)


def _compare(path: Path, entry: FileEntry, found: FileEntry) -> None:
    if found.bytes != entry.bytes:
        size = f"more than {entry.bytes}" if found.bytes > entry.bytes else str(found.bytes)
        cause = "foreign or altered" if found.bytes > entry.bytes else "cut off"
        raise IntegrityError(
            f"{path}: {size} bytes where {FILE_NAME} says {entry.bytes}; the file is {cause}. {_REPAIR}"
        )
    if found.sha256 != entry.sha256:
        raise IntegrityError(
            f"{path}: sha256 is {found.sha256[:12]}… where {FILE_NAME} says {entry.sha256[:12]}…; "
            f"the file is altered, or belongs to another {FILE_NAME}. {_REPAIR}"
        )


def _fail(where: str, key: str, problem: str) -> NoReturn:
    place = f"key {key!r}: " if key else ""
    raise ManifestError(f"{where}: {place}{problem}. {_REPAIR}")


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), repr(value))


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key, value in pairs:
        if key in data:
            raise ValueError(f"key {key!r} stands twice")
        data[key] = value
    return data


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number that JSON knows")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        pairs = ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))
        return {name: _plain(part) for name, part in pairs if part is not None}
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(part) for part in value]
    return value


def _parse(cls: type[Any], data: object, where: str, prefix: str) -> Any:
    """``data`` as an instance of the dataclass ``cls``; neither a key more nor a key less."""
    if not isinstance(data, dict):
        _fail(where, prefix.rstrip("."), f"expected an object, found {_kind(data)}")
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for key in data:
        if key not in fields:
            _fail(where, f"{prefix}{key}", f"unknown; known here are {', '.join(fields)}")
    values = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _value(hints[name], data[name], where, f"{prefix}{name}", field.metadata)
        elif field.default is dataclasses.MISSING:
            _fail(where, f"{prefix}{name}", "missing")
    return cls(**values)


def _value(hint: Any, value: Any, where: str, key: str, limits: typing.Mapping[str, Any]) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):  # only "X | None": the key may be absent, but never null
        return _value(arguments[0], value, where, key, limits)
    if dataclasses.is_dataclass(hint):
        return _parse(typing.cast("type[Any]", hint), value, where, f"{key}.")
    if origin is Literal:
        if not isinstance(value, str) or value not in arguments:
            _fail(where, key, f"expected {' or '.join(map(repr, arguments))}, found {value!r}")
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            _fail(where, key, f"expected a list, found {_kind(value)}")
        if arguments[-1] is not Ellipsis and len(value) != len(arguments):
            _fail(where, key, f"expected a list of {len(arguments)}, found {len(value)}")
        return tuple(_value(arguments[0], part, where, f"{key}[{i}]", limits) for i, part in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            _fail(where, key, f"expected an object, found {_kind(value)}")
        return {str(k): _value(arguments[1], part, where, f"{key}.{k}", limits) for k, part in value.items()}
    if hint is str:
        if not isinstance(value, str) or not value:
            _fail(where, key, f"expected a string that is not empty, found {value!r}")
        return value
    if isinstance(value, bool) or not isinstance(value, int if hint is int else (int, float)):
        _fail(where, key, f"expected {'a whole number' if hint is int else 'a number'}, found {_kind(value)}")
    low, high = limits.get("low"), limits.get("high")
    if not math.isfinite(value) or (low is not None and value < low) or (high is not None and value > high):
        _fail(where, key, f"expected a number {_range(low, high)}, found {value!r}")
    return value


def _range(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"in {low:g}..{high:g}"
    return "that is finite" if low is None else f"of at least {low:g}"


def _check(manifest: Manifest, where: str) -> None:
    """What types and limits cannot say: values that must agree with one another."""
    if "onnx" not in manifest.files:
        _fail(where, "files.onnx", "missing")
    names: set[str] = set()
    for kind, entry in manifest.files.items():
        if kind not in _FILE_KINDS:
            _fail(where, f"files.{kind}", f"unknown; known here are {', '.join(_FILE_KINDS)}")
        # a manifest from elsewhere must not reach beyond its own folder
        if entry.path in (".", "..", FILE_NAME) or any(c in entry.path for c in "/\\:\0"):
            _fail(where, f"files.{kind}.path", f"expected a plain file name beside {FILE_NAME}, found {entry.path!r}")
        if entry.path in names:
            _fail(where, f"files.{kind}.path", f"{entry.path!r} is named twice")
        names.add(entry.path)
        if len(entry.sha256) != 64 or set(entry.sha256) - set("0123456789abcdef"):
            _fail(where, f"files.{kind}.sha256", f"expected 64 lower-case hex digits, found {entry.sha256!r}")
    try:
        datetime.date.fromisoformat(manifest.made.date)
    except ValueError:
        _fail(where, "made.date", f"expected a date such as 2026-01-31, found {manifest.made.date!r}")
    if len(set(manifest.languages)) != len(manifest.languages):
        _fail(where, "languages", "a language stands twice")
    if isinstance(manifest, DetectManifest):
        _check_detect(manifest, where)
    elif isinstance(manifest, RecognizeManifest):
        _check_recognize(manifest, where)


def _check_detect(manifest: DetectManifest, where: str) -> None:
    buckets, stride = manifest.input.buckets, manifest.input.stride
    if not buckets or len(set(buckets)) != len(buckets):
        _fail(where, "input.buckets", "expected one [height, width] or more, none twice")
    for i, bucket in enumerate(buckets):
        if any(side % stride for side in bucket):
            _fail(where, f"input.buckets[{i}]", f"{list(bucket)} is not a multiple of the stride, {stride}")
    if stride % manifest.output.stride:
        _fail(where, "output.stride", f"{manifest.output.stride} does not divide the input's stride, {stride}")
    shortest = min(min(bucket) for bucket in buckets)
    if manifest.tiling.border * 2 >= shortest:
        _fail(where, "tiling.border", f"{manifest.tiling.border} on both sides leaves nothing of a bucket's {shortest}")
    if manifest.tiling.overlap >= shortest:
        problem = f"{manifest.tiling.overlap} must be smaller than the buckets' shortest side, {shortest}"
        _fail(where, "tiling.overlap", problem)


def _check_recognize(manifest: RecognizeManifest, where: str) -> None:
    buckets, charset, output = manifest.input.buckets, manifest.charset, manifest.output
    if not buckets or list(buckets) != sorted(set(buckets)):
        _fail(where, "input.buckets", "expected one width or more, growing")
    for i, width in enumerate(buckets):
        if width % output.stride:
            _fail(where, f"input.buckets[{i}]", f"{width} is not a multiple of the output's stride, {output.stride}")
    least = manifest.input.min_width
    if least is not None and not 1 <= least <= buckets[-1]:
        _fail(where, "input.min_width", f"expected a width up to the largest bucket, {buckets[-1]}, found {least}")
    if (manifest.decode.words is None) != ("words" not in manifest.files):
        _fail(where, "decode.words", "a list of words and the file 'words' go together; one of them is missing")
    if not manifest.languages:
        _fail(where, "languages", "a recognizer names at least one language")
    if len(set(charset)) != len(charset):
        twice = next(c for c in charset if charset.count(c) > 1)
        _fail(where, "charset", f"{twice!r} stands twice")
    if any(0xD800 <= ord(c) <= 0xDFFF for c in charset):
        _fail(where, "charset", "holds half a surrogate pair")
    if manifest.blank != 0:
        _fail(where, "blank", f"format {FORMAT} has the blank at index 0, found {manifest.blank!r}")
    parts = {name: getattr(output, name) for name in ("initial", "medial", "final")}
    factorised = output.head == "hangul-factorised"
    for name, value in parts.items():
        if factorised and value is None:
            _fail(where, f"output.{name}", "missing: a factorised head has it")
        if not factorised and value is not None:
            _fail(where, f"output.{name}", "a flat head has no such output")
    if factorised and (syllable := next((c for c in charset if 0xAC00 <= ord(c) <= 0xD7A3), None)) is not None:
        _fail(where, "charset", f"{syllable!r} is a Hangul syllable: a factorised head writes it from its parts")
    outputs = [output.symbols, *(value for value in parts.values() if value is not None)]
    if len(set(outputs)) != len(outputs):
        _fail(where, "output", "two outputs have the same name")
