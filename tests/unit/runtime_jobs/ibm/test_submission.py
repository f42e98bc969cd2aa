from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from circuits.errors import InvalidValueError
from runtime_jobs.ibm.submission import Submission, read_submission
from runtime_jobs.ledger import Ledger, LedgerError

SUBMISSION = Submission("ibm_kingston", shots=100, sequences=3, cap=60.0)


def test_a_submission_is_read_again(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        assert read_submission(ledger) is None
        ledger.write_setting("submission", asdict(SUBMISSION))
        assert read_submission(ledger) == SUBMISSION


def test_a_submission_of_a_later_version_is_refused(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.write_setting("submission", asdict(SUBMISSION) | {"priority": 1})
        with pytest.raises(LedgerError, match=r"unknown fields priority; use the version"):
            read_submission(ledger)


@pytest.mark.parametrize(("mode", "seconds"), [("session", None), ("session", 0), ("batch", 60)])
def test_only_a_session_takes_seconds(mode: str, seconds: int | None) -> None:
    with pytest.raises(InvalidValueError, match=f"session seconds {seconds}.*--session-seconds"):
        Submission("ibm_kingston", 100, 3, 60.0, mode=mode, session_seconds=seconds)
