"""Training in TensorBoard: every number of metrics.jsonl, and the loss of every step."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from circuits.errors import OperationError
from qrnn_qiskit.training.progress import TrainingProgress

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["TensorBoardProgress"]


class TensorBoardProgress(TrainingProgress):
    """The progress bar, and event files in the folder ``tensorboard`` of the run.

    Scalars by step: ``step/loss`` of the batch; by epoch the numbers of metrics.jsonl below
    ``train/`` and ``validation/``. A run that goes on takes the place of the steps after its last
    checkpoint. ``folder`` is that of the run.

    Raises:
        RuntimeError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, enabled: bool | None = None) -> None:
        super().__init__(enabled)
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise OperationError(
                "TensorBoard is not installed; in a clone of this project "
                "pip install '.[tensorboard]' brings it"
            ) from error
        self._open = SummaryWriter
        self._folder = folder / "tensorboard"
        self._writer: SummaryWriter | None = None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        if self._writer is not None:
            self._writer.close()

    def show_step(self, step: int, steps: int, epochs: int, loss: float) -> None:
        """The loss of the batch."""
        super().show_step(step, steps, epochs, loss)
        self._add("step/loss", loss, step)

    def show_epoch(self, row: dict[str, Any], headline: str) -> None:
        """The numbers of the epoch, at its last step."""
        super().show_epoch(row, headline)
        for name, value in row.items():
            if name not in ("epoch", "step"):
                group = "validation" if name.startswith("validation_") else "train"
                tag = name.removeprefix("validation_").removeprefix("train_")
                self._add(f"{group}/{tag}", value, row["step"])

    def _add(self, tag: str, value: float, step: int) -> None:
        if self._writer is None:
            self._writer = self._open(str(self._folder), purge_step=step)
        self._writer.add_scalar(tag, value, step)
