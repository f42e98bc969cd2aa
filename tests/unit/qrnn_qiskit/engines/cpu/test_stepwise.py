"""One step at a time: any part of what an evolution returned may be the loss."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from circuits import build_ansatz, build_readout
from qrnn_qiskit.engines.cpu import Simulator, begin
from qrnn_qiskit.engines.reversible import advance, read_vector

STEPS = 4


def run(angles: Tensor, start: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Readouts after every step, and the states of the sequences 0 and 2 of 3."""
    ansatz = build_ansatz("ring", num_qubits=3, entangler="crx")
    observables = build_readout(num_qubits=3).observables
    simulator = Simulator(ansatz.circuit, observables, torch.float64)
    vector = start / torch.linalg.vector_norm(start, dim=1, keepdim=True)
    evolution, token = begin(simulator, vector, len(start))
    readouts, vectors = [], []
    for theta in angles.unbind(1):
        token, values = advance(evolution, token, theta)
        readouts.append(values)
        vectors.append(read_vector(evolution, token, np.array([0, 2])))
    return readouts, vectors


def draw() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    angles = torch.randn(3, STEPS, 9, dtype=torch.float64, requires_grad=True)
    start = torch.randn(3, 8, dtype=torch.complex128, requires_grad=True)
    return angles, start


def test_a_loss_on_any_step_leaves_out_the_later_ones() -> None:
    angles, start = draw()
    readouts, vectors = run(angles, start)
    for step in range(STEPS):
        loss = readouts[step].square().sum() + vectors[step].imag.pow(3).sum()
        found = torch.autograd.grad(loss, [angles, start], retain_graph=True)
        assert torch.count_nonzero(found[0][:, step + 1 :]) == 0
        short_readouts, short_vectors = run(angles[:, : step + 1], start)
        loss = short_readouts[step].square().sum() + short_vectors[step].imag.pow(3).sum()
        expected = torch.autograd.grad(loss, [angles, start])
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=0.0, atol=1e-12)


def test_a_loss_on_states_of_different_steps() -> None:
    def collect(angles: Tensor, start: Tensor) -> tuple[Tensor, ...]:
        readouts, vectors = run(angles, start)
        return torch.view_as_real(vectors[1]), torch.view_as_real(vectors[3]), readouts[2]

    assert torch.autograd.gradcheck(collect, draw(), atol=1e-7, rtol=1e-6, fast_mode=True)
