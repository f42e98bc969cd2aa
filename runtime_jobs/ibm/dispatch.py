"""Sending each job once and collecting it: every step is in the ledger before the next one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from runtime_jobs.estimation.bits import Bits
from runtime_jobs.ibm.encoding import ResultError, pack, unpack
from runtime_jobs.ibm.errors import (
    BusyError,
    ForeignJobError,
    NotSentError,
    RefusedLocallyError,
    RejectedError,
    ServiceError,
    UnknownJobError,
    UnsureError,
)
from runtime_jobs.ibm.job_contents import JobContent
from runtime_jobs.ibm.lookup import ENDS, GIVEN_UP, Lookup
from runtime_jobs.ibm.queue_watch import Watch, look_at
from runtime_jobs.ibm.results import mark_pub
from runtime_jobs.ibm.service import Service
from runtime_jobs.ibm.service_states import Progress
from runtime_jobs.ibm.sessions import Workloads
from runtime_jobs.ledger import (
    JobFailedError,
    JobRecord,
    JobsPendingError,
    JobState,
    Ledger,
    WorkloadMode,
)
from runtime_jobs.ledger.identity import find_original, require_identity
from runtime_jobs.ledger.origins import Origin

__all__ = ["Dispatcher"]

_WORDS = {
    JobState.FAILED: "failed",
    JobState.CANCELLED: "was cancelled",
    JobState.REJECTED: "was refused",
}


class Dispatcher:
    """Sends jobs and collects their results.

    Args:
        ledger: The ledger of the run, which records each step first.
        open_service: Opens the account; called only if the ledger does not have all results.
        cap: Total QPU time that the run may use, in seconds.
        mode: Grouping of the jobs at the service.
        session_seconds: Seconds after which the service closes a session; only for sessions.
        wait: Whether to wait for results; if not, outstanding results raise JobsPendingError.
        retry: Whether to send a job again that ended without a result.
        pauses: Seconds between attempts to send, and between searches for a job without an answer.
        poll_seconds: Seconds between two polls of the jobs that are waited for.
        watch: Called at each of these polls.
        report: Takes a line about each job that was sent or whose result arrived.
    """

    def __init__(
        self,
        ledger: Ledger,
        open_service: Callable[[], Service],
        cap: float,
        *,
        mode: WorkloadMode = WorkloadMode.BATCH,
        session_seconds: int | None = None,
        wait: bool = False,
        retry: bool = False,
        pauses: Sequence[float] = (2.0, 5.0, 10.0),
        poll_seconds: float = 5.0,
        watch: Watch | None = None,
        report: Callable[[str], None] | None = None,
    ) -> None:
        self._ledger = ledger
        self._open_service = open_service
        self._opened: Service | None = None
        self._cap = cap
        self._workloads = Workloads(ledger, lambda: self.service, mode, cap, session_seconds)
        self._lookup = Lookup(ledger, lambda: self.service, pauses)
        self._adopted: set[str] = set()
        self._wait = wait
        self._retry = retry
        self._pauses = pauses
        self._poll_seconds = poll_seconds
        self._watch = watch
        self._report = report or (lambda line: None)
        self._done = 0
        self._run_tag: str | None = None

    @property
    def service(self) -> Service:
        """The account, opened on first use."""
        if self._opened is None:
            self._opened = self._open_service()
        return self._opened

    def run(self, contents: Sequence[JobContent]) -> list[list[Bits]]:
        """Return the bits of every PUB of every job, from the ledger if it has them.

        Raises:
            BudgetError: The cap does not admit a job; the jobs before it have been sent.
            IdentityError: The folder is a copy, or its ledger is lost; nothing was sent.
            JobsPendingError: Results are outstanding.
            JobFailedError: A job ended without a result.
            ServiceError: The service cannot be reached.
        """
        sent = [content for content in contents if self._send(content)]
        if sent and not self._wait:
            raise JobsPendingError(f"{len(sent)} jobs were sent; their results are outstanding")
        while waiting := [job for content in contents if (job := self._collect(content))]:
            if not self._wait:
                ids = ", ".join(str(job.job_id) for job in waiting)
                raise JobsPendingError(
                    f"{len(waiting)} of {len(contents)} results are outstanding: {ids}"
                )
            if self._watch is not None:
                done = self._done + len(contents) - len(waiting)
                self._watch(look_at(self.service, self._ledger, waiting, done))
            time.sleep(self._poll_seconds)
        self._done += len(contents)
        return [self._read(content) for content in contents]

    def refresh_usage(self) -> None:
        """Ask for the charge of each ended job whose usage is not recorded, and for late jobs.

        A job that the service no longer knows counts with its full ``max_execution_time``.
        """
        for job in self._ledger.list_jobs():
            if job.usage is None and job.job_id is not None and not job.state.is_open:
                with suppress(UnknownJobError, ForeignJobError):
                    self._look_at(job)
        self._lookup.find_late_jobs()
        self._lookup.refresh_strays()
        self._workloads.refresh_usage()

    def close(self) -> None:
        """Close the batch or session of the run, which gets no more jobs.

        A copy of a run folder leaves those of its original open.
        """
        if find_original(self._ledger) is None:
            self._workloads.close()

    def cancel(self, job: JobRecord) -> str:
        """Cancel an open job and return the outcome in words.

        A job that ends before it is cancelled keeps its result, which has been charged.
        """
        if job.state is JobState.INTENDED:
            if not self._lookup.look_up(job):
                self._ledger.record_failure(job.tag, JobState.REJECTED, GIVEN_UP)
                return "was never sent and is given up"
            job = self._find(job.key)
        status = self._look_at(job).status
        if status not in (*ENDS, "DONE"):
            assert job.job_id is not None
            self.service.cancel(job.job_id)
            status = self._look_at(job).status
        self._lookup.set_others_aside(job)
        if status == "DONE":
            return "is done: 'qrnn collect' fetches its result"
        if status in ENDS:
            self._ledger.record_failure(job.tag, ENDS[status], "by 'qrnn cancel'")
            return _WORDS[ENDS[status]]
        return f"is being cancelled: its status at the service is {status.lower()}"

    def _find(self, key: str) -> JobRecord:
        """Return the current record of a job in the ledger."""
        found = self._ledger.find(key)
        assert found is not None
        return found

    def _look_at(self, job: JobRecord) -> Progress:
        """Poll a job at the service, and record its charge once it is final."""
        assert job.job_id is not None
        progress = self.service.poll(job.job_id, job.tag)
        if progress.usage is not None:
            self._ledger.record_usage(job.tag, progress.usage)
        return progress

    def _send(self, content: JobContent) -> bool:
        """Make sure that the service has or had the job; return whether it was sent just now."""
        attempts = self._ledger.list_attempts(content.request.key)
        job = self._ledger.find(content.request.key)
        is_new = job is None or job.state is not JobState.INTENDED
        if job is not None and is_new:
            has_ended = not job.state.is_open and job.state is not JobState.DONE
            if not (has_ended and self._retry):
                return False
        if any(self._lookup.revive(earlier) for earlier in attempts if not earlier.state.is_open):
            return False  # an attempt without a result has one after all
        if is_new:
            self._identify()
            workload = self._workloads.find(content.request.device)
            place = None if workload is None else workload.id
            job = self._ledger.intend(content.request, self._cap, place)
        assert job is not None
        if not is_new:
            self._ledger.strays.record_unsure(job.tag)
        if not is_new and self._lookup.look_up(job):
            return False  # the tag finds a job whose process ended before the answer came
        self._identify()
        self._post(job, content, is_new)
        return True

    def _identify(self) -> None:
        """Check, once and before anything is sent, that no other folder spends this budget."""
        if self._run_tag is None:
            self._run_tag = require_identity(self._ledger, self.service.list_tagged)

    def _post(self, job: JobRecord, content: JobContent, is_new: bool) -> None:
        """Send a job under its tag.

        Once a POST may have left, the job is looked up before each further one.
        """
        last: ServiceError | None = None
        may_exist = not is_new
        pubs = [
            (mark_pub(circuit, job.tag, place), values)
            for place, (circuit, values) in enumerate(content.make_pubs())
        ]
        for pause in (0.0, *self._pauses):
            time.sleep(pause)
            if may_exist and self._lookup.adopt(job):
                return
            self._ledger.require_admitted(job, self._cap)
            try:
                job_id = self.service.submit(
                    job.device,
                    pubs,
                    job.shots,
                    job.max_execution_time,
                    job.tag,
                    self._ledger.find_workload(job.workload),
                    self._run_tag,
                    content.rep_delay,
                )
            except NotSentError as error:
                last = error
            except RejectedError as error:
                if not isinstance(error, RefusedLocallyError):
                    may_exist = True
                    self._ledger.strays.record_unsure(job.tag)
                if may_exist and self._lookup.look_up(job):
                    return
                last = error
                if workload := self._workloads.replace(job):
                    job = self._ledger.move(job.tag, workload.id, self._cap)
                    continue
                self._ledger.record_failure(job.tag, JobState.REJECTED, str(error))
                raise JobFailedError(
                    f"the service refused the job '{job.round}' and does not charge it: {error}"
                ) from error
            except (BusyError, UnsureError) as error:
                may_exist = True
                self._ledger.strays.record_unsure(job.tag)
                if self._lookup.look_up(job):
                    return
                last = error
            else:
                self._ledger.record_sent(job.tag, job_id)
                self._report(f"sent {job_id}: {job.round}, {job.circuits} circuits")
                return
        raise ServiceError(
            f"the job '{job.round}' could not be sent: {last}. Run the command again later: it "
            "looks the job up before sending it again"
        ) from last

    def _collect(self, content: JobContent) -> JobRecord | None:
        """Fetch the result of a job and return None; return the job if it has none yet."""
        job = self._find(content.request.key)
        if job.state is JobState.SENT:
            is_first = job.tag not in self._adopted
            if is_first:
                job = self._adopt(job)
            progress = self._ask(job)
            if progress.status not in (*ENDS, "DONE"):
                return job
            if not is_first and (adopted := self._adopt(job)).job_id != job.job_id:
                return adopted
            if progress.status == "DONE":
                self._fetch(job, content)
                return None
            reason = progress.reason or f"its status at the service is {progress.status.lower()}"
            self._ledger.record_failure(job.tag, ENDS[progress.status], reason)
            job = self._find(content.request.key)
        if job.state is not JobState.DONE:
            raise JobFailedError(
                f"job {job.job_id} ({job.round}) {_WORDS[job.state]}: {job.reason}. "
                "'qrnn resume DIR' sends it again within the cap"
            )
        return None

    def _adopt(self, job: JobRecord) -> JobRecord:
        """Settle which job at the service is this one; those of earlier attempts are surplus."""
        self._lookup.adopt(job)
        for earlier in self._ledger.list_attempts(job.key):
            if earlier.tag != job.tag:
                self._lookup.set_others_aside(earlier)
        self._adopted.add(job.tag)
        return self._find(job.key)

    def _ask(self, job: JobRecord) -> Progress:
        """Poll a job; an end without a result counts only if it is repeated after each pause."""
        progress = self._try_poll(job)
        for pause in self._pauses:
            if progress.status not in ENDS:
                break
            time.sleep(pause)
            progress = self._try_poll(job)
        return progress

    def _try_poll(self, job: JobRecord) -> Progress:
        try:
            return self._look_at(job)
        except UnknownJobError:
            return Progress("ERROR", "the service no longer knows it")

    def _fetch(self, job: JobRecord, content: JobContent) -> None:
        """Record the result of a job; one that does not fit is kept aside and can come again."""
        assert job.job_id is not None
        raw = self.service.fetch(job.job_id, job.tag)
        try:
            pubs = raw.decode()
            content.check_result(job, pubs)
        except ResultError as error:
            self._ledger.strays.keep_result(job.job_id, raw.text.encode(), str(error))
            raise ResultError(
                f"{error}. It was not recorded and is kept in the table 'misfits' of "
                f"{self._ledger.file}. Collect it again, and report the job to the service if this "
                "persists"
            ) from error
        durations = tuple(pub.circuit_dt for pub in pubs)
        self._ledger.origins.record(job.tag, Origin(raw.address, raw.instance, durations))
        self._ledger.record_result(job.tag, pack([pub.bits for pub in pubs]))
        self._report(f"done {job.job_id}: {job.round}")

    def _read(self, content: JobContent) -> list[Bits]:
        return unpack(self._ledger.read_result(self._find(content.request.key).number))
