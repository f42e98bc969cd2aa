"""The service on this machine and runs that are sent to it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from localqpu.app import start_server
from localqpu.context import ServerConfig
from localqpu.control_client import LocalqpuControl
from localqpu.server import RunningServer
from loopback import TINY, environment

from runtime_jobs.cli import run


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """The service with its own insides, for faults that it cannot be asked for."""
    server = start_server(ServerConfig(port=0, backends=("ibm_kingston",)))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(server.url).items():
            patch.setenv(name, value)
        yield server
    server.stop()


@pytest.fixture
def service(server: RunningServer) -> Iterator[LocalqpuControl]:
    """The service as new: no jobs, no faults, one seed."""
    control = LocalqpuControl(server.url)
    control.reset()
    control.set_scenario({"seed": 7})
    yield control
    control.reset()


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
