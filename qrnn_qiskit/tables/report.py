"""The report of a table as text, Markdown, CSV and a picture."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from statistics import median

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from circuits.errors import InvalidValueError
from qrnn_qiskit.tables.panels import make_panels
from qrnn_qiskit.tables.statistics import (
    Row,
    Spread,
    compare,
    find_baseline,
    find_reached,
    find_solved,
    measure_others,
)

__all__ = [
    "HEADER",
    "INTERVALS",
    "RUN_HEADER",
    "draw_table",
    "list_runs",
    "tabulate_rows",
    "write_report",
]

HEADER = (
    "task",
    "model",
    "role",
    "test",
    "validation",
    "seeds",
    "learning rate",
    "parameters",
    "with head",
    "s/epoch",
    "peak MiB",
    "verdict",
)
RUN_HEADER = (
    "task",
    "model",
    "role",
    "learning_rate",
    "variant",
    "seed",
    "metric",
    "test",
    "validation",
    "parameters",
    "parameters_with_head",
    "epochs",
    "seconds_per_epoch",
    "diverged",
)
INTERVALS = (
    "Mean and half-width of its 95 % interval over seeds; an interval that exceeds the range of "
    "the metric is cut there and given by both ends."
)
_COLOURS = {
    "candidate": "#0072B2",
    "baseline": "#D55E00",
    "ablation": "#009E73",
    "peer": "#CC79A7",
}


def tabulate_rows(rows: list[Row]) -> list[tuple[str, ...]]:
    """Format the rows of the table as text, in the order of ``HEADER``."""
    lines: list[tuple[str, ...]] = []
    for row in rows:
        baseline = find_baseline(rows, row.pair.task.name)
        verdict = "-" if baseline is None else compare(row, baseline)
        if row is baseline:
            verdict = "best baseline"
        peaks = [r.peak_memory for r in row.results if r.peak_memory is not None]
        first = row.results[0]
        seconds = sum(r.seconds_per_epoch for r in row.results) / len(row.results)
        lines.append(
            (
                row.pair.task.name,
                row.pair.model.name,
                row.pair.model.role,
                _format(row, row.pair.headline, row.test),
                _format(row, row.pair.headline, row.validation),
                str(len(row.results)),
                str(row.choice),
                str(first.parameters),
                str(first.parameters + first.shared_parameters),
                f"{seconds:.3g}",
                f"{max(peaks) / 2**20:.0f}" if peaks else "-",
                verdict,
            )
        )
    return lines


def write_report(out: Path, title: str, note: str, rows: list[Row]) -> list[Path]:
    """Write table.md, table.csv, runs.csv and table.png into the folder; return their paths."""
    lines = tabulate_rows(rows)
    marked = [f"# {title}", ""] + ([note, ""] if note else [])
    marked += ["| " + " | ".join(HEADER) + " |", "|" + " --- |" * len(HEADER)]
    marked += ["| " + " | ".join(line) + " |" for line in lines]
    margins = dict.fromkeys(
        f"{pair.task.name} {pair.task.margin:g} ({pair.headline}, "
        f"{'higher' if pair.higher_is_better else 'lower'} is better)"
        for pair in (row.pair for row in rows)
    )
    marked += ["", f"{INTERVALS} Margins: {', '.join(margins)}."]
    others = [(row, name, spread) for row in rows for name, spread in measure_others(row).items()]
    if others:
        marked += ["", "| task | model | metric | test |", "| --- | --- | --- | --- |"]
        marked += [
            f"| {row.pair.task.name} | {row.pair.model.name} | {name} | "
            f"{_format(row, name, spread)} |"
            for row, name, spread in others
        ]
    aimed = [row for row in rows if row.pair.task.target is not None]
    if aimed:
        marked += ["", "| task | model | parameters | target | sequences until it is reached |"]
        marked += ["| --- | --- | --- | --- | --- |"]
        marked += [
            f"| {row.pair.task.name} | {row.pair.model.name} | {row.results[0].parameters} | "
            f"{row.pair.headline} {row.pair.task.target:g} | {_format_reached(out, row)} |"
            for row in aimed
        ]
        marked += ["", "Median over the seeds that reach it; by the validation of each epoch."]
    solved = find_solved(rows)
    if solved:
        marked += ["", "| model | largest delay solved with every seed | with any seed |"]
        marked += ["| --- | --- | --- |"]
        marked += [f"| {model} | {every} | {some} |" for model, (every, some) in solved.items()]
        marked += ["", "Solved: cross-entropy below a tenth of that of a model without memory."]
    (out / "table.md").write_text("\n".join(marked) + "\n", encoding="utf-8")
    with (out / "table.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *lines])
    with (out / "runs.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([RUN_HEADER, *list_runs(rows)])
    draw_table(rows, title).savefig(out / "table.png", dpi=150)
    return [out / name for name in ("table.md", "table.csv", "runs.csv", "table.png")]


def list_runs(rows: list[Row]) -> list[tuple[object, ...]]:
    """List every seed of the rows with its unformatted numbers, in the order of ``RUN_HEADER``.

    A run that diverged has no value of its metric.
    """
    return [
        (
            row.pair.task.name,
            row.pair.model.name,
            row.pair.model.role,
            row.choice.learning_rate,
            row.choice.variant,
            seed,
            row.pair.headline,
            result.test.get(row.pair.headline),
            result.validation.get(row.pair.headline),
            result.parameters,
            result.parameters + result.shared_parameters,
            result.epochs,
            result.seconds_per_epoch,
            result.diverged,
        )
        for row in rows
        for seed, result in zip(row.pair.seeds, row.results, strict=True)
    ]


def draw_table(rows: list[Row], title: str) -> Figure:
    """Draw one panel for each task: every seed as a dot, the mean with its interval as a bar.

    The band covers the values that are non-inferior to the best baseline by the margin. Normalized
    squared errors have a logarithmic axis, since they differ by powers of ten.

    Raises:
        ValueError: No row is finished.
    """
    tasks = list(dict.fromkeys(row.pair.task.name for row in rows if row.test))
    if not tasks:
        raise InvalidValueError("no row of the table is finished yet; a picture needs at least one")
    by_task = {t: [r for r in rows if r.pair.task.name == t and r.test] for t in tasks}
    tallest = max(map(len, by_task.values()))
    figure, grid = make_panels(len(tasks), 1.3 + 0.32 * tallest)
    for axes, (task, found) in zip(grid, by_task.items(), strict=True):
        for place, row in enumerate(found):
            assert row.test is not None
            colour = _COLOURS[row.pair.model.role]
            axes.plot(row.values, [place] * len(row.values), "o", color=colour, alpha=0.4)
            mean = row.test.mean
            low, high = row.test.cut(row.pair.find_range(row.pair.headline))
            reach = [[mean - low], [high - mean]]
            axes.errorbar(mean, place, xerr=reach, fmt="|", color=colour, ms=14, capsize=4)
        baseline = find_baseline(rows, task)
        if baseline is not None and baseline.test is not None:
            edge = baseline.test.mean
            margin = baseline.pair.task.margin * (1 if baseline.pair.higher_is_better else -1)
            axes.axvspan(edge - margin, edge, color="#999999", alpha=0.25, lw=0)
            axes.axvline(edge, color="#666666", lw=1)
        axes.set_yticks(range(len(found)), [row.pair.model.name for row in found])
        axes.set_ylim(len(found) - 0.4, -0.6)
        if found[0].pair.headline == "nmse":
            axes.set_xscale("log", nonpositive="clip")
            axes.set_xlim(left=_find_left(found))
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(found[0].pair.headline.replace("_", " ") + " (test)")
        axes.set_title(task)
        axes.grid(axis="x", alpha=0.3)
    figure.suptitle(title)
    return figure


def _find_left(rows: list[Row]) -> float:
    """Find the left end of a logarithmic axis, below every seed and every end of an interval.

    An interval that reaches 0 has no end there: it is drawn to the edge.
    """
    ends = [row.test.mean - (row.test.half_width or 0.0) for row in rows if row.test]
    means = [row.test.mean for row in rows if row.test]
    shown = [value for row in rows for value in row.values] + ends + means
    return min((value for value in shown if value > 0), default=2.0) / 2


def _format_reached(out: Path, row: Row) -> str:
    found, total = find_reached(out, row)
    reached = sorted(count for count in found if count is not None)
    if not reached:
        return f"not within {total}"
    return f"{median(reached):g} ({len(reached)} of {len(found)} seeds)"


def _format(row: Row, metric: str, spread: Spread | None) -> str:
    if spread is None:
        return f"{sum(r.diverged is not None for r in row.results)} of {len(row.results)} diverged"
    if spread.half_width is None:
        return f"{spread.mean:.4g}"
    low, high = spread.cut(row.pair.find_range(metric))
    if (low, high) != spread.cut((-math.inf, math.inf)):
        return f"{spread.mean:.4g} ({low:.4g} to {high:.4g})"
    return f"{spread.mean:.4g} ± {spread.half_width:.2g}"
