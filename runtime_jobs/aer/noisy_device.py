"""The noisy model of a device: a layout, the target cut down to it, and its noise."""

from __future__ import annotations

from qiskit.circuit import QuantumCircuit
from qiskit.transpiler import Target, generate_preset_pass_manager
from qiskit_aer.noise import NoiseModel
from qiskit_aer.noise.device import basic_device_gate_errors, basic_device_readout_errors

from runtime_jobs.aer.noise import to_kraus
from runtime_jobs.aer.stage import Stage, make_stage
from runtime_jobs.device_names import DeviceError
from runtime_jobs.hardware.layout import Pairs, find_interactions, find_measured
from runtime_jobs.hardware.patches import choose_patches
from runtime_jobs.hardware.targets import cut_target, describe_qubits

__all__ = ["DeviceStages", "build_device_model"]


class DeviceStages:
    """Finds the stage of a circuit on a device; circuits that need the same couplers share one.

    Args:
        name: of the device, for messages.
        target: the whole device.
        noise_scale: s, at least 0: errors are multiplied by s, T1 and T2 divided by it. 0 is the
            circuit of the device without noise.
        patches: copies of a circuit that run side by side.
        spacing: between them, see :func:`runtime_jobs.hardware.patches.choose_patches`.
        patch: which of them this is, counted from 0.
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
    ) -> None:
        self._name = name
        self._target = target
        self._noise_scale = noise_scale
        self._patches = patches
        self._spacing = spacing
        self._patch = patch
        self._translate = make_stage().pass_manager
        self._stages: dict[tuple[int, Pairs, frozenset[int]], Stage] = {}

    def __call__(self, circuit: QuantumCircuit) -> Stage:
        """The stage of ``circuit``; DeviceError where the device lacks qubits or instructions."""
        self._check_instructions(circuit)
        interactions = find_interactions(self._translate.run(circuit))
        key = (circuit.num_qubits, interactions, find_measured(circuit))
        if key not in self._stages:
            self._stages[key] = self._make_stage(*key)
        return self._stages[key]

    def _check_instructions(self, circuit: QuantumCircuit) -> None:
        needed = {"if_else", "reset"} & set(circuit.count_ops())
        missing = sorted(needed - set(self._target.operation_names))
        if missing:
            raise DeviceError(
                f"device {self._name!r} has no {' and no '.join(missing)}, which circuit "
                f"{circuit.name!r} needs; take another device, see 'qrnn devices'"
            )

    def _make_stage(self, num_qubits: int, interactions: Pairs, measured: frozenset[int]) -> Stage:
        chosen = choose_patches(
            self._target,
            num_qubits,
            sorted(interactions),
            self._name,
            measured,
            count=self._patches,
            spacing=self._spacing,
        )
        qubits = chosen[self._patch]
        cut = cut_target(self._target, qubits, self._noise_scale or 1.0)
        return Stage(
            generate_preset_pass_manager(
                optimization_level=2,
                target=cut,
                initial_layout=list(range(num_qubits)),
                approximation_degree=1.0,
                seed_transpiler=0,
            ),
            build_device_model(cut) if self._noise_scale else None,
            f"{self._name} {describe_qubits(self._target, qubits)}",
            qubits,
            cut,
            self._patches,
        )


def build_device_model(target: Target) -> NoiseModel:
    """Depolarizing and thermal noise of all gates and readout errors, from a target's numbers."""
    model = NoiseModel(basis_gates=sorted(target.operation_names))
    for name, qubits, error in basic_device_gate_errors(target=target):
        model.add_quantum_error(to_kraus(error), name, qubits)
    for qubits, error in basic_device_readout_errors(target=target):
        model.add_readout_error(error, qubits)
    return model
