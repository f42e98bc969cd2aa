"""A plan as a table and lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from qrnn_qiskit.training.presentation import Shown
from runtime_jobs.hardware.job_limits import JOB_SECONDS, MARGIN
from runtime_jobs.hardware.repetition import share_left

if TYPE_CHECKING:
    from runtime_jobs.pricing.costs import Plan

__all__ = ["describe_others", "describe_plan", "describe_registers"]


def describe_plan(plan: Plan) -> Shown:
    """Describe the jobs of a plan, their totals and the assumptions."""
    header = ["job", "round", "needs job", "PUBs", "circuits", "executions", "QPU s", "limit s"]
    nearest = max(plan.jobs, key=lambda job: job.share)
    lines = [
        ", ".join(part for part in (plan.device, _name_patches(plan), plan.calibration) if part),
        *describe_registers(plan),
        *_describe_training(plan),
        f"{plan.sequences} sequences, {plan.shots} shots: {len(plan.jobs)} jobs, "
        f"{plan.circuits:,} circuits, {plan.executions:,} executions",
        f"longest circuit: {plan.two_qubit_gates} two-qubit gates, two-qubit depth "
        f"{plan.two_qubit_depth}, {plan.duration * 1e6:.2f} us{_compare_coherence(plan)}"
        f"{_compare_branches(plan)}, "
        f"{plan.broadcasts:.0f} broadcasts",
        *_describe_overhead(plan),
        f"closest limit of the service: {nearest.nearest_limit.replace('_', ' ')}, "
        f"{nearest.share:.1%} used by job {nearest.number}",
        f"QPU time {plan.qpu_seconds:.1f} s = {JOB_SECONDS:g} s per job + "
        f"({plan.rep_delay * 1e6:g} us + circuit duration) x executions",
        *_compare_delays(plan),
        f"price {plan.price:.2f} {plan.currency} at {plan.price_per_second:.2f} per second",
        f"cap: --max-qpu-seconds {plan.reserved_seconds} admits all jobs (a job "
        f"is cancelled after {MARGIN:g} times its estimate, and charged until then)",
    ]
    if plan.terms:
        lines.append(f"limits of the service: {plan.terms}")
    if plan.allowance_seconds:
        lines.append(
            f"allowance: {plan.qpu_seconds / plan.allowance_seconds:.0%} of the "
            f"{plan.allowance_seconds:g} s in {plan.allowance_days:g} days"
        )
    return Shown(header, _shorten(plan), lines)


def _describe_overhead(plan: Plan) -> list[str]:
    """Describe what the mitigation costs in standard errors."""
    found = plan.overhead
    if found is None:
        return []
    error = f" +- {found.error:.3f}" if found.error else ""
    circuits = f" and {found.circuits} times as many circuits" if found.circuits > 1 else ""
    most = f"up to {found.factor:.3f}{error} (final readout {found.readout})"
    factor = f"standard errors times {most if found.readout else f'{found.factor:.3f}'}"
    return [f"mitigation {found.mitigation}: {factor}{circuits}"]


def _describe_training(plan: Plan) -> list[str]:
    """Describe the qubits that the run was trained on, and what has changed on them since."""
    trained = plan.trained_on
    if trained is None:
        return []
    from runtime_jobs.hardware.calibration import Change

    qubits = "-".join(map(str, trained["qubits"]))
    noise = "" if trained["noise"] == 1 else f", errors times {trained['noise']:g}"
    lines = [f"trained on {trained['device']}: qubits {qubits}, {trained['calibration']}{noise}"]
    if not trained["is_same_layout"]:
        reason = "several patches" if len(plan.patches) > 1 else "some no longer work"
        lines.append(f"  the plan takes other qubits ({reason})")
    changes = [Change.from_dict(change) for change in trained["changes"]]
    if all(change.is_none for change in changes):
        lines.append("  the calibration of these qubits is the same")
    else:
        lines += [f"  {change.describe()}" for change in changes]
    return lines


def describe_registers(plan: Plan) -> list[str]:
    """Describe the qubits of each of several registers and their errors, one line each."""
    lines = []
    for placed in plan.registers:
        errors = [f"readout error {placed.readout_error:.2%}"]
        if placed.two_qubit_error is not None:
            errors.insert(0, f"two-qubit error {placed.two_qubit_error:.2%}")
        patch = f"patch {placed.patch}, " if len(plan.patches) > 1 else ""
        qubits = "-".join(map(str, placed.qubits))
        lines.append(f"{patch}register {placed.register}: qubits {qubits}, {', '.join(errors)}")
    return lines


def _name_patches(plan: Plan) -> str:
    """Name the qubits of the copies of a circuit that run side by side."""
    count = len(plan.patches)
    if plan.registers:
        each = f"{len(plan.registers) // count} registers on {len(plan.patches[0])} qubits"
        return f"{count} patches side by side, each of {each}" if count > 1 else each
    qubits = ", ".join("-".join(map(str, patch)) for patch in plan.patches)
    return f"{count} patches side by side: {qubits}" if count > 1 else f"qubits {qubits}"


_MOST_ROWS = 20


def _shorten(plan: Plan) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        (
            str(job.number),
            job.round,
            _join_numbers(job.after),
            str(job.pubs),
            f"{job.circuits:,}",
            f"{job.executions:,}",
            f"{job.seconds:.1f}",
            str(job.max_execution_time),
        )
        for job in plan.jobs
    ]
    if len(rows) <= _MOST_ROWS:
        return rows
    half = _MOST_ROWS // 2
    return [*rows[:half], ("...", *[""] * 7), *rows[-half:]]


def _join_numbers(numbers: tuple[int, ...]) -> str:
    ends = dict.fromkeys((numbers[0], numbers[-1])) if numbers else ()
    return "-".join(map(str, ends))


def _compare_coherence(plan: Plan) -> str:
    times = {"T1": plan.t1, "T2": plan.t2}
    parts = [
        f"{plan.duration / value:.1%} of {name} ({value * 1e6:.0f} us)"
        for name, value in times.items()
        if value is not None
    ]
    return " = " + ", ".join(parts) if parts else ""


def _compare_branches(plan: Plan) -> str:
    """Return the longer duration where it matters that branches run at the same time."""
    if plan.serial_branches:
        return " with branches one after another"
    if plan.duration == plan.serial_duration:
        return ""
    return f" ({plan.serial_duration * 1e6:.2f} us if branches ran one after another)"


def _compare_delays(plan: Plan) -> list[str]:
    """List seconds and price at the delays of the device, and the risk of a shorter one."""
    delays = plan.delays
    if delays.shortest == delays.longest:
        return []
    named = {"default": delays.default, "chosen": plan.rep_delay, "shortest": delays.shortest}
    if plan.rep_delay == delays.default:
        del named["chosen"]
    parts = []
    for name, delay in named.items():
        seconds = plan.find_seconds(delay)
        price = f"{seconds * plan.price_per_second:.2f} {plan.currency}"
        parts.append(f"{name} {delay * 1e6:g} us {seconds:.1f} s, {price}")
    lines = [f"repetition delay: {'; '.join(parts)}"]
    if plan.t1 is not None:
        left = ", ".join(
            f"{share_left(delay, plan.t1):.0%} after {delay * 1e6:g} us"
            for delay in sorted(set(named.values()), reverse=True)
        )
        lines.append(
            "a shorter delay leaves qubits less time to relax: of an excitation that the reset "
            f"before an execution misses, {left} are left (T1 {plan.t1 * 1e6:.0f} us)"
        )
    return lines


def describe_others(plans: Mapping[str, Plan]) -> Shown:
    """Describe the alternatives to a plan for the same sequences, one per row."""
    header = ["alternative", "patches", "jobs", "executions", "longest circuit", "QPU s", "price"]
    rows = [
        (
            name,
            str(len(other.patches)),
            str(len(other.jobs)),
            f"{other.executions:,}",
            f"{other.duration * 1e6:.2f} us",
            f"{other.qpu_seconds:,.1f}",
            f"{other.price:,.2f} {other.currency}",
        )
        for name, other in plans.items()
    ]
    note = (
        "model.readout=measured runs one dynamic circuit per sequence, expectation a replay of "
        "prefixes; the two modes need separate training"
    )
    return Shown(header, rows, [note])
