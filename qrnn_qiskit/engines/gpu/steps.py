"""Triton functions for one recurrent step of one sequence: its sweeps forward and backward.

A barrier follows every sweep, because the next one reads numbers that other threads wrote.
"""

from __future__ import annotations

import triton
import triton.language as tl

from qrnn_qiskit.engines import program
from qrnn_qiskit.engines.gpu.diagonals import apply_phases, unapply_phases
from qrnn_qiskit.engines.gpu.rotations import (
    rotate_pairs,
    rotate_three,
    unrotate_pairs,
    unrotate_three,
)

_ROTATION = tl.constexpr(program.ROTATION)
_PHASE = tl.constexpr(program.PHASE)


@triton.jit
def evolve(
    circuit: tl.tuple, psi: tl.tensor, turns: tl.tensor, N: tl.constexpr, TILE: tl.constexpr
) -> None:
    """Apply the step's circuit to ``psi`` in place."""
    for sweep in range(circuit.num_sweeps):
        kind, extra = tl.load(circuit.kind + sweep), tl.load(circuit.extra + sweep)
        start = tl.load(circuit.start + sweep)
        if kind == _ROTATION:
            rotate_three(psi, extra, turns, circuit.column + start, N, TILE)
        elif kind == _PHASE:
            apply_phases(circuit, sweep, psi, turns, N, TILE)
        else:
            target, column = tl.load(circuit.site + start), tl.load(circuit.column + start)
            rotate_pairs(psi, target, extra, turns, column, N, TILE)
        tl.debug_barrier()


@triton.jit
def unevolve(
    circuit: tl.tuple,
    psi: tl.tensor,
    lam: tl.tensor,
    turns: tl.tensor,
    slopes: tl.tensor,
    sums: tl.tensor,
    N: tl.constexpr,
    TILE: tl.constexpr,
) -> None:
    """Undo the step's circuit on ``psi`` and ``lam``; write the derivatives of all columns."""
    for place in range(circuit.num_sweeps):
        sweep = circuit.num_sweeps - 1 - place
        kind, extra = tl.load(circuit.kind + sweep), tl.load(circuit.extra + sweep)
        start = tl.load(circuit.start + sweep)
        if kind == _ROTATION:
            columns = circuit.column + start
            unrotate_three(psi, lam, extra, turns, columns, slopes, N, TILE)
        elif kind == _PHASE:
            unapply_phases(circuit, sweep, psi, lam, turns, slopes, sums, N, TILE)
        else:
            target, column = tl.load(circuit.site + start), tl.load(circuit.column + start)
            unrotate_pairs(psi, lam, target, extra, turns, column, slopes, N, TILE)
        tl.debug_barrier()
