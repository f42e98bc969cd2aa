"""Limits of the service on one job, and rounds split into jobs within them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from circuits.errors import InvalidValueError
from circuits.limits import JobLimits
from runtime_jobs.hardware.repetition import REP_DELAY_SECONDS

if TYPE_CHECKING:
    from circuits.profile import CircuitProfile

__all__ = [
    "JobLimits",
    "LimitError",
    "Load",
    "Piece",
    "estimate_seconds",
    "reserve_seconds",
    "split_loads",
    "weigh_job",
]

JOB_SECONDS = 2.0  # of a job, in addition to its circuits
MARGIN = 1.5  # max_execution_time over the estimate: longer jobs are cancelled but charged


class LimitError(InvalidValueError):
    """A single circuit exceeds the limits of the service on a job."""


@dataclass(frozen=True)
class Load:
    """One PUB as the service counts it.

    Attributes:
        label: Name of the circuit, for messages.
        profile: Profile of the circuit.
        circuits: Number of sets of parameter values, measurement bases included.
    """

    label: str
    profile: CircuitProfile
    circuits: int


@dataclass(frozen=True)
class Piece:
    """Rows of a PUB that run in one job.

    Attributes:
        load: Index of the PUB in its round.
        start: First row.
        stop: Row after the last one.
    """

    load: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def split_loads(
    loads: Sequence[Load],
    shots: int,
    limits: JobLimits | None = None,
    rep_delay: float = REP_DELAY_SECONDS,
) -> list[list[Piece]]:
    """Split a round into as few jobs as the limits allow, in order.

    Every row of every PUB is in exactly one piece, and the pieces of a PUB are in order: its
    results are the results of the pieces joined along the rows.

    Args:
        loads: PUBs of the round.
        shots: Shots of each set of values.
        limits: Limits of the service; the known ones by default.
        rep_delay: Repetition delay in seconds.

    Returns:
        For each job its pieces.

    Raises:
        LimitError: A single circuit exceeds a limit.
    """
    limits = limits or JobLimits()
    jobs: list[list[Piece]] = []
    used: dict[str, float] = {}
    room = _find_room(limits)
    for index, load in enumerate(loads):
        each = _weigh_circuit(load.profile, shots, limits, rep_delay)
        _check_circuit(load, each, room, limits)
        start = 0
        while start < load.circuits:
            fits = _count_fitting(each, used, room) if jobs else 0
            if fits == 0:
                jobs.append([])
                used = {}
                fits = _count_fitting(each, used, room)
            stop = min(load.circuits, start + fits)
            jobs[-1].append(Piece(index, start, stop))
            used = {key: used.get(key, 0.0) + each[key] * (stop - start) for key in each}
            start = stop
    return jobs


def estimate_seconds(
    loads: Sequence[Load],
    job: Sequence[Piece],
    shots: int,
    limits: JobLimits | None = None,
    rep_delay: float = REP_DELAY_SECONDS,
) -> float:
    """Estimate QPU seconds: 2 s + (``rep_delay`` + duration of a circuit) x circuits x shots."""
    is_serial = (limits or JobLimits()).serial_branches
    return JOB_SECONDS + shots * sum(
        len(piece)
        * (rep_delay + loads[piece.load].profile.find_duration(serial_branches=is_serial))
        for piece in job
    )


def reserve_seconds(seconds: float) -> int:
    """The max_execution_time of a job with this estimate: its margin included, whole seconds."""
    return math.ceil(MARGIN * seconds)


def weigh_job(
    loads: Sequence[Load],
    job: Sequence[Piece],
    shots: int,
    limits: JobLimits | None = None,
    rep_delay: float = REP_DELAY_SECONDS,
) -> dict[str, float]:
    """Share of each limit that a job takes, from 0 to 1."""
    limits = limits or JobLimits()
    shares = {
        "two_qubit_gates": max(loads[piece.load].profile.two_qubit_gates for piece in job)
        / limits.two_qubit_gates
    }
    weights = {
        piece: _weigh_circuit(loads[piece.load].profile, shots, limits, rep_delay) for piece in job
    }
    for key, capacity in _find_room(limits).items():
        shares[key] = sum(len(piece) * weight[key] for piece, weight in weights.items()) / capacity
    return shares


def _find_room(limits: JobLimits) -> dict[str, float]:
    return {
        "executions": limits.executions,
        "instructions": limits.instructions,
        "broadcasts": limits.broadcasts,
        "seconds": math.floor(limits.seconds) / MARGIN - JOB_SECONDS,
    }


def _weigh_circuit(
    profile: CircuitProfile, shots: int, limits: JobLimits, rep_delay: float
) -> dict[str, float]:
    duration = profile.find_duration(serial_branches=limits.serial_branches)
    return {
        "executions": shots,
        "instructions": profile.instructions,
        "broadcasts": profile.broadcasts,
        "seconds": shots * (rep_delay + duration),
    }


def _count_fitting(each: dict[str, float], used: dict[str, float], room: dict[str, float]) -> int:
    return max(
        0,
        min(
            math.floor((room[key] - used.get(key, 0.0)) / weight)
            for key, weight in each.items()
            if weight > 0
        ),
    )


def _check_circuit(
    load: Load, each: dict[str, float], room: dict[str, float], limits: JobLimits
) -> None:
    over = {key: (each[key], room[key]) for key in each if each[key] > room[key]}
    if load.profile.two_qubit_gates > limits.two_qubit_gates:
        over["two_qubit_gates"] = (load.profile.two_qubit_gates, limits.two_qubit_gates)
    for key, (needed, allowed) in over.items():
        raise LimitError(
            f"one circuit of {load.label} takes {needed:,.0f} {key.replace('_', ' ')}, but the "
            f"limit of a job is {allowed:,.0f}; use fewer shots or shorter sequences"
        )
