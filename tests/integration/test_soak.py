"""Hours of use in one process: memory, threads and open files stay level."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qrnn_qiskit import QRNN
from qrnn_qiskit.executors import Pub
from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.evaluation import evaluate
from qrnn_qiskit.training.run_folder import create_run
from qrnn_qiskit.training.trainer import train
from runtime_jobs import open_device
from runtime_jobs.ledger import JobRequest, Ledger

TINY = {"num_qubits": 2, "controller_hidden": 4, "epochs": 1}
MEBIBYTE = 1 << 20


def measure() -> tuple[int, int, int]:
    """Resident bytes, threads and open files of this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return (
        pages * os.sysconf("SC_PAGE_SIZE"),
        threading.active_count(),
        len(os.listdir("/proc/self/fd")),
    )


def assert_level(work: Callable[[int], None], count: int, most: int = 16 * MEBIBYTE) -> None:
    """Do some work ``count`` times; after a tenth, nothing grows but for ``most`` bytes."""
    for k in range(count // 10):
        work(k)
    memory, threads, files = measure()
    for k in range(count // 10, count):
        work(k)
    now = measure()
    print(f"{count}: {memory >> 20} to {now[0] >> 20} MiB, {now[1]} threads, {now[2]} files")  # noqa: T201
    assert now[0] - memory < most
    assert now[1] <= threads
    assert now[2] <= files


def make_request(k: int) -> JobRequest:
    return JobRequest("ibm_kingston", f"round {k}", (f"{k:064x}",), "p", "{}", "t", 3, 20, 9)


@pytest.mark.slow
@pytest.mark.parametrize("opens", [False, True], ids=["one connection", "opened each time"])
def test_ten_thousand_jobs_in_a_ledger(tmp_path: Path, opens: bool) -> None:
    """SQLite keeps up to 2 MB of pages; the list of all jobs grows, and is read now and then."""
    ledger = Ledger(tmp_path)

    def record(k: int) -> None:
        nonlocal ledger
        if opens:
            ledger.close()
            ledger = Ledger(tmp_path)
        job = ledger.intend(make_request(k), cap=1e6)
        ledger.record_sent(job.tag, f"job-{k}")
        ledger.record_result(job.tag, bytes(100))
        ledger.record_usage(job.tag, 1.0)
        if k % 1000 == 0:
            assert len(ledger.list_jobs()) == k + 1

    assert_level(record, 10_000)
    assert len(ledger.list_jobs()) == 10_000
    assert ledger.committed_seconds() == 10_000.0
    ledger.close()


@pytest.mark.slow
@pytest.mark.parametrize("readout", ["expectation", "measured", "none"])
def test_two_thousand_training_steps(readout: str) -> None:
    torch.manual_seed(0)
    model = QRNN(input_size=3, num_qubits=4, readout=readout)
    optimizer = torch.optim.AdamW(model.parameters())

    def step(k: int) -> None:
        # Of many shapes, as the last batch of an epoch and texts have.
        output, state = model(torch.rand(1 + k % 17, 1 + k % 11, 3))
        optimizer.zero_grad()
        (output.square().mean() + state.readouts.square().mean()).backward()
        optimizer.step()

    assert_level(step, 2_000)


@pytest.mark.slow
def test_a_hundred_evaluations(tmp_path: Path) -> None:
    run = create_run(tmp_path / "run", resolve_config("digits", TINY))
    train(run)
    assert_level(lambda k: void(evaluate(run, sequences=20 + k % 7)), 100)


def void(result: object) -> None:
    assert result is not None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["aer", "aer?shots=100", "aer:kingston?shots=100", "simulator"])
def test_five_hundred_device_runs(name: str) -> None:
    circuit = QuantumCircuit(2)
    circuit.ry(Parameter("a"), 0)
    circuit.cz(0, 1)
    device = open_device(name, seed=1)
    observables = [SparsePauliOp("ZZ"), SparsePauliOp("XI")]

    def run(k: int) -> None:
        (found,) = device.run([Pub(circuit, np.full((1 + k % 5, 1), 0.1 * k), observables)])
        assert np.isfinite(found.values).all()

    assert_level(run, 500, most=32 * MEBIBYTE)
