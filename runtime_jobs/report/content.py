"""The content of a report: sections of tables and pictures."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qrnn_qiskit.pictures import draw_evaluations
from qrnn_qiskit.pictures.run import Picture
from qrnn_qiskit.recurrent import count_recurrent
from qrnn_qiskit.tasks import TaskModel
from qrnn_qiskit.training.checkpoint import read_checkpoint
from qrnn_qiskit.training.presentation import format_estimate
from qrnn_qiskit.training.run_files import read_tuning
from qrnn_qiskit.training.run_folder import RunFolder
from qrnn_qiskit.training.schema import flatten
from runtime_jobs.ledger import Ledger
from runtime_jobs.report.sweep import FLOOR, find_sweep

__all__ = ["Section", "Table", "collect_sections", "picture_evaluations", "summarize"]


@dataclass(frozen=True)
class Table:
    """A table: caption, column names and rows; the first cell of a row is its name."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Section:
    """A section of the report; a click opens one that ``is_folded``."""

    title: str
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = field(default_factory=list)
    is_folded: bool = False

    @property
    def anchor(self) -> str:
        """The fragment of its URL."""
        return self.title.lower().replace(" ", "-")


def collect_sections(
    run: RunFolder, pictures: Sequence[Picture], model: TaskModel
) -> list[Section]:
    """Collect the non-empty sections of a run, the results first.

    Raises:
        LedgerError: The ledger of the run cannot be read.
    """
    by_section: dict[str, list[Picture]] = {}
    for picture in pictures:
        by_section.setdefault(picture.section, []).append(picture)
    evaluations = run.read_evaluations()
    results = by_section.pop("results", [])
    sections = [
        Section("Results", [*_tabulate_evaluations(evaluations), *_tabulate_sweep(run)], results),
        Section("Training", [_tabulate_training(run, model)], by_section.pop("training")),
        *(Section(name.capitalize(), (), found) for name, found in by_section.items()),
        Section("Jobs", [*_tabulate_jobs(run.path), *_tabulate_tuning(run)]),
        Section("Configuration", [_tabulate_configuration(run)], is_folded=True),
        Section("Provenance", [_tabulate_provenance(run)], is_folded=True),
    ]
    return [section for section in sections if section.tables or section.pictures]


def summarize(run: RunFolder) -> str:
    """Summarize the evaluations in a sentence; without one, the progress of the training.

    The simulator comes first, with its most sequences, and then each device with its last ones.
    """
    evaluations = run.read_evaluations()
    if not evaluations:
        return f"{len(run.read_metrics())} epochs trained, not evaluated yet"
    evaluations = [e for e in evaluations if e["weights"] == "best"] or evaluations
    headline = run.make_task().headline
    exact = [e for e in evaluations if e["device"] == "simulator"]
    by_device = {e["device"]: e for e in evaluations if e["device"] != "simulator"}
    shown = [max(reversed(exact), key=lambda e: e["sequences"])] if exact else []
    return f"{_words(headline)} " + "; ".join(
        f"{format_estimate(e['metrics'][headline])} on {e['sequences']} test sequences, run on "
        f"{e['device']}"
        for e in [*shown, *by_device.values()]
    )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _tabulate_evaluations(evaluations: Sequence[Mapping[str, Any]]) -> Iterable[Table]:
    if not evaluations:
        return
    names = list(dict.fromkeys(name for e in evaluations for name in e["metrics"]))
    yield Table(
        "All evaluations on the first test sequences, with standard errors of the mean; "
        "proportions with Wilson's intervals",
        ["number", "device", "weights", "sequences", "shots", *map(_words, names), "jobs", "QPU s"],
        [
            [
                str(e["number"]),
                e["device"],
                e["weights"],
                str(e["sequences"]),
                "exact" if e["shots"] is None else f"{e['shots']:,}",
                *(
                    format_estimate(e["metrics"][name]) if name in e["metrics"] else ""
                    for name in names
                ),
                str(e["jobs"]),
                f"{e['qpu_seconds']:.1f}",
            ]
            for e in evaluations
        ],
    )
    noisy = [e for e in evaluations if e["deviations"] is not None]
    if noisy:
        has_drift = any(any(e["deviations"]["drift"]) for e in noisy)
        drift = ["drift, first to last step"] if has_drift else []
        yield Table(
            "Readouts of devices: root mean square of device error"
            + (" and of drift by feedback" if has_drift else ""),
            ["number", "device", "device error", "in standard errors", *drift],
            [_describe_deviations(e)[: 4 + len(drift)] for e in noisy],
        )


def _describe_deviations(evaluation: Mapping[str, Any]) -> list[str]:
    found = evaluation["deviations"]
    residuals, drift, spread = found["residuals"], found["drift"], found["spread"]
    size = (sum(value**2 for value in residuals) / len(residuals)) ** 0.5
    return [
        str(evaluation["number"]),
        evaluation["device"],
        f"{size:.1e}",
        "exact" if spread is None else f"{spread:.2f}",
        f"{drift[0]:.1e} to {drift[-1]:.1e}" if any(drift) else "",
    ]


def _tabulate_sweep(run: RunFolder) -> Iterable[Table]:
    sweep = find_sweep(run)
    if sweep is not None:
        yield Table(
            "Results against multiples of the calibrated noise: the last evaluation on each "
            "device, with intervals of 95 %",
            sweep.columns,
            sweep.tabulate(),
        )


def picture_evaluations(run: RunFolder) -> list[Picture]:
    """Draw the evaluations of a run side by side, and against noise where they have several.

    An empty list for fewer than two evaluations.
    """
    evaluations = run.read_evaluations()
    if len(evaluations) < 2:
        return []
    sweep = find_sweep(run)
    against_noise = [] if sweep is None else [sweep.draw()]
    devices = [f"{e['number']}: {e['device']}, {e['sequences']} sequences" for e in evaluations]
    estimates = {
        name: [e["metrics"][name] for e in evaluations]
        for name in evaluations[0]["metrics"]
        if name != FLOOR and all(name in e["metrics"] for e in evaluations)
    }
    text = "; ".join(
        f"{device}: "
        + ", ".join(
            f"{_words(name)} {format_estimate(values[row])}" for name, values in estimates.items()
        )
        for row, device in enumerate(devices)
    )
    text = f"Points with error bars, those of proportions Wilson's intervals of 95 %. {text}."
    figure = draw_evaluations(devices, estimates)
    return [
        Picture("evaluations", "results", "Evaluations side by side", text, figure),
        *against_noise,
    ]


def _tabulate_training(run: RunFolder, model: TaskModel) -> Table:
    rows = run.read_metrics()
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    best = read_checkpoint(run.checkpoint_file, run.config).position["best_epoch"]
    facts = {
        "epochs": f"{len(rows)} of {run.config.train.epochs}",
        "best by validation": f"epoch {best}",
        "steps": f"{rows[-1]['step']:,}",
        "seconds": f"{sum(row['seconds'] for row in rows):.0f}",
        "trainable parameters": f"{trainable:,}, of which {count_recurrent(model):,} are in the "
        "recurrent model",
        "trained on": run.provenance.get("device", "simulator"),
    }
    if run.provenance.get("gradient") is not None:
        facts["gradient"] = run.provenance["gradient"]
    if run.provenance.get("fine_tuned_from") is not None:
        facts["fine-tuned from"] = run.provenance["fine_tuned_from"]["run"]
    return Table("Training in numbers", ["quantity", "value"], list(facts.items()))


def _tabulate_jobs(folder: Path) -> list[Table]:
    if not (folder / "ledger.sqlite").exists():
        return []
    with Ledger(folder) as ledger:
        jobs, committed = ledger.list_jobs(), ledger.committed_seconds()
    if not jobs:
        return []
    columns = ["number", "job", "device", "round", "circuits", "shots", "state", "QPU s", "limit s"]
    charged = sum(job.usage or 0.0 for job in jobs)
    return [
        Table(
            f"Jobs sent to a service: {charged:.1f} QPU s charged, {committed:.1f} s used or held",
            [*columns, "recorded"],
            [
                [
                    str(job.number),
                    job.job_id or "",
                    job.device,
                    job.round,
                    f"{job.circuits:,}",
                    f"{job.shots:,}",
                    job.state if job.reason is None else f"{job.state}: {job.reason}",
                    "" if job.usage is None else f"{job.usage:.1f}",
                    str(job.max_execution_time),
                    time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(job.created)),
                ]
                for job in jobs
            ],
        )
    ]


def _tabulate_tuning(run: RunFolder) -> list[Table]:
    tuned = read_tuning(run.tuned_file.with_suffix(".json"))
    if tuned is None:
        return []
    caption = f"Steps of training on a service: {tuned['gradient']}, {tuned['shots']:,} shots"
    rows = [[str(step), f"{loss:.4f}"] for step, loss in enumerate(tuned["losses"], start=1)]
    return [Table(caption, ["step", "loss"], rows)]


def _tabulate_configuration(run: RunFolder) -> Table:
    settings = flatten(run.config.model_dump(mode="json"))
    rows = [[key, "none" if value is None else str(value)] for key, value in settings.items()]
    return Table("Every setting of the run (config.toml)", ["key", "value"], rows)


def _tabulate_provenance(run: RunFolder) -> Table:
    rows = [[key.replace(".", " "), str(value)] for key, value in flatten(run.provenance).items()]
    return Table("Where the run comes from (provenance.json)", ["key", "value"], rows)
