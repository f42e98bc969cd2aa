"""What the executors on a primitive of the user share."""

from __future__ import annotations

from typing import Any

from qiskit.transpiler import Target

from qrnn_qiskit.executors import Counts, Executor
from qrnn_qiskit.executors.gradient_methods import parse_gradient
from runtime_jobs.primitives.placing import Placer

__all__ = ["PrimitiveExecutor"]


class PrimitiveExecutor(Executor):
    """Places circuits on a device, counts the work and keeps results on request.

    Args:
        target: The device that circuits are compiled for; None for fully connected qubits.
        name: Name of the device, for tables.
        gradient: Gradient method of backward, see :class:`~qrnn_qiskit.executors.Executor`.
        keep_results: Whether results keep the ``PubResult`` that they were computed from.

    Attributes:
        counts: Exact counts of the work so far.
        pub_results: The ``PubResult`` of every PUB so far, in order, if they are kept.
    """

    def __init__(
        self, target: Target | None, *, name: str, gradient: str | None, keep_results: bool
    ) -> None:
        if gradient is not None:
            parse_gradient(gradient)
        self.name = name
        self.gradient = gradient
        self.counts = Counts()
        self.pub_results: list[Any] = []
        self._keep_results = keep_results
        self._placer = Placer(name, target, self.counts)

    def _keep(self, result: Any) -> Any:
        """Keep the result of a PUB and return it, or None if results are not kept."""
        if not self._keep_results:
            return None
        self.pub_results.append(result)
        return result
