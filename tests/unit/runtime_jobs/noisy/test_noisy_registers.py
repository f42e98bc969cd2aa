"""Several registers on ``simulator:NAME``: one density matrix for each equals that of all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from qiskit.quantum_info import SparsePauliOp
from slopes import measure_slope_error

from circuits import build_ansatz, build_dynamic, build_measurement
from qrnn_qiskit import QRNN
from qrnn_qiskit.executors import DynamicPub
from runtime_jobs import open_device
from runtime_jobs.aer.channels import Channels
from runtime_jobs.aer.dynamic_runner import compile_dynamic
from runtime_jobs.aer.noisy_device import DeviceStages
from runtime_jobs.estimation.counting import average_values, bind_bases, choose_final_bases
from runtime_jobs.hardware.snapshots import open_target
from runtime_jobs.noisy.dynamic import translate_dynamic
from runtime_jobs.noisy.dynamic_run import DynamicRun

pytestmark = pytest.mark.noisy


def make_model(num_registers: int = 2, num_qubits: int = 2, **options: Any) -> QRNN:
    torch.manual_seed(0)
    options = {"dtype": torch.float64} | options
    return QRNN(2, num_qubits, num_registers=num_registers, **options)


def make_inputs(batch: int = 2, steps: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, steps, 2, generator=generator, dtype=torch.float64)


def make_pub(num_registers: int, num_qubits: int, num_steps: int, **settings: Any) -> DynamicPub:
    ansatz = build_ansatz(num_qubits=num_qubits)
    measurement = build_measurement(num_qubits=num_qubits, **settings)
    circuit = build_dynamic(ansatz, measurement, num_steps, num_registers)
    shape = (2, *circuit.table_columns.shape)
    tables = np.random.default_rng(0).uniform(-np.pi, np.pi, shape)
    width = num_registers * num_qubits
    observables = [
        SparsePauliOp.from_sparse_list([(letter, [qubit], 1.0)], num_qubits=width)
        for letter in "XYZ"
        for qubit in range(width)
    ]
    return DynamicPub(circuit, circuit.bind_values(tables), observables)


def run_jointly(pub: DynamicPub, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes and values from one density matrix of all registers."""
    circuit = pub.circuit
    stage = DeviceStages("kingston", open_target("kingston"), noise)(circuit.circuit)
    ready, _ = compile_dynamic(circuit.circuit, stage, "kingston")
    program = translate_dynamic(
        ready, list(circuit.circuit.parameters), circuit.basis, Channels(stage.noise)
    )
    bases = choose_final_bases(pub)
    bound = bind_bases(circuit, pub.values, bases).reshape(len(pub.values), len(bases), -1)
    finals = [np.ascontiguousarray(bound[:, k]) for k in range(len(bases))]
    run = DynamicRun(program, pub.values, finals)
    order = np.argsort([record.register for record in program.records])
    outcomes = run.outcomes[:, order].reshape(len(pub.values), circuit.num_steps, -1)
    strings = run.strings.reshape(-1, run.strings.shape[-1])
    return outcomes, average_values(strings, bases, len(pub.observables))


@pytest.mark.parametrize("settings", [{}, {"coupling": "direct"}])
def test_outcomes_equal_those_of_one_density_matrix(settings: dict[str, Any]) -> None:
    pub = make_pub(2, 2, 3, **settings)
    (found,) = open_device("simulator:kingston?noise=3").run_dynamic([pub])
    outcomes, values = run_jointly(pub, 3.0)
    np.testing.assert_allclose(found.outcomes, outcomes, atol=1e-12)
    np.testing.assert_allclose(found.values, values, atol=1e-12)


def test_each_register_has_the_noise_of_its_own_qubits() -> None:
    model = make_model(readout="measured")
    first, second = model.controller.registers
    second.load_state_dict(first.state_dict())
    model.executor = open_device("simulator:kingston?noise=3")
    with torch.no_grad():
        output = model(make_inputs())[0]
    (layout,) = model.executor.layouts()
    assert len(set(layout["qubits"])) == 2 * 3
    assert 1e-5 < float((output[:, :, 0] - output[:, :, 1]).abs().max()) < 0.2


@pytest.mark.parametrize(
    ("options", "device"),
    [
        ({}, "kingston?noise=3"),
        ({"register_feedback": "shared"}, "kingston?noise=3"),
        pytest.param(
            {"readout": "none", "observables": ["XX", "ZI"]},
            "kingston?mitigation=readout+zne",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_readouts_equal_those_of_aer(options: dict[str, Any], device: str) -> None:
    model = make_model(**options)
    found = []
    for name in ("simulator", "aer"):
        model.executor = open_device(f"{name}:{device}")
        with torch.no_grad():
            found.append(model(make_inputs())[0])
    assert float((found[0] - found[1]).abs().max()) < 1e-8


@pytest.mark.parametrize("readout", ["measured", "expectation"])
def test_the_gradient_is_that_of_the_noisy_circuits(readout: str) -> None:
    feedback = "shared" if readout == "expectation" else "own"
    model = make_model(readout=readout, register_feedback=feedback, controller_hidden=None)
    model.executor = open_device("simulator:kingston?noise=3")
    x = make_inputs(2, 3)
    lengths = torch.tensor([3, 2])

    def find_loss() -> torch.Tensor:
        output, state = model(x, lengths=lengths)
        return output.square().sum() + state.readouts.square().sum()

    for parameter in list(model.parameters())[:2]:
        model.zero_grad()
        assert measure_slope_error(parameter, find_loss) < 1e-6


@pytest.mark.parametrize("readout", ["measured", "expectation"])
def test_shots_are_drawn_around_the_exact_values(readout: str) -> None:
    model = make_model(readout=readout)
    x = make_inputs(40, 1)
    with torch.no_grad():
        model.executor = open_device("simulator:kingston")
        exact, _ = model(x)
        model.executor = open_device("simulator:kingston?shots=500&seed=1")
        drawn, state = model(x)
    assert state.output_standard_errors is not None
    scaled = (drawn - exact) / state.output_standard_errors
    assert float(scaled.square().mean()) == pytest.approx(1.0, abs=0.3)


@pytest.mark.parametrize(
    ("readout", "num_qubits", "options"),
    [
        pytest.param("measured", 2, {}, marks=pytest.mark.slow),
        ("expectation", 4, {"register_feedback": "shared"}),
    ],
)
def test_many_registers_fit_because_each_is_small(
    readout: str, num_qubits: int, options: dict[str, Any]
) -> None:
    model = make_model(4, num_qubits, readout=readout, **options)
    x = make_inputs(1, 1)
    with torch.no_grad():
        exact = model(x)[0]
        model.executor = open_device("simulator:kingston?noise=0")
        assert float((model(x)[0] - exact).abs().max()) < 1e-9
        model.executor = open_device("simulator:kingston")
        assert 1e-4 < float((model(x)[0] - exact).abs().max()) < 0.1


def test_large_registers_and_joint_observables_are_refused() -> None:
    measured = {"num_qubits": 6, "readout": "measured", "num_ancillas": 2}
    for options in ({"num_qubits": 8}, measured):
        model = make_model(**options)
        model.executor = open_device("simulator:kingston")
        with pytest.raises(ValueError, match=r"up to 7 qubits.* has 8"):
            model(make_inputs())
    pub = make_pub(2, 2, 1)
    joint = SparsePauliOp.from_sparse_list([("ZZ", [1, 2], 1.0)], num_qubits=4)
    with pytest.raises(ValueError, match="observable 0 acts on several registers"):
        open_device("simulator:kingston").run_dynamic([pub._replace(observables=[joint])])
