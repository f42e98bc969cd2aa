"""Finding the run folder with a given name or a given job."""

from __future__ import annotations

from pathlib import Path

from circuits.errors import InvalidValueError
from runtime_jobs.ledger.ledger import Ledger

__all__ = ["find_ledgers", "find_run", "has_open_submission"]


def find_ledgers(root: Path = Path("runs")) -> list[Path]:
    """Return the run folders below ``root`` that have a ledger, sorted."""
    return sorted(file.parent for file in root.glob("*/ledger.sqlite"))


def find_run(place: str) -> Path:
    """Return the run folder of this name, or the one below ``runs/`` with this job id.

    Raises:
        InvalidValueError: There is no such folder and no such job.
    """
    folder = Path(place)
    if folder.is_dir():
        return folder
    for found in find_ledgers():
        with Ledger(found) as ledger:
            if any(job.job_id == place for job in ledger.list_jobs()):
                return found
    raise InvalidValueError(
        f"expected the folder of a run or the id of a job of a run below runs/, got {place!r}; "
        "'qrnn jobs' lists the jobs"
    )


def has_open_submission(folder: Path) -> bool:
    """Return whether a run has a submission that has not been collected completely."""
    if not (folder / "ledger.sqlite").exists():
        return False
    with Ledger(folder) as ledger:
        submission = ledger.read_setting("submission")
    return submission is not None and not submission["is_finished"]
