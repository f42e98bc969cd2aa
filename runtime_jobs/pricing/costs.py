"""A plan: the jobs of a run on a QPU, their QPU seconds and their price."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from qrnn_qiskit.training.presentation import Presented, Shown
from runtime_jobs.hardware.job_limits import (
    JobLimits,
    estimate_seconds,
    reserve_seconds,
    split_loads,
    weigh_job,
)
from runtime_jobs.hardware.repetition import REP_DELAY_SECONDS, Delays
from runtime_jobs.pricing.description import describe_plan
from runtime_jobs.pricing.overhead import Overhead
from runtime_jobs.pricing.registers import PlacedRegister

if TYPE_CHECKING:
    from runtime_jobs.hardware.packing import Packing
    from runtime_jobs.pricing.rounds import Round

__all__ = ["Plan", "PlannedJob", "make_plan"]


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
class Plan(Presented):
    """The cost of a run on a QPU.

    Attributes:
        device: Name of the device.
        sequences: Number of sequences in each pass.
        shots: Shots per circuit.
        patches: Physical qubits of each copy of a circuit.
        jobs: Jobs in the order in which they are sent.
        two_qubit_gates, two_qubit_depth, broadcasts: Counts of the longest circuit.
        duration: Duration of the longest circuit in seconds, with branches on disjoint qubits at
            the same time or, if the limits say so, one after another.
        serial_duration: The same with branches one after another.
        t1, t2: Medians over the qubits in seconds; None if the device does not report them.
        price_per_second: Price of a second of QPU time.
        currency: Currency of that price.
        rep_delay: Repetition delay of the jobs in seconds.
        delays: Repetition delays that the device takes.
        serial_branches: Whether ``duration`` is ``serial_duration``.
        calibration: Where the calibration of the device comes from.
        terms: Where the limits of the service come from, and their date.
        allowance_seconds: QPU time that the account has in ``allowance_days``; None if unknown.
        allowance_days: Days in which it has that time.
        registers: The qubits of each register on each patch; empty for one register.
        trained_on: The qubits of a training on the noise of this device, and what has changed on
            them since, see :meth:`.TrainedLayout.to_dict`; None without such a training.
        overhead: What the mitigation costs in standard errors; None without mitigation.
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
    serial_duration: float
    rep_delay: float = REP_DELAY_SECONDS
    delays: Delays = field(default_factory=Delays)
    serial_branches: bool = False
    calibration: str = ""
    terms: str = ""
    allowance_seconds: float | None = None
    allowance_days: float = 28
    registers: tuple[PlacedRegister, ...] = ()
    trained_on: dict[str, Any] | None = None
    overhead: Overhead | None = None

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

    def find_seconds(self, rep_delay: float) -> float:
        """Return the estimated QPU seconds of the same jobs at another repetition delay."""
        return self.qpu_seconds + self.executions * (rep_delay - self.rep_delay)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Plan:
        """Return the plan that :meth:`to_dict` has written."""
        named = {item.name: content[item.name] for item in fields(cls)}
        jobs = [PlannedJob(**job | {"after": tuple(job["after"])}) for job in content["jobs"]]
        return cls(
            **named
            | {
                "jobs": tuple(jobs),
                "patches": tuple(tuple(patch) for patch in content["patches"]),
                "delays": Delays(**content["delays"]),
                "overhead": content["overhead"] and Overhead(**content["overhead"]),
                "registers": tuple(
                    PlacedRegister(**each | {"qubits": tuple(each["qubits"])})
                    for each in content["registers"]
                ),
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all fields and totals as plain JSON values."""
        totals = ("circuits", "executions", "qpu_seconds", "reserved_seconds", "price")
        return asdict(self) | {name: getattr(self, name) for name in totals}

    def describe(self) -> Shown:
        """Return the jobs, their totals and the assumptions as text."""
        return describe_plan(self)

    def to_records(self) -> list[dict[str, Any]]:
        """Return the jobs as plain values."""
        return [asdict(job) for job in self.jobs]


def make_plan(
    packing: Packing,
    passes: Sequence[Sequence[Round]],
    *,
    sequences: int,
    shots: int,
    price_per_second: float,
    currency: str,
    limits: JobLimits | None = None,
    rep_delay: float | None = None,
    delays: Delays | None = None,
    registers: tuple[PlacedRegister, ...] = (),
    overhead: Overhead | None = None,
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
        rep_delay: Repetition delay in seconds; the default of the device by default.
        delays: Repetition delays that the device takes.
        registers: The qubits of each of several registers.
        overhead: What the mitigation costs in standard errors.

    Raises:
        LimitError: A circuit exceeds the limits of a job.
        DeviceError: The device does not take the repetition delay.
    """
    limits, delays = limits or JobLimits(), delays or Delays()
    chosen = delays.choose(rep_delay, packing.name)
    jobs: list[PlannedJob] = []
    after: tuple[int, ...] = ()
    for number, rounds in enumerate(passes, start=1):
        for group in rounds:
            name = group.name if len(passes) == 1 else f"pass {number}, {group.name}"
            renamed = replace(group, name=name)
            added = _plan_round(renamed, len(jobs) + 1, after, shots, limits, chosen)
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
        duration=longest.find_duration(serial_branches=limits.serial_branches),
        serial_duration=longest.find_duration(serial_branches=True),
        t1=_find_median(packing, "t1"),
        t2=_find_median(packing, "t2"),
        price_per_second=price_per_second,
        currency=currency,
        rep_delay=chosen,
        delays=delays,
        serial_branches=limits.serial_branches,
        registers=registers,
        overhead=overhead,
    )


def _plan_round(
    group: Round,
    first: int,
    after: tuple[int, ...],
    shots: int,
    limits: JobLimits,
    rep_delay: float,
) -> list[PlannedJob]:
    """Split a round into jobs, which are numbered from ``first`` and need the jobs ``after``."""
    jobs = []
    shots = group.shots or shots
    split = split_loads(group.loads, shots, limits, rep_delay)
    for number, pieces in enumerate(split, start=first):
        circuits = sum(map(len, pieces))
        seconds = estimate_seconds(group.loads, pieces, shots, limits, rep_delay)
        shares = weigh_job(group.loads, pieces, shots, limits, rep_delay)
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
