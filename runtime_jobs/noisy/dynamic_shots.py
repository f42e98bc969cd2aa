"""Shots of dynamic circuits, drawn from the exact distribution of their records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from qrnn_qiskit.engines.cpu.blocks import count_blocks
from qrnn_qiskit.engines.cpu.lane_vectors import allocate_aligned, lanes_per_vector
from qrnn_qiskit.engines.cpu.noisy_program import from_lanes, spread_digits, to_lanes
from qrnn_qiskit.executors import Outcomes
from qrnn_qiskit.on_device.noisy_recurrence import NoisySegment
from runtime_jobs.estimation.bases import Basis
from runtime_jobs.estimation.standard_errors import estimate_mean
from runtime_jobs.noisy.dynamic import DynamicProgram, Record

__all__ = ["draw_outcomes"]

_MOST_ROWS = 2048  # records that are simulated at a time, unless one sequence has more

Values = NDArray[np.float64]
Counts = NDArray[np.int64]


def draw_outcomes(
    program: DynamicProgram,
    values: Values,
    finals: Sequence[Values],
    bases: Sequence[Basis],
    num_observables: int,
    shots: int,
    random: np.random.Generator,
    keeps_records: bool = False,
) -> Outcomes:
    """Draw the shots of a batch.

    All shots with the same record so far share one density matrix, so that the work grows with the
    number of different records and not with the shots.

    Args:
        program: The circuit.
        values: (B, P) parameter values, radians.
        finals: For each basis the values (B, P) with its final measurement.
        bases: The bases.
        num_observables: K.
        shots: Shots of each basis.
        random: Source of the shots.
        keeps_records: Whether the outcomes hold the records, (B, shots, T, 1), in random order.
    """
    steps, num_outcomes = len(program.records), program.num_outcomes
    records = min(num_outcomes**steps, len(bases) * shots)
    size = max(1, _MOST_ROWS // records)
    outcomes = np.zeros((len(values), steps, num_outcomes), np.int64)
    strings = np.zeros((len(values), len(bases), len(program.strings)), np.int64)
    kept = []
    for first in range(0, len(values), size):
        rows = slice(first, first + size)
        parts = [final[rows] for final in finals]
        outcomes[rows], strings[rows], ended = _draw(program, values[rows], parts, shots, random)
        if keeps_records:
            found = np.concatenate([each.list_records(shots) for each in ended], 1)
            kept += [random.permutation(record) for record in found]
    means = np.zeros((len(values), num_observables))
    variances = np.zeros_like(means)
    num_qubits = len(program.strings).bit_length() - 1
    for k, basis in enumerate(bases):
        columns, table = basis.tabulate(num_qubits)
        mean, variance = estimate_mean(strings[:, k], table)
        means[:, columns] += mean
        variances[:, columns] += variance
    total = shots * len(bases)
    drawn_records = np.stack(kept)[..., None] if kept else None
    return Outcomes(outcomes / total, means, np.sqrt(variances), total, drawn_records)


def _draw(
    program: DynamicProgram,
    values: Values,
    finals: Sequence[Values],
    shots: int,
    random: np.random.Generator,
) -> tuple[Counts, Counts, list[_Rows]]:
    """Counts of the recorded values (B, T, 2^m) and of the final bit strings (B, bases, 2^n).

    Also the rows at the end, for each basis.
    """
    num_sequences = len(values)
    state = np.zeros((num_sequences, program.num_entries, 4**program.num_qubits))
    state[:, 0, spread_digits(program.num_qubits)] = 1.0  # |0...0>
    rows = _Rows(
        state,
        np.arange(num_sequences),
        np.full((num_sequences, len(finals)), shots),
        np.zeros((num_sequences, 0), np.min_scalar_type(program.num_outcomes - 1)),
    )
    ended = []
    steps, shared = len(program.records), program.num_shared
    outcomes = np.zeros((num_sequences, steps, program.num_outcomes), np.int64)
    strings = np.zeros((num_sequences, len(finals), len(program.strings)), np.int64)
    rows = _advance(program, rows, range(shared), values, outcomes, random)
    for k, final in enumerate(finals):
        part = _advance(program, rows.select(k), range(shared, steps), final, outcomes, random)
        read = _run(program.segments[steps], part.state, final[part.owner])
        probabilities = read[:, program.final_entries].sum(1) @ program.strings.T
        seen = draw_counts(random, probabilities, part.shots[:, 0])
        np.add.at(strings[:, k], part.owner, seen)
        ended.append(part)
    return outcomes, strings, ended


class _Rows(NamedTuple):
    """Shots with different records.

    Attributes:
        state: (R, entries, 4^N) the state of each.
        owner: (R,) the sequence that each belongs to.
        shots: (R, bases) how many shots of each basis have this record.
        record: (R, t) the recorded values so far.
    """

    state: Values
    owner: Counts
    shots: Counts
    record: NDArray[np.unsignedinteger[Any]]

    def select(self, basis: int) -> _Rows:
        """Return the rows with shots of a basis."""
        chosen = np.flatnonzero(self.shots[:, basis])
        return _Rows(
            self.state[chosen],
            self.owner[chosen],
            self.shots[chosen, basis : basis + 1],
            self.record[chosen],
        )

    def list_records(self, shots: int) -> NDArray[np.unsignedinteger[Any]]:
        """Return the record of each shot, (B, shots, t), of rows of one basis."""
        order = np.argsort(self.owner, kind="stable")
        repeated = np.repeat(self.record[order], self.shots[order, 0], axis=0)
        return repeated.reshape(-1, shots, self.record.shape[1])


def _advance(
    program: DynamicProgram,
    rows: _Rows,
    steps: range,
    values: Values,
    outcomes: Counts,
    random: np.random.Generator,
) -> _Rows:
    """Run some steps, adding what they record to ``outcomes`` (B, T, 2^m)."""
    for step in steps:
        state = _run(program.segments[step], rows.state, values[rows.owner])
        rows, recorded = _split_records(
            rows._replace(state=state), program.records[step], program.num_outcomes, random
        )
        np.add.at(outcomes[:, step], (rows.owner, recorded), rows.shots.sum(1))
    return rows


def _split_records(
    rows: _Rows, record: Record, num_outcomes: int, random: np.random.Generator
) -> tuple[_Rows, Counts]:
    """Divide the shots of each row by the value that they record, and return it for each row."""
    state, shots = rows.state, rows.shots
    probabilities = np.zeros((len(state), num_outcomes))
    np.add.at(probabilities.T, record.outcomes, state[:, record.entries, 0].T)
    drawn = np.stack(
        [draw_counts(random, probabilities, shots[:, k]) for k in range(shots.shape[1])], 2
    )
    kept, recorded = np.nonzero(drawn.sum(2))
    parts = np.zeros((len(kept), *state.shape[1:]))
    for entry, outcome in zip(record.entries, record.outcomes, strict=True):
        chosen = recorded == outcome
        parts[chosen, entry] = state[kept[chosen], entry]
    parts /= probabilities[kept, recorded][:, None, None]
    values = recorded.astype(rows.record.dtype)[:, None]
    records = np.concatenate((rows.record[kept], values), 1)
    return _Rows(parts, rows.owner[kept], drawn[kept, recorded], records), recorded


def draw_counts(random: np.random.Generator, probabilities: Values, shots: Counts) -> Counts:
    """Draw ``shots`` (R,) shots of each row of ``probabilities`` (R, N)."""
    clipped = np.clip(probabilities, 0.0, None)  # rounding leaves -1e-17
    drawn: Counts = random.multinomial(shots, clipped / clipped.sum(1, keepdims=True))
    return drawn


def _run(segment: NoisySegment, state: Values, values: Values) -> Values:
    """Run a segment on states (R, entries, 4^N)."""
    if not len(state):
        return state
    real = np.dtype(np.float64)
    lanes, blocks = lanes_per_vector(real), count_blocks(len(state), torch.float64)
    packed = allocate_aligned((blocks, *state.shape[1:], lanes), real)
    packed[:] = to_lanes(state, blocks, lanes, real)
    flat = packed.reshape(blocks, state.shape[1], -1)
    segment.program.run(flat, segment.find_angles(values))
    return np.ascontiguousarray(from_lanes(flat.reshape(packed.shape), len(state)))
