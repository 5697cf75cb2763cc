"""What cameras, printers, scanners and codecs do to a picture, at a chosen strength."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["bitonal", "blur", "camera", "dots", "hand", "illuminate", "jpeg", "motion", "noise", "thermal"]

Rng = np.random.Generator
Image = NDArray[np.uint8]


def blur(image: Image, sigma: float) -> Image:
    return cv2.GaussianBlur(image, (0, 0), sigma) if sigma > 0.15 else image


def motion(rng: Rng, image: Image, length: float) -> Image:
    """Blur along a line of ``length`` pixels at a random angle."""
    n = max(3, int(np.ceil(length)) | 1)
    kernel = np.zeros((n, n), np.float32)
    angle = rng.uniform(0, np.pi)
    c, dx, dy = n // 2, np.cos(angle) * length / 2, np.sin(angle) * length / 2
    cv2.line(kernel, (round(c - dx), round(c - dy)), (round(c + dx), round(c + dy)), 1.0, 1, cv2.LINE_AA)
    return cv2.filter2D(image, -1, kernel / max(kernel.sum(), 1e-6), borderType=cv2.BORDER_REPLICATE)


def noise(rng: Rng, image: Image, sigma: float) -> Image:
    """Gaussian noise, now and then coarser than a pixel as after a codec or a demosaic."""
    h, w = image.shape[:2]
    if rng.random() < 0.3 and min(h, w) > 4:
        grain = rng.normal(0, sigma, (h // 2 + 1, w // 2 + 1)).astype(np.float32)
        grain = cv2.resize(grain, (w, h), interpolation=cv2.INTER_LINEAR) * 1.5
    else:
        grain = rng.standard_normal((h, w), dtype=np.float32) * sigma
    if image.ndim == 3:
        grain = grain[..., None]
    return np.clip(image + grain, 0, 255).astype(np.uint8)


def jpeg(image: Image, quality: int) -> Image:
    ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    flag = cv2.IMREAD_COLOR if image.ndim == 3 else cv2.IMREAD_GRAYSCALE
    return cv2.imdecode(data, flag) if ok else image


def illuminate(rng: Rng, image: Image, strength: float = 1.0) -> Image:
    """Uneven light: a slope, a soft shadow edge or a glare spot, then gamma, gain and offset."""
    h, w = image.shape[:2]
    field = np.ones((h, w), np.float32)
    u = rng.random()
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    if u < 0.35:
        a = rng.uniform(0, 2 * np.pi)
        t = (np.cos(a) * x / max(w, 1) + np.sin(a) * y / max(h, 1)).astype(np.float32)
        field += (t - t.mean()) * rng.uniform(0, 0.9) * strength
    elif u < 0.55:
        a, b = rng.uniform(0, 2 * np.pi), rng.uniform(0.02, 0.3)
        t = np.cos(a) * (x / max(w, 1) - rng.uniform(0.2, 0.8)) + np.sin(a) * (y / max(h, 1) - rng.uniform(0.2, 0.8))
        field -= rng.uniform(0.1, 0.55) * strength / (1 + np.exp(np.clip(-t / b * 4, -30, 30)))
    out = image.astype(np.float32)
    gain, offset, gamma = 1.0, 0.0, 1.0
    if rng.random() < 0.6:
        gain = 1 + rng.uniform(-0.35, 0.25) * strength
        offset = rng.uniform(-30, 30) * strength
        gamma = float(np.exp(rng.uniform(-0.5, 0.5) * strength))
    if u > 0.93:
        cx, cy, r = rng.uniform(0, w), rng.uniform(0, h), rng.uniform(0.3, 1.5) * h
        spot = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * r * r)) * rng.uniform(40, 170) * strength
        out += spot[..., None] if image.ndim == 3 else spot
    out = out * (field[..., None] if image.ndim == 3 else field)
    if gamma != 1.0:
        out = 255 * np.power(np.clip(out / 255, 0, 1), gamma)
    return np.clip(out * gain + offset, 0, 255).astype(np.uint8)


def thermal(rng: Rng, mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """Ink of a worn thermal or dot head: missing rows, faded patches. ``mask`` f32 ``[h, w]`` in 0..1."""
    h, w = mask.shape
    out = mask
    if rng.random() < 0.5:
        patches = rng.uniform(0.35, 1.1, (3, max(3, w // 24))).astype(np.float32)
        out = out * np.clip(cv2.resize(patches, (w, h), interpolation=cv2.INTER_CUBIC), 0, 1)
    if rng.random() < 0.4:
        speck = (rng.random((h, w), dtype=np.float32) > rng.uniform(0.03, 0.25)).astype(np.float32)
        out = out * (0.4 + 0.6 * speck)
    if rng.random() < 0.2:
        rows = np.ones((h, 1), np.float32)
        rows[rng.integers(0, h, size=max(1, h // 14))] = rng.uniform(0.2, 0.8)
        out = out * rows
    return out.astype(np.float32)


def dots(rng: Rng, mask: NDArray[np.float32], em: float) -> NDArray[np.float32]:
    """Ink as the pins of a dot-matrix head set it: a coarse grid of round spots. ``mask`` f32 ``[h, w]`` in 0..1."""
    h, w = mask.shape
    pitch = max(2.0, em / rng.uniform(9, 16))
    columns, rows = max(2, round(w / pitch)), max(2, round(h / pitch))
    on = (cv2.resize(mask, (columns, rows), interpolation=cv2.INTER_AREA) > rng.uniform(0.25, 0.45)).astype(np.float32)
    on *= rng.random((rows, columns)) > rng.uniform(0.0, 0.06)
    whole = cv2.resize(on, (w, h), interpolation=cv2.INTER_NEAREST)
    y = (np.arange(h, dtype=np.float32) + 0.5) * rows / h % 1 - 0.5
    x = (np.arange(w, dtype=np.float32) + 0.5) * columns / w % 1 - 0.5
    radius = rng.uniform(0.38, 0.62)
    spot = np.clip((radius - np.sqrt(y[:, None] ** 2 + x[None, :] ** 2)) * pitch + 0.5, 0, 1)
    return np.asarray(whole * spot, np.float32)


def bitmap(rng: Rng, mask: NDArray[np.float32], em: float, squeeze: float = 1.0) -> NDArray[np.float32]:
    """Ink in the few square pixels that the type of a till or a label printer has, 17 to 28 for an em of ``em`` pixels.
    ``squeeze``: how narrow the type will be set afterwards, so that its pixels are square then. ``mask`` f32 ``[h, w]``
    in 0..1."""
    h, w = mask.shape
    pitch = em / rng.uniform(17, 28)
    columns, rows = max(2, round(w * squeeze / pitch)), max(2, round(h / pitch))
    on = cv2.resize(mask, (columns, rows), interpolation=cv2.INTER_AREA) > rng.uniform(0.3, 0.5)
    if rng.random() < 0.25:  # double-struck
        on[:, 1:] |= on[:, :-1].copy()
    return cv2.resize(on.astype(np.float32), (w, h), interpolation=cv2.INTER_NEAREST)


def hand(rng: Rng, mask: NDArray[np.float32], em: float) -> NDArray[np.float32]:
    """Ink f32 ``[h, w]`` of letters ``em`` pixels high as if a hand had written it: every stroke a little off its
    place, and bent, by about a twentieth of a letter, and the letters off their line."""
    h, w = mask.shape
    cells = (max(2, round(h / (0.45 * em)) + 1), max(2, round(w / (0.45 * em)) + 1))
    reach = float(rng.uniform(0.025, 0.055)) * em
    field = [rng.normal(0, reach, cells).astype(np.float32) for _ in range(2)]
    dx, dy = (cv2.resize(f, (w, h), interpolation=cv2.INTER_CUBIC) for f in field)
    x, y = np.arange(w, dtype=np.float32)[None] + dx, np.arange(h, dtype=np.float32)[:, None] + dy
    return cv2.remap(mask, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def bitonal(rng: Rng, image: Image) -> Image:
    """Black and white as fax machines and old scanners make it: noise, then one threshold, then specks. ``[h, w]``
    only."""
    low, high = float(image.min()), float(image.max())
    if high - low < 20:
        return image
    grain = rng.standard_normal(image.shape, dtype=np.float32) * rng.uniform(0.02, 0.16) * (high - low)
    value = cv2.GaussianBlur(image.astype(np.float32) + grain, (0, 0), rng.uniform(0.3, 0.8))
    out = np.where(value > low + (high - low) * rng.uniform(0.35, 0.72), 255, 0).astype(np.uint8)
    if rng.random() < 0.3:
        flip = rng.random(image.shape, dtype=np.float32) < rng.uniform(0.001, 0.012)
        out[flip] = 255 - out[flip]
    return out


def camera(rng: Rng, image: Image, *, strength: float = 1.0) -> Image:
    """One random chain of light, blur, noise and compression; ``strength`` 0 leaves the picture almost as it is."""
    if rng.random() < 0.55 * min(1.0, strength + 0.3):
        image = illuminate(rng, image, strength)
    if rng.random() < 0.5:
        image = blur(image, abs(rng.normal(0, 0.75)) * strength)
    if rng.random() < 0.10 * strength:
        image = motion(rng, image, rng.uniform(1.5, 4.5) * strength)
    if rng.random() < 0.5:
        image = noise(rng, image, abs(rng.normal(0, 9)) * strength)
    if rng.random() < 0.45:
        image = jpeg(image, int(np.clip(rng.normal(65, 22), 12, 96)))
    if rng.random() < 0.08:
        # Sharpening as phones and scanners do it.
        soft = cv2.GaussianBlur(image, (0, 0), 1.2)
        image = cv2.addWeighted(image, 2.0, soft, -1.0, 0)
    return image
