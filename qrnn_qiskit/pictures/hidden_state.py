"""Pictures of the hidden state: Bloch vectors, entropy, and influence on the angles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from qrnn_qiskit.inspection import Influence
from qrnn_qiskit.pictures.results import FONT, GREEN, PURPLE, STYLES

__all__ = ["draw_bloch", "draw_entropy", "draw_influence"]

_COLUMNS = 4
_CURVES = 16  # largest number of qubits with a panel each
_NAMED = 60  # largest number of rows of a heat map with a label each


def draw_bloch(bloch: Sequence[NDArray[np.floating[Any]]], titles: Sequence[str]) -> Figure:
    """Draw the Bloch vector of each qubit over time: its coordinates and its length.

    Args:
        bloch: Arrays (T, n, 3), one for each sequence. Up to four qubits take one row per sequence;
            with more qubits only the first sequence is drawn; more than 16 qubits, such as those
            of many registers, are rows of heat maps.
        titles: One for each sequence.
    """
    count = bloch[0].shape[1]
    if count > _CURVES:
        return _map_bloch(bloch[0], titles[0])
    if count > _COLUMNS:
        bloch = bloch[:1]
    panels = [
        (f"{title}, qubit {qubit}", values[:, qubit])
        for values, title in zip(bloch, titles, strict=False)
        for qubit in range(count)
    ]
    columns = min(count, _COLUMNS)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(1.2 + 2.9 * columns, 0.9 + 2.3 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, (title, values) in zip(grid.flat, panels, strict=False):
        steps = np.arange(1, len(values) + 1)
        for letter, (marker, colour), coordinate in zip("XYZ", STYLES, values.T, strict=False):
            axes.plot(
                steps,
                coordinate,
                marker=marker,
                markevery=max(1, len(steps) // 10),
                color=colour,
                linewidth=1.8,
                label=letter,
            )
        axes.plot(steps, np.linalg.norm(values, axis=1), "k--", linewidth=2, label="length")
        axes.set_title(title, fontsize=FONT, parse_math=False)
        axes.set_ylim(-1.08, 1.08)
        axes.grid(alpha=0.3)
        axes.tick_params(labelsize=FONT - 1)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.supxlabel("time (steps)", fontsize=FONT)
    figure.supylabel("Bloch coordinate (expectation value)", fontsize=FONT)
    figure.legend(
        *grid[0, 0].get_legend_handles_labels(),
        loc="outside upper center",
        ncols=4,
        fontsize=FONT,
    )
    return figure


def _map_bloch(values: NDArray[np.floating[Any]], title: str) -> Figure:
    """Draw the Bloch vectors (T, n, 3) of many qubits as four heat maps."""
    steps, count = values.shape[:2]
    figure = Figure(figsize=(11.0, 2.0 + 0.11 * min(count, 100)), layout="constrained")
    grid = figure.subplots(1, 4, sharey=True)
    panels = [*np.moveaxis(values, 2, 0), np.linalg.norm(values, axis=2)]
    for axes, name, panel in zip(grid, ("X", "Y", "Z", "length"), panels, strict=True):
        image = axes.imshow(
            panel.T,
            cmap="RdBu_r",
            vmin=-1.0,
            vmax=1.0,
            aspect="auto",
            interpolation="nearest",
            extent=(0.5, steps + 0.5, count - 0.5, -0.5),
        )
        axes.set_title(name, fontsize=FONT)
        axes.tick_params(labelsize=FONT - 1)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    grid[0].yaxis.set_major_locator(MaxNLocator(nbins=16, integer=True))
    grid[0].set_ylabel("qubit", fontsize=FONT)
    figure.supxlabel("time (steps)", fontsize=FONT)
    figure.suptitle(title, fontsize=FONT, parse_math=False)
    bar = figure.colorbar(image, ax=grid)
    bar.set_label("Bloch coordinate (expectation value)", fontsize=FONT)
    return figure


def draw_entropy(
    entropies: Sequence[NDArray[np.floating[Any]]], titles: Sequence[str], num_qubits: int
) -> Figure:
    """Draw the entropy of the first half of the qubits over time.

    Args:
        entropies: Arrays (N, T) in bits: the line is the mean over N sequences, the band the
            standard deviation.
        titles: One for each array.
        num_qubits: Number of qubits n.
    """
    figure = Figure(figsize=(7.5, 4.2), layout="constrained")
    axes = figure.subplots()
    half = num_qubits // 2
    for number, (values, title) in enumerate(zip(entropies, titles, strict=True)):
        marker, colour = STYLES[number % len(STYLES)]
        steps = np.arange(1, values.shape[1] + 1)
        mean, spread = values.mean(0), values.std(0)
        axes.plot(
            steps,
            mean,
            marker=marker,
            markevery=max(1, len(steps) // 10),
            color=colour,
            linewidth=2,
            label=title.replace("$", r"\$"),
        )
        if len(values) > 1:
            axes.fill_between(steps, mean - spread, mean + spread, color=colour, alpha=0.15)
    axes.axhline(half, color="black", linestyle=":", label=f"maximum ({half} bits)")
    axes.set_xlabel("time (steps)", fontsize=FONT)
    first = "qubit 0" if half == 1 else f"qubits 0 to {half - 1}"
    axes.set_ylabel(f"entropy of {first} (bits)", fontsize=FONT)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.tick_params(labelsize=FONT - 1)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=FONT - 1)
    return figure


def draw_influence(influence: Influence) -> Figure:
    """Draw the change of each angle when an input of the controller changes by its deviation.

    The left panel shows the root mean square over all angles, the right panel each angle.
    """
    values = np.asarray(influence.values)
    rows = len(values)
    height = min(12.0, max(4.0, 1.6 + 0.24 * rows))
    figure = Figure(figsize=(10.5, height), layout="constrained")
    bars, heat = figure.subplots(1, 2, sharey=True, width_ratios=[1, 1.6])
    sizes = np.sqrt(np.square(values).mean(1))
    split = influence.inputs
    places = np.arange(rows)
    bars.barh(places[:split], sizes[:split], color=GREEN, label="input")
    if rows > split:
        bars.barh(places[split:], sizes[split:], color=PURPLE, hatch="//", label="feedback")
    bars.set_xlabel("change of an angle (radians)\nroot mean square over all angles", fontsize=FONT)
    bars.set_ylabel("input of the controller", fontsize=FONT)
    if rows <= _NAMED:
        bars.set_yticks(places, influence.names, parse_math=False)
    bars.set_ylim(rows - 0.5, -0.5)
    bars.grid(axis="x", alpha=0.3)
    bars.legend(fontsize=FONT - 1, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    image = heat.imshow(values, cmap="viridis", vmin=0.0, aspect="auto", interpolation="nearest")
    heat.set_xlabel("angle (number in the ansatz)", fontsize=FONT)
    heat.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (bars, heat):
        axes.tick_params(labelsize=FONT - 2)
    bar = figure.colorbar(image, ax=heat)
    bar.set_label("change of the angle (radians)", fontsize=FONT)
    return figure
