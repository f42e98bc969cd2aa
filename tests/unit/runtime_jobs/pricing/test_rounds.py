from __future__ import annotations

import numpy as np
import pytest
import torch

from qrnn_qiskit import QRNN
from qrnn_qiskit.executors.gradient_methods import parse_gradient
from runtime_jobs import open_device
from runtime_jobs.estimation.mitigation import parse_mitigation
from runtime_jobs.hardware.job_limits import JobLimits
from runtime_jobs.hardware.packing import choose_packing
from runtime_jobs.hardware.snapshots import open_target
from runtime_jobs.pricing.costs import make_plan
from runtime_jobs.pricing.overhead import estimate_overhead
from runtime_jobs.pricing.rounds import list_rounds, longest_circuit

SHOTS = 16


def plan_model(
    model: QRNN,
    ends: list[int],
    gradient: str | None,
    limits: JobLimits | None = None,
    patches: int = 1,
):
    circuit = longest_circuit(model, max(ends))
    packing = choose_packing("kingston", open_target("kingston"), circuit, patches)
    method = None if gradient is None else parse_gradient(gradient)
    rounds = list_rounds(model, packing, np.array(ends), method)
    return make_plan(
        packing,
        [rounds],
        sequences=len(ends),
        shots=SHOTS,
        price_per_second=2.0,
        currency="EUR",
        limits=limits,
    )


@pytest.mark.parametrize("readout", ["expectation", "none", "measured"])
@pytest.mark.parametrize("gradient", [None, "parameter-shift", "spsa?draws=2"])
@pytest.mark.parametrize("observables", [None, "z"])
def test_a_plan_counts_what_a_sampled_device_then_runs(readout, gradient, observables) -> None:
    torch.manual_seed(0)
    model = QRNN(2, 2, readout=readout, observables=observables)
    x, ends = torch.randn(3, 3, 2), [3, 1, 2]
    plan = plan_model(model, ends, gradient)
    model.executor = open_device("aer", shots=SHOTS, seed=0, gradient=gradient)
    if gradient is None:
        with torch.no_grad():
            model(x, lengths=torch.tensor(ends))
    else:
        model(x, lengths=torch.tensor(ends))[0].sum().backward()
    counts = model.executor.counts
    assert len(plan.jobs) == counts.jobs
    assert sum(job.pubs for job in plan.jobs) == counts.pubs
    assert plan.executions == counts.executions


@pytest.mark.parametrize("readout", ["expectation", "measured"])
@pytest.mark.parametrize("gradient", [None, "parameter-shift", "spsa?draws=2"])
@pytest.mark.filterwarnings("ignore::circuits.rules.HardwareRuleWarning")
def test_a_packed_plan_counts_what_patches_then_run(readout, gradient) -> None:
    torch.manual_seed(0)
    model = QRNN(2, 2, readout=readout, observables="z")
    x, ends = torch.randn(5, 2, 2), [2, 1, 2, 2, 2]
    plan = plan_model(model, ends, gradient, patches=3)
    unpacked = plan_model(model, ends, gradient)
    name = f"aer:kingston?noise=0&shots={SHOTS}&seed=0&patches=3"
    model.executor = open_device(name, gradient=gradient)
    if gradient is None:
        with torch.no_grad():
            model(x, lengths=torch.tensor(ends))
    else:
        model(x, lengths=torch.tensor(ends))[0].sum().backward()
    counts = model.executor.counts
    assert len(plan.jobs) == len(unpacked.jobs) == counts.jobs
    assert sum(job.pubs for job in plan.jobs) == counts.pubs
    assert plan.executions == counts.executions < unpacked.executions / 1.5


def test_measured_mode_is_one_job_with_a_broadcast_for_each_step_but_the_last() -> None:
    plan = plan_model(QRNN(1, 2, readout="measured"), [4, 4], None)
    (job,) = plan.jobs
    assert (job.pubs, job.circuits) == (1, 6)
    assert plan.broadcasts == 3
    assert [len(patch) for patch in plan.patches] == [3]  # an ancilla beside the memory


def test_each_job_needs_those_of_the_round_before() -> None:
    model = QRNN(1, 2)
    assert [job.after for job in plan_model(model, [3, 3], None).jobs] == [(), (1,), (2,)]
    # four circuits a job, six circuits a round
    limits = JobLimits(executions=4 * SHOTS)
    plan = plan_model(model, [2, 2], None, limits)
    assert [job.after for job in plan.jobs] == [(), (), (1, 2), (1, 2)]
    assert [job.circuits for job in plan.jobs] == [4, 2, 4, 2]


def test_seconds_and_price_follow_the_formula() -> None:
    plan = plan_model(QRNN(1, 2, observables="z"), [1, 1], None)
    (job,) = plan.jobs
    assert job.seconds == pytest.approx(2.0 + (250e-6 + plan.duration) * 2 * SHOTS)
    assert job.max_execution_time == 4
    assert plan.price == pytest.approx(2.0 * job.seconds)
    assert plan.reserved_seconds == 4


def test_mitigation_adds_a_calibration_rows_and_folded_circuits() -> None:
    model = QRNN(1, 2, readout="measured", ancilla_return="reset")
    packing = choose_packing("kingston", open_target("kingston"), longest_circuit(model, 3))
    mitigation = parse_mitigation("feedforward+zne")
    ends = np.array([3, 3])
    calibration, steps = list_rounds(model, packing, ends, mitigation=mitigation, shots=320)
    assert (calibration.shots, [load.circuits for load in calibration.loads]) == (10_000, [2])
    # Rows of 20 shots for each of two sequences and three bases, in a circuit for each factor.
    assert (steps.shots, [load.circuits for load in steps.loads]) == (20, [16 * 2 * 3] * 3)
    gates = [load.profile.two_qubit_gates for load in steps.loads]
    assert gates == [gates[0], 3 * gates[0], 5 * gates[0]]
    overhead = estimate_overhead(model, packing, mitigation, 3, 320)
    single = estimate_overhead(model, packing, parse_mitigation("zne"), 3, 320)
    assert (overhead.circuits, single.error) == (3, 0.0)
    assert overhead.factor > single.factor == pytest.approx(np.linalg.norm(mitigation.weights))
    assert 0 < overhead.error < 0.1
