"""Tables for the terminal."""

from __future__ import annotations

from rich.console import Console

from qrnn_qiskit.training.presentation import make_table

__all__ = ["make_table", "open_console"]


def open_console() -> Console:
    """Open a console as wide as the terminal, or of 200 columns without a terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=200)
