"""Bad input: every error names the value and what is expected, and nothing has been run."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from qiskit.circuit import QuantumCircuit

from qrnn_qiskit import QRNN, HiddenState
from qrnn_qiskit.engines.lowering import UnsupportedCircuitError
from qrnn_qiskit.executors import SimulatorExecutor
from qrnn_qiskit.modes.expectation import ExpectationMode


def build(**arguments: Any) -> QRNN:
    given: dict[str, Any] = {"input_size": 2, "num_qubits": 2, "dtype": torch.float64}
    return QRNN(**(given | arguments))


@pytest.mark.parametrize(
    ("arguments", "error", "parts"),
    [
        ({"num_qubits": 0}, ValueError, ["num_qubits", "at least 1", "got 0"]),
        ({"num_qubits": -1}, ValueError, ["num_qubits", "at least 1", "got -1"]),
        ({"num_qubits": 2.5}, TypeError, ["num_qubits", "integer", "2.5 (float)"]),
        ({"num_qubits": True}, TypeError, ["num_qubits", "integer", "True (bool)"]),
        ({"num_qubits": "4"}, TypeError, ["num_qubits", "integer", "'4' (str)"]),
        ({"num_qubits": None}, TypeError, ["num_qubits", "integer", "None"]),
        ({"input_size": 0}, ValueError, ["input_size", "at least 1", "got 0"]),
        ({"input_size": 2.0}, TypeError, ["input_size", "integer", "2.0 (float)"]),
        ({"num_layers": 0}, ValueError, ["num_layers", "at least 1", "got 0"]),
        ({"controller_hidden": 0}, ValueError, ["controller_hidden", "at least 1"]),
        ({"controller_hidden": 8.0}, TypeError, ["controller_hidden", "integer", "8.0"]),
        ({"dropout": 1.0}, ValueError, ["dropout", "below 1", "got 1.0"]),
        ({"dropout": -0.1}, ValueError, ["dropout", "at least 0", "got -0.1"]),
        ({"dropout": float("nan")}, ValueError, ["dropout", "got nan"]),
        ({"ansatz": "linaer"}, ValueError, ["unknown ansatz 'linaer'", "'linear'", "ring, brick"]),
        ({"ansatz": 3}, TypeError, ["ansatz", "linear, ring, brick, product", "3 (int)"]),
        ({"ansatz": "no/such.qasm"}, ValueError, ["no/such.qasm", "cannot be opened"]),
        ({"readout": "expect"}, ValueError, ["unknown readout 'expect'", "expectation", "none"]),
        ({"readout": None}, TypeError, ["readout", "expectation, measured, none", "None"]),
        ({"activation": "tanh"}, ValueError, ["activation 'tanh'", "linear, relu, gelu, glu"]),
        ({"entangler": "cx"}, ValueError, ["unknown entangler 'cx'", "cz, rzz, crx"]),
        ({"rotations": ["ry", "u"]}, ValueError, ["unknown rotation 'u'", "rx, ry, rz"]),
        ({"rotations": "ry"}, TypeError, ["rotations", "list", "['ry']"]),
        ({"rotations": []}, ValueError, ["rotations is empty"]),
        ({"observables": ["Z"]}, ValueError, ["observable 0", "1 qubits", "circuit has 2"]),
        ({"observables": "xq"}, ValueError, ["observables", "x, y and z", "'xq'"]),
        ({"observables": []}, ValueError, ["observables is empty"]),
        ({"dtype": torch.float16}, TypeError, ["torch.float32 or torch.float64", "float16"]),
        ({"dtype": torch.complex64}, TypeError, ["torch.float32 or torch.float64", "complex64"]),
        ({"dtype": "float64"}, TypeError, ["torch.float32 or torch.float64", "'float64'"]),
        (
            {"device": "cuda", "readout": "measured"},
            ValueError,
            ["readout='measured' takes inputs on the CPU", "cuda"],
        ),
    ],
    ids=str,
)
def test_constructor(arguments: dict[str, Any], error: type[Exception], parts: list[str]) -> None:
    with pytest.raises(error) as caught:
        build(**arguments)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize("mode", ["expectation", "none"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"num_ancillas": 2},
        {"coupling": "direct"},
        {"coupling_strength": 1.0},
        {"measured_qubits": [0]},
        {"measured_bases": "X"},
        {"ancilla_return": "reset"},
        {"readout_error": 0.01},
        {"step_noise": "damping:0.01"},
    ],
    ids=str,
)
def test_arguments_of_measured_mode_are_refused_in_others(
    arguments: dict[str, Any], mode: str
) -> None:
    (name,) = arguments
    with pytest.raises(ValueError, match=rf"{name}=.*only to readout='measured'.*{mode!r}"):
        build(readout=mode, **arguments)


@pytest.mark.parametrize("num_qubits", [60, np.int64(60), 100, 101, 3000])
def test_too_many_qubits_say_the_memory(num_qubits: Any) -> None:
    message = r"needs (1\.31e\+05 PiB|1\.44e\+17 PiB|2\^\d+ bytes) of memory.*this machine has \d"
    with pytest.raises(ValueError, match=rf"num_qubits={num_qubits} {message}.*fewer qubits"):
        build(num_qubits=num_qubits)


def test_numpy_integers_are_integers() -> None:
    model = build(num_qubits=np.int64(2), num_layers=np.int32(1))
    assert type(model.num_qubits) is int


def test_a_batch_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 64 KiB, of which a sequence without backward takes some 200 bytes."""
    model = build(readout="none", controller_hidden=None)
    monkeypatch.setattr("qrnn_qiskit.checks.count_memory", lambda: 16 * 4096)
    x = torch.zeros(300, 1, 2, dtype=torch.float64)
    with torch.no_grad():
        model(x)
        model(x[:1].expand(1, 300, 2))
        with pytest.raises(ValueError, match=r"400 sequence\(s\) of 1 step\(s\), forward only"):
            model(torch.zeros(400, 1, 2, dtype=torch.float64))
    model(x[:1].expand(1, 40, 2))
    with pytest.raises(ValueError, match=r"300 sequence\(s\).*backward.*has 64 KiB.*smaller batch"):
        model(x)
    with pytest.raises(ValueError, match=r"of 300 step\(s\), forward and backward.*shorter"):
        model(x[:1].expand(1, 300, 2))


def test_gates_that_the_simulator_does_not_run_are_named() -> None:
    circuit = build(num_qubits=3).ansatz.circuit.copy()
    circuit.ccx(0, 1, 2)
    build(num_qubits=3, ansatz=circuit)  # decomposed
    circuit.crx(circuit.parameters[0] ** 2, 0, 1)
    with pytest.raises(UnsupportedCircuitError, match=r"'crx'.*not affine in theta\[0\]"):
        build(num_qubits=3, ansatz=circuit)


def test_measuring_circuits_are_refused() -> None:
    circuit: QuantumCircuit = build().ansatz.circuit.copy()
    circuit.measure_all()
    with pytest.raises(ValueError, match=r"'measure'.*not a unitary gate"):
        build(ansatz=circuit)


def refuse(
    error: type[Exception], parts: list[str], x: Any, model: QRNN | None = None, **arguments: Any
) -> None:
    model = model or build()
    with pytest.raises(error) as caught:
        model(x, **arguments)
    for part in parts:
        assert part in str(caught.value)


def zeros(*shape: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.zeros(shape, dtype=dtype)


@pytest.mark.parametrize(
    ("shape", "parts"),
    [
        ((2,), ["(batch, time, 2)", "(2,) of rank 1"]),
        ((), ["(batch, time, 2)", "() of rank 0"]),
        ((1, 1, 5, 2), ["(batch, time, 2)", "(1, 1, 5, 2) of rank 4"]),
        ((1, 5, 3), ["(batch, time, 2)", "(1, 5, 3) with width 3"]),
        ((3, 0, 2), ["one step", "got (3, 0, 2)"]),
    ],
)
def test_shapes_of_x(shape: tuple[int, ...], parts: list[str]) -> None:
    refuse(ValueError, parts, zeros(*shape))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_the_first_number_that_is_not_finite_is_named(value: float) -> None:
    x = zeros(3, 4, 2)
    x[1, 2, 1] = x[2, 0, 0] = value
    refuse(ValueError, ["x[1, 2, 1]", "sequence 1, step 2", str(value)], x)


def test_x_is_never_cast() -> None:
    single = zeros(1, 1, 2, dtype=torch.float32)
    refuse(TypeError, ["torch.float64", "got torch.float32", "x.to(torch.float64)"], single)
    integers = zeros(1, 1, 2, dtype=torch.int64)
    refuse(TypeError, ["torch.float64", "got torch.int64"], integers)
    refuse(TypeError, ["torch.Tensor", "got a ndarray"], np.zeros((1, 1, 2)))
    refuse(TypeError, ["torch.Tensor", "got a list"], [[[0.0, 0.0]]])


def test_x_must_be_where_the_model_is() -> None:
    elsewhere = torch.zeros(1, 1, 2, dtype=torch.float64, device="meta")
    refuse(ValueError, ["x must be on cpu", "is on meta", "model.to('meta')"], elsewhere)


@pytest.mark.parametrize(
    ("lengths", "error", "parts"),
    [
        (torch.tensor([1.0, 2.0]), TypeError, ["integers", "got torch.float32"]),
        (torch.tensor([True, True]), TypeError, ["integers", "got torch.bool"]),
        (torch.tensor([1]), ValueError, ["shape (2,)", "one number for each", "got (1,)"]),
        (torch.tensor([[1, 2]]), ValueError, ["shape (2,)", "got (1, 2)"]),
        (torch.tensor(2), ValueError, ["shape (2,)", "got ()"]),
        (torch.tensor([3, 0]), ValueError, ["between 1 and the 3", "sequence 1 has 0"]),
        (torch.tensor([4, 3]), ValueError, ["between 1 and the 3", "sequence 0 has 4"]),
        (torch.tensor([1, -1]), ValueError, ["between 1 and the 3", "sequence 1 has -1"]),
    ],
    ids=str,
)
def test_lengths(lengths: torch.Tensor, error: type[Exception], parts: list[str]) -> None:
    refuse(error, parts, zeros(2, 3, 2), lengths=lengths)


def make_state(**replaced: Any) -> HiddenState:
    vector = torch.zeros(3, 4, dtype=torch.complex128)
    vector[:, 0] = 1.0
    return HiddenState(**({"readouts": zeros(3, 6), "vector": vector} | replaced))


def test_a_good_state_passes() -> None:
    build()(zeros(3, 1, 2), make_state())


@pytest.mark.parametrize(
    ("state", "error", "parts"),
    [
        ((zeros(3, 6), None), TypeError, ["HiddenState", "got a tuple"]),
        (make_state(vector=None), ValueError, ["state.vector is None", "in simulation"]),
        (make_state(readouts=zeros(2, 6)), ValueError, ["state.readouts", "(3, 6)", "(2, 6)"]),
        (make_state(readouts=zeros(3, 9)), ValueError, ["state.readouts", "(3, 6)", "(3, 9)"]),
        (make_state()[0], ValueError, ["state.readouts", "(3, 6)", "got (1, 6)"]),
        (
            make_state(vector=zeros(3, 8, dtype=torch.complex128)),
            ValueError,
            ["state.vector", "(3, 4)", "got (3, 8)"],
        ),
        (
            make_state(vector=make_state().vector.to(torch.complex64)),  # type: ignore[union-attr]
            TypeError,
            ["state.vector", "torch.complex128", "got torch.complex64"],
        ),
        (
            make_state(readouts=zeros(3, 6, dtype=torch.float32)),
            TypeError,
            ["state.readouts", "torch.float64", "got torch.float32"],
        ),
        (
            make_state(vector=2.0 * make_state().vector),  # type: ignore[operator]
            ValueError,
            ["normalized", "sequence 0", "is 4"],
        ),
        (
            make_state(vector=float("nan") * make_state().vector),  # type: ignore[operator]
            ValueError,
            ["normalized", "sequence 0", "nan"],
        ),
    ],
    ids=lambda value: "" if isinstance(value, HiddenState) else None,
)
def test_states(state: Any, error: type[Exception], parts: list[str]) -> None:
    refuse(error, parts, zeros(3, 1, 2), state=state)


def test_a_converted_model_of_half_precision_is_refused() -> None:
    model = build().half()
    refuse(
        TypeError,
        ["torch.float32 or torch.float64", "got torch.float16"],
        zeros(1, 1, 2, dtype=torch.float16),
        model,
    )


def test_nothing_is_run_on_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build()
    monkeypatch.setattr(
        ExpectationMode, "run", lambda *arguments: pytest.fail("the simulator was reached")
    )
    with pytest.raises(ValueError, match=re.escape("(batch, time, 2)")):
        model(zeros(1, 1, 3))
    with pytest.raises(ValueError, match="between 1 and"):
        model(zeros(1, 1, 2), lengths=torch.tensor([2]))


@pytest.mark.parametrize(
    "arguments",
    [
        {"readout": "expectation"},
        {"readout": "none"},
        {"readout": "measured"},
        {"readout": "measured", "num_trajectories": 3},
        {"reset_state": True},
        {"engine": "torch"},
    ],
    ids=str,
)
@pytest.mark.parametrize("place", [(0, 0, 0), (16, 2, 1), (19, 4, 0)])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_every_engine_refuses_what_is_not_finite(
    arguments: dict[str, Any], place: tuple[int, int, int], value: float
) -> None:
    model, x = QRNN(2, 2, **arguments), torch.randn(20, 5, 2)
    x[place] = value
    for lengths in (None, torch.full((20,), 2)):  # past the end of all, too
        with pytest.raises(ValueError, match=rf"x\[{place[0]}, {place[1]}, {place[2]}\]"):
            model(x, lengths=lengths)
    with pytest.raises(ValueError, match="must be finite"):
        model.angles(x)
    with pytest.raises(ValueError, match="must be finite"), torch.no_grad():
        model(x.transpose(0, 1).contiguous().transpose(0, 1))


def test_what_is_not_finite_costs_no_random_number() -> None:
    model, x = QRNN(2, 2, dropout=0.5), torch.full((3, 4, 2), torch.nan)
    before = torch.get_rng_state()
    with pytest.raises(ValueError, match="must be finite"):
        model(x)
    assert torch.equal(torch.get_rng_state(), before)
    model(torch.zeros(3, 4, 2))
    assert not torch.equal(torch.get_rng_state(), before)


def test_a_replay_runs_nothing_where_an_input_is_not_finite() -> None:
    class Counting(SimulatorExecutor):
        calls = 0

        def run(self, pubs: Any) -> Any:
            type(self).calls += 1
            return super().run(pubs)

    model = QRNN(2, 2)
    model.executor = Counting(gradient="parameter-shift")
    with pytest.raises(ValueError, match="must be finite"):
        model(torch.full((1, 2, 2), torch.nan))
    assert Counting.calls == 0
    model(torch.zeros(1, 2, 2))
    assert Counting.calls > 0
