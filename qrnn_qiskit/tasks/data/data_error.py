"""The error of data that cannot be used, and the notes on data that can."""

from __future__ import annotations

import logging

from circuits.errors import InvalidValueError

__all__ = ["NOTES", "DataError", "quote"]

NOTES = logging.getLogger("qrnn_qiskit.data")
"""Remarks on how data was read: INFO for a choice that was made, WARNING for a likely mistake."""
SHOWN = 60  # characters of a cell in a message


class DataError(InvalidValueError):
    """Data that cannot be used; the message names the place, and what was expected and found."""


def quote(text: str) -> str:
    """Quote a text from a file for a message, cut to 60 characters."""
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "…")
