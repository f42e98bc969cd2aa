"""How far training is: a bar on standard error, silent where nobody watches."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["TrainingProgress"]


class TrainingProgress:
    """A bar over all epochs with the loss and the last validation, on standard error.

    ``enabled`` None shows it on a terminal only, so that logs and pipes stay clean.
    """

    def __init__(self, enabled: bool | None = None) -> None:
        if enabled is None:
            enabled = sys.stderr.isatty()
        self._bars = Progress(
            TextColumn("epoch"),
            MofNCompleteColumn(),
            BarColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=Console(stderr=True, force_terminal=enabled),
            disable=not enabled,
            transient=True,
        )
        self._bar = self._bars.add_task("", total=None, note="")
        self._validation = ""

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def show_step(self, epochs: float, total: int, loss: float) -> None:
        """``epochs`` done, in fractions, of ``total``; ``loss`` is the last batch's."""
        note = f"loss {loss:.4f}{self._validation}"
        self._bars.update(self._bar, completed=epochs, total=total, note=note)

    def show_epoch(self, row: dict[str, Any], headline: str) -> None:
        """The metrics of a finished epoch."""
        self._validation = f" · validation {headline} {row[f'validation_{headline}']:.4f}"
