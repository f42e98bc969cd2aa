"""Build a recurrent model of any kind from the configuration of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from circuits.errors import InvalidValueError
from circuits.validation import require_name
from qrnn_qiskit.controller import choose_feedback_gain
from qrnn_qiskit.models.classical import GRU, LSTM, RNN
from qrnn_qiskit.models.diagonal import LRU, DiagonalSSM
from qrnn_qiskit.models.hmm import HMM
from qrnn_qiskit.models.mixing import OrthogonalQRNN
from qrnn_qiskit.models.orthogonal import ScoRNN, UnitaryMesh
from qrnn_qiskit.models.qlstm import QLSTM
from qrnn_qiskit.models.staggered import StaggeredQRNN
from qrnn_qiskit.models.transformer import Transformer
from qrnn_qiskit.recurrent import RecurrentModel
from qrnn_qiskit.training.sizing import count_gates, find_size

if TYPE_CHECKING:
    from qrnn_qiskit.training.schema import ModelConfig

__all__ = ["KINDS", "build_recurrent"]

# The settings that each kind takes besides dropout and dtype; the others are those of QRNN.
_CONTROLLED = ("num_qubits", "num_layers", "controller_hidden", "activation")
_GAINS = ("rotations", "feedback_gain", "angle_gain")
_TAKEN: dict[str, tuple[Callable[..., RecurrentModel], tuple[str, ...]]] = {
    "rnn": (RNN, ("hidden_size", "num_biases", "memory_bits")),
    "lstm": (LSTM, ("hidden_size", "num_biases", "chrono")),
    "gru": (GRU, ("hidden_size", "num_biases", "memory_bits")),
    "hmm": (HMM, ("hidden_size",)),
    "lru": (LRU, ("hidden_size", "radius", "max_phase")),
    "ssm": (DiagonalSSM, ("hidden_size", "frequencies", "input_gain")),
    "scornn": (ScoRNN, ("hidden_size",)),
    "unitary": (UnitaryMesh, ("hidden_size",)),
    "transformer": (Transformer, ("hidden_size", "num_layers", "controller_hidden")),
    "qlstm": (QLSTM, ("hidden_size", "num_qubits", "num_layers")),
    "staggered": (StaggeredQRNN, _CONTROLLED),
    "orthogonal": (OrthogonalQRNN, _CONTROLLED + _GAINS),
}
KINDS = ("qrnn", *_TAKEN)
_NOT_OF_QRNN = {
    "kind",
    "parameters",
    "hidden_size",
    "num_biases",
    "memory_bits",
    "chrono",
    "radius",
    "max_phase",
    "readout_scale",
    "learn_readout_scale",
}


def build_recurrent(
    model: ModelConfig,
    input_size: int,
    ansatz_file: Path | None = None,
    num_steps: int | None = None,
) -> RecurrentModel:
    """Build the untrained model ``model.kind``.

    Args:
        model: Settings of the model. With ``model.parameters`` its size is found first.
        input_size: Width of the inputs.
        ansatz_file: Replaces ``model.ansatz``: a run folder keeps its own copy.
        num_steps: T, which an automatic feedback gain and an automatic chrono start need; None for
            a model whose weights are about to be loaded.

    Raises:
        ValueError, TypeError: The kind is unknown, no size has that many parameters, or an argument
            of the model is invalid.
    """
    kind = require_name("model.kind", model.kind, KINDS)
    if model.memory_bits is not None and kind not in ("rnn", "gru"):
        raise InvalidValueError(
            f"model.memory_bits={model.memory_bits} rounds hidden units in [-1, 1], those of rnn "
            f"and gru, but model.kind is {kind!r}; set it to none"
        )
    if ansatz_file is not None:
        model = model.model_copy(update={"ansatz": str(ansatz_file)})
    gain = choose_feedback_gain(model.feedback_gain, num_steps or 1)
    model = model.model_copy(update={"feedback_gain": gain})
    if model.chrono == "auto":
        model = model.model_copy(update={"chrono": max(3, num_steps or 0)})
    sizes = {} if model.parameters is None else find_size(model, input_size).settings
    built = _build(kind, model.model_copy(update=sizes), input_size)
    built.sizes = sizes
    built.readout_scale = model.readout_scale
    built.learns_readout_scale = model.learn_readout_scale
    return built


def _build(kind: str, model: ModelConfig, input_size: int) -> RecurrentModel:
    from qrnn_qiskit.model import QRNN

    dtype = getattr(torch, model.dtype)
    if kind == "qrnn":
        values = model.model_dump(exclude=_NOT_OF_QRNN)
        return QRNN(input_size, **values | {"dtype": dtype})
    model_class, names = _TAKEN[kind]
    arguments: dict[str, Any] = {name: getattr(model, name) for name in names}
    if kind == "unitary":
        arguments["num_gates"] = count_gates(model)
    return model_class(input_size, **arguments, dropout=model.dropout, dtype=dtype)
