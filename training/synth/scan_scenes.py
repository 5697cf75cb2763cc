"""Whole pictures with a number plate or a document's zone in them, for measuring scanners from end to end."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.synth import degrade
from training.synth.legible import legible
from training.synth.line import draw_text
from training.synth.mrz import EM, MrzSynth
from training.synth.plate import PlateSynth

__all__ = ["document_picture", "road_picture"]

Rng = np.random.Generator
Picture = NDArray[np.uint8]


def road_picture(synth: PlateSynth, rng: Rng, kind: str) -> tuple[Picture, str]:
    """A road, and a car's worth of it covered by a plate and what it is mounted on: uint8 ``[H, W, 3]``, and the text
    of the plate."""
    image, _, text = synth.picture(rng, kind)
    if synth.backgrounds:
        ground = synth.backgrounds[int(rng.integers(len(synth.backgrounds)))]
    else:
        ground = np.full((270, 480), int(rng.integers(256)), np.uint8)
    factor = max(1.6, 1.3 * image.shape[1] / ground.shape[1], 1.3 * image.shape[0] / ground.shape[0])
    scene = cv2.resize(ground, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
    h, w = image.shape
    y, x = int(rng.integers(scene.shape[0] - h)), int(rng.integers(scene.shape[1] - w))
    soft = np.ones((h, w), np.float32)  # its outline fades into the road: a hard edge would be found as a line
    edge = max(2, min(h, w) // 12)
    soft[:edge] = soft[-edge:] = 0
    soft[:, :edge] = soft[:, -edge:] = 0
    soft = cv2.blur(soft, (2 * edge + 1, 2 * edge + 1))
    part = scene[y : y + h, x : x + w]
    part[:] = np.clip(part + (image.astype(np.float32) - part) * np.clip(1.6 * soft, 0, 1), 0, 255).astype(np.uint8)
    return cv2.cvtColor(scene, cv2.COLOR_GRAY2RGB), text


def document_picture(synth: MrzSynth, rng: Rng, lines: tuple[str, ...]) -> Picture:
    """The lower part of a document with its zone, on a table: uint8 ``[H, W, 3]``; drawn until it can be read."""
    while True:
        picture = _document(synth, rng, lines)
        if picture is not None:
            return picture


def _document(synth: MrzSynth, rng: Rng, lines: tuple[str, ...]) -> Picture | None:
    face = synth.faces[int(rng.integers(len(synth.faces)))]
    pitch = face.font(EM).getlength("0") * float(np.clip(rng.normal(1.0, 0.04), 0.92, 1.1))
    caps = round(0.7 * EM)
    leading = round(caps * float(rng.uniform(1.6, 2.1)))
    side, foot, head = round(2 * caps), round(float(rng.uniform(1, 2.2)) * caps), round(float(rng.uniform(3, 9)) * caps)
    w, h = round(pitch * len(lines[0])) + 2 * side, head + leading * len(lines) + foot
    zone = np.zeros((h, w), np.uint8)
    for k, line in enumerate(lines):
        synth._line(face, line, pitch, zone, side, head + caps + k * leading)
    ink = zone.copy()
    for _ in range(int(rng.integers(0, 7))):  # what else the page says
        other = synth.alike[int(rng.integers(len(synth.alike)))] if synth.alike else face
        word = draw_text("".join(chr(int(c)) for c in rng.integers(65, 91, int(rng.integers(3, 12)))), other, 30)
        if word is None:
            continue
        wh, ww = word.mask.shape
        if ww < w and wh < head - caps:
            y, x = int(rng.integers(head - caps - wh + 1)), int(rng.integers(w - ww + 1))
            ink[y : y + wh, x : x + ww] = np.maximum(ink[y : y + wh, x : x + ww], (word.mask * 255).astype(np.uint8))
    page = synth._print(rng, ink)
    native = float(np.clip(np.exp(rng.normal(np.log(15), 0.35)), 9, 30))
    scale = native / caps
    margin = round(float(rng.uniform(0.02, 0.15)) * w * scale)
    size = (round(w * scale) + 2 * margin, round(h * scale) + 2 * margin)
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    target = corners * scale + margin + rng.normal(0, 0.012, (4, 2)) * w * scale
    turn = float(rng.normal(0, 0.02))
    middle = target.mean(0)
    target = (target - middle) @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) + middle
    matrix = cv2.getPerspectiveTransform(corners, target.astype(np.float32))
    shrink = scale * 1.3
    if shrink < 0.8:
        page = cv2.resize(page, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        matrix = cv2.getPerspectiveTransform(corners * np.float32(shrink), target.astype(np.float32))
    else:
        shrink = 1.0
    ground = np.full(size[::-1], int(rng.integers(20, 200)), np.uint8)
    if synth.backgrounds and rng.random() < 0.7:
        ground = cv2.resize(synth.backgrounds[int(rng.integers(len(synth.backgrounds)))], size)
    image = cv2.warpPerspective(page, matrix, size, dst=ground.copy(), borderMode=cv2.BORDER_TRANSPARENT)
    if rng.random() < 0.12:
        image = degrade.motion(rng, image, float(rng.uniform(0.06, 0.2)) * native)
    if rng.random() < 0.2:
        image = degrade.blur(image, float(rng.uniform(0.03, 0.08)) * native)
    image = degrade.camera(rng, image, strength=float(rng.uniform(0.05, 1.0)) * min(1.0, native / 20 + 0.1))
    seen = cv2.warpPerspective(cv2.resize(zone, page.shape[::-1], interpolation=cv2.INTER_AREA), matrix, size)
    for k, line in enumerate(lines):
        top = head + k * leading
        row = np.array([[side, top], [w - side, top], [w - side, top + caps], [side, top + caps]], np.float32)
        points = cv2.perspectiveTransform((row * np.float32(shrink))[None], matrix)[0]
        source = points.astype(np.float32)
        flat = (round(native * w / caps), round(native))
        straight = cv2.getPerspectiveTransform(
            source, np.array([[0, 0], [flat[0], 0], [flat[0], flat[1]], [0, flat[1]]], np.float32)
        )  # fmt: skip
        cut, mask = (cv2.warpPerspective(x, straight, flat) for x in (image, seen))
        if not legible(cut, mask, len(line.rstrip("<")), least=0.2, mean=0.45):
            return None
    return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
