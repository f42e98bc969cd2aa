"""What all calls of the recurrence with inputs of one shape have in common, found once."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from qrnn_qiskit.simulator.engine import Simulator
from qrnn_qiskit.simulator.handover import GIVEN_VECTOR, ZERO, Sizes
from qrnn_qiskit.simulator.lanes import VECTOR_BYTES
from qrnn_qiskit.simulator.network import GELU, GLU, LINEAR, RELU

# Of activations, as the kernels have them.
KINDS = {"linear": LINEAR, "relu": RELU, "gelu": GELU, "glu": GLU}


class Plan:
    """Shapes of arrays, and where in one piece of memory those lie that backward needs.

    To make, save and check a tensor takes as long as a short sequence needs for a step, and so does
    to work out a shape.

    Args:
        simulator: The compiled step.
        kind: Of the controller.
        inputs: (B, T, E).
        first: The shape of the controller's first weight, whatever it is.
        keeps: Whether backward may follow.
        drops: Whether hidden units are dropped.
        has_vector: Whether the first states are given.
        has_readouts: Whether the readouts of the first states are given.

    Attributes:
        sizes: The record of :class:`.handover.Sizes`.
        of_x, of_theta, ...: Shapes; ``of_layers`` those of the weights and biases that ``inputs``
            and ``first`` ask for, None for what the kind has not.
        numbers: Size of the piece, which begins with the states.
        slope, turns, inputs, hidden: Bytes from there to these arrays; 0 for those not kept.
        apart: Bytes from the states to their adjoint in the piece of backward.
    """

    @classmethod
    def find(cls, simulator: Simulator, **question: Any) -> Plan:
        """The plan of the last call if it is the same, otherwise a new one."""
        question["threads"] = torch.get_num_threads()
        known = simulator.plan
        if known is None or known[0] != question:
            known = simulator.plan = question, cls(simulator, **question)
        plan: Plan = known[1]
        return plan

    def __init__(
        self,
        simulator: Simulator,
        *,
        kind: int,
        inputs: tuple[int, ...],
        first: tuple[int, ...],
        keeps: bool,
        drops: bool,
        has_vector: bool,
        has_readouts: bool,
        threads: int,
    ) -> None:
        batch, steps, self.width = self.of_x = tuple(inputs)
        angles, readouts = simulator.num_parameters, simulator.num_readouts
        rows, self._seen = first if len(first) == 2 else (0, self.width)
        heard = readouts if self._seen != self.width else 0
        self.hears = heard > 0
        self._units = 0
        layer = angles
        if kind != LINEAR:
            self._units = rows // 2 if kind == GLU else rows
            layer = 2 * self._units if kind == GLU else self._units
        of_first, of_output = (layer, self.width + heard), (angles, self._units)
        self.of_layers: list[tuple[int, ...] | None] = [of_first, (layer,), None, None]
        if kind != LINEAR:
            self.of_layers[2:] = of_output, (angles,)
        self.drops = drops and self._units > 0
        self.of_theta, self.of_values = (batch, steps, angles), (batch, steps, readouts)
        self.of_readouts, self.of_vector = (batch, readouts), (batch, 1 << simulator.num_qubits)
        self._rows = batch * steps
        self.of_steps, self.of_layer = (self._rows, angles), (self._rows, layer)
        self.sizes = Sizes(
            threads=simulator.count_threads(batch, steps),
            kind=kind,
            batch=batch,
            steps=steps,
            angles=angles,
            readouts=readouts,
            width=self.width,
            heard=heard,
            layer=layer,
            units=self._units,
            origin=GIVEN_VECTOR if has_vector else ZERO,
            drops=int(self.drops),
            rows=batch if has_readouts else 1,
        ).record()
        itemsize = simulator.dtype.itemsize
        sizes = [
            math.prod(simulator.shape_states(batch)),
            math.prod(simulator.shape_turns(batch, steps)) * keeps,
            self._rows * layer * (keeps and self._units > 0),
            self._rows * self._seen * keeps,
            self._rows * self._units * (keeps or self.drops),
        ]
        line = VECTOR_BYTES // itemsize
        ends = list(accumulate(-(-size // line) * line for size in sizes))
        self.numbers = ends[-1]
        self.turns, self.slope, self.inputs, self.hidden = (
            itemsize * end if size else 0 for end, size in zip(ends, sizes[1:], strict=False)
        )
        self.of_saved = of_first, of_output, (self.numbers,)
        self.of_pair = simulator.shape_pair(batch)
        self.apart = itemsize * self.of_pair[1]
        self._itemsize = itemsize

    def view_inputs(self, piece: Tensor) -> Tensor:
        """What the controller has seen, (B T, E + heard)."""
        return self._view(piece, self.inputs, self._seen)

    def view_hidden(self, piece: Tensor) -> Tensor:
        """Its hidden layer, (B T, H), or dropout factors until it is there."""
        return self._view(piece, self.hidden, self._units)

    def _view(self, piece: Tensor, place: int, width: int) -> Tensor:
        begin = place // self._itemsize
        return piece[begin : begin + self._rows * width].view(self._rows, width)
