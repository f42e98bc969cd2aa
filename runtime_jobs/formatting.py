"""Numbers as the command line and the report print them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["format_estimate"]


def format_estimate(estimate: Mapping[str, Any]) -> str:
    """Format ``value ± standard_error``, or a proportion with its interval of 95 %.

    A single sequence has no standard error, so that only its value is shown.
    """
    value, error = estimate["value"], estimate["standard_error"]
    if estimate.get("interval") is not None:
        low, high = estimate["interval"]
        return f"{value:.4f} (95 %: {low:.4f} to {high:.4f})"
    return f"{value:.4f}" if error is None else f"{value:.4f} ± {error:.4f}"
