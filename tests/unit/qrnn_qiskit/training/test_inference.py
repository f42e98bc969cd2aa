"""The order of batches, and a state that is carried from one to the next."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from qrnn_qiskit import QRNN
from qrnn_qiskit.heads import StepHead
from qrnn_qiskit.tasks import Sequences, TaskModel
from qrnn_qiskit.training.evaluation import evaluate
from qrnn_qiskit.training.inference import infer, measure, order_batches, predict_sequences
from qrnn_qiskit.training.processes import Processes
from qrnn_qiskit.training.run_folder import RunFolder
from qrnn_qiskit.training.trainer import train


def make_sequences(count: int, continued: bool = True) -> Sequences:
    torch.manual_seed(0)
    inputs = torch.randn(count, 3, 2, dtype=torch.float64)
    return Sequences(inputs, torch.arange(count), continued=continued)


@pytest.mark.parametrize(("count", "batch_size"), [(11, 4), (12, 4), (3, 8), (1, 1), (9, 2)])
def test_each_stream_of_continued_sequences_goes_on_from_batch_to_batch(
    count: int, batch_size: int
) -> None:
    batches = order_batches(make_sequences(count), batch_size)
    assert sorted(torch.cat(batches).tolist()) == list(range(count))
    for before, after in itertools.pairwise(batches):
        assert torch.equal(after, before[: len(after)] + 1)


def test_other_sequences_keep_the_order_that_is_asked_for() -> None:
    sequences, order = make_sequences(5, continued=False), torch.tensor([4, 2, 0, 1, 3])
    assert [batch.tolist() for batch in order_batches(sequences, 2, order)] == [[4, 2], [0, 1], [3]]
    assert [batch.tolist() for batch in order_batches(sequences, 3)] == [[0, 1, 2], [3, 4]]


@pytest.mark.parametrize("readout", ["expectation", "measured"])
def test_windows_with_a_carried_state_equal_one_long_sequence(readout: str) -> None:
    torch.manual_seed(1)
    qrnn = QRNN(2, 2, readout=readout, dtype=torch.float64)
    model = TaskModel(qrnn, StepHead(qrnn, 4))
    windows = make_sequences(7)
    long = Sequences(windows.inputs.reshape(1, 21, 2), torch.zeros(1))
    together = predict_sequences(model, long, 1)
    carried = predict_sequences(model, windows, 1).reshape(1, 21, 4)
    assert torch.allclose(carried, together, atol=1e-12)
    alone = predict_sequences(model, make_sequences(7, continued=False), 1).reshape(1, 21, 4)
    assert not torch.allclose(alone, together, atol=1e-3)
    streams = predict_sequences(model, windows, 2).reshape(1, 21, 4)  # windows 0 to 3, 4 to 6
    assert torch.allclose(streams[:, :12], together[:, :12], atol=1e-12)
    second = Sequences(windows.inputs[4:].reshape(1, 9, 2), torch.zeros(1))
    assert torch.allclose(streams[:, 12:], predict_sequences(model, second, 1), atol=1e-12)


def test_values_and_readouts_stand_in_the_order_of_the_sequences(
    create: Callable[..., RunFolder],
) -> None:
    run = create(size=11, epochs=1, evaluation_batch_size=4, continued=True)
    train(run)
    model, task = run.experiment.model, run.experiment.task
    test = run.experiment.splits.test
    inference = infer(task, model, test, 4)
    assert torch.equal(inference.prediction, predict_sequences(model, test, 4))
    expected: Any = task.measure(inference.prediction, test)
    for name, values in inference.values.items():
        assert torch.allclose(values, expected[name])
    assert inference.loss == pytest.approx(task.loss(inference.prediction, test).item())
    sent: list[Any] = []

    class Sharing(Processes):
        def collect(self, value: Any) -> list[Any]:
            sent.extend(tensor for _, batch in value[0] for tensor in batch.values())
            return [value]

    assert measure(task, model, test, 4, Sharing()).loss == inference.loss
    assert {tensor.shape for tensor in sent} == {(4,), (3,)}  # measures, and no predictions
    evaluate(run)
    with np.load(run.evaluations / "0001-simulator.npz") as arrays:
        assert np.allclose(
            model.head.linear(torch.from_numpy(arrays["readouts"])).detach(), arrays["prediction"]
        )
