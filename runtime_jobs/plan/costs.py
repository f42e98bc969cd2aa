"""A plan: the jobs of a run on a QPU, their QPU seconds and their price."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from runtime_jobs.hardware.job_limits import (
    JobLimits,
    estimate_seconds,
    reserve_seconds,
    split_loads,
    weigh_job,
)
from runtime_jobs.hardware.packing import Packing
from runtime_jobs.plan.registers import PlacedRegister
from runtime_jobs.plan.rounds import Round

__all__ = ["OPEN_PLAN_SECONDS", "Plan", "PlannedJob", "make_plan"]

OPEN_PLAN_SECONDS = 600  # of QPU time in 28 days


@dataclass(frozen=True)
class PlannedJob:
    """A job of a plan.

    Attributes:
        number: Number of the job, from 1.
        round: The purpose of the job, in words.
        after: Numbers of the jobs whose results it needs.
        pubs: Number of PUBs, whole or in part.
        circuits: Number of sets of parameter values, measurement bases included.
        executions: Circuits times shots.
        seconds: Estimated QPU time in seconds.
        max_execution_time: Seconds after which the service cancels it.
        nearest_limit: The limit of the service that it comes closest to.
        share: Share of that limit, from 0 to 1.
    """

    number: int
    round: str
    after: tuple[int, ...]
    pubs: int
    circuits: int
    executions: int
    seconds: float
    max_execution_time: int
    nearest_limit: str
    share: float


@dataclass(frozen=True)
class Plan:
    """The cost of a run on a QPU.

    Attributes:
        device: Name of the device.
        sequences: Number of sequences in each pass.
        shots: Shots per circuit.
        patches: Physical qubits of each copy of a circuit.
        jobs: Jobs in the order in which they are sent.
        two_qubit_gates, two_qubit_depth, broadcasts: Counts of the longest circuit.
        duration: Duration of the longest circuit in seconds.
        t1, t2: Medians over the qubits in seconds; None if the device does not report them.
        price_per_second: Price of a second of QPU time.
        currency: Currency of that price.
        registers: The qubits of each register on each patch; empty for one register.
    """

    device: str
    sequences: int
    shots: int
    patches: tuple[tuple[int, ...], ...]
    jobs: tuple[PlannedJob, ...]
    two_qubit_gates: int
    two_qubit_depth: int
    broadcasts: float
    duration: float
    t1: float | None
    t2: float | None
    price_per_second: float
    currency: str
    registers: tuple[PlacedRegister, ...] = ()

    @property
    def circuits(self) -> int:
        """The number of circuits in all jobs."""
        return sum(job.circuits for job in self.jobs)

    @property
    def executions(self) -> int:
        """The number of circuits times shots in all jobs."""
        return sum(job.executions for job in self.jobs)

    @property
    def qpu_seconds(self) -> float:
        """The estimated QPU time of all jobs, in seconds."""
        return sum(job.seconds for job in self.jobs)

    @property
    def reserved_seconds(self) -> int:
        """The smallest cap that admits every job, in seconds: the sum of max_execution_time."""
        return sum(job.max_execution_time for job in self.jobs)

    @property
    def price(self) -> float:
        """The estimated price of all jobs."""
        return self.qpu_seconds * self.price_per_second

    def to_dict(self) -> dict[str, Any]:
        """Return all fields and totals as plain JSON values."""
        totals = ("circuits", "executions", "qpu_seconds", "reserved_seconds", "price")
        return asdict(self) | {name: getattr(self, name) for name in totals}


def make_plan(
    packing: Packing,
    passes: Sequence[Sequence[Round]],
    *,
    sequences: int,
    shots: int,
    price_per_second: float,
    currency: str,
    limits: JobLimits | None = None,
    registers: tuple[PlacedRegister, ...] = (),
) -> Plan:
    """Split rounds into jobs and add up their costs.

    Args:
        packing: The device and its qubits.
        passes: The rounds of each pass through the sequences: one pass for inference, or one per
            training step. Each round needs the results of the one before.
        sequences: Number of sequences in each pass.
        shots: Shots per circuit.
        price_per_second: Price of a second of QPU time.
        currency: Currency of that price.
        limits: Limits of the service on one job.
        registers: The qubits of each of several registers.

    Raises:
        LimitError: A circuit exceeds the limits of a job.
    """
    jobs: list[PlannedJob] = []
    after: tuple[int, ...] = ()
    for number, rounds in enumerate(passes, start=1):
        for group in rounds:
            name = group.name if len(passes) == 1 else f"pass {number}, {group.name}"
            added = _plan_round(replace(group, name=name), len(jobs) + 1, after, shots, limits)
            jobs += added
            after = tuple(job.number for job in added)
    longest = max(
        (load.profile for rounds in passes for group in rounds for load in group.loads),
        key=lambda profile: profile.seconds,
    )
    return Plan(
        device=packing.name,
        sequences=sequences,
        shots=shots,
        patches=packing.patches,
        jobs=tuple(jobs),
        two_qubit_gates=longest.two_qubit_gates,
        two_qubit_depth=longest.two_qubit_depth,
        broadcasts=longest.broadcasts,
        duration=longest.seconds,
        t1=_find_median(packing, "t1"),
        t2=_find_median(packing, "t2"),
        price_per_second=price_per_second,
        currency=currency,
        registers=registers,
    )


def _plan_round(
    group: Round, first: int, after: tuple[int, ...], shots: int, limits: JobLimits | None
) -> list[PlannedJob]:
    """Split a round into jobs, which are numbered from ``first`` and need the jobs ``after``."""
    jobs = []
    for number, pieces in enumerate(split_loads(group.loads, shots, limits), start=first):
        circuits = sum(map(len, pieces))
        seconds = estimate_seconds(group.loads, pieces, shots)
        shares = weigh_job(group.loads, pieces, shots, limits)
        nearest = max(shares, key=lambda limit: shares[limit])
        jobs.append(
            PlannedJob(
                number=number,
                round=group.name,
                after=after,
                pubs=len(pieces),
                circuits=circuits,
                executions=circuits * shots,
                seconds=seconds,
                max_execution_time=reserve_seconds(seconds),
                nearest_limit=nearest,
                share=shares[nearest],
            )
        )
    return jobs


def _find_median(packing: Packing, name: str) -> float | None:
    properties = [item for chip in packing.chips for item in chip.cut.qubit_properties or []]
    times = [getattr(item, name) for item in properties if getattr(item, name)]
    return statistics.median(times) if times else None
