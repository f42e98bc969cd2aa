"""Pictures of measured mode: the dynamic circuit as a recurrence, and the tree of its outcomes."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Arc, FancyArrowPatch, Rectangle
from numpy.typing import NDArray
from qiskit.quantum_info import Operator, Statevector

from circuits import Ansatz, Measurement

__all__ = ["draw_outcomes", "draw_recurrence"]

_BLUE, _ORANGE, _GREEN = "#0072B2", "#D55E00", "#009E73"
_FONT = 12  # points at full size, 6 at half size
_SPACE = 1.25  # of the coupling of an ancilla
_SHOWN = 3  # steps, of longer sequences the first two and the last
_LEAVES = 16


def draw_recurrence(ansatz: Ansatz, measurement: Measurement, num_steps: int) -> Figure:
    """The dynamic circuit of ``num_steps`` steps, one box a step, its branches folded.

    Memory qubits above, ancillas below them, the register of each step at the bottom, from which
    the next step takes its angles. Of more than three steps the first two and the last are shown.
    """
    n, m = measurement.num_qubits, measurement.num_ancillas
    ancillas = 0 if measurement.coupling == "direct" else m
    shown = list(range(num_steps))
    if num_steps > _SHOWN:
        shown = [0, 1, num_steps - 1]
    rows = n + ancillas
    gap = 1.0 if num_steps > _SHOWN else 0.0
    pitch = 3.6 + _SPACE * m
    right = 1.0 + pitch * len(shown) + gap + 3.0
    figure = Figure(figsize=(1.2 + 0.82 * right, 2.0 + 0.62 * (rows + 2)), layout="constrained")
    axes = figure.subplots()
    axes.set_xlim(-1.2, right)
    axes.set_ylim(rows + 1.9, -1.5)
    axes.axis("off")
    names = [f"memory {q}" for q in range(n)] + [f"ancilla {a}" for a in range(ancillas)]
    for row, name in enumerate(names):
        axes.plot([0, right - 0.3], [row, row], color="black", linewidth=1.2, zorder=1)
        axes.text(-0.1, row, f"{name}  |0⟩", ha="right", va="center", fontsize=_FONT)
    register = rows + 0.6
    for place, step in enumerate(shown):
        left = 0.5 + pitch * place + (gap if place == 2 else 0.0)
        _draw_step(axes, measurement, step, left, register)
        width = pitch - 0.4
        axes.add_patch(
            Rectangle(
                (left, -0.85), width, rows + 2.0, fill=False, edgecolor="0.45", linestyle="--"
            )
        )
        axes.text(
            left + width / 2, -1.1, f"step {step + 1} of {num_steps}", ha="center", fontsize=_FONT
        )
        if place == 2 and gap:
            axes.text(left - 0.7, (rows - 1) / 2, "…", ha="center", va="center", fontsize=24)
        if step:
            source = left - 0.7 if place == 2 and gap else left - pitch + _centre(m)
            _draw_feedback(axes, source, left + 1.0, register, n)
    start = 1.0 + pitch * len(shown) + gap
    _box(axes, start, n, 1.3, "basis\nX, Y or Z")
    for q in range(n):
        _draw_meter(axes, start + 1.8, q)
    axes.text(start + 1.8, register, f"final: {n} bits", ha="center", va="center", fontsize=_FONT)
    axes.set_title(_describe(ansatz, measurement), fontsize=_FONT)
    return figure


def _describe(ansatz: Ansatz, measurement: Measurement) -> str:
    branches = measurement.num_outcomes
    coupling = measurement.coupling
    if coupling != "direct":
        coupling += f", g = {measurement.strength:.3g} rad"
    return (
        f"one dynamic circuit: {ansatz.num_parameters} angles a step in each of {branches} "
        f"branches,\nchosen by the bits of the step before; coupling {coupling}"
    )


def _draw_step(
    axes: Axes, measurement: Measurement, step: int, left: float, register: float
) -> None:
    n = measurement.num_qubits
    before = "" if step == 0 else f"[b{step}]"
    _box(axes, left + 1.0, n, 1.3, f"U(θ{step + 1}{before})")
    direct = measurement.coupling == "direct"
    for bit, (qubit, letter) in enumerate(zip(measurement.qubits, measurement.bases, strict=True)):
        row = qubit if direct else n + bit
        shift = 2.3 + _SPACE * bit
        if not direct:
            if step:
                label = "X if 1" if measurement.ancilla_return == "branch" else "reset"
                _label(axes, left + 1.0, row, label)
            axes.plot([left + shift] * 2, [qubit, row], color=_BLUE, linewidth=2, zorder=2)
            _label(axes, left + shift, qubit, letter, colour=_BLUE)
            _label(axes, left + shift, row, "couple", colour=_BLUE)
        meter = left + shift + 0.75
        if direct:
            _label(axes, left + shift, row, letter, colour=_BLUE)
        _draw_meter(axes, meter, row)
        for offset in (-0.03, 0.03):
            axes.plot([meter + offset] * 2, [row + 0.3, register - 0.28], color=_GREEN, linewidth=1)
    axes.text(
        left + _centre(measurement.num_ancillas),
        register,
        f"b{step + 1}: {measurement.num_ancillas} bit{'s' * (measurement.num_ancillas > 1)}",
        ha="center",
        va="center",
        fontsize=_FONT,
        bbox={"boxstyle": "round", "facecolor": "white", "edgecolor": _GREEN},
    )


def _centre(num_bits: int) -> float:
    """Of a register, from the left of its step."""
    return 3.05 + _SPACE * (num_bits - 1) / 2


def _draw_feedback(axes: Axes, start: float, end: float, register: float, n: int) -> None:
    """From the register to the next step's circuit."""
    axes.add_patch(
        FancyArrowPatch(
            (start, register),
            (end, n - 0.62),
            connectionstyle="angle,angleA=0,angleB=90,rad=6",
            arrowstyle="-|>",
            mutation_scale=16,
            color=_GREEN,
            linewidth=2,
            zorder=1.5,
        )
    )


def _box(axes: Axes, centre: float, n: int, width: float, text: str) -> None:
    axes.add_patch(
        Rectangle(
            (centre - width / 2, -0.4),
            width,
            n - 0.2,
            facecolor="#DCEBF5",
            edgecolor="black",
            zorder=3,
        )
    )
    axes.text(centre, (n - 1) / 2, text, ha="center", va="center", fontsize=_FONT, zorder=5)


def _label(axes: Axes, x: float, row: float, text: str, colour: str = "black") -> None:
    axes.text(
        x,
        row,
        text,
        ha="center",
        va="center",
        fontsize=_FONT - 1,
        color=colour,
        zorder=5,
        bbox={"boxstyle": "square,pad=0.2", "facecolor": "white", "edgecolor": colour},
    )


def _draw_meter(axes: Axes, x: float, row: float) -> None:
    axes.add_patch(
        Rectangle((x - 0.28, row - 0.3), 0.56, 0.6, facecolor="white", edgecolor="black", zorder=4)
    )
    axes.add_patch(Arc((x, row + 0.16), 0.38, 0.5, theta1=180, theta2=360, zorder=5))
    axes.plot([x, x + 0.16], [row + 0.16, row - 0.2], color="black", linewidth=1.2, zorder=5)


def draw_outcomes(
    ansatz: Ansatz, measurement: Measurement, tables: NDArray[np.float64], title: str
) -> Figure:
    """The tree of the first outcomes of one sequence with their probabilities.

    Args:
        ansatz: Circuit of a step.
        measurement: What ends each step.
        tables: (T, 2^m, P) angles in radians. Of long sequences as many steps are drawn as give
            at most 16 histories.
        title: Above the picture.
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
    axes.text(-0.08, place[()], "|0…0⟩", ha="right", va="center", fontsize=_FONT)
    axes.set_xlim(-0.5, depth + 0.75)
    axes.set_ylim(leaves - 0.3, -1.2)
    axes.set_xticks(range(1, depth + 1))
    axes.set_yticks([])
    axes.tick_params(labelsize=_FONT - 1)
    axes.set_xlabel("measurement after step", fontsize=_FONT)
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.set_title(
        f"{title}\noutcomes (ancilla 0 on the right) and probability of the history so far",
        fontsize=_FONT,
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
    colour = _BLUE if outcome == 0 else _ORANGE
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
        fontsize=_FONT - 1,
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
        fontsize=_FONT - 1,
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
    """The probability of every history, step by step."""
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
            after = state.evolve(ansatz.circuit.assign_parameters(angles))
            for outcome in range(measurement.num_outcomes):
                split = after
                for bit, qubit in enumerate(qubits):
                    split = split.evolve(Operator(kraus[bit][outcome >> bit & 1]), [qubit])
                moved[*history, outcome] = split
        states = moved
        levels.append({h: float(np.vdot(s.data, s.data).real) for h, s in states.items()})
    return levels
