"""The identity of a run folder, which shows a copy or a lost ledger before a job is sent."""

from __future__ import annotations

import os
import re
import sqlite3
import uuid
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from qrnn_qiskit.training.checkpoint import write_text
from runtime_jobs.ledger.errors import IdentityError, LedgerError
from runtime_jobs.ledger.ledger import Ledger
from runtime_jobs.ledger.records import JobRecord

__all__ = [
    "FindJobs",
    "explain_loss",
    "find_original",
    "list_own_jobs",
    "require_identity",
    "start_new_budget",
]

FindJobs = Callable[[str], Collection[tuple[str, Collection[str]]]]
"""Returns id and tags of the newest jobs at the service that carry a tag."""

_FILE = "identity.txt"
_SETTING = "identity"
_TAG = re.compile(r"qrnn-run-[0-9a-f]{32}")
_SHOWN = 5  # job ids in a message
_REMEDY = (
    "or give this folder a separate budget with --new-budget (of 'qrnn submit', or of 'qrnn "
    "resume' where it sends jobs; in Python open_device(..., new_budget=True)): results in its "
    "ledger are kept and used, and their cost does not count against the new cap"
)


@dataclass(frozen=True)
class _Identity:
    """The identity of a run, as its ledger records it.

    Attributes:
        tag: Tag of all jobs of the run at the service.
        path: Resolved path of the run folder.
        device, inode: Device and inode of the ledger file.
    """

    tag: str
    path: str
    device: int
    inode: int

    @classmethod
    def of(cls, ledger: Ledger, tag: str) -> _Identity:
        """Return the identity with this tag at the place of a ledger."""
        found = ledger.file.stat()
        return cls(tag, str(ledger.file.parent.resolve()), found.st_dev, found.st_ino)


def require_identity(ledger: Ledger, find_jobs: FindJobs) -> str:
    """Return the tag of all jobs of a run, after checking that no other folder spends its budget.

    A run without an identity gets one. A folder that was moved keeps its own.

    Args:
        ledger: The ledger of the run, which this process has locked.
        find_jobs: Lists the jobs of a tag at the service.

    Raises:
        IdentityError: The folder is a copy of another one, or its ledger is lost or older than the
            jobs at the service.
        ServiceError: The service cannot be asked.
    """
    if (fault := _find_fault(ledger, find_jobs)) is not None:
        raise IdentityError(f"{fault}. Nothing was sent. {_REMEDY[0].upper()}{_REMEDY[1:]}")
    kept = _read_setting(ledger)
    tag = f"qrnn-run-{uuid.uuid4().hex}" if kept is None else kept.tag
    now = _Identity.of(ledger, tag)
    if now != kept:
        ledger.write_setting(_SETTING, asdict(now))
    if _read_file(ledger.file.parent) != tag:
        write_text(ledger.file.parent / _FILE, f"{tag}\n")
    return tag


def find_original(ledger: Ledger) -> Path | None:
    """Return the folder of which the folder of this ledger is a copy; None if it is none."""
    kept = _read_setting(ledger)
    if kept is None:
        return None
    before, folder = Path(kept.path), ledger.file.parent
    now = _Identity.of(ledger, kept.tag)
    if now.path == kept.path or (now.device, now.inode) == (kept.device, kept.inode):
        return None
    other = before / ledger.file.name
    if other.exists() and os.path.samefile(other, folder / ledger.file.name):
        return None  # the same folder under another name, such as a mount
    return before if kept.tag in (_read_file(before), _read_tag(other)) else None


def explain_loss(ledger: Ledger) -> str:
    """Return that an empty ledger has replaced a lost one, as a clause; empty otherwise."""
    folder = ledger.file.parent
    if _read_setting(ledger) is not None or (tag := _read_file(folder)) is None:
        return ""
    return f": its ledger is gone, but {folder / _FILE} shows that it sent jobs with the tag {tag}"


def list_own_jobs(ledger: Ledger) -> list[JobRecord]:
    """Return the jobs that count against the cap, in the order in which they were recorded."""
    last = ledger.read_setting("free_jobs") or 0
    return [job for job in ledger.list_jobs() if job.number > last]


def start_new_budget(ledger: Ledger, find_jobs: FindJobs) -> str:
    """Give a copy, or a run whose ledger is lost, a new identity with a separate budget.

    Results in the ledger are kept; their cost does not count against the cap from now on. Jobs of
    which it is not known that they were sent are left to the former budget, and sent anew.

    Returns:
        The outcome, in a sentence. A run that has its own budget keeps it.
    """
    folder = ledger.file.parent
    if _find_fault(ledger, find_jobs) is None:
        return f"--new-budget changes nothing: {folder} has a separate budget already"
    identity = _Identity.of(ledger, f"qrnn-run-{uuid.uuid4().hex}")
    ledger.start_budget({_SETTING: asdict(identity)})
    write_text(folder / _FILE, f"{identity.tag}\n")
    return (
        f"{folder} has a new budget: the jobs in its ledger ({len(ledger.list_jobs())}) count as "
        "results, and their cost does not count against the cap"
    )


def _find_fault(ledger: Ledger, find_jobs: FindJobs) -> str | None:
    """Return why the budget of the ledger may be that of another folder; None if it is not."""
    folder = ledger.file.parent
    kept, found = _read_setting(ledger), _read_file(folder)
    if found is not None and (kept is None or kept.tag != found):
        state = "is gone" if kept is None else "belongs to another run"
        return (
            f"the ledger of {folder} {state}: {folder / _FILE} names the run {found}, of which "
            f"the service has {_list_ids([job_id for job_id, _ in find_jobs(found)])}. Restore "
            f"{ledger.file} from a backup"
        )
    if kept is None:
        return None
    if (original := find_original(ledger)) is not None:
        return (
            f"{folder} is a copy of {original}: both have the identity {kept.tag}, and each would "
            f"send and pay the same jobs. Go on in the original, {original}"
        )
    jobs = ledger.list_jobs()
    known = {job.job_id for job in jobs} | {job.tag for job in jobs}
    foreign = [job_id for job_id, tags in find_jobs(kept.tag) if known.isdisjoint((job_id, *tags))]
    if not foreign:
        return None
    return (
        f"the ledger of {folder} is older than its run {kept.tag}: the service has "
        f"{_list_ids(foreign)} of it that the ledger does not know, sent from a copy of the folder "
        "or before the ledger was restored. Go on in the newest copy"
    )


def _list_ids(ids: Collection[str]) -> str:
    """Return the number of jobs and the first ids."""
    count = f"{len(ids)} job" + ("" if len(ids) == 1 else "s")
    shown = ", ".join(list(ids)[:_SHOWN])
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return f"{count} ({shown}{more})" if ids else count


def _read_setting(ledger: Ledger) -> _Identity | None:
    kept = ledger.read_setting(_SETTING)
    if kept is None:
        return None
    try:
        found = _Identity(**kept)
        is_valid = _TAG.fullmatch(found.tag) and isinstance(found.path, str)
    except TypeError:
        is_valid = None
    if not is_valid:
        raise LedgerError(
            f"{ledger.file} is damaged (the identity of the run is {kept!r}); restore it from a "
            "backup"
        )
    return found


def _read_file(folder: Path) -> str | None:
    """Return the tag in the identity file of a folder; None if there is no file.

    Raises:
        LedgerError: The file is damaged.
    """
    file = folder / _FILE
    try:
        content = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise LedgerError(f"{file} cannot be read: {error.strerror}") from error
    tag = content.decode(errors="replace").strip()
    if not _TAG.fullmatch(tag):
        raise LedgerError(
            f"{file} is damaged: expected a tag such as qrnn-run-{32 * '0'}, got {tag[:50]!r}; "
            "restore it. If ledger.sqlite of this folder is whole, delete the file: it is written "
            "anew from the ledger"
        )
    return tag


def _read_tag(file: Path) -> str | None:
    """Return the tag in another ledger file, which is only read; None if it has none."""
    if not file.exists():
        return None
    connection = sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, timeout=30.0)
    try:
        row = connection.execute(
            "SELECT json_extract(value, '$.tag') FROM settings WHERE name = ?", (_SETTING,)
        ).fetchone()
    except sqlite3.Error:  # no ledger, or a damaged one
        return None
    finally:
        connection.close()
    return None if row is None else str(row[0])
