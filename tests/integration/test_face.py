"""From Python, on arrays that no task knows: train, evaluate, plan, submit, collect and show."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from localqpu.control_client import LocalqpuControl
from qiskit.primitives import StatevectorSampler
from qiskit_aer import AerSimulator

from qrnn_qiskit import Dataset, fit, load
from qrnn_qiskit.training.evaluation import Evaluation
from runtime_jobs import evaluate, open_device, plan, show, submit
from runtime_jobs.cli import run as call
from runtime_jobs.ledger import JobsPendingError
from runtime_jobs.runs.jobs import Jobs
from runtime_jobs.runs.submitting import CapError

X = np.random.default_rng(0).normal(size=(40, 3, 2))
Y = (X[:, :, 0].sum(axis=1) > 0).astype(int) + (X[:, :, 1].sum(axis=1) > 1)
CLASSES = ["up", "down", "flat"]


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which this test works."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_own_arrays_go_from_training_to_results_of_a_qpu(
    mine: Path, service: LocalqpuControl
) -> None:
    data = Dataset(X, Y, classes=CLASSES)
    run = fit(data, num_qubits=2, num_layers=1, epochs=2, out="runs/mine", seed=0)
    assert set(run.predict(X)) <= {0, 1, 2}
    assert run.predict_proba(X).shape == (40, 3)

    exact = evaluate(run, on="simulator")
    assert exact.sequences == 7
    sampled = evaluate(run, on=["simulator", "aer?shots=200&seed=1"], sequences=3)
    assert [each.shots for each in sampled] == [None, 200]

    planned = plan(run, "ibm:kingston", sequences=3, shots=200)
    with pytest.raises(CapError, match=r"no cap was given.*max_qpu_seconds=") as refused:
        submit(run, "ibm:kingston", shots=200, sequences=3)
    assert refused.value.plan.reserved_seconds == planned.reserved_seconds
    assert service.jobs() == []

    cap = planned.reserved_seconds
    jobs = submit(run, "ibm:kingston", shots=200, sequences=3, max_qpu_seconds=cap)
    assert len(service.jobs()) == 1  # the second step needs the first
    again = Jobs("runs/mine")  # as in another process
    result = again.collect(wait=True)
    assert result.metrics == jobs.collect().metrics  # type: ignore[union-attr]
    assert [job.circuits for job in jobs.read()] == [job.circuits for job in planned.jobs]
    assert len(service.jobs()) == len(planned.jobs) == 3

    report = show(load("runs/mine"))
    assert report.path == Path("runs/mine/report.html")
    assert "ibm:kingston" in report.path.read_text()
    for shown in (exact, sampled, planned, jobs, report):
        assert "<" in shown._repr_html_()
    assert set(sampled.to_pandas()["device"]) == {"simulator", "aer?shots=200&seed=1"}
    assert len(jobs.to_pandas()) == 3
    assert f"cap: --max-qpu-seconds {cap}" in str(planned)


@pytest.mark.training
def test_the_command_line_prints_what_the_face_returns(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez("x.npz", x=X, y=Y, classes=CLASSES)
    words = "train sequences --set data.file=x.npz --set num_qubits=2 --set epochs=1 --out runs/a"
    assert call(words.split()) == 0
    capsys.readouterr()
    words = "plan runs/a --on ibm:kingston --sequences 3 --shots 200 --json"
    assert call(words.split()) == 0
    printed = json.loads(capsys.readouterr().out)
    planned = plan("runs/a", "ibm:kingston", sequences=3, shots=200)
    del printed["instead"]
    assert printed == json.loads(json.dumps(planned.to_dict()))
    assert call(["evaluate", "runs/a", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    found = evaluate("runs/a").to_dict()
    assert printed | {"seconds": 0} == found | {"seconds": 0}
    assert call(["predict", "runs/a", "x.npz"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split(",")[1] for line in lines[1:]]
    assert names == [CLASSES[label] for label in load("runs/a").predict(X)]


def test_results_that_are_outstanding_can_be_asked_for_later(
    mine: Path, service: LocalqpuControl
) -> None:
    service.set_scenario({"queue": {"polls_before_running": 3}})
    run = fit(Dataset(X, Y), num_qubits=2, epochs=1, readout="none", out="runs/mine")
    jobs = submit(run, "ibm:kingston", shots=100, sequences=2, max_qpu_seconds=100)
    with pytest.raises(JobsPendingError):
        jobs.collect()
    result = jobs.collect(wait=True)
    assert isinstance(result, Evaluation)
    assert (result.jobs, result.shots) == (1, 100)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"on": "ibm:kingston"}, r"shots are missing; add.*shots=1000"),
        ({"on": "aer:kingston", "shots": 10}, "expected a QPU such as ibm:kingston"),
        ({"on": "ibm:kingston", "shots": 10, "sequences": 8}, "from 1 to 7"),
        ({"on": "ibm:kingston", "shots": 10, "usd_per_second": -1}, "at least 0, got -1"),
        ({"on": "ibm:kingston", "shots": 10, "usd_per_second": np.nan}, "at least 0, got nan"),
        ({"on": "ibm:kingston", "shots": 10, "rep_delay": -1e-5}, "at least 0, got -1e-05"),
    ],
)
def test_bad_requests_say_what_to_give(
    make_run: Path, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        plan(make_run, **arguments)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "mine"
    return fit(Dataset(X, Y), num_qubits=2, epochs=1, out=folder).path


@pytest.mark.parametrize("option", ["decouple", "mitigation"])
def test_options_of_dynamic_circuits_are_refused_before_there_is_a_ledger(
    make_run: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"decouple": "xx", "mitigation": "zne"}[option]
    with pytest.raises(ValueError, match=f"--{option}.*no readout=measured"):
        submit(make_run, "ibm:kingston", shots=10, **{option: given})
    words = ["submit", str(make_run), "--on", "ibm:kingston", "--shots", "10"]
    assert call([*words, f"--{option}", given]) == 2
    assert "no readout=measured" in capsys.readouterr().err
    assert not list(make_run.glob("ledger*"))


@pytest.mark.parametrize("noise", [np.int64(0), np.float32(0), [np.int64(0)]])
def test_a_noise_factor_is_any_real_number(make_run: Path, noise: object) -> None:
    (found,) = evaluate(make_run, "simulator:kingston", noise=noise, sequences=1)  # type: ignore[call-overload]
    assert found.device.startswith("simulator:kingston?noise=0")


@pytest.mark.parametrize("noise", [True, np.nan, -1, [0, np.inf], "3"])
def test_other_noise_factors_are_refused(make_run: Path, noise: object) -> None:
    with pytest.raises(ValueError, match="expected noise as finite factors of at least 0"):
        evaluate(make_run, "simulator:kingston", noise=noise)  # type: ignore[call-overload]


def test_devices_and_runs_of_the_wrong_kind_are_named(make_run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="qrnn submit DIR --on ibm:kingston"):
        evaluate(make_run, on=["simulator", "ibm:kingston"])
    with pytest.raises(ValueError, match="expected the name of a device"):
        evaluate(make_run, on=[])
    with pytest.raises(TypeError, match=r"expected a run as the result of fit or load.*got a int"):
        evaluate(3)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="does not exist"):
        show(tmp_path / "absent")
    with pytest.raises(ValueError, match="Did you mean 'batch'"):
        submit(make_run, "ibm:kingston", shots=9, max_qpu_seconds=9, mode="batsh")


@pytest.mark.noisy
def test_a_sweep_over_noise_is_one_table_and_one_picture(make_run: Path) -> None:
    sweep = evaluate(
        make_run, on=["simulator", "simulator:kingston"], noise=np.array([0, 3]), sequences=3
    )
    assert [each.device for each in sweep] == [
        "simulator",
        "simulator:kingston?noise=0",
        "simulator:kingston?noise=3",
    ]
    table = sweep.to_pandas()
    assert set(table["noise"]) == {0.0, 3.0}
    assert set(table["metric"]) >= set(sweep.metrics)
    (axes, *_) = sweep.draw().axes
    assert axes.get_xlabel().startswith("noise")
    shown = sweep._repr_html_()
    assert shown.count("<tr>") == 4
    assert shown.count("data:image/png;base64,") == 1
    (single,) = evaluate(make_run, on="simulator:kingston", noise=2, sequences=3)
    assert single.device == "simulator:kingston?noise=2"
    assert "base64" not in evaluate(make_run, on=["simulator"], sequences=3)._repr_html_()


@pytest.mark.parametrize(
    ("on", "noise", "message"),
    [
        ("simulator", [0, 1], r"none was named, only simulator; name one, such as aer:kingston"),
        ("aer:kingston?noise=2", [1], "has noise=2 in its name, but noise was given"),
        ("simulator:kingston", [-1], "expected noise as finite factors of at least 0, got -1"),
        ("simulator:kingston", ["1"], "of at least 0, got '1'"),
        ("simulator:kingston", [], r"noise=\[0, 1, 3\]\), got an empty one"),
        (AerSimulator(), [1], "got a AerSimulator, which is evaluated without noise="),
    ],
    ids=str,
)
def test_noise_that_multiplies_nothing_is_refused(
    make_run: Path, on: str, noise: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(make_run, on=on, noise=noise, shots=10)


def test_a_run_is_evaluated_on_a_backend_a_primitive_and_an_open_executor(make_run: Path) -> None:
    executor = open_device(StatevectorSampler(seed=0), shots=50, keep_results=True)
    found = evaluate(
        make_run, on=[AerSimulator(), StatevectorSampler(), executor], shots=50, sequences=2
    )
    assert [each.device for each in found] == [
        "backend:aer_simulator?shots=50",
        "sampler:StatevectorSampler?shots=50",
        "sampler:StatevectorSampler?shots=50",
    ]
    assert len(executor.pub_results) == 3  # type: ignore[attr-defined]
    assert set(found.to_pandas()["noise"].isna()) == {True}
    with pytest.raises(ValueError, match=r"expected 60 shots, but sampler.* was opened with 50"):
        evaluate(make_run, on=executor, shots=60)


@pytest.mark.process
def test_the_face_is_imported_without_torch_or_qiskit() -> None:
    script = (
        "import sys, runtime_jobs; from runtime_jobs import evaluate, plan, show, submit; "
        "assert callable(runtime_jobs.plan); "
        "heavy = {'torch', 'qiskit', 'qiskit_aer', 'numba'} & set(sys.modules); print(heavy)"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout.strip() == "set()"
