"""The bytes that count_bytes returns are those that a run allocates."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from qrnn_qiskit import QRNN
from qrnn_qiskit.controller import count_kept
from qrnn_qiskit.engines.cpu import Simulator
from qrnn_qiskit.engines.cpu.memory_layout import count_bytes
from qrnn_qiskit.engines.cpu.stepwise import Evolution

BATCH, STEPS = 19, 11  # the last block has idle lanes


@pytest.fixture
def allocated(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of every array that the engine allocates."""
    sizes: list[int] = []
    allocate = Simulator.allocate

    def note(self: Simulator, shape: Any, dtype: torch.dtype | None = None) -> Tensor:
        tensor = allocate(self, shape, dtype)
        sizes.append(tensor.nbytes)
        return tensor

    monkeypatch.setattr(Simulator, "allocate", note)
    return sizes


@pytest.mark.parametrize("activation", ["linear", "gelu", "glu"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("readout", ["expectation", "none"])
def test_the_count_is_what_is_allocated(
    allocated: list[int], activation: str, dtype: torch.dtype, readout: str
) -> None:
    model = QRNN(3, 6, controller_hidden=7, activation=activation, readout=readout, dtype=dtype)
    simulator = Simulator(model.ansatz.circuit, model.readout.observables, dtype)
    x = torch.randn(BATCH, STEPS, 3, dtype=dtype)
    # The readouts at the end, those that the first step was fed with, and the pages between a pair.
    at_ends = BATCH * model.num_readouts * dtype.itemsize
    with torch.no_grad():
        model(x)
    assert sum(allocated) - at_ends == count_bytes(simulator, BATCH, STEPS)
    allocated.clear()
    model(x)[0].sum().backward()
    at_ends += model.count_parameters() * dtype.itemsize  # gradients, as large as the weights
    needed = count_bytes(simulator, BATCH, STEPS, count_kept(model.controller))
    assert needed <= sum(allocated) - at_ends <= needed + 3 * 4096


def test_a_reset_state_takes_memory_in_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []
    turn_back = Evolution._turn_back

    def note(self: Evolution) -> None:
        turn_back(self)
        kept.append(sum(each.nbytes for each in (self._states, self._back, self._adjoint)))

    monkeypatch.setattr(Evolution, "_turn_back", note)
    model = QRNN(3, 6, reset_state=True)
    output, _ = model(torch.randn(BATCH, STEPS, 3))
    output.sum().backward()
    assert len(kept) == STEPS
    present = sum(kept)
    monkeypatch.setattr("qrnn_qiskit.checks.count_memory", lambda: present)
    with pytest.raises(ValueError, match=f"{STEPS + 1} step.*forward and backward"):
        model.check_memory(BATCH, STEPS + 1)
    with torch.no_grad():
        model.check_memory(BATCH, STEPS + 1)
