"""Compare speed and memory of the recurrence with other libraries: table, CSV file and picture.

    python benchmarks/grid.py                   # 25 minutes on 2 idle cores
    python benchmarks/grid.py --quick           # 5 minutes
    python benchmarks/grid.py --tools qrnn plain torchquantum --qubits 8 10 14 --budget 60

Every tool computes the same recurrence with the same weights, in a separate process. Before
anything is timed, its readouts and gradients are compared with those of this package. Rounds
alternate between the tools, and the best one counts. One size varies at a time around the
reference: 8 qubits, 16 steps, 32 sequences.

Finished cells are saved, and the command continues where it was stopped. A cell that a tool cannot
compute within the limits shows the reason.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import sys
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from cells import Cell, Done, Limits, Outcome, choose_cells, measure_cell, measure_memory
from grid_report import write_report
from machine import describe_machine, limit_threads
from peers import OURS, TOOLS
from workers import Worker

REFERENCE = Cell(qubits=8, layers=2, steps=16, batch=32)
TINY = Cell(qubits=4, layers=2, steps=2, batch=2)  # small enough for every tool
QUICK: dict[str, Any] = {
    "qubits": [4, 8, 12],
    "steps": [],
    "batches": [],
    "rounds": 3,
    "call": 5.0,
    "build": 40.0,
    "budget": 3.0,
}


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    limits = Limits()
    parser.add_argument("--quick", action="store_true", help="fewer cells, rounds and seconds")
    shown = "(default: %(default)s)"
    reports = Path(__file__).parent / "reports"
    begun = max(reports.glob("*-grid.progress"), default=None)  # also after midnight
    today = time.strftime("%Y-%m-%d-grid", time.gmtime())
    add = parser.add_argument
    add("--tools", nargs="+", choices=TOOLS, default=list(TOOLS), help="default: all")
    add("--qubits", type=read_size, nargs="*", default=list(range(2, 17, 2)), help=shown)
    add("--steps", type=read_size, nargs="*", default=[16, 128, 1024, 4096], help=shown)
    add("--batches", type=read_size, nargs="*", default=[1, 32, 256, 1024], help=shown)
    add("--rounds", type=read_size, default=limits.rounds, help=shown)
    add("--call", type=float, default=limits.call, help=f"seconds at most {shown}")
    add("--build", type=float, default=limits.build, help=f"seconds at most {shown}")
    add(
        "--budget",
        type=float,
        default=limits.budget,
        help=f"measured seconds after which a tool leaves a cell {shown}",
    )
    add("--threads", type=read_size, default=len(os.sched_getaffinity(0)), help=shown)
    add("--gibibytes", type=float, default=12.0, help=f"memory that a tool may use {shown}")
    out = begun.with_suffix("") if begun else reports / today
    add("--out", type=Path, default=out, help=f"path of the report, without a suffix {shown}")
    if parser.parse_args().quick:
        parser.set_defaults(**QUICK)
    return parser.parse_args()


def read_size(text: str) -> int:
    """Read a whole number of 1 or more."""
    size = int(text)
    if size < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {size}")
    return size


def main() -> None:
    """Measure the missing cells and write the report."""
    arguments = read_arguments()
    path = arguments.out.parent / f"{arguments.out.name}.progress"
    try:
        measure(arguments, path)
    except WrongProgressError as error:
        raise SystemExit(f"error: {error}") from error
    except KeyboardInterrupt:
        print(f"stopped; the same command continues with the cells in {path}", file=sys.stderr)
        raise SystemExit(130) from None


def measure(arguments: argparse.Namespace, path: Path) -> None:
    """Measure the cells that are missing in ``path``, and write the report."""
    limit_threads(arguments.threads)
    limits = Limits(
        rounds=arguments.rounds,
        call=arguments.call,
        build=arguments.build,
        budget=arguments.budget,
    )
    cells = choose_cells(arguments.qubits, arguments.steps, arguments.batches, REFERENCE, TINY)
    names = [OURS, *(name for name in arguments.tools if name != OURS)]
    versions = find_versions(names)
    setting = {
        "machine": describe_machine(),
        "python": platform.python_version(),
        "versions": versions,
        "threads": arguments.threads,
        "limits": asdict(limits),
        "gibibytes": arguments.gibibytes,
    }
    progress = Progress(path, setting)
    if progress.done:
        print(f"{path} has {len(progress.done)} of {len(cells)} cells")
    start = partial(Worker, memory=int(arguments.gibibytes * 2**30))
    workers = {name: start(name) for name in names if name in versions}
    begin = time.monotonic()

    def report(what: str) -> None:
        print(f"{time.monotonic() - begin:6.0f} s  {what}", flush=True)

    try:
        for cell in cells:
            if cell in progress.done:
                continue
            outcomes = measure_cell(cell, workers, limits, progress.done, report)
            if is_measured_for_memory(cell, cells):
                measure_memory(cell, start, outcomes, limits, report)
            progress.add(cell, outcomes)
    finally:
        for worker in workers.values():
            worker.stop()
    done = {cell: progress.done[cell] for cell in cells}
    for path in write_report(arguments.out, setting | progress.begun, names, done, REFERENCE):
        print(f"wrote {path}")
    progress.path.unlink()


def find_versions(names: list[str]) -> dict[str, dict[str, str]]:
    """Return the package versions of every installed tool; print which tools are not installed."""
    versions = {}
    for name in names:
        try:
            versions[name] = TOOLS[name].find_versions()
        except importlib.metadata.PackageNotFoundError as error:
            print(f"{TOOLS[name].title} is left out: {error}. `make bench` installs it.")
    return versions


def is_measured_for_memory(cell: Cell, cells: list[Cell]) -> bool:
    """Return whether a cell is the reference, 12 or 14 qubits, or the end of another axis."""
    chosen = [REFERENCE, *(REFERENCE._replace(qubits=number) for number in (12, 14))]
    chosen.append(REFERENCE._replace(steps=max(other.steps for other in cells)))
    chosen.append(REFERENCE._replace(batch=max(other.batch for other in cells)))
    return cell in chosen


class WrongProgressError(ValueError):
    """The saved cells are from a run with other packages or options."""


class Progress:
    """The finished cells, in a JSON file.

    Args:
        path: The file.
        setting: Packages and options of this run.

    Attributes:
        begun: Time of the first cell, and the load average then.
        done: The outcomes of the finished cells.

    Raises:
        WrongProgressError: The file is from a run with another setting.
    """

    def __init__(self, path: Path, setting: dict[str, Any]) -> None:
        self.path, self._setting = path, setting
        started = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
        self.begun: dict[str, Any] = {"started": started, "load": round(os.getloadavg()[0], 1)}
        self.done: Done = {}
        if not path.exists():
            return
        kept = json.loads(path.read_text())
        self.begun = kept["begun"]
        if kept["setting"] != setting:
            others = [name for name in setting if kept["setting"].get(name) != setting[name]]
            raise WrongProgressError(
                f"{path} has cells of a run with other packages or options ({', '.join(others)}): "
                "use those again, delete the file, or pass another --out"
            )
        for sizes, outcomes in kept["cells"]:
            self.done[Cell(*sizes)] = {
                name: Outcome.restore(values) for name, values in outcomes.items()
            }

    def add(self, cell: Cell, outcomes: dict[str, Outcome]) -> None:
        """Save a finished cell."""
        self.done[cell] = outcomes
        cells = [
            [sizes, {name: asdict(outcome) for name, outcome in found.items()}]
            for sizes, found in self.done.items()
        ]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps({"setting": self._setting, "begun": self.begun, "cells": cells}))
        new.replace(self.path)  # never half a file


if __name__ == "__main__":
    main()
