"""Noise models: what is refused, and simple models given by error rates."""

from __future__ import annotations

import re
from typing import Any

from qiskit.quantum_info import Kraus, SuperOp
from qiskit_aer.noise import NoiseModel, QuantumError, ReadoutError, depolarizing_error

from circuits.errors import InvalidValueError
from runtime_jobs.hardware.gates import GATES

__all__ = [
    "build_rates_model",
    "check_noise_model",
    "parse_rates",
    "to_kraus",
]

RATES = ("gate1", "gate2", "readout")
_BASIS_GATES = ["cz", "id", "rz", "sx", "x"]


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


def _list_errors(noise: NoiseModel) -> list[dict[str, Any]]:
    errors: list[dict[str, Any]] = noise.to_dict()["errors"]
    return errors
