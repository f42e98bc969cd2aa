"""Runs of dynamic programs: exact values and their gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from qrnn_qiskit.engines.cpu.noisy_program import from_lanes, pack_zero, to_lanes
from runtime_jobs.noisy.dynamic import DynamicProgram

__all__ = ["DynamicRun"]

Values = NDArray[np.float64]


class DynamicRun:
    """One exact run of a batch.

    Args:
        program: The program of T steps.
        values: (B, P) radians, the parameter values.
        finals: For each basis of the final measurement its parameter values (B, P).
        keeps: Whether a gradient follows, which needs the state after each step.

    Attributes:
        outcomes: (B, T, 2^m) probabilities of the recorded values.
        strings: (B, bases, 2^n) probabilities of the final bits.
    """

    def __init__(
        self,
        program: DynamicProgram,
        values: Values,
        finals: Sequence[Values],
        *,
        keeps: bool = False,
    ) -> None:
        self._program = program
        self._values = values
        self._finals = finals
        self._keeps = keeps
        shared, steps = program.num_shared, len(program.records)
        self.outcomes: Values = np.zeros((len(values), steps, program.num_outcomes))
        state = pack_zero(len(values), program.num_qubits, program.num_entries, torch.float64)
        self._lanes = state.shape[2] >> (2 * program.num_qubits)
        self._blocks = len(state)
        self._kept = self._run(state, range(shared), values, 1.0)
        self._kept_by_basis = []
        strings = []
        for final in finals:
            part = state.copy()
            kept = self._run(part, range(shared, steps + 1), final, 1.0 / len(finals))
            self._kept_by_basis.append(kept)
            total = self._split(part)[:, program.final_entries].sum(1)
            strings.append(self._by_sequence(np.matmul(program.strings, total)))
        self.strings: Values = np.stack(strings, 1)

    def pull(self, by_outcomes: Values, by_strings: Values) -> tuple[Values, list[Values]]:
        """Pull a gradient back.

        Args:
            by_outcomes: (B, T, 2^m), the gradient with respect to ``outcomes``.
            by_strings: (B, bases, 2^n), that with respect to ``strings``.

        Returns:
            The gradients with respect to ``values`` and to each of ``finals``.
        """
        program = self._program
        gradient = np.zeros_like(self._values)
        by_final = [np.zeros_like(each) for each in self._finals]
        shape = (self._blocks, program.num_entries, self._lanes << (2 * program.num_qubits))
        lam = np.zeros(shape)
        last = range(program.num_shared, len(program.segments))
        for k, final in enumerate(self._finals):
            weights = self._by_block(by_strings[:, k] @ program.strings)
            part = np.zeros(shape)
            self._split(part)[:, program.final_entries] = weights[:, None]
            shared = by_outcomes / len(self._finals)
            self._pull(part, last, self._kept_by_basis[k], final, shared, by_final[k])
            lam += part
        first = range(program.num_shared)
        self._pull(lam, first, self._kept, self._values, by_outcomes, gradient)
        return gradient, by_final

    def _run(
        self, state: NDArray[Any], steps: range, values: Values, share: float
    ) -> list[NDArray[Any]]:
        """Move ``state`` on in place, and add ``share`` times the outcomes of these segments.

        Returns:
            The state before each segment if a gradient follows.
        """
        kept = []
        for step in steps:
            segment = self._program.segments[step]
            if self._keeps:
                kept.append(state.copy())
            segment.program.run(state, segment.find_angles(values))
            if step < len(self._program.records):
                record = self._program.records[step]
                found = np.zeros((self._blocks, self._program.num_outcomes, self._lanes))
                traces = self._split(state)[:, record.entries, 0]
                for k, outcome in enumerate(record.outcomes):
                    found[:, outcome] += share * traces[:, k]
                self.outcomes[:, step] += self._by_sequence(found)
        return kept

    def _pull(
        self,
        lam: NDArray[Any],
        steps: range,
        kept: Sequence[NDArray[Any]],
        values: Values,
        by_outcomes: Values,
        gradient: Values,
    ) -> None:
        """Pull ``lam`` back in place through some segments, adding to ``gradient``."""
        for step in reversed(steps):
            segment = self._program.segments[step]
            if step < len(self._program.records):
                record = self._program.records[step]
                weights = self._by_block(by_outcomes[:, step])
                self._split(lam)[:, record.entries, 0] += weights[:, record.outcomes]
            angles = segment.find_angles(values)
            found = segment.program.pull(kept[step - steps.start], angles, lam)
            gradient[:, segment.columns] += found @ segment.slopes.T

    def _split(self, state: NDArray[Any]) -> NDArray[Any]:
        """The same state as (blocks, entries, 4^N, lanes)."""
        return state.reshape(*state.shape[:2], -1, self._lanes)

    def _by_sequence(self, by_block: Values) -> Values:
        """From (blocks, numbers, lanes) to (B, numbers)."""
        return from_lanes(by_block, len(self._values))

    def _by_block(self, by_sequence: Values) -> Values:
        """From (B, numbers) to (blocks, numbers, lanes), idle lanes 0."""
        return to_lanes(by_sequence, self._blocks, self._lanes, np.float64)
