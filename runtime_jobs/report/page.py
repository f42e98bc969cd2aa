"""The report as one HTML file with embedded pictures, without scripts or external links."""

from __future__ import annotations

import base64
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from qrnn_qiskit.pictures.run import draw_pictures, save_pictures
from qrnn_qiskit.training.checkpoint import write_text
from qrnn_qiskit.training.loading import TrainedModel, load_run
from qrnn_qiskit.training.run_folder import RunFolder
from runtime_jobs.report.content import collect_sections, picture_evaluations, summarize

__all__ = ["write_report"]


def write_report(run: RunFolder, trained: TrainedModel | None = None) -> list[Path]:
    """Write the pictures and ``report.html`` of a run that has finished at least one epoch.

    Returns:
        The paths of the files, the report last.

    Raises:
        CheckpointError: The run has no usable checkpoint.
        LedgerError: The ledger of the run cannot be read.
    """
    trained = trained or load_run(run)
    pictures = [*picture_evaluations(run), *draw_pictures(run, trained)]
    environment = Environment(
        loader=PackageLoader("runtime_jobs.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    files = save_pictures(run, pictures)
    page = environment.get_template("report.html.jinja").render(
        title=f"{run.config.task}: {run.path.name}",
        summary=summarize(run),
        data=run.provenance["data_sha256"],
        created=run.provenance["created"],
        version=run.provenance["versions"]["qrnn-qiskit"],
        sections=collect_sections(run, pictures, trained.model),
        images={p.name: _embed(file) for p, file in zip(pictures, files, strict=True)},
    )
    file = run.path / "report.html"
    write_text(file, page)
    return [*files, file]


def _embed(file: Path) -> str:
    """Encode a picture as a data URL."""
    return "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode()
