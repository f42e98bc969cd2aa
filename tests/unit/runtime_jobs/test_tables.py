"""Tables of the terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from qrnn_qiskit.training.presentation import format_estimate
from runtime_jobs.cli.console import make_table


def show(*rows: tuple[str, ...], columns: tuple[str, ...] = ("name", "meaning")) -> str:
    table = make_table(*columns)
    for row in rows:
        table.add_row(*row)
    console = Console(file=io.StringIO(), width=100)
    console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "cell",
    ["the end [bold]", "[/bold]", "[red]x[/red]", ":smile:", "\\[x]", "[1, 2]"],
)
def test_cells_and_headers_are_shown_literally(cell: str) -> None:
    assert cell in show(("a", cell))
    assert cell in show(("a", "b"), columns=("name", cell))


def test_a_proportion_is_shown_with_its_interval_and_another_mean_with_its_error() -> None:
    share = {"value": 1.0, "standard_error": 0.0, "interval": [0.72247, 1.0]}
    assert format_estimate(share) == "1.0000 (95 %: 0.7225 to 1.0000)"
    assert format_estimate({"value": 0.5, "standard_error": 0.1}) == "0.5000 ± 0.1000"
    assert format_estimate({"value": 0.5, "standard_error": None}) == "0.5000"
