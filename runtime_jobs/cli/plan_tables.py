"""A plan as tables and lines on standard output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from qiskit.transpiler import Target

    from runtime_jobs.hardware.calibration import TrainedLayout
    from runtime_jobs.plan.costs import Plan

__all__ = ["print_others", "print_plan", "print_training"]


def print_plan(plan: Plan, calibration: str) -> None:
    """Print the jobs of a plan, their totals and the assumptions."""
    from rich.console import Console

    from runtime_jobs.cli.console import make_table
    from runtime_jobs.hardware.job_limits import JOB_SECONDS, MARGIN, REP_DELAY_SECONDS
    from runtime_jobs.plan.costs import OPEN_PLAN_SECONDS

    table = make_table(
        "job", "round", "needs job", "PUBs", "circuits", "executions", "QPU s", "limit s"
    )
    for job in _shorten(plan):
        table.add_row(*job)
    Console().print(table)
    nearest = max(plan.jobs, key=lambda job: job.share)
    lines = [
        f"{plan.device}, {_name_patches(plan)}, {calibration}",
        f"{plan.sequences} sequences, {plan.shots} shots: {len(plan.jobs)} jobs, "
        f"{plan.circuits:,} circuits, {plan.executions:,} executions",
        f"longest circuit: {plan.two_qubit_gates} two-qubit gates, two-qubit depth "
        f"{plan.two_qubit_depth}, {plan.duration * 1e6:.2f} us{_compare_coherence(plan)}, "
        f"{plan.broadcasts:.0f} broadcasts",
        f"closest limit of the service: {nearest.nearest_limit.replace('_', ' ')}, "
        f"{nearest.share:.1%} used by job {nearest.number}",
        f"QPU time {plan.qpu_seconds:.1f} s = {JOB_SECONDS:g} s per job + "
        f"({REP_DELAY_SECONDS * 1e6:.0f} us + circuit duration) x executions",
        f"price {plan.price:.2f} {plan.currency} at {plan.price_per_second:.2f} per second",
        f"cap: --max-qpu-seconds {plan.reserved_seconds} admits all jobs (a job "
        f"is cancelled after {MARGIN:g} times its estimate, and charged until then)",
        f"Open plan: {plan.qpu_seconds / OPEN_PLAN_SECONDS:.0%} of its {OPEN_PLAN_SECONDS} s in "
        "28 days",
    ]
    typer.echo("\n".join(lines))


def print_training(layout: TrainedLayout, target: Target, plan: Plan) -> None:
    """Print the qubits that the run was trained on, and what has changed on them since."""
    qubits = "-".join(map(str, layout.qubits))
    noise = "" if layout.noise == 1 else f", errors times {layout.noise:g}"
    lines = [f"trained on {layout.device}: qubits {qubits}, {layout.calibration}{noise}"]
    if layout.qubits not in plan.patches:
        reason = "several patches" if len(plan.patches) > 1 else "some no longer work"
        lines.append(f"  the plan takes other qubits ({reason})")
    changes = layout.compare(target)
    if all(change.is_none for change in changes):
        lines.append("  the calibration of these qubits is the same")
    else:
        lines += [f"  {change.describe()}" for change in changes]
    typer.echo("\n".join(lines))


def _name_patches(plan: Plan) -> str:
    """Name the qubits of the copies of a circuit that run side by side."""
    qubits = ", ".join("-".join(map(str, patch)) for patch in plan.patches)
    count = len(plan.patches)
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


def print_others(plans: dict[str, Plan]) -> None:
    """Print the alternatives to a plan for the same sequences, one per row."""
    from rich.console import Console

    from runtime_jobs.cli.console import make_table

    table = make_table(
        "alternative", "patches", "jobs", "executions", "longest circuit", "QPU s", "price"
    )
    for name, other in plans.items():
        table.add_row(
            name,
            str(len(other.patches)),
            str(len(other.jobs)),
            f"{other.executions:,}",
            f"{other.duration * 1e6:.2f} us",
            f"{other.qpu_seconds:,.1f}",
            f"{other.price:,.2f} {other.currency}",
        )
    Console().print(table)
    typer.echo(
        "model.readout=measured runs one dynamic circuit per sequence, expectation a replay of "
        "prefixes; the two modes need separate training"
    )
