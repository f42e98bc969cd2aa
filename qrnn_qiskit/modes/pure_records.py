"""Records along which one pure state for each sequence is enough, for any number of registers."""

from __future__ import annotations

import torch
from qiskit.circuit import QuantumCircuit
from torch import Tensor, nn
from torch.nn import functional

from circuits import Ansatz, Measurement, Readout
from qrnn_qiskit.checks import check_angles, check_dtype
from qrnn_qiskit.engines.cpu import (
    ConditionedRun,
    ConditionedSimulator,
    Simulator,
    begin,
    run_record,
)
from qrnn_qiskit.engines.reversible import advance
from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.modes.carried import check_conditioned
from qrnn_qiskit.modes.missing_bits import average_completions, complete_record, sum_completions
from qrnn_qiskit.modes.options import MAX_EXACT_QUBITS, check_states
from qrnn_qiskit.modes.side_by_side import as_registers, divide_bits, divide_tables, join_outcomes

__all__ = ["PureRecords", "Results"]

# Probabilities of a 1 (B, T, R m), logarithms of those of the recorded bits, and the state.
Results = tuple[Tensor, Tensor, HiddenState]


class PureRecords:
    """The step of measured mode, compiled for pure states along a record.

    Args:
        ansatz: Circuit of a step of one register, P angles.
        readout: The observables of one register, K of them.
        measurement: The measurement of a step.
        num_registers: R registers side by side, each with its own record.
    """

    def __init__(
        self, ansatz: Ansatz, readout: Readout, measurement: Measurement, num_registers: int
    ) -> None:
        self.ansatz, self.readout, self.measurement = ansatz, readout, measurement
        self.num_registers = num_registers
        self._simulator: ConditionedSimulator | None = None
        self._reader: Simulator | None = None

    def check_memory(self, batch_size: int, num_steps: int, dtype: torch.dtype) -> None:
        """Refuse a batch whose states do not fit; backward needs one for each step."""
        kept = num_steps if torch.is_grad_enabled() else 1
        n, registers = self.ansatz.num_qubits, self.num_registers
        needed = self.compile(dtype).count_bytes(batch_size * registers, kept)
        check_states(needed, n, registers, "pure states", batch_size, kept)

    def filter(
        self,
        controller: nn.Module,
        x: Tensor,
        bits: Tensor,
        state: HiddenState | None,
        ends: list[int],
    ) -> Results:
        """Run sequences ``x`` (B, T, E) along ``bits`` (B, T, R m), NaN where one is missing."""
        missing = bits.isnan()
        if not missing.any():
            run = self._run(controller, x, bits, self._open(state, len(x), x.dtype), ends)
            return run.ones, run.logs, self._close(run, ends)
        remedy = f"Density matrices sum over any number, with up to {MAX_EXACT_QUBITS} qubits."
        completed, rows = complete_record(bits, remedy)
        vector, values = self._open(state, len(x), x.dtype)
        places = self._repeat_rows(rows)
        start = None if vector is None else vector[places], values[places]
        last = [ends[row] for row in rows.tolist()]
        run = self._run(controller, x[rows], completed, start, last)
        ones, logs, weights = sum_completions(run.ones, run.logs, rows, missing)
        readouts = average_completions(self._read(run), weights, rows, len(x))
        return ones, logs, HiddenState(readouts)

    def sample(self, tables: Tensor, draws: Tensor) -> Tensor:
        """Return bits (B, T, R m) from numbers in [0, 1), by angles (B, T, 2^m, R P)."""
        batch, steps = tables.shape[:2]
        self.check_memory(batch, steps, tables.dtype)
        divided = divide_tables(tables, self.num_registers)
        last = [steps] * len(divided)
        own = divide_bits(draws, self.num_registers)
        nothing = torch.zeros(own.shape, dtype=torch.int64)
        run = run_record(self.compile(tables.dtype), divided, nothing, None, last, draws=own)
        return join_outcomes(run.bits, self.num_registers)

    def _run(
        self,
        controller: nn.Module,
        x: Tensor,
        bits: Tensor,
        start: tuple[Tensor | None, Tensor],
        ends: list[int],
    ) -> ConditionedRun:
        """Run complete records; the results are those of B sequences, but for the vectors."""
        simulator, registers = self.compile(x.dtype), self.num_registers
        self.check_memory(len(x), x.shape[1], x.dtype)
        vector, values = start
        before = torch.cat((self._list_bits(values)[:, None], bits[:, :-1]), 1).to(x.dtype)
        seen = torch.cat((x, 2 * before - 1), 2) if self.measurement.bit_feedback else x
        angles = controller(seen)
        check_angles(angles, (*x.shape[:2], registers * self.ansatz.num_parameters), x.dtype)
        tables = divide_tables(angles[:, :, None], registers)
        last = [end for end in ends for _ in range(registers)]
        own = divide_bits(bits, registers).long()
        run = run_record(simulator, tables, own, vector, last)
        ones, logs, record = (
            join_outcomes(each, registers) for each in (run.ones, run.logs, run.bits)
        )
        return ConditionedRun(ones, logs, run.vector, record)

    def compile(self, dtype: torch.dtype) -> ConditionedSimulator:
        """Return the step compiled for a precision."""
        if self._simulator is None or self._simulator.dtype != dtype:
            check_dtype(dtype)
            measurement, circuit = self.measurement, self.ansatz.circuit
            self._simulator = ConditionedSimulator(
                circuit,
                qubits=measurement.qubits,
                paulis=measurement.bases,
                amplitudes=measurement.amplitudes(),
                is_undone=measurement.is_undone,
                dtype=dtype,
            )
            # Reads the observables of a state that has gone through all steps: no gate is left.
            nothing = QuantumCircuit(circuit.num_qubits)
            self._reader = Simulator(nothing, self.readout.observables, dtype)
        return self._simulator

    def mix(self, state: HiddenState, batch_size: int, dtype: torch.dtype) -> HiddenState:
        """Return a pure state as density matrices by the value of its last bits."""
        vector, values = self._open(state, batch_size, dtype)
        assert vector is not None
        matrix = vector[:, :, None] * vector.conj()[:, None, :]
        chosen = functional.one_hot(values, self.measurement.num_outcomes).to(matrix.dtype)
        density = chosen[:, :, None, None] * matrix[:, None]
        return HiddenState(state.readouts, density=as_registers(density, self.num_registers))

    def _open(
        self, state: HiddenState | None, batch_size: int, dtype: torch.dtype
    ) -> tuple[Tensor | None, Tensor]:
        """Return the first states (B R, 2^n), or None for |0...0>, and the values (B R,)."""
        if state is None:
            return None, torch.zeros(batch_size * self.num_registers, dtype=torch.int64)
        vector, values = check_conditioned(
            state,
            batch_size,
            self.num_registers * len(self.readout.observables),
            self.ansatz.num_qubits,
            self.measurement.num_outcomes,
            dtype,
            self.num_registers,
        )
        return vector.reshape(-1, vector.shape[-1]), values.flatten()

    def _list_bits(self, values: Tensor) -> Tensor:
        """Return the bits (B, R m) of values (B R,), float64."""
        bits = values[:, None] >> torch.arange(self.measurement.num_ancillas) & 1
        return bits.reshape(-1, self.num_registers * self.measurement.num_ancillas).double()

    def _repeat_rows(self, rows: Tensor) -> Tensor:
        """Return the places of the registers of sequences (S,) among B R, (S R,)."""
        registers = torch.arange(self.num_registers)
        return (rows[:, None] * self.num_registers + registers).flatten()

    def _read(self, run: ConditionedRun) -> Tensor:
        """Return the readouts (B, R K) of the last states."""
        assert self._reader is not None
        count = len(run.vector)
        evolution, token = begin(self._reader, run.vector, count)
        _, readouts = advance(evolution, token, run.vector.real.new_empty(count, 0))
        return readouts.reshape(count // self.num_registers, -1)

    def _close(self, run: ConditionedRun, ends: list[int]) -> HiddenState:
        """Return the state at the end of complete records."""
        bits = run.bits[torch.arange(len(ends)), torch.tensor(ends) - 1]
        weights = 1 << torch.arange(self.measurement.num_ancillas)
        values = (bits.reshape(len(bits), self.num_registers, -1) * weights).sum(2)
        return HiddenState(
            self._read(run),
            vector=as_registers(run.vector, self.num_registers),
            registers=as_registers(values.flatten(), self.num_registers),
        )
