"""Run tools in separate processes, which may take too long, fill the memory, or crash."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import time
import traceback
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from peers import TOOLS, Tool
from peers.problem import Problem, draw_problem
from timing import find_shortest, time_call

LOOK_SECONDS = 0.5  # between two looks at the memory of a process


class Over(Exception):
    """A call exceeded its time or memory; a larger problem would too."""


class Failed(Exception):
    """A call raised an error, or its process ended."""


class Worker:
    """One tool in a process, which starts with the first call and again after a stop.

    Args:
        name: Key of :data:`peers.TOOLS`.
        memory: Bytes that the process may use.
    """

    def __init__(self, name: str, memory: int) -> None:
        self._name, self._memory = name, memory
        self._process: Any = None
        self._connection: Connection | None = None

    def ask(self, limit: float, command: str, *arguments: object) -> Any:
        """Call a function of :class:`_Server`.

        Raises:
            Over: After ``limit`` seconds, or at the memory limit; the process is ended.
            Failed: The process raised an error, or it ended.
        """
        if self._connection is None:
            self._start()
        assert self._connection is not None
        deadline = time.monotonic() + limit
        try:
            self._connection.send((command, arguments))
            while not self._connection.poll(min(LOOK_SECONDS, limit)):
                if time.monotonic() > deadline:
                    raise Over(f"over {limit:g} s")
                if read_memory("VmRSS", self._process.pid) > self._memory:
                    raise Over(f"over {self._memory / 2**30:.0f} GiB")
            error, value = self._connection.recv()
        except Over:
            self.stop()
            raise
        except (EOFError, ConnectionError, FileNotFoundError) as broken:
            self._process.join()
            code = self._process.exitcode
            self.stop()
            raise Failed(f"the process ended with exit status {code}") from broken
        if error:
            raise Failed(error)
        return value

    def stop(self) -> None:
        """End the process."""
        if self._connection is not None:
            self._connection.close()
            self._process.kill()
            self._process.join()
            self._connection = None

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._name), daemon=True)
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process inherits this
        try:
            self._process.start()
        finally:
            signal.signal(signal.SIGINT, handler)
        theirs.close()


class _Server:
    """The functions that a process runs on request."""

    def __init__(self, name: str) -> None:
        self._entry = TOOLS[name]
        self._tool: Tool | None = None

    def build(self, problem: Problem) -> float:
        """Prepare a problem in place of the last one; return the seconds of compiling."""
        self._tool = None
        gc.collect()
        self._tool = self._entry.build(problem)
        return self._tool.compile_seconds

    def train(self) -> Any:
        """Return the seconds of a first training step, its readouts and its gradients."""
        assert self._tool is not None
        start = time.perf_counter()
        result = self._tool.train()
        return time.perf_counter() - start, tuple(result)

    def time(self, what: str) -> float:
        """Return the shortest of a few calls in seconds, or of one call if it is long."""
        return find_shortest(partial(time_call, getattr(self._tool, what)))

    def measure_memory(self, problem: Problem) -> int:
        """Return the growth in bytes of the largest resident set in a training step.

        A small problem first loads libraries and starts threads, and everything is compiled before
        the first measurement.
        """
        small = draw_problem(2, problem.num_layers, 1, 2)
        self.build(small)
        self.train()
        self.build(problem)
        return measure_growth(self.train)


def measure_growth(call: Any) -> int:
    """Return by how many bytes a call raises the peak of the resident set (Linux)."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak to the current size
    before = read_memory("VmRSS")
    call()
    return max(0, read_memory("VmHWM") - before)


def read_memory(field: str, process: int | str = "self") -> int:
    """Read a field of ``/proc/PROCESS/status`` in bytes: VmRSS (resident set) or VmHWM (peak)."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return 1024 * int(line.split()[1])
    return 0  # the process has just ended


def _serve(connection: Connection, name: str) -> None:
    """Answer requests until the other end closes."""
    silent = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # tools print at import and while they compile
        os.dup2(silent, stream)
    server = _Server(name)
    while True:
        try:
            command, arguments = connection.recv()
        except EOFError:
            return
        try:
            reply = ("", getattr(server, command)(*arguments))
        except Exception:  # noqa: BLE001 - the parent reports every error
            error = traceback.format_exc().strip().splitlines()[-1]
            reply = (error[:300] or "error", None)
        connection.send(reply)
