"""The model inside Lightning's Trainer and skorch's nets, as any module of torch."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from torch import Tensor, nn

from qrnn_qiskit import QRNN

pytestmark = pytest.mark.integrations

X = np.random.default_rng(0).normal(size=(64, 4, 2)).astype(np.float32)
Y = (X[:, :, 0].sum(axis=1) > 0).astype(np.int64)


class Classifier(nn.Module):
    """A QRNN with a linear head."""

    def __init__(self, num_qubits: int = 2) -> None:
        super().__init__()
        self.qrnn = QRNN(input_size=2, num_qubits=num_qubits, num_layers=1, controller_hidden=8)
        self.head = nn.Linear(self.qrnn.hidden_size, 2)

    def forward(self, x: Tensor) -> Tensor:
        _, state = self.qrnn(x)
        logits: Tensor = self.head(state.readouts)
        return logits


def make_loader(batch_size: int = 16) -> Any:
    data = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    return torch.utils.data.DataLoader(data, batch_size)


def test_lightning_trains_saves_and_continues(tmp_path: Path) -> None:
    import pytorch_lightning as lightning

    class Module(lightning.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = Classifier()

        def training_step(self, batch: list[Tensor], _: int) -> Tensor:
            x, y = batch
            loss = nn.functional.cross_entropy(self.model(x), y)
            self.log("loss", loss, on_epoch=True, on_step=False)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=0.03)

    def make_trainer(epochs: int) -> Any:
        return lightning.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            default_root_dir=tmp_path,
            gradient_clip_val=1.0,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Lightning, on workers and deprecated parts of torch
        torch.manual_seed(0)
        module = Module()
        before = {name: value.clone() for name, value in module.state_dict().items()}
        trainer = make_trainer(1)
        trainer.fit(module, make_loader())
        first = float(trainer.callback_metrics["loss"])
        trainer.save_checkpoint(tmp_path / "one.ckpt")
        torch.manual_seed(1)
        again, trainer = Module(), make_trainer(8)
        trainer.fit(again, make_loader(), ckpt_path=tmp_path / "one.ckpt", weights_only=False)
    assert trainer.current_epoch == 8
    assert float(trainer.callback_metrics["loss"]) < 0.8 * first
    trained = module.state_dict()
    assert [name for name in before if name.startswith("model.") and "qrnn" in name]
    moved = {name for name in before if not torch.equal(before[name], trained[name])}
    assert {name for name, _ in module.named_parameters()} <= moved


def test_skorch_trains_inside_a_pipeline_and_a_grid() -> None:
    import skorch

    net = skorch.NeuralNetClassifier(
        Classifier,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=0.03,
        max_epochs=8,
        batch_size=16,
        verbose=0,
        train_split=None,
    )
    torch.manual_seed(0)
    steps = make_pipeline(FunctionTransformer(np.tanh), net)
    grid = GridSearchCV(steps, {"neuralnetclassifier__module__num_qubits": [1, 2]}, cv=2)
    grid.fit(X, Y)
    assert grid.predict_proba(X).shape == (64, 2)
    assert grid.score(X, Y) > 0.8
    losses = grid.best_estimator_[-1].history[:, "train_loss"]
    assert losses[-1] < losses[0]
