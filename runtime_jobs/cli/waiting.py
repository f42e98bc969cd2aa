"""How far the jobs of a service are: a line on standard error, silent where nobody watches."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from qrnn_qiskit.training.progress import is_watched

if TYPE_CHECKING:
    from runtime_jobs.ibm.waiting import Waiting, Watch

__all__ = ["WaitingBar"]


class WaitingBar:
    """A bar over the jobs of a submission: done, queue position, QPU seconds used of the cap.

    Args:
        planned: jobs of the plan, None where it is not known.
        cap: seconds of QPU time that the run may use.
        enabled: None shows it on a terminal only.
    """

    def __init__(self, planned: int | None, cap: float, enabled: bool | None = None) -> None:
        self._enabled = is_watched() if enabled is None else enabled
        self._cap = cap
        self._bars = Progress(
            TextColumn("{task.fields[jobs]}"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("· {task.fields[note]}"),
            console=Console(stderr=True, force_terminal=self._enabled),
            disable=not self._enabled,
            transient=True,
            redirect_stdout=False,  # results go there, and libraries that keep it
        )
        self._planned = planned
        self._bar = self._bars.add_task("", total=planned, jobs="jobs", note="asking the service")

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    @property
    def watch(self) -> Watch | None:
        """What to call at each look; None where nobody watches, so that nothing more is asked."""
        return self.show if self._enabled else None

    def show(self, waiting: Waiting) -> None:
        """Where the jobs stand."""
        of = "" if self._planned is None else f" of {self._planned}"
        place = "running or about to"
        if waiting.position is not None:
            place = f"position {waiting.position} in the queue"
        elif waiting.pending:
            place = f"{waiting.pending} jobs in the queue of the device"
        self._bars.update(
            self._bar,
            completed=waiting.done,
            jobs=f"{waiting.done}{of} jobs done, {waiting.open} open",
            note=f"{place} · QPU {waiting.used:.1f} of {self._cap:g} s used",
        )
