"""Answers of a service that misbehaves, over HTTP: nothing is paid twice, no cap is exceeded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from localqpu.control_client import LocalqpuControl
from loopback import collect, environment, submit
from proxy import Proxy, Reply, accept_and_answer
from sampling import slow

from runtime_jobs.cli.failures import ExitCode

JOBS = "*/jobs"


@pytest.fixture
def proxy(
    loopback: Any, service: LocalqpuControl, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Proxy]:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    made = Proxy(loopback.url)
    for name, value in environment(made.url).items():
        monkeypatch.setenv(name, value)
    yield made
    made.stop()


# The other answers are in test_misbehaving_jobs.py, with a job of small circuits.
ACCEPTED = [Reply.of(None), Reply.of({"errors": []}, 409)]
MORE_ACCEPTED = [
    *(Reply.of(content) for content in ([], "x", 7, {}, {"id": None}, {"id": 7})),
    *(Reply.of({"errors": []}, code) for code in (400, 401, 403, 404, 408, 425, 499, 500)),
]


@pytest.mark.parametrize(
    "reply", [*ACCEPTED, *slow(MORE_ACCEPTED)], ids=lambda r: f"{r.status} {r.body.decode()}"
)
def test_a_job_that_was_accepted_is_sent_once_whatever_the_answer_says(
    folder: Path, service: LocalqpuControl, proxy: Proxy, reply: Reply
) -> None:
    proxy.on("POST", JOBS, accept_and_answer(reply), times=1)
    code = submit(folder)
    assert code in (ExitCode.DONE, ExitCode.FAILED)
    collect(folder, "resume")
    assert len(service.jobs()) == 1
