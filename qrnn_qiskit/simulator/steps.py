"""One recurrent step of one block of sequences: its sweeps forward, and backward with gradient.

A *block* is as many sequences as a lane vector has lanes. Blocks never talk to each other, so every
thread works on its own block from the first gate to the last readout.
"""

from __future__ import annotations

from typing import Any

from qrnn_qiskit.simulator.compilation import kernel
from qrnn_qiskit.simulator.phases import apply_phases, unapply_phases
from qrnn_qiskit.simulator.program import CONTROLLED, PHASE, ROTATION
from qrnn_qiskit.simulator.rotations import (
    rotate_controlled,
    rotate_one,
    rotate_two,
    unrotate_controlled,
    unrotate_one,
    unrotate_two,
)


@kernel
def evolve(program: Any, psi: Any, turns: Any, scratch: Any) -> None:
    """Apply the step's circuit to ``psi`` in place."""
    n = program.num_qubits
    for sweep in range(program.kind.size):
        start, stop = program.start[sweep], program.start[sweep + 1]
        if program.kind[sweep] == ROTATION:
            k = start
            while k + 1 < stop:
                low, high = program.site[k], program.site[k + 1]
                rotate_two(
                    psi, 1 << (n - 2), low, high, turns, program.column[k], program.column[k + 1]
                )
                k += 2
            if k < stop:
                rotate_one(psi, 1 << (n - 1), program.site[k], turns, program.column[k])
        elif program.kind[sweep] == PHASE:
            apply_phases(
                psi,
                n,
                program.site[start:stop],
                program.column[start:stop],
                _signs_of(program, sweep),
                turns,
                scratch,
            )
        elif program.kind[sweep] == CONTROLLED:
            control, target = program.extra[sweep], program.site[start]
            rotate_controlled(psi, 1 << (n - 2), control, target, turns, program.column[start])


@kernel
def unevolve(program: Any, psi: Any, lam: Any, turns: Any, slopes: Any, scratch: Any) -> None:
    """Undo the step's circuit on ``psi`` and ``lam``; add the derivatives to ``slopes``."""
    n = program.num_qubits
    for sweep in range(program.kind.size - 1, -1, -1):
        start, stop = program.start[sweep], program.start[sweep + 1]
        if program.kind[sweep] == ROTATION:
            k = start
            while k + 1 < stop:
                unrotate_two(
                    psi,
                    lam,
                    1 << (n - 2),
                    program.site[k],
                    program.site[k + 1],
                    turns,
                    program.column[k],
                    program.column[k + 1],
                    slopes,
                )
                k += 2
            if k < stop:
                unrotate_one(
                    psi, lam, 1 << (n - 1), program.site[k], turns, program.column[k], slopes
                )
        elif program.kind[sweep] == PHASE:
            unapply_phases(
                psi,
                lam,
                n,
                program.site[start:stop],
                program.column[start:stop],
                _signs_of(program, sweep),
                turns,
                slopes,
                scratch,
            )
        elif program.kind[sweep] == CONTROLLED:
            unrotate_controlled(
                psi,
                lam,
                1 << (n - 2),
                program.extra[sweep],
                program.site[start],
                turns,
                program.column[start],
                slopes,
            )


@kernel
def _signs_of(program: Any, sweep: int) -> Any:
    row = program.extra[sweep]
    return program.signs[row] if row >= 0 else program.signs.reshape(-1)[:0]
