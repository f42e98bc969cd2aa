"""What every task promises to training, evaluation and prediction."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from qrnn_qiskit.tasks import DataSettings, Sequences, Task, get_task, list_tasks
from qrnn_qiskit.training.inference import predict_sequences

MakeTask = Callable[[str], Task]

NAMES = [
    *("copying-memory", "digits", "language", "mackey-glass", "mnist", "narma10", "process"),
    *("santa-fe", "sentiment", "sequences", "series", "square", "stabilizer", "sunspots"),
    *("syndromes", "text", "translation"),
]


@pytest.fixture
def make_task(write: Callable[..., Path]) -> MakeTask:
    reviews = "text,label\n" + "so good a film,1\nso very bad,0\n" * 20
    waves = "series,time,a,label\n" + "".join(
        f"s{n},{t},{(t * (1 + n % 2)) % 5},{n % 2}\n" for n in range(40) for t in range(6)
    )
    series = "y\n" + "\n".join(str(t % 7) for t in range(60))
    settings = {
        "copying-memory": {"delay": 5, "train_size": 12, "validation_size": 8, "test_size": 9},
        "language": {"max_lines": 300},
        "sequences": {"file": write(waves, "waves.csv")},
        "series": {"file": write(series, "series.csv"), "target": "y", "horizon": 2},
        "text": {"file": write(reviews, "reviews.csv")},
    }

    def make(name: str) -> Task:
        task = get_task(name)
        return task(task.Settings.model_validate(settings.get(name, {})))

    return make


def test_every_task_of_the_package_is_covered_here() -> None:
    own = [task.name for task in list_tasks() if task.__module__.startswith("qrnn_qiskit.tasks.")]
    assert own == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_learns_from_the_loss(
    name: str, make_task: MakeTask, make_gru: Callable[[int], nn.Module], dtype: torch.dtype
) -> None:
    task = make_task(name)
    train = task.load().train
    train = train.select(slice(0, 200))
    model = task.build(make_gru)
    prediction, _ = model.run(train)
    assert prediction.dtype == dtype
    loss = task.loss(prediction, train)
    assert loss.ndim == 0
    loss.backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.dtype == dtype
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


@pytest.mark.parametrize("name", NAMES)
def test_metrics_are_per_sequence_and_agree_between_batch_and_parts(
    name: str, make_task: MakeTask, make_gru: Callable[[int], nn.Module]
) -> None:
    task = make_task(name)
    batch = task.load().test.select(slice(0, 5))
    model = task.build(make_gru).eval()

    def measure(part: Sequences) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            return task.measure(model.run(part)[0], part)

    together = measure(batch)
    parts = [measure(batch.select(torch.tensor([i]))) for i in range(len(batch))]
    assert task.headline in task.summarize(together)
    for metric, values in together.items():
        assert values.shape == (5,)
        assert torch.allclose(values, torch.cat([part[metric] for part in parts]), atol=1e-5)


@pytest.mark.parametrize("name", ["sentiment", "text"])
def test_padding_does_not_change_a_prediction(
    name: str, make_task: MakeTask, make_gru: Callable[[int], nn.Module]
) -> None:
    task = make_task(name)
    test = task.load().test.select(slice(0, 30))
    model = task.build(make_gru)
    unpadded = [
        model(test.inputs[[i], :length], test.lengths[[i]]) for i, length in enumerate(test.lengths)
    ]
    assert test.lengths.min() < test.lengths.max()
    assert torch.allclose(model(test.inputs, test.lengths), torch.cat(unpadded), atol=1e-6)


def test_prediction_of_a_step_sees_no_later_step(
    make_task: MakeTask, make_gru: Callable[[int], nn.Module]
) -> None:
    task = make_task("copying-memory")
    inputs = task.load().test.inputs
    changed = inputs.clone()
    changed[:, 7] = (changed[:, 7] + 1) % 8
    model = task.build(make_gru)
    differs = (model(inputs) != model(changed)).any(dim=-1)
    assert not differs[:, :7].any()
    assert differs[:, 7].all()


@pytest.mark.parametrize("name", NAMES)
def test_table_of_predictions_has_a_row_for_each_sequence(
    name: str, make_task: MakeTask, make_gru: Callable[[int], nn.Module]
) -> None:
    task = make_task(name)
    test = task.load().test.select(slice(0, 50))
    model = task.build(make_gru)
    inputs = test.drop_targets() if model.decodes else test
    header, rows = task.tabulate(predict_sequences(model, inputs, 20), test)
    assert len(rows) == len(test)
    assert all(len(row) == len(header) for row in rows)
    assert all(isinstance(field, str | int | float) for row in rows for field in row)


@pytest.mark.parametrize("name", NAMES)
def test_preprocessing_survives_a_safe_checkpoint(
    name: str, make_task: MakeTask, make_gru: Callable[[int], nn.Module]
) -> None:
    task = make_task(name)
    task.load()
    file = io.BytesIO()
    torch.save(task.remember(), file)
    file.seek(0)
    restored = make_task(name)
    restored.restore(torch.load(file, weights_only=True))
    assert restored.remember() == task.remember()
    assert restored.fingerprint() == task.fingerprint()
    shapes = [
        {key: value.shape for key, value in each.build(make_gru).state_dict().items()}
        for each in (task, restored)
    ]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", NAMES)
def test_defaults_are_dotted_keys_of_the_configuration(name: str) -> None:
    task = get_task(name)
    for key in task.defaults:
        assert key.split(".")[0] in {"model", "data", "train"}
    assert task.summary
    assert task.source


def test_settings_of_another_task_are_refused() -> None:
    with pytest.raises(TypeError, match="a CopyingMemorySettings, got a"):
        get_task("copying-memory")(DataSettings())


def test_state_of_another_task_is_refused(make_task: MakeTask) -> None:
    with pytest.raises(ValueError, match="belongs to another task"):
        make_task("digits").restore({"vocabulary": []})


def test_sequences_are_selected_together_and_must_match() -> None:
    batch = Sequences(
        inputs=torch.arange(12).reshape(4, 3),
        targets=torch.arange(4),
        lengths=torch.tensor([3, 2, 1, 3]),
        rows=torch.tensor([5, 6, 7, 8]),
    )
    part = batch.select(torch.tensor([2, 0]))
    assert part.inputs.tolist() == [[6, 7, 8], [0, 1, 2]]
    assert part.targets.tolist() == [2, 0]
    assert part.lengths is not None
    assert part.lengths.tolist() == [1, 3]
    assert part.rows is not None
    assert part.rows.tolist() == [7, 5]
    with pytest.raises(ValueError, match="lengths for each of 4 sequences, got 3"):
        Sequences(batch.inputs, batch.targets, lengths=torch.ones(3))
