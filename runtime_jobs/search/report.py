"""The report of a search: a table of all trials, and a picture of metric against cost."""

from __future__ import annotations

import csv
from pathlib import Path

from matplotlib.figure import Figure

from circuits.families import ANSATZ_FAMILIES
from runtime_jobs.search.trials import Trial, find_front

__all__ = ["draw_front", "write_report"]

_STYLES = dict(
    zip(
        ANSATZ_FAMILIES,
        (("o", "#0072B2"), ("s", "#D55E00"), ("^", "#009E73"), ("D", "#CC79A7")),
        strict=True,
    )
)
_COSTS = (
    ("two_qubit_gates", "two-qubit gates, compiled", 1.0),
    ("seconds", "circuit duration (us)", 1e6),
)


def write_report(
    out: Path, trials: list[Trial], headline: str, higher_is_better: bool, device: str
) -> list[Path]:
    """Write trials.csv and front.png to the folder and return their paths."""
    keys = list(dict.fromkeys(key for trial in trials for key in trial.settings))
    with (out / "trials.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        costs = ["parameters", "two_qubit_gates", "seconds", "run"]
        writer.writerow([*keys, headline, *costs])
        for trial in trials:
            values = [getattr(trial, name) for name in ("metric", *costs[:-1])]
            values.append(out / trial.run)
            writer.writerow([*(trial.settings[key] for key in keys), *values])
    draw_front(trials, headline, higher_is_better, device).savefig(out / "front.png", dpi=150)
    return [out / "trials.csv", out / "front.png"]


def draw_front(trials: list[Trial], headline: str, higher_is_better: bool, device: str) -> Figure:
    """Draw every trial as a mark by its ansatz, and a line through the Pareto front."""
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (cost, label, factor) in zip(panels, _COSTS, strict=True):
        front = find_front(trials, cost, higher_is_better)
        axes.plot(
            [factor * getattr(trial, cost) for trial in front],
            [trial.metric for trial in front],
            color="#666666",
            lw=1,
            drawstyle="steps-post",
            label="no trial beats these",
        )
        for name, (marker, colour) in _STYLES.items():
            shown = [
                trial
                for trial in trials
                if trial.settings.get("model.ansatz", "linear") == name and trial.metric is not None
            ]
            if shown:
                costs = [factor * getattr(trial, cost) for trial in shown]
                values = [trial.metric for trial in shown]
                axes.plot(costs, values, marker, color=colour, alpha=0.7, label=name)
        axes.set_xlabel(f"{label}, {device}")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel(f"validation {headline.replace('_', ' ')}")
    panels[1].legend()
    return figure
