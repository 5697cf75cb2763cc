"""Golden files: JSON with pictures and arrays beside it, and the comparison that they ask for.

A value in a golden file is plain JSON, or one of

- ``{"png": NAME}``: a picture beside the file, 8 bit, grey or RGB, lossless;
- ``{"f32": NAME, "shape": [...]}``: little-endian float32, last axis fastest; ``u8`` likewise.

``tolerance`` gives, by the key of a value in ``want``, how far any number in it may be off; for a picture that is grey
levels. A key that is not there must match exactly; null in ``want`` matches anything.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Blobs", "GoldenFile", "differences", "load", "save"]

_DTYPES = {"f32": "<f4", "u8": "u1"}

# what (prose), tolerance (key -> number), cases (name, given, want), and model where it belongs to one
GoldenFile = dict[str, Any]


class Blobs:
    """Writes pictures and arrays beside a golden file, named after it, and gives the values that stand for them."""

    def __init__(self, folder: Path, stem: str) -> None:
        self.folder, self.stem = folder, stem
        self.written: set[str] = set()
        self._kept: dict[bytes, dict[str, Any]] = {}

    def store(self, name: str, value: Any) -> Any:
        """``value`` as JSON; arrays of uint8 with 2 axes, or 3 of which the last has 3, become a PNG, others binary."""
        if isinstance(value, dict):
            return {k: self.store(f"{name}-{k}", v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.store(f"{name}-{i}", v) for i, v in enumerate(value)]
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, float):
            return round(value, 6) if math.isfinite(value) else None
        if not isinstance(value, np.ndarray):
            return value
        picture = value.dtype == np.uint8 and (value.ndim == 2 or (value.ndim == 3 and value.shape[2] == 3))
        if not picture and (value.dtype != np.float32 or value.size <= 64):
            return self.store(name, value.tolist())
        same = f"{value.dtype}{value.shape}".encode() + value.tobytes()
        if same not in self._kept:  # several cases may share a picture
            self._kept[same] = self._file(name, value, picture)
        return dict(self._kept[same])

    def _file(self, name: str, value: NDArray[Any], picture: bool) -> dict[str, Any]:
        if picture:
            file = self._name(name, "png")
            _write_png(self.folder / file, value)
            return {"png": file}
        file = self._name(name, "f32")
        (self.folder / file).write_bytes(np.ascontiguousarray(value, "<f4").tobytes())
        return {"f32": file, "shape": list(value.shape)}

    def _name(self, name: str, suffix: str) -> str:
        file = f"{self.stem}-{name}.{suffix}"
        self.written.add(file)
        return file


def save(folder: Path, stem: str, golden: GoldenFile) -> set[str]:
    """Writes ``folder/stem.json`` and what belongs to it; the names of all files written."""
    folder.mkdir(parents=True, exist_ok=True)
    blobs = Blobs(folder, stem)
    cases = []
    for case in golden["cases"]:
        parts = {part: blobs.store(f"{case['name']}-{part}", case[part]) for part in ("given", "want")}
        cases.append({"name": case["name"], **parts})
    text = _pretty({**golden, "cases": cases})
    (folder / f"{stem}.json").write_text(text + "\n", encoding="utf-8")
    return blobs.written | {f"{stem}.json"}


def load(path: Path) -> GoldenFile:
    """The file with its pictures and arrays read: uint8 ``[h, w]`` or ``[h, w, 3]`` RGB, float32."""
    data: GoldenFile = json.loads(path.read_text(encoding="utf-8"))
    data["cases"] = [_read(path.parent, case) for case in data["cases"]]
    return data


def differences(want: Any, got: Any, tolerance: dict[str, float], where: str = "", key: str = "") -> list[str]:
    """What in ``got`` is not as ``want`` asks, a sentence each; empty where all is well."""
    if want is None:
        return []
    if isinstance(want, dict):
        if not isinstance(got, dict) or set(want) != set(got):
            return [f"{where}: keys {sorted(want)} wanted, found {sorted(got) if isinstance(got, dict) else got!r}"]
        return [d for k in want for d in differences(want[k], got[k], tolerance, f"{where}.{k}".lstrip("."), k)]
    limit = tolerance.get(key, 0.0)
    if isinstance(want, np.ndarray) or isinstance(got, np.ndarray):
        a, b = np.asarray(want, np.float64), np.asarray(got, np.float64)
        if a.shape != b.shape:
            return [f"{where}: shape {a.shape} wanted, found {b.shape}"]
        worst = float(np.abs(a - b).max(initial=0.0))
        return [] if worst <= limit else [f"{where}: off by {worst:.6g}, allowed are {limit:g}"]
    if isinstance(want, (list, tuple)):
        if not isinstance(got, (list, tuple)) or len(want) != len(got):
            found = len(got) if isinstance(got, (list, tuple)) else repr(got)
            return [f"{where}: {len(want)} values wanted, found {found}"]
        pairs = zip(want, got, strict=True)
        return [d for i, (a, b) in enumerate(pairs) for d in differences(a, b, tolerance, f"{where}[{i}]", key)]
    if isinstance(want, (int, float)) and isinstance(got, (int, float)) and not isinstance(want, bool):
        # written with six decimals
        off = abs(float(want) - float(got))
        return [] if off <= max(limit, 1e-6) else [f"{where}: {want!r} wanted, found {got!r}, allowed are {limit:g}"]
    return [] if type(want) is type(got) and want == got else [f"{where}: {want!r} wanted, found {got!r}"]


def _read(folder: Path, value: Any) -> Any:
    if isinstance(value, list):
        return [_read(folder, v) for v in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"png"}:
        return _read_png(folder / value["png"])
    for kind, dtype in _DTYPES.items():
        if set(value) == {kind, "shape"}:
            flat = np.frombuffer((folder / value[kind]).read_bytes(), dtype)
            return flat.reshape(value["shape"]).astype(dtype.replace("<", "="))
    return {k: _read(folder, v) for k, v in value.items()}


def _read_png(path: Path) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError(f"{path}: not a PNG")
    return np.ascontiguousarray(image if image.ndim == 2 else image[..., ::-1])


def _write_png(path: Path, image: NDArray[np.uint8]) -> None:
    done, data = cv2.imencode(".png", image if image.ndim == 2 else image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    if not done:
        raise ValueError(f"{path}: cannot be written as PNG")
    path.write_bytes(data.tobytes())


def _pretty(value: Any, indent: int = 0) -> str:
    """JSON in which what fits into a line stands on one line."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + indent <= 118 or not isinstance(value, (dict, list)) or not value:
        return flat
    pad = " " * (indent + 1)
    if isinstance(value, dict):
        rows = [f"{pad}{json.dumps(k)}: {_pretty(v, indent + 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(rows) + "\n" + " " * indent + "}"
    if all(isinstance(v, (int, float)) for v in value):
        lines, row = [], pad
        for k, v in enumerate(value):
            part = json.dumps(v) + ("," if k + 1 < len(value) else "")
            if len(row) + len(part) > 118:
                lines.append(row.rstrip())
                row = pad
            row += part + " "
        return "[\n" + "\n".join([*lines, row.rstrip()]) + "\n" + " " * indent + "]"
    return "[\n" + ",\n".join(pad + _pretty(v, indent + 1) for v in value) + "\n" + " " * indent + "]"
