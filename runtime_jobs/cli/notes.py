"""Notes on how data was read, printed to standard error."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import typer

__all__ = ["print_notes"]


class _Printer(logging.Handler):
    """Print one line for each record: note or warning. Of several processes, the first prints."""

    def emit(self, record: logging.LogRecord) -> None:
        kind = "warning" if record.levelno >= logging.WARNING else "note"
        if os.environ.get("RANK", "0") == "0":
            typer.echo(f"{kind}: {' '.join(record.getMessage().split())}", err=True)


@contextmanager
def print_notes() -> Iterator[None]:
    """Print the notes that the readers of data give to their logger."""
    logger, printer = logging.getLogger("qrnn_qiskit.data"), _Printer()
    level = logger.level
    logger.addHandler(printer)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(printer)
        logger.setLevel(level)
