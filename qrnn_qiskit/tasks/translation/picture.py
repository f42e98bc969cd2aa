"""Pictures of the attention of a translation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from numpy.typing import NDArray

__all__ = ["draw_attention"]

_FONT = 12  # points at full size, 6 at half size


def draw_attention(
    weights: Sequence[NDArray[Any]] | NDArray[Any],
    sentences: Sequence[tuple[Sequence[str], Sequence[str]]],
) -> Figure:
    """Draw the weight of each source word for each word of the translation, one map per sentence.

    Args:
        weights: Arrays (T, S), one for each sentence.
        sentences: The words of the source and of the translation; steps beyond them are padding
            and are not drawn.
    """
    longest = max(max(map(len, pair)) for pair in sentences)
    figure = Figure(
        figsize=(1.0 + (1.2 + 0.35 * longest) * len(sentences), 2.0 + 0.35 * longest),
        layout="constrained",
    )
    grid = figure.subplots(1, len(sentences), squeeze=False)[0]
    for number, (axes, values, pair) in enumerate(
        zip(grid, weights, sentences, strict=True), start=1
    ):
        source, translation = pair
        image = axes.imshow(
            values[: len(translation), : len(source)], cmap="Blues", vmin=0.0, vmax=1.0
        )
        # User texts may contain dollar signs that do not delimit formulas.
        axes.set_xticks(range(len(source)), source, rotation=90, parse_math=False)
        axes.set_yticks(range(len(translation)), translation, parse_math=False)
        axes.tick_params(labelsize=_FONT - 1)
        axes.set_xlabel("source word", fontsize=_FONT)
        axes.set_title(f"sentence {number}", fontsize=_FONT)
    grid[0].set_ylabel("translated word", fontsize=_FONT)
    bar = figure.colorbar(image, ax=grid, shrink=0.8)
    bar.set_label("attention weight", fontsize=_FONT)
    return figure
