"""The readouts that the controller hears, where these are some of all readouts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from qiskit.quantum_info import SparsePauliOp
from torch import Tensor, nn

from circuits import Readout, build_readout
from circuits.errors import InvalidValueError
from circuits.readout import PAIRS, locate_observables
from qrnn_qiskit.engines.contract import ControllerWeights

__all__ = ["Heard", "choose_heard"]


class Heard:
    """F of the K readouts of a register, in the order in which they feed the controller.

    Engines and devices return all readouts, and feed all of them back. Weights of the controller
    are 0 for those that it does not hear, and a controller that computes its angles itself is given
    the others only.

    Args:
        places: Their F places among the K readouts.
        num_readouts: K.
        num_registers: R registers side by side.
    """

    def __init__(self, places: Sequence[int], num_readouts: int, num_registers: int) -> None:
        self.places = tuple(places)
        self.num_readouts = num_readouts
        self.num_registers = num_registers
        of_all = [r * num_readouts + place for r in range(num_registers) for place in places]
        self._of_all = torch.tensor(of_all, device="cpu")

    def select(self, readouts: Tensor) -> Tensor:
        """Return the R F readouts that are heard, (..., R F) of (..., R K)."""
        return readouts.index_select(-1, self._of_all.to(readouts.device))

    def widen(self, weights: ControllerWeights) -> ControllerWeights:
        """Return the weights of a controller of all K readouts that computes the same."""
        first = weights.first
        width = first.shape[-1] - len(self.places)
        columns = [*range(width), *(width + place for place in self.places)]
        wide = first.new_zeros(*first.shape[:-1], width + self.num_readouts)
        where = torch.tensor(columns, device=first.device)
        return weights._replace(first=wide.index_copy(-1, where, first))

    def narrow(self, controller: nn.Module) -> nn.Module:
        """Return a controller of [x ; all R K readouts] that passes on what is heard."""
        return _Narrowed(self, controller)


class _Narrowed(nn.Module):
    def __init__(self, heard: Heard, controller: nn.Module) -> None:
        super().__init__()
        self.controller = controller
        self._heard = heard

    def forward(self, inputs: Tensor) -> Tensor:
        width = inputs.shape[-1] - self._heard.num_registers * self._heard.num_readouts
        heard = self._heard.select(inputs[..., width:])
        angles: Tensor = self.controller(torch.cat((inputs[..., :width], heard), -1))
        return angles


def choose_heard(
    readout: Readout,
    observables: str | Sequence[SparsePauliOp | str] | None,
    feedback: str | Sequence[SparsePauliOp | str] | None,
    num_registers: int = 1,
) -> Heard | None:
    """Choose the readouts that a controller hears; None for all of them.

    Args:
        readout: The K observables of a register.
        observables: The argument that they were built from: of "pairs" the controller hears those
            of single qubits, unless ``feedback`` is given.
        feedback: Some of the observables, in the same forms.
        num_registers: R registers side by side.

    Raises:
        TypeError, ValueError: ``feedback`` has another form, is empty, or has an observable that is
            not among those of the readout or comes twice.
    """
    if feedback is None:
        if observables != PAIRS:
            return None
        feedback = "xyz"
    if len(feedback) == 0:
        raise InvalidValueError(
            "feedback_observables is empty; use readout='none' for a controller that hears nothing"
        )
    num_qubits = readout.observables[0].num_qubits
    heard = build_readout(feedback, num_qubits=num_qubits)
    places = locate_observables(heard, readout)
    if places == list(range(len(readout.observables))):
        return None
    return Heard(places, len(readout.observables), num_registers)
