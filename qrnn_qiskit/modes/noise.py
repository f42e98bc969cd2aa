"""Readout errors and noise of a step, for the exact simulation of measured mode."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from circuits.errors import InvalidTypeError, InvalidValueError
from circuits.validation import require_name

__all__ = ["CHANNELS", "read_assignment", "read_step_noise"]

Operator = NDArray[np.complex128]

_X = np.array([[0, 1], [1, 0]], np.complex128)
_Y = np.array([[0, -1j], [1j, 0]], np.complex128)
_Z = np.array([[1, 0], [0, -1]], np.complex128)
_ONE = np.eye(2, dtype=np.complex128)


def _depolarize(p: float) -> list[Operator]:
    """Return the channel (1 - p) rho + p / 2."""
    return [math.sqrt(1 - 0.75 * p) * _ONE, *(math.sqrt(p / 4) * pauli for pauli in (_X, _Y, _Z))]


def _dephase(p: float) -> list[Operator]:
    """Return the channel (1 - p) rho + p Z rho Z."""
    return [math.sqrt(1 - p) * _ONE, math.sqrt(p) * _Z]


def _damp(p: float) -> list[Operator]:
    """Return the channel in which 1 decays to 0 with probability p."""
    return [np.diag([1.0 + 0j, math.sqrt(1 - p)]), math.sqrt(p) * (_X + 1j * _Y) / 2]


_CHANNELS: dict[str, Callable[[float], list[Operator]]] = {
    "depolarizing": _depolarize,
    "dephasing": _dephase,
    "damping": _damp,
}
CHANNELS = tuple(_CHANNELS)


def read_step_noise(noise: str | Sequence[Any] | None) -> list[Operator]:
    """Return Kraus operators (2, 2) of the channel on every memory qubit in every step.

    Args:
        noise: None; channels by name with their probabilities, in the order in which they act,
            such as "depolarizing:0.01,dephasing:0.02,damping:0.03"; or Kraus operators (2, 2).

    Raises:
        TypeError: Any other type.
        ValueError: An unknown channel, a number that is not a probability, or operators that do
            not preserve the trace.
    """
    if noise is None:
        return []
    if not isinstance(noise, str):
        return _read_kraus(noise)
    channel = [_ONE]
    for part in noise.split(","):
        name, _, text = part.strip().partition(":")
        make = _CHANNELS[require_name("step_noise", name, CHANNELS, hint=", such as damping:0.01")]
        try:
            probability = float(text)
        except ValueError as error:
            raise InvalidValueError(
                f"step_noise must be a channel and its probability, as damping:0.01, got {part!r}"
            ) from error
        _check_probability(f"step_noise {part!r}", probability)
        channel = [after @ before for after in make(probability) for before in channel]
    return channel


def read_assignment(errors: float | Sequence[Any], num_ancillas: int) -> NDArray[np.float64]:
    """Return matrices (m, 2, 2), A[c, k] the probability that outcome k is stored as c.

    The ancilla returns to 0 whether or not the stored bit is wrong, as after a reset.

    Args:
        errors: The probability of a wrong bit; two numbers, of reading 1 for 0 and 0 for 1; or
            matrices, one (2, 2) for all ancillas or (m, 2, 2).
        num_ancillas: m.

    Raises:
        TypeError: Not numbers.
        ValueError: Another shape, a number that is not a probability, or columns that do not add
            up to 1.
    """
    expected = (
        "readout_error must be a probability, two (of reading 1 for 0, and 0 for 1), or a matrix "
        f"(2, 2) or {num_ancillas} of them with columns that add up to 1"
    )
    try:
        array = np.asarray(errors, np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidTypeError(f"{expected}, got {errors!r}") from error
    for value in array.flat:
        _check_probability("readout_error", float(value))
    if array.shape in ((), (2,)):
        up, down = np.broadcast_to(array, 2)
        array = np.array([[1 - up, down], [up, 1 - down]])
    if array.shape not in ((2, 2), (num_ancillas, 2, 2)):
        raise InvalidValueError(f"{expected}, got shape {array.shape}")
    if not np.allclose(array.sum(-2), 1, rtol=0, atol=1e-9):
        raise InvalidValueError(f"{expected}, got columns that add up to {array.sum(-2).tolist()}")
    return np.broadcast_to(array, (num_ancillas, 2, 2)).copy()


def _check_probability(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise InvalidValueError(f"{name} must be a probability from 0 to 1, got {value}")


def _read_kraus(operators: Sequence[Any]) -> list[Operator]:
    expected = "step_noise must be channels such as 'damping:0.01', or Kraus operators (2, 2)"
    try:
        array = np.asarray(operators, np.complex128)
    except (TypeError, ValueError) as error:
        raise InvalidTypeError(f"{expected}, got {operators!r}") from error
    if array.ndim != 3 or array.shape[1:] != (2, 2) or not len(array):
        raise InvalidValueError(f"{expected}, got shape {array.shape}")
    total = np.einsum("kji,kjl->il", array.conj(), array)
    if not np.allclose(total, _ONE, rtol=0, atol=1e-9):
        raise InvalidValueError(
            f"{expected} that preserve the trace, got a sum of K^dagger K of {total.tolist()}"
        )
    return list(array)
