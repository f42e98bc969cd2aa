"""Initial weights for long sequences: each qubit starts as an oscillator of a chosen frequency.

At the default start the angles are of order one, so that some hundred steps scramble the state and
its readouts hardly depend on the sequence. At the oscillator start a step without input turns each
qubit about Z by its own frequency omega in radians. To first order in the input weights the qubit
then collects the sum of x_t exp(i omega (T - t)), a bank of filters that forgets nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

from circuits.angles import read_affine
from circuits.errors import InvalidTypeError, InvalidValueError
from circuits.validation import require_count, require_name
from qrnn_qiskit.checks import check_number
from qrnn_qiskit.controller.feedforward import Controller

if TYPE_CHECKING:
    from qiskit.circuit import QuantumCircuit

    from circuits import Ansatz

__all__ = [
    "AUTO_GAIN",
    "INPUT_GAIN",
    "SLOW",
    "STARTS",
    "apply_start",
    "choose_feedback_gain",
    "resolve_frequencies",
    "start_oscillators",
]

STARTS = ("default", "oscillators")
AUTO_GAIN = 8.0  # the gain of the whole loop over T steps: 0.01 at 784 steps, 0.1 there is chaotic
INPUT_GAIN = 0.05
SLOW = 0.003
_SPREADS = ("linear", "log", "period")
_FORMS = "'linear', 'log', 'period:P' with a period P in steps, or one number for each qubit"


class Oscillator(NamedTuple):
    """The RZ that turns a qubit: its angle is ``offset`` + ``slope`` times angle ``number``."""

    number: int
    slope: float
    offset: float


def choose_feedback_gain(feedback_gain: float | str, num_steps: int | None) -> float:
    """Return the factor on the initial feedback weights.

    Args:
        feedback_gain: The factor, or "auto" for ``AUTO_GAIN`` / T: the loop from readouts to
            angles acts in every step, so its gain over all steps must stay of order one.
        num_steps: T, the length of the sequences, which "auto" needs.

    Raises:
        TypeError: ``feedback_gain`` is no number.
        ValueError: It is another string, not finite, or "auto" without ``num_steps``.
    """
    if not isinstance(feedback_gain, str):
        check_number("feedback_gain", feedback_gain)
        return float(feedback_gain)
    if feedback_gain != "auto":
        raise InvalidValueError(
            f"feedback_gain={feedback_gain!r}; expected a number, or 'auto' for "
            f"{AUTO_GAIN:g} / num_steps"
        )
    if num_steps is None:
        raise InvalidValueError(
            "feedback_gain='auto' depends on the length of the sequences; pass num_steps=T too"
        )
    return min(1.0, AUTO_GAIN / require_count("num_steps", num_steps))


def resolve_frequencies(
    frequencies: str | ArrayLike | None, num_qubits: int, num_registers: int = 1
) -> list[float]:
    """Return omega of every qubit in radians per step, register by register.

    With N = num_registers * num_qubits and j counting all qubits from 0:

    * "linear": (j + 1) / N, the default. "linear:0.5" is half of that.
    * "log": N ** (j / (N - 1) - 1), evenly spaced on a logarithmic scale from 1 / N to 1; a factor
      follows a colon as above.
    * "period:P": the harmonics 2 pi k / P with k = 0, 1, ..., P // 2 of a period of P steps, the
      same in each register, and from k = 0 again where a register has more qubits.
    * Numbers: one for each qubit.

    Args:
        frequencies: One of these forms.
        num_qubits: n, the qubits of a register.
        num_registers: R.

    Raises:
        TypeError, ValueError: An unknown form, a period or a factor that is no number above 0,
            another number of frequencies, or one beyond pi.
    """
    count = num_qubits * num_registers
    if frequencies is None:
        frequencies = "linear"
    if isinstance(frequencies, str):
        found = _spread(frequencies, num_qubits, num_registers)
    else:
        try:
            array = np.asarray(frequencies, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InvalidTypeError(f"frequencies={frequencies!r}; expected {_FORMS}") from error
        if array.shape != (count,):
            registers = f" in {num_registers} registers" if num_registers > 1 else ""
            raise InvalidValueError(
                f"expected {count} frequencies, one for each of {count} qubit(s){registers}, got "
                f"an array of shape {array.shape}"
            )
        found = array.tolist()
    for qubit, frequency in enumerate(found):
        if not math.isfinite(frequency):
            raise InvalidValueError(f"frequency {qubit} is {frequency}; expected a finite number")
        if abs(frequency) > math.pi:
            alias = math.remainder(frequency, 2 * math.pi)
            raise InvalidValueError(
                f"frequency {qubit} is {frequency:g} radians per step, beyond pi, where it is "
                f"aliased: once a step it looks the same as {alias:g}; use a value from -pi to pi"
            )
    return found


def _spread(name: str, num_qubits: int, num_registers: int) -> list[float]:
    kind, colon, text = name.partition(":")
    if kind not in _SPREADS:
        raise InvalidValueError(f"frequencies={name!r}; expected {_FORMS}")
    if kind == "period" and not text:
        raise InvalidValueError(
            f"frequencies={name!r} has no period; write its number of steps, such as 'period:11'"
        )
    try:
        number = float(text) if colon else 1.0
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0.0):
        raise InvalidValueError(
            f"frequencies={name!r}; expected a number above 0 after '{kind}:', got {text!r}"
        )
    count = num_qubits * num_registers
    if kind == "linear":
        return [number * (j + 1) / count for j in range(count)]
    if kind == "log":
        last = max(1, count - 1)
        return [number * count ** (j / last - 1.0) for j in range(count)]
    harmonics = int(number // 2) + 1  # those above are aliases of these
    return [2.0 * math.pi * (k % harmonics) / number for k in range(num_qubits)] * num_registers


def apply_start(
    start: str,
    ansatz: Ansatz,
    controllers: Sequence[nn.Module],
    frequencies: str | ArrayLike | None = None,
    *,
    input_gain: float | None = None,
    slow: float | None = None,
) -> None:
    """Set the initial weights of a model by the arguments of :class:`~qrnn_qiskit.QRNN`.

    Args:
        start: One of ``STARTS``.
        ansatz: The step of one register.
        controllers: The controller of each register.
        frequencies: As in :func:`resolve_frequencies`, for all qubits of all registers.
        input_gain: As in :func:`start_oscillators`.
        slow: As in :func:`start_oscillators`.

    Raises:
        TypeError, ValueError: An argument is out of range, or applies only to another start.
    """
    if require_name("start", start, STARTS) == "oscillators":
        n = ansatz.num_qubits
        found = resolve_frequencies(frequencies, n, len(controllers))
        for register, controller in enumerate(controllers):
            start_oscillators(
                ansatz,
                controller,
                found[register * n : (register + 1) * n],
                input_gain=INPUT_GAIN if input_gain is None else input_gain,
                slow=SLOW if slow is None else slow,
            )
        return
    given = {"frequencies": frequencies, "input_gain": input_gain, "slow": slow}
    for name, value in given.items():
        if value is not None:
            raise InvalidValueError(
                f"{name}={value!r} applies only to start='oscillators', but start is {start!r}; "
                f"leave {name} out, or use start='oscillators'"
            )


def start_oscillators(
    ansatz: Ansatz,
    controller: nn.Module,
    frequencies: Sequence[float],
    *,
    input_gain: float = INPUT_GAIN,
    slow: float = SLOW,
) -> None:
    """Set the initial weights of the controller of one register, in place.

    The output biases become 0 except for random values of at most ``slow`` and the angle of one RZ
    on each qubit, which turns the qubit by its frequency in each step. The input weights are
    rescaled to the root mean square ``input_gain``. The feedback weights stay as they are.

    Args:
        ansatz: The step of the register.
        controller: Its controller, without a hidden layer.
        frequencies: omega of each of its qubits in radians per step, from -pi to pi.
        input_gain: epsilon, the root mean square of the input weights.
        slow: The other biases are uniform in [-slow, slow], in radians per step.

    Raises:
        TypeError, ValueError: The controller has a hidden layer or is a custom one, the circuit has
            no RZ with an angle to itself on a qubit, or a number is out of range.
    """
    check_number("input_gain", input_gain, minimum=0.0)
    check_number("slow", slow, minimum=0.0)
    if not (isinstance(controller, Controller) and controller.activation == "linear"):
        raise InvalidValueError(
            "start='oscillators' sets the biases of a controller without a hidden layer; use "
            "controller_hidden=None (or activation='linear'), or start='default'"
        )
    oscillators = _find_oscillators(ansatz)
    layer = controller.layers[0]
    assert isinstance(layer, nn.Linear)
    with torch.no_grad():
        inputs = layer.weight[:, : controller.input_size]
        inputs *= input_gain / inputs.square().mean().sqrt()
        layer.bias.uniform_(-slow, slow) if slow else layer.bias.zero_()
        for oscillator, frequency in zip(oscillators, frequencies, strict=True):
            layer.bias[oscillator.number] = (frequency - oscillator.offset) / oscillator.slope


def _find_oscillators(ansatz: Ansatz) -> list[Oscillator]:
    """Return the first RZ of each qubit whose parameter turns nothing else."""
    numbers = {parameter: number for number, parameter in enumerate(ansatz.parameters)}
    circuit: QuantumCircuit = ansatz.circuit
    uses = Counter(p for item in circuit.data for p in _list_parameters(item.operation.params))
    found: dict[int, Oscillator] = {}
    for item in circuit.data:
        if item.operation.name not in ("rz", "p"):
            continue
        qubit = circuit.find_bit(item.qubits[0]).index
        angle = read_affine(item.operation.params[0])
        if qubit in found or angle is None or len(angle.slopes) != 1:
            continue
        (parameter, slope), *_ = angle.slopes
        if slope and uses[parameter] == 1:
            found[qubit] = Oscillator(numbers[parameter], slope, angle.offset)
    missing = [qubit for qubit in range(ansatz.num_qubits) if qubit not in found]
    if missing:
        raise InvalidValueError(
            f"start='oscillators' turns each qubit by an RZ with a parameter to itself, but the "
            f"ansatz {ansatz.name!r} has none on qubit(s) {', '.join(map(str, missing))}; put "
            "'rz' into rotations, add such a gate to the circuit, or use start='default'"
        )
    return [found[qubit] for qubit in range(ansatz.num_qubits)]


def _list_parameters(values: Sequence[object]) -> list[object]:
    return [p for value in values for p in getattr(value, "parameters", ())]
