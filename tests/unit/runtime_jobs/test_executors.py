"""What all executors have in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from qiskit.primitives import StatevectorEstimator, StatevectorSampler

from qrnn_qiskit.executors import DynamicExecutor, Executor, SimulatorExecutor
from runtime_jobs import open_device
from runtime_jobs.ibm.executor import IbmExecutor
from runtime_jobs.ledger import Ledger

OPENERS: dict[str, Callable[[], Any]] = {
    "simulator": SimulatorExecutor,
    "aer": lambda: open_device("aer"),
    "sampled aer": lambda: open_device("aer?shots=10"),
    "noisy simulator": lambda: open_device("simulator?noise=readout:0.01"),
    "sampled noisy simulator": lambda: open_device("simulator?noise=readout:0.01&shots=10"),
    "patches": lambda: open_device("aer:kingston?patches=2&shots=10"),
    "sampler": lambda: open_device(StatevectorSampler(), shots=10),
    "estimator": lambda: open_device(StatevectorEstimator(), shots=10),
}


def check(executor: Executor) -> None:
    assert executor.run([]) == []
    if isinstance(executor, DynamicExecutor):
        assert executor.run_dynamic([]) == []
    assert executor.counts.jobs == 0


@pytest.mark.parametrize("name", OPENERS)
def test_no_pubs_are_no_job(name: str) -> None:
    check(OPENERS[name]())


def test_no_pubs_are_no_job_of_a_qpu(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        nothing: Any = object()  # sends nothing, as it has no method
        check(IbmExecutor("ibm_kingston", 10, nothing, ledger))
        assert ledger.list_jobs() == []
