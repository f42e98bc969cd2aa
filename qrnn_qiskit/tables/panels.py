"""Panels of a picture in two columns, legible at the width of a page."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["make_panels"]

_COLUMNS = 2
_WIDTH = 4.8  # inches of a panel


def make_panels(count: int, height: float) -> tuple[Figure, list[Axes]]:
    """Make a figure with ``count`` panels, each ``height`` inches high; return it with them."""
    columns = min(count, _COLUMNS)
    rows = -(-count // columns)
    figure = Figure(figsize=(_WIDTH * columns, height * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for unused in grid[count:]:
        unused.remove()
    return figure, list(grid[:count])
