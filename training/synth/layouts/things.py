"""Things that are not text: scribbles, bars, dust, rows of goods, grids; and sheets without a word."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.synth.layouts.ground import any_colour, ground, log_uniform, tint_of
from training.synth.layouts.kit import Kit
from training.synth.sheet import Sheet

__all__ = ["bars", "blank", "draw_dust", "draw_goods", "draw_grid", "scribble"]

Rng = np.random.Generator


def scribble(rng: Rng, image: NDArray[np.uint8], count: int) -> None:
    """Lines, circles, boxes, polygons, arrows, stamps, bar codes, checks: drawn into ``image``."""
    h, w = image.shape[:2]
    for _ in range(count):
        colour = any_colour(rng) if rng.random() < 0.5 else tint_of(rng, 0, 255, 4)
        x, y = int(rng.integers(w)), int(rng.integers(h))
        s = int(log_uniform(rng, 6, 0.5 * min(h, w) + 8))
        thick = int(rng.integers(1, 5))
        kind = int(rng.integers(10))
        if kind == 0:
            cv2.line(image, (x, y), (int(rng.integers(w)), int(rng.integers(h))), colour, thick, cv2.LINE_AA)
        elif kind == 1:
            cv2.circle(image, (x, y), s // 2, colour, -1 if rng.random() < 0.4 else thick, cv2.LINE_AA)
        elif kind == 2:
            cv2.rectangle(
                image, (x, y), (x + s, y + int(s * rng.uniform(0.3, 1.5))), colour, -1 if rng.random() < 0.3 else thick
            )
        elif kind == 3:
            points = (np.array([x, y]) + rng.normal(0, s / 2, (int(rng.integers(3, 7)), 2))).astype(np.int32)
            if rng.random() < 0.5:
                cv2.fillPoly(image, [points], colour, cv2.LINE_AA)
            else:
                cv2.polylines(image, [points], bool(rng.random() < 0.5), colour, thick, cv2.LINE_AA)
        elif kind == 4:
            cv2.arrowedLine(
                image, (x, y), (x + int(rng.normal(0, s)), y + int(rng.normal(0, s))), colour, thick, cv2.LINE_AA
            )
        elif kind == 5:
            bars(rng, image, x, y, s * 2, s)
        elif kind == 6:
            cells = rng.integers(0, 2, (int(rng.integers(9, 26)),) * 2, np.uint8) * 255
            code = cv2.resize(cells, (s, s), interpolation=cv2.INTER_NEAREST)
            part = image[y : y + s, x : x + s]
            part[:] = code[: part.shape[0], : part.shape[1], None]
        elif kind == 7:
            t = np.linspace(0, 1, 24)
            wave = np.stack([x + s * 2 * t, y + s * 0.3 * np.cumsum(rng.normal(0, 0.5, 24))], 1).astype(np.int32)
            cv2.polylines(image, [wave], False, colour, thick, cv2.LINE_AA)
        elif kind == 8:
            cv2.ellipse(
                image,
                (x, y),
                (s, max(2, int(s * rng.uniform(0.2, 1)))),
                rng.uniform(0, 180),
                0,
                rng.uniform(90, 360),
                colour,
                thick,
                cv2.LINE_AA,
            )
        else:
            # A row of the same sign: rules of dots, dashes, stars, windows, bricks.
            step, tall = max(3, s // 5), int(rng.integers(1, max(2, s // 4) + 1))
            for k in range(int(rng.integers(3, 30))):
                cv2.rectangle(image, (x + k * step, y), (x + k * step + step // 2, y + tall), colour, -1)


def bars(rng: Rng, image: NDArray[np.uint8], x: int, y: int, width: int, height: int) -> None:
    """A bar code."""
    part = image[max(0, y) : y + height, max(0, x) : x + width]
    if part.size:
        run = np.repeat(rng.integers(0, 2, part.shape[1]), rng.integers(1, 5, part.shape[1]))[: part.shape[1]]
        part[:, run == 1] = (20, 20, 20)


def draw_dust(rng: Rng, image: NDArray[np.uint8]) -> None:
    """What a scanner adds: specks, hairs, punched holes, black or torn edges."""
    h, w = image.shape[:2]
    dark = (int(rng.integers(0, 120)),) * 3
    for _ in range(int(rng.integers(3, 60))):
        at = (int(rng.integers(w)), int(rng.integers(h)))
        if rng.random() < 0.85:
            cv2.circle(image, at, int(rng.integers(0, 3)), dark, -1)
        else:
            s = int(rng.integers(2, 9))
            cv2.line(image, at, (at[0] + int(rng.integers(-s, s)), at[1] + int(rng.integers(-s, s))), dark, 1)
    if rng.random() < 0.2:
        cv2.circle(image, (int(rng.integers(w)), int(rng.integers(h))), int(rng.integers(6, 26)), dark, -1)
    if rng.random() < 0.3:
        x = np.linspace(0, w, 60)
        depth = rng.uniform(2, 20) + rng.normal(0, rng.uniform(0.3, 4), 60) + rng.uniform(-20, 20) * x / w
        edge = np.concatenate([np.stack([x, depth], 1), [[w, -9], [0, -9]]]).astype(np.int32)
        turn = int(rng.integers(4))
        if turn == 1:
            edge[:, 1] = h - edge[:, 1]
        elif turn == 2:
            edge = edge[:, ::-1]
        elif turn == 3:
            edge = np.stack([w - edge[:, 1], edge[:, 0]], 1)
        cv2.fillPoly(image, [np.ascontiguousarray(edge)], dark)


def draw_goods(rng: Rng, image: NDArray[np.uint8], kit: Kit, count: int) -> None:
    """Things for sale: smooth shapes filled with photograph, stripes or checks, such as clothes, bottles and boxes."""
    h, w = image.shape[:2]
    rows = rng.random() < 0.12  # side by side, as letters of a word would be
    for k in range(count):
        s = int(log_uniform(rng, 24, 0.4 * min(h, w) + 30))
        turns = np.linspace(0, 6.28, 14, endpoint=False)
        radius = s * np.clip(rng.normal(0.5, 0.12, 14), 0.15, 0.9)
        at = np.array([rng.uniform(0, w), rng.uniform(0, h)])
        if rows:
            at = np.array([(k + 0.5) * w / count, h / 2]) + rng.normal(0, 2, 2)
            s = int(min(w / count, h) * 0.9)
            radius = radius * s / max(1.0, radius.max() * 2)
        shape = at + np.stack([np.cos(turns) * radius * rng.uniform(0.4, 1.0), np.sin(turns) * radius], 1)
        x0, y0 = np.maximum(shape.min(0), 0).astype(int)
        x1, y1 = np.minimum(shape.max(0) + 1, (w, h)).astype(int)
        if x1 - x0 < 8 or y1 - y0 < 8:
            continue
        fill = kit.backgrounds.photo(rng, y1 - y0, x1 - x0) if rng.random() < 0.6 else ground(rng, y1 - y0, x1 - x0)
        if rng.random() < 0.4:
            step, tint = int(rng.integers(3, 16)), any_colour(rng)
            thick = max(1, int(step * rng.uniform(0.2, 0.7)))
            for y in range(0, y1 - y0, step):
                fill[y : y + thick] = tint
            if rng.random() < 0.5:
                for x in range(0, x1 - x0, step):
                    fill[:, x : x + thick] = fill[:, x : x + thick] // 2 + np.array(tint, np.uint8) // 2
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        cv2.fillPoly(mask, [(shape - (x0, y0)).astype(np.int32)], 255)
        cv2.copyTo(fill, cv2.blur(mask, (5, 5)) & 0x80, image[y0:y1, x0:x1])


def draw_grid(rng: Rng, image: NDArray[np.uint8]) -> None:
    """A regular pattern: windows, tiles, fences, blinds, keyboards, bricks."""
    h, w = image.shape[:2]
    px, py = int(log_uniform(rng, 5, 80)), int(log_uniform(rng, 5, 80))
    fx, fy = rng.uniform(0.1, 0.9, 2)
    colour, kind = any_colour(rng), rng.random()
    slope = rng.normal(0, 0.1)
    for row, y in enumerate(range(-py, h + py, py)):
        offset = (px // 2) * (row % 2) if kind < 0.3 else 0
        for x in range(-px, w + px, px):
            if kind > 0.8 and rng.random() < 0.4:
                continue
            top = int(y + slope * x)
            cv2.rectangle(
                image,
                (x + offset, top),
                (x + offset + max(1, int(px * fx)), top + max(1, int(py * fy))),
                colour,
                -1 if kind < 0.85 else 1,
            )


def blank(rng: Rng, kit: Kit) -> Sheet:
    """No text: photographs, patterns, drawings, road frames."""
    kind = rng.random()
    if kind < 0.45:
        image, found = kit.backgrounds.road(rng)
        sheet = Sheet(image)
        for quad, ignored in found:
            sheet.add(quad, ignored)
        return sheet
    image = kit.backgrounds.photo(rng, 480, 480) if kind < 0.8 else ground(rng, 480, 480)
    if rng.random() < 0.5:
        draw_grid(rng, image)
    scribble(rng, image, int(rng.integers(0, 25)))
    if rng.random() < 0.4:
        draw_goods(rng, image, kit, int(rng.integers(2, 9)))
    if rng.random() < 0.3:
        draw_dust(rng, image)
    return Sheet(image)
