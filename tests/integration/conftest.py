"""The stand-in for IBM Quantum on this machine, and trained runs that are sent to it."""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
from localqpu import app
from localqpu.context import AppContext, ServerConfig
from localqpu.control_client import LocalqpuControl
from localqpu.ibm import job_routes
from localqpu.jobs import JobRecord
from localqpu.server import Request, Response
from loopback import TINY, environment, nap
from qiskit_ibm_runtime.api import session
from qiskit_ibm_runtime.utils import converters

from qrnn_qiskit.modes import READOUT_MODES
from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.run_folder import create_run
from qrnn_qiskit.training.trainer import train

MakeOnce = Callable[[str, Callable[[Path], None]], Path]


@dataclass
class Loopback:
    """The service and its internals, for faults that no scenario can request.

    Attributes:
        url: Its address.
        context: Its jobs, sessions and backends.
        charge: Returns the QPU seconds that it reports for a job, given its record of the job.
    """

    url: str
    context: AppContext
    charge: Callable[[JobRecord], float] = lambda job: 0.0


def list_frames() -> list[traceback.FrameSummary]:
    """List the callers, innermost first, as ``inspect.stack`` does but without their source."""
    return list(
        reversed(traceback.StackSummary.extract(traceback.walk_stack(None), lookup_lines=False))
    )


@pytest.fixture(scope="module")
def loopback() -> Iterator[Loopback]:
    contexts: list[AppContext] = []
    build, answer = app.build_context, job_routes.get_job_metrics

    def keep(config: ServerConfig) -> AppContext:
        contexts.append(build(config))
        return contexts[0]

    def charge(context: AppContext, request: Request, params: dict[str, str]) -> Response:
        response = answer(context, request, params)
        usage = response.body["usage"]
        if usage["status"] == "final":
            job = context.jobs.get(params["job_id"])
            usage["qpu_charge_time_seconds"] = found.charge(job)
        return response

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "build_context", keep)
        # For a header, the client reads the source of every frame before each request: under
        # pytest that took three quarters of the time of these tests.
        patch.setattr(session, "inspect", SimpleNamespace(stack=list_frames))
        # It also parses the time of each of thousands of calibrated values, which are mostly equal.
        patch.setattr(converters, "utc_to_local", cache(converters.utc_to_local))
        patch.setattr(job_routes, "get_job_metrics", charge)
        server = app.start_server(ServerConfig(port=0, backends=("ibm_kingston",)))
        for name, value in environment(server.url).items():
            patch.setenv(name, value)
        found = Loopback(server.url, contexts[0])
        yield found
        server.stop()


@pytest.fixture
def service(loopback: Loopback) -> Iterator[LocalqpuControl]:
    """The service in its initial state: no jobs, no sessions, no faults, one seed.

    Commands in this process nap where they would wait; a test may patch ``time.sleep`` again.
    """
    control = LocalqpuControl(loopback.url)
    control.reset()
    loopback.context.sessions.reset()
    control.set_scenario({"seed": 7})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.sleep", nap)
        yield control
    control.reset()
    loopback.charge = Loopback.charge


@pytest.fixture(scope="session")
def trained(make_once: MakeOnce) -> dict[str, Path]:
    """Runs of all workers, by readout mode: copy one before a command that writes to it."""

    def train_all(folder: Path) -> None:
        for readout in READOUT_MODES:
            train(
                create_run(folder / readout, resolve_config("digits", TINY | {"readout": readout}))
            )

    folder = make_once("trained", train_all)
    return {readout: folder / readout for readout in READOUT_MODES}


@pytest.fixture
def resetting(make_once: MakeOnce, tmp_path: Path) -> Path:
    """A copy of a run of dynamic circuits that reset their ancilla."""
    settings = TINY | {"readout": "measured", "ancilla_return": "reset"}

    def train_one(folder: Path) -> None:
        train(create_run(folder / "run", resolve_config("digits", settings)))

    return Path(shutil.copytree(make_once("resetting", train_one) / "run", tmp_path / "resetting"))


@pytest.fixture
def folder(trained: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of a run without feedback: all its steps are one job."""
    return Path(shutil.copytree(trained["none"], tmp_path / "run"))


@pytest.fixture
def replay(trained: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of a run with feedback: each of its eight steps needs the one before."""
    return Path(shutil.copytree(trained["expectation"], tmp_path / "run"))
