"""Circuits without measurements, made ready once for any values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qiskit.circuit import QuantumCircuit
from qiskit.transpiler.exceptions import TranspilerError

from circuits.errors import InvalidValueError
from circuits.profile import profile_circuit
from runtime_jobs.aer.bare_parameters import PlainCircuit, make_plain
from runtime_jobs.aer.mitigation import fold_pairs
from runtime_jobs.aer.noise import check_noise_model
from runtime_jobs.aer.stage import GATES, Stage

__all__ = ["PreparedCircuit", "prepare_circuit"]

_MOST_STATE_BYTES = 2**32  # of one sequence


@dataclass(frozen=True)
class PreparedCircuit:
    """A circuit made ready for a stage.

    Attributes:
        plains: one for each factor of the extrapolation.
        positions: of each qubit of the circuit, at its end.
        stage: where it runs.
        seconds: on the device, its final measurement included; 0 where there is none.
    """

    plains: list[PlainCircuit]
    positions: list[int]
    stage: Stage
    seconds: float


def prepare_circuit(
    circuit: QuantumCircuit, stage: Stage, factors: Sequence[int], name: str
) -> PreparedCircuit:
    """Translate a circuit for a stage, with each two-qubit gate ``factors`` times.

    ValueError where the state does not fit, or the device of this ``name`` lacks qubits or gates.
    """
    _check_state_fits(circuit.num_qubits, stage)
    if stage.noise is not None:
        check_noise_model(stage.noise, circuit.num_qubits)
    try:
        ready = stage.pass_manager.run(circuit)
    except TranspilerError as error:
        basis = set() if stage.noise is None else GATES.intersection(stage.noise.basis_gates)
        has = f" has only {', '.join(sorted(basis))} and" if basis else ""
        gates = ", ".join(sorted(circuit.count_ops()))
        raise InvalidValueError(
            f"{name}{has} cannot run the gates {gates} of circuit {circuit.name!r}; take "
            "other gates, or a noise model with more of them"
        ) from error
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
    return PreparedCircuit([make_plain(f, parameters) for f in folded], positions, stage, seconds)


def _check_state_fits(num_qubits: int, stage: Stage) -> None:
    exponent = num_qubits * (1 if stage.noise is None else 2) + 4
    if 2**exponent > _MOST_STATE_BYTES:
        raise InvalidValueError(
            f"num_qubits={num_qubits} needs 2^{exponent} bytes for the "
            f"{'state vector' if stage.noise is None else 'density matrix'} of one sequence, and "
            f"at most 2^32 are taken; take fewer qubits"
        )
