"""Learning curves of a table, of finished and unfinished runs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from qrnn_qiskit.tables.panels import make_panels
from qrnn_qiskit.tables.runner import choose
from qrnn_qiskit.tables.spec import Cell, Pair
from qrnn_qiskit.training.run_folder import RunFolder

__all__ = ["draw_curves", "draw_panel"]

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_STYLES = ("-", "--", ":")


def draw_curves(out: Path, pairs: Sequence[Pair]) -> Figure | None:
    """Draw the headline metric on the validation sequences by epoch, one panel for each task.

    A task of which every run has a single epoch has no curve, and no panel.

    Metrics for which lower is better have a logarithmic axis, since they fall by powers of ten. For
    each model the runs of all seeds at the chosen learning rate are drawn; before it is chosen,
    those of the search. The legend gives the epochs trained and the epochs configured.

    Returns:
        The figure; None before any run has finished two epochs.
    """
    curves: dict[str, list[tuple[str, list[list[float]]]]] = {}
    tasks = {pair.task.name: pair for pair in pairs}
    for pair in pairs:
        choice = choose(out, pair)
        cells = pair.search_cells() if choice is None else pair.seed_cells(choice)
        found = [values for cell in cells if (values := _read_curve(out, cell))]
        if found:
            done, total = max(map(len, found)), cells[0].resolve().train.epochs
            label = f"{pair.model.name}, {done} of {total} epochs"
            curves.setdefault(pair.task.name, []).append((label, found))
    curves = {
        task: models
        for task, models in curves.items()
        if any(len(values) > 1 for _, runs in models for values in runs)
    }
    if not curves:
        return None
    figure, grid = make_panels(len(curves), 3.8)
    for axes, (task, models) in zip(grid, curves.items(), strict=True):
        draw_panel(axes, models, tasks[task].headline, tasks[task].higher_is_better)
        axes.set_title(task)
    return figure


def draw_panel(
    axes: Axes,
    curves: Sequence[tuple[str, Sequence[Sequence[float]]]],
    headline: str,
    higher_is_better: bool,
) -> None:
    """Draw a validation metric by epoch.

    Args:
        axes: The panel.
        curves: A label with the values of each of its runs, epoch by epoch.
        headline: Name of the metric.
        higher_is_better: Whether larger values are better; otherwise the axis is logarithmic.
    """
    looks = cycle((colour, style) for style in _STYLES for colour in _COLOURS)
    for (label, runs), (colour, style) in zip(curves, looks, strict=False):
        for number, values in enumerate(runs):
            axes.plot(
                range(1, len(values) + 1),
                values,
                color=colour,
                linestyle=style,
                marker="." if len(values) < 20 else None,
                alpha=0.8,
                label=None if number else label,
            )
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    axes.set_xlim(0.5, 0.5 + max(len(values) for _, runs in curves for values in runs))
    axes.set_ylabel(headline.replace("_", " ") + " (validation)")
    axes.set_yscale("linear" if higher_is_better else "log")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")


def _read_curve(out: Path, cell: Cell) -> list[float]:
    """Read the metric of every finished epoch; empty before the first."""
    run = RunFolder(out / cell.path, cell.resolve())
    return [row[f"validation_{cell.pair.headline}"] for row in run.read_metrics()]
