from __future__ import annotations

from pathlib import Path

import pytest

from runtime_jobs.ledger import Ledger
from runtime_jobs.ledger.origins import Origin


@pytest.mark.parametrize(
    ("address", "stands_in"),
    [
        ("https://quantum.cloud.ibm.com/api/v1", False),
        ("https://us-east.private.quantum-computing.ibm.com:443/api", False),
        ("http://127.0.0.1:8080/experimental/../api/v1", True),
        ("https://ibm.com.example.org/api", True),
        ("https://notibm.com/api", True),
    ],
)
def test_only_ibm_runs_jobs_on_a_qpu(address: str, stands_in: bool) -> None:
    assert Origin(address).is_stand_in == stands_in


def test_origins_are_kept_and_earlier_results_have_none(tmp_path: Path) -> None:
    origin = Origin("https://quantum.cloud.ibm.com/api/v1", "mine", (12_345, None))
    with Ledger(tmp_path) as ledger:
        ledger.origins.record("qrnn-a", origin)
    with Ledger(tmp_path) as ledger:
        assert ledger.origins.find("qrnn-a") == origin
        assert ledger.origins.find("qrnn-b") is None
