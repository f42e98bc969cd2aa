"""The noisy model of a device: a layout, the target cut down to it, and its noise."""

from __future__ import annotations

from functools import partial
from typing import Any

from qiskit.circuit import QuantumCircuit
from qiskit.transpiler import Target
from qiskit_aer.noise import NoiseModel
from qiskit_aer.noise.device import basic_device_gate_errors, basic_device_readout_errors

from runtime_jobs.aer.noise import to_kraus
from runtime_jobs.aer.stage import Stage
from runtime_jobs.hardware.calibration import read_errors
from runtime_jobs.hardware.chip import Chip
from runtime_jobs.hardware.gates import make_translator
from runtime_jobs.hardware.layout import Pairs, count_measurements, find_interactions, find_measured
from runtime_jobs.hardware.patches import choose_patches
from runtime_jobs.hardware.targets import check_instructions, cut_target, describe_qubits

__all__ = ["DeviceStages", "build_device_model"]


class DeviceStages:
    """Finds the stage of a circuit on a device; circuits that need the same couplers share one.

    Args:
        name: Name of the device, for messages.
        target: The whole device.
        noise_scale: Factor s, at least 0: errors are multiplied by s, T1 and T2 divided by it. 0 is
            the circuit of the device without noise.
        patches: Copies of a circuit that run side by side.
        spacing: Spacing of the patches, see
            :func:`runtime_jobs.hardware.patches.choose_patches`.
        patch: Index of the patch of these stages, counted from 0.
        calibration: Date and origin of the calibration, for the record.
    """

    def __init__(
        self,
        name: str,
        target: Target,
        noise_scale: float = 1.0,
        *,
        patches: int = 1,
        spacing: int = 0,
        patch: int = 0,
        calibration: str = "",
    ) -> None:
        self._name = name
        self._target = target
        self._noise_scale = noise_scale
        self._patches = patches
        self._spacing = spacing
        self._patch = patch
        self._calibration = calibration
        self._translator = make_translator()
        self._stages: dict[tuple[int, Pairs, frozenset[int]], Stage] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the arguments; stages are found anew."""
        make = partial(
            type(self),
            patches=self._patches,
            spacing=self._spacing,
            patch=self._patch,
            calibration=self._calibration,
        )
        return make, (self._name, self._target, self._noise_scale)

    def __call__(self, circuit: QuantumCircuit) -> Stage:
        """Find the stage of ``circuit``.

        Raises:
            DeviceError: The device lacks qubits or instructions.
        """
        check_instructions(self._target, circuit, self._name)
        interactions = find_interactions(self._translator.run(circuit))
        key = (circuit.num_qubits, interactions, find_measured(circuit))
        if key not in self._stages:
            self._stages[key] = self._make_stage(*key, count_measurements(circuit))
        return self._stages[key]

    def _make_stage(
        self,
        num_qubits: int,
        interactions: Pairs,
        measured: frozenset[int],
        measurements: int,
    ) -> Stage:
        chosen = choose_patches(
            self._target,
            num_qubits,
            sorted(interactions),
            self._name,
            measured,
            count=self._patches,
            spacing=self._spacing,
            measurements=measurements,
        )
        qubits = chosen[self._patch]
        scaled = cut_target(self._target, qubits, self._noise_scale or 1.0)
        return Stage(
            # Compiled for the unscaled device: the ISA circuit does not depend on the noise scale.
            pass_manager=Chip(self._name, self._target, qubits).pass_manager,
            noise=build_device_model(scaled) if self._noise_scale else None,
            description=f"{self._name} {describe_qubits(self._target, qubits)}",
            qubits=qubits,
            target=scaled,
            record={
                "calibration": self._calibration,
                "noise": self._noise_scale,
                "errors": read_errors(self._target, qubits),
            },
        )


def build_device_model(target: Target) -> NoiseModel:
    """Build depolarizing and thermal noise of all gates and readout errors from calibration."""
    model = NoiseModel(basis_gates=sorted(target.operation_names))
    for name, qubits, error in basic_device_gate_errors(target=target):
        model.add_quantum_error(to_kraus(error), name, qubits)
    for qubits, error in basic_device_readout_errors(target=target):
        model.add_readout_error(error, qubits)
    return model
