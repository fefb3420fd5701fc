"""Strict typed configuration: plain data (TOML, JSON) into frozen dataclasses, and back.

An unknown key is an error that names the nearest known key; a wrong type is an error that names the key.
Nothing is evaluated.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from runir.errors import UsageError, nearest

T = TypeVar("T")


def build(cls: type[T], data: Mapping[str, Any], where: str = "") -> T:
    """Build the dataclass `cls` from plain data; `where` is the prefix that error messages show.

    Raises UsageError for an unknown key, a missing key, or a value of the wrong type.
    """
    hints = get_type_hints(cls)
    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for key in data:
        if key not in names:
            raise UsageError(f"unknown key {where + key!r}; {nearest(key, names)}")
    values = {key: _convert(hints[key], value, where + key) for key, value in data.items()}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and field.name not in values:
            raise UsageError(f"missing key {where + field.name!r}")
    return cls(**values)


def _convert(hint: Any, value: Any, key: str) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _convert_union(args, value, key)
    if origin is Literal:
        if value not in args:
            raise UsageError(f"{key} = {value!r}: choose one of {', '.join(map(repr, args))}")
        return value
    if origin is tuple:
        return _convert_tuple(args, value, key)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise UsageError(f"{key}: a table is needed, not {value!r}")
        return dict(value)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise UsageError(f"{key}: a table is needed, not {value!r}")
        return build(hint, value, key + ".")
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise UsageError(f"{key} = {value!r}: a value of type {hint.__name__} is needed")
    return value


def _convert_union(args: tuple[Any, ...], value: Any, key: str) -> Any:
    if value is None and type(None) in args:
        return None
    errors = []
    for hint in args:
        if hint is type(None):
            continue
        try:
            return _convert(hint, value, key)
        except UsageError as error:
            errors.append(str(error))
    raise UsageError(errors[0])


def _convert_tuple(args: tuple[Any, ...], value: Any, key: str) -> Any:
    if not isinstance(value, list | tuple):
        raise UsageError(f"{key} = {value!r}: a list is needed")
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(_convert(args[0], item, f"{key}[{i}]") for i, item in enumerate(value))
    if len(value) != len(args):
        raise UsageError(f"{key} = {value!r}: a list of {len(args)} values is needed")
    return tuple(_convert(arg, item, f"{key}[{i}]") for i, (arg, item) in enumerate(zip(args, value, strict=True)))


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file. Raises UsageError naming the file when it is missing or not TOML."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file; give the path of a TOML file")
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from error


def override(data: dict[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Apply 'a.b=value' assignments (value: JSON or TOML scalar or list; a bare word is a string) to a copy."""
    result: dict[str, Any] = json.loads(json.dumps(data))
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not path.strip():
            raise UsageError(f"--set {assignment!r}: write key=value, for example --set schedule.steps=1000")
        keys = path.strip().split(".")
        table = result
        for key in keys[:-1]:
            inner = table.setdefault(key, {})
            if not isinstance(inner, dict):
                raise UsageError(f"--set {assignment!r}: {key!r} is not a table")
            table = inner
        table[keys[-1]] = _scalar(text.strip())
    return result


def _scalar(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def to_plain(value: Any) -> Any:
    """A dataclass (nested) as dicts, lists and scalars; None entries are left out (TOML has no null)."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        pairs = ((f.name, getattr(value, f.name)) for f in dataclasses.fields(value))
        return {name: to_plain(item) for name, item in pairs if item is not None}
    if isinstance(value, Mapping):
        return {str(k): to_plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return value


def dump_toml(data: Mapping[str, Any]) -> str:
    """Plain data as TOML text: scalars first, then tables, then arrays of tables."""
    return "\n".join(_toml_lines(data, "")).strip() + "\n"


def _toml_lines(data: Mapping[str, Any], prefix: str) -> list[str]:
    lines: list[str] = []
    tables: list[tuple[str, Any]] = []
    for key, value in data.items():
        if isinstance(value, Mapping) or (isinstance(value, list) and value and isinstance(value[0], Mapping)):
            tables.append((key, value))
        else:
            lines.append(f"{_key(key)} = {_toml_value(value)}")
    for key, value in tables:
        path = f"{prefix}{_key(key)}"
        for item in value if isinstance(value, list) else [value]:
            lines += ["", f"[[{path}]]" if isinstance(value, list) else f"[{path}]"]
            lines += _toml_lines(item, path + ".")
    return lines


def _key(key: str) -> str:
    bare = key and all(c.isascii() and (c.isalnum() or c in "-_") for c in key)
    return key if bare else json.dumps(key)


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)
