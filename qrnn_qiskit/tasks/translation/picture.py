"""Pictures of attention: what a translation looked at."""

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
    """The weight of each word of the source for each word of the translation, a map a sentence.

    ``weights`` are arrays (T, S), ``sentences`` the words of the source and of the translation;
    steps beyond them, which are padding, are left out.
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
        # Words of the user's own may hold dollar signs, which are no formulas.
        axes.set_xticks(range(len(source)), source, rotation=90, parse_math=False)
        axes.set_yticks(range(len(translation)), translation, parse_math=False)
        axes.tick_params(labelsize=_FONT - 1)
        axes.set_xlabel("word of the source", fontsize=_FONT)
        axes.set_title(f"sentence {number}", fontsize=_FONT)
    grid[0].set_ylabel("word of the translation", fontsize=_FONT)
    bar = figure.colorbar(image, ax=grid, shrink=0.8)
    bar.set_label("weight of the attention", fontsize=_FONT)
    return figure
