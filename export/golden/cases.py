"""The inputs of the golden files that need no model: drawn from fixed seeds, and said in words."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr import ctc
from edge_ocr import geometry as g
from edge_ocr.detect import encode

__all__ = ["WHAT", "cases"]

Values = dict[str, Any]
Image = NDArray[np.uint8]

_QUADS = "Quads are four points (x, y) in pixels, clockwise from the top left of the text as it is read."

# kind -> (what it shows, tolerances by key)
WHAT: dict[str, tuple[str, dict[str, float]]] = {
    "letterbox": (
        "A picture laid into a canvas of size (height, width), as large as fits, aspect kept, in the middle, the rest "
        "filled with padding. An axis that shrinks is averaged over the area that a pixel covers, one that grows is "
        "interpolated linearly. At least border pixels stay free on each side; the scale stays under max_scale (null: "
        "no bound). scale and offset are (x, y): canvas = picture * scale + offset.",
        {"image": 1, "scale": 1e-5, "offset": 0},
    ),
    "line": (
        "An upright crop as a recognizer's input: luma (Rec. 601) of RGB, then scaled to height, aspect kept, by the "
        "rule of letterbox; wider ones than max_width (null: no bound) are squeezed to it, narrower ones than "
        "min_width stretched.",
        {"image": 1},
    ),
    "decode": (
        "Score and geometry maps to words. A cell (row, column) stands for the pixel ((column + 0.5) * stride, (row + "
        "0.5) * stride); its geometry is the distance to the top, right, bottom and left edge along the word's own "
        "axes, and the angle in radians, clockwise. Words are listed by their centres: top to bottom, then left to "
        "right. " + _QUADS,
        {"quads": 0.02, "scores": 1e-4},
    ),
    "nms": (
        "Which quads stay, most support first. One goes that overlaps a better one by iou, or of which the share "
        "contained lies in better ones of about its height; partial ones are known to be cut off, and their height "
        "says nothing. " + _QUADS,
        {},
    ),
    "crop": (
        "Upright crops out of a picture, grown by margin (in parts of the quad's height) on every side; text stands "
        "turned by turn quarter turns clockwise in its quad. Level quads are cut and, if more than twice as high as "
        "height, shrunk; others are warped to a height between height and twice that. Pixels beyond the picture repeat "
        "its border. " + _QUADS,
        {"image": 2},
    ),
    "ctc-greedy": (
        "Best path: the arg-max of each column, repeats collapsed, blanks (symbol 0) dropped. symbols is [columns][1 + "
        "charset], natural log-probabilities; with initial, medial and final its last entry says 'some syllable', "
        "which is composed of each part's arg-max as U+AC00 + (initial * 21 + medial) * 28 + final. A confidence is "
        "the highest probability of the whole symbol among its columns (first, last). Where the blank won between two "
        "characters, a space is written if its probability reaches space.",
        {"confidences": 1e-4, "log_prob": 1e-3},
    ),
    "ctc-beam": (
        "Prefix beam search: of each column the top likeliest symbols besides the blank, none under the log-"
        "probability floor, width prefixes kept. log_prob is the natural logarithm of the sum over the alignments "
        "visited. The best few are listed, best first. For symbols and parts see ctc-greedy.json.",
        {"log_prob": 1e-3},
    ),
    "layout": (
        "Words to lines in reading order. words of a line are indices into the given words, in reading order; text has "
        "spaces where there are some. " + _QUADS,
        {"quad": 0.05, "confidence": 1e-4},
    ),
}


def cases(kind: str) -> list[tuple[str, Values]]:
    """(name, given) of every case of a kind."""
    made: dict[str, Any] = {
        "letterbox": _letterbox,
        "line": _line,
        "decode": _decode,
        "nms": _nms,
        "crop": _crop,
        "ctc-greedy": _greedy,
        "ctc-beam": _beam,
        "layout": _layout,
    }
    found: list[tuple[str, Values]] = made[kind]()
    return found


def _picture(height: int, width: int, seed: int) -> Image:
    """Edges of all directions, soft slopes and a little grain."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    ground = np.stack([120 + 80 * np.sin(x / 17 + k) * np.cos(y / (11 + 3 * k)) for k in range(3)], -1)
    image = np.clip(ground + rng.normal(0, 4, ground.shape), 0, 255).astype(np.uint8)
    for _ in range(height * width // 500):
        a, b = (int(rng.integers(0, s)) for s in (width, height))
        c, d = (int(v) for v in rng.integers(-20, 20, 2))
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        cv2.line(image, (a, b), (a + c, b + d), colour, int(rng.integers(1, 4)), cv2.LINE_AA)
    return image


def _letterbox() -> list[tuple[str, Values]]:
    def case(h: int, w: int, size: tuple[int, int], border: int = 0, most: float | None = None) -> Values:
        return {"image": _picture(h, w, h + w), "size": list(size), "padding": 114, "border": border, "max_scale": most}

    return [
        ("shrunk", case(97, 151, (64, 96))),
        ("enlarged", case(21, 30, (64, 96), border=8)),
        ("not-enlarged", case(40, 50, (64, 96), most=1.0)),
        ("exact", case(32, 64, (32, 64))),
        ("thin", case(3, 120, (32, 64))),
    ]


def _line() -> list[tuple[str, Values]]:
    return [
        ("rgb-shrunk", {"image": _picture(51, 140, 1), "height": 32, "max_width": None, "min_width": None}),
        ("rgb-enlarged", {"image": _picture(19, 44, 2), "height": 32, "max_width": None, "min_width": None}),
        (
            "grey-squeezed",
            {"image": _picture(40, 150, 3)[..., 0].copy(), "height": 32, "max_width": 96, "min_width": None},
        ),
        (
            "grey-stretched",
            {"image": _picture(30, 40, 4)[..., 0].copy(), "height": 32, "max_width": None, "min_width": 120},
        ),
    ]


_OPTIONS = {
    "score_threshold": 0.7, "merge_iou": 0.4, "edge_reach": 0.6, "nms_iou": 0.2, "contained": 0.6, "min_height": 4.0,
    "max_regions": 2000, "stride": 4,
}  # fmt: skip


def _decode() -> list[tuple[str, Values]]:
    def word(x: float, y: float, w: float, h: float, degrees: float = 0.0) -> NDArray[np.float64]:
        return g.rectangle_quads(np.array([[x, y]]), np.array([[w, h]]), np.array([np.deg2rad(degrees)]))[0]

    layouts = {
        "level": [word(44, 20, 70, 16), word(126, 22, 60, 14), word(66, 60, 104, 22), word(60, 100, 40, 10)],
        "tilted": [word(60, 40, 90, 18, 12), word(120, 84, 70, 16, -25), word(30, 96, 16, 44, 4)],
        "nothing": [],
    }
    found = []
    for number, (name, quads) in enumerate(layouts.items()):
        rng = np.random.default_rng(number)
        targets = encode(np.array(quads).reshape(-1, 4, 2), np.zeros(len(quads), bool), (128, 160))
        noise = rng.uniform(0.0, 0.28, targets.score.shape)
        score = np.where(targets.score > 0, 1 - noise, noise).astype(np.float32)
        wobble = rng.normal(0, 1, targets.geometry.shape) * np.array([0.5, 1.5, 0.5, 1.5, 0.01])
        geometry = np.where(targets.geometry.any(-1, keepdims=True), targets.geometry + wobble, 8.0).astype(np.float32)
        found.append((name, {"score": score, "geometry": geometry, "options": dict(_OPTIONS)}))
    return found


def _nms() -> list[tuple[str, Values]]:
    def box(x0: float, y0: float, x1: float, y1: float) -> list[list[float]]:
        return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]

    tilted = g.rectangle_quads(np.array([[200.0, 60.0]]), np.array([[80.0, 20.0]]), np.array([0.5]))[0].round(3)
    quads = [
        box(10, 10, 110, 30),  # 0: the best
        box(14, 11, 112, 31),  # 1: the same word again
        box(12, 12, 40, 28),  # 2: a fragment of it
        box(16, 14, 22, 20),  # 3: small print on a big letter
        box(100, 10, 170, 30),  # 4: the next word, sharing an edge
        tilted.tolist(),
        (tilted + [6.0, 3.0]).round(3).tolist(),
    ]
    support = [30.0, 12.0, 20.0, 3.0, 18.0, 9.0, 7.5]
    usual: Values = {"quads": quads, "support": support, "iou": 0.2, "contained": 0.6}
    strict: Values = {**usual, "iou": 0.05, "contained": 0.9}
    cut = [False, False, False, True, False, False, False]
    return [
        ("usual", {**usual, "partial": None}),
        ("strict", {**strict, "partial": None}),
        ("partial", {**usual, "partial": cut}),
    ]


def _crop() -> list[tuple[str, Values]]:
    image = _picture(120, 180, 5)
    usual = {"image": image, "height": 32, "margin": 0.15}
    level = [[[20.0, 12.0], [90.0, 12.0], [90.0, 40.0], [20.0, 40.0]]]
    tilted = [[[30.0, 60.0], [110.0, 40.0], [116.0, 62.0], [36.0, 84.0]]]
    perspective = [[[20.0, 20.0], [150.0, 34.0], [148.0, 70.0], [24.0, 100.0]]]
    outside = [[[-12.0, 90.0], [60.0, 84.0], [62.0, 114.0], [-10.0, 126.0]]]
    return [
        ("level", {**usual, "quads": level, "turn": 0}),
        ("tilted", {**usual, "quads": tilted, "turn": 0}),
        ("perspective", {**usual, "quads": perspective, "turn": 0}),
        ("beyond-the-border", {**usual, "quads": outside, "turn": 0}),
        ("turned", {**usual, "quads": tilted, "turn": 1}),
        ("large", {**usual, "height": 16, "quads": perspective, "turn": 0}),
    ]


_CHARSET = "AB1 ."


def _normalise(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    top = scores - scores.max(-1, keepdims=True)
    return np.asarray((top - np.log(np.exp(top).sum(-1, keepdims=True))).round(4))


def _flat(text: str, seed: int, sure: float) -> Values:
    """Columns that say ``text`` (``_`` a blank), each column a letter of it, with noise."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 1, (len(text), 1 + len(_CHARSET)))
    for t, c in enumerate(text):
        scores[t, 0 if c == "_" else 1 + _CHARSET.index(c)] += sure
    return {"charset": _CHARSET, "symbols": _normalise(scores).tolist()}


def _factorised(text: str, seed: int, sure: float) -> Values:
    rng = np.random.default_rng(seed)
    sizes = {"symbols": len(_CHARSET) + 2, "initial": ctc.INITIALS, "medial": ctc.MEDIALS, "final": ctc.FINALS}
    scores = {k: rng.normal(0, 1, (len(text), n)) for k, n in sizes.items()}
    for t, c in enumerate(text):
        if "가" <= c <= "힣":
            scores["symbols"][t, -1] += sure
            for key, part in zip(("initial", "medial", "final"), ctc.decompose(c), strict=True):
                scores[key][t, part] += sure + 2
        else:
            scores["symbols"][t, 0 if c == "_" else 1 + _CHARSET.index(c)] += sure
    return {"charset": _CHARSET, **{k: _normalise(v).tolist() for k, v in scores.items()}}


def _greedy() -> list[tuple[str, Values]]:
    none: Values = {"space": 1.0, "switches": {"digit": 0.0, "case": 0.0, "script": 0.0}}
    usual: Values = {"space": 1.0, "switches": {"digit": 1.5, "case": 1.0, "script": 1.0}}
    return [
        ("flat", {**_flat("__AA_AB_11_", 1, 6.0), **none}),
        ("flat-space", {**_flat("A__B_1__A", 2, 1.5), **none, "space": 0.15}),
        ("flat-unsure", {**_flat("_A_B1_", 3, 1.0), **none}),
        ("flat-switches", {**_flat("_A_B_1_A_1_1_B_1_", 9, 2.0), **usual}),
        ("hangul", {**_factorised("_가가_각_힣B1_", 4, 6.0), **none}),
        ("hangul-unsure", {**_factorised("_각_A_", 5, 1.5), **none}),
        ("hangul-switches", {**_factorised("_각_A_1_가_1_1_", 8, 2.5), **usual}),
    ]


def _beam() -> list[tuple[str, Values]]:
    usual: Values = {"width": 8, "top": 6, "floor": -12.0, "best": 3}
    return [
        ("flat", {**_flat("__AA_AB_11_", 1, 6.0), **usual}),
        ("flat-unsure", {**_flat("_A_B1_", 3, 1.0), **usual}),
        ("flat-wide", {**_flat("AAB_", 6, 0.5), **usual, "width": 64, "top": 5}),
        ("hangul", {**_factorised("_가가_각_힣B1_", 4, 6.0), **usual}),
        ("hangul-unsure", {**_factorised("_각_A_", 5, 1.5), **usual}),
    ]


def _layout() -> list[tuple[str, Values]]:
    def put(text: str, x: float, y: float, h: float = 20.0) -> list[Values]:
        words = []
        for word in text.split(" "):
            w = sum(0.9 if "가" <= c <= "힣" else 0.5 for c in word) * h
            words.append({"text": word, "quad": [[x, y], [x + w, y], [x + w, y + h], [x, y + h]]})
            x += w + 0.3 * h
        return words

    def page(words: list[Values], seed: int, degrees: float = 0.0) -> Values:
        rng = np.random.default_rng(seed)
        quads = np.array([w["quad"] for w in words]) + rng.normal(0, 0.4, (len(words), 4, 2))
        quads = g.rotate(quads, np.deg2rad(degrees)).round(2)
        listed = [
            {"text": w["text"], "confidence": round(0.5 + 0.05 * (i % 10), 2), "quad": q}
            for i, (w, q) in enumerate(zip(words, quads.tolist(), strict=True))
        ]
        return {"words": [listed[int(i)] for i in rng.permutation(len(listed))]}

    receipt = []
    for i, (item, price) in enumerate([("아메리카노", "4,500"), ("카페 라떼", "5,600"), ("물", "1,000")]):
        receipt += put(item, 40, 90 + 34 * i) + put(price, 400, 90 + 34 * i)
    receipt = put("동네 가게", 150, 20, 30) + receipt + put("합 계 11,100", 40, 220)
    left = ["The quick brown fox jumps over", "the lazy dog while the sleepy", "cat watches from a wooden wall"]
    right = ["Meanwhile the mouse has eaten", "all of the cheese that lay on", "the table and hides below it"]
    columns = [w for i, t in enumerate(left) for w in put(t, 20, 20 + 28 * i)]
    columns += [w for i, t in enumerate(right) for w in put(t, 400, 20 + 28 * i)]
    return [
        ("line", page(put("오늘 Open 09:00", 20, 30), 1)),
        ("receipt", page(receipt, 2)),
        ("receipt-tilted", page(receipt, 3, 4.0)),
        ("columns", page(columns, 4)),
        ("nothing", {"words": []}),
    ]
