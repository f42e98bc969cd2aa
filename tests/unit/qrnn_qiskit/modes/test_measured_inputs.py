"""What measured mode refuses, in words that say what to do."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch

from qrnn_qiskit import QRNN, HiddenState, SimulatorExecutor
from qrnn_qiskit.modes.noise import read_assignment, read_step_noise
from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.run_folder import create_run


def build(**arguments: Any) -> QRNN:
    given = {"input_size": 2, "num_qubits": 2, "readout": "measured", "dtype": torch.float64}
    return QRNN(**(given | arguments))


@pytest.mark.parametrize(
    ("arguments", "error", "parts"),
    [
        ({"num_ancillas": 0}, ValueError, ["num_ancillas", "at least 1"]),
        ({"num_ancillas": 3}, ValueError, ["num_ancillas=3", "num_qubits=2"]),
        ({"num_ancillas": 12, "num_qubits": 20}, ValueError, ["4096", "branches"]),
        ({"coupling_strength": 0.0}, ValueError, ["coupling_strength", "(0, pi]"]),
        ({"coupling_strength": 3.2}, ValueError, ["coupling_strength", "(0, pi]", "3.2"]),
        ({"coupling_strength": math.nan}, ValueError, ["coupling_strength", "nan"]),
        ({"coupling": "crx"}, ValueError, ["unknown coupling 'crx'", "cry, symmetric, direct"]),
        ({"measured_qubits": [2]}, ValueError, ["measured_qubits", "from 0 to 1"]),
        ({"measured_bases": "W"}, ValueError, ["measured_bases", "X, Y, Z"]),
        ({"ancilla_return": "wait"}, ValueError, ["ancilla_return", "branch, reset"]),
        ({"num_qubits": 7, "step_noise": "damping:0.1"}, ValueError, ["limited to 6", "2^15"]),
        ({"measurement_frame": "undo"}, ValueError, ["measurement_frame 'undo'", "kept, undone"]),
        ({"bit_feedback": 0}, TypeError, ["bit_feedback", "True or False", "0 (int)"]),
        ({"num_trajectories": 1}, ValueError, ["num_trajectories", "at least 2"]),
        (
            {"num_trajectories": 9, "readout_error": 0.1},
            ValueError,
            ["readout_error", "exact"],
        ),
        ({"readout_error": 1.5}, ValueError, ["readout_error", "probability", "1.5"]),
        ({"readout_error": "much"}, TypeError, ["readout_error", "'much'"]),
        ({"readout_error": [0.1, 0.2, 0.3]}, ValueError, ["readout_error", "shape (3,)"]),
        ({"readout_error": [[1, 0.5], [0.5, 0.5]]}, ValueError, ["add up to 1", "1.5"]),
        ({"step_noise": "dampening:0.1"}, ValueError, ["'dampening'", "'damping'"]),
        ({"step_noise": "damping"}, ValueError, ["step_noise", "damping:0.01"]),
        ({"step_noise": "damping:2"}, ValueError, ["step_noise", "from 0 to 1", "2"]),
        ({"step_noise": [np.eye(2), np.eye(2)]}, ValueError, ["preserve the trace"]),
        ({"step_noise": [np.eye(4)]}, ValueError, ["Kraus", "(1, 4, 4)"]),
        ({"step_noise": 0.1}, ValueError, ["step_noise", "channels such as"]),
    ],
    ids=str,
)
def test_constructor(arguments: dict[str, Any], error: type[Exception], parts: list[str]) -> None:
    with pytest.raises(error) as caught:
        build(**arguments)
    for part in parts:
        assert part in str(caught.value)


def test_exact_simulation_reaches_six_qubits_and_circuits_more() -> None:
    model = build(num_qubits=7)
    (circuit,) = model.circuits(torch.zeros(1, 1, 2, dtype=torch.float64))
    assert circuit.num_qubits == 8
    with pytest.raises(ValueError, match=r"2\^15 .* limited to 6 .* num_trajectories=N"):
        model(torch.zeros(1, 1, 2, dtype=torch.float64))


def make_state(**changes: Any) -> HiddenState:
    density = torch.zeros(3, 2, 4, 4, dtype=torch.complex128)
    density[:, 1, 0, 0] = 1
    readouts = torch.zeros(3, 6, dtype=torch.float64)
    return dataclasses.replace(HiddenState(readouts, density=density), **changes)


def test_a_good_state_passes() -> None:
    build()(torch.zeros(3, 1, 2, dtype=torch.float64), make_state())


@pytest.mark.parametrize(
    ("state", "error", "parts"),
    [
        ("none", TypeError, ["HiddenState", "got a str"]),
        (make_state(density=None), ValueError, ["state.density is None", "measured mode"]),
        (make_state()[:2], ValueError, ["state.readouts", "(3, 6)", "(2, 6)"]),
        (make_state().to(torch.float32), TypeError, ["got torch.float32"]),
        (make_state(density=2 * make_state().density), ValueError, ["traces", "trace 2"]),
        (
            make_state(density=make_state().density + torch.ones(4, 4).triu(1)),
            ValueError,
            ["Hermitian", "sequence 0"],
        ),
    ],
    ids=lambda value: "" if isinstance(value, HiddenState) else None,
)
def test_states(state: Any, error: type[Exception], parts: list[str]) -> None:
    with pytest.raises(error) as caught:
        build()(torch.zeros(3, 1, 2, dtype=torch.float64), state)
    for part in parts:
        assert part in str(caught.value)


def test_states_of_trajectories_are_not_of_the_exact_simulation() -> None:
    x = torch.zeros(1, 1, 2, dtype=torch.float64)
    exact, sampled = build(), build(num_trajectories=2)
    with pytest.raises(ValueError, match=r"state\.density is None"):
        exact(x, sampled(x)[1])
    with pytest.raises(ValueError, match=r"state\.trajectories is None"):
        sampled(x, exact(x)[1])


def test_a_controller_of_another_width_is_refused() -> None:
    model = build()
    model.controller = torch.nn.Linear(3, 5, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"must return 4 angles .* \(1, 2, 4\), .* \(1, 2, 5\)"):
        model(torch.zeros(1, 2, 2, dtype=torch.float64))


@pytest.mark.parametrize("num_trajectories", [None, 5])
def test_a_batch_that_does_not_fit_is_refused(
    monkeypatch: pytest.MonkeyPatch, num_trajectories: int | None
) -> None:
    model = build(num_trajectories=num_trajectories)
    x = torch.zeros(8, 40, 2, dtype=torch.float64)
    model(x)
    monkeypatch.setattr("qrnn_qiskit.checks.count_memory", lambda: 16 * 4096)
    model.check_memory(1, 1)
    with torch.no_grad():
        model(x[:1])
    with pytest.raises(ValueError, match=r"num_qubits=2 in measured.*40 step.*has 64 KiB.*smaller"):
        model(x)


def test_training_checks_the_memory_before_it_writes(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = resolve_config("digits", {"readout": "measured"})
    monkeypatch.setattr("qrnn_qiskit.checks.count_memory", lambda: 512 * 4096)
    with pytest.raises(ValueError, match="in measured mode needs"):
        create_run(tmp_path / "run", config)
    assert not list(tmp_path.iterdir())


def test_named_channels_are_composed_in_order() -> None:
    rho = np.array([[0.3, 0.1 - 0.2j], [0.1 + 0.2j, 0.7]])
    first = sum(k @ rho @ k.conj().T for k in read_step_noise("damping:0.2"))
    both = sum(k @ first @ k.conj().T for k in read_step_noise("depolarizing:0.3"))
    expected = 0.7 * np.array(
        [[0.3 + 0.2 * 0.7, rho[0, 1] * np.sqrt(0.8)], [rho[1, 0] * np.sqrt(0.8), 0.8 * 0.7]]
    ) + 0.15 * np.eye(2)
    together = read_step_noise("damping:0.2, depolarizing:0.3")
    np.testing.assert_allclose(both, expected, atol=1e-12)
    np.testing.assert_allclose(sum(k @ rho @ k.conj().T for k in together), expected, atol=1e-12)


def test_assignment_matrices() -> None:
    assert read_assignment(0.1, 2).tolist() == [[[0.9, 0.1], [0.1, 0.9]]] * 2
    assert read_assignment([0.1, 0.3], 1).tolist() == [[[0.9, 0.3], [0.1, 0.7]]]
    matrices = [[[0.9, 0.3], [0.1, 0.7]], [[1, 0], [0, 1]]]
    assert read_assignment(matrices, 2).tolist() == matrices


def test_a_device_without_dynamic_circuits_is_refused() -> None:
    model = build()
    model.executor = SimulatorExecutor(gradient="spsa")
    with pytest.raises(ValueError, match="dynamic circuits, but 'simulator' runs none"):
        model(torch.zeros(1, 1, 2, dtype=torch.float64))


RECORD = torch.zeros(3, 2, 1)
PROJECTED = torch.zeros(3, 2, 1)
PROJECTED[1] = 1
NAN = torch.full((1, 11, 1), math.nan)


@pytest.mark.parametrize(
    ("record", "error", "parts"),
    [
        ([[0], [1]], TypeError, ["record", "got a list"]),
        (RECORD[:, :1], ValueError, ["(3, 2, 1)", "(3, 1, 1)"]),
        (RECORD.repeat(1, 1, 2), ValueError, ["(3, 2, 1)", "(3, 2, 2)"]),
        (RECORD[:2], ValueError, ["(3, 2, 1)", "(2, 2, 1)"]),
        (RECORD + 0.5, ValueError, ["bit 0 of step 0 of sequence 0 is 0.5"]),
        (RECORD - 1, ValueError, ["is -1.0"]),
        (RECORD + math.inf, ValueError, ["is inf"]),
        (RECORD.to(torch.complex64), TypeError, ["complex64", "real"]),
        (PROJECTED, ValueError, ["sequence 1", "impossible at step 0", "cannot be 1"]),
    ],
    ids=str,
)
def test_records(record: Any, error: type[Exception], parts: list[str]) -> None:
    model = build()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()  # the circuit does nothing
    with pytest.raises(error) as caught:
        model.filter(torch.zeros(3, 2, 2, dtype=torch.float64), record)
    for part in parts:
        assert part in str(caught.value)


def test_too_many_missing_bits_are_refused_only_where_they_take_as_many_states() -> None:
    x = torch.zeros(1, 11, 2, dtype=torch.float64)
    assert not build().filter(x, NAN).log_likelihood.any()
    with pytest.raises(ValueError, match=r"11 bits of sequence 0 are missing .* at most 10"):
        build(num_qubits=7).filter(x, NAN)


@pytest.mark.parametrize("readout", ["expectation", "none"])
def test_other_modes_have_no_records(readout: str) -> None:
    model = build(readout=readout)
    x = torch.zeros(3, 2, 2, dtype=torch.float64)
    for call in (lambda: model.filter(x, RECORD), lambda: model.sample(x)):
        with pytest.raises(ValueError, match="build the model with readout='measured'"):
            call()


def test_records_go_on_from_the_states_that_records_leave() -> None:
    model = build(num_qubits=7)
    x = torch.zeros(3, 2, 2, dtype=torch.float64)
    state = model.filter(x, model.sample(x)).state
    record = model.sample(x)
    for change, words in (
        ({"registers": None}, "state.registers is None"),
        ({"registers": torch.tensor([0, 1, 2])}, "between 0 and 1"),
        ({"vector": None}, "state.vector is None"),
    ):
        with pytest.raises(ValueError, match=words):
            model.filter(x, record, state=dataclasses.replace(state, **change))
    with pytest.raises(TypeError, match="HiddenState"):
        model.filter(x, record, state="none")
