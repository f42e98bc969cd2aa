"""Disjoint patches of good qubits, on FakeKingston and on devices made by hand."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
from qiskit.circuit import Measure, Parameter
from qiskit.circuit.library import CZGate, RZGate, SXGate
from qiskit.transpiler import CouplingMap, InstructionProperties, Target

from runtime_jobs.device_names import DeviceError
from runtime_jobs.hardware.layout import choose_layout
from runtime_jobs.hardware.patches import choose_patches, list_patches
from runtime_jobs.hardware.snapshots import open_target
from runtime_jobs.hardware.targets import coupler_errors, error_of

kingston = functools.cache(lambda: open_target("kingston"))


def line(num_qubits: int) -> list[tuple[int, int]]:
    return [(q, q + 1) for q in range(num_qubits - 1)]


def make_target(couplers: dict[tuple[int, int], float], size: int) -> Target:
    target = Target(num_qubits=size, dt=1e-9)
    singles = {(q,): InstructionProperties(3e-8, 1e-4) for q in range(size)}
    target.add_instruction(SXGate(), singles)
    target.add_instruction(RZGate(Parameter("a")), dict.fromkeys(singles))
    target.add_instruction(
        CZGate(), {pair: InstructionProperties(7e-8, error) for pair, error in couplers.items()}
    )
    target.add_instruction(
        Measure(), {(q,): InstructionProperties(2e-6, 0.01) for q in range(size)}
    )
    return target


def find_distance(target: Target, patches) -> float:
    """The couplers between the nearest qubits of two patches."""
    distances = CouplingMap(target.build_coupling_map().get_edges())
    distances.make_symmetric()
    matrix = distances.distance_matrix
    return min(matrix[np.ix_(a, b)].min() for a, b in itertools.combinations(map(list, patches), 2))


@pytest.mark.parametrize(("num_qubits", "least"), [(4, 19), (5, 13)])
def test_kingston_holds_many_good_lines(num_qubits: int, least: int) -> None:
    patches = list_patches(kingston(), num_qubits, line(num_qubits), "kingston")
    assert len(patches) >= least
    qubits = list(itertools.chain.from_iterable(patches))
    assert len(set(qubits)) == len(qubits) == num_qubits * len(patches)
    errors = coupler_errors(kingston())
    for patch in patches:
        assert all(errors[min(p), max(p)] < 0.01 for p in itertools.pairwise(patch))
        assert all(error_of(kingston(), "measure", (q,)) < 0.03 for q in patch)


@pytest.mark.parametrize("spacing", [0, 1, 2])
def test_more_couplers_than_the_spacing_lie_between_patches(spacing: int) -> None:
    patches = choose_patches(kingston(), 4, line(4), "kingston", count=10, spacing=spacing)
    assert len(patches) == 10
    assert find_distance(kingston(), patches) > spacing


def test_one_patch_is_the_best_layout_and_several_begin_with_the_best() -> None:
    best = choose_layout(kingston(), 4, line(4), "kingston")
    assert choose_patches(kingston(), 4, line(4), "kingston") == (best,)
    assert choose_patches(kingston(), 4, line(4), "kingston", count=6)[0] == best


def test_the_best_line_is_given_up_where_it_would_leave_no_room() -> None:
    # of a row of six qubits the middle is the best line of three, beside which no other fits
    couplers = {(q, q + 1): 0.004 for q in range(5)} | {(2, 3): 0.001}
    target = make_target(couplers, 6)
    assert sorted(choose_layout(target, 3, line(3), "row")) != [0, 1, 2]
    patches = choose_patches(target, 3, line(3), "row", count=2)
    assert {tuple(sorted(patch)) for patch in patches} == {(0, 1, 2), (3, 4, 5)}


@pytest.mark.parametrize(
    ("bad", "why"), [(0.02, "above the cap"), (0.0099, "much worse than the best")]
)
def test_bad_patches_are_not_taken_and_the_number_of_good_ones_is_reported(bad, why) -> None:
    couplers = {(0, 1): 0.001, (2, 3): bad, (4, 5): 0.001}
    target = make_target(couplers, 6)
    assert sorted(list_patches(target, 2, line(2), "row")) == [(0, 1), (4, 5)], why
    with pytest.raises(DeviceError, match=r"3 patches of 2 .*'row' has 2; use --patches 2$"):
        choose_patches(target, 2, line(2), "row", count=3)
    with pytest.raises(DeviceError, match="or a smaller --spacing"):
        choose_patches(target, 2, line(2), "row", count=3, spacing=1)


def test_a_device_without_a_good_patch_has_its_best_one() -> None:
    target = make_target({(0, 1): 0.05}, 2)
    assert list_patches(target, 2, line(2), "poor") == (choose_layout(target, 2, line(2), "poor"),)
    with pytest.raises(DeviceError, match="'poor' has 1; use --patches 1"):
        choose_patches(target, 2, line(2), "poor", count=2)


def test_patches_without_couplers_and_bad_requests() -> None:
    assert len(choose_patches(kingston(), 3, [], "kingston", count=4)) == 4
    with pytest.raises(ValueError, match="patches"):
        choose_patches(kingston(), 3, [], "kingston", count=0)
    with pytest.raises(ValueError, match=r"spacing .*got -1"):
        choose_patches(kingston(), 3, [], "kingston", count=2, spacing=-1)


def test_more_patches_than_qubits_are_refused_before_any_search() -> None:
    with pytest.raises(DeviceError, match=r"1000 patches of 4 .* use --patches \d+$"):
        choose_patches(kingston(), 4, line(4), "kingston", count=1000)
