"""Which figures the command line measures."""

from __future__ import annotations

from typing import Any

import figures
import pytest


@pytest.mark.parametrize(
    ("named", "measured"),
    [([], ["epoch", "start"]), (["start"], ["start"]), (["epoch"], ["epoch"])],
)
def test_all_figures_are_measured_unless_some_are_named(
    named: list[str], measured: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str] = []

    def note(name: str) -> Any:
        return lambda tell, **options: found.append(name)

    monkeypatch.setattr(figures, "FIGURES", {name: note(name) for name in ("epoch", "start")})
    monkeypatch.setattr(figures, "measure_epoch", note("epoch"))
    monkeypatch.setattr(figures, "limit_threads", lambda threads: None)
    monkeypatch.setattr("sys.argv", ["figures.py", *named])
    figures.main()
    assert found == measured
