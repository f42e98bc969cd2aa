"""Selection of disjoint groups of qubits with the least total cost, as an integer program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit.transpiler import Target
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array
from scipy.sparse.csgraph import shortest_path

__all__ = ["Candidates", "count_most", "select"]

_GAP = 0.01  # relative: less than one group in a hundred


@dataclass(frozen=True)
class Candidates:
    """Groups of physical qubits to select from.

    Attributes:
        layouts: For each group the physical qubit of each of its qubits.
        costs: (groups,) cost of each.
        kinds: (groups,) int64, its kind; groups of a kind may take each other's place.
    """

    layouts: Sequence[tuple[int, ...]]
    costs: NDArray[np.float64]
    kinds: NDArray[np.int64]


def select(
    target: Target, candidates: Candidates, counts: Sequence[int], spacing: int
) -> list[list[tuple[int, ...]]] | None:
    """Select ``counts[k]`` groups of each kind k with the least total cost.

    This is a set packing, solved within 1 %: tens of milliseconds for short lines.

    Args:
        target: The device.
        candidates: The groups.
        counts: Number of groups of each kind.
        spacing: The qubits of two groups are more than this number of couplers apart.

    Returns:
        The layouts of each kind, those of least cost first; None where there are too few.
    """
    if not candidates.layouts:
        return None if any(counts) else [[] for _ in counts]
    kinds = np.arange(len(counts))[:, None] == candidates.kinds
    conflicts = LinearConstraint(_find_conflicts(target, candidates.layouts, spacing), -np.inf, 1)
    exactly = LinearConstraint(kinds.astype(float), counts, counts)
    taken = _solve(candidates.costs, [conflicts, exactly])
    if taken is None:
        return None
    return [_list_taken(candidates, taken & of_kind) for of_kind in kinds]


def count_most(target: Target, candidates: Candidates, kind: int, spacing: int) -> int:
    """Return the largest number of groups of a kind that can be selected, without the others."""
    if not candidates.layouts:
        return 0
    conflicts = LinearConstraint(_find_conflicts(target, candidates.layouts, spacing), -np.inf, 1)
    wanted = candidates.kinds == kind
    most = _solve(-wanted.astype(float), [conflicts])
    assert most is not None  # selecting no group satisfies every constraint
    return int((most & wanted).sum())


def _list_taken(candidates: Candidates, taken: NDArray[np.bool_]) -> list[tuple[int, ...]]:
    places = np.flatnonzero(taken)
    ordered = places[np.argsort(candidates.costs[places], kind="stable")]
    return [candidates.layouts[place] for place in ordered]


def _solve(
    objective: NDArray[np.float64], constraints: Sequence[LinearConstraint]
) -> NDArray[np.bool_] | None:
    """Minimize over binary variables, within 1 %; None where the constraints are infeasible."""
    solved = milp(
        objective,
        constraints=constraints,
        integrality=np.ones(len(objective)),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": _GAP},
    )
    return None if solved.x is None else solved.x > 0.5


def _find_conflicts(target: Target, candidates: Sequence[Sequence[int]], spacing: int) -> csr_array:
    """List the conflicts: a row for each pair of qubits that are too close.

    The row marks the candidates that contain one of the two qubits. A qubit paired with itself
    keeps candidates disjoint.
    """
    size = target.num_qubits
    touches = np.zeros((size, len(candidates)), bool)
    for number, layout in enumerate(candidates):
        touches[list(layout), number] = True
    near = np.eye(size, dtype=bool)
    coupling = target.build_coupling_map()
    if spacing and coupling is not None:  # bad couplers count as well
        a, b = np.transpose(list(coupling.get_edges()))
        graph = csr_array((np.ones(len(a)), (a, b)), shape=(size, size))
        near = shortest_path(graph, directed=False, unweighted=True) <= spacing
    first, second = np.nonzero(np.triu(near))
    rows = touches[first] | touches[second]
    return csr_array(rows[rows.sum(1) > 1], dtype=float)
