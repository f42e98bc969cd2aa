"""HTTP below IBM's client: no POST is repeated, each one is noted, and every wait is bounded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from qiskit_ibm_runtime import QiskitRuntimeService
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import ConnectionPool
from urllib3.response import BaseHTTPResponse
from urllib3.util.retry import Retry

from runtime_jobs.ibm.notices import notify
from runtime_jobs.ibm.redaction import remember_secret

__all__ = ["BoundedRetry", "Post", "Transport"]

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
POST_SECONDS = 300.0  # a job of many circuits takes long to upload
LONGEST_PAUSE = 30.0  # seconds, whatever Retry-After requests
_REPEATS_WITHOUT_ANSWER = 1
_LONGEST_REFUSAL = 300  # bytes


class BoundedRetry(Retry):
    """Repetition of requests other than POST, with bounded and printed pauses."""

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        """Return the pause that the service requests, at most LONGEST_PAUSE seconds."""
        seconds = super().get_retry_after(response)
        if seconds is None:
            return None
        if seconds > LONGEST_PAUSE:
            notify(
                f"the service requests a pause above {LONGEST_PAUSE:.0f} s; asking again after "
                f"{LONGEST_PAUSE:.0f} s"
            )
        return min(seconds, LONGEST_PAUSE)

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        """Count a failure and print that the request is repeated."""
        following = super().increment(method, url, response, error, _pool, _stacktrace)
        reason = "did not answer" if response is None else f"answered {response.status}"
        notify(f"the service {reason}; asking again ({following.total} more tries)")
        return following


@dataclass
class Post:
    """The POST of a job, as far as it came.

    Attributes:
        has_asked: Whether any request was made, before or with the POST.
        has_left: Whether the POST was passed to the network.
        status: HTTP status of the answer; None without an answer.
        body: Body of the answer.
    """

    has_asked: bool = False
    has_left: bool = False
    status: int | None = None
    body: bytes = b""

    @property
    def is_accepted(self) -> bool:
        """Whether the status of the answer is that of an accepted job."""
        return self.status in (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED)


class Transport:
    """The network of IBM's client, on which the POSTs of jobs are noted.

    Attributes:
        refusal: The last answer that refused a request, in words; None if there was none.
    """

    def __init__(self) -> None:
        self._post = Post()
        self.refusal: str | None = None

    def attach(self, client: QiskitRuntimeService) -> None:
        """Carry all later requests of the instances of a client."""
        for api in client._api_clients.values():
            for prefix, before in list(api._session.adapters.items()):
                if not isinstance(before, _Adapter):
                    api._session.mount(prefix, _Adapter(self, before.max_retries))

    @contextmanager
    def watch(self) -> Iterator[Post]:
        """Note the requests of a ``with`` block."""
        self._post = Post()
        yield self._post

    def note(self, request: PreparedRequest) -> bool:
        """Note a request about to leave; return whether it posts a job."""
        value = request.headers.get("Authorization")
        if value is not None:
            text = value.decode(errors="replace") if isinstance(value, bytes) else value
            remember_secret(text)
            remember_secret(text.partition(" ")[2])
        self._post.has_asked = True
        is_job = request.method == "POST" and urlsplit(request.url or "").path.endswith("/jobs")
        if is_job:
            self._post.has_left = True
            self._post.status, self._post.body = None, b""
        return is_job

    def note_answer(self, response: Response, is_job: bool) -> None:
        """Note an answer: that to the POST of a job, and any refusal."""
        if is_job:
            self._post.status, self._post.body = response.status_code, response.content
        if not response.ok:
            text = response.content[:_LONGEST_REFUSAL].decode(errors="replace")
            self.refusal = f"the service answered with status {response.status_code}: {text}"


class _Adapter(HTTPAdapter):
    """Sends the requests of a session; the waits of the client are unbounded or 15 minutes."""

    def __init__(self, transport: Transport, before: Retry) -> None:
        # Without POST among the allowed methods, as IBM's own class has it.
        super().__init__(
            max_retries=BoundedRetry(
                total=before.total,
                connect=before.connect,
                read=_REPEATS_WITHOUT_ANSWER,
                backoff_factor=before.backoff_factor,
                status_forcelist=before.status_forcelist,
            )
        )
        self._transport = transport

    def send(self, request: PreparedRequest, *arguments: Any, **named: Any) -> Response:
        """Send a request and return its answer."""
        is_job = self._transport.note(request)
        named["timeout"] = CONNECT_SECONDS, POST_SECONDS if is_job else ANSWER_SECONDS
        response = super().send(request, *arguments, **named)
        self._transport.note_answer(response, is_job)
        return response
