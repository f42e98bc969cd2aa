"""Disjoint patches of good qubits on one device, each for a copy of the same circuit."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
from qiskit.transpiler import Target

from circuits.errors import InvalidValueError
from circuits.validation import require_count
from runtime_jobs.device_names import DeviceError
from runtime_jobs.hardware.layout import MEASUREMENTS, choose_layout, find_layouts
from runtime_jobs.hardware.registers import Parts
from runtime_jobs.hardware.set_packing import Candidates, count_most, select

__all__ = ["choose_patches", "list_patches"]

# Limits on the qubits of a patch where there are several patches.
_WORST_COUPLER = 0.01
_WORST_READOUT = 0.03
# T1 and T2 of a qubit over the measurements of a dynamic circuit. The rules of the hardware warn
# below 2 for the whole circuit, whose gates add a fifth.
_LEAST_COHERENCE = 2.5
_WORST_COST = 2.0  # of a patch, relative to the best one
_BEAM = 5000  # partial layouts that are kept

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
    measurements: int = MEASUREMENTS,
) -> Patches:
    """Choose ``count`` disjoint patches with the least total error, the best first.

    A single patch is the layout of :func:`~runtime_jobs.hardware.layout.choose_layout`. Several
    patches have two-qubit errors below 1 % and readout errors below 3 %, and none costs more than
    twice as much as the best. Qubits that wait for measurements keep their coherence for as long as
    the rules of the hardware recommend, unless there are too few of them.

    A circuit of several parts without a gate between them, such as registers side by side, has each
    part on its own disjoint qubits (:mod:`runtime_jobs.hardware.registers`).

    Args:
        target: The device.
        num_qubits: Number of qubits n of the circuit.
        interactions: Pairs of qubits of the circuit that two-qubit gates act on.
        name: Name of the device, for messages.
        measured: Qubits of the circuit that are measured mid-circuit.
        count: Number of patches, at least 1.
        spacing: The qubits of two patches are more than this number of couplers apart, at least 0:
            0 keeps patches disjoint, with 1 no coupler joins two of them.
        measurements: Number of measurements of each qubit in ``measured``.

    Returns:
        For each patch the physical qubit of each qubit of the circuit.

    Raises:
        TypeError, ValueError: ``count`` is below 1, ``spacing`` is below 0, or one of them is not
            an integer.
        DeviceError: The device has fewer patches; the message gives their number.
    """
    require_count("patches", count)
    _check_spacing(spacing)
    interactions = list(interactions)
    parts = Parts(num_qubits, interactions, measured)
    if parts.are_several:
        return parts.place(target, name, count, spacing)
    if count == 1:
        return (choose_layout(target, num_qubits, interactions, name, measured),)
    # The integer program would search long for more patches than there are qubits.
    fits = count * num_qubits <= target.num_qubits
    for coherence in (_LEAST_COHERENCE * measurements if measured else 0.0, 0.0):
        candidates = _list_candidates(target, num_qubits, interactions, measured, coherence)
        chosen = select(target, candidates, [count], spacing) if fits else None
        if chosen is not None or not coherence:
            break
    if chosen is None:
        found = max(1, count_most(target, candidates, 0, spacing))
        raise DeviceError(
            f"{count} patches of {num_qubits} good qubits with a spacing of {spacing} were "
            f"requested, but device {name!r} has {found}; use --patches {found}"
            + (" or a smaller --spacing" if spacing else "")
        )
    return tuple(chosen[0])


def list_patches(
    target: Target,
    num_qubits: int,
    interactions: Iterable[tuple[int, int]],
    name: str,
    measured: Collection[int] = (),
    *,
    spacing: int = 0,
    measurements: int = MEASUREMENTS,
) -> Patches:
    """Choose as many good patches as possible, at least one; see :func:`choose_patches`."""
    _check_spacing(spacing)
    interactions = list(interactions)
    parts = Parts(num_qubits, interactions, measured)
    if parts.are_several:
        return parts.place_most(target, name, spacing)
    coherence = _LEAST_COHERENCE * measurements if measured else 0.0
    candidates = _list_candidates(target, num_qubits, interactions, measured, coherence)
    most = count_most(target, candidates, 0, spacing)
    chosen = select(target, candidates, [most], spacing) if most else None
    if chosen is None:
        return (choose_layout(target, num_qubits, interactions, name, measured),)
    return tuple(chosen[0])


def _check_spacing(spacing: int) -> None:
    if spacing < 0:
        raise InvalidValueError(f"expected spacing to be at least 0 couplers, got {spacing}")


def _list_candidates(
    target: Target,
    num_qubits: int,
    interactions: Iterable[tuple[int, int]],
    measured: Collection[int],
    shortest_coherence: float,
) -> Candidates:
    """Return costs and qubits of all patches within the limits, the best first."""
    line = [(q, q + 1) for q in range(num_qubits - 1)]
    best: dict[frozenset[int], tuple[float, tuple[int, ...]]] = {}
    for cost, layout in find_layouts(
        target,
        num_qubits,
        list(interactions) or line,  # uncoupled qubits could lie anywhere: keep them together
        measured,
        worst_coupler=_WORST_COUPLER,
        worst_readout=_WORST_READOUT,
        shortest_coherence=shortest_coherence,
        most=_BEAM,
    ):
        best.setdefault(frozenset(layout), (cost, layout))
    least = min(best.values(), default=(0.0, ()))[0]
    kept = [found for found in best.values() if found[0] <= _WORST_COST * least]
    return Candidates(
        [layout for _, layout in kept],
        np.array([cost for cost, _ in kept]),
        np.zeros(len(kept), np.int64),
    )
