"""``qrnn account``: the IBM Quantum account in use."""

from __future__ import annotations

import typer

__all__ = ["EXAMPLES", "account"]

EXAMPLES = "\b\nExample:\n  qrnn account"


def account() -> None:
    """Show the IBM Quantum account in use.

    Prints instance, plan, QPU seconds used and left, and backends. The account comes from the
    environment or from the file of saved accounts of IBM's client. Credentials are never shown or
    stored. To set up an account, see docs/ibm-quantum.md.
    """
    from runtime_jobs.ibm.service import Service

    for name, value in Service().describe().items():
        shown = ", ".join(value) if isinstance(value, list) else value
        typer.echo(f"{name.replace('_', ' ')}: {'unknown' if shown is None else shown}")
