from __future__ import annotations

import numpy as np
import pytest

from qrnn_qiskit.training.learning_rate import scheduled_rate
from qrnn_qiskit.training.schema import TrainConfig


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.2, 0.2, 0.2, 0.2]),
        ("linear", [0.2, 0.15, 0.1, 0.0]),
        ("cosine", [0.2, 0.1 + 0.1 * np.sqrt(0.5), 0.1, 0.0]),
    ],
)
def test_the_rate_falls_as_its_name_says(schedule: str, expected: list[float]) -> None:
    train = TrainConfig(learning_rate=0.2, schedule=schedule)  # type: ignore[arg-type]
    rates = [scheduled_rate(train, 100, progress) for progress in (0.0, 0.25, 0.5, 1.0)]
    np.testing.assert_allclose(rates, expected, atol=1e-15)


def test_the_rate_rises_over_the_warmup() -> None:
    train = TrainConfig(learning_rate=1.0, schedule="constant", warmup_steps=4)
    rates = [scheduled_rate(train, step, 0.0) for step in range(6)]
    assert rates == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
