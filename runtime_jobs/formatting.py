"""Numbers as the command line and the report print them."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["format_estimate"]


def format_estimate(estimate: Mapping[str, float | None]) -> str:
    """Format ``value ± standard_error``, or only the value where a single sequence has no error."""
    value, error = estimate["value"], estimate["standard_error"]
    return f"{value:.4f}" if error is None else f"{value:.4f} ± {error:.4f}"
