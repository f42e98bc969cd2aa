"""The methods by which backward obtains gradients of circuits that run on an executor.

Each method is a class. Its fields are the keys that :func:`parse_gradient` reads; its attributes
and methods answer the questions of the callers, which never compare names.
"""

from __future__ import annotations

import math
from abc import ABC
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from circuits.errors import InvalidValueError
from circuits.validation import require_count, require_name
from qrnn_qiskit.executors.protocol import AdjointExecutor, Executor

__all__ = [
    "GRADIENT_METHODS",
    "Adjoint",
    "Coordinates",
    "GradientError",
    "GradientMethod",
    "ParameterShift",
    "SimulatorGradient",
    "Spsa",
    "choose_gradient",
    "parse_gradient",
    "require_gradient",
    "require_replayable",
]


class GradientError(InvalidValueError):
    """The executor has no gradient method, or one that does not apply to these circuits."""


@dataclass(frozen=True)
class GradientMethod(ABC):
    """Base of the gradient methods, written ``name[?key=value[&key=value]]``.

    Attributes:
        name: The name that :func:`parse_gradient` reads.
        needs_backward_job: Whether backward runs shifted circuits, in one more job.
        in_expectation_mode: Whether a replay of prefix circuits supports it; measured mode supports
            every method.
        on_single_circuits: Whether it differentiates a single circuit outside a recurrence.
        uses_simulator: Whether the derivatives are those of the simulated noiseless circuit.
        uses_adjoint: Whether the executor itself pulls gradients back.
    """

    name: ClassVar[str]
    needs_backward_job: ClassVar[bool] = False
    in_expectation_mode: ClassVar[bool] = True
    on_single_circuits: ClassVar[bool] = False
    uses_simulator: ClassVar[bool] = False
    uses_adjoint: ClassVar[bool] = False

    def __str__(self) -> str:
        """The method in full, which :func:`parse_gradient` reads back to an equal one."""
        keys = "&".join(f"{key}={_write(getattr(self, key))}" for key in self.list_keys())
        return f"{self.name}?{keys}" if keys else self.name

    @classmethod
    def list_keys(cls) -> dict[str, type]:
        """The keys of the method with their types."""
        return {field.name: type(field.default) for field in fields(cls)}

    @property
    def num_directions(self) -> int:
        """Random directions per sequence, each of which the forward job runs by +c and by -c."""
        return 0

    @property
    def perturbation(self) -> float:
        """The step c along a direction, in radians; 0 for a method without directions."""
        return 0.0

    def replace_for_replay(self) -> GradientMethod:
        """The method itself, or the closest one that a replay supports."""
        return self

    def choose_shifts(
        self, wanted: NDArray[np.bool_], reach: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Choose the angles of dynamic circuits whose shifts backward runs: all that are wanted.

        Args:
            wanted: (B, G) bool, the angles of each sequence to differentiate by.
            reach: (B, G) float64, the probability that the branch of an angle runs.

        Returns:
            Sequences (A,) and angles (A,) as indices, and the factors (A,) of their derivatives.
        """
        sequences, angles = np.nonzero(wanted)
        return sequences, angles, np.ones(len(angles))

    def count_shifts(self, runs: NDArray[np.int64], sequences: int) -> NDArray[np.int64]:
        """Count in advance the runs of :meth:`choose_shifts`, for a plan.

        Args:
            runs: (G,) int64, the shifted runs that the rule of each angle takes.
            sequences: The number of sequences in the batch.

        Returns:
            (A,) int64, the runs per chosen angle; A = 0 for a method without a backward job.
        """
        return np.zeros(0, np.int64)


@dataclass(frozen=True)
class ParameterShift(GradientMethod):
    """Parameter shift of every angle, exact in expectation.

    It takes two to four runs per angle of every step of every prefix.
    """

    name = "parameter-shift"
    needs_backward_job = True
    on_single_circuits = True

    def count_shifts(self, runs: NDArray[np.int64], sequences: int) -> NDArray[np.int64]:
        """All angles of all sequences; see :meth:`GradientMethod.count_shifts`."""
        return np.tile(runs, sequences)


@dataclass(frozen=True)
class Spsa(GradientMethod):
    """Simultaneous perturbation (Spall 1992): two runs of every circuit per direction.

    Attributes:
        draws: Random directions k per sequence; the gradient is their mean.
        perturbation: c in radians. The bias grows as c^2, the variance due to shots as 1/c^2.

    Raises:
        TypeError: ``draws`` is not an integer.
        ValueError: ``draws`` is below 1, or ``perturbation`` is not a finite number above 0.
    """

    name = "spsa"
    draws: int = 1
    perturbation: float = 0.2

    def __post_init__(self) -> None:
        require_count("draws", self.draws)
        if not (math.isfinite(self.perturbation) and self.perturbation > 0):
            raise InvalidValueError(
                "gradient 'spsa': perturbation must be a finite angle above 0 in radians, got "
                f"{self.perturbation}"
            )

    @property
    def num_directions(self) -> int:
        """The directions k per sequence; see :attr:`GradientMethod.num_directions`."""
        return self.draws


@dataclass(frozen=True)
class SimulatorGradient(GradientMethod):
    """Derivatives of the noiseless simulated circuit at the angles that the device ran.

    All values are the device's: physics-aware training (Wright et al. 2022). It takes no runs and
    has no shot noise, but it does not see how noise changes the derivatives, and the circuit must
    be small enough to simulate.
    """

    name = "simulator"
    uses_simulator = True


@dataclass(frozen=True)
class Adjoint(GradientMethod):
    """The exact gradient of a noisy simulator; the method of such executors unless given."""

    name = "adjoint"
    uses_adjoint = True


@dataclass(frozen=True)
class Coordinates(GradientMethod):
    """Parameter shift of angles drawn at random, unbiased; applies only to measured mode.

    Angle i is drawn with probability q_i = (1 - floor) reach_i + floor uniform, and its derivative
    counts count_i / (draws q_i). ``reach_i`` is proportional to the probability, measured in the
    forward job, that the branch of the angle runs. An angle drawn more than once runs once.

    Attributes:
        draws: Angles drawn per sequence; the gradient is their mean.
        floor: Share of the draws, in (0, 1], that goes to all angles uniformly.

    Raises:
        TypeError: ``draws`` is not an integer.
        ValueError: ``draws`` is below 1, or ``floor`` is not above 0 and at most 1.
    """

    name = "coordinates"
    needs_backward_job = True
    in_expectation_mode = False
    draws: int = 64
    floor: float = 0.1

    def __post_init__(self) -> None:
        require_count("draws", self.draws)
        if not 0 < self.floor <= 1:
            raise InvalidValueError(
                f"gradient 'coordinates': floor must be above 0 and at most 1, got {self.floor}"
            )

    def replace_for_replay(self) -> GradientMethod:
        """SPSA with as many draws; see :meth:`GradientMethod.replace_for_replay`."""
        return Spsa(draws=self.draws)

    def choose_shifts(
        self, wanted: NDArray[np.bool_], reach: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Draw angles with torch's global generator; see :meth:`GradientMethod.choose_shifts`."""
        reach = reach * wanted
        chances = (1.0 - self.floor) * reach / reach.sum(1, keepdims=True)
        chances += self.floor * wanted / wanted.sum(1, keepdims=True)
        drawn = torch.multinomial(torch.from_numpy(chances), self.draws, replacement=True).numpy()
        size = wanted.shape[1]
        chosen, counts = np.unique(
            np.arange(len(drawn))[:, None] * size + drawn, return_counts=True
        )
        sequences, angles = np.divmod(chosen, size)
        return sequences, angles, counts / (self.draws * chances[sequences, angles])

    def count_shifts(self, runs: NDArray[np.int64], sequences: int) -> NDArray[np.int64]:
        """An upper bound: every draw takes another angle, of the longest rule."""
        return np.full(sequences * self.draws, runs.max())


_METHODS: dict[str, type[GradientMethod]] = {
    method.name: method for method in (ParameterShift, Spsa, SimulatorGradient, Coordinates)
}
GRADIENT_METHODS = tuple(_METHODS)


def parse_gradient(text: str) -> GradientMethod:
    """Read a method, such as ``parameter-shift``, ``simulator`` or ``spsa``.

    With keys it is ``spsa?draws=4&perturbation=0.1`` or ``coordinates?draws=64&floor=0.1``.

    Raises:
        TypeError: ``text`` is not a string.
        ValueError: The method or a key is unknown, or a value is out of range.
    """
    name, _, query = text.partition("?") if isinstance(text, str) else (text, "", "")
    method = _METHODS[require_name("gradient", name, GRADIENT_METHODS)]
    known = method.list_keys()
    values = {}
    for part in query.split("&") if query else ():
        key, _, value = part.partition("=")
        if key not in known:
            keys = " and ".join(f"{key}=NUMBER" for key in known) or "no key"
            raise InvalidValueError(f"gradient {text!r}: {name} takes {keys}, got {part!r}")
        values[key] = _read(text, key, known[key], value)
    return method(**values)


def choose_gradient(executor: Executor) -> GradientMethod | None:
    """The method of ``executor.gradient``.

    Without one it is the adjoint where the executor has it, parameter shift where the executor is
    exact, and None where it samples.

    Raises:
        ValueError: As :func:`parse_gradient`.
    """
    if executor.gradient is not None:
        return parse_gradient(executor.gradient)
    if isinstance(executor, AdjointExecutor):
        return Adjoint()
    return ParameterShift() if executor.shots is None else None


def require_gradient(executor: Executor) -> GradientMethod:
    """The method of :func:`choose_gradient`.

    Raises:
        GradientError: The executor samples and has no ``gradient``.
        ValueError: As :func:`parse_gradient`.
    """
    method = choose_gradient(executor)
    if method is None:
        raise GradientError(
            f"{executor.name!r} samples, so training on it needs a gradient method, and it has "
            f"none. Open it with gradient={' or '.join(map(repr, GRADIENT_METHODS))} "
            "(--gradient on the command line; coordinates only for readout='measured'), or run it "
            "under torch.no_grad()."
        )
    return method


def require_replayable(name: str, gradient: str) -> None:
    """Refuse a method that only measured mode supports, where circuits are replayed.

    Args:
        name: Name of the executor, for the message.
        gradient: The method, as :func:`parse_gradient` reads it.

    Raises:
        GradientError: A replay does not support the method.
        ValueError: As :func:`parse_gradient`.
    """
    if not parse_gradient(gradient).in_expectation_mode:
        others = [other for other in GRADIENT_METHODS if parse_gradient(other).in_expectation_mode]
        raise GradientError(
            f"{name!r} has gradient={gradient!r}, which applies only to readout='measured'; a "
            f"replay supports {', '.join(others)}"
        )


def _read(text: str, key: str, kind: type, value: str) -> Any:
    try:
        return kind(value)
    except ValueError as error:
        raise InvalidValueError(
            f"gradient {text!r}: {key} must be of type {kind.__name__}, got {value!r}"
        ) from error


def _write(value: float) -> str:
    """The short form of a number where it is exact, all digits otherwise."""
    short = f"{value:g}"
    return short if isinstance(value, float) and float(short) == value else repr(value)
