"""The history of angles from which a device carries a sequence on: its check and its growth."""

from __future__ import annotations

import torch
from torch import Tensor

from circuits.errors import InvalidValueError
from qrnn_qiskit.hidden_state import HiddenState, check_fields, check_returned

__all__ = ["check_history", "close_history"]


def check_history(
    state: HiddenState,
    batch_size: int,
    num_readouts: int,
    angles: tuple[int, ...],
    dtype: torch.dtype,
) -> None:
    """Refuse a state whose angle history does not fit this model and batch.

    Args:
        state: State to continue from.
        batch_size: B.
        num_readouts: K.
        angles: Shape of the angles of a step.
        dtype: Dtype of the model.

    Raises:
        TypeError: Not a HiddenState, or another dtype.
        ValueError: Other shapes, or no angle history.
    """
    check_returned(state)
    if state.angles is None or state.num_steps is None:
        raise InvalidValueError(
            "state.angles is None, but a device carries a sequence on by replaying all of its "
            "angles; pass a state that this model returned on a device"
        )
    steps = state.angles.shape[1] if state.angles.dim() == 2 + len(angles) else 0
    check_fields(
        ("readouts", state.readouts, (batch_size, num_readouts), dtype),
        ("angles", state.angles, (batch_size, steps, *angles), dtype),
        ("num_steps", state.num_steps, (batch_size,), torch.int64),
    )
    if not bool(((state.num_steps >= 0) & (state.num_steps <= steps)).all()):
        raise InvalidValueError(
            f"state.num_steps must lie between 0 and the {steps} steps of state.angles, got "
            f"{state.num_steps.tolist()}"
        )


def close_history(angles: Tensor, before: Tensor, last: Tensor, steps: int) -> Tensor:
    """Return the angles of all steps that each sequence has run, right-aligned after zeros.

    Args:
        angles: (B, S, ...) angles; the last T columns are those of this call, and the history
            before them is right-aligned.
        before: (B,) steps of each sequence in the history.
        last: (B,) valid steps of each sequence in this call, from 1 to T.
        steps: T.
    """
    total = before + last
    width = int(total.max())
    column = torch.arange(angles.shape[1] - width, angles.shape[1]) - (steps - last)[:, None]
    kept = torch.arange(width) >= width - total[:, None]
    history = angles[torch.arange(len(last))[:, None], column.clamp(min=0)]
    return history * kept.reshape(*kept.shape, *[1] * (history.dim() - 2))
