"""Marks that fixtures imply, the order of the files, and a limit on the time of a quick test."""

from __future__ import annotations

import fcntl
import importlib
import os
import time
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

MARKS = {"loopback": "service", "interpreted": "triton"}  # by the fixtures that imply them
LONG = ("process", "service", "noisy", "triton", "notebook", "training", "slow")
IMPORTED_LATE = ("matplotlib.pyplot", "qiskit_aer", "sklearn.datasets", "torch._dynamo")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--limit-seconds",
        type=float,
        metavar="SECONDS",
        help="fail a test whose call takes more processor time than this (its fixtures apart)",
    )


@pytest.hookimpl(tryfirst=True)  # marks come before -m selects by them
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for fixture in MARKS.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker(MARKS[fixture])
    # Files with many long tests go first: one at the end would leave the other workers idle.
    is_long = Counter(item.path for item in items if any(map(item.get_closest_marker, LONG)))
    items.sort(key=lambda item: -is_long[item.path])


@pytest.fixture(scope="session")
def make_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make a folder once for all workers: make_once("trained", lambda folder: ...).

    The first worker makes it while the others wait. None of them may write to it afterwards.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # the folder of all workers of this run

    def make(name: str, write: Callable[[Path], None]) -> Path:
        folder, done = base / f"shared-{name}", base / f"shared-{name}.done"
        with (base / f"shared-{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file is closed
            if not done.exists():
                write(folder)
                done.touch()
        return folder

    return make


def pytest_collection_finish(session: pytest.Session) -> None:
    """Do before the first limited test what would otherwise count as its time."""
    if session.config.getoption("--limit-seconds") is None or session.config.option.collectonly:
        return
    from qrnn_qiskit.engines.cpu.compile_kernels import compile_kernels  # torch takes seconds

    for module in IMPORTED_LATE:
        importlib.import_module(module)
    compile_kernels()


def measure_processor_seconds() -> float:
    """Seconds of all threads of this process and of the processes that it has waited for."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    limit = item.config.getoption("--limit-seconds")
    start = measure_processor_seconds()
    yield
    # Not the clock's time: a busy machine must not fail a test.
    taken = measure_processor_seconds() - start
    if limit is not None and taken > limit:
        pytest.fail(
            f"took {taken:.1f} s of processor time, expected at most {limit:g} s in `make quick`; "
            "make it faster or mark it by what it needs (see [tool.pytest.ini_options])",
            pytrace=False,
        )
