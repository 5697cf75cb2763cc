"""Composes demo/sample.jpg: signs and a notice, lettered here, set into a photograph of a lake.

    python demo/make_sample.py --ingredients DIR

DIR has ``backgrounds/`` and ``fonts/hangul/`` as training/ingredients gathers them. The faces are of families that
training leaves aside (IBM Plex Sans KR, Gowun Batang, Hahmlet), so the models have not seen the type; they may have
met the photograph, without the signs, as a background.
Needs Pillow beside the runtime. The same ingredients give the same bytes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

BACKGROUND = "budgie_07.webp"  # mountains over a lake; Buddies of Budgie, CC0
HERE = Path(__file__).resolve().parent

Image = NDArray[np.uint8]
Corners = list[tuple[float, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description="Composes the sample picture of the demo.")
    parser.add_argument("--ingredients", type=Path, default=Path("ingredients"), metavar="DIR")
    parser.add_argument("--out", type=Path, default=HERE / "sample.jpg", metavar="FILE")
    options = parser.parse_args()
    fonts = options.ingredients / "fonts" / "hangul"
    with PillowImage.open(options.ingredients / "backgrounds" / BACKGROUND) as opened:
        scene = np.array(opened.convert("RGB"))

    rng = np.random.default_rng(2026)
    board = panel((560, 300), (28, 74, 58), [
        ("ibm-plex-sans-kr-700", 64, (32, 26), "푸른호수 전망대", (250, 250, 244)),
        ("ibm-plex-sans-kr-400", 44, (32, 116), "Blue Lake Viewpoint", (236, 240, 228)),
        ("ibm-plex-sans-kr-400", 38, (32, 190), "해발 1,284 m", (244, 214, 120)),
        ("ibm-plex-sans-kr-400", 38, (300, 190), "Open 09:00", (244, 214, 120)),
    ], fonts, rim=(226, 232, 222))
    arrow = panel((380, 130), (238, 196, 60), [
        ("ibm-plex-sans-kr-700", 46, (24, 6), "주차장 300 m", (40, 34, 20)),
        ("ibm-plex-sans-kr-400", 34, (24, 64), "Parking P2", (40, 34, 20)),
    ], fonts, rim=(40, 34, 20))
    notice = panel((430, 540), (246, 243, 234), [
        ("hahmlet-700", 56, (36, 24), "안내 말씀", (160, 30, 30)),
        ("gowun-batang-400", 34, (36, 120), "쓰레기는 꼭 되가져가", (30, 30, 34)),
        ("gowun-batang-400", 34, (36, 168), "주시기 바랍니다.", (30, 30, 34)),
        ("gowun-batang-400", 32, (36, 240), "Please take your litter", (30, 30, 34)),
        ("gowun-batang-400", 32, (36, 284), "home with you.", (30, 30, 34)),
        ("gowun-batang-700", 34, (36, 366), "문의 02-555-0142", (30, 30, 34)),
        ("gowun-batang-400", 30, (36, 430), "2026. 3. 14. 공원사무소", (70, 70, 76)),
    ], fonts)

    post(scene, (262, 330), (262, 719), 24, (92, 70, 52))
    post(scene, (560, 330), (556, 719), 24, (84, 64, 48))
    place(scene, board, [(130, 120), (668, 150), (664, 420), (134, 436)], light=(1.0, 0.86))
    place(scene, arrow, [(224, 470), (560, 462), (558, 574), (226, 590)], light=(0.9, 1.0))
    post(scene, (1004, 420), (1004, 719), 20, (100, 78, 58))
    place(scene, notice, [(828, 214), (1160, 190), (1176, 622), (838, 600)], light=(1.0, 0.82))

    grain = rng.normal(0, 3.0, scene.shape)
    scene = np.clip(cv2.GaussianBlur(scene, (0, 0), 0.6) + grain, 0, 255).astype(np.uint8)
    PillowImage.fromarray(scene).save(options.out, quality=88, subsampling=0, optimize=True)
    print(f"{options.out}: {options.out.stat().st_size / 1000:.0f} kB")


def panel(
    size: tuple[int, int],
    ground: tuple[int, int, int],
    texts: list[tuple[str, int, tuple[int, int], str, tuple[int, int, int]]],
    fonts: Path,
    rim: tuple[int, int, int] | None = None,
) -> Image:
    """A sign seen from the front, uint8 ``[h, w, 3]``: ``texts`` are (face, pixels, top left, text, colour)."""
    picture = PillowImage.new("RGB", size, ground)
    draw = ImageDraw.Draw(picture)
    if rim is not None:
        draw.rectangle((8, 8, size[0] - 9, size[1] - 9), outline=rim, width=4)
    for face, pixels, at, text, colour in texts:
        draw.text(at, text, colour, ImageFont.truetype(str(fonts / f"{face}.woff2"), pixels))
    return np.array(picture)


def place(scene: Image, sign: Image, corners: Corners, *, light: tuple[float, float]) -> None:
    """Warps a sign into the scene, with a shadow behind it, ``light`` from its left side to its right one."""
    height, width = sign.shape[:2]
    shade = np.linspace(light[0], light[1], width)[None, :, None]
    lit = np.clip(sign * shade, 0, 255).astype(np.uint8)
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    target = np.array(corners, np.float32)
    size = (scene.shape[1], scene.shape[0])
    shadow = np.zeros(scene.shape[:2], np.uint8)
    cv2.fillConvexPoly(shadow, np.rint(target + 9).astype(np.int32), 255)
    dark = cv2.GaussianBlur(shadow, (0, 0), 7)[:, :, None] / 255 * 0.5
    matrix = cv2.getPerspectiveTransform(source, target)
    # drawn at twice the size and shrunk by area, so that small letters are sampled as a lens would
    double = np.diag([2.0, 2.0, 1.0]) @ matrix
    big = (size[0] * 2, size[1] * 2)
    warped = cv2.resize(cv2.warpPerspective(lit, double, big), size, interpolation=cv2.INTER_AREA)
    mask = np.full((height, width), 255, np.uint8)
    cover = cv2.resize(cv2.warpPerspective(mask, double, big), size, interpolation=cv2.INTER_AREA)[:, :, None] / 255
    scene[:] = np.clip(scene * (1 - dark) * (1 - cover) + warped * (cover > 0), 0, 255).astype(np.uint8)


def post(scene: Image, top: tuple[int, int], foot: tuple[int, int], width: int, colour: tuple[int, int, int]) -> None:
    """A wooden post, lighter on its left."""
    for step in range(width):
        shade = 1.15 - 0.6 * step / width
        x = step - width // 2
        tone = tuple(min(255, round(c * shade)) for c in colour)
        cv2.line(scene, (top[0] + x, top[1]), (foot[0] + x, foot[1]), tone, 2)


if __name__ == "__main__":
    main()
