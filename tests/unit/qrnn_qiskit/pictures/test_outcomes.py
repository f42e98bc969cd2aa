"""The tree of outcomes: its numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from circuits import build_ansatz, build_measurement
from qrnn_qiskit import QRNN
from qrnn_qiskit.pictures.outcomes import draw_outcomes


@pytest.mark.parametrize("frame", ["kept", "undone"])
def test_the_tree_has_the_probabilities_of_the_recursion(frame: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = QRNN(
        2,
        2,
        readout="measured",
        coupling_strength=1.4,
        measurement_frame=frame,
        dtype=torch.float64,
    )
    x = torch.randn(1, 6, 2).double()
    assert model.measurement is not None
    figure = draw_outcomes(
        model.ansatz, model.measurement, model.angles(x)[0].numpy(), "a $ sequence"
    )
    output = model(x)[0][0, :, 0].tolist()
    axes = figure.axes[0]
    shown: dict[int, list[tuple[str, float]]] = {}
    outcomes = [text for text in axes.texts if text.get_text() in ("0", "1")]
    shares = [text for text in axes.texts if "%" in text.get_text()]
    assert len(outcomes) == len(shares) == 2 + 4 + 8 + 16  # four of the six steps
    for outcome, share in zip(outcomes, shares, strict=True):
        value = 0.0 if "<" in share.get_text() else float(share.get_text().removesuffix(" %"))
        shown.setdefault(round(outcome.get_position()[0]), []).append((outcome.get_text(), value))
    for level, entries in shown.items():
        clicked = sum(value for bit, value in entries if bit == "1")
        assert clicked / 100 == pytest.approx(output[level - 1], abs=0.006)
        assert sum(value for _, value in entries) == pytest.approx(100, abs=1)
    figure.savefig(tmp_path / "outcomes.png", dpi=40)


def test_two_ancillas_have_four_outcomes() -> None:
    measurement = build_measurement(num_qubits=2, num_ancillas=2)
    tables = np.random.default_rng(2).normal(size=(5, 4, 4))
    figure = draw_outcomes(build_ansatz(num_qubits=2), measurement, tables, "one")
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts.count("10") == 1 + 4
