"""Arguments of a model as plain values: build it again, draw its weights again, save it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from qiskit.circuit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from torch import nn

from circuits.errors import InvalidValueError, OperationError
from circuits.openqasm import dump_qasm3, load_qasm3

__all__ = ["Rebuildable"]

_CONFIG, _WEIGHTS, _PICKLED = "config.json", "model.safetensors", "model.pt"
_QASM, _PAULIS = "openqasm3", "paulis"


class Rebuildable(nn.Module):
    """A module that knows the arguments it was built with.

    Attributes:
        controller: The part with the trainable weights.
    """

    controller: nn.Module
    _arguments: dict[str, Any]

    @property
    def config(self) -> dict[str, Any]:
        """The arguments as plain JSON values, from which :meth:`from_config` builds the model."""
        return {name: _to_plain(value) for name, value in self._arguments.items()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build a model with new weights from ``model.config``.

        Raises:
            InvalidValueError: An argument is unknown.
            ValueError, TypeError: An argument is out of range.
        """
        arguments = {name: _from_plain(name, value) for name, value in config.items()}
        try:
            return cls(**arguments)
        except TypeError as error:
            if "unexpected keyword" not in str(error):
                raise
            raise InvalidValueError(f"expected a configuration of {cls.__name__}: {error}") from (
                error
            )

    def reset_parameters(self) -> None:
        """Draw new weights, as the constructor does, from torch's global generator.

        Raises:
            RuntimeError: The controller was replaced by one with other weights.
        """
        fresh = type(self)(**self._arguments)
        self.controller.load_state_dict(fresh.controller.state_dict())

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write ``config.json`` and the weights, as safetensors or, where it is missing, model.pt.

        Raises:
            OSError: The folder cannot be written.
        """
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        weights = {name: tensor.contiguous() for name, tensor in self.state_dict().items()}
        try:
            from safetensors.torch import save_file
        except ImportError:
            torch.save(weights, place / _PICKLED)
        else:
            save_file(weights, place / _WEIGHTS)
        text = json.dumps(self.config, indent=2, allow_nan=False)
        (place / _CONFIG).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def from_pretrained(cls, folder: str | os.PathLike[str]) -> Self:
        """Build the model that :meth:`save_pretrained` wrote.

        Raises:
            InvalidValueError: The folder holds none.
            OperationError: The weights need safetensors, which is not installed.
            RuntimeError: The weights do not fit the configuration.
        """
        place = Path(folder)
        if not (place / _CONFIG).is_file():
            raise InvalidValueError(
                f"{place} holds no {_CONFIG}; give a folder that save_pretrained wrote"
            )
        model = cls.from_config(json.loads((place / _CONFIG).read_text(encoding="utf-8")))
        if (place / _WEIGHTS).exists():
            try:
                from safetensors.torch import load_file
            except ImportError as error:
                raise OperationError(
                    f"{place / _WEIGHTS} needs safetensors; install it with pip install safetensors"
                ) from error
            weights = load_file(place / _WEIGHTS)
        else:
            weights = torch.load(place / _PICKLED, weights_only=True)
        model.load_state_dict(weights)
        return model


def _to_plain(value: Any) -> Any:
    """Return an argument as a JSON value."""
    if isinstance(value, torch.dtype | torch.device):
        return str(value)
    if isinstance(value, QuantumCircuit):
        return {_QASM: dump_qasm3(value)}
    if isinstance(value, SparsePauliOp):
        return {_PAULIS: [[label, [c.real, c.imag]] for label, c in value.to_list()]}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _to_plain(each) for name, each in asdict(value).items()}
    if isinstance(value, np.ndarray | np.generic | torch.Tensor):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_to_plain(each) for each in value]
    return value


def _from_plain(name: str, value: Any) -> Any:
    """Return the argument of a JSON value."""
    if isinstance(value, list):
        return [_from_plain("", each) for each in value]
    if name == "dtype" and value is not None:
        return getattr(torch, value.removeprefix("torch."))
    if name == "measurement" and value is not None:
        from qrnn_qiskit.modes.options import Measured

        return Measured(**value)
    if isinstance(value, dict) and _QASM in value:
        return load_qasm3(value[_QASM])
    if isinstance(value, dict) and _PAULIS in value:
        return SparsePauliOp.from_list([(label, complex(*c)) for label, c in value[_PAULIS]])
    return value
