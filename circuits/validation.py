"""Checks of arguments that several modules share; their errors name the value they got."""

from __future__ import annotations

import difflib
import math
import operator
from collections.abc import Sequence
from numbers import Real

from circuits.errors import InvalidTypeError, InvalidValueError

__all__ = ["require_amount", "require_count", "require_flag", "require_name"]


def require_amount(name: str, value: object, *, above_zero: bool = False) -> float:
    """Return ``value``, any finite real number of at least 0, as a ``float``.

    Args:
        name: Name of the value, for the message.
        value: The value.
        above_zero: Whether 0 is refused, too.

    Raises:
        TypeError: ``value`` is not a real number, or is ``True`` or ``False``.
        ValueError: It is NaN, infinite, negative, or 0 with ``above_zero``.
    """
    expected = f"{name} must be a finite number {'above' if above_zero else 'of at least'} 0"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InvalidTypeError(f"{expected}, got {value!r} ({type(value).__name__})")
    number = float(value)
    if not math.isfinite(number) or number < 0 or (above_zero and not number):
        raise InvalidValueError(f"{expected}, got {number:g}")
    return number


def require_count(name: str, value: object, *, minimum: int = 1) -> int:
    """Return ``value`` as an ``int`` of at least ``minimum``.

    Raises:
        TypeError: ``value`` is not an integer. ``True`` and ``3.0`` are not integers here.
        ValueError: ``value`` is below ``minimum``, or does not fit into 64 bits.
    """
    expected = f"{name} must be an integer of at least {minimum}"
    try:
        if isinstance(value, bool):
            raise TypeError("a truth value is not a count")
        count = operator.index(value)  # type: ignore[arg-type]
    except TypeError as error:
        raise InvalidTypeError(f"{expected}, got {value!r} ({type(value).__name__})") from error
    if count.bit_length() > 63:  # Python does not even print an integer of 4,300 digits
        raise InvalidValueError(
            f"{expected} that fits into 64 bits, got one of {count.bit_length()} bits"
        )
    if count < minimum:
        raise InvalidValueError(f"{expected}, got {count}")
    return count


def require_flag(name: str, value: object) -> bool:
    """Return ``value`` if it is True or False (TypeError otherwise)."""
    if not isinstance(value, bool):
        raise InvalidTypeError(
            f"{name} must be True or False, got {value!r} ({type(value).__name__})"
        )
    return value


def require_name(kind: str, value: object, known: Sequence[str], *, hint: str = "") -> str:
    """Return ``value`` if it is one of the ``known`` names.

    Args:
        kind: Kind of name, for the message: ``"ansatz"``, ``"entangler"``.
        value: The value to check.
        known: The names that are accepted.
        hint: Other accepted forms, added to the message.

    Raises:
        TypeError: ``value`` is not a string.
        ValueError: ``value`` is not known; the message has all known names and the nearest.
    """
    if not isinstance(value, str):
        raise InvalidTypeError(
            f"{kind} must be a name ({', '.join(known)}){hint}, "
            f"got {value!r} ({type(value).__name__})"
        )
    if value in known:
        return value
    nearest = difflib.get_close_matches(value.lower(), known, n=1)
    suggestion = f" Did you mean {nearest[0]!r}?" if nearest else ""
    raise InvalidValueError(
        f"unknown {kind} {value!r}; known are {', '.join(known)}{hint}.{suggestion}"
    )
