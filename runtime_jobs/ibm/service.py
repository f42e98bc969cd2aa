"""IBM Quantum through its own client: few calls, distinct errors, hidden credentials."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.providers import QiskitBackendNotFoundError
from qiskit.transpiler import Target
from qiskit_ibm_runtime import Batch, IBMBackend, QiskitRuntimeService, RuntimeJobV2, Session
from qiskit_ibm_runtime.api.client import RuntimeClient
from qiskit_ibm_runtime.exceptions import IBMInputValueError
from qiskit_ibm_runtime.executor_sampler import Sampler

from runtime_jobs.device_names import DeviceError
from runtime_jobs.hardware.repetition import Delays
from runtime_jobs.ibm.answers import is_id, read_object, read_seconds
from runtime_jobs.ibm.backends import describe_backend, find_calibration, read_delays
from runtime_jobs.ibm.errors import (
    BusyError,
    RefusedLocallyError,
    RejectedError,
    ServiceError,
    UnknownJobError,
    UnsureError,
)
from runtime_jobs.ibm.instances import find_job, find_tagged
from runtime_jobs.ibm.outcome import read_outcome
from runtime_jobs.ibm.redaction import hide_secrets, remember_secret
from runtime_jobs.ibm.results import RawResult
from runtime_jobs.ibm.service_states import BackendStatus, Progress, WorkloadProgress
from runtime_jobs.ibm.translation import hide_in_warnings, translate_errors
from runtime_jobs.ibm.transport import Transport
from runtime_jobs.ledger import Workload, WorkloadMode

__all__ = [
    "BusyError",
    "RejectedError",
    "Service",
    "ServiceError",
    "UnknownJobError",
    "UnsureError",
]

_WORKLOADS = {WorkloadMode.BATCH: Batch, WorkloadMode.SESSION: Session}
_STATUSES = {"COMPLETED": "DONE", "FAILED": "ERROR"}
_RAN_TOO_LONG = 1305  # the code of a job that was cancelled at its max_execution_time


class Service:
    """The account of IBM's client, from its saved accounts or the environment.

    The client repeats a POST after an answer 5xx, and so may submit a job twice. This class turns
    that off: an accepted job is found by its tag.

    Raises:
        ServiceError: There is no account, or it cannot be reached.
    """

    def __init__(self) -> None:
        self._transport = Transport()
        self._names: dict[str, str | None] | None = None  # of the instances, by CRN
        with translate_errors("the account of IBM Quantum cannot be opened"):
            self._client = QiskitRuntimeService()
            remember_secret((self._client.active_account() or {}).get("token"))
            self._transport.attach(self._client)

    def describe(self) -> dict[str, Any]:
        """Return instance, plan, QPU seconds used and left, and backends; no credentials."""
        with translate_errors("the account of IBM Quantum cannot be read"):
            active = self._client.active_instance()
            plans = {item["crn"]: item for item in self._client.instances()}
            usage = read_object(self._client.usage(), "the usage of the instance")
            instance = plans.get(active, {})
            return {
                "instance": instance.get("name", active),
                "plan": instance.get("plan"),
                "seconds_used": read_seconds(usage.get("usage_consumed_seconds")),
                "seconds_left": read_seconds(usage.get("usage_remaining_seconds")),
                "backends": [backend.name for backend in self._client.backends()],
            }

    def list_backends(self) -> list[BackendStatus]:
        """Return the current states of the backends of the account."""
        with translate_errors("the backends of the account cannot be listed"):
            return [describe_backend(backend) for backend in self._client.backends()]

    def find_target(self, name: str) -> tuple[Target, str]:
        """Return the target of a backend with today's errors, and its calibration time."""
        with translate_errors(f"the backend {name!r} cannot be read"):
            backend = self._find_backend(name)
            return backend.target, find_calibration(backend)

    def find_delays(self, name: str) -> Delays:
        """Return the repetition delays that a backend takes."""
        with translate_errors(f"the backend {name!r} cannot be read"):
            return read_delays(self._find_backend(name))

    def submit(
        self,
        name: str,
        pubs: Sequence[tuple[QuantumCircuit, NDArray[np.float64]]],
        shots: int,
        max_execution_time: int,
        tag: str,
        workload: Workload | None = None,
        run_tag: str | None = None,
        rep_delay: float | None = None,
    ) -> str:
        """Send a job, in a batch or session if one is given, and return its id.

        Args:
            name: Name of the backend.
            pubs: ISA circuits with their parameter values, (R, P) in radians.
            shots: Shots per set of values.
            max_execution_time: Seconds after which the service cancels the job.
            tag: Tag by which the job is found again.
            workload: Batch or session of the job; None sends it separately.
            run_tag: Second tag, which all jobs of the run carry.
            rep_delay: Repetition delay in seconds; None for the default of the backend.

        Raises:
            RefusedLocallyError: The job was refused before it was posted, such as one with a
                repetition delay that the backend does not take.
            NotSentError: A request that precedes the POST failed.
            RejectedError: The service answered that it refuses the job.
            BusyError: The service answered that it does not accept the job now.
            UnsureError: The job was posted, and anything but a well-formed answer came, or the
                service does not show the job with its tag.
            ServiceError: The backend cannot be used.
        """
        with translate_errors(f"the backend {name!r} cannot be read"):
            backend = self._find_backend(name)
            status = backend.status()
            if status.operational is not True:
                raise ServiceError(f"the backend {name!r} is {status.status_msg}; try again later")
        try:
            read_delays(backend).choose(rep_delay, name)
        except DeviceError as refusal:
            raise RefusedLocallyError(str(refusal)) from refusal
        if workload is not None and not self.poll_workload(workload).is_accepting:
            raise RefusedLocallyError(f"the {workload.mode} {workload.id} has closed")
        with translate_errors(f"a job for {name!r} cannot be made"):
            sampler = Sampler(mode=self._find_workload(workload) if workload else backend)
            sampler.options.execution.rep_delay = rep_delay
            sampler.options.execution.scheduler_timing = True
            sampler.options.max_execution_time = max_execution_time
            sampler.options.environment.job_tags = [tag, run_tag] if run_tag else [tag]
            self._transport.attach(self._client)
        error: Exception | None = None
        with self._transport.watch() as post, hide_in_warnings():
            try:
                sampler.run(list(pubs), shots=shots)
            except Exception as caught:  # noqa: BLE001  the client raises anything at any answer
                error = caught
        job_id = read_outcome(post, name, error)
        try:
            job = find_job(self._list_instances(), job_id, tag)[1]
        except ServiceError as failure:
            raise UnsureError(
                f"the service accepted job {job_id}, which cannot be confirmed: {failure}"
            ) from failure
        if job.get("backend") != name:
            raise UnsureError(f"the service shows job {job_id} on {job.get('backend')!r}")
        return job_id

    def open_workload(self, name: str, mode: WorkloadMode, max_time: int | None) -> str:
        """Open a batch or session on a backend and return its id; free before its first job."""
        hint = "; not every plan has sessions: leave --mode out for a batch"
        with translate_errors(
            f"a {mode} on {name!r} cannot be opened{hint if mode is WorkloadMode.SESSION else ''}"
        ):
            opened = _WORKLOADS[mode](self._find_backend(name), max_time=max_time)
            if not is_id(opened.session_id):
                raise ServiceError(f"the service named it {opened.session_id!r}; try again later")
            return str(opened.session_id)

    def poll_workload(self, workload: Workload) -> WorkloadProgress:
        """Return the state of a batch or session; one unknown to the service accepts no jobs."""
        with translate_errors(f"the {workload.mode} {workload.id} cannot be read"):
            try:
                details = self._find_workload(workload).details()
            except IBMInputValueError:
                return WorkloadProgress(False)
            if details is None:
                return WorkloadProgress(True)
            state, accepting = details["state"], details["accepting_jobs"]
            if not isinstance(state, str) or not isinstance(accepting, bool | None):
                raise ServiceError(f"its state is {state!r}, accepting jobs: {accepting!r}")
        if state != "closed" and accepting:
            return WorkloadProgress(True)
        usage = details["usage_time"] if state == "closed" else None
        return WorkloadProgress(False, read_seconds(usage))

    def close_workload(self, workload: Workload) -> None:
        """Close a batch or session: its jobs run to their ends, and it accepts no more."""
        with translate_errors(f"the {workload.mode} {workload.id} cannot be closed"):
            self._find_workload(workload).close()

    def _find_backend(self, name: str) -> IBMBackend:
        """Return a backend; the client calls one unknown if the service refused any request."""
        self._transport.refusal = None
        try:
            return self._client.backend(name)
        except QiskitBackendNotFoundError as error:
            if self._transport.refusal is None:
                raise
            raise QiskitBackendNotFoundError(self._transport.refusal) from error

    def _find_workload(self, workload: Workload) -> Session:
        return _WORKLOADS[workload.mode].from_id(workload.id, self._client)

    def find_tag(self, tag: str) -> list[str]:
        """Return the ids of all jobs with this tag in any instance, newest first.

        The service filters its list by tag; the tag of each job in it is checked here.
        """
        with translate_errors("the jobs of the account cannot be listed"):
            return [
                job_id
                for client in self._list_instances()
                for job_id, _ in find_tagged(client, tag)
            ]

    def list_tagged(self, tag: str) -> list[tuple[str, list[str]]]:
        """Return id and tags of all jobs with this tag in any instance, newest first."""
        with translate_errors("the jobs of the account cannot be listed"):
            return [job for client in self._list_instances() for job in find_tagged(client, tag)]

    def poll(self, job_id: str, tag: str | None = None) -> Progress:
        """Return the state of a job.

        Raises:
            UnknownJobError: No instance of the account knows it.
            ForeignJobError: The service showed a job with another id or tag.
        """
        client, job = find_job(self._list_instances(), job_id, tag)
        state = job["state"]
        code = state.get("reasonCode") or state.get("reason_code")
        status = state["status"].upper()
        status = _STATUSES.get(status, status)
        if status == "CANCELLED" and code == _RAN_TOO_LONG:
            status = "ERROR"
        if status not in ("DONE", "ERROR", "CANCELLED"):
            return Progress(status)
        with translate_errors(f"the state of job {job_id} cannot be read"):
            reason = None
            if status == "ERROR":
                reason = str(state.get("reason") or client.job_results(job_id)[-500:])
                reason = hide_secrets(f"Error code {code}; {reason}" if code else reason)
            metrics = read_object(client.job_metadata(job_id), f"the metrics of job {job_id}")
        return Progress(status, reason, _read_usage(metrics.get("usage")))

    def find_position(self, job_id: str) -> int | None:
        """Return the queue position of a job; None if it is not queued or none is reported."""
        client, _ = find_job(self._list_instances(), job_id, None)
        with translate_errors(f"the state of job {job_id} cannot be read"):
            job = RuntimeJobV2(None, client, job_id, "executor", self._client)
            position = read_object(job.metrics(), "the metrics of a job").get("position_in_queue")
        return position if isinstance(position, int) and position >= 0 else None

    def count_pending(self, name: str) -> int:
        """Return the number of jobs in the queue of a backend, including those of other users."""
        with translate_errors(f"the backend {name!r} cannot be read"):
            return int(self._find_backend(name).status().pending_jobs)

    def fetch(self, job_id: str, tag: str) -> RawResult:
        """Fetch the result of a job that is done, as the service sends it.

        Raises:
            ForeignJobError: The service showed a job with another id or tag.
            ServiceError: The result cannot be fetched now.
        """
        client, job = find_job(self._list_instances(), job_id, tag)
        with translate_errors(f"the result of job {job_id} cannot be fetched"):
            program = read_object(job.get("program", {}), "the program of a job").get("id")
            text = client.job_results(job_id)
        address = str(client._session.base_url)
        return RawResult(job_id, str(program), text, address, self._name_instance(client))

    def cancel(self, job_id: str) -> None:
        """Cancel a job that has not ended."""
        client, _ = find_job(self._list_instances(), job_id, None)
        with translate_errors(f"job {job_id} cannot be cancelled"):
            client.job_cancel(job_id)

    def _name_instance(self, client: RuntimeClient) -> str | None:
        """Return the name of the instance of a client; its CRN, a credential, stays here."""
        clients = self._client._api_clients
        crn = next((crn for crn, other in clients.items() if other is client), None)
        if self._names is None:
            with suppress(ServiceError), translate_errors("the instances cannot be listed"):
                self._names = {item["crn"]: item.get("name") for item in self._client.instances()}
        return None if self._names is None or crn is None else self._names.get(crn)

    def _list_instances(self) -> list[RuntimeClient]:
        return list(self._client._api_clients.values())


def _read_usage(usage: object) -> float | None:
    """Return the charge of a job in seconds; None until it is final and for a damaged one."""
    if not isinstance(usage, dict) or usage.get("status", "final") != "final":
        return None
    return read_seconds(usage.get("qpu_charge_time_seconds", usage.get("quantum_seconds")))
