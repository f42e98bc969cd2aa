"""The calibration of the qubits in use: recorded with a run, and compared with a later one."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from qiskit.circuit import QuantumCircuit
from qiskit.transpiler import Target

from circuits.errors import InvalidValueError
from runtime_jobs.device_names import DeviceError, parse_device_name, shorten_target
from runtime_jobs.hardware.targets import DEAD_ERROR, coupler_errors, error_of

__all__ = ["Change", "TrainedLayout", "find_trained_layout", "read_errors"]

Errors = dict[str, dict[str, float]]

_COUPLER, _READOUT, _GATE, _T1, _T2 = "two-qubit error", "readout error", "sx error", "T1", "T2"


def read_errors(target: Target, qubits: Sequence[int]) -> Errors:
    """Read the errors of some qubits and of the couplers between them, as plain JSON values.

    Args:
        target: The whole device.
        qubits: Physical qubits.

    Returns:
        By kind, then by place ("144", or "143-144" for a coupler): errors from 0 to 1, and T1 and
        T2 in seconds where the device gives them. Dead couplers are left out.
    """
    inside = set(qubits)
    errors: Errors = {
        _COUPLER: {
            f"{low}-{high}": error
            for (low, high), error in sorted(coupler_errors(target).items())
            if {low, high} <= inside
        },
        _READOUT: {str(q): error_of(target, "measure", (q,)) for q in qubits},
        _GATE: {},
    }
    if "sx" in target.operation_names:
        errors[_GATE] = {str(q): error_of(target, "sx", (q,)) for q in qubits}
    for kind, name in ((_T1, "t1"), (_T2, "t2")):
        properties = target.qubit_properties or [None] * target.num_qubits
        times = {str(q): getattr(properties[q], name, None) for q in qubits}
        errors[kind] = {place: float(time) for place, time in times.items() if time}
    return errors


@dataclass(frozen=True)
class Change:
    """The change of one kind of error between two calibrations.

    Attributes:
        kind: Such as "readout error" or "T1" (seconds).
        before, now: Medians over the places that both calibrations have.
        worst: The place that became worse by the largest factor.
        factor: That factor, above 1 if the place is worse now; infinite if it no longer works.
    """

    kind: str
    before: float
    now: float
    worst: str
    factor: float

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Change:
        """Return the change of one entry of :meth:`TrainedLayout.to_dict`."""
        factor = float("inf") if content["factor"] is None else content["factor"]
        return cls(**{**content, "factor": factor})

    @property
    def is_none(self) -> bool:
        """Whether nothing has changed."""
        return self.before == self.now and self.factor == 1

    def describe(self) -> str:
        """Describe the change in one line."""
        before, now = (self._format(value) for value in (self.before, self.now))
        percent = f" ({self.now / self.before - 1:+.0%})" if self.before else ""
        worst = "dead" if self.factor == float("inf") else f"times {self.factor:.2f}"
        verb = "shorter" if self.kind in (_T1, _T2) else "larger"
        text = f"median {self.kind} {before} -> {now}{percent}"
        return text if self.factor <= 1 else f"{text}, on {self.worst} {verb}: {worst}"

    def _format(self, value: float) -> str:
        return f"{value * 1e6:.0f} us" if self.kind in (_T1, _T2) else f"{value:.3%}"


@dataclass(frozen=True)
class TrainedLayout:
    """The physical qubits that a run was trained on, with their calibration at that time.

    Attributes:
        device: Name of the device of the training, such as ``simulator:kingston?noise=2``.
        qubits: The physical qubit of each qubit of the circuits.
        calibration: Date of the calibration and where it comes from.
        noise: Factor on the errors during the training.
        errors: See :func:`read_errors`, without that factor.
    """

    device: str
    qubits: tuple[int, ...]
    calibration: str
    noise: float
    errors: Mapping[str, Mapping[str, float]]

    def fits(self, circuit: QuantumCircuit, target: Target) -> bool:
        """Return whether a circuit has as many qubits, and couplers and readouts still work."""
        if len(self.qubits) != circuit.num_qubits or max(self.qubits) >= target.num_qubits:
            return False
        now = read_errors(target, self.qubits)
        return set(self.errors[_COUPLER]) <= set(now[_COUPLER]) and all(
            error < DEAD_ERROR for error in now[_READOUT].values()
        )

    def compare(self, target: Target) -> list[Change]:
        """Compare the calibration of the training with that of a target, kind by kind."""
        now = read_errors(target, self.qubits)
        changes = []
        for kind, before in self.errors.items():
            shared = [place for place in before if place in now.get(kind, {})]
            if not before or not shared:
                continue
            factors = dict.fromkeys(before, float("inf"))
            factors |= {p: _find_factor(kind, before[p], now[kind][p]) for p in shared}
            worst = max(factors, key=lambda place: factors[place])
            then, today = (statistics.median(e[p] for p in shared) for e in (before, now[kind]))
            changes.append(Change(kind, then, today, worst, factors[worst]))
        return changes

    def to_dict(self, target: Target, patches: Sequence[tuple[int, ...]]) -> dict[str, Any]:
        """Return the comparison with a target as plain JSON values.

        Args:
            target: The whole device with its calibration.
            patches: The physical qubits that are planned, of each copy of a circuit.
        """
        return {
            "device": self.device,
            "qubits": list(self.qubits),
            "calibration": self.calibration,
            "noise": self.noise,
            "is_same_layout": self.qubits in patches,
            "changes": [
                asdict(c) | {"factor": None if c.factor == float("inf") else c.factor}
                for c in self.compare(target)
            ],
        }


def _find_factor(kind: str, before: float, now: float) -> float:
    """Return by what factor a place is worse; a shorter time is worse, a larger error too."""
    worse, better = (before, now) if kind in (_T1, _T2) else (now, before)
    if worse == better:
        return 1.0
    return worse / better if better else float("inf")


def find_trained_layout(provenance: Mapping[str, Any], name: str) -> TrainedLayout | None:
    """Find the qubits of a device that a run was trained on.

    Args:
        provenance: The provenance of the run.
        name: Name of the device without "ibm_".

    Returns:
        Those of the longest circuit; None if the run was not trained on one set of qubits of this
        device, or before calibrations were recorded.
    """
    try:
        device = parse_device_name(provenance.get("device", "simulator"))
    except DeviceError:
        return None  # an executor of the user with a name of its own
    found = [each for each in provenance.get("layouts", ()) if "errors" in each]
    if device.target is None or shorten_target(device.target) != shorten_target(name) or not found:
        return None
    longest = max(found, key=lambda each: each["circuit_seconds"])
    try:
        return TrainedLayout(
            str(device),
            tuple(map(int, longest["qubits"])),
            str(longest["calibration"]),
            float(longest["noise"]),
            {kind: longest["errors"][kind] for kind in (_COUPLER, _READOUT, _GATE, _T1, _T2)},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidValueError(
            f"the layouts in the provenance of the run are damaged ({error!r}); restore "
            "provenance.json from a copy of the run"
        ) from error
