"""R registers side by side equal R separate models, and cost what they should."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from registers import Size, measure_times
from torch import Tensor, nn

from qrnn_qiskit import QRNN, load
from qrnn_qiskit.controller import RegisterControllers
from qrnn_qiskit.engines.contract import ControllerWeights
from qrnn_qiskit.executors import SimulatorExecutor
from qrnn_qiskit.inspection import trace_states
from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.run_folder import create_run
from qrnn_qiskit.training.trainer import train

R, BATCH, STEPS = 3, 5, 4
LENGTHS = torch.tensor([4, 2, 1, 3, 4])


def make_parts(**arguments: Any) -> tuple[QRNN, list[QRNN]]:
    """Return R registers, and a model for each of them with its weights."""
    torch.manual_seed(0)
    defaults: dict[str, Any] = {"input_size": 2, "num_qubits": 3, "num_layers": 2}
    defaults |= {"dtype": torch.float64, **arguments}
    whole = QRNN(num_registers=R, **defaults)
    assert isinstance(whole.controller, RegisterControllers)
    parts = [QRNN(**defaults) for _ in range(R)]
    for part, register in zip(parts, whole.controller.registers, strict=True):
        part.controller.load_state_dict(register.state_dict())
    return whole, parts


def list_gradients(models: list[QRNN], x: Tensor, values: list[Tensor]) -> list[Tensor]:
    torch.manual_seed(1)
    loss = torch.stack([(value * torch.randn_like(value)).sum() for value in values]).sum()
    weights = [weight for model in models for weight in model.parameters()]
    return list(torch.autograd.grad(loss, [x, *weights]))


def run(models: list[QRNN], x: Tensor) -> list[Tensor]:
    """Run two chunks, the first with lengths; registers side by side."""
    found: list[Tensor] = []
    firsts = [model(x, lengths=LENGTHS) for model in models]
    seconds = [model(x, state) for model, (_, state) in zip(models, firsts, strict=True)]
    for runs in (firsts, seconds):
        found.append(torch.cat([output for output, _ in runs], 2))
        found.append(torch.cat([state.readouts for _, state in runs], 1))
    held = [each[1].vector if each[1].vector is not None else each[1].density for each in seconds]
    states = [state for state in held if state is not None]
    found.append(states[0] if len(models) == 1 else torch.stack(states, 1))
    found[-1] = torch.view_as_real(found[-1])
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"activation": "linear"},
        {"activation": "glu", "observables": ["IIX", "ZZI"]},
        {"readout": "none"},
        {"engine": "torch"},
        {"reset_state": True},
        {"readout": "measured"},
        {"readout": "measured", "num_ancillas": 2, "readout_error": 0.1},
    ],
    ids=str,
)
def test_registers_are_separate_models_side_by_side(arguments: dict[str, Any]) -> None:
    whole, parts = make_parts(**arguments)
    x = torch.randn(BATCH, STEPS, 2, dtype=torch.float64, requires_grad=True)
    found, expected = run([whole], x), run(parts, x)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)
    values = [found, expected]
    gradients = [
        list_gradients(models, x, each)
        for models, each in zip(([whole], parts), values, strict=True)
    ]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)
    angles = torch.cat([part.angles(x) for part in parts], -1)
    torch.testing.assert_close(whole.angles(x), angles, rtol=0, atol=1e-12)


@pytest.mark.parametrize("batch", [1, 16, 40])
def test_single_precision_and_blocks_with_idle_lanes(batch: int) -> None:
    whole, parts = make_parts(dtype=torch.float32)
    x = torch.randn(batch, STEPS, 2, requires_grad=True)
    values = [[torch.cat([model(x)[0] for model in models], 2)] for models in ([whole], parts)]
    torch.testing.assert_close(*[each[0] for each in values], rtol=0, atol=1e-6)
    gradients = [
        list_gradients(models, x, each)
        for models, each in zip(([whole], parts), values, strict=True)
    ]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("readout", ["expectation", "measured"])
def test_shared_feedback_reaches_every_register(readout: str) -> None:
    torch.manual_seed(0)
    arguments: dict[str, Any] = {"readout": readout, "dtype": torch.float64}
    model = QRNN(2, 2, num_registers=2, register_feedback="shared", **arguments)
    wide = QRNN(2, 4, ansatz=model.ansatz.circuit, **arguments | spell_wide(model))
    wide.controller = model.controller
    x = torch.randn(3, STEPS, 2, dtype=torch.float64, requires_grad=True)
    outputs = [each(x)[0] for each in (model, wide)]
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-10)
    by_x = [torch.autograd.grad(output.square().sum(), x)[0] for output in outputs]
    torch.testing.assert_close(*by_x, rtol=0, atol=1e-10)
    own = QRNN(2, 2, num_registers=2, **arguments)
    assert own.count_parameters() < model.count_parameters()


def test_shared_feedback_runs_on_torch_too() -> None:
    """The engine of GPUs for controllers without kernels."""
    x = torch.randn(3, STEPS, 2, dtype=torch.float64)
    outputs = []
    for engine in ("auto", "torch"):
        torch.manual_seed(0)
        arguments: dict[str, Any] = {"engine": engine, "dtype": torch.float64}
        model = QRNN(2, 2, num_registers=3, register_feedback="shared", **arguments)
        output = model(x, lengths=torch.tensor([4, 2, 1]))[0]
        output.square().sum().backward()
        outputs.append([output, *[weight.grad for weight in model.parameters()]])
    for one, other in zip(*outputs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


def spell_wide(model: QRNN) -> dict[str, Any]:
    """Return the arguments of one register with the readouts and measurements of ``model``."""
    given: dict[str, Any] = {"observables": model.readout.observables}
    if model.measurement is not None:
        given |= {"num_ancillas": 2, "measured_qubits": list(model.measurement.qubits)}
    return given


def test_trajectories_of_registers_agree_with_density_matrices() -> None:
    torch.manual_seed(0)
    exact = QRNN(2, 2, readout="measured", num_registers=2)
    sampled = QRNN(2, 2, readout="measured", num_registers=2, num_trajectories=1000)
    sampled.load_state_dict(exact.state_dict())
    x = torch.randn(2, 3, 2)
    output, state = sampled(x)
    assert state.trajectories is not None
    assert state.registers is not None
    assert state.trajectories.shape == (2, 2, 1000, 4)
    assert state.registers.shape == (2, 2, 1000)
    assert state.standard_errors is not None
    torch.testing.assert_close(output, exact(x)[0], rtol=0, atol=0.05)
    assert sampled(x, state)[0].shape == output.shape


def test_own_feedback_is_one_call_and_custom_controllers_are_stepped() -> None:
    model = QRNN(2, 3, num_registers=R, dropout=0.5)
    controller = model.controller
    assert isinstance(controller, RegisterControllers)
    weights = controller.find_weights()
    assert isinstance(weights, ControllerWeights)
    assert weights.first.shape == (R, 32, 2 + 9)
    assert weights.dropout == 0.5
    assert model(torch.randn(2, 3, 2))[0].isfinite().all()
    first = controller.registers[0]
    handle = first.register_forward_hook(lambda *_: None)
    assert controller.find_weights() is None
    handle.remove()
    assert controller.find_weights() is not None
    assert RegisterControllers(list(controller.registers), "shared").find_weights() is None
    x = torch.randn(2, 3, 2)
    expected = model.eval()(x)[0]
    model.controller = nn.Sequential(controller)
    torch.testing.assert_close(model(x)[0], expected)


def test_one_register_is_as_without() -> None:
    torch.manual_seed(0)
    one = QRNN(2, 3, num_registers=1)
    torch.manual_seed(0)
    plain = QRNN(2, 3)
    assert one.state_dict().keys() == plain.state_dict().keys()
    for name, value in plain.state_dict().items():
        assert torch.equal(one.state_dict()[name], value)
    assert one(torch.zeros(1, 2, 2))[1].vector.shape == (1, 8)


def test_shapes_and_labels() -> None:
    model = QRNN(2, 3, num_registers=R)
    assert model.num_readouts == model.readout_size == 27
    assert model.ansatz.num_qubits == 9
    assert model.ansatz.num_parameters == 18
    assert model.output_labels[9] == "X3"
    output, state = model(torch.zeros(2, STEPS, 2))
    assert output.shape == (2, STEPS, 27)
    assert state.vector is not None
    assert state.vector.shape == (2, R, 8)
    assert state[1].vector is not None
    (circuit, _) = model.circuits(torch.zeros(2, STEPS, 2))
    assert circuit.num_qubits == 9
    trace = trace_states(model, torch.zeros(2, STEPS, 2))
    assert trace.bloch.shape == (2, STEPS, 9, 3)
    assert trace.entropy.shape == (2, STEPS)
    assert "num_registers=3" in repr(model)


def test_the_circuit_of_all_registers_gives_the_same_readouts() -> None:
    whole, _ = make_parts(num_qubits=2)
    x = torch.randn(2, STEPS, 2, dtype=torch.float64)
    expected = whole(x)[0]
    whole.executor = SimulatorExecutor(gradient="simulator")
    torch.testing.assert_close(whole(x)[0], expected, rtol=0, atol=1e-10)


def test_eighty_eight_qubits_train() -> None:
    torch.manual_seed(0)
    model = QRNN(1, 4, num_registers=22, controller_hidden=None)
    assert model.ansatz.num_qubits == 88
    x = torch.randn(8, 6, 1)
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = (model(x)[1].readouts.mean(1) - x.mean((1, 2))).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"num_registers": 0}, ValueError, "num_registers must be an integer of at least 1, got 0"),
        ({"num_registers": 2.0}, TypeError, "num_registers must be an integer"),
        ({"num_registers": 700}, ValueError, "2100 qubits.*at most 2000.*at most 666 registers"),
        ({"register_feedback": "all"}, ValueError, "unknown register_feedback 'all'.*own, shared"),
        (
            {"num_registers": 5, "register_feedback": "shared", "readout": "measured"},
            ValueError,
            r"2\^5 branches.*at most 16.*register_feedback='own'",
        ),
        (
            {"num_registers": 3, "register_feedback": "shared", "readout": "measured"},
            ValueError,
            "one of 9 qubits.*limited to 6",
        ),
    ],
    ids=str,
)
def test_bad_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        QRNN(2, 3, **arguments)


def test_states_of_other_registers_are_refused() -> None:
    model = QRNN(2, 3, num_registers=2)
    x = torch.zeros(1, 1, 2)
    state = model(x)[1]
    state.vector = state.vector[:, 0]
    with pytest.raises(ValueError, match=r"state\.vector of shape \(1, 2, 8\), got \(1, 8\)"):
        model(x, state)
    state = model(x)[1]
    state.vector = 2 * state.vector
    with pytest.raises(ValueError, match="sequence 0, register 0 is 4"):
        model(x, state)


def test_memory_knows_the_registers(monkeypatch: pytest.MonkeyPatch) -> None:
    model = QRNN(2, 12, num_registers=8)
    monkeypatch.setattr("qrnn_qiskit.checks.count_memory", lambda: 16 << 20)
    QRNN(2, 12).check_memory(32, 10)
    with pytest.raises(ValueError, match=r"in each of 8 registers needs.*fewer registers"):
        model.check_memory(32, 10)


def test_state_dicts_know_the_registers() -> None:
    two, three = (QRNN(2, 3, num_registers=count) for count in (2, 3))
    copy.deepcopy(two).load_state_dict(two.state_dict())
    for stored, model in ((two, three), (QRNN(2, 3), two), (two, QRNN(2, 3))):
        with (
            pytest.warns(UserWarning, match="the state dict"),
            pytest.raises(RuntimeError, match=r"registers . in the state dict, but . in the model"),
        ):
            model.load_state_dict(stored.state_dict())


@pytest.mark.slow
def test_six_registers_take_at_most_six_times_one() -> None:
    one, several = min(
        (measure_times(6, Size(), repeats=9) for _ in range(3)), key=lambda each: each[1] / each[0]
    )
    assert several < 6 * one


@pytest.mark.training
def test_a_run_with_registers_trains_and_loads(tmp_path: Path) -> None:
    settings = {"num_registers": "3", "num_qubits": "2", "epochs": "1", "readout": "none"}
    run = create_run(tmp_path / "run", resolve_config("digits", settings))
    train(run)
    trained = load(run.path)
    assert trained.qrnn.num_registers == 3
    assert trained.predict(torch.zeros(1, 8, 8)).shape == (1, 10)
