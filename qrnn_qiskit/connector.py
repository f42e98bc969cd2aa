"""A circuit on any executor as a neural network for qiskit-machine-learning's TorchConnector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.neural_networks import NeuralNetwork

from circuits.errors import InvalidValueError
from qrnn_qiskit.executors.gradient_methods import GradientError, require_gradient
from qrnn_qiskit.executors.protocol import Executor
from qrnn_qiskit.executors.simulator import SimulatorExecutor
from qrnn_qiskit.on_device.circuit_function import CircuitFunction

__all__ = ["CircuitNetwork"]

Array = NDArray[np.float64]


class CircuitNetwork(NeuralNetwork):
    """K expectation values of a circuit as a function of its parameters.

    ``TorchConnector(CircuitNetwork(...))`` is a torch module. The values of a batch are one PUB in
    one job, and so are all shifts of its gradient, while EstimatorQNN sends one PUB for each shift
    and observable. Inputs always have gradients, so that a controller before the circuit learns;
    EstimatorQNN leaves them out by default. :class:`~qrnn_qiskit.QRNN` runs its prefix circuits on
    a device through the same :class:`~qrnn_qiskit.on_device.circuit_function.CircuitFunction`.

    Args:
        circuit: Unitary gates with free parameters, angles in radians, affine in the parameters.
        observables: K Hermitian observables on its qubits, qubit 0 last in a label.
        executor: Where it runs; the exact simulator by default. Backward on an executor that
            samples needs ``gradient="parameter-shift"``.
        weight_params: Parameters that are weights of the network, in this order.
        input_params: Parameters that are inputs, in this order; by default all others in the order
            of ``circuit.parameters``.

    Raises:
        ValueError: Inputs and weights are not the parameters of the circuit, each once.
    """

    def __init__(
        self,
        circuit: QuantumCircuit,
        observables: Sequence[SparsePauliOp],
        executor: Executor | None = None,
        *,
        weight_params: Sequence[Parameter] = (),
        input_params: Sequence[Parameter] | None = None,
    ) -> None:
        weights = list(weight_params)
        if input_params is None:
            input_params = [item for item in circuit.parameters if item not in set(weights)]
        given = [*input_params, *weights]
        if len(given) != circuit.num_parameters or set(given) != set(circuit.parameters):
            raise InvalidValueError(
                f"expected as inputs and weights the {circuit.num_parameters} parameters of the "
                f"circuit {circuit.name!r}, each once, got "
                f"{', '.join(item.name for item in given) or 'none'}"
            )
        self.executor = SimulatorExecutor() if executor is None else executor
        self._function = CircuitFunction(circuit, observables)
        self._columns = [given.index(item) for item in circuit.parameters]
        self._places = [list(circuit.parameters).index(item) for item in given]
        super().__init__(
            num_inputs=len(input_params),
            num_weights=len(weights),
            sparse=False,
            output_shape=len(observables),
            input_gradients=True,
        )

    @property
    def input_gradients(self) -> bool:
        """Always True."""
        return True

    @input_gradients.setter
    def input_gradients(self, input_gradients: bool) -> None:
        if not input_gradients:
            raise InvalidValueError("input gradients are always on; detach the inputs instead")

    def _forward(self, input_data: Array | None, weights: Array | None) -> Array:
        pub = self._function.value_pub(self._order(input_data, weights))
        return self.executor.run([pub])[0].values

    def _backward(
        self, input_data: Array | None, weights: Array | None
    ) -> tuple[Array | None, Array | None]:
        if not require_gradient(self.executor).on_single_circuits:
            raise GradientError(
                f"{self.executor.name!r} has gradient={self.executor.gradient!r}, which applies "
                "only to a recurrence; open it with gradient='parameter-shift'"
            )
        pub = self._function.shift_pub(self._order(input_data, weights))
        derivatives = self._function.differentiate(self.executor.run([pub])[0])
        by_input, by_weight = np.split(derivatives[:, :, self._places], [self.num_inputs], axis=2)
        return by_input if by_input.size else None, by_weight if by_weight.size else None

    def _order(self, input_data: Array | None, weights: Array | None) -> Array:
        """Values (B, P) in the order of ``circuit.parameters``."""
        inputs = np.zeros((1, 0)) if input_data is None else input_data
        shared = np.zeros(0) if weights is None else weights
        values = np.concatenate((inputs, np.tile(shared, (len(inputs), 1))), axis=1)
        ordered: Array = np.ascontiguousarray(values[:, self._columns])
        return ordered
