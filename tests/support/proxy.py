"""An HTTP proxy between IBM's client and the service on this machine, which misbehaves on request.

A rule says which requests it concerns and what becomes of them: it may forward a request, none or
several times, and answer whatever it likes, or nothing. Everything that passes is recorded, so that
a test can count what reached the service.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


@dataclass
class Reply:
    """An answer of the service, or one that is made up.

    Attributes:
        status: HTTP status.
        body: Bytes of the body.
        headers: Without those that belong to the connection.
    """

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})

    @classmethod
    def of(cls, content: Any, status: int = 200, **headers: str) -> Reply:
        """A JSON answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        body = json.dumps(content).encode()
        return cls(status, body, {"Content-Type": "application/json"} | named)

    @property
    def content(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def change(self, change: Callable[[Any], Any]) -> Reply:
        """The same answer with its JSON body changed."""
        return Reply(self.status, json.dumps(change(self.content)).encode(), self.headers)


@dataclass
class Request:
    """A request as the client sent it."""

    method: str
    path: str
    body: bytes
    headers: dict[str, str]
    address: tuple[str, int]

    def forward(self) -> Reply:
        """Send it to the service and return the answer."""
        connection = HTTPConnection(*self.address, timeout=30)
        try:
            connection.request(self.method, self.path, self.body or None, self.headers)
            answer = connection.getresponse()
            kept = {k: v for k, v in answer.getheaders() if k.lower() not in HOP_BY_HOP}
            return Reply(answer.status, answer.read(), kept)
        finally:
            connection.close()


# From a request to its answer; None closes the connection without one.
Behaviour = Callable[[Request], Reply | None]


@dataclass
class Rule:
    """Requests that a behaviour answers, at most ``times`` of them after the first ``after``."""

    method: str
    path: str
    behaviour: Behaviour
    times: float = float("inf")
    after: int = 0
    seen: int = 0

    def takes(self, request: Request) -> bool:
        """Whether this request is concerned; counts it where it matches."""
        path = urlsplit(request.path).path
        if request.method != self.method or not fnmatchcase(path, self.path):
            return False
        self.seen += 1
        return self.after < self.seen <= self.after + self.times


class Proxy:
    """The proxy, listening on a port of its own until :meth:`stop`.

    Args:
        url: Address of the service.

    Attributes:
        url: Address of the proxy.
        rules: The first that takes a request answers it; without one it is forwarded.
        requests: All requests so far, as (method, path).
        late: Requests that were kept back, see :meth:`keep_back`.
    """

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        assert place.hostname is not None
        assert place.port is not None
        address = place.hostname, place.port
        self.rules: list[Rule] = []
        self.requests: list[tuple[str, str]] = []
        self.late: list[Request] = []
        self._lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                kept = {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP}
                request = Request(self.command, self.path, self.rfile.read(size), kept, address)
                reply = proxy.answer(request)
                if reply is None:
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, format: str, *args: Any) -> None:
                """Print nothing: requests are in ``proxy.requests``."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def on(
        self,
        method: str,
        path: str,
        behaviour: Behaviour,
        *,
        times: float = float("inf"),
        after: int = 0,
    ) -> None:
        """Answer requests for ``path``, a pattern as of a shell, by ``behaviour``."""
        self.rules.append(Rule(method, path, behaviour, times, after))

    def answer(self, request: Request) -> Reply | None:
        """Record a request and answer it by the first rule that takes it."""
        with self._lock:
            self.requests.append((request.method, request.path))
            rule = next((rule for rule in self.rules if rule.takes(request)), None)
        return request.forward() if rule is None else rule.behaviour(request)

    def count(self, method: str, path: str) -> int:
        """How many requests the client has sent for a pattern."""
        return sum(
            sent == method and fnmatchcase(urlsplit(target).path, path)
            for sent, target in self.requests
        )

    def keep_back(self, request: Request) -> None:
        """Behaviour: the request arrives at the service only when :meth:`deliver` is called."""
        self.late.append(request)

    def deliver(self) -> None:
        """Let the requests arrive that were kept back."""
        while self.late:
            self.late.pop(0).forward()

    def reset(self) -> None:
        """Behave from now on, and forget what has passed."""
        self.rules.clear()
        self.requests.clear()
        self.late.clear()

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def lose(request: Request) -> None:
    """Behaviour: the request arrives, and its answer is lost."""
    request.forward()


def accept_and_answer(reply: Reply) -> Behaviour:
    """Behaviour: the request arrives, and the client gets ``reply`` instead of the answer."""

    def answer(request: Request) -> Reply:
        request.forward()
        return reply

    return answer


def instead(reply: Reply) -> Behaviour:
    """Behaviour: the request does not arrive, and the client gets ``reply``."""
    return lambda request: reply


def changed(change: Callable[[Any], Any]) -> Behaviour:
    """Behaviour: the request arrives, and the JSON of its answer is changed on the way."""
    return lambda request: request.forward().change(change)


def twice(request: Request) -> Reply:
    """Behaviour: the request arrives twice, as when a network delivers it again."""
    request.forward()
    return request.forward()
