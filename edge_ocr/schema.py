"""What model.json holds: a dataclass for each of its objects.

A number on which training, this runtime and a phone must agree stands in the model's ``model.json`` and nowhere
else, so no field here has a default. The dataclasses *are* the schema: a field's type, and its limits in ``metadata``,
are what is enforced. Lengths are pixels of the network's input and angles radians, unless the name of the field says
otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from edge_ocr.strict import limits, plain

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
]


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    """A file beside model.json: plain name, size, lower-case hex sha256."""

    path: str
    bytes: int = limits(1)
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Made:
    """How the model came to be: the command that makes it again, when, on what, for how many minutes, from how many
    samples, and what the samples were drawn or taken from."""

    command: str
    date: str
    machine: str
    minutes: float = limits(0)
    samples: int = limits(0)
    source: str


@dataclass(frozen=True, kw_only=True)
class DetectInput:
    """The detector's input: uint8 ``[N, H, W, 3]`` RGB, letterboxed into one of ``buckets`` (height, width; each a
    multiple of ``stride``), the rest filled with ``padding``."""

    name: str
    dtype: Literal["uint8"]
    layout: Literal["NHWC"]
    colour: Literal["RGB"]
    stride: int = limits(1)
    buckets: tuple[tuple[int, int], ...] = limits(1)
    fit: Literal["letterbox"]
    resize: Literal["area-down-linear-up"]
    padding: int = limits(0, 255)


@dataclass(frozen=True, kw_only=True)
class DetectOutput:
    """Names of the outputs: score f32 ``[N, H/stride, W/stride]`` in 0..1, and geometry f32 ``[N, H/stride,
    W/stride, 5]``: pixels to the top, right, bottom and left edge, and the angle."""

    score: str
    geometry: str
    stride: int = limits(1)


@dataclass(frozen=True, kw_only=True)
class DetectDecode:
    """From maps to regions: cells over ``score_threshold``; neighbours whose quads overlap by ``merge_iou`` are
    averaged, where a cell's say over an edge fades with its distance from that end of the word, to 1/e in
    ``edge_reach`` heights; of regions that overlap by ``nms_iou`` the best stays, and one that lies by the share
    ``contained`` in better ones of about its height goes; lower ones than ``min_height`` input pixels are dropped;
    at most ``max_regions`` stay, the best."""

    score_threshold: float = limits(0, 1)
    merge_iou: float = limits(0, 1)
    edge_reach: float = limits(0.01)
    nms_iou: float = limits(0, 1)
    contained: float = limits(0, 1)
    min_height: float = limits(0)
    max_regions: int = limits(1)


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """How pictures of any size meet the buckets; lengths are input pixels.

    A picture that would have to shrink by more than ``max_shrink`` to fit a bucket is read in tiles, which share
    ``overlap`` with their neighbours; at most ``max_tiles``, or it does shrink. Text higher than ``large`` is looked
    for in the whole picture shrunk by ``coarse_shrink``, again and again if need be. A picture whose shorter side is
    under ``grow_to`` is enlarged until it has that, and gets ``border`` of padding all around."""

    overlap: int = limits(0)
    max_shrink: float = limits(1)
    max_tiles: int = limits(1)
    large: float = limits(16)
    coarse_shrink: float = limits(1.5)
    grow_to: int = limits(1)
    border: int = limits(0)


@dataclass(frozen=True, kw_only=True)
class QualityLimits:
    """From which value on a figure of ``quality.py`` (each in 0..1) is a hint to whoever holds the camera; 0 switches
    a hint off. Text of ``height`` picture pixels is near enough."""

    height: int = limits(1)
    blur: float = limits(0, 1)
    motion: float = limits(0, 1)
    dark: float = limits(0, 1)
    over_exposed: float = limits(0, 1)
    glare: float = limits(0, 1)
    too_far: float = limits(0, 1)
    tilted: float = limits(0, 1)
    cut: float = limits(0, 1)


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
    height: int = limits(1)
    buckets: tuple[int, ...] = limits(1)
    max_batch: int = limits(1)
    fit: Literal["height-pad-right"]
    resize: Literal["area-down-linear-up"]
    padding: int = limits(0, 255)
    margin: float = limits(0, 1)
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
    stride: int = limits(1)


@dataclass(frozen=True, kw_only=True)
class Narrow:
    """Words of narrow letters, of which a network drops some: one that is read less surely than ``below``, and whose
    characters are on average narrower than ``pitch``, in parts of the crop's height, is read once more, stretched to
    that, at most to ``most`` times its width; not where that is less than ``least`` times. The surer reading counts,
    and the first where both are equally sure."""

    pitch: float = limits(0.05, 4)
    least: float = limits(1, 4)
    most: float = limits(1, 4)
    below: float = limits(0, 1)


@dataclass(frozen=True, kw_only=True)
class Views:
    """Other ways of looking at a line that is read less surely than ``below``: leaning by each of ``shears`` (columns a
    row), without ``trim`` of its height above and below, with ``sharpen`` times what a Gaussian blur of ``sigma``
    pixels takes from it added, and ``stretch`` times as wide. The text with most confidence behind it counts."""

    below: float = limits(0, 1)
    shears: tuple[float, ...] = limits(-1, 1)
    trim: float = limits(0, 0.4)
    sharpen: float = limits(0, 8)
    sigma: float = limits(0.1, 16)
    stretch: float = limits(0.25, 4)


@dataclass(frozen=True, kw_only=True)
class Words:
    """How the list of words in the file ``words`` settles doubts of one letter (``edge_ocr.words``): letters that a
    word must have at ``least``, and ``odds``, natural logarithms by which a word of the list may be less likely than
    what was read."""

    least: int = limits(2, 20)
    odds: float = limits(0, 20)


@dataclass(frozen=True, kw_only=True)
class RecognizeDecode:
    """How symbols become text: ``default`` names the decoder, ``beam_width`` the prefixes that a beam search keeps.
    ``space``: greedy decoding writes a space between two characters where its probability reaches this, though the
    blank wins there; at 1 that never happens. ``digit_switch``, ``case_switch``, ``script_switch``: what a change from
    digit to Latin letter, from upper to lower case, from Hangul to Latin within a word costs a reading, as natural
    logarithms; 0: nothing. ``narrow``: which words are read again, stretched; ``views``: which lines are looked at
    again in other ways; None: none. ``words``: how a list of words is used; None: there is none."""

    default: Literal["greedy", "beam"]
    beam_width: int = limits(1)
    space: float = limits(0, 1)
    digit_switch: float = limits(0, 20)
    case_switch: float = limits(0, 20)
    script_switch: float = limits(0, 20)
    narrow: Narrow | None = None
    views: Views | None = None
    words: Words | None = None


@dataclass(frozen=True, kw_only=True)
class Confidence:
    """What a confidence says (``definition``, in words) and the ``temperature`` by which log-probabilities are
    divided before it is computed. Words below ``minimum`` are left out unless the caller asks for them: most are
    things that are no text."""

    definition: str
    temperature: float = limits(1e-3, 1e3)
    minimum: float = limits(0, 1)


@dataclass(frozen=True, kw_only=True)
class Quantisation:
    """How the weights and activations became integers: their types, the bits of a weight that are used (seven hold on
    processors that add products in 16 bits), the ``estimator`` of the activations' ranges, the layers that stayed
    float, and the sha256 of the samples that the ranges were taken on."""

    activations: Literal["uint8"]
    weights: Literal["int8"]
    weight_bits: int = limits(2, 8)
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
        data: dict[str, Any] = plain(self)
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
