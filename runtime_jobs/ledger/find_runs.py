"""Where ledgers are: the run folder that is named, or that holds a job."""

from __future__ import annotations

from pathlib import Path

from circuits.errors import InvalidValueError
from runtime_jobs.ledger.ledger import Ledger

__all__ = ["find_ledgers", "find_run", "has_open_submission"]


def find_ledgers(root: Path = Path("runs")) -> list[Path]:
    """The run folders below ``root`` that have a ledger."""
    return sorted(file.parent for file in root.glob("*/ledger.sqlite"))


def find_run(place: str) -> Path:
    """The run folder that is named, or that holds the job of this id below ``runs/``."""
    folder = Path(place)
    if folder.is_dir():
        return folder
    for found in find_ledgers():
        with Ledger(found) as ledger:
            if any(job.job_id == place for job in ledger.list_jobs()):
                return found
    raise InvalidValueError(
        f"{place!r} is neither the folder of a run nor the id of a job of a run below runs/"
    )


def has_open_submission(folder: Path) -> bool:
    """Whether something was submitted for a run and not all of it has been collected."""
    if not (folder / "ledger.sqlite").exists():
        return False
    with Ledger(folder) as ledger:
        submission = ledger.read_setting("submission")
    return submission is not None and not submission["is_finished"]
