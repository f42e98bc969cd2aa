"""One recurrent step of one block of sequences: its sweeps forward, and backward with gradient.

A *block* is as many sequences as a lane vector has lanes. Blocks do not depend on each other, so a
thread takes a block from the first gate to the last readout without waiting for others.
"""

from __future__ import annotations

from typing import Any

from qrnn_qiskit.engines.cpu.diagonals import apply_phases, unapply_phases
from qrnn_qiskit.engines.cpu.numba_compiler import kernel
from qrnn_qiskit.engines.cpu.rotations import (
    rotate_pairs,
    rotate_three,
    unrotate_pairs,
    unrotate_three,
)
from qrnn_qiskit.engines.program import CONTROLLED, PHASE, ROTATION


@kernel
def evolve(program: Any, psi: Any, turns: Any, scratch: Any) -> None:
    """Apply the step's circuit to ``psi`` in place."""
    n = program.num_qubits
    vectors = 2 << n
    for sweep in range(program.kind.size):
        start, stop = program.start[sweep], program.start[sweep + 1]
        kind, extra = program.kind[sweep], program.extra[sweep]
        if kind == ROTATION:
            rotate_three(psi, vectors, extra, turns, program.column[start:stop])
        elif kind == CONTROLLED:
            rotate_pairs(psi, vectors, program.site[start], extra, turns, program.column[start])
        elif kind == PHASE:
            apply_phases(
                psi,
                n,
                program.site[start:stop],
                program.column[start:stop],
                program.signs,
                extra,
                turns,
                scratch,
            )


@kernel
def unevolve(program: Any, psi: Any, lam: Any, turns: Any, slopes: Any, scratch: Any) -> None:
    """Undo the step's circuit on ``psi`` and ``lam``; add the derivatives to ``slopes``."""
    n = program.num_qubits
    vectors = 2 << n
    for sweep in range(program.kind.size - 1, -1, -1):
        start, stop = program.start[sweep], program.start[sweep + 1]
        kind, extra = program.kind[sweep], program.extra[sweep]
        if kind == ROTATION:
            columns = program.column[start:stop]
            unrotate_three(psi, lam, vectors, extra, turns, columns, slopes)
        elif kind == CONTROLLED:
            target, column = program.site[start], program.column[start]
            unrotate_pairs(psi, lam, vectors, target, extra, turns, column, slopes)
        elif kind == PHASE:
            unapply_phases(
                psi,
                lam,
                n,
                program.site[start:stop],
                program.column[start:stop],
                program.signs,
                extra,
                turns,
                slopes,
                scratch,
            )
