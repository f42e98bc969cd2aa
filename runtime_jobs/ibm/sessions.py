"""The batch or session of a run: opened when a job needs it, replaced when it has closed."""

from __future__ import annotations

from collections.abc import Callable

from runtime_jobs.ibm.service import Service
from runtime_jobs.ledger import JobRecord, Ledger, Workload, WorkloadMode

__all__ = ["Workloads"]


class Workloads:
    """Finds the batch or session that the next job goes into.

    Args:
        ledger: where each is kept before a job goes into it.
        find_service: gives the account; called only where it is needed.
        mode: how jobs are grouped; JOB sends each alone.
        cap: seconds of QPU time of the run; it holds the whole time of a session.
        max_time: seconds after which the service closes a session; batches have no such limit here.
    """

    def __init__(
        self,
        ledger: Ledger,
        find_service: Callable[[], Service],
        mode: WorkloadMode,
        cap: float,
        max_time: int | None = None,
    ) -> None:
        self._ledger = ledger
        self._find_service = find_service
        self._mode = mode
        self._cap = cap
        self._max_time = max_time

    def find(self, device: str) -> Workload | None:
        """The open batch or session on a backend, a new one where there is none; None for JOB.

        Raises:
            BudgetError: the cap does not admit a new session.
            ServiceError: it cannot be opened.
        """
        if self._mode is WorkloadMode.JOB:
            return None
        for workload in self._list_open():
            if workload == Workload(workload.id, self._mode, device, self._max_time):
                return workload
        return self._open(device)

    def replace(self, job: JobRecord) -> Workload | None:
        """Another batch or session for a job that was refused because its own has closed.

        None where that is open, so that the refusal has another reason.
        """
        workload = self._ledger.find_workload(job.workload)
        if workload is None or not self._close_if_ended(workload):
            return None
        return self.find(job.device)

    def close(self) -> None:
        """Close what is open: no job is to come, and a session is billed until it closes."""
        for workload in self._list_open():
            self._find_service().close_workload(workload)
            self._ledger.close_workload(workload.id)
        self.refresh_usage()

    def refresh_usage(self) -> None:
        """Ask what sessions were charged that have closed and whose usage was not known then."""
        for workload in self._ledger.list_workloads():
            if not workload.is_open and not workload.is_settled:
                self._close_if_ended(workload)

    def _list_open(self) -> list[Workload]:
        return [workload for workload in self._ledger.list_workloads() if workload.is_open]

    def _close_if_ended(self, workload: Workload) -> bool:
        progress = self._find_service().poll_workload(workload)
        if progress.is_accepting:
            return False
        self._ledger.close_workload(workload.id, progress.usage)
        return True

    def _open(self, device: str) -> Workload:
        service = self._find_service()
        # Without a job it costs nothing, so it may be opened before the ledger admits it.
        found = service.open_workload(device, self._mode, self._max_time)
        workload = Workload(found, self._mode, device, self._max_time)
        try:
            self._ledger.open_workload(workload, self._cap)
        except BaseException:
            service.close_workload(workload)
            raise
        return workload
