"""A recurrent model with the interface of QRNN that needs no circuit, and files to read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from qrnn_qiskit.executors import SimulatorExecutor
from qrnn_qiskit.hidden_state import HiddenState


class GRU(nn.Module):
    """output (B, T, 5) and, of another width as in measured mode, readouts (B, 6)."""

    readout_size = 5
    num_readouts = 6
    readout_scale = 1.0
    learns_readout_scale = False
    record_size = 0

    def __init__(self, input_size: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.input_size = input_size
        self.executor = SimulatorExecutor()
        self.gru = nn.GRU(input_size, self.num_readouts, batch_first=True, dtype=dtype)

    def forward(
        self, x: Tensor, state: HiddenState | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, HiddenState]:
        if x.dtype != next(self.parameters()).dtype or x.ndim != 3:
            raise TypeError(f"x is {x.dtype} of rank {x.ndim}")
        output, _ = self.gru(x, None if state is None else state.readouts[None])
        last = torch.full((len(x),), x.shape[1]) if lengths is None else lengths
        readouts = output[torch.arange(len(x)), last - 1]
        return output[..., : self.readout_size], HiddenState(readouts)


@pytest.fixture(params=[torch.float32, torch.float64], ids=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    return request.param


@pytest.fixture
def make_gru(dtype: torch.dtype) -> Callable[[int], GRU]:
    torch.manual_seed(0)
    return lambda input_size: GRU(input_size, dtype)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a text (or bytes) to a file and returns its path."""

    def write_file(content: str | bytes, name: str = "data.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file
