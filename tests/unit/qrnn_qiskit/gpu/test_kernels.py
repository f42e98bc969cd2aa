"""The Triton kernels against the compiled kernels of the CPU: interpreted, and on a GPU."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from typing import Any

import interpret_kernels
import pytest
import torch
from engines import TOLERANCES, differentiate, find_difference, make_model
from interpret_kernels import CASES
from torch import nn

from qrnn_qiskit import QRNN
from qrnn_qiskit.gpu import has_kernels
from qrnn_qiskit.unitary import UnitaryCore

needs_gpu = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="torch.cuda.is_available() is False: no GPU here"
)


@pytest.fixture(scope="module")
def differences() -> dict[str, float]:
    """What the interpreter's process found, by case."""
    pytest.importorskip("triton", reason="Triton is not on this platform")
    done = subprocess.run(
        [sys.executable, interpret_kernels.__file__],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", CASES)
def test_interpreted_kernels_agree_with_those_of_the_cpu(
    name: str, differences: dict[str, float]
) -> None:
    assert 0.0 < differences[name] < TOLERANCES[CASES[name].dtype]  # 0 would be the same engine


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
    """As if this machine's processor were a GPU whose kernels only tell that they were chosen."""
    monkeypatch.setattr("qrnn_qiskit.unitary.has_kernels", lambda device: True)
    monkeypatch.setattr(UnitaryCore, "_run_kernels", refuse_to_run)


@pytest.mark.usefixtures("kernels_refuse")
def test_the_standard_controller_takes_the_kernels() -> None:
    with pytest.raises(Chosen):
        QRNN(2, 2)(torch.rand(1, 2, 2))


@pytest.mark.usefixtures("kernels_refuse")
@pytest.mark.parametrize("arguments", [{"engine": "torch"}, {"reset_state": True}])
def test_what_the_kernels_cannot_do_runs_elsewhere(arguments: dict[str, Any]) -> None:
    output, _ = QRNN(2, 2, **arguments)(torch.rand(1, 2, 2))
    assert output.isfinite().all()


@pytest.mark.usefixtures("kernels_refuse")
def test_a_controller_of_ones_own_runs_elsewhere() -> None:
    model = QRNN(2, 2)
    model.controller = nn.Sequential(model.controller, nn.Tanh())
    assert model(torch.rand(1, 2, 2))[0].isfinite().all()


def test_a_cpu_has_no_such_kernels() -> None:
    assert not has_kernels(torch.device("cpu"))
