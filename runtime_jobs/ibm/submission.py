"""What was asked of a QPU for a run, kept in its ledger so that any process can go on with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from qrnn_qiskit.training.evaluation import Evaluation, evaluate
from qrnn_qiskit.training.run_folder import RunFolder
from runtime_jobs.ibm.dispatch import Dispatcher
from runtime_jobs.ibm.executor import IbmExecutor
from runtime_jobs.ibm.service import Service
from runtime_jobs.ledger import Ledger, hold_lock

__all__ = ["Submission", "continue_submission", "open_ledger", "read_submission"]

_SETTING = "submission"
_ALL_AT_ONCE = 2**31  # sequences


@dataclass(frozen=True)
class Submission:
    """Inference on a QPU.

    Attributes:
        backend: ``ibm_kingston``.
        shots: of each circuit.
        sequences: the first test sequences; None for all.
        cap: seconds of QPU time that the run may use in all.
        is_finished: whether its results have been evaluated.
    """

    backend: str
    shots: int
    sequences: int | None
    cap: float
    is_finished: bool = False


@contextmanager
def open_ledger(run: RunFolder) -> Iterator[Ledger]:
    """The ledger of a run, for this process alone."""
    with hold_lock(run.path), Ledger(run.path) as ledger:
        yield ledger


def read_submission(ledger: Ledger) -> Submission | None:
    """What was asked last; None where nothing was."""
    kept = ledger.read_setting(_SETTING)
    return None if kept is None else Submission(**kept)


def continue_submission(
    run: RunFolder,
    ledger: Ledger,
    submission: Submission,
    *,
    wait: bool = False,
    retry: bool = False,
    open_service: Callable[[], Service] = Service,
) -> Evaluation:
    """Compute as far as the ledger's results reach, and send what comes next.

    Returns:
        The evaluation, when all results are there.

    Raises:
        BudgetError, JobsPendingError, JobFailedError, ServiceError: see
            :meth:`runtime_jobs.ibm.dispatch.Dispatcher.run`.
    """
    ledger.write_setting(_SETTING, asdict(submission))
    dispatcher = Dispatcher(ledger, open_service, submission.cap, wait=wait, retry=retry)
    dispatcher.refresh_usage()
    executor = IbmExecutor(submission.backend, submission.shots, dispatcher, ledger)
    evaluation = evaluate(
        run, sequences=submission.sequences, executor=executor, batch_size=_ALL_AT_ONCE
    )
    ledger.write_setting(_SETTING, asdict(submission) | {"is_finished": True})
    return evaluation
