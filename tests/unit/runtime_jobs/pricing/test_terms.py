from __future__ import annotations

from pathlib import Path

import pytest

from circuits.errors import InvalidValueError
from circuits.limits import LIMITS_DATE, JobLimits
from runtime_jobs.pricing.terms import read_terms


def test_a_file_replaces_what_it_names(tmp_path: Path) -> None:
    assert read_terms(None).limits == JobLimits()
    assert read_terms(None).date == LIMITS_DATE
    file = tmp_path / "limits.toml"
    file.write_text(
        'date = "2027-01-02"\n[limits]\nbroadcasts = 9600\n[price]\nper_second = 2.5\n'
        'currency = "EUR"\n[allowance]\nseconds = 300\ndays = 30\n'
    )
    terms = read_terms(file)
    assert terms.limits == JobLimits(broadcasts=9600)
    assert terms.list_own_limits() == {"broadcasts": 9600}
    assert (terms.price_per_second, terms.currency) == (2.5, "EUR")
    assert (terms.allowance_seconds, terms.allowance_days) == (300, 30)
    assert (terms.date, terms.source) == ("2027-01-02", str(file))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[limits]\nshots = 3", "unknown key limits.shots"),
        ("[limits]\nserial_branches = true", "unknown key limits.serial_branches"),
        ("[price]\nper_second = -1", "expected price.per_second as a number"),
        ("[allowance]\nseconds = true", "expected allowance.seconds as a number"),
        ("limits = 3", r"expected a table \[limits\]"),
        ("price", "cannot be read"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "limits.toml"
    file.write_text(text)
    with pytest.raises(InvalidValueError, match=message):
        read_terms(file)
