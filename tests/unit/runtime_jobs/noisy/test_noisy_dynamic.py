"""Measured mode on ``simulator:NAME`` against dense matrices for every history of bits."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from qiskit.circuit import Gate, IfElseOp, Measure, QuantumCircuit, Reset
from qiskit.circuit.library import XGate
from qiskit.quantum_info import DensityMatrix, Operator, SuperOp
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel
from sampling import slow
from scipy.stats import chisquare
from slopes import measure_slope_error

from qrnn_qiskit import QRNN
from runtime_jobs import open_device
from runtime_jobs.aer.channels import Channels
from runtime_jobs.aer.dynamic_runner import compile_dynamic
from runtime_jobs.aer.noisy_device import DeviceStages
from runtime_jobs.estimation.counting import bind_bases, choose_final_bases
from runtime_jobs.hardware.snapshots import open_target
from runtime_jobs.noisy.dynamic import translate_dynamic
from runtime_jobs.noisy.dynamic_run import DynamicRun

pytestmark = pytest.mark.noisy

SHOTS = 100_000
FAMILIES = [("product", "cz"), *product(("linear", "ring", "brick"), ("cz", "rzz", "crx"))]
History = tuple[tuple[int, int], ...]  # recorded and seen bit of each measurement


def follow(
    circuit: QuantumCircuit, noise: NoiseModel, leave_out: str = ""
) -> dict[str, dict[str, float]]:
    """Probabilities of the recorded values of each register, from one matrix per history.

    Args:
        circuit: Bound ISA circuit with its waits.
        noise: Noise of the gates and of the readout.
        leave_out: An effect to leave out: "idle", "condition" or "ancilla".
    """
    states = {(): DensityMatrix.from_label("0" * circuit.num_qubits)}
    order: list[Any] = []
    places: list[int] = []
    tested: set[Any] = set()

    def find_error(name: str, qubits: tuple[int, ...]) -> SuperOp | None:
        errors = noise._local_quantum_errors.get(name, {})
        return SuperOp(errors[qubits]) if qubits in errors else None

    def apply(state: DensityMatrix, body: QuantumCircuit, where: list[int]) -> DensityMatrix:
        for item in body.data:
            qubits = tuple(where[body.find_bit(q).index] for q in item.qubits)
            operation = item.operation
            is_wait = not isinstance(operation, Gate | Reset)
            if operation.name == "barrier" or (leave_out == "idle" and is_wait):
                continue
            is_matrix = isinstance(operation, Gate)
            channel = SuperOp(Operator(operation)) if is_matrix else SuperOp(operation)
            state = state.evolve(channel, list(qubits))
            error = find_error(operation.name, qubits)
            if error is not None:
                state = state.evolve(error, list(qubits))
        return state

    everything = list(range(circuit.num_qubits))
    for item in circuit.data:
        moved: dict[History, DensityMatrix] = {}
        qubits = [circuit.find_bit(q).index for q in item.qubits]
        if isinstance(item.operation, Measure):
            order.append(item.clbits[0])
            places.append(qubits[0])
            table = noise._local_readout_errors[(qubits[0],)].probabilities
            for history, state in states.items():
                for seen, recorded in np.ndindex(2, 2):
                    projector = np.diag([1.0 - seen, float(seen)])
                    part = state.evolve(SuperOp(Operator(projector)), qubits)
                    weight = float(table[seen][recorded])
                    moved[(*history, (recorded, seen))] = DensityMatrix(weight * part.data)
        elif isinstance(item.operation, IfElseOp):
            register, value = item.operation.condition
            bits = [register] if not hasattr(register, "size") else list(register)
            which = 1 if leave_out == "condition" else 0
            for history, state in states.items():
                read = sum(history[order.index(bit)][which] << k for k, bit in enumerate(bits))
                blocks = item.operation.blocks
                body = blocks[0] if read == value else (blocks[1] if len(blocks) > 1 else None)
                state = state if body is None else apply(state, body, qubits)
                recorded, seen = history[order.index(bits[0])]
                if leave_out == "ancilla" and bits[0] not in tested and recorded != seen:
                    # The flip that the outcome itself asks for, as if it had been read right.
                    state = state.evolve(XGate(), [places[order.index(bits[0])]])
                moved[history] = state
            tested.add(bits[0])
        else:
            single = QuantumCircuit(circuit.num_qubits)
            single.append(item.operation, qubits)
            for history, state in states.items():
                moved[history] = apply(state, single, everything)
        states = moved
    found: dict[str, dict[str, float]] = {}
    for register in circuit.cregs:
        by_value = dict.fromkeys(range(2**register.size), 0.0)
        for history, state in states.items():
            value = sum(history[order.index(bit)][0] << k for k, bit in enumerate(register))
            by_value[value] += float(np.trace(state.data).real)
        found[register.name] = {str(k): v for k, v in by_value.items()}
    return found


@pytest.fixture(params=[{}, {"ancilla_return": "reset"}, {"coupling": "direct"}])
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    chosen: dict[str, Any] = request.param
    return chosen


@pytest.fixture
def compile_case(make_case: Callable[..., Any]) -> Callable[..., Any]:
    def compile_case(
        scale: float = 3.0, device: str = "kingston", **settings: Any
    ) -> tuple[Any, Any, list[QuantumCircuit]]:
        case = make_case(batch=1, num_steps=2, **settings)
        pub = case.pub()
        stage = DeviceStages(device, open_target(device), scale)(pub.circuit.circuit)
        ready, _ = compile_dynamic(pub.circuit.circuit, stage, device)
        bound = bind_bases(pub.circuit, pub.values, choose_final_bases(pub))
        circuits = [
            ready.assign_parameters(
                dict(zip(pub.circuit.circuit.parameters, row, strict=True)), strict=False
            )
            for row in bound
        ]
        return pub, stage.noise, circuits

    return compile_case


def read_steps(found: dict[str, dict[str, float]]) -> np.ndarray:
    return np.array([list(found[name].values()) for name in found if name != "final"])


def test_outcomes_equal_those_of_dense_matrices(
    compile_case: Callable[..., Any], options: dict[str, Any]
) -> None:
    pub, noise, circuits = compile_case(**options)
    (found,) = open_device("simulator:kingston?noise=3").run_dynamic([pub])
    for basis, circuit in enumerate(circuits):
        expected = follow(circuit, noise)
        np.testing.assert_allclose(found.outcomes[0], read_steps(expected), atol=1e-9)
        # The default observables are X, Y and Z of each qubit: one basis each.
        final = np.array(list(expected["final"].values())).reshape(2, 2)
        means = [final.sum(0) @ [1, -1], final.sum(1) @ [1, -1]]
        np.testing.assert_allclose(found.values[0, 2 * basis : 2 * basis + 2], means, atol=1e-9)


@pytest.mark.parametrize("effect", ["idle", "condition", "ancilla"])
def test_an_effect_left_out_is_noticed(compile_case: Callable[..., Any], effect: str) -> None:
    pub, noise, circuits = compile_case(scale=1.0)
    (found,) = open_device("simulator:kingston").run_dynamic([pub])
    without = read_steps(follow(circuits[0], noise, effect))
    assert np.abs(found.outcomes[0] - without).max() > 1e-5


def count_registers(circuit: QuantumCircuit, noise: NoiseModel, seed: int) -> dict[str, np.ndarray]:
    """Aer's counts of the value of each register, from trajectories of the compiled circuit."""
    simulator = AerSimulator(
        method="statevector", noise_model=noise, fusion_enable=False, seed_simulator=seed
    )
    found = {register.name: np.zeros(2**register.size) for register in circuit.cregs}
    for words, count in simulator.run(circuit, shots=SHOTS).result().get_counts().items():
        for register, word in zip(reversed(circuit.cregs), words.split(), strict=True):
            found[register.name][int(word, 2)] += count
    return found


def find_least(
    counts: list[dict[str, np.ndarray]], expected: list[dict[str, dict[str, float]]]
) -> float:
    """The least p-value of all registers and bases, times their number (the first step of Holm)."""
    tests = [
        chisquare(seen, SHOTS * np.array(list(probabilities[name].values()))).pvalue
        for by_name, probabilities in zip(counts, expected, strict=True)
        for name, seen in by_name.items()
    ]
    return float(min(tests)) * len(tests)


@pytest.mark.slow
@pytest.mark.parametrize(
    # The noise that leaves the circuit within the coherence time.
    ("device", "scale"),
    [("kingston", 5.0), ("torino", 5.0), ("kyiv", 2.0), ("fractional", 0.5)],
)
def test_aers_counts_have_the_exact_distribution(
    compile_case: Callable[..., Any], options: dict[str, Any], device: str, scale: float
) -> None:
    pub, noise, circuits = compile_case(scale=scale, device=device, **options)
    parameters = pub.circuit.circuit.parameters
    channels = Channels(noise)
    stage = DeviceStages(device, open_target(device), scale)(pub.circuit.circuit)
    ready, _ = compile_dynamic(pub.circuit.circuit, stage, device)
    program = translate_dynamic(ready, parameters, pub.circuit.basis, channels)
    bound = bind_bases(pub.circuit, pub.values, choose_final_bases(pub))
    run = DynamicRun(program, pub.values, [row[None] for row in bound])
    *steps, final = (register.name for register in circuits[0].cregs)
    # Runs of Aer with neighbouring seeds have nearly the same shots: shot k has the seed plus k.
    counts = [count_registers(c, noise, SHOTS * (1 + 2 * k)) for k, c in enumerate(circuits)]
    exact = [
        {
            name: dict(enumerate(row.tolist()))
            for name, row in zip([*steps, final], [*run.outcomes[0], strings], strict=True)
        }
        for strings in run.strings[0]
    ]
    assert find_least(counts, exact) > 1e-3
    if options or scale < 5:
        return
    for effect in ("idle", "condition", "ancilla"):
        without = [follow(circuit, noise, effect) for circuit in circuits]
        assert find_least(counts, without) < 1e-3, effect


def test_two_ancillas_and_routing(make_case: Callable[..., Any]) -> None:
    case = make_case(num_qubits=3, num_ancillas=2, ansatz="ring")
    found = open_device("simulator:kingston?noise=0").run_dynamic([case.pub()])[0]
    expected = open_device("aer").run_dynamic([case.pub()])[0]
    np.testing.assert_allclose(found.outcomes, expected.outcomes, atol=1e-9)
    np.testing.assert_allclose(found.values, expected.values, atol=1e-9)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_ancillas": 2},
        *slow({"ansatz": a, "entangler": e, "num_qubits": 3} for a, e in FAMILIES),
    ],
    ids=str,
)
def test_the_gradient_is_that_of_the_noisy_circuit(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    options = {"num_qubits": 2, "dtype": torch.float64} | options
    model = QRNN(2, readout="measured", controller_hidden=4, **options)
    model.executor = open_device("simulator:kingston?noise=3")
    x = torch.randn(3, 3, 2, dtype=torch.float64)
    lengths = torch.tensor([3, 1, 2])

    def find_loss() -> torch.Tensor:
        output, state = model(x, lengths=lengths)
        return output.square().sum() + state.readouts.square().sum()

    assert measure_slope_error(next(model.controller.parameters()), find_loss) < 1e-6


def test_shots_have_the_exact_distribution(make_case: Callable[..., Any]) -> None:
    pub = make_case(batch=2, num_steps=3).pub()
    (exact,) = open_device("simulator:kingston").run_dynamic([pub])
    (drawn,) = open_device("simulator:kingston?shots=20000&seed=3").run_dynamic([pub])
    assert drawn.shots == 60000
    assert drawn.standard_errors is not None
    for row, step in np.ndindex(2, 3):
        counts = drawn.outcomes[row, step] * drawn.shots
        assert chisquare(counts, exact.outcomes[row, step] * drawn.shots).pvalue > 1e-3 / 6
    scaled = (drawn.values - exact.values) / drawn.standard_errors
    assert np.abs(scaled).max() < 4.5


def test_large_circuits_are_refused(make_case: Callable[..., Any]) -> None:
    large = make_case(num_qubits=6, num_ancillas=2, num_steps=1).pub()
    with pytest.raises(ValueError, match="up to 7 qubits"):
        open_device("simulator:kingston").run_dynamic([large])
