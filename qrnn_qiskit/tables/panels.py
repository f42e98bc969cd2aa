"""Panels of a picture in two columns, legible at the width of a page."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["make_panels"]

_COLUMNS = 2
_WIDTH = 4.8  # inches of a panel


def make_panels(
    count: int, height: float, width: float = _WIDTH, margin: float = 0.0, *, share_y: bool = False
) -> tuple[Figure, list[Axes]]:
    """Make a figure with ``count`` panels.

    Args:
        count: Number of panels.
        height: Of a panel, in inches.
        width: Of a panel, in inches.
        margin: Room for labels beside the panels, in inches.
        share_y: Whether all panels have one vertical axis.

    Returns:
        The figure and its panels, row by row.
    """
    columns = min(count, _COLUMNS)
    rows = -(-count // columns)
    figure = Figure(figsize=(margin + width * columns, height * rows), layout="constrained")
    grid = figure.subplots(rows, columns, sharey=share_y, squeeze=False).flatten()
    for unused in grid[count:]:
        unused.remove()
    return figure, list(grid[:count])
