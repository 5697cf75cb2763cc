"""Frozen dataclasses from decoded JSON and back, strictly: neither a key more nor a key less, each value of its type
and within its limits. What is wrong is said with the file and the key."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from typing import Any, Literal, NoReturn, Union

from edge_ocr.errors import ManifestError

__all__ = ["REPAIR", "fail", "kind_of", "limits", "no_constant", "no_duplicates", "parse", "plain"]

REPAIR = "Reinstall edge-ocr (pip install --force-reinstall edge-ocr), or export the model again."


def limits(low: float | None = None, high: float | None = None) -> Any:
    """A required field whose number, or whose numbers, lie in ``low..high``."""
    return dataclasses.field(metadata={"low": low, "high": high})


def fail(where: str, key: str, problem: str) -> NoReturn:
    """Raises the ManifestError that says what is wrong with ``key`` (empty: all of it) of the file ``where``."""
    place = f"key {key!r}: " if key else ""
    raise ManifestError(f"{where}: {place}{problem}. {REPAIR}")


def kind_of(value: object) -> str:
    """A value of decoded JSON, as an error names it."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), repr(value))


def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For ``json.loads(object_pairs_hook=)``: ValueError for a key that stands twice."""
    data: dict[str, Any] = {}
    for key, value in pairs:
        if key in data:
            raise ValueError(f"key {key!r} stands twice")
        data[key] = value
    return data


def no_constant(name: str) -> NoReturn:
    """For ``json.loads(parse_constant=)``: ValueError for NaN and the infinities."""
    raise ValueError(f"{name} is not a number that JSON knows")


def plain(value: Any) -> Any:
    """Dataclasses, dicts, tuples and what they hold as JSON writes them; fields that are None are left out."""
    if dataclasses.is_dataclass(value):
        pairs = ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))
        return {name: plain(part) for name, part in pairs if part is not None}
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(part) for part in value]
    return value


def parse(cls: type[Any], data: object, where: str, prefix: str) -> Any:
    """``data`` as an instance of the dataclass ``cls``; neither a key more nor a key less."""
    if not isinstance(data, dict):
        fail(where, prefix.rstrip("."), f"expected an object, found {kind_of(data)}")
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for key in data:
        if key not in fields:
            fail(where, f"{prefix}{key}", f"unknown; known here are {', '.join(fields)}")
    values = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _value(hints[name], data[name], where, f"{prefix}{name}", field.metadata)
        elif field.default is dataclasses.MISSING:
            fail(where, f"{prefix}{name}", "missing")
    return cls(**values)


def _value(hint: Any, value: Any, where: str, key: str, limits: typing.Mapping[str, Any]) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):  # only "X | None": the key may be absent, but never null
        return _value(arguments[0], value, where, key, limits)
    if dataclasses.is_dataclass(hint):
        return parse(typing.cast("type[Any]", hint), value, where, f"{key}.")
    if origin is Literal:
        if not isinstance(value, str) or value not in arguments:
            fail(where, key, f"expected {' or '.join(map(repr, arguments))}, found {value!r}")
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            fail(where, key, f"expected a list, found {kind_of(value)}")
        if arguments[-1] is not Ellipsis and len(value) != len(arguments):
            fail(where, key, f"expected a list of {len(arguments)}, found {len(value)}")
        return tuple(_value(arguments[0], part, where, f"{key}[{i}]", limits) for i, part in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            fail(where, key, f"expected an object, found {kind_of(value)}")
        return {str(k): _value(arguments[1], part, where, f"{key}.{k}", limits) for k, part in value.items()}
    if hint is str:
        if not isinstance(value, str) or not value:
            fail(where, key, f"expected a string that is not empty, found {value!r}")
        return value
    if isinstance(value, bool) or not isinstance(value, int if hint is int else (int, float)):
        fail(where, key, f"expected {'a whole number' if hint is int else 'a number'}, found {kind_of(value)}")
    low, high = limits.get("low"), limits.get("high")
    if not math.isfinite(value) or (low is not None and value < low) or (high is not None and value > high):
        fail(where, key, f"expected a number {_range(low, high)}, found {value!r}")
    return value


def _range(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"in {low:g}..{high:g}"
    return "that is finite" if low is None else f"of at least {low:g}"
