"""Circuits on IBM Quantum: jobs sent once, kept in a ledger, and collected from any process."""

from __future__ import annotations
