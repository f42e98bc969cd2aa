"""The service on this machine and runs that are sent to it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from localqpu import app
from localqpu.context import AppContext, ServerConfig
from localqpu.control_client import LocalqpuControl
from localqpu.ibm import job_routes
from localqpu.jobs import JobRecord
from localqpu.server import Request, Response
from loopback import TINY, environment

from runtime_jobs.cli import run


@dataclass
class Loopback:
    """The service with its own insides, for faults that it cannot be asked for.

    Attributes:
        url: its address.
        context: its jobs, sessions and backends.
        charge: seconds that it says a job was charged, from its own record of the job.
    """

    url: str
    context: AppContext
    charge: Callable[[JobRecord], float] = lambda job: 0.0


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
        patch.setattr(job_routes, "get_job_metrics", charge)
        server = app.start_server(ServerConfig(port=0, backends=("ibm_kingston",)))
        for name, value in environment(server.url).items():
            patch.setenv(name, value)
        found = Loopback(server.url, contexts[0])
        yield found
        server.stop()


@pytest.fixture
def service(loopback: Loopback) -> Iterator[LocalqpuControl]:
    """The service as new: no jobs, no sessions, no faults, one seed."""
    control = LocalqpuControl(loopback.url)
    control.reset()
    loopback.context.sessions.reset()
    control.set_scenario({"seed": 7})
    yield control
    control.reset()
    loopback.charge = Loopback.charge


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {}
    for readout in ("expectation", "none", "measured"):
        folder = tmp_path_factory.mktemp("runs") / readout
        settings = [word for s in [*TINY, f"readout={readout}"] for word in ("--set", s)]
        assert run(["train", "digits", *settings, "--out", str(folder)]) == 0
        folders[readout] = folder
    return folders


@pytest.fixture
def folder(trained: dict[str, Path], tmp_path: Path) -> Path:
    """A run without feedback: all its steps are one job."""
    return Path(shutil.copytree(trained["none"], tmp_path / "run"))


@pytest.fixture
def replay(trained: dict[str, Path], tmp_path: Path) -> Path:
    """A run with feedback: each of its eight steps needs the one before."""
    return Path(shutil.copytree(trained["expectation"], tmp_path / "run"))
