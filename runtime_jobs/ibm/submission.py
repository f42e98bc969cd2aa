"""What was asked of a QPU for a run, kept in its ledger so that any process can go on with it."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch

from circuits.errors import InvalidValueError
from qrnn_qiskit.executors import Counts
from qrnn_qiskit.training.checkpoint import write_atomically
from qrnn_qiskit.training.device_steps import Tuning, tune
from qrnn_qiskit.training.evaluation import Evaluation, evaluate
from qrnn_qiskit.training.loading import TrainedModel, load
from qrnn_qiskit.training.provenance import describe_device, describe_provenance
from qrnn_qiskit.training.run_folder import RunFolder
from runtime_jobs.ibm.dispatch import Dispatcher
from runtime_jobs.ibm.executor import IbmExecutor
from runtime_jobs.ibm.queue_watch import Watch
from runtime_jobs.ibm.service import Service, ServiceError
from runtime_jobs.ledger import JobsPendingError, Ledger, WorkloadMode, hold_lock

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
    """Inference, or some steps of training, on a QPU.

    Attributes:
        backend: ``ibm_kingston``.
        shots: of each circuit.
        sequences: the first test sequences, or those of a batch; None for all, or as configured.
        cap: seconds of QPU time that the run may use in all.
        train_steps: steps of training; 0 for inference.
        gradient: of the training.
        mode: how the jobs are grouped at the service, see
            :class:`~runtime_jobs.ledger.records.WorkloadMode`.
        session_seconds: after which a session closes.
        repetition: how often the same was run before, where it is repeated on purpose.
        patches, spacing, fast_measurements: see :class:`runtime_jobs.ibm.executor.IbmExecutor`.
        planned_jobs: how many the plan has.
        weights: SHA-256 of the weights, see :func:`hash_weights`.
        is_finished: whether all results are there and have been used.

    Raises:
        ValueError: a session without ``session_seconds``, or these without a session.
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
    planned_jobs: int | None = None
    weights: str | None = None
    is_finished: bool = False

    def asks_for(self) -> dict[str, Any]:
        """What is to be computed, without how far it is, how it is sent and what it may cost."""
        others = ("cap", "mode", "session_seconds", "planned_jobs", "is_finished")
        return {name: value for name, value in asdict(self).items() if name not in others}

    def __post_init__(self) -> None:
        seconds = self.session_seconds
        if (self.mode == WorkloadMode.SESSION) != (seconds is not None) or (
            seconds is not None and seconds < 1
        ):
            raise InvalidValueError(
                f"mode {str(self.mode)!r} arrived with session seconds {seconds}: a session is "
                "billed by the clock until it closes, so --mode session takes --session-seconds S "
                "of at least 1, and the other modes take none"
            )


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
    relayout: bool = False,
    open_service: Callable[[], Service] = Service,
    watch: Watch | None = None,
    trained: TrainedModel | None = None,
) -> Evaluation | Tuning:
    """Compute as far as the ledger's results reach, and send what comes next.

    ``relayout`` lets other qubits be chosen than those of the run so far. A batch or session is
    closed at the end, and where a failure leaves nothing to be sent.

    Returns:
        When all results are there: the evaluation, or what the training has come to, whose
        weights are then in ``tuned.pt`` and whose losses and provenance in ``tuned.json``.

    Raises:
        ValueError: the weights are not those that were submitted.
        BudgetError, JobsPendingError, JobFailedError, ServiceError: see
            :meth:`runtime_jobs.ibm.dispatch.Dispatcher.run`.
    """
    if trained is None:
        trained = load(run.path)
    if submission.weights not in (None, hash_weights(trained)):
        raise InvalidValueError(
            f"the best weights of {run.path} are not those that were submitted: it was trained "
            "further. Nothing was sent; 'qrnn submit' sends the weights of today, as another "
            "submission with another price"
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
    )
    ledger.write_setting(_SETTING, asdict(submission))
    dispatcher.refresh_usage()
    try:
        result = _compute(run, trained, submission, executor)
    except (JobsPendingError, ServiceError):
        raise  # more is to be sent
    except BaseException:
        _close(dispatcher)
        raise
    ledger.write_setting(_SETTING, asdict(submission) | {"is_finished": True})
    _close(dispatcher)
    return result


def hash_weights(trained: TrainedModel) -> str:
    """SHA-256 of the weights of a model."""
    digest = hashlib.sha256()
    for name, tensor in sorted(trained.model.state_dict().items()):
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
    tuning = tune(run, executor, submission.train_steps, submission.sequences, trained)
    _write(run, submission, tuning, executor)
    return tuning


def _close(dispatcher: Dispatcher) -> None:
    """Close the batch or session; what keeps it from that is told, and takes no result away."""
    try:
        dispatcher.close()
    except ServiceError as error:
        warnings.warn(
            f"{error} The batch or session may still be open; 'qrnn cancel' closes it",
            stacklevel=2,
        )


def _write(run: RunFolder, submission: Submission, tuning: Tuning, executor: IbmExecutor) -> None:
    """tuned.pt and tuned.json in the run folder."""
    write_atomically(run.tuned_file, lambda file: torch.save(tuning.weights, file))
    content = {
        "losses": tuning.losses,
        "gradient": submission.gradient,
        "shots": submission.shots,
        "provenance": describe_provenance(run.config, run.provenance["data_sha256"])
        | {"device": describe_device(executor, Counts())},
    }
    run.tuned_file.with_suffix(".json").write_text(json.dumps(content, indent=2) + "\n")
