"""A picture of measured mode: the tree of the outcomes of a sequence."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from qiskit.quantum_info import Operator, Statevector

from circuits import Ansatz, Measurement
from qrnn_qiskit.pictures.results import BLUE, FONT, ORANGE

__all__ = ["draw_outcomes"]

_LEAVES = 16


def draw_outcomes(
    ansatz: Ansatz, measurement: Measurement, tables: NDArray[np.float64], title: str
) -> Figure:
    """Draw the tree of the first outcomes of one sequence with their probabilities.

    Args:
        ansatz: Circuit of a step.
        measurement: The measurement at the end of each step.
        tables: Angles (T, 2^m, P) in radians. Only as many steps are drawn as give at most 16
            histories.
        title: Title of the picture.
    """
    depth = min(len(tables), max(1, int(math.log2(_LEAVES)) // measurement.num_ancillas))
    levels = _enumerate(ansatz, measurement, tables[:depth])
    count = measurement.num_outcomes
    leaves = count**depth
    figure = Figure(figsize=(2.6 + 2.0 * depth, 2.2 + 0.3 * leaves), layout="constrained")
    axes = figure.subplots()
    place: dict[tuple[int, ...], float] = {(): (leaves - 1) / 2}
    for level, probabilities in enumerate(levels, start=1):
        size = leaves // count**level
        for number, (history, probability) in enumerate(sorted(probabilities.items())):
            place[history] = number * size + (size - 1) / 2
            _draw_branch(
                axes,
                (level, place[history]),
                place[history[:-1]],
                history[-1],
                probability,
                measurement.num_ancillas,
            )
    axes.plot([0], [place[()]], marker="o", markersize=9, color="black", zorder=3)
    axes.text(-0.08, place[()], "|0…0⟩", ha="right", va="center", fontsize=FONT)
    axes.set_xlim(-0.5, depth + 0.75)
    axes.set_ylim(leaves - 0.3, -1.2)
    axes.set_xticks(range(1, depth + 1))
    axes.set_yticks([])
    axes.tick_params(labelsize=FONT - 1)
    axes.set_xlabel("measurement after step", fontsize=FONT)
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.set_title(
        f"{title}\noutcomes (ancilla 0 on the right) and probability of the history up to there",
        fontsize=FONT,
        parse_math=False,
    )
    return figure


def _draw_branch(
    axes: Axes,
    at: tuple[float, float],
    parent: float,
    outcome: int,
    probability: float,
    num_bits: int,
) -> None:
    x, y = at
    colour = BLUE if outcome == 0 else ORANGE
    style = "-" if outcome == 0 else "--"
    faint = 0.25 + 0.75 * min(1.0, 2 * probability)
    axes.plot(
        [x - 1, x],
        [parent, y],
        color=colour,
        linestyle=style,
        alpha=faint,
        linewidth=0.8 + 7 * probability,
        solid_capstyle="round",
        zorder=1,
    )
    axes.text(
        x,
        y,
        f"{outcome:0{num_bits}b}",
        ha="center",
        va="center",
        fontsize=FONT - 1,
        color="white",
        zorder=4,
        fontweight="bold",
        bbox={"boxstyle": "round,pad=0.25", "facecolor": colour, "edgecolor": "none"},
    )
    axes.text(
        x + 0.14 + 0.06 * num_bits,
        y,
        _format(probability),
        ha="left",
        va="center",
        fontsize=FONT - 1,
        zorder=4,
        bbox={
            "boxstyle": "square,pad=0.05",
            "facecolor": "white",
            "edgecolor": "none",
            "alpha": 0.8,
        },
    )


def _format(probability: float) -> str:
    return "< 0.1 %" if probability < 0.001 else f"{100 * probability:.1f} %"


def _enumerate(
    ansatz: Ansatz, measurement: Measurement, tables: NDArray[np.float64]
) -> list[dict[tuple[int, ...], float]]:
    """Compute the probability of every history, step by step."""
    qubits = list(measurement.qubits)
    kraus = measurement.kraus()
    states: dict[tuple[int, ...], Statevector] = {
        (): Statevector.from_int(0, 2**measurement.num_qubits)
    }
    levels = []
    for table in tables:
        moved: dict[tuple[int, ...], Statevector] = {}
        for history, state in states.items():
            angles = dict(zip(ansatz.parameters, table[history[-1] if history else 0], strict=True))
            circuit = ansatz.circuit.assign_parameters(angles)
            after = state.evolve(circuit)
            for outcome in range(measurement.num_outcomes):
                split = after
                for bit, qubit in enumerate(qubits):
                    split = split.evolve(Operator(kraus[bit][outcome >> bit & 1]), [qubit])
                if measurement.is_undone:
                    split = split.evolve(circuit.inverse())
                moved[*history, outcome] = split
        states = moved
        levels.append({h: float(np.vdot(s.data, s.data).real) for h, s in states.items()})
    return levels
