"""The machine that a benchmark ran on."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def describe_processor() -> str:
    """Name of the processor, as the system tells it."""
    information = Path("/proc/cpuinfo")
    for line in information.read_text().splitlines() if information.exists() else ():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor() or platform.machine()


def describe_machine() -> str:
    """Processor and number of cores."""
    return f"{describe_processor()}, {os.cpu_count()} cores"


def limit_threads(threads: int) -> None:
    """Give this process and its children ``threads`` cores; call it before libraries are loaded."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    for library in ("OMP", "MKL", "OPENBLAS", "NUMBA"):
        os.environ[f"{library}_NUM_THREADS"] = str(threads)


class StolenTime:
    """What the host of a virtual machine takes while a benchmark runs (Linux)."""

    def __init__(self) -> None:
        self._before = _read_times()

    def describe(self) -> str:
        """A sentence with the share of the time since the beginning that programs had to wait."""
        used, stolen = (
            now - before for now, before in zip(_read_times(), self._before, strict=True)
        )
        share = stolen / max(used + stolen, 1)
        return f"The host took {share:.0%} of the processor time that the machine asked for."


def _read_times(path: Path = Path("/proc/stat")) -> tuple[int, int]:
    """Ticks of work and ticks stolen, of all cores; zeros where the system does not tell."""
    if not path.exists():
        return 0, 0
    fields = path.read_text().splitlines()[0].split()[1:]
    user, nice, system, _idle, _wait, irq, softirq, stolen, *_ = map(int, fields)
    return user + nice + system + irq + softirq, stolen
