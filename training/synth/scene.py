"""Scenes to learn detection from: a layout is drawn flat, then photographed several times.

``shoot`` cuts a square out of a sheet as a camera or a scanner would see it (scale, turn, perspective, bent paper,
light, blur, motion, noise, JPEG) and carries the words' boxes along. ``Scenes`` keeps a pool of sheets, takes a few
shots of each and replaces it, so that the drawing of text is shared by several crops.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from training.synth.layouts import LAYOUTS, Backgrounds, Kit, Words, ground
from training.synth.sheet import Sheet

__all__ = ["Scene", "Scenes", "clip_quads", "shoot"]

Rng = np.random.Generator


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture ``image`` uint8 [S, S, 3] RGB, its words ``quads`` [N, 4, 2] float32 in pixels, clockwise from the
    reading-order top left, ``ignore`` bool [N] (text too small, cut or foreign), and the ``kind`` of layout."""

    image: NDArray[np.uint8]
    quads: NDArray[np.float32]
    ignore: NDArray[np.bool_]
    kind: str


# How each kind is photographed: chance of a plain view (only scaled and cut), greatest turn in degrees (one sigma),
# strength of perspective, chance of bent paper, and the range of scale.
_VIEWS: dict[str, tuple[float, float, float, float, tuple[float, float]]] = {
    "receipt": (0.4, 9.0, 0.12, 0.5, (0.65, 1.5)),
    "page": (0.75, 6.0, 0.10, 0.15, (0.6, 2.0)),
    "document": (0.55, 6.0, 0.12, 0.4, (0.7, 1.8)),
    "card": (0.35, 11.0, 0.25, 0.1, (0.55, 1.4)),
    "sign": (0.3, 15.0, 0.35, 0.1, (0.75, 2.6)),
    "scattered": (0.4, 12.0, 0.20, 0.1, (0.7, 1.3)),
    "single": (0.6, 8.0, 0.10, 0.0, (1.0, 1.0)),
    "blank": (0.4, 20.0, 0.20, 0.2, (0.7, 2.0)),
}


def clip_quads(
    quads: NDArray[np.float32], size: int, least: float = 0.15
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
    """Words cut by the border of a square picture: their boxes are shortened along their own axes to what is seen.

    quads [N, 4, 2] -> clipped quads [N, 4, 2], ``seen`` [N] (at least a trace is inside), ``poor`` [N] (so much is cut
    off that the word should be ignored: under 60 % of its height, or a sliver)."""
    out = quads.copy()
    n = len(quads)
    seen, poor = np.ones(n, bool), np.zeros(n, bool)
    lo, hi = quads.min(axis=1), quads.max(axis=1)
    outside = (hi <= 0).any(1) | (lo >= size).any(1)
    seen[outside] = False
    frame = np.array([[0, 0], [size, 0], [size, size], [0, size]], np.float32)
    for i in np.flatnonzero(~outside & ((lo < -0.5).any(1) | (hi > size + 0.5).any(1))):
        q = quads[i]
        try:
            area, piece = cv2.intersectConvexConvex(q, frame)
        except cv2.error:
            area, piece = 0.0, None
        if piece is None or area <= 4:
            seen[i] = False
            continue
        along = (q[1] - q[0]) + (q[2] - q[3])
        along /= max(1e-6, float(np.hypot(*along)))
        across = np.array([-along[1], along[0]], np.float32)
        centre = q.mean(axis=0)
        whole_u, whole_v = (q - centre) @ along, (q - centre) @ across
        points = piece.reshape(-1, 2) - centre
        u, v = points @ along, points @ across
        u0, u1, v0, v1 = u.min(), u.max(), v.min(), v.max()
        height, width = np.ptp(whole_v), np.ptp(whole_u)
        out[i] = [centre + along * a + across * b for a, b in ((u0, v0), (u1, v0), (u1, v1), (u0, v1))]
        poor[i] = (
            (v1 - v0) < 0.6 * height
            or (u1 - u0) < min(0.5 * height, least * width)
            or area < 0.5 * (u1 - u0) * (v1 - v0)
        )
    return out, seen, poor


def _homography(rng: Rng, sheet: Sheet, size: int, kind: str) -> tuple[NDArray[np.float64], bool]:
    """Sheet pixels -> picture pixels, and whether the view is a plain one."""
    flat, turn, tilt, _, (low, high) = _VIEWS[kind]
    plain = bool(rng.random() < flat)
    scale = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    if kind == "single":
        fill = rng.uniform(0.7, 1.0) if rng.random() < 0.6 else rng.uniform(0.2, 0.7)
        scale = size * fill / max(sheet.width, sheet.height)
        scale = min(scale, 12.0)
    if rng.random() < 0.08 and kind not in ("single", "blank"):
        # The whole sheet, or most of it, with what lies around it.
        scale = min(scale, size * rng.uniform(0.75, 1.0) / max(sheet.width, sheet.height))
        scale = max(scale, 0.45)
        target = np.array([sheet.width, sheet.height]) / 2.0
    elif len(sheet.quads) and rng.random() < 0.9:
        target = sheet.quads[int(rng.integers(len(sheet.quads)))].mean(axis=0) + rng.normal(0, 0.25 * size / scale, 2)
    else:
        target = rng.uniform(0, 1, 2) * (sheet.width, sheet.height)
    if plain or rng.random() < 0.75:
        # Stay on the sheet where it is large enough.
        half = size / 2 / scale
        for axis, length in enumerate((sheet.width, sheet.height)):
            slack = rng.uniform(-0.1, 0.02) * size / scale
            if length > 2 * half:
                target[axis] = np.clip(target[axis], half + slack, length - half - slack)
    shape = (1.0, 1.0) if rng.random() < 0.7 else tuple(np.exp(rng.normal(0, 0.12, 2)))
    if kind == "single":
        target = np.array([sheet.width, sheet.height]) / 2.0
        target += rng.uniform(-0.5, 0.5, 2) * np.maximum(0, size / scale - np.array([sheet.width, sheet.height]))
    angle = 0.0 if plain else np.deg2rad(np.clip(rng.normal(0, turn), -38, 38))
    if plain and rng.random() < 0.3:
        angle = np.deg2rad(rng.normal(0, 0.8))
    # A facade seen from the side: lines climb or fall, whatever is upright stays so.
    facade = kind == "sign" and not plain and bool(rng.random() < 0.35)
    if facade:
        angle = np.deg2rad(rng.normal(0, 3.0))
    c, s = np.cos(angle), np.sin(angle)
    turned = np.array([[c, -s], [s, c]]) @ np.diag([scale * shape[0], scale * shape[1]])
    m = np.eye(3)
    m[:2, :2] = turned
    m[:2, 2] = size / 2 - turned @ target
    if not plain:
        lean = np.eye(3)
        lean[2, :2] = rng.normal(0, tilt, 2) / size
        lean[2, 2] = 1 - lean[2, :2] @ (size / 2, size / 2)
        move = np.eye(3)
        move[:2, 2] = size / 2
        back = np.eye(3)
        back[:2, 2] = -size / 2
        shear = np.eye(3)
        shear[0, 1] = rng.normal(0, tilt * 0.4)
        shear[1, 0] = rng.normal(0, tilt * 0.25)
        if facade:
            shear[0, 1] = rng.normal(0, 0.05)
            shear[1, 0] = np.tan(np.deg2rad(rng.uniform(8, 35))) * rng.choice([-1.0, 1.0])
        lean[2, 2] = 1.0
        m = move @ lean @ shear @ back @ m
    return m, plain


class _Bend:
    """A smooth displacement of sheet points, as of paper that is curled or waved."""

    def __init__(self, rng: Rng, sheet: Sheet) -> None:
        longest = max(sheet.width, sheet.height)
        self.length = longest * rng.uniform(0.4, 1.6, 2)
        self.phase = rng.uniform(0, 6.28, 2)
        self.amount = self.length * rng.uniform(-0.022, 0.022, 2)

    def shift(self, points: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        x, y = points[..., 0], points[..., 1]
        dx = self.amount[0] * np.sin(6.28 * y / self.length[0] + self.phase[0])
        dy = self.amount[1] * np.sin(6.28 * x / self.length[1] + self.phase[1])
        return np.stack([dx, dy], -1)


def _project(m: NDArray[np.float64], points: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    p = points.reshape(-1, 2) @ m[:, :2].T + m[:, 2]
    return (p[:, :2] / p[:, 2:3]).reshape(points.shape)


def shoot(
    rng: Rng, sheet: Sheet, kit: Kit, size: int, kind: str, smallest: float = 6.0, faintest: float = 5.0
) -> Scene:
    """One photograph of a sheet: uint8 [size, size, 3] with the words' quads; words lower than ``smallest`` pixels or
    with less contrast than ``faintest`` levels are ignored ones."""
    for _ in range(4):
        m, plain = _homography(rng, sheet, size, kind)
        corners = np.array([[0, 0], [size, 0], [size, size], [0, size]], float)
        inverse = np.linalg.inv(m)
        # A sane view: the picture's corners look at the sheet's plane from the front.
        depth = corners @ inverse[2, :2] + inverse[2, 2]
        if (depth * np.sign(depth[0]) > 0.35 * abs(depth).max()).all():
            break
    else:
        m = np.eye(3)
        inverse = np.eye(3)
    bend = _Bend(rng, sheet) if not plain and rng.random() < _VIEWS[kind][3] else None
    quads = sheet.quads.astype(np.float64)
    reach = _project(inverse, corners)
    covered = (
        bool((reach >= 0).all() and (reach[:, 0] <= sheet.width).all() and (reach[:, 1] <= sheet.height).all())
        and bend is None
    )
    # Strong enlargement of drawings looks like no camera's; a cheap smooth filter stands for the upscaling of small
    # pictures.
    mode = cv2.INTER_CUBIC if kind == "single" else cv2.INTER_LINEAR
    source = sheet.image
    if kind == "single" and rng.random() < 0.5:
        small = max(8, int(rng.integers(10, 40)))
        if source.shape[0] > small:
            source = cv2.resize(
                source, (max(4, source.shape[1] * small // source.shape[0]), small), interpolation=cv2.INTER_AREA
            )
            fx, fy = sheet.width / source.shape[1], sheet.height / source.shape[0]
            inverse = np.diag([1 / fx, 1 / fy, 1.0]) @ inverse
            m_image = np.linalg.inv(inverse)
        else:
            m_image = m
    else:
        m_image = m
    if bend is None:
        image = cv2.warpPerspective(
            source,
            m_image,
            (size, size),
            flags=mode,
            borderMode=cv2.BORDER_REPLICATE if covered else cv2.BORDER_CONSTANT,
        )
        alpha = (
            None
            if covered
            else cv2.warpPerspective(
                np.full(source.shape[:2], 255, np.uint8), m_image, (size, size), flags=cv2.INTER_LINEAR
            )
        )
    else:
        step = 16
        count = size // step + 1
        nodes = np.stack(np.meshgrid(np.arange(count), np.arange(count)), -1) * float(step)
        look = _project(inverse, nodes)
        look = (look + bend.shift(look)).astype(np.float32)
        grid = _spread(look, size, step)
        image = cv2.remap(source, grid, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        alpha = cv2.remap(
            np.full(source.shape[:2], 255, np.uint8), grid, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
        )
        # Where the paper's point p is seen: q with q + shift(q) = p.
        q = quads.copy()
        for _ in range(4):
            q = quads - bend.shift(q)
        quads = q
    quads = _project(m, quads).astype(np.float32) if len(quads) else np.zeros((0, 4, 2), np.float32)
    if alpha is not None and cv2.countNonZero(alpha) < alpha.size:
        image = _surround(rng, kit, image, alpha, kind)
    quads, seen, poor = clip_quads(quads, size)
    quads, ignore = quads[seen], sheet.ignored[seen] | poor[seen]
    if len(quads):
        heights = (
            np.linalg.norm(quads[:, 3] - quads[:, 0], axis=1) + np.linalg.norm(quads[:, 2] - quads[:, 1], axis=1)
        ) / 2
        widths = (
            np.linalg.norm(quads[:, 1] - quads[:, 0], axis=1) + np.linalg.norm(quads[:, 2] - quads[:, 3], axis=1)
        ) / 2
        ignore = ignore | (heights < smallest) | (widths < 0.4 * smallest)
    median = float(np.median(heights)) if len(quads) else 20.0
    image = camera(rng, image, median, plain)
    if len(quads):
        ignore = ignore | (_contrast(image, quads) < faintest)
    return Scene(image, quads, ignore, kind)


def _contrast(image: NDArray[np.uint8], quads: NDArray[np.float32]) -> NDArray[np.float64]:
    """Standard deviation of the brightness in each quad's upright bounding box [N], in levels of 255."""
    size = image.shape[0]
    total, squares = cv2.integral2(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
    lo = np.clip(np.floor(quads.min(axis=1)).astype(int), 0, size - 1)
    hi = np.clip(np.ceil(quads.max(axis=1)).astype(int), lo + 1, size)

    def over(table: NDArray[np.generic]) -> NDArray[np.float64]:
        t = table.astype(np.float64) if table.dtype != np.float64 else table
        return t[hi[:, 1], hi[:, 0]] - t[lo[:, 1], hi[:, 0]] - t[hi[:, 1], lo[:, 0]] + t[lo[:, 1], lo[:, 0]]

    area = ((hi - lo).prod(axis=1)).astype(np.float64)
    return np.sqrt(np.maximum(over(squares) / area - (over(total) / area) ** 2, 0))


def _spread(look: NDArray[np.float32], size: int, step: int) -> NDArray[np.float32]:
    """Values at the nodes of a grid -> at every pixel, linearly."""
    m = np.array([[1 / step, 0, 0], [0, 1 / step, 0]], np.float64)
    return cv2.warpAffine(
        look, m, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )


def _surround(rng: Rng, kit: Kit, image: NDArray[np.uint8], alpha: NDArray[np.uint8], kind: str) -> NDArray[np.uint8]:
    """What lies around the sheet: a table, a room, black, white, the grey of letterboxing."""
    size = image.shape[0]
    pick = rng.random()
    if kind == "single" and pick < 0.6:
        value = int(rng.choice([0, 114, 127, 128, 255]))
        around = np.full_like(image, value)
    elif pick < 0.2:
        around = np.full_like(image, int(rng.choice([0, 0, 114, 128, 255, 255])))
    elif pick < 0.45:
        around = ground(rng, size, size)
    else:
        around = kit.backgrounds.photo(rng, size, size)
    if rng.random() < 0.3:
        shade = cv2.blur(alpha, (25, 25))
        around = cv2.multiply(around, cv2.merge([255 - shade // 2] * 3), scale=1 / 255)
    # The seam is cut one pixel inside the sheet, where the warp has not yet mixed in the black outside.
    cv2.copyTo(image, cv2.erode(alpha, np.ones((3, 3), np.uint8)) & 0x80, around)
    return around


_NOISE: list[NDArray[np.int16]] = []


def _noise(rng: Rng, shape: tuple[int, ...], sigma: float, coloured: bool) -> NDArray[np.int16]:
    """Noise int16 of ``shape``, cut out of a tile that is drawn once: drawing it afresh would cost as much as the
    text."""
    if not _NOISE:
        _NOISE.append(np.clip(np.random.default_rng(7).normal(0, 64, (700, 2100)), -255, 255).astype(np.int16))
    h, w = shape[:2]
    tile = _NOISE[0]
    y = int(rng.integers(tile.shape[0] - h))
    if coloured:
        x = int(rng.integers(tile.shape[1] - 3 * w))
        piece = tile[y : y + h, x : x + 3 * w].reshape(h, w, 3)
    else:
        x = int(rng.integers(tile.shape[1] - w))
        piece = np.repeat(tile[y : y + h, x : x + w, None], 3, 2)
    return (piece * np.int16(max(1, round(sigma * 4)))) >> 8


def camera(rng: Rng, image: NDArray[np.uint8], letters: float, plain: bool) -> NDArray[np.uint8]:
    """What cameras, scanners and files do to a picture uint8 [S, S, 3] whose letters are ``letters`` pixels high:
    uneven light, glare, blur, motion, low resolution, low light, noise, JPEG, wrong colours."""
    size = image.shape[0]
    hard = 0.5 if plain else 1.0
    if rng.random() < 0.45 * hard:
        low = rng.uniform(0.35, 0.9)
        light = cv2.resize(
            rng.uniform(low, 1.15, (int(rng.integers(2, 5)), int(rng.integers(2, 5)))).astype(np.float32) * 200,
            (size, size),
            interpolation=cv2.INTER_CUBIC,
        )
        image = cv2.multiply(image, cv2.merge([np.clip(light, 0, 255).astype(np.uint8)] * 3), scale=1 / 200)
    if rng.random() < 0.08 * hard:
        spot = np.zeros((size // 8, size // 8), np.uint8)
        at = tuple(int(v) for v in rng.integers(0, size // 8, 2))
        cv2.circle(spot, at, int(rng.integers(2, size // 24)), int(rng.integers(80, 255)), -1)
        spot = cv2.resize(cv2.blur(spot, (9, 9)), (size, size), interpolation=cv2.INTER_LINEAR)
        image = cv2.add(image, cv2.merge([spot] * 3))
    soft = min(letters, 40.0)
    if rng.random() < 0.4:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 0.3 + 0.075 * soft)))
    if rng.random() < 0.12 * hard:
        reach = rng.uniform(0.15, 0.6) * soft + 1
        n = int(reach) | 1
        if n > 1:
            kernel = np.zeros((n, n), np.float32)
            a = rng.uniform(0, 3.14)
            d = np.array([np.cos(a), np.sin(a)]) * (n // 2)
            c = n // 2
            cv2.line(kernel, (round(c - d[0]), round(c - d[1])), (round(c + d[0]), round(c + d[1])), 1.0, 1)
            image = cv2.filter2D(image, -1, kernel / kernel.sum())
    if rng.random() < 0.22:
        small = int(size * rng.uniform(max(0.35, min(0.9, 7.0 / soft)), 0.95))
        image = cv2.resize(
            image, (small, small), interpolation=cv2.INTER_AREA if rng.random() < 0.5 else cv2.INTER_LINEAR
        )
        image = cv2.resize(
            image,
            (size, size),
            interpolation=[cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST][int(rng.choice(3, p=[0.5, 0.4, 0.1]))],
        )
    if rng.random() < 0.15:
        strength = rng.uniform(0.3, 1.2)
        image = cv2.addWeighted(image, 1 + strength, cv2.blur(image, (3, 3)), -strength, 0)
    if rng.random() < 0.55:
        gain, shift = np.exp(rng.normal(0, 0.25)), rng.normal(0, 18)
        if rng.random() < 0.15 * hard:
            gain *= rng.uniform(0.15, 0.5)
        gamma = np.exp(rng.normal(0, 0.25))
        ramp = (np.linspace(0, 1, 256) ** gamma) * 255
        table = np.clip((ramp - 128) * gain + 128 * min(1.0, gain) + shift, 0, 255)
        if rng.random() < 0.3:
            tint = np.exp(rng.normal(0, 0.1, 3))
            table3 = np.clip(table[:, None] * tint, 0, 255).astype(np.uint8)[None]
            image = cv2.LUT(image, table3)
        else:
            image = cv2.LUT(image, table.astype(np.uint8))
    pick = rng.random()
    if pick < 0.04:
        image = 255 - image
    elif pick < 0.12:
        image = np.ascontiguousarray(image[:, :, rng.permutation(3)])
    elif pick < 0.24:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if rng.random() < 0.35 * (hard + 0.2):
        sigma = rng.uniform(1.5, 14) if rng.random() < 0.85 else rng.uniform(14, 30)
        noisy = image.astype(np.int16)
        noisy += _noise(rng, image.shape, sigma, bool(rng.random() < 0.6))
        image = np.clip(noisy, 0, 255, out=noisy).astype(np.uint8)
    if rng.random() < 0.03:
        # A bilevel scan.
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        level, _ = cv2.threshold(grey, 0, 255, cv2.THRESH_OTSU)
        image = cv2.cvtColor(np.where(grey > level, 255, 0).astype(np.uint8), cv2.COLOR_GRAY2RGB)
    if rng.random() < 0.45:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 95))])
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return np.ascontiguousarray(image)


class Scenes:
    """An endless, seeded stream of scenes of ``size`` pixels.

    A pool of ``pool`` sheets is kept; each gives ``shots`` pictures and is then drawn anew. ``kinds`` restricts the
    layouts."""

    def __init__(
        self,
        kit: Kit,
        *,
        seed: int,
        size: int = 384,
        pool: int = 24,
        shots: int = 5,
        kinds: tuple[str, ...] | None = None,
    ) -> None:
        self.kit, self.size, self.pool, self.shots = kit, size, pool, shots
        self.rng = np.random.default_rng(seed)
        self.kinds = list(kinds or LAYOUTS)
        weights = np.array([LAYOUTS[k][1] for k in self.kinds])
        self._weights = weights / weights.sum()
        self._sheets: list[tuple[str, Sheet, int]] = []

    @classmethod
    def load(cls, folder: str | Path, *, seed: int, size: int = 384, reserved: bool = False, **how: Any) -> Scenes:
        """From an ingredients folder; ``reserved`` draws in the held-out faces."""
        from training.synth.fonts import Faces

        return cls(
            Kit(Faces.load(folder, reserved=reserved), Words.load(folder), Backgrounds(folder)),
            seed=seed,
            size=size,
            **how,
        )

    def _draw(self) -> tuple[str, Sheet, int]:
        kind = self.kinds[int(self.rng.choice(len(self.kinds), p=self._weights))]
        sheet = LAYOUTS[kind][0](self.rng, self.kit)
        return kind, sheet, 2 if kind in ("single", "blank") else self.shots

    def __iter__(self) -> Iterator[Scene]:
        return self

    def __next__(self) -> Scene:
        while len(self._sheets) < self.pool:
            self._sheets.append(self._draw())
        i = int(self.rng.integers(len(self._sheets)))
        kind, sheet, left = self._sheets[i]
        scene = shoot(self.rng, sheet, self.kit, self.size, kind)
        self._sheets[i] = (kind, sheet, left - 1) if left > 1 else self._draw()
        return scene
