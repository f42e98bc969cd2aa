"""Pictures of results: training curves, confusion matrix, readouts over time, evaluations.

Every function returns a matplotlib ``Figure`` without global state. Colours are those of Okabe and
Ito or a blue-red scale through white, which colour-blind readers can distinguish.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from circuits.errors import InvalidValueError
from qrnn_qiskit.tables.panels import make_panels

__all__ = [
    "FONT",
    "STYLES",
    "draw_confusion",
    "draw_evaluations",
    "draw_readouts",
    "draw_training",
]

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
STYLES = (("o", BLUE), ("s", ORANGE), ("^", GREEN), ("D", PURPLE))
FONT = 12  # points at full size, 6 at half size
_NAMED = 60  # largest number of rows of a heat map with a label each


def draw_training(rows: Sequence[Mapping[str, Any]], headline: str) -> Figure:
    """Draw the loss, the headline metric of the validation, and the gradient norms by epoch.

    Args:
        rows: The objects of metrics.jsonl.
        headline: Name of the headline metric.

    Raises:
        ValueError: There is no row yet.
    """
    if not rows:
        raise InvalidValueError("no epoch has been finished yet; curves need at least one")
    epochs = [row["epoch"] for row in rows]
    names = [("train_loss", "training loss")]
    if "validation_cross_entropy" in rows[0] and headline != "cross_entropy":
        names.append(("validation_cross_entropy", "validation cross-entropy"))
    figure = Figure(figsize=(7.5, 8.5), layout="constrained")
    losses, metric, norms = figure.subplots(3, 1, sharex=True)
    _draw_curves(losses, epochs, rows, names)
    losses.set_ylabel("loss" if len(names) == 1 else "loss (nats)", fontsize=FONT)
    name = headline.replace("_", " ")
    _draw_curves(metric, epochs, rows, [(f"validation_{headline}", f"validation {name}")])
    metric.set_ylabel(f"{name} (nats)" if headline == "cross_entropy" else name, fontsize=FONT)
    _draw_curves(
        norms,
        epochs,
        rows,
        [("gradient_norm_max", "maximum of the epoch"), ("gradient_norm_mean", "mean")],
    )
    norms.set_yscale("log")
    norms.set_ylabel("gradient norm\nbefore clipping", fontsize=FONT)
    norms.set_xlabel("epoch", fontsize=FONT)
    figure.align_ylabels()
    norms.xaxis.get_major_locator().set_params(integer=True)
    return figure


def _draw_curves(
    axes: Axes,
    epochs: Sequence[int],
    rows: Sequence[Mapping[str, Any]],
    names: Sequence[tuple[str, str]],
) -> None:
    for (key, label), (marker, colour) in zip(names, STYLES, strict=False):
        axes.plot(
            epochs,
            [row[key] for row in rows],
            marker=marker,
            markevery=max(1, len(rows) // 15),
            linewidth=2,
            color=colour,
            label=label,
        )
    axes.legend(fontsize=FONT - 1)
    axes.grid(alpha=0.3)
    axes.tick_params(labelsize=FONT - 1)


def draw_confusion(
    targets: NDArray[np.int64],
    predicted: NDArray[np.int64],
    classes: Sequence[str],
    device: str | None = None,
) -> Figure:
    """Draw the confusion matrix: actual classes in rows, predicted classes in columns.

    The colour is the share of the row, the number the count.

    Args:
        targets: Actual classes, (N,) positions in ``classes``.
        predicted: Predicted classes, (N,).
        classes: Names of the classes.
        device: Name of the executor of the predictions, for the title.
    """
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(counts, (targets, predicted), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 3.0 + 0.5 * len(classes)
    figure = Figure(figsize=(side + 1.0, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    for row, column in np.argwhere(counts):
        axes.text(
            column,
            row,
            str(counts[row, column]),
            ha="center",
            va="center",
            fontsize=FONT - 1,
            color="white" if shares[row, column] > 0.5 else "black",
        )
    upright = max(map(len, classes)) <= 3
    # User-defined names may contain dollar signs that do not delimit formulas.
    axes.set_xticks(range(len(classes)), classes, rotation=0 if upright else 90, parse_math=False)
    axes.set_yticks(range(len(classes)), classes, parse_math=False)
    axes.tick_params(labelsize=FONT - 1)
    axes.set_xlabel("predicted class", fontsize=FONT)
    axes.set_ylabel("actual class", fontsize=FONT)
    axes.set_title(
        ("" if device is None else f"{device}: ")
        + f"{np.trace(counts)} of {counts.sum()} sequences correct "
        f"({np.trace(counts) / max(1, counts.sum()):.1%})",
        fontsize=FONT,
        parse_math=False,
    )
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label("share of the actual class", fontsize=FONT)
    return figure


def draw_readouts(
    readouts: Sequence[NDArray[np.floating[Any]]],
    labels: Sequence[str],
    titles: Sequence[str],
    *,
    axis: tuple[str, str] = ("observable (Pauli, qubit)", "expectation value"),
    are_probabilities: bool = False,
) -> Figure:
    """Draw the readouts of the hidden state after each step, one heat map for each sequence.

    The colours span -1 to 1, or more where an observable exceeds it; for probabilities 0 to 1. Of
    more than 60 readouts, such as those of many registers, some are named.

    Args:
        readouts: Arrays (T, K) of expectation values or probabilities.
        labels: The K names of the observables.
        titles: One for each sequence.
        axis: The label of the rows and that of the colour bar.
        are_probabilities: Whether the values are probabilities.
    """
    limit = max(1.0, *(float(np.abs(values).max()) for values in readouts))
    height = 2.0 + 0.22 * min(_NAMED, len(labels))
    figure = Figure(figsize=(1.5 + 3.0 * len(readouts), height), layout="constrained")
    named = range(0, len(labels), -(-len(labels) // _NAMED))
    grid = figure.subplots(1, len(readouts), sharey=True, squeeze=False)[0]
    for axes, values, title in zip(grid, readouts, titles, strict=True):
        steps = len(values)
        image = axes.imshow(
            np.asarray(values).T,
            cmap="RdBu_r",
            vmin=0.0 if are_probabilities else -limit,
            vmax=limit,
            aspect="auto",
            interpolation="nearest",
            extent=(0.5, steps + 0.5, len(labels) - 0.5, -0.5),
        )
        axes.set_title(title, fontsize=FONT, parse_math=False)
        axes.set_xlabel("time (steps)", fontsize=FONT)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_yticks(named, [labels[k] for k in named])
        axes.tick_params(labelsize=FONT - 2)
    name, quantity = axis
    grid[0].set_ylabel(name, fontsize=FONT)
    bar = figure.colorbar(image, ax=grid)
    bar.set_label(quantity, fontsize=FONT)
    return figure


def draw_evaluations(
    devices: Sequence[str], estimates: Mapping[str, Sequence[Mapping[str, Any]]]
) -> Figure:
    """Draw each metric of several evaluations with its uncertainty, two panels side by side.

    Args:
        devices: Names of the evaluations, one for each row.
        estimates: By the name of the metric, an object for each evaluation with ``value`` and
            ``standard_error``. A proportion also has ``interval``, Wilson's interval of 95 %,
            which is drawn instead: a standard error of 0 means nothing on a few sequences.
    """
    labels = 1.0 + 0.08 * max(map(len, devices))
    height = 1.6 + 0.42 * len(devices)
    figure, panels = make_panels(len(estimates), height, 3.4, labels, share_y=True)
    for axes, (name, values), (marker, colour) in zip(
        panels, estimates.items(), _repeat(STYLES, len(estimates)), strict=True
    ):
        reaches, is_proportion = zip(*map(_find_reach, values), strict=True)
        label = "value, 95 % interval" if any(is_proportion) else "value ± standard error"
        axes.errorbar(
            [estimate["value"] for estimate in values],
            range(len(devices)),
            xerr=np.array(reaches).T,
            fmt=marker,
            markersize=7,
            capsize=5,
            linewidth=2,
            color=colour,
            label=label,
        )
        unit = " (nats)" if name == "cross_entropy" else ""
        axes.set_xlabel(name.replace("_", " ") + unit, fontsize=FONT)
        axes.legend(fontsize=FONT - 2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
        axes.grid(alpha=0.3)
        axes.tick_params(labelsize=FONT - 2)
        place = axes.get_subplotspec()
        if place is not None and place.is_first_col():
            axes.set_yticks(range(len(devices)), devices, parse_math=False)
    panels[0].set_ylim(len(devices) - 0.5, -0.5)
    return figure


def _find_reach(estimate: Mapping[str, Any]) -> tuple[tuple[float, float], bool]:
    """Return how far the bar of an estimate reaches down and up, and whether by an interval."""
    if estimate.get("interval") is not None:
        low, high = estimate["interval"]
        value = estimate["value"]
        return (max(0.0, value - low), max(0.0, high - value)), True
    error = estimate["standard_error"] or 0.0
    return (error, error), False


def _repeat(styles: Sequence[tuple[str, str]], count: int) -> list[tuple[str, str]]:
    return [styles[number % len(styles)] for number in range(count)]
