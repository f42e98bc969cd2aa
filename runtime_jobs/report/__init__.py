"""One page that tells all about a run, and opens without a network."""

from __future__ import annotations

from runtime_jobs.report.page import write_report

__all__ = ["write_report"]
