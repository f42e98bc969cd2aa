"""Faster measurements in the middle of a circuit, where a device has them."""

from __future__ import annotations

from qiskit.circuit import QuantumCircuit
from qiskit.transpiler import PassManager, Target
from qiskit_ibm_runtime.transpiler.passes import ConvertToMidCircuitMeasure

__all__ = ["speed_up_measurements"]

_FAST_MEASUREMENT = "measure_2"


def speed_up_measurements(circuit: QuantumCircuit, target: Target) -> QuantumCircuit:
    """The circuit with ``measure_2`` in place of the measurements that are not its last.

    It takes 1.3 to 1.8 us instead of 2.2 to 2.6 us on the devices that have it; on others the
    circuit comes back as it is. The last step before a submission: local simulators do not run it.

    Args:
        circuit: compiled for the device, on its physical qubits.
        target: the device.
    """
    if _FAST_MEASUREMENT not in target.operation_names:
        return circuit
    converted: QuantumCircuit = PassManager(
        [ConvertToMidCircuitMeasure(target, _FAST_MEASUREMENT)]
    ).run(circuit)
    return converted
