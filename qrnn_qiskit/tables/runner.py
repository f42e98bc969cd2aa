"""All cells of a table in parallel, each from its last checkpoint."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Any

from circuits.errors import InvalidValueError
from qrnn_qiskit.tables.cells import CellResult, estimate_seconds, read_result, run_cell
from qrnn_qiskit.tables.spec import Cell, Choice, Pair
from qrnn_qiskit.training.checkpoint import write_text

__all__ = ["choose", "estimate", "open_workers", "run_table"]

CONNECT_SECONDS = 10.0
Note = Callable[[Cell, CellResult, int], None]


@contextmanager
def open_workers(workers: int, scheduler: str | None = None) -> Iterator[Executor]:
    """Open processes of this machine, or the workers of a Dask scheduler that share its folders.

    Args:
        workers: Number of processes, each with one thread; ignored with a scheduler, which has its
            own workers.
        scheduler: Address of a Dask scheduler, "tcp://host:8786"; this machine unless given.

    Raises:
        ValueError: There is no such scheduler, or Dask is not installed.
    """
    if scheduler is None:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, initializer=_end_with_parent) as pool:
            yield pool
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise InvalidValueError(
            "several machines need Dask, which is not installed; in a clone of this project, "
            "pip install '.[cluster]'"
        ) from error
    try:
        client: Any = Client(scheduler, timeout=CONNECT_SECONDS)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise InvalidValueError(
            f"no Dask scheduler answers at {scheduler!r}; start one with 'dask scheduler', and "
            "'dask worker ADDRESS --nthreads 1' on each machine"
        ) from error
    with client, client.get_executor(pure=False) as pool:
        yield pool


def _end_with_parent() -> None:
    """End a worker when its parent process was killed; its cell can be continued later."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def estimate(out: Path, pairs: Sequence[Pair], pool: Executor) -> dict[str, float]:
    """Estimate the seconds of a run of each pair by name from a few timed steps.

    Estimates are kept in ``estimate.json`` by the command of a run: with other settings a run is
    timed again.
    """
    file = out / "estimate.json"
    known: dict[str, float] = json.loads(file.read_text()) if file.exists() else {}
    first = {pair.name: pair.search_cells()[0] for pair in pairs}
    missing = {
        cell.command(): pool.submit(estimate_seconds, cell)
        for cell in first.values()
        if cell.command() not in known
    }
    if missing:
        known |= {command: future.result() for command, future in missing.items()}
        out.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps(known, indent=2) + "\n")
    return {name: known[cell.command()] for name, cell in first.items()}


def choose(out: Path, pair: Pair) -> Choice | None:
    """Choose what is best by validation; None before the search is finished.

    A run that diverged is worse than any other. Of equals, such as runs that all diverged, the one
    with the smallest learning rate is chosen, and of these the first variant.
    """
    scores: dict[Choice, tuple[float, float]] = {}
    for cell in pair.search_cells():
        result = read_result(out, cell)
        if result is None:
            return None
        value = result.validation.get(pair.headline, float("nan"))
        signed = value if pair.higher_is_better else -value
        score = signed if isfinite(value) else float("-inf")
        scores[cell.choice] = score, -cell.choice.learning_rate
    return max(scores, key=lambda choice: scores[choice])  # the first of equals


def list_open(out: Path, pairs: Sequence[Pair]) -> list[Cell]:
    """List the cells that can be run now: those of searches, and the seeds of finished searches."""
    cells = []
    for pair in pairs:
        choice = choose(out, pair)
        wanted = pair.search_cells() if choice is None else pair.seed_cells(choice)
        cells += [cell for cell in wanted if read_result(out, cell) is None]
    return cells


def count_open(out: Path, pair: Pair) -> int:
    """Count the remaining runs of a pair, of search and seeds."""
    choice = choose(out, pair)
    if choice is not None:
        return sum(read_result(out, cell) is None for cell in pair.seed_cells(choice))
    done = sum(read_result(out, cell) is not None for cell in pair.search_cells())
    return pair.count_runs() - done


def run_table(
    out: Path, pairs: Sequence[Pair], pool: Executor, note: Note, workers: int = 1
) -> None:
    """Run the remaining cells of these pairs, ``workers`` at a time and pair after pair.

    Any process may be killed at any time; the next call continues.

    Args:
        out: Folder of the table.
        pairs: The rows to run.
        pool: Runs the cells.
        note: Called after every run with its cell, its result and the number of remaining runs.
        workers: Number of cells run at the same time.
    """
    running: dict[Future[CellResult], Cell] = {}
    while True:
        taken = {cell.path for cell in running.values()}
        for cell in list_open(out, pairs):
            if len(running) < workers and cell.path not in taken:
                running[pool.submit(run_cell, out, cell)] = cell
        if not running:
            return
        try:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                cell = running.pop(future)
                result = future.result()
                note(cell, result, sum(count_open(out, pair) for pair in pairs))
        except BaseException:
            for future in running:
                future.cancel()
            raise
