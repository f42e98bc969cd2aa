"""The picture of a dynamic circuit: what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from circuits import build_ansatz, build_measurement
from qrnn_qiskit.pictures.recurrence import draw_recurrence


def list_texts(figure: Figure) -> list[str]:
    axes = figure.axes[0]
    return [text.get_text() for text in axes.texts] + [axes.get_title()]


@pytest.mark.parametrize(
    ("num_ancillas", "settings", "expected"),
    [
        (1, {}, ["couple", "X if 1", "U(θ8[b7])", "b8: 1 bit", "…"]),
        (2, {"ancilla_return": "reset", "measured_bases": "XY"}, ["reset", "X", "Y", "ancilla 1"]),
        (2, {"coupling": "direct"}, ["Z", "b1: 2 bits", "final: 3 bits"]),
        (1, {"measurement_frame": "undone"}, ["U(θ8[b7])†", "U(θ1)†"]),
        (1, {"bit_feedback": False}, ["reset", "without branches", "U(θ8)"]),
    ],
)
def test_the_recurrence_names_its_parts(
    num_ancillas: int, settings: dict[str, Any], expected: list[str], tmp_path: Path
) -> None:
    measurement = build_measurement(num_qubits=3, num_ancillas=num_ancillas, **settings)
    figure = draw_recurrence(build_ansatz(num_qubits=3), measurement, 8)
    texts = list_texts(figure)
    for part in [*expected, "step 1 of 8", "step 8 of 8", "U(θ1)"]:
        assert any(part in text for text in texts), part
    assert ("ancilla" in " ".join(texts)) == (settings.get("coupling") != "direct")
    assert "step 3 of 8" not in texts
    figure.savefig(tmp_path / "recurrence.png", dpi=40)


def test_short_sequences_are_drawn_whole() -> None:
    measurement = build_measurement(num_qubits=1)
    texts = list_texts(draw_recurrence(build_ansatz(num_qubits=1), measurement, 3))
    assert {f"step {step} of 3" for step in (1, 2, 3)} <= set(texts)
    assert "…" not in texts
