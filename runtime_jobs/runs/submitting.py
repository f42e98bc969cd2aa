"""Send a run to a QPU within a cap on QPU time, and collect its results."""

from __future__ import annotations

import math
from collections.abc import Callable
from os import PathLike
from typing import TYPE_CHECKING, NamedTuple

from circuits.errors import InvalidValueError
from runtime_jobs.hardware.repetition import parse_delay
from runtime_jobs.ledger.errors import BudgetError, JobsPendingError
from runtime_jobs.ledger.records import WorkloadMode
from runtime_jobs.pricing.terms import read_terms
from runtime_jobs.runs.opening import RunLike, find_delays, open_run, open_trained_run
from runtime_jobs.runs.options import SendOptions
from runtime_jobs.runs.planning import Quote
from runtime_jobs.runs.requests import read_request

if TYPE_CHECKING:
    from qrnn_qiskit.training.device_steps import Tuning
    from qrnn_qiskit.training.evaluation import Evaluation
    from qrnn_qiskit.training.loading import TrainedModel
    from qrnn_qiskit.training.run_folder import RunFolder
    from runtime_jobs.ibm.service import Service
    from runtime_jobs.ibm.submission import Submission
    from runtime_jobs.ledger import JobRecord, Ledger
    from runtime_jobs.pricing.costs import Plan
    from runtime_jobs.runs.jobs import Jobs

__all__ = ["CapError", "Progress", "collect", "send", "submit"]


class CapError(BudgetError):
    """No cap was given, or one that does not admit all jobs; nothing was sent.

    Attributes:
        plan: The plan of the jobs.
    """

    def __init__(self, message: str, plan: Plan) -> None:
        super().__init__(message)
        self.plan = plan


class Progress(NamedTuple):
    """How far a submission has come.

    Attributes:
        run: The run.
        sent: The jobs that this call has sent.
        result: The evaluation, or the outcome of training steps; None while results are missing.
        pending: What is waited for; None once all results are there.
    """

    run: RunFolder
    sent: list[JobRecord]
    result: Evaluation | Tuning | None
    pending: JobsPendingError | None


def submit(
    run: RunLike,
    on: str,
    *,
    shots: int | None = None,
    max_qpu_seconds: float | None = None,
    sequences: int | None = None,
    train_steps: int | None = None,
    gradient: str | None = None,
    patches: int | None = 1,
    spacing: int = 0,
    rep_delay: str | float | None = None,
    serial_branches: bool = False,
    limits: str | PathLike[str] | None = None,
    mitigation: str | None = None,
    decouple: str | None = None,
    mode: str = WorkloadMode.BATCH,
    session_seconds: int | None = None,
    fresh: bool = False,
    relayout: bool = False,
    fast_measurements: bool = False,
    new_budget: bool = False,
) -> Jobs:
    """Send a run to a QPU within a cap on QPU time, as ``qrnn submit`` does.

    The function returns once the jobs that need no earlier results are sent and recorded. A job
    whose result the run already has is not sent again.

    Args:
        run: The result of ``qrnn_qiskit.fit`` or ``load``, or the folder of a run.
        on: A QPU, such as "ibm:kingston".
        shots: Shots per circuit and measurement basis; required, here or in the name of the QPU.
        max_qpu_seconds: Cap in seconds on the QPU time of all jobs of the run; required:
            ``plan(...).reserved_seconds`` admits all jobs.
        sequences, train_steps, gradient, patches, spacing: See :func:`runtime_jobs.plan`.
        rep_delay, serial_branches, limits, mitigation: See :func:`runtime_jobs.plan`.
        decouple: "xx" for pairs of X in the long waits of the dynamic circuits of
            readout=measured.
        mode: "batch" (billed by QPU time), "session" (reserves the device, billed by wall-clock
            time) or "job" (each job separately).
        session_seconds: With a session, the seconds after which it closes.
        fresh: Whether to sample again even if the run already has the results.
        relayout: Whether to choose qubits anew by today's calibration, and compute all again.
        fast_measurements: Whether to use measure_2 and reset_2 for mid-circuit measurements and
            resets where a qubit has them.
        new_budget: For a copy of a run folder, or one whose ledger is lost: whether to send jobs
            from here too, under a separate cap.

    Returns:
        The jobs; ``collect(wait=True)`` fetches the results and sends the jobs that need them.

    Raises:
        CapError: No cap was given, or one that is too small; the error has the plan. Nothing was
            sent.
        BudgetError, IdentityError, JobFailedError, ServiceError: See
            :meth:`runtime_jobs.ibm.dispatch.Dispatcher.run`.
    """
    from runtime_jobs.ibm.notices import notify
    from runtime_jobs.runs.jobs import Jobs

    options = SendOptions(
        shots=shots,
        max_qpu_seconds=max_qpu_seconds,
        sequences=sequences,
        train_steps=train_steps,
        gradient=gradient,
        patches=patches,
        spacing=spacing,
        rep_delay=rep_delay,
        serial_branches=serial_branches,
        limits=limits,
        mitigation=mitigation,
        decouple=decouple,
        mode=mode,
        session_seconds=session_seconds,
        fresh=fresh,
        relayout=relayout,
        fast_measurements=fast_measurements,
        new_budget=new_budget,
    )
    send(run, on, options, say=notify)
    return Jobs(run)


def send(
    run: RunLike,
    on: str,
    options: SendOptions,
    *,
    say: Callable[[str], None],
    show: Callable[[Plan], None] | None = None,
) -> Progress:
    """Send a run to a QPU as :func:`submit` does, and say what was sent.

    Args:
        run: The run.
        on: The QPU.
        options: See :func:`submit`.
        say: Takes remarks.
        show: Takes the plan of a submission whose qubits are chosen anew, before it is sent.
    """
    request = read_request(
        on,
        options.shots,
        options.train_steps,
        options.gradient,
        options.mitigation,
        options.decouple,
    )
    terms = read_terms(options.limits, serial_branches=options.serial_branches)
    opened = open_trained_run(run)
    from runtime_jobs.hardware.calibration import find_trained_layout
    from runtime_jobs.ibm.service import Service
    from runtime_jobs.ibm.submission import (
        Submission,
        hash_weights,
        open_ledger,
        read_submission,
    )
    from runtime_jobs.ledger.identity import start_new_budget
    from runtime_jobs.pricing.description import describe_registers

    trained = request.load(opened)
    service = None if options.max_qpu_seconds is None else Service()
    delays, wanted = find_delays(request.qpu, service), parse_delay(options.rep_delay)
    chosen = delays.choose(wanted, request.qpu)
    with open_ledger(opened) as ledger:
        patches = options.patches
        if patches is None and not options.relayout:  # a run keeps what its first job chose
            kept = ledger.find_device(f"ibm_{request.qpu}")
            patches = None if kept is None else len(kept.patches)
        layout = None if options.relayout else find_trained_layout(opened.provenance, request.qpu)
        work, calibration = request.find_work(
            trained, options.sequences, patches, options.spacing, service, terms.limits, layout
        )
        plan = Quote(work, request, calibration, terms, chosen, delays, layout).make()
        if options.new_budget and service is not None:
            say(start_new_budget(ledger, service.list_tagged))
        former = read_submission(ledger)
        submission = Submission(
            backend=f"ibm_{request.qpu}",
            shots=request.shots,
            sequences=options.sequences,
            cap=options.max_qpu_seconds or 0.0,
            train_steps=request.train_steps,
            gradient=options.gradient,
            mode=options.mode,
            session_seconds=options.session_seconds,
            repetition=_count_repetitions(former, options.fresh),
            patches=len(plan.patches),
            spacing=options.spacing,
            fast_measurements=options.fast_measurements,
            rep_delay=wanted,
            default_delay=delays.default,
            limits=terms.list_own_limits(),
            mitigation=options.mitigation,
            decouple=options.decouple,
            planned_jobs=len(plan.jobs),
            weights=hash_weights(trained),
        )
        is_other = former is None or former.asks_for() != submission.asks_for()
        if service is None or is_other or options.relayout:
            _require_cap(plan, ledger, options.max_qpu_seconds, options.session_seconds)
        if is_other and former is not None and not former.is_finished:
            say(
                "the earlier submission of this run has not been collected completely; its jobs "
                "are kept, and its command continues it"
            )
        if options.relayout and show is not None:
            show(plan)
        elif is_other:
            for line in describe_registers(plan):
                say(line)
        return _advance(
            opened,
            ledger,
            submission,
            wait=False,
            retry=False,
            relayout=options.relayout,
            service=service,
            trained=trained,
        )


def _count_repetitions(former: Submission | None, fresh: bool) -> int:
    """Return how often the work was done before; more only if ``fresh`` repeats finished work.

    An unfinished submission is continued, also if it is itself a repetition.
    """
    if former is None:
        return 0
    return former.repetition + (fresh and former.is_finished)


def _require_cap(
    plan: Plan, ledger: Ledger, cap: float | None, session_seconds: int | None
) -> None:
    """Raise CapError unless the cap admits all jobs of the plan."""
    most = plan.reserved_seconds
    if session_seconds is not None:
        most = session_seconds + max(job.max_execution_time for job in plan.jobs)
    committed = ledger.committed_seconds()
    needed = math.ceil(most + committed)
    if cap is not None and needed <= cap:
        return
    given = "no cap" if cap is None else f"a cap of {cap:g} s"
    raise CapError(
        f"{given} was given, but all jobs together may take {most} s of QPU time, in addition to "
        f"{committed:.0f} s that the run has used or holds; nothing was sent. Allow it with "
        f"--max-qpu-seconds {needed} (in Python max_qpu_seconds={needed})",
        plan,
    )


def collect(
    run: RunLike,
    *,
    wait: bool = False,
    retry: bool = False,
    new_budget: bool = False,
    say: Callable[[str], None],
) -> Progress:
    """Fetch the results of a submitted run, and send the jobs that need them.

    Args:
        run: The run.
        wait: Whether to wait until all results have arrived.
        retry: Whether to send again the jobs that ended without a result.
        new_budget: Whether a copy gets a separate budget first.
        say: Takes remarks.

    Raises:
        InvalidValueError: Nothing was submitted for the run.
    """
    from runtime_jobs.ibm.service import Service
    from runtime_jobs.ibm.submission import open_ledger, read_submission
    from runtime_jobs.ledger.identity import explain_loss, start_new_budget

    opened = open_run(run)
    with open_ledger(opened) as ledger:
        submission = read_submission(ledger)
        if submission is None:
            raise InvalidValueError(
                f"nothing was submitted for {opened.path}{explain_loss(ledger)}; submit it with "
                f"'qrnn submit {opened.path} --on ibm:NAME'"
            )
        if new_budget:
            say(start_new_budget(ledger, Service().list_tagged))
        return _advance(opened, ledger, submission, wait=wait, retry=retry)


def _advance(
    run: RunFolder,
    ledger: Ledger,
    submission: Submission,
    *,
    wait: bool,
    retry: bool,
    relayout: bool = False,
    service: Service | None = None,
    trained: TrainedModel | None = None,
) -> Progress:
    """Continue a submission with a progress bar, as far as its results reach.

    Without a terminal, a line on standard error takes the place of the bar for each job.

    Args:
        run: The run.
        ledger: Its open ledger.
        submission: The work that was requested.
        wait: Whether to wait until all results have arrived.
        retry: Whether to send again the jobs that ended without a result.
        relayout: Whether to choose qubits anew.
        service: The account, if a new submission has opened it already.
        trained: The trained model of the run, if it is loaded already.
    """
    from runtime_jobs.ibm.notices import notify
    from runtime_jobs.ibm.service import Service
    from runtime_jobs.ibm.submission import continue_submission
    from runtime_jobs.runs.waiting_bar import WaitingBar

    before = len(ledger.list_jobs())
    result, pending = None, None
    try:
        with WaitingBar(submission.planned_jobs, submission.cap) as bar:
            result = continue_submission(
                run,
                ledger,
                submission,
                wait=wait,
                retry=retry,
                relayout=relayout,
                open_service=Service if service is None else lambda: service,
                watch=bar.watch,
                report=notify if wait and not bar.enabled else None,
                trained=trained,
            )
    except JobsPendingError as error:
        pending = error
    return Progress(run, ledger.list_jobs()[before:], result, pending)
