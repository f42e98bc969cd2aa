"""Noise models: their effect on a readout, and simple models given by error rates."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import DensityMatrix, Kraus, SuperOp
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, QuantumError, ReadoutError, depolarizing_error

from circuits.errors import InvalidValueError
from runtime_jobs.aer.simulate import run_aer
from runtime_jobs.aer.stage import Stage
from runtime_jobs.hardware.gates import GATES

__all__ = [
    "Effects",
    "build_rates_model",
    "change_basis",
    "check_noise_model",
    "find_effects",
    "list_basis_changes",
    "parse_rates",
    "to_kraus",
]

Effects = dict[str, list[NDArray[np.complex128]]]

RATES = ("gate1", "gate2", "readout")
_BASIS_GATES = ["cz", "id", "rz", "sx", "x"]
_PROBES = [  # density matrices that span all others: |0>, |1>, |+> and |+i>
    np.array([[1, 0], [0, 0]], complex),
    np.array([[0, 0], [0, 1]], complex),
    np.array([[1, 1], [1, 1]], complex) / 2,
    np.array([[1, -1j], [1j, 1]]) / 2,
]


def parse_rates(text: str) -> dict[str, float]:
    """Parse error rates such as ``gate1:0.0003,gate2:0.003,readout:0.01``, each from 0 to 1.

    Raises:
        ValueError: The text does not follow this form, or a rate is out of range.
    """
    expected = "expected rates such as gate1:0.0003,gate2:0.003,readout:0.01"
    rates: dict[str, float] = {}
    for part in text.split(","):
        match = re.fullmatch(r"(\w+):([0-9.eE+-]+)", part)
        if match is None or match[1] not in RATES or match[1] in rates:
            raise InvalidValueError(f"noise {text!r}: {expected}, got {part!r}")
        try:
            rate = float(match[2])
        except ValueError as error:
            raise InvalidValueError(
                f"noise {text!r}: {expected}, got {part!r}, which has no number"
            ) from error
        if not 0.0 <= rate <= 1.0:
            raise InvalidValueError(
                f"noise {text!r}: expected {match[1]} to be from 0 to 1, got {rate:g}"
            )
        rates[match[1]] = rate
    return rates


def to_kraus(error: QuantumError) -> QuantumError:
    """Convert a channel to a single Kraus instruction.

    A trajectory of Aer 0.18 copies the circuit of the error that it draws, which takes five times
    as long as choosing among Kraus operators.
    """
    return QuantumError(Kraus(SuperOp(error)))


def build_rates_model(gate1: float = 0.0, gate2: float = 0.0, readout: float = 0.0) -> NoiseModel:
    """Build a model with equal errors on all qubits; its gates are rz (noiseless), sx, x and cz.

    Args:
        gate1: Depolarizing probability of sx and x.
        gate2: Depolarizing probability of cz.
        readout: Probability of reading a bit wrong, the same for 0 and 1.
    """
    model = NoiseModel(basis_gates=_BASIS_GATES)
    if gate1:
        model.add_all_qubit_quantum_error(to_kraus(depolarizing_error(gate1, 1)), ["sx", "x"])
    if gate2:
        model.add_all_qubit_quantum_error(to_kraus(depolarizing_error(gate2, 2)), ["cz"])
    if readout:
        flip = [[1 - readout, readout], [readout, 1 - readout]]
        model.add_all_qubit_readout_error(ReadoutError(flip))
    return model


def check_noise_model(noise: NoiseModel, num_qubits: int) -> None:
    """Refuse a noise model that does not fit a circuit of ``num_qubits`` qubits.

    Raises:
        ValueError: The model has errors on other qubits, errors on gates that do not occur, a
            joint readout error of several bits, or noise on the measurement other than a readout
            error.
    """
    others = sorted(qubit for qubit in noise.noise_qubits if qubit >= num_qubits)
    if others:
        raise InvalidValueError(
            f"the noise model has errors on the qubits {others}, but the circuit has the qubits 0 "
            f"to {num_qubits - 1}; build the model for these qubits"
        )
    unknown = sorted(set(noise.noise_instructions) - GATES - {"delay", "measure", "reset"})
    if unknown:
        raise InvalidValueError(
            f"the noise model has errors on {', '.join(unknown)}, but circuits are not translated "
            f"to these gates; put the errors on some of: {', '.join(sorted(GATES))}"
        )
    for error in _list_errors(noise):
        if error["type"] == "roerror" and len(error["probabilities"]) > 2:
            raise InvalidValueError(
                "expected a readout error for each qubit, got a joint readout error of several "
                "bits in the noise model; give each qubit its own"
            )
        if error["type"] != "roerror" and "measure" in error["operations"]:
            raise InvalidValueError(
                "the noise model has a quantum error on 'measure'; give a ReadoutError instead"
            )


def find_effects(stage: Stage, num_qubits: int) -> Effects:
    """Reconstruct the noisy measurement of each qubit in the bases X, Y and Z.

    Returns:
        For each letter and qubit an array (2, 2, 2): for each outcome o the operator E_o such that
        Tr(E_o rho) is the probability of reading o, noise of the gates that change the basis and
        readout error included. They are reconstructed from four input states.
    """
    changes = dict(zip("XYZ", list_basis_changes(num_qubits), strict=True))
    circuits = [
        _probe(stage.pass_manager.run(change), probe)
        for change in changes.values()
        for probe in _PROBES
    ]
    simulator = AerSimulator(method="density_matrix", noise_model=stage.noise)
    states = [np.asarray(data["density_matrix"]) for data in run_aer(simulator, circuits)]
    bits = (np.arange(2**num_qubits)[:, None] >> np.arange(num_qubits)) & 1
    ones = np.array([np.diag(state).real @ bits for state in states])  # probability of a 1
    ones = ones.reshape(len(changes), len(_PROBES), num_qubits)
    assignments = _find_assignments(stage.noise, num_qubits)
    return {
        letter: [
            np.einsum("ma,aij->mij", assignments[qubit], _reconstruct(ones[k, :, qubit]))
            for qubit in range(num_qubits)
        ]
        for k, letter in enumerate(changes)
    }


def list_basis_changes(num_qubits: int, *, flips: bool = False) -> list[QuantumCircuit]:
    """Return the changes from the bases X, Y and Z to Z, and with ``flips`` an X on every qubit."""
    changes = [change_basis(letter * num_qubits) for letter in "XYZ"]
    flip = QuantumCircuit(num_qubits)
    flip.x(range(num_qubits))
    return [*changes, *[flip] * flips]


def change_basis(letters: str) -> QuantumCircuit:
    """Return the change of qubit q from the basis of its letter, X, Y or Z, to Z."""
    circuit = QuantumCircuit(len(letters))
    for qubit, letter in enumerate(letters):
        if letter == "Y":
            circuit.sdg(qubit)
        if letter in "XY":
            circuit.h(qubit)
    return circuit


def _probe(change: QuantumCircuit, probe: NDArray[np.complex128]) -> QuantumCircuit:
    """Build a circuit that starts with all qubits in ``probe`` and changes their basis."""
    circuit = QuantumCircuit(change.num_qubits, name="change of basis")
    start = DensityMatrix(probe)
    for _ in range(change.num_qubits - 1):
        start = start.tensor(DensityMatrix(probe))
    circuit.set_density_matrix(start)
    circuit.compose(change, inplace=True)
    circuit.save_density_matrix()
    return circuit


def _reconstruct(ones: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Operators of the outcomes 0 and 1 from the probability of a 1 for each probe."""
    zero, one, plus, right = ones
    middle = (zero + one) / 2
    off = (plus - middle) + 1j * (middle - right)
    effect = np.array([[zero, off], [off.conjugate(), one]])
    return np.array([np.eye(2) - effect, effect])


def _find_assignments(noise: NoiseModel | None, num_qubits: int) -> list[NDArray[np.float64]]:
    """For each qubit the probability of reading m where a is true, as a matrix [m, a]."""
    found = [np.eye(2)] * num_qubits
    if noise is None:
        return found
    errors = [error for error in _list_errors(noise) if error["type"] == "roerror"]
    # Errors of single qubits come last and override those of all qubits.
    for error in sorted(errors, key=lambda error: "gate_qubits" in error):
        matrix = np.asarray(error["probabilities"], float).T
        qubits = [q for group in error.get("gate_qubits", [range(num_qubits)]) for q in group]
        for qubit in qubits:
            found[qubit] = matrix
    return found


def _list_errors(noise: NoiseModel) -> list[dict[str, Any]]:
    errors: list[dict[str, Any]] = noise.to_dict()["errors"]
    return errors
