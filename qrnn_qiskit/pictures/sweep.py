"""A picture of results against the strength of noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from circuits.errors import InvalidValueError
from qrnn_qiskit.pictures.results import FONT, STYLES
from qrnn_qiskit.tables.panels import make_panels

__all__ = ["Point", "draw_sweep"]

_SPREAD = 0.012  # of the axis, between series whose intervals would cover each other
_LINES = ("-", "--", ":", "-.")


class Point(NamedTuple):
    """A value with its interval of 95 %, ``low`` to ``high``, at one strength of noise."""

    noise: float
    value: float
    low: float
    high: float


def draw_sweep(panels: Mapping[str, Mapping[str, Sequence[Point]]], axis: str) -> Figure:
    """Draw values against noise, one panel for each quantity and one curve for each series.

    Args:
        panels: By the name of the quantity, the points of each series by its name. The series of
            all panels have the same names and colours.
        axis: Label of the horizontal axis.

    Raises:
        ValueError: There is no panel.
    """
    if not panels:
        raise InvalidValueError("expected at least one quantity to draw, got none")
    names = list(dict.fromkeys(name for series in panels.values() for name in series))
    every = [point.noise for series in panels.values() for own in series.values() for point in own]
    step = _SPREAD * ((max(every) - min(every)) or 1.0)
    figure, grid = make_panels(len(panels), 3.6)
    for axes, (label, series) in zip(grid, panels.items(), strict=True):
        for name, points in series.items():
            number = names.index(name)
            marker, colour = STYLES[number % len(STYLES)]
            ordered = sorted(points)
            axes.errorbar(
                # A little beside one another, so that no interval hides another one.
                [p.noise + step * (number - (len(names) - 1) / 2) for p in ordered],
                [p.value for p in ordered],
                yerr=[[p.value - p.low for p in ordered], [p.high - p.value for p in ordered]],
                marker=marker,
                color=colour,
                linestyle=_LINES[number // len(STYLES) % len(_LINES)],
                capsize=4,
                linewidth=1.5,
                label=name,
            )
        axes.set_xticks(sorted(set(every)))
        axes.set_xlabel(axis, fontsize=FONT)
        axes.set_ylabel(label, fontsize=FONT)
        axes.grid(alpha=0.3)
        axes.tick_params(labelsize=FONT - 1)
    handles = {
        name: handle
        for axes in grid
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    legend = figure.legend(
        handles.values(), handles, fontsize=FONT - 1, loc="outside lower center", ncols=2
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure
