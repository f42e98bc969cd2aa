"""Expectation values of one circuit as a function of its angles, with its derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from circuits.separation import Part, separate_wide
from circuits.shifts import ShiftedCircuit, shift_parameters
from qrnn_qiskit.engines.cpu import Simulator, begin
from qrnn_qiskit.engines.reversible import advance
from qrnn_qiskit.executors.protocol import Estimates, Pub

__all__ = ["CircuitFunction"]


class CircuitFunction:
    """K observables of a circuit with P parameters, as PUBs for an executor.

    It makes PUBs but does not run them, so that the PUBs of several functions share a job.

    Args:
        circuit: Unitary circuit; values are in radians, in the order of its ``parameters``.
        observables: K observables on its qubits.
    """

    def __init__(self, circuit: QuantumCircuit, observables: Sequence[SparsePauliOp]) -> None:
        self.circuit = circuit
        self.observables = list(observables)

    @cached_property
    def shifted(self) -> ShiftedCircuit:
        """The circuit with its parameter shifts, found on first use.

        Raises:
            ShiftError: An angle has no shift rule.
        """
        return shift_parameters(self.circuit)

    def value_pub(
        self, values: NDArray[np.float64], groups: NDArray[np.int64] | None = None
    ) -> Pub:
        """The PUB of the observables at ``values`` (B, P), with estimates (B, K)."""
        return Pub(self.circuit, values, self.observables, groups)

    def shift_pub(self, values: NDArray[np.float64]) -> Pub:
        """The PUB of all S shifts at ``values`` (B, P), with estimates (B * S, K)."""
        shifted = self.shifted
        groups = shifted.group_runs(*shifted.list_runs(len(values)))
        return Pub(shifted.circuit, shifted.bind(values), self.observables, groups)

    def differentiate(self, estimates: Estimates) -> NDArray[np.float64]:
        """The derivatives (B, K, P) from the estimates of :meth:`shift_pub`."""
        return self.shifted.differentiate(estimates.values)

    def pull_noiseless(
        self, values: NDArray[np.float64], gradient: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Pull a gradient back from the readouts to the parameters, without noise.

        The compiled simulator runs forward and backward (adjoint); nothing runs on a device.

        Args:
            values: (B, P) radians.
            gradient: (B, K), the gradient with respect to the readouts.

        Returns:
            The gradient (B, P) with respect to the values.
        """
        pulled = np.zeros_like(values)
        for part, simulator in self._parts:
            with torch.enable_grad():
                angles = torch.from_numpy(values[:, part.columns]).requires_grad_()
                evolution, token = begin(simulator, None, len(values))
                _, readouts = advance(evolution, token, angles)
            wanted = torch.from_numpy(gradient[:, part.rows])
            (by_angles,) = torch.autograd.grad(readouts, angles, wanted)
            pulled[:, part.columns] = by_angles.numpy()
        return pulled

    @cached_property
    def _parts(self) -> list[tuple[Part, Simulator]]:
        """The parts of the circuit that are simulated one by one, those without readouts left out.

        A circuit of few qubits is one part.
        """
        parts = separate_wide(self.circuit, self.observables)
        return [
            (part, Simulator(part.circuit, part.observables, torch.float64))
            for part in parts
            if len(part.rows) and len(part.columns)
        ]
