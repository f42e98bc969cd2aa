"""Circuits without measurements, compiled once for any parameter values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.transpiler.exceptions import TranspilerError

from circuits.errors import InvalidValueError
from circuits.profile import profile_circuit
from runtime_jobs.aer.bare_parameters import PlainCircuit, make_plain
from runtime_jobs.aer.noise import check_noise_model
from runtime_jobs.aer.simulate import StateKind, check_state_fits
from runtime_jobs.aer.stage import Stage
from runtime_jobs.aer.untriggered import check_triggered
from runtime_jobs.estimation.mitigation import fold_pairs
from runtime_jobs.hardware.gates import GATES

__all__ = ["PreparedCircuit", "prepare_circuit"]


@dataclass(frozen=True)
class PreparedCircuit:
    """A circuit compiled for a stage.

    Attributes:
        plains: One circuit for each factor of the extrapolation.
        compiled: The same circuits, with the angles as expressions of ``parameters``.
        parameters: The parameters of the circuit, in its order.
        positions: Position of each qubit at the end of the compiled circuit.
        stage: Stage that the circuit is compiled for.
        seconds: Duration on the device, final measurement included; 0 without a device.
    """

    plains: list[PlainCircuit]
    compiled: list[QuantumCircuit]
    parameters: list[Parameter]
    positions: list[int]
    stage: Stage
    seconds: float


def prepare_circuit(
    circuit: QuantumCircuit,
    stage: Stage,
    factors: Sequence[int],
    name: str,
    *,
    flips: bool = False,
    as_whole: bool = True,
) -> PreparedCircuit:
    """Compile a circuit for a stage.

    Args:
        circuit: Circuit without measurements.
        stage: Stage that runs it.
        factors: Odd numbers; in one copy of the circuit for each, every two-qubit gate is repeated
            that often.
        name: Name of the device, for messages.
        flips: Whether readout mitigation prepares the qubits in 1 as well.
        as_whole: Whether the state of all qubits is simulated as one, so that it must fit.

    Raises:
        ValueError: The state is too large, the noise model does not fit the circuit, or the device
            lacks qubits or gates.
    """
    kind: StateKind = "statevector" if stage.noise is None else "density_matrix"
    if as_whole:
        check_state_fits(circuit, kind, "take fewer qubits")
    if stage.noise is not None:
        check_noise_model(stage.noise, circuit.num_qubits)
    try:
        ready = stage.pass_manager.run(circuit)
    except TranspilerError as error:
        basis = set() if stage.noise is None else GATES.intersection(stage.noise.basis_gates)
        has = f" has only {', '.join(sorted(basis))} and" if basis else ""
        gates = ", ".join(sorted(circuit.count_ops()))
        raise InvalidValueError(
            f"{name}{has} cannot run the gates {gates} of circuit {circuit.name!r}; use "
            "other gates, or a noise model with more basis gates"
        ) from error
    check_triggered(ready, stage, flips=flips)
    positions = list(range(circuit.num_qubits))
    if ready.layout is not None:
        positions = ready.layout.final_index_layout()
    folded = [fold_pairs(ready, factor) for factor in factors]
    parameters = list(circuit.parameters)
    seconds = 0.0
    if stage.target is not None:
        measured = folded[-1].copy()
        measured.measure_all()
        seconds = profile_circuit(measured, stage.target).seconds
    plains = [make_plain(f, parameters) for f in folded]
    return PreparedCircuit(plains, folded, parameters, positions, stage, seconds)
