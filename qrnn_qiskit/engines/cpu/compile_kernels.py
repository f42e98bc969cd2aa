"""Compile all kernels in both precisions and keep them in the cache.

``python -m qrnn_qiskit.engines.cpu.compile_kernels`` takes about a minute on two cores, and only
seconds if the kernels are in the cache already. The Makefile runs it once, when it installs. The
name of the cache's folder contains a hash of the kernels' sources, so after an edit the next call
of a kernel compiles it without this program.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

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

DTYPES = (torch.float32, torch.float64)


def compile_kernels() -> None:
    """Call the ten entry points in float32 and float64: modes, records, noise, both ways.

    Circuit, controller and sizes are data to an entry point; only the dtype makes another version
    of it. One step of one qubit is therefore enough.
    """
    for compile_part in PARTS:
        compile_part()


def compile_in_processes() -> None:
    """Fill the cache with two processes.

    The versions of an entry point stay in one process, because each save of one rewrites the index
    of them all.
    """
    with ProcessPoolExecutor(2, get_context("spawn")) as processes:
        for part in [processes.submit(compile_part) for compile_part in PARTS]:
            part.result()


def compile_pure() -> None:
    """Compile the recurrence of expectation mode."""
    circuit = _build_circuit()
    for dtype in DTYPES:
        pure = Simulator(circuit, [SparsePauliOp("Z")], dtype)
        evolution, token = begin(pure, None, 1)
        angles = torch.zeros(1, 1, dtype=dtype, requires_grad=True)
        torch.autograd.grad(advance(evolution, token, angles)[1].sum(), angles)


def compile_measured() -> None:
    """Compile the recurrences of measured mode, with both frames of the measurement."""
    projectors = np.stack([np.diag(row) for row in np.eye(2)])
    for dtype in DTYPES:
        tables = torch.zeros(1, 1, 2, 1, dtype=dtype, requires_grad=True)
        for is_undone in (False, True):
            measured = DensitySimulator(
                _build_circuit(),
                qubits=[0],
                kraus=[projectors],
                assignment=np.eye(2)[None],
                is_undone=is_undone,
                dtype=dtype,
            )
            run = run_measured(measured, tables, None, [1])
            torch.autograd.grad(run.probabilities.sum(), tables)


def compile_conditioned() -> None:
    """Compile the recurrence along given records."""
    for dtype in DTYPES:
        angles = torch.zeros(1, 1, 1, 1, dtype=dtype, requires_grad=True)
        conditioned = ConditionedSimulator(
            _build_circuit(),
            qubits=[0],
            paulis="Z",
            amplitudes=np.eye(2),
            is_undone=False,
            dtype=dtype,
        )
        record = torch.zeros(1, 1, 1, dtype=torch.int64)
        found = run_record(conditioned, angles, record, None, [1])
        torch.autograd.grad(found.logs.sum(), angles)


def compile_noisy() -> None:
    """Compile the programs of noisy devices."""
    for dtype in DTYPES:
        builder = ProgramBuilder(1)
        builder.rotate(3, 0)
        program = builder.build(dtype)
        start = pack_zero(1, 1, 1, dtype)
        program.run(start, np.zeros((1, 1)))
        program.pull(start, np.zeros((1, 1)), np.zeros_like(start))


def _build_circuit() -> QuantumCircuit:
    circuit = QuantumCircuit(1)
    circuit.ry(Parameter("theta"), 0)
    return circuit


PARTS = (compile_pure, compile_measured, compile_conditioned, compile_noisy)

if __name__ == "__main__":
    compile_in_processes()
