"""A picture of measured mode: its dynamic circuit as a recurrence."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Arc, FancyArrowPatch, Rectangle

from circuits import Ansatz, Measurement
from qrnn_qiskit.pictures.results import BLUE, FONT, GREEN

__all__ = ["draw_recurrence"]

_SPACE = 1.25  # width of the coupling of an ancilla
_UNDOING = 1.5  # width of the inverse of the circuit
_SHOWN = 3  # steps; of longer sequences the first two and the last


def draw_recurrence(ansatz: Ansatz, measurement: Measurement, num_steps: int) -> Figure:
    """Draw the dynamic circuit of ``num_steps`` steps, with one box per step and folded branches.

    Memory qubits are at the top, ancillas below them, and at the bottom the register of each step,
    which selects the angles of the next step if bits feed back. Of more than three steps the first
    two and the last are drawn.

    Args:
        ansatz: Circuit of a step.
        measurement: The measurement at the end of each step.
        num_steps: Number of steps T.
    """
    n, m = measurement.num_qubits, measurement.num_ancillas
    ancillas = m if measurement.has_ancillas else 0
    shown = list(range(num_steps))
    if num_steps > _SHOWN:
        shown = [0, 1, num_steps - 1]
    rows = n + ancillas
    gap = 1.0 if num_steps > _SHOWN else 0.0
    pitch = 3.6 + _SPACE * m + _UNDOING * measurement.is_undone
    right = 1.0 + pitch * len(shown) + gap + 3.0
    figure = Figure(figsize=(1.2 + 0.82 * right, 2.0 + 0.62 * (rows + 2)), layout="constrained")
    axes = figure.subplots()
    axes.set_xlim(-1.2, right)
    axes.set_ylim(rows + 1.9, -1.5)
    axes.axis("off")
    names = [f"memory {q}" for q in range(n)] + [f"ancilla {a}" for a in range(ancillas)]
    for row, name in enumerate(names):
        axes.plot([0, right - 0.3], [row, row], color="black", linewidth=1.2, zorder=1)
        axes.text(-0.1, row, f"{name}  |0⟩", ha="right", va="center", fontsize=FONT)
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
            left + width / 2, -1.1, f"step {step + 1} of {num_steps}", ha="center", fontsize=FONT
        )
        if place == 2 and gap:
            axes.text(left - 0.7, (rows - 1) / 2, "…", ha="center", va="center", fontsize=24)
        if step and measurement.bit_feedback:
            source = left - 0.7 if place == 2 and gap else left - pitch + _centre(m)
            _draw_feedback(axes, source, left + 1.0, register, n)
    start = 1.0 + pitch * len(shown) + gap
    _box(axes, start, n, 1.3, "basis\nX, Y or Z")
    for q in range(n):
        _draw_meter(axes, start + 1.8, q)
    axes.text(start + 1.8, register, f"final: {n} bits", ha="center", va="center", fontsize=FONT)
    axes.set_title(_describe(ansatz, measurement), fontsize=FONT)
    return figure


def _describe(ansatz: Ansatz, measurement: Measurement) -> str:
    branches = measurement.num_outcomes
    coupling = measurement.coupling
    if measurement.has_ancillas:
        coupling += f", g = {measurement.strength:.3g} rad"
    if not measurement.bit_feedback:
        return (
            f"one circuit without branches: {ansatz.num_parameters} angles per step,\n"
            f"coupling {coupling}"
        )
    return (
        f"one dynamic circuit: {ansatz.num_parameters} angles per step in each of {branches} "
        f"branches,\nselected by the bits of the previous step; coupling {coupling}"
    )


def _draw_step(
    axes: Axes, measurement: Measurement, step: int, left: float, register: float
) -> None:
    n = measurement.num_qubits
    before = f"[b{step}]" if step and measurement.bit_feedback else ""
    _box(axes, left + 1.0, n, 1.3, f"U(θ{step + 1}{before})")
    if measurement.is_undone:
        after = left + 3.05 + _SPACE * (measurement.num_ancillas - 1) + 1.2
        _box(axes, after, n, 1.3, f"U(θ{step + 1}{before})†")
    direct = not measurement.has_ancillas
    for bit, (qubit, letter) in enumerate(zip(measurement.qubits, measurement.bases, strict=True)):
        row = qubit if direct else n + bit
        shift = 2.3 + _SPACE * bit
        if not direct:
            if step:
                label = "reset" if measurement.resets_ancillas else "X if 1"
                _label(axes, left + 1.0, row, label)
            axes.plot([left + shift] * 2, [qubit, row], color=BLUE, linewidth=2, zorder=2)
            _label(axes, left + shift, qubit, letter, colour=BLUE)
            _label(axes, left + shift, row, "couple", colour=BLUE)
        meter = left + shift + 0.75
        if direct:
            _label(axes, left + shift, row, letter, colour=BLUE)
        _draw_meter(axes, meter, row)
        for offset in (-0.03, 0.03):
            axes.plot([meter + offset] * 2, [row + 0.3, register - 0.28], color=GREEN, linewidth=1)
    axes.text(
        left + _centre(measurement.num_ancillas),
        register,
        f"b{step + 1}: {measurement.num_ancillas} bit{'s' * (measurement.num_ancillas > 1)}",
        ha="center",
        va="center",
        fontsize=FONT,
        bbox={"boxstyle": "round", "facecolor": "white", "edgecolor": GREEN},
    )


def _centre(num_bits: int) -> float:
    """Return the centre of a register, measured from the left of its step."""
    return 3.05 + _SPACE * (num_bits - 1) / 2


def _draw_feedback(axes: Axes, start: float, end: float, register: float, n: int) -> None:
    """Draw the arrow from a register to the circuit of the next step."""
    axes.add_patch(
        FancyArrowPatch(
            (start, register),
            (end, n - 0.62),
            connectionstyle="angle,angleA=0,angleB=90,rad=6",
            arrowstyle="-|>",
            mutation_scale=16,
            color=GREEN,
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
    axes.text(centre, (n - 1) / 2, text, ha="center", va="center", fontsize=FONT, zorder=5)


def _label(axes: Axes, x: float, row: float, text: str, colour: str = "black") -> None:
    axes.text(
        x,
        row,
        text,
        ha="center",
        va="center",
        fontsize=FONT - 1,
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
