"""``qrnn account``: what the client of IBM Quantum is set up with."""

from __future__ import annotations

import typer

__all__ = ["EXAMPLES", "account"]

EXAMPLES = "\b\nExample:\n  qrnn account"


def account() -> None:
    """Check the account that the client finds, in its own store or in the environment.

    Credentials are neither shown nor stored here. New to IBM Quantum? See docs/ibm-quantum.md.
    """
    from runtime_jobs.ibm.service import Service

    for name, value in Service().describe().items():
        shown = ", ".join(value) if isinstance(value, list) else value
        typer.echo(f"{name.replace('_', ' ')}: {'unknown' if shown is None else shown}")
