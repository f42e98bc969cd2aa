"""Numbers among the model's arguments, and torch's mixed precision around it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from qrnn_qiskit import QRNN


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("dropout", 1.0, ValueError, "dropout must be a finite number at least 0 and below 1"),
        ("dropout", -0.1, ValueError, "got -0.1"),
        ("dropout", "0.1", TypeError, "got '0.1' \\(str\\)"),
        ("dropout", None, TypeError, "got None \\(NoneType\\)"),
        ("feedback_gain", math.nan, ValueError, "feedback_gain must be a finite number"),
        ("angle_gain", math.inf, ValueError, "got inf"),
        ("angle_gain", True, TypeError, "got True \\(bool\\)"),
    ],
)
def test_numbers_out_of_range_are_refused(
    name: str, value: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        QRNN(3, 2, **{name: value})


def test_autocast_keeps_the_precision_of_the_angles() -> None:
    torch.manual_seed(0)
    model = QRNN(3, 2)
    x = torch.randn(2, 4, 3)
    plain, _ = model(x)
    with torch.autocast("cpu"):
        mixed, _ = model(x)
    assert mixed.dtype == torch.float32
    assert torch.equal(plain, mixed)
