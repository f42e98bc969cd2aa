"""The cells of the table, and the measurement of the tools in one of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from peers import OURS
from peers.problem import Array, Problem, draw_problem
from workers import Failed, Over

FORWARD, TRAIN = "forward", "train"  # train is forward and backward


class Cell(NamedTuple):
    """The sizes of a problem: n qubits, L layers, T steps, B sequences."""

    qubits: int
    layers: int
    steps: int
    batch: int

    def draw(self) -> Problem:
        """Draw a problem of these sizes, always the same one."""
        return draw_problem(self.qubits, self.layers, self.batch, self.steps)

    def contains(self, other: Cell) -> bool:
        """Return whether no size is smaller than that of ``other``."""
        return all(mine >= theirs for mine, theirs in zip(self, other, strict=True))

    def __str__(self) -> str:
        return f"n = {self.qubits}, T = {self.steps}, B = {self.batch}"


@dataclass
class Outcome:
    """The measurements of one tool in one cell.

    Attributes:
        seconds: Seconds of the rounds, by "forward" and "train".
        compile_seconds: Seconds of compiling before the first call, part of no other time.
        first_seconds: Seconds of the first training step.
        difference: Largest difference from this package's readouts and gradients, relative to the
            largest of each.
        memory: Growth of the resident set by a training step in a fresh process, in bytes.
        reason: Why there are no times; empty if there are.
        limit_at: The cell where the tool exceeded a limit: this one, or one that it contains.
    """

    seconds: dict[str, list[float]] = field(default_factory=lambda: {FORWARD: [], TRAIN: []})
    compile_seconds: float = 0.0
    first_seconds: float = 0.0
    difference: float = 0.0
    memory: int | None = None
    reason: str = ""
    limit_at: Cell | None = None

    @classmethod
    def restore(cls, values: dict[str, Any]) -> Outcome:
        """Restore an outcome from the values of ``dataclasses.asdict`` read from JSON."""
        limit_at = values["limit_at"]
        return cls(**{**values, "limit_at": Cell(*limit_at) if limit_at else None})

    def best(self, what: str) -> float:
        """Return the shortest time in seconds, infinite if there is none."""
        return min(self.seconds[what], default=float("inf"))

    def middle(self, what: str) -> float:
        """Return the median time in seconds, infinite if there is none."""
        times = self.seconds[what]
        return statistics.median(times) if times else float("inf")


class Asked(Protocol):
    """The interface of :class:`workers.Worker`."""

    def ask(self, limit: float, command: str, *arguments: object) -> Any:
        """Call a function of the process."""

    def stop(self) -> None:
        """End the process."""


@dataclass(frozen=True)
class Limits:
    """The extent of the measurement.

    Attributes:
        rounds: Number of alternated rounds; the best one counts.
        call: Seconds that one call may take.
        build: Seconds that loading and compiling may take.
        budget: Measured seconds after which a tool is left out of the further rounds of a cell.
        readouts, gradients: Relative differences that are accepted as rounding errors.
    """

    rounds: int = 7
    call: float = 15.0
    build: float = 90.0
    budget: float = 8.0
    readouts: float = 1e-3
    gradients: float = 1e-2


Done = dict[Cell, dict[str, Outcome]]


def choose_cells(
    qubits: Iterable[int], steps: Iterable[int], batches: Iterable[int], reference: Cell, tiny: Cell
) -> list[Cell]:
    """Return the tiny cell, then each axis through the reference, in rising order."""
    axes = (
        [reference._replace(qubits=number) for number in sorted(qubits)],
        [reference._replace(steps=number) for number in sorted(steps)],
        [reference._replace(batch=number) for number in sorted(batches)],
    )
    return list(dict.fromkeys([tiny, *(cell for axis in axes for cell in axis)]))


def measure_cell(
    cell: Cell,
    workers: dict[str, Asked],
    limits: Limits,
    done: Done,
    report: Callable[[str], None],
) -> dict[str, Outcome]:
    """Compare the tools, then time them in alternated rounds.

    Args:
        cell: The sizes.
        workers: Worker of each tool, this package first.
        limits: The extent of the measurement.
        done: The cells before this one; a tool that exceeded a limit in a smaller one is left out.
        report: Called with a message about the progress.
    """
    problem = cell.draw()
    outcomes = {name: Outcome() for name in workers}
    wanted: tuple[Array, ...] | None = None
    for name, worker in workers.items():
        outcome = outcomes[name]
        known = _find_limit(cell, name, done)
        if known:
            outcome.reason, outcome.limit_at = known.reason, known.limit_at
            continue
        report(f"{cell}: {name}")
        try:
            outcome.compile_seconds = worker.ask(limits.build, "build", problem)
            # This package compiles in its first call; peers have done so before.
            allowed = limits.build if name == OURS else limits.call
            outcome.first_seconds, found = worker.ask(allowed, "train")
            wanted = found if name == OURS else wanted
            outcome.difference = _compare(found, wanted, limits)
        except (Over, Failed) as error:
            _give_up(outcome, error, cell)
    report(f"{cell}: rounds")
    running = {name: outcome for name, outcome in outcomes.items() if not outcome.reason}
    for _ in range(limits.rounds):
        for name, outcome in list(running.items()):
            try:
                for what, seconds in outcome.seconds.items():
                    seconds.append(workers[name].ask(limits.call, "time", what))
            except (Over, Failed) as error:
                _give_up(outcome, error, cell)
                del running[name]
            else:
                if sum(map(sum, outcome.seconds.values())) > limits.budget:
                    del running[name]
    return outcomes


def measure_memory(
    cell: Cell,
    start: Callable[[str], Asked],
    outcomes: dict[str, Outcome],
    limits: Limits,
    report: Callable[[str], None],
) -> None:
    """Measure the memory of every tool that has times, each in a fresh process from ``start``."""
    problem = cell.draw()
    for name, outcome in outcomes.items():
        if outcome.reason:
            continue
        report(f"{cell}: memory of {name}")
        worker = start(name)
        try:
            outcome.memory = worker.ask(2 * limits.build + limits.call, "measure_memory", problem)
        except (Over, Failed) as error:
            outcome.reason = f"memory: {error}"
        finally:
            worker.stop()


def _find_limit(cell: Cell, name: str, done: Done) -> Outcome | None:
    for outcomes in done.values():
        found = outcomes.get(name)
        if found and found.limit_at and cell.contains(found.limit_at):
            return found
    return None


def _give_up(outcome: Outcome, error: Over | Failed, cell: Cell) -> None:
    if not outcome.seconds[TRAIN]:  # otherwise the rounds before this one count
        outcome.reason = str(error)
    if isinstance(error, Over):
        outcome.limit_at = cell


def _compare(found: tuple[Array, ...], wanted: tuple[Array, ...] | None, limits: Limits) -> float:
    if wanted is None:
        raise Failed(f"not compared: {OURS} has no result")
    differences = [
        float(np.abs(mine - theirs).max() / np.abs(theirs).max())
        for mine, theirs in zip(found, wanted, strict=True)
    ]
    allowed = (limits.readouts, limits.gradients, limits.gradients)
    if not all(map(float.__le__, differences, allowed)):  # NaN is no agreement
        raise Failed(f"disagrees: readouts, weight, bias differ by {differences}")
    return max(differences)
