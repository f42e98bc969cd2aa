"""How backward gets its gradients where circuits run on an executor."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from circuits.errors import InvalidValueError
from circuits.validation import require_count, require_name
from qrnn_qiskit.executors.protocol import Executor

__all__ = [
    "GRADIENT_METHODS",
    "GradientError",
    "GradientMethod",
    "choose_gradient",
    "parse_gradient",
    "require_gradient",
]

GRADIENT_METHODS = ("parameter-shift", "spsa", "simulator", "coordinates")
_KEYS: dict[str, dict[str, type]] = {
    "parameter-shift": {},
    "spsa": {"draws": int, "perturbation": float},
    "simulator": {},
    "coordinates": {"draws": int, "floor": float},
}
_DRAWS = {"coordinates": 64}


class GradientError(InvalidValueError):
    """A gradient on a sampled executor on which nobody has chosen a method."""


@dataclass(frozen=True)
class GradientMethod:
    """A method of the gradient, written ``name[?key=value[&key=value]]``.

    Attributes:
        name: "parameter-shift" (exact in expectation; two to four runs for every angle of every
            step of every prefix), "spsa" (Spall 1992; two runs of every prefix for each draw),
            "coordinates" (measured mode only: parameter shift of angles drawn at random, those of
            likely branches more often; unbiased) or
            "simulator" (no runs: the derivatives of the noiseless circuit at the very angles that
            were run, while all values are the device's; physics-aware training, Wright et al. 2022.
            No shot noise, but blind to what noise does to the derivatives, and the circuit must be
            small enough to simulate).
        draws: Random directions k of SPSA for each sequence, or angles drawn for each sequence;
            the gradient is their mean.
        perturbation: c of SPSA in radians. The bias grows as c^2, the variance by shots as 1/c^2.
        floor: Share of the draws of coordinates that goes to all angles alike, in (0, 1]; the rest
            goes to each angle by the probability that its branch runs.
    """

    name: str
    draws: int = 1
    perturbation: float = 0.2
    floor: float = 0.1

    def __str__(self) -> str:
        """The method in full, which :func:`parse_gradient` reads back to an equal one."""
        keys = "&".join(f"{key}={getattr(self, key):g}" for key in _KEYS[self.name])
        return f"{self.name}?{keys}" if keys else self.name


def parse_gradient(text: str) -> GradientMethod:
    """Read a method, such as ``parameter-shift``, ``simulator`` or ``spsa``.

    With keys it is ``spsa?draws=4&perturbation=0.1`` or ``coordinates?draws=64&floor=0.1``.

    Raises:
        TypeError: No string.
        ValueError: An unknown method or key, or a value out of range.
    """
    name, _, query = text.partition("?") if isinstance(text, str) else (text, "", "")
    name = require_name("gradient", name, GRADIENT_METHODS)
    method = GradientMethod(name, draws=_DRAWS.get(name, 1))
    known = _KEYS[name]
    for part in query.split("&") if query else ():
        key, _, value = part.partition("=")
        if key not in known:
            keys = " and ".join(f"{key}=NUMBER" for key in known) or "no key"
            raise InvalidValueError(f"gradient {text!r}: {part!r} arrived; {name} takes {keys}")
        method = replace(method, **{key: _read(text, key, known[key], value)})
    require_count("draws", method.draws)
    if not (math.isfinite(method.perturbation) and method.perturbation > 0):
        raise InvalidValueError(
            f"gradient {text!r}: perturbation must be a finite angle above 0 in radians, and "
            f"{method.perturbation} arrived"
        )
    if not 0 < method.floor <= 1:
        raise InvalidValueError(
            f"gradient {text!r}: floor must be above 0 and at most 1, and {method.floor} arrived"
        )
    return method


def choose_gradient(executor: Executor) -> GradientMethod | None:
    """The method that an executor asks for; parameter shift where an exact one says nothing.

    None: a sampled executor on which nobody has chosen.
    """
    if executor.gradient is not None:
        return parse_gradient(executor.gradient)
    return GradientMethod("parameter-shift") if executor.shots is None else None


def require_gradient(executor: Executor) -> GradientMethod:
    """The method that an executor asks for; GradientError where it samples and has none."""
    method = choose_gradient(executor)
    if method is None:
        raise GradientError(
            f"{executor.name!r} samples, so training on it needs a method of the gradient, and "
            f"none was chosen. Open it with gradient={' or '.join(map(repr, GRADIENT_METHODS))} "
            "(on the command line --gradient), or run it under torch.no_grad()."
        )
    return method


def _read(text: str, key: str, kind: type, value: str) -> Any:
    try:
        return kind(value)
    except ValueError as error:
        raise InvalidValueError(
            f"gradient {text!r}: {key} must be of type {kind.__name__}, and {value!r} arrived"
        ) from error
