"""Dynamic circuits of an executor, compiled once each, and the account of their runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from circuits import DynamicCircuit
from qrnn_qiskit.executors import Counts
from runtime_jobs.aer.idling import Timing
from runtime_jobs.aer.mitigation import Mitigation
from runtime_jobs.aer.stage import Stage, StageFinder, fingerprint
from runtime_jobs.device_names import DeviceError

__all__ = ["DynamicCompiler", "Prepared"]


@dataclass(frozen=True)
class Prepared:
    """A dynamic circuit compiled once for any values.

    Attributes:
        stage: Stage that the circuit is compiled for.
        timing: Durations on the device; None without a device.
    """

    stage: Stage
    timing: Timing | None


_Kind = TypeVar("_Kind", bound=Prepared)


class DynamicCompiler(ABC, Generic[_Kind]):
    """Compiles dynamic circuits for an executor, whose shots, counts and random numbers it shares.

    Args:
        name: Name of the device, for messages.
        find_stage: Finds the stage that a circuit is compiled for.
        shots: Shots of each measurement basis of each set of values; None for exact values.
        random: Source of the random numbers.
        counts: Counts of the executor, which are kept up to date.
        mitigation: Error mitigation of the executor; any is refused.
    """

    def __init__(
        self,
        name: str,
        find_stage: StageFinder,
        shots: int | None,
        random: np.random.Generator,
        counts: Counts,
        mitigation: Mitigation,
    ) -> None:
        self._name = name
        self._find_stage = find_stage
        self._shots = shots
        self._random = random
        self._counts = counts
        self._mitigation = mitigation
        self._prepared: dict[bytes, _Kind] = {}

    def describe(self) -> list[str]:
        """Layout and durations of each circuit so far, one line each."""
        return [
            f"{prepared.stage.description}; {prepared.timing}"
            for prepared in self._prepared.values()
            if prepared.timing is not None
        ]

    def list_durations(self) -> list[tuple[Stage, float]]:
        """Stage and duration in seconds of each circuit so far."""
        return [(p.stage, p.timing.total) for p in self._prepared.values() if p.timing is not None]

    @abstractmethod
    def _compile(self, circuit: DynamicCircuit) -> _Kind:
        """Compile a circuit."""

    def _prepare(self, circuit: DynamicCircuit) -> _Kind:
        """Return a circuit compiled, the first time it is seen."""
        key = fingerprint(circuit.circuit)
        if key not in self._prepared:
            self._prepared[key] = self._compile(circuit)
            self._counts.transpilations += 1
        return self._prepared[key]

    def _refuse_mitigation(self) -> None:
        """Raise a DeviceError where the executor mitigates errors."""
        if self._mitigation != Mitigation():
            raise DeviceError(
                f"device {self._name!r} mitigates errors, which dynamic circuits do not support; "
                "leave mitigation out"
            )

    def _count_job(self, sizes: Iterable[tuple[int, int]]) -> None:
        """Count a job of PUBs, each with its number of sets of values and of bases."""
        self._counts.jobs += 1
        for batch, bases in sizes:
            self._counts.pubs += 1
            self._counts.bindings += batch
            self._counts.executions += batch * bases * (self._shots or 0)
