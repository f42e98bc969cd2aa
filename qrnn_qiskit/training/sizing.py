"""Find the size of a model with a given number of trainable parameters."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from circuits import build_ansatz, build_readout
from circuits.ansatz import ANSATZ_FAMILIES
from circuits.errors import InvalidValueError
from qrnn_qiskit.models.classical import GRU, LSTM, RNN, TorchModel
from qrnn_qiskit.models.diagonal import LRU, DiagonalModel, DiagonalSSM
from qrnn_qiskit.models.orthogonal import count_mesh, count_scornn
from qrnn_qiskit.models.qlstm import count_qlstm
from qrnn_qiskit.models.staggered import count_angles
from qrnn_qiskit.models.transformer import MOST_HEADS, count_transformer
from qrnn_qiskit.modes.feedback import choose_heard

if TYPE_CHECKING:
    from circuits import Ansatz
    from qrnn_qiskit.training.schema import ModelConfig

__all__ = ["TOLERANCE", "Size", "find_size", "list_sizes"]

TOLERANCE = 0.05  # relative to the requested number of parameters


class Size(NamedTuple):
    """Settings of ``model`` and the number of trainable parameters that they give.

    The matrix of the kind ``orthogonal`` is not counted.
    """

    settings: dict[str, int]
    parameters: int


def find_size(model: ModelConfig, input_size: int) -> Size:
    """Find the size nearest to ``model.parameters`` for inputs of width ``input_size``.

    Raises:
        ValueError: No size is within 5 %; the message has the nearest ones below and above.
    """
    wanted = model.parameters
    assert wanted is not None
    if wanted < 1:
        raise InvalidValueError(f"expected model.parameters of at least 1, got {wanted}")
    found: list[Size] = []  # the last size below, and the first one that is not
    for size in list_sizes(model, input_size):
        found = [*found[-1:], size]
        if size.parameters >= wanted:
            break
    best = min(found, key=lambda size: abs(size.parameters - wanted))
    if abs(best.parameters - wanted) > TOLERANCE * wanted:
        near = " and ".join(f"{size.parameters} ({_describe(size)})" for size in found)
        raise InvalidValueError(
            f"model.kind={model.kind!r} with inputs of width {input_size} has no size within "
            f"{TOLERANCE:.0%} of model.parameters={wanted}; the nearest are {near}. Use one of "
            "these numbers, or set the sizes directly"
        )
    return best


def list_sizes(model: ModelConfig, input_size: int) -> Iterator[Size]:
    """List all sizes of a kind in increasing order; it ends only where the circuit is fixed."""
    kind = model.kind
    if kind in _TORCH:
        for hidden in count(1):
            for biases in (1, 2):
                settings = {"hidden_size": hidden, "num_biases": biases}
                yield Size(settings, _TORCH[kind].count(input_size, hidden, biases))
    elif kind == "hmm":
        raise InvalidValueError(
            "model.kind='hmm' is chosen by its number of states, which is rarely near a number of "
            "parameters; set model.hidden_size, and leave model.parameters out"
        )
    elif kind == "transformer":
        yield from _list_transformers(model, input_size)
    elif kind in _DIAGONAL:
        for hidden in count(1):
            yield Size({"hidden_size": hidden}, _DIAGONAL[kind].count(input_size, hidden))
    elif kind in ("scornn", "unitary", "qlstm"):
        gates = count_gates(model)
        for hidden in count(2):
            parameters = {
                "scornn": count_scornn(input_size, hidden),
                "unitary": count_mesh(input_size, hidden, gates),
                "qlstm": count_qlstm(input_size, hidden, model.num_qubits, model.num_layers),
            }[kind]
            yield Size({"hidden_size": hidden}, parameters)
    elif is_linear(model):
        yield from _list_linear(model, input_size)
    else:
        yield from _list_controllers(model, input_size)


def count_gates(model: ModelConfig) -> int:
    """Count the gates of the circuit of QRNN with these settings."""
    return int(build_step(model).circuit.size())


def build_step(model: ModelConfig) -> Ansatz:
    """Build the circuit of a step of QRNN with these settings."""
    return build_ansatz(
        model.ansatz,
        num_qubits=model.num_qubits,
        num_layers=model.num_layers,
        entangler=model.entangler,
        rotations=model.rotations,
    )


def is_linear(model: ModelConfig) -> bool:
    """Return whether the controller has no hidden layer."""
    return model.activation == "linear" or model.controller_hidden is None


def _list_linear(model: ModelConfig, input_size: int) -> Iterator[Size]:
    """List the sizes with a linear controller, where only the circuit can grow."""
    if model.kind == "staggered":
        raise InvalidValueError(
            "model.kind='staggered' with a linear encoding has no size to choose; omit "
            "model.parameters, or set model.activation=gelu"
        )
    width, registers = input_size + _count_feedback(model) + 1, _count_registers(model)
    if model.ansatz not in ANSATZ_FAMILIES:
        yield Size({}, registers * width * _count_angles(model))
        return
    # Each layer adds the same number of angles: a circuit of thousands is not built to be counted.
    one, two = (_count_angles(model.model_copy(update={"num_layers": n})) for n in (1, 2))
    for num_layers in count(1):
        angles = one + (num_layers - 1) * (two - one)
        yield Size({"num_layers": num_layers}, registers * width * angles)


def _list_transformers(model: ModelConfig, input_size: int) -> Iterator[Size]:
    """List widths that the heads divide, each with feedforward networks of at least twice it."""
    for hidden in count(MOST_HEADS, MOST_HEADS):
        next_hidden = hidden + MOST_HEADS
        most = count_transformer(input_size, next_hidden, model.num_layers, 2 * next_hidden)
        for wide in count(2 * hidden):
            parameters = count_transformer(input_size, hidden, model.num_layers, wide)
            if parameters >= most:
                break
            yield Size({"hidden_size": hidden, "controller_hidden": wide}, parameters)


def _list_controllers(model: ModelConfig, input_size: int) -> Iterator[Size]:
    layers = 2 if model.activation == "glu" else 1
    feedback = angles = fixed = 0
    if model.kind == "staggered":
        angles = model.num_qubits // 2
        fixed = count_angles(model.num_qubits, model.num_layers)
    else:
        feedback, angles = _count_feedback(model), _count_angles(model)
    for hidden in count(1):
        first = layers * hidden * (input_size + feedback + 1)
        own = first + angles * (hidden + 1)  # of one register
        yield Size({"controller_hidden": hidden}, fixed + _count_registers(model) * own)


def _count_registers(model: ModelConfig) -> int:
    return model.num_registers if model.kind == "qrnn" else 1


def _count_angles(model: ModelConfig) -> int:
    if model.kind == "orthogonal":
        return model.num_layers * model.num_qubits * len(model.rotations)
    return build_step(model).num_parameters


def _count_feedback(model: ModelConfig) -> int:
    """Count the values that the controller of a register hears."""
    heard = _count_registers(model) if model.register_feedback == "shared" else 1
    if model.kind == "qrnn" and model.readout == "measured":
        return heard * model.num_ancillas
    if model.kind == "qrnn" and model.readout == "none":
        return 0
    readout = build_readout(
        model.observables if model.kind == "qrnn" else None, num_qubits=model.num_qubits
    )
    if model.kind == "qrnn":
        chosen = choose_heard(readout, model.observables, model.feedback_observables)
        if chosen is not None:
            return heard * len(chosen.places)
    return heard * len(readout.observables)


def _describe(size: Size) -> str:
    return ", ".join(f"{name}={value}" for name, value in size.settings.items())


_TORCH: dict[str, type[TorchModel]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
_DIAGONAL: dict[str, type[DiagonalModel]] = {"lru": LRU, "ssm": DiagonalSSM}
