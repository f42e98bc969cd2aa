from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from qrnn_qiskit.executors import SimulatorExecutor
from qrnn_qiskit.training.processes import (
    ALONE,
    Processes,
    ProcessLostError,
    join_processes,
    tell_lost,
)
from qrnn_qiskit.training.run_folder import RunFolder
from qrnn_qiskit.training.trainer import train


def test_shares_are_disjoint_whole_and_begin_like_those_of_a_larger_batch() -> None:
    for total in (1, 2, 7, 12):
        places: list[int] = []
        weights = 0.0
        for rank in range(3):
            with Processes(rank, 3).take_share(total) as share:
                own = list(range(total))[share.rows]
            assert len(own) == share.size > 0
            weights += share.weight
            if not share.is_empty:
                places += own
                assert list(range(20))[rank::3][: len(own)] == own
        assert sorted(places) == list(range(total))
        assert weights == pytest.approx(1)


def test_a_lost_process_is_told_with_the_remedy_before_what_torch_says(tmp_path: Path) -> None:
    said = "Connection closed by peer [127.0.0.1]:4711"
    with pytest.raises(ProcessLostError) as lost, tell_lost(tmp_path):
        raise ProcessLostError("another process has died", said)
    remedy = f"continue with 'qrnn resume {tmp_path}', by torchrun as before or as a single process"
    expected = f"another process has died. The last checkpoint is kept: {remedy} (torch: {said})"
    assert str(lost.value) == expected


def test_carried_rows_are_put_together_as_they_were_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {"readouts": torch.arange(15.0).reshape(5, 3), "vector": None}
    parts = [Processes(rank, 2).take_rows(whole) for rank in range(2)]
    assert [len(part["readouts"]) for part in parts] == [3, 2]
    monkeypatch.setattr(Processes, "collect", lambda self, value: parts)
    together = Processes(1, 2).collect_rows(parts[1])
    assert together["readouts"].equal(whole["readouts"])
    assert together["vector"] is None


def test_one_process_alone_talks_to_nobody() -> None:
    with join_processes() as processes:
        assert processes is ALONE
    parameter = torch.nn.Parameter(torch.ones(2))
    parameter.grad = torch.ones(2)
    assert processes.add_gradients([parameter], 0.5) == 0.5
    assert parameter.grad.tolist() == [1.0, 1.0]
    assert processes.agree(True, False) == [True, False]
    assert processes.collect("it") == ["it"]


def test_gradients_that_only_one_process_has_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def grow(*gradients: float | None) -> list[torch.nn.Parameter]:
        parameters = [torch.nn.Parameter(torch.zeros(2)) for _ in gradients]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = None if gradient is None else torch.full((2,), gradient)
        return parameters

    sent: list[torch.Tensor] = []
    monkeypatch.setattr("torch.distributed.all_reduce", lambda flat: sent.append(flat.clone()))
    Processes(1, 2).add_gradients(grow(1.0, None, 5.0, None), 0.25)
    monkeypatch.setattr("torch.distributed.all_reduce", lambda flat: flat.add_(sent[0]))
    first = grow(2.0, 3.0, None, None)
    assert Processes(0, 2).add_gradients(first, 0.5) == 0.75
    found = [None if each.grad is None else each.grad.tolist() for each in first]
    assert found == [[3.0, 3.0], [3.0, 3.0], [5.0, 5.0], None]


def test_what_cannot_be_shared_is_refused_before_anything_is_written(
    create: Callable[..., RunFolder],
) -> None:
    run = create(batch_size=2)
    with pytest.raises(ValueError, match=r"train\.batch_size=2 with 3 processes.*larger batch"):
        train(run, processes=Processes(0, 3))
    run = create("other", batch_size=8)
    device: Any = SimulatorExecutor(gradient="simulator")
    with pytest.raises(ValueError, match=r"with 3 processes.*start one process"):
        train(run, executor=device, processes=Processes(0, 3))
    assert not run.metrics_file.exists()
