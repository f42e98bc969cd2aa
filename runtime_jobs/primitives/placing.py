"""Circuits compiled for the backend behind a primitive, once for any parameter values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.transpiler import PassManager, Target, generate_preset_pass_manager
from qiskit.transpiler.exceptions import TranspilerError

from circuits.errors import InvalidValueError, OperationError
from qrnn_qiskit.executors import Counts
from runtime_jobs.aer.stage import fingerprint
from runtime_jobs.hardware.gates import GATES, make_translator
from runtime_jobs.hardware.layout import count_measurements, find_interactions, find_measured
from runtime_jobs.hardware.patches import choose_patches
from runtime_jobs.hardware.targets import check_instructions, coupler_errors, cut_target

__all__ = ["Placer", "PrimitiveError", "run_primitive"]


class PrimitiveError(OperationError):
    """A primitive of the user failed; the message has its cause."""


class Placer:
    """Compiles circuits for a target.

    Qubits with calibrated couplers are chosen by their errors, as for the devices of
    ``open_device``. A target with a coupling map only is left to Qiskit's transpiler; without one,
    circuits are translated to its gates and stay as they are.

    Args:
        name: Name of the device, for messages.
        target: The device; None for any gates on fully connected qubits.
        counts: Takes the number of compiled circuits.
    """

    def __init__(self, name: str, target: Target | None, counts: Counts) -> None:
        self._name = name
        self._counts = counts
        self._placed: dict[bytes, QuantumCircuit] = {}
        gates = GATES if target is None else GATES.intersection(target.operation_names)
        self._is_coupled = target is not None and target.build_coupling_map() is not None
        self._translator = make_translator(gates)
        self._is_calibrated = False
        self._target = target
        if target is not None and coupler_errors(target):
            self._is_calibrated = True
            # Without dead couplers, and without rzz, which takes angles from 0 to pi/2 only.
            self._target = cut_target(target, range(target.num_qubits))

    def place(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """Compile a circuit, or return it as it was compiled before.

        Raises:
            DeviceError: The device lacks qubits or instructions.
            ValueError: The circuit cannot be compiled for it.
        """
        key = fingerprint(circuit)
        if key not in self._placed:
            if self._target is not None:
                check_instructions(self._target, circuit, self._name)
            try:
                self._placed[key] = self._make_pass_manager(circuit).run(circuit)
            except TranspilerError as error:
                raise InvalidValueError(
                    f"circuit {circuit.name!r} does not run on {self._name}: {error.message}"
                ) from error
            self._counts.transpilations += 1
        return self._placed[key]

    def _make_pass_manager(self, circuit: QuantumCircuit) -> PassManager:
        if not self._is_coupled:
            return self._translator
        return generate_preset_pass_manager(
            optimization_level=2,
            target=self._target,
            initial_layout=self._choose_qubits(circuit) if self._is_calibrated else None,
            approximation_degree=1.0,
            seed_transpiler=0,
        )

    def _choose_qubits(self, circuit: QuantumCircuit) -> list[int]:
        interactions = sorted(find_interactions(make_translator().run(circuit)))
        (qubits,) = choose_patches(
            self._target,
            circuit.num_qubits,
            interactions,
            self._name,
            find_measured(circuit),
            measurements=count_measurements(circuit),
        )
        return list(qubits)


def bind_by_name(
    circuit: QuantumCircuit, parameters: list[Parameter], values: NDArray[np.float64]
) -> dict[tuple[Parameter, ...], NDArray[np.float64]]:
    """Bind the parameters that a compiled circuit still has.

    Args:
        circuit: The compiled circuit.
        parameters: The P parameters of the circuit before.
        values: (B, P) radians, in their order.
    """
    kept = tuple(circuit.parameters)
    places = [parameters.index(parameter) for parameter in kept]
    return {kept: values[:, places]} if kept else {}


def run_primitive(name: str, run: Callable[[], Any], expected: int) -> list[Any]:
    """Run a job of a primitive and return the result of each PUB.

    Raises:
        PrimitiveError: It failed, or gave another number of results.
    """
    try:
        results = list(run().result())
    except Exception as error:  # whatever a primitive of the user raises
        raise PrimitiveError(f"{name} failed with {type(error).__name__}: {error}") from error
    if len(results) != expected:
        raise PrimitiveError(f"{name} gave {len(results)} results for {expected} PUBs")
    return results
