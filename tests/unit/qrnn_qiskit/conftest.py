"""A toy task with a small classical recurrence, so that training is tested in milliseconds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qrnn_qiskit.executors import Estimates, Pub, SimulatorExecutor
from qrnn_qiskit.heads import LastStateHead
from qrnn_qiskit.hidden_state import HiddenState
from qrnn_qiskit.models import RecurrentModel
from qrnn_qiskit.tasks import DataSettings, Sequences, Splits, TaskModel, registry
from qrnn_qiskit.tasks.classification import ClassificationTask
from qrnn_qiskit.tasks.data.files import DataFile
from qrnn_qiskit.training.config import Config, resolve_config
from qrnn_qiskit.training.run_folder import RunFolder, create_run


class ToySettings(DataSettings):
    size: int = 40
    dropout: float = 0.3  # the same last name as model.dropout
    column: str = "value"
    file: DataFile | None = None
    content: int = 0
    scale: float = 1.0
    fresh: bool = False
    continued: bool = False


class ToyRecurrence(RecurrentModel):
    """A GRU that takes any executor and never asks it for anything."""

    kind = "toy"
    num_readouts = 4
    executor: Any = None

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.gru = nn.GRU(3, 4, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.executor = SimulatorExecutor()

    def check_device(self, name: str, gradient: str | None = None) -> None:
        pass

    def forward(
        self, x: Tensor, state: HiddenState | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, HiddenState]:
        start = None if state is None else state.readouts[None]
        output = self.dropout(self.gru(x, start)[0])
        return output, HiddenState(output[:, -1])


class SampledExecutor(SimulatorExecutor):
    """Exact values plus normal noise of known size: what a device with many shots gives."""

    name = "sampled"
    shots = 1000

    def __init__(self, error: float = 0.01, gradient: str | None = None) -> None:
        super().__init__(gradient=gradient)
        self.error = error
        self.random = np.random.default_rng(5)
        self.exact: list[NDArray[np.float64]] = []

    def run(self, pubs: Sequence[Pub]) -> list[Estimates]:
        exact = [estimate.values for estimate in super().run(pubs)]
        self.exact.extend(exact)
        return [
            Estimates(
                values + self.random.normal(0, self.error, values.shape),
                np.full(values.shape, self.error),
            )
            for values in exact
        ]


@pytest.fixture
def make_sampled() -> type[SampledExecutor]:
    """Make an executor with noise and standard errors: make_sampled(0.01, gradient="spsa")."""
    return SampledExecutor


class Toy(ClassificationTask):
    """Is the sum over a sequence's first component positive? The test split is out of reach."""

    name = "toy"
    summary = "tell positive from negative sums"
    source = "generated"
    Settings = ToySettings
    settings: ToySettings
    defaults: ClassVar[dict[str, Any]] = {
        "train.epochs": 3,
        "train.batch_size": 8,
        "train.patience": 9,
    }
    classes: ClassVar[list[str]] = ["negative", "positive"]

    def load(self) -> Splits:
        size = self.settings.size
        splits = [self.generate(part, size) for part in range(3)]
        return Splits(
            *splits,
            fresh=(lambda epoch: self.generate(3 + epoch, size)) if self.settings.fresh else None,
        )

    def generate(self, part: int, size: int) -> Sequences:
        values = np.random.default_rng((self.settings.content, part)).normal(size=(size, 5, 3))
        inputs = torch.from_numpy(values).float() * self.settings.scale
        targets = (inputs[:, :, 0].sum(dim=1) > 0).long()
        return Sequences(inputs, targets, continued=self.settings.continued)

    def build(self, qrnn_factory: Callable[[int], Any]) -> TaskModel:
        qrnn: Any = ToyRecurrence(self.settings.dropout)
        return TaskModel(qrnn, LastStateHead(qrnn, 2))

    def read(self, path: Path) -> Sequences:
        inputs = torch.from_numpy(np.loadtxt(path).reshape(-1, 5, 3)).float()
        return Sequences(inputs, torch.empty(len(inputs), 0))

    def remember(self) -> dict[str, Any]:
        return {"centre": 0.0}

    def restore(self, state: dict[str, Any]) -> None:
        assert state == {"centre": 0.0}

    def fingerprint(self) -> str:
        text = str(self.settings.content)
        if self.settings.file is not None:
            text += self.settings.file.read_text()
        return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> type[Toy]:
    """The toy task, registered for the time of a test."""
    monkeypatch.setitem(registry._tasks, "toy", Toy)
    return Toy


@pytest.fixture
def configure(toy: type[Toy]) -> Callable[..., Config]:
    """Make a configuration of the toy task: configure(epochs=3)."""
    return lambda **overrides: resolve_config("toy", overrides)


@pytest.fixture
def create(tmp_path: Path, configure: Callable[..., Config]) -> Callable[..., RunFolder]:
    """Make a run of the toy task: create("name", epochs=3)."""
    return lambda name="run", **overrides: create_run(tmp_path / name, configure(**overrides))
