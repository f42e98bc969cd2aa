"""The JSON files of a run folder, which are checked when they are read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from circuits.errors import InvalidValueError

__all__ = [
    "RunFolderError",
    "find_evaluations",
    "list_numbered",
    "read_metrics",
    "read_provenance",
    "read_tuning",
]

_NUMBERED = re.compile(r"(\d+)-.*\.json")


class RunFolderError(InvalidValueError):
    """A folder that cannot be used as requested: it holds a run already, or no usable one."""


class _Content(BaseModel):
    """The fields that this package reads; a file may have more."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)


class _Origin(_Content):
    run: str


class _Provenance(_Content):
    data_sha256: str
    created: str
    versions: dict[str, str | None]
    device: str = "simulator"
    gradient: str | None = None
    fine_tuned_from: _Origin | None = None


class _Row(_Content):
    epoch: int
    step: int
    learning_rate: float
    train_loss: float
    gradient_norm_mean: float
    gradient_norm_max: float
    seconds: float


class _Tuning(_Content):
    losses: list[float]
    gradient: str | None
    shots: int


class _Estimate(_Content):
    value: float | None
    standard_error: float | None


class _Deviations(_Content):
    residuals: list[float]
    drift: list[float]
    spread: float | None
    readouts: int


class _Evaluation(_Content):
    task: str
    device: str
    weights: str
    sequences: int
    shots: int | None
    seed: int
    metrics: dict[str, _Estimate]
    seconds: float
    jobs: int
    qpu_seconds: float
    deviations: _Deviations | None
    provenance: dict[str, Any]


def read_provenance(file: Path) -> dict[str, Any]:
    """Read provenance.json.

    Raises:
        RunFolderError: The file is missing, cut short or damaged.
    """
    remedy = "restore it from a copy of the run"
    try:
        content = file.read_bytes()
    except FileNotFoundError as error:
        raise RunFolderError(f"{file} is missing; {remedy}") from error
    return _parse(str(file), content, _Provenance, remedy)


def read_tuning(file: Path) -> dict[str, Any] | None:
    """Read tuned.json, the steps of training on a service; None if there is no file.

    Raises:
        RunFolderError: The file is cut short or damaged.
    """
    if not file.exists():
        return None
    return _parse(str(file), file.read_bytes(), _Tuning, "restore it, or move it away")


def read_metrics(file: Path, headline: str) -> list[dict[str, Any]]:
    """Read the objects of metrics.jsonl; empty if there is no file.

    A last line without a line break, left behind by a kill, is skipped.

    Args:
        file: The file.
        headline: Metric of the validation that every row must have, without its prefix.

    Raises:
        RunFolderError: Another line is damaged; the message gives its number.
    """
    if not file.exists():
        return []
    *lines, _ = file.read_bytes().split(b"\n")
    remedy = "restore the file from a copy of the run"
    rows = [
        _parse(f"line {number} of {file}", line, _Row, remedy)
        for number, line in enumerate(lines, start=1)
    ]
    names = {f"validation_{headline}"}
    if rows:
        names |= {name for name in rows[0] if name.startswith("validation_")}
    for number, row in enumerate(rows, start=1):
        for name in sorted(names):
            if not isinstance(row.get(name), int | float) or isinstance(row[name], bool):
                raise RunFolderError(
                    f"line {number} of {file} is damaged (expected a number {name}, got "
                    f"{row.get(name)!r:.60}); {remedy}"
                )
    return rows


def find_evaluations(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Find the files of the evaluations in their order, each with its object and ``number``.

    Raises:
        RunFolderError: A file is cut short or damaged.
    """
    return [
        (
            file,
            {"number": number}
            | _parse(
                str(file),
                file.read_bytes(),
                _Evaluation,
                "restore it, or move it away and run 'qrnn evaluate' again",
            ),
        )
        for number, file in list_numbered(folder)
    ]


def list_numbered(folder: Path) -> list[tuple[int, Path]]:
    """List the files of evaluations with their numbers, in order; other files are left out."""
    return sorted(
        (int(match[1]), file)
        for file in folder.glob("[0-9]*-*.json")
        if (match := _NUMBERED.fullmatch(file.name)) is not None
    )


def _parse(what: str, content: bytes, schema: type[_Content], remedy: str) -> dict[str, Any]:
    """Parse an object, and check the fields that are used."""
    try:
        found: dict[str, Any] = json.loads(content, parse_constant=_refuse)
        schema.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "content"
        raise RunFolderError(f"{what} is damaged ({place}: {first['msg']}); {remedy}") from error
    except (ValueError, RecursionError) as error:
        raise RunFolderError(f"{what} is cut short or damaged ({error}); {remedy}") from error
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number in JSON")
