"""A progress bar of submitted jobs on standard error, shown only on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

from qrnn_qiskit.training.progress import Bars

if TYPE_CHECKING:
    from runtime_jobs.ibm.queue_watch import Waiting, Watch

__all__ = ["WaitingBar"]


class WaitingBar(Bars):
    """A bar over the jobs of a submission: done, queue position, QPU seconds used of the cap.

    Args:
        planned: Number of jobs in the plan; None if unknown.
        cap: QPU time that the run may use, in seconds.
        enabled: Whether to show the bar; None shows it only on a terminal.
    """

    def __init__(self, planned: int | None, cap: float, enabled: bool | None = None) -> None:
        super().__init__(
            TextColumn("{task.fields[jobs]}"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("· {task.fields[note]}"),
            enabled=enabled,
        )
        self._cap = cap
        self._planned = planned
        self._bar = self.add_task("", total=planned, jobs="jobs", note="asking the service")

    @property
    def watch(self) -> Watch | None:
        """The callback for each poll; None without a bar, so that nothing more is requested."""
        return self.show if self.enabled else None

    def show(self, waiting: Waiting) -> None:
        """Show the progress of the jobs."""
        of = "" if self._planned is None else f" of {self._planned}"
        place = "running or about to"
        if waiting.position is not None:
            place = f"position {waiting.position} in the queue"
        elif waiting.pending:
            place = f"{waiting.pending} jobs in the queue of the device"
        self.update(
            self._bar,
            completed=waiting.done,
            jobs=f"{waiting.done}{of} jobs done, {waiting.open} open",
            note=f"{place} · QPU {waiting.used:.1f} of {self._cap:g} s used",
        )
