"""What a kill, a flipped bit or a second program can do to a run folder."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from circuits.ansatz import build_ansatz
from circuits.errors import UserError
from circuits.export import write_qasm3
from qrnn_qiskit.training.checkpoint import CheckpointError, read_checkpoint
from qrnn_qiskit.training.config import Config
from qrnn_qiskit.training.evaluation import evaluate
from qrnn_qiskit.training.run_files import read_tuning
from qrnn_qiskit.training.run_folder import RunFolder, RunFolderError, create_run
from qrnn_qiskit.training.trainer import resume, train


@pytest.mark.filterwarnings("ignore")
def test_a_checkpoint_with_flipped_bits_is_refused_or_whole(
    create: Callable[..., RunFolder],
) -> None:
    run = create(epochs=1)
    train(run)
    content = run.checkpoint_file.read_bytes()
    draw = random.Random(0)
    refused = 0
    for _ in range(150):  # most damage the directory at the end, where errors are of many kinds
        damaged = bytearray(content)
        start = draw.choice((0, content.rindex(b"data.pkl") - 2000))
        damaged[draw.randrange(start, len(content))] ^= 1 << draw.randrange(8)
        run.checkpoint_file.write_bytes(damaged)
        try:
            read_checkpoint(run.checkpoint_file, run.config)
        except CheckpointError:
            refused += 1
    assert refused > 100


def test_a_line_cut_short_in_the_metrics_is_cut_off(create: Callable[..., RunFolder]) -> None:
    run = create(epochs=1)
    train(run)
    whole = run.metrics_file.read_bytes()
    run.metrics_file.write_bytes(whole + b'{"epoch": 2, "st')
    assert [row["epoch"] for row in run.read_metrics()] == [1]
    resume(RunFolder.open(run.path))
    assert run.metrics_file.read_bytes() == whole


def test_a_run_whose_checkpoint_is_gone_does_not_start_over(
    create: Callable[..., RunFolder],
) -> None:
    run = create(epochs=2)
    train(run)
    metrics = run.metrics_file.read_bytes()
    run.checkpoint_file.unlink()
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt is missing.* of the 2 epochs"):
        resume(RunFolder.open(run.path))
    assert run.metrics_file.read_bytes() == metrics


def test_a_run_never_takes_a_circuit_that_lies_in_its_folder(
    tmp_path: Path, configure: Callable[..., Config]
) -> None:
    write_qasm3(build_ansatz("ring", num_qubits=4).circuit, tmp_path / "ansatz.qasm")
    before = (tmp_path / "ansatz.qasm").read_bytes()
    with pytest.raises(RunFolderError, match=r"ansatz\.qasm, which the run would overwrite"):
        create_run(tmp_path, configure())
    assert [path.name for path in tmp_path.iterdir()] == ["ansatz.qasm"]
    assert (tmp_path / "ansatz.qasm").read_bytes() == before


def test_two_programs_never_share_a_folder(
    tmp_path: Path, configure: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    from qrnn_qiskit.training import run_folder

    first = configure(seed=1)
    describe = run_folder.describe_provenance

    def be_overtaken(*arguments: object) -> object:
        monkeypatch.setattr(run_folder, "describe_provenance", describe)
        create_run(tmp_path / "run", first)
        return describe(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(run_folder, "describe_provenance", be_overtaken)
    with pytest.raises(RunFolderError, match="already holds a run"):
        create_run(tmp_path / "run", configure(seed=2))
    assert RunFolder.open(tmp_path / "run").config == first


DAMAGE: list[Callable[[bytes], bytes]] = [
    lambda content: b"",
    lambda content: content[: len(content) // 2],
    lambda content: b"null\n",
    lambda content: b"[1, 2]\n",
    lambda content: b"{}\n",
    lambda content: b'"text"\n',
    lambda content: b"\xff\xfe" + content,
    lambda content: b"[" * 100_000 + b"\n",
]
JSON_DAMAGE: list[Callable[[bytes], bytes]] = [
    lambda content: re.sub(rb": -?\d+(\.\d+)?", b": NaN", content),
    lambda content: re.sub(rb'": ', b'x": ', content),
]


JSON_FILES = ["provenance.json", "metrics.jsonl", "evaluation"]


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *itertools.product([*JSON_FILES, "config.toml"], DAMAGE),
        *itertools.product(JSON_FILES, JSON_DAMAGE),
    ],
)
def test_a_damaged_file_is_named(
    create: Callable[..., RunFolder], name: str, damage: Callable[[bytes], bytes]
) -> None:
    run = create(epochs=1)
    train(run)
    evaluate(run)
    (evaluation,) = run.evaluations.glob("*.json")
    file = evaluation if name == "evaluation" else run.path / name
    content = file.read_bytes()
    file.write_bytes(damage(content))
    assert file.read_bytes() != content
    with pytest.raises(UserError, match=re.escape(file.name)) as refused:
        use_everything(run.path)
    assert len(str(refused.value)) < 1000


def use_everything(folder: Path) -> None:
    run = RunFolder.open(folder)
    assert run.provenance["device"] == "simulator"
    run.read_metrics()
    run.read_evaluations()
    resume(run)  # refuses metrics without a line break, which have no whole line


@pytest.mark.parametrize("value", [None, b'"high"', b"true", b"null"])
@pytest.mark.parametrize("row", [0, 1])
def test_metrics_without_the_validation_are_named(
    create: Callable[..., RunFolder], row: int, value: bytes | None
) -> None:
    run = create(epochs=1)
    train(run)
    line = run.metrics_file.read_bytes()
    pattern = rb'"validation_accuracy": [0-9.]+'
    new = b'"other": 1' if value is None else b'"validation_accuracy": ' + value
    damaged = re.sub(pattern, new, line)
    assert damaged != line
    run.metrics_file.write_bytes(b"".join([damaged, line] if row == 0 else [line, damaged]))
    with pytest.raises(RunFolderError, match=rf"line {row + 1} of .*validation_accuracy"):
        run.read_metrics()


@pytest.mark.parametrize("content", [b"", b"{", b"null", b'{"losses": 7}', b"[]", b"\xff"])
def test_a_damaged_record_of_steps_on_a_service_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "tuned.json"
    assert read_tuning(file) is None
    file.write_bytes(content)
    with pytest.raises(RunFolderError, match=r"tuned\.json is (cut short or )?damaged"):
        read_tuning(file)


def test_files_of_others_among_the_evaluations_are_left_alone(
    create: Callable[..., RunFolder],
) -> None:
    run = create(epochs=1)
    train(run)
    evaluate(run)
    (run.evaluations / "12 notes-mine.json").write_text("no evaluation")
    assert [row["number"] for row in run.read_evaluations()] == [1]
    evaluate(run, sequences=3)  # an identical evaluation would not be written again
    assert [row["number"] for row in run.read_evaluations()] == [1, 2]


def test_a_missing_provenance_is_named(create: Callable[..., RunFolder]) -> None:
    run = create(epochs=1)
    (run.path / "provenance.json").unlink()
    with pytest.raises(RunFolderError, match=r"provenance\.json is missing; restore"):
        RunFolder.open(run.path).provenance  # noqa: B018
