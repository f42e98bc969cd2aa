"""Which figures the command line measures."""

from __future__ import annotations

import time
from typing import Any

import figures
import pytest
import roofline
import torch

from qrnn_qiskit import QRNN


@pytest.mark.parametrize(
    ("named", "measured"),
    [([], ["epoch", "start"]), (["start"], ["start"]), (["epoch"], ["epoch"])],
)
def test_all_figures_are_measured_unless_some_are_named(
    named: list[str], measured: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str] = []

    def note(name: str) -> Any:
        return lambda report, **options: found.append(name)

    monkeypatch.setattr(figures, "FIGURES", {name: note(name) for name in ("epoch", "start")})
    monkeypatch.setattr(figures, "measure_epoch", note("epoch"))
    monkeypatch.setattr(figures, "limit_threads", lambda threads: None)
    monkeypatch.setattr("sys.argv", ["figures.py", *named])
    figures.main()
    assert found == measured


def test_the_time_in_kernels_is_a_part_of_a_step() -> None:
    model, x = QRNN(2, 9), torch.ones(20, 10, 2)

    def train() -> None:
        model(x)[0].square().mean().backward()

    train()
    start = time.perf_counter()
    compiled = roofline.time_kernels(train)
    assert 0 < compiled < time.perf_counter() - start
    assert roofline.time_kernels(lambda: None) == 0
