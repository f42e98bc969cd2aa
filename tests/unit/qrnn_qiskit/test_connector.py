"""A circuit as a neural network of qiskit-machine-learning: values, gradients and jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.connectors import TorchConnector
from torch import nn

from qrnn_qiskit import SimulatorExecutor
from qrnn_qiskit.connector import CircuitNetwork
from qrnn_qiskit.executors.gradient_methods import GradientError

OBSERVABLES = [SparsePauliOp("IZ"), SparsePauliOp("XX"), SparsePauliOp("ZY")]
X, W, A = Parameter("x"), Parameter("w"), Parameter("a")


def build_circuit() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.ry(X, 0)
    circuit.crx(W, 0, 1)
    circuit.rz(2 * A + 0.1, 1)
    circuit.ry(A, 1)
    circuit.cx(1, 0)
    return circuit


def make_network(executor: Any = None) -> CircuitNetwork:
    return CircuitNetwork(build_circuit(), OBSERVABLES, executor, weight_params=[W, A])


def test_values_and_gradients_are_those_of_differences() -> None:
    network = make_network()
    inputs, weights = np.array([[0.3], [-1.2]]), np.array([0.7, 0.4])
    assert (network.num_inputs, network.num_weights, network.output_shape) == (1, 2, (3,))
    by_input, by_weight = network.backward(inputs, weights)
    step = 1e-5
    expected = network.forward(inputs + step, weights) - network.forward(inputs - step, weights)
    np.testing.assert_allclose(by_input[..., 0], expected / (2 * step), atol=1e-9)
    for column, unit in enumerate(np.eye(2) * step):
        expected = network.forward(inputs, weights + unit) - network.forward(inputs, weights - unit)
        np.testing.assert_allclose(by_weight[..., column], expected / (2 * step), atol=1e-9)
    assert by_input.shape == (2, 3, 1)
    assert by_weight.shape == (2, 3, 2)


def test_a_batch_is_one_job_of_one_pub_each_way() -> None:
    executor = SimulatorExecutor()
    network = make_network(executor)
    network.forward(np.zeros((5, 1)), np.zeros(2))
    assert (executor.counts.jobs, executor.counts.pubs, executor.counts.bindings) == (1, 1, 5)
    network.backward(np.zeros((5, 1)), np.zeros(2))
    shifts = 2 + 4 + 2 + 2
    assert (executor.counts.jobs, executor.counts.pubs) == (2, 2)
    assert executor.counts.bindings == 5 + 5 * shifts


def test_the_torch_connector_trains_the_layer_before_it() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 1), TorchConnector(make_network(), np.array([0.2, 0.5])))
    x = torch.randn(6, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = (model(x) - torch.tensor([0.5, 0.1, 0.0])).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        assert all(parameter.grad is not None for parameter in model.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_a_network_without_weights_passes_its_gradient_on() -> None:
    connector = TorchConnector(CircuitNetwork(build_circuit(), OBSERVABLES))
    inputs = torch.tensor([[0.4, 0.3, 0.7]], requires_grad=True)
    connector(inputs).sum().backward()
    assert inputs.grad is not None
    assert inputs.grad.all()


def test_the_order_of_the_parameters_is_the_callers() -> None:
    values = {X: 0.3, W: -0.8, A: 1.1}
    expected = make_network().forward([values[X]], [values[W], values[A]])
    other = CircuitNetwork(build_circuit(), OBSERVABLES, weight_params=[X], input_params=[W, A])
    np.testing.assert_allclose(other.forward([values[W], values[A]], [values[X]]), expected)


def test_input_gradients_cannot_be_switched_off() -> None:
    network = make_network()
    network.input_gradients = True
    with pytest.raises(ValueError, match="always on"):
        network.input_gradients = False
    assert network.input_gradients


def test_bad_parameters_and_gradient_methods_are_refused(make_sampled: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"each once.*x, w, w"):
        CircuitNetwork(build_circuit(), OBSERVABLES, input_params=[X, W], weight_params=[W])
    inputs = np.zeros((1, 1))
    with pytest.raises(GradientError, match="'sampled' samples"):
        make_network(make_sampled()).backward(inputs, np.zeros(2))
    with pytest.raises(GradientError, match=r"gradient='spsa'.*gradient='parameter-shift'"):
        make_network(make_sampled(gradient="spsa")).backward(inputs, np.zeros(2))
