"""The report of a run, in a notebook or as a file."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runtime_jobs.runs.opening import RunLike, open_trained_run

if TYPE_CHECKING:
    from qrnn_qiskit.training.loading import TrainedModel

__all__ = ["Report", "show"]

_HEIGHT = 800  # pixels of the report in a notebook


@dataclass(frozen=True)
class Report:
    """The report of a run; as the last line of a cell it is shown in the notebook.

    Attributes:
        path: The HTML file, which opens without a network.
        pictures: The pictures in it, as files.
    """

    path: Path
    pictures: tuple[Path, ...]

    def _repr_html_(self) -> str:
        page = html.escape(self.path.read_text(encoding="utf-8"))
        return f'<iframe srcdoc="{page}" width="100%" height="{_HEIGHT}"></iframe>'


def show(run: RunLike, *, trained: TrainedModel | None = None) -> Report:
    """Draw the pictures of a run and write its report, as ``qrnn show`` does.

    Args:
        run: The result of ``qrnn_qiskit.fit`` or ``load``, or the folder of a run.
        trained: The model of the run where it is loaded already.

    Raises:
        NotReadyError: The run has not finished an epoch.
        CheckpointError: The run has no usable checkpoint.
    """
    opened = open_trained_run(run)
    from runtime_jobs.report import write_report

    *pictures, report = write_report(opened, trained)
    return Report(report, tuple(pictures))
