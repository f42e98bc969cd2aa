"""Random faults of the service: no traceback, nothing paid twice, no cap exceeded.

A case is drawn from its seed, see ``random_faults.py``: while one command runs, the proxy
misbehaves. Then the service behaves again, and the run must come to its result.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from localqpu.control_client import LocalqpuControl
from localqpu.jobs import JobRecord
from loopback import environment, nap
from proxy import Proxy
from random_faults import Fault, draw_fault
from sampling import slow

from runtime_jobs.cli import run
from runtime_jobs.cli.failures import ExitCode
from runtime_jobs.ibm.submission import read_submission
from runtime_jobs.ledger import Ledger

# A command that cannot close its batch goes on with a warning, here and in use.
pytestmark = pytest.mark.filterwarnings("default:the (batch|session) .* cannot be closed")

CHARGE = 1.0  # seconds, of every job that was not cancelled
LIMIT = 9  # seconds that each job may take
JOBS = {"none": 1, "expectation": 8}
SESSION = 20  # seconds
MOST_RESUMES = 100


@pytest.fixture
def proxy(loopback: Any, service: LocalqpuControl) -> Iterator[Proxy]:
    made = Proxy(loopback.url)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(made.url).items():
            patch.setenv(name, value)
        yield made
    made.stop()


@dataclass
class Case:
    """A run at the service, through a fault and to its end."""

    folder: Path
    fault: Fault
    cap: int
    mode: tuple[str, ...]
    options: tuple[str, ...] = ()

    def do(self, command: str) -> int:
        place = str(self.folder)
        sizes = ["--on", "ibm:kingston", "--shots", "50", "--sequences", "2"]
        words = {
            "submit": [
                *sizes,
                *self.options,
                "--max-qpu-seconds",
                str(self.cap),
                "--mode",
                *self.mode,
            ],
            "plan": sizes,
            "jobs": ["--watch", "--every", "0.1"],
        }
        if command == "account":
            return run([command])
        return run([command, place, *words.get(command, [])])

    def prepare(self, random: Random) -> None:
        """Bring the run to the moment before the command of the fault."""
        if self.fault.command == "submit":
            return
        assert self.do("submit") == ExitCode.DONE
        for _ in range(random.choice([0, 0, 1, 3])):
            if self.is_finished:
                break
            assert self.do("collect") in (ExitCode.DONE, ExitCode.NOT_READY)

    def finish(self) -> int:
        """Send what was not sent, and resume until the result or an error."""
        code = self.do("submit")
        for _ in range(MOST_RESUMES):
            if self.is_finished or code == ExitCode.OVER_BUDGET:
                break
            nap(0.1)
            code = self.do("resume")
            if code not in (ExitCode.DONE, ExitCode.NOT_READY):
                break
        return code

    @property
    def is_finished(self) -> bool:
        with Ledger(self.folder) as ledger:
            submission = read_submission(ledger)
        return submission is not None and submission.is_finished


def charge(job: JobRecord) -> float:
    return 0.0 if job.status == "Cancelled" else CHARGE


def check_money(case: Case, paid: list[dict[str, Any]]) -> None:
    """No work is paid twice, the cap holds, and the ledger misses no charge."""
    fault, charges = case.fault, CHARGE * len(paid)
    with Ledger(case.folder) as ledger:
        keys = {job.key for job in ledger.list_jobs()}
        committed = ledger.committed_seconds()
    if not fault.sends_more:
        assert len(paid) <= len(keys), fault.words
        assert charges <= case.cap, fault.words
    if not fault.lies_in_charge:
        # The stand-in charges nothing for the time of a session, which counts in place of its jobs.
        assert committed >= charges or case.mode[0] == "session", fault.words
        assert committed <= case.cap or fault.sends_more, fault.words


@pytest.mark.parametrize("seed", [*range(3), *slow(range(3, 128))])
def test_a_random_fault_costs_nothing_twice_and_ends_in_a_result(
    seed: int,
    trained: dict[str, Path],
    tmp_path: Path,
    service: LocalqpuControl,
    loopback: Any,
    proxy: Proxy,
    capsys: pytest.CaptureFixture[str],
) -> None:
    random = Random(seed)
    readout = random.choice(["none", "none", "none", "expectation"])
    mode = random.choice([("batch",), ("job",), ("session", "--session-seconds", str(SESSION))])
    # As large as the plan, or with some room; a session may have to be replaced once.
    cap = LIMIT * JOBS[readout] + random.choice([0, LIMIT]) + 3 * SESSION * (mode[0] == "session")
    folder = Path(shutil.copytree(trained[readout], tmp_path / "run"))
    case = Case(folder, draw_fault(seed, proxy), cap, mode)
    check_case(case, random, service, loopback, proxy, capsys)


OPTIONS = [
    ("--patches", "auto", "--rep-delay", "50us"),
    ("--patches", "2", "--rep-delay", "20us", "--decouple", "xx"),
    ("--mitigation", "feedforward", "--decouple", "xx"),
    ("--mitigation", "feedforward+zne", "--rep-delay", "1ms"),
]


@pytest.mark.parametrize("seed", [1000, *slow(range(1001, 1048))])
def test_random_faults_with_options_of_dynamic_circuits(
    seed: int,
    resetting: Path,
    service: LocalqpuControl,
    loopback: Any,
    proxy: Proxy,
    capsys: pytest.CaptureFixture[str],
) -> None:
    random = Random(seed)
    options = OPTIONS[seed % len(OPTIONS)]
    capsys.readouterr()
    sizes = ["--on", "ibm:kingston", "--shots", "50", "--sequences", "2"]
    planned = [word for word in options if word not in ("--decouple", "xx")]
    assert run(["plan", str(resetting), *sizes, *planned, "--json"]) == ExitCode.DONE
    cap = json.loads(capsys.readouterr().out)["reserved_seconds"] + random.choice([0, LIMIT])
    case = Case(resetting, draw_fault(seed, proxy), cap, ("batch",), options)
    check_case(case, random, service, loopback, proxy, capsys)


def check_case(
    case: Case,
    random: Random,
    service: LocalqpuControl,
    loopback: Any,
    proxy: Proxy,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Bring a run through its fault and to its end; nothing is lost and nothing paid twice."""
    fault = case.fault
    loopback.charge = charge
    service.set_scenario({"queue": {"polls_before_running": random.choice([0, 0, 2, 8])}})
    case.prepare(random)
    capsys.readouterr()
    fault.begin(proxy)
    code = case.do(fault.command)
    paid = [job for job in service.jobs() if job["status"] != "Cancelled"]
    proxy.rules.clear()
    check_money(case, paid)
    proxy.deliver()
    last = case.finish()
    printed = capsys.readouterr().err
    assert "Traceback" not in printed, f"{fault.words}\n{printed}"
    assert code in ExitCode, fault.words
    paid = [job for job in service.jobs() if job["status"] != "Cancelled"]
    check_money(case, paid)
    if not (fault.lies_in_charge or fault.sends_more):
        assert last == ExitCode.DONE, f"{fault.words}\n{printed}"
        assert case.is_finished, fault.words
    assert last in (ExitCode.DONE, ExitCode.OVER_BUDGET), f"{fault.words}\n{printed}"
