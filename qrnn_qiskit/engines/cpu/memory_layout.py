"""The memory of a run: the shapes of its arrays, their places, and how many bytes it takes."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from qrnn_qiskit.engines.contract import GLU, LINEAR, Kept
from qrnn_qiskit.engines.cpu.call_records import GIVEN_VECTOR, ZERO, Sizes
from qrnn_qiskit.engines.cpu.simulator import Simulator


class Plan:
    """The shapes of the arrays of a run, and the places of those that backward needs.

    To make, save and check a tensor takes as long as a step of a short sequence, and so does
    working out a shape. The shapes are therefore found once for all calls of one shape, and the
    arrays that backward needs are parts of one piece of memory: states, turns, slope, inputs,
    hidden, in this order.

    Args:
        simulator: The compiled step.
        kind: The kind of the controller, see :mod:`qrnn_qiskit.engines.contract`.
        inputs: The shape (B, T, E) of the inputs.
        first: The shape of the controller's first weight, not checked yet.
        keeps: Whether backward may follow.
        drops: Whether hidden units are dropped.
        has_vector: Whether the first states are given.
        has_readouts: Whether the readouts of the first states are given.
        registers: R; for more than one, the weights have R as their first axis.

    Attributes:
        sizes: The record of :class:`.call_records.Sizes`.
        work: Result of :meth:`.simulator.Simulator.count_work`.
        registers: R.
        hears: Whether the controller sees the readouts of the step before.
        of_x: Shape of the inputs.
        of_by_x: Shape of the derivatives with respect to them, those through each register.
        of_theta: Shape of the angles.
        of_values: Shape of the readouts of all steps.
        of_readouts: Shape of the readouts of one step.
        of_vector: Shape of complex states.
        of_layers: Shapes of first weight, first bias, output weight and output bias that fit
            ``inputs`` and ``first``; None for a layer that the kind does not have.
        of_factors: Shape (T, B, H) of the dropout factors, or None if nothing is dropped.
        of_sums: Shape (blocks, numbers) of the sums of the derivatives with respect to the weights.
        of_by_weights: Shape (R, numbers) of these derivatives.
        of_saved: Shapes of the tensors that are saved for backward.
        of_pair: Shape of the states and their adjoint in backward.
        numbers: Size of the piece of memory.
        turns: Bytes from its start to the cosines and sines; 0 if they are not kept.
        slope: Bytes to the derivatives of the hidden layer; 0 if they are not kept.
        inputs: Bytes to the controller's inputs; 0 if they are not kept.
        hidden: Bytes to the hidden layer; 0 if it is not kept.
        apart: Bytes from the states to their adjoint in backward.
    """

    @classmethod
    def find(cls, simulator: Simulator, **question: Any) -> Plan:
        """Return the plan of the last call if the arguments are the same, otherwise a new one."""
        asked = torch.get_num_threads(), question
        known = simulator.plan  # read once: another thread may put its own plan there
        if known is None or known[0] != asked:
            known = simulator.plan = asked, cls(simulator, **question)
        plan: Plan = known[1]
        return plan

    def __init__(
        self,
        simulator: Simulator,
        *,
        kind: int,
        inputs: tuple[int, int, int],
        first: tuple[int, ...],
        keeps: bool,
        drops: bool,
        has_vector: bool,
        has_readouts: bool,
        registers: int = 1,
    ) -> None:
        batch, steps, width = self.of_x = inputs
        side = () if registers == 1 else (registers,)  # the axis of weights and states
        self.registers, self.of_by_x = registers, (*side, *inputs)
        angles, readouts = simulator.num_parameters, simulator.num_readouts
        out, seen = first[-2:] if len(first) == 2 + len(side) else (0, width)
        heard = readouts if seen != width else 0
        self.hears = heard > 0
        units = 0
        layer = angles
        if kind != LINEAR:
            units = out // 2 if kind == GLU else out
            layer = 2 * units if kind == GLU else units
        of_first, of_output = (*side, layer, width + heard), (*side, angles, units)
        self.of_layers: list[tuple[int, ...] | None] = [of_first, (*side, layer), None, None]
        if kind != LINEAR:
            self.of_layers[2:] = of_output, (*side, angles)
        self.of_factors = (steps, batch, registers * units) if drops and units else None
        self.of_theta = batch, steps, registers * angles
        self.of_readouts = batch, registers * readouts
        self.of_values = batch, steps, registers * readouts
        self.of_vector = (batch, *side, 1 << simulator.num_qubits)
        lengths = [
            0 if shape is None else math.prod(shape) // registers for shape in self.of_layers
        ]
        total = sum(lengths)
        self._places = [
            None if shape is None else (shape, _find_strides(shape, total, len(side)), start)
            for shape, start in zip(self.of_layers, accumulate([0, *lengths]), strict=False)
        ]
        batched = fill_blocks(simulator, batch, registers)
        self.of_by_weights = (*side, total)
        self.of_sums = simulator.count_blocks(batched), total
        self.sizes = Sizes(
            threads=simulator.count_threads(batched, steps),
            kind=kind,
            batch=batch,
            steps=steps,
            angles=angles,
            readouts=readouts,
            width=width,
            heard=heard,
            layer=layer,
            units=units,
            origin=GIVEN_VECTOR if has_vector else ZERO,
            rows=batch if has_readouts else 1,
            registers=registers,
        ).record()
        self.work = simulator.count_work(registers * batch, steps)
        itemsize, rows = simulator.dtype.itemsize, steps * simulator.count_lanes(batched)
        sizes = [
            math.prod(simulator.shape_states(batched)),
            math.prod(simulator.shape_turns(batched, steps)) * keeps,
            rows * layer * (keeps and units > 0),
            rows * (width + heard) * keeps,
            rows * units * keeps,
        ]
        ends = list(accumulate(sizes))
        self.numbers = ends[-1]
        self.turns, self.slope, self.inputs, self.hidden = (
            itemsize * end if size else 0 for end, size in zip(ends, sizes[1:], strict=False)
        )
        self.of_saved = of_first, of_output, (self.numbers,)
        self.of_pair = simulator.shape_pair(batched)
        self.apart = itemsize * self.of_pair[1]

    def split(self, by_weights: Tensor | None) -> list[Tensor | None]:
        """Return the derivatives with respect to weights and biases; None for an absent layer."""
        if by_weights is None:
            return [None] * 4
        # One torch operation for each part, where a split and a view would be two.
        return [None if place is None else by_weights.as_strided(*place) for place in self._places]


def _find_strides(shape: tuple[int, ...], total: int, num_sides: int) -> tuple[int, ...]:
    """Return the strides of a layer among the ``total`` numbers of each register.

    ``num_sides`` is 1 where the registers are the first axis of its ``shape``, otherwise 0.
    """
    inner = shape[num_sides:]
    return (*[total] * num_sides, *(math.prod(inner[axis + 1 :]) for axis in range(len(inner))))


def fill_blocks(simulator: Simulator, batch_size: int, registers: int) -> int:
    """Return a batch size with as many blocks as ``registers`` times B sequences take.

    A block holds sequences of one register, so that every register may have idle lanes.
    """
    return batch_size if registers == 1 else registers * simulator.count_lanes(batch_size)


def count_bytes(
    simulator: Simulator,
    batch_size: int,
    num_steps: int,
    kept: Kept | None = None,
    num_starts: int = 1,
    registers: int = 1,
) -> int:
    """Return the bytes that a run takes, without its inputs and its weights.

    A run has two arrays of states: those that move on, and those at the end of each sequence.
    Backward has two more, those that move back and their adjoint, and needs the cosines and sines
    of all steps. Angles are not stored unless they are requested.

    Args:
        simulator: The compiled step.
        batch_size: B; the last block may have idle lanes.
        num_steps: T.
        kept: What is kept of the controller of a register; None for a run without backward.
        num_starts: How often the run starts again from |0...0>; backward keeps the states of each
            start, and those that move back.
        registers: R, each of which has its own states, readouts and controller.
    """
    batched = fill_blocks(simulator, batch_size, registers)
    states = math.prod(simulator.shape_states(batched))
    numbers = states + (registers * batch_size << simulator.num_qubits + 1)
    numbers += registers * batch_size * num_steps * simulator.num_readouts
    if kept is not None:
        numbers += (3 * num_starts - 1) * states
        numbers += math.prod(simulator.shape_turns(batched, num_steps))
        numbers += num_steps * simulator.count_lanes(batched) * kept.of_step
        numbers += simulator.count_blocks(batched) * kept.of_block
    return numbers * simulator.dtype.itemsize
