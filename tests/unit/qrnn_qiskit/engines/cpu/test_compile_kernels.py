"""After the kernels were compiled in advance, no model compiles one."""

from __future__ import annotations

import itertools

import pytest
import torch

from qrnn_qiskit import QRNN
from qrnn_qiskit.engines.cpu import backward_kernel, forward_kernel, noisy_kernels, outcomes
from qrnn_qiskit.engines.cpu.compile_kernels import compile_kernels

ENTRY_POINTS = (
    forward_kernel.run_sequences,
    backward_kernel.reverse_sequences,
    outcomes.run_outcomes,
    outcomes.reverse_outcomes,
    noisy_kernels.run_program,
    noisy_kernels.reverse_program,
)


def list_versions() -> list[set[object]]:
    return [set(entry_point.signatures) for entry_point in ENTRY_POINTS]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("readout", ["expectation", "measured"])
def test_models_compile_nothing_more(readout: str, dtype: torch.dtype) -> None:
    compile_kernels()
    before = list_versions()
    assert all(len(versions) >= 2 for versions in before)
    activations, drops, lengths = ("linear", "gelu", "glu"), (0.0, 0.5), (None, [2, 1, 2])
    for activation, dropout, ends in itertools.product(activations, drops, lengths):
        model = QRNN(2, 2, readout=readout, activation=activation, dropout=dropout, dtype=dtype)
        x = torch.rand(3, 2, 2, dtype=dtype, requires_grad=True)
        output, state = model(x, lengths=None if ends is None else torch.tensor(ends))
        again, last = model(x, state)
        (output.sum() + again.sum() + last.readouts.sum()).backward()
        model.eval()
        with torch.no_grad():
            model(x)
    assert list_versions() == before
