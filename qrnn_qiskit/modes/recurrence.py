"""The recurrence of arXiv:2510.25557, one step at a time: any controller, on the CPU or by torch.

For the standard controller, :mod:`qrnn_qiskit.engines.cpu.recurrence` and
:mod:`qrnn_qiskit.engines.gpu.recurrence` compute the same in one compiled call.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from qrnn_qiskit.checks import check_angles
from qrnn_qiskit.engines.contract import Recurrence
from qrnn_qiskit.engines.cpu import Simulator, begin
from qrnn_qiskit.engines.dense import DenseEvolution, DenseSimulator
from qrnn_qiskit.engines.reversible import Reversible, advance, open_token, read_vector
from qrnn_qiskit.hidden_state import HiddenState

__all__ = ["run_step_by_step"]


def run_step_by_step(
    simulator: Simulator | DenseSimulator,
    controller: nn.Module,
    x: Tensor,
    state: HiddenState | None,
    ends: list[int] | None,
    *,
    num_angles: int,
    has_feedback: bool = True,
    resets_state: bool = False,
    num_registers: int = 1,
) -> Recurrence:
    """Run theta_t = f([x_t ; z_(t-1)]), |psi_t> = U(theta_t) |psi_(t-1)>, z_t = <psi_t|O|psi_t>.

    Args:
        simulator: The compiled step U of a register with the observables O.
        controller: f, from (B, E + R K) to (B, R P) angles in radians; (B, E) without feedback.
        x: (B, T, E) inputs.
        state: State to continue from; |0...0> by default.
        ends: Valid steps of each sequence; all T by default.
        num_angles: R P.
        has_feedback: Whether the controller receives the readouts of the step before.
        resets_state: Whether every step starts from |0...0>.
        num_registers: R registers side by side, which the simulator runs as B R sequences.

    Raises:
        TypeError, ValueError: The controller returned angles of another dtype or shape.
    """
    batch_size, steps = x.shape[:2]
    registers = num_registers
    rows_of = np.arange(batch_size * registers).reshape(batch_size, registers)
    vector = None if state is None else state.vector
    if vector is not None and registers > 1:
        vector = vector.flatten(0, 1)
    if state is None:
        readouts = simulator.read_zero(rows_of.size).reshape(batch_size, -1)
    else:
        readouts = state.readouts
    evolution, token = _begin(simulator, vector, rows_of.size)
    last = np.full(batch_size, steps) if ends is None else np.asarray(ends)
    outputs: list[Tensor] = []
    angles: list[Tensor] = []
    vectors = torch.zeros(0)
    for t, inputs in enumerate(x.unbind(1)):
        if resets_state:
            evolution, token = _begin(simulator, None, rows_of.size)
        if has_feedback:
            inputs = torch.cat((inputs, readouts), 1)
        angles.append(controller(inputs))
        check_angles(angles[-1], (batch_size, num_angles), simulator.dtype)
        token, readouts = advance(evolution, token, angles[-1].reshape(rows_of.size, -1))
        readouts = readouts.reshape(batch_size, -1)
        outputs.append(readouts)
        # Only the states at the ends are read: a state of every step would be kept for backward.
        rows = np.flatnonzero(last == t + 1)
        if rows.size:
            ended = read_vector(evolution, token, rows_of[rows].ravel())
            if registers > 1:
                ended = ended.reshape(len(rows), registers, -1)
            if not len(vectors):
                vectors = ended.new_zeros(batch_size, *ended.shape[1:])
            vectors = vectors.index_copy(0, torch.from_numpy(rows).to(x.device), ended)
    output = torch.stack(outputs, 1)
    readouts = output[torch.arange(batch_size), torch.from_numpy(last) - 1]
    return Recurrence(output, readouts, vectors, torch.stack(angles, 1).detach())


def _begin(
    simulator: Simulator | DenseSimulator, vector: Tensor | None, batch_size: int
) -> tuple[Reversible, Tensor]:
    """Start an evolution on either engine and return it with its first token."""
    if isinstance(simulator, Simulator):
        return begin(simulator, vector, batch_size)
    evolution = DenseEvolution(simulator, vector, batch_size)
    return evolution, open_token(evolution, vector)
