"""How much memory a run of the compiled recurrence takes."""

from __future__ import annotations

import math
from typing import NamedTuple

from qrnn_qiskit.engines.cpu.simulator import Simulator


class Kept(NamedTuple):
    """Numbers that backward needs of a controller.

    Attributes:
        of_step: For each step of each sequence.
        of_block: For each block of sequences: as many as the controller's weights.
    """

    of_step: int = 0
    of_block: int = 0


NOTHING_KEPT = Kept()


def count_bytes(
    simulator: Simulator,
    batch_size: int,
    num_steps: int,
    kept: Kept | None = None,
    num_starts: int = 1,
) -> int:
    """Bytes that a run takes, those of its inputs and of its weights left out.

    Two arrays of states: those that move, and those at the end of each sequence. Backward has two
    more, those that move back and their adjoint, and needs the cosines and sines of all steps.
    Angles are nowhere unless they are asked for.

    Args:
        simulator: The compiled step.
        batch_size: B, of which the last block has idle lanes.
        num_steps: T.
        kept: Of the controller; None for a run without backward.
        num_starts: How often the run begins anew with |0...0>; backward needs the states of each
            beginning, and those on their way back.
    """
    states = math.prod(simulator.shape_states(batch_size))
    numbers = states + (batch_size << simulator.num_qubits + 1)
    numbers += batch_size * num_steps * simulator.num_readouts
    if kept is not None:
        numbers += (3 * num_starts - 1) * states
        numbers += math.prod(simulator.shape_turns(batch_size, num_steps))
        numbers += num_steps * simulator.count_lanes(batch_size) * kept.of_step
        numbers += simulator.count_blocks(batch_size) * kept.of_block
    return numbers * simulator.dtype.itemsize
