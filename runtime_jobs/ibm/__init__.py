"""Circuits on IBM Quantum: jobs are sent once, kept in a ledger, and collected by any process."""

from __future__ import annotations
