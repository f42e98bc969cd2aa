"""Training in TensorBoard: all numbers of metrics.jsonl, and the loss of every step."""

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

    Scalars are written for each step, ``step/loss`` of the batch, and for each epoch, the numbers
    of metrics.jsonl below ``train/`` and ``validation/``. A resumed run replaces the steps after
    its last checkpoint.

    Args:
        folder: Folder of the run.
        enabled: Whether the bar is shown; None shows it on a terminal only.

    Raises:
        RuntimeError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, enabled: bool | None = None) -> None:
        super().__init__(enabled)
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise OperationError(
                "TensorBoard is not installed; install it in a clone of this project with "
                "pip install '.[tensorboard]'"
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
        """Show and write the loss of the batch."""
        super().show_step(step, steps, epochs, loss)
        self._add("step/loss", loss, step)

    def show_epoch(self, row: dict[str, Any], headline: str) -> None:
        """Show and write the numbers of the epoch, at its last step."""
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
