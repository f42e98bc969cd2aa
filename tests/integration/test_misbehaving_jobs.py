"""A job of small circuits at a service that misbehaves, over HTTP; POSTs and jobs are counted.

Each class of answers, each moment and each way of going on is in `make test` with a case or more;
the other cases of the sweeps are in `make slow`.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from localqpu.control_client import LocalqpuControl
from loopback import TOKEN, environment
from proxy import Proxy, Reply, Request, accept_and_answer, changed, instead, lose, twice
from qiskit.circuit import ClassicalRegister, Parameter, QuantumCircuit, QuantumRegister
from sampling import slow, slow_pairs

from circuits.errors import OperationError
from runtime_jobs.estimation.bits import Bits
from runtime_jobs.ibm import transport
from runtime_jobs.ibm.dispatch import Dispatcher
from runtime_jobs.ibm.encoding import ResultError, hash_circuit
from runtime_jobs.ibm.errors import ServiceError
from runtime_jobs.ibm.job_contents import JobContent
from runtime_jobs.ibm.service import Service
from runtime_jobs.ledger import (
    BudgetError,
    JobFailedError,
    JobRecord,
    JobRequest,
    JobsPendingError,
    JobState,
    Ledger,
    WorkloadMode,
)

POSTS = "*/jobs"
JOB = "*/jobs/*"
LIMIT = 9  # seconds


@pytest.fixture(scope="module")
def shared(loopback: Any) -> Iterator[Proxy]:
    made = Proxy(loopback.url)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(made.url).items():
            patch.setenv(name, value)
        yield made
    made.stop()


@pytest.fixture
def proxy(
    shared: Proxy, service: LocalqpuControl, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Proxy]:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    shared.reset()
    yield shared
    shared.reset()


def make_content(
    registers: tuple[tuple[str, int], ...] = (("low", 1), ("high", 3)), pubs: int = 2
) -> JobContent:
    """PUBs whose qubit 0 is always 1; the first has two sets of values, the others one."""
    circuit = QuantumCircuit(
        QuantumRegister(2, "q"), *(ClassicalRegister(size, name) for name, size in registers)
    )
    circuit.rz(Parameter("angle"), 0)
    circuit.x(0)
    for register in circuit.cregs:
        circuit.measure(0, register[0])
    rows = [np.zeros((2 if place == 0 else 1, 1)) for place in range(pubs)]
    request = JobRequest(
        "ibm_kingston", "round 1", (hash_circuit(circuit),), "p", "{}", "t", pubs + 1, 20, LIMIT
    )
    made = [(circuit, values) for values in rows]
    return JobContent(request, lambda: made, tuple(map(len, rows)))


@dataclass
class Work:
    """A job with its ledger, which each call opens anew as a new process does."""

    folder: Path
    content: JobContent
    account: Service

    def go(self, cap: float = 100.0, *, retry: bool = False, wait: bool = False) -> list[Bits]:
        with Ledger(self.folder) as ledger:
            dispatcher = Dispatcher(
                ledger,
                lambda: self.account,
                cap,
                mode=WorkloadMode.JOB,
                retry=retry,
                wait=wait,
                pauses=(0.0, 0.0),
            )
            dispatcher.refresh_usage()
            return dispatcher.run([self.content])[0]

    def finish(self, *, retry: bool = False) -> list[Bits]:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(JobsPendingError):
                return self.go(retry=retry)
        raise AssertionError("the job does not end")

    def send(self, cap: float = 100.0) -> None:
        with pytest.raises(JobsPendingError):
            self.go(cap)

    def wait_at_service(self) -> None:
        """Wait until the job is done at the service."""
        (job,) = self.jobs
        assert job.job_id is not None
        deadline = time.monotonic() + 60
        while self.account.poll(job.job_id).status != "DONE":
            assert time.monotonic() < deadline

    def attempt(self, *, retry: bool = False) -> None:
        """Go on until an error that the user sees as one line, or the result."""
        with suppress(OperationError):
            self.finish(retry=retry)

    @property
    def jobs(self) -> list[JobRecord]:
        with Ledger(self.folder) as ledger:
            return ledger.list_jobs()

    @property
    def committed(self) -> float:
        with Ledger(self.folder) as ledger:
            return ledger.committed_seconds()


@pytest.fixture(scope="module")
def account(shared: Proxy) -> Service:
    return Service()


@pytest.fixture
def work(tmp_path: Path, proxy: Proxy, account: Service) -> Work:
    return Work(tmp_path, make_content(), account)


def check(results: list[Bits]) -> None:
    for bits in results:
        assert all((array.array & 1).all() for array in bits.values())


NO = {"errors": [{"message": "no"}]}
ANSWERS = [
    *(Reply.of(content) for content in (None, "x", {"id": "../x", "backend": "ibm_kingston"})),
    Reply.of([], 202),
    Reply(200, b"<html>busy</html>"),
    Reply(204),
    Reply.of({"id": "localqpu-0", "backend": "ibm_kingston"}),  # no such job
    *(Reply.of(NO, code) for code in (401, 409, 503)),
    *(Reply.of({"errors": []}, code) for code in (400, 499)),
    *(Reply(code, b"<html>no</html>") for code in (302, 404)),
    Reply.of(NO, 429, Retry_After="100000"),
]
MORE_ANSWERS = [
    *(Reply.of(content) for content in ([], 7, {}, {"id": None}, {"id": 7})),
    *(Reply.of(content, 202) for content in (None, "x")),
    Reply(200, b""),
    *(
        Reply.of(NO, code)
        for code in (400, 403, 404, 405, 408, 413, 422, 425, 429, 499, 500, 502, 504, 520)
    ),
    *(
        Reply.of({"errors": []}, code)
        for code in (401, 403, 404, 405, 408, 409, 413, 422, 425, 429, 500, 502, 503, 504, 520)
    ),
    *(Reply(code, b"<html>no</html>") for code in (400, 403, 429)),
]


@pytest.mark.parametrize(
    "reply", [*ANSWERS, *slow(MORE_ANSWERS)], ids=lambda r: f"{r.status} {r.body.decode()[:40]}"
)
def test_a_job_that_was_accepted_is_posted_once_with_any_answer(
    work: Work, service: LocalqpuControl, proxy: Proxy, reply: Reply
) -> None:
    proxy.on("POST", POSTS, accept_and_answer(reply), times=1)
    work.send()
    check(work.finish(retry=True))
    assert len(service.jobs()) == proxy.count("POST", POSTS) == 1
    assert work.committed == 0.0


@pytest.mark.parametrize(
    "behaviour",
    [lose, changed(lambda _: None), changed(lambda job: job | {"backend": "ibm_fez"})],
    ids=["lost", "null", "another backend"],
)
def test_a_job_that_was_accepted_without_a_sound_answer_is_posted_once(
    work: Work, service: LocalqpuControl, proxy: Proxy, behaviour: Any
) -> None:
    proxy.on("POST", POSTS, behaviour)
    work.send()
    check(work.finish(retry=True))
    assert len(service.jobs()) == proxy.count("POST", POSTS) == 1


@pytest.mark.parametrize("code", [403, 422, *slow([400, 404, 409])])
def test_a_refusal_is_believed_only_if_the_service_lists_no_such_job(
    work: Work, service: LocalqpuControl, proxy: Proxy, code: int
) -> None:
    refusal = Reply.of({"errors": [{"message": "not on this plan"}]}, code)
    proxy.on("POST", POSTS, instead(refusal), times=1)
    with pytest.raises(JobFailedError, match="not on this plan"):
        work.go()
    assert work.committed == 0.0
    assert service.jobs() == []
    check(work.finish(retry=True))
    assert (len(service.jobs()), proxy.count("POST", POSTS)) == (1, 2)


@pytest.mark.parametrize("code", [404, *slow([400, 403, 409])])
def test_a_refused_job_that_shows_later_is_revived_and_not_posted_again(
    work: Work, service: LocalqpuControl, proxy: Proxy, code: int
) -> None:
    """The list lags behind the acceptance until after the command has ended."""
    proxy.on(
        "POST", POSTS, accept_and_answer(Reply.of({"errors": [{"message": "no"}]}, code)), times=1
    )
    proxy.on("POST", POSTS, lambda _: pytest.fail("posted again"))
    lag = changed(lambda _: {"jobs": [], "count": 0})
    proxy.on("GET", POSTS, lag, times=3)
    with pytest.raises(JobFailedError):
        work.go()
    proxy.rules.clear()
    check(work.finish(retry=True))
    assert len(service.jobs()) == 1


@pytest.mark.parametrize(
    "answer", [None, {"jobs": [7]}, *slow([[], "x", 7, {}, {"jobs": 7, "count": 1}])]
)
def test_a_list_of_another_form_settles_nothing(
    work: Work, service: LocalqpuControl, proxy: Proxy, answer: Any
) -> None:
    proxy.on("POST", POSTS, lose, times=1)
    proxy.on("GET", POSTS, instead(Reply.of(answer)))
    with pytest.raises(ServiceError):
        work.go()
    assert proxy.count("POST", POSTS) == 1
    proxy.rules.clear()
    check(work.finish(retry=True))
    assert len(service.jobs()) == 1


def spoil_ids(value: Any) -> Callable[[Any], Any]:
    def spoil(page: Any) -> Any:
        return page | {"jobs": [job | {"id": value} for job in page["jobs"]]}

    return spoil


@pytest.mark.parametrize("value", [7, "a/b", *slow([None, "", "x" * 200, ["a"]])])
def test_an_id_in_a_list_is_a_checked_string(
    work: Work, service: LocalqpuControl, proxy: Proxy, value: Any
) -> None:
    proxy.on("POST", POSTS, lose, times=1)
    proxy.on("GET", POSTS, changed(spoil_ids(value)))
    with pytest.raises(ServiceError, match="not valid"):
        work.go()
    assert proxy.count("POST", POSTS) == 1
    assert work.jobs[0].job_id is None
    proxy.rules.clear()
    check(work.finish())
    assert len(service.jobs()) == 1


def test_a_list_that_was_not_filtered_is_filtered_here(
    work: Work, service: LocalqpuControl, proxy: Proxy, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = Work(tmp_path / "other", make_content(pubs=1), work.account)
    other.send()
    proxy.on(
        "GET", POSTS, lambda r: Request("GET", "/api/v1/jobs", b"", r.headers, r.address).forward()
    )
    proxy.on("POST", POSTS, instead(Reply.of({}, 500)), times=1)
    work.send()
    check(work.finish())
    assert len(service.jobs()) == 2
    assert work.jobs[0].job_id != other.jobs[0].job_id


JOBS = {
    "no tag": lambda job: job | {"tags": []},
    "tags null": lambda job: job | {"tags": None},
    "another tag": lambda job: job | {"tags": ["qrnn-another"]},
    "another id": lambda job: job | {"id": "another"},
    "null": lambda job: None,
    "list": lambda job: [],
    "empty": lambda job: {},
    "state null": lambda job: job | {"state": None},
    "state of text": lambda job: job | {"state": "Completed"},
    "status of 7": lambda job: job | {"state": {"status": 7}},
}
MOMENTS = [
    ("another tag", "confirmation"),
    ("null", "confirmation"),
    ("status of 7", "confirmation"),
    ("another id", "poll"),
    ("empty", "poll"),
    ("state of text", "poll"),
]
MORE_MOMENTS = sorted(set(itertools.product(JOBS, ("confirmation", "poll"))) - {*MOMENTS})


@pytest.mark.parametrize(("change", "moment"), [*MOMENTS, *slow_pairs(MORE_MOMENTS)])
def test_a_job_that_is_not_ours_settles_nothing(
    work: Work, service: LocalqpuControl, proxy: Proxy, change: str, moment: str
) -> None:
    if moment == "poll":
        work.send()
    proxy.on("GET", JOB, changed(JOBS[change]), times=1)
    with pytest.raises((ServiceError, JobsPendingError)):
        work.go()
    assert work.jobs[0].state is JobState.SENT
    proxy.rules.clear()
    check(work.finish())
    assert len(service.jobs()) == proxy.count("POST", POSTS) == 1


def end(status: str) -> Callable[[Any], Any]:
    return lambda job: job | {"state": {"status": status, "reason": None}}


ENDS = {
    "404": instead(Reply.of({"errors": []}, 404)),
    "cancelled": changed(end("Cancelled")),
    "failed": changed(end("Failed")),
}


@pytest.mark.parametrize(
    ("kind", "times"),
    [
        ("404", 2),
        ("cancelled", 1),
        ("failed", 2),
        *slow_pairs([("404", 1), ("cancelled", 2), ("failed", 1)]),
    ],
)
def test_an_end_without_a_result_is_asked_again(
    work: Work, service: LocalqpuControl, proxy: Proxy, kind: str, times: int
) -> None:
    work.send()
    work.wait_at_service()  # the reason of a failure is fetched, which a running job does not have
    proxy.on("GET", "*/jobs/localqpu-????????????", ENDS[kind], times=times)
    check(work.finish())
    assert len(service.jobs()) == proxy.count("POST", POSTS) == 1


@pytest.mark.parametrize("kind", ENDS)
def test_a_recorded_end_is_asked_once_more_before_a_job_is_sent_anew(
    work: Work, service: LocalqpuControl, proxy: Proxy, kind: str
) -> None:
    work.send()
    work.wait_at_service()
    proxy.on("GET", "*/jobs/localqpu-????????????", ENDS[kind], times=3)
    with pytest.raises(JobFailedError):
        work.go()
    assert work.jobs[0].state in (JobState.FAILED, JobState.CANCELLED)
    check(work.finish(retry=True))
    assert len(service.jobs()) == proxy.count("POST", POSTS) == 1


def test_an_end_that_stays_is_recorded_and_sent_anew_on_request(
    work: Work, service: LocalqpuControl, proxy: Proxy
) -> None:
    service.set_scenario({"next_jobs": [{"outcome": "failed", "reason": "calibrating"}]})
    work.send()
    with pytest.raises(JobFailedError, match="calibrating"):
        work.finish()
    check(work.finish(retry=True))
    assert len(service.jobs()) == proxy.count("POST", POSTS) == 2


STRANGE = ["-5000", "1e300", '"9"', "null", "NaN", "-Infinity"]
STRANGER = ["-1e-9", str(10**400), "true", "[]", "{}", "Infinity"]


@pytest.mark.parametrize("seconds", [*STRANGE, *slow(STRANGER)], ids=lambda s: s[:20])
def test_a_charge_that_is_no_number_of_seconds_is_unknown(
    work: Work, service: LocalqpuControl, proxy: Proxy, seconds: str
) -> None:
    body = f'{{"usage": {{"status": "final", "qpu_charge_time_seconds": {seconds}}}}}'
    proxy.on("GET", "*/metrics", instead(Reply(200, body.encode())))
    work.send()
    check(work.finish())
    assert work.committed == LIMIT
    proxy.rules.clear()
    work.go()
    assert work.committed == 0.0  # asked again, and known now


@pytest.mark.parametrize(
    "answer", [None, {"usage": {"status": []}}, *slow([[], "x", 7, {"usage": []}])]
)
def test_metrics_of_another_form_are_one_line(
    work: Work, service: LocalqpuControl, proxy: Proxy, answer: Any
) -> None:
    work.send()
    proxy.on("GET", "*/metrics", instead(Reply.of(answer)))
    work.attempt()
    assert work.jobs[0].state in (JobState.SENT, JobState.DONE)
    proxy.rules.clear()
    check(work.finish())
    assert len(service.jobs()) == 1


def test_a_job_that_was_intended_under_a_large_cap_is_not_sent_under_a_small_one(
    work: Work, service: LocalqpuControl, proxy: Proxy
) -> None:
    proxy.on("POST", POSTS, instead(Reply.of({}, 500)))
    with pytest.raises(ServiceError):
        work.go(cap=100)
    posts = proxy.count("POST", POSTS)
    proxy.rules.clear()
    with pytest.raises(BudgetError, match="--max-qpu-seconds 9"):
        work.go(cap=1)
    assert service.jobs() == []
    assert proxy.count("POST", POSTS) == posts == 3
    check(work.finish())
    assert len(service.jobs()) == 1


def count_running(service: LocalqpuControl) -> int:
    return sum(job["status"] != "Cancelled" for job in service.jobs())


def test_a_post_that_arrives_twice_is_one_job_and_one_that_counts(
    work: Work, service: LocalqpuControl, proxy: Proxy, capsys: pytest.CaptureFixture[str]
) -> None:
    service.set_scenario({"queue": {"polls_before_running": 8}})
    proxy.on("POST", POSTS, twice)
    work.send()
    with pytest.raises(JobsPendingError):
        work.go()
    assert "second job" in capsys.readouterr().err
    assert (len(service.jobs()), count_running(service)) == (2, 1)
    assert proxy.count("POST", POSTS) == 1
    check(work.finish())
    with Ledger(work.folder) as ledger:
        (stray,) = ledger.strays.list_all()
    assert stray.job_id != work.jobs[0].job_id


def test_a_post_that_arrives_late_is_cancelled_and_counts(
    work: Work, service: LocalqpuControl, proxy: Proxy, loopback: Any
) -> None:
    service.set_scenario({"queue": {"polls_before_running": 8}})
    loopback.charge = lambda job: 2.0
    proxy.on("POST", POSTS, proxy.keep_back, times=1)
    work.send()
    proxy.deliver()
    assert len(service.jobs()) == 2
    check(work.finish())
    assert count_running(service) == 1
    assert proxy.count("POST", POSTS) == 2
    assert work.committed == 4.0  # both were charged
    with Ledger(work.folder) as ledger, pytest.raises(BudgetError):
        ledger.intend(make_content(pubs=1).request, cap=LIMIT + 3)


def test_of_two_jobs_the_one_with_a_result_is_taken(
    work: Work, service: LocalqpuControl, proxy: Proxy
) -> None:
    service.set_scenario({"next_jobs": [{"outcome": "failed", "reason": "no"}]})
    proxy.on("POST", POSTS, twice)
    work.send()
    check(work.finish())
    assert len(service.jobs()) == 2
    assert proxy.count("POST", POSTS) == 1


def test_an_index_that_lags_ends_in_one_result_and_one_job_set_aside(
    work: Work, service: LocalqpuControl, proxy: Proxy
) -> None:
    service.set_scenario({"queue": {"polls_before_running": 8}})
    proxy.on("POST", POSTS, lose, times=1)
    proxy.on("GET", POSTS, changed(lambda _: {"jobs": [], "count": 0}), times=4)
    work.send()
    assert len(service.jobs()) == proxy.count("POST", POSTS) == 2
    check(work.finish())
    assert count_running(service) == 1


def change_items(change: Callable[[list[Any]], list[Any]]) -> Callable[[Any], Any]:
    return lambda result: result | {"data": change(result["data"])}


def change_registers(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Any], Any]:
    return change_items(
        lambda items: [item | {"results": change(item["results"])} for item in items]
    )


def mark_other(result: Any) -> Any:
    return json.loads(json.dumps(result).replace("qrnn-", "qrnn-f"))


FORMS = (None, [], "x", 7, {})
MISFITS = {
    "renamed": change_registers(
        lambda found: {("final" if name == "low" else name): v for name, v in found.items()}
    ),
    "swapped": change_registers(lambda found: {"low": found["high"], "high": found["low"]}),
    "missing": change_registers(lambda found: {"low": found["low"]}),
    "added": change_registers(lambda found: found | {"more": found["low"]}),
    "reversed": change_items(lambda items: items[::-1]),
    "too few": change_items(lambda items: items[:1]),
    "too many": change_items(lambda items: [*items, items[0]]),
    "none": change_items(lambda items: []),
    "another job": mark_other,
    **{f"form {n}": lambda _, v=v: v for n, v in enumerate(FORMS)},
}
MORE_MISFITS = ["swapped", "added", "too few", "none", "form 1", "form 2", "form 3", "form 4"]


@pytest.mark.parametrize(
    "change", [*(kind for kind in MISFITS if kind not in MORE_MISFITS), *slow(MORE_MISFITS)]
)
def test_a_result_that_does_not_fit_is_kept_aside_and_fetched_again(
    work: Work, service: LocalqpuControl, proxy: Proxy, change: str
) -> None:
    proxy.on("GET", "*/results", changed(MISFITS[change]))
    work.send()
    with pytest.raises(ResultError, match=r"not recorded and is kept"):
        work.finish()
    assert work.jobs[0].state is JobState.SENT
    with Ledger(work.folder) as ledger:
        ((job_id, _, _),) = ledger.strays.list_kept_results()
    assert job_id == service.jobs()[0]["id"]
    proxy.rules.clear()
    check(work.finish())
    assert len(service.jobs()) == proxy.count("POST", POSTS) == 1


@pytest.mark.parametrize("answer", [[], {"usage_limit_seconds": "x"}, *slow([None, "x", 7, {}])])
def test_the_usage_of_the_account_in_another_form_sends_nothing_or_once(
    work: Work, service: LocalqpuControl, proxy: Proxy, answer: Any
) -> None:
    proxy.on("GET", "*/usage", instead(Reply.of(answer)))
    work.attempt()
    assert len(service.jobs()) == proxy.count("POST", POSTS) <= 1
    proxy.rules.clear()
    check(work.finish(retry=True))
    assert len(service.jobs()) == 1


STATUS, BACKENDS, CONFIGURATION = "*/backends/*/status", "*/backends", "*/backends/*/configuration"
BACKEND_ANSWERS = [(STATUS, 0), (BACKENDS, 2), (CONFIGURATION, 4)]  # places in FORMS
MORE_BACKEND_ANSWERS = sorted(
    set(itertools.product((STATUS, BACKENDS, CONFIGURATION), range(len(FORMS))))
    - {*BACKEND_ANSWERS}
)


@pytest.mark.parametrize(("path", "form"), [*BACKEND_ANSWERS, *slow_pairs(MORE_BACKEND_ANSWERS)])
def test_a_backend_of_another_form_sends_nothing(
    work: Work, service: LocalqpuControl, proxy: Proxy, path: str, form: int
) -> None:
    proxy.on("GET", path, instead(Reply.of(FORMS[form])))
    work.attempt()
    assert len(service.jobs()) == proxy.count("POST", POSTS) <= 1
    proxy.rules.clear()
    check(work.finish(retry=True))
    assert len(service.jobs()) == 1


def test_a_long_pause_is_bounded_and_printed(
    work: Work,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    work.send()
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    busy = Reply.of({"errors": []}, 503, Retry_After="100000")
    proxy.on("GET", JOB, instead(busy), times=2)
    check(work.finish())
    assert max(pauses) == transport.LONGEST_PAUSE
    assert capsys.readouterr().err.count("requests a pause above 30 s") == 2


def test_a_request_without_an_answer_ends(
    work: Work,
    service: LocalqpuControl,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    work.send()
    monkeypatch.setattr(transport, "ANSWER_SECONDS", 0.2)
    over = threading.Event()
    proxy.on("GET", JOB, lambda request: over.wait(20) and None)
    with pytest.raises(ServiceError, match="timed out"):
        work.go()
    over.set()
    assert "did not answer; asking again" in capsys.readouterr().err
    assert work.jobs[0].state is JobState.SENT


@pytest.mark.parametrize("moment", ["request", "pause"])
def test_an_interrupt_ends_a_wait_at_once(
    work: Work,
    service: LocalqpuControl,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
) -> None:
    work.send()
    over = threading.Event()

    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    def answer(request: Request) -> Reply | None:
        if moment == "pause":
            return Reply.of({"errors": []}, 503, Retry_After="100000")
        interrupt()
        over.wait(20)
        return None

    if moment == "pause":
        monkeypatch.setattr("time.sleep", lambda seconds: interrupt())
    proxy.on("GET", JOB, answer)
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        work.go()
    assert time.monotonic() - start < 10
    over.set()
    proxy.rules.clear()
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    check(work.finish())
    assert len(service.jobs()) == proxy.count("POST", POSTS) == 1


def test_echoed_headers_are_hidden(
    work: Work, proxy: Proxy, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []

    def echo(request: Request) -> Reply:
        seen.append(request.headers["Authorization"])
        return Reply.of({"errors": [{"message": json.dumps(request.headers)}]}, 400)

    for method, path in itertools.product(("GET", "POST"), (POSTS, JOB)):
        proxy.on(method, path, echo)
    with pytest.raises(OperationError) as failure:
        work.go()
    assert seen
    for secret in (TOKEN, *seen, *(value.split()[1] for value in seen)):
        assert secret not in str(failure.value) + capsys.readouterr().err
        assert all(secret.encode() not in file.read_bytes() for file in work.folder.iterdir())
