"""Tokens that expire or are revoked in the middle of a command, and sessions that end then."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from localqpu.control_client import LocalqpuControl
from loopback import collect, environment, submit
from proxy import Proxy, Reply, Request, changed, instead
from sampling import slow

from runtime_jobs.cli import run
from runtime_jobs.cli.failures import ExitCode

SESSION = ("--mode", "session", "--session-seconds", "60")
EXPIRED = Reply.of({"errors": [{"code": 1200, "message": "the token has expired"}]}, 401)


@pytest.fixture
def proxy(loopback: Any, service: LocalqpuControl) -> Iterator[Proxy]:
    made = Proxy(loopback.url)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(made.url).items():
            patch.setenv(name, value)
        yield made
    made.stop()


def expire_after(proxy: Proxy, count: int) -> None:
    """Answer 401 to all requests of the service after the first ones."""
    for method in ("GET", "POST", "PATCH"):
        proxy.on(method, "*/api/v1/*", instead(EXPIRED), after=count if method == "GET" else 0)


def read_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The last line on stderr, which is that of an error, and no traceback before it."""
    printed = capsys.readouterr().err
    assert "Traceback" not in printed
    return printed.rstrip().splitlines()[-1]


@pytest.mark.parametrize("count", [4, *slow([0, 1, 2, 3, 5, 6, 8])])
def test_a_token_that_expires_in_the_middle_is_one_line_and_nothing_is_paid_twice(
    folder: Path,
    service: LocalqpuControl,
    proxy: Proxy,
    count: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    service.set_scenario({"queue": {"polls_before_running": 8}})
    expire_after(proxy, count)
    assert submit(folder, *SESSION) == ExitCode.FAILED
    line = read_line(capsys)
    assert line.startswith("error: ")
    assert "401" in line or "expired" in line
    proxy.rules.clear()
    assert submit(folder, *SESSION) == ExitCode.DONE
    expire_after(proxy, count)
    # Two requests open the account, one lists the tag, and the fourth asks for the state.
    code = ExitCode.FAILED if count < 4 else ExitCode.NOT_READY
    assert run(["collect", str(folder)]) == code
    assert read_line(capsys).startswith("error: ")
    proxy.rules.clear()
    collect(folder, "resume")
    assert len(service.jobs()) == 1


def test_an_expired_token_is_renewed(folder: Path, service: LocalqpuControl, proxy: Proxy) -> None:
    """Tokens of a second: the client asks for another one, also in the middle of a command."""

    def shorten(answer: dict[str, Any]) -> dict[str, Any]:
        now = int(time.time())
        claims = {"iat": now - 10, "exp": now + 1, "sub": "localqpu"}
        return answer | {"access_token": jwt.encode(claims, "x" * 32), "expires_in": 1}

    proxy.on("POST", "*/identity/token", changed(shorten))
    assert submit(folder) == ExitCode.DONE
    collect(folder)
    assert len(service.jobs()) == 1
    assert proxy.count("POST", "*/identity/token") > 2


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(1, 8))
def test_a_session_that_closes_between_two_jobs_is_replaced_within_the_cap(
    replay: Path,
    service: LocalqpuControl,
    proxy: Proxy,
    loopback: Any,
    moment: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The service refuses the job after the session has timed out: it goes into another one."""
    posts: list[str] = []

    def close_first(request: Request) -> Reply:
        posts.append(json.loads(request.body).get("session_id", ""))
        if len(posts) == moment:
            loopback.context.sessions.close(posts[-1])
        return request.forward()

    proxy.on("POST", "*/jobs", close_first)
    assert submit(replay, *SESSION, cap=400) == ExitCode.DONE
    assert run(["resume", str(replay), "--wait"]) == ExitCode.DONE
    assert "Traceback" not in capsys.readouterr().err
    assert len(service.jobs()) == 8
    assert len(set(posts)) == 2
