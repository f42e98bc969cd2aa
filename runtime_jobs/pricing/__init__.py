"""The cost of work on a QPU before it is sent: jobs, circuits, executions, seconds, price."""

from __future__ import annotations
