"""Inspect the hidden state: Bloch vectors, entanglement, and the inputs that steer the angles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from circuits.errors import InvalidValueError
from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.model import QRNN
from qrnn_qiskit.tasks.base import Sequences
from qrnn_qiskit.training.loading import TrainedModel

__all__ = [
    "HiddenTrace",
    "Influence",
    "measure_bloch",
    "measure_entropy",
    "measure_influence",
    "record_inputs",
    "trace_states",
]

# Each angle takes a pass backward through all rows: those of 100 sequences of 784 steps with 320
# angles took minutes.
_MOST_ROWS = 4096


class HiddenTrace(NamedTuple):
    """The hidden state of each sequence after each step.

    Attributes:
        bloch: (B, T, n, 3) X, Y and Z of each qubit, of all registers.
        entropy: (B, T) bits, of the first half of the qubits; see :func:`measure_entropy`.
    """

    bloch: Tensor
    entropy: Tensor


@dataclass(frozen=True)
class Influence:
    """Change of the angles when an input of the controller changes by its standard deviation.

    Attributes:
        values: (E + feedback, P) radians, root mean squares over sequences and steps.
        inputs: Number of rows that are inputs; they come first, and feedback follows.
        names: Names of the rows.
    """

    values: Tensor
    inputs: int
    names: list[str]


@torch.no_grad()
def record_inputs(trained: TrainedModel, sequences: Sequences) -> Tensor:
    """Return the inputs (B, T, E) of the recurrent network: ``sequences`` after the embedding."""
    return trained.model.embed(sequences)


@torch.no_grad()
def trace_states(qrnn: QRNN, x: Tensor) -> HiddenTrace:
    """Follow the simulated hidden state of sequences (B, T, E), one step after another.

    In measured mode the state is averaged over all outcomes.
    """
    steps = [(measure_bloch(state), measure_entropy(state)) for state in _walk(qrnn, x)]
    bloch, entropy = zip(*steps, strict=True)
    return HiddenTrace(torch.stack(bloch, 1), torch.stack(entropy, 1))


def _walk(qrnn: QRNN, x: Tensor) -> Iterator[HiddenState]:
    state: HiddenState | None = None
    for number in range(x.shape[1]):
        state = qrnn(x[:, number : number + 1], state)[1]
        yield state


def measure_bloch(state: HiddenState) -> Tensor:
    """Return the expectation values of X, Y and Z of each qubit of a simulated state, (B, n, 3).

    Registers are side by side: (B, R n, 3). A Bloch vector has length 1 where the qubit is in a
    pure state. Entanglement with other qubits, or a mixed state, shortens it.

    Raises:
        ValueError: The state comes from a device.
    """
    batch_size, state = len(state), _split_registers(state)
    count = _count_qubits(state)
    parts = [_reduce(state, 2**qubit, 2, 2 ** (count - 1 - qubit)) for qubit in range(count)]
    density = torch.stack(parts, 1)
    coherence = density[..., 1, 0]
    bloch = torch.stack(
        (2 * coherence.real, 2 * coherence.imag, (density[..., 0, 0] - density[..., 1, 1]).real), -1
    )
    return bloch.reshape(batch_size, -1, 3)


def measure_entropy(state: HiddenState) -> Tensor:
    """Return the von Neumann entropy in bits of the first half of the qubits (rounded down), (B,).

    For a pure state this is the entanglement entropy between the halves: 0 for a product state and
    at most one bit for each qubit of the first half. In measured mode the state is averaged over
    the outcomes, so that the entropy includes the uncertainty about them. With several registers
    it is the mean of their entropies, each of the first half of its qubits.

    Raises:
        ValueError: The state comes from a device.
    """
    batch_size, state = len(state), _split_registers(state)
    count = _count_qubits(state)
    density = _reduce(state, 1, 2 ** (count // 2), 2 ** (count - count // 2))
    weights = torch.linalg.eigvalsh(density).clamp(min=1e-15)
    bits: Tensor = weights * weights.log2()
    return -bits.sum(-1).clamp(max=0).reshape(batch_size, -1).mean(1)


def _split_registers(state: HiddenState) -> HiddenState:
    """Return a simulated state of R registers as that of B R sequences."""

    def split(tensor: Tensor | None, dimensions: int) -> Tensor | None:
        several = tensor is not None and tensor.dim() > dimensions
        return tensor.flatten(0, 1) if tensor is not None and several else tensor

    return HiddenState(
        state.readouts,
        vector=split(state.vector, 2),
        density=split(state.density, 4),
        trajectories=split(state.trajectories, 3),
    )


def _count_qubits(state: HiddenState) -> int:
    held = (state.vector, state.density, state.trajectories)
    found = next((tensor for tensor in held if tensor is not None), None)
    if found is None:
        raise InvalidValueError(
            "expected a simulated state, got one from a device, which has only readouts; set "
            "qrnn.executor = SimulatorExecutor()"
        )
    return int(found.shape[-1]).bit_length() - 1


def _reduce(state: HiddenState, low: int, kept: int, high: int) -> Tensor:
    """Return the density matrix (B, kept, kept) complex128 of the qubits with index stride ``low``.

    The dimension 2^n is high * kept * low.
    """
    if state.density is not None:
        whole = state.density.sum(1).to(torch.complex128)
        split = whole.reshape(-1, high, kept, low, high, kept, low)
        return torch.einsum("bhklhjl->bkj", split)
    vectors = state.vector[:, None] if state.vector is not None else state.trajectories
    assert vectors is not None
    split = vectors.to(torch.complex128).reshape(*vectors.shape[:2], high, kept, low)
    return torch.einsum("bnhkl,bnhjl->bkj", split, split.conj()) / vectors.shape[1]


def measure_influence(
    qrnn: QRNN, x: Tensor, lengths: Tensor | None = None, seed: int = 0
) -> Influence:
    """Measure how strongly each input and feedback value of the controller moves its angles.

    Slopes are taken at 4,096 of the steps of all sequences, evenly spaced, where there are more.

    Args:
        qrnn: The model.
        x: Inputs (B, T, E) with T above 1; the first step, which has no feedback, is left out.
        lengths: (B,) valid steps of each sequence; all steps by default.
        seed: Seed of the bits in measured mode, which are drawn by their probabilities.
    """
    with torch.no_grad():
        output = qrnn(x)[0]
    names = [f"input {number}" for number in range(x.shape[2])]
    feedback = qrnn.mode.sample_feedback(output[:, :-1], torch.Generator().manual_seed(seed))
    listened = torch.cat((x[:, 1:], feedback), 2)
    names += qrnn.output_labels[: feedback.shape[2]]
    ends = torch.full((len(x),), x.shape[1]) if lengths is None else lengths
    rows = listened[torch.arange(1, x.shape[1]) < ends[:, None]]
    spread = rows.std(0, correction=0)
    rows = rows[:: -(-len(rows) // _MOST_ROWS)].clone()
    sizes = []
    with torch.enable_grad():
        rows.requires_grad_()
        for angle in qrnn.controller(rows).sum(0):  # a row's angles depend on no other row
            (slope,) = torch.autograd.grad(angle, rows, retain_graph=True)
            sizes.append(slope.square().mean(0).sqrt())
    values = torch.stack(sizes, 1)
    return Influence(values * spread[:, None], x.shape[2], names)
