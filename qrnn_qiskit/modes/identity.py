"""The circuits that the weights of a model belong to, as an entry of its state dict."""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from qiskit.circuit import ParameterExpression, QuantumCircuit
from torch import Tensor, nn

from circuits.errors import InvalidValueError
from qrnn_qiskit.modes.base import ReadoutMode

__all__ = ["IdentifiedModule", "StateDictError"]


class StateDictError(InvalidValueError, RuntimeError):
    """A state dict of other circuits than those of the model that loads it."""


class IdentifiedModule(nn.Module):
    """A model whose state dict holds the identity of its circuits.

    Attributes:
        mode: The readout mode, with its ansatz and observables.
        ansatz_in_words: The ansatz as messages name it.
    """

    mode: ReadoutMode
    ansatz_in_words: str
    _identity: Tensor | None = None

    def get_extra_state(self) -> Tensor:
        """Return the identity of the circuits, which the state dict holds beside the weights.

        It is JSON in bytes (N,) uint8; see :mod:`qrnn_qiskit.modes.identity`.
        """
        if self._identity is None:
            self._identity = _pack(_identify(self.mode, self.ansatz_in_words))
        return self._identity.clone()

    def set_extra_state(self, state: Any) -> None:
        """Refuse weights of another circuit (StateDictError, a RuntimeError)."""
        own = _unpack(self.get_extra_state())
        difference = _explain_difference(_unpack(state), own)
        if difference is not None:
            raise StateDictError(difference)

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load the entries of this module as torch does, but see :meth:`set_extra_state`.

        Another circuit is a warning, and an error unless ``strict=False``. A state dict without an
        identity, as earlier versions wrote it, is complete.
        """
        key = f"{prefix}_extra_state"
        rest = {name: value for name, value in state_dict.items() if name != key}
        if key in state_dict:
            try:
                self.set_extra_state(state_dict[key])
            except StateDictError as error:
                # Only strict loading turns unexpected keys into an error (a RuntimeError), and it
                # alone knows whether it is strict.
                warnings.warn(str(error), stacklevel=2)
                unexpected_keys.append(f"{key}: {error}")
        super()._load_from_state_dict(
            rest,
            prefix,
            local_metadata,
            strict,
            missing_keys,
            unexpected_keys,
            error_msgs,
        )
        if key in missing_keys:
            missing_keys.remove(key)


def _identify(mode: ReadoutMode, ansatz: str) -> dict[str, Any]:
    """Return what identifies the circuits of a model, as plain values of JSON.

    Noise, the number of trajectories and ``reset_state`` belong to a simulation, not to the
    circuits.

    Args:
        mode: The readout mode, with ansatz and observables of one register.
        ansatz: The ansatz in words, for messages.
    """
    measurement = None if mode.measurement is None else asdict(mode.measurement)
    for name, usual in (("frame", "kept"), ("bit_feedback", True)):
        if measurement is not None and measurement[name] == usual:
            del measurement[name]  # not named, as in files of earlier versions
    identity: dict[str, Any] = {
        "ansatz": ansatz,
        "circuit": _hash_circuit(mode.register.circuit),
        "readout": mode.name,
        "observables": [
            [[label, float(factor.real)] for label, factor in operator.to_list()]
            for operator in mode.register_readout.observables
        ],
        "measurement": measurement,
    }
    if mode.heard is not None:
        identity["feedback"] = [mode.register_readout.labels[place] for place in mode.heard.places]
    if mode.num_registers > 1:  # one register is not named, as in files of earlier versions
        identity["registers"] = mode.num_registers
    return identity


def _pack(identity: dict[str, Any]) -> Tensor:
    """Return the identity as bytes (N,) uint8: formats for tensors only can store it too."""
    return torch.tensor(list(json.dumps(identity).encode()), dtype=torch.uint8, device="cpu")


def _unpack(packed: object) -> dict[str, Any]:
    """Return the identity that :func:`_pack` packed; StateDictError for anything else."""
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


def _explain_difference(stored: dict[str, Any], own: dict[str, Any]) -> str | None:
    """Return a sentence that names both circuits, or None if they are the same.

    The ansatz in words is not compared: a family written to a file is the same circuit.
    """
    normal = json.loads(json.dumps(own))
    stored, normal = ({"registers": 1, "feedback": None} | each for each in (stored, normal))
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
