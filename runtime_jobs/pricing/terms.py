"""The terms of the service: its limits on a job, its price and the account's allowance.

The built-in terms are those of ``LIMITS_DATE``. A file in TOML replaces any of them::

    date = "2026-11-29"       # when they were looked up

    [limits]                  # of a job, see circuits.limits.JobLimits
    executions = 10_000_000
    seconds = 10_800

    [price]
    per_second = 1.60
    currency = "USD"

    [allowance]               # QPU time of the account
    seconds = 600
    days = 28
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from os import PathLike
from pathlib import Path
from typing import Any

from circuits.errors import InvalidValueError
from circuits.limits import LIMITS_DATE, JobLimits

__all__ = ["Terms", "read_terms"]

_PRICE = {"per_second": "price_per_second", "currency": "currency"}
_ALLOWANCE = {"seconds": "allowance_seconds", "days": "allowance_days"}


@dataclass(frozen=True)
class Terms:
    """What a plan assumes about the service and the account.

    Attributes:
        limits: Limits of a job.
        price_per_second: Price of a second of QPU time.
        currency: Currency of that price.
        allowance_seconds: QPU time that the account has in ``allowance_days``; None if unknown.
        allowance_days: Days in which it has that time.
        date: When these terms were looked up.
        source: Where they come from, for people.
    """

    limits: JobLimits = field(default_factory=JobLimits)
    price_per_second: float = 1.60
    currency: str = "USD"
    allowance_seconds: float | None = None
    allowance_days: float = 28
    date: str = LIMITS_DATE
    source: str = "built in"

    def describe(self) -> str:
        """Return source and date of the limits."""
        return f"{self.source}, of {self.date}"

    def list_own_limits(self) -> dict[str, Any]:
        """Return the limits that differ from the built-in ones, by name."""
        built_in = asdict(JobLimits())
        return {
            name: value for name, value in asdict(self.limits).items() if value != built_in[name]
        }


def read_terms(file: str | PathLike[str] | None, *, serial_branches: bool = False) -> Terms:
    """Read terms from a TOML file; the built-in ones without a file.

    Args:
        file: The file.
        serial_branches: Whether branches are taken to run one after another.

    Raises:
        InvalidValueError: The file cannot be read, or has an unknown key or a value out of range.
    """
    if file is None:
        return Terms(JobLimits(serial_branches=serial_branches))
    file = Path(file)
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidValueError(f"the limits in {file} cannot be read: {error}") from error
    known = {item.name for item in fields(JobLimits)} - {"serial_branches"}
    _check_keys(file, "", content, ("date", "limits", "price", "allowance"))
    parts = {name: content.get(name, {}) for name in ("limits", "price", "allowance")}
    for name, keys in (("limits", known), ("price", _PRICE), ("allowance", _ALLOWANCE)):
        if not isinstance(parts[name], dict):
            raise InvalidValueError(f"{file}: expected a table [{name}], got {parts[name]!r}")
        _check_keys(file, f"{name}.", parts[name], keys)
        for key, value in parts[name].items():
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if key == "currency" and isinstance(value, str):
                continue
            if not (is_number and value >= 0):
                raise InvalidValueError(
                    f"{file}: expected {name}.{key} as a number of at least 0, got {value!r}"
                )
    named = {_PRICE[key]: value for key, value in parts["price"].items()}
    named |= {_ALLOWANCE[key]: value for key, value in parts["allowance"].items()}
    return replace(
        Terms(**named),
        limits=JobLimits(**parts["limits"], serial_branches=serial_branches),
        date=str(content.get("date", f"unknown, but {LIMITS_DATE} where built in")),
        source=str(file),
    )


def _check_keys(file: Path, prefix: str, given: Mapping[str, Any], known: Collection[str]) -> None:
    for key in given:
        if key not in known:
            raise InvalidValueError(
                f"{file}: unknown key {prefix}{key}; known: "
                + ", ".join(f"{prefix}{name}" for name in sorted(known))
            )
