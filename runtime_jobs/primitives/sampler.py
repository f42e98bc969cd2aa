"""The executor on a SamplerV2: circuits are measured in bases, values estimated from the bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.primitives import BaseSamplerV2
from qiskit.transpiler import Target

from circuits.final_basis import FINAL_REGISTER
from circuits.validation import require_count
from qrnn_qiskit.executors import (
    DynamicExecutor,
    DynamicPub,
    Estimates,
    Outcomes,
    Pub,
    check_pub,
    check_unmeasured,
    check_values,
)
from runtime_jobs.estimation.bases import Basis, group_terms
from runtime_jobs.estimation.bits import Bits, name_bits
from runtime_jobs.estimation.counting import (
    bind_bases,
    choose_final_bases,
    estimate_values,
    read_outcomes,
)
from runtime_jobs.hardware.chip import measure_in_bases
from runtime_jobs.primitives.base import PrimitiveExecutor
from runtime_jobs.primitives.placing import PrimitiveError, bind_by_name, run_primitive

__all__ = ["SamplerExecutor"]


class SamplerExecutor(PrimitiveExecutor, DynamicExecutor):
    """Runs circuits on a SamplerV2, also those with mid-circuit measurements where it takes them.

    Args:
        find_sampler: Returns the sampler; called once for each job.
        target: The device that circuits are compiled for; None for fully connected qubits.
        shots: Shots of each measurement basis of each set of values.
        name: Name of the device, for tables.
        gradient: Gradient method of backward, see :class:`~qrnn_qiskit.executors.Executor`.
        keep_results: Whether results keep the ``PubResult`` that they were computed from.

    Attributes:
        counts: Exact counts of the work so far.
        pub_results: The ``PubResult`` of every PUB so far, in order, if they are kept.
    """

    def __init__(
        self,
        find_sampler: Callable[[], BaseSamplerV2],
        target: Target | None,
        shots: int,
        *,
        name: str,
        gradient: str | None = None,
        keep_results: bool = False,
    ) -> None:
        super().__init__(target, name=name, gradient=gradient, keep_results=keep_results)
        self.shots: int | None = require_count("shots", shots)
        self._find_sampler = find_sampler

    def run(self, pubs: Sequence[Pub]) -> list[Estimates]:
        """Run one job; see :class:`~qrnn_qiskit.executors.Executor`.

        Raises:
            TypeError, ValueError: Observables or values do not fit, or the device lacks qubits or
                gates. Nothing has run then.
            PrimitiveError: The sampler failed.
        """
        if not pubs:
            return []
        assert self.shots is not None
        checked = [check_pub(pub) for pub in pubs]
        bases = [group_terms(pub.observables, range(pub.circuit.num_qubits)) for pub in checked]
        measured = [measure_in_bases(pub.circuit) for pub in checked]
        rows = [
            circuit.bind(pub.values, groups)
            for circuit, pub, groups in zip(measured, checked, bases, strict=True)
        ]
        results = self._sample([each.circuit for each in measured], rows, self.shots)
        self.counts.bindings += sum(len(pub.values) for pub in checked)
        estimates = []
        for pub, groups, result in zip(checked, bases, results, strict=True):
            count, num_qubits = len(pub.observables), pub.circuit.num_qubits
            found = estimate_values(_read_bits(result), groups, num_qubits, count)
            estimates.append(Estimates(*found, self._keep(result)))
        return estimates

    def run_dynamic(self, pubs: Sequence[DynamicPub]) -> list[Outcomes]:
        """Run one job of dynamic circuits; see :meth:`run`."""
        if not pubs:
            return []
        assert self.shots is not None
        bases = [choose_final_bases(pub) for pub in pubs]
        values = [check_values(pub.circuit.circuit, pub.values) for pub in pubs]
        rows = [
            bind_bases(pub.circuit, angles, groups)
            for pub, angles, groups in zip(pubs, values, bases, strict=True)
        ]
        results = self._sample([pub.circuit.circuit for pub in pubs], rows, self.shots)
        self.counts.bindings += sum(len(angles) for angles in values)
        outcomes = []
        for pub, groups, result in zip(pubs, bases, results, strict=True):
            found = read_outcomes(_read_bits(result), pub, groups)
            outcomes.append(replace(found, pub_result=self._keep(result)))
        return outcomes

    def sample(
        self, circuit: QuantumCircuit, values: ArrayLike, shots: int
    ) -> list[dict[str, int]]:
        """Measure all qubits; see :class:`~qrnn_qiskit.executors.Executor` and :meth:`run`."""
        shots = require_count("shots", shots)
        check_unmeasured(circuit)
        angles = check_values(circuit, values)
        measured = measure_in_bases(circuit)
        (result,) = self._sample([measured.circuit], [measured.bind(angles, [Basis()])], shots)
        self.counts.bindings += len(angles)
        self._keep(result)
        return name_bits(_read_bits(result)[FINAL_REGISTER])

    def _sample(
        self, circuits: Sequence[QuantumCircuit], rows: Sequence[NDArray[np.float64]], shots: int
    ) -> list[Any]:
        """Run circuits with their rows of values in one job."""
        pubs = []
        for circuit, values in zip(circuits, rows, strict=True):
            placed = self._placer.place(circuit)
            pubs.append((placed, bind_by_name(placed, list(circuit.parameters), values)))
        sampler = self._find_sampler()
        results = run_primitive(self.name, lambda: sampler.run(pubs, shots=shots), len(pubs))
        for values, result in zip(rows, results, strict=True):
            for bits in _read_bits(result).values():
                if (bits.size, bits.num_shots) != (len(values), shots):
                    raise PrimitiveError(
                        f"{self.name} gave {bits.num_shots} shots of {bits.size} sets of values, "
                        f"expected {shots} of {len(values)}"
                    )
        self.counts.jobs += 1
        self.counts.pubs += len(pubs)
        self.counts.executions += shots * sum(len(values) for values in rows)
        return results


def _read_bits(result: Any) -> Bits:
    return dict(result.data.items())
