"""Blocks of sequences on several threads: the same numbers, with OpenMP or without it."""

from __future__ import annotations

import ctypes
import threading
import time

import pytest
import torch
from torch import Tensor

from qrnn_qiskit import QRNN
from qrnn_qiskit.engines.cpu import threads


def train(num_threads: int) -> list[Tensor]:
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    try:
        torch.manual_seed(0)
        model = QRNN(2, 5)
        x = torch.randn(70, 40, 2)
        output, _ = model(x)
        output.square().sum().backward()
        return [output.detach(), *(parameter.grad for parameter in model.parameters())]
    finally:
        torch.set_num_threads(before)


def test_threads_do_not_change_the_numbers() -> None:
    one, three = train(1), train(3)
    assert torch.equal(one[0], three[0])
    for found, expected in zip(three[1:], one[1:], strict=True):
        # torch's own matrix products add up in another order on several threads.
        assert float((found - expected).abs().max()) < 1e-5 * float(expected.abs().max())


def test_python_threads_stand_in_for_openmp() -> None:
    calls: list[tuple[int, int]] = []
    together = threading.Barrier(3, timeout=30.0)

    def work(data: int) -> None:
        together.wait()
        calls.append((threading.get_ident(), data))

    worker = threads.WORKER(work)
    threads.fork_python(worker, 7, 3, 0)
    assert [data for _, data in calls] == [7, 7, 7]
    assert len({thread for thread, _ in calls}) == 3


def test_an_interrupt_waits_for_pythons_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []
    interrupted, handed_on = [False], threading.Event()
    join = threading.Thread.join

    def interrupt_once(thread: threading.Thread) -> None:
        if not interrupted[0]:
            interrupted[0] = True
            raise KeyboardInterrupt
        join(thread)

    def work(data: int) -> None:
        if threading.current_thread() is not threading.main_thread():
            time.sleep(0.2)
        done.append(data)

    monkeypatch.setattr(threading.Thread, "join", interrupt_once)
    monkeypatch.setattr("_thread.interrupt_main", handed_on.set)
    threads.fork_python(threads.WORKER(work), 7, 3, 0)
    assert interrupted == [True]
    assert done == [7, 7, 7]
    assert handed_on.wait(30.0)


def test_work_is_done_where_no_thread_can_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    done: list[int] = []
    monkeypatch.setattr(threading.Thread, "start", refuse)
    threads.fork_python(threads.WORKER(done.append), 7, 3, 0)
    assert done == [7]


def test_what_compiled_code_calls_runs_a_function_on_as_many_threads() -> None:
    calls: list[int | None] = []
    worker = threads.WORKER(calls.append)
    threads.fork(worker, ctypes.c_void_p(7), ctypes.c_uint(2), ctypes.c_uint(0))
    assert calls == [7, 7]


def test_little_work_stays_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert threads.count_threads(8, 16) == 1
    assert threads.count_threads(8, 1 << 20) == 4
    assert threads.count_threads(3, 1 << 20) == 3
