"""Tables: their file, their runs from wherever they stand, and what they say."""

from __future__ import annotations

import csv
import io
import json
import math
import shlex
import sqlite3
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from qrnn_qiskit.tables import runner
from qrnn_qiskit.tables.cells import CellResult, read_result, run_cell
from qrnn_qiskit.tables.checks import check_open, check_report
from qrnn_qiskit.tables.curves import draw_curves
from qrnn_qiskit.tables.report import (
    HEADER,
    INTERVALS,
    draw_table,
    list_runs,
    tabulate_rows,
    write_report,
)
from qrnn_qiskit.tables.runner import choose, count_open, estimate, open_workers, run_table
from qrnn_qiskit.tables.spec import Cell, Choice, Table, read_table_file
from qrnn_qiskit.tables.statistics import (
    Row,
    Spread,
    compare,
    find_baseline,
    find_reached,
    find_solved,
    summarize,
)
from qrnn_qiskit.training.config import resolve_config
from qrnn_qiskit.training.run_folder import RunFolderError
from qrnn_qiskit.training.schema import ConfigError

FILE = """
title = "Toys"
seeds = [0, 1, 2]
[search]
learning_rates = [0.001, 0.02]
[settings.train]
epochs = 2
batch_size = 10
[[tasks]]
name = "toys"
task = "toy"
parameters = 100
margin = 0.05
settings = { "data.size" = 30 }
[[models]]
name = "first"
role = "candidate"
settings = { "model.rotations" = ["ry"], "model.kind" = "lstm" }
[[models]]
name = "second"
role = "baseline"
"""


class Here(Executor):
    """Runs everything in this process, and remembers what."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        self.calls.append(arguments)
        future: Future[Any] = Future()
        try:
            future.set_result(function(*arguments, **named))
        except ValueError as error:
            future.set_exception(error)
        return future


@pytest.fixture
def table(toy: type, tmp_path: Path) -> Table:
    path = tmp_path / "table.toml"
    path.write_text(FILE)
    return read_table_file(path)


@pytest.fixture
def finished(table: Table, tmp_path: Path) -> Path:
    out = tmp_path / "out"
    run_table(out, table.pairs(), Here(), lambda *_: None)
    return out


def test_the_command_of_a_cell_makes_the_same_run(table: Table) -> None:
    cell = Cell(table.pairs()[0], Choice(0.02), 1)
    words = shlex.split(cell.command("runs/x"))
    assert words[:3] == ["qrnn", "train", "toy"]
    assert words[-2:] == ["--out", "runs/x"]
    settings = dict(word.split("=", 1) for word in words[4:-2:2])
    assert resolve_config("toy", settings) == cell.resolve()
    config = cell.resolve()
    assert (config.seed, config.train.learning_rate, config.model.parameters) == (1, 0.02, 100)
    assert config.model.kind == "lstm"


def test_only_chooses_cells(table: Table) -> None:
    assert [pair.name for pair in table.pairs("toys/second")] == ["toys/second"]
    assert len(table.pairs("toys")) == len(table.pairs("*/*")) == 2
    with pytest.raises(ValueError, match="known: toys/first, toys/second"):
        table.pairs("toys/third")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("margin = 0.05", "", "tasks.0.margin: Field required"),
        ('"second"', '"first"', "expected every model once"),
        ("margin = 0.05", "margin = 0.05\nseeds = [1, 1]", "expected every seed once"),
        ("[0.001, 0.02]", "[0.02, 0.02]", "expected every learning rate once"),
        ("[0.001, 0.02]", "[0.02, 0.0200000001]", "expected every learning rate once"),
        ("[0.001, 0.02]", "[0.001, -0.02]", "cell toys/first: .*learning_rate"),
        ("seeds = [0, 1, 2]", "seeds = [0, -1]", "cell toys/first: .*seed"),
        ('role = "baseline"', 'role = "baseline"\ntasks = ["other"]', "names the unknown tasks"),
        ("epochs = 2", "epoch = 2", "cell toys/first: unknown key"),
        ("seeds = [0, 1, 2]", "sseds = [0]", "seeds: Field required"),
        ('task = "toy"', 'task = "toi"', "cell toys/first: unknown task 'toi'; did you mean 'toy'"),
        ("epochs = 2", "learning_rate = 0.1", "would have no effect: the table sets"),
        ('{ "data.size" = 30 }', '{ "data.sise" = 30 }', "cell toys/first: .*'data.size'"),
        (
            'name = "first"',
            'name = "sec=ond"\nrole = "peer"\n[[models]]\nname = "sec ond"',
            "folder",
        ),
    ],
)
def test_a_wrong_file_is_refused(
    toy: type, tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "table.toml"
    path.write_text(FILE.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        read_table_file(path)


def test_a_task_may_have_seeds_and_a_search_of_its_own(toy: type, tmp_path: Path) -> None:
    own = "seeds = [5]\nsearch = { learning_rates = [0.1], seed = 5 }\nmargin = 0.05\n"
    path = tmp_path / "own.toml"
    path.write_text(FILE.replace("margin = 0.05\n", own))
    pair = read_table_file(path).pairs()[0]
    assert [(cell.choice, cell.seed) for cell in pair.search_cells()] == [(Choice(0.1), 5)]
    assert [cell.seed for cell in pair.seed_cells(Choice(0.1))] == [5]
    assert pair.count_runs() == 1


VARIANTS = (
    FILE.replace('"model.kind" = "lstm" }', '"model.kind" = "lstm" }\nvariants = { VARIANTS }')
    .replace('name = "second"', 'name = "second"\nvariants = { VARIANTS }')
    .replace("VARIANTS", '"no clip" = { "train.clip_norm" = "none" }, clip = {}')
)


def test_the_search_tries_every_variant_at_every_rate(toy: type, tmp_path: Path) -> None:
    path = tmp_path / "variants.toml"
    path.write_text(VARIANTS)
    table = read_table_file(path)
    pair = table.pairs()[0]
    searched = pair.search_cells()
    assert [cell.choice for cell in searched] == [
        (0.001, "no clip"),
        (0.02, "no clip"),
        (0.001, "clip"),
        (0.02, "clip"),
    ]
    assert [cell.resolve().train.clip_norm for cell in searched][1:3] == [None, 1.0]
    assert searched[0].path.name == "rate-0.001-no_clip-seed-0"
    assert pair.count_runs() == 6
    out = tmp_path / "out"
    run_table(out, [pair], Here(), lambda *_: None)
    choice = choose(out, pair)
    assert choice is not None
    # The best by validation, in its own variant.
    scores = [read_result(out, cell).validation["accuracy"] for cell in searched]  # type: ignore[union-attr]
    assert scores[[cell.choice for cell in searched].index(choice)] == max(scores)
    (row,) = summarize(out, [pair])
    assert row.choice == choice
    assert tabulate_rows([row])[0][6] == f"{choice.learning_rate:g}, {choice.variant}"
    assert [line[3:5] for line in list_runs([row])] == [choice] * 3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("clip = {}", "clip = { seed = 3 }", "settings contain .*seed"),
        (", clip = {}", "", "as many variants of every model.*got 1 of first, 2 of second"),
        ("clip = {}", '"no_clip" = {}', "variants.no_clip"),
        ("clip = {}", '"no=clip" = {}', "every variant needs a separate folder"),
        ("clip = {}", 'clip = { "train.clip" = 3 }', "cell toys/first: .*clip"),
    ],
)
def test_variants_that_make_no_equal_search_are_refused(
    toy: type, tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "variants.toml"
    path.write_text(VARIANTS.replace(old, new, 1))
    with pytest.raises(ConfigError, match=message):
        read_table_file(path)


def test_every_pair_is_searched_and_then_trained_with_all_seeds(
    table: Table, tmp_path: Path
) -> None:
    out, here, left = tmp_path / "out", Here(), []
    run_table(out, table.pairs(), here, lambda cell, result, rest: left.append(rest))
    # Two rates and two further seeds for each model: the search's run is that of its seed.
    assert len(here.calls) == sum(pair.count_runs() for pair in table.pairs()) == 8
    assert left[-1] == 0
    for pair in table.pairs():
        scores = {
            cell.choice: read_result(out, cell).validation["accuracy"]  # type: ignore[union-attr]
            for cell in pair.search_cells()
        }
        choice = choose(out, pair)
        assert choice is not None
        assert scores[choice] == max(scores.values())
        assert {cell.seed for cell in pair.seed_cells(choice)} == {0, 1, 2}
    again = Here()
    run_table(out, table.pairs(), again, lambda *_: None)
    assert not again.calls


def test_a_killed_table_goes_on_and_ends_the_same(
    table: Table, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "killed"
    pair = table.pairs()[0]
    first, second = pair.search_cells()
    # Killed while a folder is made: no config.toml yet.
    (out / first.path).mkdir(parents=True)
    (out / first.path / "provenance.json").write_text("{}")
    # Killed in the middle of training.
    import qrnn_qiskit.training.loop as loop

    original, steps = loop.Trainer.step, []

    def step(self: Any, *arguments: Any) -> Any:
        steps.append(1)
        if len(steps) == 4:
            raise SystemExit(9)
        return original(self, *arguments)

    monkeypatch.setattr(loop.Trainer, "step", step)
    with pytest.raises(SystemExit):
        run_cell(out, second)
    assert read_result(out, second) is None
    run_table(out, table.pairs(), Here(), lambda *_: None)
    rows, expected = (summarize(folder, table.pairs()) for folder in (out, finished))
    assert [row.values for row in rows] == [row.values for row in expected]
    assert [row.choice for row in rows] == [row.choice for row in expected]


def test_a_cell_that_is_at_work_elsewhere_is_waited_for(table: Table, tmp_path: Path) -> None:
    cell = table.pairs()[0].search_cells()[0]
    file = tmp_path / cell.path.with_name(f"{cell.path.name}.lock")
    file.parent.mkdir(parents=True)
    with ThreadPoolExecutor(1) as pool:
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            waiting = pool.submit(run_cell, tmp_path, cell)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.3)
        assert waiting.result(timeout=120) == read_result(tmp_path, cell)


def test_another_file_with_the_same_folder_is_refused(
    table: Table, finished: Path, toy: type, tmp_path: Path
) -> None:
    path = tmp_path / "other.toml"
    path.write_text(FILE.replace("epochs = 2", "epochs = 3"))
    with pytest.raises(RunFolderError, match="another configuration"):
        run_table(finished, read_table_file(path).pairs(), Here(), lambda *_: None)


def test_a_diverged_run_loses_the_search(table: Table, finished: Path) -> None:
    pair = table.pairs()[0]
    choice = choose(finished, pair)
    cell = next(cell for cell in pair.search_cells() if cell.choice == choice)
    file = finished / cell.path / "result.json"
    content = json.loads(file.read_text()) | {"validation": {}, "test": {}, "diverged": "NaN"}
    file.write_text(json.dumps(content))
    assert choose(finished, pair) not in (None, choice)
    assert count_open(finished, pair) == 2
    # A table reports it without a mean.
    (row,) = summarize(finished, [table.pairs()[1]])
    lost = replace(row, test=None, results=[replace(row.results[0], diverged="NaN")] * 3)
    assert tabulate_rows([lost])[0][3] == "3 of 3 diverged"


def test_the_estimate_is_made_once(table: Table, tmp_path: Path) -> None:
    here, out = Here(), tmp_path / "out"
    seconds = estimate(out, table.pairs(), here)
    assert set(seconds) == {"toys/first", "toys/second"}
    assert all(0 < value < 60 for value in seconds.values())
    assert estimate(out, table.pairs(), here) == seconds
    assert len(here.calls) == 2
    longer = table.model_copy(update={"settings": {"train.epochs": 3}})
    estimate(out, longer.pairs(), here)
    assert len(here.calls) == 4
    assert not (out / "runs").exists()


def test_a_spread_is_that_of_students_t() -> None:
    spread = Spread.of([1.0, 2.0, 3.0, 4.0, 5.0])
    assert spread.mean == 3.0
    assert spread.half_width == pytest.approx(2.776445 * np.sqrt(2.5 / 5), rel=1e-6)
    assert Spread.of([2.0]) == Spread(2.0, None)


def test_an_interval_ends_where_the_metric_does() -> None:
    spread = Spread(0.25, 0.5)
    assert spread.cut((0.0, 1.0)) == (0.0, 0.75)
    assert spread.cut((-1.0, 0.5)) == (-0.25, 0.5)
    assert spread.cut((-math.inf, math.inf)) == (-0.25, 0.75)
    assert Spread(0.25, None).cut((0.0, 1.0)) == (0.25, 0.25)
    rounded = np.nextafter(100.0, 101.0)  # as BLEU of perfect translations
    assert Spread(rounded, 0.0).cut((0.0, 100.0)) == (rounded, rounded)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.5, 0.6], "0.55 (0 to 1)"),
        ([0.5, 0.51], "0.505 ± 0.064"),
        ([0.97, 0.99, 1.0], "0.9867 (0.9487 to 1)"),
        ([1.0, 1.0], "1 ± 0"),
        ([0.5], "0.5"),
    ],
)
def test_a_table_shows_no_interval_that_the_metric_cannot_take(
    table: Table, values: list[float], shown: str
) -> None:
    pair, spread = table.pairs()[0], Spread.of(values)
    results = [
        CellResult({"accuracy": value}, {"accuracy": value}, 1, 1, 1.0, 1, None) for value in values
    ]
    row = Row(pair, Choice(0.01), results, spread, spread, values)
    assert tabulate_rows([row])[0][3:5] == (shown, shown)
    (bar,) = draw_table([row], "").axes[0].collections
    assert isinstance(bar, LineCollection)
    assert bar.get_segments()[0][:, 0] == pytest.approx(spread.cut((0.0, 1.0)))


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.99, 0.98, 0.985], "better"),
        ([0.90, 0.91, 0.905], "non-inferior"),
        ([0.90, 0.86, 0.94], "undecided"),
        ([0.70, 0.71, 0.705], "inferior"),
        ([0.9], "one run"),
        ([], "diverged"),
    ],
)
def test_the_verdict_follows_the_interval_of_the_difference(
    table: Table, values: list[float], verdict: str
) -> None:
    candidate, baseline = table.pairs()

    def make(pair: Any, numbers: list[float]) -> Row:
        return Row(pair, Choice(0.01), [], None, None, numbers)

    assert compare(make(candidate, values), make(baseline, [0.90, 0.91, 0.905])) == verdict


def test_the_best_baseline_is_chosen_by_validation(table: Table) -> None:
    candidate, baseline = table.pairs()

    def make(pair: Any, validation: float, test: float) -> Row:
        return Row(pair, Choice(0.01), [], Spread(test, None), Spread(validation, None), [test])

    rows = [make(candidate, 1.0, 1.0), make(baseline, 0.8, 0.9), make(baseline, 0.9, 0.7)]
    assert find_baseline(rows, "toys") is rows[2]
    assert find_baseline(rows[:1], "toys") is None


def test_the_largest_delay_solved_with_every_seed_and_with_any(tmp_path: Path) -> None:
    path = tmp_path / "copying.toml"
    task = '[[tasks]]\nname = "{0}"\ntask = "copying-memory"\nparameters = 700\nmargin = 0.01\n'
    head, _, models = FILE.partition("[[tasks]]")
    models = models[models.index("[[models]]") :]
    head = head.replace("seeds = [0, 1, 2]", "seeds = [0, 1]")
    path.write_text(head + "".join(task.format(delay) for delay in (10, 30, 100)) + models)
    solved = {
        "first": [[10.0, 10.0], [0.0, 30.0], [0.0, 0.0]],
        "second": [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]],
    }
    rows = []
    for pair in read_table_file(path).pairs():
        delays = solved[pair.model.name].pop(0)
        results = [CellResult({}, {"solved_delay": d}, 1, 1, 1.0, 1, None) for d in delays]
        rows.append(Row(pair, Choice(0.01), results, Spread.of(delays), None, delays))
    rows[-1].results[0] = replace(rows[-1].results[0], test={}, diverged="lost")
    assert find_solved(rows) == {"first": (10, 30), "second": (0, 0)}
    assert find_solved([]) == {}
    lines = write_report(tmp_path, "Delays", "", rows)[0].read_text().splitlines()
    assert "| first | 10 | 30 |" in lines


def test_the_report_has_the_other_metrics_that_are_asked_for(
    table: Table, finished: Path, tmp_path: Path
) -> None:
    path = tmp_path / "others.toml"
    path.write_text(FILE.replace("margin = 0.05", 'margin = 0.05\nmetrics = ["cross_entropy"]'))
    rows = summarize(finished, read_table_file(path).pairs())
    mean = np.mean([result.test["cross_entropy"] for result in rows[0].results])
    text = write_report(finished, table.title, "", rows)[0].read_text()
    assert f"| toys | first | cross_entropy | {mean:.4g} ±" in text


def test_the_report_has_the_sequences_until_a_target_is_reached(
    finished: Path, tmp_path: Path
) -> None:
    def report(target: float) -> tuple[list[list[int | None]], str]:
        path = tmp_path / "target.toml"
        path.write_text(FILE.replace("margin = 0.05", f"margin = 0.05\ntarget = {target}"))
        rows = summarize(finished, read_table_file(path).pairs())
        text = write_report(finished, "Toys", "", rows)[0].read_text()
        return [find_reached(finished, row)[0] for row in rows], text

    row = summarize(finished, read_table_file(tmp_path / "table.toml").pairs())[0]
    curves = [
        [json.loads(line)["validation_accuracy"] for line in file.read_text().splitlines()]
        for cell in row.pair.seed_cells(row.choice)
        if (file := finished / cell.path / "metrics.jsonl")
    ]
    best = max(map(max, curves))
    counts, text = report(best)
    steps = [next((30 * (n + 1) for n, v in enumerate(c) if v >= best), None) for c in curves]
    assert counts[0] == steps
    assert f"| accuracy {best:g} |" in text
    assert report(0.0)[0] == [[30] * 3] * 2
    counts, text = report(1.5)
    assert counts == [[None] * 3] * 2
    assert "| toys | second | " in text
    assert "| accuracy 1.5 | not within 60 |" in text


def test_a_metric_that_no_task_has_is_told_before_the_first_run_and_after_the_last(
    toy: type, finished: Path, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(FILE.replace("margin = 0.05", 'margin = 0.05\nmetrics = ["acuracy"]'))
    pairs = read_table_file(path).pairs()
    wrong = "task 'toys' of the table has no metric 'acuracy'; did you mean 'accuracy'"
    with pytest.raises(ConfigError, match=wrong):
        check_open(tmp_path / "new", pairs, Here())
    assert not (tmp_path / "new").exists()
    with pytest.raises(ConfigError, match=wrong):
        check_report(finished, pairs)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"lstm"', '"lstn"', "cell toys/first: .*'lstm'"),
        ("parameters = 100", "parameters = 1", "cell toys/first: .*parameters"),
        (
            'task = "digits"',
            'task = "text"\nsettings = { "data.file" = "/nowhere.csv" }',
            "cell toys/first: /nowhere.csv does not exist",
        ),
    ],
)
def test_what_would_stop_a_run_is_told_before_the_first(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "table.toml"
    digits = FILE.replace('task = "toy"', 'task = "digits"').replace('{ "data.size" = 30 }', "{}")
    path.write_text(digits.replace("settings = {}\n", "").replace(old, new))
    with pytest.raises(ConfigError, match=message):
        check_open(tmp_path / "out", read_table_file(path).pairs(), Here())


def test_only_what_is_left_to_run_is_checked(table: Table, finished: Path) -> None:
    here = Here()
    check_open(finished, table.pairs(), here)
    assert not here.calls
    cell = table.pairs()[1].search_cells()[0]
    (finished / cell.path / "result.json").unlink()
    check_open(finished, table.pairs(), here)
    assert here.calls == [(cell,)]
    longer = table.model_copy(update={"settings": {"train.epochs": 3}})
    with pytest.raises(RunFolderError, match="another configuration"):
        check_open(finished, longer.pairs("toys/second"), here)


def test_the_report_has_every_finished_row(table: Table, finished: Path) -> None:
    rows = summarize(finished, table.pairs())
    lines = tabulate_rows(rows)
    assert [line[:3] for line in lines] == [
        ("toys", "first", "candidate"),
        ("toys", "second", "baseline"),
    ]
    assert lines[1][-1] == "best baseline"
    mean = np.mean([result.test["accuracy"] for result in rows[0].results])
    assert lines[0][3].startswith(f"{mean:.4g} ±")
    paths = write_report(finished, table.title, "a note", rows)
    assert [path.name for path in paths] == ["table.md", "table.csv", "runs.csv", "table.png"]
    text = paths[0].read_text()
    assert "| " + " | ".join(lines[0]) + " |" in text
    assert f"{INTERVALS} Margins: toys 0.05 (accuracy, higher is better)." in text
    assert paths[1].read_text().splitlines()[0].split(",") == list(HEADER)
    with paths[2].open(newline="") as file:
        runs = list(csv.DictReader(file))
    for row in rows:
        own = [run for run in runs if run["model"] == row.pair.model.name]
        assert [int(run["seed"]) for run in own] == row.pair.seeds
        assert [float(run["test"]) for run in own] == row.values
    with pytest.raises(ValueError, match="no row"):
        draw_table([], "nothing")


def test_errors_that_differ_by_powers_of_ten_have_a_logarithmic_axis(table: Table) -> None:
    rows = []
    for task in range(3):
        for pair, values in zip(table.pairs(), ([0.004, 0.006], [0.002, 1.0]), strict=True):
            column = pair.task.model_copy(
                update={"name": f"task {task}", "task": "narma10", "settings": {}}
            )
            other = replace(pair, task=column)
            spread = Spread.of(values)
            rows.append(Row(other, Choice(0.01), [], spread, spread, values))
    figure = draw_table(rows, "errors")
    assert figure.get_figwidth() < 10  # two columns, legible at the width of a page
    assert len(figure.axes) == 3
    for axes in figure.axes:
        assert axes.get_xscale() == "log"
        assert 0 < axes.get_xlim()[0] < 0.002
    figure.savefig(io.BytesIO(), format="png")


def test_runs_of_one_epoch_have_no_curve(table: Table, finished: Path) -> None:
    for pair in table.pairs():
        choice = choose(finished, pair)
        assert choice is not None
        for cell in pair.seed_cells(choice):
            metrics = finished / cell.path / "metrics.jsonl"
            metrics.write_text(metrics.read_text().splitlines()[0] + "\n")
    assert draw_curves(finished, table.pairs()) is None


def test_learning_curves_tell_the_epochs_that_were_run(
    table: Table, finished: Path, tmp_path: Path
) -> None:
    assert draw_curves(tmp_path / "empty", table.pairs()) is None
    second = table.pairs()[1]
    choice = choose(finished, second)
    assert choice is not None
    (finished / second.seed_cells(choice)[1].path / "result.json").unlink()
    for cell in second.seed_cells(choice):
        metrics = finished / cell.path / "metrics.jsonl"
        metrics.write_text(metrics.read_text().splitlines()[0] + "\n")
    figure = draw_curves(finished, table.pairs())
    assert figure is not None
    (axes,) = figure.axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["first, 2 of 2 epochs", "second, 1 of 2 epochs"]
    assert len(axes.lines) == 6
    row = json.loads((finished / second.seed_cells(choice)[2].path / "metrics.jsonl").read_text())
    assert axes.lines[-1].get_ydata() == [row["validation_accuracy"]]


def test_peak_memory_is_measured(table: Table, finished: Path) -> None:
    result = read_result(finished, table.pairs()[0].search_cells()[0])
    assert isinstance(result, CellResult)
    assert result.peak_memory is not None
    assert 2**20 < result.peak_memory < 2**36
    assert result.parameters > 0
    assert result.shared_parameters == 4 * 2 + 2
    assert result.epochs == 2


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # sockets that others have left behind
@pytest.mark.process
def test_runs_on_workers_of_a_dask_scheduler(table: Table, tmp_path: Path) -> None:
    from distributed import LocalCluster

    cluster = LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    )
    with cluster, open_workers(1, cluster.scheduler_address) as pool:
        run_table(tmp_path / "out", table.pairs("toys/second"), pool, lambda *_: None)
    assert len(summarize(tmp_path / "out", table.pairs())) == 1


def test_a_scheduler_that_does_not_answer_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "CONNECT_SECONDS", 0.5)
    with (
        pytest.raises(ValueError, match="no Dask scheduler answers at 'nonsense:1'"),
        runner.open_workers(1, "nonsense:1"),
    ):
        raise AssertionError


FILES = sorted((Path(__file__).parents[4] / "benchmarks" / "tables").glob("*.toml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_files_in_benchmarks_name_known_tasks_models_and_settings(file: Path) -> None:
    kinds = {
        cell.resolve().model.kind
        for pair in read_table_file(file).pairs()
        for cell in pair.search_cells()
    }
    assert kinds & {"lstm", "gru"}
