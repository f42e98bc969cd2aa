"""Pictures of a run: training curves, confusion matrix, readouts of the hidden state over time.

Every function returns a matplotlib ``Figure`` that belongs to no global state. Colours are those
of Okabe and Ito or a blue-red scale through white, which colour-blind readers tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from qrnn_qiskit.loading import TrainedModel, load
from qrnn_qiskit.measured_pictures import draw_outcomes, draw_recurrence
from qrnn_qiskit.tasks.base import Sequences
from qrnn_qiskit.tasks.classification import ClassificationTask
from qrnn_qiskit.training.evaluation import select_test
from qrnn_qiskit.training.inference import predict_sequences, record_readouts
from qrnn_qiskit.training.run_folder import RunFolder

__all__ = ["draw_confusion", "draw_readouts", "draw_run", "draw_training"]

_BLUE, _ORANGE, _GREEN, _PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
_STYLES = (("o", _BLUE), ("s", _ORANGE), ("^", _GREEN), ("D", _PURPLE))
_FONT = 12  # points at full size, 6 at half size


def draw_run(folder: str | Path) -> list[Path]:
    """Draw the pictures of a run into its folder ``pictures``; returns the files, all PNG.

    training.png; confusion.png for tasks with one class per sequence (all test sequences, weights
    best by validation); readouts.png (the first test sequences); of measured mode recurrence.png
    (the dynamic circuit) and outcomes.png (of the first test sequence); and the task's own, as
    attention.png of translation. Raises what :func:`qrnn_qiskit.load` raises; nothing is written
    then.
    """
    run = RunFolder.open(folder)
    trained = load(folder)
    test = select_test(trained)
    task = trained.task
    figures = {"training": draw_training(run.read_metrics(), task.headline)}
    if isinstance(task, ClassificationTask):
        predicted = trained.predict(test).argmax(dim=1)
        figures["confusion"] = draw_confusion(test.targets.numpy(), predicted.numpy(), task.classes)
    figures["readouts"] = _draw_first_readouts(trained, test)
    if trained.qrnn.measurement is not None:
        figures |= _draw_measured(trained, test)
    figures |= task.draw(trained.model, test)
    run.pictures.mkdir(exist_ok=True)
    files = []
    for name, figure in figures.items():
        files.append(run.pictures / f"{name}.png")
        figure.savefig(files[-1], dpi=150)
    return files


def draw_training(rows: Sequence[Mapping[str, Any]], headline: str) -> Figure:
    """Loss, the headline metric of the validation and gradient norms by epoch.

    ``rows`` are those of metrics.jsonl. ValueError when there is none yet.
    """
    if not rows:
        raise ValueError("no epoch has been finished yet; curves need at least one")
    epochs = [row["epoch"] for row in rows]
    names = [("train_loss", "training loss")]
    if "validation_cross_entropy" in rows[0] and headline != "cross_entropy":
        names.append(("validation_cross_entropy", "validation cross-entropy"))
    figure = Figure(figsize=(7.5, 8.5), layout="constrained")
    losses, metric, norms = figure.subplots(3, 1, sharex=True)
    _draw_curves(losses, epochs, rows, names)
    losses.set_ylabel("loss" if len(names) == 1 else "loss (nats)", fontsize=_FONT)
    name = headline.replace("_", " ")
    _draw_curves(metric, epochs, rows, [(f"validation_{headline}", f"validation {name}")])
    metric.set_ylabel(f"{name} (nats)" if headline == "cross_entropy" else name, fontsize=_FONT)
    _draw_curves(
        norms,
        epochs,
        rows,
        [("gradient_norm_max", "largest of the epoch"), ("gradient_norm_mean", "mean")],
    )
    norms.set_yscale("log")
    norms.set_ylabel("gradient norm\nbefore clipping", fontsize=_FONT)
    norms.set_xlabel("epoch", fontsize=_FONT)
    figure.align_ylabels()
    norms.xaxis.get_major_locator().set_params(integer=True)
    return figure


def _draw_curves(
    axes: Axes,
    epochs: Sequence[int],
    rows: Sequence[Mapping[str, Any]],
    names: Sequence[tuple[str, str]],
) -> None:
    for (key, label), (marker, colour) in zip(names, _STYLES, strict=False):
        axes.plot(
            epochs,
            [row[key] for row in rows],
            marker=marker,
            markevery=max(1, len(rows) // 15),
            linewidth=2,
            color=colour,
            label=label,
        )
    axes.legend(fontsize=_FONT - 1)
    axes.grid(alpha=0.3)
    axes.tick_params(labelsize=_FONT - 1)


def draw_confusion(
    targets: NDArray[np.int64], predicted: NDArray[np.int64], classes: Sequence[str]
) -> Figure:
    """How many sequences of each class (rows) were taken for which (columns).

    ``targets`` and ``predicted`` are (N,) positions in ``classes``. The colour is the share of
    the row, the number the count.
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
            fontsize=_FONT - 1,
            color="white" if shares[row, column] > 0.5 else "black",
        )
    upright = max(map(len, classes)) <= 3
    # Names of the user's own may hold dollar signs, which are no formulas.
    axes.set_xticks(range(len(classes)), classes, rotation=0 if upright else 90, parse_math=False)
    axes.set_yticks(range(len(classes)), classes, parse_math=False)
    axes.tick_params(labelsize=_FONT - 1)
    axes.set_xlabel("predicted class", fontsize=_FONT)
    axes.set_ylabel("actual class", fontsize=_FONT)
    axes.set_title(
        f"{np.trace(counts)} of {counts.sum()} sequences right "
        f"({np.trace(counts) / max(1, counts.sum()):.1%})",
        fontsize=_FONT,
    )
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label("share of the actual class", fontsize=_FONT)
    return figure


def draw_readouts(
    readouts: Sequence[NDArray[np.floating[Any]]],
    labels: Sequence[str],
    titles: Sequence[str],
    *,
    axis: tuple[str, str] = ("observable (Pauli, qubit)", "expectation value"),
    are_probabilities: bool = False,
) -> Figure:
    """The readouts of the hidden state after each step, one heat map for each sequence.

    ``readouts`` are arrays (T, K) of expectation values, ``labels`` the K names of the
    observables, ``titles`` one for each sequence. The colours span -1 to 1, or more where an
    observable does; those of probabilities 0 to 1. ``axis`` says what a row is, and what its
    colour is.
    """
    limit = max(1.0, *(float(np.abs(values).max()) for values in readouts))
    figure = Figure(
        figsize=(1.5 + 3.0 * len(readouts), 2.0 + 0.22 * len(labels)), layout="constrained"
    )
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
        axes.set_title(title, fontsize=_FONT, parse_math=False)
        axes.set_xlabel("time (steps)", fontsize=_FONT)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_yticks(range(len(labels)), labels)
        axes.tick_params(labelsize=_FONT - 2)
    name, quantity = axis
    grid[0].set_ylabel(name, fontsize=_FONT)
    bar = figure.colorbar(image, ax=grid)
    bar.set_label(quantity, fontsize=_FONT)
    return figure


def _draw_measured(trained: TrainedModel, test: Sequences) -> dict[str, Figure]:
    """The dynamic circuit of the first test sequence, and its outcomes."""
    qrnn, first = trained.qrnn, test.select(slice(1))
    inputs: list[torch.Tensor] = []
    hook = qrnn.register_forward_pre_hook(lambda _, arguments: inputs.append(arguments[0]))
    try:
        predict_sequences(trained.model, first, 1)
    finally:
        hook.remove()
    tables = qrnn.angles(inputs[0])[0]
    assert qrnn.measurement is not None
    if first.lengths is not None:
        tables = tables[: int(first.lengths[0])]
    return {
        "recurrence": draw_recurrence(qrnn.ansatz, qrnn.measurement, len(tables)),
        "outcomes": draw_outcomes(
            qrnn.ansatz, qrnn.measurement, tables.double().numpy(), "test sequence 1"
        ),
    }


def _draw_first_readouts(trained: TrainedModel, test: Sequences, count: int = 3) -> Figure:
    """The first test sequence of each of the first classes, or just the first sequences."""
    chosen = torch.arange(min(count, len(test)))
    titles = [f"test sequence {index + 1}" for index in chosen.tolist()]
    if isinstance(trained.task, ClassificationTask):
        present = torch.unique(test.targets)[:count]
        chosen = torch.stack([(test.targets == label).nonzero()[0, 0] for label in present])
        titles = [f"class {trained.task.classes[label]}" for label in present.tolist()]
    sequences = test.select(chosen)
    with record_readouts(trained.model) as record:
        predict_sequences(trained.model, sequences, len(sequences))
    output = record.join()["output"]
    lengths = [output.shape[1]] * len(output)
    if sequences.lengths is not None:
        lengths = sequences.lengths.tolist()
    values = [output[index, :length].numpy() for index, length in enumerate(lengths)]
    qrnn = trained.qrnn
    return draw_readouts(
        values,
        qrnn.output_labels,
        titles,
        axis=qrnn.output_axis,
        are_probabilities=qrnn.measurement is not None,
    )
