"""Models and circuits for the tests that compare one engine of the simulator with another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import SparsePauliOp
from torch import Tensor

from qrnn_qiskit import QRNN
from qrnn_qiskit.hidden_state import HiddenState

WIDTH = 3
LENGTHS = (7, 3, 1, 5, 7)
TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-5}


def build_custom() -> QuantumCircuit:
    """Every kind of primitive, an angle used twice, and a qubit without a gate."""
    theta = ParameterVector("theta", 5)
    circuit = QuantumCircuit(4, global_phase=0.3)
    circuit.h(0)
    circuit.ry(2 * theta[0] + 0.1, 1)
    circuit.crx(theta[1], 0, 2)
    circuit.cx(2, 0)
    circuit.rzz(theta[2], 0, 1)
    circuit.cu(theta[3], theta[0], 0.2, theta[4], 1, 2)
    circuit.swap(0, 1)
    return circuit


def list_wide(num_qubits: int) -> list[SparsePauliOp]:
    """Observables with strings across groups of qubits."""
    middle = num_qubits - 2
    return [
        SparsePauliOp(["X" * num_qubits, "I" * (num_qubits - 1) + "Y"], [0.5, 0.2]),
        SparsePauliOp("Z" + "I" * middle + "Z"),
        SparsePauliOp("Y" + "Z" * middle + "X"),
    ]


def make_model(dtype: torch.dtype, **arguments: Any) -> QRNN:
    """Make a small model whose weights are the same in every call."""
    torch.manual_seed(0)
    return QRNN(WIDTH, dtype=dtype, **({"num_layers": 2, "controller_hidden": 6} | arguments))


def differentiate(
    model: QRNN, device: str = "cpu", lengths: Sequence[int] = LENGTHS
) -> list[Tensor]:
    """Return outputs, states and gradients with respect to inputs, first state and weights."""
    batch, steps = len(lengths), max(lengths)
    dtype, amplitudes = model.dtype, (1 << model.num_qubits,)
    if model.num_registers > 1:
        amplitudes = (model.num_registers, *amplitudes)
    random = torch.Generator().manual_seed(1)

    def draw(*shape: int, dtype: torch.dtype = dtype) -> Tensor:
        return torch.randn(*shape, generator=random, dtype=dtype)

    vector = draw(batch, *amplitudes, dtype=dtype.to_complex())
    start = [draw(batch, steps, WIDTH), vector / vector.norm(dim=-1, keepdim=True)]
    start += [torch.full((batch, model.num_readouts), 0.1, dtype=dtype)]
    x, vector, readouts = (each.to(device).requires_grad_() for each in start)
    output, state = model(x, HiddenState(readouts, vector=vector), torch.tensor(lengths))
    assert state.vector is not None
    loss = (output * draw(*output.shape).to(device)).sum() + state.readouts.square().sum()
    pulls = draw(*state.vector.shape, dtype=state.vector.dtype).to(device)
    loss = loss + (state.vector * pulls).real.sum()
    sources = [x, vector, readouts, *model.parameters()]
    gradients = torch.autograd.grad(loss, sources, allow_unused=True)
    found = [output, state.vector, state.readouts, *gradients]
    return [each.detach().cpu() for each in found if each is not None]


def find_difference(found: list[Tensor], expected: list[Tensor]) -> float:
    """Return the largest difference, relative to its tensor's largest number if that is above 1."""
    return max(
        float((one - other).abs().max()) / max(1.0, float(other.abs().max()))
        for one, other in zip(found, expected, strict=True)
    )
