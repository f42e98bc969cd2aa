"""The circuits that the weights of a model belong to, as an entry of its state dict."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from qiskit.circuit import ParameterExpression, QuantumCircuit
from torch import Tensor

from circuits.errors import InvalidValueError
from qrnn_qiskit.modes.base import ReadoutMode

__all__ = ["StateDictError", "explain_difference", "identify", "pack", "unpack"]


class StateDictError(InvalidValueError, RuntimeError):
    """A state dict of other circuits than those of the model that loads it."""


def identify(mode: ReadoutMode, ansatz: str) -> dict[str, Any]:
    """Return what identifies the circuits of a model, as plain values of JSON.

    Noise, the number of trajectories and ``reset_state`` belong to a simulation, not to the
    circuits.

    Args:
        mode: The readout mode, with its ansatz and observables.
        ansatz: The ansatz in words, for messages.
    """
    measurement = mode.measurement
    return {
        "ansatz": ansatz,
        "circuit": _hash_circuit(mode.ansatz.circuit),
        "readout": mode.name,
        "observables": [
            [[label, float(factor.real)] for label, factor in operator.to_list()]
            for operator in mode.readout.observables
        ],
        "measurement": None if measurement is None else asdict(measurement),
    }


def pack(identity: dict[str, Any]) -> Tensor:
    """Return the identity as bytes (N,) uint8: formats for tensors only can store it too."""
    return torch.tensor(list(json.dumps(identity).encode()), dtype=torch.uint8, device="cpu")


def unpack(packed: object) -> dict[str, Any]:
    """Return the identity that :func:`pack` packed; StateDictError for anything else."""
    try:
        assert isinstance(packed, Tensor)
        identity = json.loads(bytes(packed.tolist()))
        assert isinstance(identity, dict)
    except (AssertionError, ValueError, TypeError) as error:
        raise StateDictError(
            "the state dict has an _extra_state that no QRNN wrote; remove this entry to load the "
            "weights without a check of the circuits"
        ) from error
    return identity


def explain_difference(stored: dict[str, Any], own: dict[str, Any]) -> str | None:
    """Return a sentence that names both circuits, or None if they are the same.

    The ansatz in words is not compared: a family written to a file is the same circuit.
    """
    normal = json.loads(json.dumps(own))
    keys = [key for key in normal if key != "ansatz" and stored.get(key) != normal[key]]
    if not keys:
        return None
    differences = []
    for key in keys:
        name, before, now = key, stored.get(key), normal[key]
        if key == "circuit":
            name = "ansatz"
            before, now = (
                f"{each.get('ansatz')} (circuit {str(each.get(key))[:8]})"
                for each in (stored, normal)
            )
        differences.append(f"{name} {before} in the state dict, but {now} in the model")
    return (
        f"the state dict belongs to another circuit: {'; '.join(differences)}. Build the model "
        "with the arguments of the one that was saved, or pass strict=False to load the weights "
        "nevertheless"
    )


def _hash_circuit(circuit: QuantumCircuit) -> str:
    """Return the SHA-256 of the gates, their qubits and their angles, without names."""
    # Angles are evaluated at values of the parameters without a simple relation. Their last digits
    # depend on the order of the operations, so that 8 decimals are kept.
    count = circuit.num_parameters
    values = [math.sqrt(2 + k) % 1 for k in range(count)]
    lines = "\n".join(_list_gates(circuit.assign_parameters(values)))
    return hashlib.sha256(f"{circuit.num_qubits} {count}\n{lines}".encode()).hexdigest()


def _list_gates(circuit: QuantumCircuit) -> Iterator[str]:
    for instruction in circuit.data:
        gate = instruction.operation
        if gate.name == "barrier":
            continue
        qubits = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        yield f"{gate.name} {qubits} {[_round(value) for value in gate.params]}"
        if gate.definition is not None and not gate.base_class.__module__.startswith("qiskit."):
            yield from _list_gates(gate.definition)


def _round(value: Any) -> Any:
    if isinstance(value, ParameterExpression):
        value = value.numeric()
    return (np.round(np.asarray(value, complex), 8) + 0.0).tolist()
