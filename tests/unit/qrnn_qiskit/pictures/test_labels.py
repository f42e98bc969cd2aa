"""Names of classes are shown as they are, also where they look like formulas."""

from __future__ import annotations

import io

import numpy as np

from qrnn_qiskit.pictures import draw_confusion, draw_readouts


def test_dollar_signs_in_names_are_no_formulas() -> None:
    names = ["$5_$", "$\\foo$"]
    confusion = draw_confusion(np.array([0, 1]), np.array([1, 1]), names)
    confusion.savefig(io.BytesIO(), format="png")
    assert [label.get_text() for label in confusion.axes[0].get_xticklabels()] == names
    draw_readouts([np.zeros((3, 2))] * 2, ["X0", "Z0"], names).savefig(io.BytesIO(), format="png")
