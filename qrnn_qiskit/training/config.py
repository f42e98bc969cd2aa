"""Resolve a configuration from defaults, the task's defaults, a file and ``--set``."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from circuits.files import is_utf8
from qrnn_qiskit.tasks import get_task
from qrnn_qiskit.training.schema import (
    Config,
    ConfigError,
    ModelConfig,
    TrainConfig,
    allows_none,
    config_class,
    flatten,
    list_keys,
    read_toml,
)

__all__ = [
    "Config",
    "ConfigError",
    "ModelConfig",
    "TrainConfig",
    "read_config",
    "resolve_config",
]

_LONGEST = 200  # characters of a value in messages
_MOST_CHARACTERS = 4096  # of a value, as of a path
_MOST_BITS = 1000  # of an integer that the validation still prints; Python refuses 14,000


def resolve_config(
    task_name: str,
    overrides: Mapping[str, Any] | None = None,
    file: Path | None = None,
    *,
    task_defaults: bool = True,
) -> Config:
    """Resolve a configuration: built-in defaults < those of the task < the file < overrides.

    Defaults of a task may depend on the given values, as those of the digits on the readout mode.

    Args:
        task_name: Name of a registered task.
        overrides: Values by dotted key, or by an unambiguous last name (``epochs`` for
            ``train.epochs``). A string is parsed as a TOML value, and kept as a string if it is not
            one; for a key that is a list of strings, ``ry,rz`` is one. ``none`` switches off an
            optional key.
        file: A TOML file with the same keys as tables.
        task_defaults: Whether the defaults of the task apply. They do not to the file of a run,
            where only keys newer than the run are missing, which it used with built-in defaults.

    Raises:
        ConfigError: A key is unknown or ambiguous (the message names the nearest key or the
            candidates), a value has the wrong type or range, a required key is missing, or the file
            is not TOML.
        UnknownTaskError: No task has this name.
    """
    task = get_task(task_name)
    schema = config_class(task.Settings)
    keys = list_keys(schema)
    given: dict[str, Any] = {}
    if file is not None:
        for key, value in flatten(read_toml(file)).items():
            given[find_key(key, keys, f"{file}: ")] = value
    raw: dict[str, str] = {}
    for key, value in (overrides or {}).items():
        full = find_key(key, keys, "")
        if isinstance(value, str):
            if not is_utf8(value):
                raise ConfigError(
                    f"{full} = {value!r} holds bytes that are not UTF-8 and has no place in the "
                    "config.toml of a run; use another value, or rename the file"
                )
            raw[full] = value
            value = parse_value(value)
            if isinstance(value, str) and len(value) > _MOST_CHARACTERS:
                raise ConfigError(
                    f"{full} = {value[:_LONGEST]!r}... has {len(value)} characters; expected at "
                    f"most {_MOST_CHARACTERS}"
                )
            if isinstance(value, str) and keys[full].annotation == list[str]:
                value = [part.strip() for part in value.split(",")]
        given[full] = value
    defaults = task.choose_defaults(given) if task_defaults else {}
    values = {"task": task.name} | defaults | given
    for key, value in values.items():
        if isinstance(value, str) and value.lower() == "none" and allows_none(keys[key]):
            values[key] = None
        elif isinstance(value, int) and value.bit_length() > _MOST_BITS:
            raise ConfigError(
                f"{key} is an integer of {value.bit_length()} bits; it must fit into 64 bits"
            )
    config = _validate(schema, values, raw, keys)
    for key, value in flatten(config.model_dump()).items():
        if isinstance(value, int) and value.bit_length() > 63:
            raise ConfigError(f"{key} = {value}: must fit into 64 bits")
    if config.task != task.name:
        raise ConfigError(
            f"expected a configuration of the task {task.name!r}, got one of the task "
            f"{config.task!r}; omit the key task, or train that task"
        )
    return config


def read_config(path: Path) -> Config:
    """Read the configuration of a run from its ``config.toml``.

    Raises:
        ConfigError: The file is not a valid configuration.
    """
    task_name = read_toml(path).get("task")
    if not isinstance(task_name, str):
        raise ConfigError(
            f"{path} names no task; expected a key task, as in the config.toml of a run"
        )
    return resolve_config(task_name, file=path, task_defaults=False)


def parse_value(text: str) -> Any:
    """Parse a TOML value (``3``, ``1e-3``, ``true``, ``["ry"]``); other strings stay unchanged."""
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):  # no TOML, or 4,300 digits, or a thousand brackets
        return text
    return table["value"] if len(table) == 1 else text


def find_key(key: str, keys: Iterable[str], where: str) -> str:
    """Find the full dotted key of a key or of its last name.

    The name of a section stands for its key source: data=full is data.source=full.

    Args:
        key: The key as given.
        keys: All known dotted keys.
        where: Prefix of the error message.

    Raises:
        ConfigError: The key is unknown or ambiguous; the message names the nearest key or the
            candidates.
    """
    keys = list(keys)
    for full in (key, f"{key}.source"):
        if full in keys:
            return full
    candidates = [full for full in keys if full.endswith(f".{key}")]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise ConfigError(
            f"{where}the key {key!r} is ambiguous; use one of {', '.join(candidates)}"
        )
    raise ConfigError(f"{where}unknown key {key!r}; the nearest key is {_nearest(key, keys)!r}")


def _nearest(key: str, keys: list[str]) -> str:
    last_names = {full.rpartition(".")[2]: full for full in reversed(keys)}
    match = get_close_matches(key, keys, n=1, cutoff=0.75)
    if match:
        return match[0]
    last = get_close_matches(key.rpartition(".")[2], last_names, n=1, cutoff=0.0)
    return last_names[last[0]]


def _validate(
    schema: type[Config], values: dict[str, Any], raw: dict[str, str], keys: Iterable[str]
) -> Config:
    """Validate with the strict types of TOML: no "3" for 3, no true for 1, but 1 for 1.0."""
    try:
        return _build(schema, values)
    except ValidationError as error:
        wrong = {_find_place(part["loc"], keys) for part in error.errors()}
        as_typed = {key: raw[key] for key in wrong if key in raw}
        message = _explain(error, keys, values)
        cause = error
    try:  # a column named 2024 or true is a string that also parses as a TOML value
        return _build(schema, values | as_typed)
    except ValidationError:
        raise ConfigError(message) from cause


def _build(schema: type[Config], values: dict[str, Any]) -> Config:
    tree: dict[str, Any] = {"model": {}, "data": {}, "train": {}}
    for key, value in values.items():
        *sections, name = key.split(".")
        table = tree
        for section in sections:
            table = table.setdefault(section, {})
        table[name] = value
    return schema.model_validate_json(json.dumps(tree, default=str), strict=True)


def _find_place(location: tuple[int | str, ...], keys: Iterable[str]) -> str:
    """Find the known key of an error, whose location continues inside unions and lists."""
    path = [str(part) for part in location]
    while path and ".".join(path) not in keys:
        path.pop()
    return ".".join(path) or ".".join(map(str, location))


def _explain(error: ValidationError, keys: Iterable[str], values: Mapping[str, Any]) -> str:
    complaints: dict[str, list[str]] = {}
    for part in error.errors():
        place = _find_place(part["loc"], keys)
        if part["type"] == "missing":
            text = f"is required and has no default; set it with --set {place}=VALUE"
        else:
            text = part["msg"].replace("Input should be", "must be").removeprefix("Value error, ")
        if part["type"] == "list_type":
            text = f"must be a list, written as {place}=[...] with items separated by commas"
        complaints.setdefault(place, []).append(text)
    lines = []
    for place, texts in complaints.items():
        value = values.get(place)
        shown = repr(value)
        shown = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."
        got = f" = {shown} ({_name_type(value)})" if place in values else ""
        lines.append(f"{place}{got}: {' or '.join(dict.fromkeys(texts))}")
    return "; ".join(lines)


def _name_type(value: Any) -> str:
    names = {
        bool: "a boolean",
        int: "an integer",
        float: "a float",
        str: "a string",
        list: "a list",
    }
    return names.get(type(value), type(value).__name__)
