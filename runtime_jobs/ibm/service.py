"""IBM Quantum through its own client: few calls, errors that are told apart, credentials unseen."""

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
    """The service cannot be used now."""


class RejectedError(ServiceError):
    """The service has refused a job; it costs nothing."""


class BusyError(ServiceError):
    """The service takes no job at the moment."""


class UnknownJobError(ServiceError):
    """The service does not know a job, or not any more."""


class UnsureError(ServiceError):
    """A job was sent and no answer came: whether the service has it is to be looked up."""


class Service:
    """The account that the client is set up with, by its own store or the environment.

    The client sends a POST again after an answer 5xx, and so may submit a job twice; here it does
    not: what was accepted is found by its tag.

    Raises:
        ServiceError: no account, or it cannot be reached.
    """

    def __init__(self) -> None:
        with _tell("the account of IBM Quantum cannot be opened"):
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
        """What the client is set up with: instance, plan, seconds used and left; no credentials."""
        with _tell("the account of IBM Quantum cannot be read"):
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
        """The backends of the account, as they are now."""
        with _tell("the backends of the account cannot be listed"):
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
        """The target of a backend with today's errors, and when it was calibrated."""
        with _tell(f"the backend {name!r} cannot be read"):
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
    ) -> str:
        """Send a job, in a batch or session where one is given; its id.

        Raises:
            RejectedError: it was refused.
            BusyError: it was not accepted, and may be later.
            UnsureError: no answer, or one that leaves open whether it was accepted.
            ServiceError: it was not sent.
        """
        with _tell(f"the backend {name!r} cannot be read"):
            backend = self._client.backend(name)
            status = backend.status()
            if not status.operational:
                raise ServiceError(f"the backend {name!r} is {status.status_msg}; try again later")
        if workload is not None and not self.poll_workload(workload).is_accepting:
            raise RejectedError(f"the {workload.mode} {workload.id} has closed")
        with _tell(f"a job for {name!r} cannot be made"):
            sampler = Sampler(mode=self._find_workload(workload) if workload else backend)
            sampler.options.max_execution_time = max_execution_time
            sampler.options.environment.job_tags = [tag]
        try:
            job = sampler.run(list(pubs), shots=shots)
        except IBMInputValueError as error:  # of the client, before it has asked the service
            raise RejectedError(f"the client refuses it: {hide_secrets(str(error))}") from error
        except (IBMError, RequestException) as error:
            code = _find_status(error)
            message = f"the service answered: {hide_secrets(str(error))}"
            if code == 429:
                raise BusyError(message) from error
            if code is not None and 400 <= code < 500 and code not in (401, 408):
                raise RejectedError(message) from error
            raise UnsureError(message) from error
        except (QiskitError, TypeError, ValueError) as error:
            raise RejectedError(f"the client refuses it: {hide_secrets(str(error))}") from error
        return str(job.job_id())

    def open_workload(self, name: str, mode: WorkloadMode, max_time: int | None) -> str:
        """Open a batch or session on a backend; its id. It costs nothing before its first job."""
        hint = "; not every plan has sessions: leave --mode out for a batch"
        with _tell(
            f"a {mode} on {name!r} cannot be opened{hint if mode is WorkloadMode.SESSION else ''}"
        ):
            opened = _WORKLOADS[mode](self._client.backend(name), max_time=max_time)
            return str(opened.session_id)

    def poll_workload(self, workload: Workload) -> WorkloadProgress:
        """Where a batch or session stands; one that the service does not know takes no jobs."""
        with _tell(f"the {workload.mode} {workload.id} cannot be read"):
            try:
                details = self._find_workload(workload).details()
            except IBMInputValueError:
                return WorkloadProgress(False)
        if details is None or (details["state"] != "closed" and details["accepting_jobs"]):
            return WorkloadProgress(True)
        usage = details["usage_time"] if details["state"] == "closed" else None
        return WorkloadProgress(False, None if usage is None else float(usage))

    def close_workload(self, workload: Workload) -> None:
        """Close a batch or session: its jobs go on to their ends, and it takes no more."""
        with _tell(f"the {workload.mode} {workload.id} cannot be closed"):
            self._find_workload(workload).close()

    def _find_workload(self, workload: Workload) -> Session:
        return _WORKLOADS[workload.mode].from_id(workload.id, self._client)

    def find_tag(self, tag: str) -> str | None:
        """The id of the job with this tag, in whatever instance; None where there is none."""
        with _tell("the jobs of the account cannot be listed"):
            for instance in self._client._api_clients:
                found = self._client.jobs(limit=1, job_tags=[tag], instance=instance)
                if found:
                    return str(found[0].job_id())
        return None

    def poll(self, job_id: str) -> Progress:
        """Where a job stands; UnknownJobError where the service does not know it."""
        with _tell(f"the state of job {job_id} cannot be read"):
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
        """The position of a job in the queue; None where it is in none or it is not told."""
        with _tell(f"the state of job {job_id} cannot be read"):
            position = self._client.job(job_id).metrics().get("position_in_queue")
        return None if position is None else int(position)

    def count_pending(self, name: str) -> int:
        """How many jobs are in the queue of a backend, those of other people too."""
        with _tell(f"the backend {name!r} cannot be read"):
            return int(self._client.backend(name).status().pending_jobs)

    def fetch(self, job_id: str) -> list[Bits]:
        """The bits of every PUB of a job that is done.

        Raises:
            ResultError: no Sampler result.
            ServiceError: it cannot be fetched now.
        """
        with _tell(f"the result of job {job_id} cannot be fetched"):
            job = self._client.job(job_id)
            try:
                return [
                    {name: array for name, array in pub.data.items() if isinstance(array, BitArray)}
                    for pub in job.result()
                ]
            except (IBMError, QiskitError, RequestException):
                raise
            except Exception as error:  # what the client's decoder does not expect ends anyhow
                raise ResultError(
                    f"the result of job {job_id} cannot be read ({type(error).__name__}: {error}); "
                    "it was not recorded. Collect it again, and report the job to the service if "
                    "it stays so"
                ) from error

    def cancel(self, job_id: str) -> None:
        """Cancel a job that has not ended."""
        with _tell(f"job {job_id} cannot be cancelled"):
            self._client.job(job_id).cancel()


def _find_calibration(backend: IBMBackend) -> str:
    """When a backend was calibrated, as it says it."""
    return str(getattr(backend.properties(), "last_update_date", ""))


@contextmanager
def _tell(what: str) -> Iterator[None]:
    """Turn the errors of the client and of the network into a ServiceError."""
    try:
        yield
    except RuntimeJobNotFound as error:
        raise UnknownJobError(f"{what}: the service does not know it") from error
    except (IBMError, QiskitError, RequestException, ValueError, KeyError) as error:
        reason = hide_secrets(str(error)).rstrip(".")
        raise ServiceError(
            f"{what}: {reason}. Nothing is lost; 'qrnn account' checks what the client is set up "
            "with, and docs/ibm-quantum.md says how to set it up"
        ) from error


def _find_status(error: BaseException | None) -> int | None:
    """The status of the answer behind an error of the client, which hides it."""
    while error is not None:
        code = getattr(error, "status_code", None)
        if isinstance(code, int) and code > 0:
            return code
        error = error.__cause__ or error.__context__
    return None
