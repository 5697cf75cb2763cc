r"""Labelled pictures to videos as a hand or a car would film them, with the truth of every frame.

    python -m benchmarks.clips data/scene_en --out out/clips --kind hand --seed 1
    python -m benchmarks.clips --draw 20 --ingredients ingredients --out out/clips
    python -m benchmarks.clips demo/sample.jpg --out demo --name clip --seconds 5 --fps 12 --from 0.3,0.44 \
        --to 0.74,0.5 --zoom 0.95,1.0 --seed 3

A labelled folder holds ``images/`` and ``labels.jsonl`` (``{"image", "polygons", "texts", "ignore"}`` a line); pictures
whose texts have no place there (``polygons`` null or empty), or that cannot be read, are named and left out. A plain
picture is filmed without a truth. ``--draw`` makes boards of a few words instead, lettered in faces that training
leaves aside. Each clip becomes ``NAME.mp4`` (or .avi) and ``NAME.jsonl``: a first line with how it was made, then, for
each frame, ``{"frame", "ms", "polygons", "texts", "ids", "ignore", "blur"}``: ``ids`` number the texts of the picture,
``ignore`` marks what reaches beyond the frame or is lower than 8 pixels, ``blur`` is the lens's, in pixels.

The camera is a pinhole over the flat picture: a path, a tremor of the hand, zoom and tilt; the lens hunts for focus;
the exposure takes time (motion blur) and settles when the light changes; rows are read one after the other (rolling
shutter); noise; the codec compresses. The same arguments give the same frames.

Exit status: 0 clips were made, 1 none.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_ocr.errors import EdgeOcrError

Image = NDArray[np.uint8]
Floats = NDArray[np.float64]

BANDS = 8  # groups of rows that are read at one time
CODECS = {"mp4": ("mp4v", ".mp4"), "mjpg": ("MJPG", ".avi")}
RESERVED = ("ibm-plex-sans-kr", "gowun-batang", "hahmlet")
LEAST = 8.0  # pixels: lower text need not be read


@dataclass(frozen=True)
class Shot:
    """How a picture is filmed. ``start`` and ``end``: where in the picture, in parts of it, the camera looks;
    ``zoom``: frame pixels per picture pixel at the start and at the end; ``tilt``: greatest angle between camera and
    picture, degrees; ``turn``: greatest roll, degrees; ``shake``: tremor, frame pixels; ``bump``: sudden jolts, frame
    pixels; ``exposure``: shutter time in parts of the frame's; ``rolling``: time to read all rows, in parts of it;
    ``defocus``: how far the lens runs out of focus, frame pixels; ``light``: how far the light changes, in stops;
    ``noise``: grey levels."""

    size: tuple[int, int] = (640, 480)
    fps: float = 30.0
    seconds: float = 5.0
    start: tuple[float, float] = (0.4, 0.5)
    end: tuple[float, float] = (0.6, 0.5)
    zoom: tuple[float, float] = (1.0, 1.0)
    tilt: float = 0.0
    turn: float = 0.0
    shake: float = 0.0
    bump: float = 0.0
    exposure: float = 0.3
    rolling: float = 0.6
    defocus: float = 0.0
    light: float = 0.0
    noise: float = 2.0


KINDS: dict[str, dict[str, float]] = {
    "still": {"shake": 0.15, "noise": 2.5},
    "hand": {"shake": 5.0, "bump": 10.0, "tilt": 14.0, "turn": 4.0, "defocus": 3.0, "light": 0.7},
    "car": {"shake": 1.5, "bump": 14.0, "tilt": 8.0, "turn": 1.0, "light": 1.0, "exposure": 0.2, "noise": 4.0},
}


class Camera:
    """The pose, focus and light of a shot at any time: smooth, and the same for the same seed."""

    def __init__(self, shot: Shot, picture: tuple[int, int], seed: int) -> None:
        self.shot = shot
        self.picture = picture
        rng = np.random.default_rng(seed)
        # A hand trembles at 1 to 10 Hz, less the faster.
        self._rates = np.array([0.7, 1.3, 2.4, 4.1, 6.8, 9.5]) * rng.uniform(0.85, 1.15, 6)
        self._phases = rng.uniform(0, 2 * np.pi, (5, 6))
        self._parts = (1 / self._rates) / np.sqrt(((1 / self._rates) ** 2).sum())
        count = rng.poisson(shot.seconds / 2)
        self._jolts = [(float(rng.uniform(0, shot.seconds)), rng.normal(0, 1, 2)) for _ in range(count)]
        hunts = [0.0, *rng.uniform(1.0, max(shot.seconds, 1.1), rng.poisson(shot.seconds / 4)).tolist()]
        self._hunts = [(t, float(rng.uniform(0.5, 1.0))) for t in hunts]
        self._steps = [(float(rng.uniform(0, shot.seconds)), float(rng.uniform(-1, 1))) for _ in range(2)]

    def _tremor(self, axis: int, t: float) -> float:
        return float((self._parts * np.sin(2 * np.pi * self._rates * t + self._phases[axis])).sum())

    def matrix(self, t: float) -> Floats:
        """Picture to frame, ``[3, 3]``, at time t in seconds."""
        shot = self.shot
        w, h = shot.size
        along = min(max(t / max(shot.seconds, 1e-9), 0.0), 1.0)
        ease = along * along * (3 - 2 * along)
        look = np.array(shot.start) * (1 - ease) + np.array(shot.end) * ease
        zoom = shot.zoom[0] ** (1 - ease) * shot.zoom[1] ** ease
        cx, cy = look[0] * self.picture[1], look[1] * self.picture[0]
        move = shot.shake * np.array([self._tremor(0, t), self._tremor(1, t)])
        for when, push in self._jolts:
            if t > when:
                move = move + shot.bump * push * np.exp(-(t - when) / 0.12) * np.sin((t - when) * 45)
        yaw, pitch = (np.deg2rad(shot.tilt) * self._tremor(k, 0.25 * t) for k in (2, 3))
        roll = np.deg2rad(shot.turn) * self._tremor(4, 0.4 * t)
        lens = 1.2 * w
        c, s = np.cos(roll), np.sin(roll)
        flat = np.diag([zoom, zoom, 1.0]) @ np.array([[1, 0, -cx], [0, 1, -cy], [0, 0, 1.0]])
        flat = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]) @ flat
        # A plane turned about its middle, seen through a pinhole at the distance of the lens.
        tilted = np.array([
            [np.cos(yaw), 0, 0],
            [np.sin(pitch) * np.sin(yaw), np.cos(pitch), 0],
            [-np.cos(pitch) * np.sin(yaw) / lens, np.sin(pitch) / lens, 1.0],
        ])
        place = np.array([[1, 0, w / 2 + move[0]], [0, 1, h / 2 + move[1]], [0, 0, 1.0]])
        return np.asarray(place @ tilted @ flat)

    def defocus(self, t: float) -> float:
        """Blur of the lens, sigma in frame pixels: it runs out and swings back within half a second."""
        found = 0.0
        for when, how in self._hunts:
            if t >= when:
                since = t - when
                found = max(found, how * np.exp(-since / 0.22) * abs(np.cos(since * 9)))
        return float(self.shot.defocus * found)

    def gain(self, t: float) -> float:
        """What the exposure makes of the light: it follows a change within some frames."""
        stops = sum(step * np.exp(-(t - when) / 0.25) for when, step in self._steps if t >= when)
        return float(2 ** (self.shot.light * stops))


def film(picture: Image, shot: Shot, seed: int) -> Iterator[tuple[Image, Camera, float]]:
    """The frames of a shot, uint8 ``[h, w, 3]`` RGB, with the camera and the time at which each frame's first row
    began to be exposed."""
    camera = Camera(shot, (picture.shape[0], picture.shape[1]), seed)
    rng = np.random.default_rng(seed + 1)
    levels = [picture]
    while min(levels[-1].shape[:2]) > 64:
        h, w = levels[-1].shape[:2]
        levels.append(np.asarray(cv2.resize(levels[-1], (w // 2, h // 2), interpolation=cv2.INTER_AREA), np.uint8))
    for k in range(max(round(shot.seconds * shot.fps), 1)):
        t = k / shot.fps
        image = _expose(levels, shot, camera, t)
        sigma = camera.defocus(t)
        if sigma > 0.2:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma))
        image = image * camera.gain(t)
        image += rng.normal(0, shot.noise, image.shape).astype(np.float32) if shot.noise else 0
        yield np.clip(image + 0.5, 0, 255).astype(np.uint8), camera, t


def _expose(levels: Sequence[Image], shot: Shot, camera: Camera, t: float) -> NDArray[np.float32]:
    """A frame before lens and sensor: rows in bands, each the mean over its own time of exposure."""
    w, h = shot.size
    out = np.zeros((h, w, 3), np.float32)
    edges = np.linspace(0, h, BANDS + 1).astype(int)
    for top, bottom in zip(edges[:-1], edges[1:], strict=True):
        begin = t + shot.rolling / shot.fps * (top + bottom) / 2 / h
        ends = [camera.matrix(begin + shot.exposure / shot.fps * x) for x in (0.0, 1.0)]
        corners = np.array([[0, 0], [levels[0].shape[1], levels[0].shape[0]]], float)
        moved = np.abs(project(ends[1], corners) - project(ends[0], corners)).max()
        count = int(np.clip(np.ceil(moved), 1, 16))
        for n in range(count):
            matrix = camera.matrix(begin + shot.exposure / shot.fps * (n + 0.5) / count)
            out[top:bottom] += _look(levels, matrix, w, int(top), int(bottom)) / np.float32(count)
    return out


def _look(levels: Sequence[Image], matrix: Floats, width: int, top: int, bottom: int) -> NDArray[np.float32]:
    """Rows of a frame. What is far shrunk is taken from a smaller copy of the picture."""
    scale = np.sqrt(abs(np.linalg.det(matrix[:2, :2])))
    level = int(np.clip(np.floor(-np.log2(max(scale, 1e-6)) + 0.25), 0, len(levels) - 1))
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    down = np.array([[1, 0, 0], [0, 1, -top], [0, 0, 1.0]])
    # OpenCV counts from the middle of the first pixel
    full = np.linalg.inv(half) @ down @ matrix @ np.diag([2.0**level, 2.0**level, 1]) @ half
    out: Any = cv2.warpPerspective(
        levels[level], full, (width, bottom - top), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    return np.asarray(out, np.float32)


def project(matrix: Floats, points: Any) -> Floats:
    p = np.asarray(points, np.float64)
    out = p @ matrix[:, :2].T + matrix[:, 2]
    return np.asarray(out[..., :2] / out[..., 2:])


def seen_at(camera: Camera, t: float, quad: Any) -> Floats:
    """Where a quad ``[4, 2]`` of the picture stands in the frame that began at t: each row shows its own time, the
    middle of the exposure."""
    shot = camera.shot
    h = shot.size[1]
    row = h / 2.0
    for _ in range(2):
        when = t + (shot.rolling * float(np.clip(row / h, 0, 1)) + shot.exposure / 2) / shot.fps
        found = project(camera.matrix(when), quad)
        row = float(found[:, 1].mean())
    return found


def truth(
    camera: Camera, t: float, frame: int, quads: Floats, texts: Sequence[str], ignore: Sequence[bool]
) -> dict[str, Any]:
    """The line of a frame."""
    w, h = camera.shot.size
    rows: dict[str, Any] = {"frame": frame, "ms": round(1000 * t, 2)}
    rows |= {"polygons": [], "texts": [], "ids": [], "ignore": []}
    for k, (quad, text, skip) in enumerate(zip(quads, texts, ignore, strict=True)):
        found = seen_at(camera, t, quad)
        if (found.max(0) <= 0).any() or (found.min(0) >= (w, h)).any():
            continue
        high = (np.linalg.norm(found[3] - found[0]) + np.linalg.norm(found[2] - found[1])) / 2
        cut = bool((found < 0).any() or (found > (w, h)).any())
        rows["polygons"].append([[round(float(x), 2), round(float(y), 2)] for x, y in found])
        rows["texts"].append(text)
        rows["ids"].append(k)
        rows["ignore"].append(bool(skip) or cut or bool(high < LEAST))
    return rows | {"blur": round(camera.defocus(t), 2)}


def make(
    picture: Image, labels: dict[str, Any] | None, shot: Shot, target: Path, *, seed: int, codec: str = "mp4",
    source: str = "",
) -> Path:
    """Films a picture into ``target`` with the codec's suffix, and its truth beside it, if there are labels."""
    fourcc, suffix = CODECS[codec]
    path = target.with_suffix(suffix)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*fourcc), shot.fps, shot.size)
    if not writer.isOpened():
        raise SystemExit(f"{path}: this OpenCV cannot write {fourcc}")
    lines = [json.dumps({"source": source, "seed": seed, "codec": codec, "shot": dataclasses.asdict(shot)})]
    quads = np.array(labels["polygons"], float).reshape(-1, 4, 2) if labels else np.zeros((0, 4, 2))
    texts = labels["texts"] if labels else []
    ignore = (labels.get("ignore") or [False] * len(texts)) if labels else []
    for k, (frame, camera, t) in enumerate(film(picture, shot, seed)):
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        lines.append(json.dumps(truth(camera, t, k, quads, texts, ignore), ensure_ascii=False))
    writer.release()
    if labels:
        target.with_suffix(".jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def random_shot(kind: str, picture: Image, size: tuple[int, int], seconds: float, fps: float, seed: int) -> Shot:
    """A shot of a kind that shows most of the picture: the way and the zoom are drawn."""
    rng = np.random.default_rng(seed + 2)
    fit = max(size[0] / picture.shape[1], size[1] / picture.shape[0])
    zoom = fit * rng.uniform(0.95, 1.25, 2)
    if kind == "car":
        zoom = fit * np.array([rng.uniform(0.6, 0.75), rng.uniform(1.2, 1.6)])
    spread = 0.02 if kind == "still" else 0.08
    way = 0.5 + rng.uniform(-spread, spread, (2, 2))
    if kind == "still":
        way[1], zoom[1] = way[0], zoom[0]
    return Shot(
        size=size, fps=fps, seconds=seconds, start=(way[0, 0], way[0, 1]), end=(way[1, 0], way[1, 1]),
        zoom=(float(zoom[0]), float(zoom[1])), **KINDS[kind],
    )


def draw_board(rng: np.random.Generator, fonts: Sequence[Path], words: Sequence[str], size: tuple[int, int]) -> tuple[
    Image, dict[str, Any]
]:
    """A board with words, each in a place and a face of its own, and its labels."""
    from PIL import Image as PillowImage
    from PIL import ImageDraw, ImageFont

    w, h = size
    dark = bool(rng.random() < 0.3)
    ground = rng.integers(20, 90, 3) if dark else rng.integers(170, 250, 3)
    shade = np.linspace(1.0, float(rng.uniform(0.75, 1.0)), w)[None, :, None]
    page = PillowImage.fromarray(np.clip(np.ones((h, w, 3)) * ground * shade, 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(page)
    polygons, texts = [], []
    for k, word in enumerate(words):
        pixels = int(rng.integers(h // 14, h // 8))
        face = ImageFont.truetype(str(fonts[int(rng.integers(len(fonts)))]), pixels)
        x0, y0, x1, y1 = pen.textbbox((0, 0), word, font=face)
        room_x, room_y = 0.9 * w - (x1 - x0), h / len(words) * 0.95 - (y1 - y0)
        if room_x < 0 or room_y < 0:
            continue
        x = int(0.05 * w + rng.uniform(0, room_x)) - x0
        y = int((k + 0.02) * h / len(words) + rng.uniform(0, room_y)) - y0
        ink = rng.integers(190, 256, 3) if dark else rng.integers(0, 90, 3)
        pen.text((x, y), word, tuple(int(v) for v in ink), font=face)
        a, b, c, d = x + x0, y + y0, x + x1, y + y1
        polygons.append([[a, b], [c, b], [c, d], [a, d]])
        texts.append(word)
    return np.array(page), {"polygons": polygons, "texts": texts, "ignore": [False] * len(texts)}


def sources(options: argparse.Namespace) -> Iterator[tuple[str, Image, dict[str, Any] | None]]:
    """(name, picture, labels) of everything that is to be filmed."""
    for path in options.pictures:
        if path.is_file():
            try:
                yield path.stem, load(path), None
            except EdgeOcrError as error:
                tell(str(error))
            continue
        for row in labelled(path / "labels.jsonl")[: options.limit]:
            picture = path / row["image"]
            try:
                wrong = problem(row)
                image = load(picture) if not wrong else None
            except EdgeOcrError as error:
                wrong, image = str(error), None
            if image is not None:
                yield f"{path.name}-{picture.stem}", image, row
            else:
                tell(wrong if str(picture) in wrong else f"{picture}: {wrong}")
    if options.draw:
        from training.synth.texts import Texts

        texts = Texts.load(options.ingredients)
        faces = sorted((options.ingredients / "fonts" / "hangul").glob("*.woff2"))
        reserved = [face for face in faces if face.name.startswith(RESERVED)]
        for k in range(options.draw):
            rng = np.random.default_rng((options.seed, k))
            say = texts.word if options.odd else texts.everyday
            words = [say(rng, "ko" if rng.random() < 0.6 else "en") for _ in range(5)]
            image, labels = draw_board(rng, reserved, words, (1280, 960))
            yield f"board-{k:03d}", image, labels


def labelled(path: Path) -> list[dict[str, Any]]:
    """The rows of a file of labels; none, and a word about it, where there is no such file."""
    try:
        rows = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        tell(f"{path}: {error.strerror}")
        return []
    found = []
    for number, line in enumerate(rows, 1):
        try:
            row = json.loads(line) if line.strip() else None
        except json.JSONDecodeError as error:
            tell(f"{path}, line {number}: no JSON: {error}")
            continue
        if isinstance(row, dict) and isinstance(row.get("image"), str):
            found.append(row)
        elif row is not None:
            tell(f'{path}, line {number}: expected an object with "image"')
    return found


def problem(row: dict[str, Any]) -> str:
    """What keeps a picture's labels from being the truth of a clip; empty if nothing does."""
    polygons, texts, ignore = (row.get(key) for key in ("polygons", "texts", "ignore"))
    if not polygons:
        return "left out: its labels do not say where its texts stand (polygons is null, empty or missing)"
    try:
        shape: tuple[int, ...] = np.array(polygons, float).shape
    except (TypeError, ValueError):
        shape = ()
    if len(shape) != 3 or shape[1:] != (4, 2):
        return "left out: a polygon of its labels is not four points of two numbers"
    if not isinstance(texts, list) or any(x is not None and len(x) != len(polygons) for x in (texts, ignore)):
        return "left out: its labels have not as many texts as polygons"
    return ""


def tell(message: str) -> None:
    print(f"clips: {message}", file=sys.stderr, flush=True)


def load(path: Path) -> Image:
    from edge_ocr import load_image

    return load_image(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="*", type=Path, metavar="FOLDER|PICTURE")
    parser.add_argument("--out", type=Path, default=Path("out/clips"), metavar="DIR")
    parser.add_argument("--name", help="of the clip, where there is only one")
    parser.add_argument("--kind", choices=sorted(KINDS), default="hand")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--size", default="640x480", metavar="WxH")
    parser.add_argument("--codec", choices=sorted(CODECS), default="mp4")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N pictures of a folder")
    parser.add_argument("--draw", type=int, default=0, metavar="N", help="draw N boards of words")
    parser.add_argument("--odd", action="store_true",
                        help="draw words as the recognizers are trained on, with rare syllables, marks and codes, "
                        "instead of everyday ones")
    parser.add_argument("--ingredients", type=Path, default=Path("ingredients"), metavar="DIR")
    parser.add_argument("--from", dest="start", metavar="X,Y", help="where to look first, in parts of the picture")
    parser.add_argument("--to", dest="end", metavar="X,Y", help="and last")
    parser.add_argument("--zoom", metavar="A,B", help="frame pixels per picture pixel, first and last")
    options = parser.parse_args()
    width, height = (int(v) for v in options.size.split("x"))
    options.out.mkdir(parents=True, exist_ok=True)
    made = 0
    for k, (name, picture, labels) in enumerate(sources(options)):
        seed = options.seed * 1000 + k
        shot = random_shot(options.kind, picture, (width, height), options.seconds, options.fps, seed)
        given = {"start": options.start, "end": options.end, "zoom": options.zoom}
        pairs = {key: tuple(float(v) for v in text.split(",")) for key, text in given.items() if text}
        shot = dataclasses.replace(shot, **pairs)  # type: ignore[arg-type]
        target = options.out / (options.name or f"{name}-{options.kind}")
        path = make(picture, labels, shot, target, seed=seed, codec=options.codec, source=name)
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB", flush=True)
        made += 1
    if not made:
        tell("no clip was made: give a labelled folder, a picture, or --draw N")
    return 0 if made else 1


if __name__ == "__main__":
    sys.exit(main())
