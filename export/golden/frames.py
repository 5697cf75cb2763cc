"""The pictures of the golden files of models: drawn once from the ingredients, kept as PNG, and read from there since.

A frame for each model, and an input as its network gets it: the frame itself, or the first line of its text. Each
comes with what is written in it, so that a model which reads something else is noticed when the golden files are made.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr.manifest import DetectManifest, Manifest, RecognizeManifest
from edge_ocr.preprocess import crop_to_line, letterbox

__all__ = ["NAMES", "draw", "network_input"]

Image = NDArray[np.uint8]
NAMES = ("detector", "ko", "en", "plate-kr", "mrz")

# lines of a frame: (x, y, pixels, text)
_PAGES: dict[str, list[tuple[int, int, int, str]]] = {
    "detector": [(24, 20, 34, "푸른호수 Cafe"), (40, 84, 26, "Open 09:00"), (30, 140, 24, "아메리카노 4,500"),
                 (30, 180, 24, "Total 12,300")],
    "ko": [(28, 30, 34, "서울특별시 중구"), (28, 96, 28, "오늘의 추천 메뉴"), (28, 150, 26, "따뜻한 커피 4,500원")],
    "en": [(28, 30, 34, "Grand Hotel"), (28, 96, 28, "Open daily 9:30"), (28, 150, 26, "Main Street 42")],
}  # fmt: skip
PLATE = ("white8", ("123가4567",))
ZONE = (
    "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
    "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
)


def draw(name: str, ingredients: Path) -> tuple[Image, str]:
    """The frame of a model uint8 ``[h, w, 3]`` RGB, and what is written in it."""
    if name == "plate-kr":
        return _plate(ingredients)
    if name == "mrz":
        return _zone(ingredients)
    face = ingredients / "fonts" / "hangul" / "ibm-plex-sans-kr-400.woff2"
    if name == "en":
        face = sorted((ingredients / "fonts" / "latin").glob("*"))[9]
    lines = _PAGES[name]
    return _letter((240, 320), face, lines), "\n".join(text for _, _, _, text in lines)


# where the first line stands in the frames: x0, y0, x1, y1
_FIRST = {"ko": (24, 30, 290, 78), "en": (24, 32, 240, 76), "plate-kr": (62, 112, 250, 160), "mrz": (18, 116, 330, 150)}


def network_input(name: str, frame: Image, manifest: Manifest) -> Image:
    """What the network is given of a frame: the canvas, or the first line in the narrowest bucket that holds it."""
    if isinstance(manifest, DetectManifest):
        bucket = min(manifest.input.buckets, key=lambda b: b[0] * b[1])
        return letterbox(frame, bucket, manifest.input.padding, max_scale=1.0).image
    assert isinstance(manifest, RecognizeManifest)
    given = manifest.input
    x0, y0, x1, y1 = _FIRST[name]
    widths = {"max_width": given.buckets[-1], "min_width": given.min_width}
    line = crop_to_line(frame[y0:y1, x0:x1], height=given.height, **widths)
    bucket_width = next(b for b in given.buckets if b >= line.shape[1])
    canvas = np.full((given.height, bucket_width), given.padding, np.uint8)
    canvas[:, : line.shape[1]] = line
    return canvas


def _letter(size: tuple[int, int], face: Path, lines: list[tuple[int, int, int, str]]) -> Image:
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    slope = np.linspace(236, 206, size[1])[None, :].repeat(size[0], 0)
    page = Pillow.fromarray(np.stack([slope, slope - 4, slope - 14], -1).astype(np.uint8))
    pen = ImageDraw.Draw(page)
    for x, y, pixels, text in lines:
        pen.text((x, y), text, (38, 40, 52), ImageFont.truetype(str(face), pixels))
    return _seen(np.array(page))


def _seen(page: Image) -> Image:
    """As a camera sees it: a little turned, and a little soft."""
    h, w = page.shape[:2]
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    moved = corners + np.array([[3, 2], [-2, 5], [-5, -3], [6, -2]], np.float32)
    matrix = cv2.getPerspectiveTransform(corners, moved)
    warped = cv2.warpPerspective(page, matrix, (w, h), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.GaussianBlur(warped, (0, 0), 0.5), np.uint8)


def _plate(ingredients: Path) -> tuple[Image, str]:
    from training.synth.plate import PlateSynth

    name, lines = PLATE
    synth = PlateSynth.load(ingredients)
    drawn, _ = synth.draw(np.random.default_rng(3), name, lines)
    scale = 190 / drawn.shape[1]
    small = cv2.resize(drawn, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    frame = np.full((240, 320, 3), (70, 74, 82), np.uint8)
    y, x = 110, 60
    frame[y : y + small.shape[0], x : x + small.shape[1]] = small[..., None]
    return _seen(frame), "".join(lines)


def _zone(ingredients: Path) -> tuple[Image, str]:
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    page: Any = Pillow.new("RGB", (640, 240), (226, 226, 220))
    pen = ImageDraw.Draw(page)
    face = ImageFont.truetype(str(ingredients / "fonts" / "machine" / "OCRB.otf"), 23)
    for i, line in enumerate(ZONE):
        for k, c in enumerate(line):
            pen.text((22 + 13.4 * k, 120 + 40 * i), c, (36, 36, 40), face)
    return _seen(np.array(page)), "\n".join(ZONE)
