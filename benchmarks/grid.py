"""Speed and memory of the recurrence beside other libraries: a table, a CSV file and a picture.

    python benchmarks/grid.py                   # 25 minutes on 2 idle cores
    python benchmarks/grid.py --quick           # 5 minutes
    python benchmarks/grid.py --tools qrnn plain torchquantum --qubits 8 10 14 --budget 60

Every tool computes the same recurrence with the same weights, in a process of its own; before
anything is timed, its readouts and gradients are compared with this package's. Rounds alternate
between the tools, and the best one counts. One size varies at a time around the
reference: 8 qubits, 16 steps, 32 sequences.

Cells are kept as they are finished: the command goes on where it was stopped. What a tool cannot do
within the limits is shown with the reason.
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
    """The command line."""
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
        help=f"counted seconds after which a tool leaves a cell {shown}",
    )
    add("--threads", type=read_size, default=len(os.sched_getaffinity(0)), help=shown)
    add("--gibibytes", type=float, default=12.0, help=f"that a tool may hold {shown}")
    out = begun.with_suffix("") if begun else reports / today
    add("--out", type=Path, default=out, help=f"path of the report, without an ending {shown}")
    if parser.parse_args().quick:
        parser.set_defaults(**QUICK)
    return parser.parse_args()


def read_size(text: str) -> int:
    """A whole number from 1 on."""
    size = int(text)
    if size < 1:
        raise argparse.ArgumentTypeError(f"{size} is not 1 or more")
    return size


def main() -> None:
    """Measure what is not measured yet, and write the report."""
    arguments = read_arguments()
    path = arguments.out.parent / f"{arguments.out.name}.progress"
    try:
        measure(arguments, path)
    except WrongProgressError as error:
        raise SystemExit(f"error: {error}") from error
    except KeyboardInterrupt:
        print(f"stopped; the same command goes on with the cells in {path}", file=sys.stderr)
        raise SystemExit(130) from None


def measure(arguments: argparse.Namespace, path: Path) -> None:
    """Measure the cells that ``path`` has not, and write the report."""
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

    def tell(what: str) -> None:
        print(f"{time.monotonic() - begin:6.0f} s  {what}", flush=True)

    try:
        for cell in cells:
            if cell in progress.done:
                continue
            outcomes = measure_cell(cell, workers, limits, progress.done, tell)
            if is_measured_for_memory(cell, cells):
                measure_memory(cell, start, outcomes, limits, tell)
            progress.add(cell, outcomes)
    finally:
        for worker in workers.values():
            worker.stop()
    done = {cell: progress.done[cell] for cell in cells}
    for path in write_report(arguments.out, setting | progress.begun, names, done, REFERENCE):
        print(f"wrote {path}")
    progress.path.unlink()


def find_versions(names: list[str]) -> dict[str, dict[str, str]]:
    """Versions of the packages of every tool that is installed; tell of those that are not."""
    versions = {}
    for name in names:
        try:
            versions[name] = TOOLS[name].find_versions()
        except importlib.metadata.PackageNotFoundError as error:
            print(f"{TOOLS[name].title} is left out: {error}. `make bench` installs it.")
    return versions


def is_measured_for_memory(cell: Cell, cells: list[Cell]) -> bool:
    """The reference, 12 and 14 qubits, and the ends of the other axes."""
    chosen = [REFERENCE, *(REFERENCE._replace(qubits=number) for number in (12, 14))]
    chosen.append(REFERENCE._replace(steps=max(other.steps for other in cells)))
    chosen.append(REFERENCE._replace(batch=max(other.batch for other in cells)))
    return cell in chosen


class WrongProgressError(ValueError):
    """Cells are kept of a run with other packages or options."""


class Progress:
    """The cells that are finished, in a JSON file.

    Args:
        path: The file.
        setting: Of this run; WrongProgressError where the file is of another one.

    Attributes:
        begun: When the first cell was, and the load average then.
        done: The outcomes of the finished cells.
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
                "go on with those, delete the file, or give another --out"
            )
        for sizes, outcomes in kept["cells"]:
            self.done[Cell(*sizes)] = {
                name: Outcome.restore(values) for name, values in outcomes.items()
            }

    def add(self, cell: Cell, outcomes: dict[str, Outcome]) -> None:
        """Keep a finished cell."""
        self.done[cell] = outcomes
        cells = [
            [sizes, {name: asdict(outcome) for name, outcome in found.items()}]
            for sizes, found in self.done.items()
        ]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps({"setting": self._setting, "begun": self.begun, "cells": cells}))
        new.replace(self.path)  # whole, or not at all


if __name__ == "__main__":
    main()
