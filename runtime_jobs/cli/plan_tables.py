"""A plan as tables and lines on standard output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from runtime_jobs.plan.costs import Plan
    from runtime_jobs.plan.terms import Terms

__all__ = ["print_others", "print_plan"]


def print_plan(plan: Plan, calibration: str, terms: Terms) -> None:
    """Print the jobs of a plan, their totals and the assumptions."""
    from rich.console import Console

    from runtime_jobs.cli.console import make_table
    from runtime_jobs.hardware.job_limits import JOB_SECONDS, MARGIN

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
        f"{plan.two_qubit_depth}, {plan.duration * 1e6:.2f} us{_compare_coherence(plan)}"
        f"{_compare_branches(plan, terms)}, "
        f"{plan.broadcasts:.0f} broadcasts",
        f"closest limit of the service: {nearest.nearest_limit.replace('_', ' ')}, "
        f"{nearest.share:.1%} used by job {nearest.number}",
        f"QPU time {plan.qpu_seconds:.1f} s = {JOB_SECONDS:g} s per job + "
        f"({plan.rep_delay * 1e6:g} us + circuit duration) x executions",
        *_compare_delays(plan),
        f"price {plan.price:.2f} {plan.currency} at {plan.price_per_second:.2f} per second",
        f"cap: --max-qpu-seconds {plan.reserved_seconds} admits all jobs (a job "
        f"is cancelled after {MARGIN:g} times its estimate, and charged until then)",
        f"limits of the service: {terms.source}, of {terms.date}",
        *_compare_allowance(plan, terms),
    ]
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


def _compare_branches(plan: Plan, terms: Terms) -> str:
    """Return the longer duration where branches on disjoint qubits matter."""
    if plan.duration == plan.serial_duration and not terms.limits.serial_branches:
        return ""
    if terms.limits.serial_branches:
        return " with branches one after another"
    return f" ({plan.serial_duration * 1e6:.2f} us if branches ran one after another)"


def _compare_delays(plan: Plan) -> list[str]:
    """List seconds and price at the delays of the device, and the risk of a shorter one."""
    from runtime_jobs.hardware.repetition import share_left

    delays = plan.delays
    if delays.shortest == delays.longest:
        return []
    named = {"default": delays.default, "chosen": plan.rep_delay, "shortest": delays.shortest}
    parts = []
    for name, delay in named.items():
        if name == "chosen" and delay == delays.default:
            continue
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


def _compare_allowance(plan: Plan, terms: Terms) -> list[str]:
    if not terms.allowance_seconds:
        return []
    return [
        f"allowance: {plan.qpu_seconds / terms.allowance_seconds:.0%} of the "
        f"{terms.allowance_seconds:g} s in {terms.allowance_days:g} days"
    ]


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
