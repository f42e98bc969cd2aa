"""The report of a speed grid: Markdown, CSV and a picture."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cells import FORWARD, TRAIN, Cell, Done, Outcome
from peers import OURS, TOOLS

TITLES = {TRAIN: "Forward and backward", FORWARD: "Forward only"}


def write_report(
    out: Path, setting: dict[str, Any], names: list[str], done: Done, reference: Cell
) -> list[Path]:
    """Write the report and the CSV file, and a picture if there are times; return their paths.

    Args:
        out: Path without a suffix.
        setting: Machine, versions and limits.
        names: The tools in order, installed or not.
        done: The measured cells.
        reference: The cell that all axes go through.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    shown = [name for name in names if name in setting["versions"]]
    picture, table, text = (out.parent / (out.name + end) for end in (".png", ".csv", ".md"))
    has_picture = draw(picture, shown, done, reference)
    with table.open("w", newline="") as file:
        csv.writer(file).writerows(list_rows(shown, done))
    lines = [
        f"# The recurrence compared with other libraries, {setting['started'][:10]}",
        "",
        *describe_setting(setting),
        "",
        *compare(shown, done),
        f"\n![Milliseconds by qubits, steps and sequences, one line per tool]({picture.name})\n"
        if has_picture
        else "",
        *(line for what in (TRAIN, FORWARD) for line in tabulate_times(what, shown, done)),
        *tabulate_memory(shown, done),
        *tabulate_tools(names, setting["versions"], done, reference),
    ]
    text.write_text("\n".join(lines) + "\n")
    return [text, table, picture] if has_picture else [text, table]


def describe_setting(setting: dict[str, Any]) -> list[str]:
    """Describe the machine, the problem and the method."""
    limits = setting["limits"]
    return [
        f"{setting['machine']}, of which {setting['threads']} used; Python {setting['python']}. "
        f"Started {setting['started']} UTC at a load average of {setting['load']}.",
        "",
        "The recurrence: 2 layers of RY, RZ on every qubit and CZ on a line (`linear`), X, Y and Z "
        "of every qubit read after each step, an affine controller on [x ; readouts], the state "
        "carried over. The loss is the mean square readout; torch's tools get its derivative "
        "by the readouts. Gradients are those of the controller. "
        "All tools have the same weights and inputs, and each is timed in a separate process "
        f"after its readouts and gradients agreed with those of this package within "
        f"{limits['readouts']:g} and {limits['gradients']:g} of the largest.",
        "",
        f"Milliseconds, the best of {limits['rounds']} alternated rounds; in brackets, times "
        "slower than this package. Within a round, calls are repeated up to 0.1 s, and the "
        f"shortest counts. A tool leaves a cell's rounds after {limits['budget']:g} measured "
        "seconds (the CSV file has the number of rounds, and medians). `over`: here or at a "
        f"smaller size, one call took more than {limits['call']:g} s, loading and compiling more "
        f"than {limits['build']:g} s, or the process used more than {setting['gibibytes']:g} GiB. "
        "The times exclude compilation by the jax tools, which is listed below.",
    ]


def compare(names: list[str], done: Done) -> list[str]:
    """Tabulate in how many cells each peer was measured, and where it came closest."""
    lines = ["| peer | cells | times slower: least | median | most |", "|---|---|---|---|---|"]
    for name in names:
        ratios = {
            cell: outcomes[name].best(TRAIN) / outcomes[OURS].best(TRAIN)
            for cell, outcomes in done.items()
            if outcomes[name].seconds[TRAIN] and outcomes[OURS].seconds[TRAIN]
        }
        if name == OURS or not ratios:
            continue
        nearest = min(ratios, key=ratios.__getitem__)
        lines.append(
            f"| {TOOLS[name].title} | {len(ratios)} of {len(done)} "
            f"| {_write_number(ratios[nearest])} ({nearest}) "
            f"| {_write_number(statistics.median(ratios.values()))} "
            f"| {_write_number(max(ratios.values()))} |"
        )
    return lines


def tabulate_times(what: str, names: list[str], done: Done) -> list[str]:
    """Tabulate milliseconds and ratios of every cell and tool."""
    rows = []
    for outcomes in done.values():
        own = outcomes[OURS].best(what)
        rows.append([_write_time(outcomes[name], what, own, name == OURS) for name in names])
    return [f"## {TITLES[what]}", "", *_tabulate(names, done, rows), ""]


def tabulate_memory(names: list[str], done: Done) -> list[str]:
    """Tabulate the growth of the resident set in the cells where it was measured."""
    chosen = [cell for cell, outcomes in done.items() if outcomes[OURS].memory is not None]
    rows = []
    for cell in chosen:
        memory = [done[cell][name].memory for name in names]
        rows.append(["-" if size is None else f"{size / 2**20:.1f}" for size in memory])
    return [
        "## Memory",
        "",
        "MiB by which the largest resident set of a process grows in its first forward and "
        "backward, with libraries loaded and everything compiled, each in a fresh process.",
        "",
        *_tabulate(names, chosen, rows),
        "",
    ]


def tabulate_tools(
    names: list[str], versions: dict[str, dict[str, str]], done: Done, reference: Cell
) -> list[str]:
    """Tabulate how each tool was used, how long it compiled, and how well it agreed."""
    lines = [
        "## Tools",
        "",
        f"Compiling and the first forward and backward at the reference ({reference}); the largest "
        "difference from this package's readouts and gradients in all cells.",
        "",
        "| tool | versions | how | compiling, s | first call, s | difference |",
        "|---|---|---|---|---|---|",
    ]
    for name in names:
        entry = TOOLS[name]
        if name not in versions:
            lines.append(f"| {entry.title} | not installed | {entry.how} | | | |")
            continue
        found = ", ".join(f"{package} {version}" for package, version in versions[name].items())
        outcomes = [outcomes[name] for outcomes in done.values()]
        at = done[reference][name] if reference in done else Outcome()
        first = ["", ""]
        if at.seconds[TRAIN]:
            first = [f"{at.compile_seconds:.1f}", f"{at.first_seconds:.3f}"]
        worst = max((outcome.difference for outcome in outcomes), default=0.0)
        lines.append(
            f"| {entry.title} | {found} | {entry.how} | {' | '.join(first)} | {worst:.0e} |"
        )
    return lines


def list_rows(names: list[str], done: Done) -> Iterable[list[object]]:
    """Yield the header and a row for every cell and tool; empty fields were not measured."""
    yield [
        *("tool", *Cell._fields),
        *(f"{what}_{kind}_ms" for what in (FORWARD, TRAIN) for kind in ("best", "median")),
        *("rounds", "compile_s", "first_s", "memory_bytes", "difference", "reason"),
    ]
    for cell, outcomes in done.items():
        for name in names:
            outcome = outcomes[name]
            times = (
                f"{1e3 * seconds:.4f}" if outcome.seconds[what] else ""
                for what in (FORWARD, TRAIN)
                for seconds in (outcome.best(what), outcome.middle(what))
            )
            yield [
                *(name, *cell, *times, len(outcome.seconds[TRAIN])),
                *(f"{outcome.compile_seconds:.2f}", f"{outcome.first_seconds:.4f}"),
                "" if outcome.memory is None else outcome.memory,
                *(f"{outcome.difference:.1e}", outcome.reason),
            ]


def draw(path: Path, names: list[str], done: Done, reference: Cell) -> bool:
    """Draw milliseconds of forward and backward along each axis, log-log, one line per tool.

    Returns:
        Whether there were any times to draw.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    labels = {"qubits": "qubits n", "steps": "steps T", "batch": "sequences B"}
    measured = {size: list_measured(done, size, reference) for size in labels}
    measured = {size: cells for size, cells in measured.items() if cells}
    if not measured:
        return False
    figure, (panels,) = plt.subplots(
        1, len(measured), figsize=(13, 4.5), sharey=True, squeeze=False, layout="constrained"
    )
    for axes, (size, along) in zip(panels, measured.items(), strict=True):
        for k, name in enumerate(names):
            points = [
                (getattr(cell, size), 1e3 * done[cell][name].best(TRAIN))
                for cell in along
                if done[cell][name].seconds[TRAIN]
            ]
            style = {"color": f"C{k}", "marker": "os^Dv<>pX"[k % 9], "label": TOOLS[name].title}
            axes.plot(*zip(*points, strict=True) if points else ([], []), **style)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        ticks = [getattr(cell, size) for cell in along]
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.set_xlabel(labels[size])
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("forward and backward, ms")
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside right center", fontsize="small")
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return True


def list_measured(done: Done, size: str, reference: Cell) -> list[Cell]:
    """List the cells with times that differ from the reference in no other size, by that size."""
    own = {size: getattr(reference, size)}
    return sorted(
        cell
        for cell, outcomes in done.items()
        if cell._replace(**own) == reference
        and any(outcome.seconds[TRAIN] for outcome in outcomes.values())
    )


def _tabulate(names: list[str], cells: Iterable[Cell], rows: list[list[str]]) -> list[str]:
    titles = [TOOLS[name].title for name in names]
    return [
        f"| n | T | B | {' | '.join(titles)} |",
        "|---|---|---|" + "---|" * len(titles),
        *(
            f"| {cell.qubits} | {cell.steps} | {cell.batch} | {' | '.join(row)} |"
            for cell, row in zip(cells, rows, strict=True)
        ),
    ]


def _write_time(outcome: Outcome, what: str, own: float, is_own: bool) -> str:
    if not outcome.seconds[what]:
        return outcome.reason
    best = outcome.best(what)
    milliseconds = _write_number(1e3 * best)
    return milliseconds if is_own else f"{milliseconds} ({_write_number(best / own)})"


def _write_number(value: float) -> str:
    """Format with three digits, or with all digits before the point."""
    return f"{value:.3g}" if value < 999.5 else f"{value:,.0f}"
