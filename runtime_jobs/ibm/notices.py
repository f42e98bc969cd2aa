"""Lines on standard error about the service."""

from __future__ import annotations

import sys

from runtime_jobs.ibm.redaction import hide_secrets

__all__ = ["notify"]


def notify(line: str) -> None:
    """Print one line without credentials to standard error, at once."""
    sys.stderr.write(hide_secrets(" ".join(line.split())) + "\n")
    sys.stderr.flush()
