"""Checks of the states from which a simulation carries a sequence on.

Each kind of simulation has its own: a state vector, alone or with the last bits of a record,
density matrices, or trajectories.
"""

from __future__ import annotations

import torch
from torch import Tensor

from circuits.errors import InvalidValueError
from qrnn_qiskit.hidden_state import HiddenState, check_fields, check_returned

__all__ = ["check_conditioned", "check_density", "check_state", "check_trajectories"]


def check_density(
    state: HiddenState,
    batch_size: int,
    num_readouts: int,
    sizes: tuple[int, ...],
    dtype: torch.dtype,
) -> None:
    """Refuse a state of exact measured mode that does not fit this model and batch.

    Args:
        state: State to continue from.
        batch_size: B.
        num_readouts: K.
        sizes: Of ``state.density`` after the batch, such as 2^m, 2^n and 2^n.
        dtype: Dtype of the model.

    Raises:
        TypeError: Not a HiddenState, or another dtype.
        ValueError: Other shapes, no density matrices, or matrices that are not Hermitian or whose
            traces do not add up to 1.
    """
    check_returned(state)
    if state.density is None:
        raise InvalidValueError(
            "state.density is None, but measured mode carries a sequence on from the density "
            "matrices; pass a state that this readout mode returned in exact simulation"
        )
    shape = (batch_size, *sizes)
    check_fields(
        ("readouts", state.readouts, (batch_size, num_readouts), dtype),
        ("density", state.density, shape, dtype.to_complex()),
    )
    density = state.density.detach().sum(-3)
    traces = density.diagonal(dim1=-2, dim2=-1).sum(-1).real
    skew = (density - density.mH).abs().amax((-2, -1))
    wrong = (~(((traces - 1).abs() < 1e-3) & (skew < 1e-3))).nonzero()
    if len(wrong):
        place = tuple(wrong[0].tolist())
        raise InvalidValueError(
            "state.density must be Hermitian with traces that add up to 1, but that of "
            f"{_name_place(place)} has the trace {float(traces[place]):.6g} and differs from its "
            f"adjoint by {float(skew[place]):.3g}"
        )


def check_trajectories(
    state: HiddenState, batch_size: int, sizes: tuple[int, ...], dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return trajectories and registers of a state, if they fit this model and batch.

    Args:
        state: State to continue from.
        batch_size: B.
        sizes: Of ``state.trajectories`` after the batch, such as N and 2^n.
        dtype: Dtype of the model.

    Raises:
        TypeError: Not a HiddenState, or another dtype.
        ValueError: Other shapes, or no trajectories.
    """
    check_returned(state)
    if state.trajectories is None or state.registers is None:
        raise InvalidValueError(
            "state.trajectories is None, but a model with num_trajectories carries them on; pass "
            "a state that such a model returned"
        )
    check_fields(
        ("trajectories", state.trajectories, (batch_size, *sizes), dtype.to_complex()),
        ("registers", state.registers, (batch_size, *sizes[:-1]), torch.int64),
    )
    return state.trajectories, state.registers


def check_conditioned(
    state: HiddenState,
    batch_size: int,
    num_readouts: int,
    num_qubits: int,
    num_outcomes: int,
    dtype: torch.dtype,
    num_registers: int = 1,
) -> tuple[Tensor, Tensor]:
    """Return vector and registers of a state conditioned on a record, if they fit.

    Args:
        state: State to continue from.
        batch_size: B.
        num_readouts: K.
        num_qubits: n.
        num_outcomes: 2^m.
        dtype: Dtype of the model.
        num_registers: R.

    Raises:
        TypeError: Not a HiddenState, or another dtype.
        ValueError: As :func:`check_state`; or no last bits, or bits that the measurement has not.
    """
    check_state(state, batch_size, num_readouts, num_qubits, dtype, num_registers)
    assert state.vector is not None
    if state.registers is None:
        raise InvalidValueError(
            "state.registers is None, but a record goes on after its last bits; pass the state of "
            "an earlier call of filter or sample"
        )
    shape = (batch_size,) if num_registers == 1 else (batch_size, num_registers)
    check_fields(("registers", state.registers, shape, torch.int64))
    if not bool(((state.registers >= 0) & (state.registers < num_outcomes)).all()):
        raise InvalidValueError(
            f"state.registers must lie between 0 and {num_outcomes - 1}, the values of the bits of "
            f"a step, got {state.registers.tolist()}"
        )
    return state.vector, state.registers


def check_state(
    state: HiddenState,
    batch_size: int,
    num_readouts: int,
    num_qubits: int,
    dtype: torch.dtype,
    num_registers: int = 1,
) -> None:
    """Refuse a state vector that does not fit this model and batch.

    Args:
        state: State to continue from.
        batch_size: B.
        num_readouts: K.
        num_qubits: n.
        dtype: Dtype of the model.
        num_registers: R.

    Raises:
        TypeError: Not a HiddenState, or another dtype.
        ValueError: Other shapes, no state vector, readouts that are not finite, or a vector that
            is not normalized.
    """
    check_returned(state)
    if state.vector is None:
        raise InvalidValueError(
            "state.vector is None, but the simulator carries a sequence on from the state vector; "
            "pass a state that this readout mode returned in simulation (a device carries on from "
            "the angles and has no vector)"
        )
    side = () if num_registers == 1 else (num_registers,)
    check_fields(
        ("readouts", state.readouts, (batch_size, num_readouts), dtype),
        ("vector", state.vector, (batch_size, *side, 1 << num_qubits), dtype.to_complex()),
    )
    broken = (~torch.isfinite(state.readouts)).nonzero()
    if len(broken):
        sequence, readout = (int(index) for index in broken[0])
        raise InvalidValueError(
            f"state.readouts must be finite, but readout {readout} of sequence {sequence} is "
            f"{float(state.readouts[sequence, readout].detach())}"
        )
    norms = state.vector.detach().abs().square().sum(-1)
    wrong = (~((norms - 1).abs() < 1e-3)).nonzero()
    if len(wrong):
        place = tuple(wrong[0].tolist())
        raise InvalidValueError(
            "state.vector must be normalized, but the squared norm of "
            f"{_name_place(place)} is {float(norms[place]):.6g}"
        )


def _name_place(place: tuple[int, ...]) -> str:
    """Name a sequence, and a register of it where there are several."""
    sequence, *register = place
    return f"sequence {sequence}" + "".join(f", register {number}" for number in register)
