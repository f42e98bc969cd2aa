"""The Triton kernels against the compiled kernels of the CPU: interpreted, and on a GPU."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import interpret_kernels
import numpy as np
import pytest
import torch
from barriers import BarrierWatch
from engines import TOLERANCES, differentiate, find_difference, make_model
from interpret_kernels import CASES
from torch import nn

from qrnn_qiskit import QRNN
from qrnn_qiskit.engines.gpu import has_kernels
from qrnn_qiskit.modes.expectation import ExpectationMode

needs_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="torch.cuda.is_available() is False: no GPU here"
)


@pytest.fixture(scope="module")
def interpreted() -> dict[str, Any]:
    """The results of the interpreter's process."""
    pytest.importorskip("triton", reason="Triton is not on this platform")
    done = subprocess.run(
        [sys.executable, interpret_kernels.__file__],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", CASES)
def test_interpreted_kernels_agree_with_those_of_the_cpu(
    name: str, interpreted: dict[str, Any]
) -> None:
    difference = interpreted["differences"][name]
    assert 0.0 < difference < TOLERANCES[CASES[name].dtype]  # 0 would be the same engine


def test_threads_wait_for_what_others_write(interpreted: dict[str, Any]) -> None:
    assert interpreted["races"] == []


class Memory:
    """What :class:`BarrierWatch` sees of Triton's interpreter, with blocks of addresses."""

    def ignore(self, *arguments: Any) -> None:
        """Neither load nor store."""

    create_masked_load = create_masked_store = create_barrier = set_grid_idx = ignore


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize(
    ("first", "second", "is_store", "races"),
    [
        ("create_masked_load", [1, 2], False, False),
        ("create_masked_store", [3, 4], False, False),
        ("create_masked_store", [1, 2], False, True),
        ("create_masked_load", [1, 2], True, False),
        ("create_masked_load", [2, 1], True, True),
        ("create_masked_load", [2], True, True),
    ],
)
def test_the_watch_sees_who_did_not_wait(
    first: str, second: list[int], is_store: bool, races: bool, waits: bool
) -> None:
    memory: Any = Memory()
    watch = BarrierWatch(memory)

    def touch(name: str, addresses: list[int]) -> None:
        block = SimpleNamespace(data=np.array(addresses, np.uint64))
        inside = SimpleNamespace(data=np.ones(len(addresses), bool))
        values = (None,) if name == "create_masked_store" else ()
        getattr(memory, name)(block, *values, inside)

    touch(first, [1, 2])
    if waits:
        memory.create_barrier()
    touch("create_masked_store" if is_store else "create_masked_load", second)
    assert bool(watch.found) == (races and not waits)


@needs_gpu
@pytest.mark.parametrize("name", CASES)
def test_kernels_on_a_gpu_agree_with_those_of_the_cpu(name: str) -> None:
    arguments, dtype, lengths = CASES[name]
    model = make_model(dtype, **arguments).eval()
    expected = differentiate(model, lengths=lengths)
    found = differentiate(copy.deepcopy(model).to("cuda"), "cuda", lengths)
    assert find_difference(found, expected) < TOLERANCES[dtype]


@needs_gpu
@pytest.mark.parametrize("num_qubits", range(1, 15))
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_all_sizes_agree_on_a_gpu(dtype: torch.dtype, num_qubits: int) -> None:
    """Many sequences of many steps, where threads that do not wait for each other would show."""
    model = make_model(dtype, num_qubits=num_qubits, feedback_gain=0.1)
    lengths = [20] * 150 if num_qubits < 10 else [10] * 3
    expected = differentiate(model, lengths=lengths)
    moved = copy.deepcopy(model).to("cuda")
    found = differentiate(moved, "cuda", lengths)
    assert find_difference(found, expected) < 10 * TOLERANCES[dtype]
    for one, other in zip(differentiate(moved, "cuda", lengths), found, strict=True):
        assert torch.equal(one, other)


class Chosen(Exception):
    """The kernels were to run."""


def refuse_to_run(*arguments: Any) -> None:
    raise Chosen


@pytest.fixture
def kernels_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the processor were a GPU whose kernels raise an error when they are chosen."""
    monkeypatch.setattr("qrnn_qiskit.modes.expectation.has_kernels", lambda device: True)
    monkeypatch.setattr(ExpectationMode, "_run_kernels", refuse_to_run)


@pytest.mark.usefixtures("kernels_refuse")
def test_the_standard_controller_takes_the_kernels() -> None:
    with pytest.raises(Chosen):
        QRNN(2, 2)(torch.rand(1, 2, 2))


@pytest.mark.usefixtures("kernels_refuse")
@pytest.mark.parametrize(
    "arguments",
    [
        {"engine": "torch"},
        {"reset_state": True},
        {"num_registers": 2, "register_feedback": "shared"},
    ],
)
def test_what_the_kernels_cannot_do_runs_elsewhere(arguments: dict[str, Any]) -> None:
    output, _ = QRNN(2, 2, **arguments)(torch.rand(1, 2, 2))
    assert output.isfinite().all()


@pytest.mark.usefixtures("kernels_refuse")
def test_a_custom_controller_runs_elsewhere() -> None:
    model = QRNN(2, 2)
    model.controller = nn.Sequential(model.controller, nn.Tanh())
    assert model(torch.rand(1, 2, 2))[0].isfinite().all()


def test_a_cpu_has_no_such_kernels() -> None:
    assert not has_kernels(torch.device("cpu"))
