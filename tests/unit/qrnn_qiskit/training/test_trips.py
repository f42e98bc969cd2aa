"""How often the data, the checkpoint and the model of a run are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qrnn_qiskit.pictures import draw_pictures
from qrnn_qiskit.tasks import Splits, digits
from qrnn_qiskit.tasks.data import files
from qrnn_qiskit.tasks.digits import Digits
from qrnn_qiskit.tasks.series import Series
from qrnn_qiskit.training import checkpoint
from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.evaluation import evaluate
from qrnn_qiskit.training.loading import load_run
from qrnn_qiskit.training.run_folder import RunFolder, create_run
from qrnn_qiskit.training.trainer import resume, train

TINY = {"num_qubits": 1, "num_layers": 1, "controller_hidden": 2, "epochs": 1}


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the calls of ``load`` by task, and the files opened by name."""
    counts: Counter[str] = Counter()

    def count(owner: Any, name: str, key: Callable[..., str]) -> None:
        real = getattr(owner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            counts[key(*arguments)] += 1
            return real(*arguments, **options)

        monkeypatch.setattr(owner, name, call)

    count(Series, "load", lambda task: "series")
    count(Digits, "load", lambda task: "digits")
    count(Path, "read_bytes", lambda path: path.name)
    count(files, "read_file", lambda path: Path(path).name)
    count(digits, "find_package_file", lambda package, path: Path(path).name)
    count(checkpoint, "load_safely", lambda path: f"load {path.name}")
    return counts


def make_series(folder: Path) -> RunFolder:
    table = folder / "table.csv"
    lines = [f"{np.sin(step / 3):.6f}" for step in range(60)]
    table.write_text("\n".join(["y", *lines]))
    settings = {"file": str(table), "target": "y", "window": 4}
    return create_run(folder / "run", resolve_config("series", TINY | settings))


def make_digits(folder: Path) -> RunFolder:
    return create_run(folder / "run", resolve_config("digits", TINY))


@pytest.mark.parametrize(
    ("make", "task", "file"),
    [(make_series, "series", "table.csv"), (make_digits, "digits", "digits.csv.gz")],
)
def test_data_is_read_once_for_training_evaluation_and_pictures(
    tmp_path: Path,
    loads: Counter[str],
    make: Callable[[Path], RunFolder],
    task: str,
    file: str,
) -> None:
    run = make(tmp_path)
    train(run)
    trained = load_run(run)
    evaluate(run, trained=trained)
    assert draw_pictures(run, trained)
    assert (loads[task], loads[file]) == (1, 1)
    assert loads["load checkpoint.pt"] == 1
    resume(run)
    evaluate(run)
    assert draw_pictures(run)
    assert (loads[task], loads[file]) == (1, 1)


def test_a_run_from_its_folder_reads_its_data_once(tmp_path: Path, loads: Counter[str]) -> None:
    train(make_series(tmp_path))
    loads.clear()
    run = RunFolder.open(tmp_path / "run")
    trained = load_run(run)
    assert loads["series"] == 0
    evaluate(run, trained=trained)
    draw_pictures(run, trained)
    assert (loads["series"], loads["table.csv"], loads["load checkpoint.pt"]) == (1, 1, 1)


@pytest.fixture
def trained_run(create: Callable[..., RunFolder]) -> RunFolder:
    run = create(epochs=3)
    train(run)
    return run


def test_a_loaded_model_shares_the_data_and_leaves_the_trained_model_alone(
    trained_run: RunFolder,
) -> None:
    last = {k: v.clone() for k, v in trained_run.experiment.model.state_dict().items()}
    trained = load_run(trained_run)
    assert trained.task is trained_run.experiment.task
    splits: Splits = trained.splits
    assert splits is trained_run.experiment.splits
    assert trained.model is not trained_run.experiment.model
    evaluate(trained_run, trained=trained)
    now = trained_run.experiment.model.state_dict()
    assert all(value.equal(last[name]) for name, value in now.items())


def test_numbers_do_not_depend_on_the_way_to_them(trained_run: RunFolder) -> None:
    shared = evaluate(trained_run, trained=load_run(trained_run))
    trained_run.evaluations.rename(trained_run.path / "earlier")  # or nothing is written again
    fresh = evaluate(RunFolder.open(trained_run.path))
    assert shared.metrics == fresh.metrics
    folders = (trained_run.path / "earlier", trained_run.evaluations)
    first, second = (dict(np.load(folder / "0001-simulator.npz")) for folder in folders)
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_the_weights_of_a_passed_model_are_named_in_the_evaluation(trained_run: RunFolder) -> None:
    evaluate(trained_run, trained=load_run(trained_run, "last"))
    (content,) = trained_run.read_evaluations()
    assert content["weights"] == "last"
    digest = content["provenance"]["checkpoint_sha256"]
    assert digest == trained_run.digest_checkpoint()
