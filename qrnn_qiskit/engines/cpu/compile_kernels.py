"""Compile all kernels in both precisions and keep them in the cache.

``python -m qrnn_qiskit.engines.cpu.compile_kernels`` takes about a minute, and only seconds if the
kernels are in the cache already. The Makefile runs it once, when it installs. The name of the
cache's folder contains a hash of the kernels' sources, so after an edit the next call of a kernel
compiles it without this program.
"""

from __future__ import annotations

import numpy as np
import torch
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qrnn_qiskit.engines.cpu import (
    ConditionedSimulator,
    DensitySimulator,
    Simulator,
    begin,
    run_measured,
    run_record,
)
from qrnn_qiskit.engines.cpu.noisy_program import ProgramBuilder, pack_zero
from qrnn_qiskit.engines.reversible import advance


def compile_kernels() -> None:
    """Call the ten entry points in float32 and float64: modes, records, noise, both ways.

    Circuit, controller and sizes are data to an entry point; only the dtype makes another version
    of it. One step of one qubit is therefore enough.
    """
    circuit = QuantumCircuit(1)
    circuit.ry(Parameter("theta"), 0)
    observable = SparsePauliOp("Z")
    projectors = np.stack([np.diag(row) for row in np.eye(2)])
    for dtype in (torch.float32, torch.float64):
        pure = Simulator(circuit, [observable], dtype)
        evolution, token = begin(pure, None, 1)
        angles = torch.zeros(1, 1, dtype=dtype, requires_grad=True)
        torch.autograd.grad(advance(evolution, token, angles)[1].sum(), angles)

        tables = torch.zeros(1, 1, 2, 1, dtype=dtype, requires_grad=True)
        for is_undone in (False, True):
            measured = DensitySimulator(
                circuit,
                qubits=[0],
                kraus=[projectors],
                assignment=np.eye(2)[None],
                is_undone=is_undone,
                dtype=dtype,
            )
            run = run_measured(measured, tables, None, [1])
            torch.autograd.grad(run.probabilities.sum(), tables)

        conditioned = ConditionedSimulator(
            circuit, qubits=[0], paulis="Z", amplitudes=np.eye(2), is_undone=False, dtype=dtype
        )
        record = torch.zeros(1, 1, 1, dtype=torch.int64)
        found = run_record(conditioned, tables[:, :, :1], record, None, [1])
        torch.autograd.grad(found.logs.sum(), tables)

        builder = ProgramBuilder(1)
        builder.rotate(3, 0)
        program = builder.build(dtype)
        start = pack_zero(1, 1, 1, dtype)
        program.run(start, np.zeros((1, 1)))
        program.pull(start, np.zeros((1, 1)), np.zeros_like(start))


if __name__ == "__main__":
    compile_kernels()
