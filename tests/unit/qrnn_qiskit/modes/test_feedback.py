"""All Paulis of one and two qubits as readouts, and a controller that hears some of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from engines import LENGTHS, TOLERANCES, differentiate, find_difference, make_model
from qiskit.quantum_info import Statevector
from slopes import measure_slope_error
from torch import Tensor

from qrnn_qiskit import QRNN
from qrnn_qiskit.modes.identity import StateDictError
from qrnn_qiskit.training.build import build_recurrent
from qrnn_qiskit.training.schema import ModelConfig

SINGLES = {"num_qubits": 3, "observables": "pairs"}
SOME = {"num_qubits": 3, "observables": "pairs", "feedback_observables": ["ZZI", "IIX", "XIY"]}
LAST = {"num_qubits": 4, "feedback_observables": "z"}
MODELS = [SINGLES, SOME, LAST]


def draw(batch: int, steps: int, width: int = 3) -> Tensor:
    random = torch.Generator().manual_seed(4)
    return torch.randn(batch, steps, width, generator=random, dtype=torch.float64)


@pytest.mark.parametrize(
    ("arguments", "heard"),
    [
        (SINGLES, ["IIX", "IXI", "XII", "IIY", "IYI", "YII", "IIZ", "IZI", "ZII"]),
        (SOME, ["ZZI", "IIX", "XIY"]),
    ],
)
@pytest.mark.parametrize("engine", ["auto", "torch"])
def test_the_recurrence_is_that_of_state_vectors(
    arguments: dict[str, Any], heard: list[str], engine: str
) -> None:
    model, x = make_model(torch.float64, engine=engine, **arguments), draw(1, 3)
    assert model.num_readouts == 9 + 27
    output = model(x)[0][0].detach()
    operators = [str(operator.paulis[0]) for operator in model.readout.observables]
    state = Statevector.from_label("000")
    values = dict.fromkeys(operators, 0.0) | dict.fromkeys(
        [label for label in operators if set(label) <= set("IZ")], 1.0
    )
    for t in range(3):
        inputs = torch.cat((x[0, t], torch.tensor([values[label] for label in heard]).double()))
        angles = model.controller(inputs).tolist()
        state = state.evolve(model.ansatz.circuit.assign_parameters(angles))
        values = {
            label: state.expectation_value(operator).real
            for label, operator in zip(operators, model.readout.observables, strict=True)
        }
        found = torch.tensor(list(values.values()), dtype=torch.float64)
        torch.testing.assert_close(output[t], found, atol=1e-10, rtol=0)


@pytest.mark.parametrize("arguments", MODELS)
@pytest.mark.parametrize("activation", ["linear", "glu"])
def test_gradients_are_central_differences(arguments: dict[str, Any], activation: str) -> None:
    model, x = make_model(torch.float64, activation=activation, **arguments), draw(2, 4)
    torch.manual_seed(1)
    weights = torch.randn(2, 4, model.num_readouts, dtype=torch.float64)
    for parameter in model.parameters():
        model.zero_grad()
        assert measure_slope_error(parameter, lambda: (model(x)[0] * weights).sum()) < 1e-6


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("arguments", MODELS)
def test_the_engines_agree(dtype: torch.dtype, arguments: dict[str, Any]) -> None:
    compiled, dense = (
        differentiate(make_model(dtype, engine=engine, **arguments)) for engine in ("auto", "torch")
    )
    assert len(compiled) >= len(LENGTHS)
    assert find_difference(compiled, dense) < TOLERANCES[dtype]


@pytest.mark.parametrize("feedback", ["own", "shared"])
def test_registers_hear_their_own_readouts_or_those_of_all(feedback: str) -> None:
    arguments = {"num_registers": 2, "num_qubits": 2, "observables": "pairs"}
    model = make_model(torch.float64, register_feedback=feedback, **arguments)
    assert model.num_readouts == 2 * 15
    assert model.mode.feedback_size == 2 * 6
    x = draw(3, 5)
    output = model(x)[0]
    same = make_model(torch.float64, engine="torch", register_feedback=feedback, **arguments)
    torch.testing.assert_close(output, same(x)[0])
    if feedback == "own":
        for register, part in enumerate(model.controller.registers):
            alone = make_model(torch.float64, num_qubits=2, observables="pairs")
            alone.controller.load_state_dict(part.state_dict())
            found = output[..., 15 * register : 15 * (register + 1)]
            torch.testing.assert_close(alone(x)[0], found)


def test_all_of_them_in_their_order_are_the_default() -> None:
    given = make_model(torch.float64, num_qubits=3, feedback_observables="xyz")
    assert given.mode.heard is None
    other = make_model(torch.float64, num_qubits=3)
    assert torch.equal(given(draw(2, 3))[0], other(draw(2, 3))[0])
    whole = QRNN(2, 2, observables="pairs", feedback_observables="pairs")
    assert whole.mode.feedback_size == 15


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"observables": "z", "feedback_observables": "xz"}, r"but X0, X1 is not among .*Z0, Z1"),
        ({"feedback_observables": ["ZZ"]}, "Z0Z1 is not among"),
        ({"feedback_observables": ["IZ", "IZ"]}, "twice"),
        ({"feedback_observables": []}, "feedback_observables is empty"),
        ({"feedback_observables": "z", "readout": "none"}, "readout is 'none'"),
        ({"feedback_observables": "z", "readout": "measured"}, "readout is 'measured'"),
    ],
)
def test_what_is_no_part_of_the_observables_is_refused(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        QRNN(2, 2, **arguments)


def test_weights_that_hear_other_readouts_are_refused() -> None:
    first = QRNN(2, 2, feedback_observables="x")
    second = QRNN(2, 2, feedback_observables="z")
    with pytest.raises(StateDictError, match=r"feedback \['X0', 'X1'\] .* but \['Z0', 'Z1'\]"):
        second.set_extra_state(first.get_extra_state())
    QRNN(2, 2, feedback_observables="x").load_state_dict(first.state_dict())


@pytest.mark.parametrize("activation", ["linear", "gelu"])
def test_the_configuration_knows_both_and_their_sizes(activation: str) -> None:
    settings = {"observables": "pairs", "feedback_observables": ["IZ", "ZZ"], "num_qubits": 2}
    config = ModelConfig(activation=activation, parameters=200, **settings)
    model = build_recurrent(config, 2)
    assert model.mode.feedback_size == 2  # type: ignore[attr-defined]
    assert abs(model.count_parameters() - 200) <= 10
