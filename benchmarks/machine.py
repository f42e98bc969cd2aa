"""Describe the machine that a benchmark runs on."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def describe_processor() -> str:
    """Return the name of the processor as the system reports it."""
    information = Path("/proc/cpuinfo")
    for line in information.read_text().splitlines() if information.exists() else ():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor() or platform.machine()


def describe_machine() -> str:
    """Return the processor and the number of cores."""
    return f"{describe_processor()}, {os.cpu_count()} cores"


def limit_threads(threads: int) -> None:
    """Limit this process and its children to ``threads`` cores, before libraries are loaded."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    for library in ("OMP", "MKL", "OPENBLAS", "NUMBA"):
        os.environ[f"{library}_NUM_THREADS"] = str(threads)


class StolenTime:
    """The share of processor time that the host of a virtual machine takes (Linux)."""

    def __init__(self) -> None:
        self._before = _read_times()

    def describe(self) -> str:
        """Return a sentence with the share of the time that programs had to wait."""
        used, stolen = (
            now - before for now, before in zip(_read_times(), self._before, strict=True)
        )
        share = stolen / max(used + stolen, 1)
        return f"The host took {share:.0%} of the processor time that the machine requested."


def _read_times(path: Path = Path("/proc/stat")) -> tuple[int, int]:
    """Return the ticks of work and the stolen ticks of all cores; zeros if there is no file."""
    if not path.exists():
        return 0, 0
    fields = path.read_text().splitlines()[0].split()[1:]
    user, nice, system, _idle, _wait, irq, softirq, stolen, *_ = map(int, fields)
    return user + nice + system + irq + softirq, stolen
