"""Inputs in the other forms that torch's recurrent modules take: packed, unbatched, empty."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from circuits.errors import InvalidTypeError, InvalidValueError
from qrnn_qiskit.hidden_state import HiddenState

__all__ = ["has_other_form", "run_form"]

Forward = Callable[[Tensor, HiddenState | None, Tensor | None], tuple[Tensor, HiddenState]]


def has_other_form(x: Any, *, empty: bool) -> bool:
    """Return whether ``x`` is a tensor that is unbatched or, where that counts, ``empty``."""
    if not isinstance(x, Tensor):
        return False
    rank = x.dim()
    return rank == 2 or (empty and rank == 3 and x.size(0) == 0)


def run_form(
    forward: Forward, x: Tensor | PackedSequence, state: HiddenState | None, lengths: Tensor | None
) -> tuple[Any, HiddenState]:
    """Run inputs of another form, and return the output in that form.

    Args:
        forward: Runs a batch (batch, time, input_size).
        x: A PackedSequence; (time, input_size) of one sequence; or (0, time, input_size).
        state: State to continue from, of as many sequences.
        lengths: The valid steps of each sequence of a batch; None in the other two forms.

    Returns:
        The output: packed in the order of ``x``, or (time, readout_size), or (0, time,
        readout_size); and the state, whose batch axis is 1 for an unbatched sequence.

    Raises:
        InvalidTypeError, InvalidValueError: ``lengths`` or ``state`` do not fit the form.
    """
    if isinstance(x, PackedSequence):
        if lengths is not None:
            raise InvalidTypeError(
                "expected no lengths beside a PackedSequence, which has its own; leave lengths out"
            )
        return _run_packed(forward, x, state)
    if x.dim() == 2:
        ends = None if lengths is None else torch.as_tensor(lengths).reshape(-1)
        output, after = forward(x.unsqueeze(0), state, ends)
        return output[0], after
    if state is not None and len(state):
        raise InvalidValueError(
            f"expected a state of 0 sequences for an empty batch, got {len(state)}"
        )
    # One sequence of zeros, of which nothing is kept: the shapes and the graph of a real batch.
    output, after = forward(x.new_zeros(1, *x.shape[1:]), None, None)
    return output[:0], after[:0]


def _run_packed(
    forward: Forward, x: PackedSequence, state: HiddenState | None
) -> tuple[PackedSequence, HiddenState]:
    padded, ends = pad_packed_sequence(x, batch_first=True)
    output, after = forward(padded, state, ends)
    order = x.sorted_indices
    if order is not None:
        output, ends = output[order], ends[order.cpu()]
    packed = pack_padded_sequence(output, ends, batch_first=True)
    return PackedSequence(packed.data, x.batch_sizes, order, x.unsorted_indices), after
