"""What work on a QPU takes before it is sent: jobs, circuits, executions, seconds, money."""

from __future__ import annotations
