from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from circuits.ansatz import build_ansatz
from circuits.export import write_qasm3, write_qpy
from qrnn_qiskit.tasks import DataError
from qrnn_qiskit.training.config import Config, resolve_config
from qrnn_qiskit.training.run_folder import RunFolder, RunFolderError, create_run, name_run
from qrnn_qiskit.training.trainer import train


def test_a_new_run_holds_configuration_and_provenance(create: Callable[..., RunFolder]) -> None:
    run = create(seed=3, split_seed=4)
    assert RunFolder.open(run.path) == run
    provenance = json.loads((run.path / "provenance.json").read_text())
    assert provenance["seeds"] == {"training": 3, "split": 4}
    assert re.fullmatch("[0-9a-f]{64}", provenance["data_sha256"])
    assert {"python", "torch", "numpy", "qiskit", "numba"} <= set(provenance["versions"])
    assert provenance["git"] is None or re.fullmatch("[0-9a-f]{40}", provenance["git"]["commit"])


def test_a_folder_that_holds_a_run_is_refused(create: Callable[..., RunFolder]) -> None:
    run = create(epochs=1)
    train(run)
    before = {path: path.read_bytes() for path in run.path.iterdir()}
    with pytest.raises(RunFolderError, match=r"already holds a run.*qrnn resume"):
        create(epochs=2)
    assert {path: path.read_bytes() for path in run.path.iterdir()} == before


def test_a_folder_with_other_files_is_accepted(
    tmp_path: Path, configure: Callable[..., Config]
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    create_run(tmp_path, configure())
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_file_is_no_folder(tmp_path: Path, configure: Callable[..., Config]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="is a file"):
        create_run(tmp_path / "file", configure())


@pytest.mark.parametrize(
    ("task", "overrides", "message"),
    [
        ("digits", {"num_qubits": "0"}, "num_qubits"),
        ("digits", {"num_qubits": "60"}, "(GiB|TiB|PiB|EiB|bytes|memory)"),
        ("digits", {"ansatz": "rnig"}, "ring"),
        ("digits", {"ansatz": "absent.qasm"}, "absent.qasm"),
        ("digits", {"activation": "gelo"}, "gelu"),
        ("digits", {"readout": "expectations"}, "expectation"),
        ("digits", {"observables": "w"}, "w"),
        ("text", {"file": "absent.csv"}, "absent.csv"),
        ("toy", {"size": "0"}, "the train split of the task 'toy' is empty"),
    ],
)
@pytest.mark.usefixtures("toy")
def test_bad_input_writes_nothing(
    tmp_path: Path, task: str, overrides: dict[str, str], message: str
) -> None:
    config = resolve_config(task, overrides)
    with pytest.raises((ValueError, DataError), match=message):
        create_run(tmp_path / "runs" / "new", config)
    assert list(tmp_path.iterdir()) == []


def test_opening_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="holds no run"):
        RunFolder.open(tmp_path)
    with pytest.raises(RunFolderError, match="does not exist"):
        RunFolder.open(tmp_path / "absent")


@pytest.mark.parametrize(("name", "write"), [("mine.qasm", write_qasm3), ("mine.qpy", write_qpy)])
def test_the_run_keeps_its_own_copy_of_an_ansatz_file(
    tmp_path: Path, name: str, write: Callable[..., None]
) -> None:
    source = tmp_path / name
    write(build_ansatz("ring", num_qubits=2).circuit, source)
    config = resolve_config("digits", {"ansatz": str(source), "num_qubits": 2})
    run = create_run(tmp_path / "run", config)
    source.unlink()
    model = RunFolder.open(run.path).experiment.model
    assert model.qrnn.ansatz.num_parameters == run.experiment.model.qrnn.ansatz.num_parameters == 4


def test_a_path_that_is_not_utf8_is_refused(
    tmp_path: Path, configure: Callable[..., Config]
) -> None:
    folder = tmp_path / "run-\udcff"
    with pytest.raises(RunFolderError, match=r"run-.udcff.* not UTF-8; rename"):
        create_run(folder, configure())
    with pytest.raises(RunFolderError, match="not UTF-8"):
        RunFolder.open(folder)


def test_names_of_new_runs_are_free(tmp_path: Path) -> None:
    first = name_run("digits", tmp_path)
    first.mkdir()
    second = name_run("digits", tmp_path)
    assert first != second
    assert re.fullmatch(r"digits-\d{8}-\d{6}(-2)?", second.name)
