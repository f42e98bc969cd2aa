"""Progress bars on standard error, hidden where it is not a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

__all__ = ["Bars", "CallbackProgress", "EvaluationProgress", "TrainingProgress", "is_watched"]


def is_watched() -> bool:
    """Return whether standard error is a terminal; logs and pipes stay clean."""
    return sys.stderr.isatty()


class Bars(Progress):
    """Bars on standard error that disappear when the work is done.

    Args:
        columns: Columns of each bar.
        enabled: Whether the bars are shown; None shows them on a terminal only.
    """

    def __init__(self, *columns: ProgressColumn, enabled: bool | None) -> None:
        self.enabled = is_watched() if enabled is None else enabled
        super().__init__(
            *columns,
            console=Console(stderr=True, force_terminal=self.enabled),
            disable=not self.enabled,
            transient=True,
            redirect_stdout=False,  # results go to it, and some libraries keep a reference
        )


class TrainingProgress(Bars):
    """A bar over all steps with epoch, loss, speed, remaining time and the last validation.

    Args:
        enabled: Whether it is shown; None shows it on a terminal only.
    """

    def __init__(self, enabled: bool | None = None) -> None:
        super().__init__(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            SpeedColumn(),
            TimeRemainingColumn(),
            TextColumn("left · {task.fields[note]}"),
            enabled=enabled,
        )
        self._bar = self.add_task("", total=None, note="", epoch="")
        self._validation = ""

    def show_step(self, step: int, steps: int, epochs: int, loss: float) -> None:
        """Show that ``step`` of ``epochs`` times ``steps`` is done, and the last batch's loss."""
        self.update(
            self._bar,
            completed=step,
            total=epochs * steps,
            epoch=f"{-(-step // steps)}/{epochs}",
            note=f"loss {loss:.4f}{self._validation}",
        )

    def show_epoch(self, row: dict[str, Any], headline: str) -> None:
        """Show the metrics of a finished epoch."""
        self._validation = f" · validation {headline} {row[f'validation_{headline}']:.4f}"


class CallbackProgress(TrainingProgress):
    """A progress bar that also reports to functions, for any logger.

    Args:
        on_epoch: Called with the metrics of each finished epoch, a line of ``metrics.jsonl``.
        on_step: Called with the numbers ``step``, ``epoch`` (both from 1) and ``loss``.
    """

    def __init__(
        self,
        on_epoch: Callable[[dict[str, Any]], None] | None = None,
        on_step: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        super().__init__()
        self._on_epoch, self._on_step = on_epoch, on_step

    def show_step(self, step: int, steps: int, epochs: int, loss: float) -> None:
        """Show a finished step and report it."""
        super().show_step(step, steps, epochs, loss)
        if self._on_step is not None:
            self._on_step({"step": step, "epoch": -(-step // steps), "loss": loss})

    def show_epoch(self, row: dict[str, Any], headline: str) -> None:
        """Show a finished epoch and report it."""
        super().show_epoch(row, headline)
        if self._on_epoch is not None:
            self._on_epoch(dict(row))


class SpeedColumn(ProgressColumn):
    """Steps per second over the last half minute."""

    def render(self, task: Task) -> Text:
        """Render the speed; empty before the second step."""
        return Text("" if task.speed is None else f"{task.speed:.1f} steps/s")


class EvaluationProgress(Bars):
    """A bar over the jobs or the batches of an evaluation, which polls the progress.

    Args:
        name: Name of the units counted.
        total: Total number of units.
        read: Returns how many are done; called each time the bar is drawn.
        enabled: Whether the bar is shown.
    """

    def __init__(self, name: str, total: int, read: Callable[[], int], enabled: bool) -> None:
        self._read = read
        super().__init__(
            TextColumn("{task.description}"),
            MofNCompleteColumn(),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("done, left"),
            TimeRemainingColumn(),
            enabled=enabled,
        )
        self.add_task(name, total=total)

    def get_renderables(self) -> Iterable[RenderableType]:
        """Return the bar with the current progress."""
        for task in self.task_ids:
            self.update(task, completed=self._read())
        return super().get_renderables()
