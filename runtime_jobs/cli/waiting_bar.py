"""How far the jobs of a service are: a line on standard error, silent where nobody watches."""

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
        planned: jobs of the plan, None where it is not known.
        cap: seconds of QPU time that the run may use.
        enabled: None shows it on a terminal only.
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
        """What to call at each look; None where nobody watches, so that nothing more is asked."""
        return self.show if self.enabled else None

    def show(self, waiting: Waiting) -> None:
        """Where the jobs stand."""
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
