"""Train on the noise of a device, sweep its noise, and plan on the qubits of the training."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.run_folder import RunFolder, create_run
from qrnn_qiskit.training.trainer import train
from runtime_jobs import open_device
from runtime_jobs.cli import run
from runtime_jobs.cli.failures import ExitCode
from runtime_jobs.report.content import picture_evaluations
from runtime_jobs.report.sweep import find_sweep

pytestmark = [pytest.mark.noisy, pytest.mark.training]

DEVICE = "simulator:kingston?noise=2"
TINY = {"num_qubits": 2, "num_layers": 1, "controller_hidden": 4, "epochs": 1}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "noisy"
    config = resolve_config("digits", TINY)
    train(create_run(folder, config, device=DEVICE), executor=open_device(DEVICE))
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def evaluate(folder: Path, *devices: str, options: tuple[str, ...] = ()) -> int:
    words = [word for device in devices for word in ("--on", device)]
    return run(["evaluate", str(folder), *words, "--sequences", "20", *options])


def test_a_sweep_gives_one_table_and_one_picture(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("simulator:kingston?noise=0,3", "simulator:torino", "simulator")
    assert evaluate(folder, *names) == ExitCode.DONE
    captured = capsys.readouterr()
    for name in ("simulator:kingston?noise=0", "simulator:kingston?noise=3", *names[1:]):
        assert [line for line in captured.out.splitlines() if line.split()[:1] == [name]]
    assert str(folder / "noise.csv") in captured.err
    assert (folder / "pictures" / "noise.png").stat().st_size > 1000
    with (folder / "noise.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["device"], float(row["noise"])) for row in rows] == [
        ("simulator:kingston?noise=0", 0.0),
        ("simulator:kingston?noise=3", 3.0),
        ("simulator:torino", 1.0),
        ("simulator", 0.0),
    ]
    for row in rows:
        for name in ("accuracy", "cross_entropy"):
            assert float(row[f"{name}_low"]) < float(row[name]) < float(row[f"{name}_high"])
    # Without its noise, the device gives the values of the simulator.
    assert float(rows[0]["cross_entropy"]) == pytest.approx(float(rows[3]["cross_entropy"]))
    assert float(rows[1]["cross_entropy"]) != pytest.approx(float(rows[0]["cross_entropy"]))


def test_the_report_shows_the_sweep_of_the_present_weights(folder: Path) -> None:
    assert evaluate(folder, "simulator:kingston?noise=1,3") == ExitCode.DONE
    opened = RunFolder.open(folder)
    assert [picture.name for picture in picture_evaluations(opened)] == ["evaluations", "noise"]
    assert run(["show", str(folder)]) == ExitCode.DONE
    page = (folder / "report.html").read_text()
    assert "Results against multiples of the calibrated noise" in page
    assert "<h3>Results against noise</h3>" in page
    for file in (folder / "evaluations").glob("*.json"):
        content = json.loads(file.read_text())
        content["provenance"]["checkpoint_sha256"] = "of earlier weights"
        file.write_text(json.dumps(content))
    assert find_sweep(opened) is None


def test_several_devices_print_a_list_of_json_objects(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--json",)
    assert evaluate(folder, "simulator", "simulator:kingston", options=options) == ExitCode.DONE
    found = json.loads(capsys.readouterr().out)
    assert [each["device"] for each in found] == ["simulator", "simulator:kingston"]


@pytest.mark.parametrize("name", ["simulator:kingston?noise=1,,3", "simulator:kingston?noise=1,x"])
def test_a_bad_factor_is_refused_before_anything_runs(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(folder, "simulator", name) == ExitCode.BAD_INPUT
    assert "noise" in capsys.readouterr().err
    assert not (folder / "evaluations").exists()


def test_a_list_of_factors_is_for_evaluations_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "digits", "--on", "simulator:kingston?noise=1,3"]
    assert run([*words, "--out", str(tmp_path / "run")]) == ExitCode.BAD_INPUT
    assert "only 'qrnn evaluate' takes several" in " ".join(capsys.readouterr().err.split())


def test_the_calibration_of_the_training_is_in_the_provenance_and_in_the_plan(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    provenance = json.loads((folder / "provenance.json").read_text())
    (layout,) = provenance["layouts"]
    assert layout["noise"] == 2.0
    assert layout["calibration"].startswith("snapshot of 20")
    assert len(layout["errors"]["readout error"]) == 2
    words = ["plan", str(folder), "--on", "ibm:kingston", "--shots", "100", "--sequences", "3"]
    assert run(words) == ExitCode.DONE
    shown = " ".join(capsys.readouterr().out.split())
    assert f"trained on {DEVICE}: qubits " in shown
    assert "errors times 2" in shown
    assert "the calibration of these qubits is the same" in shown
    layout["errors"]["readout error"] = dict.fromkeys(layout["errors"]["readout error"], 1e-6)
    (folder / "provenance.json").write_text(json.dumps(provenance))
    assert run(words) == ExitCode.DONE
    assert "median readout error 0.000% -> " in " ".join(capsys.readouterr().out.split())
    assert run([*words, "--json"]) == ExitCode.DONE
    plan = json.loads(capsys.readouterr().out)
    assert plan["trained_on"]["is_same_layout"]
    assert plan["patches"] == [layout["qubits"]]
    readout = next(c for c in plan["trained_on"]["changes"] if c["kind"] == "readout error")
    assert readout["factor"] > 100
