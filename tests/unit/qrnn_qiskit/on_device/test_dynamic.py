"""Measured mode on executors: values, gradients, jobs, lengths, and states carried on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from qiskit.circuit import Parameter, QuantumCircuit
from torch import Tensor
from torch.testing import assert_close

from qrnn_qiskit import QRNN
from qrnn_qiskit.executors import DynamicPub, Outcomes, SimulatorExecutor
from qrnn_qiskit.executors.gradient_methods import GradientError
from qrnn_qiskit.on_device import dynamic, gradients

Enumerate = Callable[[QuantumCircuit], dict[int, NDArray[np.complex128]]]


class CountingExecutor(SimulatorExecutor):
    """Records the jobs of dynamic circuits; ``evaluate`` computes the results of a PUB."""

    name = "fake"

    def __init__(
        self, evaluate: Callable[[DynamicPub], Outcomes], gradient: str | None = None
    ) -> None:
        super().__init__(gradient=gradient)
        self.jobs: list[list[int]] = []
        self.circuits: set[int] = set()
        self._evaluate = evaluate

    def run_dynamic(self, pubs: Sequence[DynamicPub]) -> list[Outcomes]:
        self.jobs.append([len(pub.values) for pub in pubs])
        self.circuits |= {id(pub.circuit) for pub in pubs}
        return [self._evaluate(pub) for pub in pubs]


def interpret(pub: DynamicPub, enumerate_branches: Enumerate) -> Outcomes:
    """Evaluate the circuit itself: every history of outcomes, in each basis."""
    dynamic, n = pub.circuit, pub.circuit.num_qubits
    width = dynamic.measurement.num_ancillas
    outcomes = np.zeros((len(pub.values), dynamic.num_steps, dynamic.num_outcomes))
    values = np.zeros((len(pub.values), len(pub.observables)))
    for row, letter in [(row, letter) for row in range(len(values)) for letter in "XYZ"]:
        bound = dynamic.bind_basis(pub.values[[row]], letter)[0]
        for key, state in enumerate_branches(dynamic.circuit.assign_parameters(bound)).items():
            probability = np.vdot(state, state).real
            if letter == "Z":
                for t in range(dynamic.num_steps):
                    outcomes[row, t, key >> width * t & (dynamic.num_outcomes - 1)] += probability
            final = key >> width * dynamic.num_steps
            for k, observable in enumerate(pub.observables):
                (label,) = observable.paulis.to_labels()
                qubit = n - 1 - next(i for i, c in enumerate(label) if c != "I")
                if label[n - 1 - qubit] == letter:
                    values[row, k] += probability * (1 - 2 * (final >> qubit & 1))
    return Outcomes(outcomes, values)


def simulate(pub: DynamicPub, model: QRNN) -> Outcomes:
    """Evaluate a PUB by the exact recursion on its angles, which is faster."""
    columns = pub.circuit.table_columns
    tables = torch.from_numpy(pub.values[:, columns] * (columns >= 0))
    with torch.no_grad():
        outcomes, values = model.mode._simulate(tables, [len(columns)] * len(tables))
    return Outcomes(outcomes.numpy(), values.numpy())


def make_model(**settings: Any) -> QRNN:
    torch.manual_seed(3)
    defaults: dict[str, Any] = {"num_qubits": 2, "controller_hidden": 4, "dtype": torch.float64}
    return QRNN(2, readout="measured", **(defaults | settings))


def make_inputs(batch: int, steps: int, seed: int = 1) -> Tensor:
    return torch.randn(batch, steps, 2, generator=torch.Generator().manual_seed(seed)).double()


def differentiate(model: QRNN, x: Tensor, lengths: Tensor | None = None) -> Tensor:
    """The gradient of a nonlinear loss of outputs and readouts by all weights."""
    output, state = model(x, lengths=lengths)
    weights = torch.linspace(-1, 2, output[0].numel()).reshape(output.shape[1:]).double()
    loss = (weights * output.square()).sum((1, 2)) + state.readouts.square().prod(1)
    loss = loss + state.readouts @ torch.linspace(-1, 1, state.readouts.shape[1]).double()
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss.mean(), model.parameters())])


def build_sums() -> QuantumCircuit:
    first, second = Parameter("a"), Parameter("b")
    circuit = QuantumCircuit(2)
    circuit.ry(2 * first + 0.1, 0)
    circuit.ry(0.5 * second - 0.3, 1)
    circuit.crx(first, 0, 1)
    circuit.rz(-second, 1)
    return circuit


@pytest.mark.parametrize(
    "settings",
    [
        {"coupling_strength": 1.7, "rotations": ("ry",)},
        {"num_ancillas": 2, "measured_bases": "XY", "coupling": "symmetric", "rotations": ("ry",)},
        {"ansatz": build_sums(), "coupling": "direct", "measured_bases": "X"},
        {"ancilla_return": "reset", "entangler": "crx", "rotations": ("rx",)},
        {"measurement_frame": "undone", "coupling_strength": 1.7, "measured_bases": "X"},
        {"bit_feedback": False, "measurement_frame": "undone", "coupling": "direct"},
        {"bit_feedback": False, "num_ancillas": 2, "coupling": "symmetric", "rotations": ("ry",)},
    ],
)
def test_the_circuits_agree_with_the_recursion(
    settings: dict[str, Any], enumerate_branches: Enumerate
) -> None:
    """Values agree to 1e-12; shifts through the branches and the recursion's gradients to 1e-7."""
    model = make_model(**settings)
    x, lengths = make_inputs(2, 2), torch.tensor([1, 2])
    output, state = model(x, lengths=lengths)
    exact = differentiate(model, x, lengths)
    executor = CountingExecutor(lambda pub: interpret(pub, enumerate_branches), "parameter-shift")
    model.executor = executor
    with torch.no_grad():
        ran, ended = model(x, lengths=lengths)
    assert executor.jobs == [[1, 1]]
    assert_close(ran, output, atol=1e-12, rtol=0)
    assert_close(ended.readouts, state.readouts, atol=1e-12, rtol=0)
    shifted = differentiate(model, x, lengths)
    assert len(executor.jobs) == 3
    assert len(executor.circuits) == 2  # one of 1 and one of 2 steps, shifts included
    assert exact.abs().max() > 0.05
    assert_close(shifted, exact, atol=1e-7, rtol=0)


def test_shifts_agree_with_differences_of_the_circuits(enumerate_branches: Enumerate) -> None:
    """Without the recursion: fourth-order differences of the interpreted circuits."""
    model = make_model(rotations=("ry",), coupling_strength=2.2, controller_hidden=2)
    model.executor = CountingExecutor(lambda pub: interpret(pub, enumerate_branches))
    x = make_inputs(1, 2)

    def loss() -> Tensor:
        output, state = model(x)
        return output.square().sum() + state.readouts[0] @ torch.linspace(-1, 1, 6).double()

    gradient = torch.autograd.grad(loss(), model.parameters())
    with torch.no_grad():
        for parameter, expected in zip(model.parameters(), gradient, strict=True):
            place = int(expected.abs().argmax())
            values = {}
            for shift in (-2, -1, 1, 2):
                parameter.view(-1)[place] += shift * 1e-3
                values[shift] = loss()
                parameter.view(-1)[place] -= shift * 1e-3
            difference = 8 * (values[1] - values[-1]) - (values[2] - values[-2])
            assert_close(difference / 12e-3, expected.view(-1)[place], atol=1e-7, rtol=0)


def test_a_training_step_is_two_jobs_and_inference_one() -> None:
    model = make_model()
    executor = CountingExecutor(lambda pub: simulate(pub, model), "parameter-shift")
    model.executor = executor
    x = make_inputs(5, 3)
    with torch.no_grad():
        model(x)
    assert executor.jobs == [[5]]
    differentiate(model, x)
    angles = 4 * (1 + 2 * 2)
    assert executor.jobs == [[5], [5], [5 * 2 * angles]]
    assert len(executor.circuits) == 1


@pytest.mark.parametrize("has_gradient", [True, False])
def test_a_carried_state_replays_the_tables(has_gradient: bool) -> None:
    """Lengths differ in both chunks; without a gradient the history is not shifted again."""
    model = make_model(num_ancillas=2, coupling_strength=2.0)
    x, first, second = make_inputs(3, 4), torch.tensor([2, 1, 2]), torch.tensor([1, 2, 2])

    def run() -> tuple[Tensor, Any, Tensor]:
        output, state = model(x[:, :2], lengths=first)
        state = state if has_gradient else state.detach()
        more, ended = model(x[:, 2:], state, lengths=second)
        loss = (more * torch.linspace(-1, 1, 12).reshape(3, 2, 2)).sum() + ended.readouts.sum()
        gradient = torch.autograd.grad(loss + output.sum(), model.parameters())
        return more.detach(), ended, torch.cat([item.flatten() for item in gradient])

    output, state, gradient = run()
    executor = CountingExecutor(lambda pub: simulate(pub, model), "parameter-shift")
    model.executor = executor
    ran, ended, shifted = run()
    assert_close(ran, output, atol=1e-12, rtol=0)
    assert_close(ended.readouts, state.readouts, atol=1e-12, rtol=0)
    assert_close(shifted, gradient, atol=1e-9, rtol=0)
    assert ended.num_steps.tolist() == [3, 3, 4]
    assert ended.angles.shape == (3, 4, 4, 4)
    assert not ended.angles[0, 0].any()
    assert_close(ended.angles[1, 1:2], model.angles(x[:, :1])[1], atol=1e-12, rtol=0)
    # Forward: 3 steps twice and 4 steps once. Backward: only the new steps where detached.
    per_step = 4 * 4 * 2
    if has_gradient:
        whole = [2 * (2 * per_step + 8), 3 * per_step + 8]
    else:
        whole = [3 * per_step, 2 * per_step]
    assert [1, 2] in executor.jobs
    assert [2, 1] in executor.jobs
    assert whole in executor.jobs


def test_a_carried_state_needs_its_tables() -> None:
    model = make_model()
    _, state = model(make_inputs(1, 2))
    model.executor = CountingExecutor(lambda pub: simulate(pub, model))
    with pytest.raises(ValueError, match=r"state\.angles is None"):
        model(make_inputs(1, 1), state)


def test_spsa_runs_in_the_forward_job_and_is_the_mean_slope(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Over all directions of two angles per table, the bias falls by four."""
    model = make_model(rotations=("ry",))
    x = make_inputs(1, 2)
    exact = differentiate(model, x)
    codes = torch.arange(2**6)
    signs = (codes[:, None] >> torch.arange(6) & 1) * 2 - 1
    whole = torch.ones(1, len(codes), 2, 2, 2, dtype=torch.int64)
    whole[0, :, 0, 0], whole[0, :, 1] = signs[:, :2], signs[:, 2:].reshape(-1, 2, 2)
    monkeypatch.setattr(gradients, "draw_signs", lambda shape: whole.expand(shape))
    biases = []
    for perturbation in (0.1, 0.05):
        executor = CountingExecutor(
            lambda pub: simulate(pub, model), f"spsa?perturbation={perturbation}"
        )
        model.executor = executor
        biases.append((differentiate(model, x.repeat(len(codes), 1, 1)) - exact).norm())
        assert executor.jobs == [[3 * len(codes)]]
    assert biases[0] / exact.norm() < 0.05
    assert 3.6 < biases[0] / biases[1] < 4.4


def test_spsa_leaves_out_tables_that_do_not_run() -> None:
    model = make_model()
    executor = CountingExecutor(lambda pub: simulate(pub, model), "spsa?draws=3")
    model.executor = executor
    tables = make_inputs(2, 3).new_zeros(2, 3, 2, 4).requires_grad_()
    outcomes, state, _ = dynamic.run_on_device(
        model.mode._circuits, executor, tables, None, [2, 3], model.mode._simulate
    )
    (outcomes[:, :, 1].sum() + state.readouts.sum()).backward()
    assert tables.grad is not None
    assert not tables.grad[:, 0, 1].any()
    assert not tables.grad[0, 2].any()
    assert tables.grad[1, 2].all()


def test_random_coordinates_are_unbiased_and_drawn_by_reach() -> None:
    """With many draws, which share their runs, the mean approaches the exact gradient."""
    model = make_model(num_ancillas=2, coupling_strength=1.2)
    x, lengths = make_inputs(2, 3), torch.tensor([3, 2])
    exact = differentiate(model, x, lengths)
    errors = []
    for draws in (400, 40_000):
        executor = CountingExecutor(
            lambda pub: simulate(pub, model), f"coordinates?draws={draws}&floor=0.2"
        )
        model.executor = executor
        runs = [differentiate(model, x, lengths) for _ in range(8)]
        assert len(executor.jobs) == 16
        errors.append(float((torch.stack(runs).mean(0) - exact).norm() / exact.norm()))
        spread = float((torch.stack(runs) - exact).square().sum(1).mean().sqrt() / exact.norm())
        assert errors[-1] < 4 * spread / math.sqrt(8)
    assert errors[1] < 0.02
    assert errors[1] < errors[0] / 3


def test_few_coordinates_are_few_runs_and_prefer_likely_branches() -> None:
    model = make_model(num_qubits=1, rotations=("ry",), coupling_strength=math.pi)
    with torch.no_grad():  # the memory stays in |0>, so that only outcome 0 occurs
        for parameter in model.parameters():
            parameter.zero_()
    drawn: list[int] = []

    def evaluate(pub: DynamicPub) -> Outcomes:
        columns = pub.circuit.table_columns
        angles = pub.values[:, columns] * (columns >= 0)
        drawn.extend((np.abs(angles) > 1).sum((1, 3)).argmax(1)[np.abs(angles).max((1, 2, 3)) > 1])
        return simulate(pub, model)

    executor = CountingExecutor(evaluate, "coordinates?draws=64&floor=0.1")
    model.executor = executor
    torch.manual_seed(0)
    differentiate(model, make_inputs(40, 5))
    assert executor.jobs[0] == [40]
    assert executor.jobs[1][0] <= 40 * 2 * 9
    torch.manual_seed(0)
    drawn.clear()
    model.executor = CountingExecutor(evaluate, "coordinates?draws=1&floor=0.1")
    differentiate(model, make_inputs(400, 5))
    # 5 angles of the likely branches, 4 of those that never run: 0.1 * 4/9 of the draws.
    assert len(drawn) == 2 * 400
    assert 0.02 < np.mean(drawn) < 0.08


class SampledExecutor(CountingExecutor):
    """Exact values, reported as if estimated from 100 shots."""

    shots = 100

    def run_dynamic(self, pubs: Sequence[DynamicPub]) -> list[Outcomes]:
        return [
            Outcomes(found.outcomes, found.values, np.full_like(found.values, 0.1), 300)
            for found in super().run_dynamic(pubs)
        ]


def test_standard_errors_and_the_choice_of_a_gradient() -> None:
    model = make_model(num_ancillas=2)
    model.executor = SampledExecutor(lambda pub: simulate(pub, model))
    x, lengths = make_inputs(2, 3), torch.tensor([3, 2])
    output, state = model(x, lengths=lengths)
    assert_close(state.standard_errors, torch.full((2, 6), 0.1).double())
    errors = state.output_standard_errors
    assert errors.shape == output.shape == (2, 3, 2)
    assert not errors[1, 2].any()
    assert (errors[0] > 0).all()
    assert_close(errors[0], (output[0] * (1 - output[0]) / 300).sqrt().detach(), atol=2e-3, rtol=0)
    with pytest.raises(GradientError, match="--gradient"):
        state.readouts.sum().backward()


def test_the_simulator_differentiates_the_values_of_a_device() -> None:
    model = make_model(coupling_strength=2.0)
    x, lengths = make_inputs(3, 3), torch.tensor([1, 3, 2])
    exact = differentiate(model, x, lengths)

    def shrink(pub: DynamicPub) -> Outcomes:
        found = simulate(pub, model)
        return Outcomes(found.outcomes, 0.8 * found.values)

    executor = CountingExecutor(lambda pub: simulate(pub, model), "simulator")
    model.executor = executor
    assert_close(differentiate(model, x, lengths), exact, atol=1e-12, rtol=0)
    assert executor.jobs == [[1, 1, 1]]
    readouts = model(x, lengths=lengths)[1].readouts
    model.executor = CountingExecutor(shrink, "simulator")
    _, state = model(x, lengths=lengths)
    assert_close(state.readouts, 0.8 * readouts)
    carried = model(x[:, :2], state)
    assert carried[1].readouts.requires_grad


def test_executors_without_dynamic_circuits_are_refused() -> None:
    model = make_model()
    model.executor = SimulatorExecutor(gradient="spsa")
    with pytest.raises(ValueError, match="'simulator' runs none"):
        model(make_inputs(1, 1))


def test_coordinates_apply_only_to_measured_mode() -> None:
    model = QRNN(2, 2, dtype=torch.float64)
    executor = SimulatorExecutor(gradient="coordinates")
    message = r"readout='measured'.*parameter-shift, spsa"
    with pytest.raises(GradientError, match=message):
        model.executor = executor
    executor.gradient = None
    model.executor = executor
    executor.gradient = "coordinates"
    with pytest.raises(GradientError, match=message):
        model(make_inputs(1, 2))
