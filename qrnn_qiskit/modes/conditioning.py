"""Measured mode along a given record: the likelihood of its bits, and the state that they leave.

Measured mode sums over all records. Where the record is known, one pure state for each sequence is
enough, |psi_t> = M_y U(theta_t) |psi_(t-1)> scaled to norm 1, with theta_t from the input and the
recorded bits of the step before. The squared norm before scaling is the probability of the bits y.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from circuits.errors import InvalidTypeError, InvalidValueError
from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.interop.plain_tensors import check_stored
from qrnn_qiskit.modes.conditioned_density import run_density_record
from qrnn_qiskit.modes.exact import ExactSimulation
from qrnn_qiskit.modes.options import MAX_EXACT_QUBITS
from qrnn_qiskit.modes.pure_records import PureRecords, Results
from qrnn_qiskit.modes.side_by_side import as_registers, divide_bits, divide_tables, join_outcomes
from qrnn_qiskit.recurrent import Filtered

__all__ = ["Conditioning"]

# From a controller and inputs (B, T, E) to angles (B, T, 2^m, R P).
Tabulate = Callable[[nn.Module, Tensor], Tensor]


class Conditioning:
    """Sequences of measured mode along records, by pure states where these are enough.

    Args:
        exact: The exact simulation, for noise and missing bits.
        tabulate: Evaluates the controller for every value of the register.
    """

    def __init__(self, exact: ExactSimulation, tabulate: Tabulate) -> None:
        self._exact, self._tabulate = exact, tabulate
        self.pure = PureRecords(exact.ansatz, exact.readout, exact.measurement, exact.num_registers)

    def filter(
        self,
        controller: nn.Module,
        x: Tensor,
        record: Tensor,
        state: HiddenState | None,
        ends: list[int],
    ) -> Filtered:
        """Run sequences along a record; see :meth:`ReadoutMode.filter`."""
        num_bits = self._exact.num_registers * self._exact.measurement.num_ancillas
        bits = check_record(record, (*x.shape[:2], num_bits), ends)
        is_mixed = self._exact.is_noisy
        if self._exact.ansatz.num_qubits <= MAX_EXACT_QUBITS:
            has_density = isinstance(state, HiddenState) and state.density is not None
            is_mixed = is_mixed or has_density or bool(bits.isnan().any())
        run = self._filter_density if is_mixed else self.pure.filter
        ones, logs, last = run(controller, x, bits, state, ends)
        _refuse_impossible(logs, bits)
        return Filtered(ones, logs.sum(2), last)

    def sample(self, controller: nn.Module, x: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw records for sequences; see :meth:`ReadoutMode.sample`."""
        exact = self._exact
        num_bits = exact.num_registers * exact.measurement.num_ancillas
        draws = torch.rand(*x.shape[:2], num_bits, dtype=torch.float64, generator=generator)
        with torch.no_grad():
            tables = self._tabulate(controller, x)
            if not exact.is_noisy:
                return self.pure.sample(tables, draws).to(x.dtype)
            exact.check_memory(len(x), x.shape[1], x.dtype)
            own = divide_bits(draws, exact.num_registers)
            run = run_density_record(
                exact.compile(x.dtype),
                divide_tables(tables, exact.num_registers),
                own,
                None,
                [x.shape[1]] * len(own),
                own,
            )
            return join_outcomes(run.bits, exact.num_registers).to(x.dtype)

    def _filter_density(
        self,
        controller: nn.Module,
        x: Tensor,
        bits: Tensor,
        state: HiddenState | None,
        ends: list[int],
    ) -> Results:
        exact, registers = self._exact, self._exact.num_registers
        exact.check_memory(len(x), x.shape[1], x.dtype)
        if isinstance(state, HiddenState) and state.density is None and state.vector is not None:
            state = self.pure.mix(state, len(x), x.dtype)
        density = exact.open(state, len(x), x.dtype)
        is_past = (torch.arange(x.shape[1]) >= torch.tensor(ends)[:, None])[:, :, None]
        run = run_density_record(
            exact.compile(x.dtype),
            divide_tables(self._tabulate(controller, x), registers),
            divide_bits(bits.masked_fill(is_past, np.nan), registers),  # nothing known, or asked
            density,
            [end for end in ends for _ in range(registers)],
        )
        last = HiddenState(exact.read(run.density), density=as_registers(run.density, registers))
        ones, logs = (join_outcomes(each, registers) for each in (run.ones, run.logs))
        return ones.masked_fill(is_past, 0.0), logs, last


def check_record(record: Tensor, shape: tuple[int, int, int], ends: list[int]) -> Tensor:
    """Return a record (B, T, R m) as float64, with zeros past the end of each sequence.

    Raises:
        TypeError: It is not a tensor of numbers.
        ValueError: Another shape, or a value other than 0, 1 and NaN.
    """
    expected = f"expected record of shape {shape}, the bits 0 or 1 of each step"
    if not isinstance(record, Tensor):
        raise InvalidTypeError(f"{expected}, as a torch.Tensor, got a {type(record).__name__}")
    check_stored("record", record)
    if tuple(record.shape) != shape:
        raise InvalidValueError(f"{expected}, got {tuple(record.shape)}")
    if record.is_complex():
        raise InvalidTypeError(f"{expected}, got {record.dtype}; pass real numbers")
    steps = torch.arange(shape[1])
    is_past = (steps >= torch.tensor(ends)[:, None])[:, :, None]
    bits = record.detach().to("cpu", torch.float64).masked_fill(is_past, 0.0)
    wrong = ((bits != 0) & (bits != 1) & ~bits.isnan()).nonzero()
    if len(wrong):
        place = sequence, step, bit = tuple(wrong[0].tolist())
        raise InvalidValueError(
            f"{expected}, or NaN for a missing bit, but bit {bit} of step {step} of sequence "
            f"{sequence} is {float(bits[place])}"
        )
    return bits


def _refuse_impossible(logs: Tensor, bits: Tensor) -> None:
    """Raise ValueError where a bit of a record (B, T, R m) has the log-probability -infinity."""
    impossible = logs.detach().isneginf().nonzero()
    if len(impossible):
        sequence, step, bit = impossible[0].tolist()
        raise InvalidValueError(
            f"the record of sequence {sequence} is impossible at step {step}: given the bits "
            f"before it, bit {bit} cannot be {int(bits[sequence, step, bit])} (probability 0 to "
            "the precision of the model). Check the record and its bit order, or pass "
            "readout_error= to the model if bits were misread"
        )
