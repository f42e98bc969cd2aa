"""Running measured circuits with tables of values, in as few jobs as the limits allow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit

from circuits.profile import CircuitProfile
from qrnn_qiskit.executors import Counts
from runtime_jobs.estimation.bits import Bits, join_bits
from runtime_jobs.hardware.job_limits import (
    JobLimits,
    Load,
    Piece,
    estimate_seconds,
    reserve_seconds,
    split_loads,
)
from runtime_jobs.hardware.row_packing import deal_rows
from runtime_jobs.ibm.dispatch import Dispatcher
from runtime_jobs.ibm.frozen_circuits import Freezer
from runtime_jobs.ibm.job_contents import JobContent, unpack_pubs
from runtime_jobs.ledger import FrozenCircuit, JobRecord, JobRequest, Ledger, hash_bytes

__all__ = ["BoundCircuit", "JobRunner"]


class BoundCircuit(NamedTuple):
    """A measured circuit with all its sets of values, measurement bases included.

    Attributes:
        circuit: The measured circuit.
        values: (R, P) parameter values in radians, one row per execution of all shots.
        groups: (R,) group of each row; rows of one group run on the same patch of qubits.
        factor: Number of times that each two-qubit gate outside of branches is repeated.
    """

    circuit: QuantumCircuit
    values: NDArray[np.float64]
    groups: NDArray[np.int64]
    factor: int = 1


class JobRunner:
    """Runs circuits with their values round by round, each job once per ledger.

    Args:
        backend: Name of the backend, such as ``ibm_kingston``.
        dispatcher: Sends and collects the jobs.
        ledger: Ledger of the run.
        freezer: Chooses qubits and compiles circuits, once for the run.
        counts: Sums of jobs, PUBs, executions, transpilations and QPU seconds.
        limits, patches, repetition, rep_delay, default_delay: See
            :class:`~runtime_jobs.ibm.executor.IbmExecutor`.

    Attributes:
        records: Records of all jobs of the results so far.
        rounds: Rounds so far.
    """

    def __init__(
        self,
        backend: str,
        dispatcher: Dispatcher,
        ledger: Ledger,
        freezer: Freezer,
        counts: Counts,
        *,
        limits: JobLimits | None,
        patches: int,
        repetition: int,
        rep_delay: float | None,
        default_delay: float,
    ) -> None:
        self.records: list[JobRecord] = []
        self._backend = backend
        self._dispatcher = dispatcher
        self._ledger = ledger
        self._freezer = freezer
        self._counts = counts
        self._limits = limits
        self._patches = patches
        self._repetition = repetition
        self._rep_delay = rep_delay
        self._planned_delay = default_delay if rep_delay is None else rep_delay
        self.rounds = 0

    def run(self, bound_circuits: Sequence[BoundCircuit], shots: int) -> list[Bits]:
        """Return the bits of every circuit by register, using as few jobs as the limits allow."""
        self.rounds += 1
        deals = [deal_rows(bound.groups, self._patches) for bound in bound_circuits]
        tables = [
            deal.pack(bound.values) for deal, bound in zip(deals, bound_circuits, strict=True)
        ]
        self._freezer.choose_qubits(bound.circuit for bound in bound_circuits)
        frozen = [
            self._freezer.freeze(bound.circuit, deal.patches, bound.factor)
            for bound, deal in zip(bound_circuits, deals, strict=True)
        ]
        loads = [
            Load(f"round {self.rounds}", CircuitProfile(**json.loads(kept.profile)), len(table))
            for kept, table in zip(frozen, tables, strict=True)
        ]
        jobs = split_loads(loads, shots, self._limits, self._planned_delay)
        contents = [
            self._make_content(job, frozen, tables, loads, shots, k)
            for k, job in enumerate(jobs, start=1)
        ]
        unsent = {
            piece.load
            for job, content in zip(jobs, contents, strict=True)
            if self._ledger.find(content.request.key) is None
            for piece in job
        }
        if unsent:
            self._freezer.check_working(frozen[load] for load in unsent)
        results = self._dispatcher.run(contents)
        records = [self._ledger.find(content.request.key) for content in contents]
        self.records.extend(record for record in records if record is not None)
        self._counts.qpu_seconds = sum(record.usage or 0.0 for record in self.records)
        self._counts.transpilations = self._freezer.transpilations
        self._counts.jobs += len(jobs)
        self._counts.pubs += sum(map(len, jobs))
        self._counts.executions += shots * sum(map(len, tables))
        parts: list[list[Bits]] = [[] for _ in bound_circuits]
        for job, result in zip(jobs, results, strict=True):
            for piece, bits in zip(job, result, strict=True):
                parts[piece.load].append(bits)
        return [deal.split(join_bits(part)) for deal, part in zip(deals, parts, strict=True)]

    def _make_content(
        self,
        job: Sequence[Piece],
        frozen: Sequence[FrozenCircuit],
        values: Sequence[NDArray[np.float64]],
        loads: Sequence[Load],
        shots: int,
        number: int,
    ) -> JobContent:
        rows = [values[piece.load][piece.start : piece.stop] for piece in job]
        circuits = [frozen[piece.load] for piece in job]
        device = self._freezer.get_device()
        options: dict[str, Any] = {"primitive": "sampler", "rows": [len(row) for row in rows]}
        if self._rep_delay is not None:  # without one, the key stays that of earlier versions
            options["rep_delay"] = self._rep_delay
        seconds = estimate_seconds(loads, job, shots, self._limits, self._planned_delay)
        request = JobRequest(
            device=self._backend,
            round=f"round {self.rounds}, job {number}",
            circuit_hashes=tuple(circuit.hash for circuit in circuits),
            parameters_hash=hash_bytes(b"".join(row.tobytes() for row in rows)),
            options=json.dumps(options),
            target_hash=device.target_hash,
            circuits=sum(map(len, rows)),
            shots=shots,
            max_execution_time=reserve_seconds(seconds),
            repetition=self._repetition,
        )
        return JobContent(
            request, partial(unpack_pubs, circuits, rows), tuple(map(len, rows)), self._rep_delay
        )
