"""The result of an evaluation, as text, as JSON and as rows of a table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from qrnn_qiskit.metrics import TWO_SIDED_95
from qrnn_qiskit.training.deviations import Deviations
from qrnn_qiskit.training.presentation import Presented, Shown, format_estimate

__all__ = ["Evaluation"]


@dataclass(frozen=True, kw_only=True)
class Evaluation(Presented):
    """The result of an evaluation; its fields are those of ``qrnn evaluate --json``.

    Attributes:
        task: Name of the task.
        device: Name of the executor.
        sequences: Number of test sequences.
        metrics: {name: {"value", "standard_error"}}, means over the sequences; the standard error
            is None for a single sequence. Proportions also have "interval", [low, high], Wilson's
            interval of 95 %.
        shots: Shots of each circuit and basis; None where values are exact.
        seed: The training seed of the run.
        seconds: Wall-clock time of the predictions in seconds.
        jobs: Number of jobs sent to the executor; 0 on the compiled simulator, which needs none.
        qpu_seconds: QPU time charged by a service in seconds; 0 on this machine.
        deviations: Deviations of a replaying device from exact values; in the files, but not in the
            JSON object of the command line.
    """

    task: str
    device: str
    sequences: int
    shots: int | None = None
    seed: int
    metrics: dict[str, dict[str, Any]]
    seconds: float
    jobs: int = 0
    qpu_seconds: float = 0.0
    deviations: Deviations | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values, without the deviations."""
        return {name: value for name, value in asdict(self).items() if name != "deviations"}

    def describe(self) -> Shown:
        """Return the metrics as text, one per line."""
        rows = [[name, format_estimate(estimate)] for name, estimate in self.metrics.items()]
        header = [self.task, f"test ({self.sequences} sequences)"]
        return Shown(header, rows, [f"on {self.device} in {self.seconds:.1f} s"])

    def to_records(self) -> list[dict[str, Any]]:
        """Return each metric with its standard error and its interval of 95 %, low to high.

        The interval is Wilson's for proportions, and otherwise 1.96 standard errors wide on each
        side; both ends are None for a single sequence.
        """
        records = []
        for name, estimate in self.metrics.items():
            value, error = estimate["value"], estimate["standard_error"]
            low, high = estimate.get("interval") or (None, None)
            if low is None and error is not None:
                low, high = value - TWO_SIDED_95 * error, value + TWO_SIDED_95 * error
            records.append(
                {
                    "task": self.task,
                    "device": self.device,
                    "sequences": self.sequences,
                    "shots": self.shots,
                    "metric": name,
                    "value": value,
                    "standard_error": error,
                    "low": low,
                    "high": high,
                }
            )
        return records
