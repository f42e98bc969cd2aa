from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from qrnn_qiskit.tasks import DataError
from qrnn_qiskit.tasks.copying_memory import CopyingMemory, CopyingMemorySettings

Write = Callable[..., Path]


def make_task(**settings: int) -> CopyingMemory:
    sizes = {"train_size": 30, "validation_size": 20, "test_size": 25}
    return CopyingMemory(CopyingMemorySettings(**(sizes | settings)))


@pytest.mark.parametrize("delay", [1, 2, 30, 1000])
def test_symbols_blanks_marker_and_copy_stand_where_the_paper_puts_them(delay: int) -> None:
    test = make_task(delay=delay).load().test
    assert test.inputs.shape == test.targets.shape == (25, delay + 20)
    symbols = test.inputs[:, :10]
    assert symbols.min() == 0
    assert symbols.max() == 7
    assert (test.inputs[:, 10 : 9 + delay] == 8).all()
    assert (test.inputs[:, 9 + delay] == 9).all()
    assert (test.inputs[:, 10 + delay :] == 8).all()
    assert (test.targets[:, : 10 + delay] == 8).all()
    assert torch.equal(test.targets[:, 10 + delay :], symbols)


def test_fresh_sequences_depend_on_settings_and_epoch_alone() -> None:
    splits, again = make_task().load(), make_task().load()
    assert splits.fresh is not None
    assert again.fresh is not None
    torch.manual_seed(3)
    assert torch.equal(splits.fresh(30).inputs, again.fresh(30).inputs)
    assert not torch.equal(splits.fresh(30).inputs, splits.fresh(31).inputs)
    other = make_task(split_seed=1)
    assert not torch.equal(splits.fresh(30).inputs, other.generate_epoch(30).inputs)
    assert not torch.equal(splits.test.inputs, other.load().test.inputs)


def test_no_split_shares_a_sequence_with_another() -> None:
    splits = make_task().load()
    assert splits.fresh is not None
    parts = [splits.validation, splits.test, *(splits.fresh(epoch) for epoch in range(5))]
    seen = torch.cat([part.inputs[:, :10] for part in parts])
    assert len(seen.unique(dim=0)) == len(seen)


def test_curriculum_grows_to_the_full_delay_while_validation_keeps_it() -> None:
    task = make_task(delay=100, curriculum=6)
    assert [task.delay_at(epoch) for epoch in range(8)] == [1, 1, 1, 3, 10, 32, 100, 100]
    assert task.generate_epoch(3).inputs.shape == (30, 23)
    assert task.load().validation.inputs.shape == (20, 120)
    assert make_task(delay=100, curriculum=0).delay_at(0) == 100
    assert make_task(delay=3, curriculum=20).delay_at(0) == 1


def test_guessing_has_baseline_ratio_1_and_the_solution_0() -> None:
    task = make_task(delay=12)
    test = task.load().test
    guess = torch.full((25, 32, 9), -1e4)
    guess[:, :22, 8] = 0
    guess[:, 22:, :8] = 0
    measured = task.measure(guess, test)
    assert measured["baseline_ratio"].tolist() == pytest.approx([1.0] * 25, abs=1e-5)
    assert measured["cross_entropy"][0].item() == pytest.approx(10 * math.log(8) / 32)
    assert measured["accuracy"].mean() < 0.4
    assert task.summarize(measured)["solved_delay"].value == 0
    assert task.loss(guess, test) == pytest.approx(10 * math.log(8) / 32)
    solution = functional.one_hot(test.targets, 9) * 100.0
    measured = task.measure(solution, test)
    assert measured["baseline_ratio"].max() < 1e-6
    assert (measured["accuracy"] == 1).all()
    assert task.summarize(measured)["solved_delay"].value == 12


def test_accuracy_looks_at_the_copied_symbols_alone() -> None:
    task = make_task(delay=100)
    test = task.load().test
    only_blanks = functional.one_hot(torch.full_like(test.targets, 8), 9) * 1.0
    assert (task.measure(only_blanks, test)["accuracy"] == 0).all()


def test_new_sequences_are_read_and_tabulated(write: Write) -> None:
    task = make_task(delay=2)
    test = task.load().test.select(slice(0, 3))
    batch = task.read(write("\n".join(",".join(map(str, row)) for row in test.inputs.tolist())))
    assert torch.equal(batch.inputs, test.inputs)
    solution = functional.one_hot(test.targets, 9) * 1.0
    copied = [" ".join(map(str, row[:10])) for row in test.inputs.tolist()]
    assert task.tabulate(solution, batch) == (
        ["row", "predicted"],
        [[number, copy] for number, copy in enumerate(copied, start=1)],
    )
    assert task.tabulate(solution, test)[1][1] == [2, copied[1], copied[1]]


@pytest.mark.parametrize(
    ("last", "message"),
    [
        ("10", r"row 2 \(line 2\), column 12: .*from 0 to 9.*got 10"),
        ("-1", "got -1"),
        ("1.5", "got 1.5"),
        ("a", r"row 2 \(line 2\), column '12': .*got 'a'"),
    ],
)
def test_a_token_out_of_the_alphabet_is_located(write: Write, last: str, message: str) -> None:
    path = write("0,1,2,3,4,5,6,7,0,1,8,9\n" + "0," * 11 + last)
    with pytest.raises(DataError, match=message):
        make_task().read(path)


def test_sequences_too_short_to_copy_are_refused(write: Write) -> None:
    with pytest.raises(DataError, match="at least 10 tokens per row, got 3"):
        make_task().read(write("1,2,3\n"))


@pytest.mark.parametrize("settings", [{"delay": 0}, {"curriculum": -1}, {"dely": 5}])
def test_settings_out_of_range_or_unknown_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match=next(iter(settings))):
        CopyingMemorySettings.model_validate(settings)
