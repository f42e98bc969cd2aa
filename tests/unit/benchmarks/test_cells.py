"""The bookkeeping of the grid, with tools whose results are scripted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cells import FORWARD, TRAIN, Cell, Limits, Outcome, choose_cells, measure_cell, measure_memory
from workers import Failed, Over

SMALL, LARGE = Cell(2, 1, 3, 4), Cell(4, 1, 3, 4)
LIMITS = Limits(rounds=3, call=9.0, build=99.0, budget=10.0)
RESULT = tuple(np.full(3, value, np.float32) for value in (1.0, 2.0, 3.0))


class FakeWorker:
    """Gives an answer to each command, or raises it, and notes what was asked."""

    def __init__(self, asked: list[tuple[object, ...]], name: str, **answers: Any) -> None:
        self.asked, self.name = asked, name
        self.answers = {"build": 0.5, "train": (0.25, RESULT), "time": 1.0, **answers}
        self.is_stopped = False

    def ask(self, limit: float, command: str, *arguments: object) -> Any:
        what = arguments if command == "time" else ()
        self.asked.append((self.name, command, *what))
        answer = self.answers[command]
        if isinstance(answer, list):
            answer = answer.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def stop(self) -> None:
        self.is_stopped = True


def run(
    done: dict[Cell, dict[str, Outcome]] | None = None, cell: Cell = SMALL, **answers: Any
) -> tuple[dict[str, Outcome], list[tuple[object, ...]]]:
    """The outcomes of this package's model and of a peer with these answers; what was asked."""
    asked: list[tuple[object, ...]] = []
    workers = {"qrnn": FakeWorker(asked, "qrnn"), "peer": FakeWorker(asked, "peer", **answers)}
    return measure_cell(cell, workers, LIMITS, done or {}, lambda text: None), asked


def test_one_size_varies_at_a_time() -> None:
    reference, tiny = Cell(8, 2, 16, 32), Cell(4, 2, 4, 2)
    cells = choose_cells([10, 8], [16, 64], [1, 32], reference, tiny)
    sizes = [tuple(cell) for cell in cells]
    assert sizes == [(4, 2, 4, 2), (8, 2, 16, 32), (10, 2, 16, 32), (8, 2, 64, 32), (8, 2, 16, 1)]


def test_rounds_alternate_after_everything_is_compared() -> None:
    outcomes, asked = run()
    both = [(name, "time", what) for name in ("qrnn", "peer") for what in (FORWARD, TRAIN)]
    begun = [(name, command) for name in ("qrnn", "peer") for command in ("build", "train")]
    assert asked == begun + LIMITS.rounds * both
    assert outcomes["peer"].seconds == {FORWARD: [1.0] * 3, TRAIN: [1.0] * 3}
    assert (outcomes["peer"].compile_seconds, outcomes["peer"].first_seconds) == (0.5, 0.25)


def test_the_best_round_counts() -> None:
    outcomes, _ = run(time=[1.0, 4.0, 2.0, 2.0, 3.0, 3.0])
    assert outcomes["peer"].best(FORWARD) == 1.0
    assert outcomes["peer"].best(TRAIN) == 2.0
    assert outcomes["peer"].middle(TRAIN) == 3.0


def test_a_slow_tool_leaves_the_rounds() -> None:
    outcomes, _ = run(time=6.0)  # 12 s in the first round, over the budget of 10 s
    assert len(outcomes["peer"].seconds[TRAIN]) == 1
    assert len(outcomes["qrnn"].seconds[TRAIN]) == 3


@pytest.mark.parametrize("wrong", [1.1, np.nan])
@pytest.mark.parametrize("part", range(3))
def test_a_tool_that_disagrees_is_not_timed(part: int, wrong: float) -> None:
    found = [array.copy() for array in RESULT]
    found[part][1] *= wrong
    outcomes, asked = run(train=(0.25, tuple(found)))
    assert outcomes["peer"].reason.startswith("disagrees")
    assert not any(name == "peer" for name, command, *_ in asked if command == "time")


@pytest.mark.parametrize("command", ["build", "train", "time"])
def test_what_is_over_a_limit_is_not_tried_at_larger_sizes(command: str) -> None:
    first, _ = run(**{command: Over("over 9 s")})
    assert (first["peer"].reason, first["peer"].limit_at) == ("over 9 s", SMALL)
    second, asked = run({SMALL: first}, LARGE)
    assert (second["peer"].reason, second["peer"].limit_at) == ("over 9 s", SMALL)
    assert {name for name, *_ in asked} == {"qrnn"}


def test_smaller_sizes_are_tried_after_a_limit() -> None:
    first, _ = run(cell=LARGE, build=Over("over 9 s"))
    second, _ = run({LARGE: first}, SMALL)
    assert not second["peer"].reason


def test_a_crash_ends_one_cell_of_one_tool() -> None:
    first, _ = run(train=Failed("the process ended with exit status -11"))
    assert "exit status -11" in first["peer"].reason
    assert len(first["qrnn"].seconds[TRAIN]) == 3
    second, _ = run({SMALL: first}, LARGE)
    assert not second["peer"].reason


def test_rounds_before_a_limit_count() -> None:
    outcomes, _ = run(time=[1.0, 1.0, Over("over 9 s")])
    assert not outcomes["peer"].reason
    assert outcomes["peer"].seconds[TRAIN] == [1.0]


def test_nothing_is_timed_that_could_not_be_compared() -> None:
    asked: list[tuple[object, ...]] = []
    broken = FakeWorker(asked, "qrnn", build=Failed("no kernels"))
    workers = {"qrnn": broken, "peer": FakeWorker(asked, "peer")}
    outcomes = measure_cell(SMALL, workers, LIMITS, {}, lambda text: None)
    assert [outcome.reason for outcome in outcomes.values()] == [
        "no kernels",
        "not compared: qrnn has no result",
    ]


def test_memory_is_of_fresh_processes_that_are_ended() -> None:
    outcomes, _ = run()
    outcomes["late"] = Outcome(reason="over 9 s")
    started: list[FakeWorker] = []

    def start(name: str) -> FakeWorker:
        answer = 1024 if name == "qrnn" else Failed("killed")
        started.append(FakeWorker([], name, measure_memory=answer))
        return started[-1]

    measure_memory(SMALL, start, outcomes, LIMITS, lambda text: None)
    assert [worker.name for worker in started] == ["qrnn", "peer"]
    assert all(worker.is_stopped for worker in started)
    assert outcomes["qrnn"].memory == 1024
    assert outcomes["peer"].memory is None
    assert outcomes["peer"].best(TRAIN) == 1.0  # its times stay
