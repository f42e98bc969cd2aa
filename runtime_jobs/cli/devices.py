"""``qrnn devices``: the devices that run circuits, and the quality of their qubits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runtime_jobs.cli.options import Spacing, parse_count
from runtime_jobs.device_names import DeviceError
from runtime_jobs.runs.opening import find_target, open_trained_run

if TYPE_CHECKING:
    from qiskit.transpiler import Target

    from runtime_jobs.ibm.service import Service

__all__ = ["EXAMPLES", "devices"]

EXAMPLES = """\b
Examples:
  qrnn devices
  qrnn devices kingston --qubits 8
  qrnn devices --for runs/a            compare all devices for a trained run
  qrnn devices --live                  the backends of your account, with their queues
  qrnn devices kingston --qubits 4 --patches --spacing 1
"""

_ALWAYS = {
    "simulator": "exact compiled simulator; the default",
    "simulator:NAME": "exact noisy model of one of the devices below, with its exact gradient",
    "aer": "Qiskit Aer, exact; ?shots=N samples; noise=gate1:P,gate2:P,readout:P adds errors",
}


def devices(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Show the best qubits of this device.")
    ] = None,
    qubits: Annotated[
        int, typer.Option(metavar="N", parser=parse_count, help="Number of qubits in the line.")
    ] = 4,
    run: Annotated[
        Path | None,
        typer.Option("--for", metavar="DIR", help="Compare devices for this trained run."),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Use today's calibration, through your account.")
    ] = False,
    patches: Annotated[
        bool, typer.Option("--patches", help="Show all lines of good qubits that fit side by side.")
    ] = False,
    spacing: Spacing = 0,
) -> None:
    """List the devices that can run circuits. With NAME, show the qubits that would be used.

    The aer:NAME devices are noisy models of IBM processors, made from calibration snapshots on this
    machine. simulator:NAME simulates the same models exactly, up to 7 qubits, many times faster and
    with the exact gradient for 'qrnn train'. Options follow the name, as in
    'aer:kingston?shots=4096&seed=1': shots, seed, noise (a factor on all errors), mitigation
    (readout, zne or readout+zne), patches (sequences side by side) and spacing (between the
    patches).
    """
    service = None
    if live:
        from runtime_jobs.ibm.service import Service

        service = Service()
    if run is not None:
        _compare(run, _list_names(service) if name is None else [name], service)
    elif name is not None:
        short = _shorten(name)
        target, calibration = find_target(short, service)
        if patches:
            _show_patches(short, target, qubits, spacing)
        else:
            _show(short, target, qubits, calibration)
    else:
        _list(service)


def _list_names(service: Service | None) -> list[str]:
    """Return the backends of the account, or the snapshots on this machine without one."""
    from runtime_jobs.hardware.snapshots import list_local_devices

    account = service.list_backends() if service else []
    return [backend.name for backend in account] or [*list_local_devices()]


def _list(service: Service | None) -> None:
    """Print the backends of the account, or the devices on this machine without one."""
    from rich.console import Console

    from runtime_jobs.cli.console import make_table
    from runtime_jobs.hardware.snapshots import find_caveat, list_local_devices

    if service is not None:
        table = make_table("device", "qubits", "state", "jobs in the queue", "calibrated")
        for found in service.list_backends():
            table.add_row(
                f"ibm:{_shorten(found.name)}",
                str(found.num_qubits),
                found.state,
                str(found.pending),
                found.calibration,
            )
    else:
        table = make_table("device", "description")
        for device, meaning in _ALWAYS.items():
            table.add_row(device, meaning)
        for device, size in list_local_devices().items():
            caveat = find_caveat(device)
            meaning = f"noisy model of {size} qubits, with dynamic circuits"
            table.add_row(f"aer:{device}", f"{meaning}; {caveat}" if caveat else meaning)
    Console().print(table)


def _shorten(name: str) -> str:
    return name.rpartition(":")[2].removeprefix("ibm_")


def _compare(path: Path, names: list[str], service: Service | None) -> None:
    """Print, for each device, the errors of the qubits of a run and the circuit duration."""
    from rich.console import Console
    from rich.progress import track

    from qrnn_qiskit.training.loading import load
    from runtime_jobs.cli.console import make_table
    from runtime_jobs.hardware.snapshots import find_caveat
    from runtime_jobs.hardware.targets import median_errors
    from runtime_jobs.pricing.work import find_work

    trained = load(open_trained_run(path).path)
    table = make_table("device", "qubits", "2q error", "readout", "duration", "of T1", "of T2")
    for column in table.columns:
        column.no_wrap = True
    console = Console(stderr=True)
    for name in track(names, "compiling", console=console, disable=not console.is_terminal):
        short = _shorten(name)
        target, _ = find_target(short, service)
        try:
            work = find_work(trained, short, target, 1, training=False)
        except DeviceError:  # too small for the run
            continue
        plan, qubits = work.plan(shots=1), work.packing.patches[0]
        couplers, readout = median_errors(target, qubits)
        table.add_row(
            f"{short}*" if service is None and find_caveat(short) else short,
            "-".join(map(str, qubits)),
            "" if couplers is None else f"{couplers:.2%}",
            f"{readout:.2%}",
            f"{plan.duration * 1e6:.1f} us",
            "" if plan.t1 is None else f"{plan.duration / plan.t1:.1%}",
            "" if plan.t2 is None else f"{plan.duration / plan.t2:.1%}",
        )
    Console().print(table)
    if service is None:
        for short in filter(find_caveat, map(_shorten, names)):
            typer.echo(f"* {short}: {find_caveat(short)}")


def _show(name: str, target: Target, num_qubits: int, calibration: str) -> None:
    from rich.console import Console

    from circuits.validation import require_count
    from runtime_jobs.cli.console import make_table
    from runtime_jobs.hardware.layout import choose_layout
    from runtime_jobs.hardware.targets import coupler_errors, describe_qubits, error_of

    require_count("qubits", num_qubits)
    line = [(q, q + 1) for q in range(num_qubits - 1)]
    layout = choose_layout(target, num_qubits, line, name)
    couplers = coupler_errors(target)
    table = make_table("qubit", "readout error", "T1 (us)", "T2 (us)", "two-qubit error to next")
    for qubit, after in zip(layout, [*layout[1:], None], strict=True):
        times = target.qubit_properties[qubit]
        pair = None if after is None else (min(qubit, after), max(qubit, after))
        table.add_row(
            str(qubit),
            f"{error_of(target, 'measure', (qubit,)):.2%}",
            f"{times.t1 * 1e6:.0f}",
            f"{times.t2 * 1e6:.0f}",
            f"{couplers[pair]:.2%}" if pair in couplers else "",
        )
    Console().print(table)
    typer.echo(
        f"{name} of {target.num_qubits} qubits, {calibration}: {describe_qubits(target, layout)}"
    )


def _show_patches(name: str, target: Target, num_qubits: int, spacing: int) -> None:
    from circuits.validation import require_count
    from runtime_jobs.hardware.patches import list_patches
    from runtime_jobs.hardware.targets import describe_qubits

    require_count("qubits", num_qubits)
    line = [(q, q + 1) for q in range(num_qubits - 1)]
    found = list_patches(target, num_qubits, line, name, spacing=spacing)
    typer.echo(
        f"{name} of {target.num_qubits} qubits: {len(found)} disjoint lines of {num_qubits} good "
        f"qubits, spacing {spacing}, best first"
    )
    for patch in found:
        typer.echo(describe_qubits(target, patch))
