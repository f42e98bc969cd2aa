"""How much memory a run of the compiled recurrence takes."""

from __future__ import annotations

import math

from qrnn_qiskit.simulator.engine import Simulator


def count_bytes(
    simulator: Simulator,
    batch_size: int,
    num_steps: int,
    num_kept: int | None = None,
    num_starts: int = 1,
) -> int:
    """Bytes that a run takes, those of its inputs and of its weights left out.

    Two arrays of states: those that move, and those at the end of each sequence. Backward has two
    more, those that move back and their adjoint, and needs the cosines and sines of all steps.

    Args:
        simulator: The compiled step.
        batch_size: B, of which the last block has idle lanes.
        num_steps: T.
        num_kept: Numbers that the controller keeps for backward and writes there, for each
            sequence and step; None for a run without backward.
        num_starts: How often the run begins anew with |0...0>; backward needs the states of each
            beginning, and those on their way back.
    """
    states = math.prod(simulator.shape_states(batch_size))
    of_step = simulator.num_parameters + simulator.num_readouts
    numbers = states + (batch_size << simulator.num_qubits + 1)
    if num_kept is not None:
        of_step += simulator.num_parameters + num_kept
        numbers += (3 * num_starts - 1) * states
        numbers += math.prod(simulator.shape_turns(batch_size, num_steps))
    return (numbers + batch_size * num_steps * of_step) * simulator.dtype.itemsize
