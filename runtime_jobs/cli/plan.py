"""``qrnn plan``: what a run takes on a QPU, before anything is sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from runtime_jobs.cli.options import (
    Gradient,
    Patches,
    QpuName,
    QpuSequences,
    QpuShots,
    RunPath,
    Spacing,
    TrainSteps,
    find_target,
    open_trained_run,
)
from runtime_jobs.devices import DeviceError, parse_device_name

if TYPE_CHECKING:
    from qrnn_qiskit.gradients import GradientMethod
    from runtime_jobs.device_names import DeviceName
    from runtime_jobs.plan.costs import Plan
    from runtime_jobs.plan.work import Work

__all__ = ["EXAMPLES", "plan", "print_plan", "read_request"]

EXAMPLES = """\b
Examples:
  qrnn plan runs/a --on ibm:kingston --sequences 100 --shots 1000
  qrnn plan runs/a --on ibm:kingston --sequences 100 --shots 1000 --patches 20
  qrnn plan runs/a --on ibm:kingston --shots 1000 --train-steps 3 --gradient spsa
"""


def plan(
    folder: RunPath,
    on: QpuName,
    shots: QpuShots = None,
    sequences: QpuSequences = None,
    train_steps: TrainSteps = None,
    gradient: Gradient = None,
    patches: Patches = 1,
    spacing: Spacing = 0,
    live: Annotated[
        bool, typer.Option("--live", help="With today's calibration, asked of the account.")
    ] = False,
    usd_per_second: Annotated[
        float, typer.Option(metavar="PRICE", help="Of a second of QPU time.")
    ] = 1.60,
    currency: Annotated[str, typer.Option(metavar="NAME", help="Of that price.")] = "USD",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead of the tables.")
    ] = False,
) -> None:
    """Plan a run on a QPU: jobs, circuits, executions, duration, QPU seconds, price.

    Runs nothing and needs no account: the calibration snapshot of the device on this machine is
    used, unless --live asks for today's.
    """
    device, method = read_request(on, shots, train_steps, gradient)
    if not usd_per_second >= 0:
        raise typer.BadParameter(f"--usd-per-second is {usd_per_second}; at least 0 is required")
    run = open_trained_run(folder)
    from qrnn_qiskit.loading import load
    from runtime_jobs.plan.work import find_work

    assert device.target is not None
    assert device.shots is not None
    trained = load(run.path)
    service = None
    if live:
        from runtime_jobs.ibm.service import Service

        service = Service()
    target, calibration = find_target(device.target, service)
    work = find_work(
        trained,
        device.target,
        target,
        sequences,
        bool(train_steps),
        patches=patches,
        spacing=spacing,
    )

    def make(work: Work, method: GradientMethod | None = method) -> Plan:
        assert device.shots is not None
        return work.plan(
            device.shots,
            train_steps=train_steps or 0,
            gradient=method,
            price_per_second=usd_per_second,
            currency=currency,
        )

    made = make(work)
    packed = make(work.pack_best(method) if patches == 1 else work.repack(1))
    # One patch is the best packing where a second one costs too much of the coherence.
    others = {
        f"--patches {len(plan.patches)}": plan
        for plan in (packed,)
        if len(plan.patches) != len(made.patches)
    } | {
        f"model.readout={mode}": make(work.in_mode(mode), other)
        for mode, other in _list_modes(work, method)
    }
    if method is not None:
        others |= {
            f"--gradient '{other}'": make(work, other) for other in _list_methods(work, method)
        }
    if as_json:
        instead = {name: other.to_dict() for name, other in others.items()}
        typer.echo(json.dumps(made.to_dict() | {"instead": instead}, allow_nan=False))
        return
    print_plan(made, calibration)
    _print_others(others)


def _list_modes(
    work: Work, method: GradientMethod | None
) -> list[tuple[str, GradientMethod | None]]:
    """Replay beside dynamic circuits: the other mode, and the method of the gradient for it."""
    if work.qrnn.measurement is None:
        return [("measured", method)]
    from qrnn_qiskit.gradients import GradientMethod

    if method is not None and method.name == "coordinates":  # of dynamic circuits alone
        method = GradientMethod("spsa", draws=method.draws)
    return [("expectation", method)]


def _list_methods(work: Work, method: GradientMethod) -> list[GradientMethod]:
    """Other methods of the gradient for the same steps."""
    from qrnn_qiskit.gradients import GradientMethod

    others = [GradientMethod("spsa"), GradientMethod("parameter-shift")]
    if work.qrnn.measurement is not None:
        others.append(GradientMethod("coordinates"))
    return [other for other in others if other.name != method.name]


def _print_others(plans: dict[str, Plan]) -> None:
    """What the same sequences take otherwise, a row each."""
    from rich.console import Console

    from runtime_jobs.cli.tables import make_table

    table = make_table(
        "instead", "patches", "jobs", "executions", "longest circuit", "QPU s", "price"
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
        "model.readout=measured is one dynamic circuit a sequence, expectation a replay of "
        "prefixes; each has weights of its own"
    )


def read_request(
    on: str, shots: int | None, train_steps: int | None, gradient: str | None
) -> tuple[DeviceName, GradientMethod | None]:
    """The QPU with its shots, and the method of the gradient where steps of training are asked for.

    Raises:
        DeviceError: no QPU, or none named, or shots are missing.
        ValueError: training without a gradient, or the other way round.
    """
    from qrnn_qiskit.gradients import parse_gradient
    from runtime_jobs.device_names import merge_options

    device = merge_options(parse_device_name(on), shots, None)
    if device.name != "ibm" or device.target is None:
        raise DeviceError(
            f"device {on!r} arrived; a QPU is required, such as ibm:kingston. Devices on this "
            "machine cost nothing: 'qrnn evaluate' runs on them at once"
        )
    if set(device.options()) - {"shots"}:
        raise DeviceError(
            f"device '{device}': the name of a QPU takes shots alone; seed, noise and mitigation "
            "are of local devices, patches and spacing are options (--patches, --spacing)"
        )
    if device.shots is None:
        raise DeviceError(f"device '{device}': shots are missing; give --shots, for example 1000")
    if train_steps is not None and train_steps < 1:
        raise ValueError(f"--train-steps is {train_steps}; at least 1 is required")
    if (train_steps is None) != (gradient is None):
        raise ValueError(
            "--train-steps and --gradient belong together: give both for training, such as "
            "--train-steps 3 --gradient spsa, and none for inference"
        )
    return device, None if gradient is None else parse_gradient(gradient)


def print_plan(plan: Plan, calibration: str) -> None:
    """Print the jobs of a plan, its sums and its assumptions."""
    from rich.console import Console

    from runtime_jobs.cli.tables import make_table
    from runtime_jobs.plan.costs import OPEN_PLAN_SECONDS
    from runtime_jobs.plan.limits import JOB_SECONDS, MARGIN, REP_DELAY_SECONDS

    table = make_table("job", "does", "after", "PUBs", "circuits", "executions", "QPU s", "at most")
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
        f"nearest limit of the service: {nearest.nearest_limit.replace('_', ' ')}, "
        f"{nearest.share:.1%} of it in job {nearest.number}",
        f"QPU time {plan.qpu_seconds:.1f} s = {JOB_SECONDS:g} s for each job + "
        f"({REP_DELAY_SECONDS * 1e6:.0f} us + length of the circuit) x executions",
        f"price {plan.price:.2f} {plan.currency} at {plan.price_per_second:.2f} a second",
        f"cap: --max-qpu-seconds {plan.reserved_seconds} admits all jobs (each is cancelled, but "
        f"charged, at {MARGIN:g} times its estimate)",
        f"Open plan: {plan.qpu_seconds / OPEN_PLAN_SECONDS:.0%} of its {OPEN_PLAN_SECONDS} s in "
        "28 days",
    ]
    typer.echo("\n".join(lines))


def _name_patches(plan: Plan) -> str:
    """The qubits of the copies of a circuit that run side by side."""
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
