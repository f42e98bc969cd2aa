"""Calibration of a device, and targets cut down to the qubits in use with scaled noise."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from qiskit.circuit import QuantumCircuit
from qiskit.transpiler import InstructionProperties, QubitProperties, Target

from runtime_jobs.device_names import DeviceError

__all__ = [
    "DEAD_ERROR",
    "check_instructions",
    "coherence_of",
    "coupler_errors",
    "cut_target",
    "decay_rate",
    "describe_qubits",
    "duration_of",
    "error_of",
    "median_errors",
]

# Aer does not run the first two. The rzz of a device takes angles from 0 to pi/2 only, but
# parameters and their shifts leave that range, so it is compiled to the other two-qubit gate.
_LEFT_OUT = {"measure_2", "reset_2", "rzz"}
DEAD_ERROR = 0.5  # a gate or readout that errs this often carries no information


def check_instructions(target: Target, circuit: QuantumCircuit, name: str) -> None:
    """Check that a device has the instructions that dynamic circuits need.

    Raises:
        DeviceError: It has no ``if_else`` or no ``reset``, and the circuit needs it.
    """
    needed = {"if_else", "reset"} & set(circuit.count_ops())
    missing = sorted(needed - set(target.operation_names))
    if missing:
        raise DeviceError(
            f"device {name!r} has no {' and no '.join(missing)}, which circuit {circuit.name!r} "
            "needs; use another device, see 'qrnn devices'"
        )


def error_of(target: Target, name: str, qubits: tuple[int, ...]) -> float:
    """Error of an instruction: 0 where the device gives none, 1 where the instruction is missing.

    A device leaves out the instructions of qubits that have become faulty.
    """
    found = target[name] if name in target.operation_names else {}
    if qubits not in found and None not in found:
        return 1.0
    properties = found.get(qubits)
    return 0.0 if properties is None or properties.error is None else float(properties.error)


def duration_of(target: Target, name: str, qubits: tuple[int, ...]) -> float:
    """Duration of an instruction in seconds, 0 where the device gives none."""
    properties = target[name].get(qubits) if name in target.operation_names else None
    return 0.0 if properties is None or properties.duration is None else float(properties.duration)


def decay_rate(target: Target, qubit: int) -> float:
    """Average infidelity per second of an idle qubit; 0 where T1 and T2 are unknown."""
    (properties,) = _properties(target, [qubit])
    relaxation, dephasing = (1.0 / time if time else 0.0 for time in (properties.t1, properties.t2))
    return relaxation / 6 + dephasing / 3


def coherence_of(target: Target, qubit: int) -> float:
    """Return the shorter of T1 and T2 of a qubit in seconds; infinite where both are unknown."""
    (properties,) = _properties(target, [qubit])
    return min((time for time in (properties.t1, properties.t2) if time), default=math.inf)


def coupler_errors(target: Target) -> dict[tuple[int, int], float]:
    """Least error of a two-qubit gate on each pair (low, high), without dead couplers."""
    errors: dict[tuple[int, int], float] = {}
    for name in target.operation_names:
        for qubits in target[name]:
            if qubits is not None and len(qubits) == 2:
                error = error_of(target, name, qubits)
                pair = (min(qubits), max(qubits))
                if error < min(DEAD_ERROR, errors.get(pair, DEAD_ERROR)):
                    errors[pair] = error
    return errors


def cut_target(target: Target, qubits: Sequence[int], noise_scale: float = 1.0) -> Target:
    """Cut a target down to some qubits, which are counted from 0 in the result.

    The whole noise model of a large device takes seconds at every call; that of the qubits in use
    takes a negligible time. Dead couplers and the instructions ``measure_2``, ``reset_2`` and
    ``rzz`` are left out.

    Args:
        target: The device.
        qubits: Qubits in use, in the order of their new numbers.
        noise_scale: Factor s > 0: errors are multiplied by s, up to 0.5; T1 and T2 are divided by
            it.
    """
    index = {qubit: k for k, qubit in enumerate(qubits)}
    alive = coupler_errors(target)
    cut = Target(
        num_qubits=len(qubits),
        dt=target.dt,
        qubit_properties=_scale_coherence(target, qubits, noise_scale),
    )
    for name in sorted(set(target.operation_names) - _LEFT_OUT):
        operation = target.operation_from_name(name)
        found = target[name]
        if None in found:  # control flow is not tied to qubits
            cut.add_instruction(operation, name=name)
            continue
        kept = {
            tuple(index[q] for q in where): _scale_error(properties, noise_scale)
            for where, properties in found.items()
            if set(where) <= set(index) and (len(where) != 2 or tuple(sorted(where)) in alive)
        }
        if kept:
            cut.add_instruction(operation, kept, name=name)
    return cut


def median_errors(target: Target, qubits: Sequence[int]) -> tuple[float | None, float]:
    """Median two-qubit error, None where no coupler joins the qubits, and median readout error."""
    couplers = [e for pair, e in coupler_errors(target).items() if set(pair) <= set(qubits)]
    readout = statistics.median(error_of(target, "measure", (q,)) for q in qubits)
    return statistics.median(couplers) if couplers else None, readout


def describe_qubits(target: Target, qubits: Sequence[int]) -> str:
    """Describe the quality of some qubits in one line: median errors, T1 and T2."""
    parts = [f"qubits {'-'.join(map(str, qubits))}"]
    couplers, readout = median_errors(target, qubits)
    if couplers is not None:
        parts.append(f"two-qubit error {couplers:.2%}")
    parts.append(f"readout error {readout:.2%}")
    for name in ("t1", "t2"):
        times = [getattr(p, name) for p in _properties(target, qubits) if getattr(p, name)]
        if times:
            parts.append(f"{name.upper()} {statistics.median(times) * 1e6:.0f} us")
    return f"{parts[0]}: median {', '.join(parts[1:])}"


def _properties(target: Target, qubits: Sequence[int]) -> list[QubitProperties]:
    if target.qubit_properties is None:
        return [QubitProperties()] * len(qubits)
    return [target.qubit_properties[q] or QubitProperties() for q in qubits]


def _scale_coherence(
    target: Target, qubits: Sequence[int], noise_scale: float
) -> list[QubitProperties]:
    return [
        QubitProperties(
            t1=None if p.t1 is None else p.t1 / noise_scale,
            t2=None if p.t2 is None else p.t2 / noise_scale,
            frequency=p.frequency,
        )
        for p in _properties(target, qubits)
    ]


def _scale_error(
    properties: InstructionProperties | None, noise_scale: float
) -> InstructionProperties | None:
    if properties is None or properties.error is None:
        return properties
    return InstructionProperties(
        duration=properties.duration, error=min(DEAD_ERROR, properties.error * noise_scale)
    )
