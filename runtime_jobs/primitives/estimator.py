"""The executor on an EstimatorV2: expectation values of circuits without measurements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from qiskit.circuit import QuantumCircuit
from qiskit.primitives import BaseEstimatorV2
from qiskit.transpiler import Target

from circuits.validation import require_count
from qrnn_qiskit.executors import Estimates, Pub, check_pub
from runtime_jobs.device_names import DeviceError
from runtime_jobs.primitives.base import PrimitiveExecutor
from runtime_jobs.primitives.placing import PrimitiveError, bind_by_name, run_primitive

__all__ = ["EstimatorExecutor"]


class EstimatorExecutor(PrimitiveExecutor):
    """Estimates observables on an EstimatorV2, whose own mitigation applies.

    Args:
        estimator: The estimator.
        target: The device that circuits are compiled for; None for fully connected qubits.
        shots: Requested as the precision 1 / sqrt(shots), which is the standard error where the
            estimator gives 0; None for exact values.
        name: Name of the device, for tables.
        gradient: Gradient method of backward, see :class:`~qrnn_qiskit.executors.Executor`.
        keep_results: Whether results keep the ``PubResult`` that they were computed from.

    Attributes:
        counts: Exact counts of the work so far, with the requested shots as executions.
        pub_results: The ``PubResult`` of every PUB so far, in order, if they are kept.
    """

    def __init__(
        self,
        estimator: BaseEstimatorV2,
        target: Target | None,
        shots: int | None,
        *,
        name: str,
        gradient: str | None = None,
        keep_results: bool = False,
    ) -> None:
        super().__init__(target, name=name, gradient=gradient, keep_results=keep_results)
        self.shots = None if shots is None else require_count("shots", shots)
        self._estimator = estimator

    def run(self, pubs: Sequence[Pub]) -> list[Estimates]:
        """Run one job; see :class:`~qrnn_qiskit.executors.Executor`.

        Raises:
            TypeError, ValueError: Observables or values do not fit, or the device lacks qubits or
                gates. Nothing has run then.
            PrimitiveError: The estimator failed.
        """
        if not pubs:
            return []
        checked = [check_pub(pub) for pub in pubs]
        precision = 0.0 if self.shots is None else self.shots**-0.5
        requests = [(*self._arrange(pub), precision) for pub in checked]
        results = run_primitive(
            self.name, lambda: self._estimator.run(requests), expected=len(requests)
        )
        self.counts.jobs += 1
        self.counts.pubs += len(checked)
        self.counts.bindings += sum(len(pub.values) for pub in checked)
        self.counts.executions += (self.shots or 0) * sum(len(pub.values) for pub in checked)
        return [self._read(pub, result) for pub, result in zip(checked, results, strict=True)]

    def sample(
        self, circuit: QuantumCircuit, values: ArrayLike, shots: int
    ) -> list[dict[str, int]]:
        """Refuse: an estimator gives no bits.

        Raises:
            DeviceError: Always.
        """
        raise DeviceError(
            f"{self.name} is an estimator, which gives expectation values and no bits; open a "
            "SamplerV2 or a backend to sample"
        )

    def _arrange(self, pub: Pub) -> tuple[Any, ...]:
        """Arrange circuit, observables (1, K) and values (B, 1, P) so that they broadcast."""
        placed = self._placer.place(pub.circuit)
        observables = list(pub.observables)
        if placed.layout is not None:
            observables = [each.apply_layout(placed.layout) for each in observables]
        bound = bind_by_name(placed, list(pub.circuit.parameters), pub.values)
        if not bound:  # nothing to bind: the observables are repeated for each row
            return placed, [observables] * len(pub.values), {}
        return placed, [observables], {k: v[:, None] for k, v in bound.items()}

    def _read(self, pub: Pub, result: Any) -> Estimates:
        shape = (len(pub.values), len(pub.observables))
        values = np.asarray(result.data.evs, np.float64)
        if values.shape != shape or not np.isfinite(values).all():
            raise PrimitiveError(
                f"{self.name} gave values of shape {values.shape}, or some that are not finite, "
                f"expected {shape}"
            )
        kept = self._keep(result)
        if self.shots is None:
            return Estimates(values, None, kept)
        errors = np.asarray(result.data.stds, np.float64)
        # StatevectorEstimator adds noise of the precision and says 0; equal shots prove nothing.
        return Estimates(values, np.where(errors > 0, errors, self.shots**-0.5), kept)
