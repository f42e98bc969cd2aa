"""Disjoint patches of good qubits on one device, each for a copy of the same circuit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from qiskit.transpiler import Target
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array
from scipy.sparse.csgraph import shortest_path

from circuits.errors import InvalidValueError
from circuits.validation import require_count
from runtime_jobs.device_names import DeviceError
from runtime_jobs.hardware.layout import choose_layout, find_layouts

__all__ = ["choose_patches", "list_patches"]

# Limits on the qubits of a patch where there are several patches.
_WORST_COUPLER = 0.01
_WORST_READOUT = 0.03
_WORST_COST = 2.0  # of a patch, relative to the best one
_BEAM = 5000  # partial layouts that are kept
_GAP = 0.01  # relative: less than one patch in a hundred

Patches = tuple[tuple[int, ...], ...]


def choose_patches(
    target: Target,
    num_qubits: int,
    interactions: Iterable[tuple[int, int]],
    name: str,
    measured: Collection[int] = (),
    *,
    count: int = 1,
    spacing: int = 0,
) -> Patches:
    """Choose ``count`` disjoint patches with the least total error, the best first.

    A single patch is the layout of :func:`~runtime_jobs.hardware.layout.choose_layout`. Several
    patches have two-qubit errors below 1 % and readout errors below 3 %, and none costs more than
    twice as much as the best.

    Args:
        target: The device.
        num_qubits: Number of qubits n of the circuit.
        interactions: Pairs of qubits of the circuit that two-qubit gates act on.
        name: Name of the device, for messages.
        measured: Qubits of the circuit that are measured mid-circuit.
        count: Number of patches, at least 1.
        spacing: The qubits of two patches are more than this number of couplers apart, at least 0:
            0 keeps patches disjoint, with 1 no coupler joins two of them.

    Returns:
        For each patch the physical qubit of each qubit of the circuit.

    Raises:
        TypeError, ValueError: ``count`` is below 1, ``spacing`` is below 0, or one of them is not
            an integer.
        DeviceError: The device has fewer patches; the message gives their number.
    """
    require_count("patches", count)
    _check_spacing(spacing)
    if count == 1:
        return (choose_layout(target, num_qubits, interactions, name, measured),)
    costs, candidates = _list_candidates(target, num_qubits, interactions, measured)
    # The integer program would search long for more patches than there are qubits.
    fits = count * num_qubits <= target.num_qubits
    chosen = _select(target, candidates, costs, spacing, count) if fits else None
    if chosen is None:
        found = max(1, len(_select(target, candidates, costs, spacing) or ()))
        raise DeviceError(
            f"{count} patches of {num_qubits} good qubits with a spacing of {spacing} were "
            f"requested, but device {name!r} has {found}; use --patches {found}"
            + (" or a smaller --spacing" if spacing else "")
        )
    return chosen


def list_patches(
    target: Target,
    num_qubits: int,
    interactions: Iterable[tuple[int, int]],
    name: str,
    measured: Collection[int] = (),
    *,
    spacing: int = 0,
) -> Patches:
    """Choose as many patches as possible, at least one; see :func:`choose_patches`."""
    _check_spacing(spacing)
    costs, candidates = _list_candidates(target, num_qubits, interactions, measured)
    chosen = _select(target, candidates, costs, spacing)
    return chosen or (choose_layout(target, num_qubits, interactions, name, measured),)


def _check_spacing(spacing: int) -> None:
    if spacing < 0:
        raise InvalidValueError(f"expected spacing to be at least 0 couplers, got {spacing}")


def _list_candidates(
    target: Target,
    num_qubits: int,
    interactions: Iterable[tuple[int, int]],
    measured: Collection[int],
) -> tuple[NDArray[np.float64], Patches]:
    """Costs and qubits of all patches within the limits, the best first."""
    line = [(q, q + 1) for q in range(num_qubits - 1)]
    best: dict[frozenset[int], tuple[float, tuple[int, ...]]] = {}
    for cost, layout in find_layouts(
        target,
        num_qubits,
        list(interactions) or line,  # uncoupled qubits could lie anywhere: keep them together
        measured,
        worst_coupler=_WORST_COUPLER,
        worst_readout=_WORST_READOUT,
        most=_BEAM,
    ):
        best.setdefault(frozenset(layout), (cost, layout))
    kept = [found for found in best.values() if found[0] <= _WORST_COST * min(best.values())[0]]
    return np.array([cost for cost, _ in kept]), tuple(layout for _, layout in kept)


def _select(
    target: Target,
    candidates: Patches,
    costs: NDArray[np.float64],
    spacing: int,
    count: int | None = None,
) -> Patches | None:
    """Select ``count`` compatible candidates of the least cost, or as many as possible.

    This is a set packing, solved as an integer program: tens of milliseconds for short patches.

    Returns:
        The selected candidates; None where there are too few.
    """
    if not candidates:
        return None
    conflicts = LinearConstraint(_find_conflicts(target, candidates, spacing), -np.inf, 1)
    if count is None:
        most = _solve(np.full(len(costs), -1.0), [conflicts])
        assert most is not None  # selecting no patch satisfies every constraint
        count = int(most.sum())
    exactly = LinearConstraint(np.ones((1, len(costs))), count, count)
    taken = _solve(costs, [conflicts, exactly])
    return None if taken is None else tuple(candidates[k] for k in np.flatnonzero(taken))


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
