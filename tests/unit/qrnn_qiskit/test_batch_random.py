from __future__ import annotations

import pytest
import torch
from torch import Tensor

from qrnn_qiskit import QRNN
from qrnn_qiskit.batch_random import Draws, Dropout, hold_share
from qrnn_qiskit.training.processes import Processes


def share_between(count: int, whole: Tensor, module: Dropout) -> Tensor:
    """What ``count`` processes make of their shares, put together."""
    together = torch.empty_like(whole)
    for rank in range(count):
        torch.manual_seed(5)
        with Processes(rank, count).take_share(len(whole)) as share:
            result = module(whole[share.rows])
        if not share.is_empty:
            together[share.rows] = result
    return together


@pytest.mark.parametrize("shape", [(5, 3), (5, 4, 3), (1, 3)], ids=str)
def test_shares_drop_what_one_process_would(shape: tuple[int, ...]) -> None:
    module, whole = Dropout(0.4), torch.ones(shape, dtype=torch.float64)
    torch.manual_seed(5)
    alone = module(whole)
    assert set(alone.flatten().tolist()) <= {0.0, 1 / 0.6}
    assert share_between(2, whole, module).equal(alone)


def test_the_next_batch_does_not_depend_on_the_steps_of_this_one() -> None:
    model = QRNN(2, 2, dropout=0.5)
    x = torch.rand(3, 200, 2)  # more steps than the recurrence takes at a time
    states = []
    for steps in (3, 200):
        torch.manual_seed(1)
        model(x[:, :steps])
        states.append(torch.get_rng_state())
    assert states[0].equal(states[1])


def test_dropout_keeps_its_share_and_the_mean() -> None:
    torch.manual_seed(0)
    kept = Draws().keep(50, torch.empty(40, 10), 0.25)
    assert abs(float((kept > 0).float().mean()) - 0.75) < 0.01
    assert abs(float(kept.mean()) - 1.0) < 0.02


def test_the_default_device_does_not_move_the_draws() -> None:
    model, x = QRNN(2, 2, dropout=0.5), torch.randn(3, 4, 2)
    torch.manual_seed(5)
    expected = model(x)[0]
    torch.manual_seed(5)
    with torch.device("meta"):
        assert torch.equal(model(x)[0], expected)


def test_choices_have_the_probabilities_of_their_weights() -> None:
    torch.manual_seed(0)
    weights = torch.tensor([0.1, 0.0, 0.6, 0.3], dtype=torch.float64)
    chosen = Draws().choose(weights.expand(20_000, -1), 5_000)
    shares = torch.bincount(chosen, minlength=4) / len(chosen)
    assert (shares - weights).abs().max() < 0.015  # 4 standard errors
    assert shares[1] == 0


def test_shares_choose_what_one_process_would() -> None:
    weights = torch.rand(6, 3, 4)  # 6 sequences of 3 trajectories
    torch.manual_seed(2)
    alone = Draws().choose(weights.flatten(0, 1), 6).reshape(6, 3)
    for rank in range(4):
        torch.manual_seed(2)
        with Processes(rank, 4).take_share(6) as share:
            own = Draws().choose(weights[share.rows].flatten(0, 1), share.size)
        assert own.reshape(-1, 3).equal(alone[share.rows])


def test_a_batch_of_another_size_is_no_share() -> None:
    with Processes(1, 2).take_share(8) as share, hold_share(share):
        assert Draws().keep(2, torch.empty(7, 3), 0.5).shape == (2, 7, 3)
