"""The repetition delay of a device: the pause after a circuit before the next one begins."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import overload

from circuits.errors import InvalidValueError
from circuits.validation import require_amount
from runtime_jobs.device_names import DeviceError

__all__ = ["REP_DELAY_SECONDS", "Delays", "parse_delay", "share_left"]

REP_DELAY_SECONDS = 250e-6  # the default of most devices of IBM

_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6}
_DELAY = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([a-zµμ]+)")


@dataclass(frozen=True)
class Delays:
    """The repetition delays that a device takes, in seconds.

    Attributes:
        default: The delay of a job that asks for none.
        shortest, longest: Ends of the range that a job may ask for.
    """

    default: float = REP_DELAY_SECONDS
    shortest: float = REP_DELAY_SECONDS
    longest: float = REP_DELAY_SECONDS

    def choose(self, wanted: float | None, device: str) -> float:
        """Return the delay of a job.

        Args:
            wanted: The requested delay in seconds; None for the default.
            device: Name of the device, for messages.

        Raises:
            DeviceError: The device does not take the requested delay.
        """
        if wanted is None:
            return self.default
        if not self.shortest * (1 - 1e-9) <= wanted <= self.longest * (1 + 1e-9):
            raise DeviceError(
                f"device {device!r} takes a repetition delay from {self.shortest * 1e6:g} to "
                f"{self.longest * 1e6:g} us, got {wanted * 1e6:g} us; choose one in between, or "
                f"leave --rep-delay out for its default of {self.default * 1e6:g} us"
            )
        return wanted


@overload
def parse_delay(text: str | float) -> float: ...


@overload
def parse_delay(text: None) -> None: ...


def parse_delay(text: str | float | None) -> float | None:
    """Parse a time with its unit, s, ms or us, as seconds; a number is in seconds already.

    >>> parse_delay("50us")
    5e-05

    Raises:
        InvalidTypeError: Neither a text nor a number.
        InvalidValueError: Another text, or a number that is negative or not finite.
    """
    if text is None:
        return None
    if not isinstance(text, str):
        return require_amount("--rep-delay (in Python rep_delay, seconds)", text)
    match = _DELAY.fullmatch(text.strip())
    if match is None or match[2] not in _UNITS:
        raise InvalidValueError(
            f"expected a repetition delay with its unit, such as 50us or 0.25ms, got {text[:60]!r}"
        )
    # Rounded to picoseconds, so that 50us and 0.05ms are the same job.
    return round(float(match[1]) * _UNITS[match[2]], 12)


def share_left(delay: float, t1: float) -> float:
    """Return the share of an excited state that is left after a delay, by T1 in seconds."""
    return math.exp(-delay / t1)
