"""The model on Aer: values and gradients of the simulator, job counts, honest errors."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from circuits import ANSATZ_FAMILIES, ENTANGLERS
from qrnn_qiskit import QRNN
from qrnn_qiskit.training.deviations import measure_deviations, read_exactly
from runtime_jobs.cli import run
from runtime_jobs.devices import open_device


def make_model(**arguments: object) -> QRNN:
    torch.manual_seed(3)
    settings = {"num_qubits": 3, "controller_hidden": 5, "dtype": torch.float64} | arguments
    return QRNN(2, **settings)  # type: ignore[arg-type]


def make_inputs(batch_size: int, steps: int) -> Tensor:
    random = torch.Generator().manual_seed(4)
    return torch.randn(batch_size, steps, 2, generator=random, dtype=torch.float64)


def differentiate(model: QRNN, x: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    output, state = model(x)
    loss = output.pow(3).sum() + state.readouts.prod(1).sum()
    return [output, *torch.autograd.grad(loss, [x, *model.parameters()])]


@pytest.mark.parametrize("entangler", ENTANGLERS)
@pytest.mark.parametrize("ansatz", ANSATZ_FAMILIES)
def test_parameter_shift_through_aer_is_the_adjoint_gradient(ansatz: str, entangler: str) -> None:
    model, x = make_model(ansatz=ansatz, entangler=entangler), make_inputs(2, 2)
    expected = differentiate(model, x)
    model.executor = open_device("aer")
    for shifted, adjoint in zip(differentiate(model, x), expected, strict=True):
        torch.testing.assert_close(shifted, adjoint, atol=1e-6, rtol=0)


def test_all_pairs_and_a_controller_that_hears_some_of_them_are_replayed() -> None:
    settings = {"num_qubits": 2, "observables": "pairs", "feedback_observables": ["IX", "ZZ"]}
    model, x = make_model(**settings), make_inputs(2, 2)
    expected = differentiate(model, x)
    model.executor = open_device("aer")
    for shifted, adjoint in zip(differentiate(model, x), expected, strict=True):
        torch.testing.assert_close(shifted, adjoint, atol=1e-6, rtol=0)
    exact = model(x)[0].detach()
    model.executor = open_device("aer?shots=20000&seed=1")
    with torch.no_grad():
        output, state = model(x)
    assert state.output_standard_errors is not None
    # Feedback with shots changes the angles of the second step a little.
    first, errors = output[:, 0] - exact[:, 0], state.output_standard_errors[:, 0]
    assert (first.abs() <= 4.5 * errors + 1e-9).all()
    assert (output[:, 1] - exact[:, 1]).abs().max() < 0.06


@pytest.mark.parametrize(
    "device", ["aer", pytest.param("aer:kingston?shots=64&seed=1", marks=pytest.mark.noisy)]
)
def test_a_training_step_is_counted_and_transpiles_once(device: str) -> None:
    model, x = make_model(num_qubits=2), make_inputs(2, 3)
    executor = model.executor = open_device(device, gradient="parameter-shift")
    differentiate(model, x)
    first = executor.counts.transpilations
    assert (executor.counts.jobs, executor.counts.pubs) == (3 + 1, 2 * 3)
    differentiate(model, x)
    assert (executor.counts.jobs, executor.counts.pubs) == (2 * (3 + 1), 2 * 2 * 3)
    assert executor.counts.transpilations == first


def test_sampled_readouts_lie_within_their_errors() -> None:
    model, x = make_model(), make_inputs(30, 5)
    noiseless = model(x)[0].detach()
    model.executor = open_device("aer?shots=512&seed=7")
    with torch.no_grad():
        output, state = model(x)
    assert state.angles is not None
    assert state.output_standard_errors is not None
    assert (state.output_standard_errors > 0).all()
    found = measure_deviations(
        output, read_exactly(model, state.angles), noiseless, state.output_standard_errors, None
    )
    assert found.readouts >= 1000
    assert found.spread is not None
    assert 0.9 < found.spread < 1.1
    assert found.drift[0] < 1e-12
    assert found.drift[-1] > found.drift[1] / 10 > 0


@pytest.mark.training
def test_the_command_line_trains_tunes_and_evaluates_on_a_device(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "waves.csv"
    data.write_text("y\n" + "".join(f"{math.sin(row)}\n" for row in range(40)))
    tiny = [f"file={data}", "target=y", "window=3", "num_qubits=2", "num_layers=1", "epochs=1"]
    settings = [word for setting in tiny for word in ("--set", setting)]
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    assert run(["train", "series", *settings, "--out", first]) == 0
    arguments = ["train", "series", "--from", first, "--out", second]
    assert run([*arguments, "--on", "aer?shots=100"]) == 2
    assert "needs a gradient method" in " ".join(capsys.readouterr().err.split())
    assert not Path(second).exists()
    assert run([*arguments, "--on", "aer?shots=100&seed=1", "--gradient", "spsa?draws=2"]) == 0
    row = json.loads((Path(second) / "metrics.jsonl").read_text())
    assert row["train_loss_standard_error"] > 0
    assert run(["resume", second]) == 0
    capsys.readouterr()
    assert run(["evaluate", second, "--on", "aer", "--shots", "200", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["shots"], found["sequences"]) == (200, 6)
    assert found["jobs"] == 3
    assert run(["evaluate", second, "--on", "aer"]) == 0
    assert "drift from the noiseless trajectory" in capsys.readouterr().out
