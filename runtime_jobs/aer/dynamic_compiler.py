"""Dynamic circuits of an executor, compiled once each, and the account of their runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from circuits import DynamicCircuit
from qrnn_qiskit.executors import Counts, DynamicPub
from runtime_jobs.aer.stage import Stage, StageFinder, fingerprint
from runtime_jobs.estimation.mitigated import (
    BitCalibration,
    MitigatedRun,
    check_measurement,
    refuse_records,
)
from runtime_jobs.estimation.mitigation import Calibration, Mitigation
from runtime_jobs.hardware.scheduling import Timing

__all__ = ["DynamicCompiler", "Prepared"]


@dataclass(frozen=True)
class Prepared:
    """A dynamic circuit compiled once for any values.

    Attributes:
        stage: Stage that the circuit is compiled for.
        timing: Durations on the device; None without a device.
        num_qubits: Qubits of the compiled circuit.
        final, steps: See :func:`~runtime_jobs.estimation.mitigated.find_places`.
    """

    stage: Stage
    timing: Timing | None
    num_qubits: int
    final: list[int]
    steps: NDArray[np.int64]


_Kind = TypeVar("_Kind", bound=Prepared)


class DynamicCompiler(ABC, Generic[_Kind]):
    """Compiles dynamic circuits for an executor, whose shots, counts and random numbers it shares.

    Args:
        name: Name of the device, for messages.
        find_stage: Finds the stage that a circuit is compiled for.
        shots: Shots of each measurement basis of each set of values; None for exact values.
        random: Source of the random numbers.
        counts: Counts of the executor, which are kept up to date.
        mitigation: Error mitigation of the executor.
        calibrate: Calibrates the readout of the qubits of a stage, if the mitigation needs that.
    """

    def __init__(
        self,
        name: str,
        find_stage: StageFinder,
        shots: int | None,
        random: np.random.Generator,
        counts: Counts,
        mitigation: Mitigation,
        calibrate: Callable[[Stage, int], Calibration | None],
    ) -> None:
        self._name = name
        self._find_stage = find_stage
        self._shots = shots
        self._random = random
        self._counts = counts
        self._mitigation = mitigation
        self._calibrate = calibrate
        self._prepared: dict[tuple[bytes, int], _Kind] = {}

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
    def _compile(self, circuit: DynamicCircuit, factor: int) -> _Kind:
        """Compile a circuit, with every two-qubit gate outside of branches repeated."""

    def _prepare(self, circuit: DynamicCircuit) -> list[_Kind]:
        """Return a circuit compiled for each factor of the extrapolation, the first time."""
        found = []
        digest = fingerprint(circuit.circuit)
        for factor in self._mitigation.factors:
            if (digest, factor) not in self._prepared:
                self._prepared[digest, factor] = self._compile(circuit, factor)
                self._counts.transpilations += 1
            found.append(self._prepared[digest, factor])
        return found

    def _check(self, pubs: Sequence[DynamicPub]) -> None:
        """Raise a ValueError for a circuit that the mitigation does not suit."""
        for pub in pubs:
            check_measurement(pub.circuit.measurement, self._mitigation, self._shots)
            refuse_records(pub, self._mitigation)

    def _calibrate_bits(self, prepared: _Kind) -> BitCalibration | None:
        """Calibrate the readout of the bits of a circuit, once; None without such mitigation."""
        found = self._calibrate(prepared.stage, prepared.num_qubits)
        return None if found is None else BitCalibration(found, prepared.final, prepared.steps)

    def _open_run(self, pub: DynamicPub, num_bases: int, prepared: _Kind) -> MitigatedRun:
        """Open the sampled results of a PUB."""
        assert self._shots is not None
        return MitigatedRun(
            pub,
            num_bases,
            self._mitigation,
            self._calibrate_bits(prepared),
            self._shots,
            self._random,
        )

    def _count_job(self, sizes: Iterable[tuple[int, int]]) -> None:
        """Count a job of PUBs, each with its number of sets of values and of executions."""
        self._counts.jobs += 1
        for batch, executions in sizes:
            self._counts.pubs += 1
            self._counts.bindings += batch
            self._counts.executions += executions
