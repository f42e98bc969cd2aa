"""IBM Quantum through its own client: few calls, distinct errors, hidden credentials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit.primitives import BitArray
from qiskit.transpiler import Target
from qiskit_ibm_runtime import Batch, IBMBackend, QiskitRuntimeService, Session
from qiskit_ibm_runtime.exceptions import IBMError, IBMInputValueError, RuntimeJobNotFound
from qiskit_ibm_runtime.executor_sampler import Sampler
from requests.exceptions import RequestException
from urllib3.util.retry import Retry

from circuits.errors import OperationError
from runtime_jobs.estimation.bits import Bits
from runtime_jobs.ibm.encoding import ResultError
from runtime_jobs.ibm.redaction import hide_secrets, remember_secret
from runtime_jobs.ibm.service_states import BackendStatus, Progress, WorkloadProgress
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


class ServiceError(OperationError):
    """The service cannot be used at the moment."""


class RejectedError(ServiceError):
    """The service has refused a job, which is not charged."""


class BusyError(ServiceError):
    """The service accepts no job at the moment."""


class UnknownJobError(ServiceError):
    """The service does not know a job, or no longer knows it."""


class UnsureError(ServiceError):
    """A job was sent and no answer came, so it has to be looked up at the service."""


class Service:
    """The account of IBM's client, from its saved accounts or the environment.

    The client repeats a POST after an answer 5xx, and so may submit a job twice. This class turns
    that off: an accepted job is found by its tag.

    Raises:
        ServiceError: There is no account, or it cannot be reached.
    """

    def __init__(self) -> None:
        with _translate_errors("the account of IBM Quantum cannot be opened"):
            self._client = QiskitRuntimeService()
            remember_secret((self._client.active_account() or {}).get("token"))
        for client in self._client._api_clients.values():
            for adapter in client._session.adapters.values():
                before = adapter.max_retries
                adapter.max_retries = Retry(
                    total=before.total,
                    connect=before.connect,
                    backoff_factor=before.backoff_factor,
                    status_forcelist=before.status_forcelist,
                )

    def describe(self) -> dict[str, Any]:
        """Return instance, plan, QPU seconds used and left, and backends; no credentials."""
        with _translate_errors("the account of IBM Quantum cannot be read"):
            active = self._client.active_instance()
            plans = {item["crn"]: item for item in self._client.instances()}
            usage = self._client.usage()
        instance = plans.get(active, {})
        return {
            "instance": instance.get("name", active),
            "plan": instance.get("plan"),
            "seconds_used": usage.get("usage_consumed_seconds"),
            "seconds_left": usage.get("usage_remaining_seconds"),
            "backends": [backend.name for backend in self._client.backends()],
        }

    def list_backends(self) -> list[BackendStatus]:
        """Return the current states of the backends of the account."""
        with _translate_errors("the backends of the account cannot be listed"):
            return [
                BackendStatus(
                    backend.name,
                    int(backend.num_qubits),
                    str(status.status_msg) if status.operational else "not operational",
                    int(status.pending_jobs),
                    _find_calibration(backend),
                )
                for backend in self._client.backends()
                for status in [backend.status()]
            ]

    def find_target(self, name: str) -> tuple[Target, str]:
        """Return the target of a backend with today's errors, and its calibration time."""
        with _translate_errors(f"the backend {name!r} cannot be read"):
            backend = self._client.backend(name)
            return backend.target, _find_calibration(backend)

    def submit(
        self,
        name: str,
        pubs: Sequence[tuple[QuantumCircuit, NDArray[np.float64]]],
        shots: int,
        max_execution_time: int,
        tag: str,
        workload: Workload | None = None,
        run_tag: str | None = None,
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

        Raises:
            RejectedError: The job was refused.
            BusyError: The job was not accepted now, but may be later.
            UnsureError: There was no answer, or one that leaves open whether the job was accepted.
            ServiceError: The job was not sent.
        """
        with _translate_errors(f"the backend {name!r} cannot be read"):
            backend = self._client.backend(name)
            status = backend.status()
            if not status.operational:
                raise ServiceError(f"the backend {name!r} is {status.status_msg}; try again later")
        if workload is not None and not self.poll_workload(workload).is_accepting:
            raise RejectedError(f"the {workload.mode} {workload.id} has closed")
        with _translate_errors(f"a job for {name!r} cannot be made"):
            sampler = Sampler(mode=self._find_workload(workload) if workload else backend)
            sampler.options.max_execution_time = max_execution_time
            sampler.options.environment.job_tags = [tag, run_tag] if run_tag else [tag]
        try:
            job = sampler.run(list(pubs), shots=shots)
        except IBMInputValueError as error:  # from the client, before it contacts the service
            raise RejectedError(f"the client refused it: {hide_secrets(str(error))}") from error
        except (IBMError, RequestException) as error:
            code = _find_status(error)
            message = f"the service answered: {hide_secrets(str(error))}"
            if code == 429:
                raise BusyError(message) from error
            if code is not None and 400 <= code < 500 and code not in (401, 408):
                raise RejectedError(message) from error
            raise UnsureError(message) from error
        except (QiskitError, TypeError, ValueError) as error:
            raise RejectedError(f"the client refused it: {hide_secrets(str(error))}") from error
        return str(job.job_id())

    def open_workload(self, name: str, mode: WorkloadMode, max_time: int | None) -> str:
        """Open a batch or session on a backend and return its id; free before its first job."""
        hint = "; not every plan has sessions: leave --mode out for a batch"
        with _translate_errors(
            f"a {mode} on {name!r} cannot be opened{hint if mode is WorkloadMode.SESSION else ''}"
        ):
            opened = _WORKLOADS[mode](self._client.backend(name), max_time=max_time)
            return str(opened.session_id)

    def poll_workload(self, workload: Workload) -> WorkloadProgress:
        """Return the state of a batch or session; one unknown to the service accepts no jobs."""
        with _translate_errors(f"the {workload.mode} {workload.id} cannot be read"):
            try:
                details = self._find_workload(workload).details()
            except IBMInputValueError:
                return WorkloadProgress(False)
        if details is None or (details["state"] != "closed" and details["accepting_jobs"]):
            return WorkloadProgress(True)
        usage = details["usage_time"] if details["state"] == "closed" else None
        return WorkloadProgress(False, None if usage is None else float(usage))

    def close_workload(self, workload: Workload) -> None:
        """Close a batch or session: its jobs run to their ends, and it accepts no more."""
        with _translate_errors(f"the {workload.mode} {workload.id} cannot be closed"):
            self._find_workload(workload).close()

    def _find_workload(self, workload: Workload) -> Session:
        return _WORKLOADS[workload.mode].from_id(workload.id, self._client)

    def find_tag(self, tag: str) -> str | None:
        """Return the id of the job with this tag in any instance; None if there is none."""
        with _translate_errors("the jobs of the account cannot be listed"):
            for instance in self._client._api_clients:
                found = self._client.jobs(limit=1, job_tags=[tag], instance=instance)
                if found:
                    return str(found[0].job_id())
        return None

    def list_tagged(self, tag: str) -> list[tuple[str, list[str]]]:
        """Return id and tags of the newest jobs with this tag, up to 100 in each instance."""
        with _translate_errors("the jobs of the account cannot be listed"):
            return [
                (str(job.job_id()), list(job.tags))
                for instance in self._client._api_clients
                for job in self._client.jobs(limit=100, job_tags=[tag], instance=instance)
                if tag in job.tags
            ]

    def poll(self, job_id: str) -> Progress:
        """Return the state of a job; UnknownJobError if the service does not know it."""
        with _translate_errors(f"the state of job {job_id} cannot be read"):
            job = self._client.job(job_id)
            status = str(job.status())
            if status not in ("DONE", "ERROR", "CANCELLED"):
                return Progress(status)
            reason = job.error_message() if status == "ERROR" else None
            usage = job.metrics().get("usage", {})
        seconds = usage.get("qpu_charge_time_seconds", usage.get("quantum_seconds"))
        final = usage.get("status", "final") == "final" and seconds is not None
        return Progress(
            status,
            None if reason is None else hide_secrets(reason),
            float(seconds) if final else None,
        )

    def find_position(self, job_id: str) -> int | None:
        """Return the queue position of a job; None if it is not queued or none is reported."""
        with _translate_errors(f"the state of job {job_id} cannot be read"):
            position = self._client.job(job_id).metrics().get("position_in_queue")
        return None if position is None else int(position)

    def count_pending(self, name: str) -> int:
        """Return the number of jobs in the queue of a backend, including those of other users."""
        with _translate_errors(f"the backend {name!r} cannot be read"):
            return int(self._client.backend(name).status().pending_jobs)

    def fetch(self, job_id: str) -> list[Bits]:
        """Fetch the bits of every PUB of a job that is done.

        Raises:
            ResultError: The result is not one of the Sampler.
            ServiceError: The result cannot be fetched now.
        """
        with _translate_errors(f"the result of job {job_id} cannot be fetched"):
            job = self._client.job(job_id)
            try:
                return [
                    {name: array for name, array in pub.data.items() if isinstance(array, BitArray)}
                    for pub in job.result()
                ]
            except (IBMError, QiskitError, RequestException):
                raise
            except Exception as error:  # the decoder of the client raises anything
                raise ResultError(
                    f"the result of job {job_id} cannot be read ({type(error).__name__}: {error}); "
                    "it was not recorded. Collect it again, and report the job to the service if "
                    "this persists"
                ) from error

    def cancel(self, job_id: str) -> None:
        """Cancel a job that has not ended."""
        with _translate_errors(f"job {job_id} cannot be cancelled"):
            self._client.job(job_id).cancel()


def _find_calibration(backend: IBMBackend) -> str:
    """Return the calibration time of a backend, as the service formats it."""
    return str(getattr(backend.properties(), "last_update_date", ""))


@contextmanager
def _translate_errors(what: str) -> Iterator[None]:
    """Turn errors of the client and of the network into ServiceError; ``what`` failed."""
    try:
        yield
    except RuntimeJobNotFound as error:
        raise UnknownJobError(f"{what}: the service does not know it") from error
    except (IBMError, QiskitError, RequestException, ValueError, KeyError) as error:
        reason = hide_secrets(str(error)).rstrip(".")
        raise ServiceError(
            f"{what}: {reason}. Nothing is lost; 'qrnn account' checks the account, and "
            "docs/ibm-quantum.md explains how to set it up"
        ) from error


def _find_status(error: BaseException | None) -> int | None:
    """Return the HTTP status behind an error of the client, which hides it; None without one."""
    while error is not None:
        code = getattr(error, "status_code", None)
        if isinstance(code, int) and code > 0:
            return code
        error = error.__cause__ or error.__context__
    return None
