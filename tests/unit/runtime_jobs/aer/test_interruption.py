"""Ctrl-C while Aer computes: it keeps the interpreter's lock, so its calls are short."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.run_folder import create_run
from qrnn_qiskit.training.trainer import train
from runtime_jobs import open_device
from runtime_jobs.aer import dynamic_runner, simulate

pytestmark = pytest.mark.noisy

SECONDS = 5.0  # until a command has ended, on one processor
COMMAND = """
from qiskit_aer import AerSimulator
import runtime_jobs.cli

def run(*words, run=AerSimulator.run, **options):
    print("Aer", flush=True)
    return run(*words, **options)

AerSimulator.run = run
runtime_jobs.cli.main()
"""


def test_results_of_several_calls_are_those_of_one(
    make_case: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[int, int]] = []
    run = dynamic_runner.Sampler.run

    def count(self: Any, pubs: list[Any], *, shots: int) -> Any:
        calls.append((len(next(iter(pubs[0][1].values()))), shots))
        return run(self, pubs, shots=shots)

    pub = make_case(batch=3).pub()
    (exact,) = open_device("aer").run_dynamic([pub])
    monkeypatch.setattr(dynamic_runner.Sampler, "run", count)
    for rows, most in ((2, 1000), (1, 400)):
        monkeypatch.setattr(dynamic_runner, "_split_call", lambda *_, r=rows, m=most: (r, m))
        (found,) = open_device("aer?shots=1000&seed=1").run_dynamic([pub])
        assert found.shots == 3000
        assert found.standard_errors is not None
        np.testing.assert_allclose(found.outcomes, exact.outcomes, atol=0.05)  # five deviations
        assert (np.abs(found.values - exact.values) < 5 * found.standard_errors + 1e-9).all()
    assert calls == [(2, 1000), (1, 1000), *[(1, 400), (1, 400), (1, 200)] * 3]


def test_calls_are_short(make_case: Callable[..., Any]) -> None:
    circuit = make_case(num_steps=8, num_qubits=4).circuit.circuit
    assert dynamic_runner._split_call(circuit, 3, 100) == (37, 100)
    assert dynamic_runner._split_call(circuit, 3, 10**6) == (1, 3708)
    rows = list(simulate.split_rows(1000, 7, "density_matrix", 1000))
    assert rows[0] == slice(0, 4)  # 1000 of them take minutes
    assert rows[-1].stop == 1000


@pytest.mark.slow
@pytest.mark.parametrize("readout", ["measured", "expectation"])
def test_a_command_ends_within_five_seconds(tmp_path: Path, readout: str) -> None:
    small = {"epochs": 1, "readout": readout, "controller_hidden": 4, "num_qubits": 5}
    train(create_run(tmp_path / "run", resolve_config("digits", small)))
    words = ["evaluate", str(tmp_path / "run"), "--on", "aer:kingston?shots=100000"]
    if readout == "expectation":  # exact density matrices: as many circuits as take a while
        words[-1] = "aer:kingston?shots=1000&mitigation=readout+zne"
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "Aer\n"
    time.sleep(0.5)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()[11:13]
    process.send_signal(signal.SIGINT)
    try:
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    # Not the clock's time: a busy machine must not fail a test.
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    taken = now.ru_utime + now.ru_stime - ended.ru_utime - ended.ru_stime
    taken -= sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    print(f"{readout}: {taken:.1f} s")  # noqa: T201
    assert taken < SECONDS
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
