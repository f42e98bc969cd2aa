"""States in the tools of torch: pytrees, data loaders, files, and copies by other libraries."""

from __future__ import annotations

import copy
import dataclasses
import io
from typing import Any

import pytest
import torch
from torch.utils import _pytree as pytree
from torch.utils.data import DataLoader, default_collate

from qrnn_qiskit import QRNN, HiddenState


def make_state(**arguments: Any) -> HiddenState:
    torch.manual_seed(0)
    state: HiddenState = QRNN(2, 2, **arguments)(torch.rand(3, 4, 2))[1]
    return state


STATES: list[dict[str, Any]] = [
    {},
    {"readout": "measured"},
    {"readout": "measured", "num_trajectories": 3},
]


def assert_same(one: HiddenState, other: HiddenState) -> None:
    for field in dataclasses.fields(HiddenState):
        left, right = getattr(one, field.name), getattr(other, field.name)
        assert (left is None) == (right is None)
        if left is not None:
            assert torch.equal(left, right)


@pytest.mark.parametrize("arguments", STATES, ids=str)
def test_states_are_pytrees(arguments: dict[str, Any]) -> None:
    state = make_state(**arguments)
    leaves, spec = pytree.tree_flatten({"loss": torch.zeros(()), "state": state})
    assert all(isinstance(leaf, torch.Tensor) for leaf in leaves)
    assert_same(pytree.tree_unflatten(leaves, spec)["state"], state)
    assert pytree.treespec_loads(pytree.treespec_dumps(spec)) == spec
    paths = [pytree.keystr(path) for path, _ in pytree.tree_flatten_with_path(state)[0]]
    assert paths[0] == ".readouts"
    doubled = pytree.tree_map(lambda tensor: 2 * tensor, state)
    assert torch.equal(doubled.readouts, 2 * state.readouts)


@pytest.mark.parametrize("arguments", STATES, ids=str)
def test_states_are_saved_and_loaded_without_code(arguments: dict[str, Any]) -> None:
    state, file = make_state(**arguments).detach(), io.BytesIO()
    torch.save({"state": state}, file)
    file.seek(0)
    assert_same(torch.load(file, weights_only=True)["state"], state)
    assert_same(copy.deepcopy(state), state)


@pytest.mark.parametrize("arguments", STATES, ids=str)
def test_data_loaders_join_states(arguments: dict[str, Any]) -> None:
    state = make_state(**arguments).detach()
    samples = [(state[row], row) for row in range(3)]
    joined, rows = next(iter(DataLoader(samples, batch_size=3)))
    assert_same(joined, state)
    assert rows.tolist() == [0, 1, 2]


def test_joined_histories_of_other_lengths_are_padded_as_in_a_batch() -> None:
    """Zeros stand before the angles, and after the standard errors."""
    states = [
        HiddenState(
            torch.zeros(1, 2),
            angles=torch.ones(1, steps, 4),
            num_steps=torch.tensor([steps]),
            output_standard_errors=torch.ones(1, steps, 2),
        )
        for steps in (3, 1)
    ]
    joined = default_collate(states)
    assert joined.angles[:, :, 0].tolist() == [[1.0, 1.0, 1.0], [0.0, 0.0, 1.0]]
    assert joined.output_standard_errors[:, :, 0].tolist() == [[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]]
    with pytest.raises(ValueError, match="expected samples with the same fields of HiddenState"):
        default_collate([states[0], HiddenState(torch.zeros(1, 2))])


def test_a_copy_can_be_filled_field_by_field() -> None:
    """As Lightning moves a batch: a copy of the dataclass, then one field after the other."""
    state = make_state()
    moved = copy.copy(state)
    for field in dataclasses.fields(state):
        value = getattr(state, field.name)
        setattr(moved, field.name, None if value is None else value.clone())
    assert_same(moved, state)
    assert state == state
    assert state != moved
