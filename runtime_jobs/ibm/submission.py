"""The work requested from a QPU, kept in the ledger so that any process can continue it."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import torch

from circuits.errors import InvalidValueError
from circuits.limits import JobLimits
from qrnn_qiskit.executors import Counts
from qrnn_qiskit.training.checkpoint import remove_leftovers, write_atomically, write_text
from qrnn_qiskit.training.device_steps import Tuning, tune
from qrnn_qiskit.training.evaluation import Evaluation, evaluate
from qrnn_qiskit.training.loading import TrainedModel, load_run
from qrnn_qiskit.training.provenance import describe_device, describe_provenance
from qrnn_qiskit.training.run_folder import RunFolder
from runtime_jobs.estimation.mitigation import parse_mitigation
from runtime_jobs.hardware.calibration import find_trained_layout
from runtime_jobs.hardware.repetition import REP_DELAY_SECONDS
from runtime_jobs.ibm.dispatch import Dispatcher
from runtime_jobs.ibm.executor import IbmExecutor
from runtime_jobs.ibm.queue_watch import Watch
from runtime_jobs.ibm.service import Service, ServiceError
from runtime_jobs.ledger import (
    IdentityError,
    JobsPendingError,
    Ledger,
    LedgerError,
    WorkloadMode,
    hold_lock,
)

__all__ = [
    "Submission",
    "continue_submission",
    "hash_weights",
    "open_ledger",
    "read_submission",
]

_SETTING = "submission"
_ALL_AT_ONCE = 2**31  # sequences


@dataclass(frozen=True)
class Submission:
    """Inference, or some training steps, on a QPU.

    Attributes:
        backend: Name of the backend, such as ``ibm_kingston``.
        shots: Shots per circuit.
        sequences: Number of test sequences, the first ones, or batch size in training; None for all
            test sequences or the configured batch size.
        cap: Total QPU time that the run may use, in seconds.
        train_steps: Number of training steps; 0 for inference.
        gradient: Gradient method of the training.
        mode: Grouping of the jobs at the service, see
            :class:`~runtime_jobs.ledger.records.WorkloadMode`.
        session_seconds: Seconds after which a session closes.
        repetition: Number of earlier runs of the same work, if it is repeated on purpose.
        patches, spacing, fast_measurements: See :class:`runtime_jobs.ibm.executor.IbmExecutor`.
        rep_delay, default_delay: See :class:`runtime_jobs.ibm.executor.IbmExecutor`.
        mitigation: Error mitigation of dynamic circuits, by name.
        decouple: Sequence of gates in long waits, by name.
        limits: Fields of :class:`circuits.limits.JobLimits` that differ from its defaults.
        planned_jobs: Number of jobs in the plan.
        weights: SHA-256 of the weights, see :func:`hash_weights`.
        is_finished: Whether all results have arrived and been used.

    Raises:
        ValueError: A session has no ``session_seconds``, or another mode has them.
    """

    backend: str
    shots: int
    sequences: int | None
    cap: float
    train_steps: int = 0
    gradient: str | None = None
    mode: str = "batch"
    session_seconds: int | None = None
    repetition: int = 0
    patches: int = 1
    spacing: int = 0
    fast_measurements: bool = False
    rep_delay: float | None = None
    default_delay: float = REP_DELAY_SECONDS
    limits: dict[str, Any] = field(default_factory=dict)
    mitigation: str | None = None
    decouple: str | None = None
    planned_jobs: int | None = None
    weights: str | None = None
    is_finished: bool = False

    def asks_for(self) -> dict[str, Any]:
        """Return the fields that define the result: not progress, grouping or cap."""
        others = ("cap", "mode", "session_seconds", "default_delay", "planned_jobs", "is_finished")
        return {name: value for name, value in asdict(self).items() if name not in others}

    def __post_init__(self) -> None:
        seconds = self.session_seconds
        if (self.mode == WorkloadMode.SESSION) != (seconds is not None) or (
            seconds is not None and seconds < 1
        ):
            raise InvalidValueError(
                f"got mode {str(self.mode)!r} with session seconds {seconds}: a session is billed "
                "by wall-clock time until it closes, so --mode session needs --session-seconds S "
                "of at least 1, and the other modes take none"
            )


@contextmanager
def open_ledger(run: RunFolder) -> Iterator[Ledger]:
    """Open the ledger of a run, locked for this process."""
    with hold_lock(run.path), Ledger(run.path) as ledger:
        yield ledger


def read_submission(ledger: Ledger) -> Submission | None:
    """Return the last submission of a run; None if there is none.

    Raises:
        LedgerError: It has fields that this version does not know.
    """
    kept = ledger.read_setting(_SETTING)
    if kept is None:
        return None
    if unknown := set(kept) - {field.name for field in fields(Submission)}:
        raise LedgerError(
            f"the submission in {ledger.file} has the unknown fields {', '.join(sorted(unknown))}; "
            "use the version of qrnn-qiskit that wrote it"
        )
    return Submission(**kept)


def continue_submission(
    run: RunFolder,
    ledger: Ledger,
    submission: Submission,
    *,
    wait: bool = False,
    retry: bool = False,
    relayout: bool = False,
    open_service: Callable[[], Service] = Service,
    watch: Watch | None = None,
    report: Callable[[str], None] | None = None,
    trained: TrainedModel | None = None,
) -> Evaluation | Tuning:
    """Compute as far as the results in the ledger reach, and send the next jobs.

    The batch or session is closed at the end, and after a failure that leaves nothing to send.

    Args:
        run: The run.
        ledger: Its open ledger.
        submission: The requested work.
        wait: Whether to wait until all results have arrived.
        retry: Whether to send a job again that ended without a result.
        relayout: Whether to choose qubits anew instead of keeping those of the run.
        open_service: Opens the account; called only if the ledger does not have all results.
        watch: Called at each poll of jobs that are waited for.
        report: Takes a line about each job that was sent or whose result arrived.
        trained: The model of the run with its best weights, if it is loaded already.

    Returns:
        The evaluation, or the outcome of the training steps, once all results have arrived. The
        weights of the training are then in ``tuned.pt``, its losses and provenance in
        ``tuned.json``.

    Raises:
        ValueError: The weights differ from those that were submitted.
        BudgetError, IdentityError, JobsPendingError, JobFailedError, ServiceError: See
            :meth:`runtime_jobs.ibm.dispatch.Dispatcher.run`.
    """
    if trained is None:
        trained = load_run(run)
    if submission.weights not in (None, hash_weights(trained)):
        raise InvalidValueError(
            f"the best weights of {run.path} differ from those that were submitted: it was trained "
            "further. Nothing was sent; 'qrnn submit' sends the current weights, as a new "
            "submission with its own cost"
        )
    if relayout:
        ledger.write_setting(_SETTING, asdict(submission), forget=submission.backend)
    dispatcher = Dispatcher(
        ledger,
        open_service,
        submission.cap,
        mode=WorkloadMode(submission.mode),
        session_seconds=submission.session_seconds,
        wait=wait,
        retry=retry,
        watch=watch,
        report=report,
    )
    executor = IbmExecutor(
        submission.backend,
        submission.shots,
        dispatcher,
        ledger,
        gradient=submission.gradient,
        repetition=submission.repetition,
        patches=submission.patches,
        spacing=submission.spacing,
        fast_measurements=submission.fast_measurements,
        rep_delay=submission.rep_delay,
        default_delay=submission.default_delay,
        limits=JobLimits(**submission.limits),
        mitigation=parse_mitigation(submission.mitigation),
        decouple=submission.decouple,
        layout=None if relayout else find_trained_layout(run.provenance, submission.backend),
    )
    ledger.write_setting(_SETTING, asdict(submission))
    dispatcher.refresh_usage()
    try:
        result = _compute(run, trained, submission, executor)
    except (JobsPendingError, ServiceError):
        raise  # the batch or session stays open for the jobs that follow
    except IdentityError:
        raise  # the batch or session is that of another folder
    except BaseException:
        _close(dispatcher)
        raise
    ledger.write_setting(_SETTING, asdict(submission) | {"is_finished": True})
    _close(dispatcher)
    return result


def hash_weights(trained: TrainedModel) -> str:
    """Return the SHA-256 of the weights of a model, in hexadecimal."""
    digest = hashlib.sha256()
    for name, tensor in sorted(trained.model.state_dict().items()):
        if name.endswith("_extra_state"):  # the circuits, which have digests of their own
            continue
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


def _compute(
    run: RunFolder, trained: TrainedModel, submission: Submission, executor: IbmExecutor
) -> Evaluation | Tuning:
    if not submission.train_steps:
        return evaluate(
            run,
            sequences=submission.sequences,
            executor=executor,
            batch_size=_ALL_AT_ONCE,
            trained=trained,
        )
    tuning = tune(run, executor, submission.train_steps, submission.sequences, trained=trained)
    _write(run, submission, tuning, executor)
    return tuning


def _close(dispatcher: Dispatcher) -> None:
    """Close the batch or session; a failure is only a warning, so that no result is lost."""
    try:
        dispatcher.close()
    except ServiceError as error:
        warnings.warn(
            f"{error}. The batch or session may still be open; 'qrnn cancel' closes it",
            stacklevel=2,
        )


def _write(run: RunFolder, submission: Submission, tuning: Tuning, executor: IbmExecutor) -> None:
    """Write tuned.pt and tuned.json to the run folder."""
    remove_leftovers(run.tuned_file)
    write_atomically(run.tuned_file, lambda file: torch.save(tuning.weights, file))
    content = {
        "losses": tuning.losses,
        "gradient": submission.gradient,
        "shots": submission.shots,
        "provenance": describe_provenance(run.config, run.provenance["data_sha256"])
        | {"device": describe_device(executor, Counts())},
    }
    write_text(run.tuned_file.with_suffix(".json"), json.dumps(content, indent=2) + "\n")
