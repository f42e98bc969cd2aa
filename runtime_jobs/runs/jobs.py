"""The submitted jobs of a run: their states, their results, and a table of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qrnn_qiskit.training.presentation import Presented, Shown
from runtime_jobs.ibm.notices import notify
from runtime_jobs.ledger import JobRecord, Ledger
from runtime_jobs.runs.opening import RunLike, find_folder
from runtime_jobs.runs.submitting import Progress, collect

if TYPE_CHECKING:
    from qrnn_qiskit.training.device_steps import Tuning
    from qrnn_qiskit.training.evaluation import Evaluation

__all__ = ["Jobs", "describe_jobs"]


class Jobs(Presented):
    """The submitted jobs of a run, as its ledger records them: a table in a notebook.

    ``Jobs("runs/mine")`` finds them again in another process.

    Args:
        run: The result of ``qrnn_qiskit.fit`` or ``load``, or the folder of a run.

    Attributes:
        folder: The folder of the run.
    """

    def __init__(self, run: RunLike) -> None:
        self.folder: Path = find_folder(run)

    def collect(self, *, wait: bool = False, retry: bool = False) -> Evaluation | Tuning:
        """Fetch results, and send the jobs that need them, within the cap.

        Args:
            wait: Whether to wait until all results have arrived.
            retry: Whether to send again the jobs that ended without a result.

        Returns:
            The evaluation of the run, or the outcome of its training steps.

        Raises:
            JobsPendingError: Results are outstanding; call again later.
            JobFailedError: A job ended without a result.
            BudgetError: The cap does not admit the next job.
        """
        return take_result(collect(self.folder, wait=wait, retry=retry, say=notify))

    def list(self) -> list[JobRecord]:
        """List the jobs in the order in which they were sent, without asking the service."""
        if not (self.folder / "ledger.sqlite").exists():
            return []
        with Ledger(self.folder) as ledger:
            return ledger.list_jobs()

    def describe(self) -> Shown:
        """Return the jobs and their QPU time as text."""
        return describe_jobs(self.folder, {})

    def to_records(self) -> list[dict[str, Any]]:
        """Return the jobs as plain values."""
        return [asdict(job) | {"state": str(job.state)} for job in self.list()]


def take_result(progress: Progress) -> Evaluation | Tuning:
    """Return the result of a submission; JobsPendingError while it is outstanding."""
    if progress.result is None:
        assert progress.pending is not None
        raise progress.pending
    return progress.result


def describe_jobs(folder: Path, states: Mapping[str, str]) -> Shown:
    """Describe the jobs of a run and sum up their QPU time.

    Args:
        folder: The folder of a run with a ledger.
        states: States by tag that override those of the ledger.
    """
    with Ledger(folder) as ledger:
        found, committed = ledger.list_jobs(), ledger.committed_seconds()
        strays, unsure = ledger.strays.list_all(), ledger.strays.list_unsure()
    rows = []
    for job in found:
        state = states.get(job.tag, str(job.state))
        rows.append(
            [
                str(job.number),
                job.job_id or "",
                job.round,
                f"{job.circuits:,}",
                state if job.reason is None else f"{state}: {job.reason}",
                "" if job.usage is None else f"{job.usage:.1f}",
                str(job.max_execution_time),
            ]
        )
    line = f"{folder}: {len(found)} jobs, {committed:.1f} s of QPU time used or held by open jobs"
    if strays:
        line += f", {len(strays)} of it beside these: {', '.join(job.job_id for job in strays)}"
    if unsure:
        line += (
            f"; {len(unsure)} jobs were posted without a clear answer, and 'qrnn collect {folder}' "
            "looks for second ones at the service"
        )
    return Shown(["", "job", "round", "circuits", "state", "QPU s", "limit s"], rows, [line])
