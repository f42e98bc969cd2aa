"""``qrnn devices``: where circuits can run, and how good the qubits are."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime_jobs.cli.options import Spacing, parse_count

__all__ = ["EXAMPLES", "devices"]

EXAMPLES = """\b
Examples:
  qrnn devices
  qrnn devices kingston --qubits 8
  qrnn devices kingston --qubits 4 --patches --spacing 1
"""

_ALWAYS = {
    "simulator": "compiled, exact; the default",
    "aer": "Qiskit Aer, exact; with ?shots=N sampled; noise=gate1:P,gate2:P,readout:P adds errors",
}


def devices(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Show the good qubits of this device.")
    ] = None,
    qubits: Annotated[
        int, typer.Option(metavar="N", parser=parse_count, help="Length of the line of qubits.")
    ] = 4,
    patches: Annotated[
        bool, typer.Option("--patches", help="Show all lines that fit side by side.")
    ] = False,
    spacing: Spacing = 0,
) -> None:
    """List where circuits can run. With NAME, the line of qubits that would be used.

    Devices are calibration snapshots, run as noisy models on this machine. Options follow the name:
    shots, seed, noise (a factor on all errors), mitigation (readout, zne or readout+zne),
    patches (sequences side by side) and the spacing between them.
    """
    from rich.console import Console

    from runtime_jobs.cli.tables import make_table
    from runtime_jobs.local_devices import list_local_devices

    if name is not None:
        if patches:
            _show_patches(name.rpartition(":")[2], qubits, spacing)
        else:
            _show(name.rpartition(":")[2], qubits)
        return
    table = make_table("device", "what it is")
    for device, meaning in _ALWAYS.items():
        table.add_row(device, meaning)
    for device, size in list_local_devices().items():
        table.add_row(f"aer:{device}", f"noisy model of {size} qubits, dynamic circuits")
    Console().print(table)


def _show(name: str, num_qubits: int) -> None:
    from rich.console import Console

    from circuits.validation import require_count
    from runtime_jobs.cli.tables import make_table
    from runtime_jobs.layout import choose_layout
    from runtime_jobs.local_devices import open_target
    from runtime_jobs.targets import coupler_errors, describe_qubits, error_of

    require_count("qubits", num_qubits)
    target = open_target(name)
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
    typer.echo(f"{name} of {target.num_qubits} qubits, {describe_qubits(target, layout)}")


def _show_patches(name: str, num_qubits: int, spacing: int) -> None:
    from circuits.validation import require_count
    from runtime_jobs.local_devices import open_target
    from runtime_jobs.patches import list_patches
    from runtime_jobs.targets import describe_qubits

    require_count("qubits", num_qubits)
    target = open_target(name)
    line = [(q, q + 1) for q in range(num_qubits - 1)]
    found = list_patches(target, num_qubits, line, name, spacing=spacing)
    typer.echo(
        f"{name} of {target.num_qubits} qubits: {len(found)} disjoint lines of {num_qubits} good "
        f"qubits with a spacing of {spacing}, the best first"
    )
    for patch in found:
        typer.echo(describe_qubits(target, patch))
