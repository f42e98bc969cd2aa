"""The results of a run against noise: one table and one picture of all devices."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qrnn_qiskit.metrics import TWO_SIDED_95
from qrnn_qiskit.pictures import Point, draw_sweep
from qrnn_qiskit.pictures.run import Picture
from qrnn_qiskit.tasks.data.spreadsheet import write_csv
from qrnn_qiskit.training.run_folder import RunFolder
from runtime_jobs.device_names import DeviceError, parse_device_name

__all__ = ["FLOOR", "Sweep", "find_noise", "find_sweep"]

FLOOR = "majority_accuracy"  # the same for all devices: in the table, not in the picture


@dataclass(frozen=True)
class _Row:
    """One evaluation: its series, and the factor on the noise."""

    series: str
    noise: float
    evaluation: Mapping[str, Any]


@dataclass(frozen=True)
class Sweep:
    """The last evaluation on each device at each noise, of the best weights of the checkpoint.

    Attributes:
        rows: The evaluations by device, each in rising order of the noise.
    """

    rows: Sequence[_Row]

    @classmethod
    def collect(cls, evaluations: Iterable[Mapping[str, Any]]) -> Sweep | None:
        """Collect evaluations on the same sequences; the last one of each device and noise counts.

        The exact simulator counts as no noise. Devices with custom error rates and QPUs are left
        out: their noise is no multiple.

        Returns:
            The evaluations; None with fewer than two, or without a noisy one.
        """
        placed = [row for evaluation in evaluations if (row := _place(evaluation)) is not None]
        rows = list({(row.series, row.noise): row for row in placed}.values())
        if len(rows) < 2 or not any(row.noise for row in rows):
            return None
        order = list(dict.fromkeys(row.series for row in rows))
        return cls(sorted(rows, key=lambda row: (order.index(row.series), row.noise)))

    @property
    def has_curves(self) -> bool:
        """Whether any device was evaluated at several factors."""
        return len({row.series for row in self.rows}) < len(self.rows)

    @property
    def columns(self) -> list[str]:
        """The names of the columns of :meth:`tabulate`."""
        return ["device", "noise", "sequences", "shots", *(_words(name) for name in self._metrics)]

    def tabulate(self) -> list[list[str]]:
        """Return a row of text for each evaluation, values with their intervals of 95 %."""
        return [
            [
                row.evaluation["device"],
                f"{row.noise:g}",
                str(row.evaluation["sequences"]),
                "exact" if row.evaluation["shots"] is None else f"{row.evaluation['shots']:,}",
                *(_describe(row.evaluation["metrics"][name]) for name in self._metrics),
            ]
            for row in self.rows
        ]

    def draw(self) -> Picture:
        """Draw every metric against the noise, with intervals."""
        panels: dict[str, dict[str, list[Point]]] = {}
        for name in self._metrics:
            label = _words(name) + (" (nats)" if name == "cross_entropy" else "")
            series = panels.setdefault(label, {})
            for row in self.rows:
                value, low, high = _find_interval(row.evaluation["metrics"][name])
                series.setdefault(row.series, []).append(Point(row.noise, value, low, high))
        text = "; ".join(
            f"{cells[0]}: "
            + ", ".join(f"{n} {c}" for n, c in zip(self.columns[4:], cells[4:], strict=True))
            for cells in self.tabulate()
        )
        return Picture(
            "noise",
            "results",
            "Results against noise",
            f"The first {self.rows[0].evaluation['sequences']} test sequences at multiples of the "
            f"calibrated noise, with intervals of 95 %. {text}.",
            draw_sweep(panels, "noise, multiple of the calibrated one"),
        )

    def write(self, file: Path) -> None:
        """Write the numbers as CSV: values and both ends of their intervals."""
        header = ["device", "noise", "sequences", "shots"]
        for name in self._metrics:
            header += [name, f"{name}_low", f"{name}_high"]
        rows = []
        for row in self.rows:
            found = row.evaluation
            shots = "exact" if found["shots"] is None else found["shots"]
            cells = [found["device"], row.noise, found["sequences"], shots]
            for name in self._metrics:
                cells += _find_interval(found["metrics"][name])
            rows.append(cells)
        with file.open("w", newline="", encoding="utf-8") as opened:
            write_csv(opened, header, rows)

    @property
    def _metrics(self) -> list[str]:
        """The metrics that all evaluations have, without the floor."""
        first = self.rows[0].evaluation["metrics"]
        return [
            name
            for name in first
            if name != FLOOR and all(name in row.evaluation["metrics"] for row in self.rows)
        ]


def find_sweep(run: RunFolder, sequences: int | None = None) -> Sweep | None:
    """Find the evaluations of a run on devices whose noise is a multiple of a calibration.

    Args:
        run: The run.
        sequences: Only evaluations on that many test sequences, so that all are on the same ones;
            by default on as many as possible.

    Returns:
        See :meth:`Sweep.collect`.
    """
    digest = run.digest_checkpoint()
    by_size: dict[int, list[dict[str, Any]]] = {}
    for evaluation in run.read_evaluations():
        made = evaluation["provenance"].get("checkpoint_sha256")
        if evaluation["weights"] == "best" and made == digest:
            by_size.setdefault(evaluation["sequences"], []).append(evaluation)
    sizes = sorted(by_size, reverse=True) if sequences is None else [sequences]
    found = (Sweep.collect(by_size.get(size, [])) for size in sizes)
    return next((sweep for sweep in found if sweep is not None), None)


def find_noise(device: str) -> float | None:
    """Find the factor on the calibrated noise of a device; None where its noise is no multiple."""
    try:
        parsed = parse_device_name(device)
    except DeviceError:  # an executor of the user with a name of its own
        return None
    if parsed.name == "ibm" or (parsed.target is None and parsed.noise is not None):
        return None
    noise = 0.0 if parsed.target is None else float(parsed.noise or 1.0)
    return noise if math.isfinite(noise) else None


def _place(evaluation: Mapping[str, Any]) -> _Row | None:
    """Place an evaluation in its series; None for a device without a factor on its noise."""
    noise = find_noise(evaluation["device"])
    if noise is None:
        return None
    device = parse_device_name(evaluation["device"])
    return _Row(str(replace(device, noise=None, seed=None)), noise, evaluation)


def _find_interval(estimate: Mapping[str, Any]) -> tuple[float, float, float]:
    """Return a value with the ends of its interval of 95 %; a single sequence has no width."""
    value = estimate["value"]
    if estimate.get("interval") is not None:
        low, high = estimate["interval"]
        return value, min(low, value), max(high, value)
    half = TWO_SIDED_95 * (estimate["standard_error"] or 0.0)
    return value, value - half, value + half


def _describe(estimate: Mapping[str, Any]) -> str:
    value, low, high = _find_interval(estimate)
    return f"{value:.4f} [{low:.4f}, {high:.4f}]"


def _words(name: str) -> str:
    return name.replace("_", " ")
