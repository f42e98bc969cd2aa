"""Jobs at the service by their tags: found again, revived, or counted when there are too many."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from runtime_jobs.ibm.errors import ServiceError, UnknownJobError
from runtime_jobs.ibm.notices import notify
from runtime_jobs.ibm.service import Service
from runtime_jobs.ledger import JobRecord, JobState, Ledger

__all__ = ["ENDS", "GIVEN_UP", "Lookup"]

ENDS = {"ERROR": JobState.FAILED, "CANCELLED": JobState.CANCELLED}
GIVEN_UP = "never sent, and given up by 'qrnn cancel'"
LATEST_ARRIVAL = 3600.0  # seconds after a POST; no network delivers it later
_DONE, _OPEN, _ENDED, _UNKNOWN = range(4)  # in the order in which a job is preferred


class Lookup:
    """Finds the jobs of a ledger at the service.

    Several jobs of one tag arise when a network delivers a POST late or twice, or when the service
    lists a job late. One of them is taken. The others are cancelled and count against the cap.

    Args:
        ledger: The ledger of the run.
        find_service: Returns the account; called only if it is needed.
        pauses: Seconds between searches for a job, which the service may list late.
    """

    def __init__(
        self, ledger: Ledger, find_service: Callable[[], Service], pauses: Sequence[float]
    ) -> None:
        self._ledger = ledger
        self._find_service = find_service
        self._pauses = pauses

    def look_up(self, job: JobRecord) -> bool:
        """Return whether the service has a job with the tag of an attempt; record it if so."""
        for pause in (0.0, *self._pauses):
            time.sleep(pause)
            if self.adopt(job):
                return True
        return False

    def adopt(self, job: JobRecord) -> bool:
        """Take one of the jobs that the service lists now, and set the others aside."""
        found = self._list_ids(job)
        if not found:
            return False
        chosen = found[0] if len(found) == 1 else min(found, key=lambda id: self._rank(id, job.tag))
        self._take(job, chosen, found)
        return True

    def revive(self, job: JobRecord) -> bool:
        """Return whether an attempt without a result runs at the service or has one after all.

        Such an attempt is recorded as sent, and nothing has to be sent again.
        """
        found = self._list_ids(job)
        for pause in self._pauses if job.state is JobState.REJECTED and not found else ():
            time.sleep(pause)
            found = self._list_ids(job)
            if found:
                break
        ranks = {job_id: self._rank(job_id, job.tag) for job_id in found}
        best = min(found, key=lambda job_id: ranks[job_id], default=None)
        if best is None or ranks[best] == _UNKNOWN:
            return False
        if ranks[best] in (_DONE, _OPEN):
            self._take(job, best, found)
            notify(f"job {best} ({job.round}) is at the service after all and is not sent again")
            return True
        if job.state is JobState.REJECTED:  # it was accepted and may have been charged
            self._take(job, best, found)
            self._ledger.record_failure(job.tag, JobState.FAILED, job.reason or "it was refused")
        return False

    def set_others_aside(self, job: JobRecord) -> None:
        """Cancel and count the jobs with the tag of an attempt that are not the recorded one."""
        for job_id in self._find_service().find_tag(job.tag):
            if job_id != job.job_id:
                self._set_aside(job, job_id)

    def find_late_jobs(self) -> None:
        """List once more the tags of ended jobs under which a POST may arrive late.

        A job that arrived is taken if the ledger has none for it, and else set aside. A tag is
        listed by every command until an hour after its last POST, and at least once.
        """
        for tag, posted in self._ledger.strays.list_unsure():
            job = next((job for job in self._ledger.list_jobs() if job.tag == tag), None)
            if job is not None and job.state is JobState.INTENDED:
                continue  # it is looked up before it is sent
            try:
                if job is not None:
                    self._settle_late(job)
            except ServiceError as error:
                notify(f"a late job of the tag {tag} could not be looked for: {error}")
                continue
            if time.time() > posted + LATEST_ARRIVAL:
                self._ledger.strays.settle_unsure(tag)

    def _settle_late(self, job: JobRecord) -> None:
        if self._ledger.is_free(job.tag):
            return  # the folder that sent it looks for it
        found = self._list_ids(job)
        if all(job_id == job.job_id for job_id in found):
            return
        others = [other for other in self._ledger.list_attempts(job.key) if other.tag != job.tag]
        has_other = any(other.state.is_open or other.state is JobState.DONE for other in others)
        is_usable = job.state.is_open or job.state is JobState.DONE
        if has_other or is_usable or job.reason == GIVEN_UP:
            for job_id in found:
                if job_id != job.job_id:
                    self._set_aside(job, job_id)
        else:
            self.revive(job)

    def refresh_strays(self) -> None:
        """Cancel strays that have not ended, and record the charges that have become known."""
        for stray in self._ledger.strays.list_all():
            if stray.usage is None and not self._ledger.is_free(stray.tag):
                self._settle_stray(stray.job_id, stray.tag)

    def _list_ids(self, job: JobRecord) -> list[str]:
        """Return the recorded id of an attempt first, then the others that carry its tag."""
        own = [] if job.job_id is None else [job.job_id]
        listed = self._find_service().find_tag(job.tag)
        return own + [job_id for job_id in reversed(listed) if job_id not in own]

    def _rank(self, job_id: str, tag: str) -> int:
        try:
            status = self._find_service().poll(job_id, tag).status
        except UnknownJobError:
            return _UNKNOWN
        return _DONE if status == "DONE" else _ENDED if status in ENDS else _OPEN

    def _take(self, job: JobRecord, chosen: str, found: Sequence[str]) -> None:
        for other in found:
            if other != chosen:
                self._set_aside(job, other)
        self._ledger.strays.remove(chosen)
        if chosen != job.job_id or job.state is not JobState.SENT:
            self._ledger.record_sent(job.tag, chosen)

    def _set_aside(self, job: JobRecord, job_id: str) -> None:
        if not self._ledger.strays.record(job_id, job.tag, job.max_execution_time):
            return
        if self._ledger.is_free(job.tag):
            notify(
                f"the service has a second job {job_id} for {job.round} under the tag {job.tag}; "
                "it belongs to the budget of the folder that sent it, and is left to it"
            )
        else:
            notify(
                f"the service has a second job {job_id} for {job.round} under the tag {job.tag}; "
                f"it is cancelled unless it has ended, and up to {job.max_execution_time} s of QPU "
                "time count against the cap"
            )
            self._settle_stray(job_id, job.tag)

    def _settle_stray(self, job_id: str, tag: str) -> None:
        service = self._find_service()
        try:
            progress = service.poll(job_id, tag)
            if progress.status not in (*ENDS, "DONE"):
                service.cancel(job_id)
                progress = service.poll(job_id, tag)
            if progress.usage is not None:
                self._ledger.strays.record_usage(job_id, progress.usage)
        except ServiceError as error:
            notify(f"job {job_id} may still run and counts in full: {error}")
