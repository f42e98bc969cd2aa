"""The batch or session of a run: opened when a job needs it, replaced after it has closed."""

from __future__ import annotations

from collections.abc import Callable

from runtime_jobs.ibm.service import Service
from runtime_jobs.ledger import JobRecord, Ledger, Workload, WorkloadMode

__all__ = ["Workloads"]


class Workloads:
    """Finds the batch or session for the next job.

    Args:
        ledger: Ledger of the run, which records each batch or session before its first job.
        find_service: Returns the account; called only if it is needed.
        mode: Grouping of the jobs; JOB sends each job separately.
        cap: QPU time of the run in seconds; the full time of a session counts towards it.
        max_time: Seconds after which the service closes a session; batches have no such limit here.
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
        """Return the open batch or session on a backend, or open one; None for the mode JOB.

        Raises:
            BudgetError: The cap does not admit a new session.
            ServiceError: The batch or session cannot be opened.
        """
        if self._mode is WorkloadMode.JOB:
            return None
        for workload in self._list_open():
            if workload == Workload(workload.id, self._mode, device, self._max_time):
                return workload
        return self._open(device)

    def replace(self, job: JobRecord) -> Workload | None:
        """Return another batch or session for a refused job whose own one has closed.

        Returns None if that one is still open, so that the refusal has another reason.
        """
        workload = self._ledger.find_workload(job.workload)
        if workload is None or not self._close_if_ended(workload):
            return None
        return self.find(job.device)

    def close(self) -> None:
        """Close all open batches and sessions; a session is billed until it closes."""
        for workload in self._list_open():
            self._find_service().close_workload(workload)
            self._ledger.close_workload(workload.id)
        self.refresh_usage()

    def refresh_usage(self) -> None:
        """Ask for the charge of each closed session whose usage is not recorded yet."""
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
        # It costs nothing without a job, so it may be opened before the ledger admits it.
        found = service.open_workload(device, self._mode, self._max_time)
        workload = Workload(found, self._mode, device, self._max_time)
        try:
            self._ledger.open_workload(workload, self._cap)
        except BaseException:
            service.close_workload(workload)
            raise
        return workload
