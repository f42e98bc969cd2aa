"""Branches that hear something else than the recorded bits: the same circuit with other angles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from circuits.dynamic import DynamicCircuit

__all__ = ["redirect_branches"]


def redirect_branches(
    circuit: DynamicCircuit, values: NDArray[np.float64], heard: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Permute the angles of the branches, so that a step acts as after other bits.

    The angles of a dynamic circuit are parameters, so every such permutation runs the same compiled
    circuit. An X that returns an ancilla follows the recorded bits in any case.

    Args:
        circuit: T steps, R registers of m bits each.
        values: (N, P) values in the order of ``circuit.circuit.parameters``.
        heard: (N, T - 1, R, 2^m) the value that the branches of a register act upon in step t + 1
            where step t recorded each value.

    Returns:
        (N, P) values.
    """
    columns = circuit.branch_columns[1:]
    sources = np.take_along_axis(columns[None], heard[..., None], axis=3)
    used = columns >= 0
    redirected = values.copy()
    rows = np.arange(len(values))[:, None]
    redirected[:, columns[used]] = values[rows, sources[:, used]]
    return redirected
