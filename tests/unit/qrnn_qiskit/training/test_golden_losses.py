"""The first losses of every task, to the last digits: nothing that training rests on has moved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from qrnn_qiskit.tasks import list_tasks
from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.inference import order_batches
from qrnn_qiskit.training.loop import Trainer
from qrnn_qiskit.training.progress import TrainingProgress
from qrnn_qiskit.training.randomness import shuffle
from qrnn_qiskit.training.run_folder import create_run

MODEL: dict[str, Any] = {
    "model.num_qubits": 2,
    "model.num_layers": 1,
    "model.controller_hidden": 4,
    "model.dtype": "float64",
    "train.batch_size": 8,
    "train.learning_rate": 0.01,
}
DATA: dict[str, dict[str, Any]] = {
    "copying-memory": {"delay": 7, "curriculum": 0, "train_size": 40},
    "language": {"max_lines": 200, "window": 5},
    "process": {"steps": 8, "train_size": 40},
    "sequences": {
        "file": "series,time,value,label\n"
        + "".join(f"{n},{t},{(n * n + t) % 7},{n % 2}\n" for n in range(40) for t in range(4))
    },
    "series": {"target": "y", "file": "y\n" + "\n".join(str(t * t % 11) for t in range(80))},
    "square": {"steps": 8, "train_size": 40},
    "stabilizer": {"steps": 8, "train_size": 40},
    "syndromes": {"steps": 2, "train_size": 40},
    "text": {"file": "text,label\n" + "so good a film,1\nso very bad it is,0\n" * 20},
    "translation": {  # the messages of Django are other ones in other releases
        "file": "".join(
            f"{number} {colour}Kugel{please}\t{n} {c}ball{p}\n"
            for number, n in (("eine", "one"), ("deine", "your"), ("keine", "no"), ("jede", "each"))
            for colour, c in (("", ""), ("rote ", "red "), ("blaue ", "blue "), ("graue ", "grey "))
            for please, p in (("", ""), (", bitte!", ", please!"), (" zum Spiel", " to play with"))
        )
    },
}
LOSSES: dict[str, list[float]] = {
    "copying-memory": [2.3243882, 2.27261751, 2.21702056, 2.12804829],
    "digits": [2.30588553, 2.37003583, 2.27488115, 2.32984145],
    "language": [5.81834078, 5.8041988, 5.78098405, 5.68969081],
    "mackey-glass": [1.13297372, 0.725174978, 1.55393377, 0.920063621],
    "mnist": [2.66310867, 2.46574828, 2.32377609, 2.23702965],
    "narma10": [1.15620324, 0.596044058, 1.82240396, 0.515809703],
    "process": [0.696809801, 0.749556405, 0.7794614, 1.2423689],
    "santa-fe": [3.09156151, 0.507306563, 1.7287087, 2.06436898],
    "sentiment": [0.560185865, 0.706686276, 0.673140856, 0.633778474],
    "sequences": [0.717122044, 0.71638417, 0.71381231, 0.680058513],
    "series": [0.65446852, 0.842280035, 1.04842435, 1.05431114],
    "square": [1.49899883, 1.03170127, 2.10278386, 1.54674438],
    "stabilizer": [0.832282273, 1.06638104, 1.43532192, 1.69912976],
    "sunspots": [0.614870897, 1.11724317, 0.417402661, 0.714633953],
    "syndromes": [0.240821791, 0.954924124, 0.49624178, 0.0464274797],
    "text": [0.738714219, 0.738891814, 0.707190237, 0.706870507],
    "translation": [2.86711419, 2.82689463, 2.77668174, 2.6861053],
}


def test_every_task_has_its_losses() -> None:
    own = [task.name for task in list_tasks() if task.__module__.startswith("qrnn_qiskit.tasks.")]
    assert sorted(LOSSES) == own


@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_the_first_steps(name: str, tmp_path: Path) -> None:
    data = dict(DATA.get(name, {}))
    if "file" in data:
        (tmp_path / "data.csv").write_text(data["file"])
        data["file"] = str(tmp_path / "data.csv")
    overrides = MODEL | {f"data.{key}": value for key, value in data.items()}
    run = create_run(tmp_path / "run", resolve_config(name, overrides))
    trainer = Trainer(run, None, TrainingProgress(enabled=False))
    train = trainer.splits.train
    trainer.model.train()
    losses = []
    for indices in order_batches(train, 8, shuffle(len(train), 0, 0))[:4]:
        loss, _, state = trainer.step(train.select(indices), 0.0)
        trainer.position.carried = state if train.continued else None
        losses.append(loss)
    assert losses == pytest.approx(LOSSES[name], rel=1e-6), losses
    assert len(set(losses)) == 4


def test_losses_do_not_depend_on_what_was_drawn_before(tmp_path: Path) -> None:
    torch.rand(5)
    test_losses_of_the_first_steps("digits", tmp_path)
